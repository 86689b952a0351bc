"""Our claim on a target's fields is taken off, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.core.healing.steps.hand_back import hand_back


def claim(manager: str, operation: str = "Update", subresource: str = "") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, **({"subresource": subresource} if subresource else {}), "fieldsV1": {}}


def raw(*claims: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "managedFields": list(claims)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}


def test_our_entry_is_removed_under_the_tests_that_make_it_ours():
    patch = hand_back(raw(claim("kubectl"), claim("prunella"), claim("kube-controller-manager", subresource="status")))

    assert patch is not None
    assert patch.operations == (
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "test", "path": "/metadata/managedFields/1/manager", "value": "prunella"},
        {"op": "remove", "path": "/metadata/managedFields/1"},
    )
    assert not patch.stamped, "the stamp would be a new claim"
    assert patch.guarded_path == "/metadata/managedFields"
    assert patch.before == {"managedFields": "1", "resourceVersion": "7"}
    assert (patch.target.kind, patch.target.namespace, patch.target.name, patch.target.uid) == ("Deployment", "shop", "web", "u-1")


def test_several_entries_are_removed_from_the_last_to_the_first():
    patch = hand_back(raw(claim("prunella"), claim("kubectl"), claim("prunella")))
    assert patch is not None
    assert [one["path"] for one in patch.operations if one["op"] == "remove"] == ["/metadata/managedFields/2", "/metadata/managedFields/0"]


@pytest.mark.parametrize(
    "stored",
    [
        raw(),
        raw(claim("kubectl")),
        raw(claim("prunella", operation="Apply")),
        raw(claim("prunella", subresource="status")),
        {"metadata": {"name": "web", "uid": "u-1", "resourceVersion": "7"}},
        {"metadata": {"name": "web", "uid": "u-1", "resourceVersion": "7", "managedFields": None}},
        {},
    ],
    ids=["no claims", "only others", "an Apply is a person's", "a subresource", "stripped", "null", "nothing"],
)
def test_where_nothing_is_ours_there_is_nothing_to_do(stored: dict[str, Any]):
    assert hand_back(stored) is None
