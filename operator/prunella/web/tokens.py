"""Who may post alerts: bearer tokens out of a folder of files.

The rules this module protects: every file holds one valid token, so that a rotation has both the old and the new one; the comparison takes as
long for a near miss as for nonsense; and where no token is configured nobody is let in, because an open door that looks configured is worse than
a closed one.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Final

LONGEST_TOKEN: Final = 4096

_Stamp = tuple[tuple[str, int, int, int], ...]
_log = logging.getLogger(__name__)


class Entry(Enum):
    """What the headers of a request are good for."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    """No token, a wrong one, or two headers."""
    CLOSED = "closed"
    """No token is configured."""


class Tokens:
    """The tokens of a folder, read again whenever a file in it changes. A mounted Secret's dot files are not tokens."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._stamp: _Stamp | None = None
        self._tokens: tuple[bytes, ...] = ()

    def judge(self, authorization: Sequence[str]) -> Entry:
        """Decide by all Authorization headers of a request."""
        tokens = self._current()
        if not tokens:
            return Entry.CLOSED
        if len(authorization) != 1:
            return Entry.REFUSED
        scheme, _, token = authorization[0].partition(" ")
        given = token.strip(" ").encode("utf-8", "surrogateescape")
        # Every token is compared, so that the answer's time does not tell which one was near.
        matches = [hmac.compare_digest(given, valid) for valid in tokens]
        return Entry.ALLOWED if any(matches) and scheme.lower() == "bearer" else Entry.REFUSED

    def _current(self) -> tuple[bytes, ...]:
        if self._folder is None:
            return ()
        try:
            files = sorted(path for path in self._folder.iterdir() if not path.name.startswith(".") and path.is_file())
            stamp = tuple((path.name, *_stamp(path)) for path in files)
            if stamp != self._stamp:
                self._tokens = tuple(token for token in (path.read_bytes()[:LONGEST_TOKEN].strip() for path in files) if token)
                self._stamp = stamp
        except OSError:
            # A file vanished between two looks (a rotation), or the folder did: what cannot be read lets nobody in, and the next look is fresh.
            _log.warning("The folder of webhook tokens could not be read", extra={"folder": str(self._folder)})
            self._tokens, self._stamp = (), None
        return self._tokens


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size
