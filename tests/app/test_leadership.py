"""Leadership in virtual time: whatever happens to a replica, the API server or the Lease, one acts at most, and soon one does again (V10, V11)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.local import RecordedTelemetry
from tests.fakes.virtual import in_virtual_time

from prunella.app.errors import AlreadyExists, Conflict, Lost, OutcomeUnknown, Permanent, Retryable
from prunella.app.leadership import HIGHEST_EPOCH, Elector, LeaseRecord

REQUEST = 10.0
"""Seconds that an effect may take: it is begun only while the lease covers them."""
LATENCY = 0.05


class Server:
    """The Lease in the API server. Its versions move with every write; so do its timestamps, which nobody may read."""

    def __init__(self, record: LeaseRecord | None = None) -> None:
        self.record = record
        self.version = 7
        self.writes: list[tuple[float, str, int]] = []
        self.wall = 0.0
        self.stored_epoch = 0
        """The highest that an intent bears."""

    def write(self, holder: str, epoch: int, lease_seconds: int = 15) -> None:
        self.version += 1
        self.record = LeaseRecord(
            holder=holder,
            epoch=epoch,
            lease_seconds=lease_seconds,
            renewed=f"{asyncio.get_running_loop().time() + self.wall:.6f}",
            version=str(self.version),
        )
        self.writes.append((asyncio.get_running_loop().time(), holder, epoch))

    def edit(self, **changes: object) -> None:
        """What a person does with kubectl."""
        self.version += 1
        self.record = replace(self.record, version=str(self.version), **changes)


class Replica:
    """One process: its elector, its way to the API server, and what it did. It acts twice a second while it may."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.fault = ""
        self.slept = 0.0
        """Seconds by which its own clock is ahead, because the machine slept."""
        self.wall = 0.0
        """Seconds by which somebody has set the machine's clock on the wall ahead."""
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.acts: list[tuple[float, int]] = []
        self.ended: tuple[float, str] | None = None
        self.regained = 0
        self.telemetry = RecordedTelemetry()
        self.elector = Elector(self, self, self.telemetry, identity=name, floor=lambda: server.stored_epoch, sleep=self.sleep)
        self.task: asyncio.Task[None] | None = None

    def may_act(self) -> bool:
        return self.elector.covers(REQUEST)

    def start(self) -> None:
        self.task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        async def act() -> None:
            while True:
                await self.thawed.wait()
                if self.may_act():
                    self.acts.append((self._loop_time(), self.elector.epoch))
                    self.server.stored_epoch = max(self.server.stored_epoch, self.elector.epoch)
                await asyncio.sleep(0.5)

        try:
            async with asyncio.TaskGroup() as group:
                await self.elector.campaign()
                group.create_task(act())
                group.create_task(self.elector.keep(self._regain))
        except* Lost as lost:
            self.ended = (self._loop_time(), str(lost.exceptions[0]))

    def _regain(self) -> None:
        self.regained += 1

    def kill(self) -> None:
        self.task.cancel()

    def freeze(self) -> None:
        self.thawed.clear()

    def thaw(self) -> None:
        self.thawed.set()

    # the ports `Ticks`, `sleep` and `Leases`

    def seconds(self) -> float:
        return self._loop_time() + self.slept

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.thawed.wait()

    async def _ask(self) -> None:
        await self.thawed.wait()
        await asyncio.sleep(LATENCY)
        match self.fault:
            case "down":
                raise Retryable("the API server could not be reached")
            case "hanging":
                await asyncio.sleep(3600)
            case "forbidden":
                raise Permanent("the account may not")
            case "a page of a gateway":
                raise Retryable("something answered '<html>' instead of JSON")

    async def read(self) -> LeaseRecord | None:
        await self._ask()
        return self.server.record

    async def create(self, *, holder: str, epoch: int, lease_seconds: int) -> None:
        await self._ask()
        if self.server.record is not None:
            raise AlreadyExists("somebody was faster")
        self.server.write(holder, epoch, lease_seconds)
        self._answer()

    async def replace(self, before: LeaseRecord, *, holder: str, epoch: int, lease_seconds: int) -> None:
        await self._ask()
        if self.fault == "conflict" or self.server.record is None or self.server.record.version != before.version:
            raise Conflict("changed meanwhile")
        self.server.write(holder, epoch, lease_seconds)
        self._answer()

    def _answer(self) -> None:
        if self.fault == "answers are lost":
            raise OutcomeUnknown("no answer came")


