"""renewCertificate: cert-manager is asked once for what is overdue, and what it makes of it is waited for."""

from __future__ import annotations

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import renew_certificate
from prunella.core.healing.steps.renew_certificate import RenewCertificate
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, LiveFacts, Right, Wait

from . import thing_builders as things
from .builders import NOON, healthy_facts, later

RENEW = RenewCertificate(certificate="web")
RENEW_IT = RenewCertificate()
ASKED = Listed("cert-manager.io/v1", "Certificate", "shop", "web")
MOUNTS = {"spec": {"template": {"spec": {"volumes": [{"emptyDir": {}}, {"secret": {"secretName": "web-tls"}}]}}}}
READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": "Certificate is up to date"}
RATE = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "acme: rate limited"}
ENDS, DUE = "2026-12-04T12:00:00Z", "2026-11-24T10:00:00Z"


def certificate(*conditions, **status):
    """Ten days before its end, and two hours after it was to be renewed."""
    stands = {"notAfter": ENDS, "renewalTime": DUE, "conditions": list(conditions or (READY,)), **status}
    return {"metadata": {"name": "web", "uid": "u-web", "generation": 4}, "spec": {"secretName": "web-tls"}, "status": stands}


def plan(*found, done=(), raw=MOUNTS, answers=None):
    live = LiveFacts(now=NOON, raw=raw, target=healthy_facts(), intent_time=NOON, answers={ASKED: found} if answers is None else answers)
    return renew_certificate.plan(RENEW, live, done)


def record(patch):
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="renew", state=StepState.APPLIED, intent=intent)


def test_cert_manager_is_asked_as_cmctl_asks_it_and_every_other_condition_stays():
    patch = plan(certificate(READY, {**RATE, "message": "old"}))
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.uid, patch.subresource, patch.stamped) == ("Certificate", "u-web", "status", False)
    test, write = patch.operations[1:]
    assert test == {"op": "test", "path": "/status/conditions", "value": [READY, {**RATE, "message": "old"}]}
    assert write["value"][0] == READY
    assert write["value"][1:] == [
        {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered",
            "lastTransitionTime": "2026-11-24T12:00:00Z",
            "observedGeneration": 4,
        }
    ]


def test_it_is_done_once_the_certificate_holds_longer_and_failed_once_its_controller_says_so():
    done = (record(plan(certificate())),)
    asked = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered"}
    assert plan(certificate(READY, asked), done=done) == Wait(until_time=later(5), message="Certificate web is being renewed")
    assert plan(certificate(READY, RATE), done=done) == Failed(message="Certificate web was not renewed: Failed: acme: rate limited")
    assert plan(certificate(notAfter="2027-02-22T12:00:00Z"), done=done) == Done(
        message="Certificate web was renewed: it holds until 2027-02-22T12:00:00Z"
    )


@pytest.mark.parametrize(
    ("found", "raw", "answer"),
    [
        ((), MOUNTS, Failed(message="there is no Certificate web in shop")),
        ((certificate(),), {"spec": {}}, Failed(message="deploy/checkout mounts no Secret of Certificate web")),
        ((certificate(notAfter=None),), MOUNTS, Failed(message="Certificate web was never issued: there is nothing to renew")),
        (
            (certificate({"type": "Issuing", "status": "True", "reason": "Renewing"}),),
            MOUNTS,
            Done(message="Certificate web is being renewed already (Renewing)"),
        ),
        ((certificate(renewalTime="2026-11-24T13:00:00Z"),), MOUNTS, Done(message="Certificate web is not due: it holds until 2026-12-04 12:00")),
        ((certificate(renewalTime="soon"),), MOUNTS, Done(message="Certificate web is not due: it holds until 2026-12-04 12:00")),
        (
            (certificate(RATE, lastFailureTime="2026-11-24T11:30:00Z"),),
            MOUNTS,
            Failed(message="Certificate web failed to be renewed at 11:30:00 (acme: rate limited): it is not asked for again within an hour"),
        ),
    ],
    ids=["not there", "somebody else's", "never issued", "under way", "not due", "unreadable", "it failed a moment ago: no retry storm"],
)
def test_else_it_is_left_to_cert_manager(found, raw, answer):
    assert plan(*found, raw=raw) == answer


def plan_of_itself(found, params=RENEW_IT, target=None):
    """Where the Certificate is the target."""
    live = LiveFacts(now=NOON, raw=found, target=target or things.Certificate(namespace="shop", name="web", uid="u-web"), intent_time=NOON)
    return renew_certificate.plan(params, live, ())


@pytest.mark.parametrize("params", [RENEW_IT, RENEW], ids=["none is named", "it is named"])
def test_a_certificate_that_is_the_target_is_renewed_itself(params):
    patch = plan_of_itself(certificate(), params)
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.namespace, patch.target.name, patch.target.uid) == ("Certificate", "shop", "web", "u-web")
    assert patch.does == "cert-manager is asked to renew Certificate web"
    assert renew_certificate.needs(params, "Certificate") == (renew_certificate.PATCH,)


@pytest.mark.parametrize(
    ("found", "why", "until"),
    [
        (certificate(notAfter=None), "Certificate web was never issued: there is nothing to renew", None),
        (certificate({"type": "Issuing", "status": "True", "reason": "Renewing"}), "Certificate web is being renewed already (Renewing)", None),
        (certificate(renewalTime="2026-11-24T13:00:00Z"), "Certificate web is not due: it holds until 2026-12-04 12:00", None),
        (
            certificate(RATE, lastFailureTime="2026-11-24T11:30:00Z"),
            "Certificate web failed to be renewed at 11:30:00 (acme: rate limited): it is not asked for again within an hour",
            later(1800),
        ),
    ],
    ids=["never issued", "under way", "not due", "it failed a moment ago: no retry storm"],
)
def test_no_run_is_begun_for_a_target_that_is_left_to_cert_manager(found, why, until):
    assert plan_of_itself(found) == Refusal(reason="PreconditionFalse", message=why, look_again_time=until)


def test_where_none_is_named_the_target_must_be_one():
    assert plan_of_itself({}, target=healthy_facts()) == Failed(message="deploy/checkout is no Certificate, and the step names none")
    other = RenewCertificate(certificate="api")
    assert plan_of_itself(certificate(), other) == Failed(message="cert/web uses no Certificate api")


def test_a_failure_of_yesterday_keeps_nobody_from_asking_and_a_projected_secret_is_a_mount():
    assert isinstance(plan(certificate(RATE, lastFailureTime="2026-11-23T11:30:00Z")), Patch)
    projected = {"spec": {"template": {"spec": {"volumes": [{"projected": {"sources": [{"secret": {"name": "web-tls"}}]}}]}}}}
    assert isinstance(plan(certificate(), raw=projected), Patch)


def test_it_asks_first_waits_where_it_can_not_be_read_and_needs_one_right():
    assert plan(answers={}) == Ask(reads=(ASKED,))
    assert isinstance(plan(answers={ASKED: UNKNOWN}), Wait)
    right = Right(verb="patch", group="cert-manager.io", resource="certificates/status")
    assert renew_certificate.needs(RENEW, "Deployment") == (right,)
    assert renew_certificate.KIND.undo is None
