"""nodeRemediation on a real API server, with a kind of medik8s as small as it can be and the operator's own account: granted by the command that the
refusal names, made once, waited for, and deleted once it has succeeded; or before, where the run is taken back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.outside import eventually, kubeconfig_of, must, needs_control_plane, own_namespace, session
from tests.cluster.test_steps_hold_git_ops import definition

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, Look, UnknownT
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Settled
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Done, LiveFacts, Next, Skip, Wait

pytestmark = needs_control_plane
INTENT = "5b1e00000000000e"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GROUP, VERSION, KIND = "self-node-remediation.medik8s.io", "v1alpha1", "SelfNodeRemediation"
KINDS = (
    definition(GROUP, VERSION, KIND, "selfnoderemediations"),
    definition(GROUP, VERSION, f"{KIND}Template", "selfnoderemediationtemplates"),
)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Farm:
    """A node that no kubelet serves, and a template beside it, as the administrator sees them and as the operator does."""

    def __init__(self, api: Api, operator: Api, kubectl: Kubectl, namespace: str, node: str) -> None:
        self.api, self.kubectl = api, kubectl
        self.node = ObjectRef(api_version="v1", kind="Node", name=node)
        base = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}"
        self.templates, self.made = f"{base}/selfnoderemediationtemplates", f"{base}/selfnoderemediations/{node}"
        self.effects, self.live = Effects(operator), LiveReads(operator)
        self.preparer = Preparer(self.live, self.effects, SystemClock(), NoPrometheus(), self._polled)
        ref = {"kind": f"{KIND}Template", "namespace": namespace, "name": "reboot"}
        self.step = RunbookStep(name="ask", nodeRemediation={"templateRef": ref})

    async def _polled(self) -> UnknownT:
        return UNKNOWN

    async def ready(self, status: str) -> None:
        condition = {"type": "Ready", "status": status, "lastTransitionTime": "2026-11-24T11:00:00Z"}
        body = {"status": {"conditions": [condition]}}
        await must(self.api, "PATCH", f"/api/v1/nodes/{self.node.name}/status", body, "application/strategic-merge-patch+json")

    async def wants(self, *done: StepStatus) -> Next:
        seen = await self.live.look(self.node)
        assert isinstance(seen, Look)
        return await self.preparer.wants(self.step, LiveFacts(now=NOW, raw=seen.raw, target=seen.facts, intent_time=NOW), done)

    async def granted(self) -> None:
        """By what the refusal says."""
        needed = registry.needs_of((self.step,), "Node")
        missing = [f"{one.verb} {one.on}" for one in needed if await self.live.may(one.verb, one.group, one.resource, "") is not True]
        assert len(missing) == len(needed)
        [command] = re.findall(r"`kubectl (apply [^`]+)`", identity.lacks(OURSELVES, missing, ""))
        self.kubectl(*command.split())
        await eventually(self._makes)

    async def _makes(self) -> bool:
        wants = await self.wants()
        tried = await self.effects.dry_run(wants, OURSELVES) if isinstance(wants, Create) else None
        return isinstance(tried, DryRun) and tried.accepted

    async def make(self) -> tuple[Create, StepStatus]:
        effect = await self.wants()
        assert isinstance(effect, Create), effect
        assert await self.effects.settle(effect.target, INTENT, effect.record, effect.action) is Settled.NOT_APPLIED
        assert isinstance(await self.effects.apply(effect, INTENT, OURSELVES), Applied)
        return effect, record("ask", effect.action, effect.target)

    async def says(self, status: str) -> None:
        """The remediator."""
        body = {"status": {"conditions": [{"type": "Succeeded", "status": status, "reason": "RemediationFinishedSuccessfully"}]}}
        await must(self.api, "PATCH", self.made, body, "application/merge-patch+json")

    async def no_definitions(self) -> bool:
        return all([(await self.api.request("GET", f"{DEFINITIONS}/{one['metadata']['name']}"))[0] == 404 for one in KINDS])

    async def there(self) -> bool:
        return (await self.api.request("GET", self.made))[0] == 200


def record(name: str, action: str, target: ObjectRef) -> StepStatus:
    intent = Intent(id=INTENT, action=action, target_ref=target, written_time=NOW, deadline_time=NOW)
    outcome = StepOutcome(observed_time=NOW)
    return StepStatus(name=name, action="nodeRemediation", state=StepState.APPLIED, intent=intent, outcome=outcome)


@pytest.fixture
async def farm(prunella: Kubectl, tmp_path: Path) -> AsyncIterator[Farm]:
    async with (
        session() as api,
        own_namespace(api) as namespace,
        session(await kubeconfig_of(api, "prunella-system", "prunella", tmp_path)) as operator,
    ):
        for one in KINDS:
            status, answer = await api.request("POST", DEFINITIONS, {}, one)
            assert status in {201, 409}, answer
        node = f"t-{uuid4().hex[:10]}"
        place = Farm(api, operator, prunella, namespace, node)

        answers: dict[str, object] = {}

        async def served() -> bool:
            """Both kinds; the last answers tell a failure what stood there instead."""
            codes = [(await api.request("GET", path))[0] for path in (place.templates, place.made.rpartition("/")[0])]
            answers["codes"] = codes
            return codes == [200, 200]

        try:
            try:
                await eventually(served, seconds=90)  # an API server that is busy with many definitions takes its time
            except AssertionError as late:
                stored = [(await api.request("GET", f"{DEFINITIONS}/{one['metadata']['name']}"))[1] for one in KINDS]
                raise AssertionError(f"{late}; {answers}; {[one.get('status') for one in stored]}") from late
            template = {"metadata": {"name": "reboot"}, "spec": {"template": {"spec": {"remediationStrategy": "Automatic"}}}}
            await must(api, "POST", place.templates, {"apiVersion": f"{GROUP}/{VERSION}", "kind": f"{KIND}Template", **template})
            await must(api, "POST", "/api/v1/nodes", {"metadata": {"name": node}})
            await place.ready("False")
            await place.granted()
            yield place
        finally:
            await api.request("DELETE", f"/api/v1/nodes/{node}")
            prunella("delete", "-k", "manifests/node-remediation", "--ignore-not-found")
            for one in KINDS:
                await api.request("DELETE", f"{DEFINITIONS}/{one['metadata']['name']}")
            # A definition goes after its objects; until then the next POST is answered 409, and whoever took it for its own has none a moment later.
            await eventually(place.no_definitions, seconds=90)


async def test_a_node_is_remediated_once_and_the_object_goes_when_it_is_over(farm: Farm):
    effect, made = await farm.make()
    tried = await farm.effects.dry_run(effect, OURSELVES)
    assert isinstance(tried, DryRun)
    stored: dict[str, Any] = await must(farm.api, "GET", farm.made)
    assert (stored["spec"], stored["metadata"].get("ownerReferences")) == ({"remediationStrategy": "Automatic"}, None)
    assert await farm.effects.settle(effect.target, INTENT, effect.record, effect.action) is Settled.APPLIED
    assert isinstance(await farm.effects.apply(effect, INTENT, OURSELVES), Applied), "the same intent meets what it made"
    assert isinstance(await farm.effects.apply(effect, "another", OURSELVES), NotApplied)
    assert (await must(farm.api, "GET", farm.made))["metadata"]["uid"] == stored["metadata"]["uid"]
    second = await farm.wants()
    assert isinstance(second, Refusal)
    assert second.reason == "DelegatedToNodeRepair"

    assert isinstance(await farm.wants(made), Wait)
    await farm.says("True")
    assert isinstance(await farm.wants(made), Wait), "the node is not Ready yet"
    await farm.ready("True")
    end = await farm.wants(made)
    assert isinstance(end, Unmake), end
    assert await farm.effects.settle(end.target, INTENT, end.record, end.action) is Settled.NOT_APPLIED
    assert await farm.effects.dry_run(end, OURSELVES) == DryRun(accepted=True)
    assert await farm.there()
    assert await farm.effects.apply(end, INTENT, OURSELVES) == Applied(after={"made": "deleted"})
    assert await farm.effects.settle(end.target, INTENT, end.record, end.action) is Settled.APPLIED
    assert not await farm.there()
    assert await farm.effects.apply(end, INTENT, OURSELVES) == Applied(after={"made": "gone"})
    assert isinstance(await farm.wants(made, record("ask/1", end.action, end.target)), Done)


async def test_it_is_taken_back_while_it_has_not_succeeded_and_never_another_of_its_name(farm: Farm):
    _, made = await farm.make()
    back = await farm.preparer.undo(farm.step, made)
    assert isinstance(back, Unmake)
    await must(farm.api, "DELETE", farm.made)
    theirs = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": {"name": farm.node.name}}
    await must(farm.api, "POST", farm.made.rpartition("/")[0], theirs)
    assert await farm.effects.apply(back, INTENT, OURSELVES) == Applied(after={"made": "gone"})
    assert await farm.there(), "a person's object of that name stays"
    assert isinstance(await farm.preparer.undo(farm.step, made), Skip)


async def test_what_has_succeeded_stays_until_somebody_has_looked(farm: Farm):
    _, made = await farm.make()
    await farm.says("True")
    assert isinstance(await farm.preparer.undo(farm.step, made), Skip)
    assert await farm.there()
