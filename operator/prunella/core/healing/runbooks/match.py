"""Which Runbook fits an Incident: by cause or alert, by target, by condition. A tie is reported, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from prunella.api.incident import IncidentStatus, Signal
from prunella.api.marks import IDEMPOTENT_ANNOTATION
from prunella.api.names import Cause, SignalState, SourceKind
from prunella.api.runbook import Match, Runbook
from prunella.core import rollout
from prunella.core.facts import Workload
from prunella.core.healing.notation import matchers
from prunella.core.healing.owners import ownership
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import StepKind
from prunella.core.subject import Thing
from prunella.core.things.node import Node
from prunella.core.world import Unevaluable, World

from . import filling, identity, succession
from .succession import Turn

OTHER_CAUSE: Final = "OtherCause"
"""The reason of a Runbook that is for other causes and alerts altogether."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A Runbook that fits, and how."""

    runbook: Runbook
    by_alert: Signal | None = None
    """The alert that it matched; None where the cause did."""
    asked: Mapping[str, str] | None = None
    """What the person chose who asked for the run; None where a fault did."""
    turn: Turn | None = None
    """Where it stands among Runbooks that follow each other; None where it is alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """A Runbook that does not fit, and why."""

    runbook: Runbook
    why: Refusal


def usable(runbook: Runbook, operator_namespace: str, kinds: Mapping[str, StepKind[Any]] = registry.KINDS) -> Refusal | None:
    """Why a Runbook is not used, wherever the fault is: it does not say as whom it acts, or one of a team has a step that reaches beyond the team."""
    acting = identity.of_runbook(runbook, operator_namespace)
    if isinstance(acting, Refusal):
        return acting
    step = registry.boundless(runbook, kinds) if isinstance(acting, identity.Account) else None
    if step is None:
        return None
    why = f"step '{step.name}' ({step.action}) reaches beyond {runbook.metadata.namespace}: only a Runbook of {operator_namespace} may use it"
    return Refusal(reason="ServiceAccountUnsupported", message=why)


def fit(world: World, status: IncidentStatus, runbook: Runbook) -> Fit | Refusal:
    """Whether one Runbook fits, in the order: usable, cause or alert, kind, labels, condition, steps, and whether these are for the target."""
    unusable = usable(runbook, world.operator_namespace)
    if unusable is not None:
        return unusable
    match = runbook.spec.match
    alert = alert_of(world, status, match)
    if not alert and status.cause not in match.causes:
        wanted = ", ".join(match.causes) or "its alerts"
        return Refusal(reason=OTHER_CAUSE, message=f"it is for {wanted}; the cause is {status.cause}")
    subject = world.subject
    if subject is None:
        return Refusal(reason="NoRunbookMatches", message="the target is no object that could be acted on")
    beyond = outside(match, subject)
    if beyond is not None:
        return beyond
    if match.when is not None:
        verdict = world.evaluate(match.when, variables(world, status, alert))
        if isinstance(verdict, Unevaluable):
            return Refusal(reason="PreconditionFalse", message=f"its condition '{match.when}' could not be told: {verdict.why}")
        if not verdict:
            return Refusal(reason="PreconditionFalse", message=f"its condition '{match.when}' is false")
    carried_out = filling.filled(runbook, {})
    unfit = f"it can't be used: {carried_out}" if isinstance(carried_out, str) else _steps(carried_out, subject.kind)
    if unfit is not None or isinstance(carried_out, str):
        return Refusal(reason="NoRunbookMatches", message=unfit or "")
    return Fit(runbook=carried_out, by_alert=None if status.cause in match.causes else alert)


def _steps(runbook: Runbook, kind: str) -> str | None:
    """Why its steps can't be used on such a target."""
    unknown = next((wrong for step in runbook.spec.steps if (wrong := registry.wrong_with(step)) is not None), None)
    return f"it can't be used: {unknown}" if unknown is not None else registry.unfit(runbook.spec.steps, kind)


def alert_of(world: World, status: IncidentStatus, match: Match) -> Signal | None:
    """The first alert that fires and is one of those. Most are told apart by a label, without the engine: there may be a hundred of them."""
    wanted = [_read(matcher) for matcher in match.alerts]
    if not any(wanted):
        return None
    for signal in status.signals:
        if signal.source is not SourceKind.ALERTMANAGER or signal.state is not SignalState.FIRING:
            continue
        if any(one is not None and _matches(world, *one, signal.labels) for one in wanted):
            return signal
    return None


def _read(matcher: str) -> tuple[tuple[matchers.Matcher, ...], str] | None:
    read, compiled = matchers.parse(matcher), matchers.compile_matcher(matcher)
    return None if isinstance(read, matchers.BadMatcher) or isinstance(compiled, matchers.BadMatcher) else (read, compiled)


def _matches(world: World, read: tuple[matchers.Matcher, ...], compiled: str, labels: Mapping[str, str]) -> bool:
    if not all(one.may_hold(labels) for one in read):
        return False
    # Alerts that differ elsewhere are one question to the engine, which keeps its answer.
    named = {one.name: labels[one.name] for one in read if one.name in labels}
    return world.evaluate(compiled, {"labels": named}) is True


