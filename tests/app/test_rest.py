"""What is long over costs nothing, and whatever a person says to it wakes it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.builders import NOON, later
from tests.core.incident_builders import metadata, watched
from tests.fakes.operator import Operator, shop

from prunella.api.incident import Incident, IncidentStatus
from prunella.api.incident_facts import Times
from prunella.api.incident_spec import Resolution
from prunella.api.incident_telling import Message
from prunella.api.names import MessageKind, MessageState, Priority, RemediationState
from prunella.app.incidents import rest
from prunella.app.keys import IncidentKey

LATE = later(1801)
"""After the reopen window of what was resolved at noon."""
PENDING = Message(key="k", kind=MessageKind.STAND_DOWN, receiver="ops", state=MessageState.PENDING, created_time=NOON)


def over(*, generation: int = 1, annotations: dict[str, str] | None = None, **status: Any) -> Incident:
    """An Incident that was resolved at noon."""
    known = {"observed_generation": 1, "times": Times(resolved_time=NOON), "priority": Priority.P2} | status
    made = watched("checkout-7f3kq", status=IncidentStatus(**known))
    return made.model_copy(update={"metadata": metadata(generation=generation, annotations=annotations or {})})


@pytest.mark.parametrize(
    ("incident", "now", "expected"),
    [
        (over(), LATE, False),
        (over(), later(1799), True),
        (over(priority=Priority.P1), LATE, True),
        (over(times=Times()), LATE, True),
        (over(times=Times(cancelled_time=NOON)), NOON, False),
        (over(remediation_state=RemediationState.RUNNING), LATE, True),
        (over(remediation_state=RemediationState.AWAITING_APPROVAL), LATE, True),
        (over(generation=2), LATE, True),
        (over(observed_generation=None), LATE, True),
        (over(annotations={"prunella.dev/retry": "again"}), LATE, True),
        (over(annotations={"prunella.dev/retry": "again"}, last_handled_retry="again"), LATE, False),
        (over(annotations={"seen": "by-ana"}), LATE, False),
    ],
    ids=[
        "over",
        "inside the reopen window",
        "a P1 may be reopened for longer",
        "unresolved",
        "cancelled",
        "its attempt runs",
        "its attempt asks",
        "a person changed it",
        "nobody has looked at it yet",
        "a person says retry",
        "the retry was taken in",
        "an annotation of somebody else",
    ],
)
def test_an_incident_rests_when_nothing_can_be_decided_or_told_any_more(incident, now, expected):
    assert rest.restless(incident, now) is expected


def test_a_message_that_waits_keeps_it_awake():
    escalation = over().status.escalation.model_copy(update={"messages": (PENDING,)})
    assert rest.restless(over(escalation=escalation), LATE)


@pytest.fixture
async def restarted():
    """A process that finds an Incident of long ago."""
    place = shop()
    stored = place.api.apply(over())
    place.api.objects["Incident", "shop", stored.metadata.name] = over().model_copy(update={"metadata": stored.metadata})
    place.clock.advance(7200)
    operator = Operator(place)
    await operator.run(1)
    place.telemetry.seen.clear()
    place.api.writes.clear()
    yield place, operator, IncidentKey("shop", stored.metadata.name)
    await operator.close()


async def test_a_restart_neither_reads_nor_writes_what_is_over(restarted):
    place, operator, key = restarted
    await operator.reconciler.reconcile(key)
    assert place.telemetry.seen == []
    assert place.api.writes == []


async def test_a_person_who_adds_to_one_that_is_over_is_heard(restarted):
    place, operator, key = restarted
    stored = place.api.objects["Incident", *key]
    spec = stored.spec.model_copy(update={"resolution": Resolution(by="ana", summary="the flag was misspelled")})
    place.api.apply(stored.model_copy(update={"spec": spec}))
    await operator.run(1)
    assert place.api.objects["Incident", *key].status.observed_generation == 2
