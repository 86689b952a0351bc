"""`make demo`: a real cluster, a bad rollout before your eyes that heals by itself, and a fault that automation leaves to people.

With --down it only ends the cluster that an earlier demo left.
"""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

import acts
import stage as stages
from screen import GaveUpError, say, title

import ask
import venue

INTERRUPTED = 130


def main() -> int:
    """Play; leave the cluster to a person at a terminal, and take it down where there is none."""
    kind = venue.wanted()
    if "--down" in sys.argv[1:]:
        stages.down(kind)
        return 0
    # SIGINT too: who starts it in the background of a script hands down that it is ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if kind == "kubeconfig" and not ask.ask("The demo installs Prunella into it and makes the namespaces shop and pay."):
        return 1
    try:
        code = _play(kind)
        left = not code and sys.stdin.isatty()
    except (venue.CannotRun, GaveUpError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted")
        code, left = INTERRUPTED, False
    if not left:
        stages.down(kind)
    return code


def _play(kind: str) -> int:
    began = time.monotonic()
    title("A cluster")
    stage = stages.box() if kind == "box" else stages.elsewhere(kind)
    left = False
    try:
        acts.install(stage)
        acts.shop(stage)
        acts.heals(stage)
        acts.leaves_alone(stage)
        say(f"\nthat took {time.monotonic() - began:.0f} s")
        acts.yours(stage, left=sys.stdin.isatty())
        left = kind == "box" and sys.stdin.isatty()
    except GaveUpError as error:
        say(f"\nerror: {error}")
        return 1
    finally:
        if not left:
            stage.end_programs()
    return 0


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
