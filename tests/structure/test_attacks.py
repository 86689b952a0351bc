"""What is told of attacks: one that found no write neither passed nor was skipped, and a kind of write that none hit is a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.structure.source import ROOT

pytestmark = pytest.mark.timeout(600)  # a process of its own starts slowly on a busy machine
sys.path.insert(0, str(ROOT / "hack"))

import outcome  # noqa: E402 - it stands in hack/, which is no package

CONFTEST = """
from tests.faults.reporting import Tally

def pytest_addoption(parser):
    parser.addoption("--attack", default="")

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Tally())
"""
TESTS = """
import pytest
from tests.faults.campaign import Attack, Result
from tests.faults.flows import FLOWS
from tests.faults.reporting import attacked

class Campaign:
    def carried_out(self, attacks):
        return [Result(one, "", 1.0, "nothing to attack" if "missed" in one.name else "") for one in attacks]

@pytest.mark.parametrize("names", {names!r})
def test_attacks(names, request, subtests):
    attacked(Campaign(), [Attack(FLOWS["page"], name, list, write=name.partition(", ")[0]) for name in names], request, subtests)
"""


def reported(folder: Path, names: list[list[str]], *options: str) -> tuple[int, str, outcome.Result]:
    """Attacks `<write>, <what>`, a list for each test; the missed ones find no write: exit code, what is printed, what the layer reads."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_attacks.py").write_text(TESTS.format(names=names))
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--junitxml={report}", "-c", "pyproject.toml"]
    run = subprocess.run([*command, "--rootdir", str(folder), *options, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout, outcome.read(report)


def test_an_attack_that_found_no_write_is_named_and_neither_passed_nor_skipped(tmp_path):
    code, said, result = reported(tmp_path, [["patch pods, hit", "create events, missed 1"], ["create events, hit"]])
    assert code == 0, said
    assert (result.passed, result.failed, result.skipped) == (4, 0, 0), "two tests, and the two attacks that fired"
    assert result.notes == ("write did not occur: create events: page: create events, missed 1",)
    assert "attacks: 2 fired; 1 found no write in 3 plays each:\n  write did not occur: page: create events, missed 1\n" in said


def test_a_kind_of_write_that_no_attack_hit_fails_the_run_whichever_worker_made_it(tmp_path):
    code, said, _ = reported(tmp_path, [["patch pods, hit", "create events, missed 1"], ["patch pods, missed 2"]], "-n", "2")
    assert code == 1, said
    assert "FAILED: no attack on 'create events' fired, in any story" in said
    assert "no attack on 'patch pods'" not in said
