"""Who is told that a plan waits for a word: everyone who was called before it was ready, once, and without being woken again."""

from __future__ import annotations

import pytest

from prunella.api.common import Condition
from prunella.api.incident import Episode, Times
from prunella.api.names import ConditionStatus, MessageKind, MessageState, Outcome, RemediationPhase
from prunella.core.draft import Draft
from prunella.core.people import asking, automation, pages

from .builders import later
from .incident_builders import draft_of, remediation, watched, world

ASKS = "roll back deploy/checkout 15 -> 14: a person must approve it until 12:30:00 UTC"


def said(reason: str, at: float = 10) -> Condition:
    return Condition(type="Approved", status=ConditionStatus.FALSE, reason=reason, message=ASKS, last_transition_time=later(at))


def asks(reason: str = "AwaitingApproval", phase=RemediationPhase.PENDING, outcome: Outcome | None = None, **status):
    return remediation(phase, outcome, conditions=(said(reason),), **status)


def paged(*receivers: tuple[str, float], acknowledged: bool = False) -> Draft:
    """An Incident in which these were paged so many seconds after noon."""
    draft = draft_of(world(watched(), at=20)).with_status(target="deploy/checkout")
    for receiver, at in receivers:
        draft = pages.add(draft, key=pages.page_key(draft.status, 0, receiver, receiver), kind=MessageKind.PAGE, receiver=receiver, text="x")
        sent = draft.status.escalation.messages[-1].model_copy(update={"created_time": later(at), "state": MessageState.DELIVERED})
        draft = pages.put(draft, sent)
    return draft.condition("Acknowledged", ConditionStatus.TRUE, "ByPerson") if acknowledged else draft


def told(draft: Draft, *attempts) -> list[tuple[str, str]]:
    seen = world(watched(), at=20, remediations=attempts)
    for _ in range(2):
        draft = asking.ask(seen, draft)
    return [(one.receiver, one.key) for one in draft.status.escalation.messages if one.kind is MessageKind.NOTICE]


@pytest.mark.parametrize(
    ("draft", "attempt", "expected"),
    [
        (paged(("primary", 0)), asks(), [("primary", "1/approval/checkout-7f3kq-1/primary")]),
        (paged(("primary", 0), ("secondary", 15)), asks(), [("primary", "1/approval/checkout-7f3kq-1/primary")]),
        (paged(), asks(), []),
        (paged(("primary", 0), acknowledged=True), asks(), [("primary", "1/approval/checkout-7f3kq-1/primary")]),
        (paged(("primary", 0)), asks(phase=RemediationPhase.CANCELLED, outcome=Outcome.RECOVERED_ITSELF), []),
        (paged(("primary", 0)), asks("ApprovalExpired", RemediationPhase.FAILED, Outcome.ABORTED), []),
        (
            paged(("primary", 0), acknowledged=True),
            asks("ApprovalExpired", RemediationPhase.FAILED, Outcome.ABORTED),
            [("primary", "1/approvalExpired/checkout-7f3kq-1/primary")],
        ),
        (paged(("primary", 0)).with_status(times=Times(resolved_time=later(15))), asks(), []),
    ],
    ids=[
        "called before it asked",
        "a later page says it itself",
        "nobody was called",
        "somebody has it",
        "it does not ask any more",
        "it expired: the next step is paged",
        "it expired, and somebody has it",
        "it is over",
    ],
)
def test_who_was_called_before_the_plan_was_ready_is_told_once(draft, attempt, expected):
    assert told(draft, attempt) == expected


def test_a_plan_that_waits_for_people_holds_no_page_back():
    refused = Condition(type="RemediationAllowed", status=ConditionStatus.FALSE, reason="AwaitingApproval", last_transition_time=later(10))
    attempt = remediation(RemediationPhase.PENDING, conditions=(refused, said("AwaitingApproval")))
    seen = world(watched(), at=20, remediations=(attempt,))
    assert automation.at_work(seen, draft_of(seen)) is False


def test_an_expiry_pages_at_once_and_is_no_proof_that_it_still_hurts():
    """Nothing was done, so a signal that went quiet is believed."""
    expired = asks("ApprovalExpired", RemediationPhase.FAILED, Outcome.ABORTED, ended_time=later(15))
    seen = world(watched(), at=20, remediations=(expired,))
    assert automation.failed_since(seen, draft_of(seen), later(0)) is True
    episode = Episode(number=1, started_time=later(0), triggered_time=later(0), reason="Opened")
    quiet = draft_of(seen).with_status(signals=(), healthy_since_time=later(16), episodes=(episode,))
    assert automation.hurts(seen, quiet)[0] is False
    for effect_time, hurts in ((None, False), (later(13), True)):
        begun = expired.model_copy(update={"status": expired.status.model_copy(update={"started_time": later(12), "effect_time": effect_time})})
        assert automation.hurts(world(watched(), at=20, remediations=(begun,)), quiet)[0] is hurts
