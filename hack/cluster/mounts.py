"""What a box sees where the host has folders that programs insist on: memory to write to, and files of packages that are not installed.

The host keeps its own and gets nothing: not even an empty folder is made there for something to be mounted on.
"""

from __future__ import annotations

from pathlib import Path

from progress import run

# A kubelet empties this folder and listens there whatever its --root-dir is: of two that start at once, one would find the other's socket and die.
DEVICE_PLUGINS = "/var/lib/kubelet/device-plugins"


def lay(unpacked: Path) -> None:
    """Mount all of it, from inside the box; the box must have a mount namespace of its own."""
    run("mount -t tmpfs -o mode=755 box /run")
    run("mount -t tmpfs -o mode=755 box /var/log")
    # Kubelets and CNI want folders in /var/lib, which stays readable below.
    upper, work = Path("/run/var-lib/upper"), Path("/run/var-lib/work")
    for folder in (upper, work):
        folder.mkdir(parents=True)
    run(f"mount -t overlay -o lowerdir=/var/lib,upperdir={upper},workdir={work} box /var/lib")
    # What a kubelet mounts for a pod its containerd must see, but not the other's plugins: that folder each covers for itself.
    run("mount --make-rshared /")
    Path(DEVICE_PLUGINS).mkdir(parents=True)
    run(f"mount -t tmpfs plugins {DEVICE_PLUGINS}")
    run(f"mount --make-private {DEVICE_PLUGINS}")
    # Debian's Alertmanager reads its templates there, and Prometheus its pages.
    shared = unpacked / "usr/share"
    if shared.is_dir():
        run(f"mount -t overlay -o ro,lowerdir={shared}:/usr/share box /usr/share")