def outside(match: Match, subject: Workload | Thing) -> Refusal | None:
    """Why a Runbook is not for this target, by its kind or labels; None where it may be."""
    targets = match.targets
    if targets is None:
        return None
    if targets.kinds and subject.kind not in targets.kinds:
        return Refusal(reason="NoRunbookMatches", message=f"it is for {', '.join(targets.kinds)}, not for a {subject.kind}")
    if targets.selector is not None:
        missing = [f"{key}={value}" for key, value in targets.selector.match_labels.items() if subject.labels.get(key) != value]
        if missing:
            return Refusal(reason="NoRunbookMatches", message=f"the target lacks its labels {', '.join(missing)}")
    return None


def variables(world: World, status: IncidentStatus, alert: Signal | None) -> dict[str, object]:
    """What a condition may read: `incident`, `target`, `alert`. Only strings, numbers, true or false, and maps of them."""
    facts, subject = world.workload, world.subject
    newest = facts.newest if facts else None
    ready, desired = _counts(subject)
    return {
        "incident": {
            "name": world.incident.metadata.name,
            "namespace": world.incident.metadata.namespace or "",
            "cause": str(status.cause or Cause.REPORTED),
            "priority": str(status.priority or ""),
            "episode": status.episode,
        },
        "target": {
            "kind": subject.kind if subject else world.incident.spec.target_ref.kind,
            "name": subject.name if subject else world.incident.spec.target_ref.name,
            "namespace": subject.namespace if subject else world.incident.target_namespace,
            "labels": dict(subject.labels) if subject else {},
            "failingRevision": status.accused_revision or "",
            "newestRevision": newest.hash if newest else "",
            "ready": ready,
            "desired": desired,
            "ownedByGitOps": bool(subject and ownership.gitops(subject)),
            "irreversible": bool(facts and rollout.irreversible(facts, status.accused_revision or "")),
            "idempotent": bool(subject and subject.annotations.get(IDEMPOTENT_ANNOTATION) == "true"),
        },
        "alert": {"labels": dict(alert.labels) if alert else {}, "summary": alert.summary if alert else ""},
    }


def _counts(subject: Workload | Thing | None) -> tuple[int, int]:
    """How much of the target serves, and of how much. A Node is one, and serves while it is Ready and nothing presses on it."""
    match subject:
        case Workload():
            return subject.ready, subject.desired
        case Node():
            return int(subject.serves), 1
        case _:
            return 0, 0


def choose(world: World, status: IncidentStatus) -> tuple[Fit | Refusal, tuple[Considered, ...]]:
    """The one Runbook that is used, or why none is; and those that were considered and left. Those of other namespaces are nobody's business here."""
    fits: list[Fit] = []
    left: list[Considered] = []
    near = [one for one in world.runbooks if identity.reaches(one, world.incident.target_namespace, world.operator_namespace)]
    for runbook in sorted(near, key=lambda one: (-one.spec.priority, one.metadata.name)):
        answer = fit(world, status, runbook)
        if isinstance(answer, Fit):
            fits.append(answer)
        else:
            left.append(Considered(runbook=runbook, why=answer))
    if not fits:
        return _none_fits(status, left), tuple(left)
    behind = succession.followers(one.runbook for one in fits)
    leading = [one for one in fits if (one.runbook.metadata.namespace or "", one.runbook.metadata.name) not in behind] or fits
    best = [one for one in leading if one.runbook.spec.priority == leading[0].runbook.spec.priority]
    if len(best) > 1:
        names = " and ".join(one.runbook.metadata.name for one in best)
        return Refusal(reason="RunbooksTied", message=f"{names} fit with the same priority: give one of them a higher `spec.priority`"), tuple(left)
    turn = succession.turn(world, status, best[0].runbook, [one.runbook for one in fits])
    chosen = next(one for one in fits if one.runbook is turn.runbook)
    return replace(chosen, turn=turn if turn.of > 1 else None), (*left, *_waiting(fits, best[0].runbook, turn))


def _waiting(fits: list[Fit], first: Runbook, turn: Turn) -> Iterable[Considered]:
    """Those that fit as well, and why it is not their turn."""
    tried = {one.spec.runbook_ref.name for one in turn.after}
    following = succession.line(first, [one.runbook for one in fits])
    for one in fits:
        if one.runbook is turn.runbook:
            continue
        name, of_line = one.runbook.metadata.name, one.runbook in following
        why = f"{first.metadata.name} has the higher priority"
        if of_line:
            why = (
                "it was tried in this episode, and did not help" if name in tried else f"it is tried where {turn.runbook.metadata.name} does not help"
            )
        yield Considered(runbook=one.runbook, why=Refusal(reason="NoRunbookMatches", message=why))


def _none_fits(status: IncidentStatus, left: list[Considered]) -> Refusal:
    false = next((one.why for one in left if one.why.reason == "PreconditionFalse"), None)
    if false is not None and len([one for one in left if one.why.reason == "PreconditionFalse"]) == 1:
        return false
    return Refusal(reason="NoRunbookMatches", message=f"no Runbook fits the cause {status.cause}: a person has to look")
