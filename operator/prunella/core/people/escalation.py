"""Stage: who is paged now, who next and when; and who is told that it is over.

The rule this module protects: paging goes on until a person has it or it is over. A step waits for automation only so long, an empty or failing step
gives way at once, missed steps become one page, and the policy of a run is frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.escalation_policy import EscalationPolicySpec
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Escalation
from prunella.api.names import ConditionStatus, EscalationState, MessageKind, MessageState, Priority, SourceKind
from prunella.core.draft import Draft
from prunella.core.world import World

from . import automation, pages, responders
from .ladder import Rung, upcoming

LATE_SECONDS: Final = 60
"""A step that starts later than this was missed, not merely late: what else was missed is coalesced with it."""
MAX_DURATION_SECONDS: Final = 604_800
ASK_AGAIN_SECONDS: Final = 300
"""How soon it is looked again whether anybody can be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Climb:
    """One pass up the ladder."""

    draft: Draft
    started: datetime
    at_once: datetime | None = None
    paged: tuple[tuple[str, str], ...] = ()
    spared: frozenset[str] = frozenset()
    steps: int = 0
    done: bool = False


def escalate(world: World, draft: Draft) -> Draft:
    """Take in receipts, then stop, pause or climb."""
    draft = _receipts(world, draft)
    if draft.status.times.cancelled_time is not None or draft.status.times.resolved_time is not None:
        return _over(draft)
    if draft.has_condition("Acknowledged"):
        draft = pages.taken(pages.withdraw_unsent(draft), _taken(world, draft))
        return _stopped(draft).without_condition("NoResponder")
    if world.parent is not None and world.parent.tells_for(draft.status) and world.incident.source_kind is not SourceKind.PERSON:
        # The parent tells people. A report of a person is never silenced.
        return _set(pages.withdraw_unsent(draft), state=_paused(draft), next_action_time=None)
    draft, rerouted = _adopt(world, draft)
    policy = draft.status.escalation.policy
    draft = responders.watch_over(world, draft, policy)
    if policy is None:
        return _set(draft, state=EscalationState.IDLE, next_action_time=None)
    if draft.now - _episode_began(draft) > timedelta(seconds=MAX_DURATION_SECONDS):
        text = "nobody took it for 7 days: paging stops, the Incident stays open"
        return _stopped(draft.condition("EscalationStale", ConditionStatus.TRUE, "EscalationStale", text))
    hurts, look_again = automation.hurts(world, draft)
    if not hurts:
        return _set(draft, state=_paused(draft), next_action_time=None).again(look_again)
    return _climb(world, draft, policy, rerouted=rerouted)


def _climb(world: World, draft: Draft, policy: EscalationPolicySpec, *, rerouted: bool) -> Draft:
    run = draft.status.escalation
    spared = frozenset(one.receiver for one in pages.of_episode(draft.status) if one.state is not MessageState.FAILED) if rerouted else frozenset()
    at_once = draft.now if spared else _hurry(world, draft)
    climb = _Climb(draft=draft, started=run.step_started_time or _episode_began(draft), spared=spared, at_once=at_once)
    resumed = run.state is EscalationState.PAUSED
    for _ in range(2 * len(policy.steps) + 2):
        rung = upcoming(policy, climb.draft.status.escalation, _priority(draft), climb.started, at_once=_unreached(climb))
        next_loop = bool(climb.paged) and rung.loop != run.loop  # what was missed is made up for once, not loop after loop
        if climb.done or next_loop or draft.now < _when(world, climb, rung):
            break
        climb = _start(world, climb, policy, rung, began=_began(world, climb, rung, resumed=resumed))
    draft = _told(climb)
    if climb.done and not climb.paged:
        return _set(draft, next_action_time=None).again(draft.now + timedelta(seconds=ASK_AGAIN_SECONDS))
    run = draft.status.escalation
    rung = upcoming(policy, run, _priority(draft), run.step_started_time or _episode_began(draft))
    return _wait_for(draft, max(_when(world, replace(climb, draft=draft, at_once=None), rung), draft.now))


