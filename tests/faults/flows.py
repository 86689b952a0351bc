"""The five stories that are attacked: what is there before, the deed from which on every write is counted, and how the story must end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from tests.harness.api import Object
from tests.harness.arena import condition, outline
from tests.harness.installation import kubectl
from tests.harness.instants import now
from tests.harness.waiting import wait_for

from .ground import KNOWN_GOOD_SECONDS, Ground
from .kubelet import BAD, MENDED
from .supervisor import TAKE_OVER_SECONDS

APP = "app"
PREPARE_SECONDS = 60
END_SECONDS = 90 + TAKE_OVER_SECONDS
"""From the deed to the end of the story, a kill and a new start included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One story."""

    name: str
    kind: str
    prepare: Callable[[Ground], None]
    """Bring everything, the operator included, to where the story begins."""
    deed: Callable[[Ground], None]
    """What somebody does then: every write from here on is counted."""
    over: Callable[[Ground], bool]
    """Whether the story has ended as it must."""
    effects: int
    """Writes to what is not Prunella's, the hand-back apart: no more and no less."""
    endings: int = 0
    """Temporary measures that must have ended by themselves."""
    paged: frozenset[str] = frozenset()
    """Who must be paged after the deed; nobody else may be."""
    others: frozenset[str] = frozenset()
    """Who may be paged as well, because the fault itself keeps automation from acting for a while."""
    seconds: float = END_SECONDS
    """From the deed to the end."""

    def after(self, prepare: Callable[[Ground], None], deed: Callable[[Ground], None]) -> Flow:
        """The same story with another beginning."""
        return replace(self, prepare=prepare, deed=deed)


# --- before ---


def healthy_workload(kind: str) -> Callable[[Ground], None]:
    """A workload that has worked for long enough to be gone back to, under the operator's eyes."""

    def prepare(ground: Ground) -> None:
        ground.put(ground.workload(kind, APP))
        ground.supervisor.start()
        steady(ground, kind)

    return prepare


def steady(ground: Ground, kind: str) -> None:
    """Wait until it has been healthy for long enough to count as known-good. Ready is known to the second only."""
    enough = timedelta(seconds=KNOWN_GOOD_SECONDS + 1.5)

    def long_enough() -> bool:
        began = ground.witness.spell(kind, APP, ground.began).began
        return began is not None and now() - began > enough

    wait_for(long_enough, PREPARE_SECONDS, f"{kind} {APP} has been healthy for long enough")


def healed_once(ground: Ground) -> None:
    """A workload whose bad rollout was rolled back, and whose Incident is resolved."""
    healthy_workload("Deployment")(ground)
    break_it("Deployment")(ground)
    wait_for(lambda: healed(ground), END_SECONDS, "it heals", seen=ground.story)
    quiet(ground)


def paged_once(ground: Ground) -> None:
    """A workload that never worked, and whose first page was taken; there is time until the second one is due."""
    ground.ladder(second_after_seconds=600)
    ground.supervisor.start()
    ground.put(ground.workload("Deployment", APP, BAD))
    wait_for(lambda: delivered(ground, "primary"), PREPARE_SECONDS, "the first page is delivered", seen=ground.story)


def nothing(ground: Ground) -> None:
    """An empty namespace, watched."""
    ground.supervisor.start()


# --- the deed ---


def break_it(kind: str) -> Callable[[Ground], None]:
    """Roll a version out that crashes."""
    return lambda ground: ground.put(ground.workload(kind, APP, BAD))


def start_broken(ground: Ground) -> None:
    """Start what never worked: there is nothing to go back to."""
    ground.put(ground.workload("Deployment", APP, BAD))


def take_and_mend(ground: Ground) -> None:
    """Ana takes it, mends it, and says so."""
    name = ground.incidents(APP)[0]["metadata"]["name"]
    as_ana(ground, name, {"acknowledgement": {"by": "ana"}})
    wait_for(lambda: ground.incidents(APP)[0]["status"]["phase"] == "Acknowledged", END_SECONDS, "is acknowledged", seen=ground.story)
    ground.put(ground.workload("Deployment", APP, MENDED))
    as_ana(ground, name, {"resolution": {"by": "ana", "summary": "it was a typo"}})


def as_ana(ground: Ground, name: str, spec: Object) -> None:
    words = ("patch", "incident", name, "-n", ground.namespace, "--type=merge", "-p", json.dumps({"spec": spec}))
    kubectl(*words, kubeconfig=ground.installation.user("ana"))


# --- how it must end ---


