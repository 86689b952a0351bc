"""Workloads that break in one known way each, made of the box's tiny images. What each really does on a node is shown by `test_fixtures.py`."""

from __future__ import annotations

import copy
from typing import Any

from .api import API_VERSIONS, Object

GOOD_IMAGE = "localhost/box:v1"
SERVE = ["/bin/run", "httpd", "-f", "-p", "8080", "-h", "/www"]
SWITCH = "/switch/crash"


def shell(script: str) -> list[str]:
    """A command that takes SIGTERM as process 1."""
    return ["/bin/run", "sh", "-c", script]


CRASH = ["sh", "-c", "echo 'FATAL: unknown flag --cache-size' >&2; exit 1"]
EXIT_ZERO = ["sh", "-c", "echo done; exit 0"]
SWITCHED = shell(f"httpd -p 8080 -h /www; while ! test -e {SWITCH}; do sleep 0.2; done; echo 'FATAL: the dependency is gone' >&2; exit 1")
"""Runs well until somebody touches SWITCH, then crashes for ever: the file outlives the container."""
CRASH_LATER = ["sh", "-c", "httpd -p 8080 -h /www; sleep 30; echo 'FATAL: lease lost' >&2; exit 1"]
"""Serves for half a minute, so that its rollout is complete before it crashes."""


def answers(path: str = "/", **more: Any) -> Object:
    """A readiness probe by HTTP: the kubelet asks itself, so it costs next to nothing; and what crashes at once is never Ready for a moment."""
    return {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 5, **more}


def container(*, command: list[str] | None = None, image: str = GOOD_IMAGE, **more: Any) -> Object:
    """One container named app that serves on port 8080 and is ready when it answers."""
    named = {"name": "app", "image": image, "imagePullPolicy": "IfNotPresent", "command": command or SERVE}
    made = named | {"readinessProbe": answers()} | more
    return {key: value for key, value in made.items() if value is not None}


def template(name: str, app: Object, *, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A pod template of one container; pods end within a second."""
    return {
        "metadata": {"labels": {"app": name, **(labels or {})}},
        "spec": {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "containers": [app], **spec},
    }


def workload(kind: str, name: str, namespace: str, pod: Object, *, replicas: int = 2, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A Deployment, StatefulSet or DaemonSet of that template."""
    body: Object = {"selector": {"matchLabels": {"app": name}}, "template": pod}
    if kind == "Deployment":
        body |= {"replicas": replicas}
    if kind == "StatefulSet":
        body |= {"replicas": replicas, "serviceName": name}
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name, **(labels or {})}}
    return {"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": metadata, "spec": body | spec}


def deployment(name: str, namespace: str, *, replicas: int = 2, command: list[str] | None = None, **more: Any) -> Object:
    """A Deployment that runs well."""
    return workload("Deployment", name, namespace, template(name, container(command=command)), replicas=replicas, **more)


def changed(original: Object, **app: Any) -> Object:
    """The same workload with some fields of its container replaced; None removes one."""
    made = copy.deepcopy(original)
    holder = made["spec"]["template"]["spec"]["containers"][0]
    for key, value in app.items():
        if value is None:
            holder.pop(key, None)
        else:
            holder[key] = value
    return made


def respun(original: Object, version: str) -> Object:
    """The same workload, rolled out anew: the template differs in one annotation."""
    made = copy.deepcopy(original)
    made["spec"]["template"]["metadata"].setdefault("annotations", {})["example.com/version"] = version
    return made


def with_pod_spec(original: Object, **spec: Any) -> Object:
    """The same workload with some fields of its pod spec replaced."""
    made = copy.deepcopy(original)
    made["spec"]["template"]["spec"] |= spec
    return made


def with_switch(original: Object) -> Object:
    """The same workload with a place for the crash switch that outlives its containers."""
    made = with_pod_spec(original, volumes=[{"name": "switch", "emptyDir": {}}])
    return changed(made, command=SWITCHED, volumeMounts=[{"name": "switch", "mountPath": "/switch"}])


def from_config(original: Object, config: str, key: str) -> Object:
    """The same workload with an environment variable from a ConfigMap's key."""
    reference = {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": config, "key": key}}}
    return changed(original, env=[reference])


def mounting(original: Object, config: str) -> Object:
    """The same workload with a ConfigMap mounted."""
    made = with_pod_spec(original, volumes=[{"name": "settings", "configMap": {"name": config}}])
    return changed(made, volumeMounts=[{"name": "settings", "mountPath": "/settings"}])


def config_map(name: str, namespace: str, **data: str) -> Object:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def autoscaler(name: str, namespace: str, target: str, least: int, most: int) -> Object:
    """A HorizontalPodAutoscaler of a Deployment."""
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [metric],
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def shop(namespace: str, *, ratio: float, replicas: int = 2) -> Object:
    """A Deployment whose pods serve an error ratio to Prometheus."""
    serve = f"mkdir -p /tmp/www; echo 'shop_error_ratio {ratio}' > /tmp/www/metrics; httpd -f -p 8080 -h /tmp/www"
    made = changed(deployment("shop", namespace, replicas=replicas, command=shell(serve)), readinessProbe=answers("/metrics"))
    made["spec"]["template"]["metadata"]["annotations"] = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    return made
