"""Permit: the guards, asked again on what is true now, a moment before an effect.

What depends on the attempt alone is asked beside the reads of the target: its Runbook is pinned, and its plan was prepared. What then turns out to be
for another Runbook or another revision is not believed, and asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime

from prunella.api.incident import Incident
from prunella.api.marks import INTENT_ANNOTATION
from prunella.api.names import Mode, StepState
from prunella.api.remediation import GuardVerdict, Remediation
from prunella.api.runbook import Runbook
from prunella.app.beside import beside
from prunella.app.errors import Conflict
from prunella.app.gather import Gatherer
from prunella.app.incidents.mailbox import Mailbox
from prunella.app.incidents.prepare import Preparer
from prunella.app.ports import Store
from prunella.core.draft import Prepare
from prunella.core.facts import Revision, Seen, UnknownT, WorkloadFacts, subject_of
from prunella.core.healing.effects.effect import Json
from prunella.core.healing.guards import approval, blockers, guards, rights, self_service
from prunella.core.healing.refusal import Asked, Refusal, first_refusal
from prunella.core.healing.runbooks import identity, match, plan
from prunella.core.healing.runs import midrun, overridden
from prunella.core.world import GONE, Answers, Preparation, World

from . import attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """The plan as it holds now, with every guard's yes."""

    plan: plan.Plan
    target: Seen
    guards: tuple[GuardVerdict, ...]
    preparation: Preparation | None
    world: World
    """What was read for it."""
    template: Json | None = None
    """The template to go back to, where it was read beside the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unapproved(Refusal):
    """Every guard agrees but the last: people have not agreed yet. What they are to be shown, and until when."""

    plan: plan.Plan
    diff: str
    guards: tuple[GuardVerdict, ...]
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """What was asked before the target was read."""

    runbook: Runbook
    missing: tuple[str, ...]
    answered: bool
    to: Revision | None
    template: Json | UnknownT | None

    def rights(self, made: plan.Plan) -> tuple[tuple[str, ...], bool] | None:
        """The review, if it was of what this plan needs."""
        return (self.missing, self.answered) if self.runbook.spec == made.runbook.spec else None

    def template_of(self, made: plan.Plan) -> Json | None:
        """The template, if it is that of the revision that this plan goes back to, and could be read."""
        same = self.to is not None and made.to is not None and self.to.uid == made.to.uid
        return self.template if same and not isinstance(self.template, UnknownT) else None


class Permit:
    """Reads live and asks the guards for one attempt."""

    def __init__(self, store: Store, gatherer: Gatherer, preparer: Preparer) -> None:
        self._store = store
        self._gatherer = gatherer
        self._preparer = preparer

    async def ask(
        self, incident: Incident, remediation: Remediation, runbook: Runbook, mail: Mailbox, *, undoing: bool = False
    ) -> Permitted | Refusal:
        """The plan that still holds, or the first refusal. `runbook` is the one that the attempt is pinned to.

        `undoing`: what was done is taken back, for which nobody is asked and whatever mode there is by now.
        """
        async with beside(self._look_ahead(remediation, runbook, mail.preparation)) as ahead:
            # Before the reads, because it may take seconds: the kill switch and the target are seen after it.
            answers = await self._ask_blockers(incident, remediation, runbook)
            world = await self._gatherer.world(incident, mail, live=True, own_remediation_uid=remediation.metadata.uid)
            # An answer that was kept since the decision is none here: without a new one the guard refuses. And what people said counts as it stands
            # on the very version that the intent will replace.
            others = (one for one in world.remediations if one.metadata.uid != remediation.metadata.uid)
            world = replace(world, answers=answers, remediations=(*others, remediation))
            return await self._judge(world, remediation, mail, ahead, undoing=undoing)

    async def _ask_blockers(self, incident: Incident, remediation: Remediation, runbook: Runbook) -> Answers | None:
        """What the Runbook waits for, asked now; None where it waits for nothing, or goes on with what it has begun."""
        wish = blockers.wish(incident, runbook)
        return await self._preparer.ask_blockers(wish) if wish is not None and not _begun(remediation) else None

    async def _look_ahead(self, remediation: Remediation, runbook: Runbook, prepared: Preparation | None) -> _Ahead | None:
        """None where the guards will not ask for it, or for more than it: after the first effect, and where the plan must be prepared anew."""
        if _begun(remediation) or prepared is None or prepared.plan_hash != remediation.spec.plan_hash:
            return None
        target, to = remediation.spec.target_ref, prepared.to if remediation.spec.mode.rank >= Mode.APPROVE.rank else None
        acting = identity.of_attempt(remediation.spec, self._gatherer.operator_namespace)
        asked = self._preparer.rights(runbook, target, acting)
        (missing, answered), template = await asyncio.gather(asked, self._preparer.template(target.kind, to))
        return _Ahead(runbook=runbook, missing=missing, answered=answered, to=to, template=template)

    async def _judge(
        self, world: World, remediation: Remediation, mail: Mailbox, asked_ahead: Awaitable[_Ahead | None], *, undoing: bool
    ) -> Permitted | Refusal:
        if world.target is GONE:
            ref = remediation.spec.target_ref
            return Refusal(reason="TargetChanged", message=f"{ref.kind} {ref.name} is gone or was made anew: the plan was for another object")
        subject, seen = world.subject, world.seen
        if subject is None or seen is None:
            return Refusal(reason="EvidenceMissing", message="the target could not be read")
        if subject.uid != remediation.spec.target_ref.uid:
            return Refusal(reason="TargetChanged", message=f"{subject.short} was made anew: the plan was for another object")
        runbook = attempt.runbook_of(remediation, world.runbooks)
        if runbook is None:
            return Refusal(reason="EvidenceMissing", message="the Runbook could not be read as it was when the attempt was made")
        if _begun(remediation):
            return self._going_on(world, remediation, seen, runbook, undoing=undoing)
        made = await self._plan(world, remediation, runbook)
        if isinstance(made, Refusal):
            return made
        known, ahead = rights.prepared(world, made), await asked_ahead
        if known is None:
            wish = Prepare(plan_hash=made.hash, runbook=made.runbook, accused_hash=made.accused.hash if made.accused else "", to=made.to)
            mail.preparation = await self._preparer.prepare(world, wish)
            world = replace(world, preparation=mail.preparation)
        else:
            # The dry run of the dwell still holds: the request bears its preconditions. A right may have been taken away since.
            reviewed = ahead.rights(made) if ahead is not None else None
            acting = identity.of_attempt(remediation.spec, world.operator_namespace)
            missing, answered = reviewed or await self._preparer.rights(made.runbook, subject.ref, acting)
            if missing or not answered:
                mail.preparation = replace(known, missing_rights=missing, rights_known=answered, prepared_time=world.now)
                world = replace(world, preparation=mail.preparation)
        template = ahead.template_of(made) if ahead is not None else None
        return _decided(world, remediation, made, seen, template)

    def places(self, remediation: Remediation, permitted: Permitted) -> Refusal | None:
        """Whether budgets and concurrency still have a place, by what others began meanwhile. Asked right before the reservation."""
        if remediation.status.started_time is not None:
            return None
        world = replace(permitted.world, all_remediations=self._gatherer.attempts.all())
        spent = guards.budget(world, permitted.plan)
        approved = spent is not None and spent.reason == guards.MODE_LOWERED and permitted.plan.mode is not Mode.AUTO
        return (None if approved else spent) or guards.one_per_target(world, permitted.plan)

    def _chosen(self, world: World, remediation: Remediation, runbook: Runbook) -> match.Fit | Refusal:
        """The Runbook that fits what is seen now; of a run that a person asked for, the one that was named."""
        if remediation.is_request:
            return self_service.fit(remediation, runbook, world)
        unread = guards.unread(world)  # before a plan is made: without a finding it would be another one, and end the run
        if unread is not None:
            return unread
        alerts = (one for one in world.incident.status.signals if one.source == "Alertmanager" and one.state == "Firing")
        if world.finding is None and all(world.is_past(one) for one in alerts):
            return Refusal(reason="TargetHealthy", message="the target shows no fault any more")
        return match.choose(world, world.incident.status)[0]

    async def _plan(self, world: World, remediation: Remediation, runbook: Runbook) -> plan.Plan | Refusal:
        """The same plan, made anew from live facts. Another plan than the one that was decided is somebody's change."""
        facts = world.workload
        faster = _faster(facts, remediation) if facts is not None else None
        if facts is not None and faster is not None:
            await self._rule_out_ours(facts, remediation)
            return faster
        chosen = self._chosen(world, remediation, runbook)
        if isinstance(chosen, Refusal):
            return chosen
        made = plan.make(world, world.incident.status, chosen)
        if isinstance(made, Refusal):
            return made
        if made.hash != remediation.spec.plan_hash:
            message = f"the plan would be another one now ({made.summary}): somebody changed the target or the Runbook"
            return approval.PlanChanged(reason="HumanOverride", message=message)
        return made

    async def _rule_out_ours(self, facts: WorkloadFacts, remediation: Remediation) -> None:
        """Raises Conflict where what is newer bears an intent of this very attempt: a late request or another process of ours, and no person.

        The intent is stored before its effect, so a Remediation that is read after its target knows it.
        """
        mark = facts.workload.annotations.get(INTENT_ANNOTATION)
        fresh = await self._store.remediation(remediation.metadata.namespace or "", remediation.metadata.name)
        if mark is not None and fresh is not None and any(one.intent is not None and one.intent.id == mark for one in fresh.status.steps):
            raise Conflict(f"{remediation.metadata.name} was carried out meanwhile, and by no person: it is read again")

    def _going_on(self, world: World, remediation: Remediation, seen: Seen, runbook: Runbook, *, undoing: bool) -> Permitted | Refusal:
        """After the first effect it is asked what could make the next one wrong: pause, control plane, evidence, a veto, others' changes, mode."""
        facts = seen if isinstance(seen, WorkloadFacts) else None
        accused = facts.revision(remediation.spec.accused_revision or "") if facts is not None else None
        made = plan.Plan(
            runbook=runbook,
            subject=subject_of(seen),
            accused=accused,
            to=_still_to(remediation, facts, runbook, accused) if facts is not None else None,
            summary=remediation.status.plan,
            hash=remediation.spec.plan_hash,
            mode=plan.effective_mode(runbook, world),
            due_time=None,
        )
        always = (guards.protected, guards.pause, guards.control_plane, guards.evidence, guards.veto)
        asks = () if undoing or midrun.asked(remediation) else (approval.refused,)  # what remains is approved where a step of the run asks for it
        for guard in (*always, *asks):
            refusal = guard(world, made)
            if refusal is not None:
                return _unapproved(refusal, world, remediation, made, remediation.status.guards, remediation.status.diff)
        stops = None if undoing else overridden.by_others(remediation, world.raw) or _lowered(remediation, made)
        if stops is not None:
            return stops
        return Permitted(plan=made, target=seen, guards=remediation.status.guards, preparation=None, world=world)


