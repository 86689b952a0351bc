"""HealingPolicy: how far Prunella may go in this cluster. One object, named `default`.

Every default of a guard stands here, once. What a Runbook sets in `limits` wins.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import Instant, Name, OneOf, Rule, Seconds, Sentence, ShortName, WireModel, items
from .common import Condition, Metadata, NamespacedRef
from .names import Cause, Mode, Urgency
from .windows import Windows


class Pause(WireModel):
    """A reason to start nothing new. Any one is enough; several people can pause at once."""

    name: ShortName
    """Names the pause, so that its author can remove just this one."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, for whoever wonders at 3 a.m."""
    by: Annotated[str, Field(max_length=253)] = ""
    """Who paused."""
    since_time: Instant | None = None
    """Since when."""
    namespaces: Annotated[tuple[ShortName, ...], items(50)] = ()
    """Only these; none means the whole cluster. What has no namespace, such as a node, counts to the operator's."""


class DetectorSettings(WireModel):
    """When a finding of one cause opens an Incident."""

    cause: Cause
    """The cause that is meant."""
    open_after_seconds: Seconds
    """Seconds that the finding must hold before an Incident is opened. Without an entry: 0; 60 for ReplicaCreationFailed and Unschedulable."""


class Budget(WireModel):
    """At most so many attempts in so many seconds."""

    count: Annotated[int, Field(ge=0, le=10_000)]
    """Attempts."""
    window_seconds: Annotated[int, Field(ge=1, le=604_800)] = 3600
    """Seconds over which they are counted."""


class Budgets(WireModel):
    """Attempts per window, counted from stored Remediations, so that a restart does not refill them."""

    per_cluster: Budget = Budget(count=20)
    """In the whole cluster. Default: 20 in 3600 s."""
    per_namespace: Budget = Budget(count=6)
    """In one namespace. Default: 6 in 3600 s."""
    per_target: Budget = Budget(count=3)
    """At one target. Default: 3 in 3600 s."""


class Concurrency(WireModel):
    """Attempts under way at once; per target it is always one."""

    per_cluster: Annotated[int, Field(ge=1, le=1000)] = 3
    """In the whole cluster."""
    per_namespace: Annotated[int, Field(ge=1, le=1000)] = 1
    """In one namespace."""


class Storm(WireModel):
    """Too much is failing at once: stop and tell people. Counts workloads whose Incident is open and not mitigated."""

    min_workloads: Annotated[int, Field(ge=2, le=100_000)] = 3
    """Fewer workloads than this never make a storm by their share."""
    percent: Annotated[int, Field(ge=1, le=100)] = 20
    """More than this share of the workloads in opted-in namespaces."""
    namespaces: Annotated[int, Field(ge=1, le=100_000)] = 3
    """Or more than so many namespaces with the same cause."""
    calm_seconds: Seconds = 600
    """Seconds below the thresholds after which actions resume."""


class ReceiverMethod(OneOf):
    """One way to reach a receiver; they are tried in order. Exactly one of webhook, pagerduty and apprise."""

    one_of = ("webhook", "pagerduty", "apprise")
    one_of_hint = "a second way is a second entry of methods"

    name: ShortName
    """Unique in the receiver."""
    webhook: SecretKeyRef | None = None
    """Signed JSON: the Secret's key holds the URL; its key '<key>-hmac' the signing key."""
    pagerduty: SecretKeyRef | None = None
    """PagerDuty Events v2: the Secret's key holds the routing key; its key '<key>-url' another endpoint."""
    apprise: SecretKeyRef | None = None
    """Any of Apprise's services: the Secret's key holds the URL."""


