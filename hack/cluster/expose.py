"""A door from the host to a box's API server: listens on the host's loopback, connects inside the box's network.

A socket belongs to the network namespace of the thread that made it. So one thread moves into the box and makes the sockets, and the rest of
the program relays bytes between them and those of the host. It dies with the box. A program of its own: `expose.py STATE`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

import enter
import keys
from layout import API_PORT, HOST, Box
from processes import EXPOSE, init_of
from progress import BoxError, last_lines
from wait import until

CHUNK = 65536
CONNECT_SECONDS = 5.0
READY_SECONDS = 5.0


def kubeconfig(box: Box) -> Path:
    """Return the file that works from the host's own shell; it is there once the door is open."""
    return box.state / "host.kubeconfig"


def open_door(box: Box) -> None:
    """Start the forwarder in the background and wait until it listens."""
    log = box.logs / "expose.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(EXPOSE), str(box.state)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )

    def listens() -> bool:
        if process.poll() is not None:
            raise BoxError(f"the forwarder died, the end of its log:\n{last_lines(log)}")
        return kubeconfig(box).exists()

    until("the forwarder listens", listens, READY_SECONDS)


def _connect_inside(pid: int, accepted: queue.Queue[socket.socket]) -> None:
    """Give every accepted connection its other half, from inside the box."""
    enter.join(pid, enter.CLONE_NEWNET)
    while True:
        outside = accepted.get()
        try:
            inside = socket.create_connection((HOST, API_PORT), timeout=CONNECT_SECONDS)
        except OSError:
            outside.close()  # the caller sees what it would see without us: nobody serves
            continue
        inside.settimeout(None)
        for source, target in ((outside, inside), (inside, outside)):
            threading.Thread(target=_relay, args=(source, target), daemon=True).start()


def _relay(source: socket.socket, target: socket.socket) -> None:
    """Copy one direction until its end, and pass the end on."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _die_with(pid: int) -> None:
    watch = os.pidfd_open(pid)
    select.select([watch], [], [])
    os._exit(0)


def main() -> int:
    """Serve until the box is gone."""
    box = Box(Path(sys.argv[1]))
    pid = init_of(box)
    if not pid:
        sys.stderr.write("the box is not up\n")
        return 1
    accepted: queue.Queue[socket.socket] = queue.Queue()
    threading.Thread(target=_die_with, args=(pid,), daemon=True).start()
    threading.Thread(target=_connect_inside, args=(pid, accepted), daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        keys.write_kubeconfig(box, "admin", kubeconfig(box), f"https://127.0.0.1:{server.getsockname()[1]}")
        while True:
            accepted.put(server.accept()[0])


if __name__ == "__main__":
    sys.exit(main())
