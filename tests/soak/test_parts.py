"""The parts of the soak that need no cluster: the slope, the verdict, the rules, the plan and the load, each on what is known beforehand."""

from __future__ import annotations

import dataclasses
import os
import random
import threading
from collections import Counter
from datetime import UTC, datetime

import pytest
from aiohttp import web
from tests.faults.exchange import Exchange
from tests.faults.test_proxy import PODS, ask, lines, watch
from tests.soak import verdict
from tests.soak.faults import ALIVE_SECONDS, CutNowAndThen, Sporadic
from tests.soak.heals import Fault, is_healed, paged
from tests.soak.load import Delivery, Load, target
from tests.soak.memory import Sample, resident_mib, sampled, settled, slope
from tests.soak.plan import FULL, SHORT, chosen

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


# --- memory ---


def line(rate: float, count: int = 300, *, noise: float = 0.0, pid: int = 7) -> list[Sample]:
    scatter = random.Random(1)
    return [Sample(10.0 * number, pid, 80 + rate * number / 360 + scatter.gauss(0, noise)) for number in range(count)]


@pytest.mark.parametrize("rate", [-2.0, 0.0, 0.9, 12.5])
def test_a_straight_line_has_its_slope_and_no_error(rate):
    found = slope(line(rate))
    assert found.rate == pytest.approx(rate, abs=1e-9)
    assert found.error == pytest.approx(0, abs=1e-9)


def test_the_slope_of_what_scatters_is_within_its_error_and_less_sure_when_shorter():
    long, short = slope(line(3.0, noise=0.5)), slope(line(3.0, 30, noise=0.5))
    assert abs(long.rate - 3.0) < 3 * long.error
    assert 0 < long.error < 0.2 < short.error


def test_the_standard_error_is_that_of_the_textbook():
    # The points 0, 1, 1 an hour apart: slope 1/2, and 1/6 of squared scatter over one degree of freedom and a spread of 2.
    found = slope([Sample(3600.0 * hour, 7, mib) for hour, mib in enumerate([0.0, 1.0, 1.0])])
    assert (found.rate, found.error) == (pytest.approx(0.5), pytest.approx((1 / 6 / 2) ** 0.5))


def test_two_samples_make_no_slope():
    with pytest.raises(ValueError, match="2 samples make no slope: 3 are needed"):
        slope(line(1.0, 2))


def test_what_counts_is_after_the_warm_up_and_of_the_last_process():
    samples = [*line(0, 5, pid=1), Sample(50, 2, 60.0), Sample(60, 2, 61.0)]
    assert settled(line(0, 5), 30) == line(0, 5)[3:]
    assert settled(samples, 0) == samples[5:]
    assert settled([], 0) == []


def test_a_process_that_has_ended_gives_no_sample_and_one_that_lives_does():
    ended, pids = threading.Event(), [os.getpid(), 1 << 30]

    def pid() -> int:
        found = pids.pop()
        if not pids:
            ended.set()
        return found

    [sample] = sampled(pid, 0.001, ended)
    assert sample.pid == os.getpid()
    assert 5 < sample.mib == pytest.approx(resident_mib(os.getpid()), rel=0.2)


# --- the plan ---


@pytest.mark.parametrize(
    ("told", "like", "seconds"), [("", FULL, 3600), ("300", SHORT, 300), ("900", SHORT, 900), ("1800", SHORT, 1800), ("7200", FULL, 7200)]
)
def test_a_soak_is_an_hour_unless_it_is_told_to_be_shorter(told, like, seconds):
    assert chosen({"SOAK_SECONDS": told} if told else {}) == dataclasses.replace(like, seconds=seconds)


@pytest.mark.parametrize("told", ["soon", "-5", "30"])
def test_a_length_that_can_not_be_is_refused(told):
    with pytest.raises(ValueError, match=f"SOAK_SECONDS={told} is no length: give whole seconds, 60 at least"):
        chosen({"SOAK_SECONDS": told})


