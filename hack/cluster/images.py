"""Tiny images made of busybox: an OCI layout in one tar, uncompressed, so that neither a builder nor a daemon is needed.

`box:v1` to `v4` differ in one page only, so that a rollout is seen from outside; `pause` holds a pod's namespaces; `fresh` shares nothing with the
others, so that pulling it fetches every blob.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from progress import BoxError

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
VERSIONS = ("v1", "v2", "v3", "v4")
EXECUTABLE = 0o755
EPOCH = "1970-01-01T00:00:00Z"

# As process 1 nothing dies of SIGTERM unless it asks for it, and busybox's programs don't: a pod would take its whole grace period to stop.
RUN = b"""#!/bin/sh
trap 'kill "$child" 2>/dev/null; exit 0' TERM INT
"$@" &
child=$!
wait "$child"
"""
PAUSE = ["/bin/run", "sleep", "2147483647"]
SERVE = ["httpd", "-f", "-p", "8080", "-h", "/www"]


@dataclass(slots=True)
class Store:
    """Blobs by digest, and manifests by `name:tag`: what a registry serves and an archive holds."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, content: bytes) -> str:
        """Keep a blob and return its digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return digest

    def image(self, tag: str, layers: list[bytes], command: list[str], entrypoint: list[str] | None = None) -> None:
        """Add an image and all that it consists of."""
        digests = [self.add(layer) for layer in layers]
        settings = {"Entrypoint": entrypoint, "Cmd": command, "Env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"], "WorkingDir": "/"}
        config = {
            "created": EPOCH,
            "architecture": "amd64",
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": digests},
            "history": [{"created": EPOCH, "created_by": "prunella box"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._descriptor(CONFIG, self.add(json.dumps(config).encode())),
            "layers": [self._descriptor(LAYER, digest) for digest in digests],
        }
        self.tags[tag] = self.add(json.dumps(manifest).encode())

    def _descriptor(self, media_type: str, digest: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": digest, "size": len(self.blobs[digest])}

    def archive(self, names: dict[str, str]) -> bytes:
        """Pack images as an OCI layout; `names` gives each tag the full name that it gets on a node."""
        manifests = []
        for tag, name in names.items():
            descriptor = self._descriptor(MANIFEST, self.tags[tag])
            manifests.append(descriptor | {"annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}})
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        files["index.json"] = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()
        for digest in self._reachable(names):
            files["blobs/" + digest.replace(":", "/")] = self.blobs[digest]
        return tar({name: (content, 0o644) for name, content in files.items()})

    def _reachable(self, tags: dict[str, str]) -> set[str]:
        found = {self.tags[tag] for tag in tags}
        for digest in tuple(found):
            manifest = json.loads(self.blobs[digest])
            found |= {manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
        return found


def tar(files: dict[str, tuple[bytes, int]], links: dict[str, str] | None = None, folders: dict[str, int] | None = None) -> bytes:
    """Pack files, links and folders with times of zero: the same content is always the same digest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for name, mode in (folders or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            packed.addfile(entry)
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            packed.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            packed.addfile(entry)
    return buffer.getvalue()


def _system(release: str = "prunella box") -> bytes:
    """Pack busybox with a link for each of its programs, and the few files that a small system needs; another release is another layer."""
    busybox = shutil.which("busybox")  # in a box the PATH begins with the unpacked packages: the host need not have any
    if not busybox:
        raise BoxError("busybox is missing; `box build` installs it")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    files = {
        "bin/busybox": (Path(busybox).read_bytes(), EXECUTABLE),
        "bin/run": (RUN, EXECUTABLE),
        "etc/passwd": (b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", 0o644),
        "etc/os-release": (f'NAME="{release}"\n'.encode(), 0o644),
        "etc/group": (b"root:x:0:\nnobody:x:65534:\n", 0o644),
    }
    links = {f"bin/{applet}": "busybox" for applet in applets if applet not in {"busybox", "run"}}
    return tar(files, links, {"bin": 0o755, "etc": 0o755, "tmp": 0o1777, "www": 0o755, "var": 0o755})


def _page(text: str) -> bytes:
    return tar({"www/index.html": (text.encode() + b"\n", 0o644)})


def make() -> Store:
    """Make every image: those of the nodes, and those that only the registry has."""
    store, system = Store(), _system()
    store.image("pause:v1", [system], [], PAUSE)
    for version in VERSIONS:
        store.image(f"box:{version}", [system, _page(version)], SERVE, ["/bin/run"])
    store.image("fresh:v1", [_system("like no other"), _page("fresh")], SERVE, ["/bin/run"])
    return store


def node_archive(store: Store) -> bytes:
    """Pack what every node has from the start."""
    tags = ["pause:v1", *(f"box:{version}" for version in VERSIONS)]
    return store.archive({tag: f"localhost/{tag}" for tag in tags})
