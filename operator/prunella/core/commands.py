"""What a person may type about an Incident: plain kubectl that works as it stands, spelled once.

The rule this module protects: whoever is paged gets a command to copy, and it names the episode that is current.
"""

from __future__ import annotations

import json

from prunella.api.incident import Incident


def acknowledge(incident: Incident, *, episode: int, note: str | None = None) -> str:
    """The command that takes the Incident and stops the paging of that episode."""
    said: dict[str, object] = {"by": "<you>", "episode": episode}
    if note is not None:
        said["note"] = note
    return _patch(incident, {"acknowledgement": said})


def resolve(incident: Incident) -> str:
    """The command that says that the fault is over."""
    return _patch(incident, {"resolution": {"by": "<you>", "summary": "<what mended it>"}})


def explain(incident: Incident) -> str:
    """The command that tells the story."""
    return explain_name(incident.metadata.name, incident.metadata.namespace)


def explain_name(name: str, namespace: str | None) -> str:
    """The same for an Incident of which only the name is known."""
    return f"kubectl prunella explain {name}" + (f" -n {namespace}" if namespace else "")


def _patch(incident: Incident, spec: dict[str, object]) -> str:
    body = json.dumps({"spec": spec}, separators=(",", ":"))
    return f"kubectl patch incident {incident.metadata.name}{_namespace(incident)} --type=merge -p '{body}'"


def _namespace(incident: Incident) -> str:
    return f" -n {incident.metadata.namespace}" if incident.metadata.namespace else ""
