"""Rights: what the API server said about a plan: whether the acting account may do it and the change would be accepted; believed for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.world import Preparation, World

ANSWER_HOLDS: Final = timedelta(seconds=60)
REFUSAL_HOLDS: Final = timedelta(seconds=15)
"""How long what the API server said about a plan is believed; a no for less, because rights are granted without an event."""


def refused(world: World, plan: Plan) -> Refusal | None:
    """The acting account may do it, and the API server would accept it."""
    preparation = prepared(world, plan)
    if preparation is None:
        return Refusal(reason="EvidenceMissing", message="the API server was not asked yet whether the plan is permitted")
    refusal = _answered_no(world, plan, preparation)
    return replace(refusal, look_again_time=preparation.prepared_time + REFUSAL_HOLDS) if refusal is not None else None


def prepared(world: World, plan: Plan) -> Preparation | None:
    """What the API server said about this plan, while it may be believed; None means: ask (again)."""
    found = world.preparation
    if found is None or found.plan_hash != plan.hash:
        return None
    holds = REFUSAL_HOLDS if _answered_no(world, plan, found) is not None else ANSWER_HOLDS
    return found if world.now - found.prepared_time < holds else None


def _answered_no(world: World, plan: Plan, preparation: Preparation) -> Refusal | None:
    acting = identity.of_runbook(plan.runbook, world.operator_namespace)
    if isinstance(acting, Refusal):
        return acting
    if preparation.missing_rights:
        message = identity.lacks(acting, preparation.missing_rights, plan.subject.namespace)
        return Refusal(reason="MissingPermission", message=message[:1024])
    if not preparation.rights_known:
        return Refusal(reason="EvidenceMissing", message=f"the API server did not say whether {identity.called(acting)} has the rights for it")
    if preparation.step_refuses:
        return Refusal(reason=preparation.step_refuses, message=preparation.dry_run_error[:1024])
    if preparation.dry_run_error:
        reason = "QuotaHeadroom" if "exceeded quota" in preparation.dry_run_error else "EvidenceMissing"
        return Refusal(reason=reason, message=f"the API server would refuse the change: {preparation.dry_run_error}"[:1024])
    return None
