"""One HTTP POST to a judged destination.

The rule this module protects: one try, ten seconds, no redirect, only the addresses that were judged, at most 64 KiB of answer, and nothing of
the answer's body or of the URL in an error. The status alone decides what the caller should do.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from prunella.app.errors import Permanent, Retryable

from .destinations import Destination

TIMEOUT_SECONDS: Final = 10.0
LONGEST_REPLY: Final = 65_536
_RETRYABLE: Final = frozenset({408, 425, 429})
_LONGEST_DELAY: Final = 300.0
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


class _Pinned(AbstractResolver):
    """Answers with the addresses that were judged, whatever the name resolves to by now."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Every judged address, as if DNS had said so."""
        del family  # the addresses carry their own
        return [
            ResolveResult(hostname=host, host=address, port=port, family=_family(address), proto=0, flags=socket.AI_NUMERICHOST)
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Unreached(Retryable):
    """No connection was made: nothing was sent."""


async def post(destination: Destination, body: bytes, headers: Mapping[str, str], *, who: str) -> None:
    """Send it. `who` begins the error's sentence. Raises Retryable for what may pass (network, 408, 425, 429, 5xx), else Permanent."""
    _judge(await exchange(destination, body, headers, who=who), who)


async def exchange(destination: Destination, body: bytes, headers: Mapping[str, str], *, who: str) -> aiohttp.ClientResponse:
    """Send it; the answer, whatever its status, without its body. Raises Unreached, Retryable or Permanent where none came."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(resolver=_Pinned(destination.addresses), use_dns_cache=False, force_close=True)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False, auto_decompress=False) as session,
            session.post(destination.url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            await _drain(response)
    except TimeoutError as error:
        raise Retryable(f"{who} did not answer within {TIMEOUT_SECONDS:.0f} s") from error
    except aiohttp.InvalidURL:
        raise Permanent(f"{who} could not be asked: the address is no URL") from None  # the error's text would hold the URL
    except aiohttp.ClientConnectorError as error:
        raise Unreached(f"{who} could not be reached ({type(error).__name__})") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Retryable(f"{who} could not be reached ({type(error).__name__})") from error
    return response


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read and forget, so that a sender sees its answer taken; stop where it becomes too long."""
    read = 0
    async for chunk in response.content.iter_any():
        read += len(chunk)
        if read > LONGEST_REPLY:
            return


def _judge(response: aiohttp.ClientResponse, who: str) -> None:
    status = response.status
    if status in _RETRYABLE:
        raise Retryable(f"{who} answered {status}", delay=_retry_after(response))
    match status // 100:
        case 2:
            return
        case 5:
            raise Retryable(f"{who} answered {status}", delay=_retry_after(response))
        case 4:
            raise Permanent(f"{who} refused the message with {status}; check the Secret and what the receiver expects")
        case 3:
            raise Permanent(f"{who} answered {status}: redirects are not followed; put the final address into the Secret")
        case _:
            raise Permanent(f"{who} answered {status}, which says nothing about the message")


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """Seconds that the receiver asks for; a date, nonsense or nothing counts as one second."""
    seconds = response.headers.get("Retry-After", "")
    return min(float(seconds), _LONGEST_DELAY) if _SECONDS.fullmatch(seconds) else 1.0


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
