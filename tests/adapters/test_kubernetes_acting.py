"""In whose name a request goes out: that of the account, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from prunella.adapters.kubernetes.acting import Acting, NotThatUser
from prunella.adapters.kubernetes.client import Api, connect_plainly
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.resources import DEPLOYMENT, JSON_PATCH, NAMESPACE, POD
from prunella.api.step_failure import Transient
from prunella.app.errors import Permanent, Retryable
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied
from prunella.core.healing.runbooks.identity import OURSELVES, Account

from .standin import Numbers, Reply, Silence, StandIn, refusal, standing_in
from .test_kubernetes_executor import DELETE, NEW, PATCH, WEB, web
from .test_kubernetes_executor import POD as PATH_OF_POD

HEALER = Account("shop", "healer")
THERE = "/api/v1/namespaces/shop/serviceaccounts/healer"
WHO, MAY = "/apis/authentication.k8s.io/v1/selfsubjectreviews", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
GROUPS = ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]
CHANGE = DEPLOYMENT.call("patch", "shop", "web", body=[], content_type=JSON_PATCH)


def known_as(user: str, groups: list[str] | None = None) -> Reply:
    """What the API server says about whoever asks."""
    return Reply({"status": {"userInfo": {"username": user, "groups": GROUPS if groups is None else groups}}}, 201)


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        standin.answers("GET", THERE, Reply({"kind": "ServiceAccount", "metadata": {"name": "healer"}}))
        standin.answers("POST", WHO, known_as(HEALER.user))
        standin.answers("GET", WEB, Reply(web(annotations={"a": "b"})))
        standin.answers("PATCH", WEB, Reply(web(NEW, resourceVersion="9", generation=3)))
        standin.answers("DELETE", PATH_OF_POD, Reply({"kind": "Pod"}))
        yield standin


@pytest.fixture
async def api(server: StandIn) -> AsyncIterator[Api]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield api


def sent(server: StandIn) -> list[tuple[str, str, str | None]]:
    """Method, path, and in whose name."""
    return [(one.method, one.path, one.headers.get("Impersonate-User")) for one in server.asked]


async def test_before_an_effect_the_api_server_is_asked_who_it_takes_us_for_and_both_bear_the_account_alone(api: Api, server: StandIn):
    assert isinstance(await Effects(api).apply(PATCH, "intent", HEALER), Applied)
    assert sent(server) == [("GET", THERE, None), ("POST", WHO, HEALER.user), ("PATCH", WEB, HEALER.user)]
    assert {key for one in server.asked for key in one.headers if key.startswith("Impersonate")} == {"Impersonate-User"}, "no group, no uid"


async def test_the_operator_itself_asks_nobody_and_bears_no_name(api: Api, server: StandIn):
    assert isinstance(await Effects(api).apply(PATCH, "intent", OURSELVES), Applied)
    assert sent(server) == [("PATCH", WEB, None)]


async def test_a_deletion_and_a_dry_run_bear_it_as_well_and_what_is_only_read_does_not(api: Api, server: StandIn):
    assert isinstance(await Effects(api).apply(DELETE, "intent", HEALER), Applied)
    assert isinstance(await Effects(api).dry_run(PATCH, HEALER), DryRun)
    assert sent(server) == [
        ("GET", THERE, None),
        ("POST", WHO, HEALER.user),
        ("DELETE", PATH_OF_POD, HEALER.user),
        ("GET", WEB, None),
        ("GET", THERE, None),
        ("POST", WHO, HEALER.user),
        ("PATCH", WEB, HEALER.user),
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (known_as("system:serviceaccount:prunella-system:prunella"), "takes us for 'system:serviceaccount:prunella-system:prunella' and not for"),
        (known_as("system:serviceaccount:shop:healer2"), "takes us for"),
        (known_as(""), "takes us for ''"),
        (Reply({}, 201), "takes us for ''"),
        (Reply({"status": {"userInfo": None}}, 201), "takes us for ''"),
        (known_as(HEALER.user, [*GROUPS, "system:masters"]), "takes us for"),
        (refusal(403, "Forbidden", "cannot impersonate"), "Prunella may not impersonate serviceaccounts/healer in shop; `kubectl create role"),
    ],
    ids=["the header was stripped", "another account", "empty", "nothing", "nobody", "an administrators' group", "no right to impersonate"],
)
async def test_whom_it_takes_us_for_otherwise_sends_nothing(api: Api, server: StandIn, answer: Reply, said: str):
    server.answers("POST", WHO, answer)
    refused = await Effects(api).apply(PATCH, "intent", HEALER)
    assert isinstance(refused, NotApplied)
    assert refused.reason == "MissingPermission"
    assert said in refused.message
    tried = await Effects(api).dry_run(PATCH, HEALER)
    assert isinstance(tried, DryRun)
    assert (tried.accepted, tried.message) == (False, refused.message)
    assert server.count("PATCH") == 0


@pytest.mark.parametrize(
    ("trouble", "transient"),
    [
        (Silence(cut=True), Transient.TIMEOUT),
        (refusal(500, "InternalError"), Transient.SERVER_ERROR),
        (refusal(503, "ServiceUnavailable"), Transient.SERVER_ERROR),
        (refusal(429, "TooManyRequests"), Transient.TOO_MANY_REQUESTS),
        (refusal(401, "Unauthorized"), None),
    ],
    ids=["no answer", "500", "503", "429", "401"],
)
async def test_where_it_does_not_say_nothing_was_sent_and_it_may_be_tried(
    api: Api, server: StandIn, trouble: Reply | Silence, transient: Transient | None
):
    for question in (("POST", WHO), ("GET", THERE)):
        server.answers(*question, trouble)
        with pytest.raises(Retryable) as caught:
            await Effects(api).apply(PATCH, "intent", HEALER)
        assert caught.value.transient is transient
    assert server.count("PATCH") == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refusal(404, "NotFound"), "There is no ServiceAccount shop/healer: nobody acts as one that is gone"),
        (refusal(403, "Forbidden", "no RBAC"), "Prunella may not get serviceaccounts/healer in shop; `kubectl create role prunella-as-healer"),
    ],
    ids=["deleted", "it may not be looked at"],
)
async def test_nobody_acts_as_an_account_that_is_gone_though_its_bindings_are_there(api: Api, server: StandIn, answer: Reply, said: str):
    server.answers("GET", THERE, answer)
    refused = await Effects(api).apply(PATCH, "intent", HEALER)
    assert isinstance(refused, NotApplied)
    assert refused.reason == "MissingPermission"
    assert said in refused.message
    assert sent(server) == [("GET", THERE, None)]


@pytest.mark.parametrize(
    "call",
    [
        DEPLOYMENT.call("patch", "pay", "web"),
        POD.call("delete", "prunella-system", "web-a"),
        NAMESPACE.call("patch", None, "shop"),
        NAMESPACE.call("patch", "shop", "shop", "status"),
        DEPLOYMENT.call("list"),
    ],
    ids=["another namespace", "the operator's", "the namespace itself", "its status", "all namespaces"],
)
async def test_nothing_outside_of_its_namespace_is_asked_for_in_its_name(api: Api, server: StandIn, call):
    with pytest.raises(NotThatUser, match="acts in shop alone"):
        await Acting(api).send(call, HEALER)
    assert server.asked == []


async def test_an_effect_elsewhere_is_refused_before_anything_is_sent(api: Api, server: StandIn):
    elsewhere = replace(PATCH, target=PATCH.target.model_copy(update={"namespace": "pay"}))
    refused = await Effects(api).apply(elsewhere, "intent", HEALER)
    assert isinstance(refused, NotApplied)
    assert "system:serviceaccount:shop:healer acts in shop alone: it is not asked to patch deployments.apps in pay" in refused.message
    assert server.asked == []


async def test_what_the_account_may_not_do_names_it_the_verb_and_the_command(api: Api, server: StandIn):
    server.answers("PATCH", WEB, refusal(403, "Forbidden", "no RBAC"))
    refused = await Effects(api).apply(PATCH, "intent", HEALER)
    assert isinstance(refused, NotApplied)
    assert refused.reason == "MissingPermission"
    assert refused.message.startswith(
        "system:serviceaccount:shop:healer may not patch deployments.apps in shop; `kubectl create rolebinding healer-prunella-remediate -n shop "
        "--clusterrole=prunella-remediate --serviceaccount=shop:healer` grants it"
    )


async def test_a_right_is_asked_of_the_account(api: Api, server: StandIn):
    server.answers("POST", MAY, Reply({"status": {"allowed": True}}, 201))
    assert await LiveReads(api).may("patch", "apps", "deployments", "shop", acting=HEALER) is True
    assert sent(server) == [("POST", MAY, HEALER.user)]
    server.answers("POST", MAY, refusal(403, "Forbidden", "cannot impersonate"))
    assert await LiveReads(api).may("patch", "apps", "deployments", "shop", acting=HEALER) is UNKNOWN


async def test_an_empty_name_is_never_sent_as_ours(api: Api, server: StandIn):
    with pytest.raises(Permanent, match="it is not sent as Prunella instead"):
        await api.send(replace(CHANGE, as_user=""))
    with pytest.raises(ValueError, match="is no ServiceAccount"):
        Account("shop", "")
    assert server.asked == []
