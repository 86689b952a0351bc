"""The signed webhook: a CloudEvent that a receiver can check, sent once, to the judged address only."""

import hashlib
import hmac
import json

import pytest
from aiohttp import web
from tests.adapters.envelopes import envelope, incident
from tests.adapters.local import NOON, answering, head, nobody, serving

from prunella.adapters.notify import post, webhook
from prunella.adapters.notify.destinations import Destination, allowed_hosts, resolve_name
from prunella.adapters.notify.secrets import Credential
from prunella.api.names import MessageKind
from prunella.app.errors import Permanent, Retryable


def credential(url, **companions):
    host = url.removeprefix("http://").partition("/")[0]
    return Credential(where="key 'ops' of the Secret 'prunella-receivers'", value=url, companions=companions, allowed=allowed_hosts(host))


async def send(url, message=None, **companions):
    await webhook.send(credential(url, **companions), message or envelope(), NOON, "prod-eu1", resolve_name)


class Receiver:
    """Keeps what came, and answers as told."""

    def __init__(self, status=200, headers=None):
        self.status, self.headers, self.got = status, headers or {}, []

    async def __call__(self, request):
        self.got.append((request.method, request.path, dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers=self.headers, text="secret words of the receiver")


def test_the_event_is_a_cloudevent_around_a_cdevent():
    assert webhook.event(envelope(event="detected", details={"cause": "x"}, links=(("Runbook", "https://r.example.com"),)), "prod-eu1") == {
        "specversion": "1.0",
        "id": "7d0f-1-3",
        "source": "/clusters/prod-eu1/prunella",
        "type": "dev.cdevents.incident.detected.0.3.0",
        "subject": "checkout-7f3kq",
        "time": "2026-11-24T12:00:00.000000Z",
        "datacontenttype": "application/json",
        "data": {
            "context": {
                "specversion": "0.5.1",
                "id": "7d0f-1-3",
                "source": "/clusters/prod-eu1/prunella",
                "type": "dev.cdevents.incident.detected.0.3.0",
                "timestamp": "2026-11-24T12:00:00.000000Z",
            },
            "subject": {
                "id": "checkout-7f3kq",
                "source": "/clusters/prod-eu1/incidents",
                "content": {
                    "description": "checkout: revision 15 crash-loops (exit code 1)",
                    "environment": {"id": "prod-eu1"},
                    "service": {"id": "checkout", "source": "/prod-eu1/shop"},
                },
            },
            "customData": {
                "kind": "Page",
                "receiver": "ops",
                "key": "7d0f/1/1/0/primary/ops",
                "incident": {"namespace": "shop", "name": "checkout-7f3kq", "uid": "7d0f"},
                "target": {"kind": "Deployment", "namespace": "shop", "name": "checkout"},
                "priority": "P2",
                "phase": "Triggered",
                "cause": "RolloutCrashLoop",
                "episode": 1,
                "title": "checkout: revision 15 crash-loops (exit code 1)",
                "text": "Revision 15 crash-loops. Acknowledge with kubectl prunella ack checkout-7f3kq -n shop",
                "details": {"cause": "x"},
                "links": [{"title": "Runbook", "url": "https://r.example.com"}],
                "startedTime": "2026-11-24T11:59:30.000000Z",
                "triggeredTime": "2026-11-24T12:00:00.000000Z",
            },
            "customDataContentType": "application/json",
        },
    }


@pytest.mark.parametrize(
    ("predicate", "type_"),
    [
        ("detected", "dev.cdevents.incident.detected.0.3.0"),
        ("resolved", "dev.cdevents.incident.resolved.0.3.0"),
        ("acknowledged", "dev.cdeventsx.prunella-incident.acknowledged.0.1.0"),
        ("escalated", "dev.cdeventsx.prunella-incident.escalated.0.1.0"),
        ("Remediated", "dev.cdeventsx.prunella-incident.remediated.0.1.0"),
    ],
)
def test_what_cdevents_has_no_name_for_gets_one_of_ours(predicate, type_):
    event = webhook.event(envelope(event=predicate), "c")
    assert event["type"] == event["data"]["context"]["type"] == type_


def test_episode_and_sequence_make_the_id():
    assert webhook.event(envelope(incident=incident(episode=4), sequence=12), "c")["id"] == "7d0f-4-12"


async def test_the_request_is_signed_and_recognisable():
    receiver = Receiver()
    async with serving(receiver) as url:
        await send(url + "/hook", hmac="the signing key")
    ((method, path, headers, body),) = receiver.got
    assert (method, path) == ("POST", "/hook")
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["Idempotency-Key"] == "7d0f/1/1/0/primary/ops"
    assert headers["X-Prunella-Timestamp"] == str(int(NOON.timestamp()))
    expected = hmac.new(b"the signing key", f"{int(NOON.timestamp())}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Prunella-Signature"] == f"v1={expected}"
    assert json.loads(body)["id"] == "7d0f-1-3"


async def test_without_a_signing_key_there_is_no_signature():
    receiver = Receiver(status=202)
    async with serving(receiver) as url:
        await send(url)
    assert not [name for name in receiver.got[0][2] if name.startswith("X-Prunella")]


async def test_hostile_text_stays_json_and_out_of_the_headers():
    receiver = Receiver()
    async with serving(receiver) as url:
        await send(url, envelope(key="a\r\nX-Evil: 1/\U0001f525", title="half \ud800 \u202e", kind=MessageKind.NOTICE))
    assert receiver.got[0][2]["Idempotency-Key"] == "a__X-Evil:_1/_"
    assert "X-Evil" not in receiver.got[0][2]
    assert json.loads(receiver.got[0][3])["data"]["customData"]["kind"] == "Notice"


@pytest.mark.parametrize(
    ("status", "headers", "kind", "sentence", "delay"),
    [
        (429, {}, Retryable, "the webhook answered 429", 1.0),
        (429, {"Retry-After": "17"}, Retryable, "the webhook answered 429", 17.0),
        (503, {"Retry-After": "99999"}, Retryable, "the webhook answered 503", 300.0),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, Retryable, "the webhook answered 503", 1.0),
        (500, {"Retry-After": "-5"}, Retryable, "the webhook answered 500", 1.0),
        (408, {}, Retryable, "the webhook answered 408", 1.0),
        (400, {}, Permanent, "the webhook refused the message with 400; check the Secret and what the receiver expects", None),
        (401, {}, Permanent, "the webhook refused the message with 401; check the Secret and what the receiver expects", None),
        (404, {}, Permanent, "the webhook refused the message with 404; check the Secret and what the receiver expects", None),
        (
            302,
            {"Location": "http://169.254.169.254/"},
            Permanent,
            "the webhook answered 302: redirects are not followed; put the final address into the Secret",
            None,
        ),
    ],
)
async def test_the_status_says_whether_a_repetition_helps(status, headers, kind, sentence, delay):
    receiver = Receiver(status, headers)
    async with serving(receiver) as url:
        with pytest.raises(kind) as raised:
            await send(url)
    assert type(raised.value) is kind
    assert str(raised.value) == sentence
    assert getattr(raised.value, "delay", None) == delay
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        ((), "the webhook could not be reached (ServerDisconnectedError)"),
        ((b"garbage\r\n\r\n",), "the webhook could not be reached (ClientResponseError)"),
        ((head("HTTP/1.1 200 OK", "Content-Length: 10"), b"x"), "the webhook could not be reached (ClientPayloadError)"),
        ((head("HTTP/1.1 999 Odd", "Content-Length: 0"),), "the webhook answered 999, which says nothing about the message"),
    ],
    ids=["hangs up", "no HTTP", "cut off", "no status"],
)
async def test_an_answer_that_is_none_is_no_delivery(pieces, sentence):
    async with answering(*pieces) as url:
        with pytest.raises((Retryable, Permanent)) as raised:
            await send(url)
    assert str(raised.value) == sentence


