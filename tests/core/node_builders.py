"""A Node as the API server has it, at noon, and what a step of a run is shown of it. A test names only what its sentence is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.core.healing.runs.measures import temporary
from prunella.core.healing.steps import one_value
from prunella.core.healing.steps.nodes import ALL, UNSCHEDULABLE
from prunella.core.healing.steps.step import Listed, LiveFacts

from .builders import NOON
from .thing_builders import node

LEASE = Listed("coordination.k8s.io/v1", "Lease", "medik8s-leases", name="node-n1")
PODS = Listed("v1", "Pod", "", node="n1")
REF = node().ref


def stored(name: str = "n1", *, ready: str = "True", cordoned: bool = False, **annotations: str) -> dict[str, Any]:
    """The Node as JSON."""
    spec = {"unschedulable": True} if cordoned else {}
    meta = {"name": name, "uid": f"uid-{name}", "annotations": annotations}
    return {"metadata": meta, "spec": spec, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def by_us() -> dict[str, Any]:
    """n1, cordoned by a run of ours."""
    patch = one_value.write(REF, stored(), UNSCHEDULABLE, True, does="cordoned")
    assert isinstance(patch, one_value.Patch)
    mark = temporary(patch, remediation="prunella-system/n1-abc-1", until=NOON + timedelta(hours=1)).marks[MARK]
    return stored(cordoned=True, **{MARK: mark})


def shown(raw: dict[str, Any] | None = None, answers: Mapping[Listed, Any] | None = None) -> LiveFacts:
    """n1, with what the step asked for."""
    return LiveFacts(now=NOON, raw=raw or stored(), target=node(), intent_time=NOON, answers=answers or {})


def among(*others: dict[str, Any], leases: Any = ()) -> dict[Listed, Any]:
    """n1 among these nodes."""
    return {ALL: (stored(), *others), LEASE: leases}
