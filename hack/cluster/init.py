"""Process 1 of a box: lays the network, starts everything, says when it is ready, then only reaps.

When it dies the kernel kills every process of the box and drops its network and mounts: that is what makes "leaves nothing behind" simple.
Started by `launch.py` through unshare as `init.py STATE PROGRAMS OPTION…`; what it prints is what a person who waits for `box up` sees.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import components
import controlplane
import images
import kwok
import monitoring
import mounts
import network
import node as nodes
from api import Api, answers
from build import Programs
from layout import ALERTMANAGER_PORT, HOST, NODES, PROMETHEUS_PORT, REGISTRY_PORT, SOURCE, Box
from progress import BoxError, say
from wait import until

START_SECONDS = 60.0
REGISTRY = "registry"


class Start:
    """One start: every wait also notices a component that has died."""

    def __init__(self, box: Box, options: frozenset[str]) -> None:
        self.box = box
        self.monitoring = "--no-monitoring" not in options
        self.kwok = "--kwok" in options
        self.began = time.monotonic()

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Wait for one thing and say that it is there."""

        def lives_and_holds() -> object:
            components.ensure_alive(self.box)
            return condition()

        until(what, lives_and_holds, START_SECONDS)
        say(f"  {time.monotonic() - self.began:4.1f} s  {what}")

    def run(self, programs: Programs) -> None:
        """Bring the box up; the order is by what each part waits for, and everything else goes on beside it."""
        mounts.lay(programs.unpacked)
        network.lay()
        self._record(programs)
        for name in (controlplane.ETCD, controlplane.APISERVER, REGISTRY, *(nodes.daemons(node)[0] for node in NODES)):
            components.start(self.box, name)
        archive = self.box.state / "images.tar"
        archive.write_bytes(images.node_archive(images.make()))
        self.wait("both containerds answer", lambda: all(nodes.containerd_answers(node) for node in NODES))
        nodes.load(archive)
        archive.unlink()
        api = Api(self.box)
        self.wait("the API server is ready", lambda: api.answers("/readyz"))
        self._after_api()
        self._wait_for_all(api)

    def _record(self, programs: Programs) -> None:
        controlplane.record(self.box, programs)
        for node in NODES:
            nodes.record(self.box, node, programs)
        components.record(self.box, REGISTRY, [sys.executable, str(SOURCE / "registry.py"), HOST, str(REGISTRY_PORT)])
        if self.monitoring:
            monitoring.record(self.box)
        if self.kwok:
            kwok.record(self.box, programs)

    def _after_api(self) -> None:
        for node in NODES:
            components.start(self.box, nodes.daemons(node)[1])
        components.start(self.box, controlplane.CONTROLLER_MANAGER)
        components.start(self.box, controlplane.SCHEDULER)
        for node in NODES:
            components.start(self.box, nodes.daemons(node)[2])
        if self.monitoring:
            for name in monitoring.PARTS:
                components.start(self.box, name)

    def _wait_for_all(self, api: Api) -> None:
        self.wait("both nodes are Ready", lambda: all(usable(api, node.name) for node in NODES))
        self.wait("pods can be created", lambda: api.answers("/api/v1/namespaces/default/serviceaccounts/default"))
        self.wait("the registry answers", lambda: answers(REGISTRY_PORT, "/v2/"))
        if self.kwok:
            kwok.make_nodes(api)
            components.start(self.box, kwok.KWOK)
            self.wait("the KWOK nodes are Ready", lambda: all(usable(api, name) for name in kwok.NODES))
        if self.monitoring:
            self.wait("Prometheus is ready", lambda: answers(PROMETHEUS_PORT, "/-/ready"))
            self.wait("Alertmanager is ready", lambda: answers(ALERTMANAGER_PORT, "/-/ready"))


def usable(api: Api, name: str) -> bool:
    """Tell whether a node is Ready and the taints of its birth are gone."""
    found = api.get(f"/api/v1/nodes/{name}")
    if not found:
        return False
    conditions = {item["type"]: item["status"] for item in found.get("status", {}).get("conditions", [])}
    taints = [taint["key"] for taint in found["spec"].get("taints", [])]
    return conditions.get("Ready") == "True" and not any(key.startswith("node.kubernetes.io/") for key in taints)


def reap_for_ever() -> None:
    """Collect whatever dies in the box: the kernel hands every orphan to process 1."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def main() -> int:
    """Run `init.py STATE PROGRAMS OPTION…`."""
    box, programs, options = Box(Path(sys.argv[1])), Programs(Path(sys.argv[2])), frozenset(sys.argv[3:])
    os.environ.update(box.environment(programs.path))
    try:
        Start(box, options).run(programs)
    except BoxError as error:
        say(f"error: {error}")
        return 1
    box.ready.write_text(f"{time.time():.0f}\n")
    reap_for_ever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
