"""Notices, which page nobody; and the texts that are sent."""

from __future__ import annotations

import pytest

from prunella.api.common import Condition
from prunella.api.escalation_policy import Notice
from prunella.api.incident import Plan
from prunella.api.names import ConditionStatus, MessageKind, MessageState, Outcome, RemediationPhase
from prunella.core.people import message, notices

from .builders import later
from .incident_builders import Story, draft_of, entry, healed, healing_policy, ladder, remediation, reported, to, watched, world

RELEASES = "1/notice/checkout-7f3kq-1/releases"


def story(**shows) -> Story:
    made = Story(watched()).shows(**shows)
    made.at(0)
    return made


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (remediation(RemediationPhase.DISPATCHED), False),
        (remediation(RemediationPhase.VERIFYING, applied=True), True),
        (remediation(RemediationPhase.VERIFYING), False),
        (remediation(RemediationPhase.SUCCEEDED, Outcome.SIMULATED), False),
        (remediation(RemediationPhase.FAILED, Outcome.INEFFECTIVE, applied=True), True),
        (remediation(RemediationPhase.CANCELLED, Outcome.STALE), False),
        (healed(), True),
    ],
    ids=["intent only", "verifying", "verifying without an effect", "simulated", "failed", "cancelled", "healed"],
)
def test_each_attempt_that_had_an_effect_gives_one_notice(attempt, told):
    made = story(remediations=(attempt,))
    made.at(20)
    made.at(21)
    expected = (
        "deploy/checkout: deploy/checkout runs revision 16 = template of 14; 15 is quarantined (roll-back-bad-rollout, attempt 1). "
        "Why: checkout: revision 15 crash-loops (exit code 1)"
    )
    assert made.sent(MessageKind.NOTICE) == ([("releases", expected)] if told else [])


def test_a_notice_has_a_key_of_its_own_and_is_no_page():
    made = story(remediations=(healed(),))
    stored = made.status.escalation.messages[0]
    assert (stored.key, stored.kind, stored.state) == (RELEASES, MessageKind.NOTICE, MessageState.PENDING)
    made.at(34, deliveries=made.receipts(34))
    assert made.status.times.notified_time is None


def test_a_notice_goes_out_though_the_incident_is_over():
    made = story()
    made.at(33, remediations=(healed(),), finding=None, healthy=True, since=13)
    assert made.sent(MessageKind.NOTICE)[0][0] == "releases"


def blocked(made: Story, reason: str, message_: str = "no revision is known to be good", at: float = 5):
    condition = Condition(type="RemediationAllowed", status=ConditionStatus.FALSE, reason=reason, message=message_, last_transition_time=later(0))
    seen = world(made.incident, at=at)
    draft = draft_of(seen)
    rest = tuple(one for one in draft.status.conditions if one.type != "RemediationAllowed")
    draft = notices.notify(seen, draft.with_status(conditions=(*rest, condition)))
    made.incident = made.incident.model_copy(update={"status": draft.status})
    return made


@pytest.mark.parametrize(("reason", "told"), [("NoKnownGood", True), ("OwnedByGitOps", True), ("DwellRunning", False), ("ModeObserve", False)])
def test_what_automation_was_kept_from_is_told_but_not_what_it_waits_for(reason, told):
    made = blocked(story(), reason)
    expected = [("releases", f"deploy/checkout: automation does nothing ({reason}): no revision is known to be good")]
    assert made.sent(MessageKind.NOTICE) == (expected if told else [])


def test_each_reason_is_told_once_an_episode():
    made = story()
    for reason in ("NoKnownGood", "StormActive", "NoKnownGood"):
        blocked(made, reason)
    keys = [one.key for one in made.status.escalation.messages]
    assert keys == ["1/notice/NoKnownGood/releases", "1/notice/StormActive/releases"]


