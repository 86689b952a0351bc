"""What the tests on a real control plane share: a session, a namespace of one's own, and waiting with a deadline."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
import yaml

from prunella.adapters.kubernetes.client import Api, connect

T = TypeVar("T")


def granted(environment: Mapping[str, str]) -> str:
    """The kubeconfig that the tests may use: of a box, or of the cluster that CLUSTER names. An exported KUBECONFIG alone is nobody's permission."""
    named = environment.get("BOX_DIR") or environment.get("CLUSTER") in {"kubeconfig", "kind"}
    return environment.get("KUBECONFIG", "") if named else ""


KUBECONFIG = granted(os.environ)
SOON = 30.0

needs_control_plane = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="needs a control plane: `hack/cluster/box run NAME -- pytest tests/cluster`"),
]


class Numbers:
    """The port Telemetry, in memory."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name, tuple(sorted(labels.items()))] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        pass

    def observe(self, name: str, value: float, **labels: str) -> None:
        pass

    def total(self, name: str, **labels: str) -> int:
        return sum(n for (which, found), n in self.counts.items() if which == name and set(labels.items()) <= set(found))


@asynccontextmanager
async def session(kubeconfig: str = KUBECONFIG, numbers: Numbers | None = None) -> AsyncIterator[Api]:
    async with await connect(kubeconfig, None, numbers or Numbers()) as api:
        yield api


@asynccontextmanager
async def own_namespace(api: Api, **labels: str) -> AsyncIterator[str]:
    name = f"t-{uuid4().hex[:10]}"
    await must(api, "POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})

    async def account() -> bool:
        return (await api.request("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default"))[0] == 200

    # Without it no pod can be created.
    await eventually(account)
    try:
        yield name
    finally:
        await api.request("DELETE", f"/api/v1/namespaces/{name}")


async def must(api: Api, method: str, path: str, body: object = None, content_type: str = "application/json", **query: str) -> Any:
    status, answer = await api.request(method, path, query, body, content_type)
    assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
    return answer


async def kubeconfig_of(api: Api, namespace: str, account: str, folder: Path) -> str:
    """A kubeconfig with a token of that ServiceAccount."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    token = (await must(api, "POST", path, {"spec": {"expirationSeconds": 600}}))["status"]["token"]
    config = yaml.safe_load(Path(KUBECONFIG).read_text())
    user = next(context["context"]["user"] for context in config["contexts"] if context["name"] == config["current-context"])
    config["users"] = [{"name": user, "user": {"token": token}}]
    file = folder / f"{account}.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return str(file)


async def eventually(question: Callable[[], T | Awaitable[T]], *, seconds: float = SOON) -> T:
    """The first answer that is true. Fails when the deadline passes, and shows the last one."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        answer = question()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert loop.time() < end, f"not within {seconds} s: {answer!r}"
        await asyncio.sleep(0.05)


async def kubectl(*arguments: str, stdin: str = "") -> str:
    done = await kubectl_attempt(*arguments, stdin=stdin)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


async def kubectl_attempt(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = ["kubectl", f"--kubeconfig={KUBECONFIG}", *arguments]
    return await asyncio.to_thread(subprocess.run, argv, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def deployment(
    name: str, image: str, *, replicas: int = 0, annotations: dict[str, str] | None = None, env: dict[str, str] | None = None
) -> dict[str, Any]:
    container = {"name": "app", "image": image, "env": [{"name": key, "value": value} for key, value in (env or {}).items()]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **({"annotations": annotations} if annotations else {})},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}},
        },
    }


async def numbered(api: Api, path: str, revision: int) -> dict[str, Any]:
    """The Deployment, once its controller has written that revision's number: until then an annotation may come between two requests."""

    async def there() -> dict[str, Any] | None:
        stored = await must(api, "GET", path)
        return stored if stored["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision") == str(revision) else None

    return await eventually(there)
