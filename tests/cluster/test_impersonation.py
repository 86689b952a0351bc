"""A team's Runbook acts as its ServiceAccount: who may write one, what the account lacks, and that nothing goes out in another name."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.cluster.conftest import OPERATOR, ROOT, Kubectl, until
from tests.cluster.outside import KUBECONFIG, deployment, eventually, kubeconfig_of, must, needs_control_plane, session
from tests.cluster.test_crds import example

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.resources import DEPLOYMENT, NAMESPACE, WHO_AM_I, Call
from prunella.api.common import ObjectRef
from prunella.api.runbook import Runbook
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import OURSELVES, Account

pytestmark = needs_control_plane
INTENT = "5b1e0000-0000-4000-8000-000000000003"
AUTHOR = (
    "spec.serviceAccountName must be an account that you may impersonate: the Runbook acts as it, "
    "and '{}' may not impersonate serviceaccounts/{} in {}"
)


def person(admin: Kubectl, name: str) -> Kubectl:
    """Somebody with a certificate of his own in a box; in another cluster the administrator in his name."""
    own = Path(os.environ.get("BOX_DIR", "/nowhere")) / "users" / f"{name}.kubeconfig"
    return Kubectl(str(own)) if own.exists() else admin.by(name)


@pytest.fixture(scope="module")
def namespace(prunella: Kubectl) -> Iterator[str]:
    """Ana and Ben may write Runbooks here; Ana alone may act as the account. Zoe may act as it, and write no Runbooks."""
    name = f"t-{uuid4().hex[:10]}"
    prunella("create", "namespace", name)
    for account in ("healer", "other"):
        prunella("create", "serviceaccount", account, "-n", name)
    authors = ("--verb=get,list,create,update,patch", "--resource=runbooks.prunella.dev", "-n", name)
    prunella("create", "role", "authors", *authors)
    prunella("create", "rolebinding", "authors", "--role=authors", "--user=ana", "--user=ben", "-n", name)
    lent = ("--verb=impersonate", "--resource=serviceaccounts", "--resource-name=healer", "-n", name)
    prunella("create", "role", "as-healer", *lent)
    prunella("create", "rolebinding", "as-healer", "--role=as-healer", "--user=ana", "--user=zoe", "-n", name)
    until(lambda: prunella.by("ana").attempt("auth", "can-i", "impersonate", "serviceaccounts/healer", "-n", name).returncode == 0)
    until(lambda: prunella.by("ben").attempt("auth", "can-i", "create", "runbooks.prunella.dev", "-n", name).returncode == 0)
    until(lambda: "runbooks.prunella.dev" in person(prunella, "ben").attempt(*create(name), stdin=runbook("probe", "healer")).stderr)
    yield name
    prunella("delete", "namespace", name, "--wait=false")


def runbook(name: str, account: str | None) -> str:
    made = example("Runbook", name)
    if account is not None:
        made["spec"]["serviceAccountName"] = account
    return json.dumps(made)


def create(namespace: str) -> tuple[str, ...]:
    return ("create", "-n", namespace, "--dry-run=server", "-f", "-")


# whoever writes it


def test_an_author_who_may_not_act_as_the_account_is_refused(prunella: Kubectl, namespace: str):
    said = person(prunella, "ben").refused(*create(namespace), stdin=runbook("mine", "healer"))
    assert AUTHOR.format("ben", "healer", namespace) in said
    said = person(prunella, "ana").refused(*create(namespace), stdin=runbook("mine", "other"))
    assert AUTHOR.format("ana", "other", namespace) in said
    person(prunella, "ana")(*create(namespace), stdin=runbook("mine", "healer"))
    assert "cannot create resource" in person(prunella, "zoe").refused(*create(namespace), stdin=runbook("mine", "healer"))


def test_nobody_else_changes_what_the_account_does(prunella: Kubectl, namespace: str):
    ana, ben = person(prunella, "ana"), person(prunella, "ben")
    ana("create", "-n", namespace, "-f", "-", stdin=runbook("anas", "healer"))

    def patch(change: dict[str, Any]) -> tuple[str, ...]:
        return ("patch", "runbook", "anas", "-n", namespace, "--type=merge", "-p", json.dumps(change))

    assert AUTHOR.format("ben", "healer", namespace) in ben.refused(*patch({"spec": {"mode": "Auto"}}))
    ben(*patch({"metadata": {"labels": {"team": "shop"}}}))
    ana(*patch({"spec": {"mode": "Auto"}}))
    ben("create", "-n", namespace, "-f", "-", stdin=runbook("bens", None))
    said = ben.refused("patch", "runbook", "bens", "-n", namespace, "--type=merge", "-p", '{"spec":{"serviceAccountName":"healer"}}')
    assert AUTHOR.format("ben", "healer", namespace) in said


@pytest.mark.parametrize("name", ["system:masters", "prunella-system/prunella", OPERATOR, "-x", "healer\nImpersonate-Group: system:masters"])
def test_what_can_be_no_account_is_not_stored(prunella: Kubectl, namespace: str, name: str):
    said = prunella.refused(*create(namespace), stdin=runbook("odd", name))
    assert "must name a ServiceAccount of the Runbook's own namespace in serviceAccountName" in said


# whoever carries it out


@dataclass
class Shop:
    """A Deployment, the operator with its own token, and the team's account."""

    admin: Api
    operator: Api
    namespace: str
    account: Account
    ref: ObjectRef

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"

    async def image(self) -> str:
        return str((await must(self.admin, "GET", self.path))["spec"]["template"]["spec"]["containers"][0]["image"])

    async def patch(self, image: str) -> Patch:
        template = (await must(self.admin, "GET", self.path))["spec"]["template"]
        return Patch(
            does="",
            target=self.ref,
            operations=(
                {"op": "test", "path": "/metadata/uid", "value": self.ref.uid},
                {"op": "test", "path": "/spec/template", "value": template},
                {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image},
            ),
            annotated="annotations" in (await must(self.admin, "GET", self.path))["metadata"],
        )

    async def rights(self) -> tuple[tuple[str, ...], bool]:
        async def nobody() -> UnknownT:
            return UNKNOWN

        live = LiveReads(self.operator)
        asked = Preparer(live, Effects(self.operator), SystemClock(), NoPrometheus(), nobody)
        book = Runbook.read({"metadata": {"name": "heal", "namespace": self.namespace}, "spec": BOOK})
        return await asked.rights(book, self.ref, identity.of_runbook(book, "prunella-system"))


