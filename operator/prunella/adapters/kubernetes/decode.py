"""From the wire to facts: the one translation that lists, watches and live reads share.

The rule this module protects: a cached fact and a live fact of the same object are equal. Strings that repeat are kept once.
"""

from __future__ import annotations

from sys import intern

import msgspec

from prunella.api.marks import IRREVERSIBLE_ANNOTATION
from prunella.core import facts
from prunella.core.failing import quiet
from prunella.core.subject import Owner
from prunella.core.things.autoscaler import AutoscalerFacts

from . import wire, wire_pod, wire_workload, writers
from .demands import demands
from .probes import probe_budget, probe_kills
from .references import references

KEPT_ANNOTATIONS = (
    "prunella.dev/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "reconcile.fluxcd.io/",
    "cluster.x-k8s.io/machine",
    "machine.openshift.io/machine",
)
"""Only these decide something: ours, and those of the tools that own a workload or mend a node."""

REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
REPLICA_SET_HASH = "pod-template-hash"
CONTROLLER_HASH = "controller-revision-hash"

_LONGEST_NUMBER = 19
"""Digits of an int64: anybody may write that annotation."""


def pod(stored: wire_pod.Pod) -> facts.Pod:
    """A pod without anything that no detector asks for."""
    meta, status = stored.metadata, stored.status
    owner = meta.controller
    labels = meta.labels or {}
    ready = scheduled = None
    for condition in status.conditions or ():
        if condition.type == "Ready":
            ready = condition
        elif condition.type == "PodScheduled":
            scheduled = condition
    unscheduled = scheduled is not None and scheduled.status == "False"
    containers = _containers(stored)
    return facts.Pod(
        namespace=intern(meta.namespace),
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        owner_uid=intern(owner.uid) if owner else "",
        owner_kind=intern(owner.kind) if owner else "",
        owner_name=intern(owner.name) if owner else "",
        revision=intern(labels.get(REPLICA_SET_HASH) or labels.get(CONTROLLER_HASH, "")),
        phase=intern(status.phase),
        status_reason=intern(status.reason),
        ready=ready is not None and ready.status == "True",
        ready_since=ready.last_transition_time if ready else None,
        scheduled=not unscheduled,
        unscheduled_reason=intern(scheduled.reason) if scheduled and unscheduled else "",
        unschedulable_message=scheduled.message if scheduled and unscheduled else "",
        created_time=meta.creation_timestamp,
        deleting=meta.deletion_timestamp is not None,
        deletion_time=meta.deletion_timestamp,
        finalizers=tuple(map(intern, meta.finalizers or ())) if meta.deletion_timestamp is not None else (),
        node=intern(stored.spec.node_name),
        containers=containers,
        quiet=quiet(containers),
    )


def _containers(stored: wire_pod.Pod) -> tuple[facts.Container, ...]:
    status, declared = stored.status, stored.spec.init_containers
    plain = [_container(one, init=False, sidecar=False) for one in status.container_statuses or ()]
    if not status.init_container_statuses:
        return tuple(plain)
    sidecars = {container.name for container in declared or () if container.restart_policy == "Always"}
    return (*(_container(one, init=True, sidecar=one.name in sidecars) for one in status.init_container_statuses), *plain)


def _container(status: wire_pod.ContainerStatus, *, init: bool, sidecar: bool) -> facts.Container:
    state = status.state
    return facts.Container(
        name=intern(status.name),
        init=init,
        sidecar=sidecar,
        ready=status.ready,
        restarts=status.restart_count,
        image=intern(status.image),
        waiting_reason=intern(state.waiting.reason) if state.waiting else "",
        waiting_message=state.waiting.message if state.waiting else "",
        running_since=state.running.started_at if state.running else None,
        terminated=_termination(state.terminated),
        last_terminated=_termination(status.last_state.terminated),
    )


def _termination(state: wire_pod.TerminatedState | None) -> facts.Termination | None:
    if state is None:
        return None
    return facts.Termination(
        exit_code=state.exit_code,
        reason=intern(state.reason),
        message=state.message,
        started_time=state.started_at,
        finished_time=state.finished_at,
    )


def deployment(stored: wire_workload.Workload) -> facts.Workload:
    """A Deployment."""
    return _workload("Deployment", stored)


def stateful_set(stored: wire_workload.Workload) -> facts.Workload:
    """A StatefulSet."""
    return _workload("StatefulSet", stored)


def daemon_set(stored: wire_workload.Workload) -> facts.Workload:
    """A DaemonSet: how many should run is the controller's word, not a number in spec."""
    return _workload("DaemonSet", stored)


