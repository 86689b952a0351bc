"""A target that is no workload: which Runbooks fit it, what the guards mean for it, and what its health is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import Budget, Budgets, Pause
from prunella.api.names import Cause, CheckResult, Mode, StepImpact
from prunella.api.runbook import Match, RunbookStep
from prunella.core.facts import UNKNOWN, NamespaceFacts
from prunella.core.healing import judge
from prunella.core.healing.guards import guards, history, turns
from prunella.core.healing.owners import ownership
from prunella.core.healing.runbooks import match, plan
from prunella.core.healing.runbooks.match import Fit
from prunella.core.healing.runs import verify
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import ANY, LiveFacts
from prunella.core.subject import Owner
from prunella.core.things.node import Node
from prunella.core.things.past import Past
from prunella.core.world import World

from .builders import NOON, ago
from .healing_builders import alert_signal, attempt, ill, incident, planned, policy, refused, signal, status
from .incident_builders import draft_of
from .thing_builders import claim, cron_job, failed_job, job, look, lost_node, node, run, said

TELL = RunbookStep(name="tell", notify={"message": "look at it"})
RESTART = RunbookStep(name="again", restart={})
PRESSED = node(pressures=(said("DiskPressure", "True", "KubeletHasDiskPressure", since=400),))
SYSTEM = NamespaceFacts(name="prunella-system", labels={"prunella.dev/mode": "Auto"})


def book(*steps: RunbookStep, **spec: Any):
    return runbook("care", *(steps or (TELL,)), **({"match": Match(causes=(Cause.NODE_PRESSURE, Cause.JOB_FAILED))} | spec))


def of_node(*runbooks: Any, thing: Node = PRESSED, **changes: Any) -> World:
    """The world of a Node's Incident, which lives beside the operator."""
    seen = look(thing).finding
    stands = status(cause=Cause.NODE_PRESSURE, signals=(signal(cause=Cause.NODE_PRESSURE),))
    one = incident(spec={"target_ref": thing.ref}).model_copy(update={"status": stands})
    one = one.model_copy(update={"metadata": one.metadata.model_copy(update={"namespace": "prunella-system"})})
    return ill(*(runbooks or (book(),)), **({"target": thing, "finding": seen, "incident": one, "namespace": SYSTEM} | changes))


# which Runbooks fit


@pytest.mark.parametrize("thing", [PRESSED, failed_job(), claim()], ids=lambda one: one.kind)
def test_a_runbook_that_only_tells_fits_every_kind(thing):
    world = of_node(thing=thing)
    assert match.fit(world, world.incident.status, book()) == Fit(runbook=book())


@pytest.mark.parametrize(
    ("thing", "step", "message"),
    [
        (PRESSED, RESTART, "step 'again' (restart) is for DaemonSet, Deployment, StatefulSet, not for Node"),
        (
            failed_job(),
            RunbookStep(name="run", create_job_from={}),
            "(createJobFrom) is for CronJob, DaemonSet, Deployment, StatefulSet, not for Job",
        ),
    ],
    ids=["a Node", "a Job, which is no CronJob"],
)
def test_a_step_that_is_not_for_the_target_makes_its_runbook_no_fit_and_says_so(thing, step, message):
    world = of_node(thing=thing)
    refusal = refused(match.fit(world, world.incident.status, book(TELL, step)))
    assert (refusal.reason, message in refusal.message) == ("NoRunbookMatches", True), refusal.message


def test_a_teams_runbook_takes_out_no_node():
    mine = runbook("mine", RunbookStep(name="out", cordon={}, ttl_seconds=600), namespace="shop", service_account_name="healer")
    refusal = refused(match.usable(mine, "prunella-system"))
    assert refusal.message == "step 'out' (cordon) reaches beyond shop: only a Runbook of prunella-system may use it"


def test_only_what_reads_waits_or_tells_is_for_every_kind():
    anywhere = {name for name, kind in registry.KINDS.items() if kind.kinds == ANY}
    assert {"notify", "escalate", "assert", "query", "waitFor", "captureEvidence"} <= anywhere
    changes = {name for name in anywhere if registry.KINDS[name].impact not in {StepImpact.READ, StepImpact.NOTIFY}}
    assert all(not registry.KINDS[name].rights for name in changes), "what needs a right changes something of the cluster"


def test_a_step_reads_the_target_and_one_that_is_for_workloads_is_told_that_it_is_none():
    live = LiveFacts(now=NOON, raw={}, target=PRESSED, intent_time=NOON)
    assert live.subject is PRESSED
    with pytest.raises(TypeError, match="node/n1 is no workload"):
        _ = live.facts


@pytest.mark.parametrize(("thing", "ready"), [(node(), 1), (PRESSED, 0), (lost_node(), 0)], ids=["well", "pressed", "lost"])
def test_conditions_see_a_node_as_one_of_one(thing, ready):
    told = match.variables(of_node(thing=thing), status(), None)["target"]
    assert isinstance(told, dict)
    assert (told["kind"], told["name"], told["namespace"], told["ready"], told["desired"]) == ("Node", "n1", "", ready, 1)


