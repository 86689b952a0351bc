"""`plan`, `approve` and `deny` against an API server of the test's own: what is shown, what is asked, and the one write that is sent."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from tests.cli.conftest import REF, SPEC

from prunella.api.remediation import Remediation

PATH = "/apis/prunella.dev/v1alpha1/namespaces/shop/remediations/checkout-7f3kq-1"


def patch(verdict: str, **more: str) -> list[dict[str, Any]]:
    said = {"by": "ana", "planHash": "a41c9e", "verdict": verdict} | more
    return [{"op": "test", "path": "/spec/planHash", "value": "a41c9e"}, {"op": "add", "path": "/spec/approvals/-", "value": said}]


@pytest.mark.parametrize("what", ["checkout-7f3kq", "checkout-7f3kq-1"], ids=["the Incident", "the Remediation"])
def test_the_plan_is_shown_with_its_diff_who_agreed_and_what_answers_it(cluster, tmp_path, what):
    cluster.add()
    done = cluster.run(tmp_path, "plan", what)
    assert done.exit_code == 0, done.output
    for words in (
        "checkout-7f3kq-1   shop   Deployment checkout, plan a41c9e",
        "roll back deploy/checkout 15 -> 14",
        "1 of 2 passed",
        "by zoe",
        "people to approve it until 10:32:24.0",
        "      -image: new\n      +image: old\n",
    ):
        assert words in done.output
    lines = [line.removeprefix("$ ") for line in done.output.splitlines() if line.startswith("$ ")]
    assert [json.loads(shlex.split(line)[-1])[1]["value"] for line in lines] == [
        {"by": "<you>", "planHash": "a41c9e", "verdict": "Approved"},
        {"by": "<you>", "planHash": "a41c9e", "verdict": "Denied", "comment": "<why>"},
    ]
    assert cluster.written == []


@pytest.mark.parametrize(
    ("arguments", "text", "operations"),
    [
        (("approve",), "y\n", patch("Approved")),
        (("approve", "--yes", "--comment", "the flag's gone"), "", patch("Approved", comment="the flag's gone")),
        (("approve", "--plan-hash", "a41c9e"), "", patch("Approved")),
        (("deny", "--comment", "not now"), "y\n", patch("Denied", comment="not now")),
    ],
    ids=["asked", "without a question", "bound to a hash", "denied"],
)
def test_a_word_is_one_patch_bound_to_the_plan_and_is_the_kubectl_line_that_is_shown(cluster, tmp_path, arguments, text, operations):
    cluster.add()
    done = cluster.run(tmp_path, arguments[0], "checkout-7f3kq", *arguments[1:], text=text)
    assert done.exit_code == 0, done.output
    assert cluster.written == [(PATH, "application/json-patch+json", operations)]
    [line] = [line.removeprefix("$ ") for line in done.output.splitlines() if line.startswith("$ ")]
    words = shlex.split(line)
    assert words[:-1] == ["kubectl", "patch", "remediation", "checkout-7f3kq-1", "-n", "shop", "--type=json", "-p"]
    assert json.loads(words[-1]) == operations
    assert f"ana: {operations[1]['value']['verdict']}, plan a41c9e of checkout-7f3kq-1" in done.output


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ("approve", "checkout-7f3kq", "--plan-hash", "b52d0f"),
            {},
            "the plan is a41c9e, not b52d0f: it is another one than you saw; nothing was said",
        ),
        (("approve", "checkout-7f3kq"), {}, "Approve plan a41c9e as ana? [y/N]: n"),
        (("deny", "checkout-7f3kq", "--yes"), {"phase": "Succeeded", "outcome": "Remediated"}, "checkout-7f3kq-1 does not wait for approval"),
        (("approve", "checkout-7f3kq", "--yes"), {"conditions": []}, "checkout-7f3kq-1 does not wait for approval"),
        (("approve", "other", "--yes"), {}, "there is no Incident and no Remediation 'other' in shop"),
    ],
    ids=["another plan", "no", "over", "in Auto", "a wrong name"],
)
def test_nothing_is_said_to_what_does_not_ask(cluster, tmp_path, arguments, status, said):
    cluster.add(**status)
    done = cluster.run(tmp_path, *arguments, text="n\n")
    assert (done.exit_code, cluster.written) == (1, []), done.output
    assert said in done.output


def test_of_several_attempts_the_one_that_asks_is_meant(cluster, tmp_path):
    cluster.add(phase="Cancelled", outcome="Superseded")
    cluster.add("checkout-7f3kq-2", spec={"planHash": "b52d0f", "attempt": 1, "approvals": []})
    done = cluster.run(tmp_path, "approve", "checkout-7f3kq", "--yes")
    assert done.exit_code == 0, done.output
    [(path, _, operations)] = cluster.written
    assert (path.rpartition("/")[2], operations[0]["value"]) == ("checkout-7f3kq-2", "b52d0f")


def test_an_incident_without_an_attempt_says_who_tells_why(cluster, tmp_path):
    done = cluster.run(tmp_path, "plan", "checkout-7f3kq")
    assert done.exit_code == 1
    assert "Incident checkout-7f3kq has no attempt: `kubectl prunella explain checkout-7f3kq -n shop` tells why" in done.output


def test_what_admission_refuses_is_said_in_its_words(cluster, tmp_path):
    cluster.add()
    cluster.answer = (403, {"kind": "Status", "message": "whoever asked for an attempt may not approve it: ask somebody else"})
    done = cluster.run(tmp_path, "approve", "checkout-7f3kq", "--yes")
    assert done.exit_code == 1
    assert "You may not patch remediations.prunella.dev in shop: whoever asked for an attempt may not approve it" in done.output


def test_to_ask_for_a_run_is_one_create_in_your_own_name_and_its_kubectl_line_is_the_same(cluster, tmp_path):
    done = cluster.run(tmp_path, "ask", "restart", "deploy/checkout", "-p", "depth=2")
    assert done.exit_code == 0, done.output
    [(path, _, body)] = cluster.written
    assert path.partition("?")[0] == "/apis/prunella.dev/v1alpha1/namespaces/shop/remediations"
    assert body["metadata"] == {"generateName": "restart-r"}
    [reserved] = [re.search(r"matches\('(.*)'\)", rule.expression) for rule in Remediation.rules if "metadata.name" in rule.expression]
    assert reserved is not None
    assert not re.search(reserved.group(1), f"{body['metadata']['generateName']}24567"), "whatever is drawn, it is no attempt's name"
    assert body["spec"] == {
        "requestedBy": "ana",
        "runbookRef": {"namespace": "prunella-system", "name": "restart"},
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
        "parameters": {"depth": "2"},
    }
    line, document = done.output.split("$ ")[1].split("EOF", 2)[:2]
    assert line == "kubectl create -n shop -f - <<'"
    assert json.loads(document.removeprefix("'")) == body
    assert "ana asked for it: remediation/restart-x7f2k" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("restart", "pod/checkout"), "'pod/checkout' is no target: write it as deploy/<name>, sts/<name> or ds/<name>"),
        (("restart", "checkout"), "'checkout' is no target"),
        (("restart", "deploy/checkout", "-p", "depth"), "'depth' is no parameter: write it as name=value"),
    ],
)
def test_what_can_not_be_asked_for_is_not_sent(cluster, tmp_path, arguments, words):
    done = cluster.run(tmp_path, "ask", *arguments)
    assert (done.exit_code, words in done.output, cluster.written) == (2, True, [])


def test_a_run_is_approved_by_the_plan_that_was_pinned_and_the_first_word_makes_the_list(cluster, tmp_path):
    asked = {key: value for key, value in SPEC.items() if key not in {"incidentRef", "attempt", "mode", "planHash", "approvals"}} | {
        "requestedBy": "dana"
    }
    pinned = {
        "targetRef": REF,
        "runbookRef": SPEC["runbookRef"],
        "attempt": 1,
        "mode": "Approve",
        "planHash": "a41c9e",
        "dueTime": "2026-11-24T10:02:24Z",
    }
    cluster.add("restart-x7f2k", pinned=pinned)
    cluster.remediations["restart-x7f2k"]["spec"] = asked
    done = cluster.run(tmp_path, "approve", "restart-x7f2k", "--plan-hash", "a41c9e")
    assert done.exit_code == 0, done.output
    [(_, _, operations)] = cluster.written
    assert operations == [
        {"op": "test", "path": "/status/pinned/planHash", "value": "a41c9e"},
        {"op": "add", "path": "/spec/approvals", "value": [{"by": "ana", "planHash": "a41c9e", "verdict": "Approved"}]},
    ]


def test_in_the_middle_of_a_run_the_word_is_to_what_remains_and_names_the_group_that_is_asked(cluster, tmp_path):
    asking = {
        "step": "sure",
        "planHash": "0123456789ab",
        "approvers": {"groups": ["leads", "others"]},
        "askedTime": "2026-11-24T10:00:00Z",
        "deadlineTime": "2036-11-24T10:30:00Z",
        "diff": "-replicas: 3\n+replicas: 5",
    }
    cluster.add(phase="Dispatched", asking=asking)
    old = cluster.run(tmp_path, "approve", "checkout-7f3kq-1", "--plan-hash", "a41c9e")
    assert "the plan is 0123456789ab, not a41c9e" in old.output
    done = cluster.run(tmp_path, "approve", "checkout-7f3kq-1", "--plan-hash", "0123456789ab")
    assert done.exit_code == 0, done.output
    assert "what the next step after 'sure' changes:\n      -replicas: 3\n      +replicas: 5" in done.output
    [(path, _, operations)] = cluster.written
    said = {"by": "ana", "planHash": "0123456789ab", "verdict": "Approved", "groups": ["leads"]}
    assert (path, operations) == (
        PATH,
        [
            {"op": "test", "path": "/status/asking/planHash", "value": "0123456789ab"},
            {"op": "add", "path": "/spec/approvals/-", "value": said},
        ],
    )
