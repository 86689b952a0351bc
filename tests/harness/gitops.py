"""A stand-in of Flux: a Kustomization, and a loop that does what its controller would: what stands in Git is applied again and again, unless it is
suspended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from . import definitions
from .api import Api, Object, Refused
from .arena import Arena
from .installation import kubectl

NAME: Final = "apps"
KIND: Final = "Kustomization"
MANAGER: Final = "kustomize-controller"
SECONDS: Final = 1.0


class Git:
    """What stands in Git, and whoever applies it."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._head: Object | None = None
        self._over = threading.Event()
        self.applied = 0
        """How often what stands there was applied."""

    def marked(self, made: Object) -> Object:
        """The same object with the labels by which Flux knows what is its own."""
        labels = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in (("name", NAME), ("namespace", self._namespace))}
        return {**made, "metadata": {**made["metadata"], "labels": {**made["metadata"].get("labels", {}), **labels}}}

    def commit(self, made: Object) -> None:
        """From now on this stands there."""
        self._head = self.marked(made)
        self.applied = 0

    def kustomization(self) -> Object:
        """As it is now."""
        return self._api.get(KIND, NAME, self._namespace)

    def follow(self) -> None:
        """Until it is over, bring back what stands in Git."""
        while not self._over.wait(SECONDS):
            try:
                if self._head is not None and not self.kustomization().get("spec", {}).get("suspend"):
                    self._api.apply(self._head, MANAGER)
                    self.applied += 1
            except (OSError, Refused):
                continue  # as a controller does: the next round tries again

    def end(self) -> None:
        """Apply nothing any more."""
        self._over.set()


@contextmanager
def flux(arena: Arena) -> Iterator[Git]:
    """Flux manages something in this namespace, whose owner lets it be held (manifests/hold-gitops)."""
    definitions.define(arena.api, KIND, arena.namespace)
    kubectl("apply", "-n", arena.namespace, "-k", "manifests/hold-gitops")
    body = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": KIND, "metadata": {"name": NAME, "namespace": arena.namespace}}
    arena.api.apply({**body, "spec": {"interval": "1m", "path": "./apps", "prune": True}})
    git = Git(arena.api, arena.namespace)
    thread = threading.Thread(target=git.follow, daemon=True, name=f"flux-{arena.namespace}")
    thread.start()
    try:
        yield git
    finally:
        git.end()
        thread.join(timeout=20)
