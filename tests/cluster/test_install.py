"""Installing: by the five lines of the documentation, and by `prunella install`; and what the operator's account may do afterwards."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.cluster.conftest import OPERATOR, ROOT, Kubectl, until, wait_until_policies_hold

from prunella.cli import shipped

pytestmark = pytest.mark.cluster

GOLDEN = Path(__file__).parent / "golden"
FIVE_LINES = r"""
kubectl apply -k crds && kubectl wait --for=condition=Established crd -l app.kubernetes.io/part-of=prunella
kubectl apply -k manifests/default            # or: prunella install, which does both and shows what it does
kubectl apply -n shop -k manifests/opt-in     # Prunella may now change workloads in shop ...
kubectl label ns shop prunella.dev/mode=Auto  # ... as far as this and the HealingPolicy's ceiling (Suggest at install) allow
kubectl patch healingpolicy default --type=merge -p '{"spec":{"mode":"Auto"}}'
"""
CRD = "customresourcedefinition.apiextensions.k8s.io"


@pytest.fixture
def empty(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A cluster without Prunella, and with it again afterwards, for the other tests."""
    if "BOX_DIR" not in os.environ:
        pytest.skip("removes Prunella from the cluster, which only a box of the tests' own may lose")
    kubectl.attempt("delete", "-k", "manifests/default", "--ignore-not-found")
    kubectl("delete", "-k", "crds", "--ignore-not-found")
    kubectl("delete", "namespace", "shop", "--ignore-not-found")
    assert kubectl("get", "crd,clusterrole,validatingadmissionpolicy", "-l", "app.kubernetes.io/part-of=prunella", "-o", "name") == ""
    yield kubectl
    kubectl("apply", "-k", "crds")
    kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=prunella")
    kubectl("apply", "-k", "manifests/default")
    kubectl("patch", "healingpolicy", "default", "--type=merge", "-p", '{"spec":{"mode":"Suggest"}}')
    wait_until_policies_hold(kubectl)


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A folder that is not the checkout."""
    return tmp_path


def prunella_install(kubectl: Kubectl, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-W", "error", "-m", "prunella.cli.main", "install", "--kubeconfig", kubectl.kubeconfig, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=90)


def can(kubectl: Kubectl, verb: str, resource: str, namespace: str) -> bool:
    return kubectl.by(OPERATOR).attempt("auth", "can-i", verb, resource, "-n", namespace).returncode == 0


def test_the_five_lines_of_the_documentation_install_it_and_opt_a_namespace_in(empty: Kubectl):
    empty("create", "namespace", "shop")
    environment = os.environ | {"KUBECONFIG": empty.kubeconfig}
    for line in FIVE_LINES.strip().splitlines():
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=90)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert "Warning" not in done.stderr, line
    assert empty("get", "healingpolicy", "default", "-o", "jsonpath={.spec.mode}") == "Auto"
    until(lambda: can(empty, "patch", "deployments.apps", "shop"))
    assert not can(empty, "patch", "deployments.apps", "default")
    assert empty("get", "rolebinding", "prunella-remediate", "-n", "shop", "-o", "jsonpath={.subjects[*].namespace}") == "prunella-system"
    again = empty("apply", "-k", "crds") + empty("apply", "-k", "manifests/default")
    assert [line for line in again.splitlines() if not line.endswith(" unchanged")] == []
    assert empty("get", "healingpolicy", "default", "-o", "jsonpath={.spec.mode}") == "Auto", "what a person has set stays"
    empty("delete", "namespace", "shop", "--wait=false")


def test_prunella_install_does_the_same_and_a_second_time_changes_nothing(empty: Kubectl, away: Path):
    first = prunella_install(empty, away)
    assert (first.returncode, first.stderr) == (0, "")
    results = [line.rpartition(" ")[2] for line in first.stdout.splitlines() if re.match(r"[a-z.0-9]+/\S+ \S+$", line)]
    assert (len(results), set(results)) == (7 + len(shipped.documents(shipped.folder("manifests/default"))), {"created"})
    wait_until_policies_hold(empty)
    second = prunella_install(empty, away)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout.replace(" unchanged\n", " created\n").split("\nwrote")[0] == first.stdout.split("\nwrote")[0]


def test_prunella_install_says_what_it_does_and_what_is_next(prunella: Kubectl, away: Path):
    done = prunella_install(prunella, away)
    assert done.returncode == 0, done.stderr
    lines = [line.replace(f" --kubeconfig={prunella.kubeconfig}", "").replace(f"{ROOT}/", "") for line in done.stdout.splitlines()]
    assert [line for line in lines if line.startswith("$")] == [
        "$ kubectl apply --server-side --force-conflicts --field-manager=prunella-install -k crds",
        "$ kubectl wait --for=condition=Established crd -l app.kubernetes.io/part-of=prunella",
        "$ kubectl apply --server-side --force-conflicts --field-manager=prunella-install -k manifests/default",
        "$ kubectl create token prunella -n prunella-system --duration=24h",
    ]
    assert lines[-7:] == [
        "Start the operator:",
        "  prunella run --kubeconfig prunella.kubeconfig",
        "",
        "It changes nothing until the owner of a namespace lets it, for example in shop:",
        "  kubectl apply -n shop -k manifests/opt-in",
        "  kubectl label ns shop prunella.dev/mode=Auto",
        """  kubectl patch healingpolicy default --type=merge -p '{"spec":{"mode":"Auto"}}'""",
    ]


def test_the_written_kubeconfig_is_the_operators_account_for_a_day(prunella: Kubectl, away: Path):
    prunella_install(prunella, away, "--output", "mine.kubeconfig")
    written = away / "mine.kubeconfig"
    assert written.stat().st_mode & 0o777 == 0o600
    account = Kubectl(str(written))
    assert account("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == OPERATOR
    token = yaml.safe_load(written.read_text())["users"][0]["user"]["token"]
    claims = json.loads(_unpadded(token.split(".")[1]))
    assert claims["exp"] - claims["iat"] == 24 * 3600


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_prunella_install_leaves_a_runbook_as_a_person_has_set_it(prunella: Kubectl, away: Path):
    mode = ("get", "runbook", "roll-back-bad-rollout", "-n", "prunella-system", "-o", "jsonpath={.spec.mode}")
    patch = ("patch", "runbook", "roll-back-bad-rollout", "-n", "prunella-system", "--type=merge", "-p")
    prunella(*patch, '{"spec":{"mode":"Observe"}}')
    try:
        done = prunella_install(prunella, away)
        assert done.returncode == 0, done.stderr
        assert 'runbook/roll-back-bad-rollout left as people have set it (Apply failed with 1 conflict: conflict with "kubectl-patch"' in done.stdout
        assert ".spec.mode)" in done.stdout
        assert prunella(*mode) == "Observe"
    finally:
        prunella(*patch, '{"spec":{"mode":"Auto"}}')


def test_whoever_may_not_install_is_told_so_in_a_sentence(prunella: Kubectl, away: Path):
    assert prunella_install(prunella, away, "--output", "operator.kubeconfig").returncode == 0
    refused = prunella_install(Kubectl(str(away / "operator.kubeconfig")), away)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Error: You may not apply {CRD}/incidents.prunella.dev: ")
    assert refused.stderr.endswith("installing takes the rights of a cluster administrator\n")
    assert not (away / "prunella.kubeconfig").exists()


def test_a_token_that_has_run_out_is_told_so_in_a_sentence(prunella: Kubectl, away: Path):
    assert prunella_install(prunella, away, "--output", "operator.kubeconfig").returncode == 0
    spoilt = yaml.safe_load((away / "operator.kubeconfig").read_text())
    spoilt["users"][0]["user"]["token"] += "x"
    (away / "spoilt").write_text(yaml.safe_dump(spoilt))
    refused = prunella_install(Kubectl(str(away / "spoilt")), away)
    assert (refused.returncode, refused.stderr) == (
        1,
        "Error: The API server does not know you: Unauthorized; log in again, or choose another --context\n",
    )


@pytest.mark.parametrize(
    ("folder", "count"),
    [
        ("manifests/default", 46),
        ("manifests/opt-in", 1),
        ("manifests/own-account", 3),
        ("manifests/run-jobs", 2),
        ("manifests/restore-config", 2),
        ("manifests/relax-budgets", 2),
        ("manifests/raise-quotas", 2),
        ("manifests/bypass-webhooks", 2),
        ("manifests/nodes", 2),
        ("manifests/node-remediation", 2),
        ("crds", 7),
        ("runbooks", 20),
    ],
)
def test_what_is_read_from_python_is_what_kustomize_reads(kubectl: Kubectl, folder: str, count: int):
    by_kustomize = [document for document in yaml.safe_load_all(kubectl("kustomize", folder)) if document]
    by_us = shipped.documents(ROOT / folder)
    assert len(by_us) == count
    assert sorted(by_us, key=_identity) == sorted(by_kustomize, key=_identity)


def _identity(document: dict[str, object]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"  # type: ignore[index]


@pytest.mark.parametrize("where", ["elsewhere", "opted-in", "own-account", "prunella-system"])
def test_the_account_may_do_this_and_no_more(prunella: Kubectl, namespace: str, where: str):
    place = "prunella-system" if where == "prunella-system" else namespace
    if where == "opted-in":
        prunella("apply", "-n", namespace, "-k", "manifests/opt-in")
        until(lambda: can(prunella, "patch", "deployments.apps", namespace))
    if where == "own-account":
        prunella("apply", "-n", namespace, "-k", "manifests/own-account")
        until(lambda: can(prunella, "impersonate", "serviceaccounts/prunella-runbooks", namespace))
    listed = prunella.by(OPERATOR)("auth", "can-i", "--list", "--no-headers", "-n", place)
    assert rights(listed) == (GOLDEN / f"rights-{where}.txt").read_text().splitlines()


def rights(listed: str) -> list[str]:
    """One line a right, sorted; what every account may read of the API itself is left out."""
    rows = re.findall(r"^(\S+) +\[\] +\[(.*?)\] +\[(.*?)\]$", listed, flags=re.MULTILINE)
    assert len(rows) > 10
    return sorted(f"{resource}{f' {name}' if name else ''}: {' '.join(sorted(verbs.split()))}" for resource, name, verbs in rows)
