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
  considered              restart-crash-looping-pods: no, NoRunbookMatches
                            it is for CrashLoop, and the cause is RolloutCrashLoop
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
  taken       10:04:00.0  ana has it: looking at the flags              ByPerson
  held                    ana keeps automation away                     I am at it
  then        10:03:12.0  NobodyReachable: the pager answered 403; the catch-all was told
  mind        10:02:11.6  OwnerUnknown                                  label the namespace prunella.dev/team, or add a CatalogEntry
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
                          Protected: yes
                          Rights: MissingPermission                     may not patch deployments.apps in shop
  would       10:04:30.0  roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)
                            nothing was changed; the diff: kubectl get rem checkout-7f3kq-1 -n shop -o jsonpath='{.status.diff}'
  told                    nobody was paged so far
  next        10:05:11.6  somebody is paged, step 1                     unless it heals, or somebody acknowledges
  next        10:05:11.6  roll back deploy/checkout 15 -> 14            if it still holds, and every guard agrees
"""


@pytest.mark.parametrize(
    ("told", "guards", "golden"),
    [(stories.healed, False, HEALED), (stories.refused, False, REFUSED), (stories.suggested, True, SUGGESTED)],
    ids=["healed by itself", "left alone, and somebody has it", "suggested, every guard shown"],
)
def test_the_story_says_what_was_seen_decided_done_and_told(told, guards, golden):
    incident, remediations = told()
    assert "\n".join(story(incident, remediations, stories.NOW, guards=guards).lines()) + "\n" == golden


def test_an_incident_that_was_not_looked_at_yet_tells_what_it_was_opened_for():
    lines = story(stories.incident({}), [], stories.NOW).lines()
    assert lines[0] == "checkout-7f3kq   -   not looked at yet   deploy/checkout   (times in UTC, began 2026-11-24, 2m29s ago)"
    assert lines[1].endswith("checkout: revision 15 crash-loops (exit code 1); revision 14 still serves 3 of 3")


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
