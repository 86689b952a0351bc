"""What an Incident says of its cause elsewhere, and of what changed, as a real API server takes it from the operator's own account."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.outside import kubeconfig_of, needs_control_plane, session

from prunella.adapters.kubernetes.store import Objects
from prunella.api.common import NamespacedRef
from prunella.api.incident import Change, IncidentStatus, OpeningSignal
from prunella.api.names import Cause, SourceKind
from prunella.core.incident import common_cause, correlate

pytestmark = needs_control_plane

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
async def store(prunella: Kubectl, tmp_path: Path) -> AsyncIterator[Objects]:
    async with session() as api, session(await kubeconfig_of(api, "prunella-system", "prunella", tmp_path)) as operator:
        yield Objects(operator)


async def test_a_registry_has_an_incident_in_the_operators_namespace_and_both_sides_of_a_link_are_stored(store: Objects, prunella: Kubectl):
    host = common_cause.registry_name(f"r-{uuid4().hex[:8]}.example.com:5000")
    ref = common_cause.shared_ref(common_cause.REGISTRY, host, "prunella-system")
    seen = OpeningSignal(key="watch/RegistryUnreachable", started_time=NOON, cause=Cause.REGISTRY_UNREACHABLE, summary="3 workloads can't pull")
    wanted = correlate.new_incident(name=correlate.incident_name(ref, ""), target=ref, source=SourceKind.WATCH, signal=seen, title=seen.summary)
    made = await store.create_incident(wanted)
    assert (made.metadata.namespace, made.spec.target_ref) == ("prunella-system", ref)
    children = tuple(NamespacedRef(namespace="shop", name=f"w{number}-aaaaa") for number in range(50))
    change = Change(time=NOON, namespace="shop", target="deploy/w1", message="revision 2: image a:1 -> a:2", revision="h2", suspected="accused")
    status = IncidentStatus(children=children, child_count=70, parent_ref=NamespacedRef(namespace="pay", name="ledger-aaaaa"), changes=(change,) * 10)
    await store.put_incident_status(made.model_copy(update={"status": status}))
    stored = await store.incident("prunella-system", made.metadata.name)
    assert stored is not None
    assert (stored.status.children, stored.status.child_count, stored.status.parent_ref) == (children, 70, status.parent_ref)
    assert stored.status.changes == status.changes
    prunella("delete", "incident", made.metadata.name, "-n", "prunella-system")


def test_a_catalog_entry_declares_what_its_service_needs(prunella: Kubectl, namespace: str):
    entry = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "CatalogEntry",
        "metadata": {"name": "checkout", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "checkout"}}, "team": "shop", "dependsOn": [{"namespace": "pay", "name": "ledger"}]},
    }
    prunella("apply", "-f", "-", stdin=json.dumps(entry))
    told = prunella("get", "entry", "checkout", "-n", namespace, "-o", "jsonpath={.spec.dependsOn[0].name}")
    assert told == "ledger"
