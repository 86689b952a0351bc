"""Surroundings: what the detectors of a workload are told of what stands beside it, from the cache alone.

The rule this module protects: what can't be seen is left out. A detector that misses it finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from prunella.api.names import Cause
from prunella.app.ports import View
from prunella.core import rollout
from prunella.core.detect.look import AtZero
from prunella.core.detect.zero import KINDS
from prunella.core.facts import Workload, WorkloadFacts
from prunella.core.subject import Thing
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.node import Node
from prunella.core.things.service import Service


def nodes_of_leaving(view: View, facts: WorkloadFacts, now: datetime) -> Mapping[str, bool | None]:
    """By name, whether the nodes of its pods that are being deleted are Ready; None where there is no such node."""
    names = {pod.node for pod in facts.pods if pod.deletion_time is not None and pod.node}
    if not names or not view.sees(Node.kind, "", now):
        return {}
    return {name: _ready(view.thing(Node.kind, "", name)) for name in names}


def _ready(node: Thing | None) -> bool | None:
    return node.ready if isinstance(node, Node) else None


def bare(view: View, facts: WorkloadFacts, now: datetime) -> bool:
    """Whether a pod waits for a node, and there is none with the labels that the newest revision selects. As in `look.Surroundings.bare`."""
    newest = rollout.newest(facts)
    wanted = dict(newest.demands.node_selector) if newest is not None else {}
    if not wanted or not any(pod.unscheduled_reason for pod in facts.pods) or not view.sees(Node.kind, "", now):
        return False
    return not any(isinstance(one, Node) and wanted.items() <= one.labels.items() for one in view.things())


def at_zero(view: View, workload: Workload, served_time: datetime | None, now: datetime) -> AtZero | None:
    """What stands beside a workload that wants no pods; None where it wants some, or what stands there can't be seen."""
    if workload.desired > 0 or workload.kind not in KINDS:
        return None
    told = _told(view, workload)
    if served_time is None and not told:
        return AtZero()  # it is old, or nobody saw it serve: nothing else is asked for
    if not all(view.sees(kind, workload.namespace, now) for kind in (Service.kind, AutoscalerFacts.kind)):
        return None
    return AtZero(
        served_time=served_time,
        told=told,
        endpoints={
            one.name: one.ready_endpoints + one.other_endpoints for one in view.services(workload.namespace) if one.routes_to(workload.selector)
        },
        autoscaled=any((one.target_kind, one.target_name) == (workload.kind, workload.name) for one in view.autoscalers(workload.namespace)),
        switched_off=_switched_off(view, workload),
    )


def _told(view: View, workload: Workload) -> bool:
    known = view.incidents_of(workload.kind, workload.namespace, workload.name)
    about = (one.status for one in known if one.spec.target_ref.uid in {None, workload.uid})
    return any(one.cause is Cause.SCALED_TO_ZERO and one.times.resolved_time is None and one.times.cancelled_time is None for one in about)


def _switched_off(view: View, workload: Workload) -> bool:
    others = [one for one in view.workloads_in(workload.namespace) if one.kind in KINDS and one.uid != workload.uid]
    return bool(others) and all(one.desired == 0 for one in others)
