"""One fault, end to end, over fakes and in virtual time: what is done, what is written, what is told."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import ROLL_BACK, runbook, shipped

from prunella.api.common import Metadata
from prunella.api.healing_policy import Budget, Budgets
from prunella.api.incident import Incident
from prunella.api.names import Cause, MessageKind, Mode, Outcome, RemediationPhase, StepState
from prunella.api.runbook import Check, Match, PromQL, Runbook, RunbookStep, Verify, WorkloadHealthy
from prunella.api.workload_record import WorkloadRecord
from prunella.app.errors import Retryable
from prunella.core.healing.steps.capture_evidence import CaptureEvidence
from prunella.core.healing.steps.escalate import Escalate
from prunella.core.healing.steps.restart import Restart
from prunella.core.story import story
from prunella.core.world import QueryValue


async def rolled_out(*books, kind="Deployment", seconds=120.0, image="shop/app:2", namespace_mode="Auto", before=30.0, **policy):
    """A healthy shop gets a version that crashes, and lives on for so long."""
    place = shop(*(books or (shipped(),)), namespace_mode=namespace_mode, **policy)
    workload = place.cluster.create(kind=kind)
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(before)
    place.api.writes.clear()
    place.cluster.set_image(workload, image)
    await operator.run(seconds)
    return place, workload, operator


def writes(place):
    """Persisted writes to our kinds and foreign objects from the fault on, but for the rollout's own record and the hand-back."""
    ours = [(one.verb, one.kind) for one in place.api.writes]
    ours.remove(("create", "WorkloadRecord"))
    return len(ours) + len(place.cluster.effects)


@pytest.mark.parametrize(("kind", "most", "effects"), [("Deployment", 10, 1), ("DaemonSet", 10, 1), ("StatefulSet", 13, 2)])
async def test_a_bad_rollout_heals_within_its_budget_of_writes(kind, most, effects):
    place, workload, operator = await rolled_out(kind=kind)
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    assert len(place.cluster.effects) == effects
    assert writes(place) <= most
    assert place.cluster.hand_backs == 1
    assert len(place.api.events) <= 8
    assert operator.condition("Resolved") == ("True", "Verified")
    assert operator.condition("Acknowledged") == ("False", "HealedBeforeFirstPage")
    assert operator.incident.status.remediation == "RolledBack to revision 1"
    assert operator.told() == ["Opened", "PriorityAssessed", "RemediationStarted", "RolledBack", "Verified", "Resolved"]
    assert place.deliver.to(MessageKind.PAGE) == []
    assert place.deliver.to(MessageKind.NOTICE) == ["releases"]
    assert operator.retries == []
    await operator.close()


async def test_r34_thirty_days_later_its_story_is_still_there_and_nothing_was_written_since():
    place, _, operator = await rolled_out()
    await operator.run(3 * 3600)  # its watch window ends
    before = [row.what for row in story(operator.incident, operator.remediations, place.clock.now()).rows]
    place.api.writes.clear()
    place.clock.advance(30 * 86_400)
    await operator.run(60)
    assert [row.what for row in story(operator.incident, operator.remediations, place.clock.now()).rows] == before
    assert operator.condition("Resolved") == ("True", "Verified")
    assert place.api.writes == []
    await operator.close()


async def test_times_are_those_of_the_fault_and_not_of_its_discovery():
    place, _, operator = await rolled_out()
    times, since = operator.incident.status.times, place.cluster.workloads["Deployment", "shop", "checkout"].created
    assert times.started_time == times.detected_time, "the kubelet's finishedAt"
    assert (times.automation_started_time - times.started_time).total_seconds() == 12, "the second restart comes 12 s after the first end"
    assert times.resolved_time == times.automation_started_time, "the old revision served all the time"
    assert since < times.started_time
    [attempt] = operator.remediations
    assert [(one.check, one.result.value) for one in attempt.status.measurements] == [("healthy", "Success")] * 3
    delays = [value for name, value in place.telemetry.seen if name == "remediation_effect_delay_seconds"]
    assert delays == [0.0]
    await operator.close()


