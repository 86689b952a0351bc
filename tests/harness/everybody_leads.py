"""The operator composed without an election, for tests alone: what the Lease is worth shows where it is missing."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import click
from tests.fakes.tenure import Sole

from prunella.adapters.kubernetes.client import Api
from prunella.adapters.log import configure
from prunella.adapters.telemetry import PrometheusTelemetry
from prunella.compose import start
from prunella.settings import Settings


@click.command()
@click.option("--kubeconfig")
@click.option("--listen")
@click.option("--token-dir")
@click.option("--prometheus-url")
@click.option("--alertmanager-url", multiple=True)
def main(*, kubeconfig: str, listen: str, token_dir: str, prometheus_url: str | None, alertmanager_url: tuple[str, ...]) -> None:
    """Run until SIGTERM."""
    configure("info", "json")
    settings = Settings(
        kubeconfig=kubeconfig,
        listen=listen,
        token_dir=Path(token_dir),
        prometheus_url=prometheus_url,
        alertmanager_urls=alertmanager_url,
    )
    asyncio.run(_run(settings))


def everybody_leads(_api: Api, telemetry: PrometheusTelemetry, _settings: Settings, _floor: object) -> Sole:
    """Nobody is asked."""
    telemetry.gauge("leader", 1)
    return Sole()


async def _run(settings: Settings) -> None:
    loop = asyncio.get_running_loop()

    def take_signals() -> None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)

    task = asyncio.ensure_future(start(settings, take_signals, elect=everybody_leads))
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()
