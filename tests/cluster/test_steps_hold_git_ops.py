"""holdGitOps on a real API server, with kinds of Argo CD and Flux as small as they can be: held with a mark, found by its label, given back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.cluster.outside import deployment, eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.marks import MARKED_LABEL
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.app.errors import Retryable
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch, Settled
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.runs import measures
from prunella.core.healing.steps.step import Done, Listed, LiveFacts, Next, Skip

pytestmark = needs_control_plane
INTENT = "5b1e0000-0000-4000-8000-000000000004"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOLD = RunbookStep(name="hold", hold_git_ops={}, ttl_seconds=600)
AUTOMATED = {"prune": True, "selfHeal": True}


def definition(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [served]},
    }


KINDS = (
    definition("argoproj.io", "v1alpha1", "Application", "applications"),
    definition("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"),
)


class Shop:
    """A namespace with a Deployment, and what manages it beside it."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.effects = Effects(api)
        self.live = LiveReads(api)
        self.preparer = Preparer(self.live, self.effects, SystemClock(), NoPrometheus(), self._polled)

    async def _polled(self) -> UnknownT:
        return UNKNOWN

    def owners(self, kind: str) -> str:
        base = {"Application": "argoproj.io/v1alpha1", "Kustomization": "kustomize.toolkit.fluxcd.io/v1"}[kind]
        return f"/apis/{base}/namespaces/{self.namespace}/{kind.lower()}s"

    async def managed(self, kind: str, spec: dict[str, Any]) -> str:
        """The Deployment and its owner; the owner's path."""
        made = deployment("web", "localhost/box:v1")
        if kind == "Application":
            made["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": f"{self.namespace}_shop:apps/Deployment:{self.namespace}/web"}
        else:
            made["metadata"]["labels"] = {
                "kustomize.toolkit.fluxcd.io/name": "shop",
                "kustomize.toolkit.fluxcd.io/namespace": self.namespace,
            }
        await must(self.api, "POST", f"/apis/apps/v1/namespaces/{self.namespace}/deployments", made)
        await must(
            self.api,
            "POST",
            self.owners(kind),
            {
                "apiVersion": self.owners(kind).removeprefix("/apis/").partition("/namespaces")[0],
                "kind": kind,
                "metadata": {"name": "shop"},
                "spec": spec,
            },
        )
        return f"{self.owners(kind)}/shop"

    async def plan(self, *done: StepStatus, run: str = "") -> Next:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"
        uid = (await must(self.api, "GET", path))["metadata"]["uid"]
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=self.namespace, name="web", uid=uid)
        facts, raw = await self.live.workload(ref), await self.live.raw(ref)
        return await self.preparer.wants(HOLD, LiveFacts(now=NOW, raw=raw, target=facts, intent_time=NOW, run_uid=run), done)

    async def marked(self) -> Patch:
        patch = await self.plan()
        assert isinstance(patch, Patch)
        return measures.temporary(patch, remediation=f"{self.namespace}/web-1", uid="r-1", until=NOW + timedelta(seconds=600))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with session() as api, own_namespace(api) as namespace:
        for one in KINDS:
            status, answer = await api.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}, one)
            assert status in {201, 409}, answer
        place = Shop(api, namespace)

        async def served() -> bool:
            try:
                return all([(await api.request("GET", place.owners(kind)))[0] == 200 for kind in ("Application", "Kustomization")])
            except Retryable:  # a kind that is about to be served asks for a moment
                return False

        await eventually(served)
        yield place


@pytest.mark.parametrize(
    ("kind", "spec", "held"),
    [("Application", {"syncPolicy": {"automated": AUTOMATED}}, {"syncPolicy": {}}), ("Kustomization", {}, {"suspend": True})],
)
async def test_it_is_held_with_its_mark_found_by_its_label_and_given_back(shop: Shop, kind: str, spec: dict[str, Any], held: dict[str, Any]):
    path = await shop.managed(kind, spec)
    patch = await shop.marked()
    tried = await shop.effects.dry_run(patch, OURSELVES)
    assert isinstance(tried, DryRun)
    assert tried.accepted
    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), Applied)
    assert await shop.effects.settle(patch.target, INTENT, patch.record, "Patch") is Settled.APPLIED
    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), NotApplied), "a second request changes nothing"

    stored = await must(shop.api, "GET", path)
    assert stored["spec"] == held
    assert stored["metadata"]["labels"] == {MARKED_LABEL: "true"}
    assert isinstance(await shop.plan(run="r-1"), Done), "it is held now"
    assert isinstance(await shop.plan(run="r-2"), Refusal), "and another run builds nothing on it"
    wanted = Listed(patch.target.api_version, kind, shop.namespace, label=MARKED_LABEL)
    [found] = await shop.live.listed(wanted)
    mark = found["metadata"]["annotations"][MARK]
    measure = measures.read(mark)
    assert measure is not None

    end = measures.undo(measure, patch.target, found, mark)
    assert isinstance(await shop.effects.apply(end, "", OURSELVES), Applied)
    stored = await must(shop.api, "GET", path)
    assert stored["spec"] == spec
    assert MARK not in stored["metadata"]["annotations"]
    assert await shop.live.listed(wanted) == ()


async def test_r39_what_somebody_set_meanwhile_is_theirs(shop: Shop):
    path = await shop.managed("Application", {"syncPolicy": {"automated": AUTOMATED}})
    patch = await shop.marked()
    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), Applied)
    await must(shop.api, "PATCH", path, {"spec": {"syncPolicy": {"automated": {"prune": False}}}}, "application/merge-patch+json")
    intent = Intent(id=INTENT, action="Patch", target_ref=patch.target, written_time=NOW, deadline_time=NOW, before=patch.record)
    back = await shop.preparer.undo(HOLD, StepStatus(name="hold", action="holdGitOps", state=StepState.APPLIED, intent=intent))
    assert isinstance(back, Skip)
    assert (await must(shop.api, "GET", path))["spec"]["syncPolicy"]["automated"] == {"prune": False}
