"""The roles that let Prunella act, made of what the steps say they need.

The rule it protects: a namespace that opts in grants what the steps can do, and nothing else; what reaches further is granted apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Right

PATH = "manifests/default/rbac/remediate.yaml"
HEAD = """\
# Written by `make generate` from the steps of Runbooks (core/healing/steps). Do not edit.
# What lets the operator change a workload. Nothing binds it here: the owner of a namespace does, with manifests/opt-in.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: prunella-remediate
  labels:
    app.kubernetes.io/name: prunella
    app.kubernetes.io/part-of: prunella
rules:
"""


def remediate() -> str:
    """The manifest of what opting in grants."""
    return HEAD + "".join(_rules(right for kind in registry.KINDS.values() if not kind.granted_by for right in kind.rights))


def _rules(rights: Iterable[Right]) -> Iterable[str]:
    """One rule for all resources of a group with the same verbs."""
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for right in rights:
        verbs[right.group, right.resource].add(right.verb)
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource), granted in sorted(verbs.items(), reverse=True):
        resources[group, tuple(sorted(granted))].append(resource)
    for (group, granted_verbs), names in resources.items():
        yield f"- apiGroups: [{group or chr(34) * 2}]\n  resources: [{', '.join(sorted(names))}]\n  verbs: [{', '.join(granted_verbs)}]\n"
