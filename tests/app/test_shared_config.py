"""A ConfigMap that several workloads read was changed for the worse: one Incident tells people, and those who fail for it are its children."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from tests.app.test_requests import asks
from tests.core.incident_builders import entry, ladder
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.common import NamespacedRef, ObjectRef
from prunella.api.incident import Incident
from prunella.api.names import Cause, MessageKind, Mode, Outcome
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook, SelfService
from prunella.app.commons import Commons
from prunella.app.keys import IncidentKey
from prunella.core.facts import WorkloadCondition
from prunella.core.healing.steps.restore_config import RestoreConfig

SECRET = "hunter2"
COMPLETE = (WorkloadCondition(type="Progressing", status="True", reason="NewReplicaSetAvailable"),)


def trusted(*, others: int = 0) -> Runbook:
    """The shipped one as a team sets it that trusts it, also for people who ask, and where so many others read the ConfigMap."""
    made = shipped("restore-changed-config")
    restore, *rest = made.spec.steps
    steps = (restore.model_copy(update={"restore_config": RestoreConfig(max_other_workloads=others)}), *rest)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"mode": Mode.AUTO, "steps": steps, "self_service": SelfService()})})


async def readers(
    *names: str, others: int = 0, healthy: int = 12, reads: dict[str, tuple[str, ...]] | None = None
) -> tuple[Place, dict[str, FakeWorkload], Operator]:
    """Healthy workloads that read ConfigMap `settings`, or what is said of them, and so many that read none."""
    place = shop(trusted(others=others), shipped())
    place.clock.time -= timedelta(days=2)
    for name in ("settings", "other"):
        place.config_maps.put(name, mode="fast")
    place.clock.advance(2 * 86_400)
    place.config_maps.granted = {"shop"}
    made = {}
    for name in names:
        made[name] = one = place.cluster.create(name)
        one.references = frozenset(f"configmap/{read}" for read in (reads or {}).get(name, ("settings",)))
        one.changes["conditions"] = COMPLETE
    for index in range(healthy):
        place.cluster.create(f"h{index:03}")
    operator = Operator(place)
    await operator.run(30)
    return place, made, operator


async def dies(place: Place, operator: Operator, *those: FakeWorkload, apart: float = 5) -> None:
    """A pod of each is started again, and dies of what it reads."""
    for one in those:
        place.clock.advance(apart)
        one.pods[0].bad, one.pods[0].created = True, place.clock.now()
        place.cluster.changed(one)
        await operator.run(1)


def parents(place: Place) -> list[Incident]:
    return [one for one in place.api.all(Incident) if one.spec.target_ref.kind == "ConfigMap"]


def victims(place: Place) -> dict[str, Incident]:
    return {one.spec.target_ref.name: one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Deployment"}


def paged(place: Place) -> Counter[str]:
    return Counter(one.incident.spec.target_ref.kind for one in place.deliver.sent if one.kind is MessageKind.PAGE)


def allowed(one: Incident) -> tuple[str, str]:
    return next((condition.reason, condition.message) for condition in one.status.conditions if condition.type == "RemediationAllowed")


async def broken(*names: str, others: int = 0) -> tuple[Place, dict[str, FakeWorkload], Operator]:
    """All of them fail since the ConfigMap was changed."""
    place, made, operator = await readers(*names, others=others)
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, *made.values(), apart=2)
    await operator.run(100)
    return place, made, operator


async def test_workloads_that_broke_after_one_change_are_one_parent_one_page_and_nothing_is_done():
    place, _, operator = await broken("checkout", "mailer", "web")
    [parent] = parents(place)
    ref = parent.spec.target_ref
    assert (ref.api_version, ref.namespace, ref.name, ref.uid) == ("v1", "shop", "settings", "cm-settings")
    status = parent.status
    assert (parent.metadata.namespace, status.cause, status.phase, status.child_count) == ("shop", Cause.CONFIG_CHANGED, "Triggered", 3)
    assert status.summary is not None
    assert status.summary.startswith("ConfigMap settings was changed at ")
    assert (
        ", and 3 workloads that read it fail since: checkout, mailer, web; what they were healthy with is kept in prunella-known-good-settings-"
        in (status.summary)
    )
    found = victims(place)
    assert {one.status.parent_ref for one in found.values()} == {NamespacedRef(namespace="shop", name=parent.metadata.name)}
    assert {allowed(one)[0] for one in found.values()} == {"StormActive"}
    assert allowed(found["web"])[1].startswith(f"configmap/settings in shop is at fault, see Incident shop/{parent.metadata.name}: ")
    assert paged(place) == {"ConfigMap": 1}
    assert (place.api.all(Remediation), place.cluster.effects) == ([], [])
    assert SECRET not in f"{place.api.objects} {place.api.events} {place.deliver.sent}"
    await operator.close()


async def test_a_restart_in_between_finds_the_same_and_what_joins_later_is_a_child_from_the_first():
    place, made, operator = await readers("checkout", "mailer", "web")
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, made["checkout"], made["mailer"])
    await operator.run(60)
    await operator.close()
    [before] = parents(place)
    operator = Operator(place)
    await operator.run(60)
    await dies(place, operator, made["web"])
    await operator.run(120)
    [after] = parents(place)
    assert (after.metadata.uid, after.status.episode, after.status.child_count) == (before.metadata.uid, 1, 3)
    assert paged(place) == {"ConfigMap": 1}
    await operator.close()


async def test_when_people_put_it_back_everything_ends_and_nobody_else_was_woken():
    place, made, operator = await broken("checkout", "mailer")
    place.config_maps.put("settings", mode="fast")
    for one in made.values():
        one.pods[0].bad, one.pods[0].created = False, place.clock.now()
        place.cluster.touch(one)
    await operator.run(1500)
    assert {one.status.phase for one in place.api.all(Incident)} == {"Resolved"}
    assert {one.status.parent_ref for one in victims(place).values()} == {None}
    assert paged(place) == {"ConfigMap": 1}
    assert place.cluster.effects == []
    await operator.close()


async def test_one_alone_is_judged_for_itself_and_put_right():
    place, made, operator = await readers("checkout", "mailer", others=1)
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, made["checkout"])
    await operator.run(400)
    assert parents(place) == []
    assert [one.status.outcome for one in place.api.all(Remediation)] == [Outcome.REMEDIATED]
    assert place.config_maps.data("settings") == {"mode": "fast"}
    await operator.close()


async def test_a_person_who_asks_for_it_gets_it_put_back_once_though_its_incident_holds_the_others_back():
    place, _, operator = await broken("checkout", "mailer", others=1)
    assert len(parents(place)) == 1
    asks(place, book="restore-changed-config", target=ObjectRef(api_version="apps/v1", kind="Deployment", name="checkout"))
    await operator.run(60)
    assert place.config_maps.data("settings") == {"mode": "fast"}
    assert len([name for name in place.config_maps.names() if "-replaced-" in name]) == 1
    await operator.close()


@pytest.mark.parametrize("case", ["different ConfigMaps", "both read both, and accuse another", "it failed before", "half an hour later"])
async def test_a_config_map_is_not_accused_by_coincidence(case):
    """What each of them accuses for itself is what counts; that they read the same, or fail at the same time, is nothing."""
    reads: dict[str, tuple[str, ...]] = {"checkout": ("settings",), "mailer": ("other",)} if case == "different ConfigMaps" else {}
    if case == "both read both, and accuse another":
        reads = {"checkout": ("settings", "other"), "mailer": ("other",)}
    place, made, operator = await readers("checkout", "mailer", reads=reads)
    if case == "it failed before":
        await dies(place, operator, made["mailer"])
        await operator.run(30)
    if case == "both read both, and accuse another":
        place.config_maps.put("other", mode=SECRET)
        place.clock.advance(2)
    place.config_maps.put("settings", mode=SECRET)
    if case == "different ConfigMaps":
        place.config_maps.put("other", mode=SECRET)
    await dies(place, operator, made["checkout"])
    if case == "half an hour later":
        await operator.run(1860)
    await dies(place, operator, made["mailer"])
    await operator.run(60)
    assert victims(place)["checkout"].status.cause is Cause.CONFIG_CHANGED
    assert parents(place) == []
    assert {one.status.parent_ref for one in victims(place).values()} == {None}
    await operator.close()


async def test_who_fails_for_a_dependency_that_is_down_is_its_child_and_accuses_no_config_map():
    place, made, operator = await readers("checkout", "mailer", "ledger", reads={"ledger": ()})
    for name in ("checkout", "mailer"):
        mine = entry(name, labels={"app": name}, policy=None)
        place.api.apply(mine.model_copy(update={"spec": mine.spec.model_copy(update={"depends_on": (NamespacedRef(name="ledger"),)})}))
    place.api.apply(entry("ledger", labels={"app": "ledger"}, policy=None))
    await operator.run(5)
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, made["ledger"])
    await operator.run(10)
    await dies(place, operator, made["checkout"], made["mailer"])
    await operator.run(60)
    found = victims(place)
    assert {found[name].status.cause for name in ("checkout", "mailer")} == {Cause.CONFIG_CHANGED}
    ledger = NamespacedRef(namespace="shop", name=found["ledger"].metadata.name)
    assert {found[name].status.parent_ref for name in ("checkout", "mailer")} == {ledger}
    assert parents(place) == []
    await operator.close()


def reported(**more: object) -> Incident:
    """What ana says of the ConfigMap."""
    target = {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"}
    spec = {"title": "settings look strange", "targetRef": target, "reporters": [{"name": "ana"}], **more}
    return Incident.read({"metadata": {"name": "strange-settings", "namespace": "shop"}, "spec": spec})


async def test_what_a_person_reports_of_a_config_map_takes_no_lone_workload_in():
    place, made, operator = await readers("checkout", "mailer", others=1)
    place.api.apply(reported())
    await operator.run(5)
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, made["checkout"])
    await operator.run(60)
    assert victims(place)["checkout"].status.parent_ref is None
    assert allowed(victims(place)["checkout"])[0] != "StormActive"
    await operator.close()


async def test_those_who_have_people_of_their_own_hear_of_it_though_it_has_a_parent():
    place, made, operator = await readers("checkout", "mailer")
    place.api.apply(ladder(name="sre"))
    place.api.apply(entry("mailer", labels={"app": "mailer"}, policy="sre"))
    await operator.run(5)
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, *made.values(), apart=2)
    await operator.run(100)
    [parent] = parents(place)
    found = victims(place)
    assert {one.status.parent_ref.name for one in found.values() if one.status.parent_ref} == {parent.metadata.name}
    pages = [one.incident.spec.target_ref.name for one in place.deliver.sent if one.kind is MessageKind.PAGE]
    assert sorted(pages) == ["mailer", "settings"]
    await operator.close()


async def test_a_parent_that_a_person_calls_minor_silences_nobody_who_is_worse():
    place, made, operator = await readers("checkout", "mailer")
    place.api.apply(entry("mailer", labels={"app": "mailer"}, policy=None, tier=1))
    place.api.apply(reported(impact="Minor", urgency="Low"))
    await operator.run(5)
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, *made.values(), apart=2)
    await operator.run(100)
    [parent] = parents(place)
    worse = victims(place)["mailer"]
    assert (parent.status.priority, worse.status.parent_ref is not None) == ("P4", True)
    assert worse.status.priority is not None
    assert worse.status.priority.value < "P4"
    assert "mailer" in [one.incident.spec.target_ref.name for one in place.deliver.sent if one.kind is MessageKind.PAGE]
    await operator.close()


async def test_what_a_person_reported_of_the_config_map_is_the_parent_and_no_second_one_is_opened():
    place, made, operator = await readers("checkout", "mailer")
    place.api.apply(reported())
    place.config_maps.put("settings", mode=SECRET)
    await dies(place, operator, *made.values())
    await operator.run(60)
    [parent] = parents(place)
    assert (parent.metadata.name, parent.status.cause, parent.status.child_count) == ("strange-settings", Cause.CONFIG_CHANGED, 2)
    await operator.close()


async def watched(place: Place, operator: Operator) -> Counter[IncidentKey]:
    """Counts from now on whom the links wake, once what a new process wakes first is served."""
    woken: Counter[IncidentKey] = Counter()

    def wake(key: IncidentKey) -> None:
        woken[key] += 1
        operator.wake(key)

    operator.commons = Commons(place.view, operator.gatherer.around, operator.intake, place.clock, wake)
    await operator.commons.look()
    await operator.run(15)
    woken.clear()
    return woken


def key_of(one: Incident) -> IncidentKey:
    return IncidentKey(one.metadata.namespace or "", one.metadata.name)


async def test_while_the_same_workloads_fail_their_links_wake_nobody():
    place, _, operator = await broken("checkout", "mailer", "web")
    woken = await watched(place, operator)
    [before] = parents(place)
    for _ in range(300):
        await operator.run(1)
        await operator.commons.look()
    [after] = parents(place)
    assert woken == {}
    assert (after.status.child_count, after.status.episode) == (before.status.child_count, 1)
    await operator.close()


async def test_however_often_one_of_them_comes_and_goes_the_parent_is_woken_once_in_ten_seconds():
    place, made, operator = await broken("checkout", "mailer", "web")
    woken = await watched(place, operator)
    [parent] = parents(place)
    for turn in range(30):
        pod = made["web"].pods[0]
        pod.bad, pod.created = turn % 2 == 1, place.clock.now()
        place.cluster.changed(made["web"])
        await operator.run(2)
        await operator.commons.look()
    assert 1 <= woken[key_of(parent)] <= 7
    assert paged(place) == {"ConfigMap": 1}
    await operator.close()
