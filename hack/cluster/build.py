"""Builds Kubernetes, etcd and KWOK from the Go module proxy, once per version, into a cache outside the clone.

The rule it protects: a cut build is never used. Programs are built into `bin.tmp` and the folder is renamed when all of them are there; a lock
makes a second builder wait for the first.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import packages
from layout import Box
from progress import BoxError, run_aloud, say

KUBERNETES = "1.35.4"


@dataclass(frozen=True, slots=True)
class Module:
    """One Go module, and its main packages by the name of the binary they make."""

    path: str
    version: str
    programs: dict[str, str]


MODULES = (
    Module("go.etcd.io/etcd/server/v3", "v3.6.16", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(
        "k8s.io/kubernetes",
        f"v{KUBERNETES}",
        {
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
        },
    ),
    Module("sigs.k8s.io/kwok", "v0.8.0", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
)


VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def _linker_flags() -> str:
    """Stamp the version in: without it `/version`, the skew check and kubectl report v0.0.0."""
    major, minor, _ = KUBERNETES.split(".")
    stamps = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean", "gitCommit": "0" * 40}
    stamped = (f"-X {package}.{key}={value}" for package in VERSION_PACKAGES for key, value in stamps.items())
    return " ".join(["-s", "-w", *stamped])


def cache_root() -> Path:
    """Return where builds are kept: PRUNELLA_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("PRUNELLA_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prunella"


def go_version() -> str:
    """Return the Go release that would build, as in `go1.26.0`; an empty string without Go."""
    if not shutil.which("go"):
        return ""
    return subprocess.run(["go", "env", "GOVERSION"], cwd="/", capture_output=True, text=True, check=True).stdout.strip()


def build_folder() -> Path:
    """Name the folder of this very recipe, so that another version, another Go or another system never gets its programs."""
    recipe = [[module.path, module.version, module.programs] for module in MODULES]
    system = [go_version(), platform.machine(), platform.freedesktop_os_release().get("VERSION_ID", "")]
    text = json.dumps([recipe, _linker_flags(), packages.UNPACKED, system], sort_keys=True)
    return cache_root() / f"box-{KUBERNETES}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs of a box are: built ones, and those of unpacked Debian packages."""

    folder: Path

    @property
    def built(self) -> Path:
        """Programs that were built from source."""
        return self.folder / "bin"

    @property
    def unpacked(self) -> Path:
        """Debian packages, as a file tree."""
        return self.folder / "debian"

    @property
    def path(self) -> str:
        """The PATH of everything that runs in a box."""
        return f"{self.built}:{packages.search_path(self.unpacked)}"

    def complete(self) -> bool:
        """Tell whether nothing is left to be fetched or built."""
        return self.built.is_dir() and packages.complete(self.unpacked)


def programs() -> Programs:
    """Return where the programs are, or will be once they are built."""
    return Programs(build_folder())


def programs_of(box: Box) -> Programs:
    """Return those that a box was started with: a newer recipe or another Go must not matter to a box that is up."""
    return Programs(Path(box.programs.read_text()))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another build is running in {folder}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure() -> Programs:
    """Get and build whatever is not there yet."""
    wanted = programs()
    if wanted.complete():
        return wanted
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with _locked(wanted.folder):
        packages.ensure(wanted.unpacked, wanted.folder / "apt.log")
        if not wanted.built.is_dir():
            _build_all(wanted.built)
    return wanted


def _build_all(target: Path) -> None:
    if not go_version():
        raise BoxError("Go is needed to build Kubernetes once: version 1.25 or newer, or one since 1.21 that may fetch a newer toolchain")
    say(f"building Kubernetes {KUBERNETES}, etcd and KWOK into {target.parent}: once, 5 to 10 minutes with a cold Go cache")
    fresh = target.with_name("bin.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    log = target.with_name("build.log")
    for number, module in enumerate(MODULES):
        folder = target.with_name(f"module-{number}.tmp")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _build_module(module, folder, fresh, log)
        shutil.rmtree(folder)
    fresh.rename(target)


def _build_module(module: Module, folder: Path, into: Path, log: Path) -> None:
    """Resolve a module's dependencies as its authors did, then link its programs one by one."""
    env = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
    run_aloud(f"module for {module.path}", ["go", "mod", "init", "box"], log=log, cwd=folder, env=env)
    if replacements := _replacements(module, folder):
        subprocess.run(["go", "mod", "edit", *replacements], cwd=folder, env=env, check=True)
    # With the version on every package: without it go upgrades Kubernetes, and the replacements no longer fit.
    wanted = [f"{package}@{module.version}" for package in module.programs.values()]
    run_aloud(f"fetching {module.path} {module.version}", ["go", "get", "-tool", *wanted], log=log, cwd=folder, env=env)
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", _linker_flags()]
    for name, package in module.programs.items():
        run_aloud(f"building {name}", ["go", "build", *flags, "-o", str(into / name), package], log=log, cwd=folder, env=env)


def _replacements(module: Module, folder: Path) -> list[str]:
    """Map Kubernetes' own staging modules to their published versions.

    Kubernetes requires them as v0.0.0 and replaces them by folders of its tree, and the replacements of a dependency do not count.
    """
    if module.path != "k8s.io/kubernetes":
        return []
    download = subprocess.run(
        ["go", "mod", "download", "-json", f"{module.path}@{module.version}"], cwd=folder, capture_output=True, text=True, check=False
    )
    answer = json.loads(download.stdout or "{}")
    if download.returncode or "GoMod" not in answer:
        raise BoxError(f"{module.path} {module.version} could not be fetched: {answer.get('Error') or download.stderr.strip()}")
    staged = sorted(set(re.findall(r"^\t(k8s\.io/\S+) v0\.0\.0$", Path(answer["GoMod"]).read_text(), re.MULTILINE)))
    published = "v0" + module.version[2:]
    return [f"-replace={name}={name}@{published}" for name in staged]