def _still_to(remediation: Remediation, facts: WorkloadFacts, runbook: Runbook, accused: Revision | None) -> Revision | None:
    """The revision that the plan was made for, while a rollback of it is still to come: the one that makes the plan's hash what it is."""
    if any(one.intent is not None and "toHash" in one.intent.before for one in remediation.status.steps):
        return None
    same = (
        one
        for one in facts.revisions
        if plan.plan_hash(runbook, facts.workload, accused, one, remediation.spec.parameters) == remediation.spec.plan_hash
    )
    return next(same, None)


def _begun(remediation: Remediation) -> bool:
    """Whether an effect of it was applied."""
    return any(one.state is StepState.APPLIED and one.intent is not None for one in remediation.status.steps)


def _faster(facts: WorkloadFacts, remediation: Remediation) -> Refusal | None:
    """Another revision than the accused one is the newest now: that is a person's doing, whether it helped or not."""
    accused, newest = remediation.spec.accused_revision, facts.newest
    if not accused or newest is None or newest.hash == accused:
        return None
    return approval.PlanChanged(reason="HumanOverride", message=f"revision {newest.number} is there now, not the accused one: somebody was faster")


def _lowered(remediation: Remediation, made: plan.Plan) -> Refusal | None:
    """The last gate, asked again: the mode permitted to act when the attempt was made, and somebody lowered it since."""
    return guards.gate(made, None) if remediation.spec.mode.rank >= Mode.APPROVE.rank else None


