"""Hand-back: after a rollback is verified, our claim on the fields that we wrote is taken off the target again.

The rule this module protects: the user's next `kubectl apply`, client-side or server-side, works as if we had never been there. With our entry in
managedFields, a server-side apply of another image would conflict with us.
"""

from __future__ import annotations

from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.marks import FIELD_MANAGER
from prunella.core.healing.effects.effect import Json, Patch

GUARDED_PATH: Final = "/metadata/managedFields"


def hand_back(raw: Json) -> Patch | None:
    """The patch that removes our Update entries from this object as it was read; None where there are none: it is done.

    It tests uid, resourceVersion and the manager of each entry, so that it never removes another's. It bears no stamp: that would be a new claim.
    """
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        return None
    ours = [index for index, entry in enumerate(metadata.get("managedFields") or ()) if _is_ours(entry)]
    if not ours:
        return None
    operations: list[Json] = [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
    ]
    # The highest index first: removing one moves all that come after it.
    for index in reversed(ours):
        operations += [
            {"op": "test", "path": f"{GUARDED_PATH}/{index}/manager", "value": FIELD_MANAGER},
            {"op": "remove", "path": f"{GUARDED_PATH}/{index}"},
        ]
    return Patch(
        target=ObjectRef(
            api_version=str(raw.get("apiVersion")),
            kind=str(raw.get("kind")),
            namespace=metadata.get("namespace"),
            name=metadata["name"],
            uid=metadata["uid"],
        ),
        operations=tuple(operations),
        guarded_path=GUARDED_PATH,
        does="field ownership is handed back",
        before={"managedFields": ", ".join(str(index) for index in ours), "resourceVersion": metadata["resourceVersion"]},
        stamped=False,
    )


def _is_ours(entry: Json) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Update" and not entry.get("subresource")
