"""Temporary measures end by themselves: after a restart, and though every record of them is gone (R25)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import HEALTHY

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicy
from prunella.api.marks import MARKED_LABEL
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import Mode, Outcome, RemediationPhase
from prunella.api.remediation import Remediation, RemediationStatus
from prunella.api.runbook import RunbookStep, Verify
from prunella.app.errors import Retryable
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.runs.measures import temporary
from prunella.core.healing.steps import one_value
from prunella.core.things.node import Node

from .test_heals import rolled_out
from .test_runs import book

TTL = 900
MORE = RunbookStep(name="more", scale={"by": 2, "most": 10}, ttl_seconds=TTL)
RESTART = RunbookStep(name="restart", restart={})


async def taken(**changes):
    """A measure was taken, and the attempt ended."""
    quick = Verify(stabilize_seconds=5, interval_seconds=5, successes=1, timeout_seconds=60, checks=(HEALTHY,))
    one = book(MORE)
    one = one.model_copy(update={"spec": one.spec.model_copy(update={"verify": quick, **changes})})
    place, workload, operator = await rolled_out(one, seconds=100)
    assert workload.raw["spec"]["replicas"] == 5
    assert operator.remediations[0].status.phase.final
    return place, workload, operator


async def test_r25_a_measure_ends_when_its_time_is_over_and_not_before():
    place, workload, operator = await taken()
    await operator.run(TTL - 150)
    assert workload.raw["spec"]["replicas"] == 5
    assert MARK in workload.annotations
    await operator.run(150)
    assert workload.raw["spec"]["replicas"] == 3
    assert MARK not in workload.annotations
    assert [one.reason for one in place.api.events].count("MeasureUndone") == 1
    await operator.run(TTL)
    assert len(place.cluster.effects) == 2, "once"
    await operator.close()


async def test_r25_what_ended_it_claims_no_field_for_long():
    place, workload, operator = await taken()
    await operator.run(TTL)
    assert workload.raw["spec"]["replicas"] == 3
    await operator.run(90)
    assert workload.raw["metadata"]["managedFields"] == []
    assert operator.remediations[0].status.claim_time is None
    place.api.writes.clear()
    await operator.run(TTL)
    assert [one for one in place.api.writes if one.kind == "Remediation"] == []
    await operator.close()


async def test_r25_neither_a_restart_nor_records_that_are_gone_make_it_stay():
    place, workload, operator = await taken()
    await operator.close()
    for one in list(place.api.all(Remediation)):
        place.api.delete("Remediation", one.metadata.namespace or "", one.metadata.name)
    place.policy(mode=Mode.OBSERVE)
    second = Operator(place)
    await second.run(TTL)
    assert workload.raw["spec"]["replicas"] == 3
    assert MARK not in workload.annotations
    await second.close()


async def test_r25_what_a_person_changed_meanwhile_is_theirs():
    place, workload, operator = await taken()
    workload.raw["spec"]["replicas"] = 7
    await operator.run(TTL)
    assert workload.raw["spec"]["replicas"] == 7
    assert MARK not in workload.annotations, "nothing of it is ours any more"
    assert next(one.message for one in place.api.events if one.reason == "MeasureUndone").endswith("it stays as it is")
    await operator.close()


@pytest.mark.parametrize("older", [False, True], ids=["this mark", "a mark without a uid"])
async def test_r25_an_attempt_that_only_bears_the_name_of_the_one_that_took_it_does_not_make_it_stay(older):
    """Attempts are numbered: after the first was deleted its successor is the first again, and may wait for people for long."""
    place, workload, operator = await taken()
    if older:
        told = {key: value for key, value in json.loads(workload.annotations[MARK]).items() if key != "remediationUID"}
        workload.annotations[MARK] = json.dumps(told)
    [took] = operator.remediations
    await operator.close()
    place.api.delete("Remediation", took.metadata.namespace or "", took.metadata.name)
    place.policy(mode=Mode.OBSERVE)
    named = took.metadata.model_copy(update={"uid": None})
    successor = await place.api.create_remediation(took.model_copy(update={"metadata": named, "status": RemediationStatus()}))
    assert successor.metadata.uid != took.metadata.uid
    waiting = RemediationStatus(phase=RemediationPhase.PENDING, approval_deadline_time=place.clock.now() + timedelta(days=1))
    await place.api.put_remediation_status(successor.model_copy(update={"status": waiting}))
    leftovers = Operator(place).leftovers
    place.clock.set(place.clock.now() + timedelta(seconds=TTL))
    await leftovers.look()
    assert workload.raw["spec"]["replicas"] == 3
    assert MARK not in workload.annotations


async def test_r25_one_on_what_has_no_namespace_and_is_not_watched_ends_too():
    place = shop()
    raw: dict[str, Any] = {"metadata": {"name": "defaults", "uid": "u-w"}, "webhooks": [{"name": "pods.example.com", "failurePolicy": "Fail"}]}
    ref = ObjectRef(api_version="admissionregistration.k8s.io/v1", kind="MutatingWebhookConfiguration", name="defaults", uid="u-w")
    patch = one_value.write(ref, raw, "/webhooks/[name=pods.example.com]/failurePolicy", "Ignore", does="it is not waited for")
    assert isinstance(patch, Patch)
    patch = temporary(patch, remediation="shop/gone-1", uid="r-1", until=place.clock.now() + timedelta(seconds=60))
    meta = {**raw["metadata"], "annotations": dict(patch.marks), "labels": dict(patch.labels)}
    bypassed = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": meta, "webhooks": [{"name": "new.example.com"}, patched(raw)]}
    key = (ref.kind, "", ref.name)
    place.cluster.others[key] = bypassed
    operator = Operator(place)
    await operator.run(200)
    found = place.cluster.others[key]
    assert found["webhooks"] == [{"name": "new.example.com"}, {"name": "pods.example.com", "failurePolicy": "Fail"}]
    assert MARK not in found["metadata"]["annotations"]
    assert MARKED_LABEL not in found["metadata"]["labels"]
    await operator.close()


def patched(raw):
    return {**raw["webhooks"][0], "failurePolicy": "Ignore"}


async def test_it_waits_for_the_end_of_its_own_attempt():
    """Its end in the middle of the proof would look like somebody's doing."""
    slow = Verify(stabilize_seconds=1000, interval_seconds=5, successes=1, timeout_seconds=2000, checks=(HEALTHY,))
    one = book(MORE)
    one = one.model_copy(update={"spec": one.spec.model_copy(update={"verify": slow})})
    _, workload, operator = await rolled_out(one, seconds=TTL + 50)
    assert workload.raw["spec"]["replicas"] == 5
    assert not operator.remediations[0].status.phase.final
    await operator.run(2500)
    assert workload.raw["spec"]["replicas"] == 3
    assert operator.remediations[0].status.outcome is not Outcome.REVERTED
    await operator.close()


