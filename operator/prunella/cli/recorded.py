"""Objects as `kubectl get -o yaml` printed them, sorted by kind and translated as the operator's own watches translate them.

The rule it protects: what can't be read is said with its place and never left out, because a decision about half of a workload would look like one
about the whole.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from prunella.adapters.alertmanager.webhook_body import WebhookBody, decode_webhook
from prunella.adapters.kubernetes import decode_things, watched, watched_things, wire_things
from prunella.adapters.kubernetes.resources import AUTOSCALER, CONFIG_MAP, FOREIGN, STORAGE_CLASS
from prunella.adapters.kubernetes.watched import Watched
from prunella.api.base import GROUP
from prunella.api.marks import OPERATOR_NAMESPACE
from prunella.core import configs
from prunella.core.incident import alert_facts
from prunella.core.subject import Thing

from . import judging, recorded_rules
from .documents import Document, FieldPath, Trouble, read
from .recorded_rules import Rules

Kept = Mapping[str, Any]
WATCHED: Final[Mapping[tuple[str, str], Watched[Any]]] = {
    (one.resource.api_version, one.resource.kind): one
    for one in (
        watched.PODS,
        watched.DEPLOYMENTS,
        watched.STATEFUL_SETS,
        watched.DAEMON_SETS,
        watched.REPLICA_SETS,
        watched.CONTROLLER_REVISIONS,
        watched.NAMESPACES,
        watched.AUTOSCALERS,
        watched.INCIDENTS,
        watched.REMEDIATIONS,
        watched.RUNBOOKS,
        watched.HEALING_POLICIES,
        watched.ESCALATION_POLICIES,
        watched.CATALOG_ENTRIES,
        watched.WORKLOAD_RECORDS,
        watched_things.NODES,
        watched_things.JOBS,
        watched_things.CRON_JOBS,
        watched_things.CLAIMS,
        watched_things.CERTIFICATES,
        Watched(CONFIG_MAP, dict[str, Any], configs.read),
        Watched(STORAGE_CLASS, wire_things.Thing, lambda stored: Thing(**decode_things.identity(stored.metadata))),
    )
}
KNOWN_BY_UID: Final = frozenset({"CronJob", "Certificate", "Job", "Node", "PersistentVolumeClaim", "StorageClass"}) | {
    one.kind for one in FOREIGN if one.namespaced and one is not AUTOSCALER
}
CLUSTER_WIDE: Final = frozenset({"Namespace", "HealingPolicy", "Node", "StorageClass"})
ALERTS: Final = "alerts"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
PAST: Final = frozenset(
    {
        "creationTimestamp",
        "finishedAt",
        "lastHealthyTime",
        "lastSeenTime",
        "lastTransitionTime",
        "lastUpdateTime",
        "startedAt",
        "startTime",
        "startsAt",
    }
)
"""Fields that say when something was: the newest of them is the youngest that the files can be. Others may lie ahead, as a deadline does."""
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2067
"""An instant outside of these is nobody's; and between two inside of them lie no more seconds than a duration on an Incident may have."""
INSTANTS: Final = PAST | {"deletionTimestamp", "endsAt"}
PEOPLES: Final = frozenset({"annotations", "binaryData", "data", "labels", "managedFields", "template"})
"""Parts in which a field may have any name."""
_PATH: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


@dataclass(slots=True)
class Recorded:
    """What the files hold, by kind."""

    of: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Kind → its objects, as the operator's cache would hold them, in the order of their names."""
    raw: dict[str, Kept] = field(default_factory=dict)
    """Uid → a workload or a revision as JSON."""
    bodies: list[WebhookBody] = field(default_factory=list)
    """Bodies of Alertmanager's webhook."""
    rules: Rules = field(default_factory=Rules)
    """How long alerts have to hold, from PrometheusRules."""
    newest: datetime | None = None
    """The youngest instant in them."""
    objects: int = 0
    left: Counter[str] = field(default_factory=Counter)
    """Kinds that nothing is decided by, and how many of each there were."""


def objects_in(paths: Iterable[Path]) -> tuple[list[Document], list[Trouble]]:
    """Every object of the files, those of a List one by one; and what is wrong with the files as YAML."""
    found = read(paths)
    return [one for document in found.documents for one in _members(document)], found.troubles


def recorded(documents: Sequence[Document]) -> tuple[Recorded, list[Trouble]]:
    """The objects by kind, and everything that is wrong with them."""
    made, troubles = Recorded(), _judged(documents)
    seen: set[tuple[str, str, str]] = set()
    broken = {id(one) for one, _ in troubles}
    said = [trouble for _, trouble in troubles]
    for document in documents:
        if id(document) not in broken:
            said += _take(document, made, seen)
    for kind in made.of:
        made.of[kind].sort(key=_name)
    return made, said


def _judged(documents: Sequence[Document]) -> list[tuple[Document, Trouble]]:
    """What `lint` says of our own kinds. Warnings are about files that are still to be applied: these were."""
    found = []
    for document in documents:
        if isinstance(document.data, dict) and str(document.data.get("apiVersion", "")).partition("/")[0] == GROUP:
            found += [(document, one) for one in judging.judge([document])[0] if not one.warning]
    return found


def _members(document: Document) -> Iterator[Document]:
    data = document.data
    if not isinstance(data, dict) or not str(data.get("kind", "")).endswith("List") or not isinstance(data.get("items"), list):
        yield document
        return
    places: dict[object, dict[FieldPath, tuple[int, int]]] = defaultdict(dict)
    for path, place in document.places.items():
        if path[:1] == ("items",) and len(path) > 1:
            places[path[1]][path[2:]] = place
    of_list = str(data["kind"]).removesuffix("List")
    for index, item in enumerate(data["items"]):
        named = {"apiVersion": data.get("apiVersion"), "kind": of_list} if of_list and isinstance(item, dict) else {}
        yield Document(file=document.file, data={**named, **item} if isinstance(item, dict) else item, places=places[index])


