"""The audit log of one stretch of a run: who wrote what, and when the API server got it and answered it. Nobody who is measured writes here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import audit
from tests.harness.instants import parse

MARK = b'"stage":"ResponseComplete"'
CHANGES = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One persisted write. Instants are seconds since the epoch, by the API server's clock."""

    received: float
    answered: float
    user: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    body: Any

    @property
    def upkeep(self) -> bool:
        """Whether it is no record and no effect: the leader's Lease, the heartbeat that proves the watches, access reviews."""
        return self.resource in audit.NOT_COUNTED or self.name == "prunella-heartbeat"


class Ledger:
    """What was written since this was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size

    def entries(self, *users: str) -> list[Entry]:
        """Writes of these users, oldest first, Events and all."""
        return sorted(self._read(users), key=lambda one: one.received)

    def _read(self, users: tuple[str, ...]) -> Iterator[Entry]:
        wanted = [f'"username":"{user}"'.encode() for user in users]
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if MARK in line and any(one in line for one in wanted):
                    entry = _entry(line)
                    if entry is not None and entry.user in users:
                        yield entry


def _entry(line: bytes) -> Entry | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None  # the line that is just being written
    body, ref = told.get("requestObject"), told.get("objectRef") or {}
    dry = "dryRun" in told.get("requestURI", "") or (isinstance(body, dict) and bool(body.get("dryRun")))
    if told.get("verb") not in CHANGES or told.get("responseStatus", {}).get("code", 500) >= 300 or dry:
        return None
    return Entry(
        received=parse(told["requestReceivedTimestamp"]).timestamp(),
        answered=parse(told["stageTimestamp"]).timestamp(),
        user=(told.get("impersonatedUser") or told["user"])["username"],
        verb=told["verb"],
        resource=ref.get("resource", ""),
        subresource=ref.get("subresource", ""),
        namespace=ref.get("namespace", ""),
        name=ref.get("name") or (told.get("responseObject") or {}).get("metadata", {}).get("name", ""),
        body=body,
    )
