"""Who owns a workload, and whether a change of its template would be undone by that owner.

An HPA owns `replicas` and a VPA `resources`: neither forbids a rollback of the template.
Argo CD and Flux own the whole object, as does another operator.
"""

from __future__ import annotations

from typing import Final

from prunella.core.facts import Workload

from .refusal import Refusal

ARGO_ANNOTATION: Final = "argocd.argoproj.io/tracking-id"
FLUX_LABELS: Final = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")


def owned(workload: Workload) -> Refusal | None:
    """Why the template is not ours to change, or None."""
    by = gitops(workload)
    if by:
        return _gitops(workload, by)
    if workload.owner is not None:
        owner = workload.owner
        return Refusal(
            reason="OwnedByOperator",
            message=f"{workload.short} belongs to {owner.kind} {owner.name}: its operator would change it back; act on that object",
        )
    return None


def gitops(workload: Workload) -> str:
    """What applies the workload from Git, in words; empty where nothing does."""
    tracking = workload.annotations.get(ARGO_ANNOTATION)
    if tracking:
        return f"Argo CD's application {tracking.split(':', 1)[0]}"
    labelled = ((label.split(".", 1)[0], workload.labels.get(label)) for label in FLUX_LABELS)
    return next((f"Flux ({what} {name})" for what, name in labelled if name), "")


def _gitops(workload: Workload, by: str) -> Refusal:
    return Refusal(
        reason="OwnedByGitOps",
        message=f"{workload.short} is managed from Git by {by}, which would change it back within seconds: revert the commit there",
    )
