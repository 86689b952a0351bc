"""A temporary measure: what was changed for a while, written on the changed object itself, so that it ends though every record of it is gone.

The rule this module protects: it is taken back only where what was written still stands. What somebody else has changed since is theirs, and only the
mark is taken off. One request does both, and insists on the mark: it can't be done twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from prunella.api.base import micro_time
from prunella.api.common import ObjectRef
from prunella.api.marks import MARKED_LABEL, TEMPORARY_ANNOTATION
from prunella.core.healing.effects.effect import Json, Patch, guarded_sha256, part_of
from prunella.core.healing.effects.unmark import MARK, label_off
from prunella.core.healing.notation import places
from prunella.core.healing.steps import registry

LONGEST: Final = 16_384
"""Characters of a mark that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What stands in the mark."""

    remediation: str
    """Namespace and name of the attempt."""
    uid: str = ""
    """Of the attempt: another one may bear its name once it was deleted. Empty in marks that are older than this field."""
    path: str
    """The part of the object that was written: a place such as /spec/replicas."""
    before: object
    """What stood there; None where nothing did."""
    wrote_sha256: str
    """Hash of what was written."""
    undo_after_time: datetime
    account: str | None = None
    """ServiceAccount of the object's namespace that took it, and takes it back; None where the operator itself did."""

    def mark(self) -> str:
        """The annotation's value."""
        told = {
            "remediation": self.remediation,
            **({"remediationUID": self.uid} if self.uid else {}),
            "undoAfterTime": micro_time(self.undo_after_time),
            "onExpiry": "Undo",
            "path": self.path,
            "before": self.before,
            "wroteHash": self.wrote_sha256,
            **({"serviceAccountName": self.account} if self.account is not None else {}),
        }
        return json.dumps(told, sort_keys=True, separators=(",", ":"))


def temporary(patch: Patch, *, remediation: str, uid: str = "", until: datetime, account: str | None = None) -> Patch:
    """The patch with the mark that ends it. It must test and write its guarded part, and nothing else."""
    at = patch.pointer or patch.guarded_path
    tested = next(one.get("value") for one in patch.operations if one["op"] == "test" and one["path"] == at)
    wrote = next(one.get("value") for one in patch.operations if one["op"] != "test" and one["path"] == at)
    measure = Measure(
        remediation=remediation,
        uid=uid,
        path=patch.guarded_path,
        before=_guarded(patch, tested),
        wrote_sha256=guarded_sha256(_guarded(patch, wrote)),
        undo_after_time=until,
        account=account,
    )
    marks = {**patch.marks, TEMPORARY_ANNOTATION: measure.mark()}
    unwatched = (patch.target.api_version, patch.target.kind) in registry.unwatched()
    labels = {**patch.labels, MARKED_LABEL: "true"} if unwatched else patch.labels
    # One object bears one measure: the second would take what the first wrote for what was there before, and the first would never end.
    alone: tuple[Json, ...] = ({"op": "test", "path": MARK, "value": None},) if patch.annotated else ()
    return replace(patch, marks=marks, labels=labels, operations=(*patch.operations, *alone))


def _guarded(patch: Patch, value: object) -> object:
    """The guarded part of what a patch tests or writes at its pointer: all of it, or one element where that is the list around it."""
    around = patch.guarded_path.startswith(f"{patch.pointer}/") if patch.pointer else False
    return places.part({"list": value}, f"/list{patch.guarded_path.removeprefix(patch.pointer)}") if around else value


def read(mark: str) -> Measure | None:
    """The measure of a mark; None where it is none of ours: nobody guesses what was meant."""
    if len(mark) > LONGEST:
        return None
    try:
        told = json.loads(mark)
        json.dumps(told, ensure_ascii=False).encode()  # what JSON can spell and UTF-8 can't is no mark of ours, and could never be sent
        until = datetime.fromisoformat(told["undoAfterTime"])
        if until.tzinfo is None or told["onExpiry"] != "Undo" or not str(told["path"]).startswith("/"):
            return None
        return Measure(
            remediation=str(told["remediation"]),
            uid=str(told.get("remediationUID", "")),
            path=str(told["path"]),
            before=told["before"],
            wrote_sha256=str(told["wroteHash"]),
            undo_after_time=until,
            account=str(told["serviceAccountName"]) if "serviceAccountName" in told else None,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def concerns(measure: Measure, ref: ObjectRef) -> bool:
    """Whether a step may have written there. Whoever can write no more than an annotation of an object must not move us to write its spec."""
    return registry.loosened(ref.kind, measure.path) and places.fits(measure.path, measure.before)


def stands(measure: Measure, raw: Json) -> bool:
    """Whether what was written is still there."""
    return guarded_sha256(part_of(raw, measure.path)) == measure.wrote_sha256


def _back(measure: Measure, raw: Json) -> tuple[Json, ...]:
    """The operations that put back what was there, insisting on what is; none where the place is gone."""
    at, present = places.located(raw, measure.path), part_of(raw, measure.path)
    if at is None:
        return ()
    if measure.before is None:
        back: Json = {"op": "remove", "path": at.pointer}
    else:
        back = {"op": "add" if present is None else "replace", "path": at.pointer, "value": measure.before}
    names = ({"op": "test", "path": where, "value": name} for where, name in at.named)
    return (*names, {"op": "test", "path": at.pointer, "value": present}, back)


def undo(measure: Measure, ref: ObjectRef, raw: Json, mark: str) -> Patch:
    """Take it back and take the mark off; only the mark where somebody has changed it since."""
    operations: list[Json] = [{"op": "test", "path": "/metadata/uid", "value": ref.uid}, {"op": "test", "path": MARK, "value": mark}]
    back = _back(measure, raw) if stands(measure, raw) else ()
    if back:
        operations += back
        does = f"{ref.kind} {ref.name} is as it was before {measure.remediation}"
    else:
        does = f"{ref.kind} {ref.name} was changed by somebody else since {measure.remediation}: it stays as it is"
    operations += [{"op": "remove", "path": MARK}, *label_off(raw)]
    return Patch(target=ref, operations=tuple(operations), guarded_path=measure.path, stamped=False, does=does)
