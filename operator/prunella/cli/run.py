"""`prunella run`: start the operator. Flags say where things are; how to behave stands in resources."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

import click

from prunella.adapters.log import configure
from prunella.app.errors import PrunellaError
from prunella.compose import start
from prunella.settings import Settings

from . import flags


@click.command(name="run", short_help="Start the operator.")
@click.option("--kubeconfig", envvar=["PRUNELLA_KUBECONFIG", "KUBECONFIG"], help="Kubeconfig file. Default: the pod's service account.")
@click.option("--context", envvar="PRUNELLA_CONTEXT", help="Context of the kubeconfig. Default: its current one.")
@click.option(
    "--namespace",
    envvar="PRUNELLA_NAMESPACE",
    default="prunella-system",
    show_default=True,
    callback=flags.namespace,
    help="The operator's namespace.",
)
@click.option(
    "--watch-namespaces",
    envvar="PRUNELLA_WATCH_NAMESPACES",
    default="",
    callback=flags.namespaces,
    help="Comma-separated namespaces to watch. Default: all.",
)
@click.option("--listen", envvar="PRUNELLA_LISTEN", default=":8080", show_default=True, help="Address of webhook, probes and metrics.")
@click.option(
    "--token-dir",
    envvar="PRUNELLA_TOKEN_DIR",
    callback=flags.folder,
    help="Folder of bearer token files for the webhook; all are valid. Without one it answers 503.",
)
@click.option("--tls-dir", envvar="PRUNELLA_TLS_DIR", help="Folder with tls.crt and tls.key. Default: plain HTTP.")
@click.option("--prometheus-url", envvar="PRUNELLA_PROMETHEUS_URL", callback=flags.url, help="Prometheus, for checks, blockIf and the rules' `for`.")
@click.option(
    "--alertmanager-url",
    envvar="PRUNELLA_ALERTMANAGER_URL",
    multiple=True,
    callback=flags.urls,
    help="Alertmanager peer to poll; give it once per peer.",
)
@click.option(
    "--crds-timeout-seconds",
    envvar="PRUNELLA_CRDS_TIMEOUT_SECONDS",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    help="How long to wait for Prunella's CRDs and the operator's namespace.",
)
@click.option(
    "--log-level",
    envvar="PRUNELLA_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Least level that is logged.",
)
@click.option(
    "--log-format", envvar="PRUNELLA_LOG_FORMAT", type=click.Choice(["json", "text"]), default="json", show_default=True, help="Format of the log."
)
def command(
    *,
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    watch_namespaces: tuple[str, ...],
    listen: str,
    token_dir: str | None,
    tls_dir: str | None,
    prometheus_url: str | None,
    alertmanager_url: tuple[str, ...],
    crds_timeout_seconds: int,
    log_level: str,
    log_format: str,
) -> None:
    """Start the operator. It waits for Prunella's CRDs, watches, records, heals what it may, and tells people."""
    configure(log_level, "text" if log_format == "text" else "json")
    logging.getLogger("kopf").setLevel(logging.WARNING)  # it tells of each handler call, and a call is only a key in a queue
    settings = Settings(
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        watch_namespaces=watch_namespaces,
        listen=listen,
        token_dir=Path(token_dir) if token_dir else None,
        tls_dir=Path(tls_dir) if tls_dir else None,
        prometheus_url=prometheus_url,
        alertmanager_urls=alertmanager_url,
        crds_timeout_seconds=crds_timeout_seconds,
    )
    try:
        asyncio.run(_until_told(settings))
    except PrunellaError as error:
        click.echo(f"prunella: {error}", err=True)
        sys.exit(1)


async def _until_told(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then let go in order."""
    loop = asyncio.get_running_loop()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)

    task = asyncio.ensure_future(start(settings, take_signals))
    with contextlib.suppress(asyncio.CancelledError):
        try:
            await task
        except* PrunellaError as group:
            raise group.exceptions[0] from None
