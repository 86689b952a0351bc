"""The box's real Prometheus and Alertmanager, as tests drive them: rules in files, alerts by API, webhook bodies by hand."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .installation import ALERTMANAGER, HOST, PROMETHEUS, WEB, WEB_PORT
from .instants import now, text

ZERO_TIME = "0001-01-01T00:00:00Z"


def _post(url: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, str]:
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=raw, method="POST", headers={"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def reload() -> None:
    """Let Prometheus read its rules again."""
    status, said = _post(f"{PROMETHEUS}/-/reload", None)
    assert status == 200, said


def add_rule(state: Path, namespace: str, alert: str, expression: str, hold: str, labels: dict[str, str]) -> None:
    """Add an alerting rule for one namespace."""
    rule = {"alert": alert, "expr": expression, "for": hold, "labels": labels, "annotations": {"summary": f"{alert} in {namespace}"}}
    _rule_file(state, namespace).write_text(json.dumps({"groups": [{"name": namespace, "rules": [rule]}]}))
    reload()


def forget_rules(state: Path, namespace: str) -> None:
    """Remove the namespace's rules, if there are any."""
    file = _rule_file(state, namespace)
    if file.exists():
        file.unlink()
        reload()


def _rule_file(state: Path, namespace: str) -> Path:
    return state / "prometheus" / "rules" / f"{namespace}.yml"


def query(expression: str) -> list[Any]:
    """What Prometheus answers now."""
    with urllib.request.urlopen(f"{PROMETHEUS}/api/v1/query?{urllib.parse.urlencode({'query': expression})}", timeout=10) as answer:
        return list(json.load(answer)["data"]["result"])


def alertmanager_fire(labels: dict[str, str], *, starts: datetime | None = None, ends: datetime | None = None) -> None:
    """Give Alertmanager an alert as Prometheus would; with `ends` it is resolved then."""
    began = starts or (ends - timedelta(seconds=1) if ends else now())
    alert = {"labels": labels, "annotations": {"summary": f"{labels['alertname']} fires"}, "startsAt": text(began)}
    alert["endsAt"] = text(ends or now() + timedelta(minutes=30))
    status, said = _post(f"{ALERTMANAGER}/api/v2/alerts", [alert])
    assert status == 200, said


def active_alerts(alertname: str) -> list[Any]:
    """What Alertmanager holds active."""
    with urllib.request.urlopen(f"{ALERTMANAGER}/api/v2/alerts", timeout=10) as answer:
        return [one for one in json.load(answer) if one["labels"].get("alertname") == alertname]


def alert(
    labels: dict[str, str], *, status: str = "firing", starts: datetime | str | None = None, ends: datetime | None = None, **more: Any
) -> dict[str, Any]:
    """One member of a webhook body."""
    began = starts if isinstance(starts, str) else text(starts or now())
    ended = text(ends) if ends else (ZERO_TIME if status == "firing" else text(now()))
    annotations = {"summary": f"{labels.get('alertname', 'something')} fires"}
    return {"status": status, "labels": labels, "annotations": annotations, "startsAt": began, "endsAt": ended, "generatorURL": "", **more}


def body(*alerts: Any, peer: str = "http://alertmanager-0:9093", truncated: int = 0, status: str | None = None) -> dict[str, Any]:
    """A webhook body as Alertmanager 0.34 sends it."""
    whole = status or ("firing" if any(isinstance(one, dict) and one.get("status") == "firing" for one in alerts) else "resolved")
    return {
        "receiver": "prunella",
        "status": whole,
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": peer,
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": truncated,
    }


def webhook(content: object, token: str | None, *, path: str = "/api/v1/alertmanager", host: str = HOST, port: int = WEB_PORT) -> int:
    """Post to an operator's webhook; the status of its answer."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return _post(f"http://{host}:{port}{path}", content, headers)[0]


def metrics(name: str, *, port: int = WEB_PORT) -> dict[str, float]:
    """Samples of one of the operator's metrics, by their labels as text."""
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    samples = {}
    for line in lines:
        head, _, value = line.rpartition(" ")
        metric, _, labels = head.partition("{")
        if metric == name:
            samples[labels.rstrip("}")] = float(value)
    return samples


def answers() -> bool:
    """Whether the operator's process answers its liveness probe at all."""
    try:
        with urllib.request.urlopen(f"{WEB}/healthz", timeout=3):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
