"""All that an attack left behind, as plain data, from witnesses that are not the operator.

They are the API server's audit log, the proxy's request log, a watch of our own, the receiver's inbox, and the supervisor.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.harness.api import Object
from tests.harness.audit import Write
from tests.harness.instants import now
from tests.harness.receiver import Post
from tests.harness.witness import Sight

from .exchange import Exchange
from .flows import QUIET_SECONDS, Flow
from .ground import RECEIVERS, Ground

STAMP = "prunella.dev/intent-id"
MARK = "/prunella.dev~1temporary"


@dataclass(frozen=True, slots=True)
class Effect:
    """A persisted write of the operator to something that is not Prunella's, the hand-back apart."""

    write: Write
    id: str
    """The intent's id that the same request stamps on the target; empty for a deletion, which leaves nothing to stamp."""
    uid: str
    """The target's uid that the request insists on."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one story."""

    flow: Flow
    namespace: str
    writes: tuple[Write, ...]
    """All that the operator persisted, oldest first."""
    stampers: frozenset[str]
    """The users in whose requests an intent's id was found."""
    requests: tuple[Exchange, ...]
    deed: int
    """Number of the first request after the deed."""
    sights: tuple[Sight, ...]
    incidents: tuple[Object, ...]
    remediations: tuple[Object, ...]
    workloads: tuple[Object, ...]
    others: tuple[Object, ...]
    """What else Prunella keeps in the namespace: records and Events."""
    posts: tuple[Post, ...]
    kills: int
    told: int
    """How often the process was told to end."""
    may_end: int
    """How often the attack is known to make a process end itself, to be started anew."""
    ends: tuple[int, ...]
    """The exit codes of the operator's processes that ended."""
    alive: bool
    ready: bool
    words: str
    """What the operator logged."""
    secrets: tuple[str, ...]
    """What must stand nowhere."""
    quiet_requests: int
    """Requests during the last QUIET_SECONDS, when nothing happened any more."""
    lost_replies: int
    """Answers that a rule lost."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        return tuple(_effect(one) for one in self.writes if not one.ours and not one.event and not one.hand_back and not _ends_measure(one))

    @property
    def endings(self) -> tuple[Write, ...]:
        """Requests that ended a temporary measure after its run was over."""
        return tuple(one for one in self.writes if _ends_measure(one))

    @property
    def intents(self) -> dict[str, list[Write]]:
        """Every write that carried an intent's id, by id."""
        found: dict[str, list[Write]] = {}
        for write in self.writes:
            if write.resource == "remediations" and write.subresource == "status":
                for step in write.body.get("status", {}).get("steps", []):
                    if "intent" in step:
                        found.setdefault(step["intent"]["id"], []).append(write)
        return found

    @property
    def steps(self) -> tuple[Object, ...]:
        """Every step of every attempt, as they stand at the end."""
        return tuple(step for one in self.remediations for step in one.get("status", {}).get("steps", []))

    def pages(self) -> tuple[Post, ...]:
        return tuple(one for one in self.posts if one.body["data"]["customData"]["kind"] == "Page")

    def messages(self) -> tuple[Object, ...]:
        return tuple(message for one in self.incidents for message in one["status"].get("escalation", {}).get("messages", []))


def _effect(write: Write) -> Effect:
    body = write.body
    if isinstance(body, list):
        uid = next((str(one.get("value")) for one in body if one["op"] == "test" and one["path"] == "/metadata/uid"), "")
        return Effect(write, _stamp(body), uid)
    return Effect(write, "", str((body or {}).get("preconditions", {}).get("uid", "")))


def _ends_measure(write: Write) -> bool:
    """Whether it takes a mark off without an intent: by the mark alone."""
    body = write.body
    return isinstance(body, list) and not _stamp(body) and any(one["op"] == "remove" and one["path"].endswith(MARK) for one in body)


def _stamp(operations: list[Object]) -> str:
    for one in operations:
        if one["op"] == "add" and one["path"].endswith(STAMP.replace("/", "~1")):
            return str(one["value"])
        if one["op"] == "add" and isinstance(one.get("value"), dict) and STAMP in one["value"]:
            return str(one["value"][STAMP])
    return ""


def gather(ground: Ground, flow: Flow, deed: int, may_end: int = 0) -> Evidence:
    """Everything, once the story is over and nothing more is written."""
    api, namespace = ground.api, ground.namespace
    requests = tuple(ground.proxy.log)
    every = ground.log.everybodys(namespace)
    secret = [ground.installation.token, *(f"key of {name}" for name in RECEIVERS)]
    secret.append(json.loads(ground.installation.kubeconfig.read_text())["users"][0]["user"]["token"])
    still = now() - timedelta(seconds=QUIET_SECONDS)
    fates = [fate for one in requests for fate in one.fate]
    return Evidence(
        flow=flow,
        namespace=namespace,
        writes=tuple(ground.writes()),
        stampers=frozenset(one.user for one in every if not one.ours and _stamps(one.body)),
        requests=requests,
        deed=deed,
        sights=tuple(ground.witness.sights("Incident") + ground.witness.sights("Remediation")),
        incidents=tuple(api.list("Incident", namespace)),
        remediations=tuple(api.list("Remediation", namespace)),
        workloads=tuple(api.list(flow.kind, namespace)),
        others=(*api.list("WorkloadRecord", namespace), *api.list("Event", namespace)),
        posts=tuple(ground.inbox.posts()),
        kills=ground.supervisor.kills,
        told=ground.supervisor.told,
        may_end=may_end,
        ends=tuple(ground.supervisor.ends),
        alive=ground.supervisor.alive(),
        ready=ground.supervisor.ready(),
        words=ground.words.read_text(errors="replace"),
        secrets=tuple(secret),
        quiet_requests=sum(one.time > still for one in requests),
        lost_replies=fates.count("LoseReply"),
    )


def _stamps(body: Any) -> bool:
    return isinstance(body, list) and bool(_stamp(body))
