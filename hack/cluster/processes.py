"""Find the processes of a box from the host by what they were started as, never by a pid that was written down and may be someone else's by now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from layout import SOURCE, Box

INIT = SOURCE / "init.py"
EXPOSE = SOURCE / "expose.py"


def _holding(part: bytes) -> Iterator[int]:
    """Yield all processes whose command line, an argument after the other each ended by a zero, holds a part."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found = part in (entry / "cmdline").read_bytes()
            except OSError:
                continue  # gone while we looked
            if found:
                yield int(entry.name)


def mark(script: Path, box: Box) -> bytes:
    """What the command line of a box's process holds, of whichever clone: the folder of the box is what names it on this machine."""
    return f"/{script.parent.parent.name}/{script.parent.name}/{script.name}\0{box.state}\0".encode()


def _started_as(script: Path, box: Box) -> list[int]:
    return list(_holding(mark(script, box)))


def any_box() -> bool:
    """Tell whether any box is on this machine, of whichever clone and folder."""
    return any(_holding(f"/{INIT.parent.parent.name}/{INIT.parent.name}/{INIT.name}\0/".encode()))


def _is_init(pid: int) -> bool:
    """Tell the init from `unshare`, which carries its command line, by its pid inside: 1 in a namespace below ours."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"


def init_of(box: Box) -> int:
    """Return the host's pid of the box's init, or 0 if the box is not up."""
    return next((pid for pid in _started_as(INIT, box) if _is_init(pid)), 0)


def all_of(box: Box) -> list[int]:
    """Return what must be killed for the whole box to go: `unshare`, the init, and a forwarder on the host."""
    return [*_started_as(INIT, box), *_started_as(EXPOSE, box)]
