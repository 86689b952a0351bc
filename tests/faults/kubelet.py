"""A kubelet that only pretends: it says of a namespace's pods what their image stands for. No container, and no second between them.

It names each pod by its uid, so that what is meant for a deleted pod never hits the one that bears its name afterwards. Its node is one object, kept
alive by its lease, and takes no pod that does not name it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from http import HTTPStatus

from tests.harness.api import PATCH_TYPES, Api, Object, Refused, path_of
from tests.harness.instants import now, text
from tests.harness.witness import Witness

GOOD, BAD, MENDED = "fake/box:1", "fake/crash:1", "fake/box:2"
"""Images: two that run, and one that crashes."""
NODE = "pretended"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
RENEW_SECONDS = 2
LOOK_SECONDS = 0.2
CRASH_SECONDS = 1.5
SAY_AGAIN_SECONDS = 2.0


class Node:
    """The node of all pretending kubelets of a box: made by whoever is first, and kept alive by everybody."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ended = threading.Event()
        metadata = {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}
        taint = {"key": "pretended", "value": "true", "effect": "NoSchedule"}
        api.request("POST", path_of("Node"), {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}})
        self._renew()
        self._say_ready()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="pretended node")
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with contextlib.suppress(OSError, Refused):
                self._renew()
                if not ready(self._api.get("Node", NODE)):
                    self._say_ready()  # it could not be heard for a while, and was taken for dead

    def _say_ready(self) -> None:
        at = text(now())[:19] + "Z"
        condition = {"type": "Ready", "status": "True", "reason": "Pretended", "message": "", "lastHeartbeatTime": at, "lastTransitionTime": at}
        capacity = {"cpu": "1k", "memory": "1Ti", "pods": "10000"}
        self._api.patch("Node", NODE, {"status": {"conditions": [condition], "capacity": capacity, "allocatable": capacity}}, subresource="status")

    def _renew(self) -> None:
        spec = {"holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": text(now())}
        answer = self._api.request("PATCH", f"{LEASES}/{NODE}", {"spec": spec}, PATCH_TYPES["merge"])
        if answer.status == HTTPStatus.NOT_FOUND:
            made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NODE, "namespace": "kube-node-lease"}, "spec": spec}
            self._api.request("POST", LEASES, made)


class Kubelet:
    """Serves one namespace from `start` to `stop`."""

    def __init__(self, api: Api, namespace: str, witness: Witness) -> None:
        self._api, self._namespace, self._witness = api, namespace, witness
        self._ended = threading.Event()
        self._crashes: dict[str, tuple[int, float]] = {}
        """By uid: how often it has crashed, and when last."""
        self._running: dict[str, float] = {}
        """By uid: when it was said last that it runs."""
        self._thread = threading.Thread(target=self._serve, daemon=True, name=f"kubelet of {namespace}")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _serve(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            for pod in self._witness.current("Pod"):
                if pod["spec"].get("nodeName") == NODE:
                    self._look(pod)

    def _look(self, pod: Object) -> None:
        uid, image = pod["metadata"]["uid"], pod["spec"]["containers"][0]["image"]
        if pod["metadata"].get("deletionTimestamp"):
            self._remove(pod)
            return
        if image != BAD:
            said = self._running.get(uid)
            # Once more where somebody else has said that it is not ready, as the node controller does of a node that it can't hear.
            due = said is None or (not ready(pod) and time.monotonic() - said > SAY_AGAIN_SECONDS)
            if due and self._say(pod, _running(pod)):
                self._running[uid] = time.monotonic()
            return
        count, last = self._crashes.get(uid, (0, 0.0))
        if time.monotonic() - last >= CRASH_SECONDS and self._say(pod, _crashed(pod, count)):
            self._crashes[uid] = (count + 1, time.monotonic())

    def _remove(self, pod: Object) -> None:
        """It has ended, as it was asked to."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        with contextlib.suppress(OSError):
            self._api.request("DELETE", path_of("Pod", self._namespace, pod["metadata"]["name"]), body)

    def _say(self, pod: Object, status: Object) -> bool:
        """Store a status, of this very pod. False where it could not be told."""
        meta = pod["metadata"]
        body = {"metadata": {"uid": meta["uid"]}, "status": status}
        try:
            answer = self._api.request("PATCH", path_of("Pod", self._namespace, meta["name"], "status"), body, PATCH_TYPES["merge"])
        except OSError:
            return False
        return answer.ok or answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}


def ready(one: Object) -> bool:
    """Whether a pod or a node is Ready by its condition."""
    return any((seen["type"], seen["status"]) == ("Ready", "True") for seen in one.get("status", {}).get("conditions", []))


def restarts(pod: Object) -> int:
    """How often its containers were restarted, the worst one's."""
    return max((one.get("restartCount", 0) for one in pod["status"].get("containerStatuses", [])), default=0)


def _conditions(pod: Object, *, ready: bool) -> list[Object]:
    born = pod["metadata"]["creationTimestamp"]
    word = "True" if ready else "False"
    early = [{"type": type_, "status": "True", "lastTransitionTime": born} for type_ in ("PodScheduled", "Initialized")]
    return [*early, *({"type": type_, "status": word, "lastTransitionTime": text(now())[:19] + "Z"} for type_ in ("ContainersReady", "Ready"))]


def _container(pod: Object, **more: object) -> Object:
    one = pod["spec"]["containers"][0]
    return {"name": one["name"], "image": one["image"], "imageID": "", **more}


def _running(pod: Object) -> Object:
    since = text(now())[:19] + "Z"
    container = _container(pod, ready=True, started=True, restartCount=0, state={"running": {"startedAt": since}})
    return {"phase": "Running", "startTime": since, "conditions": _conditions(pod, ready=True), "containerStatuses": [container]}


def _crashed(pod: Object, before: int) -> Object:
    at = text(now())[:19] + "Z"
    end = {"exitCode": 1, "reason": "Error", "startedAt": at, "finishedAt": at, "containerID": f"fake://{pod['metadata']['uid']}/{before}"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
    container = _container(pod, ready=False, started=False, restartCount=before, state=waiting, lastState={"terminated": end})
    started = pod["status"].get("startTime", at)
    return {"phase": "Running", "startTime": started, "conditions": _conditions(pod, ready=False), "containerStatuses": [container]}
