"""PromQL: one finite number of one fresh series, or the reason why there is none, missing data and failed questions told apart."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.local import NOON, FixedClock, answering, head, nobody, serving

from prunella.adapters.prometheus import PrometheusQueries, read_value
from prunella.api.step_failure import Transient
from prunella.core.facts import UNKNOWN
from prunella.core.world import QueryValue

NOW = NOON.timestamp()


def vector(*values, time=NOW, **envelope):
    series = [{"metric": {}, "value": [time, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": series}} | envelope


def result(kind, found):
    return {"status": "success", "data": {"resultType": kind, "result": found}}


@pytest.fixture
def ask():
    """Ask the server at a URL one query."""
    opened = []

    async def value(url, query="up", timeout_seconds=5.0):
        queries = PrometheusQueries(url, FixedClock(), timeout_seconds=timeout_seconds)
        opened.append(queries)
        return await queries.value(query, NOON)

    yield value
    for queries in opened:
        queries.close()


@pytest.mark.parametrize(
    ("envelope", "value"),
    [
        (vector("0.005"), QueryValue(value=0.005)),
        (vector("-0"), QueryValue(value=-0.0)),
        (vector("1e3"), QueryValue(value=1000.0)),
        (vector("1", time=NOW - 60), QueryValue(value=1.0)),
        (vector("1", infos=["metric might not be a counter"]), QueryValue(value=1.0)),
        (vector("1", warnings=[]), QueryValue(value=1.0)),
        (vector(), QueryValue(missing="no series: the query found no data")),
        (vector("1", "2"), QueryValue(missing="2 series where one is needed; aggregate them, for example with sum()")),
        (vector("NaN"), QueryValue(missing="the value is NaN, no finite number")),
        (vector("+Inf"), QueryValue(missing="the value is +Inf, no finite number")),
        (vector(""), QueryValue(missing="the value is empty, no finite number")),
        (vector("1e999"), QueryValue(missing="the value is 1e999, no finite number")),
        (vector(1), QueryValue(missing="the value is empty, no finite number")),
        (vector("1", time=NOW - 7200), QueryValue(missing="the sample is 7200 s old")),
        (vector("1", time=NOW + 300), QueryValue(missing="the sample lies 300 s in the future")),
        (vector("1", time="now"), QueryValue(missing="the sample has no time")),
        (vector("1", time=True), QueryValue(missing="the sample has no time")),
        (
            vector("1", warnings=["a store\ndid not answer"]),
            QueryValue(missing="Prometheus warned that its answer is partial: a store did not answer"),
        ),
        (result("vector", [{"metric": {}, "histogram": [NOW, {}]}]), QueryValue(missing="the series has no plain number (a native histogram?)")),
        (result("vector", ["x"]), QueryValue(missing="the series has no plain number (a native histogram?)")),
        (result("scalar", [NOW, "1"]), QueryValue(error="the query gives a scalar where one series is needed")),
        (result("string", [NOW, "1"]), QueryValue(error="the query gives a string where one series is needed")),
        (result("matrix", []), QueryValue(error="the query gives a matrix where one series is needed")),
        ({"status": "success"}, QueryValue(error="the query gives a nothing known where one series is needed")),
        (
            {"status": "error", "errorType": "bad_data", "error": "1:4: parse error"},
            QueryValue(error="Prometheus refused the query: bad_data: 1:4: parse error"),
        ),
        ({"status": "odd"}, QueryValue(error="Prometheus answered 200 without success")),
        ([], QueryValue(error="Prometheus answered 200 without success")),
    ],
    ids=[
        "number",
        "56 minus zero",
        "exponent",
        "a minute old",
        "55 infos",
        "no warnings",
        "57 empty",
        "59 two series",
        "56 NaN",
        "56 Inf",
        "56 empty value",
        "overflow",
        "no string",
        "61 hours old",
        "61 future",
        "no time",
        "true as time",
        "55 warnings",
        "60 histogram",
        "member no object",
        "58 scalar",
        "58 string",
        "58 matrix",
        "no data",
        "54 error with 200",
        "odd status",
        "list",
    ],
)
async def test_an_answer_is_one_number_or_says_why_not(ask, envelope, value):
    async def handler(_):
        return web.json_response(envelope)

    async with serving(handler) as url:
        assert await ask(url) == value


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        (
            (head("HTTP/1.1 200 OK", "Content-Length: 13"), b"<html></html>"),
            "Prometheus answered 200 with something that is not JSON (a login page?)",
        ),
        (
            (head("HTTP/1.1 301 Moved", "Location: http://169.254.169.254/latest", "Content-Length: 0"),),
            "Prometheus answered 301: redirects are not followed; give its final address",
        ),
        ((head("HTTP/1.1 503 Busy", "Content-Length: 2"), b"{}"), "Prometheus answered 503 without success"),
        ((head("HTTP/1.1 429 Slow", "Content-Length: 0"),), "Prometheus answered 429 with something that is not JSON (a login page?)"),
        (
            (head("HTTP/1.1 422 Unprocessable", "Content-Length: 60"), b'{"status":"error","errorType":"execution","error":"too many"}'),
            "Prometheus answered 422 with something that is not JSON (a login page?)",
        ),
        (
            (head("HTTP/1.1 422 Unprocessable", "Content-Length: 61"), b'{"status":"error","errorType":"execution","error":"too many"}'),
            "Prometheus refused the query: execution: too many",
        ),
        (
            (head("HTTP/1.1 200 OK", "Content-Length: 50000000"), *[b" " * 65_536] * 4),
            "Prometheus' answer is longer than 65536 bytes; let the query give one value",
        ),
        (
            (head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), b"FFFFF\r\n", *[b" " * 65_536] * 4),
            "Prometheus' answer is longer than 65536 bytes; let the query give one value",
        ),
        ((head("HTTP/1.1 200 OK", "Content-Length: 200000"), b"[" * 60_000), "Prometheus could not be reached (ProtocolError)"),
        (
            (head("HTTP/1.1 200 OK", "Content-Length: 60000"), b"[" * 60_000),
            "Prometheus answered 200 with something that is not JSON (a login page?)",
        ),
        ((b"garbage\r\n\r\n",), "Prometheus could not be reached (ConnectionError)"),
        ((), "Prometheus could not be reached (ConnectionError)"),
    ],
    ids=[
        "62 login page",
        "63 redirect",
        "66 503",
        "66 429",
        "66 422 cut",
        "66 422",
        "64 long",
        "64 long chunked",
        "cut off",
        "nested",
        "no HTTP",
        "hangs up",
    ],
)
async def test_a_question_that_failed_is_an_error(ask, pieces, error):
    async with answering(*pieces) as url:
        assert replace(await ask(url), transient=None) == QueryValue(error=error)


@pytest.mark.parametrize(
    ("line", "body", "transient"),
    [
        ("HTTP/1.1 503 Service Unavailable", b'{"status": "error", "errorType": "timeout", "error": "query timed out"}', Transient.SERVER_ERROR),
        ("HTTP/1.1 502 Bad Gateway", b"<html>", Transient.SERVER_ERROR),
        ("HTTP/1.1 429 Too Many Requests", b"{}", Transient.TOO_MANY_REQUESTS),
        ("HTTP/1.1 422 Unprocessable Entity", b'{"status": "error", "errorType": "execution", "error": "x"}', None),
        ("HTTP/1.1 400 Bad Request", b'{"status": "error", "errorType": "bad_data", "error": "parse error"}', None),
    ],
    ids=["overloaded", "what stands before it", "turned away", "can't be computed", "no query"],
)
async def test_what_may_be_answered_a_moment_later_is_told_from_a_wrong_question(ask, line, body, transient):
    async with answering(head(line, f"Content-Length: {len(body)}"), body) as url:
        assert (await ask(url)).transient is transient


@pytest.mark.parametrize("pieces", [(), (head("HTTP/1.1 200 OK", "Content-Length: 10"), b"{")], ids=["no answer", "half an answer"])
async def test_65_a_prometheus_that_hangs_is_given_up(ask, pieces):
    async with answering(*pieces, stall=True) as url:
        assert await ask(url, timeout_seconds=0.2) == QueryValue(error="Prometheus did not answer within 0.2 s", transient=Transient.TIMEOUT)


async def test_a_dripping_answer_does_not_keep_its_thread(ask):
    asked = []

    async def drip(request):
        asked.append(request.path)
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    async with serving(drip) as url:
        queries = PrometheusQueries(url, FixedClock(), timeout_seconds=0.3)
        try:
            answers = await asyncio.gather(*(queries.value("up", NOON) for _ in range(6)))
            again = await queries.value("up", NOON)
        finally:
            queries.close()
    assert {answer.error for answer in (*answers, again)} == {"Prometheus did not answer within 0.3 s"}
    assert len(asked) > 4  # the four threads were free again for the rest


async def test_nobody_there_is_an_error(ask):
    async with nobody() as url:
        assert await ask(url) == QueryValue(error="Prometheus could not be reached (ConnectionError)", transient=Transient.TIMEOUT)


async def test_the_question_names_its_time_and_how_far_back_it_may_look(ask):
    forms = []

    async def handler(request):
        forms.append((request.method, request.path, dict(await request.post()), request.headers["Accept-Encoding"]))
        return web.json_response(vector("1"))

    async with serving(handler) as url:
        await ask(url + "/prometheus/", 'up{a="b&c"}')
    form = {"query": 'up{a="b&c"}', "time": f"{NOW:.3f}", "timeout": "5s", "lookback_delta": "120s"}
    assert forms == [("POST", "/prometheus/api/v1/query", form, "identity")]


async def test_one_question_is_asked_once(ask):
    asked = []

    async def handler(request):
        asked.append(request.path)
        return web.json_response({}, status=503)

    async with serving(handler) as url:
        await ask(url)
    assert asked == ["/api/v1/query"]


def rule(name="X", duration=60, **changes):
    return {"name": name, "type": "alerting", "duration": duration} | changes


@pytest.fixture
def listing():
    """What Prometheus' rules and alerts are read as."""
    opened = []

    async def read(data, question):
        async def handler(_):
            return web.json_response({"status": "success", "data": data})

        async with serving(handler) as url:
            queries = PrometheusQueries(url, FixedClock())
            opened.append(queries)
            return await question(queries)

    yield read
    for queries in opened:
        queries.close()


