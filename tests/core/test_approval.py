"""Guard 14: who has to agree to a plan, what counts as agreement, and when it is too late (R26)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.asking import Asking
from prunella.api.incident import Times
from prunella.api.names import ApprovalVerdict, ConditionStatus, Mode, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Approval, StepOutcome, StepStatus
from prunella.api.runbook import ApprovalTerms
from prunella.core.healing import judge
from prunella.core.healing.guards import approval, guards
from prunella.core.healing.refusal import first_refusal
from prunella.core.healing.runbooks import plan
from prunella.core.healing.steps import registry

from .builders import NOON, ago, later
from .healing_builders import attempt, condition, ill, incident, permitted, planned
from .incident_builders import draft_of

OPERATOR = "system:serviceaccount:prunella-system:prunella"
BOOK = runbook(mode=Mode.APPROVE)
TWO = runbook(mode=Mode.APPROVE, approval=ApprovalTerms(required=2, expires_seconds=600))
ASKING = Asking(step="sure", plan_hash="a1", asked_time=ago(10), deadline_time=later(600))
AGREED = StepStatus(name="sure", action="approve", state=StepState.APPLIED, outcome=StepOutcome(observed_time=ago(5)))


def word(by: str, verdict=ApprovalVerdict.APPROVED, plan_hash: str = "a41c9e", **more) -> Approval:
    return Approval(by=by, plan_hash=plan_hash, verdict=verdict, **more)


def asks(*words: Approval, requested_by: str = OPERATOR, mode: Mode = Mode.APPROVE, **status):
    """An attempt that asked people a minute ago, for half an hour."""
    defaults = {
        "phase": RemediationPhase.PENDING,
        "started_time": None,
        "approval_deadline_time": later(1740),
        "diff": "-new\n+old",
        "conditions": (condition("Approved", ConditionStatus.FALSE, "AwaitingApproval", since=ago(60)),),
    }
    made = attempt(1, None, ended=None, mode=mode, **(defaults | status))
    return made.model_copy(update={"spec": made.spec.model_copy(update={"approvals": words, "requested_by": requested_by})})


def guarded(own, book=BOOK, **changes):
    """The guard's answer, asked live for the attempt."""
    world = ill(book, remediations=(own,), own_remediation_uid=own.metadata.uid)
    return approval.refused(world, planned(world, **changes))


NO = ApprovalVerdict.DENIED


@pytest.mark.parametrize(
    ("words", "requested_by", "counted"),
    [
        ((), OPERATOR, ()),
        ((word("ana"),), OPERATOR, ("ana",)),
        ((word("ana"), word("zoe")), OPERATOR, ("ana", "zoe")),
        ((word("ana"), word("ana", comment="again")), OPERATOR, ("ana",)),
        ((word("ana"),), "ana", ()),
        ((word("ana"), word("zoe")), "ana", ("zoe",)),
        ((word(OPERATOR),), OPERATOR, ()),
        ((word("system:serviceaccount:shop:robot"),), OPERATOR, ()),
        ((word("ana", plan_hash="b52d0f"),), OPERATOR, ()),
        ((word("ana", NO),), OPERATOR, ()),
    ],
    ids=["nobody", "one", "two", "one twice", "the requester", "the requester and another", "ourselves", "a program", "of another plan", "a no"],
)
def test_an_approval_is_of_this_plan_by_a_person_who_did_not_ask_for_it(words, requested_by, counted):
    assert approval.approvers(asks(*words, requested_by=requested_by)) == counted


