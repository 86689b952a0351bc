"""Durations from times."""

from __future__ import annotations

import pytest

from prunella.api.incident import Episode, IncidentStatus, Times
from prunella.core.incident.times import durations_of, human, ttr

from .builders import later
from .incident_builders import Story, finding, healed, reported, watched


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (13, "13s"), (59, "59s"), (60, "1m"), (250, "4m10s"), (3600, "1h"), (7500, "2h5m"), (90_000, "1d1h"), (86_400, "1d"), (7201, "2h")],
)
def test_a_duration_is_shown_by_its_two_greatest_units(seconds, shown):
    assert human(seconds) == shown


def test_durations_are_whole_seconds_and_absent_where_a_time_is():
    times = Times(started_time=later(0), detected_time=later(0.9), triggered_time=later(1), resolved_time=later(13.97))
    durations = durations_of(IncidentStatus(times=times))
    assert durations.detect_seconds == 0
    assert (durations.receive_seconds, durations.acknowledge_seconds, durations.notify_seconds) == (None, None, None)
    assert (durations.resolve_seconds, durations.mitigate_seconds) == (13, 13)


def test_healthy_gaps_between_episodes_are_not_counted():
    episodes = (
        Episode(number=1, started_time=later(0), triggered_time=later(0), resolved_time=later(100), reason="Opened"),
        Episode(number=2, started_time=later(400), triggered_time=later(401), resolved_time=later(450), reason="FiringAgain"),
    )
    status = IncidentStatus(times=Times(started_time=later(0), resolved_time=later(450)), episodes=episodes)
    assert (durations_of(status).resolve_seconds, ttr(status)) == (150, "2m30s")


def test_what_is_not_over_has_no_time_to_restore():
    assert ttr(IncidentStatus(times=Times(started_time=later(0)))) is None


def test_each_duration_is_observed_once_when_it_is_first_known():
    story = Story(watched())
    story.at(0)
    story.shows(finding=None, remediations=(healed(),)).at(33, healthy=True, since=13)
    story.at(40, healthy=True, since=13)
    observed = [one for one in story.counts if one[1] is not None]
    assert observed == [
        ("incident_time_to_detect_seconds", 0.0),
        ("incident_time_to_receive_seconds", 0.0),
        ("incident_time_to_mitigate_seconds", 13.0),
        ("incident_time_to_resolve_seconds", 13.0),
    ]


def test_a_second_episode_is_not_observed_again():
    story = Story(watched())
    story.at(0)
    story.at(33, finding=None, remediations=(healed(),), healthy=True, since=13)
    story.at(100, finding=finding(started_time=later(100)), remediations=(healed(),))
    before = len([one for one in story.counts if one[1] is not None])
    story.at(500, finding=None, remediations=(healed(), healed(450, 470, number=2)), healthy=True, since=450)
    assert story.status.durations.resolve_seconds == 13 + 350
    assert len([one for one in story.counts if one[1] is not None]) == before


def test_what_was_cancelled_is_not_measured():
    own, persons = Story(watched()), Story(reported())
    own.at(0)
    persons.at(5, duplicates=(own.incident,))
    assert [one for one in persons.counts if one[1] is not None] == []
