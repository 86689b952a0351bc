"""What of a Runbook can never be used: causes of other kinds of targets, matchers that no alert fits, steps that no run reaches.

The rule this module protects: said is only what is certain, whatever the fault. A condition that may be true some day is nobody's mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from prunella.api.names import Cause, OnFailure
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core.healing.notation import matchers
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import ANY, WORKLOADS, Right
from prunella.core.world import Evaluate

from .soundness import Problem

_OTHER: Final[Mapping[str, frozenset[Cause]]] = {
    "Job": frozenset({Cause.JOB_FAILED}),
    "CronJob": frozenset({Cause.JOB_FAILED, Cause.CRON_JOB_FAILING}),
    "PersistentVolumeClaim": frozenset({Cause.VOLUME_CLAIM_PENDING, Cause.VOLUME_CLAIM_LOST, Cause.STUCK_TERMINATING}),
    "HorizontalPodAutoscaler": frozenset({Cause.AUTOSCALER_AT_MAXIMUM, Cause.AUTOSCALER_BLIND}),
    "ResourceQuota": frozenset({Cause.QUOTA_EXCEEDED}),
    "PodDisruptionBudget": frozenset({Cause.DISRUPTION_BUDGET_DEADLOCK}),
    "Service": frozenset({Cause.SERVICE_WITHOUT_ENDPOINTS}),
    "Node": frozenset({Cause.NODE_NOT_READY, Cause.NODE_FLAPPING, Cause.NODE_PRESSURE, Cause.NODE_FAULT, Cause.LEFTOVER_CORDON}),
    "APIService": frozenset({Cause.API_SERVICE_DOWN}),
    "Certificate": frozenset({Cause.CERTIFICATE_EXPIRING}),
    "Secret": frozenset({Cause.CERTIFICATE_EXPIRING}),
    "Namespace": frozenset({Cause.STUCK_TERMINATING}),
}
"""Causes of what is no workload, by kind. Every other one is of workloads."""
_OF_ONE: Final = {Cause.STATEFUL_SET_STUCK: frozenset({"StatefulSet"}), Cause.DAEMON_SET_STUCK: frozenset({"DaemonSet"})}
_OF_ANY: Final = frozenset({Cause.ALERT, Cause.REPORTED})
KINDS: Final = WORKLOADS | frozenset(_OTHER)
"""Kinds of objects that an Incident may be about and a Runbook be for."""


def kinds_of(cause: Cause) -> frozenset[str]:
    """Kinds of targets that may have it."""
    if cause in _OF_ANY:
        return KINDS
    others = frozenset(kind for kind, causes in _OTHER.items() if cause in causes)
    of_workloads = cause is Cause.STUCK_TERMINATING or not others
    return others | (_OF_ONE.get(cause, WORKLOADS) if of_workloads else frozenset())


def problems(runbook: Runbook, evaluate: Evaluate) -> Iterable[Problem]:
    """Why it never fits. One that people run themselves needs no fault, so only what is wrong whoever begins it is said of it."""
    match = runbook.spec.match
    for index, text in enumerate(match.alerts):
        label = _contradiction(text, evaluate)
        if label is not None:
            yield Problem("NeverFits", f"`spec.match.alerts[{index}]`: no alert has such a label {label}: its matchers contradict each other")
    yield from _unknown_kinds(runbook)
    for one in runbook.spec.preconditions:
        if constant(one.that, evaluate) is False:
            yield Problem("NeverFits", f"`spec.preconditions[{one.name}].that`: '{one.that}' is always false: nothing would ever be begun")
    if runbook.spec.self_service is not None:
        return
    if match.when is not None and constant(match.when, evaluate) is False:
        yield Problem("NeverFits", f"`spec.match.when`: '{match.when}' is always false; for runs that people ask for there is `spec.selfService`")
    dead = dead_causes(runbook)
    if match.causes and len(dead) == len(match.causes) and not match.alerts:
        yield Problem("NeverFits", f"`spec.match.causes`: it never fits: {'; '.join(dead.values())}")


def dead_causes(runbook: Runbook) -> dict[Cause, str]:
    """Causes that no target has for which the Runbook and its steps are, and why."""
    possible = _possible(runbook)
    dead: dict[Cause, str] = {}
    for cause in runbook.spec.match.causes:
        having = kinds_of(cause)
        if not having & possible:
            of = ", ".join(sorted(having))
            dead[cause] = f"{cause} is a cause of {of}, and it is for {', '.join(sorted(possible)) or 'nothing'}"
    return dead


def rights_of(runbook: Runbook) -> tuple[Right, ...]:
    """Everything that the acting account must be allowed to do, whatever the target turns out to be. Its steps must be such as can be used."""
    wanted = (right for kind in sorted(_possible(runbook)) for right in registry.needs_of(runbook.spec.steps, kind))
    return tuple(dict.fromkeys(wanted))


def _possible(runbook: Runbook) -> frozenset[str]:
    """Kinds of targets that it and each of its steps are for."""
    targets = runbook.spec.match.targets
    wanted = [kind.kinds for kind in registry.kinds_of(runbook) if kind.kinds != ANY]
    named = frozenset(targets.kinds) if targets is not None and targets.kinds else KINDS
    return KINDS.intersection(named, *wanted)


def _unknown_kinds(runbook: Runbook) -> Iterator[Problem]:
    targets = runbook.spec.match.targets
    for kind in targets.kinds if targets is not None else ():
        if kind not in KINDS and registry.unfit(runbook.spec.steps, kind) is None:
            near = {one.lower(): one for one in KINDS}
            found = get_close_matches(kind.lower(), near, n=1)
            hint = f"; did you mean '{near[found[0]]}'?" if found else ""
            yield Problem("NeverFits", f"`spec.match.targets.kinds`: a Runbook is never for a {kind}{hint}")


def _contradiction(text: str, evaluate: Evaluate) -> str | None:
    """A label whose one permitted value another matcher of the list excludes; None where something may match."""
    found = matchers.parse(text)
    if isinstance(found, matchers.BadMatcher):
        return None  # said elsewhere
    for exact in (one for one in found if one.operator == "="):
        of_label = (one for one in found if one.name == exact.name)
        if any(evaluate(one.expression, {"labels": {exact.name: exact.value}}) is False for one in of_label):
            return exact.name
    return None


def constant(expression: str, evaluate: Evaluate) -> bool | None:
    """What an expression that reads nothing always is; None where it depends on something, or can't be told."""
    verdict = evaluate(expression, {})
    return verdict if isinstance(verdict, bool) else None


