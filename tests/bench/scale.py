"""How much of everything a run makes: as much as the goals speak of, or little, to see that the benchmark itself works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Counts; rates are a second."""

    name: str
    crowd: int
    """Pods beside which status → effect is measured."""
    few_incidents: int
    """Open ones, with whose memory beside that crowd is measured; then it grows to so many pods and Incidents:"""
    pods: int
    incidents: int
    naive_incidents: int
    idle_trials: int
    loaded_trials: int
    naive_trials: int
    rates: tuple[int, ...]
    """The ladder of updates."""
    loads: tuple[int, ...]
    """Updates under which status → effect is measured, each of the ladder; the last one is the goal's."""
    alert_rate: int
    alert_blocks: int
    """Each of a thousand alerts, or of `alert_block`."""
    alert_block: int
    storm_alerts: int
    storm_targets: int
    many: int
    """Deployments broken at once."""
    restarts: int


FULL = Scale(
    name="full",
    crowd=5000,
    few_incidents=500,
    pods=10_000,
    incidents=10_000,
    naive_incidents=1000,
    idle_trials=24,
    loaded_trials=16,
    naive_trials=8,
    rates=(100, 150, 200, 300, 400, 500, 600, 800, 1000, 1400, 2000),
    loads=(500, 2000),
    alert_rate=100,
    alert_blocks=2,
    alert_block=1000,
    storm_alerts=10_000,
    storm_targets=100,
    many=200,
    restarts=3,
)
QUICK = Scale(
    name="quick",
    crowd=400,
    few_incidents=50,
    pods=800,
    incidents=600,
    naive_incidents=100,
    idle_trials=6,
    loaded_trials=4,
    naive_trials=3,
    rates=(20, 50, 2000),
    loads=(50, 2000),
    alert_rate=10,
    alert_blocks=1,
    alert_block=100,
    storm_alerts=640,
    storm_targets=10,
    many=20,
    restarts=1,
)
