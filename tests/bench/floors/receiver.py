"""The no-op receiver: the floor for alert → Incident. It takes Alertmanager's webhook, POSTs one object per new alert, and answers.

`python -m tests.bench.floors.receiver PORT NAMESPACE`; the API server is KUBECONFIG's. The object is an Incident by the same schema, in a group of
its own so that nobody else handles it; no target is looked for, nothing joins, nothing is decided.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.bench.floors.watcher import session

GROUP = "floor.example.com"
PATH = "/api/v1/alertmanager"


def incident(alert: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object of one alert, named by its labels."""
    labels = alert["labels"]
    name = hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:24]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": labels["deployment"]}
    signal = {"key": f"alert/{name}", "startedTime": alert["startsAt"], "seenTime": alert["startsAt"], "labels": labels}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": f"floor-{name}", "namespace": namespace, "labels": {"bench/alert": labels["alert"]}},
        "spec": {"title": labels["alertname"], "targetRef": target, "source": {"kind": "Alertmanager", "signal": signal}},
    }


async def main() -> None:
    """Serve until ended."""
    port, namespace = int(sys.argv[1]), sys.argv[2]
    server, http = session(Path(os.environ["KUBECONFIG"]))
    known: set[str] = set()

    async def take(request: web.Request) -> web.Response:
        for alert in alerts_of(await request.read()):
            made = incident(alert, namespace)
            if made["metadata"]["name"] in known:
                continue
            async with http.post(f"{server}/apis/{GROUP}/v1alpha1/namespaces/{namespace}/incidents", json=made) as answer:
                if answer.status >= 300:
                    return web.Response(status=503, text=await answer.text())
            known.add(made["metadata"]["name"])
        return web.Response(text="kept\n")

    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_post(PATH, take)
    app.router.add_get("/", lambda _: web.Response(text="here\n"))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "192.0.2.1", port).start()
    async with http:
        await asyncio.Event().wait()


def alerts_of(raw: bytes) -> list[dict[str, Any]]:
    """The alerts of a body."""
    alerts: list[dict[str, Any]] = json.loads(raw)["alerts"]
    return alerts


if __name__ == "__main__":
    asyncio.run(main())
