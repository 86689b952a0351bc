"""The guards: an ordered list of small functions. All are asked, all verdicts are kept, the first refusal is the reason.

Each takes the World and the plan and says None (yes) or why not. The executor asks the same list again, on live facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from prunella.api.healing_policy import HealingPolicy
from prunella.api.marks import MODE_LABEL
from prunella.api.names import Mode, SignalState, SourceKind
from prunella.core.facts import UNKNOWN
from prunella.core.healing.notation import windows
from prunella.core.healing.owners import nodes, ownership
from prunella.core.healing.refusal import Asked, Refusal
from prunella.core.healing.runbooks import error_budget, succession
from prunella.core.healing.runbooks.accusation import SOON
from prunella.core.healing.runbooks.plan import Plan, home, runbook_sha256
from prunella.core.healing.steps import registry
from prunella.core.things.node import Node
from prunella.core.world import GONE, World

from . import approval, blockers, history, rights, turns

MIN_RULE_FOR_SECONDS: Final = 120

Guard = Callable[[World, Plan], Refusal | None]


def protected(world: World, plan: Plan) -> Refusal | None:
    """Protected namespaces and kinds, and ourselves."""
    subject = plan.subject
    listed = world.policy.spec.protected_namespaces if isinstance(world.policy, HealingPolicy) else ()
    if subject.namespace in {*listed, world.operator_namespace}:
        return Refusal(reason="UnmanagedResource", message=f"namespace {subject.namespace} is protected: nothing is ever changed there")
    unfit = registry.unfit(plan.runbook.spec.steps, subject.kind)
    if unfit is not None:
        return Refusal(reason="UnmanagedResource", message=unfit)
    if isinstance(subject, Node) and nodes.control_plane(subject) and not plan.tells_only:
        return Refusal(reason="UnmanagedResource", message=f"{subject.short} carries the control plane: automation never changes it")
    return None


def pause(world: World, plan: Plan) -> Refusal | None:
    """Somebody paused automation: everywhere or here."""
    return paused(world.policy if isinstance(world.policy, HealingPolicy) else None, home(world, plan))


def paused(policy: HealingPolicy | None, namespace: str) -> Refusal | None:
    """Whether the kill switch forbids a change in that namespace; a policy that could not be read does."""
    if policy is None:
        return Refusal(reason="Paused", message="the HealingPolicy 'default' could not be read: without the kill switch nothing is done")
    for one in policy.spec.pauses:
        if not one.namespaces or namespace in one.namespaces:
            by = f" (by {one.by})" if one.by else ""
            return Refusal(reason="Paused", message=f"paused by '{one.name}': {one.reason}{by}; remove it from HealingPolicy `spec.pauses` to go on")
    return None


def control_plane(world: World, plan: Plan) -> Refusal | None:  # noqa: ARG001 - every guard has one shape
    """The API server must be well before anything is added to its work."""
    if world.control_plane_ok:
        return None
    message = "the API server does not answer its readiness check in time"
    return Refusal(reason="ControlPlaneUnhealthy", message=message, look_again_time=world.now + SOON)


def evidence(world: World, plan: Plan) -> Refusal | None:
    """Complete, live and agreeing evidence. Missing, stale or partial is never permission."""
    missing = unread(world) or _alert_missing(world, plan)
    return replace(missing, look_again_time=world.now + SOON) if missing is not None else history.contradicted(world, plan)


def unread(world: World) -> Refusal | None:
    """What of the target, and of what is known of it, could not be had."""
    if not world.watch_fresh:
        return Refusal(reason="EvidenceMissing", message="a watch of the cluster is silent: what is known of the target may be old")
    if world.target is UNKNOWN:
        return Refusal(reason="EvidenceMissing", message=f"{world.hidden or 'the target could not be read'}: what is known of it may be old")
    if world.finding is UNKNOWN:
        of = world.subject.short if world.subject is not None else "the target"
        why = world.hidden or f"what is seen of {of} does not say whether it is well"
        return Refusal(reason="EvidenceMissing", message=f"{why}: nothing is done on a guess")
    if world.record is UNKNOWN or world.namespace is UNKNOWN:
        return Refusal(reason="EvidenceMissing", message="the target's record or namespace could not be read")
    return None


def _alert_missing(world: World, plan: Plan) -> Refusal | None:
    if plan.by_alert is None:
        return None
    if not world.alert_source_fresh:
        return Refusal(reason="AlertSourceStale", message="neither a webhook nor a good poll of Alertmanager for 600 s: the alert may be old")
    name = plan.by_alert.labels.get("alertname", "")
    rule = world.rule_for_seconds(plan.by_alert.labels)
    if rule is None:
        return Refusal(reason="EvidenceMissing", message=f"Prometheus did not tell the `for` of rule {name}: one sample is no proof")
    if rule < MIN_RULE_FOR_SECONDS:
        return Refusal(reason="EvidenceMissing", message=f"rule {name} has `for` {rule} s; at least {MIN_RULE_FOR_SECONDS} s are needed to act on it")
    return None


def storm(world: World, plan: Plan) -> Refusal | None:
    """What fails here has its cause elsewhere, too much fails at once, or an earlier attempt did harm and no person has looked yet."""
    at_fault = world.parent.config_map if world.parent is not None else ""
    mends = bool(at_fault) and plan.requested and plan.restores(at_fault)  # a person asks for what puts that very ConfigMap right
    if world.parent is not None and not mends:
        where = f"{world.parent.ref.namespace}/{world.parent.ref.name}"
        message = f"{world.parent.what} is at fault, see Incident {where}: what fails for it is judged anew when that is over"
        return Refusal(reason="StormActive", message=message)
    if world.storm_since is not None:
        return Refusal(reason="StormActive", message="too many workloads fail at once: the single one is not at fault; people look first")
    trial = turns.failed_trial(world)
    if trial:
        return Refusal(reason="StormActive", message=f"{trial} was tried after a storm, and did not heal: it is not over; people look first")
    return history.breaker(world, plan)


def window(world: World, plan: Plan) -> Refusal | None:
    """Not at this time by the clock on the wall, and not while something runs that the Runbook waits for."""
    if not isinstance(world.policy, HealingPolicy):
        return Refusal(reason="InWindow", message="the HealingPolicy 'default' could not be read: its windows are not known")
    name = plan.runbook.metadata.name
    return (
        windows.refused("HealingPolicy", world.policy.spec.windows, world.now, world.zone_of)
        or windows.refused(f"Runbook {name}", plan.runbook.spec.windows, world.now, world.zone_of)
        or blockers.refused(world, plan.runbook)
    )


def person(world: World, plan: Plan) -> Refusal | None:
    """A person's veto, or a person's decision to bring a quarantined revision back."""
    refusal = veto(world, plan) or history.superseded(world) or succession.taken_over(plan.turn, plan.subject) or approval.denied_before(world, plan)
    if refusal is not None:
        return refusal
    if plan.accused is not None and history.quarantined(world, plan.accused.hash):
        return Refusal(
            reason="QuarantinedReapplied",
            message=f"revision {plan.accused.number} was rolled back before and somebody applied it again: that is a person's decision",
        )
    return None


def veto(world: World, plan: Plan) -> Refusal | None:
    """A person keeps automation away: a hold on the Incident, or the target's own annotation."""
    hold = world.incident.spec.hold
    if hold is not None and (hold.until_time is None or hold.until_time > world.now):
        return Refusal(reason="HumanOverride", message=f"{hold.by} holds it: {hold.reason}", look_again_time=hold.until_time)
    if plan.subject.annotations.get(MODE_LABEL) == Mode.OBSERVE:
        return Refusal(reason="HumanOverride", message=f"{plan.subject.short} is annotated {MODE_LABEL}: Observe")
    return None


