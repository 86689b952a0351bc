"""The page of a run: what was measured, on which machine, with which versions."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.bench.results import Results, cells
from tests.harness.installation import ROOT

HEAD = """\
<!-- Written by `make bench`. Don't edit: measure again. -->
# Performance, measured

Every number is of one run on one machine, beside a **floor** measured in the same run, and where it can be done beside a **naive twin**: the
same kind, handled the way that Kopf's tutorial leads to (`tests/bench/naive`). The floors are a bare watcher that sends one PATCH when it sees the
fault, and a receiver that stores each alert as one object. Ratios carry over to other machines, milliseconds do not. The raw numbers lie in
[performance](performance). [What they mean](../design/performance.md), and what would have to change where a goal is missed, is told by people.

"""
COLUMNS = ("what", "goal", "measured", "floor", "times the floor", "naive twin", "met")
PACKAGES = ("kopf", "kubernetes", "aiohttp", "msgspec", "pydantic")
METHOD = """\

## How

`make bench` starts a cluster in a box (real etcd and API server, pods by KWOK) and stamps every time itself: by the API server's audit log, or
by a watch of the harness's own, never by the process that is measured. Load is open-loop: a request is due at its place in the schedule, whether
or not the one before it was answered. Subjects take turns. Nothing that was measured is left out. Everything, the API server included, shares the
machine.
"""


def render(results: Results, *, seconds: float) -> str:
    """The page."""
    table = [COLUMNS, tuple("---" for _ in COLUMNS), *(cells(row) for row in results.rows)]
    lines = [f"| {' | '.join(one)} |" for one in table]
    notes = ["", "## Notes", "", *(f"- {one}" for one in results.notes)] if results.notes else []
    return HEAD + "\n".join([*_circumstances(seconds), "", *lines, *notes]) + "\n" + METHOD


def _circumstances(seconds: float) -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[2]
    return [
        f"- {dt.datetime.now(dt.UTC):%Y-%m-%d}, commit `{_commit()}`, {seconds / 60:.0f} minutes; load at the end {load:.1f}",
        f"- {os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB, Linux {platform.release().partition('-')[0]}",
        f"- Kubernetes {_kubernetes()}, Python {platform.python_version()}, {', '.join(f'{one} {version(one)}' for one in PACKAGES)}",
    ]


def _commit() -> str:
    """With `-dirty` where anything differs from it but the pages that this run writes itself."""
    told = _git("describe", "--always")
    changed = _git("status", "--porcelain", "--", ".", ":!docs/reference")
    return f"{told}-dirty" if changed else told or "unknown"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def _processor() -> str:
    lines = (one.partition(":") for one in Path("/proc/cpuinfo").read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == "model name"), platform.machine())


def _kubernetes() -> str:
    told = subprocess.run(["kubectl", "version"], capture_output=True, text=True, check=False).stdout
    return next((one.partition(":")[2].strip() for one in told.splitlines() if one.startswith("Server")), "unknown")
