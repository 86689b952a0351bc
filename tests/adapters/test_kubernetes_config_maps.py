"""ConfigMaps over the wire: versions without content, one as a whole, and a copy that is written over nobody else's object."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.adapters.standin import Numbers, Object, Reply, Silence, StandIn, listed, refusal, standing_in

from prunella.adapters.kubernetes.client import connect_plainly
from prunella.adapters.kubernetes.config_maps import KeptConfigMaps
from prunella.api.common import ObjectRef
from prunella.app.errors import Retryable
from prunella.core.configs import ConfigMapFacts
from prunella.core.facts import UNKNOWN
from prunella.core.healing.known.known_config import Copy

ALL = "/api/v1/namespaces/shop/configmaps"
ONE = f"{ALL}/kept"
OWNER = ObjectRef(api_version="prunella.dev/v1alpha1", kind="WorkloadRecord", name="deployment-checkout", uid="wr-1")
OF = ConfigMapFacts(namespace="shop", name="settings", uid="u", resource_version="7", data={"mode": "fast"}, binary_data={"blob": "AAAA"})
COPY = Copy(name="kept", of=OF, owner=OWNER)


def stored(name: str = "kept", version: str = "9", **labels: str) -> Object:
    return {
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop", "uid": "u", "resourceVersion": version, "labels": labels},
        "data": {"a": "b"},
    }


OURS = {"app.kubernetes.io/part-of": "prunella"}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
async def kept(server: StandIn) -> AsyncIterator[KeptConfigMaps]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield KeptConfigMaps(api, api)


async def test_versions_are_asked_for_by_metadata_alone_page_by_page(server: StandIn, kept: KeptConfigMaps) -> None:
    server.answers("GET", ALL, listed(stored("a", "1"), token="more"), listed(stored("b", "2")))
    assert await kept.versions("shop") == {"a": "1", "b": "2"}
    assert [one.headers["Accept"] for one in server.asked] == ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"] * 2
    assert [one.query.get("continue") for one in server.asked] == [None, "more"]


@pytest.mark.parametrize("answer", [refusal(403, "Forbidden"), refusal(500, "InternalError"), refusal(404, "NotFound"), Silence(cut=True)])
async def test_what_cannot_be_listed_is_unknown(server: StandIn, kept: KeptConfigMaps, answer: Any) -> None:
    server.answers("GET", ALL, answer)
    assert await kept.versions("shop") is UNKNOWN


async def test_one_is_read_whole_or_is_not_there_or_is_unknown(server: StandIn, kept: KeptConfigMaps) -> None:
    server.answers("GET", ONE, Reply(stored()), refusal(404, "NotFound"), refusal(403, "Forbidden"))
    read = await kept.read("shop", "kept")
    assert isinstance(read, ConfigMapFacts)
    assert (read.data, read.resource_version) == ({"a": "b"}, "9")
    assert await kept.read("shop", "kept") is None
    assert await kept.read("shop", "kept") is UNKNOWN


async def test_a_copy_is_made_with_its_owner_and_nothing_of_the_firsts_labels(server: StandIn, kept: KeptConfigMaps) -> None:
    server.answers("POST", ALL, Reply(stored(version="12"), status=201))
    assert await kept.keep(COPY) == "12"
    [sent] = server.asked
    assert sent.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "kept",
            "namespace": "shop",
            "labels": {"app.kubernetes.io/part-of": "prunella", "prunella.dev/copy": "known-good"},
            "annotations": {"prunella.dev/copy-of": "settings"},
            "ownerReferences": [{"apiVersion": OWNER.api_version, "kind": OWNER.kind, "name": OWNER.name, "uid": OWNER.uid}],
        },
        "data": {"mode": "fast"},
        "binaryData": {"blob": "AAAA"},
    }


@pytest.mark.parametrize(("labels", "version"), [(OURS, "13"), ({}, None)])
async def test_over_one_of_that_name_it_is_written_where_that_is_ours(
    server: StandIn, kept: KeptConfigMaps, labels: dict[str, str], version: str | None
) -> None:
    server.answers("POST", ALL, refusal(409, "AlreadyExists"))
    server.answers("GET", ONE, Reply(stored(**labels)))
    server.answers("PUT", ONE, Reply(stored(version="13")))
    assert await kept.keep(COPY) == version
    assert server.count("PUT") == (1 if labels else 0)


async def test_one_that_is_refused_is_not_kept_and_one_whose_answer_is_lost_is_tried_again(server: StandIn, kept: KeptConfigMaps) -> None:
    server.answers("POST", ALL, refusal(403, "Forbidden", "exceeded quota"), Silence(cut=True))
    assert await kept.keep(COPY) is None
    with pytest.raises(Retryable):
        await kept.keep(COPY)