def unreachable(steps: Sequence[RunbookStep], evaluate: Evaluate) -> dict[str, str]:
    """Steps that are never done, and why."""
    dead: dict[str, str] = {}
    reached, blame = {0}, ""
    names = [step.name for step in steps]
    for index, step in enumerate(steps):
        if registry.wrong_with(step) is not None:
            return dead  # said elsewhere, and what comes after it is not known
        if index not in reached:
            dead[step.name] = f"no run reaches it: {blame}"
        elif step.when is not None and constant(step.when, evaluate) is False:
            dead[step.name] = f"its condition '{step.when}' is always false"
            reached.add(index + 1)
        elif _always_fails(step, evaluate):
            reached |= _after_failure(step, index, names)
            blame = f"step '{step.name}' always fails, and {_then(step)}"
        else:
            reached |= {index + 1} | _after_failure(step, index, names)
    return dead


def _always_fails(step: RunbookStep, evaluate: Evaluate) -> bool:
    """Whether it asks for something that never holds: the conditions among a step's fields are what it asks for."""
    asked = registry.kind_of(step).conditions(registry.params_of(step))
    return any(constant(one.expression, evaluate) is False for one in asked)


def _after_failure(step: RunbookStep, index: int, names: Sequence[str]) -> set[int]:
    """The steps with which the run goes on."""
    to = step.on_failure.go_to
    if to is not None:
        return {names.index(to)} if to in names[index + 1 :] else set()
    return {index + 1} if step.on_failure.does is OnFailure.CONTINUE else set()


def _then(step: RunbookStep) -> str:
    to = step.on_failure.go_to
    return f"the run goes on with '{to}'" if to is not None else "the run ends there"
