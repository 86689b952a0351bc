"""With which content of its ConfigMaps a workload is known to be good, and the copy in which that content is kept.

The rule this module protects: health proves a content only where every container was started with it. One that reads its configuration at its start
runs on happily with what stood there before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.marks import PART_OF_LABEL
from prunella.api.workload_record import KnownConfigMap, WorkloadRecord
from prunella.core import configs, failing
from prunella.core.configs import ConfigChange, ConfigMapFacts
from prunella.core.facts import WorkloadFacts

from . import known_good

COPY_LABEL: Final = "prunella.dev/copy"
COPY_OF: Final = "prunella.dev/copy-of"
GOOD: Final = "known-good"
BAD: Final = "replaced"
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A ConfigMap of ours that holds what stood in another one."""

    name: str
    of: ConfigMapFacts
    owner: ObjectRef
    """The WorkloadRecord: the copy goes with it."""

    @property
    def manifest(self) -> Mapping[str, object]:
        """All of it."""
        owner = {"apiVersion": self.owner.api_version, "kind": self.owner.kind, "name": self.owner.name, "uid": self.owner.uid}
        return copied(self.of, self.name, GOOD, {"ownerReferences": [owner]})


def copied(of: ConfigMapFacts, name: str, what: str, metadata: Mapping[str, object]) -> dict[str, object]:
    """A ConfigMap with the same content under another name. Of the labels and annotations of the first none is taken along."""
    labels = {PART_OF_LABEL: "prunella", COPY_LABEL: what}
    head = {"name": name, "namespace": of.namespace, "labels": labels, "annotations": {COPY_OF: of.name}, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": dict(of.data), "binaryData": dict(of.binary_data)}


def copy_name(kind: str, workload: str, config_map: str) -> str:
    """The copy's name: one for each ConfigMap of each workload, so that they are as many as what they are of."""
    digest = hashlib.sha256(f"{kind}/{workload}/{config_map}".encode()).hexdigest()[:10]
    return f"prunella-known-good-{config_map[:_LONGEST].rstrip('-.')}-{digest}"


def due_time(facts: WorkloadFacts, policy: HealingPolicySpec, now: datetime) -> datetime | None:
    """When a workload that reads ConfigMaps and is healthy will have been so for long enough; None where it has, or no ConfigMap matters."""
    since = known_good.healthy_since(facts) if configs.used_by(facts.newest) else None
    due = since + _needed(facts, policy) if since is not None else None
    return due if due is not None and due > now else None


def started(facts: WorkloadFacts, policy: HealingPolicySpec, now: datetime) -> datetime | None:
    """Since when every container of a workload runs that has been healthy for `knownGoodAfterSeconds`; None where it hasn't, or they don't tell."""
    since = known_good.healthy_since(facts)
    if since is None or now - since < _needed(facts, policy):
        return None
    running = [one.running_since for pod in facts.pods if failing.counts(pod) for one in pod.containers if not one.init or one.sidecar]
    known = [time for time in running if time is not None]
    return min(known) if known and len(known) == len(running) else None


def _needed(facts: WorkloadFacts, policy: HealingPolicySpec) -> timedelta:
    return timedelta(seconds=max(policy.known_good_after_seconds, facts.workload.min_ready_seconds))


def change_of(known: KnownConfigMap, kept: ConfigMapFacts, present: ConfigMapFacts, first_seen: datetime) -> ConfigChange | None:
    """What changed since; None where nothing did. `first_seen` is when the present version was first seen.

    The API server dates what is written. What is only taken away keeps the date from before, so it counts from when it was seen.
    """
    keys = configs.differing(kept, present)
    if not keys:
        return None
    written = present.written_time
    dated = written is not None and written > known.known_good_time
    time = written if dated and written is not None else first_seen
    return ConfigChange(
        namespace=present.namespace, name=present.name, keys=keys, changed_time=min(time, first_seen), good_time=known.known_good_time
    )


def known_as(present: ConfigMapFacts, copy: Copy, copy_version: str, now: datetime) -> KnownConfigMap:
    """The entry of the WorkloadRecord."""
    version = present.resource_version
    return KnownConfigMap(
        name=present.name, uid=present.uid, resource_version=version, copy_name=copy.name, copy_version=copy_version, known_good_time=now
    )


def remembered(record: WorkloadRecord | None, facts: WorkloadFacts) -> tuple[KnownConfigMap, ...]:
    """What is remembered of this very object."""
    return record.spec.config_maps if record is not None and record.spec.target_ref.uid == facts.workload.uid else ()
