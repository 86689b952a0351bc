"""Would it have been right? The verdict about a plan that only the mode kept back, and how a Runbook's status adds them up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.common import LocalRef, NamespacedRef
from prunella.api.incident import IncidentStatus
from prunella.api.incident_facts import ShadowPlan
from prunella.api.names import ConditionStatus, Mode, Outcome, RemediationPhase
from prunella.api.remediation import RunbookRef
from prunella.api.runbook import RunbookStep
from prunella.api.runbook_status import RunbookStatus, Shadow
from prunella.api.shadow_verdict import ShadowVerdict
from prunella.core.draft import Draft
from prunella.core.facts import UNKNOWN
from prunella.core.healing import judge
from prunella.core.healing.runs import shadow
from prunella.core.world import GONE, World

from .builders import NOON
from .healing_builders import ago, attempt, condition, crashed, ill, incident, permitted, planned

BOOK = runbook(mode=Mode.OBSERVE)
RESOLVED = condition("Resolved", ConditionStatus.TRUE, "SignalsCleared")
R, W, U = ShadowVerdict.RIGHT, ShadowVerdict.WRONG, ShadowVerdict.UNDECIDED


def held(**changes) -> ShadowPlan:
    """The rollback 3 -> 2 that would have begun two minutes ago."""
    given = {
        "runbook_ref": NamespacedRef(namespace="prunella-system", name="roll-back"),
        "sha256": shadow.sha256(BOOK),
        "summary": "roll back",
        "actions": ("rollBack",),
        "revision": "h3",
        "to_revision": "h2",
        "due_time": ago(120),
    }
    return ShadowPlan(**(given | changes))


def ended(world: World, plan: ShadowPlan, *, healthy=True, **status) -> ShadowPlan:
    """The plan after the Incident's end."""
    stands = IncidentStatus(**({"conditions": (RESOLVED,), "shadow": plan} | status))
    said = shadow.conclude(world, Draft(status=stands, now=NOON), healthy=healthy).status.shadow
    assert said is not None
    return said


def newest(hash_, **changes):
    """A world in which that revision is the newest one."""
    facts = crashed()
    revisions = sorted(facts.revisions, key=lambda one: one.hash != hash_)
    listed = tuple(replace(one, number=9 - index, **(changes if index == 0 else {})) for index, one in enumerate(revisions))
    return ill(facts=replace(facts, revisions=listed))


# which plan is kept


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SUGGEST])
def test_the_plan_that_only_the_mode_holds_back_is_kept(mode):
    world = permitted(runbook(mode=mode))
    draft = judge.judge(world, Draft(status=world.incident.status, now=NOON))
    kept = draft.status.shadow
    assert kept == held(summary=planned(world).summary, due_time=NOON, sha256=shadow.sha256(BOOK))


@pytest.mark.parametrize(
    "world",
    [
        permitted(runbook(mode=Mode.AUTO)),
        permitted(runbook(mode=Mode.APPROVE)),
        permitted(BOOK, storm_since=ago(60)),
        permitted(runbook(mode=Mode.OBSERVE, match=BOOK.spec.match.model_copy(update={"dwell_seconds": 60}))),
    ],
    ids=["it acts", "people are asked", "a guard refuses", "it is not due"],
)
def test_any_other_plan_is_not(world):
    assert judge.judge(world, Draft(status=world.incident.status, now=NOON)).status.shadow is None


def test_what_only_tells_is_neither_right_nor_wrong():
    world = permitted(runbook("tell", RunbookStep(name="tell", notify={"message": "look"}), mode=Mode.OBSERVE))
    assert judge.judge(world, Draft(status=world.incident.status, now=NOON)).status.shadow is None


def test_the_first_plan_of_an_incident_stands():
    world = permitted(BOOK, incident=incident(shadow=held()))
    assert judge.judge(world, Draft(status=world.incident.status, now=NOON)).status.shadow == held()


# the verdict


@pytest.mark.parametrize(
    ("world", "verdict", "reason"),
    [
        (newest("h2"), R, "somebody went back to that very revision, now 9"),
        (newest("h3"), W, "it recovered by itself: revision 9 is still there"),
        (newest("h1"), W, "another revision mended it: 9"),
    ],
    ids=["the same change", "by itself", "something else"],
)
def test_a_rollback_would_have_been_right_where_somebody_did_the_same(world, verdict, reason):
    said = ended(world, held())
    assert (said.verdict, said.reason, said.verdict_time) == (verdict, reason, NOON)


def healed(name, started=100.0):
    made = attempt(outcome=Outcome.REMEDIATED, phase=RemediationPhase.SUCCEEDED, started=started, ended=50)
    ref = RunbookRef(namespace="prunella-system", name=name)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"runbook_ref": ref})})


@pytest.mark.parametrize(
    ("one", "verdict"),
    [(healed("roll-back"), R), (healed("restart"), W), (healed("restart", started=600), W)],
    ids=["it did it itself once permitted", "another Runbook", "an earlier attempt tells nothing"],
)
def test_an_attempt_that_healed_decides(one, verdict):
    assert ended(replace(newest("h3"), remediations=(one,)), held()).verdict is verdict


