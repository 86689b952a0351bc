"""A rollout that nothing may go back over is frozen: the revision before serves, the Incident is mitigated and not over, and a person is paged."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import ROLL_BACK, runbook

from prunella.api.names import MessageKind, Outcome, StepState
from prunella.api.runbook import RunbookStep

BOOK = runbook("both", ROLL_BACK, RunbookStep(name="freeze", freeze_rollout={}))
MARK = "prunella.dev/irreversible"


async def broken(*, marked=True, seconds=120.0, prepare=lambda _place: None):
    """A version that crashes is rolled out."""
    place = shop(BOOK)
    workload = place.cluster.create()
    if marked:
        workload.raw["metadata"]["annotations"][MARK] = "true"
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    prepare(place)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(seconds)
    return place, workload, operator


def stands(operator):
    [attempt] = operator.remediations
    return [(one.name, one.state) for one in attempt.status.steps]


async def test_r09_the_revision_before_serves_and_nothing_goes_back():
    place, workload, operator = await broken()
    assert stands(operator) == [
        ("rollback", StepState.SKIPPED),
        ("freeze", StepState.APPLIED),
        ("freeze/1", StepState.APPLIED),
        ("freeze/2", StepState.APPLIED),
    ]
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:2", "the template is the broken one still"
    assert workload.raw["spec"]["paused"] is True
    assert {pod.revision for pod in workload.pods} == {"h1"}
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    assert operator.condition("Mitigated") == ("True", "RemediationSucceeded")
    assert operator.condition("Resolved")[0] == "False"
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    assert "Frozen" in operator.told()
    await operator.run(3600)
    assert operator.condition("Resolved")[0] == "False", "it is never over by itself"
    assert len(place.cluster.effects) == 2
    await operator.close()


async def test_a_mended_revision_that_a_person_rolls_out_ends_it():
    place, workload, operator = await broken()
    workload.raw["spec"].pop("paused")
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(900)
    assert operator.condition("Resolved")[0] == "True"
    assert len(place.cluster.effects) == 2
    await operator.close()


async def test_what_is_not_marked_is_rolled_back_as_ever():
    _, workload, operator = await broken(marked=False)
    assert stands(operator) == [("rollback", StepState.APPLIED)]
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    assert operator.condition("Resolved") == ("True", "Verified")
    await operator.close()


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
@pytest.mark.parametrize("which", [0, 1])
async def test_r11_a_lost_answer_at_either_effect_does_neither_twice(lost, which):
    def prepare(place):
        def lose(when, _intent):
            if when == "before" and len(place.cluster.effects) == which:
                setattr(place.cluster, lost, 1)
                place.cluster.gate = lambda _when, _intent: None

        place.cluster.gate = lose

    place, workload, operator = await broken(prepare=prepare, seconds=200)
    assert len(place.cluster.effects) == 2
    assert {pod.revision for pod in workload.pods} == {"h1"}
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    await operator.close()
