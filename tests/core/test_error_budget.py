"""The error budget: a Runbook that failed too often, whatever its targets, acts as Approve for a day; a changed one begins anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.names import ConditionStatus, Mode, Outcome, RemediationPhase
from prunella.api.runbook import ErrorBudget, Limits
from prunella.core.healing import judge
from prunella.core.healing.guards import guards
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import error_budget
from prunella.core.healing.runbooks.plan import runbook_sha256

from .builders import ago, later
from .healing_builders import attempt, condition, ill, permitted, planned
from .incident_builders import TARGET, draft_of

BOOK = runbook()
SHA = runbook_sha256(BOOK)
HOUR = 3600
GOOD, BAD = Outcome.REMEDIATED, Outcome.INEFFECTIVE
CART = TARGET.model_copy(update={"uid": "other", "name": "cart"})


def tried(hours: float, outcome: Outcome | None = BAD, book=BOOK, **changes):
    """An attempt of the Runbook at another target that ended so many hours before noon."""
    made = attempt(1, outcome, ended=hours * HOUR, name=f"cart-{hours}", target_ref=CART, namespace="cart", **changes)
    ref = made.spec.runbook_ref.model_copy(update={"sha256": runbook_sha256(book)})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"runbook_ref": ref})})


def of(one, **changes):
    ref = one.spec.runbook_ref.model_copy(update=changes)
    return one.model_copy(update={"spec": one.spec.model_copy(update={"runbook_ref": ref})})


def demoted(*attempts, book=BOOK, **changes) -> Refusal | None:
    return error_budget.demotion(ill(book, all_remediations=attempts, **changes), book, runbook_sha256(book))


@pytest.mark.parametrize(
    ("attempts", "until"),
    [
        ((), None),
        ((tried(2), tried(1)), None),
        ((tried(3), tried(2), tried(1)), 23),
        ((tried(1), tried(3), tried(2)), 23),
        ((tried(5), tried(4, GOOD), tried(3), tried(2, GOOD), tried(1)), 23),
        ((tried(6), tried(5), tried(4, GOOD), tried(3, GOOD), tried(2, GOOD), tried(1)), None),
        ((tried(5), tried(4), tried(3), tried(2, GOOD), tried(1, GOOD)), 21),
        ((tried(23), tried(22), tried(1)), 23),
        ((tried(26), tried(25), tried(23)), 1),
        ((tried(25), tried(24.5), tried(24)), None),
        ((tried(27), tried(26), tried(0.5)), None),
        ((tried(28), tried(27), tried(26), tried(1)), None),
    ],
    ids=[
        "none",
        "two of two",
        "three of three",
        "in whatever order they are listed",
        "three of five",
        "three of six",
        "later ones that went well take nothing back",
        "over a whole day",
        "the first ones are older than a day by now",
        "a day is over",
        "further apart than a day",
        "the first after a day begins anew",
    ],
)
def test_three_failures_of_the_last_five_demote_for_a_day_from_the_newest_of_them(attempts, until):
    refusal = demoted(*attempts)
    assert (refusal and refusal.look_again_time) == (None if until is None else later(until * HOUR))


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        (Outcome.INEFFECTIVE, True),
        (Outcome.WORSENED, True),
        (Outcome.REVERTED, True),
        (Outcome.INCONCLUSIVE, True),
        (Outcome.ABORTED, True),
        (Outcome.REMEDIATED, False),
        (Outcome.RECOVERED_ITSELF, False),
        (Outcome.STOPPED, False),
        (Outcome.SUPERSEDED, False),
        (Outcome.STALE, False),
    ],
)
def test_what_counts_as_a_failure(outcome, failed):
    assert (demoted(tried(3), tried(2), tried(1, outcome)) is not None) == failed


@pytest.mark.parametrize(("changed", "counts"), [(None, False), (ago(HOUR), True)], ids=["nothing was changed", "something was"])
def test_that_nobody_answered_a_step_that_asks_tells_nothing_of_the_runbook(changed, counts):
    unanswered = condition("Approved", ConditionStatus.FALSE, "ApprovalExpired")
    third = tried(1, Outcome.ABORTED, conditions=(unanswered,), effect_time=changed)
    assert (demoted(tried(3), tried(2), third) is not None) == counts


@pytest.mark.parametrize(
    "third",
    [
        tried(1, started_time=None),
        tried(1).model_copy(update={"status": attempt(1, ended=None, phase=RemediationPhase.VERIFYING).status}),
        of(tried(1), name="another"),
        of(tried(1), namespace="shop"),
        of(tried(1), sha256="as it was before"),
    ],
    ids=["never begun", "not ended", "another Runbook", "of another namespace", "before the Runbook was changed"],
)
def test_what_does_not_count(third):
    assert demoted(tried(3), tried(2), third) is None


def test_the_message_says_how_many_until_when_and_how_to_begin_anew():
    refusal = demoted(tried(5), tried(4, GOOD), tried(3), tried(2, GOOD), tried(1))
    assert (refusal.reason, refusal.message) == (
        "IneffectiveChain",
        (
            "3 of the last 5 attempts of Runbook roll-back failed: Auto acts as Approve until 2026-11-25 11:00 UTC; "
            "look at them and change the Runbook: a changed one begins anew"
        ),
    )
    assert demoted(tried(3), tried(2), tried(1)).message.startswith("3 of the last 3 attempts")
    assert demoted(tried(27), tried(3), tried(2), tried(1)).message.startswith("3 of the last 3 attempts"), "of a day"


def test_a_runbook_may_set_its_own_budget():
    strict = runbook(limits=Limits(error_budget=ErrorBudget(failures=1, of=1)))
    assert demoted(tried(1, book=strict), book=strict) is not None
    assert demoted(tried(2, book=strict), tried(1, GOOD, book=strict), book=strict).look_again_time == later(22 * HOUR)
    patient = runbook(limits=Limits(error_budget=ErrorBudget(failures=4, of=5)))
    assert demoted(*(tried(hour, book=patient) for hour in (3, 2, 1)), book=patient) is None


def test_the_live_list_wins_over_the_caches_copy_and_counts_once():
    known = tried(1)
    cached = known.model_copy(update={"status": attempt(1, ended=None).status})
    assert demoted(tried(3), tried(2), cached) is None
    assert demoted(tried(3), tried(2), cached, remediations=(known,)) is not None
    assert demoted(tried(2), known, remediations=(known,)) is None


def judged(world):
    return judge.judge(world, draft_of(world))


def test_demoted_it_asks_people_and_tells_them_why():
    world = permitted(all_remediations=(tried(3), tried(2), tried(1)))
    draft = judged(world)
    assert draft.attempt.spec.mode is Mode.APPROVE, "Auto acts as Approve"
    asked = {one.guard: one for one in guards.ask(world, planned(world))}
    assert (asked["Budget"].refusal.reason, asked["Budget"].shown_only) == ("IneffectiveChain", True), "the mode says it"
    assert "3 of the last 3 attempts of Runbook roll-back failed" in asked["Approval"].refusal.message


def test_after_the_day_it_acts_again():
    world = permitted(all_remediations=(tried(27), tried(26), tried(24)))
    assert judged(world).attempt.spec.mode is Mode.AUTO
    world = replace(world, all_remediations=(tried(27), tried(26), tried(23.9)))
    assert judged(world).attempt.spec.mode is Mode.APPROVE


def test_a_changed_runbook_acts_at_once():
    changed = runbook(title="Roll back, mended")
    assert judged(permitted(changed, all_remediations=(tried(3), tried(2), tried(1)))).attempt.spec.mode is Mode.AUTO


def test_what_else_refuses_is_said_instead():
    world = permitted(all_remediations=(tried(3), tried(2), tried(1)), storm_since=ago(5))
    said = next(one for one in judged(world).status.conditions if one.type == "RemediationAllowed")
    assert said.reason == "StormActive"
