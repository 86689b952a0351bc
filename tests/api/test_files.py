"""What is generated equals what is rendered, and every file that ships is what our own models accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from prunella.api import crd
from prunella.api.base import API_VERSION
from prunella.cli import kinds, shipped

ROOT = Path(__file__).resolve().parents[2]
RENDERED = crd.render(kinds.KINDS)
MODELS: dict[str, Any] = {kind.name: kind.model for kind in kinds.KINDS}


def objects() -> list[tuple[str, dict[str, Any]]]:
    files = sorted([*(ROOT / "manifests").rglob("*.yaml"), *(ROOT / "runbooks").glob("*.yaml")])
    found = []
    for path in files:
        documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
        found += [(f"{path.relative_to(ROOT)}: {document['kind']}", document) for document in documents]
    return found


OURS = [(where, document) for where, document in objects() if document["apiVersion"] == API_VERSION]


@pytest.mark.parametrize("name", sorted({path.name for path in (ROOT / "crds").iterdir()} | set(RENDERED)))
def test_generated_definitions_are_up_to_date(name):
    path = ROOT / "crds" / name
    assert path.exists(), f"crds/{name} is missing: run `prunella crds`"
    assert name in RENDERED, f"crds/{name} belongs to no kind: run `prunella crds`"
    assert path.read_text() == RENDERED[name], f"crds/{name} is not what the models say: run `prunella crds`"


@pytest.mark.parametrize(("where", "document"), OURS, ids=[where for where, _ in OURS])
def test_what_ships_is_what_the_models_accept(where, document):
    stated = MODELS[document["kind"]].model_validate({key: document[key] for key in ("metadata", "spec")})
    assert stated.metadata.name == document["metadata"]["name"]


def test_there_is_a_sample_of_every_kind_that_people_write():
    assert {document["kind"] for where, document in OURS if "samples" in where} == {"Incident", "HealingPolicy", "EscalationPolicy", "CatalogEntry"}


def test_the_shipped_runbooks_go_no_further_than_documented():
    modes = {document["metadata"]["name"]: document["spec"]["mode"] for where, document in OURS if where.startswith("runbooks/")}
    by_itself = {name for name, mode in modes.items() if mode == "Auto"}
    assert by_itself == {
        "clean-up-failed-pods",
        "freeze-irreversible-rollout",
        "renew-overdue-certificate",
        "request-revert-of-gitops-rollout",
        "roll-back-bad-rollout",
        "weed-dependents",
    }
    readme = (ROOT / "runbooks" / "README.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in readme.splitlines() if line.startswith("| [")}
    assert {f"[`{name}`]({name}.yaml)": mode for name, mode in modes.items()} == {
        cell: next(mode for mode in ("Auto", "Approve", "Suggest") if row.split("|")[4].strip().partition(":")[0] == mode)
        for cell, row in rows.items()
    }


def test_the_shipped_healing_policy_states_nothing_that_people_set():
    (policy,) = (document for document in shipped.documents(ROOT / "manifests" / "default") if document["kind"] == "HealingPolicy")
    assert policy["spec"] == {}
    assert MODELS["HealingPolicy"].model_validate({"metadata": policy["metadata"], "spec": {}}).spec.mode == "Suggest"


def test_all_that_ships_is_labelled_as_part_of_prunella():
    applied = [
        *shipped.documents(ROOT / "manifests" / "default"),
        *shipped.documents(ROOT / "manifests" / "opt-in"),
        *shipped.documents(ROOT / "manifests" / "own-account"),
        *map(crd.definition, kinds.KINDS),
    ]
    assert len(applied) > 20
    assert [
        document["metadata"]["name"] for document in applied if document["metadata"]["labels"].get("app.kubernetes.io/part-of") != "prunella"
    ] == []


def test_every_manifest_is_listed_by_the_kustomization_beside_it():
    for kustomization in (ROOT / "manifests" / "default").rglob("kustomization.yaml"):
        listed = set(yaml.safe_load(kustomization.read_text())["resources"])
        beside = {path.name for path in kustomization.parent.iterdir() if path.name != "kustomization.yaml"}
        assert beside <= listed, kustomization


def test_every_policy_denies_and_fails_closed():
    documents = shipped.documents(ROOT / "manifests" / "default")
    policies = {document["metadata"]["name"]: document for document in documents if document["kind"] == "ValidatingAdmissionPolicy"}
    bindings = {document["spec"]["policyName"]: document["spec"] for document in documents if document["kind"] == "ValidatingAdmissionPolicyBinding"}
    assert set(policies) == set(bindings)
    assert {binding["validationActions"][0] for binding in bindings.values()} == {"Deny"}
    assert {policy["spec"]["failurePolicy"] for policy in policies.values()} == {"Fail"}


def test_nothing_that_ships_grants_more_than_it_names():
    roles = [document for document in shipped.documents(ROOT / "manifests" / "default") if document["kind"] in {"ClusterRole", "Role"}]
    rules = [(role["metadata"]["name"], rule) for role in roles for rule in role["rules"]]
    assert len(rules) > 10
    for name, rule in rules:
        said = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert not said & {"*", "escalate", "bind", "impersonate", "pods/exec", "serviceaccounts/token"}, name
        assert "secrets" not in rule["resources"] or (rule["resourceNames"] == ["prunella-receivers"] and rule["verbs"] == ["get"]), name


def test_the_operator_may_act_as_one_named_account_and_never_as_a_user_or_group():
    documents = shipped.documents(ROOT / "manifests" / "own-account")
    account, role, binding = (next(one for one in documents if one["kind"] == kind) for kind in ("ServiceAccount", "Role", "RoleBinding"))
    name = account["metadata"]["name"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": [name], "verbs": ["get", "impersonate"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "prunella", "namespace": "prunella-system"}]
