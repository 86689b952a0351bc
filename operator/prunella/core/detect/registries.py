"""Which registries a workload's pods can't pull from now.

The rule this module protects: a registry's plain answer that there is no such image speaks against the image, and never against the registry.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prunella.core import failing
from prunella.core.facts import Pod

from .image import Answer, classify

DEFAULT: Final = "docker.io"
"""Where an image comes from whose name begins with no host."""


def unreachable(pods: Iterable[Pod]) -> frozenset[str]:
    """Hosts of the images that pods wait for, but for those which the registry says it does not have."""
    waiting = (container for pod in pods for container in failing.waiting_for(pod, failing.IMAGE_REASONS) if not pod.deleting)
    return frozenset(host(container.image) for container in waiting if container.image and classify(container) is not Answer.MISSING)


def host(image: str) -> str:
    """The registry's host with its port, in lower case: the first part of the name, where it can be one."""
    first, slash, _ = image.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first.lower() if is_host else DEFAULT
