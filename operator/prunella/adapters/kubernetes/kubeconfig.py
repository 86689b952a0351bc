"""Kubeconfigs as files: which cluster a context means, and one for the operator's account at that cluster.

The rule it protects: a token is written where only its owner can read it, from the first byte on.
"""

from __future__ import annotations

import base64
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from prunella.api.marks import OPERATOR_NAMESPACE
from prunella.app.errors import Permanent

DEFAULT: Final = "~/.kube/config"
USER: Final = "prunella"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cluster as a kubeconfig describes it, without any user."""

    context: str
    cluster: dict[str, Any]
    """Server, CA and how to get there; files are read in, so that it can stand in another file."""

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self.cluster.get("server", ""))


def files_of(kubeconfig: str) -> list[Path]:
    """Name the files of a KUBECONFIG value that exist."""
    return [path for part in kubeconfig.split(os.pathsep) if part and (path := Path(part).expanduser()).is_file()]


def place(kubeconfig: str, context: str | None) -> Place:
    """Find the cluster of a context, of the current one where none is named. Raises Permanent with a sentence where there is none."""
    files = files_of(kubeconfig)
    if not files:
        raise Permanent(f"The kubeconfig {kubeconfig} does not exist; name another with --kubeconfig, or set KUBECONFIG")
    parts = [(path, _parsed(path)) for path in files]
    chosen = context or next((str(part["current-context"]) for _, part in parts if part.get("current-context")), None)
    if not chosen:
        raise Permanent(f"{kubeconfig} has no current context; name one with --context")
    _, found = _named(parts, "contexts", chosen, kubeconfig)
    path, cluster = _named(parts, "clusters", str(found.get("context", {}).get("cluster", "")), kubeconfig)
    return Place(context=chosen, cluster=_inlined(dict(cluster.get("cluster") or {}), path))


def render(where: Place, token: str) -> str:
    """Write a kubeconfig of the operator's account at a cluster."""
    name = f"{USER}@{where.context}"
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": where.context, "cluster": where.cluster}],
            "users": [{"name": USER, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": where.context, "user": USER, "namespace": OPERATOR_NAMESPACE}}],
            "current-context": name,
        },
        sort_keys=False,
    )


def save(text: str, path: Path) -> None:
    """Put a kubeconfig in its place with mode 0600, whole or not at all. Raises Permanent where that can't be done."""
    try:
        # mkstemp makes the file with mode 0600 before there is anything in it.
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).replace(path)
    except OSError as error:
        raise Permanent(f"The kubeconfig can't be written to {path}: {error.strerror}; name another file with --output") from error


def _parsed(path: Path) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Permanent(f"{path} is no kubeconfig: {error}") from error
    if not isinstance(parsed, dict):
        raise Permanent(f"{path} is no kubeconfig: it holds no mapping")
    return parsed


def _named(parts: list[tuple[Path, dict[str, Any]]], kind: str, name: str, kubeconfig: str) -> tuple[Path, dict[str, Any]]:
    """Find an entry by its name; as kubectl does it, the first file that has it wins."""
    for path, part in parts:
        for entry in part.get(kind) or []:
            if entry.get("name") == name:
                return path, entry
    raise Permanent(f"{kubeconfig} has no {kind.removesuffix('s')} '{name}'; `kubectl config get-contexts` lists what there is")


def _inlined(cluster: dict[str, Any], path: Path) -> dict[str, Any]:
    """Replace the CA's file by its content: the path may be relative to a kubeconfig that the new one does not lie beside."""
    if authority := cluster.pop("certificate-authority", None):
        try:
            content = (path.parent / Path(authority).expanduser()).read_bytes()
        except OSError as error:
            raise Permanent(f"{path} names the CA {authority}, which can't be read: {error.strerror}") from error
        cluster["certificate-authority-data"] = base64.b64encode(content).decode()
    return cluster
