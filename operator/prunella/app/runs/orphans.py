"""Attempts whose Incident was deleted: nobody drives them any more, and they would hold their target for ever.

The rule this module protects: deleting an Incident stops its attempt, but never between an intent and its outcome. What was done is settled first by
looking at the target; what can't be known stays Unknown and goes on holding the target, so that its next Incident tells a person.
"""

from __future__ import annotations

from prunella.api.incident import Incident
from prunella.api.names import Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.app.keys import IncidentKey
from prunella.app.ports import Store, View

from . import attempt
from .once import Once, Recovery
from .prove import Prover


class Orphans:
    """Ends the attempts of Incidents that are gone."""

    def __init__(self, view: View, store: Store, once: Once, prover: Prover) -> None:
        self._view = view
        self._store = store
        self._once = once
        self._prover = prover

    async def settle(self, key: IncidentKey, incident: Incident | None) -> bool:
        """End what an earlier Incident of this name left behind; `incident` is the one that bears the name now. False: try it again."""
        uid = incident.metadata.uid if incident is not None else ""
        ended = True
        for one in list(self._view.remediations()):
            ref = one.spec.incident_ref
            of_name = ref is not None and (one.metadata.namespace, ref.name) == key
            if of_name and one.story_uid != uid and not _over(one):
                ended = await self._end(one) and ended
        return ended

    async def _end(self, cached: Remediation) -> bool:
        """False where its target can't be read, so that nobody knows what became of its effect."""
        remediation = await self._store.remediation(cached.metadata.namespace or "", cached.metadata.name)
        if remediation is None or _over(remediation):
            return True
        self._once.know(remediation)
        open_step = attempt.open_step(remediation)
        if open_step is not None:
            match await self._once.recover(remediation, attempt.runbook_of(remediation, self._view.runbooks()), open_step):
                case Recovery.STORED:
                    return await self._end(cached)
                case Recovery.LOOK_AGAIN:
                    return False
                case Recovery.NOT_APPLIED:
                    remediation = attempt.unbegun(remediation)
        if remediation.status.effect_time is not None:
            await self._prover.hand_back(remediation)
        await self._once.end(remediation, Outcome.STOPPED, "its Incident was deleted: whether it helped was not looked at")
        return True


def _over(remediation: Remediation) -> bool:
    phase = remediation.status.phase
    return phase is not None and (phase.final or phase is RemediationPhase.UNKNOWN)
