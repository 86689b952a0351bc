"""Which transport carries a message, how its Secret is read, and that no value of it is ever said."""

import traceback
from datetime import timedelta

import pytest
from aiohttp import web
from tests.adapters.envelopes import envelope
from tests.adapters.local import FixedClock, serving

from prunella.adapters.notify.deliver import Transports
from prunella.adapters.notify.secrets import Credential
from prunella.api.healing_policy import ReceiverMethod, SecretKeyRef
from prunella.app.errors import Permanent, Retryable

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""Apprise's mail service probes for it when it is loaded."""

REF = SecretKeyRef(key="ops")


class SecretStore:
    """One Secret; counts how often it is read."""

    def __init__(self, annotations=None, **data):
        self.data, self.annotations, self.reads = {key.replace("_", "-"): value for key, value in data.items()}, annotations or {}, 0

    async def __call__(self, name):
        self.reads += 1
        return (self.data, self.annotations) if name == "prunella-receivers" else None


class Receiver:
    def __init__(self, status=200):
        self.status, self.got = status, []

    async def __call__(self, request):
        self.got.append((request.path, dict(request.headers), await request.read()))
        return web.Response(status=self.status)


def allowed(url):
    return {"prunella.dev/allowed-hosts": url.removeprefix("http://")}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (ReceiverMethod(name="hook", webhook=REF), "/secret-path-of-ops"),
        (ReceiverMethod(name="pd", pagerduty=REF), "/v2/enqueue"),
        (ReceiverMethod(name="chat", apprise=SecretKeyRef(key="chat")), "/chat"),
    ],
    ids=["webhook", "pagerduty", "apprise"],
)
async def test_the_method_chooses_the_transport(method, path):
    receiver = Receiver()
    async with serving(receiver) as url:
        store = SecretStore(
            allowed(url),
            ops=f"{url}/secret-path-of-ops\n".encode(),
            ops_hmac=b"signing",
            ops_url=f"{url}/v2/enqueue".encode(),
            chat=f"json://{url.removeprefix('http://')}/chat".encode(),
        )
        await Transports(store, FixedClock()).deliver(method, envelope())
    assert [got[0] for got in receiver.got] == [path]
    assert ("X-Prunella-Signature" in receiver.got[0][1]) == (method.webhook is not None)


async def test_a_method_of_a_newer_version_is_refused_and_not_guessed():
    with pytest.raises(Permanent, match="the method 'm' names none of webhook, pagerduty and apprise"):
        await Transports(SecretStore(), FixedClock()).deliver(ReceiverMethod.model_construct(name="m"), envelope())


@pytest.mark.parametrize(
    ("ref", "data", "sentence"),
    [
        (SecretKeyRef(secret_name="other", key="ops"), {}, "the Secret 'other' is not there; create it in the operator's namespace"),
        (REF, {}, "key 'ops' of the Secret 'prunella-receivers' is missing or empty"),
        (REF, {"ops": b" \n"}, "key 'ops' of the Secret 'prunella-receivers' is missing or empty"),
        (REF, {"ops": b"https://\xff"}, "key 'ops' of the Secret 'prunella-receivers' is not UTF-8 text"),
        (
            REF,
            {"ops": b"https://a\nhttps://b"},
            "key 'ops' of the Secret 'prunella-receivers' holds a line break or another control character in its middle",
        ),
        (REF, {"ops": b"https://a", "ops_hmac": b"\xff"}, "key 'ops-hmac' of the Secret 'prunella-receivers' is not UTF-8 text"),
    ],
    ids=["no Secret", "no key", "blank", "86 not UTF-8", "86 newline", "86 bad companion"],
)
async def test_86_a_secret_that_can_t_be_used_is_named_without_its_value(ref, data, sentence):
    with pytest.raises(Permanent) as raised:
        await Transports(SecretStore(**data), FixedClock()).deliver(ReceiverMethod(name="m", webhook=ref), envelope())
    assert str(raised.value) == sentence


