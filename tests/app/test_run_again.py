"""A Job that stays Failed and a CronJob are healed by another run of them: people agree to it, its success proves it, and it stays proved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.thing_builders import cron_job, failed_job, run
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.incident import Incident
from prunella.api.names import ApprovalVerdict, Cause, MessageKind, Mode, Outcome, Phase, RemediationPhase, SourceKind
from prunella.api.remediation import Approval
from prunella.api.runbook import Runbook
from prunella.core.facts import AlertFacts
from prunella.core.subject import Thing
from prunella.core.things.cron_job import CronJob

from .test_things import alert

YES = {"prunella.dev/idempotent": "true"}
HOUR = 3600
NOT_SAID = "its condition 'target.idempotent' is false"


def is_there(place: Place, thing: Thing, annotations: dict[str, str] = YES, **spec: Any) -> None:
    """The thing, and as the API server shows it."""
    meta = {"name": thing.name, "namespace": thing.namespace, "uid": thing.uid, "annotations": dict(annotations), "resourceVersion": "1"}
    status = {"conditions": [{"type": "Failed", "status": "True"}]} if thing.kind == "Job" else {}
    place.cluster.others[thing.kind, thing.namespace, thing.name] = {"kind": thing.kind, "metadata": meta, "spec": spec, "status": status}
    place.cluster.put(replace(thing, annotations={**thing.annotations, **annotations}))


async def failing(annotations: dict[str, str] = YES, *, mode: Mode = Mode.APPROVE, seconds: float = 30) -> tuple[Place, Operator]:
    """A Job that fails, and what is planned for it."""
    place = shop(_in(shipped("rerun-failed-job"), mode))
    operator = Operator(place)
    is_there(place, failed_job(failed_time=place.clock.now()), annotations, backoffLimit=4, template={"spec": {"containers": []}})
    await operator.run(seconds)
    return place, operator


def _in(one: Runbook, mode: Mode) -> Runbook:
    return one.model_copy(update={"spec": one.spec.model_copy(update={"mode": mode})})


def agree(operator: Operator) -> None:
    """Jane approves the newest attempt."""
    one = operator.remediations[-1]
    word = Approval(by="jane@example.com", plan_hash=one.spec.plan_hash, verdict=ApprovalVerdict.APPROVED)
    operator.place.api.apply(one.model_copy(update={"spec": one.spec.model_copy(update={"approvals": (*one.spec.approvals, word)})}))


def made(place: Place) -> list[dict[str, Any]]:
    return [raw for (kind, _, name), raw in place.cluster.others.items() if kind == "Job" and name.startswith("prunella-")]


def becomes(place: Place, type_: str) -> None:
    [job] = made(place)
    time = place.clock.now().isoformat().replace("+00:00", "Z")
    job["status"] = {"conditions": [{"type": type_, "status": "True"}], **({"completionTime": time} if type_ == "Complete" else {})}


async def healed() -> tuple[Place, Operator]:
    place, operator = await failing()
    agree(operator)
    await operator.run(10)
    becomes(place, "Complete")
    await operator.run(30)
    return place, operator


def firing(place: Place, name: str, **labels: str) -> dict[str, Any]:
    """An alert of which Alertmanager says, too, that it fires."""
    one = alert(name, **labels)
    facts = AlertFacts(fingerprint="00000000000000aa", state="firing", labels=one["labels"], received_time=place.clock.now())
    place.alertmanager.listed = {facts.fingerprint: facts}
    return one | {"fingerprint": facts.fingerprint}


async def test_people_are_asked_and_nothing_runs_before_they_agree():
    place, operator = await failing(seconds=600)
    [attempt] = operator.remediations
    assert (attempt.spec.mode, attempt.status.phase) == (Mode.APPROVE, RemediationPhase.PENDING)
    assert attempt.status.plan == "run a failed Job again: job/migrate"
    assert (made(place), place.cluster.effects) == ([], [])
    await operator.close()


async def test_once_they_agree_it_runs_again_and_its_success_ends_the_incident():
    place, operator = await failing()
    agree(operator)
    await operator.run(60)
    [job] = made(place)
    assert job["spec"]["backoffLimit"] == 0
    assert operator.remediations[0].status.phase is RemediationPhase.DISPATCHED, "nothing is proved while it is at work"
    assert operator.incident.status.phase is not Phase.RESOLVED
    becomes(place, "Complete")
    await operator.run(30)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert attempt.status.message == "healthy 3 of 3 times: healthy it was run again, and that run was complete"
    assert operator.condition("Resolved") == ("True", "Verified")
    await operator.close()


@pytest.mark.parametrize("forgets", [False, True], ids=["the same process", "another process, and the Job that was made is gone"])
async def test_it_stays_over_although_the_job_stays_failed(forgets: bool):
    place, operator = await healed()
    if forgets:
        await operator.close()
        [job] = made(place)
        del place.cluster.others["Job", "shop", job["metadata"]["name"]]
        operator = Operator(place)
    for _ in range(2):
        await operator.run(HOUR)
        place.cluster.put(place.cluster.things["Job", "shop", "migrate"])
    await operator.run(5)
    assert operator.condition("Resolved") == ("True", "Verified")
    assert (len(place.api.all(Incident)), operator.incident.status.episode, len(operator.remediations)) == (1, 1, 1)
    await operator.close()


async def test_an_alert_that_tells_of_the_old_job_later_on_opens_nothing_and_reopens_nothing():
    place, operator = await healed()
    told = firing(place, "KubeJobFailed", job_name="migrate")
    for _ in range(12):
        await operator.take(told)
        await operator.run(300)
    assert operator.condition("Resolved") == ("True", "Verified")
    assert (len(place.api.all(Incident)), operator.incident.status.episode) == (1, 1)
    await operator.close()


async def test_an_alert_that_told_of_it_before_holds_up_nothing():
    place, operator = await failing()
    await operator.take(firing(place, "KubeJobFailed", job_name="migrate"))
    agree(operator)
    await operator.run(10)
    becomes(place, "Complete")
    await operator.run(30)
    assert operator.condition("Resolved") == ("True", "Verified")
    await operator.run(HOUR)
    assert (len(place.api.all(Incident)), operator.incident.status.episode) == (1, 1)
    await operator.close()


async def test_another_job_of_that_name_that_fails_is_another_fault():
    place, operator = await healed()
    is_there(place, failed_job(uid="another", failed_time=place.clock.now()))
    await operator.run(30)
    assert sorted(one.status.phase for one in place.api.all(Incident)) == [Phase.RESOLVED, Phase.TRIGGERED]
    await operator.close()


async def test_its_failure_calls_people_and_is_no_second_incident():
    place, operator = await failing()
    agree(operator)
    await operator.run(10)
    becomes(place, "Failed")
    [job] = made(place)
    ours = failed_job(job["metadata"]["name"], annotations=job["metadata"]["annotations"], failed_time=place.clock.now())
    place.cluster.put(ours)
    await operator.run(10)
    [attempt] = operator.remediations
    assert attempt.status.outcome in {Outcome.ABORTED, Outcome.INEFFECTIVE}
    await operator.take(firing(place, "KubeJobFailed", job_name=ours.name))
    await operator.run(60)
    assert [one.spec.target_ref.name for one in place.api.all(Incident)] == ["migrate"]
    assert operator.incident.status.phase is Phase.TRIGGERED
    assert [one.source for one in operator.incident.status.signals] == [SourceKind.WATCH], "the alert about that run holds up nothing"
    assert place.deliver.to(MessageKind.PAGE) != []
    await operator.close()


async def test_one_of_which_nobody_said_that_it_may_run_twice_never_runs_again_and_nobody_is_asked_to_approve_it():
    place, operator = await failing({}, mode=Mode.AUTO, seconds=300)
    assert operator.condition("RemediationAllowed") == ("False", "PreconditionFalse")
    assert (operator.remediations, made(place), place.cluster.effects) == ([], [], [])
    assert place.deliver.to(MessageKind.PAGE) != []
    assert [one.message for one in operator.incident.status.conditions if one.type == "RemediationAllowed"] == [NOT_SAID]
    place.cluster.others["Job", "shop", "migrate"]["metadata"]["annotations"] = dict(YES)
    place.cluster.put(replace(place.cluster.things["Job", "shop", "migrate"], annotations=YES))
    await operator.run(60)
    assert len(made(place)) == 1, "once somebody says so, it goes on"
    await operator.close()


# a CronJob


def the_cron_job(place: Place) -> CronJob:
    one = place.cluster.things["CronJob", "shop", "backup"]
    assert isinstance(one, CronJob)
    return one


async def failing_cron() -> tuple[Place, Operator]:
    """The last run of a CronJob fails, and people agree that it runs now."""
    place = shop(shipped("run-failing-cron-job"))
    operator = Operator(place)
    now = place.clock.now()
    failed = run(9, failed=True, ago_seconds=60, failed_time=now)
    place.cluster.put(failed)
    is_there(place, cron_job(failed, last_success_time=None), jobTemplate={"spec": {"template": {"spec": {"containers": []}}}})
    await operator.run(90)
    agree(operator)
    await operator.run(10)
    return place, operator


async def test_a_cron_job_whose_run_failed_runs_now_and_that_success_is_one_of_its_own():
    place, operator = await failing_cron()
    assert operator.incident.status.cause is Cause.CRON_JOB_FAILING, "it never succeeded, for a month"
    becomes(place, "Complete")
    await operator.run(30)
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    assert operator.condition("Resolved") == ("True", "Verified")
    for _ in range(3):
        await operator.run(HOUR)
        place.cluster.put(the_cron_job(place))
    assert (len(place.api.all(Incident)), operator.incident.status.episode) == (1, 1), "although its own status knows no success"
    known = the_cron_job(place)
    again = run(10, failed=True, ago_seconds=0, failed_time=place.clock.now())
    is_there(place, replace(known, jobs=(again, *known.jobs)))
    await operator.run(5)
    [_, next_one] = sorted(place.api.all(Incident), key=lambda one: one.status.phase is not Phase.RESOLVED)
    assert (next_one.status.cause, next_one.status.phase) == (Cause.JOB_FAILED, Phase.TRIGGERED), "the next failure is a new one"
    await operator.close()


async def test_that_somebody_suspends_it_meanwhile_proves_nothing():
    place, operator = await failing_cron()
    becomes(place, "Complete")
    place.cluster.put(replace(the_cron_job(place), suspended=True))
    await operator.run(150)
    assert operator.remediations[0].status.outcome is not Outcome.REMEDIATED
    await operator.close()


async def healed_cron() -> tuple[Place, Operator]:
    place, operator = await failing_cron()
    becomes(place, "Complete")
    await operator.run(30)
    assert operator.condition("Resolved") == ("True", "Verified")
    return place, operator


async def test_an_alert_that_tells_of_its_failed_run_later_on_opens_nothing_and_reopens_nothing():
    place, operator = await healed_cron()
    told = firing(place, "KubeJobFailed", job_name="backup-9")
    paged = len(place.deliver.to(MessageKind.PAGE))
    for _ in range(12):
        await operator.take(told)
        await operator.run(300)
    assert operator.condition("Resolved") == ("True", "Verified")
    assert (len(place.api.all(Incident)), operator.incident.status.episode) == (1, 1)
    assert len(place.deliver.to(MessageKind.PAGE)) == paged
    await operator.close()


async def test_an_alert_about_another_run_that_has_not_ended_is_of_the_present():
    place, operator = await healed_cron()
    known = the_cron_job(place)
    going_on = run(10, failed=False, ago_seconds=0, completed_time=None)
    place.cluster.put(going_on)
    place.cluster.put(replace(known, jobs=(going_on, *known.jobs)))
    await operator.take(firing(place, "KubeJobNotCompleted", job_name="backup-10"))
    await operator.run(700)
    assert operator.incident.status.episode == 2
    await operator.close()


async def test_an_alert_that_told_of_its_failed_run_before_holds_up_nothing():
    place, operator = await failing_cron()
    await operator.take(firing(place, "KubeJobFailed", job_name="backup-9"))
    becomes(place, "Complete")
    await operator.run(30)
    assert operator.condition("Resolved") == ("True", "Verified")
    await operator.close()


async def test_nobody_is_asked_or_called_for_a_run_that_the_schedules_next_one_made_up_for():
    place = shop(shipped("run-failing-cron-job"))
    operator = Operator(place)
    failed = run(9, failed=True, ago_seconds=60, failed_time=place.clock.now())
    place.cluster.put(failed)
    is_there(place, cron_job(failed, last_success_time=None), jobTemplate={"spec": {"template": {"spec": {"containers": []}}}})
    await operator.run(90)
    await operator.take(firing(place, "KubeJobFailed", job_name="backup-9"))
    [attempt] = operator.remediations
    assert attempt.status.phase is RemediationPhase.PENDING, "people are asked"
    done = run(10, failed=False, ago_seconds=0, completed_time=place.clock.now())
    place.cluster.put(replace(the_cron_job(place), jobs=(done, failed), last_success_time=done.completed_time))
    paged = len(place.deliver.to(MessageKind.PAGE))
    await operator.run(30)
    agree(operator)
    await operator.run(4000)
    assert (made(place), len(place.deliver.to(MessageKind.PAGE))) == ([], paged)
    assert (len(operator.remediations), operator.remediations[0].status.phase.final) == (1, True)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_nor_does_it_where_the_next_run_of_the_schedule_was_a_success():
    place = shop()
    operator = Operator(place)
    failed = run(9, failed=True, ago_seconds=60, failed_time=place.clock.now())
    place.cluster.put(cron_job(failed))
    place.cluster.put(failed)
    await operator.run(10)
    await operator.take(firing(place, "KubeJobFailed", job_name="backup-9"))
    assert len(operator.incident.status.signals) == 2
    done = run(10, failed=False, ago_seconds=0, completed_time=place.clock.now())
    place.cluster.put(cron_job(done, failed, last_success_time=done.completed_time))
    await operator.run(330)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()
