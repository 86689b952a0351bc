"""Proof after an attempt: alerts that gate Resolved, ends that lose nothing, ownership handed back (C54, R15, R33)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.app.test_intake import alert, listed
from tests.fakes.api import LISTS
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import HEALTHY, ROLL_BACK, runbook, shipped

from prunella.api.names import MessageKind, Outcome, RemediationPhase, StepState
from prunella.api.runbook import AlertCleared, Check, RunbookStep, StepFailure, Verify
from prunella.app.errors import OutcomeUnknown, Retryable
from prunella.core.facts import UNKNOWN, WorkloadFacts
from prunella.core.healing.effects.effect import NotApplied
from prunella.core.healing.steps.restart import Restart

CLEARED = Check(name="cleared", alert_cleared=AlertCleared())


def checked(*checks: Check, **verify: Any):
    given = {"stabilize_seconds": 10, "interval_seconds": 5, "successes": 3, "timeout_seconds": 100, "checks": checks}
    return runbook("roll-back", ROLL_BACK, verify=Verify(**(given | verify)))


async def acted(*books: Any, with_alert: bool = False, **policy: Any):
    """The effect of a rollback was applied a moment ago."""
    place = shop(*(books or (shipped(),)), **policy)
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(2)
    if with_alert:
        place.clock.advance(0.1)
        one = listed(starts=31)
        place.alertmanager.listed = {one.fingerprint: one}
        await operator.take(alert(starts=31))
    await operator.run(13)
    assert len(place.cluster.effects) == 1
    return place, workload, operator


@pytest.mark.parametrize("check", [(), (CLEARED,)], ids=["without a check of the alert", "with one"])
async def test_c54_while_a_joined_alert_still_fires_it_is_mitigated_and_not_resolved(check):
    place, _, operator = await acted(checked(HEALTHY, *check), with_alert=True)
    await operator.run(60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.REMEDIATED, "r15: the alert looks back"
    assert operator.condition("Mitigated") == ("True", "RemediationSucceeded")
    assert operator.condition("Resolved")[0] == "False"
    place.alertmanager.listed = {}
    await operator.run(90)
    assert operator.condition("Resolved") == ("True", "Verified")
    assert len(place.cluster.effects) == 1, "it is not repeated"
    await operator.close()


@pytest.mark.parametrize(
    ("alerts", "result", "value"),
    [
        ("none", "Success", "no alert fires"),
        ("firing", "Failure", "1 alerts still fire"),
        ("down", "Inconclusive", "no Alertmanager could be asked"),
    ],
)
async def test_the_check_of_alerts_asks_by_an_immediate_poll(alerts, result, value):
    place, _, operator = await acted(checked(HEALTHY, CLEARED), with_alert=True)
    one = listed(starts=31)
    place.alertmanager.listed = {"none": {}, "firing": {one.fingerprint: one}, "down": UNKNOWN}[alerts]
    await operator.run(30)
    measured = [one for one in operator.remediations[0].status.measurements if one.check == "cleared"]
    assert [(one.result.value, one.value) for one in measured] == [(result, value)] * 3
    await operator.close()


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), Retryable("429")], ids=["no answer", "turned away"])
async def test_a_hand_back_that_fails_is_done_again_and_the_proof_is_not_lost(error):
    place, workload, operator = await acted()
    failures = 2

    def moody(when: str, intent: str) -> None:
        nonlocal failures
        if not intent and when == "before" and failures:
            failures -= 1
            raise error

    place.cluster.gate = moody
    await operator.run(40)
    assert failures == 0
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert len(attempt.status.measurements) <= 5, "it did not begin anew"
    assert workload.raw["metadata"]["managedFields"] == []
    await operator.close()


async def test_an_end_that_could_not_be_stored_is_stored_by_the_next_look():
    place, _, operator = await acted()
    failures = 1

    def full(when: str, verb: str, what: str) -> None:
        nonlocal failures
        if what.startswith("Remediation/") and failures:
            failures -= 1
            raise Retryable("503", delay=2)

    place.api.gate = full
    await operator.run(30)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, len(attempt.status.measurements)) == (Outcome.REMEDIATED, 4)
    await operator.close()


async def test_a_claim_that_is_never_let_go_of_is_said_in_the_log(caplog):
    place, _, operator = await acted()
    real = place.cluster.apply

    async def refuses(effect, intent_id, acting):
        if not intent_id:
            return NotApplied(reason="", message="written to in the meantime")
        return await real(effect, intent_id, acting)

    place.cluster.apply = refuses  # type: ignore[method-assign] # the fake's own
    await operator.run(40)
    assert caplog.text.count("Field ownership could not be handed back") == 1
    assert operator.remediations[0].status.claim_time is not None, "so it is tried again later"
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    await operator.close()


@pytest.mark.parametrize("what", ["unreadable", "gone"])
async def test_r32_while_the_object_cannot_be_read_nothing_is_handed_back_and_nothing_is_concluded(what):
    place, _, operator = await acted()
    real = place.cluster.raw

    async def blind(ref):
        return UNKNOWN if what == "unreadable" else None

    place.cluster.raw = blind  # type: ignore[method-assign] # the fake's own
    await operator.run(15)
    assert operator.remediations[0].status.phase is RemediationPhase.VERIFYING
    place.cluster.raw = real  # type: ignore[method-assign] # it can be read again
    await operator.run(20)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_r32_a_target_that_cannot_be_read_for_long_is_inconclusive_and_pages():
    place, _, operator = await acted()

    async def blind(ref):
        return UNKNOWN

    place.cluster.workload = blind  # type: ignore[method-assign] # the fake's own
    place.view.silent = ["Deployment"]
    await operator.run(60)
    assert operator.remediations[0].status.phase is RemediationPhase.VERIFYING, "the API server may be back in a moment"
    await operator.run(300)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.INCONCLUSIVE
    assert attempt.status.message.startswith("recovery could not be told within 300 s: healthy Inconclusive: the workload could not be read")
    assert operator.condition("Resolved") == ("Unknown", "NoData"), "what the cache shows is how it was before the watch went silent"
    assert place.deliver.to(MessageKind.PAGE)[:1] == ["primary"]
    await operator.close()


async def test_a_controller_that_is_away_for_a_while_is_waited_for():
    """After an API server's restart the controllers may take half a minute to be back: that nobody saw the change yet proves nothing."""
    place, _, operator = await acted()
    seen = place.cluster.workload

    async def behind(ref):
        facts = await seen(ref)
        return replace(facts, workload=replace(facts.workload, observed_generation=0)) if isinstance(facts, WorkloadFacts) else facts

    place.cluster.workload = behind  # type: ignore[method-assign] # the fake's own
    await operator.run(60)
    assert operator.remediations[0].status.phase is RemediationPhase.VERIFYING
    place.cluster.workload = seen  # type: ignore[method-assign]
    await operator.run(60)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_restart_that_is_undone_by_a_person_is_theirs():
    book = runbook("restart", RunbookStep(name="restart", restart=Restart()), verify=checked(HEALTHY).spec.verify)
    place, workload, operator = await acted(book)
    place.cluster.set_image(workload, "shop/app:1")
    await operator.run(30)
    assert operator.remediations[0].status.outcome is Outcome.SUPERSEDED
    await operator.close()


