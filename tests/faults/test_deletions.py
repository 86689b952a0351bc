"""What is deleted goes, with the operator at work on it (fault 22) and without any operator (fault 23); who throws a switch is obeyed (fault 36)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.faults.campaign import Point
from tests.faults.flows import APP, FLOWS, break_it, quiet
from tests.faults.ground import Ground
from tests.faults.rules import Match, Meanwhile
from tests.faults.runs import LENT, RUN_SECONDS, Book, as_before
from tests.harness.api import Object, path_of
from tests.harness.audit import Write
from tests.harness.waiting import Missed, holds_for, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300, func_only=True)]
GONE_SECONDS = 60
MOMENTS = (
    Point("create remediations", 1),
    Point("update remediations/status", 1),
    Point("patch deployments", 1),
    Point("update incidents/status", 3),
)


def delete_namespace(ground: Ground) -> None:
    ground.api.request("DELETE", path_of("Namespace", None, ground.namespace))


def gone(ground: Ground) -> bool:
    return ground.api.find("Namespace", ground.namespace) is None


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_namespace_goes_with_an_attempt_under_way(campaign, moment):
    flow = FLOWS["deployment"]
    with campaign.ground("a-ending") as ground:
        flow.prepare(ground)
        verb, resource = moment.words.split(" ", 1)
        match = Match(verbs={verb}, resource=resource, namespace=ground.namespace)
        with ground.proxy.rule(Meanwhile(lambda: delete_namespace(ground), match, nth=moment.nth)) as rule:
            flow.deed(ground)
            wait_for(rule.done.is_set, 60, f"{moment} comes", seen=ground.story)
            wait_for(lambda: gone(ground), GONE_SECONDS, "the namespace is gone", seen=ground.story)
        quiet(ground)
        assert ground.supervisor.starts == 1, ground.story()
        assert "Traceback" not in ground.words.read_text(), ground.story()


@pytest.mark.parametrize("marked", [False, True], ids=["protected", "twin"])
def test_without_an_operator_everything_that_is_its_own_goes(campaign, marked):
    """The twin has the finalizer that a handler for deletions would have put there: then it stays."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-left") as ground:
        flow.prepare(ground)
        flow.deed(ground)
        wait_for(ground.remediations, 60, "an attempt is made", seen=ground.story)
        ground.supervisor.pause()
        name = ground.incidents(APP)[0]["metadata"]["name"]
        if marked:
            ground.api.patch("Incident", name, {"metadata": {"finalizers": ["example.com/handler"]}}, ground.namespace)
        delete_namespace(ground)
        try:
            wait_for(lambda: gone(ground), GONE_SECONDS if not marked else 10, "the namespace is gone")
            went = True
        except Missed:
            went = False
            ground.api.patch("Incident", name, {"metadata": {"finalizers": None}}, ground.namespace)
        assert went == (not marked)


@pytest.mark.parametrize("moment", [Point("create incidents", 1), Point("update incidents/status", 1), Point("create remediations", 1)], ids=str)
def test_a_mode_that_is_lowered_before_the_intent_is_stored_stops_the_attempt(campaign, moment):
    """Fault 36: the namespace's own switch, at each boundary until the effect is decided."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-switch") as ground:
        flow.prepare(ground)
        verb, resource = moment.words.split(" ", 1)
        match = Match(verbs={verb}, resource=resource, namespace=ground.namespace)
        lower = Meanwhile(lambda: set_mode(ground, "Observe"), match, nth=moment.nth)
        with ground.proxy.rule(lower):
            flow.deed(ground)
            wait_for(lower.done.is_set, 60, f"{moment} comes", seen=ground.story)
            holds_for(lambda: not ground.foreign_writes(), 10, "nothing is done", interval=0.5)
        set_mode(ground, "Auto")
        wait_for(lambda: flow.over(ground), 90, "it heals once it may", seen=ground.story)
        assert len([one for one in ground.foreign_writes() if not one.hand_back]) == flow.effects, ground.story()


TWO_STEPS = Book((LENT, {"name": "rollback", "rollBack": {"to": "KnownGood"}}), "Auto")
SWITCHES: dict[str, tuple[Callable[[Ground], None], Callable[[Ground], None]]] = {
    "the mode of the namespace": (lambda ground: set_mode(ground, "Observe"), lambda ground: set_mode(ground, "Auto")),
    "a pause": (lambda ground: set_pause(ground, on=True), lambda ground: set_pause(ground, on=False)),
}


@pytest.mark.parametrize("without", ["", "switch"], ids=["protected", "twin"])
@pytest.mark.parametrize("which", SWITCHES)
def test_a_switch_that_is_thrown_between_two_steps_of_a_run_lets_no_other_effect_through(campaign, which, without):
    """Fault 36: the first effect is on its way when it is thrown."""
    off, on = SWITCHES[which]
    with campaign.ground("a-switch", without=without) as ground:
        TWO_STEPS.put(ground)
        match = Match(verbs={"patch"}, resource="deployments", namespace=ground.namespace)
        thrown = Meanwhile(lambda: off(ground), match)
        try:
            with ground.proxy.rule(thrown):
                break_it("Deployment")(ground)
                wait_for(thrown.done.is_set, 60, "the first effect is under way", seen=ground.story)
                if without:
                    wait_for(lambda: len(effects(ground)) == 2, 20, "without the protection the second one follows", seen=ground.story)
                    return
                wait_for(lambda: len(effects(ground)) == 1, 10, "it is done", seen=ground.story)
                holds_for(lambda: len(effects(ground)) == 1, 10, "nothing follows it", interval=0.5)
        finally:
            on(ground)
        wait_for(lambda: len(effects(ground)) == 2, 60, "it goes on once it may", seen=ground.story)


def test_a_measure_ends_though_its_process_was_killed_and_every_record_of_it_deleted(campaign):
    """The object bears all that is needed to end it; whoever clears the records away, and the Runbook with them, does not make it last."""
    with campaign.ground("a-forgotten") as ground:
        Book((LENT,), "Auto").put(ground)
        break_it("Deployment")(ground)
        wait_for(lambda: not as_before(ground), 60, "the measure is taken", seen=ground.story)
        ground.supervisor.pause()
        ground.api.delete("Runbook", "lend-a-hand", ground.system)
        for kind in ("Remediation", "Incident", "WorkloadRecord"):
            for one in ground.api.list(kind, ground.namespace):
                ground.api.delete(kind, one["metadata"]["name"], ground.namespace)
        assert not as_before(ground), "it stands, and nothing but the object tells of it"
        ground.supervisor.resume()
        wait_for(lambda: as_before(ground), RUN_SECONDS, "it is over", seen=ground.story)
        assert [one.verb for one in effects(ground)] == ["patch", "patch"], ground.story()


def effects(ground: Ground) -> list[Write]:
    return [one for one in ground.foreign_writes() if not one.hand_back]


def set_pause(ground: Ground, *, on: bool) -> None:
    """Pause automation in this namespace, or take that pause away: the one HealingPolicy may have those of other tests."""
    pauses = [{"name": ground.namespace, "reason": "it is tried", "namespaces": [ground.namespace]}] if on else []
    policy: Object = {"apiVersion": "prunella.dev/v1alpha1", "kind": "HealingPolicy", "metadata": {"name": "default"}, "spec": {"pauses": pauses}}
    ground.api.apply(policy, manager=ground.namespace)


def set_mode(ground: Ground, mode: str) -> None:
    ground.api.patch("Namespace", ground.namespace, {"metadata": {"labels": {"prunella.dev/mode": mode}}})
