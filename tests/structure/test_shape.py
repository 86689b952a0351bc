"""The shape of the code: small modules, small functions, one idea a file, nothing that only works in one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from tests.structure.source import PACKAGE, ROOT, files, python_files, shown, tree

MODULE_LINES = 300
FUNCTION_LINES = 40
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "crds",
    "docs",
    "hack",
    "manifests",
    "operator",
    "pyproject.toml",
    "requirements-dev.lock",
    "requirements.lock",
    "runbooks",
    "setup.py",
    "tests",
}
HOMES = "|".join(("/ho" + "me/", "/ro" + "ot/", "/Us" + "ers/"))
NO_NAMES = {"utils", "util", "helpers", "helper", "manager", "common_utils", "misc"}


def test_no_module_is_longer_than_300_lines():
    counts = {shown(path): len(path.read_text().splitlines()) for path in python_files("operator", "hack")}
    assert {name: count for name, count in counts.items() if count > MODULE_LINES} == {}


def test_no_function_is_longer_than_40_lines():
    too_long = {}
    for path in python_files("operator", "hack"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    too_long[f"{shown(path)}:{node.lineno} {node.name}"] = lines
    assert too_long == {}


def test_every_module_says_its_idea_first():
    assert [shown(path) for path in python_files("operator", "hack", "tests") if path.read_text().strip() and not ast.get_docstring(tree(path))] == []


def test_no_module_is_named_by_what_it_is_used_for_instead_of_its_idea():
    assert [shown(path) for path in python_files("operator", "hack", "tests") if path.stem in NO_NAMES] == []


def test_the_folder_operator_is_no_package_because_the_standard_library_has_one():
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_every_folder_of_the_package_is_one():
    folders = {path.parent for path in python_files("operator")}
    assert [shown(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_top_level_is_as_agreed():
    assert {path.relative_to(ROOT).parts[0] for path in files()} - TOP_LEVEL == set()


def test_there_are_no_empty_promises():
    promise = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")
    found = [f"{shown(path)}:{number}" for path in _texts() for number, line in enumerate(path.read_text().splitlines(), 1) if promise.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (HOMES, "a path that only one machine has"),
        ("/wor" + "k/", "a path that only one machine has"),
        (r"(?i)\bhttps?_" + "proxy", "a proxy of one network"),
    ],
    ids=["home folders", "a working folder", "proxies"],
)
def test_nothing_is_bound_to_one_machine(words, why):
    pattern = re.compile(words)
    found = [
        f"{shown(path)}:{number}: {why}" for path in _texts() for number, line in enumerate(path.read_text().splitlines(), 1) if pattern.search(line)
    ]
    assert found == []


def test_a_type_error_is_ignored_by_its_code_only():
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*no" r"qa(?!:)")
    found = [
        f"{shown(path)}:{number}"
        for path in python_files("operator", "hack", "tests")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def test_every_kopf_handler_has_an_explicit_id():
    handlers = [(path, node) for path in python_files("operator") for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and registers(node)]
    assert handlers != []
    assert [f"{shown(path)}:{node.lineno}" for path, node in handlers if "id" not in {one.arg for one in node.keywords}] == []


def registers(node: ast.Call) -> bool:
    """Whether a call registers a handler for resources: those of the operator's own start and end need no id."""
    called = ast.unparse(node.func) if isinstance(node.func, ast.Attribute) else ""
    return called.startswith("kopf.on.") and called not in {"kopf.on.startup", "kopf.on.cleanup", "kopf.on.login"}


def test_the_core_raises_no_time_of_its_own():
    """Belt to the linter's braces: the core has no clock even through a name that the linter does not know."""
    clocks = {"now", "utcnow", "today", "monotonic", "perf_counter", "time_ns"}
    found = [
        f"{shown(path)}:{node.lineno}"
        for path in (PACKAGE / "core").rglob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in clocks
        and ast.unparse(node.func).split(".")[0] in {"datetime", "time", "date"}
    ]
    assert found == []


def _texts() -> list[Path]:
    kinds = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ""}
    return [path for path in files() if path.suffix in kinds and path.name != "LICENSE"]
