"""Which revision a workload is going to, whether it has arrived, and when it set out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.core import rollout

from .builders import ago, crashing, deadline_exceeded, healthy_facts, new_pod, pod, pods, progressing, revision, rolling_facts, workload


@pytest.mark.parametrize(
    ("facts", "newest", "settled"),
    [
        pytest.param(healthy_facts(), "h2", True, id="the highest number"),
        pytest.param(healthy_facts(generation=3), None, False, id="the controller has not seen the template"),
        pytest.param(rolling_facts(kind="StatefulSet"), "h3", True, id="what a StatefulSet's status names"),
        pytest.param(rolling_facts(kind="StatefulSet", update_revision="h2"), "h2", True, id="which need not be the highest"),
        pytest.param(rolling_facts(kind="StatefulSet", update_revision="h9"), None, False, id="it names one that is not stored yet"),
        pytest.param(rolling_facts(kind="StatefulSet", update_revision=""), "h3", True, id="it names none"),
        pytest.param(replace(healthy_facts(), revisions=()), None, True, id="no revision is stored"),
    ],
)
def test_the_newest_revision_is_known_only_from_a_fresh_status(facts, newest, settled):
    found = rollout.newest(facts)
    assert (found.hash if found else None) == newest
    assert rollout.settled(facts) is settled


@pytest.mark.parametrize(
    ("facts", "incomplete"),
    [
        pytest.param(healthy_facts(), False, id="Deployment: complete"),
        pytest.param(healthy_facts(available=1), False, id="Deployment: complete once, and pods fail since"),
        pytest.param(healthy_facts(desired=9), False, id="Deployment: complete once, and being scaled"),
        pytest.param(rolling_facts(new_pod()), True, id="Deployment: old pods remain"),
        pytest.param(rolling_facts(serving=0), True, id="Deployment: on its way, nothing runs"),
        pytest.param(healthy_facts(conditions=(deadline_exceeded(),)), True, id="Deployment: made no progress"),
        pytest.param(healthy_facts(conditions=(), available=2), True, id="Deployment without a deadline: not all available"),
        pytest.param(healthy_facts(conditions=(), updated=2), True, id="Deployment without a deadline: not all updated"),
        pytest.param(healthy_facts(conditions=(), available=3), False, id="Deployment without a deadline: all available"),
        pytest.param(healthy_facts(conditions=(progressing("DeploymentPaused"),), available=2), True, id="Deployment: paused says nothing"),
        pytest.param(healthy_facts("StatefulSet", available=1), False, id="StatefulSet: complete once"),
        pytest.param(healthy_facts("StatefulSet", update_revision="h1"), True, id="StatefulSet: another revision is due"),
        pytest.param(healthy_facts("StatefulSet", current_revision="", updated=2), True, id="StatefulSet: its status names none"),
        pytest.param(healthy_facts("DaemonSet", updated=2), True, id="DaemonSet: not all updated"),
        pytest.param(healthy_facts("DaemonSet", available=1), False, id="DaemonSet: all updated"),
        pytest.param(replace(healthy_facts(), pods=(*pods(3), pod("old", "h1"))), True, id="a pod of another revision remains"),
        pytest.param(replace(healthy_facts(), pods=(*pods(3), pod("old", "h1", deleting=True))), False, id="which is on its way out"),
        pytest.param(replace(healthy_facts(), pods=(*pods(3), pod("old", "h1", phase="Failed"))), False, id="or long dead"),
    ],
)
def test_a_rollout_is_incomplete_until_it_has_arrived_once(facts, incomplete):
    assert rollout.incomplete(facts) is incomplete


REUSED = (revision(5, hash="h1", created=80_000), revision(4, hash="h2", created=3600))
"""Revision h1 was applied again after h2, which is an hour old."""


def reused(*, pods=(), condition=None, kind="Deployment"):
    conditions = (condition,) if condition else ()
    return replace(healthy_facts(kind), workload=workload(kind, conditions=conditions, update_revision="h1"), revisions=REUSED, pods=pods)


@pytest.mark.parametrize(
    ("facts", "began"),
    [
        pytest.param(rolling_facts(new_pod(crashing()), created=40), ago(40), id="a fresh revision: its creation"),
        pytest.param(rolling_facts(new_pod(created_time=ago(9)), created=40_000), ago(40_000), id="whatever its pods' age"),
        pytest.param(replace(healthy_facts(), revisions=(revision(2, created=99),)), ago(99), id="the only revision"),
        pytest.param(healthy_facts(generation=3), None, id="the newest revision is not known"),
        pytest.param(
            reused(pods=(pod("p", "h1", created_time=ago(50)),), condition=progressing(updated=20)), ago(50), id="applied again: its first pod"
        ),
        pytest.param(
            reused(pods=(pod("p", "h1", created_time=ago(9)),), condition=progressing(updated=45)), ago(45), id="applied again: what Progressing says"
        ),
        pytest.param(
            reused(pods=(pod("p", "h1", created_time=ago(9000)),), condition=progressing(updated=45)), ago(45), id="pods from before say nothing"
        ),
        pytest.param(reused(condition=deadline_exceeded(since=10)), ago(610), id="applied again: the deadline counts back"),
        pytest.param(reused(condition=progressing("DeploymentPaused", updated=5)), ago(3600), id="applied again: a pause says nothing"),
        pytest.param(reused(pods=(pod("p", "h1", created_time=ago(70)),), kind="StatefulSet"), ago(70), id="applied again to a StatefulSet"),
        pytest.param(reused(pods=(pod("p", "h1", created_time=None),)), ago(3600), id="applied again: no earlier than the youngest other"),
        pytest.param(
            replace(healthy_facts(conditions=()), revisions=(revision(2, created_time=None),), pods=(pod(created_time=ago(33)),)),
            ago(33),
            id="its creation is not told",
        ),
        pytest.param(replace(healthy_facts(conditions=()), revisions=(revision(2, created_time=None),), pods=()), None, id="nothing is told"),
        pytest.param(
            replace(healthy_facts(), workload=workload(conditions=(replace(progressing(), last_update_time=None),)), revisions=REUSED, pods=()),
            ago(3600),
            id="the condition has no instant",
        ),
    ],
)
def test_a_rollout_began(facts, began):
    assert rollout.rollout_began(facts) == began


@pytest.mark.parametrize(
    ("condition", "exceeded"),
    [
        pytest.param(deadline_exceeded(), True, id="the deadline passed"),
        pytest.param(progressing("ReplicaSetUpdated"), False, id="it progresses"),
        pytest.param(progressing("ReplicaSetCreateError", status="False"), False, id="it fails for another reason"),
    ],
)
def test_the_deadline_passed_where_the_condition_says_so(condition, exceeded):
    assert (rollout.deadline_condition(workload(conditions=(condition,))) is not None) is exceeded
    assert rollout.deadline_condition(workload("DaemonSet")) is None
