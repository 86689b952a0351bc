"""What no rollout brought is found, named and left to people: a page, at most a question, no write, and an end by itself once it is mended.

A revision younger than half an hour is taken for the cause of what its pods do, and no scenario waits for so long. So what an old revision's pods
do is shown by a StatefulSet whose update somebody stages: the pods below its partition stay on the revision before. That a failed liveness probe
kills containers of a revision that is old can't be shown this way, for the template tells the probes of the newest revision alone.

In each of them fewer than half of the pods are hurt, so that it is no P1, which would have to be calm for ten minutes.
"""

from __future__ import annotations

import pytest
from tests.harness import story, table, to_people, whole, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, revision_of
from tests.harness.installation import kubectl
from tests.harness.instants import now
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900, func_only=True)]

PARTITION = 2
HUNGRY = ["sh", "-c", f"httpd -p 8080 -h /www; while ! test -e {workloads.SWITCH}; do sleep 0.2; done; x=$(head -c 200000000 /dev/zero | tr '\\0' a)"]
"""Serves until somebody touches the switch, then takes memory until it is killed. As process 1, so that it is told as OOMKilled."""
SETTLED = ["sh", "-c", "test -e /settings/ready || { echo 'the schema is not there' >&2; exit 4; }"]


def switched(namespace: str, name: str, command: list[str], **app: object) -> Object:
    """A StatefulSet of three whose pods have a switch."""
    pod = workloads.template(name, workloads.container(command=command, **app), volumes=[{"name": "switch", "emptyDir": {}}])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "switch", "mountPath": "/switch"}]
    return workloads.workload("StatefulSet", name, namespace, pod, replicas=3)


def staged(arena: Arena, made: Object) -> None:
    """Roll the next version out to the highest pod alone, and wait until it is ready."""
    name = made["metadata"]["name"]
    before = {pod["metadata"]["name"]: revision_of(pod) for pod in arena.pods(name)}
    made = workloads.respun(made, "2")
    made["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": PARTITION}}
    arena.kubectl_apply(made)

    def canary() -> bool:
        pod = next((one for one in arena.pods(name) if one["metadata"]["name"] == f"{name}-{PARTITION}"), None)
        if pod is None or revision_of(pod) == before[f"{name}-{PARTITION}"]:
            return False
        return ready(pod)

    wait_for(canary, 60, "the highest pod runs the next version", seen=lambda: arena.pods_in_words(name))


def ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", []))


def finish(arena: Arena, name: str) -> None:
    """Replace the broken pod by hand, for its controller would wait for it; and once it serves again let the staged update go on, pod by pod."""
    broken = arena.api.get("Pod", f"{name}-0", arena.namespace)["metadata"]["uid"]
    kubectl("delete", "pod", f"{name}-0", "-n", arena.namespace, "--wait=false")

    def serves() -> bool:
        made = next((one for one in arena.pods(name) if one["metadata"]["name"] == f"{name}-0"), None)
        return made is not None and made["metadata"]["uid"] != broken and ready(made)

    wait_for(serves, 60, "the pod was replaced", seen=lambda: arena.pods_in_words(name))
    arena.api.patch("StatefulSet", name, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}, arena.namespace)


def touch(arena: Arena, pod: str) -> None:
    kubectl("exec", "-n", arena.namespace, pod, "--", "touch", workloads.SWITCH)


def test_memory_that_runs_out_without_a_rollout_is_told_and_nothing_is_restarted(arena):
    to_people.pages_soon(arena)
    limits = {"limits": {"memory": "64Mi"}, "requests": {"memory": "16Mi"}}
    made = switched(arena.namespace, "hungry", HUNGRY, resources=limits)
    arena.start(made)
    staged(arena, made)
    instant = now()
    touch(arena, "hungry-0")
    incident = to_people.found(
        arena, "hungry", "OutOfMemory", name="out of memory, no rollout", says="OOMKilled", since=instant, seconds=300, reason=to_people.ASKS
    )
    assert incident["status"]["summary"].startswith("hungry: pod hungry-0 runs out of memory")
    mended = now()
    finish(arena, "hungry")
    to_people.over_by_itself(arena, incident, mended, name="out of memory, no rollout")


def test_a_crash_loop_that_no_rollout_brought_is_told_with_the_restart_that_would_be_made(arena):
    to_people.pages_soon(arena)
    made = switched(arena.namespace, "spent", workloads.SWITCHED)
    arena.start(made)
    staged(arena, made)
    instant = now()
    touch(arena, "spent-0")
    incident = story.left_alone(arena, "spent", "ModeSuggest", name="crash loop, no rollout", cause="CrashLoop", seconds=400, since=instant)
    newest = arena.api.get("StatefulSet", "spent", arena.namespace)["status"]["updateRevision"]
    assert incident["status"].get("accusedRevision") != newest, "the rollout has no part in it"
    assert "restart the pods of sts/spent" in condition(incident, "RemediationAllowed")["message"]

    def outcomes() -> list[str | None]:
        return [one.get("status", {}).get("outcome") for one in arena.remediations(incident)]

    wait_for(lambda: None not in outcomes(), 10, "what was suggested has its status", seen=outcomes)
    assert set(outcomes()) <= {"Simulated"}


