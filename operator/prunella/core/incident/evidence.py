"""Evidence: the log tail and Events, taken when a fault is first seen, and anew for each other fault.

It will be gone later, and whoever is paged needs it first. What can't be had sets EvidenceIncomplete; it never fails anything. A fault of which
nothing could be had is asked about once more: a machine that stands still for two seconds must not cost the only trace of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Evidence, IncidentStatus
from prunella.api.names import ConditionStatus
from prunella.core.draft import CaptureEvidence, Draft
from prunella.core.redact import redact
from prunella.core.standing import at_work, fault_since
from prunella.core.world import Capture, World

CAP: Final = 2000
"""Characters per piece."""
KEPT: Final = 4
"""Pieces: those of the fault that is, and of the one before it. 8 KiB in all."""
INCOMPLETE: Final = "EvidenceIncomplete"
AGAIN: Final = timedelta(seconds=2)
"""How long after a miss it is looked at again."""
LATEST: Final = timedelta(seconds=5)
"""No decision asks later than that after a miss: each that asks may take a second longer, and the dwells that ship end later."""


def keep(world: World, draft: Draft) -> Draft:
    """Wish for evidence where there is none of this fault yet, and keep what was taken."""
    if world.capture is not None:
        draft = _kept(world.capture, draft)
    due = _due(world, draft)
    if due is None or due > world.now:
        return draft.again(due)
    return draft if world.capture is not None else draft.wish(CaptureEvidence())


def _due(world: World, draft: Draft) -> datetime | None:
    """When it is to be taken. Not while an attempt is under way: its own effects are no other fault."""
    if world.subject is None or world.known_finding is None or at_work(world.remediations):
        return None
    missed, had = _missed(draft.status), _had(draft.status)
    if missed is None and had is None:
        return world.now
    return missed + AGAIN if missed is not None and had is None and world.now < missed + LATEST else None


def _kept(capture: Capture, draft: Draft) -> Draft:
    pieces = tuple(_pieces(capture))
    if pieces:
        draft = draft.with_status(evidence=(*draft.status.evidence, *pieces)[-KEPT:])
    if not capture.missing or _missed(draft.status) is None:
        draft = draft.without_condition(INCOMPLETE)  # where it was said of the fault before, this is news and has a time of its own
    if capture.missing:
        return draft.condition(INCOMPLETE, ConditionStatus.TRUE, INCOMPLETE, capture.missing)
    return draft


def _missed(status: IncidentStatus) -> datetime | None:
    """When some of this fault could not be had."""
    return _of_this_fault(status, *(one.last_transition_time for one in status.conditions if one.type == INCOMPLETE))


def _had(status: IncidentStatus) -> datetime | None:
    """When the newest of this fault was taken."""
    return _of_this_fault(status, *(one.captured_time for one in status.evidence if one.captured_time is not None))


def _of_this_fault(status: IncidentStatus, *times: datetime) -> datetime | None:
    since = fault_since(status)
    return max((one for one in times if since is None or one >= since), default=None)


def _pieces(capture: Capture) -> Iterator[Evidence]:
    """What was taken, redacted and cut to its end."""
    pod = capture.pod or None
    if capture.logs:
        text = redact(capture.logs)
        yield Evidence(
            name="logs",
            pod=pod,
            container=capture.container or None,
            text=text[-CAP:],
            truncated=capture.logs_truncated or len(text) > CAP,
            captured_time=capture.captured_time,
        )
    if capture.events:
        text = redact(capture.events)
        yield Evidence(name="events", pod=pod, text=text[-CAP:], truncated=len(text) > CAP, captured_time=capture.captured_time)