async def test_a_step_that_may_fail_lets_the_next_one_act():
    steps = (
        RunbookStep(name="restart", restart=Restart(), on_failure=StepFailure(action="Continue")),
        ROLL_BACK,
    )
    place = shop(runbook("both", *steps))
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    real, refused = place.cluster.apply, []

    async def once(effect, intent_id, acting):
        if intent_id and not refused:
            refused.append(intent_id)
            return NotApplied(reason="", message="denied by a policy of the cluster")
        return await real(effect, intent_id, acting)

    place.cluster.apply = once  # type: ignore[method-assign] # the fake's own
    await operator.run(90)
    [attempt] = operator.remediations
    assert [(step.name, step.state) for step in attempt.status.steps] == [("restart", StepState.FAILED), ("rollback", StepState.APPLIED)]
    assert attempt.status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_run_that_takes_too_long_ends_and_pages():
    place = shop(shipped())
    workload = place.cluster.create(kind="StatefulSet")
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    real = place.cluster._react

    def never(one):
        """The controller never sees the old template."""
        one.lagging = one.template["spec"]["containers"][0]["image"] == "shop/app:1"
        real(one)

    place.cluster._react = never  # type: ignore[method-assign] # the fake's own controller, made slow
    await operator.run(700)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, attempt.status.message) == (Outcome.ABORTED, "the run took longer than 600 s")
    assert len(place.cluster.effects) == 1
    assert place.deliver.to(MessageKind.PAGE)
    await operator.close()


async def test_a_look_reads_its_target_and_nothing_else_while_what_was_read_last_stands():
    place, _, operator = await acted(checked(HEALTHY))
    await operator.run(10)
    place.api.reads.clear()
    await operator.run(5)
    [attempt] = operator.remediations
    assert attempt.status.phase is RemediationPhase.VERIFYING
    assert place.api.reads == {}
    await operator.run(30)
    once = place.api.reads[operator.incident.metadata.name]
    assert place.api.reads == {operator.incident.metadata.name: once, LISTS: once}, "then the Incident and its attempts, and no guards"
    assert once <= 2
    await operator.close()


async def test_a_proof_goes_by_what_is_there_and_not_by_what_the_cache_shows():
    place, workload, operator = await acted(checked(HEALTHY))
    await operator.run(8)
    place.view.go_stale()
    workload.changes = {"available": 0}
    await operator.run(30)
    [attempt] = operator.remediations
    assert attempt.status.phase is RemediationPhase.VERIFYING
    assert {one.result for one in attempt.status.measurements} <= {"Failure"}
    await operator.close()
