"""Whether the soak was passed: pure functions from what was seen to rows of a table, each with what it must be.

An alert that was answered with 200 stands on the Incident of its target under its own fingerprint, or is counted there among those beyond the
hundredth. What was stored and yet answered with 503 is sent again, and counted twice where it is only counted: that is told, and no more than were
refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.harness.api import Object

from .heals import PREFIX, Fault
from .load import Delivery
from .memory import FEWEST, Sample, Slope, settled, slope
from .plan import MIB_PER_HOUR, Plan

ALERT = "alert/"
OTHERS = f"{ALERT}others"
"""Where those beyond the hundredth are counted together."""
OVER = frozenset({"Resolved", "Closed", "Cancelled"})
HEALED_SHARE = 0.5
"""Where fewer were healed the rest says little about healing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. `holds` is None where the number is only told."""

    what: str
    measured: str
    wanted: str = ""
    holds: bool | None = None

    @property
    def line(self) -> str:
        """For the terminal."""
        word = {None: "", True: "yes", False: "NO"}[self.holds]
        return f"{self.what:<52} {self.measured:>20}  {self.wanted:<14} {word}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that was seen of one soak."""

    plan: Plan
    deliveries: Sequence[Delivery]
    incidents: Sequence[Object]
    """Of the alerts' targets, at the end."""
    faults: Sequence[Fault]
    reached: Collection[str]
    """Names of the Incidents that a page was taken for, by the receiver's word."""
    effects: Sequence[str]
    """Names of the objects of each write of the operator to what is not Prunella's."""
    samples: Sequence[Sample]
    starts: int
    words: Mapping[str, int]
    """How often the operator's log has words that it must not have."""
    told: Sequence[tuple[str, str]]
    """What the rules did, for the table."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the alerts that were answered with 200."""

    lost: int
    twice: int
    """How many more are counted than came."""


def account(deliveries: Iterable[Delivery], incidents: Iterable[Object]) -> Account:
    """Alert by alert, target by target: one target's surplus pays for no other target's loss."""
    owed: defaultdict[str, set[str]] = defaultdict(set)
    for one in deliveries:
        if one.taken:
            owed[one.target].add(ALERT + one.fingerprint)
    listed: defaultdict[str, set[str]] = defaultdict(set)
    beyond: Counter[str] = Counter()
    for incident in incidents:
        target = incident["spec"]["targetRef"]["name"]
        for signal in incident.get("status", {}).get("signals", []):
            if signal["key"] == OTHERS:
                beyond[target] += signal["count"]
            else:
                listed[target].add(signal["key"])
    missing = {target: len(keys - listed[target]) for target, keys in owed.items()}
    return Account(
        lost=sum(max(0, count - beyond[target]) for target, count in missing.items()),
        twice=sum(max(0, count - missing.get(target, 0)) for target, count in beyond.items()),
    )


def astray(targets: Collection[str], incidents: Iterable[Object]) -> list[str]:
    """The targets that have not exactly one Incident, or one that is over."""
    phases: defaultdict[str, list[str]] = defaultdict(list)
    for one in incidents:
        phases[one["spec"]["targetRef"]["name"]].append(one.get("status", {}).get("phase", ""))
    return sorted(target for target in targets if len(phases[target]) != 1 or phases[target][0] in OVER | {""})


def misdone(effects: Iterable[str], faults: Iterable[Fault]) -> list[str]:
    """The objects that were changed more than once, or that nothing was to be changed on."""
    broken = {one.name for one in faults}
    return sorted(name for name, count in Counter(effects).items() if count > 1 or name not in broken)


def rows(seen: Seen) -> list[Row]:
    """The table."""
    told = [Row(what=what, measured=measured) for what, measured in seen.told]
    return [*_alerts(seen), *_heals(seen), *_process(seen), *_memory(seen), *told]


