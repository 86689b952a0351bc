"""People agree to the rest of two runs at the same instant: one goes on and the other waits, however their passes interleave (concurrency)."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from tests.fakes.operator import Operator, Place
from tests.fakes.runbooks import HEALTHY

from prunella.api.remediation import Remediation
from prunella.api.runbook import Verify
from prunella.app.keys import IncidentKey

from .test_approvals import conditions
from .test_midrun import MORE, RESTART, SURE, halfway

SEEDS = range(12)
VERIFY = Verify(stabilize_seconds=10, interval_seconds=5, timeout_seconds=60, checks=(HEALTHY,))


async def both_ask() -> tuple[Place, Operator]:
    """Two runs in one namespace that were scaled, and ask before they are restarted. One at a time may act there."""
    place, _, operator = await halfway(MORE, SURE, RESTART, verify=VERIFY)
    cart = place.cluster.create("cart")
    await operator.run(30)
    place.cluster.set_image(cart, "shop/app:2")
    await operator.run(60)
    assert [one.status.asking is not None for one in operator.remediations] == [True, True]
    return place, operator


def agree(place: Place) -> list[IncidentKey]:
    keys = []
    for one in place.api.all(Remediation):
        word = {"by": "ana", "planHash": one.status.asking.plan_hash, "verdict": "Approved"}
        place.api.apply(one.model_copy(update={"spec": type(one.spec).model_validate(one.spec.wire() | {"approvals": [word]})}))
        keys.append(IncidentKey("shop", one.spec.incident_ref.name))
    return keys


def slow(on: Any, name: str, chance: random.Random) -> None:
    """Every answer takes a while, so that others come between."""
    real = getattr(on, name)

    async def answered(*arguments: Any, **named: Any) -> Any:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        answer = await real(*arguments, **named)
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        return answer

    setattr(on, name, answered)


@pytest.mark.parametrize("seed", SEEDS)
async def test_of_two_runs_that_people_agree_to_at_once_one_goes_on_and_the_other_waits_for_its_end(seed):
    place, operator = await both_ask()
    chance = random.Random(seed)
    for on, name in ((place.cluster, "may"), (place.cluster, "look"), (place.api, "put_remediation_status"), (place.api, "healing_policy")):
        slow(on, name, chance)
    keys = agree(place)
    chance.shuffle(keys)
    operator.pending.clear()
    await asyncio.gather(*(operator._serve(key) for key in keys))
    resumed = [one for one in operator.remediations if one.status.asking is None]
    waits = [one for one in operator.remediations if one.status.asking is not None]
    assert len(resumed) == 1, "both wrote, and then each saw the other"
    assert conditions(waits[0])["RemediationAllowed"] == ("False", "ConcurrencyReached")
    await operator.run(300)
    first, second = (next(one for one in operator.remediations if one.metadata.uid == was.metadata.uid) for was in (resumed[0], waits[0]))
    ended = first.status.ended_time
    assert ended is not None
    begun = next(step.intent.written_time for step in second.status.steps if step.name == "restart")
    assert begun >= ended, "one at a time"
    await operator.close()
