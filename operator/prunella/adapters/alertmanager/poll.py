"""The poll of every Alertmanager: what is active now, by the word of whoever can be reached.

The webhook tells what changes and can lose it; the poll repairs. It never returns resolved alerts, so absence is the message, and the rule this
module protects is when absence may be believed: no peer shows the alert, and at least one of them has run long enough to have learned every alert
again (alerts live in its memory). Otherwise the answer is UNKNOWN.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from prunella.app.ports import Clock, Telemetry
from prunella.core.facts import UNKNOWN, AlertFacts, UnknownT
from prunella.core.incident import alert_facts

from .webhook_body import parse

TIMEOUT_SECONDS: Final = 10.0
LONGEST_ANSWER: Final = 64 * 1024 * 1024
SOURCE: Final = "Poll"
"""Label of the metric alert_source_age_seconds."""
DEFAULT_RESOLVE_TIMEOUT: Final = timedelta(minutes=5)
_RESOLVE_TIMEOUT: Final = re.compile(r"^\s*resolve_timeout:\s*[\"']?([0-9hms.]+)", re.MULTILINE)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_log = logging.getLogger(__name__)


class _NoAnswerError(Exception):
    """One peer could not be asked, or did not answer as Alertmanager does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one peer said."""

    alerts: Mapping[str, AlertFacts]
    settled: bool
    """It has run for more than twice its resolve_timeout."""


class AlertmanagerPoll:
    """Implements the port AlertSource over every peer."""

    def __init__(self, urls: Sequence[str], clock: Clock, telemetry: Telemetry) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._clock = clock
        self._telemetry = telemetry
        self._last_good: datetime | None = None
        self._started = clock.now()
        self._complaints: dict[str, str] = {}
        """Per peer, what stands in the log."""

    @property
    def last_good_time(self) -> datetime | None:
        """When a poll last told something."""
        return self._last_good

    async def active(self) -> Mapping[str, AlertFacts] | UnknownT:
        """Active and suppressed alerts by fingerprint, of all peers; UNKNOWN where no peer answered, none is configured, or all have just started."""
        now = self._clock.now()
        answers = [answer for answer in await self._ask_all(now) if answer is not None]
        good = any(answer.settled for answer in answers)
        if good:
            self._last_good = now
        if self._urls:
            self._telemetry.gauge("alert_source_age_seconds", max(0.0, (now - (self._last_good or self._started)).total_seconds()), source=SOURCE)
        return _union(answers) if good else UNKNOWN

    async def _ask_all(self, now: datetime) -> Sequence[_Answer | None]:
        if not self._urls:
            return ()
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            return await asyncio.gather(*(self._ask(session, url, now) for url in self._urls))

    async def _ask(self, session: aiohttp.ClientSession, url: str, now: datetime) -> _Answer | None:
        try:
            alerts = await _alerts(session, url)
            status = await _get(session, f"{url}/api/v2/status")
        except _NoAnswerError as error:
            self._complain(url, str(error))
            return None
        if self._complaints.pop(url, None) is not None:
            _log.info("Alertmanager can be polled again", extra={"url": _without_user(url)})
        return _Answer(alerts=self._facts(alerts, now), settled=_settled(status, now))

    def _complain(self, url: str, why: str) -> None:
        """Say it when it changes: an outage is one line, not one for each poll."""
        if why != self._complaints.get(url):
            _log.warning("Alertmanager could not be polled", extra={"url": _without_user(url), "error": why})
        self._complaints[url] = why

    def _facts(self, alerts: list[Any], now: datetime) -> dict[str, AlertFacts]:
        found: dict[str, AlertFacts] = {}
        for raw in alerts:
            facts = alert_facts.read_polled_alert(raw if isinstance(raw, dict) else {}, now)
            if isinstance(facts, alert_facts.Malformed):
                _log.warning("A polled alert could not be read", extra={"why": facts.why})
                self._telemetry.count("alerts_received_total", result="Quarantined")
            else:
                found[facts.fingerprint] = facts
        return found


def _union(answers: Sequence[_Answer]) -> dict[str, AlertFacts]:
    """Every alert that any peer shows; where peers differ, firing wins over suppressed and the newer word over the older."""
    merged: dict[str, AlertFacts] = {}
    for answer in answers:
        for fingerprint, facts in answer.alerts.items():
            known = merged.get(fingerprint)
            if known is None or _rank(facts) > _rank(known):
                merged[fingerprint] = facts
    return merged


def _rank(facts: AlertFacts) -> tuple[bool, float]:
    return facts.state == "firing", facts.updated_time.timestamp() if facts.updated_time else 0.0


async def _alerts(session: aiohttp.ClientSession, url: str) -> list[Any]:
    found = await _get(session, f"{url}/api/v2/alerts?active=true&silenced=true&inhibited=true")
    if not isinstance(found, list):
        raise _NoAnswerError("its answer is no list of alerts")
    return found


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise _NoAnswerError(f"it answered {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    raise _NoAnswerError(f"its answer is longer than {LONGEST_ANSWER} bytes")
    except TimeoutError as error:
        raise _NoAnswerError(f"it did not answer within {TIMEOUT_SECONDS:.0f} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _NoAnswerError(f"it could not be reached ({type(error).__name__})") from error
    try:
        return parse(bytes(body))
    except (ValueError, RecursionError) as error:
        raise _NoAnswerError("its answer is not JSON") from error


def _settled(status: object, now: datetime) -> bool:
    if not isinstance(status, dict):
        return False
    started = _instant(status.get("uptime"))
    return started is not None and now - started > 2 * _resolve_timeout(status.get("config"))


def _resolve_timeout(config: object) -> timedelta:
    original = config.get("original") if isinstance(config, dict) else None
    found = _RESOLVE_TIMEOUT.search(original) if isinstance(original, str) else None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(found.group(1))) if found else 0.0
    return timedelta(seconds=seconds) if 0 < seconds < timedelta(days=1).total_seconds() else DEFAULT_RESOLVE_TIMEOUT


def _instant(value: object) -> datetime | None:
    """RFC 3339 with up to nine digits; None where it is no instant with a zone."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None


def _without_user(url: str) -> str:
    scheme, found, rest = url.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"
