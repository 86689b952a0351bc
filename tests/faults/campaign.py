"""Attack a story at every write it makes: record it once undisturbed, count its writes, and play it again for each of them with the fault there.

A write is found again by what it is and its number among its like (`update incidents/status`, the 2nd), not by its place in the whole order: what two
workers do at once may change places.
"""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.harness.waiting import wait_for

from . import invariants
from .evidence import Evidence, gather
from .exchange import Exchange
from .flows import END_SECONDS, Flow, ending, quiet
from .ground import Ground, Stage
from .rules import KillAfter, KillBefore, LoseReply, Match, Rule

SIDE_BY_SIDE = 16
"""Attacks at once in one test process: they mostly wait."""


@dataclass(frozen=True, slots=True)
class Point:
    """One write of a story."""

    words: str
    nth: int

    def __str__(self) -> str:
        return f"{self.words} {self.nth}"


def points(written: Iterable[Exchange]) -> list[Point]:
    """Every write, in order."""
    seen: Counter[str] = Counter()
    found = []
    for one in written:
        seen[one.words] += 1
        found.append(Point(one.words, seen[one.words]))
    return found


Make = Callable[[Ground, Match, int], Rule]
FAULTS: dict[str, Make] = {
    "killed before": lambda ground, match, nth: KillBefore(ground.kill, match, nth=nth),
    "killed after": lambda ground, match, nth: KillAfter(ground.kill, match, nth=nth),
    "reply lost": lambda _, match, nth: LoseReply(match, nth=nth, times=1),
}


@dataclass(frozen=True, slots=True)
class Attack:
    """One fault at one write of one story."""

    flow: Flow
    fault: str
    point: Point

    def __str__(self) -> str:
        return f"{self.flow.name}: {self.fault} {self.point}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; `wrong` is empty where everything held."""

    attack: Attack
    wrong: str
    seconds: float


class Campaign:
    """Plays stories on grounds of their own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def recorded(self, flow: Flow) -> tuple[list[Point], Evidence]:
        """The story undisturbed: its writes from the deed on, and what it left behind."""
        ground = Ground(self._stage, f"clean-{flow.name}")
        try:
            flow.prepare(ground)
            deed = len(ground.proxy.log)
            flow.deed(ground)
            ending(flow, ground)
            quiet(ground)
            wrong = invariants.broken(seen := gather(ground, flow, deed))
            assert not wrong, "\n".join(["undisturbed, and yet:", *wrong, ground.story()])
            return points(_of(ground, deed)), seen
        finally:
            ground.close()

    def carried_out(self, attacks: Sequence[Attack]) -> list[Result]:
        """All of them, several at once."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return list(pool.map(self._carry_out, attacks))

    def _carry_out(self, attack: Attack) -> Result:
        began = time.monotonic()
        try:
            wrong = self._attack(attack)
        except Exception:
            wrong = traceback.format_exc()
        return Result(attack, wrong, time.monotonic() - began)

    def _attack(self, attack: Attack) -> str:
        flow, point = attack.flow, attack.point
        ground = Ground(self._stage, f"a-{flow.name}")
        try:
            flow.prepare(ground)
            deed = len(ground.proxy.log)
            verb, resource = point.words.split(" ", 1)
            match = Match(verbs={verb}, resource=resource, namespace=ground.namespace)
            rule = ground.proxy.add(FAULTS[attack.fault](ground, match, point.nth))
            flow.deed(ground)
            wait_for(rule.done.is_set, END_SECONDS, f"{attack}: {rule} fires", seen=ground.story)
            ending(flow, ground)
            ground.supervisor.wait_until_ready()
            quiet(ground)
            ground.proxy.remove(rule)
            rule.close()
            wrong = invariants.broken(gather(ground, flow, deed))
            return "\n".join([*wrong, ground.story()]) if wrong else ""
        finally:
            ground.close()


def _of(ground: Ground, deed: int) -> list[Exchange]:
    """The writes to the story's namespace from the deed on."""
    return [one for one in ground.proxy.written(deed) if one.namespace == ground.namespace]


def everywhere(flow: Flow, found: Sequence[Point]) -> list[Attack]:
    """Every fault at every write."""
    return [Attack(flow, fault, point) for point in found for fault in FAULTS]


def some(attacks: Sequence[Attack], count: int, seed: int) -> list[Attack]:
    """A few of them; the seed says which."""
    return random.Random(f"{seed} {attacks[0].flow.name}").sample(list(attacks), min(count, len(attacks)))
