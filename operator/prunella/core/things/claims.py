"""A PersistentVolumeClaim that gets no volume, or whose volume is gone.

The rule this module protects: waiting is normal. A claim may wait for its first consumer for ever, so only a provisioner that says that it failed
makes a fault of it; and as long as it waits, silence does not make it well.
"""

from __future__ import annotations

from typing import Final

from prunella.api.names import Cause

from .claim import Claim
from .sighting import NOTHING, UNTOLD, At, Sighting, found, told

FAILED: Final = "ProvisioningFailed"


def detect(claim: Claim, at: At) -> Sighting:
    """VolumeClaimLost or VolumeClaimPending."""
    if claim.phase == "Lost":
        what = f"its volume {claim.volume or '(not named)'} is gone: the claim is Lost, and what was stored there with it"
        return found(claim, Cause.VOLUME_CLAIM_LOST, what, at.now, at)
    if claim.phase != "Pending":
        return NOTHING
    failed = [one for one in claim.complaints if one.reason == FAILED]
    if not failed:
        return UNTOLD
    since = min((one.first_time for one in failed if one.first_time is not None), default=at.now)
    newest = max(failed, key=lambda one: str(one.last_time))
    of_class = f" of class {claim.storage_class}" if claim.storage_class else ""
    what = f"it gets no volume{of_class} ({told(newest.reason, newest.message)})"
    return found(claim, Cause.VOLUME_CLAIM_PENDING, what, since, at)