@pytest.mark.parametrize("hindrance", ["paused", "no policy", "unreadable"])
async def test_while_the_switch_is_off_or_nothing_can_be_read_it_waits(hindrance):
    place, workload, operator = await taken()
    if hindrance == "paused":
        place.policy(pauses=({"name": "stop", "reason": "a migration"},))
    elif hindrance == "no policy":
        seen = place.api.healing_policy

        async def unknown():
            return UNKNOWN

        place.api.healing_policy = unknown
    else:
        place.cluster.unreadable = True
    await operator.run(TTL + 60)
    assert workload.raw["spec"]["replicas"] == 5
    if hindrance == "paused":
        place.policy(pauses=())
    elif hindrance == "no policy":
        place.api.healing_policy = seen
    else:
        place.cluster.unreadable = False
    await operator.run(60)
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
async def test_a_lost_answer_changes_nothing(lost):
    place, workload, operator = await taken()
    setattr(place.cluster, lost, 1)
    await operator.run(TTL + 60)
    await operator.run(60)
    assert workload.raw["spec"]["replicas"] == 3
    assert len(place.cluster.effects) == 2
    await operator.close()


async def test_r25_one_whose_attempt_can_not_be_known_ends_all_the_same():
    """Its attempt waits until a person has looked, which may take days."""
    place, workload, operator = await taken()
    one = operator.remediations[0]
    place.api.objects["Remediation", "shop", one.metadata.name] = one.model_copy(
        update={"status": one.status.model_copy(update={"phase": RemediationPhase.UNKNOWN, "outcome": None, "ended_time": None})}
    )
    await operator.run(TTL)
    assert workload.raw["spec"]["replicas"] == 5
    await operator.run(700)
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


