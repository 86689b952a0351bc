"""The poll: what any peer shows is there, and absence is believed only of a peer that has run long enough."""

import json
from datetime import timedelta

import pytest
from aiohttp import web
from tests.adapters.local import NOON, FixedClock, RecordedTelemetry, answering, head, nobody, serving

from prunella.adapters.alertmanager import poll as polling
from prunella.adapters.alertmanager.poll import AlertmanagerPoll
from prunella.core.facts import UNKNOWN

SINCE = "2026-11-24T11:00:00.000Z"


def alert(name="X", state="active", **changes):
    return {
        "fingerprint": name.lower()[0] * 16,
        "startsAt": "2026-11-24T11:30:00.123456789Z",
        "endsAt": "2026-11-24T12:05:00Z",
        "updatedAt": "2026-11-24T11:59:00Z",
        "status": {"state": state, "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
        "labels": {"alertname": name},
        "annotations": {},
        "receivers": [],
    } | changes


class Peer:
    """A small Alertmanager."""

    def __init__(self, *alerts, uptime=SINCE, config="global:\n  resolve_timeout: 5m\n", status=200):
        self.alerts, self.uptime, self.config, self.status = list(alerts), uptime, config, status
        self.asked = []

    async def __call__(self, request):
        self.asked.append(request.path_qs)
        if request.path.endswith("/api/v2/status"):
            return web.json_response({"uptime": self.uptime, "config": {"original": self.config}})
        return web.json_response(self.alerts, status=self.status)


async def poll(*urls, telemetry=None, clock=None):
    return await AlertmanagerPoll(urls, clock or FixedClock(), telemetry or RecordedTelemetry()).active()


async def test_active_and_suppressed_alerts_are_told_apart():
    peer = Peer(
        alert("aaa"),
        alert("bbb", status={"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": []}),
        alert("ccc", status={"state": "suppressed", "silencedBy": [], "inhibitedBy": ["i1"]}),
    )
    async with serving(peer) as url:
        found = await poll(url + "/")
    assert found is not UNKNOWN
    assert {one.labels["alertname"]: (one.state, one.silenced_by, one.inhibited_by) for one in found.values()} == {
        "aaa": ("firing", (), ()),
        "bbb": ("suppressed", ("s1",), ()),
        "ccc": ("suppressed", (), ("i1",)),
    }
    assert found["a" * 16].starts_time == NOON - timedelta(minutes=30) + timedelta(microseconds=123_456)
    assert peer.asked[0] == "/api/v2/alerts?active=true&silenced=true&inhibited=true"


async def test_every_peer_is_asked_and_firing_wins_over_suppressed():
    first = Peer(alert("aaa", "suppressed"), alert("bbb"))
    second = Peer(alert("aaa"), alert("ccc"))
    async with serving(first) as one, serving(second) as two:
        found = await poll(one, two)
    assert found is not UNKNOWN
    assert {name[0]: facts.state for name, facts in found.items()} == {"a": "firing", "b": "firing", "c": "firing"}


async def test_where_peers_agree_on_the_state_the_newer_word_counts():
    async with serving(Peer(alert("aaa"))) as one, serving(Peer(alert("aaa", updatedAt="2026-11-24T11:59:30Z"))) as two:
        for urls in ((one, two), (two, one)):
            found = await poll(*urls)
            assert found is not UNKNOWN
            assert found["a" * 16].updated_time == NOON - timedelta(seconds=30)


async def test_one_reachable_peer_is_enough():
    async with serving(Peer(alert("aaa"))) as good, nobody() as bad, serving(Peer(alert("bbb"), status=500)) as broken:
        found = await poll(bad, broken, good)
    assert found is not UNKNOWN
    assert list(found) == ["a" * 16]


async def test_an_outage_of_a_peer_is_said_once_when_it_changes_and_when_it_is_over(caplog):
    caplog.set_level("INFO", "prunella.adapters.alertmanager.poll")
    one, other = Peer(), Peer()
    async with serving(one) as first, serving(other) as second:
        source = AlertmanagerPoll([first, second], FixedClock(), RecordedTelemetry())
        for status in (500, 500, 502, 200, 200, 500):
            one.status = status
            await source.active()
    assert [(record.message, record.url, getattr(record, "error", "")) for record in caplog.records] == [
        ("Alertmanager could not be polled", first, "it answered 500"),
        ("Alertmanager could not be polled", first, "it answered 502"),
        ("Alertmanager can be polled again", first, ""),
        ("Alertmanager could not be polled", first, "it answered 500"),
    ]


@pytest.mark.parametrize(
    ("peer", "known"),
    [
        (Peer(uptime="2026-11-24T11:49:59Z"), True),
        (Peer(uptime="2026-11-24T11:50:00Z"), False),
        (Peer(uptime="2026-11-24T11:59:00Z", config="global:\n  resolve_timeout: 20s\n"), True),
        (Peer(uptime="2026-11-24T11:59:00Z", config="global:\n  resolve_timeout: 1m30s\n"), False),
        (Peer(uptime="2026-11-24T11:55:00Z", config="global:\n  resolve_timeout: nonsense\n"), False),
        (Peer(uptime="2026-11-24T11:55:00Z", config=None), False),
        (Peer(uptime="yesterday"), False),
        (Peer(uptime=None), False),
        (Peer(uptime="2026-11-24T11:00:00"), False),
    ],
    ids=["just long enough", "exactly twice", "short timeout", "mixed units", "unreadable timeout", "no config", "no time", "none", "no zone"],
)
async def test_absence_is_believed_of_a_peer_that_has_learned_every_alert_again(peer, known):
    async with serving(peer) as url:
        found = await poll(url)
    assert (found is not UNKNOWN) == known


async def test_a_settled_peer_vouches_for_one_that_has_just_started():
    async with serving(Peer(uptime="2026-11-24T11:59:59Z")) as young, serving(Peer(alert("aaa"))) as settled:
        found = await poll(young, settled)
    assert found is not UNKNOWN
    assert list(found) == ["a" * 16]


async def test_without_any_peer_nothing_is_known():
    telemetry = RecordedTelemetry()
    assert await poll(telemetry=telemetry) is UNKNOWN
    assert telemetry.gauges == {}


@pytest.mark.parametrize(
    "pieces",
    [
        (head("HTTP/1.1 200 OK", "Content-Length: 12"), b"<html></html"),
        (head("HTTP/1.1 200 OK", "Content-Length: 2"), b"{}"),
        (head("HTTP/1.1 200 OK", "Content-Length: 4"), b"null"),
        (head("HTTP/1.1 200 OK", "Content-Length: 200000"), b"[" * 200_000),
        (head("HTTP/1.1 302 Found", "Location: http://169.254.169.254/", "Content-Length: 0"),),
        (head("HTTP/1.1 503 Busy", "Content-Length: 0"),),
        (b"nonsense\r\n\r\n",),
        (head("HTTP/1.1 200 OK", "Content-Length: 100"), b"["),
    ],
    ids=["login page", "object", "null", "nested", "redirect", "busy", "no HTTP", "cut off"],
)
async def test_a_peer_that_does_not_answer_as_alertmanager_is_no_peer(pieces):
    async with answering(*pieces) as url:
        assert await poll(url) is UNKNOWN


async def test_a_peer_whose_answer_never_ends_is_no_peer(monkeypatch):
    monkeypatch.setattr(polling, "LONGEST_ANSWER", 1000)
    monkeypatch.setattr(polling, "TIMEOUT_SECONDS", 0.3)
    async with answering(head("HTTP/1.1 200 OK", "Content-Length: 2000"), b"[" * 1001) as long, answering(stall=True) as silent:
        assert await poll(long) is UNKNOWN
        assert await poll(silent) is UNKNOWN


async def test_a_peer_that_does_not_tell_its_age_vouches_for_nothing():
    async def handler(request):
        return web.json_response([] if request.path.endswith("/alerts") else ["no status"])

    async with serving(handler) as url:
        assert await poll(url) is UNKNOWN


async def test_a_malformed_alert_is_counted_and_the_others_stay():
    telemetry = RecordedTelemetry()
    async with serving(Peer(alert("aaa"), None, alert("bbb", labels=None), alert("ccc", status="active"), "x")) as url:
        found = await poll(url, telemetry=telemetry)
    assert found is not UNKNOWN
    assert list(found) == ["a" * 16]
    assert telemetry.counted("alerts_received_total", result="Quarantined") == 4


async def test_the_age_of_the_source_grows_until_a_peer_answers_again():
    clock, telemetry, peer = FixedClock(), RecordedTelemetry(), Peer()
    key = ("alert_source_age_seconds", (("source", "Poll"),))
    async with serving(peer) as url:
        source = AlertmanagerPoll([url], clock, telemetry)
        assert source.last_good_time is None
        await source.active()
        assert (telemetry.gauges[key], source.last_good_time) == (0, NOON)
        clock.pass_seconds(300)
        peer.status = 500
        assert await source.active() is UNKNOWN
        assert telemetry.gauges[key] == 300
        peer.status = 200
        await source.active()
        assert telemetry.gauges[key] == 0


async def test_alerts_and_their_text_are_json_in_any_case():
    async with serving(Peer(alert("aaa", annotations={"summary": "half \ud800"}))) as url:
        found = await poll(url)
    assert found is not UNKNOWN
    json.dumps(found["a" * 16].annotations).encode()
