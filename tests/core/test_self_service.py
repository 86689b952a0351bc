"""Self-service, the pure part: what of a request is a run, what holds a target, and what is wrong with a Runbook's parameters."""

from __future__ import annotations

import pytest
from tests.core.builders import NOON
from tests.core.healing_builders import TARGET, attempt, permitted, planned, runbook

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.zones import zone_of
from prunella.api.common import Metadata
from prunella.api.healing_policy import Budget
from prunella.api.names import Outcome, RemediationPhase
from prunella.api.remediation import Pinned, Remediation, RemediationSpec, RemediationStatus, RunbookRef
from prunella.api.runbook import Parameter, RunbookStep
from prunella.api.self_service import ParameterType, SelfService
from prunella.core.healing.guards import history, self_service
from prunella.core.healing.runbooks import error_budget, plan, soundness
from prunella.core.healing.steps.restart import Restart

DEPTH = Parameter(name="depth", description="how deep", type=ParameterType.INTEGER, default="1")


def request(**status) -> Remediation:
    ref = RunbookRef(namespace="prunella-system", name="restart")
    spec = RemediationSpec(target_ref=TARGET.model_copy(update={"uid": None}), runbook_ref=ref, requested_by="dana")
    made = Remediation(metadata=Metadata(name="again", namespace="shop", uid="u-again"), spec=spec, status=RemediationStatus(**status))
    return Remediation.read(made.wire())


def taken_on(**status) -> Remediation:
    pin = Pinned(
        target_ref=TARGET,
        runbook_ref=RunbookRef(namespace="prunella-system", name="restart", sha256="a1"),
        attempt=2,
        mode="Auto",
        plan_hash="a41c9e",
        due_time=NOON,
    )
    return request(**({"pinned": pin, "phase": RemediationPhase.PENDING} | status))


def test_what_somebody_writes_beside_their_word_makes_no_record_unreadable():
    """It passes the API server's format, and lies before the first instant that Python knows."""
    word = {"by": "ana", "planHash": "a41c9e", "verdict": "Approved", "time": "0001-01-01T00:00:00+14:00"}
    wire = request().wire()
    assert Remediation.read({**wire, "spec": {**wire["spec"], "approvals": [word]}}).spec.approvals[0].time == word["time"]


def test_what_was_pinned_stands_where_the_person_left_it_out_and_nothing_else_changes():
    one = taken_on()
    assert (one.spec.target_ref, one.spec.plan_hash, one.spec.attempt, one.spec.runbook_ref.sha256) == (TARGET, "a41c9e", 2, "a1")
    assert (one.is_request, one.accepted, one.story_uid, one.spec.requested_by) == (True, True, "u-again", "dana")
    fresh = request()
    assert (fresh.accepted, fresh.spec.mode, fresh.spec.plan_hash, fresh.spec.target_ref.uid) == (False, "Observe", "", None)


def test_what_the_operator_made_is_never_replaced_by_what_a_status_says():
    pin = taken_on().status.pinned
    one = attempt(1)
    assert one.model_copy(update={"status": one.status.model_copy(update={"pinned": pin})}).with_pinned().spec == one.spec


@pytest.mark.parametrize(
    ("other", "holds"),
    [(taken_on(), False), (taken_on(started_time=NOON), True), (taken_on(started_time=NOON, phase="Cancelled", outcome=Outcome.STOPPED), False)],
    ids=["it waits", "it has begun", "it is over"],
)
def test_a_run_holds_its_target_from_its_first_intent(other, holds):
    world = permitted(all_remediations=(other,))
    assert (history.in_progress(world, planned(world)) is not None) is holds


def test_what_was_chosen_is_part_of_the_plan_and_nothing_chosen_leaves_every_hash_as_it_was():
    world = permitted()
    workload, book = world.workload.workload, world.runbooks[0]
    plain = plan.plan_hash(book, workload, None, None)
    assert plan.plan_hash(book, workload, None, None, {}) == plain
    assert plan.plan_hash(book, workload, None, None, {"depth": "1"}) not in {plain, plan.plan_hash(book, workload, None, None, {"depth": "2"})}


@pytest.mark.parametrize(
    ("parameters", "when", "says"),
    [
        ((DEPTH,), "parameters.depth > 1", None),
        ((DEPTH,), "parameters.dpeth > 1", "`spec.steps[again].when`: "),
        ((DEPTH.model_copy(update={"default": "one"}),), None, "`spec.parameters[depth].default`: it must be a whole number"),
    ],
)
def test_a_runbook_that_reads_a_parameter_that_is_none_is_not_ready(parameters, when, says):
    book = runbook(steps=(RunbookStep(name="again", restart=Restart(), when=when),), parameters=parameters)
    problems = [one.message for one in soundness.problems(book, CelEvaluate(), zone_of, "prunella-system")]
    assert problems == [] if says is None else [one.startswith(says) for one in problems] == [True]


def test_a_run_that_went_wrong_is_reported_under_one_name_and_by_whoever_asked():
    wrong = self_service.gone_wrong(taken_on(phase=RemediationPhase.FAILED, outcome=Outcome.WORSENED))
    assert (wrong.metadata.name, wrong.metadata.namespace, wrong.spec.target_ref) == ("again-u-aga", "shop", TARGET)
    assert wrong.spec.title == "Worsened: run again of restart, which dana asked for"
    assert [one.name for one in wrong.spec.reporters] == ["dana"]


def test_requests_that_wait_to_be_judged_are_bounded():
    book = runbook(self_service=SelfService(per_requester=Budget(count=2)))

    def made(name: str, **changes) -> Remediation:
        one = request()
        meta = one.metadata.model_copy(update={"name": name, "uid": f"u-{name}", "creation_timestamp": NOON})
        return one.model_copy(update={"metadata": meta, **changes})

    waiting = [made("a"), made("b"), made("d")]
    assert self_service.quota(made("b"), book, waiting, NOON) is None
    refusal = self_service.quota(made("c"), book, waiting, NOON)
    assert (refusal.reason, refusal.message) == ("BudgetSpent", "2 requests of dana in shop wait to be judged: ask again when they are")


def test_how_often_people_ask_in_vain_lowers_no_runbook():
    failed = taken_on(started_time=NOON, ended_time=NOON, phase=RemediationPhase.FAILED, outcome=Outcome.INEFFECTIVE)
    book = runbook()
    ref = failed.spec.runbook_ref.model_copy(update={"name": book.metadata.name, "namespace": book.metadata.namespace, "sha256": "a1"})
    theirs = failed.model_copy(update={"spec": failed.spec.model_copy(update={"runbook_ref": ref})})
    assert error_budget._ended(permitted(all_remediations=(theirs,)), book, "a1") == []
