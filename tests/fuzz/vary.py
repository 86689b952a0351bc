"""Hostile variations of a stored example: its values, its shape, its bytes. The same seed gives the same variation, for ever."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

TEXTS = (
    *("", " ", "\x00", "\n", "\r\n{}", "\x1b[31m", "\u202e", "\u200b", "\ud800", "\U0001f525", "e\u0301", "x" * 64, "y" * 254, "z" * 5000),
    *("../../etc", "*", "${x}", "${target.name}", "{{7*7}}", "$(id)", "`id`", "%s", '"} or vector(1) #', "<!channel>", "password=hunter2"),
    *("kube-system", "prunella-system", "shop", "checkout", "checkout-5d8f-abcde", "critical", "Auto", "true", "value > 0", "5m30", "P1D", "0777"),
    *("(a+)+$", '{alertname=~"("}', "firing", "resolved", "d253d4b2942f077a"),
)
TIMES = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z"),
    *("2026-11-24T24:00:00Z", "2026-11-24T12:00:60Z", "2026-11-24", "2026-11-24T12:00:00.123456789Z", "2036-01-01T00:00:00Z"),
)
NUMBERS = (0, -1, 1, 3, 10**6, 2**31, 2**63, 10**30, 1e999, float("nan"), 0.5)
SHAPES: tuple[Any, ...] = (None, True, False, [], {}, [[]], [{}], {"": ""}, {"a": {"b": {"c": None}}})
WORDS: tuple[Any, ...] = (*TEXTS, *TIMES, *NUMBERS, *SHAPES)
PIECES = (
    *(b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\t", b"\n", b"{", b"}", b"[", b"]", b'"', b"'", b":", b",", b"# ", b"- "),
    *(b"&a ", b"*a", b"<<: *a", b"!!python/object:x ", b"---\n", b"\\ud800"),
)


def tree(chance: random.Random, example: Any) -> Any:
    """The example with one to six places of it changed."""
    made = copy.deepcopy(example)
    for _ in range(chance.randint(1, 6)):
        holder, key = _place(chance, made)
        if holder is None:
            continue
        match chance.randrange(6):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 0:
                holder.pop(key)
            case 1 if isinstance(holder, dict):
                holder[_word(chance)] = holder[key]
            case 2 if isinstance(holder, list):
                holder.extend([copy.deepcopy(holder[key])] * chance.choice((1, 2, 40)))
            case 3 if isinstance(holder[key], str):
                cut = chance.randint(0, len(holder[key]))
                holder[key] = holder[key][:cut] + _word(chance) + holder[key][cut:]
            case _:
                holder[key] = copy.deepcopy(chance.choice(WORDS))
    return made


def raw(chance: random.Random, example: bytes) -> bytes:
    """The example with one to six of its bytes, or runs of them, changed."""
    made = bytearray(example)
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(made))
        end = min(len(made), start + chance.choice((0, 0, 1, 3, 40)))
        made[start:end] = chance.choice((chance.choice(PIECES), bytes([chance.randrange(256)]), bytes(made[:end][-20:])))
    return bytes(made)


def dumped(made: Any) -> bytes:
    """JSON as a careless program writes it: with NaN, and with halves of surrogate pairs."""
    return json.dumps(made, ensure_ascii=True).encode()


def _word(chance: random.Random) -> str:
    return str(chance.choice(WORDS))


def _place(chance: random.Random, made: Any) -> tuple[Any, Any]:
    """Somewhere in it: what holds the value, and the key or index."""
    found: list[tuple[Any, Any]] = []
    waiting = [made]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        found += [(one, key) for key in keys]
        waiting += [one[key] for key in keys]
    return chance.choice(found) if found else (None, None)
