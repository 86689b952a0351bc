"""How a run stands that a person asked for: whether it is over, waits for others, has waited for too long, or went wrong.

The rule this module protects: all of it is read from the request itself, so a restart forgets nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import RemediationPhase
from prunella.api.remediation import Remediation
from prunella.core.healing.guards import history

from . import midrun

FOR_OTHERS: Final = frozenset({"ConcurrencyReached", "DuplicateInProgress"})
"""Refusals that are over once another attempt has ended."""
PATIENCE: Final = timedelta(seconds=300)
"""How long a request waits until it can be judged, and how long one that was taken on may wait until it begins, where nobody is asked."""
LATELY: Final = timedelta(seconds=600)
"""For so long after its end a run that went wrong is reported, so that a restart in between forgets none and none is reported again for ever."""


def waits_for_others(request: Remediation) -> bool:
    """Whether it waits until another attempt has ended."""
    return any(one.type == "RemediationAllowed" and one.reason in FOR_OTHERS for one in request.status.conditions)


def final(request: Remediation) -> bool:
    """Whether it is over."""
    return request.status.phase is not None and request.status.phase.final


def waited(request: Remediation, now: datetime) -> bool:
    """Whether one that was taken on, or that people agreed to, was kept from beginning for too long. While people are asked, their deadline holds."""
    status = request.status
    if status.started_time is not None or status.approval_deadline_time is not None or status.asking is not None or status.pinned is None:
        return False
    agreed = (one.outcome.observed_time for one in midrun.agreements(request) if one.outcome is not None)
    return now - max((status.pinned.due_time, *agreed)) > PATIENCE


def went_wrong(request: Remediation, now: datetime) -> bool:
    """Whether an effect of it can't be known or did not do what it should, and that was found lately."""
    status = request.status
    unknown = status.phase is RemediationPhase.UNKNOWN
    failed = status.phase is RemediationPhase.FAILED and status.effect_time is not None
    found = history.unknown_since(request) if unknown else status.ended_time
    return (unknown or failed) and found is not None and now - found < LATELY
