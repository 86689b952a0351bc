"""Every reason that stands in a condition or a decision, with what it means and what a person can do about it.

The rule it protects: a reason that the code gives is documented, and what is documented is given. The reference page is rendered from here; a test
reads the code against it. A new reason is an API change and starts here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """A CamelCase word, what it says, and the remedy; empty where nothing has to be done."""

    name: str
    meaning: str
    remedy: str = ""


REFUSALS: Final = (
    # The plan: is there something that could be done?
    Reason("NoRunbookMatches", "No Runbook is for this cause and this target.", "Look yourself; write a Runbook if it will come again."),
    Reason("OtherCause", "This Runbook is for other causes or alerts than what happened here: nothing is wrong with it."),
    Reason("RunbooksTied", "Several Runbooks fit with the same priority.", "Give one of them a higher `spec.priority`."),
    Reason("RunNotPermitted", "The Runbook is not for people who ask for runs, or not for this target.", "Its owner sets `spec.selfService`."),
    Reason(
        "ParameterInvalid", "A parameter of the run is missing, unknown or not permitted.", "Ask again; the message names it and what is permitted."
    ),
    Reason(
        "PreconditionFalse",
        "Its condition `when` or one of its `preconditions` is false, or could not be told; or its step can't be done to this target as it is.",
        "The message says which and what it means; `prunella lint` checks conditions.",
    ),
    Reason("ServiceAccountRequired", "A Runbook outside the operator's namespace names no ServiceAccount.", "Name one of its own namespace."),
    Reason(
        "ServiceAccountUnsupported",
        "A Runbook of the operator's namespace names an account, or one of a team reaches beyond its namespace.",
        "Remove serviceAccountName, or what the message names.",
    ),
    Reason("OldRevisionFails", "The revision before fails as well: going back would not help.", "Look for what both need."),
    Reason("ChangeTooOld", "The change is older than the failure: it is not what broke it.", "Look at what changed lately outside of the workload."),
    Reason(
        "NoKnownGood", "No stored revision was seen healthy before the accused one.", "Roll back by hand with `kubectl rollout undo`, or forward."
    ),
    Reason("TargetPaused", "The rollout is paused: somebody is at work on it.", "`kubectl rollout resume` ends the pause."),
    Reason(
        "Irreversible",
        "It is marked prunella.dev/irreversible: going back over it could lose data.",
        "Mend it forward; a Runbook with `freezeRollout` holds the rollout meanwhile.",
    ),
    Reason("RolloutInProgress", "The controller is not done with the newest template yet."),
    Reason("StrategyUnsupported", "The update strategy is OnDelete, or a partition stages it.", "Roll back by hand."),
    Reason("DwellRunning", "A plan is ready and waits until the fault has held long enough."),
    Reason("NewestRevisionFails", "Why a rollback was chosen: the newest revision fails, and one before it does not."),
    Reason("Allowed", "Every guard agrees, or an attempt is under way."),
    # The guards, in their order.
    Reason("UnmanagedResource", "The namespace is protected, or the kind is never changed.", "HealingPolicy `spec.protectedNamespaces` lists them."),
    Reason("Paused", "Somebody paused automation, or the HealingPolicy could not be read.", "Remove the entry of HealingPolicy `spec.pauses`."),
    Reason("ControlPlaneUnhealthy", "The API server does not answer its readiness check in time.", "It goes on by itself."),
    Reason("EvidenceMissing", "What must be known could not be read, is old, or contradicts itself.", "See the message; it goes on by itself."),
    Reason("AlertSourceStale", "The Runbook matched by an alert, and no Alertmanager was heard of for 600 s.", "Look at the route to Prunella."),
    Reason(
        "StormActive",
        "Too many workloads fail at once, or the cause has an Incident of its own.",
        "Look for what they share, or at the Incident that the message names; actions resume by themselves.",
    ),
    Reason("BreakerOpen", "An earlier attempt made it no better.", "Look at the target, then annotate the Incident prunella.dev/retry=<token>."),
    Reason(
        "InWindow",
        "A window forbids it now, or none that allows it is open, or one can't be understood.",
        "It goes on by itself at `status.retryAfterTime`; `spec.windows` of HealingPolicy and Runbook.",
    ),
    Reason(
        "BlockIfTrue",
        "Something that the Runbook names in `spec.blockIf` is under way, or whether it is can't be told.",
        "Wait until it is over; the message has the entry and what was seen.",
    ),
    Reason("HumanOverride", "A person holds the target, or changed it meanwhile.", "Remove `spec.hold` to let automation go on."),
    Reason("QuarantinedReapplied", "A revision that was rolled back was applied again.", "It is yours to decide: mend it, or roll it back yourself."),
    Reason("OwnedByGitOps", "Argo CD or Flux would undo the change.", "Revert in Git; or a Runbook holds them first: `holdGitOps`."),
    Reason("OwnedByAutoscaler", "An autoscaler owns the number of replicas, and is not Prunella's to change.", "Change what made the autoscaler."),
    Reason("OwnedByOperator", "Another controller owns the workload and would undo the change.", "Change its owner."),
    Reason("DelegatedToNodeRepair", "Something else mends this node, or is at work on it.", "Look there; the message names it."),
    Reason("RecentlyRemediated", "The last attempt at this revision is too recent.", "It looks again at `status.retryAfterTime`."),
    Reason(
        "ConsecutiveFailures",
        "As many attempts as the Runbook allows have been made, or each of those that follow each other had its turn.",
        "A person is needed.",
    ),
    Reason(
        "IneffectiveChain",
        "The Runbook failed too often lately: Auto acts as Approve for a day.",
        "Look at its last attempts and change the Runbook: a changed one begins anew. `spec.limits.errorBudget` of the Runbook.",
    ),
    Reason("BudgetSpent", "The attempts of the target, namespace or cluster are spent for this window.", "HealingPolicy `spec.budgets`."),
    Reason("Flapping", "It recovered and failed again too often within an hour.", "What is done does not last: look for the cause."),
    Reason("DuplicateInProgress", "Another attempt at the same target has not ended.", "It waits."),
    Reason(
        "ConcurrencyReached",
        "Enough attempts are under way elsewhere, or have just begun.",
        "It waits, the most important first; HealingPolicy `spec.concurrency`.",
    ),
    Reason("TargetHealthy", "The target recovered by itself."),
    Reason("TargetChanged", "The target is gone, or another object bears its name.", "A new object gets an Incident of its own."),
    Reason(
        "PDBBlocked",
        "A disruption budget has no room for an eviction, or several are for one pod.",
        "It waits for room; of several remove all but one.",
    ),
    Reason(
        "QuotaHeadroom",
        "The API server would refuse the change: a ResourceQuota of the namespace has no room for it.",
        "Make room, or raise the quota; the message names it. It is tried again by itself.",
    ),
    Reason(
        "SelectionTooWide",
        "Too many nodes would be out at once, or the last one that takes pods.",
        "It is tried again by itself once fewer are out; `most` of the step, and never more than one node in ten, but one.",
    ),
    Reason("LastReadyReplica", "It would stop the last ready pod.", "Add a replica, or do it yourself."),
    Reason(
        "MissingPermission",
        "The acting account may not do it, or Prunella may not act as that account.",
        "The command that grants it is in the message: mostly `kubectl apply -n <namespace> -k manifests/opt-in`.",
    ),
    Reason(
        "AwaitingApproval",
        "The effective mode is Approve, or a step `approve` of the run asks: people must agree first.",
        "`kubectl prunella approve <incident>` shows the plan and its diff; ClusterRole prunella-approve grants the right.",
    ),
    Reason(
        "ApprovalExpired",
        "Too few people approved this plan in time: it is not proposed again by itself.",
        "Look at the target; annotate the Incident prunella.dev/retry=<token> to be asked again.",
    ),
    # The mode, last.
    Reason(
        "ModeObserve", "The effective mode is Observe: it is only written down what would be done.", "Label the namespace prunella.dev/mode=Auto."
    ),
    Reason(
        "ModeSuggest",
        "The effective mode is Suggest, or the Runbook only tells: a person has to do it.",
        "Raise the lowest of Runbook, namespace and HealingPolicy to Auto.",
    ),
)
"""Why nothing is done, or is not done yet; and the two that say why something is. In the order in which they are asked."""

CONDITION_REASONS: Final = (
    Reason("NotYet", "It has not happened yet."),
    Reason("Approved", "Enough people approved the plan."),
    Reason("Denied", "A person denied the plan: the attempt is over."),
    Reason("PlanChanged", "The plan would be another one now: what was said to it is void.", "A new attempt asks again."),
    Reason("ByPerson", "A person acknowledged, or said that it is over."),
    Reason("HealedBeforeFirstPage", "It was over before a page was due: nobody had to take it."),
    Reason(
        "AckExpired",
        "The acknowledgement is older than the policy's `ackTimeoutSeconds`, or than a raise of the priority: paging goes on.",
        "Acknowledge again.",
    ),
    Reason("StaleEpisode", "The acknowledgement is for another episode.", "Name the current one; the message has the command."),
    Reason("Duplicate", "Another Incident is about the same target, and the story goes on there.", "The message names it."),
    Reason("RemediationSucceeded", "What automation did stopped it from hurting."),
    Reason("FiringAgain", "It came back before it was resolved."),
    Reason("Verified", "Recovery was proved."),
    Reason("SignalsCleared", "Every source says that it is over, and the target is healthy."),
    Reason("Reopened", "It came back within the watch window."),
    Reason("Unknown", "Whether an effect was done can't be known.", "Look at the target; the attempt holds it until a person decides."),
    Reason("NoData", "Every signal is over, but whether the target is healthy can't be told.", "Look yourself, then write `spec.resolution`."),
    Reason("Accepted", "The object is in use."),
    Reason("UnknownReference", "It names something that does not exist.", "The message names the nearest that does."),
    Reason("UnknownRunbook", "Its `spec.nextRef` names a Runbook that is not in its namespace.", "The message names the nearest that is."),
    Reason(
        "NeverFits", "It can never match, or the Runbook that it names as its next one can never have its turn.", "The message says what keeps it."
    ),
    Reason(
        "InvalidExpression",
        "A CEL expression, a matcher, a query or a schedule can't be used.",
        "The message has its place; `prunella lint` finds it before you apply.",
    ),
    Reason(
        "UnknownTimeZone", "A window names a time zone that does not exist: it holds everything back.", "The message names the nearest that does."
    ),
    Reason(
        "Cycle",
        "A CatalogEntry depends on itself, or a Runbook follows itself, by way of others.",
        "The message has the way: remove one `spec.dependsOn` or `spec.nextRef` of it.",
    ),
    Reason(
        "CertificateUnreadable",
        "A Secret of HealingPolicy `spec.certificates` holds no certificate that can be read, or could not be read for five minutes.",
        "The message says what is wrong with it: mend the Secret, or take it out of the list.",
    ),
    Reason("NotDefault", "Only the HealingPolicy named default is in force.", "Rename it, or delete it."),
)
"""Reasons of the other conditions. A Remediation's `Succeeded` gives its outcome; one that is set only while it is true gives its own name."""


