"""The step `approve`, end to end over fakes: a run stops in its middle; what remains is done once people agreed to exactly that, in time (R26)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.app.test_once_only import Reaper, lived
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook

from prunella.api.healing_policy import Pause
from prunella.api.incident import Hold
from prunella.api.names import ApprovalVerdict, Cause, MessageKind, Mode, Outcome, RemediationPhase, RemediationState, StepState
from prunella.api.remediation import Approval, Remediation
from prunella.api.runbook import Match, RunbookStep, StepFailure
from prunella.api.windows import Windows

from .test_approvals import conditions, newest
from .test_heals import rolled_out
from .test_requests import asks, ground, only, restarts

OPERATOR = "system:serviceaccount:prunella-system:prunella"
MORE = RunbookStep(name="more", scale={"by": 2, "most": 10})
SURE = RunbookStep(name="sure", approve={"timeoutSeconds": 1200})
RESTART = RunbookStep(name="restart", restart={})
MATCH = Match(causes=(Cause.CRASH_LOOP, Cause.ROLLOUT_CRASH_LOOP), dwell_seconds=10, min_restarts=2)


def sure(**fields: Any) -> RunbookStep:
    return RunbookStep(name="sure", approve={"timeoutSeconds": 1200} | fields)


async def halfway(*steps: RunbookStep, seconds: float = 60, mode: Mode = Mode.AUTO, **spec: Any) -> tuple[Place, Any, Operator]:
    """A run that scaled the target and asks before it restarts it."""
    made = runbook("restart", *(steps or (MORE, SURE, RESTART)), match=MATCH, **spec)
    return await rolled_out(made, seconds=seconds, mode=mode)


def say(operator: Operator, by: str, verdict: ApprovalVerdict = ApprovalVerdict.APPROVED, plan_hash: str | None = None, **more: Any) -> None:
    """A person appends a word to what the newest attempt asks now."""
    one = newest(operator)
    asked = plan_hash or (one.status.asking.plan_hash if one.status.asking else one.spec.plan_hash)
    word = Approval(by=by, plan_hash=asked, verdict=verdict, **more)
    operator.place.api.apply(one.model_copy(update={"spec": one.spec.model_copy(update={"approvals": (*one.spec.approvals, word)})}))


def done(place: Place) -> list[str]:
    return ["scale" if effect.guarded_path == "/spec/replicas" else "restart" for _, effect in place.cluster.effects]


async def test_the_run_stops_and_asks_and_does_nothing_more():
    place, _, operator = await halfway(seconds=600)
    one = newest(operator)
    asking = one.status.asking
    assert (done(place), one.status.phase, one.status.outcome) == (["scale"], RemediationPhase.DISPATCHED, None)
    assert (asking.step, asking.required, asking.diff) == ("sure", 1, "-image: new\n+image: old")
    assert asking.plan_hash != one.spec.plan_hash
    assert conditions(one) == {"RemediationAllowed": ("False", "AwaitingApproval"), "Approved": ("False", "AwaitingApproval")}
    assert "a person must approve what remains, restart (restart), until" in one.status.message
    assert "`kubectl prunella approve " + one.metadata.name + " -n shop`" in one.status.message
    await operator.close()


async def test_people_are_called_as_in_approve():
    place, _, operator = await halfway(seconds=600)
    assert operator.condition("RemediationAllowed") == ("False", "AwaitingApproval")
    assert operator.incident.status.remediation_state is RemediationState.AWAITING_APPROVAL
    assert operator.told().count("AwaitingApproval") == 1
    assert place.deliver.to(MessageKind.PAGE)[:1] == ["primary"], "paging goes on as long as nobody has it"
    [attempt] = operator.incident.status.remediations
    assert attempt.phase is RemediationPhase.DISPATCHED
    assert "Changed" in operator.told(), "what was done so far is told"
    await operator.close()


async def test_what_remains_is_done_once_a_person_agreed():
    place, _, operator = await halfway()
    say(operator, "ana")
    await operator.run(20)
    one = newest(operator)
    assert done(place) == ["scale", "restart"]
    assert [(step.name, step.state) for step in one.status.steps] == [(name, StepState.APPLIED) for name in ("more", "sure", "restart")]
    assert [step.intent.approved_by for step in one.status.steps if step.intent] == [(), ("ana",)]
    assert (one.status.asking, conditions(one)["Approved"]) == (None, ("True", "Approved"))
    assert one.status.steps[1].outcome.after["approvedBy"] == "ana"
    await operator.close()


async def test_the_incident_tells_each_thing_once():
    _, _, operator = await halfway()
    say(operator, "ana")
    await operator.run(60)
    story = [one for one in operator.told() if one not in {"Opened", "PriorityAssessed", "Escalated", "OwnerChanged"}]
    assert story[:5] == ["RemediationStarted", "Changed", "AwaitingApproval", "Approved", "Restarted"]
    await operator.close()


async def test_waiting_costs_no_writes():
    place, _, operator = await halfway()
    place.api.writes.clear()
    await operator.run(240)
    assert [one for one in place.api.writes if one.kind == "Remediation"] == []
    await operator.close()


@pytest.mark.parametrize(
    "words",
    [
        (("ana", {"plan_hash": "of the plan"}),),
        (("ana", {"plan_hash": "0123456789ab"}),),
        ((OPERATOR, {}),),
        (("system:serviceaccount:shop:robot", {}),),
    ],
    ids=["of the plan before the run", "of something else", "the requester", "a program"],
)
async def test_what_is_no_approval_of_what_remains_moves_nothing(words):
    """Whatever admission let through: it is counted again."""
    place, _, operator = await halfway()
    for by, more in words:
        before_it = more.get("plan_hash") == "of the plan"
        say(operator, by, **(more | ({"plan_hash": newest(operator).spec.plan_hash} if before_it else {})))
    await operator.run(300)
    assert (done(place), newest(operator).status.asking is not None) == (["scale"], True)
    await operator.close()


async def test_an_approval_of_the_whole_plan_is_none_of_what_remains():
    place, _, operator = await halfway(mode=Mode.APPROVE)
    assert done(place) == []
    say(operator, "ana")
    await operator.run(60)
    assert (done(place), newest(operator).status.asking is not None) == (["scale"], True)
    assert operator.told().count("AwaitingApproval") == 2, "people are asked a second time"
    say(operator, "ana")
    await operator.run(20)
    assert done(place) == ["scale", "restart"]
    await operator.close()


async def test_an_approval_of_one_step_is_none_of_a_later_one_or_of_the_next_attempt():
    again = RunbookStep(name="again", approve={})
    less = RunbookStep(name="less", scale={"by": -1, "most": 10})
    place, _, operator = await halfway(MORE, SURE, less, again, RESTART)
    first = newest(operator).status.asking.plan_hash
    say(operator, "ana")
    await operator.run(60)
    asking = newest(operator).status.asking
    assert (asking.step, asking.plan_hash != first, done(place)) == ("again", True, ["scale", "scale"])
    await operator.run(120)
    assert done(place) == ["scale", "scale"], "the word to the first one is still there, and counts for nothing"
    say(operator, "ana")
    await operator.run(20)
    assert done(place) == ["scale", "scale", "restart"]
    await operator.close()


async def test_two_of_a_group_or_named():
    place, _, operator = await halfway(MORE, sure(minApprovals=2, approvers={"users": ["ana"], "groups": ["leads"]}), RESTART)
    say(operator, "ben")
    say(operator, "zoe", groups=("others",))
    say(operator, "ana")
    await operator.run(60)
    assert done(place) == ["scale"]
    assert "2 people of ana, group leads must approve what remains, restart (restart), (ana did) until" in newest(operator).status.message
    say(operator, "eva", groups=("leads",))
    await operator.run(20)
    assert done(place) == ["scale", "restart"]
    assert newest(operator).status.steps[-1].intent.approved_by == ("ana", "eva")
    await operator.close()


async def test_a_no_ends_the_run_and_what_was_done_stays_where_the_runbook_says_no_more():
    place, workload, operator = await halfway()
    say(operator, "ben", ApprovalVerdict.DENIED, comment="a migration is running")
    await operator.run(60)
    one = newest(operator)
    assert (one.status.outcome, conditions(one)["Approved"], done(place)) == (Outcome.STOPPED, ("False", "Denied"), ["scale"])
    assert workload.raw["spec"]["replicas"] == 5
    await operator.close()


@pytest.mark.parametrize("how", ["denied", "expired"])
async def test_what_was_done_is_taken_back_where_a_failed_step_would_take_it_back(how):
    last = RESTART.model_copy(update={"on_failure": StepFailure(action="Undo")})
    _, workload, operator = await halfway(MORE, SURE, last)
    if how == "denied":
        say(operator, "ben", ApprovalVerdict.DENIED)
        await operator.run(60)
    else:
        await operator.run(1260)
    [one] = operator.remediations
    assert one.status.outcome is (Outcome.STOPPED if how == "denied" else Outcome.ABORTED)
    assert conditions(one)["Approved"] == ("False", "Denied" if how == "denied" else "ApprovalExpired")
    assert [step.name for step in one.status.steps] == ["more", "undo/more"]
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


@pytest.mark.parametrize(("expiry", "outcome", "pages"), [("Escalate", Outcome.ABORTED, True), ("Abort", Outcome.STOPPED, False)])
async def test_nobody_answers_in_time(expiry, outcome, pages):
    place, _, operator = await halfway(MORE, sure(timeoutSeconds=60, onExpiry=expiry), RESTART, seconds=20)
    deadline = newest(operator).status.asking.deadline_time
    await operator.run((deadline - place.clock.now()).total_seconds() - 1)
    before = operator.told().count("Escalated")
    assert newest(operator).status.outcome is None
    await operator.run(2)
    [one] = operator.remediations
    assert (one.status.outcome, conditions(one)["Approved"], done(place)) == (outcome, ("False", "ApprovalExpired"), ["scale"])
    assert (operator.told().count("Escalated") > before) is pages
    say(operator, "ana", plan_hash="0123456789ab")
    await operator.run(60)
    assert done(place) == ["scale"]
    await operator.close()


async def test_the_time_that_people_take_is_not_the_run_s():
    """A run ends 600 s after it began; one that asked goes on after that, and has what is left of its time."""
    place, _, operator = await halfway(MORE, sure(timeoutSeconds=3600), RESTART)
    await operator.run(2000)
    assert newest(operator).status.outcome is None
    say(operator, "ana")
    await operator.run(20)
    assert done(place) == ["scale", "restart"]
    await operator.close()


async def test_people_are_asked_no_longer_than_what_the_run_changed_for_a_while_stands():
    brief = MORE.model_copy(update={"ttl_seconds": 300})
    place, workload, operator = await halfway(brief, sure(timeoutSeconds=3600), RESTART)
    one = newest(operator)
    assert (one.status.asking.deadline_time - one.status.steps[0].intent.written_time).total_seconds() == 300
    await operator.run(300)
    assert (newest(operator).status.outcome, workload.raw["spec"]["replicas"]) == (Outcome.ABORTED, 3)
    assert "with what the run changed for a while" in newest(operator).status.message
    say(operator, "ana", plan_hash="0123456789ab")
    await operator.run(60)
    assert "restart" not in done(place)
    await operator.close()


async def test_what_was_said_is_void_once_the_next_step_would_change_something_else():
    place, _, operator = await halfway(MORE, sure(minApprovals=2), RESTART)
    first = newest(operator).status.asking
    say(operator, "ana")
    await operator.run(30)
    place.cluster.dry_run_diff = "-image: new\n+image: evil"
    say(operator, "zoe", plan_hash=first.plan_hash)
    await operator.run(60)
    second = newest(operator).status.asking
    assert (done(place), second.plan_hash != first.plan_hash, second.times) == (["scale"], True, 2)
    assert (second.deadline_time, second.diff) == (first.deadline_time, "-image: new\n+image: evil")
    assert "step 'sure' asks again: " in newest(operator).status.message
    assert "what was said before is void" in newest(operator).status.message
    say(operator, "ana")
    say(operator, "zoe")
    await operator.run(20)
    assert done(place) == ["scale", "restart"]
    await operator.close()


async def test_what_becomes_something_else_again_and_again_is_left_to_people():
    place, _, operator = await halfway(MORE, sure(minApprovals=2), RESTART)
    for number in range(4):
        say(operator, "ana")
        place.cluster.dry_run_diff = f"-image: new\n+image: {number}"
        await operator.run(40)
    assert (newest(operator).status.outcome, conditions(newest(operator))["Approved"]) == (Outcome.SUPERSEDED, ("False", "PlanChanged"))
    assert done(place) == ["scale"]
    await operator.close()


async def test_right_before_the_change_it_is_still_what_people_approved():
    place, _, operator = await halfway()

    def swap(when: str, verb: str, what: str) -> None:
        agreed = [one for one in newest(operator).status.steps if one.name == "sure"]
        if (when, verb, what.partition("/")[0]) == ("after", "update status", "Remediation") and agreed:
            place.cluster.dry_run_diff = "-image: new\n+image: evil"

    place.api.gate = swap
    say(operator, "ana")
    await operator.run(60)
    assert (done(place), newest(operator).status.outcome) == (["scale"], Outcome.SUPERSEDED)
    assert conditions(newest(operator))["Approved"] == ("False", "PlanChanged")
    await operator.close()


async def test_instants_in_the_diff_are_no_change():
    place, _, operator = await halfway()
    for seconds in range(5):
        place.cluster.dry_run_diff = f"+restartedAt: '2026-11-24T10:0{seconds}:00.000000Z'"
        await operator.run(35)
    assert newest(operator).status.asking.times == 1
    hashes = newest(operator).status.asking.plan_hash
    say(operator, "ana", plan_hash=hashes)
    await operator.run(20)
    assert done(place) == ["scale", "restart"]
    await operator.close()


@pytest.mark.parametrize("agreed", [True, False])
async def test_what_was_done_was_enough_and_the_rest_is_not_done(agreed):
    """Nothing is changed that shows no fault, and nobody is asked for it."""
    place, workload, operator = await halfway()
    place.cluster.bad.clear()
    place.cluster._react(workload)
    await operator.run(5)
    assert done(place) == ["scale"]
    if agreed:
        say(operator, "ana")
    await operator.run(900)
    [one] = operator.remediations
    assert (done(place), one.status.outcome, one.status.asking) == (["scale"], Outcome.REMEDIATED, None)
    assert operator.condition("Resolved")[0] == "True"
    await operator.close()


async def test_a_hold_ends_the_run_though_it_was_approved():
    place, _, operator = await halfway()
    incident = operator.incident
    hold = Hold(by="zoe", reason="I am at it")
    place.api.apply(incident.model_copy(update={"spec": incident.spec.model_copy(update={"hold": hold})}))
    say(operator, "ana")
    await operator.run(60)
    assert (newest(operator).status.outcome, done(place)) == (Outcome.SUPERSEDED, ["scale"])
    await operator.close()


async def test_a_pause_holds_what_was_approved_until_it_is_over():
    place, _, operator = await halfway()
    place.policy(pauses=(Pause(name="freeze", reason="Friday"),))
    say(operator, "ana")
    await operator.run(120)
    assert (done(place), newest(operator).status.outcome) == (["scale"], None)
    place.policy()
    await operator.run(60)
    assert done(place) == ["scale", "restart"]
    await operator.close()


async def test_the_deadline_passes_during_a_pause_too():
    place, _, operator = await halfway(MORE, sure(timeoutSeconds=300), RESTART)
    place.policy(pauses=(Pause(name="freeze", reason="Friday"),))
    await operator.run(400)
    assert (newest(operator).status.outcome, conditions(newest(operator))["Approved"]) == (Outcome.ABORTED, ("False", "ApprovalExpired"))
    await operator.close()


async def test_a_mode_that_is_lowered_meanwhile_asks_nobody_twice():
    place, _, operator = await halfway()
    place.policy(mode=Mode.APPROVE)
    say(operator, "ana")
    await operator.run(30)
    assert done(place) == ["scale", "restart"]
    await operator.close()


@pytest.mark.parametrize("what", ["a window", "a right"])
async def test_the_guards_are_asked_again_when_people_agreed(what):
    """A run that has begun is not held up by them; one for which people took their time is."""
    place, _, operator = await halfway()
    if what == "a window":
        everything = {"name": "night", "schedule": "0 0 * * *", "duration_seconds": 86_400, "time_zone": "UTC", "reason": "year end"}
        place.policy(windows=Windows.model_validate({"deny": [everything]}))
    else:
        place.cluster.forbidden.add(("patch", "deployments"))
    say(operator, "ana")
    await operator.run(60)
    assert (done(place), newest(operator).status.outcome) == (["scale"], None)
    reason = {"a window": "InWindow", "a right": "MissingPermission"}[what]
    assert conditions(newest(operator))["RemediationAllowed"] == ("False", reason)
    place.policy()
    place.cluster.forbidden.clear()
    await operator.run(60)
    assert done(place) == ["scale", "restart"]
    await operator.close()


async def test_first_of_all_steps_it_asks_before_anything_is_changed():
    place, _, operator = await halfway(SURE, RESTART)
    one = newest(operator)
    assert (done(place), one.status.phase, one.status.started_time) == ([], RemediationPhase.PENDING, None)
    say(operator, "ana")
    await operator.run(20)
    assert done(place) == ["restart"]
    await operator.close()


async def test_whoever_asked_for_the_run_is_none_of_those_who_approve():
    place, _, operator = await ground(restarts(steps=(SURE, RESTART)))
    asks(place, by="dana")
    await operator.run(30)
    assert only(operator).status.asking is not None
    say(operator, "dana")
    await operator.run(400)
    assert (done(place), only(operator).status.outcome) == ([], None), "and it waits for people as long as the step says"
    say(operator, "ana")
    await operator.run(20)
    assert done(place) == ["restart"]
    await operator.close()


async def test_a_process_that_starts_anew_asks_once_and_goes_on():
    place, _, operator = await halfway()
    asking = newest(operator).status.asking
    await operator.close()
    operator = Operator(place)
    await operator.run(60)
    assert newest(operator).status.asking == asking, "a restart gives nobody more time"
    assert operator.told().count("AwaitingApproval") == 1
    await operator.close()
    say(operator, "ana")  # while nobody runs
    operator = Operator(place)
    await operator.run(30)
    assert done(place) == ["scale", "restart"]
    await operator.close()


PLACES = 40
"""So many places there are from the fault to the end where the process can be killed; the next test holds it to that."""


async def approved_with(at: int | None) -> tuple[Place, Operator, Reaper]:
    place = shop(runbook("restart", MORE, SURE, RESTART, match=MATCH))
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    reaper = Reaper(place, at)
    operator = await lived(place, operator, 60)
    say(operator, "ana")
    operator = await lived(place, operator, 60)
    return place, operator, reaper


async def test_the_places_to_die_at_are_all_tried():
    _, operator, reaper = await approved_with(None)
    assert len(reaper.seen) <= PLACES, reaper.seen
    await operator.close()


@pytest.mark.parametrize("at", range(1, PLACES + 1))
async def test_a_process_that_dies_anywhere_does_each_thing_once(at):
    place, operator, reaper = await approved_with(at)
    intents = [intent for intent, _ in place.cluster.effects]
    assert len(intents) == len(set(intents)), reaper.seen
    assert done(place) == ["scale", "restart"], reaper.seen
    [one] = [one for one in place.api.all(Remediation) if one.status.steps]
    assert [step.name for step in one.status.steps] == ["more", "sure", "restart"]
    assert [step.intent.approved_by for step in one.status.steps if step.intent] == [(), ("ana",)]
    await operator.close()
