"""Overridden: whether somebody else changed the target's pod template while a run is under way.

The rule this module protects: each effect is judged on the template that its run knows. What is not that one, and not what the run itself made of it,
is somebody's change, and the rest of the run was never meant for it. Only the template counts: replicas, status and annotations are for controllers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from prunella.api.marks import FIELD_MANAGER, INTENT_ANNOTATION
from prunella.api.names import Outcome, StepState
from prunella.api.remediation import Remediation, StepStatus
from prunella.core.healing.effects.effect import PATH_KEY, TEMPLATE, Json, Patch, guarded_sha256, part_of
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import run

JUDGED: Final = "templateSha256"
"""Key of an intent's `before`: hash of the target's pod template when the effect was judged, whatever the effect is. Of the outcome's `after`, where
only a part of the template was written: hash of all of it then."""

NAMED: Final = 3
"""So many field managers are named at most."""

GENERATION: Final = "generation"
"""Key beside it, before and after: the target's metadata.generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden(Refusal):
    """Somebody else has the target now: the run ends, with this outcome."""

    outcome: Outcome


def told(raw: Json | None) -> Mapping[str, str]:
    """What the record of an effect keeps of the target as it was read; nothing for what has no pod template."""
    template = part_of(raw, TEMPLATE) if raw is not None else None
    if raw is None or template is None:
        return {}
    generation = part_of(raw, "/metadata/generation")
    return {JUDGED: guarded_sha256(template), **({GENERATION: str(generation)} if isinstance(generation, int) else {})}


def left(attempt: Remediation, record: StepStatus, raw: Json) -> Mapping[str, str]:
    """What a change of the pod template left whose answer was lost, by the target as it is now; nothing where that is not known.

    It is known where the target bears the intent's id, and its generation is the very next one after that which was judged: nobody else has changed
    anything since. What moved the generation further may have been an autoscaler, or an annotation on a Deployment: that tells nothing.
    """
    intent, wrote, annotations = record.intent, place_in_template(attempt, record), part_of(raw, "/metadata/annotations")
    if intent is None or not wrote or not isinstance(annotations, Mapping) or annotations.get(INTENT_ANNOTATION) != intent.id:
        return {}
    present, before = part_of(raw, "/metadata/generation"), intent.before.get(GENERATION, "")
    if not before.isdigit() or present != int(before) + 1:
        return {}
    part = {"guardedSha256": guarded_sha256(part_of(raw, wrote))}
    return {GENERATION: str(present), **part} if wrote == TEMPLATE else {**told(raw), **part}


def generation_left(attempt: Remediation) -> int | None:
    """The target's generation, as the run's own changes have left it; None where it has made none, or that is not known of one of them."""
    uid = attempt.spec.target_ref.uid
    wrote = [one for one in attempt.status.steps if one.state is StepState.APPLIED and one.intent and one.intent.target_ref.uid == uid]
    known = [one.outcome.after.get(GENERATION, "") if one.outcome is not None else "" for one in wrote]
    return max(int(one) for one in known) if known and all(one.isdigit() for one in known) else None


def by_others(attempt: Remediation, raw: Json | None) -> Overridden | None:
    """Whether the target's pod template, as it was read now, is another one than the run's newest effect left. None also where that is not known."""
    newest = _newest(attempt)
    if newest is None or newest.intent is None or raw is None:
        return None
    wrote, before = place_in_template(attempt, newest), newest.intent.before.get(JUDGED)
    after = newest.outcome.after if newest.outcome is not None else {}
    left = before if not wrote else after.get("guardedSha256" if wrote == TEMPLATE else JUDGED)
    present = guarded_sha256(part_of(raw, TEMPLATE))
    if left is None or present == left:
        return None
    name, step = attempt.spec.target_ref.name, run.step_name(newest)
    if wrote and present == before:
        message = f"exactly what step '{step}' replaced in {name} came back: somebody or something reverts what we do"
        return Overridden(reason="HumanOverride", message=message, outcome=Outcome.REVERTED)
    what = f"the pod template of {name} after step '{step}': theirs stands, the rest was not done"
    return Overridden(reason="HumanOverride", message=theirs(attempt, raw, what), outcome=Outcome.SUPERSEDED)


def theirs(attempt: Remediation, raw: Json, what: str) -> str:
    """The sentence that they changed `what` of the target's pod template: with their field managers, where the API server kept them.

    A controller that restarts pods when a ConfigMap changes is one of them: its mark names a ConfigMap, and not which change of it it answers.
    """
    newest = _newest(attempt)
    since = newest.intent.written_time if newest is not None and newest.intent is not None else None
    writers = ", ".join(_writers(raw, since)[:NAMED]) if since is not None else ""
    who = f"somebody ({writers})" if writers else "somebody"
    wrote = next((one.intent.target_ref.name for one in attempt.status.steps if one.intent is not None and _wrote_config_map(one)), None)
    aside = f"; ConfigMap {wrote} stays as the run wrote it, and what restarts pods for that counts as somebody" if wrote is not None else ""
    return f"{who} changed {what}{aside}"


def place_in_template(attempt: Remediation, record: StepStatus) -> str:
    """Where in the target's pod template the effect wrote: all of it, or a part; empty where it wrote elsewhere."""
    intent = record.intent
    if intent is None or intent.action != Patch.action or intent.target_ref.uid != attempt.spec.target_ref.uid:
        return ""
    place = intent.before.get(PATH_KEY, TEMPLATE)
    return place if place == TEMPLATE or place.startswith(f"{TEMPLATE}/") else ""


def _newest(attempt: Remediation) -> StepStatus | None:
    return next((one for one in reversed(attempt.status.steps) if _done(one)), None)


def _wrote_config_map(record: StepStatus) -> bool:
    intent = record.intent
    return _done(record) and intent is not None and intent.action == Patch.action and intent.target_ref.kind == "ConfigMap"


def _writers(raw: Json, since: datetime) -> tuple[str, ...]:
    """Field managers but ours that own a part of the pod template and wrote since then, of which the API server keeps whole seconds."""
    metadata = raw.get("metadata")
    entries: list[Mapping[str, Any]] = (metadata.get("managedFields") or []) if isinstance(metadata, dict) else []
    templated = (one for one in entries if "f:template" in ((one.get("fieldsV1") or {}).get("f:spec") or {}))
    late = (one for one in templated if one.get("time") and datetime.fromisoformat(one["time"]) >= since.replace(microsecond=0))
    return tuple(sorted({str(one.get("manager")) for one in late} - {FIELD_MANAGER}))


def _done(record: StepStatus) -> bool:
    return record.state is StepState.APPLIED and record.intent is not None and bool(run.step_name(record))
