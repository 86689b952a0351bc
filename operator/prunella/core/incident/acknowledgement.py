"""T5 and T6: a person takes the Incident, gives it back, or falls silent.

The rule this module protects: an acknowledgement counts only for the episode that it names and for nothing that was not there yet when it was said;
it never un-resolves anything, and one that leads nowhere is asked about again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from prunella.api.common import Condition
from prunella.api.escalation_policy import AckTimeouts
from prunella.api.incident import Acknowledgement
from prunella.api.names import ConditionStatus, EscalationState, Priority
from prunella.core import commands
from prunella.core.draft import Draft
from prunella.core.world import World

from .states import State, acknowledged, check_move, state_of


def hear(world: World, draft: Draft) -> Draft:
    """What spec.acknowledgement means now. The Incident is not cancelled."""
    said, state = world.incident.spec.acknowledgement, state_of(draft.status)
    if said is None:
        return _nobodys(draft) if state is not State.RESOLVED else draft
    if state is State.RESOLVED:
        return _too_late(draft, said)
    if said.episode != draft.status.episode:
        return _stale(world, draft, said)
    if acknowledged(draft.status):
        return _second(draft, said)
    return draft if _void_and_not_renewed(world, draft, said) else _taken(draft, said)


def expire(world: World, draft: Draft) -> Draft:
    """Ask again where whoever has it did nothing for the policy's ackTimeoutSeconds. Not while the fault is mitigated."""
    condition, policy = _condition(draft), draft.status.escalation.policy
    if state_of(draft.status) is not State.ACKNOWLEDGED or condition is None or policy is None:
        return draft
    seconds = ack_timeout_seconds(policy.ack_timeout_seconds, draft.status.priority)
    if seconds is None:
        return draft
    deadline = _last_activity(draft, condition) + timedelta(seconds=seconds)
    if draft.now < deadline:
        return draft.again(deadline)
    check_move(draft.status, State.TRIGGERED)
    again = commands.acknowledge(world.incident, episode=draft.status.episode, note="<what you are doing>")
    message = f"nothing happened for {seconds} s after the acknowledgement: it is paged again; to keep it: {again}"
    return page_anew(_expired(draft, message).count("incidents_unacknowledged_total", reason="Expired"))


def raised(world: World, draft: Draft, was: Priority, now: Priority) -> Draft:
    """Ask again where the priority was raised after somebody took it, and the policy has steps for the higher one alone: those are climbed."""
    condition, policy = _condition(draft), draft.status.escalation.policy
    if state_of(draft.status) is not State.ACKNOWLEDGED or condition is None or policy is None or not policy.repage_on_raise:
        return draft
    added = [step.name for step in policy.steps if step.is_for(now) and not step.is_for(was)]
    if not added or condition.last_transition_time >= draft.now:  # whoever took it in this very moment knows
        return draft
    check_move(draft.status, State.TRIGGERED)
    again = commands.acknowledge(world.incident, episode=draft.status.episode, note="<what you are doing>")
    steps = f"step {added[0]} is" if len(added) == 1 else f"steps {', '.join(added)} are"
    message = f"it is {now} now and was {was} when it was taken: {steps} paged as well; to keep it: {again}"
    return page_anew(_expired(draft, message), raised_from=was)


def said_too_early(world: World, draft: Draft) -> Draft:
    """An acknowledgement of the episode that begins only now: nobody can have meant this fault. It is void until it is said anew."""
    said, episode = world.incident.spec.acknowledgement, draft.status.episode
    if said is None or said.episode != episode:
        return draft
    command = commands.acknowledge(world.incident, episode=episode, note="<what you are doing>")
    message = f"{said.by} acknowledged episode {episode} before it began: that does not count; to take it: {command}"
    return draft.condition("Acknowledged", ConditionStatus.FALSE, "StaleEpisode", message)


def page_anew(draft: Draft, raised_from: Priority | None = None) -> Draft:
    """A new run of the escalation from its first step, now; with `raised_from` only up the steps that are not for that one. What was sent stays."""
    escalation = draft.status.escalation
    fresh = escalation.model_copy(
        update={
            "policy_ref": None,
            "policy_generation": None,
            "policy": None,
            "state": EscalationState.IDLE,
            "run": escalation.run + 1,
            "raised_from": raised_from,
            "loop": 0,
            "step": 0,
            "step_started_time": draft.now,
            "next_action_time": None,
        }
    )
    return draft.with_status(escalation=fresh)


def ack_timeout_seconds(timeouts: AckTimeouts, priority: Priority | None) -> int | None:
    """Seconds without activity after which it is asked again; None means never."""
    by_priority = {Priority.P1: timeouts.p1, Priority.P2: timeouts.p2, Priority.P3: timeouts.p3, Priority.P4: timeouts.p4}
    return by_priority[priority] if priority is not None else None