@pytest.mark.parametrize(
    ("groups", "seconds"),
    [
        ([{"rules": [rule("Y", 5), rule(duration=900)]}], 900),
        ([{"rules": [rule(duration=0)]}], 0),
        ([{"rules": [rule(duration=60)]}, {"rules": [rule(duration=60)]}], 60),
        ([{"rules": [rule(duration=60), rule(duration=120)]}], UNKNOWN),
        ([{"rules": [rule("Y")]}], UNKNOWN),
        ([{"rules": [rule(duration="60")]}], UNKNOWN),
        ([{"rules": [rule(duration=-1)]}], UNKNOWN),
        ([{"rules": None}, None, {"rules": [None]}], UNKNOWN),
        (None, UNKNOWN),
    ],
    ids=["found", "no for", "same twice", "differ", "other name", "string", "negative", "malformed", "nothing"],
)
async def test_the_for_of_a_rule_is_known_only_where_it_is_one(listing, groups, seconds):
    assert await listing({"groups": groups}, lambda queries: queries.rule_for_seconds("X")) == seconds


@pytest.mark.parametrize(
    ("severity", "seconds"), [("warning", 3600), ("critical", 60), ("info", UNKNOWN), ("", UNKNOWN)], ids=["its own", "another", "of neither", "none"]
)
async def test_rules_of_one_name_are_told_apart_by_the_severity_that_they_give(listing, severity, seconds):
    rules = [rule(duration=60) | {"labels": {"severity": "critical"}}, rule(duration=3600) | {"labels": {"severity": "warning"}}]
    assert await listing({"groups": [{"rules": rules}]}, lambda queries: queries.rule_for_seconds("X", severity)) == seconds


