"""Which Runbook fits: by cause or alert, by target, by condition; a tie is reported, never guessed."""

from __future__ import annotations

import pytest
from tests.fakes.operator import cel
from tests.fakes.runbooks import runbook

from prunella.api.common import LabelSelector
from prunella.api.names import Cause, SignalState, StepImpact
from prunella.api.runbook import Match, RunbookStep, TargetMatch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import match
from prunella.core.healing.runbooks.match import Fit
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.escalate import Escalate
from prunella.core.healing.steps.step import Done, StepKind, nothing
from prunella.core.world import GONE, Unevaluable

from .healing_builders import alert_signal, ill, incident, refused, signal, status

CRASH = (Cause.ROLLOUT_CRASH_LOOP,)


@pytest.mark.parametrize(
    ("namespace", "account", "reason", "message"),
    [
        ("prunella-system", None, None, None),
        (
            "prunella-system",
            "healer",
            "ServiceAccountUnsupported",
            "a Runbook of the operator's namespace acts as the operator: remove serviceAccountName",
        ),
        ("shop", None, "ServiceAccountRequired", "a Runbook outside prunella-system must name a serviceAccountName of its namespace"),
        ("shop", "healer", None, None),
    ],
    ids=["the operator's own", "with an account", "elsewhere without one", "elsewhere with one"],
)
def test_a_runbook_is_used_where_it_can_be_told_as_whom_it_acts(namespace, account, reason, message):
    one = runbook(namespace=namespace, service_account_name=account)
    answer = match.usable(one, "prunella-system")
    assert answer == (None if reason is None else Refusal(reason=reason, message=message))
    if reason is not None:
        assert match.fit(ill(), status(), one) == answer


@pytest.mark.parametrize(
    ("wanted", "changes", "message"),
    [
        (Match(causes=CRASH), {}, None),
        (Match(causes=(Cause.CRASH_LOOP, Cause.ROLLOUT_STUCK)), {}, "it is for CrashLoop, RolloutStuck; the cause is RolloutCrashLoop"),
        (Match(alerts=('{alertname="A"}',)), {}, "it is for its alerts; the cause is RolloutCrashLoop"),
        (Match(), {}, "it is for its alerts; the cause is RolloutCrashLoop"),
        (Match(causes=CRASH), {"target": GONE}, "the target is no object that could be acted on"),
        (Match(causes=CRASH, targets=TargetMatch()), {}, None),
        (Match(causes=CRASH, targets=TargetMatch(kinds=("Deployment", "DaemonSet"))), {}, None),
        (
            Match(causes=CRASH, targets=TargetMatch(kinds=("StatefulSet", "DaemonSet"))),
            {},
            "it is for StatefulSet, DaemonSet, not for a Deployment",
        ),
        (Match(causes=CRASH, targets=TargetMatch(selector=LabelSelector(match_labels={"app": "checkout"}))), {}, None),
        (
            Match(causes=CRASH, targets=TargetMatch(selector=LabelSelector(match_labels={"app": "checkout", "tier": "web"}))),
            {},
            "the target lacks its labels tier=web",
        ),
    ],
    ids=[
        "its cause",
        "another cause",
        "alerts that don't fire",
        "an empty match",
        "no workload",
        "targets that restrict nothing",
        "its kind",
        "another kind",
        "its labels",
        "a label is missing",
    ],
)
def test_a_runbook_fits_by_cause_target_and_labels(wanted, changes, message):
    one = runbook(match=wanted)
    answer = match.fit(ill(one, **changes), status(), one)
    reason = "OtherCause" if message is not None and "; the cause is" in message else "NoRunbookMatches"
    assert answer == (Fit(runbook=one) if message is None else Refusal(reason=reason, message=message))


def test_r31_a_selection_that_comes_out_empty_is_never_acted_on():
    one = runbook(match=Match(causes=CRASH, targets=TargetMatch(selector=LabelSelector(match_labels={"app": "nobody"}))))
    world = ill(one, runbooks=(one,))
    chosen, left = match.choose(world, status())
    assert isinstance(chosen, Refusal)
    assert chosen.reason == "NoRunbookMatches"
    assert [considered.why.message for considered in left] == ["the target lacks its labels app=nobody"]


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (True, None),
        (False, "its condition 'x' is false"),
        (Unevaluable("no such key: x"), "its condition 'x' could not be told: no such key: x"),
    ],
)
def test_a_condition_must_be_true_and_one_that_cannot_be_told_is_not(verdict, message):
    one = runbook(match=Match(causes=CRASH, when="x"))
    answer = match.fit(ill(one, evaluate=lambda _expression, _variables: verdict), status(), one)
    assert answer == (Fit(runbook=one) if message is None else Refusal(reason="PreconditionFalse", message=message))


