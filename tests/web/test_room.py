"""What may be under way at once: by number, by bytes, and few that are large."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from prunella.web.room import LARGE, MOST, MOST_BYTES, MOST_LARGE, FullError, Room

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("there", "size", "room"),
    [
        ([2000] * (MOST - 1), 2000, True),
        ([2000] * MOST, 0, False),
        ([MOST_BYTES // 2], MOST_BYTES // 2, True),
        ([MOST_BYTES // 2], MOST_BYTES // 2 + 1, False),
        ([LARGE + 1] * (MOST_LARGE - 1), LARGE + 1, True),
        ([LARGE + 1] * MOST_LARGE, LARGE + 1, False),
        ([LARGE + 1] * MOST_LARGE, LARGE, True),
        ([LARGE] * (MOST_BYTES // LARGE), 1, False),
    ],
    ids=["many small", "too many", "all bytes", "one byte more", "the last large", "a large one more", "small beside large", "bytes of small ones"],
)
def test_there_is_room_for_so_much(there, size, room):
    shared = Room()
    with ExitStack() as stack:
        for held in there:
            stack.enter_context(shared.place(held))
        if room:
            stack.enter_context(shared.place(size))
        else:
            with pytest.raises(FullError):
                stack.enter_context(shared.place(size))
    with shared.place(32 * MIB):
        pass  # who left has left all of it


def test_a_body_that_grows_is_asked_again_and_one_that_was_announced_is_not():
    shared = Room(most_bytes=100)
    with shared.place(40) as announced, shared.place(0) as growing:
        growing.hold(60)
        announced.hold(40)
        with pytest.raises(FullError):
            growing.hold(61)
        with pytest.raises(FullError):
            announced.hold(41)
    with shared.place(100):
        pass


def test_a_body_becomes_a_large_one_while_it_grows():
    shared = Room(large=10, most_large=1)
    with shared.place(11), shared.place(0) as growing:
        growing.hold(10)
        with pytest.raises(FullError):
            growing.hold(11)
