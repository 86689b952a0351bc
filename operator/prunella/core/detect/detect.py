"""What is wrong with one workload now: at most one Finding, of the most specific cause, and when to look again.

The rule this module protects: level, not edge. The same facts at the same instant give the same answer, whatever was seen before. The order of
FAMILIES is the policy: what accuses a revision by plain evidence comes first, a child cause before the deadline that it made pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import Cause
from prunella.core import failing, rollout
from prunella.core.facts import Finding, Pod, WorkloadFacts

from . import blocked, changed, config, crash, creation, going, image, initializing, liveness, memory, piled, placement, readiness, stuck, zero
from .look import Look, Settings, Surroundings, Symptom, look

__all__ = ["Detection", "Settings", "Surroundings", "continued", "detect"]

Family = Callable[[Look], Symptom | None]

FAMILIES: Final[tuple[Family, ...]] = (
    image.rollout_image,
    config.rollout_config,
    crash.rollout_crash,
    image.registry,
    config.config_missing,
    readiness.rollout_not_ready,
    stuck.rollout_stuck,
    changed.config_changed,
    memory.out_of_memory,
    initializing.init_container_failing,
    liveness.liveness_kills,
    crash.crash_loop,
    creation.replica_creation_failed,
    placement.unschedulable,
    blocked.update_blocked,
    going.stuck_terminating,
    piled.failed_pods,
)
AT_ZERO: Final[tuple[Family, ...]] = (going.stuck_terminating, zero.scaled_to_zero)
"""What can be wrong with a workload that wants no pods."""
CLOCKS: Final[tuple[Callable[[Look], Iterable[datetime]], ...]] = (
    initializing.due_times,
    blocked.due_times,
    changed.due_times,
    going.due_times,
    piled.due_times,
    placement.due_times,
)
"""What families other than readiness wait for: the instants at which one of them may find something that no event tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """The finding, if there is one, and the next instant at which the answer may change without an event."""

    finding: Finding | None = None
    look_again: datetime | None = None
    settled: bool = True
    """False while the controller has not seen the newest template, or a pod does not tell: neither a fault nor its end may be concluded; an event
    follows, or it is to be looked at again."""
    untold: tuple[str, ...] = ()
    """The pods that don't tell whether they crash: what was found of them before still stands."""


def detect(facts: WorkloadFacts, now: datetime, settings: Settings, surroundings: Surroundings) -> Detection:
    """What is wrong with the workload at `now`. Never raises on whatever the API server stored."""
    if facts.workload.deleting:
        return Detection()
    idle = facts.workload.desired <= 0
    if not idle and not rollout.settled(facts):
        return Detection(settled=False)
    seen = look(facts, now, settings, surroundings)
    symptom = next((found for family in (AT_ZERO if idle else FAMILIES) if (found := family(seen)) is not None), None)
    untold = {pod.name: until for pod in seen.troubled if (until := failing.untold_until(pod, now)) is not None}
    instants = [*(time for time in _instants(seen, symptom) if time > now), *untold.values()]
    return Detection(
        finding=_finding(seen, symptom) if symptom is not None else None,
        look_again=min(instants, default=None),
        settled=symptom is not None or not untold,
        untold=tuple(sorted(untold)),
    )


def continued(detection: Detection, before: Finding | None) -> Detection:
    """The detection as one story with what was found last.

    A crash loop's evidence is renewed with each crash; the time to open counts from its first. And it is not over, nor another fault, because the
    pods in which it was found don't tell for a moment.
    """
    finding = detection.finding
    if before is None:
        return detection
    if set(before.failing_pods) & set(detection.untold) and (finding is None or set(finding.failing_pods) <= set(detection.untold)):
        return replace(detection, finding=before, settled=True)
    if finding is None or (before.cause, before.accused_revision) != (finding.cause, finding.accused_revision):
        return detection
    return replace(detection, finding=replace(finding, open_time=min(before.open_time, finding.open_time)))


def _finding(seen: Look, symptom: Symptom) -> Finding:
    accused = symptom.accused
    return Finding(
        cause=symptom.cause,
        subject=seen.facts.workload,
        summary=_summary(seen, symptom),
        accused_revision=accused.hash if accused else "",
        accused_number=accused.number if accused else 0,
        started_time=symptom.started_time,
        open_time=symptom.open_time,
        restarts=symptom.restarts,
        restarted_time=symptom.restarted_time,
        failing_pods=tuple(sorted(pod.name for pod in symptom.pods)),
        failing_container=symptom.container,
        accused_config_map=symptom.config_map,
        only_newest_fails=not any(_fails_elsewhere(seen, pod) for pod in seen.other_pods),
    )


def _fails_elsewhere(seen: Look, pod: Pod) -> bool:
    return failing.fails(pod, seen.now, readiness.late_elsewhere(seen, pod) - failing.unready_since(pod, seen.now))


def _summary(seen: Look, symptom: Symptom) -> str:
    return f"{seen.facts.workload.name}: {_who(seen, symptom)} {symptom.what}; {_serving(seen)}"[:1024]


def _who(seen: Look, symptom: Symptom) -> str:
    if symptom.cause is Cause.ROLLOUT_STUCK and seen.newest is not None:
        return f"the rollout of revision {seen.newest.number}"
    if symptom.accused is not None:
        return f"revision {symptom.accused.number}"
    if not symptom.pods:
        return symptom.who or "the controller"
    return f"pod {symptom.pods[0].name}" if len(symptom.pods) == 1 else f"each of {len(symptom.pods)} pods"


def _serving(seen: Look) -> str:
    """Who still serves: the point of a rollout that goes wrong while the one before stands."""
    desired = seen.facts.workload.desired
    if desired <= 0:
        return "none is wanted"
    ready = {revision.hash: sum(pod.ready for pod in seen.other_pods if pod.revision == revision.hash) for revision in seen.facts.revisions}
    serving = next((revision for revision in seen.facts.revisions if ready[revision.hash]), None)
    if serving is not None:
        return f"revision {serving.number} still serves {min(ready[serving.hash], desired)} of {desired}"
    return f"{min(sum(pod.ready for pod in seen.pods), desired)} of {desired} are ready{_remembered(seen)}"


def _remembered(seen: Look) -> str:
    """The stored revision that was last seen healthy, where none but the newest runs."""
    newest = seen.newest.hash if seen.newest is not None else ""
    stored = [one for one in seen.remembered if one.hash != newest and seen.facts.revision(one.hash) is not None]
    last = max(stored, key=lambda one: one.last_healthy_time, default=None)
    return f"; revision {last.revision} was last seen healthy {last.last_healthy_time:%H:%M:%S}" if last is not None else ""


def _instants(seen: Look, symptom: Symptom | None) -> Iterator[datetime]:
    """When the answer may change by time alone. A healthy workload has none."""
    if symptom is not None:
        yield symptom.open_time
    if seen.facts.workload.desired <= 0:
        yield from going.due_times(seen)
        yield from zero.due_times(seen)
        return
    troubled = symptom is not None
    for pod in seen.troubled:
        for one in failing.crashes(pod, seen.now):
            troubled = True
            if one.over_time is not None:
                yield one.over_time
    for pod in filter(failing.unready, seen.troubled):
        troubled = True
        due = readiness.due_time(seen, pod) if seen.is_newest(pod) else readiness.late_elsewhere(seen, pod)
        if due is not None:
            yield due
    for clock in CLOCKS:
        yield from clock(seen)
    if troubled and seen.began is not None:
        yield seen.began + timedelta(seconds=seen.settings.window_seconds)
