"""The shipped Runbooks: they lint, they say what they do, and they go no further than they should."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.core.healing_builders import alert_signal, ill, refused, status
from tests.fakes.operator import cel

from prunella.api.names import ROLLOUT_CAUSES, Cause, Mode
from prunella.api.runbook import Runbook
from prunella.cli.lint import command as lint
from prunella.core.detect.piled import OLD, PILE
from prunella.core.healing.runbooks import match
from prunella.core.healing.steps import registry

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "runbooks"
CORE = ROOT / "operator" / "prunella" / "core"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
RUNBOOKS = {path.stem: Runbook.read(yaml.safe_load(path.read_text())) for path in FILES}


def test_lint_finds_nothing_in_them():
    done = CliRunner().invoke(lint, [str(FOLDER)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].endswith("0 errors, 0 warnings")


def test_each_is_in_the_kustomization_and_in_the_operators_namespace():
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == [path.name for path in FILES]
    assert {one.metadata.namespace for one in RUNBOOKS.values()} == {"prunella-system"}
    assert {name: one.metadata.name for name, one in RUNBOOKS.items()} == {name: name for name in RUNBOOKS}


def test_each_is_explained_in_the_folders_readme():
    text = (FOLDER / "README.md").read_text()
    assert [name for name in RUNBOOKS if name not in text] == []


MODES = {
    "clean-up-failed-pods": Mode.AUTO,
    "freeze-irreversible-rollout": Mode.AUTO,
    "renew-overdue-certificate": Mode.AUTO,
    "request-revert-of-gitops-rollout": Mode.AUTO,
    "roll-back-bad-rollout": Mode.AUTO,
    "weed-dependents": Mode.AUTO,
    "restart-crash-looping-pods": Mode.SUGGEST,
}
"""Every other one waits for approval."""


@pytest.mark.parametrize("name", RUNBOOKS)
def test_each_goes_as_far_as_its_failure_permits_and_the_readme_says_so(name):
    mode = MODES.get(name, Mode.APPROVE)
    assert RUNBOOKS[name].spec.mode is mode
    [line] = [one for one in (FOLDER / "README.md").read_text().splitlines() if one.startswith(f"| [`{name}`]({name}.yaml)")]
    cells = [one.strip() for one in line.strip("|").split("|")]
    assert cells[3] == str(mode)
    assert all(cells)


def test_a_configuration_is_somebodys_intent_and_comes_back_only_where_people_approve_it():
    assert RUNBOOKS["restore-changed-config"].spec.mode is Mode.APPROVE
    assert [name for name, one in RUNBOOKS.items() if Cause.CONFIG_CHANGED in one.spec.match.causes] == ["restore-changed-config"]


def test_what_sweeps_by_itself_keeps_evidence_and_is_for_nothing_else():
    spec = RUNBOOKS["clean-up-failed-pods"].spec
    assert (spec.mode, spec.match.causes) == (Mode.AUTO, (Cause.FAILED_PODS_PILED_UP,))
    assert [step.action for step in spec.steps] == ["captureEvidence", "cleanUp"]
    tidy = registry.params_of(spec.steps[1])
    assert tidy.keep < PILE, "what it leaves is no pile"
    assert timedelta(seconds=tidy.older_than_seconds) <= OLD, "what is found can be taken away"


MAY_BE_BROUGHT = {Cause.REPLICA_CREATION_FAILED, Cause.UNSCHEDULABLE}
"""What comes without a rollout as well: these accuse a revision only where it asks for what is refused, or fits no node."""


def test_a_rollback_is_for_what_a_rollout_brought_and_nothing_else():
    spec = RUNBOOKS["roll-back-bad-rollout"].spec
    assert set(spec.match.causes) <= ROLLOUT_CAUSES | MAY_BE_BROUGHT
    assert Cause.REGISTRY_UNREACHABLE not in spec.match.causes
    assert spec.match.when == "target.failingRevision == target.newestRevision"


RUNS = {Cause.CRON_JOB_FAILING, Cause.JOB_FAILED}
NODES = {Cause.NODE_FLAPPING, Cause.NODE_PRESSURE}
MENDABLE = {
    *(ROLLOUT_CAUSES - {Cause.ROLLOUT_STUCK}),
    *MAY_BE_BROUGHT,
    *NODES,
    *RUNS,
    Cause.AUTOSCALER_AT_MAXIMUM,
    Cause.CERTIFICATE_EXPIRING,
    Cause.CONFIG_CHANGED,
    Cause.CRASH_LOOP,
    Cause.DEPENDENCY_RECOVERED,
    Cause.FAILED_PODS_PILED_UP,
    Cause.INIT_CONTAINER_FAILING,
    Cause.LIVENESS_KILLS,
    Cause.OUT_OF_MEMORY,
    Cause.STATEFUL_SET_STUCK,
}


def test_what_nothing_mends_safely_is_left_to_people():
    """A DaemonSet's controller replaces unready pods of the revision before by itself: where it does not, their deletion would not help."""
    assert {cause for one in RUNBOOKS.values() for cause in one.spec.match.causes} == MENDABLE


@pytest.mark.parametrize("name", RUNBOOKS)
def test_each_fits_what_something_finds(name):
    """A cause that no detector gives would make a Runbook that never acts."""
    given = "".join(path.read_text() for folder in ("detect", "things", "incident") for path in (CORE / folder).glob("*.py"))
    missing = [one for one in RUNBOOKS[name].spec.match.causes if f"Cause.{Cause(one).name}" not in given]
    assert missing == []


