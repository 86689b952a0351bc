"""Who is paged, when, and who is told that it is over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunella.api.common import Condition, NamespacedRef
from prunella.api.escalation_policy import Repeat, StepCondition
from prunella.api.incident import Acknowledgement, Hold, Plan
from prunella.api.names import ConditionStatus, Impact, MessageKind, MessageState, Outcome, Priority, RemediationPhase, StepState
from prunella.api.remediation import StepOutcome, StepStatus
from prunella.core.draft import Draft
from prunella.core.facts import UNKNOWN, NamespaceFacts
from prunella.core.people import automation, escalation, pages
from prunella.core.world import GONE, Delivery

from .builders import later
from .incident_builders import (
    Story,
    alert,
    alerted,
    draft_of,
    entry,
    finding,
    healed,
    healing_policy,
    ladder,
    remediation,
    reported,
    step,
    to,
    watched,
    workload,
    world,
)

KEY = "00000000000000aa"


def story(**shows) -> Story:
    made = Story(watched()).shows(**shows)
    made.at(0)
    return made


def acknowledged(made: Story, at: float, **once) -> Draft:
    return made.says(acknowledgement=Acknowledgement(by="ana", episode=made.status.episode)).at(at, **once)


# the ladder


def test_the_first_step_is_due_its_seconds_after_the_trigger():
    made = story()
    assert (made.status.escalation.state, made.status.escalation.next_action_time) == ("Waiting", later(60))
    assert made.at(59).look_again == later(60)
    assert made.pages() == []
    made.at(60)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.status.escalation.state == "Notifying"
    assert made.message("Escalated") == ("paged primary (step primary): P3 deploy/checkout: checkout: revision 15 crash-loops (exit code 1)")


def test_the_ladder_is_climbed_repeated_and_ends_with_the_catch_all():
    made = story()
    at = {}
    for second in range(0, 3000, 20):
        before = len(made.pages())
        made.at(second)
        for key in made.pages()[before:]:
            at[key] = second
    assert at == {
        "1/1/0/primary/primary": 60,
        "1/1/0/secondary/secondary": 360,
        "1/1/1/primary/primary": 660,
        "1/1/1/secondary/secondary": 960,
        "1/1/1/catchAll/ops": 1260,
    }
    assert (made.status.escalation.state, made.status.escalation.next_action_time) == ("Exhausted", later(1260 + 1800))
    made.at(3060)
    assert made.pages()[-1] == "1/1/2/catchAll/ops"


def test_default_delays_are_none_for_the_first_step_and_300_s_for_others():
    made = story(escalation_policies=(ladder(step("primary"), step("secondary")),))
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.status.escalation.next_action_time == later(300)


def test_a_step_for_other_priorities_is_skipped_and_costs_no_time():
    steps = (
        step("primary", after=60, when=StepCondition(priorities=(Priority.P1, Priority.P2))),
        step("secondary", after=90),
    )
    made = story(escalation_policies=(ladder(*steps),))
    assert made.status.escalation.next_action_time == later(90)
    made.at(90)
    assert made.pages() == ["1/1/0/secondary/secondary"]


def test_a_ladder_without_a_step_for_the_priority_ends_with_the_catch_all():
    only = step("primary", when=StepCondition(priorities=(Priority.P1,)))
    made = story(escalation_policies=(ladder(only),))
    made.at(300)
    assert made.pages() == ["1/1/0/catchAll/ops"]


def test_one_step_may_page_several_and_nobody_twice_at_once():
    made = story(escalation_policies=(ladder(step("both", "primary", "secondary", "primary", after=0), step("next", "secondary", after=0)),))
    assert made.pages() == ["1/1/0/both/primary", "1/1/0/both/secondary"]
    assert made.told().count("Escalated") == 1


# automation


def dwelling(draft: Draft, status: str, reason: str) -> Draft:
    condition = Condition(type="RemediationAllowed", status=ConditionStatus(status), reason=reason, last_transition_time=later(0))
    plan = Plan(runbook="roll-back-bad-rollout", hash="a41c9e", summary="15 -> 14", due_time=later(50))
    return draft.with_status(plan=plan, conditions=(*draft.status.conditions, condition))


@pytest.mark.parametrize(
    ("status", "reason", "at_work"),
    [("True", "Allowed", True), ("False", "DwellRunning", True), ("False", "NoKnownGood", False), ("False", "ModeSuggest", False)],
)
def test_automation_is_at_work_while_an_allowed_plan_dwells(status, reason, at_work):
    made = story()
    seen = world(made.incident, at=60)
    assert automation.at_work(seen, dwelling(draft_of(seen), status, reason)) is at_work


@pytest.mark.parametrize(
    ("attempt", "at_work"),
    [
        (remediation(RemediationPhase.DISPATCHED), True),
        (remediation(RemediationPhase.VERIFYING), True),
        (remediation(RemediationPhase.PENDING), True),
        (
            remediation(
                RemediationPhase.PENDING,
                conditions=(Condition(type="RemediationAllowed", status=ConditionStatus.FALSE, reason="Paused", last_transition_time=later(0)),),
            ),
            False,
        ),
        (remediation(RemediationPhase.UNKNOWN), False),
        (remediation(RemediationPhase.SUCCEEDED, Outcome.SIMULATED), False),
    ],
    ids=["dispatched", "verifying", "pending", "pending and blocked", "unknown", "simulated"],
)
def test_automation_is_at_work_while_an_attempt_runs(attempt, at_work):
    seen = world(story().incident, at=60, remediations=(attempt,))
    assert automation.at_work(seen, draft_of(seen)) is at_work


def test_a_step_waits_for_automation_only_so_long():
    made = story().shows(remediations=(remediation(RemediationPhase.VERIFYING),))
    made.at(60)
    assert made.pages() == []
    assert made.status.escalation.next_action_time == later(360)
    made.at(360)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.status.escalation.step_started_time == later(360)


def test_a_wait_that_nobody_stored_is_no_downtime():
    made = story().shows(remediations=(remediation(RemediationPhase.VERIFYING),))
    made.at(100)
    escalation_ = made.status.escalation.model_copy(update={"next_action_time": None})
    made.incident = made.incident.model_copy(update={"status": made.status.model_copy(update={"escalation": escalation_})})
    ended = remediation(RemediationPhase.CANCELLED, Outcome.SUPERSEDED, started_time=later(50), ended_time=later(359))
    made.shows(remediations=(ended,)).at(361)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.status.escalation.step_started_time == later(359)


@pytest.mark.parametrize(("wait", "paged"), [(None, True), (120, False)], ids=["the default of a P1", "a step that says so"])
def test_a_p1_does_not_wait_unless_the_step_says_so(wait, paged):
    policy = ladder(step("primary", after=60, wait=wait))
    made = story(target=workload(0, 3), escalation_policies=(policy,), remediations=(remediation(RemediationPhase.VERIFYING),))
    made.at(60)
    assert bool(made.pages()) is paged


def test_an_escalate_step_of_a_runbook_pages_at_once_while_the_attempt_goes_on():
    asked = StepStatus(name="page", state=StepState.APPLIED, message="come", outcome=StepOutcome(observed_time=later(20), after={"page": "now"}))
    made = story().shows(remediations=(remediation(RemediationPhase.VERIFYING),))
    made.at(19)
    assert made.pages() == []
    made.shows(remediations=(remediation(RemediationPhase.VERIFYING, steps=(asked,)),)).at(21)
    assert made.pages() == ["1/1/0/primary/primary"]
    made.at(30)
    assert made.pages() == ["1/1/0/primary/primary"], "once"


def test_when_automation_gives_up_the_wait_is_over():
    made = story().shows(remediations=(remediation(RemediationPhase.VERIFYING),))
    made.at(100)
    made.shows(remediations=(remediation(RemediationPhase.CANCELLED, Outcome.SUPERSEDED, ended_time=later(101)),)).at(102)
    assert made.pages() == ["1/1/0/primary/primary"]


@pytest.mark.parametrize(
    "attempt",
    [
        remediation(RemediationPhase.FAILED, Outcome.INEFFECTIVE, started_time=later(10), ended_time=later(30)),
        remediation(RemediationPhase.UNKNOWN, started_time=later(10)),
    ],
    ids=["failed", "unknown"],
)
def test_r37_a_failed_attempt_pages_at_once_and_exactly_once(attempt):
    made = story().shows(remediations=(attempt,))
    for second in (31, 32, 33):
        made.at(second)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.status.escalation.next_action_time == later(331)


def test_an_attempt_that_was_cancelled_hurries_nobody():
    made = story().shows(remediations=(remediation(RemediationPhase.CANCELLED, Outcome.RECOVERED_ITSELF, ended_time=later(30)),))
    made.at(31)
    assert made.pages() == []


# healing, acknowledgement, end


def test_c21_healed_before_the_first_page_calls_nobody():
    made = story(finding=None, remediations=(healed(),))
    made.at(33, healthy=True, since=13)
    assert made.pages() == []
    assert made.condition("Acknowledged") == ("False", "HealedBeforeFirstPage")
    assert made.status.escalation.state == "Stopped"
    assert made.sent(MessageKind.STAND_DOWN) == []


def test_c21_a_page_that_nobody_tried_to_send_yet_is_withdrawn():
    made = story()
    made.at(60)
    made.at(61, finding=None, remediations=(healed(20, 61),), healthy=True, since=20)
    assert made.pages() == []
    assert made.condition("Acknowledged") == ("False", "HealedBeforeFirstPage")


def test_c21_a_page_that_was_on_its_way_is_stood_down():
    made = story()
    made.at(60)
    receipt = made.receipts(61)
    made.at(61, finding=None, remediations=(healed(20, 61),), healthy=True, since=20)
    made.at(62, finding=None, remediations=(healed(20, 61),), deliveries=receipt)
    assert [receiver for receiver, _ in made.sent(MessageKind.STAND_DOWN)] == ["primary"]


def test_everyone_who_was_paged_is_told_once_that_it_is_over():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(61))
    made.at(360)
    made.at(361, deliveries=made.receipts(361))
    for second in (400, 401):
        made.at(second, finding=None, remediations=(healed(380, 400),), healthy=True, since=380)
    assert made.sent(MessageKind.STAND_DOWN) == [
        ("primary", "deploy/checkout: stand down, 6m20s after the fault began; primary and secondary were paged"),
        ("secondary", "deploy/checkout: stand down, 6m20s after the fault began; primary and secondary were paged"),
    ]


def test_r33_also_when_the_target_is_gone():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(61))
    made.at(70, target=GONE, finding=None)
    assert made.sent(MessageKind.STAND_DOWN) == [
        ("primary", "deploy/checkout: stand down, target deleted; 1m10s after the fault began; primary was paged")
    ]


def test_a_page_that_arrived_in_the_last_moment_is_not_denied():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(61), finding=None, remediations=(healed(20, 61),), healthy=True, since=20)
    assert made.message("Resolved") == "20s after the fault began; primary was paged"
    assert [receiver for receiver, _ in made.sent(MessageKind.STAND_DOWN)] == ["primary"]


def test_a_policy_may_spare_people_the_stand_down():
    made = story(escalation_policies=(ladder(notify_on_resolve=False),))
    made.at(60)
    made.at(61, deliveries=made.receipts(61))
    made.at(70, target=GONE, finding=None)
    assert made.sent(MessageKind.STAND_DOWN) == []


def test_an_acknowledgement_stops_the_ladder():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(61))
    acknowledged(made, 100)
    assert (made.status.escalation.state, made.status.escalation.next_action_time) == ("Stopped", None)
    made.at(10_000)
    assert made.pages() == ["1/1/0/primary/primary"]


def test_everyone_who_was_paged_hears_once_who_has_it():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(61))
    acknowledged(made, 100)
    told = [one for one in made.status.escalation.messages if one.kind is MessageKind.ACKNOWLEDGEMENT]
    assert [(one.key, one.receiver) for one in told] == [("1/1/acknowledged/primary", "primary")]
    assert told[0].text.endswith("ana has it")
    made.at(200)
    assert len([one for one in made.status.escalation.messages if one.kind is MessageKind.ACKNOWLEDGEMENT]) == 1


def test_a_hold_stops_no_page():
    made = story().says(hold=Hold(by="ana", reason="I look myself"))
    made.at(60)
    assert made.pages() == ["1/1/0/primary/primary"]


def test_an_acknowledgement_that_ran_out_starts_a_new_run():
    made = story(entries=(entry(tier=1),))
    acknowledged(made, 30)
    made.at(3630)
    assert (made.status.escalation.run, made.status.escalation.next_action_time) == (2, later(3690))
    made.at(3690)
    assert made.pages() == ["1/2/0/primary/primary"]


def test_a_relapse_starts_a_new_run_of_its_episode():
    made = story()
    made.at(33, finding=None, remediations=(healed(),), healthy=True, since=13)
    made.at(100, remediations=(healed(),))
    made.at(160, remediations=(healed(),))
    assert made.pages() == ["2/2/0/primary/primary"]
    assert made.condition("Acknowledged") == ("False", "NotYet")


# firing


def test_nobody_is_paged_while_nothing_fires():
    made = Story(alerted()).shows(finding=None)
    made.at(0)
    made.at(50, active_alerts={KEY: alert(state="suppressed", at=50)}, polled_time=later(50))
    made.at(100, active_alerts={KEY: alert(state="suppressed", at=100)}, polled_time=later(100))
    assert (made.pages(), made.status.escalation.state) == ([], "Paused")
    made.at(200, active_alerts={KEY: alert(at=200)}, polled_time=later(200))
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.status.escalation.next_action_time == later(500)


@pytest.mark.parametrize(
    ("made", "changes"),
    [
        (Story(reported()), {"finding": None}),
        (Story(watched()), {"finding": None, "remediations": (remediation(RemediationPhase.UNKNOWN),)}),
    ],
    ids=["a report that nobody closed", "an effect that can't be known"],
)
def test_what_only_a_person_can_end_counts_as_firing(made, changes):
    made.shows(**changes).at(0)
    made.at(60)
    assert made.pages() == ["1/1/0/primary/primary"]


def test_i9_what_stays_unhealthy_without_any_signal_is_paged_in_the_end():
    made = story()
    made.at(30, finding=None)
    draft = made.at(31, finding=None)
    assert draft.look_again == later(30 + 1800)
    made.at(1829, finding=None)
    assert made.pages() == []
    made.at(1830, finding=None)
    assert made.pages() == ["1/1/0/primary/primary"]


def test_c54_an_alert_beside_a_proved_recovery_pages_only_after_a_grace():
    made = story()
    made.at(5, alerts=(alert(at=5),))
    made.shows(finding=None, remediations=(healed(),))
    draft = made.at(33, healthy=True, since=13)
    assert draft.look_again is not None
    assert draft.look_again <= later(48)
    made.at(632, healthy=True, since=13)
    assert made.pages() == []
    made.at(633, healthy=True, since=13)
    assert made.pages() == ["1/1/0/primary/primary"]


# downtime


def test_c28_after_downtime_missed_steps_are_one_page_to_each_and_the_chain_goes_on():
    made = story()
    made.at(7200)
    assert made.pages() == ["1/1/0/primary/primary", "1/1/0/secondary/secondary"]
    assert made.told().count("Escalated") == 1
    assert made.status.escalation.next_action_time == later(7200 + 300)
    made.at(7201)
    assert len(made.pages()) == 2


def test_c28_an_incident_that_nobody_looked_at_is_paged_at_once():
    made = Story(watched())
    made.at(100)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.status.escalation.step_started_time == later(60)


# receipts


def test_the_first_delivered_page_is_the_time_of_notification():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(60.5))
    message = made.status.escalation.messages[0]
    assert (message.state, message.method, message.sent_time, message.attempts) == ("Delivered", "hook", later(60.5), 1)
    assert (made.status.times.notified_time, made.status.durations.notify_seconds) == (later(60.5), 60)
    assert made.status.escalation.state == "Waiting"


def test_a_page_of_the_last_episode_that_arrives_late_is_no_notification_of_this_one():
    made = story()
    made.at(60)
    late = made.receipts(200)
    made.at(61, deliveries=made.receipts(61, delivered=False, error="it does not answer", final=False))
    made.at(90, finding=None, remediations=(healed(61, 90),), healthy=True, since=61)
    made.at(190, finding=finding(started_time=later(190)), remediations=(healed(61, 90),))
    made.at(201, remediations=(healed(61, 90),), deliveries=late)
    assert (made.status.episode, made.status.escalation.messages[0].state) == (2, "Delivered")
    assert (made.status.times.notified_time, made.status.durations.notify_seconds) == (None, None)


# a raise of the priority after somebody took it


RAISES = ladder(
    step("primary", after=60),
    step("manager", "secondary", after=120, when=StepCondition(priorities=(Priority.P1, Priority.P2))),
    step("major", "fallback", after=180, when=StepCondition(priorities=(Priority.P1,))),
)


def raised(policy=RAISES, *, to_tier: int = 1, ready: int = 3) -> Story:
    """Taken at 10 s as a P3, raised at 20 s."""
    made = story(escalation_policies=(policy,))
    acknowledged(made, 10)
    made.shows(entries=(entry(tier=to_tier),), target=workload(ready)).at(20)
    return made


def test_t6_a_priority_raised_after_the_acknowledgement_pages_only_the_steps_that_the_raise_added():
    made = raised()
    assert made.status.priority == "P2"
    assert made.condition("Acknowledged") == ("False", "AckExpired")
    assert made.says_condition("Acknowledged").startswith(
        "it is P2 now and was P3 when it was taken: step manager is paged as well; to keep it: kubectl patch"
    )
    assert (made.told().count("AckExpired"), made.status.escalation.run, made.status.escalation.raised_from) == (1, 2, "P3")
    at = {}
    for second in range(20, 2000, 20):
        before = len(made.pages())
        made.at(second)
        at |= dict.fromkeys(made.pages()[before:], second)
    assert dict(list(at.items())[:3]) == {"1/2/0/manager/secondary": 140, "1/2/1/manager/secondary": 440, "1/2/1/catchAll/ops": 740}
    assert {key.split("/")[3] for key in at} == {"manager", "catchAll"}
    assert [name for name, _ in made.counts].count("incidents_unacknowledged_total") == 0
    assert made.status.episodes[0].ack_expired_count == 1


def test_a_further_raise_adds_further_steps():
    made = raised()
    made.shows(target=workload(1)).at(30)
    assert made.status.priority == "P1"
    for second in range(40, 400, 20):
        made.at(second)
    assert made.pages() == ["1/2/0/manager/secondary", "1/2/0/major/fallback"]


@pytest.mark.parametrize(
    "policy",
    [ladder(), RAISES.model_copy(update={"spec": RAISES.spec.model_copy(update={"repage_on_raise": False})})],
    ids=["no step is for the higher one alone", "repageOnRaise: false"],
)
def test_whoever_has_it_keeps_it_where_the_raise_adds_nobody(policy):
    made = raised(policy)
    assert (made.status.priority, made.condition("Acknowledged"), made.status.escalation.run) == ("P2", ("True", "ByPerson"), 1)


def test_a_priority_that_falls_pages_nobody():
    made = story(escalation_policies=(RAISES,), entries=(entry(tier=1),))
    acknowledged(made, 10)
    made.says(impact=Impact.MINOR).at(20)
    assert (made.status.priority, made.condition("Acknowledged")) == ("P3", ("True", "ByPerson"))


def test_whoever_takes_it_and_raises_it_at_once_knows():
    made = story(escalation_policies=(RAISES,))
    made.says(acknowledgement=Acknowledgement(by="ana"), impact=Impact.EXTENSIVE).at(20)
    assert (made.status.priority, made.condition("Acknowledged")) == ("P1", ("True", "ByPerson"))


def test_after_a_raise_it_is_kept_by_saying_so_anew():
    made = raised()
    made.at(30)
    assert made.condition("Acknowledged") == ("False", "AckExpired"), "what stands in spec was said before"
    made.says(acknowledgement=Acknowledgement(by="ana", note="on it, also as a P2")).at(40)
    assert made.condition("Acknowledged") == ("True", "ByPerson")
    made.at(50)
    assert made.condition("Acknowledged") == ("True", "ByPerson"), "it was raised once"
    assert made.pages() == []


def test_a_run_that_begins_for_another_reason_climbs_every_step_again():
    made = raised()
    made.at(33, finding=None, remediations=(healed(),), healthy=True, since=30)
    made.at(100, finding=finding(started_time=later(99)), remediations=(healed(),))
    made.at(160, remediations=(healed(),))
    assert (made.status.escalation.raised_from, made.pages()) == (None, ["2/3/0/primary/primary"])


def test_c34_a_page_that_fails_on_every_method_gives_way_to_the_next_step():
    made = story()
    made.at(60)
    made.at(70, deliveries=made.receipts(69, delivered=False, error="Slack answered 500", final=False))
    assert made.pages() == ["1/1/0/primary/primary"]
    made.at(80, deliveries=made.receipts(79, delivered=False, error="mail was refused"))
    assert made.pages() == ["1/1/0/primary/primary", "1/1/0/secondary/secondary"]
    assert made.condition("PageFailed") == ("True", "PageFailed")
    assert made.message("PageFailed") == "primary could not be reached (step primary): mail was refused"
    assert made.told().count("PageFailed") == 1


def test_c34_where_everybody_fails_the_catch_all_is_next_and_its_failure_is_loud():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(61, delivered=False, error="500"))
    made.at(62, deliveries=made.receipts(62, delivered=False, error="500"))
    assert made.pages()[-1] == "1/1/0/catchAll/ops"
    made.at(63, deliveries=made.receipts(63, delivered=False, error="500"))
    assert made.told().count("NobodyReachable") == 1
    assert made.message("NobodyReachable") == "the catch-all failed as well: ops could not be reached (step catchAll): 500"
    assert ("pages_unreachable_total", None) in made.counts
    made.at(64)
    assert len(made.pages()) == 3
    made.at(62 + 1800)
    assert made.pages()[-1] == "1/1/1/catchAll/ops"


def test_a_delivery_of_nothing_that_is_known_changes_nothing():
    made = story()
    before = made.status.escalation
    made.at(1, deliveries=(Delivery(key="9/9/9/x/y", delivered=True, time=later(1)), Delivery(key="odd", delivered=False, time=later(1))))
    assert made.status.escalation == before


# nobody there


def test_c33_a_step_that_reaches_nobody_gives_way_at_once():
    made = story(policy=healing_policy("secondary", "ops"))
    made.at(60)
    assert made.pages() == ["1/1/0/secondary/secondary"]
    assert made.condition("NoResponder") == ("True", "NoResponder")
    assert made.says_condition("NoResponder") == (
        "nobody can be reached by a part of the EscalationPolicy: step primary names primary; make these receivers in HealingPolicy `spec.receivers`"
    )


def test_c33_where_no_step_reaches_anybody_the_catch_all_is_paged_at_once():
    made = story(policy=healing_policy("ops"))
    made.at(60)
    assert made.pages() == ["1/1/0/catchAll/ops"]
    assert made.status.escalation.next_action_time == later(60 + 1800)


def test_c33_where_nobody_at_all_is_there_it_is_loud_and_heals_when_somebody_is():
    made = story(policy=healing_policy("stranger"))
    assert made.told().count("NobodyReachable") == 1
    assert ("pages_unreachable_total", None) in made.counts
    draft = made.at(60)
    assert (made.pages(), draft.look_again) == ([], later(360))
    made.at(61)
    made.shows(policy=healing_policy()).at(62)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.condition("NoResponder") == ("", "")
    assert made.told().count("NobodyReachable") == 1


def test_c33_a_catch_all_that_is_not_there_is_loud_and_paged_as_soon_as_it_is():
    made = story(policy=healing_policy("primary", "secondary"), escalation_policies=(ladder(step("primary"), repeat=Repeat(count=0)),))
    for second in (300, 301, 302):
        made.at(second)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.told().count("Escalated") == 1
    assert made.message("NobodyReachable") == "nobody can be reached: neither a step nor the catch-all names a receiver that is there"
    made.shows(policy=healing_policy()).at(400)
    made.at(401)
    assert made.pages() == ["1/1/0/primary/primary", "1/1/0/catchAll/ops"]


def test_without_any_policy_the_condition_says_how_to_set_one():
    made = story(entries=(), escalation_policies=())
    assert made.status.escalation.state == "Idle"
    assert made.condition("NoResponder") == ("True", "NoResponder")
    assert "kubectl patch healingpolicy default --type=merge" in made.says_condition("NoResponder")
    made.shows(entries=(entry(),), escalation_policies=(ladder(),)).at(70)
    assert made.pages() == ["1/1/0/primary/primary"]


def test_what_is_over_while_nobody_could_be_paged_does_not_pretend_that_a_page_was_due():
    made = story(entries=(), escalation_policies=())
    made.at(33, finding=None, remediations=(healed(),), healthy=True, since=13)
    assert made.condition("Acknowledged") == ("False", "NotYet")
    assert made.says_condition("Acknowledged") == "it was over without anybody: there was nobody who could have been paged"


def test_a_policy_that_cannot_be_read_silences_nobody():
    made = story(policy=UNKNOWN)
    made.at(60)
    assert made.pages() == ["1/1/0/primary/primary"]


# the frozen policy


@pytest.mark.parametrize("after", [(), (ladder(step("other", after=1)),)], ids=["deleted", "changed"])
def test_c31_a_run_goes_on_with_the_policy_as_it_was(after):
    made = story()
    changed = tuple(one.model_copy(update={"metadata": one.metadata.model_copy(update={"generation": 2})}) for one in after)
    made.shows(escalation_policies=changed).at(60)
    assert made.pages() == ["1/1/0/primary/primary"]
    assert made.condition("PolicyChanged") == ("True", "PolicyChanged")
    made.shows(escalation_policies=(ladder(),)).at(61)
    assert made.condition("PolicyChanged") == ("", "")


def default_story() -> Story:
    fallback = ladder(step("all", "fallback", "primary", after=30), name="fallback", namespace="prunella-system")
    return story(
        entries=(),
        escalation_policies=(ladder(), fallback),
        policy=healing_policy(default="fallback"),
        namespace=NamespaceFacts(name="shop", labels={}),
    )


def test_c35_an_owner_that_becomes_known_is_paged_once_and_nobody_twice():
    made = default_story()
    made.at(30)
    assert made.pages() == ["1/1/0/all/fallback", "1/1/0/all/primary"]
    labelled = NamespaceFacts(name="shop", labels={"prunella.dev/team": "shop"})
    made.shows(namespace=labelled).at(40)
    assert made.pages() == ["1/1/0/all/fallback", "1/1/0/all/primary"]
    made.at(340)
    assert made.pages()[2:] == ["1/1/0/secondary/secondary"]
    assert made.status.escalation.policy_ref == NamespacedRef(namespace="shop", name="shop")
    assert made.condition("OwnerUnknown") == ("", "")


def test_c35_an_owner_that_becomes_known_before_the_first_page_takes_over_the_clock():
    made = default_story()
    made.shows(namespace=NamespaceFacts(name="shop", labels={"prunella.dev/team": "shop"})).at(20)
    assert made.status.escalation.next_action_time == later(60)


def test_after_seven_days_paging_stops_and_says_so():
    made = story(target=workload(3), remediations=())
    made.at(604_801)
    assert made.condition("EscalationStale") == ("True", "EscalationStale")
    assert made.status.escalation.state == "Stopped"


# bounds


def test_the_outbox_stays_bounded_and_forgets_nobody_who_was_paged():
    made = story(escalation_policies=(ladder(repeat=Repeat(count=20, interval_seconds=60)),))
    for second in range(0, 200_000, 600):
        made.at(second, deliveries=made.receipts(second))
    assert len(made.status.escalation.messages) <= pages.CAP
    made.at(200_000, target=GONE, finding=None)
    assert {receiver for receiver, _ in made.sent(MessageKind.STAND_DOWN)} == {"primary", "secondary", "ops"}


@given(st.lists(st.integers(1, 900), min_size=1, max_size=25), st.booleans())
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_whenever_it_is_looked_at_the_silence_is_bounded_and_a_second_look_pages_nobody(gaps, delivered):
    made = story(entries=(entry(tier=1),))
    now = 0
    for gap in gaps:
        now += gap
        made.at(now, deliveries=made.receipts(now, delivered=delivered, error="500"))
        sent = made.pages()
        made.at(now)
        assert made.pages() == sent
        assert made.status.escalation.next_action_time is not None
        assert later(now) <= made.status.escalation.next_action_time <= later(now + 1800)
    assert len(made.pages()) == len(set(made.pages()))


def test_a_message_that_was_delivered_is_not_failed_by_a_late_word():
    made = story()
    made.at(60)
    receipts = made.receipts(61)
    made.at(61, deliveries=receipts)
    late = tuple(Delivery(key=one.key, delivered=False, error="too late", time=later(62)) for one in receipts)
    made.at(62, deliveries=late)
    assert made.status.escalation.messages[0].state is MessageState.DELIVERED


def test_the_stage_alone_reads_only_the_draft():
    made = story(entries=(entry(tier=1),))
    seen = world(made.incident, at=60)
    draft = escalation.escalate(seen, draft_of(seen).with_status(priority=Priority.P1, impact=Impact.EXTENSIVE))
    assert draft.status.escalation.messages[0].text.startswith("P1 deploy/checkout: ")


def test_the_catch_all_may_name_several():
    made = story(escalation_policies=(ladder(step("primary"), catch_all=(to("ops"), to("fallback")), repeat=Repeat(count=0)),))
    made.at(300)
    assert made.pages()[1:] == ["1/1/0/catchAll/ops", "1/1/0/catchAll/fallback"]


def test_a_finding_that_is_mended_by_its_owner_stops_paging_too():
    made = story()
    made.at(60)
    made.at(61, deliveries=made.receipts(61), finding=None, healthy=True, since=55)
    made.at(355, finding=None, healthy=True, since=55)
    assert made.condition("Resolved") == ("True", "SignalsCleared")
    assert [receiver for receiver, _ in made.sent(MessageKind.STAND_DOWN)] == ["primary"]
    assert finding().cause == "RolloutCrashLoop"


def test_where_automation_only_observes_no_page_waits_for_a_dwell():
    seen = world()
    dwells = dwelling(draft_of(seen), ConditionStatus.FALSE, "DwellRunning")
    assert automation.at_work(seen, dwells) is True
    assert automation.at_work(seen, replace(dwells, idle=True)) is False
