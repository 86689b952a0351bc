"""What the structure tests read: the files of the clone, as text and as syntax trees."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "prunella"
PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")


@cache
def files() -> tuple[Path, ...]:
    """Every file that Git knows or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(ROOT / line for line in sorted(set(listed.splitlines())) if (ROOT / line).is_file())


def python_files(*folders: str) -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@dataclass(frozen=True)
class Call:
    """A call in the code: what is called, by its last name, and with which literal words."""

    path: Path
    line: int
    name: str
    first: tuple[str, ...]
    """What the first positional argument can be, where it is a literal (or a choice between literals)."""
    keywords: dict[str, tuple[str, ...]]
    after_status: tuple[str, ...] = ()
    """The argument after one that reads `ConditionStatus.…`: a condition's reason."""

    def __str__(self) -> str:
        return f"{shown(self.path)}:{self.line}"


def literals(node: ast.expr) -> tuple[str, ...]:
    """The strings that an expression can be: a literal, or one of the arms of `x if … else y`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, ast.IfExp):
        return (*literals(node.body), *literals(node.orelse))
    return ()


@cache
def calls() -> tuple[Call, ...]:
    """Every call in the package."""
    return tuple(_calls())


def _calls() -> Iterator[Call]:
    for path in python_files("operator"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
                first = literals(node.args[0]) if node.args else ()
                keywords = {one.arg: literals(one.value) for one in node.keywords if one.arg}
                yield Call(path, node.lineno, name, first, keywords, _after_status(node.args))


def assigned(name: str, folder: Path) -> dict[str, str]:
    """What a variable of that name is set to anywhere in a folder of the package, where it is a literal, and where."""
    return {
        word: f"{shown(path)}:{node.lineno}"
        for path in python_files("operator")
        if path.is_relative_to(folder)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
        for word in literals(node.value)
    }


def _after_status(arguments: list[ast.expr]) -> tuple[str, ...]:
    for status, reason in pairwise(arguments):
        if ast.unparse(status).startswith("ConditionStatus."):
            return literals(reason)
    return ()
