"""Every name on the wire that is an enumeration, once. A new value is an API change and starts here."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ConditionStatus(StrEnum):
    """The three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Mode(StrEnum):
    """How far automation may go, lowest first. The effective mode is the lowest of Runbook, namespace and HealingPolicy."""

    OBSERVE = "Observe"
    SUGGEST = "Suggest"
    APPROVE = "Approve"
    AUTO = "Auto"

    @property
    def rank(self) -> int:
        """0 for Observe up to 3 for Auto."""
        return list(Mode).index(self)


class Cause(StrEnum):
    """What is wrong with the target."""

    ROLLOUT_CRASH_LOOP = "RolloutCrashLoop"
    CRASH_LOOP = "CrashLoop"
    ROLLOUT_IMAGE_PULL = "RolloutImagePull"
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    ROLLOUT_OUT_OF_MEMORY = "RolloutOutOfMemory"
    ROLLOUT_STUCK = "RolloutStuck"
    ROLLOUT_CONFIG_ERROR = "RolloutConfigError"
    ROLLOUT_NOT_READY = "RolloutNotReady"
    OUT_OF_MEMORY = "OutOfMemory"
    CONFIG_MISSING = "ConfigMissing"
    INIT_CONTAINER_FAILING = "InitContainerFailing"
    LIVENESS_KILLS = "LivenessKills"
    CONFIG_CHANGED = "ConfigChanged"
    DEPENDENCY_RECOVERED = "DependencyRecovered"
    REPLICA_CREATION_FAILED = "ReplicaCreationFailed"
    UNSCHEDULABLE = "Unschedulable"
    STATEFUL_SET_STUCK = "StatefulSetStuck"
    DAEMON_SET_STUCK = "DaemonSetStuck"
    SCALED_TO_ZERO = "ScaledToZero"
    FAILED_PODS_PILED_UP = "FailedPodsPiledUp"
    JOB_FAILED = "JobFailed"
    CRON_JOB_FAILING = "CronJobFailing"
    VOLUME_CLAIM_PENDING = "VolumeClaimPending"
    VOLUME_CLAIM_LOST = "VolumeClaimLost"
    AUTOSCALER_AT_MAXIMUM = "AutoscalerAtMaximum"
    AUTOSCALER_BLIND = "AutoscalerBlind"
    QUOTA_EXCEEDED = "QuotaExceeded"
    DISRUPTION_BUDGET_DEADLOCK = "DisruptionBudgetDeadlock"
    SERVICE_WITHOUT_ENDPOINTS = "ServiceWithoutEndpoints"
    API_SERVICE_DOWN = "APIServiceDown"
    CERTIFICATE_EXPIRING = "CertificateExpiring"
    STUCK_TERMINATING = "StuckTerminating"
    NODE_NOT_READY = "NodeNotReady"
    NODE_FLAPPING = "NodeFlapping"
    NODE_PRESSURE = "NodePressure"
    NODE_FAULT = "NodeFault"
    LEFTOVER_CORDON = "LeftoverCordon"
    MASS_FAILURE = "MassFailure"
    ALERT = "Alert"
    REPORTED = "Reported"


ROLLOUT_CAUSES: Final = frozenset(
    {
        Cause.ROLLOUT_CRASH_LOOP,
        Cause.ROLLOUT_IMAGE_PULL,
        Cause.ROLLOUT_OUT_OF_MEMORY,
        Cause.ROLLOUT_CONFIG_ERROR,
        Cause.ROLLOUT_NOT_READY,
        Cause.ROLLOUT_STUCK,
    }
)
"""Causes that the newest revision brought."""

CRASH_CAUSES: Final = frozenset(
    {
        Cause.ROLLOUT_CRASH_LOOP,
        Cause.ROLLOUT_OUT_OF_MEMORY,
        Cause.CRASH_LOOP,
        Cause.OUT_OF_MEMORY,
        Cause.INIT_CONTAINER_FAILING,
        Cause.LIVENESS_KILLS,
        Cause.DEPENDENCY_RECOVERED,
    }
)
"""Causes of which restarts are the evidence: a Runbook's `minRestarts` is about them."""


class Phase(StrEnum):
    """Rendering of an Incident's state for the printer column; nothing reads it back."""

    TRIGGERED = "Triggered"
    ACKNOWLEDGED = "Acknowledged"
    MITIGATED = "Mitigated"
    RESOLVED = "Resolved"
    CANCELLED = "Cancelled"


class SourceKind(StrEnum):
    """Who saw the fault."""

    WATCH = "Watch"
    ALERTMANAGER = "Alertmanager"
    PERSON = "Person"


class SignalState(StrEnum):
    """What the source last said of a signal."""

    FIRING = "Firing"
    RESOLVED = "Resolved"
    SUPPRESSED = "Suppressed"
    STALE = "Stale"


