"""`explain` reads like a story: each golden is what a person sees."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.core import stories

from prunella.core.lines import Row, clock, render, span
from prunella.core.story import story

HEALED = """\
checkout-7f3kq   P2   Resolved   deploy/checkout   (times in UTC, began 2026-11-24, 2m28s ago)
  seen        10:02:11.6  checkout: revision 15 crash-loops (exit code 1); revision 14 still serves 3 of 3
                            by watching; it began 10:02:11.4
  kept        10:02:11.7  checkout-6d4cf56db6-x2x7p logs: "FATAL: unknown flag --cache-size"
                            all of it: status.evidence
  joined                  seen 3 times, last 10:02:24.0                 one fault, one Incident
  joined      10:02:18.0  alert KubeDeploymentRolloutStuck: the rollout of checkout does not go on (Resolved)
                            not opened twice: deploy/checkout has an open Incident
  rated                   P2                impact Significant (CatalogEntry checkout, tier 1, no capacity lost), urgency High (failing now)
  belongs to              shop, escalation policy shop/shop             CatalogEntry shop/checkout
  waited      10:02:23.9  12s until the action was due                  one failure is not a verdict
  decided     10:02:23.9  roll-back-bad-rollout (Auto): NewestRevisionFails
                            roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)
  considered              restart-crash-looping-pods: no, OtherCause    it is for CrashLoop; the cause is RolloutCrashLoop
  attempt     10:02:24.0  checkout-7f3kq-1, attempt 1 (Auto)            roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)
  guards                  2 of 2 passed                                 --guards shows each
  did         10:02:24.1  patched deploy/checkout spec.template
                            intent 5b1e77aa, once; deploy/checkout runs revision 16 = template of 14; 15 is quarantined
  proved      10:02:44.4  3 × Success                                   healthy: 3/3 available
  ended       10:02:44.4  Remediated                                    healthy 3 of 3 times over 20 s
  healthy     10:02:24.4  Resolved counts from here                     healthy 3 of 3 times over 20 s: 3/3 available, 0 restarts
  told        10:02:24.1  shop-releases (notice by chat): "deploy/checkout was rolled back to revision 14"
                          nobody was paged                              healed before the first page was due (P2: 60 s)
  next        10:12:44.4  the watch ends                                until then a relapse reopens this Incident
  took                    detect 0s, act 12s, mitigate 13s, resolve 13s
"""

REFUSED = """\
checkout-7f3kq   P1   Acknowledged   deploy/checkout   (times in UTC, began 2026-11-24, 2m28s ago)
  seen        10:02:11.6  checkout: revision 15 crash-loops (exit code 1); revision 14 still serves 3 of 3
                            by watching; it began 10:02:11.4 or before
  rated                   P1               impact Extensive (no CatalogEntry, half or more of the capacity lost), urgency High (failing now)
  belongs to              nobody known, no escalation policy            no CatalogEntry, no label, no default
  not done    10:02:11.6  roll-back-bad-rollout: OldRevisionFails       pods of revision 14 fail as well: going back would not help
  mind        10:02:11.6  OwnerUnknown                                  label the namespace prunella.dev/team, or add a CatalogEntry
  then        10:03:12.0  NobodyReachable: the pager answered 403; the catch-all was told
  taken       10:04:00.0  ana has it: looking at the flags              ByPerson
  held                    ana keeps automation away                     I am at it
  not told    10:03:11.6  ops (page, step primary): P1 checkout: revision 15 crash-loops
                            the pager answered 403 (3 tries)
  told        10:03:12.0  all (page, step catchAll by chat): "P1 checkout: revision 15 crash-loops"
"""

SUGGESTED = """\
checkout-7f3kq   -   Triggered   deploy/checkout   (times in UTC, began 2026-11-24, 28s ago)
  seen        10:04:11.6  checkout: revision 15 crash-loops (exit code 1); revision 14 still serves 3 of 3
                            by watching; it began 10:04:11.4
  waits       10:04:11.6  roll-back-bad-rollout: DwellRunning, for 28s  roll back deploy/checkout 15 -> 14: waits for 60 s
  attempt                 checkout-7f3kq-1, attempt 1 (Suggest)         roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)
  guards                  1 of 2 passed                                Rights says MissingPermission: may not patch deployments.apps in shop
                          Protected: passed
                          Rights: MissingPermission                     may not patch deployments.apps in shop
  would       10:04:30.0  roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)
                            nothing was changed; the diff: kubectl get rem checkout-7f3kq-1 -n shop -o jsonpath='{.status.diff}'
  told                    nobody was paged so far
  next        10:05:11.6  somebody is paged, step 1                     unless it heals, or somebody acknowledges
  next        10:05:11.6  roll back deploy/checkout 15 -> 14            if it still holds, and every guard agrees
