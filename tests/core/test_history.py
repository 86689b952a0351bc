"""What earlier attempts permit: attempts, cooldown, budgets, breaker, flapping. All of it is counted from what is stored (V14)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.healing_policy import Budget, Budgets
from prunella.api.incident import Episode, Times
from prunella.api.names import ConditionStatus, Outcome, RemediationPhase
from prunella.api.runbook import Limits
from prunella.core.facts import UNKNOWN
from prunella.core.healing.guards import history
from prunella.core.healing.refusal import Refusal

from .builders import NOON, ago, later
from .healing_builders import attempt, condition, ill, incident, planned, policy
from .incident_builders import TARGET
from .records import quarantined_revision, record_of

ELSEWHERE = TARGET.model_copy(update={"uid": "other", "name": "cart"})


def limited(**limits):
    return runbook(limits=Limits(**limits))


def world_of(*attempts, book=None, **changes):
    return ill(*((book,) if book else ()), remediations=attempts, **changes)


def plan_of(book=None):
    return planned(ill(*((book,) if book else ())))


# attempts


@pytest.mark.parametrize(
    ("before", "number"),
    [
        ((), 1),
        ((attempt(1),), 2),
        ((attempt(1, ended=500), attempt(2)), 3),
        ((attempt(1, outcome=Outcome.SIMULATED),), 1),
        ((attempt(1, started_time=None),), 1),
        ((attempt(1, accused_revision="h9"),), 1),
        ((attempt(1, target_ref=ELSEWHERE),), 1),
        ((attempt(1, ended=3599), attempt(2, accused_revision="h9")), 2),
        ((attempt(1, ended=3601),), 1),
        ((attempt(1, ended=3700), attempt(2, ended=200)), 3),
        ((attempt(1, ended=8000), attempt(2, ended=200)), 2),
    ],
    ids=[
        "none",
        "one",
        "two",
        "simulated",
        "not spent",
        "another revision",
        "another target",
        "another revision in between",
        "healthy for an hour since",
        "each within an hour of the next",
        "an hour between the two",
    ],
)
def test_r17_attempts_count_on_until_it_was_healthy_for_an_hour(before, number):
    assert history.next_attempt(world_of(*before), plan_of()) == number


@pytest.mark.parametrize(
    ("began", "number"),
    [(9000, 3), (7200, 3), (3599, 3), (3401, 3), (3399, 1), (60, 1)],
    ids=["before both", "before both, an hour ago", "an hour after the last one, less a second", "just not", "an hour healthy", "much longer"],
)
def test_r37_the_count_goes_on_however_long_it_fails_without_having_been_healthy(began, number):
    failing = Episode(number=2, started_time=ago(began), triggered_time=ago(began), reason="Reopened")
    before = (attempt(1, ended=7100, started_time=ago(7150)), attempt(2, ended=7000, started_time=ago(7050)))
    assert history.next_attempt(world_of(*before, incident=incident(episodes=(failing,))), plan_of()) == number


def test_a_retry_starts_the_count_anew():
    world = world_of(attempt(1), incident=incident(last_handled_retry_time=ago(50)))
    assert history.next_attempt(world, plan_of()) == 1
    world = world_of(attempt(1), incident=incident(last_handled_retry_time=ago(150)))
    assert history.next_attempt(world, plan_of()) == 2


def test_an_attempt_that_goes_on_after_a_crash_is_no_attempt_before_itself():
    own = attempt(1, ended=None)
    world = replace(world_of(own), own_remediation_uid=own.metadata.uid)
    assert history.next_attempt(world, plan_of()) == 1
    assert history.cooldown(world, plan_of()) is None
    once = policy(budgets=Budgets(per_target=Budget(count=1)))
    assert history.budgets(replace(world, policy=once), plan_of()) is None


@pytest.mark.parametrize(("maximum", "refuses"), [(1, True), (2, True), (3, False)])
def test_r37_after_the_last_attempt_a_person_has_to_look(maximum, refuses):
    book = limited(max_attempts=maximum)
    refusal = history.attempts(world_of(attempt(1, ended=500), attempt(2), book=book), plan_of(book))
    message = f"2 of {maximum} attempts at deploy/checkout are spent: a person has to look"
    assert refusal == (Refusal(reason="ConsecutiveFailures", message=message) if refuses else None)


def test_an_older_cache_does_not_hide_what_the_live_list_says():
    stored = attempt(1)
    cached = attempt(1, ended=None, started_time=None, phase=RemediationPhase.PENDING)
    assert history.of_target(ill(remediations=(stored,), all_remediations=(cached,)), TARGET.uid) == (stored,)


def test_attempts_of_a_target_come_oldest_first_and_one_that_never_started_by_its_creation():
    pending = attempt(2, ended=None, started_time=None, phase=RemediationPhase.PENDING, creation_timestamp=ago(5))
    made_now = attempt(4, ended=None, started_time=None, phase=RemediationPhase.PENDING, creation_timestamp=None)
    order = history.of_target(ill(all_remediations=(made_now, pending, attempt(1), attempt(3, ended=900))), TARGET.uid)
    assert [one.metadata.name[-1] for one in order] == ["3", "1", "2", "4"]


# cooldown


@pytest.mark.parametrize(
    ("ended", "own", "seconds", "left"),
    [
        ((1799,), None, 1800, 1),
        ((1800,), None, 1800, None),
        ((3000, 1800), None, 7200, 5400),
        ((3000, 7199), None, None, None),
        ((59,), 60, 60, 1),
        ((60,), 60, 60, None),
        ((3000, 59), 60, 60, 1),
        ((0,), 0, 0, None),
    ],
    ids=[
        "first: half an hour",
        "first: over",
        "second: four times that",
        "an hour healthy in between",
        "the Runbook's own",
        "the Runbook's own is over",
        "the Runbook's own after the second too",
        "none",
    ],
)
def test_the_cooldown_is_four_times_as_long_after_the_second(ended, own, seconds, left):
    book = limited(cooldown_seconds=own, max_attempts=9)
    attempts = [attempt(number, ended=at) for number, at in enumerate(sorted(ended, reverse=True), 1)]
    refusal = history.cooldown(world_of(*attempts, book=book), plan_of(book))
    if left is None:
        assert refusal is None
    else:
        newest = attempts[-1]
        span = int((NOON - newest.status.ended_time).total_seconds())
        message = f"{newest.metadata.name} ended {span} s ago; the cooldown is {seconds} s"
        assert refusal == Refusal(reason="RecentlyRemediated", message=message, look_again_time=later(left))


def test_the_policys_cooldown_counts_and_its_default_where_it_cannot_be_read():
    assert history.cooldown(world_of(attempt(1, ended=30), policy=policy(cooldown_seconds=20)), plan_of()) is None
    assert history.cooldown(world_of(attempt(1, ended=1000), policy=UNKNOWN), plan_of()).reason == "RecentlyRemediated"


def test_r18_a_cooldown_of_an_attempt_that_has_not_ended_counts_from_its_start():
    refusal = history.cooldown(world_of(attempt(1, ended=None)), plan_of())
    assert refusal.look_again_time == later(1780)


# budgets


def spread(count, **changes):
    return tuple(attempt(number, name=f"a-{number}-1", uid=f"u{number}", ended=100 * number, **changes) for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("others", "budgets", "scope", "message"),
    [
        (spread(3), {"per_target": Budget(count=3)}, "target deploy/checkout", "3 of 3"),
        (spread(2), {"per_target": Budget(count=3)}, None, ""),
        (spread(6, target_ref=ELSEWHERE), {}, "namespace shop", "6 of 6"),
        (spread(5, target_ref=ELSEWHERE), {}, None, ""),
        (spread(6, target_ref=ELSEWHERE, namespace="pay"), {}, None, ""),
        (spread(20, target_ref=ELSEWHERE, namespace="pay"), {}, "cluster", "20 of 20"),
        (spread(9, target_ref=ELSEWHERE, outcome=Outcome.SIMULATED), {}, None, ""),
        (spread(9, target_ref=ELSEWHERE, started_time=None), {}, None, ""),
        ((), {"per_cluster": Budget(count=0)}, "cluster", "0 of 0"),
    ],
    ids=["target", "target: one left", "namespace", "namespace: one left", "another namespace", "cluster", "simulated", "not spent", "none at all"],
)
def test_budgets_are_counted_per_target_namespace_and_cluster(others, budgets, scope, message):
    world = ill(all_remediations=others, policy=policy(budgets=Budgets(**budgets)))
    refusal = history.budgets(world, plan_of())
    if scope is None:
        assert refusal is None
    else:
        assert (refusal.reason, refusal.message) == ("BudgetSpent", f"{message} attempts in 3600 s are spent for the {scope}")


@pytest.mark.parametrize(
    ("started", "count", "again"),
    [((100, 500, 900), 3, 2700), ((100, 500, 900), 2, 3100), ((3599,), 1, 1), ((3600,), 1, None)],
    ids=["the oldest leaves the window", "two have to leave it", "the last second", "just left it"],
)
def test_a_budget_says_when_there_is_room_again(started, count, again):
    others = tuple(attempt(number, name=f"a-{number}", ended=50, started=at) for number, at in enumerate(started, 1))
    world = ill(all_remediations=others, policy=policy(budgets=Budgets(per_target=Budget(count=count))))
    refusal = history.budgets(world, plan_of())
    assert (refusal and refusal.look_again_time) == (later(again) if again is not None else None)


# breaker


@pytest.mark.parametrize(
    ("outcome", "opens"),
    [
        (Outcome.WORSENED, True),
        (Outcome.REVERTED, True),
        (Outcome.INEFFECTIVE, True),
        (Outcome.INCONCLUSIVE, False),
        (Outcome.ABORTED, False),
        (Outcome.REMEDIATED, False),
        (Outcome.SUPERSEDED, False),
    ],
)
def test_the_breaker_opens_after_what_did_harm_or_nothing(outcome, opens):
    assert (history.breaker(world_of(attempt(1, outcome=outcome)), plan_of()) is not None) == opens


@pytest.mark.parametrize(
    ("retried", "opens"), [(None, True), (101, True), (100, False), (50, False)], ids=["never", "before it ended", "then", "after"]
)
def test_the_breaker_is_open_until_a_person_says_retry(retried, opens):
    told = incident(last_handled_retry_time=None if retried is None else ago(retried))
    refusal = history.breaker(world_of(attempt(1), incident=told), plan_of())
    message = "checkout-7f3kq-1: it ended Ineffective. Look at deploy/checkout, then annotate the Incident prunella.dev/retry=<token>"
    assert refusal == (Refusal(reason="BreakerOpen", message=message) if opens else None)


@pytest.mark.parametrize(("retried", "opens"), [(None, True), (90, True), (70, False)], ids=["never", "before that was found", "after"])
def test_an_effect_that_cannot_be_known_opens_it_since_that_was_found(retried, opens):
    since = condition("Succeeded", ConditionStatus.UNKNOWN, "Unknown", since=ago(80))
    unknown = attempt(1, ended=None, started_time=ago(100), phase=RemediationPhase.UNKNOWN, conditions=(since,))
    told = incident(last_handled_retry_time=None if retried is None else ago(retried))
    refusal = history.breaker(world_of(unknown, incident=told), plan_of())
    message = "checkout-7f3kq-1: its effect can't be known. Look at deploy/checkout, then annotate the Incident prunella.dev/retry=<token>"
    assert refusal == (Refusal(reason="BreakerOpen", message=message) if opens else None)


def test_without_that_condition_it_cannot_be_known_since_its_start():
    assert history.unknown_since(attempt(1, ended=None, started_time=ago(100))) == ago(100)
    done = condition("Succeeded", ConditionStatus.TRUE, "Remediated", since=ago(5))
    assert history.unknown_since(attempt(1, started_time=ago(100), conditions=(done,))) == ago(100)


def test_a_breaker_is_the_targets_own():
    assert history.breaker(world_of(attempt(1, target_ref=ELSEWHERE)), plan_of()) is None


def test_a_bad_end_without_its_time_is_not_let_go_of():
    odd = attempt(1, ended_time=None)
    assert history.breaker(world_of(odd, incident=incident(last_handled_retry_time=NOON)), plan_of()).reason == "BreakerOpen"


# a person was faster


@pytest.mark.parametrize(
    ("changes", "told", "refuses"),
    [
        ({}, {}, True),
        ({"outcome": Outcome.STALE}, {}, False),
        ({"started_time": None}, {}, False),
        ({"ended_time": None}, {}, False),
        ({}, {"last_handled_retry_time": ago(100)}, False),
        ({}, {"last_handled_retry_time": ago(101)}, True),
        ({}, {"times": Times(last_reopened_time=ago(100))}, False),
        ({}, {"times": Times(last_reopened_time=ago(101))}, True),
    ],
    ids=["so", "the target was gone", "it had not acted", "no end", "retried since", "retried before", "reopened since", "reopened before"],
)
def test_who_changed_the_target_during_an_attempt_has_it_until_retry_or_the_next_episode(changes, told, refuses):
    one = attempt(1, **({"outcome": Outcome.SUPERSEDED, "phase": RemediationPhase.CANCELLED} | changes))
    refusal = history.superseded(world_of(one, incident=incident(**told)))
    assert (refusal is not None) == refuses


def test_a_quarantine_is_read_from_the_record():
    assert history.quarantined(ill(record=record_of(quarantined=(quarantined_revision("h3"),))), "h3")
    assert not history.quarantined(ill(record=record_of(quarantined=(quarantined_revision("h2"),))), "h3")
    assert not history.quarantined(ill(record=UNKNOWN), "h3")


# flapping


@pytest.mark.parametrize(
    ("resolved", "refuses"),
    [
        ((3000, 2000, 1000), True),
        ((3600, 2000, 1000), False),
        ((2000, 1000), False),
        ((3000, 2000, 1000, None), True),
        ((3500, 3000, 2000, 1000), True),
    ],
    ids=["three within an hour", "the first an hour ago", "two", "and the one that runs", "four"],
)
def test_r16_what_recovers_and_fails_again_and_again_is_left_alone(resolved, refuses):
    episodes = tuple(
        Episode(
            number=number,
            started_time=ago(3700),
            triggered_time=ago(3700),
            resolved_time=None if at is None else ago(at),
            reason="Opened" if number == 1 else "FiringAgain",
        )
        for number, at in enumerate(resolved, 1)
    )
    refusal = history.flapping(ill(incident=incident(episodes=episodes)))
    times = len([at for at in resolved if at is not None])
    message = f"it recovered and failed again {times} times within an hour: what is done does not last"
    assert refusal == (Refusal(reason="Flapping", message=message, look_again_time=later(600)) if refuses else None)


# one at a time


@pytest.mark.parametrize(
    ("phase", "own", "shown"),
    [
        (RemediationPhase.PENDING, False, "Pending"),
        (None, False, "Pending"),
        (RemediationPhase.DISPATCHED, False, "Dispatched"),
        (RemediationPhase.VERIFYING, False, "Verifying"),
        (RemediationPhase.UNKNOWN, False, "Unknown"),
        (RemediationPhase.SUCCEEDED, False, None),
        (RemediationPhase.CANCELLED, False, None),
        (RemediationPhase.VERIFYING, True, None),
    ],
)
def test_r13_another_attempt_at_the_target_must_have_ended(phase, own, shown):
    other = attempt(1, ended=None)
    other = other.model_copy(update={"status": other.status.model_copy(update={"phase": phase})})
    world = ill(all_remediations=(other,), own_remediation_uid=other.metadata.uid if own else "")
    message = f"checkout-7f3kq-1 is {shown} on deploy/checkout: one attempt at a time"
    assert history.in_progress(world, plan_of()) == (Refusal(reason="DuplicateInProgress", message=message) if shown else None)
