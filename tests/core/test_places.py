"""A place in an object: keys may hold slashes, and an element of a list is found by its name."""

from __future__ import annotations

import pytest

from prunella.core.healing.notation import places

STORED = {
    "spec": {
        "hard": {"count/jobs.batch": "4", "a~b": "1"},
        "taints": [{"key": "a.example/x", "effect": "NoSchedule"}, {"key": "a.example/x", "effect": "NoExecute", "value": "v"}],
        "containers": [{"name": "proxy"}, {"name": "app", "image": "x"}, {"name": "twin"}, {"name": "twin"}],
    }
}


@pytest.mark.parametrize(
    ("path", "stands", "pointer"),
    [
        ("/spec/hard/count~1jobs.batch", "4", "/spec/hard/count~1jobs.batch"),
        (f"/spec/hard/{places.key('a~b')}", "1", "/spec/hard/a~0b"),
        ("/spec/hard/pods", None, "/spec/hard/pods"),
        ("/spec/containers/[name=app]/image", "x", "/spec/containers/1/image"),
        (f"/spec/containers/{places.named('app')}/args", None, "/spec/containers/1/args"),
        ("/spec/taints/[key=a.example~1x,effect=NoExecute]/value", "v", "/spec/taints/1/value"),
        (f"/spec/taints/{places.element(key='a.example/x', effect='NoSchedule')}", {"key": "a.example/x", "effect": "NoSchedule"}, "/spec/taints/0"),
        ("/spec/containers/1/image", None, "/spec/containers/1/image"),
        ("/nothing/here", None, "/nothing/here"),
    ],
)
def test_what_stands_there_and_how_a_request_spells_it(path, stands, pointer):
    located = places.located(STORED, path)
    assert located is not None
    assert (places.part(STORED, path), located.pointer) == (stands, pointer)


def test_a_request_insists_on_the_name_of_each_element():
    located = places.located(STORED, "/spec/containers/[name=app]/image")
    assert located is not None
    assert located.named == (("/spec/containers/1/name", "app"),)


@pytest.mark.parametrize("name", ["nobody", "twin"])
def test_an_element_that_is_not_there_or_twice_is_none(name):
    path = f"/spec/containers/{places.named(name)}/image"
    assert places.located(STORED, path) is None
    assert places.part(STORED, path) is None


def test_an_element_of_two_fields_is_insisted_on_by_both():
    located = places.located(STORED, "/spec/taints/[key=a.example~1x,effect=NoExecute]")
    assert located is not None
    assert located.named == (("/spec/taints/1/key", "a.example/x"), ("/spec/taints/1/effect", "NoExecute"))
    assert places.located(STORED, "/spec/taints/[key=a.example~1x]") is None, "two of them bear that key"


@pytest.mark.parametrize(
    ("path", "value", "fits"),
    [
        ("/spec/replicas", 3, True),
        ("/webhooks/[name=a]/failurePolicy", "Fail", True),
        ("/spec/taints/[key=a~1x,effect=NoSchedule]", None, True),
        ("/spec/taints/[key=a~1x,effect=NoSchedule]", {"key": "a/x", "effect": "NoSchedule", "value": "v"}, True),
        ("/spec/taints/[key=a~1x,effect=NoSchedule]", {"key": "a/x", "effect": "NoExecute"}, False),
        ("/spec/taints/[key=a~1x,effect=NoSchedule]", "a/x", False),
    ],
)
def test_what_stands_at_a_named_place_bears_the_name(path, value, fits):
    assert places.fits(path, value) is fits
