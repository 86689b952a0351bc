"""`kubectl prunella deny`: show the plan, and say no: the attempt ends."""

from __future__ import annotations

import click

from prunella.api.names import ApprovalVerdict

from . import approving


@click.command(name="deny", short_help="Show a plan, and end its attempt.")
@click.argument("what", metavar="INCIDENT | REMEDIATION")
@click.option("--comment", metavar="TEXT", help="Why, for whoever reads it later.")
@click.option("-y", "--yes", is_flag=True, help="Deny the plan that is shown, without a question.")
@approving.options
def command(*, what: str, comment: str | None, yes: bool, namespace: str | None, kubeconfig: str | None, context: str | None) -> None:
    """Show the plan with its diff, then append your denial: one is enough, and the same plan is not proposed again until a person says retry.

    It takes the verb `approve` on remediations in that namespace.
    """
    place = approving.Place(namespace=namespace, kubeconfig=kubeconfig, context=context)
    attempt = approving.show(what, place)
    approving.say(attempt, ApprovalVerdict.DENIED, place, plan_hash=None, comment=comment, yes=yes)
