"""A Service that served and has no ready endpoint any more.

The rule this module protects: a Service that never served is somebody's work in progress, and one whose workloads were all scaled to zero has nothing
to send traffic to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from prunella.core.subject import Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Thing):
    """A Service, with what its EndpointSlices and workloads add up to."""

    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "Service"

    selector: Mapping[str, str] = field(default_factory=dict)
    """Empty where nothing is selected: for an ExternalName, or endpoints that somebody writes."""
    ready_endpoints: int = 0
    other_endpoints: int = 0
    """Those that are not ready."""
    scaled_to_zero: bool = False
    """Whether there are workloads that it selects for sure, and none of them wants a pod."""

    def routes_to(self, selector: Mapping[str, str]) -> bool:
        """Whether a workload with that selector has all that the Service asks for: its pods bear those labels for sure."""
        return bool(self.selector) and self.selector.items() <= selector.items()
