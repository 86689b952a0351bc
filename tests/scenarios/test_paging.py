"""Who is told, over real HTTP: nobody where automation was faster, else primary, then the catch-all, until a person takes it."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.request
from collections.abc import Callable

from tests.harness import story, table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, outline
from tests.harness.installation import RECEIVER, escalation_policy, kubectl
from tests.harness.receiver import Post
from tests.harness.waiting import holds_for, wait_for

FIRST, SECOND = 5, 6


def ladder(arena: Arena, *receivers: str, **more: object) -> None:
    """A short ladder: one receiver a step, then the catch-all."""
    delays = [FIRST, *(SECOND for _ in receivers[1:])]
    steps = [
        {"name": f"step{number}", "afterSeconds": delay, "waitWhileRemediatingSeconds": 30, "notify": [{"contactRef": {"name": receiver}}]}
        for number, (receiver, delay) in enumerate(zip(receivers, delays, strict=True))
    ]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps, **more))


def hopeless(arena: Arena, name: str = "hopeless") -> Object:
    """A fault that automation can't mend: nothing ever worked."""
    arena.kubectl_apply(workloads.deployment(name, arena.namespace, command=workloads.CRASH))
    return arena.incident(name)


def kind(post: Post) -> str:
    body = post.body
    return str(body["data"]["customData"]["kind"] if "data" in body else body.get("event_action", "change"))


def of_kind(arena: Arena, wanted: str, *receivers: str) -> list[Post]:
    return [one for one in arena.inbox.posts(*receivers) if kind(one) == wanted]


def told(arena: Arena, receiver: str, wanted: str = "Page", *, seconds: float = 30) -> Post:
    """The first message of a kind for a receiver."""
    probe: Callable[[], list[Post]] = lambda: of_kind(arena, wanted, receiver)  # noqa: E731 - it is asked twice
    found = wait_for(probe, seconds, f"{receiver} gets a {wanted}", seen=lambda: [(one.receiver, kind(one)) for one in arena.inbox.posts()])
    return found[0]


def acknowledge(arena: Arena, incident: Object, user: str, by: str) -> tuple[int, str]:
    """Acknowledge with a person's own certificate; exit code and what the API server said."""
    patch = json.dumps({"spec": {"acknowledgement": {"by": by}}})
    words = ["patch", "incident", incident["metadata"]["name"], "-n", arena.namespace, "--type=merge", "-p", patch]
    done = kubectl(*words, kubeconfig=arena.installation.user(user), check=False)
    return done.returncode, done.stderr


def test_what_heals_before_the_first_page_calls_nobody_and_the_owner_is_told(arena):
    ladder(arena, "primary", "secondary")
    made = workloads.deployment("quick", arena.namespace)
    good = arena.start(made)
    instant = arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.healed(arena, good, instant, "RolloutCrashLoop", name="paging: healed before the first page")
    story.nobody_was_called(arena, incident)
    assert of_kind(arena, "StandDown") == [], "who was not called need not stand down"
    notice = of_kind(arena, "Notice", "releases")[0].body["data"]["customData"]
    assert "rolled back" in notice["text"].lower() or "template of revision" in notice["text"], notice["text"]
    assert incident["status"]["owner"]["resolvedBy"], "the path to the owner stands there"
    assert incident["status"]["owner"]["escalationPolicyRef"]["name"] == "sre"


