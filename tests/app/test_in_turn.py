"""Two Runbooks of one cause, one after the other, over a whole life: A is tried, proved useless and taken back, and B heals; and when it does not."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator
from tests.fakes.runbooks import HEALTHY, ROLL_BACK, runbook

from prunella.api.common import LocalRef
from prunella.api.names import Cause, MessageKind, Mode, OnFailure, Outcome, RemediationPhase, StepState
from prunella.api.runbook import Match, RunbookStep, StepFailure, Verify

from .test_heals import rolled_out

MORE = RunbookStep(name="more", scale={"by": 2, "most": 10})
CRASH = Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=10, min_restarts=2)
SOON = Verify(stabilize_seconds=5, interval_seconds=5, successes=3, timeout_seconds=30, checks=(HEALTHY,))


def first(**spec):
    """More replicas, which is no help against a version that crashes."""
    return runbook("a-more", MORE, **({"match": CRASH, "verify": SOON, "next_ref": LocalRef(name="b-back")} | spec))


def second(*steps, **spec):
    return runbook("b-back", *(steps or (ROLL_BACK,)), **({"match": CRASH, "verify": SOON} | spec))


def outcomes(operator):
    return [(one.spec.runbook_ref.name, one.status.outcome) for one in operator.remediations]


async def test_the_first_is_taken_back_and_the_second_heals_and_nobody_is_called():
    place, workload, operator = await rolled_out(first(), second(), seconds=200)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE), ("b-back", Outcome.REMEDIATED)]
    one, other = operator.remediations
    assert [(step.name, step.state) for step in one.status.steps] == [("more", StepState.APPLIED), ("undo/more", StepState.APPLIED)]
    assert one.status.message.endswith("; what was done was taken back")
    assert one.status.target_generation == 4, "made, rolled out, scaled and scaled back"
    assert other.spec.after == (one.metadata.name,)
    assert (one.spec.attempt, other.spec.attempt) == (1, 2)
    assert other.status.plan == "roll back deploy/checkout 2 (h2) -> 1 (h1) (second of two: a-more did not help)"
    assert (other.status.effect_time - one.status.ended_time).total_seconds() >= 10, "the dwell counts anew"
    assert workload.raw["spec"]["replicas"] == 3
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    assert operator.condition("Resolved") == ("True", "Verified")
    assert place.deliver.to(MessageKind.PAGE) == []
    told = operator.told()
    assert told.count("RemediationStarted") == 2
    assert "BreakerOpened" not in told
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


async def test_without_a_second_one_nothing_is_tried_and_somebody_is_called():
    place, _, operator = await rolled_out(first(next_ref=None, priority=60), second(), seconds=300)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE)]
    assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    assert [step.name for step in operator.remediations[0].status.steps] == ["more"], "nothing is taken back that nobody asked for"
    await operator.close()


async def test_what_failed_is_taken_back_where_the_runbook_says_so_and_nothing_follows():
    verify = SOON.model_copy(update={"undo_on_failure": True})
    _, workload, operator = await rolled_out(first(next_ref=None, verify=verify), seconds=200)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE)]
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


async def test_an_unknown_effect_of_the_first_pages_and_nothing_follows():
    place, workload, operator = await rolled_out(first(), second(), seconds=0)

    def lost(when, intent):
        if when == "after":
            workload.raw["spec"]["replicas"] = 9
            workload.raw["metadata"]["annotations"].pop("prunella.dev/intent-id", None)

    place.cluster.gate, place.cluster.lost_after = lost, 1
    await operator.run(300)
    assert [one.status.phase for one in operator.remediations] == [RemediationPhase.UNKNOWN]
    assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()


async def test_where_the_second_does_not_help_either_somebody_is_called_and_no_third_attempt_is_made():
    again = RunbookStep(name="again", restart={})
    place, _, operator = await rolled_out(first(), second(again), seconds=900)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE), ("b-back", Outcome.INEFFECTIVE)]
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    await operator.close()


async def until_handed_on(*books, **policy):
    """Until the first has ended, and the second waits for its dwell."""
    place, workload, operator = await rolled_out(*books, seconds=20, **policy)
    for _ in range(60):
        if operator.remediations and operator.remediations[0].status.outcome is not None:
            return place, workload, operator
        await operator.run(2)
    raise AssertionError(outcomes(operator))


async def test_a_person_who_changes_the_target_in_between_has_it():
    place, workload, operator = await until_handed_on(first(), second())
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    done = len(place.cluster.effects)
    await operator.run(300)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE)]
    assert len(place.cluster.effects) == done
    assert operator.condition("RemediationAllowed") == ("False", "HumanOverride")
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()


@pytest.mark.parametrize("mode", [Mode.SUGGEST, Mode.OBSERVE])
async def test_a_second_one_that_may_not_act_leaves_it_to_people_at_once(mode):
    place, _, operator = await until_handed_on(first(), second(mode=mode))
    await operator.run(60)
    assert outcomes(operator)[0] == ("a-more", Outcome.INEFFECTIVE)
    assert len(place.cluster.effects) == 2
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_that_dies_while_it_takes_back_is_followed_by_one_that_goes_on(when):
    place, workload, operator = await rolled_out(first(), second(), seconds=0)
    died: list[str] = []

    def dies(moment, intent):
        if moment == when and len(place.cluster.effects) == (1 if when == "before" else 2) and not died:
            died.append(intent)
            raise KeyboardInterrupt

    place.cluster.gate = dies
    with pytest.raises(KeyboardInterrupt):
        await operator.run(200)
    operator = Operator(place)
    await operator.run(200)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE), ("b-back", Outcome.REMEDIATED)]
    assert [effect.operations[-1].get("value") for _, effect in place.cluster.effects[:2]] == [5, 3]
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


@pytest.mark.parametrize("mode", ["Observe", "Suggest", "Approve"])
async def test_what_was_done_is_taken_back_whatever_mode_there_is_by_then(mode):
    """Who lowers the mode in the middle wants less done, and not that what was done stays and holds the target for ever."""
    place, workload, operator = await rolled_out(first(), seconds=0)

    def lowered(when, _intent):
        if when == "after":
            place.cluster.namespace_of("shop", **{"prunella__dev/mode": mode})

    place.cluster.gate = lowered
    await operator.run(200)
    assert outcomes(operator) in ([("a-more", Outcome.INEFFECTIVE)], [("a-more", Outcome.SUPERSEDED)], [("a-more", Outcome.STOPPED)])
    assert operator.remediations[0].status.phase.final
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


async def test_an_undo_that_was_not_sent_before_the_process_died_is_done_however_late_the_next_one_comes():
    place, workload, operator = await rolled_out(first(next_ref=None, verify=SOON.model_copy(update={"undo_on_failure": True})), seconds=0)

    def dies(moment, _intent):
        if moment == "before" and len(place.cluster.effects) == 1:
            raise KeyboardInterrupt

    place.cluster.gate = dies
    with pytest.raises(KeyboardInterrupt):
        await operator.run(200)
    place.cluster.gate = lambda _moment, _intent: None
    place.clock.advance(400)
    operator = Operator(place)
    await operator.run(60)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE)], "and the breaker knows that it did not help"
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


async def test_who_changes_the_target_between_the_undo_and_the_end_has_it():
    place, workload, operator = await rolled_out(first(), second(), seconds=0)

    def edited(moment, _intent):
        if moment == "after" and len(place.cluster.effects) == 2:
            workload.raw["spec"]["minReadySeconds"] = 7
            workload.raw["metadata"]["generation"] += 1
            place.cluster.touched(("Deployment", "shop", "checkout"))

    place.cluster.gate = edited
    await operator.run(300)
    assert outcomes(operator) == [("a-more", Outcome.INEFFECTIVE)]
    assert len(place.cluster.effects) == 2
    await operator.close()


async def test_a_run_whose_time_is_over_takes_back_as_one_that_failed():
    wait = RunbookStep(name="wait", wait_for={"until": "false", "timeoutSeconds": 3600})
    more = MORE.model_copy(update={"on_failure": StepFailure(action=OnFailure.UNDO)})
    _, workload, operator = await rolled_out(runbook("a-more", more, wait, match=CRASH, verify=SOON), seconds=900)
    assert outcomes(operator) == [("a-more", Outcome.ABORTED)]
    assert operator.remediations[0].status.message == "the run took longer than 600 s; what was done was taken back"
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()
