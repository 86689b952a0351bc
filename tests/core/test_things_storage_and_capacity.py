"""Claims, autoscalers, quotas and disruption budgets: what is a fault of them, and what is none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from prunella.api.names import Cause
from prunella.core.things.quantity import quantity

from .builders import NOON, ago, later
from .thing_builders import autoscaler, budget, claim, complaint, look, quota, refusal, said

# claims


def test_a_claim_whose_provisioner_fails_is_found_a_minute_after_it_said_so():
    seen = look(claim(complaint("rpc error: no space", first=600), complaint('storageclass "fast" not found', first=90, last=1)))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.started_time, seen.finding.open_time) == (Cause.VOLUME_CLAIM_PENDING, ago(600), ago(540))
    assert seen.finding.summary == 'data: it gets no volume of class fast (ProvisioningFailed: storageclass "fast" not found)'
    fresh = look(claim(complaint("no space", first=10)))
    assert fresh.look_again == later(50)


def test_a_claim_that_waits_is_neither_at_fault_nor_well():
    for waiting in (claim(), claim(complaint("waiting for first consumer", "WaitForFirstConsumer"))):
        seen = look(waiting)
        assert seen.finding is None
        assert not seen.settled


def test_a_claim_whose_volume_is_gone_is_lost_at_once():
    seen = look(claim(phase="Lost", volume="pv-7"))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.open_time) == (Cause.VOLUME_CLAIM_LOST, NOON)
    assert "its volume pv-7 is gone" in seen.finding.summary


def test_a_claim_that_has_its_volume_is_well_whatever_was_said_before():
    seen = look(claim(complaint("x"), phase="Bound"))
    assert seen.finding is None
    assert seen.settled


def test_a_claim_that_is_being_deleted_waits_for_no_volume_any_more():
    seen = look(claim(complaint("x"), deletion_time=ago(5)))
    assert seen.finding is not None
    assert seen.finding.cause is Cause.STUCK_TERMINATING
    assert seen.finding.open_time == later(595), "and not before"


# autoscalers


LIMITED = said("ScalingLimited", "True", "TooManyReplicas", message="the desired replica count is more than the maximum replica count")
BLIND = said("ScalingActive", "False", "FailedGetResourceMetric", message="unable to get metrics")


def test_an_autoscaler_that_wants_more_than_it_may_is_found_after_a_quarter_of_an_hour():
    seen = look(autoscaler(limited=LIMITED))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.started_time, seen.finding.open_time) == (Cause.AUTOSCALER_AT_MAXIMUM, ago(3600), ago(2700))
    assert seen.finding.summary.startswith(
        "checkout: Deployment checkout needs more than the 10 replicas that it may have (TooManyReplicas: the desired"
    )


def test_an_autoscaler_that_reads_no_metrics_is_blind_whatever_else():
    seen = look(autoscaler(limited=LIMITED, inactive=BLIND))
    assert seen.finding is not None
    assert seen.finding.cause is Cause.AUTOSCALER_BLIND
    assert "it can't tell how many replicas Deployment checkout needs (FailedGetResourceMetric: unable to get metrics)" in seen.finding.summary


@pytest.mark.parametrize(
    "one",
    [
        autoscaler(),
        autoscaler(limited=said("ScalingLimited", "True", "TooFewReplicas"), current=2),
        autoscaler(limited=LIMITED, current=9),
        autoscaler(limited=LIMITED, least=10),
        autoscaler(inactive=said("ScalingActive", "False", "ScalingDisabled")),
    ],
    ids=["is content", "wants less", "is on its way", "was pinned", "is switched off"],
)
def test_any_other_autoscaler_is_well(one):
    assert look(one).finding is None


# quotas


def test_a_quota_that_refuses_somebody_is_found_with_whom_and_what():
    seen = look(quota(refusal(first=120, last=30), refusal(name="db-0", first=300, last=60)))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.started_time, seen.finding.open_time) == (Cause.QUOTA_EXCEEDED, ago(300), ago(240))
    assert seen.finding.summary == "compute: it refuses pods (9 of 9 used, 1 asked for) to ReplicaSet web-1 and 1 more"
    assert seen.look_again == later(20 * 60 - 30), "by then nobody asks any more"


def test_what_is_asked_for_is_compared_exactly():
    cpu = look(quota(refusal("requests.cpu=501m")))
    assert cpu.finding is not None
    assert "requests.cpu (3500m of 4 used, 501m asked for)" in cpu.finding.summary
    assert look(quota(refusal("requests.cpu=500m"))).finding is None
    assert look(quota(refusal("requests.memory=1Gi"))).finding is None
    assert look(quota(refusal("requests.memory=1700M"))).finding is not None


@pytest.mark.parametrize(
    "one",
    [
        quota(),
        quota(refusal(last=20 * 60)),
        quota(refusal(), hard={"pods": "10"}),
        quota(refusal("count/jobs.batch=1")),
        quota(complaint("Error creating: pods is forbidden: violates PodSecurity", "FailedCreate")),
        quota(refusal("pods=many")),
    ],
    ids=["is just full", "nobody asks any more", "has room by now", "does not count it", "others refuse", "is no number"],
)
def test_any_other_quota_is_well(one):
    assert look(one).finding is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", "1"), ("0.5", "0.5"), ("500m", "0.5"), ("1Ki", "1024"), ("1.5Gi", "1610612736"), ("2k", "2000"), ("3E", "3e18"), ("1e3", "1000"),
     ("", None), ("x", None), ("1Kib", None), ("1e999999999", None), ("NaN", None), ("9" * 99, None)],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_writes_them(text, number):
    assert quantity(text) == (Decimal(number) if number is not None else None)


# disruption budgets


def test_a_budget_that_demands_all_its_healthy_pods_is_found():
    seen = look(budget())
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.open_time) == (Cause.DISRUPTION_BUDGET_DEADLOCK, ago(2700))
    assert "although all 3 of its pods are healthy, for it demands 3" in seen.finding.summary


@pytest.mark.parametrize(
    "one",
    [budget(allowed=1), budget(healthy=2), budget(healthy=2, desired=2), budget(expected=0, healthy=0, desired=0)],
    ids=["permits one", "a pod is not healthy", "as many as it demands, for one is not healthy", "covers none"],
)
def test_any_other_budget_is_well(one):
    assert look(one).finding is None


def test_a_budget_that_was_not_counted_yet_is_not_known():
    assert not look(budget(counted=False)).settled
