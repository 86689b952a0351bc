"""One user's view of the API server: the few calls that tests make, over plain HTTP, so that nothing hides what was asked and what was answered."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

Object = dict[str, Any]

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
OURS = "apis/prunella.dev/v1alpha1"
KINDS: dict[str, tuple[str, str, bool]] = {
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "Pod": ("api/v1", "pods", True),
    "ConfigMap": ("api/v1", "configmaps", True),
    "Secret": ("api/v1", "secrets", True),
    "ResourceQuota": ("api/v1", "resourcequotas", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "Event": ("api/v1", "events", True),
    "Lease": ("apis/coordination.k8s.io/v1", "leases", True),
    "Deployment": ("apis/apps/v1", "deployments", True),
    "StatefulSet": ("apis/apps/v1", "statefulsets", True),
    "DaemonSet": ("apis/apps/v1", "daemonsets", True),
    "ReplicaSet": ("apis/apps/v1", "replicasets", True),
    "ControllerRevision": ("apis/apps/v1", "controllerrevisions", True),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers", True),
    "Job": ("apis/batch/v1", "jobs", True),
    "CronJob": ("apis/batch/v1", "cronjobs", True),
    "PersistentVolume": ("api/v1", "persistentvolumes", False),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims", True),
    "Service": ("api/v1", "services", True),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices", True),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "ValidatingWebhookConfiguration": ("apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", False),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "APIService": ("apis/apiregistration.k8s.io/v1", "apiservices", False),
    "Certificate": ("apis/cert-manager.io/v1", "certificates", True),
    "Kustomization": ("apis/kustomize.toolkit.fluxcd.io/v1", "kustomizations", True),
    "Widget": ("apis/example.com/v1", "widgets", True),
    "HealingPolicy": (OURS, "healingpolicies", False),
    "Incident": (OURS, "incidents", True),
    "Remediation": (OURS, "remediations", True),
    "Runbook": (OURS, "runbooks", True),
    "EscalationPolicy": (OURS, "escalationpolicies", True),
    "CatalogEntry": (OURS, "catalogentries", True),
    "WorkloadRecord": (OURS, "workloadrecords", True),
}
API_VERSIONS = {kind: prefix.split("/", 1)[1] for kind, (prefix, _, _) in KINDS.items()}


class Refused(Exception):
    """The API server said no."""

    def __init__(self, status: int, message: str, body: Object) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.body = body


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and decoded body."""

    status: int
    body: Object

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def path_of(kind: str, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
    """The URL path of a kind, or of one object of it."""
    prefix, plural, namespaced = KINDS[kind]
    parts = [prefix, *(["namespaces", namespace] if namespaced and namespace else []), plural, *([quote(name)] if name else [])]
    return "/" + "/".join([*parts, *([subresource] if subresource else [])])


class _Connection(http.client.HTTPSConnection):
    """Closes itself when its thread is gone."""

    def __del__(self) -> None:
        self.close()


class Api:
    """The API server as one user sees it. Every thread keeps a connection of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        context = next(one["context"] for one in config["contexts"] if one["name"] == config["current-context"])
        cluster = next(one["cluster"] for one in config["clusters"] if one["name"] == context["cluster"])
        user = next(one["user"] for one in config["users"] if one["name"] == context["user"])
        url = urlsplit(cluster["server"])
        self.host, self.port = url.hostname or "", url.port or 443
        self._tls = ssl.create_default_context(cafile=_file(cluster, "certificate-authority"))
        self._headers: dict[str, str] = {}
        self._mine = threading.local()
        if "token" in user:
            self._headers["Authorization"] = f"Bearer {user['token']}"
        else:
            self._tls.load_cert_chain(str(_file(user, "client-certificate")), str(_file(user, "client-key")))

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json", seconds: float = 15) -> Answer:
        """One request, one answer; raises OSError where there was none."""
        headers = self._headers | ({"Content-Type": content_type} if body is not None else {})
        data = None if body is None else json.dumps(body)
        kept: http.client.HTTPSConnection | None = getattr(self._mine, "connection", None)
        connection = kept or _Connection(self.host, self.port, timeout=seconds, context=self._tls)
        self._mine.connection = None
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            if kept is None:
                raise
            # The server may have closed what was kept; on a new connection it is one try.
            return self.request(method, path, body, content_type, seconds)
        self._mine.connection = connection
        try:
            decoded = json.loads(raw) if raw else {}
        except ValueError:
            decoded = {"message": raw.decode(errors="replace")}
        return Answer(answer.status, decoded)

    def _must(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Object:
        answer = self.request(method, path, body, content_type)
        if not answer.ok:
            raise Refused(answer.status, str(answer.body.get("message", "")), answer.body)
        return answer.body

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None where there is none."""
        answer = self.request("GET", path_of(kind, namespace, name))
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        if not answer.ok:
            raise Refused(answer.status, str(answer.body.get("message", "")), answer.body)
        return answer.body

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """The object, which must be there."""
        return self._must("GET", path_of(kind, namespace, name))

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind, with apiVersion and kind, which lists leave out."""
        query = f"?labelSelector={quote(selector)}" if selector else ""
        items: list[Object] = self._must("GET", path_of(kind, namespace) + query).get("items") or []
        return [{"apiVersion": API_VERSIONS[kind], "kind": kind, **item} for item in items]

    def create(self, made: Object) -> Object:
        """Create it as it stands."""
        return self._must("POST", path_of(made["kind"], made["metadata"].get("namespace")), made)

    def replace(self, made: Object, subresource: str = "") -> Object:
        """Put the whole object back."""
        meta = made["metadata"]
        return self._must("PUT", path_of(made["kind"], meta.get("namespace"), meta["name"], subresource), made)

    def patch(self, kind: str, name: str, change: object, namespace: str | None = None, *, how: str = "merge", subresource: str = "") -> Object:
        """Change it; `how` is merge, json or strategic."""
        return self._must("PATCH", path_of(kind, namespace, name, subresource), change, PATCH_TYPES[how])

    def apply(self, made: Object, manager: str = "tests") -> Object:
        """Create or change it by server-side apply, with force: for what the tests themselves own."""
        meta = made["metadata"]
        path = path_of(made["kind"], meta.get("namespace"), meta["name"]) + f"?fieldManager={manager}&force=true"
        return self._must("PATCH", path, made, PATCH_TYPES["apply"])

    def delete(self, kind: str, name: str, namespace: str | None = None, *, grace: int | None = None) -> None:
        """Delete it; one that is gone already is fine."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **({} if grace is None else {"gracePeriodSeconds": grace})}
        answer = self.request("DELETE", path_of(kind, namespace, name), body)
        if not answer.ok and answer.status != http.HTTPStatus.NOT_FOUND:
            raise Refused(answer.status, str(answer.body.get("message", "")), answer.body)

    def log(self, namespace: str, pod: str, *, previous: bool = False) -> str:
        """What a pod printed."""
        answer = self.request("GET", path_of("Pod", namespace, pod, "log") + ("?previous=true" if previous else ""))
        return str(answer.body.get("message", ""))

    def open(self, path: str) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        """An answer that does not end, such as a watch; closing the connection ends it."""
        connection = http.client.HTTPSConnection(self.host, self.port, context=self._tls)
        connection.request("GET", path, headers=self._headers)
        return connection, connection.getresponse()


def _file(part: Object, key: str) -> str | None:
    """The file that a kubeconfig names, or one made of the data that it holds."""
    if key in part:
        return str(part[key])
    data = part.get(f"{key}-data")
    if data is None:
        return None
    with tempfile.NamedTemporaryFile(delete=False, suffix=".pem") as file:
        file.write(base64.b64decode(data))
    return file.name
