"""Readiness of the kinds that people apply: what crosses objects can't be refused by the API server, so it is `Ready=False` with a sentence.

Pure but for the last line: the findings are made from the cache, written where they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple, Protocol

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import Condition
from prunella.api.escalation_policy import EscalationPolicy, NotifyTarget
from prunella.api.healing_policy import HealingPolicy
from prunella.api.names import ConditionStatus
from prunella.api.runbook import Runbook
from prunella.core.draft import set_condition
from prunella.core.healing.runbooks import lineage, reach, soundness
from prunella.core.healing.runbooks.soundness import Problem
from prunella.core.healing.steps import registry
from prunella.core.incident import dependencies
from prunella.core.world import Evaluate, ZoneOf

from .certificates import Certificates
from .ports import Clock, Store, View
from .runs.shadows import Shadows


class PolicyKey(NamedTuple):
    """An object of a kind that people apply."""

    kind: str
    namespace: str
    name: str


THE_POLICY: Final = PolicyKey("HealingPolicy", "", "default")
"""The one that is in force."""


class Known(Protocol):
    """What else there is: the cache has it, and so have the files that `prunella lint` is given."""

    def healing_policy(self) -> HealingPolicy | None:
        """The one named default."""

    def runbooks(self) -> Iterable[Runbook]:
        """Every Runbook."""

    def escalation_policies(self) -> Iterable[EscalationPolicy]:
        """Every EscalationPolicy."""

    def entries(self, namespace: str) -> Sequence[CatalogEntry]:
        """CatalogEntries of a namespace."""


Applied = Runbook | EscalationPolicy | CatalogEntry | HealingPolicy


def problems(one: Applied, view: Known, evaluate: Evaluate, zone_of: ZoneOf, operator_namespace: str) -> Iterable[Problem]:
    """Everything that is wrong with one object, worst first."""
    match one:
        case Runbook():
            yield from soundness.problems(one, evaluate, zone_of, operator_namespace)
            yield from reach.problems(one, evaluate)
            yield from lineage.problems(one, view.runbooks())
            yield from _receivers(registry.receivers_of(one), view)
        case EscalationPolicy():
            yield from _receivers((target.receiver for target in _targets(one)), view)
        case CatalogEntry():
            ref = one.spec.escalation_policy_ref
            if ref is not None:
                yield from _policy(ref.namespace or one.metadata.namespace or "", ref.name, view)
            yield from _depends(one, view)
        case HealingPolicy():
            if one.metadata.name != "default":
                yield Problem("NotDefault", "only the HealingPolicy named 'default' is in force: rename this one, or delete it")
            yield from soundness.frozen(one.spec.windows, zone_of)
            ref = one.spec.default_escalation_policy_ref
            if ref is not None:
                yield from _policy(ref.namespace or operator_namespace, ref.name, view)


def _targets(policy: EscalationPolicy) -> Iterable[NotifyTarget]:
    for step in policy.spec.steps:
        yield from step.notify
    yield from policy.spec.catch_all
    for notice in policy.spec.notices:
        yield from notice.notify


def _receivers(names: Iterable[str], view: Known) -> Iterable[Problem]:
    policy = view.healing_policy()
    known = {receiver.name for receiver in policy.spec.receivers} if policy else set()
    for name in dict.fromkeys(names):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield Problem("UnknownReference", f"receiver '{name}' is not in HealingPolicy `spec.receivers`{hint}")


def _policy(namespace: str, name: str, view: Known) -> Iterable[Problem]:
    names = [one.metadata.name for one in view.escalation_policies() if one.metadata.namespace == namespace]
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        place = f"{namespace}/" if namespace else ""  # a file need not name it
        yield Problem("UnknownReference", f"EscalationPolicy '{place}{name}' does not exist{hint}")


def _depends(entry: CatalogEntry, view: Known) -> Iterable[Problem]:
    """Dependencies that are not there, and the way on which it depends on itself."""
    for namespace, name in dependencies.declared(entry):
        names = [one.metadata.name for one in view.entries(namespace)]
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield Problem("UnknownReference", f"CatalogEntry '{namespace}/{name}' of `spec.dependsOn` does not exist{hint}")
    way = dependencies.cycle(entry, lambda at: next((one for one in view.entries(at[0]) if one.metadata.name == at[1]), None))
    if way:
        said = " -> ".join("/".join(filter(None, one)) for one in way)
        yield Problem(
            "Cycle", f"it depends on itself ({said}): what lies on that way counts as no dependency; remove one of them from `spec.dependsOn`"
        )


def everything(view: View) -> Iterable[PolicyKey]:
    """What is to be judged: references cross objects, so each change may make another object ready."""
    yield from (PolicyKey("Runbook", one.metadata.namespace or "", one.metadata.name) for one in view.runbooks())
    for namespace in sorted({facts.workload.namespace for facts in view.workloads()}):
        yield from (PolicyKey("CatalogEntry", namespace, one.metadata.name) for one in view.entries(namespace))
    yield from (PolicyKey("EscalationPolicy", one.metadata.namespace or "", one.metadata.name) for one in view.escalation_policies())
    if view.healing_policy() is not None:
        yield THE_POLICY


class Readiness:
    """Writes the conditions Ready and Stalled."""

    def __init__(
        self, view: View, store: Store, clock: Clock, evaluate: Evaluate, zone_of: ZoneOf, operator_namespace: str, certificates: Certificates
    ) -> None:
        self._view = view
        self._store = store
        self._clock = clock
        self._evaluate = evaluate
        self._zone_of = zone_of
        self._namespace = operator_namespace
        self._certificates = certificates
        self._shadows = Shadows(view, store)

    async def settle(self, key: PolicyKey) -> None:
        """Bring one object's conditions up to date."""
        one = self._find(key)
        if one is None:
            return
        if isinstance(one, Runbook):
            await self._shadows.renew(one)
        unread = self._certificates.problems(self._namespace) if isinstance(one, HealingPolicy) else []
        if unread is None:
            return  # it is told once each of its Secrets was tried, which wakes this again
        found = [*problems(one, self._view, self._evaluate, self._zone_of, self._namespace), *unread]
        wanted = self._conditions(one.status.conditions, one.metadata.generation, found)
        if wanted == tuple(one.status.conditions) and one.status.observed_generation == one.metadata.generation:
            return
        await self._store.put_conditions(key.kind, key.namespace or None, key.name, one.metadata.generation, wanted)

    def _find(self, key: PolicyKey) -> Applied | None:
        candidates: Sequence[Applied]
        match key.kind:
            case "Runbook":
                candidates = list(self._view.runbooks())
            case "EscalationPolicy":
                candidates = list(self._view.escalation_policies())
            case "CatalogEntry":
                candidates = list(self._view.entries(key.namespace))
            case _:
                policy = self._view.healing_policy()
                candidates = [policy] if policy is not None else []
        return next((one for one in candidates if (one.metadata.namespace or "", one.metadata.name) == (key.namespace, key.name)), None)

    def _conditions(self, before: tuple[Condition, ...], generation: int, found: list[Problem]) -> tuple[Condition, ...]:
        now = self._clock.now()
        if not found:
            ready = set_condition(before, "Ready", ConditionStatus.TRUE, "Accepted", "it is in use", now=now, generation=generation)
            return tuple(one for one in ready if one.type != "Stalled")
        message = "; ".join(problem.message for problem in found)
        ready = set_condition(before, "Ready", ConditionStatus.FALSE, found[0].reason, message, now=now, generation=generation)
        return set_condition(ready, "Stalled", ConditionStatus.TRUE, found[0].reason, message, now=now, generation=generation)
