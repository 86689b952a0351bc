"""What is wrong with the Runbook that another one names as its next: it is not there, it leads back, or it can never have its turn.

The rule this module protects: said is only what is certain, whatever the fault. A condition that may be true some day is nobody's mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from prunella.api.runbook import Match, Runbook

from . import succession
from .soundness import Problem

FIELD: Final = "`spec.nextRef.name`"


def problems(runbook: Runbook, known: Iterable[Runbook]) -> Iterable[Problem]:
    """All of them. `known` are the Runbooks that there are, of every namespace."""
    if runbook.spec.next_ref is None:
        return
    near = {one.metadata.name: one for one in known if (one.metadata.namespace or "") == (runbook.metadata.namespace or "")}
    name = runbook.spec.next_ref.name
    if name not in near:
        likely = get_close_matches(name, near, n=1)
        hint = f"; did you mean '{likely[0]}'?" if likely else ""
        yield Problem("UnknownRunbook", f"{FIELD}: there is no Runbook '{name}' in its namespace{hint}")
        return
    line = succession.line(runbook, near.values())
    last = line[-1].spec.next_ref
    if last is not None and last.name in {one.metadata.name for one in line}:
        way = " -> ".join((*(one.metadata.name for one in line), last.name))
        yield Problem("Cycle", f"{FIELD}: it leads back ({way}): each has one turn, so take the last arrow away")
    yield from _out_of_reach(runbook, near[name])
    yield from _beyond_its_attempts(line)


def _out_of_reach(first: Runbook, following: Runbook) -> Iterable[Problem]:
    apart = _apart(first.spec.match, following.spec.match)
    if apart:
        yield Problem("NeverFits", f"{FIELD}: {following.metadata.name} never fits where this one does: {apart}")


def _apart(one: Match, other: Match) -> str:
    """Why nothing can match both; empty where something may."""
    if not one.alerts and not other.alerts and not set(one.causes) & set(other.causes):
        return "they have no cause in common"
    here, there = one.targets, other.targets
    if here is None or there is None:
        return ""
    if here.kinds and there.kinds and not set(here.kinds) & set(there.kinds):
        return "they have no kind of target in common"
    labels = here.selector.match_labels if here.selector is not None else {}
    others = there.selector.match_labels if there.selector is not None else {}
    key = next((key for key in labels if others.get(key, labels[key]) != labels[key]), None)
    return f"they want different values of the label {key}" if key is not None else ""


def _beyond_its_attempts(line: Sequence[Runbook]) -> Iterable[Problem]:
    for number, one in enumerate(line[1:], 2):
        most = one.spec.limits.max_attempts
        if most < number:
            say = f"it is tried as attempt {number}, and its `limits.maxAttempts` is {most}: raise it"
            yield Problem("NeverFits", f"{FIELD}: {one.metadata.name} never has its turn: {say}")
