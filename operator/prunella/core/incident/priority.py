"""Stage: P1 to P4 from impact and urgency, with the inputs written down.

The rule this module protects: what a person states wins; within an episode automation only raises, unless what was mitigated comes back as something
merely untidy; and what is not known counts as worse, never as better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prunella.api.healing_policy import HealingPolicy, SeverityUrgency
from prunella.api.incident import IncidentStatus, Signal
from prunella.api.names import Cause, Impact, Priority, RemediationPhase, SignalState, SourceKind, Urgency
from prunella.core.draft import Draft
from prunella.core.standing import firing, phase_of, reported
from prunella.core.things import weight
from prunella.core.world import World

from . import acknowledgement
from .ownership import entry_of
from .sources import ALERT, WATCH
from .states import State, state_of

MATRIX: Final = {
    Impact.EXTENSIVE: {Urgency.HIGH: Priority.P1, Urgency.MEDIUM: Priority.P2, Urgency.LOW: Priority.P3},
    Impact.SIGNIFICANT: {Urgency.HIGH: Priority.P2, Urgency.MEDIUM: Priority.P3, Urgency.LOW: Priority.P4},
    Impact.MINOR: {Urgency.HIGH: Priority.P3, Urgency.MEDIUM: Priority.P4, Urgency.LOW: Priority.P4},
}
DEFAULT_TIER: Final = 2

_NONE, _PART, _HALF = 0, 1, 2
_LOST: Final = {weight.Lost.NOTHING: _NONE, weight.Lost.PART: _PART, weight.Lost.MOST: _HALF}
IMPACT_OF_TIER: Final = {
    1: (Impact.SIGNIFICANT, Impact.EXTENSIVE, Impact.EXTENSIVE),
    2: (Impact.MINOR, Impact.SIGNIFICANT, Impact.EXTENSIVE),
    3: (Impact.MINOR, Impact.MINOR, Impact.SIGNIFICANT),
    4: (Impact.MINOR, Impact.MINOR, Impact.MINOR),
}
"""By tier; then by capacity lost: none, part or unknown, half or more."""
_IMPACT_ORDER: Final = (Impact.MINOR, Impact.SIGNIFICANT, Impact.EXTENSIVE)
_URGENCY_ORDER: Final = (Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """One of the two inputs, and why it is what it is."""

    value: Impact | Urgency
    why: str


def assess(world: World, draft: Draft) -> Draft:
    """Assess at the opening of each episode; afterwards only raise, or follow what a person states. Nothing is raised once it no longer hurts."""
    status = draft.status
    first = status.priority is None
    if not first and state_of(status) not in {State.TRIGGERED, State.ACKNOWLEDGED, State.MITIGATED}:
        return draft
    impact, impact_why = _impact(world, draft)
    urgency, urgency_why = _urgency(world, draft)
    if not first and (impact, urgency) == (status.impact, status.urgency):
        return draft
    priority = MATRIX[impact][urgency]
    reason = f"impact {impact} ({impact_why}), urgency {urgency} ({urgency_why})"[:1024]
    draft = draft.with_status(priority=priority, impact=impact, urgency=urgency, priority_reason=reason)
    if first:
        draft = draft.count("incidents_opened_total", priority=priority.value, source=world.incident.source_kind.value)
        return draft.note("PriorityAssessed", f"{priority}: {reason}")
    was = status.priority
    if was is None or priority is was:
        return draft
    draft = draft.note("PriorityAssessed", f"{priority}, was {was}: {reason}")
    return acknowledgement.raised(world, draft, was, priority) if priority.value < was.value else draft


def _impact(world: World, draft: Draft) -> tuple[Impact, str]:
    stated, before = world.incident.spec.impact, draft.status.impact
    if stated is not None:
        return stated, "stated by a person"
    if before is not None and not _may_raise(world, draft):
        return before, "as before"
    impact, why = _computed_impact(world, draft.status)
    also = [one.spec.impact for one in world.duplicates if one.spec.impact is not None and one.status.merged_into is not None]
    for other in also:
        if _IMPACT_ORDER.index(other) > _IMPACT_ORDER.index(impact):
            impact, why = other, "stated by a person in a duplicate"
    for child in world.children:
        if child.status.impact is not None and _IMPACT_ORDER.index(child.status.impact) > _IMPACT_ORDER.index(impact):
            impact, why = child.status.impact, f"that of {child.status.target or child.metadata.name}, which fails for it"
    if before is not None and _IMPACT_ORDER.index(before) >= _IMPACT_ORDER.index(impact):
        return before, "as before"
    return impact, why


def _computed_impact(world: World, status: IncidentStatus) -> tuple[Impact, str]:
    if world.shared is not None and world.shared.extensive:
        return Impact.EXTENSIVE, world.shared.extensive
    if world.storm_since is not None and world.incident.source_kind is not SourceKind.PERSON and world.thing is None:
        return Impact.EXTENSIVE, "a storm: many workloads fail at once"
    entry = entry_of(world)
    tier = entry.entry.spec.tier if entry is not None else DEFAULT_TIER
    whose = f"CatalogEntry {entry.entry.metadata.name}, tier {tier}" if entry is not None else f"no CatalogEntry, counts as tier {tier}"
    lost, capacity = _capacity(world, status)
    return IMPACT_OF_TIER[tier][lost], f"{whose}, {capacity}"


def _capacity(world: World, status: IncidentStatus) -> tuple[int, str]:
    facts = world.workload
    if world.thing is not None:
        counts = weight.of(status.cause)
        return _LOST[counts.lost], counts.why
    if facts is None:
        return _PART, "capacity not known"
    if status.cause is Cause.SCALED_TO_ZERO:
        # it had none that counted: once somebody scales it up its pods start, and what fails then has a cause of its own
        return _NONE, "no capacity lost"
    # The controller's count may lag behind the pods, and the pods behind it: what is not known to serve does not count.
    serving = sum(1 for pod in facts.pods if pod.ready and not pod.deleting) if facts.pods else facts.workload.ready
    ready, desired = min(facts.workload.ready, serving), facts.workload.desired
    if ready >= desired:
        return _NONE, "no capacity lost"
    lost = desired - ready
    return (_HALF if lost * 2 >= desired else _PART), f"{lost} of {desired} not ready"


def _may_raise(world: World, draft: Draft) -> bool:
    """What our own attempt does to the target, what we can't see, and what comes after the last signal raises nothing: pods start, nobody is hurt."""
    ours = any(phase_of(one) in {RemediationPhase.DISPATCHED, RemediationPhase.VERIFYING} for one in world.remediations)
    seen = world.subject is not None or bool(world.children)
    return seen and not ours and _hurts(world, draft) and state_of(draft.status) is not State.MITIGATED


