"""What the measurements stand on: a crowd of pods that nobody harms, and Deployments whose pods' statuses are written by hand.

KWOK leaves the pods of a stage alone, so that nothing but this module reports about them, and what is reported is known to the microsecond. The
crowd's pods live on KWOK nodes as well and are kept by it and by the real controllers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.harness.api import Api, Object, Refused, path_of
from tests.harness.waiting import wait_for

CROWD_REPLICAS = 20
HANDS = 8
"""Requests of the harness at once."""
CROWD_IMAGE = "registry.example/shop:v1"
GOOD, BAD = "fake/held:1", "fake/held:2"
"""Images of which KWOK reports nothing."""
NODES = ("kwok-1", "kwok-2")
T = TypeVar("T")


def each(call: Any, items: Iterable[T], hands: int = HANDS) -> list[Any]:
    """Do it for all, several at a time; the first failure is raised."""
    with ThreadPoolExecutor(hands) as pool:
        return list(pool.map(call, items))


def namespace(api: Api, name: str, *, mode: str | None = None) -> str:
    """A namespace; with a mode it is opted in."""
    labels = {"prunella.dev/mode": mode} if mode else {}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    wait_for(lambda: api.find("ServiceAccount", "default", name), 20, f"namespace {name} has its account")
    return name


def instant(seconds: float | None = None) -> str:
    """An instant as the kubelet writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() if seconds is None else seconds))


def deployment(name: str, place: str, image: str, *, replicas: int, **pod: Any) -> Object:
    """A Deployment with a template of everyday size: a pod of it takes about 4 KB."""
    environment = [{"name": f"SETTING_{number}", "value": f"value-of-setting-{number}"} for number in range(4)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
    resources = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "256Mi"}}
    container = {"name": "app", "image": image, "env": environment, "readinessProbe": probe, "livenessProbe": probe, "resources": resources}
    template = {
        "metadata": {"labels": {"app": name, "team": "shop"}, "annotations": {"example.com/checksum": "0" * 64}},
        "spec": {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1, **pod},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template, "revisionHistoryLimit": 3}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": place, "labels": {"app": name}}, "spec": spec}


class Crowd:
    """Pods on KWOK nodes, twenty a Deployment."""

    def __init__(self, api: Api, place: str) -> None:
        self._api = api
        self._place = place

    def grow(self, pods: int, seconds: float = 300) -> None:
        """Make it so many, and wait until all are Ready."""
        count = pods // CROWD_REPLICAS
        there = {one["metadata"]["name"] for one in self._api.list("Deployment", self._place)}
        names = [name for name in (f"crowd-{number}" for number in range(count)) if name not in there]
        # On a node from the start: the scheduler is no part of any measurement.
        made = (deployment(name, self._place, CROWD_IMAGE, replicas=CROWD_REPLICAS, nodeName=NODES[number % 2]) for number, name in enumerate(names))
        each(self._api.create, made)

        def ready() -> bool:
            return sum(one.get("status", {}).get("readyReplicas", 0) for one in self._api.list("Deployment", self._place)) >= count * CROWD_REPLICAS

        wait_for(ready, seconds, f"{pods} pods are Ready", interval=1.0)


class Stage:
    """One Deployment of one replica whose pods' statuses are written here."""

    def __init__(self, api: Api, place: str, name: str) -> None:
        self._api = api
        self.place = place
        self.name = name
        self.failing = ""
        """Name of the bad revision's pod."""

    def start(self) -> None:
        """Create it."""
        self._api.create(deployment(self.name, self.place, GOOD, replicas=1, nodeName=NODES[0]))

    def pods(self) -> list[Object]:
        """Its pods."""
        return self._api.list("Pod", self.place, selector=f"app={self.name}")

    def heal_pods(self) -> bool:
        """Let every pod of the good version that is not Ready become so; whether there was any."""
        waiting = [one for one in self.pods() if _image(one) == GOOD and not one.get("status", {}).get("containerStatuses")]
        for pod in waiting:
            self._report(pod["metadata"]["name"], _running())
        return bool(waiting)

    def roll_out(self) -> None:
        """Change the image to one that crashes."""
        container = {"name": "app", "image": BAD}
        self._api.patch("Deployment", self.name, {"spec": {"template": {"spec": {"containers": [container]}}}}, self.place, how="strategic")

    def crash(self, restarts: int) -> float:
        """Report that the bad pod's container ended, and was restarted so often; returns the instant of the API server's answer."""
        if not self.failing:
            bad = wait_for(lambda: [one for one in self.pods() if _image(one) == BAD], 20, f"{self.name} has a pod of the bad version")
            self.failing = bad[0]["metadata"]["name"]
        return self._report(self.failing, crashing(restarts))

    def _report(self, pod: str, status: Object) -> float:
        self._api.patch("Pod", pod, {"status": status}, self.place, how="strategic", subresource="status")
        return time.time()


def _image(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def _conditions(*, ready: bool) -> list[Object]:
    state = "True" if ready else "False"
    return [
        {"type": type_, "status": "True" if type_ in {"PodScheduled", "Initialized"} else state, "lastTransitionTime": instant()}
        for type_ in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]


def _running() -> Object:
    container = {
        "name": "app",
        "image": GOOD,
        "imageID": "",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": instant()}},
    }
    return {"phase": "Running", "startTime": instant(), "conditions": _conditions(ready=True), "containerStatuses": [container]}


def crashing(restarts: int) -> Object:
    """The status of a pod whose container crash-loops."""
    ended = {"exitCode": 1, "reason": "Error", "startedAt": instant(time.time() - 2), "finishedAt": instant()}
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=app"}
    container = {
        "name": "app",
        "image": BAD,
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "state": {"waiting": waiting},
        "lastState": {"terminated": ended},
    }
    return {"phase": "Running", "startTime": instant(), "conditions": _conditions(ready=False), "containerStatuses": [container]}


def forget(api: Api, places: Sequence[str]) -> None:
    """Delete namespaces, without waiting."""
    for place in places:
        answer = api.request("DELETE", path_of("Namespace", None, place))
        if not answer.ok and answer.status != 404:
            raise Refused(answer.status, str(answer.body), answer.body)
