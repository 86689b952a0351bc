"""Who may ask for a run: people with real rights. The API server refuses what is not its author's own, for this Runbook, here."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from tests.cluster.conftest import OPERATOR, Kubectl, until
from tests.cluster.outside import deployment
from tests.cluster.test_crds import example
from tests.docs.test_readme import commands as typed
from tests.harness.foreground import Foreground

from prunella.api.names import ApprovalVerdict
from prunella.api.remediation import Remediation
from prunella.core import commands

pytestmark = pytest.mark.cluster

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "run-a-runbook-yourself.md"
RUNBOOKS = "runbooks.prunella.dev"
NO_VERB = "you need the verb run on runbooks/mend in {0}: whoever owns it grants it with `"
FORGED = "spec.requestedBy must be your own user name: 'dana'"
BY_OPERATOR = "an attempt at an Incident is made by the operator: to ask for a run yourself leave spec.incidentRef out"
ELSEWHERE = "spec.targetRef.namespace must be the namespace of the Remediation"
PLANNED = "must have attempt, mode and planHash with incidentRef, and without it none of them"
BY_NAME = "must name targetRef and runbookRef by their names alone where incidentRef is absent"
NUMBERED = "must not have a name that ends in '-' and a number"
FIXED = "must not change: a Remediation is one attempt, exactly as it was planned"


@pytest.fixture(scope="module")
def books(prunella: Kubectl) -> Iterator[str]:
    """A namespace with the Runbook `mend`: dana may run that one and no other."""
    name = f"t-{uuid4().hex[:10]}"
    prunella("create", "namespace", name)
    prunella("create", "role", "mend-runner", "-n", name, "--verb=run", f"--resource={RUNBOOKS}", "--resource-name=mend")
    prunella("create", "rolebinding", "runners", "-n", name, "--role=mend-runner", "--user=dana")
    until(partial(_may, prunella.by("dana"), "run", f"{RUNBOOKS}/mend", name))
    yield name
    prunella("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def namespace(prunella: Kubectl) -> Iterator[str]:
    """dana and eve may ask here; dana and ana may approve."""
    name = f"t-{uuid4().hex[:10]}"
    prunella("create", "namespace", name)
    prunella("create", "rolebinding", "who-asks", "-n", name, "--clusterrole=prunella-ask", "--user=dana", "--user=eve")
    prunella("create", "rolebinding", "approvers", "-n", name, "--clusterrole=prunella-approve", "--user=ana", "--user=dana")
    for person, verb in (("dana", "create"), ("eve", "create"), ("ana", "approve"), ("dana", "approve")):
        until(partial(_may, prunella.by(person), verb, "remediations.prunella.dev", name))
    yield name
    prunella("delete", "namespace", name, "--wait=false")


def _may(person: Kubectl, verb: str, what: str, namespace: str) -> bool:
    return person.attempt("auth", "can-i", verb, what, "-n", namespace).returncode == 0


def request(books: str, **spec: Any) -> dict[str, Any]:
    """What dana writes."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    made = {"targetRef": target, "runbookRef": {"namespace": books, "name": "mend"}, "requestedBy": "dana"}
    return example("Remediation", f"again-{uuid4().hex[:8]}x") | {"spec": made | spec}


def ask(person: Kubectl, made: dict[str, Any], namespace: str) -> None:
    person("create", "-n", namespace, "-f", "-", stdin=json.dumps(made))


def refused(person: Kubectl, made: dict[str, Any], namespace: str) -> str:
    return person.refused("create", "-n", namespace, "-f", "-", stdin=json.dumps(made))


def stored(prunella: Kubectl, made: dict[str, Any], namespace: str) -> Remediation:
    return Remediation.read(json.loads(prunella("get", "remediation", made["metadata"]["name"], "-n", namespace, "-o", "json")))


