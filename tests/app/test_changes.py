"""What changed lately stands on every Incident from its first write on, and costs no other."""

from __future__ import annotations

from tests.app.test_heals import rolled_out
from tests.core.incident_builders import entry
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import shipped

from prunella.api.common import NamespacedRef
from prunella.api.incident import Incident


async def test_the_rollout_that_broke_it_stands_there_as_the_suspect_from_the_first_write_on():
    place, _, operator = await rolled_out(seconds=5)
    first = operator.incident.status
    assert [(one.target, one.message, bool(one.suspected)) for one in first.changes] == [
        ("deploy/checkout", "revision 2: image shop/app:1 -> shop/app:2", True)
    ]
    assert sum(one.kind == "Incident" for one in place.api.writes) == 2, "the create, and the one that begins its story"
    await operator.close()


async def test_an_alert_of_nothing_that_runs_lists_what_its_namespace_rolled_out():
    place = shop(shipped())
    quiet = place.cluster.create("quiet")
    busy = place.cluster.create("busy")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(busy, "shop/app:7")
    await operator.run(60)
    stamp = place.clock.now().isoformat()
    await operator.take(
        {
            "status": "firing",
            "fingerprint": "00000000000000aa",
            "labels": {"alertname": "Slow", "namespace": "shop"},
            "annotations": {},
            "startsAt": stamp,
        }
    )
    await operator.run(5)
    assert [(one.target, one.message, bool(one.suspected)) for one in operator.incident.status.changes] == [
        ("deploy/busy", "revision 2: image shop/app:1 -> shop/app:7", False)
    ]
    assert quiet.name not in str(operator.incident.status.changes)
    await operator.close()


async def test_a_declared_dependency_is_found_in_its_own_namespace():
    place = shop(shipped())
    place.cluster.namespaces["pay"] = {}
    checkout, ledger = place.cluster.create("checkout"), place.cluster.create("ledger", namespace="pay")
    needs = (NamespacedRef(namespace="pay", name="ledger"), NamespacedRef(namespace="pay", name="gone"))
    mine = entry()
    place.api.apply(mine.model_copy(update={"spec": mine.spec.model_copy(update={"depends_on": needs})}))
    theirs = entry("ledger", labels={"app": "ledger"}, policy=None)
    place.api.apply(theirs.model_copy(update={"metadata": theirs.metadata.model_copy(update={"namespace": "pay"})}))
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(ledger, "shop/app:7")
    await operator.run(30)
    place.cluster.bad.add("shop/app:2")
    place.cluster.set_image(checkout, "shop/app:2")
    await operator.run(10)
    found = next(one for one in place.api.all(Incident) if one.spec.target_ref.name == "checkout").status.changes
    assert [(one.namespace, one.target, one.message) for one in found] == [
        ("shop", "deploy/checkout", "revision 2: image shop/app:1 -> shop/app:2"),
        ("pay", "deploy/ledger", "dependency pay/ledger, revision 2: image shop/app:1 -> shop/app:7"),
    ]
    await operator.close()
