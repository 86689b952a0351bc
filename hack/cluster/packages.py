"""Debian packages that the box runs, without touching the host more than needed.

What runs as a daemon is unpacked into the cache and never installed: installing Prometheus would start it now and at every boot, and installing
containerd would throw out the one that came with Docker. Only the host's own tools are installed, and only those that are missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from progress import BoxError, run_aloud, say

# Each package with programs that prove that it is there, whoever installed it.
INSTALLED: dict[str, tuple[str, ...]] = {
    "iptables": ("iptables", "iptables-save", "iptables-restore"),
    "iproute2": ("ip",),
    "util-linux": ("unshare", "mount"),
    "openssl": ("openssl",),
}
UNPACKED: dict[str, tuple[str, ...]] = {
    "containerd": ("containerd", "ctr", "containerd-shim-runc-v2"),
    "runc": ("runc",),
    "containernetworking-plugins": ("bridge", "host-local", "loopback"),
    "busybox-static": ("busybox",),
    "prometheus": ("prometheus",),
    "prometheus-alertmanager": ("prometheus-alertmanager",),
}
PROGRAM_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/cni")
HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/cni:/opt/cni/bin"


def search_path(unpacked: Path) -> str:
    """Return where programs are looked for: the unpacked packages, then the host."""
    folders = [str(unpacked / folder) for folder in PROGRAM_FOLDERS if (unpacked / folder).is_dir()]
    return ":".join([*folders, os.environ.get("PATH", ""), HOST_PATH])


def cni_folder(unpacked: Path) -> Path:
    """Return the folder of the network plugins."""
    bridge = shutil.which("bridge", path=f"{unpacked / 'usr/lib/cni'}:/usr/lib/cni:/opt/cni/bin")
    if not bridge:
        raise BoxError("the CNI plugins are missing; `box build` gets them")
    return Path(bridge).parent


def _missing(wanted: dict[str, tuple[str, ...]], path: str) -> list[str]:
    return [name for name, programs in wanted.items() if not all(shutil.which(program, path=path) for program in programs)]


def complete(unpacked: Path) -> bool:
    """Tell whether every program is to be found."""
    return unpacked.is_dir() and not _missing(INSTALLED | UNPACKED, search_path(unpacked))


def ensure(unpacked: Path, log: Path) -> None:
    """Install the host's tools and unpack the daemons, where missing; on other systems say what is needed."""
    path = search_path(unpacked)
    if not shutil.which("apt-get"):
        if missing := _missing(INSTALLED | UNPACKED, path):
            raise BoxError(f"These Debian packages, or the like, are needed and there is no apt-get to get them with: {', '.join(missing)}")
        unpacked.mkdir(exist_ok=True)
        return
    if missing := _missing(INSTALLED, path):
        _apt(f"installing {', '.join(missing)}", ["install", "-y", "--no-install-recommends", *missing], log, Path.cwd())
    if not unpacked.is_dir():
        _unpack(unpacked, log)
    if still := _missing(INSTALLED | UNPACKED, search_path(unpacked)):
        raise BoxError(f"apt-get succeeded, but programs of these packages are still missing: {', '.join(still)}")


def _unpack(unpacked: Path, log: Path) -> None:
    fresh, downloads = unpacked.with_name("debian.tmp"), unpacked.with_name("download.tmp")
    for folder in (fresh, downloads):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    _apt(f"fetching {', '.join(UNPACKED)}", ["-o", "APT::Sandbox::User=root", "download", *UNPACKED], log, downloads)
    for package in sorted(downloads.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(fresh)], check=True)
    shutil.rmtree(downloads)
    fresh.rename(unpacked)


def _apt(title: str, arguments: list[str], log: Path, folder: Path) -> None:
    """Run apt-get; with lists that are old or empty it fails, so fetch them then and try once more."""
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    argv = ["apt-get", "-q", *arguments]
    try:
        run_aloud(title, argv, log=log, cwd=folder, env=env)
    except BoxError:
        say("  that may be because the package lists are old")
        run_aloud("apt-get update", ["apt-get", "-q", "update"], log=log, env=env)
        run_aloud(title, argv, log=log, cwd=folder, env=env)
