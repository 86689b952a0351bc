"""One scenario's own ground: a namespace, a witness of it, its part of the audit log, its inbox, and the words in which scenarios speak."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml

from . import audit, prometheus, workloads
from .api import Api, Object
from .installation import SYSTEM, Installation, kubectl
from .instants import now
from .receiver import Inbox
from .waiting import holds_for, wait_for
from .witness import DEFAULT_KINDS, Witness

START_SECONDS = 40
KNOWN_GOOD_SECONDS = 5
"""What the box's HealingPolicy says."""
INCIDENT_SECONDS = 30
HEAL_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Good:
    """A workload while it worked: what a heal must bring back, as the API server had it."""

    kind: str
    name: str
    template: Object
    annotations: dict[str, str]
    replicas: int | None
    revisions: frozenset[str]
    """The revision label of its pods."""

    def made(self, pod: Object) -> bool:
        """Whether a pod is of the revision that worked."""
        return revision_of(pod) in self.revisions


class Arena:
    """Everything that a scenario does and sees. `namespace` is its own."""

    def __init__(self, installation: Installation, name: str, *, mode: str | None = "Auto", rights: bool = True, exact: bool = False) -> None:
        self.installation = installation
        self.api: Api = installation.api
        self.namespace = name if exact else f"{name[:40]}-{secrets.token_hex(3)}"
        labels = {"scenario": self.namespace, **({"prunella.dev/mode": mode} if mode else {})}
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
        if rights:
            self.grant()
        self.log = audit.AuditLog(installation.state / "audit.log")
        self.inbox = Inbox(installation.inbox, self.namespace)
        self.witness = Witness(self.api, self.namespace)
        self.witness.watch(*DEFAULT_KINDS)
        self.began = now()
        self._elsewhere: list[tuple[str, str, str | None]] = []

    def grant(self) -> None:
        """Opt in: the RoleBinding of manifests/opt-in, made here."""
        binding = copy.deepcopy(self.installation.opt_in)
        binding["metadata"]["namespace"] = self.namespace
        self.api.apply(binding)

    def close(self) -> None:
        """Leave nothing behind."""
        self.witness.stop()
        for kind, name, namespace in self._elsewhere:
            self.api.delete(kind, name, namespace)
        self.api.delete("Namespace", self.namespace)
        prometheus.forget_rules(self.installation.state, self.namespace)

    # --- what a user does ---

    def kubectl_apply(self, *objects: Object, server_side: bool = False) -> str:
        """Apply as a user does, by kubectl."""
        words = ["apply", *(["--server-side"] if server_side else []), "-f", "-"]
        return kubectl(*words, stdin=yaml.safe_dump_all(objects)).stdout

    def elsewhere(self, made: Object) -> Object:
        """Apply an object of another namespace, and take it away at the end."""
        meta = made["metadata"]
        self._elsewhere.append((made["kind"], meta["name"], meta.get("namespace")))
        return self.api.apply(made)

    def start(self, made: Object, *, seconds: float = START_SECONDS) -> Good:
        """Apply a workload that works, and wait until it has been healthy for long enough to be gone back to."""
        kind, name = made["kind"], made["metadata"]["name"]
        self.kubectl_apply(made)
        return self.start_applied(kind, name, seconds=seconds)

    def start_applied(self, kind: str, name: str, *, seconds: float = START_SECONDS) -> Good:
        """Wait until a workload that was applied has been healthy for long enough to be gone back to."""
        return self.proven(kind, name, self.began, seconds=seconds)

    def proven(self, kind: str, name: str, since: datetime, *, seconds: float = START_SECONDS) -> Good:
        """Wait until a workload has been healthy since an instant for long enough to be gone back to."""
        self.witness.watch(kind)
        wait_for(lambda: self.witness.spell(kind, name, since).began, seconds, f"{kind} {name} is healthy", seen=lambda: self.pods_in_words(name))
        # Ready is known to the second only, and a revision counts from its last pod's.
        enough = timedelta(seconds=KNOWN_GOOD_SECONDS + 1.5)

        def long_enough() -> bool:
            began = self.witness.spell(kind, name, since).began
            return began is not None and now() - began > enough

        wait_for(long_enough, KNOWN_GOOD_SECONDS + 20, f"{kind} {name} has been healthy for long enough")
        return self.good(kind, name)

    def good(self, kind: str, name: str) -> Good:
        """The workload as it is now, as something to go back to."""
        live = self.api.get(kind, name, self.namespace)
        revisions = frozenset(revision_of(pod) for pod in self.pods(name))
        annotations = dict(live["metadata"].get("annotations", {}))
        return Good(kind, name, live["spec"]["template"], annotations, live["spec"].get("replicas"), revisions)

    def roll_out(self, made: Object, *, server_side: bool = False) -> datetime:
        """Apply the next version; returns the instant before it: the fault's."""
        instant = now()
        self.kubectl_apply(made, server_side=server_side)
        return instant

    def crash_on_demand(self, name: str) -> None:
        """Let the running pods of a workload with a switch crash from now on."""
        for pod in self.pods(name):
            if pod["status"].get("phase") == "Running":
                kubectl("exec", "-n", self.namespace, pod["metadata"]["name"], "--", "touch", workloads.SWITCH, check=False)

    def runbook(self, name: str, **spec: Any) -> str:
        """Add a Runbook for this namespace's workloads alone, above the shipped ones; they bear the label `scenario`."""
        body: Object = {
            "title": f"Runbook {name} of {self.namespace}",
            "mode": "Auto",
            "priority": 60,
            "steps": [{"name": "rollback", "rollBack": {"to": "KnownGood"}}],
        }
        full = f"{name}-{self.namespace}"
        metadata = {"name": full, "namespace": SYSTEM}
        made = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Runbook", "metadata": metadata, "spec": body | spec}
        self.elsewhere(made)

        def accepted() -> bool:
            status = self.api.get("Runbook", full, SYSTEM).get("status", {})
            return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))

        wait_for(accepted, 15, f"Runbook {full} is Ready", seen=lambda: self.api.get("Runbook", full, SYSTEM).get("status"))
        return full

    def team(self, policy: Object) -> None:
        """Give the namespace a team whose EscalationPolicy is this one."""
        self.api.apply(policy)
        self.api.patch("Namespace", self.namespace, {"metadata": {"labels": {"prunella.dev/team": policy["metadata"]["name"]}}})

    # --- what is seen ---

    def pods(self, name: str) -> list[Object]:
        """The pods of a workload."""
        return [pod for pod in self.witness.current("Pod") if pod["metadata"].get("labels", {}).get("app") == name]

    def pods_in_words(self, name: str) -> str:
        """What the kubelet says of a workload's containers."""
        rows = []
        for pod in self.pods(name):
            status = pod["status"]
            states = [json.dumps(one.get("state")) for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]]
            rows.append(f"{pod['metadata']['name']} {status.get('phase')} {' '.join(states)}")
        return "; ".join(rows)

    def incidents(self, target: str | None = None) -> list[Object]:
        """The namespace's Incidents, oldest first; of one target by its name."""
        found = self.witness.current("Incident")
        kept = [one for one in found if target is None or one["spec"]["targetRef"]["name"] == target]
        return sorted(kept, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))

    def incident(self, target: str, *, seconds: float = INCIDENT_SECONDS) -> Object:
        """The one Incident of a target, once it is there."""

        def told() -> list[Object]:
            return [one for one in self.incidents(target) if one.get("status", {}).get("phase")]

        found = wait_for(told, seconds, f"an Incident of {target}", seen=lambda: self.pods_in_words(target))
        assert len(found) == 1, [one["metadata"]["name"] for one in found]
        return found[0]

    def again(self, incident: Object) -> Object:
        """The Incident as it is now."""
        return next(one for one in self.witness.current("Incident") if one["metadata"]["uid"] == incident["metadata"]["uid"])

    def when(self, incident: Object, probe: Callable[[Object], object], what: str, *, seconds: float = HEAL_SECONDS) -> Object:
        """The Incident once the probe holds for it."""
        last: list[Object] = []

        def look() -> bool:
            last[:] = [self.again(incident)]
            return bool(probe(last[0]))

        wait_for(look, seconds, f"Incident {incident['metadata']['name']}: {what}", seen=lambda: outline(last[0]))
        return last[0]

    def remediations(self, incident: Object | None = None) -> list[Object]:
        """The attempts, oldest first."""
        found = self.witness.current("Remediation")
        uid = incident["metadata"]["uid"] if incident else None
        kept = [one for one in found if uid is None or one["spec"].get("incidentRef", {}).get("uid") == uid]
        return sorted(kept, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))

    def record(self, kind: str, name: str) -> Object | None:
        """What is remembered of a workload."""
        return self.api.find("WorkloadRecord", f"{kind.lower()}-{name}", self.namespace)

    def events(self, kind: str, name: str) -> list[Object]:
        """Prunella's Events on one object, in order."""
        found = self.api.list("Event", self.namespace)
        mine = [one for one in found if one["involvedObject"]["kind"] == kind and one["involvedObject"]["name"] == name]
        ours = [one for one in mine if "prunella" in (one.get("source", {}).get("component"), one.get("reportingComponent"))]
        return sorted(ours, key=lambda one: one["metadata"]["name"])

    def writes(self, since: datetime | None = None) -> list[audit.Write]:
        """What the operator persisted in the namespace."""
        return self.log.writes(self.namespace, since=since)

    def foreign_writes(self, since: datetime | None = None) -> list[audit.Write]:
        """What the operator persisted on objects that are not Prunella's."""
        return [one for one in self.writes(since) if not one.ours and not one.event]

    def nothing_happens(self, seconds: float, target: str | None = None) -> None:
        """No Incident and no write for that long."""
        holds_for(lambda: not self.incidents(target), seconds, "no Incident is opened")
        assert not self.foreign_writes(), [one.line for one in self.foreign_writes()]


def revision_of(pod: Object) -> str:
    """The label by which a pod tells its revision."""
    labels = pod["metadata"].get("labels", {})
    return str(labels.get("pod-template-hash") or labels.get("controller-revision-hash") or "")


def condition(incident: Object, type_: str) -> Object:
    """A condition of an object; empty where it is not set."""
    return next((one for one in incident.get("status", {}).get("conditions", []) if one["type"] == type_), {})


def outline(incident: Object) -> str:
    """An Incident in a few lines, for whoever reads a failure."""
    status = incident.get("status", {})
    facts = {key: status.get(key) for key in ("phase", "cause", "priority", "remediation", "remediationState", "summary")}
    conditions = [f"{one['type']}={one['status']} {one['reason']}: {one['message']}" for one in status.get("conditions", [])]
    signals = [f"{one['key']} {one['state']}, {one['count']} times, last {one['lastSeenTime'][11:23]}" for one in status.get("signals", [])]
    timeline = [f"{one['time'][11:23]} {one['what']}: {one['message']}" for one in status.get("timeline", [])]
    return "\n".join([str(facts), *conditions, *signals, *timeline])