# the plan


def test_a_plan_for_a_node_waits_five_minutes_and_goes_by_the_mode_of_the_operators_namespace():
    world = of_node()
    made = planned(world)
    assert (made.subject, made.workload, made.accused, made.to) == (PRESSED, None, None, None)
    assert made.summary == "roll back: node/n1"
    assert made.mode is Mode.AUTO
    assert made.due_time is not None
    assert made.since is not None
    assert made.due_time - made.since == timedelta(seconds=300)
    assert planned(replace(world, namespace=NamespaceFacts(name="prunella-system"))).mode is Mode.OBSERVE
    assert planned(replace(world, namespace=UNKNOWN)).mode is Mode.OBSERVE
    assert planned(of_node(thing=replace(PRESSED, uid="another"))).hash != made.hash


def test_what_is_gone_has_no_plan():
    world = replace(of_node(), target=UNKNOWN)
    assert refused(plan.make(world, status(), Fit(runbook=book()))).reason == "NoRunbookMatches"


# the guards


def test_a_node_of_the_control_plane_is_never_changed_but_may_be_told_of():
    label = {"node-role.kubernetes.io/control-plane": ""}
    world = of_node(thing=replace(PRESSED, labels=label))
    made = planned(world)
    assert guards.protected(world, made) is None
    changing = replace(made, runbook=book(RunbookStep(name="x", call={"receiver": "bot"})))
    assert refused(guards.protected(world, changing)).message == "node/n1 carries the control plane: automation never changes it"


def test_a_pause_of_the_operators_namespace_or_of_all_holds_nodes():
    for pause, held in ((Pause(name="p", reason="r", namespaces=("prunella-system",)), True), (Pause(name="p", reason="r"), True)):
        world = of_node(policy=policy(pauses=(pause,)))
        assert (guards.pause(world, planned(world)) is not None) is held
    world = of_node(policy=policy(pauses=(Pause(name="p", reason="r", namespaces=("shop",)),)))
    assert guards.pause(world, planned(world)) is None


@pytest.mark.parametrize(
    ("changes", "reason", "by"),
    [
        ({}, None, ""),
        ({"labels": {"karpenter.sh/nodepool": "spot"}}, "DelegatedToNodeRepair", "Karpenter (node pool spot)"),
        ({"annotations": {"cluster.x-k8s.io/machine": "m-7"}}, "DelegatedToNodeRepair", "Cluster API (machine m-7)"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "infra:/Node:/n1"}}, "OwnedByGitOps", "Argo CD's application infra"),
        ({"owner": Owner(api_version="x/v1", kind="Machine", name="m")}, "OwnedByOperator", "Machine m"),
    ],
    ids=["nobody's", "Karpenter's", "a machine's", "from Git", "a controller's"],
)
def test_a_node_that_something_else_mends_is_left_to_it(changes, reason, by):
    refusal = ownership.owned(replace(PRESSED, **changes))
    assert (refusal.reason if refusal else None) == reason
    assert by in (refusal.message if refusal else "")


def test_attempts_at_nodes_count_for_the_operators_namespace():
    tight = policy(budgets=Budgets(per_namespace=Budget(count=1, window_seconds=3600)))
    before = attempt(ended=100, namespace="prunella-system", target_ref=node(name="n2", uid="uid-n2").ref)
    world = of_node(policy=tight, all_remediations=(before,))
    refusal = refused(history.budgets(world, planned(world)))
    assert refusal.message == "1 of 1 attempts in 3600 s are spent for the namespace prunella-system"


def test_a_node_under_way_holds_back_the_next_one():
    running = attempt(outcome=None, ended=None, started=10, namespace="prunella-system", target_ref=node(name="n2", uid="uid-n2").ref)
    world = of_node(all_remediations=(running,))
    refusal = refused(turns.concurrency(world, planned(world)))
    assert refusal.message == "1 attempts are under way in prunella-system; the limit is 1"


def test_a_healthy_node_is_no_target():
    world = of_node(thing=node(), finding=None)
    assert refused(guards.target(world, planned(world))).message == "node/n1 shows no fault any more"


# its health


def healthy(thing: Any, finding: Any, cause: Cause | None = Cause.NODE_PRESSURE, *, ran_again: bool = False) -> verify.Look:
    """Whether it is well at noon, after an attempt for that cause."""
    return verify.thing_healthy(thing, finding, "healthy", cause, NOON, ran_again=ran_again)


@pytest.mark.parametrize(
    ("cause", "since", "result"),
    [
        (Cause.NODE_PRESSURE, 10, CheckResult.SUCCESS),
        (Cause.NODE_NOT_READY, 10, CheckResult.SUCCESS),
        (Cause.NODE_FAULT, 10, CheckResult.FAILURE),
        (Cause.NODE_PRESSURE, 310, CheckResult.FAILURE),
    ],
)
def test_a_fault_that_a_node_tells_of_besides_counts_once_it_has_held_for_long_enough(cause, since, result):
    thing = node(faults=(said("NTPProblem", "True", "NTPIsDown", since=since),))
    assert healthy(thing, look(thing).finding, cause).result == result


