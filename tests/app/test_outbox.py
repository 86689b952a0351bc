"""The outbox: what is stored as Pending is sent, once, in order, by the next way where one fails, and its receipt survives until it is stored."""

import asyncio
from datetime import timedelta

import pytest
from tests.adapters.envelopes import envelope, incident, message
from tests.adapters.local import NOON, FixedClock, RecordedTelemetry, until
from tests.fakes.tenure import Sole

from prunella.api.healing_policy import Receiver, ReceiverMethod, SecretKeyRef
from prunella.api.names import MessageKind, MessageState
from prunella.app.errors import Permanent, Retryable
from prunella.app.outbox import Outbox
from prunella.core.world import Delivery

REF = SecretKeyRef(key="k")


def receiver(name="ops", *methods):
    return Receiver(name=name, methods=tuple(ReceiverMethod(name=method, webhook=REF) for method in methods or ("hook",)))


class Transports:
    """Plays a script per method: an error to raise, or nothing for success. Beyond the script everything is delivered."""

    def __init__(self, **script):
        self.script = {name: list(steps) for name, steps in script.items()}
        self.sent = []
        self.gates = {}
        self.at_once = self.most_at_once = 0

    async def deliver(self, method, sent):
        self.sent.append((method.name, sent.key))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if sent.key in self.gates:
                await self.gates[sent.key].wait()
            steps = self.script.get(method.name, [])
            error = steps.pop(0) if steps else None
            if error is not None:
                raise error
        finally:
            self.at_once -= 1


class Desk:
    """An outbox with its fakes."""

    def __init__(self, transports=None):
        self.transports = transports or Transports()
        self.clock, self.telemetry = FixedClock(), RecordedTelemetry()
        self.tenure = Sole()
        self.requeued, self.slept = [], []
        self.pause = None
        self.outbox = Outbox(
            deliver=self.transports,
            clock=self.clock,
            telemetry=self.telemetry,
            tenure=self.tenure,
            envelope=lambda one, told, now: envelope(key=told.key, incident=one, time=now, kind=told.kind),
            requeue=lambda namespace, name: self.requeued.append((namespace, name)),
            sleep=self.sleep,
        )

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.pass_seconds(seconds)
        if self.pause is not None:
            await self.pause.wait()
        await asyncio.sleep(0)

    async def send(self, *messages, receivers=(), uid="7d0f"):
        self.outbox.send(incident(*messages, uid=uid), receivers or (receiver(),))
        await until(self.outbox.idle)
        return self.outbox.deliveries(uid)

    def counted(self, channel="ops"):
        return {
            outcome: self.telemetry.counted("notifications_total", channel=channel, outcome=outcome) for outcome in ("Delivered", "Failed", "Retried")
        }


async def test_a_pending_message_is_delivered_and_its_receipt_put_back():
    desk = Desk()
    receipts = await desk.send(message("a"))
    assert receipts == (Delivery(key="a", delivered=True, method="hook", time=NOON),)
    assert desk.transports.sent == [("hook", "a")]
    assert desk.requeued == [("shop", "checkout-7f3kq")]
    assert desk.counted() == {"Delivered": 1, "Failed": 0, "Retried": 0}


@pytest.mark.parametrize("state", [state for state in MessageState if state is not MessageState.PENDING])
async def test_only_what_is_stored_as_pending_is_sent(state):
    desk = Desk()
    assert await desk.send(message("a", state=state)) == ()
    assert desk.transports.sent == []


@pytest.mark.parametrize("kind", list(MessageKind))
async def test_pages_notices_and_stand_downs_are_all_sent(kind):
    desk = Desk()
    await desk.send(message("a", kind=kind))
    assert desk.transports.sent == [("hook", "a")]


