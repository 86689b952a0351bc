"""Stage: what changed shortly before the fault, newest first, with the suspect marked.

The rule this module protects: it is a list of facts with their times, never a verdict of its own. The suspect is whom the evidence accuses already.
It is made when an episode begins, is stored by the write that opens it, and costs none of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Change, IncidentStatus
from prunella.api.names import Cause
from prunella.api.workload_record import WorkloadRecord
from prunella.core import configs, rollout
from prunella.core.around import Dependency, Neighbours
from prunella.core.configs import ConfigChange
from prunella.core.draft import Draft
from prunella.core.facts import Finding, Revision, WorkloadFacts
from prunella.core.redact import redact
from prunella.core.world import World

LOOK_BACK: Final = timedelta(seconds=1800)
"""How long before the fault a change may lie."""
CAP: Final = 10
IMAGE_LENGTH: Final = 160
KEYS: Final = 20


def look_back(world: World, draft: Draft, stored: IncidentStatus) -> Draft:
    """List the changes where an episode begins in this very pass; else only say anew who is suspected. `stored` is the status before it."""
    begins = stored.times.triggered_time is None or draft.status.episode > stored.episode
    listed = tuple(_found(world, draft)) if begins else draft.status.changes
    marked = [_marked(one, draft.status, world.known_finding) for one in listed]
    return draft.with_status(changes=tuple(_bounded(marked) if begins else marked))


def _found(world: World, draft: Draft) -> Iterator[Change]:
    since = (draft.status.times.started_time or draft.now) - LOOK_BACK
    near = world.neighbours or Neighbours()
    facts = world.workload
    own = facts.workload.uid if facts is not None else ""
    record = world.record if isinstance(world.record, WorkloadRecord) else None
    found = [*(_of_config(one) for one in world.config_changes), *_own(facts, record), *_beside(near, own)]
    yield from (one for one in found if since <= one.time <= draft.now)


def _own(facts: WorkloadFacts | None, record: WorkloadRecord | None) -> Iterator[Change]:
    """The target's newest rollout, and what was rolled back on it."""
    if facts is None:
        return
    newest = rollout.newest(facts)
    for one in _rolled_out(facts):
        yield one.model_copy(update={"revision": newest.hash if newest is not None else None})
    for old in record.spec.quarantined if record is not None else ():
        message = f"revision {old.revision} was rolled back by Prunella for Incident {old.incident}"
        yield _change(facts, old.quarantined_time, message)


def _beside(near: Neighbours, own: str) -> Iterator[Change]:
    """What the neighbours did. A dependency in the same namespace is told once, as what it is."""
    told = {own}
    for dependency in near.dependencies:
        for facts in dependency.workloads:
            if facts.workload.uid not in told:
                told.add(facts.workload.uid)
                yield from _of_dependency(dependency, facts)
        for incident in dependency.incidents:
            began, status = incident.status.times.started_time, incident.status
            if began is not None and incident.spec.target_ref.uid != own:
                where, what = incident.target_namespace, status.target or incident.spec.target_ref.name
                message = f"dependency {dependency.name} fails ({status.cause}): Incident {incident.metadata.name}"
                yield Change(time=began, namespace=where, target=what, message=message)
    for facts in near.workloads:
        if facts.workload.uid not in told:
            yield from _rolled_out(facts)


def _of_dependency(dependency: Dependency, facts: WorkloadFacts) -> Iterator[Change]:
    for one in _rolled_out(facts):
        yield one.model_copy(update={"message": f"dependency {dependency.name}, {one.message}"[:1024]})
    available = facts.workload.condition("Available")
    if available is not None and available.status == "False" and available.last_transition_time is not None and not dependency.incidents:
        message = f"dependency {dependency.name} has too few pods: {facts.workload.available} of {facts.workload.desired} are available"
        yield _change(facts, available.last_transition_time, message)


def _of_config(change: ConfigChange) -> Change:
    """A ConfigMap that the target reads. Its keys are named, and nothing of what stands under them."""
    message = f"{configs.named(change.keys, KEYS)} changed since it was healthy with it at {change.good_time:%H:%M:%S}"
    return Change(time=change.changed_time, namespace=change.namespace, target=f"{configs.TARGET}{change.name}", message=message[:1024])


def _rolled_out(facts: WorkloadFacts) -> Iterator[Change]:
    newest, began = rollout.newest(facts), rollout.rollout_began(facts)
    if newest is not None and began is not None:
        before = max((one for one in facts.revisions if one.number < newest.number), key=lambda one: one.number, default=None)
        yield _change(facts, began, f"revision {newest.number}: {_difference(before, newest)}")


def _difference(before: Revision | None, after: Revision) -> str:
    """What a rollout changed, as far as revisions tell."""
    if before is None:
        return f"the first one, image {_images(after.images)}" if after.images else "the first one"
    if before.images == after.images:
        return "another template with the same images"
    if len(before.images) != len(after.images):
        return f"images {_images(before.images)} -> {_images(after.images)}"
    pairs = [(old, new) for old, new in zip(before.images, after.images, strict=True) if old != new]
    return f"image {_images(old for old, _ in pairs)} -> {_images(new for _, new in pairs)}"


def _images(images: Iterable[str]) -> str:
    return ", ".join(image if len(image) <= IMAGE_LENGTH else f"{image[:IMAGE_LENGTH]}…" for image in images)


def _change(facts: WorkloadFacts, time: datetime, message: str) -> Change:
    return Change(time=time, namespace=facts.workload.namespace, target=facts.workload.short, message=redact(message)[:1024])


def _bounded(found: Iterable[Change]) -> list[Change]:
    """Newest first, the accused one among them whatever comes after it."""
    newest = sorted(found, key=lambda one: (one.time, one.target, one.message), reverse=True)
    kept = [one for one in newest if one.suspected is not None][:1]
    kept += [one for one in newest if one not in kept][: CAP - len(kept)]
    return sorted(kept, key=newest.index)


def _accused(change: Change, status: IncidentStatus, finding: Finding | None) -> bool:
    """Of several ConfigMaps it is the one that the finding names; while nothing is found, the one that it named last."""
    if not change.target.startswith(configs.TARGET):
        return change.revision is not None and change.revision == status.accused_revision
    if status.cause is not Cause.CONFIG_CHANGED:
        return False
    return change.suspected is not None if finding is None else change.target == f"{configs.TARGET}{finding.accused_config_map}"


def _marked(change: Change, status: IncidentStatus, finding: Finding | None) -> Change:
    what = "change: what fails began to fail after it" if change.target.startswith(configs.TARGET) else "revision: its pods show the fault"
    why = f"the evidence accuses this {what}" if _accused(change, status, finding) else None
    return change if change.suspected == why else change.model_copy(update={"suspected": why})
