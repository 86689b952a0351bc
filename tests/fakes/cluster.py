"""A cluster in memory: workloads whose controllers react at once, kubelets whose crashes follow the clock, and effects that really change them.

Pods of a template whose image is in `bad` crash as the kubelet lets them: 1 s after each start, with its back-off in between.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from prunella.api.common import ObjectRef
from prunella.app.errors import OutcomeUnknown, Retryable
from prunella.core.facts import (
    UNKNOWN,
    Container,
    Look,
    NamespaceFacts,
    Pod,
    Revision,
    Termination,
    UnknownT,
    Workload,
    WorkloadCondition,
    WorkloadFacts,
)
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.effects.effect import (
    GOES,
    PATH_KEY,
    TEMPLATE,
    WROTE_KEY,
    Applied,
    DeletePod,
    DryRun,
    Effect,
    Evict,
    NotApplied,
    Patch,
    Settled,
    annotated,
    guarded_sha256,
    part_of,
)
from prunella.core.healing.runbooks.identity import OURSELVES, Account, Actor
from prunella.core.healing.runs import overridden
from prunella.core.healing.steps.hand_back import GUARDED_PATH as OWNERSHIP
from prunella.core.healing.steps.hand_back import hand_back
from prunella.core.healing.steps.step import Listed
from prunella.core.subject import Owner, Place, Thing, place
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.node import Node
from prunella.core.things.tls_secret import TlsSecret, Unread

from .clock import ManualClock
from .pointer import TestFailedError, patched

STARTS = (0.0, 2.0, 13.0, 34.0, 75.0, 156.0, 317.0, 618.0)
"""Ages of a crashing pod at which its container is started; each run takes a second."""
INTENT = "prunella.dev/intent-id"


@dataclass
class FakePod:
    """One pod: which revision it runs, since when."""

    name: str
    uid: str
    revision: str
    created: datetime
    bad: bool
    version: int = 1
    node: str = "node-1"
    image: str = ""
    unpulled: str = ""
    """Why its image can't be pulled; such a pod is bad, and never starts."""
    to_be_gone: datetime | None = None
    """When it is to be gone, where somebody deletes it; it stays all the same."""

    def facts(self, owner: FakeWorkload, now: datetime) -> Pod:
        age = (now - self.created).total_seconds()
        shown = (
            self._pulling()
            if self.unpulled
            else self._crashing(age)
            if self.bad
            else Container(name="app", ready=age >= 1, running_since=self.created)
        )
        owner_uid = f"rs-{owner.uid}-{self.revision}" if owner.kind == "Deployment" else owner.uid
        return Pod(
            namespace=owner.namespace,
            name=self.name,
            uid=self.uid,
            resource_version=str(self.version),
            owner_uid=owner_uid,
            owner_kind="ReplicaSet" if owner.kind == "Deployment" else owner.kind,
            owner_name=owner.name,
            revision=self.revision,
            phase="Running",
            ready=not self.bad and age >= 1,
            ready_since=self.created + timedelta(seconds=0 if self.bad else 1),
            created_time=self.created,
            deleting=self.to_be_gone is not None,
            deletion_time=self.to_be_gone,
            node=self.node,
            containers=(shown,),
        )

    def _pulling(self) -> Container:
        return Container(name="app", image=self.image, waiting_reason="ImagePullBackOff", waiting_message=self.unpulled)

    def _crashing(self, age: float) -> Container:
        started = [start for start in STARTS if start <= age]
        ended = [start + 1 for start in STARTS if start + 1 <= age]
        last = self._end(ended[-1]) if ended else None
        if not ended or len(started) > len(ended):
            return Container(name="app", restarts=len(started) - 1, running_since=self.created + timedelta(seconds=started[-1]), last_terminated=last)
        return Container(name="app", restarts=len(started) - 1, waiting_reason="CrashLoopBackOff", last_terminated=last)

    def _end(self, age: float) -> Termination:
        finished = self.created + timedelta(seconds=age)
        return Termination(exit_code=1, reason="Error", started_time=finished - timedelta(seconds=1), finished_time=finished)


