"""What `lint` says of the parts of a Runbook that are never used, and of the rights that it needs.

The rule it protects: who reads a Runbook knows from it what it does, and who grants rights knows which.
"""

from __future__ import annotations

from collections.abc import Iterator

from prunella.api.marks import OPERATOR_NAMESPACE
from prunella.api.runbook import Runbook
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity, reach
from prunella.core.healing.steps import registry
from prunella.core.world import Evaluate

from .documents import Document, Trouble

WHERE = "<namespace>"
"""Stands for the namespace of the target, which only the cluster knows."""


def unused(document: Document, runbook: Runbook, evaluate: Evaluate) -> Iterator[Trouble]:
    """Warnings: the rest of it works."""
    names = [step.name for step in runbook.spec.steps]
    for name, why in reach.unreachable(runbook.spec.steps, evaluate).items():
        yield document.trouble(("spec", "steps", names.index(name)), f"spec.steps[{name}] is never done: {why}", warning=True)
    dead, causes = reach.dead_causes(runbook), runbook.spec.match.causes
    if runbook.spec.self_service is None and (len(dead) < len(causes) or runbook.spec.match.alerts):
        for cause, why in dead.items():
            at = ("spec", "match", "causes", causes.index(cause))
            yield document.trouble(at, f"spec.match.causes: {cause} never makes it fit: {why}", warning=True)


def rights(runbook: Runbook) -> str | None:
    """What the account that acts must be allowed to do beyond reading, and what grants it; None where it is nothing, or can't be told."""
    acting = identity.of_runbook(runbook, OPERATOR_NAMESPACE)
    if isinstance(acting, Refusal) or any(registry.wrong_with(step) is not None for step in runbook.spec.steps):
        return None
    where = acting.namespace if isinstance(acting, identity.Account) else WHERE
    wanted = [f"{one.verb} {one.on}{'' if one.clusterwide else f' in {where}'}" for one in reach.rights_of(runbook)]
    if not wanted:
        return None
    return f"needs the rights {', '.join(wanted)}; `{identity.granted_by(acting, wanted, where)}` grants them"
