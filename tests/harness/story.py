"""What every Incident must tell, and what every heal must keep to. The numbers are those of the promise, once, here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from . import audit, table
from .api import Object
from .arena import Arena, Good, condition, outline
from .instants import now, parse
from .waiting import wait_for

DWELL_SECONDS = 10
MIN_RESTARTS = 2
"""What the shipped Runbook asks for."""
CRASHES = {"RolloutCrashLoop", "RolloutOutOfMemory"}
LATE_CAUSES = {"ReplicaCreationFailed", "RolloutNotReady", "Unschedulable"}
"""Causes that do not open at first sight: when they may act, or once they have held for a minute."""
STEADY_SECONDS = 15
"""How long what was healed must stay ready without a break; by night a minute."""
PROMPT_SECONDS = 1.0
"""How soon after a failure is seen its Incident is there, and after it is due an effect comes: promised of the half of a session's heals, which share
two cores with the cluster that they run on."""
LATEST_SECONDS = 5.0
"""How late a single one may be on such a machine. How fast the product is, is told by `make bench`, beside a bare watcher."""
WRITES = 10
STATEFULSET_WRITES = 3
EVENTS = 8
TOLERANCE = timedelta(seconds=1)
"""What the API server keeps in whole seconds may differ by so much."""
HEAL_ORDER = ("Opened", "PriorityAssessed", "RemediationStarted", "RolledBack", "Verified", "Resolved")
TIME_ORDER = ("startedTime", "detectedTime", "receivedTime", "triggeredTime", "automationStartedTime", "mitigatedTime", "resolutionConfirmedTime")
REVISION = "deployment.kubernetes.io/revision"
INTENT = "prunella.dev/intent-id"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def healed(
    arena: Arena, good: Good, fault: datetime, cause: str, *, name: str, seconds: float = 120, accused: Callable[[Object], bool] | None = None
) -> Object:
    """All that a heal must show. `good` is what it must have gone back to, `fault` the instant before the bad version was applied.

    `accused` tells the pods of the version that was rolled back, where there was another bad one.
    """
    kind, target = good.kind, good.name
    incident = arena.incident(target, seconds=seconds)
    incident = arena.when(incident, lambda one: one.get("status", {}).get("phase") == "Resolved", "is resolved", seconds=seconds)
    spell = arena.witness.spell(kind, target, _effect(arena, kind).time)
    wait_for(lambda: spell_of(arena, kind, target).unbroken(STEADY_SECONDS), STEADY_SECONDS + 10, f"{target} stays ready {STEADY_SECONDS} s")
    attempt = _ended(arena, incident)
    wait_for(lambda: "Resolved" in _reasons(arena, incident), 10, "the last Event is written", seen=lambda: _reasons(arena, incident))
    effect, bill = _effect(arena, kind), audit.bill(arena.writes(fault))
    # --- it went back to what worked, and nothing else was done ---
    live = arena.api.get(kind, target, arena.namespace)
    assert live["spec"]["template"] == good.template, "the template is exactly that of the known-good revision"
    assert live["spec"].get("replicas") == good.replicas, "nothing else is reverted"
    own = [one for one in bill.effects if one.resource != "pods"]
    assert len(own) == 1, f"the workload is changed once:\n{bill.lines}"
    limit = WRITES + (STATEFULSET_WRITES if kind == "StatefulSet" else 0)
    # --- in time, by the clocks of the witness and the audit log ---
    opened = next(one.time for one in arena.writes(fault) if one.resource == "incidents" and one.verb == "create")
    due = _due(arena, accused or (lambda pod: not good.made(pod)), fault, cause, opened)
    delay = (effect.time - due).total_seconds()
    times = {key: parse(value) for key, value in incident["status"]["times"].items()}
    first = spell.first
    assert first is not None
    sight = None if cause in LATE_CAUSES else arena.witness.first_failing(fault, lambda pod: not good.made(pod))
    see = (opened - sight).total_seconds() if sight is not None else None
    end = abs(times["resolvedTime"] - first).total_seconds()
    seen = f"{incident['status']['phase']} {incident['status']['cause']}"
    table.add(
        arena.installation.folder,
        table.Row(
            scenario=name,
            expected=f"Resolved {cause}",
            seen=seen,
            detect=(opened - times["startedTime"]).total_seconds(),
            see=see,
            end=end,
            act=delay,
            heal=(times["resolvedTime"] - times["startedTime"]).total_seconds(),
            writes=f"{len(bill.counted)}+{len(bill.hand_backs)}",
            events=len(bill.events),
        ),
    )
    assert len(bill.counted) <= limit, f"{len(bill.counted)} writes, {limit} are permitted:\n{bill.lines}"
    assert len(bill.hand_backs) == 1, f"field ownership is handed back once:\n{bill.lines}"
    assert len(bill.events) <= EVENTS, f"{len(bill.events)} Events:\n{bill.lines}"
    assert delay <= LATEST_SECONDS, f"the effect came {delay:.2f} s after it was due"
    assert effect.time >= parse(attempt["spec"]["dueTime"]), "not before it was due by the operator's own word"
    assert effect.time - opened >= timedelta(seconds=DWELL_SECONDS - 1), "the signal held for the dwell"
    assert see is not None or cause in LATE_CAUSES
    assert see is None or see <= LATEST_SECONDS, f"opened {see:.2f} s after the first sight of a failing container"
    assert end <= LATEST_SECONDS, f"resolvedTime {times['resolvedTime']}, all ready first seen at {first}"
    _tells_a_heal(arena, incident, attempt, cause)
    _tells_the_workload(arena, kind, target)
    conventions(incident)
    return incident


def _reasons(arena: Arena, incident: Object) -> list[str]:
    """The Events on an Incident, in order."""
    return [one["reason"] for one in arena.events("Incident", incident["metadata"]["name"])]


def _due(arena: Arena, accused: Callable[[Object], bool], fault: datetime, cause: str, opened: datetime) -> datetime:
    """When the effect was due, independent of the operator: the dwell over, and for crashes the restarts seen."""
    due = opened + timedelta(seconds=DWELL_SECONDS)
    if cause not in CRASHES:
        return due
    reached = arena.witness.restarts_reached(MIN_RESTARTS, fault, accused)
    assert reached is not None, f"no container was restarted {MIN_RESTARTS} times"
    return max(due, reached)


def spell_of(arena: Arena, kind: str, target: str) -> Any:
    """The healthy stretch since the effect."""
    return arena.witness.spell(kind, target, _effect(arena, kind).time)


def _effect(arena: Arena, kind: str) -> audit.Write:
    """The first write of the operator to a workload of this kind."""
    plural = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}[kind]
    effects = [one for one in arena.foreign_writes() if one.resource == plural and not one.hand_back]
    assert effects, "the operator wrote to no workload"
    return effects[0]


def _ended(arena: Arena, incident: Object) -> Object:
    attempts = arena.remediations(incident)
    assert len(attempts) == 1, [one["metadata"]["name"] for one in attempts]
    attempt = attempts[0]
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Succeeded", "Remediated"), attempt["status"]
    return attempt


def started_with(incident: Object, instant: datetime) -> None:
    """The fault began, by the Incident, within a second of what the kubelet says."""
    started = parse(incident["status"]["times"]["startedTime"])
    assert abs(started - instant) <= TOLERANCE, f"startedTime {started}, the kubelet says {instant}"


def first_failure(arena: Arena, fault: datetime, good: Good) -> datetime:
    """The kubelet's finishedAt of the first container of another revision that failed after the fault."""
    ends = arena.witness.terminations(fault, lambda pod: not good.made(pod))
    assert ends, "no container failed"
    return min(one.finished for one in ends)


