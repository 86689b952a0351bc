"""Who wrote the number of a workload's replicas, by its managedFields.

The rule this module protects: it is read only of a workload with none, because most of what is watched has some, and managedFields are most of it.
A zero that was written through the subresource scale, as `kubectl scale` does it, leaves no name there: the API server drops the former owner.
"""

from __future__ import annotations

from datetime import UTC, datetime
from sys import intern
from typing import Final

import msgspec

from . import wire_workload as wire

_DECODER: Final = msgspec.json.Decoder(list[wire.Written] | None)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def of_replicas(stored: wire.Workload) -> tuple[str, datetime | None]:
    """The field manager that wrote it last and when it last wrote; empty where that can't be told."""
    try:
        written = _DECODER.decode(stored.metadata.managed_fields) or ()
    except msgspec.DecodeError:
        return "", None
    owners = [one for one in written if one.fields.spec is not None and one.fields.spec.replicas is not None]
    if not owners:
        return "", None
    last = max(owners, key=lambda one: one.time or _LONG_AGO)
    return intern(last.manager), last.time
