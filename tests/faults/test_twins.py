"""Twins: with a protection taken out the same attacks must be seen to fail, or the tests beside this one show nothing.

Two kinds. The operator runs without one of its protections (`unprotected.py`), and the invariant that it serves breaks. Or the evidence of an honest
run is doctored the way it would look, and the oracle says so.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.faults import invariants, rules
from tests.faults.campaign import FAULTS, Point, play
from tests.faults.evidence import Evidence
from tests.faults.flows import FLOWS
from tests.faults.invariants import NOT_SHOWN, SHOWN
from tests.faults.rules import Match
from tests.harness.api import Object
from tests.harness.audit import Write
from tests.harness.waiting import Missed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600, func_only=True)]


def numbers(wrong: list[str]) -> set[str]:
    return {one.split(" ", 1)[0] for one in wrong}


@pytest.mark.parametrize(
    ("protection", "flow", "fault", "point", "breaks"),
    [
        ("intent", "deployment", "reply lost", Point("create incidents", 1), "V3"),
        ("looking", "deployment", "killed after", Point("patch deployments", 1), "the end"),
        ("looking", "deployment", "killed after its grace after", Point("patch deployments", 1), "the end"),
        ("looking", "deployment", "much too late", Point("patch deployments", 1), "V1"),
        ("key", "page", "killed before", Point("update incidents/status", 3), "V16"),
    ],
    ids=["intent", "looking", "looking after its grace", "looking where it is late", "key"],
)
def test_an_operator_without_a_protection_breaks_its_invariant_or_comes_to_no_end(campaign, protection, flow, fault, point, breaks):
    verb, resource = point.words.split(" ", 1)
    with campaign.ground("twin", without=protection) as ground:
        rule = FAULTS[fault](ground, Match(verbs={verb}, resource=resource, namespace=ground.namespace), point.nth)
        if breaks == "the end":
            with pytest.raises(Missed, match="ends: not within"):
                play(FLOWS[flow], ground, [rule], seconds=40)
            assert rule.fired
            return
        played = play(FLOWS[flow], ground, [rule])
        assert breaks in numbers(played.wrong), "\n".join([f"without {protection} {breaks} still holds", *played.wrong, played.story])


@pytest.mark.parametrize(("protection", "sent"), [("", 1), ("one try", 2)], ids=["protected", "twin"])
def test_a_deletion_whose_reply_was_lost_is_not_sent_again_by_the_http_client(campaign, protection, sent):
    """The second one would find another pod, or none, and tell a done deletion as refused."""
    with campaign.ground("twin", without=protection) as ground:
        flow = FLOWS["statefulset"]
        match = Match(verbs={"delete"}, resource="pods", namespace=ground.namespace)
        flow.prepare(ground)
        with ground.proxy.rule(rules.LoseReply(match, nth=1, times=1)) as rule:
            flow.deed(ground)
            assert rule.done.wait(60), ground.story()
            first = next(one for one in ground.proxy.log if rule.match.fits(one))
            # What comes next on the wire about this pod tells: a look at it, or the same request once more.
            seen = ground.next_about(first)
        assert (2 if seen.verb == "delete" else 1) == sent, ground.story()


# --- oracles whose evidence is doctored ---

Doctor = Callable[[Evidence], Evidence]


def changed(write: Write, **fields: object) -> Write:
    return dataclasses.replace(write, **fields)


def writes(change: Callable[[list[Write], list[Write]], list[Write]]) -> Doctor:
    """The audit log, changed: all of it and the effects are given, all of it comes back."""
    return lambda seen: dataclasses.replace(seen, writes=tuple(change(list(seen.writes), [one.write for one in seen.effects])))


def incident(change: Callable[[Object], None]) -> Doctor:
    def doctor(seen: Evidence) -> Evidence:
        copy = json.loads(json.dumps(seen.incidents[0]))
        change(copy)
        return dataclasses.replace(seen, incidents=(copy,))

    return doctor


def attempt(change: Callable[[Object], None]) -> Doctor:
    def doctor(seen: Evidence) -> Evidence:
        copy = json.loads(json.dumps(seen.remediations[0]))
        change(copy)
        return dataclasses.replace(seen, remediations=(copy,))

    return doctor


def without_tests(every: list[Write], effects: list[Write]) -> list[Write]:
    return [changed(one, body=[op for op in one.body if op["op"] != "test"]) if one in effects else one for one in every]


def without_reads(seen: Evidence) -> Evidence:
    return dataclasses.replace(seen, requests=tuple(one for one in seen.requests if one.verb != "get"))


def sent_twice(seen: Evidence) -> Evidence:
    return dataclasses.replace(seen, posts=(*seen.posts, *seen.posts))


def left_marked(seen: Evidence) -> Evidence:
    """A measure whose mark is still on the workload."""
    workloads = copy.deepcopy(seen.workloads)
    workloads[0]["metadata"].setdefault("annotations", {})["prunella.dev/temporary"] = "{}"
    return dataclasses.replace(seen, workloads=workloads)


DOCTORED: dict[str, Doctor] = {
    "V1": writes(lambda every, effects: [*every, changed(effects[0], time=effects[0].time + timedelta(seconds=1))]),
    "V2": writes(without_tests),
    "V3": writes(lambda every, effects: [one for one in every if one.resource != "remediations"]),
    "V4": attempt(lambda one: one["status"]["steps"][0].update(state="Failed")),
    "V5": lambda seen: dataclasses.replace(seen, incidents=seen.incidents * 2),
    "V6": incident(lambda one: one["spec"]["targetRef"].update(uid="another")),
    "V7": writes(lambda every, effects: [changed(one, body={"spec": {}, "preconditions": {}}) if one in effects else one for one in every]),
    "V8": attempt(lambda one: one["status"].update(phase="Dispatched")),
    "V9": without_reads,
    "V12": lambda seen: dataclasses.replace(seen, ends=(1,)),
    "V15": lambda seen: dataclasses.replace(seen, stampers=frozenset({"ana"})),
    "V16": sent_twice,
    "V17": incident(lambda one: one["status"].update(timeline=one["status"]["timeline"] * 20)),
    "V18": incident(lambda one: one["metadata"].update(finalizers=["prunella.dev/finalizer"])),
    "V19": lambda seen: dataclasses.replace(seen, quiet_requests=1000),
    "V21": lambda seen: dataclasses.replace(seen, sights=tuple(reversed(seen.sights))),
    "V22": lambda seen: dataclasses.replace(seen, words=f"token={seen.secrets[0]}"),
    "I8": left_marked,
}


def test_every_invariant_is_shown_or_its_absence_is_explained():
    assert set(SHOWN) | set(NOT_SHOWN) == {"I8", *(f"V{number}" for number in range(1, 25))}
    assert not set(SHOWN) & set(NOT_SHOWN)
    assert set(DOCTORED) == set(SHOWN)


def test_every_oracle_says_so_when_its_evidence_is_doctored(campaign, subtests):
    seen = campaign.recorded(FLOWS["deployment"]).seen
    for number, doctor in DOCTORED.items():
        with subtests.test(number):
            assert number in numbers(invariants.broken(doctor(seen)))
