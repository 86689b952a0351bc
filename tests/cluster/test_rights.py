"""What the operator's account can really write, tried with its own token: nothing but its own kinds, until the owner of a namespace opts in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from tests.cluster.conftest import Kubectl, until
from tests.harness.api import PATCH_TYPES, Answer, Api

pytestmark = pytest.mark.cluster

APPS, CORE, OURS, RBAC = "/apis/apps/v1", "/api/v1", "/apis/prunella.dev/v1alpha1", "/apis/rbac.authorization.k8s.io/v1"
Try = tuple[str, str]
OPTED_IN: list[Try] = [
    ("PATCH", f"{APPS}/namespaces/NS/deployments/web"),
    ("PATCH", f"{APPS}/namespaces/NS/statefulsets/db"),
    ("PATCH", f"{APPS}/namespaces/NS/daemonsets/agent"),
    ("DELETE", f"{CORE}/namespaces/NS/pods/web-1"),
    ("PATCH", f"{APPS}/namespaces/NS/replicasets/web-1/scale"),
    ("PATCH", "/apis/autoscaling/v2/namespaces/NS/horizontalpodautoscalers/x"),
]
"""What opting in permits, and nothing else does."""
NEVER: list[Try] = [
    *((verb, f"{APPS}/namespaces/NS/{plural}/x") for plural in ("deployments", "statefulsets", "daemonsets") for verb in ("DELETE", "PUT")),
    *((verb, f"{APPS}/namespaces/NS/deployments/web/{part}") for part in ("scale", "status") for verb in ("PATCH", "PUT")),
    *(("PATCH", f"{APPS}/namespaces/NS/{plural}/x") for plural in ("replicasets", "controllerrevisions")),
    *(("POST", f"{CORE}/namespaces/NS/{plural}") for plural in ("pods", "secrets", "serviceaccounts", "services", "resourcequotas")),
    *(("POST", f"{CORE}/namespaces/NS/pods/web-1/{part}") for part in ("exec", "attach", "portforward", "binding")),
    *((verb, f"{CORE}/namespaces/NS/pods/web-1") for verb in ("PATCH", "PUT")),
    *(("DELETE", f"{CORE}/namespaces/NS/{plural}") for plural in ("pods", "events")),
    *(("GET", f"{CORE}/namespaces/NS/{plural}") for plural in ("secrets", "configmaps", "serviceaccounts")),
    ("GET", f"{CORE}/namespaces/NS/secrets/x"),
    ("POST", f"{CORE}/namespaces/NS/serviceaccounts/default/token"),
    ("PATCH", f"{CORE}/namespaces/NS"),
    ("DELETE", f"{CORE}/namespaces/NS"),
    *(("POST", f"{RBAC}/namespaces/NS/{plural}") for plural in ("roles", "rolebindings")),
    *((verb, f"{OURS}/namespaces/NS/incidents/x") for verb in ("PATCH", "PUT", "DELETE")),
    *((verb, f"{OURS}/namespaces/NS/remediations/x") for verb in ("PATCH", "PUT", "DELETE")),
    *((verb, f"{OURS}/namespaces/NS/{plural}/x") for plural in ("runbooks", "escalationpolicies", "catalogentries") for verb in ("PATCH", "DELETE")),
    *(("POST", f"{OURS}/namespaces/NS/{plural}") for plural in ("runbooks", "escalationpolicies", "catalogentries")),
    ("DELETE", f"{OURS}/namespaces/NS/workloadrecords/x"),
    ("POST", "/apis/batch/v1/namespaces/NS/jobs"),
    *((verb, "/apis/autoscaling/v2/namespaces/NS/horizontalpodautoscalers/x") for verb in ("PUT", "DELETE")),
    ("POST", "/apis/policy/v1/namespaces/NS/poddisruptionbudgets"),
    ("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"),
]
CLUSTER_WIDE: list[Try] = [
    ("POST", f"{CORE}/namespaces"),
    *((verb, f"{CORE}/nodes/x") for verb in ("PATCH", "DELETE")),
    *(("GET", f"{CORE}/{plural}") for plural in ("secrets", "persistentvolumes")),
    *(("POST", f"{RBAC}/{plural}") for plural in ("clusterroles", "clusterrolebindings")),
    ("PATCH", f"{RBAC}/clusterroles/prunella-manager"),
    *((verb, f"{OURS}/healingpolicies/default") for verb in ("PATCH", "DELETE")),
    ("POST", f"{OURS}/healingpolicies"),
    *(
        (verb, f"/apis/admissionregistration.k8s.io/v1/{plural}/status.prunella.dev")
        for plural in ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
        for verb in ("PATCH", "DELETE")
    ),
    *((verb, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/incidents.prunella.dev") for verb in ("PATCH", "DELETE")),
    *((verb, f"{CORE}/namespaces/prunella-system/secrets/prunella-receivers") for verb in ("PATCH", "DELETE")),
    ("GET", f"{CORE}/namespaces/prunella-system/secrets"),
    ("GET", f"{CORE}/namespaces/prunella-system/secrets/somebody-elses"),
    *((verb, f"{CORE}/namespaces/prunella-system/configmaps/somebody-elses") for verb in ("PATCH", "DELETE", "GET")),
    ("POST", f"{CORE}/namespaces/prunella-system/serviceaccounts/prunella/token"),
    ("POST", f"{CORE}/namespaces/kube-system/pods/web-1/eviction"),
]


LENT = (["get", "impersonate"], ["serviceaccounts"], ["prunella-runbooks"])
"""The one right to act as somebody else: an account by its name, where its namespace's owner applied manifests/own-account."""


