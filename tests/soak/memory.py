"""What the operator's process holds in memory, by the kernel's word, and how fast that grows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 1024 * 1024
HOUR = 3600.0
FEWEST = 3
"""Samples of which the scatter about a line can be told."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` is seconds since the soak began."""

    at: float
    pid: int
    mib: float


@dataclass(frozen=True, slots=True)
class Slope:
    """MiB an hour."""

    rate: float
    error: float
    """Standard error of the rate, as if every sample were independent of the one before: the true one is greater."""


def slope(samples: Sequence[Sample]) -> Slope:
    """The line of least squares through the samples. Raises ValueError where there are too few of them."""
    if len(samples) < FEWEST:
        raise ValueError(f"{len(samples)} samples make no slope: {FEWEST} are needed")
    times, values = [one.at / HOUR for one in samples], [one.mib for one in samples]
    mean_time, mean_value = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - mean_time) ** 2 for at in times)
    rate = sum((at - mean_time) * (value - mean_value) for at, value in zip(times, values, strict=True)) / spread
    scatter = sum((value - mean_value - rate * (at - mean_time)) ** 2 for at, value in zip(times, values, strict=True))
    return Slope(rate, sqrt(scatter / (len(times) - 2) / spread))


def settled(samples: Sequence[Sample], warm_up: float) -> list[Sample]:
    """What counts: after the warm-up, and of the process that ran last."""
    last = samples[-1].pid if samples else 0
    return [one for one in samples if one.at >= warm_up and one.pid == last]


def resident_mib(pid: int) -> float:
    """What a process holds now. Raises OSError where it has ended."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / MIB


def sampled(pid: Callable[[], int], every: float, ended: threading.Event) -> list[Sample]:
    """A sample every so many seconds until it is ended; a process that is just being replaced gives none."""
    began = time.monotonic()
    found: list[Sample] = []
    while not ended.wait(every):
        now = pid()
        try:
            found.append(Sample(time.monotonic() - began, now, resident_mib(now)))
        except (OSError, IndexError):
            continue
    return found
