"""Debian packages that the box runs: installed only where missing, and none of their daemons is ever started.

Debian's maintainer scripts start what they install. `policy-rc.d` is Debian's switch against that; one that somebody else put there stays.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from progress import BoxError, run_aloud, say

# The program that proves a package is there, whoever installed it.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "containerd": ("containerd", "ctr", "containerd-shim-runc-v2"),
    "runc": ("runc",),
    "containernetworking-plugins": ("/usr/lib/cni/bridge", "/usr/lib/cni/host-local", "/usr/lib/cni/loopback"),
    "busybox-static": ("busybox",),
    "iptables": ("iptables", "iptables-save", "iptables-restore"),
    "iproute2": ("ip",),
    "util-linux": ("unshare", "nsenter", "mount"),
    "openssl": ("openssl",),
    "prometheus": ("prometheus",),
    "prometheus-alertmanager": ("prometheus-alertmanager",),
}
POLICY = Path("/usr/sbin/policy-rc.d")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> list[str]:
    """Name the packages of which a program is not to be found."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    return [name for name, programs in PROGRAMS.items() if not all(shutil.which(p, path=path) for p in programs)]


@contextmanager
def no_daemons() -> Iterator[None]:
    """Forbid services to start while apt works; leave no trace of it."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def ensure(log: Path) -> None:
    """Install what is missing with apt-get; on other systems say what is needed."""
    wanted = missing()
    if not wanted:
        return
    if not shutil.which("apt-get"):
        raise BoxError(f"These are needed and there is no apt-get to install them with: {', '.join(wanted)}")
    say(f"installing {', '.join(wanted)} (no service is started)")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *wanted]
    with no_daemons():
        known = subprocess.run(["apt-get", "install", "-s", *wanted], capture_output=True, check=False)
        if known.returncode:
            run_aloud("apt-get update", ["apt-get", "update"], log=log, env=env)
        run_aloud("apt-get install", install, log=log, env=env)
    if still := missing():
        raise BoxError(f"apt-get succeeded, but programs of these packages are still missing: {', '.join(still)}")
