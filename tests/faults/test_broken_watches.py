"""Watches that lie, stutter or break (faults 8, 9, 11, 12): the rollback happens once all the same.

What lies costs no more writes than an undisturbed run.

Pods and Deployments are watched by our own cache alone, Incidents and Remediations by Kopf as well: a rule that acts `times=2` hits both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from tests.faults import rules, stream_rules
from tests.faults.campaign import Attack, Spoil
from tests.faults.flows import APP, FLOWS, healed
from tests.faults.ground import Ground
from tests.faults.kubelet import BAD
from tests.faults.reporting import attacked
from tests.faults.rules import Match, Rule
from tests.faults.stream_rules import Event
from tests.harness.waiting import Missed, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900, func_only=True)]
HEALED_SECONDS = 60
NOT_HEALED_SECONDS = 30
"""An honest operator needs a quarter of it."""


def of_type(*types: str) -> stream_rules.Wanted:
    return lambda event: event["type"] in types


def bad_pod(*types: str) -> stream_rules.Wanted:
    """An event of that type about a pod of the version that crashes."""

    def wanted(event: Event) -> bool:
        return event["type"] in types and event["object"]["spec"]["containers"][0]["image"] == BAD

    return wanted


def crashed_twice(event: Event) -> bool:
    """A word about a pod of the version that crashes, after which its Runbook may act."""
    return bad_pod("MODIFIED")(event) and any(one["restartCount"] >= 2 for one in event["object"]["status"].get("containerStatuses", []))


def one(rule: type[stream_rules.OnEvent], resource: str, wanted: stream_rules.Wanted = stream_rules.anything, **more: object) -> Spoil:
    return lambda ground: [rule(resource, wanted, namespace=ground.namespace, **more)]  # type: ignore[arg-type]


def error(code: int, resource: str, *, times: int = 1) -> Spoil:
    return lambda ground: [stream_rules.ErrorEvent(code, resource, namespace=ground.namespace, nth=None, times=times)]


def cut_and_gone(resource: str) -> Spoil:
    """The stream breaks, and when it is opened again its version is too old."""

    def spoil(ground: Ground) -> list[Rule]:
        gone = Match(verbs={"watch"}, resource=resource, namespace=ground.namespace)
        return [stream_rules.CutInEvent(resource, namespace=ground.namespace), rules.Answer(410, gone, nth=1, times=1)]

    return spoil


LIES: dict[str, Spoil] = {
    "the first event of a bad pod is dropped": one(stream_rules.DropEvent, "pods", bad_pod("ADDED")),
    "three changes of bad pods are dropped": one(stream_rules.DropEvent, "pods", bad_pod("MODIFIED"), nth=None, times=3),
    "the deletion of a bad pod is dropped": one(stream_rules.DropEvent, "pods", bad_pod("DELETED")),
    "two changes of the Deployment are dropped": one(stream_rules.DropEvent, "deployments", nth=None, times=2),
    "the new ReplicaSet is dropped": one(stream_rules.DropEvent, "replicasets", of_type("ADDED")),
    "the new Incident is dropped, in both watches": one(stream_rules.DropEvent, "incidents", of_type("ADDED"), nth=None, times=2),
    "the new Remediation is dropped, in both watches": one(stream_rules.DropEvent, "remediations", of_type("ADDED"), nth=None, times=2),
    "every change of a pod comes twice": one(stream_rules.DuplicateEvent, "pods", nth=None),
    "every change of the Incident comes twice": one(stream_rules.DuplicateEvent, "incidents", nth=None),
    "every change of the Remediation comes twice": one(stream_rules.DuplicateEvent, "remediations", nth=None),
    "an old word of a bad pod comes again": one(stream_rules.ReplayEvent, "pods", bad_pod("MODIFIED"), later=2),
    "an old word of the Deployment comes again": one(stream_rules.ReplayEvent, "deployments", later=3),
    "an old word of the Incident comes again": one(stream_rules.ReplayEvent, "incidents", later=2),
    "an old word of the Remediation comes again": one(stream_rules.ReplayEvent, "remediations", later=2),
    "two words about pods change places": one(stream_rules.ReorderEvents, "pods", bad_pod("MODIFIED")),
    "two words about the Deployment change places": one(stream_rules.ReorderEvents, "deployments"),
}
ENDS_KOPF = ("garbage comes among Incidents", "the streams of Incidents say 500")
"""Kopf ends the process then, rather than to live on blind; the next one takes over."""
BREAKS: dict[str, Spoil] = {
    "the stream of pods ends in the middle of a line": one(stream_rules.CutInEvent, "pods", bad_pod("MODIFIED")),
    "the stream of Deployments ends in the middle of a line": one(stream_rules.CutInEvent, "deployments"),
    "the streams of Incidents end in the middle of a line": one(stream_rules.CutInEvent, "incidents", nth=None, times=2),
    "garbage comes among pods": one(stream_rules.GarbageEvent, "pods", bad_pod("MODIFIED")),
    "garbage comes among Incidents": one(stream_rules.GarbageEvent, "incidents", nth=None, times=2),
    "the stream of pods says 410": error(410, "pods"),
    "the stream of pods says 500": error(500, "pods"),
    "the streams of Incidents say 410": error(410, "incidents", times=2),
    "the streams of Incidents say 500": error(500, "incidents", times=2),
    "the stream of pods breaks, and its version is too old": cut_and_gone("pods"),
    "the stream of Deployments breaks, and its version is too old": cut_and_gone("deployments"),
}


def test_r35_what_a_watch_tells_twice_late_or_wrongly_changes_nothing(campaign, request, subtests):
    flow = FLOWS["deployment"]
    found = campaign.recorded(flow).always
    attacked(campaign, [Attack(flow, name, spoil, most=len(found)) for name, spoil in LIES.items()], request, subtests)


def test_a_watch_that_breaks_is_opened_again(campaign, request, subtests):
    # While a watch is down nothing is done, and the first page is due after two seconds here.
    flow = dataclasses.replace(FLOWS["deployment"], others=frozenset({"primary", "secondary"}))
    attacks = [Attack(flow, name, spoil, may_end=int(name in ENDS_KOPF)) for name, spoil in BREAKS.items()]
    attacked(campaign, attacks, request, subtests)


def within(seconds: float, probe: Callable[[], object], ground: Ground) -> bool:
    """Whether it comes to that in time."""
    try:
        wait_for(probe, seconds, "it comes to that", seen=ground.story)
    except Missed:
        return False
    return True


@pytest.mark.parametrize("without", ["", "relist"], ids=["protected", "twin"])
def test_what_a_watch_never_told_is_found_by_the_list_after_its_410(campaign, without):
    """That the version crashes is never told; then the stream's history is gone, and is listed anew."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-missed", without=without) as ground:
        flow.prepare(ground)
        gone = stream_rules.ErrorEvent(410, "pods", crashed_twice, namespace=ground.namespace)
        deaf = stream_rules.DropEvent("pods", bad_pod("ADDED", "MODIFIED"), namespace=ground.namespace, nth=None)
        with ground.proxy.rule(gone), ground.proxy.rule(deaf):
            flow.deed(ground)
            wait_for(gone.done.is_set, 30, "its history is gone", seen=ground.story)
            seconds = NOT_HEALED_SECONDS if without else HEALED_SECONDS
            assert within(seconds, lambda: healed(ground), ground) == (not without), ground.story()
        assert bool(ground.incidents(APP)) == (not without), "who is told nothing sees nothing"
        assert ground.supervisor.starts == 1, ground.story()


