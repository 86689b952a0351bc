"""What the commands with which people act share: find what is meant, show it, and say a person's word.

The rule it protects: a word is bound to the plan that was just shown. The write is the plain kubectl line that is printed, and the API server judges
who may say it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes import kubeconfig as kubeconfigs
from prunella.adapters.kubernetes import resources
from prunella.adapters.kubernetes.answers import NotLetIn
from prunella.adapters.kubernetes.client import Api, connect
from prunella.adapters.kubernetes.store import Objects
from prunella.api.incident import Incident
from prunella.api.names import ApprovalVerdict
from prunella.api.remediation import Remediation
from prunella.app.errors import OutcomeUnknown, Permanent, PrunellaError, Retryable
from prunella.core import asked, commands
from prunella.core.incident import correlate

from .explain import namespace_of
from .silent import Silent

T = TypeVar("T")
WHO_AM_I: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
CREATED: Final = 201


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the person works: the options that kubectl has too."""

    namespace: str | None
    kubeconfig: str | None
    context: str | None

    @property
    def path(self) -> str | None:
        """The kubeconfig; None inside of a pod."""
        return self.kubeconfig or (kubeconfigs.DEFAULT if kubeconfigs.files_of(kubeconfigs.DEFAULT) else None)

    def line(self, command: str) -> str:
        """A kubectl line that means the same cluster."""
        context = f" --context={self.context}" if self.context else ""
        return command.replace("kubectl", f"kubectl{context}", 1)


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of all of them."""
    for option in (
        click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: the current one]"),
        click.option("--kubeconfig", envvar="KUBECONFIG", metavar="FILE", help="Kubeconfig.  [default: ~/.kube/config]"),
        click.option("-n", "--namespace", metavar="NAME", help="Namespace of it.  [default: that of the context]"),
    ):
        command = option(command)
    return command


def show(what: str, place: Place) -> Remediation:
    """Print the plan of an Incident or a Remediation: what would be done, the diff, and who agreed."""
    attempt = run(within(place, lambda api, namespace: _attempt(api, namespace, what)))
    click.echo("\n".join(asked.plan(attempt, SystemClock().now()).lines()))
    asking = attempt.status.asking
    diff = asking.diff if asking is not None else attempt.status.diff
    if diff:
        click.echo("  what it changes:" if asking is None else f"  what the next step after '{asking.step}' changes:")
        click.echo("\n".join(f"      {line}" for line in diff.splitlines()))
    return attempt


def say(attempt: Remediation, verdict: ApprovalVerdict, place: Place, *, plan_hash: str | None, comment: str | None, yes: bool) -> None:
    """Say the word to the plan that was shown, after the person has confirmed it by its hash, by `yes`, or by answering."""
    with sentences():
        if asked.waiting((attempt,)) is None:
            raise Permanent(f"{attempt.metadata.name} does not wait for approval: {attempt.status.message or 'it has not asked yet'}")
        if plan_hash is not None and plan_hash != commands.asked(attempt):
            raise Permanent(f"the plan is {commands.asked(attempt)}, not {plan_hash}: it is another one than you saw; nothing was said")
    you, groups = run(within(place, lambda api, _: who(api)))
    if not yes and plan_hash is None:
        verb = "Approve" if verdict is ApprovalVerdict.APPROVED else "Deny"
        click.confirm(f"{verb} plan {commands.asked(attempt)} as {you}?", abort=True)
    click.echo("\n$ " + place.line(commands.say(attempt, verdict, by=you, comment=comment, groups=groups)))
    operations = commands.saying(attempt, verdict, by=you, comment=comment, groups=groups)
    run(within(place, lambda api, _: _write(api, attempt, operations)))
    click.echo(f"{you}: {verdict}, plan {commands.asked(attempt)} of {attempt.metadata.name}")


def create(place: Place, made: Callable[[str], dict[str, Any]]) -> str:
    """Create a Remediation in the person's own name, and print the plain kubectl line before. Its name."""
    you, _ = run(within(place, lambda api, _: who(api)))
    namespace = place.namespace or namespace_of(place.path, place.context)
    body = made(you)
    click.echo("$ " + place.line(commands.create(body, namespace)))
    stored = run(within(place, lambda api, _: _create(api, namespace, body)))
    click.echo(f"{you} asked for it: remediation/{stored}")
    return stored


