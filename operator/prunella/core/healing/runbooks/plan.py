"""The plan: what would be done for an Incident, when it is due, or why nothing can be planned.

A plan is made from facts alone, has a hash, and is the same plan until one of its ingredients changes. Plan refusals come before every guard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec
from prunella.api.incident import IncidentStatus, Signal
from prunella.api.names import CRASH_CAUSES, Cause, Mode, SignalState, SourceKind, StepImpact
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.workload_record import WorkloadRecord
from prunella.core import rollout
from prunella.core.facts import NamespaceFacts, Revision, Workload, WorkloadFacts
from prunella.core.healing.known import known_good
from prunella.core.healing.notation import parameters
from prunella.core.healing.owners import freezing
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import StepKind
from prunella.core.subject import Thing
from prunella.core.world import World

from . import accusation, error_budget, preconditions
from .match import Fit
from .succession import Turn

MODE_LABEL = "prunella.dev/mode"
LONGEST_CHOICE: Final = 64
LONGEST_CHOICES: Final = 512
"""Characters of what was chosen that a plan tells: it is one sentence. The Remediation has all of it."""
NODE_CAUSES: Final = frozenset({Cause.NODE_NOT_READY, Cause.NODE_FLAPPING, Cause.NODE_PRESSURE, Cause.NODE_FAULT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One intention. `due_time` is None while a condition that no clock brings is still missing (restarts)."""

    runbook: Runbook
    subject: Workload | Thing
    """The target."""
    accused: Revision | None
    to: Revision | None
    summary: str
    hash: str
    mode: Mode
    since: datetime | None = None
    """Since when the fault holds: the dwell counts from here."""
    due_time: datetime | None
    waiting_for: str = ""
    by_alert: Signal | None = None
    requested: bool = False
    """A person asked for it, so that the target need not be ill."""
    turn: Turn | None = None
    """Where its Runbook stands among those that follow each other; None where it is alone."""
    demoted: Refusal | None = None
    """Why the mode is Approve although everybody permits Auto: the Runbook failed too often."""

    @property
    def workload(self) -> Workload | None:
        """The target, where it is a workload."""
        return self.subject if isinstance(self.subject, Workload) else None

    @property
    def after(self) -> tuple[Remediation, ...]:
        """The attempts that did not help and that it follows, oldest first."""
        return self.turn.after if self.turn is not None else ()

    @property
    def rolls_back(self) -> bool:
        """Whether one of its steps is a rollback."""
        return any(kind.accuses for kind in registry.kinds_of(self.runbook))

    @property
    def tells_only(self) -> bool:
        """Whether it changes nothing: its steps read and tell."""
        return registry.tells_only(self.runbook)

    @property
    def restarts(self) -> bool:
        """Whether one of its steps makes all the pods anew."""
        return any(kind.name in {"restart", "resize", "patch"} for kind in registry.kinds_of(self.runbook))

    def restores(self, config_map: str) -> bool:
        """Whether it puts that ConfigMap back, and changes nothing else but that pods read it anew."""
        changes = [one for one in self.runbook.spec.steps if registry.kind_of(one).impact not in {StepImpact.READ, StepImpact.NOTIFY}]
        back = [one for one in changes if one.action == "restoreConfig"]
        others = {one.action for one in changes} - {"restoreConfig", "restart"}
        return bool(back) and not others and all(registry.params_of(one).config_map in {None, config_map} for one in back)


def home(world: World, plan: Plan) -> str:
    """The namespace whose pauses, budgets and limits hold for the target: the operator's where it has none, because its Incident lives there."""
    return plan.subject.namespace or world.operator_namespace


def effective_mode(runbook: Runbook, world: World) -> Mode:
    """The lowest of Runbook, namespace and HealingPolicy, and never Auto with a step that people must approve. Unknown counts as Observe.

    What has no namespace has the label of its Incident's: the operator's own.
    """
    namespace = world.namespace
    label = namespace.labels.get(MODE_LABEL, "") if isinstance(namespace, NamespaceFacts) else ""
    by_namespace = Mode(label) if label in set(Mode) else Mode.OBSERVE
    ceiling = world.policy.spec.mode if isinstance(world.policy, HealingPolicy) else Mode.OBSERVE
    modes = (runbook.spec.mode, by_namespace, ceiling, highest_mode(registry.kinds_of(runbook)))
    return min(modes, key=lambda mode: mode.rank)


