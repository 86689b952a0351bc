"""The part of an Incident's status that says what else happened: what changed shortly before the fault."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Instant, Sentence, WireModel


class Change(WireModel):
    """Something that changed, or broke, shortly before the fault."""

    time: Instant
    """When it changed."""
    namespace: Annotated[str, Field(max_length=63)] | None = None
    """Namespace of what changed."""
    target: Annotated[str, Field(max_length=317)]
    """Kind and name of what changed, for example 'deploy/checkout'."""
    message: Sentence
    """What changed, with before and after where they are known."""
    revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that it brought to the Incident's own target."""
    suspected: Sentence | None = None
    """Why it is the suspect; absent where it is not."""
