"""What went over the wire: one request as the proxy saw it, in order, and what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
MUTATING = frozenset({"create", "update", "patch", "delete"})
_PATH = re.compile(
    r"^/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>.+))?$"
)
NO_PART_OF_THE_STORY = frozenset(
    {
        "configmaps",
        "leases",
        "selfsubjectaccessreviews",
        "selfsubjectreviews",
        "runbooks",
        "escalationpolicies",
        "healingpolicies",
        "catalogentries",
    }
)
"""The heartbeat, the election, questions about rights, and whether what people applied is Ready, which each start says anew."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer."""

    number: int
    """Its place in the order in which requests came in."""
    time: datetime
    method: str
    path: str
    query: str
    sent_bytes: int = 0
    """Of the request's body."""
    status: int = 0
    """Of the answer that the operator got; 0 where it got none."""
    received_bytes: int = 0
    """Of the answer's body, so far."""
    forwarded: bool = False
    """Whether the API server got it."""
    fate: list[str] = field(default_factory=list)
    """What rules did to it."""

    @property
    def verb(self) -> str:
        """The Kubernetes verb: create, update, patch, delete, get, list or watch."""
        verb = VERBS.get(self.method, self.method.lower())
        if verb == "get" and "watch=" in self.query:
            return "watch"
        return "list" if verb == "get" and not self._part("name") else verb

    @property
    def resource(self) -> str:
        """The plural, with the subresource: `incidents/status`."""
        resource, sub = self._part("resource"), self._part("sub")
        return f"{resource}/{sub}" if sub else resource

    @property
    def namespace(self) -> str:
        return self._part("namespace")

    @property
    def name(self) -> str:
        return self._part("name")

    @property
    def dry(self) -> bool:
        """Whether nothing is to be stored: a query says so, or (a deletion) the body, which is not looked at here."""
        return "dryRun=" in self.query

    @property
    def words(self) -> str:
        """Verb and resource, by which the same request is found again in another run."""
        return f"{self.verb} {self.resource}"

    @property
    def writes(self) -> bool:
        """Whether it stores something that belongs to the story of an Incident."""
        return self.verb in MUTATING and not self.dry and self._part("resource") not in NO_PART_OF_THE_STORY

    @property
    def line(self) -> str:
        """For whoever reads a failure."""
        fate = f"  <- {', '.join(self.fate)}" if self.fate else ""
        return f"{self.number:5} {self.time:%H:%M:%S.%f} {self.words} {self.namespace}/{self.name} {self.status or '-'} {self.received_bytes} B{fate}"

    def _part(self, name: str) -> str:
        found = _PATH.match(self.path)
        return (found[name] or "") if found else ""