async def test_what_was_seen_is_kept_and_what_worked_is_remembered():
    place, _, operator = await rolled_out()
    assert [one.text for one in operator.incident.status.evidence] == [
        "FATAL: unknown flag --cache-size",
        "Warning BackOff: Back-off restarting failed container",
    ]
    record = place.api.one(WorkloadRecord)
    assert [(one.hash, one.revision) for one in record.spec.revisions] == [("h1", 1)]
    assert [(one.hash, one.reason) for one in record.spec.quarantined] == [("h2", f"rolled back by {operator.remediations[0].metadata.name}")]
    await operator.close()


async def test_after_the_heal_nothing_is_written_any_more():
    place, _, operator = await rolled_out()
    place.api.writes.clear()
    await operator.run(3600)
    assert place.api.writes == []
    await operator.close()


async def test_r04_the_bad_version_that_is_applied_again_is_not_rolled_back_again():
    place, workload, operator = await rolled_out()
    await operator.run(60)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(120)
    assert operator.condition("RemediationAllowed") == ("False", "QuarantinedReapplied")
    assert len(place.cluster.effects) == 1
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:2", "theirs stands"
    assert "BreakerOpened" not in operator.told()
    await operator.close()


async def test_r05_a_second_bad_version_goes_back_to_the_one_that_worked():
    place, workload, operator = await rolled_out(cooldown_seconds=0)
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(120)
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    assert len(place.cluster.effects) == 2
    await operator.close()


async def test_r16_of_ten_bad_versions_in_turn_each_is_tried_at_most_as_often_as_it_may_and_all_together_as_the_budget_says():
    place, workload, operator = await rolled_out(cooldown_seconds=0)
    for number in range(3, 12):
        place.cluster.bad.add(f"shop/app:{number}")
        place.cluster.set_image(workload, f"shop/app:{number}")
        await operator.run(120)
    began = Counter(one.spec.accused_revision for one in operator.remediations if one.status.started_time is not None)
    assert max(began.values()) <= shipped().spec.limits.max_attempts
    assert began.total() == len(place.cluster.effects) == Budgets().per_target.count
    assert operator.condition("RemediationAllowed")[0] == "False"
    assert len(place.api.all(Incident)) == 1
    assert "primary" in place.deliver.to(MessageKind.PAGE), "a person looks"
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:11", "theirs stands"
    await operator.close()


@pytest.mark.parametrize("between", [10, 300], ids=["at once", "five minutes later"])
async def test_r16_what_flaps_ten_times_is_not_acted_on_more_often_than_the_runbook_may(between):
    """Each time it comes up again, by the restart or by itself, and fails again."""
    match = Match(causes=(Cause.CRASH_LOOP, Cause.ROLLOUT_CRASH_LOOP), dwell_seconds=10, min_restarts=2)
    place = shop(runbook("restart", RunbookStep(name="restart", restart=Restart()), match=match), cooldown_seconds=0)
    workload = place.cluster.create()
    operator = Operator(place)
    await operator.run(30)
    for _ in range(10):
        for bad, seconds in ((True, 120), (False, between)):
            for pod in workload.pods:
                pod.bad, pod.created = bad, place.clock.now()
            place.cluster.changed(workload)
            await operator.run(seconds)
    began = [one for one in operator.remediations if one.status.started_time is not None]
    assert 1 <= len(began) <= runbook().spec.limits.max_attempts, [(one.status.outcome, one.spec.cause) for one in began]
    assert len(place.cluster.effects) == len(began)
    await operator.close()


async def test_r05_another_bad_version_during_the_dwell_is_what_the_attempt_is_judged_by_and_costs_no_write_more():
    """That v3 is accused instead of v2 rides along, so it stands nowhere when the attempt begins; the Runbook's condition reads it all the same."""
    condition = "target.failingRevision == target.newestRevision"
    match = Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=10, min_restarts=1, when=condition)
    place, workload, operator = await rolled_out(runbook(match=match), seconds=4)
    opened = operator.incident.status.times.triggered_time
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(120)
    [attempt] = operator.remediations
    assert (attempt.spec.accused_revision, attempt.status.outcome) == ("h3", Outcome.REMEDIATED)
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    assert attempt.status.effect_time - opened <= timedelta(seconds=11), "the dwell counts from the first fault"
    assert writes(place) <= 10 + 1, "the second rollout has a record of its own"
    await operator.close()


