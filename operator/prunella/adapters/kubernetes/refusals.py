"""Why the API server did not take a change, as the object shows it.

The rule this module protects: a change that was refused is told with the reason that the object gives; where it can't be read, that is said.
"""

from __future__ import annotations

from typing import Any

from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.api.step_failure import Transient
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import DeletePod, Json, NotApplied, Patch, annotated, guarded_sha256, part_of
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import Account, Actor
from prunella.core.healing.steps import gitops, hold_git_ops, registry
from prunella.core.healing.steps.hand_back import GUARDED_PATH as OWNERSHIP_PATH

from .answers import CONFLICT, Answer
from .pointer import MISSING, part
from .resources import Resource


def guarded(patch: Patch, stored: Json) -> object:
    """The part of an object that a patch insists on."""
    return part_of(stored, patch.guarded_path)


def at(stored: Json, path: str) -> object:
    """What stands at a path; None where nothing does."""
    found = part(stored, path)
    return None if found is MISSING else found


def only_the_stamp_failed(patch: Patch, stored: Json) -> bool:
    """Whether all that was judged still stands, and only the map that the stamp goes to came or went."""
    if not patch.stamped or annotated(stored) is patch.annotated:
        return False
    return all(at(stored, str(one["path"])) == one.get("value") for one in patch.operations if one["op"] == "test")


def only_the_list_moved(patch: Patch, stored: Json) -> bool:
    """Whether the element that was judged is as it was, and others of its list came or went: of taints the node controller's do so by themselves."""
    around, in_a_list, _ = patch.guarded_path.rpartition("/[")
    failed = [str(one["path"]) for one in patch.operations if one["op"] == "test" and at(stored, str(one["path"])) != one.get("value")]
    if not in_a_list or not failed or any(path != around and not path.startswith(f"{around}/") for path in failed):
        return False
    return guarded_sha256(guarded(patch, stored)) == patch.before.get("guardedSha256")


def failed_patch(patch: Patch, stored: dict[str, Any] | UnknownT | None, answer: Answer) -> NotApplied:
    """A failed `test` and an invalid object answer alike: only the object tells which it was."""
    where = where_is(patch.target)
    if stored is None:
        return gone(patch.target)
    if not isinstance(stored, dict):
        return NotApplied(reason="", message=f"The API server refused the change of {where} and can't be asked why: {answer.message}")
    for operation in patch.operations:
        path = str(operation["path"])
        judged = path == patch.guarded_path or path.startswith(("/spec/", "/webhooks/"))
        if operation["op"] == "test" and judged and at(stored, path) != operation.get("value"):
            return NotApplied(reason="HumanOverride", message=f"{where} was changed by somebody else after it was judged; their change stands")
    if TEMPORARY_ANNOTATION in patch.marks and (stored["metadata"].get("annotations") or {}).get(TEMPORARY_ANNOTATION):
        return NotApplied(
            reason="", message=f"{where} is changed for a while already: it bears the mark {TEMPORARY_ANNOTATION}, and only one at a time"
        )
    if patch.guarded_path == OWNERSHIP_PATH:
        return NotApplied(reason="", message=f"{where} was written to in the meantime; read it again")
    busy = Transient.CONFLICT if answer.status == CONFLICT else None  # what was judged stands: others wrote to the rest of it at the same time
    return NotApplied(reason="", message=f"The API server refused the change of {where}: {answer.message}", transient=busy)


def forbidden(resource: Resource, effect: Patch | DeletePod, answer: Answer, acting: Actor) -> NotApplied:
    """Who lacks which right, and the command that grants it."""
    namespace = effect.target.namespace or ""
    verb = "patch" if isinstance(effect, Patch) else "delete"
    what = f"{resource.words} in {namespace}" if namespace else resource.words
    if isinstance(acting, Account):
        said = identity.lacks(acting, (f"{verb} {what}",), namespace)
        return NotApplied(reason="MissingPermission", message=f"{said} ({answer.message})"[:1024])
    return NotApplied(
        reason="MissingPermission",
        message=f"Prunella may not {verb} {what}; {'the namespace' if namespace else 'the cluster'}'s owner grants it with "
        f"`{identity.granting(_folder(resource, clusterwide=not namespace), namespace)}` ({answer.message})"[:1024],
    )


def _folder(resource: Resource, *, clusterwide: bool) -> str:
    if (resource.api_version, resource.kind) in gitops.KINDS:
        return hold_git_ops.FOLDER
    return registry.folders_of(resource.words, clusterwide=clusterwide)[0]


def gone(target: ObjectRef) -> NotApplied:
    """There is no such object any more."""
    return NotApplied(reason="TargetChanged", message=f"{where_is(target)} is gone, or another object bears its name")


def where_is(target: ObjectRef) -> str:
    """For sentences: Deployment shop/checkout."""
    return f"{target.kind} {f'{target.namespace}/' if target.namespace else ''}{target.name}"
