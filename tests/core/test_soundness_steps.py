"""What is wrong with a step is said when its Runbook is applied: what is never temporary, what always is, and what can't be taken back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.names import Cause
from prunella.api.runbook import Match, RunbookStep, StepFailure, TargetMatch
from prunella.core.healing.runbooks.soundness import problems


def wrong(*steps: RunbookStep, **spec: Any) -> list[str]:
    found = problems(runbook("book", *steps, **spec), lambda _expression, _variables: True, lambda _name: None, "prunella-system")
    return [one.message for one in found]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (RunbookStep(name="more", scale={"by": 1, "most": 9}, ttl_seconds=600), None),
        (RunbookStep(name="s", restart={}, ttl_seconds=600), "`spec.steps[s].ttlSeconds`: restart can't be taken back, so it is never temporary"),
        (
            RunbookStep(name="s", freeze_rollout={}, ttl_seconds=600),
            "`spec.steps[s].ttlSeconds`: freezeRollout is never temporary: when it ends the broken rollout goes on; a person resumes it",
        ),
        (RunbookStep(name="s", hold_git_ops={}, ttl_seconds=600), None),
        (RunbookStep(name="s", hold_git_ops={}), "`spec.steps`: step 's', holdGitOps: it needs ttlSeconds, after which it is taken back"),
        (
            RunbookStep(name="s", resize={"container": "app", "resource": "cpu", "most": "2"}, ttl_seconds=600),
            (
                "`spec.steps[s].ttlSeconds`: resize is never temporary: its end would make the pods anew once more; "
                "change the manifest and let that end it"
            ),
        ),
    ],
    ids=["a measure", "can't be taken back", "never temporary", "always temporary", "without its end", "no second restart"],
)
def test_a_time_to_live_stands_where_it_can_be_kept(step, said):
    assert wrong(step) == ([] if said is None else [said])


CORDON = RunbookStep(name="out", cordon={}, ttl_seconds=600)
TELL = RunbookStep(name="tell", notify={"message": "look"})


@pytest.mark.parametrize(
    ("steps", "kinds", "said"),
    [
        ((CORDON, TELL), ("Node",), []),
        ((CORDON, TELL), ("Node", "Deployment"), ["`spec.match.targets.kinds`: step 'out' (cordon) is for Node, not for Deployment"]),
        (
            (CORDON, RunbookStep(name="s", restart={})),
            (),
            ["`spec.steps`: no target is one that all of its steps are for: make two Runbooks of them"],
        ),
        ((TELL,), ("Job", "Node"), []),
    ],
    ids=["for what it is", "for what it is not", "for nothing", "for anything"],
)
def test_steps_are_for_the_targets_of_their_runbook(steps, kinds, said):
    match = Match(causes=(Cause.NODE_PRESSURE,), targets=TargetMatch(kinds=kinds))
    assert wrong(*steps, match=match) == said


def going(to: str, name: str = "b", **fields: Any) -> RunbookStep:
    """A step that goes on with another one where it fails."""
    return RunbookStep(name=name, on_failure=StepFailure(go_to=to), **(fields or {"notify": {"message": "look"}}))


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (going("call"), None),
        (going("cal"), "`spec.steps[b].onFailure.goTo`: there is no step 'cal'; did you mean 'call'?"),
        (going("zzz"), "`spec.steps[b].onFailure.goTo`: there is no step 'zzz'; there is call, page"),
        (going("first"), "`spec.steps[b].onFailure.goTo`: 'first' is no later step, and a run only goes forward; it may be call, page"),
        (going("b"), "`spec.steps[b].onFailure.goTo`: 'b' is no later step, and a run only goes forward; it may be call, page"),
        (going("cal", restart={"nothing": 1}), "`spec.steps[b].onFailure.goTo`: there is no step 'cal'; did you mean 'call'?"),
    ],
    ids=["a later one", "misspelt", "nothing like it", "an earlier one", "itself", "a step with another mistake"],
)
def test_a_run_goes_on_with_a_step_that_is_there_and_comes_later(step, said):
    steps = (
        RunbookStep(name="first", notify={"message": "m"}),
        step,
        *(RunbookStep(name=name, notify={"message": "m"}) for name in ("call", "page")),
    )
    found = wrong(*steps)
    assert said is None or said in found, found
    assert said is not None or found == []


def test_nothing_comes_after_the_last_step():
    assert wrong(RunbookStep(name="first", notify={"message": "m"}), going("first", "last")) == [
        "`spec.steps[last].onFailure.goTo`: 'first' is no later step, and a run only goes forward; no step comes after this one"
    ]
