"""WorkloadRecords of the shop's Deployment `checkout`."""

from __future__ import annotations

from prunella.api.common import Metadata
from prunella.api.workload_record import HealthyRevision, QuarantinedRevision, WorkloadRecord, WorkloadRecordSpec

from .builders import ago, workload


def healthy_revision(hash_="h2", *, last_healthy=40.0, time_to_ready=2):
    """A revision last seen healthy so many seconds before noon."""
    return HealthyRevision(
        hash=hash_, name=f"checkout-{hash_}", revision=int(hash_[1:]), last_healthy_time=ago(last_healthy), time_to_ready_seconds=time_to_ready
    )


def quarantined_revision(hash_="h3", *, since=600.0):
    """A revision that was rolled back so many seconds before noon."""
    return QuarantinedRevision(hash=hash_, revision=int(hash_[1:]), incident="checkout-7f3kq", quarantined_time=ago(since))


def record_of(*revisions, quarantined=(), uid=None):
    """The record with these revisions; another uid makes it another object's."""
    target = workload().ref if uid is None else workload(uid=uid).ref
    return WorkloadRecord(
        metadata=Metadata(name="deployment-checkout", namespace="shop"),
        spec=WorkloadRecordSpec(target_ref=target, revisions=revisions, quarantined=quarantined),
    )


def healthy_record(*hashes, **changes):
    """The record in which these revisions were seen healthy 40 s before noon."""
    return record_of(*(healthy_revision(hash_, **changes) for hash_ in hashes))
