"""`make test` counts everything, says what could not run, and touches no cluster that nobody asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.cluster import outside

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack"))

import beside  # noqa: E402 - it stands in hack/, which is no package
import layers  # noqa: E402
import outcome  # noqa: E402
import test as runner  # noqa: E402
import venue  # noqa: E402
from outcome import Result  # noqa: E402

REPORT = """<?xml version="1.0"?><testsuites>
<testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10"/><testsuite name="more" errors="0" failures="0" skipped="0" tests="5"/>
</testsuites>"""
GOOD = Result(passed=7, skipped=1, seconds=1.26)
BAD = Result(passed=1, failed=2)
ABSENT = Result(skipped=4, why="a cluster in a box needs root")
NOTED = Result(passed=2, notes=("write did not occur: create events: page: killed before create events 1",))


def test_a_report_of_pytest_is_counted_errors_as_failures(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert outcome.read(report) == Result(passed=9, failed=3, skipped=3)


@pytest.mark.parametrize("first_cannot", [True, False])
def test_a_half_that_can_not_run_hides_nothing_of_the_other(first_cannot, monkeypatch):
    def breaks(_output: object) -> Result:
        raise venue.CannotRun("no kwok here")

    monkeypatch.setattr(layers, "_cannot", lambda _folders, why: Result(skipped=4, why=why))
    halves = (breaks, lambda _output: BAD) if first_cannot else (lambda _output: BAD, breaks)
    assert layers._side_by_side("scenarios", *halves) == Result(passed=1, failed=2, skipped=4, why="no kwok here")


def test_each_round_of_the_night_has_a_cluster_of_its_own_and_all_keep_what_passed_in_one_place(monkeypatch):
    """What a round leaves in its cluster, such as the end of a storm, is no part of the next one; and one that can't run hides no other."""
    opened: list[str] = []
    played: list[tuple[str, str, str]] = []

    @contextmanager
    def cluster(layer: str, **_: object) -> Iterator[venue.Venue]:
        opened.append(layer)
        if len(opened) == 2:
            raise venue.CannotRun("no kwok here")
        yield venue.Venue((str(len(opened)),), {})

    def plays(_there: object, place: venue.Venue, *, nightly: bool, spread: list[str], output: object = None) -> Result:
        assert (nightly, output) == (True, None)
        played.append((place.prefix[0], place.environment["ROUNDS"], spread[-1]))
        return BAD

    monkeypatch.setattr(venue, "opened", cluster)
    monkeypatch.setattr(layers, "_pytest", plays)
    monkeypatch.setattr(layers, "_cannot", lambda _folders, why: Result(skipped=4, why=why))
    run = layers._cluster_tests("scenarios", monitoring=True, by_night=[("a",), ("b",), ("c",)])
    assert run(nightly=True) == Result(passed=2, failed=4, skipped=4, why="no kwok here")
    assert ([(one, name) for one, _, name in played], len({kept for _, kept, _ in played})) == ([("1", "a"), ("3", "c")], 1)


def test_two_halves_that_can_not_run_say_both_why_and_the_same_once():
    other = Result(skipped=2, why="no kwok here")
    assert outcome.summed(ABSENT, other) == Result(skipped=6, why="a cluster in a box needs root; no kwok here")
    assert outcome.summed(ABSENT, ABSENT) == Result(skipped=8, why="a cluster in a box needs root")


def test_the_table_has_a_line_for_each_layer_and_closes_with_all_of_them():
    assert runner.summary({"unit": GOOD, "lint": BAD, "cluster": ABSENT, "faults": NOTED}) == [
        "",
        "LAYER           RAN  PASSED  FAILED  SKIPPED   SECONDS",
        "unit              7       7       0        1       1.3",
        "lint              3       1       2        0       0.0",
        "cluster           0       0       0        4       0.0",
        "faults            2       2       0        0       0.0",
        "cluster could not run: a cluster in a box needs root",
        "faults: write did not occur: create events: page: killed before create events 1",
        "",
        "10 passed, 2 failed, 5 skipped",
    ]


@pytest.mark.parametrize(
    ("results", "strict", "code"),
    [
        ({"unit": GOOD}, False, 0),
        ({"unit": GOOD, "lint": BAD}, False, 1),
        ({"unit": GOOD, "cluster": ABSENT}, False, 0),
        ({"unit": GOOD, "cluster": ABSENT}, True, 1),
    ],
    ids=["all passed", "one failed", "one could not run", "one could not run, in CI"],
)
def test_the_exit_code_says_whether_something_failed(results, strict, code):
    assert runner.verdict(results, strict=strict) == code


