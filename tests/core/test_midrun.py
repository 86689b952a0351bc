"""Approval in the middle of a run: what the hash is of, whose word counts, until when, and how long the run has worked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.asking import Approvers
from prunella.api.common import ObjectRef
from prunella.api.names import ApprovalVerdict, Outcome, StepState
from prunella.api.remediation import Approval, Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.healing.runbooks.soundness import problems
from prunella.core.healing.runs import midrun
from prunella.core.healing.steps.step import People

from .builders import NOON, ago
from .healing_builders import attempt

MORE = RunbookStep(name="more", scale={"by": 1, "most": 9}, ttl_seconds=600)
SURE = RunbookStep(name="sure", approve={})
AGAIN = RunbookStep(name="again", approve={})
RESTART = RunbookStep(name="restart", restart={})
TEN = RunbookStep(name="ten", approve={"minApprovals": 10})
TEN_MORE = RunbookStep(name="ten-more", approve={"minApprovals": 10})
BOOK = runbook("book", MORE, SURE, AGAIN, RESTART)
PEOPLE = People(approvers=Approvers(), required=1, seconds=900, shows_diff=True)
REF = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="checkout", uid="u1")


def applied(name: str = "more", sha: str = "p1", seconds: float = 60) -> StepStatus:
    intent = Intent(id="i1", action="Patch", target_ref=REF, patch_sha256=sha, written_time=ago(seconds), deadline_time=NOON)
    return StepStatus(name=name, action="scale", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=ago(seconds)))


def running(*steps: StepStatus, words=(), requested_by="prunella", **status):
    made = attempt(1, None, ended=None, **({"steps": steps or (applied(),), "started_time": ago(60)} | status))
    return made.model_copy(update={"spec": made.spec.model_copy(update={"approvals": tuple(words), "requested_by": requested_by})})


def ask(one, step=SURE, ahead="-a\n+b", now=NOON, wants=PEOPLE):
    return midrun.ask(one, BOOK, step, wants, ahead, now)


def word(by, plan_hash, verdict=ApprovalVerdict.APPROVED, **more):
    return Approval(by=by, plan_hash=plan_hash, verdict=verdict, **more)


def test_the_hash_is_of_this_attempt_this_step_what_was_done_and_what_comes_next():
    one = running()
    first = midrun.remaining(one, SURE, "-a\n+b")
    other = one.model_copy(update={"metadata": one.metadata.model_copy(update={"uid": "another"})})
    swapped = one.model_copy(update={"spec": one.spec.model_copy(update={"plan_hash": "b52d0f"})})
    different = [
        midrun.remaining(other, SURE, "-a\n+b"),
        midrun.remaining(swapped, SURE, "-a\n+b"),
        midrun.remaining(one, AGAIN, "-a\n+b"),
        midrun.remaining(running(applied(sha="p2")), SURE, "-a\n+b"),
        midrun.remaining(one, SURE, "-a\n+c"),
    ]
    assert len({first, *different, one.spec.plan_hash}) == 7
    assert midrun.remaining(running(), SURE, "-a\n+b") == first
    assert len(first) == 32, "nobody finds two that are alike"


def test_what_comes_after_the_step_and_the_dry_run_s_own_instants_are_not_in_it():
    assert midrun.remaining(running(), SURE, "at 2026-11-24T10:00:00Z") == midrun.remaining(running(), SURE, "at 2026-11-24T10:07:00.1Z")
    record = StepStatus(name="sure", state=StepState.APPLIED)
    assert midrun.remaining(running(applied(), record), SURE, "x") == midrun.remaining(running(), SURE, "x")


@pytest.mark.parametrize(
    ("words", "requested_by", "approvers", "counted"),
    [
        ((), "prunella", {}, ()),
        ((("ana", {}),), "prunella", {}, ("ana",)),
        ((("ana", {}), ("ana", {})), "prunella", {}, ("ana",)),
        ((("ana", {}),), "ana", {}, ()),
        ((("system:serviceaccount:shop:robot", {}),), "prunella", {}, ()),
        ((("ana", {"plan_hash": "a41c9e"}),), "prunella", {}, ()),
        ((("ana", {"verdict": ApprovalVerdict.DENIED}),), "prunella", {}, ()),
        ((("ana", {}), ("zoe", {})), "prunella", {"users": ("zoe",)}, ("zoe",)),
        ((("ana", {"groups": ("leads",)}), ("zoe", {"groups": ("others",)}), ("ben", {})), "prunella", {"groups": ("leads",)}, ("ana",)),
        ((("ana", {}), ("zoe", {"groups": ("leads",)})), "prunella", {"users": ("ana",), "groups": ("leads",)}, ("ana", "zoe")),
    ],
    ids=["nobody", "one", "twice", "the requester", "a program", "the plan before the run", "a no", "named", "of a group", "named or of a group"],
)
def test_whose_word_counts(words, requested_by, approvers, counted):
    asking = ask(running(), wants=People(approvers=Approvers(**approvers), required=1, seconds=900, shows_diff=True))
    said = [word(by, **({"plan_hash": asking.plan_hash} | more)) for by, more in words]
    assert midrun.agreed(running(words=said, requested_by=requested_by), asking) == counted


def test_the_deadline_is_never_moved_and_never_later_than_what_was_changed_for_a_while():
    first = ask(running(), now=ago(50))
    assert first.deadline_time == ago(60) + timedelta(seconds=600), "the measure's end comes before 900 s"
    again = ask(running(asking=first), ahead="other", now=NOON)
    assert (again.asked_time, again.deadline_time, again.plan_hash != first.plan_hash) == (ago(50), first.deadline_time, True)
    assert ask(running(asking=first), step=AGAIN).asked_time == NOON, "another step asks anew"


def test_it_is_asked_again_only_where_somebody_had_agreed():
    first = ask(running())
    assert ask(running(asking=first), ahead="other").times == 1
    assert ask(running(asking=first, words=(word("ana", first.plan_hash),)), ahead="other").times == 2
    assert ask(running(asking=first, words=(word("ana", first.plan_hash),))).times == 1


@pytest.mark.parametrize(("fields", "outcome"), [({}, Outcome.ABORTED), ({"onExpiry": "Abort"}, Outcome.STOPPED)])
def test_too_late_is_too_late_however_many_agreed(fields, outcome):
    asking = ask(running())
    late = running(asking=asking, words=(word("ana", asking.plan_hash),))
    book = runbook("book", MORE, RunbookStep(name="sure", approve=fields), RESTART)
    assert midrun.expired(late, book, asking, asking.deadline_time - timedelta(seconds=1)) is None
    assert midrun.expired(late, book, asking, asking.deadline_time).outcome is outcome
    assert midrun.expired(late, book, None, NOON) is None


def agreement(asking, names=("ana", "zoe"), at=NOON, **changes) -> StepStatus:
    outcome = StepOutcome(observed_time=at, after=midrun.agreement(asking, names, at))
    return StepStatus(name="sure", state=StepState.APPLIED, outcome=outcome, **({"action": "approve"} | changes))


def test_an_agreement_is_used_by_the_first_change_after_it():
    record = agreement(ask(running()))
    assert midrun.unused(running()) is None
    assert midrun.unused(running(applied(), record)) == record
    assert midrun.unused(running(applied(), record, StepStatus(name="look", state=StepState.APPLIED))) == record
    assert midrun.unused(running(applied(), record, applied("restart"))) is None
    assert midrun.approvers(running(applied(), record)) == ("ana", "zoe")


def test_what_another_step_leaves_behind_is_no_agreement():
    """A job says what it likes in its last line."""
    forged = agreement(ask(running()), action="job")
    assert midrun.unused(running(applied(), forged)) is None
    assert midrun.approvers(running(applied(), forged)) == ()


def test_the_time_that_people_took_is_not_the_run_s():
    asking = ask(running(), now=ago(100))
    assert midrun.worked(running(started_time=None), NOON) == timedelta(0)
    assert midrun.worked(running(started_time=ago(130)), NOON) == timedelta(seconds=130)
    assert midrun.worked(running(started_time=ago(130), asking=asking), NOON) == timedelta(seconds=30)
    assert midrun.worked(running(applied(), agreement(asking, at=ago(40)), started_time=ago(130)), NOON) == timedelta(seconds=70)
    assert midrun.worked(running(applied(), agreement(asking, at=ago(40)), started_time=ago(50)), NOON) == timedelta(seconds=40), (
        "asked before it began"
    )


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((MORE, SURE, RESTART), None),
        ((RESTART, SURE), "`spec.steps[sure].approve`: no step comes after it that could be approved"),
        ((RESTART, SURE, AGAIN), "`spec.steps[sure].approve`: no step comes after it"),
        (
            (RunbookStep(name="sure", approve={"minApprovals": 2, "approvers": {"users": ["ana"]}}), RESTART),
            "`spec.steps[sure].approve.minApprovals`: 2 people must approve it, and approvers names 1",
        ),
        ((TEN, RESTART), None),
        ((TEN, TEN_MORE, RESTART), "`spec.steps`: with `spec.approval.required` 21 approvals are needed in all, and a run takes at most 20"),
    ],
    ids=["good", "last", "only another one follows", "too few are named", "ten people", "more words than a run takes"],
)
def test_a_step_that_asks_in_vain_is_said_when_the_runbook_is_applied(steps, says):
    found = [one.message for one in problems(runbook("book", *steps), lambda _e, _v: True, lambda _n: None, "prunella-system")]
    assert found == [] if says is None else [one for one in found if one.startswith(says)] != []


def test_what_people_are_told_names_what_remains_and_the_command():
    one = running()
    said = midrun.message(one, BOOK, ask(one), "do it")
    assert said.startswith("step 'sure' asks: do it: a person must approve what remains, again (approve), restart (restart), until ")
    assert "`kubectl prunella approve checkout-7f3kq-1" in said
