"""The shelves of things, and who belongs to whom among them.

The rule this module protects: a thing is told of when it changed for whoever judges it, and only then; and what belongs to it is put beside it on
each look, so that it is kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from prunella.core.subject import Thing
from prunella.core.things.cron_job import CronJob
from prunella.core.things.job import Job

from . import watched_things as watched
from .kinship import Children, Kinship
from .shelf import Change, Shelf
from .watched import Watched

T = TypeVar("T")
O = TypeVar("O", bound=Thing)  # noqa: E741  (an object)
Touched = Callable[[str, str, str], None]
"""Kind, namespace and name of a thing that has to be looked at."""


class MakeShelf(Protocol):
    """Makes a shelf that a watch keeps."""

    def __call__(self, kind: Watched[T], changed: Callable[[Change[T]], None]) -> Shelf[T]:
        """Of that kind; `changed` is told of each change, after it can be read."""
        ...


class Things:
    """What is kept of things. `touched` is told which have to be looked at, after the change can be read."""

    def __init__(self, shelf: MakeShelf, kin: Kinship, touched: Touched) -> None:
        self._kin = kin
        self._touched = touched
        self._jobs_of: Children[Job] = Children()
        self._shelves: Final[dict[str, Shelf[Any]]] = {
            "Job": shelf(watched.JOBS, self._job_changed),
            "CronJob": shelf(watched.CRON_JOBS, self._changed),
        }

    def all(self) -> Iterator[Thing]:
        """Every thing, without what belongs to it."""
        return (one for shelf in self._shelves.values() for one in shelf.values())

    def get(self, kind: str, namespace: str, name: str) -> Thing | None:
        """One thing, with what belongs to it."""
        shelf = self._shelves.get(kind)
        return self._whole(shelf.get((namespace, name))) if shelf is not None else None

    def _whole(self, thing: Thing | None) -> Thing | None:
        match thing:
            case Job():
                return self._with_pods(thing)
            case CronJob():
                return replace(thing, jobs=tuple(self._with_pods(one) for one in self._jobs_of.of(thing.uid)))
            case _:
                return thing

    def _with_pods(self, job: Job) -> Job:
        return replace(job, pods=self._kin.pods_owned_by(job.uid)) if job.failed_time is not None else job

    def _changed(self, change: Change[O]) -> None:
        one = change.after or change.before
        if one is not None and change.before != change.after:
            self._touched(one.kind, one.namespace, one.name)

    def _job_changed(self, change: Change[Job]) -> None:
        self._jobs_of.change(change)
        self._changed(change)
        one = change.after or change.before
        if one is not None and one.of_cron_job and change.before != change.after:
            self._touched("CronJob", one.namespace, one.owner_name)
