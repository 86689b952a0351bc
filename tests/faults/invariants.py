"""The invariants V1–V24, and the promise I8, as far as they can be seen from outside, each a function that raises AssertionError with what it saw.

`SHOWN` are asked after every attack. `NOT_SHOWN` says for the others why an attack of this kind can't show them, and which test does. Whoever adds an
oracle adds to `DOCTORED` in `test_twins.py` how its evidence looks without the protection: a test asks that it fails then.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from tests.harness import story
from tests.harness.audit import OPERATOR
from tests.harness.instants import parse
from tests.harness.story import TIME_ORDER

from .evidence import Evidence
from .flows import QUIET_SECONDS, STEADY_PER_SECOND

Check = Callable[[Evidence], None]
STATUS_BYTES = 64 * 1024
EVENTS = 40
PHASES = ("Pending", "Dispatched", "Verifying", "Unknown", "Succeeded", "Failed", "Cancelled")
ATTEMPT_MOVES: Final = {
    "": {"Pending", "Dispatched", "Cancelled", "Succeeded"},
    "Pending": {"Pending", "Dispatched", "Cancelled", "Succeeded", "Failed"},
    "Dispatched": {"Dispatched", "Verifying", "Unknown", "Failed", "Cancelled"},
    "Verifying": {"Verifying", "Unknown", "Succeeded", "Failed", "Cancelled"},
    "Unknown": {"Unknown", "Cancelled"},
}
INCIDENT_MOVES: Final = {
    "": {"Triggered"},
    "Triggered": {"Triggered", "Acknowledged", "Mitigated", "Resolved", "Cancelled"},
    "Acknowledged": {"Acknowledged", "Triggered", "Mitigated", "Resolved", "Cancelled"},
    "Mitigated": {"Mitigated", "Triggered", "Acknowledged", "Resolved", "Cancelled"},
    "Resolved": {"Resolved", "Triggered", "Mitigated"},
}


def v01_no_intents_effect_happens_twice(seen: Evidence) -> None:
    """By the audit log: each intent's id is stamped once, each deleted pod is another one, and there are as many effects as the story asks for."""
    ids = Counter(one.id or one.uid for one in seen.effects)
    assert all(count == 1 for count in ids.values()), f"effects by intent: {dict(ids)}"
    after = [one for one in seen.effects if one.write.time >= seen.requests[seen.deed].time]
    lines = [one.write.line for one in after]
    held = any(one.get("status", {}).get("phase") == "Unknown" for one in seen.remediations)
    assert len(after) == seen.flow.effects or (held and len(after) < seen.flow.effects), lines


def v02_an_effect_insists_on_the_object_that_was_judged(seen: Evidence) -> None:
    """Each effect names the uid that the attempt was made for, and a patch the state that it replaces."""
    targets = {one["spec"]["targetRef"]["uid"] for one in seen.remediations}
    for one in seen.effects:
        assert one.uid, f"{one.write.line} names no uid"
        if one.write.verb == "patch":
            assert one.uid in targets, f"{one.write.line} is for {one.uid}, the attempts are for {targets}"
            tests = {operation["path"] for operation in one.write.body if operation["op"] == "test"}
            replaced = {operation["path"] for operation in one.write.body if operation["op"] == "replace" and operation["path"].startswith("/spec/")}
            assert replaced, f"{one.write.line} replaces nothing"
            assert replaced <= tests, f"{one.write.line} replaces {replaced} and tests only {tests}"
        else:
            assert one.write.body["preconditions"].get("resourceVersion"), f"{one.write.line} does not insist on the state that was judged"


def v03_every_effect_is_recorded_before_it_runs(seen: Evidence) -> None:
    """By the audit log: a stored status with the intent came in before the effect did; a deletion's intent names its pod."""
    for one in seen.effects:
        if one.id:
            writes = seen.intents.get(one.id, [])
        else:
            step = next((step for step in seen.steps if step.get("intent", {}).get("targetRef", {}).get("uid") == one.uid), {})
            writes = seen.intents.get(step.get("intent", {}).get("id", ""), [])
        assert writes, f"no intent of {one.write.line} was ever stored"
        assert writes[0].time < one.write.time, f"{one.write.line} came before its intent: {writes[0].line}"


