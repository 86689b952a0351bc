"""Effects against an API server that fails in the middle: what can't be known is never called done or not done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.adapters.standin import Numbers, Object, Reply, Silence, StandIn, refusal, standing_in, status_object

from prunella.adapters.kubernetes.client import Api, connect_plainly
from prunella.adapters.kubernetes.executor import Effects
from prunella.api.common import ObjectRef
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown, Permanent, Retryable
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Applied, DeletePod, Effect, Evict, NotApplied, Patch, Settled, guarded_sha256
from prunella.core.healing.runbooks.identity import OURSELVES

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
POD = "/api/v1/namespaces/shop/pods/web-a"
OLD, NEW = {"spec": {"image": "v2"}}, {"spec": {"image": "v1"}}
TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="web", uid="u-1")
PATCH = Patch(
    does="",
    target=TARGET,
    operations=(
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": "/spec/template", "value": OLD},
        {"op": "replace", "path": "/spec/template", "value": NEW},
    ),
    before={"guardedSha256": guarded_sha256(OLD)},
)
BARE = replace(PATCH, annotated=False)
"""The same, of a target that had no annotations when it was judged."""
NOTES = {"annotations": {"a": "b"}}
HAND_BACK = Patch(
    does="",
    target=TARGET,
    operations=({"op": "test", "path": "/metadata/uid", "value": "u-1"}, {"op": "remove", "path": "/metadata/managedFields/0"}),
    guarded_path="/metadata/managedFields",
    stamped=False,
)
DELETE = DeletePod(does="", target=ObjectRef(api_version="v1", kind="Pod", namespace="shop", name="web-a", uid="p-1"), resource_version="5")


def web(template: Object = OLD, uid: str = "u-1", **meta: Any) -> Object:
    return {"kind": "Deployment", "metadata": {"name": "web", "uid": uid, **meta}, "spec": {"template": template}}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        standin.answers("GET", WEB, Reply(web()))
        standin.answers("GET", POD, Reply({"kind": "Pod", "metadata": {"name": "web-a", "uid": "p-1"}}))
        yield standin


@pytest.fixture
async def api(server: StandIn) -> AsyncIterator[Api]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield api


@pytest.mark.parametrize(("effect", "method", "path"), [(PATCH, "PATCH", WEB), (DELETE, "DELETE", POD)], ids=["a patch", "a deletion"])
@pytest.mark.parametrize(
    "trouble",
    [refusal(500, "InternalError", "etcd"), refusal(503, "ServiceUnavailable"), refusal(504, "Timeout"), Silence(cut=True)],
    ids=["500", "503", "504", "cut"],
)
async def test_a_server_error_or_no_answer_is_unknown_and_not_tried_again(
    api: Api, server: StandIn, effect: Effect, method: str, path: str, trouble: Reply | Silence
):
    server.answers(method, path, trouble)
    with pytest.raises(OutcomeUnknown, match="whether it was done must be seen on"):
        await Effects(api).apply(effect, "intent", OURSELVES)
    assert server.count(method) == 1


@pytest.mark.parametrize(("effect", "method", "path"), [(PATCH, "PATCH", WEB), (DELETE, "DELETE", POD)], ids=["a patch", "a deletion"])
@pytest.mark.parametrize("code", [401, 429])
async def test_what_was_turned_away_unread_may_be_tried_again(api: Api, server: StandIn, effect: Effect, method: str, path: str, code: int):
    server.answers(method, path, refusal(code, "x", **{"Retry-After": "3"}))
    with pytest.raises(Retryable, match=r"turned the change of .* away unread") as caught:
        await Effects(api).apply(effect, "intent", OURSELVES)
    assert (caught.value.delay, caught.value.transient) == (3, Transient.TOO_MANY_REQUESTS if code == 429 else None)


async def test_a_good_answer_that_is_not_the_object_leaves_open_whether_it_was_done(api: Api, server: StandIn):
    """A proxy in between, for example: it may have been done behind it, so it is no try that surely did nothing."""
    server.answers("PATCH", WEB, Reply("<html>welcome</html>"))
    with pytest.raises(OutcomeUnknown, match="instead of JSON; whether it was done must be seen on the object"):
        await Effects(api).apply(PATCH, "intent", OURSELVES)
    assert server.count("PATCH") == 1


@pytest.mark.parametrize(
    ("refused", "transient"), [(refusal(409, "Conflict"), Transient.CONFLICT), (refusal(422, "Invalid"), None)], ids=["a lost race", "invalid"]
)
async def test_a_patch_that_lost_a_race_may_be_tried_where_all_that_was_judged_stands(
    api: Api, server: StandIn, refused: Reply, transient: Transient | None
):
    server.answers("GET", WEB, Reply(web(**NOTES)))
    server.answers("PATCH", WEB, refused)
    assert await Effects(api).apply(PATCH, "intent", OURSELVES) == NotApplied(
        reason="", message="The API server refused the change of Deployment shop/web: no", transient=transient
    )
    server.answers("GET", WEB, Reply(web({"spec": {"image": "v3"}}, **NOTES)))
    answer = await Effects(api).apply(PATCH, "intent", OURSELVES)
    assert isinstance(answer, NotApplied)
    assert (answer.reason, answer.transient) == ("HumanOverride", None)


BUDGET = {"details": {"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 1 healthy pods"}]}}


@pytest.mark.parametrize(("more", "transient"), [(BUDGET, None), ({}, Transient.TOO_MANY_REQUESTS)], ids=["a budget", "the API server itself"])
async def test_a_budget_without_room_is_told_from_an_api_server_that_is_busy(api: Api, server: StandIn, more: Object, transient: Transient | None):
    server.answers("POST", f"{POD}/eviction", Reply({**status_object(429, "TooManyRequests", "no"), **more}, 429))
    with pytest.raises(Retryable, match="can't be evicted now") as caught:
        await Effects(api).apply(Evict(does="", target=DELETE.target), "intent", OURSELVES)
    assert caught.value.transient is transient


@pytest.mark.parametrize("patch", [PATCH, BARE, HAND_BACK], ids=["beside annotations", "without annotations", "a hand-back"])
async def test_a_patch_is_one_request_because_it_insists_by_itself_on_what_was_judged(api: Api, server: StandIn, patch: Patch):
    server.answers("GET", WEB, refusal(500, "InternalError"))
    server.answers("PATCH", WEB, Reply(web(NEW, resourceVersion="9", generation=3)))
    assert isinstance(await Effects(api).apply(patch, "intent", OURSELVES), Applied)
    assert [asked.method for asked in server.asked] == ["PATCH"]


@pytest.mark.parametrize(
    ("refused", "reason"),
    [(refusal(404, "NotFound"), "TargetChanged"), (refusal(403, "Forbidden", "no RBAC"), "MissingPermission")],
    ids=["gone", "no right"],
)
async def test_a_refusal_that_says_why_needs_no_look(api: Api, server: StandIn, refused: Reply, reason: str):
    server.answers("PATCH", WEB, refused)
    answer = await Effects(api).apply(PATCH, "intent", OURSELVES)
    assert isinstance(answer, NotApplied)
    assert answer.reason == reason
    assert [asked.method for asked in server.asked] == ["PATCH"]


@pytest.mark.parametrize(
    ("patch", "now"), [(BARE, web(**NOTES)), (PATCH, web()), (PATCH, web(annotations=None))], ids=["they appeared", "they vanished", "they are null"]
)
async def test_annotations_that_came_or_went_are_no_persons_override_and_nothing_is_sent_twice(api: Api, server: StandIn, patch: Patch, now: Object):
    server.answers("GET", WEB, Reply(now))
    server.answers("PATCH", WEB, refusal(422, "Invalid"))
    with pytest.raises(Retryable, match="Annotations of Deployment shop/web came or went after it was judged") as caught:
        await Effects(api).apply(patch, "intent", OURSELVES)
    assert caught.value.transient is Transient.CONFLICT
    assert [asked.method for asked in server.asked] == ["PATCH", "GET"]


MINE = {"key": "prunella.dev/suspect", "effect": "NoSchedule"}
LOST = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
PLACE = "/spec/taints/[key=prunella.dev~1suspect,effect=NoSchedule]"


def tainted(*taints: Object) -> Object:
    return {"metadata": {"name": "n1", "uid": "u-1", "annotations": {"a": "b"}}, "spec": {"taints": list(taints)}}


@pytest.mark.parametrize(
    ("now", "again"),
    [((LOST,), True), ((), False), ((LOST, MINE), False)],
    ids=["another one came", "all is as judged", "ours was set by somebody else"],
)
async def test_what_comes_and_goes_beside_an_element_of_a_list_is_no_persons_override(
    api: Api, server: StandIn, now: tuple[Object, ...], again: bool
):
    node = ObjectRef(api_version="v1", kind="Node", name="n1", uid="u-1")
    operations = (
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": "/spec/taints", "value": []},
        {"op": "replace", "path": "/spec/taints", "value": [MINE]},
    )
    before = {"guardedSha256": guarded_sha256(None)}
    patch = Patch(does="", target=node, operations=operations, guarded_path=PLACE, pointer="/spec/taints", before=before)
    server.answers("GET", "/api/v1/nodes/n1", Reply(tainted(*now)))
    server.answers("PATCH", "/api/v1/nodes/n1", refusal(422, "Invalid"))
    if again:
        with pytest.raises(Retryable, match="Others of a list of Node n1 came or went"):
            await Effects(api).apply(patch, "intent", OURSELVES)
    else:
        assert isinstance(await Effects(api).apply(patch, "intent", OURSELVES), NotApplied)


@pytest.mark.parametrize(
    ("now", "reason", "message"),
    [
        (Reply(web({"spec": {"image": "v3"}}, **NOTES)), "HumanOverride", "was changed by somebody else after it was judged"),
        (Reply(web(NEW, annotations={"prunella.dev/intent-id": "intent"})), "HumanOverride", "was changed by somebody else after it was judged"),
        (Reply(web(uid="u-2", **NOTES)), "TargetChanged", "is gone, or another object bears its name"),
        (refusal(404, "NotFound"), "TargetChanged", "is gone, or another object bears its name"),
        (Reply(web()), "", "The API server refused the change of Deployment shop/web: no"),
        (refusal(500, "InternalError"), "", "can't be asked why: no"),
    ],
    ids=["the template too", "our own earlier try", "the uid too", "gone", "they are as judged", "it can't be read"],
)
async def test_where_more_than_annotations_changed_that_is_the_reason(api: Api, server: StandIn, now: Reply, reason: str, message: str):
    server.answers("GET", WEB, now)
    server.answers("PATCH", WEB, refusal(422, "Invalid"))
    answer = await Effects(api).apply(BARE, "intent", OURSELVES)
    assert isinstance(answer, NotApplied)
    assert (answer.reason, message in answer.message) == (reason, True)
    assert server.count("PATCH") == 1


async def test_an_earlier_try_that_arrived_and_was_undone_is_settled_by_its_stamp_and_not_sent_again(api: Api, server: StandIn):
    """It brought the map of annotations, and somebody put the template back: all that was judged stands, and yet it was done."""
    server.answers("GET", WEB, Reply(web(annotations={"prunella.dev/intent-id": "intent"})))
    server.answers("PATCH", WEB, refusal(422, "Invalid"))
    with pytest.raises(Retryable):
        await Effects(api).apply(BARE, "intent", OURSELVES)
    assert await Effects(api).settle(TARGET, "intent", BARE.before, "Patch") is Settled.APPLIED
    assert server.count("PATCH") == 1


async def test_a_hand_back_bears_no_stamp_so_annotations_are_nothing_to_it(api: Api, server: StandIn):
    server.answers("GET", WEB, Reply(web()))
    server.answers("PATCH", WEB, refusal(422, "Invalid"))
    answer = await Effects(api).apply(HAND_BACK, "", OURSELVES)
    assert answer == NotApplied(reason="", message="Deployment shop/web was written to in the meantime; read it again")


@pytest.mark.parametrize(
    ("afterwards", "reason", "message"),
    [
        (Reply(web({"spec": {"image": "v3"}})), "HumanOverride", "was changed by somebody else after it was judged"),
        (Reply(web(uid="u-2")), "TargetChanged", "is gone, or another object bears its name"),
        (refusal(404, "NotFound"), "TargetChanged", "is gone, or another object bears its name"),
        (Reply(web()), "", "The API server refused the change of Deployment shop/web: no"),
        (refusal(500, "InternalError"), "", "can't be asked why: no"),
    ],
    ids=["the template is another", "the uid is another", "gone", "all as judged", "it can't be read"],
)
async def test_why_a_precondition_failed_is_seen_on_the_object(api: Api, server: StandIn, afterwards: Reply, reason: str, message: str):
    server.answers("GET", WEB, afterwards)
    server.answers("PATCH", WEB, refusal(422, "Invalid"))

    answer = await Effects(api).apply(BARE, "intent", OURSELVES)

    assert isinstance(answer, NotApplied)
    assert answer.reason == reason
    assert message in answer.message


@pytest.mark.parametrize(
    ("patch", "stamp"),
    [
        (PATCH, [{"op": "add", "path": "/metadata/annotations/prunella.dev~1intent-id", "value": "intent"}]),
        (
            BARE,
            [
                {"op": "test", "path": "/metadata/annotations", "value": None},
                {"op": "add", "path": "/metadata/annotations", "value": {"prunella.dev/intent-id": "intent"}},
            ],
        ),
    ],
    ids=["beside others", "the first one"],
)
async def test_the_stamp_is_part_of_the_same_request(api: Api, server: StandIn, patch: Patch, stamp: list[Object]):
    server.answers("PATCH", WEB, Reply(web(NEW, resourceVersion="9", generation=3)))

    answer = await Effects(api).apply(patch, "intent", OURSELVES)

    assert answer == Applied(after={"resourceVersion": "9", "generation": "3", "guardedSha256": guarded_sha256(NEW)})
    asked = server.asked[-1]
    assert asked.body == [*PATCH.operations, *stamp]
    assert asked.query == {"fieldManager": "prunella"}
    assert asked.headers["Content-Type"] == "application/json-patch+json"


@pytest.mark.parametrize(("patch", "now"), [(PATCH, web(**NOTES)), (BARE, web())], ids=["beside annotations", "without annotations"])
async def test_a_dry_run_is_the_same_request_and_asks_for_nothing_to_be_stored(api: Api, server: StandIn, patch: Patch, now: Object):
    server.answers("GET", WEB, Reply(now))
    server.answers("PATCH", WEB, Reply(web(NEW)))
    await Effects(api).apply(patch, "dry-run", OURSELVES)
    await Effects(api).dry_run(patch, OURSELVES)
    real, dry = (asked for asked in server.asked if asked.method == "PATCH")
    assert dry.body == real.body
    assert dry.query == {**real.query, "dryRun": "All"}


async def test_a_deletion_carries_uid_and_version(api: Api, server: StandIn):
    server.answers("DELETE", POD, Reply({}))
    assert await Effects(api).apply(DELETE, "intent", OURSELVES) == Applied(after={"pod": "deleted"})
    assert server.asked[-1].body["preconditions"] == {"uid": "p-1", "resourceVersion": "5"}


@pytest.mark.parametrize("trouble", [refusal(500, "InternalError"), refusal(429, "TooManyRequests"), Silence(cut=True)], ids=["500", "429", "cut"])
async def test_a_dry_run_without_an_answer_is_unknown(api: Api, server: StandIn, trouble: Reply | Silence):
    server.answers("PATCH", WEB, trouble)
    assert await Effects(api).dry_run(PATCH, OURSELVES) is UNKNOWN


@pytest.mark.parametrize(
    ("stored", "action", "settled"),
    [
        (Reply(web(annotations={"prunella.dev/intent-id": "intent"})), "Patch", Settled.APPLIED),
        (Reply(web(NEW, annotations={"prunella.dev/intent-id": "intent"})), "Patch", Settled.APPLIED),
        (Reply(web(annotations={"prunella.dev/intent-id": "another"})), "Patch", Settled.NOT_APPLIED),
        (Reply(web()), "Patch", Settled.NOT_APPLIED),
        (Reply(web(NEW)), "Patch", Settled.CHANGED),
        (Reply({"metadata": {"uid": "u-1"}}), "Patch", Settled.CHANGED),
        (Reply(web(uid="u-2")), "Patch", Settled.GONE),
        (refusal(404, "NotFound"), "Patch", Settled.GONE),
        (refusal(500, "InternalError"), "Patch", UNKNOWN),
        (Silence(cut=True), "Patch", UNKNOWN),
        (Reply(web()), "Delete", Settled.NOT_APPLIED),
        (Reply(web(deletionTimestamp="2026-11-24T12:00:00Z")), "Delete", Settled.APPLIED),
        (Reply(web(uid="u-2")), "Delete", Settled.APPLIED),
        (refusal(404, "NotFound"), "Delete", Settled.APPLIED),
        (refusal(403, "Forbidden"), "Delete", UNKNOWN),
    ],
)
async def test_the_recovery_table(api: Api, server: StandIn, stored: Reply | Silence, action: str, settled: object):
    server.answers("GET", WEB, stored)
    assert await Effects(api).settle(TARGET, "intent", PATCH.before, action) is settled


async def test_without_a_hash_of_the_state_before_nothing_is_called_unchanged(api: Api):
    assert await Effects(api).settle(TARGET, "intent", {"revision": "15"}, "Patch") is Settled.CHANGED


async def test_a_kind_that_is_not_ours_to_change_is_refused_before_anything_is_sent(api: Api, server: StandIn):
    secret = TARGET.model_copy(update={"api_version": "v1", "kind": "Secret"})
    with pytest.raises(Permanent, match="does not know how to change a Secret of v1"):
        await Effects(api).apply(Patch(does="", target=secret, operations=()), "intent", OURSELVES)
    assert server.asked == []


async def test_a_version_that_was_judged_and_is_another_one_now_is_somebodys_doing(api: Api, server: StandIn):
    """What is put back whole, such as a ConfigMap's content, insists on the very version."""
    version = "/metadata/resourceVersion"
    test = {"op": "test", "path": version, "value": "7"}
    patch = replace(BARE, guarded_path=version, operations=(test, {"op": "replace", "path": "/spec/paused", "value": True}))
    server.answers("GET", WEB, Reply(web(resourceVersion="8")))
    server.answers("PATCH", WEB, refusal(422, "Invalid"))
    answer = await Effects(api).apply(patch, "intent", OURSELVES)
    assert isinstance(answer, NotApplied)
    assert answer.reason == "HumanOverride"


@pytest.mark.parametrize(("path", "kept"), [("/spec/template/spec/image", True), ("/spec/template", False), ("/spec/replicas", False)])
async def test_of_a_part_of_the_template_the_record_keeps_the_whole_as_it_was_answered(api: Api, server: StandIn, path: str, kept: bool):
    """Admission may have changed what was asked for: what the run left is what the API server says."""
    server.answers("PATCH", WEB, Reply(web(NEW)))
    answer = await Effects(api).apply(replace(PATCH, guarded_path=path), "intent", OURSELVES)
    assert isinstance(answer, Applied)
    assert answer.after.get("templateSha256") == (guarded_sha256(NEW) if kept else None)
