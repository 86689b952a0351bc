"""Whether somebody else changed the pod template between two effects of a run (R10)."""

from __future__ import annotations

import pytest

from prunella.api.names import Outcome, StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.core.healing.effects.effect import guarded_sha256
from prunella.core.healing.runs import overridden

from .builders import NOON, ago
from .healing_builders import TARGET, attempt

OLD, OURS, THEIRS = ({"spec": {"containers": [{"image": f"shop/app:{one}"}]}} for one in (1, 2, 3))


def raw(template, *written):
    return {"metadata": {"uid": TARGET.uid, "managedFields": list(written)}, "spec": {"replicas": 3, "template": template}}


def done(name="first", *, judged=OLD, place="", uid=TARGET.uid, action="Patch", state=StepState.APPLIED, left=None, whole=None):
    """The record of an effect that was judged on a template, and left one; on the whole template unless it names another part."""
    before = {**overridden.told(raw(judged)), **({"guardedPath": place} if place else {})} if judged is not None else {}
    after = {key: guarded_sha256(one) for key, one in (("guardedSha256", left), ("templateSha256", whole)) if one is not None}
    target = TARGET.model_copy(update={"uid": uid})
    intent = Intent(id="5b1e", action=action, target_ref=target, written_time=ago(60), deadline_time=NOON, before=before)
    return StepStatus(name=name, state=state, intent=intent, outcome=StepOutcome(observed_time=ago(59), after=after))


SCALED = done(place="/spec/replicas", left=4)
ROLLED = done(left=OURS)
PART = done(place="/spec/template/spec/terminationGracePeriodSeconds", left=20, whole=OURS)
NO_OUTCOME = ROLLED.model_copy(update={"outcome": None})


@pytest.mark.parametrize(
    ("records", "template", "outcome"),
    [
        ((), THEIRS, None),
        ((StepStatus(name="note", state=StepState.APPLIED),), THEIRS, None),
        ((SCALED,), OLD, None),
        ((SCALED,), THEIRS, Outcome.SUPERSEDED),
        ((ROLLED,), OURS, None),
        ((ROLLED,), THEIRS, Outcome.SUPERSEDED),
        ((ROLLED,), OLD, Outcome.REVERTED),
        ((PART,), OURS, None),
        ((PART,), THEIRS, Outcome.SUPERSEDED),
        ((PART,), OLD, Outcome.REVERTED),
        ((ROLLED, done("more", judged=OURS, place="/spec/replicas", left=4)), OURS, None),
        ((ROLLED, done("more", judged=OURS, place="/spec/replicas", left=4)), OLD, Outcome.SUPERSEDED),
        ((done(uid="hpa", place="/spec/minReplicas", left=2),), THEIRS, Outcome.SUPERSEDED),
        ((done(action="Delete"),), THEIRS, Outcome.SUPERSEDED),
        ((done(action="Delete"),), OLD, None),
        ((ROLLED, done("undo/first", judged=OURS, left=OLD)), OURS, None),
        ((ROLLED, done("next", state=StepState.FAILED, judged=THEIRS)), OURS, None),
        ((done(),), THEIRS, None),
        ((NO_OUTCOME,), THEIRS, None),
        ((done(judged=None, place="/spec/replicas"),), THEIRS, None),
    ],
    ids=[
        "nothing was done",
        "a note",
        "scaled",
        "scaled, and changed by another",
        "rolled back",
        "rolled back, and changed by another",
        "rolled back, and back again",
        "a part was written",
        "a part was written, and changed by another",
        "a part was written, and back again",
        "two effects",
        "two effects, and the first is gone",
        "another object, and changed by another",
        "a pod went, and changed by another",
        "a pod went",
        "what takes back is no effect of the run",
        "what failed is none",
        "the answer was lost",
        "no outcome",
        "a record from before this was kept",
    ],
)
def test_another_template_than_the_run_knows_is_somebody_s_change(records, template, outcome):
    one = attempt()
    one = one.model_copy(update={"status": one.status.model_copy(update={"steps": records})})
    answer = overridden.by_others(one, raw(template))
    assert (answer.outcome if answer is not None else None) is outcome
    assert answer is None or answer.reason == "HumanOverride"
    assert overridden.by_others(one, None) is None, "what can't be read is for the next step to say"