def test_a_runbook_with_a_step_of_a_newer_version_is_not_used():
    one = runbook("new", RunbookStep(name="shine", polish={}))
    assert refused(match.fit(ill(one), status(), one)) == Refusal(
        reason="NoRunbookMatches", message="it can't be used: step 'shine' has the unknown action 'polish'"
    )


@pytest.mark.parametrize(
    ("signals", "alerts", "by_alert"),
    [
        ((alert_signal("HighErrors"),), ('{alertname="HighErrors"}',), True),
        ((alert_signal("HighErrors"),), ('{alertname="Other"}', '{alertname=~"High.*"}'), True),
        ((alert_signal("HighErrors"),), ('{alertname="Other"}',), False),
        ((alert_signal("HighErrors", state=SignalState.RESOLVED),), ('{alertname="HighErrors"}',), False),
        ((signal(labels={"alertname": "HighErrors"}),), ('{alertname="HighErrors"}',), False),
        ((alert_signal("HighErrors"),), ("{broken",), False),
    ],
    ids=["its alert", "one of its alerts", "another alert", "an alert that is over", "a watch signal", "a matcher that is none"],
)
def test_a_runbook_fits_by_an_alert_that_fires(signals, alerts, by_alert):
    one = runbook(match=Match(alerts=alerts))
    told = status(*signals, cause=Cause.ALERT)
    answer = match.fit(ill(one, evaluate=cel()), told, one)
    if by_alert:
        assert answer == Fit(runbook=one, by_alert=signals[0])
    else:
        assert refused(answer).message == "it is for its alerts; the cause is Alert"


def test_of_an_alert_only_the_labels_that_its_matchers_name_are_asked_about():
    one = runbook(match=Match(alerts=('{alertname=~"High.*",tier!="9"}',)))
    labels = {"alertname": "Low", "pod": "checkout-1"}
    told = status(*(alert_signal(labels=labels | {"pod": f"checkout-{number}"}) for number in range(100)), cause=Cause.ALERT)
    asked = []

    def evaluate(expression, variables):
        asked.append(variables)
        return cel()(expression, variables)

    assert refused(match.fit(ill(one, evaluate=evaluate), told, one)).reason == "OtherCause"
    assert asked == [{"labels": {"alertname": "Low"}}] * 100


def test_where_the_cause_fits_as_well_the_alert_is_no_ground():
    one = runbook(match=Match(causes=CRASH, alerts=('{alertname="HighErrors"}',)))
    told = status(signal(), alert_signal())
    assert match.fit(ill(one, evaluate=cel()), told, one) == Fit(runbook=one, by_alert=None)


@pytest.mark.parametrize(
    ("expression", "true"),
    [
        ("target.failingRevision == target.newestRevision", True),
        ('target.kind == "Deployment" && target.name == "checkout" && target.namespace == "shop"', True),
        ('target.labels["app"] == "checkout" && target.ready == 3 && target.desired == 3', True),
        ('incident.cause == "RolloutCrashLoop" && incident.priority == "" && incident.episode == 1', True),
        ('incident.name == "checkout-7f3kq" && incident.namespace == "shop"', True),
        ('alert.summary == "" && size(alert.labels) == 0', True),
        ("target.ready < 3", False),
    ],
)
def test_a_condition_may_read_incident_target_and_alert(expression, true):
    world = ill()
    assert cel()(expression, match.variables(world, world.incident.status, None)) is true


def test_without_a_workload_a_condition_reads_what_the_incident_says():
    read = match.variables(ill(target=GONE), status(cause=None, accused_revision=None), alert_signal(summary="many"))
    assert read["target"] == {
        "kind": "Deployment",
        "name": "checkout",
        "namespace": "shop",
        "labels": {},
        "failingRevision": "",
        "newestRevision": "",
        "ready": 0,
        "desired": 0,
        "ownedByGitOps": False,
        "irreversible": False,
        "idempotent": False,
    }
    assert read["incident"]["cause"] == "Reported"
    assert read["alert"] == {"labels": {"alertname": "HighErrors"}, "summary": "many"}


