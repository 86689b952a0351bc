"""What is begun beside something else ends with it, whoever wanted its answer or not."""

from __future__ import annotations

import asyncio
import gc

import pytest

from prunella.app.beside import beside


async def said(answer: str) -> str:
    await asyncio.sleep(0)
    return answer


async def failed() -> str:
    raise LookupError("it could not be read")


async def test_it_is_begun_at_once_and_its_answer_is_there_for_whoever_wants_it():
    async with beside(said("yes")) as read:
        assert await said("meanwhile") == "meanwhile"
        assert await read == "yes"


async def test_its_error_is_raised_where_its_answer_is_wanted_and_only_there():
    with pytest.raises(LookupError):
        async with beside(failed()) as read:
            await read


async def fails_when_it_is_ended() -> str:
    try:
        await asyncio.Event().wait()
    finally:
        raise LookupError("it could not be ended in peace")


@pytest.mark.parametrize("read", [failed, fails_when_it_is_ended])
async def test_an_error_that_nobody_waited_for_is_dropped_without_a_word(read):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    async with beside(read()):
        await said("meanwhile")
    gc.collect()
    await asyncio.sleep(0)
    assert told == []


@pytest.mark.parametrize("how", ["left", "failed", "cancelled", "cancelled while it is waited for"])
async def test_nothing_that_was_begun_outlives_the_block(how):
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def block() -> None:
        async with beside(endless()) as read:
            await asyncio.sleep(0)
            if how == "failed":
                raise LookupError
            if how == "cancelled":
                await asyncio.Event().wait()
            if how == "cancelled while it is waited for":
                await read

    task = asyncio.create_task(block())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert ended == [True]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert task.cancelled() == how.startswith("cancelled")
    assert how != "failed" or isinstance(task.exception(), LookupError)
