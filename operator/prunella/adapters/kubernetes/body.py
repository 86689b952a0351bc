r"""How a request's body is spelled: byte for byte as Go spells JSON.

The API server compares a JSON patch's `test` on a string by its bytes with what Go's encoder makes of the stored object: it writes `<`, `>`, `&` and
the two line separators as `\u003c` and so on, and all else that is not ASCII as itself.

The rule this module protects: a `test` fails only where something differs. Spelled otherwise, one on a template whose command holds `>&2` fails
with 422 although nobody touched it.
"""

from __future__ import annotations

from typing import Final

import msgspec

_AS_GO: Final = (
    (b"&", b"\\u0026"),
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def encode(body: object) -> bytes:
    """JSON of the body. These characters occur in JSON only within strings, so replacing their bytes changes nothing else."""
    data = msgspec.json.encode(body)
    for plain, escaped in _AS_GO:
        data = data.replace(plain, escaped)
    return data
