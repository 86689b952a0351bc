"""Whether the API server serves our kinds. Kopf and the caches start only then, so that `prunella run` may come before the CRDs."""

from __future__ import annotations

from collections.abc import Iterable

from prunella.api.base import GROUP, VERSION
from prunella.app.errors import PrunellaError

from .answers import FORBIDDEN, UNAUTHORIZED
from .client import Api


async def missing_kinds(api: Api, plurals: Iterable[str]) -> list[str]:
    """Which of our kinds are not served yet. Everything, with the reason, where the API server could not be asked."""
    try:
        status, answer = await api.request("GET", f"/apis/{GROUP}/{VERSION}")
    except PrunellaError as error:
        return [f"the API server can't be asked: {error}"]
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return [f"the API server does not let us in ({status}): the token is expired or wrong; `prunella install` writes a new one"]
    served = {one.get("name") for one in answer.get("resources", [])} if status == 200 and isinstance(answer, dict) else set()  # noqa: PLR2004 - HTTP
    return [f"{plural}.{GROUP} is not served: `kubectl apply -k crds`, or `prunella install`" for plural in plurals if plural not in served]
