"""CatalogEntry: whose a service is and how important. The service catalog of the cluster."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Name, WireModel, items
from .common import Condition, LabelSelector, Metadata, NamespacedRef


class Link(WireModel):
    """A place that helps whoever is paged."""

    title: Annotated[str, Field(min_length=1, max_length=253)]
    """What it is, for example Dashboard."""
    url: Annotated[str, Field(min_length=1, max_length=2048, pattern="^https?://")]
    """Where it is; http or https."""


class CatalogEntrySpec(WireModel):
    """Whose the service is and how important."""

    selector: LabelSelector
    """Labels of the workloads of this namespace that belong to the service."""
    team: Name
    """Team that owns the service."""
    tier: Annotated[int, Field(ge=1, le=4)] = 2
    """1 is the most important, 4 the least."""
    escalation_policy_ref: NamespacedRef | None = None
    """Who is told; absent means the namespace's team, then the default."""
    depends_on: Annotated[tuple[NamespacedRef, ...], items(50)] = ()
    """CatalogEntries of the services that this one can't do without. While one of them is down, what fails here is not treated on its own."""
    links: Annotated[tuple[Link, ...], items(20, "title")] = ()
    """Places that help whoever is paged: dashboards, manuals."""


class CatalogEntryStatus(WireModel):
    """Whether the entry can be used."""

    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    """metadata.generation that this status was made from."""
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()
    """Ready says whether the entry is used; if not, the message says what to change."""


class CatalogEntry(WireModel):
    """Whose a service is and how important."""

    metadata: Metadata
    spec: CatalogEntrySpec
    status: CatalogEntryStatus = CatalogEntryStatus()
