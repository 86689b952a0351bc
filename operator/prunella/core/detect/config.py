"""Containers that can't be created for what they refer to: because the newest revision brought the reference, or because what it names is gone.

The rule this module protects: only a new reference accuses a revision. Where the revision that serves refers to the same object, going back would not
bring the object back.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.facts import Container, Pod, Revision

from .look import Look, Symptom, in_container, quote

_Failure: TypeAlias = tuple[Pod, Container]
_OBJECT: Final = re.compile(r'\b(configmap|secret) "([^"\s]+)" not found', re.IGNORECASE)
_KEY: Final = re.compile(r"couldn't find key (\S+) in (configmap|secret) (?:[^\s/]+/)?([^\s/]+)", re.IGNORECASE)


def rollout_config(look: Look) -> Symptom | None:
    """RolloutConfigError: containers of the newest revision can't be created, and nothing says that what they name was there before."""
    failures = _failures(look.troubled_newest) if look.rolling else ()
    before = look.before if failures else ()
    found = tuple(one for one in failures if not _known(one[1], before))
    if not found:
        return None
    return _symptom(look, Cause.ROLLOUT_CONFIG_ERROR, found, look.newest)


def config_missing(look: Look) -> Symptom | None:
    """ConfigMissing: what the kubelet can't find is no new reference, so somebody took it away."""
    failures = tuple(one for one in _failures(look.troubled) if missing(one[1]))
    before = look.before if failures else ()
    found = tuple(one for one in failures if not _brought(look, one[0]) or _known(one[1], before))
    return _symptom(look, Cause.CONFIG_MISSING, found, None) if found else None


def missing(container: Container) -> str:
    """What the kubelet can't find, as in `Revision.references`; empty where it is something else that is wrong."""
    if container.waiting_reason != "CreateContainerConfigError":
        return ""
    named = _OBJECT.search(container.waiting_message)
    if named is not None:
        return f"{named[1].lower()}/{named[2]}"
    key = _KEY.search(container.waiting_message)
    return f"{key[2].lower()}/{key[3]}/{key[1]}" if key is not None else ""


def _failures(pods: tuple[Pod, ...]) -> tuple[_Failure, ...]:
    return tuple((pod, container) for pod in pods for container in failing.waiting_for(pod, failing.CONFIG_REASONS))


def _brought(look: Look, pod: Pod) -> bool:
    """Whether what the pod refers to may be the rollout's doing."""
    return look.rolling and look.is_newest(pod)


def _known(container: Container, before: tuple[Revision, ...]) -> bool:
    """Whether every revision that could be gone back to refers to what is missing, too."""
    what = missing(container)
    return bool(what and before) and all(what in revision.references for revision in before)


def _symptom(look: Look, cause: Cause, found: tuple[_Failure, ...], accused: Revision | None) -> Symptom:
    pod, container = found[0]
    started = min(failing.unready_since(one, look.now) for one, _ in found)
    return Symptom(
        cause=cause,
        pods=tuple({one.name: one for one, _ in found}.values()),
        what=f"can't create its container ({in_container(pod, container.name)}{quote(container.waiting_message) or container.waiting_reason})",
        started_time=started,
        open_time=look.open_after(cause, started),
        container=container.name,
        accused=accused,
    )
