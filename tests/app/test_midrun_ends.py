"""What a step `approve` must not do: ask for ever, keep a place from others, be slipped past, or outlast the ground on which it was answered."""

from __future__ import annotations

import pytest
from tests.core.incident_builders import ladder, receivers, to
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import HEALTHY, runbook

from prunella.api.common import LocalRef
from prunella.api.escalation_policy import Notice
from prunella.api.healing_policy import Pause
from prunella.api.marks import IDEMPOTENT_ANNOTATION
from prunella.api.names import ApprovalVerdict, Mode, Outcome, StepState
from prunella.api.remediation import Remediation
from prunella.api.runbook import ApprovalTerms, RunbookStep, StepFailure, Verify

from .test_approvals import conditions, newest
from .test_midrun import MATCH, MORE, RESTART, SURE, done, halfway, say, sure
from .test_requests import AGAIN, asks, ground, only, restarts
from .test_requests import say as say_to_request

TELL = RunbookStep(name="tell", notify={"receiver": "ops", "message": "a restart is wanted"})


@pytest.mark.parametrize("expiry", ["Escalate", "Abort"])
@pytest.mark.parametrize("first", [(), (TELL,)], ids=["first of all", "after somebody was told"])
async def test_what_nobody_answers_is_not_begun_anew(first, expiry):
    """It changed nothing, and in Auto no plan was asked for; still what came before it would be done again and again."""
    place, _, operator = await halfway(*first, sure(timeoutSeconds=60, onExpiry=expiry), RESTART, seconds=1800)
    [one] = operator.remediations
    assert (conditions(one)["Approved"], one.status.started_time is not None) == (("False", "ApprovalExpired"), True)
    assert len([sent for sent in place.deliver.sent if sent.text.startswith("a restart is wanted")]) == len(first)
    assert operator.condition("RemediationAllowed") == ("False", "ApprovalExpired")
    await operator.close()


async def test_what_changes_again_and_again_before_anything_was_done_is_not_asked_anew_either():
    """People said yes three times, to three different things: an attempt like any other, though it changed nothing."""
    place, _, operator = await halfway(sure(minApprovals=2), RESTART)
    for number in range(4):
        say(operator, "ana")
        place.cluster.dry_run_diff = f"-image: new\n+image: {number}"
        await operator.run(40)
    await operator.run(1800)
    [one] = operator.remediations
    assert (one.status.outcome, one.status.started_time is not None, done(place)) == (Outcome.SUPERSEDED, True, [])
    assert operator.condition("RemediationAllowed") == ("False", "HumanOverride")
    await operator.close()


async def test_what_became_something_else_right_before_the_first_change_is_asked_anew():
    """Once: nothing was changed and nobody has said yes in vain three times. `approval.MOST_VOIDED` bounds it."""
    place, _, operator = await halfway(SURE, RESTART)

    def swap(when: str, verb: str, what: str) -> None:
        agreed = [one for one in newest(operator).status.steps if one.name == "sure"]
        if (when, verb, what.partition("/")[0]) == ("after", "update status", "Remediation") and agreed:
            place.cluster.dry_run_diff += "\n+image: evil"

    place.api.gate = swap
    for number in range(1, 4):
        say(operator, "ana")
        await operator.run(300)
        assert [one.status.outcome for one in operator.remediations[:number]] == [Outcome.SUPERSEDED] * number
        assert [one for one in operator.remediations if one.status.started_time is not None] == []
        assert operator.condition("RemediationAllowed") == ("False", "AwaitingApproval" if number < 3 else "HumanOverride")
    assert (len(operator.remediations), done(place)) == (3, [])
    await operator.close()


async def test_that_nobody_answered_before_anything_was_changed_is_no_ground_to_try_another_runbook():
    place = shop(
        runbook("ask", sure(timeoutSeconds=60), MORE, match=MATCH, next_ref=LocalRef(name="restart")),
        runbook("restart", RESTART, match=MATCH, priority=900),
    )
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(900)
    assert (done(place), [one.spec.runbook_ref.name for one in operator.remediations]) == ([], ["ask"])
    await operator.close()


