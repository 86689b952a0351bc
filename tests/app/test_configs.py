"""What ConfigMaps hold while all is well is remembered by few writes; a change that breaks it is told by its keys, and put right."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.incident import Incident
from prunella.api.names import Cause, Mode, Outcome
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.workload_record import WorkloadRecord
from prunella.core.facts import WorkloadCondition

SECRET = "hunter2"


def automatic(*, undo: bool = False) -> Runbook:
    """The shipped one, as a team sets it that trusts it."""
    made = shipped("restore-changed-config")
    verify = made.spec.verify.model_copy(update={"undo_on_failure": undo})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"mode": Mode.AUTO, "verify": verify})})


def place_of(*references: str, granted: bool = True, age: float = 86_400.0, undo: bool = False) -> tuple[Place, FakeWorkload]:
    """A healthy shop whose pods were started after its ConfigMap `settings` was written."""
    place = shop(automatic(undo=undo))
    place.clock.time -= timedelta(days=2)
    place.config_maps.put("settings", mode="fast", same="x")
    place.clock.advance(2 * 86_400)
    place.config_maps.granted = {"shop"} if granted else set()
    one = place.cluster.create(age=age)
    one.references = frozenset(references or ("configmap/settings",))
    complete = WorkloadCondition(type="Progressing", status="True", reason="NewReplicaSetAvailable")
    one.changes["conditions"] = (complete,)  # a real controller goes on saying so when pods fail later
    return place, one


def break_it(place: Place, one: FakeWorkload) -> None:
    """Somebody changes the ConfigMap, and a pod that is started again dies of it."""
    place.config_maps.put("settings", mode=SECRET, same="x")
    place.clock.advance(5)
    one.pods[0].bad, one.pods[0].created = True, place.clock.now()
    place.cluster.changed(one)


def writes(place: Place) -> int:
    return sum(one.kind == "WorkloadRecord" for one in place.api.writes) + len(place.config_maps.kept)


async def test_what_it_is_healthy_with_is_remembered_once_and_a_steady_state_writes_nothing():
    place, one = place_of()
    operator = Operator(place)
    await operator.run(10)
    [known] = place.api.one(WorkloadRecord).spec.config_maps
    assert (known.name, known.resource_version) == ("settings", place.cluster.others["ConfigMap", "shop", "settings"]["metadata"]["resourceVersion"])
    assert place.config_maps.data(known.copy_name) == {"mode": "fast", "same": "x"}
    assert writes(place) == 3, "the record, the copy, and the copy's name on the record"
    assert "fast" not in str(place.api.objects)
    reads = len(place.config_maps.asked)
    for _ in range(30):
        place.cluster.changed(one)
        await operator.run(10)
    assert writes(place) == 3
    assert place.config_maps.asked[reads:] in ([["list shop"] * count for count in (4, 5, 6)]), "versions alone, once a minute at most"
    await operator.close()


async def test_another_content_is_remembered_once_every_pod_was_started_with_it():
    place, one = place_of()
    operator = Operator(place)
    await operator.run(10)
    place.config_maps.put("settings", mode="slow")
    await operator.run(70)
    place.cluster.changed(one)
    await operator.run(600)
    [known] = place.api.one(WorkloadRecord).spec.config_maps
    assert place.config_maps.data(known.copy_name) == {"mode": "fast", "same": "x"}, "pods that were started before prove nothing"
    place.cluster.set_image(one, "shop/app:2")
    await operator.run(200)
    [after] = place.api.one(WorkloadRecord).spec.config_maps
    assert place.config_maps.data(after.copy_name) == {"mode": "slow"}
    assert (after.copy_name, len(place.config_maps.kept)) == (known.copy_name, 2)
    await operator.close()


async def test_a_namespace_that_has_not_granted_it_is_rarely_asked_and_nothing_is_written():
    place, one = place_of(granted=False)
    operator = Operator(place)
    for _ in range(20):
        await operator.run(10)
        place.cluster.changed(one)
    assert (writes(place), place.config_maps.asked) == (0, ["list shop"])
    break_it(place, one)
    await operator.run(60)
    assert operator.incident.status.cause is Cause.CRASH_LOOP
    await operator.close()


async def test_a_copy_that_a_quota_refuses_is_not_tried_at_each_look():
    place, one = place_of()
    place.config_maps.full = True
    operator = Operator(place)
    for _ in range(20):
        await operator.run(10)
        place.cluster.changed(one)
    assert place.api.one(WorkloadRecord).spec.config_maps == ()
    assert place.config_maps.asked.count("get settings") <= 2
    await operator.close()


async def test_one_that_is_too_large_is_read_once_and_not_remembered():
    place, one = place_of()
    place.config_maps.put("settings", blob="x" * 300_000)
    place.clock.advance(5)
    place.cluster.set_image(one, "shop/app:2")
    operator = Operator(place)
    for _ in range(20):
        await operator.run(10)
        place.cluster.changed(one)
    assert (writes(place), place.config_maps.asked.count("get settings")) == (0, 1)
    await operator.close()


async def test_the_change_that_broke_it_is_the_cause_and_the_suspect_and_is_put_right():
    place, one = place_of()
    operator = Operator(place)
    await operator.run(10)
    break_it(place, one)
    await operator.run(30)
    status = operator.incident.status
    assert status.cause is Cause.CONFIG_CHANGED
    assert [(change.target, bool(change.suspected)) for change in status.changes] == [("configmap/settings", True)]
    assert status.changes[0].message.startswith("key mode changed since it was healthy with it at")
    await operator.run(300)
    done = place.api.one(Remediation).status
    assert done.outcome is Outcome.REMEDIATED, done.message
    assert place.config_maps.data("settings") == {"mode": "fast", "same": "x"}
    [bad] = [name for name in place.config_maps.names() if "-replaced-" in name]
    assert place.config_maps.data(bad) == {"mode": SECRET, "same": "x"}
    assert [step.action for step in done.steps if step.intent] == ["restoreConfig", "restoreConfig", "restart"]
    assert not any(pod.bad for pod in one.pods)
    told = f"{place.api.objects} {place.api.events} {place.deliver.sent}"
    assert SECRET not in told
    await operator.close()


def reloads(place: Place, one: FakeWorkload) -> None:
    """A controller makes the pods anew because their ConfigMap changed: by a mark on the template, as Reloader does."""
    template = one.raw["spec"]["template"]
    template["metadata"].setdefault("annotations", {})["reloader.stakater.com/last-reloaded-from"] = "settings"
    stamp = place.clock.now().replace(microsecond=0).isoformat()
    one.raw["metadata"]["managedFields"].append({"manager": "Reloader", "time": stamp, "fieldsV1": {"f:spec": {"f:template": {}}}})
    place.cluster._bump(one)
    place.cluster._react(one)


@pytest.mark.parametrize(
    ("effects", "said"),
    [(2, "changed the pod template of checkout after step 'restore': theirs stands, the rest was not done"), (3, "changed the pod template during")],
    ids=["before the run restarts the pods", "after it did"],
)
async def test_what_restarts_the_pods_for_the_restored_one_ends_the_run_and_is_named(effects, said):
    place, one = place_of()
    operator = Operator(place)
    await operator.run(10)
    break_it(place, one)

    def answers(when, _intent):
        if when == "after" and len(place.cluster.effects) == effects:
            place.cluster.gate = lambda _when, _intent: None
            reloads(place, one)

    place.cluster.gate = answers
    await operator.run(300)
    [done] = [one.status for one in place.api.all(Remediation)]
    assert done.outcome is Outcome.SUPERSEDED, done.message
    assert done.message.startswith(f"somebody (Reloader) {said}")
    assert done.message.endswith("; ConfigMap settings stays as the run wrote it, and what restarts pods for that counts as somebody")
    assert place.config_maps.data("settings") == {"mode": "fast", "same": "x"}
    await operator.close()


@pytest.mark.parametrize("mended", [False, True], ids=["it stands as it was written", "somebody mended it since"])
async def test_r11_where_it_did_not_help_it_is_taken_back_though_the_answer_to_it_was_lost(mended):
    place, one = place_of(undo=True)
    operator = Operator(place)
    await operator.run(10)
    break_it(place, one)
    place.cluster.heals = False

    def lost(when, _intent):
        if when == "before" and len(place.cluster.effects) == 1:
            place.cluster.lost_after = 1
        if when == "after" and mended and len(place.cluster.effects) == 2:
            place.config_maps.put("settings", mode="mended")

    place.cluster.gate = lost
    await operator.run(700)
    done = place.api.one(Remediation).status
    assert done.outcome is Outcome.WORSENED, done.message
    assert place.config_maps.data("settings") == ({"mode": "mended"} if mended else {"mode": SECRET, "same": "x"})
    await operator.close()


async def test_it_is_found_again_after_a_restart_of_the_operator():
    place, one = place_of("volume/settings")
    operator = Operator(place)
    await operator.run(10)
    await operator.close()
    break_it(place, one)
    again = Operator(place)
    await again.run(30)
    assert place.api.one(Incident).status.cause is Cause.CONFIG_CHANGED
    await again.close()
