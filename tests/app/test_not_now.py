"""Windows, what a Runbook waits for, and a Runbook that failed too often: asked again live, before the first effect and never after it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.healing_builders import attempt
from tests.core.incident_builders import TARGET
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.healing_policy import Pause
from prunella.api.names import MessageKind, Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.runbook import Blocker, Runbook
from prunella.api.windows import Window, Windows
from prunella.core.facts import UNKNOWN, AlertFacts
from prunella.core.healing.runbooks.plan import runbook_sha256
from prunella.core.world import QueryValue

NO, YES, NOTHING, BROKEN = (
    QueryValue(value=0.0),
    QueryValue(value=1.0),
    QueryValue(missing="no series: the query found no data"),
    QueryValue(error="Prometheus did not answer within 10 s"),
)
BACKUP = Blocker(name="backup", promql='backup_running{workload="${target.name}"}', when="value > 0", reason="a backup must not be torn")
DRILL = Blocker(name="drill", alert='{alertname="Drill"}', reason="people are training")
ALWAYS = Window(name="freeze", schedule="* * * * *", duration_seconds=3600, time_zone="Europe/Berlin", reason="year end")


def waiting_for(*entries: Blocker, **spec: Any) -> Runbook:
    """The shipped Runbook, which waits for these."""
    one = shipped()
    return one.model_copy(update={"spec": one.spec.model_copy(update={"block_if": entries, **spec})})


def drill(place: Place, state: str = "firing") -> dict[str, AlertFacts]:
    return {"aa": AlertFacts(fingerprint="aa", state=state, labels={"alertname": "Drill"}, received_time=place.clock.now())}


async def broken(book: Runbook, *, value: QueryValue = NO, kind: str = "Deployment", **policy: Any):
    """A shop whose new version crashes; what Prometheus and Alertmanager say can be changed."""
    place = shop(book, **policy)
    place.queries.values = [value]
    place.alertmanager.listed = {}
    workload = place.cluster.create(kind=kind)
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    return place, operator


def once_made(place: Place, change) -> None:
    """Something happens between the decision and the effect: the attempt was just created."""

    def gate(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("after", "create") and what.startswith("Remediation/"):
            place.api.gate = lambda _when, _verb, _what: None
            change()

    place.api.gate = gate


def first(operator: Operator) -> Remediation:
    return next(one for one in operator.remediations if one.metadata.namespace == "shop")


def said(one: Remediation) -> tuple[str, str]:
    found = next(condition for condition in one.status.conditions if condition.type == "RemediationAllowed")
    return found.status.value, found.reason


async def test_a_runbook_whose_blockers_say_no_heals_as_ever_and_is_asked_once_more_right_before_the_effect():
    place, operator = await broken(waiting_for(BACKUP, DRILL))
    polls: list[int] = []

    def count_from_here() -> None:
        place.queries.asked.clear()
        polls.append(place.alertmanager.polls)

    once_made(place, count_from_here)
    await operator.run(90)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    assert place.queries.asked == ['backup_running{workload="checkout"}']
    assert place.alertmanager.polls == polls[0] + 1
    guards = {one.name: one.allowed for one in first(operator).status.guards}
    assert guards["Window"] is True
    assert "RemediationBlocked" not in operator.told()
    await operator.close()


@pytest.mark.parametrize("value", [YES, NOTHING, BROKEN], ids=["it says yes", "no data", "an error"])
async def test_what_blocks_before_the_decision_is_told_and_goes_on_by_itself_once_it_is_over(value):
    place, operator = await broken(waiting_for(BACKUP), value=value)
    await operator.run(120)
    assert operator.remediations == []
    assert operator.condition("RemediationAllowed") == ("False", "BlockIfTrue")
    assert operator.told().count("RemediationBlocked") == 1
    assert place.deliver.to(MessageKind.PAGE) != [], "a page does not wait for what is not being done"
    place.queries.asked.clear()
    await operator.run(600)
    assert 10 <= len(place.queries.asked) <= 45, "twice a minute or so"
    place.queries.values = [NO]
    await operator.run(120)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


@pytest.mark.parametrize("value", [YES, NOTHING, BROKEN], ids=["it says yes", "no data", "an error"])
async def test_what_begins_to_block_after_the_decision_is_seen_right_before_the_effect(value):
    place, operator = await broken(waiting_for(BACKUP))

    def begins() -> None:
        place.queries.values = [value]

    once_made(place, begins)
    await operator.run(60)
    one = first(operator)
    assert (one.status.phase, said(one)) == (RemediationPhase.PENDING, ("False", "BlockIfTrue"))
    assert (place.cluster.effects, one.status.started_time) == ([], None)
    place.queries.values = [NO]
    await operator.run(90)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    assert len(place.cluster.effects) == 1
    await operator.close()


@pytest.mark.parametrize("how", ["firing", "suppressed", "nobody answers"])
async def test_an_alert_that_becomes_active_or_a_poll_that_fails_is_seen_right_before_the_effect(how):
    place, operator = await broken(waiting_for(DRILL))

    def begins() -> None:
        place.alertmanager.listed = UNKNOWN if how == "nobody answers" else drill(place, how)

    once_made(place, begins)
    await operator.run(60)
    assert said(first(operator)) == ("False", "BlockIfTrue")
    assert place.cluster.effects == []
    place.alertmanager.listed = {}
    await operator.run(90)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_freeze_that_begins_after_the_decision_is_read_live_and_waits_for_its_end():
    place, operator = await broken(shipped())

    def begins() -> None:
        place.view.go_stale(workloads=False)
        place.policy(windows=Windows(deny=(ALWAYS,)))

    once_made(place, begins)
    await operator.run(60)
    one = first(operator)
    assert (one.status.phase, said(one)) == (RemediationPhase.PENDING, ("False", "InWindow"))
    assert one.status.next_eligible_time is not None
    assert place.cluster.effects == []
    place.view.catch_up()
    place.policy()
    operator.wake_all()
    await operator.run(90)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_freeze_is_told_with_its_end_and_automation_goes_on_then_by_itself():
    place, operator = await broken(shipped())
    now = place.clock.now()
    freeze = Window(name="freeze", schedule=f"{now:%M} {now:%H} * * *", duration_seconds=900, time_zone="UTC", reason="year end")
    place.policy(windows=Windows(deny=(freeze,)))
    await operator.run(300)
    assert operator.remediations == []
    assert operator.condition("RemediationAllowed") == ("False", "InWindow")
    until = operator.incident.status.retry_after_time
    assert until is not None
    assert until.second == until.microsecond == 0
    await operator.run((until - place.clock.now()).total_seconds() - 1)
    assert operator.remediations == []
    await operator.run(120)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_pause_that_another_one_follows_is_told_with_whose_it_is_now():
    place, operator = await broken(shipped(), pauses=(Pause(name="freeze", reason="Friday", by="ana"),))
    await operator.run(30)
    place.policy(pauses=(Pause(name="move", reason="new racks", by="ben"),))
    await operator.run(5)
    [told] = [one for one in operator.incident.status.conditions if one.type == "RemediationAllowed"]
    assert (told.reason, told.message) == ("Paused", "paused by 'move': new racks (by ben); remove it from HealingPolicy `spec.pauses` to go on")
    await operator.close()


async def test_what_was_begun_goes_on_whatever_begins_in_the_middle():
    """A StatefulSet needs two effects: its template, and the pod that holds the rollout up."""
    book = waiting_for(BACKUP)
    place, operator = await broken(book, kind="StatefulSet")

    def between(when: str, intent: str) -> None:
        if when == "after":
            place.cluster.gate = lambda _when, _intent: None
            place.queries.values = [YES]
            place.policy(windows=Windows(deny=(ALWAYS,)))
            failures(place, book)

    place.cluster.gate = between
    await operator.run(120)
    assert first(operator).status.outcome is Outcome.REMEDIATED
    assert len(place.cluster.effects) == 2
    await operator.close()


def failures(place: Place, book: Runbook) -> None:
    """Three attempts of the Runbook elsewhere have just failed."""
    target = TARGET.model_copy(update={"uid": "other", "name": "cart", "namespace": "cart"})
    for number in (1, 2, 3):
        one = attempt(number, name=f"cart-{number}", namespace="cart", target_ref=target, uid=f"cart-{number}")
        ref = one.spec.runbook_ref.model_copy(update={"name": book.metadata.name, "sha256": runbook_sha256(book)})
        place.api.apply(one.model_copy(update={"spec": one.spec.model_copy(update={"runbook_ref": ref})}))


async def test_a_runbook_that_failed_elsewhere_too_often_asks_people_first():
    book = shipped()
    place, operator = await broken(book)
    failures(place, book)
    await operator.run(90)
    assert (first(operator).status.phase, said(first(operator))) == (RemediationPhase.PENDING, ("False", "AwaitingApproval"))
    assert operator.condition("RemediationAllowed") == ("False", "AwaitingApproval")
    assert place.cluster.effects == []
    assert operator.told().count("AwaitingApproval") == 1
    place.api.apply(book.model_copy(update={"spec": book.spec.model_copy(update={"title": "Mended"})}))
    await operator.run(90)
    assert operator.remediations[-1].status.outcome is Outcome.REMEDIATED, "a changed Runbook begins anew"
    await operator.close()


async def test_a_runbook_that_fails_once_too_often_between_decision_and_effect_asks_people_first():
    book = shipped()
    place, operator = await broken(book)
    once_made(place, lambda: failures(place, book))
    await operator.run(60)
    one = first(operator)
    assert (one.status.phase, said(one)) == (RemediationPhase.PENDING, ("False", "AwaitingApproval"))
    assert (place.cluster.effects, one.status.started_time) == ([], None)
    await operator.close()
