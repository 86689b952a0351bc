"""One attempt, told in rows: what was planned, what the guards said, what was done, how it was proved, how it ended, or what it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from prunella.api.names import ApprovalVerdict, ConditionStatus, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Remediation, StepStatus

from . import commands
from .lines import Row, clock


def attempt(one: Remediation, *, guards: bool) -> Iterator[Row]:
    """All of it; `guards` shows each verdict."""
    status = one.status
    yield Row(label="attempt", time=status.started_time, what=f"{one.metadata.name}, attempt {one.spec.attempt} ({one.spec.mode})", why=status.plan)
    account = one.spec.runbook_ref.service_account_name
    if account is not None:
        yield Row(
            label="as", what=f"system:serviceaccount:{one.spec.runbook_ref.namespace}:{account}", why="the account of its Runbook, impersonated"
        )
    yield from verdicts(one, shown=guards)
    yield from words(one)
    yield from (row for step in status.steps for row in _step(step))
    if status.outcome is Outcome.SIMULATED:
        how = f"kubectl get rem {one.metadata.name} -n {one.metadata.namespace} -o jsonpath='{{.status.diff}}'"
        yield Row(label="would", time=status.ended_time, what=status.plan, why=f"nothing was changed; the diff: {how}")
        return
    looks = [f"{number} × {result}" if number > 1 else str(result) for result, number in _results(one)]
    if looks:
        last = status.measurements[-1]
        label = "proved" if status.outcome is Outcome.REMEDIATED else "measured"
        yield Row(label=label, time=last.finished_time, what=", ".join(looks), why=f"{last.check}: {last.value}" if last.value else last.check)
    yield from _stands(one)


def words(one: Remediation) -> Iterator[Row]:
    """What people said to the plan."""
    for each in one.spec.approvals:
        other = "" if each.plan_hash in _asked(one) else f", but of another plan ({each.plan_hash}): it does not count"
        label = "approved" if each.verdict is ApprovalVerdict.APPROVED else "denied"
        yield Row(label=label, time=each.said_time, what=f"by {each.by}{other}", why=each.comment or f"plan {each.plan_hash}")


def _asked(one: Remediation) -> set[str]:
    """Hashes of what people are asked, or approved."""
    agreed = (step.outcome.after.get("planHash", "") for step in one.status.steps if step.action == "approve" and step.outcome is not None)
    return {one.spec.plan_hash, commands.asked(one), *agreed}


def _stands(one: Remediation) -> Iterator[Row]:
    """How it ended; or what it does, or waits for."""
    status = one.status
    refused = next((each for each in status.conditions if each.type == "RemediationAllowed" and each.status is ConditionStatus.FALSE), None)
    if status.outcome is not None:
        yield Row(label="ended", time=status.ended_time, what=str(status.outcome), why=status.message)
    elif status.phase is RemediationPhase.UNKNOWN:
        yield Row(label="unknown", what="whether it was done can't be known; a person decides", why=status.message)
    elif status.retrying is not None:
        again = status.retrying
        tried = f"{again.count} {'try' if again.count == 1 else 'tries'} in vain{f' ({again.error})' if again.error is not None else ''}"
        yield Row(label="waits", what=f"step {again.step} is tried again at {clock(again.next_time)}, after {tried}", why=again.message)
    elif status.phase is RemediationPhase.PENDING and refused is not None:
        yield Row(label="waits", time=refused.last_transition_time, what=f"{status.phase}: {refused.reason}", why=refused.message)
    elif status.phase is not None:
        yield Row(label="now", what=str(status.phase), why=status.message)


def _results(one: Remediation) -> Iterator[tuple[str, int]]:
    for result, group in groupby(one.status.measurements, key=lambda look: look.result):
        yield str(result), len(list(group))


def verdicts(one: Remediation, *, shown: bool) -> Iterator[Row]:
    """What they said; `shown` gives each a row."""
    verdicts = one.status.guards
    if not verdicts:
        return
    passed = sum(verdict.allowed for verdict in verdicts)
    refused = next((verdict for verdict in verdicts if not verdict.allowed), None)
    why = f"{refused.name} says {refused.reason}: {refused.message}" if refused else ("" if shown else "--guards shows each")
    yield Row(label="guards", what=f"{passed} of {len(verdicts)} passed", why=why)
    if shown:
        for verdict in verdicts:
            yield Row(label="guards", what=f"  {verdict.name}: {'passed' if verdict.allowed else verdict.reason}", why=verdict.message)


def _step(step: StepStatus) -> Iterator[Row]:
    if step.intent is None and step.state in {StepState.PENDING, StepState.SKIPPED} and not step.message:
        return
    once = f"intent {step.intent.id[:8]}, once" if step.intent else ""
    done = step.outcome.message if step.outcome else ""
    what = step.message or done or step.name
    label = {StepState.APPLIED: "did", StepState.SIMULATED: "would", StepState.FAILED: "failed", StepState.UNKNOWN: "unknown"}.get(step.state, "step")
    time = step.outcome.observed_time if step.outcome else step.intent.written_time if step.intent else None
    yield Row(label=label, time=time, what=what, why="; ".join(part for part in (once, done if done != what else "") if part))
