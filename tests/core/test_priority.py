"""P1 to P4 from impact and urgency."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from prunella.api.healing_policy import SeverityUrgency
from prunella.api.names import Cause, Impact, Priority, RemediationPhase, Urgency
from prunella.core.facts import UNKNOWN
from prunella.core.incident.priority import MATRIX

from .builders import later
from .incident_builders import Story, alert, alerted, entry, finding, healed, healing_policy, remediation, reported, watched, workload


@pytest.mark.parametrize(
    ("impact", "row"),
    [(Impact.EXTENSIVE, "P1 P2 P3"), (Impact.SIGNIFICANT, "P2 P3 P4"), (Impact.MINOR, "P3 P4 P4")],
)
def test_the_matrix_is_the_references(impact, row):
    assert [MATRIX[impact][urgency] for urgency in (Urgency.HIGH, Urgency.MEDIUM, Urgency.LOW)] == [Priority(one) for one in row.split()]


@pytest.mark.parametrize(
    ("tier", "ready", "impact"),
    [
        (1, 4, "Significant"),
        (1, 3, "Extensive"),
        (1, 2, "Extensive"),
        (2, 4, "Minor"),
        (2, 3, "Significant"),
        (2, 2, "Extensive"),
        (3, 4, "Minor"),
        (3, 3, "Minor"),
        (3, 2, "Significant"),
        (4, 4, "Minor"),
        (4, 0, "Minor"),
        (None, 3, "Significant"),
    ],
)
def test_impact_follows_from_tier_and_capacity_lost(tier, ready, impact):
    story = Story(watched()).shows(entries=(entry(tier=tier),) if tier else (), target=workload(ready, 4))
    story.at(0)
    assert story.status.impact == impact


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (
            Story(watched()).shows(entries=(entry(tier=1),)),
            "P2: impact Significant (CatalogEntry checkout, tier 1, no capacity lost), urgency High (failing now)",
        ),
        (
            Story(watched()).shows(entries=(), target=workload(1, 3)),
            "P1: impact Extensive (no CatalogEntry, counts as tier 2, 2 of 3 not ready), urgency High (failing now)",
        ),
        (
            Story(watched()).shows(target=UNKNOWN, entries=()),
            "P2: impact Significant (no CatalogEntry, counts as tier 2, capacity not known), urgency High (failing now)",
        ),
        (
            Story(reported(impact=Impact.EXTENSIVE, urgency=Urgency.LOW)).shows(finding=None),
            "P3: impact Extensive (stated by a person), urgency Low (stated by a person)",
        ),
        (
            Story(reported()).shows(finding=None),
            "P3: impact Minor (CatalogEntry checkout, tier 2, no capacity lost), urgency High (reported by a person)",
        ),
        (
            Story(watched()).shows(storm_since=later(-5)),
            "P1: impact Extensive (a storm: many workloads fail at once), urgency High (failing now)",
        ),
    ],
    ids=["the example", "no entry", "unknown capacity", "stated", "reported", "storm"],
)
def test_the_inputs_are_written_down(story, reason):
    story.at(0)
    assert story.message("PriorityAssessed") == reason
    assert f"{story.status.priority}: {story.status.priority_reason}" == reason


def by_severity(severity: str | None) -> Story:
    labels = {"alertname": "HighErrors"} | ({"severity": severity} if severity is not None else {})
    return Story(alerted(labels=labels)).shows(finding=None)


@pytest.mark.parametrize(
    ("severity", "urgency", "why"),
    [
        ("critical", "High", "alert of severity critical"),
        ("page", "High", "alert of severity page"),
        ("warning", "Medium", "alert of severity warning"),
        ("none", "Low", "alert of severity none"),
        ("sev-weird", "High", "severity 'sev-weird' is not known: unsure counts as High"),
        (None, "High", "the alert has no severity: unsure counts as High"),
    ],
)
def test_c39_an_alerts_severity_gives_the_urgency_and_unsure_is_never_low(severity, urgency, why):
    story = by_severity(severity)
    story.at(0)
    assert story.status.urgency == urgency
    assert why in str(story.status.priority_reason)


def test_the_policy_names_severities():
    story = by_severity("sev-weird").shows(policy=healing_policy(severity_urgency=SeverityUrgency(low=("sev-weird",))))
    story.at(0)
    assert story.status.urgency == "Low"


def test_the_watch_is_more_urgent_than_the_alert_beside_it():
    story = by_severity("info")
    story.at(0)
    assert story.status.priority == "P4"
    story.at(1, finding=finding())
    assert story.status.priority == "P3"
    assert story.message("PriorityAssessed") == "P3, was P4: impact Minor (as before), urgency High (failing now)"


def test_automation_only_raises():
    story = Story(watched())
    story.at(0, target=workload(1, 3))
    story.at(10, target=workload(3, 3))
    assert story.status.priority == "P1"
    assert story.told().count("PriorityAssessed") == 1


def test_what_a_person_states_wins_in_both_directions():
    story = Story(watched())
    story.at(0, target=workload(1, 3))
    story.says(impact=Impact.MINOR, urgency=Urgency.LOW).at(5, target=workload(1, 3))
    assert story.status.priority == "P4"
    story.says(impact=Impact.EXTENSIVE).at(6)
    assert story.message("PriorityAssessed") == "P3, was P4: impact Extensive (stated by a person), urgency Low (stated by a person)"


@pytest.mark.parametrize(
    "hidden",
    [
        {"target": UNKNOWN},
        {"target": workload(0, 3), "remediations": (remediation(RemediationPhase.VERIFYING),)},
    ],
    ids=["not readable", "our own attempt restarts it"],
)
def test_what_we_cannot_see_or_do_ourselves_raises_nothing(hidden):
    story = Story(watched())
    story.at(0)
    story.at(5, **hidden)
    assert story.status.priority == "P3"


def test_more_capacity_lost_raises_and_is_told_once():
    story = Story(watched())
    story.at(0)
    story.at(5, target=workload(1, 3))
    story.at(6, target=workload(1, 3))
    assert story.status.priority == "P1"
    assert story.told().count("PriorityAssessed") == 2


def test_pods_that_start_after_the_fault_raise_nothing_until_they_are_a_fault_themselves():
    story = Story(watched())
    story.at(0)
    young = finding("RolloutNotReady", open_time=later(60))
    story.at(5, target=workload(0, 3), finding=young)
    assert story.status.priority == "P3", "what was seen before is seen no more, and this is no fault yet"
    story.at(61, target=workload(0, 3), finding=young)
    assert story.status.priority == "P1"


@pytest.mark.parametrize("incident", [alerted(), reported()], ids=["an alert fires", "a person reported it"])
def test_what_else_says_that_it_hurts_raises_it_while_a_fault_is_young(incident):
    story = Story(incident).shows(finding=None)
    story.at(0)
    story.at(5, target=workload(0, 3), finding=finding("RolloutNotReady", open_time=later(60)))
    assert story.status.impact == "Extensive"


ZERO = finding(Cause.SCALED_TO_ZERO, accused_revision="")
"""Somebody scaled it to zero."""


@pytest.mark.parametrize("seen", [UNKNOWN, None, ZERO], ids=["its controller has not caught up", "nothing is found", "it is seen a moment late"])
def test_pods_that_start_after_somebody_scaled_up_again_raise_nothing(seen):
    story = Story(watched(), {"entries": (), "target": workload(0, 0), "finding": ZERO})
    story.at(0)
    assert story.status.priority == "P4"
    for at, ready in ((10, 0), (20, 1), (30, 2)):
        story.at(at, target=workload(ready, 3), finding=seen)
    assert (story.status.priority, story.told().count("PriorityAssessed")) == ("P4", 1)


def test_pods_that_fail_after_somebody_scaled_up_again_raise_it():
    story = Story(watched(), {"entries": (), "target": workload(0, 0), "finding": ZERO})
    story.at(0)
    story.at(10, target=workload(0, 3), finding=UNKNOWN)
    story.at(60, target=workload(0, 3), finding=finding("CrashLoop", accused_revision=""))
    assert (story.status.priority, story.status.cause) == ("P1", Cause.CRASH_LOOP)


def test_a_duplicate_whose_reporter_stated_more_raises_it():
    own, persons = Story(watched()), Story(reported(impact=Impact.EXTENSIVE))
    own.at(0)
    persons.at(1, duplicates=(own.incident,))
    own.at(2, duplicates=(persons.incident,))
    assert own.status.priority == "P1"
    assert "stated by a person in a duplicate" in str(own.status.priority_reason)


def test_an_incident_is_counted_when_its_priority_is_known():
    story = Story(watched())
    draft = story.at(0)
    opened = next(one for one in draft.counts if one.metric == "incidents_opened_total")
    assert opened.labels == (("priority", "P3"), ("source", "Watch"))
    assert not [one for one in story.at(1).counts if one.metric == "incidents_opened_total"]


def test_a_policy_that_cannot_be_read_leaves_the_shipped_table():
    story = by_severity("warning").shows(policy=UNKNOWN)
    story.at(0)
    assert story.status.urgency == "Medium"


def test_the_most_urgent_of_several_alerts_counts():
    story = by_severity("info")
    story.at(0, alerts=(alert("00000000000000bb", labels={"alertname": "Worse", "severity": "warning"}),))
    assert story.status.urgency == "Medium"


def test_a_new_episode_is_assessed_anew_and_what_raised_the_last_one_is_gone():
    """CatalogEntry and storm of the first episode are history."""
    story = Story(watched()).shows(entries=(entry(tier=1),))
    story.at(0, storm_since=later(-5))
    assert story.status.priority == "P1"
    story.at(20, entries=())
    assert story.status.priority == "P1", "within an episode automation only raises"
    story.at(33, finding=None, remediations=(healed(),), healthy=True, since=13)
    assert story.status.priority == "P1"
    story.at(100, finding=finding(started_time=later(99)), remediations=(healed(),), entries=())
    assert story.status.priority == "P3"
    reason = "impact Minor (no CatalogEntry, counts as tier 2, no capacity lost), urgency High (failing now)"
    assert (story.status.priority_reason, story.message("PriorityAssessed")) == (reason, f"P3, was P1: {reason}")
    assert [name for name, _ in story.counts].count("incidents_opened_total") == 1


LITTER = {"target": workload(3, 3), "remediations": (healed(),), "healthy": True, "since": 13}


def mitigated(**firing: Any) -> Story:
    """It hurt most of all, and was mitigated while something kept it from being over."""
    story = Story(watched())
    story.at(0, target=workload(1, 3), **firing)
    story.at(33, finding=finding(), **LITTER)
    assert (story.status.priority, story.condition("Mitigated")[0]) == ("P1", "True")
    return story


def test_a_relapse_that_is_merely_untidy_has_a_priority_of_its_own_and_what_hurts_again_raises_it():
    story = mitigated()
    story.at(50, finding=finding("FailedPodsPiledUp", accused_revision=""), **LITTER)
    assert story.condition("Mitigated") == ("False", "FiringAgain")
    reason = "impact Minor (CatalogEntry checkout, tier 2, no capacity lost), urgency Low (hygiene)"
    assert (story.status.priority, story.message("PriorityAssessed")) == ("P4", f"P4, was P1: {reason}")
    story.at(60, finding=finding("CrashLoop"), target=workload(1, 3), remediations=(healed(),))
    assert story.status.priority == "P1"


@pytest.mark.parametrize(
    ("cause", "alerts"),
    [("RolloutNotReady", ()), ("FailedPodsPiledUp", (alert(at=1),))],
    ids=["another fault", "an alert fires beside it"],
)
def test_any_other_relapse_keeps_it(cause, alerts):
    story = mitigated(alerts=alerts)
    story.at(50, finding=finding(cause, accused_revision=""), **LITTER)
    assert (story.condition("Mitigated"), story.status.priority) == (("False", "FiringAgain"), "P1")


def test_an_episode_of_what_is_merely_untidy_has_a_priority_of_its_own():
    story = Story(watched())
    story.at(0, target=workload(1, 3))
    story.at(33, finding=None, **LITTER)
    story.at(100, finding=finding("FailedPodsPiledUp", accused_revision=""), **LITTER)
    assert (story.status.episode, story.status.priority) == (2, "P4")


@pytest.mark.parametrize("where", ["on the Incident", "on a duplicate"])
def test_what_a_person_stated_holds_in_a_new_episode(where):
    story = Story(watched())
    story.at(0)
    if where == "on the Incident":
        story.says(impact=Impact.EXTENSIVE)
    else:
        persons = Story(reported(impact=Impact.EXTENSIVE))
        persons.at(1, duplicates=(story.incident,))
        story.shows(duplicates=(persons.incident,))
    story.at(2)
    story.at(33, finding=None, remediations=(healed(),), healthy=True, since=13)
    story.at(100, finding=finding(started_time=later(99)), remediations=(healed(),))
    assert (story.status.episode, story.status.priority) == (2, "P1")


def test_once_nothing_fires_any_more_nothing_is_raised_but_by_a_person():
    story = Story(watched())
    story.at(0, finding=replace(finding(), cause=Cause.STUCK_TERMINATING))
    assert story.status.priority == "P4"
    story.at(5, finding=None, target=workload(0, 3))
    assert story.status.priority == "P4", "pods start, and nothing says that anybody is hurt"
    story.says(urgency=Urgency.HIGH).at(6, finding=None, target=workload(0, 3))
    assert story.status.priority == "P3"
