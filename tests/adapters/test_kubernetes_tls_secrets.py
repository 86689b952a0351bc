"""TLS Secrets over the wire: the times of the certificate come in, and of everything else in it nothing is left."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.adapters.standin import Numbers, Object, Reply, Silence, StandIn, refusal, standing_in
from tests.core.certificates import ELLIPTIC, LONG, pem

from prunella.adapters.kubernetes.client import connect_plainly
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.core.facts import UNKNOWN
from prunella.core.subject import Owner
from prunella.core.things.leaf import Validity
from prunella.core.things.tls_secret import TlsSecret, Unread

ONE = "/api/v1/namespaces/shop/secrets/web-tls"
PLANTED = "MC4CAQAwBQYDK2VwBCIEIPlantedKeyOfTheTest"
KEY = f"-----BEGIN PRIVATE KEY-----\n{PLANTED}\n-----END PRIVATE KEY-----\n".encode()


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def stored(certificate: object = in_base64(ELLIPTIC[0]), *, type_: str = "kubernetes.io/tls", **metadata: Any) -> Object:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":{{"tls.key":"{in_base64(KEY)}"}}}}'}
    meta = {"name": "web-tls", "namespace": "shop", "uid": "u", "resourceVersion": "7", "annotations": applied, **metadata}
    data = {"tls.key": in_base64(KEY), "password": PLANTED} | ({"tls.crt": certificate} if certificate is not None else {})
    return {"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": meta, "data": data}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
async def live(server: StandIn) -> AsyncIterator[LiveReads]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield LiveReads(api)


async def test_the_times_of_the_leaf_are_kept_and_what_names_the_secret(server: StandIn, live: LiveReads) -> None:
    chain = in_base64(ELLIPTIC[0] + LONG[0])
    server.answers("GET", ONE, Reply(stored(chain, labels={"app": "web"}, creationTimestamp=None)))
    held = Validity(*ELLIPTIC[1:])
    assert await live.tls_secret("shop", "web-tls") == TlsSecret(namespace="shop", name="web-tls", uid="u", labels={"app": "web"}, holds=held)
    assert [(one.method, one.path) for one in server.asked] == [("GET", ONE)]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (stored(type_="Opaque"), "its type is not kubernetes.io/tls"),
        (stored(None), "it has no tls.crt"),
        (stored() | {"data": None}, "it has no tls.crt"),
        (stored("*" + PLANTED), "its tls.crt is not base64"),
        (stored("ü"), "its tls.crt is not base64"),
        (stored(in_base64(KEY)), "tls.crt can't be used: it holds no certificate in PEM"),
        (stored(in_base64(pem(PLANTED.encode()))), "tls.crt can't be used: its first certificate is cut off"),
    ],
    ids=["another type", "no certificate", "no data", "not base64", "not even ASCII", "the key in its place", "not DER"],
)
async def test_one_that_holds_no_certificate_says_so_in_a_sentence(server: StandIn, live: LiveReads, made: Object, said: str) -> None:
    server.answers("GET", ONE, Reply(made))
    read = await live.tls_secret("shop", "web-tls")
    assert isinstance(read, TlsSecret)
    assert (read.unreadable, read.holds) == (said, None)


@pytest.mark.parametrize(
    ("metadata", "keeper"),
    [
        ({"annotations": {"cert-manager.io/certificate-name": "web"}}, "web"),
        ({"ownerReferences": [{"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "site", "uid": "c"}]}, "site"),
        ({"ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Certificate", "name": "web", "uid": "c"}]}, ""),
        ({"annotations": {"cert-manager.io/certificate-name": ""}}, ""),
        ({"annotations": None}, ""),
    ],
    ids=["by its annotation", "by its owner", "another's Certificate", "an empty name", "nobody's"],
)
async def test_which_certificate_is_said_to_keep_it_is_seen(server: StandIn, live: LiveReads, metadata: Object, keeper: str) -> None:
    server.answers("GET", ONE, Reply(stored(**metadata)))
    read = await live.tls_secret("shop", "web-tls")
    assert isinstance(read, TlsSecret)
    assert (read.keeper, read.managed) == (keeper, False), "whether that Certificate is there, only the cache can tell"


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (refusal(403, "Forbidden"), Unread.FORBIDDEN),
        (refusal(404, "NotFound"), None),
        (refusal(500, "InternalError"), UNKNOWN),
        (refusal(429, "TooManyRequests"), UNKNOWN),
        (Silence(cut=True), UNKNOWN),
        (Reply(["a proxy"]), UNKNOWN),
        (Reply(stored() | {"data": {"tls.crt": 7, "tls.key": PLANTED}}), UNKNOWN),
    ],
    ids=["no right", "not there", "an error", "too many", "silence", "something else than a Secret", "no Secret of Kubernetes"],
)
async def test_what_cannot_be_read_is_told_apart(server: StandIn, live: LiveReads, answer: Any, read: object) -> None:
    server.answers("GET", ONE, answer)
    assert await live.tls_secret("shop", "web-tls") == read


async def test_a_name_that_no_object_can_bear_is_not_asked_for(server: StandIn, live: LiveReads) -> None:
    assert await live.tls_secret("shop", "../configmaps/x") is None
    assert server.asked == []


@pytest.mark.parametrize(
    "made",
    [
        stored() | {"data": {"tls.crt": in_base64(ELLIPTIC[0]), "tls.key": in_base64(KEY)}},
        stored(in_base64(KEY)),
        stored(PLANTED),
        stored() | {"data": {"tls.crt": [PLANTED]}},
        stored() | {"data": PLANTED},
    ],
    ids=["all is well", "the key where the certificate should be", "not PEM", "a list", "no map"],
)
async def test_a_planted_key_is_in_nothing_that_is_kept_said_or_logged(server: StandIn, live: LiveReads, made: Object, caplog: Any) -> None:
    caplog.set_level(0)
    server.answers("GET", ONE, Reply(made | {"metadata": made["metadata"] | {"managedFields": [{"manager": PLANTED}], "finalizers": ["a/b"]}}))
    read = await live.tls_secret("shop", "web-tls")
    left = repr(read) + caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    for form in (PLANTED, in_base64(KEY), in_base64(KEY)[40:60]):
        assert form not in left


async def test_its_owner_is_known_as_that_of_any_thing(server: StandIn, live: LiveReads) -> None:
    owners = [{"apiVersion": "example.com/v1", "kind": "Site", "name": "web", "uid": "s", "controller": True}]
    server.answers("GET", ONE, Reply(stored(ownerReferences=owners)))
    read = await live.tls_secret("shop", "web-tls")
    assert isinstance(read, TlsSecret)
    assert read.owner == Owner(api_version="example.com/v1", kind="Site", name="web")
