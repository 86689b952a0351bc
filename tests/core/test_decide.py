"""decide: the stages in their order, and what follows from the order. The stages themselves have tests of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.incident import IncidentStatus
from prunella.api.names import Mode, Outcome, Phase, RemediationPhase, SignalState
from prunella.core.decide import decide
from prunella.core.draft import CaptureEvidence, Prepare
from prunella.core.facts import UNKNOWN
from prunella.core.world import GONE, Capture, Preparation

from .builders import NOON, healthy_facts, later, new_pod, pods, revision
from .healing_builders import attempt, crashed, ill, incident, seen
from .incident_builders import entry, ladder, watched


def settled(world, draft):
    """The world after the status was stored."""
    return replace(world, incident=world.incident.model_copy(update={"status": IncidentStatus.read(draft.status.wire())}))


def test_the_first_decision_opens_the_story_asks_for_evidence_and_prepares():
    world = ill(incident=watched(), entries=(entry(),), escalation_policies=(ladder(),))
    draft = decide(world)
    assert draft.status.phase is Phase.TRIGGERED
    assert [one.what for one in draft.status.timeline][:2] == ["Opened", "PriorityAssessed"]
    assert {type(need) for need in draft.needs} == {CaptureEvidence, Prepare}
    assert draft.status.owner.team == "shop"
    assert draft.status.escalation.next_action_time is not None
    assert (draft.status.target, draft.status.observed_generation) == ("deploy/checkout", 1)


def test_evidence_that_was_taken_is_kept_and_not_asked_for_again():
    capture = Capture(logs="FATAL", pod="checkout-h3-a", container="app", captured_time=NOON)
    draft = decide(ill(incident=watched(), capture=capture))
    assert [one.text for one in draft.status.evidence] == ["FATAL"]
    assert CaptureEvidence not in {type(need) for need in draft.needs}


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SUGGEST, Mode.AUTO])
def test_a_second_decision_on_the_same_world_says_the_same(mode):
    world = ill(runbook(mode=mode), incident=watched(), entries=(entry(),), escalation_policies=(ladder(),))
    first = decide(world)
    again = decide(settled(world, first))
    assert again.status == first.status
    assert again.counts == ()


def test_the_plan_is_judged_by_the_status_that_this_very_decision_made():
    """The Incident is new: cause, signals and accused revision are not stored yet."""
    draft = decide(ill(incident=watched()))
    assert draft.status.plan.summary == "roll back deploy/checkout 3 (h3) -> 2 (h2)"


def test_what_is_gone_is_resolved_and_not_healed():
    draft = decide(ill(target=GONE, finding=None))
    assert (draft.status.phase, draft.attempt) == (Phase.RESOLVED, None)


def test_without_facts_health_is_not_known():
    draft = decide(ill(target=UNKNOWN, finding=UNKNOWN))
    assert draft.attempt is None
    assert draft.status.phase is Phase.TRIGGERED


RESIDUE = replace(healthy_facts(), revisions=(revision(2, created=30), revision(1)), pods=(*pods(3), new_pod()))
"""Revision 2 is the newest since half a minute and serves; a pod of revision 3 is still there."""
STUCK = replace(RESIDUE, revisions=(revision(2, created=600), revision(1)))
"""The same, ten minutes later."""
HELD_UP = replace(RESIDUE, workload=replace(RESIDUE.workload, paused=True))
OURS = (attempt(1, ended=None, effect_time=NOON),)


@pytest.mark.parametrize(
    ("facts", "accused", "attempts", "quiet"),
    [
        (RESIDUE, "h3", (), True),
        (RESIDUE, "h3", OURS, True),
        (STUCK, "h3", (), False),
        (STUCK, "h3", OURS, True),
        (RESIDUE, "", OURS, True),
        (RESIDUE, "", (), False),
        (HELD_UP, "h3", (), False),
        (HELD_UP, "h3", OURS, True),
        (HELD_UP, "h3", (attempt(1, ended=None),), False),
        (HELD_UP, "h3", (attempt(1, Outcome.REMEDIATED, ended=1, effect_time=NOON, phase=RemediationPhase.SUCCEEDED),), False),
        (HELD_UP, "h1", OURS, False),
        (replace(RESIDUE, workload=replace(RESIDUE.workload, strategy="OnDelete")), "h3", (), False),
        (replace(RESIDUE, workload=replace(RESIDUE.workload, partition=1)), "h3", (), False),
        (healthy_facts(), "h1", (), False),
        (crashed(), "h3", OURS, False),
        (replace(crashed(), revisions=()), "h3", OURS, False),
    ],
    ids=[
        "a rollout is under way",
        "after our own rollback",
        "a rollout that does not arrive",
        "a rollout that does not arrive after our own rollback",
        "after our own rollback, nobody is accused",
        "nobody is accused",
        "somebody holds the rollout up",
        "held up, after our own rollback",
        "held up, and nothing was done yet",
        "held up, and the attempt is over",
        "held up, and another revision fails",
        "OnDelete",
        "partition",
        "the rollout is complete",
        "the newest is accused",
        "no revisions",
    ],
)
def test_while_a_rollout_is_under_way_the_revision_before_says_nothing_new(facts, accused, attempts, quiet):
    before = incident().status.signals[0].last_seen_time
    world = ill(facts=facts, finding=seen(crashed(), accused_revision=accused), remediations=attempts, now=later(5))
    assert (decide(world).status.signals[0].last_seen_time > before) != quiet


@pytest.mark.parametrize(("facts", "state"), [(RESIDUE, SignalState.FIRING), (healthy_facts(), SignalState.RESOLVED)], ids=["under way", "complete"])
def test_while_a_rollout_is_under_way_that_nothing_fails_is_no_end(facts, state):
    world = ill(facts=facts, finding=None, now=later(5))
    assert decide(world).status.signals[0].state is state


def test_the_attempt_is_wished_for_after_everything_was_prepared():
    world = ill(incident=incident())
    wish = next(need for need in decide(world).needs if isinstance(need, Prepare))
    ready = replace(world, preparation=Preparation(plan_hash=wish.plan_hash, prepared_time=NOON))
    assert decide(ready).attempt.name == "checkout-7f3kq-1"
