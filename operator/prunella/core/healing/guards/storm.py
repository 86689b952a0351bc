"""The storm brake: when too much fails at once, the single target is not at fault, and acting on each would make it worse.

Unhealthy shares are rounded up by comparing without rounding; the brake releases itself after a calm. Then it is half open: what
is tried first tells whether it is over, and where it fails the brake goes on again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.healing_policy import Storm
from prunella.api.names import Cause, Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.core.standing import untried
from prunella.core.world import OpenIncident

HALF_OPEN: Final = timedelta(hours=1)
"""How long after a storm attempts begin one at a time, where none of them heals."""
FAILED_TRIALS: Final = frozenset({Outcome.INEFFECTIVE, Outcome.WORSENED, Outcome.INCONCLUSIVE, Outcome.ABORTED})
"""What is Reverted was somebody's doing, and tells nothing of the storm."""
CLASS_OF = {
    Cause.ROLLOUT_CRASH_LOOP: "crashing",
    Cause.CRASH_LOOP: "crashing",
    Cause.ROLLOUT_OUT_OF_MEMORY: "crashing",
    Cause.OUT_OF_MEMORY: "crashing",
    Cause.INIT_CONTAINER_FAILING: "crashing",
    Cause.LIVENESS_KILLS: "crashing",
    Cause.DEPENDENCY_RECOVERED: "crashing",
    Cause.ROLLOUT_IMAGE_PULL: "image pull",
    Cause.REGISTRY_UNREACHABLE: "image pull",
    Cause.ROLLOUT_CONFIG_ERROR: "configuration",
    Cause.CONFIG_MISSING: "configuration",
    Cause.CONFIG_CHANGED: "configuration",
    Cause.ROLLOUT_NOT_READY: "not ready",
    Cause.ROLLOUT_STUCK: "not ready",
    Cause.STATEFUL_SET_STUCK: "not ready",
    Cause.DAEMON_SET_STUCK: "not ready",
    Cause.REPLICA_CREATION_FAILED: "pods refused",
    Cause.UNSCHEDULABLE: "no room",
    Cause.ALERT: "alert",
}
"""Failure class of a cause: one common fault shows as different causes of one class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StormState:
    """Whether the brake is on, since when, why; `below_since` while it waits for the calm to last."""

    since: datetime | None = None
    message: str = ""
    below_since: datetime | None = None


def over_threshold(incidents: Sequence[OpenIncident], opted_in_workloads: int, limits: Storm) -> str:
    """Why the brake goes on, as a sentence; empty where it does not. A reported fault counts nowhere: it is one person's word."""
    worst = Counter(_by_class(incidents)).most_common(1)
    if worst and _too_many(worst[0][1], opted_in_workloads, limits):
        kind, failing = worst[0]
        total = max(opted_in_workloads, 1)
        return f"{failing} workloads fail at once ({kind}), more than {limits.percent} % of the {total} in opted-in namespaces"
    for cause, names in sorted(_namespaces(incidents).items()):
        if len(names) > limits.namespaces:
            return f"{cause} in {len(names)} namespaces at once, more than {limits.namespaces}"
    return ""


def hit(incidents: Sequence[OpenIncident], opted_in_workloads: int, limits: Storm) -> frozenset[str]:
    """The classes of failure in which too much fails at once."""
    many = {kind for kind, failing in _by_class(incidents).items() if _too_many(failing, opted_in_workloads, limits)}
    return frozenset(many | {CLASS_OF[cause] for cause, names in _namespaces(incidents).items() if len(names) > limits.namespaces})


def _by_class(incidents: Sequence[OpenIncident]) -> dict[str, int]:
    """How many workloads fail in each class."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in incidents:
        if one.cause in CLASS_OF:
            found[CLASS_OF[one.cause]].add(one.target)
    return {kind: len(targets) for kind, targets in found.items()}


def _namespaces(incidents: Sequence[OpenIncident]) -> dict[Cause, set[str]]:
    """Where each cause is seen."""
    found: dict[Cause, set[str]] = defaultdict(set)
    for one in incidents:
        if one.cause in CLASS_OF:
            found[one.cause].add(one.namespace)
    return found


def _too_many(failing: int, opted_in_workloads: int, limits: Storm) -> bool:
    return failing >= limits.min_workloads and failing * 100 > limits.percent * max(opted_in_workloads, 1)


def half_open(attempts: Iterable[Remediation], ended: datetime | None, now: datetime) -> bool:
    """Whether a storm ended lately, at that instant, and nothing that was begun since has healed yet."""
    if ended is None or now - ended >= HALF_OPEN:
        return False
    return not any(_begun_since(one, ended) for one in attempts if one.status.outcome is Outcome.REMEDIATED)


def failed_trial(attempts: Sequence[Remediation], ended: datetime | None, now: datetime) -> str:
    """The name of an attempt that was to show, while the brake is half open, that it is over, and did not; empty where there is none."""
    if ended is None or not half_open(attempts, ended, now):
        return ""
    failed = (one for one in attempts if one.status.outcome in FAILED_TRIALS or one.status.phase is RemediationPhase.UNKNOWN)
    return next((one.metadata.name for one in failed if _begun_since(one, ended) and not untried(one)), "")


def _begun_since(one: Remediation, ended: datetime) -> bool:
    return one.status.started_time is not None and one.status.started_time >= ended


def brake(
    state: StormState, incidents: tuple[OpenIncident, ...], opted_in_workloads: int, limits: Storm, now: datetime, *, trial: str = ""
) -> StormState:
    """The brake's next state. It goes on at once and off after `calmSeconds` below the thresholds. `trial`: the attempt that failed in half-open."""
    why = over_threshold(incidents, opted_in_workloads, limits)
    if not why and trial and state.since is None:
        why = f"{trial} was tried after a storm, and did not heal"
    if why:
        return StormState(since=state.since or now, message=why if state.since is None else state.message, below_since=None)
    if state.since is None:
        return StormState()
    below = state.below_since or now
    if now - below >= timedelta(seconds=limits.calm_seconds):
        return StormState()
    return StormState(since=state.since, message=state.message, below_since=below)
