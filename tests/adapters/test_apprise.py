"""Apprise: a real service on loopback takes the message, and a half delivery is none."""

import logging
import time

import pytest
from aiohttp import web
from tests.adapters.envelopes import envelope
from tests.adapters.local import answering, nobody, serving

from prunella.adapters.notify import apprise
from prunella.adapters.notify.destinations import allowed_hosts, resolve_name
from prunella.adapters.notify.secrets import Credential
from prunella.api.names import MessageKind
from prunella.app.errors import Permanent, Retryable

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""Apprise's mail service probes for it when it is loaded."""


def credential(value, *allowed):
    return Credential(where="key 'chat' of the Secret 'prunella-receivers'", value=value, companions={}, allowed=allowed_hosts(" ".join(allowed)))


async def send(value, *allowed, **options):
    await apprise.send(credential(value, *allowed), options.pop("message", None) or envelope(), resolve_name, **options)


class Chat:
    def __init__(self, status=200, headers=None):
        self.status, self.headers, self.got = status, headers or {}, []

    async def __call__(self, request):
        self.got.append((request.path, await request.json()))
        return web.Response(status=self.status, headers=self.headers)


@pytest.mark.parametrize(("kind", "type_"), [(MessageKind.PAGE, "failure"), (MessageKind.NOTICE, "info"), (MessageKind.STAND_DOWN, "info")])
async def test_a_service_gets_title_and_text(kind, type_):
    chat = Chat()
    async with serving(chat) as url:
        host = url.removeprefix("http://")
        await send(f"json://{host}/hook", host, message=envelope(kind=kind))
    ((path, body),) = chat.got
    assert path == "/hook"
    assert (body["title"], body["type"]) == ("[P2] checkout: revision 15 crash-loops (exit code 1)", type_)
    assert body["message"] == "Revision 15 crash-loops. Acknowledge with kubectl prunella ack checkout-7f3kq -n shop"


async def test_a_refusal_is_tried_again():
    async with serving(Chat(status=500)) as url:
        host = url.removeprefix("http://")
        with pytest.raises(Retryable, match="Apprise's service did not take the message"):
            await send(f"json://{host}/hook", host)


async def test_nobody_there_is_tried_again():
    async with nobody() as url:
        host = url.removeprefix("http://")
        with pytest.raises(Retryable, match="Apprise's service did not take the message"):
            await send(f"json://{host}/hook", host)


async def test_one_of_two_recipients_is_a_failure():
    async with serving(Chat()) as good, serving(Chat(status=500)) as bad:
        hosts = [url.removeprefix("http://") for url in (good, bad)]
        with pytest.raises(Permanent, match="Apprise reached only some of the recipients; the next method tells the rest"):
            await send(", ".join(f"json://{host}/hook" for host in hosts), *hosts)


@pytest.mark.parametrize("asked_for", ["", "?redirect=yes"], ids=["silently", "by the URL"])
async def test_redirects_are_not_followed(asked_for):
    elsewhere = Chat()
    async with serving(elsewhere) as target, serving(Chat(status=307, headers={"Location": f"{target}/stolen"})) as url:
        host = url.removeprefix("http://")
        with pytest.raises(Retryable, match="Apprise's service did not take the message"):
            await send(f"json://{host}/hook{asked_for}", host)
    assert elsewhere.got == []


async def test_a_silent_service_is_given_up():
    async with answering(stall=True) as url:
        host = url.removeprefix("http://")
        started = time.perf_counter()
        with pytest.raises(Retryable, match="Apprise's service did not answer within 1 s"):
            await send(f"json://{host}/hook?rto=30&cto=30", host, timeout_seconds=1)
        assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("nonsense", "Apprise can't read the address in key 'chat' of the Secret 'prunella-receivers'"),
        ("nope://host", "Apprise can't read the address in key 'chat' of the Secret 'prunella-receivers'"),
        ("syslog://", "the service 'syslog' tells only the machine that the operator runs on"),
        ("json://127.0.0.1/x", "the address must begin with https://; name '127.0.0.1:80' in the Secret's annotation"),
        ("jsons://127.0.0.1/x", "'127.0.0.1' leads to a private, loopback or reserved address; name '127.0.0.1:443' in the Secret's annotation"),
        ("jsons://169.254.169.254/x", "'169.254.169.254' leads to a link-local, metadata or multicast address, which is refused"),
        ("jsons://[::ffff:127.0.0.1]/x", "'::ffff:127.0.0.1' leads to an IPv4 address dressed as IPv6, which is refused"),
        ("ntfy://localhost/topic", "the address must begin with https://; name 'localhost:80' in the Secret's annotation"),
        ("mailtos://user:pass@localhost?smtp=localhost", "the port must be 443; name 'localhost:587' in the Secret's annotation"),
    ],
)
async def test_an_address_that_must_not_be_asked_is_refused_before_it_is(value, sentence):
    with pytest.raises(Permanent) as raised:
        await send(value)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    "value",
    ["slack://TTTTTTTTT/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC/#general", "ntfy://topic", "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"],
    ids=["Slack", "ntfy's own", "Discord"],
)
async def test_a_service_with_an_address_of_its_own_needs_no_host(value):
    asked = []

    async def resolve(host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    import apprise as library

    sender = library.Apprise(value)
    assert len(sender) == 1
    await apprise._judge(sender[0], credential(value), resolve)
    assert asked == []


async def test_the_librarys_log_stays_shut(caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(Permanent):
        await send("nope://token-that-is-secret@host")
    assert "token-that-is-secret" not in caplog.text
