"""What the probes of a pod template allow: how long until Ready, and how soon a container may be ended for a failed one.

The rule this module protects: these are bounds by the template's own numbers, with the API server's defaults where it names none.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

from .wire_workload import Probe, Template, TemplateContainer


def probe_budget(template: Template) -> int:
    """As in `facts.Workload.probe_budget_seconds`."""
    return max((_budget(container) for container in _running(template)), default=0)


def probe_kills(template: Template) -> dict[str, int]:
    """As in `facts.Workload.probe_kills`."""
    found = {intern(container.name): [_least(probe) for probe in _ending(container)] for container in _running(template)}
    return {name: min(times) for name, times in found.items() if times}


def _running(template: Template) -> Iterator[TemplateContainer]:
    """Containers that run as long as the pod does: probes are theirs alone."""
    yield from template.spec.containers or ()
    yield from (container for container in template.spec.init_containers or () if container.restart_policy == "Always")


def _budget(container: TemplateContainer) -> int:
    probes = [probe for probe in (container.startup_probe, container.readiness_probe) if probe is not None]
    return sum(probe.initial_delay_seconds + probe.period_seconds * probe.failure_threshold for probe in probes)


def _ending(container: TemplateContainer) -> list[Probe]:
    return [probe for probe in (container.startup_probe, container.liveness_probe) if probe is not None]


def _least(probe: Probe) -> int:
    """Until its last failure that counts, where each of them fails at once."""
    return probe.initial_delay_seconds + probe.period_seconds * (probe.failure_threshold - 1)
