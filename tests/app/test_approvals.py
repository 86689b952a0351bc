"""Mode Approve, end to end over fakes: people are asked, and nothing is changed before enough of them agreed to this very plan, in time (R26)."""

from __future__ import annotations

import pytest
from tests.app.test_once_only import Killed, Reaper, lived
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook, shipped

from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Acknowledgement, Hold, Incident
from prunella.api.names import ApprovalVerdict, Cause, MessageKind, Mode, Outcome, Phase, RemediationPhase, RemediationState
from prunella.api.remediation import Approval, Remediation
from prunella.api.runbook import ApprovalTerms, Match, RunbookStep
from prunella.core.healing.steps.restart import Restart

OPERATOR = "system:serviceaccount:prunella-system:prunella"


async def asking(*books, kind="Deployment", seconds=30.0, **policy) -> tuple[Place, object, Operator]:
    """A shop whose new version crashes, in Approve, when the plan is due and people were asked."""
    place = shop(*(books or (shipped(),)), **({"mode": Mode.APPROVE} | policy))
    workload = place.cluster.create(kind=kind)
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(seconds)
    return place, workload, operator


def newest(operator: Operator) -> Remediation:
    return operator.remediations[-1]


def say(operator: Operator, by: str, verdict=ApprovalVerdict.APPROVED, **changes) -> None:
    """A person appends a word to the newest attempt."""
    one = newest(operator)
    word = Approval(**({"by": by, "plan_hash": one.spec.plan_hash, "verdict": verdict} | changes))
    operator.place.api.apply(one.model_copy(update={"spec": one.spec.model_copy(update={"approvals": (*one.spec.approvals, word)})}))


def conditions(one: Remediation) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status.value, condition.reason) for condition in one.status.conditions}


async def test_one_attempt_asks_with_plan_and_diff_and_nothing_is_changed():
    place, workload, operator = await asking(seconds=600)
    [one] = operator.remediations
    assert (one.spec.mode, one.status.phase, one.status.started_time) == (Mode.APPROVE, RemediationPhase.PENDING, None)
    assert conditions(one) == {"RemediationAllowed": ("False", "AwaitingApproval"), "Approved": ("False", "AwaitingApproval")}
    assert (one.status.plan, one.status.diff) == ("roll back deploy/checkout 2 (h2) -> 1 (h1)", "-image: new\n+image: old")
    assert one.status.plan_hash == one.spec.plan_hash
    assert "`kubectl prunella approve " + one.metadata.name + " -n shop`" in one.status.message
    assert [verdict.name for verdict in one.status.guards if not verdict.allowed] == ["Approval"]
    assert (place.cluster.effects, place.cluster.hand_backs) == ([], 0)
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:2"
    await operator.close()


async def test_the_incident_says_so_once_and_whoever_was_called_before_is_told():
    place, _, operator = await asking(seconds=600)
    status = operator.incident.status
    assert operator.condition("RemediationAllowed") == ("False", "AwaitingApproval")
    assert status.remediation_state is RemediationState.AWAITING_APPROVAL
    assert status.remediation == "AwaitingApproval: roll back deploy/checkout 2 (h2) -> 1 (h1)"
    assert operator.told().count("AwaitingApproval") == 1
    assert "RemediationBlocked" not in operator.told()
    assert [event.reason for event in place.api.events].count("AwaitingApproval") == 1
    assert place.deliver.to(MessageKind.PAGE)[0] == "primary", "paging goes on as long as nobody has it"
    await operator.close()


async def test_who_was_paged_before_the_plan_was_ready_is_asked_by_a_notice():
    slow = runbook(mode=Mode.APPROVE, match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=200, min_restarts=1))
    _, _, operator = await asking(slow, seconds=400)
    notices = [one for one in operator.incident.status.escalation.messages if "/approval/" in one.key]
    assert [(one.receiver, one.kind) for one in notices] == [("primary", MessageKind.NOTICE)]
    assert "a person must approve it until" in notices[0].text
    await operator.close()


async def test_waiting_costs_no_writes():
    place, _, operator = await asking()
    place.api.writes.clear()
    await operator.run(240)
    assert [one for one in place.api.writes if one.kind == "Remediation"] == []
    await operator.close()


