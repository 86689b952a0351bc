"""Receivers that fail, hang, redirect, ask for a pause, or are not there at all: the running operator, a real API server and real HTTP.

Everything is sent at once, so that a receiver which hangs would show if it held up the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.hostile import ways
from tests.harness import prometheus, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, outline
from tests.harness.installation import RECEIVER, Installation, escalation_policy
from tests.harness.instants import parse
from tests.harness.receiver import Post, fail
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180, func_only=True)]
LADDERS: dict[str, tuple[str, ...]] = {
    "hangs": ("first-fails",),
    "redirects": ("first-fails",),
    "asks-for-a-pause": ("first-fails",),
    "breaks": ("first-fails",),
    "rate-limits": ("pager-first",),
    "refuses": ("pager-first",),
    "alone-refuses": ("pager-alone", "secondary"),
    "metadata": ("metadata-first",),
    "inside": ("inside-first",),
    "planted": ("planted-first",),
    "no-key": ("no-key-first",),
    "nowhere": ("no-such-person", "nor-this-one"),
    "nobody": ("no-such-person",),
    "all-down": ("secondary",),
}
"""Target and the receivers of its steps; each step is five minutes after the one before."""


@pytest.fixture(scope="module")
def shop(installation: Installation) -> Iterator[Arena]:
    """All targets with their ladders, their receivers' failures, and an alert about each."""
    arena = Arena(installation, "receivers", mode=None)
    for target, receivers in LADDERS.items():
        for one in owned(arena, target, receivers):
            arena.api.create(one)
    location = {"Location": f"{RECEIVER}/stolen-{arena.namespace}"}
    for target, path, status, more in (
        ("hangs", "/flaky", 200, {"seconds": 15}),
        ("redirects", "/flaky", 302, {"headers": location}),
        ("asks-for-a-pause", "/flaky", 429, {"headers": {"Retry-After": "300"}}),
        ("breaks", "/flaky", 500, {}),
        ("rate-limits", "/v2/enqueue", 429, {"headers": {"Retry-After": "2"}, "times": 1}),
        ("refuses", "/v2/enqueue", 400, {}),
        ("alone-refuses", "/v2/enqueue", 400, {}),
        ("planted", f"/{ways.PATH_SECRET}?token={ways.PATH_SECRET}", 403, {}),
        ("all-down", "/secondary", 500, {}),
        ("all-down", "/ops-all", 503, {}),
    ):
        fail(RECEIVER, path, about(target), status, **more)
    wait_for(lambda: len(arena.witness.current("Deployment")) == len(LADDERS), 20, "the targets are seen")
    alerts = [prometheus.alert({"alertname": "Errors", "severity": "critical", "namespace": arena.namespace, "deployment": one}) for one in LADDERS]
    wait_for(lambda: delivered(prometheus.body(*alerts), installation.token), 90, "the alerts are taken")
    yield arena
    arena.close()


def about(target: str) -> str:
    """How the title of what is told about a target reads. The text may name others, as what changed before."""
    return f"] deploy/{target}: "


def delivered(body: Object, token: str) -> bool:
    """As Alertmanager does it: what is not answered with 200 in time is sent again."""
    with contextlib.suppress(OSError):
        return prometheus.webhook(body, token) == 200
    return False


def owned(arena: Arena, target: str, receivers: tuple[str, ...]) -> list[Object]:
    """A Deployment that needs no pod, and who is called about it."""
    steps = [
        {"name": f"step{number}", "afterSeconds": 300 * bool(number), "waitWhileRemediatingSeconds": 0, "notify": [{"contactRef": {"name": one}}]}
        for number, one in enumerate(receivers)
    ]
    last = "no-such-channel" if target == "nobody" else "ops-all"
    policy = escalation_policy(target, arena.namespace, steps=steps, catchAll=[{"channelRef": {"name": last}}], notices=[])
    entry: Object = {"apiVersion": "prunella.dev/v1alpha1", "kind": "CatalogEntry", "metadata": {"name": target, "namespace": arena.namespace}}
    spec = {"selector": {"matchLabels": {"app": target}}, "team": "sre", "escalationPolicyRef": {"name": target}}
    return [workloads.deployment(target, arena.namespace, replicas=0), policy, {**entry, "spec": spec}]


def posts(shop: Arena, target: str, path: str) -> list[Post]:
    """What came in about a target at one address, delivered or not."""
    return [one for one in shop.inbox.posts(delivered=False) if one.path == path and about(target) in one.raw]


def pages(incident: Object) -> dict[str, Object]:
    """The pages by their receivers."""
    return {one["receiver"]: one for one in incident["status"]["escalation"]["messages"] if one["kind"] == "Page"}


def paged(shop: Arena, target: str, receiver: str, *, state: str = "Delivered", seconds: float = 30) -> tuple[Object, Object]:
    """The Incident and its page for a receiver, once that is in a state."""
    incident = shop.incident(target)
    incident = shop.when(incident, lambda one: pages(one).get(receiver, {}).get("state") == state, f"{receiver}: {state}", seconds=seconds)
    return incident, pages(incident)[receiver]


def counted(name: str, labels: str) -> float:
    return sum(value for key, value in prometheus.metrics(f"prunella_{name}").items() if labels in key)


@pytest.mark.parametrize("target", ["redirects", "asks-for-a-pause"])
def test_a_way_that_leads_nowhere_now_gives_way_to_the_next_at_once(shop: Arena, target: str):
    incident, page = paged(shop, target, "first-fails")
    assert (page["method"], page["attempts"]) == ("second", 2), outline(incident)
    assert len(posts(shop, target, "/flaky")) == 1
    assert len(posts(shop, target, "/secondary")) == 1


