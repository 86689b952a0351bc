"""A storm as one fault: while the brake is on, the workloads that fail alike, and for nothing else that is known, are told of once.

The rule this module protects: what has a cause of its own is no part of a storm. It is told of when such a cause has had time to be found, and over
with the brake, or as soon as none of its workloads fails; and what fails in another way is told for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from prunella.api.healing_policy import Storm
from prunella.api.names import Cause
from prunella.core.around import Shared
from prunella.core.enumerated import some
from prunella.core.world import OpenIncident

from .storm import CLASS_OF, hit

SETTLES: Final = timedelta(seconds=10)
"""How long after the brake went on it may turn out what many fail for: a registry, a node, a dependency."""


def shared(
    failing: Sequence[OpenIncident],
    linked: Collection[str],
    opted_in_workloads: int,
    limits: Storm,
    *,
    since: datetime,
    standing: bool,
    now: datetime,
) -> Shared | None:
    """The storm since that instant; None where there is none to tell of.

    `failing` are the Incidents without another parent, `linked` the names of those that are children of the storm already, `standing` says whether it
    was told of.
    """
    classes = hit(failing, opted_in_workloads, limits)
    if not standing and (not classes or now - since < SETTLES):
        return None
    mine = [one for one in failing if CLASS_OF.get(one.cause) in classes or one.incident in linked]
    if not mine:
        return None
    return Shared(
        cause=Cause.MASS_FAILURE,
        summary=_summary(mine),
        started_time=min(since, now),
        open_time=now,
        failing_pods=tuple(sorted(one.incident for one in mine)),
        extensive="a storm: many workloads fail at once",
    )


def _summary(mine: Sequence[OpenIncident]) -> str:
    targets = {one.target: one.target.partition("/")[2] for one in mine}
    kinds = " and ".join(sorted({CLASS_OF[one.cause] for one in mine if one.cause in CLASS_OF}))
    many = f"{len(targets)} workloads fail at once" if len(targets) > 1 else "1 workload still fails"
    return f"a storm: {many} ({kinds}): {some(targets.values())}; nothing is done there until it is over"
