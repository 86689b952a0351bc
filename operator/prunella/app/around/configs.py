"""Remember with which ConfigMaps a workload is healthy, and see what changed in them once it is not.

ConfigMaps are not watched and none is held in memory: what there is of a namespace is asked for by metadata alone, once a minute at most while all is
well, and one is read when its version is another than the remembered one. The rule this module protects: steady state writes nothing, and what can't
be read, for example because the namespace has not granted it, is no evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from prunella.api.base import API_VERSION
from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.workload_record import KnownConfigMap, WorkloadRecord
from prunella.core import configs, failing, rollout
from prunella.core.configs import ConfigChange, ConfigMapFacts
from prunella.core.facts import UnknownT, WorkloadFacts
from prunella.core.healing.known import known_config
from prunella.core.healing.known.known_config import Copy

CALM: Final = timedelta(seconds=60)
"""How old the versions of a namespace may be while its workloads are well."""
TROUBLED: Final = timedelta(seconds=2)
"""And where something fails."""
REFUSED: Final = 5
"""So many times as long a namespace is not asked again that did not answer."""


class ConfigMaps(Protocol):
    """The ConfigMaps of the API server."""

    async def versions(self, namespace: str) -> Mapping[str, str] | UnknownT:
        """By name, the version of each of a namespace. UNKNOWN where they could not be listed."""

    async def read(self, namespace: str, name: str) -> ConfigMapFacts | UnknownT | None:
        """One of them; None where it is not there, UNKNOWN where it could not be read."""

    async def keep(self, copy: Copy) -> str | None:
        """Write a copy, over the one of that name where it is ours, and answer its version. None where that is refused. Raises Retryable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What came of comparing one version of a ConfigMap. Of its content nothing is left."""

    version: str
    change: ConfigChange | None
    same: bool
    """Whether it holds what is remembered."""
    since: datetime | None
    """Since when it holds that."""


@dataclass
class _Seen:
    """What is known of one workload's ConfigMaps. Lost with the process, and found again."""

    first: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """By name and version, when that was first seen."""
    judged: dict[str, _Judged] = field(default_factory=dict)