async def test_who_waits_for_people_holds_no_place_and_takes_one_once_they_agreed():
    """One attempt at a time acts in a namespace."""
    choosy = SURE.model_copy(update={"when": "target.name == 'checkout'"})
    verify = Verify(stabilize_seconds=60, timeout_seconds=120, checks=(HEALTHY,))
    place, _, operator = await halfway(MORE, choosy, RESTART, verify=verify)
    cart = place.cluster.create("cart")
    await operator.run(30)
    place.cluster.set_image(cart, "shop/app:2")
    await operator.run(60)

    def of(name: str) -> Remediation:
        return next(one for one in place.api.all(Remediation) if one.spec.target_ref.name == name)

    assert (of("checkout").status.asking is not None, of("cart").status.phase) == (True, "Verifying")
    asked = of("checkout")
    word = {"by": "ana", "planHash": asked.status.asking.plan_hash, "verdict": "Approved"}
    place.api.apply(asked.model_copy(update={"spec": type(asked.spec).model_validate(asked.spec.wire() | {"approvals": [word]})}))
    await operator.run(30)
    assert (len(of("checkout").status.steps), conditions(of("checkout"))["RemediationAllowed"]) == (1, ("False", "ConcurrencyReached"))
    await operator.run(300)
    assert of("cart").status.ended_time is not None
    assert [step.name for step in of("checkout").status.steps] == ["more", "sure", "restart"]
    await operator.close()


async def test_a_condition_that_turns_while_people_are_asked_slips_past_nobody():
    step = SURE.model_copy(update={"when": "!target.idempotent"})
    place, workload, operator = await halfway(MORE, step, RESTART)
    workload.raw["metadata"].setdefault("annotations", {})[IDEMPOTENT_ANNOTATION] = "true"
    place.cluster._react(workload)
    await operator.run(120)
    assert (done(place), newest(operator).status.asking.step) == (["scale"], "sure")
    say(operator, "ana")
    await operator.run(20)
    assert (done(place), newest(operator).status.asking) == (["scale", "restart"], None)
    await operator.close()


@pytest.mark.parametrize("answered", [True, False])
async def test_the_deadline_of_the_plan_is_not_that_of_the_step(answered):
    """In Approve, and nothing was changed yet: the plan was approved, the step has its own time."""
    place, _, operator = await halfway(sure(timeoutSeconds=1200), RESTART, mode=Mode.APPROVE, approval=ApprovalTerms(expires_seconds=120))
    say(operator, "ana")
    await operator.run(600)
    one = newest(operator)
    assert (one.status.outcome, one.status.asking is not None) == (None, True)
    if answered:
        say(operator, "ana")
        await operator.run(20)
        assert done(place) == ["restart"]
    else:
        say(operator, "zoe", ApprovalVerdict.DENIED)
        await operator.run(20)
        assert (newest(operator).status.outcome, done(place)) == (Outcome.STOPPED, [])
    await operator.close()


async def test_however_many_are_to_be_told_twenty_are_and_the_list_takes_two_rounds():
    names = [f"team-{number}" for number in range(30)]
    place, _, operator = await ground(restarts(steps=(RunbookStep(name="sure", approve={}), AGAIN)), receivers=receivers(*names), mode=Mode.APPROVE)
    everybody = tuple(Notice(on=("Blocked",), notify=tuple(to(one) for one in names[at : at + 10])) for at in (0, 10, 20))
    place.api.apply(ladder(name="ops", namespace="prunella-system", notices=everybody))
    asks(place)
    await operator.run(60)
    say_to_request(operator, "ana")
    await operator.run(60)
    keys = [one.key for one in only(operator).status.messages]
    assert (len(keys), len([one for one in keys if one.startswith("1/approval.sure.1/")])) == (40, 20)
    assert Remediation.read(only(operator).wire()).status.messages, "what is stored is what the schema takes"
    await operator.close()


async def test_what_people_agreed_to_ends_with_the_measure_on_which_it_rests():
    brief = MORE.model_copy(update={"ttl_seconds": 300})
    place, workload, operator = await halfway(brief, SURE, RESTART)

    def pause(when: str, verb: str, what: str) -> None:
        agreed = [one for one in newest(operator).status.steps if one.name == "sure"]
        if (when, verb, what.partition("/")[0]) == ("after", "update status", "Remediation") and agreed:
            place.api.gate = lambda *_: None
            place.policy(pauses=(Pause(name="freeze", reason="Friday"),))

    place.api.gate = pause
    say(operator, "ana")
    await operator.run(400)
    assert (newest(operator).status.outcome, [one.name for one in newest(operator).status.steps]) == (None, ["more", "sure"])
    place.policy()
    await operator.run(30)
    one = newest(operator)
    assert (done(place).count("restart"), one.status.outcome, workload.raw["spec"]["replicas"]) == (0, Outcome.ABORTED, 3)
    assert "changed for a while" in one.status.message
    await operator.close()