def _start(world: World, climb: _Climb, policy: EscalationPolicySpec, rung: Rung, *, began: datetime) -> _Climb:
    """Start one rung: page whom it names, or give way at once where nobody can be reached by it."""
    step = policy.steps[rung.index] if rung.index is not None else None
    name = step.name if step is not None else pages.CATCH_ALL
    receivers = responders.reachable(world, step.notify if step is not None else policy.catch_all)
    draft, paged = climb.draft, climb.paged
    for receiver in receivers:
        if receiver in {one for _, one in paged} or receiver in climb.spared:
            continue
        key = pages.page_key(draft.status, rung.loop, name, receiver)
        draft = pages.add(draft, key=key, kind=MessageKind.PAGE, receiver=receiver, text=_text(draft), step=name)
        paged = (*paged, (name, receiver))
    if rung.index is None:
        if not receivers:
            draft = responders.nobody(draft, "nobody can be reached: neither a step nor the catch-all names a receiver that is there")
            if not pages.of_run(draft.status):  # the ladder begins anew as soon as somebody is there
                draft = _set(draft, loop=0, step=0, step_started_time=None)
            return replace(climb, draft=draft, done=True, started=began)
        draft = _set(draft, state=EscalationState.EXHAUSTED, loop=min(rung.loop, 1000), step_started_time=draft.now)
        return replace(climb, draft=draft, paged=paged, started=draft.now, steps=climb.steps + 1, at_once=None, done=True)
    draft = _set(draft, loop=rung.loop, step=rung.index + 1, step_started_time=began)
    return replace(climb, draft=draft, paged=paged, started=began, steps=climb.steps + 1, at_once=None if receivers else draft.now)


def _when(world: World, climb: _Climb, rung: Rung) -> datetime:
    """When the rung starts: when it is due, later while automation is at work, now where somebody is needed now."""
    if climb.at_once is not None:
        return climb.at_once
    return rung.latest if rung.wait_seconds and automation.at_work(world, climb.draft) else rung.due


def _hurry(world: World, draft: Draft) -> datetime | None:
    """The next step is due now: an attempt failed since the last one started, or every page of that one failed."""
    run = draft.status.escalation
    started = run.step_started_time or _episode_began(draft)
    last = pages.last_sent_together(draft.status)
    all_failed = bool(last) and all(one.state is MessageState.FAILED for one in last) and run.state is not EscalationState.EXHAUSTED
    return draft.now if all_failed or automation.failed_since(world, draft, started) else None


def _unreached(climb: _Climb) -> datetime | None:
    """That nobody was reached so far: then the end of the ladder is the catch-all at once, not another loop."""
    if climb.at_once is None:
        return None
    reached = climb.paged or any(one.state is not MessageState.FAILED for one in pages.of_run(climb.draft.status))
    return None if reached else climb.at_once


def _began(world: World, climb: _Climb, rung: Rung, *, resumed: bool) -> datetime:
    """When the rung counts as started: when it was to start, where that was missed; so that what else was missed is found."""
    now = climb.draft.now
    if climb.at_once is not None or (resumed and not climb.steps):
        return now
    waited = rung.latest if automation.at_work(world, climb.draft) else min(automation.worked_until(world) or rung.due, rung.latest)
    planned = climb.draft.status.escalation.next_action_time if not climb.steps else None
    return min(now, max(rung.due, waited, planned or rung.due))


def _told(climb: _Climb) -> Draft:
    """Say who was paged; and let the chain go on from now where steps were missed."""
    draft = climb.draft
    if climb.steps and climb.started < draft.now - timedelta(seconds=LATE_SECONDS):
        draft = _set(draft, step_started_time=draft.now)
    if not climb.paged:
        return draft
    by_step: dict[str, list[str]] = {}
    for step, receiver in climb.paged:
        by_step.setdefault(step, []).append(receiver)
    said = "; ".join(f"{', '.join(receivers)} (step {step})" for step, receivers in by_step.items())
    return draft.note("Escalated", f"paged {said}: {_text(draft)}")


def _wait_for(draft: Draft, when: datetime) -> Draft:
    run = draft.status.escalation
    if run.state is EscalationState.EXHAUSTED:
        state = EscalationState.EXHAUSTED
    else:
        pending = any(one.state in pages.OPEN for one in pages.of_run(draft.status))
        state = EscalationState.NOTIFYING if pending else EscalationState.WAITING
    return _set(draft, state=state, next_action_time=when).again(when)


def _adopt(world: World, draft: Draft) -> tuple[Draft, bool]:
    """Freeze the policy of a run that begins; go over to the owner's once, where a run began before the owner was known."""
    run, owner = draft.status.escalation, draft.status.owner
    ref = owner.escalation_policy_ref if owner is not None else None
    known = responders.find(world, ref)
    if run.policy is None:
        return (draft, False) if known is None else (_freeze(draft, known.spec, known.metadata.generation), False)
    if known is not None and ref != run.policy_ref and owner is not None and owner.team is not None and _is_default(world, run):
        started = draft.now if pages.of_run(draft.status) else run.step_started_time
        draft = _set(draft, step=0, loop=0, state=EscalationState.WAITING, step_started_time=started, next_action_time=None)
        return _freeze(draft, known.spec, known.metadata.generation), True
    return _policy_changed(world, draft), False