@dataclass
class FakeWorkload:
    """A Deployment, StatefulSet or DaemonSet with its revisions (newest first), their templates and its pods."""

    kind: str
    namespace: str
    name: str
    uid: str
    raw: dict[str, Any]
    created: datetime
    revisions: list[tuple[Revision, dict[str, Any]]] = field(default_factory=list)
    pods: list[FakePod] = field(default_factory=list)
    lagging: bool = False
    """Whether the controller has not seen the newest template yet."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of Workload that a test sets."""
    references: frozenset[str] = frozenset()
    """What every revision of it takes its configuration from."""

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(api_version="apps/v1", kind=self.kind, namespace=self.namespace, name=self.name, uid=self.uid)

    @property
    def template(self) -> dict[str, Any]:
        template: dict[str, Any] = self.raw["spec"]["template"]
        return template

    @property
    def annotations(self) -> dict[str, str]:
        return self.raw["metadata"].get("annotations") or {}


def _cleaned_up(pod: Pod) -> Pod:
    return replace(pod, containers=tuple(replace(one, last_terminated=None) if one.running_since else one for one in pod.containers))


def template_of(image: str, **metadata: Any) -> dict[str, Any]:
    """A pod template with one container."""
    return {"metadata": {"labels": {"app": "checkout"}, **metadata}, "spec": {"containers": [{"name": "app", "image": image}]}}


