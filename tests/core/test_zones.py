"""Which zone is lost: as many of its nodes as the storm brake calls too many, by their labels; and what is said of it."""

from __future__ import annotations

import pytest

from prunella.api.healing_policy import Storm
from prunella.api.names import Impact, Priority
from prunella.core.incident import zones
from prunella.core.incident.zones import LostNode

from .builders import NOON, ago
from .incident_builders import Story
from .thing_builders import node


def lost(count: int, zone: str = "a", *, first: int = 0, since: float = 60) -> tuple[LostNode, ...]:
    numbers = range(first, first + count)
    return tuple(LostNode(incident=f"prunella-system/n{one}-aaaaa", node=f"n{one}", zone=zone, since=ago(since + one)) for one in numbers)


@pytest.mark.parametrize(
    ("them", "sizes", "found"),
    [
        ((), {}, {}),
        (lost(2), {"a": 2}, {}),
        (lost(3), {"a": 3}, {"a": 3}),
        (lost(10), {"a": 10}, {"a": 10}),
        (lost(3), {"a": 15}, {}),
        (lost(3), {"a": 14}, {"a": 3}),
        (lost(3, ""), {"": 3}, {}),
        ((*lost(2), *lost(2, "b", first=2)), {"a": 2, "b": 2}, {}),
        ((*lost(3), *lost(3, "b", first=3), *lost(2, "c", first=6)), {"a": 4, "b": 9, "c": 2}, {"a": 3, "b": 3}),
        ((*lost(2), *lost(1)), {"a": 3}, {}),
    ],
    ids=["none", "two", "all three", "all ten", "a fifth", "more than a fifth", "no zone", "two zones", "two of three zones", "one node twice"],
)
def test_a_zone_is_lost_with_more_than_a_fifth_of_its_nodes_and_three_at_least(them, sizes, found):
    assert {zone: len(one.failing_pods) for zone, one in zones.by_zone(them, sizes, Storm(), NOON).items()} == found


def test_how_many_are_too_many_is_what_the_storm_brake_says():
    assert zones.by_zone(lost(3), {"a": 3}, Storm(min_workloads=4), NOON) == {}
    assert zones.by_zone(lost(3), {"a": 6}, Storm(percent=50), NOON) == {}
    assert set(zones.by_zone(lost(4), {"a": 6}, Storm(percent=50), NOON)) == {"a"}


def test_c55_it_says_which_nodes_and_suggests_what_people_may_do():
    shared = zones.by_zone(lost(10), {"a": 12}, Storm(), NOON)["a"]
    assert shared.summary == (
        "zone a: 10 of its 12 nodes are not Ready: n0, n1, n2 and 7 more; if they do not come back, failing over to another zone (disaster recovery) "
        "is people's decision: nothing of it is run here"
    )
    assert (shared.cause, shared.started_time, len(shared.failing_pods)) == ("MassFailure", ago(69), 10)


def test_a_node_stands_where_its_label_says():
    assert zones.zone_of(node(labels={"topology.kubernetes.io/zone": "a"})) == "a"
    assert zones.zone_of(node(labels={"zone": "a"})) == ""


def test_c55_a_lost_zone_is_p1_whatever_its_nodes_are():
    shared = zones.by_zone(lost(3), {"a": 3}, Storm(), NOON)["a"]
    told = Story().at(0, shared=shared)
    assert (told.status.impact, told.status.priority) == (Impact.EXTENSIVE, Priority.P1)
    assert (told.status.priority_reason or "").startswith("impact Extensive (many nodes of a zone are lost at once)")
