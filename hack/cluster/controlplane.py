"""etcd, the API server, the controller-manager and the scheduler, with the flags that make failures show within seconds.

A node is NotReady after 8 s instead of 50; nothing elects a leader, because there is one of each.
"""

from __future__ import annotations

import components
from build import Programs
from layout import API_PORT, ETCD_URL, HOST, SERVICE_CIDR, SOURCE, Box

ETCD = "etcd"
APISERVER = "apiserver"
CONTROLLER_MANAGER = "controller-manager"
SCHEDULER = "scheduler"


def _flags(**values: object) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def _etcd(box: Box, programs: Programs) -> list[str]:
    return [
        str(programs.built / "etcd"),
        *_flags(
            name="box",
            data_dir=box.state / "etcd",
            listen_client_urls=ETCD_URL,
            advertise_client_urls=ETCD_URL,
            listen_peer_urls="http://127.0.0.1:2380",
            initial_advertise_peer_urls="http://127.0.0.1:2380",
            initial_cluster="box=http://127.0.0.1:2380",
            unsafe_no_fsync="true",  # the disk is no part of any test
            log_level="warn",
        ),
    ]


def _apiserver(box: Box, programs: Programs) -> list[str]:
    pki = box.pki
    return [
        str(programs.built / "kube-apiserver"),
        *_flags(
            etcd_servers=ETCD_URL,
            # Not loopback: the `kubernetes` Service gets this endpoint, and pods use it.
            advertise_address=HOST,
            bind_address="0.0.0.0",
            secure_port=API_PORT,
            tls_cert_file=pki / "kube-apiserver.crt",
            tls_private_key_file=pki / "kube-apiserver.key",
            client_ca_file=pki / "ca.crt",
            authorization_mode="Node,RBAC",
            enable_admission_plugins="NodeRestriction",
            kubelet_certificate_authority=pki / "ca.crt",
            kubelet_client_certificate=pki / "kubelet-client.crt",
            kubelet_client_key=pki / "kubelet-client.key",
            kubelet_preferred_address_types="InternalIP",
            service_account_issuer="https://kubernetes.default.svc",
            service_account_key_file=pki / "service-accounts.pub",
            service_account_signing_key_file=pki / "service-accounts.key",
            service_cluster_ip_range=SERVICE_CIDR,
            allow_privileged="true",
            audit_policy_file=SOURCE / "audit-policy.yaml",
            audit_log_path=box.state / "audit.log",
            audit_log_maxsize=10000,
            profiling="false",
        ),
    ]


def _controller_manager(box: Box, programs: Programs) -> list[str]:
    pki = box.pki
    return [
        str(programs.built / "kube-controller-manager"),
        *_flags(
            kubeconfig=box.kubeconfig("kube-controller-manager"),
            bind_address="127.0.0.1",
            leader_elect="false",
            use_service_account_credentials="true",  # the audit log tells the controllers apart
            service_account_private_key_file=pki / "service-accounts.key",
            root_ca_file=pki / "ca.crt",
            cluster_signing_cert_file=pki / "ca.crt",
            cluster_signing_key_file=pki / "ca.key",
            node_monitor_period="1s",
            node_monitor_grace_period="8s",
            kube_api_qps=1000,
            kube_api_burst=1000,
        ),
    ]


def _scheduler(box: Box, programs: Programs) -> list[str]:
    return [
        str(programs.built / "kube-scheduler"),
        *_flags(
            kubeconfig=box.kubeconfig("kube-scheduler"),
            bind_address="127.0.0.1",
            leader_elect="false",
            kube_api_qps=1000,
            kube_api_burst=1000,
        ),
    ]


def record(box: Box, programs: Programs) -> None:
    """Write down how the four are started."""
    components.record(box, ETCD, _etcd(box, programs))
    components.record(box, APISERVER, _apiserver(box, programs))
    components.record(box, CONTROLLER_MANAGER, _controller_manager(box, programs))
    components.record(box, SCHEDULER, _scheduler(box, programs))
