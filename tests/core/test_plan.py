"""The plan: what it refuses before any guard is asked, when it is due, in which mode, and what makes it this plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook, shipped

from prunella.api.names import Cause, Mode
from prunella.api.runbook import Match, RunbookStep
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import UNKNOWN, NamespaceFacts
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import plan
from prunella.core.healing.runbooks.match import Fit
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.healing.steps.capture_evidence import CaptureEvidence
from prunella.core.healing.steps.restart import Restart
from prunella.core.world import GONE, NOT_A_WORKLOAD

from .builders import NOON, ago, container, crashing, later, new_pod, pods, revision, rolling_facts, workload
from .healing_builders import alert_signal, crashed, ill, incident, planned, policy, refused, seen, signal, status
from .records import healthy_record, quarantined_revision, record_of

RESTART = RunbookStep(name="restart", restart=Restart())


def made(world, **fit):
    return plan.make(world, world.incident.status, Fit(runbook=world.runbooks[0], **fit))


def test_a_plan_names_the_accused_and_the_known_good_revision_for_people():
    one = made(ill())
    assert isinstance(one, Plan)
    assert (one.accused.hash, one.to.hash, one.summary) == ("h3", "h2", "roll back deploy/checkout 3 (h3) -> 2 (h2)")
    assert (one.rolls_back, one.restarts, one.mode, one.by_alert) == (True, False, Mode.AUTO, None)


@pytest.mark.parametrize(
    ("changes", "reason", "message"),
    [
        ({"target": GONE}, "NoRunbookMatches", "the target is no object that could be acted on"),
        ({"target": NOT_A_WORKLOAD}, "NoRunbookMatches", "the target is no object that could be acted on"),
        (
            {"facts": replace(crashed(), revisions=())},
            "NoKnownGood",
            "no revision of the target is stored: there is nothing to go back to",
        ),
        (
            {"finding": None},
            "RolloutInProgress",
            "no revision of the target can be accused now; it is looked at again when something changes",
        ),
        ({"finding": UNKNOWN}, "RolloutInProgress", None),
        ({"facts": crashed(created=2000)}, "ChangeTooOld", None),
        (
            {"facts": replace(crashed(), revisions=(revision(3, created=40, replicas=1),), pods=(new_pod(crashing()),))},
            "NoKnownGood",
            "no other stored revision of deploy/checkout has Ready pods, or was seen healthy for 60 s before this one appeared",
        ),
        (
            {"facts": crashed(paused=True)},
            "TargetPaused",
            "deploy/checkout is paused: somebody is at work on it; `kubectl rollout resume` ends that",
        ),
        (
            {"facts": crashed(annotations={"prunella.dev/irreversible": "true"})},
            "Irreversible",
            "deploy/checkout is marked prunella.dev/irreversible: going back over it could lose data",
        ),
        ({"facts": crashed(template_irreversible=True)}, "Irreversible", None),
        (
            {"facts": crashed(kind="DaemonSet", strategy="OnDelete")},
            "StrategyUnsupported",
            "ds/checkout updates OnDelete: a new template replaces no pod by itself",
        ),
        (
            {"facts": crashed(kind="StatefulSet", partition=2)},
            "StrategyUnsupported",
            "sts/checkout has partition 2: a staged rollout is a person's",
        ),
    ],
    ids=[
        "gone",
        "no workload",
        "no revisions",
        "nothing accused",
        "nothing known",
        "too old",
        "none known good",
        "paused",
        "irreversible",
        "irreversible template",
        "OnDelete",
        "partition",
    ],
)
def test_a_plan_refuses_before_any_guard_is_asked(changes, reason, message):
    facts = changes.get("facts")
    if facts is not None and "finding" not in changes:
        found = detect(facts, NOON, Settings(), Surroundings()).finding
        changes = {**changes, "finding": found or seen(crashed())}
    refusal = refused(made(ill(**changes)))
    assert refusal.reason == reason
    if message is not None:
        assert refusal.message == message


def test_r09_a_revision_that_is_marked_irreversible_itself_is_not_gone_back_over():
    facts = crashed()
    marked = replace(facts.revisions[0], irreversible=True)
    assert refused(made(ill(facts=replace(facts, revisions=(marked, *facts.revisions[1:]))))).reason == "Irreversible"


def test_r07_where_both_revisions_crash_nothing_is_rolled_back():
    facts = rolling_facts(new_pod(crashing()), serving=0)
    facts = replace(facts, pods=(*facts.pods, *pods(2, "h2", crashing())))
    refusal = refused(made(ill(facts=facts)))
    assert refusal.reason == "OldRevisionFails"
    assert refusal.message == "pods of revision 2 fail as well: going back would not help; look for what both need"


def test_r05_a_second_bad_revision_goes_back_to_known_good_and_not_to_the_previous_one():
    """Revision 2 was bad and is quarantined, revision 3 is bad as well: revision 1 worked."""
    facts = replace(crashed(), pods=(new_pod(crashing()), *pods(3, "h1")))
    one = made(ill(facts=facts, record=record_of(quarantined=(quarantined_revision("h2"),))))
    assert isinstance(one, Plan)
    assert one.to.hash == "h1"


def test_r04_after_a_rollback_the_bad_revision_is_never_gone_back_to():
    """Revision 3 = template of 1 was put back, 2 is quarantined; 3 fails as well: there is nothing to go back to."""
    facts = replace(crashed(), revisions=(revision(3, created=40, replicas=1), revision(2, created=100, replicas=0)), pods=(new_pod(crashing()),))
    world = ill(facts=facts, record=record_of(quarantined=(quarantined_revision("h2"),)))
    refusal = refused(made(world))
    assert refusal.reason == "NoKnownGood"
    assert refusal.message.endswith("; 1 in quarantine")


@pytest.mark.parametrize(("read", "to"), [(True, "h1"), (False, None)], ids=["read", "unreadable"])
def test_a_record_that_could_not_be_read_is_no_memory(read, to):
    facts = replace(crashed(), revisions=(revision(3, created=40, replicas=1), revision(1, created=9000)), pods=(new_pod(crashing()),))
    answer = made(ill(facts=facts, record=healthy_record("h1") if read else UNKNOWN))
    assert (answer.to.hash if isinstance(answer, Plan) else None) == to


def test_known_good_is_judged_by_the_defaults_where_the_policy_cannot_be_read():
    assert isinstance(made(ill(policy=UNKNOWN)), Plan)


def test_a_restart_accuses_nobody_and_refuses_only_a_paused_target():
    book = runbook("restart", RESTART)
    one = made(ill(book))
    assert isinstance(one, Plan)
    assert (one.accused, one.to, one.summary, one.restarts) == (None, None, "restart the pods of deploy/checkout", True)
    assert refused(made(ill(book, facts=crashed(paused=True)))).reason == "TargetPaused"
    assert isinstance(made(ill(book, facts=crashed(strategy="OnDelete", template_irreversible=True))), Plan)


def test_a_runbook_that_changes_nothing_says_its_title():
    book = runbook("look", RunbookStep(name="evidence", capture_evidence=CaptureEvidence()), title="Take a look")
    assert made(ill(book)).summary == "take a look: deploy/checkout"


MODES = [
    ("Auto", "Auto", "Auto", Mode.AUTO),
    ("Auto", "Auto", "Approve", Mode.APPROVE),
    ("Auto", "Suggest", "Auto", Mode.SUGGEST),
    ("Observe", "Auto", "Auto", Mode.OBSERVE),
    ("Auto", None, "Auto", Mode.OBSERVE),
    ("Auto", "", "Auto", Mode.OBSERVE),
    ("Auto", "auto", "Auto", Mode.OBSERVE),
    ("Auto", "Auto", None, Mode.OBSERVE),
    ("Approve", "Suggest", "Auto", Mode.SUGGEST),
]


@pytest.mark.parametrize(("book", "label", "ceiling", "mode"), MODES)
def test_the_effective_mode_is_the_lowest_and_what_is_not_known_counts_as_observe(book, label, ceiling, mode):
    namespace = NamespaceFacts(name="shop", labels={} if label is None else {"prunella.dev/mode": label})
    world = ill(runbook(mode=Mode(book)), namespace=namespace, policy=UNKNOWN if ceiling is None else policy(mode=Mode(ceiling)))
    assert plan.effective_mode(world.runbooks[0], world) is mode


def test_a_namespace_that_could_not_be_read_counts_as_observe():
    assert plan.effective_mode(runbook(), ill(namespace=UNKNOWN)) is Mode.OBSERVE


def matched(**changes):
    return runbook(match=Match(**({"causes": (Cause.ROLLOUT_CRASH_LOOP,), "dwell_seconds": 10, "min_restarts": 2} | changes)))


@pytest.mark.parametrize(
    ("book", "changes", "due", "waits"),
    [
        (matched(), {}, ago(5), "10 s"),
        (matched(dwell_seconds=30), {}, later(10), "30 s"),
        (matched(dwell_seconds=None), {}, later(40), "60 s"),
        (matched(min_restarts=3), {}, None, "2 of 3 restarts and 10 s"),
        (matched(min_restarts=None), {}, None, "2 of 3 restarts and 10 s"),
        (matched(min_restarts=0, dwell_seconds=0), {}, ago(5), "0 s"),
        (matched(), {"restart_sights": {2: ago(4), 3: ago(1)}}, ago(4), "10 s"),
        (matched(), {"restart_sights": {1: ago(4)}}, ago(5), "10 s"),
        (matched(min_restarts=1), {"restart_sights": {1: ago(3), 2: ago(1)}}, ago(3), "10 s"),
    ],
    ids=[
        "dwell over, conditions since the crash",
        "dwell runs",
        "the class' dwell",
        "restarts missing",
        "three restarts by default",
        "at once",
        "restarts as first seen",
        "restarts were not seen",
        "the first sight that was enough",
    ],
)
def test_an_effect_is_due_when_dwell_restarts_and_guilt_are_all_there(book, changes, due, waits):
    one = made(ill(book, **changes))
    assert isinstance(one, Plan)
    assert (one.due_time, one.waiting_for) == (due, waits)


def test_nothing_is_planned_while_the_old_revision_has_only_just_recovered():
    """Its pod got Ready 3 s ago: what both need came back, and the newest may only be slower. It is looked at again when a minute is over."""
    facts = rolling_facts(new_pod(crashing()), serving=0, ready=1, available=1)
    facts = replace(facts, pods=(*facts.pods, *pods(1, "h2", ready_since=ago(3))))
    answer = made(ill(matched(), facts=facts))
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.look_again_time) == ("OldRevisionFails", later(57))


@pytest.mark.parametrize("cause", [Cause.ROLLOUT_NOT_READY, Cause.ROLLOUT_IMAGE_PULL])
def test_restarts_are_waited_for_only_where_something_crashes(cause):
    book = matched(causes=(cause,), min_restarts=9)
    one = made(ill(book, incident=incident(signal(cause=cause), cause=cause)))
    assert one.due_time == ago(5)


def test_the_dwell_counts_from_the_signal_of_the_cause_then_from_any_then_from_now():
    other = signal("watch/RolloutStuck", cause=Cause.ROLLOUT_STUCK, first_seen_time=ago(2))
    own = signal(first_seen_time=ago(8))
    for told, due in (((other, own), later(2)), ((other,), later(8)), ((), later(10))):
        world = ill(matched(), incident=incident().model_copy(update={"status": status().model_copy(update={"signals": told})}))
        assert made(world).due_time == due


def test_where_an_alert_accuses_the_dwell_counts_from_it_and_restarts_are_no_matter():
    facts = replace(crashed(created=600), pods=pods(3, "h3", container()))
    alert = alert_signal(first_seen_time=ago(4))
    world = ill(matched(min_restarts=9), facts=facts, finding=None, record=healthy_record("h2"))
    one = made(world, by_alert=alert)
    assert isinstance(one, Plan)
    assert (one.due_time, one.by_alert) == (later(6), alert)


@pytest.mark.parametrize(
    ("cause", "seconds"),
    [(Cause.ROLLOUT_IMAGE_PULL, 120), (Cause.REGISTRY_UNREACHABLE, 120), (Cause.ROLLOUT_CRASH_LOOP, 60), (Cause.ALERT, 60), (None, 60)],
)
def test_each_class_of_fault_has_its_dwell(cause, seconds):
    assert plan.class_dwell(cause) == seconds


INGREDIENTS = {
    "Runbook's uid": {"runbook": runbook("another")},
    "Runbook's spec": {"runbook": runbook(title="Another title")},
    "target": {"subject": workload(uid="another")},
    "accused revision": {"accused": revision(9)},
    "no accused revision": {"accused": None},
    "revision to go back to": {"to": revision(8)},
    "no revision to go back to": {"to": None},
}
OTHERS = {
    "Runbook's status and labels": {
        "runbook": runbook().model_copy(update={"metadata": runbook().metadata.model_copy(update={"labels": {"a": "b"}})})
    },
    "target's state": {"subject": workload(ready=1, generation=9, labels={"x": "y"})},
    "number of a revision": {"accused": replace(revision(3), number=7)},
}


def hashed(**changes):
    given = {"runbook": runbook(), "subject": workload(), "accused": revision(3), "to": revision(2)} | changes
    return plan.plan_hash(**given)


@pytest.mark.parametrize("changes", INGREDIENTS.values(), ids=INGREDIENTS.keys())
def test_another_ingredient_makes_another_plan(changes):
    assert hashed(**changes) != hashed()


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_ingredient_leaves_the_plan_as_it_is(changes):
    assert hashed(**changes) == hashed()


def test_a_plan_hash_is_short_and_the_same_everywhere():
    assert hashed() == planned(ill()).hash
    assert len(hashed()) == 6
    assert plan.runbook_sha256(shipped()) == plan.runbook_sha256(shipped().model_copy())


def test_a_field_that_says_its_default_makes_no_other_runbook():
    """So that a newer version, which knows more fields, does not end the attempts that are under way."""
    book = shipped()
    said = book.model_copy(update={"spec": book.spec.read(book.spec.wire() | {"limits": {"minHealthySeconds": 3600, **book.spec.limits.wire()}})})
    other = book.model_copy(update={"spec": book.spec.model_copy(update={"limits": book.spec.limits.model_copy(update={"max_attempts": 7})})})
    assert plan.runbook_sha256(said) == plan.runbook_sha256(book)
    assert plan.runbook_sha256(other) != plan.runbook_sha256(book)


def test_the_hash_of_a_statefulsets_revision_is_shown_as_it_stands_in_pod_names():
    assert plan.short_hash(revision(8, hash="ledger-7c9f8b5d44")) == "7c9f8b5d44"