def scene(play: Callable[[Server], Awaitable[None]], record: LeaseRecord | None = None) -> None:
    """Play it in virtual time, and let go of whatever still runs."""

    async def whole() -> None:
        try:
            await play(Server(record))
        finally:
            await _end_all()

    async def _end_all() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    in_virtual_time(whole())


def overlaps(*replicas: Replica) -> list[str]:
    """Whatever contradicts "one actor at any time": an act of a term after one of a later term."""
    acts = sorted((time, epoch, one.name) for one in replicas for time, epoch in one.acts)
    found = []
    for before, after in itertools.pairwise(acts):
        if after[1] < before[1]:
            found.append(f"{after[2]} acted at {after[0]:.1f} in epoch {after[1]}, after {before[2]} in epoch {before[1]}")
    return found


class Believer(Replica):
    """Goes on acting because it was elected once."""

    def may_act(self) -> bool:
        return self.elector.epoch > 0


class ByTheWall(Replica):
    """Reads the clock on the wall."""

    def seconds(self) -> float:
        return super().seconds() + self.wall


async def pair(server: Server, kind: type[Replica] = Replica) -> tuple[Replica, Replica]:
    """A leader and a standby."""
    first, second = kind(server, "first"), kind(server, "second")
    first.start()
    await asyncio.sleep(1)
    second.start()
    await asyncio.sleep(5)
    assert (first.elector.leads, second.elector.leads) == (True, False)
    return first, second


def test_one_alone_leads_at_once_where_there_is_no_lease():
    async def play(server):
        only = Replica(server, "only")
        only.start()
        await asyncio.sleep(0.5)
        assert only.acts[0] == (pytest.approx(2 * LATENCY, abs=0.01), 1)
        assert (server.record.holder, server.record.epoch, server.record.lease_seconds) == ("only", 1, 15)
        assert only.telemetry.gauges["leader", ()] == 1

    scene(play)


def test_a_standby_says_once_who_leads_and_does_nothing(caplog):
    caplog.set_level("INFO")

    async def play(server):
        _, second = await pair(server)
        await asyncio.sleep(60)
        assert second.acts == []
        assert second.telemetry.gauges["leader", ()] == 0

    scene(play)
    assert [one for one in caplog.messages if "second" in one] == ["second is a standby; first leads"]
    assert "first is the leader now (epoch 1)" in caplog.messages


@pytest.mark.parametrize("renewed", ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "", "nonsense"])
def test_a_lease_is_waited_for_from_its_first_sight_whatever_its_timestamps_say(renewed):
    async def play(server):
        only = Replica(server, "only")
        only.start()
        await asyncio.sleep(14.9)
        assert only.acts == []
        await asyncio.sleep(2.5)
        assert [epoch for _, epoch in only.acts[:1]] == [5]

    scene(play, LeaseRecord(holder="dead", epoch=4, lease_seconds=15, renewed=renewed, version="3"))


