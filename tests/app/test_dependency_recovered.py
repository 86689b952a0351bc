"""What crashed while a dependency was away gets new pods once that is back, by itself and once; what goes on to crash is left to people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.app.test_common_cause import ROLLED_OUT, needs, served
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.incident import Incident
from prunella.api.names import Cause, Outcome
from prunella.api.remediation import Remediation
from prunella.core.healing.effects.effect import DeletePod

AWAY_SECONDS = 170
"""After it the pods have crashed five times, and are started again 160 s later."""


async def outage(mode: str = "Auto") -> tuple[Place, Operator, FakeWorkload]:
    """ledger fails, and then checkout, which needs it; both crash-loop without a rollout."""
    place = shop(shipped("weed-dependents"), namespace_mode=mode)
    for index in range(20):
        place.cluster.create(f"h{index:03}")
    checkout, ledger = place.cluster.create("checkout", replicas=1), place.cluster.create("ledger", replicas=1)
    needs(place, "ledger")
    served(place, "ledger")
    operator = Operator(place)
    await operator.run(30)
    for one in (ledger, checkout):
        for pod in one.pods:
            pod.bad, pod.created = True, place.clock.now()
        place.cluster.touch(one, conditions=ROLLED_OUT)
        await operator.run(5)
    await operator.run(AWAY_SECONDS)
    return place, operator, ledger


async def back(place: Place, operator: Operator, ledger: FakeWorkload, *, seconds: float) -> None:
    for pod in ledger.pods:
        pod.bad, pod.created = False, place.clock.now()
    place.cluster.touch(ledger)
    await operator.run(seconds)


def about(place: Place, name: str) -> Incident:
    return next(one for one in place.api.all(Incident) if one.spec.target_ref.name == name)


def runbooks(place: Place) -> list[str]:
    return [one.spec.runbook_ref.name for one in place.api.all(Remediation) if one.spec.runbook_ref is not None]


def weeded(place: Place) -> list[str]:
    return [effect.target.name for _, effect in place.cluster.effects if isinstance(effect, DeletePod)]


async def test_20_what_waits_for_the_kubelet_is_weeded_within_seconds_and_heals():
    place, operator, ledger = await outage()
    [pod] = place.cluster.workloads["Deployment", "shop", "checkout"].pods
    await back(place, operator, ledger, seconds=5)
    assert about(place, "checkout").status.cause is Cause.DEPENDENCY_RECOVERED
    assert weeded(place) == [pod.name], "the kubelet would start it two minutes later"
    await operator.run(150)
    assert runbooks(place) == ["weed-dependents"]
    assert [one.outcome for one in about(place, "checkout").status.remediations] == [Outcome.REMEDIATED]
    assert weeded(place) == [pod.name], "once"
    await operator.close()


async def test_20_while_the_dependency_is_not_there_in_full_its_dependents_wait_for_it():
    place, operator, ledger = await outage()
    [pod] = ledger.pods
    pod.bad, pod.created = False, place.clock.now() + timedelta(seconds=30)
    place.cluster.touch(ledger)
    await operator.run(29)
    assert weeded(place) == []
    await operator.run(10)
    assert len(weeded(place)) == 1
    await operator.close()


async def test_20_a_restart_in_between_changes_nothing():
    place, operator, ledger = await outage()
    await operator.close()
    again = Operator(place)
    await back(place, again, ledger, seconds=20)
    assert len(weeded(place)) == 1
    await again.close()


async def test_20_what_crashes_again_is_weeded_no_second_time():
    place, operator, ledger = await outage()
    place.cluster.heals = False
    await back(place, operator, ledger, seconds=1800)
    assert len(weeded(place)) == 1
    assert about(place, "checkout").status.cause is Cause.CRASH_LOOP, "it has another reason"
    assert [one.outcome for one in about(place, "checkout").status.remediations] == [Outcome.INEFFECTIVE]
    await operator.close()


async def test_20_what_the_kubelet_starts_in_time_by_itself_is_left_to_it():
    place, operator, ledger = await outage()
    [pod] = place.cluster.workloads["Deployment", "shop", "checkout"].pods
    pod.bad, pod.created = False, place.clock.now()
    await back(place, operator, ledger, seconds=60)
    assert place.api.all(Remediation) == []
    await operator.close()


@pytest.mark.parametrize(("mode", "suggested"), [("Observe", []), ("Suggest", ["weed-dependents"])])
async def test_20_where_people_want_to_act_themselves_nothing_is_deleted(mode, suggested):
    place, operator, ledger = await outage(mode)
    await back(place, operator, ledger, seconds=600)
    assert place.cluster.effects == []
    assert runbooks(place) == suggested
    await operator.close()
