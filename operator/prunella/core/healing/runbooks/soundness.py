"""What is wrong with a Runbook by itself: steps that are not there, conditions that can't be told, queries that come to nothing.

The rule this module protects: what can be known when a Runbook is applied is said then, with the field and the column, and not at 3 a.m.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from prunella.api.remediation_spec import MOST_APPROVALS
from prunella.api.runbook import Blocker, Parameter, Runbook, RunbookStep, Verify
from prunella.api.windows import Windows
from prunella.core.healing.notation import matchers, misspelt, parameters, queries, sentences, windows
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.approve import ACTION
from prunella.core.healing.steps.step import ANY
from prunella.core.world import Evaluate, Unevaluable, ZoneOf

from . import filling, match

SAMPLE: Final[Mapping[str, Mapping[str, object]]] = {
    "incident": {"name": "", "namespace": "", "cause": "", "priority": "", "episode": 1},
    "target": {
        "kind": "",
        "name": "",
        "namespace": "",
        "labels": {},
        "failingRevision": "",
        "newestRevision": "",
        "ready": 0,
        "desired": 0,
        "ownedByGitOps": False,
        "irreversible": False,
        "idempotent": False,
    },
    "alert": {"labels": {}, "summary": ""},
}
"""What a condition may read, with empty values: enough to find a misspelt name."""
_LABEL: Final = re.compile(r"""labels\s*\[\s*(?:"([^"]+)"|'([^']+)')\s*\]|labels\.(\w+)""")


class Problem(NamedTuple):
    """Why an object can't be used as it is."""

    reason: str
    message: str


def problems(runbook: Runbook, evaluate: Evaluate, zone_of: ZoneOf, operator_namespace: str) -> Iterable[Problem]:
    """All of them, the one to mend first in front."""
    unusable = match.usable(runbook, operator_namespace)
    if unusable is not None:
        yield Problem(unusable.reason, unusable.message)
    if runbook.spec.match.when is not None:
        yield from _condition("spec.match.when", runbook.spec.match.when, evaluate, {})
    for index, matcher in enumerate(runbook.spec.match.alerts):
        why = wrong_matcher(matcher, evaluate)
        if why is not None:
            yield Problem("InvalidExpression", f"`spec.match.alerts[{index}]`: {why}")
    chosen = {"parameters": parameters.sample(runbook.spec.parameters)}
    for one in runbook.spec.preconditions:
        yield from _condition(f"spec.preconditions[{one.name}].that", one.that, evaluate, chosen)
    yield from frozen(runbook.spec.windows, zone_of)
    for blocker in runbook.spec.block_if:
        yield from _blocker(blocker, evaluate)
    yield from _parameters(runbook.spec.parameters)
    yield from _references(runbook)
    sampled, _ = filling.sampled(runbook)
    yield from _steps((sampled or runbook).spec.steps, chosen, evaluate)
    yield from _asks(runbook)
    yield from _kinds(runbook)
    yield from _verify(runbook.spec.verify, evaluate)


def frozen(those: Windows, zone_of: ZoneOf) -> Iterable[Problem]:
    """Windows that can't be understood: until they are mended they hold everything back."""
    for name, one in windows.listed(those):
        why = windows.frozen_by(one, zone_of)
        if why is not None:
            field, consequence = f"spec.windows.{name}[{one.name}].{why.field}", "until that is mended nothing is begun"
            yield Problem("UnknownTimeZone" if why.field == "timeZone" else "InvalidExpression", f"`{field}`: {why.why}; {consequence}")


def _blocker(one: Blocker, evaluate: Evaluate) -> Iterable[Problem]:
    field = f"spec.blockIf[{one.name}]"
    if one.promql is not None:
        wrong = queries.wrong_with(one.promql)
        if wrong is not None:
            yield Problem("InvalidExpression", f"`{field}.promql`: {wrong}")
    if one.when is not None:
        yield from _of_value(f"{field}.when", one.when, evaluate)
    if one.alert is not None:
        why = wrong_matcher(one.alert, evaluate)
        if why is not None:
            yield Problem("InvalidExpression", f"`{field}.alert`: {why}")


def _parameters(declared: tuple[Parameter, ...]) -> Iterable[Problem]:
    for one in declared:
        for field, text in (("default", one.default), *(("values", value) for value in one.values)):
            wrong = parameters.refused(one, text) if text is not None else None
            if wrong is not None:
                yield Problem("InvalidExpression", f"`spec.parameters[{one.name}].{field}`: {wrong}")


