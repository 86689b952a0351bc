"""nodeRemediation: whoever remediates nodes here is asked to bring the target into a safe state and back, by an object made of a template.

The rules this module protects: a node that somebody remediates already is left to them, and one node at a time is remediated; only the condition
Succeeded is success; and the object goes again once the node is Ready, because until then it keeps pods away, and by our hand alone where we made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from prunella.api.base import Name, ShortName, WireModel
from prunella.api.common import ObjectRef
from prunella.api.marks import INTENT_ANNOTATION
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.owners import remediators
from prunella.core.healing.owners.remediators import REMEDIATORS, Remediator
from prunella.core.healing.refusal import Refusal
from prunella.core.things.node import Node

from . import nodes
from .step import SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Right, Skip, StepKind, Wait

FOLDER: Final = "manifests/node-remediation"
LOOK: Final = timedelta(seconds=5)
MISSED: Final = timedelta(seconds=60)
"""After so long a kubelet that says nothing has been missed: the node controller's grace time is 40 to 50 seconds."""
LABELS: Final = {"app.kubernetes.io/managed-by": "prunella"}


def _rights(one: Remediator) -> tuple[Right, ...]:
    made = tuple(Right(verb=verb, group=one.group, resource=one.plural, clusterwide=True) for verb in ("create", "delete", "get", "list"))
    return (Right(verb="get", group=one.group, resource=one.templates, clusterwide=True), *made)


class TemplateRef(WireModel):
    """The template of a remediator that is installed."""

    kind: Literal["FenceAgentsRemediationTemplate", "SelfNodeRemediationTemplate", "StorageBasedRemediationTemplate"]
    """Its kind, which says who remediates."""
    namespace: ShortName
    """Its namespace; the object is made there."""
    name: Name
    """Its name."""


class NodeRemediation(WireModel):
    """Have the node fenced and brought back by a remediator of medik8s, and wait until it is Ready again. Its pods are ended: no budget is asked."""

    template_ref: TemplateRef
    """What the object is made of, as in a NodeHealthCheck."""
    deadline_seconds: Annotated[int, Field(ge=30, le=540)] = 480
    """Where it has not succeeded after so long, or the node is not Ready then, the step has failed; the object stays unless `onFailure` is Undo."""


