"""Certificates in Secrets that the HealingPolicy names: read one by one, by the leader alone, and seldom.

The rule this module protects: a Secret that nobody named is never asked for. What can't be read is neither well nor a fault; why it can't is told on
the HealingPolicy, with the commands that grant the right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from zlib import crc32

from prunella.api.common import ObjectRef
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.runbooks.soundness import Problem
from prunella.core.things.certificate import Certificate
from prunella.core.things.tls_secret import TlsSecret, Unread
from prunella.core.world import GONE, Absent

from .keys import WorkloadKey
from .ports import Clock, Tenure, View

CALM: Final = timedelta(hours=1)
"""How long what was read counts while the certificate is not due; up to a tenth longer, by its name, so that not all are asked for at once."""
TROUBLED: Final = timedelta(seconds=60)
"""And where it is due or could not be read: a renewal, or a right that was granted, is seen within a minute."""
PATIENCE: Final = timedelta(minutes=5)
"""A Secret that no read has brought for so long is told: it is no hiccup of the API server's."""
DOUBT: Final = timedelta(minutes=10)
"""A Certificate that is known, but can't be watched any more, still keeps its Secret for so long: a watch may only blink."""
MOST_TOLD: Final = 2
"""So many Secrets that can't be read are told in full: more would not fit into a condition."""


Seen = TlsSecret | Unread | UnknownT | None
"""What a read of a Secret brings: None where it is not there, UNKNOWN where there was no answer."""


class Secrets(Protocol):
    """The TLS Secrets of the API server."""

    async def tls_secret(self, namespace: str, name: str) -> Seen:
        """The times of the certificate in one of them; None where it is not there, UNKNOWN where it could not be read."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of reading one Secret, and under which version of the policy's spec."""

    time: datetime
    generation: int
    seen: Seen
    answered: Seen
    """What the last read that had an answer brought; UNKNOWN where none ever had."""
    failing_since: datetime | None
    """Since when no read has an answer; None where the last one had."""

    def lasts(self, now: datetime) -> bool:
        """Whether it can't be read for so long that somebody should hear of it."""
        return self.failing_since is not None and now - self.failing_since >= PATIENCE


