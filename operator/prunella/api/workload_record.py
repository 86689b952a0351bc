"""WorkloadRecord: what worked. Revisions of one workload that were seen healthy, and those that must not come back.

It has no status, like a ControllerRevision: it is a memory. A person may remove a revision from quarantine.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import Instant, Name, Rule, Sentence, WireModel, items
from .common import Metadata, ObjectRef

RevisionHash = Annotated[str, Field(min_length=1, max_length=253)]


class HealthyRevision(WireModel):
    """A revision that was healthy long enough before the next one appeared."""

    hash: RevisionHash
    """The pod label value: pod-template-hash or controller-revision-hash."""
    name: Annotated[str, Field(max_length=253)]
    """Name of its ReplicaSet or ControllerRevision."""
    revision: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
    """The number it had when it was last healthy."""
    last_healthy_time: Instant
    """When it was last seen healthy."""
    time_to_ready_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Longest time that a pod of it took from creation to Ready."""


class QuarantinedRevision(WireModel):
    """A revision that was rolled back. While it stands here, no rollback chooses it, and one that comes back is left to people."""

    hash: RevisionHash
    """The pod label value: pod-template-hash or controller-revision-hash."""
    revision: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
    """The number it had when it was rolled back."""
    incident: Name
    """The Incident that brought it here."""
    quarantined_time: Instant
    """When it was rolled back."""
    reason: Sentence = ""
    """What was wrong with it, in a sentence."""


class KnownConfigMap(WireModel):
    """A ConfigMap as the workload was healthy with it. Its content stands in a copy beside it, and nothing of it stands here."""

    name: Name
    """The ConfigMap's name."""
    uid: Annotated[str, Field(max_length=64)]
    """Its identity: one made anew is another one."""
    resource_version: Annotated[str, Field(max_length=64)]
    """Its version when it was found to be good."""
    copy_name: Name
    """The ConfigMap of Prunella's that holds its content."""
    copy_version: Annotated[str, Field(max_length=64)]
    """The copy's version as Prunella wrote it: one that was changed since is not restored."""
    known_good_time: Instant
    """When the workload was seen healthy with it."""


class WorkloadRecordSpec(WireModel):
    """The workload and what is remembered of it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.targetRef.kind == oldSelf.targetRef.kind && self.targetRef.name == oldSelf.targetRef.name",
            "targetRef must keep its kind and name: another workload has a WorkloadRecord of its own",
        ),
    )

    target_ref: ObjectRef
    """With uid: another uid starts the memory anew."""
    revisions: Annotated[tuple[HealthyRevision, ...], items(10, "hash")] = ()
    """Revisions last seen healthy: what a rollback may go back to."""
    quarantined: Annotated[tuple[QuarantinedRevision, ...], items(20, "hash")] = ()
    """Revisions that were rolled back. Remove an entry, and automation may handle that revision again."""
    config_maps: Annotated[tuple[KnownConfigMap, ...], items(10, "name")] = ()
    """ConfigMaps that it reads, as it was last healthy with them: what restoreConfig goes back to."""


class WorkloadRecord(WireModel):
    """What is remembered of one workload: revisions seen healthy, revisions quarantined, ConfigMaps it was healthy with."""

    metadata: Metadata
    spec: WorkloadRecordSpec
