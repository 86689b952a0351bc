"""`hold`, `retry` and `undo` against an API server of the test's own: what is shown, and the one write that is the line that is shown."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from tests.cli.conftest import REF
from tests.core.builders import later

from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.runs import measures

INCIDENT = "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents/checkout-7f3kq"
TARGET = "/apis/apps/v1/namespaces/shop/deployments/checkout"
MERGE = "application/merge-patch+json"
ATTEMPT = "checkout-7f3kq-1"
LONG_AGO = "2020-11-24T10:02:24.000000Z"


def shown(output: str) -> list[str]:
    """The words of the kubectl line that was shown."""
    [line] = [line.removeprefix("$ ") for line in output.splitlines() if line.startswith("$ ")]
    return shlex.split(line)


@pytest.mark.parametrize(
    ("arguments", "hold", "said"),
    [
        (
            ("--reason", "I'm at it"),
            {"by": "ana", "reason": "I'm at it", "untilTime": None},
            "ana keeps automation away from checkout-7f3kq until it is released",
        ),
        (("--release",), None, "automation goes on"),
    ],
    ids=["hold", "release"],
)
def test_a_hold_is_one_patch_and_is_the_kubectl_line_that_is_shown(cluster, tmp_path, arguments, hold, said):
    done = cluster.run(tmp_path, "hold", "checkout-7f3kq", *arguments)
    assert done.exit_code == 0, done.output
    assert cluster.written == [(INCIDENT, MERGE, {"spec": {"hold": hold}})]
    words = shown(done.output)
    assert words[:-1] == ["kubectl", "patch", "incident", "checkout-7f3kq", "-n", "shop", "--type=merge", "-p"]
    assert json.loads(words[-1]) == {"spec": {"hold": hold}}
    assert said in done.output


def test_a_hold_may_end_by_itself(cluster, tmp_path):
    done = cluster.run(tmp_path, "hold", "checkout-7f3kq", "--reason", "lunch", "--seconds", "3600")
    assert done.exit_code == 0, done.output
    [(_, _, body)] = cluster.written
    assert body["spec"]["hold"]["untilTime"] in done.output.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [(), ("--seconds", "60"), ("--release", "--reason", "x"), ("--release", "--seconds", "60")],
    ids=["no word", "no reason", "both", "both with an end"],
)
def test_a_hold_says_why_and_a_release_does_not(cluster, tmp_path, arguments):
    done = cluster.run(tmp_path, "hold", "checkout-7f3kq", *arguments)
    assert (done.exit_code, "--reason TEXT" in done.output, cluster.written) == (2, True, [])


def test_a_retry_is_one_annotation_and_is_the_kubectl_line_that_is_shown(cluster, tmp_path):
    done = cluster.run(tmp_path, "retry", "checkout-7f3kq")
    assert done.exit_code == 0, done.output
    [(path, content_type, body)] = cluster.written
    token = body["metadata"]["annotations"]["prunella.dev/retry"]
    assert (path, content_type, token.isdecimal()) == (INCIDENT, MERGE, True)
    assert shown(done.output) == ["kubectl", "annotate", "incident", "checkout-7f3kq", "-n", "shop", "--overwrite", f"prunella.dev/retry={token}"]


@pytest.mark.parametrize("arguments", [("hold", "--reason", "x"), ("retry",)], ids=["hold", "retry"])
@pytest.mark.parametrize(
    ("name", "times", "said"),
    [
        ("checkout-7f3kq", {"cancelledTime": LONG_AGO}, "Incident checkout-7f3kq is over"),
        ("checkout-7f3kq", {"resolvedTime": LONG_AGO}, "Incident checkout-7f3kq is over"),
        ("other", {}, "there is no Incident 'other' in shop"),
    ],
    ids=["cancelled", "over", "a wrong name"],
)
def test_nothing_is_said_to_an_incident_that_is_over_or_not_there(cluster, tmp_path, arguments, name, times, said):
    cluster.incident = {"times": times}
    done = cluster.run(tmp_path, arguments[0], name, *arguments[1:])
    assert (done.exit_code, cluster.written) == (1, [])
    assert said in done.output


def scaled(attempt: str = ATTEMPT, uid: str = ATTEMPT) -> str:
    """The mark of an attempt that scaled the target from 3 to 5."""
    operations = (
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    )
    patch = Patch(target=ObjectRef.model_validate(REF), operations=operations, guarded_path="/spec/replicas", does="it is scaled")
    return measures.temporary(patch, remediation=f"shop/{attempt}", uid=uid, until=later(600)).marks[TEMPORARY_ANNOTATION]


def did(cluster: Any, mark: str, *, replicas: int = 5, uid: str = "u", attempt: str = ATTEMPT) -> None:
    """An attempt scaled the target, which now is like this."""
    instants = {"writtenTime": "2026-11-24T10:02:24Z", "deadlineTime": "2026-11-24T10:03:24Z"}
    intent = {"id": "5b1e", "action": "Patch", "targetRef": REF, "does": "deploy/checkout has 5 replicas"} | instants
    step = {"name": "more", "state": "Applied", "intent": intent, "outcome": {"observedTime": "2026-11-24T10:02:25Z"}}
    cluster.add(attempt, phase="Succeeded", outcome="Remediated", steps=[step])
    metadata = {"name": "checkout", "namespace": "shop", "uid": uid, "annotations": {TEMPORARY_ANNOTATION: mark, "kept": "yes"}}
    cluster.objects[TARGET] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}


@pytest.mark.parametrize("what", ["checkout-7f3kq", ATTEMPT], ids=["the Incident", "the Remediation"])
def test_a_measure_is_taken_back_by_one_patch_that_insists_on_what_was_written(cluster, tmp_path, what):
    did(cluster, scaled())
    done = cluster.run(tmp_path, "undo", what, text="y\n")
    assert done.exit_code == 0, done.output
    at = "/metadata/annotations/prunella.dev~1temporary"
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "test", "path": at, "value": scaled()},
        {"op": "test", "path": "/spec/replicas", "value": 5},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        {"op": "remove", "path": at},
    ]
    assert cluster.written == [(TARGET, "application/json-patch+json", operations)]
    words = shown(done.output)
    assert words[:-1] == ["kubectl", "patch", "deployments.apps", "checkout", "-n", "shop", "--type=json", "-p"]
    assert json.loads(words[-1]) == operations
    assert "Deployment checkout, /spec/replicas: 5 -> 3" in done.output
    assert f"Deployment checkout is as it was before shop/{ATTEMPT}" in done.output


def test_nothing_is_taken_back_before_a_person_said_yes(cluster, tmp_path):
    did(cluster, scaled())
    done = cluster.run(tmp_path, "undo", "checkout-7f3kq", text="n\n")
    assert (done.exit_code, cluster.written) == (1, [])


@pytest.mark.parametrize(
    ("mark", "live"),
    [
        (scaled(), {"replicas": 6}),
        (scaled(), {"uid": "another"}),
        (scaled("checkout-7f3kq-2", ""), {}),
        (scaled(uid="of-an-earlier-one"), {}),
        (scaled().replace("/spec/replicas", "/spec/template"), {}),
        ("", {}),
        ("{}", {}),
    ],
    ids=[
        "somebody changed it",
        "another object",
        "another attempt",
        "an attempt of that name",
        "a place that is no measure's",
        "no mark",
        "no mark of ours",
    ],
)
def test_what_is_not_that_attempts_any_more_is_left_alone(cluster, tmp_path, mark, live):
    did(cluster, mark, **live)
    done = cluster.run(tmp_path, "undo", "checkout-7f3kq", "--yes")
    assert (done.exit_code, cluster.written) == (1, []), done.output
    assert f"no temporary measure of {ATTEMPT} stands; what was done for good is yours to take back: deploy/checkout has 5 replicas" in done.output


def test_a_measure_is_found_though_a_later_attempt_changed_the_same_object(cluster, tmp_path):
    for attempt in (ATTEMPT, "checkout-7f3kq-2"):
        did(cluster, scaled(), attempt=attempt)
    done = cluster.run(tmp_path, "undo", "checkout-7f3kq", "--yes")
    assert done.exit_code == 0, done.output
    assert [path for path, _, _ in cluster.written] == [TARGET]
    assert f"Deployment checkout is as it was before shop/{ATTEMPT}" in done.output


def test_what_changed_nothing_has_nothing_to_take_back(cluster, tmp_path):
    cluster.add()
    done = cluster.run(tmp_path, "undo", ATTEMPT, "--yes")
    assert f"no temporary measure of {ATTEMPT} stands: nothing was changed" in done.output


def test_an_object_that_can_not_be_read_is_not_taken_for_one_without_a_measure(cluster, tmp_path):
    did(cluster, scaled())
    cluster.objects[TARGET] = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}
    done = cluster.run(tmp_path, "undo", ATTEMPT, "--yes")
    assert (done.exit_code, cluster.written) == (1, [])
    assert "Deployment checkout could not be read: whether something stands there can't be told" in done.output


def test_without_an_attempt_there_is_nothing_to_take_back(cluster, tmp_path):
    done = cluster.run(tmp_path, "undo", "checkout-7f3kq", "--yes")
    assert "there is no Remediation 'checkout-7f3kq' in shop, and no Incident of that name that has one" in done.output
