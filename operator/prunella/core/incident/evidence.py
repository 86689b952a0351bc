"""Evidence: the log tail and Events, taken when a fault is first seen, and anew for each other fault.

It will be gone later, and whoever is paged needs it first. What can't be had sets EvidenceIncomplete; it never fails anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prunella.api.incident import Evidence
from prunella.api.names import ConditionStatus
from prunella.core.draft import CaptureEvidence, Draft
from prunella.core.redact import redact
from prunella.core.standing import at_work, fault_since
from prunella.core.world import Capture, World

CAP: Final = 2000
"""Characters per piece."""
KEPT: Final = 4
"""Pieces: those of the fault that is, and of the one before it. 8 KiB in all."""


def keep(world: World, draft: Draft) -> Draft:
    """Wish for evidence where there is none of this fault yet, and keep what was taken."""
    if world.capture is None:
        return draft.wish(CaptureEvidence()) if _wanted(world, draft) else draft
    pieces = tuple(_pieces(world.capture))
    if pieces:
        draft = draft.with_status(evidence=(*draft.status.evidence, *pieces)[-KEPT:])
    draft = draft.without_condition("EvidenceIncomplete")
    if world.capture.missing:
        return draft.condition("EvidenceIncomplete", ConditionStatus.TRUE, "EvidenceIncomplete", world.capture.missing)
    return draft


def _wanted(world: World, draft: Draft) -> bool:
    """Not while an attempt is under way: its own effects are no other fault."""
    if world.subject is None or world.known_finding is None or at_work(world.remediations):
        return False
    since = fault_since(draft.status)
    tried = [one.last_transition_time for one in draft.status.conditions if one.type == "EvidenceIncomplete"]
    tried += [one.captured_time for one in draft.status.evidence if one.captured_time is not None]
    return not tried or (since is not None and max(tried) < since)


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
