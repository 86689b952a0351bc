"""Which kinds there are on the wire: group, plural, scope, and the request that addresses one of them.

The rule this module protects: no name that came from outside can leave its place in a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prunella.api.base import API_VERSION
from prunella.api.common import ObjectRef
from prunella.app.errors import Permanent
from prunella.core.healing.owners.remediators import REMEDIATORS

JSON: Final = "application/json"
JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"

METHODS: Final = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
"""The HTTP method of each verb, as RBAC spells the verbs."""
READS: Final = frozenset({"get", "list", "watch"})
POLICY_NAME: Final = "default"
"""The name of the one HealingPolicy."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: what RBAC calls it, and what goes over the wire. `timeout` is in seconds."""

    verb: str
    path: str
    kind: str = ""
    words: str = ""
    """Verb, resource and namespace as a person would say them: 'patch deployments.apps in shop'."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content_type: str = JSON
    accept: str = JSON
    """How the answer is wanted: all of it, or metadata alone."""
    timeout: float = 10.0
    namespace: str = ""
    """Of the object; empty for what belongs to no namespace."""
    as_user: str | None = None
    """Whom the API server takes it to come from; None: us."""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, so that a lost answer costs nothing."""
        return self.verb in READS


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind as the API server serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def words(self) -> str:
        """As RBAC and kubectl name it: 'deployments.apps'."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def call(
        self,
        verb: str,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout: float = 10.0,
    ) -> Call:
        """The request for one object, or for the collection where `name` is empty. Raises Permanent where a name can't be one."""
        return Call(
            verb=verb,
            path=self._path(namespace, name, subresource),
            kind=self.kind,
            words=f"{verb} {self.words}{f'/{subresource}' if subresource else ''}{f' in {namespace}' if namespace and self.namespaced else ''}",
            query=query or {},
            body=body,
            content_type=content_type,
            timeout=timeout,
            namespace=(namespace or "") if self.namespaced else "",
        )

    def _path(self, namespace: str | None, name: str, subresource: str) -> str:
        segments = ["apis" if self.group else "api", *self.api_version.split("/")]
        if self.namespaced and namespace:
            segments += ["namespaces", _checked(namespace)]
        segments.append(self.plural)
        if name:
            segments.append(_checked(name))
        if subresource:
            segments.append(subresource)
        return "/" + "/".join(segments)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Permanent(f"'{name[:80]}' can't be the name of an object: names are lower case letters, digits, '-' and '.'")
    return name


