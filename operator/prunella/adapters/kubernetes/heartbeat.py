"""The canary: every 20 s one object of our own is written, and its write must come back through a watch.

The rule this module protects: an observer that sees late says so itself. What is measured is the time from the write of the heartbeat to its sight,
never the time since an event: a quiet cluster is no slow one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from prunella.api.base import micro_time
from prunella.api.marks import OPERATOR_NAMESPACE, PART_OF_LABEL
from prunella.app.errors import AlreadyExists, Conflict, NotLeading, OutcomeUnknown, PrunellaError
from prunella.app.ports import Clock, Telemetry

from . import wire
from .client import Api
from .resources import CONFIG_MAP, MERGE_PATCH
from .shelf import Change, Shelf
from .watch import Reflector, Tempo
from .watched import Watched

_LOG = logging.getLogger(__name__)

NAME: Final = "prunella-heartbeat"
_VERSIONS: Final[Watched[str]] = Watched(CONFIG_MAP, wire.Object, lambda stored: stored.metadata.resource_version)
"""Of the ConfigMap only its resourceVersion is of interest."""


class Heartbeat:
    """Beats and looks for its beats. Times are of the event loop's clock, which no step of the wall clock moves."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        telemetry: Telemetry,
        *,
        namespace: str = OPERATOR_NAMESPACE,
        every_seconds: float = 20.0,
        longest_lag_seconds: float = 15.0,
        tempo: Tempo | None = None,
    ) -> None:
        self._api, self._clock, self._telemetry, self._namespace = api, clock, telemetry, namespace
        self._every_seconds, self._longest_lag_seconds = every_seconds, longest_lag_seconds
        self._awaited: tuple[float, int] | None = None
        """When the oldest beat that was not seen yet was written, and the version it made."""
        self._seen: tuple[float, int] | None = None
        """When the newest version was seen, and which."""
        self._lag = 0.0
        self._complained = ""
        self._reflector = Reflector(
            api,
            _VERSIONS,
            Shelf(self._sighted),
            namespace=namespace,
            clock=clock,
            telemetry=telemetry,
            tempo=tempo or Tempo(),
            only_named=NAME,
        )

    def lag_seconds(self) -> float:
        """From the write of a beat to its sight; of one that is not seen yet, from its write to now."""
        if self._awaited is None:
            return self._lag
        return asyncio.get_running_loop().time() - self._awaited[0]

    def lagging(self) -> bool:
        """Whether what is seen is too old to act on. False where no beat could be written: that shows in other ways."""
        return self.lag_seconds() > self._longest_lag_seconds

    async def run(self) -> None:
        """Beat and look until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reflector.run())
            group.create_task(self._beat_for_ever())

    async def _beat_for_ever(self) -> None:
        await self._reflector.listed.wait()
        while True:
            try:
                await self._beat()
                self._complained = ""
            except NotLeading:
                pass  # the election says why, and a process that ends has just given the lease up
            except PrunellaError as error:
                if str(error) != self._complained:
                    self._complained = str(error)
                    _LOG.warning("The heartbeat could not be written", extra={"why": str(error)})
            self._telemetry.gauge("watch_lag_seconds", self.lag_seconds(), kind=CONFIG_MAP.kind)
            await asyncio.sleep(self._every_seconds)

    async def _beat(self) -> None:
        sent = asyncio.get_running_loop().time()
        data = {"beatTime": micro_time(self._clock.now())}
        try:
            answer = await self._api.ask(CONFIG_MAP.call("patch", self._namespace, NAME, body={"data": data}, content_type=MERGE_PATCH))
        except Conflict:
            meta = {"name": NAME, "namespace": self._namespace, "labels": {PART_OF_LABEL: "prunella"}}
            body = {"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind, "metadata": meta, "data": data}
            try:
                answer = await self._api.ask(CONFIG_MAP.call("create", self._namespace, body=body))
            except AlreadyExists:
                return
        except OutcomeUnknown:
            return
        version = answer.object()["metadata"]["resourceVersion"] if answer else ""
        if version.isdecimal():
            self._written(sent, int(version))

    def _written(self, sent: float, version: int) -> None:
        if self._seen is not None and self._seen[1] >= version:
            # The watch was faster than the answer.
            self._note(self._seen[0] - sent)
        elif self._awaited is None:
            self._awaited = (sent, version)

    def _sighted(self, change: Change[str]) -> None:
        if change.after is None or not change.after.isdecimal():
            return
        now = asyncio.get_running_loop().time()
        self._seen = (now, int(change.after))
        if self._awaited is not None and self._seen[1] >= self._awaited[1]:
            sent, self._awaited = self._awaited[0], None
            self._note(now - sent)

    def _note(self, lag: float) -> None:
        self._lag = max(lag, 0.0)
        self._telemetry.gauge("watch_lag_seconds", self._lag, kind=CONFIG_MAP.kind)
