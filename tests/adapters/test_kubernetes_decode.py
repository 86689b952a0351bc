"""From JSON to facts: what the detectors see is what the kubelet and the controllers said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from prunella.adapters.kubernetes import watched
from prunella.adapters.kubernetes.reads import selector_text
from prunella.adapters.kubernetes.watched import Watched
from prunella.adapters.kubernetes.wire_workload import Requirement, Selector
from prunella.core import configs, facts
from prunella.core.demands import Demands
from prunella.core.subject import Owner
from prunella.core.things.autoscaler import AutoscalerFacts

STAMP = "2026-11-24T09:41:07Z"
INSTANT = datetime(2026, 11, 24, 9, 41, 7, tzinfo=UTC)
Object = dict[str, Any]


def read(kind: Watched[Any], made: Object) -> Any:
    type_, seen = kind.event(json.dumps({"type": "ADDED", "object": made}).encode())
    page, _, _ = kind.page(json.dumps({"metadata": {"resourceVersion": "9"}, "items": [made]}).encode())
    assert type_ == "ADDED"
    assert page == [seen], "a list and a watch say the same"
    return seen.value


def meta(**more: Any) -> Object:
    return {"namespace": "shop", "name": "web", "uid": "u-1", "resourceVersion": "7", "creationTimestamp": STAMP, **more}


def owned_by(kind: str, name: str = "web", uid: str = "u-0", *, controller: bool = True) -> list[Object]:
    other = {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "u-x"}
    return [other, {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": controller}]


def crashing_pod() -> Object:
    terminated = {"exitCode": 1, "reason": "Error", "message": "FATAL", "startedAt": STAMP, "finishedAt": STAMP, "containerID": "x"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(labels={"app": "web", "pod-template-hash": "6d4cf56db6"}, ownerReferences=owned_by("ReplicaSet", "web-6d4cf56db6")),
        "spec": {
            "nodeName": "node-1",
            "initContainers": [{"name": "wait", "image": "w"}, {"name": "proxy", "image": "p", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": "web:v2", "env": [{"name": "A", "value": "b"}]}],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": STAMP},
                {"type": "Ready", "status": "False", "lastTransitionTime": STAMP, "reason": "ContainersNotReady"},
            ],
            "initContainerStatuses": [
                {"name": "wait", "ready": True, "restartCount": 0, "image": "w", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                {"name": "proxy", "ready": True, "restartCount": 0, "image": "p", "state": {"running": {"startedAt": STAMP}}},
            ],
            "containerStatuses": [
                {
                    "name": "app",
                    "ready": False,
                    "restartCount": 3,
                    "image": "web:v2",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": {"terminated": terminated},
                }
            ],
        },
    }


def test_a_crashing_pod_keeps_what_a_detector_asks_for():
    pod = read(watched.PODS, crashing_pod())

    assert pod == facts.Pod(
        namespace="shop",
        name="web",
        uid="u-1",
        resource_version="7",
        owner_uid="u-0",
        owner_kind="ReplicaSet",
        owner_name="web-6d4cf56db6",
        revision="6d4cf56db6",
        phase="Running",
        ready=False,
        ready_since=INSTANT,
        created_time=INSTANT,
        node="node-1",
        containers=(
            facts.Container(name="wait", init=True, ready=True, image="w", terminated=facts.Termination(exit_code=0, reason="Completed")),
            facts.Container(name="proxy", init=True, sidecar=True, ready=True, image="p", running_since=INSTANT),
            facts.Container(
                name="app",
                restarts=3,
                image="web:v2",
                waiting_reason="CrashLoopBackOff",
                waiting_message="back-off 10s",
                last_terminated=facts.Termination(exit_code=1, reason="Error", message="FATAL", started_time=INSTANT, finished_time=INSTANT),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"metadata": meta(deletionTimestamp=STAMP)}, "deleting", True),
        ({"metadata": meta(deletionTimestamp=STAMP)}, "deletion_time", INSTANT),
        ({"metadata": meta(deletionTimestamp=STAMP, finalizers=["x.io/y"])}, "finalizers", ("x.io/y",)),
        ({"metadata": meta(finalizers=["x.io/y"])}, "finalizers", ()),
        ({"metadata": meta(labels={"controller-revision-hash": "db-5f6c"})}, "revision", "db-5f6c"),
        ({"metadata": meta(ownerReferences=owned_by("ReplicaSet", controller=False))}, "owner_uid", ""),
        ({"metadata": meta()}, "owner_kind", ""),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "status_reason", "Evicted"),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]}}, "scheduled", False),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes"}]}}, "unschedulable_message", "0/2 nodes"),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "True", "message": "x"}]}}, "unschedulable_message", ""),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}, "unscheduled_reason", "Unschedulable"),
        (
            {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}},
            "unscheduled_reason",
            "SchedulingGated",
        ),
        ({"status": {"conditions": [{"type": "PodScheduled", "status": "True", "reason": "x"}]}}, "unscheduled_reason", ""),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "ready", True),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, "ready", False),
        ({"status": {}}, "containers", ()),
        ({"status": {"conditions": None, "containerStatuses": None}}, "containers", ()),
    ],
)
def test_a_pod_in_other_states(change: Object, field: str, value: object):
    assert getattr(read(watched.PODS, {**crashing_pod(), **change}), field) == value


def template(**more: Any) -> Object:
    return {"metadata": {"labels": {"app": "web"}, **more}, "spec": {"containers": [{"name": "app", "image": "web:v2"}]}}


def workload(spec: Object | None = None, status: Object | None = None, **more: Any) -> Object:
    known = {"selector": {"matchLabels": {"app": "web"}}, "template": template()}
    return {"metadata": meta(generation=4, **more), "spec": {**known, **(spec or {})}, "status": status or {}}


def test_a_deployment_keeps_its_counts_conditions_and_owner():
    condition = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "m",
        "lastTransitionTime": STAMP,
        "lastUpdateTime": STAMP,
    }
    made = workload(
        {
            "replicas": 3,
            "paused": True,
            "minReadySeconds": 5,
            "progressDeadlineSeconds": 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        },
        {"observedGeneration": 3, "replicas": 4, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2, "conditions": [condition]},
        labels={"app": "web", "kustomize.toolkit.fluxcd.io/name": "shop"},
        annotations={
            "prunella.dev/mode": "Observe",
            "kubectl.kubernetes.io/last-applied-configuration": "{…}",
            "argocd.argoproj.io/tracking-id": "t",
        },
        ownerReferences=owned_by("Rollout", "web"),
    )

    found = read(watched.DEPLOYMENTS, made)

    assert found == facts.Workload(
        kind="Deployment",
        namespace="shop",
        name="web",
        uid="u-1",
        resource_version="7",
        generation=4,
        observed_generation=3,
        created_time=INSTANT,
        desired=3,
        updated=1,
        ready=2,
        available=2,
        paused=True,
        labels={"app": "web", "kustomize.toolkit.fluxcd.io/name": "shop"},
        annotations={"prunella.dev/mode": "Observe", "argocd.argoproj.io/tracking-id": "t"},
        selector={"app": "web"},
        owner=Owner(api_version="apps/v1", kind="Rollout", name="web"),
        conditions=(
            facts.WorkloadCondition(
                type="Progressing",
                status="False",
                reason="ProgressDeadlineExceeded",
                message="m",
                last_transition_time=INSTANT,
                last_update_time=INSTANT,
            ),
        ),
        strategy="RollingUpdate",
        min_ready_seconds=5,
        progress_deadline_seconds=60,
    )


def wrote(manager: str, time: str = STAMP, *, fields: str = "f:replicas") -> Object:
    """An entry of managedFields, as the API server stores it."""
    entry = {"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "time": time, "fieldsType": "FieldsV1"}
    return {**entry, "fieldsV1": {"f:spec": {fields: {}}}}


EARLIER = "2026-11-24T09:00:00Z"


@pytest.mark.parametrize(
    ("replicas", "written", "by"),
    [
        (0, [wrote("helm", EARLIER), wrote("kubectl-edit")], ("kubectl-edit", INSTANT)),
        (0, [wrote("kubectl-edit"), wrote("helm", EARLIER), wrote("kube-controller-manager", fields="f:template")], ("kubectl-edit", INSTANT)),
        (0, [wrote("helm", fields="f:template")], ("", None)),
        (0, [{"manager": "odd"}, wrote("kubectl") | {"time": None}], ("kubectl", None)),
        (0, [{"manager": "odd", "fieldsV1": {"f:spec": 7}}], ("", None)),
        (0, None, ("", None)),
        (1, [wrote("kubectl-edit")], ("", None)),
    ],
    ids=["the last of two", "in any order", "nobody, as after kubectl scale", "undated", "unreadable", "none are kept", "it wants pods"],
)
def test_who_scaled_a_workload_to_zero_is_read_where_it_was(replicas, written, by):
    made = workload({"replicas": replicas}, managedFields=written) if written is not None else workload({"replicas": replicas})
    found = read(watched.DEPLOYMENTS, made)
    assert (found.zeroed_by, found.zeroed_time) == by


def test_what_a_stateful_set_adds():
    made = workload(
        {"replicas": 2, "podManagementPolicy": "OrderedReady", "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}},
        {"currentRevision": "db-1", "updateRevision": "db-2", "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
    )
    found = read(watched.STATEFUL_SETS, made)
    assert (found.kind, found.desired, found.partition, found.pod_management) == ("StatefulSet", 2, 1, "OrderedReady")
    assert (found.current_revision, found.update_revision) == ("db-1", "db-2")


def test_a_daemon_set_counts_by_nodes():
    status = {"desiredNumberScheduled": 5, "updatedNumberScheduled": 4, "numberReady": 3, "numberAvailable": 2}
    found = read(watched.DAEMON_SETS, workload({"updateStrategy": {"type": "OnDelete"}}, status))
    assert (found.desired, found.updated, found.ready, found.available, found.strategy) == (5, 4, 3, 2, "OnDelete")


@pytest.mark.parametrize(("replicas", "desired"), [({}, 1), ({"replicas": 0}, 0), ({"replicas": 7}, 7)])
def test_replicas_that_are_not_said_are_one(replicas: Object, desired: int):
    assert read(watched.DEPLOYMENTS, workload(replicas)).desired == desired


@pytest.mark.parametrize(
    ("containers", "sidecars", "seconds"),
    [
        ([{}], [], 0),
        ([{"readinessProbe": {}}], [], 30),
        ([{"readinessProbe": {"initialDelaySeconds": 5, "periodSeconds": 2, "failureThreshold": 4}}], [], 13),
        ([{"startupProbe": {"periodSeconds": 1, "failureThreshold": 60}, "readinessProbe": {"periodSeconds": 5}}], [], 75),
        ([{"readinessProbe": {"periodSeconds": 1}}, {"readinessProbe": {"periodSeconds": 20}}], [], 60),
        ([{}], [{"restartPolicy": "Always", "startupProbe": {"periodSeconds": 10, "failureThreshold": 12}}], 120),
        ([{}], [{"startupProbe": {"periodSeconds": 10, "failureThreshold": 12}}], 0),
    ],
    ids=["no probe", "defaults", "readiness", "startup and readiness", "the longest container", "a sidecar", "a plain init container"],
)
def test_how_long_the_probes_allow_until_ready(containers: list[Object], sidecars: list[Object], seconds: int):
    made = workload({"template": {"spec": {"containers": containers, "initContainers": sidecars}}})
    assert read(watched.DEPLOYMENTS, made).probe_budget_seconds == seconds


@pytest.mark.parametrize(
    ("container", "kills"),
    [
        ({}, {}),
        ({"readinessProbe": {"periodSeconds": 1}}, {}),
        ({"livenessProbe": {}}, {"app": 20}),
        ({"livenessProbe": {"initialDelaySeconds": 15, "periodSeconds": 5, "failureThreshold": 1}}, {"app": 15}),
        ({"livenessProbe": {"initialDelaySeconds": 60}, "startupProbe": {"periodSeconds": 1, "failureThreshold": 30}}, {"app": 29}),
    ],
    ids=["no probe", "readiness ends nothing", "defaults", "one failure is enough", "the sooner of two"],
)
def test_how_soon_a_failed_probe_can_end_a_container(container: Object, kills: dict[str, int]):
    sidecar = {"name": "proxy", "restartPolicy": "Always", "livenessProbe": {"periodSeconds": 2}}
    spec = {"containers": [{"name": "app", **container}], "initContainers": [sidecar, {"name": "init", "livenessProbe": {}}]}
    assert read(watched.DEPLOYMENTS, workload({"template": {"spec": spec}})).probe_kills == {"proxy": 4, **kills}


@pytest.mark.parametrize(("value", "irreversible"), [("true", True), ("false", False), ("yes", False), (None, False)])
def test_only_true_means_irreversible(value: str | None, irreversible: bool):
    annotations = {"prunella.dev/irreversible": value} if value else {"other": "true"}
    made = workload({"template": template(annotations=annotations)})
    assert read(watched.DEPLOYMENTS, made).template_irreversible is irreversible
    set_ = {"metadata": meta(), "spec": {"template": template(annotations=annotations)}}
    assert read(watched.REPLICA_SETS, set_).irreversible is irreversible


@pytest.mark.parametrize(
    ("annotation", "number"), [("15", 15), ("", 0), ("x", 0), ("-1", 0), ("9" * 5000, 0), ("²", 0), (None, 0)], ids=lambda value: str(value)[:6]
)
def test_a_replica_set_is_a_revision_of_its_deployment(annotation: str | None, number: int):
    made = {
        "metadata": meta(
            name="web-6d4c",
            labels={"app": "web", "pod-template-hash": "6d4c"},
            annotations={"deployment.kubernetes.io/revision": annotation} if annotation is not None else None,
            ownerReferences=owned_by("Deployment"),
        ),
        "spec": {"replicas": 2, "template": template()},
    }
    found = read(watched.REPLICA_SETS, made)
    assert (found.owner_uid, found.hash, found.number, found.replicas, found.images) == ("u-0", "6d4c", number, 2, ("web:v2",))


def test_a_replica_set_without_a_deployment_is_nobodys_revision():
    made = {"metadata": meta(ownerReferences=owned_by("Rollout")), "spec": {"template": template()}}
    assert read(watched.REPLICA_SETS, made).owner_uid == ""


@pytest.mark.parametrize(("kind", "hash_"), [("StatefulSet", "db-5f6c"), ("DaemonSet", "5f6c")], ids=["by its full name", "by the bare hash"])
def test_a_controller_revision_has_the_hash_that_its_pods_bear(kind: str, hash_: str):
    patch = {"spec": {"template": {"$patch": "replace", **template(annotations={"prunella.dev/irreversible": "true"})}}}
    made = {
        "metadata": meta(name="db-5f6c", labels={"controller-revision-hash": "5f6c"}, ownerReferences=owned_by(kind, "db")),
        "revision": 3,
        "data": patch,
    }
    found = read(watched.CONTROLLER_REVISIONS, made)
    assert (found.hash, found.number, found.images, found.irreversible, found.owner_uid) == (hash_, 3, ("web:v2",), True, "u-0")


@pytest.mark.parametrize("data", [None, 7, "text", [], {"spec": "none"}, {"spec": {"template": {"spec": {"containers": {}}}}}])
@pytest.mark.parametrize("kind", ["StatefulSet", "VirtualMachine"])
def test_the_data_of_a_controller_revision_may_be_anything(kind: str, data: object):
    found = read(watched.CONTROLLER_REVISIONS, {"metadata": meta(ownerReferences=owned_by(kind)), "revision": 1, "data": data})
    assert found.images == ()
    assert bool(found.owner_uid) == (kind == "StatefulSet")


NAMES_IT = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}}


@pytest.mark.parametrize(
    ("container", "wanted"),
    [
        ({}, set()),
        ({"env": [{"name": "A", "value": "configmap/x"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}, set()),
        ({"env": [NAMES_IT]}, {"configmap/settings", "configmap/settings/mode"}),
        ({"env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]}, {"secret/db", "secret/db/password"}),
        ({"volumeMounts": [{"name": "v", "mountPath": "/etc"}, {"name": "w", "mountPath": "/x", "subPath": "x"}]}, {"volume/a", "part/b", "part/c"}),
        (
            {"envFrom": [{"prefix": "X_", "configMapRef": {"name": "all"}}, {"secretRef": {"name": "keys", "optional": True}}]},
            {"configmap/all", "secret/keys"},
        ),
    ],
    ids=["nothing", "plain values", "a key of a ConfigMap", "a key of a Secret", "volumes", "all of them"],
)
@pytest.mark.parametrize("list_", ["containers", "initContainers"])
def test_a_revision_knows_what_its_environment_is_taken_from(container: Object, wanted: set[str], list_: str):
    projected = {"projected": {"sources": [{"configMap": {"name": "b"}}, {"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}}
    volumes = [{"name": "v", "configMap": {"name": "a"}}, {"name": "w", **projected}, {"name": "x", "secret": {"secretName": "s"}}]
    spec = {"containers": [], list_: [{"name": "app", "image": "web:v2", **container}]}
    pod_template = {"spec": {**spec, **({"volumes": volumes} if "volumeMounts" in container else {})}}
    assert configs.in_template(pod_template) == {one.split("/")[1] for one in wanted if not one.startswith("secret/")}
    made = {"metadata": meta(ownerReferences=owned_by("Deployment")), "spec": {"template": pod_template}}
    assert read(watched.REPLICA_SETS, made).references == wanted
    kept = {"metadata": meta(ownerReferences=owned_by("DaemonSet")), "revision": 1, "data": {"spec": {"template": pod_template}}}
    assert read(watched.CONTROLLER_REVISIONS, kept).references == wanted


def demanded(**spec: object) -> Demands:
    """What is kept of a revision with that in its template, the same from a ReplicaSet and from a ControllerRevision."""
    template = {"spec": {"containers": [{"name": "app"}], **spec}}
    made = {"metadata": meta(ownerReferences=owned_by("Deployment")), "spec": {"template": template}}
    kept = {"metadata": meta(ownerReferences=owned_by("StatefulSet")), "revision": 1, "data": {"spec": {"template": template}}}
    found: Demands = read(watched.REPLICA_SETS, made).demands
    assert read(watched.CONTROLLER_REVISIONS, kept).demands == found
    return found


REQUIRED, PREFERRED = ({f"{word}DuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]} for word in ("required", "preferred"))


def test_a_template_that_says_nothing_asks_for_the_default_account_and_for_nothing_else():
    said = demanded(nodeSelector={}, affinity={}, tolerations=[], securityContext={}, topologySpreadConstraints=None)
    assert (said.account, said.node_selector, said.selection, said.tolerations) == ("default", (), "", "")
    assert said == demanded() == demanded(serviceAccountName="default")


def test_the_labels_that_a_node_must_have_are_kept_as_they_are_whatever_their_order():
    assert demanded(nodeSelector={"zone": "b", "disk": "fast"}).node_selector == (("disk", "fast"), ("zone", "b"))


@pytest.mark.parametrize(
    ("part", "spec"),
    [
        ("account", {"serviceAccountName": "builder"}),
        ("selection", {"nodeSelector": {"disk": "fast"}}),
        ("selection", {"affinity": {"nodeAffinity": REQUIRED}}),
        ("selection", {"affinity": {"podAffinity": REQUIRED}}),
        ("selection", {"affinity": {"podAntiAffinity": REQUIRED}}),
        ("selection", {"topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]}),
        ("tolerations", {"tolerations": [{"key": "team", "operator": "Exists"}]}),
        ("privileges", {"hostNetwork": True}),
        ("privileges", {"hostPID": True}),
        ("privileges", {"hostIPC": True}),
        ("privileges", {"securityContext": {"runAsUser": 0}}),
        ("privileges", {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}),
        ("privileges", {"containers": [{"name": "app", "securityContext": {"privileged": True}}]}),
        ("privileges", {"containers": [{"name": "app", "ports": [{"containerPort": 80, "hostPort": 80}]}]}),
        ("privileges", {"containers": [{"name": "app"}, {"name": "helper"}]}),
        ("privileges", {"initContainers": [{"name": "first"}]}),
    ],
)
def test_what_a_template_asks_for_is_told_from_what_it_asked_for_before(part: str, spec: Object):
    usual, said = demanded(), demanded(**spec)
    changed = [name for name in ("account", "selection", "tolerations", "privileges") if getattr(said, name) != getattr(usual, name)]
    assert changed == [part]


@pytest.mark.parametrize(
    "spec",
    [
        {"affinity": {"nodeAffinity": PREFERRED, "podAntiAffinity": PREFERRED}},
        {"topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}]},
        {"containers": [{"name": "other", "image": "web:v2", "ports": [{"containerPort": 80}], "securityContext": {}}]},
        {"volumes": [{"name": "cache", "emptyDir": {}}], "priorityClassName": "low"},
    ],
    ids=["only preferred", "spread if it can be", "another image", "a volume of its own"],
)
def test_what_keeps_no_pod_away_is_nothing_that_is_asked_for(spec: Object):
    assert demanded(**spec) == demanded()


def test_the_order_in_which_a_template_is_written_does_not_matter():
    one, other = ({"nodeSelector": dict(pairs)} for pairs in ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]))
    assert demanded(**one) == demanded(**other)


def test_namespaces_and_autoscalers():
    space = {"metadata": {"name": "shop", "labels": {"prunella.dev/mode": "Auto"}, "deletionTimestamp": STAMP}}
    going = read(watched.NAMESPACES, space)
    assert (going.name, going.labels, going.deleting) == ("shop", {"prunella.dev/mode": "Auto"}, True)
    assert (going.going.deletion_time, going.going.finalizers) == (datetime.fromisoformat(STAMP), ())
    there = {"metadata": {"name": "shop"}, "spec": {"finalizers": ["kubernetes"]}}
    assert read(watched.NAMESPACES, there) == facts.NamespaceFacts(name="shop")
    scaler = {"metadata": meta(), "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 5}}
    aim = {"target_kind": "Deployment", "target_name": "web", "least": 1, "most": 5}
    wanted = AutoscalerFacts(namespace="shop", name="web", uid="u-1", created_time=datetime.fromisoformat(STAMP), **aim)
    assert read(watched.AUTOSCALERS, scaler) == wanted


def test_strings_that_repeat_are_kept_once():
    one, two = read(watched.PODS, crashing_pod()), read(watched.PODS, crashing_pod())
    for field in ("namespace", "owner_uid", "owner_name", "revision", "phase", "node"):
        assert getattr(one, field) is getattr(two, field)
    assert one.containers[2].image is two.containers[2].image


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (Selector(match_labels={"app": "web", "tier": "front"}), "app=web,tier=front"),
        (Selector(match_expressions=[Requirement("env", "In", ["a", "b"]), Requirement("x", "NotIn", ["c"])]), "env in (a,b),x notin (c)"),
        (Selector(match_labels={"a": "b"}, match_expressions=[Requirement("c", "Exists"), Requirement("d", "DoesNotExist")]), "a=b,c,!d"),
    ],
)
def test_a_selector_as_a_query(selector: Selector, text: str):
    assert selector_text(selector) == text
