"""Silences over HTTP: the request as Alertmanager takes it, what is concluded of each answer, and how a lost one is found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from tests.adapters.local import NOON, answering, nobody, serving

from prunella.adapters.alertmanager.silences import Silences
from prunella.api.common import ObjectRef
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Applied, NotApplied, Settled
from prunella.core.healing.effects.outside import EndSilence, Silence

TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="checkout", uid="w-1")
QUIET = Silence(
    target=TARGET,
    labels={"namespace": "shop", "alertname": "HighErrors"},
    start_time=NOON,
    end_time=NOON + timedelta(hours=1),
    comment="Incident shop/checkout-1: a deploy",
    does="quiet",
)
OVER = EndSilence(target=TARGET, silenced_by="5b1e", does="loud")


class Alertmanager:
    """As much of /api/v2/silences as there is to it."""

    def __init__(self, status=200):
        self.status, self.kept, self.asked = status, [], []

    async def __call__(self, request):
        self.asked.append((request.method, request.path))
        if request.method == "GET":
            return web.json_response(self.kept, status=self.status)
        if request.method == "DELETE":
            name = request.path.rpartition("/")[2]
            if all(one["id"] != name for one in self.kept):
                return web.Response(status=404)
            self.kept = [one | {"status": {"state": "expired"}} if one["id"] == name else one for one in self.kept]
            return web.Response(status=self.status)
        if self.status != 200:
            return web.Response(status=self.status, headers={"Location": "/elsewhere"})
        self.kept.append({"id": f"id-{len(self.kept)}", "status": {"state": "active"}, **await request.json()})
        return web.json_response({"silenceID": self.kept[-1]["id"]})


async def test_a_silence_names_every_label_its_end_and_who_made_it_for_what():
    peer = Alertmanager()
    async with serving(peer) as url:
        assert await Silences([url + "/"]).make(QUIET, "5b1e") == Applied(after={"silenceId": "id-0"})
    [made] = peer.kept
    assert made == {
        "id": "id-0",
        "status": {"state": "active"},
        "matchers": [
            {"name": "alertname", "value": "HighErrors", "isRegex": False, "isEqual": True},
            {"name": "namespace", "value": "shop", "isRegex": False, "isEqual": True},
        ],
        "startsAt": "2026-11-24T12:00:00.000000Z",
        "endsAt": "2026-11-24T13:00:00.000000Z",
        "createdBy": "prunella",
        "comment": "Incident shop/checkout-1: a deploy (intent 5b1e)",
    }


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429])
async def test_a_clear_refusal_made_no_silence(status):
    peer = Alertmanager(status)
    async with serving(peer) as url:
        answer = await Silences([url]).make(QUIET, "5b1e")
    assert answer == NotApplied(reason="", message=f"Alertmanager refused the silence with {status}: nothing was silenced")
    assert len(peer.asked) == 1, "redirects are not followed, and nothing is tried again"


@pytest.mark.parametrize("status", [500, 503])
async def test_an_error_of_the_server_can_not_be_known(status):
    async with serving(Alertmanager(status)) as url:
        with pytest.raises(OutcomeUnknown):
            await Silences([url]).make(QUIET, "5b1e")


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",)], ids=["nothing", "half an answer"])
async def test_a_connection_that_breaks_can_not_be_known(pieces):
    async with answering(*pieces) as url:
        with pytest.raises(OutcomeUnknown):
            await Silences([url]).make(QUIET, "5b1e")


async def test_a_peer_that_hangs_can_not_be_known_and_no_other_is_asked():
    other = Alertmanager()
    async with answering(stall=True) as hangs, serving(other) as url:
        with pytest.raises(OutcomeUnknown):
            await Silences([hangs, url], timeout_seconds=0.2).make(QUIET, "5b1e")
    assert other.asked == []


async def test_a_peer_that_can_not_be_reached_was_sent_nothing_so_the_next_one_is_asked():
    peer = Alertmanager()
    async with nobody() as gone, serving(peer) as url:
        assert isinstance(await Silences([gone, url]).make(QUIET, "5b1e"), Applied)
    async with nobody() as gone:
        unreached = NotApplied(reason="", message="no Alertmanager could be reached: nothing was silenced")
        assert await Silences([gone]).make(QUIET, "5b1e") == replace(unreached, transient=Transient.TIMEOUT)
    assert await Silences([]).make(QUIET, "5b1e") == unreached


async def test_a_lost_one_is_found_by_its_intent_and_by_nothing_less():
    peer = Alertmanager()
    async with nobody() as gone, serving(peer) as url:
        silences = Silences([gone, url])
        assert await silences.settle("5b1e", "") is Settled.NOT_APPLIED
        await silences.make(QUIET, "5b1e")
        assert await silences.settle("5b1e", "") is Settled.APPLIED
        assert await silences.settle("5b1", "") is Settled.NOT_APPLIED
        peer.kept[0]["createdBy"] = "somebody"
        assert await silences.settle("5b1e", "") is Settled.NOT_APPLIED


@pytest.mark.parametrize("status", [401, 500])
async def test_where_nobody_tells_nothing_is_concluded(status):
    async with serving(Alertmanager(status)) as url, nobody() as gone:
        assert await Silences([url, gone]).settle("5b1e", "") is UNKNOWN
    assert await Silences([]).settle("5b1e", "") is UNKNOWN


async def test_the_end_expires_what_the_intent_made_and_nothing_else_and_may_come_twice():
    peer = Alertmanager()
    async with serving(peer) as url:
        silences = Silences([url])
        await silences.make(QUIET, "5b1e")
        await silences.make(QUIET, "other")
        assert await silences.settle("own", "5b1e") is Settled.NOT_APPLIED
        assert await silences.end(OVER) == Applied(after={"ended": "1"})
        assert [one["status"]["state"] for one in peer.kept] == ["expired", "active"]
        assert await silences.settle("own", "5b1e") is Settled.APPLIED
        assert await silences.end(OVER) == Applied(after={"ended": "0"})


async def test_an_end_that_can_not_be_asked_for_ended_nothing_and_a_failed_one_can_not_be_known():
    async with nobody() as gone:
        assert isinstance(await Silences([gone]).end(OVER), NotApplied)
    peer = Alertmanager()
    async with serving(peer) as url:
        await Silences([url]).make(QUIET, "5b1e")

        async def fails(request):
            return web.Response(status=500) if request.method == "DELETE" else await peer(request)

        async with serving(fails) as broken:
            with pytest.raises(OutcomeUnknown):
                await Silences([broken]).end(OVER)
