"""Known-good is pinned, health is what the kinds say it is, and only a rollout that is really at fault is guilty."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import UNKNOWN
from prunella.core.healing.known import known_good

from .builders import (
    NOON,
    ago,
    container,
    crashing,
    healthy_facts,
    later,
    new_pod,
    pod,
    pods,
    progressing,
    revision,
    rolling_facts,
    termination,
    workload,
)
from .records import healthy_record, healthy_revision, quarantined_revision, record_of

WINDOW = timedelta(minutes=30)
LOOPING_BUT_UP = container(restarts=3, running_since=ago(1), last_terminated=termination(finished=3))


def chosen(facts, record=None, accused="h3", after=60):
    return known_good.known_good(facts, accused, record, after, NOON)


@pytest.mark.parametrize(
    ("facts", "record", "number", "message"),
    [
        pytest.param(rolling_facts(new_pod(crashing())), None, 2, "revision 2 serves now", id="it has Ready pods"),
        pytest.param(
            rolling_facts(new_pod(crashing()), serving=0),
            healthy_record("h2"),
            2,
            "revision 2 was last seen healthy 11:59:20",
            id="it was seen healthy",
        ),
        pytest.param(
            rolling_facts(new_pod(crashing()), serving=0),
            healthy_record("h1", "h2"),
            2,
            "revision 2 was last seen healthy 11:59:20",
            id="the newest of them",
        ),
        pytest.param(
            rolling_facts(new_pod(crashing()), serving=0),
            record_of(healthy_revision("h1"), healthy_revision("h2"), quarantined=(quarantined_revision("h2"),)),
            1,
            "revision 1 was last seen healthy 11:59:20",
            id="not one in quarantine",
        ),
        pytest.param(
            replace(rolling_facts(new_pod(crashing())), pods=(*pods(2, "h2", crashing()), pod("old", "h1"))),
            healthy_record("h2"),
            1,
            "revision 1 serves now",
            id="a second bad revision: not the one before, which fails as well",
        ),
        pytest.param(
            replace(rolling_facts(new_pod(crashing())), pods=(pod("a", "h2", LOOPING_BUT_UP), pod("old", "h1"))),
            None,
            1,
            "revision 1 serves now",
            id="Ready for a moment between two crashes is no service",
        ),
        pytest.param(
            rolling_facts(new_pod(crashing()), serving=0),
            record_of(healthy_revision("h1", last_healthy=14 * 86_400)),
            1,
            "revision 1 was last seen healthy 12:00:00",
            id="last seen healthy 14 days ago",
        ),
        pytest.param(rolling_facts(new_pod(crashing())), healthy_record("h1"), 2, "revision 2 serves now", id="the newer one serves"),
    ],
)
def test_known_good_is_the_newest_revision_that_works(facts, record, number, message):
    found = chosen(facts, record)
    assert (found.revision.number, found.message) == (number, message)


NOTHING = "no other stored revision of deploy/checkout has Ready pods, or was seen healthy for 60 s before this one appeared"


@pytest.mark.parametrize(
    ("facts", "record", "message"),
    [
        pytest.param(rolling_facts(new_pod(crashing()), serving=0), None, NOTHING, id="nothing is remembered"),
        pytest.param(rolling_facts(new_pod(crashing()), serving=0), healthy_record("h9"), NOTHING, id="it is not stored any more"),
        pytest.param(rolling_facts(new_pod(crashing()), serving=0), healthy_record("h3"), NOTHING, id="only the accused one was"),
        pytest.param(
            rolling_facts(new_pod(crashing()), serving=0),
            record_of(healthy_revision("h2"), uid="other"),
            NOTHING,
            id="another object of that name was",
        ),
        pytest.param(
            rolling_facts(new_pod(crashing()), serving=0),
            record_of(healthy_revision("h2", last_healthy=14 * 86_400 + 1)),
            NOTHING,
            id="that was more than 14 days ago",
        ),
        pytest.param(
            rolling_facts(new_pod(crashing())),
            record_of(quarantined=(quarantined_revision("h2"),)),
            f"{NOTHING}; 1 in quarantine",
            id="it is in quarantine",
        ),
        pytest.param(
            rolling_facts(new_pod(crashing()), min_ready_seconds=90, serving=0), None, NOTHING.replace("60 s", "90 s"), id="minReadySeconds is longer"
        ),
        pytest.param(
            rolling_facts(new_pod(crashing()), pod("old", "h2", deleting=True), serving=0), None, NOTHING, id="its pods are on their way out"
        ),
    ],
)
def test_without_a_revision_that_works_there_is_none_and_it_says_so(facts, record, message):
    found = chosen(facts, record)
    assert (found.revision, found.message) == (None, message)


@pytest.mark.parametrize(
    ("facts", "healthy"),
    [
        pytest.param(healthy_facts(), True, id="Deployment"),
        pytest.param(healthy_facts(available=2), False, id="Deployment: not all available"),
        pytest.param(healthy_facts(updated=2), False, id="Deployment: not all updated"),
        pytest.param(rolling_facts(updated=3), False, id="Deployment: two ReplicaSets"),
        pytest.param(replace(healthy_facts(), revisions=(revision(2, replicas=2),)), False, id="Deployment: its ReplicaSet is smaller"),
        pytest.param(replace(healthy_facts(), revisions=()), UNKNOWN, id="Deployment: its ReplicaSets are not known"),
        pytest.param(healthy_facts("StatefulSet"), True, id="StatefulSet"),
        pytest.param(healthy_facts("StatefulSet", available=2), False, id="StatefulSet: not all available"),
        pytest.param(healthy_facts("StatefulSet", current_revision="h1"), False, id="StatefulSet: the update has not arrived"),
        pytest.param(healthy_facts("StatefulSet", current_revision=""), UNKNOWN, id="StatefulSet: its status names no revision"),
        pytest.param(healthy_facts("StatefulSet", update_revision=""), UNKNOWN, id="StatefulSet: its status names no update"),
        pytest.param(healthy_facts("DaemonSet"), True, id="DaemonSet"),
        pytest.param(healthy_facts("DaemonSet", updated=2), False, id="DaemonSet: not all updated"),
        pytest.param(healthy_facts("DaemonSet", available=2), False, id="DaemonSet: not all available"),
        pytest.param(healthy_facts("ReplicaSet"), UNKNOWN, id="a kind that is not known"),
        pytest.param(healthy_facts(desired=0, available=0, updated=0), False, id="scaled to zero proves nothing"),
        pytest.param(healthy_facts(deleting=True), False, id="on its way out"),
        pytest.param(healthy_facts(generation=3), UNKNOWN, id="the controller has not seen the template"),
    ],
)
def test_a_workload_is_healthy_where_all_of_it_is_available_in_one_revision(facts, healthy):
    assert known_good.healthy(facts) is healthy


@pytest.mark.parametrize(
    ("facts", "since"),
    [
        pytest.param(replace(healthy_facts(), pods=(*pods(2), pod("late", ready_since=ago(7)))), ago(7), id="its latest Ready pod"),
        pytest.param(
            replace(healthy_facts(), pods=(*pods(3), pod("leaving", ready_since=ago(1), deleting=True))), ago(3600), id="not one that is leaving"
        ),
        pytest.param(replace(healthy_facts(), pods=pods(2)), None, id="a pod is not known yet"),
        pytest.param(replace(healthy_facts(), pods=(*pods(3), pod("new", "h2", container(ready=False)))), None, id="a pod is not Ready"),
        pytest.param(replace(healthy_facts(), pods=pods(3, ready_since=None)), None, id="its pods don't tell"),
        pytest.param(healthy_facts(available=2), None, id="it is not healthy"),
        pytest.param(replace(healthy_facts("DaemonSet"), revisions=()), None, id="its revision is not known"),
    ],
)
def test_it_is_healthy_since_its_last_pod_got_ready(facts, since):
    assert known_good.healthy_since(facts) == since


def guilt(facts, *, ours=False, now=NOON, record=None, **finding):
    found = detect(facts, now, Settings(), Surroundings(record=record)).finding
    assert found is not None
    return known_good.guilt(facts, replace(found, **finding), record, began_before_our_eyes=ours, now=now, window=WINDOW)


def test_a_young_revision_that_alone_fails_is_guilty_since_all_of_it_held():
    found = guilt(rolling_facts(new_pod(crashing())))
    assert (found.guilty, found.reason, found.message) == (True, "", "revision 3 fails and no other does")
    assert found.not_before == ago(5)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(
    ("created", "ours", "guilty"),
    [
        pytest.param(1799, False, True, id="younger than 30 min"),
        pytest.param(1800, False, False, id="30 min old"),
        pytest.param(90_000, True, True, id="it began before our eyes"),
    ],
)
def test_only_a_change_that_is_young_or_was_seen_to_begin_is_guilty(kind, created, ours, guilty):
    found = guilt(rolling_facts(new_pod(crashing()), kind=kind, created=created), ours=ours)
    assert found.guilty is guilty
    assert found.reason == ("" if guilty else "ChangeTooOld")


def test_a_change_that_is_too_old_is_refused_with_the_command_to_undo_it():
    found = guilt(rolling_facts(new_pod(crashing()), created=90_000))
    assert found.message == (
        "the rollout of revision 3 began 25 h ago and not before our eyes; only a change of the last 30 min is taken for the cause."
        " If it is at fault: kubectl rollout undo deploy/checkout -n shop"
    )


def test_a_change_of_an_unknown_time_is_too_old():
    facts = replace(rolling_facts(new_pod(crashing(), created_time=None), conditions=()), revisions=(revision(3, created_time=None),))
    found = guilt(facts)
    assert found.reason == "ChangeTooOld"
    assert "began at an unknown time and" in found.message


@pytest.mark.parametrize(
    ("seconds", "words"), [(119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h")], ids=["seconds", "minutes", "many minutes", "hours"]
)
def test_a_span_is_told_in_words(seconds, words):
    facts = rolling_facts(new_pod(crashing()), created=seconds)
    finding = detect(facts, NOON, Settings(), Surroundings()).finding
    assert finding is not None
    found = known_good.guilt(facts, finding, None, began_before_our_eyes=False, now=NOON, window=timedelta(0))
    assert f"began {words} ago" in found.message


@pytest.mark.parametrize(
    ("facts", "record", "message"),
    [
        pytest.param(
            replace(rolling_facts(new_pod(crashing())), pods=(*pods(3, "h2", crashing()), new_pod(crashing()))),
            None,
            "pods of revision 2 fail as well: going back would not help; look for what both need",
            id="both crash",
        ),
        pytest.param(
            replace(rolling_facts(new_pod(crashing())), pods=(*pods(2), pod("one", "h2", crashing()), new_pod(crashing()))),
            healthy_record("h2"),
            "pods of revision 2 fail as well although it was healthy before: going back would not help; look for what both need",
            id="one of the old ones crashes",
        ),
        pytest.param(
            replace(rolling_facts(new_pod(crashing())), pods=(pod("a", "h1", crashing()), pod("b", "h2", crashing()), new_pod(crashing()))),
            None,
            "pods of revision 1 and 2 fail as well: going back would not help; look for what both need",
            id="two old revisions crash",
        ),
    ],
)
def test_a_rollout_is_not_guilty_where_the_old_revision_fails_too(facts, record, message):
    found = guilt(facts, record=record)
    assert (found.reason, found.message, found.not_before) == ("OldRevisionFails", message, None)


def test_the_detectors_word_that_others_fail_counts_as_well():
    facts = replace(rolling_facts(new_pod(crashing())), pods=(pod("slow", "h2", container(ready=False), ready_since=ago(9)), new_pod(crashing())))
    assert guilt(facts).guilty
    assert guilt(facts, only_newest_fails=False).reason == "OldRevisionFails"


def test_a_bad_revision_in_between_does_not_acquit_the_newest_one():
    facts = replace(rolling_facts(new_pod(crashing())), pods=(*pods(2, "h1"), pod("bad", "h2", crashing()), new_pod(crashing())))
    found = guilt(facts)
    assert found.guilty
    assert chosen(facts).revision.number == 1


def test_a_rollout_that_was_complete_is_guilty_where_nothing_else_runs():
    facts = replace(healthy_facts(available=0), revisions=(revision(2, created=90), revision(1)), pods=pods(3, "h2", crashing(finished=60)))
    found = guilt(facts)
    assert (found.guilty, found.not_before) == (True, ago(60))


def test_what_recovered_a_moment_ago_failed_as_well_and_nothing_is_concluded_yet():
    facts = replace(
        rolling_facts(new_pod(crashing(finished=20))),
        pods=(*pods(2, ready_since=ago(3)), pod("b", ready_since=ago(7)), new_pod(crashing(finished=20))),
    )
    found = guilt(facts)
    assert (found.reason, found.not_before) == ("OldRevisionFails", later(57))
    assert "what both need came back, and revision 3 may only be slower" in found.message


@pytest.mark.parametrize(("crashed", "reason"), [(10, ""), (90, "OldRevisionFails")], ids=["it crashed since", "it only waits for its next try"])
def test_a_minute_after_the_other_recovered_the_newest_is_guilty_only_if_it_failed_again(crashed, reason):
    lasting = new_pod(crashing(finished=crashed))
    facts = replace(rolling_facts(lasting), pods=(*pods(3, ready_since=ago(70)), lasting))
    finding = detect(facts, NOON, Settings(), Surroundings()).finding
    assert finding is not None
    finding = replace(finding, started_time=ago(120))
    assert known_good.guilt(facts, finding, None, began_before_our_eyes=True, now=NOON, window=WINDOW).reason == reason


def test_what_served_all_the_while_makes_the_newest_guilty_at_once():
    lasting = new_pod(crashing(finished=20))
    facts = replace(rolling_facts(lasting), pods=(*pods(2, ready_since=ago(3)), pod("b", ready_since=ago(700)), lasting))
    assert guilt(facts).guilty


@pytest.mark.parametrize("accused", ["h2", ""], ids=["an older revision is accused", "none is accused"])
def test_only_the_newest_revision_can_be_guilty(accused):
    found = guilt(rolling_facts(new_pod(crashing())), accused_revision=accused)
    assert (found.reason, found.guilty) == ("RolloutInProgress", False)
    assert found.message.startswith("what fails is not the newest revision, or that one is not known yet")


def test_while_the_newest_is_not_known_nothing_is_guilty():
    facts = rolling_facts(new_pod(crashing()))
    finding = detect(facts, NOON, Settings(), Surroundings()).finding
    assert finding is not None
    stale = replace(facts, workload=workload(generation=4, observed_generation=3, conditions=(progressing("ReplicaSetUpdated"),)))
    found = known_good.guilt(stale, finding, None, began_before_our_eyes=True, now=later(1), window=WINDOW)
    assert found.reason == "RolloutInProgress"
