"""`prunella lint`: check Runbooks, policies and catalog entries before they are applied, without a cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from . import documents, judging


@click.command(name="lint", short_help="Check files before they are applied.")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER…", type=click.Path(exists=True, path_type=Path))
def command(paths: tuple[Path, ...]) -> None:
    """Check the YAML of Prunella's kinds: misspelt and unknown fields, expressions, matchers, names that refer to nothing.

    Said is also where a Runbook never fits or a step is never done, and in notes which rights it needs and what grants them. Objects of other kinds
    are not looked at. Exits with 1 where something is wrong; a warning is no failure.
    """
    found = documents.read(paths)
    troubles, objects = judging.judge(found.documents)
    everything = sorted([*found.troubles, *troubles], key=lambda one: (str(one.file), one.line, one.column))
    for trouble in everything:
        click.echo(str(trouble))
    for said in judging.notes(found.documents):
        click.echo(said)
    errors = sum(not one.warning for one in everything)
    counts = (_counted(found.files, "file"), _counted(objects, "object"), _counted(errors, "error"), _counted(len(everything) - errors, "warning"))
    click.echo(f"{counts[0]}, {counts[1]}: {counts[2]}, {counts[3]}")
    sys.exit(1 if errors else 0)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
