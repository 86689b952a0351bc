"""What a request would change, as a person reads it: the changed lines in YAML, without the secrets in them.

The rule this module protects: a value whose name says that it is secret is never copied out of the workload that holds it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Final

import yaml

from prunella.core.redact import redact

LONGEST: Final = 4096
_CONTEXT_LINES: Final = 2
_SECRET: Final = re.compile(r"PASSW|TOKEN|SECRET|KEY|CREDENTIAL", re.IGNORECASE)
_HIDDEN: Final = "(hidden)"
_HIDDEN_NEW: Final = "(hidden, another value)"


def difference(old: object, new: object) -> str:
    """Changed lines with '-' and '+' and a little context, at most 4096 characters; empty where nothing changes."""
    if old == new:
        return ""
    secrets: dict[str, object] = {}
    before = _lines(_hidden(old, "", secrets, collect=True))
    after = _lines(_hidden(new, "", secrets, collect=False))
    lines = list(difflib.unified_diff(before, after, n=_CONTEXT_LINES, lineterm=""))[2:]
    return _cut(["…" if line.startswith("@@") else line for line in lines][1:])


def shown(value: object) -> object:
    """A value as a person may see it: a copy in which whatever looks like a secret is hidden."""
    return _hidden(value, "", {}, collect=True)


def _lines(document: object) -> list[str]:
    return yaml.safe_dump(document, sort_keys=True, default_flow_style=False, allow_unicode=True, width=10_000).splitlines()


def _hidden(value: object, path: str, secrets: dict[str, object], *, collect: bool) -> object:
    """A copy without what looks like a secret. Of an environment variable with a telling name, `secrets` tells whether it differs."""
    if isinstance(value, Mapping):
        if isinstance(value.get("value"), str) and _SECRET.search(str(value.get("name", ""))):
            where = f"{path}/{value['name']}"
            if collect:
                secrets[where] = value["value"]
            same = secrets.get(where) == value["value"]
            return {**value, "value": _HIDDEN if same else _HIDDEN_NEW}
        return {key: _hidden(inner, f"{path}/{key}", secrets, collect=collect) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_hidden(inner, f"{path}/{_name(inner)}", secrets, collect=collect) for inner in value]
    return redact(value) if isinstance(value, str) else value


def _name(item: object) -> str:
    return str(item.get("name", "")) if isinstance(item, Mapping) else ""


def _cut(lines: list[str]) -> str:
    whole = "\n".join(lines)
    if len(whole) <= LONGEST:
        return whole
    kept: list[str] = []
    room = LONGEST - 40
    for line in lines:
        if room < len(line) + 1:
            break
        kept.append(line)
        room -= len(line) + 1
    return "\n".join([*kept, f"… and {len(lines) - len(kept)} lines more"])
