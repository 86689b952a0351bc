"""Claims: fields of others' objects that may still be ours, by field ownership, because a run wrote to them.

The rule this module protects: it is read from the attempt itself. Whoever comes back to it, after whatever died, knows whether anything is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.remediation import Remediation, StepStatus
from prunella.core.healing.effects.effect import Patch

from . import request

LATER: Final = timedelta(seconds=60)
"""So long a claim is left to whoever made it: it may be taken off at this moment."""
GIVEN_UP: Final = timedelta(days=1)
"""So long after that it is no longer tried: what forbids it for so long is no failure that passes."""


def made(record: StepStatus) -> bool:
    """Whether its effect writes fields of an object that is somebody else's."""
    return record.intent is not None and record.intent.action == Patch.action


def objects(remediation: Remediation) -> tuple[ObjectRef, ...]:
    """The target and all that was patched, each once."""
    patched = (one.intent.target_ref for one in remediation.status.steps if one.intent is not None and made(one))
    return tuple({_where(ref): ref for ref in (remediation.spec.target_ref, *patched)}.values())


def left(remediation: Remediation, others: Iterable[Remediation], now: datetime) -> bool:
    """Whether it has ended and a claim of it may stand, which is to be taken off now.

    Not while another attempt is at work on one of the objects: it takes all our claims off them when it ends, and nothing is written beside it.
    """
    status = remediation.status
    if status.claim_time is None or not request.final(remediation) or status.ended_time is None:
        return False
    if not LATER <= now - max(status.ended_time, status.claim_time) <= GIVEN_UP:
        return False
    mine = {_where(ref) for ref in objects(remediation)}
    return not any(_at_work(one) and mine & {_where(ref) for ref in objects(one)} for one in others)


def _at_work(remediation: Remediation) -> bool:
    return remediation.status.started_time is not None and not request.final(remediation)


def _where(ref: ObjectRef) -> tuple[str, str | None, str]:
    return ref.kind, ref.namespace, ref.name
