"""What is remembered of a workload: which revisions were seen healthy and for how long, and which must not come back.

The rule this module protects: few writes. A revision is written down once, when the next one appears; the quarantine when it changes. Spells of
health are counted from the pods' own Ready transitions, so that a restart of the operator costs nothing.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.workload_record import HealthyRevision, QuarantinedRevision, WorkloadRecord, WorkloadRecordSpec
from prunella.core import failing, rollout
from prunella.core.facts import Revision, WorkloadFacts

from . import known_good

MAX_REVISIONS: Final = 10
MAX_QUARANTINED: Final = 20
MAX_NAME: Final = 253
MAX_SECONDS_TO_READY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """How a revision fared while it was the newest one: since when it is, or until when it was, healthy, and its longest spell."""

    hash: str
    name: str
    number: int
    since: datetime
    until: datetime
    longest_seconds: float
    unbroken: bool
    """Whether it was healthy when last looked at."""
    time_to_ready_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one process saw of one workload, newest revision last. It may be lost: what is written down is in the WorkloadRecord."""

    uid: str = ""
    spells: tuple[Spell, ...] = ()


def record_name(kind: str, name: str) -> str:
    """The WorkloadRecord's name: `<kind in lower case>-<name>`, its tail hashed where that is too long."""
    full = f"{kind.lower()}-{name}"
    if len(full) <= MAX_NAME:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:10]
    return f"{full[: MAX_NAME - 11].rstrip('-.')}-{digest}"


def time_to_ready(facts: WorkloadFacts, revision_hash: str) -> int | None:
    """Seconds that the slowest Ready pod of the revision took; None where none tells.

    A pod that took longer than the progress deadline lost its Ready in between, and tells nothing.
    """
    deadline = timedelta(seconds=facts.workload.progress_deadline_seconds)
    ready = (pod for pod in facts.pods if pod.revision == revision_hash and failing.counts(pod) and pod.ready)
    taken = (pod.ready_since - pod.created_time for pod in ready if pod.ready_since is not None and pod.created_time is not None)
    known = [math.ceil(time.total_seconds()) for time in taken if timedelta(0) <= time <= deadline]
    return min(max(known), MAX_SECONDS_TO_READY) if known else None


def remember(previous: Memory | None, facts: WorkloadFacts, now: datetime) -> Memory:
    """The memory after one more look. To be called on every change, so that a spell that is found broken lasted until now."""
    old = previous if previous is not None and previous.uid == facts.workload.uid else Memory(uid=facts.workload.uid)
    newest = rollout.newest(facts)
    since = known_good.healthy_since(facts)
    if newest is None or since is None:
        return replace(old, spells=tuple(_broken(spell, now) for spell in old.spells))
    others = tuple(_broken(spell, now) for spell in old.spells if spell.hash != newest.hash)
    before = next((spell for spell in old.spells if spell.hash == newest.hash), None)
    return replace(old, spells=(*others, _healthy(before, newest, facts, since, now))[-MAX_REVISIONS:])


def last_served(memory: Memory, stored: WorkloadRecord | None, now: datetime) -> datetime | None:
    """When the workload was last seen healthy, by what this process saw or by its record; None where nobody saw it."""
    seen = [now if spell.unbroken else spell.until for spell in memory.spells]
    written = [one.last_healthy_time for one in stored.spec.revisions] if stored is not None else []
    return max((*seen, *written), default=None)


