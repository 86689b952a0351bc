"""Prometheus and Alertmanager as they come from Debian, with intervals of a second.

Tests write rules to `<state>/prometheus/rules/*.yml` and reload. Alertmanager repeats every ten seconds on purpose: whoever receives must cope with
hearing the same thing again.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any

import components
from layout import ALERTMANAGER_PORT, HOST, NODES, PROMETHEUS_PORT, SOURCE, WEBHOOK_URL, Box

PROMETHEUS = "prometheus"
ALERTMANAGER = "alertmanager"
DISCOVERY = "discovery"
DISCOVERY_PORT = 9089
PARTS = (DISCOVERY, PROMETHEUS, ALERTMANAGER)


def _write(path: Path, config: object) -> None:
    """Write JSON, which is YAML."""
    path.write_text(json.dumps(config, indent=2) + "\n")


def _kubelets(box: Box, job: str, path: str) -> dict[str, Any]:
    tls = {"ca_file": str(box.pki / "ca.crt"), "cert_file": str(box.pki / "kubelet-client.crt"), "key_file": str(box.pki / "kubelet-client.key")}
    targets = [{"targets": [f"{node.address}:10250"], "labels": {"node": node.name}} for node in NODES]
    # cAdvisor's own timestamps lie up to 20 s apart within one scrape.
    timing = {"scrape_interval": "5s", "scrape_timeout": "4s", "honor_timestamps": False}
    return {"job_name": job, "scheme": "https", "metrics_path": path, "tls_config": tls, "static_configs": targets, **timing}


def _prometheus(box: Box) -> None:
    folder = box.state / PROMETHEUS
    (folder / "rules").mkdir(parents=True)
    alertmanagers = {"api_version": "v2", "static_configs": [{"targets": [f"{HOST}:{ALERTMANAGER_PORT}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules" / "*.yml")],
        "alerting": {"alertmanagers": [alertmanagers]},
        "scrape_configs": [
            {"job_name": PROMETHEUS, "static_configs": [{"targets": [f"{HOST}:{PROMETHEUS_PORT}"]}]},
            {"job_name": "pods", "http_sd_configs": [{"url": f"http://127.0.0.1:{DISCOVERY_PORT}", "refresh_interval": "1s"}]},
            _kubelets(box, "kubelet", "/metrics"),
            _kubelets(box, "cadvisor", "/metrics/cadvisor"),
        ],
    }
    _write(folder / "prometheus.yml", config)
    argv = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=0.0.0.0:{PROMETHEUS_PORT}",
        "--web.enable-lifecycle",
        "--query.lookback-delta=15s",
        # For some seconds after a reload it knows no Alertmanager and drops what fires: say it again soon, not after a minute.
        "--rules.alert.resend-delay=3s",
        "--log.level=warn",
    ]
    components.record(box, PROMETHEUS, argv)


def _alertmanager(box: Box) -> None:
    folder = box.state / ALERTMANAGER
    folder.mkdir()
    token = folder / "token"
    token.write_text(secrets.token_urlsafe(32))
    webhook = {
        "url": WEBHOOK_URL,
        "send_resolved": True,
        "max_alerts": 0,
        "http_config": {"authorization": {"type": "Bearer", "credentials_file": str(token)}, "follow_redirects": False},
    }
    route = {
        "receiver": "prunella",
        "group_by": ["alertname", "namespace"],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "10s",
    }
    _write(
        folder / "alertmanager.yml",
        {"global": {"resolve_timeout": "5s"}, "route": route, "receivers": [{"name": "prunella", "webhook_configs": [webhook]}]},
    )
    # A folder that can be handed to the operator as it is.
    (box.state / "tokens").mkdir()
    (box.state / "tokens" / ALERTMANAGER).write_text(token.read_text())
    argv = [
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=0.0.0.0:{ALERTMANAGER_PORT}",
        "--cluster.listen-address=",  # it is alone: don't look for peers
        "--log.level=warn",
    ]
    components.record(box, ALERTMANAGER, argv)


def record(box: Box) -> None:
    """Write the configurations and down how all are started."""
    components.record(box, DISCOVERY, [sys.executable, str(SOURCE / "discovery.py"), str(box.state), str(DISCOVERY_PORT)])
    _prometheus(box)
    _alertmanager(box)
