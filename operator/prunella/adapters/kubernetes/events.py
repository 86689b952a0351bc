"""Core Events: the story as `kubectl describe` and `kubectl get events` tell it.

The rule this module protects: an Event is a courtesy. It has a name, so that a repeat is no second one, and its failure stops nothing.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from prunella.api.common import ObjectRef
from prunella.app.errors import AlreadyExists, PrunellaError

from .client import Api
from .resources import EVENT

_LOG = logging.getLogger(__name__)

COMPONENT: Final = "prunella"
_LONGEST_MESSAGE: Final = 1024
_FOR_CLUSTER_SCOPED: Final = "default"
"""The API server takes Events of cluster-scoped objects in this namespace."""
_GOING: Final = "because it is being terminated"
"""The API server's words for a namespace that takes nothing any more. They come with a 403, but no right is missing."""


class Events:
    """Writes Events."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def emit(
        self, *, regarding: ObjectRef, name: str, reason: str, message: str, warning: bool, time: datetime, related: ObjectRef | None
    ) -> None:
        """Create one Event under that name. One that is there already is success; a failure is logged and forgotten."""
        namespace = regarding.namespace or _FOR_CLUSTER_SCOPED
        stamp = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body: dict[str, object] = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": regarding.wire(),
            "reason": reason,
            "message": _cut(message),
            "type": "Warning" if warning else "Normal",
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        if related is not None:
            body["related"] = related.wire()
        try:
            await self._api.ask(EVENT.call("create", namespace, body=body))
        except AlreadyExists:
            return
        except PrunellaError as error:
            expected = _GOING in str(error)
            extra = {"event": f"{namespace}/{name}", "event_reason": reason, "why": str(error)}
            _LOG.log(logging.DEBUG if expected else logging.WARNING, "An Event could not be written", extra=extra)


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"