def test_what_cannot_be_healed_calls_the_primary_then_the_catch_all_and_says_how_to_take_it(arena):
    ladder(arena, "primary")
    incident = hopeless(arena)
    page = told(arena, "primary")
    data = page.body["data"]["customData"]
    assert data["incident"]["name"] == incident["metadata"]["name"]
    assert "kubectl" in data["text"], "the page says what to type"
    last = told(arena, "ops-all", seconds=90)
    assert last.time > page.time
    incident = arena.when(incident, lambda one: one["status"]["escalation"]["state"] == "Exhausted", "the ladder is exhausted", seconds=90)

    def delivered(one: Object) -> bool:
        pages = {(page["receiver"], page["state"]) for page in one["status"]["escalation"]["messages"] if page["kind"] == "Page"}
        return pages == {("primary", "Delivered"), ("ops-all", "Delivered")}

    incident = arena.when(incident, delivered, "both receipts stand there", seconds=20)
    keys = [one.headers["Idempotency-Key"] for one in of_kind(arena, "Page")]
    assert len(keys) == len(set(keys)), "no page came twice"
    assert incident["status"]["times"]["notifiedTime"]
    table.add(arena.installation.folder, table.Row(scenario="paging: not healable", expected="primary, catch-all", seen="primary, catch-all"))
    story.conventions(incident)


def test_the_message_is_signed_and_a_wrong_key_does_not_fit(arena):
    ladder(arena, "primary")
    hopeless(arena)
    page = told(arena, "primary")
    signed = page.headers["X-Prunella-Timestamp"].encode() + b"." + page.raw.encode()
    right = hmac.new(b"key of primary", signed, hashlib.sha256).hexdigest()
    assert page.headers["X-Prunella-Signature"] == f"v1={right}"
    assert page.headers["X-Prunella-Signature"] != f"v1={hmac.new(b'key of secondary', signed, hashlib.sha256).hexdigest()}"
    assert page.headers["Content-Type"].startswith("application/cloudevents+json")
    assert {"id", "source", "specversion", "type"} <= set(page.body)


def test_an_acknowledgement_by_a_real_person_stops_the_ladder_a_forged_name_is_refused_and_a_stand_down_follows(arena):
    ladder(arena, "primary", "secondary")
    incident = hopeless(arena)
    told(arena, "primary")
    code, said = acknowledge(arena, incident, "ben", "ana")
    assert code != 0, "a forged name"
    assert "must be your own user name: 'ben'" in said
    code, said = acknowledge(arena, incident, "zoe", "zoe")
    assert code != 0, "who may only look"
    assert "forbidden" in said.lower()
    code, said = acknowledge(arena, incident, "ana", "ana")
    assert code == 0, said
    incident = arena.when(incident, lambda one: one["status"]["phase"] == "Acknowledged", "is acknowledged", seconds=15)
    taken = condition(incident, "Acknowledged")
    assert (taken["status"], taken["reason"]) == ("True", "ByPerson")
    assert "ana" in taken["message"]
    times, provenance = incident["status"]["times"], {one["name"]: one for one in incident["status"]["provenance"]}
    assert provenance["acknowledgedTime"] | {"lowerBound": False} == {"name": "acknowledgedTime", "source": "Human", "by": "ana", "lowerBound": False}
    assert times["acknowledgedTime"] > times["triggeredTime"]
    paged = len(of_kind(arena, "Page"))
    holds_for(lambda: len(of_kind(arena, "Page")) == paged, SECOND + 8, "nobody else is called", interval=1)
    assert arena.again(incident)["status"]["escalation"]["state"] == "Stopped"
    # A person mends it and says so: everybody who was called is told to stand down.
    resolution = json.dumps({"spec": {"resolution": {"by": "ana", "summary": "it was a typo"}}})
    arena.kubectl_apply(workloads.deployment("hopeless", arena.namespace))
    name = incident["metadata"]["name"]
    kubectl("patch", "incident", name, "-n", arena.namespace, "--type=merge", "-p", resolution, kubeconfig=arena.installation.user("ana"))
    arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "is resolved", seconds=30)
    stand_downs = {one.receiver for one in of_kind(arena, "Page")}
    for receiver in stand_downs:
        told(arena, receiver, "StandDown")
    assert {one.receiver for one in of_kind(arena, "StandDown")} == stand_downs
    table.add(arena.installation.folder, table.Row(scenario="paging: acknowledged by ana", expected="stops; stand-down", seen="stops; stand-down"))


