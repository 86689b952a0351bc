"""The bad inputs of `bad_inputs/`, each with its stored outcome, on the running operator and a real API server.

Beside every bad one stands a good one, which must not be lost; nothing is done to any target; the log has no traceback and no forged line; and a
process that starts while all of it is stored serves the others.
"""

from __future__ import annotations

import gzip
import http.client
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.test_crds import example, put
from tests.harness import processes, prometheus, workloads
from tests.harness.api import KINDS, Object, path_of
from tests.harness.arena import Arena, condition, outline
from tests.harness.audit import AuditLog
from tests.harness.installation import HOST, SYSTEM, WEB_PORT, Installation
from tests.harness.instants import now, parse
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120, func_only=True)]
FOLDER = Path(__file__).parent / "bad_inputs"
SECOND_PORT = 8081
BEYOND = 32 * 1024 * 1024 + 1
OTHER_NAMESPACES = ("kube-system", "default", SYSTEM)


def table(name: str) -> list[Any]:
    return [pytest.param(row, id=f"{row['number']:02d} {row['name']}") for row in yaml.safe_load((FOLDER / f"{name}.yaml").read_text())]


BODIES, LABELS, TIMES, OBJECTS = (table(name) for name in ("bodies", "labels", "times", "kinds"))


@dataclass
class Shop:
    """A namespace with as many targets as there are rows, and the operator's log from the beginning of the module."""

    arena: Arena
    targets: Iterator[str]
    logged: int
    log: Path
    elsewhere: dict[str, AuditLog]

    def target(self) -> str:
        """A Deployment that nobody asked about yet."""
        return next(self.targets)

    def good(self, target: str) -> Object:
        """The alert that must not be lost."""
        return prometheus.alert({"alertname": "Good", "severity": "critical", "namespace": self.arena.namespace, "deployment": target})

    def incident(self, target: str) -> Object:
        """What the API server has about a target now: 200 was answered, so it is there."""
        found = [one for one in self.arena.api.list("Incident", self.arena.namespace) if one["spec"]["targetRef"]["name"] == target]
        assert len(found) == 1, f"one Incident of {target}: {[one['metadata']['name'] for one in found]}"
        return found[0]

    def lines(self) -> list[str]:
        """What the operator has logged since."""
        with self.log.open("rb") as file:
            file.seek(self.logged)
            return file.read().decode(errors="replace").splitlines()

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """The webhook's answer."""
        token = self.arena.installation.token
        said = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", **(headers or {})}
        connection = http.client.HTTPConnection(HOST, WEB_PORT, timeout=30)
        try:
            connection.request("POST", "/api/v1/alertmanager", body=body, headers={name: value for name, value in said.items() if value})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def shop(installation: Installation) -> Iterator[Shop]:
    arena = Arena(installation, "bad-inputs")
    names = [f"target-{number}" for number in range(len(BODIES) + len(LABELS) + len(TIMES) + 4)]
    for name in names:
        arena.api.create(workloads.deployment(name, arena.namespace, replicas=0))
    wait_for(lambda: len(arena.witness.current("Deployment")) == len(names), 30, "the targets are seen")
    going = f"{arena.namespace}-going"
    metadata = {"name": going, "finalizers": ["example.com/never"]}
    pin: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, "namespace": going}}
    arena.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": going}})
    arena.api.apply(pin)
    arena.api.delete("Namespace", going)
    audit = installation.state / "audit.log"
    made = Shop(arena, iter(names), installation.log.stat().st_size, installation.log, {name: AuditLog(audit) for name in OTHER_NAMESPACES})
    yield made
    arena.api.patch("ConfigMap", going, {"metadata": {"finalizers": None}}, going)
    for one in arena.api.list("CatalogEntry", arena.namespace):
        arena.api.patch("CatalogEntry", one["metadata"]["name"], {"metadata": {"finalizers": None}}, arena.namespace)
    for name in OTHER_NAMESPACES:
        for one in arena.api.list("Incident", name):
            arena.api.delete("Incident", one["metadata"]["name"], name)
    arena.close()


