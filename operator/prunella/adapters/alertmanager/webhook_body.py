"""The body of Alertmanager's webhook, read as tolerantly as it can be.

Whatever is answered with 4xx is lost for good, so only what is not JSON is refused. The rules this module protects: nothing that a body holds
raises; one alert that is no object does not take the others with it (it stands as an empty one, which intake counts as quarantined); and what the
body says of the group (status, common labels) is not read, because truncation makes it lie.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

VERSION: Final = "4"
_LONGEST_INTEGER: Final = 19
_MOST_TRUNCATED: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookBody:
    """The alerts of one request, not looked into."""

    alerts: tuple[dict[str, Any], ...]
    truncated: int = 0
    """How many alerts Alertmanager left out (`max_alerts`)."""
    receiver: str = ""
    version: str = ""
    oddities: tuple[str, ...] = ()
    """What is unusual about the body, in sentences for the log."""


@dataclass(frozen=True, slots=True)
class NotJson:
    """The body is not JSON, and why."""

    why: str


def decode_webhook(body: bytes) -> WebhookBody | NotJson:
    """Read a body. Never raises."""
    try:
        document = parse(body)
    except RecursionError:
        return NotJson("it is nested too deeply")
    except json.JSONDecodeError as error:
        return NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}")  # the place, never the text around it
    if not isinstance(document, dict):
        return WebhookBody(alerts=(), oddities=("the body is no object, so it holds no alerts",))
    found = document.get("alerts")
    alerts = found if isinstance(found, list) else []
    version = _short(document.get("version"))
    oddities = []
    if not isinstance(found, list):
        oddities.append("the body has no list of alerts; does the receiver set a payload of its own?")
    if version != VERSION:
        oddities.append(f"the body has version '{version}', read as '{VERSION}'")
    return WebhookBody(
        alerts=tuple(alert if isinstance(alert, dict) else {} for alert in alerts),
        truncated=_truncated(document.get("truncatedAlerts")),
        receiver=_short(document.get("receiver")),
        version=version,
        oddities=tuple(oddities),
    )


def parse(body: bytes) -> Any:
    """JSON in any Unicode encoding; strings without half surrogates, numbers without NaN. Raises json.JSONDecodeError and RecursionError."""
    text = body.decode(json.detect_encoding(body), "replace")
    document = json.loads(text, parse_int=_integer, parse_constant=lambda _: None, parse_float=_float)
    # Only an escape can bring one half of a pair now, and nothing behind us could write it.
    return _whole(document) if "\\ud" in text or "\\uD" in text else document


def _integer(digits: str) -> int | float | None:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else _float(digits)


def _float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _whole(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(one) for one in value]
        case dict():
            return {_whole(key): _whole(one) for key, one in value.items()}
        case _:
            return value


def _truncated(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), _MOST_TRUNCATED))


def _short(value: object) -> str:
    return value[:253] if isinstance(value, str) else ""