async def test_a_passing_fault_is_tried_again_with_the_same_key_and_growing_pauses():
    desk = Desk(Transports(hook=[Retryable("busy"), Retryable("busy", delay=9)]))
    receipts = await desk.send(message("a"))
    assert desk.transports.sent == [("hook", "a")] * 3
    assert desk.slept == [1.0, 9]
    assert receipts == (Delivery(key="a", delivered=True, method="hook", attempts=3, time=NOON + timedelta(seconds=10)),)
    assert desk.counted() == {"Delivered": 1, "Failed": 0, "Retried": 2}


async def test_nobody_waits_longer_than_a_minute_whatever_the_receiver_asks_for():
    desk = Desk(Transports(hook=[Retryable("busy", delay=300)]))
    await desk.send(message("a"))
    assert desk.slept == [60.0]


@pytest.mark.parametrize(("delay", "tries"), [(10, 3), (11, 1), (300, 1)])
async def test_a_method_that_asks_for_a_long_pause_gives_way_to_the_next_at_once(delay, tries):
    desk = Desk(Transports(first=[Retryable("PagerDuty answered 429", delay=delay)] * 3))
    receipts = await desk.send(message("a"), receivers=(receiver("ops", "first", "second"),))
    assert desk.transports.sent == [("first", "a")] * tries + [("second", "a")]
    assert desk.slept == [10, 10][: tries - 1]
    assert [(one.delivered, one.method, one.attempts) for one in receipts] == [(True, "second", tries + 1)]


async def test_after_three_tries_the_next_method_has_its_turn():
    desk = Desk(Transports(first=[Retryable("busy")] * 9))
    receipts = await desk.send(message("a"), receivers=[receiver("ops", "first", "second")])
    assert desk.transports.sent == [("first", "a")] * 3 + [("second", "a")]
    assert receipts == (Delivery(key="a", delivered=True, method="second", error="first: busy", attempts=4, time=NOON + timedelta(seconds=6)),)
    assert len(desk.requeued) == 2


async def test_a_lasting_fault_gives_the_next_method_its_turn_at_once():
    desk = Desk(Transports(first=[Permanent("refused with 400")]))
    receipts = await desk.send(message("a"), receivers=[receiver("ops", "first", "second")])
    assert desk.transports.sent == [("first", "a"), ("second", "a")]
    assert desk.slept == []
    assert receipts == (Delivery(key="a", delivered=True, method="second", error="first: refused with 400", attempts=2, time=NOON),)


async def test_c34_where_every_method_fails_the_receipt_says_each_reason():
    desk = Desk(Transports(first=[Permanent("refused with 400")], second=[Retryable("answered 503")] * 3))
    receipts = await desk.send(message("a"), receivers=[receiver("ops", "first", "second")])
    error = "first: refused with 400; second: answered 503"
    assert receipts == (Delivery(key="a", delivered=False, method="second", error=error, attempts=4, time=NOON + timedelta(seconds=6)),)
    assert desk.counted() == {"Delivered": 0, "Failed": 1, "Retried": 2}


async def test_a_failed_method_is_told_while_the_next_is_under_way():
    desk = Desk(Transports(first=[Permanent("refused with 400")]))
    desk.transports.script["second"] = [Retryable("answered 503")]
    desk.pause = asyncio.Event()
    desk.outbox.send(incident(message("a")), [receiver("ops", "first", "second")])
    await until(lambda: bool(desk.slept))
    error = "first: refused with 400"
    assert desk.outbox.deliveries("7d0f") == (Delivery(key="a", delivered=False, method="first", error=error, final=False, time=NOON),)
    desk.outbox.send(incident(message("a", attempts=1, error=error)), [receiver("ops", "first", "second")])
    assert desk.outbox.deliveries("7d0f") == ()
    desk.pause.set()
    await until(desk.outbox.idle)
    assert desk.outbox.deliveries("7d0f")[0].delivered