def test_outages_are_rehearsed_in_the_warm_up_and_one_is_measured_and_only_a_long_soak_judges_memory():
    assert (FULL.warm_up, FULL.outages_at, FULL.alerts, FULL.judges_memory) == (900, (450, 600, 750, 2220), 18_000, True)
    assert (SHORT.warm_up, SHORT.outages_at, SHORT.alerts, SHORT.judges_memory) == (75, (37.5, 172.5), 1500, False)
    for plan in (FULL, SHORT):
        ends = [at + plan.outage_seconds for at in plan.outages_at]
        assert all(end < later for end, later in zip(ends[:-1], (*plan.outages_at[1:-1], plan.warm_up), strict=True)), "each is over before the next"


def test_every_target_has_its_hundred_signals_before_the_first_outage():
    assert FULL.outages_at[0] * FULL.alert_rate / FULL.targets >= 100


# --- rules ---


def exchange(number: int, method: str = "GET", path: str = PODS, query: str = "") -> Exchange:
    return Exchange(number=number, time=NOON, method=method, path=path, query=query)


def test_one_request_of_a_hundred_is_answered_with_an_error_and_the_seed_says_which():
    hit = [[number for number in range(50_000) if rule.turn(exchange(number))] for rule in (Sporadic(0.01, 1), Sporadic(0.01, 1), Sporadic(0.01, 2))]
    assert hit[0] == hit[1]
    assert hit[0] != hit[2]
    assert all(420 <= len(one) <= 580 for one in hit), [len(one) for one in hit]


async def statuses(rule: Sporadic, method: str, query: str = "") -> Counter[int]:
    found: Counter[int] = Counter()
    for number in range(300):
        one = exchange(number, method, f"{PODS}/web", query)
        assert rule.turn(one)
        reply = await rule.before(one)
        assert reply is not None
        assert reply.headers.get("Retry-After") == ("1" if reply.status == 429 else None)
        found[reply.status] += 1
    return found


@pytest.mark.parametrize(
    ("method", "query", "wanted"),
    [("PUT", "", {409, 429, 500}), ("PATCH", "dryRun=All", {409, 429, 500}), ("GET", "", {429, 500}), ("GET", "watch=true", {429, 500})],
    ids=["write", "dry run", "read", "watch"],
)
async def test_what_is_only_read_is_never_in_conflict(method, query, wanted):
    rule = Sporadic(1.0, 3)
    found = await statuses(rule, method, query)
    assert set(found) == wanted
    assert min(found.values()) > 60, found
    assert (rule.asked, rule.fired, rule.answered) == (300, 300, found)


@pytest.mark.parametrize(("share", "reached"), [(1.0, 0), (0.0, 1)])
async def test_the_api_server_never_hears_of_what_is_answered_with_an_error(proxy, server, share, reached):
    rule = proxy.add(Sporadic(share, 3))
    status, body = await ask(proxy)
    assert (len(server.got), rule.fired, rule.asked) == (reached, 1 - reached, 1)
    assert (status in {409, 429, 500}, body["kind"] == "Status") == (not reached, not reached)


async def test_a_watch_is_cut_in_the_middle_of_a_line_once_each_interval(proxy):
    clock = [0.0]
    rule = proxy.add(CutNowAndThen(30, 3, lambda: clock[0]))
    assert len(await watch(proxy)) == 6, "it is not time yet"
    clock[0] = 2 * ALIVE_SECONDS  # the first watch has ended, and nobody takes it for open any more
    found, error = await lines(proxy)
    assert (error is not None, [one for one in found if one.endswith(b"\n")]) == (True, [])
    assert len(await watch(proxy)) == 6, "one is enough until the next interval"
    clock[0] = 4 * ALIVE_SECONDS
    _, error = await lines(proxy)
    assert (error is not None, rule.fired, rule.cut) == (True, 2, {"pods": 2})


async def opened(rule: CutNowAndThen, *numbers: int) -> list[Exchange]:
    made = [exchange(number, query="watch=true") for number in numbers]
    for one in made:
        assert rule.turn(one)
        assert await rule.before(one) is None
    return made


@pytest.mark.parametrize("seed", range(4))
async def test_the_watch_that_is_cut_is_any_of_those_that_are_open_when_it_speaks_next(seed):
    clock = [0.0]
    rule = CutNowAndThen(30, seed, lambda: clock[0])
    busy, quiet = await opened(rule, 1, 2)
    clock[0] = 31
    said = [rule.lines(busy, b"a line\n") for _ in range(3)] + [rule.lines(quiet, b"a line\n")]
    whole = [one == [b"a line\n"] for one in said]
    assert whole in ([False, True, True, True], [True, True, True, False]), "one of them, once"


