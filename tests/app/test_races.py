"""Somebody else is faster: writes that lose a race are read again and decided anew, and nothing is lost or done twice (V7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.api import LISTS
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import shipped

from prunella.api.incident import Incident
from prunella.api.incident_spec import Hold
from prunella.api.marks import RETRY_ANNOTATION
from prunella.api.names import Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.workload_record import WorkloadRecord
from prunella.app.errors import AlreadyExists, Conflict, PrunellaError, Retryable
from prunella.app.incidents.put import put_status
from prunella.app.keys import IncidentKey
from prunella.app.runs.once import Once
from prunella.app.runs.quarantine import Quarantine
from prunella.core.healing.runbooks.identity import OURSELVES


async def crashed(seconds: float = 12):
    """A moment before the effect is due."""
    place = shop(shipped())
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(seconds)
    return place, workload, operator


async def healed(place, operator):
    await operator.run(120)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_a_person_who_labels_the_attempt_meanwhile_loses_nothing_and_stops_nothing():
    place, _, operator = await crashed()

    def label(when: str, intent: str) -> None:
        if when == "after" and intent:
            [one] = place.api.all(Remediation)
            place.api.annotate("Remediation", "shop", one.metadata.name, seen="by-ana")

    place.cluster.gate = label
    await operator.run(5)
    [attempt] = operator.remediations
    assert attempt.status.phase is RemediationPhase.VERIFYING, "the outcome is stored all the same"
    assert attempt.metadata.annotations == {"seen": "by-ana"}
    await healed(place, operator)


async def test_a_decision_that_was_written_and_not_carried_out_is_made_again_although_its_event_was_our_own():
    place, _, operator = await crashed()
    [incident] = place.api.all(Incident)
    key = IncidentKey("shop", incident.metadata.name)
    operator.reconciler._versions.wrote(key, incident.metadata.resource_version)

    def fail(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("before", "create") and what.startswith("Remediation/"):
            place.api.gate = lambda *_: None
            raise Retryable("503", delay=60)

    place.api.gate = fail
    place.clock.advance(10)
    with pytest.raises(Retryable):
        await operator.reconciler.reconcile(key)
    assert not operator.reconciler.knows(key, incident.metadata.resource_version)
    assert operator.timers[key] <= place.clock.now(), "and it is looked at again at once, whoever asked for the decision"
    await healed(place, operator)


async def test_an_attempt_that_was_deleted_between_effect_and_outcome_is_not_made_up():
    place, _, operator = await crashed()

    def delete(when: str, intent: str) -> None:
        if when == "after" and intent:
            [one] = place.api.all(Remediation)
            place.api.delete("Remediation", "shop", one.metadata.name)

    place.cluster.gate = delete
    real = place.api.put_remediation_status

    async def conflicts(remediation):
        if place.api._get(Remediation, "shop", remediation.metadata.name) is None:
            raise Conflict("it is gone")
        return await real(remediation)

    place.api.put_remediation_status = conflicts  # type: ignore[method-assign] # as the API server answers for a uid that is gone
    await operator.run(60)
    assert len(place.cluster.effects) == 1
    assert any(isinstance(error, Conflict) for error in operator.retries)
    await operator.close()


@pytest.mark.parametrize("error", [Conflict("changed"), AlreadyExists("there")])
async def test_the_quarantine_outlives_a_race(error):
    place, _, operator = await crashed()
    failures = 2
    real = place.api.put_record

    async def raced(record):
        nonlocal failures
        if failures:
            failures -= 1
            raise error
        return await real(record)

    place.api.put_record = raced  # type: ignore[method-assign] # the fake's own
    await operator.run(10)
    assert failures == 0
    assert [one.hash for one in place.api.one(WorkloadRecord).spec.quarantined] == ["h2"]
    await healed(place, operator)


async def test_a_quarantine_that_is_always_raced_for_is_said_in_the_log_and_stops_nothing(caplog):
    place, _, operator = await crashed()

    async def raced(record):
        raise Conflict("changed")

    place.api.put_record = raced  # type: ignore[method-assign] # the fake's own
    await operator.run(10)
    assert "The quarantine could not be written" in caplog.text
    await healed(place, operator)


async def test_a_status_that_is_always_changed_meanwhile_is_tried_later():
    place, _, operator = await crashed(0.5)

    async def changed(incident):
        raise Conflict("changed")

    place.api.put_incident_status = changed  # type: ignore[method-assign] # the fake's own
    await operator.run(2)
    assert any(isinstance(error, Retryable) and "times meanwhile" in str(error) for error in operator.retries)
    await operator.close()


async def test_a_name_that_is_taken_is_looked_at_again_and_another_one_chosen():
    """The cache does not show the attempts of the Incident that was deleted: the create loses, and the next look knows more."""
    place, workload, operator = await crashed()
    await operator.run(60)
    [first] = operator.remediations
    place.api.delete("Incident", "shop", operator.incident.metadata.name)
    hidden = place.view.remediations
    place.view.remediations = list  # type: ignore[method-assign] # the cache lags
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(20)
    assert [one.metadata.name for one in operator.remediations] == [first.metadata.name]
    place.view.remediations = hidden  # type: ignore[method-assign] # it caught up
    await operator.run(60)
    assert [one.status.outcome for one in operator.remediations] == [Outcome.REMEDIATED, Outcome.REMEDIATED]
    assert operator.remediations[1].metadata.name.endswith("-2")
    await operator.close()


async def test_a_target_that_the_cache_lost_is_confirmed_by_a_live_read():
    place, workload, operator = await crashed(5)
    place.view.go_stale()
    place.view._workloads = {}
    await operator.reconciler.reconcile(IncidentKey("shop", operator.incident.metadata.name))
    assert operator.condition("Resolved")[0] == "False", "it is still there"
    place.cluster.remove(workload)
    await operator.reconciler.reconcile(IncidentKey("shop", operator.incident.metadata.name))
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_an_incident_that_is_gone_is_forgotten():
    place, _, operator = await crashed(5)
    key = IncidentKey("shop", operator.incident.metadata.name)
    assert key in operator.reconciler._mail
    place.api.delete("Incident", *key)
    await operator.reconciler.reconcile(key)
    assert key not in operator.reconciler._mail
    await operator.close()


async def test_without_an_intent_there_is_no_effect_and_nothing_to_recover():
    place, _, operator = await crashed()
    await operator.run(3)
    [attempt] = operator.remediations
    quarantine = Quarantine(place.api, place.view, place.clock)
    once = Once(place.api, place.cluster, place.cluster, quarantine, place.clock, place.telemetry, operator.tenure, "x")
    [step] = attempt.status.steps
    bare = step.model_copy(update={"intent": None})
    without = attempt.model_copy(update={"status": attempt.status.model_copy(update={"steps": (bare,)})})
    _, effect = place.cluster.effects[0]
    with pytest.raises(PrunellaError, match="an effect without an intent is never applied"):
        await once.apply(without, effect, shipped(), OURSELVES)
    with pytest.raises(PrunellaError, match="step rollback is Intended without an intent"):
        await once.recover(without, shipped(), bare)
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_a_workload_that_is_another_one_by_its_uid_is_not_acted_on():
    place, _, operator = await crashed()
    real = place.cluster.workload

    async def another(ref):
        facts = await real(ref)
        return replace(facts, workload=replace(facts.workload, uid="another"))

    def swap(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("after", "create") and what.startswith("Remediation/"):
            place.cluster.workload = another  # type: ignore[method-assign] # the fake's own

    place.api.gate = swap
    await operator.run(5)
    assert operator.remediations[0].status.outcome is Outcome.STALE
    assert place.cluster.effects == []
    await operator.close()


async def test_somebody_who_annotates_the_incident_during_every_decision_stops_nothing():
    """Decisions take longer than writes do: it would never be the first."""
    place, _, operator = await crashed()
    decisions, written = place.api.reads[LISTS], 0

    def annotate(when: str, verb: str, what: str) -> None:
        nonlocal decisions, written
        if (when, verb) == ("before", "update status") and what.startswith("Incident/") and place.api.reads[LISTS] != decisions:
            decisions, written = place.api.reads[LISTS], written + 1
            place.api.annotate("Incident", "shop", what.partition("/")[2], number=str(written))
            raise Conflict("somebody wrote first")

    place.api.gate = annotate
    await healed(place, operator)
    assert written > 1
    assert operator.incident.metadata.annotations["number"] == str(written)


def holds(decided: Incident) -> Incident:
    return decided.model_copy(update={"spec": decided.spec.model_copy(update={"hold": Hold(by="ana", reason="I look")})})


def asks_again(decided: Incident) -> Incident:
    return decided.model_copy(update={"metadata": decided.metadata.model_copy(update={"annotations": {RETRY_ANNOTATION: "1"}})})


@pytest.mark.parametrize("change", [holds, asks_again])
async def test_a_decision_is_not_stored_where_a_person_said_something_meanwhile(change):
    place, _, operator = await crashed()
    [decided] = place.api.all(Incident)
    said = place.api.apply(change(decided))
    with pytest.raises(Conflict):
        await put_status(place.api, decided, decided.status.model_copy(update={"summary": "decided before"}))
    assert place.api.one(Incident) == said
    await operator.close()


async def test_a_decision_is_not_stored_over_that_of_another_process():
    place, _, operator = await crashed()
    [decided] = place.api.all(Incident)
    other = await place.api.put_incident_status(decided.model_copy(update={"status": decided.status.model_copy(update={"summary": "theirs"})}))
    with pytest.raises(Conflict):
        await put_status(place.api, decided, decided.status.model_copy(update={"summary": "ours"}))
    assert place.api.one(Incident) == other
    await operator.close()
