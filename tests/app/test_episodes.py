"""Faults that follow one another on one target, over fakes and in virtual time: what is told of each is its own."""

from __future__ import annotations

from datetime import timedelta

from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import runbook, shipped

from prunella.api.common import Metadata
from prunella.api.incident import Incident, IncidentSpec
from prunella.api.names import Cause, Outcome
from prunella.api.runbook import Match
from prunella.core.story import story


async def healthy(*books, **policy):
    """A shop that has been well for half a minute, and every version but the first is bad."""
    place = shop(*(books or (shipped(),)), **policy)
    workload = place.cluster.create()
    place.cluster.bad |= {"shop/app:2", "shop/app:3"}
    operator = Operator(place)
    await operator.run(30)
    return place, workload, operator


def told(place, operator):
    return [(row.label, row.time, row.what) for row in story(operator.incident, operator.remediations, place.clock.now()).rows]


async def test_of_a_fault_that_comes_back_every_number_is_its_own_and_the_story_is_in_order():
    place, workload, operator = await healthy(cooldown_seconds=0)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(120)
    first = operator.incident.status
    assert first.times.mitigated_time == first.times.resolved_time
    place.cluster.logs = "FATAL: no such table"
    place.api.writes.clear()
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(5)
    assert (operator.incident.status.episode, operator.incident.status.ttr, operator.incident.status.remediation) == (2, None, None)
    await operator.run(115)
    second = operator.incident.status
    assert (second.episode, [one.status.outcome for one in operator.remediations]) == (2, [Outcome.REMEDIATED] * 2)
    assert second.durations == first.durations.model_copy(update={"resolve_seconds": 2 * first.durations.resolve_seconds}), "they went alike"
    assert (first.ttr, second.ttr) == ("12s", "24s")
    assert [one.resolved_time for one in second.episodes] == [first.times.resolved_time, second.times.resolved_time]
    assert [one.automation_started_time for one in second.episodes] == [one.status.started_time for one in operator.remediations]
    assert [one.text for one in second.evidence if one.name == "logs"] == ["FATAL: unknown flag --cache-size", "FATAL: no such table"]
    others = [one for one in place.api.writes if (one.verb, one.kind) != ("create", "WorkloadRecord")]
    assert len(others) + 1 <= 10, "the second heal costs no more than the first"
    rows = told(place, operator)
    labels = [label for label, _, _ in rows]
    assert labels.count("attempt") == 2
    assert labels.index("attempt") < labels.index("healthy") < labels.index("reopened") < labels.index("attempt", labels.index("reopened"))
    attempts = [time for label, time, _ in rows if label == "attempt"]
    assert [what for label, _, what in rows if label == "waited"] == ["roll-back-bad-rollout: 12s"]
    assert attempts == [one.status.started_time for one in operator.remediations]
    await operator.close()


async def test_a_fault_after_one_that_was_mended_by_hand_gets_evidence_and_a_dwell_of_its_own():
    """Within five minutes, so that it is the same episode."""
    match = Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=60, min_restarts=1)
    place, workload, operator = await healthy(runbook(match=match))
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(30)
    assert [one.text for one in operator.incident.status.evidence if one.name == "logs"] == ["FATAL: unknown flag --cache-size"]
    place.cluster.set_image(workload, "shop/app:1")
    await operator.run(60)
    assert operator.condition("RemediationAllowed") == ("False", "TargetHealthy")
    place.cluster.logs = "FATAL: no such table"
    again = place.clock.now()
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(150)
    status = operator.incident.status
    assert status.episode == 1
    assert [one.text for one in status.evidence if one.name == "logs"] == ["FATAL: unknown flag --cache-size", "FATAL: no such table"]
    assert again < status.plan.since_time < again + timedelta(seconds=10)
    assert [what for label, _, what in told(place, operator) if label == "waited"] == ["roll-back: 1m"]
    await operator.close()


async def test_a_report_with_a_long_name_is_healed_and_its_attempt_can_be_found_by_its_label():
    place, workload, operator = await healthy()
    name = "-".join(["checkout-answers-with-errors"] * 4)
    ref = place.view.workload("Deployment", "shop", "checkout").workload.ref
    place.api.apply(Incident(metadata=Metadata(name=name, namespace="shop"), spec=IncidentSpec(title="errors", target_ref=ref)))
    await operator.run(1)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(120)
    [attempt] = operator.remediations
    assert (attempt.spec.incident_ref.name, attempt.status.outcome) == (name, Outcome.REMEDIATED)
    label = attempt.metadata.labels["prunella.dev/incident"]
    assert (len(label), label.startswith("checkout-answers-with-errors-checkout-ans"), "_" in label) == (63, True, True)
    await operator.close()
