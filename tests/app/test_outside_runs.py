"""Runs with effects outside of the cluster: at most once whatever is lost, taken back where it can be, and Unknown where nobody can tell."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator

from prunella.api.names import CheckResult, MessageKind, Outcome, RemediationPhase, StepState
from prunella.api.runbook import AlertCleared, Check, RunbookStep, StepFailure, Verify
from prunella.core.facts import AlertFacts
from prunella.core.healing.effects.effect import NotApplied

from .test_heals import rolled_out
from .test_runs import NOT_TOLD, RESTART, book, stands

LABELS = {"alertname": "CheckoutErrors", "namespace": "shop", "deployment": "checkout", "severity": "critical"}
QUIET = RunbookStep(name="quiet", silence={"ttlSeconds": 600, "reason": "we are at it"})
BOT = RunbookStep(name="bot", call={"receiver": "ops", "parameters": {"what": "${target.name}"}})


def alert(place, state="firing"):
    now = place.clock.now()
    return AlertFacts(fingerprint="00000000000000aa", state=state, labels=LABELS, annotations={}, starts_time=now, received_time=now)


def sent(place):
    """The same as Alertmanager's webhook tells it."""
    starts = place.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"status": "firing", "labels": LABELS, "annotations": {}, "startsAt": starts, "endsAt": "0001-01-01T00:00:00Z"}
    return told | {"fingerprint": "00000000000000aa", "generatorURL": ""}


async def alerted(*steps, seconds=20, before=lambda place: None, **spec):
    """A version that crashes, and an alert that joins."""
    runbook = book(*steps)
    runbook = runbook.model_copy(update={"spec": runbook.spec.model_copy(update=spec)})
    place, workload, operator = await rolled_out(runbook, seconds=3)
    await operator.take(sent(place))
    before(place)
    await operator.run(seconds)
    return place, workload, operator


def page(**on_failure):
    return RunbookStep(name="odd", escalate={"message": "m"}, when=NOT_TOLD, on_failure=StepFailure(**on_failure))


async def test_the_incidents_alert_is_silenced_and_the_run_goes_on():
    place, _, operator = await alerted(QUIET, RESTART)
    assert stands(operator) == [("quiet", StepState.APPLIED), ("restart", StepState.APPLIED)]
    [(intent, silence)] = place.silences.standing.items()
    assert dict(silence.labels) == LABELS
    record = operator.remediations[0].status.steps[0]
    assert (record.intent.id, record.intent.action, record.outcome.after) == (intent, "Silence", {"silenceId": "s-1"})
    assert operator.remediations[0].status.phase is RemediationPhase.VERIFYING
    await operator.close()


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_a_silence_whose_answer_is_lost_is_made_once(lost):
    place, _, operator = await alerted(QUIET, RESTART, before=lambda place: setattr(place.silences, "lost", lost))
    assert stands(operator) == [("quiet", StepState.APPLIED), ("restart", StepState.APPLIED)]
    assert len(place.silences.made) == 1
    await operator.close()


async def test_a_silence_is_ended_where_the_run_is_taken_back():
    place, _, operator = await alerted(QUIET, page(action="Undo"), seconds=60)
    assert stands(operator) == [("quiet", StepState.APPLIED), ("odd", StepState.FAILED), ("undo/quiet", StepState.APPLIED)]
    assert (len(place.silences.made), place.silences.standing) == (1, {})
    assert operator.remediations[0].status.outcome is Outcome.ABORTED
    await operator.close()


async def test_without_an_alertmanager_the_step_fails_and_nothing_is_silenced():
    place, _, operator = await alerted(QUIET, RESTART, before=lambda place: setattr(place.silences, "away", True), seconds=60)
    assert operator.remediations[0].status.outcome is Outcome.ABORTED
    assert operator.remediations[0].status.message == "step quiet failed: no Alertmanager could be reached: nothing was silenced"
    assert place.cluster.effects == []
    await operator.close()


async def test_alerts_that_the_run_silenced_itself_are_no_proof():
    checks = (Check(name="cleared", alert_cleared=AlertCleared()),)
    verify = Verify(stabilize_seconds=1, interval_seconds=5, successes=2, timeout_seconds=100, inconclusive_limit=3, checks=checks)

    def quiet(place):
        place.cluster.bad.clear()
        place.alertmanager.listed = {"00000000000000aa": alert(place, "suppressed")}

    _, _, operator = await alerted(QUIET, RESTART, before=quiet, seconds=60, verify=verify)
    [attempt] = operator.remediations
    assert {one.result for one in attempt.status.measurements} == {CheckResult.INCONCLUSIVE}
    assert attempt.status.measurements[0].value == "the run silenced alerts itself: they are no proof"
    assert attempt.status.outcome is Outcome.INCONCLUSIVE
    await operator.close()


# call


async def test_a_receiver_is_called_once_and_what_it_did_is_verified():
    place, _, operator = await alerted(BOT)
    [(intent, call)] = place.calls.got
    [attempt] = operator.remediations
    assert (attempt.status.steps[0].intent.id, attempt.status.steps[0].outcome.after) == (intent, {"status": "202"})
    assert call.body["parameters"] == {"what": "checkout"}
    assert attempt.status.phase is RemediationPhase.VERIFYING
    await operator.close()


async def test_a_call_without_an_answer_can_not_be_known_is_paged_and_never_sent_again():
    place, _, operator = await alerted(BOT, before=lambda place: setattr(place.calls, "answer", None), seconds=60)
    [attempt] = operator.remediations
    assert attempt.status.phase is RemediationPhase.UNKNOWN
    assert attempt.status.message == (
        "receiver ops is called about deploy/checkout: no answer came, and whether it was done leaves no trace that could be looked at"
    )
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()
    again = Operator(place)
    await again.run(900)
    assert len(place.calls.got) == 1
    assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    await again.close()


@pytest.mark.parametrize("sent", [False, True], ids=["before it was sent", "after it was sent"])
async def test_a_process_that_dies_with_an_open_call_leaves_it_to_a_person(sent):
    def dying(place):
        make = place.calls.make

        async def dies(call, intent_id):
            if sent:
                await make(call, intent_id)
            raise KeyboardInterrupt

        place.calls.make = dies

    place, _, operator = await rolled_out(book(BOT), seconds=3)
    dying(place)
    with pytest.raises(KeyboardInterrupt):
        await operator.run(20)
    [begun] = operator.remediations
    assert begun.status.steps[0].state is StepState.INTENDED
    again = Operator(place)
    await again.run(60)
    assert again.remediations[0].status.phase is RemediationPhase.UNKNOWN
    assert len(place.calls.got) == int(sent)
    await again.close()


async def test_a_refused_call_ends_the_run_as_any_failed_step_does():
    refusal = NotApplied(reason="", message="receiver ops refused the call with 422")
    place, _, operator = await alerted(BOT, before=lambda place: setattr(place.calls, "answer", refusal), seconds=60)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, attempt.status.message) == (Outcome.ABORTED, "step bot failed: receiver ops refused the call with 422")
    assert len(place.calls.got) == 1
    await operator.close()


async def test_in_a_mode_of_suggest_nothing_leaves():
    runbook = book(QUIET, BOT, RESTART)
    place, _, operator = await rolled_out(runbook, seconds=3, mode="Suggest")
    await operator.take(sent(place))
    await operator.run(60)
    assert operator.remediations[0].status.outcome is Outcome.SIMULATED
    assert (place.silences.made, place.calls.got, place.cluster.effects) == ([], [], [])
    await operator.close()
