"""Incidents as they stand on the API server, for the golden tests of `explain`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prunella.api.incident import Incident
from prunella.api.remediation import Remediation

NOW = datetime(2026, 11, 24, 10, 4, 40, tzinfo=UTC)
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": "w-1"}


def at(clock: str) -> str:
    return f"2026-11-24T{clock}00000Z" if "." in clock else f"2026-11-24T{clock}.000000Z"


def condition(type_: str, status: str, reason: str, message: str, clock: str) -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": at(clock)}


OPENING = {
    "key": "watch/RolloutCrashLoop",
    "startedTime": at("10:02:11.4"),
    "seenTime": at("10:02:11.6"),
    "cause": "RolloutCrashLoop",
    "summary": "checkout: revision 15 crash-loops (exit code 1); revision 14 still serves 3 of 3",
}
WATCHED = {
    "key": "watch/RolloutCrashLoop",
    "source": "Watch",
    "state": "Resolved",
    "cause": "RolloutCrashLoop",
    "firstSeenTime": at("10:02:11.6"),
    "lastSeenTime": at("10:02:24.0"),
    "count": 3,
    "summary": OPENING["summary"],
}
NOTICE = {
    "key": "1/1/0/notice/shop-releases",
    "kind": "Notice",
    "receiver": "shop-releases",
    "state": "Delivered",
    "method": "chat",
    "createdTime": at("10:02:24.0"),
    "sentTime": at("10:02:24.1"),
    "attempts": 1,
    "text": "deploy/checkout was rolled back to revision 14",
}


def incident(status: dict[str, Any], **spec: Any) -> Incident:
    return Incident.read(
        {
            "metadata": {"name": "checkout-7f3kq", "namespace": "shop", "uid": "i-1", "generation": 1, "creationTimestamp": at("10:02:11")},
            "spec": {"title": "checkout: revision 15 crash-loops", "targetRef": TARGET, "source": {"kind": "Watch", "signal": OPENING}, **spec},
            "status": {"target": "deploy/checkout", **status},
        }
    )


def remediation(status: dict[str, Any], *, mode: str = "Auto", name: str = "checkout-7f3kq-1") -> Remediation:
    return Remediation.read(
        {
            "metadata": {"name": name, "namespace": "shop", "uid": "r-1"},
            "spec": {
                "incidentRef": {"name": "checkout-7f3kq", "uid": "i-1"},
                "targetRef": TARGET,
                "runbookRef": {"namespace": "prunella-system", "name": "roll-back-bad-rollout"},
                "attempt": 1,
                "mode": mode,
                "requestedBy": "system:serviceaccount:prunella-system:prunella",
                "planHash": "a41c9e",
            },
            "status": status,
        }
    )


def healed() -> tuple[Incident, list[Remediation]]:
    story = incident(
        {
            "phase": "Resolved",
            "cause": "RolloutCrashLoop",
            "priority": "P2",
            "priorityReason": "impact Significant (CatalogEntry checkout, tier 1, no capacity lost), urgency High (failing now)",
            "owner": {
                "team": "shop",
                "tier": 1,
                "escalationPolicyRef": {"namespace": "shop", "name": "shop"},
                "resolvedBy": "CatalogEntry shop/checkout",
            },
            "plan": {
                "runbook": "roll-back-bad-rollout",
                "hash": "a41c9e",
                "summary": "roll back deploy/checkout 15 -> 14",
                "dueTime": at("10:02:23.9"),
            },
            "times": {
                "startedTime": at("10:02:11.4"),
                "receivedTime": at("10:02:11.6"),
                "triggeredTime": at("10:02:11.6"),
                "automationStartedTime": at("10:02:24.0"),
                "resolvedTime": at("10:02:24.4"),
                "resolutionConfirmedTime": at("10:02:44.4"),
            },
            "durations": {"detectSeconds": 0, "startRemediationSeconds": 12, "mitigateSeconds": 13, "resolveSeconds": 13},
            "signals": [
                WATCHED,
                {
                    "key": "alert/4f2a",
                    "source": "Alertmanager",
                    "state": "Resolved",
                    "firstSeenTime": at("10:02:18.0"),
                    "lastSeenTime": at("10:02:18.0"),
                    "summary": "the rollout of checkout does not go on",
                    "labels": {"alertname": "KubeDeploymentRolloutStuck"},
                },
            ],
            "evidence": [
                {
                    "name": "logs",
                    "pod": "checkout-6d4cf56db6-x2x7p",
                    "text": "starting\nFATAL: unknown flag --cache-size\n",
                    "capturedTime": at("10:02:11.7"),
                }
            ],
            "decisions": [
                {
                    "time": at("10:02:23.9"),
                    "about": "roll-back-bad-rollout",
                    "verdict": "Chosen",
                    "reason": "NewestRevisionFails",
                    "message": "roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)",
                },
                {
                    "time": at("10:02:11.6"),
                    "about": "restart-crash-looping-pods",
                    "verdict": "NotChosen",
                    "reason": "OtherCause",
                    "message": "it is for CrashLoop; the cause is RolloutCrashLoop",
                },
            ],
            "escalation": {"state": "Stopped", "messages": [NOTICE]},
            "timeline": [
                {"sequence": 1, "time": at("10:02:11.6"), "what": "Opened", "message": "…"},
                {"sequence": 2, "time": at("10:02:24.0"), "what": "RemediationStarted", "message": "…"},
            ],
            "conditions": [
                condition("Acknowledged", "False", "HealedBeforeFirstPage", "healed before the first page was due (P2: 60 s)", "10:02:11.6"),
                condition("Resolved", "True", "Verified", "healthy 3 of 3 times over 20 s: 3/3 available, 0 restarts", "10:02:44.4"),
            ],
            "watchUntilTime": at("10:12:44.4"),
        }
    )
    attempt = remediation(
        {
            "phase": "Succeeded",
            "outcome": "Remediated",
            "message": "healthy 3 of 3 times over 20 s",
            "plan": "roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)",
            "guards": [{"name": "Protected", "allowed": True}, {"name": "Rights", "allowed": True}],
            "steps": [
                {
                    "name": "rollback",
                    "state": "Applied",
                    "message": "patched deploy/checkout spec.template",
                    "intent": {
                        "id": "5b1e77aa-0000",
                        "action": "Patch",
                        "targetRef": TARGET,
                        "writtenTime": at("10:02:24.0"),
                        "deadlineTime": at("10:03:24.0"),
                    },
                    "outcome": {"observedTime": at("10:02:24.1"), "message": "deploy/checkout runs revision 16 = template of 14; 15 is quarantined"},
                }
            ],
            "measurements": [
                {"check": "healthy", "startedTime": at(start), "finishedTime": at(start), "value": "3/3 available", "result": "Success"}
                for start in ("10:02:34.4", "10:02:39.4", "10:02:44.4")
            ],
            "startedTime": at("10:02:24.0"),
            "effectTime": at("10:02:24.1"),
            "endedTime": at("10:02:44.4"),
        }
    )
    return story, [attempt]


def refused() -> tuple[Incident, list[Remediation]]:
    story = incident(
        {
            "phase": "Acknowledged",
            "cause": "RolloutCrashLoop",
            "priority": "P1",
            "priorityReason": "impact Extensive (no CatalogEntry, half or more of the capacity lost), urgency High (failing now)",
            "owner": {"resolvedBy": "no CatalogEntry, no label, no default"},
            "times": {
                "startedTime": at("10:02:11.4"),
                "receivedTime": at("10:02:11.6"),
                "triggeredTime": at("10:02:11.6"),
                "acknowledgedTime": at("10:04:00.0"),
            },
            "provenance": [{"name": "startedTime", "source": "Signal", "lowerBound": True}],
            "signals": [WATCHED | {"count": 1}],
            "decisions": [
                {
                    "time": at("10:02:11.6"),
                    "about": "roll-back-bad-rollout",
                    "verdict": "Refused",
                    "reason": "OldRevisionFails",
                    "message": "pods of revision 14 fail as well: going back would not help",
                }
            ],
            "escalation": {
                "state": "Stopped",
                "messages": [
                    {
                        "key": "1/1/0/primary/ops",
                        "kind": "Page",
                        "receiver": "ops",
                        "state": "Failed",
                        "createdTime": at("10:03:11.6"),
                        "attempts": 3,
                        "step": "primary",
                        "text": "P1 checkout: revision 15 crash-loops",
                        "error": "the pager answered 403",
                    },
                    NOTICE
                    | {
                        "kind": "Page",
                        "key": "1/1/0/catchAll/all",
                        "receiver": "all",
                        "step": "catchAll",
                        "sentTime": at("10:03:12.0"),
                        "text": "P1 checkout: revision 15 crash-loops",
                    },
                ],
            },
            "timeline": [
                {"sequence": 1, "time": at("10:02:11.6"), "what": "Opened", "message": "…"},
                {"sequence": 2, "time": at("10:03:12.0"), "what": "NobodyReachable", "message": "the pager answered 403; the catch-all was told"},
                {"sequence": 3, "time": at("10:04:00.0"), "what": "Acknowledged", "message": "ana has it", "by": "ana"},
            ],
            "conditions": [
                condition("Acknowledged", "True", "ByPerson", "ana has it: looking at the flags", "10:04:00.0"),
                condition("RemediationAllowed", "False", "OldRevisionFails", "pods of revision 14 fail as well", "10:02:11.6"),
                condition("OwnerUnknown", "True", "OwnerUnknown", "label the namespace prunella.dev/team, or add a CatalogEntry", "10:02:11.6"),
            ],
        },
        hold={"by": "ana", "reason": "I am at it"},
    )
    return story, []


def suggested() -> tuple[Incident, list[Remediation]]:
    story = incident(
        {
            "phase": "Triggered",
            "times": {"startedTime": at("10:04:11.4"), "receivedTime": at("10:04:11.6"), "triggeredTime": at("10:04:11.6")},
            "plan": {
                "runbook": "roll-back-bad-rollout",
                "hash": "a41c9e",
                "summary": "roll back deploy/checkout 15 -> 14",
                "dueTime": at("10:05:11.6"),
            },
            "decisions": [
                {
                    "time": at("10:04:11.6"),
                    "about": "roll-back-bad-rollout",
                    "verdict": "Waiting",
                    "reason": "DwellRunning",
                    "message": "roll back deploy/checkout 15 -> 14: waits for 60 s",
                }
            ],
            "escalation": {"state": "Waiting", "nextActionTime": at("10:05:11.6")},
            "conditions": [condition("Acknowledged", "False", "NotYet", "nobody has taken it yet", "10:04:11.6")],
        }
    )
    attempt = remediation(
        {
            "phase": "Succeeded",
            "outcome": "Simulated",
            "plan": "roll back deploy/checkout 15 (6d4cf56db6) -> 14 (7c9f8b5d44)",
            "guards": [
                {"name": "Protected", "allowed": True},
                {"name": "Rights", "allowed": False, "reason": "MissingPermission", "message": "may not patch deployments.apps in shop"},
            ],
            "endedTime": at("10:04:30.0"),
        },
        mode="Suggest",
    )
    return story, [attempt]


NOBODY = "nobody is paged: no EscalationPolicy is known for this target"


def entry(sequence: int, clock: str, what: str, message: str, by: str = "prunella") -> dict[str, Any]:
    return {"sequence": sequence, "time": at(clock), "what": what, "message": message, "by": by}


def tried(number: int, clock: str, **status: Any) -> Remediation:
    """An attempt that began then."""
    given = {"startedTime": at(clock), "plan": f"plan {number}", "phase": "Succeeded", "outcome": "Remediated", "message": "healthy"}
    return remediation(given | status, name=f"checkout-7f3kq-{number}")


def came_back() -> tuple[Incident, list[Remediation]]:
    """Healed at the second try, back a minute later; the second episode is under way."""
    first = {"startedTime": at("10:02:11.4"), "receivedTime": at("10:02:11.6"), "triggeredTime": at("10:02:11.6")}
    story = incident(
        {
            "phase": "Triggered",
            "priority": "P3",
            "priorityReason": "no capacity lost",
            "owner": {"team": "shop", "resolvedBy": "namespace label"},
            "episode": 2,
            "episodes": [
                {
                    **first,
                    "number": 1,
                    "automationStartedTime": at("10:02:24.0"),
                    "mitigatedTime": at("10:02:40.0"),
                    "resolvedTime": at("10:02:40.0"),
                    "resolutionConfirmedTime": at("10:03:00.0"),
                    "reason": "Opened",
                },
                {
                    "number": 2,
                    "startedTime": at("10:03:59.5"),
                    "detectedTime": at("10:03:59.5"),
                    "triggeredTime": at("10:04:00.0"),
                    "automationStartedTime": at("10:04:20.0"),
                    "reason": "FiringAgain",
                },
            ],
            "times": {**first, "automationStartedTime": at("10:02:24.0")},
            "durations": {"startRemediationSeconds": 12, "mitigateSeconds": 28},
            "plan": {
                "runbook": "roll-back-bad-rollout",
                "hash": "a41c9e",
                "summary": "plan 3",
                "sinceTime": at("10:04:10.0"),
                "dueTime": at("10:04:20.0"),
            },
            "signals": [WATCHED | {"firstSeenTime": at("10:04:00.0"), "state": "Firing"}],
            "evidence": [
                {"name": "logs", "text": "first", "capturedTime": at("10:02:11.7")},
                {"name": "logs", "text": "second", "capturedTime": at("10:04:00.1")},
            ],
            "escalation": {"messages": [NOTICE, NOTICE | {"key": "2/notice/x/shop-releases", "sentTime": at("10:04:21.0"), "text": "again"}]},
            "timeline": [
                entry(1, "10:02:11.6", "Opened", "…"),
                entry(2, "10:02:11.6", "PriorityAssessed", "P1: a storm: many workloads fail at once"),
                entry(3, "10:02:12.0", "NobodyReachable", NOBODY),
                entry(4, "10:02:14.0", "Acknowledged", "ana has it; paging stops", "ana"),
                entry(5, "10:02:30.0", "CauseRefined", "RolloutNotReady became RolloutCrashLoop"),
                entry(6, "10:03:00.0", "Resolved", "28s after the fault began; nobody was paged"),
                entry(7, "10:04:00.0", "Reopened", "episode 2: watch (RolloutCrashLoop) fires again: it crash-loops"),
                entry(8, "10:04:00.0", "NobodyReachable", NOBODY),
                entry(9, "10:04:25.0", "OwnerChanged", "nobody -> shop (namespace label)"),
            ],
            "conditions": [
                condition("Acknowledged", "False", "NotYet", "nobody has taken episode 2 yet", "10:04:00.0"),
                condition("NoResponder", "True", "NoResponder", NOBODY, "10:04:00.0"),
            ],
        }
    )
    ended = {"outcome": "Aborted", "phase": "Failed", "message": "the API server refused it", "endedTime": at("10:02:25.0")}
    attempts = [tried(1, "10:02:24.0", **ended), tried(2, "10:02:35.0"), tried(3, "10:04:20.0", phase="Verifying", outcome=None, message="1 of 3")]
    return story, attempts
