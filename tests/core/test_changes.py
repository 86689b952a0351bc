"""What changed before a fault: newest first, bounded, the accused revision marked, and never worth a write of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.builders import NOON, ago, healthy_facts, revision, rolling_facts
from tests.core.builders import workload as healthy
from tests.core.healing_builders import crashed, ill
from tests.core.incident_builders import draft_of, finding, watched
from tests.core.stories import NOW, incident

from prunella.api.common import ObjectRef
from prunella.api.incident import Change, Incident, IncidentStatus
from prunella.api.names import Cause
from prunella.api.workload_record import QuarantinedRevision, WorkloadRecord, WorkloadRecordSpec
from prunella.core.around import Dependency, Neighbours
from prunella.core.configs import ConfigChange
from prunella.core.facts import UNKNOWN, WorkloadCondition, WorkloadFacts
from prunella.core.incident import changes
from prunella.core.incident.material import tells_something
from prunella.core.people.message import envelope
from prunella.core.story import story
from prunella.core.world import World

WHY = "the evidence accuses this revision: its pods show the fault"
NEW = IncidentStatus()
OPEN = IncidentStatus(times={"triggered_time": ago(10), "started_time": ago(10)})


def other(name: str, *, rolled: float, images: tuple[str, str] = ("o:1", "o:2"), namespace: str = "shop", **changed: Any) -> WorkloadFacts:
    """Another workload whose newest revision began so many seconds before noon."""
    old, new = images
    return WorkloadFacts(
        workload=healthy(name=name, uid=f"uid-{name}", namespace=namespace, **changed),
        revisions=(revision(2, created=rolled, images=(new,)), revision(1, created=rolled + 80_000, images=(old,))),
        pods=(),
    )


def listed(world: World, stored: IncidentStatus = NEW, **status: Any) -> list[Change]:
    draft = draft_of(world)
    begun = draft.status.model_copy(update={"times": OPEN.times, "accused_revision": None, **status})
    return list(changes.look_back(world, replace(draft, status=begun), stored).status.changes)


def told(found: list[Change]) -> list[tuple[float, str, str]]:
    return [((NOON - one.time).total_seconds(), one.target, one.message) for one in found]


CHANGED = "the evidence accuses this change: what fails began to fail after it"


def of_two_changed(cause: Cause, accused: str | None) -> World:
    """Two ConfigMaps differ; the finding names that one, or nothing is found."""
    changed = ConfigChange(namespace="shop", name="settings", keys=("mode", "url"), changed_time=ago(60), good_time=ago(3600))
    both = (changed, replace(changed, name="other", changed_time=ago(50)))
    found = finding(cause, accused_config_map=accused, accused_revision="") if accused is not None else None
    return replace(ill(facts=crashed()), config_changes=both, finding=found)


@pytest.mark.parametrize(
    ("cause", "accused", "suspected"),
    [
        (Cause.CONFIG_CHANGED, "settings", ["configmap/settings"]),
        (Cause.CONFIG_CHANGED, "other", ["configmap/other"]),
        (Cause.CRASH_LOOP, "", []),
    ],
)
def test_config_maps_that_differ_are_named_by_their_keys_and_the_one_that_the_finding_names_is_suspected(cause, accused, suspected):
    found = listed(of_two_changed(cause, accused), cause=cause)
    assert (60, "configmap/settings", "keys mode, url changed since it was healthy with it at 11:00:00") in told(found)
    assert [one.target for one in found if one.suspected == CHANGED] == suspected


def test_while_nothing_is_found_the_one_that_was_named_last_stays_suspected():
    before = tuple(listed(of_two_changed(Cause.CONFIG_CHANGED, "settings"), cause=Cause.CONFIG_CHANGED))
    gone = of_two_changed(Cause.CONFIG_CHANGED, None)
    after = listed(gone, IncidentStatus(times=OPEN.times), cause=Cause.CONFIG_CHANGED, changes=before)
    assert [one.target for one in after if one.suspected] == ["configmap/settings"]


def test_the_newest_rollout_of_the_target_says_its_images_and_is_suspected_once_it_is_accused():
    accused = listed(ill(facts=crashed()), accused_revision="h3")
    assert told(accused) == [(40, "deploy/checkout", "revision 3: image shop/app:2 -> shop/app:3")]
    assert [(one.revision, one.namespace) for one in accused] == [("h3", "shop")]
    assert accused[0].suspected == WHY
    unaccused = listed(ill(facts=crashed()))
    assert [one.suspected for one in unaccused] == [None]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (("a:1",), ("a:1",), "another template with the same images"),
        (("a:1", "b:1"), ("a:1", "b:2"), "image b:1 -> b:2"),
        (("a:1", "b:1"), ("a:2", "b:2"), "image a:1, b:1 -> a:2, b:2"),
        (("a:1",), ("a:1", "b:1"), "images a:1 -> a:1, b:1"),
        ((), ("a:1",), "images  -> a:1"),
        (("a:1",), ("r.example.com/" + "x" * 200,), "image a:1 -> r.example.com/" + "x" * 146 + "…"),
    ],
)
def test_what_a_rollout_changed(before, after, said):
    facts = rolling_facts(created=40)
    newest, old, *rest = facts.revisions
    found = replace(facts, revisions=(replace(newest, images=after), replace(old, images=before), *rest))
    assert listed(ill(facts=found, finding=None))[0].message == f"revision 3: {said}"


def test_a_new_workload_has_a_first_revision():
    facts = rolling_facts(created=40)
    assert listed(ill(facts=replace(facts, revisions=facts.revisions[:1]), finding=None))[0].message == "revision 3: the first one, image shop/app:3"


@pytest.mark.parametrize(("created", "count"), [(1809, 1), (1811, 0)])
def test_a_change_counts_for_half_an_hour_before_the_fault(created, count):
    assert len(listed(ill(facts=rolling_facts(created=created), finding=None))) == count


def test_a_rollout_that_the_controller_has_not_seen_is_not_told():
    assert listed(ill(facts=rolling_facts(created=40, observed_generation=2), finding=None)) == []


def test_what_could_not_be_read_has_no_changes():
    assert listed(replace(ill(), target=UNKNOWN)) == []


def test_a_rollback_that_was_ours_is_a_change():
    ref = ObjectRef(api_version="apps/v1", kind="Deployment", name="checkout", uid="u")
    bad = QuarantinedRevision(hash="h9", revision=9, incident="checkout-aaaaa", quarantined_time=ago(600))
    record = WorkloadRecord(metadata=watched().metadata, spec=WorkloadRecordSpec(target_ref=ref, quarantined=(bad,)))
    found = listed(ill(facts=healthy_facts(), finding=None, record=record))
    assert told(found) == [(600, "deploy/checkout", "revision 9 was rolled back by Prunella for Incident checkout-aaaaa")]


def test_other_workloads_are_told_newest_first_and_the_target_once():
    near = Neighbours(workloads=(other("cart", rolled=900), crashed(), other("api", rolled=5)))
    found = listed(ill(facts=crashed(), neighbours=near), accused_revision="h3")
    assert [one.target for one in found] == ["deploy/api", "deploy/checkout", "deploy/cart"]
    assert [one.suspected for one in found] == [None, WHY, None]
    assert found[0].message == "revision 2: image o:1 -> o:2"


def broken(name: str = "ledger", **status: Any) -> Incident:
    one = watched(f"{name}-aaaaa", target=ObjectRef(api_version="apps/v1", kind="Deployment", namespace="pay", name=name, uid=f"uid-{name}"))
    given = {"times": {"started_time": ago(30)}, "target": f"deploy/{name}", "cause": Cause.CRASH_LOOP} | status
    return one.model_copy(update={"status": IncidentStatus(**given)})


def test_a_dependency_that_fails_and_one_that_rolled_out_say_that_they_are_one():
    ledger = other("ledger", rolled=100, namespace="pay")
    near = Neighbours(dependencies=(Dependency(name="pay/ledger", workloads=(ledger,), incidents=(broken(),)),), workloads=(ledger,))
    found = listed(ill(facts=healthy_facts(), finding=None, neighbours=near))
    assert told(found) == [
        (30, "deploy/ledger", "dependency pay/ledger fails (CrashLoop): Incident ledger-aaaaa"),
        (100, "deploy/ledger", "dependency pay/ledger, revision 2: image o:1 -> o:2"),
    ]
    assert {one.namespace for one in found} == {"pay"}


@pytest.mark.parametrize(("status", "count"), [("False", 1), ("True", 0)])
def test_a_dependency_without_an_incident_is_told_where_its_pods_are_too_few(status, count):
    available = WorkloadCondition(type="Available", status=status, last_transition_time=ago(20))
    ledger = other("ledger", rolled=9000, namespace="pay", conditions=(available,), available=1)
    near = Neighbours(dependencies=(Dependency(name="pay/ledger", workloads=(ledger,)),))
    found = listed(ill(facts=healthy_facts(), finding=None, neighbours=near))
    assert told(found) == [(20, "deploy/ledger", "dependency pay/ledger has too few pods: 1 of 3 are available")][:count]


def test_at_most_ten_are_kept_and_the_accused_one_is_among_them():
    near = Neighbours(workloads=tuple(other(f"w{number}", rolled=number + 1) for number in range(20)))
    found = listed(ill(facts=crashed(), neighbours=near), accused_revision="h3")
    assert len(found) == 10
    assert [one.target for one in found] == [*(f"deploy/w{number}" for number in range(9)), "deploy/checkout"]
    assert found[-1].suspected == WHY


def test_they_are_listed_when_an_episode_begins_and_then_stand():
    before = (Change(time=ago(50), target="deploy/checkout", message="old", revision="h3"),)
    world = ill(facts=crashed())
    assert [one.message for one in listed(world, OPEN, changes=before)] == ["old"]
    assert listed(world, OPEN, changes=before, accused_revision="h3")[0].suspected, "accused later"
    assert [one.message for one in listed(world, OPEN, changes=before, episode=2)] == ["revision 3: image shop/app:2 -> shop/app:3"]


def test_that_another_is_suspected_is_not_worth_a_write():
    one = Change(time=ago(50), target="deploy/checkout", message="m", revision="h3")
    suspected = OPEN.model_copy(update={"changes": (one.model_copy(update={"suspected": WHY}),)})
    assert not tells_something(OPEN.model_copy(update={"changes": (one,)}), suspected)


CHANGES = [
    {"time": "2026-11-24T10:02:05.000000Z", "namespace": "pay", "target": "deploy/ledger", "message": "revision 4: image l:3 -> l:4"},
    {
        "time": "2026-11-24T10:02:00.000000Z",
        "namespace": "shop",
        "target": "deploy/checkout",
        "message": "revision 15: image c:1 -> c:2",
        "revision": "6d4cf56db6",
        "suspected": "it is accused",
    },
]


def test_explain_shows_them_with_the_place_and_the_suspect():
    rows = [(row.label, row.what, row.why) for row in story(incident({"changes": CHANGES}), [], NOW).rows if row.label == "changed"]
    assert rows == [
        ("changed", "deploy/ledger in pay: revision 4: image l:3 -> l:4", ""),
        ("changed", "SUSPECT: deploy/checkout: revision 15: image c:1 -> c:2", "it is accused"),
    ]


@pytest.mark.parametrize(
    ("kept", "line"),
    [
        (CHANGES, "Changed 10:02:00 UTC, suspected: deploy/checkout: revision 15: image c:1 -> c:2; 1 more in status.changes"),
        (CHANGES[:1], "Changed 10:02:05 UTC: deploy/ledger: revision 4: image l:3 -> l:4"),
        ([], None),
    ],
)
def test_a_page_names_the_suspect_else_the_newest(kept, line):
    message = {"key": "1/1/0/primary/ops", "kind": "Page", "receiver": "ops", "state": "Pending", "createdTime": "2026-11-24T10:03:00Z", "text": "P1"}
    one = incident({"changes": kept, "escalation": {"messages": [message]}})
    lines = envelope(one, one.status.escalation.messages[0]).text.splitlines()
    assert [text for text in lines if text.startswith("Changed")] == ([line] if line else [])


def test_they_end_up_newest_first_also_where_two_are_of_one_instant():
    near = Neighbours(workloads=(other("b", rolled=7), other("a", rolled=7)))
    assert [one.target for one in listed(ill(facts=crashed(), neighbours=near))] == ["deploy/b", "deploy/a", "deploy/checkout"]