"""


CAME_BACK = """\
checkout-7f3kq   P3   Triggered   deploy/checkout   (times in UTC, began 2026-11-24, 2m28s ago, episode 2)
  seen        10:02:11.6  checkout: revision 15 crash-loops (exit code 1); revision 14 still serves 3 of 3
                            by watching; it began 10:02:11.4
  kept        10:02:11.7  logs: "first"
  rated       10:02:11.6  P1                                            a storm: many workloads fail at once
  then        10:02:12.0  NobodyReachable: nobody is paged: no EscalationPolicy is known for this target
  taken       10:02:14.0  ana has it; paging stops                      by ana
  attempt     10:02:24.0  checkout-7f3kq-1, attempt 1 (Auto)            plan 1
  ended       10:02:25.0  Aborted                                       the API server refused it
  then        10:02:30.0  CauseRefined: RolloutNotReady became RolloutCrashLoop
  attempt     10:02:35.0  checkout-7f3kq-2, attempt 1 (Auto)            plan 2
  ended                   Remediated                                    healthy
  healthy     10:02:40.0  Resolved counts from here                     28s after the fault began; nobody was paged
  told        10:02:24.1  shop-releases (notice by chat): "deploy/checkout was rolled back to revision 14"
                          nobody was paged
  took                    act 12s, mitigate 28s, resolve 28s
  reopened    10:04:00.0  episode 2: watch (RolloutCrashLoop) fires again: it crash-loops
                            it began 10:03:59.5
  kept        10:04:00.1  logs: "second"
  joined                  seen 3 times, last 10:02:24.0                 one fault, one Incident
  rated                   P3                                            no capacity lost
  belongs to              shop, no escalation policy                    namespace label
  mind        10:04:00.0  NoResponder                                   nobody is paged: no EscalationPolicy is known for this target
  waited      10:04:20.0  10s until the action was due                  one failure is not a verdict
  attempt     10:04:20.0  checkout-7f3kq-3, attempt 1 (Auto)            plan 3
  now                     Verifying                                     1 of 3
  then        10:04:25.0  OwnerChanged: nobody -> shop (namespace label)
  told        10:04:21.0  shop-releases (notice by chat): "again"
                          nobody was paged so far
  took                    detect 0s, act 20s
