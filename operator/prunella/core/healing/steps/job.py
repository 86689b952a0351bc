"""job: a Job of one container, as an account of the target's own namespace, without any privilege."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import Name, WireModel, entries, items
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus

from . import jobs
from .step import LiveFacts, Next, Right, StepKind

Command = Annotated[tuple[Annotated[str, Field(max_length=4096)], ...], items(64, minimum=1)]
Variables = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], entries(32)]
Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,11}(m|Ki|Mi|Gi)?$", max_length=16)]


class RunJob(WireModel):
    """Run a Job of one container in the target's namespace, once, and wait until it is complete. Its failure is the step's."""

    image: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][-a-zA-Z0-9._:/]*@sha256:[0-9a-f]{64}$", max_length=512)]
    """The image by its digest: `registry.example.com/tools@sha256:…`."""
    command: Command
    """What it runs. Nothing is filled in; TARGET_KIND, TARGET_NAME and TARGET_NAMESPACE stand in its environment."""
    env: Variables = {}  # noqa: RUF012 - a model copies its defaults
    """Further variables of its environment. No secrets: they would stand in the Runbook."""
    service_account_name: Name
    """The account of the target's namespace that it runs as; what it may do is what that account may do."""
    deadline_seconds: jobs.DeadlineSeconds = 300
    """After so long it is stopped, and has failed."""
    cpu: Quantity = "500m"
    """The most CPU that it gets, and what it asks for."""
    memory: Quantity = "256Mi"
    """The most memory that it gets, and what it asks for."""


def plan(params: RunJob, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The Job, once; then what becomes of it."""
    if done:
        return jobs.followed(live, done)
    spec = jobs.limited({"template": {"metadata": {"labels": dict(LABELS)}, "spec": _pod(params, live)}}, params.deadline_seconds)
    return jobs.made(live, spec, {"labels": dict(LABELS)}, f"runs for {live.facts.workload.short} as {params.service_account_name}")


LABELS: Final = {"app.kubernetes.io/managed-by": "prunella"}


def _pod(params: RunJob, live: LiveFacts) -> dict[str, object]:
    workload = live.facts.workload
    target = {"TARGET_KIND": workload.kind, "TARGET_NAME": workload.name, "TARGET_NAMESPACE": workload.namespace}
    amounts = {"cpu": params.cpu, "memory": params.memory}
    container = {
        "name": "job",
        "image": params.image,
        "command": list(params.command),
        "env": [{"name": name, "value": value} for name, value in {**params.env, **target}.items()],
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": params.service_account_name,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }


def needs(params: RunJob, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To make a Job and to see what becomes of it."""
    return jobs.RUN_JOBS


KIND: Final = StepKind(
    name="job",
    params=RunJob,
    impact=StepImpact.DISRUPTIVE,
    rights=jobs.RUN_JOBS,
    granted_by=jobs.GRANTED_BY,
    needs=needs,
    plan=plan,
    goes_on=True,
    fixed=frozenset({"image", "serviceAccountName"}),
    outputs=jobs.OUTPUTS,
)
