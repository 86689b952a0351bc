"""What a person sees of a change: the changed lines, never a secret."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.adapters.kubernetes.difference import LONGEST, difference
from prunella.adapters.kubernetes.pointer import MISSING, part


def template(image: str = "v1", **env: str) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in env.items()]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": image, "env": variables}]}}


def test_only_changed_lines_and_a_little_context_are_shown():
    old, new = template("v2", A="1", B="2", C="3", D="4"), template("v1", A="1", B="2", C="3", D="4")
    assert difference(old, new).splitlines() == ["     - name: D", "       value: '4'", "-    image: v2", "+    image: v1", "     name: app"]


def test_no_change_is_no_text():
    assert difference(template(), template()) == ""


@pytest.mark.parametrize("name", ["DB_PASSWORD", "token", "API_KEY", "CLIENT_SECRET", "passwd", "AwsSecretAccessKey"])
def test_values_with_a_telling_name_are_hidden_but_that_they_change_is_told(name: str):
    text = difference(template("v2", **{name: "hunter2", "PLAIN": "a"}), template("v1", **{name: "hunter3", "PLAIN": "b"}))
    assert "hunter" not in text
    assert "-      value: (hidden)" in text.splitlines()
    assert "+      value: (hidden, another value)" in text.splitlines()
    assert "+      value: b" in text.splitlines()


def test_a_secret_that_stays_is_hidden_and_no_change():
    text = difference(template("v2", DB_PASSWORD="hunter2"), template("v1", DB_PASSWORD="hunter2"))
    assert "another value" not in text
    assert "hunter" not in text


def test_a_secret_in_an_argument_is_hidden_too():
    old, new = ({"args": ["serve", f"--port={port}", "--db-password=hunter2", "postgres://me:hunter2@db/x"]} for port in (80, 81))
    text = difference(old, new)
    assert "+- --port=81" in text.splitlines()
    assert "hunter2" not in text


def test_a_long_difference_is_cut_at_a_line_and_says_how_much_is_missing():
    old, new = ({"args": [f"--flag-{n}={side}" for n in range(1000)]} for side in ("old", "new"))
    text = difference(old, new)
    assert len(text) <= LONGEST
    assert text.splitlines()[-1].startswith("… and ")
    assert text.splitlines()[-1].endswith(" lines more")


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", {"a": {"b/c": [1, None], "~": 2}}),
        ("/a/b~1c/0", 1),
        ("/a/b~1c/1", None),
        ("/a/~0", 2),
        ("/a/b~1c/2", MISSING),
        ("/a/b~1c/x", MISSING),
        ("/x", MISSING),
        ("/a/b~1c/0/y", MISSING),
    ],
)
def test_a_pointer_finds_its_part_or_nothing(pointer: str, found: object):
    assert part({"a": {"b/c": [1, None], "~": 2}}, pointer) == found
