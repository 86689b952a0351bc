"""expandVolume: a claim that the target uses grows up to the cap, where its class lets it, and the step waits for it."""

from __future__ import annotations

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import expand_volume
from prunella.core.healing.steps.expand_volume import ExpandVolume
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, LiveFacts, Right, Wait

from . import thing_builders as things
from .builders import NOON, healthy_facts, later

GROW = ExpandVolume(claim="data", most="200Gi")
CLAIM, CLASS = Listed("v1", "PersistentVolumeClaim", "shop", "data"), Listed("storage.k8s.io/v1", "StorageClass", "", "fast")
USES = {"spec": {"template": {"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}}}}
FAST = {"metadata": {"name": "fast"}, "allowVolumeExpansion": True}


def claim(asks="10Gi", has="10Gi", *, phase="Bound", storage_class: str | None = "fast", conditions=(), **meta):
    """As the API server shows it."""
    spec = {"resources": {"requests": {"storage": asks}}, "storageClassName": storage_class, "volumeName": "pv-7"}
    status = {"phase": phase, "capacity": {"storage": has}, "conditions": list(conditions)}
    return {"metadata": {"name": "data", "uid": "u-data", "namespace": "shop", **meta}, "spec": spec, "status": status}


def plan(*found, params=GROW, done=(), raw=USES, kind="Deployment", classes=(FAST,), answers=None):
    known = {CLAIM: found, CLASS: classes} if answers is None else answers
    live = LiveFacts(now=NOON, raw=raw, target=healthy_facts(kind), intent_time=NOON, answers=known)
    return expand_volume.plan(params, live, done)


def record(patch):
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="grow", state=StepState.APPLIED, intent=intent)


@pytest.mark.parametrize(
    ("params", "stands", "asks"),
    [
        (GROW, "10Gi", "12800Mi"),
        (GROW, "2Gi", "3Gi"),
        (ExpandVolume(claim="data", percent=300, most="25Gi"), "10Gi", "25Gi"),
        (GROW, "10G", "11920Mi"),
    ],
    ids=["by a quarter", "by 1Gi at least", "no further than the cap", "in another unit"],
)
def test_it_asks_for_more_by_a_factor_and_no_further_than_the_cap(params, stands, asks):
    patch = plan(claim(stands, stands), params=params)
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.name, patch.target.uid) == ("PersistentVolumeClaim", "data", "u-data")
    path = "/spec/resources/requests/storage"
    assert patch.operations[1:] == ({"op": "test", "path": path, "value": stands}, {"op": "replace", "path": path, "value": asks})
    assert patch.does == f"claim data asks for more storage: {stands} -> {asks}"


def test_it_is_done_once_the_claim_has_it_and_waits_until_then():
    patch = plan(claim())
    waits = plan(claim("12800Mi", conditions=[{"type": "FileSystemResizePending", "status": "True"}]), done=(record(patch),))
    assert waits == Wait(until_time=later(5), message="claim data is being expanded (FileSystemResizePending)")
    assert plan(claim("12800Mi"), done=(record(patch),)) == Wait(until_time=later(5), message="claim data is being expanded")
    assert plan(claim("12800Mi", "12800Mi"), done=(record(patch),)) == Done(message="claim data has 12800Mi")


@pytest.mark.parametrize(
    ("found", "more", "message"),
    [
        ((claim(),), {"raw": {"spec": {}}}, "deploy/checkout uses no claim data"),
        ((), {}, "there is no PersistentVolumeClaim data"),
        ((claim(phase="Pending"),), {}, "claim data is not bound to a volume, or is being deleted"),
        ((claim(deletionTimestamp="2026-11-24T11:00:00Z"),), {}, "claim data is not bound to a volume, or is being deleted"),
        ((claim("plenty"),), {}, "claim data does not say how much it asks for and how much it has"),
        ((claim("20Gi"),), {}, "claim data has 10Gi and waits for 20Gi: it is being expanded already"),
        ((claim(storage_class=None),), {}, "claim data has no StorageClass: nothing says that its volume may grow"),
        ((claim(),), {"classes": ()}, "there is no StorageClass fast"),
        ((claim(),), {"classes": ({"metadata": {"name": "fast"}},)}, "StorageClass fast of claim data does not allow volumes to be expanded"),
        ((claim("200Gi", "200Gi"),), {}, "claim data has 200Gi and may have no more than 200Gi: a person has to make room"),
        ((claim("300Gi", "300Gi"),), {}, "claim data has 300Gi and may have no more than 200Gi: a person has to make room"),
    ],
    ids=[
        "somebody else's",
        "not there",
        "not bound",
        "being deleted",
        "unreadable",
        "under way",
        "of no class",
        "of a class that is gone",
        "its class forbids it",
        "at the cap",
        "beyond the cap: it never shrinks",
    ],
)
def test_else_it_is_left_as_it_is_and_the_run_fails(found, more, message):
    assert plan(*found, **more) == Failed(message=message)


# where the claim is the target

SELF = ExpandVolume(most="200Gi")
DATA = things.claim(phase="Bound", wants="10Gi", has="10Gi")


def of_claim(raw, *, params=SELF, done=(), classes=(FAST,)):
    live = LiveFacts(now=NOON, raw=raw, target=DATA, intent_time=NOON, answers={CLASS: classes})
    return expand_volume.plan(params, live, done)


def test_a_claim_that_is_the_target_grows_as_it_was_judged():
    patch = of_claim(claim())
    assert isinstance(patch, Patch)
    assert (patch.target.namespace, patch.target.name, patch.target.uid) == ("shop", "data", "u-data")
    assert patch.does == "claim data asks for more storage: 10Gi -> 12800Mi"
    assert of_claim(claim(), params=GROW) == patch, "whoever names it means the same"
    assert isinstance(of_claim(claim("12800Mi"), done=(record(patch),)), Wait)
    assert of_claim(claim("12800Mi", "12800Mi"), done=(record(patch),)) == Done(message="claim data has 12800Mi")


@pytest.mark.parametrize(
    ("raw", "classes", "message"),
    [
        (claim("200Gi", "200Gi"), (FAST,), "claim data has 200Gi and may have no more than 200Gi: a person has to make room"),
        (claim("20Gi"), (FAST,), "claim data has 10Gi and waits for 20Gi: it is being expanded already"),
        (claim(storage_class=None), (FAST,), "claim data has no StorageClass: nothing says that its volume may grow"),
        (claim(), ({"metadata": {"name": "fast"}},), "StorageClass fast of claim data does not allow volumes to be expanded"),
        (claim(deletionTimestamp="2026-11-24T11:00:00Z"), (FAST,), "claim data is not bound to a volume, or is being deleted"),
    ],
    ids=["at the cap", "under way", "of no class", "its class forbids it", "being deleted"],
)
def test_r30_of_the_target_itself_it_is_known_before_people_are_asked(raw, classes, message):
    assert of_claim(raw, classes=classes) == Refusal(reason="PreconditionFalse", message=message)


def test_no_other_claim_than_the_target_grows_and_beside_a_workload_it_has_to_be_named():
    assert of_claim(claim(), params=ExpandVolume(claim="other", most="200Gi")) == Failed(message="pvc/data uses no claim other")
    assert plan(claim(), params=SELF) == Failed(message="deploy/checkout is no claim, and the step names none")


def test_it_reads_the_claim_and_then_its_class_and_waits_where_they_can_not_be_read():
    assert plan(answers={}) == Ask(reads=(CLAIM,))
    assert plan(answers={CLAIM: (claim(),)}) == Ask(reads=(CLASS,))
    assert isinstance(plan(answers={CLAIM: UNKNOWN}), Wait)
    assert isinstance(plan(answers={CLAIM: (claim(),), CLASS: UNKNOWN}), Wait)


def test_a_stateful_set_uses_a_claim_for_each_of_its_pods():
    raw = {"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "ordinals": {"start": 1}, "template": {"spec": {}}}}
    workload = healthy_facts("StatefulSet").workload
    assert list(expand_volume.claims_of(raw, workload)) == ["data-checkout-1", "data-checkout-2", "data-checkout-3"]
    assert list(expand_volume.claims_of({"spec": {"template": {"spec": {"volumes": "odd"}}}}, workload)) == []


def test_it_can_not_be_taken_back_has_a_cap_and_needs_one_right():
    assert expand_volume.KIND.undo is None
    assert ExpandVolume.wrong_with({"claim": "data"}) == ".most: Field required"
    assert expand_volume.needs(GROW, "StatefulSet") == (Right(verb="patch", group="", resource="persistentvolumeclaims"),)
    assert expand_volume.needs(SELF, "PersistentVolumeClaim") == expand_volume.needs(GROW, "StatefulSet")
    assert expand_volume.needs(GROW, "Node") == ()
