"""Watches that lie, stutter or break (faults 8, 9, 11, 12): the rollback happens once all the same.

What lies costs no more writes than an undisturbed run.

Pods and Deployments are watched by our own cache alone, Incidents and Remediations by Kopf as well: a rule that acts `times=2` hits both.
"""

from __future__ import annotations

import dataclasses

import pytest
from tests.faults import rules, stream_rules
from tests.faults.campaign import Attack, Spoil
from tests.faults.flows import FLOWS
from tests.faults.ground import Ground
from tests.faults.kubelet import BAD
from tests.faults.reporting import attacked
from tests.faults.rules import Match, Rule
from tests.faults.stream_rules import Event

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900, func_only=True)]


def of_type(*types: str) -> stream_rules.Wanted:
    return lambda event: event["type"] in types


def bad_pod(*types: str) -> stream_rules.Wanted:
    """An event of that type about a pod of the version that crashes."""

    def wanted(event: Event) -> bool:
        return event["type"] in types and event["object"]["spec"]["containers"][0]["image"] == BAD

    return wanted


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


def test_what_a_watch_tells_wrongly_changes_nothing(campaign, pytestconfig, subtests):
    flow = FLOWS["deployment"]
    found = campaign.recorded(flow).always
    attacked(campaign, [Attack(flow, name, spoil, most=len(found)) for name, spoil in LIES.items()], pytestconfig, subtests)


def test_a_watch_that_breaks_is_opened_again(campaign, pytestconfig, subtests):
    # While a watch is down nothing is done, and the first page is due after two seconds here.
    flow = dataclasses.replace(FLOWS["deployment"], others=frozenset({"primary", "secondary"}))
    attacks = [Attack(flow, name, spoil, may_end=int(name in ENDS_KOPF)) for name, spoil in BREAKS.items()]
    attacked(campaign, attacks, pytestconfig, subtests)
