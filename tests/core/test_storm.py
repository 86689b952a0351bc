"""The storm brake: on at once, off after a calm; shares are compared without rounding."""

from __future__ import annotations

import pytest

from prunella.api.healing_policy import Storm
from prunella.api.names import Cause, ConditionStatus, Outcome, RemediationPhase
from prunella.core.healing.guards.storm import CLASS_OF, StormState, brake, failed_trial, hit, over_threshold
from prunella.core.things.sighting import OPEN_AFTER
from prunella.core.world import OpenIncident

from .builders import NOON, ago, later
from .healing_builders import attempt, condition

TIDY = {Cause.SCALED_TO_ZERO, Cause.FAILED_PODS_PILED_UP}
"""Faults of workloads that do not fail: whoever switches many off sets off no storm."""
CRASH, PULL, REGISTRY = Cause.ROLLOUT_CRASH_LOOP, Cause.ROLLOUT_IMAGE_PULL, Cause.REGISTRY_UNREACHABLE


def failing(*causes, namespaces=("shop",)):
    """One failing workload for each cause, spread over the namespaces."""
    return tuple(
        OpenIncident(uid=f"i{index}", namespace=namespaces[index % len(namespaces)], target=f"Deployment/shop/w{index}", cause=cause)
        for index, cause in enumerate(causes)
    )


def test_every_cause_but_a_persons_word_belongs_to_a_class():
    assert set(Cause) - set(CLASS_OF) == {Cause.REPORTED, Cause.MASS_FAILURE} | TIDY | set(OPEN_AFTER), "what is no workload is none that fails"


@pytest.mark.parametrize(
    ("incidents", "total", "message"),
    [
        ((), 10, ""),
        (failing(CRASH, CRASH), 5, ""),
        (failing(CRASH, CRASH, CRASH), 14, "3 workloads fail at once (crashing), more than 20 % of the 14 in opted-in namespaces"),
        (failing(CRASH, CRASH, CRASH), 15, ""),
        (failing(CRASH, CRASH, PULL), 5, ""),
        (failing(PULL, REGISTRY, PULL), 5, "3 workloads fail at once (image pull), more than 20 % of the 5 in opted-in namespaces"),
        (failing(Cause.REPORTED, Cause.REPORTED, Cause.REPORTED), 3, ""),
        ((*failing(CRASH, CRASH), *failing(CRASH)), 5, ""),
        (failing(CRASH, CRASH, CRASH), 0, "3 workloads fail at once (crashing), more than 20 % of the 1 in opted-in namespaces"),
        (failing(CRASH, CRASH, CRASH, CRASH, namespaces=("a", "b", "c", "d")), 1000, "RolloutCrashLoop in 4 namespaces at once, more than 3"),
        (failing(CRASH, CRASH, CRASH, namespaces=("a", "b", "c")), 1000, ""),
        (failing(CRASH, PULL, CRASH, PULL, namespaces=("a", "b", "c", "d")), 1000, ""),
    ],
    ids=[
        "calm",
        "too few",
        "over a fifth",
        "exactly a fifth",
        "two classes",
        "one class, two causes",
        "reported ones",
        "one workload twice",
        "none opted in",
        "four namespaces",
        "three namespaces",
        "four namespaces, two causes",
    ],
)
def test_the_brake_goes_on_when_too_much_fails_at_once(incidents, total, message):
    assert over_threshold(incidents, total, Storm()) == message


@pytest.mark.parametrize(
    ("incidents", "total", "classes"),
    [
        (failing(CRASH, CRASH), 5, set()),
        (failing(CRASH, CRASH, CRASH, PULL, PULL), 14, {"crashing"}),
        (failing(CRASH, CRASH, CRASH, PULL, PULL, REGISTRY), 14, {"crashing", "image pull"}),
        (failing(CRASH, CRASH, CRASH, CRASH, namespaces=("a", "b", "c", "d")), 1000, {"crashing"}),
        (failing(Cause.REPORTED, Cause.REPORTED, Cause.REPORTED), 3, set()),
    ],
    ids=["too few", "one class, and few of another", "two classes", "four namespaces", "reported ones"],
)
def test_a_storm_hits_the_classes_in_which_too_much_fails(incidents, total, classes):
    assert hit(incidents, total, Storm()) == classes


def test_r38_an_image_outage_of_five_workloads_is_one_storm():
    state = brake(StormState(), failing(PULL, PULL, REGISTRY, PULL, PULL), 20, Storm(), NOON)
    assert state == StormState(since=NOON, message="5 workloads fail at once (image pull), more than 20 % of the 20 in opted-in namespaces")


