"""A Deployment of its own is broken every so many seconds, and must be healed or paged for; what is over for a while is taken away.

It is taken away with its Incident, so that what the operator has to keep is as much after an hour as after five faults.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tests.faults.ground import KNOWN_GOOD_SECONDS, Ground
from tests.faults.kubelet import BAD, GOOD
from tests.harness.api import Object
from tests.harness.arena import condition
from tests.harness.instants import now
from tests.harness.waiting import wait_for
from tests.harness.witness import healthy

PREFIX = "fault-"
READY_SECONDS = 60.0
SETTLE_SECONDS = 300.0
"""From a fault until it is healed or paged for: an outage of the API server, a wait for the lease, and a rollback with its proof."""
LOOK_SECONDS = 1.0
KEPT = 5
"""So many faults after it a fault is taken away."""
FINAL = frozenset({"Succeeded", "Failed", "Cancelled"})


@dataclass(slots=True, kw_only=True)
class Fault:
    """A Deployment that was broken. `broken`, `healed` and `paged` are seconds since the soak began; None where it did not happen."""

    name: str
    broken: float
    healed: float | None = None
    paged: float | None = None
    incidents: int = 0
    """The most that were seen of it at once."""
    taken_away: bool = False

    @property
    def over(self) -> bool:
        """Whether it was healed, or somebody knows of it."""
        return self.healed is not None or self.paged is not None


class Heals:
    """Breaks, looks, and clears away, all in one thread."""

    def __init__(self, ground: Ground, every: float) -> None:
        self._ground = ground
        self._every = every
        self._began = time.monotonic()
        self.faults: list[Fault] = []

    def run(self, seconds: float, ended: threading.Event) -> list[Fault]:
        """Break one every so often, for so long; then wait until every one is over or its time is up."""
        self._began = time.monotonic()
        while not ended.wait(LOOK_SECONDS) and self._elapsed() < seconds:
            if self._elapsed() >= self._every * len(self.faults):
                self._break(f"{PREFIX}{len(self.faults):04}")
                self._clear_away()
            self._look()
        while not ended.wait(LOOK_SECONDS) and self._waits():
            self._look()
        return self.faults

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _waits(self) -> bool:
        return any(not one.over and self._elapsed() - one.broken < SETTLE_SECONDS for one in self.faults)

    def _break(self, name: str) -> None:
        """A new Deployment, healthy for long enough to be gone back to, and then a version that crashes."""
        self._ground.put(self._ground.workload("Deployment", name))
        # Ready is known to the second only.
        enough, since = timedelta(seconds=KNOWN_GOOD_SECONDS + 1.5), now()

        def long_enough() -> bool:
            began = self._ground.witness.spell("Deployment", name, since).began
            return began is not None and now() - began > enough

        wait_for(long_enough, READY_SECONDS, f"Deployment {name} has been healthy for long enough", seen=lambda: self._ground.pods_in_words(name))
        self._ground.put(self._ground.workload("Deployment", name, BAD))
        self.faults.append(Fault(name=name, broken=self._elapsed()))

    def _look(self) -> None:
        deployments = {one["metadata"]["name"]: one for one in self._ground.witness.current("Deployment")}
        for fault in self.faults:
            if fault.taken_away:
                continue
            incidents = self._ground.incidents(fault.name)
            fault.incidents = max(fault.incidents, len(incidents))
            if fault.healed is None and is_healed(deployments.get(fault.name), incidents):
                fault.healed = self._elapsed()
            if fault.paged is None and any(paged(one) for one in incidents):
                fault.paged = self._elapsed()

    def _clear_away(self) -> None:
        """First the Deployment, and with the next fault its Incident: else what still fails would open another one."""
        api, namespace = self._ground.api, self._ground.namespace
        there = {one["metadata"]["name"] for one in self._ground.witness.current("Deployment")}
        for fault in self.faults[:-KEPT]:
            if fault.taken_away or not fault.over or self._at_work(fault.name):
                continue
            if fault.name in there:
                api.delete("Deployment", fault.name, namespace)
                continue
            for kind, found in (("Incident", self._ground.incidents(fault.name)), ("Remediation", self._attempts(fault.name))):
                for one in found:
                    api.delete(kind, one["metadata"]["name"], namespace)
            api.delete("WorkloadRecord", f"deployment-{fault.name}", namespace)
            fault.taken_away = True

    def _attempts(self, name: str) -> list[Object]:
        return [one for one in self._ground.remediations() if one["spec"]["targetRef"]["name"] == name]

    def _at_work(self, name: str) -> bool:
        return any(one.get("status", {}).get("phase") not in FINAL for one in self._attempts(name))


def is_healed(deployment: Object | None, incidents: Sequence[Object]) -> bool:
    """Whether its one Incident is resolved as verified, and it runs what worked, by its own status."""
    if deployment is None or len(incidents) != 1 or condition(incidents[0], "Resolved").get("reason") != "Verified":
        return False
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return bool(image == GOOD and healthy(deployment))


def paged(incident: Object) -> bool:
    """Whether somebody was reached for it, as the Incident says."""
    messages = incident.get("status", {}).get("escalation", {}).get("messages", [])
    return any(one["kind"] == "Page" and one["state"] == "Delivered" for one in messages)
