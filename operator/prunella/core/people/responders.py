"""Who can be reached at all: the policy of the Incident, and the receivers that it names.

The rule this module protects: paging nobody is an alarm of its own, and it says how to set it right.
"""

from __future__ import annotations

from collections.abc import Iterable

from prunella.api.common import NamespacedRef
from prunella.api.escalation_policy import EscalationPolicy, EscalationPolicySpec, NotifyTarget
from prunella.api.healing_policy import HealingPolicy
from prunella.api.names import ConditionStatus
from prunella.core.draft import Draft
from prunella.core.world import World

NO_DEFAULT = (
    "nobody is paged: no EscalationPolicy is known for this target; to set a default: kubectl patch healingpolicy default --type=merge "
    '-p \'{"spec":{"defaultEscalationPolicyRef":{"namespace":"<namespace>","name":"<policy>"}}}\''
)


def find(world: World, ref: NamespacedRef | None) -> EscalationPolicy | None:
    """The EscalationPolicy of that name, if it is there."""
    if ref is None:
        return None
    return next((one for one in world.escalation_policies if (one.metadata.namespace, one.metadata.name) == (ref.namespace, ref.name)), None)


def reachable(world: World, targets: Iterable[NotifyTarget]) -> tuple[str, ...]:
    """Names of the receivers that HealingPolicy has. Where it can't be read, the policy's word is taken: trying costs less than silence."""
    names = tuple(dict.fromkeys(target.receiver for target in targets if target.receiver))
    if not isinstance(world.policy, HealingPolicy):
        return names
    known = {receiver.name for receiver in world.policy.spec.receivers}
    return tuple(name for name in names if name in known)


def watch_over(world: World, draft: Draft, policy: EscalationPolicySpec | None) -> Draft:
    """Set or remove NoResponder, by what the policy and the receivers say now."""
    missing = NO_DEFAULT if policy is None else _missing(world, policy)
    if not missing:
        return draft.without_condition("NoResponder")
    if not draft.has_condition("NoResponder"):
        draft = draft.count("pages_unreachable_total")
    draft = draft.condition("NoResponder", ConditionStatus.TRUE, "NoResponder", missing)
    return nobody(draft, missing) if policy is None or _nobody_at_all(world, policy) else draft


def nobody(draft: Draft, message: str) -> Draft:
    """Say once an episode that nobody can be reached."""
    since = draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now
    told = any(one.what == "NobodyReachable" and one.time >= since for one in draft.status.timeline)
    return draft if told else draft.note("NobodyReachable", message)


def _missing(world: World, policy: EscalationPolicySpec) -> str:
    rungs = [*((f"step {step.name}", step.notify) for step in policy.steps), ("catchAll", policy.catch_all)]
    empty = [(name, targets) for name, targets in rungs if not reachable(world, targets)]
    if not empty:
        return ""
    parts = "; ".join(f"{name} names {', '.join(target.receiver or 'nobody' for target in targets)}" for name, targets in empty)
    return f"nobody can be reached by a part of the EscalationPolicy: {parts}; make these receivers in HealingPolicy `spec.receivers`"


def _nobody_at_all(world: World, policy: EscalationPolicySpec) -> bool:
    return not any(reachable(world, targets) for targets in (*(step.notify for step in policy.steps), policy.catch_all))
