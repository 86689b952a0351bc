"""ConfigMaps in the API server: their versions without their content, one as a whole, and the copies that we keep of them.

The rule this module protects: what was read is handed on and let go. Nothing here logs, counts or quotes a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from prunella.api.marks import FIELD_MANAGER, PART_OF_LABEL
from prunella.app.errors import AlreadyExists, OutcomeUnknown, Permanent, PrunellaError, Retryable
from prunella.core.configs import ConfigMapFacts, read
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.known.known_config import Copy

from .client import Api
from .resources import CONFIG_MAP

METADATA_ALONE: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE: Final = "500"


class KeptConfigMaps:
    """The port `ConfigMaps`. Copies are written through the leader's session."""

    def __init__(self, reads: Api, writes: Api) -> None:
        self._reads = reads
        self._writes = writes

    async def versions(self, namespace: str) -> Mapping[str, str] | UnknownT:
        """By name, the version of each. UNKNOWN where they could not be listed: mostly because the namespace has not granted it."""
        found: dict[str, str] = {}
        token = ""
        while True:
            call = CONFIG_MAP.call("list", namespace, query={"limit": _PAGE, **({"continue": token} if token else {})})
            try:
                answer = await self._reads.ask(replace(call, accept=METADATA_ALONE))
            except PrunellaError:
                return UNKNOWN
            if answer is None:
                return UNKNOWN
            body = answer.object()
            found |= {one["metadata"]["name"]: one["metadata"].get("resourceVersion", "") for one in body.get("items") or ()}
            token = body.get("metadata", {}).get("continue") or ""
            if not token:
                return found

    async def read(self, namespace: str, name: str) -> ConfigMapFacts | UnknownT | None:
        """One of them, whole."""
        try:
            answer = await self._reads.ask(CONFIG_MAP.call("get", namespace, name))
        except PrunellaError:
            return UNKNOWN
        return read(answer.object()) if answer is not None else None

    async def keep(self, copy: Copy) -> str | None:
        """Write a copy and answer its version; None where that is refused, or another has the name. Raises Retryable."""
        try:
            return await self._create(copy)
        except AlreadyExists:
            return await self._replace(copy)
        except OutcomeUnknown as error:
            raise Retryable(str(error)) from error  # the copy is only looked for by the version that an answer gave
        except Permanent:
            return None

    async def _create(self, copy: Copy) -> str:
        answer = await self._writes.ask(CONFIG_MAP.call("create", copy.of.namespace, query={"fieldManager": FIELD_MANAGER}, body=copy.manifest))
        return _version(answer.object()) if answer is not None else ""

    async def _replace(self, copy: Copy) -> str | None:
        """Over the one that is there, if it is ours."""
        try:
            there = await self._reads.ask(CONFIG_MAP.call("get", copy.of.namespace, copy.name))
            labels = there.object()["metadata"].get("labels") or {} if there is not None else {}
            if labels.get(PART_OF_LABEL) != "prunella":
                return None
            call = CONFIG_MAP.call("update", copy.of.namespace, copy.name, query={"fieldManager": FIELD_MANAGER}, body=copy.manifest)
            answer = await self._writes.ask(call)
        except OutcomeUnknown as error:
            raise Retryable(str(error)) from error
        except Permanent:
            return None
        return _version(answer.object()) if answer is not None else None


def _version(stored: Mapping[str, Any]) -> str:
    return str(stored["metadata"].get("resourceVersion", ""))
