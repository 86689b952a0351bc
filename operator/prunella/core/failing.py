"""What a pod's own status says is wrong with it, one pod at a time.

The rule this module protects: only the kubelet's word counts. A pod that is on its way out, lost with its node, evicted or never placed says nothing
about its revision; and a crash is not over because the container runs again for a moment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from .facts import Container, Pod, Termination

CALM: Final = timedelta(seconds=60)
"""A crash holds until its pod is gone or has been Ready for so long."""
BACKOFF_RESET: Final = timedelta(seconds=600)
"""The kubelet forgets its back-off once a container ran for so long: an end after that begins a new story."""
LOOPS_FROM: Final = 2
"""Restarts from which an end shortly after the start is a loop."""

BACK_OFF: Final = "CrashLoopBackOff"
CRASH_REASONS: Final = frozenset({BACK_OFF, "RunContainerError", "StartError", "ContainerCannotRun", "PostStartHookError"})
IMAGE_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""`ErrImagePull` and `ImagePullBackOff` alternate for one and the same fault."""
CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "PreStartHookError"})
NOT_HEARD_OF: Final = re.compile(r"failed to sync (configmap|secret) cache", re.IGNORECASE)
"""The kubelet has not heard of the object yet, as happens on a busy node, and asks again by itself: nothing is wrong with what it refers to."""