def record_update(
    record: WorkloadRecord | None, memory: Memory, facts: WorkloadFacts, policy: HealingPolicySpec, now: datetime
) -> WorkloadRecordSpec | None:
    """What to write now; None where nothing has to be.

    A revision is written once another one is the newest, if it had been healthy for `knownGoodAfterSeconds` (and `minReadySeconds`) at some time.
    `now` bounds what is written: nothing is remembered from the future.
    """
    newest = rollout.newest(facts)
    if newest is None or memory.uid != facts.workload.uid:
        return None
    needed = max(policy.known_good_after_seconds, facts.workload.min_ready_seconds)
    own = standing(record, facts.workload.ref)
    left_out = {newest.hash, *(one.hash for one in own.quarantined)}
    written = {one.hash: one.last_healthy_time for one in own.revisions}
    proved = (spell for spell in memory.spells if spell.hash not in left_out and spell.longest_seconds >= needed)
    due = [spell for spell in proved if spell.hash not in written or written[spell.hash] < min(spell.until, now)]
    if not due:
        return None
    fresh = tuple(_written(spell, now) for spell in due)
    kept = tuple(one for one in own.revisions if one.hash not in {spell.hash for spell in due})
    revisions = sorted((*kept, *fresh), key=lambda one: one.last_healthy_time)[-MAX_REVISIONS:]
    return own.model_copy(update={"revisions": tuple(revisions)})


def quarantine(
    record: WorkloadRecord | None, target: ObjectRef, *, revision_hash: str, revision: int, incident: str, reason: str, now: datetime
) -> WorkloadRecordSpec:
    """What has to stand there so that no rollback chooses the revision and its return is left to people. Unchanged where it stands there already."""
    own = standing(record, target)
    if any(one.hash == revision_hash for one in own.quarantined):
        return own
    entry = QuarantinedRevision(hash=revision_hash, revision=revision, incident=incident, quarantined_time=now, reason=reason[:1024])
    return own.model_copy(update={"quarantined": (*own.quarantined, entry)[-MAX_QUARANTINED:]})


def release(record: WorkloadRecord | None, facts: WorkloadFacts, min_healthy_seconds: int, now: datetime) -> WorkloadRecordSpec | None:
    """What to write once a quarantined revision that came back has been healthy for so long; None where nothing is released.

    Health before it came into quarantine does not count.
    """
    newest, since = rollout.newest(facts), known_good.healthy_since(facts)
    own = standing(record, facts.workload.ref)
    held = next((one for one in own.quarantined if newest is not None and one.hash == newest.hash), None)
    if held is None or since is None or now - max(since, held.quarantined_time) < timedelta(seconds=min_healthy_seconds):
        return None
    return own.model_copy(update={"quarantined": tuple(one for one in own.quarantined if one is not held)})


def standing(record: WorkloadRecord | None, target: ObjectRef) -> WorkloadRecordSpec:
    """What stands there of this very object; another uid starts anew."""
    return record.spec if is_of(record, target) and record is not None else WorkloadRecordSpec(target_ref=target)


def is_of(record: WorkloadRecord | None, target: ObjectRef) -> bool:
    """Whether it is there, and of this very object."""
    return record is not None and record.spec.target_ref.uid == target.uid


def _broken(spell: Spell, now: datetime) -> Spell:
    """The spell at its end. Every change was looked at, so that it lasted until this look."""
    if not spell.unbroken:
        return spell
    return replace(spell, until=now, unbroken=False, longest_seconds=_longest(spell, spell.since, now))


def _healthy(before: Spell | None, newest: Revision, facts: WorkloadFacts, since: datetime, now: datetime) -> Spell:
    """The spell that goes on or begins. A pod that got Ready later than it began had not been Ready in between."""
    since = min(since, now)
    taken = before.time_to_ready_seconds if before is not None else None
    return Spell(
        hash=newest.hash,
        name=newest.name,
        number=newest.number,
        since=since if before is None or not before.unbroken else max(since, before.since),
        until=now,
        longest_seconds=_longest(before, since, now),
        unbroken=True,
        time_to_ready_seconds=taken if taken is not None else time_to_ready(facts, newest.hash),
    )


def _longest(before: Spell | None, since: datetime, until: datetime) -> float:
    return max(before.longest_seconds if before is not None else 0.0, (until - since).total_seconds())


def _written(spell: Spell, now: datetime) -> HealthyRevision:
    return HealthyRevision(
        hash=spell.hash,
        name=spell.name,
        revision=spell.number,
        last_healthy_time=min(spell.until, now),
        time_to_ready_seconds=spell.time_to_ready_seconds,
    )
