"""Which Incidents nobody needs to look at again: those that are over, told, and as people left them.

The rule this module protects: after a restart every Incident that was ever stored is shown once, and what is long over costs no read. Whatever a
person says to one afterwards wakes it.
"""

from __future__ import annotations

from datetime import datetime

from prunella.api.incident import Incident
from prunella.api.marks import RETRY_ANNOTATION
from prunella.api.names import MessageState, RemediationState
from prunella.core.incident import correlate


def restless(incident: Incident, now: datetime) -> bool:
    """Whether something may still be decided or told: it is open, a message waits, an attempt runs, or a person's word is not taken in yet."""
    status, meta = incident.status, incident.metadata
    return (
        correlate.is_open(incident, now)
        or any(one.state is MessageState.PENDING for one in status.escalation.messages)
        or status.remediation_state in {RemediationState.RUNNING, RemediationState.AWAITING_APPROVAL}
        or status.observed_generation != meta.generation
        or meta.annotations.get(RETRY_ANNOTATION, status.last_handled_retry) != status.last_handled_retry
    )
