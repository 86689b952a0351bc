"""Our claim on a target's fields is taken off, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.api.common import ObjectRef
from prunella.api.remediation import Intent, Remediation, StepStatus
from prunella.core.healing.runs import claims
from prunella.core.healing.steps.hand_back import hand_back

from .builders import NOON, ago
from .healing_builders import attempt


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


ELSEWHERE = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="cart", uid="u-2")


def patched(ref: ObjectRef, action: str = "Patch") -> StepStatus:
    return StepStatus(name="one", state="Applied", intent=Intent(id="1", action=action, target_ref=ref, written_time=NOON, deadline_time=NOON))


def test_what_may_be_claimed_is_the_target_and_all_that_was_patched_each_once():
    one = attempt(steps=(patched(ELSEWHERE), patched(ELSEWHERE).model_copy(update={"name": "two"}), patched(ELSEWHERE, "Evict")))
    assert claims.objects(one) == (one.spec.target_ref, ELSEWHERE)
    assert [claims.made(patched(ELSEWHERE, action)) for action in ("Patch", "Evict", "Create")] == [True, False, False]


@pytest.mark.parametrize(
    ("one", "others", "left"),
    [
        (attempt(ended=100, claim_time=ago(110)), (), True),
        (attempt(ended=60, claim_time=ago(110)), (), True),
        (attempt(ended=59, claim_time=ago(110)), (), False),
        (attempt(ended=86401, claim_time=ago(90000)), (), False),
        (attempt(ended=100), (), False),
        (attempt(ended=None, claim_time=ago(110)), (), False),
        (attempt(ended=100, claim_time=ago(110)), (attempt(2, ended=None, started=5),), False),
        (attempt(ended=100, claim_time=ago(110)), (attempt(2, ended=90),), True),
        (attempt(ended=100, claim_time=ago(110)), (attempt(2, ended=None, started=5, target_ref=ELSEWHERE),), True),
        (attempt(ended=100, claim_time=ago(110), steps=(patched(ELSEWHERE),)), (attempt(2, ended=None, started=5, target_ref=ELSEWHERE),), False),
    ],
    ids=[
        "it stands",
        "after a minute",
        "not at once",
        "nor for ever",
        "there is none",
        "it is not over",
        "another one is at work on it",
        "another one is over",
        "another one is at work elsewhere",
        "another one is at work on what it patched",
    ],
)
def test_a_claim_is_taken_off_once_its_run_is_over_and_nobody_is_at_work(one: Remediation, others: tuple[Remediation, ...], left: bool):
    assert claims.left(one, (one, *others), NOON) is left