@pytest.mark.parametrize("cause", [Cause.UNSCHEDULABLE, Cause.REPLICA_CREATION_FAILED, Cause.CONFIG_MISSING])
def test_an_alert_about_a_stuck_rollout_rolls_nothing_back_where_no_revision_is_accused(cause):
    shipped = RUNBOOKS["roll-back-bad-rollout"]
    told = status(alert_signal("KubeDeploymentRolloutStuck"), cause=cause, accused_revision=None)
    assert refused(match.fit(ill(shipped, evaluate=cel()), told, shipped)).reason == "PreconditionFalse"
    accused = status(alert_signal("KubeDeploymentRolloutStuck"), cause=cause, accused_revision="h3")
    assert isinstance(match.fit(ill(shipped, evaluate=cel()), accused, shipped), match.Fit), "only that keeps it away"


@pytest.mark.parametrize("name", RUNBOOKS)
def test_each_proves_recovery_by_the_target_itself(name):
    spec = RUNBOOKS[name].spec
    assert any(check.workload_healthy is not None and (not check.optional or name == CLAIMS) for check in spec.verify.checks)
    assert spec.verify.successes * spec.verify.interval_seconds + spec.verify.stabilize_seconds < spec.verify.timeout_seconds


@pytest.mark.parametrize("name", RUNBOOKS)
def test_each_gives_up_after_few_attempts(name):
    assert RUNBOOKS[name].spec.limits.max_attempts <= 2


def test_a_node_is_only_ever_kept_from_new_pods_for_a_while_and_only_if_people_agree():
    spec = RUNBOOKS["cordon-ailing-node"].spec
    assert (spec.mode, set(spec.match.causes), [one.action for one in spec.steps]) == (Mode.APPROVE, NODES, ["cordon"])
    assert spec.steps[0].ttl_seconds == spec.verify.timeout_seconds


def test_no_two_of_them_can_tie():
    causes = [(kind, cause, one.spec.priority) for one in RUNBOOKS.values() for kind in kinds(one) for cause in one.spec.match.causes]
    assert len(causes) == len(set(causes))


def kinds(one: Runbook) -> tuple[str, ...]:
    """Kinds of targets that it is for; each of them says so."""
    assert one.spec.match.targets is not None
    return one.spec.match.targets.kinds


@pytest.mark.parametrize(("name", "kind"), [("rerun-failed-job", "Job"), ("run-failing-cron-job", "CronJob")])
def test_what_may_have_been_done_half_way_runs_again_only_where_its_owner_and_people_say_so(name, kind):
    spec = RUNBOOKS[name].spec
    assert (spec.mode, kinds(RUNBOOKS[name]), set(spec.match.causes) <= RUNS) == (Mode.APPROVE, (kind,), True)
    assert spec.match.when == "target.idempotent"
    [step] = spec.steps
    assert registry.params_of(step).model_dump(exclude={"deadline_seconds"}) in ({"job": None}, {"cron_job": None}), "the target itself"


CLAIMS = "expand-nearly-full-claim"


def test_a_claim_grows_up_to_a_cap_if_people_agree_and_the_alert_itself_proves_it():
    spec = RUNBOOKS[CLAIMS].spec
    assert (spec.mode, [step.action for step in spec.steps], kinds(RUNBOOKS[CLAIMS])) == (Mode.APPROVE, ["expandVolume"], ("PersistentVolumeClaim",))
    assert (registry.params_of(spec.steps[0]).claim, registry.params_of(spec.steps[0]).most) == (None, "100Gi")
    counted = [check for check in spec.verify.checks if not check.optional]
    assert [check.alert_cleared is not None for check in counted] == [True], "beside another check that counts it would only hold up the end"


ROLLOUTS = {"freeze-irreversible-rollout", "hold-gitops-and-roll-back", "request-revert-of-gitops-rollout", "roll-back-bad-rollout"}


def test_what_goes_before_the_rollback_is_for_the_same_causes_and_narrower():
    rollback = RUNBOOKS["roll-back-bad-rollout"].spec
    for name in ROLLOUTS - {"roll-back-bad-rollout"}:
        spec = RUNBOOKS[name].spec
        assert set(spec.match.causes) == set(rollback.match.causes)
        assert str(spec.match.when).endswith(f"&& {rollback.match.when}")
        assert spec.priority > rollback.priority
    assert {one.spec.priority for name, one in RUNBOOKS.items() if one.spec.match.causes and name not in ROLLOUTS} == {50}


def test_where_git_owns_the_workload_a_request_is_made_and_only_its_owner_permits_more():
    request, hold = RUNBOOKS["request-revert-of-gitops-rollout"], RUNBOOKS["hold-gitops-and-roll-back"].spec
    assert registry.tells_only(request)
    assert hold.match.targets is not None
    assert hold.match.targets.selector is not None
    assert dict(hold.match.targets.selector.match_labels) == {"prunella.dev/hold-gitops": "true"}
    assert [step.action for step in hold.steps] == ["requestRevert", "holdGitOps", "rollBack"], "the request is made there as well"


def test_an_alert_alone_is_weaker_than_what_was_seen():
    told = [one.spec for one in RUNBOOKS.values() if not one.spec.match.causes]
    assert told
    assert all(spec.priority < Runbook.model_fields["spec"].annotation.model_fields["priority"].default for spec in told)
    of_workloads = [one.spec for name, one in RUNBOOKS.items() if not one.spec.match.causes and name != CLAIMS]
    assert all("target.failingRevision == ''" in str(spec.match.when) for spec in of_workloads)
