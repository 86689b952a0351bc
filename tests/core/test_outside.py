"""silence and call: the exact effect, what is never silenced, and what takes it back."""

from __future__ import annotations

import pytest
from tests.fakes.runbooks import runbook

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.zones import zone_of
from prunella.api.names import SignalState, StepImpact, StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.healing.effects.outside import Call, EndSilence, Silence
from prunella.core.healing.runbooks import soundness
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Done, Failed, Skip

from .builders import NOON, WORKLOAD_UID, later
from .healing_builders import alert_signal, crashed, incident, signal
from .test_steps import asked, live, record

QUIET = RunbookStep(name="quiet", silence={"ttlSeconds": 3600, "reason": "a deploy", "most": 2})
BOT = RunbookStep(name="bot", call={"receiver": "bot", "parameters": {"what": "${target.name} ${nope}"}})
LABELS = {"alertname": "HighErrors", "namespace": "shop", "pod": "checkout-1"}


def alert(number=0, **labels):
    """An alert of the Incident."""
    return alert_signal(labels=LABELS | labels).model_copy(update={"key": f"alert/{number:016x}"})


def told(*signals):
    return live(incident=incident(signal(), *signals), variables={"target": {"name": "checkout"}})


def quieted(number, key, state=StepState.APPLIED):
    intent = Intent(
        id="5b1e",
        action="Silence",
        target_ref=crashed().workload.ref,
        written_time=NOON,
        deadline_time=later(60),
        before={"alert": key, "alertname": "X"},
    )
    return StepStatus(name=f"quiet/{number}", state=state, intent=intent, outcome=StepOutcome(observed_time=NOON, after={"silenceId": "s1"}))


# silence


def test_an_alert_is_silenced_by_all_of_its_labels_for_so_long():
    wants = asked(QUIET, told(alert(1)))
    assert wants == Silence(
        target=crashed().workload.ref,
        labels=LABELS,
        start_time=NOON,
        end_time=later(3600),
        comment="Incident shop/checkout-7f3kq: a deploy",
        does="alert HighErrors of deploy/checkout is silenced until 2026-11-24T13:00:00.000000Z",
        before={"alert": "alert/0000000000000001", "alertname": "HighErrors", "endTime": "2026-11-24T13:00:00.000000Z"},
    )


def test_one_after_the_other_and_each_once():
    first, second = alert(1), alert(2, pod="checkout-2")
    wants = asked(QUIET, told(first, second), [quieted(0, first.key)])
    assert isinstance(wants, Silence)
    assert wants.labels["pod"] == "checkout-2"
    assert asked(QUIET, told(first, second), [quieted(0, first.key), quieted(1, second.key)]) == Done(message="2 alerts are silenced")
    assert asked(QUIET, told(), [quieted(0, first.key)]) == Done(message="1 alerts are silenced")


@pytest.mark.parametrize(
    "signals",
    [
        (),
        (alert(1, namespace="other"),),
        (alert(1, alertname="Watchdog"),),
        (alert(1).model_copy(update={"labels": {"alertname": "HighErrors"}}),),
        (alert(1).model_copy(update={"labels": {"namespace": "shop"}}),),
        (alert(1).model_copy(update={"state": SignalState.RESOLVED}),),
        (alert(1).model_copy(update={"state": SignalState.SUPPRESSED}),),
    ],
    ids=["none", "another namespace", "Watchdog", "no namespace", "no name", "over", "silenced already"],
)
def test_what_is_not_surely_of_this_namespace_or_does_not_fire_is_never_silenced(signals):
    assert asked(QUIET, told(*signals)) == Failed(message="no alert of the Incident fires: there is none to silence")


def test_more_alerts_than_the_runbook_allows_are_not_silenced_in_part():
    wants = asked(QUIET, told(alert(1), alert(2), alert(3)))
    assert wants == Failed(message="3 alerts of deploy/checkout fire, and at most 2 may be silenced")


def test_before_there_is_a_run_nothing_is_known():
    assert asked(QUIET, live()) == Failed(message="which alerts the Incident has is not known yet")


def test_what_takes_a_silence_back_ends_what_its_intent_made():
    kind = registry.KINDS["silence"]
    wants = kind.undo(registry.params_of(QUIET), {}, quieted(0, "alert/1"))
    assert wants == EndSilence(target=crashed().workload.ref, silenced_by="5b1e", does="the silence of alert X ends")
    assert isinstance(kind.undo(registry.params_of(QUIET), {}, quieted(0, "a").model_copy(update={"intent": None})), Skip)


@pytest.mark.parametrize(
    ("fields", "wrong"), [({}, ".ttlSeconds: Field required"), ({"ttlSeconds": 14401}, ".ttlSeconds: "), ({"ttlSeconds": 59}, ".ttlSeconds: ")]
)
def test_a_silence_always_ends_within_four_hours(fields, wrong):
    said = registry.wrong_with(RunbookStep(name="s", silence={"reason": "r", **fields}))
    assert said is not None
    assert said.startswith(f"step 's', silence{wrong}")


def test_it_has_an_end_of_its_own_and_takes_no_other():
    step = QUIET.model_copy(update={"ttl_seconds": 600})
    [problem] = soundness.problems(runbook("r", step), CelEvaluate(), zone_of, "prunella-system")
    assert problem.message == "`spec.steps[quiet].ttlSeconds`: silence is never temporary: it ends by fields of its own; leave it out"


# call


def test_a_call_sends_what_it_is_about_and_its_parameters():
    wants = asked(BOT, told())
    assert wants == Call(
        target=crashed().workload.ref,
        receiver="bot",
        body={
            "incident": {"namespace": "shop", "name": "checkout-7f3kq", "uid": "uid-checkout-7f3kq"},
            "target": {"kind": "Deployment", "namespace": "shop", "name": "checkout", "uid": WORKLOAD_UID},
            "parameters": {"what": "checkout (unknown)"},
        },
        does="receiver bot is called about deploy/checkout",
    )
    assert asked(BOT, told(), [record("bot")]) == Done(message="bot answered")
    assert asked(BOT, live()) == Failed(message="which Incident it is for is not known yet")


def test_the_same_request_has_the_same_hash_and_another_has_another():
    one, same = asked(BOT, told()), asked(BOT, told())
    other = asked(RunbookStep(name="bot", call={"receiver": "bot"}), told())
    assert one.sha256 == same.sha256 != other.sha256
    assert one.record == {"receiver": "bot"}


def test_what_is_wrong_with_a_parameter_is_found_and_whom_it_calls_is_known():
    problems = list(soundness.problems(runbook("r", BOT), CelEvaluate(), zone_of, "prunella-system"))
    assert [one.message.partition(":")[0] for one in problems] == ["`spec.steps[bot].call.parameters.what`"]
    assert registry.receivers_of(runbook("r", BOT)) == ("bot",)


@pytest.mark.parametrize(("name", "impact"), [("silence", StepImpact.LOW), ("call", StepImpact.DISRUPTIVE)])
def test_they_need_no_right_in_the_cluster_and_are_no_mere_words(name, impact):
    assert (registry.KINDS[name].rights, registry.KINDS[name].impact) == ((), impact)
