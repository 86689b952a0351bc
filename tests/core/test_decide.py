"""decide: the stages in their order, and what follows from the order. The stages themselves have tests of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.incident import IncidentStatus
from prunella.api.names import Mode, Outcome, Phase, RemediationPhase
from prunella.core.decide import decide
from prunella.core.draft import CaptureEvidence, Prepare
from prunella.core.facts import UNKNOWN
from prunella.core.world import GONE, Capture
from tests.fakes.runbooks import runbook

from .builders import NOON, healthy_facts, later, new_pod, pods
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


RESIDUE = replace(healthy_facts(), pods=(*pods(3), new_pod()))


@pytest.mark.parametrize(
    ("facts", "accused", "remediation", "quiet"),
    [
        (RESIDUE, "h3", attempt(1, ended=None, effect_time=NOON), True),
        (RESIDUE, "", attempt(1, ended=None, effect_time=NOON), True),
        (RESIDUE, "h1", attempt(1, ended=None, effect_time=NOON), False),
        (RESIDUE, "h3", attempt(1, ended=None), False),
        (RESIDUE, "h3", attempt(1, Outcome.REMEDIATED, ended=1, effect_time=NOON, phase=RemediationPhase.SUCCEEDED), False),
        (crashed(), "h3", attempt(1, ended=None, effect_time=NOON), False),
        (replace(crashed(), revisions=()), "h3", attempt(1, ended=None, effect_time=NOON), False),
    ],
    ids=[
        "pods of the accused revision linger",
        "no revision in particular",
        "another revision fails",
        "nothing was done yet",
        "the attempt is over",
        "the accused one is the newest again",
        "no revisions",
    ],
)
def test_while_our_effect_takes_hold_what_lingers_says_nothing_new(facts, accused, remediation, quiet):
    before = incident().status.signals[0].last_seen_time
    world = ill(facts=facts, finding=seen(crashed(), accused_revision=accused), remediations=(remediation,), now=later(5))
    draft = decide(world)
    seen_again = draft.status.signals[0].last_seen_time > before
    assert seen_again != quiet


def test_the_attempt_is_wished_for_after_everything_was_prepared():
    world = ill(incident=incident())
    wish = next(need for need in decide(world).needs if isinstance(need, Prepare))
    from prunella.core.world import Preparation

    ready = replace(world, preparation=Preparation(plan_hash=wish.plan_hash, prepared_time=NOON))
    assert decide(ready).attempt.name == "checkout-7f3kq-1"
