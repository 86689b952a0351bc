"""Every reason, Event and metric that the code gives is documented, and what is documented is given."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.structure.source import PACKAGE, PASCAL, assigned, calls, literals, python_files, tree

from prunella.adapters.telemetry import METRICS
from prunella.api.happenings import CAUSES, HAPPENINGS, INCIDENT, OUTCOMES, WORKLOAD
from prunella.api.names import Cause, Outcome
from prunella.api.reasons import CONDITION_REASONS, CONDITIONS, REFUSALS
from prunella.app.incidents import publish

TABLES = {PACKAGE / "api" / "reasons.py", PACKAGE / "api" / "happenings.py"}
GIVES_REASONS = {"Refusal", "NotApplied", "Guilt", "end", "Decision", "GuardVerdict"}
"""Calls whose keyword `reason` becomes a reason on an object."""

NOT_MEASURED_YET = {"incident_time_to_close_seconds"}
"""Their names are fixed, and nothing measures them so far. Whoever measures one takes it out of here."""


def given_reasons() -> dict[str, str]:
    found = {}
    for call in calls():
        words: Iterable[str] = ()
        if call.name in GIVES_REASONS:
            words = call.keywords.get("reason", ())
        elif call.name in {"Problem", "problem"}:
            words = call.first
        elif call.name in {"condition", "allowed", "succeeded", "set_condition"}:
            words = call.after_status
        found.update({word: str(call) for word in words if PASCAL.fullmatch(word)})
    return found | {word: where for word, where in assigned("reason", PACKAGE / "core").items() if PASCAL.fullmatch(word)}


def written_words(*but_not: Path) -> set[str]:
    """Every string in the package outside of the tables."""
    return {
        node.value
        for path in python_files("operator")
        if path not in TABLES | set(but_not)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_reason_in_the_code_is_documented():
    documented = {one.name for one in (*REFUSALS, *CONDITION_REASONS)} | {one.name for one in CONDITIONS} | {str(one) for one in Outcome}
    given = given_reasons()
    assert len(given) > 40
    assert {word: where for word, where in given.items() if word not in documented} == {}


def test_every_documented_reason_is_given_somewhere():
    assert sorted({one.name for one in (*REFUSALS, *CONDITION_REASONS)} - written_words()) == []


def test_no_reason_is_documented_twice():
    names = [one.name for one in (*REFUSALS, *CONDITION_REASONS)]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_every_condition_in_the_code_is_documented_and_the_other_way_round():
    given = {word for call in calls() if call.name in {"condition", "without_condition"} for word in call.first if PASCAL.fullmatch(word)}
    documented = {one.name for one in CONDITIONS}
    # Those that the detectors read of a Deployment or a pod are Kubernetes' own.
    assert given - documented - {"Progressing", "ReplicaFailure", "PodScheduled", "Available"} == set()
    assert documented - written_words() == set()


def test_every_entry_of_a_timeline_is_documented_and_the_other_way_round():
    noted = {word for call in calls() if call.name == "note" for word in call.first}
    documented = {one.name for one in HAPPENINGS}
    assert noted - documented == set()
    assert documented - written_words() == set()


def test_the_documented_events_are_those_that_are_published():
    assert {one.name for one in HAPPENINGS if INCIDENT in one.events_on} == set(publish.EVENTS)
    assert {one.name for one in HAPPENINGS if WORKLOAD in one.events_on} == set(publish.ON_WORKLOAD)


@pytest.mark.parametrize(("enumeration", "table"), [(Cause, CAUSES), (Outcome, OUTCOMES)], ids=["causes", "outcomes"])
def test_every_value_is_explained(enumeration, table):
    assert set(table) == set(enumeration)


def test_every_metric_that_is_measured_is_in_the_table_and_the_other_way_round():
    known = {metric.name for metric in METRICS}
    measured = {word for call in calls() if call.name in {"count", "gauge", "observe"} for word in call.first if "_" in word or word in known}
    assert {word for word in measured if word not in known} == set()
    written = written_words(PACKAGE / "adapters" / "telemetry.py")
    parts = {f"incident_time_to_{word}_seconds" for word in written} | {f"{word}_total" for word in written}
    assert known - written - parts - {"build_info"} == NOT_MEASURED_YET


@pytest.mark.parametrize("one", [*REFUSALS, *CONDITION_REASONS], ids=lambda one: one.name)
def test_a_meaning_is_a_sentence(one):
    assert one.meaning.endswith(".")
    assert not one.remedy or one.remedy.endswith((".", "`"))


def test_literals_are_found_in_both_arms_of_a_choice():
    assert literals(ast.parse("'a' if x else 'b'", mode="eval").body) == ("a", "b")
