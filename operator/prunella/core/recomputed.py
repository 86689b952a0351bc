"""Why is nothing done here? The present state of one workload, judged as the operator would judge it now, without an Incident.

The rule it protects: there is one judgement. Detection, choice of Runbook, plan and guards are the operator's own functions, asked again with what
the person who asks may read; what could not be read is said, and counts as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident, IncidentStatus, OpeningSignal, Signal
from prunella.api.marks import MODE_LABEL
from prunella.api.names import Cause, Mode, SignalState, SourceKind
from prunella.api.runbook import Runbook

from .considered import Left, considered
from .facts import AlertFacts, Finding, NamespaceFacts, Seen, WorkloadFacts, subject_of
from .healing.guards import guards
from .healing.refusal import Asked, Refusal, first_refusal
from .healing.runbooks import identity, match, plan
from .incident import correlate, sources
from .lines import Row, Tale, clock, span
from .world import Preparation, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """What the person wants shown, and what could not be had for them."""

    guards: bool = False
    unread: tuple[str, ...] = ()
    """Sentences about reads that failed."""
    missing_rights: tuple[str, ...] | None = None
    """What Prunella's account may not do here, in kubectl's words; None where the person may not ask for it."""


def opened(finding: Finding, now: datetime) -> Incident:
    """The Incident that would be opened for a finding; nobody stores it."""
    seen = min(max(finding.open_time, finding.started_time), now)
    cause = Cause(finding.cause)
    signal = OpeningSignal(key=f"watch/{cause}", started_time=finding.started_time, seen_time=seen, cause=cause, summary=finding.summary)
    name = correlate.incident_name(finding.subject.ref, "")
    return correlate.new_incident(name=name, target=finding.subject.ref, source=SourceKind.WATCH, signal=signal, title=finding.summary)


def unopened(facts: Seen) -> Incident:
    """A stand-in for a target that nothing is wrong with, so that guards can be asked about it."""
    seen = OpeningSignal(key="watch/none", started_time=datetime(1970, 1, 1, tzinfo=UTC), cause=Cause.REPORTED)
    return correlate.new_incident(name="none", target=subject_of(facts).ref, source=SourceKind.PERSON, signal=seen, title="nothing is wrong")


def recompute(world: World, before: Incident | None, asks: Asks) -> Tale:
    """What would be decided now. `world.incident` is the one of `opened` or `unopened`; `before` the newest that is over."""
    facts = world.workload
    finding = world.finding if isinstance(world.finding, Finding) else None
    ref = world.incident.spec.target_ref
    name = facts.workload.short if facts else f"{ref.kind.lower()}/{ref.name}"
    head = f"{name}   {world.incident.target_namespace}   as of now, recomputed: it has no open Incident   (times in UTC, {world.now:%Y-%m-%d})"
    rows = (
        *_before(before, world.now),
        *_state(facts),
        *_modes(world),
        *(_finding(finding, world.now) if finding else _healthy(world)),
        *(_judged(world, _status(world, finding), asks) if finding else _would_refuse(world, asks)),
        *(Row(label="not read", what=sentence, why="it counts as unknown") for sentence in asks.unread),
    )
    return Tale(head=head, rows=rows)


def suppose(world: World, alert: AlertFacts, asks: Asks) -> Tale:
    """What would be decided if that alert began to fire now. Where `world.incident` is an open one, the alert joins it."""
    finding = world.finding if isinstance(world.finding, Finding) else None
    ref, joins = world.incident.spec.target_ref, bool(world.incident.metadata.uid)
    name = world.workload.workload.short if world.workload else f"{ref.kind.lower()}/{ref.name}"
    known = world.incident.status if joins else _status(world, finding) if finding else IncidentStatus(cause=Cause.ALERT)
    cause = Cause.ALERT if known.cause in {None, Cause.REPORTED} else known.cause
    signal = sources.alert_signal(alert, SignalState.FIRING, 1)
    others = tuple(one for one in known.signals if one.key != signal.key)
    status = known.model_copy(update={"cause": cause, "signals": (*others, signal)})
    rules = {signal.labels.get("alertname", ""): guards.MIN_RULE_FOR_SECONDS} | dict(world.alert_rules)
    world = replace(world, incident=world.incident.model_copy(update={"status": status}), alert_rules=rules)
    labels = ", ".join(f'{key}="{value}"' for key, value in sorted(signal.labels.items()))
    opens = f"joins Incident {world.incident.metadata.name}" if joins else f"opens an Incident about {name}"
    rows = (
        *_state(world.workload),
        *_modes(world),
        Row(label="supposed", time=world.now, what=f"an alert fires: {{{labels}}}", why="nothing is written, and nobody is told"),
        Row(
            label="supposed",
            what=f"its rule has `for` {guards.MIN_RULE_FOR_SECONDS} s at least, and Alertmanager is heard",
            why="only the operator asks Prometheus and Alertmanager",
        ),
        *(_finding(finding, world.now) if finding and not joins else ()),
        Row(label="would", what=f"it {opens}, cause {cause}", why="its labels name the target; those that were not given are supposed"),
        *_judged(world, status, asks),
        *(Row(label="not read", what=sentence, why="it counts as unknown") for sentence in asks.unread),
    )
    head = f"{name}   {world.incident.target_namespace}   as of now, supposing that an alert fires   (times in UTC, {world.now:%Y-%m-%d})"
    return Tale(head=head, rows=rows)


def _before(before: Incident | None, now: datetime) -> Iterator[Row]:
    if before is not None:
        status = before.status
        ended = status.times.resolved_time or status.times.cancelled_time
        ago = f" {span((now - ended).total_seconds())} ago" if ended else ""
        yield Row(
            label="before",
            time=ended,
            what=f"{before.metadata.name}: {status.phase}{ago}",
            why=f"{status.cause}, {status.remediation or 'nothing was done'}",
        )


def _state(facts: WorkloadFacts | None) -> Iterator[Row]:
    if facts is None:
        yield Row(label="is", what="not there, or it can't be read")
        return
    newest = f"revision {facts.newest.number}" if facts.newest else "no revision"
    yield Row(label="is", what=f"{facts.workload.ready} of {facts.workload.desired} ready, {newest}", why="paused" if facts.workload.paused else "")


def _modes(world: World) -> Iterator[Row]:
    namespace = world.namespace
    if isinstance(namespace, NamespaceFacts):
        label = namespace.labels.get(MODE_LABEL)
        how = f"label {MODE_LABEL}={label}" if label else f"no label {MODE_LABEL}: nobody has opted in"
        yield Row(label="mode", what=f"namespace {namespace.name}: {label if label in set(Mode) else Mode.OBSERVE}", why=how)
    if isinstance(world.policy, HealingPolicy):
        yield Row(label="mode", what=f"HealingPolicy: {world.policy.spec.mode}", why="the ceiling for the whole cluster")


def _healthy(world: World) -> Iterator[Row]:
    if world.finding is None and world.workload is not None:
        yield Row(label="seen", what="nothing is wrong with it", why="so there is nothing to do, and no Incident")
    else:
        yield Row(label="seen", what="whether something is wrong can't be told", why="what is missing stands below")


def _finding(finding: Finding, now: datetime) -> Iterator[Row]:
    yield Row(label="seen", time=finding.started_time, what=finding.summary, why=finding.cause)
    if finding.open_time > now:
        yield Row(label="next", time=finding.open_time, what="an Incident is opened, if it holds until then", why="a short trouble is no fault")
    else:
        what = "an Incident was due, and there is none"
        yield Row(
            label="mind",
            time=finding.open_time,
            what=what,
            why="does the operator run? `kubectl get configmap prunella-heartbeat -n prunella-system -o yaml`",
        )


def _judged(world: World, status: IncidentStatus, asks: Asks) -> Iterator[Row]:
    chosen, left = match.choose(world, status)
    if isinstance(chosen, Refusal):
        yield _refused("no Runbook", chosen)
    else:
        made = plan.make(world, status, chosen)
        name = chosen.runbook.metadata.name
        yield from [_refused(name, made)] if isinstance(made, Refusal) else _planned(world, made, asks)
    yield from considered(
        (Left(runbook=one.runbook.metadata.name, reason=one.why.reason, message=one.why.message) for one in left), every=asks.guards
    )


def _status(world: World, finding: Finding) -> IncidentStatus:
    opening = world.incident.spec.source.signal if world.incident.spec.source else None
    seen = (opening.seen_time if opening else None) or world.now
    signal = Signal(
        key=f"watch/{finding.cause}",
        source=SourceKind.WATCH,
        state=SignalState.FIRING,
        cause=Cause(finding.cause),
        first_seen_time=seen,
        last_seen_time=world.now,
        started_time=finding.started_time,
        summary=finding.summary,
    )
    accused = finding.accused_revision or None
    return IncidentStatus(cause=Cause(finding.cause), summary=finding.summary, accused_revision=accused, signals=(signal,))


def _planned(world: World, made: plan.Plan, asks: Asks) -> Iterator[Row]:
    name = made.runbook.metadata.name
    verdicts = _asked(world, made, asks)
    yield Row(label="plan", what=f"{name}: {made.summary}", why=f"effective mode {made.mode}, the lowest of Runbook, namespace and HealingPolicy")
    yield from acting_as(made.runbook, world.operator_namespace)
    yield from _verdicts(made.runbook, verdicts, asks)
    refusal = first_refusal(verdicts) or guards.gate(made, made.due_time)
    if refusal is not None:
        yield _refused(name, refusal)
    elif made.due_time is None or made.due_time > world.now:
        due = f"due {clock(made.due_time)}" if made.due_time else "not due yet"
        yield Row(label="waits", time=made.due_time, what=f"{name}: {due}", why=f"waits for {made.waiting_for}")
    else:
        label, why = ("asks", "people must approve it first") if made.mode is Mode.APPROVE else ("would", "nothing stands in the way")
        yield Row(label=label, what=made.summary, why=why)


def _would_refuse(world: World, asks: Asks) -> Iterator[Row]:
    """Nothing is wrong: still, which guards would refuse if something were?"""
    facts = world.workload
    fit = [one for one in world.runbooks if facts is not None and _is_for(one, facts.workload.kind)]
    runbook = max(fit, key=lambda one: (plan.effective_mode(one, world).rank, one.spec.priority), default=None)
    if facts is None or runbook is None:
        yield Row(label="not done", what="nothing could be done", why="no Runbook is for this kind, or none could be read")
        return
    supposed = plan.Plan(
        runbook=runbook,
        subject=facts.workload,
        accused=None,
        to=None,
        summary=f"act on {facts.workload.short}",
        hash="supposed",
        mode=plan.effective_mode(runbook, world),
        due_time=world.now,
    )
    verdicts = tuple(one for one in _asked(world, supposed, asks) if one.guard != "Target")  # it is healthy: that is no news
    yield Row(label="mode", what=f"{runbook.metadata.name}: {supposed.mode}", why="effective: the lowest of Runbook, namespace and HealingPolicy")
    yield from _verdicts(runbook, verdicts, asks)
    yield from (_refused("if it failed now", one.refusal) for one in verdicts if one.refusal is not None and not one.shown_only)
    gate = guards.gate(supposed, None)
    if gate is not None:
        yield _refused("if it failed now", replace(gate, message=f"the effective mode is {supposed.mode}: nothing is changed by itself"))


def _is_for(runbook: Runbook, kind: str) -> bool:
    targets = runbook.spec.match.targets
    return targets is None or not targets.kinds or kind in targets.kinds


def _asked(world: World, made: plan.Plan, asks: Asks) -> tuple[Asked, ...]:
    """Every guard's verdict. Rights are asked of the API server by who asks, or left out where that is not permitted; `blockIf` is not asked here."""
    ours = not isinstance(identity.of_runbook(made.runbook, world.operator_namespace), identity.Account)
    missing = asks.missing_rights if ours else None  # of a team's account nobody is asked here
    prepared = Preparation(plan_hash=made.hash, missing_rights=missing or (), prepared_time=world.now)
    verdicts = guards.ask(replace(world, preparation=prepared), made)
    told = (one for one in verdicts if missing is not None or one.guard != "Rights")
    return tuple(one for one in told if one.refusal is None or not one.refusal.being_asked)


