"""Alertmanager's webhook body: whatever JSON says is taken, only what is no JSON is refused, and nothing raises."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.adapters.alertmanager.webhook_body import NotJson, WebhookBody, decode_webhook

ALERT = {"status": "firing", "labels": {"alertname": "X"}, "startsAt": "2026-09-01T10:00:00Z", "fingerprint": "d253d4b2942f077a"}
UNREAD = [{"labels": None}, {"labels": {"a": 1}}, {"fingerprint": "é" * 10_000}]
NO_LIST = "the body has no list of alerts; does the receiver set a payload of its own?"


def body(**changes):
    return json.dumps({"receiver": "prunella", "version": "4", "truncatedAlerts": 0, "alerts": [ALERT]} | changes).encode()


def test_the_alerts_are_handed_on_as_they_are():
    assert decode_webhook(body()) == WebhookBody(alerts=(ALERT,), receiver="prunella", version="4")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "Expecting value at line 1, column 1"),
        (b"not json", "Expecting value at line 1, column 1"),
        (body()[:-2], "Expecting ',' delimiter at line 1, column"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (gzip.compress(body()), "Expecting value at line 1, column 1"),
        (b"\x00\x01\x02\x03", "Expecting value at line 1, column 1"),
        (body() + body(), "Extra data at line 1, column"),
    ],
    ids=["01 empty", "05 words", "06 truncated", "12 nested lists", "12 nested objects", "08 packed", "binary", "two documents"],
)
def test_what_is_no_json_is_refused_with_its_place(raw, why):
    answer = decode_webhook(raw)
    assert isinstance(answer, NotJson)
    assert answer.why.startswith(why)


@pytest.mark.parametrize(
    ("raw", "alerts", "oddities"),
    [
        (b"null", (), ("the body is no object, so it holds no alerts",)),
        (b"[]", (), ("the body is no object, so it holds no alerts",)),
        (b"{}", (), (NO_LIST, "the body has version '', read as '4'")),
        (body().decode().encode("utf-16"), (ALERT,), ()),
        (b"\xef\xbb\xbf" + body(), (ALERT,), ()),
        (b'{"version":"4","alerts":[],"alerts":[{"a":1}]}', ({"a": 1},), ()),
        (b'{"version":"4","alerts":[{"a":NaN,"b":Infinity,"c":-Infinity,"d":1e999,"e":-1e999}]}', (dict.fromkeys("abcde"),), ()),
        (b'{"version":"4","alerts":[{"a":' + b"9" * 5000 + b"}]}", ({"a": None},), ()),
        (b'{"version":"4","alerts":[{"a":12345678901234567890}]}', ({"a": 1.2345678901234567e19},), ()),
        (rb'{"version":"4","alerts":[{"a":"x\ud800y","\uDC00":"\ud83d\ude00"}]}', ({"a": "x\ufffdy", "\ufffd": "\U0001f600"},), ()),
        (b'{"version":"4","alerts":[{"a":"\xed\xa0\x80\xff"}]}', ({"a": "\ufffd\ufffd\ufffd\ufffd"},), ()),
        (body(alerts=None), (), (NO_LIST,)),
        (body(alerts={"0": ALERT}), (), (NO_LIST,)),
        (body(alerts=[ALERT, None, "x", 3, [ALERT]]), (ALERT, {}, {}, {}, {}), ()),
        (body(version="3"), (ALERT,), ("the body has version '3', read as '4'",)),
        (body(version="5"), (ALERT,), ("the body has version '5', read as '4'",)),
        (body(version=4), (ALERT,), ("the body has version '', read as '4'",)),
        (body(status="firing", alerts=[ALERT | {"status": "resolved"}]), (ALERT | {"status": "resolved"},), ()),
        (body(alerts=[ALERT, ALERT | {"status": "resolved"}]), (ALERT, ALERT | {"status": "resolved"}), ()),
        (json.dumps({"text": "a payload of their own"}).encode(), (), (NO_LIST, "the body has version '', read as '4'")),
        (body(alerts=UNREAD), tuple(UNREAD), ()),
    ],
    ids=[
        "02 null",
        "03 list",
        "04 empty object",
        "07 UTF-16",
        "07 BOM",
        "13 duplicate keys",
        "14 NaN",
        "15 huge integer",
        "15 large integer",
        "16 surrogates",
        "bad UTF-8",
        "17 null alerts",
        "17 alerts an object",
        "17 members that are none",
        "18 version 3",
        "18 version 5",
        "18 version a number",
        "20 group says another",
        "23 twice with different status",
        "25 custom payload",
        "21, 22 members for intake to judge",
    ],
)
def test_every_json_is_taken_and_its_oddity_is_said(raw, alerts, oddities):
    answer = decode_webhook(raw)
    assert isinstance(answer, WebhookBody)
    assert (answer.alerts, answer.oddities) == (alerts, oddities)
    json.dumps(answer.alerts, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("given_value", "truncated"),
    [
        (0, 0),
        (90, 90),
        (-3, 0),
        ("7", 7),
        ("-7", 0),
        ("many", 0),
        (2.9, 2),
        (None, 0),
        (True, 0),
        ([1], 0),
        (10**30, 2**31 - 1),
        ("9" * 400, 2**31 - 1),
    ],
    ids=["none", "some", "negative", "string", "negative string", "words", "fraction", "null", "true", "list", "huge", "huge string"],
)
def test_the_count_of_what_was_left_out_is_a_small_whole_number(given_value, truncated):
    answer = decode_webhook(body(truncatedAlerts=given_value))
    assert isinstance(answer, WebhookBody)
    assert answer.truncated == truncated


def test_a_hundred_thousand_alerts_are_read():
    answer = decode_webhook(body(alerts=[ALERT] * 100_000))
    assert isinstance(answer, WebhookBody)
    assert len(answer.alerts) == 100_000


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(raw):
    assert isinstance(decode_webhook(raw), WebhookBody | NotJson)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("alerts", "version", "receiver", "truncatedAlerts", "status", "commonLabels"), JSON)))
def test_no_document_makes_it_raise(document):
    answer = decode_webhook(json.dumps(document).encode())
    assert isinstance(answer, WebhookBody)
    json.dumps(answer.alerts, allow_nan=False).encode()