@pytest.mark.parametrize(
    ("own", "book", "reason"),
    [
        (asks(), BOOK, "AwaitingApproval"),
        (asks(word("ana")), BOOK, None),
        (asks(word("ana")), TWO, "AwaitingApproval"),
        (asks(word("ana"), word("zoe")), TWO, None),
        (asks(word("ana"), word("ana", comment="again")), TWO, "AwaitingApproval"),
        (asks(word("ana"), approval_deadline_time=None), BOOK, "AwaitingApproval"),
        (asks(word("ana"), approval_deadline_time=NOON), BOOK, "ApprovalExpired"),
        (asks(approval_deadline_time=ago(1)), BOOK, "ApprovalExpired"),
        (asks(word("ana"), word("zoe", NO)), BOOK, "HumanOverride"),
        (asks(word("ana"), started_time=ago(5), approval_deadline_time=ago(1)), BOOK, None),
        (asks(approval_deadline_time=ago(1), asking=ASKING), BOOK, None),
        (asks(approval_deadline_time=ago(1), steps=(AGREED,)), BOOK, None),
        (asks(mode=Mode.AUTO, asking=ASKING), BOOK, "AwaitingApproval"),
        (asks(word("zoe", NO), approval_deadline_time=ago(1), asking=ASKING), BOOK, "HumanOverride"),
    ],
    ids=[
        "nobody said anything",
        "one of one",
        "one of two",
        "two of two",
        "one person twice",
        "said before it was shown",
        "approved, and too late",
        "too late",
        "a no beside a yes",
        "begun in time",
        "a step asks",
        "a step has asked",
        "a step asks, and the mode was Auto when the run was made",
        "a no while a step asks",
    ],
)
def test_the_guard_says_yes_to_enough_people_in_time(own, book, reason):
    refusal = guarded(own, book)
    assert (refusal and refusal.reason) == reason


@pytest.mark.parametrize(
    ("made", "now", "asked"),
    [
        (Mode.APPROVE, Mode.APPROVE, True),
        (Mode.APPROVE, Mode.AUTO, True),
        (Mode.APPROVE, Mode.SUGGEST, False),
        (Mode.AUTO, Mode.AUTO, False),
        (Mode.AUTO, Mode.APPROVE, True),
        (Mode.SUGGEST, Mode.APPROVE, False),
    ],
)
def test_by_the_mode_in_which_it_was_made_and_the_mode_now(made, now, asked):
    """What only shows a plan asks nobody; and below Approve the mode itself refuses, at the gate."""
    assert (guarded(asks(mode=made), mode=now) is not None) == asked


def test_the_message_has_the_plan_the_deadline_and_the_command():
    refusal = guarded(asks(word("ana")), TWO)
    assert refusal.message == (
        "roll back deploy/checkout 3 (h3) -> 2 (h2): 2 people must approve it (ana did) until 12:29:00 UTC; "
        "`kubectl prunella approve checkout-7f3kq-1 -n shop` shows the diff and asks you"
    )


def test_without_an_attempt_it_is_shown_and_is_no_reason():
    """The attempt is what asks: the guard must not keep it from being made."""
    world = permitted(BOOK)
    asked = guards.ask(world, planned(world))
    assert [(one.guard, one.refusal.reason, one.shown_only) for one in asked if one.refusal] == [("Approval", "AwaitingApproval", True)]
    draft = judge.judge(world, draft_of(world))
    assert draft.attempt.spec.mode is Mode.APPROVE
    assert draft.attempt.spec.approvals == ()


def test_an_attempt_that_is_not_among_those_that_were_read_was_approved_by_nobody():
    world = replace(permitted(BOOK), own_remediation_uid="gone")
    assert first_refusal(guards.ask(world, planned(world))).reason == "AwaitingApproval"


def over(own, reason: str, outcome: Outcome, *, ended: float = 100, book=BOOK, **changes):
    """The attempt after its asking ended so."""
    said = condition("Approved", ConditionStatus.FALSE, reason)
    status = {"phase": RemediationPhase.CANCELLED, "outcome": outcome, "ended_time": ago(ended), "conditions": (said,), "message": "so it is"}
    spec = own.spec.model_copy(update={"plan_hash": planned(ill(book)).hash} | changes)
    return own.model_copy(update={"spec": spec, "status": own.status.model_copy(update=status)})


ENDED = {
    "denied": (over(asks(), "Denied", Outcome.STOPPED), "HumanOverride"),
    "expired": (over(asks(), "ApprovalExpired", Outcome.ABORTED), "ApprovalExpired"),
}


