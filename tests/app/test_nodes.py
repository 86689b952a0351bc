"""A Node's Incident is acted on: cordoned or tainted, proven well by the Node itself, and given back; drained only as far as budgets allow;
remediated by whoever remediates nodes, with what was made for that gone afterwards."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from tests.app.test_once_only import Killed
from tests.core.test_drain import pod
from tests.core.thing_builders import node, said
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import HEALTHY, runbook

from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import ApprovalVerdict, Cause, MessageKind, Mode, Outcome, Phase, SignalState, StepState
from prunella.api.remediation import Approval
from prunella.api.runbook import Match, RunbookStep, StepFailure, Verify
from prunella.core.things.node import Node

TTL = 900
PRESSED = (said("DiskPressure", "True", "KubeletHasDiskPressure", since=600),)
CORDON = RunbookStep(name="cordon", cordon={}, ttl_seconds=TTL)
WHERE = ("Node", "", "n1")


def book(*steps: RunbookStep, **spec: Any):
    verify = Verify(stabilize_seconds=5, interval_seconds=5, successes=3, timeout_seconds=300, checks=(HEALTHY,))
    match = Match(causes=(Cause.NODE_PRESSURE,), dwell_seconds=10)
    return runbook("care", *(steps or (CORDON,)), **({"title": "Take a node out", "match": match, "verify": verify} | spec))


async def pressed(
    one: Any = None, mode: str = "Auto", forbidden: tuple[tuple[str, str], ...] = (), beside: Any = MappingProxyType({})
) -> tuple[Place, Operator]:
    """A cluster of three nodes, one of which is short of disk, and what stands beside them."""
    place = shop(one or book())
    place.cluster.others |= beside
    place.cluster.namespaces["prunella-system"] = {"prunella.dev/mode": mode} if mode else {}
    place.cluster.forbidden |= set(forbidden)
    for name in ("n2", "n3"):
        place.cluster.put(node(name=name, uid=f"uid-{name}"))
    place.cluster.put(node(pressures=PRESSED))
    operator = Operator(place)
    await operator.run(30)
    return place, operator


def cordoned(place: Place) -> tuple[bool, bool]:
    """Whether it takes no pods, and whether our mark says that."""
    one = the_node(place)
    return one.cordoned, MARK in one.annotations


def the_node(place: Place) -> Node:
    one = place.cluster.things[WHERE]
    assert isinstance(one, Node)
    return one


async def test_a_node_under_pressure_is_cordoned_proven_well_and_given_back():
    place, operator = await pressed()
    assert operator.incident.metadata.namespace == "prunella-system"
    assert cordoned(place) == (True, True)
    [attempt] = operator.remediations
    assert (attempt.metadata.namespace, attempt.spec.target_ref.kind) == ("prunella-system", "Node")
    assert [(one.name, one.state, one.message) for one in attempt.status.steps] == [
        ("cordon", StepState.APPLIED, "node/n1 is cordoned: it takes no new pods")
    ]
    await operator.run(60)
    assert operator.remediations[0].status.outcome is None, "the pressure is still there: that is no health"
    place.cluster.put(replace(the_node(place), pressures=()))
    await operator.run(30)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    assert operator.remediations[0].status.message == "healthy 3 of 3 times: healthy Ready, no pressure"
    assert operator.incident.status.phase is Phase.RESOLVED
    await operator.run(TTL)
    assert cordoned(place) == (False, False)
    assert [one.reason for one in place.api.events].count("MeasureUndone") == 1
    await operator.close()


def at_fault(place: Place, **changes: Any) -> None:
    """Nothing presses on the node any more, and it has just begun to say that its clock is wrong."""
    fault = replace(said("NTPProblem", "True", "NTPIsDown", since=0), last_transition_time=place.clock.now())
    place.cluster.put(replace(the_node(place), **({"pressures": (), "faults": (fault,)} | changes)))


async def test_pressure_that_is_over_is_over_while_a_fault_has_not_held_for_long_enough():
    place, operator = await pressed()
    at_fault(place)
    await operator.run(40)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    assert operator.incident.status.phase is Phase.RESOLVED, "what was proved is not held up"
    assert operator.incident.status.cause is Cause.NODE_PRESSURE
    await operator.run(300)
    assert (operator.incident.status.episode, operator.incident.status.cause) == (2, Cause.NODE_FAULT), "told once it has held for long enough"
    await operator.close()


async def test_pressure_that_nobody_acted_on_is_over_by_itself_and_the_fault_has_its_own_incident():
    place, operator = await pressed(mode="")
    place.policy(detectors=({"cause": Cause.NODE_FAULT, "open_after_seconds": 3600},))
    at_fault(place)
    await operator.run(310)
    [first] = place.api.all(Incident)
    assert (first.status.phase, first.status.cause) == (Phase.RESOLVED, Cause.NODE_PRESSURE)
    await operator.run(3600)
    assert [one.status.cause for one in place.api.all(Incident)] == [Cause.NODE_PRESSURE, Cause.NODE_FAULT]
    await operator.close()


@pytest.mark.parametrize("how", ["it is not Ready", "it began again"])
async def test_pressure_of_which_no_end_is_seen_keeps_its_incident_open(how):
    place, operator = await pressed(mode="")
    place.policy(detectors=tuple({"cause": one, "open_after_seconds": 3600} for one in (Cause.NODE_FAULT, Cause.NODE_PRESSURE, Cause.NODE_NOT_READY)))
    if how == "it is not Ready":
        at_fault(place, ready=False, ready_since=place.clock.now())
    else:
        at_fault(place, pressures=(replace(PRESSED[0], last_transition_time=place.clock.now()),))
    await operator.run(900)
    assert operator.incident.status.phase is Phase.TRIGGERED
    assert [one.state for one in operator.incident.status.signals] == [SignalState.FIRING]
    await operator.close()


@pytest.mark.parametrize(
    ("mode", "forbidden", "reason"),
    [("", (), "ModeObserve"), ("Suggest", (), "ModeSuggest"), ("Auto", (("patch", "nodes"),), "MissingPermission")],
    ids=["not opted in", "only suggested", "not granted"],
)
async def test_without_the_label_or_the_right_a_node_is_left_alone(mode, forbidden, reason):
    place, operator = await pressed(mode=mode, forbidden=forbidden)
    await operator.run(60)
    assert cordoned(place) == (False, False)
    assert operator.condition("RemediationAllowed") == ("False", reason)
    if forbidden:
        said_so = next(one.message for one in operator.incident.status.conditions if one.type == "RemediationAllowed")
        assert said_so == "Prunella may not patch nodes; `kubectl apply -k manifests/nodes` grants it"
    await operator.close()


async def test_r21_a_person_who_lets_the_node_take_pods_again_ends_the_attempt():
    place, operator = await pressed()
    where = place.cluster.others[WHERE]
    place.cluster.others[WHERE] = {**where, "spec": {}}
    place.cluster.things[WHERE] = replace(the_node(place), cordoned=False)
    await operator.run(30)
    assert operator.remediations[0].status.outcome in {Outcome.REVERTED, Outcome.SUPERSEDED}
    await operator.run(TTL)
    assert cordoned(place) == (False, False)
    await operator.close()


async def test_a_pause_of_the_operators_own_namespace_holds_the_end_of_a_cordon_too():
    place, operator = await pressed()
    place.cluster.put(replace(the_node(place), pressures=()))
    await operator.run(60)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    place.policy(pauses=({"name": "stop", "reason": "a migration", "namespaces": ("prunella-system",)},))
    await operator.run(TTL + 120)
    assert cordoned(place) == (True, True)
    place.policy(pauses=({"name": "stop", "reason": "a migration", "namespaces": ("shop",)},))
    await operator.run(60)
    assert cordoned(place) == (False, False)
    await operator.close()


async def test_a_restart_does_not_make_a_node_well_that_comes_and_goes():
    verify = Verify(stabilize_seconds=5, interval_seconds=5, successes=3, timeout_seconds=7200, checks=(HEALTHY,))
    cordon = RunbookStep(name="cordon", cordon={}, ttl_seconds=7200)
    place = shop(book(cordon, match=Match(causes=(Cause.NODE_FLAPPING,), dwell_seconds=10), verify=verify))
    place.cluster.namespaces["prunella-system"] = {"prunella.dev/mode": "Auto"}
    for name in ("n2", "n3", "n1"):
        place.cluster.put(node(name=name, uid=f"uid-{name}"))
    operator = Operator(place)
    await operator.run(10)
    for ready in (False, True, False, True):
        place.cluster.put(replace(the_node(place), ready=ready, ready_since=place.clock.now()))
        await operator.run(20)
    await operator.run(60)
    assert (operator.incident.status.cause, cordoned(place)) == (Cause.NODE_FLAPPING, (True, True))
    await operator.close()
    again = Operator(place)
    await again.run(600)
    assert again.remediations[0].status.outcome is None, "it is Ready, and not yet calm for long enough"
    assert again.incident.status.cause is Cause.NODE_FLAPPING
    await again.run(3600)
    assert again.remediations[0].status.outcome is Outcome.REMEDIATED
    await again.close()


DRAIN = RunbookStep(name="drain", drain={}, on_failure=StepFailure(action="Undo"))


async def draining(*pods: dict[str, Any], full: bool = False, drain: RunbookStep = DRAIN) -> tuple[Place, Operator]:
    """People have approved that it is cordoned and drained."""
    place, operator = await pressed(book(CORDON, drain))
    for one in pods:
        place.cluster.others["Pod", "shop", one["metadata"]["name"]] = one
    place.cluster.budgets_full = full
    assert cordoned(place) == (False, False)
    await approved(place, operator)
    return place, operator


async def approved(place: Place, operator: Operator) -> None:
    """People say yes to what they are asked, in Auto too."""
    [attempt] = operator.remediations
    assert (attempt.spec.mode, place.cluster.effects) == (Mode.APPROVE, [])
    word = Approval(by="jane@example.com", plan_hash=attempt.spec.plan_hash, verdict=ApprovalVerdict.APPROVED)
    place.api.apply(attempt.model_copy(update={"spec": attempt.spec.model_copy(update={"approvals": (word,)})}))
    await operator.run(30)


async def test_an_approved_drain_cordons_first_and_evicts_one_pod_after_the_other():
    place, operator = await draining(pod("a"), pod("b"), pod("agent", "DaemonSet"))
    assert [effect.action for _, effect in place.cluster.effects] == ["Patch", "Evict", "Evict"]
    assert [effect.target.name for _, effect in place.cluster.effects] == ["n1", "a", "b"]
    assert ("Pod", "shop", "agent") in place.cluster.others
    await operator.close()


async def test_r23_a_budget_without_room_is_waited_for_and_never_gone_around():
    place, operator = await draining(pod("a"), full=True)
    assert [effect.action for _, effect in place.cluster.effects] == ["Patch"]
    assert any(one.reason == "PDBBlocked" for one in operator.remediations[0].status.conditions)
    place.cluster.budgets_full = False
    await operator.run(60)
    assert [effect.action for _, effect in place.cluster.effects] == ["Patch", "Evict"]
    await operator.close()


async def test_r22_a_drain_that_is_impossible_gives_the_node_back_as_it_was():
    place, operator = await draining(pod("a"), pod("bare", None))
    assert cordoned(place) == (False, False)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message.endswith("what was done was taken back")
    assert {effect.action for _, effect in place.cluster.effects} == {"Patch"}, "no pod went"
    await operator.close()


TAINT = RunbookStep(name="taint", taint={"key": "prunella.dev/suspect", "effect": "NoSchedule"}, ttl_seconds=TTL)
OURS = {"key": "prunella.dev/suspect", "effect": "NoSchedule"}
PRESSURE = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}


def taints(place: Place) -> list[dict[str, str]]:
    return place.cluster.others[WHERE]["spec"].get("taints", [])


async def test_a_taint_of_ours_ends_on_time_and_leaves_every_other_one():
    place, operator = await pressed(book(TAINT))
    assert taints(place) == [OURS]
    taints(place).insert(0, PRESSURE)
    place.cluster.put(replace(the_node(place), pressures=()))
    await operator.run(30)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    assert taints(place) == [PRESSURE, OURS]
    await operator.run(TTL)
    assert (taints(place), MARK in the_node(place).annotations) == ([PRESSURE], False)
    await operator.close()


async def test_a_taint_is_taken_back_where_it_did_not_help():
    place, operator = await pressed(book(TAINT, verify=Verify(stabilize_seconds=5, timeout_seconds=60, undo_on_failure=True, checks=(HEALTHY,))))
    assert taints(place) == [OURS]
    taints(place).append(PRESSURE)
    await operator.run(120)
    assert operator.remediations[0].status.outcome is Outcome.INEFFECTIVE
    assert (taints(place), MARK in the_node(place).annotations) == ([PRESSURE], False)
    await operator.close()


API = "self-node-remediation.medik8s.io/v1alpha1"
TEMPLATE = {
    "apiVersion": API,
    "kind": "SelfNodeRemediationTemplate",
    "metadata": {"namespace": "medik8s", "name": "reboot", "uid": "t-1", "resourceVersion": "7"},
    "spec": {"template": {"spec": {"remediationStrategy": "Automatic"}}},
}
MADE = ("SelfNodeRemediation", "medik8s", "n1")
BESIDE = MappingProxyType({("SelfNodeRemediationTemplate", "medik8s", "reboot"): TEMPLATE})
REMEDIATE = RunbookStep(
    name="remediate",
    nodeRemediation={"templateRef": {"kind": "SelfNodeRemediationTemplate", "namespace": "medik8s", "name": "reboot"}},
    on_failure=StepFailure(action="Undo"),
)


async def remediating(*, lost: bool = False) -> tuple[Place, Operator]:
    """People have approved that the node is remediated."""
    place, operator = await pressed(book(REMEDIATE), beside=BESIDE)
    place.cluster.lost_after = int(lost)
    await approved(place, operator)
    return place, operator


def says(place: Place, status: str) -> None:
    """What the remediator reports."""
    place.cluster.others[MADE]["status"] = {"conditions": [{"type": "Succeeded", "status": status, "reason": "Rebooted"}]}


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "no answer came"])
async def test_a_node_is_remediated_once_and_the_object_goes_when_it_is_over(lost):
    place, operator = await remediating(lost=lost)
    assert place.cluster.others[MADE]["spec"] == {"remediationStrategy": "Automatic"}
    await operator.run(60)
    assert [effect.action for _, effect in place.cluster.effects] == ["Create"], "it waits"
    says(place, "True")
    await operator.run(15)
    assert [effect.action for _, effect in place.cluster.effects] == ["Create", "Unmake"]
    assert MADE not in place.cluster.others
    place.cluster.put(replace(the_node(place), pressures=()))
    await operator.run(60)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    assert [effect.action for _, effect in place.cluster.effects] == ["Create", "Unmake"]
    await operator.close()


async def test_the_object_goes_however_long_nobody_was_there_to_delete_it():
    place, operator = await remediating()
    says(place, "True")

    def die(_when: str, intent: str) -> None:
        place.cluster.gate = lambda _when, _intent: None
        raise Killed(intent)

    place.cluster.gate = die
    with pytest.raises(Killed):
        await operator.run(15)
    await operator.close()
    place.clock.advance(120)
    place.cluster.put(replace(the_node(place), pressures=()))
    operator = Operator(place)
    await operator.run(90)
    assert [effect.action for _, effect in place.cluster.effects] == ["Create", "Unmake"]
    assert MADE not in place.cluster.others
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_remediation_that_fails_is_taken_back():
    place, operator = await remediating()
    says(place, "False")
    await operator.run(30)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, MADE in place.cluster.others) == (Outcome.ABORTED, False)
    assert attempt.status.message.endswith("what was done was taken back")
    await operator.close()


async def test_a_remediation_of_somebody_else_is_left_to_them():
    theirs = {"apiVersion": API, "kind": MADE[0], "metadata": {"namespace": "medik8s", "name": "n1", "uid": "s-1", "annotations": {}}}
    place, operator = await pressed(book(REMEDIATE), beside={**BESIDE, MADE: theirs})
    await operator.run(60)
    assert operator.condition("RemediationAllowed") == ("False", "DelegatedToNodeRepair")
    assert (operator.remediations, place.cluster.effects, place.cluster.others[MADE]) == ([], [], theirs)
    await operator.close()


async def test_r23_a_budget_that_stays_full_for_longer_than_the_step_may_take_ends_it_calls_somebody_and_gives_the_node_back():
    place, operator = await draining(pod("a"), full=True, drain=DRAIN.model_copy(update={"timeout_seconds": 60}))
    await operator.run(700)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert cordoned(place) == (False, False)
    assert {effect.action for _, effect in place.cluster.effects} == {"Patch"}, "no pod went, and none was forced"
    assert ("Pod", "shop", "a") in place.cluster.others
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()


async def test_r20_in_a_storm_a_cordon_ends_in_time():
    """The brake holds back that something begins, and nothing that ends."""
    place, operator = await pressed()
    workloads = [place.cluster.create(f"w{number}") for number in range(5)]
    place.cluster.bad.add("shop/app:2")
    await operator.run(30)
    for one in workloads:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(60)
    assert place.api.one(HealingPolicy).status.storm_since_time is not None
    assert cordoned(place) == (True, True)
    await operator.run(TTL)
    assert place.api.one(HealingPolicy).status.storm_since_time is not None, "it is still on"
    assert cordoned(place) == (False, False)
    await operator.close()