def _references(runbook: Runbook) -> Iterable[Problem]:
    """Fields that take a parameter: one that is not there or is of another type, and one whose permitted values the step does not take."""
    found = tuple(filling.places(runbook))
    wrong = [Problem("InvalidExpression", f"`spec.steps`: {why}") for place in found if (why := filling.misplaced(place, runbook)) is not None]
    wrong += [Problem("InvalidExpression", f"`spec.steps`: {why}") for why in filling.half_written(runbook)]
    yield from wrong
    known = {one.name: one for one in runbook.spec.parameters}
    for place in found:
        one = known.get(place.name)
        if one is not None and one.default is None and runbook.spec.self_service is None:
            message = f"`spec.steps`: {place.said}: nobody can choose '{one.name}': give it a default, or set `spec.selfService`"
            yield Problem("InvalidExpression", message)
    if not wrong:
        _, why = filling.sampled(runbook)
        yield from (Problem("InvalidExpression", why),) if why is not None else ()


def _steps(steps: tuple[RunbookStep, ...], given: Mapping[str, object], evaluate: Evaluate) -> Iterable[Problem]:
    before: dict[str, object] = {}
    for index, step in enumerate(steps):
        yield from _go_to(step, steps, index)
        open_ends = step.filled is None and filling.refers(step)
        wrong = None if open_ends else registry.wrong_with(step)
        if wrong is not None:
            yield Problem("UnknownReference", f"`spec.steps`: {wrong}")
        if wrong is not None or open_ends:
            continue
        yield from _ttl(step)
        yield from _retries(step)
        if step.when is not None:
            yield from _condition(f"spec.steps[{step.name}].when", step.when, evaluate, {**given, "steps": before})
        yield from _fields(step, before, given, evaluate)
        before[step.name] = {"state": "", "outputs": dict.fromkeys(registry.kind_of(step).outputs, "0")}


def _go_to(step: RunbookStep, steps: tuple[RunbookStep, ...], index: int) -> Iterable[Problem]:
    """A step to go on with that is not there, or that comes before: the run would never end."""
    wanted, later = step.on_failure.go_to, tuple(one.name for one in steps[index + 1 :])
    if wanted is None or wanted in later:
        return
    field = f"`spec.steps[{step.name}].onFailure.goTo`"
    if wanted in (one.name for one in steps):
        where = f"; it may be {', '.join(later)}" if later else "; no step comes after this one"
        yield Problem("UnknownReference", f"{field}: '{wanted}' is no later step, and a run only goes forward{where}")
    else:
        yield Problem("UnknownReference", f"{field}: there is no step '{wanted}'; {misspelt.nearest(wanted, later)}")


def _asks(runbook: Runbook) -> Iterable[Problem]:
    """Steps that ask people for nothing, for more people than they name, or all together for more words than a run takes."""
    steps, asked = runbook.spec.steps, runbook.spec.approval.required
    for index, step in enumerate(steps):
        if step.action != ACTION or registry.wrong_with(step) is not None:
            continue
        params, place = registry.params_of(step), f"`spec.steps[{step.name}].approve"
        if not [one for one in steps[index + 1 :] if one.action != ACTION]:
            yield Problem("InvalidExpression", f"{place}`: no step comes after it that could be approved: put it before what needs it")
        asked += params.min_approvals
        users, groups = params.approvers.users, params.approvers.groups
        if users and not groups and len(set(users)) < params.min_approvals:
            message = f"{place}.minApprovals`: {params.min_approvals} people must approve it, and approvers names {len(set(users))}"
            yield Problem("InvalidExpression", message)
    if asked > MOST_APPROVALS:
        message = f"`spec.steps`: with `spec.approval.required` {asked} approvals are needed in all, and a run takes at most {MOST_APPROVALS}"
        yield Problem("InvalidExpression", message)


def _kinds(runbook: Runbook) -> Iterable[Problem]:
    """Kinds of targets that it names although one of its steps is not for them, and steps that are for no target together."""
    targets = runbook.spec.match.targets
    for kind in targets.kinds if targets is not None else ():
        unfit = registry.unfit(runbook.spec.steps, kind)
        if unfit is not None:
            yield Problem("UnknownReference", f"`spec.match.targets.kinds`: {unfit}")
    wanted = [kind.kinds for kind in registry.kinds_of(runbook) if kind.kinds != ANY]
    if wanted and not frozenset.intersection(*wanted):
        yield Problem("UnknownReference", "`spec.steps`: no target is one that all of its steps are for: make two Runbooks of them")


