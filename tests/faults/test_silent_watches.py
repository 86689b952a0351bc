"""Watches that say nothing, or say it late (faults 10 and 14): it is noticed in time, and nobody acts on what may be old.

By night: it takes minutes.
"""

from __future__ import annotations

import re
import urllib.request

import pytest
from tests.faults import stream_rules
from tests.faults.flows import APP, FLOWS, healed
from tests.faults.ground import Ground
from tests.harness.waiting import Missed, holds_for, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.nightly, pytest.mark.timeout(600, func_only=True)]
NOTICED_SECONDS = 120
"""V12: no zombie for longer."""
LAG_SECONDS = 45
BEAT_SECONDS = 20


@pytest.mark.parametrize("without", ["", "silence"], ids=["protected", "twin"])
def test_a_half_open_watch_of_pods_is_noticed(campaign, without):
    """Its connection stays, and it says nothing more, just when the fault occurs."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-half-open", without=without) as ground:
        flow.prepare(ground)
        with ground.proxy.rule(stream_rules.HalfOpen("pods", namespace=ground.namespace, times=1)):
            flow.deed(ground)
            try:
                wait_for(lambda: ground.incidents(APP), NOTICED_SECONDS, "the fault is seen", seen=ground.story)
                noticed = True
            except Missed:
                noticed = False
        assert noticed == (not without), ground.story()
        if noticed:
            wait_for(lambda: healed(ground), 60, "and it heals", seen=ground.story)
            assert ground.supervisor.starts == 1


def lag(ground: Ground) -> float:
    """The lag that the operator itself tells."""
    with urllib.request.urlopen(f"http://127.0.0.1:{ground.port}/metrics", timeout=5) as answer:
        found = re.search(r'^prunella_watch_lag_seconds\{kind="ConfigMap"\} (\S+)$', answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("without", ["", "lag"], ids=["protected", "twin"])
def test_nobody_acts_while_the_watches_are_seen_to_be_late(campaign, without):
    flow = FLOWS["deployment"]
    with campaign.ground("a-lag", without=without) as ground:
        late = ground.proxy.add(stream_rules.Lag(LAG_SECONDS, "configmaps", namespace=ground.system))
        flow.prepare(ground)
        wait_for(lambda: lag(ground) > 15, 2 * BEAT_SECONDS, "the operator says that it sees late", seen=lambda: lag(ground))
        flow.deed(ground)
        wait_for(lambda: ground.incidents(APP), 30, "the fault is recorded all the same", seen=ground.story)
        if without:
            wait_for(ground.foreign_writes, 15, "without the protection it acts on what may be old", seen=ground.story)
            return
        holds_for(lambda: not ground.foreign_writes(), 10, "nothing is done", interval=1)
        ground.proxy.remove(late)
        late.close()
        wait_for(lambda: healed(ground), LAG_SECONDS + 3 * BEAT_SECONDS, "it heals once the heartbeat is seen in time", seen=ground.story)
