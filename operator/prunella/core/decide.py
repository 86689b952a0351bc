"""decide: everything that follows from what is known of one Incident. The order is the policy.

Pure: `(World) -> Draft`. The Draft holds the new status, at most one attempt to create, what has to be known first, and when to look again.
"""

from __future__ import annotations

from dataclasses import replace

from prunella.core.draft import Draft
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing import follow, judge, known_good
from prunella.core.incident import evidence, lifecycle, ownership, priority, signals, times
from prunella.core.people import escalation, notices
from prunella.core.render import render
from prunella.core.world import World


def decide(world: World) -> Draft:
    """The Incident's next status, and what is wanted besides."""
    world = _without_residue(world)
    draft = Draft(status=world.incident.status, now=world.now, generation=world.incident.metadata.generation)
    draft = signals.observe_signals(world, draft)
    draft = evidence.keep(world, draft)
    draft = follow.follow(world, draft)
    draft = lifecycle.advance(world, draft, target_healthy=_healthy(world), healthy_since=world.healthy_since)
    draft = priority.assess(world, draft)
    draft = ownership.own(world, draft)
    world = _seen(world, draft)
    draft = judge.judge(world, draft)
    draft = escalation.escalate(world, draft)
    draft = notices.notify(world, draft)
    draft = times.measure(world, draft)
    return render(world, draft)


def _without_residue(world: World) -> World:
    """While our effect takes hold, pods of the accused revision are there for a moment longer: they say nothing new of the target."""
    finding, facts = world.known_finding, world.workload
    if finding is None or facts is None or facts.newest is None or facts.newest.hash == finding.accused_revision:
        return world
    ours = (one for one in world.remediations if one.status.effect_time is not None and one.status.phase is not None and not one.status.phase.final)
    accused = {one.spec.accused_revision for one in ours}
    lingers = bool(accused) and (not finding.accused_revision or finding.accused_revision in accused)
    return replace(world, finding=UNKNOWN) if lingers else world


def _healthy(world: World) -> bool | UnknownT:
    return known_good.healthy(world.workload) if world.workload is not None else UNKNOWN


def _seen(world: World, draft: Draft) -> World:
    """The same world with the status as it is by now, for the stages that judge it."""
    return replace(world, incident=world.incident.model_copy(update={"status": draft.status}))
