"""The once-only protocol, with the process killed at every write and every effect, and with answers that get lost (V1–V4, V8)."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook, shipped

from prunella.api.incident import Hold, Incident
from prunella.api.names import Cause, MessageKind, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Remediation
from prunella.api.runbook import Match, Runbook, RunbookStep
from prunella.api.workload_record import WorkloadRecord
from prunella.core.healing.effects.effect import Applied, Settled
from prunella.core.healing.steps.restart import Restart

KINDS = ("Deployment", "StatefulSet")


class Killed(Exception):
    """The process died here."""


class Reaper:
    """Counts the places where a process can die, and kills it at one of them."""

    def __init__(self, place: Place, at: int | None = None) -> None:
        self.at = at
        self.seen: list[str] = []
        place.api.gate = lambda when, verb, what: self._pass(f"{when} {verb} {what}")
        place.cluster.gate = lambda when, intent: self._pass(f"{when} {'effect ' + intent if intent else 'hand-back'}")

    def _pass(self, where: str) -> None:
        self.seen.append(where)
        if self.at is not None and len(self.seen) == self.at:
            self.at = None
            raise Killed(where)


async def broken(kind: str = "Deployment", **policy):
    """A shop whose workload has just got a version that crashes."""
    place = shop(shipped(), **policy)
    workload = place.cluster.create(kind=kind)
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    return place, workload, operator


async def lived(place: Place, operator: Operator, seconds: float) -> Operator:
    """Live on; each time the process dies, a new one starts a second later."""
    end = place.clock.now().timestamp() + seconds
    while place.clock.now().timestamp() < end:
        try:
            await operator.run(end - place.clock.now().timestamp())
        except Killed:
            await operator.close()
            place.clock.advance(1)
            operator = Operator(place)
    return operator


def boundaries(kind: str) -> int:
    """How many places there are where a heal can be killed; `test_the_places_to_die_at_are_all_tried` holds it to that."""
    return {"Deployment": 24, "StatefulSet": 30}[kind]


async def test_the_places_to_die_at_are_all_tried():
    for kind in KINDS:
        place, _, operator = await broken(kind)
        reaper = Reaper(place)
        await operator.run(120)
        await operator.close()
        assert len(reaper.seen) == boundaries(kind), reaper.seen


@pytest.mark.parametrize(("kind", "at"), [(kind, at) for kind in KINDS for at in range(1, boundaries(kind) + 1)])
async def test_r11_a_process_that_dies_anywhere_heals_once_or_pages(kind, at):
    place, workload, operator = await broken(kind)
    reaper = Reaper(place, at)
    operator = await lived(place, operator, 200)

    intents = [intent for intent, _ in place.cluster.effects]
    assert len(intents) == len(set(intents)), f"an intent's effect happened twice after {reaper.seen[at - 1]}"
    assert len(intents) == (1 if kind == "Deployment" else 2), "one template, and for a StatefulSet its one broken pod"
    [attempt] = operator.remediations
    assert (attempt.status.phase, attempt.status.outcome) == (RemediationPhase.SUCCEEDED, Outcome.REMEDIATED)
    assert {intent.id for intent in (step.intent for step in attempt.status.steps) if intent} == set(intents), "every effect is on record"
    assert operator.condition("Resolved") == ("True", "Verified")
    record = place.api.one(WorkloadRecord)
    assert [one.revision for one in record.spec.quarantined] == [2]
    assert workload.raw["metadata"]["managedFields"] == [], "field ownership was handed back"
    assert place.deliver.to(MessageKind.PAGE) == []
    await operator.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arrives", [False, True], ids=["never arrives", "answer lost"])
async def test_an_effect_without_an_answer_is_settled_by_looking(kind, arrives):
    place, _, operator = await broken(kind)
    if arrives:
        place.cluster.lost_after = 1
    else:
        place.cluster.lost_before = 1
    await operator.run(120)
    [attempt] = operator.remediations
    intents = [intent for intent, _ in place.cluster.effects]
    assert len(intents) == len(set(intents)) == (1 if kind == "Deployment" else 2)
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert attempt.spec.attempt == 1
    await operator.close()


async def test_a_request_that_arrives_after_it_was_given_up_counts_as_ours():
    """It was sent, did not arrive in time, was settled as not applied, and lands just before the second try."""
    place, workload, operator = await broken()
    place.cluster.lost_before = 1
    late = []

    def arrives(when: str, intent: str) -> None:
        if when == "before" and intent:
            late.append(intent)
            if len(late) == 2:
                place.cluster._patch(first[0], intent)

    first = []
    real = place.cluster.apply

    async def recording(effect, intent_id, acting):
        if intent_id and not first:
            first.append(effect)
        return await real(effect, intent_id, acting)

    place.cluster.apply = recording  # type: ignore[method-assign] # the fake's own: what went over the wire is kept
    place.cluster.gate = arrives
    await operator.run(120)
    [attempt] = operator.remediations
    assert len(set(late)) == 1, "the same intent"
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


def restart() -> Runbook:
    match = Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=10, min_restarts=2)
    return runbook("restart", RunbookStep(name="restart", restart=Restart()), match=match)


@pytest.mark.parametrize(
    ("kind", "healed_by", "number"),
    [("Deployment", shipped(), 0), ("Deployment", restart(), 0), ("StatefulSet", shipped(), 0), ("StatefulSet", shipped(), 1)],
    ids=["a rollback", "a restart", "a rollback of a StatefulSet", "the deletion of its broken pod"],
)
async def test_a_request_that_arrives_between_the_look_and_the_guards_is_ours_and_no_persons(kind, healed_by, number):
    """It was settled as not applied, and lands before the guards are asked again: they see what nobody but us has done."""
    place = shop(healed_by)
    workload = place.cluster.create(kind=kind)
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    sent = []
    real_apply, real_settle = place.cluster.apply, place.cluster.settle

    async def lost(effect, intent_id, acting):
        if intent_id:
            sent.append((effect, intent_id))
            place.cluster.lost_before = int(len(sent) == number + 1)
        return await real_apply(effect, intent_id, acting)

    async def lands_afterwards(*asked):
        answer = await real_settle(*asked)
        if answer is Settled.NOT_APPLIED:
            effect, intent_id = sent[number]
            place.cluster.bad.discard("shop/app:2")
            assert isinstance(place.cluster._do(effect, intent_id), Applied)
        return answer

    place.cluster.apply, place.cluster.settle = lost, lands_afterwards  # type: ignore[method-assign] # the fake's own: what went over the wire is kept
    await operator.run(120)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, attempt.status.message) == (Outcome.REMEDIATED, "healthy 3 of 3 times: healthy 3/3 available, 0 restarts")
    assert [(step.intent.id, step.state) for step in attempt.status.steps] == [(intent, StepState.APPLIED) for _, intent in sent]
    await operator.close()


async def intended(kind: str = "Deployment"):
    """A process that died after it had stored an intent, and before the effect."""
    place, workload, operator = await broken(kind)

    def die(when: str, intent: str) -> None:
        place.cluster.gate = lambda _when, _intent: None
        raise Killed(intent)

    place.cluster.gate = die
    with pytest.raises(Killed):
        await operator.run(60)
    await operator.close()
    [attempt] = place.api.all(Remediation)
    [step] = attempt.status.steps
    assert (attempt.status.phase, step.state, step.outcome) == (RemediationPhase.DISPATCHED, StepState.INTENDED, None)
    return place, workload, attempt


async def test_recovery_stamp_is_there_means_applied():
    place, workload, attempt = await intended()
    place.cluster.set_image(workload, "shop/app:1")
    workload.raw["metadata"]["annotations"]["prunella.dev/intent-id"] = attempt.status.steps[0].intent.id
    operator = Operator(place)
    await operator.run(60)
    [attempt] = operator.remediations
    assert place.cluster.effects == []
    assert attempt.status.steps[0].state is StepState.APPLIED
    assert attempt.status.steps[0].message == "deploy/checkout runs the template of revision 1 again; 2 is quarantined"
    assert attempt.status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_recovery_state_as_before_means_the_same_intent_runs():
    place, _, attempt = await intended()
    operator = Operator(place)
    await operator.run(60)
    assert [intent for intent, _ in place.cluster.effects] == [attempt.status.steps[0].intent.id]
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_recovery_state_changed_without_a_stamp_is_unknown_and_pages():
    place, workload, _ = await intended()
    place.cluster.set_image(workload, "shop/app:3")
    operator = Operator(place)
    await operator.run(90)
    [attempt] = operator.remediations
    assert place.cluster.effects == []
    assert attempt.status.phase is RemediationPhase.UNKNOWN
    assert attempt.status.message == "the target carries neither our stamp nor its state from before: somebody changed it meanwhile"
    assert place.deliver.to(MessageKind.PAGE)[:1] == ["primary"]
    assert "RemediationUnknown" in operator.told()
    assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    await operator.close()


async def test_an_unknown_attempt_holds_its_target_until_a_person_says_retry():
    place, workload, _ = await intended()
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    operator = Operator(place)
    await operator.run(600)
    assert place.cluster.effects == []
    assert len(operator.remediations) == 1

    place.api.annotate("Incident", "shop", operator.incident.metadata.name, **{"prunella.dev/retry": "ana-1"})
    await operator.run(120)
    first, second = operator.remediations
    assert (first.status.phase, first.status.outcome) == (RemediationPhase.CANCELLED, Outcome.STOPPED)
    assert second.status.outcome is Outcome.REMEDIATED
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_r39_an_unknown_attempt_that_a_person_ends_hands_back_what_it_may_have_claimed():
    place, workload, _ = await intended()
    place.cluster.set_image(workload, "shop/app:3")
    workload.raw["metadata"]["managedFields"].append({"manager": "prunella", "operation": "Update"})
    operator = Operator(place)
    await operator.run(20)
    assert operator.remediations[0].status.phase is RemediationPhase.UNKNOWN
    assert workload.raw["metadata"]["managedFields"] != [], "nobody has looked at it yet"
    place.api.annotate("Incident", "shop", operator.incident.metadata.name, **{"prunella.dev/retry": "ana-1"})
    await operator.run(20)
    assert [one.status.outcome for one in operator.remediations] == [Outcome.STOPPED]
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


@pytest.mark.parametrize(("late", "outcome"), [(59, Outcome.REMEDIATED), (61, Outcome.ABORTED)], ids=["before the deadline", "after it"])
async def test_recovery_never_starts_an_intent_after_its_deadline(late, outcome):
    place, _, _ = await intended()
    place.clock.advance(late)
    operator = Operator(place)
    await operator.run(60)
    first = operator.remediations[0]
    assert first.status.outcome is outcome
    if outcome is Outcome.ABORTED:
        assert place.cluster.effects == []
        assert first.status.message == "step rollback was not done before its deadline"
    await operator.close()


@pytest.mark.parametrize("again", [False, True], ids=["deleted", "made anew under the same name"])
async def test_recovery_of_a_target_that_is_gone_is_stale(again):
    place, workload, _ = await intended()
    place.cluster.remove(workload)
    if again:
        place.cluster.create()
    operator = Operator(place)
    await operator.run(60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.STALE
    assert attempt.status.message == "the target is gone or was made anew"
    assert place.cluster.effects == []
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_recovery_of_a_deleted_pod_counts_as_applied():
    place, _, operator = await broken("StatefulSet")
    gates = []

    def die(when: str, intent: str) -> None:
        gates.append((when, intent))
        if len(gates) == 4:  # after the second effect: the pod's deletion
            place.cluster.gate = lambda _when, _intent: None
            raise Killed(intent)

    place.cluster.gate = die
    with pytest.raises(Killed):
        await operator.run(60)
    await operator.close()
    operator = Operator(place)
    await operator.run(60)
    [attempt] = operator.remediations
    assert [step.state for step in attempt.status.steps] == [StepState.APPLIED, StepState.APPLIED]
    assert len(place.cluster.effects) == 2
    assert attempt.status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_an_intent_whose_target_cannot_be_read_for_ten_minutes_is_unknown_and_pages():
    place, _, _ = await intended()
    place.cluster.unreadable = True
    operator = Operator(place)
    await operator.run(500)
    [attempt] = operator.remediations
    assert attempt.status.phase is RemediationPhase.DISPATCHED
    await operator.run(200)
    [attempt] = operator.remediations
    assert attempt.status.phase is RemediationPhase.UNKNOWN
    assert attempt.status.message == "the target could not be read for 600 s: whether the effect happened can't be told"
    assert place.deliver.to(MessageKind.PAGE)
    await operator.close()


async def test_an_intent_that_cannot_be_stored_is_not_executed():
    place, _, operator = await broken()

    def die(when: str, verb: str, what: str) -> None:
        if when == "before" and what.startswith("Remediation/") and verb == "update status":
            raise Killed(what)

    place.api.gate = die
    with pytest.raises(Killed):
        await operator.run(60)
    assert place.cluster.effects == []
    await operator.close()


async def test_an_effect_that_is_refused_is_recorded_as_failed_and_pages():
    place, _, operator = await broken()
    asked = place.cluster.may

    async def yes(*args, **kwargs):
        await asked(*args, **kwargs)
        return True

    place.cluster.may = yes  # type: ignore[method-assign] # the fake's own: the review says yes although the effect is refused
    place.cluster.forbidden.add(("patch", "deployments"))
    await operator.run(60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message == "step rollback failed: Prunella may not patch deployments in shop"
    assert attempt.status.steps[0].state is StepState.FAILED
    assert place.cluster.effects == []
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    assert operator.condition("RemediationAllowed") == ("False", "RecentlyRemediated")
    await operator.close()


@pytest.mark.parametrize(
    ("change", "outcome", "message"),
    [
        ("edit", Outcome.SUPERSEDED, "checkout was changed by somebody else after it was judged"),
        ("delete", Outcome.STALE, "Deployment checkout is gone, or another object bears its name"),
        ("recreate", Outcome.STALE, "Deployment checkout is gone, or another object bears its name"),
    ],
)
async def test_what_happens_to_the_target_between_intent_and_effect_wins(change, outcome, message):
    place, workload, operator = await broken()

    def meanwhile(when: str, intent: str) -> None:
        place.cluster.gate = lambda _when, _intent: None
        if change == "edit":
            place.cluster.set_image(workload, "shop/app:3")
        else:
            place.cluster.remove(workload)
        if change == "recreate":
            place.cluster.create()

    place.cluster.gate = meanwhile
    await operator.run(60)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, attempt.status.message) == (outcome, message)
    assert place.cluster.effects == []
    await operator.close()


async def test_a_person_who_rolls_out_again_during_verification_wins():
    place, workload, operator = await broken()
    await operator.run(20)
    assert len(place.cluster.effects) == 1
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(200)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.SUPERSEDED
    assert attempt.status.message == "somebody changed the pod template during verification: theirs stands"
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:3"
    assert len(place.cluster.effects) == 1
    assert operator.told().count("RolledBack") == 1
    await operator.close()


async def test_exactly_the_replaced_template_coming_back_is_reverted_and_opens_the_breaker():
    place, workload, operator = await broken()
    await operator.run(20)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(100)
    [attempt] = operator.remediations
    assert (attempt.status.phase, attempt.status.outcome) == (RemediationPhase.FAILED, Outcome.REVERTED)
    assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    assert len(place.cluster.effects) == 1, "no second try"
    assert place.deliver.to(MessageKind.PAGE)
    await operator.close()


@pytest.mark.parametrize(("image", "outcome"), [("shop/app:3", Outcome.SUPERSEDED), ("shop/app:2", Outcome.REVERTED)])
async def test_a_foreign_template_is_recognised_after_a_restart_too(image, outcome):
    """The process died between the effect and its record, so that what the API server answered is not known."""
    place, workload, operator = await broken()

    def die(when: str, intent: str) -> None:
        if when == "after":
            place.cluster.gate = lambda _when, _intent: None
            raise Killed(intent)

    place.cluster.gate = die
    with pytest.raises(Killed):
        await operator.run(60)
    await operator.close()
    operator = Operator(place)
    await operator.run(1)
    assert operator.remediations[0].status.phase is RemediationPhase.VERIFYING
    place.cluster.set_image(workload, image)
    await operator.run(60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is outcome
    await operator.close()


@pytest.mark.parametrize(("again", "outcome"), [(False, Outcome.STALE), (True, Outcome.STALE)], ids=["deleted", "made anew under the same name"])
async def test_r33_a_target_that_is_deleted_during_a_run_ends_it_and_the_incident(again, outcome):
    place, workload, operator = await broken()
    await operator.run(20)
    place.cluster.remove(workload)
    if again:
        place.cluster.create()
    await operator.run(60)
    [attempt] = operator.remediations
    assert (attempt.status.phase, attempt.status.outcome) == (RemediationPhase.CANCELLED, outcome)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_a_person_who_takes_over_a_statefulset_between_its_two_effects_keeps_it():
    place, workload, operator = await broken("StatefulSet")
    real = place.cluster._react

    def slow(one):
        """The controller sees the old template late, so that the pod's turn comes late."""
        if one.template["spec"]["containers"][0]["image"] == "shop/app:1":
            one.lagging = True
        real(one)

    place.cluster._react = slow  # type: ignore[method-assign] # the fake's own controller, made slow
    await operator.run(14)
    assert len(place.cluster.effects) == 1
    workload.lagging = False
    place.cluster._react = real  # type: ignore[method-assign] # and quick again
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(60)
    assert len(place.cluster.effects) == 1, "their pod is left alone"
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.REVERTED  # what they put back is exactly what the run replaced
    await operator.close()


