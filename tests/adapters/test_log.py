"""Log lines are one line each, machine readable, and hold no secrets."""

import json
import logging
import sys
from datetime import UTC, datetime

import pytest

from prunella.adapters.log import JsonFormatter, TextFormatter, configure, quiet, worth_a_line


def record(message, *args, error=None, **extra):
    made = logging.LogRecord("prunella.app.outbox", logging.WARNING, "outbox.py", 1, message, args, error)
    made.created = datetime(2026, 11, 24, 9, 41, 7, 250_000, tzinfo=UTC).timestamp()
    made.__dict__.update(extra)
    return made


def some_error():
    try:
        int("Authorization: Bearer abcdefghijklmnop")
    except ValueError:
        return sys.exc_info()


def test_a_json_line_has_time_level_logger_message_and_extras():
    line = JsonFormatter().format(
        record("Sent %s", "it", incident="checkout-7f3kq", step=2, ok=True, ratio=0.5, when=datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert json.loads(line) == {
        "time": "2026-11-24T09:41:07.250000Z",
        "level": "warning",
        "logger": "prunella.app.outbox",
        "message": "Sent it",
        "incident": "checkout-7f3kq",
        "step": 2,
        "ok": True,
        "ratio": 0.5,
        "when": "2026-01-01T00:00:00.000000Z",
    }


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
@pytest.mark.parametrize("extra", [float("nan"), float("inf"), object(), {"a": 1}, ["x"], "half \ud800", "line\nbreak\x1b[31m", None, 10**400])
def test_nothing_in_extras_breaks_a_line(formatter, extra):
    line = formatter.format(record("Went on", odd=extra))
    assert "\n" not in line
    assert "\x1b" not in line
    line.encode()


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_secrets_are_redacted_in_message_extras_and_traceback(formatter):
    line = formatter.format(record("password=hunter2hunter2", error=some_error(), why="token: abcdefghijklmnop"))
    assert "hunter2" not in line
    assert "abcdefghijklmnop" not in line
    assert "ValueError" in line


def test_extras_do_not_overwrite_what_a_line_is_made_of():
    assert json.loads(JsonFormatter().format(record("Real", level="fake")))["level"] == "warning"


def test_a_text_line_is_for_people():
    assert TextFormatter().format(record("Sent it", incident="checkout-7f3kq")) == "09:41:07.250 WARNING Sent it incident=checkout-7f3kq"


@pytest.fixture
def logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(("form", "formatter"), [("json", JsonFormatter), ("text", TextFormatter)])
def test_configuring_sends_everything_through_one_handler(logging_as_before, form, formatter):
    configure("info", form)
    assert [type(handler.formatter) for handler in logging_as_before.handlers] == [formatter]
    assert logging_as_before.level == logging.INFO


def test_libraries_that_log_urls_are_kept_quiet():
    quiet()
    assert not logging.getLogger("apprise").isEnabledFor(logging.ERROR)
    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("kubernetes.aio.client.rest").isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(
    ("name", "message", "level", "told"),
    [
        (
            "kopf._cogs.clients.watching",
            "Request attempt #3 failed; will retry: GET https://10.0.0.1/x -> ClientConnectorError()",
            logging.INFO,
            False,
        ),
        (
            "kopf._cogs.clients.watching",
            "Request attempt #3 failed; will retry: GET https://10.0.0.1/x -> ClientConnectorError()",
            logging.DEBUG,
            True,
        ),
        ("kopf._cogs.clients.watching", "Request attempt #3 failed; will retry: GET https://10.0.0.1/x -> APIForbiddenError()", logging.INFO, True),
        (
            "kopf._core.reactor.observation",
            "Request attempt #1 failed; TCP closed; will re-authenticate: GET https://10.0.0.1/x",
            logging.INFO,
            False,
        ),
        ("kopf._cogs.clients.watching", "Request attempt #3 failed; escalating: GET https://10.0.0.1/x -> TimeoutError()", logging.INFO, True),
        ("kopf._core.reactor.running", "Daemon failed", logging.INFO, True),
        ("prunella.app.x", "Request attempt #3 failed; will retry: x", logging.INFO, True),
    ],
    ids=[
        "a repeated try",
        "a repeated try at debug",
        "a refusal",
        "a try in a session that was closed",
        "the last try",
        "another trouble of Kopf",
        "a line of ours",
    ],
)
def test_kopf_s_repeated_tries_are_no_errors_and_its_other_troubles_are(logging_as_before, name, message, level, told):
    logging_as_before.setLevel(level)
    made = logging.LogRecord(name, logging.ERROR, "x.py", 1, message, (), None)
    assert worth_a_line(made) == told


def test_what_is_configured_leaves_the_repeated_tries_out(logging_as_before, capsys):
    configure("info", "text")
    logging.getLogger("kopf.x").error("Request attempt #1 failed; will retry: GET / -> TimeoutError()")
    logging.getLogger("kopf.x").error("something else")
    assert [line.split(maxsplit=2)[1:] for line in capsys.readouterr().err.splitlines()] == [["ERROR", "something else"]]
