"""A body is spelled as Go spells JSON, because the API server compares the bytes of a string."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.adapters.kubernetes.body import encode


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("a <b> & c", r'"a \u003cb\u003e \u0026 c"'),
        ("\u2028\u2029", r'"\u2028\u2029"'),
        ("é🌱\u2027\ufeff", '"é🌱\u2027\ufeff"'),
        ('"\\/', r'"\"\\/"'),
        ("\n\r\t\b\f\x01\x1f\x7f", '"\\n\\r\\t\\b\\f\\u0001\\u001f\x7f"'),
        (r"\u003c", r'"\\u003c"'),
    ],
    ids=["what HTML escapes", "line separators", "what is not ASCII", "quotes and slashes", "controls", "a text that looks escaped"],
)
def test_strings_are_spelled_as_go_does(text: str, spelled: str):
    assert encode(text) == spelled.encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_is_spelled_so_means_the_same(body: object):
    assert json.loads(encode(body)) == body
