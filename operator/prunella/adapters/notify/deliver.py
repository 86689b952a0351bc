"""Which transport carries a message.

The rule this module protects: a receiver's method names exactly one transport and a key of a Secret; the value is read here, goes to the
transport, and is blotted out of whatever the transport raises.
"""

from __future__ import annotations

from typing import Final

from prunella.api.healing_policy import ReceiverMethod, SecretKeyRef
from prunella.app.errors import Permanent, Retryable
from prunella.app.ports import Clock
from prunella.core.people.message import Envelope

from . import apprise, pagerduty, webhook
from .destinations import Resolve, resolve_name
from .secrets import Credential, ReadSecret, Secrets

COMPANIONS: Final = {"webhook": (webhook.HMAC,), "pagerduty": (pagerduty.URL,), "apprise": ()}
"""Transports, with the suffixes of further keys that each reads beside its own."""


class Transports:
    """Implements the port Deliver."""

    def __init__(self, read_secret: ReadSecret, clock: Clock, *, cluster: str = "default", resolve: Resolve = resolve_name) -> None:
        self._secrets = Secrets(read_secret, clock)
        self._clock = clock
        self._cluster = cluster
        self._resolve = resolve

    async def deliver(self, method: ReceiverMethod, envelope: Envelope) -> None:
        """Send one message by one method. Raises Retryable (with delay) or Permanent, both without any value of the Secret."""
        transport, ref = _chosen(method)
        credential = await self._secrets.credential(ref, companions=COMPANIONS[transport])
        try:
            await self._send(transport, credential, envelope)
        except (Retryable, Permanent) as error:
            if isinstance(error, Permanent):
                self._secrets.forget(ref.secret_name)  # it may have been replaced a moment ago
            raise credential.blotted(error) from error.__cause__

    async def _send(self, transport: str, credential: Credential, envelope: Envelope) -> None:
        match transport:
            case "webhook":
                await webhook.send(credential, envelope, self._clock.now(), self._cluster, self._resolve)
            case "pagerduty":
                await pagerduty.send(credential, envelope, self._cluster, self._resolve)
            case _:
                await apprise.send(credential, envelope, self._resolve)


def _chosen(method: ReceiverMethod) -> tuple[str, SecretKeyRef]:
    """The API lets a method name exactly one; a newer API server could have stored one that this version does not know."""
    for transport, ref in (("webhook", method.webhook), ("pagerduty", method.pagerduty), ("apprise", method.apprise)):
        if ref is not None:
            return transport, ref
    raise Permanent(f"the method '{method.name}' names none of webhook, pagerduty and apprise")
