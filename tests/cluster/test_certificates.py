"""A TLS Secret that the HealingPolicy names, on a real control plane: the missing right is told with its grant, and permits that Secret alone.

The certificate's end opens an Incident about the Secret, a renewal ends it, and its key is nowhere.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.core.certificates import holding
from tests.harness import to_people
from tests.harness.api import Object
from tests.harness.arena import Arena, condition
from tests.harness.fixtures import arena, box_lock, installed, make_arena
from tests.harness.installation import SYSTEM, Installation, kubectl
from tests.harness.instants import now
from tests.harness.waiting import wait_for

__all__ = ["arena", "box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240, func_only=True)]
ACCOUNT = f"--as=system:serviceaccount:{SYSTEM}:prunella"


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    for made in installed():
        yield made
        made.api.patch("HealingPolicy", "default", {"spec": {"certificates": None}})
        made.forget_policy()


def tls(shop: Arena, days: float, key: str, name: str = "web-tls") -> Object:
    """A Secret whose certificate ends in so many days, of ninety."""
    end = now() + timedelta(days=days)
    data = {"tls.crt": holding(end - timedelta(days=90), end), "tls.key": key.encode()}
    encoded = {one: base64.b64encode(value).decode() for one, value in data.items()}
    metadata = {"name": name, "namespace": shop.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": encoded}


def policy_says(shop: Arena) -> tuple[str, str, str]:
    """Status, reason and message of the policy's condition Ready; empty where it was not judged yet."""
    found = condition(shop.api.get("HealingPolicy", "default"), "Ready")
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def name_these(shop: Arena, *names: str) -> None:
    """Change the policy, which reads what it names at once."""
    shop.installation.set_policy(certificates=[{"namespace": shop.namespace, "secretName": name} for name in names])


def grant_as_told(shop: Arena, *names: str) -> None:
    """Run the commands that the policy's condition gives for these Secrets, and wait until the API server permits what they grant."""

    def told() -> tuple[str, str, str] | None:
        said = policy_says(shop)
        return said if all(f"'{shop.namespace}/{name}'" in said[2] for name in names) else None

    status, reason, message = wait_for(told, 30, "the missing rights are told", seen=lambda: policy_says(shop))
    assert (status, reason) == ("False", "MissingPermission")
    commands = re.findall(r"`kubectl ([^`]+)`", message)
    assert len(commands) == 2 * len(names)
    for one in commands:
        kubectl(*one.split())
    wait_for(lambda: all(may(shop, "get", f"secret/{name}") == "yes" for name in names), 10, "the rights hold")


@pytest.fixture
def alone(arena: Arena) -> Iterator[None]:
    """The policy and the account are everybody's: neither keeps what a test named and granted."""
    yield
    arena.installation.set_policy(certificates=None)
    kubectl("delete", "rolebindings,roles", "--all", "-n", arena.namespace)


def may(shop: Arena, verb: str, what: str) -> str:
    return kubectl("auth", "can-i", verb, what, "-n", shop.namespace, ACCOUNT, check=False).stdout.strip()


def test_a_missing_right_is_told_with_its_grant_which_permits_that_secret_alone(arena: Arena, alone: None):
    for name in ("web-tls", "other-tls"):
        arena.api.apply(tls(arena, 60, "no key", name))
    assert may(arena, "get", "secret/web-tls") == "no", "nothing is granted by default"
    name_these(arena, "web-tls", "gone-tls")
    grant_as_told(arena, "web-tls", "gone-tls")
    name_these(arena, "web-tls")
    wait_for(lambda: policy_says(arena) == ("True", "Accepted", "it is in use"), 30, "the right is used", seen=lambda: policy_says(arena))
    answers = {(verb, what): may(arena, verb, what) for verb, what in (("get", "secret/other-tls"), ("list", "secrets"), ("watch", "secrets"))}
    assert answers == dict.fromkeys(answers, "no")
    assert [may(arena, verb, "secret/web-tls") for verb in ("update", "patch", "delete")] == ["no"] * 3
    name_these(arena, "gone-tls")
    wait_for(lambda: policy_says(arena)[1] == "UnknownReference", 30, "it is not there", seen=lambda: policy_says(arena))
    assert arena.incidents() == []


@pytest.mark.nightly
def test_a_certificate_that_ends_in_three_days_is_one_incident_about_its_secret_until_it_is_renewed(arena: Arena, alone: None):
    key = f"planted-{secrets.token_hex(16)}"
    to_people.pages_soon(arena)
    arena.kubectl_apply(tls(arena, 3, key))  # which leaves the key in an annotation as well
    name_these(arena, "web-tls")
    grant_as_told(arena, "web-tls")
    incident = arena.incident("web-tls", seconds=90)  # nobody touches the policy: it is tried again within a minute
    live = arena.api.get("Secret", "web-tls", arena.namespace)
    ref = incident["spec"]["targetRef"]
    assert (ref["kind"], ref["name"], ref["uid"]) == ("Secret", "web-tls", live["metadata"]["uid"])
    incident = arena.when(incident, lambda one: one["status"].get("cause") == "CertificateExpiring", "has its cause", seconds=10)
    wait_for(lambda: arena.inbox.posts("primary"), 30, "a page")
    arena.kubectl_apply(tls(arena, 90, key))
    renewed = "is seen to be renewed, and ends by itself five minutes later"
    incident = arena.when(incident, lambda one: "healthy since" in condition(one, "Resolved")["message"], renewed, seconds=90)
    assert [one["state"] for one in incident["status"]["signals"]] == ["Resolved"]
    assert (arena.remediations(), len(arena.incidents())) == ([], 1)
    assert arena.foreign_writes() == []
    told = arena.installation.log.read_text() + arena.installation.inbox.read_text()
    stored = [arena.incidents(), arena.api.list("Event", arena.namespace), arena.api.get("HealingPolicy", "default")]
    for form in (key, base64.b64encode(key.encode()).decode()):
        assert form not in told + json.dumps(stored)