def test_over_many_intervals_every_open_watch_is_cut_now_and_then():
    clock, number = [0.0], 10
    rule = CutNowAndThen(30, 3, lambda: clock[0])
    open_now = {"pods": 1, "deployments": 2, "incidents": 3}
    for _ in range(60):
        clock[0] += 30
        for kind, known in list(open_now.items()):
            [said] = rule.lines(exchange(known, path=f"/apis/x/v1/namespaces/shop/{kind}", query="watch=true"), b"a line\n")
            if said != b"a line\n":
                number += 1
                open_now[kind] = number
    assert set(rule.cut) == set(open_now)
    assert min(rule.cut.values()) >= 8, rule.cut


async def test_a_watch_that_has_been_silent_for_too_long_is_not_chosen():
    clock = [0.0]
    rule = CutNowAndThen(30, 3, lambda: clock[0])
    busy, _ = await opened(rule, 1, 2)
    clock[0] = ALIVE_SECONDS + 1
    assert rule.lines(busy, b"a line\n") == [b"a l"]


# --- load ---


class Webhook:
    """Answers with what it was told, then with 200."""

    def __init__(self, *answers: int) -> None:
        self._answers = list(answers)
        self.got: list[tuple[str, str]] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        [one] = (await request.json())["alerts"]
        self.got.append((one["labels"]["deployment"], one["fingerprint"]))
        return web.Response(status=self._answers.pop(0) if self._answers else 200)