@pytest.mark.parametrize(("frozen", "restarts"), [(590, 1), (700, 0)], ids=["in time", "too late"])
async def test_what_people_agreed_to_and_something_else_kept_from_beginning_is_not_done_by_an_old_word(frozen, restarts):
    """They said yes on Friday; the freeze is over on Monday."""
    place, _, operator = await halfway(sure(timeoutSeconds=60), RESTART)

    def pause(when: str, verb: str, what: str) -> None:
        agreed = [one for one in newest(operator).status.steps if one.name == "sure"]
        if (when, verb, what.partition("/")[0]) == ("after", "update status", "Remediation") and agreed:
            place.api.gate = lambda *_: None
            place.policy(pauses=(Pause(name="freeze", reason="Friday"),))

    place.api.gate = pause
    say(operator, "ana")
    await operator.run(frozen)
    place.policy()
    await operator.run(60)
    one = newest(operator)
    assert done(place).count("restart") == restarts
    if not restarts:
        assert (one.status.outcome, conditions(one)["Approved"]) == (Outcome.ABORTED, ("False", "ApprovalExpired"))
        assert "something else stood in the way" in one.status.message
    await operator.close()


async def test_what_is_told_first_hides_no_change_and_frees_none():
    place, _, operator = await halfway(MORE, SURE, TELL, RESTART)
    assert newest(operator).status.asking.diff == "step 'tell': notify\n-image: new\n+image: old"

    def swap(when: str, verb: str, what: str) -> None:
        told = [one for one in newest(operator).status.steps if one.name == "tell"]
        if (when, verb, what.partition("/")[0]) == ("after", "update status", "Remediation") and told:
            place.cluster.dry_run_diff = "-image: new\n+image: evil"

    place.api.gate = swap
    say(operator, "ana")
    await operator.run(60)
    assert (done(place), newest(operator).status.outcome) == (["scale"], Outcome.SUPERSEDED)
    assert place.cluster.hand_backs == 1, "whoever has the target now applies without a conflict with us"
    await operator.close()


async def test_what_is_told_first_is_told_once_and_the_change_follows():
    place, _, operator = await halfway(MORE, SURE, TELL, RESTART)
    say(operator, "ana")
    await operator.run(60)
    assert (done(place), [one.name for one in newest(operator).status.steps]) == (["scale", "restart"], ["more", "sure", "tell", "restart"])
    await operator.close()


@pytest.mark.parametrize("how", ["a step failed", "it did not heal"])
async def test_a_no_while_effects_are_taken_back_leaves_none_standing(how):
    """It ends nothing but what would still be done."""
    if how == "a step failed":
        odd = RunbookStep(name="odd", **{"assert": {"that": "target.ready > 100", "message": "it is odd"}}, on_failure=StepFailure(action="Undo"))
        book = runbook("restart", MORE, odd, match=MATCH)
    else:
        verify = Verify(stabilize_seconds=10, timeout_seconds=60, interval_seconds=10, undo_on_failure=True, checks=(HEALTHY,))
        book = runbook("restart", MORE, match=MATCH, verify=verify)
    place = shop(book)
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)

    def refuse(when: str, verb: str, what: str) -> None:
        if (when, verb, what.partition("/")[0]) != ("after", "update status", "Remediation") or not operator.remediations:
            return
        one = newest(operator)
        fails = one.status.ending is not None or any(step.state is StepState.FAILED for step in one.status.steps)
        if fails and not one.spec.approvals:
            say(operator, "ben", ApprovalVerdict.DENIED)

    place.api.gate = refuse
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(400)
    one = operator.remediations[0]
    assert (len(one.spec.approvals), workload.raw["spec"]["replicas"]) == (1, 3)
    assert [step.name for step in one.status.steps if step.name.startswith("undo/")] == ["undo/more"]
    assert one.status.outcome is (Outcome.INEFFECTIVE if how == "it did not heal" else Outcome.STOPPED)
    await operator.close()
