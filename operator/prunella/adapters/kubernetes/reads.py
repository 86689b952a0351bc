"""Quorum reads of foreign objects: what is true now, or `UNKNOWN`.

The rule this module protects: a read that failed is a value that every guard can see; it is never mistaken for "not there".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import msgspec

from prunella.api.common import ObjectRef
from prunella.app.errors import Permanent, PrunellaError
from prunella.core import facts
from prunella.core.facts import UNKNOWN, Look, NamespaceFacts, Pod, Revision, UnknownT, WorkloadFacts
from prunella.core.healing.runbooks.identity import OURSELVES, Actor
from prunella.core.healing.steps.step import Listed
from prunella.core.subject import Thing
from prunella.core.things.tls_secret import TlsSecret, Unread

from . import decode, decode_things, resources, tls_secrets, watched, watched_things, wire_things, wire_workload
from .acting import Acting
from .answers import Answer
from .client import Api
from .resources import WORKLOADS, Call, Resource, resource_named, resource_of
from .watched import Watched

P = ParamSpec("P")
T = TypeVar("T")

_LOG_BYTES: Final = str(256 * 1024)
_READY_SECONDS: Final = 3.0
_MOST_EVENTS: Final = "50"

EventLine = tuple[datetime | None, str, str, str]
"""Last time, type, reason, message."""


def _unknown_when_unanswered(read: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T | UnknownT]]:
    @wraps(read)
    async def asked(*args: P.args, **kwargs: P.kwargs) -> T | UnknownT:
        try:
            return await read(*args, **kwargs)
        except (PrunellaError, msgspec.DecodeError):
            return UNKNOWN

    return asked


class LiveReads:
    """The port `Live`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._acting = Acting(api)

    @_unknown_when_unanswered
    async def raw(self, ref: ObjectRef) -> dict[str, Any] | None:
        """The object as JSON; None where it is gone or another uid bears the name."""
        resource = resource_of(ref)
        if resource is None:
            raise Permanent(f"Prunella does not know the kind {ref.kind} of {ref.api_version}")
        return await fetch(self._api, resource, ref)

    @_unknown_when_unanswered
    async def tls_secret(self, namespace: str, name: str) -> TlsSecret | Unread | None:
        """The times of the certificate in a Secret; None where it is not there."""
        return await tls_secrets.read(self._api, namespace, name)

    @_unknown_when_unanswered
    async def listed(self, wanted: Listed) -> tuple[dict[str, Any], ...]:
        """Every object of a kind in a namespace, as JSON with apiVersion and kind. UNKNOWN where the cluster does not serve the kind."""
        resource = resource_named(wanted.api_version, wanted.kind)
        if resource is None:
            raise Permanent(f"Prunella does not know the kind {wanted.kind} of {wanted.api_version}")
        if wanted.name:
            answer = await self._api.ask(resource.call("get", wanted.namespace, wanted.name))
            return (answer.object(),) if answer is not None else ()
        found: list[dict[str, Any]] = []
        token, query = "", {"limit": "500", **_only(wanted)}
        while True:
            answer = await self._api.ask(resource.call("list", wanted.namespace, query={**query, **({"continue": token} if token else {})}))
            if answer is None:
                raise Permanent(f"The API server does not serve {resource.words}")
            body = answer.object()
            found += [{"apiVersion": wanted.api_version, "kind": wanted.kind, **one} for one in body.get("items") or ()]
            token = body.get("metadata", {}).get("continue") or ""
            if not token:
                return tuple(found)

    @_unknown_when_unanswered
    async def workload(self, ref: ObjectRef) -> WorkloadFacts | None:
        """The workload with its revisions, newest first, and its pods."""
        seen = await self._workload(ref)
        return seen[1] if seen else None

    @_unknown_when_unanswered
    async def look(self, ref: ObjectRef) -> Look | None:
        """A workload, the same, or a thing without what belongs to it, each with its JSON: one answer, decoded twice."""
        if ref.kind in watched_things.OF_THING:
            return await self._thing(ref, watched_things.OF_THING[ref.kind])
        seen = await self._workload(ref)
        return Look(facts=seen[1], raw=seen[0].object()) if seen else None

    async def _thing(self, ref: ObjectRef, kind: Watched[Thing]) -> Look | None:
        answer = await self._api.ask(kind.resource.call("get", ref.namespace, ref.name))
        if answer is None:
            return None
        seen = kind.one(answer.raw)
        if seen.value is None:
            raise Permanent(f"{ref.kind} {ref.name} can't be read: {seen.why}")
        return Look(facts=seen.value, raw=answer.object()) if ref.uid in {None, seen.uid} else None

    async def _workload(self, ref: ObjectRef) -> tuple[Answer, WorkloadFacts] | None:
        answer = await self._api.ask(WORKLOADS[ref.kind].call("get", ref.namespace, ref.name)) if ref.kind in WORKLOADS else None
        if answer is None:
            return None
        stored = msgspec.json.decode(answer.raw, type=wire_workload.Workload)
        if ref.uid and stored.metadata.uid != ref.uid:
            return None
        query = {"labelSelector": selector_text(stored.spec.selector)}
        history = watched.REPLICA_SETS if ref.kind == "Deployment" else watched.CONTROLLER_REVISIONS
        revisions, pods = await asyncio.gather(self._list(history, ref.namespace, query), self._list(watched.PODS, ref.namespace, query))
        return answer, family(_OF_WORKLOAD[ref.kind](stored), revisions, pods)

    @_unknown_when_unanswered
    async def template(self, kind: str, revision: Revision) -> dict[str, Any] | None:
        """The pod template of a revision as it would stand in its workload; None where the revision is gone."""
        resource = resources.REPLICA_SET if kind == "Deployment" else resources.CONTROLLER_REVISION
        ref = ObjectRef(api_version=resource.api_version, kind=resource.kind, namespace=revision.namespace, name=revision.name, uid=revision.uid)
        stored = await fetch(self._api, resource, ref)
        if stored is None:
            return None
        return template_of(kind, stored)

    @_unknown_when_unanswered
    async def namespace(self, name: str) -> NamespaceFacts | None:
        """Labels of a namespace."""
        answer = await self._api.ask(resources.NAMESPACE.call("get", None, name))
        return decode_things.namespace(msgspec.json.decode(answer.raw, type=wire_things.Space)) if answer else None

    @_unknown_when_unanswered
    async def log_tail(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> str:
        """The last lines of a container's log, at most 256 KiB of them."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": _LOG_BYTES, "previous": str(previous).lower()}
        answer = await self._api.ask(resources.POD.call("get", namespace, pod, "log", query=query))
        if answer is None:
            raise Permanent(f"Pod {namespace}/{pod} is gone, and its log with it")
        return answer.text()

    @_unknown_when_unanswered
    async def events_of(self, namespace: str, uids: Iterable[str]) -> Sequence[EventLine]:
        """Events of these objects, oldest first: at most 50 of each."""
        calls = [resources.EVENT.call("list", namespace, query={"fieldSelector": f"involvedObject.uid={uid}", "limit": _MOST_EVENTS}) for uid in uids]
        answers = await asyncio.gather(*(self._needed(call) for call in calls))
        lines = [_event_line(event) for answer in answers for event in answer.object().get("items") or ()]
        return sorted(lines, key=lambda line: (line[0] is not None, line[0]))

    @_unknown_when_unanswered
    async def may(
        self, verb: str, group: str, resource: str, namespace: str, name: str = "", subresource: str = "", *, acting: Actor = OURSELVES
    ) -> bool:
        """Whether whoever acts may do it, by the API server's authorizers."""
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name, "subresource": subresource}
        body = {
            "apiVersion": resources.ACCESS_REVIEW.api_version,
            "kind": resources.ACCESS_REVIEW.kind,
            "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
        }
        call = resources.ACCESS_REVIEW.call("create", body=body)
        answer = await self._acting.review(call, acting)
        return answer is not None and answer.object().get("status", {}).get("allowed") is True

    async def healthy(self) -> bool:
        """Whether the API server says within 3 s that it is ready."""
        try:
            answer = await self._api.send(Call(verb="get", path="/readyz", timeout=_READY_SECONDS))
        except PrunellaError:
            return False
        return answer.good

    async def _list(self, kind: Watched[T], namespace: str | None, query: Mapping[str, str]) -> list[T]:
        answer = await self._needed(kind.resource.call("list", namespace, query=query))
        page, _version, _token = kind.page(answer.raw)
        unread = next((seen for seen in page if seen.value is None), None)
        if unread is not None:
            raise Permanent(f"{kind.resource.kind} {'/'.join(unread.key)} can't be read: {unread.why}")
        return [seen.value for seen in page if seen.value is not None]

    async def _needed(self, call: Call) -> Answer:
        answer = await self._api.ask(call)
        if answer is None:
            raise Permanent(f"The API server does not know how to {call.words}")
        return answer


