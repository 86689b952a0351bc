"""What the cluster says of the reason why a workload gets no pods: who refused to create them.

The rule this module protects: a limit or a check is only ever loosened where the target's own controller names it. That it is there is no reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from .step import LiveFacts


def refused_by(live: LiveFacts, words: str) -> bool:
    """Whether the creation of the target's pods was refused with these words: by its condition now, else by the Events that its Incident kept."""
    return any(words in text for text in _said(live))


def _said(live: LiveFacts) -> Iterator[str]:
    """A Deployment says it itself; of a StatefulSet and a DaemonSet only Events tell."""
    condition = live.facts.workload.condition("ReplicaFailure")
    if condition is not None and condition.status == "True":
        yield condition.message
    if live.facts.workload.kind != "Deployment" and live.incident is not None:
        yield from (one.text for one in live.incident.status.evidence if one.name == "events")
