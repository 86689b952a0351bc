"""Who may approve a plan: three people with real rights. The API server refuses every word that is not its speaker's own, to this plan (R26)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from tests.cluster.conftest import OPERATOR, Kubectl, until
from tests.cluster.test_crds import example

from prunella.api.common import Metadata
from prunella.api.names import ApprovalVerdict
from prunella.api.remediation import Remediation
from prunella.core import commands

pytestmark = pytest.mark.cluster

PATCHER = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "patcher"},
    "rules": [{"apiGroups": ["prunella.dev"], "resources": ["remediations"], "verbs": ["get", "patch", "update"]}],
}
VERB = (
    "you need the verb approve on remediations in {0}: "
    "`kubectl create rolebinding approvers -n {0} --clusterrole=prunella-approve --user=ben` grants it"
)
APPEND_ONLY = "spec.approvals is append-only: leave every entry as it was said"
FIXED = "must not change: a Remediation is one attempt, exactly as it was planned"


@pytest.fixture(scope="module")
def namespace(prunella: Kubectl) -> Iterator[str]:
    """ana and zoe may approve; ben may patch, and does not hold the verb. They hold it in this namespace alone."""
    name = f"t-{uuid4().hex[:10]}"
    prunella("create", "namespace", name)
    prunella("create", "rolebinding", "approvers", "--clusterrole=prunella-approve", "--user=ana", "--user=zoe", "-n", name)
    prunella("create", "-n", name, "-f", "-", stdin=json.dumps(PATCHER))
    prunella("create", "rolebinding", "patchers", "--role=patcher", "--user=ben", "-n", name)
    prunella("create", "serviceaccount", "robot", "-n", name)
    prunella("create", "rolebinding", "robots", "--clusterrole=prunella-approve", f"--serviceaccount={name}:robot", "-n", name)
    until(partial(_may, prunella.by("ana"), "approve", name))
    until(partial(_may, prunella.by("ben"), "patch", name))
    yield name
    prunella("delete", "namespace", name, "--wait=false")


def _may(person: Kubectl, verb: str, namespace: str) -> bool:
    return person.attempt("auth", "can-i", verb, "remediations.prunella.dev", "-n", namespace).returncode == 0


def make(prunella: Kubectl, namespace: str, **spec: Any) -> dict[str, Any]:
    made = example("Remediation", f"asks-{uuid4().hex[:8]}")
    made["spec"] |= {"mode": "Approve", "planHash": "a41c9e", "requestedBy": OPERATOR, "approvals": []} | spec
    prunella.by(OPERATOR)("create", "-n", namespace, "-f", "-", stdin=json.dumps(made))
    return made


@pytest.fixture
def attempt(prunella: Kubectl, namespace: str) -> dict[str, Any]:
    """An attempt as the operator makes it."""
    return make(prunella, namespace)


def append(made: dict[str, Any], namespace: str, by: str, **changes: Any) -> tuple[str, ...]:
    said = {"by": by, "planHash": "a41c9e", "verdict": "Approved"} | changes
    return json_patch(made, namespace, {"op": "add", "path": "/spec/approvals/-", "value": said})


def json_patch(made: dict[str, Any], namespace: str, *operations: dict[str, Any]) -> tuple[str, ...]:
    return ("patch", "remediation", made["metadata"]["name"], "-n", namespace, "--type=json", "-p", json.dumps(operations))


def put_status(prunella: Kubectl, made: dict[str, Any], namespace: str, status: dict[str, Any]) -> None:
    """As the operator does it: it may replace the status, and needs no right to read it apart."""
    name = made["metadata"]["name"]
    stored = json.loads(prunella("get", "remediation", name, "-n", namespace, "-o", "json")) | {"status": status}
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/remediations/{name}/status"
    prunella.by(OPERATOR)("replace", "--raw", path, "-f", "-", stdin=json.dumps(stored))


def approvals(prunella: Kubectl, made: dict[str, Any], namespace: str) -> list[tuple[str, str]]:
    stored = json.loads(prunella("get", "remediation", made["metadata"]["name"], "-n", namespace, "-o", "json"))
    return [(one["by"], one["verdict"]) for one in stored["spec"].get("approvals", [])]


def test_who_holds_the_verb_says_a_word_to_this_plan(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    prunella.by("ana")(*append(attempt, namespace, "ana", comment="the flag is gone", time="2026-11-24T10:02:24Z"))
    prunella.by("zoe")(*append(attempt, namespace, "zoe", verdict="Denied"))
    assert approvals(prunella, attempt, namespace) == [("ana", "Approved"), ("zoe", "Denied")]


def test_the_command_that_people_are_given_works_as_it_stands(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    stored = Remediation.model_validate({"metadata": Metadata(name=attempt["metadata"]["name"], namespace=namespace), "spec": attempt["spec"]})
    line = commands.say(stored, ApprovalVerdict.APPROVED, by="ana", comment="it's mine")
    words = shlex.split(line)
    assert words[0] == "kubectl"
    prunella.by("ana")(*words[1:])
    assert approvals(prunella, attempt, namespace) == [("ana", "Approved")]


def test_without_the_verb_the_right_to_patch_is_not_enough(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    for verdict in ("Approved", "Denied"):
        assert VERB.format(namespace) in prunella.by("ben").refused(*append(attempt, namespace, "ben", verdict=verdict))
    assert approvals(prunella, attempt, namespace) == []


def test_the_verb_counts_where_it_is_held(prunella: Kubectl, attempt: dict[str, Any]):
    elsewhere = f"t-{uuid4().hex[:10]}"
    prunella("create", "namespace", elsewhere)
    other = make(prunella, elsewhere)
    assert f'in the namespace "{elsewhere}"' in prunella.by("ana").refused(*append(other, elsewhere, "ana"))
    prunella("delete", "namespace", elsewhere, "--wait=false")


def test_nobody_speaks_for_another(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    said = prunella.by("ana").refused(*append(attempt, namespace, "zoe"))
    assert "spec.approvals[].by must be your own user name: 'ana'" in said
    assert "spec.approvals[].by must be your own user name: '" in prunella.refused(*append(attempt, namespace, "ana")), "an administrator neither"


def test_r26_who_asked_may_not_answer(prunella: Kubectl, namespace: str):
    mine = make(prunella, namespace, requestedBy="ana")
    assert "whoever asked for an attempt may not approve it: ask somebody else" in prunella.by("ana").refused(*append(mine, namespace, "ana"))
    prunella.by("zoe")(*append(mine, namespace, "zoe"))


def test_no_program_approves(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    robot = f"system:serviceaccount:{namespace}:robot"
    assert "a plan is approved by people: a ServiceAccount may not" in prunella.by(robot).refused(*append(attempt, namespace, robot))
    said = prunella.by(OPERATOR).refused(*append(attempt, namespace, OPERATOR))
    assert "forbidden" in said.lower()


def test_a_word_to_another_plan_is_refused(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    said = prunella.by("ana").refused(*append(attempt, namespace, "ana", planHash="b52d0f"))
    name = attempt["metadata"]["name"]
    assert f"must be that of the plan, a41c9e: look at it again with `kubectl prunella plan {name} -n {namespace}`" in said


def test_nobody_speaks_twice(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    ana = prunella.by("ana")
    ana(*append(attempt, namespace, "ana"))
    for again in ({}, {"verdict": "Denied"}, {"comment": "once more"}):
        assert "Duplicate value" in ana.refused(*append(attempt, namespace, "ana", **again))
    assert approvals(prunella, attempt, namespace) == [("ana", "Approved")]


def test_what_was_said_is_neither_removed_nor_altered(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    prunella.by("ana")(*append(attempt, namespace, "ana"))
    changes: list[dict[str, Any]] = [
        {"op": "remove", "path": "/spec/approvals/0"},
        {"op": "remove", "path": "/spec/approvals"},
        {"op": "replace", "path": "/spec/approvals", "value": []},
        {"op": "replace", "path": "/spec/approvals/0/verdict", "value": "Denied"},
        {"op": "add", "path": "/spec/approvals/0/comment", "value": "I meant something else"},
    ]
    for person in (prunella.by("ana"), prunella.by("zoe"), prunella.by("ben"), prunella):
        for change in changes:
            said = person.refused(*json_patch(attempt, namespace, change))
            assert APPEND_ONLY in said or "approvals are only appended" in said, said
    assert approvals(prunella, attempt, namespace) == [("ana", "Approved")]


def test_nothing_else_of_an_attempt_changes(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    for path, value in (("/spec/planHash", "b52d0f"), ("/spec/requestedBy", "ben"), ("/spec/attempt", 2), ("/spec/mode", "Auto")):
        change = {"op": "replace", "path": path, "value": value}
        for person in (prunella.by("ana"), prunella.by("ben"), prunella):
            assert FIXED in person.refused(*json_patch(attempt, namespace, change))
    swapped = {"op": "replace", "path": "/spec/planHash", "value": "b52d0f"}
    said = {"op": "add", "path": "/spec/approvals/-", "value": {"by": "ana", "planHash": "b52d0f", "verdict": "Approved"}}
    assert FIXED in prunella.by("ana").refused(*json_patch(attempt, namespace, swapped, said)), "nor in one breath"
    optional = {"op": "add", "path": "/spec/dueTime", "value": "2027-11-24T10:02:24Z"}
    assert FIXED in prunella.by("ana").refused(*json_patch(attempt, namespace, optional))


HALFWAY = "0123456789ab"


@pytest.fixture
def halfway(prunella: Kubectl, namespace: str, attempt: dict[str, Any]) -> dict[str, Any]:
    """An attempt that ana approved before it began, and that asks in its middle."""
    prunella.by("ana")(*append(attempt, namespace, "ana"))
    asks(prunella, attempt, namespace)
    return attempt


def asks(prunella: Kubectl, made: dict[str, Any], namespace: str, **asking: Any) -> None:
    times = {"askedTime": "2026-11-24T10:00:00Z", "deadlineTime": "2036-11-24T10:30:00Z"}
    put_status(prunella, made, namespace, {"phase": "Dispatched", "asking": {"step": "sure", "planHash": HALFWAY, **times, **asking}})


def test_an_approval_of_the_plan_is_not_replayed_in_the_middle_of_the_run(prunella: Kubectl, namespace: str, halfway: dict[str, Any]):
    name = halfway["metadata"]["name"]
    of_what_remains = f"must be that of the plan, {HALFWAY}: look at it again with `kubectl prunella plan {name} -n {namespace}`"
    assert of_what_remains in prunella.by("zoe").refused(*append(halfway, namespace, "zoe"))
    assert "Duplicate value" in prunella.by("ana").refused(*append(halfway, namespace, "ana"))
    assert of_what_remains in prunella.by("ana").refused(*append(halfway, namespace, "ana", planHash="ba9876543210"))
    prunella.by("ana")(*append(halfway, namespace, "ana", planHash=HALFWAY))
    assert approvals(prunella, halfway, namespace) == [("ana", "Approved"), ("ana", "Approved")], "what remains is another thing to say a word to"
    assert "Duplicate value" in prunella.by("ana").refused(*append(halfway, namespace, "ana", planHash=HALFWAY))


def test_an_approval_of_one_step_is_not_replayed_at_a_later_one(prunella: Kubectl, namespace: str, halfway: dict[str, Any]):
    asks(prunella, halfway, namespace, step="again", planHash="ba9876543210")
    for person in ("ana", "zoe"):
        assert "must be that of the plan, ba9876543210" in prunella.by(person).refused(*append(halfway, namespace, person, planHash=HALFWAY))


def test_nobody_but_the_operator_says_what_is_asked(prunella: Kubectl, namespace: str, halfway: dict[str, Any]):
    """What a patch of the object says of its status is not stored, and a word to it is refused."""
    swapped = {"op": "replace", "path": "/status/asking/planHash", "value": "ba9876543210"}
    said = {"op": "add", "path": "/spec/approvals/-", "value": {"by": "zoe", "planHash": "ba9876543210", "verdict": "Approved"}}
    assert f"must be that of the plan, {HALFWAY}" in prunella.by("zoe").refused(*json_patch(halfway, namespace, swapped, said))
    assert "forbidden" in prunella.by("zoe").refused(*json_patch(halfway, namespace, swapped), "--subresource=status").lower()


def test_who_asked_may_not_answer_in_the_middle_either(prunella: Kubectl, namespace: str):
    mine = make(prunella, namespace, requestedBy="ana")
    asks(prunella, mine, namespace)
    said = prunella.by("ana").refused(*append(mine, namespace, "ana", planHash=HALFWAY))
    assert "whoever asked for an attempt may not approve it: ask somebody else" in said
    prunella.by("zoe")(*append(mine, namespace, "zoe", planHash=HALFWAY))


def test_where_a_step_asks_for_some_only_theirs_is_an_approval(prunella: Kubectl, namespace: str, halfway: dict[str, Any]):
    asks(prunella, halfway, namespace, approvers={"users": ["eva"], "groups": ["leads"]})
    word = append(halfway, namespace, "ana", planHash=HALFWAY)
    assert "step 'sure' asks for the approval of eva, leads" in prunella.by("ana").refused(*word)
    member = append(halfway, namespace, "ana", planHash=HALFWAY, groups=["leads"])
    assert "spec.approvals[].groups must be groups that you are in" in prunella.by("ana").refused(*member)
    prunella.by("ana")("--as-group=leads", *member)
    prunella.by("zoe")(*append(halfway, namespace, "zoe", planHash=HALFWAY, verdict="Denied"))
    assert approvals(prunella, halfway, namespace) == [("ana", "Approved"), ("ana", "Approved"), ("zoe", "Denied")], "anybody may say no"


def test_the_command_works_in_the_middle_as_it_stands(prunella: Kubectl, namespace: str, halfway: dict[str, Any]):
    stored = Remediation.read(json.loads(prunella("get", "remediation", halfway["metadata"]["name"], "-n", namespace, "-o", "json")))
    prunella.by("zoe")(*shlex.split(commands.say(stored, ApprovalVerdict.APPROVED, by="zoe"))[1:])
    assert approvals(prunella, halfway, namespace) == [("ana", "Approved"), ("zoe", "Approved")]


def test_the_record_gets_no_owner_and_no_finalizer(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}
    for part, value in (("ownerReferences", [owner]), ("finalizers", ["example.com/mine"])):
        change = {"op": "add", "path": f"/metadata/{part}", "value": value}
        assert "a Remediation is a record" in prunella.by("ben").refused(*json_patch(attempt, namespace, change))


@pytest.mark.parametrize(("phase", "taken"), [("Pending", True), ("Dispatched", True), ("Verifying", False), ("Succeeded", False), ("Failed", False)])
def test_a_word_is_taken_while_the_attempt_can_use_it(prunella: Kubectl, namespace: str, attempt: dict[str, Any], phase: str, *, taken: bool):
    """A replay of an approval after the attempt is over is refused."""
    put_status(prunella, attempt, namespace, {"phase": phase})
    tried = prunella.by("ana").attempt(*append(attempt, namespace, "ana"))
    assert (tried.returncode == 0) is taken, tried.stderr
    if not taken:
        assert f"the attempt does not wait for approval any more: it is {phase}" in tried.stderr


def test_an_attempt_is_not_born_approved(prunella: Kubectl, namespace: str):
    born = example("Remediation", "born-approved")
    born["spec"] |= {"approvals": [{"by": OPERATOR, "planHash": born["spec"]["planHash"], "verdict": "Approved"}]}
    said = prunella.by(OPERATOR).refused("create", "-n", namespace, "-f", "-", stdin=json.dumps(born))
    assert "a Remediation is made without spec.approvals" in said


def test_the_operator_writes_status_of_an_attempt_that_people_approved(prunella: Kubectl, namespace: str, attempt: dict[str, Any]):
    prunella.by("ana")(*append(attempt, namespace, "ana"))
    name = attempt["metadata"]["name"]
    intent = {"id": "5b1e", "action": "Patch", "targetRef": attempt["spec"]["targetRef"], "writtenTime": "2026-11-24T10:02:24Z"}
    step = {"name": "rollback", "state": "Intended", "intent": {**intent, "deadlineTime": "2026-11-24T10:03:24Z", "approvedBy": ["ana"]}}
    put_status(prunella, attempt, namespace, {"phase": "Dispatched", "approvalDeadlineTime": "2026-11-24T10:30:00Z", "steps": [step]})
    stored = json.loads(prunella("get", "remediation", name, "-n", namespace, "-o", "json"))
    assert stored["status"]["steps"][0]["intent"]["approvedBy"] == ["ana"]
