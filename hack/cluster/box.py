"""The command line of the cluster in a box: a real Kubernetes with real nodes, up within seconds, gone without a trace.

    box build                          build and install what is needed, once
    box up demo                        start a box; --kwok adds fake nodes, --expose a way in from the host
    box run demo -- kubectl get nodes  run anything inside: its network, its KUBECONFIG
    box down demo                      end it

Commands that break things (stop, freeze, link, registry …) work from the host and from inside alike.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import build
import components
import enter
import expose
import keys
import launch
import network
import node
import readiness
import registry as registry_server
import teardown
from layout import NODES, SOURCE, Box, root
from processes import all_of, init_of
from progress import BoxError, say
from wait import until

Arguments = argparse.Namespace
INTERRUPTED = 130
READY_SECONDS = 30.0
COMPONENT_ACTIONS = {
    "stop": "kill a component",
    "start": "start a component that was stopped and wait until it is ready",
    "restart": "kill a component, start it again and wait until it is ready",
    "freeze": "stop a component without ending it (SIGSTOP)",
    "thaw": "let a frozen component go on (SIGCONT)",
}


def build_command(_: Arguments) -> None:
    """Make sure that everything is there."""
    say(f"ready: {build.ensure().folder}")


def up(arguments: Arguments) -> None:
    """Start a box and say how to use it."""
    box = Box.named(arguments.name)
    programs = build.ensure()
    began = time.monotonic()
    say(f"starting box '{box.name}'")
    launch.up(box, programs, [f"--{option}" for option in ("no-monitoring", "kwok") if getattr(arguments, option.replace("-", "_"))])
    if arguments.expose:
        try:
            expose.open_door(box)
        except BaseException:
            teardown.down(box)
            raise
    say(f"box '{box.name}' is up after {time.monotonic() - began:.1f} s: {box.state}")
    say(f"  inside     {_command()} run {box.name} -- kubectl get nodes")
    if arguments.expose:
        say(f"  from here  export KUBECONFIG={expose.kubeconfig(box)}")
    say(f"  users      {', '.join(keys.PEOPLE)}: {box.state / 'users'}")
    say(f"  audit log  {box.state / 'audit.log'}; logs of the components: {box.logs}")


def _command() -> str:
    """Return how this program can be called from here."""
    relative = os.path.relpath(SOURCE / "box")
    return relative if "/" in relative else f"./{relative}"


def down(arguments: Arguments) -> None:
    """End one box or all."""
    if arguments.all:
        boxes = [Box(folder) for folder in sorted(root().iterdir())] if root().exists() else []
    elif arguments.name:
        boxes = [Box.named(arguments.name)]
    else:
        raise BoxError("which one? `box down NAME`, or `box down --all`")
    for box in boxes:
        began = time.monotonic()
        if not box.state.exists() and not all_of(box):
            say(f"there is no box '{box.name}'")
            continue
        teardown.down(box)
        say(f"box '{box.name}' is down and gone after {time.monotonic() - began:.1f} s")


def run(arguments: Arguments) -> None:
    """Run a command inside and exit as it does."""
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise BoxError("no command was given: `box run NAME -- COMMAND …`")
    enter.run(Box.named(arguments.name), command)


def list_command(_: Arguments) -> None:
    """Show every box, also one that has died and left its folder."""
    folders = sorted(root().iterdir()) if root().exists() else []
    say(f"{'NAME':20} {'PID':>8}  UP SINCE")
    for box in map(Box, folders):
        since = "not up"
        if box.ready.exists() and init_of(box):
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(box.ready.read_text())))
        elif all_of(box):
            since = "starting"
        say(f"{box.name:20} {init_of(box) or '-':>8}  {since}")


def inside(arguments: Arguments) -> Box:
    """Return the box once this process is inside of it: from the host the same command starts anew in there."""
    box = Box.named(arguments.name)
    if not enter.is_inside(box):
        enter.run(box, [sys.executable, *sys.argv])
    return box


def component(arguments: Arguments) -> None:
    """Do to a component what the command's name says."""
    box, name = inside(arguments), arguments.component
    if arguments.action in {"stop", "restart"}:
        components.stop(box, name)
    if arguments.action in {"start", "restart"}:
        components.start(box, name)
        _wait_ready(box, name)
    if arguments.action == "freeze":
        components.send(box, name, signal.SIGSTOP)
    if arguments.action == "thaw":
        components.send(box, name, signal.SIGCONT)
    say(f"{name}: {arguments.action}, done")