async def test_a_hold_between_two_effects_ends_the_run():
    place, workload, operator = await broken("StatefulSet")
    real = place.cluster._react

    def slow(one):
        if one.template["spec"]["containers"][0]["image"] == "shop/app:1":
            one.lagging = True
        real(one)

    place.cluster._react = slow  # type: ignore[method-assign] # the fake's own controller, made slow
    await operator.run(14)
    incident = operator.incident
    held = incident.spec.model_copy(update={"hold": Hold(by="ana", reason="I am at it")})
    place.api.apply(incident.model_copy(update={"spec": held}))
    workload.lagging = False
    place.cluster._react = real  # type: ignore[method-assign] # and quick again
    real(workload)
    await operator.run(60)
    [attempt] = operator.remediations
    assert len(place.cluster.effects) == 1
    assert (attempt.status.outcome, attempt.status.message) == (Outcome.SUPERSEDED, "ana holds it: I am at it")
    await operator.close()


@pytest.mark.parametrize(
    ("happened", "state"),
    [("nothing", None), ("it arrived", StepState.APPLIED), ("somebody changed it", StepState.UNKNOWN)],
)
async def test_the_attempt_of_an_incident_that_was_deleted_is_settled_before_it_ends(happened, state):
    place, workload, attempt = await intended()
    [incident] = place.api.all(Incident)
    place.api.delete("Incident", "shop", incident.metadata.name)
    if happened == "it arrived":
        workload.raw["metadata"]["annotations"]["prunella.dev/intent-id"] = attempt.status.steps[0].intent.id
        workload.raw["metadata"]["managedFields"].append({"manager": "prunella", "operation": "Update"})
    if happened == "somebody changed it":
        place.cluster.set_image(workload, "shop/app:3")
    operator = Operator(place)
    await operator.run(1)
    old = place.api.objects["Remediation", "shop", attempt.metadata.name]
    assert isinstance(old, Remediation)
    assert place.cluster.effects == []
    assert [step.state for step in old.status.steps] == ([state] if state else [])
    if state is StepState.UNKNOWN:
        assert old.status.phase is RemediationPhase.UNKNOWN
    else:
        assert (old.status.phase, old.status.outcome) == (RemediationPhase.CANCELLED, Outcome.STOPPED)
        assert old.status.message == "its Incident was deleted: whether it helped was not looked at"
        assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


