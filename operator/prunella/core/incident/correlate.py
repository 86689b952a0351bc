"""Which Incident a signal belongs to: at most one is open per target, and its name is the election.

The rule this module protects: the name follows from the target and from the Incident before it, so that whoever creates it first wins and nobody
makes a second one. Neither the cause nor an alert's startsAt may enter the name: both change within one fault.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from prunella.api.common import Metadata, ObjectRef
from prunella.api.incident import Incident, IncidentSpec, OpeningSignal, Source
from prunella.api.marks import OPERATOR_NAMESPACE, SOURCE_LABEL, TARGET_LABEL
from prunella.api.names import Priority, SourceKind

HASH_LENGTH: Final = 5
TARGET_PART: Final = 57
"""So that `<target>-<hash>` fits a label value of 63 characters."""
LABEL_LENGTH: Final = 63
LABEL_HASH_LENGTH: Final = 20
LABEL_PART: Final = LABEL_LENGTH - LABEL_HASH_LENGTH - 1
REOPEN_WINDOW_SECONDS: Final = 1800
REOPEN_WINDOW_SECONDS_P1: Final = 7200

_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Create an Incident of this name. AlreadyExists means: read it and ask `next_step`."""

    name: str
    previous_uid: str
    """Uid of the Incident of the chain before it; empty for the first."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """The signal belongs to this Incident, which is open."""

    incident: Incident
    why: str


Step: TypeAlias = Open | Attach


def short_hash(*parts: str) -> str:
    """Five characters of a-z and 2-7. NUL separates the parts, so that no two lists of parts look the same."""
    return _hash("\0".join(parts))[:HASH_LENGTH]


def incident_name(target: ObjectRef, previous_uid: str) -> str:
    """`<target>-<hash>`: the same for everyone who sees this fault of this target. At most 63 characters, a valid object name and label value."""
    group = target.api_version.rpartition("/")[0]
    suffix = short_hash(group, target.kind, target.namespace or "", target.name, target.uid or "", previous_uid)
    return f"{_slug(target)}-{suffix}"


def reopen_window_seconds(priority: Priority | None) -> int:
    """How long after its recovery a relapse reopens an Incident instead of opening another."""
    return REOPEN_WINDOW_SECONDS_P1 if priority is Priority.P1 else REOPEN_WINDOW_SECONDS


def is_open(incident: Incident, now: datetime) -> bool:
    """Whether a signal of its target belongs to it: neither cancelled nor resolved, or resolved inside the reopen window."""
    times = incident.status.times
    if times.cancelled_time is not None:
        return False
    return times.resolved_time is None or now < times.resolved_time + timedelta(seconds=reopen_window_seconds(incident.status.priority))


def same_target(ref: ObjectRef, other: ObjectRef) -> bool:
    """Whether two references mean the same object, uid included. The version of the API does not matter."""
    return _identity(ref) == _identity(other)


def in_chain(incident: Incident) -> bool:
    """Whether it is one of the operator's own for its target. What a person created has the person's name and is outside."""
    slug, _, suffix = incident.metadata.name.rpartition("-")
    return incident.source_kind is not SourceKind.PERSON and slug == _slug(incident.spec.target_ref) and len(suffix) == HASH_LENGTH


def correlate(target: ObjectRef, incidents_of_target: Sequence[Incident], now: datetime) -> Step:
    """Attach to the open Incident of the target, the operator's own before a person's; where there is none, open the next of the chain."""
    known = sorted((one for one in incidents_of_target if same_target(one.spec.target_ref, target)), key=_age)
    chain = [one for one in known if in_chain(one)]
    for incident in (*chain, *(one for one in known if not in_chain(one))):
        if is_open(incident, now):
            return Attach(incident=incident, why=f"not opened twice: {target.kind} {target.name} has an open Incident")
    previous = chain[-1].metadata.uid if chain else ""
    return _open(target, previous)


def next_step(existing: Incident, target: ObjectRef, now: datetime) -> Step:
    """What to do when the name is taken: attach to an open Incident of the target; else chain on the one that has the name."""
    if same_target(existing.spec.target_ref, target) and is_open(existing, now):
        return Attach(incident=existing, why=f"somebody was faster: {existing.metadata.name} exists")
    return _open(target, existing.metadata.uid)


def new_incident(
    *, name: str, target: ObjectRef, source: SourceKind, signal: OpeningSignal, title: str, operator_namespace: str = OPERATOR_NAMESPACE
) -> Incident:
    """The Incident to create: beside its target, or in the operator's namespace where the target has none."""
    labels = {TARGET_LABEL: label_value(target.name), SOURCE_LABEL: source.value}
    return Incident(
        metadata=Metadata(name=name, namespace=target.namespace or operator_namespace, labels=labels),
        spec=IncidentSpec(title=(title.strip() or name)[:256], target_ref=target, source=Source(kind=source, signal=signal)),
    )


def label_value(text: str) -> str:
    """The text as a label value: as it is where it fits, else its beginning and a long hash of the whole.

    An underscore joins them: no object's name has one, so that what was shortened never looks like another's name.
    """
    if len(text) <= LABEL_LENGTH and _LABEL_VALUE.fullmatch(text):
        return text
    return f"{_clean(text)[:LABEL_PART].rstrip('-')}_{_hash(text)[:LABEL_HASH_LENGTH]}"


def _open(target: ObjectRef, previous_uid: str) -> Open:
    why = "it follows an Incident of the same target that is over" if previous_uid else "the target has no Incident"
    return Open(name=incident_name(target, previous_uid), previous_uid=previous_uid, why=why)


def _identity(ref: ObjectRef) -> tuple[str, str, str, str, str]:
    return (ref.api_version.rpartition("/")[0], ref.kind, ref.namespace or "", ref.name, ref.uid or "")


def _slug(target: ObjectRef) -> str:
    return _clean(target.name)


def _clean(text: str) -> str:
    return _NOT_A_NAME.sub("-", text.lower()).strip("-")[:TARGET_PART].strip("-") or "target"


def _hash(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()


def _age(incident: Incident) -> tuple[datetime, str]:
    return (incident.metadata.creation_timestamp or _EARLIEST, incident.metadata.name)