async def test_nobody_there_is_tried_again():
    async with nobody() as url:
        with pytest.raises(Retryable, match=r"the webhook could not be reached \(ClientConnectorError\)"):
            await send(url)


async def test_a_silent_receiver_is_given_up(monkeypatch):
    monkeypatch.setattr(post, "TIMEOUT_SECONDS", 0.2)
    async with answering(stall=True) as url:
        with pytest.raises(Retryable, match="the webhook did not answer within 0 s"):
            await send(url)


async def test_a_long_answer_is_not_read_to_its_end():
    written = []

    async def talk(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(10_000):
                await response.write(b"x" * 65_536)
                written.append(65_536)
        except ConnectionError:
            pass
        return response

    async with serving(talk) as url:
        await send(url)
    assert sum(written) < 100_000_000


async def test_the_connection_goes_to_the_judged_address_whatever_the_name_says_by_then():
    receiver = Receiver()
    async with serving(receiver) as url:
        port = int(url.rpartition(":")[2])
        rebound = Destination(url=f"http://rebound.invalid:{port}/x", host="rebound.invalid", port=port, addresses=("127.0.0.1",))
        await post.post(rebound, b"{}", {}, who="the webhook")
    assert receiver.got[0][2]["Host"] == f"rebound.invalid:{port}"


async def test_an_address_that_is_no_url_after_all_is_refused_without_being_said():
    odd = Destination(url="https://:x/secret-path", host="x", port=443, addresses=("127.0.0.1",))
    with pytest.raises(Permanent) as raised:
        await post.post(odd, b"", {}, who="the webhook")
    assert str(raised.value) == "the webhook could not be asked: the address is no URL"
    assert raised.value.__cause__ is None


async def test_a_private_address_that_nobody_named_is_never_asked():
    receiver = Receiver()
    async with serving(receiver) as url:
        unnamed = Credential(where="key", value=url, companions={}, allowed=frozenset())
        with pytest.raises(Permanent, match="the address must begin with https://"):
            await webhook.send(unnamed, envelope(), NOON, "c", resolve_name)
    assert receiver.got == []