@pytest.mark.parametrize("again", [False, True], ids=["deleted", "its name is borne by the next one"])
async def test_the_attempt_of_a_deleted_incident_whose_target_cannot_be_read_is_looked_at_until_it_can_be(again):
    place, workload, attempt = await intended()
    [incident] = place.api.all(Incident)
    place.cluster.unreadable = True
    operator = Operator(place)
    await operator.run(1)
    place.api.delete("Incident", "shop", incident.metadata.name)
    if again:
        place.api.apply(incident.model_copy(update={"metadata": incident.metadata.model_copy(update={"uid": "the-next-one"})}))
    await operator.run(30)
    old = place.api.objects["Remediation", "shop", attempt.metadata.name]
    assert (old.status.phase, [step.state for step in old.status.steps]) == (RemediationPhase.DISPATCHED, [StepState.INTENDED])
    place.cluster.unreadable = False
    workload.raw["metadata"]["annotations"]["prunella.dev/intent-id"] = attempt.status.steps[0].intent.id
    await operator.run(3)
    old = place.api.objects["Remediation", "shop", attempt.metadata.name]
    assert (old.status.phase, old.status.outcome) == (RemediationPhase.CANCELLED, Outcome.STOPPED)
    assert old.status.message == "its Incident was deleted: whether it helped was not looked at"
    assert [step.state for step in old.status.steps] == [StepState.APPLIED]
    await operator.close()


