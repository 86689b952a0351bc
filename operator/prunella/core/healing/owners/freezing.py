"""When a rollout is frozen instead of rolled back: going back over the accused revision could lose data, and the one before still serves.

The rule this module protects: a freeze needs a revision that serves now. One that is only stored would not be brought back by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prunella.api.marks import FREEZE
from prunella.core import rollout
from prunella.core.facts import Revision, WorkloadFacts
from prunella.core.healing.known import known_good
from prunella.core.healing.refusal import Refusal

FREEZES: Final = frozenset({"Deployment", "StatefulSet"})


def instead(steps: Iterable[str], facts: WorkloadFacts, accused: Revision) -> bool:
    """Whether a Runbook with steps of these kinds freezes the target: it can, and it does not go back, or must not."""
    names = set(steps)
    return FREEZE in names and ("rollBack" not in names or rollout.irreversible(facts, accused.hash))


def refused(facts: WorkloadFacts, accused: Revision, now: datetime) -> Refusal | None:
    """Why the target can't be frozen, or None."""
    workload = facts.workload
    if workload.kind not in FREEZES:
        return Refusal(reason="StrategyUnsupported", message=f"a rollout of a {workload.kind} can't be frozen, and nothing goes back over this one")
    serving = kept(facts, accused.hash, now)
    if len(serving) == 1:
        return None
    if not serving:
        return Refusal(reason="NoKnownGood", message=f"no other revision of {workload.short} serves now: a freeze would keep nothing")
    numbers = " and ".join(str(one.number) for one in serving)
    return Refusal(
        reason="StrategyUnsupported", message=f"revisions {numbers} of {workload.short} serve at once: which one stays is a person's choice"
    )


def kept(facts: WorkloadFacts, accused_hash: str, now: datetime) -> tuple[Revision, ...]:
    """The revisions that go on when the accused one does not."""
    return tuple(one for one in facts.revisions if one.hash != accused_hash and known_good.serves(facts, one.hash, now))
