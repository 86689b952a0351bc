"""What a fault that automation leaves alone must show: one Incident of its cause, its owner paged, nothing touched; and its end once it is mended."""

from __future__ import annotations

from datetime import datetime

from . import story, table
from .api import Object
from .arena import Arena, condition, outline
from .installation import SYSTEM, escalation_policy
from .instants import now, parse
from .waiting import wait_for

RECEIVER = "primary"
ASKS = "AwaitingApproval"
STABILIZE_SECONDS = 300
"""How long a target must have been healthy before an Incident that nobody acted on counts as over (less urgent than P1)."""
OVER = frozenset({"Resolved", "Closed", "Cancelled"})
PAGE_SECONDS = 120
"""The default policy's first page is due after a minute."""


def pages_soon(arena: Arena) -> None:
    """A policy whose first page comes as soon as it is clear that automation does nothing."""
    steps = [{"name": RECEIVER, "afterSeconds": 1, "waitWhileRemediatingSeconds": 600, "notify": [{"contactRef": {"name": RECEIVER}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps))


def found(
    arena: Arena,
    target: str,
    cause: str,
    *,
    name: str,
    says: str,
    since: datetime,
    seconds: float = 120,
    reason: str = "NoRunbookMatches",
    paged: str = "",
) -> Object:
    """The one Incident of the target: its cause, its words, its page. `since` is the instant before the fault, `seconds` what finding it may take.

    `reason` is why nothing is done: AwaitingApproval where a Runbook asks people, who don't answer. `paged` is what the page said where that was of a
    cause before.
    """
    incident = story.left_alone(arena, target, reason, name=name, cause=cause, seconds=seconds, since=since)
    assert says in incident["status"]["summary"], outline(incident)
    assert not incident["status"].get("accusedRevision"), outline(incident)
    page = _told(arena, "Page")
    assert page["incident"]["name"] == incident["metadata"]["name"]
    assert cause in page["text"] or (paged or says) in page["text"], page["text"]
    asked = [(one["spec"]["mode"], one["status"].get("phase")) for one in arena.remediations()]
    assert asked == ([("Approve", "Pending")] if reason == ASKS else []), "nothing was attempted"
    return incident


def over_by_itself(arena: Arena, incident: Object, mended: datetime, *, name: str, children: tuple[Object, ...] = ()) -> Object:
    """A person mended it at that instant: it is resolved without a word, everybody paged is stood down, and nothing was ever touched.

    `children` are the Incidents of what failed for it.
    """
    name_ = incident["metadata"]["name"]
    done = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "is resolved by itself", seconds=STABILIZE_SECONDS + 240)
    assert condition(done, "Resolved")["reason"] == "SignalsCleared", outline(done)
    assert parse(done["status"]["times"]["resolvedTime"]) >= mended - story.TOLERANCE, outline(done)
    stood_down = _told(arena, "StandDown")
    assert stood_down["incident"]["name"] == name_
    one_fault = {name_, *(one["metadata"]["name"] for one in children)}
    assert {one["metadata"]["name"] for one in arena.incidents()} == one_fault, "one fault, one Incident"
    outcomes = {one["status"].get("outcome") for one in arena.remediations()}
    assert outcomes <= {"RecoveredItself", "Superseded"}, "what was asked for was never done"
    foreign = arena.foreign_writes()
    assert foreign == [], [one.line for one in foreign]
    story.conventions(done)
    heal = (now() - mended).total_seconds()
    table.add(arena.installation.folder, table.Row(scenario=f"{name}: mended", expected="SignalsCleared", seen="SignalsCleared", heal=heal))
    return done


def incidents_of_cluster(arena: Arena, name: str) -> list[Object]:
    """Those of an object without a namespace live in the operator's."""
    return [one for one in arena.api.list("Incident", SYSTEM) if one["spec"]["targetRef"]["name"] == name and one.get("status", {}).get("phase")]


def told_of_cluster(arena: Arena, target: str, cause: str, *, name: str, seconds: float) -> Object:
    """The one open Incident of an object without a namespace, of that cause: somebody was paged, and nothing runs.

    What is over of an earlier round, of the same object, is none.
    """

    def found() -> list[Object]:
        open_ones = (one for one in incidents_of_cluster(arena, target) if one["status"]["phase"] not in OVER)
        return [one for one in open_ones if one["status"].get("cause") == cause]

    [opened] = wait_for(
        found, seconds, f"{cause} of {target}", seen=lambda: [one["status"].get("cause") for one in incidents_of_cluster(arena, target)]
    )

    def paged() -> bool:
        live = arena.api.get("Incident", opened["metadata"]["name"], SYSTEM)
        told = (one for one in live["status"].get("timeline", []) if parse(one["time"]) >= arena.began)
        return "Escalated" in [one["what"] for one in told]

    wait_for(paged, PAGE_SECONDS, "somebody is paged")
    incident = arena.api.get("Incident", opened["metadata"]["name"], SYSTEM)
    assert incident["status"].get("remediationState") in {None, "None", "Blocked"}, "nothing runs"
    table.add(arena.installation.folder, table.Row(scenario=name, expected=cause, seen=opened["status"]["cause"], writes="0 foreign"))
    story.conventions(incident)
    return opened


def _told(arena: Arena, kind: str) -> Object:
    def heard() -> list[Object]:
        data = [one.body["data"]["customData"] for one in arena.inbox.posts(RECEIVER)]
        return [one for one in data if one["kind"] == kind]

    first: Object = wait_for(heard, 40, f"{RECEIVER} gets a {kind}", seen=lambda: [one.raw[:200] for one in arena.inbox.posts()])[0]
    return first
