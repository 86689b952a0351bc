"""Turns: how many attempts are under way at once, and whose turn it is when a place is free.

The rule this module protects: one mistake stays small, and what matters most goes first. Who waits holds no place: one that can't use its turn lets
the next one pass.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from prunella.api.healing_policy import Concurrency, HealingPolicy, HealingPolicySpec
from prunella.api.names import Priority, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks.plan import Plan, home
from prunella.core.things.node import Node
from prunella.core.world import Waiting, World

from . import storm
from .history import every, final, spent

REASON: Final = "ConcurrencyReached"
SOON: Final = timedelta(seconds=1)
"""How soon whoever is next looks again."""
A_ROUND: Final = timedelta(seconds=2)
"""What is added for each round of attempts before one's own: none ends sooner."""
LATEST: Final = timedelta(seconds=30)
NODE_AGAIN: Final = timedelta(seconds=5)
PACE: Final = timedelta(seconds=10)
PACE_MOST: Final = 6
"""So many attempts begin within that time, however many a policy permits at once: each is some sixty requests, and with two hundred to heal that is
fifty a second for an API server that may be in trouble itself."""


def concurrency(world: World, plan: Plan) -> Refusal | None:
    """Few at once, and of those that wait the most important first."""
    limits = _limits(world)
    running = [one for one in every(world) if one.metadata.uid != world.own_remediation_uid and _goes_first(world, one)]
    namespace = home(world, plan)
    there = Counter(one.metadata.namespace or "" for one in running)
    if there[namespace] >= limits.per_namespace:
        return _waits(world, f"{there[namespace]} attempts are under way in {namespace}; the limit is {limits.per_namespace}", limits)
    if running and recovering(world):
        return _waits(world, "a storm has just ended: attempts begin one at a time in the cluster until one of them has healed", limits)
    if len(running) >= limits.per_cluster:
        return _waits(world, f"{len(running)} attempts are under way in the cluster; the limit is {limits.per_cluster}", limits)
    if world.own_remediation_uid:
        return None  # it had its turn when it was made
    begun = sorted(time for one in every(world) if (time := one.status.started_time) is not None and world.now - PACE < time <= world.now)
    if len(begun) >= PACE_MOST:
        message = f"{len(begun)} attempts have begun within {PACE.seconds} s: no more than {PACE_MOST} do"
        return Refusal(reason=REASON, message=message, look_again_time=max(begun[-PACE_MOST] + PACE, world.now + SOON))
    before = Counter(one.namespace for one in _before(world))
    if before[namespace] >= limits.per_namespace - there[namespace]:
        return _waits(world, f"others in {namespace} matter more, or fail for longer, and come first", limits)
    taken = sum(min(count, limits.per_namespace - there[one]) for one, count in before.items() if there[one] < limits.per_namespace)
    if taken >= (1 if recovering(world) else limits.per_cluster) - len(running):
        return _waits(world, "others in the cluster matter more, or fail for longer, and come first", limits)
    return None


def another_node(world: World, plan: Plan) -> Refusal | None:
    """One node at a time: how many are out is seen on the nodes, and not before an attempt has written there."""
    if not isinstance(plan.subject, Node):
        return None
    others = (one for one in every(world) if one.spec.target_ref.kind == plan.subject.kind and one.metadata.uid != world.own_remediation_uid)
    other = next((one for one in others if spent(one) and not final(one)), None)
    if other is None:
        return None
    message = f"{other.metadata.name} is at work on node {other.spec.target_ref.name}: one node at a time"
    return Refusal(reason=REASON, message=message, look_again_time=world.now + NODE_AGAIN)


def recovering(world: World) -> bool:
    """Whether the storm brake is half open: a storm ended lately, and nothing that was begun since has healed yet."""
    return storm.half_open(every(world), _storm_ended(world), world.now)


def failed_trial(world: World) -> str:
    """The attempt that failed while the brake is half open, by name; empty where none has."""
    return storm.failed_trial(every(world), _storm_ended(world), world.now)


def _storm_ended(world: World) -> datetime | None:
    return world.policy.status.storm_ended_time if isinstance(world.policy, HealingPolicy) else None


def _limits(world: World) -> Concurrency:
    return (world.policy.spec if isinstance(world.policy, HealingPolicy) else HealingPolicySpec()).concurrency


def _waits(world: World, message: str, limits: Concurrency) -> Refusal:
    rounds = len(_before(world)) // min(limits.per_cluster, limits.per_namespace)
    return Refusal(reason=REASON, message=message, look_again_time=world.now + min(SOON + rounds * A_ROUND, LATEST))


def _before(world: World) -> list[Waiting]:
    """Those that wait and come before this Incident."""
    status, meta = world.incident.status, world.incident.metadata
    since = status.times.triggered_time or meta.creation_timestamp or world.now
    mine = (status.priority or Priority.P4, since, meta.uid)
    return [one for one in world.waiting if one.uid != meta.uid and (one.priority, one.since, one.uid) < mine]


def _goes_first(world: World, other: Remediation) -> bool:
    """Whether the other acts already, or was made earlier and nothing refuses it: of several that were made, exactly one is first."""
    if final(other) or other.status.phase is RemediationPhase.UNKNOWN:
        return False
    refused = any(condition.type == "RemediationAllowed" and condition.status == "False" for condition in other.status.conditions)
    if spent(other):
        # One that can't take back what it did holds up nobody, nor does one that waits for people: it asks for a place again once they agreed.
        return other.status.asking is None and (other.status.ending is None or not refused)
    own = next((one for one in every(world) if one.metadata.uid == world.own_remediation_uid), None)
    return not refused and not other.is_request and (own is None or _made(other) < _made(own))


def _made(remediation: Remediation) -> tuple[str, str]:
    created = remediation.metadata.creation_timestamp
    return (created.isoformat() if created else "", remediation.metadata.uid)
