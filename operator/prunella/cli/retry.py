"""`kubectl prunella retry`: let automation try again at an Incident after it gave up."""

from __future__ import annotations

import click

from prunella.adapters.clock import SystemClock
from prunella.api.marks import RETRY_ANNOTATION
from prunella.core import commands

from . import approving


@click.command(name="retry", short_help="Let automation try again after it gave up.")
@click.argument("what", metavar="INCIDENT")
@approving.options
def command(*, what: str, namespace: str | None, kubeconfig: str | None, context: str | None) -> None:
    """Annotate the Incident: what earlier attempts came to no longer holds automation back, and a plan that was denied may be asked for again.

    Look at the target first. Every guard is asked again. It takes the right to patch incidents in that namespace.
    """
    place = approving.Place(namespace=namespace, kubeconfig=kubeconfig, context=context)
    incident = approving.incident(what, place)
    token = str(int(SystemClock().now().timestamp()))
    approving.write(incident, {"metadata": {"annotations": {RETRY_ANNOTATION: token}}}, place, commands.retry(incident, token))
    click.echo(f"automation may try again at {incident.status.target or incident.metadata.name}; what comes of it: `{commands.explain(incident)}`")
