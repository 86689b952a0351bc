"""Of the Runbooks that were left, those that came near are shown, and how many are for other causes: a library of seventeen is no story."""

from __future__ import annotations

import pytest

from prunella.core.considered import BY_FLAG, Left, considered
from prunella.core.lines import render

NEAR = Left(runbook="freeze", reason="PreconditionFalse", message="its condition 'target.irreversible' is false")
FAR = tuple(Left(runbook=name, reason="OtherCause", message="it is for CrashLoop; the cause is OutOfMemory") for name in ("one", "two", "three"))


@pytest.mark.parametrize(
    ("left", "every", "shown"),
    [
        ((FAR[0], NEAR, *FAR[1:]), False, ["freeze: no, PreconditionFalse", "3 others: no, OtherCause"]),
        (FAR, False, ["3 Runbooks: no, OtherCause"]),
        (FAR[:1], False, ["one: no, OtherCause"]),
        ((NEAR,), False, ["freeze: no, PreconditionFalse"]),
        ((FAR[0], NEAR, FAR[1]), True, ["one: no, OtherCause", "freeze: no, PreconditionFalse", "two: no, OtherCause"]),
        ((), False, []),
    ],
    ids=["near and far", "all far", "a single one", "none far", "each is wanted", "none"],
)
def test_those_that_came_near_are_shown_and_the_others_are_counted(left, every, shown):
    assert [row.what for row in considered(left, every=every)] == shown


def test_the_one_line_says_how_to_see_each():
    assert list(render(considered(FAR, every=False))) == [f"  considered              3 Runbooks: no, OtherCause                    {BY_FLAG}"]
