"""Which events of an Incident tell nothing new: those of versions that a decision has read or written itself.

The rule this module protects: an event is passed over only where a decision that knew its version is carried out to its end. Where that ends in an
error, or in anything else than was told meanwhile, the Incident is looked at again.
"""

from __future__ import annotations

from prunella.app.keys import IncidentKey


class Versions:
    """Keeps what was read, written and told of each Incident. A version is its resourceVersion, '' where it is not known."""

    def __init__(self) -> None:
        self._written: dict[IncidentKey, str] = {}
        """What we wrote last, where that decision was carried out to its end or still is being."""
        self._read: dict[IncidentKey, str] = {}
        """What the decision under way has read last."""
        self._told: dict[IncidentKey, str] = {}
        """The version of the event that came while a decision was under way."""

    def known(self, key: IncidentKey, version: str) -> bool:
        """Whether nothing follows from the event of that version that is not done already, or seen to when the decision under way ends."""
        if not version:
            return False
        if self._written.get(key) == version:
            return True
        if key in self._read:
            self._told[key] = version
            return True
        return False

    def begin(self, key: IncidentKey) -> None:
        """A decision begins; end it with `end` or `fail`."""
        self._read[key] = ""

    def read(self, key: IncidentKey, version: str) -> None:
        """The decision under way goes by that version from now on."""
        self._read[key] = version

    def wrote(self, key: IncidentKey, version: str) -> None:
        """The decision under way has stored that version."""
        self._written[key] = version

    def end(self, key: IncidentKey) -> bool:
        """The decision was carried out. True where something else was told meanwhile, so that another one is due."""
        read, told = self._read.pop(key, ""), self._told.pop(key, "")
        return bool(told) and told not in {read, self._written.get(key)}

    def fail(self, key: IncidentKey) -> bool:
        """The decision was not carried out. True where its event may have come already, and been taken for known."""
        self._read.pop(key, None)
        told, written = self._told.pop(key, None), self._written.pop(key, None)
        return told is not None or written is not None

    def forget(self, key: IncidentKey) -> None:
        """The Incident is gone."""
        self._written.pop(key, None)
