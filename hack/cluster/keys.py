"""Certificates: one authority per box, and a key for everybody that the API server must recognise.

Users are real: a certificate's CN is the user and its O are the groups, so the audit log and RBAC see persons, not one admin.
Elliptic keys, because RSA keys would be a fifth of the time that a box takes to start.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from layout import API_URL, HOST, NODES, Box
from progress import BoxError

SERVER_NAMES = (
    f"IP:{HOST}",
    "IP:127.0.0.1",
    "IP:10.96.0.1",
    "DNS:localhost",
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    "DNS:kubernetes.default.svc.cluster.local",
)
PEOPLE: dict[str, tuple[str, ...]] = {"ana": ("sre",), "ben": ("dev",), "zoe": ("dev",)}
COMPONENTS = ("kube-controller-manager", "kube-scheduler", "kube-proxy")
# The box's own helpers are users of their own, so that nothing in the audit log looks like a person's or a test's doing.
HELPERS = ("box-init", "box-discovery", "box-kwok")
OPENSSL_CONFIG = "[req]\ndistinguished_name = name\n[name]\n"


def _openssl(*arguments: str) -> None:
    run = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise BoxError(f"openssl {arguments[0]} failed: {run.stderr.strip()}")


def _certificate(box: Box, name: str, subject: str, extensions: Sequence[str], *, signed: bool = True) -> None:
    """Make `<name>.key` and `<name>.crt`, signed by the box's authority or, for the authority, by itself."""
    pki = box.pki
    issuer = ["-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key")] if signed else []
    extra = [word for extension in extensions for word in ("-addext", extension)]
    _openssl(
        *("req", "-x509", "-config", str(pki / "openssl.cnf"), "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-days", "365", "-subj", subject, "-keyout", str(pki / f"{name}.key"), "-out", str(pki / f"{name}.crt")),
        *issuer,
        *extra,
    )


def _server(box: Box, name: str, names: Sequence[str]) -> None:
    extensions = ("basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth", f"subjectAltName={','.join(names)}")
    _certificate(box, name, f"/CN={name}", extensions)


def _client(box: Box, file: str, user: str, groups: Sequence[str]) -> None:
    subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
    _certificate(box, file, subject, ("basicConstraints=critical,CA:FALSE", "extendedKeyUsage=clientAuth"))


def write_kubeconfig(box: Box, file: str, target: Path, server: str = API_URL) -> None:
    """Write a kubeconfig that names its files; JSON, which is YAML, so that no quoting can go wrong."""
    pki = box.pki
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "box", "cluster": {"server": server, "certificate-authority": str(pki / "ca.crt")}}],
        "users": [{"name": file, "user": {"client-certificate": str(pki / f"{file}.crt"), "client-key": str(pki / f"{file}.key")}}],
        "contexts": [{"name": f"box-{box.name}", "context": {"cluster": "box", "user": file}}],
        "current-context": f"box-{box.name}",
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(config, indent=2) + "\n")
    target.chmod(0o600)


def make_user(box: Box, user: str, groups: Sequence[str]) -> Path:
    """Give a person a certificate and a kubeconfig, and return the latter."""
    words = (user, *groups)
    if any(not word or "/" in word for word in words):
        raise BoxError("names of users and groups must not be empty and must not contain a slash")
    _client(box, f"user-{user}", user, groups)
    target = box.state / "users" / f"{user}.kubeconfig"
    write_kubeconfig(box, f"user-{user}", target)
    return target


def make_all(box: Box) -> None:
    """Make every key that a box needs to start."""
    box.pki.mkdir()
    (box.pki / "openssl.cnf").write_text(OPENSSL_CONFIG)
    authority = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
    _certificate(box, "ca", "/CN=prunella-box", authority, signed=False)
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", str(box.pki / "service-accounts.key"))
    _openssl("pkey", "-in", str(box.pki / "service-accounts.key"), "-pubout", "-out", str(box.pki / "service-accounts.pub"))
    _server(box, "kube-apiserver", SERVER_NAMES)
    _client(box, "admin", "admin", ["system:masters"])
    write_kubeconfig(box, "admin", box.admin_kubeconfig)
    for component in COMPONENTS:
        _client(box, component, f"system:{component}", [])
        write_kubeconfig(box, component, box.kubeconfig(component))
    _client(box, "kubelet-client", "kube-apiserver-kubelet-client", ["system:masters"])
    for helper in HELPERS:
        _client(box, helper, helper, ["system:masters"])
    write_kubeconfig(box, "box-kwok", box.kubeconfig("box-kwok"))
    for node in NODES:
        _server(box, f"{node.name}-serving", [f"IP:{node.address}", f"DNS:{node.name}"])
        _client(box, node.name, f"system:node:{node.name}", ["system:nodes"])
        write_kubeconfig(box, node.name, box.kubeconfig(node.name))
    for person, groups in PEOPLE.items():
        make_user(box, person, groups)
