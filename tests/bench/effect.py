"""Measurements 1, 4 and 5: status → effect, idle and under unrelated updates; writes per healed Incident; CPU per watch event."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.bench import ground
from tests.bench.heals import BARE_PLACE, BARE_SUBJECT, Theatre, Trial
from tests.bench.ledger import Ledger
from tests.bench.naive import operator as naive
from tests.bench.results import Results, Row, p50_p99
from tests.bench.subjects import NAIVE, Cast, Process
from tests.harness import audit
from tests.harness.api import Api
from tests.harness.waiting import Missed, wait_for

CROWD_PLACE = "bench-crowd"
RATE_SECONDS = 4.0
SUSTAINED = 0.95
SUSTAINED_MS = 250.0
"""A rate is sustained where SUSTAINED of it was answered in its time, and half of that within SUSTAINED_MS of being due."""
SECONDS_A_TRIAL = 5.0
CPU_SECONDS = 10.0
HEAL_SECONDS = 90.0
RESTED_SECONDS = 300.0
RESTING_SHARE = 0.05
"""Of a core."""
SETTLE_SECONDS = 5.0
_pause = threading.Event()


@dataclass(frozen=True, slots=True)
class Subject:
    """One whose status → effect is measured."""

    name: str
    user: str
    place: str
    mode: str | None
    group: str
    start: Callable[[], AbstractContextManager[Process]]
    idle_trials: int
    loaded_trials: int


def subjects(cast: Cast) -> tuple[Subject, Subject]:
    """Prunella and the naive twin."""
    return (
        Subject("prunella", audit.OPERATOR, "bench-heal", "Auto", audit.OURS, cast.prunella, cast.scale.idle_trials, cast.scale.loaded_trials),
        Subject("naive twin", NAIVE, "bench-naive", None, naive.GROUP, cast.naive, cast.scale.naive_trials, cast.scale.naive_trials),
    )


@dataclass
class Round:
    """What one round of one subject brought."""

    trials: list[Trial] = field(default_factory=list)
    cpu: float = 0.0
    bare_cpu: float = 0.0
    """Microseconds of CPU an event."""
    writes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Per heal: those that the budget counts, those that it lets pass, Events."""

    def of(self, subject: str) -> list[float]:
        """Milliseconds of one subject."""
        return [one.milliseconds for one in self.trials if one.subject == subject]


