"""Objects that are no workloads: each fault is one Incident about the object, with evidence and a page, which ends when the fault is over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.thing_builders import (
    api_service,
    autoscaler,
    budget,
    certificate,
    claim,
    complaint,
    cron_job,
    failed_job,
    failed_pod,
    job,
    lost_node,
    node,
    quota,
    refusal,
    run,
    said,
    service,
    space,
)
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped
from tests.fakes.tenure import Sole

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident
from prunella.api.names import Cause, Phase, Priority
from prunella.core.facts import UNKNOWN, NamespaceFacts
from prunella.core.world import NOT_A_WORKLOAD


def fails(place: Place, name: str = "migrate", **changes):
    """A Job that has failed by now."""
    made = failed_job(name, **({"failed_time": place.clock.now(), "pods": (failed_pod(f"{name}-x1"),)} | changes))
    place.cluster.put(made)
    return made


def alert(name: str, **labels: str):
    return {
        "status": "firing",
        "labels": {"alertname": name, "severity": "warning", "namespace": "shop", **labels},
        "annotations": {"summary": "it failed"},
        "startsAt": "2026-11-24T11:00:00Z",
    }


async def test_a_failed_job_opens_one_incident_beside_it_with_evidence_and_a_page():
    place = shop(shipped())
    operator = Operator(place)
    made = fails(place)
    await operator.run(120)
    incident = operator.incident
    assert incident.metadata.namespace == "shop"
    assert incident.spec.target_ref == made.ref
    assert incident.spec.title.startswith("migrate: the Job failed (BackoffLimitExceeded")
    assert (incident.status.cause, incident.status.target, incident.status.priority) == (Cause.JOB_FAILED, "job/migrate", Priority.P3)
    assert "nothing that serves is lost" in (incident.status.priority_reason or "")
    assert {one.name: one.pod for one in incident.status.evidence} == {"logs": "migrate-x1", "events": "migrate-x1"}
    assert operator.condition("RemediationAllowed") == ("False", "NoRunbookMatches")
    assert [one.receiver for one in incident.status.escalation.messages] != []
    assert place.cluster.effects == []
    await operator.close()


async def test_it_ends_when_the_fault_has_been_over_for_long_enough():
    place = shop()
    operator = Operator(place)
    made = fails(place)
    await operator.run(30)
    place.cluster.put(replace(made, failed_time=None))
    await operator.run(290)
    assert operator.incident.status.phase is not Phase.RESOLVED
    await operator.run(15)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_it_ends_at_once_when_the_object_is_gone():
    place = shop()
    operator = Operator(place)
    made = fails(place)
    await operator.run(5)
    place.cluster.drop(made)
    await operator.run(5)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_another_object_of_the_same_name_is_another_target():
    place = shop()
    operator = Operator(place)
    fails(place)
    await operator.run(5)
    fails(place, uid="another")
    await operator.run(5)
    assert sorted(one.status.phase for one in place.api.all(Incident)) == [Phase.RESOLVED, Phase.TRIGGERED]
    await operator.close()


async def test_a_restart_finds_it_again_and_opens_no_second():
    place = shop()
    operator = Operator(place)
    made = fails(place)
    await operator.run(5)
    await operator.close()
    again = Operator(place)
    await again.run(400)
    assert again.incident.status.phase is Phase.TRIGGERED
    place.cluster.put(replace(made, failed_time=None))
    await again.run(310)
    assert again.condition("Resolved") == ("True", "SignalsCleared")
    await again.close()


@pytest.mark.parametrize("how", ["the watch is silent", "the object can't be read"])
async def test_what_cannot_be_seen_opens_nothing_and_ends_nothing(how):
    place = shop()
    operator = Operator(place)
    made = fails(place)
    await operator.run(5)
    if how == "the watch is silent":
        place.view.unseen.add("Job")
        place.cluster.put(replace(made, failed_time=None))
    else:
        place.cluster.unreadable = True
        place.cluster.drop(made)
    await operator.run(400)
    assert operator.incident.status.phase is Phase.TRIGGERED
    assert operator.condition("RemediationAllowed") == ("False", "EvidenceMissing")
    place.view.unseen.clear()
    place.cluster.unreadable = False
    operator.wake_all()
    await operator.run(310)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_a_silent_watch_of_things_holds_up_no_workload():
    place = shop(shipped())
    workload = place.cluster.create(age=86_400)
    place.cluster.bad.add("shop/app:2")
    place.view.unseen.add("Job")
    operator = Operator(place)
    await operator.run(5)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(600)
    assert operator.incident.status.phase is Phase.RESOLVED
    await operator.close()


async def test_a_failure_of_long_ago_opens_none():
    place = shop()
    place.cluster.put(failed_job(failed=2 * 86_400))
    operator = Operator(place)
    await operator.run(30)
    assert place.api.all(Incident) == []
    await operator.close()


async def test_a_namespace_that_is_being_deleted_gets_none():
    place = shop()
    place.view.namespace = lambda name: NamespaceFacts(name=name, deleting=True)
    operator = Operator(place)
    fails(place)
    await operator.run(30)
    assert place.api.all(Incident) == []
    await operator.close()


async def test_who_does_not_lead_opens_none():
    place = shop()
    operator = Operator(place, Sole(leads=False))
    fails(place)
    await operator.run(30)
    assert place.api.all(Incident) == []
    await operator.close()


async def test_an_alert_about_the_job_joins_its_incident_whoever_comes_first():
    place = shop()
    operator = Operator(place)
    made = job()
    place.cluster.put(made)
    await operator.take(alert("KubeJobFailed", job_name="migrate", job="kube-state-metrics", pod="kube-state-metrics-0"))
    await operator.run(5)
    assert operator.incident.spec.target_ref == made.ref
    assert operator.incident.status.cause is Cause.ALERT
    fails(place)
    await operator.run(5)
    assert operator.incident.status.cause is Cause.JOB_FAILED
    assert [one.cause for one in operator.incident.status.signals] == [Cause.ALERT, Cause.JOB_FAILED]
    await operator.close()


async def test_an_alert_about_a_run_of_a_cron_job_is_about_the_cron_job():
    place = shop()
    operator = Operator(place)
    failed = run(9, failed=True, ago_seconds=10)
    cron = cron_job(failed)
    place.cluster.put(failed)
    place.cluster.put(cron)
    await operator.take(alert("KubeJobFailed", job_name="backup-9"))
    await operator.run(5)
    assert operator.incident.spec.target_ref == cron.ref
    assert operator.incident.status.cause is Cause.JOB_FAILED
    await operator.close()


async def test_a_cron_job_that_goes_on_failing_is_one_incident_whose_cause_is_refined():
    place = shop()
    operator = Operator(place)
    place.cluster.put(cron_job(run(7, failed=True, ago_seconds=10)))
    await operator.run(5)
    assert operator.incident.status.cause is Cause.JOB_FAILED
    place.cluster.put(cron_job(*(run(n, failed=True, ago_seconds=10) for n in (7, 8, 9))))
    await operator.run(5)
    assert operator.incident.status.cause is Cause.CRON_JOB_FAILING
    assert operator.incident.status.target == "cj/backup"
    await operator.close()


async def test_many_failed_jobs_are_no_storm_of_workloads():
    place = shop(shipped())
    place.cluster.create(age=86_400)
    operator = Operator(place)
    for n in range(6):
        fails(place, f"migrate-{n}")
    await operator.run(30)
    assert len(place.api.all(Incident)) == 6
    assert operator.gatherer.storm_since is None
    await operator.close()


@pytest.mark.parametrize(
    ("made", "cause", "priority"),
    [
        (claim(complaint("no space")), Cause.VOLUME_CLAIM_PENDING, Priority.P3),
        (claim(phase="Lost"), Cause.VOLUME_CLAIM_LOST, Priority.P1),
        (autoscaler(limited=said("ScalingLimited", "True", "TooManyReplicas")), Cause.AUTOSCALER_AT_MAXIMUM, Priority.P4),
        (autoscaler(inactive=said("ScalingActive", "False", "FailedGetResourceMetric")), Cause.AUTOSCALER_BLIND, Priority.P3),
        (quota(refusal()), Cause.QUOTA_EXCEEDED, Priority.P2),
        (budget(), Cause.DISRUPTION_BUDGET_DEADLOCK, Priority.P4),
        (lost_node(), Cause.NODE_NOT_READY, Priority.P2),
        (node(pressures=(said("DiskPressure", "True", "KubeletHasDiskPressure"),)), Cause.NODE_PRESSURE, Priority.P3),
        (node(faults=(said("KernelDeadlock", "True", "DockerHung"),)), Cause.NODE_FAULT, Priority.P2),
        (node(cordoned=True, annotations={"prunella.dev/temporary": "{}"}), Cause.LEFTOVER_CORDON, Priority.P4),
        (api_service(), Cause.API_SERVICE_DOWN, Priority.P2),
        (certificate(), Cause.CERTIFICATE_EXPIRING, Priority.P3),
        (space(), Cause.STUCK_TERMINATING, Priority.P4),
    ],
    ids=lambda one: str(one) if isinstance(one, Cause) else "",
)
async def test_each_kind_opens_its_incident_with_the_priority_of_its_cause(made, cause, priority):
    place = shop()
    place.cluster.put(made)
    operator = Operator(place)
    await operator.run(5)
    incident = operator.incident
    assert (incident.status.cause, incident.status.priority, incident.spec.target_ref) == (cause, priority, made.ref)
    assert incident.status.evidence != ()
    assert incident.metadata.namespace == (made.namespace or "prunella-system")
    await operator.close()


async def test_what_does_not_say_since_when_it_holds_holds_since_it_was_first_seen():
    place = shop()
    place.cluster.put(budget(since=None))
    operator = Operator(place)
    await operator.run(890)
    assert place.api.all(Incident) == []
    await operator.run(20)
    assert operator.incident.status.cause is Cause.DISRUPTION_BUDGET_DEADLOCK
    await operator.close()


async def test_a_claim_that_still_waits_is_not_taken_to_be_well_because_nobody_complains_any_more():
    place = shop()
    failing = claim(complaint("no space"))
    place.cluster.put(failing)
    operator = Operator(place)
    await operator.run(5)
    place.cluster.put(replace(failing, complaints=()))
    await operator.run(900)
    assert operator.incident.status.phase is Phase.TRIGGERED
    place.cluster.put(replace(failing, complaints=(), phase="Bound"))
    await operator.run(310)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_an_alert_that_is_worse_than_what_is_seen_raises_the_urgency():
    place = shop()
    place.cluster.put(budget())
    operator = Operator(place)
    await operator.run(5)
    assert operator.incident.status.priority is Priority.P4
    one = alert("KubePdbNotEnoughHealthyPods", poddisruptionbudget="ledger")
    await operator.take(one | {"labels": one["labels"] | {"severity": "critical"}})
    await operator.run(5)
    assert operator.incident.status.priority is Priority.P3
    await operator.close()


async def test_a_service_that_stops_serving_is_found_and_after_a_restart_again():
    place = shop()
    operator = Operator(place)
    place.cluster.put(service(2))
    await operator.run(5)
    place.cluster.put(service(0))
    await operator.run(55)
    assert place.api.all(Incident) == []
    await operator.run(10)
    assert (operator.incident.status.cause, operator.incident.status.priority) == (Cause.SERVICE_WITHOUT_ENDPOINTS, Priority.P1)
    await operator.close()
    again = Operator(place)
    await again.run(900)
    assert again.incident.status.phase is Phase.TRIGGERED
    place.cluster.put(service(1))
    await again.run(615)
    assert again.condition("Resolved") == ("True", "SignalsCleared")
    await again.close()


async def test_a_service_that_was_never_seen_serving_is_no_fault():
    place = shop()
    place.cluster.put(service(0))
    operator = Operator(place)
    await operator.run(300)
    assert place.api.all(Incident) == []
    await operator.close()


async def test_a_node_has_one_incident_in_the_operators_namespace_which_its_alerts_join():
    place = shop()
    operator = Operator(place)
    lost = lost_node()
    place.cluster.put(lost)
    await operator.run(5)
    for name, labels in (("KubeNodeNotReady", {"pod": "kube-state-metrics-0"}), ("NodeClock", {"pod": "node-exporter-x", "namespace": "monitoring"})):
        await operator.take(alert(name, node="n1", **labels))
    await operator.run(5)
    assert operator.incident.metadata.namespace == "prunella-system"
    assert operator.incident.spec.target_ref == lost.ref
    assert len(operator.incident.status.signals) == 3
    place.cluster.put(node())
    await operator.run(5)
    assert {one.state for one in operator.incident.status.signals if one.cause is Cause.NODE_NOT_READY} == {"Resolved"}
    await operator.close()


async def test_an_alert_about_a_pod_that_nobody_knows_is_not_about_the_node_it_ran_on():
    place = shop()
    place.cluster.put(node())
    operator = Operator(place)
    await operator.take(alert("Throttled", node="n1", pod="gone-1"))
    await operator.run(5)
    assert operator.incident.spec.target_ref.kind == "Alert"
    await operator.close()


async def test_a_node_that_comes_and_goes_is_one_incident():
    place = shop()
    operator = Operator(place)
    for ready in (True, False, True, False):
        place.cluster.put(node(ready=ready, ready_since=place.clock.now()))
        await operator.run(20)
    assert operator.incident.status.cause is Cause.NODE_FLAPPING
    place.cluster.put(node(ready_since=place.clock.now()))
    await operator.run(3600 + 310)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_a_fault_of_a_thing_counts_no_more_because_workloads_storm():
    place = shop()
    operator = Operator(place)
    operator.gatherer.storm_since = place.clock.now()
    fails(place)
    await operator.run(5)
    assert operator.incident.status.priority is Priority.P3
    await operator.close()


async def test_a_namespace_that_somebody_reports_and_that_is_not_going_is_no_thing():
    place = shop()
    place.cluster.others["Namespace", "", "shop"] = {"metadata": {"uid": "ns-1"}}
    operator = Operator(place)
    ref = ObjectRef(api_version="v1", kind="Namespace", name="shop")
    assert await operator.things.target(ref) is NOT_A_WORKLOAD
    place.cluster.unreadable = True
    assert await operator.things.target(ref) is UNKNOWN
    await operator.close()