async def test_a_receiver_that_the_policy_does_not_name_is_a_failure_with_the_remedy():
    desk = Desk()
    receipts = await desk.send(message("a", receiver="nobody"))
    error = "HealingPolicy `default` names no receiver 'nobody'; add it to spec.receivers"
    assert receipts == (Delivery(key="a", delivered=False, error=error, time=NOON),)
    assert desk.transports.sent == []
    assert desk.counted("nobody")["Failed"] == 1


async def test_while_the_receivers_are_not_known_everything_stays_pending():
    desk = Desk()
    desk.outbox.send(incident(message("a")), None)
    assert desk.outbox.idle()
    assert await desk.send(message("a")) == (Delivery(key="a", delivered=True, method="hook", time=NOON),)


async def test_the_same_message_is_never_under_way_twice():
    desk = Desk()
    desk.transports.gates["a"] = asyncio.Event()
    for _ in range(5):
        desk.outbox.send(incident(message("a")), [receiver()])
    await until(lambda: bool(desk.transports.sent))
    desk.outbox.send(incident(message("a")), [receiver()])
    desk.transports.gates["a"].set()
    await until(desk.outbox.idle)
    assert desk.transports.sent == [("hook", "a")]


async def test_a_receipt_that_was_not_stored_is_kept_and_nothing_is_sent_again():
    desk = Desk()
    first = await desk.send(message("a"))
    again = await desk.send(message("a"))
    assert first == again
    assert desk.transports.sent == [("hook", "a")]


@pytest.mark.parametrize("state", [MessageState.SENT, MessageState.DELIVERED, MessageState.FAILED])
async def test_a_receipt_that_was_stored_is_dropped_and_a_stale_copy_sends_nothing_again(state):
    desk = Desk()
    await desk.send(message("a"))
    assert await desk.send(message("a", state=state)) == ()
    assert await desk.send(message("a")) == ()
    assert desk.transports.sent == [("hook", "a")]


async def test_c29_a_new_process_sends_a_stored_pending_message_once_more_under_the_same_key():
    before, after = Desk(), Desk()
    await before.send(message("a"))
    await after.send(message("a"))
    assert before.transports.sent == after.transports.sent == [("hook", "a")]


async def test_a_stand_down_never_overtakes_its_page():
    desk = Desk(Transports(hook=[Retryable("busy"), Retryable("busy")]))
    await desk.send(message("page"), message("stand-down", kind=MessageKind.STAND_DOWN))
    assert [key for _, key in desk.transports.sent] == ["page", "page", "page", "stand-down"]


async def test_receivers_do_not_wait_for_each_other():
    desk = Desk()
    desk.transports.gates["a"] = asyncio.Event()
    desk.outbox.send(incident(message("a"), message("b", receiver="dev")), [receiver(), receiver("dev")])
    await until(lambda: [one.key for one in desk.outbox.deliveries("7d0f")] == ["b"])
    desk.transports.gates["a"].set()
    await until(desk.outbox.idle)
    assert len(desk.outbox.deliveries("7d0f")) == 2


async def test_a_page_that_nobody_wants_any_more_is_not_tried_again():
    desk = Desk(Transports(hook=[Retryable("busy")] * 9))
    desk.pause = asyncio.Event()
    desk.outbox.send(incident(message("a")), [receiver("ops", "hook", "second")])
    await until(lambda: bool(desk.slept))
    desk.outbox.send(incident(message("a", state=MessageState.FAILED)), [receiver()])
    desk.pause.set()
    await until(desk.outbox.idle)
    assert desk.transports.sent == [("hook", "a")]
    assert desk.outbox.deliveries("7d0f") == ()


async def test_a_page_that_arrives_after_it_was_withdrawn_is_told_until_it_is_on_record():
    desk = Desk()
    desk.transports.gates["a"] = asyncio.Event()
    desk.outbox.send(incident(message("a")), [receiver()])
    await until(lambda: bool(desk.transports.sent))
    desk.outbox.send(incident(), [receiver()])
    desk.transports.gates["a"].set()
    await until(desk.outbox.idle)
    assert await desk.send() == (Delivery(key="a", delivered=True, method="hook", time=NOON),)
    assert await desk.send(message("a", state=MessageState.DELIVERED)) == ()


