"""Proof of recovery: what each check says, how rounds are counted, and how it ends. No data is never health (R14, R32)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.api.names import CheckResult, Outcome, StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import AlertCleared, Check, PromQL, Verify, WorkloadHealthy
from prunella.core.facts import UNKNOWN
from prunella.core.healing.runs import verify
from prunella.core.healing.runs.verify import Look, Tally
from prunella.core.world import QueryValue, Unevaluable

from .builders import NOON, ago, container, crashing, healthy_facts, later, pod, pods, termination
from .healing_builders import TARGET, attempt, crashed, ill, seen

S, F, N, E = CheckResult.SUCCESS, CheckResult.FAILURE, CheckResult.INCONCLUSIVE, CheckResult.ERROR
HEALTHY = Check(name="healthy", workload_healthy=WorkloadHealthy())
RATIO = Check(name="errors", promql=PromQL(query="ratio", success="good", failure="bad"))
CLEARED = Check(name="cleared", alert_cleared=AlertCleared())


def ended(seconds_before, **changes):
    """A container that runs again after an end."""
    return container(last_terminated=termination(finished=seconds_before), **changes)


@pytest.mark.parametrize(
    ("facts", "finding", "result", "value", "conclusive"),
    [
        (UNKNOWN, None, N, "the workload could not be read", False),
        (None, None, N, "the workload could not be read", False),
        (healthy_facts(observed_generation=1), None, N, "the controller has not seen the change yet", False),
        (healthy_facts(), None, S, "3/3 available, 0 restarts", False),
        (healthy_facts(available=2), None, F, "2/3 available", False),
        (replace(healthy_facts(), pods=pods(3, "h2", ended(5))), None, F, "3/3 available; checkout-h2-0 restarted since the effect", True),
        (replace(healthy_facts(), pods=pods(3, "h2", ended(11))), None, S, "3/3 available, 0 restarts", False),
        (replace(healthy_facts(), pods=pods(3, "h2", ended(10))), None, S, "3/3 available, 0 restarts", False),
        (replace(healthy_facts(), pods=(*pods(3), *pods(1, "h1", ended(5)))), None, S, "3/3 available, 0 restarts", False),
        (replace(healthy_facts(), pods=(*pods(3), *pods(1, "h2", ended(5), deleting=True, uid="d"))), None, S, "3/3 available, 0 restarts", False),
        (healthy_facts(), seen(crashed(), accused_revision="h2", summary="it fails"), F, "3/3 available; it fails", True),
        (healthy_facts(), seen(crashed(), accused_revision="h3"), S, "3/3 available, 0 restarts", False),
        (healthy_facts(), UNKNOWN, S, "3/3 available, 0 restarts", False),
    ],
    ids=[
        "unreadable",
        "not found is no success",
        "not observed",
        "healthy",
        "not yet",
        "restarted",
        "restarted before",
        "in the effect's second",
        "another revision's pod",
        "a pod on its way out",
        "accused itself",
        "the other is accused",
        "finding unknown",
    ],
)
def test_a_workload_is_healthy_when_all_of_it_runs_without_a_restart_since_the_effect(facts, finding, result, value, conclusive):
    look = verify.workload_healthy(facts, finding, ago(10), "healthy")
    assert look == Look(check="healthy", result=result, value=value, conclusive=conclusive, pending=result is N)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"init": True, "terminated": termination(0, finished=5)}, S),
        ({"init": True, "terminated": termination(1, finished=5)}, F),
        ({"init": True, "sidecar": True, "terminated": termination(0, finished=5)}, F),
        ({"terminated": termination(0, finished=5)}, F),
        ({"terminated": replace(termination(1), finished_time=None)}, S),
    ],
    ids=["an init container is done", "an init container failed", "a sidecar ended", "a container ended well", "an end without a time"],
)
def test_an_init_container_that_finished_is_no_restart(changes, result):
    facts = replace(healthy_facts(), pods=pods(3, "h2", container(**changes), container("app"), ready=True))
    assert verify.workload_healthy(facts, None, ago(10), "healthy").result is result


def done(*, path="", uid=TARGET.uid, action="Patch", state=StepState.APPLIED):
    """The record of an effect; on the pod template unless it names another part."""
    target = TARGET.model_copy(update={"uid": uid})
    before = {"guardedPath": path} if path else {}
    intent = Intent(id="5b1e", action=action, target_ref=target, written_time=ago(60), deadline_time=NOON, before=before)
    return StepStatus(name="more", state=state, intent=intent)


def killed(finished, *, ran=90, running=None):
    """A container that a probe ended so many seconds before noon, and that has run again since a second later."""
    return container(last_terminated=termination(137, finished=finished, ran=ran), running_since=ago(finished - 1 if running is None else running))


def settles(**changes):
    """Settled 150 s before noon; there is time enough."""
    return replace(verify.Settling(until=ago(150), now=NOON, last=later(3600)), **changes)


def beside(running, *, created=3600, **changes):
    """A pod of that container beside two that are well."""
    return replace(healthy_facts(), pods=(*pods(2, created_time=ago(3600)), pod("killed", "h2", running, created_time=ago(created), **changes)))


@pytest.mark.parametrize(
    ("finished", "running", "created", "result"),
    [(200, 30, 3600, N), (220, 30, 3600, N), (220, 199, 3600, S), (100, 30, 3600, F), (200, 30, 205, F)],
    ids=["it ended while settling", "it ended before", "that is outlived", "it ended again", "the effect brought the pod"],
)
def test_a_crash_that_is_excused_is_pending_until_it_is_over_though_the_revision_is_accused(finished, running, created, result):
    """A pod that is Ready again is accused for a minute more."""
    facts = beside(container(last_terminated=termination(137, finished=finished, ran=180), restarts=4, running_since=ago(running)), created=created)
    finding = seen(crashed(), accused_revision="h2", failing_pods=("killed",))
    look = verify.workload_healthy(facts, finding if running == 30 else None, ago(210), "healthy", settles())
    assert (look.result, look.conclusive, look.pending) == (result, result is F, result is N)


def test_an_end_that_was_excused_stays_so_while_the_kubelet_has_cleaned_it_up():
    """The crash that was seen before still stands then, and its pod is from before the effect."""
    facts = beside(container(restarts=4, running_since=ago(30)))
    finding = seen(crashed(), accused_revision="h2", failing_pods=("killed",))
    look = verify.workload_healthy(facts, finding, ago(210), "healthy", settles())
    assert (look.result, look.pending) == (N, True)


def test_what_fails_by_anything_but_an_excused_end_is_a_failure():
    """Also beside an end that is excused, and where the accused pods are not known."""
    well = beside(container())
    excused = beside(container(last_terminated=termination(137, finished=220), restarts=4, running_since=ago(30)))
    finding = seen(crashed(), accused_revision="h2")
    for facts, names in ((well, ("killed",)), (excused, ("killed", "checkout-h2-0")), (excused, ("gone",)), (excused, ())):
        look = verify.workload_healthy(facts, replace(finding, failing_pods=names), ago(210), "healthy", settles())
        assert (look.result, look.conclusive) == (F, True), names


def test_what_waits_for_its_back_off_is_no_proof_and_ends_ineffective_when_the_time_is_over():
    facts = replace(beside(crashing(finished=200, restarts=9)), workload=replace(healthy_facts().workload, available=2, ready=2))
    finding = seen(crashed(), accused_revision="h2", failing_pods=("killed",))
    look = verify.workload_healthy(facts, finding, ago(210), "healthy", settles())
    assert (look.result, look.conclusive) == (F, False)


@pytest.mark.parametrize(("created", "result"), [(210, F), (211, S)], ids=["in the same second", "a second before"])
def test_a_pod_of_the_effect_s_own_second_is_its_work(created, result):
    """The API server writes whole seconds: what was made 0.4 s after the effect seems to be older than it."""
    effect = ago(210) + timedelta(seconds=0.9)
    look = verify.workload_healthy(beside(killed(200), created=created), None, effect, "healthy", settles())
    assert look.result is result


def test_an_end_that_is_excused_is_told_of():
    look = verify.workload_healthy(beside(killed(200)), None, ago(210), "healthy", settles())
    assert (look.result, look.value) == (S, "3/3 available; killed restarted soon after the effect and has run since")


def test_no_longer_run_is_asked_for_than_there_is_time_for():
    """A container that ran for nine minutes before its end can't outlive that within the timeout."""
    facts = beside(killed(200, ran=540))
    for last, result in ((later(1), N), (NOON, N), (ago(1), S)):
        assert verify.workload_healthy(facts, None, ago(210), "healthy", settles(last=last)).result is result
    young = beside(killed(200, ran=540, running=50))
    assert verify.workload_healthy(young, None, ago(210), "healthy", settles(last=ago(100))).result is N, "it must run for a minute"


