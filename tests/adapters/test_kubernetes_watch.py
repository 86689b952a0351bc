"""List and watch against an API server that misbehaves on purpose: nothing is missed, and silence is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.adapters.standin import Lines, Numbers, Object, Reply, Silence, StandIn, bookmark, event, eventually, gone, listed, refusal, standing_in

from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes import resources, watched
from prunella.adapters.kubernetes.client import connect_plainly
from prunella.adapters.kubernetes.shelf import Change, Shelf
from prunella.adapters.kubernetes.watch import Reflector, Tempo
from prunella.adapters.kubernetes.watched import Watched

PODS = "/api/v1/pods"
FAST = Tempo(quiet_seconds=0.2, silence_seconds=0.4, first_pause_seconds=0.01, longest_pause_seconds=0.05)
PATIENT = Tempo(first_pause_seconds=0.01, longest_pause_seconds=0.05)


def pod(name: str, version: str = "1", uid: str = "", **meta: Any) -> Object:
    return {"metadata": {"namespace": "shop", "name": name, "uid": uid or f"uid-{name}", "resourceVersion": version, **meta}}


class Watching:
    """A reflector with its shelf, and what it told."""

    def __init__(self, kind: Watched[Any]) -> None:
        self.numbers = Numbers()
        self.changes: list[Change[Any]] = []
        self.shelf: Shelf[Any] = Shelf(self.changes.append)
        self.kind = kind
        self.reflector: Reflector[Any]

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.shelf.uids(None)}

    @property
    def reconnects(self) -> int:
        return self.numbers.total("watch_reconnects_total", kind=self.kind.resource.kind)

    def told(self) -> list[tuple[str, str]]:
        return [(one.key[1], "came" if one.before is None else "went" if one.after is None else "changed") for one in self.changes]


@asynccontextmanager
async def watching(server: StandIn, kind: Watched[Any] = watched.PODS, tempo: Tempo = PATIENT) -> AsyncIterator[Watching]:
    seen = Watching(kind)
    async with connect_plainly(server.url, seen.numbers) as api:
        seen.reflector = Reflector(api, kind, seen.shelf, namespace=None, clock=SystemClock(), telemetry=seen.numbers, tempo=tempo)
        task = asyncio.create_task(seen.reflector.run())
        try:
            yield seen
        finally:
            task.cancel()
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


async def test_all_pages_of_a_list_are_read_before_it_counts_as_listed(server: StandIn):
    server.answers("GET", PODS, listed(pod("a"), pod("b"), token="next"), listed(pod("c")))
    server.answers("WATCH", PODS, Lines())
    async with watching(server) as seen:
        await eventually(lambda: server.count("WATCH"))
        assert seen.names == {"a", "b", "c"}
        assert seen.reflector.listed.is_set()
    first, second, watch = server.asked
    assert (first.query, second.query) == ({"limit": "500"}, {"limit": "500", "continue": "next"})
    assert watch.query["resourceVersion"] == "100"
    assert watch.query["allowWatchBookmarks"] == "true"
    assert 240 <= int(watch.query["timeoutSeconds"]) <= 330


async def test_events_are_taken_in_order_also_where_bytes_break_in_the_middle_of_a_line(server: StandIn):
    whole = b'{"type":"ADDED","object":{"metadata":{"namespace":"shop","name":"cut","uid":"u","resourceVersion":"105"}}}\n'
    lines = (event("ADDED", pod("a", "101")), event("MODIFIED", pod("a", "102", labels={"x": "y"})), event("DELETED", pod("a", "103")))
    server.answers("GET", PODS, listed())
    server.answers("WATCH", PODS, Lines((*lines, whole[:30], whole[30:77], whole[77:])))
    async with watching(server) as seen:
        await eventually(lambda: "cut" in seen.names)
    assert seen.told() == [("a", "came"), ("a", "changed"), ("a", "went"), ("cut", "came")]


async def test_an_end_in_time_continues_from_the_last_bookmark_without_a_list(server: StandIn):
    server.answers("GET", PODS, listed(pod("a")))
    server.answers("WATCH", PODS, Lines((bookmark("150"),), then="end"), Lines())
    async with watching(server, tempo=Tempo(watch_seconds=1, first_pause_seconds=0.01)) as seen:
        await eventually(lambda: server.count("WATCH") == 2)
        assert server.asked[-1].query["resourceVersion"] == "150"
        assert (server.count("GET"), seen.reconnects) == (1, 0)


@pytest.mark.parametrize(
    "first",
    [
        Lines((event("ADDED", pod("b", "101")), gone())),
        Lines((gone(),), then="end"),
        refusal(410, "Expired", "too old resource version"),
    ],
    ids=["in the middle of the stream", "as the first word", "instead of the stream"],
)
async def test_a_forgotten_history_is_listed_anew_and_deletions_are_made_up_for(server: StandIn, first: Lines | Reply):
    server.answers("GET", PODS, listed(pod("a"), pod("stays")), listed(pod("stays"), pod("new", "190"), version="200"))
    server.answers("WATCH", PODS, first, Lines())
    async with watching(server) as seen:
        await eventually(lambda: server.count("WATCH") == 2)
        assert seen.names == {"stays", "new"}
        assert ("a", "went") in seen.told()
        assert seen.told().count(("stays", "came")) == 1
        assert server.asked[-1].query["resourceVersion"] == "200"
        assert seen.reconnects == 1


async def test_a_list_that_grew_too_old_between_its_pages_is_begun_again(server: StandIn):
    server.answers("GET", PODS, listed(pod("a"), token="next"), refusal(410, "Expired"), listed(pod("a"), pod("b")))
    server.answers("WATCH", PODS, Lines())
    async with watching(server) as seen:
        await eventually(lambda: server.count("WATCH"))
        assert seen.names == {"a", "b"}
    assert "continue" not in server.asked[2].query


@pytest.mark.parametrize("then", ["end", "cut"])
async def test_a_stream_that_ends_before_its_time_is_taken_up_where_it_ended(server: StandIn, then: str):
    server.answers("GET", PODS, listed())
    server.answers("WATCH", PODS, Lines((event("ADDED", pod("a", "101")), b'{"type":"ADDED","obj'), then=then), Lines())
    async with watching(server) as seen:
        await eventually(lambda: server.count("WATCH") == 2)
        assert server.asked[-1].query["resourceVersion"] == "101"
        assert (server.count("GET"), seen.reconnects, seen.names) == (1, 1, {"a"})


@pytest.mark.parametrize(
    "line",
    [b"garbage\n", b'{"type":"ADDED","object"\n', b"[]\n", b'{"type":"SURPRISE","object":{"metadata":{"name":"a"}}}\n', b"\xff\xfe\n"],
    ids=["no JSON", "half JSON", "a list", "an unknown type", "no UTF-8"],
)
async def test_a_line_that_is_no_event_means_to_list_anew(server: StandIn, line: bytes):
    server.answers("GET", PODS, listed(pod("a")), listed(pod("b"), version="200"))
    server.answers("WATCH", PODS, Lines((line,)), Lines())
    async with watching(server) as seen:
        await eventually(lambda: server.count("WATCH") == 2)
        assert seen.names == {"b"}
        assert seen.reconnects == 1


async def test_an_error_in_the_stream_that_is_not_410_means_to_list_anew(server: StandIn, caplog: pytest.LogCaptureFixture):
    broken = event("ERROR", {"kind": "Status", "status": "Failure", "message": "etcdserver: no leader", "reason": "InternalError", "code": 500})
    server.answers("GET", PODS, listed(pod("a")), listed(pod("b"), version="200"))
    server.answers("WATCH", PODS, Lines((broken,)), Lines())
    async with watching(server) as seen:
        await eventually(lambda: server.count("WATCH") == 2)
        assert seen.names == {"b"}
    assert caplog.records[0].getMessage() == "A watch starts again"
    assert "etcdserver: no leader" in caplog.records[0].why


async def test_a_stream_that_says_nothing_is_opened_anew_and_if_that_one_does_not_either_all_is_listed(server: StandIn):
    server.answers("GET", PODS, listed(pod("a")), listed(pod("b"), version="200"))
    server.answers("WATCH", PODS, Lines())
    async with watching(server, tempo=FAST) as seen:
        await eventually(lambda: server.count("GET") == 2)
        await eventually(lambda: seen.names == {"b"})  # it is asked for before it is taken in
        assert seen.reconnects == 0, "a quiet kind is no trouble"
    versions = [asked.query["resourceVersion"] for asked in server.asked if "watch" in asked.query]
    assert versions[:2] == ["100", "100"]


async def test_what_the_first_silent_stream_lost_the_second_one_brings(server: StandIn):
    server.answers("GET", PODS, listed())
    server.answers("WATCH", PODS, Lines(), Lines((event("ADDED", pod("lost", "101")),)), Lines())
    async with watching(server, tempo=FAST) as seen:
        await eventually(lambda: server.count("WATCH") == 3)
        assert seen.names == {"lost"}
        assert server.count("GET") == 1


async def test_silence_of_the_list_and_of_the_watch_is_no_evidence(server: StandIn):
    server.answers("GET", PODS, listed(pod("a")), Silence())
    server.answers("WATCH", PODS, Lines(), Lines(), Silence())
    async with watching(server, tempo=FAST) as seen:
        await eventually(seen.reflector.listed.is_set)
        reflector = seen.reflector
        assert not reflector.silent(reflector.heard_time)
        await eventually(lambda: server.count("GET") == 2)
        await eventually(lambda: reflector.silent(datetime.now(UTC)))
        assert seen.names == {"a"}, "what was known is still shown"


async def test_bookmarks_keep_a_quiet_stream_alive(server: StandIn):
    server.answers("GET", PODS, listed())
    server.answers("WATCH", PODS, Lines((bookmark("101"), bookmark("102"))))
    async with watching(server) as seen:
        await eventually(lambda: seen.reflector._version == "102")
        assert (seen.names, seen.changes) == (set(), [])


@pytest.mark.parametrize("trouble", [refusal(500, "InternalError"), refusal(429, "TooManyRequests"), refusal(403, "Forbidden"), Silence(cut=True)])
async def test_trouble_with_the_list_is_outlasted_and_shown_meanwhile(server: StandIn, trouble: Reply | Silence):
    server.answers("GET", PODS, *[trouble] * 5, listed(pod("a")))
    server.answers("WATCH", PODS, Lines())
    async with watching(server) as seen:
        assert seen.reflector.silent(datetime.now(UTC))
        assert not seen.reflector.listed.is_set()
        await eventually(lambda: seen.names == {"a"})
        await eventually(lambda: not seen.reflector.silent(datetime.now(UTC)))
        assert seen.reconnects == 5


async def test_the_same_trouble_is_logged_once(server: StandIn, caplog: pytest.LogCaptureFixture):
    server.answers("GET", PODS, *[refusal(403, "Forbidden", "no RBAC")] * 5, listed())
    server.answers("WATCH", PODS, Lines())
    async with watching(server) as seen:
        await eventually(seen.reflector.listed.is_set)
    messages = [record.why for record in caplog.records if record.getMessage() == "A watch starts again"]
    assert messages == ["The account of Prunella may not list pods: no RBAC"]


@pytest.mark.parametrize(("times", "complaints"), [(3, 0), (5, 1)], ids=["for a moment", "for longer"])
async def test_that_the_api_server_asks_to_come_later_is_trouble_only_where_it_lasts(
    server: StandIn, caplog: pytest.LogCaptureFixture, times: int, complaints: int
):
    """It does so for a moment while it prepares the storage of a CRD that was just made, as in every installation."""
    server.answers("GET", PODS, listed(pod("a")))
    server.answers("WATCH", PODS, *[refusal(429, "TooManyRequests", "storage is (re)initializing")] * times, Lines((bookmark("101"),)))
    async with watching(server) as seen:
        await eventually(lambda: seen.reflector._version == "101")
        assert seen.reconnects == times, "it is counted all the same"
    assert [record.getMessage() for record in caplog.records] == ["A watch starts again"] * complaints


async def test_a_kind_that_is_not_served_any_more_is_listed_anew_when_it_is_back(server: StandIn):
    server.answers("GET", PODS, listed(pod("a")), refusal(404, "NotFound"), listed(pod("b"), version="7"))
    server.answers("WATCH", PODS, refusal(404, "NotFound"), Lines())
    async with watching(server) as seen:
        await eventually(lambda: server.count("WATCH") == 2)
        assert seen.names == {"b"}


async def test_who_does_not_try_again_keeps_what_it_knew_of_a_kind_that_was_away(server: StandIn, monkeypatch: pytest.MonkeyPatch):
    """The twin of the test before (fault 21)."""

    async def for_good(_: Reflector[Any]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Reflector, "_pause", for_good)
    server.answers("GET", PODS, listed(pod("a")), refusal(404, "NotFound"), listed(pod("b"), version="7"))
    server.answers("WATCH", PODS, refusal(404, "NotFound"), Lines())
    async with watching(server) as seen:
        await eventually(lambda: seen.reconnects == 1)
        assert (seen.names, seen.reflector.down) == ({"a"}, True)


async def test_now_and_then_everything_is_listed_again_and_only_differences_are_told(server: StandIn):
    server.answers("GET", PODS, listed(pod("missed deletion"), pod("same")), listed(pod("same"), pod("missed", "105"), version="200"))
    # The stream outlives its time: whether we list again does not depend on the API server.
    server.answers("WATCH", PODS, Lines())
    async with watching(server, tempo=Tempo(resync_seconds=0.2, overtime_seconds=-0.7)) as seen:
        await eventually(lambda: seen.names == {"same", "missed"})
        assert seen.reconnects == 0
    assert seen.told()[2:] == [("missed", "came"), ("missed deletion", "went")]


async def test_replayed_old_events_change_nothing(server: StandIn):
    new = pod("a", "110", labels={"v": "new"})
    lines = (
        event("MODIFIED", new),
        event("MODIFIED", pod("a", "105", labels={"v": "old"})),
        event("ADDED", pod("a", "100")),
        event("DELETED", pod("a", "99", uid="of the pod before")),
        event("MODIFIED", new),
        bookmark("120"),
    )
    server.answers("GET", PODS, listed(pod("a", "100")))
    server.answers("WATCH", PODS, Lines(lines))
    async with watching(server) as seen:
        await eventually(lambda: seen.reflector._version == "120")
    assert seen.told() == [("a", "came"), ("a", "changed")]
    assert seen.shelf.version(("shop", "a")) == "110"


async def test_a_deletion_that_was_missed_is_told_when_another_object_takes_the_name(server: StandIn):
    server.answers("GET", PODS, listed(pod("a", "100")))
    server.answers("WATCH", PODS, Lines((event("ADDED", pod("a", "110", uid="another")),)))
    async with watching(server) as seen:
        await eventually(lambda: len(seen.changes) == 3)
    assert seen.told() == [("a", "came"), ("a", "went"), ("a", "came")]


def incident(name: str, version: str, **spec: Any) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    made = pod(name, version)
    return {**made, "apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "spec": {"title": "broken", "targetRef": target, **spec}}


async def test_an_object_of_ours_that_cannot_be_read_is_left_out_told_once_and_stops_nobody(server: StandIn, caplog: pytest.LogCaptureFixture):
    path = "/apis/prunella.dev/v1alpha1/incidents"
    poison = incident("poison", "5", title=None)
    server.answers("GET", path, listed(poison, incident("good", "6")))
    lines = (
        event("MODIFIED", poison),
        event("ADDED", incident("later", "101", acknowledgement="me")),
        event("ADDED", incident("newer", "102", fieldOfANewerVersion=1)),
        event("ADDED", incident("long-ago", "102", hold={"by": "ana", "reason": "x", "untilTime": "0001-01-01T00:00:00+14:00"})),
        event("MODIFIED", incident("poison", "103")),
        bookmark("104"),
    )
    server.answers("WATCH", path, Lines(lines))
    async with watching(server, watched.INCIDENTS) as seen:
        await eventually(lambda: seen.reflector._version == "104")
        assert {one.metadata.name for one in seen.shelf.values()} == {"good", "newer", "poison"}
    told = [(record.object, record.why) for record in caplog.records if record.getMessage().startswith("An object can't be read")]
    assert [name for name, _ in told] == ["shop/poison", "shop/later", "shop/long-ago"]
    assert told[0][1] == "spec.title: Input should be a valid string"
    assert told[2][1] == "spec.hold.untilTime: Value error, must lie between the years 1 and 9999 in UTC"


async def test_a_kind_of_trouble_that_nobody_thought_of_stops_nobody_either(server: StandIn, caplog: pytest.LogCaptureFixture):
    def read(stored: Object) -> str:
        return str(1 // (len(stored["metadata"]["name"]) - 1))

    server.answers("GET", PODS, listed(pod("a"), pod("bcd")))
    server.answers("WATCH", PODS, Lines())
    async with watching(server, Watched(resources.POD, dict[str, Any], read)) as seen:
        await eventually(seen.reflector.listed.is_set)
        assert list(seen.shelf.values()) == ["0"]
    assert caplog.records[0].why == "ZeroDivisionError: integer division or modulo by zero"


async def test_a_foreign_object_that_cannot_be_read_is_left_out_and_stops_nobody(server: StandIn, caplog: pytest.LogCaptureFixture):
    odd = {**pod("odd", "5"), "status": {"containerStatuses": "none"}}
    server.answers("GET", PODS, listed(odd, pod("good", "6")))
    server.answers("WATCH", PODS, Lines((event("MODIFIED", {**odd, "spec": 7}), event("ADDED", pod("later", "102")))))
    async with watching(server) as seen:
        await eventually(lambda: "later" in seen.names)
        assert {one.name for one in seen.shelf.values()} == {"good", "later"}
    assert [record.object for record in caplog.records] == ["shop/odd"], "once per version"
