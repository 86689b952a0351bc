"""PromQL, with the whole answer read.

The rules this module protects: a value is one finite number of one fresh series, or it is `missing` (no data: never health) or an `error` (the
question failed). A warning means that the answer is partial, so it is missing; an info is advice about the query's style and changes nothing. One
try, ten seconds, no redirects, a bounded answer. The package's own calls hide warnings, repeat and follow redirects; its connection and session
are used, its calls are not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from prunella.api.step_failure import Transient
from prunella.app.ports import Clock
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.world import QueryValue

TIMEOUT_SECONDS: Final = 10.0
LONGEST_ANSWER: Final = 65_536
LONGEST_LISTING: Final = 16 * 1024 * 1024
"""Rules and alerts are lists of the whole Prometheus."""
LOOK_BACK_SECONDS: Final = 120
"""Twice Prometheus' default scrape interval: an older sample is not taken for the present."""
STALE: Final = timedelta(seconds=60)
"""How far the answer's own time may lie from the time that was asked for: more is somebody's cache or a wrong clock."""
KEPT: Final = timedelta(seconds=10)
"""For how long a listing of rules or alerts serves further questions: a storm asks a thousand times at once."""
_THREADS: Final = 4

_log = logging.getLogger(__name__)


class _FailedError(Exception):
    """The question failed; the text is the sentence for people."""

    def __init__(self, message: str, transient: Transient | None = None) -> None:
        super().__init__(message)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class _Listing:
    read_time: datetime
    data: Any


class PrometheusQueries:
    """Implements the port Queries."""

    def __init__(self, url: str, clock: Clock, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._clock = clock
        self._timeout = timeout_seconds
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc of the machine
        self._session.headers["Accept-Encoding"] = "identity"
        self._connection = PrometheusConnect(url=url.rstrip("/"), retry=Retry(0), session=self._session)
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="prometheus")
        self._listings: dict[str, _Listing] = {}
        self._complaints: dict[str, str] = {}
        """Per path, what stands in the log."""
        self._one_at_a_time = asyncio.Lock()

    async def value(self, query: str, now: datetime) -> QueryValue:
        """The single value of an instant query. Never raises."""
        form = {"query": query, "time": f"{now.timestamp():.3f}", "timeout": f"{self._timeout:g}s", "lookback_delta": f"{LOOK_BACK_SECONDS}s"}
        try:
            envelope = await self._ask("POST", "/api/v1/query", form, LONGEST_ANSWER)
        except _FailedError as error:
            return QueryValue(error=str(error), transient=error.transient)
        return read_value(envelope, now)

    async def rule_for_seconds(self, alertname: str, severity: str = "") -> int | UnknownT:
        """The `for` of the alerting rule of that name, and of that severity where rules of that name bear it.

        UNKNOWN where Prometheus can't tell, has none, or those rules differ.
        """
        groups = _list(await self._listing("/api/v1/rules?type=alert", "groups"))
        rules = [rule for group in groups for rule in _list(group.get("rules") if isinstance(group, dict) else None)]
        named = [rule for rule in rules if isinstance(rule, dict) and rule.get("name") == alertname]
        found = {_seconds(rule.get("duration")) for rule in [one for one in named if _severe(one, severity)] or named}
        only = found.pop() if len(found) == 1 else None
        return UNKNOWN if only is None else only

    async def alert_active_time(self, alertname: str, labels: Mapping[str, str]) -> datetime | UnknownT:
        """Prometheus' activeAt of the alert with these labels. Alertmanager may know more labels (external ones) than Prometheus does."""
        alerts = _list(await self._listing("/api/v1/alerts", "alerts"))
        found = {_instant(alert.get("activeAt")) for alert in alerts if isinstance(alert, dict) and _is(alert.get("labels"), alertname, labels)}
        only = found.pop() if len(found) == 1 else None
        return UNKNOWN if only is None else only

    def close(self) -> None:
        """Let go of connections and threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._connection.close()

    async def _listing(self, path: str, name: str) -> Any:
        """One list of Prometheus' state, None where it can't be had."""
        async with self._one_at_a_time:
            now = self._clock.now()
            kept = self._listings.get(path)
            if kept is None or not timedelta() <= now - kept.read_time < KEPT:
                kept = self._listings[path] = _Listing(now, await self._data(path))
        return kept.data.get(name) if isinstance(kept.data, dict) else None

    async def _data(self, path: str) -> Any:
        try:
            data = (await self._ask("GET", path, None, LONGEST_LISTING)).get("data")
        except _FailedError as error:
            self._complain(path, str(error))
            return None
        if self._complaints.pop(path, None) is not None and not self._complaints:
            _log.info("Prometheus can be asked again")
        return data

    def _complain(self, path: str, why: str) -> None:
        """Say it when it changes: an outage is one line, not one for each question."""
        if why not in self._complaints.values():
            _log.warning("Prometheus could not be asked", extra={"path": path, "error": why})
        self._complaints[path] = why

    async def _ask(self, verb: str, path: str, form: dict[str, str] | None, limit: int) -> dict[str, Any]:
        given_up = threading.Event()
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._exchange, verb, path, form, limit, given_up.is_set)
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except TimeoutError as error:
            raise _FailedError(f"Prometheus did not answer within {self._timeout:g} s", Transient.TIMEOUT) from error
        finally:
            given_up.set()

    def _exchange(self, verb: str, path: str, form: dict[str, str] | None, limit: int, given_up: Callable[[], bool]) -> dict[str, Any]:
        """In a thread: one request, read in pieces, so that a dripping answer ends with the caller's patience."""
        try:
            with self._session.request(
                verb, self._connection.url + path, data=form, timeout=self._timeout, allow_redirects=False, stream=True
            ) as response:
                body = bytearray()
                while not given_up() and (piece := response.raw.read1(16_384)):
                    body += piece
                    if len(body) > limit:
                        raise _FailedError(f"Prometheus' answer is longer than {limit} bytes; let the query give one value")
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _FailedError(f"Prometheus could not be reached ({type(error).__name__})", Transient.TIMEOUT) from error
        return _envelope(response.status_code, bytes(body))


