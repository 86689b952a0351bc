"""A leader that no longer reaches the API server, and another replica that does (faults 16, 19): one acts at any time, and within half a minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.faults import rules
from tests.faults.flows import END_SECONDS, FLOWS, healed
from tests.faults.ground import Ground
from tests.faults.supervisor import Supervisor
from tests.harness.instants import now
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300, func_only=True)]
NEXT_ACTION_SECONDS = 30
DUE_SECONDS = 10
"""From the deed until an action is due: a crash, a restart, the dwell."""


@contextmanager
def second(ground: Ground) -> Iterator[Supervisor]:
    """Another replica, with a way of its own to the API server."""
    made = ground.replica()
    made.start()
    try:
        yield made
    finally:
        made.close()


def test_a_leader_that_is_cut_off_is_followed_by_the_other_and_does_nothing_more(campaign):
    flow = FLOWS["deployment"]
    with campaign.ground("a-cut") as ground:
        flow.prepare(ground)
        with second(ground) as other, ground.proxy.rule(rules.Outage()):
            cut = now()
            flow.deed(ground)
            wait_for(ground.foreign_writes, END_SECONDS, "the other one acts", seen=ground.story)
            took = (now() - cut).total_seconds()
            wait_for(lambda: healed(ground), END_SECONDS, "it heals", seen=ground.story)
            assert ground.supervisor.alive(), "an outage ends nobody"
            assert took <= NEXT_ACTION_SECONDS + DUE_SECONDS, f"it took {took:.0f} s"
            assert not [one for one in ground.proxy.written() if one.time > cut and one.status], ground.story()
            assert other.starts == 1
        wait_for(lambda: ground.supervisor.starts == 2, 60, "back again it finds another name on the lease, and ends", seen=ground.story)
        ground.supervisor.wait_until_ready()
        assert ground.supervisor.ends == [1], ground.story()
        assert len([one for one in ground.foreign_writes() if not one.hand_back]) == flow.effects, ground.story()
