"""What ships with Prunella beside its code: CRDs, manifests and Runbooks. In a wheel they lie in `prunella/data`, in a checkout at its top.

The rule it protects: what is installed from Python is what `kubectl apply -k` would apply. A kustomization that does more than list resources is
refused, because this reader would not do it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from prunella.app.errors import Permanent

PACKAGE = Path(__file__).resolve().parents[1]
UNDERSTOOD = {"apiVersion", "kind", "resources"}


def folder(name: str) -> Path:
    """Find a shipped folder, for example 'manifests/default'. Raises Permanent where the installation is incomplete."""
    for root in (PACKAGE / "data", PACKAGE.parents[1]):
        if (root / name / "kustomization.yaml").is_file():
            return root / name
    raise Permanent(f"'{name}' is missing in this installation of Prunella; install it again with `pip install --force-reinstall`")


def documents(kustomization: Path) -> list[dict[str, Any]]:
    """Read every object that a kustomization lists, in its order. Raises Permanent with the file's name where one can't be read."""
    listed = _parsed(kustomization / "kustomization.yaml")[0]
    if foreign := set(listed) - UNDERSTOOD:
        raise Permanent(
            f"{kustomization}/kustomization.yaml uses {', '.join(sorted(foreign))}; only `resources` is understood, apply it with kubectl"
        )
    found: list[dict[str, Any]] = []
    for entry in listed.get("resources", []):
        path = (kustomization / entry).resolve()
        found += documents(path) if path.is_dir() else _parsed(path)
    return found


def _parsed(path: Path) -> list[dict[str, Any]]:
    try:
        return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]
    except (OSError, yaml.YAMLError) as error:
        raise Permanent(f"{path} can't be read: {error}") from error
