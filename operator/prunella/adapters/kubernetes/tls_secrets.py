"""TLS Secrets that the HealingPolicy names, one by one: the times of the certificate are taken out, and the rest is let go.

The rule this module protects: the private key is skipped by the decoder and never becomes a value of its own. The body that it stood in is dropped
with the answer; nothing here is logged, and no error quotes a byte of it.
"""

from __future__ import annotations

import base64
from typing import Final

import msgspec

from prunella.app.errors import Permanent, Retryable
from prunella.core.things.leaf import Malformed, validity
from prunella.core.things.tls_secret import CERTIFICATE_KEY, TYPE, TlsSecret, Unread

from .answers import FORBIDDEN, NOT_FOUND, Answer, refuse
from .client import Api
from .decode_things import identity
from .secrets import SECRET
from .wire import Meta, Wire
from .wire_things import Thing

MANAGED_ANNOTATION: Final = "cert-manager.io/certificate-name"
MANAGER_GROUP: Final = "cert-manager.io/"


class _Data(Wire, frozen=True):
    """data of a Secret: the certificate alone."""

    certificate: str = msgspec.field(name=CERTIFICATE_KEY, default="")


class _Secret(Thing, frozen=True):
    """A Secret without its other values."""

    type: str = ""
    data: _Data | None = None


async def read(api: Api, namespace: str, name: str) -> TlsSecret | Unread | None:
    """The Secret; None where it is not there. Raises Retryable and Permanent."""
    try:
        call = SECRET.call("get", namespace, name)
    except Permanent:
        return None  # no object can bear such a name
    answer = await api.send(call)
    if answer.status == NOT_FOUND:
        return None
    if answer.status == FORBIDDEN:
        return Unread.FORBIDDEN
    if not answer.good:
        refuse(answer, call)
    return _decoded(answer)


def _decoded(answer: Answer) -> TlsSecret:
    try:
        stored = msgspec.json.decode(answer.raw, type=_Secret)
    except msgspec.DecodeError:
        raise Retryable("Something between us and the API server answered with what is no Secret", delay=answer.delay) from None
    known = identity(stored.metadata) | {"keeper": _keeper(stored.metadata)}
    if stored.type != TYPE:
        return TlsSecret(**known, unreadable=f"its type is not {TYPE}")
    pem = stored.data.certificate if stored.data is not None else ""
    if not pem:
        return TlsSecret(**known, unreadable=f"it has no {CERTIFICATE_KEY}")
    try:
        return TlsSecret(**known, holds=validity(base64.b64decode(pem, validate=True)))
    except Malformed as error:
        return TlsSecret(**known, unreadable=f"{CERTIFICATE_KEY} can't be used: {error}")
    except ValueError:  # binascii's own among them
        return TlsSecret(**known, unreadable=f"its {CERTIFICATE_KEY} is not base64")


def _keeper(meta: Meta) -> str:
    """The Certificate of cert-manager that is said to keep it: its owner, or the one that its annotation names. Both outlive the Certificate."""
    owners = (one.name for one in meta.owner_references or () if one.kind == "Certificate" and one.api_version.startswith(MANAGER_GROUP))
    return next(owners, "") or (meta.annotations or {}).get(MANAGED_ANNOTATION, "")
