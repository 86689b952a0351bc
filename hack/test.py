"""Runs the layers, or those that are named, and closes with a table: what ran, what failed, what could not run and why.

What wants processors runs beside the clusters that mostly wait, and is over before the layers that tell how late something was. Exits with 1 when a
layer failed; with CI=true also when one could not run. `test.py unit lint` runs these two.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from types import FrameType

import ask
import beside
import venue
from layers import LAYERS, Layer, Load, interrupt, timed
from outcome import Result

INTERRUPTED = 130
RESULTS = "--results="
"""Where a run that was begun by another one leaves its table for it."""


def chosen(names: list[str], *, nightly: bool = False) -> list[Layer]:
    """The layers of these names, in their order; without a name all, by day but for those that run by night."""
    unknown = set(names) - {layer.name for layer in LAYERS}
    if unknown:
        sys.exit(f"error: there is no layer {', '.join(sorted(unknown))}; there are: {', '.join(layer.name for layer in LAYERS)}")
    return [layer for layer in LAYERS if layer.name in names or (not names and (nightly or not layer.nightly))]


def summary(results: dict[str, Result]) -> list[str]:
    """The table, the reasons, and the closing line that counts all layers."""
    lines = ["", f"{'LAYER':<12} {'RAN':>6} {'PASSED':>7} {'FAILED':>7} {'SKIPPED':>8} {'SECONDS':>9}"]
    for name, result in results.items():
        lines.append(f"{name:<12} {result.ran:>6} {result.passed:>7} {result.failed:>7} {result.skipped:>8} {result.seconds:>9.1f}")
    lines += [f"{name} could not run: {result.why}" for name, result in results.items() if result.why]
    lines += [f"{name}: {note}" for name, result in results.items() for note in result.notes]
    passed, failed, skipped = (sum(getattr(result, what) for result in results.values()) for what in ("passed", "failed", "skipped"))
    return [*lines, "", f"{passed} passed, {failed} failed, {skipped} skipped"]


def verdict(results: dict[str, Result], *, strict: bool) -> int:
    """The exit code: strict (CI) takes a layer that could not run for a failure."""
    return int(any(result.failed or (strict and result.why) for result in results.values()))


def ran(layers: list[Layer], *, nightly: bool) -> Iterator[tuple[str, Result]]:
    """Each layer's result as it comes: what wants processors beside what waits, and nothing beside what tells how late something was."""
    processors = [layer.name for layer in layers if layer.load is Load.PROCESSORS]
    other = beside.Beside(processors, nightly=nightly) if processors and any(layer.load is Load.WAITS for layer in layers) else None
    with closing(other) if other is not None else nullcontext():
        pending = other
        for layer in layers:
            if other is not None and layer.name in processors:
                continue
            if pending is not None and layer.load is Load.ALONE:
                yield from pending.results().items()
                pending = None
            yield layer.name, timed(layer, nightly=nightly)
        if pending is not None:
            yield from pending.results().items()


def _end(_: int, __: FrameType | None) -> None:
    interrupt()
    raise KeyboardInterrupt


def main() -> int:
    """Run and sum up; what was started is ended also after Ctrl-C or SIGTERM."""
    arguments = sys.argv[1:]
    nightly = "--nightly" in arguments
    into = next((Path(one.removeprefix(RESULTS)) for one in arguments if one.startswith(RESULTS)), None)
    layers = chosen([one for one in arguments if one != "--nightly" and not one.startswith(RESULTS)], nightly=nightly)
    on_clusters = [layer for layer in layers if layer.name in {"cluster", "faults", "outages", "soak", "scenarios"}]
    if on_clusters and venue.wanted() == "kubeconfig" and not ask.ask("The tests install Prunella into it, and make and break workloads in it."):
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts it in the background of a script hands down that it is ignored
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    if on_clusters:
        venue.remove_leftovers()
    results: dict[str, Result] = {}
    try:
        if any(layer.load in {Load.WAITS, Load.ALONE} for layer in layers):
            venue.build_box()
        results.update(ran(layers, nightly=nightly))
    except KeyboardInterrupt:
        print("\ninterrupted; what ran until then:")
        print("\n".join(summary(results)), flush=True)
        return INTERRUPTED
    if into is not None:
        beside.write(results, into)
    else:
        print("\n".join(summary(results)), flush=True)
    return verdict(results, strict=os.environ.get("CI", "").lower() in {"true", "1"})


if __name__ == "__main__":
    sys.exit(main())
