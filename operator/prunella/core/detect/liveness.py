"""Containers that the kubelet ends again and again because a probe fails, although no rollout brought it.

A pod's status does not name the probe: it says that the container was ended by a signal, when, and whether for memory.

The rule this module protects: all of the evidence, or nothing. The container has a liveness or startup probe; each end that is still shown was by
SIGTERM or SIGKILL and not for memory; the last run lasted as long as the probe needs to fail; and it loops. A program that ends itself at SIGTERM
with a code of its own shows none of that, and stays a crash loop.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.failing import Crash

from .crash import symptom
from .look import Look, Symptom, in_container, in_seconds

BY_SIGNAL: Final = frozenset({137, 143})
"""128 + SIGKILL, 128 + SIGTERM."""
WHOLE_SECONDS: Final = timedelta(seconds=1)
"""The kubelet writes times without fractions."""


def liveness_kills(look: Look) -> Symptom | None:
    """LivenessKills: containers that loop, and each known end is one that a failed probe brings."""
    probed = look.facts.workload.probe_kills
    if not probed or look.newest is None or look.rolling:
        return None  # the template's probes are those of the newest revision's pods alone
    crashes = (crash for pod in look.troubled_newest for crash in failing.crashes(pod, look.now) if crash.loops)
    found = {crash: ran for crash in crashes if (ran := _ran_until_killed(crash, probed.get(crash.container.name))) is not None}
    if not found:
        return None
    most = max(found, key=lambda crash: (crash.container.restarts, crash.restarted_time))
    least = probed[most.container.name]
    return symptom(look, Cause.LIVENESS_KILLS, tuple(found), what=_what(most, found[most], least))


def _ran_until_killed(crash: Crash, least: int | None) -> timedelta | None:
    """How long the last run took; None where its end, or the one before it, may have another reason."""
    container, last = crash.container, crash.last
    ends = [end for end in (container.last_terminated, container.terminated) if end is not None]
    if least is None or last is None or crash.out_of_memory or any(end.exit_code not in BY_SIGNAL for end in ends):
        return None
    if last.started_time is None or last.finished_time is None:
        return None
    ran = last.finished_time - last.started_time
    return ran if ran + WHOLE_SECONDS >= timedelta(seconds=least) else None


def _what(crash: Crash, ran: timedelta, least: int) -> str:
    where, code = in_container(crash.pod, crash.container.name), crash.last.exit_code if crash.last is not None else ""
    how = f"exit code {code} after {in_seconds(ran)}; a failed probe ends it after {least} s at the earliest"
    return f"is ended from outside again and again ({where}{how})"