@dataclass
class FakeCluster:
    """Foreign objects. Implements the ports `Live` and `Executor`."""

    clock: ManualClock
    bad: set[str] = field(default_factory=set)
    registries: dict[str, str] = field(default_factory=dict)
    """By host, what a registry says that does not serve."""
    heals: bool = True
    """Whether pods of good images come up."""
    cleaned_up: bool = False
    """Whether the kubelet has cleaned up how containers ended that run again."""
    workloads: dict[tuple[str, str, str], FakeWorkload] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    autoscalers: list[AutoscalerFacts] = field(default_factory=list)
    others: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    ours: Callable[[str, str], Iterable[dict[str, Any]]] = field(default=lambda _kind, _namespace: ())
    """Objects of our own kinds in a namespace, as JSON."""
    """Objects of other kinds, as JSON, by kind, namespace and name."""
    things: dict[Place, Thing] = field(default_factory=dict)
    """Objects that are no workloads, as the watches show them; a read finds them while they are there."""
    tls_secrets: dict[tuple[str, str], TlsSecret | Unread] = field(default_factory=dict)
    """By namespace and name, what a read of a TLS Secret gives."""
    secrets_read: list[tuple[str, str]] = field(default_factory=list)
    """Each read of one."""
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    """Verb and resource that access reviews deny, and that effects are refused for."""
    unreadable: bool = False
    """Whether live reads fail."""
    well: bool = True
    """Whether the API server is healthy."""
    dry_run_error: str = ""
    dry_run_diff: str = "-image: new\n+image: old"
    logs: str | UnknownT = "FATAL: unknown flag --cache-size"
    gate: Callable[[str, str], None] = field(default=lambda _when, _intent: None)
    """Called with 'before' or 'after' and the intent's id around every effect."""
    lost_nodes: set[str] = field(default_factory=set)
    """Nodes whose pods are not ready any more, and stay as they are."""
    budgets_full: bool = False
    """Whether a disruption budget has no room for any eviction."""
    lost_before: int = 0
    """So many effects are sent and never arrive."""
    lost_after: int = 0
    """So many effects arrive and their answer is lost."""
    effects: list[tuple[str, Effect]] = field(default_factory=list)
    """What was really done, by intent."""
    lent: set[str] | None = None
    """Users that the operator may impersonate; None: all."""
    poor: set[tuple[str, str, str]] = field(default_factory=set)
    """User, verb and resource that access reviews deny to an account, and that its effects are refused for."""
    acted: list[Actor] = field(default_factory=list)
    """As whom everything was sent that changes something, or would: effects, hand-backs and dry runs, in order."""
    hand_backs: int = 0
    effects_elsewhere: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    dry_runs: int = 0
    changed: Callable[[FakeWorkload], None] = field(default=lambda _one: None)
    touched: Callable[[Place], None] = field(default=lambda _place: None)
    """Told which thing changed."""
    number: int = 0

    # what people and controllers do

    def put(self, thing: Thing) -> None:
        """Make a thing, or change it."""
        where = place(thing.ref, thing.namespace)
        self.things[where] = thing
        if isinstance(thing, Node):
            taints = self.others[where]["spec"].get("taints") if where in self.others else None
            self.others[where] = _raw_node(thing)
            self.others[where]["spec"] |= {"taints": taints} if taints else {}
        self.touched(where)

    def drop(self, thing: Thing) -> None:
        """Delete it."""
        where = place(thing.ref, thing.namespace)
        del self.things[where]
        self.touched(where)

    def namespace_of(self, name: str, **labels: str) -> None:
        self.namespaces[name] = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}

    def create(
        self,
        name: str = "checkout",
        kind: str = "Deployment",
        namespace: str = "shop",
        *,
        image: str = "shop/app:1",
        replicas: int = 3,
        age: float = 86_400.0,
    ) -> FakeWorkload:
        """A workload that has been healthy since so many seconds."""
        self.number += 1
        uid = f"w-{self.number}"
        created = self.clock.now() - timedelta(seconds=age)
        meta = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": "1", "generation": 1, "annotations": {}, "managedFields": []}
        raw = {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": {"replicas": replicas, "template": template_of(image)}}
        made = FakeWorkload(kind=kind, namespace=namespace, name=name, uid=uid, raw=raw, created=created)
        self.workloads[kind, namespace, name] = made
        self._revise(made, created)
        made.pods = [self._pod(made, index, created) for index in range(replicas)]
        self.changed(made)
        return made

    def set_image(self, one: FakeWorkload, image: str) -> None:
        """A person rolls out another image."""
        one.raw["spec"]["template"] = template_of(image)
        self._bump(one)
        self._react(one)

    def serve(self, host: str) -> None:
        """The registry is back, and what waited for it is pulled."""
        del self.registries[host]
        for one in self.workloads.values():
            for pod in one.pods:
                if pod.unpulled and pod.image.startswith(f"{host}/"):
                    pod.unpulled, pod.bad, pod.created = "", False, self.clock.now()
            self._react(one)

    def touch(self, one: FakeWorkload, **changes: Any) -> None:
        one.changes |= changes
        self.changed(one)

    def remove(self, one: FakeWorkload) -> None:
        del self.workloads[one.kind, one.namespace, one.name]
        self.changed(one)

    def next_change(self) -> datetime | None:
        """When a pod changes by itself next."""
        now = self.clock.now()
        ages = sorted({*STARTS, *(start + 1 for start in STARTS)})
        known = [pod.created + timedelta(seconds=age) for one in self.workloads.values() for pod in one.pods for age in (ages if pod.bad else (1.0,))]
        return min((time for time in known if time > now), default=None)

    def facts(self, one: FakeWorkload) -> WorkloadFacts:
        now = self.clock.now()
        pods = tuple(pod.facts(one, now) for pod in one.pods)
        pods = tuple(replace(pod, ready=False, ready_since=now) if pod.node in self.lost_nodes else pod for pod in pods)
        pods = tuple(_cleaned_up(pod) for pod in pods) if self.cleaned_up else pods
        newest = one.revisions[0][0]
        replicas = one.raw["spec"]["replicas"]
        updated = [pod for pod in pods if pod.revision == newest.hash]
        ready = sum(pod.ready for pod in pods)
        complete = len(updated) == replicas and ready == replicas and len(pods) == replicas
        generation = one.raw["metadata"]["generation"]
        given: dict[str, Any] = {
            "resource_version": one.raw["metadata"]["resourceVersion"],
            "generation": generation,
            "observed_generation": generation - 1 if one.lagging else generation,
            "created_time": one.created,
            "desired": replicas,
            "paused": one.raw["spec"].get("paused", False),
            "updated": len(updated),
            "ready": ready,
            "available": ready,
            "labels": {"app": one.name},
            "annotations": {key: value for key, value in one.annotations.items() if key.startswith("prunella.dev/")},
            "strategy": "RollingUpdate",
            **self._by_kind(one, newest, complete=complete),
        }
        workload = Workload(kind=one.kind, namespace=one.namespace, name=one.name, uid=one.uid, **(given | one.changes))
        return WorkloadFacts(workload=workload, revisions=tuple(self._counted(one, revision) for revision, _ in one.revisions), pods=pods)

    def _by_kind(self, one: FakeWorkload, newest: Revision, *, complete: bool) -> dict[str, Any]:
        if one.kind == "StatefulSet":
            older = next((pod.revision for pod in one.pods if pod.revision != newest.hash), newest.hash)
            return {"pod_management": "OrderedReady", "update_revision": newest.hash, "current_revision": newest.hash if complete else older}
        if one.kind == "DaemonSet":
            return {}
        reason = "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated"
        return {"conditions": (WorkloadCondition(type="Progressing", status="True", reason=reason, last_update_time=newest.created_time),)}

    def _counted(self, one: FakeWorkload, revision: Revision) -> Revision:
        count = sum(pod.revision == revision.hash for pod in one.pods) if one.kind == "Deployment" else 0
        return Revision(
            namespace=one.namespace,
            name=revision.name,
            uid=revision.uid,
            owner_uid=one.uid,
            hash=revision.hash,
            number=revision.number,
            created_time=revision.created_time,
            replicas=count,
            images=revision.images,
            references=one.references,
        )

    def _revise(self, one: FakeWorkload, created: datetime) -> None:
        """The template's revision becomes the newest one, made anew or found again."""
        template = copy.deepcopy(one.template)
        number = max((revision.number for revision, _ in one.revisions), default=0) + 1
        same = next((entry for entry in one.revisions if entry[1] == template), None)
        if same is not None:
            one.revisions.remove(same)
            old = same[0]
        else:
            hash_ = f"h{number}" if one.kind != "StatefulSet" else f"{one.name}-h{number}"
            name = f"{one.name}-h{number}"
            old = Revision(
                namespace=one.namespace, name=name, uid=f"rs-{one.uid}-{hash_}", owner_uid=one.uid, hash=hash_, number=number, created_time=created
            )
        image = template["spec"]["containers"][0]["image"]
        newest = Revision(
            namespace=one.namespace,
            name=old.name,
            uid=old.uid,
            owner_uid=one.uid,
            hash=old.hash,
            number=number,
            created_time=old.created_time,
            images=(image,),
        )
        one.revisions.insert(0, (newest, template))

    def _pod(self, one: FakeWorkload, index: int, created: datetime) -> FakePod:
        self.number += 1
        newest = one.revisions[0][0]
        name = f"{one.name}-{index}" if one.kind == "StatefulSet" else f"{one.name}-{newest.hash}-{self.number}"
        image = one.template["spec"]["containers"][0]["image"]
        return FakePod(
            name=name,
            uid=f"p-{self.number}",
            revision=newest.hash,
            created=created,
            bad=self._fails(image) or not self.heals,
            image=image,
            unpulled=self._unpulled(image),
        )

    def _unpulled(self, image: str) -> str:
        return self.registries.get(image.partition("/")[0], "")

    def _fails(self, image: str) -> bool:
        return image in self.bad or bool(self._unpulled(image))

    def _react(self, one: FakeWorkload) -> None:
        """The controller: a bad template gets one pod, a good one all."""
        if one.lagging or one.raw["spec"].get("paused"):
            self.changed(one)
            return
        now, replicas = self.clock.now(), one.raw["spec"]["replicas"]
        if one.revisions[0][1] != one.template:
            self._revise(one, now)
        newest = one.revisions[0][0].hash
        if one.kind == "StatefulSet":
            self._react_in_order(one, newest, now)
        elif self._fails(one.template["spec"]["containers"][0]["image"]):
            one.pods = [pod for pod in one.pods if not pod.bad]
            if one.kind == "DaemonSet":
                one.pods = one.pods[1:]
            one.pods.append(self._pod(one, 0, now))
        else:
            kept = [pod for pod in one.pods if pod.revision == newest and not pod.bad][:replicas]
            one.pods = [*kept, *(self._pod(one, index, now) for index in range(len(kept), replicas))]
        self.changed(one)

    def _react_in_order(self, one: FakeWorkload, newest: str, now: datetime) -> None:
        """OrderedReady: from the highest ordinal down, and never past a pod that is not ready: a broken one is waited for, for ever."""
        replicas = one.raw["spec"]["replicas"]
        by_ordinal = {int(pod.name.rsplit("-", 1)[-1]): pod for pod in one.pods}
        for ordinal in range(replicas):
            if ordinal not in by_ordinal:
                by_ordinal[ordinal] = self._pod(one, ordinal, now)
        for ordinal in reversed(range(replicas)):
            if by_ordinal[ordinal].revision != newest and not by_ordinal[ordinal].bad:
                by_ordinal[ordinal] = self._pod(one, ordinal, now)
            if by_ordinal[ordinal].bad:
                break
        one.pods = [by_ordinal[ordinal] for ordinal in sorted(by_ordinal)]

    def _bump(self, one: FakeWorkload) -> None:
        meta = one.raw["metadata"]
        meta["generation"] += 1
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)

    # the port Live

    async def raw(self, ref: ObjectRef) -> dict[str, Any] | UnknownT | None:
        if self.unreadable:
            return UNKNOWN
        one = self._find(ref)
        found = one.raw if one is not None else self._other(ref)
        return copy.deepcopy(found) if found is not None else None

    async def tls_secret(self, namespace: str, name: str) -> TlsSecret | Unread | UnknownT | None:
        self.secrets_read.append((namespace, name))
        return UNKNOWN if self.unreadable else self.tls_secrets.get((namespace, name))

    async def listed(self, wanted: Listed) -> tuple[dict[str, Any], ...] | UnknownT:
        if self.unreadable:
            return UNKNOWN
        workloads = {where: one.raw for where, one in self.workloads.items()}
        ours = {(wanted.kind, wanted.namespace, raw["metadata"]["name"]): raw for raw in self.ours(wanted.kind, wanted.namespace)}
        return tuple(
            copy.deepcopy(raw)
            for (kind, space, name), raw in (self.others | workloads | ours).items()
            if kind == wanted.kind
            and wanted.namespace in {"", space}
            and wanted.name in {"", name}
            and (not wanted.label or (raw["metadata"].get("labels") or {}).get(wanted.label) == "true")
            and wanted.node in {"", raw.get("spec", {}).get("nodeName")}
        )

    async def workload(self, ref: ObjectRef) -> WorkloadFacts | UnknownT | None:
        if self.unreadable:
            return UNKNOWN
        one = self._find(ref)
        return self.facts(one) if one is not None else None

    async def look(self, ref: ObjectRef) -> Look | UnknownT | None:
        thing, raw = self.things.get(place(ref, ref.namespace or "")), self._other(ref)
        if thing is not None and raw is not None and not self.unreadable:
            return Look(facts=thing, raw=copy.deepcopy(raw))
        facts = await self.workload(ref)
        if not isinstance(facts, WorkloadFacts):
            return facts
        one = self._find(ref)
        return Look(facts=facts, raw=copy.deepcopy(one.raw)) if one is not None else None

    async def template(self, kind: str, revision: Revision) -> dict[str, Any] | UnknownT | None:
        if self.unreadable:
            return UNKNOWN
        for one in self.workloads.values():
            for stored, template in one.revisions:
                if (one.kind, stored.uid) == (kind, revision.uid):
                    return copy.deepcopy(template)
        return None

    async def namespace(self, name: str) -> NamespaceFacts | UnknownT | None:
        if self.unreadable:
            return UNKNOWN
        return NamespaceFacts(name=name, labels=self.namespaces[name]) if name in self.namespaces else None

    async def log_tail(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> str | UnknownT:
        return self.logs

    async def events_of(self, namespace: str, uids: Iterable[str]) -> Sequence[tuple[datetime | None, str, str, str]] | UnknownT:
        return [(self.clock.now(), "Warning", "BackOff", "Back-off restarting failed container")]

    async def may(
        self, verb: str, group: str, resource: str, namespace: str, name: str = "", subresource: str = "", *, acting: Actor = OURSELVES
    ) -> bool | UnknownT:
        if self.unreadable:
            return UNKNOWN
        if resource == "serviceaccounts":
            return self._lent(Account(namespace, name))
        if isinstance(acting, Account):
            return (acting.user, verb, resource) not in self.poor if self._lent(acting) else UNKNOWN
        self.asked.append((verb, resource))
        return (verb, resource) not in self.forbidden

    def _lent(self, account: Account) -> bool:
        return self.lent is None or account.user in self.lent

    async def healthy(self) -> bool:
        return self.well

    # the port Executor

    async def apply(self, effect: Effect, intent_id: str, acting: Actor) -> Applied | NotApplied:
        self.acted.append(acting)
        if isinstance(acting, Account) and not (self._lent(acting) and effect.target.namespace == acting.namespace):
            return NotApplied(reason="MissingPermission", message=f"{acting.user} can't be asked for that")
        if isinstance(effect, Patch) and effect.guarded_path == OWNERSHIP:
            return self._handed_back(effect, intent_id)
        self.gate("before", intent_id)
        if self.lost_before:
            self.lost_before -= 1
            raise OutcomeUnknown("the request was sent and no answer came")
        answer = self._do(effect, intent_id, acting)
        if isinstance(answer, Applied):
            self.effects.append((intent_id, effect))
        self.gate("after", intent_id)
        if self.lost_after:
            self.lost_after -= 1
            raise OutcomeUnknown("the request was sent and no answer came")
        return answer

    async def dry_run(self, effect: Effect, acting: Actor) -> DryRun | UnknownT:
        self.acted.append(acting)
        self.dry_runs += 1
        if self.unreadable:
            return UNKNOWN
        if isinstance(effect, Evict) and self.budgets_full:
            return DryRun(accepted=True, waits=True, message="needs 3 healthy pods")
        return DryRun(accepted=not self.dry_run_error, message=self.dry_run_error, diff=self.dry_run_diff)

    async def settle(self, effect_target: ObjectRef, intent_id: str, before: Mapping[str, str], action: str) -> Settled | UnknownT:
        if self.unreadable:
            return UNKNOWN
        if action == Create.action:
            there = self._other(effect_target)
            return (
                Settled.NOT_APPLIED
                if there is None
                else Settled.APPLIED
                if there["metadata"]["annotations"][INTENT] == intent_id
                else Settled.CHANGED
            )
        if action in GOES:
            there = self._find_pod(effect_target) is not None or self._other(effect_target) is not None
            return Settled.NOT_APPLIED if there else Settled.APPLIED
        raw = await self.raw(effect_target)
        if not isinstance(raw, dict):
            return Settled.GONE
        if (raw["metadata"].get("annotations") or {}).get(INTENT) == intent_id:
            return Settled.APPLIED
        judged = part_of(raw, before.get(PATH_KEY, TEMPLATE))
        if guarded_sha256(judged) == before.get(WROTE_KEY):
            return Settled.APPLIED
        return Settled.NOT_APPLIED if guarded_sha256(judged) == before.get("guardedSha256") else Settled.CHANGED

    def _do(self, effect: Effect, intent_id: str, acting: Actor = OURSELVES) -> Applied | NotApplied:
        verb, resource = (
            "patch",
            {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}.get(effect.target.kind, ""),
        )
        if isinstance(effect, DeletePod):
            verb, resource = "delete", "pods"
        if isinstance(effect, Evict):
            verb, resource = "create", "pods/eviction"
        if isinstance(effect, Create):
            verb, resource = "create", "jobs"
        if isinstance(acting, Account) and (acting.user, verb, resource) in self.poor:
            return NotApplied(reason="MissingPermission", message=f"{acting.user} may not {verb} {resource} in {effect.target.namespace}")
        if not isinstance(acting, Account) and (verb, resource) in self.forbidden:
            return NotApplied(reason="MissingPermission", message=f"Prunella may not {verb} {resource} in {effect.target.namespace}")
        if isinstance(effect, Create):
            return self._create(effect, intent_id)
        if isinstance(effect, Unmake):
            return self._unmake(effect)
        if isinstance(effect, Evict):
            return self._evict(effect)
        assert isinstance(effect, Patch | DeletePod), "what is outside of the cluster is done elsewhere"
        return self._delete(effect) if isinstance(effect, DeletePod) else self._patch(effect, intent_id)

    def _create(self, effect: Create, intent_id: str) -> Applied | NotApplied:
        key = (effect.target.kind, effect.target.namespace or "", effect.target.name)
        stored = self.others.get(key)
        if stored is not None and stored["metadata"]["annotations"].get(INTENT) != intent_id:
            return NotApplied(reason="", message=f"{effect.target.name} is there already")
        if stored is None:
            self.number += 1
            stored = copy.deepcopy(dict(effect.manifest))
            stored["metadata"] |= {"name": effect.target.name, "namespace": effect.target.namespace, "uid": f"o-{self.number}"}
            stored["metadata"]["annotations"] = {**stored["metadata"].get("annotations", {}), INTENT: intent_id}
            self.written(stored)
            self.others[key] = stored
        return Applied(after={"name": effect.target.name, "uid": stored["metadata"]["uid"]})

    def _unmake(self, effect: Unmake) -> Applied | NotApplied:
        there = self._other(effect.target) is not None
        if there:
            del self.others[effect.target.kind, effect.target.namespace or "", effect.target.name]
        return Applied(after={"made": "deleted" if there else "gone"})

    def _evict(self, effect: Evict) -> Applied | NotApplied:
        if self.budgets_full:
            raise Retryable("the disruption budget has no room", delay=5.0)
        found = self._find_pod(effect.target)
        if found is None:
            held = self.others.pop((effect.target.kind, effect.target.namespace or "", effect.target.name), None)
            return Applied(after={"pod": "evicted" if held is not None else "gone"})
        owner, pod = found
        owner.pods.remove(pod)
        self._react(owner)
        return Applied(after={"pod": "evicted"})

    def _patch(self, effect: Patch, intent_id: str) -> Applied | NotApplied:
        one = self._find(effect.target)
        if one is None and effect.subresource == "scale":
            return self._scale(effect)
        if one is None:
            return self._patch_other(effect, intent_id)
        before = one.raw
        try:
            one.raw = patched(one.raw, effect.operations)
        except TestFailedError as error:
            reason = "HumanOverride" if error.path in {effect.guarded_path, effect.pointer} else "TargetChanged"
            return NotApplied(reason=reason, message=f"{effect.target.name} was changed by somebody else after it was judged")
        if effect.stamped and annotated(before) is not effect.annotated:
            one.raw = before
            raise Retryable("annotations came or went after it was judged", delay=0.05)
        one.raw["metadata"].setdefault("annotations", {}).update({**effect.marks, **({INTENT: intent_id} if effect.stamped else {})})
        one.raw["metadata"]["managedFields"].append({"manager": "prunella", "operation": "Update"})
        self._bump(one)
        self._react(one)
        meta = one.raw["metadata"]
        return Applied(
            after={
                "resourceVersion": meta["resourceVersion"],
                "generation": str(meta["generation"]),
                "guardedSha256": _judged(effect, one.raw),
                **(overridden.told(one.raw) if effect.guarded_path.startswith(f"{TEMPLATE}/") else {}),
            }
        )

    def _scale(self, effect: Patch) -> Applied | NotApplied:
        """A ReplicaSet of a paused Deployment: where one revision is left, its controller gives that one all the places."""
        one = next(one for one in self.workloads.values() for revision, _ in one.revisions if revision.uid == effect.target.uid)
        raw = self._replica_set(effect.target)
        assert raw is not None
        try:
            count = patched(raw, effect.operations)["spec"]["replicas"]
        except TestFailedError:
            return NotApplied(reason="HumanOverride", message=f"{effect.target.name} was changed by somebody else after it was judged")
        assert count == 0, "nothing else is scaled here"
        assert one.raw["spec"]["paused"], "its controller would bring it back"
        left = [
            revision for revision, _ in one.revisions if revision.uid != effect.target.uid and any(pod.revision == revision.hash for pod in one.pods)
        ]
        one.pods = [pod for pod in one.pods if pod.revision == left[0].hash]
        for index in range(len(one.pods), one.raw["spec"]["replicas"]):
            self.number += 1
            one.pods.append(
                FakePod(name=f"{left[0].name}-{index}", uid=f"p-{self.number}", revision=left[0].hash, created=self.clock.now(), bad=False)
            )
        self.changed(one)
        return Applied(after={"guardedSha256": guarded_sha256(0)})

    def _replica_set(self, ref: ObjectRef) -> dict[str, Any] | None:
        for one in self.workloads.values():
            for revision, _ in one.revisions:
                if ref.kind == "ReplicaSet" and revision.uid == ref.uid:
                    count = sum(pod.revision == revision.hash for pod in one.pods)
                    return {"metadata": {"name": revision.name, "uid": revision.uid}, "spec": {"replicas": count}}
        return None

    def _patch_other(self, effect: Patch, intent_id: str) -> Applied | NotApplied:
        raw = self._other(effect.target)
        if raw is None:
            return NotApplied(reason="TargetChanged", message=f"{effect.target.kind} {effect.target.name} is gone, or another object bears its name")
        try:
            made = patched(raw, effect.operations)
        except TestFailedError:
            return NotApplied(reason="HumanOverride", message=f"{effect.target.name} was changed by somebody else after it was judged")
        made["metadata"].setdefault("annotations", {}).update({**effect.marks, **({INTENT: intent_id} if effect.stamped else {})})
        if effect.labels:
            made["metadata"].setdefault("labels", {}).update(effect.labels)
        self.written(made)
        where = (effect.target.kind, effect.target.namespace or "", effect.target.name)
        self.others[where] = made
        if isinstance(thing := self.things.get(where), Node):
            self.things[where] = replace(thing, cordoned=made["spec"].get("unschedulable", False), annotations=dict(made["metadata"]["annotations"]))
            self.touched(where)
        self.effects_elsewhere += 1
        return Applied(after={"guardedSha256": _judged(effect, made), "resourceVersion": made["metadata"]["resourceVersion"]})

    def written(self, raw: dict[str, Any]) -> None:
        """Another version of an object, whose content was written now."""
        self.number += 1
        stamp = self.clock.now().replace(microsecond=0).isoformat()
        content = {"manager": "kubectl", "operation": "Update", "time": stamp, "fieldsV1": {"f:data": {}}}
        raw["metadata"] |= {"resourceVersion": str(self.number), **({"managedFields": [content]} if raw.get("kind") == "ConfigMap" else {})}

    def _delete(self, effect: DeletePod) -> Applied | NotApplied:
        found = self._find_pod(effect.target)
        if found is None:
            return Applied(after={"pod": "gone"})
        owner, pod = found
        if str(pod.version) != effect.resource_version:
            return NotApplied(reason="TargetChanged", message=f"{pod.name} is not the pod any more that was judged")
        owner.pods.remove(pod)
        self._react(owner)
        return Applied(after={"pod": "deleted"})

    def _handed_back(self, effect: Effect, intent_id: str) -> Applied | NotApplied:
        self.gate("before", intent_id)
        one = self._find(effect.target)
        if one is None:
            return NotApplied(reason="TargetChanged", message="gone")
        assert isinstance(effect, Patch)
        try:
            one.raw = patched(one.raw, effect.operations)
        except TestFailedError:
            return NotApplied(reason="", message="written to in the meantime")
        assert hand_back(one.raw) is None
        self.hand_backs += 1
        self.gate("after", intent_id)
        return Applied(after={})

    def _find(self, ref: ObjectRef) -> FakeWorkload | None:
        one = self.workloads.get((ref.kind, ref.namespace or "", ref.name))
        return one if one is not None and ref.uid in {None, one.uid} else None

    def _other(self, ref: ObjectRef) -> dict[str, Any] | None:
        thing = self.things.get((ref.kind, ref.namespace or "", ref.name))
        held = self.others.get((ref.kind, ref.namespace or "", ref.name)) or self._replica_set(ref)
        known = held is not None and thing is not None and held["metadata"]["uid"] == thing.uid
        raw = held if thing is None or known else {"metadata": {"uid": thing.uid}}
        return raw if raw is not None and ref.uid in {None, raw["metadata"]["uid"]} else None

    def _find_pod(self, ref: ObjectRef) -> tuple[FakeWorkload, FakePod] | None:
        return next(((one, pod) for one in self.workloads.values() for pod in one.pods if pod.uid == ref.uid), None)


def _raw_node(node: Node) -> dict[str, Any]:
    meta = {"name": node.name, "uid": node.uid, "labels": dict(node.labels), "annotations": dict(node.annotations), "managedFields": []}
    ready = {"type": "Ready", "status": "True" if node.ready else "Unknown"}
    return {"metadata": meta, "spec": {"unschedulable": True} if node.cordoned else {}, "status": {"conditions": [ready]}}


def owned_by(kind: str = "Postgres", name: str = "main") -> Owner:
    return Owner(api_version="example.com/v1", kind=kind, name=name)


def _judged(effect: Patch, raw: dict[str, Any]) -> str:
    return guarded_sha256(part_of(raw, effect.guarded_path))