async def test_the_next_incident_of_a_target_whose_attempt_cannot_be_known_says_so():
    place, workload, _ = await intended()
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    operator = Operator(place)
    await operator.run(1)
    place.api.delete("Incident", "shop", operator.incident.metadata.name)
    place.cluster.touch(workload)
    await operator.run(60)
    assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    assert len(operator.remediations) == 1
    await operator.close()


async def test_a_runbook_that_is_changed_during_a_run_ends_it_after_what_was_begun_is_settled():
    place, workload, attempt = await intended()
    runbook = shipped()
    place.api.apply(runbook.model_copy(update={"spec": runbook.spec.model_copy(update={"title": "Another one"})}))
    workload.raw["metadata"]["annotations"]["prunella.dev/intent-id"] = attempt.status.steps[0].intent.id
    workload.raw["metadata"]["managedFields"].append({"manager": "prunella", "operation": "Update"})
    operator = Operator(place)
    await operator.run(1)
    ended = operator.remediations[0]
    assert ended.status.outcome is Outcome.ABORTED
    assert ended.status.message == "Runbook roll-back-bad-rollout is gone or was changed during the run"
    assert [step.state for step in ended.status.steps] == [StepState.APPLIED]
    assert workload.raw["metadata"]["managedFields"] == []
    assert place.cluster.effects == []
    await operator.close()


async def test_a_remediation_of_an_incident_that_was_deleted_keeps_its_name_and_blocks_nobody():
    place, workload, operator = await broken()
    await operator.run(60)
    [incident] = place.api.all(Incident)
    place.api.delete("Incident", "shop", incident.metadata.name)
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(60)
    assert [one.metadata.name for one in operator.remediations] == [f"{incident.metadata.name}-1", f"{incident.metadata.name}-2"]
    assert [one.status.outcome for one in operator.remediations] == [Outcome.REMEDIATED, Outcome.REMEDIATED]
    await operator.close()