class Certificates:
    """What is known of the named Secrets. Lost with the process, and read again."""

    def __init__(self, view: View, live: Secrets, clock: Clock, tenure: Tenure, namespaces: Collection[str] = ()) -> None:
        """`namespaces`: those whose Incidents are watched; empty where all are. In any other no Secret is read: nobody would see its Incident."""
        self._view = view
        self._live = live
        self._clock = clock
        self._tenure = tenure
        self._namespaces = namespaces
        self._read: dict[WorkloadKey, _Read] = {}
        self._doubted: dict[WorkloadKey, datetime] = {}
        """Secrets whose Certificate is known and can't be watched, and since when."""

    def named(self) -> list[WorkloadKey]:
        """The Secrets that the HealingPolicy names, where an Incident about one would be seen."""
        return [key for key in self._listed() if self._watches(key)]

    def names(self, namespace: str, name: str) -> bool:
        """Whether that one is among them."""
        return _key(namespace, name) in self.named()

    def known(self) -> list[WorkloadKey]:
        """Those, and the ones that were named when they were read."""
        return list(dict.fromkeys([*self.named(), *self._read]))

    def get(self, namespace: str, name: str) -> TlsSecret | None:
        """What was read of one, where it is there."""
        known = self._read.get(_key(namespace, name))
        return self._whole(known.seen) if known is not None and isinstance(known.seen, TlsSecret) else None

    def hidden(self, namespace: str, name: str) -> str:
        """Why it can't be seen until somebody mends that; empty where it can, or where the next read may tell."""
        key = _key(namespace, name)
        known = self._read.get(key)
        if key not in self.named():
            return f"the HealingPolicy does not name Secret '{namespace}/{name}' in `spec.certificates` any more"
        if known is not None and known.seen is Unread.FORBIDDEN:
            return f"Prunella may not `get` Secret '{namespace}/{name}' (the HealingPolicy's condition Ready has the commands that grant it)"
        if known is not None and isinstance(known.seen, TlsSecret) and known.seen.unreadable:
            return f"Secret '{namespace}/{name}' can't be judged ({known.seen.unreadable})"
        if known is not None and known.failing_since is not None and known.lasts(self._clock.now()):
            return f"Secret '{namespace}/{name}' can't be read since {known.failing_since:%Y-%m-%d %H:%M}"
        return ""

    async def look(self, key: WorkloadKey) -> datetime | None:
        """Read it where that is due. Returns when it will be; None where it is not to be read."""
        policy = self._view.healing_policy()
        if policy is None or key not in self.named():
            self._read.pop(key, None)
            self._doubted.pop(key, None)
            return None
        if not self._tenure.leads:
            return None
        known, generation = self._read.get(key), policy.metadata.generation
        if known is None or known.generation != generation or self._next(key, known) <= self._clock.now():
            now, seen = self._clock.now(), await self._live.tls_secret(key.namespace, key.name)
            known = self._read[key] = _after(known, now, generation, seen)
        return self._next(key, known)

    async def target(self, ref: ObjectRef, *, live: bool) -> TlsSecret | Absent | UnknownT:
        """The Secret that an Incident is about. It is gone only if the API server says so, and unknown where it is not named any more."""
        key = _key(ref.namespace or "", ref.name)
        if key not in self.named():
            return UNKNOWN
        known = self._read.get(key)
        seen: Seen = known.seen if known is not None else UNKNOWN
        if live:
            seen = await self._live.tls_secret(key.namespace, key.name)
        if seen is None:
            return GONE
        if not isinstance(seen, TlsSecret):
            return UNKNOWN
        return self._whole(seen) if ref.uid in {None, seen.uid} else GONE

    def problems(self, operator_namespace: str) -> list[Problem] | None:
        """Why Secrets can't be used as they are, by their place in the policy; None while it is not known of one yet.

        A read without an answer changes nothing of what was known, until that lasts.
        """
        found: list[Problem] = []
        for key in self._listed():
            known = self._read.get(key)
            if not self._watches(key):
                found.append(Problem("UnknownReference", _outside(key)))
            elif known is not None and known.lasts(self._clock.now()):
                found.append(Problem("CertificateUnreadable", _failing(key, known)))
            elif known is None or known.answered is UNKNOWN:
                return None
            else:
                found += _problem(key, known.answered, operator_namespace)
        more = len(found) - MOST_TOLD
        rest = [Problem(found[MOST_TOLD].reason, f"and {more} more of `spec.certificates` can't be read")] if more > 0 else []
        return found[:MOST_TOLD] + rest

    def _next(self, key: WorkloadKey, known: _Read) -> datetime:
        due = self._whole(known.seen).due_time if isinstance(known.seen, TlsSecret) else None
        calm = isinstance(known.seen, TlsSecret) and not known.seen.unreadable and (due is None or due > self._clock.now())
        spread = crc32(f"{key.namespace}/{key.name}".encode()) / 0xFFFFFFFF
        return known.time + (CALM * (1 + spread / 10) if calm else TROUBLED)

    def _listed(self) -> list[WorkloadKey]:
        policy = self._view.healing_policy()
        return [_key(one.namespace, one.secret_name) for one in policy.spec.certificates] if policy is not None else []

    def _watches(self, key: WorkloadKey) -> bool:
        return not self._namespaces or key.namespace in self._namespaces

    def _whole(self, secret: TlsSecret) -> TlsSecret:
        """With whether its Certificate is there. The mark on a Secret outlives the Certificate, and then nothing else tells that it expires."""
        key = _key(secret.namespace, secret.name)
        keeper = self._view.thing(Certificate.kind, secret.namespace, secret.keeper) if secret.keeper else None
        there = keeper is not None and keeper.deletion_time is None
        if not there or self._view.sees(Certificate.kind, secret.namespace, self._clock.now()):
            self._doubted.pop(key, None)
            return replace(secret, managed=there)
        since = self._doubted.setdefault(key, self._clock.now())
        return replace(secret, managed=self._clock.now() - since < DOUBT)


def _key(namespace: str, name: str) -> WorkloadKey:
    return WorkloadKey(TlsSecret.kind, namespace, name)


def _after(before: _Read | None, now: datetime, generation: int, seen: Seen) -> _Read:
    """What is known after this read."""
    if seen is not UNKNOWN:
        return _Read(now, generation, seen, answered=seen, failing_since=None)
    since = before.failing_since if before is not None else None
    return _Read(now, generation, seen, answered=before.answered if before is not None else UNKNOWN, failing_since=since or now)


def _what(key: WorkloadKey) -> str:
    return f"Secret '{key.namespace}/{key.name}' of `spec.certificates`"


def _outside(key: WorkloadKey) -> str:
    return (
        f"{_what(key)} is in a namespace that is not watched, where nobody would see an Incident about it: "
        f"add '{key.namespace}' to the operator's `--watch-namespaces`, or take it out of the list"
    )


def _failing(key: WorkloadKey, known: _Read) -> str:
    return (
        f"{_what(key)} can't be read since {known.failing_since:%Y-%m-%d %H:%M}: "
        "the API server gives no answer, or one that is no Secret; it is tried again each minute"
    )


def _problem(key: WorkloadKey, seen: Seen, operator_namespace: str) -> Iterator[Problem]:
    """What a person must do about one."""
    what = _what(key)
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
