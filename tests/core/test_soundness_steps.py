"""What is wrong with a step is said when its Runbook is applied: what is never temporary, what always is, and what can't be taken back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.names import Cause
from prunella.api.runbook import Match, RunbookStep, TargetMatch
from prunella.core.healing.soundness import problems


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
