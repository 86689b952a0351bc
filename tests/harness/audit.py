"""The audit log as a witness: who persisted what, by the API server's own word.

Only what was really stored counts: answered with less than 300, no dry run. Leases, access reviews and tokens are no part of a heal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .instants import parse

OPERATOR = "system:serviceaccount:prunella-system:prunella"
NOT_COUNTED = {"leases", "selfsubjectaccessreviews", "selfsubjectreviews", "subjectaccessreviews", "tokenreviews"}
OURS = "prunella.dev"
CREDENTIAL = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True, slots=True)
class Write:
    """One persisted write."""

    time: datetime
    """When the API server got the request."""
    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    body: Any = field(repr=False)
    uri: str = field(repr=False)
    credential: str = ""
    """Which of the account's tokens it came with: it tells one process from another."""

    @property
    def ours(self) -> bool:
        """Whether it is a write to one of Prunella's own kinds."""
        return self.group == OURS

    @property
    def event(self) -> bool:
        return self.resource == "events"

    @property
    def hand_back(self) -> bool:
        """Whether it gives field ownership back: the patch of managedFields."""
        return not self.ours and self.verb == "patch" and "managedFields" in json.dumps(self.body)

    @property
    def line(self) -> str:
        what = "/".join(part for part in (self.resource, self.name, self.subresource) if part)
        return f"{self.time:%H:%M:%S.%f} {self.verb} {what}"


def _write(line: str) -> Write | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if entry.get("stage") != "ResponseComplete" or entry.get("verb") not in {"create", "update", "patch", "delete", "deletecollection"}:
        return None
    ref, uri = entry.get("objectRef") or {}, entry.get("requestURI", "")
    if entry.get("responseStatus", {}).get("code", 500) >= 300 or "dryRun" in uri or ref.get("resource") in NOT_COUNTED:
        return None
    body = entry.get("requestObject")
    if ref.get("subresource") in {"binding", "eviction", "token"} or (isinstance(body, dict) and body.get("dryRun")):
        return None
    response = entry.get("responseObject") or {}
    return Write(
        time=parse(entry["requestReceivedTimestamp"]),
        user=(entry.get("impersonatedUser") or entry["user"])["username"],
        verb=entry["verb"],
        group=ref.get("apiGroup", ""),
        resource=ref.get("resource", ""),
        subresource=ref.get("subresource", ""),
        namespace=ref.get("namespace", ""),
        name=ref.get("name") or response.get("metadata", {}).get("name", ""),
        body=body,
        uri=uri,
        credential=(entry["user"].get("extra") or {}).get(CREDENTIAL, [""])[0],
    )


class AuditLog:
    """The part of the log that was written since this was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size
        self._writes: list[Write] = []

    def writes(self, namespace: str, *, user: str = OPERATOR, since: datetime | None = None) -> list[Write]:
        """What a user persisted in a namespace, oldest first."""
        self._writes.extend(self._fresh("namespace", namespace))
        return sorted(
            (one for one in self._writes if one.namespace == namespace and one.user == user and (since is None or one.time >= since)),
            key=lambda one: one.time,
        )

    def everybodys(self, namespace: str) -> list[Write]:
        """What anybody persisted in a namespace, oldest first."""
        self._writes.extend(self._fresh("namespace", namespace))
        return sorted((one for one in self._writes if one.namespace == namespace), key=lambda one: one.time)

    def of_cluster(self, resource: str, name: str, *, user: str = OPERATOR) -> list[Write]:
        """What a user persisted on an object without a namespace. A log that is asked this is asked nothing else: it reads each line once."""
        self._writes.extend(self._fresh("name", name))
        return [one for one in self._writes if (one.namespace, one.resource, one.name, one.user) == ("", resource, name, user)]

    def forget(self) -> None:
        """Drop what was read: only what is written from now on is told again."""
        self._writes.clear()

    def _fresh(self, key: str, value: str) -> Iterator[Write]:
        wanted = f'"{key}":"{value}"'.encode()
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # it is being written: next time
                self._offset += len(line)
                if wanted in line and (write := _write(line.decode())) is not None:
                    yield write


@dataclass(frozen=True, slots=True)
class Bill:
    """The writes of one heal, split as the budget splits them."""

    counted: tuple[Write, ...]
    hand_backs: tuple[Write, ...]
    own_records: tuple[Write, ...]
    """The rollout's own WorkloadRecord entry: it is written for every rollout, good or bad."""
    events: tuple[Write, ...]

    @property
    def effects(self) -> tuple[Write, ...]:
        """Writes to what is not Prunella's, but for the hand-back."""
        return tuple(one for one in self.counted if not one.ours)

    @property
    def lines(self) -> str:
        """All writes for whoever reads a failure: first what they were, then what each status said anew."""
        groups = {"": self.counted, " (hand-back)": self.hand_backs, " (own record)": self.own_records, " (Event)": self.events}
        before: dict[str, Any] = {}
        brief, whole = [], []
        for write, suffix in sorted(((one, suffix) for suffix, writes in groups.items() for one in writes), key=lambda one: one[0].time):
            brief.append(f"{write.line}{suffix}{_said(write)}")
            status = write.body.get("status", {}) if isinstance(write.body, dict) and write.subresource == "status" else {}
            whole.append(write.line + _news(before.get(write.name, {}), status))
            before[write.name] = status or before.get(write.name, {})
        return "\n".join([*brief, "", *whole])


def _said(write: Write) -> str:
    """The words of an Event."""
    body = write.body if write.event and isinstance(write.body, dict) else {}
    return f" {body.get('reason')}: {body.get('note') or body.get('message')}"[:160] if body else ""


def _news(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What a status said that the write before it had not: the fields, and where they are lists what is new in them."""
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    changed |= {key: None for key in before if after and key not in after}
    return "".join(f"\n    {key}: {_fresh_of(before.get(key), value)}" for key, value in changed.items())


def _fresh_of(before: Any, after: Any) -> str:
    fresh = [one for one in after if one not in before] if isinstance(before, list) and isinstance(after, list) else after
    return json.dumps(fresh, default=str)[:400]


def bill(writes: list[Write]) -> Bill:
    """Split writes into what the budget counts and what it lets pass."""
    events = [one for one in writes if one.event]
    rest = [one for one in writes if not one.event]
    hand_backs = [one for one in rest if one.hand_back]
    own = [one for one in rest if one.resource == "workloadrecords" and not _quarantines(one)]
    counted = [one for one in rest if one not in hand_backs and one not in own]
    return Bill(tuple(counted), tuple(hand_backs), tuple(own), tuple(events))


def _quarantines(write: Write) -> bool:
    body = write.body if isinstance(write.body, dict) else {}
    return bool(body.get("spec", {}).get("quarantined"))