@pytest.mark.parametrize(
    ("changes", "healthy", "status"),
    [
        ({"target": GONE}, True, {}),
        ({"target": UNKNOWN}, True, {}),
        ({}, False, {}),
        ({}, UNKNOWN, {}),
        ({}, True, {"conditions": (), "times": {"cancelled_time": NOON}}),
    ],
    ids=["gone", "unread", "not healthy", "nobody knows", "a duplicate"],
)
def test_what_cannot_be_told_is_undecided(changes, healthy, status):
    said = ended(replace(newest("h2"), **changes), held(), healthy=healthy, **status)
    assert said.verdict is U
    assert said.reason


def test_before_the_end_there_is_no_verdict_and_afterwards_it_stands():
    assert ended(newest("h2"), held(), conditions=()).verdict is None
    before = held(verdict=W, verdict_time=ago(9), reason="so it was")
    assert ended(newest("h2"), before) == before


RESTARTS = {"actions": ("captureEvidence", "restart"), "to_revision": None}
SCALES = {"actions": ("scale",), "to_revision": None}


def aged(*seconds, hash_="h3", **changes):
    world = newest(hash_, **changes)
    facts = world.workload
    pods = tuple(replace(facts.pods[0], created_time=None if age is None else ago(age)) for age in seconds)
    return replace(world, target=replace(facts, pods=pods))


@pytest.mark.parametrize(
    ("plan", "world", "verdict"),
    [
        (RESTARTS, aged(600, 600), W),
        (SCALES, aged(600, 600), W),
        (RESTARTS, aged(60, 60), R),
        (SCALES, aged(60, 60), U),
        (RESTARTS, aged(60, 600), U),
        (RESTARTS, aged(None), U),
        (RESTARTS, aged(), U),
        (RESTARTS, aged(60, hash_="h2", images=("shop/app:9",)), W),
        (RESTARTS, aged(60, hash_="h2", images=crashed().revisions[0].images), U),
        (RESTARTS | {"revision": None}, aged(600), U),
    ],
    ids=[
        "the same pods",
        "the same pods, whatever it would do",
        "pods made anew",
        "pods made anew, which it would not do",
        "some of them",
        "no ages",
        "no pods",
        "another version",
        "another revision of the same images",
        "nobody knows which revision it was",
    ],
)
def test_what_is_no_rollback_is_judged_by_its_pods(plan, world, verdict):
    assert ended(world, held(**plan)).verdict is verdict


# the statistics


def over(uid="u1", verdict=R, time=NOON, plan=None):
    one = incident(shadow=(plan or held()).model_copy(update={"verdict": verdict, "verdict_time": time}))
    return one.model_copy(update={"metadata": one.metadata.model_copy(update={"uid": uid})})


def book(stats=None, **spec):
    return runbook(**({"mode": Mode.OBSERVE} | spec)).model_copy(update={"status": RunbookStatus(shadow=stats)})


def test_each_verdict_counts_once():
    stats = None
    for uid, verdict in (("a", R), ("b", W), ("c", U), ("b", W), ("a", R)):
        stats = shadow.counted(book(stats), over(uid, verdict)) or stats
    assert (stats.would_have_acted, stats.right, stats.wrong) == (3, 1, 1)
    assert [(one.uid, one.verdict) for one in stats.incidents] == [("a", R), ("b", W), ("c", U)]
    assert stats.incidents[0].name == "shop/checkout-7f3kq"


@pytest.mark.parametrize(
    "one", [incident(), incident(shadow=held()), over(plan=held(sha256="another"))], ids=["no plan", "no end", "another version"]
)
def test_what_is_not_counted(one):
    assert shadow.counted(book(), one) is None


def test_twenty_are_named_and_one_that_left_the_list_is_not_counted_again():
    stats = None
    for number in range(25):
        stats = shadow.counted(book(stats), over(f"u{number}", time=NOON + timedelta(minutes=number)))
    assert (stats.would_have_acted, len(stats.incidents), stats.incidents[0].uid) == (25, 20, "u5")
    assert shadow.counted(book(stats), over("u3", time=NOON + timedelta(minutes=3))) is None
    late = shadow.counted(book(stats), over("late", time=NOON + timedelta(minutes=7, seconds=30)))
    assert [one.uid for one in late.incidents[:3]] == ["u6", "u7", "late"]


def test_another_mode_makes_it_no_other_runbook_and_anything_else_does():
    assert shadow.sha256(book()) == shadow.sha256(book(mode=Mode.AUTO))
    assert shadow.sha256(book()) != shadow.sha256(book(next_ref=LocalRef(name="b")))
    assert shadow.renewed(book()) is None
    stats = Shadow(sha256=shadow.sha256(book()), would_have_acted=7)
    assert shadow.renewed(book(stats)) is None
    assert shadow.renewed(book(stats, mode=Mode.AUTO)) is None
    changed = book(stats, priority=60)
    assert shadow.renewed(changed) == Shadow(sha256=shadow.sha256(changed))
    again = shadow.counted(changed, over(plan=held(sha256=shadow.sha256(changed))))
    assert again.would_have_acted == 1
