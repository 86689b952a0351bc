"""Which signals of the files belong to which target, and the Incident that they open or join.

The rule it protects: the name and the first signal of an Incident are those that the operator's intake would give it, so that who applies the files
to a cluster finds it under this name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident, OpeningSignal
from prunella.api.names import Cause, SourceKind
from prunella.core.facts import AlertFacts, Finding, Seen, WorkloadFacts
from prunella.core.incident import alert_facts, alert_target, correlate, sources
from prunella.core.recomputed import unopened
from prunella.core.subject import Place

from .recorded import Recorded

UID: Final = "simulated-"
"""With the name behind it: the uid of an Incident that nobody created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signalled:
    """The alerts about one target, in the order of their fingerprints, so that the order in the files decides nothing."""

    target: ObjectRef | None = None
    note: str = ""
    """Why the alert stands for itself, where its labels name no workload of the files."""
    alerts: tuple[AlertFacts, ...] = ()


def signals_of(
    held: Recorded,
    received: datetime,
    workloads: Sequence[WorkloadFacts],
    things: Mapping[Place, ObjectRef],
    namespace_exists: Callable[[str], bool],
) -> dict[str, Signalled]:
    """Uid of a target, or kind, namespace and name of an alert that stands for itself → the alerts about it."""
    uids = {(one.workload.kind, one.workload.namespace, one.workload.name): one.workload.uid for one in workloads}
    owners = {(pod.namespace, pod.name): (one.workload.kind, one.workload.name) for one in workloads for pod in one.pods}
    read = (alert_facts.read_alert(one, received, truncated=body.truncated) for body in held.bodies for one in body.alerts)
    found: dict[str, Signalled] = {}
    for alert in sorted((one for one in read if isinstance(one, AlertFacts)), key=lambda one: one.fingerprint):
        aimed = alert_target.alert_target(
            alert,
            owner_of_pod=lambda namespace, pod: owners.get((namespace, pod)),
            workload_uid=lambda kind, namespace, name: uids.get((kind, namespace, name)),
            namespace_exists=namespace_exists,
            operator_namespace="prunella-system",
            thing_ref=lambda kind, namespace, name: things.get((kind, namespace, name)),
        )
        key = aimed.ref.uid or f"{aimed.ref.kind}/{aimed.ref.namespace}/{aimed.ref.name}"
        before = found.get(key, Signalled(target=aimed.ref, note=aimed.why if aimed.by_itself else ""))
        found[key] = replace(before, alerts=(*before.alerts, alert))
    return found


def incident_for(
    ref: ObjectRef | None, facts: Seen | None, known: Sequence[Incident], finding: Finding | None, said: Signalled, seen: datetime
) -> tuple[Incident, str]:
    """The Incident of a target and why it is that one; a stand-in and no reason where none opens."""
    firing = [one for one in said.alerts if one.state == "firing"]
    step = correlate.correlate(ref, known, seen) if ref is not None else None
    if isinstance(step, correlate.Attach):
        return step.incident, step.why
    if step is None or ref is None or (finding is None and not firing):
        if facts is None:
            raise ValueError("an alert that fires no more opens nothing, and stands for no workload")
        return unopened(facts), ""
    signal = _by_watch(finding, seen) if finding is not None else _by_alert(firing[0], said.note)
    source = SourceKind.WATCH if finding is not None else SourceKind.ALERTMANAGER
    title = signal.summary or firing[0].labels.get("alertname", "alert")
    made = correlate.new_incident(name=step.name, target=ref, source=source, signal=signal, title=title)
    metadata = made.metadata.model_copy(update={"uid": f"{UID}{step.name}", "generation": 1, "creation_timestamp": seen})
    return made.model_copy(update={"metadata": metadata}), step.why


def _by_watch(finding: Finding, seen: datetime) -> OpeningSignal:
    cause = Cause(finding.cause)
    return OpeningSignal(
        key=sources.watch_key(finding.cause), started_time=finding.started_time, seen_time=seen, cause=cause, summary=finding.summary[:1024]
    )


def _by_alert(alert: AlertFacts, note: str) -> OpeningSignal:
    """As the intake reads it where no Prometheus tells more."""
    starts = alert.starts_time or alert.received_time
    return OpeningSignal(
        key=sources.alert_key(alert.fingerprint),
        started_time=starts,
        lower_bound=True,
        seen_time=alert.received_time,
        alert_start_time=starts,
        cause=Cause.ALERT,
        summary=sources.alert_summary(alert),
        labels=sources.kept_labels(alert.labels),
        target_note=note[:512] or None,
    )
