"""As whom a run acts: by where its Runbook stands, and by nothing that could be left out."""

from __future__ import annotations

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.common import ObjectRef
from prunella.api.remediation import RemediationSpec, RunbookRef
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import OURSELVES, Account

from .healing_builders import attempt

SYSTEM = "prunella-system"
APART, OPT_IN = "kubectl apply -k manifests/bypass-webhooks", "kubectl apply -n shop -k manifests/opt-in"
RELAX = "kubectl apply -n shop -k manifests/relax-budgets"
BIND_RELAX = "kubectl create rolebinding healer-prunella-relax-budgets -n shop --role=prunella-relax-budgets --serviceaccount=shop:healer"
WEBHOOKS = "validatingwebhookconfigurations.admissionregistration.k8s.io"
HEALER = Account("shop", "healer")
BIND = "kubectl create rolebinding healer-prunella-remediate -n shop --clusterrole=prunella-remediate --serviceaccount=shop:healer"
LEND = (
    "kubectl create role prunella-as-healer -n shop --verb=get,impersonate --resource=serviceaccounts --resource-name=healer && "
    "kubectl create rolebinding prunella-as-healer -n shop --role=prunella-as-healer --serviceaccount=prunella-system:prunella"
)


def made(namespace: str, account: str | None, target: str | None = "shop") -> RemediationSpec:
    """What stands on an attempt."""
    spec = attempt().spec
    ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=target, name="checkout", uid="w-1")
    pinned = RunbookRef(namespace=namespace, name="heal").model_copy(update={"service_account_name": account})
    return spec.model_copy(update={"runbook_ref": pinned, "target_ref": ref})


@pytest.mark.parametrize(
    ("namespace", "account", "expected"),
    [
        (SYSTEM, None, OURSELVES),
        ("shop", "healer", HEALER),
        ("shop", "a.b-c", Account("shop", "a.b-c")),
        (SYSTEM, "healer", "ServiceAccountUnsupported"),
        ("shop", None, "ServiceAccountRequired"),
        ("shop", "", "ServiceAccountRequired"),
        ("", None, "ServiceAccountRequired"),
        ("", "healer", "ServiceAccountRequired"),
        ("shop", "system:masters", "ServiceAccountRequired"),
        ("shop", "prunella-system/prunella", "ServiceAccountRequired"),
        ("shop", "system:serviceaccount:prunella-system:prunella", "ServiceAccountRequired"),
        ("shop", "healer\r\nImpersonate-Group: system:masters", "ServiceAccountRequired"),
        ("shop", "healer\n", "ServiceAccountRequired"),
        ("shop:evil", "healer", "ServiceAccountRequired"),
        ("shop", "x" * 254, "ServiceAccountRequired"),
    ],
)
def test_it_is_told_or_nothing_is_done_and_a_team_never_acts_as_the_operator(namespace, account, expected):
    one = runbook(namespace=namespace).model_copy()
    one = one.model_copy(update={"spec": one.spec.model_copy(update={"service_account_name": account})})
    for found in (identity.of_runbook(one, SYSTEM), identity.of_attempt(made(namespace, account, namespace), SYSTEM)):
        assert (found.reason if isinstance(found, Refusal) else found) == expected


@pytest.mark.parametrize("target", ["pay", SYSTEM, "", None], ids=["another namespace", "the operator's", "none", "of the cluster"])
def test_an_attempt_of_a_team_is_refused_for_whatever_is_not_in_its_namespace(target):
    found = identity.of_attempt(made("shop", "healer", target), SYSTEM)
    assert isinstance(found, Refusal)
    assert found.message.startswith("system:serviceaccount:shop:healer acts in shop alone, and Deployment ")
    assert identity.of_attempt(made(SYSTEM, None, target), SYSTEM) is OURSELVES, "a Runbook of the platform team is for all"


def test_a_measure_is_taken_back_by_whoever_took_it_or_by_nobody():
    assert identity.of_mark(None, "shop") is OURSELVES
    assert identity.of_mark("healer", "shop") == HEALER
    for account, namespace in (("", "shop"), ("healer", None), ("healer", ""), ("system:masters", "shop")):
        assert isinstance(identity.of_mark(account, namespace), Refusal)


def test_its_user_and_groups_are_those_of_a_service_account():
    assert HEALER.user == "system:serviceaccount:shop:healer"
    assert HEALER.groups == {"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}


@pytest.mark.parametrize(
    ("acting", "missing", "said"),
    [
        (
            OURSELVES,
            ("patch deployments.apps in shop", "delete pods in shop"),
            "Prunella may not patch deployments.apps in shop, delete pods in shop; `kubectl apply -n shop -k manifests/opt-in` grants it in shop",
        ),
        (
            HEALER,
            ("patch deployments.apps in shop",),
            f"{HEALER.user} may not patch deployments.apps in shop; `{BIND}` grants it",
        ),
        (
            HEALER,
            HEALER.needed,
            f"Prunella may not get serviceaccounts/healer in shop, impersonate serviceaccounts/healer in shop; `{LEND}` grants it",
        ),
        (
            OURSELVES,
            ("patch resourcequotas in shop",),
            "Prunella may not patch resourcequotas in shop; `kubectl apply -n shop -k manifests/raise-quotas` grants it in shop",
        ),
        (
            OURSELVES,
            (f"patch {WEBHOOKS}",),
            f"Prunella may not patch {WEBHOOKS}; `kubectl apply -k manifests/bypass-webhooks` grants it",
        ),
        (
            OURSELVES,
            ("patch deployments.apps in shop", f"patch {WEBHOOKS}"),
            f"Prunella may not patch deployments.apps in shop, patch {WEBHOOKS}; `{APART} && {OPT_IN}` grants it in shop",
        ),
        (
            HEALER,
            ("patch poddisruptionbudgets.policy in shop",),
            f"{HEALER.user} may not patch poddisruptionbudgets.policy in shop; `{RELAX} && {BIND_RELAX}` grants it",
        ),
    ],
    ids=[
        "the operator's account",
        "the team's account",
        "the operator in its place",
        "what is granted apart",
        "what has no namespace",
        "by two folders",
        "what is granted apart, to the team's account",
    ],
)
def test_what_is_missing_names_who_the_verb_and_the_command_that_grants_it(acting, missing, said):
    assert identity.lacks(acting, missing, "shop") == said