def test_a_node_at_fault_on_which_nothing_is_found_is_not_well_after_an_attempt_for_that():
    thing = node(faults=(said("NTPProblem", "True", "NTPIsDown"),))
    assert healthy(thing, None, Cause.NODE_FAULT).result == CheckResult.FAILURE
    assert healthy(thing, None, Cause.NODE_NOT_READY).result == CheckResult.SUCCESS


@pytest.mark.parametrize(
    ("thing", "result", "value"),
    [
        (node(), CheckResult.SUCCESS, "Ready, no pressure"),
        (PRESSED, CheckResult.FAILURE, "under DiskPressure"),
        (lost_node(), CheckResult.FAILURE, "the node is not Ready"),
        (node(ready_since=None), CheckResult.INCONCLUSIVE, "does not say whether it is Ready"),
        (failed_job(), CheckResult.FAILURE, "the Job failed"),
        (job(completed_time=ago(5)), CheckResult.SUCCESS, "no fault is seen"),
        (cron_job(run(9, failed=True, ago_seconds=60)), CheckResult.FAILURE, "its last run failed"),
        (cron_job(run(9, failed=False, ago_seconds=60)), CheckResult.SUCCESS, "no run has failed since one was complete"),
        (cron_job(run(9, failed=True, ago_seconds=60), suspended=True), CheckResult.INCONCLUSIVE, "whether its runs succeed can't be told"),
        (claim(phase="Bound", wants="10Gi", has="10Gi"), CheckResult.SUCCESS, "it has the 10Gi that it asks for"),
        (claim(phase="Bound", wants="10240Mi", has="10Gi"), CheckResult.SUCCESS, "it has the 10Gi that it asks for"),
        (claim(phase="Bound", wants="12800Mi", has="10Gi"), CheckResult.FAILURE, "pvc/data has 10Gi, and asks for 12800Mi"),
        (claim(phase="Bound"), CheckResult.FAILURE, "pvc/data has nothing, and asks for an unknown amount"),
        (None, CheckResult.INCONCLUSIVE, "could not be read"),
    ],
    ids=[
        "well",
        "pressed",
        "lost",
        "silent about it",
        "a Job that failed",
        "a Job that is done",
        "a CronJob whose run failed",
        "a CronJob whose run is done",
        "a suspended CronJob",
        "a claim that has what it asks for",
        "the same in another unit",
        "a claim that waits for more",
        "a claim that says nothing",
        "unreadable",
    ],
)
def test_a_thing_is_well_while_its_detector_finds_nothing_on_it(thing, result, value):
    seen = healthy(thing, look(thing).finding if thing is not None else None)
    assert (seen.result, seen.conclusive) == (result, False)
    assert value in seen.value


def test_a_failed_job_that_was_run_again_with_success_is_well_though_it_stays_failed():
    failed = failed_job()
    seen = healthy(failed, look(failed, past=Past(ran_again_time=ago(5))).finding, ran_again=True)
    assert (seen.result, seen.value) == (CheckResult.SUCCESS, "it was run again, and that run was complete")


def test_a_failed_job_on_which_nothing_is_found_is_not_well_unless_it_was_run_again():
    failed = run(9, failed=True, ago_seconds=60)
    seen = healthy(failed, look(failed).finding)
    assert (seen.result, seen.value) == (CheckResult.INCONCLUSIVE, "job/backup-9 failed, and no run of it was complete since")


def test_what_can_not_be_told_is_not_health():
    seen = healthy(node(), UNKNOWN)
    assert (seen.result, seen.pending) == (CheckResult.INCONCLUSIVE, True)


def test_a_reference_to_a_node_has_no_namespace():
    assert PRESSED.ref == ObjectRef(api_version="v1", kind="Node", name="n1", uid="uid-n1")


def test_what_is_seen_and_says_nothing_of_its_health_is_judged_and_nothing_is_done_to_it():
    """A claim that waits for its first consumer, of which an alert tells: it has no controller that would catch up, and no fault that is seen."""
    waits = claim(phase="Pending")
    told = incident(alert_signal("KubePersistentVolumeFillingUp"), cause=Cause.ALERT, spec={"target_ref": waits.ref})
    world = of_node(thing=waits, incident=told, finding=UNKNOWN)
    condition = next(one for one in judge.judge(world, draft_of(world)).status.conditions if one.type == "RemediationAllowed")
    assert condition.reason == "NoRunbookMatches"
    silent = replace(world, watch_fresh=False, unseen_since=ago(60))
    condition = next(one for one in judge.judge(silent, draft_of(silent)).status.conditions if one.type == "RemediationAllowed")
    assert condition.reason == "EvidenceMissing"
    refusal = guards.evidence(world, replace(planned(of_node()), subject=waits))
    assert (refusal.reason, "does not say whether it is well" in refusal.message) == ("EvidenceMissing", True)
