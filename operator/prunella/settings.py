"""Settings: where things are. How to behave stands in resources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are. How to behave stands in resources."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str = "prunella-system"
    watch_namespaces: tuple[str, ...] = ()
    listen: str = ":8080"
    token_dir: Path | None = None
    tls_dir: Path | None = None
    prometheus_url: str | None = None
    alertmanager_urls: tuple[str, ...] = ()
    crds_timeout_seconds: int = 300

    @property
    def incident_namespaces(self) -> tuple[str, ...]:
        """Namespaces whose Incidents are watched; empty where all are. The operator's own is always among them."""
        return (*self.watch_namespaces, self.namespace) if self.watch_namespaces else ()
