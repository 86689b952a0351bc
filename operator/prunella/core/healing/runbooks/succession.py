"""Whose turn it is among Runbooks that follow each other: A, and where A did not help, B.

The rule this module protects: the next one has its turn only after an attempt of this episode that ended without helping, with everything taken back
that can be; and each of them has one turn an episode, so that there is no loop. What can't be known, or what a person changed, hands nothing on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prunella.api.incident import IncidentStatus
from prunella.api.names import Cause, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Remediation, StepStatus
from prunella.api.runbook import Runbook
from prunella.core.facts import Workload
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry
from prunella.core.subject import Thing
from prunella.core.world import World

from . import run

HANDS_ON: Final = frozenset({Outcome.INEFFECTIVE, Outcome.ABORTED})
"""Worsened stops, Reverted is somebody's doing, and Inconclusive is no proof that it did not help."""
SETTLES: Final = timedelta(seconds=120)
"""So long nobody is called because the fault is out of sight after an attempt that hands on."""
ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
CARDINALS: Final = ("one", "two", "three", "four", "five")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Which of the Runbooks that follow each other is to act."""

    runbook: Runbook
    after: tuple[Remediation, ...] = ()
    """The attempts of those before it, oldest first: none of them helped."""
    of: int = 1
    """How many Runbooks follow each other, this one included."""
    had: Remediation | None = None
    """Its own attempt of this episode, where it had its turn already."""

    @property
    def told(self) -> str:
        """'second of two: raise-memory did not help'; empty for the first."""
        if not self.after:
            return ""
        number = len(self.after)
        place = f"{ORDINALS[number]} of {CARDINALS[self.of - 1]}" if self.of <= len(CARDINALS) else f"{number + 1} of {self.of}"
        return f"{place}: {' and '.join(one.spec.runbook_ref.name for one in self.after)} did not help"


def followers(runbooks: Iterable[Runbook]) -> frozenset[tuple[str, str]]:
    """Namespace and name of each Runbook that another of these names as its next one."""
    return frozenset((one.metadata.namespace or "", one.spec.next_ref.name) for one in runbooks if one.spec.next_ref is not None)


def line(first: Runbook, known: Iterable[Runbook]) -> tuple[Runbook, ...]:
    """The Runbook and those that follow it, in order; a name that leads nowhere or back ends it."""
    by_name = {_place(one): one for one in known}
    found, at = [first], first
    while at.spec.next_ref is not None:
        following = by_name.get((at.metadata.namespace or "", at.spec.next_ref.name))
        if following is None or _place(following) in map(_place, found):
            break
        found.append(following)
        at = following
    return tuple(found)


def turn(world: World, status: IncidentStatus, first: Runbook, fitting: Sequence[Runbook]) -> Turn:
    """Whose turn it is, beginning with `first`. One that does not fit now is not reached, and none behind it."""
    of = len(line(first, world.runbooks))
    if of == 1:
        return Turn(runbook=first)
    *before, last = line(first, fitting)
    after: list[Remediation] = []
    for runbook in before:
        had = _attempt(world, runbook)
        if had is None or not _hands_on(had, runbook, status.cause):
            return Turn(runbook=runbook, after=tuple(after), of=of, had=had)
        after.append(had)
    return Turn(runbook=last, after=tuple(after), of=of, had=_attempt(world, last))


def spent(turn: Turn | None) -> Refusal | None:
    """It had its turn in this episode."""
    if turn is None or turn.had is None:
        return None
    message = f"{turn.had.metadata.name} was the one turn of {turn.runbook.metadata.name} in this episode: a person has to look"
    return Refusal(reason="ConsecutiveFailures", message=message)


def taken_over(turn: Turn | None, subject: Workload | Thing) -> Refusal | None:
    """Somebody changed the target after the attempt that did not help, and before the one that follows it: the target is theirs.

    Of an object whose generation says nothing it can't be told, so nothing follows there.
    """
    if turn is None or not turn.after:
        return None
    before, generation = turn.after[-1], subject.generation if isinstance(subject, Workload) else None
    known = before.status.target_generation
    if known is not None and generation is not None and generation <= known:
        return None
    message = f"{subject.short} was changed after {before.metadata.name} had ended: whoever did it has it, and automation stays away"
    return Refusal(reason="HumanOverride", message=message)


def followed(world: World, one: Remediation, cause: Cause | None) -> bool:
    """Whether an attempt hands on to another Runbook that is there."""
    book = next((book for book in world.runbooks if _is_of(one, book)), None)
    return book is not None and len(line(book, world.runbooks)) > 1 and _hands_on(one, book, cause)


def lately(world: World, cause: Cause | None) -> frozenset[str]:
    """Names of the attempts that hand on and have just ended: what was taken back settles, and the fault may be out of sight for a moment."""
    ended = ((one, one.status.ended_time) for one in world.remediations)
    young = (one for one, time in ended if time is not None and world.now - time < SETTLES)
    return frozenset(one.metadata.name for one in young if followed(world, one, cause))


def _attempt(world: World, runbook: Runbook) -> Remediation | None:
    """The newest attempt of that Runbook in this episode that began and ended."""
    mine = (one for one in world.remediations if _is_of(one, runbook) and one.metadata.uid != world.own_remediation_uid and _counts(world, one))
    return max(mine, key=lambda one: one.status.ended_time or world.now, default=None)


def _counts(world: World, one: Remediation) -> bool:
    started, ended = one.status.started_time, one.status.ended_time
    if started is None or ended is None or not (one.status.phase is RemediationPhase.FAILED or one.status.outcome is Outcome.REMEDIATED):
        return False
    began, retried = world.incident.status.times.triggered_time, world.incident.status.last_handled_retry_time
    return (began is None or started >= began) and (retried is None or ended > retried)


def _hands_on(one: Remediation, runbook: Runbook, cause: Cause | None) -> bool:
    """Whether it ended without helping, for the cause that is there now, with nothing left behind that could have been taken back.

    A Runbook that was changed since says something else than what was tried.
    """
    status, pinned = one.status, one.spec.runbook_ref
    if (pinned.uid, pinned.generation) != (runbook.metadata.uid, runbook.metadata.generation):
        return False
    if status.phase is not RemediationPhase.FAILED or status.outcome not in HANDS_ON:
        return False
    return status.target_generation is not None and one.spec.cause == cause and not left_behind(one)


def left_behind(one: Remediation) -> bool:
    """Whether something that it did could be taken back, and was not: it failed, or somebody has changed it since."""
    steps = one.status.steps
    undone = {step.name.removeprefix(run.UNDO) for step in steps if step.name.startswith(run.UNDO) and step.state is StepState.APPLIED}
    ended = {run.step_name(step) for step in steps if _action(step) == Unmake.action and step.state is StepState.APPLIED}
    return any(
        run.step_name(step) and step.name not in undone and not _stays(step, ended) and _could_be_taken_back(step.action, step.state)
        for step in steps
    )


def _stays(step: StepStatus, ended: Collection[str]) -> bool:
    """Whether it only made something beside the target, such as a copy, which stays and changes nothing; or that is gone again, by the same step."""
    kind = registry.KINDS.get(step.action)
    acts = kind is not None and kind.made_acts
    return run.step_name(step) in ended if acts else _action(step) == Create.action


def _action(step: StepStatus) -> str:
    return step.intent.action if step.intent is not None else ""


def _could_be_taken_back(action: str, state: StepState) -> bool:
    kind = registry.KINDS.get(action)
    done = state in {StepState.APPLIED, StepState.INTENDED, StepState.UNKNOWN}
    return done and kind is not None and kind.undo is not None


def _is_of(one: Remediation, runbook: Runbook) -> bool:
    ref = one.spec.runbook_ref
    return (ref.namespace, ref.name) == _place(runbook)


def _place(runbook: Runbook) -> tuple[str, str]:
    return (runbook.metadata.namespace or "", runbook.metadata.name)
