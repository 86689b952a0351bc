"""The tools of the house hold what they promise: the lock, the Makefile's help, the contracts, CI that is `make test`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.structure.source import ROOT

TARGETS = {
    "help",
    "demo",
    "demo-down",
    "test",
    "nightly",
    "bench",
    "unit",
    "fuzz",
    "cluster",
    "faults",
    "outages",
    "soak",
    "scenarios",
    "fmt",
    "lint",
    "types",
    "contracts",
    "generate",
    "verify",
    "replays",
    "lock",
    "box",
    "install",
}


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def locked(name: str) -> dict[str, str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in pins}


def unmet(requirements: list[str], pins: dict[str, str]) -> list[str]:
    wanted = [Requirement(text) for text in requirements]
    return [str(one) for one in wanted if canonicalize_name(one.name) not in pins or not one.specifier.contains(pins[canonicalize_name(one.name)])]


def test_the_lock_fits_what_the_project_asks_for():
    assert unmet(project()["dependencies"], locked("requirements.lock")) == []


def test_the_lock_of_the_tools_fits_what_the_project_asks_for():
    assert unmet([*project()["dependencies"], *project()["optional-dependencies"]["dev"]], locked("requirements-dev.lock")) == []


def test_the_tests_run_with_the_versions_that_users_get():
    users, ours = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: (version, ours.get(name)) for name, version in users.items() if ours.get(name) != version} == {}


def test_the_locks_name_no_package_index():
    found = [
        line
        for name in ("requirements.lock", "requirements-dev.lock")
        for line in (ROOT / name).read_text().splitlines()
        if "://" in line or line.startswith("--index")
    ]
    assert found == []


def test_make_alone_lists_every_target_with_a_line_about_it():
    shown = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory"], capture_output=True, text=True, check=True).stdout
    lines = dict(re.findall(r"^  make (\S+) +(\S.*)$", shown, re.MULTILINE))
    assert set(lines) == TARGETS
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == TARGETS


def test_a_target_is_two_lines_at_most():
    long = [
        block.partition(":")[0]
        for block in (ROOT / "Makefile").read_text().split("\n\n")
        if len([line for line in block.splitlines() if line.startswith("\t")]) > 2
    ]
    assert long == []


def test_ci_runs_what_a_user_can_run_and_nothing_else():
    assert (ROOT / ".ci" / "run").read_text() == "#!/usr/bin/env bash\nexec make test\n"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_imports_point_down_only():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=ROOT,
        env={"PYTHONPATH": "operator"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
