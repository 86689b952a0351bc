"""Which hand does an effect, where it is looked for afterwards, and that nothing leaves a process that may not lead any more."""

from __future__ import annotations

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.outside import FakeCalls, FakeSilences
from tests.fakes.tenure import Sole

from prunella.adapters.hands import Hands
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch, Settled
from prunella.core.healing.runbooks.identity import OURSELVES

from .test_call import CALL
from .test_silences import OVER, QUIET


class World:
    def __init__(self, *, leads=True):
        self.cluster, self.silences, self.calls = FakeCluster(ManualClock()), FakeSilences(), FakeCalls()
        self.hands = Hands(self.cluster, self.silences, self.calls, Sole(leads=leads))


def patch(one):
    operations = ({"op": "test", "path": "/spec/replicas", "value": 3}, {"op": "replace", "path": "/spec/replicas", "value": 4})
    return Patch(target=one.ref, operations=operations, guarded_path="/spec/replicas", does="more")


async def test_each_effect_goes_where_it_can_be_done():
    world = World()
    one = world.cluster.create()
    assert isinstance(await world.hands.apply(patch(one), "p", OURSELVES), Applied)
    assert [intent for intent, _ in world.cluster.effects] == ["p"]
    assert isinstance(await world.hands.apply(QUIET, "5b1e", OURSELVES), Applied)
    assert list(world.silences.standing) == ["5b1e"]
    assert isinstance(await world.hands.apply(OVER, "e", OURSELVES), Applied)
    assert world.silences.standing == {}
    assert isinstance(await world.hands.apply(CALL, "c", OURSELVES), Applied)
    assert world.calls.got == [("c", CALL)]


@pytest.mark.parametrize("effect", [QUIET, OVER, CALL], ids=["silence", "its end", "call"])
async def test_nothing_leaves_a_process_that_may_not_lead_any_more(effect):
    world = World(leads=False)
    answer = await world.hands.apply(effect, "x", OURSELVES)
    assert answer == NotApplied(reason="", message="this process may not lead for long enough any more: nothing was sent")
    assert (world.silences.made, world.calls.got) == ([], [])


@pytest.mark.parametrize("effect", [QUIET, OVER, CALL], ids=["silence", "its end", "call"])
async def test_outside_of_the_cluster_there_is_no_dry_run_and_nobody_is_asked(effect):
    world = World()
    assert await world.hands.dry_run(effect, OURSELVES) == DryRun(accepted=True)
    assert (world.cluster.dry_runs, world.silences.made, world.calls.got) == (0, [], [])


async def test_each_is_looked_for_where_it_would_be():
    world = World()
    one = world.cluster.create()
    assert await world.hands.settle(one.ref, "5b1e", {}, "Silence") is Settled.NOT_APPLIED
    await world.hands.apply(QUIET, "5b1e", OURSELVES)
    assert await world.hands.settle(one.ref, "5b1e", {}, "Silence") is Settled.APPLIED
    assert await world.hands.settle(one.ref, "e", {"silencedBy": "5b1e"}, "EndSilence") is Settled.NOT_APPLIED
    assert await world.hands.settle(one.ref, "c", {}, "Call") is Settled.TRACELESS
    await world.hands.apply(patch(one), "p", OURSELVES)
    assert await world.hands.settle(one.ref, "p", {"guardedPath": "/spec/replicas"}, "Patch") is Settled.APPLIED
