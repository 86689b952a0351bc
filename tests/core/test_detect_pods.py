"""What one pod's status says is wrong with it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prunella.core import failing

from .builders import NOON, ago, container, crashing, later, pod, termination, waiting


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        pytest.param({}, True, id="it runs on a node"),
        pytest.param({"phase": "Pending"}, True, id="it is pending on a node"),
        pytest.param({"deleting": True}, False, id="it is on its way out"),
        pytest.param({"phase": "Failed", "status_reason": "Evicted"}, False, id="it was evicted"),
        pytest.param({"phase": "Failed"}, False, id="it failed for good"),
        pytest.param({"phase": "Succeeded"}, False, id="it is done"),
        pytest.param({"phase": "Unknown"}, False, id="nobody knows"),
        pytest.param({"status_reason": "NodeLost"}, False, id="its node is lost"),
        pytest.param({"scheduled": False, "node": ""}, False, id="no node takes it"),
        pytest.param({"node": ""}, False, id="the scheduler has not looked at it"),
    ],
)
def test_a_pod_counts_only_where_it_says_something_about_its_revision(changes, counted):
    assert failing.counts(pod(**changes)) is counted
    assert failing.fails(pod("p", "h2", crashing(), **changes), NOON) is counted


@pytest.mark.parametrize(
    ("one", "crashed"),
    [
        pytest.param(container(), False, id="it runs"),
        pytest.param(crashing(), True, id="it waits in CrashLoopBackOff"),
        pytest.param(container(ready=False, running_since=None, terminated=termination(3)), True, id="it ended just now and nothing else is said"),
        pytest.param(container(ready=False, running_since=ago(4), restarts=1, last_terminated=termination()), True, id="it runs again after an end"),
        pytest.param(container(ready=False, running_since=None, terminated=termination(0, reason="Completed")), True, id="it ended with 0"),
        pytest.param(waiting("RunContainerError", last_terminated=termination(128, reason="StartError")), True, id="its command can't be run"),
        pytest.param(waiting("CrashLoopBackOff"), True, id="it backs off and its ends are not told"),
        pytest.param(waiting("ContainerCreating"), False, id="it is being created"),
        pytest.param(
            waiting("", last_terminated=termination(137, reason="ContainerStatusUnknown")), False, id="the kubelet lost sight of it, which is no end"
        ),
        pytest.param(container(init=True, ready=True, running_since=None, terminated=termination(0)), False, id="an init container is done"),
        pytest.param(
            container(init=True, running_since=None, restarts=2, terminated=termination(0), last_terminated=termination(1)),
            False,
            id="an init container is done at the third try",
        ),
        pytest.param(waiting("CrashLoopBackOff", init=True, last_terminated=termination(1)), True, id="an init container fails"),
        pytest.param(
            container(init=True, restarts=1, running_since=ago(3), last_terminated=termination(0)),
            False,
            id="an init container runs again after a reboot",
        ),
        pytest.param(container(init=True, sidecar=True, running_since=None, terminated=termination(0)), True, id="a sidecar ended with 0"),
    ],
)
def test_a_container_crashed_where_it_ended_or_could_not_start(one, crashed):
    found = failing.crashes(pod("p", "h2", one, ready=False, ready_since=ago(30)), NOON)
    assert bool(found) is crashed


@pytest.mark.parametrize(
    ("one", "changes", "over_in"),
    [
        pytest.param(
            container(restarts=2, running_since=ago(20), last_terminated=termination(finished=25)), {"ready_since": ago(15)}, 45, id="Ready for 15 s"
        ),
        pytest.param(
            container(restarts=2, running_since=ago(70), last_terminated=termination(finished=75)), {"ready_since": ago(59)}, 1, id="Ready for 59 s"
        ),
        pytest.param(
            container(restarts=2, running_since=ago(70), last_terminated=termination(finished=75)), {"ready_since": ago(60)}, 0, id="Ready for 60 s"
        ),
        pytest.param(
            container(restarts=4, running_since=ago(5), last_terminated=termination(finished=6)),
            {"ready_since": ago(9999)},
            55,
            id="restarted so fast that the condition never changed",
        ),
        pytest.param(
            container(restarts=9, running_since=ago(250_000), last_terminated=termination(finished=250_010)), {}, 0, id="restarts of three days ago"
        ),
        pytest.param(
            container(restarts=1, running_since=None, last_terminated=termination(1).__class__(exit_code=1)),
            {"ready_since": None},
            0,
            id="Ready, and no instant is known",
        ),
    ],
)
def test_a_crash_is_over_once_its_pod_was_ready_for_a_minute(one, changes, over_in):
    found = failing.crashes(pod("p", "h2", one, **({"ready": True} | changes)), NOON)
    assert [crash.over_time for crash in found] == ([later(over_in)] if over_in else [])


@pytest.mark.parametrize(
    ("unready_for", "up_for", "holds"),
    [
        pytest.param(30, 3000, False, id="it had been Ready long after its crash, and now fails otherwise"),
        pytest.param(240, 240, True, id="it has been running for long without getting Ready"),
        pytest.param(30, 80, True, id="it cannot have been Ready for a minute in between"),
    ],
)
def test_a_crash_of_long_ago_is_not_why_a_pod_is_unready_now(unready_for, up_for, holds):
    one = container(ready=False, restarts=1, running_since=ago(up_for), last_terminated=termination(finished=up_for + 1))
    assert bool(failing.crashes(pod("p", "h2", one, ready_since=ago(unready_for)), NOON)) is holds


def test_a_crash_holds_where_nothing_tells_since_when_the_pod_is_unready():
    one = container(ready=False, restarts=1, running_since=ago(900), last_terminated=termination(finished=901))
    assert failing.crashes(pod("p", "h2", one, ready=False, ready_since=None), NOON)


@pytest.mark.parametrize(
    ("one", "loops"),
    [
        pytest.param(crashing(restarts=1), True, id="the kubelet backs off"),
        pytest.param(container(ready=False, running_since=ago(3), restarts=1, last_terminated=termination()), False, id="one restart"),
        pytest.param(
            container(ready=False, running_since=ago(3), restarts=2, last_terminated=termination()), True, id="two restarts, the last run short"
        ),
        pytest.param(
            container(ready=False, running_since=ago(3), restarts=7, last_terminated=termination(ran=90_000)),
            False,
            id="one end after a day, restarts of old",
        ),
        pytest.param(
            container(ready=False, running_since=None, restarts=1, terminated=termination(finished=2), last_terminated=termination(finished=9)),
            True,
            id="two ends in a row",
        ),
    ],
)
def test_a_loop_is_more_than_one_crash(one, loops):
    (crash,) = failing.crashes(pod("p", "h2", one, ready_since=ago(10)), NOON)
    assert crash.loops is loops


@pytest.mark.parametrize(
    ("one", "started", "restarted"),
    [
        pytest.param(crashing(finished=5), ago(5), ago(5), id="one end is known"),
        pytest.param(
            container(ready=False, running_since=ago(2), restarts=1, last_terminated=termination(finished=8)),
            ago(8),
            ago(2),
            id="it was started again since",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", terminated=termination(finished=5), last_terminated=termination(finished=20)),
            ago(20),
            ago(5),
            id="two ends of a loop",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", terminated=termination(finished=5, ran=90_000), last_terminated=termination(finished=91_000)),
            ago(5),
            ago(5),
            id="an end of days ago is another story",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", terminated=termination(1).__class__(exit_code=1), last_terminated=termination(finished=20)),
            ago(20),
            ago(20),
            id="how long the last run took is not told",
        ),
        pytest.param(waiting("RunContainerError"), ago(30), ago(30), id="it never ran: since when the pod is not Ready"),
    ],
)
def test_a_crash_began_with_the_oldest_end_of_its_loop(one, started, restarted):
    (crash,) = failing.crashes(pod("p", "h2", one, ready_since=ago(30)), NOON)
    assert (crash.started_time, crash.restarted_time) == (started, restarted)


def test_memory_is_the_reason_while_one_of_the_known_ends_says_so():
    one = waiting("CrashLoopBackOff", terminated=termination(1), last_terminated=termination(137, reason="OOMKilled"))
    (crash,) = failing.crashes(pod("p", "h2", one), NOON)
    assert crash.out_of_memory


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        pytest.param({"ready_since": ago(30), "created_time": ago(99)}, ago(30), id="its condition's transition"),
        pytest.param({"ready_since": None, "created_time": ago(99)}, ago(99), id="its creation"),
        pytest.param({"ready_since": None, "created_time": None}, NOON, id="nothing is told"),
    ],
)
def test_a_pod_is_unready_since(changes, since):
    assert failing.unready_since(pod("p", "h2", waiting("ContainerCreating"), **changes), NOON) == since


@pytest.mark.parametrize(
    ("containers", "ready", "unready"),
    [
        pytest.param((container(),), True, False, id="Ready"),
        pytest.param((container(ready=False),), False, True, id="it runs and is not ready"),
        pytest.param((waiting("ContainerCreating"),), False, True, id="it waits"),
        pytest.param((container(),), False, False, id="all containers are ready: a gate, or a node that is not heard of"),
        pytest.param((container(init=True, running_since=None), container(ready=False)), False, True, id="only its init container is ready"),
        pytest.param((container(init=True, sidecar=True, ready=False), container()), False, True, id="its sidecar is not ready"),
    ],
)
def test_a_pod_is_unready_by_its_containers_fault(containers, ready, unready):
    assert failing.unready(pod("p", "h2", *containers, ready=ready)) is unready


def test_a_pod_whose_containers_are_not_told_waits():
    assert failing.unready(pod("p", "h2").__class__(namespace="shop", name="p", uid="u"))


@pytest.mark.parametrize(
    ("one", "fails"),
    [
        pytest.param(waiting("ErrImagePull"), True, id="its image can't be pulled"),
        pytest.param(waiting("CreateContainerConfigError"), True, id="it can't be created"),
        pytest.param(container(ready=False), False, id="it had 30 s to get ready"),
    ],
)
def test_a_pod_fails(one, fails):
    assert failing.fails(pod("p", "h2", one, ready_since=ago(30)), NOON) is fails


def test_a_pod_that_is_unready_fails_once_patience_ends():
    slow = pod("p", "h2", container(ready=False), ready_since=ago(90))
    assert failing.fails(slow, NOON)
    assert failing.fails(slow, NOON, timedelta(seconds=90))
    assert not failing.fails(slow, NOON, timedelta(seconds=91))