async def test_a_rollback_that_does_not_help_stops_opens_the_breaker_and_pages():
    """What both revisions need is gone: since the rollback the old one fails too."""
    place, workload, operator = await rolled_out(seconds=20)
    place.cluster.heals = False
    for pod in workload.pods:
        pod.bad, pod.created = True, place.clock.now()
    place.cluster.changed(workload)
    await operator.run(400)
    [attempt] = operator.remediations
    assert (attempt.status.phase, attempt.status.outcome) == (RemediationPhase.FAILED, Outcome.WORSENED)
    assert operator.condition("RemediationAllowed") == ("False", "NoKnownGood"), "a plan refuses before the breaker is asked"
    assert "BreakerOpened" in operator.told()
    assert len(place.cluster.effects) == 1, "never a rollback of the rollback"
    assert place.deliver.to(MessageKind.PAGE)[:2] == ["primary", "secondary"]
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


# modes


async def test_suggest_leaves_one_simulated_attempt_with_the_diff_and_does_nothing():
    place, workload, operator = await rolled_out(mode=Mode.SUGGEST, seconds=400)
    [attempt] = operator.remediations
    assert (attempt.status.phase, attempt.status.outcome) == (RemediationPhase.SUCCEEDED, Outcome.SIMULATED)
    assert attempt.status.diff == "-image: new\n+image: old"
    assert (attempt.spec.mode, attempt.status.plan) == (Mode.SUGGEST, "roll back deploy/checkout 2 (h2) -> 1 (h1)")
    assert {one.name: one.allowed for one in attempt.status.guards}["Rights"]
    allowed = next(one for one in attempt.status.conditions if one.type == "RemediationAllowed")
    assert (allowed.reason, allowed.message) == ("ModeSuggest", "the effective mode is Suggest: a person has to do it")
    assert attempt.status.started_time is None
    assert place.cluster.effects == []
    assert operator.condition("RemediationAllowed") == ("False", "ModeSuggest")
    assert operator.condition("Mitigated")[0] == "False"
    assert operator.told().count("RemediationSuggested") == 1
    assert place.deliver.to(MessageKind.PAGE)[:1] == ["primary"], "paging does not depend on the mode"
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:2"
    await operator.close()


async def test_suggest_shows_another_plan_once_more_and_spends_no_attempt():
    place, workload, operator = await rolled_out(mode=Mode.SUGGEST, seconds=100)
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(200)
    first, second = operator.remediations
    assert (first.spec.plan_hash != second.spec.plan_hash, first.spec.attempt, second.spec.attempt) == (True, 1, 1)
    await operator.close()


async def test_observe_leaves_the_plan_in_the_decisions_and_asks_nothing_of_the_api_server():
    place, _, operator = await rolled_out(namespace_mode="Observe")
    assert operator.remediations == []
    assert operator.condition("RemediationAllowed") == ("False", "ModeObserve")
    [decision] = operator.incident.status.decisions
    assert decision.message == "would roll back deploy/checkout 2 (h2) -> 1 (h1); the effective mode is Observe, so nothing is done"
    assert (place.cluster.effects, place.cluster.dry_runs, place.cluster.asked) == ([], 0, [])
    await operator.close()


async def test_a_namespace_that_did_not_opt_in_is_observed():
    place, _, operator = await rolled_out(namespace_mode="")
    assert operator.condition("RemediationAllowed") == ("False", "ModeObserve")
    assert place.cluster.effects == []
    await operator.close()


async def test_in_suggest_missing_rights_are_shown_and_are_no_reason():
    place = shop(shipped(), mode=Mode.SUGGEST)
    place.cluster.forbidden.add(("patch", "deployments"))
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(60)
    [attempt] = operator.remediations
    rights = next(one for one in attempt.status.guards if one.name == "Rights")
    assert (rights.allowed, rights.reason) == (False, "MissingPermission")
    assert (attempt.status.outcome, attempt.status.diff) == (Outcome.SIMULATED, "")
    await operator.close()


