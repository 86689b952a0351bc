"""What a pod template's containers take their configuration from.

So a reference that is new is told from one that always stood there, and of a ConfigMap that changed it is known to whom it matters.

The rule this module protects: names and keys are read, never what stands under them. Secrets count only where the environment is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

from .wire_workload import Source, Template, TemplateContainer, Volume


def references(template: Template) -> frozenset[str]:
    """As in `facts.Revision.references`."""
    containers = (*(template.spec.init_containers or ()), *(template.spec.containers or ()))
    from_environment = (text for container in containers for text in _of(container))
    parts = {mount.name for one in containers for mount in one.volume_mounts or () if mount.sub_path or mount.sub_path_expr}
    from_volumes = (text for volume in template.spec.volumes or () for text in _in(volume, part=volume.name in parts))
    return frozenset(intern(text) for text in (*from_environment, *from_volumes))


def _in(volume: Volume, *, part: bool) -> Iterator[str]:
    """The ConfigMaps of a volume: `part` where a container sees only a part of it, and so never sees it renewed."""
    projected = volume.projected.sources if volume.projected is not None else None
    for source in (volume.config_map, *(one.config_map for one in projected or ())):
        if source is not None and source.name:
            yield f"{'part' if part else 'volume'}/{source.name}"


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
