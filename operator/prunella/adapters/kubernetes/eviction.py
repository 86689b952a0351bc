"""The eviction of one pod: the API server asks the disruption budgets.

The rule this module protects: a budget that has no room is waited for or given up, and never gone around by a deletion. Budgets that contradict each
other are answered by a server error, which is known to have evicted nothing.
"""

from __future__ import annotations

from typing import Final

from prunella.app.errors import OutcomeUnknown, Retryable
from prunella.core.healing.effects.effect import Applied, DryRun, Evict, NotApplied
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import Actor

from .acting import Acting
from .answers import CONFLICT, FORBIDDEN, NOT_FOUND, SERVER_ERROR, TOO_MANY, UNAUTHORIZED, Answer
from .resources import POD, Call

POLICY: Final = "policy/v1"
NO_ROOM: Final = "DisruptionBudget"
"""Cause of a 429 that is a budget's word: that is no error, and is waited for."""
SEVERAL_BUDGETS: Final = "more than one PodDisruptionBudget"


def eviction_call(effect: Evict, *, dry: bool = False) -> Call:
    """The one request of an eviction, with the uid as precondition in its body."""
    target = effect.target
    body = {
        "apiVersion": POLICY,
        "kind": "Eviction",
        "metadata": {"name": target.name, "namespace": target.namespace},
        "deleteOptions": {"preconditions": {"uid": target.uid}, **({"dryRun": ["All"]} if dry else {})},
    }
    return POD.call("create", target.namespace, target.name, "eviction", query={"dryRun": "All"} if dry else {}, body=body)


async def evict(sender: Acting, effect: Evict, acting: Actor) -> Applied | NotApplied:
    """Ask once. Raises Retryable while a budget has no room, OutcomeUnknown where it may have been done."""
    answer = await sender.send(eviction_call(effect), acting)
    if answer.good:
        return Applied(after={"pod": "evicted"})
    if answer.status == NOT_FOUND:
        return Applied(after={"pod": "gone"})
    return _refusal(effect, answer, acting)


async def try_eviction(sender: Acting, effect: Evict, acting: Actor) -> DryRun:
    """What the API server says to it, without doing it. A budget without room is no reason against the plan: it is waited for."""
    answer = await sender.send(eviction_call(effect, dry=True), acting)
    if answer.status == TOO_MANY:
        return DryRun(accepted=True, waits=True, message=answer.message)
    if answer.good:
        return DryRun(accepted=True)
    return DryRun(
        accepted=False,
        message=f"Pod {effect.target.namespace}/{effect.target.name} is gone"
        if answer.status == NOT_FOUND
        else _refusal(effect, answer, acting).message,
    )


def _refusal(effect: Evict, answer: Answer, acting: Actor) -> NotApplied:
    where = f"Pod {effect.target.namespace}/{effect.target.name}"
    if answer.status >= SERVER_ERROR and SEVERAL_BUDGETS in answer.message:
        message = f"{where} was not evicted: it has several disruption budgets, and Kubernetes allows one; remove all but one ({answer.message})"
        return NotApplied(reason="PDBBlocked", message=message[:1024])
    if answer.status >= SERVER_ERROR:
        raise OutcomeUnknown(f"The API server answered {answer.status} to the eviction of {where} ({answer.message}): it must be seen on the pod")
    if answer.status in {UNAUTHORIZED, TOO_MANY}:
        message = f"{where} can't be evicted now ({answer.status}: {answer.message}): it is waited for"
        raise Retryable(message, delay=answer.delay, transient=None if answer.has_cause(NO_ROOM) else answer.transient)
    if answer.status == FORBIDDEN:
        namespace = effect.target.namespace or ""
        said = identity.lacks(acting, (f"create pods/eviction in {namespace}",), namespace)
        return NotApplied(reason="MissingPermission", message=f"{said} ({answer.message})"[:1024])
    reason = "TargetChanged" if answer.status == CONFLICT else ""
    return NotApplied(reason=reason, message=f"{where} is not the pod any more that was judged, and was left alone: {answer.message}"[:1024])
