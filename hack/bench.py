"""`make bench`: measures in a box of its own and writes docs/reference/performance.md; with ARGS="--quick idle" a little of one thing.

The rule it protects: the page is written by the run that measured, with the machine, the versions and the raw numbers of that run. A quick run or one
of few measurements writes to build/bench, for the eye alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

import venue

PAGE = venue.ROOT / "docs" / "reference" / "performance.md"
RAW = PAGE.with_suffix("")
ELSEWHERE = venue.ROOT / "build" / "bench"
MASTERS, UNHEARD = "system:masters", "box:load"
USERS = {
    "bench-naive": (MASTERS,),
    "bench-bare": (MASTERS,),
    "bench-floor": (MASTERS,),
    "bench-load": (MASTERS, UNHEARD),
    "system:serviceaccount:prunella-system:prunella": (MASTERS, UNHEARD),
}
"""Those who are measured have accounts of their own; who only makes load or fills the cluster is left out of the audit log."""


def _end(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Box up, users, measure, box down, also after Ctrl-C or SIGTERM."""
    arguments = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT too: who starts it in the background hands down that it is ignored
        signal.signal(number, _end)
    try:
        venue.require_box()
    except venue.CannotRun as error:
        sys.exit(f"error: {error}")
    page, raw = (ELSEWHERE / "performance.md", ELSEWHERE / "performance") if arguments else (PAGE, RAW)
    raw.mkdir(parents=True, exist_ok=True)
    name = f"test-{os.getpid()}-bench"
    environment = venue.bare_environment()
    try:
        subprocess.run([venue.BOX, "up", name, "--kwok", "--no-monitoring"], env=environment, check=True)
        for user, groups in USERS.items():
            subprocess.run([venue.BOX, "user", name, user, *groups], env=environment, check=True, stdout=subprocess.DEVNULL)
        words = [sys.executable, "-m", "tests.bench.run", "--out", str(raw), "--page", str(page), *arguments]
        inside = environment | {"PYTHONPATH": os.pathsep.join(str(venue.ROOT / one) for one in ("", "operator"))}
        return subprocess.run([venue.BOX, "run", name, "--", *words], env=inside, cwd=venue.ROOT, check=False).returncode
    except (subprocess.CalledProcessError, KeyboardInterrupt):
        return 1
    finally:
        subprocess.run([venue.BOX, "down", name], env=environment, check=False, start_new_session=True)


if __name__ == "__main__":
    sys.exit(main())