def _wait_ready(box: Box, name: str) -> None:
    probe = readiness.probes(box).get(name, lambda: True)

    def lives_and_is_ready() -> bool:
        components.ensure_alive(box, name)
        return probe()

    until(f"{name} is ready", lives_and_is_ready, READY_SECONDS)


def status(arguments: Arguments) -> None:
    """Show what runs; pids are those inside the box."""
    box = inside(arguments)
    for name in components.known(box):
        say(f"{name:22} {components.pid(box, name):>6}  {'running' if components.alive(box, name) else 'not running'}")


def registry(arguments: Arguments) -> None:
    """Stop or start the registry: stopped, it refuses connections."""
    arguments.component = registry_server.NAME
    component(arguments)


def link(arguments: Arguments) -> None:
    """Part a node from the rest, or join it again; its pods run on."""
    inside(arguments)
    chosen = next((one for one in NODES if one.name == arguments.node), None)
    if not chosen:
        raise BoxError(f"there is no node '{arguments.node}'; there are: {', '.join(one.name for one in NODES)}")
    network.set_link(chosen, arguments.action)
    say(f"the cable of {chosen.name} is {arguments.action}")


def user(arguments: Arguments) -> None:
    """Make a user; what the user may do is for RBAC to say."""
    box = Box.named(arguments.name)
    enter.require_up(box)
    say(str(keys.make_user(box, arguments.user, arguments.groups)))


def load(arguments: Arguments) -> None:
    """Give every node an image that no registry has."""
    archive = arguments.archive.resolve()
    if not archive.is_file():
        raise BoxError(f"there is no file {archive}")
    inside(arguments)
    node.load(archive)
    say(f"{archive.name} is on every node")


class Commands:
    """The commands and their arguments; each names the function that does it."""

    def __init__(self) -> None:
        self.parser = argparse.ArgumentParser(prog="box", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        self._commands = self.parser.add_subparsers(required=True, metavar="COMMAND")
        self._add_lifecycle()
        self._add_use()
        self._add_faults()

    def _add(self, name: str, function: Callable[[Arguments], None], text: str) -> argparse.ArgumentParser:
        command = self._commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function, action=name)
        return command

    def _add_named(self, name: str, function: Callable[[Arguments], None], text: str) -> argparse.ArgumentParser:
        command = self._add(name, function, text)
        command.add_argument("name", metavar="NAME")
        return command

    def _add_lifecycle(self) -> None:
        self._add("build", build_command, "get and build what is needed, where missing")
        upward = self._add_named("up", up, "start a box and wait until everything answers")
        upward.add_argument("--no-monitoring", action="store_true", help="without Prometheus and Alertmanager")
        upward.add_argument("--kwok", action="store_true", help="with two fake nodes for thousands of pods")
        upward.add_argument("--expose", action="store_true", help="make the API server reachable from the host's shell")
        downward = self._add("down", down, "end a box and remove all of it")
        downward.add_argument("name", nargs="?", metavar="NAME")
        downward.add_argument("--all", action="store_true", help="every box of this machine")
        self._add("list", list_command, "show the boxes of this machine")

    def _add_use(self) -> None:
        self._add_named("run", run, "run a command inside a box").add_argument("command", nargs=argparse.REMAINDER)
        self._add_named("status", status, "show the components of a box")
        self._add_named("load", load, "import an OCI archive on every node").add_argument("archive", type=Path, metavar="FILE.tar")
        personal = self._add_named("user", user, "make a user with a certificate and print the path of the kubeconfig")
        personal.add_argument("user", metavar="USER")
        personal.add_argument("groups", nargs="*", metavar="GROUP")

    def _add_faults(self) -> None:
        for action, text in COMPONENT_ACTIONS.items():
            self._add_named(action, component, text).add_argument("component", metavar="COMPONENT")
        self._add_named("registry", registry, "stop or start the image registry").add_argument("action", choices=("stop", "start"))
        cable = self._add_named("link", link, "pull a node's network cable, or plug it in again")
        cable.add_argument("node", metavar="NODE")
        cable.add_argument("action", choices=("down", "up"))


def main() -> int:
    """Run one command; what a person must know is one sentence on stderr and exit code 1."""
    arguments = Commands().parser.parse_args()
    if os.geteuid():
        sys.stderr.write("error: a box needs root (namespaces, mounts, cgroups)\n")
        return 1
    try:
        arguments.function(arguments)
    except BoxError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