@pytest.mark.parametrize("problem", ["unwell", "paused"])
async def test_suggest_waits_with_what_stands_in_the_way_and_does_not_try_again_and_again(problem):
    """Only the live read knows of it: the cache has yet to catch up."""
    place, _, operator = await rolled_out(mode=Mode.SUGGEST, seconds=5)
    if problem == "unwell":
        place.cluster.well = False
    else:
        place.view.go_stale(workloads=False)
        place.policy(mode=Mode.SUGGEST, pauses=({"name": "x", "reason": "y"},))
    await operator.run(20)
    [attempt] = operator.remediations
    reason = "ControlPlaneUnhealthy" if problem == "unwell" else "Paused"
    allowed = next(one for one in attempt.status.conditions if one.type == "RemediationAllowed")
    assert (attempt.status.phase, allowed.reason) == (RemediationPhase.PENDING, reason)
    assert operator.condition("RemediationAllowed") == ("False", reason)
    place.cluster.well = True
    place.view.catch_up()
    place.policy(mode=Mode.SUGGEST)
    await operator.run(60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.SIMULATED
    await operator.close()


# other Runbooks


def restart(**spec):
    match = Match(causes=(Cause.CRASH_LOOP, Cause.ROLLOUT_CRASH_LOOP), dwell_seconds=10, min_restarts=2)
    steps = (RunbookStep(name="evidence", capture_evidence=CaptureEvidence(tail_lines=50)), RunbookStep(name="restart", restart=Restart()))
    return runbook("restart", *steps, **({"match": match} | spec))


async def test_a_runbook_of_several_steps_takes_evidence_and_then_acts():
    _, workload, operator = await rolled_out(restart(), seconds=15)
    [attempt] = operator.remediations
    assert [(one.name, one.state, one.message) for one in attempt.status.steps] == [
        ("evidence", StepState.APPLIED, "evidence was taken"),
        ("restart", StepState.APPLIED, "the pods of deploy/checkout are being made anew"),
    ]
    assert "kubectl.kubernetes.io/restartedAt" in workload.template["metadata"]["annotations"]
    assert operator.told()[2:4] == ["RemediationStarted", "Restarted"]
    assert attempt.status.phase is RemediationPhase.VERIFYING
    await operator.close()


@pytest.mark.parametrize("steps", ["evidence", "page"])
async def test_a_runbook_that_changes_nothing_ends_and_is_not_done_again_and_again(steps):
    step = {
        "evidence": RunbookStep(name="evidence", capture_evidence=CaptureEvidence()),
        "page": RunbookStep(name="page", escalate=Escalate(message="come")),
    }[steps]
    place, _, operator = await rolled_out(runbook("look", step), seconds=300)
    assert len(operator.remediations) == 1
    [attempt] = operator.remediations
    assert (attempt.status.outcome, attempt.status.message) == (Outcome.ABORTED, "the Runbook changed nothing: a person has to look")
    assert operator.condition("RemediationAllowed") == ("False", "RecentlyRemediated")
    assert place.cluster.effects == []
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()


def checked(*checks, **verify):
    given = {"stabilize_seconds": 10, "interval_seconds": 5, "successes": 3, "timeout_seconds": 100, "checks": checks}
    return runbook("roll-back", ROLL_BACK, verify=Verify(**(given | verify)))


HEALTHY = Check(name="healthy", workload_healthy=WorkloadHealthy())
RATIO = Check(name="errors", promql=PromQL(query='ratio{job="${target.name}"}', success="value < 0.01", failure="value > 0.05"))


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([QueryValue(value=0.001)], Outcome.REMEDIATED),
        ([QueryValue(value=0.1)], Outcome.INEFFECTIVE),
        ([QueryValue(missing="empty")], Outcome.INCONCLUSIVE),
        ([QueryValue(value=0.03)], Outcome.INCONCLUSIVE),
        ([QueryValue(error="503")], Outcome.INCONCLUSIVE),
        ([QueryValue(value=0.1), QueryValue(missing="gap"), QueryValue(value=0.001)], Outcome.REMEDIATED),
    ],
    ids=["good", "bad", "empty", "in between", "r14 down", "it gets well"],
)
async def test_the_query_of_a_check_decides_and_no_data_is_no_proof(answers, outcome):
    place = shop(checked(HEALTHY, RATIO))
    place.queries.values = list(answers)
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(200)
    assert operator.remediations[0].status.outcome is outcome
    assert 'ratio{job="checkout"}' in place.queries.asked
    paged = place.deliver.to(MessageKind.PAGE)
    assert bool(paged) == (outcome is not Outcome.REMEDIATED)
    await operator.close()


