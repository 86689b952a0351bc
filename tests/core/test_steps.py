"""The steps: the exact requests they make, what they refuse, and when they are done. Nothing is written but what is said here (V2, V7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import WorkloadFacts
from prunella.core.healing.effects.effect import DeletePod, Patch, guarded_sha256
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.capture_evidence import CaptureEvidence
from prunella.core.healing.steps.escalate import Escalate
from prunella.core.healing.steps.restart import Restart
from prunella.core.healing.steps.roll_back import RollBack
from prunella.core.healing.steps.step import Done, Evidence, LiveFacts, PageNow, Right, Wait

from .builders import NOON, crashing, later, new_pod, pod, revision, rolling_facts
from .healing_builders import crashed

ROLL_BACK = RunbookStep(name="rollback", roll_back=RollBack())
RESTART = RunbookStep(name="restart", restart=Restart())
LOOK = RunbookStep(name="evidence", capture_evidence=CaptureEvidence(tail_lines=50))
PAGE = RunbookStep(name="page", escalate=Escalate(message="come"))

NEW = {"metadata": {"labels": {"app": "checkout"}, "annotations": {"a": "b"}}, "spec": {"containers": [{"name": "app", "image": "shop/app:3"}]}}
OLD = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [{"name": "app", "image": "shop/app:2"}]}}


def raw(template: Any = NEW) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"uid": "x"}, "spec": {"replicas": 3, "template": template}}


def live(facts: WorkloadFacts | None = None, **changes: Any) -> LiveFacts:
    defaults: dict[str, Any] = {
        "now": NOON,
        "raw": raw(),
        "target": facts or crashed(),
        "accused_hash": "h3",
        "to": revision(2),
        "to_template": OLD,
        "intent_time": NOON,
    }
    return LiveFacts(**(defaults | changes))


def asked(step, given, done=()):
    return registry.kind_of(step).plan(registry.params_of(step), given, tuple(done))


def record(name="rollback", *, state=StepState.APPLIED, target=None, before=None):
    """What is stored of an effect."""
    ref = crashed().workload.ref if target is None else target
    intent = Intent(id="5b1e", action="Patch", target_ref=ref, written_time=NOON, deadline_time=later(60), before=before or {"toHash": "h2"})
    return StepStatus(name=name, state=state, intent=intent, outcome=StepOutcome(observed_time=NOON))


@pytest.mark.parametrize(("step", "given"), [(ROLL_BACK, live()), (RESTART, live())], ids=["a rollback", "a restart"])
@pytest.mark.parametrize(
    ("annotations", "there"),
    [({"annotations": {"a": "b"}}, True), ({"annotations": {}}, True), ({"annotations": None}, False), ({}, False)],
    ids=["some", "an empty map", "null", "none"],
)
def test_a_patch_knows_whether_the_object_that_was_judged_had_annotations(step, given, annotations, there):
    judged = {**given.raw, "metadata": {"uid": "x", **annotations}}
    assert asked(step, replace(given, raw=judged)).annotated is there


# rollBack


def test_a_rollback_tests_uid_and_template_and_replaces_the_template_and_nothing_else():
    facts = crashed()
    patch = asked(ROLL_BACK, live(facts))
    assert isinstance(patch, Patch)
    assert patch.target == facts.workload.ref
    assert patch.operations == (
        {"op": "test", "path": "/metadata/uid", "value": facts.workload.uid},
        {"op": "test", "path": "/spec/template", "value": NEW},
        {"op": "replace", "path": "/spec/template", "value": OLD},
    )
    assert (patch.stamped, patch.guarded_path) == (True, "/spec/template")
    assert patch.before == {
        "revision": "3",
        "templateHash": "h3",
        "guardedSha256": guarded_sha256(NEW),
        "ready": "3",
        "toRevision": "2",
        "toHash": "h2",
    }


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (live(to=None), Refusal(reason="NoKnownGood", message="the revision to go back to is not stored any more")),
        (live(to_template=None), Refusal(reason="NoKnownGood", message="the revision to go back to is not stored any more")),
        (
            live(crashed(observed_generation=2)),
            Wait(until_time=later(2), message="the controller has not seen the newest change yet"),
        ),
        (
            live(replace(crashed(), revisions=())),
            Wait(until_time=later(2), message="the controller has not seen the newest change yet"),
        ),
        (
            live(accused_hash="h9"),
            Refusal(reason="HumanOverride", message="deploy/checkout runs revision 3 now, not the accused one: somebody was faster"),
        ),
        (
            live(raw=raw(OLD)),
            Refusal(reason="HumanOverride", message="deploy/checkout has the template of revision 2 already: somebody was faster"),
        ),
    ],
    ids=["no revision", "its template is gone", "not observed", "no revisions", "another is accused", "it is there already"],
)
def test_a_rollback_refuses_what_was_not_judged(given, answer):
    assert asked(ROLL_BACK, given) == answer


@pytest.mark.parametrize("document", [{}, {"spec": "x"}, {"spec": {"template": None}}], ids=["no spec", "no object", "no template"])
def test_an_object_without_a_template_is_tested_as_such(document):
    patch = asked(ROLL_BACK, live(raw=document))
    assert isinstance(patch, Patch)
    assert patch.operations[1] == {"op": "test", "path": "/spec/template", "value": {}}, "the API server refuses it: it is not so"


@pytest.mark.parametrize(
    ("kind", "management"), [("Deployment", ""), ("DaemonSet", ""), ("StatefulSet", "Parallel")], ids=["Deployment", "DaemonSet", "Parallel"]
)
def test_where_the_controller_replaces_broken_pods_the_template_is_all(kind, management):
    facts = crashed(kind=kind, pod_management=management)
    assert asked(ROLL_BACK, live(facts), [record()]) == Done(message="the template is back")


def stateful(*pods, newest=2, **changes):
    """StatefulSet after its template went back: revision 2 is the newest again, these pods are there."""
    facts = rolling_facts(*pods, kind="StatefulSet", serving=0, update_revision=f"h{newest}", **changes)
    return live(facts, to=None, to_template=None)


def broken(ordinal, **changes):
    """A pod of the accused revision that is not ready."""
    owned = {"owner_uid": crashed().workload.uid, "owner_kind": "StatefulSet", "resource_version": "7", "uid": f"p-{ordinal}"}
    return new_pod(crashing(), name=f"checkout-{ordinal}", **(owned | changes))


def test_r08_the_broken_pod_of_a_statefulset_is_deleted_with_uid_and_version_as_preconditions():
    effect = asked(ROLL_BACK, stateful(broken(2)), [record()])
    assert isinstance(effect, DeletePod)
    target = effect.target
    assert (target.api_version, target.kind, target.namespace, target.name, target.uid) == ("v1", "Pod", "shop", "checkout-2", "p-2")
    assert (effect.resource_version, effect.last) == ("7", True)
    assert effect.before == {"pod": "checkout-2", "revision": "h3", "ready": "false"}


def test_the_highest_ordinal_goes_first_by_number():
    effect = asked(ROLL_BACK, stateful(broken(9), broken(10), broken(2)), [record()])
    assert isinstance(effect, DeletePod)
    assert (effect.target.name, effect.last) == ("checkout-10", False)


def test_a_name_without_an_ordinal_goes_last():
    effect = asked(ROLL_BACK, stateful(broken("x"), broken(0)), [record()])
    assert effect.target.name == "checkout-0"


READY = {"ready": True}


@pytest.mark.parametrize(
    ("left_alone"),
    [
        broken(2, ready=True),
        broken(2, deleting=True),
        broken(2, owner_uid="another"),
        pod("checkout-2", "h2", crashing(), owner_uid=crashed().workload.uid),
    ],
    ids=["Ready", "on its way out", "of another owner", "of another revision"],
)
def test_no_other_pod_is_ever_deleted(left_alone):
    assert asked(ROLL_BACK, stateful(left_alone), [record()]) == Done(message="the template is back")


def test_one_pod_at_a_time_and_none_twice():
    first = broken(2)
    done = [record(), record("rollback/1", target=crashed().workload.ref.model_copy(update={"uid": "p-2", "name": "checkout-2"}))]
    gone = asked(ROLL_BACK, stateful(broken(1)), done)
    assert isinstance(gone, DeletePod)
    assert gone.target.name == "checkout-1"
    waits = asked(ROLL_BACK, stateful(replace(first, deleting=True), broken(1)), done)
    assert waits == Wait(until_time=later(2), message="the pod that was deleted is not gone yet: one at a time")
    assert asked(ROLL_BACK, stateful(first), done) == Done(message="the template is back, 1 broken pods were deleted"), "its object lingers"


def test_a_deletion_that_failed_may_be_tried_again():
    failed = record("rollback/1", state=StepState.FAILED, target=crashed().workload.ref.model_copy(update={"uid": "p-2"}))
    assert isinstance(asked(ROLL_BACK, stateful(broken(2)), [record(), failed]), DeletePod)


def test_no_pod_is_deleted_before_the_controller_has_seen_the_old_template():
    assert asked(ROLL_BACK, stateful(broken(2), observed_generation=2), [record()]) == Wait(
        until_time=later(2), message="the controller has not seen the old template yet"
    )


def test_r21_where_somebody_rolled_out_again_their_pods_are_left_alone():
    assert asked(ROLL_BACK, stateful(broken(2), newest=3), [record()]) == Refusal(
        reason="HumanOverride", message="sts/checkout runs revision 3 now, not the one that was put back: somebody was faster"
    )


@pytest.mark.parametrize(
    ("kind", "rights"),
    [
        ("Deployment", (Right(verb="patch", group="apps", resource="deployments"),)),
        ("DaemonSet", (Right(verb="patch", group="apps", resource="daemonsets"),)),
        ("StatefulSet", (Right(verb="patch", group="apps", resource="statefulsets"), Right(verb="delete", group="", resource="pods"))),
        ("Other", (Right(verb="patch", group="apps", resource="other"),)),
    ],
)
def test_a_rollback_needs_the_rights_that_its_requests_need_and_no_more(kind, rights):
    assert registry.needs_of((ROLL_BACK,), kind) == rights


# restart

STAMP = "2026-11-24T12:00:00.000000Z"
KEY = "kubectl.kubernetes.io/restartedAt"


@pytest.mark.parametrize(
    ("metadata", "operation"),
    [
        (
            {"annotations": {"a": "b"}},
            {"op": "add", "path": "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt", "value": STAMP},
        ),
        ({"labels": {"x": "y"}}, {"op": "add", "path": "/spec/template/metadata/annotations", "value": {KEY: STAMP}}),
        ({"annotations": None}, {"op": "add", "path": "/spec/template/metadata/annotations", "value": {KEY: STAMP}}),
        (None, {"op": "add", "path": "/spec/template/metadata", "value": {"annotations": {KEY: STAMP}}}),
    ],
    ids=["annotations", "no annotations", "null", "no metadata"],
)
def test_a_restart_writes_its_annotation_in_each_shape_of_template(metadata, operation):
    template = {"metadata": metadata, "spec": {}} if metadata is not None else {"spec": {}}
    facts = crashed()
    patch = asked(RESTART, live(facts, raw=raw(template)))
    assert isinstance(patch, Patch)
    assert patch.operations == (
        {"op": "test", "path": "/metadata/uid", "value": facts.workload.uid},
        {"op": "test", "path": "/spec/template", "value": template},
        operation,
    )
    assert patch.before == {"revision": "3", "templateHash": "h3", "guardedSha256": guarded_sha256(template), "ready": "3"}


def test_a_restart_is_done_after_one_effect_and_needs_one_right():
    assert asked(RESTART, live(), [record("restart")]) == Done(message="the pods are being made anew")
    assert registry.needs_of((RESTART, RESTART), "Deployment") == (Right(verb="patch", group="apps", resource="deployments"),)
    assert registry.needs_of((RESTART,), "Other") == (Right(verb="patch", group="apps", resource="other"),)


@pytest.mark.parametrize(
    ("given", "reason", "message"),
    [
        (live(crashed(paused=True)), "TargetPaused", "deploy/checkout is paused"),
        (live(raw={}), "TargetChanged", "deploy/checkout has no pod template"),
        (live(raw={"spec": {}}), "TargetChanged", "deploy/checkout has no pod template"),
    ],
    ids=["paused", "no spec", "no template"],
)
def test_a_restart_refuses_what_it_cannot_restart(given, reason, message):
    assert asked(RESTART, given) == Refusal(reason=reason, message=message)


def test_a_restart_without_revisions_still_says_what_was_there():
    patch = asked(RESTART, live(replace(crashed(), revisions=())))
    assert (patch.before["revision"], patch.before["templateHash"]) == ("0", "")


# captureEvidence and escalate


def test_evidence_is_taken_once_and_changes_nothing():
    assert asked(LOOK, live()) == Evidence(tail_lines=50)
    assert asked(LOOK, live(), [record("evidence")]) == Done(message="evidence was taken")
    assert registry.needs_of((LOOK,), "Deployment") == ()


@pytest.mark.parametrize(("message", "said"), [("come", "come"), ("", "deploy/checkout: the Runbook asks for a person")])
def test_a_page_is_sent_once_and_changes_nothing(message, said):
    step = RunbookStep(name="page", escalate=Escalate(message=message))
    assert asked(step, live()) == PageNow(message=said)
    assert asked(step, live(), [record("page")]) == Done(message="the owner was paged")
    assert registry.needs_of((PAGE,), "Deployment") == ()


def test_each_kind_of_step_says_how_much_it_disturbs():
    assert {name: kind.impact for name, kind in registry.KINDS.items()} == {
        "adjustAutoscaler": "Low",
        "approve": "Notify",
        "assert": "Read",
        "call": "Disruptive",
        "captureEvidence": "Read",
        "cleanUp": "Low",
        "cordon": "Low",
        "createJobFrom": "Disruptive",
        "deletePods": "Disruptive",
        "drain": "Disruptive",
        "escalate": "Notify",
        "expandVolume": "Low",
        "freezeRollout": "Disruptive",
        "holdGitOps": "Low",
        "job": "Disruptive",
        "nodeRemediation": "Destructive",
        "notify": "Notify",
        "patch": "Disruptive",
        "query": "Read",
        "raiseQuota": "Low",
        "relaxDisruptionBudget": "Low",
        "renewCertificate": "Low",
        "requestRevert": "Notify",
        "rerunJob": "Disruptive",
        "resize": "Disruptive",
        "restart": "Disruptive",
        "restoreConfig": "Disruptive",
        "rollBack": "Disruptive",
        "scale": "Low",
        "silence": "Low",
        "taint": "Low",
        "uncordon": "Low",
        "untaint": "Low",
        "waitFor": "Read",
        "webhookBypass": "Disruptive",
    }


def test_a_step_that_names_no_action_is_no_step():
    with pytest.raises(ValueError, match="step 'x' names no action"):
        registry.kind_of(RunbookStep(name="x"))
