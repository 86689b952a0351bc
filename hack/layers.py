"""The layers of `make test`, cheapest first: what each runs, and what came of it.

The rule it protects: nothing is skipped silently. A layer that can't run counts its tests as skipped and says why.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial, reduce
from pathlib import Path
from typing import IO, Protocol

import venue
from outcome import Result, read, summed

ROOT = venue.ROOT
FAST = ("core", "api", "app", "adapters", "web", "cli", "structure", "runbooks", "docs", "fuzz")
ON_EVERY_CORE = ("-n", str(min(os.cpu_count() or 1, 8)), "--dist", "worksteal", "--timeout", "900")
"""At the lowest priority a test gets what others leave: twenty seconds of work have taken two minutes. The limit is there for what hangs."""
IN_NAMESPACES_OF_THEIR_OWN = ("-n", "8", "--dist", "loadgroup")
"""Scenarios mostly wait; their cluster does the work."""
SHUFFLED = tuple(("--shuffle", seed, "--steady", "60", "-m", wanted) for seed, wanted in (("1", ""), ("2", "not once"), ("3", "not once")))
"""By night scenarios are played three times, with other names and in another order, and what was healed must stay ready for a minute."""
SIDE_BY_SIDE = ("-n", "2", "--dist", "worksteal")
"""Attacks mostly wait as well, and each test carries out many at once."""
NOTHING_COLLECTED = 5
ENDING_SECONDS = 40
"""How long a layer that was interrupted may take to end what it began."""
UNDER_WAY: set[subprocess.Popen[bytes]] = set()
"""What runs now: a layer in halves has two."""


class Run(Protocol):
    """How a layer runs."""

    def __call__(self, *, nightly: bool) -> Result:
        """Run it, with the slow tests if it is the night."""


class Load(Enum):
    """What a layer asks of the machine, and so what may run beside it."""

    BRIEF = auto()
    PROCESSORS = auto()
    """Nothing else, and for minutes."""
    WAITS = auto()
    """For a cluster, mostly: what wants processors may have them meanwhile."""
    ALONE = auto()
    """It tells how late something was."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the table."""

    name: str
    what: str
    run: Run
    nightly: bool = False
    """Too long for `make test`: it runs by night, and when it is named."""
    load: Load = Load.BRIEF


def _check(*commands: Sequence[str], env: dict[str, str] | None = None) -> Run:
    """Each command is one test: it passes when it exits with 0."""

    def run(*, nightly: bool) -> Result:  # noqa: ARG001 - a check is as fast by night
        codes = [_call([sys.executable, *command], venue.bare_environment() | (env or {})) for command in commands]
        return Result(passed=codes.count(0), failed=len(codes) - codes.count(0))

    return run


def _tests(*folders: str, spread: Sequence[str] = ()) -> Run:
    def run(*, nightly: bool) -> Result:
        return _pytest(_there(folders), venue.Venue((), venue.bare_environment()), nightly=nightly, spread=spread)

    return run


def _box_tests(*, nightly: bool) -> Result:
    folders = ("box",)
    if venue.wanted() != "box":
        return _cannot(folders, "these are tests of the box itself, and CLUSTER names another cluster")
    try:
        venue.require_box()
    except venue.CannotRun as error:
        return _cannot(folders, str(error))
    return _tests(*folders)(nightly=nightly)


def _cluster_tests(
    folder: str, *, monitoring: bool, kwok: bool = False, spread: Sequence[str] = (), by_night: Sequence[Sequence[str]] = ((),)
) -> Run:
    """`by_night` has the options of each round that is played by night; by day there is one, without any.

    Each round has a cluster of its own: the storm that one ends with would make the next one act slowly, as it should.
    """

    def one(more: Sequence[str], kept: str, *, nightly: bool) -> Result:
        try:
            with venue.opened(folder, monitoring=monitoring, kwok=kwok) as place:
                with_rounds = replace(place, environment=place.environment | {"ROUNDS": kept})
                return _pytest(_there((folder,)), with_rounds, nightly=nightly, spread=[*spread, *more])
        except venue.CannotRun as error:
            return _cannot((folder,), str(error))

    def run(*, nightly: bool) -> Result:
        if not _there((folder,)):
            return Result()
        with tempfile.TemporaryDirectory() as kept:
            return reduce(summed, [one(more, kept, nightly=nightly) for more in (by_night if nightly else ((),))])

    return run


def _halves(folder: str, *apart: str) -> Run:
    """The files of these patterns on a control plane of their own, beside the others: the tests of a half share one, and mostly wait for it."""

    def run(*, nightly: bool) -> Result:
        if venue.wanted() != "box":
            return _cluster_tests(folder, monitoring=False)(nightly=nightly)
        files = sorted(path.relative_to(ROOT) for path in (ROOT / "tests" / folder).rglob("test_*.py"))
        alone = [str(path) for path in files if any(path.match(f"tests/{folder}/{one}") for one in apart)]
        others = [str(path) for path in files if str(path) not in alone]

        def half(chosen: Sequence[str], box: str, output: IO[str] | None) -> Result:
            with venue.opened(box, monitoring=False) as place:
                return _pytest(chosen, place, nightly=nightly, spread=(), output=output)

        return _side_by_side(folder, partial(half, others, folder), partial(half, alone, "other"))

    return run


