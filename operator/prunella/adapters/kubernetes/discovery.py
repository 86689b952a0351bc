"""Whether the cluster has what the operator can't start without: Prunella's CRDs, and the operator's own namespace.

Kopf and the caches start only then, so that `prunella run` may come before `prunella install`. The rule this module protects: a namespace that does
not exist is never taken for one without Runbooks, or the operator would be ready and heal nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from prunella.api.base import GROUP, VERSION
from prunella.app.errors import PrunellaError

from .answers import FORBIDDEN, NOT_FOUND, UNAUTHORIZED
from .client import Api

_OK: Final = 200


async def missing(api: Api, plurals: Iterable[str], namespace: str) -> list[str]:
    """What is missing, a sentence with its remedy for each; empty where all is there. That it can't be known now is such a sentence as well."""
    try:
        status, answer = await api.request("GET", f"/apis/{GROUP}/{VERSION}")
        there, _ = await api.request("GET", f"/api/v1/namespaces/{namespace}")
    except PrunellaError as error:
        return [f"the API server can't be asked: {error}"]
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return [f"the API server does not let us in ({status}): the token is expired or wrong; `prunella install` writes a new one"]
    if status not in {_OK, NOT_FOUND} or (status == _OK and not isinstance(answer, dict)):
        return [f"the API server can't say which kinds it serves: it answered {status} and no list of them"]
    if there not in {_OK, NOT_FOUND, FORBIDDEN}:
        return [f"the API server can't say whether the namespace {namespace} exists: it answered {there}"]
    unserved = [plural for plural in plurals if plural not in _served(answer)]
    kinds = [f"Prunella's CRDs are not installed ({', '.join(unserved)} of {GROUP}): `prunella install`, or `kubectl apply -k crds`"]
    # A namespace that we may not see is believed: what is read in it later tells.
    home = [f"the operator's namespace {namespace} does not exist: `prunella install` makes prunella-system; `--namespace` names another"]
    return [*(kinds if unserved else []), *(home if there == NOT_FOUND else [])]


def _served(answer: Any) -> set[str]:
    return {str(one.get("name")) for one in answer.get("resources") or ()} if isinstance(answer, dict) else set()