async def test_an_approved_plan_is_carried_out_once_and_proved():
    place, workload, operator = await asking()
    say(operator, "ana", comment="the flag is gone")
    await operator.run(120)
    [one] = operator.remediations
    assert (one.status.outcome, conditions(one)["Approved"]) == (Outcome.REMEDIATED, ("True", "Approved"))
    assert [step.intent.approved_by for step in one.status.steps if step.intent] == [("ana",)]
    assert len(place.cluster.effects) == 1
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    story = [what for what in operator.told() if what not in {"Opened", "PriorityAssessed", "Escalated"}]
    assert story == ["AwaitingApproval", "Approved", "RemediationStarted", "RolledBack", "Verified", "Resolved"]
    assert [value for name, value in place.telemetry.seen if name == "remediation_effect_delay_seconds"] == [], "people's time is no delay of ours"
    await operator.close()


@pytest.mark.parametrize(
    "words",
    [
        (("ana", {}), ("ana", {})),
        (("ana", {}), (OPERATOR, {})),
        (("ana", {}), ("system:serviceaccount:shop:robot", {})),
        (("ana", {}), ("ben", {"plan_hash": "other"})),
    ],
    ids=["the same person twice", "the requester", "a program", "another plan"],
)
async def test_two_approvals_are_two_people_who_saw_this_plan(words):
    """Whatever admission let through: it is counted again."""
    place, _, operator = await asking(runbook(mode=Mode.APPROVE, approval=ApprovalTerms(required=2)))
    one = newest(operator)
    said = tuple(Approval(**({"by": by, "plan_hash": one.spec.plan_hash, "verdict": "Approved"} | changes)) for by, changes in words)
    stored = one.model_copy(update={"spec": one.spec.model_copy(update={"approvals": said})})
    place.api.apply(stored)
    await operator.run(120)
    assert place.cluster.effects == []
    assert "2 people must approve it (ana did)" in newest(operator).status.message
    say(operator, "zoe")
    await operator.run(120)
    [step] = [step for step in newest(operator).status.steps if step.intent]
    assert (newest(operator).status.outcome, step.intent.approved_by) == (Outcome.REMEDIATED, ("ana", "zoe"))
    await operator.close()


async def test_a_no_ends_the_attempt_and_this_plan_is_not_proposed_again():
    place, _, operator = await asking()
    say(operator, "ben", ApprovalVerdict.DENIED, comment="the migration is running")
    say(operator, "ana")
    await operator.run(300)
    [one] = operator.remediations
    assert (one.status.phase, one.status.outcome) == (RemediationPhase.CANCELLED, Outcome.STOPPED)
    assert conditions(one) == {
        "RemediationAllowed": ("False", "HumanOverride"),
        "Approved": ("False", "Denied"),
        "Succeeded": ("False", "Stopped"),
    }
    assert one.status.message == "ben denied the plan: the migration is running"
    assert operator.condition("RemediationAllowed") == ("False", "HumanOverride")
    assert place.cluster.effects == []
    place.api.annotate("Incident", "shop", operator.incident.metadata.name, **{"prunella.dev/retry": "again"})
    await operator.run(60)
    assert len(operator.remediations) == 2, "a person asked to be asked again"
    await operator.close()


async def test_r26_an_approval_that_nobody_gives_expires_pages_once_and_does_nothing():
    place, _, operator = await asking(seconds=20)
    paged = len(place.deliver.to(MessageKind.PAGE))
    deadline = newest(operator).status.approval_deadline_time
    await operator.run((deadline - place.clock.now()).total_seconds() - 1)
    before = operator.told().count("Escalated")
    assert newest(operator).status.outcome is None
    await operator.run(2)
    [one] = operator.remediations
    assert (one.status.phase, one.status.outcome, one.status.started_time) == (RemediationPhase.FAILED, Outcome.ABORTED, None)
    assert (conditions(one)["Approved"], conditions(one)["RemediationAllowed"]) == (("False", "ApprovalExpired"), ("False", "ApprovalExpired"))
    assert operator.told().count("Escalated") == before + 1, "exactly one page"
    assert operator.told().count("ApprovalExpired") == 1
    assert operator.condition("RemediationAllowed") == ("False", "ApprovalExpired")
    assert len(place.deliver.to(MessageKind.PAGE)) > paged
    say(operator, "ana")
    await operator.run(120)
    assert (len(operator.remediations), place.cluster.effects) == (1, []), "an approval that comes late moves nothing"
    await operator.close()


