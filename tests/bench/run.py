"""The benchmarks, inside a box with KWOK: `make bench` makes the box, its users, and calls this. Names of measurements run those alone.

The rule this module protects: a measurement that fails says so and the others go on; nothing that was measured is left out of the table.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.bench import page
from tests.bench.alerts import Alerts
from tests.bench.effect import Effect
from tests.bench.many import Many
from tests.bench.results import Results
from tests.bench.scale import FULL, QUICK
from tests.bench.standing import Standing
from tests.bench.storm import Storm
from tests.bench.subjects import Cast
from tests.harness.installation import Installation

Measurement = Callable[[], None]


def measurements(cast: Cast, results: Results) -> dict[str, Measurement]:
    """By name, in the order in which they run: what one leaves behind the next one uses."""
    effect = Effect(cast, results)
    return {
        "idle": effect.idle,
        "alerts": Alerts(cast, results).run,
        "storm": Storm(cast, results).run,
        "many": Many(cast, results).run,
        "loaded": effect.loaded,
        "standing": Standing(cast, results).run,
    }


def main() -> int:
    """Run what was asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="names of measurements; none means all")
    parser.add_argument("--out", type=Path, required=True, help="folder of the raw numbers")
    parser.add_argument("--page", type=Path, required=True, help="the page to write")
    parser.add_argument("--quick", action="store_true", help="little of everything: to see that the benchmark works")
    arguments = parser.parse_args()
    results = Results(arguments.out)
    cast = Cast(Installation(Path(os.environ["BOX_DIR"])), QUICK if arguments.quick else FULL)
    began = time.monotonic()
    failed = []
    try:
        cast.install()
        known = measurements(cast, results)
        unknown = set(arguments.what) - set(known)
        if unknown:
            parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        for name, measure in known.items():
            if not arguments.what or name in arguments.what:
                print(f"── {name} ({time.monotonic() - began:.0f} s)", flush=True)
                try:
                    measure()
                except (AssertionError, OSError, RuntimeError, StopIteration) as error:
                    traceback.print_exc()
                    failed.append(name)
                    results.note(
                        f"`{name}` could not be measured to its end: {str(error).splitlines()[0][:300] if str(error) else type(error).__name__}."
                    )
    finally:
        cast.leave()
    arguments.page.write_text(page.render(results, seconds=time.monotonic() - began))
    print(f"wrote {arguments.page}", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
