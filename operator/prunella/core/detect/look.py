"""What every detector looks at, computed once; and what one of them says it sees.

The rule this module protects: all families judge the same pods and the same rollout, so that their answers can be put in one order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import Cause
from prunella.api.workload_record import HealthyRevision, WorkloadRecord
from prunella.core import failing, redact, rollout
from prunella.core.configs import ConfigChange
from prunella.core.demands import Demands
from prunella.core.facts import Pod, Revision, WorkloadFacts

WINDOW_SECONDS: Final = 1800
"""Window W: how long after its begin a rollout is taken for the cause of what its pods do."""
LEAST_PATIENCE: Final = timedelta(seconds=60)
NO_DEADLINE: Final = timedelta(seconds=600)
"""What a StatefulSet and a DaemonSet get instead of a progress deadline."""
QUOTE_LENGTH: Final = 160
OPEN_AFTER_SECONDS: Final = {Cause.REPLICA_CREATION_FAILED: 60, Cause.UNSCHEDULABLE: 60, Cause.STUCK_TERMINATING: 600, Cause.SCALED_TO_ZERO: 300}
"""How long a finding must hold before an Incident opens, where no policy says so; 0 for every other cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How long a finding must hold before an Incident opens, by cause, and the window W in seconds."""

    open_after_seconds: Mapping[str, int] = field(default_factory=dict)
    window_seconds: int = WINDOW_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AtZero:
    """What stands beside a workload that wants no pods."""

    served_time: datetime | None = None
    """When it was last seen healthy; None where nobody saw it."""
    told: bool = False
    """Whether an Incident says so that has no end."""
    endpoints: Mapping[str, int] = field(default_factory=dict)
    """By name of each Service that routes to its pods for sure, how many endpoints that has, ready or not."""
    autoscaled: bool = False
    switched_off: bool = False
    """Whether the other Deployments and StatefulSets of its namespace want no pods either, and there are some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the workload itself does not know: what is remembered of it, and how what it depends on fares."""

    record: WorkloadRecord | None = None
    """Of this very object; one of another uid is not read."""
    pull_failures_elsewhere: bool = False
    """Whether other workloads can't pull either."""
    config_changes: tuple[ConfigChange, ...] = ()
    """ConfigMaps that it reads and that differ from what it was last healthy with, newest first."""
    nodes: Mapping[str, bool | None] = field(default_factory=dict)
    """By name, whether the nodes of pods that are being deleted are Ready; None where there is no such node. One that can't be seen isn't in it."""
    bare: bool = False
    """Whether no node has the labels that the newest revision's nodeSelector asks for, cordoned, tainted and lost nodes included.

    False where it asks for none, where no pod of it waits for a node, and where nodes can't be seen.
    """
    at_zero: AtZero | None = None
    """Of a workload that wants no pods; None where what stands beside it can't be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """What one family sees: a cause, the pods that show it, and what they do in words that follow the revision's name."""

    cause: Cause
    pods: tuple[Pod, ...]
    what: str
    started_time: datetime
    open_time: datetime
    container: str = ""
    restarts: int = 0
    restarted_time: datetime | None = None
    accused: Revision | None = None
    config_map: str = ""
    """The ConfigMap whose change is accused."""
    who: str = ""
    """Who shows it, where that is neither a revision, nor pods, nor the controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One workload at one instant, with what follows from its facts."""

    facts: WorkloadFacts
    now: datetime
    settings: Settings
    surroundings: Surroundings
    newest: Revision | None
    newest_pods: tuple[Pod, ...]
    other_pods: tuple[Pod, ...]
    """Pods of other revisions; none once the newest serves in full, for then they are only waiting to be removed."""
    troubled: tuple[Pod, ...]
    """Those of both that are not Ready or not quiet: whoever looks for a fault needs no others, and most workloads have none."""
    patience: timedelta | None = None
    """How long a pod of this workload may take to get Ready; None where no healthy revision's time is known."""
    began: datetime | None
    incomplete: bool

    @property
    def young(self) -> bool:
        """Whether the rollout of the newest revision began less than W ago."""
        return self.began is not None and self.now < self.began + timedelta(seconds=self.settings.window_seconds)

    @property
    def rolling(self) -> bool:
        """Whether what the newest revision's pods do is the rollout's doing."""
        return self.newest is not None and (self.incomplete or self.young)

    @property
    def troubled_newest(self) -> tuple[Pod, ...]:
        """The troubled pods of the newest revision."""
        return tuple(pod for pod in self.troubled if self.is_newest(pod))

    def is_newest(self, pod: Pod) -> bool:
        """Whether a pod that counts is of the newest revision."""
        return self.newest is not None and pod.revision == self.newest.hash

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod that counts."""
        return (*self.newest_pods, *self.other_pods)

    @property
    def before(self) -> tuple[Revision, ...]:
        """The other stored revisions that serve; where none does, the one last seen healthy."""
        newest = self.newest.hash if self.newest is not None else ""
        ready = {pod.revision for pod in self.other_pods if pod.ready}
        serving = tuple(revision for revision in self.facts.revisions if revision.hash in ready)
        if serving:
            return serving
        stored = (one for one in self.remembered if one.hash != newest and self.facts.revision(one.hash) is not None)
        last = max(stored, key=lambda one: one.last_healthy_time, default=None)
        revision = self.facts.revision(last.hash) if last is not None else None
        return (revision,) if revision is not None else ()

    def brought(self, demand: Callable[[Demands], object]) -> bool:
        """Whether the rollout brought what its template asks for there: no revision that could be gone back to asks for the same."""
        newest, before = self.newest, self.before
        return newest is not None and self.rolling and bool(before) and all(demand(one.demands) != demand(newest.demands) for one in before)

    def open_after(self, cause: Cause, since: datetime) -> datetime:
        """When a finding that holds since then may open an Incident. What is dated in the future by another clock holds since now at the latest."""
        return min(since, self.now) + self.time_to_open(cause)

    def time_to_open(self, cause: Cause) -> timedelta:
        """How long a finding of that cause must hold."""
        return timedelta(seconds=self.settings.open_after_seconds.get(cause, OPEN_AFTER_SECONDS.get(cause, 0)))

    @property
    def remembered(self) -> tuple[HealthyRevision, ...]:
        """The revisions that were seen healthy."""
        record = self.surroundings.record
        return record.spec.revisions if record is not None and record.spec.target_ref.uid == self.facts.workload.uid else ()


def look(facts: WorkloadFacts, now: datetime, settings: Settings, surroundings: Surroundings) -> Look:
    """The workload as all detectors see it."""
    newest = rollout.newest(facts)
    counted = tuple(pod for pod in facts.pods if failing.counts(pod))
    of_newest = tuple(pod for pod in counted if newest is not None and pod.revision == newest.hash)
    others = () if _serves_in_full(facts, of_newest) else tuple(pod for pod in counted if newest is None or pod.revision != newest.hash)
    seen = Look(
        facts=facts,
        now=now,
        settings=settings,
        surroundings=surroundings,
        newest=newest,
        newest_pods=of_newest,
        other_pods=others,
        troubled=tuple(pod for pod in (*of_newest, *others) if not (pod.quiet and pod.ready)),
        began=rollout.rollout_began(facts),
        incomplete=rollout.incomplete(facts),
    )
    return replace(seen, patience=_patience(seen))


def _patience(seen: Look) -> timedelta | None:
    times = (*_remembered_times(seen), *_living_times(seen))
    if not times:
        return None
    least = max(LEAST_PATIENCE, timedelta(seconds=seen.settings.open_after_seconds.get(Cause.ROLLOUT_NOT_READY, 0)))
    return max(least, 2 * max(times), timedelta(seconds=seen.facts.workload.probe_budget_seconds))


def _remembered_times(seen: Look) -> tuple[timedelta, ...]:
    known = (revision.time_to_ready_seconds for revision in seen.remembered)
    return tuple(timedelta(seconds=seconds) for seconds in known if seconds is not None)


def _living_times(seen: Look) -> tuple[timedelta, ...]:
    """What the pods of other revisions took that are Ready now and have not failed."""
    deadline = timedelta(seconds=seen.facts.workload.progress_deadline_seconds)
    well = (pod for pod in seen.other_pods if pod.ready and not failing.fails(pod, seen.now))
    taken = (pod.ready_since - pod.created_time for pod in well if pod.ready_since is not None and pod.created_time is not None)
    return tuple(time for time in taken if time <= deadline)


def _serves_in_full(facts: WorkloadFacts, of_newest: tuple[Pod, ...]) -> bool:
    desired = facts.workload.desired
    return sum(pod.ready for pod in of_newest) >= desired and facts.workload.updated >= desired


def quote(message: str) -> str:
    """The first line of what the kubelet says, redacted and short enough for a sentence."""
    lines = redact.redact(message).strip().splitlines()
    line = lines[0] if lines else ""
    return line if len(line) <= QUOTE_LENGTH else line[: QUOTE_LENGTH - 1] + "…"


def in_seconds(time: timedelta) -> str:
    """So long, in words."""
    return f"{int(time.total_seconds())} s"


def in_container(pod: Pod, name: str) -> str:
    """The container's name in words, where the pod has several."""
    return f"container {name}, " if len(pod.containers) > 1 else ""
