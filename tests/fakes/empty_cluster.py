"""An API server with nothing in it, in a thread: enough for whole operator processes to start, watch, and elect one of them by a real HTTP Lease."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from prunella.compose import KINDS

OURS = "/apis/prunella.dev/v1alpha1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/prunella-system/leases"


class EmptyCluster:
    """Use as a context. `lease` is what is stored; while `leases_fail`, every request for it is answered 503."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.leases_fail = False
        self.url = ""
        self._version = 1
        self._loop = asyncio.new_event_loop()
        self._leaving = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(10)

    def kubeconfig(self, folder: Path) -> Path:
        """For a process that is to work on it."""
        file = folder / "kubeconfig"
        named = {"clusters": [{"name": "c", "cluster": {"server": self.url}}], "users": [{"name": "u", "user": {"token": "t"}}]}
        context = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **named, **context}))
        return file

    def edit(self, **spec: object) -> None:
        """What a person does to the Lease with kubectl."""
        assert self.lease is not None
        self._version += 1
        meta = {**self.lease["metadata"], "resourceVersion": str(self._version)}
        self.lease = {**self.lease, "metadata": meta, "spec": {**self.lease["spec"], **spec}}

    def _serve(self) -> None:
        self._loop.run_until_complete(self._live())
        self._loop.close()

    async def _live(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._up.set()
        await self._leaving.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._silence(request)
        if request.path.startswith(LEASES):
            return self._of_lease(request, await request.json() if request.can_read_body else None)
        if request.path == "/readyz":
            return web.Response(text="ok")
        if request.path in {"/api", "/apis", OURS} or request.path == "/version":
            return web.json_response(_discovered(request.path))
        if request.method == "GET" and request.path.rpartition("/")[2] in {"default", "prunella-heartbeat"}:
            return _status(404, "NotFound")
        if request.method == "GET":
            return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []})
        return web.json_response({"metadata": {"name": "x", "resourceVersion": "1"}}, status=201)

    async def _silence(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await self._leaving.wait()
        return response

    def _of_lease(self, request: web.Request, body: Any) -> web.Response:
        if self.leases_fail:
            return _status(503, "ServiceUnavailable")
        if request.method == "GET":
            return web.json_response(self.lease) if self.lease is not None else _status(404, "NotFound")
        if request.method == "POST" and self.lease is not None:
            return _status(409, "AlreadyExists")
        if request.method == "PUT" and (self.lease is None or body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]):
            return _status(409, "Conflict")
        self._version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        return web.json_response(self.lease)


def _status(code: int, reason: str) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": code}, status=code)


def _discovered(path: str) -> dict[str, Any]:
    version = {"groupVersion": "prunella.dev/v1alpha1", "version": "v1alpha1"}
    match path:
        case "/version":
            return {"major": "1", "minor": "35", "gitVersion": "v1.35.0"}
        case "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        case "/apis":
            return {"kind": "APIGroupList", "groups": [{"name": "prunella.dev", "versions": [version], "preferredVersion": version}]}
        case _:
            verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
            kinds = [{"name": one, "singularName": one[:-1], "kind": one, "namespaced": one != "healingpolicies", "verbs": verbs} for one in KINDS]
            return {"kind": "APIResourceList", "groupVersion": "prunella.dev/v1alpha1", "resources": kinds}
