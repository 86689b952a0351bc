"""Log lines: JSON for machines, text for people at a terminal.

A message is constant and its particulars are extras (`incident`, `runbook`, `step`), so that lines can be counted and searched. The rule this
module protects: what leaves through a log is redacted like everything else, and a newline in an alert's label never makes a second line.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final, Literal

from prunella.api.base import micro_time
from prunella.core.redact import redact

Format = Literal["json", "text"]

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_OVERSHARING: Final = ("apprise", "urllib3", "requests", "kubernetes.client.rest", "kubernetes.aio.client.rest")
"""Libraries that write whole URLs or bodies at DEBUG; for Apprise even at ERROR, and an Apprise URL is a secret."""
_LONGEST: Final = 8192
_GOES_ON: Final = (" failed; will retry: ", " will re-authenticate: ")
"""Kopf's words for a try that it repeats."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, extras, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Never raises for what a caller put into extras."""
        line: dict[str, object] = {
            "time": micro_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage())[:_LONGEST],
        }
        line.update((name, _value(value)) for name, value in _extras(record).items() if name not in line)
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))[:_LONGEST]
        return json.dumps(line, ensure_ascii=True, allow_nan=False)


class TextFormatter(logging.Formatter):
    """One line for a terminal; a traceback follows indented by its own newlines."""

    def format(self, record: logging.LogRecord) -> str:
        """Control characters are spelled out, so that a label can neither colour the terminal nor forge a line."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        extras = "".join(f" {name}={_value(value)}" for name, value in _extras(record).items())
        line = _printable(redact(f"{record.getMessage()}{extras}")[:_LONGEST])
        text = f"{time} {record.levelname:<7} {line}"
        return f"{text}\n{redact(self.formatException(record.exc_info))}" if record.exc_info else text


def configure(level: str, form: Format) -> None:
    """Send everything to stderr in this format. `level` is debug, info, warning or error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(worth_a_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quiet()


def worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a line tells anything: Kopf's error for each try that it repeats doesn't, our own watch of the same kind says it once.

    So it is with a try whose session is renewed, or closed because the operator ends. A refusal passes, because no repetition mends a missing right;
    and at level debug everything does.
    """
    if not record.name.startswith("kopf.") or logging.getLogger().isEnabledFor(logging.DEBUG):
        return True
    message = record.getMessage()
    return not (message.startswith("Request attempt #") and any(words in message for words in _GOES_ON) and "APIForbiddenError" not in message)


def quiet() -> None:
    """Keep libraries that would log secrets above the level at which they do."""
    for name in _OVERSHARING:
        logging.getLogger(name).setLevel(logging.CRITICAL if name == "apprise" else logging.INFO)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD and not name.startswith("_")}


def _value(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if abs(value) < float("inf") else str(value)
        case datetime():
            return micro_time(value)
        case _:
            return redact(str(value))[:_LONGEST]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)
