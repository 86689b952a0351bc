"""A mark says all that is needed to end a measure, and nothing is ended that somebody else has made theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.core.healing.effects import unmark
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.runs import measures
from prunella.core.healing.steps import one_value

from .builders import later

REF = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="checkout", uid="u-1")
AT = "/metadata/annotations/prunella.dev~1temporary"


WEBHOOK = "/webhooks/[name=b.example.com]/failurePolicy"


def patch(before: object = 3, wrote: object = 5, path: str = "/spec/replicas") -> Patch:
    operations = (
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": path, "value": before},
        {"op": "replace", "path": path, "value": wrote},
    )
    return Patch(target=REF, operations=operations, guarded_path=path, does="it is scaled")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"remediation": "\\ud800"}', "[" * 100_000], ids=["none", "cut", "a list", "7", "half a letter", "deep"]
)
def test_a_mark_that_nobody_could_be_told_of_says_nothing(text):
    assert unmark.told({"metadata": {"annotations": {MARK: text}}}) == {}


def marked(**changes: Any) -> str:
    made = measures.temporary(patch(**changes), remediation="shop/checkout-7f3kq-1", until=later(600))
    return made.marks[MARK]


def stored(replicas: object = 5, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"uid": "u-1", "annotations": annotations}, "spec": {"replicas": replicas}}


def test_the_mark_says_what_was_there_what_was_written_and_until_when():
    measure = measures.read(marked())
    assert measure is not None
    assert (measure.remediation, measure.path, measure.before, measure.undo_after_time) == ("shop/checkout-7f3kq-1", "/spec/replicas", 3, later(600))
    assert measures.stands(measure, stored(5))
    assert not measures.stands(measure, stored(6))
    assert set(json.loads(marked())) == {"remediation", "undoAfterTime", "onExpiry", "wroteHash", "path", "before"}


def test_the_mark_says_which_attempt_of_that_name_it_was_and_an_older_one_is_still_read():
    made = measures.temporary(patch(), remediation="shop/x-1", uid="r-1", until=later(600)).marks[MARK]
    read, older = measures.read(made), measures.read(marked())
    assert read is not None
    assert older is not None
    assert (read.uid, older.uid) == ("r-1", "")


def webhooks(*names: str, policy: str = "Ignore") -> dict[str, Any]:
    return {"metadata": {"uid": "u-1"}, "webhooks": [{"name": name, "failurePolicy": policy} for name in names]}


def of_webhook() -> str:
    raw = webhooks("a.example.com", "b.example.com", policy="Fail")
    made = one_value.write(REF, raw, WEBHOOK, "Ignore", does="it is not asked")
    assert isinstance(made, Patch)
    assert [one["path"] for one in made.operations[1:]] == ["/webhooks/1/name", "/webhooks/1/failurePolicy", "/webhooks/1/failurePolicy"]
    return measures.temporary(made, remediation="shop/x-1", until=later(600)).marks[MARK]


def test_an_element_of_a_list_is_found_by_its_name_wherever_it_stands_by_then():
    mark = of_webhook()
    measure = measures.read(mark)
    assert measure is not None
    assert (measure.path, measure.before) == (WEBHOOK, "Fail")
    back = measures.undo(measure, REF, webhooks("new.example.com", "a.example.com", "b.example.com"), mark)
    assert back.operations[2:5] == (
        {"op": "test", "path": "/webhooks/2/name", "value": "b.example.com"},
        {"op": "test", "path": "/webhooks/2/failurePolicy", "value": "Ignore"},
        {"op": "replace", "path": "/webhooks/2/failurePolicy", "value": "Fail"},
    )


@pytest.mark.parametrize("names", [("a.example.com",), ("b.example.com", "b.example.com")], ids=["it is gone", "it is there twice"])
def test_where_the_element_can_not_be_told_only_the_mark_goes(names):
    mark = of_webhook()
    measure = measures.read(mark)
    assert measure is not None
    assert [one["path"] for one in measures.undo(measure, REF, webhooks(*names), mark).operations] == ["/metadata/uid", AT, AT]


def test_the_mark_is_part_of_what_the_intent_hashes():
    made = measures.temporary(patch(), remediation="shop/x-1", until=later(600))
    assert made.sha256 != patch().sha256
    assert made.sha256 != measures.temporary(patch(), remediation="shop/x-1", until=later(601)).sha256


@pytest.mark.parametrize(
    ("before", "operation"),
    [(3, {"op": "replace", "path": "/spec/replicas", "value": 3}), (None, {"op": "remove", "path": "/spec/replicas"})],
    ids=["there was a value", "there was none"],
)
def test_its_end_puts_back_what_was_there_and_takes_the_mark_off_in_one_request(before, operation):
    mark = marked(before=before)
    measure = measures.read(mark)
    assert measure is not None
    back = measures.undo(measure, REF, stored(5), mark)
    assert back.operations == (
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": AT, "value": mark},
        {"op": "test", "path": "/spec/replicas", "value": 5},
        operation,
        {"op": "remove", "path": AT},
    )
    assert not back.stamped, "it must not claim the object anew"
    assert back.does == "Deployment checkout is as it was before shop/checkout-7f3kq-1"


def test_r25_what_a_person_changed_since_stays_and_only_the_mark_goes():
    mark = marked()
    measure = measures.read(mark)
    assert measure is not None
    back = measures.undo(measure, REF, stored(9), mark)
    assert [one["op"] for one in back.operations] == ["test", "test", "remove"]
    assert back.operations[-1]["path"] == AT
    assert "changed by somebody else" in back.does


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        marked().replace("+00:00", "").replace("Z", ""),
        marked().replace('"Undo"', '"Delete"'),
        marked().replace("undoAfterTime", "until"),
        "[" * 100_000,
        "x" * 20_000,
        json.dumps({**json.loads(marked()), "before": "\ud800"}),
    ],
    ids=[
        "empty",
        "cut",
        "a list",
        "null",
        "nothing in it",
        "no zone",
        "another end",
        "no end",
        "nested",
        "too long",
        "what can't be sent",
    ],
)
def test_a_mark_that_says_something_else_is_none(mark):
    assert measures.read(mark) is None


@pytest.mark.parametrize(
    ("kind", "path", "ours"),
    [
        ("Deployment", "/spec/replicas", True),
        ("HorizontalPodAutoscaler", "/spec/maxReplicas", True),
        ("Application", "/spec/syncPolicy/automated", True),
        ("Deployment", "/metadata/labels", False),
        ("ResourceQuota", "/spec/hard/count~1jobs.batch", True),
        ("ResourceQuota", "/spec/scopes", False),
        ("PodDisruptionBudget", "/spec/minAvailable", True),
        ("PodDisruptionBudget", "/spec/selector", False),
        ("ValidatingWebhookConfiguration", WEBHOOK, True),
        ("ValidatingWebhookConfiguration", "/webhooks/0/failurePolicy", False),
        ("ValidatingWebhookConfiguration", "/webhooks/[name=a]/clientConfig", False),
        ("Service", "/spec/externalName", False),
        ("Node", "/spec/taints", False),
    ],
)
def test_a_mark_moves_nobody_to_write_what_no_step_writes(kind, path, ours):
    measure = measures.read(marked(path=path))
    assert measure is not None
    assert measures.concerns(measure, ObjectRef(api_version="v1", kind=kind, name="x", uid="u-1")) is ours


def test_taking_an_effect_back_takes_its_mark_off_too():
    mark = marked()
    back = unmark.unmarked(patch(5, 3), stored(5, **{MARK: mark}))
    assert back.operations[-2:] == ({"op": "test", "path": AT, "value": mark}, {"op": "remove", "path": AT})
    assert unmark.unmarked(patch(5, 3), stored(5)) == patch(5, 3)
    assert unmark.unmarked(patch(5, 3), {}) == patch(5, 3)


def test_marks_that_are_there_stay():
    made = measures.temporary(replace(patch(), marks={"a": "b"}), remediation="shop/x-1", until=later(600))
    assert set(made.marks) == {"a", MARK}


def test_one_object_bears_one_measure():
    """A second would take what the first wrote for what was there before, and the first would never end."""
    made = measures.temporary(patch(), remediation="shop/x-1", until=later(600))
    assert made.operations[-1] == {"op": "test", "path": AT, "value": None}
    bare = measures.temporary(replace(patch(), annotated=False), remediation="shop/x-1", until=later(600))
    assert bare.operations == patch().operations, "where there are no annotations there is no mark"


@pytest.mark.parametrize("mark", [marked(path="/spec/paused"), "not ours"])
def test_taking_an_effect_back_leaves_the_mark_of_another(mark):
    assert unmark.unmarked(patch(5, 3), stored(5, **{MARK: mark})) == patch(5, 3)
