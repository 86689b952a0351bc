"""What a pod template's containers take their environment from, so that a reference that is new can be told from one that always stood there.

The rule this module protects: names and keys are read, never what stands under them. Volumes are left out: the kubelet tells of a missing one by an
Event alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

from .wire_workload import Source, Template, TemplateContainer


def references(template: Template) -> frozenset[str]:
    """As in `facts.Revision.references`."""
    containers = (*(template.spec.init_containers or ()), *(template.spec.containers or ()))
    return frozenset(intern(text) for container in containers for text in _of(container))


def _of(container: TemplateContainer) -> Iterator[str]:
    for variable in container.env or ():
        if variable.value_from is not None:
            yield from _named("configmap", variable.value_from.config_map_key_ref)
            yield from _named("secret", variable.value_from.secret_key_ref)
    for variables in container.env_from or ():
        yield from _named("configmap", variables.config_map_ref)
        yield from _named("secret", variables.secret_ref)


def _named(kind: str, source: Source | None) -> Iterator[str]:
    if source is not None and source.name:
        yield f"{kind}/{source.name}"
        if source.key:
            yield f"{kind}/{source.name}/{source.key}"
