"""Marks of temporary measures on what is not watched, such as an Argo CD Application: found by their label, by a list now and then.

The rule this module protects: a measure ends although every record of it is gone. Nothing of these kinds is watched for that, and what may not be
read is no error: where Prunella has no rights, it has changed nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from prunella.api.common import ObjectRef
from prunella.api.marks import MARKED_LABEL, TEMPORARY_ANNOTATION
from prunella.app.ports import Clock, Live, View
from prunella.core.facts import UnknownT
from prunella.core.healing.steps import gitops, registry
from prunella.core.healing.steps.step import Listed
from prunella.core.subject import CLUSTER_KINDS

EVERY: Final = timedelta(seconds=60)


class Unwatched:
    """Lists them, and remembers what it saw for a minute."""

    def __init__(self, view: View, live: Live, clock: Clock) -> None:
        self._view = view
        self._live = live
        self._clock = clock
        self._looked_time: datetime | None = None
        self._seen: tuple[tuple[ObjectRef, str], ...] = ()

    async def marked(self) -> Sequence[tuple[ObjectRef, str]]:
        """Every such object that bears a mark, and the mark, as of the last minute."""
        now = self._clock.now()
        if self._looked_time is None or now - self._looked_time >= EVERY:
            self._looked_time = now
            found = await asyncio.gather(*(self._live.listed(one) for one in self._where()))
            self._seen = tuple(_mark(raw) for one in found if not isinstance(one, UnknownT) for raw in one if _mark(raw)[1])
        return self._seen

    def forget(self) -> None:
        """One of them was ended: they are listed anew."""
        self._looked_time = None

    def _where(self) -> Sequence[Listed]:
        """By what manages the workloads that are watched: nothing else is ever held. What has no namespace is in one place."""
        owners = (gitops.owner(one.workload) for one in self._view.workloads())
        places = {(one.api_version, one.kind, one.namespace) for one in owners if isinstance(one, Listed)}
        places |= {(api_version, kind, "") for api_version, kind in registry.unwatched() if kind in CLUSTER_KINDS}
        return [Listed(*place, label=MARKED_LABEL) for place in sorted(places)]


def _mark(raw: Mapping[str, Any]) -> tuple[ObjectRef, str]:
    metadata: dict[str, Any] = raw["metadata"]
    ref = ObjectRef(
        api_version=str(raw["apiVersion"]),
        kind=str(raw["kind"]),
        namespace=metadata.get("namespace"),
        name=metadata["name"],
        uid=metadata["uid"],
    )
    return ref, str((metadata.get("annotations") or {}).get(TEMPORARY_ANNOTATION, ""))
