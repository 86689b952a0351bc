"""A leader that no longer reaches the API server, or its Lease alone, and another replica that does (faults 16, 17, 19): one acts at any time.

The next action comes within half a minute, counted from the instant of the fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.faults import rules
from tests.faults.flows import END_SECONDS, FLOWS, healed
from tests.faults.ground import Ground
from tests.faults.rules import EVERY_VERB, Answer, Match
from tests.faults.supervisor import Supervisor
from tests.harness.audit import Write
from tests.harness.instants import now
from tests.harness.replicas import one_actor_at_a_time
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300, func_only=True)]
NEXT_ACTION_SECONDS = 30


@contextmanager
def second(ground: Ground) -> Iterator[Supervisor]:
    """Another replica, with a way of its own to the API server."""
    made = ground.replica()
    made.start()
    try:
        yield made
    finally:
        made.close()


def effects(ground: Ground) -> list[Write]:
    return [one for one in ground.foreign_writes() if not one.hand_back]


def test_a_leader_that_is_cut_off_is_followed_by_the_other_and_does_nothing_more(campaign):
    flow = FLOWS["deployment"]
    with campaign.ground("a-cut") as ground:
        flow.prepare(ground)
        with second(ground) as other, ground.proxy.rule(rules.Outage()):
            cut = now()
            flow.deed(ground)
            [effect, *_] = wait_for(ground.foreign_writes, END_SECONDS, "the other one acts", seen=ground.story)
            took = (effect.time - cut).total_seconds()
            print(f"next action {took:.1f} s after it was cut off")
            wait_for(lambda: healed(ground), END_SECONDS, "it heals", seen=ground.story)
            assert ground.supervisor.alive(), "an outage ends nobody"
            assert took <= NEXT_ACTION_SECONDS, f"it took {took:.0f} s"
            assert not [one for one in ground.proxy.written() if one.time > cut and one.status], ground.story()
            assert one_actor_at_a_time(ground.acts()) == []
            assert other.starts == 1
        wait_for(lambda: ground.supervisor.starts == 2, 60, "back again it finds another name on the lease, and ends", seen=ground.story)
        ground.supervisor.wait_until_ready()
        assert ground.supervisor.ends == [1], ground.story()
        assert len(effects(ground)) == flow.effects, ground.story()


@pytest.mark.parametrize("without", ["", "term"], ids=["protected", "twin"])
def test_a_leader_that_reaches_all_but_its_lease_leaves_the_work_to_the_other(campaign, without):
    """Fault 19: everything but the Lease is answered. The twin goes on as if it were elected for good, and both act."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-lease", without=without) as ground:
        flow.prepare(ground)
        lease = Match(verbs=EVERY_VERB, resource="leases", namespace=ground.system)
        with second(ground) as other, ground.proxy.rule(Answer(503, lease, nth=None)):
            denied = now()
            wait_for(other.leads, NEXT_ACTION_SECONDS, "the other one leads", seen=ground.story, interval=0.1)
            elected = now()
            assert (elected - denied).total_seconds() <= NEXT_ACTION_SECONDS
            flow.deed(ground)
            wait_for(lambda: healed(ground), END_SECONDS, "it heals", seen=ground.story)
            theirs = [one for one in ground.proxy.written() if one.time > elected and one.status]
            assert bool(theirs) == bool(without), ground.story()
            assert without or one_actor_at_a_time(ground.acts()) == []
            assert other.starts == 1
        assert len(effects(ground)) == flow.effects, "the once-only protocol makes even the twin harmless"
