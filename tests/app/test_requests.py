"""Runs that people ask for, end to end over fakes: taken on or refused, planned, approved, done, proved. A refusal writes nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.app.test_once_only import Killed
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook

from prunella.api.common import Metadata, ObjectRef
from prunella.api.healing_policy import Budget, Pause
from prunella.api.incident import Hold, Incident
from prunella.api.names import Cause, MessageKind, MessageState, Mode, Outcome, RemediationPhase
from prunella.api.remediation import Approval, Remediation, RemediationSpec, RunbookRef
from prunella.api.runbook import Limits, Match, Parameter, RunbookStep, SelfService
from prunella.api.self_service import ParameterType
from prunella.api.workload_record import WorkloadRecord
from prunella.core import commands
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.steps.restart import Restart

AGAIN = RunbookStep(name="again", restart=Restart())
WIDE = Limits(max_attempts=10, cooldown_seconds=0)


def restarts(**spec: Any) -> Any:
    """A Runbook that people may run, and that no fault begins."""
    never = Match(causes=(Cause.CRASH_LOOP,), when="false")
    return runbook("restart", *(spec.pop("steps", (AGAIN,))), **({"self_service": SelfService(), "limits": WIDE, "match": never} | spec))


def asks(place: Place, name: str = "again-please", *, by: str = "dana", book: str = "restart", target: ObjectRef | None = None, **spec: Any) -> None:
    """A person creates a Remediation, as admission lets it through."""
    made = RemediationSpec(
        target_ref=target or ObjectRef(api_version="apps/v1", kind="Deployment", name="checkout"),
        runbook_ref=RunbookRef(namespace="prunella-system", name=book),
        requested_by=by,
        **spec,
    )
    place.api.apply(Remediation(metadata=Metadata(name=name, namespace="shop"), spec=made))


async def ground(*books: Any, **policy: Any) -> tuple[Place, Any, Operator]:
    """A shop with a healthy workload."""
    place = shop(*(books or (restarts(),)), **policy)
    workload = place.cluster.create()
    operator = Operator(place)
    await operator.run(60)
    return place, workload, operator


def only(operator: Operator) -> Remediation:
    [one] = operator.remediations
    return one.with_pinned()


def refused(one: Remediation) -> tuple[str, str]:
    assert (one.status.phase, one.status.outcome, one.status.pinned) == (RemediationPhase.CANCELLED, Outcome.REFUSED, None)
    return next(condition.reason for condition in one.status.conditions if condition.type == "RemediationAllowed"), one.status.message


def say(operator: Operator, by: str, plan_hash: str | None = None, verdict: str = "Approved") -> None:
    one = operator.remediations[-1]
    word = Approval(by=by, plan_hash=plan_hash or commands.asked(one.with_pinned()), verdict=verdict)
    operator.place.api.apply(one.model_copy(update={"spec": one.spec.model_copy(update={"approvals": (*one.spec.approvals, word)})}))


async def test_a_run_is_planned_and_pinned_then_done_and_proved_and_no_incident_tells_of_it():
    place, workload, operator = await ground()
    asks(place)
    await operator.run(120)
    one = only(operator)
    assert (one.status.phase, one.status.outcome) == (RemediationPhase.SUCCEEDED, Outcome.REMEDIATED)
    assert one.status.pinned is not None
    assert (one.spec.plan_hash, one.spec.mode, one.spec.target_ref.uid) == (one.status.plan_hash, Mode.AUTO, workload.uid)
    assert [step.state for step in one.status.steps] == ["Applied"]
    assert len(place.cluster.effects) == 1
    assert {verdict.name for verdict in one.status.guards} >= {"Pause", "Window", "Storm", "Owner", "BlastRadius", "Rights"}
    assert place.api.all(Incident) == []
    assert place.deliver.sent == []
    await operator.close()


async def test_the_plan_is_pinned_before_the_first_intent_and_the_dry_run_was_made_before_that():
    place, _, operator = await ground()
    seen: list[tuple[bool, int, int]] = []

    def gate(when: str, verb: str, what: str) -> None:
        if when == "after" and verb == "update status" and what.startswith("Remediation/"):
            stored = place.api.one(Remediation)
            seen.append((stored.status.pinned is not None, len(stored.status.steps), place.cluster.dry_runs))

    place.api.gate = gate
    asks(place)
    await operator.run(60)
    assert seen[0] == (True, 0, 1)
    await operator.close()


@pytest.mark.parametrize(
    ("books", "asked", "reason", "says"),
    [
        ((restarts(self_service=None),), {}, "RunNotPermitted", "whoever owns it sets `spec.selfService`"),
        ((restarts(),), {"book": "restrat"}, "UnknownReference", "`spec.runbookRef`: there is no Runbook prunella-system/restrat"),
        (
            (restarts(),),
            {"target": ObjectRef(api_version="apps/v1", kind="Deployment", name="checkout", namespace="pay")},
            "RunNotPermitted",
            "`spec.targetRef.namespace`: a run is for a target of its own namespace, shop",
        ),
        ((restarts(),), {"target": ObjectRef(api_version="v1", kind="Secret", name="key")}, "RunNotPermitted", "not for a Secret of v1"),
        (
            (restarts(),),
            {"target": ObjectRef(api_version="apps/v1", kind="Deployment", name="chekout")},
            "TargetChanged",
            "`spec.targetRef`: there is no Deployment chekout in shop",
        ),
        ((restarts(),), {"parameters": {"force": "true"}}, "ParameterInvalid", "`spec.parameters.force`: the Runbook has no such parameter"),
    ],
    ids=["not for people", "no Runbook", "another namespace", "another kind", "no target", "a parameter that is none"],
)
async def test_what_is_not_permitted_is_refused_with_the_field_and_writes_nothing_else(books, asked, reason, says):
    place, _, operator = await ground(*books)
    place.api.writes.clear()
    asks(place, **asked)
    await operator.run(60)
    why, message = refused(only(operator))
    assert why == reason
    assert says in message
    assert (place.cluster.effects, place.cluster.dry_runs) == ([], 0)
    assert [(one.verb, one.kind) for one in place.api.writes if one.kind != "WorkloadRecord"] == [("update status", "Remediation")]
    await operator.close()


async def test_guards_are_asked_of_a_run_as_of_every_other_and_it_does_not_wait_for_their_yes():
    place, _, operator = await ground(pauses=(Pause(name="freeze", reason="Friday"),))
    asks(place)
    await operator.run(60)
    why, message = refused(only(operator))
    assert (why, "Friday" in message) == ("Paused", True)
    place.policy()
    await operator.run(600)
    assert place.cluster.effects == []
    await operator.close()


async def test_what_may_be_over_in_a_moment_is_said_once_and_waited_for():
    place, _, operator = await ground()
    place.lagging = True
    asks(place)
    await operator.run(60)
    one = only(operator)
    assert (one.status.phase, one.status.outcome, one.accepted) == (RemediationPhase.PENDING, None, False)
    assert [condition.reason for condition in one.status.conditions] == ["EvidenceMissing"]
    assert len([one for one in place.api.writes if one.kind == "Remediation"]) == 1
    place.lagging = False
    await operator.run(120)
    assert only(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_what_it_waits_for_now_is_told_though_the_reason_is_the_same():
    place, _, operator = await ground()
    place.lagging = True
    asks(place)
    await operator.run(20)
    first = only(operator).status.message
    place.cluster.workload = unreadable
    await operator.run(20)
    one = only(operator)
    assert (one.status.message, one.status.phase) == ("the target could not be read", RemediationPhase.PENDING)
    assert first != one.status.message
    assert len([one for one in place.api.writes if one.kind == "Remediation"]) == 2
    await operator.close()


async def unreadable(_: ObjectRef) -> UnknownT:
    return UNKNOWN


async def test_it_is_not_waited_for_ever():
    place, _, operator = await ground()
    place.lagging = True
    asks(place)
    await operator.run(600)
    place.lagging = False
    await operator.run(600)
    assert (refused(only(operator))[0], place.cluster.effects) == ("EvidenceMissing", [])
    await operator.close()


async def test_a_hold_on_an_incident_of_the_target_holds_runs_as_well():
    place, _, operator = await ground()
    ref = ObjectRef(api_version="apps/v1", kind="Deployment", name="checkout")
    spec = {"title": "slow", "target_ref": ref, "hold": Hold(by="ana", reason="I look at it")}
    place.api.apply(Incident.model_validate({"metadata": {"name": "slow", "namespace": "shop"}, "spec": spec}))
    await operator.run(5)
    asks(place)
    await operator.run(60)
    assert refused(only(operator)) == ("HumanOverride", "ana holds it: I look at it")
    await operator.close()


async def test_a_hold_on_an_incident_about_that_very_object_does_too():
    place, workload, operator = await ground()
    place.cluster.bad.add("shop/app:2")
    place.policy(mode=Mode.OBSERVE)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(60)
    incident = operator.incident
    assert incident.spec.target_ref.uid == workload.uid
    place.api.apply(incident.model_copy(update={"spec": incident.spec.model_copy(update={"hold": Hold(by="ana", reason="I look at it")})}))
    place.policy()
    asks(place)
    await operator.run(60)
    assert refused(only(operator))[0] == "HumanOverride"
    await operator.close()


@pytest.mark.parametrize(("mode", "outcome"), [(Mode.OBSERVE, Outcome.REFUSED), (Mode.SUGGEST, Outcome.SIMULATED)])
async def test_a_mode_that_does_not_act_does_not_act_for_people_either(mode, outcome):
    place, _, operator = await ground(mode=mode)
    asks(place)
    await operator.run(60)
    one = only(operator)
    assert (one.status.outcome, place.cluster.effects) == (outcome, [])
    assert "restart the pods of deploy/checkout" in one.status.message
    await operator.close()


async def test_in_approve_somebody_else_must_agree_to_the_pinned_plan():
    place, _, operator = await ground(mode=Mode.APPROVE)
    asks(place)
    await operator.run(30)
    one = only(operator)
    assert (one.status.phase, one.status.started_time) == (RemediationPhase.PENDING, None)
    assert one.status.approval_deadline_time is not None
    say(operator, "dana")
    await operator.run(60)
    assert place.cluster.effects == [], "whoever asked for it is none of those who approve"
    say(operator, "ben", plan_hash="0ld0ld")
    await operator.run(60)
    assert place.cluster.effects == [], "what was said to another plan counts for nothing"
    say(operator, "ana")
    await operator.run(120)
    [step] = only(operator).status.steps
    assert (only(operator).status.outcome, step.intent.approved_by) == (Outcome.REMEDIATED, ("ana",))
    await operator.close()


async def test_what_was_said_is_void_once_the_runbook_is_another_one():
    place, _, operator = await ground(mode=Mode.APPROVE)
    asks(place)
    await operator.run(30)
    place.api.apply(restarts(title="Something else"))
    say(operator, "ana")
    await operator.run(60)
    assert (only(operator).status.outcome, place.cluster.effects) == (Outcome.SUPERSEDED, [])
    await operator.close()


async def test_nobody_approves_in_time_and_it_ends():
    place, _, operator = await ground(mode=Mode.APPROVE)
    asks(place)
    await operator.run(2000)
    one = only(operator)
    assert (one.status.outcome, place.cluster.effects) == (Outcome.ABORTED, [])
    assert "0 of 1 approvals were there when it expired" in one.status.message
    await operator.close()


async def test_the_quota_is_counted_from_the_objects_and_a_new_process_does_not_refill_it():
    wide = {"per_target": Budget(count=100), "per_namespace": Budget(count=100), "per_cluster": Budget(count=100)}
    one_each = SelfService(per_requester=Budget(count=1), per_namespace=Budget(count=2))
    place, _, operator = await ground(restarts(self_service=one_each), budgets=wide)
    asks(place, "a")
    await operator.run(120)
    await operator.close()
    operator = Operator(place)
    await operator.run(5)
    for name, by in (("b", "dana"), ("c", "eve"), ("d", "finn")):
        asks(place, name, by=by)
        await operator.run(120)
    ends = {one.metadata.name: (one.status.outcome, one.status.message) for one in operator.remediations}
    assert [ends[name][0] for name in "abcd"] == [Outcome.REMEDIATED, Outcome.REFUSED, Outcome.REMEDIATED, Outcome.REFUSED]
    assert ends["b"][1].startswith("1 of 1 runs in 3600 s are spent of dana in shop; the next one is free at ")
    assert ends["d"][1].startswith("2 of 2 runs in 3600 s are spent in shop")
    assert len(place.cluster.effects) == 2
    await operator.close()


async def test_a_request_that_is_refused_neither_holds_the_target_nor_spends_anything():
    place, _, operator = await ground(restarts(self_service=SelfService(per_requester=Budget(count=1))))
    asks(place, "wrong", parameters={"x": "1"})
    await operator.run(5)
    asks(place, "right")
    await operator.run(120)
    assert {one.metadata.name: one.status.outcome for one in operator.remediations} == {"wrong": Outcome.REFUSED, "right": Outcome.REMEDIATED}
    await operator.close()


async def test_one_run_of_a_target_at_a_time():
    place, _, operator = await ground()
    asks(place, "a")
    asks(place, "b", by="eve")
    await operator.run(120)
    ends = {one.metadata.name: one for one in operator.remediations}
    assert ends["a"].status.outcome is Outcome.REMEDIATED
    assert refused(ends["b"])[0] == "DuplicateInProgress"
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_what_was_chosen_is_read_by_conditions_and_is_part_of_the_plan():
    depth = Parameter(name="depth", description="how deep", type=ParameterType.INTEGER, default="1", minimum=1, maximum=3)
    step = RunbookStep(name="again", restart=Restart(), when="parameters.depth > 1")
    place, _, operator = await ground(restarts(steps=(step,), parameters=(depth,)))
    asks(place, "deep", parameters={"depth": "2"})
    await operator.run(120)
    asks(place, "flat")
    await operator.run(120)
    asks(place, "wrong", parameters={"depth": "9"})
    await operator.run(30)
    ends = {one.metadata.name: one.with_pinned() for one in operator.remediations}
    assert [ends[name].status.outcome for name in ("deep", "flat", "wrong")] == [Outcome.REMEDIATED, Outcome.ABORTED, Outcome.REFUSED]
    assert "`spec.parameters.depth`: it must be at most 3" in ends["wrong"].status.message
    assert ends["deep"].spec.plan_hash != ends["flat"].spec.plan_hash
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_a_field_of_a_step_takes_what_was_chosen_and_the_step_s_own_bounds_hold():
    count = Parameter(name="replicas", description="how many", type=ParameterType.INTEGER)
    step = RunbookStep(name="more", scale={"to": "$(parameters.replicas)", "most": 9})
    place, workload, operator = await ground(restarts(steps=(step,), parameters=(count,)))
    asks(place, "more", parameters={"replicas": "5"})
    await operator.run(120)
    asks(place, "nobody", parameters={"replicas": "0"})
    await operator.run(30)
    ends = {one.metadata.name: one.with_pinned() for one in operator.remediations}
    assert "with replicas=5" in ends["more"].status.plan
    [(_, effect)] = place.cluster.effects
    assert {"op": "replace", "path": "/spec/replicas", "value": 5} in effect.operations
    assert ends["nobody"].status.outcome is Outcome.REFUSED
    assert ends["nobody"].status.message.startswith("`spec.parameters.replicas`: step 'more', scale.to: Input should be greater than or equal to 1")
    assert workload is not None
    await operator.close()


async def test_a_run_that_goes_wrong_is_reported_as_an_incident_once():
    place, workload, operator = await ground()
    place.cluster.bad.add(workload.template["spec"]["containers"][0]["image"])
    asks(place)
    await operator.run(900)
    assert only(operator).status.phase is RemediationPhase.FAILED
    [reported] = [one for one in place.api.all(Incident) if one.metadata.name.startswith("again-please-")]
    assert reported.spec.title.endswith("run again-please of restart, which dana asked for")
    assert [one.name for one in reported.spec.reporters] == ["dana"]
    place.api.delete("Incident", "shop", reported.metadata.name)
    await operator.run(900)
    assert [one for one in place.api.all(Incident) if one.metadata.name == reported.metadata.name] == [], "it is not reported for ever"
    await operator.close()


async def test_a_new_process_goes_on_with_a_run_and_does_nothing_twice():
    place, _, operator = await ground()
    asks(place)
    await operator.run(3)
    await operator.close()
    operator = Operator(place)
    await operator.run(120)
    assert (only(operator).status.outcome, len(place.cluster.effects)) == (Outcome.REMEDIATED, 1)
    await operator.close()


async def test_only_what_was_taken_on_stands_among_the_attempts():
    place, _, operator = await ground(pauses=(Pause(name="freeze", reason="Friday"),))
    asks(place, "refused")
    await operator.run(10)
    place.policy()
    asks(place, "taken-on")
    await operator.run(60)
    assert [one.metadata.name for one in place.view.remediations()] == ["taken-on"]
    assert {one.metadata.name for one in place.view.requests()} == {"refused", "taken-on"}
    await operator.close()


async def test_a_run_that_waits_for_approval_does_not_keep_automation_from_healing():
    place, workload, operator = await ground(restarts(mode=Mode.APPROVE), runbook())
    asks(place)
    await operator.run(30)
    assert only(operator).status.phase is RemediationPhase.PENDING
    place.cluster.bad.add("shop/app:2")
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(300)
    [healed] = [one for one in operator.remediations if not one.is_request]
    assert healed.status.outcome is Outcome.REMEDIATED
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_a_rollback_that_a_person_asks_for_needs_a_fault_and_leaves_the_bad_revision_in_quarantine():
    never = Match(causes=(Cause.CRASH_LOOP,), when="false")
    place, workload, operator = await ground(runbook("back", match=never, self_service=SelfService()))
    asks(place, "too-early", book="back")
    await operator.run(400)
    why, message = refused(only(operator))
    assert (why, "no revision of the target can be accused now" in message) == ("RolloutInProgress", True)
    place.cluster.bad.add("shop/app:2")
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(60)
    asks(place, "now", book="back")
    await operator.run(300)
    one = operator.remediations[0].with_pinned()
    assert (one.metadata.name, one.status.outcome, one.spec.accused_revision) == ("now", Outcome.REMEDIATED, "h2")
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    [quarantined] = place.api.one(WorkloadRecord).spec.quarantined
    assert (quarantined.hash, quarantined.incident) == ("h2", "now")
    await operator.close()


async def test_who_owns_the_target_is_told_once_that_a_run_waits_and_what_answers_it():
    place, _, operator = await ground(mode=Mode.APPROVE)
    asks(place)
    await operator.run(300)
    [one] = only(operator).status.messages
    assert (one.receiver, one.kind, one.state) == ("releases", MessageKind.NOTICE, MessageState.DELIVERED)
    assert one.text.startswith("deploy/checkout: dana asks for a run of restart: restart the pods of deploy/checkout: a person must approve it until")
    assert "`kubectl prunella approve again-please -n shop`" in one.text
    [sent] = place.deliver.sent
    assert sent.text == one.text, "there is no Incident whose story could be told"
    await operator.close()
    operator = Operator(place)
    await operator.run(300)
    assert len(place.deliver.sent) == 1, "a restart tells nobody again"
    assert place.api.all(Incident) == []
    await operator.close()


async def test_a_step_that_asks_is_told_as_well_and_what_asks_nobody_tells_nobody():
    sure = RunbookStep(name="sure", approve={})
    place, _, operator = await ground(restarts(steps=(sure, AGAIN)), mode=Mode.APPROVE)
    asks(place)
    await operator.run(30)
    say(operator, "ana")
    await operator.run(30)
    assert [one.key for one in only(operator).status.messages] == ["1/approval/releases", "1/approval.sure.1/releases"]
    assert len(place.deliver.sent) == 2
    await operator.close()


async def test_a_message_that_a_crash_kept_back_is_sent_by_the_next_process():
    place, _, operator = await ground(mode=Mode.APPROVE)

    def die(when: str, verb: str, what: str) -> None:
        stored = place.api.all(Remediation)
        if (when, verb) == ("after", "update status") and stored and stored[0].status.messages:
            raise Killed(what)

    place.api.gate = die
    asks(place)
    with pytest.raises(Killed):
        await operator.run(60)
    await operator.close()
    assert ([one.state for one in only(operator).status.messages], place.deliver.sent) == ([MessageState.PENDING], [])
    place.api.gate = lambda _when, _verb, _what: None
    operator = Operator(place)
    await operator.run(30)
    assert [one.state for one in only(operator).status.messages] == [MessageState.DELIVERED]
    assert len(place.deliver.sent) == 1
    await operator.close()
