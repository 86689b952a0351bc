"""ServiceWithoutEndpoints: every request to the Service fails."""

from __future__ import annotations

from prunella.api.names import Cause

from .service import Service
from .sighting import NOTHING, At, Sighting, found


def detect(service: Service, at: At) -> Sighting:
    """Of a Service that served before, as far as is known."""
    if not service.selector or service.ready_endpoints or service.scaled_to_zero or not at.past.ever_served:
        return NOTHING
    if service.other_endpoints:
        why = "there are endpoints, and none of them is ready"
    else:
        why = f"no pod bears the labels that it selects ({', '.join(f'{key}={value}' for key, value in sorted(service.selector.items()))})"
    return found(service, Cause.SERVICE_WITHOUT_ENDPOINTS, f"nothing answers: {why}", at.now, at)