def _freeze(draft: Draft, policy: EscalationPolicySpec, generation: int) -> Draft:
    ref = draft.status.owner.escalation_policy_ref if draft.status.owner is not None else None
    return _set(draft, policy=policy, policy_ref=ref, policy_generation=generation).without_condition("PolicyChanged")


def _is_default(world: World, run: Escalation) -> bool:
    policy = world.policy if isinstance(world.policy, HealingPolicy) else None
    ref = policy.spec.default_escalation_policy_ref if policy is not None else None
    return ref is not None and run.policy_ref is not None and run.policy_ref.name == ref.name


def _policy_changed(world: World, draft: Draft) -> Draft:
    run = draft.status.escalation
    current = responders.find(world, run.policy_ref)
    if current is not None and current.metadata.generation == run.policy_generation:
        return draft.without_condition("PolicyChanged")
    what = "deleted" if current is None else "changed"
    text = f"the EscalationPolicy was {what} since; this run goes on as it began (generation {run.policy_generation}), the next one takes the new"
    return draft.condition("PolicyChanged", ConditionStatus.TRUE, "PolicyChanged", text)


def _receipts(world: World, draft: Draft) -> Draft:
    """What became of the messages: a page that failed on every method is told once, and PageFailed stands while the run has one."""
    before = {one.key for one in draft.status.escalation.messages if one.state is MessageState.FAILED}
    draft = pages.receive(draft, world.deliveries)
    for one in draft.status.escalation.messages:
        if one.kind is MessageKind.PAGE and one.state is MessageState.FAILED and one.key not in before:
            message = f"{one.receiver} could not be reached (step {one.step}): {one.error}"
            draft = draft.note("PageFailed", message)
            if one.step == pages.CATCH_ALL:
                draft = draft.count("pages_unreachable_total")
                draft = responders.nobody(draft, f"the catch-all failed as well: {message}")
    failed = [one for one in pages.of_run(draft.status) if one.state is MessageState.FAILED]
    if not failed:
        return draft.without_condition("PageFailed")
    return draft.condition("PageFailed", ConditionStatus.TRUE, "PageFailed", f"{failed[-1].receiver} could not be reached: {failed[-1].error}")


def _over(draft: Draft) -> Draft:
    """Stop, and tell everyone who was paged in this episode."""
    policy = draft.status.escalation.policy
    episode = draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now
    unreachable = any(entry.what == "NobodyReachable" and entry.time >= episode for entry in draft.status.timeline)
    draft = pages.withdraw_unsent(draft).without_condition("NoResponder")
    if policy is None or policy.notify_on_resolve:
        draft = pages.stand_down(draft, _end(draft))
    ack = next((one for one in draft.status.conditions if one.type == "Acknowledged"), None)
    if draft.status.times.resolved_time is not None and ack is not None and ack.reason == "NotYet" and not pages.of_episode(draft.status):
        text = "it was over before the first page was due: nobody was called"
        if unreachable:
            text = "it was over without anybody: there was nobody who could have been paged"
        draft = draft.condition("Acknowledged", ConditionStatus.FALSE, "NotYet" if unreachable else "HealedBeforeFirstPage", text)
    return _stopped(draft)


def _taken(world: World, draft: Draft) -> str:
    said = world.incident.spec.acknowledgement
    return f"{draft.status.target or 'the target'}: {said.by if said is not None else 'somebody'} has it"


def _end(draft: Draft) -> str:
    last = next((one.message for one in reversed(draft.status.timeline) if one.what in {"Resolved", "Cancelled"}), "it is over")
    return f"{draft.status.target or 'the target'}: stand down, {last}"


def _text(draft: Draft) -> str:
    return f"{_priority(draft)} {draft.status.target or 'the target'}: {draft.status.summary or 'a fault was seen'}"


def _priority(draft: Draft) -> Priority:
    return draft.status.priority or Priority.P1


def _episode_began(draft: Draft) -> datetime:
    return draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now


def _paused(draft: Draft) -> EscalationState:
    exhausted = draft.status.escalation.state is EscalationState.EXHAUSTED
    return EscalationState.EXHAUSTED if exhausted else EscalationState.PAUSED


def _stopped(draft: Draft) -> Draft:
    return _set(draft, state=EscalationState.STOPPED, next_action_time=None)


def _set(draft: Draft, **changes: object) -> Draft:
    return draft.with_status(escalation=draft.status.escalation.model_copy(update=changes))
