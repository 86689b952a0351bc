"""`prunella explain` against a real API server: with all rights, and with few."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.conftest import Kubectl, until

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, labels: {app: checkout}}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: "localhost/box:v1"}]
"""
INCIDENT = """
apiVersion: prunella.dev/v1alpha1
kind: Incident
metadata: {name: checkout-is-slow}
spec:
  title: Customers say that checkout is slow
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}
"""


def explain(kubectl: Kubectl, *words: str, kubeconfig: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "prunella.cli.main", "explain", f"--kubeconfig={kubeconfig or kubectl.kubeconfig}", *words]
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    )


@pytest.fixture
def shop(prunella: Kubectl, namespace: str) -> str:
    prunella("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT)
    until(lambda: prunella("get", "deploy", "checkout", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}") == "1", seconds=60)
    return namespace


def test_a_workload_without_an_incident_is_judged_as_of_now(prunella, shop):
    said = explain(prunella, "deploy/checkout", "-n", shop, "--guards")
    assert said.returncode == 0, said.stderr
    assert f"deploy/checkout   {shop}   as of now, recomputed: it has no open Incident" in said.stdout
    assert "nothing is wrong with it" in said.stdout
    assert f"namespace {shop}: Observe" in said.stdout
    assert "Rights: MissingPermission" in said.stdout
    assert f"kubectl apply -n {shop} -k manifests/opt-in" in said.stdout
    assert "not read" not in said.stdout


def test_a_workload_with_an_open_incident_tells_that_one(prunella, shop):
    prunella("apply", "-n", shop, "-f", "-", stdin=INCIDENT)
    said = explain(prunella, "deployment/checkout", "-n", shop, "-o", "json")
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert told["head"].startswith("checkout-is-slow   -   not looked at yet   deploy/checkout")
    assert told["rows"][0]["label"] == "seen"
    assert "reported by a person" in told["rows"][0]["why"]


def test_an_alert_that_does_not_fire_is_supposed_and_nothing_is_written(prunella, shop):
    before = prunella("get", "deploy,incidents,remediations,events", "-n", shop, "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    said = explain(prunella, "deploy/checkout", "-n", shop, "--alert", '{alertname="KubeDeploymentRolloutStuck", severity="warning"}')
    assert said.returncode == 0, said.stderr
    assert "supposing that an alert fires" in said.stdout
    assert f'namespace="{shop}"' in said.stdout
    assert "roll-back-bad-rollout" in said.stdout
    assert prunella("get", "deploy,incidents,remediations,events", "-n", shop, "-o", "jsonpath={.items[*].metadata.resourceVersion}") == before


def test_an_alert_is_supposed_for_a_workload_alone(prunella, shop):
    said = explain(prunella, "checkout-is-slow", "-n", shop, "--alert", '{alertname="Slow"}')
    assert (said.returncode, "--alert is supposed for a workload, not for 'checkout-is-slow'" in said.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("checkout-is-slo",), "did you mean checkout-is-slow?"),
        (("inc/nowhere-near",), "a workload is explained as KIND/NAME, for example deploy/checkout"),
        (("deploy/nope",), "there is no Deployment 'nope' in "),
        (("svc/checkout",), "'svc/checkout' can't be explained: name an Incident, or a workload as deploy/NAME, sts/NAME or ds/NAME"),
    ],
    ids=["a misspelt Incident", "no such Incident", "no such workload", "a kind that is not explained"],
)
def test_what_is_not_there_is_said_with_the_nearest_that_is(prunella, shop, words, sentence):
    prunella("apply", "-n", shop, "-f", "-", stdin=INCIDENT)
    said = explain(prunella, *words, "-n", shop)
    assert said.returncode == 1
    assert sentence in said.stderr


def test_a_person_with_few_rights_learns_what_could_not_be_read(prunella, shop, tmp_path):
    prunella("create", "serviceaccount", "eve", "-n", shop)
    prunella("create", "rolebinding", "eve", "-n", shop, "--clusterrole=view", f"--serviceaccount={shop}:eve")
    kubeconfig = tmp_path / "eve.kubeconfig"
    kubeconfig.write_text(Path(prunella.kubeconfig).read_text())
    token = prunella("create", "token", "eve", "-n", shop).strip()
    config = ("config", f"--kubeconfig={kubeconfig}")
    context = json.loads(subprocess.run(["kubectl", *config, "view", "--raw", "-o", "json"], capture_output=True, text=True, check=True).stdout)
    name = context["contexts"][0]["name"]
    subprocess.run(["kubectl", *config, "set-credentials", "eve", f"--token={token}"], check=True, capture_output=True)
    subprocess.run(["kubectl", *config, "set-context", name, "--user=eve"], check=True, capture_output=True)
    until(lambda: "seen" in explain(prunella, "deploy/checkout", "-n", shop, kubeconfig=str(kubeconfig)).stdout)
    said = explain(prunella, "deploy/checkout", "-n", shop, kubeconfig=str(kubeconfig))
    assert said.returncode == 0, said.stderr
    assert "you may not get healingpolicies.prunella.dev" in said.stdout
    assert "you may not list runbooks.prunella.dev in prunella-system" in said.stdout
    assert "you may not ask what Prunella's account may do" in said.stdout
    assert "it counts as unknown" in said.stdout
