"""A worker: containerd, kubelet and kube-proxy in the node's network namespace, with everything of their own.

The rule it protects: two kubelets on one machine share nothing that either deletes from; with a shared /var/log/pods they delete each other's logs.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cgroups
import components
import packages
from build import Programs
from layout import CLOSED_PORT, DNS_ADDRESS, HOST, NODES, POD_CIDR, REGISTRY_PORT, Box, Node
from mounts import DEVICE_PLUGINS
from progress import BoxError

PAUSE_IMAGE = "localhost/pause:v1"
# What the registry answers is decided by `registry.py`; `down.local` is a registry where nobody listens.
REGISTRIES = {"reg.local": REGISTRY_PORT, "down.local": CLOSED_PORT}


def daemons(node: Node) -> tuple[str, str, str]:
    """Name the node's components."""
    return f"containerd-{node.number}", f"kubelet-{node.number}", f"kube-proxy-{node.number}"


CONTAINERD = """\
version = 2
root = "{root}"
state = "{run}/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/registries"
"""


def _snapshotter(box: Box) -> str:
    """An overlay can't lie on an overlay, which is what a folder inside a container is."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(box.state)], capture_output=True, text=True, check=True).stdout.strip()
    return "native" if kind == "overlayfs" else "overlayfs"


def _containerd(box: Box, node: Node, programs: Programs) -> None:
    folder = box.node_folder(node)
    (folder / "containerd.toml").write_text(
        CONTAINERD.format(
            root=folder / "containerd",
            run=node.run,
            socket=node.socket,
            pause=PAUSE_IMAGE,
            folder=folder,
            snapshotter=_snapshotter(box),
            plugins=packages.cni_folder(programs.unpacked),
        )
    )
    for registry, port in REGISTRIES.items():
        hosts = folder / "registries" / registry
        hosts.mkdir(parents=True)
        url = f"http://{HOST}:{port}"
        (hosts / "hosts.toml").write_text(f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n')
    components.record(box, daemons(node)[0], ["containerd", "--config", str(folder / "containerd.toml")], node=node)


def _cni(box: Box, node: Node) -> None:
    folder = box.node_folder(node) / "cni"
    folder.mkdir()
    addresses = {
        "type": "host-local",
        "dataDir": str(node.run / "cni"),
        "ranges": [[{"subnet": node.pod_cidr}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    (folder / "10-box.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": node.name, "plugins": [bridge]}, indent=2))


def _kubelet_config(box: Box, node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(box.pki / "ca.crt")},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "tlsCertFile": str(box.pki / f"{node.name}-serving.crt"),
        "tlsPrivateKeyFile": str(box.pki / f"{node.name}-serving.key"),
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{box.cgroup(node)}",
        "failSwapOn": False,
        "failCgroupV1": False,
        "podLogsDir": str(box.node_folder(node) / "pod-logs"),
        # An address where nobody answers: with none at all the kubelet complains about every pod with a Warning Event.
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 8,
        "featureGates": {"KubeletCrashLoopBackOffMax": True},
        "crashLoopBackOff": {"maxContainerRestartPeriod": "3s"},
        "evictionPressureTransitionPeriod": "5s",
        # The machine's disk may be nearly full without being the box's problem; images are never collected, they can't be fetched again.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
    }


def _kubelet(box: Box, node: Node, programs: Programs) -> None:
    folder = box.node_folder(node)
    (folder / "kubelet.yaml").write_text(json.dumps(_kubelet_config(box, node), indent=2))
    argv = [
        *["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", f'mount -t tmpfs plugins {DEVICE_PLUGINS} && exec "$@"', "sh"],
        str(programs.built / "kubelet"),
        f"--config={folder / 'kubelet.yaml'}",
        f"--kubeconfig={box.kubeconfig(node.name)}",
        f"--root-dir={folder / 'kubelet'}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--containerd={node.socket}",  # without it cAdvisor's series carry no pod
    ]
    components.record(box, daemons(node)[1], argv, node=node)


def _kube_proxy(box: Box, node: Node, programs: Programs) -> None:
    folder = box.node_folder(node)
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": str(box.kubeconfig("kube-proxy"))},
        # Otherwise it writes sysctls that belong to the host.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "100ms"},
    }
    (folder / "kube-proxy.yaml").write_text(json.dumps(config, indent=2))
    components.record(box, daemons(node)[2], [str(programs.built / "kube-proxy"), f"--config={folder / 'kube-proxy.yaml'}"], node=node)


def record(box: Box, node: Node, programs: Programs) -> None:
    """Make the node's folders and cgroups and write down how its three daemons are started."""
    box.node_folder(node).mkdir()
    node.run.mkdir(parents=True)
    cgroups.make(box, node)
    _cni(box, node)
    _containerd(box, node, programs)
    _kubelet(box, node, programs)
    _kube_proxy(box, node, programs)


def containerd_answers(node: Node) -> bool:
    """Tell whether the node's containerd serves."""
    return node.socket.exists() and _ctr(node, "version").returncode == 0


def load(archive: Path) -> None:
    """Import the images of one archive on every node, all nodes at once."""
    imports = [
        subprocess.Popen(_ctr_argv(node, "images", "import", str(archive)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for node in NODES
    ]
    outputs = [process.communicate()[0] for process in imports]
    for process, output in zip(imports, outputs, strict=True):
        if process.returncode:
            raise BoxError(f"{archive} could not be imported: {output.decode(errors='replace').strip()}")


def _ctr_argv(node: Node, *arguments: str) -> list[str]:
    return ["ctr", "-a", str(node.socket), "-n", "k8s.io", *arguments]


def _ctr(node: Node, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_ctr_argv(node, *arguments), capture_output=True, check=False)
