"""A control plane as a person with kubectl sees it, Prunella installed in it, and a namespace of one's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from tests.cluster.outside import KUBECONFIG, SOON

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = "system:serviceaccount:prunella-system:prunella"


@dataclass(frozen=True)
class Kubectl:
    """kubectl at the top of the checkout, as the administrator or as whoever is impersonated."""

    kubeconfig: str
    user: str = ""

    def by(self, user: str) -> Kubectl:
        return replace(self, user=user)

    def attempt(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = ["kubectl", f"--kubeconfig={self.kubeconfig}", *([f"--as={self.user}"] if self.user else []), *arguments]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=90, cwd=ROOT)

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        done = self.attempt(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl said about something that must not work."""
        done = self.attempt(*arguments, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} was not refused: {done.stdout}"
        return done.stderr.strip()


def until(question: Callable[[], object], *, seconds: float = SOON) -> None:
    """Ask until the answer is true; fails at the deadline."""
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


def wait_until_policies_hold(kubectl: Kubectl) -> None:
    """A policy holds about a second after it was applied. The last one applied refuses the last thing that all of them must."""
    probe = '{"metadata":{"annotations":{"kopf.prunella.dev/probe":"x"}}}'
    until(
        lambda: "marks.prunella.dev" in kubectl.attempt("patch", "healingpolicy", "default", "--type=merge", "--dry-run=server", "-p", probe).stderr
    )
    forged = '{"status":{"stormMessage":"x"}}'
    patch = ("patch", "healingpolicy", "default", "--subresource=status", "--type=merge", "--dry-run=server", "-p", forged)
    until(lambda: "status.prunella.dev" in kubectl.attempt(*patch).stderr)


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    if not KUBECONFIG:
        pytest.skip("needs a control plane: `hack/cluster/box run NAME -- pytest tests/cluster`")
    return Kubectl(KUBECONFIG)


@pytest.fixture(scope="session")
def prunella(kubectl: Kubectl) -> Kubectl:
    """Kinds, rights and policies, as `kubectl apply` installs them; no operator runs."""
    kubectl("apply", "-k", "crds")
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "-l", "app.kubernetes.io/part-of=prunella")
    kubectl("apply", "-k", "manifests/default")
    wait_until_policies_hold(kubectl)
    return kubectl


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    name = f"t-{uuid4().hex[:10]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
