"""Each shipped Runbook on recorded Incidents: what it does, and where it keeps away. Nothing is written to a cluster: there is none."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack"))

import replays  # noqa: E402 - it stands in hack/, which is no package

ACTS, NOTHING = 0, 3
ASKS = ("Ask", "AwaitingApproval")
EXPECTED = {
    "clean-up-failed-pods": (ACTS, ("Act", "Allowed")),
    "cordon-ailing-node": (ACTS, ASKS, ("Nothing", "TargetHealthy"), ("Nothing", "TargetHealthy")),
    "cordon-ailing-node.another-is-out": (NOTHING, ("Nothing", "SelectionTooWide"), ("Nothing", "TargetHealthy"), ("Nothing", "NoRunbookMatches")),
    "expand-nearly-full-claim": (ACTS, ASKS),
    "expand-nearly-full-claim.at-cap": (NOTHING, ("Nothing", "PreconditionFalse")),
    "freeze-irreversible-rollout": (ACTS, ("Act", "Allowed")),
    "freeze-irreversible-rollout.nothing-serves": (NOTHING, ("Nothing", "NoKnownGood")),
    "hold-gitops-and-roll-back": (ACTS, ASKS),
    "raise-autoscaler-maximum": (ACTS, ASKS),
    "raise-autoscaler-maximum.at-cap": (NOTHING, ("Nothing", "PreconditionFalse")),
    "raise-memory-limit": (ACTS, ASKS),
    "renew-overdue-certificate": (ACTS, ("Act", "Allowed")),
    "renew-overdue-certificate.failed-lately": (NOTHING, ("Nothing", "PreconditionFalse")),
    "replace-pod-that-holds-up-statefulset": (ACTS, ASKS),
    "replace-pod-that-holds-up-statefulset.no-quorum": (NOTHING, ("Nothing", "PreconditionFalse")),
    "replace-pods-stuck-in-init": (ACTS, ASKS),
    "request-revert-of-gitops-rollout": (ACTS, ("Act", "Allowed")),
    "request-revert-of-gitops-rollout.old-revision-fails": (NOTHING, ("Nothing", "OldRevisionFails")),
    "rerun-failed-job": (ACTS, ASKS),
    "rerun-failed-job.not-repeatable": (NOTHING, ("Nothing", "PreconditionFalse")),
    "restart-crash-looping-pods": (ACTS, ("Suggest", "ModeSuggest")),
    "restart-crash-looping-pods.dependency-is-back": (ACTS, ("Suggest", "ModeSuggest"), ("Nothing", "TargetHealthy")),
    "restore-changed-config": (ACTS, ("Ask", "AwaitingApproval")),
    "restore-changed-config.gitops": (NOTHING, ("Nothing", "OwnedByGitOps")),
    "roll-back-bad-rollout": (ACTS, ("Act", "Allowed")),
    "roll-back-bad-rollout.no-such-account": (ACTS, ("Act", "Allowed")),
    "roll-back-bad-rollout.no-such-node": (ACTS, ("Act", "Allowed")),
    "roll-back-bad-rollout.node-may-come": (NOTHING, ("Nothing", "NoRunbookMatches")),
    "roll-back-bad-rollout.old-revision-fails": (NOTHING, ("Nothing", "OldRevisionFails")),
    "roll-back-bad-rollout.paused": (NOTHING, ("Nothing", "TargetPaused")),
    "roll-back-bad-rollout.registry-outage": (NOTHING, ("Nothing", "NoRunbookMatches"), ("Nothing", "NoRunbookMatches")),
    "roll-back-bad-rollout.statefulset": (ACTS, ("Act", "Allowed")),
    "roll-back-when-errors-burn": (ACTS, ASKS),
    "run-failing-cron-job": (ACTS, ASKS),
    "scale-out-probe-killed-pods": (ACTS, ASKS),
    "scale-out-throttled-workload": (ACTS, ASKS),
    "weed-dependents": (ACTS, ("Act", "Allowed"), ("Nothing", "TargetHealthy")),
}
"""Exit code, then outcome and reason of each target."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*_arguments, **_named):
        raise AssertionError("a simulation asks nobody")

    monkeypatch.setattr(socket.socket, "connect", refused)


def test_every_shipped_runbook_is_replayed():
    shipped = {path.stem for path in (ROOT / "runbooks").glob("*.yaml")} - {"kustomization"}
    assert shipped == {path.name.partition(".")[0] for path in replays.replays()}


@pytest.mark.parametrize("recorded", replays.replays(), ids=lambda path: path.stem)
def test_a_replay_says_what_it_said_before(recorded):
    """`make replays` writes them anew."""
    assert replays.replay(recorded).output == recorded.with_suffix(".txt").read_text()


@pytest.mark.parametrize("recorded", replays.replays(), ids=lambda path: path.stem)
def test_a_replay_ends_as_it_should(recorded):
    done = replays.replay(recorded, "--output", "yaml")
    code, *cases = EXPECTED[recorded.stem]
    assert done.exit_code == code, done.output
    told = list(yaml.safe_load_all(done.output))
    assert [(one["outcome"], one["reason"]) for one in told] == cases
    if code == ACTS:
        acts = [one["plan"]["runbook"] for one in told if one["outcome"] != "Nothing"]
        assert acts == [recorded.stem.partition(".")[0]], "and it is that Runbook which acts"


def test_no_expectation_is_left_over():
    assert set(EXPECTED) == {path.stem for path in replays.replays()}


@pytest.mark.parametrize("recorded", [path for path in replays.replays() if EXPECTED[path.stem][0] == ACTS], ids=lambda path: path.stem)
def test_where_it_acts_it_would_be_stopped_by_a_pause(recorded, tmp_path):
    """Controls that hold for each of them: a pause, and a namespace that has not opted in."""
    namespace = next(yaml.safe_load_all(recorded.read_text()))["items"][0]["metadata"].get("namespace", "prunella-system")
    head = {"apiVersion": "prunella.dev/v1alpha1", "kind": "HealingPolicy", "metadata": {"name": "default"}}
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        yaml.safe_dump({**head, "spec": {"mode": "Auto", "pauses": [{"name": "fair", "reason": "the fair is on", "namespaces": [namespace]}]}})
    )
    done = replays.replay(recorded, str(policy), "--output", "yaml")
    assert (done.exit_code, next(yaml.safe_load_all(done.output))["reason"]) == (NOTHING, "Paused"), done.output