FAULTS = ["down", "hanging", "forbidden", "conflict", "a page of a gateway"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_leader_that_cannot_renew_stops_before_the_next_one_begins(fault):
    async def play(server):
        first, second = await pair(server)
        first.fault = fault
        since = server.writes[-1][0]
        await asyncio.sleep(12)
        assert (first.ended, first.elector.leads, first.elector.overdue()) == (None, False, None), "it lives, and begins nothing"
        await asyncio.sleep(18)
        assert first.acts[-1][0] <= since + 15 - REQUEST, "nothing is begun that could outlast the lease"
        assert first.telemetry.gauges["leader", ()] == 0
        assert since + 15 <= second.acts[0][0] <= since + 15 + 2 + 1
        assert second.elector.epoch == 2
        assert overlaps(first, second) == []
        first.fault = ""
        await asyncio.sleep(5)
        assert first.ended[1] == "first is not the leader any more: second holds the lease"

    scene(play)


@pytest.mark.parametrize("fault", FAULTS)
def test_who_is_alone_lives_through_an_outage_begins_nothing_meanwhile_and_leads_again_in_the_same_term(fault):
    async def play(server):
        only = Replica(server, "only")
        only.start()
        await asyncio.sleep(20)
        only.fault = fault
        since = server.writes[-1][0]
        await asyncio.sleep(60)
        assert (only.ended, only.elector.leads, only.elector.overdue()) == (None, False, None)
        assert only.acts[-1][0] <= since + 15 - REQUEST
        only.fault = ""
        back = asyncio.get_running_loop().time()
        await asyncio.sleep(10)
        assert (only.ended, only.elector.leads, only.elector.epoch) == (None, True, 1)
        assert only.telemetry.gauges["leader", ()] == 1
        resumed = next(at for at, _ in only.acts if at > since + 15)
        assert back <= resumed <= back + 2 * 2 + 1
        assert only.regained == 1, "everything is looked at again"

    scene(play)


def test_whoever_waits_until_it_leads_waits_through_a_pause_and_no_longer():
    async def play(server):
        only = Replica(server, "only")
        waits = asyncio.create_task(only.elector.until_leading())
        await asyncio.sleep(1)
        assert not waits.done(), "nobody was elected yet"
        only.start()
        await waits
        assert only.elector.leads
        only.fault = "down"
        await asyncio.sleep(12)
        waits = asyncio.create_task(only.elector.until_leading())
        await asyncio.sleep(60)
        assert not waits.done()
        only.fault = ""
        await waits
        assert (only.elector.leads, only.elector.epoch) == (True, 1)
        await only.elector.until_leading()
        await only.elector.release()
        waits = asyncio.create_task(only.elector.until_leading())
        await asyncio.sleep(60)
        assert not waits.done()

    scene(play)


def test_who_finds_its_lease_gone_after_an_outage_ends_because_another_may_have_had_it():
    async def play(server):
        only = Replica(server, "only")
        only.start()
        await asyncio.sleep(20)
        only.fault = "down"
        await asyncio.sleep(30)
        server.record = None
        only.fault = ""
        await asyncio.sleep(5)
        assert "another one may have had it" in only.ended[1]

    scene(play)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_few_seconds_ends_no_term(fault):
    async def play(server):
        first, second = await pair(server)
        first.fault = fault
        await asyncio.sleep(5)
        first.fault = ""
        await asyncio.sleep(20)
        assert (first.ended, first.elector.epoch, second.acts) == (None, 1, [])
        assert first.acts[-1][0] > 29

    scene(play)


def test_a_killed_leader_is_replaced_within_seventeen_seconds():
    async def play(server):
        first, second = await pair(server)
        first.kill()
        killed = asyncio.get_running_loop().time()
        await asyncio.sleep(20)
        assert 13 <= second.acts[0][0] - killed <= 17.5
        assert overlaps(first, second) == []

    scene(play)


def test_a_leader_that_gives_the_lease_up_is_replaced_at_the_next_look():
    async def play(server):
        first, second = await pair(server)
        await first.elector.release()
        given_up = asyncio.get_running_loop().time()
        assert not first.elector.covers(0)
        await asyncio.sleep(4)
        assert second.acts[0][0] - given_up <= 2 + 1
        assert (second.elector.epoch, first.ended, overlaps(first, second)) == (2, None, [])

    scene(play)


def test_a_lease_is_given_up_although_a_renewal_is_under_way():
    async def play(server):
        first, second = await pair(server)
        while first.elector._confirmed > asyncio.get_running_loop().time() - 2:  # a renewal is about to begin
            await asyncio.sleep(0.01)
        await asyncio.sleep(LATENCY / 2)
        await first.elector.release()
        await asyncio.sleep(4)
        assert second.elector.leads

    scene(play)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.1, 1.5, 1.9, 2.1], ids=lambda share: f"{share} answers after its begin")
def test_who_gave_the_lease_up_leads_no_more_in_whatever_renewal_it_was(share):
    async def play(server):
        first, second = await pair(server)
        written = len(server.writes)
        while len(server.writes) == written:
            await asyncio.sleep(0.001)
        await asyncio.sleep(2 - LATENCY * (2 - share))
        await first.elector.release()
        for _ in range(40):
            assert (first.elector.leads, first.elector.covers(0), first.telemetry.gauges["leader", ()]) == (False, False, 0)
            await asyncio.sleep(0.1)
        assert (second.elector.leads, first.ended, first.regained, overlaps(first, second)) == (True, None, 0, [])

    scene(play)


def test_who_does_not_lead_gives_nothing_up():
    async def play(server):
        _, second = await pair(server)
        await second.elector.release()
        assert server.record.holder == "first"

    scene(play)


def test_of_several_standbys_one_wins():
    async def play(server):
        first, second = await pair(server)
        third = Replica(server, "third")
        third.start()
        await asyncio.sleep(5)
        first.kill()
        await asyncio.sleep(25)
        assert [one.elector.leads for one in (second, third)].count(True) == 1
        assert overlaps(first, second, third) == []

    scene(play)


