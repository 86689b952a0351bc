"""The columns: what stands in status only so that a person reads the Incident in one line. Nothing reads it back."""

from __future__ import annotations

from prunella.api.names import ConditionStatus, Phase, RemediationState
from prunella.core.draft import Draft
from prunella.core.incident import times
from prunella.core.subject import short
from prunella.core.world import World


def render(world: World, draft: Draft) -> Draft:
    """Phase, target and observedGeneration, from times and conditions."""
    ref = world.incident.spec.target_ref
    target = short(ref.kind, ref.name)
    state = draft.status.remediation_state or RemediationState.NONE
    return draft.with_status(
        phase=phase(draft),
        target=target,
        remediation_state=state,
        ttr=times.ttr(draft.status),
        observed_generation=world.incident.metadata.generation,
    )


def phase(draft: Draft) -> Phase:
    """One word for the state that the conditions imply."""
    if draft.status.times.cancelled_time is not None:
        return Phase.CANCELLED
    if draft.has_condition("Resolved", ConditionStatus.TRUE):
        return Phase.RESOLVED
    if draft.has_condition("Mitigated", ConditionStatus.TRUE):
        return Phase.MITIGATED
    if draft.has_condition("Acknowledged", ConditionStatus.TRUE):
        return Phase.ACKNOWLEDGED
    return Phase.TRIGGERED