def names(left):
    return {one.runbook.metadata.name: (one.why.reason, one.why.message) for one in left}


def test_the_highest_priority_is_used_and_the_others_are_told_why_not():
    low, high, other = runbook("low"), runbook("high", priority=60), runbook("other", match=Match(causes=(Cause.CRASH_LOOP,)))
    chosen, left = match.choose(ill(low, high, other), status())
    assert chosen == Fit(runbook=high)
    assert names(left) == {
        "other": ("OtherCause", "it is for CrashLoop; the cause is RolloutCrashLoop"),
        "low": ("NoRunbookMatches", "high has the higher priority"),
    }


def test_a_tie_is_reported_not_guessed():
    chosen, left = match.choose(ill(runbook("b"), runbook("a"), runbook("c", priority=10)), status())
    assert chosen == Refusal(reason="RunbooksTied", message="a and b fit with the same priority: give one of them a higher `spec.priority`")
    assert left == ()


@pytest.mark.parametrize(
    ("conditions", "reason", "message"),
    [
        ((), "NoRunbookMatches", "no Runbook fits the cause RolloutCrashLoop: a person has to look"),
        (("x",), "PreconditionFalse", "its condition 'x' is false"),
        (("x", "y"), "NoRunbookMatches", "no Runbook fits the cause RolloutCrashLoop: a person has to look"),
    ],
    ids=["none", "one but for its condition", "several but for their conditions"],
)
def test_where_none_fits_the_one_that_nearly_did_says_why(conditions, reason, message):
    books = [runbook(f"r{expression}", match=Match(causes=CRASH, when=expression)) for expression in conditions]
    books.append(runbook("other", match=Match(causes=(Cause.CRASH_LOOP,))))
    chosen, left = match.choose(ill(*books, evaluate=lambda _expression, _variables: False), status())
    assert chosen == Refusal(reason=reason, message=message)
    assert len(left) == len(books)


def test_an_incident_that_a_person_reported_is_for_no_runbook_by_its_cause():
    world = ill(incident=incident(cause=Cause.REPORTED), finding=None)
    chosen, _ = match.choose(world, world.incident.status)
    assert refused(chosen).reason == "NoRunbookMatches"


def test_a_runbook_of_a_team_is_for_its_own_namespace_alone_and_elsewhere_it_is_not_even_mentioned():
    mine, theirs = (runbook("heal", namespace=namespace, service_account_name="healer") for namespace in ("shop", "pay"))
    chosen, left = match.choose(ill(runbooks=(theirs, mine)), status())
    assert isinstance(chosen, Fit)
    assert (chosen.runbook, left) == (mine, ())
    nobody, left = match.choose(ill(runbooks=(theirs,)), status())
    assert refused(nobody).reason == "NoRunbookMatches"
    assert left == ()


def test_a_runbook_of_a_team_has_no_step_that_its_account_does_not_bound():
    """Such a step would go out with the operator's means: a silence, a call, a query about everybody."""
    shout = StepKind(name="shout", params=Escalate, impact=StepImpact.NOTIFY, rights=(), needs=nothing, plan=lambda *_: Done(message=""))
    kinds = {**registry.KINDS, "shout": shout}
    steps = (RunbookStep(name="back", roll_back={}), RunbookStep(name="loud", shout={}))
    mine = runbook("heal", *steps, namespace="shop", service_account_name="healer")
    answer = match.usable(mine, "prunella-system", kinds)
    assert answer is not None
    assert answer.reason == "ServiceAccountUnsupported"
    assert answer.message == "step 'loud' (shout) reaches beyond shop: only a Runbook of prunella-system may use it"
    assert match.usable(runbook("heal", *steps), "prunella-system", kinds) is None
    assert match.usable(runbook("heal", *steps[:1], namespace="shop", service_account_name="healer"), "prunella-system", kinds) is None


def test_these_steps_need_no_right_and_are_bounded_by_what_they_do():
    assert {name for name, kind in registry.KINDS.items() if kind.bounded} == {"approve", "captureEvidence", "escalate"}
    assert not [name for name, kind in registry.KINDS.items() if kind.bounded and kind.rights], "those are bounded by their account"
