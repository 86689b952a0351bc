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


def _hanging_init(good: Object) -> Object:
    init = workloads.container(command=workloads.shell("sleep 3600"), name="wait-for-database", readinessProbe=None)
    return workloads.with_pod_spec(good, initContainers=[init])


def _crashing_sidecar(good: Object) -> Object:
    made = workloads.with_pod_spec(good)
    # Nothing answers its probe: else the pod is Ready for the moment that it runs, a good one is taken away for it, and capacity is really lost.
    probe = workloads.answers(httpGet={"path": "/", "port": 8081})
    sidecar = workloads.container(command=["sh", "-c", "echo 'no mesh' >&2; exit 3"], name="proxy", readinessProbe=probe)
    made["spec"]["template"]["spec"]["containers"].append(sidecar)
    return made


def _killed(good: Object) -> Object:
    """The kubelet kills it every few seconds, and it ends as it is told to."""
    probe = {**workloads.answers("/no-such-page"), "failureThreshold": 1}
    return workloads.changed(good, livenessProbe=probe, readinessProbe=probe)


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
    "hanging init container": Fault(cause="RolloutNotReady", shows="PodInitializing", good=_plain, bad=_hanging_init, crashes=False, seconds=180),
    "crashing sidecar": Fault(cause="RolloutCrashLoop", shows="Error", good=_plain, bad=_crashing_sidecar),
    "command that is not there": Fault(
        cause="RolloutCrashLoop", shows="StartError", good=_plain, bad=lambda good: workloads.changed(good, command=["/bin/no-such-program"])
    ),
    "invalid image name": Fault(
        cause="RolloutImagePull",
        shows="InvalidImageName",
        good=_plain,
        bad=lambda good: workloads.changed(good, image="Shop/App:1!"),
        crashes=False,
    ),
    "missing Secret": Fault(
        cause="RolloutConfigError",
        shows="CreateContainerConfigError",
        good=_plain,
        bad=lambda good: workloads.changed(good, env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "key"}}}]),
        crashes=False,
    ),
    "must not run as root and does": Fault(
        cause="RolloutConfigError",
        shows="CreateContainerConfigError",
        good=_plain,
        bad=lambda good: workloads.changed(good, securityContext={"runAsNonRoot": True}),
        crashes=False,
    ),
    "liveness never true": Fault(cause="RolloutCrashLoop", shows="Completed", good=_plain, bad=_killed, seconds=180),
    "memory limit too small": Fault(
        cause="RolloutOutOfMemory",
        shows="OOMKilled",
        good=_limited,
        bad=lambda good: workloads.changed(good, resources={"limits": {"memory": "16Mi"}, "requests": {"memory": "16Mi"}}),
    ),
}
