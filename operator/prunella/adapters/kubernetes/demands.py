"""What a pod template asks of the cluster, short enough to be kept of every revision.

The rule this module protects: two revisions have the same digest where they ask for the same, in whatever order it is written.
"""

from __future__ import annotations

from hashlib import blake2b
from sys import intern
from typing import Final

import msgspec

from prunella.core.demands import Demands

from .wire_workload import Template, TemplateAffinity, TemplateContainer, TemplateSpec

_DEFAULT_ACCOUNT: Final = "default"


def demands(template: Template) -> Demands:
    """As in `facts.Revision.demands`."""
    spec = template.spec
    return Demands(
        account=intern(spec.service_account_name or _DEFAULT_ACCOUNT),
        node_selector=tuple(sorted((intern(key), intern(value)) for key, value in (spec.node_selector or {}).items())),
        selection=_digest(spec.node_selector, *_required(spec)),
        tolerations=_digest(spec.tolerations),
        privileges=_privileges(spec),
    )


def _required(spec: TemplateSpec) -> tuple[object, ...]:
    """What must be so; what is only preferred keeps no pod from a node."""
    affinity = spec.affinity or TemplateAffinity()
    terms = (one.required if one is not None else None for one in (affinity.node_affinity, affinity.pod_affinity, affinity.pod_anti_affinity))
    return (*terms, [one for one in spec.topology_spread_constraints or () if one.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"])


def _privileges(spec: TemplateSpec) -> str:
    containers = [_of(one) for one in (*(spec.init_containers or ()), *(spec.containers or ()))]
    folders = [volume.host_path for volume in spec.volumes or () if volume.host_path]
    return _digest(spec.security_context, spec.host_network, spec.host_pid, spec.host_ipc, folders, containers)


def _of(container: TemplateContainer) -> list[object]:
    """One without a word of its own counts too: it is what a rule of the namespace may miss."""
    return [container.security_context or None, [port.host_port for port in container.ports or () if port.host_port]]


def _digest(*parts: object) -> str:
    if not any(parts):
        return ""
    return intern(blake2b(msgspec.json.encode([part or None for part in parts], order="sorted"), digest_size=8).hexdigest())