def v04_what_is_reported_as_done_was_done(seen: Evidence) -> None:
    """Each step that stands as Applied has its effect in the audit log, and an attempt that healed has no other steps."""
    done = {one.id for one in seen.effects} | {one.uid for one in seen.effects}
    for step in seen.steps:
        if step["state"] == "Applied" and "intent" in step:
            assert {step["intent"]["id"], step["intent"]["targetRef"]["uid"]} & done, f"nothing in the audit log of {step}"
    stand = {step["intent"]["id"] for step in seen.steps if "intent" in step and step["state"] in {"Applied", "Unknown"}}
    stand |= {step["intent"]["targetRef"]["uid"] for step in seen.steps if "intent" in step and step["state"] in {"Applied", "Unknown"}}
    for effect in seen.effects:
        assert {effect.id, effect.uid} & stand, f"{effect.write.line} was done and stands nowhere as done"
    for one in seen.remediations:
        states = {step["state"] for step in one["status"].get("steps", [])}
        assert one["status"].get("outcome") != "Remediated" or states == {"Applied"}, f"{one['metadata']['name']} healed with steps {states}"


def v05_one_fault_is_one_incident(seen: Evidence) -> None:
    """A duplicate of a signal, also one of another process, makes no second Incident."""
    targets = Counter(one["spec"]["targetRef"]["uid"] for one in seen.incidents)
    assert list(targets.values()) == [1], dict(targets)


def v06_an_open_problem_is_found_again_without_a_new_event(seen: Evidence) -> None:
    """The story came to its end after the last start, and its Incident is about the workload that stands there."""
    assert {one["spec"]["targetRef"]["uid"] for one in seen.incidents} == {one["metadata"]["uid"] for one in seen.workloads}
    assert all(one["status"].get("phase") for one in seen.incidents)


def v07_another_writers_change_is_never_overwritten(seen: Evidence) -> None:
    """By the request log: nothing of others is replaced, nothing is forced, and nothing is applied."""
    for one in seen.requests:
        assert "force=" not in one.query, one.line
        foreign = one.verb in {"update", "patch"} and one.resource.split("/")[0] in {"deployments", "statefulsets", "daemonsets", "pods"}
        assert not (foreign and one.verb == "update"), f"{one.line} replaces what is not ours"
    for effect in seen.effects:
        assert effect.write.verb in {"patch", "delete"}, effect.write.line
        assert effect.write.verb == "delete" or isinstance(effect.write.body, list), f"{effect.write.line} is no JSON patch"


def v08_every_attempt_ends_or_is_unknown_and_pages(seen: Evidence) -> None:
    """None is silently stuck."""
    for one in seen.remediations:
        phase = one.get("status", {}).get("phase")
        assert phase in {"Succeeded", "Failed", "Cancelled", "Unknown"}, f"{one['metadata']['name']} stands at {phase}: {one.get('status')}"
        assert phase != "Unknown" or seen.pages(), f"{one['metadata']['name']} is Unknown and nobody was paged"
        assert phase == "Unknown" or one["status"].get("outcome"), one["status"]


def v09_no_effect_without_a_live_read_of_its_target(seen: Evidence) -> None:
    """By the request log: between two attempts at an effect, and before the first, the target was read by name."""
    read = False
    for one in seen.requests:
        if one.verb == "get" and one.resource in {"deployments", "statefulsets", "pods"}:
            read = True
        if one.verb in {"patch", "delete"} and one.resource in {"deployments", "statefulsets", "pods"} and one.writes:
            assert read, f"{one.line} was sent without a read before it"
            read = one.verb == "delete"


def v12_the_process_works_or_was_ended_by_us(seen: Evidence) -> None:
    """It answers its probes, and none ended but by our own kill, or as often as the attack is known to end one."""
    assert seen.alive, "/healthz"
    assert seen.ready, "/readyz"
    ends, ours = Counter(seen.ends), Counter({-9: seen.kills, 0: seen.told})
    by_itself = ends - ours
    assert not ours - ends, f"processes ended with {seen.ends}; {seen.kills} were killed, {seen.told} told to end"
    assert by_itself <= Counter({1: seen.may_end}), f"processes ended by themselves: {dict(by_itself)}"


