"""`kubectl prunella undo`: end the temporary measures of an attempt now, as yourself.

The rule it protects: only what bears the mark of that attempt and still is as it was written is put back, by the very patch with which the operator
would end it. What was changed for good is a person's to mend.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import click

from prunella.adapters.kubernetes import resources
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.resources import Resource
from prunella.adapters.kubernetes.store import Objects
from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.api.remediation import Remediation
from prunella.app.errors import Permanent
from prunella.core import commands
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Patch, part_of
from prunella.core.healing.runs import measures

from . import approving

LONGEST: Final = 200
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A measure that stands: what ends it, and what that changes."""

    patch: Patch
    resource: Resource
    changes: str


@click.command(name="undo", short_help="End the temporary measures of an attempt now.")
@click.argument("what", metavar="INCIDENT | REMEDIATION")
@click.option("-y", "--yes", is_flag=True, help="Without a question.")
@approving.options
def command(*, what: str, yes: bool, namespace: str | None, kubeconfig: str | None, context: str | None) -> None:
    """Show what an attempt changed for a while and still stands, and put back what was there, instead of when its time is over.

    It is your own change, with your own rights on those objects. What was done for good (a rollback, a restart, a resize) is not taken back.
    """
    place = approving.Place(namespace=namespace, kubeconfig=kubeconfig, context=context)
    found = approving.run(approving.within(place, lambda api, where: _standing(api, where, what)))
    for one in found:
        click.echo(one.changes)
        click.echo("$ " + place.line(commands.change(one.resource.words, one.patch.target.name, one.patch.target.namespace, one.patch.operations)))
    if not yes:
        click.confirm(f"Take back {'this' if len(found) == 1 else f'these {len(found)}'} as yourself?", abort=True)
    approving.run(approving.within(place, lambda api, _: _take_back(api, found)))
    click.echo("the fault may bring it back: `kubectl prunella hold` keeps automation away")


async def _take_back(api: Api, found: list[Standing]) -> None:
    for one in found:
        target = one.patch.target
        call = one.resource.call("patch", target.namespace, target.name, body=list(one.patch.operations), content_type=resources.JSON_PATCH)
        await api.ask(call)
        click.echo(one.patch.does)


async def _standing(api: Api, namespace: str, what: str) -> list[Standing]:
    """What stands of the attempts, the newest first. Raises Permanent where nothing does."""
    attempts = await _attempts(api, namespace, what)
    live = LiveReads(api)
    found: list[Standing] = []
    raws: dict[ObjectRef, dict[str, Any] | UnknownT | None] = {}
    for attempt in attempts:
        for ref in _changed(attempt):
            raw = raws[ref] if ref in raws else await live.raw(ref)
            raws[ref] = raw
            if isinstance(raw, UnknownT):
                raise Permanent(f"{ref.kind} {ref.name} could not be read: whether something stands there can't be told, and nothing was done")
            one = _on(raw, ref, attempt) if raw is not None else None
            found += [one] if one is not None else []
    if not found:
        names = ", ".join(one.metadata.name for one in attempts)
        done = "; ".join(step.intent.does for attempt in attempts for step in attempt.status.steps if step.intent is not None and step.outcome)
        raise Permanent(
            f"no temporary measure of {names} stands{f'; what was done for good is yours to take back: {done}' if done else ': nothing was changed'}"
        )
    return found


async def _attempts(api: Api, namespace: str, what: str) -> list[Remediation]:
    store = Objects(api)
    attempt = await store.remediation(namespace, what)
    if attempt is not None:
        return [attempt]
    incident = await store.incident(namespace, what)
    attempts = list(await store.remediations_of(incident)) if incident is not None else []
    if not attempts:
        raise Permanent(f"there is no Remediation '{what}' in {namespace}, and no Incident of that name that has one")
    return attempts[::-1]


def _changed(attempt: Remediation) -> list[ObjectRef]:
    """The objects that it changed, the last one first."""
    refs = [step.intent.target_ref for step in attempt.status.steps if step.intent is not None]
    return [ref for ref in dict.fromkeys(refs[::-1]) if resources.resource_of(ref) is not None]


def _on(raw: dict[str, Any], ref: ObjectRef, attempt: Remediation) -> Standing | None:
    """The measure of that very attempt on the object, where what it wrote is still there."""
    mark = (raw["metadata"].get("annotations") or {}).get(TEMPORARY_ANNOTATION, "")
    measure, resource = measures.read(mark), resources.resource_of(ref)
    if measure is None or resource is None or not measures.concerns(measure, ref) or not measures.stands(measure, raw):
        return None
    if measure.remediation != f"{attempt.metadata.namespace}/{attempt.metadata.name}" or measure.uid not in {"", attempt.metadata.uid}:
        return None
    patch = measures.undo(measure, ref, raw, mark)
    was, now = _shown(measure.before), _shown(part_of(raw, measure.path))
    return Standing(patch=patch, resource=resource, changes=f"{ref.kind} {ref.name}, {measure.path}: {now} -> {was}")


def _shown(value: object) -> str:
    text = "nothing" if value is None else json.dumps(value, sort_keys=True)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
