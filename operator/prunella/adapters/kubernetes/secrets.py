"""Receivers' Secrets: the only ones that the operator may get, by name, in its own namespace."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping

from prunella.app.errors import Permanent

from .client import Api
from .resources import Resource

SECRET = Resource(api_version="v1", kind="Secret", plural="secrets")
Content = tuple[Mapping[str, bytes], Mapping[str, str]]


def reader(api: Api, namespace: str) -> Callable[[str], Awaitable[Content | None]]:
    """A function that reads one Secret: its data and its annotations; None where there is none."""

    async def read(name: str) -> Content | None:
        answer = await api.ask(SECRET.call("get", namespace, name))
        if answer is None:
            return None
        stored = answer.object()
        try:
            data = {key: base64.b64decode(value, validate=True) for key, value in (stored.get("data") or {}).items()}
        except binascii.Error as error:
            raise Permanent(f"Secret '{name}' holds a value that is not base64") from error
        annotations = (stored.get("metadata") or {}).get("annotations") or {}
        return data, annotations

    return read