class Impact(StrEnum):
    """How much is hurt."""

    EXTENSIVE = "Extensive"
    SIGNIFICANT = "Significant"
    MINOR = "Minor"


class Urgency(StrEnum):
    """How soon it hurts."""

    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Priority(StrEnum):
    """P1 is the most important."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class Verdict(StrEnum):
    """What was decided about a Runbook."""

    CHOSEN = "Chosen"
    NOT_CHOSEN = "NotChosen"
    WAITING = "Waiting"
    REFUSED = "Refused"


class RemediationState(StrEnum):
    """Automation's part of an Incident in one word."""

    NONE = "None"
    AWAITING_APPROVAL = "AwaitingApproval"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    BLOCKED = "Blocked"


class EscalationState(StrEnum):
    """Where paging stands."""

    IDLE = "Idle"
    WAITING = "Waiting"
    NOTIFYING = "Notifying"
    PAUSED = "Paused"
    EXHAUSTED = "Exhausted"
    STOPPED = "Stopped"


class MessageKind(StrEnum):
    """A page wakes somebody; a notice, an acknowledgement (somebody has it) and a stand-down (it is over) never do."""

    PAGE = "Page"
    NOTICE = "Notice"
    STAND_DOWN = "StandDown"
    ACKNOWLEDGEMENT = "Acknowledgement"


class MessageState(StrEnum):
    """Pending is stored before anything is sent."""

    PENDING = "Pending"
    SENT = "Sent"
    DELIVERED = "Delivered"
    FAILED = "Failed"


class RemediationPhase(StrEnum):
    """One attempt. Pending, Dispatched, Verifying and Unknown hold the target; the rest are final."""

    PENDING = "Pending"
    DISPATCHED = "Dispatched"
    VERIFYING = "Verifying"
    UNKNOWN = "Unknown"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def final(self) -> bool:
        """Whether the attempt has ended and frees its target."""
        return self in {RemediationPhase.SUCCEEDED, RemediationPhase.FAILED, RemediationPhase.CANCELLED}


class Outcome(StrEnum):
    """How an attempt ended. Each belongs to one final phase (`PHASE_OF`)."""

    REMEDIATED = "Remediated"
    SIMULATED = "Simulated"
    INEFFECTIVE = "Ineffective"
    WORSENED = "Worsened"
    REVERTED = "Reverted"
    INCONCLUSIVE = "Inconclusive"
    ABORTED = "Aborted"
    RECOVERED_ITSELF = "RecoveredItself"
    STOPPED = "Stopped"
    SUPERSEDED = "Superseded"
    STALE = "Stale"
    REFUSED = "Refused"


PHASE_OF: Final = {
    Outcome.REMEDIATED: RemediationPhase.SUCCEEDED,
    Outcome.SIMULATED: RemediationPhase.SUCCEEDED,
    Outcome.INEFFECTIVE: RemediationPhase.FAILED,
    Outcome.WORSENED: RemediationPhase.FAILED,
    Outcome.REVERTED: RemediationPhase.FAILED,
    Outcome.INCONCLUSIVE: RemediationPhase.FAILED,
    Outcome.ABORTED: RemediationPhase.FAILED,
    Outcome.RECOVERED_ITSELF: RemediationPhase.CANCELLED,
    Outcome.STOPPED: RemediationPhase.CANCELLED,
    Outcome.SUPERSEDED: RemediationPhase.CANCELLED,
    Outcome.STALE: RemediationPhase.CANCELLED,
    Outcome.REFUSED: RemediationPhase.CANCELLED,
}

BREAKER_OUTCOMES: Final = frozenset({Outcome.WORSENED, Outcome.REVERTED, Outcome.INEFFECTIVE})
"""Outcomes after which only a person's `prunella.dev/retry` lets automation near the target again. The phase Unknown opens the breaker too."""


class ApprovalVerdict(StrEnum):
    """What a person says to a plan that waits for approval."""

    APPROVED = "Approved"
    DENIED = "Denied"


class StepState(StrEnum):
    """Where one effect of a run stands."""

    PENDING = "Pending"
    SKIPPED = "Skipped"
    INTENDED = "Intended"
    APPLIED = "Applied"
    SIMULATED = "Simulated"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class CheckResult(StrEnum):
    """Success needs data; no data is Inconclusive, a failed question is Error."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class StepImpact(StrEnum):
    """How much an action can hurt: guards and approvals go by it. The storm brake never holds up the first two."""

    READ = "Read"
    NOTIFY = "Notify"
    LOW = "Low"
    DISRUPTIVE = "Disruptive"
    DESTRUCTIVE = "Destructive"


class OnFailure(StrEnum):
    """What a failed step does to its run."""

    ABORT = "Abort"
    CONTINUE = "Continue"
    UNDO = "Undo"
    ESCALATE = "Escalate"
