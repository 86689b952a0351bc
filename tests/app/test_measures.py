"""Temporary measures end by themselves: after a restart, and though every record of them is gone (R25)."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator
from tests.fakes.runbooks import HEALTHY

from prunella.api.healing_policy import HealingPolicy
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import Mode, Outcome
from prunella.api.remediation import Remediation
from prunella.api.runbook import RunbookStep, Verify
from prunella.app.errors import Retryable
from prunella.core.facts import UNKNOWN

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


async def test_a_mark_that_can_not_be_read_changes_nothing():
    place, workload, operator = await taken()
    workload.annotations[MARK] = "{"
    await operator.run(TTL * 2)
    assert workload.raw["spec"]["replicas"] == 5
    assert len(place.cluster.effects) == 1
    await operator.close()


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
    await operator.measures.look()
    await operator.measures.look()
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