def _expired(draft: Draft, message: str) -> Draft:
    *earlier, current = draft.status.episodes
    counted = current.model_copy(update={"ack_expired_count": current.ack_expired_count + 1})
    draft = draft.with_status(episodes=(*earlier, counted))
    return draft.condition("Acknowledged", ConditionStatus.FALSE, "AckExpired", message).note("AckExpired", message)


def _taken(draft: Draft, said: Acknowledgement) -> Draft:
    if state_of(draft.status) is State.TRIGGERED:
        check_move(draft.status, State.ACKNOWLEDGED)
    draft = draft.time("acknowledged_time", draft.now, "Human", by=said.by)
    message = _first_words(said)
    draft = draft.condition("Acknowledged", ConditionStatus.TRUE, "ByPerson", message)
    return draft.note("Acknowledged", message, by=said.by)


def _second(draft: Draft, said: Acknowledgement) -> Draft:
    """The first wins the time; whoever comes second is listed."""
    if _noted(draft, "Acknowledged", said.by) or _noted(draft, "AlsoAcknowledged", said.by):
        return draft
    return draft.note("AlsoAcknowledged", _second_words(said), by=said.by)


def _too_late(draft: Draft, said: Acknowledgement) -> Draft:
    told = any(_noted(draft, what, said.by) for what in ("Acknowledged", "AlsoAcknowledged", "AcknowledgedLate"))
    if said.episode != draft.status.episode or acknowledged(draft.status) or told:
        return draft
    return draft.note("AcknowledgedLate", f"{said.by} acknowledged it after it was resolved: nothing changes", by=said.by)


def _stale(world: World, draft: Draft, said: Acknowledgement) -> Draft:
    if acknowledged(draft.status):
        return draft
    current = draft.status.episode
    command = commands.acknowledge(world.incident, episode=current)
    why = "the fault came back and this is" if said.episode < current else "that has not begun: this is"
    message = f"{said.by} acknowledged episode {said.episode}, but {why} episode {current}; to take it: {command}"
    return draft.condition("Acknowledged", ConditionStatus.FALSE, "StaleEpisode", message)


def _nobodys(draft: Draft) -> Draft:
    """There is no acknowledgement (any more). One that had run out is forgotten with it: the next one is a new word whatever it says."""
    if acknowledged(draft.status):
        return _given_back(draft)
    condition = _condition(draft)
    if condition is None or condition.reason != "AckExpired":
        return draft
    return draft.condition("Acknowledged", ConditionStatus.FALSE, "NotYet", "nobody has taken it again yet")


def _given_back(draft: Draft) -> Draft:
    if state_of(draft.status) is State.ACKNOWLEDGED:
        check_move(draft.status, State.TRIGGERED)
    message = "the acknowledgement was taken back: it is paged again"
    draft = draft.condition("Acknowledged", ConditionStatus.FALSE, "NotYet", message)
    return page_anew(draft.note("Unacknowledged", message))


def _void_and_not_renewed(world: World, draft: Draft, said: Acknowledgement) -> bool:
    """An acknowledgement that ran out, or was said too early, still stands in spec; only one that was changed since then is a new word."""
    condition = _condition(draft)
    if condition is None or condition.reason not in {"AckExpired", "StaleEpisode"}:
        return False
    if world.incident.metadata.generation <= (condition.observed_generation or 0):
        return True
    # Spec has changed: that may have been an impact, a hold, or another person's word about something else.
    return condition.reason == "AckExpired" and _last_words(draft, said.by) in {_first_words(said), _second_words(said)}


def _last_words(draft: Draft, by: str) -> str | None:
    told = {"Acknowledged", "AlsoAcknowledged"}
    return next((one.message for one in reversed(draft.status.timeline) if one.what in told and one.by == by), None)


def _first_words(said: Acknowledgement) -> str:
    return _with_note(f"{said.by} has it; paging stops", said)


def _second_words(said: Acknowledgement) -> str:
    return _with_note(f"{said.by} has acknowledged it as well", said)


def _with_note(text: str, said: Acknowledgement) -> str:
    return (f"{text} ({said.note})" if said.note else text)[:1024]


def _last_activity(draft: Draft, condition: Condition) -> datetime:
    entries = (one.time for one in draft.status.timeline if one.by != "prunella" or one.what.startswith("Remediation"))
    return max(condition.last_transition_time, *entries, condition.last_transition_time)


def _condition(draft: Draft) -> Condition | None:
    return next((one for one in draft.status.conditions if one.type == "Acknowledged"), None)


def _noted(draft: Draft, what: str, by: str) -> bool:
    since = draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now
    return any(one.what == what and one.by == by and one.time >= since for one in draft.status.timeline)
