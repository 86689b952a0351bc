"""nodeRemediation: the exact object, what keeps it from being made, what is concluded of what becomes of it, and when it goes again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.common import ObjectRef
from prunella.api.names import Cause, Mode, StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks import plan as plans
from prunella.core.healing.steps import node_remediation, nodes, registry
from prunella.core.healing.steps.node_remediation import KIND, NodeRemediation
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, Skip, Wait

from .builders import NOON, ago, later
from .healing_builders import incident
from .node_builders import LEASE, among, shown, stored
from .thing_builders import lost_node, node

API = "self-node-remediation.medik8s.io/v1alpha1"
ASK = NodeRemediation.model_validate({"templateRef": {"kind": "SelfNodeRemediationTemplate", "namespace": "medik8s", "name": "reboot"}})
TEMPLATE = Listed(API, "SelfNodeRemediationTemplate", "medik8s", name="reboot")
ALL = Listed(API, "SelfNodeRemediation", "")
FENCED = Listed("fence-agents-remediation.medik8s.io/v1alpha1", "FenceAgentsRemediation", "")
STORAGE = Listed("storage-based-remediation.medik8s.io/v1alpha1", "StorageBasedRemediation", "")
ONE = Listed(API, "SelfNodeRemediation", "medik8s", name="n1")
REF = ObjectRef(api_version=API, kind="SelfNodeRemediation", namespace="medik8s", name="n1")
STORED_TEMPLATE = {
    "metadata": {"namespace": "medik8s", "name": "reboot", "resourceVersion": "7"},
    "spec": {"template": {"spec": {"remediationStrategy": "Automatic"}}},
}
WELL = [stored(f"n{number}") for number in range(2, 11)]


def remediation(name: str = "n1", intent: str = "5b1e", *, conditions: Any = (), **metadata: Any) -> dict[str, Any]:
    meta = {"namespace": "medik8s", "name": name, "uid": f"u-{name}", "annotations": {"prunella.dev/intent-id": intent}, **metadata}
    return {"apiVersion": API, "kind": "SelfNodeRemediation", "metadata": meta, "status": {"conditions": list(conditions)}}


def succeeded(status: str, **more: str) -> dict[str, str]:
    return {"type": "Succeeded", "status": status, **more}


def asked(*objects: dict[str, Any], template: Any = (STORED_TEMPLATE,), raw: Any = None, leases: Any = (), **more: Any):
    found = among(*WELL, leases=leases) | {TEMPLATE: template, ALL: objects, FENCED: UNKNOWN, STORAGE: ()} | more.pop("answers", {})
    return node_remediation.plan(ASK, replace(shown(raw, found), **({"target": lost_node()} | more)), ())


def record(action: str = "Create", name: str = "ask") -> StepStatus:
    intent = Intent(id="5b1e", action=action, target_ref=REF, written_time=NOON, deadline_time=later(60))
    return StepStatus(name=name, action="nodeRemediation", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON))


def followed(*objects: dict[str, Any], target: Any = None, now: Any = NOON, answers: Any = None, done: tuple[StepStatus, ...] = (record(),)):
    found = {ONE: objects} if answers is None else answers
    return node_remediation.plan(ASK, replace(shown(answers=found), target=target or lost_node(), now=now), done)


def test_the_object_is_made_as_its_template_says_by_the_name_of_the_node():
    assert node_remediation.plan(ASK, replace(shown(), target=lost_node()), ()) == Ask(reads=(nodes.ALL, LEASE))
    assert node_remediation.plan(ASK, replace(shown(answers=among(*WELL)), target=lost_node()), ()) == Ask(reads=(TEMPLATE, FENCED, ALL, STORAGE))
    effect = asked()
    assert isinstance(effect, Create)
    assert effect.target == REF
    assert effect.manifest == {
        "apiVersion": API,
        "kind": "SelfNodeRemediation",
        "metadata": {"labels": {"app.kubernetes.io/managed-by": "prunella"}},
        "spec": {"remediationStrategy": "Automatic"},
    }
    assert effect.does == "node/n1 is to be remediated by SelfNodeRemediation medik8s/n1"
    assert effect.record == {"template": "SelfNodeRemediationTemplate medik8s/reboot", "templateVersion": "7"}


@pytest.mark.parametrize(
    ("mine", "reason", "message"),
    [
        (remediation(), "DelegatedToNodeRepair", "SelfNodeRemediation medik8s/n1 is for node/n1 already: it is left to that"),
        (
            remediation("n1-x7", annotations={"remediation.medik8s.io/node-name": "n1"}),
            "DelegatedToNodeRepair",
            "SelfNodeRemediation medik8s/n1-x7 is for node/n1 already: it is left to that",
        ),
        (remediation("n2"), "SelectionTooWide", "node/n2 is being remediated by a SelfNodeRemediation: one at a time"),
    ],
    ids=["of this node", "of this node by another name", "of another node"],
)
def test_a_second_one_is_never_made(mine, reason, message):
    refusal = asked(mine)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.message) == (reason, message)
    assert refusal.look_again_time is not None


def test_what_another_remediator_is_at_counts_as_well():
    refusal = asked(answers={FENCED: (remediation(),)})
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.message) == (
        "DelegatedToNodeRepair",
        "FenceAgentsRemediation medik8s/n1 is for node/n1 already: it is left to that",
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ((), "SelfNodeRemediationTemplate medik8s/reboot is not there"),
        (({"metadata": {}, "spec": {"template": {}}},), "SelfNodeRemediationTemplate medik8s/reboot has no spec.template.spec"),
    ],
    ids=["no template", "none that follows the contract"],
)
def test_without_a_template_nothing_is_made(template, message):
    assert asked(template=template) == Failed(message=message)


@pytest.mark.parametrize("unread", [TEMPLATE, ALL])
def test_what_can_not_be_read_is_refused_with_the_command_that_grants_it(unread):
    refusal = asked(answers={unread: UNKNOWN})
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, "kubectl apply -k manifests/node-remediation" in refusal.message) == ("EvidenceMissing", True)


def test_what_keeps_a_node_from_being_taken_out_keeps_it_from_this():
    held = {"spec": {"holderIdentity": "NodeHealthCheck-x", "renewTime": "2026-11-24T11:59:30.000000Z", "leaseDurationSeconds": 60}}
    assert getattr(asked(leases=(held,)), "reason", "") == "DelegatedToNodeRepair"
    others = {nodes.ALL: (stored(), stored("n2", ready="Unknown"), *WELL[1:])}
    assert getattr(asked(answers=others), "reason", "") == "SelectionTooWide"
    excluded = stored()
    excluded["metadata"]["labels"] = {"remediation.medik8s.io/exclude-from-remediation": "true"}
    assert getattr(asked(raw=excluded), "reason", "") == "HumanOverride"


@pytest.mark.parametrize(("cause", "ends"), [(Cause.NODE_NOT_READY, True), (Cause.NODE_FLAPPING, False)])
def test_r24_a_node_that_is_well_again_is_not_remediated(cause, ends):
    answer = asked(target=node(), incident=incident(cause=cause))
    assert isinstance(answer, Done if ends else Create)


@pytest.mark.parametrize(
    "conditions", [(), (succeeded("Unknown"),), ({"type": "Processing", "status": "True"},)], ids=["none", "unknown", "processing"]
)
def test_it_waits_for_success_until_its_deadline(conditions):
    assert followed(answers={}) == Ask(reads=(ONE,))
    assert followed(remediation(conditions=conditions)) == Wait(until_time=later(5), message="SelfNodeRemediation medik8s/n1 has not succeeded yet")
    assert followed(remediation(conditions=conditions), now=later(478)).until_time == later(480)
    late = followed(remediation(conditions=conditions), now=later(480))
    assert late == Failed(message="SelfNodeRemediation medik8s/n1 has not succeeded yet: that took too long")
    assert isinstance(followed(answers={ONE: UNKNOWN}), Wait)


def test_failure_is_told_as_its_remediator_tells_it():
    failed = remediation(conditions=(succeeded("False", reason="FenceAgentFailed", message="no route"),))
    assert followed(failed) == Failed(message="SelfNodeRemediation medik8s/n1 failed: FenceAgentFailed: no route")


def test_the_object_goes_once_it_has_succeeded_and_the_node_is_ready():
    done = remediation(conditions=(succeeded("True"),))
    assert followed(done) == Wait(until_time=later(5), message="SelfNodeRemediation medik8s/n1 has succeeded, and node/n1 is not Ready yet")
    assert isinstance(followed(done, now=later(480)), Failed)
    effect = followed(done, target=node())
    assert isinstance(effect, Unmake)
    assert (effect.target.name, effect.target.namespace, effect.target.uid) == ("n1", "medik8s", "u-n1")
    over = followed(done=(record(), record(Unmake.action, "ask/1")))
    assert over == Done(message="node/n1 is remediated, and SelfNodeRemediation medik8s/n1 is gone again")
    assert isinstance(followed(remediation(conditions=()), target=node()), Wait), "that the node is Ready alone is no success"


@pytest.mark.parametrize(
    ("ready_since", "seconds", "goes"),
    [(ago(600), 5, False), (later(3), 5, True), (ago(600), 59, False), (ago(600), 60, True), (None, 5, False)],
    ids=["from before", "anew", "not yet missed", "it would have been missed", "since when is not said"],
)
def test_a_machine_that_was_just_switched_off_is_called_ready_and_its_fence_stays(ready_since, seconds, goes):
    done = remediation(conditions=(succeeded("True", lastTransitionTime="2026-11-24T12:00:00Z"),))
    answer = followed(done, target=node(ready_since=ready_since), now=later(seconds))
    assert isinstance(answer, Unmake if goes else Wait)


def test_what_a_template_holds_is_shown_to_nobody():
    template = {**STORED_TEMPLATE, "spec": {"template": {"spec": {"sharedparameters": {"--password": "planted-7Q"}}}}}
    effect = asked(template=(template,))
    assert isinstance(effect, Create)
    assert (effect.confidential, effect.sha256) == (True, "")
    assert "planted-7Q" in str(effect.manifest)
    assert "planted-7Q" not in str(effect.record) + effect.does


@pytest.mark.parametrize(
    "objects", [(), (remediation(intent="other"),), (remediation(deletionTimestamp="2026-11-24T12:00:00Z"),)], ids=["gone", "another's", "going"]
)
def test_one_that_somebody_deleted_tells_nothing(objects):
    answer = followed(*objects, target=node())
    assert answer == Failed(message="SelfNodeRemediation medik8s/n1 was deleted by somebody else: whether it did its work can't be told")


def test_it_is_taken_back_while_it_has_not_succeeded():
    effect = node_remediation.undo(ASK, remediation(), record())
    assert isinstance(effect, Unmake)
    assert effect.target.uid == "u-n1"


@pytest.mark.parametrize(
    ("raw", "of"),
    [
        (remediation(conditions=(succeeded("True"),)), record()),
        (remediation(intent="other"), record()),
        (remediation(deletionTimestamp="2026-11-24T12:00:00Z"), record()),
        (remediation(), record(Unmake.action, "ask/1")),
    ],
    ids=["it has succeeded", "another's", "it goes already", "its end"],
)
def test_what_is_fenced_or_somebodys_is_not_taken_back(raw, of):
    assert isinstance(node_remediation.undo(ASK, raw, of), Skip)


def test_people_approve_it_whatever_the_mode_and_it_is_never_temporary():
    assert plans.highest_mode([KIND]) is Mode.APPROVE
    assert KIND.lasting


def test_a_template_of_nobody_known_is_no_template():
    given = {"name": "ask", "nodeRemediation": {"templateRef": {"kind": "PodTemplate", "namespace": "a", "name": "b"}}}
    [step] = runbook("n", given).spec.steps
    assert "templateRef.kind: Input should be" in (registry.wrong_with(step) or "")


def test_it_needs_what_its_template_says():
    needed = {f"{right.verb} {right.on}" for right in KIND.needs(ASK, "Node")}
    assert needed == {
        f"get selfnoderemediationtemplates.{API.partition('/')[0]}",
        *(f"{verb} selfnoderemediations.{API.partition('/')[0]}" for verb in ("create", "delete", "get", "list")),
        "get leases.coordination.k8s.io",
    }


@pytest.mark.parametrize("where", ["", " in medik8s"], ids=["asked before", "refused by the API server"])
def test_the_folder_that_grants_it_is_named_and_no_other(where):
    rights = (f"create selfnoderemediations.{API.partition('/')[0]}{where}", "get leases.coordination.k8s.io")
    said = identity.lacks(identity.OURSELVES, rights, "medik8s" if where else "")
    assert said.endswith("`kubectl apply -k manifests/node-remediation` grants it")
    assert "`kubectl apply -k manifests/nodes` grants" in identity.lacks(identity.OURSELVES, ("patch nodes", "get leases.coordination.k8s.io"), "")
    assert "`kubectl apply -k manifests/nodes` grants" in identity.lacks(identity.OURSELVES, ("get leases.coordination.k8s.io",), "")
