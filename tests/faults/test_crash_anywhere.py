"""kill -9 before and after every write, and the reply of every write lost: each story ends as it must, each effect happens once (faults 1, 2; R11).

Which writes there are is counted in an undisturbed run. By day every write of a Deployment's rollback is attacked in all three ways, and a few of the
other stories', chosen by the seed; by night all. SIGTERM in the middle of a step, and SIGKILL where the step outlasts its
grace, are fault 3; an operator that was not there is fault 4.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.faults.campaign import CRASHES, Point, at, everywhere, play, some
from tests.faults.flows import APP, FLOWS, break_it, healed, healthy_workload
from tests.faults.kubelet import restarts
from tests.faults.reporting import attacked
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800, func_only=True)]
FEW = 3
OTHERS = [name for name in FLOWS if name != "deployment"]
KILLS = ("killed before", "killed after")
TOLD = ("told to end at",)
GRACE_OVER = ("killed after its grace before", "killed after its grace after")


def test_r11_a_rollback_of_a_deployment_survives_a_crash_at_every_write(campaign, request, subtests):
    flow = FLOWS["deployment"]
    found = campaign.recorded(flow)
    attacked(campaign, everywhere(flow, found, CRASHES), request, subtests)


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_story_survives_a_crash_at_a_few_writes(campaign, name, seed, request, subtests):
    flow = FLOWS[name]
    found = campaign.recorded(flow)
    attacked(campaign, some(everywhere(flow, found, CRASHES), FEW, seed), request, subtests)


def test_c29_a_page_survives_a_kill_before_it_is_sent_and_before_its_receipt_is_kept(campaign, request, subtests):
    """Killed around each write of the Incident: none is lost, and a second copy bears the key of the first (V16)."""
    flow = FLOWS["page"]
    found = campaign.recorded(flow)
    kept = [point for point in found.always if point.words == "update incidents/status"]
    attacked(campaign, everywhere(flow, replace(found, always=kept), KILLS), request, subtests)


@pytest.mark.nightly
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_story_survives_a_crash_at_every_write(campaign, name, request, subtests):
    flow = FLOWS[name]
    found = campaign.recorded(flow)
    attacked(campaign, everywhere(flow, found, CRASHES, rare=True), request, subtests)


def test_an_operator_that_is_told_to_end_in_the_middle_of_a_step_leaves_nothing_half_done(campaign, request, subtests):
    flow = FLOWS["deployment"]
    steps = [Point("create remediations", 1), Point("update remediations/status", 1), Point("patch deployments", 1), Point("patch deployments", 2)]
    attacked(campaign, [at(flow, fault, point) for fault in TOLD for point in steps], request, subtests)


def test_an_operator_that_is_killed_because_its_step_outlasts_its_grace_leaves_nothing_half_done(campaign, request, subtests):
    """SIGTERM, and SIGKILL some seconds later: the answer that it waits for does not come in time."""
    flow = FLOWS["deployment"]
    steps = [Point("update remediations/status", 1), Point("patch deployments", 1)]
    attacked(campaign, [at(flow, fault, point) for fault in GRACE_OVER for point in steps], request, subtests)


def test_a_fault_that_occurs_while_there_is_no_operator_is_found_by_the_next_one(campaign):
    flow = FLOWS["deployment"]
    with campaign.ground("a-absent") as ground:

        def prepare() -> None:
            healthy_workload("Deployment")(ground)
            ground.supervisor.pause()
            break_it("Deployment")(ground)
            wait_for(lambda: any(restarts(pod) >= 2 for pod in ground.pods(APP)), 30, "the new version crashes, and nobody sees it")
            assert not ground.incidents()

        absent = flow.after(lambda _: prepare(), lambda _: ground.supervisor.resume())
        played = play(absent, ground, [], ended=lambda: healed(ground))
        assert not played.wrong, "\n".join([*played.wrong, played.story])
