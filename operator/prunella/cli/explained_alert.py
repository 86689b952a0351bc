"""The alert of `explain --alert`: one that does not fire, as if Alertmanager had sent it now.

The rule it protects: a label that was not given is supposed only where it names the target that was, and one that names another is refused.
"""

from __future__ import annotations

from datetime import datetime

from prunella.api.base import micro_time
from prunella.api.common import ObjectRef
from prunella.app.errors import Permanent
from prunella.core.facts import AlertFacts
from prunella.core.healing.notation import matchers
from prunella.core.incident import alert_facts
from prunella.core.incident.alert_target import WORKLOAD_LABELS


def alert_of(text: str, target: ObjectRef, now: datetime) -> AlertFacts:
    """The alert with these labels about that workload, firing since now. Raises Permanent where there can be none."""
    labels = _labels(text)
    names = {"namespace": target.namespace or ""} | {label: target.name if kind == target.kind else "" for label, kind in WORKLOAD_LABELS}
    for label, wanted in names.items():
        if labels.get(label, wanted) != wanted:
            raise Permanent(f'an alert with {label}="{labels[label]}" is not about {target.kind} {target.namespace}/{target.name}')
    labels |= {label: wanted for label, wanted in names.items() if wanted}
    made = alert_facts.read_alert({"status": "firing", "labels": labels, "startsAt": micro_time(now)}, now)
    if isinstance(made, alert_facts.Malformed):
        raise Permanent(f"there can be no such alert: {made.why}")
    return made


def _labels(text: str) -> dict[str, str]:
    found = matchers.parse(text)
    if isinstance(found, matchers.BadMatcher):
        raise Permanent(f'--alert can\'t be read: {found}; write it as \'{{alertname="HighErrors", severity="page"}}\'')
    labels: dict[str, str] = {}
    for one in found:
        if one.operator != "=" or one.name in labels:
            raise Permanent(f"--alert is one alert with its labels, so give each label once, with '=': {one.name}{one.operator}\"{one.value}\"")
        labels[one.name] = one.value
    if not labels.get("alertname"):
        raise Permanent("--alert needs an alertname: every alert has one")
    return labels
