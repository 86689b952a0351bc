"""A clock that is wrong by an hour, is set back and forth, or stands in another zone (fault 20, R35): nothing is done twice, nobody is left alone."""

from __future__ import annotations

import pytest
from tests.faults.campaign import play
from tests.faults.flows import APP, END_SECONDS, FLOWS, delivered, healed, quiet
from tests.harness.api import Object
from tests.harness.instants import parse
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300, func_only=True)]


@pytest.mark.parametrize("clock", ["an hour ahead", "an hour behind", "set back and forth"])
def test_r35_a_wrong_clock_makes_nobody_act_twice_or_keep_silent(campaign, clock):
    flow = FLOWS["deployment"]
    with campaign.ground("a-clock", without=f"a clock, {clock}") as ground:
        ground.ladder(second_after_seconds=600, wait_while_remediating_seconds=30)
        flow.prepare(ground)
        flow.deed(ground)
        wait_for(lambda: healed(ground) or delivered(ground, "primary"), END_SECONDS, "it heals, or somebody is called", seen=ground.story)
        quiet(ground)
        effects = [one for one in ground.foreign_writes() if not one.hand_back]
        done = range(flow.effects, flow.effects + 1) if healed(ground) else range(flow.effects + 1)
        assert len(effects) in done, ground.story()  # whose proof a clock that jumps leaves open, and whose person is called, has been done once
        assert len(ground.incidents(APP)) == 1
        assert ground.supervisor.starts == 1, ground.story()
        assert "Traceback" not in ground.words.read_text(), ground.story()
        assert all(legal(one) for one in ground.incidents(APP)), ground.incidents(APP)


def test_a_machine_that_lives_by_another_zone_heals_like_any_other_and_tells_the_time_in_utc(campaign):
    flow = FLOWS["deployment"]
    with campaign.ground("a-zone", without="a clock, of another zone") as ground:
        played = play(flow, ground, [], ended=lambda: healed(ground))
        assert not played.wrong, "\n".join([*played.wrong, played.story])
        assert off(ground.incidents(APP)[0]) < 60


def test_a_clock_on_the_wall_that_is_taken_for_utc_tells_another_time(campaign):
    """The twin."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-wall", without="a clock, read as people read it") as ground:
        flow.prepare(ground)
        flow.deed(ground)
        wait_for(lambda: [one for one in ground.incidents(APP) if "triggeredTime" in one.get("status", {}).get("times", {})], 60, "it is seen")
        assert off(ground.incidents(APP)[0]) > 3600


def off(incident: Object) -> float:
    """Seconds between when the API server took it and when it says that it was opened."""
    created, triggered = incident["metadata"]["creationTimestamp"], incident["status"]["times"]["triggeredTime"]
    return abs((parse(created) - parse(triggered)).total_seconds())


def legal(incident: Object) -> bool:
    """Whether its durations are none that a person would laugh at."""
    durations = incident["status"].get("durations", {})
    return all(not isinstance(value, (int, float)) or value >= 0 for value in durations.values())
