"""Proof of recovery: three-valued, repeated, limited in time. No data is never health.

A look is one round of all checks. Consecutive good looks prove; a promql check that fails often enough, or a revision that fails itself, disproves;
what could not be told often enough is Inconclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prunella.api.names import Cause, CheckResult, Outcome, StepState
from prunella.api.remediation import Remediation
from prunella.api.runbook import Check, Verify
from prunella.core import failing, rollout
from prunella.core.facts import Container, Finding, Pod, Termination, UnknownT, WorkloadFacts
from prunella.core.healing.known import known_good
from prunella.core.subject import Thing
from prunella.core.things.claim import Claim
from prunella.core.things.cron_job import CronJob
from prunella.core.things.job import Job
from prunella.core.things.node import Node
from prunella.core.world import QueryValue, Unevaluable, World

from . import overridden


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one check said in one round."""

    check: str
    result: CheckResult
    value: str = ""
    conclusive: bool = False
    """A Failure that time will not mend: it counts towards failureLimit."""
    pending: bool = False
    """Inconclusive while the workload's controller, or the API server, is not back: it may take until the timeout, and counts towards no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Consecutive counts over the rounds so far."""

    successes: int = 0
    failures: int = 0
    inconclusive: int = 0
    errors: int = 0
    last: tuple[Look, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How verification ended."""

    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Of a run that kept the revision: the pods from before its effect go on, and what it brought needs a while until it helps them."""

    until: datetime
    """From then on a restart disproves, in these pods too."""
    now: datetime
    last: datetime
    """The latest that the first good look may be if there is to be time for the others."""


def keeps_revision(attempt: Remediation) -> bool:
    """Whether nothing that the attempt did brings another revision of its target: it wrote nowhere in its pod template."""
    return not any(one.state is StepState.APPLIED and overridden.place_in_template(attempt, one) for one in attempt.status.steps)


def settling(attempt: Remediation, terms: Verify, effect_time: datetime, now: datetime) -> Settling | None:
    """How a run that kept the revision is judged; None for any other."""
    if not keeps_revision(attempt):
        return None
    until = effect_time + timedelta(seconds=terms.stabilize_seconds)
    looks = timedelta(seconds=terms.timeout_seconds - terms.successes * terms.interval_seconds)
    return Settling(until=until, now=now, last=(attempt.status.verify_started_time or effect_time) + looks)


def workload_healthy(
    facts: WorkloadFacts | UnknownT | None, finding: Finding | UnknownT | None, effect_time: datetime, check: str, settles: Settling | None = None
) -> Look:
    """Whether the workload runs as asked, without a restart since the effect. A fault of the revision that runs now is conclusive.

    `settles`: a container from before the effect may still end until then, for example by a probe while one replica more starts. It is no proof of
    health before it has run for longer than it did until that end.
    """
    if not isinstance(facts, WorkloadFacts):
        return Look(check=check, result=CheckResult.INCONCLUSIVE, value="the workload could not be read", pending=True)
    healthy = known_good.healthy(facts)
    if not isinstance(healthy, bool):
        return Look(check=check, result=CheckResult.INCONCLUSIVE, value="the controller has not seen the change yet", pending=True)
    workload = facts.workload
    count = f"{workload.available}/{workload.desired} available"
    newest = facts.newest
    pods = facts.pods_of(newest.hash) if newest is not None else ()
    restarted = [pod.name for pod in pods if _failed_since(pod, _counted_from(pod, effect_time, settles))]
    if restarted:
        return Look(check=check, result=CheckResult.FAILURE, value=f"{count}; {restarted[0]} restarted since the effect", conclusive=True)
    accused = finding if isinstance(finding, Finding) and newest is not None and finding.accused_revision == newest.hash else None
    if accused is not None and not (settles is not None and _excused(accused, pods, effect_time, settles.now)):
        return Look(check=check, result=CheckResult.FAILURE, value=f"{count}; {accused.summary}"[:1024], conclusive=True)
    if not healthy:
        return Look(check=check, result=CheckResult.FAILURE, value=count)
    young = [pod.name for pod in pods if settles is not None and not _outlived(pod, effect_time, settles)]
    if young or accused is not None:
        value = f"{count}; {(*young, *(accused.failing_pods if accused else ()))[0]} restarted, and has not run for long enough yet since then"
        return Look(check=check, result=CheckResult.INCONCLUSIVE, value=value, pending=True)
    excused = [pod.name for pod in pods if _failed_since(pod, effect_time)]
    told = f"; {excused[0]} restarted soon after the effect and has run since" if excused else ", 0 restarts"
    return Look(check=check, result=CheckResult.SUCCESS, value=f"{count}{told}")


def thing_healthy(
    thing: Thing | None, finding: Finding | UnknownT | None, check: str, cause: Cause | None, now: datetime, *, ran_again: bool
) -> Look:
    """Whether the detectors find nothing on an object that is no workload, and it is well by what its kind calls so.

    A Node must say that it is Ready, with nothing that presses on it; a NodeFault counts where it is the `cause`, or has held for long enough.
    A claim must have all that it asks for. A Job stays Failed: it is well once it was run again with success, and so is a CronJob, unless it was
    suspended: then nothing fails, and nothing is proved.
    """
    if thing is None or isinstance(finding, UnknownT):
        return Look(check=check, result=CheckResult.INCONCLUSIVE, value="the target could not be read", pending=True)
    if isinstance(thing, Node) and thing.ready_since is None:
        return Look(check=check, result=CheckResult.INCONCLUSIVE, value=f"{thing.short} does not say whether it is Ready", pending=True)
    another = finding is not None and finding.cause == Cause.NODE_FAULT and cause is not Cause.NODE_FAULT and finding.open_time > now
    if finding is not None and not another:
        return Look(check=check, result=CheckResult.FAILURE, value=finding.summary[:1024])
    return _by_kind(thing, check, cause, ran_again=ran_again)


def _by_kind(thing: Thing, check: str, cause: Cause | None, *, ran_again: bool) -> Look:
    match thing:
        case Node():
            ill = f"{thing.short} is not Ready, under pressure or at fault" if not thing.well_after(cause) else ""
            well = "Ready, no pressure"
        case Claim():
            ill = f"{thing.short} has {thing.has or 'nothing'}, and asks for {thing.wants or 'an unknown amount'}" if not thing.served else ""
            well = f"it has the {thing.has} that it asks for"
        case CronJob(suspended=True):
            return Look(check=check, result=CheckResult.INCONCLUSIVE, value=f"{thing.short} is suspended: whether its runs succeed can't be told")
        case CronJob():
            ill, well = "", "no run has failed since one was complete"
        case Job() if thing.failed_time is not None and not ran_again:
            return Look(check=check, result=CheckResult.INCONCLUSIVE, value=f"{thing.short} failed, and no run of it was complete since")
        case Job() if thing.failed_time is not None:
            ill, well = "", "it was run again, and that run was complete"
        case _:
            ill, well = "", "no fault is seen"
    return Look(check=check, result=CheckResult.FAILURE if ill else CheckResult.SUCCESS, value=ill or well)


def kept_serving(facts: WorkloadFacts | UnknownT | None, accused_hash: str, effect_time: datetime, check: str) -> Look:
    """Of a frozen rollout: whether the revision that was kept has every replica available, without a restart since, and the accused one no pod."""
    if not isinstance(facts, WorkloadFacts):
        return Look(check=check, result=CheckResult.INCONCLUSIVE, value="the workload could not be read", pending=True)
    if not rollout.settled(facts):
        return Look(check=check, result=CheckResult.INCONCLUSIVE, value="the controller has not seen the change yet", pending=True)
    workload = facts.workload
    count = f"{workload.available}/{workload.desired} available"
    restarted = [pod.name for pod in facts.pods if pod.revision != accused_hash and not pod.deleting and _failed_since(pod, effect_time)]
    if restarted:
        return Look(check=check, result=CheckResult.FAILURE, value=f"{count}; {restarted[0]} restarted since the effect", conclusive=True)
    left = len(facts.pods_of(accused_hash))
    if left or workload.desired <= 0 or workload.available != workload.desired:
        return Look(check=check, result=CheckResult.FAILURE, value=f"{count}; {left} pods of the frozen revision are left" if left else count)
    return Look(check=check, result=CheckResult.SUCCESS, value=f"{count}, none of the frozen revision")


def _counted_from(pod: Pod, effect_time: datetime, settling: Settling | None) -> datetime:
    """From when on an end in the pod disproves. What the effect brought has no past that could excuse it."""
    return max(settling.until, effect_time) if settling is not None and _made_before(pod, effect_time) else effect_time


def _made_before(pod: Pod, effect_time: datetime) -> bool:
    """Whether the effect did not bring the pod. The API server writes whole seconds: what was made in the effect's own is taken for its work."""
    return pod.created_time is not None and pod.created_time < effect_time.replace(microsecond=0)


def _excused(finding: Finding, pods: tuple[Pod, ...], effect_time: datetime, now: datetime) -> bool:
    """Whether all that fails is crashes in pods from before the effect; none of them, by then, of an end that disproves."""
    failing_pods = [pod for pod in pods if pod.name in finding.failing_pods]
    known = bool(failing_pods) and len(failing_pods) == len(finding.failing_pods)
    crashing = (bool(failing.crashes(pod, now)) or failing.untold_until(pod, now) is not None for pod in failing_pods)
    return known and all(crashing) and all(_made_before(pod, effect_time) for pod in failing_pods)


def _failed_since(pod: Pod, since: datetime) -> bool:
    """Whether a container of the pod ended after that. The kubelet writes whole seconds, so the effect's own second does not count."""
    return any(_ends_since(container, since) for container in pod.containers)


def _ends_since(container: Container, since: datetime) -> list[Termination]:
    """The container's ends after that. That an init container did its work is none."""
    done = container.init and not container.sidecar
    ends = (one for one in (container.terminated, container.last_terminated) if one is not None and not (done and one.exit_code == 0))
    return [one for one in ends if one.finished_time is not None and one.finished_time > since]


def _outlived(pod: Pod, effect_time: datetime, settling: Settling) -> bool:
    """Whether each container that ended, or was started again, since the effect has run for longer since than before, and for a minute at least.

    Sooner it says nothing: what ends every two minutes runs for two minutes, too. Where it is not known how long that was, it never does. An end
    after a long run belongs to no loop.
    """
    return all(_worn(container, end, settling) for container in pod.containers for end in _ends_to_outlive(container, effect_time))


def _ends_to_outlive(container: Container, effect_time: datetime) -> list[Termination]:
    again = container.running_since is not None and container.running_since > effect_time
    return _ends_since(container, datetime.min.replace(tzinfo=UTC) if again else effect_time)


def _worn(container: Container, end: Termination, settling: Settling) -> bool:
    """Whether the container has run for long enough since that end to be another story. Longer than there is time for is not asked."""
    if container.running_since is None or end.started_time is None or end.finished_time is None:
        return False
    ran = end.finished_time - end.started_time
    longest = min(ran, settling.last - container.running_since) if ran < failing.BACKOFF_RESET else failing.CALM
    return settling.now - container.running_since > max(longest, failing.CALM)


def promql(check: Check, answer: QueryValue, world: World) -> Look:
    """`success` proves, `failure` disproves, neither or no data is Inconclusive, a failed question is Error."""
    if check.promql is None:
        return Look(check=check.name, result=CheckResult.ERROR, value="not a promql check")
    if answer.error:
        return Look(check=check.name, result=CheckResult.ERROR, value=answer.error[:1024])
    if answer.value is None:
        return Look(check=check.name, result=CheckResult.INCONCLUSIVE, value=(answer.missing or "no data")[:1024])
    shown = f"{answer.value:g}"
    for expression, result in ((check.promql.failure, CheckResult.FAILURE), (check.promql.success, CheckResult.SUCCESS)):
        verdict = world.evaluate(expression, {"value": answer.value})
        if isinstance(verdict, Unevaluable):
            return Look(check=check.name, result=CheckResult.ERROR, value=f"'{expression}': {verdict.why}"[:1024])
        if verdict:
            return Look(check=check.name, result=result, value=shown, conclusive=result is CheckResult.FAILURE)
    return Look(check=check.name, result=CheckResult.INCONCLUSIVE, value=f"{shown} is neither success nor failure")


def tally(before: Tally, looks: tuple[Look, ...], verify: Verify) -> Tally:
    """Count one round. The worst check of the round decides; an optional check may be Inconclusive."""
    counted = [look for look in looks if not _waived(look, verify)]
    results = {look.result for look in counted}
    conclusive = any(look.conclusive for look in counted if look.result is CheckResult.FAILURE)
    if CheckResult.FAILURE in results:
        return Tally(failures=before.failures + 1 if conclusive else 0, last=looks)
    if CheckResult.ERROR in results:
        errors = before.errors + 1
        as_inconclusive = before.inconclusive + 1 if errors > verify.error_limit else before.inconclusive
        return Tally(errors=errors, inconclusive=as_inconclusive, last=looks)
    if CheckResult.INCONCLUSIVE in results:
        pending = all(look.pending for look in counted if look.result is CheckResult.INCONCLUSIVE)
        return Tally(inconclusive=before.inconclusive + (0 if pending else 1), last=looks)
    return Tally(successes=before.successes + 1, last=looks)


def _waived(look: Look, verify: Verify) -> bool:
    """Whether the look proves nothing and disproves nothing.

    An optional check may be Inconclusive. An alert looks back over the fault for a while: beside another check it gates Resolved, not the outcome.
    """
    check = next((one for one in verify.checks if one.name == look.check), None)
    if check is None or look.result is CheckResult.SUCCESS:
        return False
    if check.optional and look.result in {CheckResult.INCONCLUSIVE, CheckResult.ERROR}:
        return True
    return check.alert_cleared is not None and any(one.alert_cleared is None and not one.optional for one in verify.checks)


def verdict(counted: Tally, verify: Verify, started: datetime, now: datetime, *, ready_before: int, ready_now: int) -> Verdict | None:
    """Whether it is settled, and how. None means: look again after the interval."""
    if counted.successes >= verify.successes:
        values = "; ".join(f"{look.check} {look.value}" for look in counted.last)
        return Verdict(outcome=Outcome.REMEDIATED, message=f"healthy {counted.successes} of {verify.successes} times: {values}"[:1024])
    last = "; ".join(f"{look.check} {look.result}: {look.value}" for look in counted.last) or "nothing could be looked at"
    if counted.failures >= verify.failure_limit:
        return Verdict(outcome=_failed(ready_before, ready_now), message=f"no recovery, {counted.failures} times in a row: {last}"[:1024])
    if counted.inconclusive >= verify.inconclusive_limit:
        return Verdict(outcome=Outcome.INCONCLUSIVE, message=f"recovery could not be told {counted.inconclusive} times in a row: {last}"[:1024])
    if now - started < timedelta(seconds=verify.timeout_seconds):
        return None
    if any(look.result is CheckResult.FAILURE for look in counted.last):
        return Verdict(outcome=_failed(ready_before, ready_now), message=f"no recovery within {verify.timeout_seconds} s: {last}"[:1024])
    return Verdict(outcome=Outcome.INCONCLUSIVE, message=f"recovery could not be told within {verify.timeout_seconds} s: {last}"[:1024])


def _failed(ready_before: int, ready_now: int) -> Outcome:
    """Fewer ready pods than before the effect is worse, not just no better."""
    return Outcome.WORSENED if ready_now < ready_before else Outcome.INEFFECTIVE
