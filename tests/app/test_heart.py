"""The heart: in which order a start goes, what a change wakes, what makes a process unhealthy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from tests.adapters.local import until
from tests.app.test_intake import alert, listed
from tests.core.builders import NOON
from tests.core.incident_builders import entry, watched
from tests.fakes.operator import Operator, cel, shop
from tests.fakes.runbooks import runbook
from tests.fakes.tenure import Sole
from tests.fakes.view import FakeView
from tests.fakes.virtual import in_virtual_time

from prunella.adapters.zones import zone_of
from prunella.api.common import Condition, Metadata, NamespacedRef, ObjectRef
from prunella.api.healing_policy import CertificateSecret
from prunella.api.incident import Incident, Message
from prunella.api.names import ConditionStatus, MessageKind, MessageState, RemediationPhase
from prunella.api.remediation import IncidentRef, Remediation, RemediationSpec, RemediationStatus, RunbookRef
from prunella.app.errors import Lost, Permanent, Retryable
from prunella.app.heart import PARTING_SECONDS, Heart, Organs
from prunella.app.keys import IncidentKey, RequestKey, WorkloadKey
from prunella.app.queue import Queue
from prunella.app.queues import Queues
from prunella.app.readiness import THE_POLICY, PolicyKey, Readiness


class Cache(FakeView):
    """The view, with a life that a test can follow."""

    def __init__(self, api, cluster):
        super().__init__(api, cluster)
        self.listed = asyncio.Event()
        self.runs = 0

    async def run(self):
        self.runs += 1
        await asyncio.Event().wait()

    async def until_synced(self):
        await self.listed.wait()


class Body:
    """A heart with its organs over fakes."""

    def __init__(self, *, missing=(), polls=False, timeout=300, leads=True):
        self.place = shop()
        self.place.view = Cache(self.place.api, self.place.cluster)
        self.election = Sole(leads=leads)
        self.operator = Operator(self.place, self.election)
        clock, telemetry = self.place.clock, self.place.telemetry
        self.queues = Queues(
            Queue("incidents", clock, telemetry),
            Queue("workloads", clock, telemetry),
            Queue("policies", clock, telemetry),
            Queue("requests", clock, telemetry),
        )
        self.served: list[Any] = []
        self.queues.incidents.handle = self.queues.policies.handle = self.queues.requests.handle = self._serve
        self.missing = list(missing)
        self.ends = asyncio.Event()
        self.beats = self.kopfs = self.asked = 0
        organs = Organs(
            cache=self.place.view,
            live=self.place.cluster,
            intake=self.operator.intake,
            observer=self.operator.observer,
            things=self.operator.things,
            gatherer=self.operator.gatherer,
            reconciler=self.operator.reconciler,
            requests=self.operator.requests,
            readiness=Readiness(self.place.view, self.place.api, clock, cel(), zone_of, "prunella-system", self.operator.things.certificates),
            brake=self.operator.brake,
            commons=self.operator.commons,
            leftovers=self.operator.leftovers,
            queues=self.queues,
            clock=clock,
            telemetry=telemetry,
            election=self.election,
        )
        self.heart = Heart(organs, missing_kinds=self._missing, kopf=self._kopf, heartbeat=self._beat, polls=polls, crds_timeout_seconds=timeout)
        self.queues.workloads.handle = self.heart.observe

    async def _serve(self, key):
        self.served.append(key)

    async def _missing(self):
        self.asked += 1
        return self.missing

    async def _kopf(self):
        self.kopfs += 1
        await self.ends.wait()

    async def _beat(self):
        self.beats += 1
        await asyncio.Event().wait()

    def waiting(self, queue):
        return set(queue._queued)

    @contextlib.asynccontextmanager
    async def living(self):
        task = asyncio.create_task(self.heart.run())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, BaseExceptionGroup):
                await task


async def test_a_start_waits_for_our_kinds_then_for_a_whole_cache_and_only_then_serves():
    body = Body(missing=["the kind Runbook is not there"])
    assert body.heart.problems == ["starting"]
    async with body.living():
        await until(lambda: body.heart.problems == ["the kind Runbook is not there"])
        assert (body.place.view.runs, body.beats) == (0, 0)
        body.missing.clear()
        await until(lambda: body.heart.problems == ["the cache is not whole yet"])
        body.queues.incidents.add(IncidentKey("shop", "x"))
        body.place.view.listed.set()
        await until(lambda: body.heart.problems == [])
        await until(lambda: IncidentKey("shop", "x") in body.served)
        assert (body.place.view.runs, body.beats) == (1, 1)


async def test_what_a_start_waits_for_is_logged_once_and_again_when_it_changes(caplog):
    caplog.set_level("INFO")
    body = Body(missing=["no CRDs: `prunella install`", "no namespace"])
    async with body.living():
        await until(lambda: body.heart.problems == ["no CRDs: `prunella install`", "no namespace"])
        asked = body.asked
        await until(lambda: body.asked > asked + 1)
        body.missing[:] = ["no namespace"]
        await until(lambda: body.heart.problems == ["no namespace"])
    waited = [record for record in caplog.records if record.message == "Waiting for Prunella's CRDs and namespace"]
    assert [record.missing for record in waited] == ["no CRDs: `prunella install`; no namespace", "no namespace"]


async def test_a_start_gives_up_where_our_kinds_do_not_come():
    body = Body(missing=["the kind Runbook is not there"], timeout=0)
    with pytest.raises(ExceptionGroup) as raised:
        await body.heart.run()
    [error] = raised.value.exceptions
    assert isinstance(error, Permanent)
    assert str(error) == "Gave up after 0 s: the kind Runbook is not there"


async def test_a_part_that_ends_by_itself_ends_the_process():
    body = Body()
    body.place.view.listed.set()
    body.ends.set()
    with pytest.raises(ExceptionGroup) as raised:
        await body.heart.run()
    assert [str(error) for error in raised.value.exceptions] == ["Kopf ended by itself: the process must be started anew"]


async def test_a_start_remembers_what_alerts_ended_and_resyncs_everything():
    body = Body()
    body.place.cluster.create()
    body.place.view.listed.set()
    async with body.living():
        await until(lambda: body.operator.observer.sight(WorkloadKey("Deployment", "shop", "checkout")) is not None)
        await until(lambda: PolicyKey("HealingPolicy", "", "default") in body.served)


async def test_a_secret_is_read_once_the_policy_names_it_and_then_the_policy_is_judged_again():
    body = Body()
    body.place.view.listed.set()
    async with body.living():
        await until(lambda: THE_POLICY in body.served)
        assert body.place.cluster.secrets_read == []
        body.place.policy(certificates=(CertificateSecret(namespace="shop", secret_name="web-tls"),))
        body.served.clear()
        body.heart.changed(*THE_POLICY)
        await until(lambda: body.place.cluster.secrets_read == [("shop", "web-tls")])
        await until(lambda: body.operator.things.certificates.problems("prunella-system") and THE_POLICY in body.served)
        body.place.policy()
        body.heart.changed(*THE_POLICY)
        await until(lambda: body.operator.things.certificates.known() == [])


async def test_a_standby_reads_no_secret():
    body = Body(leads=False)
    body.place.policy(certificates=(CertificateSecret(namespace="shop", secret_name="web-tls"),))
    body.place.view.listed.set()
    async with body.living():
        await until(lambda: body.heart.problems == [])
        await body.heart.observe(WorkloadKey("Secret", "shop", "web-tls"))
        assert (body.place.cluster.secrets_read, body.served) == ([], [])
        body.election.resume()
        await until(lambda: body.place.cluster.secrets_read == [("shop", "web-tls")])


async def test_a_repeated_task_that_fails_is_tried_again(caplog):
    body = Body()
    tries = 0

    async def fails():
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Retryable("503")

    task = asyncio.create_task(body.heart._every(0, fails))
    await until(lambda: tries >= 4)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert caplog.text.count("A repeated task failed and is tried again") == 2


async def test_a_repeated_task_of_the_leader_rests_with_it():
    body = Body(leads=False)
    tries = 0

    async def acts():
        nonlocal tries
        assert body.election.leads
        tries += 1

    task = asyncio.create_task(body.heart._every(0, acts, body.election.until_leading))
    await until(lambda: body.election.resting == 1)
    body.election.resume()
    await until(lambda: tries >= 2)
    body.election.pause()
    await until(lambda: body.election.resting == 2)
    body.election.resume()
    await until(lambda: tries >= 4)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


# leading


async def test_a_standby_is_ready_watches_and_begins_nothing():
    body = Body(leads=False, polls=True)
    body.place.cluster.create()
    body.place.view.listed.set()
    async with body.living():
        await until(lambda: body.heart.problems == [])
        body.heart.workload_changed("Deployment", "shop", "checkout")
        await until(lambda: body.operator.observer.sight(WorkloadKey("Deployment", "shop", "checkout")) is not None)
        body.heart.changed("HealingPolicy", "", "default")
        body.heart.changed("Namespace", "", "shop")
        await body.heart.take_alerts([alert()], NOON, 0)
        body.heart.wake_all()
        assert (body.served, body.waiting(body.queues.incidents), body.waiting(body.queues.policies)) == ([], set(), set())
        assert (body.kopfs, body.beats, body.place.alertmanager.polls) == (0, 0, 0)
        assert body.heart.unhealthy() == []
        assert len(body.place.api.all(Incident)) == 1


async def test_a_standby_that_was_told_too_little_asks_alertmanager_once():
    body = Body(leads=False, polls=True)
    body.place.view.listed.set()
    async with body.living():
        await until(lambda: body.heart.problems == [])
        await body.heart.take_alerts([alert()], NOON, 5)
        await until(lambda: body.place.alertmanager.polls == 1)


async def test_who_is_elected_looks_at_everything_at_once():
    body = Body(leads=False, polls=True)
    opened(body)
    body.place.view.listed.set()
    async with body.living():
        await until(lambda: body.heart.problems == [])
        body.election.elected.set()
        await until(lambda: IncidentKey("shop", "checkout-1") in body.served)
        await until(lambda: PolicyKey("HealingPolicy", "", "default") in body.served)
        await until(lambda: (body.kopfs, body.beats, body.place.alertmanager.polls) == (1, 1, 1))


async def test_who_leads_again_after_a_pause_looks_at_everything_that_it_left_alone_meanwhile():
    """A fault that was seen while it paused opened no Incident, and what people applied was not judged."""
    body = Body()
    body.place.cluster.create()
    opened(body)
    body.place.view.listed.set()
    body.queues.workloads.handle = body._serve
    async with body.living():
        everything = {WorkloadKey("Deployment", "shop", "checkout"), IncidentKey("shop", "checkout-1"), PolicyKey("HealingPolicy", "", "default")}
        await until(lambda: body.kopfs == 1 and everything <= set(body.served))
        body.election.pause()
        body.served.clear()
        body.heart.changed("HealingPolicy", "", "default")
        body.election.resume()
        await until(lambda: everything <= set(body.served))


async def test_while_the_lease_cannot_be_renewed_what_only_a_leader_does_rests_and_looking_goes_on():
    body = Body()
    workload, incident, policy = WorkloadKey("Deployment", "shop", "checkout"), IncidentKey("shop", "checkout-1"), PolicyKey("Runbook", "shop", "r")
    body.place.view.listed.set()
    body.queues.workloads.handle = body._serve
    async with body.living():
        await until(lambda: body.kopfs == 1 and PolicyKey("HealingPolicy", "", "default") in body.served)
        body.election.pause()
        body.served.clear()
        body.queues.incidents.add(incident)
        body.queues.policies.add(policy)
        body.queues.workloads.add(workload)
        await until(lambda: workload in body.served)
        assert body.served == [workload]
        body.election.resume()
        await until(lambda: {incident, policy} <= set(body.served))


async def test_a_lost_lease_ends_everything_and_is_told_as_such():
    body = Body()
    body.place.view.listed.set()
    body.election.lost = Lost("it could not be renewed")
    task = asyncio.create_task(body.heart.run())
    await until(lambda: body.kopfs == 1)
    body.election.ended.set()
    with pytest.raises(ExceptionGroup) as raised:
        await task
    assert [str(error) for error in raised.value.exceptions] == ["it could not be renewed"]
    assert body.election.released == 0, "it is somebody else's by now"


async def test_told_to_end_it_finishes_the_step_under_way_and_then_gives_the_lease_up():
    body = Body()
    opened(body)
    body.place.view.listed.set()
    under_way, may_end, order = asyncio.Event(), asyncio.Event(), []
    real = body.place.api.put_incident_status

    async def slow(incident):
        under_way.set()
        await may_end.wait()
        order.append("stored")
        return await real(incident)

    body.place.api.put_incident_status = slow  # type: ignore[method-assign] # the fake's own
    body.queues.incidents.handle = body.operator.reconciler.reconcile
    task = asyncio.create_task(body.heart.run())
    await under_way.wait()
    task.cancel()
    await until(lambda: body.heart.problems == ["it is ending"])
    with pytest.raises(Retryable, match="not ready: it is ending"):
        await body.heart.take_alerts([alert()], NOON, 0)
    assert (body.election.released, order) == (0, [])
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (body.election.released, order) == (1, ["stored"])


def test_a_step_that_does_not_end_in_time_keeps_the_lease_until_it_has_run_out(caplog):
    async def main():
        body = Body()
        opened(body)
        body.place.view.listed.set()
        under_way = asyncio.Event()

        async def hangs(incident):
            under_way.set()
            await asyncio.Event().wait()

        body.place.api.put_incident_status = hangs  # type: ignore[method-assign] # the fake's own
        body.queues.incidents.handle = body.operator.reconciler.reconcile
        task = asyncio.create_task(body.heart.run())
        await under_way.wait()
        began = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop().time() - began == pytest.approx(PARTING_SECONDS)
        assert body.election.released == 0

    in_virtual_time(main())
    assert "A step is still under way: the lease is left to run out" in caplog.text


async def test_a_standby_that_is_told_to_end_ends_at_once():
    body = Body(leads=False)
    body.place.view.listed.set()
    task = asyncio.create_task(body.heart.run())
    await until(lambda: body.heart.problems == [])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert body.election.released == 0


# what a change wakes


def opened(body: Body, name: str = "checkout-1", **status: Any) -> Incident:
    made = watched(name)
    body.place.api.apply(made)
    stored = body.place.api.objects["Incident", "shop", name]
    changed = stored.model_copy(update={"status": stored.status.model_copy(update=status)})
    body.place.api.objects["Incident", "shop", name] = changed
    return changed


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "workloads", "incidents", "policies"),
    [
        ("WorkloadRecord", "shop", "deployment-checkout", {WorkloadKey("Deployment", "shop", "checkout")}, False, False),
        ("WorkloadRecord", "shop", "statefulset-a-b", {WorkloadKey("StatefulSet", "shop", "a-b")}, False, False),
        ("WorkloadRecord", "shop", "other-a", set(), False, False),
        ("Namespace", "", "shop", {WorkloadKey("Deployment", "shop", "checkout")}, True, False),
        ("Namespace", "", "pay", set(), True, False),
        ("Runbook", "prunella-system", "r", set(), True, True),
        ("HealingPolicy", "", "default", set(), True, True),
    ],
)
async def test_a_change_wakes_what_refers_to_it(kind, namespace, name, workloads, incidents, policies):
    body = Body()
    body.place.cluster.create()
    body.place.api.apply(runbook())
    body.place.api.apply(entry())
    opened(body)
    body.heart.changed(kind, namespace, name)
    assert body.waiting(body.queues.workloads) == workloads
    assert body.waiting(body.queues.incidents) == ({IncidentKey("shop", "checkout-1")} if incidents else set())
    expected = {
        PolicyKey("Runbook", "prunella-system", "roll-back"),
        PolicyKey("CatalogEntry", "shop", "checkout"),
        PolicyKey("EscalationPolicy", "prunella-system", "ops"),
        PolicyKey("HealingPolicy", "", "default"),
    }
    assert body.waiting(body.queues.policies) == (expected if policies else set())


async def test_without_a_policy_none_is_woken():
    body = Body()
    body.place.api.delete("HealingPolicy", "", "default")
    body.heart.changed("Runbook", "prunella-system", "r")
    assert body.waiting(body.queues.policies) == {PolicyKey("EscalationPolicy", "prunella-system", "ops")}


@pytest.mark.parametrize(
    ("merged", "woken"),
    [(None, set()), (NamespacedRef(name="checkout-0"), {IncidentKey("shop", "checkout-0")})],
    ids=["on its own", "a duplicate"],
)
async def test_a_changed_incident_is_woken_and_a_duplicate_wakes_its_parent(merged, woken):
    body = Body()
    opened(body, merged_into=merged)
    body.heart.changed("Incident", "shop", "checkout-1")
    assert body.waiting(body.queues.incidents) == {IncidentKey("shop", "checkout-1"), *woken}


async def test_an_attempt_wakes_its_incident():
    body = Body()
    body.heart.changed("Remediation", "shop", "checkout-7f3kq-2")
    assert body.waiting(body.queues.incidents) == {IncidentKey("shop", "checkout-7f3kq")}


def run(body, name, *, phase=RemediationPhase.PENDING, reason="Allowed", requested=True):
    """An attempt, by default one that a person asked for and that was not begun yet."""
    allowed = Condition(type="RemediationAllowed", status=ConditionStatus.FALSE, reason=reason, message="m", last_transition_time=NOON)
    spec = RemediationSpec(
        target_ref=ObjectRef(api_version="apps/v1", kind="Deployment", name="checkout"),
        runbook_ref=RunbookRef(namespace="prunella-system", name="restart"),
        requested_by="dana" if requested else "prunella",
        incident_ref=None if requested else IncidentRef(name=name.rpartition("-")[0], uid="u-i"),
    )
    status = RemediationStatus(phase=phase, conditions=(allowed,))
    body.place.api.apply(Remediation(metadata=Metadata(name=name, namespace="shop"), spec=spec, status=status))


@pytest.mark.parametrize(
    ("changed", "phase", "woken"),
    [
        ("cart-1", RemediationPhase.DISPATCHED, set()),
        ("cart-1", RemediationPhase.SUCCEEDED, {"waits"}),
        ("gone-1", RemediationPhase.DISPATCHED, {"waits"}),
        ("mine", RemediationPhase.DISPATCHED, {"mine"}),
    ],
    ids=["an attempt that goes on", "one that has ended", "one that is gone", "the request itself"],
)
async def test_an_attempt_wakes_of_the_runs_that_people_ask_for_only_those_that_it_concerns(changed, phase, woken):
    body = Body()
    run(body, "cart-1", phase=phase, requested=False)
    run(body, "mine")
    run(body, "waits", reason="ConcurrencyReached")
    run(body, "over", phase=RemediationPhase.SUCCEEDED, reason="ConcurrencyReached")
    body.operator.pending.clear()
    body.heart.changed("Remediation", "shop", changed)
    assert {key.name for key in body.operator.pending if isinstance(key, RequestKey)} == woken


@pytest.mark.parametrize("kind", ["Incident", "Remediation"])
async def test_who_stands_by_wakes_nothing(kind):
    body = Body(leads=False)
    opened(body)
    body.heart.changed(kind, "shop", "checkout-1")
    assert body.waiting(body.queues.incidents) == set()


async def test_the_event_of_our_own_write_wakes_nobody_and_every_other_event_does():
    body = Body()
    body.place.cluster.create()
    made = opened(body)
    key = IncidentKey("shop", made.metadata.name)
    await body.operator.reconciler.reconcile(key)
    version = body.place.api.objects["Incident", *key].metadata.resource_version
    assert version != made.metadata.resource_version, "the decision was written"
    body.heart.changed("Incident", *key)
    assert body.waiting(body.queues.incidents) == set()
    stored = body.place.api.objects["Incident", *key]
    for other in (made.metadata.resource_version, "999"):
        body.queues.incidents._queued.clear()
        metadata = stored.metadata.model_copy(update={"resource_version": other})
        body.place.api.objects["Incident", *key] = stored.model_copy(update={"metadata": metadata})
        body.heart.changed("Incident", *key)
        assert body.waiting(body.queues.incidents) == {key}, other
    body.queues.incidents._queued.clear()
    del body.place.api.objects["Incident", *key]
    body.heart.changed("Incident", *key)
    assert body.waiting(body.queues.incidents) == {key}, "deleted"
    await body.operator.close()


async def test_only_incidents_about_which_something_may_still_be_decided_or_told_are_woken():
    body = Body()
    times = opened(body).status.times
    pending = Message(key="k", kind=MessageKind.STAND_DOWN, receiver="ops", state=MessageState.PENDING, created_time=NOON)
    over = times.model_copy(update={"cancelled_time": NOON})
    opened(body, "over-1", times=over, observed_generation=1)
    untold = opened(body, "untold-1", times=over)
    escalation = untold.status.escalation.model_copy(update={"messages": (pending,)})
    opened(body, "untold-1", times=over, escalation=escalation)
    body.heart.wake_all()
    assert body.waiting(body.queues.incidents) == {IncidentKey("shop", "checkout-1"), IncidentKey("shop", "untold-1")}


async def test_a_workloads_key_is_served_and_comes_back_when_its_dwell_ends():
    body = Body()
    workload = body.place.cluster.create()
    body.place.cluster.bad.add("shop/app:2")
    body.place.cluster.set_image(workload, "shop/app:2")
    body.place.clock.advance(1)
    key = WorkloadKey("Deployment", "shop", "checkout")
    await body.heart.observe(key)
    assert list(body.queues.workloads._timers) == [key]
    body.heart.workload_changed(*key)
    assert body.waiting(body.queues.workloads) == {key}
    for _, handle in body.queues.workloads._timers.values():
        handle.cancel()


async def test_resync_brings_up_everything_once_more():
    body = Body()
    body.place.cluster.create()
    opened(body)
    await body.heart._resync()
    assert body.waiting(body.queues.workloads) == {WorkloadKey("Deployment", "shop", "checkout")}
    assert body.waiting(body.queues.incidents) == {IncidentKey("shop", "checkout-1")}
    assert PolicyKey("HealingPolicy", "", "default") in body.waiting(body.queues.policies)


# alerts


async def test_before_everything_is_there_a_webhook_body_is_turned_away():
    body = Body()
    with pytest.raises(Retryable, match="not ready: starting"):
        await body.heart.take_alerts([alert()], NOON, 0)
    assert body.place.api.all(Incident) == []


@pytest.mark.parametrize("truncated", [0, 90])
async def test_a_truncated_body_asks_alertmanager_for_the_rest_at_once(truncated):
    body = Body()
    body.heart.problems = []
    await body.heart.take_alerts([alert()], NOON, truncated)
    assert len(body.place.api.all(Incident)) == 1
    assert body.operator.gatherer.alert_time == NOON
    assert body.heart._polling._hurry.is_set() == bool(truncated)


async def test_the_poll_takes_in_what_is_active_goes_on_after_a_failure_and_can_be_hurried(caplog):
    body = Body(polls=True)
    body.place.view.listed.set()
    one = listed()
    failures = 1

    def full(when: str, verb: str, what: str) -> None:
        nonlocal failures
        if failures and what.startswith("Incident/"):
            failures -= 1
            raise Retryable("503")

    body.place.api.gate = full
    async with body.living():
        await until(lambda: body.place.alertmanager.polls == 1)
        body.place.alertmanager.listed = {one.fingerprint: one}
        body.heart.poll_now()
        await until(lambda: "The poll's alerts could not be taken in" in caplog.text)
        body.heart.poll_now()
        await until(lambda: len(body.place.api.all(Incident)) == 1)


# health


@pytest.mark.parametrize(
    ("problems", "well", "silent", "reasons"),
    [
        ([], True, [], []),
        ([], True, ["Pod"], ["the watch of Pod is silent although the API server answers"]),
        ([], False, ["Pod"], []),
        (["starting"], True, ["Pod"], []),
    ],
    ids=["well", "a silent watch", "an outage of the API server", "starting"],
)
async def test_a_silent_watch_beside_an_api_server_that_answers_is_a_reason_to_restart(problems, well, silent, reasons):
    body = Body()
    body.heart.problems = problems
    body.place.cluster.well = well
    body.place.view.silent = silent
    await body.heart._look_at_control_plane()
    assert body.heart.unhealthy() == reasons


async def test_incidents_are_counted_by_phase_and_priority_and_what_is_gone_is_zero():
    body = Body()
    opened(body, phase="Triggered", priority="P2")
    opened(body, "b-1")
    await body.heart._gauges.give()
    gauges = body.place.telemetry.gauges
    assert gauges["incidents", (("phase", "Triggered"), ("priority", "P2"))] == 1
    assert gauges["incidents", (("phase", "Triggered"), ("priority", "P3"))] == 1
    body.place.api.delete("Incident", "shop", "checkout-1")
    await body.heart._gauges.give()
    assert gauges["incidents", (("phase", "Triggered"), ("priority", "P2"))] == 0