def _fields(step: RunbookStep, before: Mapping[str, object], given: Mapping[str, object], evaluate: Evaluate) -> Iterable[Problem]:
    """Conditions and queries among the fields of a step's action."""
    kind, params, place = registry.kind_of(step), registry.params_of(step), f"spec.steps[{step.name}].{step.action}"
    for one in kind.conditions(params):
        if one.of_value:
            yield from _of_value(f"{place}.{one.field}", one.expression, evaluate)
        else:
            yield from _condition(f"{place}.{one.field}", one.expression, evaluate, {**given, "steps": before})
    for field, query in kind.queries(params):
        wrong = queries.wrong_with(query)
        if wrong is not None:
            yield Problem("InvalidExpression", f"`{place}.{field}`: {wrong}")
    for field, text in kind.texts(params):
        wrong = sentences.wrong_with(text, before)
        if wrong is not None:
            yield Problem("InvalidExpression", f"`{place}.{field}`: {wrong}")


def _of_value(field: str, expression: str, evaluate: Evaluate) -> Iterable[Problem]:
    verdict = evaluate(expression, {"value": 1.5})
    if isinstance(verdict, Unevaluable):
        yield Problem("InvalidExpression", f"`{field}`: {verdict.why}")


def _ttl(step: RunbookStep) -> Iterable[Problem]:
    kind, field = registry.kind_of(step), f"`spec.steps[{step.name}].ttlSeconds`"
    if step.ttl_seconds is not None and kind.undo is None:
        yield Problem("InvalidExpression", f"{field}: {step.action} can't be taken back, so it is never temporary")
    elif step.ttl_seconds is not None and kind.lasting:
        yield Problem("InvalidExpression", f"{field}: {step.action} is never temporary: {kind.lasting}")


def _retries(step: RunbookStep) -> Iterable[Problem]:
    """Retries for which the step has no time."""
    if step.retries is not None and step.retries.initial_seconds >= step.timeout_seconds:
        seconds, field = step.retries.initial_seconds, f"`spec.steps[{step.name}].retries.initialSeconds`"
        message = f"{field}: after {seconds} s its timeoutSeconds of {step.timeout_seconds} are over, so it is never tried again: raise those"
        yield Problem("InvalidExpression", message)


def _verify(verify: Verify, evaluate: Evaluate) -> Iterable[Problem]:
    for check in verify.checks:
        if check.promql is None:
            continue
        wrong = queries.wrong_with(check.promql.query)
        if wrong is not None:
            yield Problem("InvalidExpression", f"`spec.verify.checks[{check.name}].promql.query`: {wrong}")
        for field, expression in (("success", check.promql.success), ("failure", check.promql.failure)):
            yield from _of_value(f"spec.verify.checks[{check.name}].promql.{field}", expression, evaluate)


def _condition(field: str, expression: str, evaluate: Evaluate, more: Mapping[str, object]) -> Iterable[Problem]:
    variables = {**_sample(expression), **more}
    verdict = evaluate(expression, variables)
    if isinstance(verdict, Unevaluable):
        yield Problem("InvalidExpression", f"`{field}`: {verdict.why}{misspelt.remedy(verdict.why, expression, variables)}")
    elif (wrong := misspelt.field(expression, variables)) is not None:
        yield Problem("InvalidExpression", f"`{field}`: {wrong}")


def wrong_matcher(matcher: str, evaluate: Evaluate) -> str | None:
    """What is wrong with a list of matchers; each is tried by itself, because a false beside it hides a broken regular expression."""
    found = matchers.parse(matcher)
    if isinstance(found, matchers.BadMatcher):
        return found.why
    for one in found:
        verdict = evaluate(one.expression, {"labels": {}})
        if isinstance(verdict, Unevaluable):
            return f"{one.name}{one.operator}{one.value!r}: {verdict.why}"
    return None


def _sample(expression: str) -> Mapping[str, object]:
    """What a condition may read, with empty values, and with the labels that it asks for: that one is missing here does not make it wrong."""
    names = {name for groups in _LABEL.findall(expression) for name in groups if name}
    labels = dict.fromkeys(names, "0")
    return {name: {**part, "labels": labels} if "labels" in part else part for name, part in SAMPLE.items()}
