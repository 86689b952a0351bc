"""`prunella explain`: what was seen, decided, done and not done about an Incident, or why nothing is done about a workload.

The rule it protects: it reads resources and nothing else, with the rights of whoever asks, and changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import click
from kubernetes.aio import config

from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes import kubeconfig as kubeconfigs
from prunella.adapters.kubernetes.answers import NotLetIn
from prunella.adapters.kubernetes.client import connect
from prunella.api.incident import Incident
from prunella.app.around import targets
from prunella.app.errors import Permanent, PrunellaError, Retryable
from prunella.core.incident import correlate
from prunella.core.lines import Tale
from prunella.core.recomputed import recompute, suppose
from prunella.core.story import story

from .explained_alert import alert_of
from .reading import Reading
from .silent import Silent

KINDS: Final = {
    "Deployment": ("deploy", "deployment", "deployments", "deployment.apps", "deployments.apps"),
    "StatefulSet": ("sts", "statefulset", "statefulsets", "statefulset.apps", "statefulsets.apps"),
    "DaemonSet": ("ds", "daemonset", "daemonsets", "daemonset.apps", "daemonsets.apps"),
    "Incident": ("inc", "incident", "incidents", "incident.prunella.dev", "incidents.prunella.dev"),
}
"""How kubectl lets people spell a kind."""
OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@click.command(name="explain", short_help="Tell what was seen, decided, done and not done.")
@click.argument("what", metavar="INCIDENT | KIND/NAME")
@click.option("-n", "--namespace", metavar="NAME", help="Namespace of it.  [default: that of the context]")
@click.option("--alert", metavar="LABELS", help="As if such an alert fired for that workload now, for example '{alertname=\"HighErrors\"}'.")
@click.option("--guards", is_flag=True, help="Show the verdict of each guard, and each Runbook that is for another cause.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="For people or for programs.")
@click.option("--kubeconfig", envvar="KUBECONFIG", metavar="FILE", help="Kubeconfig.  [default: ~/.kube/config]")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: the current one]")
def command(*, what: str, namespace: str | None, alert: str | None, guards: bool, output: str, kubeconfig: str | None, context: str | None) -> None:
    """Tell what was seen, decided, done and not done about an Incident, in order and with the reasons.

    KIND/NAME, for example deploy/checkout, tells the open Incident of that workload. Where there is none, it is judged as of now: why is nothing done
    here? You see what you have the rights to read; what you can't is said. With --alert it is judged as if that alert fired: which Runbook would fit,
    what it would do, and which guard would refuse. Nothing is written.
    """
    try:
        tale = asyncio.run(_tale(what, namespace, kubeconfig, context, alert=alert, guards=guards))
    except NotLetIn as error:
        raise click.ClickException(f"{error}; log in again, or choose another --context") from error
    except Retryable as error:
        raise click.ClickException(f"{error}; check the context and the network, then ask again") from error
    except PrunellaError as error:
        raise click.ClickException(str(error).replace("The account of Prunella may", "You may")) from error
    click.echo(json.dumps(tale.data(), ensure_ascii=False, indent=2) if output == "json" else "\n".join(tale.lines()))


async def _tale(what: str, namespace: str | None, kubeconfig: str | None, context: str | None, *, alert: str | None, guards: bool) -> Tale:
    kind, name = _parsed(what)
    if alert is not None and kind == "Incident":
        raise Permanent(f"--alert is supposed for a workload, not for '{what}': name it as deploy/NAME, sts/NAME or ds/NAME")
    path = kubeconfig or (kubeconfigs.DEFAULT if kubeconfigs.files_of(kubeconfigs.DEFAULT) else None)
    place = namespace or namespace_of(path, context)
    async with await connect(path, context, Silent()) as api:
        reading = Reading(api, SystemClock())
        if kind == "Incident":
            return await _of_incident(reading, place, name, guards=guards)
        return await _of_workload(reading, kind, place, name, alert=alert, guards=guards)


async def _of_incident(reading: Reading, namespace: str, name: str, *, guards: bool) -> Tale:
    incident = await reading.incident(namespace, name)
    if incident is None:
        names = [one.metadata.name for one in await reading.incidents(namespace)]
        near = get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; a workload is explained as KIND/NAME, for example deploy/checkout"
        raise Permanent(f"there is no Incident '{name}' in {namespace}{hint}")
    return await _told(reading, incident, guards=guards)


async def _of_workload(reading: Reading, kind: str, namespace: str, name: str, *, alert: str | None, guards: bool) -> Tale:
    facts = await reading.target(kind, namespace, name)
    if facts is None:
        raise Permanent(f"there is no {kind} '{name}' in {namespace}")
    incidents = sorted(targets.about(await reading.incidents(namespace), facts.workload.ref), key=_age)
    now = SystemClock().now()
    open_one = next((one for one in reversed(incidents) if correlate.is_open(one, now)), None)
    if open_one is not None and alert is None:
        return await _told(reading, open_one, guards=guards)
    supposed = alert_of(alert, facts.workload.ref, now) if alert is not None else None
    world, asks = await reading.world(facts, guards=guards)
    if supposed is not None:
        ours = tuple(await reading.remediations_of(open_one)) if open_one is not None else ()
        world = replace(world, incident=open_one, remediations=ours) if open_one is not None else world
        return suppose(world, supposed, replace(asks, unread=tuple(reading.unread)))
    return recompute(world, incidents[-1] if incidents else None, asks)


async def _told(reading: Reading, incident: Incident, *, guards: bool) -> Tale:
    remediations = await reading.remediations_of(incident)
    tale = story(incident, remediations, SystemClock().now(), guards=guards)
    return tale.but_not(reading.unread)


def _age(incident: Incident) -> tuple[str, str]:
    created = incident.metadata.creation_timestamp
    return (created.isoformat() if created else "", incident.metadata.name)


def _parsed(what: str) -> tuple[str, str]:
    spelled, slash, name = what.rpartition("/")
    if not slash:
        return "Incident", what
    kind = next((kind for kind, ways in KINDS.items() if spelled.lower() in ways), None)
    if kind is None or not name:
        raise Permanent(f"'{what}' can't be explained: name an Incident, or a workload as deploy/NAME, sts/NAME or ds/NAME")
    return kind, name


def namespace_of(kubeconfig: str | None, context: str | None) -> str:
    """The namespace of the context, as kubectl takes it."""
    if kubeconfig is None:
        return OWN_NAMESPACE.read_text().strip() if OWN_NAMESPACE.exists() else "default"
    try:
        known, active = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise Permanent(f"the kubeconfig can't be used: {error}") from error
    chosen = next((one for one in known if one["name"] == context), active)
    return str(chosen["context"].get("namespace") or "default")