def test_a_redirect_is_not_followed(shop: Arena):
    paged(shop, "redirects", "first-fails")
    assert shop.inbox.posts(f"stolen-{shop.namespace}", delivered=False) == []


def test_c34_a_way_that_breaks_is_tried_three_times_and_then_the_next(shop: Arena):
    _, page = paged(shop, "breaks", "first-fails")
    tries = posts(shop, "breaks", "/flaky")
    assert (page["method"], page["attempts"], len(tries)) == ("second", 4, 3)
    assert len({one.headers["Idempotency-Key"] for one in [*tries, *posts(shop, "breaks", "/secondary")]}) == 1, "under one key"


def test_c49_pagerdutys_429_is_repeated_after_its_pause_under_the_same_key(shop: Arena):
    _, page = paged(shop, "rate-limits", "pager-first")
    first, second = posts(shop, "rate-limits", "/v2/enqueue")
    assert (page["method"], first.status, second.status) == ("pd", 429, 202)
    assert first.body["dedup_key"] == second.body["dedup_key"]
    assert (second.time - first.time).total_seconds() >= 2


def test_c49_pagerdutys_400_is_not_repeated_and_the_next_way_is_taken(shop: Arena):
    _, page = paged(shop, "refuses", "pager-first")
    assert (page["method"], len(posts(shop, "refuses", "/v2/enqueue"))) == ("second", 1)


def test_c34_who_cannot_be_reached_at_all_gives_way_to_the_next_step_at_once(shop: Arena):
    incident, failed = paged(shop, "alone-refuses", "pager-alone", state="Failed")
    assert "PagerDuty refused the message with 400; check the Secret and what the receiver expects" in failed["error"]
    incident, page = paged(shop, "alone-refuses", "secondary")
    late = parse(page["sentTime"]) - parse(incident["status"]["times"]["triggeredTime"])
    assert late.total_seconds() < 60, "the step was due after 300 s"
    assert "PageFailed" in [one["what"] for one in incident["status"]["timeline"]]


@pytest.mark.parametrize(
    ("target", "receiver", "error"),
    [
        ("metadata", "metadata-first", "'169.254.169.254' leads to a link-local, metadata or multicast address, which is refused"),
        ("inside", "inside-first", "'10.96.0.1' leads to a private, loopback or reserved address; name '10.96.0.1:443' in the Secret's annotation"),
        ("no-key", "no-key-first", "key 'no-such-key' of the Secret 'prunella-receivers' is missing or empty"),
        ("planted", "planted-first", "the webhook refused the message with 403; check the Secret and what the receiver expects"),
    ],
    ids=["cloud metadata", "the cluster's inside", "no such key", "a secret in the URL"],
)
def test_what_must_not_or_cannot_be_asked_is_said_without_its_address_and_the_next_way_is_taken(shop: Arena, target: str, receiver: str, error: str):
    incident, page = paged(shop, target, receiver)
    assert (page["method"], page["attempts"]) == ("second", 2), outline(incident)
    assert error in page["error"], "what went wrong before it arrived stands there"
    log = shop.installation.log.read_text(errors="replace")
    assert error.partition(";")[0] in log
    for secret in (ways.PATH_SECRET, "latest/meta-data", "api/v1/secrets"):
        assert secret not in str(incident)
        assert secret not in log


def test_c33_where_no_step_reaches_anybody_the_catch_all_is_paged_within_a_minute_and_it_is_said(shop: Arena):
    incident, page = paged(shop, "nowhere", "ops-all")
    late = parse(page["sentTime"]) - parse(incident["status"]["times"]["triggeredTime"])
    assert late.total_seconds() < 60, "the second step was due after 300 s"
    said = condition(incident, "NoResponder")
    assert said["status"] == "True"
    assert "step step0 names no-such-person; step step1 names nor-this-one; make these receivers in HealingPolicy `spec.receivers`" in said["message"]
    assert counted("pages_unreachable_total", "") >= 1


def test_c33_where_nobody_at_all_is_there_the_incident_says_so_and_heals_when_somebody_is(shop: Arena):
    incident = shop.incident("nobody")
    incident = shop.when(incident, lambda one: condition(one, "NoResponder").get("status") == "True", "says NoResponder", seconds=30)
    assert pages(incident) == {}
    assert "NobodyReachable" in [one["what"] for one in incident["status"]["timeline"]]
    shop.installation.set_policy(receivers=[*ways.RECEIVERS, ways.receiver("no-such-channel", ("http", "webhook", "releases"))])
    incident, _ = paged(shop, "nobody", "no-such-channel", seconds=60)
    assert posts(shop, "nobody", "/releases")


def test_where_everything_is_down_it_is_loud(shop: Arena):
    incident, _ = paged(shop, "all-down", "secondary", state="Failed")
    incident, last = paged(shop, "all-down", "ops-all", state="Failed", seconds=40)
    assert "the webhook answered 503" in last["error"]
    said = condition(incident, "PageFailed")
    assert said["status"] == "True", outline(incident)
    assert said["message"]
    assert counted("notifications_total", 'channel="ops-all",outcome="Failed"') >= 1


def test_one_that_hangs_is_given_up_three_times_and_has_held_up_nobody(shop: Arena):
    incident, page = paged(shop, "hangs", "first-fails", seconds=70)
    assert (page["method"], page["attempts"]) == ("second", 4), outline(incident)
    others: list[Any] = [page for target in LADDERS if target != "hangs" for page in pages(shop.incident(target)).values()]
    late = [one["receiver"] for one in others if one.get("sentTime") and parse(one["sentTime"]) > parse(page["sentTime"])]
    assert late in ([], ["no-such-channel"])
