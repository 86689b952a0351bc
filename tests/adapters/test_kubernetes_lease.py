"""The Lease in the API server: what is asked of it, what stays on it, and the fence that it is for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.adapters.local import FixedClock
from tests.adapters.standin import Numbers, Reply, Silence, StandIn, refusal, standing_in
from tests.fakes.tenure import Sole

from prunella.adapters.clock import SystemTicks
from prunella.adapters.kubernetes.client import Api, connect_plainly
from prunella.adapters.kubernetes.lease import LeaderLease
from prunella.adapters.kubernetes.resources import DEPLOYMENT
from prunella.app.errors import AlreadyExists, Conflict, OutcomeUnknown, Permanent, PrunellaError, Retryable
from prunella.app.leadership import LeaseRecord

ALL = "/apis/coordination.k8s.io/v1/namespaces/prunella-system/leases"
ONE = f"{ALL}/prunella-leader"
STORED = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "prunella-leader", "namespace": "prunella-system", "resourceVersion": "41", "annotations": {"note": "ana's"}, "uid": "u"},
    "spec": {
        "holderIdentity": "first/1",
        "leaseTransitions": 6,
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-24T11:00:00.000000Z",
        "renewTime": "2026-11-24T11:59:59.000000Z",
        "strategy": "OldestEmulationVersion",
    },
}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
async def api(server: StandIn) -> AsyncIterator[Api]:
    async with connect_plainly(server.url, Numbers()) as made:
        yield made


@pytest.fixture
def lease(api: Api) -> LeaderLease:
    return LeaderLease(api, FixedClock())


async def test_it_is_read_as_it_stands(server, lease):
    assert await lease.read() is None
    server.answers("GET", ONE, Reply(STORED))
    found = await lease.read()
    assert (found.holder, found.epoch, found.lease_seconds, found.version) == ("first/1", 6, 15, "41")


@pytest.mark.parametrize("spec", [{}, None, {"holderIdentity": None, "leaseTransitions": None, "leaseDurationSeconds": None, "renewTime": None}])
async def test_one_that_a_person_emptied_is_one_without_a_holder(server, lease, spec):
    server.answers("GET", ONE, Reply({**STORED, "spec": spec}))
    found = await lease.read()
    assert (found.holder, found.epoch, found.lease_seconds, found.renewed) == ("", 0, 0, "")


async def test_a_new_one_names_its_holder_and_is_ours(server, lease):
    server.answers("POST", ALL, Reply(STORED, 201))
    await lease.create(holder="me/2", epoch=7, lease_seconds=15)
    sent = server.asked[-1].body
    assert sent["metadata"] == {"name": "prunella-leader", "namespace": "prunella-system", "labels": {"app.kubernetes.io/part-of": "prunella"}}
    now = "2026-11-24T12:00:00.000000Z"
    assert sent["spec"] == {"holderIdentity": "me/2", "leaseTransitions": 7, "leaseDurationSeconds": 15, "renewTime": now, "acquireTime": now}


@pytest.mark.parametrize(
    ("holder", "acquired"), [("first/1", "2026-11-24T11:00:00.000000Z"), ("me/2", "2026-11-24T12:00:00.000000Z")], ids=["renewed", "taken over"]
)
async def test_a_replacement_names_the_version_that_was_read_and_keeps_what_people_put_there(server, lease, holder, acquired):
    server.answers("GET", ONE, Reply(STORED))
    server.answers("PUT", ONE, Reply(STORED))
    await lease.replace(await lease.read(), holder=holder, epoch=7, lease_seconds=15)
    sent = server.asked[-1].body
    assert sent["metadata"] == STORED["metadata"]
    assert sent["spec"] == STORED["spec"] | {
        "holderIdentity": holder,
        "leaseTransitions": 7,
        "acquireTime": acquired,
        "renewTime": "2026-11-24T12:00:00.000000Z",
    }


ASKED: dict[str, tuple[str, str, Callable[[LeaderLease, LeaseRecord], Awaitable[object]]]] = {
    "a read": ("GET", ONE, lambda lease, _: lease.read()),
    "a create": ("POST", ALL, lambda lease, _: lease.create(holder="me", epoch=1, lease_seconds=15)),
    "a replacement": ("PUT", ONE, lambda lease, before: lease.replace(before, holder="me", epoch=1, lease_seconds=15)),
}


@pytest.mark.parametrize(
    ("what", "answer", "error"),
    [
        ("a replacement", refusal(409, "Conflict"), Conflict),
        ("a replacement", refusal(404, "NotFound"), Conflict),
        ("a replacement", refusal(503, "ServiceUnavailable"), OutcomeUnknown),
        ("a replacement", Silence(cut=True), OutcomeUnknown),
        ("a create", refusal(409, "AlreadyExists"), AlreadyExists),
        ("a create", refusal(404, "NotFound", "namespaces prunella-system not found"), Permanent),
        ("a read", refusal(503, "ServiceUnavailable"), Retryable),
        ("a read", Reply("<html>bad gateway</html>", 502), Retryable),
        ("a read", Reply("<html>please log in</html>"), Retryable),
        ("a read", refusal(403, "Forbidden", "no RBAC"), Permanent),
    ],
)
async def test_whatever_is_answered_is_an_error_that_the_elector_knows(server, lease, what, answer, error):
    server.answers("GET", ONE, Reply(STORED))
    before = await lease.read()
    method, path, ask = ASKED[what]
    server.answers(method, path, answer)
    with pytest.raises(PrunellaError) as caught:
        await ask(lease, before)
    assert type(caught.value) is error


# the fence


@pytest.mark.parametrize(("leads", "sent"), [(True, 1), (False, 0)], ids=["the leader", "a standby"])
@pytest.mark.parametrize(("verb", "method"), [("patch", "PATCH"), ("update", "PUT"), ("delete", "DELETE"), ("create", "POST")])
async def test_what_only_the_leader_may_write_is_sent_only_while_the_lease_outlasts_it(server, api, verb, method, leads, sent):
    path = "/apis/apps/v1/namespaces/shop/deployments" + ("" if verb == "create" else "/web")
    server.answers(method, path, Reply({}))
    call = DEPLOYMENT.call(verb, "shop", "" if verb == "create" else "web", body={})
    async with api.for_leader(Sole(leads=leads)) as fenced:
        if leads:
            await fenced.ask(call)
        else:
            with pytest.raises(Retryable, match=re.escape(f"the leader for long enough: {verb} deployments.apps in shop was not sent")):
                await fenced.ask(call)
    assert server.count(method) == sent
    await api.ask(call)
    assert server.count(method) == sent + 1, "without the fence it is sent: that is what the fence is for"


async def test_a_standby_reads_as_it_likes(server, api):
    server.answers("GET", "/apis/apps/v1/namespaces/shop/deployments/web", Reply({"kind": "Deployment"}))
    async with api.for_leader(Sole(leads=False)) as fenced:
        assert await fenced.ask(DEPLOYMENT.call("get", "shop", "web")) is not None


async def test_the_fence_asks_for_as_long_as_the_request_may_take(server, api):
    asked = []

    class Asked(Sole):
        def covers(self, seconds: float) -> bool:
            asked.append(seconds)
            return True

    server.answers("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", Reply({}))
    async with api.for_leader(Asked()) as fenced:
        await fenced.ask(DEPLOYMENT.call("patch", "shop", "web", body={}, timeout=7))
    assert asked == [7]


def test_the_clock_of_the_lease_only_runs_forward():
    ticks = SystemTicks()
    seen = [ticks.seconds() for _ in range(100)]
    assert seen == sorted(seen)