def read_value(envelope: Mapping[str, Any], now: datetime) -> QueryValue:
    """What a successful answer says, by the rules of this module."""
    warnings = _list(envelope.get("warnings"))
    if warnings:
        return QueryValue(missing=f"Prometheus warned that its answer is partial: {_short(warnings[0])}")
    data = envelope.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    if not isinstance(data, dict) or kind != "vector":
        return QueryValue(error=f"the query gives a {_short(kind) or 'nothing known'} where one series is needed")
    series = _list(data.get("result"))
    if not series:
        return QueryValue(missing="no series: the query found no data")
    if len(series) > 1:
        return QueryValue(missing=f"{len(series)} series where one is needed; aggregate them, for example with sum()")
    return _sample(series[0], now)


def _sample(series: object, now: datetime) -> QueryValue:
    sample = series.get("value") if isinstance(series, dict) else None
    if not isinstance(sample, list) or len(sample) != 2:  # noqa: PLR2004 -- a sample is a pair of time and value
        return QueryValue(missing="the series has no plain number (a native histogram?)")
    time, text = sample
    if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
        return QueryValue(missing="the sample has no time")
    age = now.timestamp() - time
    if abs(age) > STALE.total_seconds():
        return QueryValue(missing=f"the sample is {age:.0f} s old" if age > 0 else f"the sample lies {-age:.0f} s in the future")
    try:
        value = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        return QueryValue(missing=f"the value is {_short(text) or 'empty'}, no finite number")
    return QueryValue(value=value)


def _envelope(status: int, body: bytes) -> dict[str, Any]:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise _FailedError(f"Prometheus answered {status}: redirects are not followed; give its final address")
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _FailedError(f"Prometheus answered {status} with something that is not JSON (a login page?)", _passes(status)) from error
    if isinstance(envelope, dict) and envelope.get("status") == "error":
        raise _FailedError(f"Prometheus refused the query: {_short(envelope.get('errorType'))}: {_short(envelope.get('error'))}", _passes(status))
    if status != HTTPStatus.OK or not isinstance(envelope, dict) or envelope.get("status") != "success":
        raise _FailedError(f"Prometheus answered {status} without success", _passes(status))
    return envelope


def _passes(status: int) -> Transient | None:
    """Why the same question may be answered a moment later: Prometheus, or what stands before it, is overloaded or on its way down or up."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Transient.TOO_MANY_REQUESTS
    return Transient.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None


def _is(known: object, alertname: str, labels: Mapping[str, str]) -> bool:
    return isinstance(known, dict) and known.get("alertname") == alertname and all(labels.get(name) == value for name, value in known.items())


def _severe(rule: Mapping[str, object], severity: str) -> bool:
    """Whether the rule itself gives its alerts that severity."""
    labels = rule.get("labels")
    return bool(severity) and isinstance(labels, dict) and labels.get("severity") == severity


def _seconds(duration: object) -> int | None:
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration < 10**9:  # NaN fails both comparisons
        return None
    return int(duration)


def _instant(value: object) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parsed if parsed is not None and parsed.tzinfo is not None else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _short(value: object) -> str:
    """A foreign text in one printable line."""
    return "".join(character if character.isprintable() else " " for character in value)[:256] if isinstance(value, str) else ""
