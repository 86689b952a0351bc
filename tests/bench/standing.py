"""Measurements 6 and 7: memory with ten thousand pods and ten thousand Incidents, and a restart with them; before it, memory with fewer, all open.

The Incidents are copies of real ones that were healed in this run, each about a target of its own that is gone; those that the alerts left open
stay, and their targets are there; those of the storm, with a hundred alerts each, go. So most are over, as in any cluster that has been running for a
while. The few that are all open are those of the alerts and copies of them: an alert that fires keeps an Incident open though its target is gone. The
copies go before the others come. The floor of a restart is somebody who reads the pages of all Incidents, one after the other, and parses them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from tests.bench import ground, storm
from tests.bench.effect import CROWD_PLACE
from tests.bench.ground import each
from tests.bench.ledger import Ledger
from tests.bench.naive import operator as naive
from tests.bench.results import Results, Row
from tests.bench.subjects import NAIVE, SEEDER, Cast
from tests.harness import audit
from tests.harness.api import Api, Object, path_of
from tests.harness.installation import ROOT
from tests.harness.waiting import Missed, wait_for

A_NAMESPACE = 500
"""Also a page of the floor's."""
QUIET_SECONDS = 20.0
CATCH_UP_SECONDS = 400.0
"""An Incident that stands open pages whom it is due to page by then, and hundreds do."""
HANDS = 12
OLD = "2026-01-05"
_pause = threading.Event()
IMPORTS = {
    "the bare interpreter": "",
    "kopf": "import kopf",
    "Prunella's modules, Kopf and all": "import prunella.cli.main, prunella.cli.run, prunella.compose",
}
MEASURE = "; import os; print(int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1048576)"