def v15_nobody_else_acts_under_an_intents_id(seen: Evidence) -> None:
    """By the audit log: the intent's id is stamped by the operator's account alone, and by it where there was an effect."""
    assert seen.stampers <= {OPERATOR}, seen.stampers
    assert not any(one.id for one in seen.effects) or seen.stampers == {OPERATOR}
    for one in seen.remediations:
        assert one["spec"]["requestedBy"].endswith(":prunella"), one["spec"]


def v16_every_message_arrives_or_is_declared_failed(seen: Evidence) -> None:
    """None is lost: all who must be paged were; what is said to be delivered was taken; at most one duplicate, under the same key."""
    takers = Counter(one.headers["Idempotency-Key"] for one in seen.posts)
    broke = bool(seen.ends) or seen.lost_replies > 0
    assert max(takers.values(), default=0) <= (2 if broke else 1), f"messages by key: {dict(takers)}"
    for message in seen.messages():
        assert message["state"] in {"Delivered", "Failed", "Withdrawn"}, message
    delivered = Counter((message["kind"], message["receiver"]) for message in seen.messages() if message["state"] == "Delivered")
    keys: dict[tuple[str, str], set[str]] = {}
    for post in seen.posts:
        keys.setdefault((post.body["data"]["customData"]["kind"], post.receiver), set()).add(post.headers["Idempotency-Key"])
    for what, count in delivered.items():
        assert len(keys.get(what, set())) >= count, f"{count} of {what} are said to be delivered, {len(keys.get(what, set()))} were taken"
    sent = {what: len(found) for what, found in keys.items()}
    stored = Counter((message["kind"], message["receiver"]) for message in seen.messages())
    assert all(count <= stored[what] for what, count in sent.items()), f"taken under other keys than those of {dict(stored)}: {keys}"
    held = any(one.get("status", {}).get("phase") == "Unknown" for one in seen.remediations)
    paged = {one.receiver for one in seen.pages() if one.time >= seen.requests[seen.deed].time}
    assert paged >= seen.flow.paged, f"paged were {paged}"
    assert held or paged <= seen.flow.paged | seen.flow.others, f"nobody but {set(seen.flow.paged)} had to be paged: {paged}"


def v17_what_is_kept_stays_within_its_limits(seen: Evidence) -> None:
    """Size of an Incident, entries of its timeline, and number of Events."""
    for one in seen.incidents:
        assert len(json.dumps(one)) < STATUS_BYTES, len(json.dumps(one))
        assert len(one["status"]["timeline"]) <= 50
    events = [one for one in seen.writes if one.event]
    assert len(events) <= EVENTS, [one.line for one in events]


def v18_nothing_of_ours_blocks_a_deletion(seen: Evidence) -> None:
    """No finalizer on anything, and no owner reference that would delete the audit with its subject."""
    for one in (*seen.incidents, *seen.remediations, *seen.workloads, *seen.others):
        assert not one["metadata"].get("finalizers"), one["metadata"]
    for one in (*seen.incidents, *seen.remediations):
        assert not one["metadata"].get("ownerReferences"), one["metadata"]


def v19_it_asks_little_once_nothing_happens(seen: Evidence) -> None:
    """At most ten requests a second at rest."""
    assert seen.quiet_requests <= STEADY_PER_SECOND * QUIET_SECONDS, f"{seen.quiet_requests} requests in the last seconds"


def v21_states_move_by_the_table_and_times_in_order(seen: Evidence) -> None:
    """As a watch of our own saw them: only legal moves, no time of the same episode written twice, and in their order."""
    for kind, moves in (("Incident", INCIDENT_MOVES), ("Remediation", ATTEMPT_MOVES)):
        for name, phases in _phases(seen, kind).items():
            for before, after in pairwise(["", *phases]):
                assert before == after or after in moves.get(before, set()), f"{kind} {name} went {' -> '.join(phases)}"
    for one in seen.incidents:
        story.conventions(one)
        times = one["status"]["times"]
        known = [parse(times[key]) for key in TIME_ORDER if key in times]
        assert known == sorted(known), times
    _written_once(seen)


