"""A simulated case as a person and as a program read it: what was supposed, seen, decided and asked, and the very requests.

The rule it protects: it is told in the words and the order of `explain`, so that what is read here is recognised in the cluster; and a secret that
stands in a template is hidden here as it is everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import yaml

from prunella.adapters.kubernetes.difference import shown
from prunella.adapters.kubernetes.resources import METHODS, Call
from prunella.api.base import micro_time
from prunella.api.names import Mode
from prunella.api.runbook import Runbook
from prunella.core.considered import BY_YAML
from prunella.core.healing.guards import approval
from prunella.core.lines import Row, Tale, clock, span
from prunella.core.recomputed import acting_as
from prunella.core.story import story
from prunella.core.subject import short

from .simulated_case import Case, Supposed
from .simulated_run import INTENT, Deed

ALLOWED: Final = "RemediationAllowed"
INDENT: Final = "      "


class _Means(NamedTuple):
    """What the creation of an attempt means: its row, its word for programs, and why."""

    label: str
    outcome: str
    why: str


_MEANS: Final = {
    Mode.AUTO: _Means("would", "Act", "nothing stands in the way"),
    Mode.APPROVE: _Means("asks", "Ask", "it shows what would be done, and waits until people approve it"),
    Mode.SUGGEST: _Means("suggests", "Suggest", "it shows what would be done; a person has to do it"),
}


def lines(case: Case, supposed: Sequence[Supposed], source: str) -> Iterator[str]:
    """One case for a terminal. `source` says what was read."""
    yield from tale(case, supposed, source).lines()
    for number, deed in enumerate(sending := [one for one in case.deeds if one.call is not None], 1):
        if deed.call is not None:
            yield ""
            yield f"  request {number} of {len(sending)}, step {deed.step}: {_line(deed.call)}"
            yield from (INDENT + line for line in _yaml(shown(deed.call.body)).splitlines())
        if deed.diff:
            yield "  what it changes:"
            yield from (INDENT + line for line in deed.diff.splitlines())


def tale(case: Case, supposed: Sequence[Supposed], source: str) -> Tale:
    """The rows of one case."""
    world = case.world
    ref = world.incident.spec.target_ref
    name = short(ref.kind, ref.name)
    head = f"{name}   {world.incident.target_namespace}   simulated as of {clock(world.now)}   (times in UTC, {world.now:%Y-%m-%d}; {source})"
    rows = (*(Row(label="supposed", what=one.what, why=one.why) for one in supposed), *(_told(case) if case.draft is not None else _nothing(case)))
    return Tale(head=head, rows=rows)


def _told(case: Case) -> Iterator[Row]:
    world = case.world
    incident, ours = world.incident, world.remediations
    status = incident.status
    name = f"Incident {incident.target_namespace}/{incident.metadata.name}"
    yield Row(label="joins" if case.joins else "opens", what=f"{name}, {status.cause}, {status.phase}", why=case.opens)
    yield from story(incident, ours, world.now, others=BY_YAML).rows
    yield from _guards(case)
    yield from _outcome(case)


def _guards(case: Case) -> Iterator[Row]:
    if case.made is None:
        yield Row(label="guards", what="not asked", why="there is no plan that they could permit")
        return
    passed = sum(one.refusal is None for one in case.verdicts)
    yield Row(label="guards", what=f"{passed} of {len(case.verdicts)} pass")
    for one in case.verdicts:
        answer, why = (one.refusal.reason, one.refusal.message) if one.refusal is not None else ("passes", "")
        yield Row(label="guards", what=f"{one.guard}: {answer}", why=why)


def _outcome(case: Case) -> Iterator[Row]:
    made, attempt = case.made, case.draft.attempt if case.draft is not None else None
    if made is not None:
        yield Row(label="plan", what=f"{made.runbook.metadata.name}, plan {made.hash}: {made.summary}")
        yield from acting_as(made.runbook, case.world.operator_namespace)
        yield Row(label="mode", what=str(made.mode), why="the lowest of Runbook, namespace and HealingPolicy")
    if attempt is not None:
        label, _, why = _MEANS[attempt.spec.mode]
        yield Row(label=label, what=f"create Remediation {attempt.name}, attempt {attempt.spec.attempt}", why=why)
    else:
        reason, message = reason_of(case)
        yield Row(label="nothing", what=f"nothing is done: {reason}", why=message)
    if made is not None and case.deeds:
        verb = "would" if attempt is not None and attempt.spec.mode is Mode.AUTO else "it would be"
        yield from (Row(label=verb, what=f"{one.step}: {one.said}", why="the run stops here" if one.stops else "") for one in case.deeds)
        yield Row(label="note", what=f"{INTENT} stands for the id of the intent", why="it is stored before the request is sent")


def _nothing(case: Case) -> Iterator[Row]:
    reason, message = reason_of(case)
    finding = case.detection.finding
    if finding is not None:
        yield Row(label="seen", time=finding.started_time, what=finding.summary, why=finding.cause)
        yield Row(label="next", time=finding.open_time, what="an Incident opens, if it holds until then", why=f"--at {micro_time(finding.open_time)}")
    elif case.detection.look_again is not None:
        again = case.detection.look_again
        later = span((again - case.world.now).total_seconds())
        yield Row(label="next", time=again, what=f"it is looked at again after {later}", why=f"--at {micro_time(again)} shows it, if nothing changes")
    yield Row(label="nothing", what=f"nothing is done: {reason}", why=message)


def reason_of(case: Case) -> tuple[str, str]:
    """Why nothing would be done: the reason and the sentence that would stand on the Incident."""
    if case.draft is None:
        if case.detection.untold and not case.detection.settled:
            pod = case.detection.untold[0]
            return "EvidenceMissing", f"pod {pod} does not tell whether it crashes, for its last state is empty: get it anew in a minute"
        if not case.detection.settled:
            return "RolloutInProgress", "the controller has not seen the newest template: nothing is concluded from its status"
        if case.detection.finding is not None:
            return "DwellRunning", "the fault has not held long enough for an Incident"
        return "TargetHealthy", "nothing is wrong with it, so there is no Incident"
    asks = next((one.refusal for one in case.verdicts if one.refusal is not None and one.refusal.reason == approval.AWAITS), None)
    if asks is not None and case.draft.attempt is not None:
        return asks.reason, asks.message
    said = next((one for one in case.draft.status.conditions if one.type == ALLOWED), None)
    return (said.reason, said.message) if said is not None else ("EvidenceMissing", "nothing was decided")


def data(case: Case, supposed: Sequence[Supposed]) -> dict[str, Any]:
    """One case for programs. Incident and Remediation are as they would be stored."""
    world, made = case.world, case.made
    attempt = case.draft.attempt if case.draft is not None else None
    reason, message = reason_of(case)
    outcome = "Nothing" if attempt is None else _MEANS[attempt.spec.mode].outcome
    told: dict[str, Any] = {
        "target": world.incident.spec.target_ref.wire(),
        "at": micro_time(world.now),
        "supposed": [{"what": one.what, "why": one.why} for one in supposed],
        "outcome": outcome,
        "reason": reason,
        "message": message,
    }
    if case.draft is not None:
        incident = world.incident.wire()
        told["incident"] = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", **incident}
    if made is not None:
        due = micro_time(made.due_time) if made.due_time is not None else None
        told["plan"] = {
            "runbook": made.runbook.metadata.name,
            **_account(made.runbook),
            "hash": made.hash,
            "summary": made.summary,
            "mode": str(made.mode),
            "dueTime": due,
        }
        told["guards"] = [
            {"name": one.guard, "allowed": one.refusal is None}
            | ({"reason": one.refusal.reason, "message": one.refusal.message} if one.refusal is not None else {})
            for one in case.verdicts
        ]
        told["steps"] = [_deed(one) for one in case.deeds]
    if attempt is not None:
        told["remediation"] = {"name": attempt.name, "spec": attempt.spec.wire()}
    return told


def _account(runbook: Runbook) -> dict[str, str]:
    return {"serviceAccountName": runbook.spec.service_account_name} if runbook.spec.service_account_name else {}


def documents(told: Sequence[dict[str, Any]]) -> str:
    """Several cases as documents of YAML."""
    return "---\n".join(_yaml(one) for one in told)


def _deed(deed: Deed) -> dict[str, Any]:
    told: dict[str, Any] = {"step": deed.step, "says": deed.said}
    if deed.call is not None:
        body = shown(deed.call.body)
        told["request"] = {"method": METHODS[deed.call.verb], "path": deed.call.path, "query": dict(deed.call.query), "body": body}
        told["request"]["contentType"] = deed.call.content_type
    if deed.diff:
        told["diff"] = deed.diff
    return told | ({"stops": True} if deed.stops else {})


def _line(call: Call) -> str:
    query = f"?{urlencode(call.query)}" if call.query else ""
    return f"{METHODS[call.verb]} {call.path}{query}   ({call.content_type})"


class _Plain(yaml.SafeDumper):
    """Without anchors: a template that is written twice is shown twice. A text of several lines is a block."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def _yaml(value: object) -> str:
    return yaml.dump(value, Dumper=_Plain, sort_keys=False, default_flow_style=False, allow_unicode=True, width=10_000)