def _side_by_side(folder: str, one: Callable[[IO[str] | None], Result], two: Callable[[IO[str] | None], Result]) -> Result:
    """Both at once. The first prints as it goes, the second when both are over; each is given where it prints."""

    def half(runs: Callable[[IO[str] | None], Result], output: IO[str] | None) -> Result:
        try:
            return runs(output)
        except venue.CannotRun as error:
            return _cannot((folder,), str(error))

    with tempfile.TemporaryFile("w+") as output, ThreadPoolExecutor(1) as beside:
        other = beside.submit(half, two, output)
        try:
            first = half(one, None)
            second = other.result()
        except BaseException:
            for process in list(UNDER_WAY):
                process.terminate()  # where something else than a signal ended the first
            raise
        output.seek(0)
        print(output.read(), flush=True)
    return summed(first, second)


def _pytest(there: Sequence[str], place: venue.Venue, *, nightly: bool, spread: Sequence[str], output: IO[str] | None = None) -> Result:
    if not there:
        return Result()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            *place.prefix,
            sys.executable,
            "-m",
            "pytest",
            "-q",
            f"--junitxml={report}",
            "-o",
            "junit_logging=no",
            "--durations=8",
            "--durations-min=15",
            *there,
        ]
        command += [] if nightly else ["-m", "not nightly"]
        command += spread
        code = _call(command, place.environment, output)
        if not report.exists():
            return Result(failed=1)
        result = read(report)
    return result if result.failed or code in {0, NOTHING_COLLECTED} else replace(result, failed=1)


def _there(folders: Sequence[str]) -> list[str]:
    return [f"tests/{folder}" for folder in folders if list((ROOT / "tests" / folder).rglob("test_*.py"))]


def _cannot(folders: Sequence[str], why: str) -> Result:
    """Count what would have run."""
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *_there(folders)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return Result(skipped=max(sum("::" in line for line in listed.stdout.splitlines()), 1), why=why)


def interrupt() -> None:
    """Tell what runs now to end, as Ctrl-C at a terminal does; for a signal that this process alone was sent."""
    for process in list(UNDER_WAY):
        process.send_signal(signal.SIGINT)


def _call(command: Sequence[str], environment: dict[str, str], output: IO[str] | None = None) -> int:
    """Run to the end; once interrupted wait for the child, which was as well, and go on raising. Without `output` it prints as it goes."""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as process:
        UNDER_WAY.add(process)
        try:
            return process.wait()
        except BaseException:
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDING_SECONDS)
            process.kill()
            raise
        finally:
            UNDER_WAY.discard(process)


def timed(layer: Layer, *, nightly: bool) -> Result:
    """Run a layer under its title."""
    width = min(shutil.get_terminal_size().columns, 100)
    print(f"\n── {layer.name}: {layer.what} ".ljust(width, "─"), flush=True)
    began = time.monotonic()
    result = layer.run(nightly=nightly)
    if result.why:
        print(f"could not run: {result.why}", flush=True)
    return replace(result, seconds=time.monotonic() - began)


IMPORT_LINTER = "from importlinter.cli import lint_imports_command as run; run()"
CODE = {"PYTHONPATH": "operator"}

LAYERS = (
    Layer("format", "ruff format", _check(["-m", "ruff", "format", "--check", "."])),
    Layer("lint", "ruff check", _check(["-m", "ruff", "check", "."])),
    Layer(
        "types",
        "mypy --strict: the package, the box, the tools and the tests",
        _check(["-m", "mypy", "-p", "prunella"], ["-m", "mypy", "hack", "tests"], env={"MYPYPATH": "operator:hack/cluster:hack:hack/demo:."}),
        load=Load.PROCESSORS,
    ),
    Layer("contracts", "import-linter: who may import whom", _check(["-c", IMPORT_LINTER], env=CODE), load=Load.PROCESSORS),
    Layer("verify", "generated files are up to date", _check(["hack/generate.py", "--check"], env=CODE), load=Load.PROCESSORS),
    Layer("unit", "fast tests, no cluster", _tests(*FAST, spread=ON_EVERY_CORE), load=Load.PROCESSORS),
    Layer("box", "the cluster in a box, from outside", _box_tests, load=Load.WAITS),
    Layer("cluster", "a real control plane", _halves("cluster", "hostile/*", "test_approvals.py", "test_cases_*", "test_steps_*"), load=Load.WAITS),
    Layer(
        "faults",
        "attacks on the way to the API server",
        _cluster_tests("faults", monitoring=False, spread=SIDE_BY_SIDE),
        nightly=True,
        load=Load.ALONE,
    ),
    Layer("outages", "a control plane that fails", _cluster_tests("outages", monitoring=False), nightly=True, load=Load.ALONE),
    Layer(
        "soak", "an hour of alerts, faults and a bad way to the API server", _cluster_tests("soak", monitoring=False), nightly=True, load=Load.ALONE
    ),
    Layer(
        "scenarios",
        "real nodes",
        _cluster_tests("scenarios", monitoring=True, kwok=True, spread=IN_NAMESPACES_OF_THEIR_OWN, by_night=SHUFFLED),
        load=Load.ALONE,
    ),
)
