"""Objects that are made: one request with the intent's stamp, and a name that is taken is ours only where the stamp says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.adapters.standin import Numbers, Object, Reply, Silence, StandIn, refusal, standing_in

from prunella.adapters.kubernetes.client import Api, connect_plainly
from prunella.adapters.kubernetes.executor import Effects
from prunella.api.common import ObjectRef
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown, Retryable
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.creation import Create, Unmake
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Settled
from prunella.core.healing.runbooks.identity import OURSELVES

ALL = "/apis/batch/v1/namespaces/shop/jobs"
ONE = f"{ALL}/prunella-5b1e"
TARGET = ObjectRef(api_version="batch/v1", kind="Job", namespace="shop", name="prunella-5b1e")
CREATE = Create(
    target=TARGET, manifest={"apiVersion": "batch/v1", "kind": "Job", "metadata": {"annotations": {"a": "b"}}, "spec": {"x": 1}}, does="a Job runs"
)


def job(intent: str | None = "5b1e", **more: Any) -> Object:
    annotations = {"prunella.dev/intent-id": intent} if intent else {}
    return {"kind": "Job", "metadata": {"name": "prunella-5b1e", "uid": "j-1", "annotations": annotations}, **more}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
async def api(server: StandIn) -> AsyncIterator[Api]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield api


MADE = Applied(after={"name": "prunella-5b1e", "uid": "j-1"})


async def test_it_is_one_request_with_the_name_and_the_stamp_of_its_intent(server: StandIn, api: Api) -> None:
    server.answers("POST", ALL, Reply(job(), status=201))
    assert await Effects(api).apply(CREATE, "5b1e", OURSELVES) == MADE
    [sent] = server.asked
    assert (sent.method, sent.path) == ("POST", ALL)
    assert sent.query == {"fieldManager": "prunella"}
    assert sent.body == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "prunella-5b1e", "namespace": "shop", "annotations": {"a": "b", "prunella.dev/intent-id": "5b1e"}},
        "spec": {"x": 1},
    }


@pytest.mark.parametrize(("intent", "ours"), [("5b1e", True), ("other", False), (None, False)])
async def test_a_name_that_is_taken_is_ours_only_by_its_stamp(server: StandIn, api: Api, intent: str | None, ours: bool) -> None:
    server.answers("POST", ALL, refusal(409, "AlreadyExists"))
    server.answers("GET", ONE, Reply(job(intent)))
    answer = await Effects(api).apply(CREATE, "5b1e", OURSELVES)
    if ours:
        assert answer == MADE
    else:
        assert answer == NotApplied(reason="", message="Job shop/prunella-5b1e is there already, and somebody else made it: it was left alone")


@pytest.mark.parametrize(
    "trouble", [refusal(500, "InternalError", "etcd"), refusal(503, "ServiceUnavailable"), Silence(cut=True)], ids=["500", "503", "cut"]
)
async def test_a_server_error_or_no_answer_is_unknown_and_not_tried_again(server: StandIn, api: Api, trouble: Any) -> None:
    server.answers("POST", ALL, trouble)
    with pytest.raises(OutcomeUnknown):
        await Effects(api).apply(CREATE, "5b1e", OURSELVES)
    assert len(server.asked) == 1


async def test_what_was_turned_away_unread_may_be_tried(server: StandIn, api: Api) -> None:
    server.answers("POST", ALL, refusal(429, "TooManyRequests"))
    with pytest.raises(Retryable) as caught:
        await Effects(api).apply(CREATE, "5b1e", OURSELVES)
    assert caught.value.transient is Transient.TOO_MANY_REQUESTS


async def test_a_quota_that_others_count_in_at_the_same_time_may_be_tried_and_is_nobodys_object(server: StandIn, api: Api) -> None:
    server.answers("POST", ALL, refusal(409, "Conflict", "quota"))
    server.answers("GET", ONE, refusal(404, "NotFound"))
    message = "The API server refused the creation of Job shop/prunella-5b1e (409): quota"
    assert await Effects(api).apply(CREATE, "5b1e", OURSELVES) == NotApplied(reason="", message=message, transient=Transient.CONFLICT)


async def test_a_good_answer_that_is_not_the_object_leaves_open_whether_it_was_made(server: StandIn, api: Api) -> None:
    server.answers("POST", ALL, Reply("<html>welcome</html>"))
    with pytest.raises(OutcomeUnknown):
        await Effects(api).apply(CREATE, "5b1e", OURSELVES)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (refusal(403, "Forbidden", "no"), "MissingPermission"),
        (refusal(403, "Forbidden", "exceeded quota: q"), ""),
        (refusal(422, "Invalid", "x"), ""),
    ],
    ids=["no right", "no quota", "invalid"],
)
async def test_a_refusal_says_why(server: StandIn, api: Api, trouble: Any, reason: str) -> None:
    server.answers("POST", ALL, trouble)
    answer = await Effects(api).apply(CREATE, "5b1e", OURSELVES)
    assert isinstance(answer, NotApplied)
    assert answer.reason == reason
    assert ("manifests/run-jobs" in answer.message) is (reason == "MissingPermission")


@pytest.mark.parametrize(
    ("found", "settled"),
    [
        (Reply(job()), Settled.APPLIED),
        (Reply(job("other")), Settled.CHANGED),
        (Reply(job(None)), Settled.CHANGED),
        (refusal(404, "NotFound"), Settled.NOT_APPLIED),
        (refusal(500, "InternalError"), UNKNOWN),
    ],
    ids=["ours", "another's", "a person's", "not there", "unreadable"],
)
async def test_after_a_crash_the_name_tells(server: StandIn, api: Api, found: Any, settled: object) -> None:
    server.answers("GET", ONE, found)
    assert await Effects(api).settle(TARGET, "5b1e", {}, "Create") is settled


async def test_the_dry_run_is_the_same_request_and_makes_nothing(server: StandIn, api: Api) -> None:
    server.answers("POST", ALL, Reply(job(), status=201))
    assert await Effects(api).dry_run(CREATE, OURSELVES) == DryRun(accepted=True)
    copy = replace(CREATE, confidential=True, before={"resourceVersion": "7", "configMap": "settings"})
    said = await Effects(api).dry_run(copy, OURSELVES)
    assert said == DryRun(accepted=True, diff="+ configMap: settings\n+ resourceVersion: 7\n"), "what was approved is void once it is another version"
    assert server.asked[0].query == {"fieldManager": "prunella", "dryRun": "All"}
    server.answers("POST", ALL, refusal(422, "Invalid", "spec.template: Required"))
    refused = await Effects(api).dry_run(CREATE, OURSELVES)
    assert isinstance(refused, DryRun)
    assert not refused.accepted


UNMAKE = Unmake(target=TARGET.model_copy(update={"uid": "j-1"}), does="the Job goes")


async def test_what_was_made_is_deleted_by_its_uid(server: StandIn, api: Api) -> None:
    server.answers("DELETE", ONE, Reply({"kind": "Status", "status": "Success"}))
    assert await Effects(api).apply(UNMAKE, "5b1e", OURSELVES) == Applied(after={"made": "deleted"})
    assert await Effects(api).dry_run(UNMAKE, OURSELVES) == DryRun(accepted=True)
    sent, tried = server.asked
    assert sent.body == {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "j-1"}}
    assert tried.body == {**sent.body, "dryRun": ["All"]}


@pytest.mark.parametrize(
    ("trouble", "found", "answer"),
    [
        (refusal(404, "NotFound"), refusal(404, "NotFound"), Applied(after={"made": "gone"})),
        (refusal(409, "Conflict"), Reply(job() | {"metadata": {"name": "prunella-5b1e", "uid": "j-2"}}), Applied(after={"made": "gone"})),
        (
            refusal(409, "Conflict", "not now"),
            Reply(job()),
            NotApplied(reason="", message="The API server refused the deletion of Job shop/prunella-5b1e (409): not now"),
        ),
    ],
    ids=["gone", "another bears its name", "refused"],
)
async def test_what_is_gone_already_is_done(server: StandIn, api: Api, trouble: Any, found: Any, answer: object) -> None:
    server.answers("DELETE", ONE, trouble)
    server.answers("GET", ONE, found)
    assert await Effects(api).apply(UNMAKE, "5b1e", OURSELVES) == answer


async def test_a_deletion_that_may_have_happened_is_unknown_and_one_without_the_right_says_who_grants_it(server: StandIn, api: Api) -> None:
    server.answers("DELETE", ONE, refusal(500, "InternalError"))
    with pytest.raises(OutcomeUnknown):
        await Effects(api).apply(UNMAKE, "5b1e", OURSELVES)
    server.answers("DELETE", ONE, refusal(403, "Forbidden", "no"))
    refused = await Effects(api).apply(UNMAKE, "5b1e", OURSELVES)
    assert isinstance(refused, NotApplied)
    assert (refused.reason, "Prunella may not delete jobs.batch in shop" in refused.message) == ("MissingPermission", True)


@pytest.mark.parametrize(
    ("found", "settled"),
    [
        (refusal(404, "NotFound"), Settled.APPLIED),
        (Reply(job() | {"metadata": {"name": "prunella-5b1e", "uid": "j-2"}}), Settled.APPLIED),
        (Reply(job() | {"metadata": {"name": "prunella-5b1e", "uid": "j-1", "deletionTimestamp": "2026-11-24T12:00:00Z"}}), Settled.APPLIED),
        (Reply(job()), Settled.NOT_APPLIED),
    ],
    ids=["gone", "another bears its name", "on its way", "still there"],
)
async def test_after_a_crash_it_is_told_by_its_uid_whether_it_went(server: StandIn, api: Api, found: Any, settled: object) -> None:
    server.answers("GET", ONE, found)
    assert await Effects(api).settle(UNMAKE.target, "5b1e", {}, "Delete") is settled
