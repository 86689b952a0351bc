"""The work queue: each key is served by one worker at a time, never forgotten, and errors say what happens next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

import pytest
from tests.adapters.local import until
from tests.fakes.clock import ManualClock
from tests.fakes.outside import FakeTelemetry

from prunella.app.errors import Conflict, OutcomeUnknown, Permanent, Retryable
from prunella.app.queue import MAX_DELAY, Queue


class Watched(Queue[str]):
    """A queue that shows when it will serve again."""

    def __init__(self):
        self.clock, self.telemetry = ManualClock(), FakeTelemetry()
        super().__init__("tests", self.clock, self.telemetry)
        self.served = []
        self.delays = []
        self.handle = self.serve

    async def serve(self, key):
        self.served.append(key)

    def add_after(self, key, delay):
        self.delays.append(delay)
        super().add_after(key, delay)


@contextlib.asynccontextmanager
async def running(queue, workers=2):
    task = asyncio.create_task(queue.run(workers))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_key_that_waits_is_served_once_however_often_it_is_added():
    queue = Watched()
    for key in ("a", "a", "b", "a"):
        queue.add(key)
    async with running(queue):
        await until(lambda: len(queue.served) == 2)
    assert queue.served == ["a", "b"]
    assert queue.telemetry.gauges["queue_depth", (("queue", "tests"),)] == 0


async def test_while_it_rests_keys_wait_and_each_is_served_once_afterwards():
    queue, awake, resting = Watched(), asyncio.Event(), 0

    async def rested():
        nonlocal resting
        resting += 1
        await awake.wait()

    task = asyncio.create_task(queue.run(2, rested))
    for key in ("a", "b", "c"):
        queue.add(key)
    await until(lambda: resting == 2)
    queue.add("a")
    assert queue.served == []
    assert queue.telemetry.gauges["queue_depth", (("queue", "tests"),)] == 3
    awake.set()
    await until(lambda: len(queue.served) == 3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert sorted(queue.served) == ["a", "b", "c"]


async def test_a_key_is_served_by_one_worker_at_a_time_and_once_more_if_it_was_added_meanwhile():
    queue = Watched()
    gate, at_once, most = asyncio.Event(), 0, 0

    async def slow(key):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        queue.served.append(key)
        await gate.wait()
        at_once -= 1

    queue.handle = slow
    queue.add("a")
    async with running(queue, workers=4):
        await until(lambda: queue.served == ["a"])
        for _ in range(3):
            queue.add("a")
        gate.set()
        await until(lambda: queue.served == ["a", "a"])
        await until(lambda: at_once == 0)
    assert (most, queue.served) == (1, ["a", "a"])


async def test_different_keys_are_served_beside_each_other():
    queue = Watched()
    gate = asyncio.Event()

    async def slow(key):
        queue.served.append(key)
        await gate.wait()

    queue.handle = slow
    for key in ("a", "b", "c"):
        queue.add(key)
    async with running(queue, workers=2):
        await until(lambda: len(queue.served) == 2)
        assert queue.telemetry.gauges["queue_depth", (("queue", "tests"),)] == 3, "as it was when the last one was added"
        gate.set()
        await until(lambda: len(queue.served) == 3)


async def test_of_several_timers_of_a_key_the_earliest_stands():
    queue = Watched()
    queue.add_after("a", 30)
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    async with running(queue):
        await until(lambda: queue.served == ["a"])
    assert queue._timers == {}


async def test_an_instant_that_is_past_is_now_and_one_ahead_is_waited_for():
    queue = Watched()
    now = queue.clock.now()
    queue.add_at("late", now - timedelta(seconds=5))
    queue.add_at("soon", now + timedelta(seconds=20))
    assert queue.delays == [0.0, 20.0]
    async with running(queue):
        await until(lambda: queue.served == ["late"])
    assert list(queue._timers) == ["soon"]


@pytest.mark.parametrize(
    ("error", "delays", "logged"),
    [
        (Conflict("changed"), [0.05, 0.1, 0.2], False),
        (Retryable("busy", delay=3), [3, 6, 12], False),
        (OutcomeUnknown("no answer"), [1, 2, 4], False),
        (Permanent("a person has to"), [60, 60, 60], True),
        (ZeroDivisionError("ours"), [5, 10, 20], True),
    ],
    ids=["Conflict", "Retryable", "OutcomeUnknown", "Permanent", "a fault of ours"],
)
async def test_each_error_says_when_the_key_is_served_again(error, delays, logged, caplog):
    queue = Watched()

    async def fail(key):
        queue.served.append(key)
        raise error

    queue.handle = fail
    queue.add_after = lambda _, delay: queue.delays.append(delay)  # told and not waited for: a timer of 50 ms would serve the key once more
    with caplog.at_level(logging.ERROR):
        async with running(queue):
            for served in (1, 2, 3):
                queue.add("a")
                await until(lambda served=served: len(queue.delays) == served)
    assert queue.delays == delays
    assert bool(caplog.records) == logged
    reason = type(error).__name__ if not isinstance(error, ZeroDivisionError) else "Error"
    assert queue.telemetry.counted("queue_retries_total", reason=reason) == 3


async def test_a_delay_never_grows_beyond_a_minute_and_a_success_ends_it():
    queue = Watched()
    fails = True

    async def moody(key):
        queue.served.append(key)
        if fails:
            raise Retryable("busy", delay=40)

    queue.handle = moody
    async with running(queue):
        for served in range(1, 10):
            queue.add("a")
            await until(lambda served=served: len(queue.delays) == served)
        assert queue.delays[1:] == [MAX_DELAY] * 8
        fails = False
        queue.add("a")
        await until(lambda: len(queue.served) == 10)
        fails = True
        queue.add("a")
        await until(lambda: len(queue.delays) == 10)
    assert queue.delays[-1] == 40


async def test_a_failure_of_one_key_stops_no_worker():
    queue = Watched()

    async def picky(key):
        queue.served.append(key)
        if key == "bad":
            raise KeyError(key)

    queue.handle = picky
    async with running(queue, workers=1):
        for key in ("bad", "good"):
            queue.add(key)
        await until(lambda: queue.served == ["bad", "good"])
