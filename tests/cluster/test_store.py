"""Our own kinds on a real API server: elections, compare-and-swap, live reads, and Events that kubectl shows.

The operator's own account does it, with the rights and under the policies that an install gives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.outside import deployment, eventually, kubeconfig_of, kubectl, must, needs_control_plane, own_namespace, session

from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.store import Objects
from prunella.api.common import Condition, Metadata, ObjectRef
from prunella.api.incident import Incident, IncidentSpec, IncidentStatus, TimelineEntry
from prunella.api.names import ConditionStatus, Mode, Phase, RemediationPhase
from prunella.api.remediation import IncidentRef, Remediation, RemediationSpec, RemediationStatus, RunbookRef
from prunella.api.runbook_status import Shadow, ShadowIncident
from prunella.api.shadow_verdict import ShadowVerdict
from prunella.api.workload_record import HealthyRevision, WorkloadRecord, WorkloadRecordSpec
from prunella.app.errors import AlreadyExists, Conflict, Permanent
from prunella.core.facts import UNKNOWN
from prunella.core.incident import correlate

pytestmark = needs_control_plane

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with session() as api:
        yield api


@pytest.fixture
async def operator(prunella: Kubectl, api: Api, tmp_path: Path) -> AsyncIterator[Api]:
    async with session(await kubeconfig_of(api, "prunella-system", "prunella", tmp_path)) as operator:
        yield operator


@pytest.fixture
def store(operator: Api) -> Objects:
    return Objects(operator)


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    async with own_namespace(api) as name:
        yield name


def incident(namespace: str, name: str = "web-7f3kq") -> Incident:
    target = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid="u-1")
    labels = {"prunella.dev/target": "web", "prunella.dev/source": "Watch"}
    return Incident(metadata=Metadata(name=name, namespace=namespace, labels=labels), spec=IncidentSpec(title="web is broken", target_ref=target))


def remediation(namespace: str, name: str, of: Incident) -> Remediation:
    spec = RemediationSpec(
        incident_ref=IncidentRef(name=of.metadata.name, uid=of.metadata.uid),
        target_ref=of.spec.target_ref,
        runbook_ref=RunbookRef(namespace="prunella-system", name="roll-back-bad-rollout"),
        attempt=1,
        mode=Mode.AUTO,
        requested_by="system:serviceaccount:prunella-system:prunella",
        plan_hash="a41c9e",
    )
    return Remediation(metadata=Metadata(name=name, namespace=namespace, labels={"prunella.dev/incident": of.metadata.name}), spec=spec)


def record(namespace: str, *hashes: str) -> WorkloadRecord:
    target = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid="u-1")
    revisions = tuple(HealthyRevision(hash=one, name=f"web-{one}", revision=1, last_healthy_time=NOON) for one in hashes)
    return WorkloadRecord(
        metadata=Metadata(name="deployment-web", namespace=namespace), spec=WorkloadRecordSpec(target_ref=target, revisions=revisions)
    )


async def test_of_five_creates_under_one_name_exactly_one_wins(store: Objects, namespace: str):
    answers = await asyncio.gather(*(store.create_incident(incident(namespace)) for _ in range(5)), return_exceptions=True)

    won = [answer for answer in answers if isinstance(answer, Incident)]
    assert len(won) == 1
    assert all(isinstance(answer, AlreadyExists) for answer in answers if not isinstance(answer, Incident))
    assert won[0].metadata.uid
    assert won[0].metadata.labels == {"prunella.dev/target": "web", "prunella.dev/source": "Watch"}
    assert await store.incident(namespace, "web-7f3kq") == won[0]
    assert await store.incident(namespace, "another") is None


async def test_a_status_is_replaced_only_on_the_version_that_was_read(store: Objects, namespace: str):
    created = await store.create_incident(incident(namespace))
    entry = TimelineEntry(sequence=1, time=NOON, what="Opened", message="web is broken")
    told = IncidentStatus(phase=Phase.TRIGGERED, timeline=(entry,), remediation="none yet")

    written = await store.put_incident_status(created.model_copy(update={"status": told}))
    with pytest.raises(Conflict, match="the object has been modified"):
        await store.put_incident_status(created.model_copy(update={"status": IncidentStatus()}))
    cleared = await store.put_incident_status(written.model_copy(update={"status": told.model_copy(update={"remediation": None})}))

    assert written.status == told
    assert cleared.status.remediation is None, "what the new status does not have is gone"
    assert cleared.status.timeline[0].time == NOON, "to the microsecond"


async def test_a_status_write_changes_nothing_that_people_own(store: Objects, namespace: str):
    created = await store.create_incident(incident(namespace))
    tampered = created.spec.model_copy(update={"title": "another"})

    written = await store.put_incident_status(created.model_copy(update={"spec": tampered, "status": IncidentStatus(phase=Phase.TRIGGERED)}))

    assert written.spec.title == "web is broken"
    assert written.metadata.generation == created.metadata.generation


async def test_a_status_of_an_incident_that_is_gone_is_a_lost_race(api: Api, store: Objects, namespace: str):
    created = await store.create_incident(incident(namespace))
    await must(api, "DELETE", f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/incidents/web-7f3kq")

    with pytest.raises(Conflict):
        await store.put_incident_status(created)


async def test_an_attempt_of_an_incident_with_a_long_name_bears_a_label_that_the_api_server_takes(api: Api, store: Objects, namespace: str):
    name = "-".join(["web-is-broken"] * 10)
    made = await store.create_incident(incident(namespace, name))
    label = correlate.label_value(name)
    attempt = remediation(namespace, f"{name}-1", made)
    labelled = attempt.metadata.model_copy(update={"labels": {"prunella.dev/incident": label}})
    await store.create_remediation(attempt.model_copy(update={"metadata": labelled}))

    path = f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/remediations?labelSelector=prunella.dev%2Fincident%3D{label}"
    found = await must(api, "GET", path)
    assert [one["metadata"]["name"] for one in found["items"]] == [f"{name}-1"]


async def test_attempts_of_an_incident_are_those_with_its_uid_in_the_order_of_their_numbers(store: Objects, namespace: str):
    first = await store.create_incident(incident(namespace, "web-7f3kq"))
    other = await store.create_incident(incident(namespace, "web-aaaaa"))
    for number in (10, 2, 1):
        await store.create_remediation(remediation(namespace, f"web-7f3kq-{number}", first))
    await store.create_remediation(remediation(namespace, "web-aaaaa-1", other))
    impostor = first.model_copy(update={"metadata": first.metadata.model_copy(update={"uid": "of-an-older-incident"})})
    await store.create_remediation(remediation(namespace, "web-7f3kq-3", impostor))

    assert [one.metadata.name for one in await store.remediations_of(first)] == ["web-7f3kq-1", "web-7f3kq-2", "web-7f3kq-10"]
    listing = await store.remediations_in(namespace)
    assert len(listing.attempts) == 5
    assert all(listing.shows_all_before(one.metadata.resource_version) for one in listing.attempts), "what was written before shows"
    with pytest.raises(AlreadyExists):
        await store.create_remediation(remediation(namespace, "web-7f3kq-1", first))
    stored = await store.remediation(namespace, "web-7f3kq-1")
    running = RemediationStatus(phase=RemediationPhase.DISPATCHED, started_time=NOON)
    assert (await store.put_remediation_status(stored.model_copy(update={"status": running}))).status == running
    assert await store.remediation(namespace, "web-7f3kq-9") is None


async def test_a_record_is_created_then_replaced_and_never_overwritten_unseen(store: Objects, namespace: str):
    created = await store.put_record(record(namespace, "aaa"))
    with pytest.raises(AlreadyExists):
        await store.put_record(record(namespace, "bbb"))
    both = created.model_copy(update={"spec": record(namespace, "aaa", "bbb").spec})
    replaced = await store.put_record(both)
    with pytest.raises(Conflict):
        await store.put_record(both)

    assert [one.hash for one in replaced.spec.revisions] == ["aaa", "bbb"]
    assert await store.record(namespace, "deployment-web") == replaced
    assert await store.record(namespace, "deployment-none") is None


async def test_conditions_are_written_without_touching_the_rest(api: Api, store: Objects, namespace: str):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/catalogentries"
    spec = {"selector": {"matchLabels": {"app": "web"}}, "team": "shop"}
    await must(api, "POST", path, {"apiVersion": "prunella.dev/v1alpha1", "kind": "CatalogEntry", "metadata": {"name": "web"}, "spec": spec})
    ready = Condition(type="Ready", status=ConditionStatus.TRUE, last_transition_time=NOON, reason="Accepted", message="in use")

    await store.put_conditions("CatalogEntry", namespace, "web", 1, [ready])

    stored = await must(api, "GET", f"{path}/web")
    assert stored["status"]["observedGeneration"] == 1
    assert Condition.read(stored["status"]["conditions"][0]) == ready
    assert stored["spec"]["team"] == "shop"
    with pytest.raises(Conflict):
        await store.put_conditions("CatalogEntry", namespace, "gone", 1, [ready])


async def test_what_a_runbook_would_have_done_is_written_under_its_version_and_shown(api: Api, store: Objects, namespace: str):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/runbooks"
    spec = {
        "title": "Restart it",
        "serviceAccountName": "healer",
        "match": {"causes": ["CrashLoop"]},
        "steps": [{"name": "again", "restart": {}}],
        "verify": {"checks": [{"name": "healthy", "workloadHealthy": {}}]},
        "nextRef": {"name": "other"},
    }
    await must(api, "POST", path, {"apiVersion": "prunella.dev/v1alpha1", "kind": "Runbook", "metadata": {"name": "again"}, "spec": spec})
    ready = Condition(type="Ready", status=ConditionStatus.TRUE, last_transition_time=NOON, reason="Accepted", message="in use")
    await store.put_conditions("Runbook", namespace, "again", 1, [ready])
    read = await store.runbook(namespace, "again")
    assert read is not None
    mine = ShadowIncident(uid="u-1", name=f"{namespace}/web-7f3kq", verdict=ShadowVerdict.RIGHT, time=NOON)
    first = Shadow(sha256="a" * 64, would_have_acted=4, right=1, wrong=2, incidents=(mine,))

    await store.put_shadow(read, first)

    stored = await store.runbook(namespace, "again")
    assert stored is not None
    assert (stored.status.shadow, stored.status.conditions) == (first, (ready,))
    assert (stored.metadata.generation, stored.spec) == (1, read.spec)
    with pytest.raises(Conflict):
        await store.put_shadow(read, Shadow(sha256="b" * 64))
    row = (await kubectl("get", "runbooks", "again", "-n", namespace)).splitlines()
    assert [line.split()[:6] for line in row] == [["NAME", "MODE", "READY", "WOULD", "RIGHT", "WRONG"], ["again", "Observe", "True", "4", "1", "2"]]

    await store.put_shadow(stored, Shadow(sha256="b" * 64))

    anew = await store.runbook(namespace, "again")
    assert anew is not None
    assert anew.status.shadow == Shadow(sha256="b" * 64)
    assert await store.runbook(namespace, "none") is None


async def test_the_policy_is_read_live_and_its_storm_comes_and_goes(store: Objects):
    await store.put_storm(NOON, "12 workloads are failing", None)
    stormy = await store.healing_policy()
    await store.put_storm(None, None, NOON)
    calm = await store.healing_policy()

    assert (stormy.status.storm_since_time, stormy.status.storm_message) == (NOON, "12 workloads are failing")
    assert (calm.status.storm_since_time, calm.status.storm_message, calm.status.storm_ended_time) == (None, None, NOON)
    assert calm.spec == stormy.spec


async def test_what_the_schema_refuses_is_permanent_with_the_api_servers_words(store: Objects, namespace: str):
    bad = incident(namespace, "Not_A_Name")
    with pytest.raises(Permanent, match="a lowercase RFC 1123 subdomain"):
        await store.create_incident(bad)


async def test_an_event_is_seen_in_describe_and_a_repeat_is_no_second_one(api: Api, store: Objects, namespace: str):
    created = await store.create_incident(incident(namespace))
    meta = created.metadata
    ref = ObjectRef(api_version="prunella.dev/v1alpha1", kind="Incident", namespace=namespace, name=meta.name, uid=meta.uid)

    for _ in range(2):
        await store.emit_event(
            regarding=ref,
            related=created.spec.target_ref,
            name=f"{meta.name}.0000000001",
            reason="RolledBack",
            message="deploy/web was rolled back to revision 14 " + "x" * 2000,
            warning=True,
            time=datetime.now(UTC),
        )

    shown = await kubectl("describe", "incident.prunella.dev", meta.name, "-n", namespace)
    assert "RolledBack" in shown
    assert "deploy/web was rolled back to revision 14" in shown
    stored = (await must(api, "GET", f"/api/v1/namespaces/{namespace}/events"))["items"]
    assert [(one["reportingComponent"], one["source"]["component"], one["type"], len(one["message"])) for one in stored] == [
        ("prunella", "prunella", "Warning", 1024)
    ]
    assert stored[0]["related"]["name"] == "web"


async def test_an_event_of_a_cluster_scoped_object_and_one_that_is_refused_stop_nothing(
    api: Api, store: Objects, namespace: str, caplog: pytest.LogCaptureFixture
):
    policy = ObjectRef(api_version="prunella.dev/v1alpha1", kind="HealingPolicy", name="default", uid="u-2")
    nowhere = ObjectRef(api_version="v1", kind="Pod", namespace="no-such-namespace", name="x", uid="u-3")
    name = f"default.{uuid4().hex[:8]}"
    for ref in (policy, nowhere):
        await store.emit_event(regarding=ref, name=name, reason="StormStarted", message="too much fails", warning=True, time=NOON)

    stored = await must(api, "GET", f"/api/v1/namespaces/default/events/{name}")
    assert stored["involvedObject"]["kind"] == "HealingPolicy"
    assert "An Event could not be written" in caplog.text


async def test_live_reads_of_what_is_not_there_say_none_and_what_fails_says_unknown(api: Api, operator: Api, namespace: str):
    live = LiveReads(operator)
    ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web")
    assert await live.raw(ref) is None
    assert await live.workload(ref) is None
    assert await live.namespace("no-such-namespace") is None
    assert (await live.namespace(namespace)).name == namespace
    assert await live.raw(ref.model_copy(update={"kind": "Gadget"})) is UNKNOWN
    assert await live.log_tail(namespace, "none", "app", previous=False, lines=5) is UNKNOWN
    assert await live.healthy()
    await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment("web", "localhost/box:v1"))
    assert (await live.workload(ref)).workload.name == "web"
    other = ref.model_copy(update={"uid": "another"})
    assert await live.raw(other) is None
    assert await live.workload(other) is None


async def test_events_and_the_log_of_a_pod_are_read_as_evidence(api: Api, operator: Api, namespace: str):
    made = {
        "metadata": {"name": "one"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": "localhost/box:v1", "command": ["/bin/sh", "-c", "echo first; echo FATAL: no flag"]}],
        },
    }
    stored = await must(api, "POST", f"/api/v1/namespaces/{namespace}/pods", made)
    live = LiveReads(operator)

    async def tail() -> str:
        text = await live.log_tail(namespace, "one", "app", previous=False, lines=1)
        return text if isinstance(text, str) else ""

    assert await eventually(tail) == "FATAL: no flag\n"
    events = await live.events_of(namespace, [stored["metadata"]["uid"], "of-nobody"])
    assert {reason for _, _, reason, _ in events} >= {"Scheduled", "Pulled", "Created", "Started"}
    times = [time for time, *_ in events if time is not None]
    assert times == sorted(times)
    assert abs(times[-1] - datetime.now(UTC)) < timedelta(minutes=1)
