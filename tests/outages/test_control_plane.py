"""The API server restarts, etcd stands still, a CRD is deleted and comes back (faults 5, 6, 21): it is outlived, and what is broken heals."""

from __future__ import annotations

import pytest
from tests.faults.flows import APP, END_SECONDS, FLOWS, healed, quiet
from tests.faults.ground import Ground
from tests.harness.installation import ROOT, kubectl
from tests.harness.waiting import holds_for, wait_for

pytestmark = [pytest.mark.outages, pytest.mark.timeout(900, func_only=True)]
RECOVERED_SECONDS = END_SECONDS + 60


def effects(ground: Ground) -> int:
    return len([one for one in ground.foreign_writes() if not one.hand_back])


def still(seconds: float) -> None:
    """Let the outage last."""
    holds_for(lambda: True, seconds, "it lasts", interval=1)


@pytest.mark.parametrize("seconds", [10, 300])
def test_an_api_server_that_restarts_in_the_middle_of_a_story_is_outlived(campaign, seconds):
    flow = FLOWS["deployment"]
    with campaign.ground("o-restart") as ground:
        flow.prepare(ground)
        flow.deed(ground)
        wait_for(ground.incidents, 60, "the fault is recorded", seen=ground.story)
        with ground.installation.without_api_server():
            still(seconds)
            assert ground.supervisor.alive(), ground.story()
        wait_for(lambda: healed(ground), RECOVERED_SECONDS, "it heals", seen=ground.story)
        quiet(ground)
        assert effects(ground) == flow.effects, ground.story()
        assert ground.supervisor.starts == 1, ground.story()


def test_an_etcd_that_stands_still_for_two_minutes_is_outlived(campaign):
    """The API server answers, and nothing can be read or stored."""
    flow = FLOWS["deployment"]
    with campaign.ground("o-frozen") as ground:
        flow.prepare(ground)
        flow.deed(ground)
        wait_for(ground.incidents, 60, "the fault is recorded", seen=ground.story)
        before = effects(ground)
        ground.installation.box("freeze", "etcd")
        try:
            still(120)
            assert ground.supervisor.alive(), ground.story()
        finally:
            ground.installation.box("thaw", "etcd")
        wait_for(lambda: healed(ground), RECOVERED_SECONDS, "it heals", seen=ground.story)
        assert before in {0, flow.effects}
        assert effects(ground) == flow.effects, ground.story()
        assert all(code in {0, 1} for code in ground.supervisor.ends), ground.story()


def test_kinds_that_are_deleted_while_it_runs_are_missed_and_served_again(campaign):
    """With a CRD go all objects of its kind: that is what whoever deletes it gets. What comes after it is back is healed."""
    flow = FLOWS["deployment"]
    with campaign.ground("o-crd") as ground:
        flow.prepare(ground)
        kubectl("delete", "crd", "incidents.prunella.dev", "--timeout=60s")
        still(20)
        kubectl("apply", "--server-side", "-k", str(ROOT / "crds"))
        kubectl("wait", "--for=condition=Established", "crd/incidents.prunella.dev", "--timeout=60s")
        flow.deed(ground)
        wait_for(lambda: healed(ground), 300, "it heals", seen=ground.story)
        assert effects(ground) == flow.effects, ground.story()
        assert ground.supervisor.starts <= 3, ground.story()
        assert ground.incidents(APP)
