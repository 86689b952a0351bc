"""Effects on a real API server: they land on what was judged, or they are refused with the reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.outside import (
    Numbers,
    deployment,
    eventually,
    kubeconfig_of,
    kubectl,
    kubectl_attempt,
    must,
    needs_control_plane,
    own_namespace,
    session,
)

from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.app.errors import Retryable
from prunella.core.healing.effects.effect import Applied, DeletePod, DryRun, NotApplied, Patch, Settled, annotated, guarded_sha256
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps.hand_back import hand_back

pytestmark = needs_control_plane

INTENT = "5b1e0000-0000-4000-8000-000000000001"
GOOD, BAD = "localhost/box:v1", "localhost/box:none"


@dataclass
class Shop:
    """A namespace with one Deployment that was rolled out twice, as the executor and its user see it."""

    api: Api
    numbers: Numbers
    namespace: str

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"

    async def raw(self) -> dict[str, Any]:
        return await must(self.api, "GET", self.path)

    async def image(self) -> str:
        return (await self.raw())["spec"]["template"]["spec"]["containers"][0]["image"]

    async def edit(self, *operations: dict[str, Any], manager: str = "somebody") -> dict[str, Any]:
        return await must(self.api, "PATCH", self.path, list(operations), "application/json-patch+json", fieldManager=manager)

    async def set_image(self, image: str) -> dict[str, Any]:
        return await self.edit({"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image})

    async def roll_out(self, *, annotations: dict[str, str] | None = None) -> None:
        made = deployment("web", GOOD, annotations=annotations)
        await must(self.api, "POST", self.path.removesuffix("/web"), made, fieldManager="kubectl-create")
        await self.revisions(1)
        await self.set_image(BAD)
        await self.revisions(2)

    async def revisions(self, count: int) -> list[dict[str, Any]]:
        async def numbered() -> list[dict[str, Any]]:
            sets = (await must(self.api, "GET", f"/apis/apps/v1/namespaces/{self.namespace}/replicasets"))["items"]
            done = (await self.raw())["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision") == str(count)
            return sets if len(sets) == count and done else []

        return await eventually(numbered)

    async def ref(self) -> ObjectRef:
        meta = (await self.raw())["metadata"]
        return ObjectRef(api_version="apps/v1", kind="Deployment", namespace=self.namespace, name="web", uid=meta["uid"])

    async def rollback(self) -> Patch:
        """As the step makes it: from what was read live."""
        live = LiveReads(self.api)
        ref = await self.ref()
        facts = await live.workload(ref)
        raw = await live.raw(ref)
        template = await live.template("Deployment", facts.revisions[1])
        return Patch(
            does="",
            target=ref,
            operations=(
                {"op": "test", "path": "/metadata/uid", "value": ref.uid},
                {"op": "test", "path": "/spec/template", "value": raw["spec"]["template"]},
                {"op": "replace", "path": "/spec/template", "value": template},
            ),
            annotated=annotated(raw),
            before={"templateHash": facts.newest.hash, "guardedSha256": guarded_sha256(raw["spec"]["template"])},
        )

    def writes(self) -> int:
        return sum(self.numbers.total("api_requests_total", verb=verb) for verb in ("patch", "delete", "update", "create"))


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    numbers = Numbers()
    async with session(numbers=numbers) as api, own_namespace(api) as namespace:
        yield Shop(api, numbers, namespace)


async def test_a_rollback_brings_the_old_template_back_with_a_stamp_and_touches_nothing_else(shop: Shop):
    await shop.roll_out(annotations={"team": "shop"})
    before = await shop.raw()
    patch = await shop.rollback()

    applied = await Effects(shop.api).apply(patch, INTENT, OURSELVES)

    after = await shop.raw()
    assert isinstance(applied, Applied)
    assert applied.after["guardedSha256"] == guarded_sha256(after["spec"]["template"])
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == GOOD
    assert "pod-template-hash" not in after["spec"]["template"]["metadata"]["labels"]
    assert after["metadata"]["annotations"]["prunella.dev/intent-id"] == INTENT
    assert after["metadata"]["annotations"]["team"] == "shop"
    assert {**after["spec"], "template": None} == {**before["spec"], "template": None}
    sets = (await must(shop.api, "GET", f"/apis/apps/v1/namespaces/{shop.namespace}/replicasets"))["items"]
    assert len(sets) == 2, "the old ReplicaSet is taken again, not a third one made"


async def test_a_template_with_odd_characters_in_it_is_recognised_as_unchanged(shop: Shop):
    odd = "".join(map(chr, [*range(1, 0x80), 0xE9, 0x2027, 0x2028, 0x2029, 0xFEFF, 0xFFFD, 0x1F331])) + "<a href='x'>&amp;</a> \\u003c"
    made = deployment("web", BAD, env={"ODD": odd}, annotations={"odd": odd})
    await must(shop.api, "POST", shop.path.removesuffix("/web"), made)
    await shop.revisions(1)
    raw = await shop.raw()
    assert raw["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == odd
    patch = Patch(
        does="",
        target=await shop.ref(),
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": raw["metadata"]["uid"]},
            {"op": "test", "path": "/spec/template", "value": raw["spec"]["template"]},
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": GOOD},
        ),
    )

    assert isinstance(await Effects(shop.api).apply(patch, INTENT, OURSELVES), Applied)

    after = await shop.raw()
    assert after["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == odd
    assert after["metadata"]["annotations"]["odd"] == odd


async def test_a_target_without_annotations_gets_the_map_with_the_stamp(shop: Shop):
    # The controller puts its own annotations on a Deployment; those of a StatefulSet are the user's alone.
    path = f"/apis/apps/v1/namespaces/{shop.namespace}/statefulsets"
    made = deployment("db", GOOD)
    made |= {"kind": "StatefulSet", "spec": {**made["spec"], "serviceName": "db"}}
    stored = await must(shop.api, "POST", path, made)
    assert "annotations" not in stored["metadata"]
    template = stored["spec"]["template"]
    ref = ObjectRef(api_version="apps/v1", kind="StatefulSet", namespace=shop.namespace, name="db", uid=stored["metadata"]["uid"])
    patch = Patch(
        does="",
        target=ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "test", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": BAD},
        ),
    )

    for wrong in (patch, replace(patch, annotated=False)):
        # As if its annotations had come or gone since it was judged: the API server refuses, and nothing of it is done.
        was = await must(shop.api, "GET", f"{path}/db")
        if annotated(was) is wrong.annotated:
            was = await must(shop.api, "PATCH", f"{path}/db", {"metadata": {"annotations": {"a": "b"}}}, "application/merge-patch+json")
        with pytest.raises(Retryable, match="came or went after it was judged"):
            await Effects(shop.api).apply(wrong, INTENT, OURSELVES)
        now = await must(shop.api, "GET", f"{path}/db")
        assert (now["spec"], now["metadata"].get("annotations")) == (was["spec"], was["metadata"].get("annotations"))
    await must(shop.api, "PATCH", f"{path}/db", {"metadata": {"annotations": None}}, "application/merge-patch+json")

    applied = await Effects(shop.api).apply(replace(patch, annotated=False), INTENT, OURSELVES)

    assert isinstance(applied, Applied)
    assert (await must(shop.api, "GET", f"{path}/db"))["metadata"]["annotations"] == {"prunella.dev/intent-id": INTENT}


async def test_a_persons_edit_between_judgement_and_effect_wins(shop: Shop):
    await shop.roll_out()
    patch = await shop.rollback()
    await shop.set_image("localhost/box:v3")

    answer = await Effects(shop.api).apply(patch, INTENT, OURSELVES)

    assert answer == NotApplied(
        reason="HumanOverride",
        message=f"Deployment {shop.namespace}/web was changed by somebody else after it was judged; their change stands",
    )
    assert await shop.image() == "localhost/box:v3"
    assert "prunella.dev/intent-id" not in (await shop.raw())["metadata"]["annotations"]


async def test_writes_that_leave_the_template_alone_do_not_hinder(shop: Shop):
    await shop.roll_out()
    patch = await shop.rollback()
    await shop.edit({"op": "replace", "path": "/spec/replicas", "value": 1}, {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}})

    assert isinstance(await Effects(shop.api).apply(patch, INTENT, OURSELVES), Applied)
    assert (await shop.raw())["spec"]["replicas"] == 1


@pytest.mark.parametrize("again", [True, False], ids=["made anew under the same name", "deleted"])
async def test_a_target_that_is_not_the_judged_object_is_left_alone(shop: Shop, again: bool):
    await shop.roll_out()
    patch = await shop.rollback()
    await must(shop.api, "DELETE", shop.path)
    made = await must(shop.api, "POST", shop.path.removesuffix("/web"), deployment("web", BAD)) if again else None
    writes = shop.writes()

    answer = await Effects(shop.api).apply(patch, INTENT, OURSELVES)

    assert answer == NotApplied(reason="TargetChanged", message=f"Deployment {shop.namespace}/web is gone, or another object bears its name")
    assert shop.writes() == writes + 1, "it was tried once, and its preconditions refused it"
    if made is not None:
        stored = await shop.raw()
        assert (stored["metadata"]["uid"], stored["metadata"]["generation"], stored["spec"]) == (made["metadata"]["uid"], 1, made["spec"])
        assert "prunella.dev/intent-id" not in stored["metadata"].get("annotations", {})


async def test_a_target_made_anew_after_the_last_look_is_refused_by_the_uid_test(shop: Shop):
    await shop.roll_out()
    patch = await shop.rollback()
    await must(shop.api, "DELETE", shop.path)
    remade = await must(shop.api, "POST", shop.path.removesuffix("/web"), deployment("web", BAD))
    blind = replace(patch, target=patch.target.model_copy(update={"uid": None}))

    answer = await Effects(shop.api).apply(blind, INTENT, OURSELVES)

    assert isinstance(answer, NotApplied)
    assert (await shop.raw())["metadata"]["uid"] == remade["metadata"]["uid"]
    assert await shop.image() == BAD


async def test_without_rights_it_says_which_and_the_command_that_it_names_gives_them(shop: Shop, prunella: Kubectl, tmp_path: Path):
    await shop.roll_out()
    patch = await shop.rollback()
    async with session(await kubeconfig_of(shop.api, "prunella-system", "prunella", tmp_path)) as operator:
        effects, live = Effects(operator), LiveReads(operator)
        refused = await effects.apply(patch, INTENT, OURSELVES)
        tried = await effects.dry_run(patch, OURSELVES)

        assert isinstance(refused, NotApplied)
        assert refused.reason == "MissingPermission"
        assert refused.message.startswith(
            f"Prunella may not patch deployments.apps in {shop.namespace}; the namespace's owner grants it with "
            f"`kubectl apply -n {shop.namespace} -k manifests/opt-in`"
        )
        assert tried == DryRun(accepted=False, message=refused.message)
        assert await live.may("patch", "apps", "deployments", shop.namespace) is False
        assert await shop.image() == BAD

        prunella("apply", "-n", shop.namespace, "-k", "manifests/opt-in")

        async def granted() -> bool:
            return await live.may("patch", "apps", "deployments", shop.namespace) is True

        await eventually(granted)
        assert (await effects.dry_run(patch, OURSELVES)).accepted
        assert isinstance(await effects.apply(patch, INTENT, OURSELVES), Applied)
        assert await shop.image() == GOOD
        back = hand_back(await shop.raw())
        assert back is not None


async def test_a_dry_run_shows_the_difference_and_writes_nothing(shop: Shop):
    await shop.roll_out()
    patch = await shop.rollback()
    before = await shop.raw()

    answer = await Effects(shop.api).dry_run(patch, OURSELVES)

    assert isinstance(answer, DryRun)
    assert answer.accepted
    assert f"-  - image: {BAD}".replace("  ", "") in answer.diff.replace("  ", "")
    assert f"+  - image: {GOOD}".replace("  ", "") in answer.diff.replace("  ", "")
    assert await shop.raw() == before


async def test_a_dry_run_tells_what_admission_would_refuse(shop: Shop):
    await shop.roll_out()
    patch = await shop.rollback()
    broken = replace(patch, operations=(*patch.operations[:2], {"op": "remove", "path": "/spec/template/spec/containers"}))

    answer = await Effects(shop.api).dry_run(broken, OURSELVES)

    assert isinstance(answer, DryRun)
    assert not answer.accepted
    assert "spec.template.spec.containers: Required value" in answer.message


async def test_an_invalid_patch_is_refused_with_the_api_servers_words(shop: Shop):
    await shop.roll_out()
    patch = await shop.rollback()
    broken = replace(patch, operations=(*patch.operations[:2], {"op": "remove", "path": "/spec/template/spec/containers"}))

    answer = await Effects(shop.api).apply(broken, INTENT, OURSELVES)

    assert isinstance(answer, NotApplied)
    assert answer.reason == ""
    assert "spec.template.spec.containers: Required value" in answer.message


async def test_the_recovery_table_of_a_patch(shop: Shop):
    await shop.roll_out()
    effects, patch = Effects(shop.api), await shop.rollback()

    async def settle(intent: str = INTENT) -> object:
        return await effects.settle(patch.target, intent, patch.before, "Patch")

    assert await settle() is Settled.NOT_APPLIED, "nothing was done yet"
    await effects.apply(patch, INTENT, OURSELVES)
    assert await settle() is Settled.APPLIED, "our stamp is there"
    assert await settle("another") is Settled.CHANGED, "neither that stamp nor the state before"
    await must(shop.api, "DELETE", shop.path)
    assert await settle() is Settled.GONE
    await must(shop.api, "POST", shop.path.removesuffix("/web"), deployment("web", BAD))
    assert await settle() is Settled.GONE, "another uid bears its name"


async def pending(shop: Shop, name: str) -> tuple[str, ObjectRef, str]:
    """A pod that no kubelet touches: its path, its reference and its resourceVersion."""
    pods = f"/api/v1/namespaces/{shop.namespace}/pods"
    stored = await must(
        shop.api, "POST", pods, {"metadata": {"name": name}, "spec": {"nodeName": "nowhere", "containers": [{"name": "app", "image": GOOD}]}}
    )
    meta = stored["metadata"]
    return f"{pods}/{name}", ObjectRef(api_version="v1", kind="Pod", namespace=shop.namespace, name=name, uid=meta["uid"]), meta["resourceVersion"]


async def test_a_pod_whose_status_moved_meanwhile_is_judged_anew_and_deleted(shop: Shop):
    path, ref, version = await pending(shop, "moved")
    effects = Effects(shop.api)
    changed = await must(shop.api, "PATCH", path, {"metadata": {"labels": {"a": "b"}}}, "application/merge-patch+json")
    assert await effects.settle(ref, INTENT, {}, "Delete") is Settled.NOT_APPLIED
    assert await effects.dry_run(DeletePod(does="", target=ref, resource_version=changed["metadata"]["resourceVersion"]), OURSELVES) == DryRun(
        accepted=True
    )
    assert await effects.settle(ref, INTENT, {}, "Delete") is Settled.NOT_APPLIED, "a dry run deletes nothing"
    assert await effects.apply(DeletePod(does="", target=ref, resource_version=version), INTENT, OURSELVES) == Applied(after={"pod": "deleted"})
    assert await effects.settle(ref, INTENT, {}, "Delete") is Settled.APPLIED


async def test_a_pod_that_became_ready_meanwhile_is_left_alone(shop: Shop):
    path, ref, version = await pending(shop, "ready")
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await must(shop.api, "PATCH", f"{path}/status", ready, "application/strategic-merge-patch+json")
    effects = Effects(shop.api)
    refused = await effects.apply(DeletePod(does="", target=ref, resource_version=version), INTENT, OURSELVES)
    assert refused == NotApplied(reason="", message="Pod ready became ready meanwhile: it was left alone")
    assert await effects.settle(ref, INTENT, {}, "Delete") is Settled.NOT_APPLIED


async def test_deleting_a_pod_that_is_gone_is_done_already(shop: Shop):
    ref = ObjectRef(api_version="v1", kind="Pod", namespace=shop.namespace, name="none", uid="00000000-0000-4000-8000-000000000000")
    assert await Effects(shop.api).apply(DeletePod(does="", target=ref, resource_version="1"), INTENT, OURSELVES) == Applied(after={"pod": "gone"})


def manifest(image: str) -> str:
    return json.dumps(deployment("web", image, annotations={"team": "shop"}))


@pytest.mark.parametrize("how", [("apply",), ("apply", "--server-side")], ids=["client-side", "server-side"])
async def test_after_the_hand_back_the_users_next_server_side_apply_works(shop: Shop, how: tuple[str, ...]):
    await applied_twice_and_rolled_back(shop, how)
    before = await shop.raw()

    patch = hand_back(before)
    assert patch is not None
    assert isinstance(await Effects(shop.api).apply(patch, INTENT, OURSELVES), Applied)

    after = await shop.raw()
    assert "prunella" not in {entry["manager"] for entry in after["metadata"]["managedFields"]}
    assert hand_back(after) is None, "the hand-back itself makes no new claim"
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert others(after) == others(before)
    await kubectl("apply", "--server-side", "-n", shop.namespace, "-f", "-", stdin=manifest("localhost/box:v4"))
    assert await shop.image() == "localhost/box:v4"


async def test_without_the_hand_back_the_users_server_side_apply_would_conflict_with_us(shop: Shop):
    await applied_twice_and_rolled_back(shop, ("apply", "--server-side"))

    refused = await kubectl_attempt("apply", "--server-side", "-n", shop.namespace, "-f", "-", stdin=manifest("localhost/box:v4"))

    assert refused.returncode != 0
    assert 'conflict with "prunella"' in refused.stderr


async def test_after_the_hand_back_the_users_next_client_side_apply_works(shop: Shop):
    await applied_twice_and_rolled_back(shop, ("apply",))
    patch = hand_back(await shop.raw())
    assert patch is not None
    assert isinstance(await Effects(shop.api).apply(patch, INTENT, OURSELVES), Applied)

    await kubectl("apply", "-n", shop.namespace, "-f", "-", stdin=manifest("localhost/box:v4"))

    assert await shop.image() == "localhost/box:v4"
    assert (await shop.raw())["metadata"]["annotations"]["team"] == "shop"


async def test_a_hand_back_that_was_overtaken_removes_nobodys_claim(shop: Shop):
    await applied_twice_and_rolled_back(shop, ("apply",))
    patch = hand_back(await shop.raw())
    assert patch is not None
    await shop.edit({"op": "add", "path": "/metadata/labels", "value": {"a": "b"}})
    before = await shop.raw()

    answer = await Effects(shop.api).apply(patch, INTENT, OURSELVES)

    assert answer == NotApplied(reason="", message=f"Deployment {shop.namespace}/web was written to in the meantime; read it again")
    assert (await shop.raw())["metadata"]["managedFields"] == before["metadata"]["managedFields"]
    effects = Effects(shop.api)
    assert await effects.settle(patch.target, INTENT, patch.before, "Patch") is Settled.NOT_APPLIED
    again = hand_back(await shop.raw())
    assert again is not None
    assert isinstance(await effects.apply(again, INTENT, OURSELVES), Applied)
    assert await effects.settle(patch.target, INTENT, patch.before, "Patch") is Settled.APPLIED


async def applied_twice_and_rolled_back(shop: Shop, how: tuple[str, ...]) -> None:
    await kubectl(*how, "-n", shop.namespace, "-f", "-", stdin=manifest(GOOD))
    await shop.revisions(1)
    await kubectl(*how, "-n", shop.namespace, "-f", "-", stdin=manifest(BAD))
    await shop.revisions(2)
    assert isinstance(await Effects(shop.api).apply(await shop.rollback(), INTENT, OURSELVES), Applied)
    # The controller renumbers the revision and so writes the Deployment once more; hand back only what has settled.
    await eventually(lambda: renumbered(shop))


async def renumbered(shop: Shop) -> bool:
    raw = await shop.raw()
    return (
        raw["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
        and raw["status"]["observedGeneration"] == raw["metadata"]["generation"]
    )


def others(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in raw["metadata"]["managedFields"] if entry["manager"] != "prunella"]


async def test_two_writers_of_one_intent_change_the_target_once(shop: Shop):
    await shop.roll_out()
    patch = await shop.rollback()
    generation = (await shop.raw())["metadata"]["generation"]
    effects = Effects(shop.api)

    answers = await asyncio.gather(*(effects.apply(patch, INTENT, OURSELVES) for _ in range(5)))

    assert sum(isinstance(answer, Applied) for answer in answers) == 1
    assert {answer.reason for answer in answers if isinstance(answer, NotApplied)} == {"HumanOverride"}
    assert (await shop.raw())["metadata"]["generation"] == generation + 1
