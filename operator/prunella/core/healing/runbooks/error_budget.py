"""The error budget of a Runbook: one that fails too often, whatever its targets, only suggests for a day.

The rule this module protects: it is the Runbook that is doubted here and no target, so attempts are counted over the whole cluster, and a changed
Runbook begins anew. Counted from stored Remediations: a restart of the operator forgets nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prunella.api.names import PHASE_OF, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.core.healing.refusal import Refusal
from prunella.core.standing import untried
from prunella.core.world import World

DAY: Final = timedelta(hours=24)
"""How far back attempts are looked at, and how long the Runbook is demoted from the failure that was too much."""


class _Ended(NamedTuple):
    time: datetime
    failed: bool


def demotion(world: World, runbook: Runbook, sha256: str) -> Refusal | None:
    """Why Auto acts as Approve, and until when; None where it does not. `sha256` is that of the Runbook's spec as it is now."""
    budget = runbook.spec.limits.error_budget
    ended = _ended(world, runbook, sha256)
    for index in range(len(ended) - 1, -1, -1):
        until = ended[index].time + DAY
        if world.now >= until:
            return None
        last = [one for one in ended[: index + 1][-budget.of :] if ended[index].time - one.time < DAY]
        failures = sum(one.failed for one in last)
        if ended[index].failed and failures >= budget.failures:
            return _demoted(runbook, failures, len(last), until)
    return None


def _demoted(runbook: Runbook, failures: int, of: int, until: datetime) -> Refusal:
    name = runbook.metadata.name
    return Refusal(
        reason="IneffectiveChain",
        message=f"{failures} of the last {of} attempts of Runbook {name} failed: Auto acts as Approve until {until:%Y-%m-%d %H:%M} UTC; "
        "look at them and change the Runbook: a changed one begins anew",
        look_again_time=until,
    )


def _ended(world: World, runbook: Runbook, sha256: str) -> list[_Ended]:
    """Attempts of this very Runbook that began and ended, the newest last. The live list of the Incident's own wins over the cache's copy.

    What people ask for tells of their choice, and not of how well the Runbook fits what is found.
    """
    mine = {one.metadata.uid: one for one in (*world.all_remediations, *world.remediations) if _is_of(one, runbook, sha256) and not one.is_request}
    return sorted(
        _Ended(one.status.ended_time, PHASE_OF[one.status.outcome] is RemediationPhase.FAILED)
        for one in mine.values()
        if one.status.started_time is not None and one.status.ended_time is not None and one.status.outcome is not None and not untried(one)
    )


def _is_of(one: Remediation, runbook: Runbook, sha256: str) -> bool:
    ref = one.spec.runbook_ref
    return (ref.namespace, ref.name, ref.sha256) == (runbook.metadata.namespace or "", runbook.metadata.name, sha256)