def highest_mode(kinds: Iterable[StepKind[Any]]) -> Mode:
    """Approve where one of the steps is never done without approval."""
    return Mode.APPROVE if any(kind.approval_always for kind in kinds) else Mode.AUTO


def make(world: World, status: IncidentStatus, fit: Fit) -> Plan | Refusal:
    """The plan of the Runbook that fits."""
    subject = world.subject
    if subject is None:
        return Refusal(reason="NoRunbookMatches", message="the target is no object that could be acted on")
    false = preconditions.refused(world, status, fit)
    if false is not None:
        return false
    ground = _ground(world, fit)
    if isinstance(ground, Refusal):
        return ground
    since, mode = _since(world, status, fit), effective_mode(fit.runbook, world)
    demoted = error_budget.demotion(world, fit.runbook, runbook_sha256(fit.runbook)) if mode is Mode.AUTO else None
    due, waiting_for = _due(world, status, fit, max(ground.not_before, since + timedelta(seconds=_dwell(status, fit))))
    return Plan(
        runbook=fit.runbook,
        subject=subject,
        accused=ground.accused,
        to=ground.to,
        summary=_in_turn(f"{summary(subject, fit.runbook, ground.accused, ground.to)}{_with(fit)}", fit.turn),
        hash=plan_hash(fit.runbook, subject, ground.accused, ground.to, fit.asked or {}),
        mode=mode if demoted is None else Mode.APPROVE,
        since=since,
        due_time=due,
        waiting_for=waiting_for,
        by_alert=fit.by_alert,
        requested=fit.asked is not None,
        turn=fit.turn,
        demoted=demoted,
    )


class _Ground(NamedTuple):
    """What the plan rests on."""

    accused: Revision | None
    to: Revision | None
    not_before: datetime


def _ground(world: World, fit: Fit) -> _Ground | Refusal:
    """Which revision is accused and which one is gone back to, where a step does that; or why the target is left alone."""
    facts = world.workload
    kinds = registry.kinds_of(fit.runbook)
    rolls_back = any(kind.accuses for kind in kinds)
    accused = accusation.accuse(world, fit) if rolls_back else None
    if isinstance(accused, Refusal):
        return accused
    if facts is None:
        return _Ground(None, None, world.now)
    found = _rollback_ground(world, facts, accused) if accused is not None else None
    if isinstance(found, Refusal):
        return found
    to, not_before = found if found is not None else (None, world.now)
    revision = accused.revision if accused is not None else None
    freezes = revision is not None and freezing.instead((kind.name for kind in kinds), facts, revision)
    refusal = _target_refuses(facts, revision, rolls_back=rolls_back, freezes=freezes, now=world.now)
    return refusal if refusal is not None else _Ground(revision, None if freezes else to, not_before)


def _rollback_ground(world: World, facts: WorkloadFacts, accused: accusation.Accused) -> tuple[Revision, datetime] | Refusal:
    guilt = accusation.guilty(world, facts, accused)
    if isinstance(guilt, Refusal):
        return guilt
    policy = world.policy.spec if isinstance(world.policy, HealingPolicy) else HealingPolicySpec()
    after = policy.known_good_after_seconds
    record = world.record if isinstance(world.record, WorkloadRecord) else None
    found = known_good.known_good(facts, accused.revision.hash, record, after, world.now)
    if found.revision is None:
        return Refusal(reason="NoKnownGood", message=found.message)
    return found.revision, guilt


def _target_refuses(facts: WorkloadFacts, accused: Revision | None, *, rolls_back: bool, freezes: bool, now: datetime) -> Refusal | None:
    workload = facts.workload
    if workload.paused:
        return Refusal(reason="TargetPaused", message=f"{workload.short} is paused: somebody is at work on it; `kubectl rollout resume` ends that")
    if not rolls_back:
        return None
    if not freezes and rollout.irreversible(facts, accused.hash if accused else ""):
        return Refusal(reason="Irreversible", message=f"{workload.short} is marked prunella.dev/irreversible: going back over it could lose data")
    if workload.strategy == "OnDelete":
        return Refusal(reason="StrategyUnsupported", message=f"{workload.short} updates OnDelete: a new template replaces no pod by itself")
    if workload.partition > 0:
        return Refusal(reason="StrategyUnsupported", message=f"{workload.short} has partition {workload.partition}: a staged rollout is a person's")
    return freezing.refused(facts, accused, now) if freezes and accused is not None else None


