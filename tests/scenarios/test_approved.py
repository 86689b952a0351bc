"""What a shipped Runbook asks for heals once a person has approved it: on real nodes, by a user who holds the verb, and only as far as the plan says.

Where it must not be the rollout's doing, the ReplicaSet is made older than the half hour for which a rollout is suspected. What outlives a pod, such
as a load or a dependency, stands in a folder outside of it, so that no heal comes from the mere restart of a pod, unless that is the remedy.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.harness import approving, etcd, gitops, outside, prometheus, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.installation import kubectl
from tests.harness.instants import now
from tests.harness.outside import Outside
from tests.harness.waiting import holds_for, wait_for

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900, func_only=True)]

HIGH = "high"
HOLDS = "mkfifo /full; exec dd if=/dev/zero bs=72M 1<>/full"
HUNGRY = ["sh", "-c", f"httpd -p 8080 -h /www; while ! test -e {outside.AT}/{HIGH}; do sleep 0.2; done; {HOLDS}"]
"""Serves, and once the load is high holds 72 MiB, as process 1, so that it is told as OOMKilled."""
LOCKED = f"test -e /state/lock && {{ echo 'the lock is held' >&2; exit 4; }}; touch /state/lock; test -e {outside.AT}/schema || exit 5"
"""Fails where the schema is not there, and leaves a lock behind, so that it fails ever after, in this pod."""
PICKY = workloads.shell('test "$SETTING" = good || { echo "FATAL: bad setting" >&2; exit 4; }; httpd -f -p 8080 -h /www')


@pytest.fixture
def shop(arena: Arena) -> Arena:
    """A namespace in which a person may approve."""
    arena.api.apply(approving.approvers(arena.namespace))
    return arena


def init_containers(arena: Arena, name: str) -> list[Object]:
    """What the kubelet says of each init container of a workload's pods."""
    return [one for pod in arena.pods(name) if "deletionTimestamp" not in pod["metadata"] for one in pod["status"].get("initContainerStatuses", [])]


@pytest.mark.timeout(1500, func_only=True)
def test_memory_that_runs_out_without_a_rollout_heals_by_an_approved_raise_of_the_limit(shop: Arena, world: Outside):
    limits = {"limits": {"memory": "64Mi"}, "requests": {"memory": "16Mi"}}
    made = world.seen_by(workloads.changed(workloads.deployment("hungry", shop.namespace, replicas=3), command=HUNGRY, resources=limits))
    good = shop.start(made)
    etcd.rolled_out_long_ago(shop.api, "hungry", shop.namespace)
    instant = now()
    world.has(HIGH)
    name = "out of memory, limit raised"
    incident = approving.asks(shop, "hungry", "OutOfMemory", "raise-memory-limit", name=name, since=instant)
    approved = approving.approve(shop, incident)
    # It is proved for a quarter of an hour: a leak would be back by then.
    approving.healed(shop, incident, good, approved, ["deployments"], name=name, seconds=1150)
    app = shop.api.get("Deployment", "hungry", shop.namespace)["spec"]["template"]["spec"]["containers"][0]
    assert app["resources"] == {"limits": {"memory": "96Mi"}, "requests": {"memory": "16Mi"}}


def test_a_pod_that_is_stuck_in_its_init_container_heals_by_an_approved_new_pod(shop: Arena, world: Outside):
    world.has("schema")
    init = workloads.container(
        command=["sh", "-c", LOCKED], name="migrate", readinessProbe=None, volumeMounts=[{"name": "state", "mountPath": "/state"}]
    )
    made = workloads.deployment("waiter", shop.namespace, replicas=3)
    made = world.seen_by(workloads.with_pod_spec(made, initContainers=[init], volumes=[{"name": "state", "emptyDir": {}}]))
    good = shop.start(made)
    etcd.rolled_out_long_ago(shop.api, "waiter", shop.namespace)
    instant = now()
    world.lacks("schema")
    kubectl("delete", "pod", shop.pods("waiter")[0]["metadata"]["name"], "-n", shop.namespace, "--wait=false")
    wait_for(lambda: any(one["restartCount"] for one in init_containers(shop, "waiter")), 60, "it failed, and left its lock")
    world.has("schema")
    name = "stuck in an init container, new pod"
    incident = approving.asks(shop, "waiter", "InitContainerFailing", "replace-pods-stuck-in-init", name=name, since=instant)
    approved = approving.approve(shop, incident)
    approving.healed(shop, incident, good, approved, ["pods"], name=name, seconds=300)
    assert shop.api.get("Deployment", "waiter", shop.namespace)["spec"]["template"] == good.template


