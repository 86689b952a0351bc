"""Who owns a target, and whether a change of it would be undone by that owner.

An HPA owns `replicas` and a VPA `resources`: neither forbids a rollback of the template.
Argo CD and Flux own the whole object, as does another operator; a node has a mender, or nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prunella.core.facts import Workload
from prunella.core.healing.refusal import Refusal
from prunella.core.subject import Thing
from prunella.core.things.node import Node

from . import nodes

ARGO_ANNOTATION: Final = "argocd.argoproj.io/tracking-id"
FLUX_LABELS: Final = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")


def owned(subject: Workload | Thing) -> Refusal | None:
    """Why the target is not ours to change, or None."""
    by = gitops(subject)
    if by:
        return _gitops(subject, by)
    mender = nodes.mender(subject) if isinstance(subject, Node) else ""
    if mender:
        message = f"{subject.short} is mended by {mender}: two that mend one node are one too many; look there why it does not"
        return Refusal(reason="DelegatedToNodeRepair", message=message)
    if subject.owner is not None:
        owner = subject.owner
        return Refusal(
            reason="OwnedByOperator",
            message=f"{subject.short} belongs to {owner.kind} {owner.name}: its operator would change it back; act on that object",
        )
    return None


def gitops(subject: Workload | Thing) -> str:
    """What applies the target from Git, in words; empty where nothing does."""
    return gitops_of(subject.annotations, subject.labels)


def gitops_of(annotations: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The same of any object, by what it bears."""
    tracking = annotations.get(ARGO_ANNOTATION)
    if tracking:
        return f"Argo CD's application {tracking.split(':', 1)[0]}"
    labelled = ((label.split(".", 1)[0], labels.get(label)) for label in FLUX_LABELS)
    return next((f"Flux ({what} {name})" for what, name in labelled if name), "")


def _gitops(subject: Workload | Thing, by: str) -> Refusal:
    return Refusal(
        reason="OwnedByGitOps",
        message=f"{subject.short} is managed from Git by {by}, which would change it back within seconds: revert the commit there",
    )


def made(raw: Mapping[str, object], what: str) -> Refusal | None:
    """Why an object that is no workload is not ours to change, by what stands on it as JSON; None where nothing would change it back."""
    metadata = raw.get("metadata")
    found = metadata if isinstance(metadata, Mapping) else {}
    labels, annotations = found.get("labels") or {}, found.get("annotations") or {}
    if annotations.get(ARGO_ANNOTATION) or any(labels.get(label) for label in FLUX_LABELS):
        return Refusal(reason="OwnedByGitOps", message=f"{what} is managed from Git, which would bring it back within seconds: change it there")
    owners = found.get("ownerReferences")
    if owners:
        return Refusal(reason="OwnedByOperator", message=f"{what} is made by {owners[0].get('kind')} {owners[0].get('name')}: change that one")
    return None
