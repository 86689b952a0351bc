"""A claim that is nearly full grows: people agree to it, and that the alert is over proves that it was enough. At its cap nothing is done (R30)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.core.thing_builders import claim
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.names import MessageKind, Outcome, Phase, RemediationPhase
from prunella.core.things.claim import Claim

from .test_run_again import agree, firing

FULL = "KubePersistentVolumeFillingUp"
WHERE = ("PersistentVolumeClaim", "shop", "data")


def has(place: Place, amount: str, asks: str = "") -> None:
    """So much storage is there now."""
    raw = place.cluster.others[WHERE]
    raw["status"]["capacity"]["storage"] = amount
    known = place.cluster.things[WHERE]
    assert isinstance(known, Claim)
    place.cluster.put(replace(known, has=amount, wants=asks or raw["spec"]["resources"]["requests"]["storage"]))


async def nearly_full(amount: str = "10Gi", severity: str = "warning", **rules: int) -> tuple[Place, Operator]:
    """An alert says that a claim of this size is nearly full."""
    place = shop(shipped("expand-nearly-full-claim"))
    place.queries.rules |= rules or {f"{FULL}/warning": 3600, f"{FULL}/critical": 60}
    made = claim(phase="Bound", wants=amount, has=amount)
    spec: dict[str, Any] = {"resources": {"requests": {"storage": amount}}, "storageClassName": "fast"}
    status: dict[str, Any] = {"phase": "Bound", "capacity": {"storage": amount}}
    meta = {"name": "data", "namespace": "shop", "uid": made.uid, "annotations": {}, "resourceVersion": "1", "managedFields": []}
    place.cluster.others[WHERE] = {"kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec, "status": status}
    place.cluster.others["StorageClass", "", "fast"] = {"kind": "StorageClass", "metadata": {"name": "fast"}, "allowVolumeExpansion": True}
    place.cluster.put(made)
    operator = Operator(place)
    told = firing(place, FULL, persistentvolumeclaim="data")
    await operator.take(told | {"labels": told["labels"] | {"severity": severity}})
    await operator.run(90)
    return place, operator


def asks(place: Place) -> str:
    return str(place.cluster.others[WHERE]["spec"]["resources"]["requests"]["storage"])


async def grown() -> tuple[Place, Operator]:
    """People agreed, and its volume has grown."""
    place, operator = await nearly_full()
    agree(operator)
    await operator.run(20)
    has(place, "12800Mi")
    await operator.run(120)
    return place, operator


async def test_it_grows_once_people_agree_and_the_end_of_its_alert_proves_it():
    place, operator = await nearly_full()
    assert (operator.incident.spec.target_ref.kind, asks(place)) == ("PersistentVolumeClaim", "10Gi")
    agree(operator)
    await operator.run(20)
    assert asks(place) == "12800Mi"
    assert operator.remediations[0].status.phase is RemediationPhase.DISPATCHED, "its volume has yet to grow"
    has(place, "12800Mi")
    await operator.run(300)
    assert operator.remediations[0].status.outcome is None, "the alert still fires: that it grew proves nothing"
    place.alertmanager.listed = {}
    await operator.run(180)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert "healthy it has the 12800Mi that it asks for" in attempt.status.message
    assert operator.condition("Resolved") == ("True", "Verified")
    await operator.close()


async def test_where_the_alert_goes_on_it_did_not_help_and_people_are_called():
    place, operator = await grown()
    await operator.run(1800)
    assert operator.remediations[0].status.outcome is Outcome.INEFFECTIVE
    assert operator.incident.status.phase is not Phase.RESOLVED
    assert place.deliver.to(MessageKind.PAGE) != []
    await operator.close()


async def test_r30_at_its_cap_it_does_not_grow_and_people_are_called():
    place, operator = await nearly_full("100Gi")
    await operator.run(300)
    assert (asks(place), place.cluster.effects, operator.remediations) == ("100Gi", [], [])
    assert operator.condition("RemediationAllowed") == ("False", "PreconditionFalse")
    said = next(one.message for one in operator.incident.status.conditions if one.type == "RemediationAllowed")
    assert said == "claim data has 100Gi and may have no more than 100Gi: a person has to make room"
    assert place.deliver.to(MessageKind.PAGE) != []
    await operator.close()


async def test_the_rule_that_fires_after_a_minute_is_no_ground_to_act_on():
    place, operator = await nearly_full(severity="critical")
    await operator.run(300)
    assert (asks(place), operator.remediations) == ("10Gi", [])
    assert operator.condition("RemediationAllowed") == ("False", "NoRunbookMatches")
    await operator.close()
