"""kill -9 and a lost reply at every write of a run with several steps: with approval, a temporary measure, and a step that fails and takes back.

Which writes there are is counted in undisturbed runs, and those that only some of them make count too. By day a few are attacked, chosen by the
seed; by night all.
"""

from __future__ import annotations

import pytest
from tests.faults.campaign import CRASHES, everywhere, some
from tests.faults.reporting import attacked
from tests.faults.runs import RUNS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3000, func_only=True)]
FEW = 3


@pytest.mark.parametrize("name", RUNS)
def test_a_run_survives_a_crash_at_a_few_writes(campaign, name, seed, request, subtests):
    flow = RUNS[name]
    found = campaign.recorded(flow)
    attacked(campaign, some(everywhere(flow, found, CRASHES), FEW, seed), request, subtests)


@pytest.mark.nightly
@pytest.mark.parametrize("name", RUNS)
def test_a_run_survives_a_crash_at_every_write(campaign, name, request, subtests):
    flow = RUNS[name]
    found = campaign.recorded(flow)
    attacked(campaign, everywhere(flow, found, CRASHES, rare=True), request, subtests)
