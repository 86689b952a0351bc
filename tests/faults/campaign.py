"""Attack a story at every write it makes: record it once undisturbed, count its writes, and play it again for each of them with the fault there.

A write is found again by what it is and its number among its like (`update incidents/status`, the 2nd), not by its place in the whole order: what two
workers do at once may change places.
"""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from tests.harness.waiting import wait_for

from . import invariants
from .evidence import Evidence, gather
from .exchange import Exchange
from .flows import Flow, ending, quiet
from .ground import Ground, Stage
from .rules import Delay, KillAfter, KillBefore, LoseReply, Match, Meanwhile, Rule

RECORDINGS = 3
"""Undisturbed plays: on a slow machine two writes may become one, so what only some of them wrote is told apart."""
PLAYS = 3
"""How often an attack is begun anew because the story came to its end without the write that it is for."""
SLOW_SECONDS = 11
"""Longer than the operator waits for an answer: what it gave up arrives all the same."""
MUCH_TOO_SLOW_SECONDS = 16
"""Longer than it then needs to send the same once more."""
SIDE_BY_SIDE = 8
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


Spoil = Callable[[Ground], list[Rule]]
"""The rules of an attack, made for its ground."""
FAULTS: dict[str, Callable[[Ground, Match, int], Rule]] = {
    "killed before": lambda ground, match, nth: KillBefore(ground.supervisor.kill, match, nth=nth),
    "killed after": lambda ground, match, nth: KillAfter(ground.supervisor.kill, match, nth=nth),
    "reply lost": lambda _, match, nth: LoseReply(match, nth=nth, times=1),
    "late": lambda _, match, nth: Delay(SLOW_SECONDS, match, nth=nth, times=1),
    "much too late": lambda _, match, nth: Delay(MUCH_TOO_SLOW_SECONDS, match, nth=nth, times=1),
    "told to end at": lambda ground, match, nth: Meanwhile(ground.supervisor.end, match, nth=nth),
    "killed after its grace before": lambda ground, match, nth: KillBefore(ground.supervisor.end_hard, match, nth=nth),
    "killed after its grace after": lambda ground, match, nth: KillAfter(ground.supervisor.end_hard, match, nth=nth),
}
CRASHES = ("killed before", "killed after", "reply lost")


@dataclass(frozen=True, slots=True)
class Attack:
    """Faults in one story."""

    flow: Flow
    name: str
    spoil: Spoil
    without: str = ""
    """A protection that the operator lacks."""
    most: int | None = None
    """No more may be stored than so many writes."""
    may_end: int = 0
    """How often a process may end by itself, to be started anew."""
    rare: bool = False
    """Whether the write that it is for is made in some plays only: where none has it, there is nothing to attack."""
    write: str = ""
    """Verb and resource of the write that it is for, where it is for one."""

    def __str__(self) -> str:
        return f"{self.flow.name}: {self.name}"


def at(flow: Flow, fault: str, point: Point, *, without: str = "", rare: bool = False) -> Attack:
    """One fault at one write of a story."""

    def spoil(ground: Ground) -> list[Rule]:
        verb, resource = point.words.split(" ", 1)
        return [FAULTS[fault](ground, Match(verbs={verb}, resource=resource, namespace=ground.namespace), point.nth)]

    return Attack(flow, f"{fault} {point}", spoil, without, rare=rare, write=point.words)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; `wrong` is empty where everything held, `missed` says why a rare write could not be attacked."""

    attack: Attack
    wrong: str
    seconds: float
    missed: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A story undisturbed."""

    always: list[Point]
    """The writes that every play made from the deed on, in order."""
    sometimes: list[Point]
    """Those that only some made."""
    seen: Evidence
    """What one play left behind."""