def owner(world: World, plan: Plan) -> Refusal | None:  # noqa: ARG001 - every guard has one shape
    """Somebody else's controller owns what would be changed, and would change it back; unless the Runbook holds it first."""
    refusal = ownership.owned(plan.subject)
    held = refusal is not None and refusal.reason == "OwnedByGitOps" and registry.holds_first(plan.runbook)
    return None if held else refusal


def budget(world: World, plan: Plan) -> Refusal | None:
    """Attempts, cooldown, budgets, flapping: all counted from stored Remediations, so that a restart refills nothing.

    The Runbook's own record comes last: it lowers the mode, and what refuses in every mode is said first.
    """
    spent = history.flapping(world) or succession.spent(plan.turn) or history.attempts(world, plan)
    spent = spent or history.cooldown(world, plan) or history.budgets(world, plan)
    return spent or error_budget.demotion(world, plan.runbook, runbook_sha256(plan.runbook))


def one_per_target(world: World, plan: Plan) -> Refusal | None:
    """One attempt at a target at a time, and few in a namespace and in the cluster."""
    return history.in_progress(world, plan) or turns.another_node(world, plan) or turns.concurrency(world, plan)


def target(world: World, plan: Plan) -> Refusal | None:
    """The target is still that object, and still ill, unless a person asked for the run."""
    if world.target is GONE:
        return Refusal(reason="TargetChanged", message=f"{plan.subject.short} is gone or was made anew: the plan was for another object")
    if plan.workload is not None and plan.workload.desired <= 0 and not plan.requested and not plan.tells_only:
        return Refusal(reason="HumanOverride", message=f"{plan.subject.short} was scaled to zero: that is somebody's decision")
    alerts = (one for one in world.incident.status.signals if one.state is SignalState.FIRING and one.source is SourceKind.ALERTMANAGER)
    ill = any(not world.is_past(one) for one in alerts)
    if world.finding is None and plan.by_alert is None and not ill and not plan.requested:
        return Refusal(reason="TargetHealthy", message=f"{plan.subject.short} shows no fault any more")
    return None


