"""A status holds 100 signals; what is beyond is counted together in the last one, so that the counts still add up.

The rule this module protects: a storm of alerts costs a bounded status and loses no count. What is tracked by itself stays so; a resolved alert
makes room first.
"""

from __future__ import annotations

from typing import Final

from prunella.api.incident import Signal
from prunella.api.names import Cause, SignalState, SourceKind

from .sources import ALERT, WATCH

CAP: Final = 100
KEY: Final = f"{ALERT}others"


def room(signals: tuple[Signal, ...]) -> bool:
    """Whether one more can be tracked by itself."""
    return sum(signal.key != KEY for signal in signals) < CAP - 1


def add(signals: tuple[Signal, ...], new: Signal) -> tuple[Signal, ...]:
    """The signals with one more. Where there is no room, a resolved alert is counted among the others; else the new one is."""
    if room(signals):
        return _ordered(signals, new)
    if new.state is SignalState.RESOLVED and new.count == 0:  # a mere tombstone is not worth a place
        return signals
    over = next((signal for signal in signals if signal.state is SignalState.RESOLVED and signal.key != KEY and not _watch(signal)), None)
    if over is not None:
        kept = tuple(signal for signal in signals if signal.key != over.key)
        return _ordered(_fold(kept, over), new)
    if _watch(new):
        last = next(signal for signal in reversed(signals) if signal.key != KEY and not _watch(signal))
        return _ordered(_fold(tuple(signal for signal in signals if signal.key != last.key), last), new)
    return _fold(signals, new)


def settle(signals: tuple[Signal, ...]) -> tuple[Signal, ...]:
    """The others are over once no alert that is tracked by itself is open any more: those speak for them."""
    open_alerts = any(one.state is not SignalState.RESOLVED for one in signals if one.key.startswith(ALERT) and one.key != KEY)
    if open_alerts:
        return signals
    newest = max((one.last_resolved_end_time or one.last_seen_time for one in signals if one.key.startswith(ALERT)), default=None)
    return tuple(
        one.model_copy(update={"state": SignalState.RESOLVED, "last_resolved_end_time": newest})
        if one.key == KEY and one.state is not SignalState.RESOLVED
        else one
        for one in signals
    )


def _ordered(signals: tuple[Signal, ...], new: Signal) -> tuple[Signal, ...]:
    others = tuple(signal for signal in signals if signal.key == KEY)
    return (*(signal for signal in signals if signal.key != KEY), new, *others)


def _fold(signals: tuple[Signal, ...], one: Signal) -> tuple[Signal, ...]:
    others = next((signal for signal in signals if signal.key == KEY), None)
    if others is None:
        others = Signal(
            key=KEY,
            source=SourceKind.ALERTMANAGER,
            state=one.state,
            cause=Cause.ALERT,
            first_seen_time=one.first_seen_time,
            last_seen_time=one.last_seen_time,
            count=one.count,
            last_resolved_end_time=one.last_resolved_end_time,
            summary=f"alerts beyond {CAP - 1}, counted together",
        )
        return (*signals, others)
    state = SignalState.FIRING if SignalState.FIRING in {others.state, one.state} else others.state
    update = {"count": others.count + one.count, "last_seen_time": max(others.last_seen_time, one.last_seen_time), "state": state}
    changed = others.model_copy(update=update)
    return tuple(changed if signal.key == KEY else signal for signal in signals)


def _watch(signal: Signal) -> bool:
    return signal.key.startswith(WATCH)
