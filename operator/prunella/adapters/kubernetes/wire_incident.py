"""What is read of an Incident that is only kept in brief: the decoder skips its evidence, timeline, decisions and pages.

The rule this module protects: an Incident is ten kilobytes and there are ten thousand of them; what nobody asks for is never made into objects.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .wire import Object, Wire


class Escalation(Wire, frozen=True):
    """status.escalation without the policy's copy."""

    messages: list[dict[str, Any]] | None = None


class Status(msgspec.Struct, rename="camel", frozen=True):
    """status, field by field as it is stored. None where it is not there."""

    phase: Any = None
    priority: Any = None
    cause: Any = None
    times: dict[str, Any] | None = None
    signals: list[dict[str, Any]] | None = None
    remediation_state: Any = None
    observed_generation: Any = None
    last_handled_retry: Any = None
    last_handled_retry_time: Any = None
    merged_into: Any = None
    reporters: Any = None
    parent_ref: Any = None
    impact: Any = None
    episode: Any = None
    target: Any = None
    changes: list[dict[str, Any]] | None = None
    conditions: list[dict[str, Any]] | None = None
    escalation: Escalation = Escalation()


class Incident(Object, frozen=True):
    """An Incident."""

    spec: dict[str, Any] | None = None
    status: Status = Status()
