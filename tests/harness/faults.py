"""The ways in which a rollout is broken, once: what worked before, what was applied then, and what it must be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import workloads
from .api import Object

NAME = "app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A good version, a bad one, and how the bad one shows."""

    cause: str
    shows: str
    """A reason that the kubelet gives in a container's state: waiting or terminated."""
    good: Callable[[str], Object]
    bad: Callable[[Object], Object]
    before: Callable[[str], tuple[Object, ...]] = lambda _namespace: ()
    """What must be there first."""
    crashes: bool = True
    """Whether a container of it ends."""
    seconds: float = 100
    """How long a heal may take on a busy machine, the minutes that its Runbook and the catalogue ask for included."""


def _plain(namespace: str) -> Object:
    return workloads.deployment(NAME, namespace)


def _crash(good: Object) -> Object:
    return workloads.changed(good, command=workloads.CRASH)


def _failing_init(good: Object) -> Object:
    init = workloads.container(command=["sh", "-c", "echo 'no database' >&2; exit 4"], name="migrate", readinessProbe=None)
    return workloads.with_pod_spec(good, initContainers=[init])


def _never_ready(good: Object) -> Object:
    return workloads.changed(good, readinessProbe=workloads.answers("/no-such-page"))


def _limited(namespace: str) -> Object:
    # As process 1, because the kernel's victim must be the container's first process to be told as OOMKilled.
    greedy = ["sh", "-c", 'x=$(head -c 20000000 /dev/zero | tr "\\0" a); exec /bin/run httpd -f -p 8080 -h /www']
    resources = {"limits": {"memory": "256Mi"}, "requests": {"memory": "16Mi"}}
    return workloads.changed(workloads.deployment(NAME, namespace, command=greedy), resources=resources)


def _setting(namespace: str) -> tuple[Object, ...]:
    return (workloads.config_map("settings", namespace, here="1"),)


FAULTS: dict[str, Fault] = {
    "crash": Fault(cause="RolloutCrashLoop", shows="Error", good=_plain, bad=_crash),
    "exit 0 in a loop": Fault(
        cause="RolloutCrashLoop", shows="Completed", good=_plain, bad=lambda good: workloads.changed(good, command=workloads.EXIT_ZERO)
    ),
    "image not found": Fault(
        cause="RolloutImagePull",
        shows="ErrImagePull",
        good=_plain,
        bad=lambda good: workloads.changed(good, image="reg.local/nothing:here"),
        crashes=False,
    ),
    "missing ConfigMap key": Fault(
        cause="RolloutConfigError",
        shows="CreateContainerConfigError",
        good=lambda namespace: workloads.from_config(_plain(namespace), "settings", "here"),
        bad=lambda good: workloads.from_config(good, "settings", "gone"),
        before=_setting,
        crashes=False,
    ),
    "mounted ConfigMap missing": Fault(
        cause="RolloutNotReady",
        shows="ContainerCreating",
        good=lambda namespace: workloads.mounting(_plain(namespace), "settings"),
        bad=lambda good: workloads.mounting(good, "no-such-settings"),
        before=_setting,
        crashes=False,
        seconds=180,
    ),
    "readiness never true": Fault(cause="RolloutNotReady", shows="", good=_plain, bad=_never_ready, crashes=False, seconds=180),
    "failing init container": Fault(cause="RolloutCrashLoop", shows="Error", good=_plain, bad=_failing_init),
    "memory limit too small": Fault(
        cause="RolloutOutOfMemory",
        shows="OOMKilled",
        good=_limited,
        bad=lambda good: workloads.changed(good, resources={"limits": {"memory": "16Mi"}, "requests": {"memory": "16Mi"}}),
    ),
}
