"""Generators that a cancelled reader leaves behind are closed without a word, whatever reads whatever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import pytest

from prunella.adapters.generators import closed_in_order

MANY = 50
"""Left alone, asyncio closes in the order of a set: with so many it is never the right one for all of them."""


class Watches:
    """Readers that are cancelled between two objects, each with a generator in a generator in a generator, as Kopf's are."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.reached = asyncio.Semaphore(0)
        self.left: list[asyncio.CancelledError] = []

    @asynccontextmanager
    async def block(self, name: str) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.closed.append(f"{name}: block")

    async def objects(self, name: str) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            self.closed.append(f"{name}: objects")

    async def watch(self, name: str) -> AsyncIterator[int]:
        async with self.block(name):
            objects = self.objects(name)
            async for number in objects:
                yield number

    async def read(self, name: str) -> None:
        watch = self.watch(name)
        try:
            async for _ in watch:
                self.reached.release()
                await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            self.left.append(error)  # as a task does, it keeps the frame and all that stands in it
            raise

    async def stop_in_the_middle(self) -> None:
        tasks = [asyncio.create_task(self.read(str(number))) for number in range(MANY)]
        for _ in tasks:
            await self.reached.acquire()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def complaints(*, in_order: bool) -> tuple[list[str], list[str]]:
    """What the loop complained of, and what was closed in which order."""
    said: list[str] = []

    async def run() -> Watches:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
        async with closed_in_order() if in_order else nullcontext():
            watches = Watches()
            await watches.stop_in_the_middle()
        return watches

    return said, asyncio.run(run()).closed


def test_a_reader_cancelled_between_two_objects_leaves_no_complaint():
    said, closed = complaints(in_order=True)
    assert said == []
    assert sorted(closed) == sorted(f"{number}: {what}" for number in range(MANY) for what in ("block", "objects"))
    assert all(closed.index(f"{number}: block") < closed.index(f"{number}: objects") for number in range(MANY))


def test_without_it_the_loop_closes_them_in_any_order_and_complains():
    said, _ = complaints(in_order=False)
    assert any("an error occurred during closing of asynchronous generator" in one for one in said)


async def test_one_that_fails_to_close_is_told_and_keeps_none_of_the_others_open():
    closed: list[str] = []

    async def bad() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("it can't be closed")

    async def good() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("good")

    generators = [bad(), good()]
    with pytest.raises(ValueError, match="it can't be closed"):
        async with closed_in_order():
            assert [await anext(one) for one in generators] == [1, 1]
    assert closed == ["good"]


async def test_what_was_read_to_its_end_or_is_begun_afterwards_is_none_of_its_business():
    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    async with closed_in_order():
        assert [number async for number in numbers()] == [0, 1, 2]
    later = numbers()
    assert await anext(later) == 0
    assert [number async for number in later] == [1, 2]
