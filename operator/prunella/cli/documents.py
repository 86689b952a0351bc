"""YAML files as people write them, with the place of every field.

The rule it protects: what YAML would swallow silently is said. A key that stands twice, a tab, an alias that explodes, or `on` for a word is found
here, before a field gets a value that nobody meant.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

LONGEST_FILE: Final = 2_000_000
DEEPEST: Final = 40
SUFFIXES: Final = frozenset({".yaml", ".yml"})
FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something wrong at a place. A warning does not fail the run."""

    file: Path
    line: int
    column: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        """As editors and terminals make it clickable."""
        return f"{self.file}:{self.line}:{self.column}: {'warning' if self.warning else 'error'}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file: its data, and where each field stands."""

    file: Path
    data: Any
    places: dict[FieldPath, tuple[int, int]] = field(default_factory=dict)

    def trouble(self, path: FieldPath, message: str, *, warning: bool = False) -> Trouble:
        """Something wrong with a field, at its place or that of the nearest parent that is there."""
        while path not in self.places and path:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return Trouble(file=self.file, line=line, column=column, message=message, warning=warning)


@dataclass(slots=True)
class Found:
    """What the files hold, and what is wrong with them as YAML."""

    documents: list[Document] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    files: int = 0


class _Refused(Exception):
    def __init__(self, message: str, mark: yaml.Mark | None) -> None:
        super().__init__(message)
        self.mark = mark


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and every YAML file below the folders."""
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file())
        else:
            yield path


def read(paths: Iterable[Path]) -> Found:
    """Every document of every file."""
    found = Found()
    for file in files_in(paths):
        found.files += 1
        try:
            found.documents += _documents(file)
        except (OSError, UnicodeDecodeError) as error:
            found.troubles.append(Trouble(file=file, line=1, column=1, message=f"it can't be read: {error}"))
        except yaml.MarkedYAMLError as error:
            found.troubles.append(_trouble(file, _sentence(error), error.problem_mark))
        except yaml.YAMLError as error:
            found.troubles.append(_trouble(file, f"it is no YAML: {' '.join(str(error).split())[:200]}", None))
        except _Refused as refused:
            found.troubles.append(_trouble(file, str(refused), refused.mark))
    return found


def _documents(file: Path) -> list[Document]:
    text = file.read_text(encoding="utf-8")
    if len(text) > LONGEST_FILE:
        raise _Refused(f"it has more than {LONGEST_FILE} characters", None)
    documents = []
    for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
        places: dict[FieldPath, tuple[int, int]] = {}
        data = _value(node, (), places, yaml.SafeLoader(""))
        if data is not None:
            documents.append(Document(file=file, data=data, places=places))
    return documents


def _value(node: yaml.Node, path: FieldPath, places: dict[FieldPath, tuple[int, int]], loader: yaml.SafeLoader) -> Any:
    if len(path) > DEEPEST:
        raise _Refused(f"it is nested more than {DEEPEST} levels deep, or an anchor refers to itself", node.start_mark)
    if len(places) > LONGEST_FILE // 10:
        raise _Refused("its aliases make it too large", node.start_mark)
    places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(one, (*path, index), places, loader) for index, one in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    made: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise _Refused("kubectl does not know the merge key '<<': write the fields out", key_node.start_mark)
        key = loader.construct_object(key_node)
        if not isinstance(key, str):
            raise _Refused(f"'{key_node.value}' is a {type(key).__name__} to YAML, and a key must be text: put it in quotes", key_node.start_mark)
        if key in made:
            raise _Refused(f"'{key}' stands twice; only one of them would count", key_node.start_mark)
        made[key] = _value(value_node, (*path, key), places, loader)
        places[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
    return made


def _sentence(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it is no YAML"
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces"
    if "could not find expected ':'" in problem or "mapping values are not allowed" in problem:
        return f"{problem}: is a ':' or a quote missing, or is the indentation off?"
    return problem


def _trouble(file: Path, message: str, mark: yaml.Mark | None) -> Trouble:
    return Trouble(file=file, line=mark.line + 1 if mark else 1, column=mark.column + 1 if mark else 1, message=message)
