"""What a run of a Runbook would do, one step after the other, on a target that exists in a file alone.

The rule it protects: the steps are the operator's own functions, asked with records of what they would have done; only the API server's part is
played here, and no more of it than a next step reads: the template is as patched, a StatefulSet goes to that revision, a deleted pod is gone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from prunella.adapters.kubernetes.creation import create_call, unmake_call
from prunella.adapters.kubernetes.difference import difference
from prunella.adapters.kubernetes.eviction import eviction_call
from prunella.adapters.kubernetes.executor import delete_call, patch_call
from prunella.adapters.kubernetes.pointer import part
from prunella.adapters.kubernetes.reads import template_of
from prunella.adapters.kubernetes.refusals import where_is
from prunella.adapters.kubernetes.resources import Call, resource_of
from prunella.api.names import OnFailure, StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import UnknownT, WorkloadFacts
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.effects.effect import ClusterEffect, DeletePod, Effect, Evict, Json, Patch, part_of
from prunella.core.healing.effects.outside import Call as Called
from prunella.core.healing.effects.outside import EndSilence, Silence
from prunella.core.healing.notation import parameters
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import match, run
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Ask, Done, Evidence, Failed, Listed, LiveFacts, Note, PageNow, People, Skip, Tell, Wait
from prunella.core.world import Preparation, Unevaluable, World

INTENT: Final = "written-when-it-is-done"
"""Stands for the intent's id, which is drawn when an attempt begins."""
HIDDEN: Final = "(hidden)"
MOST: Final = 40
"""So many effects a Remediation keeps; a run has no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What one step would do next: a request, or a sentence where it sends none."""

    step: str
    said: str
    call: Call | None = None
    diff: str = ""
    """Of a patch: the changed lines of the part that it is guarded by."""
    stops: bool = False
    """Whether the run would go no further."""
    reason: str = ""
    """Of a refusal."""
    unknown: bool = False
    """Whether it stops here only because the files don't tell how it goes on."""
    tried: bool = False
    """Whether the API server is asked for it by a dry run, before anything is begun."""


def deeds(world: World, made: Plan, live: LiveFacts) -> tuple[Deed, ...]:
    """Everything that the run would do, in order."""
    return tuple(_run(world, made, live))


def _run(world: World, made: Plan, live: LiveFacts) -> Iterator[Deed]:
    records: tuple[StepStatus, ...] = ()
    steps = made.runbook.spec.steps
    step = next(iter(steps), None)
    while step is not None:
        chosen = parameters.values(made.runbook.spec.parameters, {})
        variables = {**match.variables(world, world.incident.status, made.by_alert), "parameters": chosen}
        wanted = run.wanted(step, variables, records, world.evaluate)
        if isinstance(wanted, Unevaluable):
            deed, record = _left(step, Failed(message=f"its condition '{step.when}' could not be told: {wanted.why}"))
            yield deed
            if deed.stops:
                return
            records, step = (*records, *record), run.after_failure(steps, step)
            continue
        if not wanted:
            yield Deed(step=step.name, said=f"skipped: its condition '{step.when}' is false")
            records = (*records, StepStatus(name=step.name, state=StepState.SKIPPED))
            step = run.following(steps, step)
            continue
        live = replace(live, variables={**variables, "steps": run.told(records)}, intent_id=INTENT)
        for deed, record, live_after in _step(step, live, records):
            yield deed
            if deed.stops:
                return
            live, records = live_after, (*records, *record)
        failed = bool(records) and records[-1].state is StepState.FAILED and run.step_name(records[-1]) == step.name
        step = run.after_failure(steps, step) if failed else run.following(steps, step)


