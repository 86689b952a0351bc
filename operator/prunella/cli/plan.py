"""`kubectl prunella plan`: the plan that waits for a person, with its diff, its hash, and the commands that answer it."""

from __future__ import annotations

import click

from prunella.api.names import ApprovalVerdict
from prunella.core import asked, commands

from . import approving


@click.command(name="plan", short_help="Show a plan that waits for approval, with its diff.")
@click.argument("what", metavar="INCIDENT | REMEDIATION")
@approving.options
def command(*, what: str, namespace: str | None, kubeconfig: str | None, context: str | None) -> None:
    """Show what would be done, the diff that the API server's dry run saw, what the guards said and who agreed; and the kubectl lines that answer."""
    place = approving.Place(namespace=namespace, kubeconfig=kubeconfig, context=context)
    attempt = approving.show(what, place)
    if asked.waiting((attempt,)) is not None:
        click.echo("\nTo approve it, or to deny it:")
        click.echo("$ " + place.line(commands.say(attempt, ApprovalVerdict.APPROVED)))
        click.echo("$ " + place.line(commands.say(attempt, ApprovalVerdict.DENIED, comment="<why>")))