def _phases(seen: Evidence, kind: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sight in seen.sights:
        phase = sight.object.get("status", {}).get("phase", "")
        if sight.kind == kind and sight.change != "DELETED" and phase:
            found.setdefault(sight.name, []).append(phase)
    return found


def _written_once(seen: Evidence) -> None:
    known: dict[tuple[str, str], str] = {}
    for sight in seen.sights:
        if sight.kind == "Incident":
            for key in ("startedTime", "detectedTime", "receivedTime", "triggeredTime"):
                value = sight.object.get("status", {}).get("times", {}).get(key)
                if value:
                    first = known.setdefault((sight.name, key), value)
                    assert value == first, f"{key} of {sight.name} was {first} and is {value}"


def v22_no_secret_stands_anywhere(seen: Evidence) -> None:
    """Neither in what is stored, nor in Events, nor in the log."""
    places: list[tuple[str, str]] = [("the log", seen.words)]
    places += [(one["kind"], json.dumps(one)) for one in (*seen.incidents, *seen.remediations, *seen.workloads, *seen.others)]
    for where, text in places:
        for secret in seen.secrets:
            assert secret not in text, f"a secret stands in {where}"


def i08_every_temporary_measure_ends_once(seen: Evidence) -> None:
    """By the audit log, and nothing of it is left on the workload; one whose attempt can't be known stays until a person has looked."""
    held = any(one.get("status", {}).get("phase") == "Unknown" for one in seen.remediations)
    lines = [one.line for one in seen.endings]
    assert len(lines) == seen.flow.endings or (held and not lines), lines
    for one in seen.workloads:
        assert held or "prunella.dev/temporary" not in one["metadata"].get("annotations", {}), one["metadata"]


SHOWN: Final[dict[str, Check]] = {
    "V1": v01_no_intents_effect_happens_twice,
    "V2": v02_an_effect_insists_on_the_object_that_was_judged,
    "V3": v03_every_effect_is_recorded_before_it_runs,
    "V4": v04_what_is_reported_as_done_was_done,
    "V5": v05_one_fault_is_one_incident,
    "V6": v06_an_open_problem_is_found_again_without_a_new_event,
    "V7": v07_another_writers_change_is_never_overwritten,
    "V8": v08_every_attempt_ends_or_is_unknown_and_pages,
    "V9": v09_no_effect_without_a_live_read_of_its_target,
    "V12": v12_the_process_works_or_was_ended_by_us,
    "V15": v15_nobody_else_acts_under_an_intents_id,
    "V16": v16_every_message_arrives_or_is_declared_failed,
    "V17": v17_what_is_kept_stays_within_its_limits,
    "V18": v18_nothing_of_ours_blocks_a_deletion,
    "V19": v19_it_asks_little_once_nothing_happens,
    "V21": v21_states_move_by_the_table_and_times_in_order,
    "V22": v22_no_secret_stands_anywhere,
    "I8": i08_every_temporary_measure_ends_once,
}
NOT_SHOWN: Final[dict[str, str]] = {
    "V10": "needs a second process that believes to lead: the tests of the election",
    "V11": "needs a second replica: the tests of the election",
    "V13": "the evidence is whole in these stories: tests/app/test_prove.py and tests/scenarios/test_limits.py take it away",
    "V14": "budgets and storms are out of reach here, because many stories run side by side: tests/app/test_brake.py and test_queue.py",
    "V20": "no object is bad here: tests/cluster/test_cache.py and the bad inputs",
    "V23": "the mode is Auto here: tests/scenarios/test_left_alone.py",
    "V24": "nothing is uninstalled here: tests/cluster/test_install.py",
}


def broken(seen: Evidence) -> list[str]:
    """What does not hold, each with its number and what was seen."""
    found = []
    for number, check in SHOWN.items():
        try:
            check(seen)
        except AssertionError as error:
            found.append(f"{number} {check.__name__[4:].replace('_', ' ')}: {error}")
    return found
