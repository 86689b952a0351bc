"""What holds for every workload, whatever the API server stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunella.api.names import ROLLOUT_CAUSES, Cause
from prunella.core import failing, rollout
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import Container, Pod, Revision, Termination, Workload, WorkloadCondition, WorkloadFacts
from prunella.core.healing.known import known_good

from .builders import NOON, ago, container, crashing, deadline_exceeded, healthy_facts, later, new_pod, pod, pods, rolling_facts, waiting

KINDS = ["Deployment", "StatefulSet", "DaemonSet"]


def detection(facts, now=NOON):
    return detect(facts, now, Settings(), Surroundings(nodes={"node-1": True}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_workload_gives_nothing_and_needs_no_second_look(kind):
    assert (detection(healthy_facts(kind)).finding, detection(healthy_facts(kind)).look_again) == (None, None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [{"desired": 0}, {"deleting": True}], ids=["scaled to zero", "on its way out"])
def test_what_should_not_run_has_no_fault(kind, changes):
    assert detection(rolling_facts(new_pod(crashing()), kind=kind, **changes)) == detection(healthy_facts(kind, **changes))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_concluded_from_a_status_older_than_the_template(kind):
    found = detection(rolling_facts(new_pod(crashing()), kind=kind, generation=4))
    assert (found.finding, found.look_again, found.settled) == (None, None, False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_paused_workload_has_its_faults_all_the_same(kind):
    assert detection(rolling_facts(new_pod(crashing()), kind=kind, paused=True)).finding.cause is Cause.ROLLOUT_CRASH_LOOP


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "newest",
    [
        pytest.param((), id="it has no new pod yet"),
        pytest.param((new_pod(waiting("ContainerCreating"), ready_since=ago(5)),), id="the new pod is being created"),
        pytest.param((new_pod(container(ready=False), ready_since=ago(5)),), id="the new pod starts"),
        pytest.param(
            (new_pod(waiting("PodInitializing"), container(init=True, ready=False, name="init"), ready_since=ago(5)),), id="its init container runs"
        ),
        pytest.param((new_pod(container()),), id="the new pod is Ready"),
        pytest.param((new_pod(node="", scheduled=False, phase="Pending"),), id="the new pod waits for a node"),
    ],
)
def test_a_normal_rollout_gives_nothing(kind, newest):
    facts = rolling_facts(*newest, kind=kind, serving=2)
    leaving = pod("leaving", "h2", container(ready=False, running_since=None, terminated=None), deleting=True)
    assert detection(replace(facts, pods=(*facts.pods, leaving))).finding is None


def test_a_drain_gives_nothing():
    moved = pod("moved", "h2", waiting("ContainerCreating"), ready_since=ago(2), created_time=ago(3))
    gone = pod("gone", "h2", crashing(137), deleting=True)
    evicted = pod("evicted", "h2", crashing(137), phase="Failed", status_reason="Evicted")
    assert detection(replace(healthy_facts(available=2), pods=(*pods(2), moved, gone, evicted))).finding is None


def test_it_is_looked_at_again_when_the_window_ends():
    facts = rolling_facts(new_pod(crashing(restarts=1), ready_since=ago(300)), created=310)
    assert detection(facts).look_again == later(1490)
    assert rollout.rollout_began(facts) == later(1490) - timedelta(seconds=1800)


TIMES = st.one_of(st.none(), st.integers(-4000, 100_000).map(ago))
HASHES = st.sampled_from(["", "h1", "h2", "h3"])
REASONS = st.sampled_from(
    ["", "ContainerCreating", "Odd", *sorted(failing.CRASH_REASONS), *sorted(failing.IMAGE_REASONS), *sorted(failing.CONFIG_REASONS)]
)
ENDS = st.builds(
    Termination,
    exit_code=st.sampled_from([0, 1, 137]),
    reason=st.sampled_from(["Error", "OOMKilled", "Completed", "StartError", "ContainerStatusUnknown"]),
    started_time=TIMES,
    finished_time=TIMES,
)
CONTAINERS = st.builds(
    Container,
    name=st.sampled_from(["app", "init"]),
    init=st.booleans(),
    sidecar=st.booleans(),
    ready=st.booleans(),
    restarts=st.integers(0, 5),
    image=st.sampled_from(["", "a", "shop/app:3", "shop/app:2"]),
    waiting_reason=REASONS,
    waiting_message=st.one_of(
        st.sampled_from(["", "not found", 'configmap "x" not found', "401", "refused", "Back-off pulling image"]), st.text(max_size=30)
    ),
    running_since=TIMES,
    terminated=st.none() | ENDS,
    last_terminated=st.none() | ENDS,
)
PODS = st.builds(
    Pod,
    namespace=st.just("shop"),
    name=st.sampled_from(["a", "b", "c"]),
    uid=st.just("u"),
    revision=HASHES,
    phase=st.sampled_from(["", "Running", "Pending", "Failed", "Unknown"]),
    status_reason=st.sampled_from(["", "", "NodeLost", "Evicted"]),
    ready=st.booleans(),
    ready_since=TIMES,
    scheduled=st.booleans(),
    unscheduled_reason=st.sampled_from(["", "Unschedulable", "SchedulingGated"]),
    created_time=TIMES,
    deleting=st.booleans(),
    deletion_time=TIMES,
    node=st.sampled_from(["", "node-1", "node-1", "node-1"]),
    containers=st.lists(CONTAINERS, max_size=3).map(tuple),
)
REVISIONS = st.builds(
    Revision,
    namespace=st.just("shop"),
    name=st.just("r"),
    uid=st.just("u"),
    owner_uid=st.just("u"),
    hash=HASHES,
    number=st.integers(0, 4),
    created_time=TIMES,
    replicas=st.integers(0, 3),
    images=st.lists(st.sampled_from(["shop/app:2", "shop/app:3"]), max_size=2).map(tuple),
    references=st.sampled_from([frozenset(), frozenset({"configmap/x"})]),
)
CONDITIONS = st.builds(
    WorkloadCondition,
    type=st.sampled_from(["Progressing", "ReplicaFailure"]),
    status=st.sampled_from(["True", "False"]),
    reason=st.sampled_from(["NewReplicaSetAvailable", "ProgressDeadlineExceeded", "ReplicaSetUpdated", "DeploymentPaused", "FailedCreate"]),
    last_transition_time=TIMES,
    last_update_time=TIMES,
)
WORKLOADS = st.builds(
    Workload,
    kind=st.sampled_from([*KINDS, "Odd"]),
    namespace=st.just("shop"),
    name=st.just("checkout"),
    uid=st.just("u"),
    generation=st.integers(0, 2),
    observed_generation=st.integers(1, 2),
    desired=st.integers(0, 4),
    updated=st.integers(0, 4),
    ready=st.integers(0, 4),
    available=st.integers(0, 4),
    paused=st.booleans(),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    strategy=st.sampled_from(["RollingUpdate", "OnDelete"]),
    probe_kills=st.sampled_from([{}, {"app": 3}]),
    current_revision=HASHES,
    update_revision=HASHES,
    probe_budget_seconds=st.integers(0, 100),
)
FACTS = st.builds(WorkloadFacts, workload=WORKLOADS, revisions=st.lists(REVISIONS, max_size=3).map(tuple), pods=st.lists(PODS, max_size=5).map(tuple))


@settings(deadline=None)
@given(FACTS)
def test_no_facts_are_too_odd(facts):
    found = detection(facts)
    assert found.look_again is None or found.look_again > NOON
    if found.finding is not None:
        assert 0 < len(found.finding.summary) <= 1024


@settings(deadline=None)
@given(FACTS)
def test_a_rollout_is_accused_only_by_a_pod_of_its_own_or_by_the_deadline(facts):
    finding = detection(facts).finding
    if finding is None or finding.cause not in ROLLOUT_CAUSES:
        return
    newest = rollout.newest(facts)
    assert newest is not None
    if finding.cause is Cause.ROLLOUT_STUCK:
        assert rollout.deadline_condition(facts.workload) is not None
        assert finding.accused_revision == ""
        return
    assert finding.accused_revision == newest.hash
    own = {one.name for one in facts.pods if one.revision == newest.hash and failing.counts(one) and (not one.ready or failing.crashes(one, NOON))}
    waits = {one.name for one in facts.pods if failing.waiting_for(one, failing.IMAGE_REASONS | failing.CONFIG_REASONS)}
    assert finding.failing_pods
    assert set(finding.failing_pods) <= own | waits


@settings(deadline=None)
@given(FACTS)
def test_the_answer_does_not_change_before_the_next_look(facts):
    first = detection(facts)
    until = min(first.look_again or later(5000), later(5000)) - timedelta(milliseconds=1)
    second = detection(facts, until)
    assert (first.finding is None) == (second.finding is None)
    if first.finding is not None and second.finding is not None:
        assert (first.finding.cause, first.finding.accused_revision, first.finding.failing_pods, first.finding.only_newest_fails) == (
            second.finding.cause,
            second.finding.accused_revision,
            second.finding.failing_pods,
            second.finding.only_newest_fails,
        )


def marked(facts: WorkloadFacts) -> WorkloadFacts:
    """As the cache marks its pods."""
    return replace(facts, pods=tuple(replace(one, quiet=failing.quiet(one.containers)) for one in facts.pods))


@settings(deadline=None)
@given(FACTS)
def test_the_mark_of_a_quiet_pod_spares_work_and_changes_no_answer(facts):
    assert detection(marked(facts)) == detection(facts)


QUIET = st.lists(
    st.builds(Container, name=st.sampled_from(["app", "log"]), ready=st.booleans(), image=st.sampled_from(["a", "b"]), running_since=TIMES),
    max_size=2,
).map(tuple)


@settings(deadline=None)
@given(FACTS, PODS, QUIET, QUIET)
def test_two_words_about_a_pod_that_are_alike_give_one_answer(facts, one, before, after):
    well = replace(one, containers=before, ready=True, quiet=True)
    later_word = replace(well, containers=after, resource_version="2")
    assert failing.alike(well, later_word)
    first, second = (replace(facts, pods=(*facts.pods, pod)) for pod in (well, later_word))
    assert detection(first) == detection(second)
    assert known_good.healthy_since(first) == known_good.healthy_since(second)


@pytest.mark.parametrize(
    "change",
    [
        {"ready": False},
        {"ready_since": ago(1)},
        {"phase": "Failed"},
        {"status_reason": "Evicted"},
        {"deleting": True},
        {"deletion_time": ago(1)},
        {"finalizers": ("x",)},
        {"scheduled": False},
        {"node": ""},
        {"revision": "h9"},
        {"owner_uid": "another"},
        {"quiet": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_a_detector_asks_for_makes_two_words_differ(change):
    well = pod(quiet=True)
    assert failing.alike(well, replace(well, resource_version="2"))
    assert not failing.alike(well, replace(well, **change))


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ((container(),), True),
        ((), True),
        (
            (
                container(),
                crashing(),
            ),
            False,
        ),
        ((container(restarts=1),), False),
        ((waiting("ContainerCreating"),), False),
        ((container(terminated=Termination(exit_code=0)),), False),
        ((container(), container(init=True, terminated=Termination(exit_code=0))), True),
        ((container(), container(init=True, terminated=Termination(exit_code=1))), False),
        ((container(), container(init=True, sidecar=True, terminated=Termination(exit_code=0))), False),
    ],
    ids=["runs", "none yet", "one crashes", "was restarted", "waits", "ended well", "its init container did", "it failed", "a sidecar ended"],
)
def test_a_pod_is_quiet_while_none_of_its_containers_needs_a_closer_look(containers, expected):
    assert failing.quiet(containers) is expected


def test_the_deadline_alone_accuses_no_revision():
    assert detection(rolling_facts(conditions=(deadline_exceeded(),))).finding.accused_revision == ""
