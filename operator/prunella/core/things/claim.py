"""A PersistentVolumeClaim, as far as its state decides something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prunella.core import quantity
from prunella.core.subject import Thing

from .complaint import Complaint


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Thing):
    """A PersistentVolumeClaim, with what was said about it."""

    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "PersistentVolumeClaim"

    phase: str = ""
    storage_class: str = ""
    volume: str = ""
    wants: str = ""
    """How much storage it asks for, and how much it has."""
    has: str = ""
    complaints: tuple[Complaint, ...] = ()

    @property
    def served(self) -> bool:
        """Whether it has a volume, and all that it asks for."""
        wants, has = quantity.read(self.wants), quantity.read(self.has)
        return self.phase == "Bound" and wants is not None and has is not None and has >= wants
