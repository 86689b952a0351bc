"""One alert of Alertmanager, from decoded JSON to facts: lenient towards unknown keys, strict towards what decides, bounded everywhere.

The rule this module protects: an alert is judged by its own status, never by its group's; its times are believed only where they can be true; and
one malformed alert never spoils the batch that it came in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prunella.core.facts import AlertFacts

MAX_LABELS: Final = 64
MAX_KEY: Final = 128
MAX_LABEL_BYTES: Final = 1024
MAX_ANNOTATION_BYTES: Final = 4096
SKEW_SECONDS: Final = 60
DECIDING_LABELS: Final = ("alertname", "namespace", "deployment", "statefulset", "daemonset", "pod", "service", "severity", "container", "cluster")
"""Kept first where there are too many."""

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_MASK: Final = 0xFFFFFFFFFFFFFFFF
_SEPARATOR: Final = b"\xff"
_FIRST_TRUE_YEAR: Final = 1971
_LAST_TRUE_YEAR: Final = 9998


@dataclass(frozen=True, slots=True)
class Malformed:
    """An alert that can't be used, and why. It is counted as Quarantined; the rest of its batch goes on."""

    why: str


def read_alert(raw: Mapping[str, object], received: datetime, *, truncated: int = 0) -> AlertFacts | Malformed:
    """One member of the webhook's `alerts`. `truncated` is the body's truncatedAlerts: how many it left out."""
    state = raw.get("status")
    if not isinstance(state, str) or state not in {"firing", "resolved"}:
        return Malformed(f"status must be 'firing' or 'resolved', not {_shown(state)}")
    return _facts(raw, state, received, truncated=truncated)


def read_polled_alert(raw: Mapping[str, object], received: datetime) -> AlertFacts | Malformed:
    """One member of the answer to `GET /api/v2/alerts`. `active` and `unprocessed` are firing; resolved ones are never listed."""
    status = raw.get("status")
    state = status.get("state") if isinstance(status, Mapping) else None
    if not isinstance(status, Mapping) or not isinstance(state, str) or state not in {"active", "suppressed", "unprocessed"}:
        return Malformed(f"status.state must be 'active', 'suppressed' or 'unprocessed', not {_shown(state)}")
    silenced = tuple(_strings(status.get("silencedBy")))
    inhibited = (*_strings(status.get("inhibitedBy")), *_strings(status.get("mutedBy")))
    return _facts(raw, "suppressed" if state == "suppressed" else "firing", received, silenced_by=silenced, inhibited_by=inhibited)


def fingerprint(labels: Mapping[str, str]) -> str:
    """FNV-1a-64 over the label pairs sorted by name, each followed by 0xFF: Prometheus' and Alertmanager's own identity of a label set."""
    total = _FNV_OFFSET
    for name, value in sorted(labels.items()):
        for byte in name.encode() + _SEPARATOR + value.encode() + _SEPARATOR:
            total = ((total ^ byte) * _FNV_PRIME) & _MASK
    return f"{total:016x}"


def _facts(
    raw: Mapping[str, object],
    state: str,
    received: datetime,
    *,
    truncated: int = 0,
    silenced_by: tuple[str, ...] = (),
    inhibited_by: tuple[str, ...] = (),
) -> AlertFacts | Malformed:
    labels = _labels(raw.get("labels"))
    if isinstance(labels, Malformed):
        return labels
    starts, ends, updated = (_instant(raw.get(key)) for key in ("startsAt", "endsAt", "updatedAt"))
    for key, read in (("startsAt", starts), ("endsAt", ends), ("updatedAt", updated)):
        if isinstance(read, Malformed):
            return Malformed(f"{key} {read.why}")
    given = raw.get("fingerprint")
    began, skewed = _plausible(starts if isinstance(starts, datetime) else None, received)
    return AlertFacts(
        fingerprint=given if isinstance(given, str) and _FINGERPRINT.fullmatch(given) else fingerprint(labels),
        state=state,
        labels=_bounded(labels, MAX_LABEL_BYTES),
        annotations=_bounded(_annotations(raw.get("annotations")), MAX_ANNOTATION_BYTES),
        starts_time=began,
        ends_time=_ended(ends, began, received) if state == "resolved" and isinstance(ends, datetime) else None,
        updated_time=updated if isinstance(updated, datetime) else None,
        received_time=received,
        silenced_by=silenced_by,
        inhibited_by=inhibited_by,
        clock_skew=skewed,
        truncated=max(truncated, 0),
    )


def _labels(value: object) -> dict[str, str] | Malformed:
    if not isinstance(value, Mapping) or not value:
        return Malformed("labels must be a map with at least one entry")
    labels: dict[str, str] = {}
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            return Malformed(f"label {_shown(name)} must be a string")
        if not _encodable(name) or not _encodable(text):
            return Malformed(f"label {_shown(name)} is not valid Unicode")
        if text:  # Prometheus: an empty label is no label
            labels[name] = text
    return labels or Malformed("labels must be a map with at least one entry")


def _annotations(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {name: text for name, text in value.items() if isinstance(name, str) and isinstance(text, str) and _encodable(name) and _encodable(text)}


def _bounded(labels: Mapping[str, str], max_bytes: int) -> dict[str, str]:
    first = [name for name in DECIDING_LABELS if name in labels]
    names = [*first, *(name for name in sorted(labels) if name not in first)]
    return {name: _cut(labels[name], max_bytes) for name in [name for name in names if len(name) <= MAX_KEY][:MAX_LABELS]}


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode(errors="ignore")


def _instant(value: object) -> datetime | Malformed | None:
    """An RFC 3339 time. None for what says that there is none: absent, year 1, the epoch, or a time without a zone."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        return Malformed(f"must be a time, not {_shown(value)}")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return Malformed(f"must be an RFC 3339 time, not {_shown(value)}")
    if instant.tzinfo is None or not _FIRST_TRUE_YEAR <= instant.year <= _LAST_TRUE_YEAR:
        return None
    return instant.astimezone(UTC)


def _plausible(starts: datetime | None, received: datetime) -> tuple[datetime, bool]:
    if starts is None or starts > received + timedelta(seconds=SKEW_SECONDS):
        return received, True
    return min(starts, received), False


def _ended(ends: datetime, began: datetime, received: datetime) -> datetime | None:
    """The end, which is not ahead; None where it lies before its own start, for then nobody knows it."""
    ended = min(ends, received)
    return ended if ended >= began else None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (item for item in value[:20] if isinstance(item, str))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    return repr(value)[:64]