async def test_who_has_the_incident_is_told_that_it_expired():
    place, _, operator = await asking(runbook(mode=Mode.APPROVE, approval=ApprovalTerms(expires_seconds=400)), seconds=200)
    assert place.deliver.to(MessageKind.PAGE) == ["primary"]
    incident = operator.incident
    place.api.apply(incident.model_copy(update={"spec": incident.spec.model_copy(update={"acknowledgement": Acknowledgement(by="ana")})}))
    await operator.run(400)
    [told] = [one for one in operator.incident.status.escalation.messages if "/approvalExpired/" in one.key]
    assert (told.receiver, told.kind) == ("primary", MessageKind.NOTICE)
    await operator.close()


async def test_an_approval_is_not_good_for_ever():
    """It was approved, something else stood in the way, and it expired meanwhile: the situation is another one now."""
    place, _, operator = await asking()
    place.policy(mode=Mode.APPROVE, pauses=({"name": "freeze", "reason": "year end"},))
    say(operator, "ana")
    await operator.run(60)
    assert conditions(newest(operator)) == {"RemediationAllowed": ("False", "Paused"), "Approved": ("True", "Approved")}
    await operator.run(1800)
    assert (newest(operator).status.outcome, conditions(newest(operator))["Approved"]) == (Outcome.ABORTED, ("False", "ApprovalExpired"))
    place.policy(mode=Mode.APPROVE)
    await operator.run(120)
    assert place.cluster.effects == []
    await operator.close()


async def test_r26_another_bad_version_voids_the_approval_and_a_new_attempt_asks():
    place, workload, operator = await asking()
    place.cluster.bad.add("shop/app:3")
    say(operator, "ana")  # it was said to the plan for version 2, and arrives with version 3
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(120)
    first, second = operator.remediations
    assert first.status.outcome is Outcome.SUPERSEDED
    assert conditions(first)["Approved"] == ("False", "PlanChanged")
    assert (second.spec.plan_hash != first.spec.plan_hash, second.spec.approvals) == (True, ())
    assert conditions(second)["Approved"] == ("False", "AwaitingApproval")
    assert place.cluster.effects == []
    await operator.close()


async def test_a_changed_runbook_voids_the_approval():
    place, _, operator = await asking(runbook(mode=Mode.APPROVE))
    place.api.apply(runbook(mode=Mode.APPROVE, title="Roll back, swapped"))
    say(operator, "ana")
    await operator.run(60)
    first, second = operator.remediations
    assert (first.status.outcome, conditions(first)["Approved"]) == (Outcome.SUPERSEDED, ("False", "PlanChanged"))
    assert conditions(second)["Approved"] == ("False", "AwaitingApproval")
    assert place.cluster.effects == []
    await operator.close()


async def test_what_the_dry_run_would_change_now_must_be_what_was_shown():
    place, _, operator = await asking()
    place.cluster.dry_run_diff = "-image: new\n+image: evil"
    place.clock.advance(61)  # what the dry run said before is too old to be believed
    say(operator, "ana")
    await operator.run(5)
    first = operator.remediations[0]
    assert (first.status.outcome, conditions(first)["Approved"]) == (Outcome.SUPERSEDED, ("False", "PlanChanged"))
    assert first.status.diff == "-image: new\n+image: old", "what people were shown stays on record"
    assert place.cluster.effects == []
    await operator.close()


async def test_a_plan_that_changes_under_the_people_again_and_again_is_left_to_them():
    place, _, operator = await asking()
    for number in range(6):
        place.cluster.dry_run_diff = f"-image: new\n+image: {number}"
        await operator.run(100)
    assert [one.status.outcome for one in operator.remediations] == [Outcome.SUPERSEDED] * 3
    assert operator.condition("RemediationAllowed") == ("False", "HumanOverride")
    await operator.close()


async def test_a_target_that_recovers_while_people_are_asked_is_left_alone():
    place, workload, operator = await asking()
    place.cluster.bad.discard("shop/app:2")
    place.cluster.set_image(workload, "shop/app:1")
    await operator.run(700)
    [one] = operator.remediations
    assert one.status.outcome in {Outcome.RECOVERED_ITSELF, Outcome.SUPERSEDED}
    assert conditions(one)["Approved"][0] == "False"
    assert (place.cluster.effects, operator.condition("Resolved")[0]) == ([], "True")
    await operator.close()


