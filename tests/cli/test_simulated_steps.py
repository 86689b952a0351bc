"""What `prunella simulate` says of steps that ask, tell, call and create: their words and requests, and where the files don't tell how it goes on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from prunella.cli.simulate import command

RECORDED = Path(__file__).resolve().parents[1] / "runbooks" / "replays" / "roll-back-bad-rollout.yaml"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*_arguments, **_named):
        raise AssertionError("a simulation asks nobody")

    monkeypatch.setattr(socket.socket, "connect", refused)


def simulated(tmp_path, *steps):
    runbook = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "Runbook",
        "metadata": {"name": "try", "namespace": "prunella-system"},
        "spec": {
            "title": "Try",
            "match": {"causes": ["RolloutCrashLoop"], "minRestarts": 2, "dwellSeconds": 10},
            "mode": "Auto",
            "priority": 900,
            "steps": [{"name": f"s{number}", **step} for number, step in enumerate(steps)],
            "verify": {"checks": [{"name": "healthy", "workloadHealthy": {}}]},
        },
    }
    file = tmp_path / "runbook.yaml"
    file.write_text(yaml.safe_dump(runbook))
    done = CliRunner().invoke(command, [str(RECORDED), str(file), "--output", "yaml"])
    assert done.exit_code == 0, done.output
    told = yaml.safe_load(done.output)
    assert told["plan"]["runbook"] == "try"
    return told["steps"]


def test_each_says_what_it_would_do_and_nothing_is_asked(tmp_path):
    steps = simulated(
        tmp_path,
        {"assert": {"that": "target.desired > 0", "message": "it is scaled to zero"}},
        {"notify": {"receiver": "ops", "message": "${target.name} is being mended"}},
        {"call": {"receiver": "bot"}},
        {"restart": {}},
    )
    assert [one["says"] for one in steps] == [
        "'target.desired > 0' holds",
        "tells ops, without waking anybody: checkout is being mended",
        "receiver bot is called about deploy/checkout",
        "patch spec.template of Deployment shop/checkout",
    ]
    assert ["request" in one for one in steps] == [False, False, False, True]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            {"query": {"promql": 'errors{job="${target.name}"}'}},
            "can't be told: it asks Prometheus: errors{job=\"checkout\"}, and the files don't say",
        ),
        ({"createJobFrom": {"cronJob": "nightly"}}, "can't be told: it asks for every CronJob in shop, and the files don't say"),
        ({"silence": {"ttlSeconds": 600, "reason": "r"}}, "fails: no alert of the Incident fires: there is none to silence"),
    ],
    ids=["a query", "a CronJob", "no alert"],
)
def test_where_the_files_do_not_tell_it_says_so_and_goes_no_further(tmp_path, step, says):
    first, *rest = simulated(tmp_path, {"notify": {"message": "m"}}, step, {"restart": {}})
    assert first["says"] == "tells the Incident's owner, without waking anybody: m"
    assert rest == [{"step": "s1", "says": says, "stops": True}]


def test_a_wait_says_for_what_and_until_when(tmp_path):
    steps = simulated(tmp_path, {"waitFor": {"until": "target.ready > 99"}}, {"restart": {}})
    assert steps[0]["says"] == "waits until 'target.ready > 99' holds, for 300 s at most: it does not yet"
    assert steps[1]["stops"]


def test_a_job_is_shown_as_the_request_that_makes_it(tmp_path):
    job = {"image": "registry.example.com/tools@sha256:" + "0" * 64, "command": ["fix"], "serviceAccountName": "fixer"}
    first, second = simulated(tmp_path, {"job": job})
    assert first["says"] == "create Job shop/prunella-written-when-it-is-done"
    assert (first["request"]["method"], first["request"]["path"]) == ("POST", "/apis/batch/v1/namespaces/shop/jobs")
    assert first["request"]["body"]["spec"]["backoffLimit"] == 0
    assert second["says"] == "Job prunella-written-when-it-is-done is at work"