def entry(manager="Reloader", *, seconds_ago=58, field="f:template", **more):
    return {"manager": manager, "time": f"{ago(seconds_ago):%Y-%m-%dT%H:%M:%SZ}", "fieldsV1": {"f:spec": {field: {}}}, **more}


WROTE = done("first/1", uid="settings")
RESTORED = WROTE.model_copy(
    update={"intent": WROTE.intent.model_copy(update={"target_ref": TARGET.model_copy(update={"kind": "ConfigMap", "uid": "c"})})}
)
CHANGED = "changed the pod template of checkout after step 'first': theirs stands, the rest was not done"
ASIDE = "; ConfigMap checkout stays as the run wrote it, and what restarts pods for that counts as somebody"


@pytest.mark.parametrize(
    ("record", "written", "said"),
    [
        (SCALED, (), f"somebody {CHANGED}"),
        (SCALED, (entry("kubectl-edit"),), f"somebody (kubectl-edit) {CHANGED}"),
        (SCALED, (entry(seconds_ago=60),), f"somebody (Reloader) {CHANGED}"),
        (SCALED, (entry(seconds_ago=61),), f"somebody {CHANGED}"),
        (SCALED, (entry("prunella"),), f"somebody {CHANGED}"),
        (SCALED, (entry("autoscaler", field="f:replicas"), entry("odd", fieldsV1=None), entry("odder", time=None)), f"somebody {CHANGED}"),
        (SCALED, tuple(entry(one) for one in "dcbabc"), f"somebody (a, b, c) {CHANGED}"),
        (RESTORED, (entry(),), f"somebody (Reloader) {CHANGED}{ASIDE}"),
    ],
    ids=["not known", "known", "in the same second", "before", "we", "another part, or no time", "many", "a reloader"],
)
def test_who_changed_it_is_told_where_the_api_server_keeps_that(record, written, said):
    one = attempt()
    one = one.model_copy(update={"status": one.status.model_copy(update={"steps": (record,)})})
    answer = overridden.by_others(one, raw(THEIRS, *written))
    assert answer is not None
    assert answer.message == said


STAMPED = {"annotations": {"prunella.dev/intent-id": "5b1e"}}


def live(template, generation, **meta):
    return {"metadata": {"uid": TARGET.uid, "generation": generation, **(meta or STAMPED)}, "spec": {"template": template}}


def lost(place="", *, generation="7", **given):
    record = done(place=place, **given)
    before = {**record.intent.before, **({"generation": generation} if generation else {})}
    return record.model_copy(update={"intent": record.intent.model_copy(update={"before": before})})


WHOLE = {"generation": "8", "guardedSha256": guarded_sha256(OURS)}


@pytest.mark.parametrize(
    ("record", "read", "after"),
    [
        (lost(), live(OURS, 8), WHOLE),
        (lost("/spec/template/spec/x"), live(OURS, 8), {**WHOLE, "guardedSha256": guarded_sha256(None), "templateSha256": guarded_sha256(OURS)}),
        (lost(), live(OURS, 9), {}),
        (lost(), live(OURS, 7), {}),
        (lost(), live(OURS, 8, annotations={"prunella.dev/intent-id": "other"}), {}),
        (lost(), live(OURS, 8, annotations=None), {}),
        (lost(generation=""), live(OURS, 8), {}),
        (lost("/spec/replicas"), live(OURS, 8), {}),
        (lost(uid="hpa"), live(OURS, 8), {}),
        (lost(action="Delete"), live(OURS, 8), {}),
        (StepStatus(name="note", state=StepState.APPLIED), live(OURS, 8), {}),
    ],
    ids=[
        "nothing else came",
        "a part was written",
        "something else came",
        "nothing came",
        "it bears another intent",
        "it bears none",
        "a record from before this was kept",
        "it wrote elsewhere",
        "on another object",
        "a pod went",
        "a note",
    ],
)
def test_what_a_change_left_whose_answer_was_lost_is_known_where_nothing_else_has_come_since(record, read, after):
    assert overridden.left(attempt(), record, read) == after


def test_the_generation_that_was_judged_is_kept():
    assert overridden.told(live(OLD, 7)) == {"templateSha256": guarded_sha256(OLD), "generation": "7"}


@pytest.mark.parametrize("read", [None, {"metadata": {}}], ids=["nothing", "a Node"])
def test_what_has_no_template_keeps_none(read):
    assert overridden.told(read) == {}
