"""Evidence: the log tail and Events, taken when the Incident opens, or opens again. It will be gone later, and whoever is paged needs it first.

What can't be had sets EvidenceIncomplete; it never fails anything.
"""

from __future__ import annotations

from typing import Final

from prunella.api.incident import Evidence
from prunella.api.names import ConditionStatus
from prunella.core.draft import CaptureEvidence, Draft
from prunella.core.redact import redact
from prunella.core.world import World

CAP: Final = 2000
"""Characters per piece: 4 KiB in all."""


def keep(world: World, draft: Draft) -> Draft:
    """Wish for evidence where there is none of this episode yet, and keep what was taken."""
    if world.capture is None:
        since = draft.status.episodes[-1].triggered_time if draft.status.episodes else None
        taken = any(since is None or (one.captured_time is not None and one.captured_time >= since) for one in draft.status.evidence)
        wanted = world.workload is not None and not taken and not draft.has_condition("EvidenceIncomplete")
        return draft.wish(CaptureEvidence()) if wanted and world.known_finding is not None else draft
    capture = world.capture
    pieces: list[Evidence] = []
    if capture.logs:
        text = redact(capture.logs)
        pieces.append(
            Evidence(
                name="logs",
                pod=capture.pod or None,
                container=capture.container or None,
                text=text[-CAP:],
                truncated=capture.logs_truncated or len(text) > CAP,
                captured_time=capture.captured_time,
            )
        )
    if capture.events:
        text = redact(capture.events)
        pieces.append(
            Evidence(name="events", pod=capture.pod or None, text=text[-CAP:], truncated=len(text) > CAP, captured_time=capture.captured_time)
        )
    if pieces:
        kept = tuple(one for one in draft.status.evidence if one.name not in {piece.name for piece in pieces})
        draft = draft.with_status(evidence=(*kept, *pieces)[-8:])
    if capture.missing:
        return draft.condition("EvidenceIncomplete", ConditionStatus.TRUE, "EvidenceIncomplete", capture.missing)
    return draft