def _workload(kind: str, stored: wire_workload.Workload) -> facts.Workload:
    meta, spec, status = stored.metadata, stored.spec, stored.status
    strategy = spec.strategy or spec.update_strategy
    daemon = kind == "DaemonSet"
    owner = meta.controller
    zeroed_by, zeroed_time = writers.of_replicas(stored) if spec.replicas == 0 else ("", None)
    return facts.Workload(
        kind=kind,
        namespace=intern(meta.namespace),
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation,
        observed_generation=status.observed_generation,
        created_time=meta.creation_timestamp,
        deleting=meta.deletion_timestamp is not None,
        desired=status.desired_number_scheduled if daemon else (1 if spec.replicas is None else spec.replicas),
        updated=status.updated_number_scheduled if daemon else status.updated_replicas,
        ready=status.number_ready if daemon else status.ready_replicas,
        available=status.number_available if daemon else status.available_replicas,
        paused=spec.paused,
        labels=_interned(meta.labels),
        annotations={key: value for key, value in (meta.annotations or {}).items() if key.startswith(KEPT_ANNOTATIONS)},
        selector=_interned(spec.selector.match_labels),
        zeroed_by=zeroed_by,
        zeroed_time=zeroed_time,
        owner=Owner(api_version=owner.api_version, kind=owner.kind, name=owner.name) if owner else None,
        conditions=tuple(_workload_condition(condition) for condition in status.conditions or ()),
        strategy=intern(strategy.type) if strategy else "",
        partition=strategy.rolling_update.partition if strategy and strategy.rolling_update else 0,
        pod_management=intern(spec.pod_management_policy),
        min_ready_seconds=spec.min_ready_seconds,
        progress_deadline_seconds=spec.progress_deadline_seconds,
        probe_budget_seconds=probe_budget(spec.template),
        probe_kills=probe_kills(spec.template),
        template_irreversible=_irreversible(spec.template),
        current_revision=status.current_revision,
        update_revision=status.update_revision,
    )


def _workload_condition(condition: wire_workload.Condition) -> facts.WorkloadCondition:
    return facts.WorkloadCondition(
        type=intern(condition.type),
        status=intern(condition.status),
        reason=intern(condition.reason),
        message=condition.message,
        last_transition_time=condition.last_transition_time,
        last_update_time=condition.last_update_time,
    )


def _irreversible(template: wire_workload.Template) -> bool:
    return (template.metadata.annotations or {}).get(IRREVERSIBLE_ANNOTATION) == "true"


def _images(template: wire_workload.Template) -> tuple[str, ...]:
    return tuple(intern(container.image) for container in template.spec.containers or ())


def _interned(labels: wire.Strings | None) -> facts.Labels:
    return {intern(key): intern(value) for key, value in (labels or {}).items()}


def replica_set(stored: wire_workload.ReplicaSet) -> facts.Revision:
    """A ReplicaSet as a revision of its Deployment. One that no Deployment controls has no owner_uid."""
    meta = stored.metadata
    owner = meta.controller
    number = (meta.annotations or {}).get(REVISION_ANNOTATION, "0")
    return facts.Revision(
        namespace=intern(meta.namespace),
        name=intern(meta.name),
        uid=intern(meta.uid),
        owner_uid=intern(owner.uid) if owner and owner.kind == "Deployment" else "",
        hash=intern((meta.labels or {}).get(REPLICA_SET_HASH, "")),
        number=int(number) if number.isdecimal() and len(number) < _LONGEST_NUMBER else 0,
        created_time=meta.creation_timestamp,
        replicas=1 if stored.spec.replicas is None else stored.spec.replicas,
        images=_images(stored.spec.template),
        irreversible=_irreversible(stored.spec.template),
        references=references(stored.spec.template),
        demands=demands(stored.spec.template),
    )


def controller_revision(stored: wire_workload.ControllerRevision) -> facts.Revision:
    """A ControllerRevision. Those of other controllers may hold anything: they have no owner_uid and no images."""
    meta = stored.metadata
    owner = meta.controller
    kind = owner.kind if owner and owner.kind in {"StatefulSet", "DaemonSet"} else ""
    template = _template_of(stored.data) if kind else wire_workload.Template()
    return facts.Revision(
        namespace=intern(meta.namespace),
        name=intern(meta.name),
        uid=meta.uid,
        owner_uid=intern(owner.uid) if owner and kind else "",
        hash=intern(meta.name if kind == "StatefulSet" else (meta.labels or {}).get(CONTROLLER_HASH, "")),
        number=stored.revision,
        created_time=meta.creation_timestamp,
        images=_images(template),
        irreversible=_irreversible(template),
        references=references(template),
        demands=demands(template),
    )


def _template_of(data: msgspec.Raw) -> wire_workload.Template:
    try:
        return msgspec.json.decode(data, type=wire_workload.RevisionData).spec.template
    except msgspec.DecodeError:
        return wire_workload.Template()


def autoscaler(stored: wire.Autoscaler) -> AutoscalerFacts:
    """A HorizontalPodAutoscaler: its aim, and whether it may and can do what it wants."""
    meta, target, status = stored.metadata, stored.spec.scale_target_ref, stored.status
    told = {(one.type, one.status): one for one in status.conditions or ()}
    return AutoscalerFacts(
        namespace=intern(meta.namespace),
        name=meta.name,
        uid=meta.uid,
        labels=_interned(meta.labels),
        annotations={key: value for key, value in (meta.annotations or {}).items() if key.startswith("prunella.dev/")},
        created_time=meta.creation_timestamp,
        deletion_time=meta.deletion_timestamp,
        target_kind=intern(target.kind),
        target_name=target.name,
        least=1 if stored.spec.min_replicas is None else stored.spec.min_replicas,
        most=stored.spec.max_replicas,
        current=status.current_replicas or 0,
        limited=_condition(told.get(("ScalingLimited", "True"))),
        inactive=_condition(told.get(("ScalingActive", "False"))),
    )


def _condition(one: wire.AutoscalerCondition | None) -> facts.WorkloadCondition | None:
    if one is None:
        return None
    since = one.last_transition_time
    return facts.WorkloadCondition(
        type=intern(one.type), status=intern(one.status), reason=intern(one.reason), message=one.message, last_transition_time=since
    )


def newest_first(revisions: list[facts.Revision]) -> tuple[facts.Revision, ...]:
    """In the order of `WorkloadFacts.revisions`."""
    return tuple(sorted(revisions, key=lambda revision: (revision.number, revision.uid), reverse=True))