def _step(step: RunbookStep, live: LiveFacts, records: Sequence[StepStatus]) -> Iterator[tuple[Deed, tuple[StepStatus, ...], LiveFacts]]:
    kind, params, name = registry.kind_of(step), registry.params_of(step), step.name
    done: tuple[StepStatus, ...] = run.records_of(step, records)
    for number in range(1, MOST + 1):
        wants = kind.plan(params, live, done)
        match wants:
            case Silence() | EndSilence() | Called():
                deed, record = Deed(step=name, said=wants.does), _applied(f"{name}/{number}", wants, live)
            case Patch() | DeletePod() | Evict() | Create() | Unmake():
                deed, record = _deed(name, wants, live), _applied(f"{name}/{number}", wants, live)
                live = _after(live, wants)
            case Done():
                return
            case Evidence():
                deed, record = Deed(step=name, said=f"keeps the last {wants.tail_lines} lines of the log, and the Events"), _marked(name, live)
            case PageNow():
                deed, record = Deed(step=name, said=f"pages the owner now: {wants.message}"), _marked(name, live)
            case Tell():
                whom = wants.receiver or "the Incident's owner"
                deed, record = Deed(step=name, said=f"tells {whom}, without waking anybody: {wants.message}"), _marked(name, live)
            case People():
                whose = ", ".join((*wants.approvers.users, *(f"group {one}" for one in wants.approvers.groups)))
                people = f"{wants.required} approvals{f' of {whose}' if whose else ''}"
                deed, record = Deed(step=name, said=f"asks people, for {wants.seconds} s, and goes on with {people}"), _marked(name, live)
            case Note():
                deed, record = Deed(step=name, said=wants.message), _marked(name, live, wants.outputs)
            case Ask():
                yield Deed(step=name, said=_asks(wants), stops=True, unknown=True), (), live
                return
            case Wait() | Refusal() | Failed() | Skip():
                yield *_left(step, wants), live
                return
        done = (*done, record)
        yield deed, (record,), live


def _left(step: RunbookStep, wants: Wait | Refusal | Failed | Skip) -> tuple[Deed, tuple[StepStatus, ...]]:
    """A step that does nothing more, and whether the run goes on after it."""
    match wants:
        case Failed():
            ends = step.on_failure.does is not OnFailure.CONTINUE
            return Deed(step=step.name, said=f"fails: {wants.message}", stops=ends), (StepStatus(name=step.name, state=StepState.FAILED),)
        case Skip():
            return Deed(step=step.name, said=f"skipped: {wants.message}"), (StepStatus(name=step.name, state=StepState.SKIPPED),)
        case Wait():
            return Deed(step=step.name, said=wants.message, stops=True, unknown=True), ()
        case Refusal():
            return Deed(step=step.name, said=wants.message, stops=True, reason=wants.reason), ()


def _asks(wants: Ask) -> str:
    """What a step wants to know that stands in no file."""
    missing = (
        f"for every {one.kind}{f' in {one.namespace}' if one.namespace else ''}" if isinstance(one, Listed) else f"Prometheus: {one.query}"
        for one in wants.reads
    )
    return f"can't be told: it asks {', '.join(missing)}, and the files don't say"


def _deed(step: str, effect: ClusterEffect, live: LiveFacts) -> Deed:
    resource = resource_of(effect.target)
    if resource is None:
        return Deed(step=step, said=f"a {effect.target.kind} can't be changed", stops=True)
    where = where_is(effect.target)
    if isinstance(effect, Create):
        return Deed(step=step, said=f"create {where}", call=_told(create_call(resource, effect, INTENT), effect), tried=True)
    if isinstance(effect, DeletePod | Unmake):
        call = delete_call(resource, effect) if isinstance(effect, DeletePod) else unmake_call(resource, effect)
        return Deed(step=step, said=f"delete {where}", call=call)
    if isinstance(effect, Evict):
        return Deed(step=step, said=f"evict {where}", call=eviction_call(effect))
    stored = _stored(live, effect)
    if part(stored, "/metadata/uid") != effect.target.uid:
        return Deed(step=step, said=f"patches {where}: {effect.does}", call=patch_call(resource, effect, INTENT), tried=True)
    before, after = (part_of(one, effect.guarded_path) for one in (stored, patched(stored, effect.operations)))
    said = f"patch {'the content' if effect.confidential else effect.guarded_path.strip('/').replace('/', '.')} of {where}"
    return Deed(step=step, said=said, call=_told(patch_call(resource, effect, INTENT), effect), diff=difference(before, after), tried=True)


def _told(call: Call, effect: Create | Patch) -> Call:
    """The request as it may be shown: of what is confidential the keys alone."""
    return replace(call, body=_hidden(call.body)) if effect.confidential else call


def _hidden(body: object) -> object:
    if isinstance(body, list):
        return [{**one, "value": _keys(one["value"])} if one["path"] in {"/data", "/binaryData"} else one for one in body]
    return {key: _keys(value) if key in {"data", "binaryData", "spec"} else value for key, value in body.items()} if isinstance(body, dict) else body


