"""Effects outside of the cluster: a silence in Alertmanager, a call of somebody's service.

The rule this module protects: nothing out there takes a precondition, so such an effect must be recognised by its intent's id, or it is never
repeated and a person is told that it can't be known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from prunella.api.common import ObjectRef


def _sha256(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence of Alertmanager for one alert, by all of its labels. Its comment bears the intent's id: by it a lost one is found again."""

    action: ClassVar[str] = "Silence"
    target: ObjectRef
    """The workload that the Incident is about."""
    labels: Mapping[str, str]
    """All of them must be equal."""
    start_time: datetime
    end_time: datetime
    comment: str
    """Which Incident it is for; the intent's id is added."""
    does: str
    """What it does, in a sentence for the timeline."""
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps."""
        return dict(self.before)

    @property
    def sha256(self) -> str:
        """Hash of what is asked for."""
        return _sha256(self.labels, self.end_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSilence:
    """The end of the silences that bear an intent's id. Done twice it changes nothing the second time."""

    action: ClassVar[str] = "EndSilence"
    target: ObjectRef
    silenced_by: str
    """Id of the intent that made them."""
    does: str
    """What it does, in a sentence for the timeline."""

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps."""
        return {"silencedBy": self.silenced_by}

    @property
    def sha256(self) -> str:
        """Hash of what identifies the request."""
        return _sha256(self.silenced_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request to a receiver's webhook. Nobody can tell afterwards whether it arrived: without an answer it is Unknown."""

    action: ClassVar[str] = "Call"
    target: ObjectRef
    """The workload that the Incident is about."""
    receiver: str
    """One of the HealingPolicy's receivers."""
    body: Mapping[str, object]
    """What is sent as JSON; the intent's id is added."""
    does: str
    """What it does, in a sentence for the timeline."""

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps."""
        return {"receiver": self.receiver}

    @property
    def sha256(self) -> str:
        """Hash of what is sent."""
        return _sha256(self.receiver, self.body)


Outside = Silence | EndSilence | Call
