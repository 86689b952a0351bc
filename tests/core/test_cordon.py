"""cordon and uncordon: one at a time, never the last one, and never what is somebody else's."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.pointer import patched
from tests.fakes.runbooks import runbook

from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import cordon, nodes, registry, uncordon
from prunella.core.healing.steps.cordon import Cordon
from prunella.core.healing.steps.step import Ask, Done, Skip, Wait
from prunella.core.healing.steps.uncordon import Uncordon

from .builders import NOON, later
from .node_builders import LEASE, REF, among, by_us, shown, stored

WELL = [stored(f"n{number}") for number in range(2, 11)]


def record(effect: Patch) -> StepStatus:
    """It was done."""
    intent = Intent(id="5b1e", action="Patch", target_ref=REF, written_time=NOON, deadline_time=later(60), before=effect.record)
    return StepStatus(name="cordon", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON))


def asked(answers: Any = None, raw: Any = None, most: int = 1):
    return cordon.plan(Cordon(most=most), shown(raw, answers), ())


def test_it_asks_who_else_is_out_and_then_takes_the_node_out_by_one_value():
    question = asked()
    assert question == Ask(reads=(nodes.ALL, LEASE))
    effect = asked(among(*WELL))
    assert isinstance(effect, Patch)
    assert patched(stored(), effect.operations)["spec"] == {"unschedulable": True}
    assert effect.does == "node/n1 is cordoned: it takes no new pods"
    assert cordon.plan(Cordon(), shown(by_us()), (record(effect),)) == Done(message="node/n1 takes no pods")


@pytest.mark.parametrize(
    ("others", "most", "reason", "message"),
    [
        ([], 1, "SelectionTooWide", "no other node takes pods: node/n1 stays"),
        ([stored("n2", cordoned=True)], 1, "SelectionTooWide", "no other node takes pods: node/n1 stays"),
        ([*WELL[1:], stored("n2", cordoned=True)], 1, "SelectionTooWide", "out already: n2; with node/n1 more than 1 would be"),
        ([*WELL[1:], stored("n2", ready="Unknown")], 1, "SelectionTooWide", "out already: n2; with node/n1 more than 1 would be"),
        ([*WELL[1:], stored("n2", cordoned=True)], 5, "SelectionTooWide", "out already: n2; with node/n1 more than 1 would be"),
        ([*WELL, *(stored(f"m{number}") for number in range(9)), stored("n99", cordoned=True)], 5, None, ""),
    ],
    ids=["the only one", "the last one", "one is cordoned", "one is lost", "one in ten", "two in twenty"],
)
def test_few_are_out_at_once_and_the_last_one_stays(others, most, reason, message):
    answer = asked(among(*others), most=most)
    assert (answer.reason, answer.message) == (reason, message) if isinstance(answer, Refusal) else reason is None, answer


def test_what_can_not_be_read_takes_nothing_out():
    for answers in ({nodes.ALL: UNKNOWN, LEASE: ()}, {nodes.ALL: (stored(), *WELL), LEASE: UNKNOWN}):
        assert isinstance(asked(answers), Wait)


@pytest.mark.parametrize(
    ("spec", "held"),
    [
        ({"holderIdentity": "node-healthcheck", "renewTime": "2026-11-24T11:59:30.000000Z", "leaseDurationSeconds": 60}, True),
        ({"holderIdentity": "node-healthcheck", "renewTime": "2026-11-24T11:58:00.000000Z", "leaseDurationSeconds": 60}, False),
        ({"holderIdentity": "node-healthcheck", "renewTime": "long ago", "leaseDurationSeconds": 60}, True),
        ({"holderIdentity": "", "renewTime": "2026-11-24T11:59:30.000000Z", "leaseDurationSeconds": 60}, False),
    ],
    ids=["held", "run out", "until nobody knows when", "given back"],
)
def test_a_lease_of_medik8s_is_honoured_while_it_holds(spec, held):
    answer = asked(among(*WELL, leases=({"spec": spec},)))
    assert isinstance(answer, Refusal if held else Patch), answer
    if isinstance(answer, Refusal):
        assert answer.reason == "DelegatedToNodeRepair"
        assert "held by node-healthcheck" in answer.message


def test_a_node_that_is_cordoned_already_stays_whose_it_is():
    assert asked(raw=stored(cordoned=True)) == Done(message="node/n1 is cordoned already, by somebody else: that stays theirs")
    assert asked(raw=by_us()) == Done(message="node/n1 is cordoned already")


def test_it_is_taken_back_only_where_it_still_stands():
    effect = asked(among(*WELL))
    assert isinstance(effect, Patch)
    back = cordon.undo(Cordon(), by_us(), record(effect))
    assert isinstance(back, Patch)
    assert patched(by_us(), back.operations)["spec"] == {}
    assert isinstance(cordon.undo(Cordon(), stored(), record(effect)), Skip), "somebody let it take pods again"


def test_without_an_end_it_is_no_step():
    [step] = runbook("c", *({"name": "out", "cordon": {}},)).spec.steps
    assert registry.wrong_with(step) == "step 'out', cordon: it needs ttlSeconds, after which it is taken back"


def test_uncordon_takes_the_cordon_and_its_mark_off_together():
    effect = uncordon.plan(Uncordon(), shown(by_us()), ())
    assert isinstance(effect, Patch)
    after = patched(by_us(), effect.operations)
    assert (after["spec"], MARK in after["metadata"]["annotations"]) == ({}, False)
    assert uncordon.plan(Uncordon(), shown(), ()) == Done(message="node/n1 takes pods")


@pytest.mark.parametrize(
    "annotations", [{}, {MARK: "{"}, {MARK: "[]"}, {MARK: '{"path": "/spec/taints"}'}], ids=["none", "no JSON", "a list", "another"]
)
def test_a_cordon_without_our_mark_is_a_persons(annotations):
    refusal = uncordon.plan(Uncordon(), shown(stored(cordoned=True, **annotations)), ())
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, "somebody else" in refusal.message) == ("HumanOverride", True)
