"""Who is accused: by what the watch sees, or by an alert where only the newest revision runs; and whether the rollout is at fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.core.facts import UNKNOWN
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import accusation
from prunella.core.healing.runbooks.accusation import Accused
from prunella.core.healing.runbooks.match import Fit
from prunella.core.world import GONE

from .builders import NOON, ago, crashing, later, new_pod, pods, revision
from .healing_builders import alert_signal, crashed, ill, refused, seen
from .records import healthy_record

ALERT = alert_signal(started_time=ago(60))


def accused(world, by_alert=None):
    return accusation.accuse(world, Fit(runbook=world.runbooks[0], by_alert=by_alert))


def newest_alone(created=600.0):
    """Only revision 3 runs, and its pods are well: what is wrong with it only an alert tells."""
    facts = crashed(created=created)
    return replace(facts, pods=pods(3, "h3"))


def test_the_watch_accuses_the_revision_whose_pods_fail():
    world = ill()
    answer = accused(world)
    assert answer == Accused(revision=world.workload.revisions[0], finding=world.finding)


@pytest.mark.parametrize("facts", [GONE, replace(crashed(), revisions=())], ids=["gone", "no revisions"])
def test_without_revisions_nobody_can_be_accused(facts):
    world = ill(target=facts)
    assert refused(accused(world)) == Refusal(reason="NoKnownGood", message="no revision of the target is stored: there is nothing to go back to")


@pytest.mark.parametrize("finding", [None, UNKNOWN, "no revision", "one that is not stored"], ids=["none", "unknown", "accuses none", "not stored"])
def test_where_neither_watch_nor_alert_accuses_it_is_looked_at_again(finding):
    if finding == "no revision":
        finding = seen(crashed(), accused_revision="")
    elif finding == "one that is not stored":
        finding = seen(crashed(), accused_revision="h9")
    assert refused(accused(ill(finding=finding))) == Refusal(
        reason="RolloutInProgress", message="no revision of the target can be accused now; it is looked at again when something changes"
    )


def test_while_a_watch_is_silent_nobody_is_accused_and_it_says_so():
    assert refused(accused(ill(watch_fresh=False))) == Refusal(
        reason="EvidenceMissing", message="a watch of the cluster is silent: what is known of the target may be old", look_again_time=later(10)
    )


def test_an_alert_accuses_the_one_revision_that_runs():
    facts = newest_alone()
    assert accused(ill(facts=facts, finding=None), ALERT) == Accused(revision=facts.revisions[0], alert=ALERT)


def test_an_alert_accuses_nobody_while_two_revisions_run():
    facts = newest_alone()
    facts = replace(facts, pods=(*facts.pods, *pods(1, "h2")))
    assert refused(accused(ill(facts=facts, finding=None), ALERT)) == Refusal(
        reason="RolloutInProgress", message="an alert accuses no revision while two of them run"
    )


def test_a_pod_on_its_way_out_does_not_run_any_more():
    facts = newest_alone()
    facts = replace(facts, pods=(*facts.pods, *pods(1, "h2", deleting=True)))
    assert isinstance(accused(ill(facts=facts, finding=None), ALERT), Accused)


def guilty(world, by_alert=None):
    return accusation.guilty(world, world.workload, accused(world, by_alert))


def test_guilt_by_the_watch_holds_since_the_newest_failed():
    assert guilty(ill()) == ago(5)


@pytest.mark.parametrize(("ours", "answer"), [(False, "ChangeTooOld"), (True, None)], ids=["before we came", "before our eyes"])
def test_an_old_change_is_guilty_only_if_it_began_before_our_eyes(ours, answer):
    world = ill(facts=crashed(created=1900), began_before_our_eyes=ours, record=healthy_record("h2"))
    verdict = guilty(world)
    if answer is None:
        assert verdict == ago(5)
    else:
        assert refused(verdict).reason == answer
        assert refused(verdict).message.endswith("If it is at fault: kubectl rollout undo deploy/checkout -n shop")


@pytest.mark.parametrize(
    ("created", "started", "ours", "reason", "message"),
    [
        (600, 300, False, None, None),
        (600, 600, False, None, None),
        (600, 601, False, "ChangeTooOld", "the newest revision came after the alert's condition began: it can't have caused it"),
        (600, 601, True, "ChangeTooOld", "the newest revision came after the alert's condition began: it can't have caused it"),
        (1800, 300, False, None, None),
        (1801, 300, False, "ChangeTooOld", "revision 3 is older than 30 min and did not begin before our eyes"),
        (1801, 300, True, None, None),
        (None, 300, False, "ChangeTooOld", "revision 3 is older than 30 min and did not begin before our eyes"),
        (None, 300, True, None, None),
    ],
    ids=[
        "young, before the alert",
        "in the same instant",
        "c53 after the alert",
        "c53 after the alert, before our eyes",
        "half an hour",
        "older",
        "older, before our eyes",
        "age unknown",
        "age unknown, before our eyes",
    ],
)
def test_an_alert_accuses_a_young_change_that_came_before_it(created, started, ours, reason, message):
    facts = newest_alone()
    newest = replace(revision(3), created_time=None if created is None else ago(created))
    facts = replace(facts, revisions=(newest, *facts.revisions[1:]))
    verdict = guilty(ill(facts=facts, finding=None, began_before_our_eyes=ours), alert_signal(started_time=ago(started)))
    assert verdict == (ago(started) if reason is None else Refusal(reason=reason, message=message))


def test_an_alert_whose_beginning_is_not_known_began_now():
    assert guilty(ill(facts=newest_alone(), finding=None), alert_signal(started_time=None)) == NOON


def test_guilt_without_an_instant_of_its_own_holds_now():
    """The fault began in the future by the source's clock: it is not due before now."""
    world = ill(finding=seen(crashed(), started_time=later(3)))
    assert guilty(world) == later(3)


def test_what_fails_must_be_the_newest():
    facts = replace(crashed(), pods=(*pods(1, "h2", crashing()), new_pod()))
    world = ill(facts=facts, finding=seen(crashed(), accused_revision="h2"))
    assert refused(guilty(world)).reason == "RolloutInProgress"
