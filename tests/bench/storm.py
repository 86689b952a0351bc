"""Measurement 3: ten thousand alerts about a hundred targets at once, and a P1 in the midst of it.

They come as Alertmanager groups them: a group a target, each in bodies of up to 64; then the same once more; then, of other targets, in a single
body, and last so mixed that no body has two alerts of a target, which no grouping does and which costs the most.

An Incident is correct when the watch shows it holding all of its target's alerts. An alert is lost if it was answered with 200 and no Incident
accounts for it; an Incident is a duplicate if its target has another.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from tests.bench import ground
from tests.bench.alertload import Sender, Sent, alert
from tests.bench.alerts import PATH, make_targets
from tests.bench.ledger import Ledger
from tests.bench.naive import operator as naive
from tests.bench.results import Results, Row
from tests.bench.stamps import Stamps
from tests.bench.subjects import NAIVE, NAIVE_PORT, Cast
from tests.harness import audit
from tests.harness.api import Object
from tests.harness.installation import HOST, WEB
from tests.harness.waiting import Missed, wait_for

BODY = 64
HANDS = 4
"""Connections that send at once."""
P1_AFTER = 0.5
FIRST_NUMBER = 1_000_000
"""So that no alert has the fingerprint of one of another measurement."""
OTHERS = "alert/others"
PLACES = ("bench-storm", "bench-storm-whole", "bench-storm-mixed")
CORRECT_SECONDS = 90.0
FLUSH_SECONDS = 12.0
"""Counts that were not worth a write of their own are written within ten seconds."""
_pause = threading.Event()
Bodies = list[tuple[str, list[Object]]]


@dataclass(frozen=True, slots=True)
class Flood:
    """Where a flood goes, and how many alerts each target gets of it."""

    url: str
    token: str
    group: str
    user: str
    place: str
    each: int

    @property
    def path(self) -> str:
        """Of its Incidents."""
        return f"/apis/{self.group}/v1alpha1/namespaces/{self.place}/incidents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a flood."""

    answered: float
    """Seconds from the first POST to the last answer."""
    correct: float
    """Seconds from the first POST to the last correct Incident; as long as was waited where one never was."""
    lost: int
    duplicates: int
    writes: float
    """Persisted writes to Incidents, per target."""
    refused: int
    important: float | None
    """Milliseconds from the POST of the important alert until its Incident was visible."""


PARTS = ("answered", "correct", "lost", "duplicates", "writes", "refused", "important")


