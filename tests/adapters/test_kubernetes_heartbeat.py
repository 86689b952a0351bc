"""The canary: an observer that sees late says so, one in a quiet cluster does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.adapters.standin import Lines, Numbers, Object, Reply, Silence, StandIn, event, eventually, listed, refusal, standing_in

from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import connect_plainly
from prunella.adapters.kubernetes.heartbeat import Heartbeat
from prunella.adapters.kubernetes.watch import Tempo

MAPS = "/api/v1/namespaces/prunella-system/configmaps"
MAP = f"{MAPS}/prunella-heartbeat"
QUICK = Tempo(first_pause_seconds=0.01, longest_pause_seconds=0.02)


def beat(version: str) -> Object:
    return {"metadata": {"namespace": "prunella-system", "name": "prunella-heartbeat", "uid": "h-1", "resourceVersion": version}}


@asynccontextmanager
async def beating(server: StandIn) -> AsyncIterator[tuple[Heartbeat, Numbers]]:
    numbers = Numbers()
    async with connect_plainly(server.url, numbers) as api:
        heart = Heartbeat(api, SystemClock(), numbers, every_seconds=0.02, longest_lag_seconds=0.2, tempo=QUICK)
        task = asyncio.create_task(heart.run())
        try:
            yield heart, numbers
        finally:
            task.cancel()
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        standin.answers("GET", MAPS, listed(beat("100")))
        standin.answers("WATCH", MAPS, Lines())
        standin.answers("PATCH", MAP, Reply(beat("101")))
        yield standin


async def test_a_beat_that_is_seen_is_no_lag(server: StandIn):
    server.answers("WATCH", MAPS, Lines((event("MODIFIED", beat("101")),)))
    async with beating(server) as (heart, numbers):
        await eventually(lambda: server.count("PATCH") >= 3)
        assert not heart.lagging()
        assert max(numbers.gauges["watch_lag_seconds", "ConfigMap"]) < 0.2
    assert server.asked[0].query["fieldSelector"] == "metadata.name=prunella-heartbeat"
    assert "beatTime" in server.asked[-1].body["data"]


async def test_a_beat_that_is_not_seen_is_a_lag_until_it_is(server: StandIn):
    async with beating(server) as (heart, numbers):
        await eventually(heart.lagging)
        server.answers("WATCH", MAPS, Lines((event("MODIFIED", beat("102")),)))
        server.release()
        await eventually(lambda: not heart.lagging())
        assert max(numbers.gauges["watch_lag_seconds", "ConfigMap"]) > 0.2, "it was seen late, and that is told"


async def test_a_write_of_somebody_else_after_ours_shows_that_ours_was_seen(server: StandIn):
    server.answers("WATCH", MAPS, Lines((event("MODIFIED", beat("999")),)))
    async with beating(server) as (heart, _):
        await eventually(lambda: server.count("PATCH") >= 3)
        assert not heart.lagging()


async def test_the_first_beat_makes_the_object(server: StandIn):
    server.answers("GET", MAPS, listed())
    server.answers("PATCH", MAP, refusal(404, "NotFound"), Reply(beat("101")))
    server.answers("POST", MAPS, Reply(beat("100"), 201))
    async with beating(server):
        await eventually(lambda: server.count("PATCH") >= 2)
    made = next(asked.body for asked in server.asked if asked.method == "POST")
    assert made["metadata"]["labels"] == {"app.kubernetes.io/part-of": "prunella"}
    assert server.count("POST") == 1


@pytest.mark.parametrize(
    ("trouble", "logged"), [(refusal(403, "Forbidden"), 1), (Silence(cut=True), 0), (refusal(500, "InternalError"), 0)], ids=["403", "cut", "500"]
)
async def test_a_beat_that_cannot_be_written_is_no_lag_and_said_once(
    server: StandIn, caplog: pytest.LogCaptureFixture, trouble: Reply | Silence, logged: int
):
    server.answers("PATCH", MAP, trouble)
    async with beating(server) as (heart, _):
        await eventually(lambda: server.count("PATCH") >= 12)
        assert not heart.lagging()
    assert [record.getMessage() for record in caplog.records].count("The heartbeat could not be written") == logged
