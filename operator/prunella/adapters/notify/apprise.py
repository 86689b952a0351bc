"""Apprise: chat, mail and some hundred other services behind one URL.

The library is synchronous, so it runs in threads of its own with a deadline: a service that hangs holds up no other work. The rules this module
protects: a part of the recipients is a failure; an address that the URL's author chose obeys the same destinations as every other (services with an
address of their own are theirs to vouch for); redirects are off; services of the local machine are refused, because nobody reads the desktop of a
pod; and the library's own log, which holds URLs, is shut.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import apprise
from apprise.result import AppriseResult, AppriseResultStatus

from prunella.api.names import MessageKind
from prunella.app.errors import Permanent, Retryable
from prunella.core.people.message import Envelope

from . import destinations
from .secrets import Credential

TIMEOUT_SECONDS: Final = 10
_SENDERS: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="apprise")
_LOCAL: Final = frozenset({"dbus", "kde", "qt", "glib", "gio", "gnome", "macosx", "windows", "syslog"})
_FIXED_MODES: Final = frozenset({"cloud", "official", "t2bot"})
"""Modes in which a service that may also be self-hosted is reached at its own address; its URL's host is a topic or a token then."""


async def send(credential: Credential, envelope: Envelope, resolve: destinations.Resolve, *, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
    """Notify. Raises Retryable or Permanent."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    sender = await loop.run_in_executor(_SENDERS, _sender, credential.value)  # the first one loads every service, which takes a while
    if not len(sender):
        raise Permanent(f"Apprise can't read the address in {credential.where}")
    for service in sender:
        service.redirects = False  # the URL could have asked for them
        await _judge(service, credential, resolve)
    _told(await loop.run_in_executor(_SENDERS, _notify, sender, envelope, timeout_seconds), timeout_seconds)


def _sender(value: str) -> apprise.Apprise:
    """The services of an address; none where one of several can't be read."""
    sender = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False, secure_logging=True))
    if not sender.add(value):
        sender.clear()
    return sender


def _notify(sender: apprise.Apprise, envelope: Envelope, timeout_seconds: int) -> AppriseResult:
    kind = apprise.NotifyType.FAILURE if envelope.kind is MessageKind.PAGE else apprise.NotifyType.INFO
    title = f"[{envelope.priority}] {envelope.title}"
    return sender.notify(body=envelope.text, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT, timeout=timeout_seconds)


def _told(result: AppriseResult, timeout_seconds: int) -> None:
    match result.status:
        case AppriseResultStatus.SUCCESS:
            return
        case AppriseResultStatus.PARTIAL:
            raise Permanent("Apprise reached only some of the recipients; the next method tells the rest")
        case AppriseResultStatus.TIMEOUT:
            raise Retryable(f"Apprise's service did not answer within {timeout_seconds} s")
        case _:
            raise Retryable("Apprise's service did not take the message")


async def _judge(service: Any, credential: Credential, resolve: destinations.Resolve) -> None:
    schemas = {str(one) for group in (service.protocol, service.secure_protocol) for one in ([group] if isinstance(group, str) else group or ())}
    if schemas & _LOCAL:
        raise Permanent(f"the service '{min(schemas & _LOCAL)}' tells only the machine that the operator runs on")
    host = str(getattr(service, "smtp_host", "") or service.host or "").strip("[]")
    chosen = any("{host}" in str(template) for template in service.templates)
    if not chosen or not host or str(getattr(service, "mode", "")) in _FIXED_MODES:
        return
    scheme = "https" if service.secure else "http"
    port = service.port or destinations.DEFAULT_PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    await destinations.judge(f"{scheme}://{shown}:{port}/", credential.allowed, resolve)
