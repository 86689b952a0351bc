"""Whose pod is it: by the controllers' uids, whatever the order in which the objects are seen."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from prunella.adapters.kubernetes.departed import KEPT, DepartedPods
from prunella.adapters.kubernetes.kinship import Kinship
from prunella.adapters.kubernetes.shelf import Change
from prunella.core.facts import Pod, Revision, Workload

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY = ("shop", "x")
WEB = Workload(kind="Deployment", namespace="shop", name="web", uid="web")
OLD = Revision(namespace="shop", name="web-1", uid="rs-1", owner_uid="web", hash="1", number=1)
NEW = Revision(namespace="shop", name="web-2", uid="rs-2", owner_uid="web", hash="2", number=2)
POD = Pod(namespace="shop", name="web-2-a", uid="pod-a", owner_uid="rs-2", owner_kind="ReplicaSet")
ELDER = Pod(namespace="shop", name="web-1-a", uid="pod-b", owner_uid="rs-1", owner_kind="ReplicaSet")
STRANGER = Pod(namespace="shop", name="web-2-b", uid="pod-c", owner_uid="rs-9", owner_kind="ReplicaSet")


def family() -> list[tuple[str, Workload | Revision | Pod]]:
    return [("workload", WEB), ("revision", OLD), ("revision", NEW), ("pod", POD), ("pod", ELDER), ("pod", STRANGER)]


def tell(kinship: Kinship, which: str, before: object, after: object) -> None:
    getattr(kinship, f"{which}_changed")(Change(KEY, before, after))


@pytest.mark.parametrize("order", list(itertools.islice(itertools.permutations(range(6)), 0, 720, 97)))
def test_the_order_of_sight_does_not_matter(order: tuple[int, ...]):
    kinship = Kinship()
    members = family()
    for index in order:
        tell(kinship, members[index][0], None, members[index][1])

    assert kinship.workload_of_pod(POD) == kinship.workload_of_pod(ELDER) == kinship.workload_of_revision(NEW) == WEB
    assert kinship.workload_of_pod(STRANGER) is None
    assert kinship.pods_of(WEB) == (ELDER, POD)
    assert sorted(revision.number for revision in kinship.revisions_of(WEB)) == [1, 2]


def test_what_goes_is_forgotten_wherever_it_stood():
    kinship = Kinship()
    for which, member in family():
        tell(kinship, which, None, member)

    tell(kinship, "pod", POD, None)
    assert kinship.pods_of(WEB) == (ELDER,)
    tell(kinship, "revision", OLD, None)
    assert kinship.workload_of_pod(ELDER) is None
    assert kinship.pods_of(WEB) == ()
    tell(kinship, "workload", WEB, None)
    assert kinship.workload_of_revision(NEW) is None


def test_a_pod_that_is_adopted_by_another_belongs_to_that_one():
    kinship = Kinship()
    for which, member in family():
        tell(kinship, which, None, member)
    orphan = Pod(namespace="shop", name=POD.name, uid=POD.uid)
    tell(kinship, "pod", POD, orphan)
    assert POD.uid not in {pod.uid for pod in kinship.pods_of(WEB)}
    tell(kinship, "pod", orphan, POD)
    assert POD in kinship.pods_of(WEB)


def test_pods_of_a_stateful_set_are_its_own_without_a_revision_between():
    kinship = Kinship()
    db = Workload(kind="StatefulSet", namespace="shop", name="db", uid="db")
    pod = Pod(namespace="shop", name="db-0", uid="p", owner_uid="db", owner_kind="StatefulSet")
    tell(kinship, "workload", None, db)
    tell(kinship, "pod", None, pod)
    assert kinship.workload_of_pod(pod) == db
    assert kinship.pods_of(db) == (pod,)


@pytest.mark.parametrize(("later", "known"), [(KEPT, True), (KEPT + timedelta(seconds=1), False)], ids=["at the last moment", "a second later"])
def test_a_pod_that_is_gone_is_remembered_for_a_quarter_of_an_hour(later: timedelta, known: bool):
    departed = DepartedPods()
    departed.remember("shop", "web-a", ("Deployment", "web"), NOON)
    assert (departed.workload_of("shop", "web-a", NOON + later) == ("Deployment", "web")) is known
    assert departed.workload_of("other", "web-a", NOON) is None


def test_the_memory_of_pods_is_bounded_and_the_oldest_goes_first():
    departed = DepartedPods(most=2)
    for name in ("a", "b", "a", "c"):
        departed.remember("shop", name, ("Deployment", name), NOON)
    assert departed.workload_of("shop", "b", NOON) is None
    assert departed.workload_of("shop", "a", NOON) == ("Deployment", "a")