MANY, FEW = failing(CRASH, CRASH, CRASH), failing(CRASH)
ON = StormState(since=ago(50), message="3 workloads …")


@pytest.mark.parametrize(
    ("before", "incidents", "after"),
    [
        (StormState(), FEW, StormState()),
        (ON, MANY, ON),
        (ON, FEW, StormState(since=ago(50), message="3 workloads …", below_since=NOON)),
        (
            StormState(since=ago(700), message="m", below_since=ago(599)),
            FEW,
            StormState(since=ago(700), message="m", below_since=ago(599)),
        ),
        (StormState(since=ago(700), message="m", below_since=ago(600)), FEW, StormState()),
        (StormState(since=ago(700), message="m", below_since=ago(599)), MANY, StormState(since=ago(700), message="m")),
    ],
    ids=["stays off", "stays on", "the calm begins", "the calm is not over", "the calm was long enough", "the calm is broken"],
)
def test_the_brake_goes_off_by_itself_after_a_calm(before, incidents, after):
    assert brake(before, incidents, 5, Storm(), NOON) == after


def test_a_storm_that_returns_after_the_calm_is_another_one():
    assert brake(StormState(), MANY, 5, Storm(), later(5)).since == later(5)


def begun(outcome, *, started=60.0, **changes):
    """An attempt that began so many seconds ago and ended so."""
    return attempt(1, outcome, ended=10, started_time=ago(started), **changes)


UNANSWERED = condition("Approved", ConditionStatus.FALSE, "ApprovalExpired")
HEALED = {"phase": RemediationPhase.SUCCEEDED, "name": "web-1", "uid": "uid-web-1"}


@pytest.mark.parametrize(
    ("attempts", "calm", "failed"),
    [
        ((), 120, ""),
        ((begun(Outcome.INEFFECTIVE),), 120, "checkout-7f3kq-1"),
        ((begun(Outcome.WORSENED),), 120, "checkout-7f3kq-1"),
        ((begun(Outcome.INCONCLUSIVE),), 120, "checkout-7f3kq-1"),
        ((begun(Outcome.ABORTED),), 120, "checkout-7f3kq-1"),
        ((attempt(ended=None, started_time=ago(60), phase=RemediationPhase.UNKNOWN),), 120, "checkout-7f3kq-1"),
        ((attempt(ended=None, started_time=ago(60)),), 120, ""),
        ((begun(Outcome.REVERTED),), 120, ""),
        ((begun(Outcome.ABORTED, conditions=(UNANSWERED,)),), 120, ""),
        ((begun(Outcome.ABORTED, conditions=(UNANSWERED,), effect_time=ago(50)),), 120, "checkout-7f3kq-1"),
        ((begun(Outcome.SUPERSEDED, phase=RemediationPhase.CANCELLED),), 120, ""),
        ((begun(Outcome.SIMULATED, phase=RemediationPhase.SUCCEEDED),), 120, ""),
        ((attempt(1, Outcome.ABORTED, ended=10, started_time=None),), 120, ""),
        ((begun(Outcome.INEFFECTIVE, started=130),), 120, ""),
        ((begun(Outcome.INEFFECTIVE),), None, ""),
        ((begun(Outcome.INEFFECTIVE),), 3600, ""),
        ((begun(Outcome.INEFFECTIVE), begun(Outcome.REMEDIATED, **HEALED)), 120, ""),
        ((begun(Outcome.INEFFECTIVE), begun(Outcome.REMEDIATED, started=130, **HEALED)), 120, "checkout-7f3kq-1"),
    ],
    ids=[
        "none was made",
        "no help",
        "worse",
        "no data",
        "a step failed",
        "unknown",
        "under way",
        "somebody reverts it",
        "nobody answered before anything was changed",
        "nobody answered after something was",
        "a person was faster",
        "only shown",
        "never begun",
        "begun before the calm",
        "no storm",
        "an hour later",
        "another has healed",
        "another had healed before",
    ],
)
def test_what_is_tried_after_a_storm_and_fails_says_that_it_is_not_over(attempts, calm, failed):
    assert failed_trial(attempts, ago(calm) if calm is not None else None, NOON) == failed


def test_a_failed_trial_turns_it_on_once_and_the_calm_begins_anew():
    on = brake(StormState(), (), 10, Storm(calm_seconds=60), NOON, trial="web-1")
    assert on == StormState(since=NOON, message="web-1 was tried after a storm, and did not heal")
    below = brake(on, (), 10, Storm(calm_seconds=60), later(5), trial="web-1")
    assert below.below_since == later(5), "what turned it on does not hold it on"
    assert brake(below, (), 10, Storm(calm_seconds=60), later(65), trial="web-1") == StormState()