def made_body(name: str, good: str) -> bytes:
    """The bodies that are too long for a table."""
    match name:
        case "bomb":
            packer = zlib.compressobj(9, zlib.DEFLATED, 31)
            return packer.compress(b" " * BEYOND) + packer.flush()
        case "nested":
            return b"[" * 100_000
        case "nested-alert":
            return f'{{"version":"4","alerts":[{{"labels":{"[" * 100_000}{"]" * 100_000}}},{good}]}}'.encode()
        case "digits":
            return f'{{"version":"4","alerts":[{{"status":"firing","labels":{{"alertname":{"9" * 5000}}}}},{good}]}}'.encode()
        case _:
            raise AssertionError(name)


def body_of(row: Object, good: str) -> bytes:
    if "made" in row:
        return made_body(row["made"], good)
    if "utf16" in row:
        return row["utf16"].replace("GOOD", good).encode("utf-16")
    if "packed" in row:
        return gzip.compress(row["packed"].replace("GOOD", good).encode())
    return row["text"].replace("GOOD", good).encode()


def quarantined() -> float:
    return sum(value for key, value in prometheus.metrics("prunella_alerts_received_total").items() if 'result="Quarantined"' in key)


@pytest.mark.parametrize("row", BODIES)
def test_a_body(shop: Shop, row: Object):
    target, before = shop.target(), quarantined()
    good = json.dumps(shop.good(target))
    body = body_of(row, good)
    status, said = shop.post(body, row.get("headers"))
    assert status == row["answer"], said
    assert row.get("says", "kept") in said
    assert quarantined() - before == row.get("quarantined", 0)
    holds_good = status == 200 and ("GOOD" in row.get("text", row.get("utf16", row.get("packed", ""))) or "made" in row)
    if not holds_good or row["name"] == "alerts an object":
        assert shop.post(json.dumps(prometheus.body(shop.good(target))).encode())[0] == 200, "the next body is taken"
    assert shop.incident(target)["spec"]["source"]["kind"] == "Alertmanager"


@pytest.mark.parametrize("row", LABELS)
def test_labels(shop: Shop, row: Object, request: pytest.FixtureRequest):
    target, namespace = shop.target(), shop.arena.namespace
    alertname = f"Bad{request.node.callspec.id[:2]}x{target}"
    labels = {name: value.replace("$NS", namespace) for name, value in row["labels"].items()}
    bad = prometheus.alert({"alertname": alertname, "severity": "critical", **labels})
    status, said = shop.post(json.dumps(prometheus.body(bad, shop.good(target))).encode())
    assert (status, said) == (200, "kept\n")
    assert shop.incident(target)
    where = {"own": namespace, "system": SYSTEM}.get(row["where"], row["where"])
    found = [
        one
        for one in shop.arena.api.list("Incident", where)
        if one["spec"]["source"].get("signal", {}).get("labels", {}).get("alertname") == alertname
    ]
    assert len(found) == 1
    incident = found[0]
    assert incident["spec"]["targetRef"]["kind"] == row["target"]
    assert row["why"] in incident["spec"]["source"]["signal"]["targetNote"]
    kept = incident["spec"]["source"]["signal"]["labels"]
    assert {name: kept.get(name, "") for name in labels} == labels, "as it was given, expanded nowhere"


@pytest.mark.parametrize("row", TIMES)
def test_times(shop: Shop, row: Object):
    target, before, sent = shop.target(), quarantined(), now()
    bad = prometheus.alert({"alertname": "Bad", "severity": "critical", "namespace": shop.arena.namespace, "deployment": target})
    bad |= {"startsAt": row["startsAt"], "endsAt": row.get("endsAt", prometheus.ZERO_TIME)}
    status, said = shop.post(json.dumps(prometheus.body(bad, shop.good(target))).encode())
    assert (status, said) == (200, "kept\n")
    incident = shop.incident(target)
    if "quarantined" in row:
        assert quarantined() == before + 1
        assert any(row["quarantined"] in line for line in map(why, shop.lines()))
        return
    began = parse(incident["spec"]["source"]["signal"]["startedTime"])
    if row["began"] == "received":
        assert abs(began - sent) < timedelta(seconds=10)
    else:
        assert began == parse(row["began"])


def why(line: str) -> str:
    return str(json.loads(line).get("why", "")) if line.startswith("{") else ""


def made_value(name: str) -> Any:
    return {
        "many-steps": [{"name": f"step-{number}", "restart": {}} for number in range(10_000)],
        "too-large": {"note": "x" * 1_400_000},
        "annotations": {f"note-{number}": "x" * 1024 for number in range(256)},
        "long-name": ("a" * 62 + ".") * 3 + "a" * 64,
        "longer-name": ("a" * 62 + ".") * 3 + "a" * 65,
    }[name]


