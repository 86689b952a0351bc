"""An hour of alerts, faults, errors, broken watches and outages: nothing is lost, nothing is done twice, and memory does not grow."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, fields

import pytest
from tests.bench.results import Results
from tests.faults.ground import Ground
from tests.faults.rules import Outage
from tests.harness import processes
from tests.harness.api import Object
from tests.harness.installation import ROOT
from tests.harness.waiting import Missed, holds_for, wait_for
from tests.soak import verdict
from tests.soak.faults import CutNowAndThen, Sporadic
from tests.soak.heals import PREFIX, SETTLE_SECONDS, Heals
from tests.soak.housekeeping import Effects
from tests.soak.load import PATIENCE_SECONDS, Delivery, Load, target
from tests.soak.memory import sampled
from tests.soak.plan import Plan, chosen

pytestmark = [pytest.mark.soak, pytest.mark.timeout(2 * 3600, func_only=True)]
PATH = "/api/v1/alertmanager"
FORBIDDEN = ("Traceback", "the supervisor gives up")
"""In the operator's log; the second is the supervisor's word for an operator that does not stay."""
COUNTED_SECONDS = 60.0
"""Until what only counts is stored: ten seconds, and what errors cost."""


def prepare(ground: Ground, plan: Plan) -> None:
    """The Deployments that alerts are about; nothing runs in them."""
    for number in range(plan.targets):
        ground.put(ground.workload("Deployment", target(number, plan.targets), replicas=0))


def outages(ground: Ground, errors: Sporadic, plan: Plan, futures: Sequence[Future[object]]) -> list[int]:
    """Let nobody answer for a while, each time. Returns how many asked meanwhile; raises at once what one of the others has failed with."""

    def well() -> bool:
        for one in futures:
            if one.done():
                one.result()
        return True

    asked, over = [], 0.0
    for begin in plan.outages_at:
        holds_for(well, begin - over, "alerts, heals and measurements go on", interval=1)
        ground.proxy.remove(errors)  # during an outage nobody answers, not even with an error
        with ground.proxy.rule(Outage()) as away:
            holds_for(well, plan.outage_seconds, "they go on during the outage", interval=1)
        ground.proxy.add(errors)
        over = begin + plan.outage_seconds
        asked.append(away.fired)
    return asked


def incidents_of_targets(ground: Ground) -> list[Object]:
    return [one for one in ground.api.list("Incident", ground.namespace) if not one["spec"]["targetRef"]["name"].startswith(PREFIX)]


def counted(ground: Ground, deliveries: Sequence[Delivery]) -> None:
    """Wait until every count is stored; what is missing then is the verdict's to tell."""
    with contextlib.suppress(Missed):
        wait_for(lambda: not verdict.account(deliveries, incidents_of_targets(ground)).lost, COUNTED_SECONDS, "all is stored", interval=2)


def soak(ground: Ground, plan: Plan, seed: int) -> verdict.Seen:
    """All of it at once; returns what was seen."""
    cuts = ground.proxy.add(CutNowAndThen(plan.cut_every, seed))
    prepare(ground, plan)
    ground.supervisor.start()
    errors = ground.proxy.add(Sporadic(plan.error_share, seed))
    load = Load(f"http://127.0.0.1:{ground.port}{PATH}", ground.installation.token, ground.namespace, rate=plan.alert_rate, targets=plan.targets)
    heals, effects = Heals(ground, plan.heal_every), Effects(ground)
    stop, done = threading.Event(), threading.Event()  # they end what makes work, and what only looks
    with ThreadPoolExecutor(4) as pool:
        alerts = pool.submit(load.run, plan.alerts, stop)
        faults = pool.submit(heals.run, plan.seconds, stop)
        samples = pool.submit(sampled, lambda: ground.supervisor.pid, plan.sample_every, done)
        reading = pool.submit(effects.keep, plan.sample_every, done)
        try:
            away = outages(ground, errors, plan, (alerts, faults, samples, reading))
            deliveries = alerts.result(plan.seconds + PATIENCE_SECONDS + 60)
            broken = faults.result(plan.seconds + SETTLE_SECONDS + 60)
        finally:
            stop.set()
            ground.proxy.remove(errors)
            ground.proxy.remove(cuts)
            done.set()
    reading.result()
    errors.close()
    cuts.close()
    counted(ground, deliveries)
    words = ground.words.read_text(errors="replace")
    return verdict.Seen(
        plan=plan,
        deliveries=deliveries,
        incidents=incidents_of_targets(ground),
        faults=broken,
        reached={str(one.body["subject"]) for one in ground.pages()},
        effects=[verdict.belongs(one.name) for one in effects.writes],
        samples=samples.result(),
        starts=ground.supervisor.starts,
        words={word: words.count(word) for word in FORBIDDEN},
        told=[
            ("requests answered with an error", f"{errors.fired} of {errors.asked}"),
            ("  by status", ", ".join(f"{status}: {count}" for status, count in sorted(errors.answered.items()))),
            ("watches cut", str(cuts.fired)),
            ("requests during the outages", " and ".join(str(one) for one in away)),
        ],
    )


def keep(seen: verdict.Seen, rows: Sequence[verdict.Row]) -> None:
    """Table and raw numbers below build/soak."""
    results = Results(ROOT / "build" / "soak")
    results.raw("verdict", [one.name for one in fields(verdict.Row)], [astuple(one) for one in rows])
    for name, things in (("alerts", seen.deliveries), ("faults", seen.faults), ("memory", seen.samples)):
        if things:
            results.raw(name, [one.name for one in fields(things[0])], [astuple(one) for one in things])


def test_an_hour_of_alerts_faults_and_a_bad_way_to_the_api_server_loses_doubles_and_grows_nothing(campaign, seed, capsys):
    plan = chosen(os.environ)
    with campaign.ground("soak") as ground:
        seen = soak(ground, plan, seed)
        rows = verdict.rows(seen)
        keep(seen, rows)
        with capsys.disabled():
            print(f"\nsoak of {plan.seconds:.0f} s, seed {seed}", *(one.line for one in rows), sep="\n")
        assert not [one.line for one in rows if one.holds is False], processes.tail(ground.words)
