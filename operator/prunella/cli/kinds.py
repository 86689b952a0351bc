"""Every kind that the API server serves for us, with the columns of `kubectl get`.

The models stand in `api`; what a step of a Runbook may be is asked of the steps themselves.
"""

from __future__ import annotations

from typing import Final

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.crd import Column, Kind
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.workload_record import WorkloadRecord
from prunella.core.healing.steps import registry


def _condition(kind: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{part}'


AGE: Final = Column(name="Age", path=".metadata.creationTimestamp", type="date")
READY: Final = Column(name="Ready", path=_condition("Ready", "status"), description="Whether it is used")
NOT_READY_BECAUSE: Final = (
    Column(name="Reason", path=_condition("Ready", "reason"), wide=True),
    Column(name="Message", path=_condition("Ready", "message"), wide=True),
)


KINDS: Final = (
    Kind(
        model=Incident,
        plural="incidents",
        short="inc",
        selectable=(".status.priority", ".status.cause", ".status.phase"),
        stored_defaults=(".spec.acknowledgement.episode",),
        columns=(
            Column(name="Pri", path=".status.priority", description="Priority: P1 is the most important"),
            Column(name="Phase", path=".status.phase"),
            Column(name="Target", path=".status.target", description="What is hurt"),
            Column(name="Cause", path=".status.cause"),
            Column(name="Remediation", path=".status.remediation", description="What automation did"),
            Column(name="TTR", path=".status.ttr", description="Time to resolve"),
            AGE,
            Column(name="Team", path=".status.owner.team", wide=True),
            Column(name="Allowed", path=_condition("RemediationAllowed", "reason"), wide=True, description="Whether automation may act, or why not"),
            Column(name="Escalation", path=".status.escalation.state", wide=True),
            Column(name="Summary", path=".status.summary", wide=True),
        ),
    ),
    Kind(
        model=Runbook,
        plural="runbooks",
        short="rb",
        stored_defaults=(".spec.mode",),
        actions={".spec.steps[]": registry.ACTIONS},
        columns=(
            Column(name="Mode", path=".spec.mode", description="How far it may go"),
            READY,
            Column(name="Would", path=".status.shadow.wouldHaveActed", type="integer", description="Incidents in which only the mode held it back"),
            Column(name="Right", path=".status.shadow.right", type="integer", description="Of them, those that its plan would have healed"),
            Column(name="Wrong", path=".status.shadow.wrong", type="integer", description="Of them, those that healed without it"),
            AGE,
            Column(name="Title", path=".spec.title", wide=True),
            Column(name="Priority", path=".spec.priority", type="integer", wide=True),
            *NOT_READY_BECAUSE,
        ),
    ),
    Kind(
        model=Remediation,
        plural="remediations",
        short="rem",
        columns=(
            Column(name="Phase", path=".status.phase"),
            Column(name="Outcome", path=".status.outcome"),
            Column(name="Kind", path=".spec.targetRef.kind"),
            Column(name="Target", path=".spec.targetRef.name"),
            Column(name="Runbook", path=".spec.runbookRef.name"),
            Column(name="Attempt", path=".spec.attempt", type="integer"),
            AGE,
            Column(name="Mode", path=".spec.mode", wide=True),
            Column(name="Allowed", path=_condition("RemediationAllowed", "reason"), wide=True, description="Whether it may act, or why not"),
            Column(name="Plan", path=".status.plan", wide=True),
            Column(name="Message", path=".status.message", wide=True),
        ),
    ),
    Kind(model=EscalationPolicy, plural="escalationpolicies", short="esc", columns=(READY, AGE, *NOT_READY_BECAUSE)),
    Kind(
        model=CatalogEntry,
        plural="catalogentries",
        short="entry",
        columns=(
            Column(name="Team", path=".spec.team"),
            Column(name="Tier", path=".spec.tier", type="integer", description="1 is the most important"),
            Column(name="Escalation", path=".spec.escalationPolicyRef.name", description="Who is told"),
            READY,
            AGE,
            *NOT_READY_BECAUSE,
        ),
    ),
    Kind(
        model=WorkloadRecord,
        plural="workloadrecords",
        short="wr",
        columns=(
            Column(name="Kind", path=".spec.targetRef.kind"),
            Column(name="Workload", path=".spec.targetRef.name"),
            Column(name="Healthy", path=".spec.revisions[-1:].revision", type="integer", description="The revision last seen healthy"),
            Column(name="Quarantined", path=".spec.quarantined[-1:].revision", type="integer", description="The revision rolled back last"),
            AGE,
        ),
    ),
    Kind(
        model=HealingPolicy,
        plural="healingpolicies",
        short=None,
        namespaced=False,
        stored_defaults=(".spec.mode",),
        columns=(
            Column(name="Mode", path=".spec.mode", description="How far automation may go at most"),
            READY,
            Column(name="Storm", path=".status.stormSinceTime", type="date", description="Since when too much fails at once"),
            AGE,
            Column(name="Default", path=".spec.defaultEscalationPolicyRef.name", wide=True, description="Who is told where no owner is known"),
            *NOT_READY_BECAUSE,
        ),
    ),
)
