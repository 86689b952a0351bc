"""Durations from times."""

from __future__ import annotations

import pytest
from pydantic.alias_generators import to_camel

from prunella.api.incident import Acknowledgement, Durations, Episode, IncidentStatus, Times
from prunella.core.incident.times import durations_of, human, times_of, ttr

from .builders import later
from .incident_builders import Story, alert, finding, healed, reported, watched


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (13, "13s"), (59, "59s"), (60, "1m"), (250, "4m10s"), (3600, "1h"), (7500, "2h5m"), (90_000, "1d1h"), (86_400, "1d"), (7201, "2h")],
)
def test_a_duration_is_shown_by_its_two_greatest_units(seconds, shown):
    assert human(seconds) == shown


def test_durations_are_whole_seconds_and_absent_where_a_time_is():
    times = Times(started_time=later(0), detected_time=later(0.9), triggered_time=later(1), resolved_time=later(13.97))
    durations = durations_of(Durations(), IncidentStatus(times=times))
    assert durations.detect_seconds == 0
    assert (durations.receive_seconds, durations.acknowledge_seconds, durations.notify_seconds) == (None, None, None)
    assert (durations.resolve_seconds, durations.mitigate_seconds) == (13, 13)


def test_healthy_gaps_between_episodes_are_not_counted():
    episodes = (
        Episode(number=1, started_time=later(0), triggered_time=later(0), resolved_time=later(100), reason="Opened"),
        Episode(number=2, started_time=later(400), triggered_time=later(401), resolved_time=later(450), reason="FiringAgain"),
    )
    status = IncidentStatus(episode=2, times=Times(started_time=later(400), resolved_time=later(450)), episodes=episodes)
    durations = durations_of(Durations(mitigate_seconds=100), status)
    assert (durations.mitigate_seconds, durations.resolve_seconds) == (100, 150), "the first episode's, and all together"
    assert ttr(status.model_copy(update={"durations": durations})) == "2m30s"
    assert durations_of(Durations(), status.model_copy(update={"earlier_seconds": 1000})).resolve_seconds == 1150


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


def test_first_occurrences_stand_every_episode_has_its_own_times_and_no_duration_mixes_two():
    """Seen before: `mitigate` of the second episode beside `resolve` of the first, and `act` counted from the first fault."""
    story = Story(watched()).says(acknowledgement=Acknowledgement(by="ana"))
    story.at(0)
    first = healed()
    story.at(33, finding=None, remediations=(first,), healthy=True, since=13)
    ended, begun = story.status.times, story.status.durations
    assert (begun.detect_seconds, begun.mitigate_seconds, begun.resolve_seconds) == (0, 13, 13)
    story.at(100, finding=finding(started_time=later(99)), remediations=(first,))
    assert (story.status.durations, ttr(story.status)) == (begun.model_copy(update={"resolve_seconds": None}), None)
    second = healed(120, 140, number=2)
    story.at(140, finding=None, remediations=(first, second), healthy=True, since=120)
    times = story.status.times
    firsts = {"started_time", "detected_time", "received_time", "triggered_time", "acknowledged_time", "automation_started_time"}
    assert times.model_dump(include=firsts) == ended.model_dump(include=firsts), "written once"
    assert (times.mitigated_time, times.resolved_time) == (later(120), later(120)), "when it was over last"
    assert story.status.durations == begun.model_copy(update={"resolve_seconds": 13 + 21})
    assert ttr(story.status) == "34s"
    earlier, here = (times_of(one) for one in story.status.episodes)
    assert earlier == ended
    assert (here.started_time, here.detected_time, here.received_time, here.triggered_time) == (later(99), later(100), later(100), later(100))
    assert (here.acknowledged_time, here.mitigated_time, here.resolved_time) == (None, later(120), later(120))
    assert {one.name for one in story.status.provenance} == {to_camel(name) for name, value in times.model_dump().items() if value is not None}, (
        "who knew it is said of what stands, and of nothing else"
    )
    assert story.message("Resolved") == "21s after the fault came back; nobody was paged"


def test_what_is_beyond_ten_episodes_is_summed():
    story = Story(watched())
    story.at(0)
    for number in range(12):
        done = healed(100 * number + 10, 100 * number + 20, number=number + 1)
        story.at(100 * number + 20, finding=None, remediations=(done,), healthy=True, since=100 * number + 10)
        story.at(100 * number + 100, finding=finding(started_time=later(100 * number + 100)), remediations=(done,))
    assert [one.number for one in story.status.episodes] == list(range(4, 14))
    assert story.status.earlier_seconds == 3 * 10
    done = healed(1210, 1220, number=13)
    story.at(1220, finding=None, remediations=(done,), healthy=True, since=1210)
    assert story.status.durations.resolve_seconds == 13 * 10


def test_a_mitigation_that_was_taken_back_is_none():
    story = Story(watched())
    story.at(0)
    story.at(33, finding=None, remediations=(healed(),), alerts=(alert(at=33),), healthy=True, since=13)
    assert story.status.episodes[0].mitigated_time == later(13)
    story.at(200, finding=finding(started_time=later(150)), remediations=(healed(),))
    assert (story.status.times.mitigated_time, story.status.episodes[0].mitigated_time) == (None, None)


def test_what_a_duplicate_knew_of_an_episode_that_is_over_does_not_move_the_next():
    own, persons = Story(watched()), Story(reported(creation_timestamp=later(-60)))
    own.at(0)
    persons.at(1, duplicates=(own.incident,))
    own.at(33, finding=None, remediations=(healed(),), duplicates=(persons.incident,), healthy=True, since=13)
    assert own.status.times.started_time == later(-60)
    own.at(100, finding=finding(started_time=later(99)), remediations=(healed(),), duplicates=(persons.incident,))
    assert own.status.times.started_time == later(-60)
    assert [one.started_time for one in own.status.episodes] == [later(-60), later(99)]


def test_what_was_cancelled_is_not_measured():
    own, persons = Story(watched()), Story(reported())
    own.at(0)
    persons.at(5, duplicates=(own.incident,))
    assert [one for one in persons.counts if one[1] is not None] == []
