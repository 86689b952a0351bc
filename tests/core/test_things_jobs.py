"""Jobs and CronJobs: what is a fault of them, and what is none."""

from __future__ import annotations

import pytest

from prunella.api.names import Cause
from prunella.core.facts import UNKNOWN
from prunella.core.things import bygone
from prunella.core.things.past import Past
from prunella.core.things.sighting import NOTHING

from .builders import NOON, ago, later
from .thing_builders import cron_job, failed_job, failed_pod, job, look, run

HOUR = 3600


def test_a_failed_job_is_found_at_once_with_the_pod_whose_log_may_say_why():
    failed = failed_job(pods=(failed_pod("migrate-x1", created_time=ago(300)), failed_pod("migrate-x2", created_time=ago(100))))
    seen = look(failed)
    assert seen.opens
    assert seen.look_again is None
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.subject, seen.finding.started_time) == (Cause.JOB_FAILED, failed, ago(60))
    assert seen.finding.open_time <= NOON
    assert (seen.finding.failing_pods, seen.finding.failing_container) == (("migrate-x2", "migrate-x1"), "main")
    assert seen.finding.summary == "migrate: the Job failed (BackoffLimitExceeded: Job has reached the specified backoff limit)"


@pytest.mark.parametrize(
    "one",
    [
        job(),
        job(completed_time=ago(5)),
        failed_job(deletion_time=ago(5)),
        run(1, failed=True, ago_seconds=60),
        failed_job("prunella-5b1e", annotations={"prunella.dev/intent-id": "5b1e"}),
    ],
    ids=["runs", "done", "being deleted", "its schedule runs it again", "an attempt made it"],
)
def test_any_other_job_is_none(one):
    assert look(one).finding is None


def test_a_copy_of_one_that_an_attempt_made_is_somebodys_own():
    assert look(failed_job("copied", annotations={"prunella.dev/intent-id": "5b1e"})).finding is not None


def test_one_that_was_run_again_with_success_is_well_and_forgotten_it_is_not():
    assert look(failed_job(), past=Past(ran_again_time=ago(5))) == NOTHING
    assert look(failed_job(), past=Past()).finding is not None


def test_a_failure_of_long_ago_keeps_its_incident_and_opens_none():
    assert look(failed_job(failed=24 * HOUR - 1)).opens
    old = look(failed_job(failed=24 * HOUR))
    assert old.finding is not None
    assert not old.opens


def test_what_is_dated_in_the_future_holds_since_now_and_the_policy_may_have_it_wait():
    seen = look(failed_job(failed=-60), open_after_seconds={"JobFailed": 30})
    assert seen.finding is not None
    assert (seen.finding.started_time, seen.finding.open_time, seen.look_again) == (NOON, later(30), later(30))


def streak(*failed: bool, **changes):
    """Runs of an hour's distance, the newest first."""
    return cron_job(*(run(9 - n, failed=one, ago_seconds=600 + n * HOUR) for n, one in enumerate(failed)), **changes)


@pytest.mark.parametrize(
    ("cron", "cause", "words"),
    [
        (streak(True, False), Cause.JOB_FAILED, "its last run failed (backup-9: BackoffLimitExceeded"),
        (streak(True, True, False), Cause.JOB_FAILED, "its last run failed"),
        (streak(True, True, True, last_success_time=ago(4 * HOUR)), Cause.CRON_JOB_FAILING, "its last 3 runs failed (backup-9:"),
        (streak(True, True, True, last_success_time=None), Cause.CRON_JOB_FAILING, "no run has succeeded so far"),
        (streak(True, last_success_time=ago(26 * HOUR)), Cause.CRON_JOB_FAILING, "its runs fail (backup-9:"),
        (cron_job(run(9, failed=True, ago_seconds=600), run(8, failed=False, ago_seconds=8 * HOUR), run(7, failed=False, ago_seconds=9 * HOUR),
                  last_success_time=ago(8 * HOUR)), Cause.CRON_JOB_FAILING, "the last success was at 2026-11-24 04:00:00"),
    ],
    ids=["one", "two", "three", "never", "only one is kept and a day is over", "only one is kept and three periods are over"],
)  # fmt: skip
def test_a_cron_job_is_judged_by_its_runs_since_the_last_success(cron, cause, words):
    seen = look(cron)
    assert seen.finding is not None
    assert seen.finding.cause is cause
    assert words in seen.finding.summary


@pytest.mark.parametrize(
    "cron",
    [
        streak(False, True, True, True),
        streak(True, True, True, suspended=True),
        streak(True, True, True, deletion_time=ago(1)),
        streak(True, True, True, last_success_time=ago(60)),
        cron_job(),
        cron_job(run(9, failed=False, ago_seconds=30), job("backup-10", owner_kind="CronJob", owner_name="backup")),
    ],
    ids=["the last run succeeded", "suspended", "being deleted", "a success is known that is not kept", "nothing is kept", "one runs"],
)
def test_any_other_cron_job_is_well(cron):
    assert look(cron).finding is None


@pytest.mark.parametrize(
    ("ran_again", "cause"),
    [(ago(599), None), (ago(601), Cause.JOB_FAILED), (ago(3 * HOUR), Cause.CRON_JOB_FAILING)],
    ids=["after the last failure", "before it", "before three of them"],
)
def test_a_run_that_an_attempt_made_is_a_success_as_any_other(ran_again, cause):
    seen = look(streak(True, True, True, last_success_time=None), past=Past(ran_again_time=ran_again))
    assert (seen.finding and seen.finding.cause) == cause


def test_while_the_next_run_is_under_way_the_last_one_counts():
    seen = look(cron_job(run(9, failed=True, ago_seconds=600), job("backup-10", owner_kind="CronJob", owner_name="backup")))
    assert seen.finding is not None
    assert seen.finding.cause is Cause.JOB_FAILED


ABOUT = {"alertname": "KubeJobFailed", "job_name": "backup-9"}
FAILED, RUNS = run(9, failed=True, ago_seconds=600), run(9, failed=False, ago_seconds=0, completed_time=None)


@pytest.mark.parametrize(
    ("thing", "given", "past"),
    [
        (cron_job(FAILED), {}, True),
        (cron_job(), {}, True),
        (cron_job(RUNS), {}, False),
        (cron_job(FAILED), {"labels": {"alertname": "KubeCronJobRunning"}}, False),
        (cron_job(FAILED, suspended=True), {}, False),
        (cron_job(FAILED, deletion_time=ago(5)), {}, False),
        (cron_job(FAILED), {"finding": look(cron_job(FAILED)).finding}, False),
        (cron_job(FAILED), {"finding": UNKNOWN}, False),
        (failed_job(), {"ran_again": True}, True),
        (failed_job(), {}, False),
        (job(), {"ran_again": True}, False),
        (UNKNOWN, {}, False),
        (None, {}, False),
    ],
    ids=[
        "a failed run",
        "a run that is not kept",
        "a run that goes on",
        "no run",
        "suspended",
        "being deleted",
        "it fails",
        "it may fail",
        "run again",
        "a Job that failed, and that is all",
        "a Job that did not fail",
        "not seen",
        "not there",
    ],
)
def test_an_alert_is_of_the_past_only_where_a_success_is_known(thing, given, past):
    given = {"finding": None, "labels": ABOUT, "ran_again": False} | given
    assert bygone.told(thing, given["finding"], given["labels"], ran_again=given["ran_again"]) is past
