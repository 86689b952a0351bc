"""What is decided about automation, and what stands on the Incident about it: a reason for everything that is not done (I7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.incident import Hold
from prunella.api.names import Cause, ConditionStatus, Mode, Outcome, Priority, RemediationPhase, RemediationState, Verdict
from prunella.api.runbook import Match, RunbookStep
from prunella.core.draft import Attempt, Draft, Prepare
from prunella.core.facts import UNKNOWN
from prunella.core.healing import judge
from prunella.core.healing.runbooks.plan import runbook_sha256
from prunella.core.healing.steps.capture_evidence import CaptureEvidence
from prunella.core.world import NOT_A_WORKLOAD, Waiting

from .builders import ago, later
from .healing_builders import attempt, condition, ill, incident, permitted, planned, policy, prepared, signal
from .incident_builders import draft_of, metadata

ALLOWED = "RemediationAllowed"
FIRST = "roll back deploy/checkout 3 (h3) -> 2 (h2)"


def judged(world) -> Draft:
    return judge.judge(world, draft_of(world))


def said(draft: Draft):
    found = next(one for one in draft.status.conditions if one.type == ALLOWED)
    return found.status.value, found.reason, found.message


def told(draft: Draft):
    return [(one.what, one.message) for one in draft.status.timeline]


def decisions(draft: Draft):
    return [(one.about, one.verdict.value, one.reason) for one in draft.status.decisions]


def test_what_is_due_and_permitted_becomes_an_attempt():
    world = permitted()
    draft = judged(world)
    assert said(draft) == ("True", "Allowed", f"{FIRST}: all guards passed")
    assert decisions(draft) == [("roll-back", "Chosen", "NewestRevisionFails")]
    assert isinstance(draft.attempt, Attempt)
    assert draft.attempt.name == "checkout-7f3kq-1"
    spec = draft.attempt.spec
    assert (spec.attempt, spec.accused_revision, spec.mode, spec.due_time) == (1, "h3", Mode.AUTO, ago(5))
    assert (spec.incident_ref.name, spec.incident_ref.uid) == ("checkout-7f3kq", "uid-checkout-7f3kq")
    assert (spec.runbook_ref.name, spec.runbook_ref.sha256) == ("roll-back", runbook_sha256(world.runbooks[0]))
    assert spec.requested_by == "system:serviceaccount:prunella-system:prunella"
    assert spec.plan_hash == planned(world).hash == draft.status.plan.hash
    assert draft.needs == ()


def test_a_runbook_that_accuses_nobody_is_chosen_as_allowed():
    world = permitted(runbook("look", RunbookStep(name="evidence", capture_evidence=CaptureEvidence())))
    assert decisions(judged(world)) == [("look", "Chosen", "Allowed")]


def test_during_the_dwell_everything_is_prepared_and_nothing_is_begun():
    book = runbook(match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=60, min_restarts=2))
    draft = judged(ill(book))
    assert said(draft) == ("False", "DwellRunning", f"{FIRST}: waits for 60 s")
    assert decisions(draft) == [("roll-back", "Waiting", "DwellRunning")]
    [wish] = draft.needs
    assert isinstance(wish, Prepare)
    assert (wish.accused_hash, wish.to.hash) == ("h3", "h2")
    assert (draft.attempt, draft.look_again, told(draft)) == (None, later(40), [])


@pytest.mark.parametrize(("mode", "idle"), [(Mode.OBSERVE, True), (Mode.SUGGEST, False), (Mode.AUTO, False)])
def test_where_automation_only_observes_a_dwell_is_no_work(mode, idle):
    book = runbook(mode=mode, match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=60, min_restarts=2))
    draft = judged(ill(book))
    assert (said(draft)[1], draft.idle) == ("DwellRunning", idle)


def test_restarts_that_are_missing_are_waited_for_without_an_instant():
    book = runbook(match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=0, min_restarts=5))
    draft = judged(ill(book))
    assert said(draft)[2] == f"{FIRST}: waits for 2 of 5 restarts and 0 s"
    assert draft.look_again is None


def test_a_refusal_during_the_dwell_is_said_at_once():
    book = runbook(match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=60, min_restarts=2))
    assert said(judged(ill(book, storm_since=ago(5))))[:2] == ("False", "StormActive")


def test_without_the_api_servers_word_nothing_is_begun():
    draft = judged(ill())
    assert said(draft)[:2] == ("False", "EvidenceMissing")
    assert (len(draft.needs), draft.attempt) == (1, None)


@pytest.mark.parametrize(("ahead", "wishes"), [((), 1), (("first",), 0)], ids=["its turn", "somebody else's turn"])
def test_whoever_is_due_and_stands_in_line_has_nothing_prepared_before_its_turn(ahead, wishes):
    waiting = tuple(Waiting(uid=uid, namespace="shop", priority=Priority.P1, since=ago(900)) for uid in ahead)
    draft = judged(ill(waiting=waiting))
    assert len(draft.needs) == wishes
    assert draft.attempt is None
    assert (said(draft)[1] == "ConcurrencyReached") is bool(ahead)


@pytest.mark.parametrize(("age", "wishes"), [(59, 0), (60, 1)], ids=["young", "old"])
def test_an_old_answer_of_the_api_server_is_asked_for_again(age, wishes):
    world = ill()
    world = replace(world, preparation=prepared(planned(world), prepared_time=ago(age)))
    assert len(judged(world).needs) == wishes


def test_r28_a_missing_right_is_said_on_the_incident_and_asked_again_by_itself():
    world = ill()
    world = replace(world, preparation=prepared(planned(world), missing_rights=("patch deployments.apps in shop",)))
    draft = judged(world)
    message = "Prunella may not patch deployments.apps in shop; `kubectl apply -n shop -k manifests/opt-in` grants it in shop"
    assert said(draft) == ("False", "MissingPermission", message)
    assert told(draft) == [("RemediationBlocked", f"MissingPermission: {message}")]
    assert (draft.status.remediation, draft.status.remediation_state) == ("Blocked: MissingPermission", RemediationState.BLOCKED)
    assert draft.look_again == later(15)
    assert [(one.metric, dict(one.labels)) for one in draft.counts] == [("remediations_blocked_total", {"reason": "MissingPermission"})]


def test_a_refusal_is_told_once_for_each_reason():
    world = permitted(storm_since=ago(5))
    first = judged(world)
    assert [what for what, _ in told(first)] == ["RemediationBlocked"]
    again = judge.judge(world, replace(first, counts=()))
    assert (len(told(again)), again.counts) == (1, ())
    other = judge.judge(permitted(policy=policy(pauses=({"name": "x", "reason": "y"},))), replace(first, counts=()))
    assert len(told(other)) == 2


@pytest.mark.parametrize("reason", ["DwellRunning", "ModeObserve", "ModeSuggest", "RolloutInProgress", "TargetHealthy", "ConcurrencyReached"])
def test_a_state_is_no_refusal_that_somebody_must_hear_of(reason):
    assert reason in judge.QUIET


def test_an_instant_at_which_a_refusal_ends_is_shown_to_people():
    hold = Hold(by="ana", reason="looking", until_time=later(90))
    draft = judged(permitted(incident=incident(spec={"hold": hold}, retry_after_time=ago(5))))
    assert (draft.status.retry_after_time, draft.look_again) == (later(90), later(90))
    assert judged(permitted(incident=incident(retry_after_time=ago(5)))).status.retry_after_time is None


@pytest.mark.parametrize(
    ("books", "reason", "about"),
    [
        ((runbook(match=Match(causes=(Cause.CRASH_LOOP,))),), "NoRunbookMatches", [("roll-back", "NotChosen", "OtherCause")]),
        ((runbook("a"), runbook("b")), "RunbooksTied", []),
    ],
    ids=["none fits", "a tie"],
)
def test_where_no_runbook_is_chosen_each_says_why(books, reason, about):
    draft = judged(ill(*books))
    assert (said(draft)[1], decisions(draft), draft.attempt) == (reason, about, None)


def test_a_plan_that_refuses_is_a_decision_about_its_runbook():
    draft = judged(ill(finding=None))
    assert said(draft)[:2] == ("False", "RolloutInProgress")
    assert decisions(draft) == [("roll-back", "Refused", "RolloutInProgress")]
    assert draft.status.plan is None


def test_the_chosen_runbook_stands_before_those_that_were_left():
    draft = judged(permitted(runbook("zz", priority=60), runbook("aa", match=Match(causes=(Cause.CRASH_LOOP,)))))
    assert [about for about, _, _ in decisions(draft)] == ["zz", "aa"]


def test_of_more_runbooks_than_are_kept_those_that_came_near_are_kept():
    far = [runbook(f"far-{number}", priority=90, match=Match(causes=(Cause.CRASH_LOOP,))) for number in range(25)]
    near = runbook("near", priority=1, match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), when="false"))
    draft = judged(ill(*far, near, evaluate=lambda _expression, _variables: False))
    assert decisions(draft)[0] == ("near", "NotChosen", "PreconditionFalse")
    assert len(decisions(draft)) == 20


def test_a_decision_that_says_the_same_keeps_its_time():
    world = permitted(storm_since=ago(5))
    first = judged(world)
    again = judge.judge(replace(world, now=later(60)), replace(first, now=later(60)))
    assert [one.time for one in again.status.decisions] == [one.time for one in first.status.decisions]


# modes


def test_observe_leaves_the_plan_in_the_decisions_and_asks_the_api_server_nothing():
    draft = judged(ill(runbook(mode=Mode.OBSERVE)))
    message = f"would {FIRST}; the effective mode is Observe, so nothing is done"
    assert said(draft) == ("False", "ModeObserve", message)
    assert decisions(draft) == [("roll-back", "Refused", "ModeObserve")]
    assert (draft.needs, draft.attempt, told(draft)) == ((), None, [])
    assert draft.status.plan.summary == FIRST


def test_suggest_makes_one_attempt_that_only_shows():
    draft = judged(permitted(runbook(mode=Mode.SUGGEST)))
    assert said(draft)[1] == "ModeSuggest"
    assert draft.attempt.spec.mode is Mode.SUGGEST
    assert decisions(draft) == [("roll-back", "Refused", "ModeSuggest")]


def test_a_plan_that_was_shown_is_not_shown_again_nor_prepared_again():
    world = ill(runbook(mode=Mode.SUGGEST))
    shown = attempt(1, outcome=Outcome.SIMULATED, phase=RemediationPhase.SUCCEEDED, plan_hash=planned(world).hash, started_time=None)
    draft = judged(replace(world, remediations=(shown,)))
    assert (draft.attempt, draft.needs, said(draft)[1]) == (None, (), "ModeSuggest")
    other = shown.model_copy(update={"spec": shown.spec.model_copy(update={"plan_hash": "other"})})
    assert judged(replace(permitted(runbook(mode=Mode.SUGGEST)), remediations=(other,))).attempt.name == "checkout-7f3kq-2"


# one after the other


@pytest.mark.parametrize("type_", ["Resolved", "Mitigated"])
def test_what_is_over_or_mitigated_is_not_healed(type_):
    over = incident(conditions=(condition(type_, ConditionStatus.TRUE, "Verified"),))
    draft = judged(permitted(incident=over))
    assert draft.attempt is None
    assert all(one.type != ALLOWED for one in draft.status.conditions)


def test_what_is_cancelled_is_not_healed():
    over = incident()
    cancelled = over.status.model_copy(update={"times": over.status.times.model_copy(update={"cancelled_time": ago(5)})})
    assert judged(permitted(incident=over.model_copy(update={"status": cancelled}))).attempt is None


@pytest.mark.parametrize("phase", [None, RemediationPhase.PENDING, RemediationPhase.DISPATCHED, RemediationPhase.VERIFYING])
def test_while_an_attempt_is_under_way_there_is_no_other(phase):
    running = attempt(1, ended=None)
    running = running.model_copy(update={"status": running.status.model_copy(update={"phase": phase})})
    draft = judged(permitted(remediations=(running,)))
    assert said(draft) == ("True", "Allowed", "an attempt is under way")
    assert draft.attempt is None


@pytest.mark.parametrize(
    ("reason", "column"), [("MissingPermission", "Blocked: MissingPermission"), ("ConcurrencyReached", None)], ids=["somebody must hear", "quiet"]
)
def test_an_attempt_that_waits_says_on_the_incident_why(reason, column):
    said_no = condition(ALLOWED, ConditionStatus.FALSE, reason, message="not now")
    waiting = attempt(1, ended=None, phase=RemediationPhase.PENDING, conditions=(said_no,))
    draft = judged(permitted(remediations=(waiting,)))
    assert said(draft) == ("False", reason, "checkout-7f3kq-1 waits: not now")
    assert draft.status.remediation == column
    assert [what for what, _ in told(draft)] == (["RemediationBlocked"] if column else [])


def test_an_attempt_that_cannot_be_known_is_the_end_of_automation_and_says_so():
    draft = judged(permitted(remediations=(attempt(1, ended=None, phase=RemediationPhase.UNKNOWN),)))
    message = "checkout-7f3kq-1: its effect can't be known. Look at deploy/checkout, then annotate the Incident prunella.dev/retry=<token>"
    assert said(draft) == ("False", "BreakerOpen", message)
    assert told(draft) == [("RemediationBlocked", f"BreakerOpen: {message}")]


@pytest.mark.parametrize(
    ("mine", "others", "name"),
    [
        ((), (), "checkout-7f3kq-1"),
        ((attempt(4, Outcome.ABORTED, ended=9000),), (), "checkout-7f3kq-5"),
        ((), (attempt(3, Outcome.ABORTED, ended=9000, target_ref=attempt().spec.target_ref.model_copy(update={"uid": "x"})),), "checkout-7f3kq-4"),
        ((), (attempt(1, Outcome.ABORTED, ended=9000, name="checkout-7f3kq-x", namespace="shop"),), "checkout-7f3kq-1"),
        ((), (attempt(1, Outcome.ABORTED, ended=9000, name="checkout-7f3kq-extra-8"),), "checkout-7f3kq-1"),
        ((), (attempt(6, Outcome.ABORTED, ended=9000, namespace="pay"),), "checkout-7f3kq-1"),
    ],
    ids=["first", "one more than the highest", "of an Incident that was deleted", "no number", "another Incident's", "another namespace"],
)
def test_the_name_is_one_more_than_the_highest_that_exists(mine, others, name):
    draft = judged(permitted(remediations=mine, all_remediations=others))
    assert draft.attempt.name == name


# retry


def test_a_retry_is_heard_once_for_each_token():
    world = permitted(incident=incident(annotations={"prunella.dev/retry": "ana-1"}))
    draft = judged(world)
    assert (draft.status.last_handled_retry, draft.status.last_handled_retry_time) == ("ana-1", world.now)
    assert told(draft)[0] == ("RetryRequested", "a person asked for another try: the breaker is reset")
    assert draft.look_again == later(1)
    heard = replace(world, now=later(5), incident=world.incident.model_copy(update={"status": draft.status}))
    again = judged(heard)
    assert again.status.last_handled_retry_time == world.now
    assert len(told(again)) == 1


STORM = condition(ALLOWED, ConditionStatus.FALSE, "StormActive", message="too many workloads fail at once")
GUESS = "what is known of it may be old, and nothing is done on a guess; it goes on by itself"


def unseen(seconds: float | None, *conditions, **changes):
    """The watch is silent since so many seconds."""
    since = ago(seconds) if seconds is not None else None
    return ill(incident=incident(conditions=conditions, retry_after_time=later(60)), finding=UNKNOWN, unseen_since=since, **changes)


@pytest.mark.parametrize("seconds", [0, 9.9, None], ids=["just now", "a blink", "after a restart"])
@pytest.mark.parametrize("how", [{"watch_fresh": False}, {"target": UNKNOWN}], ids=["a silent watch", "an unreadable target"])
def test_while_a_watch_blinks_what_was_decided_stands_and_not_even_a_write_follows(seconds, how):
    world = unseen(seconds, STORM, **how)
    draft = judged(world)
    assert draft.status == world.incident.status
    assert (draft.attempt, draft.look_again, draft.counts) == (None, later(2), ())


@pytest.mark.parametrize(
    ("seconds", "conditions"),
    [(10, (STORM,)), (0, ())],
    ids=["decided before, and the silence lasts", "nothing was decided yet"],
)
@pytest.mark.parametrize(
    ("how", "what"),
    [({"watch_fresh": False}, "a watch of the cluster is silent"), ({"target": UNKNOWN}, "the target could not be read")],
    ids=["a silent watch", "an unreadable target"],
)
def test_a_silence_that_lasts_is_the_reason_and_is_told(seconds, conditions, how, what):
    draft = judged(unseen(seconds, *conditions, **how))
    assert said(draft) == ("False", "EvidenceMissing", f"{what}: {GUESS}")
    assert told(draft) == [("RemediationBlocked", f"EvidenceMissing: {what}: {GUESS}")]
    assert (draft.status.remediation, draft.status.retry_after_time) == ("Blocked: EvidenceMissing", None)
    assert (draft.attempt, draft.look_again) == (None, later(2))


def test_a_plan_does_not_wait_on_paper_while_nothing_can_be_seen():
    book = runbook(match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=60, min_restarts=2))
    first = judged(ill(book))
    assert [one.verdict for one in first.status.decisions] == [Verdict.WAITING]
    draft = judged(replace(unseen(10, watch_fresh=False), incident=ill().incident.model_copy(update={"status": first.status})))
    assert (said(draft)[1], draft.status.decisions) == ("EvidenceMissing", ())


def after(world, draft):
    """The same world, with what was decided stored."""
    return replace(world, incident=world.incident.model_copy(update={"status": draft.status}))


@pytest.mark.parametrize(
    ("book", "changes", "stands", "column"),
    [
        (runbook(), {"storm_since": ago(5)}, "StormActive", "Blocked: StormActive"),
        (runbook(mode=Mode.OBSERVE), {}, "ModeObserve", None),
        (runbook(), {}, "Allowed", None),
    ],
    ids=["what was refused before", "Observe", "what is permitted"],
)
def test_a_silence_goes_away_and_what_was_told_before_it_is_not_told_again(book, changes, stands, column):
    seen = permitted(book, **changes)
    before = judged(seen)
    silent = judged(replace(after(seen, before), finding=UNKNOWN, watch_fresh=False, unseen_since=ago(10)))
    assert said(silent)[1] == "EvidenceMissing"
    back = judged(after(seen, silent))
    assert (said(back)[1], back.status.remediation) == (stands, column)
    assert told(back) == told(silent)
    again = judged(replace(after(seen, back), finding=UNKNOWN, watch_fresh=False, unseen_since=ago(10)))
    assert said(again)[1] == "EvidenceMissing"
    assert told(again) == told(silent), "one silence of an episode is told"


def test_a_refusal_that_begins_behind_a_silence_is_told():
    silent = judged(unseen(10, STORM, watch_fresh=False))
    back = judged(after(permitted(policy=policy(pauses=({"name": "x", "reason": "y"},))), silent))
    assert [what.partition(":")[0] for _, what in told(back)] == ["EvidenceMissing", "Paused"]


def test_an_alert_that_stands_for_itself_needs_no_watch():
    draft = judged(ill(incident=incident(), target=NOT_A_WORKLOAD, finding=UNKNOWN, watch_fresh=False, unseen_since=ago(60)))
    assert said(draft)[1] != "EvidenceMissing"


@pytest.mark.parametrize(("before", "reason"), [((STORM,), "StormActive"), ((), "RolloutInProgress")], ids=["decided before", "the first time"])
def test_a_controller_that_has_not_caught_up_is_no_silence(before, reason):
    draft = judged(unseen(None, *before))
    assert (said(draft)[1], told(draft), draft.look_again) == (reason, [], later(2))


def test_what_an_attempt_under_way_waits_for_is_true_also_while_nothing_is_seen():
    waits = attempt(
        ended=None,
        started=None,
        phase=RemediationPhase.PENDING,
        conditions=(condition(ALLOWED, ConditionStatus.FALSE, "EvidenceMissing", message="the target could not be read"),),
    )
    draft = judged(replace(unseen(60, STORM, watch_fresh=False), remediations=(waits,)))
    assert said(draft) == ("False", "EvidenceMissing", "checkout-7f3kq-1 waits: the target could not be read")


def test_a_retry_that_says_nothing_is_none():
    assert told(judged(permitted(incident=incident(annotations={"prunella.dev/retry": ""})))) == []


def test_decisions_are_at_most_twenty():
    books = [runbook(f"r{index:02}", match=Match(causes=(Cause.CRASH_LOOP,))) for index in range(30)]
    draft = judged(permitted(runbook("good"), *books))
    assert len(draft.status.decisions) == 20
    assert draft.status.decisions[0].verdict is Verdict.CHOSEN


def test_the_world_that_is_judged_is_the_builders_own():
    """A guard for this file: the default world heals, so that each refusal here is the one that its test is about."""
    assert judged(permitted(incident=incident(signal()))).attempt is not None
    assert metadata().name == "checkout-7f3kq"
