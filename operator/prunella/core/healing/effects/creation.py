"""Create: an object that was not there, and Unmake: it goes again.

The rule this module protects: the same intent asks for the same name, so a second request meets what the first one made, and knows it by its stamp.
What goes again is that very object, by its uid, and no other one of its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from prunella.api.common import ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A new object, stamped with the intent's id."""

    action: ClassVar[str] = "Create"
    target: ObjectRef
    """Its place and name; it has no uid yet."""
    manifest: Mapping[str, object]
    """All of it but the stamp."""
    does: str
    """What it does, in a sentence for the timeline."""
    before: Mapping[str, str] = field(default_factory=dict)
    confidential: bool = False
    """Whether what it holds may be a secret: not even a hash of it is kept."""

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps."""
        return dict(self.before)

    @property
    def sha256(self) -> str:
        """Hash of what is made; empty where it is confidential."""
        if self.confidential:
            return ""
        return hashlib.sha256(json.dumps(self.manifest, sort_keys=True, default=dict).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmake:
    """Deletion of an object that an intent made, with its uid as precondition. Its state may have moved since: that is no hindrance."""

    action: ClassVar[str] = "Unmake"
    target: ObjectRef
    does: str
    """What it does, in a sentence for the timeline."""
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps."""
        return dict(self.before)

    @property
    def sha256(self) -> str:
        """Hash of what identifies the request."""
        return hashlib.sha256(f"unmake/{self.target.uid}".encode()).hexdigest()
