"""taint and untaint: one of ours, beside everybody else's, and no other one ever goes or changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.pointer import TestFailedError, patched
from tests.fakes.runbooks import runbook

from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runs import measures
from prunella.core.healing.steps import nodes, registry, taint, untaint
from prunella.core.healing.steps.step import Ask, Done, Failed, Skip, Wait
from prunella.core.healing.steps.taint import Taint
from prunella.core.healing.steps.untaint import Untaint

from .builders import NOON, later
from .node_builders import LEASE, REF, among, by_us, shown, stored

SUSPECT = Taint(key="prunella.dev/suspect", value="disk", effect="NoSchedule")
OFF = Untaint(key="prunella.dev/suspect", effect="NoSchedule")
OURS = {"key": "prunella.dev/suspect", "value": "disk", "effect": "NoSchedule"}
LOST = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": "2026-11-24T12:00:00Z"}
TWIN = {"key": "prunella.dev/suspect", "value": "disk", "effect": "NoExecute"}
WELL = [stored(f"n{number}") for number in range(2, 11)]


def bearing(*taints: dict[str, Any], name: str = "n1", **more: Any) -> dict[str, Any]:
    raw = stored(name, **more)
    raw["spec"] |= {"taints": list(taints)} if taints else {}
    return raw


def by_run(*others: dict[str, Any], before: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """n1 as a run of ours has tainted it, with others beside."""
    patch = asked(among(*WELL), bearing(*before))
    assert isinstance(patch, Patch)
    marked = measures.temporary(patch, remediation="prunella-system/n1-abc-1", until=NOON + timedelta(hours=1))
    raw = patched(bearing(*before), patch.operations)
    raw["spec"]["taints"] += others
    raw["metadata"]["annotations"] = {MARK: marked.marks[MARK]}
    return raw


def asked(answers: Any = None, raw: Any = None, params: Taint = SUSPECT):
    return taint.plan(params, shown(raw, answers), ())


def record(effect: Patch) -> StepStatus:
    intent = Intent(id="5b1e", action="Patch", target_ref=REF, written_time=NOON, deadline_time=later(60), before=effect.record)
    return StepStatus(name="taint", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON))


@pytest.mark.parametrize("before", [(), (LOST,), (LOST, TWIN)], ids=["the first", "beside another", "beside one of its key"])
def test_it_is_added_to_those_that_are_there_if_they_are_still_the_same(before):
    assert asked() == Ask(reads=(nodes.ALL, LEASE))
    effect = asked(among(*WELL), bearing(*before))
    assert isinstance(effect, Patch)
    assert effect.does == "node/n1 bears the taint prunella.dev/suspect=disk:NoSchedule"
    assert patched(bearing(*before), effect.operations)["spec"]["taints"] == [*before, OURS]
    with pytest.raises(TestFailedError):
        patched(bearing(*before, {"key": "a", "effect": "NoSchedule"}), effect.operations)
    assert taint.plan(SUSPECT, shown(), (record(effect),)) == Done(message="node/n1 bears the taint prunella.dev/suspect=disk:NoSchedule")


def test_without_a_value_it_has_none():
    effect = asked(among(*WELL), params=Taint(key="prunella.dev/suspect", effect="PreferNoSchedule"))
    assert isinstance(effect, Patch)
    assert patched(stored(), effect.operations)["spec"]["taints"] == [{"key": "prunella.dev/suspect", "effect": "PreferNoSchedule"}]


@pytest.mark.parametrize(
    ("there", "answer"),
    [
        (OURS, Done(message="node/n1 bears the taint prunella.dev/suspect=disk:NoSchedule already, by somebody else: that stays theirs")),
        (
            {**OURS, "value": "theirs"},
            Failed(
                message="node/n1 bears the taint prunella.dev/suspect=theirs:NoSchedule, by somebody else: that stays theirs; "
                "no taint is written over another of its key and effect"
            ),
        ),
    ],
    ids=["the same", "another value"],
)
def test_somebodys_taint_of_that_key_and_effect_is_not_written_over(there, answer):
    assert asked(among(*WELL), bearing(LOST, there)) == answer


def test_one_of_ours_stays_as_it_is():
    assert asked(raw=by_run()) == Done(message="node/n1 bears the taint prunella.dev/suspect=disk:NoSchedule already")
    other = asked(raw=by_run(), params=Taint(key=SUSPECT.key, value="cpu", effect="NoSchedule"))
    assert isinstance(other, Failed)


def test_a_node_that_is_changed_for_a_while_already_is_left_alone():
    assert asked(among(*WELL), by_us()) == Failed(
        message="node/n1 is changed for a while already, by prunella-system/n1-abc-1: one measure at a time"
    )


@pytest.mark.parametrize("out", [stored("n2", cordoned=True), stored("n2", ready="Unknown"), bearing(TWIN, name="n2")])
def test_one_node_at_a_time(out):
    refusal = asked(among(out, *WELL[1:]))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.message) == ("SelectionTooWide", "out already: n2; with node/n1 more than 1 would be")
    assert isinstance(asked(among(bearing(LOST, name="n2"), *WELL[1:])), Patch), "another's taint takes no node out by itself"


def test_a_lease_of_medik8s_is_honoured_and_what_can_not_be_read_taints_nothing():
    held = {"spec": {"holderIdentity": "node-healthcheck", "renewTime": "2026-11-24T11:59:30.000000Z", "leaseDurationSeconds": 60}}
    refusal = asked(among(*WELL, leases=(held,)))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "DelegatedToNodeRepair"
    assert isinstance(asked({nodes.ALL: UNKNOWN, LEASE: ()}), Wait)


def test_exactly_ours_is_taken_back_wherever_it_stands_by_then():
    patch = asked(among(*WELL), bearing(LOST))
    assert isinstance(patch, Patch)
    raw = by_run(TWIN)
    raw["spec"]["taints"].insert(0, LOST)
    back = taint.undo(SUSPECT, raw, record(patch))
    assert isinstance(back, Patch)
    assert patched(raw, back.operations)["spec"]["taints"] == [LOST, TWIN]
    with pytest.raises(TestFailedError):
        patched(bearing(OURS, TWIN), back.operations)


@pytest.mark.parametrize("there", [(), (LOST,), ({**OURS, "value": "theirs"},)], ids=["none", "others", "changed"])
def test_what_somebody_has_changed_since_stays(there):
    patch = asked(among(*WELL))
    assert isinstance(patch, Patch)
    assert isinstance(taint.undo(SUSPECT, bearing(*there), record(patch)), Skip)


def test_its_mark_ends_it_without_any_record_and_leaves_what_came_beside_it():
    raw = by_run(TWIN, before=(LOST,))
    mark = raw["metadata"]["annotations"][MARK]
    measure = measures.read(mark)
    assert measure is not None
    assert measures.concerns(measure, REF)
    assert (measure.before, measure.path) == (None, "/spec/taints/[key=prunella.dev~1suspect,effect=NoSchedule]")
    after = patched(raw, measures.undo(measure, REF, raw, mark).operations)
    assert (after["spec"]["taints"], MARK in after["metadata"]["annotations"]) == ([LOST, TWIN], False)
    raw["spec"]["taints"][1] = {**OURS, "value": "theirs"}
    after = patched(raw, measures.undo(measure, REF, raw, mark).operations)
    assert (len(after["spec"]["taints"]), MARK in after["metadata"]["annotations"]) == (3, False), "a person's change stays, and only the mark goes"


def test_untaint_takes_the_taint_and_its_mark_off_together():
    effect = untaint.plan(OFF, shown(by_run(TWIN)), ())
    assert isinstance(effect, Patch)
    after = patched(by_run(TWIN), effect.operations)
    assert (after["spec"]["taints"], MARK in after["metadata"]["annotations"]) == ([TWIN], False)
    assert untaint.plan(OFF, shown(bearing(TWIN)), ()) == Done(message="node/n1 bears no taint prunella.dev/suspect:NoSchedule")


@pytest.mark.parametrize(
    "raw", [bearing(OURS), bearing(OURS, **{MARK: "{"}), bearing(OURS, **by_us()["metadata"]["annotations"])], ids=["none", "no JSON", "another's"]
)
def test_a_taint_without_our_mark_is_a_persons(raw):
    refusal = untaint.plan(OFF, shown(raw), ())
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, "somebody else" in refusal.message) == ("HumanOverride", True)


def test_one_of_ours_that_somebody_has_changed_is_theirs():
    raw = by_run()
    raw["spec"]["taints"][0] = {**OURS, "value": "theirs"}
    assert isinstance(untaint.plan(OFF, shown(raw), ()), Refusal)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"key": "node.kubernetes.io/out-of-service", "effect": "NoSchedule"}, "proof that the node is fenced"),
        ({"key": "dedicated.example.com/team", "effect": "NoSchedule"}, "must have a key that begins with prunella.dev/"),
        ({"key": "prunella.devil/x", "effect": "NoSchedule"}, "must have a key that begins with prunella.dev/"),
        ({"key": "dedicated", "effect": "NoSchedule"}, "pattern"),
        ({"key": "prunella.dev/a]b", "effect": "NoSchedule"}, "pattern"),
        ({"key": "prunella.dev/suspect", "effect": "NoExecute"}, "'NoSchedule' or 'PreferNoSchedule'"),
    ],
    ids=["out of service", "somebody's", "nearly ours", "no prefix", "no key", "NoExecute"],
)
@pytest.mark.parametrize("action", ["taint", "untaint"])
def test_other_keys_and_effects_are_refused_with_the_reason(action, fields, said):
    [step] = runbook("t", {"name": "mark", action: fields, "ttlSeconds": 600}).spec.steps
    assert said in (registry.wrong_with(step) or "")


def test_without_an_end_it_is_no_step():
    [step] = runbook("t", {"name": "mark", "taint": {"key": "prunella.dev/x", "effect": "NoSchedule"}}).spec.steps
    assert registry.wrong_with(step) == "step 'mark', taint: it needs ttlSeconds, after which it is taken back"
