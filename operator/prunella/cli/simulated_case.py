"""What a simulation says of one target: what would be seen, decided and done, and what was supposed for it."""

from __future__ import annotations

from dataclasses import dataclass

from prunella.core.detect.detect import Detection
from prunella.core.draft import Draft
from prunella.core.healing.refusal import Asked
from prunella.core.healing.runbooks import plan
from prunella.core.world import World

from .simulated_run import Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """Something that the files do not tell, what is taken instead, and why that."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One target: what would be seen, decided and done."""

    world: World
    """As of the decision; its Incident has the status that would be stored. Where none would open, it is a stand-in."""
    opens: str
    """Why the Incident would be opened or joined; empty where there is none."""
    joins: bool = False
    """Whether it is one of the files."""
    detection: Detection
    draft: Draft | None = None
    made: plan.Plan | None = None
    verdicts: tuple[Asked, ...] = ()
    deeds: tuple[Deed, ...] = ()

    @property
    def acts(self) -> bool:
        """Whether something would be done or suggested."""
        return self.draft is not None and self.draft.attempt is not None
