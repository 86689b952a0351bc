"""People who approve: a real user who holds the verb says yes on the command line, and what comes of it must be a heal like every other.

The oracles are those of any heal: nothing was touched before the yes, exactly what was asked for was done after it, and the workload runs in full
without a break. What was deleted or scaled to zero is not healed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime

from . import audit, story, table, to_people
from .api import Object
from .arena import Arena, Good, condition, outline
from .installation import ROOT
from .instants import parse
from .waiting import holds_for, wait_for

PERSON = "ana"
ROLE = "prunella-approve"
WHY = "seen and agreed"
SOON = 10.0
"""Seconds from the yes to the effect, on a busy machine."""


def approvers(namespace: str, person: str = PERSON) -> Object:
    """What gives a person the verb in a namespace, as an administrator grants it."""
    group = "rbac.authorization.k8s.io"
    body: Object = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": {"name": "approvers", "namespace": namespace}}
    ref = {"apiGroup": group, "kind": "ClusterRole", "name": ROLE}
    return {**body, "roleRef": ref, "subjects": [{"apiGroup": group, "kind": "User", "name": person}]}


def asks(arena: Arena, target: str, cause: str, runbook: str, *, name: str, since: datetime, seconds: float = 240) -> Object:
    """The one Incident of the target: the plan of the shipped Runbook waits for people, and nothing was touched."""
    incident = story.left_alone(arena, target, to_people.ASKS, name=f"{name}: asked", cause=cause, seconds=seconds, since=since)
    asking = arena.remediations(incident)[-1]
    assert asking["spec"]["runbookRef"]["name"] == runbook, outline(incident)
    assert (asking["spec"]["mode"], asking["status"]["phase"]) == ("Approve", "Pending"), asking["status"]
    return incident


def approve(arena: Arena, incident: Object, person: str = PERSON) -> datetime:
    """Say yes, as that person, to the plan that stands there; returns when the API server heard it."""
    log = audit.AuditLog(arena.installation.state / "audit.log")
    config = str(arena.installation.user(person))
    meta = incident["metadata"]
    command = ["approve", meta["name"], "-n", meta["namespace"], "--yes", "--comment", WHY, "--kubeconfig", config]
    done = subprocess.run(
        [sys.executable, "-m", "prunella.cli.main", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"},
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    def heard() -> list[audit.Write]:
        return [one for one in log.writes(meta["namespace"], user=person) if one.resource == "remediations"]

    return wait_for(heard, 10, f"{person}'s word is in the audit log")[0].time


def healed(
    arena: Arena, incident: Object, good: Good, approved: datetime, effects: Sequence[str], *, name: str, seconds: float, replicas: int | None = None
) -> Object:
    """What was approved was done, and nothing else; it is proved, and the workload runs in full. `effects` are the resources written, in order."""
    cause = incident["status"]["cause"]
    incident = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "is resolved", seconds=seconds)
    attempt = _ended(arena, incident)
    written = _effects(arena, incident)
    assert [one.resource for one in written] == list(effects), [one.line for one in written]
    assert all(one.time > approved for one in written), "nothing is done before somebody approves"
    assert attempt["spec"]["approvals"][0]["by"] == PERSON
    intents = [one["intent"] for one in attempt["status"]["steps"] if "intent" in one]
    assert {tuple(one["approvedBy"]) for one in intents} == {(PERSON,)}, intents
    wanted = good.replicas if replicas is None else replicas
    wait_for(lambda: serves(arena, good, wanted), 10, f"{good.name} runs in full", seen=lambda: arena.pods_in_words(good.name))
    holds_for(lambda: serves(arena, good, wanted), story.STEADY_SECONDS, f"{good.name} stays ready", interval=0.5)
    assert condition(incident, "Resolved")["reason"] == "Verified", outline(incident)
    assert condition(incident, "Mitigated")["reason"] == "RemediationSucceeded", outline(incident)
    times = {key: parse(value) for key, value in incident["status"]["times"].items()}
    act = (written[0].time - approved).total_seconds()
    row = table.Row(
        scenario=name,
        expected=f"Resolved {cause}",
        seen=f"{incident['status']['phase']} {incident['status']['cause']}",
        act=act,
        heal=(times["resolvedTime"] - times["startedTime"]).total_seconds(),
        writes=f"{len(written)} foreign",
    )
    table.add(arena.installation.folder, row)
    assert act <= SOON, f"the effect came {act:.1f} s after the yes"
    story.conventions(incident)
    return incident


def _ended(arena: Arena, incident: Object) -> Object:
    """The attempt that people approved; any other was asked for and came to nothing."""
    attempts = arena.remediations(incident)
    done = [one for one in attempts if one["status"].get("effectTime")]
    assert len(done) == 1, [(one["metadata"]["name"], one["status"].get("outcome")) for one in attempts]
    assert (done[0]["status"]["phase"], done[0]["status"]["outcome"]) == ("Succeeded", "Remediated"), done[0]["status"]
    return done[0]


def _effects(arena: Arena, incident: Object) -> list[audit.Write]:
    """What was done to anything that is not Prunella's, since the Incident was opened."""
    since = parse(incident["metadata"]["creationTimestamp"])
    return [one for one in arena.foreign_writes(since) if not one.hand_back]


def serves(arena: Arena, good: Good, replicas: int | None) -> bool:
    """Every replica that it should have is ready, of the newest version, and no container waits for a reason or has ended."""
    live = arena.api.get(good.kind, good.name, arena.namespace)
    status = live["status"]
    counts = {status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")}
    if live["spec"].get("replicas") != replicas or counts != {replicas} or status.get("observedGeneration") != live["metadata"]["generation"]:
        return False
    containers = [one for pod in arena.pods(good.name) for one in pod["status"].get("containerStatuses", [])]
    return all("running" in one["state"] for one in containers)
