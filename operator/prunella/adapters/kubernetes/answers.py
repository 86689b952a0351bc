"""What an answer of the API server means to whoever asked: one table from status to error.

The rule this module protects: a server error on a write may have been applied, so it is unknown, not failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NoReturn

import msgspec

from prunella.api.step_failure import Transient
from prunella.app.errors import AlreadyExists, Conflict, OutcomeUnknown, Permanent, Retryable

from .resources import JSON, Call

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
GONE: Final = 410
UNPROCESSABLE: Final = 422
TOO_MANY: Final = 429
SERVER_ERROR: Final = 500

_MOST_SECONDS: Final = 60.0


class NotLetIn(Retryable):
    """The API server does not know who asks: with other credentials the same try would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer, not yet judged."""

    status: int
    raw: bytes
    content_type: str = JSON
    retry_after: str = ""

    @property
    def good(self) -> bool:
        """Whether the API server did what was asked. A redirect is not good: nothing of the API redirects."""
        return 200 <= self.status < 300  # noqa: PLR2004

    @property
    def delay(self) -> float:
        """Seconds until the next try, by the server's word where it gave one."""
        return min(float(self.retry_after), _MOST_SECONDS) if self.retry_after.isdigit() else 1.0

    def json(self) -> Any:
        """The decoded body; its text where it isn't JSON, as a proxy's error page is."""
        if self.content_type.startswith(JSON):
            try:
                return msgspec.json.decode(self.raw)
            except msgspec.DecodeError:
                pass
        return self.text()

    def object(self) -> dict[str, Any]:
        """The decoded object. Raises Retryable where something else than the API server answered."""
        body = self.json()
        if isinstance(body, dict):
            return body
        raise Retryable(f"Something between us and the API server answered '{self.text()[:80]}' instead of JSON", delay=self.delay)

    def stored(self) -> dict[str, Any]:
        """The object that a change was answered with. Raises OutcomeUnknown where something else answered: it may have been done all the same."""
        try:
            return self.object()
        except Retryable as error:
            raise OutcomeUnknown(f"{error}; whether it was done must be seen on the object") from error

    def text(self) -> str:
        """The body as text."""
        return self.raw.decode(errors="replace")

    @property
    def message(self) -> str:
        """The API server's own words, where it gave any."""
        body = self.json()
        if isinstance(body, dict) and isinstance(body.get("message"), str):
            return str(body["message"])[:768]
        return self.text()[:200].strip() or f"HTTP {self.status}"

    @property
    def reason(self) -> str:
        """The machine-readable reason of a Status object."""
        body = self.json()
        return str(body.get("reason", "")) if isinstance(body, dict) else ""

    @property
    def transient(self) -> Transient | None:
        """Why the same may be answered otherwise a moment later, where it was sent and surely not done: of a server's error only a read is."""
        if self.status == TOO_MANY:
            return Transient.TOO_MANY_REQUESTS
        return Transient.SERVER_ERROR if self.status >= SERVER_ERROR else None

    @property
    def ending(self) -> bool:
        """Whether it was refused because the namespace is being deleted: that is nobody's mistake, and soon nothing is left to be done there."""
        return self.has_cause("NamespaceTerminating")

    def has_cause(self, reason: str) -> bool:
        """Whether a Status object names that among the causes in its details."""
        body = self.json()
        details = body.get("details") if isinstance(body, dict) else None
        causes = details.get("causes") if isinstance(details, dict) else None
        return any(isinstance(one, dict) and one.get("reason") == reason for one in causes or ())


def refuse(answer: Answer, call: Call) -> NoReturn:
    """Raise what a bad answer means: AlreadyExists, Conflict, Permanent, Retryable, NotLetIn or OutcomeUnknown."""
    said = f"The API server answered {answer.status} to {call.words}: {answer.message}"
    if answer.status == CONFLICT and call.verb == "create":
        if answer.reason == "AlreadyExists":
            raise AlreadyExists(said)
        raise Retryable(said, delay=answer.delay)
    if answer.status == CONFLICT or (answer.status == NOT_FOUND and call.verb in {"update", "patch"}):
        # An object that is gone under a writer is a lost race as well: reading again tells.
        raise Conflict(said)
    if answer.status == FORBIDDEN and answer.ending:
        raise Retryable(said, delay=5.0)
    if answer.status == FORBIDDEN:
        raise Permanent(f"The account of Prunella may not {call.words}: {answer.message}")
    if answer.status == UNAUTHORIZED:
        raise NotLetIn(said, delay=answer.delay)
    if answer.status == TOO_MANY or (answer.status >= SERVER_ERROR and call.reads):
        raise Retryable(said, delay=answer.delay, transient=answer.transient)
    if answer.status >= SERVER_ERROR:
        raise OutcomeUnknown(f"{said}; whether it was done must be seen on the object")
    raise Permanent(said)