class Effect:
    """The measurements, on one cast."""

    def __init__(self, cast: Cast, results: Results) -> None:
        self._cast = cast
        self._results = results
        self._api: Api = cast.installation.api
        self._places = 0
        self._crowd = cast.scale.crowd
        self._rates, self._loads = cast.scale.rates, cast.scale.loads

    def idle(self) -> None:
        """On a cluster where nothing happens but these heals, one every few seconds; and what a heal writes."""
        ours, twin = (self._round(one, one.idle_trials) for one in subjects(self._cast))
        self._tell("idle", ours, twin, goals=(15.0, 50.0), over_floor=True, file="idle")
        told = ("persisted writes", "hand-back and the rollout's own record", "Events")
        for words, goal, mine, theirs in zip(told, (10.0, None, 8.0), ours.writes, twin.writes, strict=True):
            limit = f"≤ {goal:g}" if goal else ""
            self._results.add(Row(what=f"writes per healed Incident: {words}", measured=mine, unit="", goal=goal, goal_words=limit, naive=theirs))

    def loaded(self) -> None:
        """Beside a crowd of pods that are updated all the time, at each of the loads that the API server sustains; and what an update costs."""
        ground.namespace(self._api, CROWD_PLACE)
        ground.Crowd(self._api, CROWD_PLACE).grow(self._crowd)
        best, goal = self._sustained(), self._loads[-1]
        if best < goal:
            self._results.note(
                f"The API server of this machine does not sustain {goal:,} updates/s beside the bare watcher: the highest rate "
                f"of the ladder "
                f"{', '.join(map(str, self._rates))} was {best:,}/s (at least {SUSTAINED:.0%} of it answered, "
                f"half of that within {SUSTAINED_MS:g} ms). "
                f"That is the load where the table says so."
            )
        for rate in dict.fromkeys(min(load, best) for load in self._loads):
            ours, twin = (self._round(one, one.loaded_trials, rate=rate) for one in subjects(self._cast))
            limit = 150.0 if rate == min(goal, best) else None
            self._tell(f"{self._crowd:,} pods, {rate:,} updates/s", ours, twin, goals=(None, limit), over_floor=False, file=f"{rate}-a-second")
        what = f"CPU per watch event ({self._crowd:,} pods, {ground.CROWD_REPLICAS} a Deployment)"
        self._results.add(Row(what=what, measured=ours.cpu, unit="µs", goal=30.0, goal_words="≤ 30 µs", floor=ours.bare_cpu, naive=twin.cpu))

    def _tell(self, words: str, ours: Round, twin: Round, *, goals: tuple[float | None, float | None], over_floor: bool, file: str) -> None:
        mine, floor, theirs = p50_p99(ours.of("prunella")), p50_p99(ours.of(BARE_SUBJECT)), p50_p99(twin.of("naive twin"))
        for name, goal, index in zip(("p50", "p99"), goals, (0, 1), strict=True):
            limit = "" if goal is None else f"≤ {goal:g} ms{' over the floor' if over_floor else ''}"
            row = Row(
                what=f"status → effect, {words}, {name}",
                measured=mine[index],
                unit="ms",
                goal=goal,
                goal_words=limit,
                floor=floor[index],
                naive=theirs[index],
                over_floor=over_floor,
            )
            self._results.add(row)
        lines = [(number, one.subject, one.milliseconds) for number, one in enumerate((*ours.trials, *twin.trials))]
        self._results.raw(f"effect-{file}", ("trial", "subject", "ms"), lines)

    def _round(self, subject: Subject, count: int, *, rate: int = 0) -> Round:
        """One subject's trials beside the bare watcher's, and the end of all its heals."""
        self._places += 1
        place = ground.namespace(self._api, f"{subject.place}-{self._places}", mode=subject.mode)
        ground.namespace(self._api, BARE_PLACE)
        if subject.mode:
            binding = copy.deepcopy(self._cast.installation.opt_in)
            binding["metadata"]["namespace"] = place
            self._api.apply(binding)
        log = self._cast.installation.state / "audit.log"
        theatre = Theatre(self._api, place, subject.name, subject.user, Ledger(log), audit.AuditLog(log))
        path = f"/apis/{subject.group}/v1alpha1/namespaces/{place}/incidents"
        made = Round()
        with subject.start() as process, self._cast.bare() as bare:
            if rate:
                made.cpu, made.bare_cpu = self._cpu(process, bare, rate)
            theatre.prepare(count, lambda: len(self._incidents(path)))
            load = self._load(rate, count * SECONDS_A_TRIAL) if rate else None
            made.trials = theatre.trials()
            if load is not None:
                self._cast.stop(load)
            self._await_heals(subject, path, count)
        bill = theatre.bill()
        parts = (bill.counted, (*bill.hand_backs, *bill.own_records), bill.events)
        made.writes = (len(parts[0]) / count, len(parts[1]) / count, len(parts[2]) / count)
        ground.forget(self._api, [BARE_PLACE])
        wait_for(lambda: self._api.find("Namespace", BARE_PLACE) is None, 60, "the floor's namespace is gone")
        return made

    def _incidents(self, path: str) -> list[dict[str, dict[str, str]]]:
        items: list[dict[str, dict[str, str]]] = self._api.request("GET", path).body.get("items") or []
        return items

    def _await_heals(self, subject: Subject, path: str, count: int) -> None:
        def resolved() -> int:
            return sum(one.get("status", {}).get("phase") == "Resolved" for one in self._incidents(path))

        try:
            wait_for(lambda: resolved() >= count, HEAL_SECONDS, f"{count} are healed", seen=resolved, interval=1.0)
            _pause.wait(SETTLE_SECONDS)
        except Missed:
            self._results.note(f"The {subject.name} had resolved {resolved()} of {count} Incidents {HEAL_SECONDS:g} s after the last trial.")

    # --- the load ---

    def _load(self, rate: int, seconds: float) -> Process:
        load = self._cast.load(CROWD_PLACE, rate, seconds)
        _pause.wait(3.0)  # it lists the pods and connects
        return load

    def _run_load(self, rate: int, seconds: float) -> dict[str, float]:
        file = self._cast.load_file
        load = self._cast.load(CROWD_PLACE, rate, seconds)
        wait_for(file.exists, seconds + 60, "the load has ended")
        self._cast.stop(load)
        told: dict[str, float] = json.loads(file.read_text())
        return told

    def _sustained(self) -> int:
        """The highest rate of the ladder that the API server sustains beside the bare watcher."""
        best, lines = 0, []
        with self._cast.bare():
            for rate in self._rates:
                told = self._run_load(rate, RATE_SECONDS)
                lines.append((rate, told["rate"], told["p50_ms"], told["p99_ms"], told["refused"], told["cpu_seconds"]))
                if told["rate"] < SUSTAINED * rate or told["p50_ms"] > SUSTAINED_MS:
                    break
                best = rate
        self._results.raw("load", ("wanted_per_s", "answered_per_s", "p50_ms", "p99_ms", "refused", "load_cpu_s"), lines)
        return best or self._rates[0]

    def _cpu(self, process: Process, bare: Process, rate: int) -> tuple[float, float]:
        """Microseconds of CPU an event: what the processes did under the load, less what they do in that time without it."""
        wait_for(lambda: _rest(process, bare), RESTED_SECONDS, "they are at rest")
        began = process.cpu_seconds(), bare.cpu_seconds()
        _pause.wait(CPU_SECONDS + 1.0)
        rested = process.cpu_seconds(), bare.cpu_seconds()
        told = self._run_load(rate, CPU_SECONDS)
        _pause.wait(1.0)
        loaded = process.cpu_seconds(), bare.cpu_seconds()
        mine, floor = (
            1e6 * ((after - middle) - (middle - before)) / told["done"] for before, middle, after in zip(began, rested, loaded, strict=True)
        )
        return mine, floor


def _rest(*processes: Process) -> bool:
    """Whether they do little by themselves. Right after a start they do much, and that would be taken off what the load costs."""
    before = [one.cpu_seconds() for one in processes]
    _pause.wait(1.0)
    return all(one.cpu_seconds() - was < RESTING_SHARE for one, was in zip(processes, before, strict=True))
