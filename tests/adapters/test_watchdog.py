"""The watchdog: a process whose loop stands still, or does not let go, is ended from outside of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from prunella.adapters.watchdog import Watchdog

ROOT = Path(__file__).resolve().parents[2]
PROCESS = """
import asyncio, sys, time
from prunella.adapters.clock import SystemTicks
from prunella.adapters.watchdog import Watchdog
from prunella.app.leadership import Elector, LeaseRecord, Pace


class Memory:
    record = None

    async def read(self):
        return self.record

    async def create(self, *, holder, epoch, lease_seconds):
        self.record = LeaseRecord(holder=holder, epoch=epoch, lease_seconds=lease_seconds, renewed="", version="1")

    async def replace(self, before, *, holder, epoch, lease_seconds):
        if sys.argv[1] == "cancelled and hangs":
            self.record = LeaseRecord(holder="another", epoch=2, lease_seconds=15, renewed="", version="2")


class Quiet:
    def count(self, *_, **__): ...
    def gauge(self, *_, **__): ...
    def observe(self, *_, **__): ...


async def never_lets_go():
    while True:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            pass


async def main():
    pace = Pace(lease_seconds=1.5, deadline_seconds=1, retry_seconds=0.2, grace_seconds=0.2)
    elector = Elector(Memory(), SystemTicks(), Quiet(), identity="me", floor=lambda: 0, pace=pace)
    with Watchdog(elector.overdue, look_seconds=0.05):
        await elector.campaign()
        print("leads", flush=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(elector.keep(lambda: None))
            if sys.argv[1] == "stands still":
                await asyncio.sleep(0.5)
                time.sleep(30)
            group.create_task(never_lets_go())

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["stands still", "cancelled and hangs"])
def test_a_process_that_cannot_end_itself_is_ended(how):
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, how], capture_output=True, text=True, check=False, timeout=25, cwd=ROOT, env={"PYTHONPATH": "operator"}
    )
    assert (done.returncode, done.stdout) == (1, "leads\n"), done.stderr
    assert "The process is ended from outside of its loop" in done.stderr


def test_while_all_is_well_it_does_nothing_and_it_ends_with_its_context():
    asked, left = threading.Event(), []

    def all_is_well() -> None:
        asked.set()

    with Watchdog(all_is_well, leave=left.append, look_seconds=0.001):
        assert asked.wait(5)
    assert left == []
    assert all(one.name != "watchdog" for one in threading.enumerate())


def test_what_is_overdue_at_one_look_only_is_let_live():
    answers, done, left = iter(["it stood still", None, "it stood still", None]), threading.Event(), []

    def overdue() -> str | None:
        try:
            return next(answers)
        except StopIteration:
            done.set()
            return None

    with Watchdog(overdue, leave=left.append, look_seconds=0.001):
        assert done.wait(5)
    assert left == []


def test_a_log_that_hangs_does_not_keep_the_process_alive():
    left, hangs = threading.Event(), threading.Event()

    class Hanging(Watchdog):
        def _say(self, why: str) -> None:
            hangs.wait(20)

    watchdog = Hanging(lambda: "it stands still", leave=lambda code: left.set(), look_seconds=0.001)
    with watchdog:
        assert left.wait(10)
        hangs.set()