@pytest.mark.parametrize(
    ("running", "created", "result"),
    [
        (killed(200), 3600, S),
        (killed(180, ran=10), 3600, S),
        (killed(200, ran=300), 3600, N),
        (killed(200, ran=198), 3600, S),
        (killed(200, ran=199), 3600, N),
        (killed(200, ran=3000), 3600, S),
        (killed(190, ran=3000, running=60), 3600, N),
        (container(last_terminated=replace(termination(137, finished=190), started_time=None)), 3600, N),
        (killed(100, ran=20), 3600, F),
        (killed(200), 205, F),
        (killed(200), None, F),
    ],
    ids=[
        "it has run for longer since",
        "and it was a short run before",
        "it lived for longer before",
        "for longer by a second",
        "for as long",
        "an end after a long run is no loop",
        "but it must run for a minute",
        "nobody knows for how long it ran",
        "it ended after the target had settled",
        "the effect brought the pod",
        "nobody knows since when the pod is there",
    ],
)
def test_of_a_run_that_kept_the_revision_an_end_while_the_target_settles_is_no_failure_and_no_proof_until_it_is_outlived(running, created, result):
    made = None if created is None else ago(created)
    facts = replace(healthy_facts(), pods=(*pods(2, created_time=ago(3600)), *pods(1, "h2", running, created_time=made, uid="killed")))
    look = verify.workload_healthy(facts, None, ago(210), "healthy", settles())
    assert (look.result, look.conclusive, look.pending) == (result, result is F, result is N)
    assert verify.workload_healthy(facts, None, ago(210), "healthy").result is F, "where another revision was brought it is one"


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ((), True),
        ((done(path="/spec/replicas"),), True),
        ((done(path="/spec/minReplicas", uid="hpa"),), True),
        ((done(),), False),
        ((done(path="/spec/replicas"), done()), False),
        ((done(path="/spec/template/spec/nodeSelector"),), False),
        ((done(uid="another"),), True),
        ((done(action="Delete"),), True),
        ((done(state=StepState.FAILED),), True),
        ((StepStatus(name="note", state=StepState.APPLIED),), True),
    ],
    ids=["nothing", "scaled", "its autoscaler", "its template", "both", "a part of it", "another's", "a pod", "not applied", "no effect"],
)
def test_a_run_keeps_the_revision_unless_it_wrote_into_the_target_s_template(steps, kept):
    one = attempt()
    assert verify.keeps_revision(one.model_copy(update={"status": one.status.model_copy(update={"steps": steps})})) is kept


