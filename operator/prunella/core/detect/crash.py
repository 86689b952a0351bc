"""Containers that end and are started again: by the newest revision's doing, for want of memory, or out of nowhere.

The word CrashLoopBackOff may stand for less than a second per cycle, so it is ends and restarts that are looked at. In a rollout the first end
counts already (whether to act on one is the Runbook's `minRestarts`); without a rollout only a loop does: a single restart is Kubernetes' own cure.
"""

from __future__ import annotations

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.facts import Revision
from prunella.core.failing import Crash

from .look import Look, Symptom, in_container, quote


def rollout_crash(look: Look) -> Symptom | None:
    """RolloutCrashLoop, or RolloutOutOfMemory where a container of the newest revision was killed for its memory."""
    found = tuple(crash for pod in look.troubled_newest for crash in failing.crashes(pod, look.now))
    if not look.rolling or not found:
        return None
    memory = tuple(crash for crash in found if crash.out_of_memory)
    return symptom(
        look, Cause.ROLLOUT_OUT_OF_MEMORY if memory else Cause.ROLLOUT_CRASH_LOOP, memory or found, accused=_only_revision(look, memory or found)
    )


def crash_loop(look: Look) -> Symptom | None:
    """CrashLoop: containers of a revision loop that no rollout brings."""
    found = tuple(crash for pod in look.troubled for crash in failing.crashes(pod, look.now) if crash.loops)
    return symptom(look, Cause.CRASH_LOOP, found, accused=_only_revision(look, found)) if found else None


def symptom(look: Look, cause: Cause, found: tuple[Crash, ...], *, accused: Revision | None = None, what: str = "") -> Symptom:
    """The symptom of these crashes; `what` are better words than those for the container with the most restarts."""
    most = max(found, key=lambda crash: (crash.container.restarts, crash.restarted_time))
    started = min(crash.started_time for crash in found)
    return Symptom(
        cause=cause,
        pods=tuple({crash.pod.name: crash.pod for crash in found}.values()),
        what=what or _what(most),
        started_time=started,
        open_time=look.open_after(cause, started),
        container=most.container.name,
        restarts=most.container.restarts,
        restarted_time=most.restarted_time,
        accused=accused,
    )


def _only_revision(look: Look, found: tuple[Crash, ...]) -> Revision | None:
    """The one stored revision whose pods crash."""
    revisions = {crash.pod.revision for crash in found}
    return look.facts.revision(revisions.pop()) if len(revisions) == 1 else None


def _what(crash: Crash) -> str:
    container, last = crash.container, crash.last
    if container.init and not container.sidecar:
        return f"fails in init container {container.name} ({_end(crash)})"
    where = in_container(crash.pod, container.name)
    if crash.out_of_memory:
        return f"runs out of memory ({where}OOMKilled{f', exit code {last.exit_code}' if last else ''})"
    return f"crash-loops ({where}{_end(crash)})"


def _end(crash: Crash) -> str:
    """How it ended last, in the kubelet's words."""
    last, container = crash.last, crash.container
    if last is None:
        return quote(f"{container.waiting_reason}: {container.waiting_message}") or container.waiting_reason
    cannot_start = last.reason in failing.CRASH_REASONS
    return quote(f"{last.reason}: {last.message or container.waiting_message}") if cannot_start else f"exit code {last.exit_code}"