def _decided(world: World, remediation: Remediation, made: plan.Plan, seen: Seen, template: Json | None) -> Permitted | Refusal:
    """What the guards and the mode say to the plan; and whether it still does what people were shown."""
    asked = guards.ask(world, made)
    refusal = first_refusal(asked) or _lowered(remediation, made)
    if refusal is not None and refusal.reason != approval.AWAITS:
        return refusal
    diff = world.preparation.diff if world.preparation is not None else ""
    refusal = approval.swapped(remediation, diff) or refusal
    if refusal is not None:
        return _unapproved(refusal, world, remediation, made, verdicts(asked), diff)
    return Permitted(plan=made, target=seen, guards=verdicts(asked), preparation=world.preparation, world=world, template=template)


def _unapproved(refusal: Refusal, world: World, remediation: Remediation, made: plan.Plan, told: tuple[GuardVerdict, ...], diff: str) -> Refusal:
    """The refusal, with what people are to be shown where it only asks them."""
    if refusal.reason != approval.AWAITS:
        return refusal
    deadline = approval.deadline_of(remediation, made, world.now)
    return Unapproved(reason=refusal.reason, message=refusal.message, plan=made, diff=diff, guards=told, deadline=deadline)


def verdicts(asked: tuple[Asked, ...]) -> tuple[GuardVerdict, ...]:
    """Every guard's answer, as it is stored."""
    return tuple(
        GuardVerdict(
            name=one.guard,
            allowed=one.refusal is None,
            reason=one.refusal.reason if one.refusal else None,
            message=one.refusal.message[:1024] if one.refusal else "",
        )
        for one in asked
    )