@pytest.mark.parametrize(
    ("answer", "verdicts", "result", "value", "conclusive"),
    [
        (QueryValue(error="503"), {}, E, "503", False),
        (QueryValue(missing="no sample"), {}, N, "no sample", False),
        (QueryValue(), {}, N, "no data", False),
        (QueryValue(value=0.5), {"good": True, "bad": False}, S, "0.5", False),
        (QueryValue(value=0.5), {"good": False, "bad": True}, F, "0.5", True),
        (QueryValue(value=0.5), {"good": True, "bad": True}, F, "0.5", True),
        (QueryValue(value=0.5), {"good": False, "bad": False}, N, "0.5 is neither success nor failure", False),
        (QueryValue(value=1e9), {"good": Unevaluable("no"), "bad": False}, E, "'good': no", False),
        (QueryValue(value=0.0), {"good": True, "bad": Unevaluable("no")}, E, "'bad': no", False),
    ],
    ids=["down", "missing", "nothing", "success", "failure", "both", "neither", "success can't be told", "failure can't be told"],
)
def test_r32_a_query_is_three_valued_and_a_failed_one_an_error(answer, verdicts, result, value, conclusive):
    world = ill(evaluate=lambda expression, variables: verdicts[expression])
    assert verify.promql(RATIO, answer, world) == Look(check="errors", result=result, value=value, conclusive=conclusive)