def take_on(prunella: Kubectl, made: dict[str, Any], namespace: str) -> Remediation:
    """As the operator does it: the whole object is sent, with what it pins in its places, and the API server takes the status alone."""
    one = json.loads(prunella("get", "remediation", made["metadata"]["name"], "-n", namespace, "-o", "json"))
    target = made["spec"]["targetRef"] | {"namespace": namespace, "uid": "u-1"}
    pinned = {
        "targetRef": target,
        "runbookRef": made["spec"]["runbookRef"] | {"sha256": "a1"},
        "attempt": 1,
        "mode": "Approve",
        "planHash": "a41c9e",
        "dueTime": "2026-11-24T09:41:07.000000Z",
    }
    known = Remediation.read(one | {"status": {"phase": "Pending", "pinned": pinned}})
    body = {"apiVersion": one["apiVersion"], "kind": one["kind"], **known.wire(), "metadata": one["metadata"]}
    prunella.by(OPERATOR)("replace", "--subresource=status", "-f", "-", stdin=json.dumps(body))
    return stored(prunella, made, namespace)


def test_who_may_run_the_runbook_asks_in_their_own_name(prunella: Kubectl, namespace: str, books: str):
    made = request(books, parameters={"depth": "2"})
    ask(prunella.by("dana"), made, namespace)
    one = stored(prunella, made, namespace)
    assert (one.spec.requested_by, one.is_request, one.accepted, one.spec.parameters) == ("dana", True, False, {"depth": "2"})


def test_the_right_to_create_is_not_enough_and_the_sentence_says_how_the_other_is_granted(prunella: Kubectl, namespace: str, books: str):
    said = refused(prunella.by("eve"), request(books, requestedBy="eve"), namespace)
    assert NO_VERB.format(books) in said
    prunella(*shlex.split(said.split("`")[1].removeprefix("kubectl ")), "--dry-run=server")


def test_what_the_page_says_can_be_typed(prunella: Kubectl, namespace: str):
    prunella("create", "--dry-run=server", "-f", "-", stdin=PAGE.read_text().split("```yaml\n")[1].split("```")[0])
    grants = [line for line in typed(PAGE) if line.startswith("kubectl create ")]
    assert len(grants) == 3
    for line in grants:
        prunella(*shlex.split(line.replace("-n shop", f"-n {namespace}"))[1:], "--dry-run=server")


def test_the_verb_counts_for_that_runbook_alone(prunella: Kubectl, namespace: str, books: str):
    said = refused(prunella.by("dana"), request(books, runbookRef={"namespace": books, "name": "mend-more"}), namespace)
    assert "you need the verb run on runbooks/mend-more in " in said
    said = refused(prunella.by("dana"), request(books, runbookRef={"namespace": namespace, "name": "mend"}), namespace)
    assert f"you need the verb run on runbooks/mend in {namespace}" in said


def test_without_the_right_to_create_there_is_no_request(prunella: Kubectl, namespace: str, books: str):
    assert "cannot create resource" in refused(prunella.by("ana"), request(books, requestedBy="ana"), namespace)
    assert "cannot create resource" in refused(prunella.by("dana"), request(books), books)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"requestedBy": "ana"}, FORGED),
        ({"requestedBy": OPERATOR}, FORGED),
        ({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "namespace": "kube-system"}}, ELSEWHERE),
        ({"incidentRef": {"name": "x", "uid": "1"}, "attempt": 1, "mode": "Auto", "planHash": "a41c9e"}, BY_OPERATOR),
        ({"planHash": "a41c9e"}, PLANNED),
        ({"mode": "Auto"}, PLANNED),
        ({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "1"}}, BY_NAME),
        ({"approvals": [{"by": "dana", "planHash": "a41c9e", "verdict": "Approved"}]}, "a Remediation is made without spec.approvals"),
    ],
    ids=["another's name", "the operator's name", "another namespace", "an Incident", "a plan", "a mode", "a uid", "an approval"],
)
def test_what_nobody_may_say_is_refused(prunella: Kubectl, namespace: str, books: str, spec: dict[str, Any], sentence: str):
    assert sentence in refused(prunella.by("dana"), request(books, **spec), namespace)


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "1"}]},
        {"finalizers": ["example.com/kept"]},
    ],
    ids=["an owner with which it goes", "a finalizer with which it stays"],
)
def test_a_record_is_born_to_stay_as_long_as_everybody_elses(prunella: Kubectl, namespace: str, books: str, metadata: dict[str, Any]):
    """Quotas are counted from it, and what was begun is settled by it."""
    made = request(books)
    made["metadata"] |= metadata
    assert "metadata.ownerReferences and metadata.finalizers must be left out" in refused(prunella.by("dana"), made, namespace)