async def untold() -> tuple[Place, Operator]:
    """Approved while the container runs for a second once more, and the kubelet has cleaned up how it ended before."""
    place, _, operator = await asking(seconds=33)
    place.cluster.cleaned_up = True
    await operator.run(1.2)
    assert (newest(operator).status.phase, operator.incident.status.phase) == (RemediationPhase.PENDING, Phase.TRIGGERED), "and that is no news"
    say(operator, "ana")
    return place, operator


async def test_a_crash_whose_last_end_is_cleaned_up_for_a_moment_is_no_recovery():
    place, operator = await untold()
    await operator.run(0.5)
    assert len(place.cluster.effects) == 1, "what was seen of the pod a moment ago stands"
    place.cluster.cleaned_up = False
    await operator.run(120)
    assert [one.status.outcome for one in operator.remediations] == [Outcome.REMEDIATED]
    await operator.close()


async def test_who_has_not_seen_it_before_waits_until_the_pod_tells():
    place, before = await untold()
    await before.close()
    operator = Operator(place)
    await operator.run(0.4)
    assert (newest(operator).status.phase, place.cluster.effects) == (RemediationPhase.PENDING, [])
    place.cluster.cleaned_up = False
    await operator.run(120)
    assert [one.status.outcome for one in operator.remediations] == [Outcome.REMEDIATED]
    await operator.close()


async def test_after_the_approval_every_guard_is_asked_again():
    place, _, operator = await asking()
    incident = operator.incident
    hold = Hold(by="zoe", reason="I am at it")
    place.api.apply(incident.model_copy(update={"spec": incident.spec.model_copy(update={"hold": hold})}))
    say(operator, "ana")
    await operator.run(60)
    assert (newest(operator).status.outcome, place.cluster.effects) == (Outcome.SUPERSEDED, [])
    await operator.close()