async def test_a_query_that_cannot_be_filled_proves_nothing():
    bad = Check(name="errors", promql=PromQL(query="ratio ${target.name}", success="true", failure="false"))
    place, _, operator = await rolled_out(checked(HEALTHY, bad), seconds=200)
    assert operator.remediations[0].status.outcome is Outcome.INCONCLUSIVE
    assert "must stand in the quoted value of a label" in operator.remediations[0].status.measurements[-1].value
    assert place.queries.asked == []
    await operator.close()


async def test_each_check_keeps_its_last_ten_measurements():
    place, workload, operator = await rolled_out(checked(HEALTHY, successes=20, timeout_seconds=1000), seconds=200)
    measured = operator.remediations[0].status.measurements
    assert len(measured) == 10
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    assert place.cluster.hand_backs == 1
    await operator.close()


# what may fail on the way


@pytest.mark.parametrize("verb", ["create", "update status"])
async def test_a_heal_outlives_an_api_server_that_fails_for_a_while(verb):
    place = shop(shipped())
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    failures = 0

    def moody(when: str, doing: str, what: str) -> None:
        nonlocal failures
        if doing == verb and failures < 4:
            failures += 1
            raise Retryable(f"503 {when} {what}")

    place.api.gate = moody
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(120)
    assert failures == 4
    assert operator.condition("Resolved") == ("True", "Verified")
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_where_the_memory_of_a_workload_cannot_be_written_its_fault_is_recorded_all_the_same():
    place = shop(shipped())
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)

    def full(when: str, verb: str, what: str) -> None:
        if what.startswith("WorkloadRecord/"):
            raise Retryable("exceeded quota")

    place.api.gate = full
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(5)
    assert len(place.api.all(Incident)) == 1
    await operator.close()


async def test_budgets_survive_a_restart():
    place, workload, operator = await rolled_out(cooldown_seconds=0, budgets=Budgets(per_target=Budget(count=1)))
    await operator.close()
    operator = Operator(place)
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(60)
    assert operator.condition("RemediationAllowed") == ("False", "BudgetSpent")
    assert operator.incident.status.retry_after_time is not None
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_a_runbook_elsewhere_with_the_same_name_is_another_one():
    place = shop(shipped())
    stranger = shipped().model_copy(update={"metadata": Metadata(name="roll-back-bad-rollout", namespace="shop")})
    place.api.apply(stranger)
    workload = place.cluster.create(kind="StatefulSet")
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(120)
    assert [one.status.outcome for one in operator.remediations] == [Outcome.REMEDIATED]
    assert len(place.api.all(Runbook)) == 2
    await operator.close()


async def test_r37_after_the_last_attempt_people_are_called_and_nothing_is_tried_or_told_again_however_long_it_fails():
    check = Check(name="errors", promql=PromQL(query="errors", success="value < 1", failure="value > 9"))
    proof = Verify(stabilize_seconds=1, interval_seconds=1, timeout_seconds=60, inconclusive_limit=2, checks=(check,))
    again = RunbookStep(name="again", restart=Restart())
    place = shop(runbook("again", again, verify=proof), cooldown_seconds=5)
    place.queries.values = [QueryValue(missing="no series")]
    place.cluster.bad.add("shop/app:1")
    place.cluster.create()
    operator = Operator(place)
    await operator.run(6 * 3600)
    assert [one.status.outcome for one in operator.remediations] == [Outcome.INCONCLUSIVE] * 2
    assert operator.condition("RemediationAllowed") == ("False", "ConsecutiveFailures")
    last = operator.remediations[-1].status.ended_time
    notices = [one for one in operator.incident.status.escalation.messages if one.kind is MessageKind.NOTICE and one.created_time >= last]
    assert [one.key for one in notices] == ["1/notice/ConsecutiveFailures/releases"]
    hurried = [
        one for one in operator.incident.status.escalation.messages if one.kind is MessageKind.PAGE and one.created_time - last < timedelta(minutes=1)
    ]
    assert len({one.created_time for one in hurried if one.created_time >= last}) == 1, "one escalation"
    assert (operator.told().count("RemediationFailed"), operator.told().count("RemediationBlocked")) == (2, 2), "the cooldown, and the end"
    await operator.close()