def _hurts(world: World, draft: Draft) -> bool:
    """Whether it still hurts. What may become a fault keeps the signal before it firing, which is seen no more: pods that start look like that."""
    finding = world.known_finding
    if finding is None or finding.open_time <= draft.now or world.children or reported(world.incident):
        return _fires(world, draft)
    return any(one.key.startswith(ALERT) for one in firing(draft.status))


def _fires(world: World, draft: Draft) -> bool:
    return bool(firing(draft.status)) or reported(world.incident)


def _urgency(world: World, draft: Draft) -> tuple[Urgency, str]:
    stated, before = world.incident.spec.urgency, draft.status.urgency
    if stated is not None:
        return stated, "stated by a person"
    if before is not None and not _fires(world, draft):
        return before, "as before"
    urgency, why = _computed_urgency(world, draft.status)
    if before is not None and _URGENCY_ORDER.index(before) >= _URGENCY_ORDER.index(urgency):
        return before, "as before"
    return urgency, why


def _computed_urgency(world: World, status: IncidentStatus) -> tuple[Urgency, str]:
    fires = [signal for signal in status.signals if signal.state is SignalState.FIRING]
    seen = [weight.of(signal.cause) for signal in fires if signal.key.startswith(WATCH)]
    answers = [(one.urgency, one.pace) for one in seen]
    if not seen or (any(signal.key.startswith(ALERT) for signal in fires) and all(one.urgency is not Urgency.HIGH for one in seen)):
        answers.append(_alerted_urgency(world, status, fires))
    return max(answers, key=lambda one: _URGENCY_ORDER.index(one[0]))


def _alerted_urgency(world: World, status: IncidentStatus, fires: list[Signal]) -> tuple[Urgency, str]:
    table = world.policy.spec.severity_urgency if isinstance(world.policy, HealingPolicy) else SeverityUrgency()
    severities = [signal.labels.get("severity") for signal in fires if signal.key.startswith(ALERT)]
    if not severities:
        return Urgency.HIGH, "reported by a person" if status.cause is Cause.REPORTED else "nothing says otherwise"
    answers = [(table.urgency_of(severity), severity) for severity in severities]
    strange = next((severity for urgency, severity in answers if urgency is None), "")
    if any(urgency is None for urgency, _ in answers):
        called = f"severity '{strange}' is not known" if strange else "the alert has no severity"
        return Urgency.HIGH, f"{called}: unsure counts as High; HealingPolicy `spec.severityUrgency` can name it"
    worst = max((urgency for urgency, _ in answers if urgency is not None), key=_URGENCY_ORDER.index)
    severity = next(severity for urgency, severity in answers if urgency is worst)
    return worst, f"alert of severity {severity}"
