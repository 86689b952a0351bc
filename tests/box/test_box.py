"""The cluster in a box keeps its promises: real nodes, real failures, people with names, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.box.cluster import Cluster, eventually

pytestmark = pytest.mark.box

SERVE_METRIC = ["/bin/run", "sh", "-c", 'echo "orders 5" > /www/metrics; exec httpd -f -p 8080 -h /www']
RECEIVE_ONE = """
import http.server
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(self.path, self.headers["Authorization"], body, sep="\\n", flush=True)
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("192.0.2.1", 8080), Receiver).handle_request()
"""


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("box")


@pytest.fixture(scope="module")
def two(temporary: Path) -> Iterator[tuple[Cluster, Cluster]]:
    """Two boxes, started at the same time; their names are in the host's cgroups, so they carry our pid."""
    first, second = (Cluster(f"t{os.getpid()}{letter}", temporary) for letter in "ab")
    starts = [first.start("up", "--expose"), second.start("up", "--no-monitoring", "--kwok")]
    outputs = [start.communicate(timeout=100) for start in starts]
    try:
        assert [start.returncode for start in starts] == [0, 0], outputs
        yield first, second
    finally:
        first.box("down")
        second.box("down")


@pytest.fixture
def box(two: tuple[Cluster, Cluster]) -> Cluster:
    return two[0]


@pytest.fixture
def other(two: tuple[Cluster, Cluster]) -> Cluster:
    return two[1]


