"""What is deleted goes, with the operator at work on it (fault 22) and without any operator (fault 23)."""

from __future__ import annotations

import pytest
from tests.faults.campaign import Point
from tests.faults.flows import APP, FLOWS, quiet
from tests.faults.ground import Ground
from tests.faults.rules import Match, Meanwhile
from tests.harness.api import path_of
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


def set_mode(ground: Ground, mode: str) -> None:
    ground.api.patch("Namespace", ground.namespace, {"metadata": {"labels": {"prunella.dev/mode": mode}}})
