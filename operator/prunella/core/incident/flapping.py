"""Flapping: the target recovers and fails again, several times within an hour. People are told so; automation asks the same and stays away.

The rule this module protects: it is said while it is true, and goes away after a quiet time by itself.
"""

from __future__ import annotations

from prunella.api.names import ConditionStatus
from prunella.core.draft import Draft
from prunella.core.standing import flapping_until, recoveries


def flag(draft: Draft) -> Draft:
    """Set or remove the condition, and look again when it will have been quiet for long enough."""
    until = flapping_until(draft.status, draft.now)
    if until is None:
        return draft.without_condition("Flapping")
    times = len(recoveries(draft.status, draft.now))
    text = f"it recovered {times} times within an hour, and did not stay so: what is done does not last; look for the cause"
    return draft.condition("Flapping", ConditionStatus.TRUE, "Flapping", text).again(until)
