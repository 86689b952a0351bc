"""webhookBypass: one webhook that is down and refuses the target's pods is gone on without, unless it keeps something out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.common import Metadata
from prunella.api.marks import MARKED_LABEL
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import UNKNOWN, WorkloadCondition
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import match
from prunella.core.healing.runs import measures
from prunella.core.healing.steps import registry
from prunella.core.healing.steps import webhook_bypass as step
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, LiveFacts, Skip, Wait
from prunella.core.healing.steps.webhook_bypass import WebhookBypass

from .builders import NOON, later
from .healing_builders import crashed

NAME = "pods.defaults.example.com"
BYPASS = WebhookBypass(kind="MutatingWebhookConfiguration", configuration="defaults", webhook=NAME)
ASKED = Listed("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "", "defaults")
SLICES = Listed("discovery.k8s.io/v1", "EndpointSlice", "platform")
SYSTEM = {"metadata": {"name": "kube-system", "labels": {"kubernetes.io/metadata.name": "kube-system"}}}
NOT_SYSTEM = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]}
OPTED_IN = {"matchLabels": {"defaults": "on"}}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
REFUSED = WorkloadCondition(
    type="ReplicaFailure",
    status="True",
    reason="FailedCreate",
    message=f'Internal error occurred: failed calling webhook "{NAME}": failed to call webhook: no endpoints available for service "defaults"',
)
STUCK = crashed(conditions=(REFUSED,))


def webhook(name=NAME, policy="Fail", **changes: Any) -> dict[str, Any]:
    service = {"service": {"namespace": "platform", "name": "defaults", "path": "/mutate"}}
    return {"name": name, "failurePolicy": policy, "clientConfig": service, "namespaceSelector": OPTED_IN, "rules": [PODS], **changes}


def configuration(*webhooks: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "defaults", "uid": "u-w", **metadata}, "webhooks": [webhook("first.example.com"), *(webhooks or (webhook(),))]}


def slices(*ready: bool | None, service="defaults") -> dict[str, Any]:
    conditions = [{} if one is None else {"ready": one} for one in ready]
    return {"metadata": {"labels": {"kubernetes.io/service-name": service}}, "endpoints": [{"conditions": one} for one in conditions]}


def plan(found: Any = None, endpoints: Any = (), facts=STUCK, done=(), answers=None):
    known = {ASKED: (found or configuration(),), step.SYSTEM: (SYSTEM,), SLICES: endpoints} if answers is None else answers
    return step.plan(BYPASS, LiveFacts(now=NOON, raw={}, target=facts, intent_time=NOON, answers=known), done)


def record(patch: Patch) -> StepStatus:
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="bypass", state=StepState.APPLIED, intent=intent)


@pytest.mark.parametrize("endpoints", [(), (slices(False),), (slices(True, service="other"),)], ids=["none", "none ready", "of another Service"])
def test_one_that_is_down_is_gone_on_without_and_waited_for_again(endpoints):
    patch = plan(endpoints=endpoints)
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.namespace, patch.target.uid) == ("MutatingWebhookConfiguration", None, "u-w")
    assert patch.operations[1:] == (
        {"op": "test", "path": "/webhooks/1/name", "value": NAME},
        {"op": "test", "path": "/webhooks/1/failurePolicy", "value": "Fail"},
        {"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"},
    )
    assert isinstance(plan(done=(record(patch),)), Done)
    moved = {**configuration(), "webhooks": [webhook(policy="Ignore"), webhook("first.example.com")]}
    back = step.undo(BYPASS, moved, record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1] == {"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}
    assert isinstance(step.undo(BYPASS, configuration(), record(patch)), Skip), "r39 somebody set it back"


def test_its_mark_has_a_label_beside_it_for_configurations_are_not_watched():
    patch = plan()
    assert isinstance(patch, Patch)
    assert measures.temporary(patch, remediation="shop/x-1", until=later(600)).labels == {MARKED_LABEL: "true"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"namespaceSelector": None}, "its namespaceSelector covers kube-system: the cluster is held to it"),
        ({"namespaceSelector": {}}, "its namespaceSelector covers kube-system: the cluster is held to it"),
        (
            {"rules": [PODS, {"apiGroups": ["*"], "resources": ["*"]}], "namespaceSelector": NOT_SYSTEM},
            "it is asked about *, which says who may do what",
        ),
        ({"rules": [{"apiGroups": [""], "resources": ["pods", "*/*"]}]}, "it is asked about *, which says who may do what"),
        ({"rules": [{"apiGroups": [""], "resources": ["secrets"]}]}, "it is asked about secrets, which says who may do what"),
        (
            {"rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}]},
            "it is asked about rbac.authorization.k8s.io, which says who may do what",
        ),
        ({"rules": [{"apiGroups": ["prunella.dev"], "resources": ["runbooks"]}]}, "it is asked about prunella.dev, which says who may do what"),
        ({"rules": []}, "what it is asked about can't be told"),
    ],
    ids=["no selector", "an empty selector", "everything", "every subresource", "Secrets", "permissions", "our kinds", "nothing known"],
)
def test_one_that_keeps_something_out_is_never_bypassed(changes, why):
    message = f"webhook {NAME} of MutatingWebhookConfiguration defaults is never bypassed: {why}"
    assert plan(configuration(webhook(**changes))) == Refusal(reason="UnmanagedResource", message=message)


def test_one_of_ours_is_never_bypassed():
    assert step.boundary(configuration(), webhook("runbooks.prunella.dev"), SYSTEM) == "it is Prunella's own"
    assert step.boundary(configuration(labels={"app.kubernetes.io/part-of": "prunella"}), webhook(), SYSTEM) == "it is Prunella's own"
    assert step.boundary(configuration(), webhook(namespaceSelector=NOT_SYSTEM), SYSTEM) == ""


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (
            {"endpoints": (slices(False, True, None),)},
            Refusal(reason="PreconditionFalse", message=f"2 endpoints are ready behind svc/defaults of webhook {NAME}: it is not down"),
        ),
        ({"found": configuration(webhook(policy="Ignore"))}, Done(message=f"webhook {NAME} is not waited for already")),
        (
            {"found": configuration(webhook("other.example.com"))},
            Failed(message=f"MutatingWebhookConfiguration defaults has no webhook {NAME}"),
        ),
        (
            {"found": configuration(webhook(clientConfig={"url": "https://example.com"}))},
            Failed(message=f"webhook {NAME} is called by its URL: whether it answers can't be told"),
        ),
        ({"facts": crashed()}, Failed(message=f"nothing says that webhook {NAME} refuses the pods of deploy/checkout")),
        (
            {"found": configuration(ownerReferences=[{"kind": "Policy", "name": "main"}])},
            Refusal(reason="OwnedByOperator", message="MutatingWebhookConfiguration defaults is made by Policy main: change that one"),
        ),
    ],
    ids=["it answers", "it is not waited for", "no such webhook", "by its URL", "it refused nothing", "a generated one"],
)
def test_else_it_is_left_as_it_is(given, answer):
    assert plan(**given) == answer


def test_it_asks_for_what_it_must_know_and_waits_where_that_can_not_be_told():
    known = {ASKED: (configuration(),), step.SYSTEM: (SYSTEM,)}
    assert plan(answers={}) == Ask(reads=(ASKED, step.SYSTEM))
    assert plan(answers=known) == Ask(reads=(SLICES,))
    for unknown in ({ASKED: UNKNOWN}, {step.SYSTEM: UNKNOWN}, {step.SYSTEM: ()}, {SLICES: UNKNOWN}):
        assert isinstance(plan(answers={**known, SLICES: (), **unknown}), Wait)
    assert plan(answers={**known, ASKED: ()}) == Failed(message="there is no MutatingWebhookConfiguration defaults")


def test_it_is_for_the_platform_team_always_ends_and_people_always_approve_it():
    fields = {"kind": BYPASS.kind, "configuration": "defaults", "webhook": NAME}
    endless = RunbookStep(name="bypass", webhook_bypass=fields)
    assert registry.wrong_with(endless) == "step 'bypass', webhookBypass: it needs ttlSeconds, after which it is taken back"
    assert step.KIND.approval_always
    assert {right.on for right in step.needs(BYPASS, "Deployment")} == {"mutatingwebhookconfigurations.admissionregistration.k8s.io"}
    assert step.needs(BYPASS, "Node") == ()
    one = runbook("bypass", RunbookStep(name="bypass", webhook_bypass=fields, ttl_seconds=600))
    teams = one.model_copy(
        update={
            "metadata": Metadata(name="bypass", namespace="shop"),
            "spec": one.spec.model_copy(update={"service_account_name": "healer"}),
        }
    )
    refusal = match.usable(teams, "prunella-system")
    assert refusal is not None
    assert refusal.message == "step 'bypass' (webhookBypass) reaches beyond shop: only a Runbook of prunella-system may use it"
