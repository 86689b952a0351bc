"""The benchmark's own arithmetic and its page: a number is told as it was measured, and a goal that is missed says so."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.bench import page
from tests.bench.ledger import Entry
from tests.bench.many import AT_ONCE, WAITS, Run, most_at_once, overtaking, runs_of, stood_in_line
from tests.bench.quantiles import quantile
from tests.bench.results import Results, Row, cells


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0, 2.0], 0.5, 1.0), (list(map(float, range(1, 101))), 0.99, 99.0), ([5.0], 0.99, 5.0)],
)
def test_a_quantile_is_a_value_that_was_measured(values: list[float], share: float, expected: float):
    assert quantile(values, share) == expected


def test_of_nothing_there_is_no_quantile():
    assert math.isnan(quantile([], 0.5))


GOAL: Any = {"unit": "ms", "goal": 15.0, "goal_words": "≤ 15 ms", "floor": 4.0}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (Row(what="a", measured=20.0, **GOAL), ("20.0 ms", "4.0 ms", "5.0", "–", "**no**")),
        (
            Row(what="a", measured=18.0, unit="ms", goal=15.0, goal_words="≤ 15 ms", floor=4.0, over_floor=True),
            ("18.0 ms", "4.0 ms", "4.5", "–", "yes"),
        ),
        (Row(what="a", measured=10.0, unit="", naive=12.0), ("10", "–", "–", "12", "–")),
    ],
    ids=["missed", "over the floor", "only told"],
)
def test_a_row_says_whether_its_goal_is_met(row: Row, told: tuple[str, ...]):
    assert cells(row)[2:] == told


def test_the_page_names_the_machine_the_versions_and_every_row(tmp_path: Path):
    results = Results(tmp_path)
    results.add(Row(what="memory", measured=150.0, unit="MiB"))
    results.note("Nothing was left out.")
    results.raw("memory", ("mib",), [(149.5,), (150.5,)])
    text = page.render(results, seconds=90.0)
    assert "| memory | – | 150 MiB |" in text
    assert "- Nothing was left out." in text
    assert " kopf " in text
    assert "cores of" in text
    assert (tmp_path / "memory.csv").read_text() == "mib\n149.500\n150.500\n"


def wrote(at: float, resource: str, name: str, body: Any, subresource: str = "") -> Entry:
    return Entry(
        received=at, answered=at, user="operator", verb="patch", resource=resource, subresource=subresource, namespace="", name=name, body=body
    )


def created(at: float, target: str) -> Entry:
    return replace(wrote(at, "remediations", f"{target}-1", {"spec": {"targetRef": {"name": target}}}), verb="create")


def effect(at: float, target: str) -> Entry:
    return wrote(at, "deployments", target, [{"op": "replace", "path": "/spec/template"}])


def status(at: float, target: str, **status: str) -> Entry:
    return wrote(at, "remediations", f"{target}-1", {"spec": {"targetRef": {"name": target}}, "status": status}, "status")


def test_attempts_are_counted_by_what_was_stored_and_not_by_what_was_said():
    """The second begins while the first is proved; the third is never said to have ended; the fourth changed nothing."""
    told = [
        *(created(0, target) for target in "abcd"),
        status(1, "a", startedTime="0"),
        effect(2, "a"),
        effect(5, "b"),
        wrote(6, "deployments", "a", [{"op": "replace", "path": "/metadata/managedFields"}]),
        status(7, "a", endedTime="0"),
        status(8, "b", endedTime="0"),
        effect(9, "c"),
        status(10, "d", endedTime="0"),
    ]
    runs = runs_of(told[::-1], {"b"})
    assert runs == [Run("a", False, 0, 2, 7), Run("b", True, 0, 5, 8), Run("c", False, 0, 9, math.inf)]
    assert most_at_once(runs) == 2
    assert most_at_once([*runs, Run("e", False, 19, 20, 21)]) == 2, "one without an end counts for ever"


def test_a_second_attempt_on_a_target_begins_anew():
    first = [created(0, "a"), effect(1, "a"), effect(2, "a"), status(3, "a", endedTime="0")]
    second = [created(3.5, "a"), effect(4, "a"), status(5, "a", endedTime="0")]
    assert runs_of([*first, *second], ()) == [Run("a", False, 0, 1, 3), Run("a", False, 3.5, 4, 5)]


def test_who_stands_in_line_is_read_from_the_first_time_that_it_was_stored():
    def about(at: float, target: str, reason: str) -> Entry:
        body = {"spec": {"targetRef": {"name": target}}, "status": {"conditions": [{"type": WAITS[0], "reason": reason}]}}
        return wrote(at, "incidents", f"{target}-x", body, "status")

    told = [about(1, "a", WAITS[1]), about(2, "a", WAITS[1]), about(3, "b", "Allowed"), status(4, "c", startedTime="0")]
    assert stood_in_line(told) == {"a": 1}


def test_an_attempt_overtakes_where_it_takes_the_last_place_from_a_more_important_one_in_line():
    early = [Run(f"early-{number}", False, number, number, 10 + number) for number in range(AT_ONCE)]
    late, important = Run("late", False, 10.2, 10.5, 12.5), Run("important", True, 11.1, 11.5, 13)
    runs = [*early, late, important]
    assert overtaking(runs, {"important": 5}) == 1
    assert overtaking(runs, {"important": 10.3}) == 0, "it did not stand in line when the place was given away"
    assert overtaking(runs, {}) == 0, "it never did"
    assert overtaking([*early[2:], late, important], {"important": 5}) == 0, "there was a place for both"
    assert overtaking([*early, important, Run("late", False, 11.9, 12, 14)], {"important": 5}) == 0, "it came first"