async def test_a_rule_that_gives_no_severity_is_known_by_its_name(listing):
    assert await listing({"groups": [{"rules": [rule(duration=900)]}]}, lambda queries: queries.rule_for_seconds("X", "warning")) == 900


def active(at="2026-11-24T11:58:00.123456789Z", **labels):
    return {"labels": {"alertname": "X"} | labels, "activeAt": at, "state": "firing"}


@pytest.mark.parametrize(
    ("alerts", "time"),
    [
        ([active(pod="a")], NOON - timedelta(seconds=119, microseconds=876_544)),
        ([active(pod="b"), active()], NOON - timedelta(seconds=119, microseconds=876_544)),
        ([active(pod="b")], UNKNOWN),
        ([active(), active("2026-11-24T11:57:00Z", pod="a")], UNKNOWN),
        ([active("never")], UNKNOWN),
        ([active("2026-11-24T11:57:00")], UNKNOWN),
        ([None, {"labels": None}], UNKNOWN),
        ([{"labels": {}, "activeAt": "2026-11-24T11:57:00Z"}], UNKNOWN),
        (None, UNKNOWN),
    ],
    ids=["same labels", "fewer labels", "another pod", "two instants", "no time", "no zone", "malformed", "nameless", "nothing"],
)
async def test_when_an_alert_became_active_is_known_only_where_it_is_one(listing, alerts, time):
    labels = {"alertname": "X", "pod": "a", "cluster": "an external label"}
    assert await listing({"alerts": alerts}, lambda queries: queries.alert_active_time("X", labels)) == time


