"""What `explain` reads, with the rights of whoever asks.

The rule it protects: a read that is refused is a sentence, and counts as unknown; it never looks like "there is none".
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.kubernetes import resources, watched
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.store import Objects
from prunella.adapters.kubernetes.watched import Watched
from prunella.adapters.zones import zone_of
from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec
from prunella.api.incident import Incident
from prunella.api.marks import OPERATOR_NAMESPACE
from prunella.api.remediation import Remediation
from prunella.api.workload_record import WorkloadRecord
from prunella.app.errors import Permanent, PrunellaError
from prunella.app.ports import Clock
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import UNKNOWN, Finding, NamespaceFacts, UnknownT, WorkloadFacts
from prunella.core.healing.known import record
from prunella.core.recomputed import Asks, opened, unopened
from prunella.core.world import World

T = TypeVar("T")
U = TypeVar("U")
ACCOUNT: Final = f"system:serviceaccount:{OPERATOR_NAMESPACE}:prunella"
REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
PAGE: Final = "500"
CREATED: Final = 201


class Reading:
    """One person's view of the cluster. `unread` holds a sentence for each read that failed."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._live = LiveReads(api)
        self._store = Objects(api)
        self.unread: list[str] = []

    async def incident(self, namespace: str, name: str) -> Incident | None:
        """One Incident; None where it is not there. Raises Permanent where it may not be read."""
        return await self._store.incident(namespace, name)

    async def incidents(self, namespace: str) -> list[Incident]:
        """All of a namespace. Raises Permanent where they may not be read."""
        return await self._list(watched.INCIDENTS, namespace)

    async def remediations_of(self, incident: Incident) -> list[Remediation]:
        """The attempts of an Incident, oldest first; none, and a sentence, where they may not be read."""
        return list(await self._or(self._store.remediations_of(incident), ()))

    async def target(self, kind: str, namespace: str, name: str) -> WorkloadFacts | None:
        """A workload as it is now; None where there is none. Raises Permanent where it or its own may not be read, Retryable where nobody answers."""
        ref = ObjectRef(api_version="apps/v1", kind=kind, namespace=namespace, name=name)
        found = await self._live.workload(ref)
        if isinstance(found, UnknownT):
            with suppress(Permanent):  # where nobody can be asked, or lets us in, the error of a plain read says it
                await self._api.ask(resources.WORKLOADS[kind].call("get", namespace, name))
            may = [await self._live.may("list", "", "pods", namespace), await self._live.may("get", "apps", f"{kind.lower()}s", namespace)]
            why = "you may not read it and its pods" if False in may else "the API server did not answer"
            raise Permanent(f"{kind} {namespace}/{name} could not be read: {why}")
        return found

    async def world(self, facts: WorkloadFacts, *, guards: bool) -> tuple[World, Asks]:
        """All that a judgement of the workload may know, and how to show it."""
        now = self._clock.now()
        namespace = facts.workload.namespace
        labels = await self._live.namespace(namespace)
        policy: HealingPolicy | UnknownT = await self._or(self._policy(), UNKNOWN)
        stored: WorkloadRecord | UnknownT | None = await self._or(self._record(facts), UNKNOWN)
        runbooks = [
            one for place in dict.fromkeys((OPERATOR_NAMESPACE, namespace)) for one in await self._or(self._list(watched.RUNBOOKS, place), [])
        ]
        attempts = await self._attempts(namespace)
        finding = self._finding(facts, policy if isinstance(policy, HealingPolicy) else None, stored if isinstance(stored, WorkloadRecord) else None)
        if not isinstance(labels, NamespaceFacts):
            self.unread.append(f"you may not get the namespace {namespace}: whether it has opted in is not known")
        world = World(
            now=now,
            incident=opened(finding, now) if finding else unopened(facts),
            target=facts,
            finding=finding,
            record=stored,
            policy=policy,
            namespace=labels if isinstance(labels, NamespaceFacts) else UNKNOWN,
            runbooks=tuple(runbooks),
            all_remediations=tuple(one for one in attempts if one.accepted),
            storm_since=policy.status.storm_since_time if isinstance(policy, HealingPolicy) else None,
            began_before_our_eyes=True,
            evaluate=CelEvaluate(),
            zone_of=zone_of,
        )
        missing = await self._missing_rights(namespace)
        return world, Asks(guards=guards, unread=tuple(self.unread), missing_rights=missing)

    async def _policy(self) -> HealingPolicy:
        answer = await self._api.ask(resources.HEALING_POLICY.call("get", None, "default"))
        if answer is None:
            raise Permanent("there is no HealingPolicy 'default': is Prunella installed?")
        return HealingPolicy.read(answer.object())

    async def _record(self, facts: WorkloadFacts) -> WorkloadRecord | None:
        found = await self._store.record(facts.workload.namespace, record.record_name(facts.workload.kind, facts.workload.name))
        return found if found is not None and found.spec.target_ref.uid == facts.workload.uid else None

    async def _attempts(self, namespace: str) -> list[Remediation]:
        """Of the whole cluster, for its budgets; of the namespace where no more is permitted."""
        try:
            return await self._list(watched.REMEDIATIONS, None)
        except PrunellaError:
            self.unread.append("the Remediations of other namespaces: what they leave of the cluster's budget is not known")
            return await self._or(self._list(watched.REMEDIATIONS, namespace), [])

    def _finding(self, facts: WorkloadFacts, policy: HealingPolicy | None, stored: WorkloadRecord | None) -> Finding | None:
        spec = policy.spec if policy else HealingPolicySpec()
        settings = Settings(open_after_seconds={str(one.cause): one.open_after_seconds for one in spec.detectors})
        return detect(facts, self._clock.now(), settings, Surroundings(record=stored)).finding

    async def _missing_rights(self, namespace: str) -> tuple[str, ...] | None:
        """What Prunella's account may not do to workloads of the namespace; None where it may not be asked."""
        wanted = {"namespace": namespace, "verb": "patch", "group": "apps", "resource": "deployments"}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": ACCOUNT, "groups": [f"system:serviceaccounts:{OPERATOR_NAMESPACE}"], "resourceAttributes": wanted},
        }
        try:
            status, answer = await self._api.request("POST", REVIEWS, body=body)
        except PrunellaError:
            status, answer = 0, {}
        if status != CREATED:
            self.unread.append("you may not ask what Prunella's account may do: whether it has the rights here is not known")
            return None
        return () if answer.get("status", {}).get("allowed") else (f"patch deployments.apps in {namespace}",)

    async def _or(self, read: Coroutine[Any, Any, T], otherwise: U) -> T | U:
        try:
            return await read
        except PrunellaError as error:
            self.unread.append(str(error).replace("The account of Prunella may", "you may"))
            return otherwise

    async def _list(self, kind: Watched[T], namespace: str | None) -> list[T]:
        found: list[T] = []
        token = ""
        while True:
            query = {"limit": PAGE, **({"continue": token} if token else {})}
            answer = await self._api.ask(kind.resource.call("list", namespace, query=query))
            if answer is None:
                raise Permanent(f"the API server does not serve {kind.resource.words}: is Prunella installed?")
            page, _, token = kind.page(answer.raw)
            for one in page:
                if one.value is None:
                    self.unread.append(f"{kind.resource.kind} {'/'.join(one.key)} can't be read: {one.why}")
                else:
                    found.append(one.value)
            if not token:
                return found
