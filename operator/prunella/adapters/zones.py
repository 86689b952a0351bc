"""Time zones by their IANA names, as everybody else in the world knows them.

The rule this module protects: a name means the same on every machine. Which names there are is the list that comes with the package tzdata; what
else an operating system keeps beside its zones is none.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from prunella.core.world import NoZone

NO_PLACE: Final = frozenset({"Factory", "localtime"})
"""Names of the list for a clock that nobody has set."""


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo | NoZone:
    """Implements `ZoneOf`."""
    if name not in _names():
        near = get_close_matches(name.lower(), [one.lower() for one in _names()], n=1)
        spelled = next((one for one in sorted(_names()) if near and one.lower() == near[0]), None)
        hint = f"; did you mean '{spelled}'?" if spelled else "; it is a name such as 'Europe/Berlin' or 'UTC'"
        return NoZone(f"there is no time zone '{name}'{hint}")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        return NoZone(f"the time zone '{name}' could not be read here ({type(error).__name__})")


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()) - NO_PLACE
