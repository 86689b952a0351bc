"""Pods that no node takes: no room, a selector or an affinity that nothing fits, a taint, a claim that is not bound.

The rule this module protects: only the scheduler's own verdict counts. A pod that it has not looked at, or that a gate holds back on purpose, is no
fault. The same template may find room in a minute, and a node that it waits for may be on its way; so the newest revision is accused only once its
time to make progress has passed, and only where every node is ruled out by what its template says, and no revision before says it. That no node has
the labels it selects is seen in the nodes themselves: the scheduler names one reason a node, and of a cordoned one not that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prunella.api.names import Cause
from prunella.core import failing, rollout
from prunella.core.facts import Pod, Revision

from .look import NO_DEADLINE, Look, Symptom, quote

UNSCHEDULABLE: Final = "Unschedulable"
_KINDS: Final = frozenset({"Deployment", "StatefulSet"})
"""A DaemonSet's pod is for one node: of every other the scheduler says that its affinity does not fit."""
_VERDICT: Final = re.compile(r"0/\d+ nodes are available: (.+?)\.(?:\s|$)")
_NODES: Final = re.compile(r"(?:^|, )\d+ node\(s\) ")
_SELECTED: Final = re.compile(
    r"didn't match (Pod's node affinity/selector|pod (anti-)?affinity rules|pod topology spread constraints( \(missing required label\))?)"
)
_TAINTED: Final = re.compile(r"had untolerated taint(?:\(s\))? \{([^{}:]+)(?::[^{}]*)?\}")
_ROLES: Final = "node-role.kubernetes.io/"
"""The control plane's nodes are for nobody: they say nothing for or against a template."""
_PASSING: Final = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "node.cluster.x-k8s.io/",
    "karpenter.sh/",
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    "prunella.dev/",
)
"""Taints of a node that is in trouble, comes, or goes: it might take the pod otherwise."""


def unschedulable(look: Look) -> Symptom | None:
    """Unschedulable: the scheduler says that no node takes a pod."""
    found = _unplaced(look)
    if not found:
        return None
    oldest = min(found, key=lambda pod: pod.created_time or look.now)
    since = oldest.created_time or look.now
    message, lacking = quote(oldest.unschedulable_message), _lacking(look, found)
    return Symptom(
        cause=Cause.UNSCHEDULABLE,
        pods=found,
        what="finds no node" + (f": none has {lacking}" if lacking else "") + (f" ({message})" if message else ""),
        started_time=since,
        open_time=look.open_after(Cause.UNSCHEDULABLE, since),
        accused=_accused(look, found),
    )


def due_times(look: Look) -> Iterable[datetime]:
    """When a pod that no node takes will have waited for as long as a progress deadline; a Deployment's own is told by its controller."""
    if look.facts.workload.kind != "Deployment":
        yield from (pod.created_time + NO_DEADLINE for pod in _unplaced(look) if pod.created_time is not None)


def _unplaced(look: Look) -> tuple[Pod, ...]:
    return tuple(pod for pod in look.facts.pods if pod.unscheduled_reason == UNSCHEDULABLE and _waits(pod))


def _waits(pod: Pod) -> bool:
    return not pod.scheduled and not pod.deleting and pod.phase not in failing.OUT_PHASES


def _accused(look: Look, found: tuple[Pod, ...]) -> Revision | None:
    """The newest revision, where all that waits is of it, has waited for long enough, and what it brought is what rules the nodes out.

    Pods of a revision before serve: so the nodes are there, and took that one.
    """
    if look.facts.workload.kind not in _KINDS or not all(look.is_newest(pod) for pod in found) or not _late(look, found):
        return None
    ready = {pod.revision for pod in look.other_pods if pod.ready}
    serves = any(one.hash in ready for one in look.before)
    if not serves:
        return None
    bare = look.surroundings.bare and look.brought(lambda demands: demands.node_selector)
    return look.newest if bare or all(_ruled_out(look, pod.unschedulable_message) for pod in found) else None


def _lacking(look: Look, found: tuple[Pod, ...]) -> str:
    """The labels that no node has, as a selector, where all that waits is of the newest revision."""
    newest = look.newest
    if newest is None or not look.surroundings.bare or not all(look.is_newest(pod) for pod in found):
        return ""
    return quote(",".join(f"{key}={value}" for key, value in newest.demands.node_selector))


def _late(look: Look, found: tuple[Pod, ...]) -> bool:
    if look.facts.workload.kind == "Deployment":
        return rollout.deadline_condition(look.facts.workload) is not None
    return all(pod.created_time is not None and look.now >= pod.created_time + NO_DEADLINE for pod in found)


def _ruled_out(look: Look, message: str) -> bool:
    """Whether each node is ruled out by what a template says, and one of them by what the newest brought."""
    verdict = _VERDICT.match(message)
    first, *reasons = _NODES.split(verdict[1]) if verdict is not None else ("",)
    if first or not reasons:
        return False
    selected = [reason for reason in reasons if _SELECTED.fullmatch(reason)]
    taints = [found[1] for reason in reasons if (found := _TAINTED.fullmatch(reason)) is not None]
    if len(selected) + len(taints) < len(reasons):
        return False  # no room, a port, a volume: something else than the template rules that node out
    kept_out = [taint for taint in taints if not taint.startswith(_ROLES)]
    if kept_out:
        return look.brought(lambda demands: demands.tolerations) and not any(taint.startswith(_PASSING) for taint in kept_out)
    return bool(selected) and look.brought(lambda demands: demands.selection)