_OF_WORKLOAD: Final[Mapping[str, Callable[[wire_workload.Workload], facts.Workload]]] = {
    "Deployment": decode.deployment,
    "StatefulSet": decode.stateful_set,
    "DaemonSet": decode.daemon_set,
}


def _only(wanted: Listed) -> dict[str, str]:
    """The selectors of what is wanted, as the query wants them."""
    label = {"labelSelector": f"{wanted.label}=true"} if wanted.label else {}
    return label | ({"fieldSelector": f"spec.nodeName={wanted.node}"} if wanted.node else {})


async def fetch(api: Api, resource: Resource, ref: ObjectRef) -> dict[str, Any] | None:
    """One object as JSON, with apiVersion and kind; None on 404 or another uid. Raises Retryable and Permanent."""
    answer = await api.ask(resource.call("get", ref.namespace, ref.name))
    stored = answer.object() if answer else None
    if stored is None or (ref.uid and stored["metadata"]["uid"] != ref.uid):
        return None
    return stored


def selector_text(selector: wire_workload.Selector) -> str:
    """A label selector as the query wants it."""
    parts = [f"{key}={value}" for key, value in (selector.match_labels or {}).items()]
    for requirement in selector.match_expressions or ():
        values = ",".join(requirement.values or ())
        match requirement.operator:
            case "In":
                parts.append(f"{requirement.key} in ({values})")
            case "NotIn":
                parts.append(f"{requirement.key} notin ({values})")
            case "Exists":
                parts.append(requirement.key)
            case _:
                parts.append(f"!{requirement.key}")
    return ",".join(parts)