def test_a_lease_that_was_deleted_is_made_anew_by_its_holder_and_by_nobody_else():
    async def play(server):
        first, second = await pair(server)
        server.record = None
        await asyncio.sleep(30)
        assert (server.record.holder, server.record.epoch) == ("first", 1)
        assert (first.ended, second.acts) == (None, [])

    scene(play)


def test_a_newcomer_that_finds_no_lease_waits_where_there_was_a_leader_before():
    async def play(server):
        first = Replica(server, "first")
        first.start()
        await asyncio.sleep(5)
        first.fault = "down"
        server.record = None
        newcomer = Replica(server, "newcomer")
        newcomer.start()
        await asyncio.sleep(30)
        assert newcomer.elector.leads
        assert overlaps(first, newcomer) == []

    scene(play)


def test_a_lease_that_was_deleted_while_its_holder_was_cut_off_is_waited_for():
    async def play(server):
        first, second = await pair(server)
        first.fault = "down"
        since = server.writes[-1][0]
        server.record = None
        await asyncio.sleep(30)
        assert second.acts[0][0] >= since + 15
        assert second.elector.epoch == 2, "the deleted one's number is remembered"
        assert overlaps(first, second) == []

    scene(play)


@pytest.mark.parametrize(("holder", "why"), [("ana", "ana holds the lease"), ("", "nobody holds the lease")], ids=["another holder", "none"])
def test_a_leader_whose_name_was_taken_off_by_hand_steps_down_at_once(holder, why):
    async def play(server):
        first, second = await pair(server)
        server.edit(holder=holder)
        edited = asyncio.get_running_loop().time()
        await asyncio.sleep(25)
        ended, said = first.ended
        assert ended - edited <= 2.2
        assert said == f"first is not the leader any more: {why}"
        assert second.acts[0][0] >= edited + 15, "whose it was may not know yet"
        assert overlaps(first, second) == []

    scene(play)


@pytest.mark.parametrize(
    ("edit", "epoch"),
    [({"epoch": 0}, 10), ({"epoch": 41}, 42), ({"epoch": HIGHEST_EPOCH}, HIGHEST_EPOCH)],
    ids=["set back", "set forward", "at its end"],
)
def test_the_next_epoch_is_greater_than_any_that_was_seen_or_stored(edit, epoch):
    async def play(server):
        server.edit(**edit)
        server.stored_epoch = 9
        only = Replica(server, "only")
        only.start()
        await asyncio.sleep(20)
        assert only.elector.epoch == epoch
        await asyncio.sleep(10)
        assert only.elector.leads

    scene(play, LeaseRecord(holder="dead", epoch=3, lease_seconds=15, renewed="", version="3"))


@pytest.mark.parametrize(("seconds", "waits"), [(1_000_000, 60), (40, 40), (1, 15), (0, 15)])
def test_a_length_that_was_written_by_hand_keeps_nobody_out_for_long(seconds, waits):
    async def play(server):
        only = Replica(server, "only")
        only.start()
        await asyncio.sleep(waits - 0.5)
        assert only.acts == []
        await asyncio.sleep(4)
        assert only.acts != []

    scene(play, LeaseRecord(holder="dead", epoch=3, lease_seconds=seconds, renewed="", version="3"))


def test_no_step_of_the_wall_clock_changes_anything():
    async def play(server):
        first, second = await pair(server)
        for step in (3600, -7200, 86_400, -86_400):
            server.wall += step
            await asyncio.sleep(30)
        assert (first.ended, first.elector.epoch, second.acts) == (None, 1, [])

    scene(play)


@pytest.mark.parametrize(("kind", "overlap"), [(Replica, False), (ByTheWall, True)], ids=["protected", "twin"])
def test_a_clock_on_the_wall_that_is_set_back_makes_no_lease_last_longer(kind, overlap):
    """Fault 20: the leader is cut off, and its machine's clock goes back by an hour. The twin reads that one."""

    async def play(server):
        first, second = await pair(server, kind)
        first.fault, first.wall = "down", -3600.0
        await asyncio.sleep(40)
        assert second.elector.leads
        assert bool(overlaps(first, second)) == overlap

    scene(play)


def test_a_machine_that_slept_does_not_act_after_its_lease_ran_out():
    async def play(server):
        first, second = await pair(server)
        first.slept += 40
        slept = asyncio.get_running_loop().time()
        await asyncio.sleep(30)
        confirmed = next(at for at, _, _ in server.writes if at > slept)
        assert [at for at, _ in first.acts if slept < at <= confirmed] == [], "not before it has confirmed the lease"
        assert (first.ended, second.acts) == (None, []), "nobody else's clock ran ahead"
        assert overlaps(first, second) == []

    scene(play)


