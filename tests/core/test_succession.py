"""Runbooks that follow each other: who has its turn, what hands it on, and what never does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.common import LocalRef
from prunella.api.names import Cause, Mode, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Intent, RunbookRef, StepStatus
from prunella.api.runbook import Limits, Match, RunbookStep
from prunella.core.draft import Draft
from prunella.core.healing import judge
from prunella.core.healing.guards import guards, history
from prunella.core.healing.runbooks import lineage, match, plan, succession
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.people import automation
from prunella.core.world import World

from .builders import NOON
from .healing_builders import TARGET, ago, attempt, crashed, ill, incident, refused, status

RESTART = RunbookStep(name="restart", restart={})
CRASH = (Cause.ROLLOUT_CRASH_LOOP,)


def book(name, following=None, **spec):
    """A restart, and what is tried after it."""
    spec = {"match": Match(causes=CRASH, dwell_seconds=10, min_restarts=2), "next_ref": LocalRef(name=following) if following else None} | spec
    return runbook(name, RESTART, **spec)


A, B, C = book("a", "b"), book("b"), book("b", "c")


def tried(name="a", number=1, outcome=Outcome.INEFFECTIVE, *, ended=15.0, cause=Cause.ROLLOUT_CRASH_LOOP, generation=1, **changes):
    """An attempt of that Runbook, which left the target at that generation."""
    made = attempt(number, outcome, ended=ended, accused_revision=None, target_generation=generation, **changes)
    ref = RunbookRef(namespace="prunella-system", name=name, uid=f"uid-{name}", generation=1)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"runbook_ref": ref, "cause": cause})})


def world_of(*attempts, books=(A, B), **changes) -> World:
    return ill(*books, remediations=attempts, facts=changes.pop("facts", None) or crashed(generation=1, observed_generation=1), **changes)


def chosen(world):
    fit, left = match.choose(world, world.incident.status)
    return fit, {one.runbook.metadata.name: one.why.message for one in left}


def plan_of(world) -> Plan:
    fit, _ = chosen(world)
    made = plan.make(world, world.incident.status, fit)
    assert isinstance(made, Plan), made
    return made


def test_the_one_that_follows_waits_whatever_its_priority():
    world = world_of(books=(A, book("b", priority=900)))
    fit, left = chosen(world)
    assert fit.runbook.metadata.name == "a"
    assert left == {"b": "it is tried where a does not help"}
    assert plan_of(world).after == ()
    assert "second" not in plan_of(world).summary


def test_after_the_first_did_not_help_the_second_has_its_turn_and_says_so():
    world = world_of(tried())
    fit, left = chosen(world)
    assert fit.runbook.metadata.name == "b"
    assert left == {"a": "it was tried in this episode, and did not help"}
    made = plan_of(world)
    assert made.summary == "restart the pods of deploy/checkout (second of two: a did not help)"
    assert [one.metadata.name for one in made.after] == ["checkout-7f3kq-1"]


def test_of_three_the_last_has_its_turn_after_both():
    world = world_of(tried(ended=60), tried("b", 2), books=(A, C, book("c", limits=Limits(max_attempts=3))))
    assert plan_of(world).summary.endswith("(third of three: a and b did not help)")
    assert history.attempts(world, plan_of(world)) is None
    assert history.next_attempt(world, plan_of(world)) == 3


@pytest.mark.parametrize(
    "one",
    [
        tried(outcome=Outcome.WORSENED),
        tried(outcome=Outcome.REVERTED),
        tried(outcome=Outcome.INCONCLUSIVE),
        tried(outcome=Outcome.SUPERSEDED, phase=RemediationPhase.CANCELLED),
        tried(outcome=Outcome.STALE, phase=RemediationPhase.CANCELLED),
        tried(outcome=Outcome.STOPPED, phase=RemediationPhase.CANCELLED),
        tried(outcome=Outcome.RECOVERED_ITSELF, phase=RemediationPhase.CANCELLED),
        tried(outcome=Outcome.REMEDIATED, phase=RemediationPhase.SUCCEEDED),
        tried(outcome=Outcome.SIMULATED, phase=RemediationPhase.SUCCEEDED),
        tried(ended=None, phase=RemediationPhase.UNKNOWN),
        tried(generation=None),
        tried(cause=Cause.ROLLOUT_STUCK),
        tried(cause=None),
        tried(started_time=None),
        tried(ended=600.0),
    ],
    ids=[
        "worse than before",
        "reverted by somebody",
        "no data",
        "a person's change",
        "another object",
        "stopped",
        "recovered by itself",
        "it helped",
        "only shown",
        "unknown",
        "the target could not be read",
        "another cause",
        "a cause that nobody wrote down",
        "never begun",
        "an earlier episode",
    ],
)
def test_what_does_not_hand_on(one):
    world = world_of(one, incident=incident(times={"triggered_time": ago(300)}))
    assert chosen(world)[0].runbook.metadata.name == "a"


def step(name, action, state=StepState.APPLIED, effect="Patch"):
    intent = Intent(id="i", action=effect, target_ref=TARGET, written_time=NOON, deadline_time=NOON)
    return StepStatus(name=name, action=action, state=state, intent=intent)


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ((), False),
        ((step("again", "restart"),), False),
        ((step("more", "scale"),), True),
        ((step("more", "scale"), step("undo/more", "scale")), False),
        ((step("more", "scale"), StepStatus(name="undo/more", state=StepState.SKIPPED)), True),
        ((step("more", "scale"), step("undo/more", "scale", StepState.FAILED)), True),
        ((step("more", "scale", StepState.FAILED),), False),
        ((step("more", "scale"), step("more/1", "scale"), step("undo/more", "scale")), True),
        ((step("old", "restoreConfig", effect="Create"),), False),
        ((step("ask", "nodeRemediation", effect="Create"),), True),
        ((step("ask", "nodeRemediation", effect="Create"), step("undo/ask", "nodeRemediation", effect="Unmake")), False),
        ((step("ask", "nodeRemediation", effect="Create"), step("ask/1", "nodeRemediation", effect="Unmake")), False),
    ],
    ids=[
        "nothing was done",
        "nothing can take it back",
        "not taken back",
        "taken back",
        "somebody changed it",
        "it failed",
        "never done",
        "one of two",
        "a copy that stays",
        "a remediation that goes on",
        "a remediation that was ended",
        "a remediation that is over",
    ],
)
def test_the_next_one_waits_until_everything_is_taken_back_that_can_be(steps, left):
    one = tried(steps=steps)
    assert succession.left_behind(one) is left
    assert chosen(world_of(one))[0].runbook.metadata.name == ("a" if left else "b")


def test_a_runbook_that_was_changed_since_is_not_the_one_that_was_tried():
    world = world_of(tried(), books=(A.model_copy(update={"metadata": A.metadata.model_copy(update={"generation": 2})}), B))
    assert chosen(world)[0].runbook.metadata.name == "a"


def test_one_that_does_not_fit_now_is_not_reached_and_the_breaker_stays():
    world = world_of(tried(), books=(A, book("b", match=Match(causes=(Cause.CRASH_LOOP,)))))
    made = plan_of(world)
    assert (made.runbook.metadata.name, made.after) == ("a", ())
    assert refused(history.breaker(world, made)).reason == "BreakerOpen"


def test_the_dwell_of_the_second_counts_from_the_end_of_the_first():
    made = plan_of(world_of(tried(ended=4)))
    assert (made.since, made.due_time) == (ago(4), ago(-6))


# the guards


def test_the_breaker_lets_the_one_that_follows_pass_and_nothing_else():
    world = world_of(tried())
    made = plan_of(world)
    assert history.breaker(world, made) is None
    assert refused(history.breaker(world, replace(made, turn=None))).message.startswith("checkout-7f3kq-1: it ended Ineffective")
    other = tried("x", 2, ended=20)
    assert refused(history.breaker(world_of(tried(), other), made)).message.startswith("checkout-7f3kq-2:")


def test_after_the_last_one_did_not_help_either_a_person_is_needed():
    world = world_of(tried(ended=60), tried("b", 2))
    made = plan_of(world)
    assert made.runbook.metadata.name == "b"
    assert refused(history.breaker(world, made)).message.startswith("checkout-7f3kq-2:")


@pytest.mark.parametrize("outcome", [Outcome.ABORTED, Outcome.INCONCLUSIVE])
def test_each_has_one_turn_an_episode(outcome):
    world = world_of(tried(outcome=Outcome.ABORTED, ended=60), tried("b", 2, outcome))
    assert history.breaker(world, plan_of(world)) is None
    spent = refused(guards.budget(world, plan_of(world)))
    assert (spent.reason, spent.message) == ("ConsecutiveFailures", "checkout-7f3kq-2 was the one turn of b in this episode: a person has to look")


def test_a_retry_gives_everyone_a_turn_again():
    world = world_of(tried(ended=60), tried("b", 2), incident=incident(last_handled_retry_time=ago(5)))
    made = plan_of(world)
    assert (made.runbook.metadata.name, made.after) == ("a", ())
    assert history.breaker(world, made) is None
    assert succession.spent(made.turn) is None


def test_attempts_of_those_before_it_are_counted():
    world = world_of(tried(), books=(A, book("b", limits=Limits(max_attempts=1))))
    assert refused(history.attempts(world, plan_of(world))).reason == "ConsecutiveFailures"
    accused = replace(plan_of(world), accused=crashed().newest)
    assert history.next_attempt(world, accused) == 2, "though it blames a revision, and the one before did not"


@pytest.mark.parametrize(("own", "reason"), [(None, None), (0, None), (3600, "RecentlyRemediated")], ids=["the dwell", "none", "its own"])
def test_between_two_that_follow_each_other_lies_the_dwell_unless_a_cooldown_is_set(own, reason):
    world = world_of(tried(), books=(A, book("b", limits=Limits(cooldown_seconds=own))))
    answer = history.cooldown(world, plan_of(world))
    assert (answer.reason if answer else None) == reason


@pytest.mark.parametrize(("generation", "theirs"), [(1, False), (2, True)])
def test_who_changed_the_target_in_between_has_it(generation, theirs):
    world = world_of(tried(), facts=crashed(generation=generation, observed_generation=generation))
    answer = guards.person(world, plan_of(world))
    if not theirs:
        assert answer is None
        return
    assert refused(answer).message == "deploy/checkout was changed after checkout-7f3kq-1 had ended: whoever did it has it, and automation stays away"
    assert refused(answer).reason == "HumanOverride"


# who is called


def judged(world) -> Draft:
    return judge.judge(world, Draft(status=world.incident.status, now=NOON))


def called(world, draft):
    return automation.failed_since(world, draft, ago(3000))


def test_nobody_is_called_while_the_next_one_is_about_to_be_tried():
    world = world_of(tried(ended=4))
    draft = judged(world)
    assert draft.followed == {"checkout-7f3kq-1"}
    assert called(world, draft) is False
    assert called(world, replace(draft, followed=frozenset())) is True


@pytest.mark.parametrize(
    "world",
    [
        world_of(tried(ended=4), books=(A, book("b", mode=Mode.SUGGEST))),
        world_of(tried(ended=4), books=(A, book("b", mode=Mode.APPROVE))),
        world_of(tried(ended=4), books=(A,)),
        world_of(tried(ended=4), facts=crashed(generation=2, observed_generation=2)),
        world_of(tried(outcome=Outcome.WORSENED, ended=4)),
        world_of(tried(ended=60), tried("b", 2, ended=4)),
    ],
    ids=["it only suggests", "people must agree", "it is not there", "a person was faster", "it got worse", "the last one failed"],
)
def test_somebody_is_called_where_it_is_not(world):
    assert called(world, judged(world)) is True


@pytest.mark.parametrize(("ended", "calls"), [(100, False), (121, True)])
def test_for_a_moment_another_attempt_may_be_in_the_way(ended, calls):
    busy = attempt(ended=None, name="cart-1", uid="uid-cart-1", target_ref=TARGET.model_copy(update={"name": "cart", "uid": "cart"}))
    world = world_of(tried(ended=ended), all_remediations=(busy,))
    draft = judged(world)
    assert next(one.reason for one in draft.status.conditions if one.type == "RemediationAllowed") == "ConcurrencyReached"
    assert called(world, draft) is calls


@pytest.mark.parametrize(("ended", "calls"), [(100, False), (121, True)])
def test_for_a_moment_the_fault_may_be_out_of_sight(ended, calls):
    world = world_of(tried(ended=ended), finding=None, incident=incident(signals=()))
    assert called(world, judged(world)) is calls


@pytest.mark.parametrize(
    ("second", "calls"),
    [
        ({"ended": None, "phase": RemediationPhase.VERIFYING}, False),
        ({"outcome": Outcome.REMEDIATED, "phase": RemediationPhase.SUCCEEDED}, False),
        ({"outcome": Outcome.SUPERSEDED, "phase": RemediationPhase.CANCELLED}, True),
        ({"outcome": Outcome.INEFFECTIVE}, True),
        ({"ended": None, "phase": RemediationPhase.UNKNOWN}, True),
    ],
    ids=["it is at work", "it healed", "a person was faster", "it did not help either", "unknown"],
)
def test_the_failure_of_the_first_counts_again_where_the_second_does_not_heal(second, calls):
    later = tried("b", 2, **({"ended": 5.0} | second))
    later = later.model_copy(update={"spec": later.spec.model_copy(update={"after": ("checkout-7f3kq-1",)})})
    world = world_of(tried(ended=60), later)
    assert called(world, Draft(status=status(), now=NOON)) is calls


# what can be known beforehand


@pytest.mark.parametrize(
    ("books", "expected"),
    [
        ((A, B), []),
        ((A, book("b", match=Match(alerts=('{alertname="X"}',)))), []),
        ((A, book("bb")), [("UnknownRunbook", "`spec.nextRef.name`: there is no Runbook 'b' in its namespace; did you mean 'bb'?")]),
        ((A, book("b", "a")), [("Cycle", "`spec.nextRef.name`: it leads back (a -> b -> a): each has one turn, so take the last arrow away")]),
        ((book("a", "a"),), [("Cycle", "`spec.nextRef.name`: it leads back (a -> a): each has one turn, so take the last arrow away")]),
        (
            (A, book("b", match=Match(causes=(Cause.CRASH_LOOP,)))),
            [("NeverFits", "`spec.nextRef.name`: b never fits where this one does: they have no cause in common")],
        ),
        (
            (A, book("b", limits=Limits(max_attempts=1))),
            [("NeverFits", "`spec.nextRef.name`: b never has its turn: it is tried as attempt 2, and its `limits.maxAttempts` is 1: raise it")],
        ),
        (
            (A, C, book("c")),
            [("NeverFits", "`spec.nextRef.name`: c never has its turn: it is tried as attempt 3, and its `limits.maxAttempts` is 2: raise it")],
        ),
    ],
    ids=["fine", "by an alert", "not there", "a loop", "itself", "another cause", "attempts", "the third"],
)
def test_what_can_never_have_its_turn_is_said_when_it_is_applied(books, expected):
    assert [tuple(one) for one in lineage.problems(books[0], books)] == expected


@pytest.mark.parametrize(
    ("here", "there", "why"),
    [
        ({"kinds": ("Deployment",)}, {"kinds": ("StatefulSet",)}, "they have no kind of target in common"),
        ({"kinds": ("Deployment",)}, {}, ""),
        ({"selector": {"match_labels": {"app": "x"}}}, {"selector": {"match_labels": {"app": "y"}}}, "they want different values of the label app"),
        ({"selector": {"match_labels": {"app": "x"}}}, {"selector": {"match_labels": {"tier": "y"}}}, ""),
    ],
)
def test_targets_that_exclude_each_other_are_found(here, there, why):
    books = (book("a", "b", match=Match(causes=CRASH, targets=here)), book("b", match=Match(causes=CRASH, targets=there)))
    said = [one.message for one in lineage.problems(books[0], books)]
    assert said == ([f"`spec.nextRef.name`: b never fits where this one does: {why}"] if why else [])


def test_74_a_chain_of_a_hundred_has_as_many_turns_as_its_attempts_allow():
    chain = (*(book(f"r{number}", f"r{number + 1}") for number in range(99)), book("r99"))
    said = [tuple(one) for one in lineage.problems(chain[0], chain)]
    assert len(said) == 98, "the first two have their turn"
    assert {reason for reason, _ in said} == {"NeverFits"}
    assert said[-1][1].endswith("it is tried as attempt 100, and its `limits.maxAttempts` is 2: raise it")


def test_a_runbook_of_another_namespace_is_none_that_follows():
    other = book("b").model_copy(update={"metadata": B.metadata.model_copy(update={"namespace": "shop"})})
    assert [one.reason for one in lineage.problems(A, (A, other))] == ["UnknownRunbook"]