OUT_PHASES: Final = frozenset({"Failed", "Succeeded", "Unknown"})
OUT_REASONS: Final = frozenset(
    {"NodeLost", "Evicted", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "NodeAffinity", "UnexpectedAdmissionError"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A container that ended, or that could not be started, and has not been well for a minute since."""

    pod: Pod
    container: Container
    started_time: datetime
    """When the oldest end of this loop that the kubelet still shows finished. It keeps two, so this moves while the loop goes on."""
    restarted_time: datetime
    """The newer of its last end and its last start: when `restarts` got its value at the latest."""
    last: Termination | None
    """Its newest end; None where it never ran."""
    out_of_memory: bool
    loops: bool
    """Whether it is a loop and not a single crash: the kubelet backs off, or it ended again shortly after a start."""
    over_time: datetime | None
    """When the signal ends if the pod stays Ready; None while it is not."""


def counts(pod: Pod) -> bool:
    """Whether the pod says something about its revision: placed on a node, not on its way out, not lost."""
    if pod.deleting or pod.phase in OUT_PHASES or pod.status_reason in OUT_REASONS:
        return False
    return pod.scheduled and bool(pod.node)


def quiet(containers: tuple[Container, ...]) -> bool:
    """Whether none of them failed, was restarted or waits for a reason: `Pod.quiet`, worked out once per word about the pod."""
    return not any(one.restarts or one.waiting_reason or one.last_terminated or (one.terminated and not _done(one)) for one in containers)


def _done(container: Container) -> bool:
    """Whether it is an init container that did what it was there for: most pods of a service mesh have one."""
    return container.init and not container.sidecar and container.terminated is not None and container.terminated.exit_code == 0


def alike(before: Pod, after: Pod) -> bool:
    """Whether nothing can be concluded from one word about a pod that could not be from the other: it was well, and is well in the same way."""
    if not (before.quiet and after.quiet and before.ready and after.ready):
        return False
    return (
        before.ready_since == after.ready_since
        and before.phase == after.phase
        and before.status_reason == after.status_reason
        and before.deleting == after.deleting
        and before.deletion_time == after.deletion_time
        and before.finalizers == after.finalizers
        and before.scheduled == after.scheduled
        and before.node == after.node
        and before.revision == after.revision
        and before.owner_uid == after.owner_uid
    )


def unready_since(pod: Pod, now: datetime) -> datetime:
    """Since when the pod is not Ready: the transition of its condition, else its creation."""
    return pod.ready_since or pod.created_time or now


def failed_since(pod: Pod) -> datetime | None:
    """Since when a pod that failed for good has been so, at the latest: it was never Ready again; where nothing tells, since its creation."""
    known = [time for time in (pod.ready_since, pod.created_time) if time is not None]
    return max(known) if pod.phase == "Failed" and known else None


def crashes(pod: Pod, now: datetime) -> tuple[Crash, ...]:
    """The crashes of the pod that hold at `now`, init containers included."""
    if pod.quiet:
        return ()
    found = (_crash(container, pod, now) for container in pod.containers)
    return tuple(crash for crash in found if crash is not None)


def untold_until(pod: Pod, now: datetime) -> datetime | None:
    """Until when the pod does not tell whether it crashes; None where it tells.

    The kubelet cleans up dead containers once a minute, and with them may go how one ended that it has just started again: it runs, it was restarted,
    and its last state is empty until it ends or is Ready. Once it has run for as long as a crash holds, that matters no more.
    """
    if pod.quiet or not counts(pod):
        return None
    ends = (one for one in pod.containers if one.restarts and one.last_terminated is None and one.terminated is None)
    until = max((one.running_since + CALM for one in ends if one.running_since is not None), default=now)
    return until if now < until else None


def backs_off(pod: Pod) -> bool:
    """Whether the kubelet waits before it starts a container of the pod again: a longer while each time, and five minutes at most."""
    return any(one.waiting_reason == BACK_OFF for one in pod.containers)


def waiting_for(pod: Pod, reasons: frozenset[str]) -> tuple[Container, ...]:
    """The containers of the pod that wait for one of these reasons. Where the kubelet only asks again, the pod may not get ready, and that is all."""
    if pod.quiet:
        return ()
    found = (container for container in pod.containers if container.waiting_reason in reasons)
    return tuple(container for container in found if NOT_HEARD_OF.search(container.waiting_message) is None)


def only_gates_hold(pod: Pod) -> bool:
    """Whether every container is ready and only the pod isn't: a readiness gate, or a node that is not heard of. No container is at fault."""
    running = [container for container in pod.containers if not container.init or container.sidecar]
    return bool(running) and all(container.ready for container in running)


def unready(pod: Pod) -> bool:
    """Whether the pod runs or waits without getting Ready, by its containers' fault."""
    return not pod.ready and not only_gates_hold(pod)


def fails(pod: Pod, now: datetime, patience: timedelta = CALM) -> bool:
    """Whether anything is wrong with a pod that counts: it crashes, can't be created, or is not Ready for `patience`."""
    if not counts(pod):
        return False
    if crashes(pod, now) or waiting_for(pod, IMAGE_REASONS | CONFIG_REASONS):
        return True
    return unready(pod) and now - unready_since(pod, now) >= patience


def _crash(container: Container, pod: Pod, now: datetime) -> Crash | None:
    ends = _ends(container)
    if not ends and container.waiting_reason not in CRASH_REASONS:
        return None
    last = ends[-1] if ends else None
    failed = last.finished_time if last else None
    over = _over_time(container, pod, failed, now)
    if over is not None and now >= over:
        return None
    first = ends[0] if ends and (len(ends) == 1 or _same_loop(ends[-1])) else last
    started = (first.finished_time if first else None) or unready_since(pod, now)
    return Crash(
        pod=pod,
        container=container,
        started_time=started,
        restarted_time=max(time for time in (failed, container.running_since, started) if time is not None),
        last=last,
        out_of_memory=any(end.reason == "OOMKilled" for end in ends),
        loops=_loops(container, ends),
        over_time=over if pod.ready else None,
    )


def _ends(container: Container) -> tuple[Termination, ...]:
    """Its ends that are failures, older first. An init container that finished is done, whatever came before."""
    known = [end for end in (container.last_terminated, container.terminated) if end is not None and end.reason != "ContainerStatusUnknown"]
    if container.init and not container.sidecar:
        if container.terminated is not None and container.terminated.exit_code == 0:
            return ()
        known = [end for end in known if end.exit_code != 0]
    return tuple(known)


def _same_loop(last: Termination) -> bool:
    """Whether the last run was short: the end before it belongs to the same loop."""
    if last.started_time is None or last.finished_time is None:
        return True
    return last.finished_time - last.started_time < BACKOFF_RESET


def _loops(container: Container, ends: tuple[Termination, ...]) -> bool:
    if container.waiting_reason in CRASH_REASONS:
        return True
    return _same_loop(ends[-1]) and (len(ends) > 1 or container.restarts >= LOOPS_FROM)


def _over_time(container: Container, pod: Pod, failed: datetime | None, now: datetime) -> datetime | None:
    """When the crash is over, or was; None while nothing tells that it will be.

    The Ready transition alone is not enough: after a quick restart the condition may never have been seen to change. And a pod that lost its Ready
    long after the container came up had been Ready in between: its crash is an old story. That spell is at most as long as the container ran.
    """
    if container.waiting_reason or container.terminated is not None:
        return None
    known = [time for time in (failed, container.running_since) if time is not None]
    if pod.ready:
        known += [pod.ready_since] if pod.ready_since is not None else []
        return max(known) + CALM if known else now
    if container.running_since is None or pod.ready_since is None:
        return None
    up = max(known)
    return up + CALM if pod.ready_since - up >= CALM else None