async def test_a_mark_that_can_not_be_read_changes_nothing():
    place, workload, operator = await taken()
    workload.annotations[MARK] = "{"
    await operator.run(TTL * 2)
    assert workload.raw["spec"]["replicas"] == 5
    assert len(place.cluster.effects) == 1
    await operator.close()


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("/spec/taints", None),
        ("/spec/taints/[key=dedicated,effect=NoSchedule]", None),
        ("/spec/taints/[key=prunella.dev~1x,effect=NoExecute]", None),
        ("/spec/taints/[key=prunella.dev~1x,effect=NoSchedule]", {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}),
    ],
    ids=["all of them", "somebody's", "an effect that is never set", "another in its place"],
)
async def test_a_mark_on_what_no_step_ever_changes_for_a_while_changes_nothing(path, before, caplog):
    """A node may annotate itself, and must not get its taints off by that, nor others on."""
    place = shop()
    made = Patch(
        target=node().ref, operations=({**TAINTED[0], "path": path, "value": before}, {**TAINTED[1], "path": path}), guarded_path=path, does="x"
    )
    mark = temporary(made, remediation="shop/x-1", until=place.clock.now()).marks[MARK]
    place.cluster.things["Node", "", "n-1"] = replace(node(), annotations={MARK: mark})
    operator = Operator(place)
    await operator.run(30)
    assert place.cluster.effects == []
    assert "can't be read; nothing is changed" in caplog.text
    await operator.close()


TAINTED = ({"op": "test", "path": "/spec/taints", "value": None}, {"op": "add", "path": "/spec/taints", "value": [{"key": "a"}]})


def node() -> Node:
    return Node(name="n-1", uid="u-n")


async def test_one_that_can_not_be_ended_holds_up_no_other_and_is_not_asked_for_all_the_time(caplog):
    place, workload, operator = await taken()
    other = place.cluster.create(name="other")
    other.raw["spec"]["replicas"] = 5
    other.raw["metadata"]["annotations"] = {MARK: workload.annotations[MARK]}
    asked: list[str] = []
    real = place.cluster.apply

    async def refuses_the_first(effect, intent, acting):
        asked.append(effect.target.name)
        if effect.target.name == "checkout":
            raise Retryable("the API server is busy", delay=1.0)
        return await real(effect, intent, acting)

    place.cluster.apply = refuses_the_first
    await operator.run(TTL)
    assert other.raw["spec"]["replicas"] == 3
    before = list(asked)
    assert before[:2] == ["checkout", "other"]
    await operator.leftovers.look()
    await operator.leftovers.look()
    assert asked == before, "it was asked for a moment ago"
    assert "could not be ended; it is tried again" in caplog.text
    place.cluster.apply = real
    await operator.run(61)
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


async def test_r20_a_storm_holds_back_no_end_of_a_measure():
    place, workload, operator = await taken()
    others = [place.cluster.create(f"w{number}", image="shop/app:1") for number in range(5)]
    await operator.run(30)
    for one in others:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(60)
    assert place.api.one(HealingPolicy).status.storm_since_time is not None
    await operator.run(TTL)
    assert place.api.one(HealingPolicy).status.storm_since_time is not None, "it is still on"
    assert workload.raw["spec"]["replicas"] == 3
    assert MARK not in workload.annotations
    await operator.close()