def test_a_check_that_is_no_query_is_an_error():
    assert verify.promql(HEALTHY, QueryValue(value=1), ill()) == Look(check="healthy", result=E, value="not a promql check")


def plan_of(*checks, **changes):
    return Verify(checks=checks or (HEALTHY,), **changes)


def look(result, check="healthy", *, conclusive=False):
    return Look(check=check, result=result, conclusive=conclusive)


BEFORE = Tally(successes=2, failures=2, inconclusive=2, errors=4)


@pytest.mark.parametrize(
    ("looks", "counts"),
    [
        ((look(S),), (3, 0, 0, 0)),
        ((look(S), look(S, "errors")), (3, 0, 0, 0)),
        ((look(S), look(F, "errors", conclusive=True)), (0, 3, 0, 0)),
        ((look(F), look(S, "errors")), (0, 0, 0, 0)),
        ((look(F), look(F, "errors", conclusive=True)), (0, 3, 0, 0)),
        ((look(F, conclusive=True), look(E, "errors")), (0, 3, 0, 0)),
        ((look(S), look(N, "errors")), (0, 0, 3, 0)),
        ((look(N), look(E, "errors")), (0, 0, 3, 5)),
    ],
    ids=[
        "one more",
        "all",
        "disproved",
        "not yet",
        "not yet, and disproved",
        "failure is worse than an error",
        "no data",
        "the fifth error counts as no data",
    ],
)
def test_the_worst_check_of_a_round_counts_and_ends_the_others_row(looks, counts):
    after = verify.tally(BEFORE, looks, plan_of(HEALTHY, RATIO))
    assert (after.successes, after.failures, after.inconclusive, after.errors) == counts
    assert after.last == looks


@pytest.mark.parametrize(("pending", "counted"), [(True, 2), (False, 3)], ids=["it may take until the timeout", "no data"])
def test_what_is_only_not_there_yet_counts_towards_no_limit(pending, counted):
    after = verify.tally(BEFORE, (Look(check="healthy", result=N, pending=pending), Look(check="errors", result=S)), plan_of(HEALTHY, RATIO))
    assert (after.successes, after.inconclusive) == (0, counted)
    dark = verify.tally(BEFORE, (Look(check="healthy", result=N, pending=True), Look(check="errors", result=N)), plan_of(HEALTHY, RATIO))
    assert dark.inconclusive == 3, "another check had no data"


@pytest.mark.parametrize(("errors", "inconclusive"), [(0, 0), (3, 0), (4, 1), (9, 1)], ids=["first", "fourth", "fifth", "tenth"])
def test_up_to_the_limit_an_error_is_only_an_error(errors, inconclusive):
    after = verify.tally(Tally(errors=errors), (look(E),), plan_of())
    assert (after.errors, after.inconclusive) == (errors + 1, inconclusive)


OPTIONAL = RATIO.model_copy(update={"optional": True})


@pytest.mark.parametrize(
    ("result", "conclusive", "counts"),
    [(N, False, (1, 0, 0)), (E, False, (1, 0, 0)), (F, True, (0, 1, 0)), (S, False, (1, 0, 0))],
    ids=["no data", "error", "failure", "success"],
)
def test_an_optional_check_may_be_inconclusive_and_never_a_failure(result, conclusive, counts):
    after = verify.tally(Tally(), (look(S), look(result, "errors", conclusive=conclusive)), plan_of(HEALTHY, OPTIONAL))
    assert (after.successes, after.failures, after.inconclusive) == counts


