"""Stage: who is asked to approve a plan. Pages that follow say it themselves; whoever was called before the plan was ready is told now.

The rule this module protects: nobody who has the Incident learns by chance that automation waits for a word.
"""

from __future__ import annotations

from datetime import datetime

from prunella.api.names import MessageKind, MessageState
from prunella.api.remediation import Remediation
from prunella.core.draft import Draft
from prunella.core.standing import phase_of
from prunella.core.world import World

from . import pages


def ask(world: World, draft: Draft) -> Draft:
    """Queue the word to everyone who was paged in this episode, once for each attempt and each step that asks; and that nobody answered in time.

    Once more where what people had said became void. That nobody answered is told where somebody has it, else the next step is paged.
    """
    if draft.status.times.cancelled_time is not None or draft.status.times.resolved_time is not None:
        return draft
    for one in world.remediations:
        said = next((condition for condition in one.status.conditions if condition.type == "Approved"), None)
        if said is not None and said.reason == "AwaitingApproval" and not phase_of(one).final:
            asking = one.status.asking
            about = "approval" if asking is None else f"approval.{asking.step}.{asking.times}"
            draft = _tell(draft, one, about, said.message, before=said.last_transition_time)
        if said is not None and said.reason == "ApprovalExpired" and draft.has_condition("Acknowledged"):  # else the next step is paged
            draft = _tell(draft, one, "approvalExpired", f"nobody approved in time: {said.message}", before=draft.now)
    return draft


def _tell(draft: Draft, one: Remediation, about: str, text: str, *, before: datetime) -> Draft:
    paged = (page.receiver for page in pages.of_episode(draft.status) if page.state is not MessageState.FAILED and page.created_time <= before)
    for receiver in dict.fromkeys(paged):
        key = f"{draft.status.episode}/{about}/{one.metadata.name}/{receiver}"
        draft = pages.add(draft, key=key, kind=MessageKind.NOTICE, receiver=receiver, text=f"{draft.status.target}: {text}")
    return draft