@pytest.fixture
def post_to(loop):
    """Send three alerts to a webhook that gives these answers."""
    runners: list[web.ServerRunner] = []

    def post(*answers: int) -> tuple[Webhook, list[Delivery]]:
        webhook = Webhook(*answers)

        async def start() -> web.ServerRunner:
            runner = web.ServerRunner(web.Server(webhook.handle), shutdown_timeout=0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return runner

        runners.append(loop.run(start()))
        url = f"http://127.0.0.1:{runners[-1].addresses[0][1]}/"
        return webhook, Load(url, "token", "shop", rate=20, targets=2).run(3, threading.Event())

    yield post
    for runner in runners:
        loop.run(runner.cleanup())


@pytest.mark.parametrize(
    ("answers", "statuses", "refusals"),
    [((), [200, 200, 200], 0), ((503, 503), [200, 200, 200], 2), ((400,), [200, 200, 400], 0)],
    ids=["taken", "refused for now", "refused for good"],
)
def test_an_alert_is_sent_until_it_is_taken_or_refused_for_good(post_to, answers, statuses, refusals):
    webhook, deliveries = post_to(*answers)
    assert sorted(one.status for one in deliveries) == statuses
    assert (sum(one.refusals for one in deliveries), sum(one.broken for one in deliveries)) == (refusals, 0)
    assert len(webhook.got) == 3 + refusals
    assert {(one.target, one.fingerprint) for one in deliveries} == set(webhook.got), "each alert has a fingerprint and a target, and keeps them"
    assert Counter(one.target for one in deliveries) == {"target-0": 2, "target-1": 1}
    assert all(one.answered >= one.due for one in deliveries)


def test_a_load_that_is_ended_sends_nothing_more():
    ended = threading.Event()
    ended.set()
    assert Load("http://127.0.0.1:1/", "token", "shop", rate=20, targets=2).run(3, ended) == []


# --- heals ---


def deployment(image: str, available: int) -> dict[str, object]:
    containers = [{"image": image}]
    counts = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": available}
    spec = {"replicas": 2, "template": {"spec": {"containers": containers}}}
    return {"kind": "Deployment", "metadata": {"name": "fault-0001", "generation": 3}, "spec": spec, "status": counts}


def resolved(reason: str) -> dict[str, object]:
    return {"status": {"conditions": [{"type": "Resolved", "reason": reason}]}}


@pytest.mark.parametrize(
    ("made", "incidents", "is_it"),
    [
        (deployment("fake/box:1", 2), [resolved("Verified")], True),
        (deployment("fake/crash:1", 2), [resolved("Verified")], False),
        (deployment("fake/box:1", 1), [resolved("Verified")], False),
        (deployment("fake/box:1", 2), [resolved("NotYet")], False),
        (deployment("fake/box:1", 2), [], False),
        (deployment("fake/box:1", 2), [resolved("Verified")] * 2, False),
        (None, [resolved("Verified")], False),
    ],
    ids=["healed", "still the bad version", "half of it", "not resolved", "no Incident", "two Incidents", "gone"],
)
def test_healed_is_what_the_incident_and_the_workload_both_say(made, incidents, is_it):
    assert is_healed(made, incidents) == is_it


@pytest.mark.parametrize(
    ("kind", "state", "is_it"), [("Page", "Delivered", True), ("Page", "Pending", False), ("Page", "Failed", False), ("Notice", "Delivered", False)]
)
def test_paged_is_a_page_that_was_delivered(kind, state, is_it):
    assert paged({"status": {"escalation": {"messages": [{"kind": kind, "state": state}]}}}) == is_it
    assert not paged({})


# --- the verdict ---


def delivery(number: int, *, targets: int = 2, status: int = 200, refusals: int = 0) -> Delivery:
    return Delivery(
        target=target(number, targets),
        fingerprint=f"{number:016x}",
        due=float(number),
        answered=number + 0.5,
        status=status,
        refusals=refusals,
        broken=0,
    )


def incident(name: str, *numbers: int, others: int = 0, phase: str = "Triggered") -> dict[str, object]:
    signals: list[dict[str, object]] = [{"key": f"alert/{number:016x}", "count": 1} for number in numbers]
    signals += [{"key": "alert/others", "count": others}] if others else []
    return {"spec": {"targetRef": {"name": name}}, "status": {"phase": phase, "signals": signals}}


FOUR = [delivery(number) for number in range(4)]


@pytest.mark.parametrize(
    ("deliveries", "incidents", "lost", "twice"),
    [
        (FOUR, [incident("target-0", 0, 2), incident("target-1", 1, 3)], 0, 0),
        (FOUR, [incident("target-0", 0, 2), incident("target-1", 1)], 1, 0),
        (FOUR, [incident("target-0", 0, 2), incident("target-1", 1, others=1)], 0, 0),
        (FOUR, [incident("target-0", 0, 2, others=1), incident("target-1", 1)], 1, 1),
        (FOUR, [incident("target-0", 0, 2), incident("target-1", 1, others=3)], 0, 2),
        (FOUR, [incident("target-0", 0, 2, 1, 3)], 2, 0),
        (FOUR, [], 4, 0),
        ([*FOUR[:3], delivery(3, status=503)], [incident("target-0", 0, 2), incident("target-1", 1)], 0, 0),
    ],
    ids=[
        "all are listed",
        "one is missing",
        "one is counted",
        "a count elsewhere pays for nothing",
        "more are counted than came",
        "on another target's Incident",
        "no Incident",
        "what was never taken is not owed",
    ],
)
def test_what_was_answered_with_200_is_listed_or_counted_on_its_targets_incident(deliveries, incidents, lost, twice):
    assert verdict.account(deliveries, incidents) == verdict.Account(lost, twice)


@pytest.mark.parametrize(
    ("incidents", "stray"),
    [
        ([incident("target-0"), incident("target-1", phase="Acknowledged")], []),
        ([incident("target-0")], ["target-1"]),
        ([incident("target-0"), incident("target-0"), incident("target-1")], ["target-0"]),
        ([incident("target-0", phase="Resolved"), incident("target-1", phase="")], ["target-0", "target-1"]),
    ],
    ids=["one each", "none", "two", "one that is over"],
)
def test_each_target_has_one_open_incident(incidents, stray):
    assert verdict.astray({"target-0", "target-1"}, incidents) == stray


FAULTS = [
    Fault(name="fault-0000", broken=0.0, healed=8.0, incidents=1),
    Fault(name="fault-0001", broken=60.0, healed=70.0, paged=62.0, incidents=1),
    Fault(name="fault-0002", broken=120.0, paged=125.0, incidents=1),
]


@pytest.mark.parametrize(
    ("effects", "wrong"),
    [
        (["fault-0000", "fault-0001"], []),
        (["fault-0000", "fault-0000"], ["fault-0000"]),
        (["target-3"], ["target-3"]),
        (["fault-0000", verdict.belongs("fault-0000-7f9c5d-x2x4z")], ["fault-0000"]),
    ],
    ids=["one each", "two on one", "on what nobody broke", "the Deployment and its pod"],
)
def test_a_fault_has_one_effect_at_most_and_nothing_else_has_any(effects, wrong):
    assert verdict.misdone(effects, FAULTS) == wrong


GOOD = verdict.Seen(
    plan=FULL,
    deliveries=FOUR,
    incidents=[incident("target-0", 0, 2), incident("target-1", 1, 3)],
    faults=FAULTS,
    reached={"fault-0001-abcde", "fault-0002-fghij"},
    effects=["fault-0000", "fault-0001"],
    samples=line(0.2),
    starts=1,
    words={"Traceback": 0},
    told=[("watches cut", "119")],
)


def test_a_soak_in_which_all_is_well_is_passed_and_told_row_by_row():
    rows = {one.what: one for one in verdict.rows(GOOD)}
    assert [one.line for one in rows.values() if one.holds is False] == []
    assert rows["memory slope"].line.split() == ["memory", "slope", "0.20", "±", "0.00", "MiB/h", "<", "1", "MiB/h", "yes"]
    assert (rows["faults healed"].measured, rows["the slowest heal took"].measured) == ("2", "10.0 s")
    assert (rows["watches cut"].measured, rows["watches cut"].holds) == ("119", None)


@pytest.mark.parametrize(
    ("change", "what", "measured"),
    [
        ({"deliveries": []}, "alerts sent", "0"),
        ({"deliveries": [*FOUR, delivery(4, status=503, refusals=9)]}, "alerts never taken", "1"),
        ({"incidents": [incident("target-0", 0, 2), incident("target-1", 1)]}, "alerts lost", "1"),
        ({"incidents": [incident("target-0", 0, 2, others=1), incident("target-1", 1, 3)]}, "alerts counted twice", "1"),
        ({"incidents": [*GOOD.incidents, incident("target-1")]}, "targets without exactly one open Incident: target-1", "1"),
        ({"faults": [], "effects": []}, "faults", "0"),
        (
            {
                "faults": [dataclasses.replace(FAULTS[2], name=f"fault-{number:04}") for number in (2, 0, 1)],
                "reached": {f"fault-000{one}-x" for one in range(3)},
            },
            "faults healed",
            "0",
        ),
        ({"reached": {"fault-0001-abcde"}}, "faults neither healed nor paged for: fault-0002", "1"),
        ({"faults": [*FAULTS[:2], dataclasses.replace(FAULTS[2], paged=None)]}, "faults neither healed nor paged for: fault-0002", "1"),
        ({"faults": [dataclasses.replace(FAULTS[0], incidents=2), *FAULTS[1:]]}, "faults with more than one Incident at once: fault-0000", "1"),
        ({"effects": ["fault-0001", "fault-0001"]}, "objects changed twice, or for no fault: fault-0001", "1"),
        ({"starts": 2}, "starts of the operator", "2"),
        ({"words": {"Traceback": 3}}, "'Traceback' in its log", "3"),
        ({"samples": line(1.5)}, "memory slope", "1.50 ± 0.00 MiB/h"),
        ({"samples": line(0.2, 92)}, "memory", "2 samples"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_thing_that_must_not_be_fails_its_own_row_and_no_other(change, what, measured):
    failed = [one for one in verdict.rows(dataclasses.replace(GOOD, **change)) if one.holds is False]
    assert [(one.what, one.measured) for one in failed] == [(what, measured)]


def test_the_slope_of_a_short_soak_is_told_and_not_judged():
    rows = {one.what: one for one in verdict.rows(dataclasses.replace(GOOD, plan=SHORT, samples=line(40.0)))}
    assert (rows["memory slope"].measured, rows["memory slope"].wanted, rows["memory slope"].holds) == ("40.00 ± 0.00 MiB/h", "(too short)", None)
