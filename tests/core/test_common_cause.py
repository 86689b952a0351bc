"""Which Incidents share one cause, by what is seen, stored and declared; and what a link does to a child and to its parent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.core import stories
from tests.core.builders import NOON, ago, later, pod, waiting, workload
from tests.core.healing_builders import permitted, planned
from tests.core.incident_builders import Story, alert, draft_of, finding, opening, reported, watched, world

from prunella.api.common import NamespacedRef, ObjectRef
from prunella.api.incident import Incident, IncidentStatus, Times
from prunella.api.names import Cause, Impact, Priority
from prunella.core.around import Parent
from prunella.core.detect import registries
from prunella.core.facts import UNKNOWN, WorkloadFacts
from prunella.core.healing.guards import guards
from prunella.core.incident import common_cause
from prunella.core.incident.common_cause import Unpulled
from prunella.core.story import story

PARENT = Parent(ref=NamespacedRef(namespace="prunella-system", name="registry-example-com-aaaaa"), what="registry/registry.example.com")
DOWN = 'failed to pull: Get "https://r.example.com/v2/": dial tcp: connection refused'


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("nginx", "docker.io"),
        ("shop/app:1", "docker.io"),
        ("registry.example.com/app:1", "registry.example.com"),
        ("Registry.Example.com/app:1", "registry.example.com"),
        ("registry:5000/app", "registry:5000"),
        ("localhost/app", "localhost"),
        ("10.0.0.1:5000/a/b@sha256:0123", "10.0.0.1:5000"),
        ("app:1.2", "docker.io"),
    ],
)
def test_the_registry_is_the_first_part_of_the_name_where_that_is_a_host(image, host):
    assert registries.host(image) == host


def test_a_port_makes_no_two_registries_one():
    names = {common_cause.registry_name(host) for host in ("r.example.com", "r.example.com:443", "r.example.com:5000")}
    assert names == {"r.example.com", "r.example.com.443", "r.example.com.5000"}


@pytest.mark.parametrize(
    ("message", "hosts"),
    [
        (DOWN, {"r.example.com"}),
        ("unauthorized: authentication required", {"r.example.com"}),
        ('Back-off pulling image "r.example.com/app:1"', {"r.example.com"}),
        ("something that nobody has heard of", {"r.example.com"}),
        ("manifest unknown", set()),
    ],
)
def test_a_plain_answer_that_there_is_no_such_image_is_not_the_registrys_fault(message, hosts):
    shown = pod("a", "h2", waiting("ImagePullBackOff", message, image="r.example.com/app:1"))
    assert registries.unreachable((shown,)) == hosts


def test_of_a_pod_only_containers_that_wait_for_their_image_count_and_none_that_is_going():
    two = (waiting("ErrImagePull", DOWN, image="a.example.com/x"), waiting("ErrImagePull", DOWN, "b", image="b.example.com/x"))
    crashes = waiting("CrashLoopBackOff", "", "c", image="c.example.com/x")
    assert registries.unreachable((pod("a", "h2", *two, crashes),)) == {"a.example.com", "b.example.com"}
    assert registries.unreachable((pod("a", "h2", *two, deleting=True), pod("b"))) == set()


def unpulled(name: str, *hosts: str, kind: str = "Deployment", since: float = 60, incident: str = "") -> Unpulled:
    return Unpulled(
        incident=f"shop/{incident or name}", namespace="shop", kind=kind, workload=name, registries=frozenset(hosts or ("r",)), since=ago(since)
    )


@pytest.mark.parametrize(
    ("failing", "found"),
    [
        ((), {}),
        ((unpulled("a"), unpulled("b")), {}),
        ((unpulled("a"), unpulled("b"), unpulled("c")), {"r": 3}),
        ((unpulled("a"), unpulled("b"), unpulled("c", "other")), {}),
        ((unpulled("a", "r", "other"), unpulled("b"), unpulled("c")), {"r": 3}),
        ((unpulled("a"), unpulled("b"), unpulled("b", incident="b-of-ana")), {}),
        ((unpulled("a"), unpulled("b"), unpulled("b", kind="StatefulSet", incident="b-sts")), {"r": 3}),
        (tuple(unpulled(f"{index}", "r" if index % 2 else "s") for index in range(6)), {"r": 3, "s": 3}),
        ((unpulled("a", "x", "y"), unpulled("b", "x"), unpulled("c", "y")), {}),
    ],
    ids=["none", "two", "three", "two and another", "one of two", "one twice", "two kinds", "three and three", "two images of one workload"],
)
def test_three_workloads_of_one_registry_share_it(failing, found):
    assert {host: len(one.failing_pods) for host, one in common_cause.by_registry(failing, 3, NOON).items()} == found


def test_what_they_share_says_who_and_since_when():
    four = (unpulled("d"), unpulled("a", since=90), unpulled("c"), unpulled("b"))
    shared = common_cause.by_registry(four, 3, NOON)["r"]
    assert shared.summary == "r: 4 workloads can't pull their images from it: shop/a, shop/b, shop/c and 1 more"
    assert (shared.cause, shared.started_time, shared.failing_pods) == ("RegistryUnreachable", ago(90), ("shop/a", "shop/b", "shop/c", "shop/d"))


LEDGER = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="pay", name="ledger", uid="u-ledger")


def seen_since(seconds: float, state: str = "Firing") -> dict[str, Any]:
    return {
        "key": "watch/CrashLoop",
        "source": "Watch",
        "state": state,
        "cause": "CrashLoop",
        "firstSeenTime": ago(seconds - 1),
        "lastSeenTime": NOON,
        "startedTime": ago(seconds),
    }


def dependency(since: float = 100, *, state: str = "Firing", **status: Any) -> Incident:
    """The Incident of pay/ledger, which fails since so many seconds."""
    given: dict[str, Any] = {"signals": [seen_since(since, state)], "times": {"startedTime": ago(since)}, "target": "deploy/ledger"}
    return watched("ledger-aaaaa", target=LEDGER, namespace="pay", status=IncidentStatus.read(given | status))


def of(ready: int, desired: int = 3) -> WorkloadFacts:
    return WorkloadFacts(workload=workload(name="ledger", namespace="pay", uid="u-ledger", ready=ready, desired=desired), revisions=(), pods=())


@pytest.mark.parametrize(
    ("incident", "ready", "is_down"),
    [
        (dependency(), 0, True),
        (dependency(), 2, True),
        (dependency(), 3, False),
        (dependency(state="Resolved"), 0, False),
        (dependency(conditions=[stories.condition("Mitigated", "True", "RemediationSucceeded", "", "11:00:00.0")]), 0, False),
        (dependency(times={"startedTime": ago(100), "resolvedTime": ago(5)}), 0, False),
        (dependency(times={"startedTime": ago(100), "cancelledTime": ago(5)}), 0, False),
        (dependency(signals=[]), 0, False),
    ],
    ids=["none ready", "some ready", "all ready", "not seen any more", "mitigated", "resolved", "cancelled", "an alert's or a person's"],
)
def test_a_dependency_is_down_while_its_fault_is_seen_and_it_lacks_pods(incident, ready, is_down):
    assert common_cause.down(incident, of(ready)) is is_down


def test_a_better_cause_that_was_found_later_began_with_the_one_before_it_and_a_later_episode_with_itself():
    refined = dependency(20, times={"startedTime": ago(100)})
    assert common_cause.began(refined) == ago(100)
    assert common_cause.began(dependency(20, times={"startedTime": ago(5000)}, episode=2)) == ago(20)


def child(began: float, *, accused: str = "", cause: str = "CrashLoop") -> Any:
    """The world of an Incident of checkout whose fault began so many seconds before noon."""
    made = watched()
    source = made.spec.source
    assert source is not None
    spec = made.spec.model_copy(update={"source": source.model_copy(update={"signal": opening(started_time=ago(began), cause=Cause(cause))})})
    found = finding(cause, accused_revision=accused, started_time=ago(1))
    return world(made.model_copy(update={"spec": spec}), finding=found)


@pytest.mark.parametrize(
    ("seen", "fails"),
    [
        (child(99), True),
        (child(100), True),
        (child(101), False),
        (child(50, accused="h3", cause="RolloutCrashLoop"), True),
        (child(150, accused="h3", cause="RolloutCrashLoop"), False),
        (child(50, accused="h3", cause="RolloutImagePull"), False),
        (child(50, accused="h3", cause="RolloutConfigError"), False),
        (child(50, accused="h3", cause="Unschedulable"), False),
        (child(50, cause="Unschedulable"), True),
        (child(50, accused="h3", cause="ReplicaCreationFailed"), False),
        (replace(child(50), finding=None), True),
        (replace(child(50), finding=UNKNOWN), True),
    ],
    ids=[
        "after it",
        "at the same instant",
        "before it",
        "a rollout that fails after it: nobody can tell",
        "a rollout that failed before it",
        "an image that is not there",
        "a config that is not there",
        "a node that is not there",
        "no room",
        "an account that is not there",
        "an alert",
        "not seen now",
    ],
)
def test_a_fault_can_come_from_a_dependency_that_failed_no_later_and_is_not_the_targets_own(seen, fails):
    assert common_cause.fails_for(seen, dependency(100)) is fails


def test_of_an_incident_that_came_back_the_present_episode_counts():
    seen = child(5000)
    again = {"episodes": [{"number": 2, "startedTime": ago(50), "triggeredTime": ago(50), "reason": "FiringAgain"}], "episode": 2}
    seen = replace(seen, incident=seen.incident.model_copy(update={"status": IncidentStatus.read(again)}))
    assert common_cause.fails_for(seen, dependency(100))
    assert not common_cause.fails_for(seen, dependency(100, state="Resolved")), "what is not seen is nobody's cause"


@pytest.mark.parametrize(
    ("finding_since", "alerts", "fails"),
    [
        (50, (), True),
        (150, (), False),
        (None, (alert(at=0, starts=-40),), True),
        (None, (alert(at=0, starts=-140),), False),
        (None, (), True),
    ],
    ids=["it fires after it", "it fired before it", "an alert after it", "an alert before it", "nobody says since when: since now"],
)
def test_of_an_incident_that_is_over_and_fires_again_the_new_fault_counts_and_not_its_last_episode(finding_since, alerts, fails):
    seen = child(5000)
    over = {
        "episodes": [{"number": 1, "startedTime": ago(5000), "triggeredTime": ago(5000), "resolvedTime": ago(400), "reason": "Opened"}],
        "times": {"startedTime": ago(5000), "triggeredTime": ago(5000), "resolvedTime": ago(400)},
    }
    found = finding("CrashLoop", accused_revision="", started_time=ago(finding_since)) if finding_since is not None else None
    again = seen.incident.model_copy(update={"status": IncidentStatus.read(over)})
    assert common_cause.fails_for(replace(seen, incident=again, finding=found, alerts=alerts), dependency(100)) is fails


def test_what_a_person_reports_began_when_it_was_reported():
    seen = world(reported(creation_timestamp=ago(150)), finding=None)
    assert not common_cause.fails_for(seen, dependency(100))
    assert common_cause.fails_for(seen, dependency(200))


def registry(**status: Any) -> Incident:
    ref = common_cause.shared_ref(common_cause.REGISTRY, "r.example.com", "prunella-system")
    return watched("r-example-com-aaaaa", target=ref, namespace="prunella-system", status=IncidentStatus.read(status))


def test_a_parent_says_what_it_is_and_whether_anybody_hears_it():
    assert common_cause.as_parent(registry()) == Parent(
        ref=NamespacedRef(namespace="prunella-system", name="r-example-com-aaaaa"), what="registry/r.example.com", told=True
    )
    unheard = dependency(conditions=[stories.condition("NoResponder", "True", "NoResponder", "", "11:00:00.0")])
    assert common_cause.as_parent(unheard) == Parent(ref=NamespacedRef(namespace="pay", name="ledger-aaaaa"), what="deploy/ledger in pay", told=False)


@pytest.mark.parametrize(("times", "held"), [({}, True), ({"resolvedTime": ago(1)}, False), ({"cancelledTime": ago(1)}, False)])
def test_the_parent_of_a_registry_holds_until_it_is_over(times: dict[str, datetime], held: bool):
    assert common_cause.holds(registry(times=times)) is held


def storm(state: str, **status: Any) -> Incident:
    ref = common_cause.shared_ref(common_cause.STORM, common_cause.HIT, "prunella-system")
    seen = {"signals": [seen_since(60, state)]} if state else {}
    return watched("workloads-aaaaa", target=ref, namespace="prunella-system", status=IncidentStatus.read(seen | status))


@pytest.mark.parametrize(
    ("incident", "held"),
    [
        (storm(""), True),
        (storm("Firing"), True),
        (storm("Resolved"), False),
        (storm("Firing", times={"resolvedTime": ago(1)}), False),
        (storm("Firing", times={"cancelledTime": ago(1)}), False),
    ],
    ids=["nobody looked at it yet", "the brake is on", "the brake is off", "resolved", "cancelled"],
)
def test_the_parent_of_a_storm_holds_as_long_as_the_brake(incident, held):
    assert common_cause.holds(incident) is held


def test_a_storm_is_named_as_one():
    parent = common_cause.as_parent(storm("Firing"))
    assert (parent.what, parent.told) == ("a storm that hits many workloads", True)


def test_a_link_is_told_when_it_comes_and_when_it_goes_and_not_in_between():
    once = common_cause.follow(replace(world(), parent=PARENT), draft_of(world()))
    said = "registry/registry.example.com is at fault: Incident prunella-system/registry-example-com-aaaaa tells people, and nothing is done here"
    assert [(one.what, one.message) for one in once.status.timeline] == [("CommonCauseFound", f"{said} until it is judged anew")]
    assert common_cause.follow(replace(world(), parent=PARENT), once) == once
    after = common_cause.follow(world(), once)
    assert [one.what for one in after.status.timeline] == ["CommonCauseFound", "CommonCauseOver"]
    assert after.status.parent_ref is None
    assert common_cause.follow(world(), after) == after


def test_what_is_over_keeps_its_links():
    resolved = draft_of(world()).with_status(parent_ref=PARENT.ref, times=Times(resolved_time=NOON))
    assert common_cause.follow(world(), resolved) == resolved


def test_a_parent_lists_fifty_children_and_counts_all():
    many = tuple(watched(f"w{number}") for number in range(60))
    status = common_cause.follow(world(children=many), draft_of(world())).status
    assert (status.child_count, len(status.children), status.children[0]) == (60, 50, NamespacedRef(namespace="shop", name="w0"))


def test_a_child_is_refused_by_the_storm_guard_and_what_takes_a_change_back_passes():
    seen = permitted(parent=PARENT)
    made = planned(seen)
    refusal = guards.storm(seen, made)
    assert refusal is not None
    where = "registry/registry.example.com is at fault, see Incident prunella-system/registry-example-com-aaaaa"
    assert (refusal.reason, refusal.message) == ("StormActive", f"{where}: what fails for it is judged anew when that is over")
    assert [one.refusal.reason for one in guards.ask(seen, made) if one.refusal] == ["StormActive"]
    assert not any(one.refusal for one in guards.ask(seen, made, begins=False))
    assert guards.storm(replace(seen, parent=None), made) is None


def test_a_child_pages_nobody_while_its_parent_tells_people_and_from_its_release_on_its_ladder_goes_on():
    tale = Story().shows(parent=PARENT)
    for second in (0, 100, 1000):
        tale.at(second)
    assert tale.pages() == []
    assert tale.status.escalation.state == "Paused"
    let_go = tale.incident.status.escalation.model_copy(update={"step_started_time": later(1000)})
    tale.incident = tale.incident.model_copy(update={"status": tale.status.model_copy(update={"escalation": let_go})})
    tale.shows(parent=None)
    assert tale.at(1001).status.escalation.next_action_time == later(1060)
    assert tale.pages() == []
    assert len(tale.at(1061).status.escalation.messages) == 1


@pytest.mark.parametrize(
    ("incident", "parent"),
    [(watched(), replace(PARENT, told=False)), (reported(), PARENT)],
    ids=["the parent reaches nobody", "a person reported it"],
)
def test_who_would_not_be_heard_is_not_silenced(incident, parent):
    tale = Story(incident=incident).shows(parent=parent)
    for second in (0, 61):
        tale.at(second)
    assert len(tale.pages()) == 1


def test_the_children_make_their_parent_as_important_as_the_worst_of_them():
    worst = watched("w1", status=IncidentStatus(impact=Impact.EXTENSIVE, target="deploy/w1"))
    mild = watched("w2", status=IncidentStatus(impact=Impact.MINOR, target="deploy/w2"))
    tale = Story()
    assert tale.at(0).status.priority is Priority.P3
    assert tale.at(1, children=(mild,)).status.priority is Priority.P3
    assert tale.at(2, children=(mild, worst)).status.priority is Priority.P1
    assert "impact Extensive (that of deploy/w1, which fails for it)" in (tale.status.priority_reason or "")
    assert tale.at(3).status.priority is Priority.P1, "within an episode it is only raised"


def test_explain_shows_both_sides_of_a_link():
    refs = [{"namespace": "shop", "name": f"w{number}"} for number in range(4)]
    both = stories.incident({"parentRef": {"namespace": "pay", "name": "ledger-aaaaa"}, "children": refs, "childCount": 70})
    rows = {row.label: (row.what, row.why) for row in story(both, [], stories.NOW).rows}
    assert rows["caused by"] == ("Incident pay/ledger-aaaaa", "kubectl prunella explain ledger-aaaaa -n pay")
    assert rows["causes"] == ("70 Incidents: shop/w0, shop/w1, shop/w2 and 67 more", "not treated, and paging nobody, while this one is open")
