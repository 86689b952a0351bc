"""The ten minutes of the page about writing a Runbook, typed line by line, while the operator runs with its own account."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.cluster.conftest import ROOT, Kubectl, until
from tests.cluster.test_self_service import operator
from tests.docs.test_readme import commands

pytestmark = pytest.mark.cluster

PAGE = ROOT / "docs" / "how-to" / "write-a-runbook.md"
NAME = "roll-back-on-missing-config"
IMAGE = "registry.k8s.io/e2e-test-images/nginx:1.14-4"
WAITING = "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}"
LINES = [
    f"prunella lint {NAME}.yaml",
    f"kubectl apply -f {NAME}.yaml",
    f"kubectl wait --for=condition=Ready runbook/{NAME}",
    "kubectl create namespace try",
    "kubectl apply -n try -k manifests/opt-in",
    "kubectl create deployment web",
    "kubectl rollout status deployment/web",
    "kubectl patch deployment web",
    "kubectl get deploy,sts,ds,rs,controllerrevisions,pods -n try -o yaml > broken.yaml",
    f"prunella simulate broken.yaml --runbooks {NAME}.yaml --mode Auto",
    "kubectl prunella explain deploy/web -n try",
    "kubectl rollout undo deployment/web -n try",
    "kubectl wait --for=jsonpath='{.status.shadow.right}'=1",
    "kubectl get runbooks -n prunella-system",
    *[
        f'kubectl patch runbook {NAME} -n prunella-system --type=merge -p \'{{"spec":{{"mode":"{mode}"}}}}\''
        for mode in ("Suggest", "Approve", "Auto")
    ],
    "kubectl delete namespace try",
    f"kubectl delete runbook {NAME}",
]
"""How each line of the page begins: the test says of each what must come of it."""


class Shell:
    """Somebody who types in a folder with the checkout's manifests. The page's namespace and image are this test's own."""

    def __init__(self, kubeconfig: str, folder: Path, namespace: str) -> None:
        self._env = os.environ | {"KUBECONFIG": kubeconfig, "PYTHONPATH": str(ROOT / "operator")}
        self._folder = folder
        self._namespace = namespace
        (folder / "manifests").symlink_to(ROOT / "manifests")
        self._left = commands(PAGE)

    def type(self, beginning: str) -> str:
        """Type the next line of the page, which begins so, and return what was said."""
        line = self._left.pop(0)
        assert line.startswith(beginning)
        return self._run(line)

    def type_until(self, beginning: str, enough: Callable[[str], bool]) -> str:
        """Type it again and again until enough is said."""
        line, said = self._left.pop(0), [""]
        assert line.startswith(beginning)

        def told() -> bool:
            said.append(self._run(line))
            return enough(said[-1])

        until(told, seconds=60)
        return said[-1]

    def _run(self, line: str) -> str:
        here = (
            line.replace("-n try", f"-n {self._namespace}")
            .replace("namespace try", f"namespace {self._namespace}")
            .replace(IMAGE, "localhost/box:v1")
        )
        words = shlex.split(here)
        into = words[-1] if words[-2:-1] == [">"] else ""
        ours = ["prunella", *words[2:]] if words[:2] == ["kubectl", "prunella"] else words
        argv = [sys.executable, "-m", "prunella.cli.main", *ours[1:]] if ours[0] == "prunella" else ours
        argv = argv[: -2 if into else None]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=330, cwd=self._folder, env=self._env)
        assert done.returncode == 0, f"{here}: {done.stdout}{done.stderr}"
        if into:
            (self._folder / into).write_text(done.stdout)
        return done.stdout


@pytest.fixture
def shell(prunella: Kubectl, tmp_path: Path) -> Iterator[tuple[Shell, str]]:
    namespace = f"t-{uuid4().hex[:10]}"
    yield Shell(prunella.kubeconfig, tmp_path, namespace), namespace
    prunella.attempt("delete", "runbook", NAME, "-n", "prunella-system", "--ignore-not-found")
    prunella.attempt("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def test_the_page_has_the_lines_that_are_typed_here():
    found = commands(PAGE)
    assert len(found) == len(LINES)
    assert [line for line, beginning in zip(found, LINES, strict=True) if not line.startswith(beginning)] == []


def end_it(prunella: Kubectl, namespace: str) -> None:
    """Once it is seen to be well a person says that it is over, which spares the test five minutes."""
    resolved = "jsonpath={.items[*].status.conditions[?(@.type=='Resolved')].message}"
    until(lambda: "healthy since" in prunella("get", "incidents", "-n", namespace, "-o", resolved), seconds=120)
    me = prunella("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    name = prunella("get", "incidents", "-n", namespace, "-o", "name").strip()
    said = json.dumps({"spec": {"resolution": {"by": me, "summary": "the ConfigMap was wanted by mistake"}}})
    prunella("patch", name, "-n", namespace, "--type=merge", "-p", said)


@pytest.mark.timeout(420)
def test_ten_minutes_from_a_file_to_a_runbook_that_was_seen_to_be_right(prunella, shell, tmp_path):
    person, namespace = shell
    left = iter(LINES)
    (tmp_path / f"{NAME}.yaml").write_text(PAGE.read_text().split("```yaml\n")[1].split("```")[0])
    assert "1 file, 1 object: 0 errors, 0 warnings" in person.type(next(left))
    with operator(prunella, tmp_path):
        for _ in range(7):
            person.type(next(left))
        pods = ("get", "pods", "-n", namespace, "-o", WAITING)
        until(lambda: "CreateContainerConfigError" in prunella(*pods), seconds=60)
        person.type(next(left))
        simulated = person.type(next(left))
        assert f"{NAME}: NewestRevisionFails" in simulated
        assert "nothing stands in the way" in simulated
        told = person.type_until(next(left), lambda said: "ModeObserve" in said)
        assert NAME in told
        shadow = ("get", "incidents", "-n", namespace, "-o", "jsonpath={.items[*].status.shadow.runbookRef.name}")
        until(lambda: prunella(*shadow) == NAME, seconds=60)
        person.type(next(left))
        end_it(prunella, namespace)
        person.type(next(left))
        [row] = [line.split() for line in person.type(next(left)).splitlines() if line.startswith(NAME)]
        assert row[1:6] == ["Observe", "True", "1", "1", "0"]
        for mode in ("Suggest", "Approve", "Auto"):
            person.type(next(left))
            assert prunella("get", "runbook", NAME, "-n", "prunella-system", "-o", "jsonpath={.spec.mode}") == mode
        for beginning in left:
            person.type(beginning)
