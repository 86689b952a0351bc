"""Who may say what: the API server itself refuses a forged name, a forged status, a forged mark, whether we run or not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.cluster.conftest import OPERATOR, Kubectl, until, wait_until_policies_hold
from tests.cluster.test_crds import example
from tests.harness.api import Api, Refused

pytestmark = pytest.mark.cluster

SOURCE = "spec.source.kind must be Person, or spec.source absent: Watch and Alertmanager are written by the operator alone"
MADE_BY_OPERATOR = "an attempt at an Incident is made by the operator"
ONLY_STATUS = "status is written by the operator alone; say what you want in spec: acknowledgement, hold, resolution"
ANNOTATION = (
    "annotation {} is the operator's: leave it as it is, and out of what you create; people write prunella.dev/retry and prunella.dev/re-evaluate"
)
OWN_ANNOTATIONS = (
    "kopf.prunella.dev/progress",
    "prunella.dev/intent-id",
    "prunella.dev/temporary",
    "prunella.dev/irreversible",
    "prunella.dev/mode",
    "prunella.dev/entry",
    "prunella.dev/idempotent",
    "prunella.dev/max-memory",
    "prunella.dev/allowed-hosts",
    "prunella.dev/invented-later",
)
OWN_LABELS = ("prunella.dev/target", "prunella.dev/source", "prunella.dev/incident")
LABELS = "labels prunella.dev/target, prunella.dev/source and prunella.dev/incident are the operator's"
MEMORY = "In a WorkloadRecord people may only remove entries of spec.quarantined"
MOST = {
    "view": ("list", "incidents"),
    "edit": ("patch", "incidents"),
    "admin": ("patch", "incidents"),
    "prunella-approve": ("approve", "remediations"),
    "prunella-ask": ("create", "remediations"),
}
"""A right that each role has at last, when its aggregation is complete."""
PARTS: dict[str, dict[str, str]] = {
    "acknowledgement": {"note": "on it"},
    "hold": {"reason": "migration"},
    "resolution": {"summary": "rolled back by hand"},
}


@pytest.fixture(scope="module")
def namespace(prunella: Kubectl) -> Iterator[str]:
    """A namespace where people have the roles that most clusters give them."""
    name = f"t-{uuid4().hex[:10]}"
    prunella("create", "namespace", name)
    for role in MOST:
        prunella("create", "rolebinding", f"of-{role}", f"--clusterrole={role}", f"--user={role}-person", "-n", name)
    prunella("create", "rolebinding", "people", "--clusterrole=edit", "--user=ana", "--user=ben", "-n", name)
    # The aggregation of ClusterRoles is a controller's work, so that a new cluster has it after a moment.
    for person, (verb, plural) in {**{f"{role}-person": most for role, most in MOST.items()}, "ben": MOST["edit"]}.items():
        asked = ("auth", "can-i", verb, f"{plural}.prunella.dev", "-n", name)
        until(partial(allowed, prunella.by(person), asked))
    yield name
    prunella("delete", "namespace", name, "--wait=false")


@pytest.fixture
def ana(prunella: Kubectl, namespace: str) -> Kubectl:
    """A person who may edit the namespace, as most owners of one may."""
    return prunella.by("ana")


@pytest.fixture
def incident(ana: Kubectl, namespace: str) -> str:
    name = f"mine-{uuid4().hex[:6]}"
    ana("create", "-n", namespace, "-f", "-", stdin=json.dumps(example("Incident", name)))
    return name


@pytest.fixture
def record(prunella: Kubectl, namespace: str) -> str:
    name = f"deployment-{uuid4().hex[:6]}"
    prunella.by(OPERATOR)("create", "-n", namespace, "-f", "-", stdin=json.dumps(example("WorkloadRecord", name)))
    return name


def allowed(person: Kubectl, asked: tuple[str, ...]) -> bool:
    return person.attempt(*asked).returncode == 0


def patch(kind: str, name: str, namespace: str, body: object, *more: str) -> tuple[str, ...]:
    return ("patch", kind, name, "-n", namespace, "--type=merge", "-p", json.dumps(body), *more)


@pytest.mark.parametrize("part", PARTS)
def test_by_is_the_user_who_says_it(ana: Kubectl, namespace: str, incident: str, part: str):
    forged = {"spec": {part: {"by": "ben", **PARTS[part]}}}
    said = ana.refused(*patch("incident", incident, namespace, forged))
    assert f"spec.{part}.by must be your own user name: 'ana'" in said
    ana(*patch("incident", incident, namespace, {"spec": {part: {"by": "ana", **PARTS[part]}}}))


@pytest.mark.parametrize("part", PARTS)
def test_nobody_changes_the_words_of_another(ana: Kubectl, namespace: str, incident: str, part: str):
    ana(*patch("incident", incident, namespace, {"spec": {part: {"by": "ana", **PARTS[part]}}}))
    ben = ana.by("ben")
    (word,) = PARTS[part]
    said = ben.refused(*patch("incident", incident, namespace, {"spec": {part: {word: "something else"}}}))
    assert f"spec.{part}.by must be your own user name: 'ben'" in said
    ben(*patch("incident", incident, namespace, {"spec": {"impact": "Minor"}}))  # what stands there may stay
    ben(*patch("incident", incident, namespace, {"spec": {part: {"by": "ben", word: "mine now"}}}))
    ben(*patch("incident", incident, namespace, {"spec": {part: None}}))


def test_an_administrator_is_asked_for_his_own_name_too(prunella: Kubectl, namespace: str, incident: str):
    said = prunella.refused(*patch("incident", incident, namespace, {"spec": {"acknowledgement": {"by": "ana"}}}))
    assert "spec.acknowledgement.by must be your own user name: '" in said


def test_a_reporter_may_create_an_incident_that_is_already_acknowledged_by_himself_alone(ana: Kubectl, namespace: str):
    mine = example("Incident", "born")
    mine["spec"]["acknowledgement"] = {"by": "ben"}
    assert "spec.acknowledgement.by must be your own user name: 'ana'" in ana.refused("create", "-n", namespace, "-f", "-", stdin=json.dumps(mine))
    mine["spec"]["acknowledgement"] = {"by": "ana"}
    ana("create", "-n", namespace, "-f", "-", stdin=json.dumps(mine))


SIGNAL = {"key": "watch/RolloutCrashLoop", "startedTime": "2026-11-24T10:02:11Z"}
FOREIGN_PAY = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ledger", "namespace": "pay"}
FORGED: list[tuple[str, str, dict[str, Any], str]] = [
    ("a watch", "Incident", {"spec": {"source": {"kind": "Watch"}}}, SOURCE),
    ("an alert", "Incident", {"spec": {"source": {"kind": "Alertmanager", "signal": SIGNAL}}}, SOURCE),
    (
        "a cause",
        "Incident",
        {"spec": {"source": {"kind": "Person", "signal": {**SIGNAL, "cause": "RolloutCrashLoop"}}}},
        "spec.source.signal.cause must be Reported, or absent: the operator finds the cause itself",
    ),
    (
        "another namespace",
        "Incident",
        {"spec": {"targetRef": FOREIGN_PAY}},
        "spec.targetRef.namespace must be the namespace of the Incident, or absent: create it with -n pay",
    ),
    ("our label", "Incident", {"metadata": {"labels": {"prunella.dev/target": "web"}}}, LABELS),
    (
        "the framework's mark",
        "Incident",
        {"metadata": {"annotations": {"kopf.prunella.dev/last-handled": "{}"}}},
        ANNOTATION.format("kopf.prunella.dev/last-handled"),
    ),
    ("an intent", "EscalationPolicy", {"metadata": {"annotations": {"prunella.dev/intent-id": "5b1e"}}}, ANNOTATION.format("prunella.dev/intent-id")),
    ("an attempt", "Remediation", {}, MADE_BY_OPERATOR),
    ("a memory", "WorkloadRecord", {}, "WorkloadRecords are made by the operator, from what it saw"),
]


def forgery(kind: str, changes: dict[str, Any]) -> str:
    forged = example(kind, "forged")
    for part, change in changes.items():
        forged[part] |= change
    return json.dumps(forged)


@pytest.mark.parametrize(("kind", "changes", "sentence"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED])
def test_a_forgery_is_refused_even_to_an_administrator(prunella: Kubectl, namespace: str, kind: str, changes: dict[str, Any], sentence: str):
    assert sentence in prunella.refused("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=forgery(kind, changes))


@pytest.fixture
def unprotected(prunella: Kubectl) -> Iterator[Kubectl]:
    """The same cluster without our policies in force."""
    if "BOX_DIR" not in os.environ:
        pytest.skip("takes the policies out of force, which only a box of the tests' own may lose")
    prunella("delete", "validatingadmissionpolicybinding", "-l", "app.kubernetes.io/part-of=prunella")
    yield prunella
    prunella("apply", "-k", "manifests/default")
    wait_until_policies_hold(prunella)


def test_without_the_policies_every_forgery_would_be_taken(unprotected: Kubectl, namespace: str):
    for _, kind, changes, _ in FORGED:
        forged = forgery(kind, changes)
        until(partial(taken, unprotected, "create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=forged))
    words = {"spec": {part: {"by": "ben", **said} for part, said in PARTS.items()}}
    until(partial(taken, unprotected, "create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=forgery("Incident", words)))
    status = patch("healingpolicy", "default", namespace, {"status": {"stormMessage": "x"}}, "--subresource=status", "--dry-run=server")
    until(partial(taken, unprotected, *status))


def taken(kubectl: Kubectl, *arguments: str, stdin: str = "") -> bool:
    return kubectl.attempt(*arguments, stdin=stdin).returncode == 0


def test_the_operator_writes_what_others_may_not(prunella: Kubectl, namespace: str):
    seen = example("Incident", "checkout-7f3kq")
    seen["metadata"]["labels"] = {"prunella.dev/target": "checkout", "prunella.dev/source": "Watch"}
    seen["spec"]["source"] = {"kind": "Watch", "signal": {**SIGNAL, "cause": "RolloutCrashLoop"}}
    attempt = example("Remediation", "checkout-7f3kq-1")
    attempt["metadata"]["labels"] = {"prunella.dev/incident": "checkout-7f3kq"}
    operator = prunella.by(OPERATOR)
    for made in (seen, attempt):
        operator("create", "-n", namespace, "-f", "-", stdin=json.dumps(made))


@pytest.fixture(scope="module")
def api(prunella: Kubectl) -> Api:
    """The API server as the administrator sees it: even he is not the operator."""
    return Api(Path(prunella.kubeconfig))


KEYS = [*(("annotations", one) for one in OWN_ANNOTATIONS), *(("labels", one) for one in OWN_LABELS)]


@pytest.mark.parametrize("kind", ["Incident", "Runbook", "EscalationPolicy", "CatalogEntry", "HealingPolicy", "WorkloadRecord"])
def test_marks_are_nobodys_to_set_on_any_kind(api: Api, namespace: str, incident: str, record: str, kind: str):
    names = {"Incident": incident, "WorkloadRecord": record, "HealingPolicy": "default", "Runbook": "roll-back-bad-rollout"}
    name, where = names.get(kind, "marks"), "prunella-system" if kind == "Runbook" else namespace
    if kind not in names:
        api.create(example(kind, name) | {"metadata": {"name": name, "namespace": namespace}})
    for part, key in KEYS:
        with pytest.raises(Refused) as refused:
            api.patch(kind, name, {"metadata": {part: {key: "x"}}}, where)
        assert (ANNOTATION.format(key) if part == "annotations" else LABELS) in refused.value.message


def test_an_object_is_not_born_with_marks(api: Api, namespace: str):
    for part, key in KEYS:
        with pytest.raises(Refused) as refused:
            api.create(example("Incident", "born-marked") | {"metadata": {"name": "born-marked", "namespace": namespace, part: {key: "x"}}})
        assert (ANNOTATION.format(key) if part == "annotations" else LABELS) in refused.value.message


def test_a_mark_that_the_operator_left_stays(prunella: Kubectl, namespace: str, ana: Kubectl):
    marked = example("Incident", "marked")
    marked["metadata"] |= {"annotations": {"kopf.prunella.dev/progress": "x"}, "labels": {"prunella.dev/target": "checkout"}}
    prunella.by(OPERATOR)("create", "-n", namespace, "-f", "-", stdin=json.dumps(marked))
    for change in (None, "y"):
        said = ana.refused(*patch("incident", "marked", namespace, {"metadata": {"annotations": {"kopf.prunella.dev/progress": change}}}))
        assert ANNOTATION.format("kopf.prunella.dev/progress") in said
    assert LABELS in ana.refused(*patch("incident", "marked", namespace, {"metadata": {"labels": {"prunella.dev/target": None}}}))
    ana(*patch("incident", "marked", namespace, {"metadata": {"annotations": {"prunella.dev/retry": "1", "mine": "x"}, "labels": {"team": "shop"}}}))


def test_nobody_writes_status_by_hand(prunella: Kubectl, ana: Kubectl, namespace: str, incident: str):
    forged = patch("incident", incident, namespace, {"status": {"phase": "Resolved"}}, "--subresource=status")
    assert "cannot get resource" in ana.refused(*forged), "edit holds no right to status at all"
    assert ONLY_STATUS in prunella.refused(*forged)
    ana(*patch("incident", incident, namespace, {"status": {"phase": "Resolved"}}))  # the API server drops it
    assert "status" not in json.loads(prunella("get", "incident", incident, "-n", namespace, "-o", "json"))


@pytest.mark.parametrize("kind", ["runbook", "healingpolicy", "escalationpolicy", "catalogentry", "remediation"])
def test_no_kinds_status_is_anybodys(prunella: Kubectl, namespace: str, kind: str):
    name = {"runbook": "roll-back-bad-rollout", "healingpolicy": "default"}.get(kind, "example")
    where = "prunella-system" if kind == "runbook" else namespace
    if name == "example":
        (made,) = (example(known, name) for known in ("EscalationPolicy", "CatalogEntry", "Remediation") if known.lower() == kind)
        prunella.by(OPERATOR if kind == "remediation" else "")("create", "-n", namespace, "-f", "-", stdin=json.dumps(made))
    forged = patch(kind, name, where, {"status": {"observedGeneration": 99}}, "--subresource=status")
    assert ONLY_STATUS in prunella.refused(*forged)


KNOWN_CONFIG = {
    "name": "settings",
    "uid": "u-1",
    "resourceVersion": "1",
    "copyName": "anything",
    "copyVersion": "2",
    "knownGoodTime": "2026-11-24T09:41:07Z",
}
QUARANTINED = {"hash": "b", "revision": 15, "incident": "checkout-7f3kq", "quarantinedTime": "2026-11-24T10:02:24Z"}


@pytest.mark.parametrize(
    "spec",
    [
        {"revisions": []},
        {"revisions": [{"hash": "evil", "name": "checkout-evil", "revision": 13, "lastHealthyTime": "2026-11-24T09:41:07Z"}]},
        {"quarantined": [QUARANTINED, {**QUARANTINED, "hash": "c"}]},
        {"quarantined": [{**QUARANTINED, "reason": "another"}]},
        {"targetRef": {"uid": "another"}},
        {"configMaps": [KNOWN_CONFIG]},
    ],
    ids=[
        "forget what worked",
        "invent what worked",
        "quarantine another",
        "rewrite why",
        "move it to another object",
        "invent what a ConfigMap held",
    ],
)
def test_people_do_not_write_the_memory(ana: Kubectl, namespace: str, record: str, spec: dict[str, Any]):
    assert MEMORY in ana.refused(*patch("workloadrecord", record, namespace, {"spec": spec}))


def test_people_may_take_a_revision_out_of_quarantine(ana: Kubectl, namespace: str, record: str):
    ana(*patch("workloadrecord", record, namespace, {"spec": {"quarantined": []}}))
    assert ana("get", "wr", record, "-n", namespace, "-o", "jsonpath={.spec.quarantined}") == "[]"


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        ("view", "list", "incidents", True),
        ("view", "get", "runbooks", True),
        ("view", "patch", "incidents", False),
        ("edit", "patch", "incidents", True),
        ("edit", "create", "incidents", True),
        ("edit", "delete", "incidents", False),
        ("edit", "create", "catalogentries", True),
        ("edit", "create", "escalationpolicies", True),
        ("edit", "create", "runbooks", False),
        ("admin", "create", "runbooks", False),
        ("admin", "approve", "remediations", False),
        ("admin", "create", "remediations", False),
        ("admin", "update", "incidents/status", False),
        ("prunella-approve", "approve", "remediations", True),
        ("prunella-approve", "patch", "remediations", True),
        ("prunella-approve", "create", "remediations", False),
        ("prunella-approve", "delete", "remediations", False),
        ("prunella-approve", "update", "remediations/status", False),
        ("prunella-ask", "create", "remediations", True),
        ("prunella-ask", "delete", "remediations", False),
        ("prunella-ask", "patch", "remediations", False),
        ("prunella-ask", "run", "runbooks", False),
    ],
)
def test_people_get_these_rights_by_aggregation(prunella: Kubectl, namespace: str, role: str, verb: str, resource: str, allowed: bool):
    plural, _, subresource = resource.partition("/")
    asked = [f"{plural}.prunella.dev", *([f"--subresource={subresource}"] if subresource else []), "-n", namespace]
    assert prunella.by(f"{role}-person").attempt("auth", "can-i", verb, *asked).stdout.strip() == ("yes" if allowed else "no")
