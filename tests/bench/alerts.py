"""Measurement 2: alert → Incident visible, at a hundred a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench import ground
from tests.bench.alertload import Sender, Sent, alert
from tests.bench.floors import receiver
from tests.bench.ground import each
from tests.bench.naive import operator as naive
from tests.bench.results import Results, Row, p50_p99
from tests.bench.stamps import Stamps
from tests.bench.subjects import FLOOR_PORT, NAIVE_PORT, Cast
from tests.harness import audit
from tests.harness.api import Api, Object
from tests.harness.installation import HOST, WEB
from tests.harness.waiting import Missed, wait_for

PATH = receiver.PATH
PLACE, FLOOR_PLACE, NAIVE_PLACE = "bench-alerts", "bench-floor", "bench-alerts-naive"
TARGETS = 40
SHIFT = 250
"""Alerts to the same targets before the next ones have their turn, so that new Incidents open all the time."""
VISIBLE_SECONDS = 30.0


def make_targets(api: Api, place: str, count: int) -> str:
    """A namespace with Deployments without pods, to be alerted about."""
    ground.namespace(api, place)
    each(api.create, (ground.deployment(f"target-{number}", place, ground.CROWD_IMAGE, replicas=0) for number in range(count)))
    return place


@dataclass
class Heard:
    """What came of alerts at a rate."""

    visible: list[float] = field(default_factory=list)
    """Milliseconds from when the alert that opened an object was due until the object was visible in a watch."""
    sent: list[Sent] = field(default_factory=list)
    missing: int = 0
    """Objects that were not visible VISIBLE_SECONDS after the last answer; that stands for their latency."""

    def add(self, other: Heard) -> None:
        """One more block."""
        self.visible += other.visible
        self.sent += other.sent
        self.missing += other.missing

    def answered(self) -> list[float]:
        """Milliseconds from when each alert was due to its answer of 200."""
        return [one.milliseconds for one in self.sent]


class Alerts:
    """The measurement, on one cast."""

    def __init__(self, cast: Cast, results: Results) -> None:
        self._cast = cast
        self._results = results
        self._api: Api = cast.installation.api
        self._number = 0
        self._rate = cast.scale.alert_rate
        self._block, self._blocks = cast.scale.alert_block, cast.scale.alert_blocks

    def run(self) -> None:
        """Prunella and the no-op receiver in turn; then the naive twin alone."""
        floor_place = ground.namespace(self._api, FLOOR_PLACE)
        place = make_targets(self._api, PLACE, self._blocks * self._sets * TARGETS)
        ours, floor, cpu = Heard(), Heard(), 0.0
        with self._cast.prunella() as process, self._cast.floor(floor_place):
            for block in range(self._blocks):
                for is_ours in (True, False) if block % 2 else (False, True):
                    alerts = self._shifts(place, block)
                    if is_ours:
                        before = process.cpu_seconds()
                        ours.add(self._hear(f"{WEB}{PATH}", audit.OURS, place, alerts))
                        cpu += process.cpu_seconds() - before
                    else:
                        named = [(one["labels"]["alert"], one) for _, one in alerts]
                        floor.add(self._hear(f"http://{HOST}:{FLOOR_PORT}{PATH}", receiver.GROUP, floor_place, named))
        twin = self._naive()
        self._tell("Incident visible", ours.visible, floor.visible, twin.visible, goals=(10.0, 50.0))
        self._tell("answered 200", ours.answered(), floor.answered(), twin.answered(), goals=(None, None))
        self._results.add(Row(what=f"CPU per alert, {self._rate}/s", measured=1000 * cpu / len(ours.sent), unit="ms"))
        refused = sum(one.refusals > 0 for one in ours.sent)
        self._results.note(
            f"Alerts at {self._rate}/s: {len(ours.sent)} alerts to {TARGETS} targets at a time opened "
            f"{len(ours.visible) - ours.missing} Incidents of "
            f"{len(ours.visible)}; {refused} alerts were answered with 503 first and sent again, "
            f"{sum(one.status != 200 for one in ours.sent)} were never "
            f"taken. The floor makes one object of every alert."
        )
        self._keep(ours, floor, twin)

    @property
    def _sets(self) -> int:
        """How many sets of targets a block has."""
        return -(-self._block // SHIFT)

    def _shifts(self, place: str, block: int) -> list[tuple[str, Object]]:
        """The alerts of one block: each shift has forty targets of its own."""
        made = []
        for number in range(self._block):
            target = f"target-{(block * self._sets + number // SHIFT) * TARGETS + number % TARGETS}"
            self._number += 1
            made.append((target, alert(self._number, place, target)))
        return made

    def _hear(self, url: str, group: str, place: str, alerts: list[tuple[str, Object]]) -> Heard:
        """Send alerts, each with the key of its object, and see when the objects come."""
        stamps = Stamps(self._api, f"/apis/{group}/v1alpha1/namespaces/{place}/incidents", _key)
        try:
            sent = asyncio.run(Sender(url, self._cast.installation.token).at_rate(alerts, self._rate))
            wanted = {label for label, _ in alerts}
            with contextlib.suppress(Missed):
                wait_for(lambda: wanted <= set(stamps.seen), VISIBLE_SECONDS, "every alert has its object")
        finally:
            stamps.close()
        first: dict[str, float] = {}
        for one in sent:
            first[one.label] = min(one.due, first.get(one.label, one.due))
        end = max(one.answered for one in sent) + VISIBLE_SECONDS
        visible = [1000 * (stamps.seen.get(label, end) - due) for label, due in first.items()]
        return Heard(visible, sent, missing=len(wanted - set(stamps.seen)))

    def _naive(self) -> Heard:
        place = make_targets(self._api, NAIVE_PLACE, self._sets * TARGETS)
        with self._cast.naive():
            heard = self._hear(f"http://{HOST}:{NAIVE_PORT}{PATH}", naive.GROUP, place, self._shifts(place, 0))
        ground.forget(self._api, [place])
        return heard

    def _tell(
        self, words: str, mine: Sequence[float], floor: Sequence[float], twin: Sequence[float], goals: tuple[float | None, float | None]
    ) -> None:
        for name, goal, index in zip(("p50", "p99"), goals, (0, 1), strict=True):
            self._results.add(
                Row(
                    what=f"alert → {words}, {self._rate}/s to {TARGETS} targets, {name}",
                    measured=p50_p99(mine)[index],
                    unit="ms",
                    goal=goal,
                    goal_words="" if goal is None else f"≤ {goal:g} ms",
                    floor=p50_p99(floor)[index],
                    naive=p50_p99(twin)[index],
                )
            )

    def _keep(self, ours: Heard, floor: Heard, twin: Heard) -> None:
        every = (("prunella", ours), ("no-op receiver", floor), ("naive twin", twin))
        answered = [(name, one.milliseconds, one.refusals, one.status) for name, heard in every for one in heard.sent]
        self._results.raw("alerts-answered", ("subject", "ms", "refusals", "status"), answered)
        self._results.raw("alerts-visible", ("subject", "ms"), [(name, one) for name, heard in every for one in heard.visible])


def _key(incident: Object) -> str:
    """The floor names the alert on its object; the others have one object a target."""
    return str(incident["metadata"].get("labels", {}).get("bench/alert") or incident["spec"]["targetRef"]["name"])
