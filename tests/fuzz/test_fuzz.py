"""Hostile webhook bodies and files: the stored ones always, some new ones in every run, and ten minutes of new ones by night (`make fuzz`).

What a night finds is put into `corpus/`: the failure names the file that holds it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from tests.fuzz import targets, vary

FOLDER = Path(__file__).parent / "corpus"
BODIES = sorted((FOLDER / "webhook").iterdir())
FILES = sorted((FOLDER / "files").iterdir())
SHORT = 60
"""New inputs of each kind in every run."""
NIGHT_SECONDS = 300
"""For each of the two kinds."""


def name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", BODIES, ids=name)
async def test_a_stored_body(path: Path):
    await targets.take(path.read_bytes())


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_stored_file(path: Path):
    targets.lint(path)


async def new_body(seed: int, input_: Path) -> None:
    chance = random.Random(seed)
    example = chance.choice(BODIES).read_bytes()
    body = vary.raw(chance, example) if chance.random() < 0.3 else _varied_json(chance, example)
    input_.write_bytes(body)
    await targets.take(body)


async def new_file(seed: int, input_: Path) -> None:
    chance = random.Random(seed)
    example = chance.choice(FILES).read_bytes()
    made = vary.raw(chance, example) if chance.random() < 0.4 else _varied_yaml(chance, example)
    input_.write_bytes(made)
    targets.lint(input_)


def _varied_json(chance: random.Random, example: bytes) -> bytes:
    try:
        return vary.dumped(vary.tree(chance, json.loads(example)))
    except ValueError:
        return vary.raw(chance, example)


def _varied_yaml(chance: random.Random, example: bytes) -> bytes:
    if b"&" in example:  # an anchor would blow up here as it does where it must not
        return vary.raw(chance, example)
    try:
        return vary.dumped(vary.tree(chance, yaml.safe_load(example)))  # JSON is YAML
    except (yaml.YAMLError, TypeError, ValueError):
        return vary.raw(chance, example)


Fuzz = Callable[[int, Path], Awaitable[None]]
KINDS = pytest.mark.parametrize("fuzz", [new_body, new_file], ids=["bodies", "files"])


async def tried(fuzz: Fuzz, seed: int, folder: Path) -> None:
    input_ = folder / f"{fuzz.__name__}-{seed}.yaml"
    try:
        await fuzz(seed, input_)
    except Exception as error:
        raise AssertionError(f"{input_}: {type(error).__name__}: {error}") from error
    input_.unlink()


@KINDS
async def test_some_new_ones(fuzz: Fuzz, tmp_path: Path):
    for seed in range(SHORT):
        await tried(fuzz, seed, tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(NIGHT_SECONDS + 120)
@KINDS
async def test_five_minutes_of_new_ones(fuzz: Fuzz, tmp_path: Path):
    seed = random.SystemRandom().randrange(2**32)
    end = time.monotonic() + NIGHT_SECONDS
    count = 0
    while time.monotonic() < end:
        await tried(fuzz, seed + count, tmp_path)
        count += 1
    print(f"{fuzz.__name__}: {count} inputs from seed {seed} on")
    assert count > SHORT