BOOK = {
    "title": "Restart",
    "match": {"causes": ["CrashLoop"]},
    "serviceAccountName": "healer",
    "steps": [{"name": "restart", "restart": {}}],
    "verify": {"checks": [{"name": "healthy", "workloadHealthy": {}}]},
}


@pytest.fixture
async def shop(prunella: Kubectl, tmp_path: Path) -> AsyncIterator[Shop]:
    name = f"t-{uuid4().hex[:10]}"
    await asyncio.to_thread(prunella, "create", "namespace", name)
    await asyncio.to_thread(prunella, "create", "serviceaccount", "healer", "-n", name)
    async with session() as admin:
        made = await must(admin, "POST", f"/apis/apps/v1/namespaces/{name}/deployments", deployment("web", "localhost/box:v1"))
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=name, name="web", uid=made["metadata"]["uid"])
        async with session(await kubeconfig_of(admin, "prunella-system", "prunella", tmp_path)) as operator:
            yield Shop(admin, operator, name, Account(name, "healer"), ref)
    await asyncio.to_thread(prunella, "delete", "namespace", name, "--wait=false")


def command_in(message: str) -> str:
    """The command between backticks, as a person copies it."""
    return re.findall(r"`([^`]+)`", message)[0]


async def run(command: str) -> None:
    """As a person who may grant rights runs it."""
    environment = {**os.environ, "KUBECONFIG": KUBECONFIG}
    for part in command.split(" && "):
        argv = shlex.split(part)
        done = await asyncio.to_thread(subprocess.run, argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


async def test_what_is_missing_is_named_with_the_commands_that_grant_it_first_the_name_then_the_right(shop: Shop):
    effects, patch = Effects(shop.operator), await shop.patch("localhost/box:v2")
    refused = await effects.apply(patch, INTENT, shop.account)
    assert isinstance(refused, NotApplied)
    assert refused.reason == "MissingPermission"
    assert refused.message.startswith(f"Prunella may not get serviceaccounts/healer in {shop.namespace}; `kubectl create role")
    assert await effects.dry_run(patch, shop.account) == DryRun(accepted=False, message=refused.message)
    assert await shop.rights() == (shop.account.needed, True)

    await run(command_in(refused.message))

    async def lent() -> bool:
        return not set((await shop.rights())[0]) & set(shop.account.needed)

    await eventually(lent)
    missing, known = await shop.rights()
    assert (missing, known) == ((f"patch deployments.apps in {shop.namespace}",), True)
    refused = await effects.apply(patch, INTENT, shop.account)
    assert isinstance(refused, NotApplied)
    assert refused.reason == "MissingPermission"
    said = identity.lacks(shop.account, missing, shop.namespace)
    assert said.startswith(f"{shop.account.user} may not patch deployments.apps in {shop.namespace}; `kubectl create rolebinding")
    assert refused.message.startswith(said)
    assert await shop.image() == "localhost/box:v1"

    await run(command_in(refused.message))

    async def granted() -> bool:
        return await shop.rights() == ((), True)

    await eventually(granted)
    assert isinstance(await effects.apply(patch, INTENT, shop.account), Applied)
    assert await shop.image() == "localhost/box:v2"
    refused = await effects.apply(await shop.patch("localhost/box:v3"), INTENT, OURSELVES)
    assert isinstance(refused, NotApplied), "the operator's own account has got nothing of it"
    assert refused.reason == "MissingPermission"


async def lend(shop: Shop, prunella: Kubectl) -> None:
    """As the how-to says: the account of manifests/own-account, and its rights."""
    await asyncio.to_thread(prunella, "apply", "-n", shop.namespace, "-k", "manifests/own-account")
    bind = f"kubectl create rolebinding prunella-runbooks -n {shop.namespace} --clusterrole=prunella-remediate"
    await run(f"{bind} --serviceaccount={shop.namespace}:prunella-runbooks")
    live, account = LiveReads(shop.operator), Account(shop.namespace, "prunella-runbooks")

    async def ready() -> bool:
        return await live.may("patch", "apps", "deployments", shop.namespace, acting=account) is True

    await eventually(ready)


async def test_the_audit_log_shows_both_names(shop: Shop, prunella: Kubectl):
    if "BOX_DIR" not in os.environ:
        pytest.skip("only a box's audit log can be read here")
    log = Path(os.environ["BOX_DIR"]) / "audit.log"
    began = log.stat().st_size
    await lend(shop, prunella)
    account = Account(shop.namespace, "prunella-runbooks")
    assert isinstance(await Effects(shop.operator).apply(await shop.patch("localhost/box:v2"), INTENT, account), Applied)

    def written() -> list[dict[str, Any]]:
        with log.open("rb") as file:
            file.seek(began)
            lines = [json.loads(line) for line in file if f'"namespace":"{shop.namespace}"'.encode() in line and line.endswith(b"\n")]
        return [
            one
            for one in lines
            if one["verb"] == "patch" and one["stage"] == "ResponseComplete" and one["objectRef"].get("resource") == "deployments"
        ]

    [entry] = await eventually(written)
    assert entry["user"]["username"] == OPERATOR
    assert entry["impersonatedUser"]["username"] == account.user
    assert set(entry["impersonatedUser"]["groups"]) == account.groups, "as the API server gives them: we name none"
    assert entry["responseStatus"]["code"] == 200


async def test_an_account_that_was_deleted_acts_no_more_though_its_bindings_are_there(shop: Shop, prunella: Kubectl):
    await lend(shop, prunella)
    account = Account(shop.namespace, "prunella-runbooks")
    await asyncio.to_thread(prunella, "delete", "serviceaccount", "prunella-runbooks", "-n", shop.namespace)
    assert await LiveReads(shop.operator).may("patch", "apps", "deployments", shop.namespace, acting=account) is True, "the API server still says yes"
    refused = await Effects(shop.operator).apply(await shop.patch("localhost/box:v2"), INTENT, account)
    assert isinstance(refused, NotApplied)
    assert refused.reason == "MissingPermission"
    assert f"There is no ServiceAccount {shop.namespace}/prunella-runbooks" in refused.message
    assert await shop.image() == "localhost/box:v1"


async def test_no_other_namespace_and_no_object_of_the_cluster_though_the_account_were_an_administrator(shop: Shop, prunella: Kubectl):
    await lend(shop, prunella)
    account = Account(shop.namespace, "prunella-runbooks")
    theirs = f"t-{uuid4().hex[:10]}"
    await asyncio.to_thread(prunella, "create", "namespace", theirs)
    admin = (f"admin-{shop.namespace}", "--clusterrole=cluster-admin", f"--serviceaccount={shop.namespace}:prunella-runbooks")
    await asyncio.to_thread(prunella, "create", "clusterrolebinding", *admin)
    try:
        live = LiveReads(shop.operator)

        async def mighty() -> bool:
            return await live.may("patch", "apps", "deployments", theirs, acting=account) is True

        await eventually(mighty)
        made = await must(shop.admin, "POST", f"/apis/apps/v1/namespaces/{theirs}/deployments", deployment("web", "localhost/box:v1"))
        patch = await shop.patch("localhost/box:v2")
        elsewhere = replace(patch, target=patch.target.model_copy(update={"namespace": theirs, "uid": made["metadata"]["uid"]}))
        space = ObjectRef(api_version="v1", kind="Namespace", name=theirs)
        label = Patch(does="", target=space, operations=({"op": "add", "path": "/metadata/labels/x", "value": "y"},))
        for effect in (elsewhere, label):
            refused = await Effects(shop.operator).apply(effect, INTENT, account)
            assert isinstance(refused, NotApplied)
            assert f"{account.user} acts in {shop.namespace} alone" in refused.message
        stored = await must(shop.admin, "GET", f"/apis/apps/v1/namespaces/{theirs}/deployments/web")
        assert stored["metadata"]["generation"] == 1
        assert "x" not in (await must(shop.admin, "GET", f"/api/v1/namespaces/{theirs}"))["metadata"]["labels"]
    finally:
        await asyncio.to_thread(prunella, "delete", "clusterrolebinding", admin[0])
        await asyncio.to_thread(prunella, "delete", "namespace", theirs, "--wait=false")


async def test_the_operator_can_be_nobody_else(shop: Shop, prunella: Kubectl):
    await lend(shop, prunella)

    async def asked(user: str) -> int:
        who: Call = WHO_AM_I.call("create", body={"apiVersion": WHO_AM_I.api_version, "kind": WHO_AM_I.kind})
        return (await shop.operator.send(replace(who, as_user=user))).status

    assert await asked(f"system:serviceaccount:{shop.namespace}:prunella-runbooks") == 201
    others = ("ana", "system:admin", "system:serviceaccount:kube-system:default", f"system:serviceaccount:{shop.namespace}:default")
    assert {user: await asked(user) for user in others} == dict.fromkeys(others, 403)
    assert DEPLOYMENT.call("patch", shop.namespace, "web").namespace == shop.namespace
    assert NAMESPACE.call("patch", shop.namespace, shop.namespace).namespace == ""
