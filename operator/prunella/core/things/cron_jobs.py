"""A CronJob whose runs fail: the last one, or several in a row. The next success ends it.

The rule this module protects: one fault is one Incident. However often a schedule tries again, its failed runs are told together, and the runs that
are kept may be fewer than those that failed, so how long no run succeeded counts as well. A success is one whoever made that run.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise, takewhile
from typing import Final

from prunella.api.names import Cause

from .cron_job import CronJob
from .job import Job
from .jobs import FRESH, failed_pods
from .sighting import NOTHING, At, Sighting, found, told

RUNS: Final = 3
"""So many failed runs in a row are no accident."""
LONG: Final = timedelta(hours=24)
"""So long without a success is long, where the runs that are kept don't tell how far they are apart."""


def detect(cron: CronJob, at: At) -> Sighting:
    """CronJobFailing, or JobFailed where only its last run failed. What a person suspended is left alone."""
    again = at.past.ran_again_time
    if again is not None:
        cron = replace(cron, last_success_time=max(again, cron.last_success_time or again))
    streak = failed_runs(cron)
    if cron.suspended or not streak:
        return NOTHING
    newest, failed_time = streak[0]
    pods, container = failed_pods(newest)
    why = f"{newest.name}: {told(newest.failed_reason, newest.failed_message)}"
    succeeded = f"the last success was at {cron.last_success_time:%Y-%m-%d %H:%M:%S}" if cron.last_success_time else "no run has succeeded so far"
    if len(streak) >= RUNS:
        what = f"its last {len(streak)} runs failed ({why}); {succeeded}"
        return found(cron, Cause.CRON_JOB_FAILING, what, streak[-1][1], at, pods=pods, container=container)
    if _long_without_success(cron):
        what = f"its runs fail ({why}); {succeeded}"
        return found(cron, Cause.CRON_JOB_FAILING, what, failed_time, at, pods=pods, container=container)
    what = f"its last run failed ({why}); {succeeded}"
    return found(cron, Cause.JOB_FAILED, what, failed_time, at, opens=at.now - failed_time < FRESH, pods=pods, container=container)


def failed_runs(cron: CronJob) -> tuple[tuple[Job, datetime], ...]:
    """The failed runs since the last success, newest first, and when they failed."""
    ended = sorted(((one, one.finished_time) for one in cron.jobs if one.finished_time is not None), key=lambda pair: pair[1], reverse=True)
    failed = takewhile(lambda pair: pair[0].failed_time is not None, ended)
    return tuple(pair for pair in failed if cron.last_success_time is None or pair[1] > cron.last_success_time)


def _long_without_success(cron: CronJob) -> bool:
    since = cron.last_success_time or cron.created_time
    if since is None or cron.last_schedule_time is None:
        return False
    times = sorted(one.scheduled_time for one in cron.jobs if one.scheduled_time is not None)
    gaps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return cron.last_schedule_time - since >= (RUNS * min(gaps) if gaps else LONG)
