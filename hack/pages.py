"""The reference pages, rendered from the tables and models of the code: kinds, steps, reasons, Events, metrics, flags.

The rule it protects: a page that can be rendered is never written by hand.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from prunella.adapters.telemetry import METRICS, PREFIX
from prunella.api import crd
from prunella.api.base import GROUP, VERSION
from prunella.api.happenings import CAUSES, HAPPENINGS, OUTCOMES
from prunella.api.names import PHASE_OF, StepImpact
from prunella.api.reasons import CONDITION_REASONS, CONDITIONS, REFUSALS
from prunella.api.runbook import RunbookStep
from prunella.api.schema import Style, structural
from prunella.cli import approve, ask, deny, explain, hold, install, lint, plan, retry, run, simulate, undo
from prunella.cli.kinds import KINDS
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import ANY, StepKind

HEADER = "<!-- Written by `make generate`. Do not edit: change the code and run it again. -->\n"
FOLDER = "docs/reference"
OF_EVERY_OBJECT = frozenset({"apiVersion", "kind", "metadata"})
COMMANDS: Mapping[str, click.Command] = {
    "run": run.command,
    "install": install.command,
    "explain": explain.command,
    "plan": plan.command,
    "approve": approve.command,
    "deny": deny.command,
    "hold": hold.command,
    "retry": retry.command,
    "undo": undo.command,
    "ask": ask.command,
    "simulate": simulate.command,
    "lint": lint.command,
}


def pages() -> dict[str, str]:
    """Path → text."""
    made = {"kinds": kinds(), "reasons": reasons(), "events": events(), "metrics": metrics(), "flags": flags(), "steps/README": steps()}
    made |= {f"steps/{name}": step(kind) for name, kind in registry.KINDS.items()}
    return {f"{FOLDER}/{name}.md": HEADER + "\n".join(lines).rstrip() + "\n" for name, lines in made.items()}


def kinds() -> Iterator[str]:
    """Each kind with its columns, rules and fields."""
    yield from ("# Kinds", "", f"Group `{GROUP}`, version `{VERSION}`, category `prunella`. `kubectl explain` shows the same.", "")
    for kind in KINDS:
        names = f"`{kind.plural}`" + (f", short `{kind.short}`" if kind.short else "")
        scope = "namespaced" if kind.namespaced else "cluster-scoped"
        schema = crd.schema_of(kind)
        yield from (f"## {kind.name}", "", f"{schema['description']}", "", f"{names}; {scope}.", "")
        columns = [column.name + (" (wide)" if column.wide else "") for column in kind.columns]
        yield from (f"Columns of `kubectl get`: {', '.join(columns)}.", "")
        rules = list(_rules(schema, ""))
        if rules:
            yield from ("The API server holds every writer to:", "", *(f"- {rule}" for rule in rules), "")
        yield from _table(("field", "type", "meaning"), _fields(schema, "", leave_out=OF_EVERY_OBJECT))


def _fields(schema: Mapping[str, Any], path: str, *, leave_out: frozenset[str] = frozenset()) -> Iterator[Sequence[str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        if name in leave_out:
            continue
        here = f"{path}.{name}".lstrip(".")
        inner = field.get("items", field)
        mark = " (required)" if name in required and path else ""
        yield (f"`{here}`{mark}", _type(field), field.get("description", "") or inner.get("description", ""))
        yield from _fields(inner, here + ("[]" if "items" in field else ""))


def _type(field: Mapping[str, Any]) -> str:
    inner = field.get("items")
    if inner is not None:
        keys = " and ".join(f"`{key}`" for key in field.get("x-kubernetes-list-map-keys", ()))
        most = f", at most {field['maxItems']}" if "maxItems" in field else ""
        return f"list of {_type(inner)}{f' by {keys}' if keys else ''}{most}"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    if "x-kubernetes-int-or-string" in field:
        return f"number{_bounds(field)}, or a parameter"
    name = {"object": "object", "string": "text", "integer": "number", "boolean": "true or false", "number": "number"}[field["type"]]
    if field.get("format") == "date-time":
        return "instant"
    return f"{name}{_bounds(field)}"


def _bounds(field: Mapping[str, Any]) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    if most is not None and least is not None and most < 2**31 - 1:
        return f", {least} to {most}"
    if "maxLength" in field and field["maxLength"] > 0:
        return f", at most {field['maxLength']}"
    return ""


def _rules(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"`{path or 'the object'}` {rule['message']}"
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field.get("items", field), f"{path}.{name}".lstrip("."))


def reasons() -> Iterator[str]:
    """Causes, reasons, conditions and outcomes."""
    yield from ("# Reasons", "", "Every cause, reason, condition and outcome that stands on an object, and what a person can do about it.", "")
    yield from ("## Causes", "", "`status.cause` of an Incident: what is wrong with its target.", "")
    yield from _table(("cause", "what is seen"), ((f"`{cause}`", text) for cause, text in CAUSES.items()))
    yield from (
        "## Why something is not done, or is",
        "",
        "Reason of `RemediationAllowed` and of `status.decisions[]`, in the order in which they are asked: ",
    )
    yield from ("first whether there is a plan, then the guards, then the mode. The first refusal is the reason.", "")
    yield from _table(("reason", "meaning", "what to do"), ((f"`{one.name}`", one.meaning, one.remedy) for one in REFUSALS))
    yield from ("## Conditions", "")
    yield from _table(("condition", "on", "when it is True"), ((f"`{one.name}`", one.on, one.meaning) for one in CONDITIONS))
    yield from ("## Reasons of the other conditions", "", "A condition that is set only while it is true gives its own name as the reason.", "")
    yield from _table(("reason", "meaning", "what to do"), ((f"`{one.name}`", one.meaning, one.remedy) for one in CONDITION_REASONS))
    yield from ("## Outcomes of a Remediation", "", "`status.outcome`, and the reason of `Succeeded`.", "")
    yield from _table(("outcome", "phase", "meaning"), ((f"`{one}`", f"`{PHASE_OF[one]}`", text) for one, text in OUTCOMES.items()))


def events() -> Iterator[str]:
    """What happens, and where it is an Event."""
    yield from ("# Events and timeline", "")
    yield from (
        "Each stands in `status.timeline` of the Incident, except those of the HealingPolicy. Events expire after an hour; the timeline stays.",
        "",
    )
    told = ((f"`{one.name}`", ", ".join(one.events_on) or "timeline only", one.meaning) for one in HAPPENINGS)
    yield from _table(("name", "Event on", "what happened"), told)


def steps() -> Iterator[str]:
    """Every step that a Runbook may name."""
    yield from ("# Steps", "", "What a step of a Runbook may be: one action a step, and its page.", "")
    rows = ((f"[`{name}`]({name}.md)", str(kind.impact), _first_sentence(kind.params.__doc__)) for name, kind in registry.KINDS.items())
    yield from _table(("action", "impact", "what it does"), rows)
    yield from (
        "The impact says how much an action can hurt. Read and Notify change nothing and are never held up by the storm brake.",
        "",
        "A number, a text, a value of a map may be `$(parameters.<name>)`, and nothing beside it: what was chosen for the run, else that default.",
        "What is code, what runs and as whom, and who is told takes none.",
        "",
        "Each step also has:",
        "",
    )
    yield from _table(("field", "type", "meaning"), _fields(structural(RunbookStep, ".spec.steps[]", Style()), ""))


def _targets(kind: StepKind[Any]) -> str:
    return "every kind" if kind.kinds == ANY else ", ".join(sorted(kind.kinds))


def step(kind: StepKind[Any]) -> Iterator[str]:
    """One action: fields, rights, outputs, and whether it is taken back."""
    schema = structural(kind.params, f".spec.steps[].{kind.name}", Style())
    yield from (f"# {kind.name}", "", inspect.cleandoc(kind.params.__doc__ or ""), "", f"Impact: {kind.impact}. Targets: {_targets(kind)}.", "")
    fields = list(_fields(schema, ""))
    yield from _table(("field", "type", "meaning"), fields) if fields else ("It has no fields.", "")
    yield from (f"The API server holds every writer to: {rule}" for rule in _rules(schema, kind.name))
    if kind.rights:
        yield from ("The acting account needs, by the kind of the target:", "")
        yield from (f"- `{right.verb}` of `{right.on}`" for right in kind.rights)
        if kind.granted_by:
            yield from ("", f"Opting in does not grant it: `{kind.granted_by}` does.")
    elif kind.granted_by:
        yield f"What it needs is granted by `{kind.granted_by}`, in the namespace of what it changes."
    else:
        yield "It needs no right beyond the operator's reads."
    yield ""
    if kind.outputs:
        yield from ("Later steps may read:", "")
        yield from _table(("output", "meaning"), ((f"`steps.<name>.outputs.{name}`", text) for name, text in kind.outputs.items()))
    taken_back = "It can be taken back, and is only where what it wrote is still there." if kind.undo else "It can't be taken back."
    yield from ("People must approve it, whatever the mode: a Runbook with it never acts in Auto.", "") if kind.approval_always else ()
    yield from () if kind.impact in {StepImpact.READ, StepImpact.NOTIFY} else (taken_back, "")
    yield from ("It always ends: `ttlSeconds` is mandatory.", "") if kind.must_end else ()
    yield from (f"It is never a temporary measure: {kind.lasting}.", "") if kind.lasting else ()


def _first_sentence(text: str | None) -> str:
    return inspect.cleandoc(text or "").split("\n")[0]


def metrics() -> Iterator[str]:
    """The metrics of `/metrics`."""
    yield from ("# Metrics", "", "At `/metrics`, in Prometheus' text format. None is labelled by Incident or pod.", "")
    shown = ((f"`{PREFIX}{one.name}`", one.type, ", ".join(f"`{label}`" for label in one.labels) or "–", one.help) for one in METRICS)
    yield from _table(("metric", "type", "labels", "meaning"), shown)


def flags() -> Iterator[str]:
    """Each command with its options and their environment twins."""
    yield from ("# Command line", "", "A flag wins over its environment variable. How to behave stands in resources, never in a flag.", "")
    for name, command in COMMANDS.items():
        yield from (f"## prunella {name}", "", inspect.cleandoc(command.help or ""), "")
        options = [one for one in command.params if isinstance(one, click.Option)]
        if options:
            yield from _table(("flag", "environment", "default", "meaning"), map(_option, options))


def _option(option: click.Option) -> Sequence[str]:
    twins = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    spelled = ", ".join(f"`{flag}`" for flag in option.opts)
    values = f" ({', '.join(option.type.choices)})" if isinstance(option.type, click.Choice) else ""
    default = f"`{option.default}`" if isinstance(option.default, str | int) and option.default not in {"", False} and not option.is_flag else "–"
    return (spelled + values, ", ".join(f"`{twin}`" for twin in twins) or "–", default, (option.help or "").replace("  [", " ["))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
