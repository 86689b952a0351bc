"""The call of a receiver: where it may go, what is sent, and what is concluded of each answer. No value of the Secret is ever said."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from aiohttp import web
from tests.adapters.local import FixedClock, answering, nobody, serving

from prunella.adapters.notify.call import Calls
from prunella.api.common import Metadata, ObjectRef
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec, Receiver, ReceiverMethod, SecretKeyRef
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown
from prunella.core.healing.effects.effect import Applied, NotApplied
from prunella.core.healing.effects.outside import Call

TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="checkout", uid="w-1")
CALL = Call(target=TARGET, receiver="bot", body={"parameters": {"service": "checkout"}}, does="the bot is called")
PATH = "/hooks/very-secret-path"


def policy():
    bot = ReceiverMethod(name="hook", webhook=SecretKeyRef(key="bot"))
    pager = ReceiverMethod(name="pd", pagerduty=SecretKeyRef(key="pd"))
    receivers = (Receiver(name="bot", methods=(bot,)), Receiver(name="ops", methods=(pager,)))
    return HealingPolicy(metadata=Metadata(name="default"), spec=HealingPolicySpec(receivers=receivers))


def calls(url, *, allowed=True, known=policy, **more):
    data = {"bot": f"{url}{PATH}".encode(), **{key.replace("_", "-"): value for key, value in more.items()}}
    annotations = {"prunella.dev/allowed-hosts": url.removeprefix("http://")} if allowed else {}

    async def read(name):
        return (data, annotations) if name == "prunella-receivers" else None

    return Calls(known, read, FixedClock())


class Bot:
    def __init__(self, status=202):
        self.status, self.got = status, []

    async def __call__(self, request):
        self.got.append((request.method, request.path, dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"}, body=b"x" * 1_000_000)


async def test_it_is_one_post_with_the_intents_id_as_its_key_and_signed():
    bot = Bot()
    async with serving(bot) as url:
        assert await calls(url, bot_hmac=b"signing-key").make(CALL, "5b1e") == Applied(after={"status": "202"})
    [(method, path, headers, body)] = bot.got
    assert (method, path, headers["Idempotency-Key"]) == ("POST", PATH, "5b1e")
    assert json.loads(body) == {"parameters": {"service": "checkout"}, "intent": "5b1e"}
    signed = hmac.new(b"signing-key", headers["X-Prunella-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Prunella-Signature"] == f"v1={signed}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
async def test_a_clear_refusal_is_no_effect(status):
    bot = Bot(status)
    async with serving(bot) as url:
        busy = Transient.TOO_MANY_REQUESTS if status == 429 else None
        assert await calls(url).make(CALL, "5b1e") == NotApplied(reason="", message=f"receiver bot refused the call with {status}", transient=busy)
    assert len(bot.got) == 1


@pytest.mark.parametrize("status", [302, 303, 408, 409, 500, 503])
async def test_whatever_may_have_been_done_can_not_be_known(status):
    bot = Bot(status)
    async with serving(bot) as url:
        with pytest.raises(OutcomeUnknown):
            await calls(url).make(CALL, "5b1e")
    assert len(bot.got) == 1, "no redirect is followed, and nothing is sent twice"


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 20",), (b"no http at all\r\n\r\n",)], ids=["nothing", "half a line", "nonsense"])
async def test_a_connection_that_breaks_can_not_be_known(pieces):
    async with answering(*pieces) as url:
        with pytest.raises(OutcomeUnknown) as error:
            await calls(url).make(CALL, "5b1e")
    assert "very-secret-path" not in str(error.value)
    assert error.value.__cause__ is None


async def test_a_refused_connection_was_sent_nothing():
    async with nobody() as url:
        answer = await calls(url).make(CALL, "5b1e")
    message = "receiver bot could not be reached (ClientConnectorError): nothing was sent"
    assert answer == NotApplied(reason="", message=message, transient=Transient.TIMEOUT)


async def test_it_goes_nowhere_that_the_secret_does_not_allow():
    bot = Bot()
    async with serving(bot) as url:
        answer = await calls(url, allowed=False).make(CALL, "5b1e")
    assert isinstance(answer, NotApplied)
    assert answer.message.startswith("receiver bot was not called: the address must begin with https://")
    assert "very-secret-path" not in answer.message
    assert bot.got == []


@pytest.mark.parametrize(
    ("known", "receiver", "why"),
    [
        (policy, "bott", "receiver 'bott' is not in HealingPolicy `spec.receivers`: nothing was sent"),
        (policy, "ops", "receiver 'ops' has no method with a webhook: nothing was sent"),
        (lambda: None, "bot", "receiver 'bot' is not in HealingPolicy `spec.receivers`: nothing was sent"),
    ],
    ids=["unknown", "no webhook", "no policy"],
)
async def test_a_receiver_that_can_not_be_called_is_told(known, receiver, why):
    call = Call(target=TARGET, receiver=receiver, body={}, does="call")
    async with nobody() as url:
        assert await calls(url, known=known).make(call, "5b1e") == NotApplied(reason="", message=why)


async def test_a_secret_that_is_not_there_is_told():
    async def read(_name):
        return None

    answer = await Calls(policy, read, FixedClock()).make(CALL, "5b1e")
    assert isinstance(answer, NotApplied)
    assert answer.message == "receiver bot was not called: the Secret 'prunella-receivers' is not there; create it in the operator's namespace"
