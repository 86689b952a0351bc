"""What a Runbook would have done, from the first plan to the number in its status: written once, whatever dies in between, and nothing else."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator, cel
from tests.fakes.runbooks import ROLL_BACK, runbook, shipped
from tests.fakes.tenure import Sole

from prunella.adapters.zones import zone_of
from prunella.api.names import Mode
from prunella.api.runbook import Runbook
from prunella.api.runbook_status import RunbookStatus
from prunella.api.shadow_verdict import ShadowVerdict
from prunella.app.certificates import Certificates
from prunella.app.errors import Retryable
from prunella.app.readiness import PolicyKey, Readiness
from prunella.app.runs.shadows import Shadows

from .test_heals import rolled_out


def stats(place):
    found = place.api.one(Runbook).status.shadow
    return (found.would_have_acted, found.right, found.wrong) if found is not None else None


def back(place, workload):
    place.cluster.set_image(workload, "shop/app:1")


def forward(place, workload):
    place.cluster.set_image(workload, "shop/app:3")


def by_itself(place, workload):
    place.cluster.bad.clear()
    for pod in workload.pods:
        pod.bad = False
    place.cluster.set_image(workload, "shop/app:2")


async def observed(*books, mode="Observe", seconds=60):
    place, workload, operator = await rolled_out(*(books or (shipped(),)), namespace_mode=mode, seconds=seconds)
    assert operator.incident.status.shadow.verdict is None
    assert stats(place) is None
    return place, workload, operator


@pytest.mark.parametrize("mode", ["Observe", "Suggest"])
@pytest.mark.parametrize(
    ("what", "verdict", "numbers"),
    [(back, ShadowVerdict.RIGHT, (1, 1, 0)), (forward, ShadowVerdict.WRONG, (1, 0, 1)), (by_itself, ShadowVerdict.WRONG, (1, 0, 1))],
    ids=["a person rolls back", "a person rolls forward", "by itself"],
)
async def test_the_verdict_of_an_incident_is_added_to_its_runbook_once(mode, what, verdict, numbers):
    place, workload, operator = await observed(mode=mode)
    what(place, workload)
    await operator.run(1200)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    assert operator.incident.status.shadow.verdict is verdict
    assert stats(place) == numbers
    [counted] = place.api.one(Runbook).status.shadow.incidents
    assert (counted.uid, counted.verdict) == (operator.incident.metadata.uid, verdict)
    assert (place.cluster.effects, place.cluster.hand_backs) == ([], 0)
    place.api.writes.clear()
    again = Operator(place)
    await again.run(4 * 3600)
    assert stats(place) == numbers
    assert place.api.writes == []
    await again.close()


async def test_where_it_acts_there_is_nothing_to_count():
    place, _, operator = await rolled_out()
    assert operator.incident.status.shadow is None
    assert stats(place) is None
    await operator.close()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_at_that_write_is_followed_by_one_that_counts_it_once(when):
    place, workload, operator = await observed()
    died: list[str] = []

    def dies(moment, verb, what):
        if moment == when and (verb, what) == ("patch status", "Runbook/roll-back-bad-rollout") and not died:
            died.append(what)
            raise KeyboardInterrupt

    place.api.gate = dies
    back(place, workload)
    with pytest.raises(KeyboardInterrupt):
        await operator.run(1200)
    assert stats(place) == (None if when == "before" else (1, 1, 0))
    again = Operator(place)
    await again.run(60)
    assert stats(place) == (1, 1, 0)
    await again.close()


async def ended():
    place, workload, operator = await observed(runbook("roll-back", ROLL_BACK, mode=Mode.OBSERVE), mode="Auto")
    back(place, workload)
    await operator.run(1200)
    assert stats(place) == (1, 1, 0)
    await operator.close()
    return place, operator.incident


def changed(place, **spec):
    one = place.api.one(Runbook)
    place.api.apply(one.model_copy(update={"spec": one.spec.model_copy(update=spec)}))


async def settle(place):
    await Readiness(
        place.view, place.api, place.clock, cel(), zone_of, "prunella-system", Certificates(place.view, place.cluster, place.clock, Sole())
    ).settle(PolicyKey("Runbook", "prunella-system", "roll-back"))


async def test_a_runbook_whose_mode_is_raised_keeps_its_numbers_and_a_changed_one_begins_anew():
    place, incident = await ended()
    changed(place, mode=Mode.AUTO)
    await settle(place)
    assert stats(place) == (1, 1, 0)
    changed(place, priority=60)
    await settle(place)
    assert stats(place) == (0, 0, 0)
    await Shadows(place.view, place.api).count(incident)
    assert stats(place) == (0, 0, 0), "it was another version"


async def test_who_else_writes_the_runbook_meanwhile_is_waited_for():
    place, incident = await ended()
    one = place.api.one(Runbook)
    place.api.objects["Runbook", "prunella-system", "roll-back"] = one.model_copy(update={"status": RunbookStatus()})
    reads = place.api.runbook
    busy = 0

    async def moved(namespace, name):
        nonlocal busy
        found = await reads(namespace, name)
        if busy:
            busy -= 1
            place.api.apply(place.api.one(Runbook))
        return found

    place.api.runbook = moved
    busy = 3
    with pytest.raises(Retryable, match="changed 3 times meanwhile"):
        await Shadows(place.view, place.api).count(incident)
    busy = 2
    await Shadows(place.view, place.api).count(incident)
    assert stats(place) == (1, 1, 0)


async def test_without_its_runbook_nothing_is_counted():
    place, incident = await ended()
    place.api.delete("Runbook", "prunella-system", "roll-back")
    await Shadows(place.view, place.api).count(incident)
    assert place.api.all(Runbook) == []
