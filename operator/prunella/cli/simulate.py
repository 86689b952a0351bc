"""`prunella simulate`: what Prunella would decide and do about recorded objects. No cluster is read, and none is written to.

The rule it protects: what is shown is what the operator's own functions answer; the command only feeds them from files.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import click

from prunella.api.names import Mode
from prunella.api.runbook import Runbook
from prunella.app.errors import PrunellaError

from . import shipped, simulated_told
from .documents import Trouble
from .recorded import FIRST_YEAR, LAST_YEAR, Recorded, objects_in, recorded
from .simulated_case import Case
from .simulated_things import KINDS
from .simulation import Simulation

NOTHING: Final = 3
UNREADABLE: Final = 2
RECORD: Final = (
    "kubectl get deploy,sts,ds,rs,controllerrevisions,pods,incidents,remediations,workloadrecords,catalogentries,escalationpolicies -n NAME -o yaml"
)


def _instant(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise click.BadParameter(f"'{value}' is no instant with a time zone; give it as 2026-11-24T10:02:24Z", ctx, parameter)
    return instant.astimezone(UTC)


@click.command(name="simulate", short_help="Show what would be decided and done about recorded objects.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--runbooks",
    multiple=True,
    metavar="FILE|FOLDER",
    type=click.Path(exists=True, path_type=Path),
    help="Runbooks to judge by, instead of those that ship; give it once for each.",
)
@click.option("--at", callback=_instant, metavar="INSTANT", help="When it is decided.  [default: the newest instant in the files, plus the dwell]")
@click.option("--mode", type=click.Choice([str(one) for one in Mode]), help="As if Runbook, namespace and HealingPolicy had this mode.")
@click.option("-o", "--output", type=click.Choice(["text", "yaml"]), default="text", show_default=True, help="For people or for programs.")
def command(*, files: tuple[Path, ...], runbooks: tuple[Path, ...], at: datetime | None, mode: str | None, output: str) -> None:
    """Show what Prunella would see, decide and do about the objects of files, with the very requests. No cluster is read or written to.

    The files hold objects as kubectl prints them: `kubectl get deploy,sts,ds,rs,controllerrevisions,pods -n NAME -o yaml`, and whatever else there is
    of Namespace, HealingPolicy, EscalationPolicy, CatalogEntry, WorkloadRecord, Incident, Remediation, HorizontalPodAutoscaler, PrometheusRule, Node,
    Job, CronJob, PersistentVolumeClaim, StorageClass, Certificate, and bodies of Alertmanager's webhook. What is missing is supposed as a fresh
    install has it in a namespace that opted in, and is said.

    Exits with 0 where something would be done or suggested, 3 where nothing would, 2 where the files can't be read.
    """
    held, count = _held(files)
    wanted = _runbooks(held, runbooks)
    kinds = ("Deployment", "StatefulSet", "DaemonSet", *KINDS)
    if not any(held.of.get(kind) for kind in kinds) and not held.bodies:
        _stop(f"there is no {', '.join(kinds)} or alert in the files: record them with `{RECORD}`")
    newest = held.newest or at
    if newest is None:
        _stop("nothing in the files says when it was: give --at")
    if at is not None and at < newest:
        _stop(f"--at {at:%Y-%m-%dT%H:%M:%SZ} is before the newest instant in the files, {newest:%Y-%m-%dT%H:%M:%SZ}: nobody knew them then")
    simulation = Simulation(held, wanted, newest=newest, at=at, mode=Mode(mode) if mode is not None else None)
    try:
        cases = simulation.cases()
    except PrunellaError as error:
        _stop(f"{error}: give the objects as `kubectl get -o yaml` prints them")
    if not cases:
        _stop("there is no workload in the files, and no alert that fires")
    click.echo(_said(cases, simulation, held, count, output), nl=False)
    sys.exit(0 if any(case.acts for case in cases) else NOTHING)


def _said(cases: Sequence[Case], simulation: Simulation, held: Recorded, count: int, output: str) -> str:
    if output == "yaml":
        return simulated_told.documents([simulated_told.data(case, simulation.supposed) for case in cases])
    left = f", {held.left.total()} more not looked at ({', '.join(sorted(held.left))})" if held.left else ""
    source = f"{held.objects} object{'s' * (held.objects != 1)} of {count} file{'s' * (count != 1)}{left}; no cluster was asked"
    return "\n\n".join("\n".join(simulated_told.lines(case, simulation.supposed, source)) for case in cases) + "\n"


def _held(files: Sequence[Path]) -> tuple[Recorded, int]:
    documents, troubles = objects_in(files)
    held, wrong = recorded(documents)
    _refuse([*troubles, *wrong])
    return held, len({one.file for one in documents})


def _runbooks(held: Recorded, paths: Sequence[Path]) -> list[Runbook]:
    """Those that are named, else those among the files, else those that ship."""
    mine: list[Runbook] = held.of.get("Runbook", [])
    if mine and not paths:
        return mine
    try:
        documents, troubles = objects_in(paths or [shipped.folder("runbooks")])
    except PrunellaError as error:
        _stop(str(error))
    found, wrong = recorded(documents)
    _refuse([*troubles, *wrong])
    if not found.of.get("Runbook"):
        _stop(f"there is no Runbook in {', '.join(map(str, paths))}")
    return found.of["Runbook"]


def _refuse(troubles: Sequence[Trouble]) -> None:
    for trouble in sorted(troubles, key=lambda one: (str(one.file), one.line, one.column)):
        click.echo(str(trouble), err=True)
    if troubles:
        sys.exit(UNREADABLE)


def _stop(why: str) -> NoReturn:
    click.echo(f"Error: {why}", err=True)
    sys.exit(UNREADABLE)
