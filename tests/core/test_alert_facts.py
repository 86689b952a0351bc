"""One alert of Alertmanager, from JSON to facts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunella.core.facts import AlertFacts
from prunella.core.incident.alert_facts import Malformed, fingerprint, read_alert, read_polled_alert

from .builders import NOON, later

FIRST = {
    "alertname": "KubePodCrashLooping",
    "cluster": "prod-eu1",
    "namespace": "payments",
    "pod": "checkout-7c9d-x1",
    "service": "checkout",
    "severity": "critical",
}
RAW = {
    "status": "firing",
    "labels": FIRST,
    "annotations": {"summary": "checkout is crash looping"},
    "startsAt": "2026-11-24T11:59:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus:9090/graph",
    "fingerprint": "d253d4b2942f077a",
    "unheardOf": {"a": 1},
}


def read(**changes) -> AlertFacts:
    facts = read_alert(RAW | changes, NOON)
    assert isinstance(facts, AlertFacts)
    return facts


def test_a_firing_alert_is_read_and_unknown_keys_are_ignored():
    assert read() == AlertFacts(
        fingerprint="d253d4b2942f077a",
        state="firing",
        labels=FIRST,
        annotations={"summary": "checkout is crash looping"},
        starts_time=later(-60),
        received_time=NOON,
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(FIRST, "d253d4b2942f077a"), (FIRST | {"pod": "checkout-7c9d-x2"}, "8d96c9a27896157f")],
    ids=["published: first", "published: second"],
)
def test_the_fingerprint_is_alertmanagers_own(labels, expected):
    assert fingerprint(labels) == expected


@pytest.mark.parametrize(
    "given_",
    [None, "", "XYZ", "d253d4b2942f077", 7, "é" * 16, "a" * 10_240],
    ids=["absent", "empty", "no hex", "short", "a number", "22 not ASCII", "22 10 KiB"],
)
def test_a_fingerprint_that_is_none_is_computed(given_):
    assert read(fingerprint=given_).fingerprint == "d253d4b2942f077a"


@pytest.mark.parametrize(
    "starts",
    ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-11-24T11:59:00", "2026-11-24T12:10:00Z", "", None, "9999-12-31T23:59:59Z"],
    ids=["C41 year 1", "epoch", "naive", "C41 ten minutes ahead", "empty", "absent", "year 9999"],
)
def test_c41_a_start_that_cannot_be_true_becomes_the_receipt_and_is_flagged(starts):
    facts = read(startsAt=starts)
    assert (facts.starts_time, facts.clock_skew) == (NOON, True)


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ("2026-11-24T12:00:30Z", NOON),
        ("2026-11-24T13:59:00+02:00", later(-60)),
        ("2026-11-24T11:59:00.123456789Z", later(-59.876544)),
    ],
    ids=["a little ahead", "another zone", "nanoseconds"],
)
def test_a_start_that_can_be_true_is_kept(starts, expected):
    facts = read(startsAt=starts)
    assert (facts.starts_time, facts.clock_skew) == (expected, False)


def test_a_resolve_bears_its_end_and_an_end_ahead_is_the_receipt():
    assert read(status="resolved", endsAt="2026-11-24T11:59:30Z").ends_time == later(-30)
    assert read(status="resolved", endsAt="2026-11-24T12:30:00Z").ends_time == NOON
    assert read(status="resolved", endsAt="0001-01-01T00:00:00Z").ends_time is None
    assert read(endsAt="2026-11-24T12:04:00Z").ends_time is None


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        ("2026-11-24T11:59:00Z", "2026-11-24T11:58:59Z", None),
        ("2026-11-24T11:59:00Z", "2026-11-24T11:59:00Z", later(-60)),
        ("2026-11-24T12:00:40Z", "2026-11-24T12:00:50Z", NOON),
    ],
    ids=["43 before its start", "at its start", "both a little ahead"],
)
def test_an_end_before_its_own_start_cannot_be_true_and_its_receipt_counts(starts, ends, expected):
    assert read(status="resolved", startsAt=starts, endsAt=ends).ends_time == expected


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "exploded"}, "status must be 'firing' or 'resolved', not 'exploded'"),
        ({"status": None}, "status must be"),
        ({"labels": {}}, "labels must be a map with at least one entry"),
        ({"labels": ["a"]}, "labels must be a map with at least one entry"),
        ({"labels": {"a": 1}}, "label 'a' must be a string"),
        ({"labels": {"a": "\ud800"}}, "label 'a' is not valid Unicode"),
        ({"labels": {"a": ""}}, "labels must be a map with at least one entry"),
        ({"startsAt": "yesterday"}, "startsAt must be an RFC 3339 time, not 'yesterday'"),
        ({"endsAt": 12}, "endsAt must be a time, not 12"),
    ],
    ids=["state", "no state", "no labels", "a list", "a number", "half a surrogate", "only empty labels", "no time", "a number as time"],
)
def test_c38_a_malformed_alert_says_why(changes, why):
    facts = read_alert(RAW | changes, NOON)
    assert isinstance(facts, Malformed)
    assert facts.why.startswith(why)


def test_labels_and_annotations_are_bounded_and_those_that_decide_are_kept():
    many = {f"a{number:03}": "x" * 2000 for number in range(200)} | {"alertname": "Broken", "namespace": "shop", "k" * 129: "dropped"}
    facts = read(labels=many, annotations={"summary": "ü" * 5000, "number": 3}, fingerprint="")
    assert len(facts.labels) == 64
    assert list(facts.labels)[:2] == ["alertname", "namespace"]
    assert max(len(value.encode()) for value in facts.labels.values()) == 1024
    assert facts.annotations == {"summary": "ü" * 2048}
    assert facts.fingerprint == fingerprint(many)


def test_c10_a_body_that_was_cut_marks_its_alerts():
    facts = read_alert(RAW, NOON, truncated=90)
    assert isinstance(facts, AlertFacts)
    assert facts.truncated == 90


@pytest.mark.parametrize(("state", "expected"), [("active", "firing"), ("unprocessed", "firing"), ("suppressed", "suppressed")])
def test_the_poll_has_a_shape_of_its_own(state, expected):
    status = {"state": state, "silencedBy": ["s1", 3], "inhibitedBy": ["i1"], "mutedBy": ["m1"]}
    facts = read_polled_alert(RAW | {"status": status, "updatedAt": "2026-11-24T11:59:50Z", "endsAt": "2026-11-24T12:04:00Z"}, NOON)
    assert isinstance(facts, AlertFacts)
    assert (facts.state, facts.updated_time, facts.ends_time) == (expected, later(-10), None)
    assert (facts.silenced_by, facts.inhibited_by) == (("s1",), ("i1", "m1"))


def test_what_need_not_be_there_is_empty():
    status = {"state": "suppressed", "silencedBy": None}
    facts = read_polled_alert({"status": status, "labels": FIRST}, NOON)
    assert isinstance(facts, AlertFacts)
    assert (facts.annotations, facts.silenced_by, facts.inhibited_by, facts.starts_time) == ({}, (), (), NOON)


@pytest.mark.parametrize("status", ["firing", {}, {"state": "odd"}, None])
def test_a_polled_alert_without_a_state_is_malformed(status):
    facts = read_polled_alert(RAW | {"status": status}, NOON)
    assert isinstance(facts, Malformed)
    assert "status.state must be" in facts.why


json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*RAW, "updatedAt"]), json))
def test_whatever_comes_in_is_facts_or_a_reason_never_a_traceback(changes):
    for answer in (read_alert(RAW | changes, NOON), read_polled_alert(RAW | changes, NOON)):
        assert isinstance(answer, AlertFacts | Malformed)