def acting_as(runbook: Runbook, operator_namespace: str) -> Iterator[Row]:
    """As whom a Runbook of a team acts; nothing is said of those that act as the operator."""
    told = identity.told(runbook, operator_namespace)
    if told is not None:
        yield Row(label="as", what=f"{runbook.metadata.name} {told}", why="its `serviceAccountName`, which is impersonated")


def _verdicts(runbook: Runbook, verdicts: tuple[Asked, ...], asks: Asks) -> Iterator[Row]:
    passed = sum(one.refusal is None for one in verdicts)
    yield Row(label="guards", what=f"{passed} of {len(verdicts)} would pass", why="" if asks.guards else "--guards shows each")
    if asks.guards:
        for one in verdicts:
            answer, why = (one.refusal.reason, one.refusal.message) if one.refusal else ("would pass", "")
            yield Row(label="guards", what=f"  {one.guard}: {answer}", why=why)
    if runbook.spec.block_if:
        names = ", ".join(one.name for one in runbook.spec.block_if)
        yield Row(label="not read", what=f"`blockIf` of {runbook.metadata.name} ({names})", why="only the operator asks Prometheus and Alertmanager")


def _refused(what: str, refusal: Refusal) -> Row:
    return Row(label="not done", time=refusal.look_again_time, what=f"{what}: {refusal.reason}", why=refusal.message)
