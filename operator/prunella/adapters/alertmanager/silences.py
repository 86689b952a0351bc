"""Silences of Alertmanager: made once, found again by their comment, ended.

The rule this module protects: Alertmanager takes the same silence twice, so one whose answer was lost is looked for by its intent's id before
anything is sent again. Peers share their silences; the first that takes the request is enough, and a peer that can't be reached was sent nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from prunella.api.base import micro_time
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.effect import Applied, NotApplied, Settled
from prunella.core.healing.effects.outside import EndSilence, Silence

TIMEOUT_SECONDS: Final = 10.0
LONGEST_ANSWER: Final = 16 * 1024 * 1024
CREATED_BY: Final = "prunella"


class _UnreachedError(Exception):
    """Nothing was sent."""


class _NoAnswerError(Exception):
    """It was sent, and what came of it is not known."""


class Silences:
    """Makes, finds and ends silences. One try each."""

    def __init__(self, urls: Sequence[str], *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._timeout = timeout_seconds

    async def make(self, silence: Silence, intent_id: str) -> Applied | NotApplied:
        """Raises OutcomeUnknown where it was sent and no clear answer came."""
        body = {
            "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in sorted(silence.labels.items())],
            "startsAt": micro_time(silence.start_time),
            "endsAt": micro_time(silence.end_time),
            "createdBy": CREATED_BY,
            "comment": f"{silence.comment} ({_mark(intent_id)})",
        }
        status, answer = await self._first("POST", "/api/v2/silences", body)
        if status is None:
            passes = Transient.TIMEOUT if self._urls else None  # where none is known, none will be
            return NotApplied(reason="", message="no Alertmanager could be reached: nothing was silenced", transient=passes)
        if status == HTTPStatus.OK and isinstance(answer, dict) and isinstance(answer.get("silenceID"), str):
            return Applied(after={"silenceId": answer["silenceID"][:253]})
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return NotApplied(reason="", message=f"Alertmanager refused the silence with {status}: nothing was silenced")
        raise OutcomeUnknown(f"Alertmanager answered {status} to a silence: whether it was made must be looked at")

    async def end(self, effect: EndSilence) -> Applied | NotApplied:
        """End all that bear the mark. Raises OutcomeUnknown where that can't be told."""
        found = await self._marked(effect.silenced_by)
        if isinstance(found, UnknownT):
            return NotApplied(reason="", message="no Alertmanager could be asked for its silences: none was ended")
        for silence_id in found:
            status, _ = await self._first("DELETE", f"/api/v2/silence/{quote(silence_id, safe='')}")
            if status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
                raise OutcomeUnknown(f"Alertmanager answered {status} to the end of a silence: whether it ended must be looked at")
        return Applied(after={"ended": str(len(found))})

    async def settle(self, intent_id: str, silenced_by: str) -> Settled | UnknownT:
        """Whether the silence is there; with `silenced_by`, whether those are gone. UNKNOWN where no Alertmanager could be asked."""
        found = await self._marked(silenced_by or intent_id)
        if isinstance(found, UnknownT):
            return UNKNOWN
        return Settled.APPLIED if bool(found) is not bool(silenced_by) else Settled.NOT_APPLIED

    async def _marked(self, intent_id: str) -> tuple[str, ...] | UnknownT:
        """Ids of the silences that bear the mark and have not ended, on any peer."""
        heard, found = False, dict[str, None]()
        for url in self._urls:
            try:
                status, listed = await self._exchange("GET", f"{url}/api/v2/silences")
            except (_UnreachedError, _NoAnswerError):
                continue
            if status != HTTPStatus.OK or not isinstance(listed, list):
                continue
            heard = True
            found |= {str(one["id"]): None for one in listed if isinstance(one, dict) and one.get("id") and _is_marked(one, intent_id)}
        return tuple(found) if heard else UNKNOWN

    async def _first(self, verb: str, path: str, body: object = None) -> tuple[int | None, Any]:
        """The answer of the first peer that can be reached; None where none can. Raises OutcomeUnknown where one was and did not answer."""
        for url in self._urls:
            try:
                return await self._exchange(verb, url + path, body)
            except _UnreachedError:
                continue
            except _NoAnswerError as error:
                raise OutcomeUnknown(f"Alertmanager was asked and did not answer: {error}") from error
        return None, None

    async def _exchange(self, verb: str, url: str, body: object = None) -> tuple[int, Any]:
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.request(verb, url, json=body, allow_redirects=False) as response,
            ):
                read = bytearray()
                async for chunk in response.content.iter_any():
                    read += chunk
                    if len(read) > LONGEST_ANSWER:
                        raise _NoAnswerError(f"its answer is longer than {LONGEST_ANSWER} bytes")
        except aiohttp.ClientConnectorError as error:
            raise _UnreachedError from error
        except TimeoutError as error:
            raise _NoAnswerError(f"nothing came within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _NoAnswerError(type(error).__name__) from error
        try:
            return response.status, json.loads(read) if read else None
        except (ValueError, RecursionError):
            return response.status, None


def _mark(intent_id: str) -> str:
    return f"intent {intent_id}"


def _is_marked(silence: dict[str, Any], intent_id: str) -> bool:
    status = silence.get("status")
    ended = isinstance(status, dict) and status.get("state") == "expired"
    return not ended and silence.get("createdBy") == CREATED_BY and str(silence.get("comment", "")).endswith(f"({_mark(intent_id)})")
