"""Puts objects into a cluster by server-side apply, as `kubectl apply --server-side` does, and asks for the operator's token.

The rule it protects: installing again changes nothing that is already right, and takes nothing back that a person has set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from prunella.app.errors import Conflict, Permanent, Retryable

from .answers import CONFLICT, FORBIDDEN, NOT_FOUND, UNAUTHORIZED, Answer
from .client import Api
from .resources import Call, Resource

FIELD_MANAGER: Final = "prunella-install"
APPLY: Final = "application/apply-patch+yaml"
DEFINITION: Final = Resource(
    api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition", plural="customresourcedefinitions", namespaced=False
)
ACCOUNT: Final = Resource(api_version="v1", kind="ServiceAccount", plural="serviceaccounts")
CREATED: Final = 201
LOOK_AGAIN_SECONDS: Final = 0.2
TIMEOUT_SECONDS: Final = 30.0
OLDEST: Final = (1, 32)
"""First Kubernetes that can select by our fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of one object."""

    words: str
    """As kubectl prints it: 'serviceaccount/prunella'."""
    result: Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token, and until when it is one."""

    value: str
    expires: str


class Installer:
    """Writes to one cluster as whoever the kubeconfig says. Every error is a sentence for that person."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._served: dict[tuple[str, str], Resource] = {}

    async def reach(self) -> str:
        """Ask the API server for its version, as in '1.35'. Raises Permanent where it can't be reached, or is too old."""
        try:
            answer = await self._good(Call(verb="get", path="/version", words="get /version"), "ask for the version")
        except Retryable as error:
            server = self._api.credentials.server
            raise Permanent(f"{server} can't be reached: {error.__cause__ or error}; check the context and the network") from error
        version = answer.object()
        major, minor = (int(str(version[part]).rstrip("+")) for part in ("major", "minor"))
        if (major, minor) < OLDEST:
            raise Permanent(f"The cluster runs Kubernetes {major}.{minor}; Prunella needs {OLDEST[0]}.{OLDEST[1]} or newer")
        return f"{major}.{minor}"

    async def apply(self, document: Mapping[str, Any], *, force: bool) -> Applied:
        """Apply an object. Without `force`, raises Conflict with the fields that somebody else has set to another value."""
        resource = await self._resource(document["apiVersion"], document["kind"])
        metadata = document["metadata"]
        namespace, name = metadata.get("namespace"), metadata["name"]
        words = f"{resource.kind.lower()}{f'.{resource.group}' if resource.group else ''}/{name}"
        before = await self._substance(resource.call("get", namespace, name, timeout=TIMEOUT_SECONDS), words)
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false", "fieldValidation": "Strict"}
        call = resource.call("patch", namespace, name, query=query, body=document, content_type=APPLY, timeout=TIMEOUT_SECONDS)
        answer = await self._good(call, f"apply {words}")
        if answer.status == CREATED:
            return Applied(words=words, result="created")
        return Applied(words=words, result="unchanged" if before == _substance_of(answer) else "configured")

    async def established(self, names: Iterable[str], patience: float, waiting: Callable[[list[str], float], None]) -> None:
        """Wait until the API server serves these definitions; `waiting` hears the rest and the seconds. Raises Permanent after `patience` seconds."""
        rest = sorted(names)
        clock = asyncio.get_running_loop().time
        began = clock()
        while rest := [name for name in rest if not await self._is_established(name)]:
            if clock() - began > patience:
                raise Permanent(f"The API server does not serve {', '.join(rest)} after {patience:g} s; `kubectl describe crd {rest[0]}` says why")
            waiting(rest, clock() - began)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def token(self, namespace: str, account: str, seconds: int) -> Token:
        """Ask for a token of a ServiceAccount. The API server may shorten it: `expires` says until when it holds."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
        call = ACCOUNT.call("create", namespace, account, "token", body=body, timeout=TIMEOUT_SECONDS)
        status = (await self._good(call, f"create a token of serviceaccount/{account} in {namespace}")).object()["status"]
        return Token(value=status["token"], expires=status["expirationTimestamp"])

    async def _resource(self, api_version: str, kind: str) -> Resource:
        """Look a kind up in the API server's own list; one that has just been defined may need a moment to appear there."""
        for _ in range(50):
            if known := self._served.get((api_version, kind)):
                return known
            path = f"/{'apis' if '/' in api_version else 'api'}/{api_version}"
            answer = await self._api.send(Call(verb="get", path=path, words=f"get {path}", timeout=TIMEOUT_SECONDS))
            if answer.status != NOT_FOUND:
                self._remember(api_version, _judged(answer, f"list the kinds of {api_version}").object())
            if (api_version, kind) not in self._served:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise Permanent(f"The API server does not know {kind} in {api_version}")

    def _remember(self, api_version: str, listed: dict[str, Any]) -> None:
        for entry in listed.get("resources", []):
            if "/" not in entry["name"]:
                resource = Resource(api_version=api_version, kind=entry["kind"], plural=entry["name"], namespaced=entry["namespaced"])
                self._served[api_version, entry["kind"]] = resource

    async def _substance(self, call: Call, words: str) -> dict[str, Any] | None:
        answer = await self._api.send(call)
        return None if answer.status == NOT_FOUND else _substance_of(_judged(answer, f"get {words}"))

    async def _is_established(self, name: str) -> bool:
        answer = await self._good(DEFINITION.call("get", None, name, timeout=TIMEOUT_SECONDS), f"get crd/{name}")
        # Right after its creation a definition has no status yet, or one with null in it.
        conditions = (answer.object().get("status") or {}).get("conditions") or []
        return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)

    async def _good(self, call: Call, words: str) -> Answer:
        return _judged(await self._api.send(call), words)


def _substance_of(answer: Answer) -> dict[str, Any]:
    """Return what an apply can change: a controller may write the status of an object at the same moment."""
    whole = answer.object()
    metadata = {key: value for key, value in whole["metadata"].items() if key not in {"resourceVersion", "managedFields"}}
    return {key: value for key, value in whole.items() if key != "status"} | {"metadata": metadata}


def _judged(answer: Answer, words: str) -> Answer:
    """Return a good answer; raise what a bad one means to the person who installs."""
    if answer.good:
        return answer
    match answer.status:
        case status if status == UNAUTHORIZED:
            raise Permanent(f"The API server does not know you: {answer.message}; log in again, or choose another --context")
        case status if status == FORBIDDEN:
            raise Permanent(f"You may not {words}: {answer.message}; installing takes the rights of a cluster administrator")
        case status if status == CONFLICT:
            raise Conflict(answer.message)
        case status if status >= 500:  # noqa: PLR2004 - the server's own faults
            raise Retryable(f"The API server failed to {words}: {answer.message}; try again", delay=answer.delay)
        case _:
            raise Permanent(f"The API server refused to {words}: {answer.message}")
