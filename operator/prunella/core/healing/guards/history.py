"""What earlier attempts permit: attempts, cooldown, budgets, breaker, flapping.

Everything is counted from stored Remediations and the Incident's own episodes: a restart of the operator refills nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.healing_policy import Budget, HealingPolicy, HealingPolicySpec
from prunella.api.names import BREAKER_OUTCOMES, ConditionStatus, Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.workload_record import WorkloadRecord
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks.plan import Plan, home
from prunella.core.standing import flapping_until, recoveries
from prunella.core.subject import short
from prunella.core.world import World

CONTRADICTED: Final = timedelta(seconds=10)
"""How long the watch is not believed where a live read said otherwise."""


def _policy(world: World) -> HealingPolicySpec:
    return world.policy.spec if isinstance(world.policy, HealingPolicy) else HealingPolicySpec()


def spent(remediation: Remediation) -> bool:
    """Whether the attempt counts: its first intent was stored."""
    return remediation.status.started_time is not None


def of_target(world: World, uid: str) -> tuple[Remediation, ...]:
    """Every attempt at this very object, oldest first. The live list of this Incident's own wins over the cache's copy."""
    merged = {one.metadata.uid: one for one in world.all_remediations} | {one.metadata.uid: one for one in world.remediations}
    mine = (one for one in merged.values() if one.spec.target_ref.uid == uid)
    return tuple(sorted(mine, key=lambda one: (one.status.started_time or one.metadata.creation_timestamp or world.now, one.metadata.name)))


def retried_since(world: World) -> datetime | None:
    """When a person's retry was last acted on: attempts that ended before it don't hold automation back."""
    return world.incident.status.last_handled_retry_time


def breaker(world: World, plan: Plan) -> Refusal | None:
    """Open after an attempt that did harm, did nothing, was reverted or can't be known, until a person says retry."""
    retried = retried_since(world)
    followed = {one.metadata.uid for one in plan.after}
    for one in of_target(world, plan.subject.uid):
        if one.metadata.uid in followed:  # what did not help, did no harm and was taken back: that is why this one has its turn
            continue
        unknown = one.status.phase is RemediationPhase.UNKNOWN
        bad = unknown or (one.status.outcome in BREAKER_OUTCOMES)
        ended = unknown_since(one) if unknown else one.status.ended_time
        if not bad or (retried is not None and ended is not None and ended <= retried):
            continue
        message = _look_first(one, "its effect can't be known" if unknown else f"it ended {one.status.outcome}")
        return Refusal(reason="BreakerOpen", message=message)
    return None


def unknown_message(remediation: Remediation) -> str:
    """What a person has to do about an attempt whose effect can't be known."""
    return _look_first(remediation, "its effect can't be known")


def _look_first(remediation: Remediation, how: str) -> str:
    ref = remediation.spec.target_ref
    return f"{remediation.metadata.name}: {how}. Look at {short(ref.kind, ref.name)}, then annotate the Incident prunella.dev/retry=<token>"


def unknown_since(remediation: Remediation) -> datetime | None:
    """When it was found that the attempt's effect can't be known: only a retry after that lets go of it."""
    said = next((one for one in remediation.status.conditions if one.type == "Succeeded" and one.status is ConditionStatus.UNKNOWN), None)
    return said.last_transition_time if said is not None else remediation.status.started_time


def superseded(world: World) -> Refusal | None:
    """A person changed the target while an attempt of this episode was under way: the person has it."""
    retried = retried_since(world)
    reopened = world.incident.status.times.last_reopened_time
    for one in world.remediations:
        ended = one.status.ended_time
        if one.status.outcome is not Outcome.SUPERSEDED or not spent(one) or ended is None:
            continue
        if (retried is not None and ended <= retried) or (reopened is not None and ended <= reopened):
            continue
        return Refusal(
            reason="HumanOverride", message=f"somebody changed the target during {one.metadata.name}: theirs stands, automation stays away"
        )
    return None


def contradicted(world: World, plan: Plan) -> Refusal | None:
    """An attempt with this very plan found the target otherwise by a live read, a moment ago: what the watch shows is old."""
    for one in world.remediations:
        ended = one.status.ended_time
        if one.status.phase is not RemediationPhase.CANCELLED or spent(one) or one.spec.plan_hash != plan.hash or ended is None:
            continue
        if world.now - ended < CONTRADICTED:
            return Refusal(
                reason="EvidenceMissing",
                message=f"{one.metadata.name} found it otherwise a moment ago ({one.status.message}): the watch has yet to catch up",
                look_again_time=ended + CONTRADICTED,
            )
    return None


def quarantined(world: World, revision_hash: str) -> bool:
    """Whether the revision was rolled back before and came back."""
    record = world.record
    return isinstance(record, WorkloadRecord) and any(one.hash == revision_hash for one in record.spec.quarantined)