def object_of(row: Object, number: int, namespace: str) -> Object:
    made = example(row["kind"], f"bad-{number}")
    if made["kind"] != "HealingPolicy":
        made["metadata"]["namespace"] = namespace
    for path, value in [*row.get("put", {}).items(), *((path, made_value(name)) for path, name in row.get("made", {}).items())]:
        put(made, path, value)
    if "drop" in row:
        del made[row["drop"]]
    return made


@pytest.mark.parametrize("number", range(len(OBJECTS)), ids=[one.id for one in OBJECTS])
def test_objects(shop: Shop, number: int):
    row, api = OBJECTS[number].values[0], shop.arena.api
    made = object_of(row, number, shop.arena.namespace)
    kind, namespace, name = made["kind"], made["metadata"].get("namespace"), made["metadata"]["name"]
    place = path_of(kind, namespace) + "?fieldValidation=Strict"
    answer = (
        api.request("PATCH", path_of(kind, None, name) + "?fieldValidation=Strict", made, "application/merge-patch+json")
        if name == "default"
        else api.request("POST", place, made)
    )
    if "refused" in row:
        assert not answer.ok, "it was taken"
        for part in row["refused"]:
            assert part in answer.body["message"]
        return
    assert answer.ok, answer.body

    def judged() -> Object:
        return condition(api.get(kind, name, namespace), "Ready")

    ready = wait_for(judged, 15, "it is judged")
    assert (ready["status"], ready["reason"]) == ("False", row["stored"])
    assert row["says"].replace("$NS", shop.arena.namespace) in ready["message"]


def test_80_two_targets_whose_long_names_begin_alike_have_each_their_incident(shop: Shop):
    names = ["a" * 62 + "." + "b" * 62 + "." + "c" * 62 + "." + "d" * 62 + end for end in "xy"]
    shop.arena.kubectl_apply(
        *(
            {**workloads.deployment("long", shop.arena.namespace, replicas=0), "metadata": {"name": name, "namespace": shop.arena.namespace}}
            for name in names
        )
    )
    wait_for(lambda: {*names} <= {one["metadata"]["name"] for one in shop.arena.witness.current("Deployment")}, 20, "they are seen")
    assert shop.post(json.dumps(prometheus.body(*map(shop.good, names))).encode())[0] == 200
    first, second = (shop.incident(name)["metadata"] for name in names)
    assert first["name"] != second["name"]
    assert first["labels"]["prunella.dev/target"] != second["labels"]["prunella.dev/target"]


def test_afterwards_a_new_process_serves_the_others_and_the_log_is_clean(shop: Shop):
    """All that was taken is stored: the poison test."""
    arena, target = shop.arena, shop.target()
    finalized = [one for one in arena.api.list("CatalogEntry", arena.namespace) if one["metadata"].get("finalizers")]
    for one in finalized:
        arena.api.delete("CatalogEntry", one["metadata"]["name"], arena.namespace)
    second = arena.installation.start_process(SECOND_PORT, leads=False)
    try:
        assert prometheus.webhook(prometheus.body(shop.good(target)), arena.installation.token, port=SECOND_PORT) == 200
        incident = arena.incident(target)
        arena.when(incident, lambda one: one["status"].get("owner"), "is judged as every other", seconds=20)
    finally:
        processes.stop(second)
    lines = shop.lines()
    assert [line for line in lines if "Traceback" in line or ('"error"' in line and "File " in line)] == []
    assert [line for line in lines if not _is_entry(line)] == [], "every line is one entry of its own"
    assert not any(json.loads(line)["message"] == "forged" for line in lines)
    assert [one.line for one in arena.foreign_writes()] == [], outline(incident)
    written = {name: [one.line for one in log.writes(name) if not one.ours and not one.event] for name, log in shop.elsewhere.items()}
    assert {name: [line for line in lines if "configmaps/" not in line] for name, lines in written.items()} == {name: [] for name in OTHER_NAMESPACES}
    assert prometheus.answers()


def _is_entry(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def test_every_kind_that_people_apply_has_bad_ones():
    assert {one.values[0]["kind"] for one in OBJECTS} >= {"Runbook", "EscalationPolicy", "CatalogEntry", "HealingPolicy", "Incident"} <= set(KINDS)