def test_layers_are_chosen_by_name_and_run_in_their_order():
    assert [layer.name for layer in runner.chosen(["unit", "lint"])] == ["lint", "unit"]
    assert [layer.name for layer in layers.LAYERS if layer not in runner.chosen([])] == ["faults", "outages", "soak"], "what is left for the night"
    assert runner.chosen([], nightly=True) == list(layers.LAYERS)
    assert [layer.name for layer in runner.chosen(["faults"])] == ["faults"]
    with pytest.raises(SystemExit, match="there is no layer typos; there are: format, lint"):
        runner.chosen(["typos"])


class Other:
    """Stands in for a run beside, and tells when it was begun, waited for and closed."""

    def __init__(self, told: list[str], names: list[str]) -> None:
        self.told, self.names = told, names
        told.append(f"begun {' '.join(names)}")

    def results(self) -> dict[str, Result]:
        self.told.append("over")
        return dict.fromkeys(self.names, GOOD)

    def close(self) -> None:
        self.told.append("closed")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            [],
            "begun types contracts verify unit, format, lint, box, cluster, over, scenarios, closed",
        ),
        (["unit", "lint"], "lint, unit"),
        (["unit", "scenarios"], "unit, scenarios"),
        (["unit", "cluster"], "begun unit, cluster, over, closed"),
        (["cluster", "scenarios"], "cluster, scenarios"),
    ],
    ids=["all", "no cluster", "nothing waits", "nothing is alone", "nothing wants processors"],
)
def test_what_wants_processors_runs_beside_what_waits_and_nothing_beside_what_runs_alone(names, told, monkeypatch):
    seen: list[str] = []

    def timed(layer: layers.Layer, *, nightly: bool) -> Result:
        seen.append(layer.name)
        return BAD

    monkeypatch.setattr(runner, "timed", timed)
    monkeypatch.setattr(beside, "Beside", lambda names, nightly: Other(seen, names))
    chosen = runner.chosen(names)
    results = dict(runner.ran(chosen, nightly=False))
    assert ", ".join(seen) == told
    assert results.keys() == {layer.name for layer in chosen}, "each has its line"


@pytest.mark.parametrize(("name", "told"), [("scenarios", ["built", "ran"]), ("box", ["built", "ran"]), ("unit", ["ran"])])
def test_what_a_box_needs_is_built_before_any_layer_begins(name, told, monkeypatch):
    """On a new machine that takes minutes, which no test's time and no run beside should be spent on."""
    seen: list[str] = []

    def runs(_layers: object, *, nightly: bool) -> Iterator[tuple[str, Result]]:
        assert not nightly
        seen.append("ran")
        yield name, GOOD

    monkeypatch.setattr(sys, "argv", ["test.py", name])
    monkeypatch.setattr(runner.signal, "signal", lambda *_: None)
    monkeypatch.setattr(venue, "remove_leftovers", lambda: None)
    monkeypatch.setattr(venue, "build_box", lambda: seen.append("built"))
    monkeypatch.setattr(runner, "ran", runs)
    assert runner.main() == 0
    assert seen == told


def test_a_run_beside_is_closed_when_the_other_is_interrupted(monkeypatch):
    seen: list[str] = []

    def interrupted(_layer: layers.Layer, *, nightly: bool) -> Result:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "timed", interrupted)
    monkeypatch.setattr(beside, "Beside", lambda names, nightly: Other(seen, names))
    with pytest.raises(KeyboardInterrupt):
        list(runner.ran(runner.chosen([]), nightly=False))
    assert seen[-1] == "closed"


ENDS_WHAT_IT_BEGAN = """
import pathlib, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
print("begun", flush=True)
interrupted = signal.sigtimedwait({signal.SIGINT}, 60)
if interrupted and signal.sigtimedwait({signal.SIGTERM}, 1) is None:
    pathlib.Path(sys.argv[1]).touch()
"""


