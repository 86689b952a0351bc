"""restoreConfig: a ConfigMap that was changed before the workload began to fail gets the content back with which the workload was last healthy.

What stood there is kept in a ConfigMap beside it before anything is changed. The rules this module protects: what is restored is the copy that the
WorkloadRecord names, as it was written; it lands on the very version that was judged; what Git, another controller or an immutable mark owns is left
alone, and so is what others read as well, Jobs and single pods included, unless the Runbook permits it. No value stands in a record, a plan or a
message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import API_VERSION, Name, WireModel
from prunella.api.common import ObjectRef
from prunella.api.marks import INTENT_ANNOTATION
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import StepStatus
from prunella.api.workload_record import KnownConfigMap, WorkloadRecord
from prunella.core import configs, failing, rollout
from prunella.core.configs import ConfigMapFacts
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.effects.effect import Json, Patch, annotated, guarded_sha256, labelled, part_of
from prunella.core.healing.known import known_config, record
from prunella.core.healing.notation import places
from prunella.core.healing.owners import ownership
from prunella.core.healing.refusal import Refusal

from . import config_readers
from .step import RESOURCES, Ask, Done, Failed, Listed, LiveFacts, Next, Note, Right, Skip, StepKind

CORE: Final = "v1"
CONFIG_MAP: Final = "ConfigMap"
VERSION: Final = "/metadata/resourceVersion"
INTENT: Final = f"/metadata/annotations/{places.key(INTENT_ANNOTATION)}"
WROTE_COPY: Final = "wroteCopy"
"""Key of the intent's `before`: the ConfigMap whose content was written. By it what was written is known, of which no hash is kept."""
WROTE_VERSION: Final = "wroteCopyVersion"
NAMED: Final = 10
RIGHTS: Final = tuple(Right(verb=verb, group="", resource="configmaps") for verb in ("create", "get", "list", "patch", "update"))
NEEDS: Final = tuple(right for right in RIGHTS if right.verb in {"create", "patch"})


