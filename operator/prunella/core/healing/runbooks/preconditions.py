"""Preconditions: what must be true of the target before a Runbook begins anything there.

The rule this module protects: only a condition that surely holds lets a plan be made. One that is false, names what is not there or can't be told
refuses with the words of the Runbook's author. The plan is made anew from live facts right before the first effect, and so they are asked again.
"""

from __future__ import annotations

from prunella.api.incident import IncidentStatus
from prunella.core.healing.notation import parameters
from prunella.core.healing.refusal import Refusal
from prunella.core.world import Unevaluable, World

from . import match
from .match import Fit

REASON = "PreconditionFalse"


def refused(world: World, status: IncidentStatus, fit: Fit) -> Refusal | None:
    """The first one that does not hold, with what it means; None where all of them do."""
    spec = fit.runbook.spec
    if not spec.preconditions:
        return None
    chosen = parameters.values(spec.parameters, fit.asked or {})
    variables = {**match.variables(world, status, match.alert_of(world, status, spec.match)), "parameters": chosen}
    for one in spec.preconditions:
        verdict = world.evaluate(one.that, variables)
        if verdict is True:
            continue
        why = f"could not be told: {verdict.why}" if isinstance(verdict, Unevaluable) else "is false"
        message = f"precondition '{one.name}' of Runbook {fit.runbook.metadata.name} ({one.reason}): '{one.that}' {why}"
        return Refusal(reason=REASON, message=message[:1024])
    return None