def test_an_update_of_a_statefulset_that_a_pod_holds_up_goes_on_once_its_deletion_is_approved(shop: Arena):
    unless = {"exec": {"command": ["sh", "-c", f"! test -e {workloads.SWITCH}"]}, "periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 5}
    pod = workloads.template("stuck", workloads.container())
    made = workloads.with_switch(workloads.workload("StatefulSet", "stuck", shop.namespace, pod, replicas=3))
    made = workloads.changed(made, command=workloads.SERVE, readinessProbe=unless)
    good = shop.start(made)
    kubectl("exec", "-n", shop.namespace, "stuck-0", "--", "touch", workloads.SWITCH)
    wait_for(
        lambda: shop.api.get("StatefulSet", "stuck", shop.namespace)["status"].get("readyReplicas") == 2,
        20,
        "one pod is not ready",
        seen=lambda: shop.pods_in_words("stuck"),
    )
    instant = shop.roll_out(workloads.respun(made, "2"))
    name, runbook = "StatefulSet's update held up, pod deleted", "replace-pod-that-holds-up-statefulset"
    incident = approving.asks(shop, "stuck", "StatefulSetStuck", runbook, name=name, since=instant, seconds=300)
    approved = approving.approve(shop, incident)
    approving.healed(shop, incident, good, approved, ["pods"], name=name, seconds=400)
    assert [one.name for one in shop.foreign_writes(instant) if not one.hand_back] == ["stuck-0"]
    status = shop.api.get("StatefulSet", "stuck", shop.namespace)["status"]
    assert status["currentRevision"] == status["updateRevision"], "the update is through"


def test_errors_after_a_rollout_heal_by_an_approved_rollback(shop: Arena):
    good = shop.start(workloads.shop(shop.namespace, ratio=0))
    labels = {"severity": "critical", "namespace": shop.namespace, "deployment": "shop"}
    errors = f'avg(shop_error_ratio{{namespace="{shop.namespace}"}}) > 0.1'
    prometheus.add_rule(shop.installation.state, shop.namespace, "ShopErrorBudgetBurn", errors, "2m", labels)
    instant = shop.roll_out(workloads.shop(shop.namespace, ratio=0.5))
    name = "errors after a rollout, rolled back"
    incident = approving.asks(shop, "shop", "Alert", "roll-back-when-errors-burn", name=name, since=instant, seconds=420)
    approved = approving.approve(shop, incident)
    approving.healed(shop, incident, good, approved, ["deployments"], name=name, seconds=400)
    assert shop.api.get("Deployment", "shop", shop.namespace)["spec"]["template"] == good.template


def test_a_config_map_that_was_changed_for_the_worse_is_put_back_once_that_is_approved(shop: Arena):
    kubectl("apply", "-n", shop.namespace, "-k", "manifests/restore-config")
    shop.api.apply(workloads.config_map("settings", shop.namespace, here="good", other="1"))
    written = now()
    # The API server dates by whole seconds: of what was written in the very second in which the containers start nothing is proved.
    wait_for(lambda: now() - written > timedelta(seconds=1), 5, "another second has begun")
    made = workloads.from_config(workloads.deployment("picky", shop.namespace, replicas=3, command=PICKY), "settings", "here")
    good = shop.start(made)

    def remembered() -> bool:
        record = shop.record("Deployment", "picky")
        return record is not None and bool(record["spec"].get("configMaps"))

    wait_for(remembered, 150, "what it is healthy with is remembered")
    etcd.rolled_out_long_ago(shop.api, "picky", shop.namespace)
    instant = now()
    shop.api.patch("ConfigMap", "settings", {"data": {"here": "tampered"}}, shop.namespace)
    kubectl("delete", "pod", shop.pods("picky")[0]["metadata"]["name"], "-n", shop.namespace, "--wait=false")
    name = "ConfigMap changed, put back"
    incident = approving.asks(shop, "picky", "ConfigChanged", "restore-changed-config", name=name, since=instant)
    assert "since ConfigMap settings was changed at" in incident["status"]["summary"]
    assert "key here" in incident["status"]["summary"]
    assert "tampered" not in incident["status"]["summary"], "values are never told"
    approved = approving.approve(shop, incident)
    approving.healed(shop, incident, good, approved, ["configmaps", "configmaps", "deployments"], name=name, seconds=300)
    assert shop.api.get("ConfigMap", "settings", shop.namespace)["data"] == {"here": "good", "other": "1"}
    [kept] = [one for one in shop.api.list("ConfigMap", shop.namespace) if one["metadata"].get("labels", {}).get("prunella.dev/copy") == "replaced"]
    assert kept["data"] == {"here": "tampered", "other": "1"}, "what stood there is kept"


def test_what_git_owns_is_held_and_rolled_back_once_that_is_approved_and_git_has_the_last_word(shop: Arena):
    with gitops.flux(shop) as git:
        made = workloads.deployment("applied", shop.namespace, labels={"prunella.dev/hold-gitops": "true"})
        git.commit(made)
        wait_for(lambda: shop.api.find("Deployment", "applied", shop.namespace), 30, "it is applied from Git")
        good = shop.start_applied("Deployment", "applied")
        instant = now()
        git.commit(workloads.changed(made, command=workloads.CRASH))
        name = "owned by Git, held and rolled back"
        incident = approving.asks(shop, "applied", "RolloutCrashLoop", "hold-gitops-and-roll-back", name=name, since=instant)
        approved = approving.approve(shop, incident)
        approving.healed(shop, incident, good, approved, ["kustomizations", "deployments"], name=name, seconds=150)
        assert shop.api.get("Deployment", "applied", shop.namespace)["spec"]["template"] == good.template
        held = git.kustomization()
        assert held["spec"]["suspend"] is True, "Flux would undo it else"
        assert "prunella.dev/temporary" in held["metadata"]["annotations"], "and the hold has an end"
        requests = [one for one in shop.inbox.posts() if "Please revert" in one.raw]
        assert len(requests) == 1, "its owners were asked to revert it in Git"
        # They do, and let Flux go on: it finds nothing to change, and neither does anybody else.
        mended = now()
        git.commit(made)
        kubectl("patch", "kustomization", gitops.NAME, "-n", shop.namespace, "--type=merge", "-p", '{"spec":{"suspend":false}}')
        wait_for(lambda: git.applied >= 3, 30, "Flux applies what stands in Git")
        holds_for(lambda: not shop.foreign_writes(mended), 15, "their word is the last", interval=1)
        assert shop.api.get("Deployment", "applied", shop.namespace)["spec"]["template"] == good.template
        assert [one["metadata"]["name"] for one in shop.incidents()] == [incident["metadata"]["name"]], "one fault, one Incident"
