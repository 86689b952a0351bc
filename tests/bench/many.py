"""Measurement 8: two hundred Deployments broken at once, of which five may be healed at a time, the important ones first.

Every tenth has a CatalogEntry of tier 1. The Runbook proves a heal within seconds, so that it ends within minutes. An attempt is under way from its
first write to the target until its end is stored, both by the API server's audit log: nobody who is measured counts, and one whose end is stored
nowhere is under way for ever.
"""

from __future__ import annotations

import copy
import json
import math
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tests.bench import ground
from tests.bench.ground import Stage, each
from tests.bench.heals import KNOWN_GOOD_SECONDS
from tests.bench.ledger import Entry, Ledger
from tests.bench.results import Results, Row
from tests.bench.subjects import Cast
from tests.harness import audit, prometheus
from tests.harness.api import Api, Object
from tests.harness.installation import LIMITS, SYSTEM
from tests.harness.waiting import Missed, wait_for

PLACE = "bench-many"
AT_ONCE = 5
IMPORTANT_EACH = 10
REQUESTS_GOAL = 50.0
HEAL_SECONDS = 15.0
"""Of one attempt, at most, where nothing waits: on a slow machine the pods alone take most of it."""
RUNBOOK = "roll-back-bad-rollout"
QUICK_PROOF: Object = {"stabilizeSeconds": 0, "intervalSeconds": 1, "successes": 2, "timeoutSeconds": 60}
WAITS = ("RemediationAllowed", "ConcurrencyReached")
_pause = threading.Event()


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt, by instants of the API server's clock: when it got its place, its first write to the target came in, and its end was stored."""

    target: str
    important: bool
    made: float
    """When its Remediation was created."""
    began: float
    ended: float
    """Infinite where it was stored nowhere."""


class Many:
    """The measurement, on one cast."""

    def __init__(self, cast: Cast, results: Results) -> None:
        self._cast = cast
        self._results = results
        self._api: Api = cast.installation.api
        self._count = cast.scale.many
        self._words = f"{self._count} broken at once, {AT_ONCE} at a time"

    def run(self) -> None:
        """Break them, let them be healed, and look at what was under way when."""
        api = self._api
        ground.namespace(api, PLACE, mode="Auto")
        binding = copy.deepcopy(self._cast.installation.opt_in)
        binding["metadata"]["namespace"] = PLACE
        api.apply(binding)
        proof = api.get("Runbook", RUNBOOK, SYSTEM)["spec"]["verify"]
        api.patch("Runbook", RUNBOOK, {"spec": {"verify": QUICK_PROOF}}, SYSTEM)
        self._cast.installation.set_policy(concurrency={"perCluster": AT_ONCE, "perNamespace": AT_ONCE})
        try:
            with self._cast.prunella():
                self._measure()
        finally:
            self._cast.installation.set_policy(concurrency=LIMITS["concurrency"])
            api.patch("Runbook", RUNBOOK, {"spec": {"verify": proof}}, SYSTEM)
            ground.forget(api, [PLACE])

    def _measure(self) -> None:
        stages = self._broken()
        requests, began, ledger = _requests(), time.monotonic(), Ledger(self._cast.installation.state / "audit.log")
        each(lambda stage: stage.crash(2), stages)
        deadline = self._count / AT_ONCE * HEAL_SECONDS + 120
        try:
            wait_for(lambda: self._resolved() >= self._count, deadline, f"{self._count} are healed", seen=self._resolved, interval=2.0)
            self._results.add(Row(what=f"{self._words}: until all were healed", measured=time.monotonic() - began, unit="s"))
        except Missed:
            self._results.note(f"Of the {self._count} broken at once {self._resolved()} were healed after {deadline:.0f} s.")
        rate = (_requests() - requests) / (time.monotonic() - began)
        written = ledger.entries(audit.OPERATOR)
        self._tell(runs_of(written, {one.name for one in stages[::IMPORTANT_EACH]}), stood_in_line(written), rate)

    def _broken(self) -> list[Stage]:
        """Deployments whose Incidents are open, and that only lack their second restart."""
        stages = [Stage(self._api, PLACE, f"many-{number}") for number in range(self._count)]
        each(self._api.apply, (_entry(one.name) for one in stages[::IMPORTANT_EACH]))
        each(Stage.start, stages)
        unready = set(range(self._count))

        def all_ready() -> bool:
            for number in list(unready):
                if stages[number].heal_pods():
                    unready.discard(number)
            return not unready

        wait_for(all_ready, 180, f"{self._count} Deployments have a pod each")
        _pause.wait(KNOWN_GOOD_SECONDS)
        each(Stage.roll_out, stages)
        each(lambda stage: stage.crash(1), stages)
        wait_for(lambda: len(self._incidents()) >= self._count, 120, f"{self._count} Incidents are open", interval=1.0)
        important = {one.name for one in stages[::IMPORTANT_EACH]}
        wait_for(lambda: self._matters_more(important), 30, "the important ones have a priority above all others", seen=self._incidents)
        return stages

    def _matters_more(self, important: Collection[str]) -> bool:
        """Whether each important one is prior to each other one: without that no order of theirs could be seen."""
        of: dict[bool, list[str]] = {True: [], False: []}
        for one in self._incidents():
            of[one["spec"]["targetRef"]["name"] in important].append(one.get("status", {}).get("priority", ""))
        return bool(of[True]) and all(of[True]) and all(of[False]) and max(of[True]) < min(of[False])

    def _incidents(self) -> list[Object]:
        return self._api.list("Incident", PLACE)

    def _resolved(self) -> int:
        return sum(one.get("status", {}).get("phase") == "Resolved" for one in self._incidents())

    def _tell(self, runs: list[Run], since: Mapping[str, float], rate: float) -> None:
        words = self._words
        add = self._results.add
        add(Row(what=f"{words}: most attempts under way", measured=most_at_once(runs), unit="", goal=AT_ONCE, goal_words=f"≤ {AT_ONCE}"))
        add(Row(what=f"{words}: healed", measured=len({run.target for run in runs if run.ended < math.inf}), unit=""))
        before = overtaking(runs, since)
        add(Row(what=f"{words}: took the place of a more important one", measured=before, unit="", goal=0, goal_words="0"))
        waits = [run.began - since[run.target] for run in runs if run.important and run.target in since]
        add(Row(what=f"{words}: a more important one stood in line for, at most", measured=max(waits, default=0.0), unit="s"))
        add(Row(what=f"{words}: requests to the API server", measured=rate, unit="/s", goal=REQUESTS_GOAL, goal_words=f"≤ {REQUESTS_GOAL:g}/s"))
        start = runs[0].began if runs else 0.0
        lines = [(run.target, int(run.important), run.made - start, run.began - start, run.ended - start) for run in runs]
        self._results.raw("many", ("target", "important", "made_s", "began_s", "ended_s"), lines)