@pytest.mark.parametrize("without", ["", "newest word"], ids=["protected", "twin"])
def test_an_old_word_that_follows_every_new_one_is_not_believed(campaign, without):
    """After each word about a bad pod the first one comes again, from when it had not crashed yet."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-echo", without=without) as ground:
        flow.prepare(ground)
        with ground.proxy.rule(stream_rules.FirstWordAgain("pods", bad_pod("ADDED", "MODIFIED"), namespace=ground.namespace)):
            flow.deed(ground)
            seconds = NOT_HEALED_SECONDS if without else HEALED_SECONDS
            assert within(seconds, lambda: healed(ground), ground) == (not without), ground.story()
        if not without:
            assert len([one for one in ground.foreign_writes() if not one.hand_back]) == flow.effects, ground.story()


@pytest.mark.parametrize("name", ["garbage comes among pods", "the stream of pods ends in the middle of a line", "the stream of pods says 500"])
def test_a_watch_that_is_not_opened_again_ends_the_story_nowhere(campaign, name):
    """The twin of what breaks: the process goes on, and is blind. In time its own probe says so."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-blind", without="again") as ground:
        flow.prepare(ground)
        [rule] = BREAKS[name](ground)
        with ground.proxy.rule(rule):
            flow.deed(ground)
            wait_for(rule.done.is_set, 30, "the watch breaks", seen=ground.story)
            assert not within(NOT_HEALED_SECONDS, lambda: healed(ground), ground), ground.story()
        assert ground.foreign_writes() == [], ground.story()
        assert ground.supervisor.starts == 1, ground.story()
