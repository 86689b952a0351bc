"""Status → effect: from the answer to the status report that completes the condition to the arrival of the PATCH that acts on it.

Everything else is over by then: the Incident is open, the dwell has passed, the plan is made; only the second restart is missing. The report is
written by the harness, both ends are the API server's own stamps in its audit log. A subject's trials alternate with the bare watcher's, one at a
time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench import ground
from tests.bench.floors.watcher import LABEL
from tests.bench.ground import Stage, each
from tests.bench.ledger import Entry, Ledger
from tests.bench.stamps import Stamps
from tests.bench.subjects import BARE
from tests.harness import audit
from tests.harness.api import Api, Object, path_of
from tests.harness.waiting import Missed, wait_for

ADMIN = "admin"
KNOWN_GOOD_SECONDS = 7.0
DWELL_SECONDS = 12.0
"""Longer than both subjects' dwell of ten."""
EFFECT_SECONDS = 30.0
BREATH_SECONDS = 2.0
"""Between one trial's effect and the next report: what follows an effect is stored and told by then. The proofs of earlier heals still go on."""
BARE_PLACE = "bench-bare"
BARE_SUBJECT = "bare watcher"
_pause = threading.Event()


@dataclass(frozen=True, slots=True)
class Trial:
    """One status report and the effect that followed."""

    subject: str
    answered: float
    received: float

    @property
    def milliseconds(self) -> float:
        return 1000 * (self.received - self.answered)


@dataclass
class Theatre:
    """Deployments of one subject, ready for their second restart; and what the floor needs beside them."""

    api: Api
    place: str
    subject: str
    user: str
    ledger: Ledger
    log: audit.AuditLog
    stages: list[Stage] = field(default_factory=list)
    floors: list[str] = field(default_factory=list)

    def prepare(self, count: int, opened: Callable[[], int]) -> None:
        """Bring `count` Deployments to where only the second restart is missing; `opened` counts their Incidents."""
        self.stages = [Stage(self.api, self.place, f"stage-{number}") for number in range(count)]
        each(Stage.start, self.stages)
        unready = set(range(count))

        def all_ready() -> bool:
            for number in list(unready):
                if self.stages[number].heal_pods():
                    unready.discard(number)
            return not unready

        wait_for(all_ready, 60, f"{count} Deployments have a pod each")
        _pause.wait(KNOWN_GOOD_SECONDS)
        each(Stage.roll_out, self.stages)
        each(lambda stage: stage.crash(1), self.stages)
        wait_for(lambda: opened() >= count, 60, f"{count} Incidents are open", seen=opened, interval=0.5)
        self._raise_floor(count)
        _pause.wait(DWELL_SECONDS)

    def _raise_floor(self, count: int) -> None:
        """A pod and a Deployment without pods for each of the bare watcher's trials."""
        prefix = self.place.removeprefix("bench-")
        self.floors = [f"{prefix}-{number}" for number in range(count)]
        each(self.api.create, (ground.deployment(name, BARE_PLACE, ground.GOOD, replicas=0) for name in self.floors))
        each(self.api.create, (_lone_pod(name) for name in self.floors))

    def trials(self) -> list[Trial]:
        """All trials, in alternating order; then the stamps of both ends from the audit log."""
        acted = _Acted(self.api, self.place)
        try:
            for number, stage in enumerate(self.stages):
                pair: list[Callable[[], None]] = [lambda stage=stage: self._heal(stage, acted), lambda at=number: self._bare(self.floors[at], acted)]
                for act in pair if number % 2 else reversed(pair):
                    act()
                    _pause.wait(BREATH_SECONDS)
        finally:
            acted.close()
        return self._stamped()

    def _heal(self, stage: Stage, acted: _Acted) -> None:
        stage.crash(2)
        acted.await_effect(self.place, stage.name)

    def _bare(self, name: str, acted: _Acted) -> None:
        status = ground.crashing(2)
        self.api.patch("Pod", name, {"status": status}, BARE_PLACE, how="strategic", subresource="status")
        acted.await_effect(BARE_PLACE, name)

    def _stamped(self) -> list[Trial]:
        entries = self.ledger.entries(ADMIN, self.user, BARE)
        ours = {stage.failing: stage.name for stage in self.stages}
        trials = []
        for entry in entries:
            if entry.user != ADMIN or entry.resource != "pods" or entry.subresource != "status" or not _second(entry):
                continue
            bare = entry.namespace == BARE_PLACE
            target = entry.name if bare else ours.get(entry.name)
            if target is None or (bare and target not in self.floors):
                continue
            user = BARE if bare else self.user
            effect = [
                one.received for one in entries if (one.user, one.resource, one.namespace, one.name) == (user, "deployments", entry.namespace, target)
            ]
            received = effect[0] if effect else entry.answered + EFFECT_SECONDS
            trials.append(Trial(BARE_SUBJECT if bare else self.subject, entry.answered, received))
        return trials

    def bill(self) -> audit.Bill:
        """What the subject wrote to its namespace so far, split as the budget of a heal splits it."""
        return audit.bill(self.log.writes(self.place, user=self.user))


class _Acted:
    """Which Deployments were acted on, by watches of the harness's own."""

    def __init__(self, api: Api, place: str) -> None:
        self._stamps = {one: Stamps(api, path_of("Deployment", one), _effect_key) for one in (place, BARE_PLACE)}

    def await_effect(self, place: str, name: str) -> None:
        """Wait until it was acted on, or EFFECT_SECONDS are over, which then stand for its latency."""
        with contextlib.suppress(Missed):
            wait_for(lambda: f"{name} acted" in self._stamps[place].seen, EFFECT_SECONDS, f"{name} is acted on", interval=0.01)

    def close(self) -> None:
        """End the watches."""
        for stamps in self._stamps.values():
            stamps.close()


def _effect_key(deployment: Object) -> str:
    acted = "bench/acted" in deployment["metadata"].get("annotations", {}) or (
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] == ground.GOOD and deployment["metadata"]["generation"] > 2
    )
    return f"{deployment['metadata']['name']} {'acted' if acted else 'waits'}"


def _second(entry: Entry) -> bool:
    statuses = (entry.body or {}).get("status", {}).get("containerStatuses", [])
    return any(one.get("restartCount") == 2 for one in statuses)


def _lone_pod(name: str) -> Object:
    pod = ground.deployment(name, BARE_PLACE, ground.BAD, replicas=0, nodeName=ground.NODES[0])["spec"]["template"]
    pod["metadata"] |= {"name": name, "namespace": BARE_PLACE, "labels": {LABEL: name}}
    return {"apiVersion": "v1", "kind": "Pod", **pod}
