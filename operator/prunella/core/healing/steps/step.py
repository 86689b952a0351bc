"""What every step is: a pure function from live facts and what it did already to the next effect, a refusal, or done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeAlias, TypeVar

from prunella.api.asking import Approvers
from prunella.api.base import WireModel
from prunella.api.incident import Incident
from prunella.api.names import Cause, StepImpact
from prunella.api.remediation import StepStatus
from prunella.api.step_failure import Transient
from prunella.core import failing
from prunella.core.facts import Revision, Seen, UnknownT, Workload, WorkloadFacts, subject_of
from prunella.core.healing.effects.effect import Effect, Json
from prunella.core.healing.refusal import Refusal
from prunella.core.subject import Thing
from prunella.core.world import Evaluate, QueryValue, Unevaluable


@dataclass(frozen=True, slots=True)
class Queried:
    """The single value of a PromQL query, asked now."""

    query: str
    """As it is sent: nothing is left to be filled in."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Objects of a kind in a namespace, or in all of them where it is empty: a step asks for them as `Ask`, and finds them in its `LiveFacts`."""

    api_version: str
    kind: str
    namespace: str
    name: str = ""
    """Only the one of that name, if it is there."""
    label: str = ""
    """Only those that bear this label with the value `true`."""
    node: str = ""
    """Only pods on that node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """What was read for this step a moment ago: the target as JSON and what is known of it, the template to go back to."""

    now: datetime
    raw: Json
    target: Seen
    accused_hash: str = ""
    to: Revision | None = None
    to_template: Json | None = None
    intent_time: datetime
    answers: Mapping[Listed, tuple[Json, ...] | UnknownT] = field(default_factory=dict)
    """What the step asked for."""
    values: Mapping[Queried, QueryValue] = field(default_factory=dict)
    """What Prometheus said to what the step asked."""
    incident: Incident | None = None
    """What the run is for; None where only its dry run is made, before there is a run."""
    cause: Cause | None = None
    """The Incident's when the run was decided; None where that is not known."""
    intent_id: str = ""
    """Identity of the step's next effect: the same each time it is planned."""
    run_uid: str = ""
    """Uid of the attempt: what bears it is this run's own. Empty where only its dry run is made."""
    variables: Mapping[str, object] = field(default_factory=dict)
    """What a condition may read: `incident`, `target`, `alert`, `steps`."""
    evaluate: Evaluate = field(default=lambda _expression, _variables: Unevaluable("no CEL engine"))

    @property
    def facts(self) -> WorkloadFacts:
        """The workload with its revisions and pods. Raises TypeError at another object: a step that asks for it names workloads as its `kinds`."""
        if not isinstance(self.target, WorkloadFacts):
            raise TypeError(f"{self.target.short} is no workload: a step that is for it reads `subject` and `raw`")
        return self.target

    @property
    def subject(self) -> Workload | Thing:
        """The target itself: its identity, labels and annotations."""
        return subject_of(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Nothing more to do in this step."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not yet: look again then, or at the next change of the target."""

    until_time: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Take the log tail and Events again and add them to the Incident."""

    tail_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNow:
    """Page the owner now."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Tell somebody, without waking anybody."""

    receiver: str
    """A receiver of the HealingPolicy; empty: those whom the Incident's owner wants told."""
    message: str
    diff: str = ""
    """What it asks people to change; it stands on the Remediation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the step found out, kept with the run. Nothing was changed; it is planned again with this record."""

    message: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    """For later steps, as `steps.<name>.outputs.<key>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Ask people to approve what remains of the run."""

    approvers: Approvers
    required: int
    seconds: int
    """For so long."""
    shows_diff: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The step's condition is false: the run goes on without it."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The step can't do what it is for. Nothing was changed by it; `onFailure` says what becomes of the run."""

    message: str
    transient: Transient | None = None
    """Why it may pass by itself, so that the step's `retries` hold; None where it is a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The step must know more before it can plan: it is asked again with the answers."""

    reads: tuple[Listed | Queried, ...]


Next: TypeAlias = Effect | Refusal | Done | Wait | Evidence | PageNow | Tell | Note | People | Skip | Failed | Ask

P = TypeVar("P", bound=WireModel)

RESOURCES: Final = {"DaemonSet": "daemonsets", "Deployment": "deployments", "StatefulSet": "statefulsets"}
WORKLOADS: Final = frozenset(RESOURCES)
"""Kinds of targets that a step is for unless it says otherwise."""
ANY: Final = frozenset({"*"})
"""Every kind of target: for steps that only read, wait or tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One thing that the acting account must be allowed to do. `resource` may name a subresource, as in pods/eviction."""

    verb: str
    group: str
    resource: str
    clusterwide: bool = False
    """Whether it is for objects that have no namespace."""

    @property
    def on(self) -> str:
        """The resource as kubectl names it: deployments.apps."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition among a step's fields, for whoever looks for mistakes in it."""

    field: str
    expression: str
    of_value: bool = False
    """Whether it is over `value` alone; else over what every condition may read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKind(Generic[P]):
    """One action of a Runbook. Adding one is adding a file to this folder that defines `KIND`: nothing else names it."""

    name: str
    """As people write it: rollBack."""
    params: type[P]
    """Its fields; the first sentence of the docstring describes the action in `kubectl explain` and in the reference."""
    impact: StepImpact
    kinds: frozenset[str] = WORKLOADS
    """Kinds of targets that it is for. A Runbook does not fit where one of its steps is not for the target."""
    rights: tuple[Right, ...]
    """All that it may ever need: the role that a namespace grants by opting in is made of these, unless they are `granted_by` something else."""
    needs: Callable[[P, str], tuple[Right, ...]]
    """Those of them that it needs for a target of this kind."""
    plan: Callable[[P, LiveFacts, tuple[StepStatus, ...]], Next]
    """Its fields, live facts, and the records of this step's effects so far; pure."""
    undo: Callable[[P, Json, StepStatus], Next] | None = None
    """Its fields, the object that it changed as it is now, and the record of that effect: what takes it back. None where nothing can."""
    undo_knowing: Callable[[P, Json, StepStatus, Mapping[Listed, tuple[Json, ...]]], Next] | None = None
    """The same with the answers, where `undo` asks for more than the object itself."""
    goes_on: bool = False
    """Whether it is not done with its effect: it waits for what comes of it."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """What later steps may read of it, as `steps.<name>.outputs.<key>` in their `when`: key and meaning."""
    conditions: Callable[[P], tuple[Condition, ...]] = lambda _params: ()
    """The conditions among its fields."""
    queries: Callable[[P], tuple[tuple[str, str], ...]] = lambda _params: ()
    """The PromQL among its fields: name of the field, and query."""
    texts: Callable[[P], tuple[tuple[str, str], ...]] = lambda _params: ()
    """The sentences among its fields that have placeholders: name of the field, and text."""
    receivers: Callable[[P], tuple[str, ...]] = lambda _params: ()
    """Receivers of the HealingPolicy that its fields name."""
    fixed: frozenset[str] = frozenset()
    """Fields that take no parameter of a run: they say what runs, as whom, who is told, or what the schema itself checks."""
    event: str = ""
    """Event and timeline name of its effect."""
    bounded: bool = False
    """Of one that needs no right: whether it stays with the Incident and its target all the same, so that a team's Runbook may use it. What needs
    rights is bounded by the account that it acts as."""
    accuses: bool = False
    """Whether it blames a revision and goes back to another: then a plan needs both."""
    approval_always: bool = False
    """Whether people must approve it whatever the mode: a Runbook with such a step never acts in Auto."""
    several: frozenset[str] = frozenset()
    """Kinds of targets at which it may have several effects: there only an effect itself can say that it is the last."""
    must_end: bool = False
    """Whether it is only ever a temporary measure: ttlSeconds is mandatory."""
    granted_by: str = ""
    """The folder of manifests that grants what it needs, apart from opting in; empty where opting in does."""
    marks: tuple[tuple[str, str], ...] = ()
    """API version and kind of what its temporary measures are marked on, where that is not watched."""
    made_acts: bool = False
    """Whether what it makes beside the target acts on it for as long as it is there: left over, it is no copy that may stay."""
    loosens: tuple[tuple[str, str], ...] = ()
    """Kind, and places as a regular expression, of what its temporary measures change on objects that are neither workloads nor owners of one."""
    lasting: str = ""
    """Why it is never a temporary measure although it can be taken back; empty where it may be one."""

    def is_for(self, kind: str) -> bool:
        """Whether it is for targets of that kind."""
        return self.kinds == ANY or kind in self.kinds


def cannot(live: LiveFacts, about: Json, message: str) -> Refusal | Failed:
    """Why it can't be done to this object. Of the target itself that is known before people are asked; of another one the step fails in its turn."""
    return Refusal(reason="PreconditionFalse", message=message) if about is live.raw else Failed(message=message)


SETTLE: Final = timedelta(seconds=2)
"""How soon a step looks again at what was not there yet."""
PATCH_WORKLOAD: Final = tuple(Right(verb="patch", group="apps", resource=resource) for resource in RESOURCES.values())


def untold(live: LiveFacts) -> Wait | None:
    """Wait, where a pod does not tell whether it crashes: a step that looks for crashes must not conclude from that that there is none."""
    until = {pod.name: time for pod in live.facts.pods if (time := failing.untold_until(pod, live.now)) is not None}
    name = min(until, default="")
    message = f"pod {name} does not tell whether it crashes: a container of it runs again, and how it ended is cleaned up"
    return Wait(until_time=min(until.values()), message=message) if until else None


def patch_of(kind: str) -> Right:
    """The right to patch a workload of that kind."""
    return Right(verb="patch", group="apps", resource=RESOURCES.get(kind, kind.lower()))


def nothing(_params: WireModel, _kind: str) -> tuple[Right, ...]:
    """What a step needs that changes nothing: no right beyond the operator's reads."""
    return ()
