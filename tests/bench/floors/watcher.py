"""The bare watcher: the floor for status → effect. It watches every pod and, when one is restarted for the second time, PATCHes a Deployment.

Nothing is read back, nothing is stored, nobody is asked: what a machine can do at best on this API server. `python -m tests.bench.floors.watcher`
takes the API server from KUBECONFIG; which Deployment a pod is about stands in the pod's label `bench/floor-of`.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

MIN_RESTARTS = 2
LABEL = "bench/floor-of"


class Meta(msgspec.Struct, rename="camel", gc=False):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None


class Container(msgspec.Struct, rename="camel", gc=False):
    restart_count: int = 0


class Status(msgspec.Struct, rename="camel", gc=False):
    container_statuses: list[Container] | None = None


class Pod(msgspec.Struct, gc=False):
    metadata: Meta = msgspec.field(default_factory=Meta)
    status: Status = msgspec.field(default_factory=Status)


class Event(msgspec.Struct, gc=False):
    type: str
    object: Pod


def session(kubeconfig: Path) -> tuple[str, aiohttp.ClientSession]:
    """The API server's address and a session with it, by client certificate."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
    tls.load_cert_chain(user["client-certificate"], user["client-key"])
    return cluster["server"], aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0), timeout=aiohttp.ClientTimeout(total=None))


async def watch(server: str, http: aiohttp.ClientSession) -> None:
    """Watch until ended."""
    async with http.get(f"{server}/api/v1/pods", params={"limit": "1"}) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    decode = msgspec.json.Decoder(Event).decode
    done: set[str] = set()
    sending: set[asyncio.Task[Any]] = set()
    async with http.get(f"{server}/api/v1/pods", params={"watch": "true", "resourceVersion": version}, timeout=None) as answer:
        rest = b""
        async for chunk in answer.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                pod = decode(line).object
                target = (pod.metadata.labels or {}).get(LABEL, "")
                restarts = max((one.restart_count for one in pod.status.container_statuses or ()), default=0)
                if target and restarts >= MIN_RESTARTS and target not in done:
                    done.add(target)
                    task = asyncio.create_task(patch(server, http, pod.metadata.namespace, target))
                    sending.add(task)
                    task.add_done_callback(sending.discard)


async def patch(server: str, http: aiohttp.ClientSession, namespace: str, name: str) -> None:
    """The effect."""
    url = f"{server}/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    headers = {"Content-Type": "application/merge-patch+json"}
    async with http.patch(url, data=json.dumps({"metadata": {"annotations": {"bench/acted": "true"}}}), headers=headers) as answer:
        answer.raise_for_status()


async def main() -> None:
    """Warm the connection that the effect will take, then watch."""
    server, http = session(Path(os.environ["KUBECONFIG"]))
    async with http:
        await watch(server, http)


if __name__ == "__main__":
    asyncio.run(main())
