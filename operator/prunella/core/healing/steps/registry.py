"""Every step that a Runbook may name: the files of this folder that define a `KIND`.

The rule this module protects: a step is one file. Its fields in the CRD, its rights in the role that a namespace grants, and its page in the
reference are all made of what that file says.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from prunella.api.base import WireModel
from prunella.api.marks import HOLD
from prunella.api.names import StepImpact
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core.subject import CLUSTER_KINDS

from .step import Right, StepKind


def discover(package: str, paths: Iterable[str]) -> dict[str, StepKind[Any]]:
    """The steps of a package by their names on the wire, in the order of their names."""
    modules = (importlib.import_module(f"{package}.{one.name}") for one in pkgutil.iter_modules(list(paths)) if one.name != "registry")
    kinds = [kind for module in modules if (kind := getattr(module, "KIND", None)) is not None]
    return {kind.name: kind for kind in sorted(kinds, key=lambda kind: kind.name)}


KINDS: Final[Mapping[str, StepKind[Any]]] = discover(__package__ or "", importlib.import_module(__package__ or "").__path__)
OPT_IN: Final = "manifests/opt-in"
ACTIONS: Final[Mapping[str, type[WireModel]]] = {name: kind.params for name, kind in KINDS.items()}


def kind_of(step: RunbookStep) -> StepKind[Any]:
    """The kind of a step. Raises ValueError where the step names no action: the schema refuses such a Runbook."""
    kind = KINDS.get(step.action)
    if kind is None:
        raise ValueError(f"step '{step.name}' names no action")
    return kind


def params_of(step: RunbookStep) -> Any:
    """The fields of its action, as the model that its file defines. Raises ValueError where they can't be read."""
    return kind_of(step).params.read(step.given[step.action])


def kinds_of(runbook: Runbook) -> tuple[StepKind[Any], ...]:
    """The kinds of a Runbook's steps, in order. A step that this version does not know is left out: `wrong_with` says so."""
    return tuple(KINDS[step.action] for step in runbook.spec.steps if step.action in KINDS)


def boundless(runbook: Runbook, kinds: Mapping[str, StepKind[Any]] = KINDS) -> RunbookStep | None:
    """The first step that no account of a namespace bounds: it goes out with the operator's means, or is for what has no namespace."""
    known = (step for step in runbook.spec.steps if step.action in kinds)
    return next((step for step in known if not _bounded(kinds[step.action])), None)


def _bounded(kind: StepKind[Any]) -> bool:
    """An account is of one namespace: it bounds nothing that has none."""
    return bool(kind.rights or kind.bounded) and not kind.kinds <= CLUSTER_KINDS and not any(right.clusterwide for right in kind.rights)


def unfit(steps: Iterable[RunbookStep], kind: str) -> str | None:
    """Which step is not for targets of that kind, in a sentence; None where all are. One that is not known is for none: `wrong_with` says so."""
    for step in steps:
        known = KINDS.get(step.action)
        if known is not None and not known.is_for(kind):
            return f"step '{step.name}' ({step.action}) is for {', '.join(sorted(known.kinds))}, not for {kind}"
    return None


def tells_only(runbook: Runbook) -> bool:
    """Whether nothing that it does changes anything: each of its steps reads or tells."""
    kinds = kinds_of(runbook)
    return len(kinds) == len(runbook.spec.steps) and all(kind.impact in {StepImpact.READ, StepImpact.NOTIFY} for kind in kinds)


def unwatched() -> frozenset[tuple[str, str]]:
    """API version and kind of everything that a temporary measure may stand on and that is not watched."""
    return frozenset(one for kind in KINDS.values() for one in kind.marks)


def loosened(kind: str, path: str) -> bool:
    """Whether a step changes that place of such an object for a while: a mark that speaks of another is none of ours."""
    return any(of == kind and re.fullmatch(places, path) is not None for step in KINDS.values() for of, places in step.loosens)


def folders_of(resource: str, *, clusterwide: bool = False) -> tuple[str, ...]:
    """The folders of manifests each of which grants what a step needs on a resource such as jobs.batch: that of opting in, unless steps name others.

    What is only ever granted in the whole cluster is so for an object in a namespace, too.
    """
    opting_in = {right.on for kind in KINDS.values() if not kind.granted_by for right in kind.rights}
    apart = [(right.clusterwide, kind.granted_by) for kind in KINDS.values() if kind.granted_by for right in kind.rights if right.on == resource]
    found = [folder for everywhere, folder in apart if everywhere is clusterwide]
    wider = [] if resource in opting_in else [folder for _, folder in apart]
    return tuple(dict.fromkeys(found or wider)) or (OPT_IN,)


def clusterwide(folder: str) -> bool:
    """Whether what a folder of manifests grants is for objects without a namespace."""
    return any(right.clusterwide for kind in KINDS.values() if kind.granted_by == folder for right in kind.rights)


def holds_first(runbook: Runbook) -> bool:
    """Whether Argo CD or Flux is held before anything else is changed."""
    changes = (kind for kind in kinds_of(runbook) if kind.impact not in {StepImpact.READ, StepImpact.NOTIFY})
    first = next(changes, None)
    return first is not None and first.name == HOLD


def needs_of(steps: Iterable[RunbookStep], kind: str) -> tuple[Right, ...]:
    """Everything that the acting account must be allowed to do to a target of that kind, each once."""
    wanted: dict[Right, None] = {}
    for step in steps:
        wanted |= dict.fromkeys(kind_of(step).needs(params_of(step), kind))
    return tuple(wanted)


def receivers_of(runbook: Runbook) -> tuple[str, ...]:
    """The receivers that a Runbook's steps name, each once. What can't be read names none: `wrong_with` says so."""
    named = (one for step in runbook.spec.steps if wrong_with(step) is None for one in kind_of(step).receivers(params_of(step)))
    return tuple(dict.fromkeys(named))


def wrong_with(step: RunbookStep) -> str | None:
    """Why a step can't be used, in a sentence; None where it can."""
    if "/" in step.name or step.name == "undo":
        # The records of a run are told apart by it: another effect of a step is `<step>/<n>`, what takes one back is `undo/<step>`.
        return f"step '{step.name}' needs another name: without '/', and not 'undo'"
    if not step.actions:
        return f"step '{step.name}' has no action: give it one of {', '.join(KINDS)}"
    for name in step.actions:
        if name not in KINDS:
            near = get_close_matches(name, KINDS, n=1)
            return f"step '{step.name}' has the unknown action '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
    if len(step.actions) == 1 and kind_of(step).must_end and step.ttl_seconds is None:
        return f"step '{step.name}', {step.action}: it needs ttlSeconds, after which it is taken back"
    if len(step.actions) > 1:
        return f"step '{step.name}' has {len(step.actions)} actions: two actions are two steps"
    wrong = kind_of(step).params.wrong_with(step.given[step.action])
    return f"step '{step.name}', {step.action}{wrong}" if wrong else None
