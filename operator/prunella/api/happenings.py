"""What happens to an Incident, by name: entries of its timeline, the Events that `kubectl describe` shows, causes and outcomes.

The rule it protects: as for reasons, each name in the code is documented here, and nothing else is. The reference pages are rendered from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .names import Cause, Outcome

INCIDENT: Final = "Incident"
WORKLOAD: Final = "workload"
POLICY: Final = "HealingPolicy"


@dataclass(frozen=True, slots=True)
class Happening:
    """A name, what happened, and on which objects it is an Event; on none it stands in the timeline only."""

    name: str
    meaning: str
    events_on: tuple[str, ...] = ()


HAPPENINGS: Final = (
    Happening("Opened", "A fault was seen and became an Incident.", (INCIDENT,)),
    Happening("PriorityAssessed", "Its priority was computed, or changed; the message has the inputs.", (INCIDENT,)),
    Happening("Joined", "Another signal, or a person's report, is about the same fault."),
    Happening("CauseRefined", "More evidence named a better cause."),
    Happening("CommonCauseFound", "What it fails for has an Incident of its own, which tells people: nothing is done here meanwhile."),
    Happening("CommonCauseOver", "The Incident of what it failed for holds it back no longer."),
    Happening("OwnerChanged", "Another team owns the target now."),
    Happening("RemediationStarted", "An attempt stored its first intent; the message has the plan.", (INCIDENT,)),
    Happening("RemediationSuggested", "The mode is Suggest, or the Runbook only tells: the plan and its diff stand on a Remediation.", (INCIDENT,)),
    Happening(
        "AwaitingApproval", "The mode is Approve, or a step of the run asks: people are asked; the message has the plan and the command.", (INCIDENT,)
    ),
    Happening("Approved", "Enough people approved the plan, or what remained of it, and it begins or goes on.", (INCIDENT,)),
    Happening("ApprovalExpired", "Too few people approved in time: nothing, or nothing more, was done.", (INCIDENT,)),
    Happening("RemediationBlocked", "Nothing is done, and the message says why.", (INCIDENT, WORKLOAD)),
    Happening("RolledBack", "The pod template of an earlier revision is in force again.", (INCIDENT, WORKLOAD)),
    Happening("Frozen", "The rollout is held where it is: the revision before goes on serving.", (INCIDENT, WORKLOAD)),
    Happening("Restarted", "The pods are being made anew.", (INCIDENT, WORKLOAD)),
    Happening("PodsDeleted", "Pods were deleted or evicted, so that their controller makes new ones.", (INCIDENT, WORKLOAD)),
    Happening("MeasureUndone", "A temporary measure has ended; the message says whether what it wrote was still there.", ("the changed object",)),
    Happening("Changed", "Something else was changed as the Runbook says; the message says what.", (INCIDENT, WORKLOAD)),
    Happening("Verified", "Recovery was proved.", (INCIDENT,)),
    Happening("RemediationFailed", "An attempt ended without recovery.", (INCIDENT,)),
    Happening("RemediationCancelled", "An attempt ended because it was no longer needed, or no longer right."),
    Happening("RemediationUnknown", "Whether an effect was done can't be known: a person decides.", (INCIDENT,)),
    Happening("BreakerOpened", "Automation stays away from the target until a person says retry.", (INCIDENT,)),
    Happening("RetryRequested", "A person said retry."),
    Happening("Escalated", "Somebody was paged.", (INCIDENT,)),
    Happening("PageFailed", "A page was delivered by none of its methods.", (INCIDENT,)),
    Happening("NobodyReachable", "Nobody can be paged at all.", (INCIDENT,)),
    Happening("Acknowledged", "A person took it.", (INCIDENT,)),
    Happening("AlsoAcknowledged", "A second person took it."),
    Happening("AcknowledgedLate", "A person took it after it was over."),
    Happening("Unacknowledged", "A person gave it back."),
    Happening("AckExpired", "The acknowledgement is too old, or the priority was raised since: paging goes on."),
    Happening("Mitigated", "It stopped hurting.", (INCIDENT,)),
    Happening("FiringAgain", "It came back before it was resolved."),
    Happening("UnseenRecovery", "An alert fell silent and fired again between two looks."),
    Happening("ResolutionNotYet", "A person said that it is over, and a signal still fires."),
    Happening("Resolved", "It is over.", (INCIDENT,)),
    Happening("Reopened", "It came back within its watch window.", (INCIDENT,)),
    Happening("Cancelled", "It was no fault of its own, for example a duplicate.", (INCIDENT,)),
    Happening("StormStarted", "Too many workloads fail at once: no new action starts.", (POLICY,)),
    Happening("StormEnded", "It has been calm long enough: actions resume.", (POLICY,)),
)
"""Every entry of a timeline, and every Event, in the order of a story."""

CAUSES: Final = {
    Cause.ROLLOUT_CRASH_LOOP: "Pods of the newest revision start and die, init containers too; pods of the one before do not.",
    Cause.ROLLOUT_IMAGE_PULL: "The newest revision names an image that can't be pulled, and others can.",
    Cause.ROLLOUT_CONFIG_ERROR: "The newest revision names a ConfigMap, Secret or key that does not exist.",
    Cause.ROLLOUT_NOT_READY: "Pods of the newest revision run and never become ready.",
    Cause.ROLLOUT_OUT_OF_MEMORY: "Pods of the newest revision are killed for memory.",
    Cause.ROLLOUT_STUCK: "The rollout missed its deadline, and no pod says why.",
    Cause.REGISTRY_UNREACHABLE: "Images can't be pulled, and not because of the newest revision: the registry does not answer.",
    Cause.CRASH_LOOP: "Pods die again and again although nothing was rolled out.",
    Cause.OUT_OF_MEMORY: "Containers are killed for memory, again and again, although nothing was rolled out.",
    Cause.CONFIG_MISSING: "Containers can't be created: a ConfigMap, a Secret or a key of one is gone that the workload used before.",
    Cause.INIT_CONTAINER_FAILING: "An init container fails again and again, or does not get done, although nothing was rolled out.",
    Cause.LIVENESS_KILLS: "Containers are stopped from outside again and again, not for memory and no sooner than a failed liveness probe would.",
    Cause.CONFIG_CHANGED: "Pods loop or lose their Ready without a rollout, shortly after a ConfigMap that they read was changed.",
    Cause.DEPENDENCY_RECOVERED: "What crashed while a declared dependency was away waits for the kubelet's back-off, although that is back.",
    Cause.REPLICA_CREATION_FAILED: "Pods of a Deployment are refused when they are created: a quota, a policy, a missing account, a webhook.",
    Cause.UNSCHEDULABLE: "No node takes a pod, by the scheduler's word.",
    Cause.STATEFUL_SET_STUCK: "The update of a StatefulSet waits for a pod of an earlier revision that does not get ready, and nothing says why.",
    Cause.DAEMON_SET_STUCK: "The update of a DaemonSet waits for pods of an earlier revision that do not get ready, and nothing says why.",
    Cause.SCALED_TO_ZERO: "A workload that served a while ago wants no pods, and a Service routes to it alone: meant, or a mistake.",
    Cause.FAILED_PODS_PILED_UP: "Five or more pods of a workload that failed or were evicted over an hour ago are still there.",
    Cause.JOB_FAILED: "A Job failed for good, or the last run of a CronJob did.",
    Cause.CRON_JOB_FAILING: "The last runs of a CronJob failed, and none has succeeded since.",
    Cause.VOLUME_CLAIM_PENDING: "A claim gets no volume, and the provisioner says why.",
    Cause.VOLUME_CLAIM_LOST: "The volume of a claim is gone.",
    Cause.AUTOSCALER_AT_MAXIMUM: "An autoscaler wants more replicas than its maximum.",
    Cause.AUTOSCALER_BLIND: "An autoscaler can't read its metrics.",
    Cause.QUOTA_EXCEEDED: "A quota refuses what somebody asks for.",
    Cause.DISRUPTION_BUDGET_DEADLOCK: "A disruption budget permits no eviction although all pods are healthy.",
    Cause.SERVICE_WITHOUT_ENDPOINTS: "A Service that served has no ready endpoint any more.",
    Cause.API_SERVICE_DOWN: "The Service behind an API does not answer.",
    Cause.CERTIFICATE_EXPIRING: "A certificate should have been renewed an hour ago and was not, or it has expired.",
    Cause.STUCK_TERMINATING: "An object is being deleted and does not go.",
    Cause.NODE_NOT_READY: "A node is not Ready.",
    Cause.NODE_FLAPPING: "A node turned Ready or not Ready three times within an hour.",
    Cause.NODE_PRESSURE: "A node is short of memory, disk or process ids.",
    Cause.NODE_FAULT: "A node's kernel, disk, clock or container runtime is at fault, by the word of node-problem-detector.",
    Cause.LEFTOVER_CORDON: "A node is still cordoned by a measure of ours whose time is over.",
    Cause.MASS_FAILURE: "Many nodes of one zone, or many workloads at once: the single one is not at fault.",
    Cause.ALERT: "An alert fires, and nothing better is known.",
    Cause.REPORTED: "A person reported it, and nothing better is known.",
}
"""What is wrong with the target."""

OUTCOMES: Final = {
    Outcome.REMEDIATED: "Done, and recovery was proved.",
    Outcome.SIMULATED: "Only shown: the mode is Suggest.",
    Outcome.INEFFECTIVE: "Done, and it is no better.",
    Outcome.WORSENED: "Done, and it is worse than before.",
    Outcome.REVERTED: "Done, and somebody put the replaced template back.",
    Outcome.INCONCLUSIVE: "Done, and whether it helped could not be told. It counts as a failed attempt.",
    Outcome.ABORTED: "A step failed, or nobody approved the plan in time.",
    Outcome.RECOVERED_ITSELF: "Not needed: the target recovered.",
    Outcome.STOPPED: "A person stopped it, or denied the plan.",
    Outcome.SUPERSEDED: "A person was faster.",
    Outcome.STALE: "The target is gone, or another object bears its name.",
    Outcome.REFUSED: "A run that a person asked for may not begin: nothing was done.",
}
"""How an attempt ends."""
