"""Rollouts that make no progress although no pod shows why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import WorkloadCondition

from .builders import NOON, ago, crashing, deadline_exceeded, new_pod, rolling_facts, waiting

REFUSED = WorkloadCondition(type="ReplicaFailure", status="True", reason="FailedDelete", message="pods is forbidden: not yours to delete")
GATED = "Scheduling is blocked due to non-empty scheduling gates"
UNPLACED = new_pod(waiting(""), scheduled=False, node="", unscheduled_reason="SchedulingGated", unschedulable_message=GATED)


def found(facts):
    return detect(facts, NOON, Settings(), Surroundings()).finding


@pytest.mark.parametrize(
    ("conditions", "pods", "why"),
    [
        pytest.param((), (), "", id="nothing tells why"),
        pytest.param((REFUSED,), (), " (pods is forbidden: not yours to delete)", id="replicas can't be deleted"),
        pytest.param((replace(REFUSED, status="False"),), (), "", id="they could again"),
        pytest.param((), (UNPLACED,), f" ({GATED})", id="a gate holds a pod back"),
        pytest.param((), (replace(UNPLACED, unschedulable_message=""),), " (a pod is not scheduled)", id="nobody says why"),
        pytest.param((), (replace(UNPLACED, deleting=True),), "", id="that pod is on its way out"),
    ],
)
def test_a_passed_deadline_without_a_child_cause_is_a_stuck_rollout(conditions, pods, why):
    finding = found(rolling_facts(*pods, conditions=(deadline_exceeded(since=10), *conditions)))
    assert finding.cause is Cause.ROLLOUT_STUCK
    assert finding.summary == f"checkout: the rollout of revision 3 made no progress in 600 s{why}; revision 2 still serves 3 of 3"
    assert (finding.started_time, finding.open_time) == (ago(10), ago(10))
    assert (finding.accused_revision, finding.failing_pods) == ("", ())


@pytest.mark.parametrize(
    ("one", "cause"),
    [
        pytest.param(crashing(), Cause.ROLLOUT_CRASH_LOOP, id="it crashes"),
        pytest.param(waiting("ContainerCreating"), Cause.ROLLOUT_NOT_READY, id="it waits"),
    ],
)
def test_a_child_cause_goes_before_the_deadline(one, cause):
    assert found(rolling_facts(new_pod(one), conditions=(deadline_exceeded(),))).cause is cause


def test_a_pod_that_no_node_takes_goes_before_the_deadline_that_it_made_pass():
    no_room = replace(UNPLACED, unscheduled_reason="Unschedulable", unschedulable_message="0/2 nodes are available", created_time=ago(600))
    finding = found(rolling_facts(no_room, conditions=(deadline_exceeded(),)))
    assert (finding.cause, finding.accused_revision, finding.open_time) == (Cause.UNSCHEDULABLE, "", ago(540))


def test_a_refusal_goes_before_the_deadline_that_it_made_pass():
    refused = replace(REFUSED, reason="FailedCreate", message="pods is forbidden: exceeded quota: small", last_transition_time=ago(600))
    finding = found(rolling_facts(conditions=(deadline_exceeded(), refused)))
    assert (finding.cause, finding.open_time) == (Cause.REPLICA_CREATION_FAILED, ago(540))


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        pytest.param({"last_transition_time": None}, ago(10), id="its last update"),
        pytest.param({"last_transition_time": None, "last_update_time": None}, NOON, id="nothing is told"),
    ],
)
def test_it_began_when_the_condition_says(changes, started):
    assert found(rolling_facts(conditions=(replace(deadline_exceeded(since=10), **changes),))).started_time == started


def test_without_a_known_revision_nothing_is_stuck():
    assert found(replace(rolling_facts(conditions=(deadline_exceeded(),)), revisions=())) is None