class SecretKeyRef(WireModel):
    """A key of a Secret in the operator's namespace. Values never leave it."""

    secret_name: Name = "prunella-receivers"  # noqa: S105 - the name of a Secret
    """Secret in the operator's namespace."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """Key of the Secret."""


class Receiver(WireModel):
    """A person or a channel that can be told something."""

    name: ShortName
    """Name under which EscalationPolicies name it."""
    methods: Annotated[tuple[ReceiverMethod, ...], items(8, "name", minimum=1)]
    """Tried in order until one delivers."""


class SeverityUrgency(WireModel):
    """Urgency of an alert by its label `severity`; anything else counts as High and is flagged."""

    high: Annotated[tuple[ShortName, ...], items(20)] = ("critical", "error", "page")
    """Severities that hurt now."""
    medium: Annotated[tuple[ShortName, ...], items(20)] = ("warning", "ticket")
    """Severities that hurt soon."""
    low: Annotated[tuple[ShortName, ...], items(20)] = ("info", "none")
    """Severities that can wait."""

    def urgency_of(self, severity: str | None) -> Urgency | None:
        """Urgency of a severity; None where the policy does not know it."""
        table = ((Urgency.HIGH, self.high), (Urgency.MEDIUM, self.medium), (Urgency.LOW, self.low))
        return next((urgency for urgency, names in table if severity in names), None)


class CertificateSecret(WireModel):
    """A Secret of type kubernetes.io/tls whose certificate is looked at."""

    namespace: ShortName
    """Its namespace."""
    secret_name: Name
    """Its name."""


class HealingPolicySpec(WireModel):
    """How far Prunella may go in this cluster."""

    mode: Mode = Mode.SUGGEST
    """Ceiling for every Runbook and namespace."""
    pauses: Annotated[tuple[Pause, ...], items(50, "name")] = ()
    """While there is one, nothing is begun or taken back where it holds."""
    windows: Windows = Windows()
    """When automation may begin anything in this cluster; a Runbook's own windows hold as well."""
    protected_namespaces: Annotated[tuple[ShortName, ...], items(200)] = (
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "prunella-system",
        "argocd",
        "flux-system",
        "cert-manager",
        "monitoring",
    )
    """Never acted in, whatever their labels say. The operator's own namespace is always among them."""
    detectors: Annotated[tuple[DetectorSettings, ...], items(50, "cause")] = ()
    """When a finding opens an Incident, by cause."""
    certificates: Annotated[tuple[CertificateSecret, ...], items(100, "namespace", "secretName")] = ()
    """TLS Secrets whose certificates are looked at: the operator needs `get` of each by its name. It reads no other."""
    budgets: Budgets = Budgets()
    """Attempts per window; beyond it automation waits and says BudgetSpent."""
    concurrency: Concurrency = Concurrency()
    """Attempts under way at once; per target it is always one."""
    storm: Storm = Storm()
    """When too much fails at once, automation stops and people are told."""
    cooldown_seconds: Seconds = 1800
    """After the first attempt at one target and one bad revision; four times that after the second."""
    known_good_after_seconds: Seconds = 60
    """How long a revision must have been healthy to be gone back to."""
    severity_urgency: SeverityUrgency = SeverityUrgency()
    """Urgency of an alert by its label severity; anything else counts as High and is flagged."""
    receivers: Annotated[tuple[Receiver, ...], items(200, "name")] = ()
    """People and channels that policies may name."""
    default_escalation_policy_ref: NamespacedRef | None = None
    """Who is told where no owner is known. Without it such an Incident pages nobody and says NoResponder."""


class HealingPolicyStatus(WireModel):
    """Whether the policy is in force, and whether a storm is on."""

    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    """metadata.generation that this status was made from."""
    storm_since_time: Instant | None = None
    """Since when a storm is on; absent when there is none."""
    storm_message: Sentence | None = None
    """What made it a storm."""
    storm_ended_time: Instant | None = None
    """When the last storm ended. For an hour after it attempts are begun one at a time in the whole cluster, until one of them has healed."""
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()
    """Ready says whether the policy is in force; if not, the message says what to change."""


class HealingPolicy(WireModel):
    """How far Prunella may go in this cluster. Only the one named `default` is in force."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.metadata.name == 'default'", "must be named 'default': there is one HealingPolicy; edit that one"),
    )

    metadata: Metadata
    spec: HealingPolicySpec
    status: HealingPolicyStatus = HealingPolicyStatus()