async def test_a_secret_is_read_once_a_minute():
    receiver, clock = Receiver(), FixedClock()
    async with serving(receiver) as url:
        store = SecretStore(allowed(url), ops=url.encode())
        transports = Transports(store, clock)
        for seconds, reads in ((0, 1), (59, 1), (1, 2), (-30, 3)):
            clock.instant += timedelta(seconds=seconds)
            await transports.deliver(ReceiverMethod(name="m", webhook=REF), envelope())
            assert store.reads == reads


async def test_a_refusal_makes_the_secret_be_read_again():
    receiver = Receiver(status=401)
    async with serving(receiver) as url:
        store = SecretStore(allowed(url), ops=url.encode())
        transports = Transports(store, FixedClock())
        for _ in range(2):
            with pytest.raises(Permanent):
                await transports.deliver(ReceiverMethod(name="m", webhook=REF), envelope())
    assert store.reads == 2


async def test_a_secret_that_can_t_be_read_now_is_tried_again():
    async def fails(_name):
        raise Retryable("the API server did not answer", delay=3)

    with pytest.raises(Retryable, match="the API server did not answer"):
        await Transports(fails, FixedClock()).deliver(ReceiverMethod(name="m", webhook=REF), envelope())


@pytest.mark.parametrize("status", [400, 503])
async def test_no_value_of_the_secret_stands_in_an_error_or_its_cause(status):
    receiver = Receiver(status)
    async with serving(receiver) as url:
        store = SecretStore(allowed(url), ops=f"{url}/token-abcdef0123456789?key=query-abcdef".encode(), ops_hmac=b"signing-key-0123")
        with pytest.raises((Permanent, Retryable)) as raised:
            await Transports(store, FixedClock()).deliver(ReceiverMethod(name="m", webhook=REF), envelope())
    texts = [str(raised.value), repr(raised.value), repr(raised.value.__cause__)]
    assert not [text for text in texts if "abcdef" in text or "signing-key" in text]


@pytest.mark.parametrize("kind", [Permanent, Retryable])
async def test_what_a_transport_lets_slip_is_blotted_on_its_way_out(kind):
    async def careless(_host, _port):
        raise kind("asking https://hooks.example.com/token-abcdef0123456789 failed")

    store = SecretStore(ops=b"https://hooks.example.com/token-abcdef0123456789")
    with pytest.raises(kind) as raised:
        await Transports(store, FixedClock(), resolve=careless).deliver(ReceiverMethod(name="m", webhook=REF), envelope())
    assert str(raised.value) == "asking [redacted] failed"
    assert "abcdef" not in "".join(traceback.format_exception(raised.value)[-1:])
    assert raised.value.__suppress_context__


def test_values_and_the_parts_of_a_url_are_blotted_out_wherever_they_stand():
    credential = Credential(
        where="k",
        value="https://user@hooks.example.com/services/T00000000/tok-abcdef?sig=0123456789",
        companions={"hmac": "signing-key"},
        allowed=frozenset(),
    )
    text = credential.blot(
        f"could not post to {credential.value}: path /services/T00000000/tok-abcdef refused, sig 0123456789, key signing-key, host hooks.example.com"
    )
    assert not [part for part in ("T00000000", "tok-abcdef", "0123456789", "signing-key") if part in text]
    assert "hooks.example.com" in text


def test_a_blotted_error_stays_what_it_was():
    credential = Credential(where="k", value="very-secret-value", companions={}, allowed=frozenset())
    retryable = credential.blotted(Retryable("very-secret-value failed", delay=7))
    assert isinstance(retryable, Retryable)
    assert (str(retryable), retryable.delay) == ("[redacted] failed", 7)
    permanent = credential.blotted(Permanent("no very-secret-value"))
    assert isinstance(permanent, Permanent)
    assert str(permanent) == "no [redacted]"
