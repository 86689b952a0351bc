"""What a person may type about an Incident: plain kubectl that works as it stands, spelled once.

The rule this module protects: whoever is paged gets a command to copy, and it names the episode that is current.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Mapping, Sequence

from prunella.api.incident import Incident
from prunella.api.marks import RETRY_ANNOTATION
from prunella.api.names import ApprovalVerdict
from prunella.api.remediation import Remediation


def acknowledge(incident: Incident, *, episode: int, note: str | None = None) -> str:
    """The command that takes the Incident and stops the paging of that episode."""
    said: dict[str, object] = {"by": "<you>", "episode": episode}
    if note is not None:
        said["note"] = note
    return _patch(incident, {"acknowledgement": said})


def resolve(incident: Incident) -> str:
    """The command that says that the fault is over."""
    return _patch(incident, {"resolution": {"by": "<you>", "summary": "<what mended it>"}})


def hold(incident: Incident, *, by: str = "<you>", reason: str = "<why>", until: str | None = None) -> str:
    """The command that keeps automation away from the target."""
    return _patch(incident, holding(by=by, reason=reason, until=until))


def holding(*, by: str, reason: str, until: str | None = None) -> dict[str, object]:
    """What it writes into the Incident's spec. A hold that stood there is replaced, its end too."""
    return {"hold": {"by": by, "reason": reason, "untilTime": until}}


def let_go(incident: Incident) -> str:
    """The command that lets automation go on."""
    return _patch(incident, {"hold": None})


def retry(incident: Incident, once: str = "$(date +%s)") -> str:
    """The command that lets automation try again after it gave up, once for each such value."""
    return f"kubectl annotate incident {incident.metadata.name}{_namespace(incident)} --overwrite {RETRY_ANNOTATION}={once}"


def change(resource: str, name: str, namespace: str | None, operations: Sequence[Mapping[str, object]]) -> str:
    """The command that sends a JSON patch to any object: refused by the API server where what it tests is another one by now."""
    body = json.dumps(list(operations), separators=(",", ":"))
    return f"kubectl patch {resource} {name}{f' -n {namespace}' if namespace else ''} --type=json -p {shlex.quote(body)}"


def approve(name: str, namespace: str | None) -> str:
    """The command that shows the plan of an attempt and asks whether to permit it."""
    return f"kubectl prunella approve {name}" + (f" -n {namespace}" if namespace else "")


def say(remediation: Remediation, verdict: ApprovalVerdict, *, by: str = "<you>", comment: str | None = None, groups: Collection[str] = ()) -> str:
    """The plain command that says so to the attempt's plan: refused by the API server where the plan is another one."""
    metadata = remediation.metadata
    return change("remediation", metadata.name, metadata.namespace, saying(remediation, verdict, by=by, comment=comment, groups=groups))


def asked(remediation: Remediation) -> str:
    """Hash of what people are asked to approve: what remains where a step asks, else the plan."""
    return remediation.status.asking.plan_hash if remediation.status.asking is not None else remediation.spec.plan_hash


def saying(
    remediation: Remediation, verdict: ApprovalVerdict, *, by: str, comment: str | None = None, groups: Collection[str] = ()
) -> list[dict[str, object]]:
    """The JSON patch of it, with those of the speaker's groups that are asked for.

    A run that a person asked for has its plan in status, and no list before the first word; admission takes no word out.
    """
    plan_hash, asking = asked(remediation), remediation.status.asking
    said: dict[str, object] = {"by": by, "planHash": plan_hash, "verdict": str(verdict), **({"comment": comment} if comment else {})}
    mine = [one for one in asking.approvers.groups if one in groups] if asking is not None else []
    if mine:
        said["groups"] = mine
    planned = "/status/pinned/planHash" if remediation.is_request else "/spec/planHash"
    planned = planned if asking is None else "/status/asking/planHash"
    first = remediation.is_request and not remediation.spec.approvals
    add: dict[str, object] = (
        {"op": "add", "path": "/spec/approvals", "value": [said]} if first else {"op": "add", "path": "/spec/approvals/-", "value": said}
    )
    return [{"op": "test", "path": planned, "value": plan_hash}, add]


def create(body: Mapping[str, object], namespace: str) -> str:
    """The command that creates an object."""
    return f"kubectl create -n {namespace} -f - <<'EOF'\n{json.dumps(body, indent=2)}\nEOF"


def explain(incident: Incident) -> str:
    """The command that tells the story."""
    return explain_name(incident.metadata.name, incident.metadata.namespace)


def explain_name(name: str, namespace: str | None) -> str:
    """The same for an Incident of which only the name is known."""
    return f"kubectl prunella explain {name}" + (f" -n {namespace}" if namespace else "")


def _patch(incident: Incident, spec: dict[str, object]) -> str:
    body = json.dumps({"spec": spec}, separators=(",", ":"))
    return f"kubectl patch incident {incident.metadata.name}{_namespace(incident)} --type=merge -p {shlex.quote(body)}"


def _namespace(incident: Incident) -> str:
    return f" -n {incident.metadata.namespace}" if incident.metadata.namespace else ""