async def test_an_approval_that_comes_before_the_plan_was_shown_waits_until_it_was():
    place, _, operator = await asking(seconds=0)

    def die(when: str, verb: str, what: str) -> None:
        if (when, verb, what.partition("/")[0]) == ("before", "update status", "Remediation"):
            raise Killed(what)

    place.api.gate = die
    with pytest.raises(Killed):
        await operator.run(60)
    await operator.close()
    say(operator, "ana")
    shown: list[str] = []
    place.api.gate = lambda when, verb, _: shown.append(newest(operator).status.diff) if (when, verb) == ("after", "update status") else None
    place.cluster.gate = lambda _when, _intent: shown.append("effect")
    operator = Operator(place)
    await operator.run(120)
    assert "-image: new\n+image: old" in shown[: shown.index("effect")]
    assert newest(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_the_mode_is_lowered_below_approve_and_an_approval_no_longer_helps():
    place, _, operator = await asking()
    place.policy(mode=Mode.SUGGEST)
    say(operator, "ana")
    await operator.run(60)
    assert (conditions(newest(operator))["RemediationAllowed"], place.cluster.effects) == (("False", "ModeSuggest"), [])
    place.policy(mode=Mode.APPROVE)
    await operator.run(120)
    assert newest(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_the_mode_is_raised_and_who_was_asked_is_still_needed_for_that_attempt():
    place, _, operator = await asking()
    place.policy(mode=Mode.AUTO)
    await operator.run(60)
    assert place.cluster.effects == [], "an attempt that asked acts on an answer only"
    say(operator, "ana")
    await operator.run(120)
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_an_attempt_of_auto_asks_where_the_mode_is_lowered_to_approve_before_it_acts():
    place = shop(shipped())
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(11)
    place.view.go_stale(workloads=False)
    place.policy(mode=Mode.APPROVE)
    await operator.run(60)
    one = newest(operator)
    assert (one.spec.mode, conditions(one)["Approved"], place.cluster.effects) == (Mode.AUTO, ("False", "AwaitingApproval"), [])
    place.view.catch_up()
    say(operator, "ana")
    await operator.run(120)
    assert newest(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_two_effects_of_a_statefulset_need_one_approval():
    _place, _workload, operator = await asking(kind="StatefulSet")
    say(operator, "ana")
    await operator.run(200)
    steps = [step for step in newest(operator).status.steps if step.intent]
    assert [step.intent.approved_by for step in steps] == [("ana",), ("ana",)]
    assert newest(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_instants_in_the_diff_are_no_change():
    match = Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=10, min_restarts=2)
    book = runbook("restart", RunbookStep(name="restart", restart=Restart()), match=match, mode=Mode.APPROVE)
    place, _, operator = await asking(book, seconds=0)
    place.cluster.dry_run_diff = "+restartedAt: '2026-11-24T10:00:00.000000Z'"
    await operator.run(60)
    assert "10:00:00" in newest(operator).status.diff
    place.cluster.dry_run_diff = "+restartedAt: '2026-11-24T10:05:00Z'"
    await operator.run(300)
    assert [one.status.outcome for one in operator.remediations] == [None]
    await operator.close()


async def test_a_process_that_starts_anew_between_any_two_moments_asks_once_and_goes_on():
    place, _, operator = await asking()
    deadline = newest(operator).status.approval_deadline_time
    await operator.close()
    operator = Operator(place)
    await operator.run(60)
    assert newest(operator).status.approval_deadline_time == deadline, "a restart gives nobody more time"
    assert operator.told().count("AwaitingApproval") == 1
    await operator.close()
    say(operator, "ana")  # while nobody runs
    operator = Operator(place)
    await operator.run(120)
    [one] = operator.remediations
    assert (one.status.outcome, len(place.cluster.effects)) == (Outcome.REMEDIATED, 1)
    await operator.close()


async def test_the_deadline_passes_while_nobody_runs():
    place, _, operator = await asking()
    await operator.close()
    say(operator, "ana")
    place.clock.advance(3600)
    operator = Operator(place)
    await operator.run(60)
    assert (operator.remediations[0].status.outcome, place.cluster.effects) == (Outcome.ABORTED, [])
    await operator.close()


PLACES = 16
"""So many places there are between the question and the effect where the process can be killed; the next test holds it to that."""


async def approved_with(at: int | None) -> tuple[Place, Operator, Reaper]:
    place = shop(shipped(), mode=Mode.APPROVE)
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    reaper = Reaper(place, at)
    operator = await lived(place, operator, 40)
    say(operator, "ana")
    operator = await lived(place, operator, 200)
    return place, operator, reaper


async def test_the_places_to_die_at_are_all_tried():
    _, operator, reaper = await approved_with(None)
    assert len(reaper.seen) <= 2 * PLACES, reaper.seen
    await operator.close()


@pytest.mark.parametrize("at", range(1, 2 * PLACES + 1))
async def test_a_process_that_dies_anywhere_asks_acts_once_and_heals(at):
    place, operator, reaper = await approved_with(at)
    intents = [intent for intent, _ in place.cluster.effects]
    assert len(intents) == len(set(intents)) == 1, reaper.seen
    [one] = operator.remediations
    assert (one.status.outcome, conditions(one)["Approved"]) == (Outcome.REMEDIATED, ("True", "Approved"))
    assert operator.told().count("AwaitingApproval") == 1
    await operator.close()


async def test_a_policy_that_cannot_be_read_is_no_permission():
    place, _, operator = await asking()
    place.api.policy_readable = False
    say(operator, "ana")
    await operator.run(60)
    assert place.cluster.effects == []
    assert place.api.one(HealingPolicy) is not None
    assert place.api.one(Incident).status.remediation_state is RemediationState.BLOCKED
    await operator.close()


async def test_what_people_approved_hands_field_ownership_back_as_well():
    place, _, operator = await asking()
    say(operator, "ana")
    await operator.run(120)
    assert newest(operator).status.outcome is Outcome.REMEDIATED
    assert place.cluster.hand_backs == 1
    await operator.close()


async def test_what_people_approved_to_be_told_is_told_once_and_asked_for_once():
    tells = RunbookStep(name="tell", notify={"receiver": "ops", "message": "${target.name}: ${incident.cause}"})
    place, _, operator = await asking(runbook(steps=(tells,), mode=Mode.APPROVE))
    say(operator, "ana")
    await operator.run(600)
    told = [one for one in place.deliver.sent if one.text.startswith("checkout: RolloutCrashLoop")]
    assert [one.receiver for one in told] == ["ops"]
    assert len(operator.remediations) == 1, "people are not asked again"
    assert operator.remediations[0].status.outcome is Outcome.SIMULATED
    await operator.close()