def _tells_a_heal(arena: Arena, incident: Object, attempt: Object, cause: str) -> None:
    status = incident["status"]
    story = outline(incident)
    assert status["cause"] == cause, story
    to = next(
        step["intent"]["before"]["toRevision"] for step in attempt["status"]["steps"] if "toRevision" in step.get("intent", {}).get("before", {})
    )
    assert status["remediation"] == f"RolledBack to revision {to}", story
    assert status["remediationState"] == "Succeeded", story
    told = [one["what"] for one in status["timeline"]]
    assert _in_order(HEAL_ORDER, told), f"{told} does not tell {HEAL_ORDER} in order"
    assert status["evidence"], "log tail or Events were kept"
    assert condition(incident, "Resolved")["reason"] == "Verified", story
    assert condition(incident, "Mitigated")["reason"] == "RemediationSucceeded", story
    known = [parse(status["times"][key]) for key in TIME_ORDER]
    assert known == sorted(known), dict(zip(TIME_ORDER, known, strict=True))
    reasons = _reasons(arena, incident)
    assert _in_order(HEAL_ORDER, reasons), f"Events {reasons}"


def _tells_the_workload(arena: Arena, kind: str, target: str) -> None:
    reasons = [one["reason"] for one in arena.events(kind, target)]
    assert reasons == ["RolledBack"], f"Events on the workload: {reasons}"


