"""T9 and T11: the fault comes back after it was mitigated or resolved.

The rule this module protects: what fires for the time before the recovery reopens nothing; what fires for the time after it does, in the same
Incident while its reopen window lasts, with a new episode and a new run of the escalation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Episode, Signal, Times
from prunella.api.names import ConditionStatus, RemediationState, Urgency
from prunella.core.draft import Draft
from prunella.core.facts import Finding
from prunella.core.standing import firing
from prunella.core.things import weight
from prunella.core.world import World

from . import times
from .acknowledgement import page_anew, said_too_early
from .correlate import reopen_window_seconds
from .sources import WATCH, alert_name
from .states import State, acknowledged, check_move, state_of

STILL_FIRING_SECONDS: Final = 600
"""An alert may look back over the fault for a while; one that still fires after this means the present."""
LINGERING_SECONDS: Final = 60
"""How long a finding may linger after the proof of recovery, until every watch has caught up."""
EPISODES: Final = 10


def reopen(world: World, draft: Draft) -> Draft:
    """T11: open the next episode where the fault is back inside the reopen window."""
    resolved = draft.status.times.resolved_time
    if resolved is None or state_of(draft.status) is not State.RESOLVED:
        return draft
    if draft.now >= resolved + timedelta(seconds=reopen_window_seconds(draft.status.priority)):
        return draft
    signal, look_again = newer(world, draft, resolved)
    if signal is None:
        return draft.again(look_again)
    check_move(draft.status, State.TRIGGERED)
    return page_anew(said_too_early(world, _next_episode(draft, signal, resolved)))


def fire_again(world: World, draft: Draft) -> Draft:
    """T9: what was mitigated hurts again."""
    mitigated = draft.status.times.mitigated_time
    if mitigated is None or state_of(draft.status) is not State.MITIGATED:
        return draft
    signal, look_again = newer(world, draft, mitigated)
    if signal is None:
        draft = draft.again(look_again)
        signal, look_again = _lingering(world, draft)
        if signal is None:
            return draft.again(look_again)
    check_move(draft.status, State.ACKNOWLEDGED if acknowledged(draft.status) else State.TRIGGERED)
    message = f"{alert_name(signal)} fires again: {signal.summary}"
    draft = _weighed_anew(_taken_back(draft))
    draft = draft.condition("Mitigated", ConditionStatus.FALSE, "FiringAgain", message)
    return draft.note("FiringAgain", f"{message}; it was mitigated at {mitigated:%H:%M:%S}")


def newer(world: World, draft: Draft, since: datetime) -> tuple[Signal | None, datetime | None]:
    """A signal that fires for the time after `since`; or when one that may do so has to be looked at again. A Job fails once."""
    look_again: datetime | None = None
    for signal in firing(draft.status):
        if signal.first_seen_time <= since or world.is_past(signal):
            continue
        started = _started(world, signal)
        if signal.key.startswith(WATCH) or (started is not None and started > since):
            return signal, None
        deadline = signal.first_seen_time + timedelta(seconds=STILL_FIRING_SECONDS)
        if draft.now >= deadline:
            return signal, None
        look_again = deadline if look_again is None else min(look_again, deadline)
    return None, look_again


def _started(world: World, signal: Signal) -> datetime | None:
    """When the fault of an alert began, where that is known: its own word, else startsAt less the rule's `for`."""
    if signal.started_time is not None or signal.alert_start_time is None:
        return signal.started_time
    seconds = world.rule_for_seconds(signal.labels)
    return signal.alert_start_time - timedelta(seconds=seconds) if seconds is not None else None


def _lingering(world: World, draft: Draft) -> tuple[Signal | None, datetime | None]:
    signal = next((one for one in firing(draft.status) if one.key.startswith(WATCH)), None)
    condition = next((one for one in draft.status.conditions if one.type == "Mitigated"), None)
    if signal is None or condition is None or not isinstance(world.finding, Finding):
        return None, None
    deadline = condition.last_transition_time + timedelta(seconds=LINGERING_SECONDS)
    return (signal, None) if draft.now >= deadline else (None, deadline)


def _next_episode(draft: Draft, signal: Signal, resolved: datetime) -> Draft:
    """The current times become history; those of the new episode lie in order, after the recovery."""
    number = draft.status.episode + 1
    message = f"episode {number}: {alert_name(signal)} fires again: {signal.summary}"
    started = _within(signal.started_time or signal.first_seen_time, resolved, draft.now)
    detected = _within(signal.alert_start_time or signal.first_seen_time, started, draft.now)
    received = _within(signal.first_seen_time, detected, draft.now)
    draft = _listed(draft, Episode(number=number, started_time=started, triggered_time=draft.now, reason="FiringAgain"))
    draft = draft.with_status(
        times=Times(),
        provenance=(),
        # What raised the last episode may be gone: the new one is assessed anew. What a person states stands in spec.
        impact=None,
        urgency=None,
        plan=None,
        remediation=None,
        remediation_state=RemediationState.NONE,
        episode=number,
        reopen_count=draft.status.reopen_count + 1,
        watch_until_time=None,
        healthy_since_time=None,
    )
    draft = draft.time("started_time", started, "Signal").time("detected_time", detected, "Signal").time("received_time", received)
    draft = draft.time("triggered_time", draft.now).time("last_reopened_time", draft.now)
    draft = draft.condition("Acknowledged", ConditionStatus.FALSE, "NotYet", f"nobody has taken episode {number} yet")
    draft = draft.condition("Mitigated", ConditionStatus.FALSE, "FiringAgain", message)
    draft = draft.condition("Resolved", ConditionStatus.FALSE, "Reopened", message)
    return draft.count("incidents_reopened_total").note("Reopened", message)


def _listed(draft: Draft, episode: Episode) -> Draft:
    """Append it. What is beyond ten leaves its seconds behind."""
    episodes = (*times.kept(draft.status), episode)
    beyond = times.hurt_seconds(episodes[:-EPISODES])
    return draft.with_status(episodes=episodes[-EPISODES:], earlier_seconds=draft.status.earlier_seconds + beyond)


def _within(instant: datetime, earliest: datetime, latest: datetime) -> datetime:
    return min(max(instant, earliest), latest)


def _taken_back(draft: Draft) -> Draft:
    """A mitigation that did not last is none: the timeline has it."""
    return draft.with_status(
        times=draft.status.times.model_copy(update={"mitigated_time": None}),
        provenance=tuple(one for one in draft.status.provenance if one.name != "mitigatedTime"),
    )


def _weighed_anew(draft: Draft) -> Draft:
    """What is merely untidy does not hurt as what was mitigated did: nothing of that one's priority is kept. Any other fault keeps it."""
    untidy = all(weight.of(signal.cause).urgency is Urgency.LOW for signal in firing(draft.status))
    return draft.with_status(impact=None, urgency=None) if untidy else draft