@pytest.mark.parametrize(("ended", "reason"), ENDED.values(), ids=ENDED)
def test_a_plan_that_people_did_not_want_is_not_proposed_again_by_itself(ended, reason):
    world = replace(permitted(BOOK), remediations=(ended,))
    draft = judge.judge(world, draft_of(world))
    said = next(one for one in draft.status.conditions if one.type == "RemediationAllowed")
    assert (draft.attempt, said.reason) == (None, reason)
    assert said.message == "checkout-7f3kq-1: so it is; annotate the Incident prunella.dev/retry=<token> to be asked again"


@pytest.mark.parametrize(("ended", "_reason"), ENDED.values(), ids=ENDED)
@pytest.mark.parametrize("what", ["another plan", "a retry since", "another episode"])
def test_but_another_plan_is_and_this_one_after_a_retry_or_in_another_episode(ended, _reason, what):
    changes = {
        "another plan": {},
        "a retry since": {"last_handled_retry_time": ago(50)},
        "another episode": {"times": Times(last_reopened_time=ago(50))},
    }[what]
    if what == "another plan":
        ended = ended.model_copy(update={"spec": ended.spec.model_copy(update={"plan_hash": "b52d0f"})})
    world = replace(permitted(BOOK), remediations=(ended,), incident=incident(**changes))
    assert judge.judge(world, draft_of(world)).attempt is not None


def test_a_plan_under_which_the_target_changed_three_times_is_left_to_people():
    voided = [over(asks(), "PlanChanged", Outcome.SUPERSEDED, ended=100 * number) for number in (1, 2, 3)]
    world = permitted(BOOK)
    assert approval.denied_before(replace(world, remediations=tuple(voided[:2])), planned(world)) is None
    refusal = approval.denied_before(replace(world, remediations=tuple(voided)), planned(world))
    assert (refusal.reason, "changed 3 times" in refusal.message) == ("HumanOverride", True)


@pytest.mark.parametrize(
    ("shown", "now", "changed"),
    [
        ("-new\n+old", "-new\n+old", False),
        ("-new\n+old", "-new\n+evil", True),
        ("-new\n+old", "", True),
        ("+at: '2026-11-24T10:02:24.123456Z'", "+at: '2026-11-24T10:12:24Z'", False),
        ("+at: '2026-11-24T10:02:24Z'\n+old", "+at: '2026-11-24T10:12:24Z'\n+evil", True),
    ],
)
def test_what_would_be_changed_is_what_was_shown(shown, now, changed):
    refusal = approval.swapped(asks(diff=shown), now)
    assert (refusal is not None) == changed
    assert isinstance(refusal, approval.PlanChanged) == changed


def test_what_nobody_was_shown_and_what_has_begun_is_not_compared():
    assert approval.swapped(asks(approval_deadline_time=None), "+evil") is None
    assert approval.swapped(asks(started_time=ago(5)), "+evil") is None


def test_a_step_that_people_must_always_approve_never_acts_in_auto():
    roll_back, restart = registry.KINDS["rollBack"], registry.KINDS["restart"]
    assert plan.highest_mode(()) is Mode.AUTO
    assert plan.highest_mode((roll_back, restart)) is Mode.AUTO
    assert plan.highest_mode((roll_back, replace(restart, approval_always=True))) is Mode.APPROVE


def test_the_deadline_is_that_of_the_first_question_and_is_never_moved():
    made = planned(ill(TWO))
    assert approval.deadline_of(asks(approval_deadline_time=None), made, NOON) == later(600)
    assert approval.deadline_of(asks(approval_deadline_time=later(5)), made, NOON) == later(5)


def test_the_incident_says_it_once_and_the_column_has_the_plan():
    own = asks(plan="roll back deploy/checkout 3 -> 2")
    draft = draft_of(ill(BOOK))
    for _ in range(2):
        draft = approval.asked(own, "a person must approve it", draft)
    assert [(one.what, one.message) for one in draft.status.timeline] == [("AwaitingApproval", "checkout-7f3kq-1: a person must approve it")]
    assert draft.status.remediation == "AwaitingApproval: roll back deploy/checkout 3 -> 2"
    assert draft.status.remediation_state == "AwaitingApproval"
