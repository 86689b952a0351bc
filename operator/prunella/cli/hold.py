"""`kubectl prunella hold`: keep automation away from the target of an Incident, and let it go on."""

from __future__ import annotations

from datetime import timedelta

import click

from prunella.adapters.clock import SystemClock
from prunella.api.base import micro_time
from prunella.core import commands

from . import approving


@click.command(name="hold", short_help="Keep automation away from an Incident, or let it go on.")
@click.argument("what", metavar="INCIDENT")
@click.option("--reason", metavar="TEXT", help="Why automation must keep away, for whoever wonders.")
@click.option("--seconds", type=click.IntRange(1, 2_592_000), metavar="N", help="For so long.  [default: until it is released]")
@click.option("--release", is_flag=True, help="Let automation go on.")
@approving.options
def command(
    *, what: str, reason: str | None, seconds: int | None, release: bool, namespace: str | None, kubeconfig: str | None, context: str | None
) -> None:
    """Set `spec.hold` of the Incident in your own name: nothing new is begun, and paging goes on. What takes a change back is not held up.

    It takes the right to patch incidents in that namespace.
    """
    if release == (reason is not None or seconds is not None):
        raise click.UsageError("say why with --reason TEXT, or let automation go on with --release")
    if not release and reason is None:
        raise click.UsageError("say why automation must keep away: --reason TEXT")
    place = approving.Place(namespace=namespace, kubeconfig=kubeconfig, context=context)
    incident = approving.incident(what, place)
    if release:
        approving.write(incident, {"spec": {"hold": None}}, place, commands.let_go(incident))
        click.echo(f"automation goes on at {incident.status.target or incident.metadata.name}")
        return
    you, _ = approving.run(approving.within(place, lambda api, _: approving.who(api)))
    until = micro_time(SystemClock().now() + timedelta(seconds=seconds)) if seconds else None
    said = commands.holding(by=you, reason=reason or "", until=until)
    approving.write(incident, {"spec": said}, place, commands.hold(incident, by=you, reason=reason or "", until=until))
    click.echo(f"{you} keeps automation away from {incident.status.target or incident.metadata.name} until {until or 'it is released'}")
