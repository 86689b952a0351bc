"""What is missing before a start is said with its remedy, and nothing else is taken for missing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.adapters.standin import Numbers, Reply, StandIn, refusal, standing_in

from prunella.adapters.kubernetes.client import Api, connect_plainly
from prunella.adapters.kubernetes.discovery import missing

OURS = "/apis/prunella.dev/v1alpha1"
HOME = "/api/v1/namespaces/prunella-system"
PLURALS = ("incidents", "runbooks")
SERVED = Reply({"resources": [{"name": "incidents"}, {"name": "incidents/status"}, {"name": "runbooks"}]})
HALF = Reply({"resources": [{"name": "incidents"}]})
THERE = Reply({"metadata": {"name": "prunella-system"}})
NOT_THERE = refusal(404, "NotFound")
CRDS = "Prunella's CRDs are not installed ({} of prunella.dev): `prunella install`, or `kubectl apply -k crds`"
NAMESPACE = "the operator's namespace prunella-system does not exist: `prunella install` makes prunella-system; `--namespace` names another"
NOT_LET_IN = "the API server does not let us in ({}): the token is expired or wrong; `prunella install` writes a new one"


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
async def api(server: StandIn) -> AsyncIterator[Api]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield api


@pytest.mark.parametrize(
    ("kinds", "home", "sentences"),
    [
        (SERVED, THERE, []),
        (HALF, THERE, [CRDS.format("runbooks")]),
        (NOT_THERE, THERE, [CRDS.format("incidents, runbooks")]),
        (SERVED, NOT_THERE, [NAMESPACE]),
        (NOT_THERE, NOT_THERE, [CRDS.format("incidents, runbooks"), NAMESPACE]),
        (SERVED, refusal(403, "Forbidden"), []),
        (SERVED, refusal(503, "ServiceUnavailable"), ["the API server can't say whether the namespace prunella-system exists: it answered 503"]),
        (refusal(401, "Unauthorized"), refusal(401, "Unauthorized"), [NOT_LET_IN.format(401)]),
        (refusal(403, "Forbidden"), refusal(403, "Forbidden"), [NOT_LET_IN.format(403)]),
        (refusal(503, "ServiceUnavailable"), THERE, ["the API server can't say which kinds it serves: it answered 503 and no list of them"]),
        (Reply("a login page"), THERE, ["the API server can't say which kinds it serves: it answered 200 and no list of them"]),
    ],
    ids=[
        "all is there",
        "one kind is missing",
        "no CRDs",
        "no namespace",
        "nothing installed",
        "a namespace that may not be seen",
        "a namespace that can't be told now",
        "an expired token",
        "an account without rights",
        "a server that starts",
        "something else answers",
    ],
)
async def test_what_is_missing_is_said_with_its_remedy(api: Api, server: StandIn, kinds: Reply, home: Reply, sentences: list[str]):
    server.answers("GET", OURS, kinds)
    server.answers("GET", HOME, home)
    assert await missing(api, PLURALS, "prunella-system") == sentences


async def test_an_api_server_that_does_not_answer_is_not_taken_for_one_without_crds():
    async with connect_plainly("http://127.0.0.1:1", Numbers()) as api:
        [sentence] = await missing(api, PLURALS, "prunella-system")
    assert sentence.startswith("the API server can't be asked: The API server could not be reached: ")