def template_of(kind: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The pod template that a ReplicaSet or ControllerRevision keeps, as it would stand in the workload. Raises KeyError where it keeps none."""
    template: dict[str, Any] = dict((stored if kind == "Deployment" else stored["data"])["spec"]["template"])
    template.pop("$patch", None)
    labels = template.get("metadata", {}).get("labels", {})
    if kind == "Deployment" and decode.REPLICA_SET_HASH in labels:
        kept = {key: value for key, value in labels.items() if key != decode.REPLICA_SET_HASH}
        template["metadata"] = {**template["metadata"], "labels": kept}
    return template


def family(workload: facts.Workload, revisions: list[Revision], pods: list[Pod]) -> WorkloadFacts:
    """A workload with those of the revisions and pods that are its own, by their controllers' uids."""
    own = [revision for revision in revisions if revision.owner_uid == workload.uid]
    parents = {revision.uid for revision in own} if workload.kind == "Deployment" else {workload.uid}
    kin = sorted((pod for pod in pods if pod.owner_uid in parents), key=lambda pod: pod.name)
    return WorkloadFacts(workload=workload, revisions=decode.newest_first(own), pods=tuple(kin))


def _event_line(event: Mapping[str, Any]) -> EventLine:
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    time = datetime.fromisoformat(last) if last else None
    return time, event.get("type") or "", event.get("reason") or "", event.get("message") or ""
