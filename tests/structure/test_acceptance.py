"""Each case that a healer has to pass has a test that bears its id, so that a claim can be followed to what shows it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache

import pytest
from tests.structure.source import python_files, shown, tree

CASES = {
    "r01": "an alert that is posted while the queue is full or the process restarts is stored, or was not answered 2xx",
    "r02": "a batch of fifty alerts is fifty signals",
    "r03": "two alerts and a watch signal on one Deployment are one Incident",
    "r04": "after a rollback nothing goes back to the bad revision",
    "r05": "a second bad revision goes back to the one that was known good",
    "r06": "a paused Deployment is blocked, and no error loop",
    "r07": "where both revisions crash nothing is rolled back",
    "r08": "of a StatefulSet only the broken pod is deleted after the template is back",
    "r09": "over what is marked irreversible nothing goes back; frozen it is Mitigated, never Resolved",
    "r10": "with Argo CD or Flux there is no patch war",
    "r11": "a kill at every step boundary does each step at most once, and the run completes",
    "r12": "of two replicas one acts",
    "r13": "while another attempt at the target has not ended nothing is begun",
    "r14": "Prometheus that is down while recovery is proved is Inconclusive, and counts",
    "r15": "an alert whose look-back still fires after the fix does not undo it",
    "r16": "ten flaps never exceed the attempts",
    "r17": "a healthy hour resets the attempts",
    "r18": "a restart does not end a cooldown",
    "r19": "thirty of a hundred are one storm, without a disruptive action",
    "r20": "a storm holds back nothing that takes a change back",
    "r21": "a person's change during a run ends that run, and a later one works",
    "r22": "a drain that is given up leaves the node as it was found",
    "r23": "a disruption budget that answers 429 is respected: the run ends, and forces nothing",
    "r24": "a node that is well again is not drained",
    "r25": "a temporary measure ends after a restart and without its records, and not where a person changed it",
    "r26": "an approval expires, is void for another plan, and is never the requester's own",
    "r27": "a dry run writes nothing",
    "r28": "a missing right is said",
    "r29": "of several containers the right one is resized",
    "r30": "a claim at its cap is not expanded: somebody is called",
    "r31": "a selection of everything, or of nothing, is refused",
    "r32": "what is not found or can't be read is no success",
    "r33": "a target that is deleted during a run ends run and Incident",
    "r34": "thirty days later the story can be read",
    "r35": "wrong clocks and events that come twice change nothing",
    "r36": "alerts that may be stale move nothing that an alert asks for",
    "r37": "after the last attempt somebody is called once",
    "r38": "an image outage of five workloads is one storm and no rollback",
    "r39": "undo leaves alone what others changed",
    "r40": "a webhook without its token is 401, an overload 503 and never 429",
}
REAL = {"r08": "scenarios", "r09": "scenarios", "r19": "scenarios", "r26": "cluster"}
"""Where an id must stand as well: at the layer at which the case is real."""
ID = re.compile(r"(?<=_)r\d\d(?=_)")


@cache
def named() -> dict[str, list[str]]:
    """Id → the tests that bear it."""
    found = defaultdict(list)
    for path in python_files("tests"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for case in ID.findall(node.name):
                    found[case].append(f"{shown(path)}::{node.name}")
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_test_that_bears_its_id(case):
    assert named().get(case), CASES[case]


@pytest.mark.parametrize(("case", "folder"), REAL.items(), ids=REAL)
def test_it_is_shown_where_it_is_real(case, folder):
    assert [one for one in named().get(case, []) if one.startswith(f"tests/{folder}/")], named().get(case)


def test_no_test_bears_the_id_of_a_case_that_is_not_there():
    assert set(named()) - set(CASES) == set()