"""


@pytest.mark.parametrize(
    ("told", "guards", "golden"),
    [(stories.healed, False, HEALED), (stories.refused, False, REFUSED), (stories.suggested, True, SUGGESTED), (stories.came_back, False, CAME_BACK)],
    ids=["healed by itself", "left alone, and somebody has it", "suggested, every guard shown", "came back"],
)
def test_the_story_says_what_was_seen_decided_done_and_told(told, guards, golden):
    incident, remediations = told()
    assert "\n".join(story(incident, remediations, stories.NOW, guards=guards).lines()) + "\n" == golden


def test_an_incident_that_was_not_looked_at_yet_tells_what_it_was_opened_for():
    lines = story(stories.incident({}), [], stories.NOW).lines()
    assert lines[0] == "checkout-7f3kq   -   not looked at yet   deploy/checkout   (times in UTC, began 2026-11-24, 2m29s ago)"
    assert lines[1].endswith("checkout: revision 15 crash-loops (exit code 1); revision 14 still serves 3 of 3")


def test_the_runbooks_for_other_causes_are_one_line_until_each_is_wanted():
    incident, remediations = stories.healed()
    left = incident.status.decisions[1]
    decisions = (*incident.status.decisions, left.model_copy(update={"about": "restore-changed-config"}))
    incident = incident.model_copy(update={"status": incident.status.model_copy(update={"decisions": decisions})})

    def told(**wanted):
        return [(row.what, row.why) for row in story(incident, remediations, stories.NOW, **wanted).rows if row.label == "considered"]

    assert told() == [("2 Runbooks: no, OtherCause", "they are for other causes; --guards shows each")]
    assert told(others="they are elsewhere") == [("2 Runbooks: no, OtherCause", "they are elsewhere")]
    assert told(guards=True) == [(f"{name}: no, OtherCause", left.message) for name in ("restart-crash-looping-pods", "restore-changed-config")]


def test_a_persons_report_is_told_as_one():
    reported = stories.incident({"phase": "Triggered"}, source=None, title="checkout is slow")
    assert any("checkout is slow" in line and "reported by a person" in line for line in story(reported, [], stories.NOW).lines())


def test_nothing_that_stands_in_the_timeline_is_lost_because_nobody_foresaw_it():
    entry = {"sequence": 1, "time": stories.at("10:02:30.0"), "what": "SomethingNew", "message": "never seen before"}
    lines = story(stories.incident({"timeline": [entry]}), [], stories.NOW).lines()
    assert "  then        10:02:30.0  SomethingNew: never seen before" in lines


@pytest.mark.parametrize(
    ("kind", "shown"), [("Page", "page, step first"), ("Notice", "notice"), ("StandDown", "stand-down"), ("Acknowledgement", "who has it")]
)
def test_every_kind_of_message_is_told_with_what_went_wrong_before_it_arrived(kind, shown):
    message = {
        "key": "1/1/0/first/ops",
        "kind": kind,
        "receiver": "ops",
        "state": "Delivered",
        "createdTime": stories.at("10:03:00.0"),
        "step": "first",
    }
    message |= {"sentTime": stories.at("10:03:06.0"), "method": "chat", "attempts": 4, "text": "it broke", "error": "pager: PagerDuty answered 500"}
    lines = story(stories.incident({"phase": "Triggered", "escalation": {"messages": [message]}}), [], stories.NOW).lines()
    told = next(number for number, line in enumerate(lines) if line.startswith("  told"))
    assert f'ops ({shown} by chat): "it broke"' in lines[told]
    assert "tried 4 times: pager: PagerDuty answered 500" in " ".join(lines[told:])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (13.9, "13s"), (60, "1m"), (250, "4m10s"), (7500, "2h5m"), (7200, "2h"), (273_600, "3d4h"), (-5, "0s")],
)
def test_a_length_of_time_is_written_as_kubectl_does(seconds, text):
    assert span(seconds) == text


def test_an_instant_shows_tenths_and_never_the_next_second():
    assert clock(stories.NOW - timedelta(microseconds=1)) == "10:04:39.9"


def test_what_and_why_stand_side_by_side_where_they_fit_and_below_each_other_where_not():
    short, long = "a reason", "a reason " * 30
    assert render([Row(label="did", what="this", why=short)]) == [f"  {'did':<24}{'this':<44}  a reason"]
    lines = render([Row(label="did", what="this", why=long)])
    assert lines[0] == "  did                     this"
    assert " ".join(" ".join(lines[1:]).split()) == long.strip()
    assert max(map(len, lines)) <= 140


def test_a_label_is_not_repeated_below_itself():
    assert [line[:14].strip() for line in render([Row(label="guards", what="a"), Row(label="guards", what="b"), Row(label="did", what="c")])] == [
        "guards",
        "",
        "did",
    ]


def labels(incident, remediations=()):
    return [(row.label, row.what) for row in story(incident, remediations, stories.NOW).rows]


def test_that_nobody_can_be_reached_is_told_once_in_an_episode():
    incident, attempts = stories.came_back()
    told = [row.why or row.what for row in story(incident, attempts, stories.NOW).rows if stories.NOBODY in f"{row.what} {row.why}"]
    assert told == [f"NobodyReachable: {stories.NOBODY}", stories.NOBODY]
    over = incident.model_copy(update={"status": incident.status.model_copy(update={"conditions": ()})})
    assert [what for label, what in labels(over, attempts) if "NobodyReachable" in what] == [
        f"NobodyReachable: {stories.NOBODY}",
        "NobodyReachable: as before",
    ]


def test_once_the_last_episode_is_over_too_it_says_how_long_it_hurt_in_all():
    incident, attempts = stories.came_back()
    durations = incident.status.durations.model_copy(update={"resolve_seconds": 58})
    earlier, last = incident.status.episodes
    last = last.model_copy(update={"resolved_time": last.started_time + timedelta(seconds=30)})
    ended = incident.model_copy(update={"status": incident.status.model_copy(update={"durations": durations, "episodes": (earlier, last)})})
    assert labels(ended, attempts)[-2:] == [("took", "detect 0s, act 20s, mitigate 30s, resolve 30s"), ("hurt", "58s in all")]


def test_where_the_first_episodes_are_not_listed_any_more_it_begins_with_what_opened_it():
    incident, attempts = stories.came_back()
    second = incident.status.episodes[1]
    late = incident.model_copy(update={"status": incident.status.model_copy(update={"episodes": (second,)})})
    tale = story(late, attempts, stories.NOW)
    assert "2m28s ago, episode 2" in tale.head
    assert tale.rows[0].why == "by watching; it began 10:02:11.4"
    assert [row.what for row in tale.rows if row.label == "told"][:2] == [
        'shop-releases (notice by chat): "deploy/checkout was rolled back to revision 14"',
        'shop-releases (notice by chat): "again"',
    ], "and nobody whom an earlier one told is lost"


def test_the_dwell_is_told_from_the_fault_that_it_was_about():
    """The first fault was mended by hand; the second one waited ten seconds, not three minutes."""
    incident, attempts = stories.healed()
    assert ("waited", "12s until the action was due") in labels(incident, attempts)
    since = incident.status.plan.due_time - timedelta(seconds=10)
    plan = incident.status.plan.model_copy(update={"since_time": since})
    later = incident.model_copy(update={"status": incident.status.model_copy(update={"plan": plan})})
    assert ("waited", "10s until the action was due") in labels(later, attempts)
    other = plan.model_copy(update={"hash": "another"})
    unsaid = incident.model_copy(update={"status": incident.status.model_copy(update={"plan": other})})
    assert "waited" not in [label for label, _ in labels(unsaid, attempts)], "another plan's dwell is not this attempt's"


def test_a_duplicate_says_where_the_story_goes_on():
    message = "the story goes on in Incident checkout-aaaaa, which is about the same target"
    duplicate = stories.incident(
        {
            "phase": "Cancelled",
            "summary": "checkout is slow",
            "remediation": "Joined checkout-aaaaa",
            "mergedInto": {"namespace": "shop", "name": "checkout-aaaaa"},
            "times": {"triggeredTime": stories.at("10:02:11.6"), "cancelledTime": stories.at("10:02:12.0")},
            "conditions": [
                stories.condition(name, "False", "Duplicate", message, "10:02:12.0") for name in ("Acknowledged", "Resolved", "RemediationAllowed")
            ],
        },
        source=None,
    )
    rows = story(duplicate, [], stories.NOW).rows
    assert [(row.label, row.what, row.why) for row in rows[1:]] == [
        ("cancelled", "a duplicate: the story goes on in Incident checkout-aaaaa", "kubectl prunella explain checkout-aaaaa -n shop"),
        ("told", "nobody was paged", ""),
    ]


def test_an_attempt_that_waits_says_for_what():
    waits = stories.condition("RemediationAllowed", "False", "Paused", "the HealingPolicy pauses automation: deploy freeze", "10:02:24.0")
    [attempt] = stories.healed()[1]
    pending = attempt.model_copy(update={"status": stories.remediation({"phase": "Pending", "conditions": [waits]}).status})
    rows = story(stories.incident({"phase": "Triggered"}), [pending], stories.NOW).rows
    assert [(row.label, row.what, row.why) for row in rows if row.label in {"waits", "now"}] == [
        ("waits", "Pending: Paused", "the HealingPolicy pauses automation: deploy freeze")
    ]


@pytest.mark.parametrize(
    ("retrying", "what"),
    [
        ({"count": 1, "error": "TooManyRequests"}, "step back is tried again at 10:02:40.0, after 1 try in vain (TooManyRequests)"),
        ({"count": 3}, "step back is tried again at 10:02:40.0, after 3 tries in vain"),
    ],
)
def test_an_attempt_whose_step_is_tried_again_says_until_when_it_waits(retrying, what):
    given = {"step": "back", "message": "come back later", "sinceTime": stories.at("10:02:30.0"), "nextTime": stories.at("10:02:40.0")}
    waits = stories.remediation({"phase": "Dispatched", "retrying": given | retrying})
    rows = story(stories.incident({"phase": "Triggered"}), [waits], stories.NOW).rows
    assert [(row.what, row.why) for row in rows if row.label in {"waits", "now"}] == [(what, "come back later")]


def test_a_report_that_joined_an_alert_that_joined_and_what_is_healthy_but_not_over_are_told():
    incident = stories.incident(
        {
            "phase": "Mitigated",
            "healthySinceTime": stories.at("10:04:00.0"),
            "signals": [stories.WATCHED, {**stories.WATCHED, "key": "watch/RolloutNotReady", "state": "Firing", "count": 1, "summary": "not ready"}],
            "conditions": [stories.condition("Resolved", "False", "NotYet", "healthy since 10:04:00; it counts as over after 300 s", "10:02:11.6")],
        }
    )
    rows = {(row.label, row.what): row.why for row in story(incident, [], stories.NOW).rows}
    assert rows["joined", "not ready (Firing)"] == "not opened twice: deploy/checkout has an open Incident"
    assert rows["joined", "seen 3 times, last 10:02:24.0"] == "one fault, one Incident"
    assert rows["healthy", "not over yet"] == "healthy since 10:04:00; it counts as over after 300 s"
