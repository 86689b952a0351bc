"""Which Incidents are about an object, and which have no end yet: the same answer as a search through all of them."""

from __future__ import annotations

from datetime import UTC, datetime

from prunella.adapters.kubernetes.by_target import ByTarget
from prunella.adapters.kubernetes.shelf import Change
from prunella.api.common import Metadata, NamespacedRef, ObjectRef
from prunella.api.incident import Incident, IncidentSpec, IncidentStatus
from prunella.api.incident_facts import Times

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def incident(name: str, target: str = "checkout", namespace: str | None = "shop", uid: str = "t1", **times: datetime) -> Incident:
    ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name=target, uid=uid)
    return Incident(
        metadata=Metadata(name=name, namespace="shop", uid=name),
        spec=IncidentSpec(title="fails", target_ref=ref),
        status=IncidentStatus(times=Times(**times)),
    )


def tell(index: ByTarget, before: Incident | None, after: Incident | None) -> None:
    known = after or before
    assert known is not None
    index.change(Change(("shop", known.metadata.name), before, after))


def names(found) -> list[str]:
    return sorted(one.metadata.name for one in found)


def test_every_incident_of_a_name_is_found_whatever_its_uid_and_whether_its_namespace_is_written_out():
    index = ByTarget()
    for one in (incident("a"), incident("b", uid="t2"), incident("c", namespace=None), incident("d", target="cart")):
        tell(index, None, one)
    assert names(index.of("Deployment", "shop", "checkout")) == ["a", "b", "c"]
    assert names(index.of("Deployment", "shop", "cart")) == ["d"]
    assert names(index.of("StatefulSet", "shop", "checkout")) == []
    assert names(index.of("Deployment", "pay", "checkout")) == []


def test_an_incident_that_ends_has_an_end_and_is_found_all_the_same():
    index = ByTarget()
    open_, over = incident("a"), incident("a", resolved_time=NOON)
    tell(index, None, open_)
    assert names(index.unended()) == ["a"]
    tell(index, open_, over)
    assert names(index.unended()) == []
    assert list(index.of("Deployment", "shop", "checkout")) == [over]
    tell(index, over, open_)
    assert names(index.unended()) == ["a"]


def test_cancelled_is_an_end():
    index = ByTarget()
    tell(index, None, incident("a", cancelled_time=NOON))
    assert names(index.unended()) == []


def test_one_that_is_deleted_or_can_not_be_read_any_more_is_forgotten():
    index = ByTarget()
    one = incident("a")
    tell(index, None, one)
    tell(index, one, None)
    assert names(index.unended()) == names(index.of("Deployment", "shop", "checkout")) == []


def test_an_incident_of_the_same_name_about_something_else_moves():
    index = ByTarget()
    one, other = incident("a"), incident("a", target="cart")
    tell(index, None, one)
    tell(index, one, other)
    assert names(index.of("Deployment", "shop", "checkout")) == []
    assert names(index.of("Deployment", "shop", "cart")) == ["a"]


def child(name: str, parent: str | None, **times: datetime) -> Incident:
    made = incident(name, target=name, **times)
    ref = NamespacedRef(namespace="shop", name=parent) if parent is not None else None
    return made.model_copy(update={"status": made.status.model_copy(update={"parent_ref": ref})})


def test_children_are_found_while_they_are_linked_and_have_no_end():
    index = ByTarget()
    for name in ("a", "b", "c"):
        tell(index, None, child(name, "p"))
    tell(index, None, child("d", "q"))
    tell(index, None, incident("e"))
    assert (names(index.children("shop", "p")), names(index.children("shop", "q"))) == (["a", "b", "c"], ["d"])
    tell(index, child("a", "p"), child("a", "q"))
    tell(index, child("b", "p"), child("b", "p", resolved_time=NOON))
    tell(index, child("c", "p"), None)
    assert (names(index.children("shop", "p")), names(index.children("shop", "q"))) == ([], ["a", "d"])
    tell(index, child("b", "p", resolved_time=NOON), child("b", "p"))
    assert names(index.children("shop", "p")) == ["b"], "it fires again"
    assert names(index.children("pay", "p")) == []
