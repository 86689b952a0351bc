"""Containers that are killed for memory although no rollout brought it: a leak, more load, a limit that never was enough.

The rule this module protects: the first kill is Kubernetes' own to cure. From the second on it is found, however long the container ran in between: a
leak takes hours. No revision is accused, for going back would not give it more memory.
"""

from __future__ import annotations

from prunella.api.names import Cause
from prunella.core import failing

from .crash import symptom
from .look import Look, Symptom


def out_of_memory(look: Look) -> Symptom | None:
    """OutOfMemory: the kubelet says OOMKilled, and it is not the first restart."""
    crashes = (crash for pod in look.troubled for crash in failing.crashes(pod, look.now) if crash.out_of_memory)
    found = tuple(crash for crash in crashes if crash.loops or crash.container.restarts >= failing.LOOPS_FROM)
    return symptom(look, Cause.OUT_OF_MEMORY, found) if found else None