@pytest.fixture(scope="module")
def operator(prunella: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Api:
    """The API server as the operator's own token sees it."""
    token = prunella("create", "token", "prunella", "-n", "prunella-system").strip()
    config = yaml.safe_load(Path(prunella.kubeconfig).read_text())
    context = next(one["context"] for one in config["contexts"] if one["name"] == config["current-context"])
    config["users"] = [{"name": context["user"], "user": {"token": token}}]
    file = tmp_path_factory.mktemp("operator") / "kubeconfig"
    file.write_text(json.dumps(config))
    return Api(file)


@pytest.fixture(scope="module")
def namespaces(prunella: Kubectl, operator: Api) -> Iterator[dict[str, str]]:
    """One that opted in, one that did not."""
    made = {which: f"t-{uuid4().hex[:10]}" for which in ("opted-in", "elsewhere")}
    for name in made.values():
        prunella("create", "namespace", name)
    prunella("apply", "-n", made["opted-in"], "-k", "manifests/opt-in")
    until(lambda: attempt(operator, *OPTED_IN[0], made["opted-in"]).status != 403)
    yield {**made, "prunella-system": "prunella-system"}
    for name in made.values():
        prunella("delete", "namespace", name, "--wait=false")


def attempt(operator: Api, method: str, path: str, namespace: str) -> Answer:
    """A dry run where the right is there after all: nothing of the cluster is at stake."""
    body: object = None if method in {"GET", "DELETE"} else {}
    content_type = PATCH_TYPES["merge"] if method == "PATCH" else "application/json"
    dry = "" if method == "GET" else "?dryRun=All"
    return operator.request(method, path.replace("NS", namespace) + dry, body, content_type)


def spelled(one: object) -> str:
    return "-".join(one).replace("/", ".") if isinstance(one, tuple) else str(one)


@pytest.mark.parametrize("one", OPTED_IN, ids=spelled)
def test_a_workload_is_written_only_where_its_namespace_opted_in(operator: Api, namespaces: dict[str, str], one: Try):
    for where in ("elsewhere", "prunella-system"):
        assert attempt(operator, *one, namespaces[where]).status == 403, where
    assert attempt(operator, *one, namespaces["opted-in"]).status == 404, "allowed there, though it does not exist"


@pytest.mark.parametrize("where", ["opted-in", "elsewhere", "prunella-system"])
def test_opting_in_permits_nothing_else(operator: Api, namespaces: dict[str, str], where: str):
    answers = {f"{method} {path}": attempt(operator, method, path, namespaces[where]) for method, path in NEVER}
    assert {one: (answer.status, answer.body.get("message")) for one, answer in answers.items() if answer.status != 403} == {}


def test_cluster_wide_and_in_its_own_namespace_it_writes_nothing_that_is_not_its_own(operator: Api):
    answers = {f"{method} {path}": attempt(operator, method, path, "") for method, path in CLUSTER_WIDE}
    assert {one: (answer.status, answer.body.get("message")) for one, answer in answers.items() if answer.status != 403} == {}


def test_the_account_is_bound_to_these_roles_alone_and_none_of_ours_is_without_bounds(prunella: Kubectl, namespaces: dict[str, str]):
    """What the owners of other tests' namespaces granted by hand, as the product's words ask them to, is none of the installation's."""
    bound = json.loads(prunella("get", "clusterrolebindings,rolebindings", "-A", "-o", "json"))["items"]
    installed = {None, "default", "kube-system", "kube-public", *namespaces.values()}
    bindings = [one for one in bound if one["metadata"].get("namespace") in installed]
    mine = {"kind": "ServiceAccount", "name": "prunella", "namespace": "prunella-system"}
    of_account = {(one["kind"], one["roleRef"]["name"]) for one in bindings if mine in one.get("subjects", [])}
    ours = {("ClusterRoleBinding", "prunella-manager"), ("RoleBinding", "prunella"), ("RoleBinding", "prunella-remediate")}
    assert of_account == ours
    roles = json.loads(prunella("get", "clusterroles,roles", "-A", "-l", "app.kubernetes.io/part-of=prunella", "-o", "json"))["items"]
    rules = [(role["metadata"]["name"], rule) for role in roles for rule in role["rules"] or []]
    assert [name for name, rule in rules if "*" in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]] == []
    assert [name for name, rule in rules if {"escalate", "bind"} & set(rule["verbs"])] == []
    lent = [rule for _, rule in rules if "impersonate" in rule["verbs"]]  # where a namespace of another test has it
    assert [rule for rule in lent if (rule["verbs"], rule["resources"], rule.get("resourceNames")) != LENT] == []
