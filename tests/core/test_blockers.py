"""What a Runbook waits for: only an answer that says no lets it begin (fail closed), and nobody is told while it is only being asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.operator import cel
from tests.fakes.runbooks import runbook

from prunella.api.runbook import Blocker
from prunella.core.draft import AskBlockers
from prunella.core.facts import UNKNOWN, AlertFacts
from prunella.core.healing import judge
from prunella.core.healing.guards import blockers
from prunella.core.healing.refusal import Refusal
from prunella.core.world import Answers, QueryValue

from .builders import NOON, ago, later
from .healing_builders import ill, permitted, planned, prepared
from .incident_builders import draft_of

QUERY = 'backup_running{workload="${target.name}"}'
ASKED = 'backup_running{workload="checkout"}'
BACKUP = Blocker(name="backup", promql=QUERY, when="value > 0", reason="a backup must not be torn")
DRILL = Blocker(name="drill", alert='{alertname="Drill", team=~"sh.*"}', reason="people are training")


def alert(state: str = "firing", **labels: str) -> AlertFacts:
    return AlertFacts(fingerprint="aa", state=state, labels={"alertname": "Drill", "team": "shop"} | labels, received_time=NOON)


def answers(value: QueryValue | None = None, alerts=None, **changes) -> Answers:
    values = {ASKED: value} if value is not None else {}
    return Answers(**({"values": values, "alerts": alerts, "asked_time": NOON} | changes))


def refusal_of(book, given: Answers | None, evaluate=None) -> Refusal | None:
    return blockers.refused(ill(book, answers=given, evaluate=evaluate or cel()), book)


def test_a_runbook_that_waits_for_nothing_asks_nothing():
    assert blockers.wish(ill().incident, runbook()) is None
    assert blockers.unasked(ill(), runbook()) is None
    assert blockers.refused(ill(), runbook()) is None


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((BACKUP,), AskBlockers(queries=(ASKED,), alerts=False)),
        ((DRILL,), AskBlockers(queries=(), alerts=True)),
        ((BACKUP, DRILL, BACKUP.model_copy(update={"name": "again"})), AskBlockers(queries=(ASKED,), alerts=True)),
        ((Blocker(name="x", promql="up ${target.name}", when="value > 0", reason="r"),), AskBlockers(queries=(), alerts=False)),
    ],
    ids=["a query about the target", "an alert", "both, each once", "a query that can't be filled"],
)
def test_what_is_asked_is_the_filled_queries_and_alertmanager_where_an_entry_names_an_alert(entries, expected):
    assert blockers.wish(ill().incident, runbook(block_if=entries)) == expected


CANNOT = "it can't be told: "


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (QueryValue(value=0.0), None),
        (QueryValue(value=1.0), "the value is 1, and 'value > 0' holds"),
        (QueryValue(error="Prometheus did not answer within 10 s"), f"{CANNOT}Prometheus did not answer within 10 s"),
        (QueryValue(missing="no series: the query found no data"), f"{CANNOT}no series: the query found no data"),
        (QueryValue(value=0.0, error="half an answer"), f"{CANNOT}half an answer"),
        (QueryValue(), f"{CANNOT}no data"),
    ],
    ids=["it says no", "it says yes", "an error", "no data", "a value with an error", "nothing"],
)
def test_only_a_value_that_says_no_lets_it_begin(value, why):
    book = runbook(block_if=(BACKUP,))
    message = f"`blockIf` 'backup' of Runbook roll-back (a backup must not be torn): {why}"
    assert refusal_of(book, answers(value)) == (None if why is None else Refusal(reason="BlockIfTrue", message=message, look_again_time=later(30)))


@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ({}, None),
        ({"aa": alert(alertname="Other")}, None),
        ({"aa": alert(team="pay")}, None),
        ({"aa": alert(alertname="Other"), "bb": alert()}, "alert Drill is active"),
        ({"aa": alert("suppressed")}, "alert Drill is active (suppressed)"),
        (UNKNOWN, "it can't be told: no Alertmanager could be asked"),
    ],
    ids=["none", "another", "a label differs", "it fires", "silenced is not over", "nobody answered"],
)
def test_an_active_alert_blocks_and_so_does_a_poll_that_failed(alerts, why):
    book = runbook(block_if=(DRILL,))
    message = f"`blockIf` 'drill' of Runbook roll-back (people are training): {why}"
    assert refusal_of(book, answers(alerts=alerts)) == (
        None if why is None else Refusal(reason="BlockIfTrue", message=message, look_again_time=later(30))
    )


def stored(**fields) -> Blocker:
    """An entry as the API server may give it back: written under another version's rules."""
    return Blocker.read({"name": "odd", "reason": "r"} | fields)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (stored(), "it names neither a query nor an alert that is known here"),
        (stored(promql=QUERY), "it does not say which value blocks"),
        (stored(promql='up{job="${target.nmae}"}', when="value > 0"), "its query can't be asked: '${target.nmae}' is not known"),
        (stored(promql=QUERY, when="value >"), "'value >' can't be told: column"),
        (stored(promql=QUERY, when="vlaue > 0"), "'vlaue > 0' can't be told: column"),
        (stored(alert="{}"), "its matchers can't be read: an empty list would match every alert"),
        (stored(alert='{alertname="Drill", team=~"("}'), "its matchers can't be read: team=~'(': INVALID_ARGUMENT"),
        (stored(alert='{alertname="Other", team=~"("}'), "its matchers can't be read: team=~'(': INVALID_ARGUMENT"),
    ],
    ids=[
        "nothing known",
        "no condition",
        "a misspelt placeholder",
        "no expression",
        "a misspelt name",
        "matchers of nothing",
        "a broken expression",
        "behind what does not match",
    ],
)
def test_an_entry_that_cannot_be_understood_blocks(entry, why):
    book = runbook()
    book = book.model_copy(update={"spec": book.spec.model_copy(update={"block_if": (entry,)})})
    refusal = refusal_of(book, answers(QueryValue(value=0.0), {"aa": alert()}))
    assert refusal.message.startswith(f"`blockIf` 'odd' of Runbook roll-back (r): {why}"), refusal.message