class RestoreConfig(WireModel):
    """Give a ConfigMap the content back with which the workload was last healthy. What stands there now is kept in another one."""

    config_map: Name | None = None
    """Which one; if absent, the only one that differs from what the workload was healthy with."""
    max_other_workloads: Annotated[int, Field(ge=0, le=1000)] = 0
    """It is refused where more others read the ConfigMap, too: workloads, Jobs, CronJobs and single pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """The ConfigMap that is to be restored, as it is and as it was."""

    raw: Json
    present: ConfigMapFacts
    kept: ConfigMapFacts
    known: KnownConfigMap

    @property
    def keys(self) -> tuple[str, ...]:
        return configs.differing(self.kept, self.present)


def plan(params: RestoreConfig, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """What stands there is kept, then the content from before comes back, then later steps are told."""
    applied = [one for one in done if one.state is StepState.APPLIED]
    intents = [one.intent for one in applied if one.intent is not None]
    if len(intents) > 1:
        name, copy = intents[1].target_ref.name, intents[0].target_ref.name
        if len(applied) > len(intents):
            return Done(message=f"ConfigMap {name} is as it was when the workload was healthy; what stood there is in {copy}")
        outputs = {"configMap": name, "copy": copy, "restart": str(_restarts(live, name)).lower()}
        return Note(message=f"ConfigMap {name} is restored; what stood there is kept in ConfigMap {copy}", outputs=outputs)
    judged = _judge(params, live)
    if not isinstance(judged, _Judged):
        return judged
    refusal = _refused(params, live, judged)
    if refusal is not None:
        return refusal
    if not intents:
        return _keep(live, judged)
    if intents[0].before.get("resourceVersion") != judged.present.resource_version:
        return Refusal(reason="HumanOverride", message=f"ConfigMap {judged.present.name} was changed again after what stood there was kept")
    return _restore(judged, intents[0].target_ref.name)


def _judge(params: RestoreConfig, live: LiveFacts) -> _Judged | Next:
    """The one ConfigMap that differs from what the workload was healthy with."""
    workload = live.facts.workload
    asked = Listed(API_VERSION, "WorkloadRecord", workload.namespace, record.record_name(workload.kind, workload.name))
    beside = config_readers.asked(workload.namespace)
    if any(one not in live.answers for one in (asked, *beside)):
        return Ask(reads=(asked, *beside))
    stored = live.answers[asked]
    if isinstance(stored, UnknownT) or any(isinstance(live.answers[one], UnknownT) for one in beside):
        return Refusal(reason="EvidenceMissing", message="the WorkloadRecord, or who else reads ConfigMaps of the namespace, could not be read")
    used = configs.used_by(rollout.newest(live.facts))
    remembered = known_config.remembered(WorkloadRecord.read(stored[0]), live.facts) if stored else ()
    known = [one for one in remembered if one.name in used and params.config_map in {None, one.name}]
    if not known:
        what = f"ConfigMap {params.config_map}" if params.config_map else "any ConfigMap"
        return Refusal(reason="NoKnownGood", message=f"with which content of {what} {workload.short} was healthy is not known")
    reads = tuple(Listed(CORE, CONFIG_MAP, workload.namespace, name) for one in known for name in (one.name, one.copy_name))
    if any(one not in live.answers for one in reads):
        return Ask(reads=reads)
    if any(isinstance(live.answers[one], UnknownT) for one in reads):
        return Refusal(reason="EvidenceMissing", message=f"ConfigMaps of {workload.namespace} could not be read")
    differing = [judged for one in known if (judged := _compared(live, one)) is not None]
    if not differing:
        return Done(message="no ConfigMap that could be restored differs from what the workload was healthy with: nothing was done")
    if len(differing) > 1:
        names = ", ".join(one.present.name for one in differing)
        return Failed(message=f"several ConfigMaps differ from what {workload.short} was healthy with: {names}; configMap says which")
    return differing[0]


def _compared(live: LiveFacts, known: KnownConfigMap) -> _Judged | None:
    """The ConfigMap beside its copy; None where they hold the same, or either is not the one that is remembered."""
    present, kept = (_answered(live, name) for name in (known.name, known.copy_name))
    if present is None or kept is None:
        return None
    judged = _Judged(raw=present, present=configs.read(present), kept=configs.read(kept), known=known)
    same_objects = judged.present.uid == known.uid and judged.kept.resource_version == known.copy_version
    return judged if same_objects and judged.keys else None


def _answered(live: LiveFacts, name: str) -> Json | None:
    found = live.answers[Listed(CORE, CONFIG_MAP, live.facts.workload.namespace, name)]
    return found[0] if not isinstance(found, UnknownT) and found else None


def _refused(params: RestoreConfig, live: LiveFacts, judged: _Judged) -> Refusal | Failed | None:
    """Why it is not ours to change."""
    name, raw = judged.present.name, judged.raw
    if raw.get("immutable") is True:
        return Failed(message=f"ConfigMap {name} is immutable: it can only be made anew, under another name")
    by = ownership.gitops_of(_texts(raw, "annotations"), _texts(raw, "labels"))
    if by:
        message = f"ConfigMap {name} is managed from Git by {by}, which would change it back: revert the commit there"
        return Refusal(reason="OwnedByGitOps", message=message)
    if part_of(raw, "/metadata/ownerReferences"):
        return Refusal(reason="OwnedByOperator", message=f"ConfigMap {name} is made by another object, whose controller would change it back")
    others = config_readers.others(live, name)
    if len(others) > params.max_other_workloads:
        told = f"{', '.join(others[:NAMED])}{' …' if len(others) > NAMED else ''}"
        message = f"ConfigMap {name} is read by {told} as well: maxOtherWorkloads permits {params.max_other_workloads}, not {len(others)}"
        return Failed(message=message)
    return _changed_again(live, judged)


def _changed_again(live: LiveFacts, judged: _Judged) -> Refusal | None:
    """The Incident accuses one change. What was written later is somebody's answer to it."""
    listed = live.incident.status.changes if live.incident is not None else ()
    target = f"{configs.TARGET}{judged.present.name}"
    accused = next((one for one in listed if one.target == target and one.suspected), None)
    written = judged.present.written_time
    if accused is None or written is None or written <= accused.time:
        return None
    message = f"ConfigMap {judged.present.name} was changed again at {written:%H:%M:%S}, after the change that is accused: theirs stands"
    return Refusal(reason="HumanOverride", message=message)


def _keep(live: LiveFacts, judged: _Judged) -> Create:
    present = judged.present
    name = f"{present.name[:200].rstrip('-.')}-replaced-{live.intent_id or 'dry-run'}"
    return Create(
        target=ObjectRef(api_version=CORE, kind=CONFIG_MAP, namespace=present.namespace, name=name),
        manifest={**known_config.copied(present, name, known_config.BAD, {}), "immutable": True},
        does=f"what stands in ConfigMap {present.name} is kept in ConfigMap {name}",
        before={"configMap": present.name, "resourceVersion": present.resource_version},
        confidential=True,
    )