async def _create(api: Api, namespace: str, body: dict[str, Any]) -> str:
    answer = await api.ask(resources.REMEDIATION.call("create", namespace, body=body))
    if answer is None:
        raise Permanent("the API server does not serve remediations.prunella.dev: are the CRDs installed?")
    return str(answer.object()["metadata"]["name"])


async def _attempt(api: Api, namespace: str, name: str) -> Remediation:
    """The attempt of that name; or of the Incident of that name the one that asks, else the newest."""
    store = Objects(api)
    found = await store.remediation(namespace, name)
    if found is not None:
        return found
    incident = await store.incident(namespace, name)
    if incident is None:
        raise Permanent(
            f"there is no Incident and no Remediation '{name}' in {namespace}; `kubectl get incidents,remediations -n {namespace}` lists them"
        )
    attempts = await store.remediations_of(incident)
    if not attempts:
        raise Permanent(f"Incident {name} has no attempt: `{commands.explain(incident)}` tells why")
    return asked.waiting(attempts) or attempts[-1]


def incident(name: str, place: Place) -> Incident:
    """The open Incident of that name."""

    async def read(api: Api, namespace: str) -> Incident:
        found = await Objects(api).incident(namespace, name)
        if found is None:
            raise Permanent(f"there is no Incident '{name}' in {namespace}; `kubectl get incidents -n {namespace}` lists them")
        if not correlate.is_open(found, SystemClock().now()):
            raise Permanent(f"Incident {name} is over: `{commands.explain(found)}` tells how")
        return found

    return run(within(place, read))


def write(found: Incident, part: Mapping[str, object], place: Place, line: str) -> None:
    """Change that part of an Incident, and print the plain kubectl line before."""
    metadata = found.metadata
    call = resources.INCIDENT.call("patch", metadata.namespace, metadata.name, body=part, content_type=resources.MERGE_PATCH)
    click.echo("$ " + place.line(line))
    run(within(place, lambda api, _: api.ask(call)))


async def who(api: Api) -> tuple[str, tuple[str, ...]]:
    """The name by which the API server knows who asks, and the groups."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, answer = await api.request("POST", WHO_AM_I, body=body)
    info = answer.get("status", {}).get("userInfo", {}) if status == CREATED else {}
    name = info.get("username")
    if not name:
        raise Permanent(f"the API server does not say who you are ({status}): use the kubectl line of `kubectl prunella plan`, with your user name")
    return str(name), tuple(str(one) for one in info.get("groups") or ())


async def _write(api: Api, attempt: Remediation, operations: list[dict[str, object]]) -> None:
    metadata = attempt.metadata
    call = resources.REMEDIATION.call("patch", metadata.namespace, metadata.name, body=operations, content_type=resources.JSON_PATCH)
    await api.ask(call)


async def within(place: Place, do: Callable[[Api, str], Coroutine[Any, Any, T]]) -> T:
    """Do it with a connection to that cluster, in that namespace."""
    namespace = place.namespace or namespace_of(place.path, place.context)
    async with await connect(place.path, place.context, Silent()) as api:
        return await do(api, namespace)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work, or end the command with a sentence."""
    with sentences():
        return asyncio.run(work)


@contextmanager
def sentences() -> Iterator[None]:
    """Turn an error that says what to do into the end of the command, without a traceback."""
    try:
        yield
    except NotLetIn as error:
        raise click.ClickException(f"{error}; log in again, or choose another --context") from error
    except (Retryable, OutcomeUnknown) as error:
        raise click.ClickException(f"{error}; look whether it was done, then say it again") from error
    except PrunellaError as error:
        raise click.ClickException(str(error).replace("The account of Prunella may", "You may")) from error
