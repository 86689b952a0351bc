"""Which ConfigMaps a workload reads, which keys of one differ, since when, and with which it is known to be good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.workload_record import KnownConfigMap
from prunella.core import configs
from prunella.core.configs import ConfigMapFacts
from prunella.core.healing.known import known_config

from .builders import NOON, ago, container, healthy_facts, later, pods, revision

POLICY = HealingPolicySpec()
KNOWN = KnownConfigMap(name="settings", uid="u-cm", resource_version="7", copy_name="kept", copy_version="8", known_good_time=ago(600))


def config_map(*, written: float | None = 300, binary: dict[str, str] | None = None, **data: str) -> ConfigMapFacts:
    """ConfigMap `settings`, last written so many seconds before noon."""
    time = ago(written) if written is not None else None
    return ConfigMapFacts(namespace="shop", name="settings", uid="u-cm", resource_version="9", data=data, binary_data=binary or {}, written_time=time)


def uses(*references: str):
    return revision(2, references=frozenset(references))


def test_every_way_in_which_a_config_map_is_read_counts_and_a_secret_does_not():
    read = uses("configmap/a", "configmap/b/key", "volume/c", "part/d", "secret/e", "secret/f/key")
    assert configs.used_by(read) == ("a", "b", "c", "d")
    assert [configs.read_at_start(read, name) for name in "abcd"] == [True, True, False, True], "a volume is renewed while a container runs"
    assert configs.used_by(None) == ()


def test_a_template_as_json_names_the_same():
    source = {"configMapRef": {"name": "a"}}
    variable = {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "b", "key": "k"}}}
    volumes = [
        {"name": "v", "configMap": {"name": "c"}},
        {"name": "w", "projected": {"sources": [{"configMap": {"name": "d"}}, {"secret": {"name": "s"}}]}},
    ]
    spec = {"initContainers": [{"envFrom": [source, {"secretRef": {"name": "s"}}]}], "containers": [{"env": [variable, {"name": "X", "value": "1"}]}]}
    assert configs.in_template({"spec": {**spec, "volumes": [*volumes, {"name": "x", "emptyDir": {}}]}}) == {"a", "b", "c", "d"}
    assert configs.in_template({}) == frozenset()


def test_keys_that_differ_are_named_and_nothing_of_what_they_hold():
    before = config_map(mode="fast", gone="x", same="y", binary={"blob": "AAAA"})
    after = config_map(mode="hunter2", new="z", same="y", binary={"blob": "BBBB"})
    assert configs.differing(before, after) == ("blob", "gone", "mode", "new")
    assert "hunter2" not in repr(after)
    assert configs.named(("a",), 2) == "key a"
    assert configs.named(("a", "b", "c"), 2) == "keys a, b and 1 more"


def managed(field: str, time: str | None, manager: str = "kubectl"):
    return {"manager": manager, "operation": "Update", **({"time": time} if time else {}), "fieldsV1": {field: {}}}


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        pytest.param(
            [managed("f:data", "2026-11-24T11:50:00Z"), managed("f:metadata", "2026-11-24T11:59:00Z")], ago(600), id="labels are no content"
        ),
        pytest.param([managed("f:data", "2026-11-24T11:50:00Z"), managed("f:binaryData", "2026-11-24T11:55:00Z", "ci")], ago(300), id="the newest"),
        pytest.param([], ago(3600), id="by its creation where nobody is known"),
        pytest.param([managed("f:data", None)], ago(3600), id="by its creation where no time is told"),
    ],
)
def test_when_the_content_was_written_is_the_api_servers_word(fields, written):
    meta = {"name": "settings", "namespace": "shop", "uid": "u", "resourceVersion": "3", "creationTimestamp": "2026-11-24T11:00:00Z"}
    read = configs.read({"metadata": {**meta, "managedFields": fields}, "data": {"a": "b"}, "binaryData": None})
    assert (read.written_time, read.data, read.binary_data, read.resource_version) == (written, {"a": "b"}, {}, "3")


def test_a_change_is_dated_by_the_write_and_one_that_only_takes_away_by_when_it_was_seen():
    change = known_config.change_of(KNOWN, config_map(mode="a"), config_map(mode="b"), first_seen=ago(20))
    assert change is not None
    assert (change.keys, change.changed_time, change.good_time) == (("mode",), ago(300), ago(600))
    taken = known_config.change_of(KNOWN, config_map(mode="a", more="x"), config_map(mode="a", written=900), first_seen=ago(20))
    assert taken is not None
    assert (taken.keys, taken.changed_time) == (("more",), ago(20))
    assert known_config.change_of(KNOWN, config_map(mode="a"), config_map(mode="a"), first_seen=ago(20)) is None


@pytest.mark.parametrize(
    ("facts", "since"),
    [
        pytest.param(healthy_facts(), ago(3600), id="healthy for an hour"),
        pytest.param(replace(healthy_facts(), pods=pods(3, "h2", ready_since=ago(59))), None, id="not for long enough"),
        pytest.param(replace(healthy_facts(), pods=pods(3, "h2", container(running_since=None))), None, id="a start is not told"),
        pytest.param(replace(healthy_facts(), pods=(*pods(2), *pods(1, "h2", container(running_since=ago(7200))))), ago(7200), id="the oldest start"),
        pytest.param(replace(healthy_facts(), pods=pods(2)), None, id="a pod is missing"),
    ],
)
def test_health_proves_what_the_oldest_container_was_started_with(facts, since):
    assert known_config.started(facts, POLICY, NOON) == since


def test_a_workload_without_config_maps_is_not_looked_at_again_for_them():
    fresh = replace(healthy_facts(), pods=pods(3, "h2", ready_since=ago(10)))
    assert known_config.due_time(fresh, POLICY, NOON) is None
    reads = replace(fresh, revisions=(replace(fresh.revisions[0], references=frozenset({"volume/settings"})), *fresh.revisions[1:]))
    assert known_config.due_time(reads, POLICY, NOON) == later(50)
    assert known_config.due_time(replace(reads, pods=pods(3)), POLICY, NOON) is None, "it has been healthy for long"


def test_the_copies_of_a_workload_are_as_many_as_its_config_maps():
    assert known_config.copy_name("Deployment", "checkout", "a") == known_config.copy_name("Deployment", "checkout", "a")
    names = {known_config.copy_name(kind, name, one) for kind in ("Deployment", "StatefulSet") for name in ("checkout", "cart") for one in ("a", "b")}
    assert len(names) == 8
    assert len(known_config.copy_name("Deployment", "checkout", "x" * 253)) <= 253
