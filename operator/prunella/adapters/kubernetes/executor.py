"""The one place where Prunella changes something that is not its own: one try, preconditions in the request, no retry.

The rule this module protects: an effect lands on the object that was judged, in the state in which it was judged, or it is refused with the reason;
and what can't be known is never reported as done or not done. Nothing is read before a patch: it insists by itself on what was judged, and only a
refusal is a reason to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, assert_never

from prunella.api.common import ObjectRef
from prunella.api.marks import FIELD_MANAGER, INTENT_ANNOTATION
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown, Permanent, PrunellaError, Retryable
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.effects.effect import (
    GOES,
    PATH_KEY,
    TEMPLATE,
    WROTE_KEY,
    Applied,
    DeletePod,
    DryRun,
    Effect,
    Evict,
    Json,
    NotApplied,
    Patch,
    Settled,
    annotated,
    guarded_sha256,
    part_of,
)
from prunella.core.healing.effects.outside import Call as OutsideCall
from prunella.core.healing.effects.outside import EndSilence, Silence
from prunella.core.healing.runbooks.identity import Actor
from prunella.core.healing.runs import overridden
from prunella.core.healing.steps.hand_back import hand_back

from .acting import Acting, NotThatUser
from .answers import CONFLICT, FORBIDDEN, NOT_FOUND, SERVER_ERROR, TOO_MANY, UNAUTHORIZED, Answer
from .client import Api
from .creation import create, created, dry_create, dry_unmake, unmake
from .difference import difference
from .eviction import evict, try_eviction
from .reads import fetch
from .refusals import failed_patch, forbidden, gone, guarded, only_the_list_moved, only_the_stamp_failed, where_is
from .resources import JSON_PATCH, Call, Resource, resource_of

_DRY_RUN_INTENT: Final = "dry-run"
_DELETE_TRIES: Final = 10
_STAMP_SECONDS: Final = 0.05


class Effects:
    """The port `Executor`, as far as it is the API server that does it."""

    def __init__(self, api: Api) -> None:
        self._reads = api
        """For reads alone: what changes something goes out through `_acting`, which asks as whom."""
        self._acting = Acting(api)

    async def apply(self, effect: Effect, intent_id: str, acting: Actor) -> Applied | NotApplied:
        """Do it once. Raises OutcomeUnknown where it may have been done, Retryable where it surely was not and may be tried."""
        try:
            return await self._apply(effect, intent_id, acting)
        except NotThatUser as error:
            return NotApplied(reason="MissingPermission", message=str(error)[:1024])

    async def _apply(self, effect: Effect, intent_id: str, acting: Actor) -> Applied | NotApplied:
        resource = _known(effect.target)
        match effect:
            case Patch():
                answer = await self._acting.send(patch_call(resource, effect, intent_id), acting)
            case DeletePod():
                answer, settled = await self._delete(resource, effect, acting)
                if settled is not None:
                    return settled
            case Create():
                return await create(self._acting, self._reads, resource, effect, intent_id, acting)
            case Unmake():
                return await unmake(self._acting, self._reads, resource, effect, acting)
            case Evict():
                return await evict(self._acting, effect, acting)
            case Silence() | EndSilence() | OutsideCall():
                raise Permanent(f"the API server does no {effect.action}")
            case _:
                assert_never(effect)
        if answer.good:
            return Applied(after=_after(effect, answer))
        return await self._refusal(resource, effect, answer, acting)

    async def _delete(self, resource: Resource, effect: DeletePod, acting: Actor) -> tuple[Answer, Applied | NotApplied | None]:
        """Delete the pod as it was judged: the same, and not Ready.

        A looping pod's status moves every second. A refused precondition is sure to have done nothing, so the pod is judged and asked for again.
        """
        answer = await self._acting.send(delete_call(resource, effect), acting)
        for _ in range(_DELETE_TRIES):
            if answer.status == NOT_FOUND:
                return answer, Applied(after={"pod": "gone"})
            if answer.status != CONFLICT:
                break
            stored = await fetch(self._reads, resource, effect.target)
            if stored is None:
                return answer, Applied(after={"pod": "gone"})
            if _ready(stored):
                return answer, NotApplied(reason="", message=f"Pod {effect.target.name} became ready meanwhile: it was left alone")
            fresh = replace(effect, resource_version=str(stored.get("metadata", {}).get("resourceVersion", "")))
            answer = await self._acting.send(delete_call(resource, fresh), acting)
        return answer, None

    async def dry_run(self, effect: Effect, acting: Actor) -> DryRun | UnknownT:
        """What the API server says to the same request with dryRun=All: rights, quota, admission and schema. It changes nothing."""
        try:
            return await self._tried(_known(effect.target), effect, acting)
        except NotThatUser as error:
            return DryRun(accepted=False, message=str(error)[:1024])
        except PrunellaError:
            return UNKNOWN

    async def _tried(self, resource: Resource, effect: Effect, acting: Actor) -> DryRun:
        if isinstance(effect, Create):
            return await dry_create(self._acting, resource, effect, acting)
        if isinstance(effect, Unmake):
            return await dry_unmake(self._acting, resource, effect, acting)
        if isinstance(effect, Silence | EndSilence | OutsideCall):
            return DryRun(accepted=True)
        stored = await fetch(self._reads, resource, effect.target)
        if stored is None:
            return DryRun(accepted=False, message=gone(effect.target).message)
        if isinstance(effect, Evict):
            return await try_eviction(self._acting, effect, acting)
        call = (
            patch_call(resource, replace(effect, annotated=annotated(stored)), _DRY_RUN_INTENT, dry=True)
            if isinstance(effect, Patch)
            else delete_call(resource, effect, dry=True)
        )
        answer = await self._acting.send(call, acting)
        if not answer.good:
            return DryRun(accepted=False, message=(await self._refusal(resource, effect, answer, acting)).message)
        return DryRun(accepted=True, diff=_diff(effect, stored, answer.object()) if isinstance(effect, Patch) else "")

    async def settle(self, effect_target: ObjectRef, intent_id: str, before: Mapping[str, str], action: str) -> Settled | UnknownT:
        """What the target shows of an intent without an outcome. UNKNOWN where it can't be read."""
        if action == Create.action:
            return await created(self._reads, _known(effect_target), effect_target, intent_id)
        try:
            stored = await fetch(self._reads, _known(effect_target), effect_target)
        except PrunellaError:
            return UNKNOWN
        if action in GOES:
            deleted = stored is None or stored["metadata"].get("deletionTimestamp") is not None
            return Settled.APPLIED if deleted else Settled.NOT_APPLIED
        if stored is None:
            return Settled.GONE
        if "managedFields" in before:
            return Settled.APPLIED if hand_back(stored) is None else Settled.NOT_APPLIED
        if (stored["metadata"].get("annotations") or {}).get(INTENT_ANNOTATION) == intent_id:
            return Settled.APPLIED
        present = guarded_sha256(part_of(stored, before.get(PATH_KEY, TEMPLATE)))
        if present == before.get(WROTE_KEY):
            return Settled.APPLIED
        return Settled.NOT_APPLIED if present == before.get("guardedSha256") else Settled.CHANGED

    async def _refusal(self, resource: Resource, effect: Patch | DeletePod, answer: Answer, acting: Actor) -> NotApplied:
        """Why it was not done. Raises OutcomeUnknown for a server error (it may have been done before the error), Retryable where it may be tried."""
        where = where_is(effect.target)
        if answer.status >= SERVER_ERROR:
            raise OutcomeUnknown(
                f"The API server answered {answer.status} to the change of {where} ({answer.message}); whether it was done must be seen on it"
            )
        if answer.status in {UNAUTHORIZED, TOO_MANY}:
            message = f"The API server turned the change of {where} away unread ({answer.status}: {answer.message})"
            raise Retryable(message, delay=answer.delay, transient=answer.transient)
        if answer.status == FORBIDDEN:
            return forbidden(resource, effect, answer, acting)
        if answer.status == NOT_FOUND:
            return gone(effect.target)
        if isinstance(effect, DeletePod):
            reason = "TargetChanged" if answer.status == CONFLICT else ""
            return NotApplied(reason=reason, message=f"{where} is not the pod any more that was judged, and was left alone: {answer.message}")
        stored = await self._again(resource, effect)
        if isinstance(stored, dict) and only_the_stamp_failed(effect, stored):
            # The stamp has another shape now. Whoever tries again looks at the target first, and asks the guards: here nothing is sent twice.
            message = f"Annotations of {where} came or went after it was judged, and nothing else did: nothing was changed"
            raise Retryable(message, delay=_STAMP_SECONDS, transient=Transient.CONFLICT)
        if isinstance(stored, dict) and only_the_list_moved(effect, stored):
            message = f"Others of a list of {where} came or went after it was judged: nothing was changed"
            raise Retryable(message, delay=_STAMP_SECONDS, transient=Transient.CONFLICT)
        return failed_patch(effect, stored, answer)

    async def _again(self, resource: Resource, effect: Patch | DeletePod) -> dict[str, Any] | UnknownT | None:
        try:
            return await fetch(self._reads, resource, effect.target)
        except PrunellaError:
            return UNKNOWN