def _with(fit: Fit) -> str:
    """What was chosen, as whoever approves must see it, and what holds where nothing was."""
    texts = parameters.texts(fit.runbook.spec.parameters, fit.asked or {})
    told = ", ".join(f"{name}={text if len(text) <= LONGEST_CHOICE else f'{text[:LONGEST_CHOICE]}…'}" for name, text in texts.items())
    return f", with {told[:LONGEST_CHOICES]}" if told else ""


def _in_turn(said: str, turn: Turn | None) -> str:
    """What is done, and that it is done because something else did not help."""
    return f"{said} ({turn.told})" if turn is not None and turn.after else said


def _since(world: World, status: IncidentStatus, fit: Fit) -> datetime:
    """First sight of the signal that the Runbook is for, or the end of what was tried before it: the dwell counts from here."""
    signal = fit.by_alert or _watch_signal(status)
    since = signal.first_seen_time if signal else world.now
    tried = (one.status.ended_time for one in (fit.turn.after if fit.turn is not None else ()))
    return max((since, *(time for time in tried if time is not None)))


def _dwell(status: IncidentStatus, fit: Fit) -> int:
    """Seconds for which the signal has to hold: whoever asks for a run has waited long enough."""
    if fit.asked is not None:
        return 0
    seconds = fit.runbook.spec.match.dwell_seconds
    return seconds if seconds is not None else class_dwell(status.cause)


def _due(world: World, status: IncidentStatus, fit: Fit, due: datetime) -> tuple[datetime | None, str]:
    """The later of that instant, the dwell's end, and the one at which the restarts were enough; None while some are missing."""
    match, dwell = fit.runbook.spec.match, _dwell(status, fit)
    finding = world.known_finding
    if fit.by_alert is None and finding is not None and status.cause in CRASH_CAUSES:
        wanted = match.min_restarts if match.min_restarts is not None else 3
        if finding.restarts < wanted:
            return None, f"{finding.restarts} of {wanted} restarts and {dwell} s"
        due = max(due, min((seen for count, seen in world.restart_sights.items() if count >= wanted), default=finding.restarted_time or due))
    return due, f"{dwell} s"


def _watch_signal(status: IncidentStatus) -> Signal | None:
    firing = [one for one in status.signals if one.source is SourceKind.WATCH and one.state is SignalState.FIRING]
    same = [one for one in firing if one.cause is status.cause]
    return next(iter(same or firing), None)


def class_dwell(cause: Cause | None) -> int:
    """Seconds that a signal must hold where the Runbook sets none."""
    if cause in NODE_CAUSES:
        return 300
    return 120 if cause in {Cause.ROLLOUT_IMAGE_PULL, Cause.REGISTRY_UNREACHABLE} else 60


def summary(subject: Workload | Thing, runbook: Runbook, accused: Revision | None, to: Revision | None) -> str:
    """One sentence for people."""
    if accused is not None and to is not None:
        back = f"{subject.short} {accused.number} ({short_hash(accused)}) -> {to.number} ({short_hash(to)})"
        return f"ask for a revert in Git of {back}" if registry.tells_only(runbook) else f"roll back {back}"
    if accused is not None:
        return f"freeze the rollout of {subject.short} at revision {accused.number} ({short_hash(accused)}): what serves now goes on"
    first = next((kind for kind in registry.kinds_of(runbook) if kind.impact not in {StepImpact.READ, StepImpact.NOTIFY}), None)
    if first is not None and first.name == "restart":
        return f"restart the pods of {subject.short}"
    return f"{runbook.spec.title[:1].lower()}{runbook.spec.title[1:]}: {subject.short}"


def short_hash(revision: Revision) -> str:
    """The hash that stands in the pods' names."""
    return revision.hash.rsplit("-", 1)[-1]


def plan_hash(
    runbook: Runbook, subject: Workload | Thing, accused: Revision | None, to: Revision | None, asked: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Six hex digits over everything that makes it this plan: Runbook, target, both revisions, and what a person chose."""
    parts = [runbook.metadata.uid, runbook_sha256(runbook), subject.uid, accused.hash if accused else "", to.uid if to else ""]
    parts += [f"{name}={value}" for name, value in sorted(asked.items())]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:6]


def runbook_sha256(runbook: Runbook) -> str:
    """Hash of what a Runbook's author wrote: a newer version that knows more fields does not make it another Runbook."""
    return hashlib.sha256(runbook.spec.model_dump_json(by_alias=True, exclude_defaults=True).encode()).hexdigest()
