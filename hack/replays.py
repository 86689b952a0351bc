"""Replays of recorded Incidents: what `prunella simulate` says about each file of tests/runbooks/{replays,findings}, written beside it.

The rule it protects: what a Runbook does changes only where somebody meant it to. Run it after such a change, and read the difference.
"""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from prunella.cli.simulate import command

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "runbooks" / "replays"
FINDINGS = ROOT / "tests" / "runbooks" / "findings"


def replays() -> list[Path]:
    """The recorded files. Before the first dot of a name stands the Runbook that it is about."""
    return sorted(FOLDER.glob("*.yaml"))


def findings() -> list[Path]:
    """The recorded faults that no Runbook is for, and what is nearly one."""
    return sorted(FINDINGS.glob("*.yaml"))


def replay(recorded: Path, *more: str) -> Result:
    """One of them, simulated with the Runbooks that ship."""
    return CliRunner().invoke(command, [str(recorded), *more])


def main() -> None:
    """Write what is said now."""
    for recorded in (*replays(), *findings()):
        recorded.with_suffix(".txt").write_text(replay(recorded).output)
        print(f"wrote {recorded.with_suffix('.txt').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
