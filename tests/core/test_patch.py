"""patch: one value of a short list is set where it stands, and given back where it is still ours."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import patch as step
from prunella.core.healing.steps.patch import PatchTemplate
from prunella.core.healing.steps.step import Done, Failed, LiveFacts, Skip

from .builders import NOON, later
from .healing_builders import crashed, ill, planned

AT = "/spec/template/spec/containers/1"
SLOWER = {"field": "livenessProbe.timeoutSeconds", "container": "app", "value": "5"}


def raw(timeout: int = 1, memory: str = "128Mi", grace: int = 30, **pod: Any) -> dict[str, Any]:
    app = {
        "name": "app",
        "livenessProbe": {"httpGet": {"path": "/"}, "timeoutSeconds": timeout, "periodSeconds": 10},
        "resources": {"requests": {"memory": memory}},
    }
    return {
        "metadata": {"uid": "x"},
        "spec": {"template": {"spec": {"containers": [{"name": "proxy"}, app], "terminationGracePeriodSeconds": grace, **pod}}},
    }


def plan(fields: dict[str, Any], stored=None, facts=None, done=()):
    live = LiveFacts(now=NOON, raw=stored or raw(), target=facts or crashed(), intent_time=NOON)
    return step.plan(PatchTemplate(**fields), live, done)


def record(patch: Patch) -> StepStatus:
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="set", state=StepState.APPLIED, intent=intent)


@pytest.mark.parametrize(
    ("fields", "path", "was", "op", "value"),
    [
        (SLOWER, f"{AT}/livenessProbe/timeoutSeconds", 1, "replace", 5),
        ({**SLOWER, "field": "livenessProbe.initialDelaySeconds"}, f"{AT}/livenessProbe/initialDelaySeconds", None, "add", 5),
        ({"field": "requests.memory", "container": "app", "value": "1024Mi"}, f"{AT}/resources/requests/memory", "128Mi", "replace", "1Gi"),
        ({"field": "terminationGracePeriodSeconds", "value": "60"}, "/spec/template/spec/terminationGracePeriodSeconds", 30, "replace", 60),
        ({"field": "priorityClassName", "value": "high"}, "/spec/template/spec/priorityClassName", None, "add", "high"),
    ],
    ids=["a timing", "one that had its default", "a request", "of the pod", "one that was not there"],
)
def test_the_value_is_written_over_the_one_that_was_judged_and_given_back(fields, path, was, op, value):
    patch = plan(fields)
    assert isinstance(patch, Patch)
    assert patch.operations[-2:] == ({"op": "test", "path": path, "value": was}, {"op": op, "path": path, "value": value})
    assert ({"op": "test", "path": f"{AT}/name", "value": "app"} in patch.operations) is ("container" in fields)
    assert isinstance(plan(fields, done=(record(patch),)), Done)
    assert isinstance(step.undo(PatchTemplate(**fields), raw(timeout=7, grace=7), record(patch)), Skip), "r39 somebody set another one"


def test_it_gives_back_what_was_there():
    patch = plan(SLOWER)
    assert isinstance(patch, Patch)
    back = step.undo(PatchTemplate(**SLOWER), raw(timeout=5), record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1] == {"op": "replace", "path": f"{AT}/livenessProbe/timeoutSeconds", "value": 1}


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({**SLOWER, "value": "1"}, Done(message="Deployment checkout has that already")),
        ({**SLOWER, "value": "5s"}, Failed(message="livenessProbe.timeoutSeconds: '5s' is no number up to 3600")),
        ({**SLOWER, "value": "3601"}, Failed(message="livenessProbe.timeoutSeconds: '3601' is no number up to 3600")),
        (
            {**SLOWER, "field": "startupProbe.periodSeconds"},
            Failed(message="deploy/checkout has no startupProbe.periodSeconds of container app that could be changed"),
        ),
        (
            {**SLOWER, "container": "web"},
            Failed(message="deploy/checkout has no livenessProbe.timeoutSeconds of container web that could be changed"),
        ),
        (
            {"field": "requests.cpu", "container": "app", "value": "1"},
            Failed(message="deploy/checkout has no requests.cpu of container app that could be changed"),
        ),
        ({"field": "requests.memory", "container": "app", "value": "much"}, Failed(message="requests.memory: 'much' is no quantity such as 512Mi")),
        (
            {"field": "priorityClassName", "value": "system-node-critical"},
            Failed(message="priorityClassName: 'system-node-critical' is for the cluster's own pods"),
        ),
        (
            {"field": "livenessProbe.timeoutSeconds", "value": "5"},
            Failed(message="livenessProbe.timeoutSeconds is a container's: name it with container"),
        ),
        (
            {"field": "terminationGracePeriodSeconds", "container": "app", "value": "5"},
            Failed(message="terminationGracePeriodSeconds is not a container's: leave container out"),
        ),
    ],
    ids=[
        "it has that",
        "no number",
        "too long",
        "no such probe",
        "no such container",
        "no such request",
        "no quantity",
        "the system's own",
        "no container",
        "a container",
    ],
)
def test_else_it_is_left_as_it_is(fields, answer):
    assert plan(fields) == answer


def test_a_paused_one_is_left_alone():
    assert plan(SLOWER, facts=crashed(paused=True)) == Refusal(reason="TargetPaused", message="deploy/checkout is paused")


@pytest.mark.parametrize("field", ["image", "command", "env", "serviceAccountName", "hostNetwork", "securityContext.privileged", "limits.memory", ""])
def test_what_is_not_on_the_list_is_refused(field):
    assert "Input should be" in (PatchTemplate.wrong_with({"field": field, "container": "app", "value": "x"}) or "")


def test_it_counts_as_a_restart_and_is_never_temporary():
    assert planned(ill(runbook("set", RunbookStep(name="set", patch=SLOWER)))).restarts
    assert step.KIND.lasting
