"""resize on a real API server: the right container's limit, nothing else of the template, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.cluster.outside import deployment, must, needs_control_plane, numbered, own_namespace, session

from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps import resize
from prunella.core.healing.steps.resize import Resize
from prunella.core.healing.steps.step import LiveFacts

pytestmark = needs_control_plane
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MORE = Resize(container="app", resource="memory", most="1Gi")


@pytest.mark.parametrize(("limit", "wrote"), [("256Mi", "384Mi"), ("700Mi", "1Gi")], ids=["as it is written", "in a larger unit"])
async def test_r29_of_several_containers_the_right_ones_limit_goes_up_and_comes_back(limit, wrote):
    async with session() as api, own_namespace(api) as namespace:
        effects, live = Effects(api), LiveReads(api)
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        made: dict[str, Any] = deployment("web", "localhost/box:v1")
        [app] = made["spec"]["template"]["spec"]["containers"]
        app["resources"] = {"limits": {"memory": limit}, "requests": {"memory": limit}}
        made["spec"]["template"]["spec"]["containers"] = [{"name": "first", "image": "localhost/box:v1"}, app]
        await must(api, "POST", path, made)
        before = await numbered(api, f"{path}/web", 1)
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid=before["metadata"]["uid"])

        facts, raw = await live.workload(ref), await live.raw(ref)
        patch = resize.plan(MORE, LiveFacts(now=NOW, raw=raw, target=facts, intent_time=NOW), ())
        assert isinstance(patch, Patch)
        tried = await effects.dry_run(patch, OURSELVES)
        assert isinstance(tried, DryRun)
        assert wrote in tried.diff
        assert isinstance(await effects.apply(patch, "more", OURSELVES), Applied)
        await numbered(api, f"{path}/web", 2)
        assert isinstance(await effects.apply(patch, "more", OURSELVES), NotApplied), "a second request changes nothing"

        stored = await must(api, "GET", f"{path}/web")
        was, now = (one["spec"]["template"]["spec"]["containers"] for one in (before, stored))
        assert now[0] == was[0]
        assert now[1] == {**was[1], "resources": {"limits": {"memory": wrote}, "requests": {"memory": wrote}}}
        intent = Intent(id="more", action="Patch", target_ref=patch.target, written_time=NOW, deadline_time=NOW, before=patch.record)
        back = resize.undo(MORE, stored, StepStatus(name="more", state=StepState.APPLIED, intent=intent))
        assert isinstance(back, Patch)
        assert isinstance(await effects.apply(back, "undo", OURSELVES), Applied)
        assert (await must(api, "GET", f"{path}/web"))["spec"]["template"] == before["spec"]["template"]
