"""Preconditions of a Runbook are asked of what is true when the plan is made, and again of live facts right before the first effect."""

from __future__ import annotations

from tests.app.test_not_now import broken, first, once_made, said
from tests.fakes.runbooks import shipped

from prunella.api.names import Outcome, RemediationPhase
from prunella.api.preconditions import Precondition

CALM = Precondition(name="calm", that="!('busy' in target.labels)", reason="a migration is at work")


def careful():
    one = shipped()
    return one.model_copy(update={"spec": one.spec.model_copy(update={"preconditions": (CALM,)})})


def labelled(place, labels: dict[str, str]) -> None:
    place.cluster.touch(next(iter(place.cluster.workloads.values())), labels=labels)


async def test_what_is_not_fulfilled_is_told_and_it_goes_on_by_itself_once_it_is():
    place, operator = await broken(careful())
    labelled(place, {"app": "checkout", "busy": "yes"})
    await operator.run(120)
    assert operator.remediations == []
    assert operator.condition("RemediationAllowed") == ("False", "PreconditionFalse")
    assert operator.told().count("RemediationBlocked") == 1
    assert any("a migration is at work" in one.message for one in operator.incident.status.timeline)
    labelled(place, {"app": "checkout"})
    await operator.run(120)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_what_is_not_fulfilled_any_more_is_seen_right_before_the_effect():
    place, operator = await broken(careful())
    once_made(place, lambda: labelled(place, {"app": "checkout", "busy": "yes"}))
    await operator.run(60)
    one = first(operator)
    assert (one.status.phase, said(one)) == (RemediationPhase.PENDING, ("False", "PreconditionFalse"))
    assert (place.cluster.effects, one.status.started_time) == ([], None)
    labelled(place, {"app": "checkout"})
    await operator.run(90)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()
