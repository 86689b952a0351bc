"""How long a soak takes and how much it brings: an hour by night, minutes for the eye. What is true of both stands once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

JUDGED_SECONDS = 3600.0
"""Over less than this a slope says nothing, and Incidents still grow when memory begins to count: it is told and not judged."""
MIB_PER_HOUR = 1.0
VARIABLE = "SOAK_SECONDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Seconds, where nothing else is said."""

    seconds: float
    heal_every: float
    cut_every: float
    sample_every: float
    outage_seconds: float
    """How long the API server is away, each time."""
    alert_rate: float = 5.0
    """A second."""
    targets: int = 20
    """Deployments that alerts are about. Each has its hundred signals before the warm-up of an hour is over: what the operator has to keep no longer
    grows then, and what still grows is a leak."""
    error_share: float = 0.01

    rehearsals: int = 3
    """Outages in the warm-up. What comes in meanwhile is held in memory at once, and the interpreter keeps the room that this took: the most that is
    ever needed has been needed after a few, and what grows with the next one is a leak."""

    @property
    def warm_up(self) -> float:
        """The first quarter."""
        return self.seconds / 4

    @property
    def outages_at(self) -> tuple[float, ...]:
        """When the API server goes away: in the warm-up's second half, when Incidents are as large as they get, and in the middle of the rest."""
        half = self.warm_up / 2
        measured = self.warm_up + (self.seconds - self.warm_up - self.outage_seconds) / 2
        return (*(half + half / self.rehearsals * number for number in range(self.rehearsals)), measured)

    @property
    def alerts(self) -> int:
        """How many are sent."""
        return int(self.seconds * self.alert_rate)

    @property
    def judges_memory(self) -> bool:
        """Whether it is long enough for the slope to mean something."""
        return self.seconds >= JUDGED_SECONDS


FULL = Plan(seconds=3600.0, heal_every=60.0, cut_every=30.0, sample_every=10.0, outage_seconds=60.0)
SHORT = Plan(seconds=300.0, heal_every=30.0, cut_every=15.0, sample_every=5.0, outage_seconds=30.0, rehearsals=1)


def chosen(environment: Mapping[str, str]) -> Plan:
    """The full one, unless SOAK_SECONDS says how long; what is too short to judge memory is as dense as the short one. Raises ValueError."""
    told = environment.get(VARIABLE, "")
    if not told:
        return FULL
    if not told.isdigit() or int(told) < 2 * SHORT.outage_seconds:
        raise ValueError(f"{VARIABLE}={told} is no length: give whole seconds, {2 * SHORT.outage_seconds:.0f} at least")
    return replace(FULL if int(told) >= JUDGED_SECONDS else SHORT, seconds=float(told))
