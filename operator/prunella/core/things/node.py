"""What is kept of a Node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from prunella.api.names import Cause
from prunella.core.facts import WorkloadCondition
from prunella.core.subject import Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Thing):
    """A Node: whether it is Ready, what presses on it, what is wrong with it, and whether it takes pods."""

    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "Node"

    ready: bool = True
    ready_since: datetime | None = None
    """When its Ready condition last changed."""
    ready_reason: str = ""
    ready_message: str = ""
    pressures: tuple[WorkloadCondition, ...] = ()
    """MemoryPressure, DiskPressure and PIDPressure, where they are True."""
    faults: tuple[WorkloadCondition, ...] = ()
    """The faults of kernel, disk, clock and container runtime that node-problem-detector tells of, where they are True."""
    cordoned: bool = False

    @property
    def serves(self) -> bool:
        """Whether it is Ready, nothing presses on it, and nothing is known to be wrong with it."""
        return self.ready and not self.pressures and not self.faults

    def well_after(self, cause: Cause | None) -> bool:
        """Whether it is Ready and nothing presses on it. Faults that it tells of count where they were the cause: they may be weeks old."""
        return self.ready and not self.pressures and not (cause is Cause.NODE_FAULT and self.faults)
