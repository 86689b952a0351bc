"""What a real API server makes of our kinds: it takes them, refuses what must be refused in words that help, and explains them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import OPERATOR, Kubectl

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "0e6c"}
CHECK = {"name": "healthy", "workloadHealthy": {}}

EXAMPLES: dict[str, dict[str, Any]] = {
    "Incident": {"title": "checkout crashes", "targetRef": TARGET, "source": {"kind": "Person"}},
    "Runbook": {
        "title": "Mend it",
        "match": {"causes": ["CrashLoop"], "targets": {"selector": {"matchLabels": {"app": "web"}}}},
        "steps": [{"name": "restart", "restart": {}}],
        "verify": {"checks": [CHECK]},
    },
    "Remediation": {
        "incidentRef": {"name": "checkout-7f3kq", "uid": "1"},
        "targetRef": TARGET,
        "runbookRef": {"namespace": "prunella-system", "name": "mend"},
        "attempt": 1,
        "mode": "Auto",
        "requestedBy": "prunella",
        "planHash": "a41c9e",
    },
    "EscalationPolicy": {
        "steps": [{"name": "first", "notify": [{"contactRef": {"name": "ana"}}]}],
        "catchAll": [{"channelRef": {"name": "ops"}}],
        "notices": [{"about": ["Blocked"], "notify": [{"channelRef": {"name": "ops"}}]}],
    },
    "CatalogEntry": {"selector": {"matchLabels": {"app": "checkout"}}, "team": "shop"},
    "WorkloadRecord": {
        "targetRef": TARGET,
        "revisions": [{"hash": "a", "name": "checkout-a", "revision": 14, "lastHealthyTime": "2026-11-24T09:41:07.123456Z"}],
        "quarantined": [{"hash": "b", "revision": 15, "incident": "checkout-7f3kq", "quarantinedTime": "2026-11-24T10:02:24Z"}],
    },
    "HealingPolicy": {"receivers": [{"name": "ana", "methods": [{"name": "pager", "pagerduty": {"key": "ana"}}]}]},
}

ONE_NOTIFY = "must have exactly one of contactRef and channelRef: a second receiver is a second entry"
ONE_METHOD = "must have exactly one of webhook, pagerduty and apprise: a second way is a second entry of methods"
ONE_ACTION = "must have exactly one action: `kubectl explain runbook.spec.steps` lists them"
ONE_CHECK = "must have exactly one of workloadHealthy, promql and alertCleared: two questions are two checks"
NO_TIME = "must leave time for its looks: raise timeoutSeconds, or lower successes or intervalSeconds"
NO_CAP = "must have a capSeconds that is no less than initialSeconds"
NO_LABEL = "must name at least one label in matchLabels: an empty selector would mean everything"
STORIES = {
    "checkout-7f3kq": {
        "phase": "Resolved",
        "priority": "P2",
        "cause": "RolloutCrashLoop",
        "target": "deploy/checkout",
        "remediation": "RolledBack to revision 14",
        "ttr": "13s",
    },
    "images-q4z9s": {
        "phase": "Triggered",
        "priority": "P1",
        "cause": "RegistryUnreachable",
        "target": "deploy/images",
        "remediation": "Blocked: StormActive",
        "ttr": "-",
    },
}
NO_MATCH = "must name causes or alerts: a match without either fits nothing"
BOTH_REFS = {"contactRef": {"name": "ana"}, "channelRef": {"name": "ops"}}
QUERY = {"query": "up", "success": "value > 0", "failure": "value == 0"}

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
REFUSED: list[tuple[str, str, Any, str]] = [
    ("EscalationPolicy", "steps.0.notify", [{}], ONE_NOTIFY),
    ("EscalationPolicy", "steps.0.notify", [BOTH_REFS], ONE_NOTIFY),
    ("EscalationPolicy", "catchAll", [BOTH_REFS], ONE_NOTIFY),
    ("EscalationPolicy", "notices.0.notify", [{}], ONE_NOTIFY),
    ("EscalationPolicy", "catchAll", [], "should have at least 1 items"),
    ("EscalationPolicy", "steps.0.notify", [], "should have at least 1 items"),
    ("HealingPolicy", "receivers.0.methods", [{"name": "none"}], ONE_METHOD),
    ("HealingPolicy", "receivers.0.methods", [{"name": "two", "webhook": {"key": "a"}, "apprise": {"key": "b"}}], ONE_METHOD),
    ("Runbook", "steps", [{"name": "none"}], ONE_ACTION),
    ("Runbook", "steps", [{"name": "two", "restart": {}, "escalate": {}}], ONE_ACTION),
    ("Runbook", "steps", [{"name": "taint", "taint": {"key": OUT_OF_SERVICE, "effect": "NoSchedule"}}], "needs a proof that the node is fenced"),
    ("Runbook", "steps", [{"name": "taint", "untaint": {"key": OUT_OF_SERVICE, "effect": "NoSchedule"}}], "must have a key that begins with"),
    ("Runbook", "steps", [{"name": "taint", "taint": {"key": "prunella.dev/x", "effect": "NoExecute"}}], '"NoSchedule", "PreferNoSchedule"'),
    ("Runbook", "steps", [{"name": "a", "restart": {}, "retries": {"max": 3, "initialSeconds": 30, "capSeconds": 20}}], NO_CAP),
    ("Runbook", "steps", [{"name": "a", "restart": {}, "retries": {"max": 3, "initialSeconds": 61}}], NO_CAP),
    ("Runbook", "steps", [{"name": "a", "restart": {}, "retries": {"max": 0}}], "should be greater than or equal to 1"),
    ("Runbook", "verify.checks", [{"name": "none"}], ONE_CHECK),
    ("Runbook", "verify.checks", [{**CHECK, "promql": QUERY}], ONE_CHECK),
    ("Runbook", "match", {}, NO_MATCH),
    ("Runbook", "match", {"causes": [], "alerts": [], "when": "true"}, NO_MATCH),
    ("Runbook", "match.targets", {"selector": {}}, NO_LABEL),
    ("Runbook", "match.targets", {"selector": {"matchLabels": {}}}, NO_LABEL),
    ("Runbook", "steps", [{"name": "a", "restart": {}}, {"name": "a", "escalate": {}}], "Duplicate value"),
    ("Runbook", "match.causes", ["Tired"], 'supported values: "RolloutCrashLoop", "CrashLoop"'),
    ("Runbook", "verify", {"successes": 31, "checks": [CHECK]}, NO_TIME),
    ("Runbook", "verify", {"timeoutSeconds": 60, "intervalSeconds": 30, "checks": [CHECK]}, NO_TIME),
    ("Runbook", "verify.successes", 0, "should be greater than or equal to 1"),
    ("Runbook", "verify.succeses", 3, 'unknown field "spec.verify.succeses"'),
    ("CatalogEntry", "selector", {}, NO_LABEL),
    ("CatalogEntry", "links", [{"title": "x", "url": "javascript:alert(1)"}], "should match '^https?://'"),
    ("Incident", "title", "x" * 257, "Too long: may not be more than 256"),
]

CHANGED: list[tuple[str, str, Any, str]] = [
    ("Incident", "title", "other", "title must not change: say what is known now in resolution.summary, or report another Incident"),
    ("Incident", "targetRef.name", "other", "targetRef must not change: an Incident is about one object; report another Incident for another object"),
    ("Incident", "targetRef.uid", "other", "targetRef must not change: an Incident is about one object; report another Incident for another object"),
    ("Incident", "source", None, "source must not change: it is how the Incident was opened; leave it as it is"),
    ("Incident", "source.kind", "Watch", "source must not change: it is how the Incident was opened; leave it as it is"),
    ("Remediation", "attempt", 2, "must not change: a Remediation is one attempt, exactly as it was planned; to stop automation set spec.hold"),
    ("Remediation", "dueTime", "2026-11-24T10:02:24Z", "must not change: a Remediation is one attempt, exactly as it was planned"),
    ("WorkloadRecord", "targetRef.name", "other", "targetRef must keep its kind and name: another workload has a WorkloadRecord of its own"),
    ("WorkloadRecord", "targetRef.kind", "DaemonSet", "targetRef must keep its kind and name: another workload has a WorkloadRecord of its own"),
]

ALLOWED: list[tuple[str, str, Any]] = [
    ("Incident", "impact", "Minor"),
    ("WorkloadRecord", "targetRef.uid", "another"),
    ("WorkloadRecord", "quarantined", []),
    ("Runbook", "mode", "Auto"),
    ("Runbook", "steps", [{"name": "a", "restart": {}, "retries": {"max": 3, "errors": ["Timeout"]}}]),
]


def example(kind: str, name: str = "example") -> dict[str, Any]:
    name = "default" if kind == "HealingPolicy" else name
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": copy.deepcopy(EXAMPLES[kind])}


def put(spec: Any, path: str, value: Any) -> None:
    *ways, last = path.split(".")
    for way in ways:
        spec = spec[int(way)] if way.isdigit() else spec[way]
    spec[last] = value


def merge(path: str, value: Any) -> dict[str, Any]:
    nested: dict[str, Any] = {path.rpartition(".")[2]: value}
    for way in reversed(["spec", *path.split(".")[:-1]]):
        nested = {way: nested}
    return nested


def ids(row: Any) -> str:
    return f"{row[0]} {row[1]} {json.dumps(row[2])[:40]}"


@pytest.fixture(scope="module")
def stored(prunella: Kubectl) -> Iterator[Kubectl]:
    """One object of every kind that has a rule against change."""
    for kind, account in {"Incident": "", "Remediation": OPERATOR, "WorkloadRecord": OPERATOR, "Runbook": ""}.items():
        prunella.by(account)("create", "-n", "default", "-f", "-", stdin=json.dumps(example(kind)))
    yield prunella
    prunella("delete", "-n", "default", "incident,remediation,workloadrecord,runbook", "example")


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_good_example_is_accepted(prunella: Kubectl, kind: str):
    account = OPERATOR if kind in {"Remediation", "WorkloadRecord"} else ""
    said = prunella.by(account)("apply", "-n", "default", "--dry-run=server", "-f", "-", stdin=json.dumps(example(kind, "good")))
    assert "(server dry run)" in said


@pytest.mark.parametrize(("kind", "path", "value", "sentence"), REFUSED, ids=[ids(row) for row in REFUSED])
def test_a_bad_one_is_refused_with_the_remedy(prunella: Kubectl, kind: str, path: str, value: Any, sentence: str):
    bad = example(kind, "bad")
    put(bad["spec"], path, value)
    said = prunella.refused("apply", "-n", "default", "--dry-run=server", "-f", "-", stdin=json.dumps(bad))
    assert sentence in said
    assert path.split(".", maxsplit=1)[0] in said, "the message names the field"


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {}}], ids=["empty", "no label"])
def test_r31_a_selector_that_would_mean_everything_is_refused(prunella: Kubectl, selector: Any):
    bad = example("Runbook", "bad")
    put(bad["spec"], "match.targets", {"selector": selector})
    assert NO_LABEL in prunella.refused("apply", "-n", "default", "--dry-run=server", "-f", "-", stdin=json.dumps(bad))


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"to": "$(parameters.replicas)", "most": 9}, ""),
        ({"to": 3, "most": 9}, ""),
        ({"to": "three", "most": 9}, "spec.steps[0].scale.to"),
        ({"to": "3", "most": 9}, "spec.steps[0].scale.to"),
        ({"to": "$(parameters.replicas)0", "most": 9}, "spec.steps[0].scale.to"),
        ({"to": 20_000, "most": 9}, "spec.steps[0].scale.to"),
        ({"to": 1.5, "most": 9}, "spec.steps[0].scale.to"),
        ({"to": 3, "by": "$(parameters.replicas)", "most": 9}, "must have exactly one of to and by"),
    ],
    ids=["a reference", "a number", "a word", "a number as text", "a part of a text", "out of bounds", "no whole number", "both"],
)
def test_a_number_of_a_step_is_a_number_or_a_reference(prunella: Kubectl, namespace: str, given: dict[str, Any], refused: str):
    made = example("Runbook", "refers")
    made["spec"]["steps"] = [{"name": "more", "scale": given}]
    tried = prunella.attempt("create", "--dry-run=server", "-n", namespace, "-f", "-", stdin=json.dumps(made))
    assert (tried.returncode == 0) is (not refused), tried.stderr
    assert refused in tried.stderr


def test_a_bounded_text_of_a_step_is_such_a_text_or_a_reference(prunella: Kubectl, namespace: str):
    made = example("Runbook", "refers")
    for most, taken in (("4Gi", True), ("$(parameters.how_much)", True), ("four", False), ("$(other.most)", False)):
        made["spec"]["steps"] = [{"name": "more", "resize": {"resource": "memory", "most": most}}]
        tried = prunella.attempt("create", "--dry-run=server", "-n", namespace, "-f", "-", stdin=json.dumps(made))
        assert (tried.returncode == 0) is taken, tried.stderr


def test_a_second_healing_policy_is_refused(prunella: Kubectl):
    policy = example("HealingPolicy") | {"metadata": {"name": "mine"}}
    said = prunella.refused("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(policy))
    assert "must be named 'default': there is one HealingPolicy; edit that one" in said


@pytest.mark.parametrize(("kind", "path", "value", "sentence"), CHANGED, ids=[ids(row) for row in CHANGED])
def test_what_must_not_change_does_not(stored: Kubectl, kind: str, path: str, value: Any, sentence: str):
    said = stored.refused("patch", kind, "example", "-n", "default", "--type=merge", "--dry-run=server", "-p", json.dumps(merge(path, value)))
    assert sentence in said


def test_an_incident_without_a_source_stays_a_persons(prunella: Kubectl, namespace: str):
    reported = example("Incident", "reported")
    reported["spec"].pop("source")
    prunella("create", "-n", namespace, "-f", "-", stdin=json.dumps(reported))
    said = prunella.refused("patch", "incident", "reported", "-n", namespace, "--type=merge", "-p", json.dumps(merge("source", {"kind": "Watch"})))
    assert "source must not change: it is how the Incident was opened; leave it as it is" in said


@pytest.mark.parametrize(("kind", "path", "value"), ALLOWED, ids=[ids(row) for row in ALLOWED])
def test_what_may_change_can(stored: Kubectl, kind: str, path: str, value: Any):
    account = stored.by(OPERATOR) if path == "targetRef.uid" else stored
    account("patch", kind, "example", "-n", "default", "--type=merge", "--dry-run=server", "-p", json.dumps(merge(path, value)))


def test_the_shortest_acknowledgement_names_the_first_episode(stored: Kubectl):
    me = stored("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    patch = json.dumps({"spec": {"acknowledgement": {"by": me}}})
    said = stored("patch", "incident", "example", "-n", "default", "--type=merge", "--dry-run=server", "-p", patch, "-o", "json")
    assert json.loads(said)["spec"]["acknowledgement"] == {"by": me, "episode": 1}


def write_status(kubectl: Kubectl, namespace: str, name: str, status: dict[str, Any]) -> None:
    """As the operator does."""
    incident = json.loads(kubectl("get", "incident", name, "-n", namespace, "-o", "json"))
    address = f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/incidents/{name}/status"
    kubectl.by(OPERATOR)("replace", "--raw", address, "-f", "-", stdin=json.dumps(incident | {"status": status}))


def test_an_acknowledgement_of_an_episode_that_has_not_begun_is_refused(prunella: Kubectl, namespace: str):
    me = prunella("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    early = "must not acknowledge an episode that has not begun: status.episode names the current one"

    def patch(episode: int, **more: Any) -> tuple[str, ...]:
        spec = {"acknowledgement": {"by": me, "episode": episode}} | more
        return ("patch", "incident", "example", "-n", namespace, "--type=merge", "-p", json.dumps({"spec": spec}))

    refused = example("Incident") | {"spec": EXAMPLES["Incident"] | {"acknowledgement": {"by": me, "episode": 2}}}
    assert early in prunella.refused("create", "-n", namespace, "-f", "-", stdin=json.dumps(refused))
    prunella("create", "-n", namespace, "-f", "-", stdin=json.dumps(example("Incident")))
    assert early in prunella.refused(*patch(2)), "before anybody looked at it"
    write_status(prunella, namespace, "example", {"phase": "Triggered", "episode": 2})
    assert early in prunella.refused(*patch(3))
    prunella(*patch(2))
    prunella(*patch(1))  # an old one is told as stale, not refused
    write_status(prunella, namespace, "example", {"phase": "Acknowledged", "episode": 3})


def test_what_stands_already_keeps_the_operator_from_nothing(prunella: Kubectl, namespace: str):
    """An acknowledgement that was stored before the rule was there: the status beside it can be written, and everything else be patched."""
    me = prunella("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    acknowledged = example("Incident") | {"spec": EXAMPLES["Incident"] | {"acknowledgement": {"by": me}}}
    prunella("create", "-n", namespace, "-f", "-", stdin=json.dumps(acknowledged))
    write_status(prunella, namespace, "example", {"phase": "Triggered", "episode": 9})
    prunella("patch", "incident", "example", "-n", namespace, "--type=merge", "-p", json.dumps(merge("acknowledgement.episode", 9)))
    write_status(prunella, namespace, "example", {"phase": "Triggered", "episode": 1})
    prunella("patch", "incident", "example", "-n", namespace, "--type=merge", "-p", json.dumps(merge("impact", "Minor")))
    write_status(prunella, namespace, "example", {"phase": "Acknowledged", "episode": 1})


@pytest.mark.parametrize(("length", "taken"), [(240, True), (241, False)])
def test_a_name_leaves_room_for_those_of_attempts_and_events(prunella: Kubectl, namespace: str, length: int, taken: bool):
    named = json.dumps(example("Incident", "a" * length))
    if taken:
        prunella("create", "-n", namespace, "-f", "-", stdin=named)
    else:
        said = prunella.refused("create", "-n", namespace, "-f", "-", stdin=named)
        assert "must have a name of at most 240 characters: its attempts and Events bear it, with a number; choose a shorter one" in said


@pytest.mark.parametrize(("kind", "mode"), [("Runbook", "Observe"), ("HealingPolicy", "Suggest")])
def test_the_mode_that_nobody_stated_can_be_read(prunella: Kubectl, kind: str, mode: str):
    given = example(kind)
    given["spec"].pop("mode", None)
    said = prunella("apply", "-n", "default", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(given))
    assert json.loads(said)["spec"]["mode"] == mode


@pytest.mark.parametrize("folder", ["manifests/samples", "runbooks"])
def test_what_ships_and_the_samples_are_accepted(prunella: Kubectl, namespace: str, folder: str):
    files = sorted(path for path in (ROOT / folder).glob("*.yaml") if path.name != "kustomization.yaml")
    together = "\n---\n".join(path.read_text() for path in files).replace("namespace: shop", f"namespace: {namespace}")
    objects = len(re.findall(r"^kind:", together, re.MULTILINE))
    assert len(prunella("apply", "--dry-run=server", "-o", "name", "-f", "-", stdin=together).splitlines()) == objects >= len(files)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("explain-*.txt")), ids=lambda path: path.stem.removeprefix("explain-"))
def test_explain_reads_well(prunella: Kubectl, path: Path):
    explained = prunella("explain", path.stem.removeprefix("explain-"))
    assert explained.split() == path.read_text().split()


def test_get_tells_the_story_in_a_line(prunella: Kubectl, namespace: str):
    for name, status in STORIES.items():
        prunella("create", "-n", namespace, "-f", "-", stdin=json.dumps(example("Incident", name)))
        write_status(prunella, namespace, name, status)
    shown = prunella("get", "inc", "-n", namespace)
    assert re.sub(r"\d+s +$|\d+s$", "2s", shown, flags=re.MULTILINE).split() == (GOLDEN / "get-incidents.txt").read_text().split()
    assert max(len(line) for line in prunella("get", "inc", "checkout-7f3kq", "-n", namespace).splitlines()) < 110
    for selector in ("status.priority=P1", "status.cause=RegistryUnreachable", "status.phase=Triggered"):
        assert prunella("get", "inc", "-n", namespace, f"--field-selector={selector}", "-o", "name") == "incident.prunella.dev/images-q4z9s\n"
    assert "incident.prunella.dev/images-q4z9s" in prunella("get", "prunella", "-n", namespace)
