"""Pods that are refused when they are created."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.demands import Demands
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import WorkloadCondition

from .builders import NOON, ago, asking, crashing, healthy_facts, later, new_pod, pod, pods, progressing, rolling_facts

QUOTA = 'pods "checkout-h2-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'


def refused(message=QUOTA, *, since=90, **changes):
    defaults = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message, "last_transition_time": ago(since)}
    return WorkloadCondition(**(defaults | changes))


def short_of_one(condition=None, **changes):
    """Two of three run; the third can't be created."""
    conditions = (progressing(), condition or refused())
    defaults = {"ready": 2, "available": 2, "updated": 2, "conditions": conditions}
    return replace(healthy_facts(**(defaults | changes)), pods=pods(2))


def detection(facts, now=NOON, **settings):
    return detect(facts, now, Settings(**settings), Surroundings())


@pytest.mark.parametrize(
    ("message", "quoted"),
    [
        (QUOTA, "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"),
        (
            'Internal error occurred: failed calling webhook "pods.example.com": connection refused',
            'Internal error occurred: failed calling webhook "pods.example.com": connection refused',
        ),
        (
            'pods "c" is forbidden: error looking up service account shop/gone: serviceaccount "gone" not found',
            'serviceaccount "gone" not found',
        ),
        ('the policy says: pods "c" is forbidden: no', 'the policy says: pods "c" is forbidden: no'),
        ("", "FailedCreate"),
        ("token=hunter2hunter2 was refused", "token=[redacted] was refused"),
    ],
    ids=["quota", "webhook", "account", "a policy that quotes it", "no message", "a secret in it"],
)
def test_the_refusal_is_quoted(message, quoted):
    finding = detection(short_of_one(refused(message))).finding
    assert finding.cause is Cause.REPLICA_CREATION_FAILED
    assert finding.summary == f"checkout: the controller can't create pods ({quoted}); 2 of 3 are ready"
    assert (finding.accused_revision, finding.failing_pods) == ("", ())


def test_it_opens_after_a_minute_and_says_when():
    seen = detection(short_of_one(refused(since=20)))
    assert (seen.finding.open_time, seen.look_again) == (later(40), later(40))
    policy = detection(short_of_one(refused(since=20)), open_after_seconds={Cause.REPLICA_CREATION_FAILED: 5})
    assert policy.finding.open_time == ago(15)


def in_rollout(message, newest=None, before=None, created=75, **changes):
    """Revision 3 is being rolled out, and none of its pods could be created for 70 s; revision 2 serves."""
    conditions = (progressing("ReplicaSetUpdated", updated=created - 1), refused(message, since=70))
    return asking(rolling_facts(created=created, **({"conditions": conditions} | changes)), newest or Demands(), before or Demands())


NO_ACCOUNT = 'pods "checkout-h3-x7k2p" is forbidden: error looking up service account shop/builder: serviceaccount "builder" not found'
NO_RIGHT = 'pods "checkout-h3-x7k2p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
ACCOUNT = Demands(account="builder"), Demands(account="default")
PRIVILEGED = Demands(privileges="p2"), Demands(privileges="p1")


@pytest.mark.parametrize(("message", "asked"), [(NO_ACCOUNT, ACCOUNT), (NO_RIGHT, PRIVILEGED)], ids=["account", "Pod Security"])
def test_what_the_newest_revision_brought_and_is_refused_accuses_it(message, asked):
    finding = detection(in_rollout(message, *asked)).finding
    assert (finding.cause, finding.accused_revision, finding.accused_number) == (Cause.REPLICA_CREATION_FAILED, "h3", 3)
    assert finding.summary.startswith("checkout: revision 3 can't create pods (" + ("serviceaccount " if message is NO_ACCOUNT else "violates "))
    assert finding.summary.endswith("; revision 2 still serves 3 of 3")
    assert finding.open_time == ago(10), "after a minute, as whoever accuses nobody"


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(in_rollout(QUOTA, *PRIVILEGED), id="a quota refuses"),
        pytest.param(in_rollout(NO_ACCOUNT, ACCOUNT[0], ACCOUNT[0]), id="the revision before asks for that account, too"),
        pytest.param(in_rollout(NO_ACCOUNT, *PRIVILEGED), id="the account is another one than the template's"),
        pytest.param(in_rollout(NO_RIGHT, PRIVILEGED[0], PRIVILEGED[0]), id="the revision before asks for the same privileges"),
        pytest.param(in_rollout(NO_RIGHT, *ACCOUNT), id="it asks for another account, and privileges are refused"),
        pytest.param(in_rollout(NO_ACCOUNT.replace("-h3-", "-h2-"), *ACCOUNT), id="a pod of the revision before was refused"),
        pytest.param(in_rollout(NO_ACCOUNT.replace("checkout", "check"), *ACCOUNT), id="a pod of somebody else"),
        pytest.param(in_rollout("", *ACCOUNT), id="nothing is said"),
        pytest.param(replace(in_rollout(NO_ACCOUNT, *ACCOUNT), pods=()), id="no revision before serves, and none was seen healthy"),
        pytest.param(
            replace(asking(short_of_one(refused(NO_ACCOUNT.replace("-h3-", "-h2-"))), *ACCOUNT), pods=pods(2)),
            id="long after its rollout was complete",
        ),
    ],
)
def test_nobody_is_accused_of_what_a_rollout_did_not_bring(facts):
    finding = detection(facts).finding
    assert (finding.cause, finding.accused_revision) == (Cause.REPLICA_CREATION_FAILED, "")


def test_in_a_rollout_a_quota_accuses_nobody():
    facts = rolling_facts(conditions=(progressing("ReplicaSetUpdated", updated=39), refused(since=70)))
    finding = detection(facts).finding
    assert (finding.cause, finding.accused_revision) == (Cause.REPLICA_CREATION_FAILED, "")
    assert finding.summary.endswith("; revision 2 still serves 3 of 3")


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(short_of_one(refused(status="False")), None, id="it can again"),
        pytest.param(short_of_one(refused(reason="FailedDelete")), None, id="it can't delete"),
        pytest.param(healthy_facts(conditions=(progressing(), refused())), None, id="everything is there: an old word"),
        pytest.param(replace(short_of_one(desired=0), pods=()), None, id="it is scaled to nothing"),
        pytest.param(short_of_one(deleting=True), None, id="it is on its way out"),
        pytest.param(replace(short_of_one(), pods=(pod("a", "h2", crashing()), *pods(1))), Cause.CRASH_LOOP, id="pods crash as well"),
        pytest.param(
            rolling_facts(new_pod(crashing()), conditions=(progressing("ReplicaSetUpdated"), refused())),
            Cause.ROLLOUT_CRASH_LOOP,
            id="the newest revision crashes as well",
        ),
        pytest.param(short_of_one(paused=True), Cause.REPLICA_CREATION_FAILED, id="paused"),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, cause):
    finding = detection(facts).finding
    assert (finding.cause if finding else None) is cause


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        pytest.param({"last_transition_time": None, "last_update_time": ago(33)}, ago(33), id="its last update"),
        pytest.param({"last_transition_time": None}, NOON, id="nothing is told"),
    ],
)
def test_it_began_when_the_condition_says(changes, started):
    assert detection(short_of_one(refused(**changes))).finding.started_time == started
