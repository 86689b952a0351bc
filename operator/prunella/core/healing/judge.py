"""The plan's stage of `decide`: which Runbook, when, and whether the guards permit it. What is *not* done gets a reason here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api import incident as api
from prunella.api.common import Condition
from prunella.api.names import ConditionStatus, Mode, Outcome, RemediationPhase, RemediationState, Verdict
from prunella.api.remediation import IncidentRef, Remediation, RemediationSpec, RunbookRef
from prunella.core.draft import Attempt, Draft, Prepare
from prunella.core.facts import UNKNOWN
from prunella.core.standing import fault_since, firing, reported
from prunella.core.world import NOT_A_WORKLOAD, World

from .guards import approval, blockers, guards, history, rights, turns
from .refusal import Asked, Refusal, first_refusal
from .runbooks import match, plan, succession
from .runs import follow, shadow

ALLOWED: Final = "RemediationAllowed"
QUIET: Final = frozenset({"ModeObserve", "ModeSuggest", "DwellRunning", "RolloutInProgress", "TargetHealthy", "ConcurrencyReached", "Allowed"})
"""Reasons that are a state, not a refusal that somebody must hear of."""
MOMENTARY: Final = frozenset({"RolloutInProgress", "ConcurrencyReached"})
"""Refusals that are over within moments: nobody is called for them while another Runbook is about to be tried."""
BLINK: Final = timedelta(seconds=2)
"""How soon it is looked again at what could not be seen."""
SILENCE: Final = timedelta(seconds=10)
"""What can't be seen for so long is no blink."""
UNSEEN: Final = "EvidenceMissing"
TIMED: Final = frozenset({"RecentlyRemediated", "BudgetSpent", "Flapping", "HumanOverride", "InWindow", "IneffectiveChain"})
"""Refusals that end at an instant which is known: people are shown it."""


def judge(world: World, draft: Draft) -> Draft:
    """Decide about automation for an Incident that is open, not mitigated, and has no attempt under way."""
    draft = replace(_retry(world, draft), followed=succession.lately(world, draft.status.cause))
    under_way = next((one for one in world.remediations if not _ended(one)), None)
    if _open(draft) and under_way is None and world.finding is UNKNOWN and (world.hidden or not _nothing_to_wait_for(world)):
        return _unseen(world, draft)
    if world.thing is not None and world.finding is UNKNOWN:
        draft = draft.again(world.now + SILENCE)
    draft = draft.with_status(retry_after_time=None)
    if not _open(draft):
        return _settled(world, draft)
    if under_way is not None:
        return _under_way(under_way, replace(draft, followed=frozenset()))
    past = all(world.is_past(one) for one in firing(draft.status))
    if world.subject is not None and world.finding is None and past and not reported(world.incident):
        healthy = Refusal(reason="TargetHealthy", message=f"{world.subject.short} shows no fault any more: there is nothing to do")
        return _blocked(_decide(_unblocked(draft), []), healthy)
    status = draft.status
    chosen, left = match.choose(world, status)
    decisions = [_decision(world.now, one.runbook.metadata.name, Verdict.NOT_CHOSEN, one.why) for one in left]
    if isinstance(chosen, Refusal):
        return _refuse(draft, chosen, decisions, about="")
    name = chosen.runbook.metadata.name
    made = plan.make(world, status, chosen)
    if isinstance(made, Refusal):
        return _refuse(draft, made, decisions, about=name)
    shown = api.Plan(runbook=name, hash=made.hash, summary=made.summary, since_time=made.since, due_time=made.due_time)
    return _guarded(world, draft.with_status(plan=shown), made, decisions)


def _nothing_to_wait_for(world: World) -> bool:
    """Whether it is judged although the detectors can't tell.

    There is no object to look at, or it is seen and silence says nothing of it: a claim that waits for its first consumer. The guards want evidence.
    """
    return world.target is NOT_A_WORKLOAD or (world.thing is not None and world.watch_fresh)


