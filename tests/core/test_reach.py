"""What of a Runbook can never be used is said, and nothing that may be used some day."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.runbooks import runbook

from prunella.adapters.cel import CelEvaluate
from prunella.api.names import Cause
from prunella.api.runbook import Match, RunbookStep, StepFailure, TargetMatch
from prunella.api.self_service import SelfService
from prunella.core.healing.runbooks import reach
from prunella.core.healing.steps.step import WORKLOADS
from prunella.core.things import detect as things

EVALUATE = CelEvaluate()
ROOT = Path(__file__).resolve().parents[2]
BACK = RunbookStep(name="back", roll_back={})
TELL = RunbookStep(name="tell", notify={"message": "look"})
CORDON = RunbookStep(name="out", cordon={})
NEVER = {"that": "false", "message": "it is not"}


def wrong(match: Match, *steps: RunbookStep, **spec: Any) -> list[str]:
    found = list(reach.problems(runbook("book", *(steps or (TELL,)), match=match, **spec), EVALUATE))
    assert {one.reason for one in found} <= {"NeverFits"}
    return [one.message for one in found]


def for_(causes: tuple[Cause, ...] = (), *kinds: str, **more: Any) -> Match:
    return Match(causes=causes, targets=TargetMatch(kinds=kinds) if kinds else None, **more)


def test_every_cause_is_one_of_some_kind_and_the_table_of_the_objects_says_the_same():
    page = (ROOT / "docs" / "explanation" / "objects.md").read_text()
    told = {
        (kind.partition(" ")[0], cause) for kinds, cause in re.findall(r"^\| ([^|]+) \| `(\w+)` \|", page, re.MULTILINE) for kind in kinds.split(", ")
    }
    known = {(kind, str(cause)) for cause in Cause for kind in reach.kinds_of(cause) if kind not in WORKLOADS}
    assert known - {(kind, cause) for kind in reach.KINDS for cause in ("Alert", "Reported")} == told
    assert [cause for cause in Cause if not reach.kinds_of(cause)] == []
    assert reach.KINDS == WORKLOADS | things.KINDS


@pytest.mark.parametrize(
    ("match", "steps", "said"),
    [
        (
            for_((Cause.NODE_PRESSURE,), "Deployment"),
            (),
            "`spec.match.causes`: it never fits: NodePressure is a cause of Node, and it is for Deployment",
        ),
        (for_((Cause.NODE_PRESSURE,)), (BACK,), "NodePressure is a cause of Node, and it is for DaemonSet, Deployment, StatefulSet"),
        (for_((Cause.CRASH_LOOP,)), (CORDON,), "CrashLoop is a cause of DaemonSet, Deployment, StatefulSet, and it is for Node"),
        (for_((Cause.STATEFUL_SET_STUCK,), "DaemonSet"), (), "StatefulSetStuck is a cause of StatefulSet, and it is for DaemonSet"),
        (for_((Cause.JOB_FAILED, Cause.QUOTA_EXCEEDED), "Service"), (), "JobFailed is a cause of CronJob, Job, and it is for Service; QuotaExceeded"),
        (for_((Cause.CRASH_LOOP,), when="false"), (), "`spec.match.when`: 'false' is always false"),
        (for_((Cause.CRASH_LOOP,), when="1 > 2 || 'a' == 'b'"), (), "is always false"),
        (for_((Cause.CRASH_LOOP,), "Deploiment"), (), "`spec.match.targets.kinds`: a Runbook is never for a Deploiment; did you mean 'Deployment'?"),
        (for_((Cause.CRASH_LOOP,), "Pod"), (), "a Runbook is never for a Pod"),
    ],
    ids=["kinds", "steps", "steps for nodes", "the one kind", "several", "false", "constant", "misspelt", "no target"],
)
def test_what_never_fits_is_said_with_its_field(match, steps, said):
    assert said in "\n".join(wrong(match, *steps))


@pytest.mark.parametrize(
    "matcher",
    ['{a="x", a="y"}', '{a="x", a!="x"}', '{a="x", a=~"y|z"}', '{a="x", a!~"x.*"}', '{b="1", a="", a!=""}'],
)
def test_matchers_that_contradict_each_other_match_no_alert(matcher):
    [said] = wrong(for_((), alerts=('{alertname="Fine"}', matcher)))
    assert said == "`spec.match.alerts[1]`: no alert has such a label a: its matchers contradict each other"


@pytest.mark.parametrize(
    ("match", "steps"),
    [
        (for_((Cause.NODE_PRESSURE, Cause.CRASH_LOOP), "Deployment"), ()),
        (for_((Cause.NODE_PRESSURE,), "Deployment", alerts=('{alertname="NodeFull"}',)), ()),
        (for_((Cause.NODE_PRESSURE,), "Deployment", "Node"), ()),
        (for_((Cause.STUCK_TERMINATING,), "Deployment"), ()),
        (for_((Cause.STUCK_TERMINATING,), "Namespace"), ()),
        (for_((Cause.ALERT, Cause.REPORTED), "Certificate"), ()),
        (for_((Cause.CRASH_LOOP,), when="'x' in target.labels"), ()),
        (for_((Cause.CRASH_LOOP,), when="target.ready > target.desired"), ()),
        (for_((Cause.CRASH_LOOP,), when="true"), (BACK,)),
        (for_((), alerts=('{a="x", a=~"x|y"}', '{a=~"x", a=~"y"}', '{a!="x", a!="y"}', '{a="x", b="y"}', '{a="x", a="x"}')), ()),
    ],
)
def test_what_may_fit_some_day_is_nobodys_mistake(match, steps):
    assert wrong(match, *steps) == []


def test_one_that_people_run_themselves_needs_no_fault():
    assert wrong(for_((Cause.NODE_PRESSURE,), "Deployment", when="false"), self_service=SelfService()) == []


def test_causes_that_alone_never_fit_are_known_beside_those_that_may():
    book = runbook("book", TELL, match=for_((Cause.NODE_PRESSURE, Cause.CRASH_LOOP), "Deployment"))
    assert reach.dead_causes(book) == {Cause.NODE_PRESSURE: "NodePressure is a cause of Node, and it is for Deployment"}


def step(name: str, **fields: Any) -> RunbookStep:
    """A step that may succeed or fail."""
    return RunbookStep(name=name, notify={"message": "look"}, **fields)


def fails(name: str, **failure: Any) -> RunbookStep:
    """A step that never succeeds."""
    return RunbookStep(name=name, on_failure=StepFailure(**failure), **{"assert": NEVER})


@pytest.mark.parametrize(
    ("steps", "dead"),
    [
        ((step("a"), step("b", when="false"), step("c")), {"b": "its condition 'false' is always false"}),
        ((fails("a", go_to="c"), step("b"), step("c")), {"b": "no run reaches it: step 'a' always fails, and the run goes on with 'c'"}),
        ((step("a"), fails("b"), step("c")), {"c": "no run reaches it: step 'b' always fails, and the run ends there"}),
        (
            (step("z", on_failure=StepFailure(go_to="b")), fails("a", go_to="c"), step("b"), step("c")),
            {},
        ),
        ((fails("a", action="Continue"), step("b")), {}),
        ((step("a", on_failure=StepFailure(go_to="c")), step("b"), step("c")), {}),
        ((step("a"), step("b", when="!('a' in steps)")), {}),
        ((RunbookStep(name="a", wait_for={"until": "1 > 2"}), step("b")), {"b": "no run reaches it: step 'a' always fails, and the run ends there"}),
        ((RunbookStep(name="a", **{"assert": NEVER}, when="false"), step("b")), {"a": "its condition 'false' is always false"}),
    ],
    ids=[
        "false",
        "behind a goTo",
        "behind an end",
        "another way leads there",
        "goes on",
        "a goTo that may not be taken",
        "may be",
        "waits for ever",
        "skipped",
    ],
)
def test_a_step_that_no_run_reaches_is_named_with_why(steps, dead):
    assert reach.unreachable(steps, EVALUATE) == dead


def test_the_rights_are_those_of_its_steps_for_every_target_that_it_may_have():
    needed = {one.on for one in reach.rights_of(runbook("book", BACK, match=for_((Cause.ROLLOUT_CRASH_LOOP,), "Deployment")))}
    assert "deployments.apps" in needed
    assert "statefulsets.apps" not in needed
    both = {one.on for one in reach.rights_of(runbook("book", BACK, match=for_((Cause.ROLLOUT_CRASH_LOOP,))))}
    assert both >= {"deployments.apps", "statefulsets.apps", "daemonsets.apps"}
    assert reach.rights_of(runbook("book", TELL)) == ()