class Storm:
    """The measurement, on one cast."""

    def __init__(self, cast: Cast, results: Results) -> None:
        self._cast = cast
        self._results = results
        self._api = cast.installation.api
        self._number = FIRST_NUMBER
        self._alerts, self._targets = cast.scale.storm_alerts, cast.scale.storm_targets
        self._naive_alerts = self._alerts // 10

    def run(self) -> None:
        """Prunella: in groups by target, again, in one body, mixed. Then the naive twin, with a tenth of the alerts."""
        place, whole_place, mixed_place = (make_targets(self._api, name, self._targets) for name in PLACES)
        make_important(self._cast, place)
        groups, whole = self._bodies(place, self._alerts), self._bodies(whole_place, self._alerts)
        with self._cast.prunella() as process:
            made = {
                "groups by target": self._flood(self._ours(place), groups, p1=True),
                "the same again": self._flood(self._ours(place), groups),
                "one body": self._flood(self._ours(whole_place), [("whole", list(chain.from_iterable(one for _, one in whole)))]),
                "mixed bodies": self._flood(self._ours(mixed_place), self._bodies(mixed_place, self._alerts, mixed=True)),
            }
            peak = process.peak_mib()
        made["naive twin"] = self._naive()
        self._tell(made)
        self._results.add(Row(what="storm: peak memory", measured=peak, unit="MiB"))
        lines = [(name, *(getattr(flood, part) for part in PARTS)) for name, flood in made.items()]
        self._results.raw("storm", ("flood", *PARTS), lines)

    def _ours(self, place: str) -> Flood:
        return Flood(f"{WEB}{PATH}", self._cast.installation.token, audit.OURS, audit.OPERATOR, place, self._alerts // self._targets)

    def _bodies(self, place: str, count: int, *, mixed: bool = False) -> Bodies:
        """A group a target, in bodies of up to 64; or bodies in which each alert has another target."""
        targets = [f"target-{number % self._targets if mixed else number * self._targets // count}" for number in range(count)]
        alerts = [alert(self._number + number, place, target) for number, target in enumerate(targets)]
        self._number += count
        group = count if mixed else count // self._targets
        slices = (alerts[first + start : first + min(start + BODY, group)] for first in range(0, count, group) for start in range(0, group, BODY))
        return [(f"body-{number}", one) for number, one in enumerate(slices)]

    def _naive(self) -> Outcome:
        place = make_targets(self._api, "bench-storm-naive", self._targets)
        with self._cast.naive():
            flood = Flood(f"http://{HOST}:{NAIVE_PORT}{PATH}", "", naive.GROUP, NAIVE, place, self._naive_alerts // self._targets)
            made = self._flood(flood, self._bodies(place, self._naive_alerts))
        ground.forget(self._api, [place])
        return made

    def _flood(self, flood: Flood, bodies: Bodies, *, p1: bool = False) -> Outcome:
        ledger = Ledger(self._cast.installation.state / "audit.log")
        whole = [f"target-{number} whole" for number in range(self._targets)]
        known = Stamps(self._api, flood.path, lambda one: _key(one, flood))
        for one in self._incidents(flood):
            known.seen[_key(one, flood)] = 0.0  # it was there before
        late = None
        if p1:
            late = ("P1", alert(self._number, flood.place, "important", severity="critical"), P1_AFTER)
            self._number += 1
        try:
            sent = asyncio.run(Sender(flood.url, flood.token).flood(bodies, HANDS, late))
            began = min(one.due for one in sent)
            try:
                wait_for(lambda: all(one in known.seen for one in whole), CORRECT_SECONDS, "every Incident holds all its alerts", interval=0.02)
                correct = max(0.0, max(known.seen[one] for one in whole) - began)
            except Missed:
                correct = CORRECT_SECONDS
        finally:
            known.close()
        _pause.wait(FLUSH_SECONDS)
        incidents = [one for one in self._incidents(flood) if one["spec"]["targetRef"]["name"] != "important"]
        targets = Counter(one["spec"]["targetRef"]["name"] for one in incidents)
        writes = [one for one in ledger.entries(flood.user) if one.namespace == flood.place and one.resource == "incidents"]
        return Outcome(
            answered=max(one.answered for one in sent) - began,
            correct=correct,
            lost=_lost(flood, bodies, sent, incidents),
            duplicates=len(incidents) - len(targets),
            writes=len(writes) / self._targets,
            refused=sum(one.refusals for one in sent),
            important=_important(sent, known) if p1 else None,
        )

    def _incidents(self, flood: Flood) -> list[Object]:
        return self._api.request("GET", flood.path).body.get("items") or []

    def _tell(self, made: dict[str, Outcome]) -> None:
        add, what = self._results.add, f"storm of {self._alerts:,} alerts for {self._targets} targets"
        twin, first, one, mixed = made["naive twin"], made["groups by target"], made["one body"], made["mixed bodies"]
        ours = [flood for name, flood in made.items() if flood is not twin]
        for name, flood in (("groups by target", first), ("one body", one)):
            add(Row(what=f"{what}, {name}: last correct Incident", measured=flood.correct, unit="s", goal=2.0, goal_words="≤ 2 s"))
            add(Row(what=f"storm, {name}: writes per Incident", measured=flood.writes, unit="writes", goal=3.0, goal_words="≤ 3", naive=twin.writes))
        add(Row(what="storm, mixed bodies: last correct Incident", measured=mixed.correct, unit="s"))
        add(Row(what="storm, mixed bodies: writes per Incident", measured=mixed.writes, unit="writes"))
        add(Row(what="storm, delivered again: writes per Incident", measured=made["the same again"].writes, unit="writes"))
        add(Row(what="storm: alerts lost", measured=max(flood.lost for flood in ours), unit="", goal=0.0, goal_words="0", naive=twin.lost))
        doubled = max(flood.duplicates for flood in ours)
        add(Row(what="storm: duplicate Incidents", measured=doubled, unit="", goal=0.0, goal_words="0", naive=twin.duplicates))
        if first.important is not None:
            add(Row(what="storm: a new P1 visible meanwhile", measured=first.important, unit="ms", goal=100.0, goal_words="≤ 100 ms"))
        self._results.note(
            f"The storm came over {HANDS} connections in bodies of up to {BODY}. Until every body was answered it took {first.answered:.1f} s "
            f"in groups by "
            f"target ({first.refused} answers of 503 before), {one.answered:.1f} s in one body, {mixed.answered:.1f} s "
            f"in mixed bodies ({mixed.refused} "
            f"times 503), where each body must be stored on 64 Incidents before it is answered. The naive twin "
            f"got {self._naive_alerts:,} alerts and took "
            f"{twin.answered:.1f} s; it keeps one alert of each target and nothing of the others, which counts as lost here."
        )


def make_important(cast: Cast, place: str) -> None:
    """A workload of which nothing is Ready, so that a critical alert about it is a P1."""
    api = cast.installation.api
    api.create(ground.deployment("important", place, ground.GOOD, replicas=2, nodeName=ground.NODES[0]))
    wait_for(lambda: len(api.list("Pod", place, selector="app=important")) == 2, 30, "the important workload has pods")


def _accounted(incident: Object) -> int:
    """How many different alerts an Incident accounts for: those that it lists, and those that it counts together."""
    signals = incident.get("status", {}).get("signals", [])
    return sum(one.get("count", 1) if one["key"] == OTHERS else 1 for one in signals)


def _key(incident: Object, flood: Flood) -> str:
    target = incident["spec"]["targetRef"]["name"]
    if target == "important":
        return f"important {incident.get('status', {}).get('priority', '')}"
    # The twin's Incident holds one alert and says nothing of others: it is as whole as it gets once it has a phase.
    whole = _accounted(incident) >= flood.each if flood.user == audit.OPERATOR else "phase" in incident.get("status", {})
    return f"{target} {'whole' if whole else 'part'}"


def _lost(flood: Flood, bodies: Bodies, sent: Sequence[Sent], incidents: Sequence[Object]) -> int:
    taken = {one.label for one in sent if one.status == 200}
    owed = Counter(one["labels"]["deployment"] for label, alerts in bodies if label in taken for one in alerts)
    held: Counter[str] = Counter()
    for one in incidents:
        held[one["spec"]["targetRef"]["name"]] += max(_accounted(one), 1 if flood.user == NAIVE else 0)
    return sum(max(0, count - held[target]) for target, count in owed.items())


def _important(sent: Sequence[Sent], known: Stamps) -> float | None:
    due = next(one.due for one in sent if one.label == "P1")
    seen = [at for key, at in known.seen.items() if key.startswith("important ")]
    return 1000 * (min(seen) - due) if seen else None