@dataclass(frozen=True, slots=True)
class ConditionType:
    """A condition, where it stands, and what its being true means."""

    name: str
    on: str
    meaning: str


CONDITIONS: Final = (
    ConditionType("Acknowledged", "Incident", "A person has it: nobody else is paged in this episode."),
    ConditionType("Mitigated", "Incident", "It does not hurt any more."),
    ConditionType("Resolved", "Incident", "It is over, and that was proved or said."),
    ConditionType("RemediationAllowed", "Incident, Remediation", "Every guard agrees; if False, its reason is the first refusal."),
    ConditionType("Approved", "Remediation", "Enough people approved the plan; there only where people were asked."),
    ConditionType("Succeeded", "Remediation", "The attempt did what it should; Unknown until it ends."),
    ConditionType("Ready", "Runbook, EscalationPolicy, CatalogEntry, HealingPolicy", "The object is in use."),
    ConditionType("Stalled", "Runbook, EscalationPolicy, CatalogEntry, HealingPolicy", "The object stays unused until a person changes something."),
    ConditionType("OwnerUnknown", "Incident", "Nothing says whose the target is; the message has the command that does."),
    ConditionType("NoResponder", "Incident", "A part of the escalation policy reaches nobody."),
    ConditionType("PageFailed", "Incident", "A page was delivered by none of its receiver's methods."),
    ConditionType("Flapping", "Incident", "It recovered and failed again three times within an hour: what is done does not last."),
    ConditionType("PolicyChanged", "Incident", "The escalation policy was changed since; the run under way goes on as it began."),
    ConditionType("EscalationStale", "Incident", "A page was due long ago, for example because the operator was down."),
    ConditionType("SourceUnreachable", "Incident", "No Alertmanager was heard of: an alert that is not seen is not taken to be over."),
    ConditionType("Suppressed", "Incident", "An alert is silenced or inhibited: it is not over, and pages nobody."),
    ConditionType("ConflictingSources", "Incident", "One source says that it is over, another that it is not; it counts as firing."),
    ConditionType("ClockSkew", "Incident", "A source names a time that can't be true; the receipt counts instead."),
    ConditionType("Truncated", "Incident", "There were more alerts than are kept, or a message left some out."),
    ConditionType("EvidenceIncomplete", "Incident", "A log or the Events could not be had when it opened."),
)
"""Every condition. The first of an Incident are always there, the others only while they are true."""
