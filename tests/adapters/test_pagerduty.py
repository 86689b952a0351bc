"""PagerDuty Events v2: one alert per Incident and episode, whatever is repeated."""

import pytest
from aiohttp import web
from tests.adapters.envelopes import envelope, incident
from tests.adapters.local import serving

from prunella.adapters.notify import pagerduty
from prunella.adapters.notify.destinations import allowed_hosts, resolve_name
from prunella.adapters.notify.secrets import Credential
from prunella.api.names import MessageKind, Priority
from prunella.app.errors import Permanent, Retryable

ROUTING_KEY = "R" * 32


def credential(url=None):
    companions = {} if url is None else {"url": url}
    return Credential(where="key 'pd' of the Secret 's'", value=ROUTING_KEY, companions=companions, allowed=allowed_hosts("127.0.0.1:0"))


class PagerDuty:
    """Keeps the events; answers as told, then 202."""

    def __init__(self, *statuses):
        self.statuses, self.got = list(statuses), []

    async def __call__(self, request):
        self.got.append((request.path, await request.json()))
        status = self.statuses.pop(0) if self.statuses else 202
        return web.json_response({"status": "success", "dedup_key": "x"}, status=status, headers={"Retry-After": "7"})


async def send(server, message):
    async with serving(server) as url:
        host = url.removeprefix("http://")
        given = Credential(where="k", value=ROUTING_KEY, companions={"url": f"{url}/v2/enqueue"}, allowed=allowed_hosts(host))
        await pagerduty.send(given, message, "prod-eu1", resolve_name)


async def test_a_page_triggers_with_everything_that_the_person_needs():
    server = PagerDuty()
    await send(server, envelope(details={"firing": "12"}, links=(("Runbook", "https://r.example.com"),)))
    assert server.got == [
        (
            "/v2/enqueue",
            {
                "routing_key": ROUTING_KEY,
                "event_action": "trigger",
                "dedup_key": "7d0f/1",
                "payload": {
                    "summary": "[P2] checkout: revision 15 crash-loops (exit code 1)",
                    "source": "prod-eu1/shop",
                    "timestamp": "2026-11-24T12:00:00.000+00:00",
                    "severity": "error",
                    "component": "checkout",
                    "group": "shop",
                    "class": "RolloutCrashLoop",
                    "custom_details": {
                        "incident": "shop/checkout-7f3kq",
                        "text": "Revision 15 crash-loops. Acknowledge with kubectl prunella ack checkout-7f3kq -n shop",
                        "impact": "Significant",
                        "firing": "12",
                    },
                },
                "client": "prunella",
                "links": [{"href": "https://r.example.com", "text": "Runbook"}],
            },
        )
    ]


@pytest.mark.parametrize(
    ("kind", "event", "action"),
    [
        (MessageKind.PAGE, "escalated", "trigger"),
        (MessageKind.PAGE, "detected", "trigger"),
        (MessageKind.STAND_DOWN, "resolved", "resolve"),
        (MessageKind.STAND_DOWN, "cancelled", "resolve"),
        (MessageKind.ACKNOWLEDGEMENT, "acknowledged", "acknowledge"),
        (MessageKind.NOTICE, "remediated", None),
    ],
)
def test_kind_and_event_choose_the_action(kind, event, action):
    assert pagerduty.action_of(envelope(kind=kind, event=event)) == action


@pytest.mark.parametrize(
    ("kind", "event", "action"), [(MessageKind.STAND_DOWN, "resolved", "resolve"), (MessageKind.ACKNOWLEDGEMENT, "acknowledged", "acknowledge")]
)
async def test_resolve_and_acknowledge_need_three_fields(kind, event, action):
    server = PagerDuty()
    await send(server, envelope(kind=kind, event=event))
    assert server.got == [("/v2/enqueue", {"routing_key": ROUTING_KEY, "event_action": action, "dedup_key": "7d0f/1"})]


async def test_a_notice_is_a_change_event_which_never_alerts():
    server = PagerDuty()
    await send(server, envelope(kind=MessageKind.NOTICE, event="remediated"))
    ((path, body),) = server.got
    assert path == "/v2/change/enqueue"
    assert sorted(body) == ["links", "payload", "routing_key"]
    assert sorted(body["payload"]) == ["custom_details", "source", "summary", "timestamp"]


async def test_an_endpoint_of_another_shape_takes_notices_too():
    server = PagerDuty()
    async with serving(server) as url:
        given = Credential(where="k", value="r", companions={"url": f"{url}/events"}, allowed=allowed_hosts(url.removeprefix("http://")))
        await pagerduty.send(given, envelope(kind=MessageKind.NOTICE, event="remediated"), "c", resolve_name)
    assert server.got[0][0] == "/events"


@pytest.mark.parametrize(
    ("priority", "severity"), [(Priority.P1, "critical"), (Priority.P2, "error"), (Priority.P3, "warning"), (Priority.P4, "info")]
)
def test_priority_becomes_severity(priority, severity):
    assert pagerduty.alert(envelope(priority=priority), "r", "c", "trigger")["payload"]["severity"] == severity


@pytest.mark.parametrize(
    ("given_key", "message_key", "key"),
    [
        ("uid/1", "m", "uid/1"),
        ("", "uid/1/page", "uid/1/page"),
        ("k" * 255, "m", "k" * 255),
        ("k" * 256, "m", "k" * 238 + "-"),
    ],
    ids=["as given", "the message's own", "just short enough", "too long"],
)
def test_the_dedup_key_fits(given_key, message_key, key):
    made = pagerduty.dedup_key(envelope(dedup_key=given_key, key=message_key))
    assert made.startswith(key)
    assert len(made) == max(len(key), len(made)) <= 255


def test_two_long_keys_with_the_same_head_stay_apart():
    assert pagerduty.dedup_key(envelope(dedup_key="k" * 300 + "a")) != pagerduty.dedup_key(envelope(dedup_key="k" * 300 + "b"))


def test_a_long_title_is_cut_to_what_pagerduty_takes():
    assert len(pagerduty.alert(envelope(title="t" * 2000), "r", "c", "trigger")["payload"]["summary"]) == 1024


async def test_c49_429_is_repeated_with_the_same_key_and_400_never():
    server = PagerDuty(429, 202, 400)
    with pytest.raises(Retryable) as raised:
        await send(server, envelope())
    assert (str(raised.value), raised.value.delay) == ("PagerDuty answered 429", 7.0)
    await send(server, envelope())
    with pytest.raises(Permanent) as refused:
        await send(server, envelope())
    assert str(refused.value) == "PagerDuty refused the message with 400; check the Secret and what the receiver expects"
    assert {body["dedup_key"] for _, body in server.got} == {"7d0f/1"}


async def test_without_an_endpoint_in_the_secret_it_is_pagerdutys_own():
    asked = []

    async def resolve(host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    with pytest.raises(Permanent, match=r"'events.pagerduty.com' leads to a private, loopback or reserved address"):
        await pagerduty.send(credential(), envelope(incident=incident()), "c", resolve)
    assert asked == [("events.pagerduty.com", 443)]
