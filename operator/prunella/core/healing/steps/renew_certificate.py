"""renewCertificate: cert-manager is asked to issue a certificate anew, as `cmctl renew` asks it, and the step waits until it did.

The rule this module protects: no retry storm. What is being renewed, is not due, or failed within the last hour is left to cert-manager, because
issuers count tries; and no Secret is read or written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT, Workload
from prunella.core.healing.effects.effect import WROTE_KEY, Json, Patch, guarded_sha256, part_of
from prunella.core.healing.refusal import Refusal

from .step import SETTLE, WORKLOADS, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait

CERTIFICATE: Final = ("cert-manager.io/v1", "Certificate")
KINDS: Final = WORKLOADS | {CERTIFICATE[1]}
CONDITIONS: Final = "/status/conditions"
NOT_AFTER: Final = "/status/notAfter"
PATCH: Final = Right(verb="patch", group="cert-manager.io", resource="certificates/status")
ISSUING: Final = "Issuing"
BETWEEN: Final = timedelta(hours=1)
LOOK: Final = timedelta(seconds=5)


class RenewCertificate(WireModel):
    """Have cert-manager renew a Certificate, the target or one whose Secret it uses, and wait until it did. Only where its renewal is overdue."""

    certificate: Annotated[str, Field(min_length=1, max_length=253, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None = None
    """Name of the Certificate, in the target's namespace; the target must use its Secret. If absent, the target itself."""


def plan(params: RenewCertificate, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch of its status, once; then it waits."""
    found = _certificate(params, live)
    if not isinstance(found, Mapping):
        return found
    name, issuing = f"Certificate {part_of(found, '/metadata/name')}", _condition(found, ISSUING)
    if done:
        return _renewed(found, name, live, done)
    if part_of(issuing, "/status") == "True":
        return _left(live, found, Done(message=f"{name} is being renewed already ({part_of(issuing, '/reason')})"))
    ends, due, failed = (_instant(part_of(found, f"/status/{one}")) for one in ("notAfter", "renewalTime", "lastFailureTime"))
    if ends is None:
        return _left(live, found, Failed(message=f"{name} was never issued: there is nothing to renew"))
    if live.now < min(due or ends, ends):
        return _left(live, found, Done(message=f"{name} is not due: it holds until {ends:%Y-%m-%d %H:%M}"))
    if failed is not None and live.now - failed < BETWEEN:
        why = part_of(issuing, "/message") or "no reason is told"
        said = f"{name} failed to be renewed at {failed:%H:%M:%S} ({why}): it is not asked for again within an hour"[:1024]
        return _left(live, found, Failed(message=said), until=failed + BETWEEN)
    return _ask(found, live)


def _left(live: LiveFacts, found: Json, why: Done | Failed, *, until: datetime | None = None) -> Next:
    """Left to cert-manager. Of the target itself that is known before a run is begun, so that none is; of another one the step ends."""
    return Refusal(reason="PreconditionFalse", message=why.message, look_again_time=until) if found is live.raw else why


def secrets_of(raw: Json) -> Iterator[str]:
    """The names of the Secrets that a workload's pods mount."""
    for volume in _listed(raw, "/spec/template/spec/volumes"):
        sources = [part_of(volume, "/secret/secretName"), *(part_of(one, "/secret/name") for one in _listed(volume, "/projected/sources"))]
        yield from (one for one in sources if isinstance(one, str))


def _certificate(params: RenewCertificate, live: LiveFacts) -> Json | Next:
    """The target, or the Certificate whose Secret it mounts; what the step wants where that is not known, or not there."""
    target = live.subject
    if target.kind == CERTIFICATE[1] and params.certificate in {None, target.name}:
        return live.raw
    if params.certificate is None:
        return Failed(message=f"{target.short} is no Certificate, and the step names none")
    if not isinstance(target, Workload):
        return Failed(message=f"{target.short} uses no Certificate {params.certificate}")
    workload = target
    asked = Listed(*CERTIFICATE, workload.namespace, params.certificate)
    listed = live.answers.get(asked)
    if listed is None:
        return Ask(reads=(asked,))
    if isinstance(listed, UnknownT):
        return Wait(until_time=live.now + SETTLE, message=f"Certificate {params.certificate} could not be read")
    if not listed:
        return Failed(message=f"there is no Certificate {params.certificate} in {workload.namespace}")
    if part_of(listed[0], "/spec/secretName") not in set(secrets_of(live.raw)):
        return Failed(message=f"{workload.short} mounts no Secret of Certificate {params.certificate}")
    return listed[0]


def _ask(found: Json, live: LiveFacts) -> Patch:
    before = part_of(found, CONDITIONS)
    asked = {
        "type": ISSUING,
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Certificate re-issuance manually triggered",
        "lastTransitionTime": f"{live.intent_time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        **({"observedGeneration": generation} if isinstance(generation := part_of(found, "/metadata/generation"), int) else {}),
    }
    after = [*(one for one in _listed(found, CONDITIONS) if part_of(one, "/type") != ISSUING), asked]
    ref = ObjectRef(
        api_version=CERTIFICATE[0],
        kind=CERTIFICATE[1],
        namespace=live.subject.namespace,
        name=str(part_of(found, "/metadata/name")),
        uid=str(part_of(found, "/metadata/uid")),
    )
    return Patch(
        target=ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "test", "path": CONDITIONS, "value": before},
            {"op": "add" if before is None else "replace", "path": CONDITIONS, "value": after},
        ),
        guarded_path=CONDITIONS,
        stamped=False,  # status bears no annotations
        subresource="status",
        does=f"cert-manager is asked to renew Certificate {part_of(found, '/metadata/name')}",
        before={"guardedSha256": guarded_sha256(before), WROTE_KEY: guarded_sha256(after), "notAfter": str(part_of(found, NOT_AFTER))},
    )


def _renewed(found: Json, name: str, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """What cert-manager made of it."""
    before = next((one.intent.before.get("notAfter") for one in done if one.intent is not None), None)
    ends, issuing = part_of(found, NOT_AFTER), _condition(found, ISSUING)
    if ends is not None and before is not None and ends != before:
        return Done(message=f"{name} was renewed: it holds until {ends}")
    if part_of(issuing, "/status") == "False":
        return Failed(message=f"{name} was not renewed: {part_of(issuing, '/reason')}: {part_of(issuing, '/message')}"[:1024])
    return Wait(until_time=live.now + LOOK, message=f"{name} is being renewed")


def _condition(found: Json, type_: str) -> Json:
    return next((one for one in _listed(found, CONDITIONS) if part_of(one, "/type") == type_), {})


def _instant(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _listed(raw: Json, path: str) -> list[Json]:
    found = part_of(raw, path)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, Sequence) and not isinstance(found, str) else []


def needs(params: RenewCertificate, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of the status of Certificates."""
    return (PATCH,) if kind in KINDS else ()


KIND: Final = StepKind(
    name="renewCertificate",
    params=RenewCertificate,
    impact=StepImpact.LOW,
    kinds=KINDS,
    rights=(PATCH,),
    needs=needs,
    plan=plan,
    goes_on=True,
)