class Configs:
    """Reads and keeps ConfigMaps of the workloads that are looked at."""

    def __init__(self, config_maps: ConfigMaps) -> None:
        self._config_maps = config_maps
        self._versions: dict[str, tuple[datetime, Mapping[str, str] | UnknownT]] = {}
        self._seen: dict[str, _Seen] = {}

    def changes(self, uid: str) -> tuple[ConfigChange, ...]:
        """What differs from what the workload of that uid was last healthy with, as far as is known; newest first."""
        seen = self._seen.get(uid)
        found = (one.change for one in seen.judged.values() if one.change is not None) if seen is not None else ()
        return tuple(sorted(found, key=lambda one: (one.changed_time, one.name), reverse=True))

    def forget(self, uid: str) -> None:
        """The workload is gone."""
        self._seen.pop(uid, None)

    async def look(self, facts: WorkloadFacts, record: WorkloadRecord | None, now: datetime) -> None:
        """Compare what a workload that is not well reads with what it was healthy with."""
        used = configs.used_by(rollout.newest(facts))
        known = [one for one in known_config.remembered(record, facts) if one.name in used]
        if not known or all(pod.ready and not failing.crashes(pod, now) for pod in facts.pods):
            return
        versions = await self._versions_of(facts.workload.namespace, now, TROUBLED)
        if isinstance(versions, UnknownT):
            return
        for one in known:
            await self._judge(facts, one.name, one, versions.get(one.name, ""), now)

    async def proved(
        self, facts: WorkloadFacts, record: WorkloadRecord | None, policy: HealingPolicySpec, now: datetime
    ) -> dict[str, tuple[KnownConfigMap | None, str]]:
        """By name, the ConfigMaps whose present version is to be remembered, and that version, beside what is now. Empty where nothing is due."""
        since = known_config.started(facts, policy, now)
        used = configs.used_by(rollout.newest(facts))[: configs.MOST]
        versions = await self._versions_of(facts.workload.namespace, now, CALM) if since is not None and used else {}
        if since is None or isinstance(versions, UnknownT):
            return {}
        before = {one.name: one for one in known_config.remembered(record, facts)}
        due: dict[str, tuple[KnownConfigMap | None, str]] = {}
        for name in used:
            judged = await self._judge(facts, name, before.get(name), versions.get(name, ""), now)
            # Times are whole seconds, so equal ones tell nothing.
            if judged is not None and not judged.same and judged.since is not None and judged.since < since:
                due[name] = (before.get(name), judged.version)
        return due

    async def keep(
        self, facts: WorkloadFacts, record: WorkloadRecord, due: Mapping[str, tuple[KnownConfigMap | None, str]], now: datetime
    ) -> tuple[KnownConfigMap, ...]:
        """Write the copies of what is due, and say what is to be remembered. Raises Retryable."""
        used = configs.used_by(rollout.newest(facts))
        after = {one.name: one for one in known_config.remembered(record, facts) if one.name in used}
        owner = ObjectRef(api_version=API_VERSION, kind="WorkloadRecord", name=record.metadata.name, uid=record.metadata.uid)
        for name, (_, version) in due.items():
            present = await self._config_maps.read(facts.workload.namespace, name)
            if isinstance(present, ConfigMapFacts) and present.resource_version == version:
                copy = Copy(name=known_config.copy_name(facts.workload.kind, facts.workload.name, name), of=present, owner=owner)
                kept = await self._config_maps.keep(copy)
                if kept is not None:
                    after[name] = known_config.known_as(present, copy, kept, now)
                    continue
            self._leave(facts.workload.uid, name)
        return tuple(after.values())[: configs.MOST]

    def _leave(self, uid: str, name: str) -> None:
        """This version is not tried again: it can't be kept."""
        judged = self._seen[uid].judged.get(name)
        if judged is not None:
            self._seen[uid].judged[name] = replace(judged, since=None)

    async def _versions_of(self, namespace: str, now: datetime, age: timedelta) -> Mapping[str, str] | UnknownT:
        asked = self._versions.get(namespace)
        if asked is not None and now - asked[0] < (REFUSED * age if isinstance(asked[1], UnknownT) else age):
            return asked[1]
        answer = await self._config_maps.versions(namespace)
        self._versions[namespace] = (now, answer)
        return answer

    async def _judge(self, facts: WorkloadFacts, name: str, known: KnownConfigMap | None, version: str, now: datetime) -> _Judged | None:
        """Compare the present version with the kept one, once. None where it is the remembered one, is not there, or can't be read."""
        seen = self._seen.setdefault(facts.workload.uid, _Seen())
        if not version or (known is not None and version == known.resource_version):
            seen.judged.pop(name, None)
            return None
        first = seen.first.setdefault((name, version), now)
        if name in seen.judged and seen.judged[name].version == version:
            return seen.judged[name]
        seen.judged.pop(name, None)
        namespace = facts.workload.namespace
        present = await self._config_maps.read(namespace, name)
        if not isinstance(present, ConfigMapFacts):
            return None
        if present.size > configs.LARGEST:
            judged = _Judged(version=present.resource_version, change=None, same=False, since=None)
        elif known is None or known.uid != present.uid:
            judged = _Judged(version=present.resource_version, change=None, same=False, since=present.written_time)
        else:
            kept = await self._config_maps.read(namespace, known.copy_name)
            whole = isinstance(kept, ConfigMapFacts) and kept.resource_version == known.copy_version
            change = known_config.change_of(known, kept, present, first) if whole and isinstance(kept, ConfigMapFacts) else None
            since = change.changed_time if change is not None else present.written_time
            judged = _Judged(version=present.resource_version, change=change, same=whole and change is None, since=since)
        seen.first = {key: time for key, time in seen.first.items() if key[0] != name or key[1] == version}
        seen.judged[name] = judged
        return judged
