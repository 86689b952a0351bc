"""The fault proxy itself, against a small server of its own: it passes on what it is not told to break, and each rule does what it says, or fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.faults import rules, stream_rules
from tests.faults.proxy import Loop, Proxy
from tests.faults.rules import Match

PODS = "/api/v1/namespaces/shop/pods"
EVENTS = [{"type": "MODIFIED", "object": {"kind": "Pod", "metadata": {"name": f"p{number}"}}} for number in range(6)]


class Server:
    """Keeps what it gets; its watch brings EVENTS and then stays open, or says nothing."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, bytes, str]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.got.append((request.method, request.path_qs, await request.read(), request.headers.get("Authorization", "")))
        if "watch=" not in request.query_string:
            return web.json_response({"kind": "Pod", "number": len(self.got)}, headers={"Warning": "kept"})
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        whole = b"".join(json.dumps(event).encode() + b"\n" for event in EVENTS)
        # In pieces that respect no line, as from a network.
        for start in range(0, len(whole), 50):
            await response.write(whole[start : start + 50])
        return response


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def proxy(loop: Loop, server: Server) -> Iterator[Proxy]:
    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = loop.run(start())
    made = Proxy(loop, f"http://127.0.0.1:{runner.addresses[0][1]}", None)
    yield made
    made.close()
    loop.run(runner.cleanup())


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def ask(proxy: Proxy, method: str = "PUT", path: str = f"{PODS}/web", body: bytes = b"{}") -> tuple[int, Any]:
    async with client() as session, session.request(method, proxy.url + path, data=body, headers={"Authorization": "Bearer it"}) as answer:
        return answer.status, await answer.json()


async def watch(proxy: Proxy) -> list[str]:
    """The names that a watch brings, in order."""
    async with client() as session, session.get(f"{proxy.url}{PODS}?watch=true") as answer:
        return [json.loads(line)["object"]["metadata"]["name"] async for line in answer.content]


async def test_what_is_not_to_be_broken_goes_through_unchanged_and_is_logged_in_order(proxy, server):
    assert await ask(proxy) == (200, {"kind": "Pod", "number": 1})
    assert await watch(proxy) == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert server.got[0] == ("PUT", f"{PODS}/web", b"{}", "Bearer it")
    first, second = proxy.log
    assert (first.verb, first.resource, first.namespace, first.name, first.status, first.writes) == ("update", "pods", "shop", "web", 200, True)
    assert (second.verb, second.status, second.writes) == ("watch", 200, False)
    assert first.received_bytes > 0
    assert first.time <= second.time


@pytest.mark.parametrize(
    ("method", "path", "words", "namespace", "name", "writes"),
    [
        ("POST", "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents", "create incidents", "shop", "", True),
        ("PUT", "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents/x/status", "update incidents/status", "shop", "x", True),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web?fieldManager=prunella", "patch deployments", "shop", "web", True),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web?dryRun=All", "patch deployments", "shop", "web", False),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "create selfsubjectaccessreviews", "", "", False),
        ("PATCH", "/api/v1/namespaces/s/configmaps/prunella-heartbeat", "patch configmaps", "s", "prunella-heartbeat", False),
        ("GET", "/api/v1/namespaces/shop", "get namespaces", "", "shop", False),
        ("GET", "/api/v1/namespaces/shop/pods", "list pods", "shop", "", False),
        ("GET", "/api/v1/pods?watch=true", "watch pods", "", "", False),
        ("GET", "/readyz", "list ", "", "", False),
    ],
)
async def test_a_request_is_named_as_kubernetes_names_it(proxy, method, path, words, namespace, name, writes):
    await ask_blindly(proxy, method, path)
    [exchange] = proxy.log
    assert (exchange.words, exchange.namespace, exchange.name, exchange.writes) == (words, namespace, name, writes)


async def ask_blindly(proxy: Proxy, method: str, path: str) -> None:
    async with client() as session, session.request(method, proxy.url + path) as answer:
        await answer.read()


async def test_the_nth_that_fits_is_hit_and_no_other(proxy, server):
    with proxy.rule(rules.Answer(409, Match(resource="pods"), nth=2)) as rule:
        statuses = [(await ask(proxy))[0], (await ask(proxy, "GET"))[0], (await ask(proxy))[0], (await ask(proxy))[0]]
    assert statuses == [200, 200, 409, 200], "reads are no writes, and only the second write is hit"
    assert len(server.got) == 3, "the API server never heard of it"
    assert rule.fired == 1
    assert proxy.log[2].fate == ["Answer"]


@pytest.mark.parametrize(
    "rule",
    [
        rules.Answer(500),
        rules.LoseReply(),
        rules.KillBefore(lambda: None),
        rules.Delay(1),
        stream_rules.DropEvent("pods"),
        stream_rules.HalfOpen("pods"),
        stream_rules.ReplayEvent("pods"),
    ],
    ids=lambda rule: type(rule).__name__,
)
async def test_a_rule_that_never_fired_fails_whoever_closes_it(proxy, rule):
    with pytest.raises(AssertionError, match=rf"{type(rule).__name__} of .* never fired|wanted never fired"), proxy.rule(rule):
        await ask(proxy, "GET")


async def test_a_replay_that_had_no_event_to_follow_fails_too(proxy):
    with pytest.raises(AssertionError, match="was never told again"), proxy.rule(stream_rules.ReplayEvent("pods", nth=5, later=3)):
        await watch(proxy)


