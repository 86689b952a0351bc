"""`kubectl prunella ask`: ask for a run of a Runbook in your own name, by a Remediation; and the plain kubectl that it equals."""

from __future__ import annotations

from typing import Any, Final

import click

from prunella.api.base import API_VERSION
from prunella.api.marks import OPERATOR_NAMESPACE
from prunella.core.healing.guards.self_service import KINDS

from . import approving

SHORT: Final = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet"}


@click.command(name="ask", short_help="Ask for a run of a Runbook, for a workload of your namespace.")
@click.argument("runbook", metavar="[NAMESPACE/]RUNBOOK")
@click.argument("target", metavar="KIND/NAME")
@click.option("-p", "--parameter", "parameters", metavar="NAME=VALUE", multiple=True, help="What you choose; repeatable.")
@approving.options
def command(*, runbook: str, target: str, parameters: tuple[str, ...], namespace: str | None, kubeconfig: str | None, context: str | None) -> None:
    """Create a Remediation for that Runbook and that target.

    It is judged, planned and dry run before anything is done, and asks for approval where the mode does. It takes the right to create remediations in
    the namespace, and the verb `run` on the Runbook. Without a namespace the Runbook is the operator's.
    """
    place = approving.Place(namespace=namespace, kubeconfig=kubeconfig, context=context)
    spec = {"runbookRef": _runbook(runbook), "targetRef": _target(target), "parameters": dict(_parameter(one) for one in parameters)}
    name = approving.create(place, lambda you: _body(you, spec))
    click.echo(f"\n$ {place.line(f'kubectl get remediation {name} -o wide --watch')}")


def _body(you: str, spec: dict[str, Any]) -> dict[str, Any]:
    # The API server may draw digits alone, and a name that ends in '-' and a number is an attempt's.
    head = {"apiVersion": API_VERSION, "kind": "Remediation", "metadata": {"generateName": f"{spec['runbookRef']['name'][:200]}-r"}}
    return head | {"spec": {"requestedBy": you} | {key: value for key, value in spec.items() if value}}


def _runbook(text: str) -> dict[str, str]:
    namespace, _, name = text.rpartition("/")
    return {"namespace": namespace or OPERATOR_NAMESPACE, "name": name}


def _target(text: str) -> dict[str, str]:
    short, _, name = text.partition("/")
    known = {kind.lower(): kind for kind in KINDS} | SHORT
    kind = known.get(short.lower())
    if kind is None or not name:
        raise click.UsageError(f"'{text}' is no target: write it as deploy/<name>, sts/<name> or ds/<name>")
    return {"apiVersion": KINDS[kind], "kind": kind, "name": name}


def _parameter(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given or not name:
        raise click.UsageError(f"'{text}' is no parameter: write it as name=value")
    return name, value