def _alerts(seen: Seen) -> list[Row]:
    found = account(seen.deliveries, seen.incidents)
    again = sum(one.refusals + one.broken for one in seen.deliveries)
    untaken = sum(not one.taken for one in seen.deliveries)
    stray = astray({one.target for one in seen.deliveries if one.taken}, seen.incidents)
    slowest = max((one.answered - one.due for one in seen.deliveries), default=0.0)
    return [
        Row(what="alerts sent", measured=str(len(seen.deliveries)), wanted="> 0", holds=bool(seen.deliveries)),
        Row(what="alerts sent again after a 503 or no answer", measured=str(again)),
        Row(what="the slowest alert was taken after", measured=f"{slowest:.1f} s"),
        none("alerts never taken", untaken),
        none("alerts lost", found.lost),
        Row(what="alerts counted twice", measured=str(found.twice), wanted=f"<= {again}", holds=found.twice <= again),
        none("targets without exactly one open Incident", len(stray), stray),
    ]


def _heals(seen: Seen) -> list[Row]:
    faults = seen.faults
    reached = {name.rpartition("-")[0] for name in seen.reached}
    healed = [one for one in faults if one.healed is not None]
    left = [one.name for one in faults if one.healed is None and not (one.paged is not None and one.name in reached)]
    doubled = [one.name for one in faults if one.incidents > 1]
    wrong = misdone(seen.effects, faults)
    slowest = max((one.healed - one.broken for one in healed if one.healed is not None), default=0.0)
    enough = len(healed) >= HEALED_SHARE * len(faults)
    return [
        Row(what="faults", measured=str(len(faults)), wanted="> 0", holds=bool(faults)),
        Row(what="faults healed", measured=str(len(healed)), wanted=f">= {HEALED_SHARE:.0%}", holds=enough),
        Row(what="the slowest heal took", measured=f"{slowest:.1f} s"),
        Row(what="faults that somebody was paged for", measured=str(sum(one.name in reached for one in faults))),
        none("faults neither healed nor paged for", len(left), left),
        none("faults with more than one Incident at once", len(doubled), doubled),
        none("objects changed twice, or for no fault", len(wrong), wrong),
    ]


def _process(seen: Seen) -> list[Row]:
    starts = Row(what="starts of the operator", measured=str(seen.starts), wanted="1", holds=seen.starts == 1)
    return [starts, *(none(f"'{word}' in its log", count) for word, count in seen.words.items())]


def _memory(seen: Seen) -> list[Row]:
    kept = settled(seen.samples, seen.plan.warm_up)
    if len(kept) < FEWEST:
        return [Row(what="memory", measured=f"{len(kept)} samples", wanted=f">= {FEWEST}", holds=False)]
    found = slope(kept)
    return [
        Row(what="memory after the warm-up, and at the end", measured=f"{kept[0].mib:.1f}, {kept[-1].mib:.1f} MiB"),
        Row(what="memory at its highest", measured=f"{max(one.mib for one in seen.samples):.1f} MiB"),
        _slope(found, judged=seen.plan.judges_memory),
    ]


def _slope(found: Slope, *, judged: bool) -> Row:
    holds = found.rate < MIB_PER_HOUR if judged else None
    wanted = f"< {MIB_PER_HOUR:g} MiB/h" if judged else "(too short)"
    return Row(what="memory slope", measured=f"{found.rate:.2f} ± {found.error:.2f} MiB/h", wanted=wanted, holds=holds)


def none(what: str, count: int, names: Sequence[str] = ()) -> Row:
    """A row of what must not happen; who it was stands beside it."""
    which = f": {', '.join(names[:5])}" if names else ""
    return Row(what=f"{what}{which}", measured=str(count), wanted="0", holds=count == 0)


def belongs(name: str) -> str:
    """The fault that an object belongs to: a Deployment by its name, a pod by its beginning; what belongs to none keeps its name."""
    parts = name.split("-")
    return "-".join(parts[:2]) if name.startswith(PREFIX) else name