@pytest.mark.parametrize(("code", "retry_after"), [(409, None), (410, None), (422, None), (429, 7), (500, None), (503, 3)])
async def test_an_error_is_answered_as_the_api_server_would(proxy, code, retry_after):
    with proxy.rule(rules.Answer(code, retry_after=retry_after)):
        async with client() as session, session.put(f"{proxy.url}{PODS}/web") as answer:
            body = await answer.json()
            assert (answer.status, body["kind"], body["code"], body["reason"]) == (code, "Status", code, rules.REASONS[code])
            assert answer.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))


@pytest.mark.parametrize(("done", "reached"), [(False, 0), (True, 1)])
async def test_an_error_may_be_told_of_what_was_done(proxy, server, done, reached):
    with proxy.rule(rules.Answer(500, done=done)):
        assert (await ask(proxy))[0] == 500
    assert len(server.got) == reached


@pytest.mark.parametrize(("rule", "reached"), [(rules.LoseReply, 1), (rules.LoseRequest, 0)])
async def test_a_lost_reply_was_done_and_a_lost_request_was_not(proxy, server, rule, reached):
    with proxy.rule(rule()), pytest.raises(aiohttp.ClientConnectionError):
        await ask(proxy, "POST", PODS)  # aiohttp sends what is idempotent a second time by itself
    assert len(server.got) == reached
    assert proxy.log[0].status == 0, "the operator got no answer"


@pytest.mark.parametrize(("rule", "reached"), [(rules.KillAfter, 1), (rules.KillBefore, 0)])
async def test_a_kill_comes_before_or_after_the_request_is_done(proxy, server, rule, reached):
    killed: list[int] = []
    with proxy.rule(rule(lambda: killed.append(len(server.got)))), pytest.raises(aiohttp.ClientConnectionError):
        await ask(proxy, "POST", PODS)
    assert killed == [reached]
    assert len(server.got) == reached
    assert proxy.log[0].forwarded == bool(reached)


async def test_a_delay_is_one(proxy):
    began = time.monotonic()
    with proxy.rule(rules.Delay(0.3)):
        assert (await ask(proxy))[0] == 200
    assert time.monotonic() - began >= 0.3


async def test_a_rule_holds_for_a_watch_that_is_open_already_and_only_for_its_kind(proxy):
    with proxy.rule(stream_rules.DropEvent("pods", nth=2)):
        assert await watch(proxy) == ["p0", "p2", "p3", "p4", "p5"]
    with pytest.raises(AssertionError), proxy.rule(stream_rules.DropEvent("deployments")):
        assert await watch(proxy) == ["p0", "p1", "p2", "p3", "p4", "p5"]


def third(event: stream_rules.Event) -> bool:
    return event["object"]["metadata"]["name"] == "p2"


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (stream_rules.DropEvent("pods", third), ["p0", "p1", "p3", "p4", "p5"]),
        (stream_rules.DropEvent("pods", nth=None, times=2), ["p2", "p3", "p4", "p5"]),
        (stream_rules.DuplicateEvent("pods", third), ["p0", "p1", "p2", "p2", "p3", "p4", "p5"]),
        (stream_rules.ReorderEvents("pods", third), ["p0", "p1", "p3", "p2", "p4", "p5"]),
        (stream_rules.ReplayEvent("pods", third, later=2), ["p0", "p1", "p2", "p3", "p4", "p2", "p5"]),
    ],
    ids=["drop one", "drop the first two", "duplicate", "reorder", "replay"],
)
async def test_what_a_watch_tells_is_changed_as_the_rule_says(proxy, rule, names):
    with proxy.rule(rule):
        assert await watch(proxy) == names


async def lines(proxy: Proxy) -> tuple[list[bytes], BaseException | None]:
    """The lines of a watch, and what ended it if it was not its end."""
    found: list[bytes] = []
    try:
        async with client() as session, session.get(f"{proxy.url}{PODS}?watch=true") as answer:
            while line := await answer.content.readline():
                found.append(line)
    except aiohttp.ClientError as error:
        return found, error
    return found, None


async def test_a_cut_comes_in_the_middle_of_a_line(proxy):
    with proxy.rule(stream_rules.CutInEvent("pods", third)):
        found, error = await lines(proxy)
    assert error is not None
    assert len([line for line in found if line.endswith(b"\n")]) == 2
    assert not any(b"p3" in line for line in found)


async def test_garbage_is_no_json_and_an_error_is_a_status(proxy):
    with proxy.rule(stream_rules.GarbageEvent("pods", third)):
        found, _ = await lines(proxy)
    with pytest.raises(ValueError, match=r"codec can't decode"):
        json.loads(found[2])
    with proxy.rule(stream_rules.ErrorEvent(410, "pods", third)):
        found, _ = await lines(proxy)
    assert (json.loads(found[2])["type"], json.loads(found[2])["object"]["code"]) == ("ERROR", 410)


async def test_a_half_open_watch_says_nothing_more_and_stays(proxy):
    async with client() as session:
        with proxy.rule(stream_rules.HalfOpen("pods", after_bytes=50)):
            async with session.get(f"{proxy.url}{PODS}?watch=true") as answer:
                with pytest.raises(TimeoutError):  # an end or a reset would be told at once
                    await asyncio.wait_for(answer.read(), 0.5)
