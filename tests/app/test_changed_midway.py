"""Somebody changes the target between two steps of a run: theirs stands, the rest is not done, and what the run claimed is handed back (R10, R39)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.cluster import template_of
from tests.fakes.operator import Operator, Place

from prunella.api.incident import Hold, Incident
from prunella.api.names import Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.runbook import RunbookStep
from prunella.core.world import QueryValue

from .test_asking_runs import wait
from .test_heals import rolled_out
from .test_runs import book

MORE = RunbookStep(name="more", scale={"by": 2, "most": 10})
MENDED = RunbookStep(name="probe", patch={"field": "terminationGracePeriodSeconds", "value": "20"})
RESTART = RunbookStep(name="restart", restart={})
MEANWHILE = wait("value > 0.5", promql="errors", interval_seconds=5)
LOW, HIGH = QueryValue(value=0.1), QueryValue(value=0.9)


async def between(*steps: RunbookStep, change: Callable[[Place, Any], object]) -> tuple[Place, Any, Operator, int]:
    """A run that has done all but its last step and waits, when something changes; then it need not wait any more."""
    place, workload, operator = await rolled_out(book(*steps[:-1], MEANWHILE, steps[-1]), seconds=0)
    place.queries.values = [LOW]
    await operator.run(20)
    done = len(place.cluster.effects)
    assert operator.remediations[0].status.outcome is None
    change(place, workload)
    place.queries.values = [HIGH]
    await operator.run(60)
    return place, workload, operator, done


def rolls_out(place: Place, workload: Any) -> None:
    place.cluster.set_image(workload, "shop/app:3")


def rolls_back(place: Place, workload: Any) -> None:
    place.cluster.set_image(workload, "shop/app:1")


def annotates(place: Place, workload: Any) -> None:
    workload.raw["spec"]["template"]["metadata"]["annotations"] = {"by": "dana"}
    place.cluster._bump(workload)
    place.cluster._react(workload)


CHANGES = {"rolls out": rolls_out, "rolls back": rolls_back, "annotates the pods": annotates}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("first", [MORE, RESTART.model_copy(update={"name": "first"})], ids=["after it was scaled", "after it was restarted"])
async def test_r10_what_somebody_changes_between_two_steps_ends_the_run_before_the_next_one(first, change):
    place, workload, operator, done = await between(first, RESTART, change=change)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, len(place.cluster.effects)) == (Outcome.SUPERSEDED, done), attempt.status.message
    assert attempt.status.message == f"somebody changed the pod template of checkout after step '{first.name}': theirs stands, the rest was not done"
    assert workload.raw["metadata"]["managedFields"] == [], "their next apply conflicts with nobody"
    await operator.run(300)
    assert len(place.cluster.effects) == done, "and nothing is begun anew"
    await operator.close()


async def test_r10_what_replaced_template_comes_back_between_two_steps_is_a_fight_that_is_given_up():
    def reverts(place: Place, workload: Any) -> None:
        workload.raw["spec"]["template"] = template_of("shop/app:2")
        place.cluster._bump(workload)
        place.cluster._react(workload)

    place, _, operator, done = await between(RESTART.model_copy(update={"name": "first"}), MORE, change=reverts)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, len(place.cluster.effects)) == (Outcome.REVERTED, done), attempt.status.message
    await operator.run(900)
    assert len(place.cluster.effects) == done
    await operator.close()


def scales(place: Place, workload: Any) -> None:
    """An autoscaler, or a person: not what the run is about."""
    workload.raw["spec"]["replicas"] = 4
    place.cluster._bump(workload)
    place.cluster._react(workload)


def tells(place: Place, workload: Any) -> None:
    """Controllers write into status and annotations."""
    workload.raw["status"] = {"readyReplicas": 2}
    workload.raw["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "7"
    place.cluster._bump(workload)


NO_CHANGE: dict[str, Callable[[Place, Any], object]] = {"nothing": lambda _place, _workload: None, "scales": scales, "writes a status": tells}


@pytest.mark.parametrize("change", NO_CHANGE.values(), ids=NO_CHANGE.keys())
@pytest.mark.parametrize(
    "steps",
    [(MORE, RESTART), (RESTART, MORE), (MENDED, RESTART), (RESTART.model_copy(update={"name": "first"}), MENDED, MORE)],
    ids=["scale, then restart", "restart, then scale", "patch, then restart", "restart, patch, then scale"],
)
async def test_what_controllers_write_and_what_the_run_itself_wrote_is_no_such_change(steps, change):
    place, _, operator, done = await between(*steps, change=change)
    [attempt] = operator.remediations
    assert len(place.cluster.effects) == done + 1, attempt.status.message
    await operator.close()


async def test_a_part_of_the_template_that_the_run_did_not_write_is_watched_too():
    place, _, operator, done = await between(MENDED, MORE, change=rolls_out)
    assert (operator.remediations[0].status.outcome, len(place.cluster.effects)) == (Outcome.SUPERSEDED, done)
    await operator.close()


async def lost(first: RunbookStep, change: Callable[[Place, Any], object], at_once: Callable[[Place, Any], object]) -> tuple[Place, Operator]:
    """A run whose first answer is lost, and where something changes: `at_once`, before its target is looked at, or while it waits after that."""
    place, workload, operator = await rolled_out(book(first, MEANWHILE, MORE), seconds=0)
    place.queries.values = [LOW]

    def gate(when: str, _intent: str) -> None:
        if when == "after":
            place.cluster.gate = lambda _when, _intent: None
            at_once(place, workload)
            place.cluster.lost_after = 1

    place.cluster.gate = gate
    await operator.run(25)
    change(place, workload)
    place.queries.values = [HIGH]
    await operator.run(30)
    return place, operator


def nothing(_place: Place, _workload: Any) -> None:
    """Nobody does anything."""


@pytest.mark.parametrize("first", [RESTART, MENDED], ids=["restart", "patch"])
@pytest.mark.parametrize("at_once", [nothing, scales], ids=["nothing else", "scales"])
async def test_after_a_lost_answer_the_run_goes_on(first, at_once):
    place, operator = await lost(first, nothing, at_once)
    assert [effect.guarded_path for _, effect in place.cluster.effects][1:] == ["/spec/replicas"], operator.remediations[0].status.message
    await operator.close()


@pytest.mark.parametrize("first", [RESTART, MENDED], ids=["restart", "patch"])
async def test_r10_what_somebody_changes_after_a_lost_answer_was_settled_ends_the_run(first):
    """Its target showed what the lost answer would have told: nothing but that one change had come since it was judged."""
    place, operator = await lost(first, rolls_out, nothing)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, len(place.cluster.effects)) == (Outcome.SUPERSEDED, 1), attempt.status.message
    await operator.close()


async def test_what_came_with_a_lost_answer_is_not_taken_for_the_runs_own_and_ends_nothing():
    """An autoscaler scaled at that moment: what the target's template was after the change is not known, so no change of it can be."""
    _place, operator = await lost(RESTART, rolls_out, scales)
    assert "guardedSha256" not in operator.remediations[0].status.steps[0].outcome.after
    await operator.close()


