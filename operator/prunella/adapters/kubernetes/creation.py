"""Objects that did not exist: one request, and a name that is taken is looked at before it is believed. They go again by their uid.

The rule this module protects: an object counts as ours only where it bears this very intent's id; whatever else has the name is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from prunella.api.common import ObjectRef
from prunella.api.marks import FIELD_MANAGER, INTENT_ANNOTATION
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown, PrunellaError, Retryable
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Settled
from prunella.core.healing.known import reruns
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import Actor

from .acting import Acting
from .answers import CONFLICT, FORBIDDEN, NOT_FOUND, SERVER_ERROR, TOO_MANY, UNAUTHORIZED, Answer
from .client import Api
from .reads import fetch
from .resources import Call, Resource

_DRY_RUN_INTENT: Final = "dry-run"


def create_call(resource: Resource, effect: Create, intent_id: str, *, dry: bool = False) -> Call:
    """The one request: the object, stamped."""
    given = effect.manifest.get("metadata")
    metadata: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    annotations = {**(metadata.get("annotations") or {}), INTENT_ANNOTATION: intent_id}
    body = {**effect.manifest, "metadata": {**metadata, "name": effect.target.name, "namespace": effect.target.namespace, "annotations": annotations}}
    query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry else {})}
    return resource.call("create", effect.target.namespace, query=query, body=body)


async def create(sender: Acting, reads: Api, resource: Resource, effect: Create, intent_id: str, acting: Actor) -> Applied | NotApplied:
    """Make it once. Raises OutcomeUnknown where it may have been made, Retryable where it surely was not and may be tried."""
    answer = await sender.send(create_call(resource, effect, intent_id), acting)
    if answer.good:
        return _made(answer.stored())
    if answer.status == CONFLICT:
        stored = await fetch(reads, resource, effect.target)
        if stored is not None and _is_of(stored, intent_id):
            return _made(stored)
    return _refused(resource, effect, answer, acting)


async def dry_create(sender: Acting, resource: Resource, effect: Create, acting: Actor) -> DryRun:
    """What the API server says to the same request with dryRun=All. Raises PrunellaError where it says nothing."""
    answer = await sender.send(create_call(resource, effect, _DRY_RUN_INTENT, dry=True), acting)
    if not answer.good:
        return DryRun(accepted=False, message=_refused(resource, effect, answer, acting).message)
    # People are shown what it is made of, where it is made of something: what they approve is void once that is another version.
    told = {key: value for key, value in sorted(effect.before.items()) if key != reruns.RUNS}  # that one is for Prunella's own record
    return DryRun(accepted=True, diff="".join(f"+ {key}: {value}\n" for key, value in told.items()))


def unmake_call(resource: Resource, effect: Unmake, *, dry: bool = False) -> Call:
    """The one request of its deletion, with its uid in the body."""
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": effect.target.uid},
        **({"dryRun": ["All"]} if dry else {}),
    }
    return resource.call("delete", effect.target.namespace, effect.target.name, body=body)


async def unmake(sender: Acting, reads: Api, resource: Resource, effect: Unmake, acting: Actor) -> Applied | NotApplied:
    """Delete it once. Raises OutcomeUnknown where it may have been deleted, Retryable where it surely was not and may be tried."""
    answer = await sender.send(unmake_call(resource, effect), acting)
    if answer.good:
        return Applied(after={"made": "deleted"})
    if answer.status == NOT_FOUND or (answer.status == CONFLICT and await fetch(reads, resource, effect.target) is None):
        return Applied(after={"made": "gone"})
    return _refused(resource, effect, answer, acting)


async def dry_unmake(sender: Acting, resource: Resource, effect: Unmake, acting: Actor) -> DryRun:
    """What the API server says to the same request with dryRun=All. Raises PrunellaError where it says nothing."""
    answer = await sender.send(unmake_call(resource, effect, dry=True), acting)
    accepted = answer.good or answer.status == NOT_FOUND
    return DryRun(accepted=accepted, message="" if accepted else _refused(resource, effect, answer, acting).message)


async def created(api: Api, resource: Resource, target: ObjectRef, intent_id: str) -> Settled | UnknownT:
    """Whether it is there and ours. UNKNOWN where that can't be read."""
    try:
        stored = await fetch(api, resource, target)
    except PrunellaError:
        return UNKNOWN
    if stored is None:
        return Settled.NOT_APPLIED
    return Settled.APPLIED if _is_of(stored, intent_id) else Settled.CHANGED


def _is_of(stored: dict[str, Any], intent_id: str) -> bool:
    return (stored["metadata"].get("annotations") or {}).get(INTENT_ANNOTATION) == intent_id


def _made(stored: dict[str, Any]) -> Applied:
    return Applied(after={"name": str(stored["metadata"].get("name", "")), "uid": str(stored["metadata"].get("uid", ""))})


def _refused(resource: Resource, effect: Create | Unmake, answer: Answer, acting: Actor) -> NotApplied:
    where = f"{effect.target.kind} {effect.target.namespace}/{effect.target.name}"
    verb, what, done = ("create", "creation", "made") if isinstance(effect, Create) else ("delete", "deletion", "deleted")
    if answer.status >= SERVER_ERROR:
        raise OutcomeUnknown(f"The API server answered {answer.status} to the {what} of {where}; whether it was {done} must be seen there")
    if answer.status in {UNAUTHORIZED, TOO_MANY}:
        message = f"The API server turned the {what} of {where} away unread ({answer.status}: {answer.message})"
        raise Retryable(message, delay=answer.delay, transient=answer.transient)
    if answer.status == FORBIDDEN and "exceeded quota" not in answer.message:
        namespace = effect.target.namespace or ""
        message = f"{identity.lacks(acting, (f'{verb} {resource.words} in {namespace}',), namespace)} ({answer.message})"
        return NotApplied(reason="MissingPermission", message=message[:1024])
    others_wrote = isinstance(effect, Create) and answer.reason == "Conflict"  # a quota's count, for example: the name is free all the same
    if answer.status == CONFLICT and isinstance(effect, Create) and not others_wrote:
        return NotApplied(reason="", message=f"{where} is there already, and somebody else made it: it was left alone")
    why = "what it says may quote what is confidential" if isinstance(effect, Create) and effect.confidential else answer.message
    message = f"The API server refused the {what} of {where} ({answer.status}): {why}"
    return NotApplied(reason="", message=message[:1024], transient=Transient.CONFLICT if others_wrote else None)