@pytest.mark.parametrize(("number", "everybody"), [(signal.SIGINT, True), (signal.SIGTERM, False)], ids=["Ctrl-C", "a signal to the run alone"])
def test_a_layer_that_is_interrupted_ends_what_it_began(number, everybody, tmp_path, monkeypatch):
    """Tests have boxes of their own: who kills them at once leaves those behind."""
    layer = [sys.executable, "-c", ENDS_WHAT_IT_BEGAN, str(tmp_path / "ended")]
    program = f"import layers, os, sys, test; test.timed = lambda *_, **__: layers._call({layer}, dict(os.environ)); sys.exit(test.main())"
    command = [sys.executable, "-c", program, "lint"]
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "hack"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "begun\n"
        (os.killpg if everybody else os.kill)(run.pid, number)
        run.communicate()
    assert run.returncode == runner.INTERRUPTED
    assert (tmp_path / "ended").exists()


def test_a_session_that_gives_way_does_so_to_other_sessions_as_well():
    """A nice value alone counts within a session where the kernel groups processes by it, and each part of a cluster is a session of its own."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as session:
        try:
            beside.give_way(session.pid)
            assert os.getpriority(os.PRIO_PROCESS, session.pid) == beside.LOWEST
            group = Path(f"/proc/{session.pid}/autogroup")
            told = group.read_text() if group.exists() else ""
            assert told == "" or told.split()[-2:] == ["nice", "19"], told
        finally:
            session.kill()


def test_a_run_beside_leaves_its_table_and_what_it_did_not_come_to_has_failed():
    with closing(beside.Beside(["contracts"], nightly=False)) as run:
        found = run.results()["contracts"]
    assert (found.passed, found.failed) == (1, 0)
    with closing(beside.Beside(["no such layer"], nightly=False)) as run:
        assert run.results() == {"no such layer": Result(failed=1)}


def test_a_table_is_read_as_it_was_written(tmp_path):
    results = {"unit": GOOD, "cluster": ABSENT, "faults": NOTED}
    beside.write(results, tmp_path / "results.json")
    assert beside.read(tmp_path / "results.json") == results


def test_every_folder_of_tests_belongs_to_a_layer():
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders - {*layers.FAST, "box", "cluster", "faults", "outages", "soak", "scenarios"} == set()


def test_an_exported_kubeconfig_and_this_clones_code_are_kept_from_the_tests(monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/somebody/elses")
    monkeypatch.setenv("CLUSTER", "kubeconfig")
    monkeypatch.setenv("PYTHONPATH", "operator")
    assert {"KUBECONFIG", "CLUSTER", "PYTHONPATH"} & venue.bare_environment().keys() == set()


@pytest.mark.parametrize(
    ("environment", "granted"),
    [
        ({}, ""),
        ({"KUBECONFIG": "/production"}, ""),
        ({"KUBECONFIG": "/production", "CLUSTER": "box"}, ""),
        ({"KUBECONFIG": "/box/admin", "BOX_DIR": "/box"}, "/box/admin"),
        ({"KUBECONFIG": "/mine", "CLUSTER": "kubeconfig"}, "/mine"),
        ({"KUBECONFIG": "/made", "CLUSTER": "kind"}, "/made"),
    ],
    ids=["none", "exported alone", "a box is asked for", "in a box", "asked for", "kind"],
)
def test_pytest_by_hand_touches_only_a_box_or_the_cluster_that_was_asked_for(environment, granted):
    assert outside.granted(environment) == granted


@pytest.mark.parametrize(("given", "kind"), [(None, "box"), ("", "box"), ("kubeconfig", "kubeconfig"), ("kind", "kind")])
def test_the_box_is_taken_unless_another_cluster_is_asked_for(given, kind, monkeypatch):
    monkeypatch.delenv("CLUSTER", raising=False)
    if given is not None:
        monkeypatch.setenv("CLUSTER", given)
    assert venue.wanted() == kind


def test_a_cluster_that_is_not_known_is_refused(monkeypatch):
    monkeypatch.setenv("CLUSTER", "production")
    with pytest.raises(SystemExit, match="CLUSTER=production is not known; it may be box, kubeconfig, kind"):
        venue.wanted()


def test_kind_says_what_is_missing_where_it_can_not_run(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(venue.CannotRun, match="CLUSTER=kind needs docker, which is not installed"):
        venue.require_kind()


def test_a_box_is_named_by_the_process_so_that_two_runs_do_not_meet():
    found = venue.OWN_BOX.fullmatch("test-12345-scenarios")
    assert found is not None
    assert found[1] == "12345"
    assert venue.OWN_BOX.fullmatch("prunella-demo") is None
