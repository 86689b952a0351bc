"""Pods of the newest revision that don't get Ready, and nobody who is hurried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, deadline_exceeded, healthy_facts, later, new_pod, pod, pods, revision, rolling_facts, waiting
from .records import healthy_record, record_of

UNREADY = container(ready=False)


def detection(facts, now=NOON, open_after=None, record=None):
    return detect(facts, now, Settings(open_after_seconds=open_after or {}), Surroundings(record=record))


def rolling(*containers, unready_for=30, serving=0, **changes):
    """Revision 3 with one pod that is unready for so long, and no pod that tells how long a healthy one takes."""
    return rolling_facts(new_pod(*(containers or (UNREADY,)), ready_since=ago(unready_for)), serving=serving, created=unready_for + 10, **changes)


@pytest.mark.parametrize(
    ("facts", "record", "open_after", "patience"),
    [
        pytest.param(rolling(), healthy_record("h2", time_to_ready=2), None, 60, id="a minute at least"),
        pytest.param(rolling(), healthy_record("h2", time_to_ready=90), None, 180, id="twice what a healthy revision took"),
        pytest.param(rolling(), healthy_record("h1", "h2", time_to_ready=45), None, 90, id="the slowest of them"),
        pytest.param(rolling(probe_budget_seconds=300), healthy_record("h2"), None, 300, id="what the probes allow"),
        pytest.param(rolling(), healthy_record("h2"), {Cause.ROLLOUT_NOT_READY: 120}, 120, id="what the policy says, if longer"),
        pytest.param(rolling(), healthy_record("h2"), {Cause.ROLLOUT_NOT_READY: 5}, 60, id="what the policy says, if shorter"),
        pytest.param(rolling(serving=2), None, None, 60, id="what the pods took that serve now"),
        pytest.param(rolling(kind="StatefulSet"), None, None, 600, id="StatefulSet: nothing is known"),
        pytest.param(rolling(kind="DaemonSet"), None, None, 600, id="DaemonSet: nothing is known"),
        pytest.param(rolling(kind="DaemonSet"), healthy_record("h2", time_to_ready=None), None, 600, id="seen healthy, its time not known"),
    ],
)
def test_it_is_found_when_it_had_time_enough_and_not_a_moment_earlier(facts, record, open_after, patience):
    waits = detection(facts, NOON, open_after, record)
    due = ago(30 - patience)
    assert (waits.finding, waits.look_again) == (None, due)
    assert detection(facts, ago(30 - patience + 0.001), open_after, record).finding is None
    finding = detection(facts, due, open_after, record).finding
    assert (finding.cause, finding.accused_revision) == (Cause.ROLLOUT_NOT_READY, "h3")
    assert (finding.started_time, finding.open_time) == (ago(30), due)


@pytest.mark.parametrize(
    "record",
    [pytest.param(None, id="no record"), pytest.param(record_of(*healthy_record("h2").spec.revisions, uid="other"), id="another object's record")],
)
def test_without_a_known_time_only_the_deadline_tells(record):
    facts = rolling(unready_for=599)
    assert detection(facts, record=record).finding is None
    late = replace(facts, workload=replace(facts.workload, conditions=(deadline_exceeded(since=3),)))
    finding = detection(late, record=record).finding
    assert (finding.cause, finding.open_time) == (Cause.ROLLOUT_NOT_READY, ago(3))


def test_a_deadline_without_its_instant_opens_now():
    condition = replace(deadline_exceeded(), last_transition_time=None)
    assert detection(rolling(conditions=(condition,))).finding.open_time == NOON


@pytest.mark.parametrize(
    ("containers", "what"),
    [
        pytest.param((UNREADY,), "runs but is not Ready for 70 s", id="it runs"),
        pytest.param((waiting("ContainerCreating"),), "waits in ContainerCreating for 70 s", id="it is being created: a mount is missing"),
        pytest.param(
            (waiting("PodInitializing", name="a"), waiting("", name="b")), "waits in PodInitializing for 70 s", id="its init container runs"
        ),
        pytest.param((waiting(""),), "waits in creation for 70 s", id="the kubelet says nothing"),
    ],
)
def test_the_summary_says_what_it_does_instead(containers, what):
    finding = detection(rolling(*containers, unready_for=70, serving=3)).finding
    assert finding.summary == f"checkout: revision 3 {what}; revision 2 still serves 3 of 3"
    assert finding.failing_pods == ("checkout-h3-a",)


def test_the_summary_says_what_was_last_seen_healthy_where_nothing_serves():
    finding = detection(rolling(unready_for=70), record=healthy_record("h1", "h2", "h3", "h0")).finding
    assert finding.summary.endswith("; 0 of 3 are ready; revision 1 was last seen healthy 11:59:20")


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(rolling(unready_for=50, serving=3), id="within its time"),
        pytest.param(
            rolling_facts(new_pod(container(ready=True), ready=False, ready_since=ago(900)), created=910),
            id="only a gate holds it, or its node is not heard of",
        ),
        pytest.param(rolling_facts(new_pod(UNREADY, scheduled=False, node="", ready_since=ago(900)), created=910), id="no node takes it"),
        pytest.param(
            replace(healthy_facts(), pods=(*pods(2), pod("slow", "h2", UNREADY, ready_since=ago(900)))),
            id="no rollout: the revision is older than 30 min",
        ),
    ],
)
def test_it_is_no_fault(facts):
    assert detection(facts).finding is None


@pytest.mark.parametrize("probed", [True, False], ids=["with a probe", "without a probe"])
@pytest.mark.parametrize("known", [True, False], ids=["its time is known", "its time is not known"])
def test_a_starter_that_needs_90_s_in_both_revisions_gives_no_finding(probed, known):
    old = pods(3 if known else 0, "h2", created_time=ago(3690))
    for age in range(0, 120, 5):
        up = container(ready=not probed or age >= 90, running_since=ago(age))
        newest = new_pod(up, ready_since=ago(age - 90) if up.ready and probed else ago(age), created_time=ago(age))
        facts = rolling_facts(newest, serving=len(old), created=age + 1)
        assert detection(replace(facts, pods=(*old, newest))).finding is None, f"after {age} s"


@pytest.mark.parametrize(
    ("unready_for", "only_newest"), [pytest.param(59, True, id="for 59 s"), pytest.param(60, False, id="for as long as the newest may")]
)
def test_an_old_pod_that_is_not_ready_either_is_told(unready_for, only_newest):
    facts = rolling(unready_for=70, serving=2)
    old = pod("old", "h2", UNREADY, ready_since=ago(unready_for))
    assert detection(replace(facts, pods=(*facts.pods, old))).finding.only_newest_fails is only_newest


def test_pods_that_failed_tell_no_time():
    crashed = container(restarts=1, running_since=ago(20), last_terminated=None)
    facts = rolling(unready_for=70)
    flapped = pod("old", "h2", crashed, created_time=ago(5000), ready_since=ago(20))
    assert detection(replace(facts, pods=(*facts.pods, flapped))).finding is None
    untold = replace(flapped, ready_since=None)
    assert detection(replace(facts, pods=(*facts.pods, untold))).finding is None


def test_a_young_revision_that_was_complete_loses_its_readiness_within_the_window():
    facts = replace(
        healthy_facts(), revisions=(revision(2, created=1000), revision(1)), pods=(*pods(2), pod("a", "h2", UNREADY, ready_since=ago(70)))
    )
    assert detection(facts, record=healthy_record("h1")).finding.cause is Cause.ROLLOUT_NOT_READY
    assert detection(facts, later(801), record=healthy_record("h1")).finding is None