def test_a_receiver_that_fails_is_tried_again_then_by_its_next_method(arena):
    ladder(arena, "two-ways")
    fail = {"path": "/flaky", "containing": arena.namespace, "status": 500, "times": 1000}
    request = urllib.request.Request(f"{RECEIVER}/control/fail", data=json.dumps(fail).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200
    incident = hopeless(arena)
    told(arena, "secondary", seconds=60)
    tried = [one for one in arena.inbox.posts("flaky", delivered=False) if one.status == 500]
    assert tried, "the first method was tried"
    assert len({one.headers["Idempotency-Key"] for one in tried}) == 1, "under one key"
    incident = arena.when(
        incident,
        lambda one: (
            [(m["receiver"], m["state"]) for m in one["status"]["escalation"]["messages"] if m["kind"] == "Page"][:1] == [("two-ways", "Delivered")]
        ),
        "the page counts as delivered",
        seconds=20,
    )
    message = next(one for one in incident["status"]["escalation"]["messages"] if one["kind"] == "Page")
    assert message["method"] == "second", outline(incident)


def test_a_receiver_that_nobody_can_reach_brings_the_next_step_early_and_is_said(arena):
    ladder(arena, "flaky", "secondary")
    fail = {"path": "/flaky", "containing": arena.namespace, "status": 400, "times": 1000}
    request = urllib.request.Request(f"{RECEIVER}/control/fail", data=json.dumps(fail).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200
    incident = hopeless(arena)
    told(arena, "secondary", seconds=40)
    incident = arena.when(
        incident, lambda one: "PageFailed" in [entry["what"] for entry in one["status"]["timeline"]], "says who was not reached", seconds=20
    )
    assert condition(incident, "PageFailed")["status"] == "True"
    failed = [one for one in arena.inbox.posts("flaky", delivered=False) if one.status == 400]
    assert len(failed) == 1, "a refusal is not repeated"


def test_pagerduty_gets_trigger_acknowledge_and_resolve_under_one_key(arena):
    ladder(arena, "pager")
    incident = hopeless(arena)

    def events() -> list[Object]:
        return [one.body for one in arena.inbox.posts("enqueue") if "event_action" in one.body]

    wait_for(lambda: [one for one in events() if one["event_action"] == "trigger"], 30, "PagerDuty is triggered")
    trigger = events()[0]
    assert trigger["routing_key"] == "R0UTINGKEYR0UTINGKEYR0UTINGKEY00"
    assert trigger["payload"]["severity"] in {"critical", "error", "warning", "info"}
    assert trigger["payload"]["summary"].startswith("[P")
    assert acknowledge(arena, incident, "ana", "ana")[0] == 0
    wait_for(lambda: [one for one in events() if one["event_action"] == "acknowledge"], 30, "PagerDuty hears of the acknowledgement")
    arena.api.delete("Deployment", "hopeless", arena.namespace)
    wait_for(lambda: [one for one in events() if one["event_action"] == "resolve"], 40, "PagerDuty hears of the end")
    assert len({one["dedup_key"] for one in events()}) == 1, "one alert there"


def test_an_incident_that_nobody_could_be_told_of_says_so(make_arena):
    arena = make_arena("noresponder")
    steps = [{"name": "nobody", "afterSeconds": 1, "notify": [{"contactRef": {"name": "no-such-receiver"}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps, catchAll=[{"channelRef": {"name": "no-such-channel"}}]))
    policy = arena.api.get("EscalationPolicy", "sre", arena.namespace)
    ready = wait_for(
        lambda: condition(arena.api.get("EscalationPolicy", "sre", arena.namespace), "Ready"), 15, "the policy is judged", seen=lambda: policy
    )
    assert (ready["status"], ready["reason"]) == ("False", "UnknownReference"), ready
    incident = hopeless(arena)
    incident = arena.when(incident, lambda one: condition(one, "NoResponder").get("status") == "True", "says NoResponder", seconds=60)
    assert "NobodyReachable" in [one["what"] for one in incident["status"]["timeline"]] or condition(incident, "NoResponder")["message"]