POD: Final = Resource(api_version="v1", kind="Pod", plural="pods")
NAMESPACE: Final = Resource(api_version="v1", kind="Namespace", plural="namespaces", namespaced=False)
EVENT: Final = Resource(api_version="v1", kind="Event", plural="events")
CONFIG_MAP: Final = Resource(api_version="v1", kind="ConfigMap", plural="configmaps")
LEASE: Final = Resource(api_version="coordination.k8s.io/v1", kind="Lease", plural="leases")
DEPLOYMENT: Final = Resource(api_version="apps/v1", kind="Deployment", plural="deployments")
STATEFUL_SET: Final = Resource(api_version="apps/v1", kind="StatefulSet", plural="statefulsets")
DAEMON_SET: Final = Resource(api_version="apps/v1", kind="DaemonSet", plural="daemonsets")
REPLICA_SET: Final = Resource(api_version="apps/v1", kind="ReplicaSet", plural="replicasets")
CONTROLLER_REVISION: Final = Resource(api_version="apps/v1", kind="ControllerRevision", plural="controllerrevisions")
AUTOSCALER: Final = Resource(api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers")
JOB: Final = Resource(api_version="batch/v1", kind="Job", plural="jobs")
CRON_JOB: Final = Resource(api_version="batch/v1", kind="CronJob", plural="cronjobs")
CLAIM: Final = Resource(api_version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims")
QUOTA: Final = Resource(api_version="v1", kind="ResourceQuota", plural="resourcequotas")
BUDGET: Final = Resource(api_version="policy/v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets")
SERVICE: Final = Resource(api_version="v1", kind="Service", plural="services")
ENDPOINT_SLICE: Final = Resource(api_version="discovery.k8s.io/v1", kind="EndpointSlice", plural="endpointslices")
NODE: Final = Resource(api_version="v1", kind="Node", plural="nodes", namespaced=False)
API_SERVICE: Final = Resource(api_version="apiregistration.k8s.io/v1", kind="APIService", plural="apiservices", namespaced=False)
CERTIFICATE: Final = Resource(api_version="cert-manager.io/v1", kind="Certificate", plural="certificates")
STORAGE_CLASS: Final = Resource(api_version="storage.k8s.io/v1", kind="StorageClass", plural="storageclasses", namespaced=False)
APPLICATION: Final = Resource(api_version="argoproj.io/v1alpha1", kind="Application", plural="applications")
KUSTOMIZATION: Final = Resource(api_version="kustomize.toolkit.fluxcd.io/v1", kind="Kustomization", plural="kustomizations")
HELM_RELEASE: Final = Resource(api_version="helm.toolkit.fluxcd.io/v2", kind="HelmRelease", plural="helmreleases")
VALIDATING: Final = Resource(
    api_version="admissionregistration.k8s.io/v1",
    kind="ValidatingWebhookConfiguration",
    plural="validatingwebhookconfigurations",
    namespaced=False,
)
MUTATING: Final = Resource(
    api_version="admissionregistration.k8s.io/v1", kind="MutatingWebhookConfiguration", plural="mutatingwebhookconfigurations", namespaced=False
)
ACCESS_REVIEW: Final = Resource(
    api_version="authorization.k8s.io/v1", kind="SelfSubjectAccessReview", plural="selfsubjectaccessreviews", namespaced=False
)
WHO_AM_I: Final = Resource(api_version="authentication.k8s.io/v1", kind="SelfSubjectReview", plural="selfsubjectreviews", namespaced=False)
SERVICE_ACCOUNT: Final = Resource(api_version="v1", kind="ServiceAccount", plural="serviceaccounts")
INCIDENT: Final = Resource(api_version=API_VERSION, kind="Incident", plural="incidents")
REMEDIATION: Final = Resource(api_version=API_VERSION, kind="Remediation", plural="remediations")
RUNBOOK: Final = Resource(api_version=API_VERSION, kind="Runbook", plural="runbooks")
HEALING_POLICY: Final = Resource(api_version=API_VERSION, kind="HealingPolicy", plural="healingpolicies", namespaced=False)
ESCALATION_POLICY: Final = Resource(api_version=API_VERSION, kind="EscalationPolicy", plural="escalationpolicies")
CATALOG_ENTRY: Final = Resource(api_version=API_VERSION, kind="CatalogEntry", plural="catalogentries")
WORKLOAD_RECORD: Final = Resource(api_version=API_VERSION, kind="WorkloadRecord", plural="workloadrecords")

OWN: Final = (INCIDENT, REMEDIATION, RUNBOOK, HEALING_POLICY, ESCALATION_POLICY, CATALOG_ENTRY, WORKLOAD_RECORD)
"""Our kinds."""
FOREIGN: Final = (POD, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, CONTROLLER_REVISION, NAMESPACE, AUTOSCALER)
"""Kinds of the cluster that are watched."""
THINGS: Final = (JOB, CRON_JOB, CLAIM, QUOTA, BUDGET, SERVICE, ENDPOINT_SLICE, NODE, API_SERVICE, CERTIFICATE)
"""Kinds of the cluster that are watched where they are served and may be read; the operator does without them."""
NODES_ARE_REMEDIATED_BY: Final = tuple(
    Resource(api_version=one.api_version, kind=kind, plural=plural)
    for one in REMEDIATORS
    for kind, plural in ((one.kind, one.plural), (one.template, one.templates))
)
"""Objects that have a node remediated, and their templates."""
STEPS_READ: Final = (APPLICATION, KUSTOMIZATION, HELM_RELEASE, CONFIG_MAP, LEASE, STORAGE_CLASS, VALIDATING, MUTATING, *NODES_ARE_REMEDIATED_BY)
"""Kinds that are not watched: steps read them, and change some."""
WORKLOADS: Final = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFUL_SET, "DaemonSet": DAEMON_SET}

_BY_KIND: Final = {(resource.api_version, resource.kind): resource for resource in (*FOREIGN, *THINGS, *STEPS_READ, *OWN)}


def resource_of(ref: ObjectRef) -> Resource | None:
    """The resource that a reference means; None for a kind that Prunella doesn't know."""
    return resource_named(ref.api_version, ref.kind)


def resource_named(api_version: str, kind: str) -> Resource | None:
    """The resource of a kind; None for one that Prunella doesn't know."""
    return _BY_KIND.get((api_version, kind))