async def test_r39_a_hold_that_ends_a_run_which_has_begun_hands_back_what_it_claimed():
    """Any live refusal that can't change back ends it, and the owner's next apply conflicts with nobody."""

    def holds(place: Place, _workload: Any) -> None:
        incident = place.api.one(Incident)
        hold = Hold(by="dana", reason="mine")
        place.api.apply(incident.model_copy(update={"spec": incident.spec.model_copy(update={"hold": hold})}))

    place, workload, operator, done = await between(RESTART, MORE, change=holds)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, len(place.cluster.effects)) == (Outcome.SUPERSEDED, done)
    assert (place.cluster.hand_backs, workload.raw["metadata"]["managedFields"]) == (1, [])
    await operator.close()


async def test_r39_a_step_that_fails_after_another_was_done_hands_back_what_that_one_claimed():
    place, workload, operator = await rolled_out(book(MORE, RESTART), seconds=0)

    def forbids(when: str, _intent: str) -> None:
        if when == "after":
            place.cluster.gate = lambda _when, _intent: None
            place.cluster.forbidden.add(("patch", "deployments"))

    place.cluster.gate = forbids
    await operator.run(60)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, len(place.cluster.effects)) == (Outcome.ABORTED, 1), attempt.status.message
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


async def test_r39_a_change_during_the_proof_hands_back_what_the_run_claimed():
    place, workload, operator = await rolled_out(seconds=16)
    assert len(place.cluster.effects) == 1
    annotates(place, workload)
    await operator.run(30)
    [attempt] = place.api.all(Remediation)
    assert attempt.status.outcome is Outcome.SUPERSEDED
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


DURING = {
    "scaled, and rolls out": ((MORE,), rolls_out),
    "scaled, and rolls back": ((MORE,), rolls_back),
    "restarted, then scaled, and rolls out": ((RESTART, MORE), rolls_out),
    "a part was patched, and another one changes": ((MENDED,), annotates),
}


@pytest.mark.parametrize(("steps", "change"), DURING.values(), ids=DURING.keys())
async def test_r10_what_somebody_changes_during_the_proof_is_theirs_whatever_the_run_has_written(steps, change):
    place, workload, operator = await rolled_out(book(*steps), seconds=0)
    for _ in range(60):
        await operator.run(1)
        if len(place.cluster.effects) == len(steps):
            break
    assert operator.remediations[0].status.phase is RemediationPhase.VERIFYING
    change(place, workload)
    await operator.run(60)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, len(place.cluster.effects)) == (Outcome.SUPERSEDED, len(steps)), attempt.status.message
    assert attempt.status.message == "somebody changed the pod template during verification: theirs stands"
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


@pytest.mark.parametrize("change", [scales, tells], ids=["scales", "writes a status"])
async def test_what_controllers_write_during_the_proof_is_no_such_change(change):
    place, workload, operator = await rolled_out(book(RESTART), seconds=0)
    for _ in range(60):
        await operator.run(1)
        if place.cluster.effects:
            break
    change(place, workload)
    await operator.run(120)
    assert operator.remediations[0].status.outcome is not Outcome.SUPERSEDED, operator.remediations[0].status.message
    await operator.close()