def _keys(values: Mapping[str, object]) -> dict[str, str]:
    return dict.fromkeys(values, HIDDEN)


def prepared(made: Plan, done: Sequence[Deed], now: datetime) -> Preparation:
    """What is known before anything is begun: the rights are granted, and the API server takes the first change, unless a step before it refuses.

    A step that would fail is found out by the run: whoever must agree is asked all the same.
    """
    first = next((one for one in done if one.tried or one.reason), None)
    refused, reason = (first.said, first.reason) if first is not None and first.reason else ("", "")
    diff = next((one.diff for one in done if one.diff), "")
    return Preparation(plan_hash=made.hash, to=made.to, dry_run_error=refused, step_refuses=reason, diff=diff, prepared_time=now)


def _after(live: LiveFacts, effect: ClusterEffect) -> LiveFacts:
    """What the next step would read."""
    if isinstance(effect, Create):
        return replace(live, answers=_with_made(live.answers, effect))
    if isinstance(effect, Unmake):
        return live
    if not isinstance(live.target, WorkloadFacts):
        mine = isinstance(effect, Patch) and effect.target == live.subject.ref
        return replace(live, raw=patched(live.raw, effect.operations)) if isinstance(effect, Patch) and mine else live
    facts = live.target
    if isinstance(effect, DeletePod | Evict):
        return replace(live, target=replace(facts, pods=tuple(pod for pod in facts.pods if pod.uid != effect.target.uid)))
    if live.to is not None and facts.workload.kind == "StatefulSet":
        facts = replace(facts, workload=replace(facts.workload, update_revision=live.to.hash))
    if effect.target != facts.workload.ref:
        return live  # another object than the one that the next step reads
    return replace(live, raw=patched(live.raw, effect.operations), target=facts)


def _with_made(answers: Mapping[Listed, tuple[Json, ...] | UnknownT], effect: Create) -> dict[Listed, tuple[Json, ...] | UnknownT]:
    """Also what was made, as it is then: nothing has come of it yet."""
    ref, metadata = effect.target, effect.manifest.get("metadata")
    asked = Listed(ref.api_version, ref.kind, ref.namespace or "")
    known, given = answers.get(asked, ()), metadata if isinstance(metadata, Mapping) else {}
    made = {**effect.manifest, "metadata": {**given, "name": ref.name, "namespace": ref.namespace}}
    return {**answers, asked: (*(() if isinstance(known, UnknownT) else known), made)}


def _stored(live: LiveFacts, effect: Patch) -> Json:
    """The object that a patch is for: the target, or one that the step asked for."""
    asked = (one for found in live.answers.values() if not isinstance(found, UnknownT) for one in found)
    return next((one for one in asked if part(one, "/metadata/uid") == effect.target.uid), live.raw)


def _applied(name: str, effect: Effect, live: LiveFacts) -> StepStatus:
    intent = Intent(
        id=INTENT,
        action=effect.action,
        target_ref=effect.target,
        written_time=live.now,
        deadline_time=live.now + timedelta(seconds=1),
        before=effect.record,
    )
    return StepStatus(name=name, state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=live.now))


def _marked(name: str, live: LiveFacts, outputs: Mapping[str, str] = MappingProxyType({})) -> StepStatus:
    return StepStatus(name=name, state=StepState.APPLIED, outcome=StepOutcome(observed_time=live.now, after=dict(outputs)))


def stored_template(kind: str, stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The template that a revision keeps; None where it was cut out of the file."""
    try:
        return template_of(kind, stored) if stored is not None else None
    except (LookupError, TypeError, ValueError):
        return None


def patched(document: Json, operations: Sequence[Json]) -> dict[str, Any]:
    """A copy of a document with a patch applied, as the API server would. Raises LookupError where a place is not there."""
    made: dict[str, Any] = copy.deepcopy(dict(document))
    for operation in operations:
        if operation["op"] in {"add", "replace"}:
            parent, _, key = str(operation["path"]).rpartition("/")
            place = part(made, parent)
            if not isinstance(place, dict):
                raise LookupError(f"nothing is at {parent} that '{key}' could be put into")
            value = operation["value"]
            place[key.replace("~1", "/").replace("~0", "~")] = copy.deepcopy(dict(value)) if isinstance(value, Mapping) else value
    return made
