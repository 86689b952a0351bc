"""Certificates in Secrets that the HealingPolicy names: read one by one, by the leader alone, and seldom.

The rule this module protects: a Secret that nobody named is never asked for. What can't be read is neither well nor a fault; why it can't is told on
the HealingPolicy, with the commands that grant the right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from zlib import crc32

from prunella.api.common import ObjectRef
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.soundness import Problem
from prunella.core.things.tls_secret import TlsSecret, Unread
from prunella.core.world import GONE, Absent

from .keys import WorkloadKey
from .ports import Clock, Tenure, View

CALM: Final = timedelta(hours=1)
"""How long what was read counts while the certificate is not due; up to a tenth longer, by its name, so that not all are asked for at once."""
TROUBLED: Final = timedelta(seconds=60)
"""And where it is due or could not be read: a renewal, or a right that was granted, is seen within a minute."""
MOST_TOLD: Final = 2
"""So many Secrets that can't be read are told in full: more would not fit into a condition."""


class Secrets(Protocol):
    """The TLS Secrets of the API server."""

    async def tls_secret(self, namespace: str, name: str) -> TlsSecret | Unread | UnknownT | None:
        """The times of the certificate in one of them; None where it is not there, UNKNOWN where it could not be read."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of reading one Secret, and under which version of the policy's spec."""

    time: datetime
    generation: int
    seen: TlsSecret | Unread | UnknownT | None


class Certificates:
    """What is known of the named Secrets. Lost with the process, and read again."""

    def __init__(self, view: View, live: Secrets, clock: Clock, tenure: Tenure) -> None:
        self._view = view
        self._live = live
        self._clock = clock
        self._tenure = tenure
        self._read: dict[WorkloadKey, _Read] = {}

    def named(self) -> list[WorkloadKey]:
        """The Secrets that the HealingPolicy names."""
        policy = self._view.healing_policy()
        return [_key(one.namespace, one.secret_name) for one in policy.spec.certificates] if policy is not None else []

    def known(self) -> list[WorkloadKey]:
        """Those, and the ones that were named when they were read."""
        return list(dict.fromkeys([*self.named(), *self._read]))

    def get(self, namespace: str, name: str) -> TlsSecret | None:
        """What was read of one, where it is there."""
        known = self._read.get(_key(namespace, name))
        return known.seen if known is not None and isinstance(known.seen, TlsSecret) else None

    def sees(self, namespace: str, name: str) -> bool:
        """Whether it was read, or its absence was, when that was last tried."""
        key = _key(namespace, name)
        known = self._read.get(key)
        return known is not None and (known.seen is None or isinstance(known.seen, TlsSecret)) and key in self.named()

    async def look(self, key: WorkloadKey) -> datetime | None:
        """Read it where that is due. Returns when it will be; None where it is not to be read."""
        policy = self._view.healing_policy()
        if policy is None or key not in self.named():
            self._read.pop(key, None)
            return None
        if not self._tenure.leads:
            return None
        known, generation = self._read.get(key), policy.metadata.generation
        if known is None or known.generation != generation or self._next(key, known) <= self._clock.now():
            known = _Read(self._clock.now(), generation, await self._live.tls_secret(key.namespace, key.name))
            self._read[key] = known
        return self._next(key, known)

    async def target(self, ref: ObjectRef, *, live: bool) -> TlsSecret | Absent | UnknownT:
        """The Secret that an Incident is about. It is gone only if the API server says so, and unknown where it is not named any more."""
        key = _key(ref.namespace or "", ref.name)
        if key not in self.named():
            return UNKNOWN
        known = self._read.get(key)
        seen: TlsSecret | Unread | UnknownT | None = known.seen if known is not None else UNKNOWN
        if live:
            seen = await self._live.tls_secret(key.namespace, key.name)
        if seen is None:
            return GONE
        if not isinstance(seen, TlsSecret):
            return UNKNOWN
        return seen if ref.uid in {None, seen.uid} else GONE

    def problems(self, operator_namespace: str) -> list[Problem] | None:
        """Why Secrets can't be used as they are, by their place in the policy; None while one has not been tried yet."""
        named = self.named()
        if any(key not in self._read for key in named):
            return None
        found = [one for key in named for one in _problem(key, self._read[key].seen, operator_namespace)]
        more = len(found) - MOST_TOLD
        rest = [Problem(found[MOST_TOLD].reason, f"and {more} more of `spec.certificates` can't be read")] if more > 0 else []
        return found[:MOST_TOLD] + rest

    def _next(self, key: WorkloadKey, known: _Read) -> datetime:
        due = known.seen.due_time if isinstance(known.seen, TlsSecret) else None
        calm = isinstance(known.seen, TlsSecret) and not known.seen.unreadable and (due is None or due > self._clock.now())
        spread = crc32(f"{key.namespace}/{key.name}".encode()) / 0xFFFFFFFF
        return known.time + (CALM * (1 + spread / 10) if calm else TROUBLED)


def _key(namespace: str, name: str) -> WorkloadKey:
    return WorkloadKey(TlsSecret.kind, namespace, name)


def _problem(key: WorkloadKey, seen: TlsSecret | Unread | UnknownT | None, operator_namespace: str) -> Iterator[Problem]:
    """What a person must do about one. A read that had no answer is tried again, and is nobody's mistake."""
    what = f"Secret '{key.namespace}/{key.name}' of `spec.certificates`"
    if seen is Unread.FORBIDDEN:
        yield Problem("MissingPermission", f"Prunella may not `get` {what}: {_grant(key, operator_namespace)}")
    elif seen is None:
        yield Problem("UnknownReference", f"{what} does not exist")
    elif isinstance(seen, TlsSecret) and seen.unreadable:
        yield Problem("CertificateUnreadable", f"{what} can't be judged: {seen.unreadable}")


def _grant(key: WorkloadKey, operator_namespace: str) -> str:
    """The commands that permit this and nothing else."""
    name = f"prunella-tls-{key.name}"
    return (
        f"`kubectl -n {key.namespace} create role {name} --verb=get --resource=secrets --resource-name={key.name}` and "
        f"`kubectl -n {key.namespace} create rolebinding {name} --role={name} --serviceaccount={operator_namespace}:prunella`"
    )
