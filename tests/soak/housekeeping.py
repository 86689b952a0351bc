"""What the tests themselves keep during an hour: the effects, by the audit log. All else that was seen is dropped, or it would fill the memory."""

from __future__ import annotations

import threading

from tests.faults.ground import Ground
from tests.harness.audit import Write


class Effects:
    """What the operator persisted on objects that are not Prunella's, the hand-back apart."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.writes: list[Write] = []

    def keep(self, every: float, ended: threading.Event) -> None:
        """Read and drop every so many seconds until it is ended, and once more."""
        while not ended.wait(every):
            self.read()
        self.read()

    def read(self) -> None:
        """Read what is new. Only one thread may."""
        self.writes += [one for one in self._ground.foreign_writes() if not one.hand_back]
        self._ground.log.forget()
        self._ground.witness.forget("Pod", "Incident", "Remediation")
