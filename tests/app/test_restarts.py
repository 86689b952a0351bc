"""What a process that was away finds when it starts: pages that are overdue, and a cooldown that runs on (C28, R18)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from tests.app.test_intake import alert
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook

from prunella.api.incident import Incident
from prunella.api.names import Cause, MessageKind, Outcome
from prunella.api.remediation import Remediation
from prunella.api.runbook import Check, Limits, Match, PromQL, RunbookStep, Verify
from prunella.core.healing.steps.restart import Restart
from prunella.core.world import QueryValue

AWAY_SECONDS = 2 * 3600


def pages(place: Place) -> Counter[tuple[str, str]]:
    """How often each receiver was called about each target."""
    return Counter((one.receiver, one.incident.spec.target_ref.name) for one in place.deliver.sent if one.kind is MessageKind.PAGE)


async def test_c28_after_two_hours_without_a_process_each_is_called_once_about_each_incident_and_the_ladder_goes_on():
    """Three steps of the ladder were due meanwhile: primary and secondary, and both once more."""
    place = shop(namespace_mode="Observe")
    names = [place.cluster.create(name).name for name in ("cart", "checkout", "ledger")]
    operator = Operator(place)
    await operator.run(1)
    await operator.take(*(alert(f"Errors{name}", labels={"namespace": "shop", "deployment": name}) for name in names))
    await operator.run(5)
    assert pages(place) == Counter()
    await operator.close()
    place.clock.advance(AWAY_SECONDS)
    operator = Operator(place)
    await operator.run(60)
    assert pages(place) == Counter({(receiver, name): 1 for receiver in ("primary", "secondary") for name in names}), "no burst"
    for one in place.api.all(Incident):
        assert one.status.escalation.next_action_time is not None
        assert one.status.escalation.next_action_time - place.clock.now() <= timedelta(seconds=300), "the chain goes on"
    await operator.run(300)
    assert set(pages(place).values()) == {2, 1}, "the next round: nobody is called more often than that"
    await operator.close()


async def test_r18_a_cooldown_is_neither_forgotten_nor_begun_anew_by_a_restart():
    check = Check(name="errors", promql=PromQL(query="errors", success="value < 1", failure="value > 9"))
    proof = Verify(stabilize_seconds=1, interval_seconds=1, timeout_seconds=60, inconclusive_limit=2, checks=(check,))
    match = Match(causes=(Cause.CRASH_LOOP, Cause.ROLLOUT_CRASH_LOOP), dwell_seconds=10, min_restarts=2)
    again = RunbookStep(name="again", restart=Restart())
    place = shop(runbook("again", again, match=match, verify=proof, limits=Limits(cooldown_seconds=1200)))
    place.queries.values = [QueryValue(missing="no series")]
    place.cluster.bad.add("shop/app:1")
    place.cluster.create()
    operator = Operator(place)
    await operator.run(120)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.INCONCLUSIVE
    over = attempt.status.ended_time + timedelta(seconds=1200)
    await operator.close()
    operator = Operator(place)
    while (left := (over - place.clock.now()).total_seconds()) > 1:
        await operator.run(min(left - 1, 300))
        assert operator.condition("RemediationAllowed") == ("False", "RecentlyRemediated")
        assert operator.incident.status.retry_after_time == over, "the very instant"
        await operator.close()
        operator = Operator(place)
    assert len(place.cluster.effects) == 1
    await operator.run(2)
    second = max(place.api.all(Remediation), key=lambda one: one.spec.attempt)
    assert (second.spec.attempt, len(place.cluster.effects)) == (2, 2)
    assert second.status.started_time - over <= timedelta(seconds=1)
    await operator.close()
