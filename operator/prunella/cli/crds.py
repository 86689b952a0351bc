"""`prunella crds`: write the CustomResourceDefinitions from the models."""

from __future__ import annotations

from pathlib import Path

import click

from prunella.api import crd
from prunella.cli import kinds


@click.command(name="crds")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("crds"),
    show_default=True,
    help="Folder to write to. Definitions of kinds that no longer exist are removed from it.",
)
def command(output: Path) -> None:
    """Write the CustomResourceDefinitions and their kustomization."""
    files = crd.render(kinds.KINDS)
    output.mkdir(parents=True, exist_ok=True)
    for stale in sorted(output.glob("*.yaml")):
        if stale.name not in files and stale.read_text().startswith(crd.HEADER):
            stale.unlink()
            click.echo(f"removed {stale}")
    for name, text in files.items():
        (output / name).write_text(text)
        click.echo(f"wrote {output / name}")
