"""Flapping is said while it is true, and goes away after a quiet time by itself."""

from __future__ import annotations

import pytest

from .builders import later
from .incident_builders import Story, finding, healed, watched


def flaps(times: int, every: int = 200) -> Story:
    """It recovered so many times, 10 s after each fault; the last recovery was proved 10 s later."""
    story = Story(watched())
    story.at(0)
    for number in range(times):
        now = every * number
        done = healed(now + 10, now + 20, number=number + 1)
        if number:
            story.at(now, finding=finding(started_time=later(now)), remediations=())
        story.shows(finding=None, remediations=(done,)).at(now + 20, healthy=True, since=now + 10)
    return story


@pytest.mark.parametrize(
    ("story", "flapping"),
    [(flaps(2), ("", "")), (flaps(3), ("True", "Flapping")), (flaps(3, every=1800), ("", ""))],
    ids=["twice", "three times within an hour", "three times, but more slowly"],
)
def test_what_recovers_three_times_within_an_hour_is_flapping(story, flapping):
    assert (story.status.episode, story.condition("Flapping")) == (story.status.reopen_count + 1, flapping)


def test_it_is_counted_and_goes_away_after_a_quiet_time_by_itself():
    story = flaps(4)
    assert story.says_condition("Flapping") == (
        "it recovered 4 times within an hour, and did not stay so: what is done does not last; look for the cause"
    )
    ends = 210 + 3600
    assert story.at(700, healthy=True, since=610).look_again == later(ends)
    story.at(ends - 1, healthy=True, since=610)
    assert story.condition("Flapping") == ("True", "Flapping")
    assert story.at(ends, healthy=True, since=610).look_again is None
    assert story.condition("Flapping") == ("", "")
