"""deletePods: which pods go, in which order and how, and which stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.core.facts import Pod, WorkloadFacts
from prunella.core.healing.effects.effect import DeletePod, Evict
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import delete_pods
from prunella.core.healing.steps.delete_pods import DeletePods
from prunella.core.healing.steps.step import Done, LiveFacts, Right, Wait

from .builders import NOON, ago, container, crashing, later, new_pod, rolling_facts
from .healing_builders import crashed

WEED = DeletePods(which="CrashLooping", most=3)
MOVE = DeletePods(which="Any", revision="Others", most=2)


def looping(*names: str, created: float = 100) -> tuple[Pod, ...]:
    return tuple(replace(new_pod(crashing()), name=name, uid=f"u-{name}", resource_version="7", created_time=ago(created)) for name in names)


def some(*pods: Pod) -> WorkloadFacts:
    """Those, and three of revision 2 that serve."""
    facts = rolling_facts()
    return replace(facts, pods=(*pods, *facts.pods))


def live(facts: WorkloadFacts) -> LiveFacts:
    return LiveFacts(now=NOON, raw={}, target=facts, intent_time=NOON)


def record(effect, number=0) -> StepStatus:
    name = "weed" if number == 0 else f"weed/{number}"
    intent = Intent(id="i", action=effect.action, target_ref=effect.target, written_time=NOON, deadline_time=later(60), before=effect.record)
    return StepStatus(name=name, action="deletePods", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON))


def plan(params, facts, *done):
    return delete_pods.plan(params, live(facts), done)


def without(facts: WorkloadFacts, *uids: str) -> WorkloadFacts:
    return replace(facts, pods=tuple(pod for pod in facts.pods if pod.uid not in uids))


def test_a_looping_pod_is_deleted_with_what_was_judged_as_precondition():
    delete = plan(WEED, some(*looping("a")))
    assert isinstance(delete, DeletePod)
    assert (delete.target.name, delete.target.uid, delete.resource_version, delete.last) == ("a", "u-a", "7", True)


def test_only_what_waits_to_be_started_again_is_deleted_for_that():
    waits, runs = looping("a", "b")
    runs = replace(runs, containers=(container(ready=False, restarts=3, running_since=ago(2), last_terminated=crashing().last_terminated),))
    weed = DeletePods(which="BackOff", most=3)
    delete = plan(weed, some(runs, waits))
    assert isinstance(delete, DeletePod)
    assert (delete.target.name, delete.last) == ("a", True)
    done = plan(weed, some(runs))
    assert isinstance(done, Done), "the kubelet was quicker: nothing is left to be done"
    serves = replace(waits, ready=True)
    assert isinstance(plan(weed, some(serves)), Done), "a pod that is Ready is nobody's to be deleted"


def test_a_pod_that_does_not_tell_whether_it_loops_is_waited_for_and_another_that_does_goes_first():
    runs_again = container(ready=False, restarts=3, running_since=ago(2))
    quiet = tuple(replace(pod, name="q", uid="u-q", containers=(runs_again,)) for pod in looping("q"))
    waits = plan(WEED, some(*quiet))
    assert isinstance(waits, Wait)
    assert (waits.until_time, waits.message.split(":")[0]) == (later(58), "pod q does not tell whether it crashes")
    assert plan(WEED, some(*quiet, *looping("a"))).target.name == "a"
    assert isinstance(plan(DeletePods(which="Failed", most=1), some(*quiet)), Done), "who looks for no crash does not wait"


def test_they_go_one_after_the_other_and_those_that_come_instead_stay():
    facts = some(*looping("a", created=300), *looping("b", created=200))
    first = plan(WEED, facts)
    assert isinstance(first, DeletePod)
    assert (first.target.name, first.last) == ("a", False), "the oldest first"
    assert isinstance(plan(WEED, facts, record(first)), Wait), "it is not gone yet"
    anew = replace(looping("c")[0], created_time=later(5))
    left = without(replace(facts, pods=(*facts.pods, anew)), "u-a")
    second = plan(WEED, left, record(first))
    assert isinstance(second, DeletePod)
    assert (second.target.name, second.last) == ("b", True)
    assert plan(WEED, without(left, "u-b"), record(first), record(second, 1)) == Done(
        message="2 went, and no pod of deploy/checkout that is CrashLooping is left"
    )


def test_no_more_than_the_maximum_go():
    params = DeletePods(which="CrashLooping", most=1)
    facts = some(*looping("a", "b"))
    first = plan(params, facts)
    assert isinstance(first, DeletePod)
    assert first.last
    assert plan(params, without(facts, "u-a"), record(first)) == Done(message="1 went, 1 stay: no more than 1 go")


@pytest.mark.parametrize(
    "facts",
    [
        rolling_facts(),
        some(*(replace(one, deleting=True) for one in looping("a"))),
        some(*(replace(one, owner_uid="") for one in looping("a"))),
    ],
    ids=["all well", "on its way out", "nobody would replace it"],
)
def test_where_nothing_is_chosen_nothing_is_done_and_that_is_said(facts):
    assert plan(WEED, facts) == Done(message="there is no pod of deploy/checkout that is CrashLooping: nothing was done")


def test_a_ready_pod_is_evicted_and_the_next_one_only_when_its_place_is_taken():
    facts = some()
    first = plan(MOVE, facts)
    assert isinstance(first, Evict)
    fewer = without(facts, first.target.uid)
    assert plan(MOVE, fewer, record(first)) == Wait(until_time=later(2), message="2 of 3 pods are ready: the next one goes when its place is taken")
    newcomer = replace(facts.pods[0], name="new", uid="u-new", revision="h3", created_time=later(1))
    second = plan(MOVE, replace(fewer, pods=(*fewer.pods, newcomer)), record(first))
    assert isinstance(second, Evict)
    assert (second.target.uid != first.target.uid, second.last) == (True, True)


def test_the_last_ready_pod_stays():
    one = rolling_facts(serving=1)
    answer = plan(MOVE, one)
    assert isinstance(answer, Refusal)
    assert answer.reason == "LastReadyReplica"


@pytest.mark.parametrize(
    ("params", "chosen"),
    [
        (DeletePods(which="NotReady", revision="Newest", most=9), {"a"}),
        (DeletePods(which="NotReady", revision="Others", most=9), set()),
        (DeletePods(which="Failed", most=9), {"f"}),
    ],
    ids=["not ready, newest", "not ready, others", "failed"],
)
def test_it_is_narrowed_by_state_and_revision(params, chosen):
    failed = replace(looping("f")[0], phase="Failed", revision="h3")
    facts = some(*looping("a"), *([failed] if params.which == "Failed" else []))
    answer = plan(params, facts)
    assert ({answer.target.name} if isinstance(answer, DeletePod) else set()) == chosen


def test_it_waits_while_the_controller_has_not_seen_the_newest_change():
    assert isinstance(plan(WEED, crashed(generation=9, observed_generation=8)), Wait)


def test_it_needs_eviction_only_where_ready_pods_may_be_meant():
    delete, evict = Right(verb="delete", group="", resource="pods"), Right(verb="create", group="", resource="pods/eviction")
    assert delete_pods.needs(DeletePods(which="NotReady", most=1), "Deployment") == (delete,)
    assert delete_pods.needs(WEED, "Deployment") == (delete, evict), "one that loops is ready for a moment now and then"
    assert delete_pods.needs(MOVE, "StatefulSet") == (delete, evict)
    assert delete_pods.needs(MOVE, "CronJob") == ()


@pytest.mark.parametrize(
    ("given", "wrong"),
    [({"which": "CrashLooping", "most": 3}, None), ({"which": "CrashLooping"}, ".most: Field required")],
    ids=["good", "without a maximum"],
)
def test_a_maximum_is_mandatory(given, wrong):
    assert DeletePods.wrong_with(given) == wrong
