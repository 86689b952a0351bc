"""Things on the wire: what is kept of them, who belongs to whom, and a kind that can't be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.adapters.standin import Lines, Numbers, Object, StandIn, event, eventually, listed, refusal, standing_in

from prunella.adapters.kubernetes import decode_things as decode
from prunella.adapters.kubernetes import wire_things as wire
from prunella.adapters.kubernetes.cache import Cache
from prunella.adapters.kubernetes.client import connect_plainly
from prunella.adapters.kubernetes.endpoints import Endpoints
from prunella.adapters.kubernetes.resources import EVENT, FOREIGN, OWN, THINGS
from prunella.adapters.kubernetes.watch import Tempo
from prunella.adapters.kubernetes.watched_things import NEEDS, OF_THING
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import ANY, WORKLOADS
from prunella.core.subject import Owner
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.budget import Budget
from prunella.core.things.certificate import Certificate
from prunella.core.things.claim import Claim
from prunella.core.things.complaint import Complaint
from prunella.core.things.cron_job import CronJob
from prunella.core.things.detect import KINDS
from prunella.core.things.job import Job
from prunella.core.things.quota import Quota
from prunella.core.things.service import Service
from prunella.core.things.terminating import Space

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
QUICK = Tempo(first_pause_seconds=0.01, longest_pause_seconds=0.02, absent_seconds=0.05, dispensable_seconds=1)
JOBS, CRON_JOBS = "/apis/batch/v1/jobs", "/apis/batch/v1/cronjobs"


class Clock:
    """The port Clock."""

    def now(self) -> datetime:
        return NOON


def stored(name: str, version: str = "1", *, owner: tuple[str, str, str] | None = None, **more: Any) -> Object:
    kind, owner_name, uid = owner or ("", "", "")
    owners = {"ownerReferences": [{"apiVersion": "x", "kind": kind, "name": owner_name, "uid": uid, "controller": True}]} if owner else {}
    return {"metadata": {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": version, **owners}, **more}


def condition(type_: str, status: str = "True", reason: str = "Because", message: str = "so it is") -> Object:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-24T11:00:00Z"}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        for resource in (*FOREIGN, *THINGS, *OWN, EVENT):
            path = resource.call("list").path
            standin.answers("GET", path, listed())
            standin.answers("WATCH", path, Lines())
        yield standin


@asynccontextmanager
async def running(server: StandIn, namespaces: tuple[str, ...] = ()) -> AsyncIterator[Cache]:
    async with connect_plainly(server.url, Numbers()) as api:
        cache = Cache(api, Clock(), Numbers(), tempo=QUICK, namespaces=namespaces)
        task = asyncio.create_task(cache.run())
        try:
            await asyncio.wait_for(cache.until_synced(), 10)
            yield cache
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


# what is kept


def test_of_a_job_only_what_decides_is_kept():
    labels = {"app": "shop", "controller-uid": "x", "batch.kubernetes.io/controller-uid": "x", "job-name": "j"}
    annotations = {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-24T10:00:00Z", "prunella.dev/entry": "shop", "else": "x"}
    conditions = [condition("SuspendedOnce", "False"), condition("Failed", reason="DeadlineExceeded")]
    body = stored("backup-1", owner=("CronJob", "backup", "c-1"), status={"conditions": conditions, "failed": 4})
    body["metadata"] |= {"labels": labels, "annotations": annotations, "finalizers": ["batch.kubernetes.io/job-tracking"]}
    read = decode.job(msgspec.convert(body, wire.Job, strict=False))
    assert read == Job(
        namespace="shop",
        name="backup-1",
        uid="uid-backup-1",
        labels={"app": "shop"},
        annotations={"prunella.dev/entry": "shop"},
        finalizers=("batch.kubernetes.io/job-tracking",),
        owner_uid="c-1",
        owner_kind="CronJob",
        owner_name="backup",
        owner=Owner(api_version="x", kind="CronJob", name="backup"),
        failed_time=NOON - timedelta(hours=1),
        failed_reason="DeadlineExceeded",
        failed_message="so it is",
        scheduled_time=NOON - timedelta(hours=2),
    )


@pytest.mark.parametrize("written", ["", "yesterday", "2026-11-24T10:00:00", "2026-99-99T10:00:00Z"])
def test_a_time_in_an_annotation_that_is_none_is_not_known(written):
    assert decode.instant(written) is None


def test_a_condition_that_is_not_true_counts_for_nothing():
    body = stored("j", status={"conditions": [condition("Failed", "False"), condition("Complete", "Unknown")]})
    read = decode.job(msgspec.convert(body, wire.Job, strict=False))
    assert (read.failed_time, read.completed_time) == (None, None)


def test_of_a_cron_job_only_what_decides_is_kept():
    status = {"lastScheduleTime": "2026-11-24T11:00:00Z", "lastSuccessfulTime": "2026-11-24T10:00:00Z"}
    read = decode.cron_job(msgspec.convert(stored("c", spec={"suspend": True, "schedule": "* * * * *"}, status=status), wire.CronJob, strict=False))
    times = {"last_schedule_time": NOON - timedelta(hours=1), "last_success_time": NOON - timedelta(hours=2)}
    assert read == CronJob(namespace="shop", name="c", uid="uid-c", suspended=True, **times)


def test_every_kind_of_thing_is_looked_at_and_every_kind_that_is_looked_at_is_kept():
    watched = {one.kind for one in THINGS} - {"EndpointSlice"} | {"HorizontalPodAutoscaler", "Namespace"}
    assert watched == set(NEEDS) == KINDS - {"Secret"}, "a Secret is read by its name, never watched"


def test_of_a_certificate_only_what_cert_manager_tells_is_kept():
    status = {"notAfter": "2026-11-24T12:00:00Z", "renewalTime": "2026-11-24T11:00:00Z", "revision": 3}
    conditions = [condition("Ready", "True", "Ready"), condition("Issuing", "False", "Failed", "the order failed")]
    stands = stored("web", spec={"secretName": "web-tls", "dnsNames": ["shop.example.com"]}, status={**status, "conditions": conditions})
    read = decode.certificate(msgspec.convert(stands, wire.Certificate, strict=False))
    times = {"not_after": NOON, "renewal_time": NOON - timedelta(hours=1)}
    assert (read.not_after, read.renewal_time, read.unready) == (*times.values(), None)
    assert read.issuing is not None
    assert (read.issuing.status, read.issuing.reason, read.issuing.message) == ("False", "Failed", "the order failed")
    fresh = decode.certificate(msgspec.convert(stored("web", status={"conditions": [condition("Ready", "False", "DoesNotExist")]}), wire.Certificate))
    assert fresh == Certificate(namespace="shop", name="web", uid="uid-web", unready=fresh.unready)
    assert fresh.unready is not None


def test_of_claims_quotas_and_budgets_only_what_decides_is_kept():
    asks = {"resources": {"requests": {"storage": "10Gi"}}}
    claim = stored("data", spec={"storageClassName": "fast", "volumeName": "pv-7", **asks}, status={"phase": "Lost", "capacity": {"storage": "8Gi"}})
    wanted = Claim(namespace="shop", name="data", uid="uid-data", phase="Lost", storage_class="fast", volume="pv-7", wants="10Gi", has="8Gi")
    assert decode.claim(msgspec.convert(claim, wire.Claim)) == wanted
    quota = stored("compute", status={"hard": {"pods": "9"}, "used": {"pods": "1"}})
    assert decode.quota(msgspec.convert(quota, wire.Quota)) == Quota(
        namespace="shop", name="compute", uid="uid-compute", hard={"pods": "9"}, used={"pods": "1"}
    )
    counts = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 4}
    budget = stored("web", status={**counts, "conditions": [condition("DisruptionAllowed", "False")]})
    read = decode.budget(msgspec.convert(budget, wire.Budget, strict=False))
    since = NOON - timedelta(hours=1)
    assert read == Budget(namespace="shop", name="web", uid="uid-web", allowed=0, healthy=3, desired=2, expected=4, since=since)
    budget["metadata"]["generation"] = 2
    assert not decode.budget(msgspec.convert(budget, wire.Budget, strict=False)).counted


def test_of_services_slices_nodes_and_apis_only_what_decides_is_kept():
    plain = decode.service(msgspec.convert(stored("web", spec={"type": "ClusterIP", "selector": {"app": "web"}}), wire.Service))
    assert plain == Service(namespace="shop", name="web", uid="uid-web", selector={"app": "web"})
    outside = decode.service(msgspec.convert(stored("web", spec={"type": "ExternalName", "selector": {"app": "web"}}), wire.Service))
    assert outside.selector == {}
    slice_ = stored("web-x", endpoints=[{"conditions": {"ready": True}}, {"conditions": {"ready": False}}, {"conditions": {}}, {}])
    slice_["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    assert decode.endpoints(msgspec.convert(slice_, wire.EndpointSlice)) == Endpoints(namespace="shop", service="web", ready=3, other=1)
    conditions = [condition("Ready", "Unknown", "Lost", "gone"), condition("DiskPressure"), condition("MemoryPressure", "False"), condition("Else")]
    conditions += [condition("KernelDeadlock"), condition("ReadonlyFilesystem", "False")]
    node = stored("n1", spec={"unschedulable": True}, status={"conditions": conditions, "images": [{"names": ["x"]}]})
    node["metadata"].pop("namespace")
    node["metadata"]["annotations"] = {"cluster.x-k8s.io/machine": "m-7", "node.alpha.kubernetes.io/ttl": "0"}
    node["metadata"]["ownerReferences"] = [{"apiVersion": "x/v1", "kind": "Pool", "name": "p", "uid": "u", "controller": True}]
    read = decode.node(msgspec.convert(node, wire.Node, strict=False))
    assert (read.annotations, read.owner) == ({"cluster.x-k8s.io/machine": "m-7"}, Owner(api_version="x/v1", kind="Pool", name="p"))
    assert (read.ready, read.ready_since, read.ready_reason, read.ready_message, read.cordoned) == (
        False,
        NOON - timedelta(hours=1),
        "Lost",
        "gone",
        True,
    )
    assert [one.type for one in read.pressures] == ["DiskPressure"]
    assert [one.type for one in read.faults] == ["KernelDeadlock"]
    assert decode.node(msgspec.convert(stored("n2"), wire.Node)).ready, "one that has not said anything yet"
    node["metadata"]["labels"] = {"zone": "b", "job-name-pool": "fast", "batch.kubernetes.io/pool": "fast"}
    assert decode.node(msgspec.convert(node, wire.Node, strict=False)).labels == node["metadata"]["labels"], "a nodeSelector may ask for any"
    behind = {"service": {"namespace": "kube-system", "name": "metrics-server", "port": 443}}
    down = stored("v1.x", spec=behind, status={"conditions": [condition("Available", "False", "MissingEndpoints")]})
    api = decode.api_service(msgspec.convert(down, wire.APIService, strict=False))
    assert (api.backend, api.down_since, api.reason) == ("kube-system/metrics-server", NOON - timedelta(hours=1), "MissingEndpoints")
    assert decode.api_service(msgspec.convert(stored("v1."), wire.APIService)).backend == ""


def slice_of(name: str, version: str, *ready: bool) -> Object:
    made = stored(name, version, endpoints=[{"conditions": {"ready": one}} for one in ready])
    made["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    return made


def complaint_of(reason: str, message: str, kind: str, name: str, **more: Any) -> Object:
    about = {"involvedObject": {"kind": kind, "name": name, "uid": f"uid-{name}"}, "reason": reason, "message": message}
    return stored(f"{name}.17", **about, firstTimestamp="2026-11-24T10:00:00Z", lastTimestamp="2026-11-24T11:00:00Z", **more)


def test_an_event_is_dated_by_whatever_its_reporter_wrote():
    plain = decode.complaint(msgspec.convert(complaint_of("R", "m", "Pod", "p"), wire.Event, strict=False))
    assert plain == Complaint(
        namespace="shop", kind="Pod", name="p", uid="uid-p", reason="R", message="m",
        first_time=NOON - timedelta(hours=2), last_time=NOON - timedelta(hours=1),
    )  # fmt: skip
    counted = complaint_of("R", "m", "Pod", "p", series={"count": 7, "lastObservedTime": "2026-11-24T11:59:00.000000Z"})
    assert decode.complaint(msgspec.convert(counted, wire.Event, strict=False)).last_time == NOON - timedelta(minutes=1)
    new = complaint_of("R", "m", "Pod", "p", eventTime="2026-11-24T11:58:00.000000Z") | {"firstTimestamp": None, "lastTimestamp": None}
    assert decode.complaint(msgspec.convert(new, wire.Event, strict=False)).first_time == NOON - timedelta(minutes=2)


# the shelves


async def test_what_is_said_of_claims_and_quotas_stands_beside_them_while_it_is_there(server: StandIn):
    told: list[tuple[str, str, str]] = []
    said = complaint_of("ProvisioningFailed", "no space", "PersistentVolumeClaim", "data")
    text = "exceeded quota: compute, requested: pods=1, used: pods=9, limited: pods=9"
    refused = complaint_of("FailedCreate", text, "ReplicaSet", "web-1")
    server.answers("GET", "/api/v1/persistentvolumeclaims", listed(stored("data")))
    server.answers("GET", "/api/v1/resourcequotas", listed(stored("compute")))
    server.answers("GET", "/api/v1/events", listed(said, refused, complaint_of("FailedCreate", "violates PodSecurity", "ReplicaSet", "web-2")))
    async with running(server) as cache:
        claim, quota = cache.thing("PersistentVolumeClaim", "shop", "data"), cache.thing("ResourceQuota", "shop", "compute")
        assert isinstance(claim, Claim)
        assert isinstance(quota, Quota)
        assert {one.message for one in claim.complaints} == {"no space"}
        assert {one.requested["pods"] for one in quota.refusals} == {"1"}
        selectors = {one.query.get("fieldSelector") for one in server.asked if one.path == "/api/v1/events"}
        assert selectors == {"involvedObject.kind=PersistentVolumeClaim,type=Warning", "reason=FailedCreate"}

        cache.subscribe(on_workload_change=lambda *place: told.append(place))
        server.answers("WATCH", "/api/v1/events", Lines((event("DELETED", said), event("DELETED", refused))))
        server.release()
        await eventually(lambda: {("PersistentVolumeClaim", "shop", "data"), ("ResourceQuota", "shop", "compute")} <= set(told))
        assert cache.thing("PersistentVolumeClaim", "shop", "data") == Claim(namespace="shop", name="data", uid="uid-data")


async def test_a_refusal_of_a_quota_counts_while_the_deployment_says_that_it_lacks_the_pod(server: StandIn):
    told: list[tuple[str, str, str]] = []

    def web(version: str, *conditions: Object) -> Object:
        return stored("web", version, spec={"replicas": 3, "selector": {"matchLabels": {"app": "web"}}}, status={"conditions": list(conditions)})

    text = "exceeded quota: compute, requested: pods=1, used: pods=9, limited: pods=9"
    lacking, another = complaint_of("FailedCreate", text, "ReplicaSet", "web-1"), complaint_of("FailedCreate", text, "StatefulSet", "db")
    server.answers("GET", "/apis/apps/v1/deployments", listed(web("1", condition("ReplicaFailure", reason="FailedCreate", message=text))))
    server.answers("GET", "/apis/apps/v1/replicasets", listed(stored("web-1", owner=("Deployment", "web", "uid-web"))))
    server.answers("GET", "/api/v1/resourcequotas", listed(stored("compute")))
    server.answers("GET", "/api/v1/events", listed(lacking, another))
    async with running(server) as cache:

        def refused() -> set[str]:
            quota = cache.thing("ResourceQuota", "shop", "compute")
            assert isinstance(quota, Quota)
            return {one.name for one in quota.refusals}

        assert refused() == {"web-1", "db"}
        cache.subscribe(on_workload_change=lambda *place: told.append(place))
        server.answers("WATCH", "/apis/apps/v1/deployments", Lines((event("MODIFIED", web("2")),)))
        server.release()
        await eventually(lambda: ("ResourceQuota", "shop", "compute") in told)
        assert refused() == {"db"}, "it has the pod by now; of another controller that is not known"


async def test_the_endpoints_of_a_service_are_summed_over_its_slices(server: StandIn):
    told: list[tuple[str, str, str]] = []
    server.answers("GET", "/api/v1/services", listed(stored("web", spec={"selector": {"app": "web"}})))
    slices = "/apis/discovery.k8s.io/v1/endpointslices"
    server.answers("GET", slices, listed(slice_of("web-a", "1", True, False), slice_of("web-b", "1", True)))
    idle = stored("web", spec={"replicas": 0, "selector": {"matchLabels": {"app": "web", "tier": "x"}}})
    server.answers("GET", "/apis/apps/v1/deployments", listed(idle))
    async with running(server) as cache:

        def sums() -> tuple[int, int, bool]:
            one = cache.thing("Service", "shop", "web")
            assert isinstance(one, Service)
            return one.ready_endpoints, one.other_endpoints, one.scaled_to_zero

        assert sums() == (2, 1, False)
        cache.subscribe(on_workload_change=lambda *place: told.append(place))
        moved = event("MODIFIED", slice_of("web-a", "101", False, True))
        lines = (moved, event("MODIFIED", slice_of("web-a", "102", False)), event("DELETED", slice_of("web-b", "103", True)))
        server.answers("WATCH", slices, Lines(lines))
        server.release()
        await eventually(lambda: len(told) == 2)
        assert told == [("Service", "shop", "web")] * 2, "who is behind a number does not count"
        assert sums() == (0, 1, True)
        assert cache.services("shop") == [cache.thing("Service", "shop", "web")]
        assert cache.services("other") == []


async def test_a_namespace_is_a_thing_while_it_goes(server: StandIn):
    there, goes = stored("shop"), stored("old", spec={"finalizers": ["kubernetes"]}, status={"conditions": [condition("ContentRemaining")]})
    goes["metadata"] |= {"deletionTimestamp": "2026-11-24T11:00:00Z", "finalizers": ["x.io/y"]}
    for one in (there, goes):
        one["metadata"].pop("namespace")
    server.answers("GET", "/api/v1/namespaces", listed(there, goes))
    async with running(server) as cache:
        assert cache.thing("Namespace", "", "shop") is None
        going = cache.thing("Namespace", "", "old")
        assert isinstance(going, Space)
        assert (going.finalizers, [one.type for one in going.conditions]) == (("x.io/y", "kubernetes"), ["ContentRemaining"])
        assert going in list(cache.things())
        assert cache.sees("Namespace", "", NOON)


async def test_a_namespace_that_goes_is_a_thing_only_where_it_is_watched(server: StandIn):
    for space in ("shop", "prunella-system"):
        for resource in (one for one in (*FOREIGN, *THINGS, *OWN, EVENT) if one.namespaced):
            path = resource.call("list", namespace=space).path
            server.answers("GET", path, listed())
            server.answers("WATCH", path, Lines())
    goes = {"resourceVersion": "1", "deletionTimestamp": "2026-11-24T11:00:00Z"}
    ours, theirs = ({"metadata": {**goes, "name": name, "uid": name}, "spec": {"finalizers": ["kubernetes"]}} for name in ("shop", "theirs"))
    server.answers("GET", "/api/v1/namespaces", listed(ours, theirs))
    async with running(server, ("shop",)) as cache:
        assert cache.thing("Namespace", "", "theirs") is None
        assert [one.name for one in cache.things() if isinstance(one, Space)] == ["shop"]
        assert cache.thing("Namespace", "", "shop") is not None


async def test_an_autoscaler_is_a_thing_as_well(server: StandIn):
    scaled = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 5}
    conditions = [condition("ScalingActive"), condition("ScalingLimited", reason="TooManyReplicas")]
    one = stored("web", spec=scaled, status={"currentReplicas": 5, "conditions": conditions})
    server.answers("GET", "/apis/autoscaling/v2/horizontalpodautoscalers", listed(one))
    async with running(server) as cache:
        thing = cache.thing("HorizontalPodAutoscaler", "shop", "web")
        assert isinstance(thing, AutoscalerFacts)
        assert thing.limited is not None
        assert (thing.least, thing.most, thing.current, thing.limited.reason, thing.inactive) == (2, 5, 5, "TooManyReplicas", None)
        assert cache.sees("HorizontalPodAutoscaler", "shop", NOON)
        assert list(cache.autoscalers("shop")) == [thing]


async def test_a_cron_job_has_its_runs_and_a_failed_job_its_pods(server: StandIn):
    failed = stored("backup-1", owner=("CronJob", "backup", "uid-backup"), status={"conditions": [condition("Failed")]})
    server.answers("GET", JOBS, listed(failed, stored("other")))
    server.answers("GET", CRON_JOBS, listed(stored("backup")))
    server.answers("GET", "/api/v1/pods", listed(stored("backup-1-x", owner=("Job", "backup-1", "uid-backup-1"))))
    async with running(server) as cache:
        cron, job = cache.thing("CronJob", "shop", "backup"), cache.thing("Job", "shop", "backup-1")
        assert isinstance(cron, CronJob)
        assert isinstance(job, Job)
        assert [one.name for one in cron.jobs] == ["backup-1"]
        assert [one.name for one in job.pods] == ["backup-1-x"]
        assert cron.jobs == (job,)
        assert {one.name for one in cache.things()} == {"backup", "backup-1", "other"}
        assert cache.thing("Job", "shop", "gone") is None
        assert cache.sees("Job", "shop", NOON)
        assert not cache.sees("Job", "shop", NOON + timedelta(seconds=91))


async def test_what_changed_for_nobody_is_told_to_nobody(server: StandIn):
    told: list[tuple[str, str, str]] = []
    own = ("CronJob", "backup", "uid-backup")
    server.answers("GET", JOBS, listed(stored("backup-1", owner=own)))
    async with running(server) as cache:
        cache.subscribe(on_workload_change=lambda *place: told.append(place))
        busy = stored("backup-1", "101", owner=own, status={"active": 2})
        failed = stored("backup-1", "102", owner=own, status={"conditions": [condition("Failed")]})
        server.answers("WATCH", JOBS, Lines((event("MODIFIED", busy), event("MODIFIED", failed))))
        server.release()
        await eventually(lambda: len(told) == 2)
        assert told == [("Job", "shop", "backup-1"), ("CronJob", "shop", "backup")]


@pytest.mark.parametrize(
    ("answer", "level"), [(refusal(403, "Forbidden"), "WARNING"), (refusal(404, "NotFound"), "INFO")], ids=["no right", "not served"]
)
async def test_a_kind_that_cannot_be_had_is_said_once_and_the_rest_goes_on(server: StandIn, caplog: pytest.LogCaptureFixture, answer, level):
    """As loudly as somebody may miss it: who has not installed cert-manager has no Certificates."""
    caplog.set_level("INFO")
    server.answers("GET", JOBS, answer)
    async with running(server) as cache:
        await eventually(lambda: server.count("GET", JOBS) > 2)
        assert cache.synced()
        assert list(cache.silent_kinds(NOON)) == []
        assert not cache.sees("Job", "shop", NOON)
        assert not cache.sees("CronJob", "shop", NOON), "what its runs did can't be told"
        said = [one for one in caplog.records if "is not watched" in one.message]
        assert [(one.kind, one.resource, one.levelname) for one in said] == [("Job", "jobs.batch", level)]

        server.answers("GET", JOBS, listed(stored("backup-1")))
        await eventually(lambda: cache.sees("Job", "shop", NOON))
        assert cache.thing("Job", "shop", "backup-1") is not None


async def test_a_kind_that_only_fails_does_not_keep_the_rest_from_starting_either(server: StandIn):
    server.answers("GET", JOBS, refusal(500, "InternalError"))
    async with running(server) as cache:
        assert cache.synced()
        assert not cache.sees("Job", "shop", NOON)
        assert cache.sees("Node", "", NOON)
        server.answers("GET", JOBS, listed())
        await eventually(lambda: cache.sees("Job", "shop", NOON))


async def test_a_right_that_is_taken_away_makes_the_kind_unknown(server: StandIn):
    server.answers("GET", JOBS, listed(stored("backup-1")))
    server.answers("WATCH", JOBS, Lines(then="end"), refusal(403, "Forbidden"))
    async with running(server) as cache:
        await eventually(lambda: not cache.sees("Job", "shop", NOON))
        assert cache.synced()


@pytest.mark.parametrize(
    ("said", "kubelet", "counts"),
    [
        ("11:45:00", "12:00:00", True),
        ("11:44:59", "12:00:00", False),
        ("12:00:00", "09:00:00", True),
        ("", "12:00:00", True),
        ("09:00:00", "", True),
    ],
    ids=["said lately", "not said any more", "the kubelet is silent", "by somebody who gives no time", "by a kubelet that gives none"],
)
def test_a_fault_that_nobody_says_any_more_while_the_kubelet_goes_on_is_none(said, kubelet, counts):
    conditions = [condition("Ready"), condition("NTPProblem")]
    for one, time in zip(conditions, (kubelet, said), strict=True):
        one.update({"lastHeartbeatTime": f"2026-11-24T{time}Z"} if time else {})
    read = decode.node(msgspec.convert(stored("n1", status={"conditions": conditions}), wire.Node, strict=False))
    assert [one.type for one in read.faults] == (["NTPProblem"] if counts else [])


def test_whatever_a_step_is_for_can_be_read_live():
    meant = {kind for one in registry.KINDS.values() for kind in one.kinds} - WORKLOADS - ANY
    assert meant - OF_THING.keys() == set()
    assert "Certificate" in meant