async def test_a_storm_of_questions_reads_a_listing_once_and_later_again():
    asked = []

    async def handler(request):
        asked.append(request.path_qs)
        return web.json_response({"status": "success", "data": {"groups": [{"rules": [rule()]}]}})

    clock = FixedClock()
    async with serving(handler) as url:
        queries = PrometheusQueries(url, clock)
        try:
            assert await asyncio.gather(*(queries.rule_for_seconds("X") for _ in range(50))) == [60] * 50
            assert asked == ["/api/v1/rules?type=alert"]
            clock.pass_seconds(11)
            await queries.rule_for_seconds("X")
        finally:
            queries.close()
    assert len(asked) == 2


async def test_rules_of_a_prometheus_that_is_down_are_not_known():
    async with nobody() as url:
        queries = PrometheusQueries(url, FixedClock())
        try:
            assert await queries.rule_for_seconds("X") is UNKNOWN
            assert await queries.alert_active_time("X", {}) is UNKNOWN
        finally:
            queries.close()


async def test_an_outage_is_said_once_when_it_changes_and_when_it_is_over(caplog):
    caplog.set_level("INFO", "prunella.adapters.prometheus")
    state = {"status": 503}

    async def handler(request):
        return web.json_response({"status": "success", "data": {"groups": [], "alerts": []}}, status=state["status"])

    clock = FixedClock()
    async with serving(handler) as url:
        queries = PrometheusQueries(url, clock)
        try:
            for status in (503, 503, 502, 200, 200, 503):
                state["status"] = status
                clock.pass_seconds(11)
                await queries.rule_for_seconds("X")
                await queries.alert_active_time("X", {})
        finally:
            queries.close()
    assert [(record.message, getattr(record, "error", "")) for record in caplog.records] == [
        ("Prometheus could not be asked", "Prometheus answered 503 without success"),
        ("Prometheus could not be asked", "Prometheus answered 502 without success"),
        ("Prometheus can be asked again", ""),
        ("Prometheus could not be asked", "Prometheus answered 503 without success"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "result", "resultType", "value", "warnings"]), inner, max_size=3)
    ),
)


@given(JSON, JSON)
def test_no_answer_makes_it_raise_or_pass_for_a_number(data, warnings):
    answer = read_value({"data": data, "warnings": warnings}, NOON)
    assert answer.value is None
    assert bool(answer.missing) != bool(answer.error)


@given(JSON)
def test_no_sample_makes_it_raise(sample):
    envelope = json.loads(json.dumps(result("vector", [{"value": sample}])))
    answer = read_value(envelope, NOON)
    assert (answer.value is None) == bool(answer.missing)