def _take(document: Document, made: Recorded, seen: set[tuple[str, str, str]]) -> Iterator[Trouble]:
    """Put one object in its place, or say why it can't be."""
    data = document.data
    if not isinstance(data, dict):
        yield document.trouble((), "it is no object: give what `kubectl get -o yaml` prints")
        return
    if isinstance(data.get(ALERTS), list) and "kind" not in data:
        yield from _alerts(document, made)
        return
    kind = str(data.get("kind", ""))
    if not kind or not isinstance(data.get("apiVersion"), str):
        yield document.trouble(
            (), "it has no apiVersion and kind, and no `alerts`: give what `kubectl get -o yaml` prints, or a body of Alertmanager"
        )
        return
    if (data["apiVersion"], kind) == recorded_rules.KIND:
        why = made.rules.take(data)
        made.objects += 1
        yield from [document.trouble(("spec",), why)] if why is not None else []
        return
    reader = WATCHED.get((data["apiVersion"], kind))
    if reader is None:
        made.left[kind] += 1
        return
    wrong = [*_identity(document, kind), *_instants(document, made)]
    yield from wrong
    if wrong:
        return
    meta = data["metadata"]
    key = (kind, str(meta.get("namespace", "")), meta["name"])
    if key in seen:
        yield document.trouble(("metadata", "name"), f"{kind} {'/'.join(filter(None, key[1:]))} stands twice: which of them is meant?")
        return
    seen.add(key)
    yield from _read(document, reader, kind, made)


def _read(document: Document, reader: Watched[Any], kind: str, made: Recorded) -> Iterator[Trouble]:
    try:
        plain = msgspec.json.decode(msgspec.json.encode(document.data))
    except (msgspec.MsgspecError, ArithmeticError, RecursionError, TypeError, ValueError) as error:
        yield document.trouble((), f"it is no JSON: {error}")
        return
    if kind == "Runbook":
        plain["metadata"].setdefault("namespace", OPERATOR_NAMESPACE)
    try:
        one = reader.page(msgspec.json.encode({"items": [plain]}))[0][0]
        why = one.why if one.value is None else ""
    except msgspec.ValidationError as error:  # its very metadata can't be read
        why = str(error)
    if why:
        path, message = _placed(why)
        yield document.trouble(path, f"{message}; give it as `kubectl get -o yaml` prints it")
        return
    made.objects += 1
    made.of[kind].append(one.value)
    if one.uid:
        made.raw[one.uid] = plain


def _alerts(document: Document, made: Recorded) -> Iterator[Trouble]:
    wrong = list(_instants(document, made))
    yield from wrong
    body = decode_webhook(msgspec.json.encode(document.data)) if not wrong else None
    if not isinstance(body, WebhookBody):
        return
    for index, alert in enumerate(body.alerts):
        read_one = alert_facts.read_alert(alert, EPOCH)
        if isinstance(read_one, alert_facts.Malformed):
            yield document.trouble((ALERTS, index), f"alerts[{index}]: {read_one.why}; give the body as Alertmanager sends it to a webhook")
    made.objects += len(body.alerts)
    made.bodies.append(body)


def _identity(document: Document, kind: str) -> Iterator[Trouble]:
    meta = document.data.get("metadata")
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str) or not meta["name"]:
        yield document.trouble(("metadata",), "metadata.name is missing")
        return
    if kind not in CLUSTER_WIDE and kind != "Runbook" and not meta.get("namespace"):
        yield document.trouble(("metadata",), "metadata.namespace is missing: `kubectl get -o yaml` prints it")
    if kind in KNOWN_BY_UID and not meta.get("uid"):
        yield document.trouble(("metadata",), "metadata.uid is missing: give the object as `kubectl get -o yaml` prints it, not the manifest")


def _instants(document: Document, made: Recorded) -> Iterator[Trouble]:
    """Take the newest instant along. One without a time zone can't be compared with others."""
    for path, value in _times(document.data, ()):
        try:
            instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            instant = None
        if not isinstance(instant, datetime) or instant.tzinfo is None or (path[-1] in PAST and not FIRST_YEAR <= instant.year <= LAST_YEAR):
            name = ".".join(map(str, path))
            yield document.trouble(path, f"{name} must be an instant with a time zone, for example '2026-11-24T09:41:07Z', not '{value}'")
        elif path[-1] in PAST:
            made.newest = max(instant.astimezone(UTC), made.newest or EPOCH)


def _times(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in INSTANTS and inner is not None and not isinstance(inner, dict | list):
                yield (*path, key), inner
            elif key not in PEOPLES:
                yield from _times(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _times(inner, (*path, index))


def _placed(why: str) -> tuple[FieldPath, str]:
    """The field that a decoder complains about, and its sentence. Where it names no member of a list, the list is shown."""
    found = _PATH.search(why)
    if found is not None:
        spelled = found["path"]
        parts = re.findall(r"\w+", spelled.partition("[...]")[0])
        return _path(parts), f"{spelled}: {why[: found.start()]}"
    head = why.partition(":")[0]
    return (_path(head.split(".")) if " " not in head else ()), why


def _path(parts: Sequence[str]) -> FieldPath:
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def _name(one: Any) -> tuple[str, str]:
    meta = getattr(one, "metadata", one)
    return (getattr(meta, "namespace", None) or "", meta.name)
