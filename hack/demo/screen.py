"""What a person sees: titles, commands with their output, and a sign of life whenever something takes longer than 3 s."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TICK_SECONDS = 3.0
PAUSE_SECONDS = 0.4
BOLD, FAINT, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class GaveUpError(Exception):
    """Something did not come in time; the message says what, and where to look."""


def say(text: str = "") -> None:
    """One line."""
    print(text, flush=True)


def title(text: str) -> None:
    """Begin an act."""
    say(f"\n{BOLD}{text}{PLAIN}")


def command(line: str) -> None:
    """Show a command as a person would type it."""
    say(f"{BOLD}$ {line}{PLAIN}")


def until(what: str, question: Callable[[], T], seconds: float, *, state: Callable[[], str] = str) -> T:
    """Ask until the answer is true; tell every few seconds that it goes on, and how it stands. Raises GaveUpError."""
    began = said = time.monotonic()
    while not (answer := question()):
        now = time.monotonic()
        if now - began > seconds:
            raise GaveUpError(f"{what} did not come within {seconds:.0f} s {state()}".strip())
        if now - said >= TICK_SECONDS:
            said = now
            say(f"{FAINT}  {now - began:5.1f} s  waiting until {what} {state()}{PLAIN}".rstrip())
        time.sleep(PAUSE_SECONDS)
    return answer
