"""The shelves of things, and who belongs to whom among them.

The rule this module protects: a thing is told of when it changed for whoever judges it, and only then; and what belongs to it is put beside it on
each look, so that it is kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.core.detect.creation import refusal
from prunella.core.facts import NamespaceFacts, Workload
from prunella.core.subject import Thing
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.claim import Claim
from prunella.core.things.complaint import Complaint
from prunella.core.things.cron_job import CronJob
from prunella.core.things.job import Job
from prunella.core.things.quota import Quota
from prunella.core.things.service import Service
from prunella.core.things.terminating import Space

from . import watched_things as watched
from .endpoints import Answering, Endpoints
from .kinship import Children, Kinship
from .said import Said
from .shelf import Change, Shelf
from .watched import Watched

T = TypeVar("T")
O = TypeVar("O", bound=Thing)  # noqa: E741  (an object)
Touched = Callable[[str, str, str], None]
"""Kind, namespace and name of a thing that has to be looked at."""


class MakeShelf(Protocol):
    """Makes a shelf that a watch keeps."""

    def __call__(self, kind: Watched[T], changed: Callable[[Change[T]], None], fields: str = "") -> Shelf[T]:
        """Of that kind, or of what the field selector fits; `changed` is told of each change, after it can be read."""
        ...


class Things:
    """What is kept of things, those of `namespaces` if some are named. `touched` is told which have to be looked at, after the change can be read."""

    def __init__(
        self,
        shelf: MakeShelf,
        kin: Kinship,
        autoscalers: Shelf[AutoscalerFacts],
        spaces: Shelf[NamespaceFacts],
        touched: Touched,
        namespaces: Collection[str] = (),
    ) -> None:
        self._kin = kin
        self._spaces = spaces
        self._namespaces = frozenset(namespaces)
        self._touched = touched
        self._jobs_of: Children[Job] = Children()
        self._said = Said()
        self._answering = Answering()
        shelf(watched.ENDPOINT_SLICES, self._endpoints_changed)
        for fields in (watched.OF_CLAIMS, watched.OF_CREATION):
            shelf(watched.COMPLAINTS, self._complained, fields)
        self._shelves: Final[dict[str, Shelf[Any]]] = {
            "Job": shelf(watched.JOBS, self._job_changed),
            "CronJob": shelf(watched.CRON_JOBS, self.changed),
            "PersistentVolumeClaim": shelf(watched.CLAIMS, self.changed),
            "HorizontalPodAutoscaler": autoscalers,
            "ResourceQuota": shelf(watched.QUOTAS, self.changed),
            "PodDisruptionBudget": shelf(watched.BUDGETS, self.changed),
            "Service": shelf(watched.SERVICES, self.changed),
            "Node": shelf(watched.NODES, self.changed),
            "APIService": shelf(watched.API_SERVICES, self.changed),
            "Certificate": shelf(watched.CERTIFICATES, self.changed),
        }

    def all(self) -> Iterator[Thing]:
        """Every thing, without what belongs to it."""
        yield from (one for shelf in self._shelves.values() for one in shelf.values())
        yield from (going for space in self._spaces.values() if (going := self._going(space)) is not None)

    def get(self, kind: str, namespace: str, name: str) -> Thing | None:
        """One thing, with what belongs to it."""
        if kind == Space.kind:
            return self._going(self._spaces.get(("", name)))
        shelf = self._shelves.get(kind)
        thing = shelf.get((namespace, name)) if shelf is not None else None
        return self.whole(thing) if thing is not None else None

    def services(self, namespace: str) -> list[Service]:
        """The Services of a namespace, with their endpoints: a search, for what happens seldom."""
        return [self._with_endpoints(one) for one in self._shelves[Service.kind].values() if one.namespace == namespace]

    def marked(self) -> Iterator[tuple[ObjectRef, str]]:
        """Every thing that bears the mark of a temporary measure, and the mark. Jobs bear none: there may be tens of thousands of them."""
        for one in (one for kind, shelf in self._shelves.items() if kind != Job.kind for one in shelf.values()):
            if mark := one.annotations.get(TEMPORARY_ANNOTATION):
                yield one.ref, mark

    def whole(self, thing: Thing) -> Thing:
        """The thing with what belongs to it."""
        match thing:
            case Job():
                return self._with_pods(thing)
            case CronJob():
                return replace(thing, jobs=tuple(self._with_pods(one) for one in self._jobs_of.of(thing.uid)))
            case Claim():
                return replace(thing, complaints=self._said.about(thing.uid))
            case Service():
                return self._with_endpoints(thing)
            case Quota():
                said = self._said.by_quota(thing.namespace, thing.name)
                return replace(thing, refusals=tuple(one for one in said if not self._granted_since(one)))
            case _:
                return thing

    def _with_endpoints(self, service: Service) -> Service:
        ready, other = self._answering.of(service.namespace, service.name)
        idle = not ready and bool(service.selector) and self._scaled_to_zero(service)
        return replace(service, ready_endpoints=ready, other_endpoints=other, scaled_to_zero=idle)

    def _scaled_to_zero(self, service: Service) -> bool:
        """By the workloads to whose pods it routes for sure."""
        selected = [one for one in self._kin.workloads_of(service.namespace) if service.routes_to(one.selector)]
        return bool(selected) and all(one.desired == 0 for one in selected)

    def _granted_since(self, refused: Complaint) -> bool:
        """Whether a Deployment that was refused a pod has it by now. Of other controllers only their next complaint would tell."""
        workload = self._kin.workload_of_owner(refused.uid) if refused.kind == "ReplicaSet" else None
        return workload is not None and refusal(workload) is None

    def _with_pods(self, job: Job) -> Job:
        return replace(job, pods=self._kin.pods_owned_by(job.uid)) if job.failed_time is not None else job

    def changed(self, change: Change[O]) -> None:
        """One of them came, changed or went."""
        one = change.after or change.before
        if one is not None and change.before != change.after:
            self._touched(one.kind, one.namespace, one.name)

    def workload_changed(self, change: Change[Workload]) -> None:
        """A workload came, changed or went. Whether it is still refused a pod says whether a quota still refuses one."""
        before, after = (one is not None and refusal(one) is not None for one in (change.before, change.after))
        for quota in self._shelves[Quota.kind].values() if before != after else ():
            if quota.namespace == change.key[0]:
                self._touched(quota.kind, quota.namespace, quota.name)

    def space_changed(self, change: Change[NamespaceFacts]) -> None:
        """A Namespace came, changed or went. Only one that is going is a thing."""
        if self._going(change.before) != self._going(change.after):
            self._touched(Space.kind, "", change.key[1])

    def _going(self, space: NamespaceFacts | None) -> Thing | None:
        """The Namespace as a thing, while it is being deleted. One that was not named is somebody else's to watch, as all that is in it."""
        watched_too = space is not None and (not self._namespaces or space.name in self._namespaces)
        return space.going if space is not None and watched_too else None

    def _complained(self, change: Change[Complaint]) -> None:
        self._said.change(change)
        one = change.after or change.before
        if one is not None and one.kind == Claim.kind:
            self._touched(Claim.kind, one.namespace, one.name)
        elif one is not None and one.quota:
            self._touched(Quota.kind, one.namespace, one.quota)

    def _endpoints_changed(self, change: Change[Endpoints]) -> None:
        self._answering.change(change)
        one = change.after or change.before
        if one is not None and one.service and change.before != change.after:
            self._touched(Service.kind, one.namespace, one.service)

    def _job_changed(self, change: Change[Job]) -> None:
        self._jobs_of.change(change)
        self.changed(change)
        one = change.after or change.before
        if one is not None and one.of_cron_job and change.before != change.after:
            self._touched("CronJob", one.namespace, one.owner_name)