def test_a_service_account_asks_for_no_run(prunella: Kubectl, namespace: str, books: str):
    """Whoever may use one could ask as it and approve as themselves."""
    robot = f"system:serviceaccount:{namespace}:robot"
    prunella("create", "rolebinding", "robots", "-n", namespace, "--clusterrole=prunella-ask", f"--user={robot}")
    prunella("create", "rolebinding", "robots", "-n", books, "--role=mend-runner", f"--user={robot}")
    until(partial(_may, prunella.by(robot), "run", f"{RUNBOOKS}/mend", books))
    until(partial(_may, prunella.by(robot), "create", "remediations.prunella.dev", namespace))
    assert "a run is asked for by a person" in refused(prunella.by(robot), request(books, requestedBy=robot), namespace)


def test_no_request_takes_the_name_of_an_attempt(prunella: Kubectl, namespace: str, books: str):
    made = request(books)
    made["metadata"]["name"] = "checkout-7f3kq-1"
    assert NUMBERED in refused(prunella.by("dana"), made, namespace)


def test_what_was_asked_for_never_changes_and_its_status_is_the_operators(prunella: Kubectl, namespace: str, books: str):
    made = request(books)
    ask(prunella.by("dana"), made, namespace)
    name = made["metadata"]["name"]
    change = json.dumps({"spec": {"runbookRef": {"name": "mend-more"}}})
    assert FIXED in prunella.by("dana").refused("patch", "remediation", name, "-n", namespace, "--type=merge", "-p", change)
    forged = json.dumps({"status": {"phase": "Succeeded"}})
    prunella.by("dana").refused("patch", "remediation", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", forged)
    prunella.by("dana").refused("delete", "remediation", name, "-n", namespace)


def test_the_plan_that_was_made_of_it_is_approved_by_somebody_else_and_by_its_own_hash(prunella: Kubectl, namespace: str, books: str):
    made = request(books)
    ask(prunella.by("dana"), made, namespace)
    say = partial(_say, namespace=namespace, name=made["metadata"]["name"])
    assert "must be that of the plan" in prunella.by("ana").refused(*say("ana", "a41c9e")), "there is no plan yet"
    one = take_on(prunella, made, namespace)
    assert (one.spec.plan_hash, one.spec.target_ref.uid, one.accepted) == ("a41c9e", "u-1", True)
    assert json.loads(prunella("get", "remediation", made["metadata"]["name"], "-n", namespace, "-o", "json"))["spec"] == made["spec"]
    assert "whoever asked for an attempt may not approve it" in prunella.by("dana").refused(*say("dana", "a41c9e"))
    assert "must be that of the plan, a41c9e" in prunella.by("ana").refused(*say("ana", "0ld0ld")), "of a plan that was another one's"
    line = commands.say(one, ApprovalVerdict.APPROVED, by="ana")
    prunella.by("ana")(*shlex.split(line.removeprefix("kubectl ")))
    assert [said.by for said in stored(prunella, made, namespace).spec.approvals] == ["ana"]


def _say(by: str, plan_hash: str, *, namespace: str, name: str) -> tuple[str, ...]:
    said = [{"op": "add", "path": "/spec/approvals", "value": [{"by": by, "planHash": plan_hash, "verdict": "Approved"}]}]
    return ("patch", "remediation", name, "-n", namespace, "--type=json", "-p", json.dumps(said))


@pytest.fixture
def opted_in(prunella: Kubectl, namespace: str) -> Iterator[str]:
    """A Runbook that people may run, and a healthy workload in a namespace where people must approve. The Runbook's name."""
    name = f"again-{uuid4().hex[:8]}x"
    verify = {
        "stabilizeSeconds": 1,
        "intervalSeconds": 1,
        "successes": 2,
        "timeoutSeconds": 300,
        "checks": [{"name": "healthy", "workloadHealthy": {}}],
    }
    spec = {"title": "Restart", "match": {"causes": ["CrashLoop"], "when": "false"}, "mode": "Auto", "selfService": {}, "verify": verify}
    book = example("Runbook", name) | {"spec": spec | {"steps": [{"name": "restart", "restart": {}}]}}
    prunella("create", "-n", "prunella-system", "-f", "-", stdin=json.dumps(book))
    prunella("create", "role", name, "-n", "prunella-system", "--verb=run", f"--resource={RUNBOOKS}", f"--resource-name={name}")
    prunella("create", "rolebinding", name, "-n", "prunella-system", f"--role={name}", "--user=dana")
    prunella("apply", "-n", namespace, "-k", "manifests/opt-in")
    prunella("label", "namespace", namespace, "prunella.dev/mode=Approve")
    prunella("patch", "healingpolicy", "default", "--type=merge", "-p", '{"spec": {"mode": "Auto"}}')
    prunella("create", "-n", namespace, "-f", "-", stdin=json.dumps(deployment("checkout", "localhost/box:v1", replicas=1)))
    prunella("rollout", "status", "deployment/checkout", "-n", namespace, "--timeout=80s")
    until(partial(_may, prunella.by("dana"), "run", f"{RUNBOOKS}/{name}", "prunella-system"))
    yield name
    prunella("patch", "healingpolicy", "default", "--type=merge", "-p", '{"spec": {"mode": "Suggest"}}')
    for kind in ("role", "rolebinding", "runbook"):
        prunella("delete", kind, name, "-n", "prunella-system")


def test_the_operator_takes_it_on_asks_others_and_does_it_once(prunella: Kubectl, namespace: str, opted_in: str, tmp_path: Path):
    template = ("get", "deployment", "checkout", "-n", namespace, "-o", "jsonpath={.metadata.generation}")
    made, before = request("prunella-system", runbookRef={"namespace": "prunella-system", "name": opted_in}), prunella(*template)
    ask(prunella.by("dana"), made, namespace)
    with operator(prunella, tmp_path):
        until(lambda: stored(prunella, made, namespace).status.approval_deadline_time, seconds=180)
        one = stored(prunella, made, namespace)
        assert (one.status.plan, prunella(*template)) == ("restart the pods of deploy/checkout", before)
        assert "restartedAt" in one.status.diff
        prunella.by("ana")(*shlex.split(commands.say(one, ApprovalVerdict.APPROVED, by="ana").removeprefix("kubectl ")))
        until(lambda: stored(prunella, made, namespace).status.ended_time, seconds=180)
    ended = stored(prunella, made, namespace)
    assert ended.status.outcome == "Remediated", ended.status.message
    assert [step.intent.approved_by for step in ended.status.steps if step.intent] == [("ana",)]
    assert prunella("get", "incidents", "-n", namespace, "-o", "name") == ""


def operator(prunella: Kubectl, folder: Path) -> Foreground:
    """The process with its own account."""
    kubeconfig = yaml.safe_load(Path(prunella.kubeconfig).read_text())
    token = prunella("create", "token", "prunella", "-n", "prunella-system").strip()
    kubeconfig["users"] = [{"name": kubeconfig["users"][0]["name"], "user": {"token": token}}]
    file = folder / "operator.kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Foreground("--kubeconfig", str(file), "--listen", f"127.0.0.1:{port}")
