"""The shipped Runbook for containers that a probe ends: one replica more, and what is proof of it while the old pods go on (R14)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from tests.fakes.cluster import FakePod, FakeWorkload
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import shipped

from prunella.api.names import Mode, Outcome
from prunella.core.facts import Container, Pod, Termination

LIVES = 50.0
"""Seconds that a container runs until the probe ends it; a second later it is started again."""


@dataclass
class Probed(FakePod):
    """A pod of one container that was ended at these instants."""

    ends: list[datetime] = field(default_factory=list)

    def facts(self, owner: FakeWorkload, now: datetime) -> Pod:
        past = [one for one in self.ends if one <= now]
        shown = super().facts(owner, now)
        if not past:
            return shown
        since = past[-1] + timedelta(seconds=1)
        last = Termination(exit_code=137, reason="Error", started_time=past[-1] - timedelta(seconds=LIVES), finished_time=past[-1])
        ready = now >= since + timedelta(seconds=2)
        again = Container(
            name="app", ready=ready, restarts=len(past), running_since=since if now >= since else None, last_terminated=last, waiting_reason=""
        )
        return replace(shown, containers=(again,), ready=ready, ready_since=since + timedelta(seconds=2) if ready else past[-1])


async def scaled_out(loops: bool) -> tuple[Operator, Outcome | None, int]:
    """A pod is ended again and again, until a replica more is started; then once more 30 s later, and after that no more, or as before."""
    book = shipped("scale-out-probe-killed-pods")
    place = shop(book.model_copy(update={"spec": book.spec.model_copy(update={"mode": Mode.AUTO})}))
    workload = place.cluster.create()
    workload.changes |= {"probe_kills": {"app": 30}}
    operator = Operator(place)
    await operator.run(60)
    now = place.clock.now()
    first = workload.pods[0]
    ends = [now + timedelta(seconds=(LIVES + 1) * number) for number in range(-3, 1)]
    probed = Probed(**{**vars(first), "ends": ends})
    workload.pods[0] = probed
    scaled = False
    for _ in range(300):
        place.cluster.changed(workload)
        await operator.run(5)
        now = place.clock.now()
        if place.cluster.effects and not scaled:
            scaled = True
            probed.ends = [*(one for one in probed.ends if one <= now), now + timedelta(seconds=30)]
        if (loops or not scaled) and probed.ends[-1] <= now:
            probed.ends.append(probed.ends[-1] + timedelta(seconds=LIVES + 1))
        if operator.remediations and operator.remediations[0].status.outcome is not None:
            break
    [attempt] = operator.remediations
    return operator, attempt.status.outcome, workload.raw["spec"]["replicas"]


@pytest.mark.parametrize(("loops", "outcome"), [(False, Outcome.REMEDIATED), (True, Outcome.INEFFECTIVE)], ids=["it helps", "it goes on"])
async def test_r14_a_container_that_is_killed_while_the_new_replica_starts_disproves_nothing_unless_it_is_killed_again(loops, outcome):
    operator, ended, replicas = await scaled_out(loops)
    assert (ended, replicas) == (outcome, 4), operator.remediations[0].status.message
    await operator.close()