def test_one_entry_of_several_is_enough_and_the_first_is_told():
    book = runbook(block_if=(BACKUP, DRILL))
    assert refusal_of(book, answers(QueryValue(value=0.0), {})) is None
    assert "'drill'" in refusal_of(book, answers(QueryValue(value=0.0), {"aa": alert()})).message
    assert "'backup'" in refusal_of(book, answers(QueryValue(value=1.0), {"aa": alert()})).message


# asking


@pytest.mark.parametrize(
    ("given", "asks"),
    [
        (None, True),
        (answers(QueryValue(value=0.0), {}), False),
        (answers(QueryValue(value=0.0), UNKNOWN), False),
        (answers(QueryValue(value=0.0)), True),
        (answers(None, {}), True),
        (answers(QueryValue(value=0.0), {}, asked_time=ago(14)), False),
        (answers(QueryValue(value=0.0), {}, asked_time=ago(15)), True),
        (answers(QueryValue(value=0.0), {}, asked_time=later(3)), False),
    ],
    ids=["never", "all there", "nobody answered", "no alerts", "no values", "14 s ago", "15 s ago", "while it was decided"],
)
def test_answers_hold_for_a_quarter_of_a_minute_and_must_be_complete(given, asks):
    book = runbook(block_if=(BACKUP, DRILL))
    world = ill(book, answers=given, evaluate=cel())
    assert blockers.unasked(world, book) == (blockers.wish(world.incident, book) if asks else None)
    if asks:
        message = "what Runbook roll-back waits for in `blockIf` (backup, drill) was not asked yet"
        expected = Refusal(reason="BlockIfTrue", message=message, look_again_time=later(30), being_asked=True)
        assert blockers.refused(world, book) == expected


def judged(world):
    draft = judge.judge(world, draft_of(world))
    said = next(one for one in draft.status.conditions if one.type == "RemediationAllowed")
    return draft, said.reason


def test_what_was_not_asked_yet_is_wished_holds_the_attempt_back_and_is_told_to_nobody():
    draft, reason = judged(permitted(runbook(block_if=(BACKUP,))))
    assert draft.needs == (AskBlockers(queries=(ASKED,), alerts=False),)
    assert (reason, draft.attempt, draft.status.timeline, draft.counts) == ("BlockIfTrue", None, (), ())
    assert draft.status.remediation is None
    assert draft.look_again == later(30)


def test_during_the_dwell_it_is_asked_ahead_and_the_dwell_is_what_is_said():
    book = runbook(block_if=(BACKUP,), match=runbook().spec.match.model_copy(update={"dwell_seconds": 60}))
    draft, reason = judged(permitted(book))
    assert (draft.needs, reason) == ((AskBlockers(queries=(ASKED,), alerts=False),), "DwellRunning")
    _, reason = judged(permitted(book, answers=answers(QueryValue(value=1.0)), evaluate=cel()))
    assert reason == "BlockIfTrue", "what blocks is said at once"


def test_with_a_no_the_attempt_is_made_and_with_a_yes_people_are_told():
    book = runbook(block_if=(BACKUP,))
    draft, reason = judged(permitted(book, answers=answers(QueryValue(value=0.0)), evaluate=cel()))
    assert (draft.needs, reason, draft.attempt is not None) == ((), "Allowed", True)
    draft, reason = judged(permitted(book, answers=answers(QueryValue(value=1.0)), evaluate=cel()))
    assert (draft.needs, reason, draft.attempt) == ((), "BlockIfTrue", None)
    assert [one.what for one in draft.status.timeline] == ["RemediationBlocked"]
    assert draft.status.remediation == "Blocked: BlockIfTrue"


def test_answers_about_another_target_are_no_answers():
    book = runbook(block_if=(BACKUP,))
    world = ill(book, answers=Answers(values={'backup_running{workload="cart"}': QueryValue(value=0.0)}, asked_time=NOON))
    world = replace(world, preparation=prepared(planned(world)))
    assert judged(world)[1] == "BlockIfTrue"