class Campaign:
    """Plays stories on grounds of their own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @contextmanager
    def ground(self, name: str, *, without: str = "") -> Iterator[Ground]:
        """A ground that is left clean."""
        made = Ground(self._stage, name, without=without)
        try:
            yield made
        finally:
            made.close()

    def recorded(self, flow: Flow) -> Recording:
        """The story undisturbed, several times."""
        with ThreadPoolExecutor(RECORDINGS) as pool:
            plays = list(pool.map(self._recorded, [flow] * RECORDINGS))
        always = [point for point in plays[0][0] if all(point in found for found, _ in plays)]
        sometimes = list(dict.fromkeys(point for found, _ in plays for point in found if point not in always))
        print(f"{flow.name}: {len(always)} writes; in some plays also {', '.join(map(str, sometimes)) or 'none'}")
        return Recording(always, sometimes, plays[0][1])

    def _recorded(self, flow: Flow) -> tuple[list[Point], Evidence]:
        with self.ground(f"clean-{flow.name}") as ground:
            played = play(flow, ground, [])
            assert not played.wrong, "\n".join(["undisturbed, and yet:", *played.wrong, played.story])
            return points(_of(ground, played.seen.deed)), played.seen

    def carried_out(self, attacks: Sequence[Attack]) -> list[Result]:
        """All of them, several at once."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return list(pool.map(self._carry_out, attacks))

    def _carry_out(self, attack: Attack) -> Result:
        began, wrong, missed = time.monotonic(), "", ""
        try:
            wrong = self._attack(attack)
        except NotMade as error:
            wrong, missed = ("", str(error)) if attack.rare else (traceback.format_exc(), "")
        except Exception:
            wrong = traceback.format_exc()
        return Result(attack, wrong, time.monotonic() - began, missed)

    def _attack(self, attack: Attack) -> str:
        missed: NotMade | None = None
        for _ in range(PLAYS):
            try:
                return self._play(attack)
            except NotMade as error:
                missed = error
        raise NotMade(f"in {PLAYS} plays there was nothing to attack") from missed

    def _play(self, attack: Attack) -> str:
        with self.ground(f"a-{attack.flow.name}", without=attack.without) as ground:
            played = play(attack.flow, ground, attack.spoil(ground), may_end=attack.may_end)
            stored = [one for one in _of(ground, played.seen.deed) if 200 <= one.status < 300]
            if attack.most is not None and len(stored) > attack.most:
                played.wrong.append(f"{len(stored)} writes were stored, {attack.most} are enough")
            return "\n".join([*played.wrong, played.story]) if played.wrong else ""


class NotMade(AssertionError):
    """The story ended, and what a rule waits for never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A story that has ended."""

    wrong: list[str]
    """The invariants that do not hold, with what was seen."""
    seen: Evidence
    story: str
    """Requests, writes and words, for whoever reads a failure."""


def play(
    flow: Flow,
    ground: Ground,
    rules: Sequence[Rule],
    *,
    ended: Callable[[], object] | None = None,
    may_end: int = 0,
    seconds: float | None = None,
) -> Played:
    """Play a story with these faults from the deed on. Every rule must fire.

    `ended` says when it is over where that is not the flow's own end.
    """
    flow.prepare(ground)
    deed = len(ground.proxy.log)
    for rule in rules:
        ground.proxy.add(rule)
    flow.deed(ground)
    _fired(flow, ground, rules)
    if ended is None:
        ending(flow, ground, seconds)
    else:
        wait_for(ended, seconds or flow.seconds, f"the story '{flow.name}' ends in its other way", seen=ground.story)
    ground.supervisor.wait_until_ready()
    quiet(ground)
    for rule in rules:
        ground.proxy.remove(rule)
        rule.close()
    seen = gather(ground, flow, deed, may_end)
    return Played(wrong=invariants.broken(seen), seen=seen, story=ground.story())


def _fired(flow: Flow, ground: Ground, rules: Sequence[Rule]) -> None:
    """Wait until every rule has fired. Raises NotMade where the story ends before."""

    def all_fired() -> bool:
        return all(rule.done.is_set() for rule in rules)

    what = f"{', '.join(str(rule) for rule in rules)} fire"
    wait_for(lambda: all_fired() or flow.over(ground), flow.seconds, what, seen=ground.story)
    if not all_fired():
        quiet(ground)
    if not all_fired():
        raise NotMade(f"{what}: the story ended without\n{ground.story()}")


def _of(ground: Ground, deed: int) -> list[Exchange]:
    """The writes to the story's namespace from the deed on."""
    return [one for one in ground.proxy.written(deed) if one.namespace == ground.namespace]


def everywhere(flow: Flow, found: Recording, faults: Sequence[str] = CRASHES, *, rare: bool = False) -> list[Attack]:
    """Each of the faults at every write; with `rare` also at those that only some plays make."""
    attacks = [at(flow, fault, point) for point in found.always for fault in faults]
    return attacks + [at(flow, fault, point, rare=True) for point in found.sometimes if rare for fault in faults]


def some(attacks: Sequence[Attack], count: int, seed: int) -> list[Attack]:
    """A few of them; the seed says which."""
    return random.Random(f"{seed} {attacks[0].flow.name}").sample(list(attacks), min(count, len(attacks)))
