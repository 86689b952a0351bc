"""Recorded faults that no shipped Runbook is for: each is seen, named, and paged with its evidence; nothing is done about it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack"))

import replays  # noqa: E402 - it stands in hack/, which is no package

NOTHING = 3
CAUSES = {
    "config-missing": "ConfigMissing",
    "replica-creation-failed": "ReplicaCreationFailed",
    "unschedulable": "Unschedulable",
}
CONTROLS = {"failed-pods-few", "scheduling-gated"}
FINDINGS = replays.findings()


def named(*names: str) -> list[Path]:
    return [path for path in FINDINGS if path.stem in names]


def test_no_expectation_is_left_over():
    assert {path.stem for path in FINDINGS} == set(CAUSES) | CONTROLS


@pytest.mark.parametrize("recorded", FINDINGS, ids=lambda path: path.stem)
def test_it_says_what_it_said_before(recorded):
    """`make replays` writes them anew."""
    assert replays.replay(recorded).output == recorded.with_suffix(".txt").read_text()


@pytest.mark.parametrize("recorded", named(*CAUSES), ids=lambda path: path.stem)
def test_it_is_named_paged_and_left_to_a_person(recorded):
    done = replays.replay(recorded)
    cause = CAUSES[recorded.stem]
    assert done.exit_code == NOTHING, done.output
    assert f", {cause}, Triggered" in done.output
    assert f"no Runbook fits the cause {cause}: a person has to look" in done.output
    assert "primary (page, step primary): " in done.output
    structured = yaml.safe_load(replays.replay(recorded, "--output", "yaml").output)
    assert (structured["outcome"], structured["reason"]) == ("Nothing", "NoRunbookMatches")


@pytest.mark.parametrize("recorded", named(*CONTROLS), ids=lambda path: path.stem)
def test_what_is_nearly_a_fault_opens_nothing_and_calls_nobody(recorded):
    done = replays.replay(recorded)
    assert done.exit_code == NOTHING, done.output
    assert "nothing is wrong with it, so there is no Incident" in done.output
    assert "page" not in done.output