def _counted(world: World, plan: Plan) -> tuple[Remediation, ...]:
    """Consecutive attempts at this target and this accused revision: minHealthySeconds of health start the count anew, mere time does not."""
    accused = plan.accused.hash if plan.accused else None
    gap = timedelta(seconds=plan.runbook.spec.limits.min_healthy_seconds)
    retried = retried_since(world)
    chain: list[Remediation] = []
    last = _failing_since(world)
    for one in reversed(of_target(world, plan.subject.uid)):
        if one.metadata.uid == world.own_remediation_uid:  # recovered after a crash, it goes on: it is no attempt before itself
            continue
        if not spent(one) or not (one.spec.accused_revision == accused or one in plan.after) or one.status.outcome is Outcome.SIMULATED:
            continue
        ended = one.status.ended_time or one.status.started_time or world.now
        if last - ended > gap or (retried is not None and ended <= retried):
            break
        chain.append(one)
        last = one.status.started_time or ended
    return tuple(chain)


def _failing_since(world: World) -> datetime:
    """When the present stretch of failing began; now, where none is told."""
    episodes = world.incident.status.episodes
    return episodes[-1].started_time if episodes else world.now


def next_attempt(world: World, plan: Plan) -> int:
    """Number of the attempt that the plan would be, from 1."""
    return len(_counted(world, plan)) + 1


def attempts(world: World, plan: Plan) -> Refusal | None:
    """After maxAttempts a person has to look, and is told once."""
    done = len(_counted(world, plan))
    limit = plan.runbook.spec.limits.max_attempts
    if done < limit:
        return None
    return Refusal(reason="ConsecutiveFailures", message=f"{done} of {limit} attempts at {plan.subject.short} are spent: a person has to look")


def cooldown(world: World, plan: Plan) -> Refusal | None:
    """Time between two attempts; after the second, four times as long, unless the Runbook sets its own.

    What follows an attempt that did not help waits for its own dwell instead, unless it sets a time.
    """
    chain = _counted(world, plan)
    own = plan.runbook.spec.limits.cooldown_seconds
    if not chain or (own is None and chain[0] in plan.after):
        return None
    seconds = own if own is not None else _policy(world).cooldown_seconds * (1 if len(chain) == 1 else 4)
    ended = chain[0].status.ended_time or chain[0].status.started_time or world.now
    until = ended + timedelta(seconds=seconds)
    if world.now >= until:
        return None
    return Refusal(
        reason="RecentlyRemediated",
        message=f"{chain[0].metadata.name} ended {_ago(world.now - ended)} ago; the cooldown is {seconds} s",
        look_again_time=until,
    )


def budgets(world: World, plan: Plan) -> Refusal | None:
    """At most so many attempts per window: of the target, its namespace, the cluster."""
    limits = _policy(world).budgets
    namespace = home(world, plan)
    others = [one for one in every(world) if one.metadata.uid != world.own_remediation_uid]
    started = [one for one in others if spent(one) and one.status.outcome is not Outcome.SIMULATED]
    scopes = (
        (f"target {plan.subject.short}", limits.per_target, [one for one in started if one.spec.target_ref.uid == plan.subject.uid]),
        (f"namespace {namespace}", limits.per_namespace, [one for one in started if (one.metadata.namespace or "") == namespace]),
        ("cluster", limits.per_cluster, started),
    )
    for name, limit, attempts_of in scopes:
        refusal = _over(name, limit, attempts_of, world.now)
        if refusal is not None:
            return refusal
    return None


def _over(scope: str, limit: Budget, started: list[Remediation], now: datetime) -> Refusal | None:
    window = timedelta(seconds=limit.window_seconds)
    recent = sorted(one.status.started_time for one in started if one.status.started_time is not None and now - one.status.started_time < window)
    if len(recent) < limit.count:
        return None
    again = recent[len(recent) - limit.count] + window if recent and limit.count else None
    return Refusal(
        reason="BudgetSpent",
        message=f"{len(recent)} of {limit.count} attempts in {limit.window_seconds} s are spent for the {scope}",
        look_again_time=again,
    )


def flapping(world: World) -> Refusal | None:
    """Opened and closed again and again: automation stays off that target."""
    status = world.incident.status
    until = flapping_until(status, world.now)
    if until is None:
        return None
    times = len(recoveries(status, world.now))
    return Refusal(
        reason="Flapping", message=f"it recovered and failed again {times} times within an hour: what is done does not last", look_again_time=until
    )


def in_progress(world: World, plan: Plan) -> Refusal | None:
    """Another attempt at the same object has not ended. What a person asked for holds it from its first intent: until then healing goes first."""
    for one in of_target(world, plan.subject.uid):
        if not final(one) and (spent(one) or not one.is_request) and one.metadata.uid != world.own_remediation_uid:
            phase = one.status.phase or RemediationPhase.PENDING
            return Refusal(reason="DuplicateInProgress", message=f"{one.metadata.name} is {phase} on {plan.subject.short}: one attempt at a time")
    return None


def every(world: World) -> tuple[Remediation, ...]:
    """Every attempt of the cluster. The live list of this Incident's own wins over the cache's copy."""
    merged = {one.metadata.uid: one for one in world.all_remediations} | {one.metadata.uid: one for one in world.remediations}
    return tuple(merged.values())


def final(remediation: Remediation) -> bool:
    """Whether it has ended."""
    return remediation.status.phase is not None and remediation.status.phase.final


def _ago(span: timedelta) -> str:
    return f"{int(span.total_seconds())} s"
