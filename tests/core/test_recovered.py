"""A dependency that came back: who waits for nothing but the kubelet is found by what is declared and stored, and nobody else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.builders import ago, crashing, later, pod, waiting
from tests.core.incident_builders import draft_of, finding, watched, workload, world

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident, IncidentStatus, OpeningSignal, Signal, Times
from prunella.api.names import Cause, SignalState, SourceKind
from prunella.core.around import Dependency
from prunella.core.facts import UNKNOWN
from prunella.core.incident import recovered, signals
from prunella.core.world import World

LEDGER = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="pay", name="ledger", uid="l-1")
DOWN, BACK, OVER = 400, 100, 60
"""Seconds ago: when the dependency failed, when its pod was Ready again, and when that counted as the end of its fault."""
BACKS_OFF = crashing(restarts=6, finished=BACK + 20)


def signal(*, began: float = DOWN, ended: float | None = OVER, cause: Cause = Cause.CRASH_LOOP) -> Signal:
    over = ended is not None
    return Signal(
        key=f"watch/{cause}",
        source=SourceKind.WATCH,
        state=SignalState.RESOLVED if over else SignalState.FIRING,
        cause=cause,
        first_seen_time=ago(began),
        last_seen_time=ago(ended or 0),
        started_time=ago(began),
        last_resolved_end_time=ago(ended) if ended is not None else None,
    )


def of_ledger(*signals: Signal, resolved: bool = False) -> Incident:
    times = Times(triggered_time=ago(DOWN), resolved_time=ago(10) if resolved else None)
    return watched("ledger-aaaaa", target=LEDGER, status=IncidentStatus(signals=signals or (signal(),), times=times))


def ledger(*incidents: Incident, ready: int = 1, back: float = BACK, **changes: Any) -> Dependency:
    facts = replace(workload(ready, 1), pods=(pod("ledger-a", "h1", ready_since=ago(back)),))
    return replace(Dependency(name="pay/ledger", workloads=(facts,), incidents=incidents or (of_ledger(),)), **changes)


def checkout(*failing: Any, cause: str = "CrashLoop", began: float = 300, **changes: Any) -> World:
    """It began to crash while the ledger was away, and waits to be started again."""
    pods = failing or (pod("checkout-h2-a", "h2", BACKS_OFF, ready=False),)
    facts = replace(workload(0, len(pods)), pods=pods)
    seen = finding(cause, started_time=ago(BACK + 20), open_time=ago(50), failing_pods=tuple(one.name for one in pods))
    opened = OpeningSignal(key="watch/CrashLoop", started_time=ago(began), seen_time=ago(began), cause=Cause.CRASH_LOOP, summary="it crashes")
    incident = watched()
    source = incident.spec.source.model_copy(update={"signal": opened})
    incident = incident.model_copy(update={"spec": incident.spec.model_copy(update={"source": source})})
    return replace(world(incident, target=facts, finding=seen), **changes)


def cause(seen: World, *needed: Dependency) -> str:
    found = recovered.refined(seen, needed).known_finding
    assert found is not None
    return str(found.cause)


@pytest.mark.parametrize("of", ["CrashLoop", "InitContainerFailing"])
def test_what_crashed_while_its_dependency_was_away_waits_for_the_kubelet(of):
    made = recovered.refined(checkout(cause=of), [ledger()]).known_finding
    assert made is not None
    assert made.cause == Cause.DEPENDENCY_RECOVERED
    assert "pay/ledger, which it needs, is back since 11:58:20" in made.summary


@pytest.mark.parametrize(
    "needed",
    [
        pytest.param([], id="it declares none"),
        pytest.param([ledger(of_ledger(signal(ended=None)))], id="it is seen to fail"),
        pytest.param([ledger(of_ledger(signal(), signal(ended=None, cause=Cause.OUT_OF_MEMORY)))], id="it fails in another way as well"),
        pytest.param([ledger(of_ledger(), of_ledger(signal(ended=None)))], id="another Incident of it goes on"),
        pytest.param([ledger(ready=0)], id="it does not serve in full"),
        pytest.param([ledger(workloads=())], id="nothing is seen of it"),
        pytest.param([ledger(of_ledger(signal(ended=301)))], id="it came back too long ago"),
        pytest.param([ledger(of_ledger(signal(began=200)))], id="it failed only after the target did"),
        pytest.param([ledger(incidents=())], id="it never failed"),
        pytest.param([ledger(back=500)], id="its pods were ready all the time"),
    ],
)
def test_who_has_no_dependency_that_came_back_lately_crashes_for_itself(needed):
    assert cause(checkout(), *needed) == "CrashLoop"


@pytest.mark.parametrize(("needed", "again"), [(ledger(ready=0), True), (ledger(of_ledger(signal(ended=None)), ready=0), False), (ledger(), False)])
def test_one_whose_fault_is_over_and_that_does_not_serve_in_full_yet_is_looked_at_again(needed, again):
    seen = recovered.refined(checkout(), [needed])
    assert seen.again_time == (later(5) if again else None)
    assert (signals.observe_signals(seen, draft_of(seen)).look_again == later(5)) == again


def test_what_of_a_dependency_is_scaled_to_zero_on_purpose_is_not_waited_for():
    spare = replace(workload(0, 0), pods=())
    both = ledger()
    assert cause(checkout(), replace(both, workloads=(*both.workloads, spare))) == "DependencyRecovered"
    assert cause(checkout(), replace(both, workloads=(spare,))) == "CrashLoop"


def test_an_incident_of_the_dependency_that_is_resolved_already_tells_of_it_as_well():
    assert cause(checkout(), ledger(incidents=(), ended=(of_ledger(resolved=True),))) == "DependencyRecovered"


@pytest.mark.parametrize(("finished", "told"), [(BACK - 10, "DependencyRecovered"), (BACK - 11, "CrashLoop")])
def test_what_crashes_although_its_dependency_is_back_has_another_reason(finished, told):
    """Until each node knows that there is an endpoint again it may take ten seconds."""
    late = crashing(restarts=6, finished=finished)
    one = pod("checkout-h2-a", "h2", BACKS_OFF, ready=False)
    assert cause(checkout(one, pod("checkout-h2-b", "h2", late, ready=False)), ledger()) == told


RUNS = crashing(restarts=6, finished=BACK + 20, waiting_reason="", running_since=ago(15))


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(RUNS, id="it runs"),
        pytest.param(waiting("RunContainerError", restarts=6), id="it can't be started"),
        pytest.param(waiting("CrashLoopBackOff", restarts=6), id="nobody knows when it crashed"),
    ],
)
def test_who_waits_for_something_else_is_left_alone(failing):
    assert cause(checkout(pod("checkout-h2-a", "h2", failing, ready=False)), ledger()) == "CrashLoop"


def test_one_that_the_kubelet_has_started_already_speaks_for_none_of_the_others():
    runs, waits = pod("checkout-h2-a", "h2", RUNS, ready=False), pod("checkout-h2-b", "h2", BACKS_OFF, ready=False)
    assert cause(checkout(runs, waits), ledger()) == "DependencyRecovered"


def test_once_told_it_stays_while_the_last_of_them_starts():
    told = checkout(pod("checkout-h2-a", "h2", RUNS, ready=False))
    status = told.incident.status.model_copy(update={"cause": Cause.DEPENDENCY_RECOVERED})
    told = replace(told, incident=told.incident.model_copy(update={"status": status}))
    assert cause(told, ledger()) == "DependencyRecovered"
    assert cause(told, ledger(of_ledger(signal(ended=301)))) == "CrashLoop", "but no longer than five minutes"


@pytest.mark.parametrize("other", ["RolloutCrashLoop", "OutOfMemory", "LivenessKills", "ConfigChanged"])
def test_a_cause_that_says_more_stays(other):
    assert cause(checkout(cause=other), ledger()) == other


def test_what_is_not_seen_for_sure_stays_as_it_is():
    young = checkout()
    young = replace(young, finding=replace(young.known_finding, open_time=later(1)))
    for seen in (young, checkout(finding=None), checkout(finding=UNKNOWN)):
        assert recovered.refined(seen, [ledger()]) is seen


def test_of_several_the_one_that_came_back_last_is_told():
    first = ledger(of_ledger(signal(began=390)), name="pay/rates", back=BACK + 10)
    made = recovered.refined(checkout(), [first, ledger()]).known_finding
    assert made is not None
    assert "pay/ledger" in made.summary