def _entry(name: str) -> Object:
    spec = {"selector": {"matchLabels": {"app": name}}, "team": "shop", "tier": 1}
    return {"apiVersion": f"{audit.OURS}/v1alpha1", "kind": "CatalogEntry", "metadata": {"name": name, "namespace": PLACE}, "spec": spec}


def runs_of(entries: Iterable[Entry], important: Collection[str]) -> list[Run]:
    """The attempts that the operator's persisted writes show, in the order in which they began. Those that changed nothing are none."""
    made: dict[str, float] = {}
    began: dict[str, float] = {}
    runs = []
    for one in sorted(entries, key=lambda entry: entry.received):
        if one.resource == "deployments" and "managedFields" not in json.dumps(one.body):  # that gives ownership back, and is no effect
            began.setdefault(one.name, one.received)
        elif one.resource == "remediations":
            target = one.body["spec"]["targetRef"]["name"]
            if one.verb == "create":
                made[target] = one.received
            elif one.subresource == "status" and one.body.get("status", {}).get("endedTime") and target in began:
                runs.append(Run(target, target in important, made[target], began.pop(target), one.received))
    runs += [Run(target, target in important, made[target], at, math.inf) for target, at in began.items()]
    return sorted(runs, key=lambda run: run.began)


def most_at_once(runs: Collection[Run]) -> int:
    """How many were under way at once, at most."""
    changes = sorted([(run.began, 1) for run in runs] + [(run.ended, -1) for run in runs], key=lambda one: (one[0], one[1]))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def stood_in_line(entries: Iterable[Entry]) -> dict[str, float]:
    """Targets of which it was stored that they wait for a place, and since when."""
    since: dict[str, float] = {}
    for one in entries:
        if (one.resource, one.subresource) == ("incidents", "status"):
            conditions = (one.body or {}).get("status", {}).get("conditions", [])
            if any((condition["type"], condition["reason"]) == WAITS for condition in conditions):
                since.setdefault(one.body["spec"]["targetRef"]["name"], one.received)
    return since


def overtaking(runs: Collection[Run], since: Mapping[str, float]) -> int:
    """How many got a place while a more important one stood in line, and left it none: all were taken at some instant until that one began."""
    full = [run.began for run in runs if most_at_once([other for other in runs if other.began <= run.began < other.ended]) >= AT_ONCE]

    def leaves_none(run: Run, later: Run) -> bool:
        came_first = since.get(later.target, math.inf) < run.made < later.made
        return later.important and came_first and any(run.began <= at < later.began for at in full)

    return sum(not run.important and any(leaves_none(run, later) for later in runs) for run in runs)


def _requests() -> float:
    """How many requests the operator has made so far, watches and all, by its own count."""
    return sum(prometheus.metrics("prunella_api_requests_total").values())
