"""`prunella install`: what `kubectl apply` of crds/ and manifests/default does, and a kubeconfig for `prunella run`.

The rule it protects: nothing happens that is not said. Each step is shown as the kubectl line that it equals, so that a person can do, or check, the
same by hand.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from prunella import __version__
from prunella.adapters.kubernetes import kubeconfig as kubeconfigs
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.credentials import KubeCredentials
from prunella.adapters.kubernetes.installer import FIELD_MANAGER, Installer
from prunella.api import crd
from prunella.api.marks import OPERATOR_NAMESPACE, PART_OF_LABEL
from prunella.app.errors import Conflict, OutcomeUnknown, Permanent, PrunellaError, Retryable
from prunella.cli import kinds

from . import shipped
from .silent import Silent

TOKEN_SECONDS: Final = 24 * 3600
ESTABLISHED_SECONDS: Final = 60.0
PROGRESS_AFTER_SECONDS: Final = 3.0
TUNED_BY_PEOPLE: Final = frozenset({"HealingPolicy", "Runbook"})
"""Kinds in which a person's value stays: it is how far automation may go here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the person asked for."""

    kubeconfig: str
    context: str | None
    output: Path
    explicit: tuple[str, ...]
    """The options that a kubectl line needs as well, to mean the same cluster."""

    def show(self, *words: str) -> None:
        """Print the kubectl line that the next step equals."""
        click.echo("\n$ " + shlex.join(["kubectl", *self.explicit, *words]))


@click.command(name="install")
@click.option("--kubeconfig", envvar="KUBECONFIG", metavar="FILE", help="Kubeconfig of a cluster administrator.  [default: ~/.kube/config]")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: the current one]")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("prunella.kubeconfig"),
    show_default=True,
    help="Where to write the kubeconfig of the operator's account: a token for 24 hours, mode 0600.",
)
@click.pass_context
def command(ctx: click.Context, kubeconfig: str | None, context: str | None, output: Path) -> None:
    """Install Prunella in a cluster and write a kubeconfig for `prunella run`.

    Applies the CRDs, waits until they are served, and applies the rest. It can change no workload after that: the owner of a namespace allows it.
    Safe to run again: what is right stays, and what people have set in Runbooks and the HealingPolicy stays too.
    """
    given = [f"--kubeconfig={kubeconfig}"] if ctx.get_parameter_source("kubeconfig") is click.core.ParameterSource.COMMANDLINE else []
    explicit = (*given, *([f"--context={context}"] if context else []))
    with _sentences():
        if output.resolve() in {source.resolve() for source in kubeconfigs.files_of(kubeconfig or kubeconfigs.DEFAULT)}:
            raise Permanent(f"--output {output} is the kubeconfig that you install with; name another file")
        asyncio.run(_install(Wish(kubeconfig=kubeconfig or kubeconfigs.DEFAULT, context=context, output=output, explicit=explicit)))


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn an error that says what to do into the end of the command, without a traceback."""
    try:
        yield
    except (Retryable, OutcomeUnknown) as error:
        raise click.ClickException(f"{error}. Run it again: what is done stays") from error
    except PrunellaError as error:
        raise click.ClickException(str(error)) from error


async def _install(wish: Wish) -> None:
    where = kubeconfigs.place(wish.kubeconfig, wish.context)
    rest = shipped.documents(shipped.folder("manifests/default"))
    click.echo(f"Installing Prunella {__version__} into {where.server} (context '{where.context}')")
    credentials = KubeCredentials(wish.kubeconfig, where.context)
    await credentials.load()
    async with Api(credentials, Silent()) as api:
        installer = Installer(api)
        click.echo(f"Kubernetes {await installer.reach()}")
        await _definitions(wish, installer)
        await _rest(wish, installer, rest)
        await _kubeconfig(wish, installer, where)
    _say_what_is_next(wish)


async def _definitions(wish: Wish, installer: Installer) -> None:
    documents = tuple(crd.definition(kind) for kind in kinds.KINDS)
    wish.show("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-k", _shown("crds"))
    await _apply(installer, documents)
    wish.show("wait", "--for=condition=Established", "crd", "-l", f"{PART_OF_LABEL}=prunella")
    said = 0.0

    def waiting(names: list[str], seconds: float) -> None:
        nonlocal said
        if seconds - said >= PROGRESS_AFTER_SECONDS:
            said = seconds
            click.echo(f"still waiting after {seconds:.0f} s for {', '.join(names)}")

    await installer.established([document["metadata"]["name"] for document in documents], ESTABLISHED_SECONDS, waiting)
    click.echo(f"{len(documents)} kinds are served")


async def _rest(wish: Wish, installer: Installer, documents: Iterable[dict[str, Any]]) -> None:
    wish.show("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-k", _shown("manifests/default"))
    click.echo("# but no force on Runbooks and the HealingPolicy: what people have set there stays")
    await _apply(installer, documents)


async def _apply(installer: Installer, documents: Iterable[dict[str, Any]]) -> None:
    for document in documents:
        tuned = document["kind"] in TUNED_BY_PEOPLE
        try:
            applied = await installer.apply(document, force=not tuned)
        except Conflict as conflict:
            if not tuned:
                raise
            click.echo(f"{document['kind'].lower()}/{document['metadata']['name']} left as people have set it ({conflict})")
        else:
            click.echo(f"{applied.words} {applied.result}")


async def _kubeconfig(wish: Wish, installer: Installer, where: kubeconfigs.Place) -> None:
    wish.show("create", "token", kubeconfigs.USER, "-n", OPERATOR_NAMESPACE, "--duration=24h")
    token = await installer.token(OPERATOR_NAMESPACE, kubeconfigs.USER, TOKEN_SECONDS)
    kubeconfigs.save(kubeconfigs.render(where, token.value), wish.output)
    click.echo(f"wrote {wish.output} (mode 0600), a kubeconfig of the operator's account until {token.expires}; keep it out of Git")


def _say_what_is_next(wish: Wish) -> None:
    kubectl = shlex.join(["kubectl", *wish.explicit])
    click.echo(f"""
Start the operator:
  prunella run --kubeconfig {shlex.quote(str(wish.output))}

It changes nothing until the owner of a namespace lets it, for example in shop:
  {kubectl} apply -n shop -k {shlex.quote(_shown("manifests/opt-in"))}
  {kubectl} label ns shop prunella.dev/mode=Auto
  {kubectl} patch healingpolicy default --type=merge -p '{{"spec":{{"mode":"Auto"}}}}'""")


def _shown(name: str) -> str:
    """Return the path of a shipped folder as it is shortest from here."""
    path = shipped.folder(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