def test_a_rollout_whose_pods_admission_refuses_for_what_it_did_not_bring_is_told_in_its_words(arena):
    """A namespace became strict while a workload ran that it would refuse: the revision before would be refused as well."""
    to_people.pages_soon(arena)
    made = workloads.with_pod_spec(workloads.deployment("strict", arena.namespace), hostIPC=True)
    arena.start(made)
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    arena.api.patch("Namespace", arena.namespace, {"metadata": {"labels": labels}})
    instant = arena.roll_out(workloads.respun(made, "2"))
    says = "violates PodSecurity"
    to_people.found(arena, "strict", "ReplicaCreationFailed", name="admission refuses pods", says=says, since=instant, seconds=180)


def test_an_init_container_whose_dependency_is_gone_is_told(arena):
    to_people.pages_soon(arena)
    arena.api.apply(workloads.config_map("schema", arena.namespace, ready="1"))
    init = workloads.container(command=SETTLED, name="wait", readinessProbe=None, volumeMounts=[{"name": "settings", "mountPath": "/settings"}])
    pod = workloads.template("waiter", workloads.container(), initContainers=[init], volumes=[{"name": "settings", "configMap": {"name": "schema"}}])
    made = workloads.workload("StatefulSet", "waiter", arena.namespace, pod, replicas=3)
    arena.start(made)
    staged(arena, made)
    arena.api.patch("ConfigMap", "schema", {"data": {"ready": None, "other": "1"}}, arena.namespace)
    instant = now()
    kubectl("delete", "pod", "waiter-0", "-n", arena.namespace, "--wait=false")
    incident = to_people.found(
        arena,
        "waiter",
        "InitContainerFailing",
        name="init container's dependency gone",
        says="in init container wait (exit code 4)",
        since=instant,
        seconds=300,
        reason=to_people.ASKS,
    )
    mended = now()
    arena.api.patch("ConfigMap", "schema", {"data": {"ready": "1"}}, arena.namespace)
    finish(arena, "waiter")
    to_people.over_by_itself(arena, incident, mended, name="init container's dependency gone")


def test_a_config_map_that_was_deleted_is_missed_by_the_next_pod_and_no_rollback_brings_it_back(arena):
    to_people.pages_soon(arena)
    settings = workloads.config_map("settings", arena.namespace, here="1")
    arena.api.apply(settings)
    made = workloads.from_config(workloads.deployment("reader", arena.namespace, replicas=3), "settings", "here")
    arena.start(made)
    instant = arena.roll_out(workloads.respun(made, "2"))
    arena.proven("Deployment", "reader", instant)
    arena.api.delete("ConfigMap", "settings", arena.namespace)
    gone = now()
    kubectl("delete", "pod", arena.pods("reader")[0]["metadata"]["name"], "-n", arena.namespace, "--wait=false")
    says = 'configmap "settings" not found'
    incident = to_people.found(arena, "reader", "ConfigMissing", name="ConfigMap deleted", says=says, since=gone)
    mended = now()
    arena.api.apply(settings)
    to_people.over_by_itself(arena, incident, mended, name="ConfigMap deleted")


def test_a_spent_quota_stops_the_creation_of_pods_and_is_told_once_with_whom_it_refuses(arena):
    to_people.pages_soon(arena)
    arena.start(workloads.deployment("shrunk", arena.namespace, replicas=3))
    metadata = {"name": "small", "namespace": arena.namespace}
    arena.api.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "2"}}})

    def counted() -> bool:
        used = arena.api.get("ResourceQuota", "small", arena.namespace).get("status", {}).get("used", {})
        return bool(used.get("pods") == "3")

    wait_for(counted, 30, "the quota is counted")
    instant = now()
    kubectl("delete", "pod", arena.pods("shrunk")[0]["metadata"]["name"], "-n", arena.namespace, "--wait=false")
    incident = to_people.found(
        arena, "small", "QuotaExceeded", name="a quota refuses", says="it refuses pods (2 of 2 used", since=instant, seconds=150
    )
    # Who is refused is told with the quota: nobody is called twice for one fault.
    child = story.left_alone(arena, "shrunk", "NoRunbookMatches", name="quota stops replicas", cause="ReplicaCreationFailed", since=instant)
    assert "exceeded quota: small" in child["status"]["summary"]
    assert child["status"]["parentRef"]["name"] == incident["metadata"]["name"]
    told = [one.body["data"]["customData"] for one in arena.inbox.posts(to_people.RECEIVER)]
    assert [one for one in told if one["incident"]["name"] == child["metadata"]["name"]] == []
    mended = now()
    arena.api.patch("ResourceQuota", "small", {"spec": {"hard": {"pods": "3"}}}, arena.namespace)
    # Its controller backs off for minutes; a change of the ReplicaSet makes it look at once.
    kubectl("annotate", "replicaset", "-l", "app=shrunk", "-n", arena.namespace, "example.com/look=again")
    arena.when(child, lambda one: one["status"]["phase"] == "Resolved", "is resolved by itself", seconds=to_people.STABILIZE_SECONDS + 240)
    to_people.over_by_itself(arena, incident, mended, name="quota stops replicas", children=(child,))