def test_both_nodes_are_ready_and_real(box: Cluster) -> None:
    nodes = box.get("nodes")["items"]
    conditions = {node["metadata"]["name"]: {c["type"]: c["status"] for c in node["status"]["conditions"]} for node in nodes}
    assert {name: found["Ready"] for name, found in conditions.items()} == {"node-1": "True", "node-2": "True"}
    assert all(node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://") for node in nodes)
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {"v1.35.4"}


def test_kubelets_that_start_at_once_do_not_find_each_other_in_the_folder_that_each_empties(box: Cluster) -> None:
    kubelets = box.run("pgrep", "-x", "kubelet").split()
    sockets = [box.run("nsenter", "--mount", "-t", pid, "stat", "-c", "%d %i", "/var/lib/kubelet/device-plugins/kubelet.sock") for pid in kubelets]
    assert len(set(sockets)) == len(kubelets) == 2
    assert not box.run("ls", "/var/lib/kubelet/device-plugins")


def test_a_pod_runs_answers_and_is_logged(box: Cluster) -> None:
    box.start_pod("web", "localhost/box:v2", readinessProbe={"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1})
    address = box.wait_running("web")
    assert box.fetch(f"http://{address}:8080/") == "v2\n"
    box.start_pod("talk", "localhost/box:v1", command=["sh", "-c", "for i in 1 2 3; do echo line $i; done; exec sleep 60"])
    box.wait_running("talk")
    assert box.kubectl("logs", "talk") == "line 1\nline 2\nline 3\n"
    assert box.kubectl("exec", "talk", "--", "wget", "-qO-", f"http://{address}:8080/") == "v2\n"


def test_a_service_is_reached_and_an_unknown_one_refuses_at_once(box: Cluster) -> None:
    box.start_pod("served", "localhost/box:v3")
    box.wait_running("served")
    box.kubectl("expose", "pod", "served", "--port=80", "--target-port=8080")
    address = box.get("service", "served")["spec"]["clusterIP"]
    assert eventually(lambda: box.attempt("run", "--", "busybox", "wget", "-qO-", f"http://{address}").stdout) == "v3\n"
    refused = box.attempt("run", "--", "busybox", "wget", "-qO-", "http://10.96.255.254")
    assert "Connection refused" in refused.stderr
    unresolved = box.attempt("run", "--", "kubectl", "exec", "served", "--", "nslookup", "nobody.example")
    assert "Connection refused" in unresolved.stderr


def test_a_pod_that_is_deleted_stops_at_once(box: Cluster) -> None:
    box.kubectl("run", "brief", "--image=localhost/box:v1")
    box.wait_running("brief")
    began = time.monotonic()
    box.kubectl("delete", "pod", "brief", "--wait")
    assert time.monotonic() - began < 10  # its grace period is 30 s: the image's process 1 listens to SIGTERM


def test_the_registry_serves_every_blob_of_an_image_that_no_node_has(box: Cluster) -> None:
    box.start_pod("fresh", "reg.local/fresh:v1")
    address = box.wait_running("fresh")
    assert box.fetch(f"http://{address}:8080/") == "fresh\n"
    fetched = [line for line in (box.state / "logs/registry.log").read_text().splitlines() if '"GET /v2/fresh/' in line]
    assert sum("/blobs/" in line for line in fetched) >= 3  # a config and two layers
    assert any("/manifests/" in line for line in fetched)


FAILURES = {
    "reg.local/box:v9": "not found",
    "reg.local/unauthorized/box:v1": "401 Unauthorized",
    "reg.local/forbidden/box:v1": "403 Forbidden",
    "reg.local/busy/box:v1": "429 Too Many Requests",
    "reg.local/broken/box:v1": "503 Service Unavailable",
    "down.local/box:v1": "connection refused",
}


def _pull_failure(box: Cluster, name: str) -> tuple[str, str] | None:
    reason, message = box.waiting(name)
    return (reason, message) if "Pull" in reason else None


def test_the_registry_fails_as_registries_do(box: Cluster) -> None:
    names = {image: f"pull-{number}" for number, image in enumerate(FAILURES)}
    for image, name in names.items():
        box.start_pod(name, image, imagePullPolicy="Always")
    for image, name in names.items():
        reason, message = eventually(partial(_pull_failure, box, name)) or ("", "")
        assert reason in {"ErrImagePull", "ImagePullBackOff"}
        assert FAILURES[image] in message


def test_a_registry_that_is_stopped_refuses_connections_until_it_is_started(box: Cluster) -> None:
    box.box("registry", "stop")
    box.start_pod("late", "reg.local/box:v4", imagePullPolicy="Always")
    _, message = eventually(partial(_pull_failure, box, "late")) or ("", "")
    assert "connection refused" in message
    box.box("registry", "start")
    box.start_pod("later", "reg.local/box:v4", imagePullPolicy="Always")
    box.wait_running("later")


def test_people_are_who_their_certificates_say(box: Cluster) -> None:
    who = json.loads(box.as_user("ana", "auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert (who["username"], sorted(who["groups"])) == ("ana", ["sre", "system:authenticated"])
    refused = box.attempt("run", "--", "kubectl", f"--kubeconfig={box.state}/users/ben.kubeconfig", "get", "secrets")
    assert 'User "ben" cannot list resource "secrets"' in refused.stderr
    path = box.box("user", "mia", "sre", "oncall").strip()
    assert path == str(box.state / "users/mia.kubeconfig")
    assert json.loads(box.as_user("mia", "auth", "whoami", "-o", "json"))["status"]["userInfo"]["groups"][:2] == ["sre", "oncall"]


def test_the_audit_log_knows_who_wrote_what_and_holds_no_reads(box: Cluster) -> None:
    box.kubectl("create", "clusterrolebinding", "sre", "--clusterrole=edit", "--group=sre")
    eventually(lambda: box.attempt("run", "--", "kubectl", "auth", "can-i", "create", "cm", "--as=x", "--as-group=sre").returncode == 0)
    box.as_user("ana", "create", "configmap", "hers", "--from-literal=color=plum")
    event = eventually(lambda: box.audit("create", "configmaps", "hers"))
    assert event
    assert event["user"]["username"] == "ana"
    assert event["level"] == "RequestResponse"
    assert event["requestObject"]["data"] == {"color": "plum"}
    events = [json.loads(line) for line in (box.state / "audit.log").read_text().splitlines()]
    assert not {event["verb"] for event in events} & {"get", "list", "watch"}
    assert {event["stage"] for event in events} <= {"ResponseComplete", "ResponseStarted", "Panic"}
    nodes = [e for e in events if "system:nodes" in e["user"]["groups"] and e["objectRef"]["resource"] in {"pods", "nodes"} and e["verb"] == "patch"]
    assert {event["level"] for event in nodes} == {"Metadata"}


def test_prometheus_scrapes_and_alertmanager_delivers_with_a_token(box: Cluster) -> None:
    assert box.fetch("http://192.0.2.1:9093/-/ready") == "OK"
    receiver = box.start("run", "--", sys.executable, "-c", RECEIVE_ONE)
    rule = {"alert": "Orders", "expr": 'orders{app="shop"} > 3', "labels": {"severity": "page"}}
    (box.state / "prometheus/rules/test.yml").write_text(json.dumps({"groups": [{"name": "test", "rules": [rule]}]}))
    box.fetch("http://192.0.2.1:9090/-/reload", "POST")
    box.start_pod("shop", "localhost/box:v1", {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}, command=SERVE_METRIC)
    path, token, body, *_ = receiver.communicate(timeout=60)[0].splitlines()
    assert path == "/api/v1/alertmanager"
    assert token == "Bearer " + (box.state / "tokens/alertmanager").read_text()
    assert json.loads(body)["commonLabels"]["alertname"] == "Orders"
    labels = box.prometheus("orders")[0]["metric"]
    assert (labels["namespace"], labels["pod"], labels["app"]) == ("default", "shop", "shop")


def test_prometheus_sees_the_containers_of_both_kubelets(box: Cluster) -> None:
    box.start_pod("measured", "localhost/box:v1")
    box.wait_running("measured")
    query = "container_memory_working_set_bytes%7Bpod%3D%22measured%22%2Ccontainer%3D%22app%22%7D"
    assert eventually(lambda: box.prometheus(query))
    # A node whose kubelet was not there yet at its first scrape comes with the next one.
    up = "up%7Bjob%3D%22cadvisor%22%7D%3D%3D1"
    assert eventually(lambda: {found["metric"]["node"] for found in box.prometheus(up)} == {"node-1", "node-2"})


def test_a_crash_loop_comes_round_every_few_seconds(box: Cluster) -> None:
    box.start_pod("crash", "localhost/box:v1", command=["sh", "-c", "echo FATAL; exit 3"])
    eventually(lambda: box.get("pod", "crash")["status"].get("containerStatuses", [{}])[0].get("restartCount", 0) >= 3)
    # A kubelet may just be removing the last container but one: ask until it shows the last one.
    eventually(lambda: box.attempt("run", "--", "kubectl", "logs", "crash", "--previous").stdout == "FATAL\n")


def test_two_boxes_know_nothing_of_each_other(box: Cluster, other: Cluster) -> None:
    box.start_pod("same", "localhost/box:v1")
    other.start_pod("same", "localhost/box:v4")
    addresses = box.wait_running("same"), other.wait_running("same")
    assert (box.fetch(f"http://{addresses[0]}:8080/"), other.fetch(f"http://{addresses[1]}:8080/")) == ("v1\n", "v4\n")


def test_kwok_runs_pods_that_are_not_there_and_keeps_real_ones_out(other: Cluster) -> None:
    fake = {"nodeSelector": {"type": "kwok"}, "tolerations": [{"key": "kwok", "operator": "Exists"}]}
    containers = [{"name": "app", "image": "fake/ok:1"}]
    template = {"metadata": {"labels": {"app": "many"}}, "spec": fake | {"containers": containers}}
    spec = {"replicas": 20, "selector": {"matchLabels": {"app": "many"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"}, "spec": spec}
    crash = fake | {"containers": [{"name": "app", "image": "fake/crash:1"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fakecrash"}, "spec": crash}
    other.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [deployment, pod]}))
    other.kubectl("rollout", "status", "deployment/many", "--timeout=30s")
    assert eventually(lambda: other.waiting("fakecrash")[0]) == "CrashLoopBackOff"
    eventually(lambda: other.get("pod", "fakecrash")["status"]["containerStatuses"][0]["restartCount"] >= 2)
    other.kubectl("label", "node", "kwok-2", "box/notready=1")
    other.kubectl("wait", "--for=condition=Ready=false", "node/kwok-2", "--timeout=20s")
    other.kubectl("delete", "deployment", "many")
    eventually(lambda: not other.get("pods", "-l", "app=many")["items"])


def test_components_can_be_broken_and_mended_from_inside_too(other: Cluster) -> None:
    other.kubectl("create", "configmap", "kept")
    other.box("restart", "apiserver")
    assert other.kubectl("get", "configmap", "kept", "-o", "name") == "configmap/kept\n"
    other.run(str(Path(__file__).parents[2] / "hack/cluster/box"), "freeze", other.name, "kubelet-2")
    other.kubectl("wait", "--for=condition=Ready=unknown", "node/node-2", "--timeout=20s")
    other.box("thaw", "kubelet-2")
    other.kubectl("wait", "--for=condition=Ready", "node/node-2", "--timeout=20s")
    refused = other.attempt("stop", "nonsense")
    assert refused.returncode == 1
    assert "there is no component 'nonsense'; there are: apiserver" in refused.stderr


def test_run_passes_on_exit_codes_input_folder_and_signals(box: Cluster) -> None:
    assert box.attempt("run", "--", "sh", "-c", "exit 7").returncode == 7
    assert box.attempt("run", "--", "no-such-program").returncode == 127
    assert box.run("cat", stdin="plum\n") == "plum\n"
    assert box.run("pwd") == f"{Path.cwd()}\n"
    assert box.run("sh", "-c", 'echo "$KUBECACHEDIR"') == f"{box.state}/kubectl-cache\n"
    assert box.run("sh", "-c", 'echo "$BOX_DIR $KUBECONFIG"') == f"{box.state} {box.state}/admin.kubeconfig\n"
    waiting = box.start("run", "--", "sh", "-c", "trap 'echo heard; exit 9' TERM; echo ready; while :; do sleep 0.1; done")
    assert waiting.stdout
    assert waiting.stdout.readline() == "ready\n"
    waiting.send_signal(signal.SIGTERM)
    assert waiting.communicate(timeout=10)[0] == "heard\n"
    assert waiting.returncode == 9


def test_the_exposed_api_server_is_reached_from_the_host(box: Cluster) -> None:
    kubectl = box.run("sh", "-c", "command -v kubectl").strip()
    argv = [kubectl, f"--kubeconfig={box.state}/host.kubeconfig", "get", "nodes", "-o", "name"]
    env = os.environ | {"KUBECACHEDIR": str(box.state / "host-cache")}
    assert subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout == "node/node-1\nnode/node-2\n"


def test_a_name_that_is_up_is_refused(box: Cluster) -> None:
    refused = box.attempt("up")
    assert (refused.returncode, refused.stderr) == (1, f"error: box '{box.name}' is up or being started; `box down {box.name}` ends it\n")
