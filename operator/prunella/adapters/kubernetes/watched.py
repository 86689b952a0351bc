"""How each watched kind gets from bytes to a value: its resource, its decoder, its translation.

The rule this module protects: one object that can't be read is kept out and told of; it never stops the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
import pydantic

from prunella.api.base import WireModel
from prunella.api.catalog_entry import CatalogEntry
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.workload_record import WorkloadRecord
from prunella.core import facts
from prunella.core.things.autoscaler import AutoscalerFacts

from . import decode, decode_things, resources, wire, wire_incident, wire_pod, wire_things, wire_workload
from .brief import brief
from .resources import Resource
from .shelf import Seen

T = TypeVar("T")
M = TypeVar("M", bound=WireModel)
Page = tuple[list[Seen[T]], str, str]
"""Objects, resourceVersion and continue token."""


class Watched(Generic[T]):
    """One kind: pages and watch lines in, `Seen` objects out."""

    def __init__(
        self, resource: Resource, stored: Any, read: Callable[[Any], T], *, quiet: Callable[[T, T], bool] = lambda _before, _after: False
    ) -> None:
        self.resource = resource
        self.quiet = quiet
        """Whether nobody needs to be told of that change."""
        self._read = read
        self._item = msgspec.json.Decoder(stored)
        self._page = msgspec.json.Decoder(wire.Listed[stored])
        self._event = msgspec.json.Decoder(wire.Event[stored])

    def page(self, raw: bytes) -> Page[T]:
        """A page of a list. Raises msgspec.DecodeError where it isn't one."""
        try:
            listed = self._page.decode(raw)
        except msgspec.ValidationError:
            rough = _ROUGH_PAGE.decode(raw)
            return [self.one(item) for item in rough.items or ()], rough.metadata.resource_version, rough.metadata.continue_
        return [self._seen(item) for item in listed.items or ()], listed.metadata.resource_version, listed.metadata.continue_

    def event(self, line: bytes) -> tuple[str, Seen[T] | wire.Status]:
        """A line of a watch: its type and its object. Raises msgspec.DecodeError where it isn't one."""
        try:
            event = self._event.decode(line)
        except msgspec.ValidationError:
            rough = _ROUGH_EVENT.decode(line)
            if rough.type == "ERROR":
                return rough.type, msgspec.json.decode(rough.object, type=wire.Status)
            return rough.type, self.one(rough.object)
        if event.type == "ERROR":
            return event.type, msgspec.json.decode(_ROUGH_EVENT.decode(line).object, type=wire.Status)
        return event.type, self._seen(event.object)

    def one(self, raw: msgspec.Raw | bytes) -> Seen[T]:
        """One object. Raises msgspec.DecodeError where it isn't one."""
        try:
            return self._seen(self._item.decode(raw))
        except msgspec.ValidationError as error:
            meta = msgspec.json.decode(raw, type=wire.Object).metadata
            return Seen((meta.namespace, meta.name), meta.uid, meta.resource_version, None, str(error))

    def _seen(self, stored: Any) -> Seen[T]:
        meta = msgspec.convert(stored.get("metadata", {}), wire.Meta) if isinstance(stored, dict) else stored.metadata
        key, uid, version = (meta.namespace, meta.name), meta.uid, meta.resource_version
        if not meta.name:
            # A bookmark is an object without a name: only its resourceVersion counts.
            return Seen(key, uid, version, None)
        try:
            return Seen(key, uid, version, self._read(stored))
        except pydantic.ValidationError as error:
            return Seen(key, uid, version, None, _first(error))
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            # Nobody thought of what stands there; that is no reason to stop reading the others.
            return Seen(key, uid, version, None, f"{type(error).__name__}: {error}")


_ROUGH_PAGE: Final = msgspec.json.Decoder(wire.Listed[msgspec.Raw])
_ROUGH_EVENT: Final = msgspec.json.Decoder(wire.Event[msgspec.Raw])


def _first(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    more = error.error_count() - 1
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}{f' (and {more} more)' if more else ''}"


def _own(resource: Resource, model: type[M]) -> Watched[M]:
    return Watched(resource, dict[str, Any], model.read)


def _only_counted(before: Runbook, after: Runbook) -> bool:
    """Whether nothing but Incidents were added up in which the Runbook would have acted: people read that, and nobody decides by it."""
    status = after.status.model_copy(update={"shadow": before.status.shadow})
    metadata = after.metadata.model_copy(update={"resource_version": before.metadata.resource_version})
    return after.model_copy(update={"status": status, "metadata": metadata}) == before


PODS: Final[Watched[facts.Pod]] = Watched(resources.POD, wire_pod.Pod, decode.pod)
DEPLOYMENTS: Final[Watched[facts.Workload]] = Watched(resources.DEPLOYMENT, wire_workload.Workload, decode.deployment)
STATEFUL_SETS: Final[Watched[facts.Workload]] = Watched(resources.STATEFUL_SET, wire_workload.Workload, decode.stateful_set)
DAEMON_SETS: Final[Watched[facts.Workload]] = Watched(resources.DAEMON_SET, wire_workload.Workload, decode.daemon_set)
REPLICA_SETS: Final[Watched[facts.Revision]] = Watched(resources.REPLICA_SET, wire_workload.ReplicaSet, decode.replica_set)
CONTROLLER_REVISIONS: Final[Watched[facts.Revision]] = Watched(
    resources.CONTROLLER_REVISION, wire_workload.ControllerRevision, decode.controller_revision
)
NAMESPACES: Final[Watched[facts.NamespaceFacts]] = Watched(resources.NAMESPACE, wire_things.Space, decode_things.namespace)
AUTOSCALERS: Final[Watched[AutoscalerFacts]] = Watched(resources.AUTOSCALER, wire.Autoscaler, decode.autoscaler)
INCIDENTS: Final = _own(resources.INCIDENT, Incident)
INCIDENTS_IN_BRIEF: Final[Watched[Incident]] = Watched(resources.INCIDENT, wire_incident.Incident, brief)
REMEDIATIONS: Final = _own(resources.REMEDIATION, Remediation)
RUNBOOKS: Final[Watched[Runbook]] = Watched(resources.RUNBOOK, dict[str, Any], Runbook.read, quiet=_only_counted)
HEALING_POLICIES: Final = _own(resources.HEALING_POLICY, HealingPolicy)
ESCALATION_POLICIES: Final = _own(resources.ESCALATION_POLICY, EscalationPolicy)
CATALOG_ENTRIES: Final = _own(resources.CATALOG_ENTRY, CatalogEntry)
WORKLOAD_RECORDS: Final = _own(resources.WORKLOAD_RECORD, WorkloadRecord)

OF_WORKLOAD: Final = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS}
