"""A witness of its own: what a namespace's objects looked like, and when this process was told, independent of the operator.

Every change of the watched kinds is kept with its local receive time. Questions about the past (when was everything ready first, did it stay so) are
answered from the record, not by looking at the right moment.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .api import API_VERSIONS, Api, Object, path_of
from .instants import now, parse

DEFAULT_KINDS = ("Pod", "Deployment", "Incident", "Remediation")
SYNC_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Sight:
    """One object as it was when this process was told."""

    time: datetime
    change: str
    kind: str
    object: Object

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


class Witness:
    """Watches kinds of one namespace from `start` to `stop`."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._sights: list[Sight] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connections: dict[str, http.client.HTTPSConnection] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._standing: dict[str, dict[str, Object]] = {}
        self._synced: dict[str, threading.Event] = {}

    def watch(self, *kinds: str) -> None:
        """Begin to watch these kinds as well."""
        for kind in kinds:
            if kind not in self._threads:
                self._synced[kind] = threading.Event()
                thread = threading.Thread(target=self._follow, args=(kind,), daemon=True, name=f"witness-{self._namespace}-{kind}")
                self._threads[kind] = thread
                thread.start()

    def stop(self) -> None:
        """End all watches."""
        self._ended.set()
        for connection in list(self._connections.values()):
            with contextlib.suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads.values():
            thread.join(timeout=5)

    def _follow(self, kind: str) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
                self._once(kind)
            self._ended.wait(0.2)

    def _once(self, kind: str) -> None:
        path = path_of(kind, self._namespace)
        listed = self._api.request("GET", path)
        with self._lock:
            self._standing[kind] = {}
        for item in listed.body.get("items") or []:
            self._keep("LISTED", kind, {"apiVersion": API_VERSIONS[kind], "kind": kind, **item})
        self._synced[kind].set()
        version = listed.body["metadata"]["resourceVersion"]
        connection, answer = self._api.open(f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=3600")
        self._connections[kind] = connection
        try:
            for line in answer:
                change = json.loads(line)
                if change["type"] == "ERROR" or self._ended.is_set():
                    return
                self._keep(change["type"], kind, change["object"])
        finally:
            connection.close()

    def _keep(self, change: str, kind: str, item: Object) -> None:
        sight = Sight(now(), change, kind, item)
        with self._lock:
            self._sights.append(sight)
            if change == "DELETED":
                self._standing[kind].pop(item["metadata"]["uid"], None)
            else:
                self._standing[kind][item["metadata"]["uid"]] = item

    def current(self, kind: str) -> list[Object]:
        """The objects of a watched kind as they are by the last word, a few milliseconds old."""
        if not self._synced[kind].wait(SYNC_SECONDS):
            raise AssertionError(f"{kind} of {self._namespace} could not be listed")
        with self._lock:
            return list(self._standing[kind].values())

    def sights(self, kind: str, name: str | None = None, since: datetime | None = None) -> list[Sight]:
        """What was seen of a kind, or of one object, oldest first."""
        with self._lock:
            kept = list(self._sights)
        return [one for one in kept if one.kind == kind and (name is None or one.name == name) and (since is None or one.time >= since)]

    def forget(self, *kinds: str) -> None:
        """Drop what was seen of these kinds; what stands there now is still known. For tests that run for so long that it would fill the memory."""
        with self._lock:
            self._sights = [one for one in self._sights if one.kind not in kinds]

    def spell(self, kind: str, name: str, since: datetime) -> Spell:
        """How healthy a workload was from an instant on."""
        return Spell(self.sights(kind, name), since)

    def terminations(self, since: datetime, belongs: Callable[[Object], bool] = lambda _pod: True) -> list[Termination]:
        """Every end of a container after an instant, once, in the order in which they were seen."""
        found: dict[tuple[str, str, str], Termination] = {}
        for sight in self.sights("Pod", since=since):
            if belongs(sight.object):
                for end in _ends(sight):
                    found.setdefault((end.pod, end.container, end.identity), end)
        return list(found.values())

    def first_failing(self, since: datetime, belongs: Callable[[Object], bool]) -> datetime | None:
        """When a container of these pods was first seen ended, or waiting for something that does not come by itself."""
        seen = (one for one in self.sights("Pod", since=since) if belongs(one.object) and _fails(one.object))
        return next((one.time for one in seen), None)

    def restarts_reached(self, count: int, since: datetime, belongs: Callable[[Object], bool]) -> datetime | None:
        """When a container of these pods was first seen with so many restarts."""
        seen = (one for one in self.sights("Pod", since=since) if belongs(one.object))
        return next((one.time for one in seen if any(state.get("restartCount", 0) >= count for state in _containers(one.object))), None)


FAILING_REASONS = {
    "CrashLoopBackOff",
    "RunContainerError",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
}


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _fails(pod: Object) -> bool:
    for container in _containers(pod):
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason") in FAILING_REASONS or "terminated" in state or "terminated" in container.get("lastState", {}):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Termination:
    """One end of a container, by the kubelet's word, and when this process heard of it."""

    pod: str
    container: str
    identity: str
    finished: datetime
    exit_code: int
    restarts: int
    seen: datetime


def _ends(sight: Sight) -> Iterator[Termination]:
    for container in _containers(sight.object):
        for state in (container.get("lastState", {}), container.get("state", {})):
            end = state.get("terminated")
            if end and end.get("finishedAt"):
                yield Termination(
                    pod=sight.name,
                    container=container["name"],
                    identity=end.get("containerID", end["finishedAt"]),
                    finished=parse(end["finishedAt"]),
                    exit_code=end.get("exitCode", 0),
                    restarts=container.get("restartCount", 0),
                    seen=sight.time,
                )


class Spell:
    """The healthy stretch of a workload that began after an instant, told from its statuses alone."""

    def __init__(self, sights: list[Sight], since: datetime) -> None:
        self._after = [one for one in sights if one.time >= since]

    @property
    def began(self) -> datetime | None:
        """When all was ready first, after the last time it was not."""
        start: datetime | None = None
        for one in self._after:
            if one.change == "DELETED" or not healthy(one.object):
                start = None
            elif start is None:
                start = one.time
        return start

    @property
    def first(self) -> datetime | None:
        """When all was ready for the first time."""
        return next((one.time for one in self._after if one.change != "DELETED" and healthy(one.object)), None)

    def unbroken(self, seconds: float) -> bool:
        """Whether it has been ready from the first time on for that long without a break."""
        first = self.first
        if first is None or self.began != first:
            broke = first is not None
            if broke:
                raise AssertionError(f"it was ready at {first:%H:%M:%S.%f} and broke again: ready now since {self.began}")
            return False
        return now() - first >= timedelta(seconds=seconds)


def healthy(workload: Object) -> bool:
    """Whether a workload's own status says that everything runs as asked."""
    meta, spec, status = workload["metadata"], workload["spec"], workload.get("status", {})
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        return False
    if workload.get("kind") == "DaemonSet" or "desiredNumberScheduled" in status:
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(wanted > 0 and status.get("updatedNumberScheduled", 0) == wanted and status.get("numberAvailable", 0) == wanted)
    wanted = spec.get("replicas", 1)
    if "updateRevision" in status:
        moved = status.get("currentRevision") == status.get("updateRevision") and status.get("replicas", 0) == wanted
        return bool(wanted > 0 and moved and status.get("availableReplicas", 0) == wanted)
    counts = (status.get("replicas", 0), status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    return bool(wanted > 0 and counts == (wanted, wanted, wanted))