def _unseen(world: World, draft: Draft) -> Draft:
    """Nothing is begun. While a watch only blinks, what was decided stands; a silence that lasts is said, and gone once the target is seen again.

    Where somebody has to do something first, that is said at once, and only a change looks again.
    """
    if world.hidden:
        message = f"{world.hidden}: whether the target is well can't be told, and nothing is done on a guess"
        return _blocked(_decide(draft.with_status(retry_after_time=None), []), Refusal(reason=UNSEEN, message=message))
    draft = draft.again(world.now + BLINK)
    stands = any(one.type == ALLOWED for one in draft.status.conditions)
    if world.watch_fresh and world.target is not UNKNOWN:  # it is seen, and its controller has not caught up with the newest template
        message = "the controller is not done with the newest template yet: it is judged when it is"
        return draft if stands else _blocked(draft, Refusal(reason="RolloutInProgress", message=message))
    if stands and (world.unseen_since is None or world.now - world.unseen_since < SILENCE):
        return draft
    what = "a watch of the cluster is silent" if not world.watch_fresh else "the target could not be read"
    message = f"{what}: what is known of it may be old, and nothing is done on a guess; it goes on by itself"
    return _blocked(_decide(draft.with_status(retry_after_time=None), []), Refusal(reason=UNSEEN, message=message))


def _under_way(attempt: Remediation, draft: Draft) -> Draft:
    """Nothing new is begun: an attempt runs, waits, or can't be known, which is the end of automation until a person has looked."""
    if attempt.status.phase is RemediationPhase.UNKNOWN:
        return _blocked(draft, Refusal(reason="BreakerOpen", message=history.unknown_message(attempt)))
    waits = follow.refused(attempt)
    if waits is not None and waits.reason == approval.AWAITS:
        return approval.asked(attempt, waits.message, draft)
    if waits is not None:
        return _blocked(draft, Refusal(reason=waits.reason, message=f"{attempt.metadata.name} waits: {waits.message}"))
    return draft.condition(ALLOWED, ConditionStatus.TRUE, "Allowed", "an attempt is under way")


def _guarded(world: World, draft: Draft, made: plan.Plan, decisions: list[api.Decision]) -> Draft:
    name = made.runbook.metadata.name
    if made.tells_only and _told(world, draft, made):
        return _refuse(draft, guards.told(world, made), decisions, about=name)
    verdicts = guards.ask(world, made)
    refusal = first_refusal(verdicts)
    waits = made.due_time is None or made.due_time > world.now
    # Whoever is due and stands in line asks nothing of the API server before its turn: two hundred in line would ask without end.
    in_line = not waits and refusal is not None and refusal.reason == turns.REASON
    acts = made.mode is Mode.AUTO or not _suggested(world, made)
    if made.mode is not Mode.OBSERVE and acts and not in_line and rights.prepared(world, made) is None:
        draft = draft.wish(Prepare(plan_hash=made.hash, runbook=made.runbook, accused_hash=made.accused.hash if made.accused else "", to=made.to))
    outside = blockers.unasked(world, made.runbook)
    draft = draft.wish(outside) if outside is not None else draft
    if refusal is not None and not (waits and _unprepared(world, made, verdicts)):
        return _refuse(draft, refusal, decisions, about=name)
    draft = replace(draft, followed=frozenset(one.metadata.name for one in made.after if made.mode is Mode.AUTO))
    if waits:
        message = f"{made.summary}: waits for {made.waiting_for}"
        waiting = Refusal(reason="DwellRunning", message=message, look_again_time=made.due_time)
        draft = _decide(_unblocked(draft), [*decisions, _decision(world.now, name, Verdict.WAITING, waiting)])
        draft = replace(draft, idle=made.mode is Mode.OBSERVE)
        return draft.condition(ALLOWED, ConditionStatus.FALSE, "DwellRunning", message).again(made.due_time)
    gate = guards.gate(made, made.due_time)
    if gate is not None:
        return _gated(world, draft, made, gate, decisions)
    chosen = Refusal(reason="NewestRevisionFails" if made.accused else "Allowed", message=made.summary)
    draft = _decide(_unblocked(draft), [*decisions, _decision(world.now, name, Verdict.CHOSEN, chosen)])
    draft = draft.condition(ALLOWED, ConditionStatus.TRUE, "Allowed", f"{made.summary}: all guards passed")
    return _attempt(world, draft, made)


