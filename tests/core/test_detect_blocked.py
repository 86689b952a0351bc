"""Updates of StatefulSets and DaemonSets that pods of an earlier revision hold up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, crashing, later, new_pod, pod, pods, rolling_facts, waiting
from .records import healthy_revision, record_of

STUCK = {"StatefulSet": Cause.STATEFUL_SET_STUCK, "DaemonSet": Cause.DAEMON_SET_STUCK}
UNREADY = container(ready=False)


def held_up(*containers, kind="StatefulSet", created=800, unready=700, new=True, blocker=None, **changes):
    """Revision 3 is due since `created` seconds; an old pod is not Ready for `unready` seconds; what healthy ones took is not known."""
    facts = rolling_facts(*((new_pod(container()),) if new else ()), kind=kind, serving=2, created=created, **changes)
    old = pod("checkout-0", "h2", *(containers or (UNREADY,)), ready_since=ago(unready), **(blocker or {}))
    return replace(facts, pods=(old, *(replace(one, created_time=None) for one in facts.pods)))


def detection(facts, now=NOON, **more):
    return detect(facts, now, Settings(**more), Surroundings())


@pytest.mark.parametrize("kind", STUCK)
def test_an_old_pod_that_does_not_get_ready_holds_the_update_up(kind):
    finding = detection(held_up(kind=kind)).finding
    assert finding.cause is STUCK[kind]
    assert finding.summary == "checkout: pod checkout-0 holds up the update to revision 3: not Ready for 700 s; revision 2 still serves 2 of 3"
    assert (finding.accused_revision, finding.failing_pods) == ("", ("checkout-0",))
    assert (finding.started_time, finding.open_time) == (ago(700), ago(100))


@pytest.mark.parametrize("kind", STUCK)
@pytest.mark.parametrize(
    ("created", "unready", "due"),
    [
        pytest.param(800, 599, 1, id="ten minutes since it lost its Ready"),
        pytest.param(599, 9000, 1, id="ten minutes since the update began, however long it has been unready"),
    ],
)
def test_it_is_given_its_time_from_when_it_is_in_the_way(kind, created, unready, due):
    facts = held_up(kind=kind, created=created, unready=unready, new=False)
    seen = detection(facts)
    assert (seen.finding, seen.look_again) == (None, later(due))
    assert detection(facts, later(due)).finding.cause is STUCK[kind]


def test_it_is_given_twice_what_a_healthy_pod_took_where_that_is_known():
    facts = held_up(created=800, unready=59, new=False)
    record = record_of(healthy_revision("h2", time_to_ready=5))
    assert detect(facts, NOON, Settings(), Surroundings(record=record)).look_again == later(1)
    assert detect(facts, later(1), Settings(), Surroundings(record=record)).finding.cause is Cause.STATEFUL_SET_STUCK


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(held_up(strategy="OnDelete"), None, id="whoever set OnDelete replaces pods himself"),
        pytest.param(held_up(partition=1), None, id="a partition: somebody stages it"),
        pytest.param(held_up(current_revision="h3"), Cause.STATEFUL_SET_STUCK, id="a pod of another revision is there still"),
        pytest.param(held_up(kind="Deployment"), None, id="a Deployment replaces such pods itself"),
        pytest.param(held_up(container(), blocker={"ready": False}), None, id="its containers are ready: its node, or a gate"),
        pytest.param(held_up(blocker={"deleting": True}), None, id="it is on its way out"),
        pytest.param(held_up(blocker={"phase": "Unknown"}), None, id="its node is lost"),
        pytest.param(held_up(desired=0), None, id="it is scaled to nothing"),
        pytest.param(held_up(generation=4), None, id="the controller has not seen the template"),
        pytest.param(held_up(crashing()), Cause.CRASH_LOOP, id="it crashes: that is plainer"),
        pytest.param(
            held_up(waiting("CreateContainerConfigError", 'secret "db" not found')),
            Cause.CONFIG_MISSING,
            id="what it refers to is gone: that is plainer",
        ),
        pytest.param(
            replace(held_up(), pods=(*held_up().pods, new_pod(crashing(), name="n"))),
            Cause.ROLLOUT_CRASH_LOOP,
            id="the newest revision crashes as well",
        ),
        pytest.param(replace(held_up(), pods=pods(3, "h3")), None, id="all pods are of the newest revision"),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, cause):
    finding = detection(facts).finding
    assert (finding.cause if finding else None) is cause


def test_the_policy_may_wait_longer():
    facts = held_up()
    assert detection(facts, open_after_seconds={Cause.STATEFUL_SET_STUCK: 900}).finding.open_time == later(200)
