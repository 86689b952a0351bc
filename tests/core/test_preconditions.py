"""Preconditions of a Runbook: only one that surely holds lets a plan be made, and what it means is told; mistakes are said when it is applied."""

from __future__ import annotations

import pytest
from tests.fakes.operator import cel
from tests.fakes.runbooks import runbook

from prunella.api.names import Cause
from prunella.api.preconditions import Precondition
from prunella.api.runbook import Match
from prunella.api.self_service import Parameter, ParameterType, SelfService
from prunella.core.healing import judge
from prunella.core.healing.runbooks import plan, reach, soundness
from prunella.core.healing.runbooks.match import Fit
from prunella.core.healing.runbooks.plan import Plan

from .healing_builders import alert_signal, ill, refused, status
from .incident_builders import draft_of

SERVING = Precondition(name="serving", that="target.ready > 0", reason="nothing serves: a person has to look first")


def asking(that: str) -> Precondition:
    return Precondition(name="it", that=that, reason="it is not for us")


def made(*preconditions: Precondition, alert: bool = False, asked: dict[str, str] | None = None, **spec):
    book = runbook(preconditions=preconditions, **spec)
    given = status(alert_signal(labels={"team": "shop"})) if alert else status()
    world = ill(book, evaluate=cel())
    return plan.make(world, given, Fit(runbook=book, asked=asked))


@pytest.mark.parametrize(
    "that",
    ["target.kind == 'Deployment'", "incident.cause == 'RolloutCrashLoop' && !target.ownedByGitOps", "parameters.most == 3"],
    ids=["the target", "the Incident", "a parameter"],
)
def test_a_plan_is_made_where_every_precondition_holds(that):
    most = Parameter(name="most", type=ParameterType.INTEGER, description="d", default="3")
    assert isinstance(made(asking("true"), asking(that), parameters=(most,)), Plan)


@pytest.mark.parametrize(
    ("that", "why"),
    [
        ("target.kind == 'Node'", "is false"),
        ("target.labels['tier'] == '1'", 'could not be told: NOT_FOUND: Key not found in map : "tier"'),
        ("target.kind", "could not be told: the expression must give true or false, it gives string"),
        ("parameters.most > 2", 'could not be told: NOT_FOUND: Key not found in map : "most"'),
    ],
    ids=["false", "a label that is not there", "no yes or no", "a parameter that nobody chose"],
)
def test_one_that_is_false_or_cannot_be_told_refuses_with_what_it_means(that, why):
    most = Parameter(name="most", type=ParameterType.INTEGER, description="d")
    refusal = refused(made(asking("true"), asking(that), SERVING, parameters=(most,)))
    assert refusal.reason == "PreconditionFalse"
    assert refusal.message == f"precondition 'it' of Runbook roll-back (it is not for us): '{that}' {why}"


def test_the_alert_by_which_it_matches_may_be_read_and_what_was_chosen_for_the_run():
    by_alert = Match(alerts=('{team="shop"}',), causes=(Cause.ROLLOUT_CRASH_LOOP,))
    assert isinstance(made(asking("alert.labels['team'] == 'shop'"), alert=True, match=by_alert), Plan)
    most = Parameter(name="most", type=ParameterType.INTEGER, description="d", default="3")
    assert refused(made(asking("parameters.most < 5"), parameters=(most,), asked={"most": "7"})).reason == "PreconditionFalse"


def test_the_incident_shows_it_as_any_other_refusal_and_nothing_is_begun():
    world = ill(runbook(preconditions=(asking("false"),)), evaluate=cel())
    draft = judge.judge(world, draft_of(world))
    said = next(one for one in draft.status.conditions if one.type == "RemediationAllowed")
    assert (said.status.value, said.reason) == ("False", "PreconditionFalse")
    assert (draft.attempt, draft.status.remediation) == (None, "Blocked: PreconditionFalse")
    assert [one.what for one in draft.status.timeline] == ["RemediationBlocked"]
    [decision] = draft.status.decisions
    assert (decision.about, decision.reason) == ("roll-back", "PreconditionFalse")
    assert "it is not for us" in decision.message


@pytest.mark.parametrize(
    ("that", "said"),
    [
        ("tagret.ready > 0", "column 7: undeclared reference to 'tagret.ready' (in container ''); did you mean 'target'?"),
        ("target.ready > 0 || target.redy > 0", "NOT_FOUND: Key not found in map : \"redy\" (column 28); did you mean 'ready'?"),
        ("target.desired > 0 || target.desire > 0", "NOT_FOUND: Key not found in map : \"desire\" (column 30); did you mean 'desired'?"),
        ("target.name == 'redy' || target.redy > 0", "NOT_FOUND: Key not found in map : \"redy\" (column 33); did you mean 'ready'?"),
        ("parameters.mots > 0", "NOT_FOUND: Key not found in map : \"mots\" (column 12); did you mean 'most'?"),
        (
            "steps.a.state == 'Applied'",
            "column 8: undeclared reference to 'steps.a.state' (in container ''); there is incident, target, alert, parameters",
        ),
        ("target.ready >", "column 15: Syntax error"),
        ("target.ready > 0 && target.redy > 0", "target has no 'redy' (column 28); did you mean 'ready'?"),
        ("true || incident . prio == 'P1'", "incident has no 'prio' (column 20); did you mean 'priority'?"),
        ("false && has(parameters.mots)", "parameters has no 'mots' (column 25); did you mean 'most'?"),
        ("'it\\'s' == 'x' && target.redy > 0", "target has no 'redy' (column 26); did you mean 'ready'?"),
        ("target.labels['any'] == 'x'", None),
        ("false && alert.labels.x == 'y' && has(target.labels.tier)", None),
        ("false && (alert.summary == 'target.redy' || alert.summary == r'\\d' || alert.summary == \"a \\\" target.redy\")", None),
        ("false && target.name.startsWith('x') && alert.labels.exists(k, k == 'x') && target.labels.size() > 0", None),
    ],
    ids=[
        "a misspelt name",
        "a misspelt field",
        "within another name",
        "beside its name in a string",
        "a misspelt parameter",
        "no steps yet",
        "half",
        "behind and",
        "behind or",
        "in has",
        "behind a quoted quote",
        "a label",
        "labels",
        "strings",
        "functions",
    ],
)
def test_a_mistake_is_said_when_it_is_applied_with_its_column_and_the_nearest_name(that, said):
    most = Parameter(name="most", type=ParameterType.INTEGER, description="d", default="3")
    book = runbook(preconditions=(asking(that),), parameters=(most,))
    found = list(soundness.problems(book, cel(), lambda _name: None, "prunella-system"))
    if said is None:
        assert found == []
        return
    [problem] = found
    assert problem.reason == "InvalidExpression"
    assert problem.message.startswith(f"`spec.preconditions[it].that`: {said}"), problem.message


def test_one_that_is_always_false_never_fits_whoever_asks():
    book = runbook(preconditions=(asking("1 > 2"),), self_service=SelfService())
    assert [tuple(one) for one in reach.problems(book, cel())] == [
        ("NeverFits", "`spec.preconditions[it].that`: '1 > 2' is always false: nothing would ever be begun")
    ]
