"""The Kubernetes API conventions, asked of every field of every kind: what Cluster API's linter does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.api.conventions import breaches, fields, nodes, of_type, type_of

from prunella.api import crd
from prunella.cli import kinds

GOLDEN = Path(__file__).parent / "golden" / "columns.yaml"
CAMEL = re.compile(r"[a-z][a-zA-Z0-9]*|P[1-4]")
RESOURCE_NAMES = "Runbook.spec.steps[].resize.resource"
FIELD_NAMES = "Runbook.spec.steps[].patch.field"
"""Kubernetes' own names, as a container's resources bear them."""
ENUM_VALUE = re.compile(r"[A-Z][A-Za-z0-9]*")
YAML_BOOLEANS = {"y", "n", "yes", "no", "on", "off", "true", "false"}
STORED_DEFAULTS = {"Incident.spec.acknowledgement.episode": 1, "Runbook.spec.mode": "Observe", "HealingPolicy.spec.mode": "Suggest"}
BOOLEANS = {
    "EscalationPolicy.spec.notifyOnResolve",
    "EscalationPolicy.spec.repageOnRaise",
    "Incident.spec.source.signal.lowerBound",
    "Incident.status.escalation.policy.notifyOnResolve",
    "Incident.status.escalation.policy.repageOnRaise",
    "Incident.status.evidence[].truncated",
    "Incident.status.provenance[].lowerBound",
    "Remediation.status.guards[].allowed",
    "Runbook.spec.steps[].approve.showDiff",
    "Runbook.spec.verify.checks[].optional",
    "Runbook.spec.verify.undoOnFailure",
}
BOUND_OF = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}
ANNOTATION_LIMIT = 262_144


def test_names_are_camel_case():
    assert breaches(fields(), lambda node: CAMEL.fullmatch(node.name)) == []


def test_no_name_is_a_boolean_to_yaml():
    assert breaches(fields(), lambda node: node.name not in YAML_BOOLEANS) == []


def test_every_field_says_what_it_means():
    described = re.compile(r"(?!Default: )[A-Za-z0-9$'\"].*[.]$")
    assert breaches(fields(), lambda node: described.match(node.schema.get("description", ""))) == []


def test_no_description_is_a_title_in_disguise():
    assert breaches(fields(), lambda node: node.schema["description"].rstrip(".").replace(" ", "").lower() != node.name.lower()) == []


@pytest.mark.parametrize("kind", ["array", "integer"])
def test_lists_and_numbers_are_bounded(kind):
    assert breaches(of_type(kind), lambda node: BOUND_OF[kind] in node.schema) == []


def test_strings_are_bounded():
    assert breaches(of_type("string"), lambda node: "maxLength" in node.schema or "enum" in node.schema) == []


def test_numbers_have_a_least_value_and_a_width():
    assert breaches(of_type("integer"), lambda node: "minimum" in node.schema and node.schema.get("format", "int32") in {"int32", "int64"}) == []


def test_maps_of_strings_are_bounded():
    maps = [node for node in of_type("object") if "additionalProperties" in node.schema]
    assert breaches(maps, lambda node: "maxProperties" in node.schema or "matchLabels" in node.path) == []


def test_nothing_is_a_float_or_of_no_type():
    assert {type_of(node) for node in nodes()} == {"object", "array", "string", "integer", "boolean"}


def test_every_list_says_how_it_is_merged():
    assert breaches(of_type("array"), lambda node: node.schema.get("x-kubernetes-list-type") in {"atomic", "map"}) == []


def test_a_status_has_one_writer():
    statuses = [node for node in nodes() if node.path.endswith(".status") and node.path.count(".") == 1]
    assert {node.schema.get("x-kubernetes-map-type") for node in statuses} == {"atomic"}


def test_the_keys_of_a_list_map_are_always_there():
    keyed = [node for node in of_type("array") if node.schema["x-kubernetes-list-type"] == "map"]
    assert breaches(keyed, lambda node: set(node.schema["x-kubernetes-list-map-keys"]) <= set(node.schema["items"]["required"])) == []


def test_an_instant_is_called_time_and_only_an_instant_is():
    instants = [node for node in fields() if node.schema.get("format") == "date-time"]
    assert breaches(instants, lambda node: node.name == "time" or node.name.endswith("Time")) == []
    called = [node for node in fields() if node.name.endswith(("Time", "At", "Timestamp", "Date"))]
    assert breaches(called, lambda node: node.schema.get("format") == "date-time") == []


def test_a_duration_is_called_seconds_and_is_whole():
    called = [node for node in fields() if node.name.endswith("Seconds") and node.name != "ackTimeoutSeconds"]
    assert breaches(called, lambda node: type_of(node) == "integer") == []
    assert breaches(fields(), lambda node: not node.name.endswith(("Minutes", "Duration", "Millis", "Interval"))) == []


def test_a_reference_is_an_object_with_a_name():
    called = [node for node in fields() if node.name.endswith("Ref")]
    assert breaches(called, lambda node: "name" in node.schema["properties"]) == []


def test_each_boolean_was_thought_about_twice():
    assert {node.path for node in of_type("boolean")} == BOOLEANS


def test_enumerations_are_in_camel_case():
    enums = [node for node in nodes() if "enum" in node.schema and node.path not in {RESOURCE_NAMES, FIELD_NAMES}]
    assert breaches(enums, lambda node: all(ENUM_VALUE.fullmatch(value) for value in node.schema["enum"])) == []


def test_only_these_defaults_are_stored():
    assert {node.path: node.schema["default"] for node in nodes() if "default" in node.schema} == STORED_DEFAULTS


def test_conditions_are_a_list_map_of_what_kubectl_wait_reads():
    conditions = [node for node in fields() if node.name == "conditions"]
    assert len(conditions) == len([kind for kind in kinds.KINDS if kind.has_status])
    for node in conditions:
        assert node.schema["x-kubernetes-list-map-keys"] == ["type"]
        assert set(node.schema["items"]["properties"]) == {"type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"}
        assert set(node.schema["items"]["required"]) == {"type", "status", "lastTransitionTime", "reason"}


@pytest.mark.parametrize("kind", [kind for kind in kinds.KINDS if kind.has_status], ids=lambda kind: kind.name)
def test_a_status_tells_which_generation_it_was_made_from(kind):
    assert "observedGeneration" in crd.schema_of(kind)["properties"]["status"]["properties"]


def test_rules_name_the_remedy_and_stand_in_spec_alone():
    rules = [(node.path, rule) for node in nodes() for rule in node.schema.get("x-kubernetes-validations", ())]
    rules += [(kind.name, rule) for kind in kinds.KINDS for rule in crd.schema_of(kind).get("x-kubernetes-validations", ())]
    assert len(rules) > 10
    assert [path for path, rule in rules if "must" not in rule["message"] or ":" not in rule["message"]] == []
    assert [path for path, _ in rules if ".status" in path] == []


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_a_definition_is_small_enough_for_kubectl_apply(kind):
    size = len(json.dumps(crd.definition(kind)))
    assert size < 200 * 1024 < ANNOTATION_LIMIT


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_a_definition_has_the_category_and_the_label(kind):
    definition = crd.definition(kind)
    assert definition["spec"]["names"]["categories"] == ["prunella"]
    assert definition["metadata"]["labels"]["app.kubernetes.io/part-of"] == "prunella"
    assert ("subresources" in definition["spec"]["versions"][0]) == (kind.name != "WorkloadRecord")


def test_short_names_are_the_documented_ones():
    names = {kind.name: kind.short for kind in kinds.KINDS}
    assert names == {
        "Incident": "inc",
        "Runbook": "rb",
        "Remediation": "rem",
        "EscalationPolicy": "esc",
        "CatalogEntry": "entry",
        "WorkloadRecord": "wr",
        "HealingPolicy": None,
    }


def test_an_incident_can_be_selected_by_priority_cause_and_phase():
    (incident,) = (kind for kind in kinds.KINDS if kind.name == "Incident")
    selectable = crd.definition(incident)["spec"]["versions"][0]["selectableFields"]
    assert [field["jsonPath"] for field in selectable] == [".status.priority", ".status.cause", ".status.phase"]


def test_columns_read_as_documented():
    table = {kind.name: [f"{column.name}{' (wide)' if column.wide else ''}: {column.path}" for column in kind.columns] for kind in kinds.KINDS}
    assert table == yaml.safe_load(GOLDEN.read_text())