def _unprepared(world: World, made: plan.Plan, verdicts: tuple[Asked, ...]) -> bool:
    """Whether the only thing in the way is that the API server, or what the Runbook waits for, was not asked yet."""
    unprepared = rights.prepared(world, made) is None
    real = [one for one in verdicts if one.refusal is not None and not one.shown_only]
    return all((one.guard == "Rights" and unprepared) or (one.refusal is not None and one.refusal.being_asked) for one in real)


def _gated(world: World, draft: Draft, made: plan.Plan, gate: Refusal, decisions: list[api.Decision]) -> Draft:
    name = made.runbook.metadata.name
    decisions = [*decisions, _decision(world.now, name, Verdict.REFUSED, gate)]
    draft = _decide(_unblocked(draft), decisions).condition(ALLOWED, ConditionStatus.FALSE, gate.reason, gate.message)
    draft = shadow.remember(world, draft, made)
    if gate.reason == "ModeObserve":
        return draft
    return draft if _suggested(world, made) else _attempt(world, draft, made)


def _suggested(world: World, made: plan.Plan) -> bool:
    """Whether this very plan was shown to people already."""
    return any(one.spec.plan_hash == made.hash and one.status.outcome is Outcome.SIMULATED for one in world.remediations)


def _told(world: World, draft: Draft, made: plan.Plan) -> bool:
    """Whether a Runbook that only tells has told it in this episode."""
    since = fault_since(draft.status)
    done = (one for one in world.remediations if one.spec.plan_hash == made.hash and one.spec.mode.rank >= Mode.APPROVE.rank)
    return any(one.status.outcome is Outcome.SIMULATED and (since is None or (one.status.ended_time or world.now) >= since) for one in done)


def _attempt(world: World, draft: Draft, made: plan.Plan) -> Draft:
    incident = world.incident
    runbook = made.runbook
    spec = RemediationSpec(
        incident_ref=IncidentRef(name=incident.metadata.name, uid=incident.metadata.uid),
        target_ref=made.subject.ref,
        runbook_ref=RunbookRef(
            namespace=runbook.metadata.namespace or "",
            name=runbook.metadata.name,
            uid=runbook.metadata.uid,
            generation=runbook.metadata.generation,
            sha256=plan.runbook_sha256(runbook),
            service_account_name=runbook.spec.service_account_name,
        ),
        attempt=history.next_attempt(world, made),
        accused_revision=made.accused.hash if made.accused else None,
        mode=made.mode if made.mode.rank >= Mode.APPROVE.rank else Mode.SUGGEST,
        requested_by=f"system:serviceaccount:{world.operator_namespace}:prunella",
        plan_hash=made.hash,
        due_time=made.due_time,
        cause=draft.status.cause,
        after=tuple(one.metadata.name for one in made.after),
    )
    return replace(draft, attempt=Attempt(name=f"{incident.metadata.name}-{_number(world)}", spec=spec))


def _number(world: World) -> int:
    """One more than the highest there is under this name: the attempts of an Incident that was deleted may still bear it."""
    name, namespace = world.incident.metadata.name, world.incident.metadata.namespace
    known = (*world.remediations, *(one for one in world.all_remediations if one.metadata.namespace == namespace))
    tails = (one.metadata.name.rpartition("-") for one in known)
    return max((int(tail) for head, _, tail in tails if head == name and tail.isdecimal()), default=0) + 1


def _refuse(draft: Draft, refusal: Refusal, decisions: list[api.Decision], *, about: str) -> Draft:
    if about:
        decisions = [*decisions, _decision(draft.now, about, Verdict.REFUSED, refusal)]
    draft = draft if refusal.reason in MOMENTARY else replace(draft, followed=frozenset())
    return _blocked(_decide(draft, decisions), refusal)


