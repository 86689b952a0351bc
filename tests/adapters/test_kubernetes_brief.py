"""The brief of an Incident answers whatever is asked about those of others as the whole Incident does, and is short."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError
from tests.core.builders import NOON
from tests.core.incident_builders import TARGET

from prunella.adapters.kubernetes import wire_incident
from prunella.adapters.kubernetes.brief import brief as brief_of
from prunella.api.incident import Incident
from prunella.app.incidents import rest
from prunella.core.incident import correlate

T = "2026-11-24T12:00:00.000000Z"
Object = dict[str, Any]

SIGNALS: list[Object] = [
    {"key": "watch/RolloutCrashLoop", "source": "Watch", "state": "Resolved", "firstSeenTime": T, "lastSeenTime": T, "lastResolvedEndTime": T},
    {"key": "alert/aa", "source": "Alertmanager", "state": "Firing", "firstSeenTime": T, "lastSeenTime": T, "labels": {"alertname": "A"}},
    {
        "key": "alert/bb",
        "source": "Alertmanager",
        "state": "Resolved",
        "firstSeenTime": T,
        "lastSeenTime": T,
        "lastResolvedEndTime": T,
        "summary": "errors",
    },
]
CONDITIONS: list[Object] = [
    {"type": type_, "status": status, "reason": reason, "lastTransitionTime": T, "message": "a long sentence " * 20}
    for type_, status, reason in (
        ("Acknowledged", "False", "NotYet"),
        ("Resolved", "False", "NotYet"),
        ("RemediationAllowed", "False", "BreakerOpen"),
    )
]
MESSAGE = {"key": "k", "kind": "StandDown", "receiver": "ops", "createdTime": T}


def stored(times: Object, changes: Object) -> Object:
    """An Incident as the API server has it."""
    status = {
        "phase": "Triggered",
        "priority": "P2",
        "cause": "Alert",
        "observedGeneration": 1,
        "times": {"startedTime": T, "detectedTime": T, **times},
        "signals": SIGNALS,
        "conditions": CONDITIONS,
        "timeline": [{"sequence": 1, "time": T, "what": "Opened", "message": "m" * 900}],
        "summary": "s" * 900,
    }
    source = {"kind": "Alertmanager", "signal": {"key": "alert/aa", "startedTime": T, "cause": "Alert", "summary": "y" * 500}}
    meta = {"name": "checkout-aaaaa", "namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "7", "creationTimestamp": T}
    spec = {"title": "errors", "targetRef": TARGET.wire(), "source": source, "impact": "Minor", "reporters": [{"name": "ana"}]}
    return {"metadata": {**meta, "managedFields": [{}], "labels": {"a": "b"}}, "spec": spec, "status": status | changes}


def brief(given: Object) -> Incident:
    """As a list or a watch brings it."""
    return brief_of(msgspec.json.decode(msgspec.json.encode(given), type=wire_incident.Incident))


TIMES: list[Object] = [{}, {"resolvedTime": T}, {"cancelledTime": T}, {"mitigatedTime": T}]
CHANGES: list[Object] = [
    {},
    {"priority": "P1"},
    {"observedGeneration": 2},
    {"remediationState": "Running"},
    {"lastHandledRetry": "again"},
    {"mergedInto": {"namespace": "shop", "name": "another"}},
    {"escalation": {"messages": [MESSAGE | {"state": "Pending"}]}},
    {"escalation": {"messages": [MESSAGE | {"state": "Sent"}]}},
    {"signals": []},
]


def answers(one: Incident) -> list[object]:
    """All that is asked of an Incident of the cache, whether it is over or not."""
    instants = [NOON, NOON + timedelta(seconds=1799), NOON + timedelta(seconds=7300)]
    status = one.status
    return [
        one.target_namespace,
        one.source_kind,
        correlate.in_chain(one),
        [(correlate.is_open(one, now), rest.restless(one, now)) for now in instants],
        correlate.correlate(TARGET, [one], instants[-1]).why,
        (status.phase, status.priority, status.cause, status.merged_into),
        [(one.key, one.state, one.last_seen_time, one.last_resolved_end_time) for one in status.signals if one.source == "Alertmanager"],
    ]


@pytest.mark.parametrize(("times", "changes"), list(product(TIMES, CHANGES)), ids=lambda given: next(iter(given), "plain"))
def test_the_brief_answers_as_the_whole_does(times: Object, changes: Object):
    whole = stored(times, changes)
    assert answers(brief(whole)) == answers(Incident.read(whole))


@pytest.mark.parametrize("changes", CHANGES, ids=lambda given: next(iter(given), "plain"))
def test_of_one_that_is_not_over_a_duplicate_can_take_over_what_was_said(changes: Object):
    whole, short = Incident.read(stored({}, changes)), brief(stored({}, changes))
    assert short.spec == whole.spec
    assert (short.status.times, short.status.signals) == (whole.status.times, whole.status.signals)
    asked = [(one.type, one.status, one.reason) for one in whole.status.conditions if one.type != "Acknowledged"]
    assert [(one.type, one.status, one.reason) for one in short.status.conditions] == asked


def test_one_that_was_merged_still_has_what_its_parent_takes_in():
    merged = {"mergedInto": {"namespace": "shop", "name": "another"}, "reporters": [{"name": "ana"}, {"name": "bo"}]}
    whole, short = Incident.read(stored({"cancelledTime": T}, merged)), brief(stored({"cancelledTime": T}, merged))
    assert (short.spec, short.status.times, short.status.signals) == (whole.spec, whole.status.times, whole.status.signals)
    assert [one.name for one in short.status.reporters] == ["ana", "bo"]


def test_of_one_that_is_over_little_is_left():
    short = brief(stored({"resolvedTime": T}, {}))
    assert len(json.dumps(short.wire())) < 1500
    assert [(one.key, one.labels, one.summary) for one in short.status.signals] == [("alert/aa", {}, ""), ("alert/bb", {}, "")]
    assert short.status.conditions == short.status.timeline == ()


@pytest.mark.parametrize("read", [Incident.read, brief], ids=["whole", "brief"])
@pytest.mark.parametrize("times", [{}, {"resolvedTime": T}], ids=["open", "over"])
def test_84_what_a_newer_version_wrote_beside_it_is_left_out(read: Callable[[Object], Incident], times: Object):
    plain = stored(times, {})
    newer = {"newer": {"a": 1}}
    status = plain["status"] | newer
    status |= {name: status[name] | newer for name in ("times",)} | {
        name: [one | newer for one in status[name]] for name in ("signals", "conditions")
    }
    spec = plain["spec"] | newer | {"source": plain["spec"]["source"] | newer}
    assert read({"metadata": plain["metadata"] | newer, "spec": spec, "status": status}) == read(plain)


@pytest.mark.parametrize("read", [Incident.read, brief], ids=["whole", "brief"])
def test_84_a_word_of_a_newer_version_makes_it_unreadable_and_is_named(read: Callable[[Object], Incident]):
    with pytest.raises(ValidationError, match="cause"):
        read(stored({}, {"cause": "CauseOfTomorrow"}))