async def test_a_page_that_fails_after_it_was_withdrawn_is_forgotten():
    desk = Desk(Transports(hook=[Permanent("refused")]))
    desk.transports.gates["a"] = asyncio.Event()
    desk.outbox.send(incident(message("a")), [receiver()])
    await until(lambda: bool(desk.transports.sent))
    desk.transports.gates["a"].set()
    await until(desk.outbox.idle)
    assert await desk.send() == ()


async def test_a_fault_of_the_program_fails_the_message_instead_of_losing_it(caplog):
    desk = Desk(Transports(hook=[ZeroDivisionError("secret details")]))
    receipts = await desk.send(message("a"))
    assert receipts == (Delivery(key="a", delivered=False, error="internal error (ZeroDivisionError); see the log", time=NOON),)
    assert "A message could not be sent" in caplog.text
    assert desk.requeued == [("shop", "checkout-7f3kq")]


async def test_only_so_many_are_under_way_at_once():
    desk = Desk()
    gate = asyncio.Event()
    keys = [f"m{number}" for number in range(50)]
    desk.transports.gates = dict.fromkeys(keys, gate)
    for uid in ("one", "two"):
        told = (message(key, receiver=f"r{uid}{key}") for key in keys)
        desk.outbox.send(incident(*told, uid=uid), [receiver(f"r{uid}{key}") for key in keys])
    await until(lambda: desk.transports.at_once == 64)
    gate.set()
    await until(desk.outbox.idle)
    assert desk.transports.most_at_once == 64
    assert len(desk.outbox.deliveries("one")) + len(desk.outbox.deliveries("two")) == 100


async def test_a_receiver_that_hangs_in_a_storm_keeps_no_place_from_the_others():
    desk = Desk()
    gate = asyncio.Event()
    storm = [f"incident-{number}" for number in range(200)]
    desk.transports.gates = dict.fromkeys((f"hung-{uid}" for uid in storm), gate)
    both = [receiver("hung"), receiver("well", "other")]
    for uid in storm:
        desk.outbox.send(incident(message(f"hung-{uid}", receiver="hung"), message(f"well-{uid}", receiver="well"), uid=uid), both)
    await until(lambda: all(("other", f"well-{uid}") in desk.transports.sent for uid in storm))
    assert desk.transports.at_once == 4, "only those that hang"
    gate.set()
    await until(desk.outbox.idle)
    assert len(desk.transports.sent) == 2 * len(storm)


async def test_incidents_are_told_apart():
    desk = Desk()
    await desk.send(message("a"), uid="one")
    await desk.send(message("a"), uid="two")
    assert len(desk.transports.sent) == 2
    assert len(desk.outbox.deliveries("one")) == len(desk.outbox.deliveries("two")) == 1
    desk.outbox.forget("one")
    assert desk.outbox.deliveries("one") == ()
    assert len(desk.outbox.deliveries("two")) == 1


async def test_closing_stops_what_is_under_way_without_a_receipt():
    desk = Desk()
    desk.transports.gates["a"] = asyncio.Event()
    desk.outbox.send(incident(message("a")), [receiver()])
    await until(lambda: bool(desk.transports.sent))
    await desk.outbox.close()
    assert desk.outbox.idle()
    assert desk.outbox.deliveries("7d0f") == ()
    assert desk.requeued == []


async def test_nothing_is_sent_while_it_is_not_sure_who_leads_and_everything_once_it_is():
    desk = Desk()
    desk.tenure.leads = False
    desk.pause = asyncio.Event()
    desk.outbox.send(incident(message()), (receiver(),))
    await until(lambda: desk.slept == [1.0])
    assert desk.transports.sent == []
    desk.tenure.leads = True
    desk.pause.set()
    await until(desk.outbox.idle)
    assert len(desk.transports.sent) == 1
