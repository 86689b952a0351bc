"""webhookBypass: one admission webhook that is down and refuses the target's pods is not waited for, for a while: failurePolicy Fail -> Ignore.

The rule this module protects: a webhook that keeps something out is never bypassed, and one that answers neither. What the cluster's own namespace
is held to, or that judges everything, permissions, Secrets or Prunella's own kinds, is taken to keep something out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from prunella.api.base import GROUP, WireModel
from prunella.api.common import ObjectRef
from prunella.api.marks import PART_OF_LABEL
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.notation import labels, places
from prunella.core.healing.owners import ownership
from prunella.core.healing.refusal import Refusal

from . import evidence, one_value
from .step import RESOURCES, SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait

ADMISSION: Final = "admissionregistration.k8s.io"
VERSION: Final = f"{ADMISSION}/v1"
PLURALS: Final = {
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
}
PATCH: Final = {
    kind: tuple(Right(verb=verb, group=ADMISSION, resource=plural, clusterwide=True) for verb in ("get", "list", "patch"))
    for kind, plural in PLURALS.items()
}
SYSTEM: Final = Listed("v1", "Namespace", "", "kube-system")
SERVICE_LABEL: Final = "kubernetes.io/service-name"
GUARDED_GROUPS: Final = frozenset({"*", GROUP, ADMISSION, "rbac.authorization.k8s.io", "certificates.k8s.io", "policy"})
GUARDED_RESOURCES: Final = frozenset({"*", "secrets", "serviceaccounts", "namespaces", "nodes"})
"""A webhook that is asked about one of these says who may do what."""
DnsName = Annotated[str, Field(min_length=1, max_length=253, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class WebhookBypass(WireModel):
    """Let the API server go on without an admission webhook that is down and refuses the target's pods, for as long as ttlSeconds says."""

    kind: Literal["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]
    """Kind of the configuration."""
    configuration: DnsName
    """Name of the configuration."""
    webhook: DnsName
    """Name of the webhook in it, as it stands in the API server's refusal."""


def plan(params: WebhookBypass, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once."""
    workload = live.facts.workload
    if done:
        return Done(message=f"webhook {params.webhook} is not waited for")
    if not evidence.refused_by(live, f'failed calling webhook "{params.webhook}"'):
        return Failed(message=f"nothing says that webhook {params.webhook} refuses the pods of {workload.short}")
    asked = Listed(VERSION, params.kind, "", params.configuration)
    if asked not in live.answers:
        return Ask(reads=(asked, SYSTEM))
    found, system = live.answers[asked], live.answers.get(SYSTEM, ())
    if isinstance(found, UnknownT) or isinstance(system, UnknownT) or not system:
        return Wait(until_time=live.now + SETTLE, message=f"{params.kind} {params.configuration} or namespace kube-system could not be read")
    if not found:
        return Failed(message=f"there is no {params.kind} {params.configuration}")
    return bypass(params, found[0], system[0], live)


def bypass(params: WebhookBypass, configuration: Json, system: Json, live: LiveFacts) -> Next:
    """The patch of one webhook, once it is known that nothing answers for it."""
    where, at = f"{params.kind} {params.configuration}", f"/webhooks/{places.named(params.webhook)}"
    webhook = part_of(configuration, at)
    if not isinstance(webhook, Mapping):
        return Failed(message=f"{where} has no webhook {params.webhook}")
    if webhook.get("failurePolicy") == "Ignore":
        return Done(message=f"webhook {params.webhook} is not waited for already")
    why = boundary(configuration, webhook, system)
    if why:
        return Refusal(reason="UnmanagedResource", message=f"webhook {params.webhook} of {where} is never bypassed: {why}")
    refusal = ownership.made(configuration, where) or _answers(webhook, live)
    if refusal is not None:
        return refusal
    ref = ObjectRef(api_version=VERSION, kind=params.kind, name=params.configuration, uid=str(part_of(configuration, "/metadata/uid")))
    does = f"the API server goes on without webhook {params.webhook} of {where} for a while"
    return one_value.write(ref, configuration, f"{at}/failurePolicy", "Ignore", does=does)


def boundary(configuration: Json, webhook: Json, system: Json) -> str:
    """Why a webhook must be taken for one that keeps something out, in words; empty where nothing says so."""
    borne = part_of(configuration, "/metadata/labels") or {}
    if GROUP in str(webhook.get("name")) or (isinstance(borne, Mapping) and borne.get(PART_OF_LABEL) == "prunella"):
        return "it is Prunella's own"
    spaces = part_of(system, "/metadata/labels")
    if labels.selects(webhook.get("namespaceSelector"), spaces if isinstance(spaces, Mapping) else {}):
        return "its namespaceSelector covers kube-system: the cluster is held to it"
    rules = webhook.get("rules")
    if not isinstance(rules, list | tuple) or not rules:
        return "what it is asked about can't be told"
    return next((why for rule in rules if (why := _guards(rule))), "")


def _guards(rule: Mapping[str, Iterable[str]]) -> str:
    groups = GUARDED_GROUPS & set(rule.get("apiGroups") or ("*",))
    resources = GUARDED_RESOURCES & {one.partition("/")[0] for one in rule.get("resources") or ("*",)}
    named = ", ".join(sorted(groups | resources))
    return f"it is asked about {named}, which says who may do what" if named else ""


def _answers(webhook: Json, live: LiveFacts) -> Next | None:
    """Why it can't be said to be down; None where nothing is ready behind its Service."""
    service = part_of(webhook, "/clientConfig/service")
    if not isinstance(service, Mapping):
        return Failed(message=f"webhook {webhook.get('name')} is called by its URL: whether it answers can't be told")
    asked = Listed("discovery.k8s.io/v1", "EndpointSlice", str(service.get("namespace")))
    if asked not in live.answers:
        return Ask(reads=(asked,))
    slices = live.answers[asked]
    where = f"svc/{service.get('name')} of webhook {webhook.get('name')}"
    if isinstance(slices, UnknownT):
        return Wait(until_time=live.now + SETTLE, message=f"what is ready behind {where} could not be read")
    ready = sum(_ready(one) for one in slices if part_of(one, f"/metadata/labels/{places.key(SERVICE_LABEL)}") == service.get("name"))
    if ready:
        return Refusal(reason="PreconditionFalse", message=f"{ready} endpoints are ready behind {where}: it is not down")
    return None


def _ready(endpoints: Json) -> int:
    found = endpoints.get("endpoints")
    listed = found if isinstance(found, list | tuple) else ()
    return sum((one.get("conditions") or {}).get("ready") is not False for one in listed)


def undo(params: WebhookBypass, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """It is waited for again, where it still stands as this step wrote it."""
    return one_value.give_back(raw, record)


def needs(params: WebhookBypass, kind: str) -> tuple[Right, ...]:
    """Reading and patch of the configurations of that kind."""
    return PATCH[params.kind] if kind in RESOURCES else ()


KIND: Final = StepKind(
    name="webhookBypass",
    params=WebhookBypass,
    impact=StepImpact.DISRUPTIVE,
    rights=tuple(right for rights in PATCH.values() for right in rights),
    needs=needs,
    plan=plan,
    undo=undo,
    approval_always=True,
    must_end=True,
    granted_by="manifests/bypass-webhooks",
    marks=tuple((VERSION, kind) for kind in PLURALS),
    loosens=tuple((kind, rf"/webhooks/{places.ANY}/failurePolicy") for kind in PLURALS),
)
