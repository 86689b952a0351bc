"""Where a message may go.

The rule this module protects: a URL out of a Secret reaches the public internet by https on port 443 and nothing else, so that whoever writes a
receiver can't use the operator to talk to the cluster's inside or to a cloud's metadata. A name is resolved once and the connection goes to
exactly the addresses that were judged. Only a host that the Secret's annotation `prunella.dev/allowed-hosts` names (`host[:port]`) may be
private, loopback or plain http; metadata and other link-local addresses may not even then. Names are resolved in threads of their own, with a
deadline: a name server that hangs holds up nobody else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from prunella.api.marks import ALLOWED_HOSTS_ANNOTATION
from prunella.app.errors import Permanent, Retryable

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A name and a port in, its addresses out. Raises OSError."""

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
RESOLVE_SECONDS: Final = 5.0
_RESOLVERS: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")
_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"), IPv6Network("2001::/32"))
"""NAT64, 6to4 and Teredo: an IPv4 address hides in them."""
_METADATA: Final = frozenset({ip_address("169.254.169.254"), ip_address("fd00:ec2::254"), ip_address("fd20:ce::254"), ip_address("100.100.100.200")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A URL that was judged, with the addresses it may be reached at."""

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """The system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    return [str(entry[4][0]) for entry in found]


def allowed_hosts(annotation: str) -> frozenset[tuple[str, int | None]]:
    """The hosts of `prunella.dev/allowed-hosts`, separated by commas or spaces, each with its port or None for the scheme's own."""
    return frozenset(_allowed(entry) for entry in annotation.replace(",", " ").split())


async def judge(
    url: str, allowed: frozenset[tuple[str, int | None]], resolve: Resolve = resolve_name, *, patience: float = RESOLVE_SECONDS
) -> Destination:
    """Decide on a URL. Raises Permanent with the reason, without the URL; Retryable where the name can't be resolved now."""
    parts, host, port = _split(url)
    named = (host, port) in allowed or ((host, None) in allowed and port == DEFAULT_PORTS[parts.scheme])
    hint = f"name '{host}:{port}' in the Secret's annotation {ALLOWED_HOSTS_ANNOTATION} if that is meant"
    if not named and parts.scheme != "https":
        raise Permanent(f"the address must begin with https://; {hint}")
    if not named and port != DEFAULT_PORTS["https"]:
        raise Permanent(f"the port must be 443; {hint}")
    addresses = await _addresses(host, port, resolve, patience)
    for address in addresses:
        _judge_address(address, host, named=named, hint=hint)
    return Destination(url=url, host=host, port=port, addresses=tuple(str(address) for address in addresses))


def _allowed(entry: str) -> tuple[str, int | None]:
    host, separator, port = entry.rpartition(":")
    if entry.startswith("[") and entry.endswith("]"):
        return entry[1:-1].lower(), None
    if separator and port.isdecimal() and (host.startswith("[") or ":" not in host):
        return host.strip("[]").lower().rstrip("."), int(port)
    return entry.lower().rstrip("."), None


def _split(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Permanent("the address is no URL") from None  # the error's text would hold the URL
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in DEFAULT_PORTS:
        raise Permanent("the address must begin with https://")
    if not host or not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        raise Permanent("the address is no URL with a host name")
    if parts.username is not None or parts.password is not None:
        raise Permanent("the address must not hold a user name or password")
    return parts, host, DEFAULT_PORTS[parts.scheme] if port is None else port


async def _addresses(host: str, port: int, resolve: Resolve, patience: float) -> tuple[Address, ...]:
    try:
        return (ip_address(host),)
    except ValueError:
        pass
    try:
        async with asyncio.timeout(patience):
            found = await resolve(host, port)
    except TimeoutError as error:  # before OSError, of which it is one
        raise Retryable(f"the host name '{host}' could not be resolved within {patience:g} s") from error
    except (OSError, UnicodeError) as error:
        raise Retryable(f"the host name '{host}' could not be resolved") from error
    if not found:
        raise Retryable(f"the host name '{host}' has no address")
    return tuple(dict.fromkeys(ip_address(one.partition("%")[0]) for one in found))


def _judge_address(address: Address, host: str, *, named: bool, hint: str) -> None:
    """All addresses of a name must be allowed: with one of them a second look-up could be steered."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or any(address in network for network in _TRANSLATED)):
        raise Permanent(f"'{host}' leads to an IPv4 address dressed as IPv6, which is refused")
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise Permanent(f"'{host}' leads to a link-local, metadata or multicast address, which is refused")
    if not named and not address.is_global:
        raise Permanent(f"'{host}' leads to a private, loopback or reserved address; {hint}")
