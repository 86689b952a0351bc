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
import readiness
import registry
from api import Api
from build import Programs
from layout import NODES, Box
from progress import BoxError, say
from wait import until

START_SECONDS = 60.0
CONTAINERDS, KUBELETS, KUBE_PROXIES = zip(*map(nodes.daemons, NODES), strict=True)


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

    def wait_ready(self, what: str, *names: str) -> None:
        """Wait until components count as ready."""
        probes = readiness.probes(self.box)
        self.wait(what, lambda: all(probes[name]() for name in names))

    def run(self, programs: Programs) -> None:
        """Bring the box up; the order is by what each part waits for, and everything else goes on beside it."""
        mounts.lay(programs.unpacked)
        network.lay()
        self._record(programs)
        self._start(controlplane.ETCD, controlplane.APISERVER, registry.NAME, *CONTAINERDS, *(monitoring.PARTS if self.monitoring else ()))
        archive = self.box.state / "images.tar"
        archive.write_bytes(images.node_archive(images.make()))
        self.wait_ready("both containerds answer", *CONTAINERDS)
        nodes.load(archive)
        archive.unlink()
        self.wait_ready("the API server is ready", controlplane.APISERVER)
        self._start(*KUBELETS, controlplane.CONTROLLER_MANAGER, controlplane.SCHEDULER, *KUBE_PROXIES)
        self._wait_for_the_rest()

    def _record(self, programs: Programs) -> None:
        controlplane.record(self.box, programs)
        registry.record(self.box)
        for node in NODES:
            nodes.record(self.box, node, programs)
        if self.monitoring:
            monitoring.record(self.box)
        if self.kwok:
            kwok.record(self.box, programs)

    def _start(self, *names: str) -> None:
        for name in names:
            components.start(self.box, name)

    def _wait_for_the_rest(self) -> None:
        api = Api(self.box, "box-init")
        if self.kwok:
            kwok.make_nodes(api)
            self._start(kwok.NAME)
        self.wait_ready("both nodes are Ready", *KUBELETS)
        self.wait("pods can be created", lambda: readiness.pods_can_be_created(api))
        self.wait_ready("the registry answers", registry.NAME)
        if self.kwok:
            self.wait_ready("the KWOK nodes are Ready", kwok.NAME)
        if self.monitoring:
            self.wait_ready("Prometheus and Alertmanager are ready", monitoring.PROMETHEUS, monitoring.ALERTMANAGER)


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
