"""When a storm is told of as one fault, what belongs to it, and what is said."""

from __future__ import annotations

import pytest

from prunella.api.healing_policy import Storm
from prunella.api.names import Cause
from prunella.core.around import Shared
from prunella.core.healing.guards import mass
from prunella.core.world import OpenIncident

from .builders import NOON, ago, later

CRASH, PULL = Cause.ROLLOUT_CRASH_LOOP, Cause.ROLLOUT_IMAGE_PULL


def failing(count: int, cause: Cause = CRASH, *, first: int = 0) -> tuple[OpenIncident, ...]:
    return tuple(
        OpenIncident(uid=f"i{one}", namespace="shop", target=f"Deployment/shop/w{one:02}", cause=cause, incident=f"shop/w{one:02}-aaaaa")
        for one in range(first, first + count)
    )


def storm(
    them: tuple[OpenIncident, ...], *, since: float = 20, linked: tuple[str, ...] = (), standing: bool = False, total: int = 20
) -> Shared | None:
    return mass.shared(them, linked, total, Storm(), since=ago(since), standing=standing, now=NOON)


@pytest.mark.parametrize(
    ("them", "given", "count"),
    [
        (failing(5), {}, 5),
        (failing(4), {}, None),
        (failing(5), {"since": 9}, None),
        (failing(5), {"since": 10}, 5),
        ((*failing(4), *failing(4, PULL, first=4)), {}, None),
        ((*failing(5), *failing(2, PULL, first=5)), {}, 5),
        ((*failing(5), *failing(5, PULL, first=5)), {}, 10),
        (failing(4), {"standing": True}, None),
        (failing(4), {"standing": True, "linked": ("shop/w01-aaaaa", "shop/w02-aaaaa")}, 2),
        (failing(6), {"standing": True, "linked": ("shop/w01-aaaaa",)}, 6),
        ((), {"standing": True}, None),
    ],
    ids=[
        "too many",
        "what has no cause of its own is too few",
        "a cause of its own may still be found",
        "it has had its time",
        "two classes, each too few",
        "what fails in another way is none of it",
        "two classes",
        "who is not part of it does not keep it up",
        "who is part of it stays part of it",
        "more of the same join it",
        "none of its workloads fails any more",
    ],
)
def test_a_storm_is_what_fails_alike_for_nothing_else_that_is_known(them, given, count):
    found = storm(them, **given)
    assert (len(found.failing_pods) if found is not None else None) == count


def test_it_says_how_many_fail_and_in_which_way():
    found = storm((*failing(27), *failing(5, PULL, first=27)))
    assert found is not None
    assert found.summary == (
        "a storm: 32 workloads fail at once (crashing and image pull): shop/w00, shop/w01, shop/w02 and 29 more; "
        "nothing is done there until it is over"
    )
    assert (found.cause, found.started_time, found.extensive) == ("MassFailure", ago(20), "a storm: many workloads fail at once")


def test_of_the_last_one_it_says_so():
    last = storm(failing(1), standing=True, linked=("shop/w00-aaaaa",))
    assert last is not None
    assert last.summary == "a storm: 1 workload still fails (crashing): shop/w00; nothing is done there until it is over"


def test_a_clock_that_was_set_back_begins_no_storm_in_the_future():
    found = mass.shared(failing(5), (), 20, Storm(), since=later(60), standing=True, now=NOON)
    assert found is not None
    assert found.started_time == NOON