def _restore(judged: _Judged, copy: str) -> Patch:
    keys = configs.named(judged.keys, NAMED)
    since = f"{judged.known.known_good_time:%Y-%m-%d %H:%M:%S}"
    does = f"ConfigMap {judged.present.name} is as it was when the workload was healthy ({since}): {keys}"
    told = {"configMap": judged.present.name, "copy": copy, "keys": keys[:1024]}
    wrote = {WROTE_COPY: judged.kept.name, WROTE_VERSION: judged.kept.resource_version}
    return _written(judged.raw, judged.present, judged.kept, does, told | wrote)


def _written(raw: Json, present: ConfigMapFacts, wanted: ConfigMapFacts, does: str, told: Mapping[str, str]) -> Patch:
    """All of its content anew, on that very version. The version is what is guarded: a hash of the content would tell of what it holds."""
    parts = (("/data", raw.get("data"), wanted.data), ("/binaryData", raw.get("binaryData"), wanted.binary_data))
    changed = tuple({"op": "replace" if was is not None else "add", "path": path, "value": dict(value)} for path, was, value in parts if was or value)
    version = present.resource_version
    return Patch(
        target=ObjectRef(api_version=CORE, kind=CONFIG_MAP, namespace=present.namespace, name=present.name, uid=present.uid),
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": present.uid},
            {"op": "test", "path": VERSION, "value": version},
            *changed,
        ),
        guarded_path=VERSION,
        annotated=annotated(raw),
        labelled=labelled(raw),
        does=does,
        before={**told, "guardedSha256": guarded_sha256(version), "resourceVersion": version},
        confidential=True,
    )


def _restarts(live: LiveFacts, name: str) -> bool:
    """Whether pods must be made anew to be well with it: they read it at their start alone, or wait in back-off."""
    crashing = any(failing.crashes(pod, live.now) for pod in live.facts.pods if failing.counts(pod))
    return crashing or configs.read_at_start(rollout.newest(live.facts), name)


def _texts(raw: Json, key: str) -> Mapping[str, str]:
    found = part_of(raw, f"/metadata/{key}")
    return found if isinstance(found, Mapping) else {}


def undo(params: RestoreConfig, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """Where nobody has written to it since, what was replaced is asked for; and where no answer told its version, what was written."""
    intent = record.intent
    if intent is None or intent.target_ref.kind != CONFIG_MAP or "copy" not in intent.before:
        return Skip(message="the copy of what was replaced stays")
    wrote, before = _answered_version(record), intent.before
    unseen = wrote is None and part_of(raw, INTENT) == intent.id and WROTE_COPY in before
    if not unseen and part_of(raw, VERSION) != wrote:
        return _theirs(intent.target_ref.name)
    names = (before["copy"], *((before[WROTE_COPY],) if unseen else ()))
    return Ask(reads=tuple(Listed(CORE, CONFIG_MAP, intent.target_ref.namespace or "", name) for name in names))


def undo_knowing(params: RestoreConfig, raw: Json, record: StepStatus, answers: Mapping[Listed, tuple[Json, ...]]) -> Next:  # noqa: ARG001
    """What was replaced comes back. Of a write whose answer was lost the stamp is there: it still stands where the content is what was written."""
    present, before = configs.read(raw), record.intent.before if record.intent is not None else {}
    found = {asked.name: configs.read(one) for asked, listed in answers.items() for one in listed}
    if _answered_version(record) is None:
        wrote = found.get(before.get(WROTE_COPY, ""))
        if wrote is None or wrote.resource_version != before.get(WROTE_VERSION) or configs.differing(wrote, present):
            return _theirs(present.name)
    replaced = found.get(before.get("copy", ""))
    if replaced is None:
        return Skip(message="the copy of what was replaced is gone")
    return _written(raw, present, replaced, f"ConfigMap {present.name} holds again what was replaced", {})


def _answered_version(record: StepStatus) -> str | None:
    """What the API server said that the ConfigMap is since; None where that answer was lost."""
    return record.outcome.after.get("resourceVersion") if record.outcome is not None else None


def _theirs(name: str) -> Skip:
    return Skip(message=f"ConfigMap {name} was written to since: that is somebody else's")


def needs(params: RestoreConfig, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To keep what stands there, and to write over it."""
    return NEEDS if kind in RESOURCES else ()


KIND: Final = StepKind(
    name="restoreConfig",
    params=RestoreConfig,
    impact=StepImpact.DISRUPTIVE,
    rights=RIGHTS,
    granted_by="manifests/restore-config",
    needs=needs,
    plan=plan,
    undo=undo,
    undo_knowing=undo_knowing,
    goes_on=True,
    outputs={
        "configMap": "The ConfigMap that was restored.",
        "copy": "The ConfigMap that holds what was replaced.",
        "restart": "`true` where pods must be made anew to be well with it: they read it at their start alone, or crash.",
    },
    lasting="when it ended the content that broke the workload would come back",
)