async def frozen(server: Server, kind: type[Replica] = Replica) -> tuple[Replica, Replica]:
    """A leader that stands still for longer than its lease, and goes on."""
    first, second = await pair(server, kind)
    first.freeze()
    await asyncio.sleep(40)
    assert second.elector.leads
    first.thaw()
    await asyncio.sleep(10)
    return first, second


def test_a_frozen_leader_finds_out_at_once_when_it_goes_on():
    async def play(server):
        first, second = await frozen(server)
        assert first.ended is not None
        assert overlaps(first, second) == []

    scene(play)


def test_without_asking_the_lease_before_each_act_a_thawed_leader_acts_beside_the_new_one():
    """The twin of the test before: the check is worth something, because it fails where a process believes that it still is what it was."""

    async def play(server):
        first, second = await frozen(server, Believer)
        assert overlaps(first, second) != []

    scene(play)


def test_the_watchdog_is_told_when_the_loop_stands_still_or_does_not_let_go():
    async def play(server):
        first, _ = await pair(server)
        assert first.elector.overdue() is None
        first.freeze()
        await asyncio.sleep(9)
        assert first.elector.overdue() is None
        await asyncio.sleep(4)
        assert "nobody noticed: the process stood still" in first.elector.overdue()
        await asyncio.sleep(10)
        first.thaw()
        await asyncio.sleep(0.3)
        assert first.ended is not None
        assert first.elector.overdue() is None, "it may let go in order"
        await asyncio.sleep(3)
        assert first.elector.overdue() == "the lease was lost, and what was under way did not end within 2 s"

    scene(play)


def test_a_standby_is_never_overdue():
    async def play(server):
        _, second = await pair(server)
        second.freeze()
        await asyncio.sleep(100)
        assert second.elector.overdue() is None

    scene(play)


def test_an_election_whose_answer_was_lost_is_won_by_the_next_try():
    async def play(server):
        only = Replica(server, "only")
        only.fault = "answers are lost"
        only.start()
        await asyncio.sleep(1)
        assert (server.record.holder, only.acts) == ("only", [])
        only.fault = ""
        await asyncio.sleep(2)
        assert only.elector.epoch == server.record.epoch == 2

    scene(play)


def test_a_failure_is_said_once_and_not_with_every_try(caplog):
    async def play(server):
        first, _ = await pair(server)
        first.fault = "forbidden"
        await asyncio.sleep(8)

    scene(play)
    assert [one for one in caplog.messages if "could not be had" in one] == ["The lease could not be had: the account may not"]


MISFORTUNES = st.lists(
    st.tuples(
        st.floats(0.1, 12),
        st.integers(0, 2),
        st.sampled_from(["down", "hanging", "conflict", "answers are lost", "", "freeze", "thaw", "delete", "take", "clear", "back"]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(MISFORTUNES)
def test_whatever_happens_one_acts_at_a_time_and_in_the_end_one_does(misfortunes):
    async def play(server):
        crew = [Replica(server, f"r{number}") for number in range(3)]
        gone: list[Replica] = []
        for one in crew:
            one.start()
        for pause, number, what in misfortunes:
            await asyncio.sleep(pause)
            befalls(server, crew[number], what)
            restart_the_lost(server, crew, gone)
        for one in crew:
            one.fault = ""
            one.thaw()
        for _ in range(100):
            await asyncio.sleep(1)
            restart_the_lost(server, crew, gone)
        assert overlaps(*crew, *gone) == []
        assert [one.elector.leads for one in crew].count(True) == 1

    scene(play)


def befalls(server: Server, one: Replica, what: str) -> None:
    match what:
        case "freeze":
            one.freeze()
        case "thaw":
            one.thaw()
        case "delete":
            server.record = None
        case "take" | "clear" | "back" if server.record is not None:
            server.edit(**{"take": {"holder": "ana"}, "clear": {"holder": ""}, "back": {"epoch": 0}}[what])
        case "down" | "hanging" | "conflict" | "answers are lost" | "":
            one.fault = what


def restart_the_lost(server: Server, crew: list[Replica], gone: list[Replica]) -> None:
    """A process that ended is started anew, under another name, on the same machine."""
    for number, one in enumerate(crew):
        if one.ended is not None:
            gone.append(one)
            again = Replica(server, f"{one.name}'")
            again.fault = one.fault
            again.start()
            crew[number] = again
