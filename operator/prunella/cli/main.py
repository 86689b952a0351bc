"""The commands `prunella` and `kubectl prunella`.

The rule it protects: a command costs what it needs. Its module is imported when it is called, so that `prunella --help` loads no Kubernetes client.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

from prunella import __version__

COMMANDS: Mapping[str, str] = {
    "run": "Start the operator.",
    "install": "Install Prunella in a cluster and write a kubeconfig for `prunella run`.",
    "explain": "Tell what was seen, decided, done and not done about an Incident or a workload.",
    "plan": "Show a plan that waits for approval, with its diff.",
    "approve": "Show such a plan, and permit it.",
    "deny": "Show such a plan, and end its attempt.",
    "hold": "Keep automation away from an Incident, or let it go on.",
    "retry": "Let automation try again after it gave up.",
    "undo": "End the temporary measures of an attempt now.",
    "ask": "Ask for a run of a Runbook, for a workload of your namespace.",
    "simulate": "Show what would be decided and done about recorded objects, without a cluster.",
    "lint": "Check Runbooks, policies and catalog entries before they are applied.",
    "crds": "Write the CustomResourceDefinitions from the models.",
}
"""Each command, in `prunella.cli.<name>` as `command`, with its line of help."""
PLUGIN_COMMANDS = ("explain", "plan", "approve", "deny", "hold", "retry", "undo", "ask", "simulate")


class Commands(click.Group):
    """A group whose commands are loaded when they are called."""

    def __init__(self, *args: object, offered: tuple[str, ...], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.offered = offered

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Names in the order of the table."""
        return list(self.offered)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """Load a command, or return None for an unknown one."""
        if cmd_name not in self.offered:
            return None
        command: click.Command = import_module(f"prunella.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        """Write the table without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.offered])


@click.group(cls=Commands, offered=tuple(COMMANDS), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="prunella")
def prunella() -> None:
    """Prunella heals: incidents, runbooks, rollbacks, proof and paging as Kubernetes resources."""


@click.group(cls=Commands, offered=PLUGIN_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="kubectl prunella")
def kubectl_prunella() -> None:
    """Prunella's part of kubectl."""


def main() -> None:
    """Run `prunella`."""
    prunella(prog_name="prunella")


def plugin() -> None:
    """Run `kubectl prunella`."""
    kubectl_prunella(prog_name="kubectl prunella")


if __name__ == "__main__":
    main()