def _known(target: ObjectRef) -> Resource:
    resource = resource_of(target)
    if resource is None:
        raise Permanent(f"Prunella does not know how to change a {target.kind} of {target.api_version}")
    return resource


def patch_call(resource: Resource, patch: Patch, intent_id: str, *, dry: bool = False) -> Call:
    """The one request of a patch: its preconditions, its change, and the stamp of the intent."""
    operations = [*patch.operations, *(_stamp(patch, intent_id) if patch.stamped else ())]
    query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry else {})}
    target = patch.target
    return resource.call("patch", target.namespace, target.name, patch.subresource, query=query, body=operations, content_type=JSON_PATCH)


def _stamp(patch: Patch, intent_id: str) -> tuple[Json, ...]:
    """The operations that leave the intent's id on the target. A map that isn't there can't be added to, only made; one that is there stays."""
    stamps = {INTENT_ANNOTATION: intent_id, **patch.marks}
    return (*_added("annotations", stamps, there=patch.annotated), *_added("labels", patch.labels, there=patch.labelled))


def _added(to: str, entries: Mapping[str, str], *, there: bool) -> tuple[Json, ...]:
    at = f"/metadata/{to}"
    if there or not entries:
        return tuple({"op": "add", "path": f"{at}/{key.replace('~', '~0').replace('/', '~1')}", "value": value} for key, value in entries.items())
    return ({"op": "test", "path": at, "value": None}, {"op": "add", "path": at, "value": dict(entries)})


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def delete_call(resource: Resource, delete: DeletePod, *, dry: bool = False) -> Call:
    """The one request of a deletion, with the preconditions in its body."""
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": delete.target.uid, "resourceVersion": delete.resource_version},
        **({"dryRun": ["All"]} if dry else {}),
    }
    return resource.call("delete", delete.target.namespace, delete.target.name, body=body)


def _after(effect: Patch | DeletePod, answer: Answer) -> Mapping[str, str]:
    if isinstance(effect, DeletePod):
        return {"pod": "deleted"}
    changed = answer.stored()
    meta = changed["metadata"]
    if effect.subresource:  # what was answered is that part alone, which leaves out a zero
        return {"resourceVersion": str(meta.get("resourceVersion", "")), "guardedSha256": effect.before.get(WROTE_KEY, "")}
    return {
        "resourceVersion": str(meta.get("resourceVersion", "")),
        "generation": str(meta.get("generation", "")),
        "guardedSha256": guarded_sha256(guarded(effect, changed)),
        **(overridden.told(changed) if effect.guarded_path.startswith(f"{TEMPLATE}/") else {}),
    }


def _diff(patch: Patch, stored: Json, changed: Json) -> str:
    return difference(guarded(patch, stored), guarded(patch, changed))
