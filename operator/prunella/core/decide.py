"""decide: everything that follows from what is known of one Incident. The order is the policy.

Pure: `(World) -> Draft`. The Draft holds the new status, at most one attempt to create, what has to be known first, and when to look again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import Cause
from prunella.core import rollout
from prunella.core.draft import Draft
from prunella.core.facts import UNKNOWN, AlertFacts, Finding, UnknownT
from prunella.core.incident import changes, common_cause, evidence, lifecycle, ownership, priority, signals, times
from prunella.core.people import asking, escalation, notices
from prunella.core.render import render
from prunella.core.world import World

from .healing import judge
from .healing.known import known_good
from .healing.runs import follow, shadow

YOUNG: Final = timedelta(seconds=120)
"""How long a rollout that neither arrives nor is accused is given the benefit of the doubt."""


def decide(world: World) -> Draft:
    """The Incident's next status, and what is wanted besides."""
    stored = world.incident.status
    world = times.here(_without_residue(world))
    draft = Draft(status=world.incident.status, now=world.now, generation=world.incident.metadata.generation)
    draft = signals.observe_signals(world, draft)
    draft = evidence.keep(world, draft)
    draft = follow.follow(world, draft)
    draft = lifecycle.advance(world, draft, target_healthy=_healthy(world), healthy_since=world.healthy_since)
    draft = changes.look_back(world, draft, stored)
    draft = common_cause.follow(world, draft)
    draft = priority.assess(world, draft)
    draft = ownership.own(world, draft)
    world = _seen(world, draft)
    draft = judge.judge(world, draft)
    draft = shadow.conclude(world, draft, healthy=_healthy(world))
    draft = escalation.escalate(world, draft)
    draft = notices.notify(world, draft)
    draft = asking.ask(world, draft)
    draft = times.measure(world, draft)
    return render(world, replace(draft, status=times.told(stored, draft.status)))


def keep(incident: Incident, alerts: tuple[AlertFacts, ...], now: datetime, *, polled: bool) -> Draft:
    """What a replica that does not lead may store: the alerts that it was sent, on the Incident, and no conclusion from them.

    `polled` says whether the leader asks Alertmanager too, so that what contradicts itself is held until then.
    """
    world = World(now=now, incident=incident, target=UNKNOWN, finding=UNKNOWN, alerts=alerts, active_alerts={} if polled else UNKNOWN)
    return signals.observe_signals(world, Draft(status=incident.status, now=now, generation=incident.metadata.generation))


def _without_residue(world: World) -> World:
    """A rollout under way proves nothing: pods of the revision before are there for a while, and those of the new one are not there yet.

    So while the newest revision is neither complete nor accused, what is seen changes nothing: not after our own rollback, and not after a person's
    apply. A rollout that somebody holds up on purpose (paused, OnDelete, partition) is none that is waited for.
    """
    facts, finding = world.workload, world.finding
    if facts is None or isinstance(finding, UnknownT):
        return world
    held_up = facts.workload.paused or facts.workload.strategy == "OnDelete" or facts.workload.partition > 0
    newest = rollout.newest(facts)
    if newest is None or (finding is not None and finding.accused_revision == newest.hash):
        return world
    ours = (one for one in world.remediations if one.status.effect_time is not None and one.status.phase is not None and not one.status.phase.final)
    taking_hold = finding is not None and any(finding.accused_revision in {"", one.spec.accused_revision} for one in ours)
    began = rollout.rollout_began(facts)
    young = began is not None and world.now - began < YOUNG
    under_way = young and not held_up and rollout.incomplete(facts) and (finding is None or finding.accused_revision != "")
    return replace(world, finding=UNKNOWN, parent=world.linked) if taking_hold or under_way else world


def _healthy(world: World) -> bool | UnknownT:
    """What the cache shows while a watch is silent is how it was, not how it is. Another object is well while its detector finds nothing.

    Or nothing but what has not held for long enough, and is something else than what the Incident is about.
    """
    if world.thing is not None:
        if isinstance(world.finding, UnknownT) or not world.watch_fresh:
            return UNKNOWN
        return world.finding is None or _not_yet_another(world.finding, world)
    return known_good.healthy(world.workload) if world.workload is not None and world.watch_fresh else UNKNOWN


def _not_yet_another(finding: Finding, world: World) -> bool:
    """What an alert is about is known by the alert alone, so it may be this."""
    status = world.incident.status
    watched = {signal.cause for signal in status.signals if signal.cause is not Cause.ALERT}
    if status.cause in {None, Cause.ALERT} or finding.open_time <= world.now:
        return False
    return all(finding.rules_out(cause) for cause in watched | {status.cause} if cause is not None)


def _seen(world: World, draft: Draft) -> World:
    """The same world with the status as it is by now, for the stages that judge it."""
    return replace(world, incident=world.incident.model_copy(update={"status": draft.status}))