def _in_order(wanted: tuple[str, ...], told: list[str]) -> bool:
    rest = iter(told)
    return all(any(one == word for one in rest) for word in wanted)


def left_alone(
    arena: Arena, target: str, reason: str, *, name: str, cause: str | None = None, seconds: float = 60, since: datetime | None = None
) -> Object:
    """The Incident says why nothing is done, and nothing was done to anything that is not Prunella's."""
    incident = arena.incident(target, seconds=seconds)
    incident = arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == reason, f"says {reason}", seconds=seconds)
    allowed = condition(incident, "RemediationAllowed")
    foreign = arena.foreign_writes(since)
    row = table.Row(scenario=name, expected=reason, seen=allowed["reason"], writes=f"{len(foreign)} foreign")
    table.add(arena.installation.folder, row)
    assert allowed["status"] == "False", allowed
    assert len(allowed["message"]) > 20, "a sentence for a tired person"
    assert not foreign, [one.line for one in foreign]
    assert cause is None or incident["status"]["cause"] == cause, outline(incident)
    conventions(incident)
    return incident


def decision(incident: Object, runbook: str) -> Object:
    """What was decided about a Runbook."""
    found = [one for one in incident["status"].get("decisions", []) if one["about"] == runbook]
    assert found, f"no decision about {runbook}: {incident['status'].get('decisions')}"
    first: Object = found[0]
    return first


PHASE_BY_CONDITION = (("Resolved", "Resolved"), ("Mitigated", "Mitigated"), ("Acknowledged", "Acknowledged"))


def conventions(incident: Object) -> None:
    """What holds for every Incident at every time."""
    status = incident["status"]
    types = [one["type"] for one in status["conditions"]]
    assert {"Acknowledged", "Mitigated", "Resolved"} <= set(types), types
    assert len(types) == len(set(types)), types
    for one in status["conditions"]:
        assert one["reason"].isidentifier(), one
        assert one["reason"][0].isupper(), one
        assert one.get("observedGeneration", 0) <= incident["metadata"]["generation"], one
        assert parse(one["lastTransitionTime"]) <= now() + TOLERANCE, one
    assert status["observedGeneration"] <= incident["metadata"]["generation"]
    timeline = status["timeline"]
    assert len(timeline) <= 50
    sequences = [one["sequence"] for one in timeline]
    assert sequences == sorted(set(sequences)), sequences
    true = {one["type"] for one in status["conditions"] if one["status"] == "True"}
    implied = next((phase for type_, phase in PHASE_BY_CONDITION if type_ in true), "Triggered")
    assert status["phase"] in {implied, "Cancelled"}, (status["phase"], true)
    assert not ("Resolved" in true and status["remediationState"] == "Running"), "resolved while an action runs"


def nobody_was_called(arena: Arena, incident: Object) -> None:
    """Healed before the first page was due: no page, and the owner heard of it once."""
    kinds = [(one.receiver, one.body["data"]["customData"]["kind"]) for one in arena.inbox.posts()]
    assert [one for one in kinds if one[1] == "Page"] == [], kinds
    wait_for(lambda: list(arena.inbox.posts("releases")), 10, "the owner is told")
    notices = [one for one in arena.inbox.posts("releases") if one.body["data"]["customData"]["kind"] == "Notice"]
    assert len(notices) == 1, [one.raw for one in notices]
    assert incident["spec"]["targetRef"]["name"] in notices[0].raw
    assert condition(incident, "Acknowledged")["reason"] == "HealedBeforeFirstPage"
