"""Pods that are weeded or moved: what is done, once, and what a disruption budget without room does to it."""

from __future__ import annotations

import pytest

from prunella.api.names import Outcome, StepState
from prunella.api.runbook import RunbookStep
from prunella.core.healing.effects.effect import DeletePod, Evict

from .test_heals import rolled_out
from .test_runs import book, stands

WEED = RunbookStep(name="weed", delete_pods={"which": "CrashLooping", "most": 3})
MOVE = RunbookStep(name="move", delete_pods={"which": "Any", "revision": "Others", "most": 1}, timeout_seconds=30)


async def test_a_looping_pod_is_deleted_once_and_told():
    place, _, operator = await rolled_out(book(WEED), seconds=20)
    [(_, effect)] = place.cluster.effects
    assert isinstance(effect, DeletePod)
    assert stands(operator) == [("weed", StepState.APPLIED)]
    assert "PodsDeleted" in operator.told()
    await operator.close()


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
async def test_r11_a_lost_answer_evicts_nobody_twice(lost):
    place, _, operator = await rolled_out(book(MOVE), seconds=0)
    setattr(place.cluster, lost, 1)
    await operator.run(40)
    assert [type(effect) for _, effect in place.cluster.effects] == [Evict]
    assert operator.remediations[0].status.steps[0].state is StepState.APPLIED
    await operator.close()


async def test_a_budget_without_room_is_waited_for_and_nothing_is_written_or_deleted_meanwhile():
    place, _, operator = await rolled_out(book(MOVE), seconds=0)
    place.cluster.budgets_full = True
    await operator.run(60)
    place.api.writes.clear()
    await operator.run(600)
    assert place.cluster.effects == []
    assert len(place.api.writes) <= 6, "pages, and no try after try"
    assert operator.condition("RemediationAllowed") == ("False", "PDBBlocked")
    place.cluster.budgets_full = False
    await operator.run(30)
    assert [type(effect) for _, effect in place.cluster.effects] == [Evict]
    await operator.close()


async def test_a_budget_that_fills_up_at_the_last_moment_ends_the_run_and_nothing_is_deleted_instead():
    place, _, operator = await rolled_out(book(MOVE), seconds=0)

    def fills_up(when, _intent):
        place.cluster.budgets_full = place.cluster.budgets_full or when == "before"

    place.cluster.gate = fills_up
    await operator.run(700)
    assert place.cluster.effects == []
    assert operator.remediations[0].status.outcome is Outcome.ABORTED
    assert operator.remediations[0].status.message == "the run took longer than 600 s"
    await operator.close()
