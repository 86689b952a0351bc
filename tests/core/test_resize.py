"""resize: the limit of the named container is raised by a factor, within two caps, and taken back where it is still ours."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core import quantity
from prunella.core.facts import Termination
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import resize
from prunella.core.healing.steps.resize import Resize
from prunella.core.healing.steps.step import Done, Failed, LiveFacts, Skip, Wait

from .builders import NOON, ago, container, later
from .healing_builders import crashed, ill, planned

MORE = Resize(container="app", resource="memory", most="2Gi")
SIDECAR = {"name": "sidecar", "image": "x", "resources": {"limits": {"memory": "64Mi"}}}


def raw(limit: object = "256Mi", request: object = "128Mi") -> dict[str, Any]:
    resources = {"limits": {"memory": limit, "cpu": "500m"}, "requests": {"memory": request}} if limit is not None else {}
    template = {"spec": {"containers": [SIDECAR, {"name": "app", "image": "y", "resources": resources}]}}
    return {"metadata": {"uid": "x"}, "spec": {"template": template}}


def plan(params: Resize = MORE, stored=None, facts=None, done=()):
    return resize.plan(params, LiveFacts(now=NOON, raw=stored or raw(), target=facts or crashed(), intent_time=NOON), done)


def record(patch: Patch) -> StepStatus:
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="more", state=StepState.APPLIED, intent=intent)


AT = "/spec/template/spec/containers/1/resources"


@pytest.mark.parametrize(
    ("params", "stored", "writes"),
    [
        (MORE, raw(), {f"{AT}/limits/memory": "384Mi"}),
        (MORE, raw(request="256Mi"), {f"{AT}/limits/memory": "384Mi", f"{AT}/requests/memory": "384Mi"}),
        (Resize(container="app", resource="memory", percent=300, most="300Mi"), raw(), {f"{AT}/limits/memory": "300Mi"}),
        (Resize(container="app", resource="cpu", percent=150, most="2"), raw(), {f"{AT}/limits/cpu": "750m"}),
        (MORE, raw("0.5G"), {f"{AT}/limits/memory": "715Mi"}),
    ],
    ids=["the limit", "a request that equals it too", "no further than the cap", "cpu", "another unit"],
)
def test_the_limit_of_the_right_container_is_raised(params, stored, writes):
    patch = plan(params, stored)
    assert isinstance(patch, Patch)
    assert {one["path"]: one["value"] for one in patch.operations if one["op"] == "replace"} == writes
    assert [one["path"] for one in patch.operations if one["op"] == "test"] == ["/metadata/uid", "/spec/template"]


def test_nobody_is_said_to_have_memory_enough_while_a_pod_does_not_tell():
    facts = crashed()
    runs_again = container(ready=False, restarts=3, running_since=ago(2))
    facts = replace(facts, pods=(replace(facts.pods[0], containers=(runs_again,)), *facts.pods[1:]))
    waits = plan(Resize(resource="memory", most="2Gi"), facts=facts)
    assert isinstance(waits, Wait)
    assert waits.until_time == later(58)
    assert isinstance(plan(MORE, facts=facts), Patch), "a container that is named needs no crash"


@pytest.mark.parametrize(
    ("starved", "answer"),
    [
        (("app",), f"{AT}/limits/memory"),
        ((), Failed(message="0 containers of deploy/checkout ran out of memory; exactly one can be given more")),
        (
            ("app", "sidecar"),
            Failed(message="2 containers of deploy/checkout ran out of memory: app, sidecar; exactly one can be given more"),
        ),
    ],
    ids=["one", "none", "two"],
)
def test_where_none_is_named_it_is_the_one_that_ran_out_of_memory(starved, answer):
    facts = crashed()
    killed = Termination(exit_code=137, reason="OOMKilled", started_time=later(-20), finished_time=later(-10))
    victims = tuple(replace(facts.pods[0].containers[0], name=name, last_terminated=killed) for name in starved)
    pods = (replace(facts.pods[0], containers=victims), *(replace(pod, containers=()) for pod in facts.pods[1:]))
    given = plan(Resize(resource="memory", most="2Gi"), facts=replace(facts, pods=pods))
    if isinstance(answer, Failed):
        assert given == answer
    else:
        assert isinstance(given, Patch)
        assert [one["path"] for one in given.operations if one["op"] == "replace"] == [answer]
        assert given.before["container"] == "app"
        back = resize.undo(Resize(resource="memory", most="2Gi"), raw("384Mi"), record(given))
        assert isinstance(back, Patch)
        assert back.operations[-1]["value"] == "256Mi"


def test_what_the_owner_says_with_max_memory_can_only_lower_the_cap():
    lower = plan(facts=crashed(annotations={"prunella.dev/max-memory": "300Mi"}))
    assert isinstance(lower, Patch)
    assert lower.operations[-1]["value"] == "300Mi"
    higher = plan(
        Resize(container="app", resource="memory", percent=300, most="512Mi"), facts=crashed(annotations={"prunella.dev/max-memory": "9Gi"})
    )
    assert isinstance(higher, Patch)
    assert higher.operations[-1]["value"] == "512Mi"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"stored": raw("2Gi")}, Done(message="container app of deploy/checkout has 2Gi of memory: it may have no more")),
        ({"stored": raw(None)}, Failed(message="container app of deploy/checkout has no memory limit that could be raised")),
        ({"params": Resize(container="web", resource="cpu", most="2")}, Failed(message="deploy/checkout has no container web")),
        (
            {"facts": crashed(annotations={"prunella.dev/max-memory": "much"})},
            Failed(message="prunella.dev/max-memory of deploy/checkout is 'much', which is no quantity such as 2Gi"),
        ),
        ({"facts": crashed(paused=True)}, Refusal(reason="TargetPaused", message="deploy/checkout is paused")),
    ],
    ids=["at the cap", "no limit", "no such container", "an annotation that says nothing", "paused"],
)
def test_else_it_is_left_as_it_is(given, answer):
    assert plan(**given) == answer


def test_it_gives_limit_and_request_back_where_they_are_still_its_own():
    patch = plan(stored=raw(request="256Mi"))
    assert isinstance(patch, Patch)
    back = resize.undo(MORE, raw("384Mi", "384Mi"), record(patch))
    assert isinstance(back, Patch)
    assert {one["path"]: one["value"] for one in back.operations if one["op"] == "replace"} == {
        f"{AT}/limits/memory": "256Mi",
        f"{AT}/requests/memory": "256Mi",
    }
    assert isinstance(resize.undo(MORE, raw("1Gi"), record(patch)), Skip), "r39 somebody set another one"
    assert isinstance(resize.undo(MORE, raw("402653184"), record(patch)), Patch), "it is the same, spelled in another way"
    assert isinstance(plan(done=(record(patch),)), Done)


def test_it_counts_as_a_restart_for_the_last_ready_replica():
    from tests.fakes.runbooks import runbook

    from prunella.api.runbook import RunbookStep

    assert planned(ill(runbook("more", RunbookStep(name="more", resize={"container": "app", "resource": "cpu", "most": "2"})))).restarts


@pytest.mark.parametrize(
    ("text", "value"),
    [("512Mi", 512 * 1024**2), ("0.5G", 500_000_000), ("250m", Decimal("0.25")), (2, 2), ("1e3", None), ("", None), (True, None), ("9" * 40, None)],
)
def test_quantities_are_read_exactly_or_not_at_all(text, value):
    assert quantity.read(text) == value


def test_quantities_are_written_rounded_down():
    assert (quantity.memory(Decimal(1024**2 + 1)), quantity.cpu(Decimal("0.7501"))) == ("1Mi", "750m")


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        (quantity.memory(Decimal(1024**3)), "1Gi"),
        (quantity.memory(Decimal(1536 * 1024**2)), "1536Mi"),
        (quantity.memory(Decimal(2 * 1024**4)), "2Ti"),
        (quantity.memory(Decimal(1)), "0"),
        (quantity.cpu(Decimal(2)), "2"),
        (quantity.cpu(Decimal(3000)), "3k"),
    ],
)
def test_quantities_are_spelled_as_the_api_server_stores_them(written, spelled):
    assert written == spelled
