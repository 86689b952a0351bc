"""kill -9 before and after every write, and the reply of every write lost: each story ends as it must, each effect happens once (faults 1 and 2).

Which writes there are is counted in an undisturbed run. By day every write of a Deployment's rollback is attacked in all three ways, and a few of the
other stories', chosen by the seed; by night all.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.faults.campaign import Attack, Campaign, Result, everywhere, some
from tests.faults.flows import FLOWS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800, func_only=True)]
FEW = 3


def attacked(campaign: Campaign, attacks: Sequence[Attack], config: pytest.Config, subtests: pytest.Subtests) -> None:
    """Carry the attacks out and report on each."""
    word = config.getoption("--attack")
    chosen = [one for one in attacks if word in str(one)]
    if not chosen:
        pytest.skip(f"none of {len(attacks)} attacks is called {word}")
    results: list[Result] = campaign.carried_out(chosen)
    for result in results:
        with subtests.test(str(result.attack)):
            assert not result.wrong, result.wrong
    slowest = max(results, key=lambda one: one.seconds)
    print(f"{len(results)} attacks, the slowest took {slowest.seconds:.0f} s: {slowest.attack}")


def test_a_rollback_of_a_deployment_survives_a_fault_at_every_write(campaign, pytestconfig, subtests):
    flow = FLOWS["deployment"]
    found, _ = campaign.recorded(flow)
    attacked(campaign, everywhere(flow, found), pytestconfig, subtests)


@pytest.mark.parametrize("name", [name for name in FLOWS if name != "deployment"])
def test_every_other_story_survives_a_fault_at_a_few_writes(campaign, name, seed, pytestconfig, subtests):
    flow = FLOWS[name]
    found, _ = campaign.recorded(flow)
    attacked(campaign, some(everywhere(flow, found), FEW, seed), pytestconfig, subtests)


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in FLOWS if name != "deployment"])
def test_every_other_story_survives_a_fault_at_every_write(campaign, name, pytestconfig, subtests):
    flow = FLOWS[name]
    found, _ = campaign.recorded(flow)
    attacked(campaign, everywhere(flow, found), pytestconfig, subtests)
