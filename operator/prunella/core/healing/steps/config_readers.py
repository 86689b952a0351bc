"""Who else reads a ConfigMap: every workload, Job and CronJob of the namespace by its template, and every pod that runs, whoever made it.

The rule this module protects: who reads it is told by what may read it again. A Job that has ended does not; a CronJob that is suspended may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prunella.core import configs
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Json, part_of

from .step import RESOURCES, Listed, LiveFacts

JOB: Final = "Job"
CRON_JOB: Final = "CronJob"
POD: Final = "Pod"
TEMPLATES: Final[Mapping[tuple[str, str], str]] = {
    **{("apps/v1", kind): "/spec/template" for kind in RESOURCES},
    ("batch/v1", JOB): "/spec/template",
    ("batch/v1", CRON_JOB): "/spec/jobTemplate/spec/template",
}
"""By API version and kind, where its pod template stands."""
ENDED: Final = frozenset({"Succeeded", "Failed"})


def asked(namespace: str) -> tuple[Listed, ...]:
    """What has to be listed to tell."""
    return tuple(Listed(version, kind, namespace) for version, kind in (*TEMPLATES, ("v1", POD)))


def others(live: LiveFacts, name: str) -> tuple[str, ...]:
    """Those beside the target, each once, as kubectl names them, in order. What could not be listed reads nothing: that is for the caller to see."""
    workload = live.facts.workload
    own = {pod.uid for pod in live.facts.pods}
    jobs = {_named(JOB, str(part_of(raw, "/metadata/name"))): _who(JOB, raw) for raw in _answered(live, "batch/v1", JOB)}
    of_templates = (
        _who(kind, raw)
        for (version, kind), at in TEMPLATES.items()
        for raw in _answered(live, version, kind)
        if not _ended(kind, raw) and _reads(part_of(raw, at), name)
    )
    of_pods = (
        _who(POD, raw)
        for raw in _answered(live, "v1", POD)
        if part_of(raw, "/metadata/uid") not in own and not _ended(POD, raw) and _reads(raw, name)
    )
    found = {*of_templates, *(jobs.get(one, one) for one in of_pods)}
    return tuple(sorted(found - {_named(workload.kind, workload.name)}))


def _answered(live: LiveFacts, version: str, kind: str) -> Sequence[Json]:
    found = live.answers[Listed(version, kind, live.facts.workload.namespace)]
    return found if not isinstance(found, UnknownT) else ()


def _reads(template: object, name: str) -> bool:
    return isinstance(template, Mapping) and name in configs.in_template(template)


def _ended(kind: str, raw: Json) -> bool:
    """Whether it starts nothing any more."""
    if kind == JOB:
        conditions = part_of(raw, "/status/conditions")
        return any(one.get("type") in {"Complete", "Failed"} and one.get("status") == "True" for one in _dicts(conditions))
    return kind == POD and part_of(raw, "/status/phase") in ENDED


def _who(kind: str, raw: Json) -> str:
    """Whom people would look at for it: the Deployment of a ReplicaSet's pod, the CronJob of a Job."""
    name = str(part_of(raw, "/metadata/name"))
    for owner in _dicts(part_of(raw, "/metadata/ownerReferences")):
        if owner.get("controller") is True and kind in {JOB, POD}:
            kind, name = str(owner.get("kind")), str(owner.get("name"))
            break
    revision = part_of(raw, "/metadata/labels/pod-template-hash")
    if kind == "ReplicaSet" and revision and name.endswith(f"-{revision}"):
        return _named("Deployment", name.removesuffix(f"-{revision}"))
    return _named(kind, name)


def _named(kind: str, name: str) -> str:
    return f"{kind.lower()}/{name}"


def _dicts(value: object) -> Iterator[Json]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list | tuple) else iter(())