class Standing:
    """The measurements, on one cast."""

    def __init__(self, cast: Cast, results: Results) -> None:
        self._cast = cast
        self._results = results
        self._api: Api = cast.installation.api

    def run(self) -> None:
        """Fill the cluster, then start Prunella several times, and the naive twin on a tenth of the Incidents."""
        imports = {name: _imported(code) for name, code in IMPORTS.items()}
        ground.forget(self._api, storm.PLACES)
        wait_for(lambda: not any(self._api.find("Namespace", one) for one in storm.PLACES), 300, "what the storm left is gone", interval=1.0)
        with self._cast.prunella() as process:
            _pause.wait(5.0)
            before = process.rss_mib()
        ground.namespace(self._api, CROWD_PLACE)
        self._few_but_open()
        ground.Crowd(self._api, CROWD_PLACE).grow(self._cast.scale.pods)
        seeded, open_ = self._seed(audit.OURS, self._cast.scale.incidents, SEEDER)
        with self._cast.prunella():  # what was due meanwhile is written now, and is no part of a restart
            self._catch_up()
        floor = min(self._listed() for _ in range(self._cast.scale.restarts))
        starts = [self._start() for _ in range(self._cast.scale.restarts)]
        ready, rss, peak, cpu, writes = (statistics.median(one[part] for one in starts) for part in range(5))
        twin = self._naive()
        self._results.raw("restart", ("ready_s", "rss_mib", "peak_mib", "cpu_s", "writes"), starts)
        add, words = self._results.add, f"{self._cast.scale.pods:,} pods and {seeded:,} Incidents"
        add(Row(what=f"memory with {words}", measured=rss, unit="MiB", goal=150.0, goal_words="≤ 150 MiB", naive=twin["rss"]))
        add(Row(what="of it: before the pods and Incidents came", measured=before, unit="MiB"))
        for name, mib in imports.items():
            add(Row(what=f"of it: {name}", measured=mib, unit="MiB"))
        add(Row(what="peak memory of the start", measured=peak, unit="MiB", naive=twin["peak"]))
        add(Row(what=f"restart to ready with {words}", measured=ready, unit="s", goal=2.0, goal_words="≤ 2 s", floor=floor, naive=twin["ready"]))
        add(Row(what="writes made by a restart", measured=writes, unit="", goal=0.0, goal_words="0", naive=twin["writes"]))
        add(Row(what=f"CPU of a restart, {QUIET_SECONDS:g} s long", measured=cpu, unit="s", naive=twin["cpu"]))
        self._results.note(
            f"Of the {seeded:,} Incidents {open_:,} are open. The naive twin's numbers are with {self._cast.scale.pods:,} pods "
            f"and {self._cast.scale.naive_incidents:,} Incidents, all over; it "
            f"is ready when its webhook answers, and it lists and looks at its objects after that."
        )

    def _few_but_open(self) -> None:
        """Beside the crowd of the other measurements, so many Incidents that are open."""
        ground.Crowd(self._api, CROWD_PLACE).grow(self._cast.scale.crowd)
        path = f"/apis/{audit.OURS}/v1alpha1/incidents"
        there: list[Object] = self._api.request("GET", path, seconds=60).body["items"]
        known = [one for one in there if _open(one)]
        if not known:
            raise AssertionError("there is no open Incident to copy: measure `alerts` first")
        places = self._copies(path, known, max(0, self._cast.scale.few_incidents - len(known)), SEEDER, "open")
        with self._cast.prunella():
            self._catch_up()
        still = sum(_open(one) for one in self._api.request("GET", path, seconds=60).body["items"])
        rss = statistics.median(self._start()[1] for _ in range(self._cast.scale.restarts))
        words = f"{self._cast.scale.crowd:,} pods and {still:,} open Incidents"
        self._results.add(Row(what=f"memory with {words}, and {len(there) - len(known):,} that are over", measured=rss, unit="MiB"))
        ground.forget(self._api, places)
        wait_for(lambda: not any(self._api.find("Namespace", one) for one in places), 300, "the open copies are gone", interval=1.0)

    def _start(self) -> tuple[float, float, float, float, float]:
        """Seconds to ready, MiB held and at most, CPU seconds, and persisted writes of one start and the quiet time after it."""
        ledger = Ledger(self._cast.installation.state / "audit.log")
        process, ready = self._cast.start_prunella()
        try:
            _pause.wait(QUIET_SECONDS)
            told = process.rss_mib(), process.peak_mib(), process.cpu_seconds()
        finally:
            self._cast.stop(process)
        writes = [one for one in ledger.entries(audit.OPERATOR) if not one.upkeep]
        if writes:
            self._results.note(f"A restart wrote {dict(Counter(f'{one.verb} {one.resource}/{one.subresource}'.rstrip('/') for one in writes))}.")
        return (ready, *told, float(len(writes)))

    def _catch_up(self) -> None:
        try:
            wait_for(self._nothing_is_written, CATCH_UP_SECONDS, f"nothing was written for {QUIET_SECONDS:g} s")
        except Missed as missed:
            self._results.note(f"Before the restarts: {missed}.")

    def _nothing_is_written(self) -> bool:
        """Whether the operator persists nothing for as long as a restart is looked at."""
        ledger = Ledger(self._cast.installation.state / "audit.log")
        _pause.wait(QUIET_SECONDS)
        return all(one.upkeep for one in ledger.entries(audit.OPERATOR))

    def _listed(self) -> float:
        """Seconds in which whoever does nothing else has read all Incidents."""
        began, token = time.perf_counter(), ""
        while True:
            query = f"?limit={A_NAMESPACE}{f'&continue={quote(token)}' if token else ''}"
            token = self._api.request("GET", path_of("Incident") + query, seconds=60).body["metadata"].get("continue", "")
            if not token:
                return time.perf_counter() - began

    def _naive(self) -> dict[str, float]:
        self._seed(naive.GROUP, self._cast.scale.naive_incidents, NAIVE)
        with self._cast.naive():
            _pause.wait(QUIET_SECONDS)  # whatever it still had to do for the copies is done now, and is no part of a restart
        ledger = Ledger(self._cast.installation.state / "audit.log")
        process, ready = self._cast.start_naive()
        try:
            _pause.wait(QUIET_SECONDS)
            told = {"rss": process.rss_mib(), "peak": process.peak_mib(), "cpu": process.cpu_seconds(), "ready": ready}
        finally:
            self._cast.stop(process)
        return told | {"writes": float(len(ledger.entries(NAIVE)))}

    # --- the Incidents ---

    def _seed(self, group: str, wanted: int, user: str) -> tuple[int, int]:
        """Fill up to so many Incidents; how many there are then, and how many of them are not resolved."""
        path = f"/apis/{group}/v1alpha1/incidents"
        there: list[Object] = self._api.request("GET", path, seconds=60).body["items"]
        originals = [one for one in there if one.get("status", {}).get("phase") == "Resolved"]
        if not originals:
            raise AssertionError("there is no healed Incident to copy: measure `idle` first")
        missing = max(0, wanted - len(there))
        self._copies(path, originals, missing, user, "past")
        return len(there) + missing, sum(_open(one) for one in there)

    def _copies(self, path: str, originals: Sequence[Object], count: int, user: str, name: str) -> list[str]:
        """So many more Incidents, each a copy of one of these; the namespaces that they are in."""
        hand = Api(self._cast.installation.user(user))
        places = [ground.namespace(self._api, f"bench-{name}-{number}") for number in range(-(-count // A_NAMESPACE))]
        each(lambda number: _copy(hand, path, originals[number % len(originals)], name, number), range(count), HANDS)
        return places


def _open(incident: Object) -> bool:
    return incident.get("status", {}).get("phase") not in {None, "Resolved", "Cancelled"}


def _copy(api: Api, path: str, original: Object, name: str, number: int) -> None:
    """One more Incident: everything as in the original, but for who, and of one that is over, when."""
    place = f"bench-{name}-{number // A_NAMESPACE}"
    meta, old = original["metadata"], original["spec"]["targetRef"]
    text = json.dumps({key: original[key] for key in ("apiVersion", "kind", "spec", "status")} | {"annotations": meta.get("annotations", {})})
    text = text.replace(old["name"], f"{name}-{number}").replace(meta["namespace"], place)
    if "uid" in old:
        text = text.replace(old["uid"], str(uuid.UUID(int=number)))
    made = json.loads(text if _open(original) else text.replace(meta["creationTimestamp"][:10], OLD))
    kept = {key: meta[key] for key in ("labels", "finalizers") if key in meta}
    made["metadata"] = {"name": f"{name}-{number}-aaaaa", "namespace": place, "annotations": made.pop("annotations"), **kept}
    here = path.replace("/incidents", f"/namespaces/{place}/incidents")
    stored = api.request("POST", here, made)
    assert stored.ok, stored.body
    put = api.request("PUT", f"{here}/{made['metadata']['name']}/status", stored.body | {"status": made["status"]})
    assert put.ok, put.body


def _imported(code: str) -> float:
    """MiB of a fresh interpreter after these imports."""
    words = [sys.executable, "-c", f"{code}{MEASURE}" if code else MEASURE.removeprefix("; ")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT / "operator")})
    return float(done.stdout)
