"""The Lease of the leader in the API server: one request a try, and a replacement is a compare-and-swap.

The rule this module protects: whatever a person has put on the Lease stays there, and what was changed meanwhile is never overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from prunella.api.base import micro_time
from prunella.api.marks import OPERATOR_NAMESPACE, PART_OF_LABEL
from prunella.app.errors import Permanent
from prunella.app.leadership import LeaseRecord
from prunella.app.ports import Clock

from .client import Api
from .resources import LEASE, Call

NAME: Final = "prunella-leader"
_SECONDS: Final = 2.0
"""Of one request: a renewal that takes longer is none."""


class LeaderLease:
    """The port `Leases`. Its timestamps are for people: no replica reads them."""

    def __init__(self, api: Api, clock: Clock, *, namespace: str = OPERATOR_NAMESPACE) -> None:
        self._api, self._clock, self._namespace = api, clock, namespace

    async def read(self) -> LeaseRecord | None:
        """A live read; None where there is none."""
        answer = await self._api.ask(LEASE.call("get", self._namespace, NAME, timeout=_SECONDS))
        return _record(answer.object()) if answer else None

    async def create(self, *, holder: str, epoch: int, lease_seconds: int) -> None:
        """Raises AlreadyExists where somebody was faster."""
        spec = self._spec(holder, epoch, lease_seconds) | {"acquireTime": micro_time(self._clock.now())}
        metadata = {"name": NAME, "namespace": self._namespace, "labels": {PART_OF_LABEL: "prunella"}}
        await self._write(LEASE.call("create", self._namespace, body=_lease(metadata, spec), timeout=_SECONDS))

    async def replace(self, before: LeaseRecord, *, holder: str, epoch: int, lease_seconds: int) -> None:
        """Replace it if it still is as it was read. Raises Conflict."""
        spec = {**(before.stored.get("spec") or {}), **self._spec(holder, epoch, lease_seconds)}
        if holder != before.holder:
            spec["acquireTime"] = micro_time(self._clock.now())
        body = _lease(before.stored.get("metadata") or {}, spec)
        await self._write(LEASE.call("update", self._namespace, NAME, body=body, timeout=_SECONDS))

    def _spec(self, holder: str, epoch: int, lease_seconds: int) -> dict[str, Any]:
        renewed = micro_time(self._clock.now())
        return {"holderIdentity": holder, "leaseTransitions": epoch, "leaseDurationSeconds": lease_seconds, "renewTime": renewed}

    async def _write(self, call: Call) -> None:
        if await self._api.ask(call) is None:
            raise Permanent(f"The API server does not know how to {call.words}")


def _lease(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}


def _record(stored: Mapping[str, Any]) -> LeaseRecord:
    spec, meta = stored.get("spec") or {}, stored.get("metadata") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        epoch=spec.get("leaseTransitions") or 0,
        lease_seconds=spec.get("leaseDurationSeconds") or 0,
        renewed=spec.get("renewTime") or "",
        version=meta.get("resourceVersion") or "",
        stored=stored,
    )
