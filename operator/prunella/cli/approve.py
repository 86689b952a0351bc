"""`kubectl prunella approve`: show the plan, and say yes to exactly that one."""

from __future__ import annotations

import click

from prunella.api.names import ApprovalVerdict

from . import approving


@click.command(name="approve", short_help="Show a plan, and permit it.")
@click.argument("what", metavar="INCIDENT | REMEDIATION")
@click.option("--plan-hash", metavar="HASH", help="Permit this plan only, without a question: nothing is said where it is another one by now.")
@click.option("--comment", metavar="TEXT", help="Why, for whoever reads it later.")
@click.option("-y", "--yes", is_flag=True, help="Permit the plan that is shown, without a question.")
@approving.options
def command(
    *, what: str, plan_hash: str | None, comment: str | None, yes: bool, namespace: str | None, kubeconfig: str | None, context: str | None
) -> None:
    """Show the plan with its diff, then append your approval to the Remediation.

    It takes the verb `approve` on remediations in that namespace. Whoever asked for the attempt can't approve it. It acts once as many people agreed
    as its Runbook asks for, and every guard is asked again before.
    """
    place = approving.Place(namespace=namespace, kubeconfig=kubeconfig, context=context)
    attempt = approving.show(what, place)
    approving.say(attempt, ApprovalVerdict.APPROVED, place, plan_hash=plan_hash, comment=comment, yes=yes)