def test_a_notice_is_only_for_what_it_names():
    made = story(escalation_policies=(ladder(notices=(Notice(on=("Blocked",), notify=(to("releases"),)),)),), remediations=(healed(),))
    assert made.sent(MessageKind.NOTICE) == []


def test_a_policy_without_notices_sends_none():
    made = story(escalation_policies=(ladder(notices=()),), remediations=(healed(),))
    assert made.sent(MessageKind.NOTICE) == []


def test_an_incident_without_a_policy_sends_none():
    made = story(entries=(), escalation_policies=(), remediations=(healed(),))
    assert made.sent(MessageKind.NOTICE) == []


def test_a_receiver_that_is_not_there_gets_none():
    made = story(policy=healing_policy("primary", "secondary", "ops"), remediations=(healed(),))
    assert made.sent(MessageKind.NOTICE) == []


def test_a_duplicate_sends_none():
    own, persons = story(), Story(reported())
    persons.at(5, duplicates=(own.incident,))
    blocked(persons, "NoKnownGood")
    assert persons.sent(MessageKind.NOTICE) == []


# what is sent


def page() -> Story:
    made = story(entries=(entry(tier=1),))
    made.at(60)
    return made


def test_a_page_says_what_is_wrong_and_has_the_commands_to_copy():
    made = page()
    plan = Plan(runbook="roll-back-bad-rollout", hash="a41c9e", summary="roll back deploy/checkout 15 -> 14")
    refused = Condition(
        type="RemediationAllowed", status=ConditionStatus.FALSE, reason="NoKnownGood", message="none is stored", last_transition_time=later(0)
    )
    status = made.status.model_copy(update={"plan": plan, "conditions": (*made.status.conditions, refused)})
    incident = made.incident.model_copy(update={"status": status})
    sent = message.envelope(incident, status.escalation.messages[0], links=(("Dashboard", "https://grafana.example.com/d/checkout"),))
    assert sent.title == "[P2] deploy/checkout: checkout: revision 15 crash-loops (exit code 1)"
    assert sent.text.splitlines() == [
        "P2 deploy/checkout: checkout: revision 15 crash-loops (exit code 1)",
        "Plan: roll back deploy/checkout 15 -> 14",
        "Automation: NoKnownGood. none is stored",
        'To take it: kubectl patch incident checkout-7f3kq -n shop --type=merge -p \'{"spec":{"acknowledgement":{"by":"<you>","episode":1}}}\'',
        "To see the whole story: kubectl prunella explain checkout-7f3kq -n shop",
    ]
    assert (sent.key, sent.receiver, sent.event) == ("uid-checkout-7f3kq/1/1/0/primary/primary", "primary", "escalated")
    assert sent.dedup_key == "shop/checkout-7f3kq/uid-checkout-7f3kq/1"
    assert sent.details == {
        "incident": "checkout-7f3kq",
        "namespace": "shop",
        "cause": "RolloutCrashLoop",
        "impact": "Significant",
        "team": "shop",
        "step": "primary",
    }
    assert (sent.time, sent.sequence) == (later(60), status.timeline[-1].sequence)


def test_a_stand_down_ends_what_the_page_began():
    made = page()
    made.at(61, deliveries=made.receipts(61))
    made.at(70, finding=None, remediations=(healed(65, 70),), healthy=True, since=65)
    first, *_, last = [message.envelope(made.incident, one) for one in made.status.escalation.messages if one.kind is not MessageKind.NOTICE]
    assert (first.dedup_key, first.event, last.event) == (last.dedup_key, "escalated", "resolved")
    assert last.title == "Stand down: deploy/checkout"
    assert "1m5s after the fault began" in last.text


def test_a_notice_asks_for_nothing():
    made = story(remediations=(healed(),))
    sent = message.envelope(made.incident, made.status.escalation.messages[0])
    assert sent.event == "notified"
    assert sent.title.startswith("For your information: deploy/checkout: ")
    assert "kubectl patch" not in sent.text
