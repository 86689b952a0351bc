"""job, createJobFrom and rerunJob: the exact Job, what is refused, and what is concluded of what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.api.common import ObjectRef
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, Note, Right, Wait

from . import thing_builders as things
from .builders import NOON, later
from .test_steps import asked, live

DIGEST = "registry.example.com/tools@sha256:" + "0" * 64
RUN = RunbookStep(name="run", job={"image": DIGEST, "command": ["fix", "it"], "env": {"A": "b"}, "serviceAccountName": "fixer"})
FROM = RunbookStep(name="run", createJobFrom={"cronJob": "nightly"})
AGAIN = RunbookStep(name="run", rerunJob={"job": "migrate"})
JOBS, CRON_JOBS = Listed("batch/v1", "Job", "shop"), Listed("batch/v1", "CronJob", "shop")
NAME = "prunella-0123456789abcdef"
YES = {"prunella.dev/idempotent": "true"}


def told(jobs=None, cron_jobs=None, **changes):
    answers = {key: value for key, value in ((JOBS, jobs), (CRON_JOBS, cron_jobs)) if value is not None}
    return live(**({"answers": answers, "intent_id": "0123456789abcdef"} | changes))


def target(thing, raw):
    """The facts where that is the target: nothing has to be asked for it."""
    return told(target=thing, raw=raw)


def made(*more):
    """The record of the Job that was made, and others."""
    ref = ObjectRef(api_version="batch/v1", kind="Job", namespace="shop", name=NAME)
    intent = Intent(id="0123456789abcdef", action="Create", target_ref=ref, written_time=NOON, deadline_time=later(60))
    return (StepStatus(name="run", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON)), *more)


def one(name=NAME, kind="Job", *, annotations=None, spec=None, **status: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "annotations": annotations or {}}, "spec": spec or {}, "status": status}


def ended(type_, **more):
    return one(conditions=[{"type": "SuccessCriteriaMet", "status": "True"}, {"type": type_, "status": "True", **more}])


DONE = one(conditions=[{"type": "Complete", "status": "True"}], completionTime="2026-11-24T12:00:00Z")


# job


def test_a_job_runs_as_the_account_that_is_named_without_any_privilege_and_ends():
    wants = asked(RUN, told())
    assert isinstance(wants, Create)
    assert wants.target == ObjectRef(api_version="batch/v1", kind="Job", namespace="shop", name=NAME)
    assert wants.manifest == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"labels": {"app.kubernetes.io/managed-by": "prunella"}},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": 300,
            "ttlSecondsAfterFinished": 86400,
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/managed-by": "prunella"}},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": "fixer",
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [
                        {
                            "name": "job",
                            "image": DIGEST,
                            "command": ["fix", "it"],
                            "env": [
                                {"name": "A", "value": "b"},
                                {"name": "TARGET_KIND", "value": "Deployment"},
                                {"name": "TARGET_NAME", "value": "checkout"},
                                {"name": "TARGET_NAMESPACE", "value": "shop"},
                            ],
                            "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]},
                            },
                        }
                    ],
                },
            },
        },
    }
    assert wants.does == f"Job {NAME} runs for deploy/checkout as fixer"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image": "registry.example.com/tools:latest"}, "image"),
        ({"image": "tools@sha256:abc"}, "image"),
        ({"command": []}, "command"),
        ({"serviceAccountName": None}, "serviceAccountName"),
        ({"deadlineSeconds": 541}, "deadlineSeconds"),
        ({"memory": "lots"}, "memory"),
        ({"privileged": True}, "privileged"),
    ],
    ids=["a tag", "half a digest", "no command", "no account", "longer than a run", "no quantity", "a privilege"],
)
def test_what_a_job_may_not_be_is_refused(changes, field):
    given = RUN.actions["job"] | changes
    said = registry.wrong_with(RunbookStep(name="s", job={key: value for key, value in given.items() if value is not None}))
    assert said is not None
    assert said.startswith(f"step 's', job.{field}")


@pytest.mark.parametrize("step", [RUN, FROM, AGAIN], ids=["job", "createJobFrom", "rerunJob"])
@pytest.mark.parametrize(
    ("jobs", "answer"),
    [
        (None, Ask(reads=(JOBS,))),
        (UNKNOWN, Wait(until_time=later(2), message="the Jobs of the namespace could not be read")),
        ((), Failed(message=f"Job {NAME} is gone: whether it did its work can't be told")),
        ((one("other"),), Failed(message=f"Job {NAME} is gone: whether it did its work can't be told")),
        ((one(active=1),), Wait(until_time=later(5), message=f"Job {NAME} is at work")),
        ((one(conditions=[{"type": "Complete", "status": "False"}]),), Wait(until_time=later(5), message=f"Job {NAME} is at work")),
        ((ended("Complete"),), Note(message=f"Job {NAME} is complete", outputs={"job": NAME})),
        ((DONE,), Note(message=f"Job {NAME} is complete", outputs={"job": NAME, "completedTime": "2026-11-24T12:00:00Z"})),
        (
            (ended("Failed", reason="DeadlineExceeded", message="it took too long"),),
            Failed(message=f"Job {NAME} failed: DeadlineExceeded: it took too long"),
        ),
    ],
    ids=["not asked", "unreadable", "gone", "another", "at work", "not complete", "complete", "complete since then", "failed"],
)
def test_only_what_the_cluster_calls_complete_is_success(step, jobs, answer):
    assert asked(step, told(jobs), made()) == answer


def test_a_complete_job_ends_its_step():
    note = StepStatus(name="run/1", state=StepState.APPLIED, outcome=StepOutcome(observed_time=NOON, after={"job": NAME}))
    assert asked(RUN, told(), made(note)) == Done(message="the Job is complete")


# createJobFrom


SPEC = {
    "backoffLimit": 6,
    "template": {
        "metadata": {"labels": {"app": "nightly", "job-name": "old", "batch.kubernetes.io/controller-uid": "x"}},
        "spec": {"containers": [{"name": "c", "image": "a:1"}], "restartPolicy": "OnFailure"},
    },
}


def cron_job(*, annotations=YES, status=None, **spec):
    template = {"metadata": {"labels": {"app": "nightly"}, "annotations": {"team": "shop"}}, "spec": SPEC}
    return one("nightly", "CronJob", annotations=annotations, spec={"jobTemplate": template, **spec}, **(status or {}))


def test_a_cron_jobs_job_is_made_with_our_limits_and_belongs_to_nobody_who_would_remove_it():
    assert asked(FROM, told()) == Ask(reads=(CRON_JOBS,))
    wants = asked(FROM, told(cron_jobs=(cron_job(),)))
    assert isinstance(wants, Create)
    assert wants.manifest["metadata"] == {
        "labels": {"app": "nightly"},
        "annotations": {"team": "shop", "cronjob.kubernetes.io/instantiate": "manual"},
    }
    assert wants.manifest["spec"] == {
        "backoffLimit": 0,
        "activeDeadlineSeconds": 300,
        "ttlSecondsAfterFinished": 86400,
        "template": {"metadata": {"labels": {"app": "nightly"}}, "spec": SPEC["template"]["spec"]},
    }


@pytest.mark.parametrize(("own", "deadline"), [(60, 60), (7200, 300)])
def test_the_sooner_deadline_holds(own, deadline):
    source = cron_job()
    source["spec"]["jobTemplate"]["spec"] = {**SPEC, "activeDeadlineSeconds": own}
    assert asked(FROM, told(cron_jobs=(source,))).manifest["spec"]["activeDeadlineSeconds"] == deadline


@pytest.mark.parametrize(
    ("listed", "answer"),
    [
        ((), Failed(message="there is no CronJob nightly in shop")),
        (UNKNOWN, Wait(until_time=later(2), message="the CronJobs of the namespace could not be read")),
        (
            (cron_job(annotations={}),),
            Failed(message='CronJob nightly does not bear prunella.dev/idempotent: "true": nobody has said that it may run twice'),
        ),
        (
            (cron_job(annotations={"prunella.dev/idempotent": "yes"}),),
            Failed(message='CronJob nightly does not bear prunella.dev/idempotent: "true": nobody has said that it may run twice'),
        ),
        ((cron_job(suspend=True),), Refusal(reason="HumanOverride", message="CronJob nightly is suspended: that is somebody's decision")),
        (
            (cron_job(concurrencyPolicy="Forbid", status={"active": [{"name": "n-1"}]}),),
            Failed(message="CronJob nightly runs right now, and its concurrencyPolicy permits no second Job"),
        ),
    ],
    ids=["not there", "unreadable", "not said", "said otherwise", "suspended", "at work"],
)
def test_what_may_not_run_twice_or_now_is_not_run(listed, answer):
    assert asked(FROM, told(cron_jobs=listed)) == answer


def test_where_both_may_run_a_running_one_stands_in_no_way():
    assert isinstance(asked(FROM, told(cron_jobs=(cron_job(concurrencyPolicy="Allow", status={"active": [{"name": "n"}]}),))), Create)


# rerunJob


SELF, CRON_SELF = RunbookStep(name="run", rerunJob={}), RunbookStep(name="run", createJobFrom={})
FAILED = things.failed_job()
UID = {"metadata": {"name": "migrate", "uid": "uid-migrate", "annotations": YES}}


def failed_job(annotations=YES, type_="Failed"):
    spec = {**SPEC, "selector": {"matchLabels": {"a": "b"}}, "manualSelector": False, "suspend": False}
    return one("migrate", annotations=annotations, spec=spec, conditions=[{"type": type_, "status": "True"}])


def test_a_failed_job_runs_again_under_another_name_without_what_was_the_first_ones_own():
    wants = asked(AGAIN, told((failed_job(),)))
    assert isinstance(wants, Create)
    assert (wants.target.name, wants.does) == (NAME, f"Job {NAME} runs again what Job migrate ran")
    spec: Any = wants.manifest["spec"]
    assert set(spec) == {"backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "template"}
    assert spec["template"]["metadata"]["labels"] == {"app": "nightly"}


@pytest.mark.parametrize(
    ("jobs", "why"),
    [
        ((), "there is no Job migrate in shop"),
        ((failed_job({}),), 'Job migrate does not bear prunella.dev/idempotent: "true": nobody has said that it may run twice'),
        ((failed_job(type_="Complete"),), "Job migrate has not failed: there is nothing to run again"),
        ((one("migrate", annotations=YES),), "Job migrate has not failed: there is nothing to run again"),
    ],
    ids=["not there", "not said", "complete", "at work"],
)
def test_what_did_not_fail_or_may_not_run_twice_is_left_alone(jobs, why):
    assert asked(AGAIN, told(jobs)) == Failed(message=why)


# where it is the target


def test_a_failed_job_that_is_the_target_is_run_again_as_it_was_judged_and_the_record_says_whose_run_it_is():
    wants = asked(SELF, target(FAILED, failed_job() | UID))
    assert isinstance(wants, Create)
    assert (wants.target.namespace, wants.target.name, wants.does) == ("shop", NAME, f"Job {NAME} runs again what Job migrate ran")
    assert wants.record == {"runsAgain": "uid-migrate"}
    assert asked(AGAIN, target(FAILED, failed_job() | UID)) == wants, "whoever names it means the same"


def test_a_cron_job_that_is_the_target_is_run_now():
    wants = asked(CRON_SELF, target(things.cron_job(name="nightly"), cron_job() | {"metadata": cron_job()["metadata"] | {"uid": "uid-cj"}}))
    assert isinstance(wants, Create)
    assert (wants.does, wants.record) == (f"Job {NAME} runs what CronJob nightly runs", {"runsAgain": "uid-cj"})


@pytest.mark.parametrize(
    ("step", "thing", "raw", "why"),
    [
        (SELF, FAILED, failed_job({}), 'Job migrate does not bear prunella.dev/idempotent: "true": nobody has said that it may run twice'),
        (
            CRON_SELF,
            things.cron_job(name="nightly"),
            cron_job(annotations={}),
            'CronJob nightly does not bear prunella.dev/idempotent: "true": nobody has said that it may run twice',
        ),
        (
            CRON_SELF,
            things.cron_job(name="nightly"),
            cron_job(concurrencyPolicy="Replace", status={"active": [{"name": "n-1"}]}),
            "CronJob nightly runs right now, and its concurrencyPolicy permits no second Job",
        ),
    ],
    ids=["a Job of which nobody said so", "a CronJob of which nobody said so", "one that runs now"],
)
def test_of_the_target_itself_it_is_known_before_people_are_asked(step, thing, raw, why):
    assert asked(step, target(thing, raw)) == Refusal(reason="PreconditionFalse", message=why)


@pytest.mark.parametrize(
    ("step", "thing", "why"),
    [
        (SELF, None, "deploy/checkout is no Job, and the step names none"),
        (CRON_SELF, None, "deploy/checkout is no CronJob, and the step names none"),
    ],
    ids=["a Job", "a CronJob"],
)
def test_beside_another_target_it_has_to_be_named(step, thing, why):
    assert asked(step, told()) == Failed(message=why)


def test_another_job_than_the_target_may_be_named_and_is_no_proof_for_the_target():
    wants = asked(
        RunbookStep(name="run", rerunJob={"job": "other"}), told((failed_job() | {"metadata": {"name": "other", "uid": "o", "annotations": YES}},))
    )
    assert isinstance(wants, Create)
    assert wants.record == {"runsAgain": "o"}


# rights, hash


@pytest.mark.parametrize(("step", "more"), [(RUN, ()), (AGAIN, ()), (FROM, ("cronjobs",))], ids=["job", "rerunJob", "createJobFrom"])
def test_they_need_to_make_and_to_see_jobs(step, more):
    needed = set(registry.needs_of((step,), "Deployment"))
    assert needed == {Right(verb="create", group="batch", resource="jobs"), Right(verb="list", group="batch", resource="jobs")} | {
        Right(verb="list", group="batch", resource=one) for one in more
    }
    assert needed <= set(registry.kind_of(step).rights)
    assert registry.kind_of(step).goes_on


def test_the_same_intent_asks_for_the_same_job():
    assert asked(RUN, told()).sha256 == asked(RUN, told()).sha256
    assert asked(RUN, told()).sha256 != asked(FROM, told(cron_jobs=(cron_job(),))).sha256
    assert asked(RUN, live()).target.name == "prunella-dry-run", "before there is a run it has a name of its own"
