"""Which object of Argo CD or Flux brings a workload back to what stands in Git.

The rule this module protects: a marker that was copied from another object is no owner, and between two owners nothing is guessed.
"""

from __future__ import annotations

from typing import Final

from prunella.core.facts import Workload
from prunella.core.healing.owners.ownership import ARGO_ANNOTATION, FLUX_LABELS
from prunella.core.healing.refusal import Refusal

from .step import Listed

ARGO_NAMESPACE: Final = "argocd"
APPLICATION: Final = ("argoproj.io/v1alpha1", "Application")
FLUX: Final = {
    "kustomize.toolkit.fluxcd.io": ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
    "helm.toolkit.fluxcd.io": ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
}
KINDS: Final = (APPLICATION, *FLUX.values())
"""API version and kind of what can be held."""


def owner(workload: Workload) -> Listed | Refusal | None:
    """The one object that owns it; None where Git does not, a refusal where it can't be told."""
    found = [*_argo(workload), *(_flux(workload, label) for label in FLUX_LABELS if workload.labels.get(label))]
    if len(found) > 1:
        return _untold(workload, "several objects of Argo CD or Flux claim it")
    if not found:
        return None
    return found[0] if found[0] is not None else _untold(workload, "the marker of Argo CD or Flux on it is another object's, or is incomplete")


def _argo(workload: Workload) -> list[Listed | None]:
    """`<application>:<group>/<kind>:<namespace>/<name>`; an application outside of Argo CD's namespace is `<namespace>_<name>`."""
    tracking = workload.annotations.get(ARGO_ANNOTATION)
    if not tracking:
        return []
    application, _, tracked = tracking.partition(":")
    if tracked != f"apps/{workload.kind}:{workload.namespace}/{workload.name}":
        return [None]
    namespace, _, name = application.rpartition("_")
    return [Listed(*APPLICATION, namespace or ARGO_NAMESPACE, name)] if name else [None]


def _flux(workload: Workload, label: str) -> Listed | None:
    group = label.partition("/")[0]
    namespace = workload.labels.get(f"{group}/namespace")
    return Listed(*FLUX[group], namespace, workload.labels[label]) if namespace else None


def _untold(workload: Workload, why: str) -> Refusal:
    return Refusal(reason="OwnedByGitOps", message=f"{workload.short} is managed from Git, but by what can't be told: {why}")