def _blocked(draft: Draft, refusal: Refusal) -> Draft:
    """The refusal on the Incident; where it is one that somebody must hear of, it is told, once for each reason that follows another."""
    before = next((one for one in draft.status.conditions if one.type == ALLOWED), None)
    draft = draft.condition(ALLOWED, ConditionStatus.FALSE, refusal.reason, refusal.message)
    if refusal.reason in TIMED:
        draft = draft.with_status(retry_after_time=refusal.look_again_time)
    if refusal.reason not in QUIET and not refusal.being_asked:
        draft = draft.with_status(remediation=f"Blocked: {refusal.reason}", remediation_state=RemediationState.BLOCKED)
        if refusal.reason != approval.EXPIRED and _new_reason(draft, before, refusal):  # that one is told by the attempt's end
            draft = draft.note("RemediationBlocked", f"{refusal.reason}: {refusal.message}").count(
                "remediations_blocked_total", reason=refusal.reason
            )
    return draft.again(refusal.look_again_time)


def _unblocked(draft: Draft) -> Draft:
    """The column no longer says what stands in the way where nothing does."""
    if draft.status.remediation_state is not RemediationState.BLOCKED:
        return draft
    return draft.with_status(remediation=None, remediation_state=RemediationState.NONE)


def _settled(world: World, draft: Draft) -> Draft:
    """It is over, so nothing waits any more. What was refused stays as it was said."""
    before = next((one for one in draft.status.conditions if one.type == ALLOWED), None)
    if before is None or before.reason not in MOMENTARY | {"DwellRunning"}:
        return draft
    healed = next((one for one in world.remediations if one.status.outcome is Outcome.REMEDIATED and _of_this_episode(one, draft)), None)
    if healed is None:
        return draft.condition(ALLOWED, ConditionStatus.FALSE, "TargetHealthy", "it was over before anything was done")
    return draft.condition(ALLOWED, ConditionStatus.TRUE, "Allowed", f"all guards passed: {healed.status.plan}")


def _of_this_episode(one: Remediation, draft: Draft) -> bool:
    began = draft.status.times.triggered_time
    return began is None or (one.status.started_time is not None and one.status.started_time >= began)


def _new_reason(draft: Draft, before: Condition | None, refusal: Refusal) -> bool:
    """Not where it was told before a silence, and still holds after it; nor the second silence of an episode."""
    if before is None or before.reason == refusal.reason:
        return before is None
    since = draft.status.episodes[-1].triggered_time if draft.status.episodes else None
    told = [one.message for one in draft.status.timeline if one.what == "RemediationBlocked" and (since is None or one.time >= since)]
    if refusal.reason == UNSEEN:
        return f"{UNSEEN}: {refusal.message}"[:1024] not in told
    before_it = [one for one in told if not one.startswith(UNSEEN)][-1:] if before.reason == UNSEEN else []
    return not any(one.startswith(f"{refusal.reason}:") for one in before_it)


def _decide(draft: Draft, decisions: list[api.Decision]) -> Draft:
    """Keep the time of a decision that says the same as before about this fault. Where there are too many, those that came near are kept."""
    since = fault_since(draft.status)
    old = {(one.about, one.verdict, one.reason): one for one in draft.status.decisions if since is None or one.time >= since}
    kept = [
        one.model_copy(update={"time": old[key].time}) if (key := (one.about, one.verdict, one.reason)) in old else one
        for one in sorted(decisions, key=lambda one: (one.verdict is Verdict.NOT_CHOSEN, one.reason == match.OTHER_CAUSE))
    ]
    return draft.with_status(decisions=tuple(kept[:20]))


def _decision(now: datetime, about: str, verdict: Verdict, refusal: Refusal) -> api.Decision:
    return api.Decision(time=now, about=about, verdict=verdict, reason=refusal.reason, message=refusal.message[:1024])


def _open(draft: Draft) -> bool:
    ended = draft.has_condition("Resolved") or draft.has_condition("Mitigated")
    return not ended and draft.status.times.cancelled_time is None


def _ended(remediation: Remediation) -> bool:
    phase = remediation.status.phase
    return phase is not None and phase.final


def _retry(world: World, draft: Draft) -> Draft:
    """A person's retry token resets the breaker, once per token."""
    token = world.incident.metadata.annotations.get("prunella.dev/retry")
    if not token or token == draft.status.last_handled_retry:
        return draft
    draft = draft.with_status(last_handled_retry=token[:253], last_handled_retry_time=world.now)
    return draft.note("RetryRequested", "a person asked for another try: the breaker is reset").again(world.now + timedelta(seconds=1))
