"""An APIService whose backend does not answer: what it serves is gone, and namespaces can't be deleted meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from prunella.api.names import Cause
from prunella.core.subject import Thing

from .sighting import NOTHING, At, Sighting, found, told


@dataclass(frozen=True, slots=True, kw_only=True)
class APIService(Thing):
    """An APIService. `backend` is namespace/name of the Service behind it; empty for what the API server serves itself."""

    api_version: ClassVar[str] = "apiregistration.k8s.io/v1"
    kind: ClassVar[str] = "APIService"

    backend: str = ""
    down_since: datetime | None = None
    reason: str = ""
    message: str = ""


def detect(one: APIService, at: At) -> Sighting:
    """APIServiceDown."""
    if one.down_since is None or not one.backend:
        return NOTHING
    what = f"the API server can't reach Service {one.backend}, which serves it ({told(one.reason, one.message)})"
    return found(one, Cause.API_SERVICE_DOWN, what, one.down_since, at)
