"""The raw layer: whoever asks learns whether it was refused, confirmed, or can't be known."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from tests.adapters.standin import Lines, Numbers, Reply, Silence, StandIn, listed, refusal, standing_in, status_object

from prunella.adapters.kubernetes.answers import NotLetIn
from prunella.adapters.kubernetes.client import Api, connect, connect_plainly
from prunella.adapters.kubernetes.resources import DEPLOYMENT, INCIDENT, JSON_PATCH, POD, Call
from prunella.api.step_failure import Transient
from prunella.app.errors import AlreadyExists, Conflict, OutcomeUnknown, Permanent, PrunellaError, Retryable

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
METHOD = {"get": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
def numbers() -> Numbers:
    return Numbers()


@pytest.fixture
async def api(server: StandIn, numbers: Numbers) -> AsyncIterator[Api]:
    async with connect_plainly(server.url, numbers) as api:
        yield api


def call(verb: str, timeout: float = 10.0) -> Call:
    name = "" if verb == "create" else "web"
    return DEPLOYMENT.call(verb, "shop", name, body=None if verb == "get" else {"a": 1}, timeout=timeout)


def path(verb: str) -> str:
    return WEB.removesuffix("/web") if verb == "create" else WEB


ENDING = Reply(
    {
        **status_object(403, "Forbidden", "web is forbidden: unable to create new content in namespace shop because it is being terminated"),
        "details": {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]},
    },
    403,
)


@pytest.mark.parametrize(
    ("verb", "answer", "error", "message"),
    [
        ("create", refusal(409, "AlreadyExists", "deployments.apps web already exists"), AlreadyExists, "already exists"),
        ("create", refusal(409, "Conflict", "quota was updated"), Retryable, "quota was updated"),
        ("update", refusal(409, "Conflict", "the object has been modified"), Conflict, "answered 409 to update deployments.apps in shop"),
        ("patch", refusal(409, "Conflict"), Conflict, "409"),
        ("update", refusal(404, "NotFound"), Conflict, "404"),
        ("patch", refusal(404, "NotFound"), Conflict, "404"),
        ("create", ENDING, Retryable, "because it is being terminated"),
        ("create", refusal(404, "NotFound", "namespaces shop not found"), Permanent, "namespaces shop not found"),
        ("patch", refusal(403, "Forbidden", "no RBAC"), Permanent, "The account of Prunella may not patch deployments.apps in shop: no RBAC"),
        ("get", refusal(403, "Forbidden", "no RBAC"), Permanent, "The account of Prunella may not get deployments.apps in shop"),
        ("patch", refusal(422, "Invalid", "spec: Required"), Permanent, "spec: Required"),
        ("update", refusal(400, "BadRequest"), Permanent, "400"),
        ("get", refusal(500, "InternalError", "etcd"), Retryable, "etcd"),
        ("get", Reply("<html>bad gateway</html>", 502), Retryable, "<html>bad gateway</html>"),
        ("get", refusal(401, "Unauthorized"), NotLetIn, "401"),
        ("get", refusal(429, "TooManyRequests"), Retryable, "429"),
        ("patch", refusal(429, "TooManyRequests"), Retryable, "429"),
        ("patch", refusal(500, "InternalError"), OutcomeUnknown, "whether it was done must be seen on the object"),
        ("create", refusal(503, "ServiceUnavailable"), OutcomeUnknown, "503"),
        ("update", refusal(504, "Timeout"), OutcomeUnknown, "504"),
        ("get", Reply("", 301, {"Location": "http://169.254.169.254/"}), Permanent, "301"),
    ],
)
async def test_each_bad_answer_says_what_to_do(api: Api, server: StandIn, verb: str, answer: Reply, error: type[PrunellaError], message: str):
    server.answers(METHOD[verb], path(verb), answer)

    with pytest.raises(error) as caught:
        await api.ask(call(verb))

    assert type(caught.value) is error
    assert message in str(caught.value)
    assert len(server.asked) == 1, "one try, no redirect"


async def test_a_read_of_nothing_is_none_and_a_good_answer_is_the_object(api: Api, server: StandIn):
    assert await api.ask(call("get")) is None
    server.answers("GET", WEB, Reply({"kind": "Deployment"}))
    answer = await api.ask(call("get"))
    assert answer.object() == {"kind": "Deployment"}


@pytest.mark.parametrize(("header", "delay"), [("7", 7.0), ("9999", 60.0), ("", 1.0), ("soon", 1.0), ("-5", 1.0)])
async def test_the_servers_word_on_when_to_come_back_is_honoured_within_reason(api: Api, server: StandIn, header: str, delay: float):
    server.answers("GET", WEB, Reply({}, 429, {"Retry-After": header} if header else {}))
    with pytest.raises(Retryable) as caught:
        await api.ask(call("get"))
    assert (caught.value.delay, caught.value.transient) == (delay, Transient.TOO_MANY_REQUESTS)


@pytest.mark.parametrize("silence", [Silence(cut=True), Silence()], ids=["the connection is cut", "nothing comes in time"])
@pytest.mark.parametrize(
    ("verb", "error"), [(one, Retryable if one == "get" else OutcomeUnknown) for one in ("get", "create", "update", "patch", "delete")]
)
async def test_no_answer_to_a_write_is_unknown_and_to_a_read_is_tried_again(
    api: Api, server: StandIn, numbers: Numbers, silence: Silence, verb: str, error: type[PrunellaError]
):
    server.answers(METHOD[verb], path(verb), silence)

    with pytest.raises(error, match=f"{verb} deployments.apps in shop"):
        await api.ask(call(verb, timeout=0.2))

    assert len(server.asked) == 1
    assert numbers.total("api_requests_total", verb=verb, kind="Deployment", code="none") == 1


async def test_a_server_that_is_not_there_was_surely_not_written_to(unused_tcp_port: int):
    async with connect_plainly(f"http://127.0.0.1:{unused_tcp_port}", Numbers()) as api:
        with pytest.raises(Retryable, match="could not be reached") as caught:
            await api.ask(call("patch"))
    assert caught.value.transient is Transient.TIMEOUT


async def test_an_answer_that_is_not_json_is_not_taken_for_the_object(api: Api, server: StandIn):
    server.answers("GET", WEB, Reply("<html>please log in</html>"))
    answer = await api.ask(call("get"))
    with pytest.raises(Retryable, match="please log in"):
        answer.object()


async def test_what_is_asked_is_counted_by_verb_kind_and_code(api: Api, server: StandIn, numbers: Numbers):
    server.answers("GET", "/api/v1/namespaces/shop/pods", listed())
    await api.ask(POD.call("list", "shop"))
    await api.ask(INCIDENT.call("get", "shop", "none"))

    assert numbers.total("api_requests_total", verb="list", kind="Pod", code="200") == 1
    assert numbers.total("api_requests_total", verb="get", kind="Incident", code="404") == 1


async def test_a_patch_says_its_type_and_its_query(api: Api, server: StandIn):
    server.answers("PATCH", WEB, Reply({}))
    await api.ask(DEPLOYMENT.call("patch", "shop", "web", query={"dryRun": "All"}, body=[{"op": "test"}], content_type=JSON_PATCH))

    asked = server.asked[0]
    assert asked.headers["Content-Type"] == "application/json-patch+json"
    assert asked.query == {"dryRun": "All"}
    assert asked.body == [{"op": "test"}]


async def test_the_plain_request_gives_status_and_body_whatever_they_are(api: Api, server: StandIn):
    server.answers("GET", "/readyz", Reply("ok"))
    assert await api.request("GET", "/readyz") == (200, "ok")
    status, body = await api.request("PUT", "/nowhere", body={"a": 1})
    assert (status, body["reason"]) == (404, "NotFound")


@pytest.mark.parametrize(
    "name", ["../../secrets", "..", "a/b", "a?b", "UPPER", "", "-x", "x" * 254, "ns%2fpods", "a b", "нс"], ids=lambda name: name[:12] or "empty"
)
async def test_no_name_from_outside_leaves_its_place_in_the_path(name: str):
    if name:
        with pytest.raises(Permanent, match="can't be the name of an object"):
            POD.call("get", "shop", name)
        with pytest.raises(Permanent, match="can't be the name of an object"):
            POD.call("get", name, "pod")
    else:
        assert POD.call("list", "").path == "/api/v1/pods"


def kubeconfig(folder: Path, server: str, user: dict[str, object]) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_a_token_that_was_renewed_in_its_file_is_taken_after_a_401(server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    token = tmp_path / "token"
    token.write_text("old")
    server.answers("PATCH", WEB, refusal(401, "Unauthorized"), Reply({"done": True}))
    async with await connect(kubeconfig(tmp_path, server.url, {"tokenFile": str(token)}), None, Numbers()) as api:
        api.credentials._loaded = float("-inf")
        token.write_text("new")
        answer = await api.ask(call("patch"))

    assert answer.object() == {"done": True}
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]


async def test_a_401_for_good_is_not_asked_again_and_again(server: StandIn, tmp_path: Path):
    server.answers("GET", WEB, refusal(401, "Unauthorized"))
    async with await connect(kubeconfig(tmp_path, server.url, {"token": "wrong"}), "here", Numbers()) as api:
        for _ in range(3):
            with pytest.raises(Retryable, match="401"):
                await api.ask(call("get"))
    assert len(server.asked) == 3


async def test_an_exec_plugin_gives_the_token(server: StandIn, tmp_path: Path):
    plugin = tmp_path / "plugin"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "from-the-plugin"}}
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}}
    server.answers("GET", WEB, Reply({}))
    async with await connect(kubeconfig(tmp_path, server.url, user), None, Numbers()) as api:
        await api.ask(call("get"))
    assert server.asked[0].headers["Authorization"] == "Bearer from-the-plugin"


@pytest.mark.parametrize(
    ("name", "context", "message"),
    [
        ("none", None, "does not exist; name another with --kubeconfig"),
        ("config", "elsewhere", "has no context 'elsewhere'; `kubectl config get-contexts` lists what there is"),
        ("garbage", None, "garbage is no kubeconfig: it holds no mapping"),
        (None, None, "No API server is known: the cluster's service account"),
    ],
    ids=["no such file", "no such context", "no kubeconfig", "not in a cluster"],
)
async def test_a_server_that_is_not_known_is_said_in_a_sentence(tmp_path: Path, name: str | None, context: str | None, message: str):
    kubeconfig(tmp_path, "http://127.0.0.1:1", {})
    (tmp_path / "garbage").write_text("garbage")
    with pytest.raises(Permanent, match=message):
        await connect(str(tmp_path / name) if name else None, context, Numbers())


async def test_whoever_asked_for_a_long_pause_is_left_alone_by_the_same_requests_until_it_is_over_and_not_by_others(api: Api, server: StandIn):
    server.answers("PATCH", WEB, Reply({}, 429, {"Retry-After": "3"}), Reply({}))
    server.answers("GET", WEB, Reply({}))
    with pytest.raises(Retryable, match="answered 429"):
        await api.ask(call("patch"))
    turned_away = asyncio.get_running_loop().time()
    with pytest.raises(Retryable, match=r"asked for a pause: it is not asked to patch deployments.apps in shop for 3 s") as caught:
        await api.ask(call("patch"))
    assert 2 < caught.value.delay <= 3
    assert server.count("PATCH") == 1, "nothing was sent"
    assert await api.ask(call("get")) is not None

    async with asyncio.timeout(10):
        while server.count("PATCH") == 1:
            with contextlib.suppress(Retryable):
                await api.ask(call("patch"))
            await asyncio.sleep(0.05)
    assert asyncio.get_running_loop().time() - turned_away > 2.9  # the pause began a little before we were told


async def test_a_short_pause_is_waited_out_by_whoever_has_not_asked_yet(api: Api, server: StandIn):
    """Else one answer of 429 turns away all that goes on at once, and it comes back together."""
    server.answers("PATCH", WEB, Reply({}, 429, {"Retry-After": "1"}), Reply({"metadata": {"name": "web"}}))
    with pytest.raises(Retryable, match="answered 429"):
        await api.ask(call("patch"))
    turned_away = asyncio.get_running_loop().time()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(api.ask(call("patch")) for _ in range(20)))
    assert all(one is not None and one.object()["metadata"]["name"] == "web" for one in answers)
    assert asyncio.get_running_loop().time() - turned_away > 0.9, "nobody asked before the pause was over"
    assert server.count("PATCH") == 21


async def test_a_proxy_in_the_environment_is_not_asked(api: Api, server: StandIn, monkeypatch: pytest.MonkeyPatch):
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    server.answers("GET", WEB, Reply({}))
    assert await api.ask(call("get")) is not None


async def test_many_at_once_share_one_session_and_close_leaves_nothing_open(server: StandIn):
    server.answers("GET", WEB, Reply({}))
    async with connect_plainly(server.url, Numbers()) as api:
        await asyncio.gather(*(api.ask(call("get")) for _ in range(50)))
    await api.close()
    assert len(server.asked) == 50


async def test_however_many_watches_are_open_they_leave_room_for_every_other_request(server, api):
    """A renewal of the lease that waits for a connection is none: thirteen kinds in eight namespaces would keep it waiting for ever."""
    pods = "/api/v1/namespaces/shop/pods"
    server.answers("WATCH", pods, Lines())
    server.answers("GET", WEB, Reply({"metadata": {"name": "web"}}))
    async with contextlib.AsyncExitStack() as streams:
        for _ in range(120):
            async with asyncio.timeout(5):
                await streams.enter_async_context(api.stream(POD.call("watch", "shop", query={"watch": "true"}), silence=60))
        assert (await api.ask(call("get", timeout=5))).object()["metadata"]["name"] == "web"
    assert server.count("WATCH", pods) == 120