def test_a_pod_that_no_node_takes_is_told_in_the_schedulers_words(arena):
    to_people.pages_soon(arena)
    ready = whole.real_nodes(arena.api)
    apart = {"labelSelector": {"matchLabels": {"app": "apart"}}, "topologyKey": "kubernetes.io/hostname"}
    spread = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    made = workloads.with_pod_spec(workloads.deployment("apart", arena.namespace, replicas=len(ready)), affinity=spread)
    arena.start(made)
    instant = now()
    kubectl("scale", "deployment/apart", f"--replicas={len(ready) + 1}", "-n", arena.namespace)
    incident = to_people.found(arena, "apart", "Unschedulable", name="no node takes a pod", says="nodes are available", since=instant, seconds=150)
    mended = now()
    kubectl("scale", "deployment/apart", f"--replicas={len(ready)}", "-n", arena.namespace)
    to_people.over_by_itself(arena, incident, mended, name="no node takes a pod")


def test_an_update_of_a_statefulset_that_an_unready_pod_holds_up_is_told(arena):
    to_people.pages_soon(arena)
    unless = {"exec": {"command": ["sh", "-c", f"! test -e {workloads.SWITCH}"]}, "periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 5}
    made = switched(arena.namespace, "stuck", workloads.SERVE, readinessProbe=unless)
    arena.start(made)
    touch(arena, "stuck-0")
    wait_for(
        lambda: arena.api.get("StatefulSet", "stuck", arena.namespace)["status"].get("readyReplicas") == 2,
        20,
        "one pod is not ready",
        seen=lambda: arena.pods_in_words("stuck"),
    )
    instant = arena.roll_out(workloads.respun(made, "2"))
    incident = to_people.found(
        arena,
        "stuck",
        "StatefulSetStuck",
        name="StatefulSet's update held up",
        says="pod stuck-0 holds up the update",
        since=instant,
        seconds=300,
        reason=to_people.ASKS,
    )
    mended = now()
    kubectl("exec", "-n", arena.namespace, "stuck-0", "--", "rm", workloads.SWITCH)
    to_people.over_by_itself(arena, incident, mended, name="StatefulSet's update held up")


def test_a_workload_that_an_apply_left_without_replicas_is_told_and_never_scaled_up(arena):
    """A zero too many in a manifest: the Service that leads there and nowhere else speaks for a mistake."""
    to_people.pages_soon(arena)
    made = workloads.deployment("emptied", arena.namespace)
    leads = {"selector": {"app": "emptied"}, "ports": [{"port": 80, "targetPort": 8080}]}
    arena.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front", "namespace": arena.namespace}, "spec": leads})
    good = arena.start(made)
    instant = arena.roll_out({**made, "spec": {**made["spec"], "replicas": 0}})
    says = "it was scaled to zero by kubectl-client-side-apply at "
    incident = to_people.found(arena, "emptied", "ScaledToZero", name="scaled to zero by mistake", says=says, since=instant, seconds=420)
    assert "Service front routes to it and has no endpoint" in incident["status"]["summary"]
    assert arena.api.get("Deployment", "emptied", arena.namespace)["spec"]["replicas"] == 0, "whether it is meant only people know"
    mended = now()
    kubectl("scale", "deployment/emptied", f"--replicas={good.replicas}", "-n", arena.namespace)
    to_people.over_by_itself(arena, incident, mended, name="scaled to zero by mistake")


def test_a_gated_pod_is_no_fault(arena):
    """A control: somebody holds it back on purpose."""
    gates = [{"name": "example.com/hold"}]
    arena.kubectl_apply(workloads.with_pod_spec(workloads.deployment("gated", arena.namespace), schedulingGates=gates))
    wait_for(lambda: len(arena.pods("gated")) == 2, 20, "its pods are there")
    arena.nothing_happens(75)
    table.add(arena.installation.folder, table.Row(scenario="gated pods", expected="no Incident", seen="no Incident"))