def healed(ground: Ground) -> bool:
    """Resolved as verified, the attempt ended well, and field ownership was handed back."""
    incidents, attempts = ground.incidents(APP), ground.remediations()
    return (
        len(incidents) == 1
        and condition(incidents[0], "Resolved").get("reason") == "Verified"
        and all(one.get("status", {}).get("outcome") == "Remediated" for one in attempts)
        and any(one.hand_back for one in ground.writes())
    )


def unknown(ground: Ground) -> bool:
    """An attempt whose effect can't be known, and somebody was paged for it."""
    return any(one.get("status", {}).get("phase") == "Unknown" for one in ground.remediations()) and bool(ground.pages())


def pending(ground: Ground) -> bool:
    """Whether a message of an Incident still waits for its receipt."""
    messages = [message for one in ground.incidents() for message in one.get("status", {}).get("escalation", {}).get("messages", [])]
    return any(one["state"] == "Pending" for one in messages)


def delivered(ground: Ground, *receivers: str) -> bool:
    """Whether the Incident knows that these were reached."""
    incidents = ground.incidents(APP)
    messages = incidents[0].get("status", {}).get("escalation", {}).get("messages", []) if incidents else []
    reached = {one["receiver"] for one in messages if one["kind"] == "Page" and one["state"] == "Delivered"}
    return set(receivers) <= reached


def escalated(ground: Ground) -> bool:
    """Both steps of the ladder were taken, and the Incident knows it."""
    return delivered(ground, "primary", "secondary")


def stood_down(ground: Ground) -> bool:
    """Resolved by Ana, and everybody who was paged was told."""
    incidents = ground.incidents(APP)
    if not incidents or condition(incidents[0], "Resolved").get("status") != "True":
        return False
    messages = incidents[0]["status"]["escalation"]["messages"]
    told = {one["receiver"] for one in messages if one["kind"] == "StandDown" and one["state"] == "Delivered"}
    return {one["receiver"] for one in messages if one["kind"] == "Page"} <= told


def reopened(ground: Ground) -> bool:
    """Open again, left alone because somebody wants that revision, and the first of the ladder was called."""
    incidents = ground.incidents(APP)
    if not incidents or condition(incidents[0], "Resolved").get("reason") != "Reopened":
        return False
    return condition(incidents[0], "RemediationAllowed").get("reason") == "QuarantinedReapplied" and delivered(ground, "primary", "secondary")


FLOWS = {
    flow.name: flow
    for flow in (
        Flow(
            name="deployment",
            kind="Deployment",
            prepare=healthy_workload("Deployment"),
            deed=break_it("Deployment"),
            over=lambda ground: healed(ground) or unknown(ground),
            effects=1,
        ),
        Flow(
            name="statefulset",
            kind="StatefulSet",
            prepare=healthy_workload("StatefulSet"),
            deed=break_it("StatefulSet"),
            over=lambda ground: healed(ground) or unknown(ground),
            effects=2,
        ),
        Flow(
            name="page",
            kind="Deployment",
            prepare=nothing,
            deed=start_broken,
            over=escalated,
            effects=0,
            paged=frozenset({"primary", "secondary"}),
        ),
        Flow(
            name="reopening",
            kind="Deployment",
            prepare=healed_once,
            deed=break_it("Deployment"),
            over=reopened,
            effects=0,
            paged=frozenset({"primary", "secondary"}),
        ),
        Flow(name="acknowledgement", kind="Deployment", prepare=paged_once, deed=take_and_mend, over=stood_down, effects=0),
    )
}
QUIET_SECONDS = 4
"""After so long without a write nothing more is to be expected: the cooldown and every interval of the Runbook are shorter."""


STEADY_PER_SECOND = 10
"""Requests that an operator may make at rest."""


def quiet(ground: Ground) -> None:
    """Wait until the operator has written nothing for a while, and asks for little."""

    def still() -> bool:
        recent = [one for one in list(ground.proxy.log) if one.time > now() - timedelta(seconds=QUIET_SECONDS)]
        return len(recent) <= STEADY_PER_SECOND * QUIET_SECONDS and not any(one.writes for one in recent)

    wait_for(still, 60, "no more is written, and little is asked", seen=ground.story)


def ending(flow: Flow, ground: Ground, seconds: float | None = None) -> None:
    """Wait for the end of the story, until everybody's receipt is stored as well."""
    what = f"the story '{flow.name}' ends"
    wait_for(lambda: flow.over(ground) and not pending(ground), seconds or flow.seconds, what, seen=lambda: _told(ground))


def _told(ground: Ground) -> str:
    return "\n".join([*(outline(one) for one in ground.incidents()), *(str(one.get("status")) for one in ground.remediations()), ground.story()])
