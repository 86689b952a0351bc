"""Containers that end and are started again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

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
    waiting,
    workload,
)

KINDS = ["Deployment", "StatefulSet", "DaemonSet"]


def found(facts, now=NOON, **surroundings):
    return detect(facts, now, Settings(), Surroundings(**surroundings)).finding


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=1), timedelta(hours=1)])
def test_a_crash_that_another_clock_dates_in_the_future_opens_now(ahead):
    facts = rolling_facts(new_pod(crashing(restarts=1)))
    finding = found(facts, now=NOON - ahead)
    assert finding.open_time == min(finding.started_time, NOON - ahead)
    assert finding.started_time <= NOON


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_of_the_newest_revision_accuses_it_at_once(kind):
    facts = rolling_facts(new_pod(crashing(restarts=1)), kind=kind)
    finding = found(facts)
    assert finding.cause is Cause.ROLLOUT_CRASH_LOOP
    assert finding.summary == "checkout: revision 3 crash-loops (exit code 1); revision 2 still serves 3 of 3"
    assert (finding.accused_revision, finding.accused_number) == ("h3", 3)
    assert (finding.started_time, finding.open_time) == (ago(5), ago(5))
    assert (finding.restarts, finding.restarted_time) == (1, ago(5))
    assert (finding.failing_pods, finding.failing_container) == (("checkout-h3-a",), "app")
    assert finding.only_newest_fails


@pytest.mark.parametrize(
    ("containers", "cause", "summary"),
    [
        pytest.param((crashing(3),), Cause.ROLLOUT_CRASH_LOOP, "revision 3 crash-loops (exit code 3)", id="it exits with 3"),
        pytest.param(
            (container(ready=False, running_since=None, terminated=termination(0, reason="Completed")),),
            Cause.ROLLOUT_CRASH_LOOP,
            "revision 3 crash-loops (exit code 0)",
            id="it exits with 0",
        ),
        pytest.param(
            (crashing(2, name="migrate", init=True), waiting("PodInitializing")),
            Cause.ROLLOUT_CRASH_LOOP,
            "revision 3 fails in init container migrate (exit code 2)",
            id="its init container fails",
        ),
        pytest.param(
            (crashing(1, name="proxy", init=True, sidecar=True), container()),
            Cause.ROLLOUT_CRASH_LOOP,
            "revision 3 crash-loops (container proxy, exit code 1)",
            id="its sidecar crashes",
        ),
        pytest.param(
            (waiting("RunContainerError", last_terminated=termination(128, reason="StartError", message='exec: "serv": not found')),),
            Cause.ROLLOUT_CRASH_LOOP,
            'revision 3 crash-loops (StartError: exec: "serv": not found)',
            id="its command is not there",
        ),
        pytest.param(
            (waiting("RunContainerError", "context deadline exceeded"),),
            Cause.ROLLOUT_CRASH_LOOP,
            "revision 3 crash-loops (RunContainerError: context deadline exceeded)",
            id="it never ran",
        ),
        pytest.param(
            (crashing(137, last_terminated=termination(137, reason="OOMKilled")),),
            Cause.ROLLOUT_OUT_OF_MEMORY,
            "revision 3 runs out of memory (OOMKilled, exit code 137)",
            id="it runs out of memory",
        ),
        pytest.param(
            (container(), crashing(137, name="cache", last_terminated=termination(137, reason="OOMKilled"))),
            Cause.ROLLOUT_OUT_OF_MEMORY,
            "revision 3 runs out of memory (container cache, OOMKilled, exit code 137)",
            id="one of two runs out of memory",
        ),
    ],
)
def test_the_summary_says_how_it_ends(containers, cause, summary):
    finding = found(rolling_facts(new_pod(*containers)))
    assert finding.cause is cause
    assert finding.summary == f"checkout: {summary}; revision 2 still serves 3 of 3"


def test_memory_is_the_more_specific_cause_where_pods_end_differently():
    facts = rolling_facts(
        new_pod(crashing(1, restarts=4), name="a"), new_pod(crashing(137, restarts=2, last_terminated=termination(137, reason="OOMKilled")), name="b")
    )
    finding = found(facts)
    assert (finding.cause, finding.restarts, finding.failing_pods) == (Cause.ROLLOUT_OUT_OF_MEMORY, 2, ("b",))


def test_the_most_restarts_count_and_the_first_end_is_the_start():
    facts = rolling_facts(new_pod(crashing(restarts=3, finished=9), name="a"), new_pod(crashing(restarts=1, finished=30), name="b"))
    finding = found(facts)
    assert (finding.restarts, finding.restarted_time, finding.started_time) == (3, ago(9), ago(30))
    assert finding.failing_pods == ("a", "b")


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(rolling_facts(new_pod(crashing()), created=90_000), Cause.ROLLOUT_CRASH_LOOP, id="it never arrived, for a day"),
        pytest.param(
            replace(healthy_facts(available=2), revisions=(revision(2, created=1799),), pods=pods(3, "h2", crashing())),
            Cause.ROLLOUT_CRASH_LOOP,
            id="it arrived and is younger than 30 min",
        ),
        pytest.param(
            replace(healthy_facts(available=2), revisions=(revision(2, created=1800),), pods=pods(3, "h2", crashing())),
            Cause.CRASH_LOOP,
            id="it arrived 30 min ago",
        ),
        pytest.param(
            replace(healthy_facts(available=2), revisions=(), pods=pods(3, "h2", crashing())), Cause.CRASH_LOOP, id="its revisions are not known"
        ),
        pytest.param(
            rolling_facts(serving=0, conditions=(progressing(),)).__class__(
                workload=workload(generation=3, observed_generation=3, updated=1, conditions=(progressing("ReplicaSetUpdated"),)),
                revisions=(revision(3, created=40), revision(2)),
                pods=(*pods(2, "h2", crashing()), new_pod(container(ready=False))),
            ),
            Cause.CRASH_LOOP,
            id="the old revision crashes and the new one is on its way",
        ),
        pytest.param(
            replace(rolling_facts(new_pod(crashing())), pods=(*pods(3, "h2", crashing()), new_pod(crashing()))),
            Cause.ROLLOUT_CRASH_LOOP,
            id="both crash: the cause is the rollout, guilt is the plan's",
        ),
    ],
)
def test_the_rollout_is_the_cause_while_it_is_young_or_has_not_arrived(facts, cause):
    assert found(facts).cause is cause


def test_old_pods_that_crash_as_well_are_told():
    facts = rolling_facts(new_pod(crashing()))
    assert not found(replace(facts, pods=(*pods(2), pod("old", "h2", crashing()), new_pod(crashing())))).only_newest_fails


@pytest.mark.parametrize(
    ("crashers", "who"),
    [
        pytest.param(1, "pod checkout-h2-0 crash-loops (exit code 1); 2 of 3 are ready", id="one pod"),
        pytest.param(3, "each of 3 pods crash-loops (exit code 1); 0 of 3 are ready", id="all of them"),
    ],
)
def test_a_crash_loop_without_a_rollout_names_pods(crashers, who):
    running = tuple(pod(f"well-{index}") for index in range(3 - crashers))
    facts = replace(healthy_facts(), revisions=(), pods=(*pods(crashers, "h2", crashing()), *running))
    finding = found(facts)
    assert finding.summary == f"checkout: {who}"
    assert finding.accused_revision == ""


def test_a_crash_loop_of_one_stored_revision_accuses_it():
    facts = replace(healthy_facts(), pods=(pod("a", "h2", crashing()), *pods(2)))
    assert found(facts).accused_revision == "h2"
    assert found(facts).summary == "checkout: revision 2 crash-loops (exit code 1); 2 of 3 are ready"


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(
            replace(
                healthy_facts(),
                pods=(pod("a", "h2", container(ready=False, restarts=1, running_since=ago(3), last_terminated=termination())), *pods(2)),
            ),
            id="a single restart without a rollout",
        ),
        pytest.param(
            replace(
                healthy_facts(),
                revisions=(revision(2, created=600),),
                pods=pods(3, "h2", container(restarts=2, running_since=ago(65), last_terminated=termination(finished=70)), ready_since=ago(61)),
            ),
            id="it has been Ready for a minute again",
        ),
        pytest.param(rolling_facts(new_pod(crashing(), deleting=True)), id="the pod is on its way out"),
        pytest.param(rolling_facts(new_pod(crashing(), phase="Failed", status_reason="Evicted")), id="the pod was evicted"),
        pytest.param(rolling_facts(new_pod(crashing(), status_reason="NodeLost")), id="its node is lost"),
        pytest.param(replace(healthy_facts(), pods=(*pods(3), pod("left", "h1", crashing()))), id="pods of another revision only wait to be removed"),
    ],
)
def test_it_is_no_fault(facts):
    assert found(facts) is None


def test_a_crash_holds_between_two_runs_and_says_when_it_will_be_over():
    up_again = container(restarts=2, running_since=ago(10), last_terminated=termination(finished=20))
    facts = rolling_facts(new_pod(up_again, ready_since=ago(9)))
    detection = detect(facts, NOON, Settings(), Surroundings())
    assert detection.finding is not None
    assert detection.finding.cause is Cause.ROLLOUT_CRASH_LOOP
    assert detection.finding.restarted_time == ago(10)
    assert detection.look_again == later(51)
    assert detect(facts, later(51), Settings(), Surroundings()).finding is None


def test_a_finding_opens_later_where_the_policy_says_so():
    facts = rolling_facts(new_pod(crashing()))
    detection = detect(facts, NOON, Settings(open_after_seconds={Cause.ROLLOUT_CRASH_LOOP: 20}), Surroundings())
    assert detection.finding is not None
    assert detection.finding.open_time == later(15)
    assert detection.look_again == later(15)