def blast_radius(world: World, plan: Plan) -> Refusal | None:  # noqa: ARG001 - every guard has one shape
    """Never the last ready replica. How many nodes may be out at once is asked by the step itself, which reads them all."""
    workload = plan.workload
    if (
        workload is not None
        and plan.restarts
        and workload.ready > 0
        and (workload.strategy == "Recreate" or (workload.kind == "StatefulSet" and workload.desired == 1))
    ):
        return Refusal(reason="LastReadyReplica", message=f"a restart would stop the last ready pods of {workload.short} before new ones are there")
    return None


GUARDS: Final[tuple[tuple[str, Guard], ...]] = (
    ("Protected", protected),
    ("Pause", pause),
    ("ControlPlane", control_plane),
    ("Evidence", evidence),
    ("Storm", storm),
    ("Window", window),
    ("Person", person),
    ("Owner", owner),
    ("Budget", budget),
    ("OnePerTarget", one_per_target),
    ("Target", target),
    ("BlastRadius", blast_radius),
    ("Rights", rights.refused),
    ("Approval", approval.refused),
)
"""The order is the policy."""
HOLD_STARTS: Final = frozenset({"Storm", "Window", "Budget", "Approval"})
"""These hold back that something new is begun, and nothing else: what takes a change back, reads or tells passes them."""
CHANGES_ONLY: Final = frozenset({"Storm", "Window", "Owner", "BlastRadius"})
"""These hold back changes: a Runbook that only reads and tells passes them. Its budget it keeps: what fails is not told again and again."""
MODE_LOWERED: Final = "IneffectiveChain"
"""The Budget's refusal that lowers the mode of a Runbook, and refuses where the mode is Auto all the same."""


def ask(world: World, plan: Plan, *, begins: bool = True) -> tuple[Asked, ...]:
    """Every guard's answer, in order. `begins`: something new would be begun; else the guards that only hold that back say yes.

    Where the mode would not act, missing rights are shown and are no reason. So is the failing Runbook where its mode says it; and that people must
    approve, where there is no attempt yet that could ask them.
    """
    acts = plan.mode.rank >= Mode.APPROVE.rank
    asks = approval.AWAITS if not world.own_remediation_uid else ""
    passed = (frozenset() if begins else HOLD_STARTS) | (CHANGES_ONLY if plan.tells_only else frozenset())
    asked = ((name, None if name in passed else guard(world, plan)) for name, guard in GUARDS)
    return tuple(
        Asked(
            guard=name,
            refusal=refusal,
            shown_only=refusal is not None
            and ((name == "Rights" and not acts) or (refusal.reason == MODE_LOWERED and plan.mode is not Mode.AUTO) or refusal.reason == asks),
        )
        for name, refusal in asked
    )


def gate(plan: Plan, due: datetime | None) -> Refusal | None:
    """The last gate, no guard: the effective mode. In Approve the attempt itself asks."""
    if plan.mode.rank >= Mode.APPROVE.rank:
        return None
    if plan.mode is Mode.OBSERVE:
        return Refusal(reason="ModeObserve", message=f"would {plan.summary}; the effective mode is Observe, so nothing is done", look_again_time=due)
    return Refusal(
        reason="ModeSuggest", message=f"suggests to {plan.summary}; the effective mode is {plan.mode}, a person has to do it", look_again_time=due
    )


def told(world: World, plan: Plan) -> Refusal:
    """What remains once a Runbook that only tells has told it: why it did no more."""
    why = owner(world, plan)
    message = f"told: {plan.summary}; a person has to do it"
    return replace(why, message=f"{why.message}; {message}") if why is not None else Refusal(reason="ModeSuggest", message=message)
