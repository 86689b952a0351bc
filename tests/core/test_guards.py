"""The guards: each one's yes and each of its noes, with reason and sentence; their order is the policy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.adapters.zones import zone_of
from prunella.api.healing_policy import Pause
from prunella.api.incident import Hold
from prunella.api.names import Mode, Outcome, RemediationPhase, SignalState
from prunella.api.runbook import Blocker, ErrorBudget, Limits, RunbookStep
from prunella.api.windows import Window, Windows
from prunella.core.facts import UNKNOWN, NamespaceFacts
from prunella.core.healing.guards import guards, rights
from prunella.core.healing.refusal import Asked, Refusal, first_refusal
from prunella.core.healing.runbooks.plan import runbook_sha256
from prunella.core.healing.steps.restart import Restart
from prunella.core.subject import Owner
from prunella.core.world import GONE, Answers, QueryValue

from .builders import ago, later
from .healing_builders import alert_signal, attempt, ill, incident, permitted, planned, policy, prepared, signal
from .records import quarantined_revision, record_of

ORDER = (
    "Protected",
    "Pause",
    "ControlPlane",
    "Evidence",
    "Storm",
    "Window",
    "Person",
    "Owner",
    "Budget",
    "OnePerTarget",
    "Target",
    "BlastRadius",
    "Rights",
    "Approval",
)
RESTART = RunbookStep(name="restart", restart=Restart())


def answers(world, made):
    return {asked.guard: asked.refusal for asked in guards.ask(world, made)}


def test_the_order_of_the_list_is_the_policy():
    assert tuple(name for name, _ in guards.GUARDS) == ORDER


def test_where_nothing_speaks_against_it_every_guard_says_yes():
    world = permitted()
    assert answers(world, planned(world)) == dict.fromkeys(ORDER)


def test_all_are_asked_and_the_first_refusal_in_the_order_is_the_reason():
    world = permitted(control_plane_ok=False, storm_since=ago(5), policy=policy(pauses=(Pause(name="freeze", reason="year end"),)))
    asked = guards.ask(world, planned(world))
    assert tuple(one.guard for one in asked) == ORDER
    assert [one.guard for one in asked if one.refusal] == ["Pause", "ControlPlane", "Storm"]
    assert first_refusal(asked).reason == "Paused"


def test_a_refusal_that_is_only_shown_is_no_reason():
    shown = Asked(guard="Rights", refusal=Refusal(reason="MissingPermission", message="no"), shown_only=True)
    real = Asked(guard="Target", refusal=Refusal(reason="TargetHealthy", message="well"))
    assert first_refusal((shown,)) is None
    assert first_refusal((shown, real)).reason == "TargetHealthy"


@pytest.mark.parametrize(("mode", "shown"), [(Mode.OBSERVE, True), (Mode.SUGGEST, True), (Mode.APPROVE, False), (Mode.AUTO, False)])
def test_missing_rights_are_a_reason_only_where_the_mode_would_act(mode, shown):
    world = ill()
    made = planned(world, mode=mode)
    world = replace(world, preparation=prepared(made, missing_rights=("patch deployments.apps in shop",)))
    asked = guards.ask(world, made)
    [rights] = [one for one in asked if one.guard == "Rights"]
    assert rights.refusal.reason == "MissingPermission", "it is shown in every mode"
    assert rights.shown_only == shown
    assert (first_refusal(asked) is None) == shown


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"namespace": "kube-system"}, "namespace kube-system is protected: nothing is ever changed there"),
        ({"namespace": "monitoring"}, "namespace monitoring is protected: nothing is ever changed there"),
        ({"namespace": "healers"}, "namespace healers is protected: nothing is ever changed there"),
        ({"kind": "ReplicaSet"}, "step 'rollback' (rollBack) is for DaemonSet, Deployment, StatefulSet, not for ReplicaSet"),
    ],
    ids=["kube-system", "another of the list", "the operator's own", "a kind that is none of ours"],
)
def test_protected_namespaces_and_kinds_are_left_alone(facts, message):
    world = ill(operator_namespace="healers", runbooks=(runbook(namespace="healers"),))
    made = planned(world)
    made = replace(made, subject=replace(made.subject, **facts))
    refusal = guards.protected(world, made)
    assert (refusal.reason, refusal.message) == ("UnmanagedResource", message)


def test_the_operators_namespace_is_protected_even_if_the_policy_cannot_be_read():
    world = ill(policy=UNKNOWN)
    made = planned(world)
    refusal = guards.protected(world, replace(made, subject=replace(made.subject, namespace="prunella-system")))
    assert refusal.reason == "UnmanagedResource"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (UNKNOWN, "the HealingPolicy 'default' could not be read: without the kill switch nothing is done"),
        (
            policy(pauses=(Pause(name="freeze", reason="year end", by="ana"),)),
            "paused by 'freeze': year end (by ana); remove it from HealingPolicy `spec.pauses` to go on",
        ),
        (
            policy(pauses=(Pause(name="shop", reason="sale", namespaces=("shop",)),)),
            "paused by 'shop': sale; remove it from HealingPolicy `spec.pauses` to go on",
        ),
        (policy(pauses=(Pause(name="pay", reason="audit", namespaces=("pay",)),)), None),
        (policy(), None),
    ],
    ids=["unreadable", "everywhere", "here", "elsewhere", "nowhere"],
)
def test_a_pause_holds_where_it_says(given, message):
    world = ill(policy=given)
    refusal = guards.pause(world, planned(world))
    assert refusal == (None if message is None else Refusal(reason="Paused", message=message))


def test_an_ill_control_plane_is_given_no_more_work():
    world = ill(control_plane_ok=False)
    assert guards.control_plane(world, planned(world)) == Refusal(
        reason="ControlPlaneUnhealthy", message="the API server does not answer its readiness check in time", look_again_time=later(10)
    )


OLD = "a watch of the cluster is silent: what is known of the target may be old"
UNREAD = "the target's record or namespace could not be read"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"watch_fresh": False}, OLD),
        ({"finding": UNKNOWN}, "what is seen of deploy/checkout does not say whether it is well: nothing is done on a guess"),
        ({"target": UNKNOWN}, "the target could not be read: what is known of it may be old"),
        ({"target": UNKNOWN, "hidden": "Secret 'shop/tls' can't be read"}, "Secret 'shop/tls' can't be read: what is known of it may be old"),
        ({"finding": UNKNOWN, "hidden": "Secret 'shop/tls' is odd"}, "Secret 'shop/tls' is odd: nothing is done on a guess"),
        ({"record": UNKNOWN}, UNREAD),
        ({"namespace": UNKNOWN}, UNREAD),
        ({}, None),
    ],
    ids=[
        "silent watch",
        "finding unknown",
        "target unknown",
        "a Secret that can't be read",
        "a Secret that can't be judged",
        "record unknown",
        "namespace unknown",
        "all there",
    ],
)
def test_missing_evidence_is_no_permission(changes, message):
    made = planned(ill())
    refusal = guards.evidence(replace(ill(), **changes), made)
    if message is None:
        assert refusal is None
    else:
        assert (refusal.reason, refusal.message, refusal.look_again_time) == ("EvidenceMissing", message, later(10))


@pytest.mark.parametrize(
    ("changes", "reason", "message"),
    [
        (
            {"alert_source_fresh": False},
            "AlertSourceStale",
            "neither a webhook nor a good poll of Alertmanager for 600 s: the alert may be old",
        ),
        ({"alert_rules": {}}, "EvidenceMissing", "Prometheus did not tell the `for` of rule HighErrors: one sample is no proof"),
        ({"alert_rules": {"HighErrors": 119}}, "EvidenceMissing", "rule HighErrors has `for` 119 s; at least 120 s are needed to act on it"),
        ({"alert_rules": {"HighErrors": 120}}, None, None),
    ],
    ids=["no word for 600 s", "rule unknown", "rule too quick", "two minutes are enough"],
)
def test_where_only_an_alert_accuses_its_source_and_rule_must_be_good(changes, reason, message):
    world = replace(ill(alert_rules={"HighErrors": 300}), **changes)
    refusal = guards.evidence(world, planned(ill(), by_alert=alert_signal()))
    assert (refusal and (refusal.reason, refusal.message)) == (None if reason is None else (reason, message))


@pytest.mark.parametrize(("severity", "enough"), [("critical", False), ("warning", True), ("", False)])
def test_of_two_rules_of_one_name_the_one_counts_that_gives_the_alert_its_severity(severity, enough):
    world = ill(alert_rules={"HighErrors/critical": 60, "HighErrors/warning": 3600})
    labels = {"alertname": "HighErrors", **({"severity": severity} if severity else {})}
    assert (guards.evidence(world, planned(ill(), by_alert=alert_signal(labels=labels))) is None) == enough


@pytest.mark.parametrize("fresh", [True, False])
def test_r36_a_stale_alert_source_does_not_hold_back_what_the_watch_sees(fresh):
    world = ill(alert_source_fresh=fresh)
    assert guards.evidence(world, planned(world)) is None


@pytest.mark.parametrize(
    ("changes", "refuses"),
    [
        ({}, True),
        ({"ended": 10}, False),
        ({"plan": "another"}, False),
        ({"started": 12}, False),
        ({"phase": RemediationPhase.FAILED}, False),
        ({"ended": None}, False),
    ],
    ids=["a moment ago", "ten seconds ago", "another plan", "it acted", "it failed", "it has no end"],
)
def test_a_live_read_that_said_otherwise_is_believed_for_ten_seconds(changes, refuses):
    made = planned(ill())
    given = {"ended": 9, "phase": RemediationPhase.CANCELLED, "plan": made.hash, "started": None} | changes
    before = attempt(
        outcome=Outcome.RECOVERED_ITSELF,
        ended=given["ended"],
        phase=given["phase"],
        plan_hash=given["plan"],
        message="checkout shows no fault any more",
        started_time=ago(12) if given["started"] else None,
    )
    refusal = guards.evidence(ill(remediations=(before,)), made)
    expected = Refusal(
        reason="EvidenceMissing",
        message="checkout-7f3kq-1 found it otherwise a moment ago (checkout shows no fault any more): the watch has yet to catch up",
        look_again_time=later(1),
    )
    assert refusal == (expected if refuses else None)


def test_in_a_storm_nothing_is_done_to_the_single_one():
    world = ill(storm_since=ago(1))
    assert guards.storm(world, planned(world)) == Refusal(
        reason="StormActive", message="too many workloads fail at once: the single one is not at fault; people look first"
    )


def test_an_attempt_that_did_harm_opens_the_breaker():
    world = ill(remediations=(attempt(outcome=Outcome.WORSENED),))
    assert guards.storm(world, planned(world)) == Refusal(
        reason="BreakerOpen",
        message="checkout-7f3kq-1: it ended Worsened. Look at deploy/checkout, then annotate the Incident prunella.dev/retry=<token>",
    )


@pytest.mark.parametrize(
    ("until", "refuses"), [(None, True), (1, True), (0, False), (-5, False)], ids=["without an end", "not over", "just over", "long over"]
)
def test_a_hold_keeps_automation_away_until_it_ends(until, refuses):
    at = None if until is None else later(until)
    world = ill(incident=incident(spec={"hold": Hold(by="ana", reason="looking", until_time=at)}))
    expected = Refusal(reason="HumanOverride", message="ana holds it: looking", look_again_time=at) if refuses else None
    assert guards.person(world, planned(world)) == expected


@pytest.mark.parametrize(("value", "refuses"), [("Observe", True), ("Auto", False), ("", False)])
def test_a_workload_may_opt_out_by_its_own_annotation(value, refuses):
    world = ill()
    made = planned(world)
    made = replace(made, subject=replace(made.subject, annotations={"prunella.dev/mode": value}))
    expected = Refusal(reason="HumanOverride", message="deploy/checkout is annotated prunella.dev/mode: Observe") if refuses else None
    assert guards.person(world, made) == expected


def test_a_person_who_changed_the_target_during_an_attempt_has_it():
    world = ill(remediations=(attempt(outcome=Outcome.SUPERSEDED, phase=RemediationPhase.CANCELLED),))
    assert guards.person(world, planned(world)) == Refusal(
        reason="HumanOverride", message="somebody changed the target during checkout-7f3kq-1: theirs stands, automation stays away"
    )


@pytest.mark.parametrize(("hash_", "refuses"), [("h3", True), ("h1", False)], ids=["the accused one", "another"])
def test_a_quarantined_revision_that_came_back_is_a_persons_decision(hash_, refuses):
    world = ill()
    made = planned(world)
    refusal = guards.person(replace(world, record=record_of(quarantined=(quarantined_revision(hash_),))), made)
    expected = Refusal(
        reason="QuarantinedReapplied",
        message="revision 3 was rolled back before and somebody applied it again: that is a person's decision",
    )
    assert refusal == (expected if refuses else None)


def test_a_plan_that_accuses_no_revision_asks_for_no_quarantine():
    world = ill(record=record_of(quarantined=(quarantined_revision("h3"),)))
    assert guards.person(world, planned(ill(), accused=None)) is None


def test_another_owner_would_change_it_back():
    world = ill()
    made = planned(world)
    owned = replace(made, subject=replace(made.subject, owner=Owner(api_version="example.com/v1", kind="Shop", name="main")))
    assert guards.owner(world, owned).reason == "OwnedByOperator"
    assert guards.owner(world, made) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"remediations": (attempt(1, ended=3000), attempt(2, ended=1700))}, "ConsecutiveFailures"),
        ({"remediations": (attempt(1, ended=1700),)}, "RecentlyRemediated"),
        ({"all_remediations": tuple(attempt(n, name=f"other-{n}", ended=1900 + n, accused_revision="h9") for n in (1, 2, 3))}, "BudgetSpent"),
        ({}, None),
    ],
    ids=["attempts", "cooldown", "budget", "free"],
)
def test_the_budget_guard_asks_attempts_then_cooldown_then_budgets(changes, reason):
    world = ill(**changes)
    refusal = guards.budget(world, planned(ill()))
    assert (refusal and refusal.reason) == reason


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ((attempt(1, ended=None),), "DuplicateInProgress"),
        ((attempt(1, ended=None, target_ref=attempt().spec.target_ref.model_copy(update={"uid": "other"})),), "ConcurrencyReached"),
        ((), None),
    ],
    ids=["at this target", "in this namespace", "none"],
)
def test_one_attempt_at_a_time(others, reason):
    refusal = guards.one_per_target(ill(all_remediations=others), planned(ill()))
    assert (refusal and refusal.reason) == reason


@pytest.mark.parametrize(
    ("changes", "plan", "reason", "message"),
    [
        ({"target": GONE}, {}, "TargetChanged", "deploy/checkout is gone or was made anew: the plan was for another object"),
        (
            {},
            {"subject": replace(planned(ill()).subject, desired=0)},
            "HumanOverride",
            "deploy/checkout was scaled to zero: that is somebody's decision",
        ),
        ({"finding": None}, {}, "TargetHealthy", "deploy/checkout shows no fault any more"),
        ({"finding": None}, {"by_alert": alert_signal()}, None, None),
        ({"finding": None, "incident": incident(signal(), alert_signal())}, {}, None, None),
        ({"finding": None, "incident": incident(alert_signal(state=SignalState.RESOLVED))}, {}, "TargetHealthy", None),
        ({}, {}, None, None),
    ],
    ids=["gone", "scaled to zero", "healthy", "accused by an alert", "an alert fires as well", "the alert is over", "still ill"],
)
def test_the_target_must_still_be_that_object_and_still_be_ill(changes, plan, reason, message):
    refusal = guards.target(ill(**changes), planned(ill(), **plan))
    assert (refusal and refusal.reason) == reason
    if message is not None:
        assert refusal.message == message


@pytest.mark.parametrize(
    ("facts", "steps", "refuses"),
    [
        ({"strategy": "Recreate"}, (RESTART,), True),
        ({"kind": "StatefulSet", "desired": 1}, (RESTART,), True),
        ({"kind": "StatefulSet", "desired": 2}, (RESTART,), False),
        ({"strategy": "Recreate", "ready": 0}, (RESTART,), False),
        ({}, (RESTART,), False),
        ({"strategy": "Recreate"}, (), False),
    ],
    ids=["Recreate", "StatefulSet of one", "StatefulSet of two", "nothing is ready anyway", "RollingUpdate", "a rollback"],
)
def test_a_restart_never_stops_the_last_ready_pods(facts, steps, refuses):
    made = planned(ill())
    made = replace(made, runbook=runbook("r", *steps), subject=replace(made.subject, **facts))
    refusal = guards.blast_radius(ill(), made)
    short = "sts/checkout" if "kind" in facts else "deploy/checkout"
    message = f"a restart would stop the last ready pods of {short} before new ones are there"
    assert refusal == (Refusal(reason="LastReadyReplica", message=message) if refuses else None)


@pytest.mark.parametrize(
    ("preparation", "reason", "message", "again"),
    [
        (None, "EvidenceMissing", "the API server was not asked yet whether the plan is permitted", None),
        ({"plan_hash": "other"}, "EvidenceMissing", "the API server was not asked yet whether the plan is permitted", None),
        (
            {"missing_rights": ("patch deployments.apps in shop", "delete pods in shop")},
            "MissingPermission",
            "Prunella may not patch deployments.apps in shop, delete pods in shop; `kubectl apply -n shop -k manifests/opt-in` grants it in shop",
            15,
        ),
        ({"rights_known": False}, "EvidenceMissing", "the API server did not say whether Prunella has the rights for it", 15),
        (
            {"dry_run_error": "exceeded quota: pods"},
            "QuotaHeadroom",
            "the API server would refuse the change: exceeded quota: pods",
            15,
        ),
        ({"step_refuses": "SelectionTooWide", "dry_run_error": "n2 is out"}, "SelectionTooWide", "n2 is out", 15),
        ({"dry_run_error": "denied by policy"}, "EvidenceMissing", "the API server would refuse the change: denied by policy", 15),
        ({}, None, None, None),
    ],
    ids=["not asked", "asked for another plan", "rights missing", "rights unknown", "quota", "the step refuses", "refused", "permitted"],
)
def test_r28_the_api_server_must_permit_it(preparation, reason, message, again):
    world = ill()
    made = planned(world)
    if preparation is not None:
        given = prepared(made, **{key: value for key, value in preparation.items() if key != "plan_hash"})
        world = replace(world, preparation=replace(given, **{key: value for key, value in preparation.items() if key == "plan_hash"}))
    refusal = rights.refused(world, made)
    assert refusal == (None if reason is None else Refusal(reason=reason, message=message, look_again_time=later(again) if again else None))


@pytest.mark.parametrize(
    ("age", "changes", "holds"),
    [
        (59, {}, True),
        (60, {}, False),
        (14, {"missing_rights": ("patch deployments.apps in shop",)}, True),
        (15, {"missing_rights": ("patch deployments.apps in shop",)}, False),
        (15, {"rights_known": False}, False),
        (15, {"dry_run_error": "no"}, False),
    ],
)
def test_what_the_api_server_said_is_believed_for_a_minute_and_a_no_for_a_quarter(age, changes, holds):
    world = ill()
    made = planned(world)
    world = replace(world, preparation=prepared(made, prepared_time=ago(age), **changes))
    assert (rights.prepared(world, made) is not None) == holds


@pytest.mark.parametrize(
    ("mode", "reason", "message"),
    [
        (Mode.AUTO, None, None),
        (Mode.OBSERVE, "ModeObserve", "would {}; the effective mode is Observe, so nothing is done"),
        (Mode.SUGGEST, "ModeSuggest", "suggests to {}; the effective mode is Suggest, a person has to do it"),
        (Mode.APPROVE, None, None),
    ],
)
def test_the_mode_is_the_last_gate(mode, reason, message):
    made = planned(ill(), mode=mode)
    refusal = guards.gate(made, later(5))
    expected = None if reason is None else Refusal(reason=reason, message=message.format(made.summary), look_again_time=later(5))
    assert refusal == expected


def test_a_namespace_that_is_not_read_is_not_asked_twice():
    """A namespace without labels is read and opts in to nothing: that is a mode, not missing evidence."""
    world = ill(namespace=NamespaceFacts(name="shop"))
    assert guards.evidence(world, planned(world)) is None


# windows, and what the Runbook waits for

OPEN = Window(name="year-end", schedule="0 11 * * *", duration_seconds=7200, time_zone="UTC", reason="the books are closed")
SHUT = Window(name="night", schedule="0 22 * * *", duration_seconds=3600, time_zone="UTC", reason="few customers")
BACKUP = Blocker(name="backup", promql="backup_running", when="value > 0", reason="a backup must not be torn")


@pytest.mark.parametrize(
    ("of_policy", "of_runbook", "begins"),
    [
        (Windows(), Windows(), ""),
        (Windows(deny=(OPEN,)), Windows(), "HealingPolicy, window 'year-end': the books are closed"),
        (Windows(), Windows(deny=(OPEN,)), "Runbook roll-back, window 'year-end': the books are closed"),
        (Windows(allow=(SHUT,)), Windows(), "HealingPolicy: no window that allows it is open"),
        (Windows(allow=(OPEN,)), Windows(allow=(SHUT,)), "Runbook roll-back: no window that allows it is open"),
        (Windows(allow=(OPEN,)), Windows(allow=(OPEN,)), ""),
    ],
    ids=["none", "the policy denies", "the Runbook denies", "the policy does not allow", "both must allow", "both allow"],
)
def test_the_windows_of_the_policy_and_of_the_runbook_hold_both(of_policy, of_runbook, begins):
    world = ill(runbook(windows=of_runbook), policy=policy(windows=of_policy), zone_of=zone_of)
    refusal = guards.window(world, planned(world))
    if not begins:
        assert refusal is None
    else:
        assert refusal.reason == "InWindow"
        assert refusal.message.startswith(begins)


def test_without_the_policy_its_windows_are_not_known_and_hold_everything_back():
    world = ill(policy=UNKNOWN)
    assert guards.window(world, planned(world)).reason == "InWindow"


def test_a_window_is_said_before_what_the_runbook_waits_for():
    book = runbook(block_if=(BACKUP,))
    answers = Answers(values={"backup_running": QueryValue(value=1.0)}, asked_time=ago(1))
    world = ill(book, answers=answers, zone_of=zone_of)
    assert guards.window(world, planned(world)).reason == "BlockIfTrue"
    assert guards.window(replace(world, policy=policy(windows=Windows(deny=(OPEN,)))), planned(world)).reason == "InWindow"


def test_what_begins_nothing_passes_storm_window_and_budget_and_nothing_else():
    world = permitted(
        control_plane_ok=False,
        storm_since=ago(5),
        policy=policy(windows=Windows(deny=(OPEN,))),
        remediations=(attempt(1, ended=3000), attempt(2, ended=1700)),
        zone_of=zone_of,
    )
    made = planned(world)
    assert [one.guard for one in guards.ask(world, made) if one.refusal] == ["ControlPlane", "Storm", "Window", "Budget"]
    asked = guards.ask(world, made, begins=False)
    assert [one.guard for one in asked if one.refusal] == ["ControlPlane"]
    assert tuple(one.guard for one in asked) == ORDER


# the Runbook's own record


def failing(book, *ended):
    """Attempts of the Runbook at other targets that failed so many seconds ago."""
    ref = attempt().spec.runbook_ref.model_copy(update={"sha256": runbook_sha256(book)})
    target = attempt().spec.target_ref.model_copy(update={"uid": "other", "name": "cart"})
    made = [attempt(n, name=f"cart-{n}", target_ref=target, ended=at, namespace="cart") for n, at in enumerate(ended, 1)]
    return tuple(one.model_copy(update={"spec": one.spec.model_copy(update={"runbook_ref": ref})}) for one in made)


def test_a_runbook_that_failed_too_often_acts_as_approve():
    book = runbook(limits=Limits(error_budget=ErrorBudget(failures=2, of=5)))
    world = permitted(book, all_remediations=failing(book, 8000, 7000))
    made = planned(world)
    assert made.mode is Mode.APPROVE
    asked = guards.ask(world, made)
    assert [(one.guard, one.refusal.reason, one.shown_only) for one in asked if one.refusal] == [
        ("Budget", "IneffectiveChain", True),
        ("Approval", "AwaitingApproval", True),
    ]
    assert first_refusal(asked) is None, "a Runbook that asks still may"
    assert guards.gate(made, None) is None


def test_where_the_plan_was_made_in_auto_the_failing_runbook_is_refused():
    book = runbook(limits=Limits(error_budget=ErrorBudget(failures=2, of=5)))
    world = permitted(book, all_remediations=failing(book, 8000, 7000))
    refusal = first_refusal(guards.ask(world, replace(planned(world), mode=Mode.AUTO, demoted=None)))
    assert refusal.reason == "IneffectiveChain"


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SUGGEST, Mode.APPROVE])
def test_a_runbook_that_does_not_act_is_not_lowered_any_further(mode):
    book = runbook(mode=mode, limits=Limits(error_budget=ErrorBudget(failures=1, of=5)))
    world = permitted(book, all_remediations=failing(book, 8000))
    made = planned(world)
    assert (made.mode, made.demoted) == (mode, None)
    gate = guards.gate(made, None)
    assert (gate and gate.reason) == {Mode.OBSERVE: "ModeObserve", Mode.SUGGEST: "ModeSuggest"}.get(mode)


def test_what_is_spent_is_said_before_the_runbooks_own_record():
    book = runbook(limits=Limits(error_budget=ErrorBudget(failures=1, of=5)))
    world = permitted(book, all_remediations=failing(book, 8000), remediations=(attempt(1, ended=3000), attempt(2, ended=1700)))
    assert guards.budget(world, planned(world)).reason == "ConsecutiveFailures"


@pytest.mark.parametrize(("ended", "refuses"), [(300, True), (None, False), (50, False)], ids=["half open", "no storm", "it began before the calm"])
def test_an_attempt_that_fails_after_a_storm_holds_everything_back_before_the_brake_is_on(ended, refuses):
    given = policy()
    given = given.model_copy(update={"status": given.status.model_copy(update={"storm_ended_time": ago(ended) if ended else None})})
    other = attempt(outcome=Outcome.INCONCLUSIVE, ended=30, started=60, name="cart-1", uid="uid-cart-1")
    other = other.model_copy(update={"spec": other.spec.model_copy(update={"target_ref": other.spec.target_ref.model_copy(update={"uid": "cart"})})})
    world = permitted(policy=given, all_remediations=(other,))
    answer = guards.storm(world, planned(world))
    message = "cart-1 was tried after a storm, and did not heal: it is not over; people look first"
    assert answer == (Refusal(reason="StormActive", message=message) if refuses else None)