def plan(params: NodeRemediation, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The object, once; then its success, the node, and its end."""
    made = next((one.intent for one in done if one.intent is not None and one.intent.action == Create.action), None)
    if made is not None:
        return _followed(params, live, done, made)
    node = live.subject
    if nodes.well_again(live):
        return Done(message=f"{node.short} is well again: nobody is asked to remediate it")
    labels = part_of(live.raw, "/metadata/labels")
    if isinstance(labels, Mapping) and labels.get(remediators.EXCLUDED) == "true":
        return Refusal(reason="HumanOverride", message=f"{node.short} bears the label {remediators.EXCLUDED}: nobody is to remediate it")
    held = nodes.taken_out(live, 1)
    return held if held is not None else _begun(params, live)


def _begun(params: NodeRemediation, live: LiveFacts) -> Next:
    """The object, where the template is there and nobody is remediated."""
    by, ref = remediators.of_template(params.template_ref.kind), params.template_ref
    template = Listed(by.api_version, by.template, ref.namespace, name=ref.name)
    objects = {one: Listed(one.api_version, one.kind, "") for one in REMEDIATORS}
    if any(one not in live.answers for one in (template, *objects.values())):
        return Ask(reads=(template, *objects.values()))
    found = live.answers[template]
    if isinstance(found, UnknownT) or isinstance(live.answers[objects[by]], UnknownT):
        what = by.template if isinstance(found, UnknownT) else by.kind
        message = f"{what} objects could not be read; if Prunella may not: `kubectl apply -k {FOLDER}`"
        return Refusal(reason="EvidenceMissing", message=message, look_again_time=live.now + nodes.AGAIN)
    refused = _busy(live, {one: live.answers[asked] for one, asked in objects.items()})
    if refused is not None:
        return refused
    spec = part_of(found[0], "/spec/template/spec") if found else None
    if not isinstance(spec, Mapping):
        return Failed(message=f"{by.template} {ref.namespace}/{ref.name} {'has no spec.template.spec' if found else 'is not there'}")
    return _create(by, live, found[0], spec)


def _busy(live: LiveFacts, objects: Mapping[Remediator, tuple[Json, ...] | UnknownT]) -> Refusal | None:
    """Somebody is at work on this node, or on another one. Kinds of another remediator that are not served, or may not be read, are not here."""
    all_of_them = [(by, one) for by, found in objects.items() if not isinstance(found, UnknownT) for one in found]
    node, again = live.subject, live.now + nodes.AGAIN
    mine = next(((by, one) for by, one in all_of_them if remediators.node_of(one) == node.name), None)
    if mine is not None:
        where = f"{mine[0].kind} {part_of(mine[1], '/metadata/namespace')}/{part_of(mine[1], '/metadata/name')}"
        return Refusal(reason="DelegatedToNodeRepair", message=f"{where} is for {node.short} already: it is left to that", look_again_time=again)
    if not all_of_them:
        return None
    by, other = all_of_them[0]
    message = f"node/{remediators.node_of(other)} is being remediated by a {by.kind}: one at a time"
    return Refusal(reason="SelectionTooWide", message=message, look_again_time=again)


def _create(by: Remediator, live: LiveFacts, template: Json, spec: Mapping[str, object]) -> Create:
    """Without an owner: with the Node for one it would be gone as soon as a remediator makes the Node anew."""
    namespace, name, version = (str(part_of(template, f"/metadata/{key}")) for key in ("namespace", "name", "resourceVersion"))
    return Create(
        target=ObjectRef(api_version=by.api_version, kind=by.kind, namespace=namespace, name=live.subject.name),
        manifest={"apiVersion": by.api_version, "kind": by.kind, "metadata": {"labels": dict(LABELS)}, "spec": _plain(spec)},
        does=f"{live.subject.short} is to be remediated by {by.kind} {namespace}/{live.subject.name}",
        before={"template": f"{by.template} {namespace}/{name}", "templateVersion": version},
        confidential=True,  # a template of fence agents holds the passwords of machines
    )


def _plain(spec: object) -> Any:
    """A copy that is plain JSON."""
    if isinstance(spec, Mapping):
        return {key: _plain(value) for key, value in spec.items()}
    return [_plain(one) for one in spec] if isinstance(spec, list | tuple) else spec


def _followed(params: NodeRemediation, live: LiveFacts, done: tuple[StepStatus, ...], made: Intent) -> Next:
    """What has become of the object that the step made."""
    where = f"{made.target_ref.kind} {made.target_ref.namespace}/{made.target_ref.name}"
    if any(one.intent is not None and one.intent.action == Unmake.action and one.state is StepState.APPLIED for one in done):
        return Done(message=f"{live.subject.short} is remediated, and {where} is gone again")
    asked = Listed(made.target_ref.api_version, made.target_ref.kind, made.target_ref.namespace or "", name=made.target_ref.name)
    found = live.answers.get(asked)
    if found is None:
        return Ask(reads=(asked,))
    if isinstance(found, UnknownT):
        return Wait(until_time=live.now + SETTLE, message=f"{where} could not be read")
    one = next((one for one in found if _stamped(one, made)), None)
    if one is None or part_of(one, "/metadata/deletionTimestamp") is not None:
        return Failed(message=f"{where} was deleted by somebody else: whether it did its work can't be told")
    return _outcome(live, one, where, made.written_time + timedelta(seconds=params.deadline_seconds))


def _outcome(live: LiveFacts, one: Json, where: str, deadline: datetime) -> Next:
    said, node = remediators.condition(one, remediators.SUCCEEDED), live.subject
    if part_of(said, "/status") == "False":
        return Failed(message=f"{where} failed: {part_of(said, '/reason')}: {part_of(said, '/message') or 'no message'}"[:1024])
    succeeded = part_of(said, "/status") == "True"
    if succeeded and isinstance(node, Node) and node.ready and _heard_since(live, node, _time(part_of(said, "/lastTransitionTime"))):
        return _unmake(one, f"{where} has succeeded and {node.short} is Ready: it goes, so that the node takes pods")
    why = f"{where} has succeeded, and {node.short} is not Ready yet" if succeeded else f"{where} has not succeeded yet"
    if live.now >= deadline:
        return Failed(message=f"{why}: that took too long")
    return Wait(until_time=min(live.now + LOOK, deadline), message=why)


def _heard_since(live: LiveFacts, node: Node, succeeded: datetime | None) -> bool:
    """Whether its Ready is of after the success: a machine that was just switched off is called Ready until its kubelet is missed."""
    if succeeded is None or live.now >= succeeded + MISSED:
        return True
    return node.ready_since is not None and node.ready_since > succeeded


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _stamped(raw: Json, made: Intent) -> bool:
    """Whether it is the very object that this intent made."""
    annotations = part_of(raw, "/metadata/annotations")
    return isinstance(annotations, Mapping) and annotations.get(INTENT_ANNOTATION) == made.id


def _unmake(one: Json, does: str) -> Unmake:
    namespace, name, uid = (str(part_of(one, f"/metadata/{key}")) for key in ("namespace", "name", "uid"))
    ref = ObjectRef(api_version=str(one.get("apiVersion")), kind=str(one.get("kind")), namespace=namespace, name=name, uid=uid)
    return Unmake(target=ref, does=does, before={"remediation": f"{namespace}/{name}"})


def undo(params: NodeRemediation, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The object goes, where it has not done its work yet. What is fenced stays so until somebody has looked at the node."""
    intent = record.intent
    if intent is None or intent.action != Create.action or not _stamped(raw, intent):
        return Skip(message="the object that was made is gone")
    where = f"{intent.target_ref.kind} {intent.target_ref.namespace}/{intent.target_ref.name}"
    if part_of(raw, "/metadata/deletionTimestamp") is not None:
        return Skip(message=f"{where} is being deleted already")
    if part_of(remediators.condition(raw, remediators.SUCCEEDED), "/status") == "True":
        return Skip(message=f"{where} has succeeded, so the node is fenced: whoever sees that it is well deletes it")
    return _unmake(raw, f"{where} goes before it has succeeded: what it has begun its remediator ends")


def needs(params: NodeRemediation, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To read the template, to make the object, to see what becomes of it and to delete it; and to see whether medik8s is at work on the node."""
    return (*_rights(remediators.of_template(params.template_ref.kind)), nodes.READ_LEASES)


KIND: Final = StepKind(
    name="nodeRemediation",
    params=NodeRemediation,
    impact=StepImpact.DESTRUCTIVE,
    kinds=nodes.NODE,
    rights=(*(right for one in REMEDIATORS for right in _rights(one)), nodes.READ_LEASES),
    granted_by=FOLDER,
    needs=needs,
    plan=plan,
    undo=undo,
    goes_on=True,
    approval_always=True,
    made_acts=True,
    lasting="it ends by itself once the node is Ready, and a node that is not must not be given back by a clock",
)
