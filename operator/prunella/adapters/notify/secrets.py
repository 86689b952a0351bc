"""Receivers' Secrets: read by name, kept for a minute, and kept out of every error.

The rule this module protects: a value of a Secret leaves only in the request that it is for. Whatever is raised on the way has the values blotted
out, by value, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prunella.api.healing_policy import SecretKeyRef
from prunella.api.marks import ALLOWED_HOSTS_ANNOTATION
from prunella.app.errors import Permanent, PrunellaError, Retryable
from prunella.app.ports import Clock
from prunella.core.redact import redact

from .destinations import allowed_hosts

KEPT: Final = timedelta(seconds=60)
_SHORTEST: Final = 8
"""Shorter parts are no secrets, and blotting them out would make a sentence unreadable."""


class SecretContent(NamedTuple):
    """What a Secret holds."""

    data: Mapping[str, bytes]
    """Decoded values by key."""
    annotations: Mapping[str, str]


ReadSecret = Callable[[str], Awaitable[tuple[Mapping[str, bytes], Mapping[str, str]] | None]]
"""A Secret of the operator's namespace by its name; None where there is none. Raises Retryable or Permanent (no right to get it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One key of a Secret with its companions. `where` names it in a sentence without saying anything of its value."""

    where: str
    value: str
    companions: Mapping[str, str]
    """Values of '<key>-<suffix>' by suffix: hmac, url."""
    allowed: frozenset[tuple[str, int | None]]

    def blot(self, text: str) -> str:
        """The text without any of the values, or parts of a URL among them."""
        values = {self.value, *self.companions.values()}
        parts = {part for value in values for part in _parts(value) if len(part) >= _SHORTEST}
        return redact(text, tuple(sorted(values | parts, key=len, reverse=True)))

    def blotted(self, error: PrunellaError) -> PrunellaError:
        """The same error with its sentence blotted."""
        text = self.blot(str(error))
        return Retryable(text, delay=error.delay, transient=error.transient) if isinstance(error, Retryable) else Permanent(text)


class Secrets:
    """Reads credentials and keeps each Secret for at most a minute, so that a storm does not ask the API server for each message."""

    def __init__(self, read: ReadSecret, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._kept: dict[str, tuple[datetime, SecretContent]] = {}

    async def credential(self, ref: SecretKeyRef, *, companions: tuple[str, ...] = ()) -> Credential:
        """The key with its companions. Raises Permanent where Secret or key is missing, Retryable where it can't be read now."""
        content = await self._content(ref.secret_name)
        where = f"key '{ref.key}' of the Secret '{ref.secret_name}'"
        value = _text(content.data, ref.key, where)
        if not value:
            raise Permanent(f"{where} is missing or empty")
        others = {
            suffix: _text(content.data, f"{ref.key}-{suffix}", f"key '{ref.key}-{suffix}' of the Secret '{ref.secret_name}'") for suffix in companions
        }
        allowed = allowed_hosts(content.annotations.get(ALLOWED_HOSTS_ANNOTATION, ""))
        return Credential(where=where, value=value, companions={suffix: one for suffix, one in others.items() if one}, allowed=allowed)

    def forget(self, name: str) -> None:
        """Read it anew next time: what was read does not work."""
        self._kept.pop(name, None)

    async def _content(self, name: str) -> SecretContent:
        now = self._clock.now()
        kept = self._kept.get(name)
        if kept is not None and timedelta() <= now - kept[0] < KEPT:
            return kept[1]
        found = await self._read(name)
        if found is None:
            self.forget(name)
            raise Permanent(f"the Secret '{name}' is not there; create it in the operator's namespace")
        content = SecretContent(*found)
        self._kept[name] = (now, content)
        return content


def _text(data: Mapping[str, bytes], key: str, where: str) -> str:
    """The value as text without the newline that editors and `echo` leave at its end."""
    try:
        text = data.get(key, b"").decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Permanent(f"{where} is not UTF-8 text") from None  # the error would hold the bytes
    if any(not character.isprintable() for character in text):
        raise Permanent(f"{where} holds a line break or another control character in its middle")
    return text


def _parts(value: str) -> list[str]:
    """The pieces of a URL that are secret on their own: path segments, query, user."""
    _, found, rest = value.partition("://")
    if not found:
        return []
    _, _, path = rest.partition("/")
    return [part for part in path.replace("?", "/").replace("&", "/").replace("=", "/").split("/") if part] + [rest.partition("@")[0]] * ("@" in rest)