@pytest.mark.parametrize(
    ("checks", "result", "successes"),
    [
        ((HEALTHY, CLEARED), F, 1),
        ((HEALTHY, CLEARED), N, 1),
        ((CLEARED,), F, 0),
        ((CLEARED,), S, 1),
        ((OPTIONAL, CLEARED), F, 0),
    ],
    ids=["beside another", "Alertmanager is down", "alone it proves", "alone and over", "beside an optional one"],
)
def test_r15_an_alert_that_looks_back_gates_resolved_and_not_the_outcome(checks, result, successes):
    looks = tuple(look(S, check.name) if check is not CLEARED else look(result, "cleared") for check in checks)
    assert verify.tally(Tally(), looks, plan_of(*checks)).successes == successes


def test_a_look_of_a_check_that_is_not_in_the_runbook_counts():
    assert verify.tally(Tally(), (look(F, "another"),), plan_of()).successes == 0


LAST = (Look(check="healthy", result=S, value="3/3 available"), Look(check="errors", result=S, value="0.1"))
BAD = (Look(check="healthy", result=F, value="1/3 available"),)
DARK = (Look(check="errors", result=N, value="no data"),)


@pytest.mark.parametrize(
    ("tally", "seconds", "ready", "outcome", "message"),
    [
        (Tally(successes=3, last=LAST), 9999, (3, 3), Outcome.REMEDIATED, "healthy 3 of 3 times: healthy 3/3 available; errors 0.1"),
        (Tally(successes=2, last=LAST), 599, (3, 3), None, None),
        (Tally(failures=3, last=BAD), 30, (3, 3), Outcome.INEFFECTIVE, "no recovery, 3 times in a row: healthy Failure: 1/3 available"),
        (Tally(failures=3, last=BAD), 30, (3, 2), Outcome.WORSENED, "no recovery, 3 times in a row: healthy Failure: 1/3 available"),
        (Tally(failures=2, last=BAD), 30, (3, 2), None, None),
        (
            Tally(inconclusive=3, last=DARK),
            30,
            (3, 0),
            Outcome.INCONCLUSIVE,
            "recovery could not be told 3 times in a row: errors Inconclusive: no data",
        ),
        (Tally(inconclusive=2, last=DARK), 30, (3, 3), None, None),
        (Tally(last=BAD), 599, (3, 3), None, None),
        (Tally(last=BAD), 600, (3, 3), Outcome.INEFFECTIVE, "no recovery within 600 s: healthy Failure: 1/3 available"),
        (Tally(last=BAD), 600, (3, 2), Outcome.WORSENED, "no recovery within 600 s: healthy Failure: 1/3 available"),
        (Tally(last=DARK), 600, (3, 3), Outcome.INCONCLUSIVE, "recovery could not be told within 600 s: errors Inconclusive: no data"),
        (Tally(), 600, (3, 3), Outcome.INCONCLUSIVE, "recovery could not be told within 600 s: nothing could be looked at"),
        (Tally(successes=2, last=LAST), 600, (3, 3), Outcome.INCONCLUSIVE, None),
    ],
    ids=[
        "proved",
        "almost",
        "disproved",
        "worse than before",
        "not often enough",
        "dark",
        "not dark enough",
        "time is left",
        "too late",
        "too late and worse",
        "too late in the dark",
        "nobody looked",
        "too late for the last success",
    ],
)
def test_it_is_settled_by_repetition_or_by_time(tally, seconds, ready, outcome, message):
    verdict = verify.verdict(tally, plan_of(), ago(seconds), NOON, ready_before=ready[0], ready_now=ready[1])
    assert (verdict and verdict.outcome) == outcome
    if message is not None:
        assert verdict.message == message


@given(st.lists(st.sampled_from([S, F, N, E]), max_size=40))
def test_nothing_is_proved_without_that_many_successes_in_a_row(results):
    plan, counted = plan_of(), Tally()
    for index, result in enumerate(results):
        counted = verify.tally(counted, (look(result, conclusive=result is F),), plan)
        verdict = verify.verdict(counted, plan, NOON, later(index), ready_before=3, ready_now=3)
        if verdict is not None and verdict.outcome is Outcome.REMEDIATED:
            assert results[index - 2 : index + 1] == [S, S, S]
