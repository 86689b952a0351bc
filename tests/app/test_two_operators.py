"""Two processes that both believe that they lead: what they do to each other is harmless, by the once-only protocol and not by the Lease (V10)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import shipped
from tests.fakes.tenure import Sole

from prunella.api.names import Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.app.errors import Conflict, Retryable
from prunella.app.keys import IncidentKey
from prunella.core.healing.effects.effect import NotApplied
from prunella.core.healing.runbooks.identity import OURSELVES


async def about_to_act(kind: str = "Deployment"):
    """An attempt was just created, and nothing of it is done. The first process has it; the second one is as sure of itself."""
    place = shop(shipped())
    workload = place.cluster.create(kind=kind)
    place.cluster.bad.add("shop/app:2")
    first = Operator(place, Sole(epoch=1))
    await first.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await first.run(12)
    second = Operator(place, Sole(epoch=2))
    key = IncidentKey("shop", first.incident.metadata.name)
    return place, workload, first, second, key


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_the_loser_does_not_take_the_winners_change_for_a_persons(kind):
    place, _, first, second, key = await about_to_act(kind)
    real = place.cluster.workload
    beaten = [0]

    async def meanwhile(ref):
        """The first one has read the attempt, and reads its target: just before, the second one does it all."""
        if place.api.all(Remediation) and not beaten[0]:
            beaten[0] += 1
            await second.reconciler.reconcile(key)
            assert place.cluster.effects != []
        return await real(ref)

    place.cluster.workload = meanwhile  # type: ignore[method-assign] # the fake's own
    await first.run(2)
    assert beaten == [1]
    assert [str(error) for error in first.retries] == [
        f"{first.remediations[0].metadata.name} was carried out meanwhile, and by no person: it is read again"
    ]
    [attempt] = first.remediations
    assert attempt.status.outcome is None, attempt.status.message
    assert attempt.status.phase in {RemediationPhase.DISPATCHED, RemediationPhase.VERIFYING}
    await first.close()
    await second.run(120)
    [attempt] = second.remediations
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert len({intent for intent, _ in place.cluster.effects}) == len(place.cluster.effects)
    await second.close()


async def test_a_persons_newer_revision_still_is_a_persons():
    """The twin: what bears no intent of this attempt ends it."""
    place, workload, first, second, _ = await about_to_act()
    real = place.cluster.workload

    async def meanwhile(ref):
        if place.api.all(Remediation) and workload.template["spec"]["containers"][0]["image"] != "shop/app:3":
            workload.raw["metadata"]["annotations"]["prunella.dev/intent-id"] = "of-an-earlier-attempt"
            place.cluster.set_image(workload, "shop/app:3")
        return await real(ref)

    place.cluster.workload = meanwhile  # type: ignore[method-assign] # the fake's own
    await first.run(5)
    [attempt] = first.remediations
    assert attempt.status.outcome is Outcome.SUPERSEDED
    assert "somebody was faster" in attempt.status.message
    assert place.cluster.effects == []
    await first.close()
    await second.close()


async def test_a_verdict_on_an_attempt_that_another_process_changed_meanwhile_is_not_stored():
    """What was concluded from the older state may be wrong: it is read again and decided anew."""
    place, _, first, second, _ = await about_to_act()
    await first.run(2)
    [attempt] = first.remediations
    theirs = attempt.status.model_copy(update={"phase": RemediationPhase.VERIFYING, "message": "the other process wrote this"})
    runner = first.reconciler._runner
    [old] = await place.api.remediations_of(first.incident)
    runner._once.know(old)
    await place.api.put_remediation_status(old.model_copy(update={"status": theirs}))
    with pytest.raises(Conflict):
        await runner._once.end(old, Outcome.SUPERSEDED, "somebody was faster", reason="HumanOverride")
    [attempt] = first.remediations
    assert attempt.status.message == "the other process wrote this"
    await first.close()
    await second.close()


async def test_an_attempt_that_a_later_leader_has_is_left_to_it():
    place, _, first, second, _ = await about_to_act()

    def taken(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("after", "create") and what.startswith("Remediation/"):
            [one] = place.api.all(Remediation)
            later = one.status.model_copy(update={"epoch": 9, "phase": RemediationPhase.PENDING})
            changed = one.metadata.model_copy(update={"resource_version": "999999"})
            place.api.objects["Remediation", "shop", one.metadata.name] = one.model_copy(update={"status": later, "metadata": changed})

    place.api.gate = taken
    await first.run(20)
    assert place.cluster.effects == []
    assert any(isinstance(error, Retryable) and "a later leader has this attempt" in str(error) for error in first.retries)
    await first.close()
    await second.close()


async def test_every_write_of_an_attempt_bears_the_term_of_its_writer():
    _, _, first, second, _ = await about_to_act()
    await first.run(1)
    [attempt] = first.remediations
    assert (attempt.status.epoch, [step.intent.epoch for step in attempt.status.steps]) == (1, [1])
    await first.close()
    await second.run(120)
    [attempt] = second.remediations
    assert (attempt.status.outcome, attempt.status.epoch) == (Outcome.REMEDIATED, 2)
    assert [step.intent.epoch for step in attempt.status.steps] == [1]
    await second.close()


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_both_act_at_once_and_the_effect_happens_once(kind):
    """Election off: every pass of the one is crossed by a pass of the other, at every write."""
    place, _, first, second, key = await about_to_act(kind)
    crossing = [False]

    async def cross() -> None:
        if not crossing[0]:
            crossing[0] = True
            try:
                await second.reconciler.reconcile(key)
            except (Conflict, Retryable):
                pass
            finally:
                crossing[0] = False

    real = place.api.put_remediation_status

    async def crossed(remediation):
        await cross()
        return await real(remediation)

    place.api.put_remediation_status = crossed  # type: ignore[method-assign] # the fake's own
    await first.run(150)
    intents = [intent for intent, _ in place.cluster.effects]
    assert len(intents) == len(set(intents)) == (1 if kind == "Deployment" else 2)
    assert [one.status.outcome for one in first.remediations] == [Outcome.REMEDIATED]
    await first.close()
    await second.close()


async def test_without_the_precondition_the_same_crossing_would_hit_twice():
    """The twin: the request itself is what makes the second one harmless."""
    place, _, first, second, _ = await about_to_act()
    await second.run(1)
    [(intent, effect)] = place.cluster.effects
    again = await place.cluster.apply(effect, intent, OURSELVES)
    assert isinstance(again, NotApplied)
    blind = replace(effect, operations=tuple(one for one in effect.operations if one["op"] != "test"))
    assert not isinstance(await place.cluster.apply(blind, intent, OURSELVES), NotApplied)
    assert len(place.cluster.effects) == 2
    await first.close()
    await second.close()
