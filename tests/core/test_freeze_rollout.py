"""freezeRollout: the rollout is held, the accused revision gets no pods, the one that serves goes on, and the owner is paged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.runbooks import ROLL_BACK, runbook

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.healing.effects.effect import DeletePod, Patch, guarded_sha256
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.healing.runs.verify import CheckResult, kept_serving
from prunella.core.healing.steps import freeze_rollout, roll_back
from prunella.core.healing.steps.freeze_rollout import FreezeRollout
from prunella.core.healing.steps.roll_back import RollBack
from prunella.core.healing.steps.step import Done, Failed, LiveFacts, PageNow, Right, Skip, Wait

from .builders import NOON, ago, crashing, later, new_pod, pods, revision, rolling_facts
from .healing_builders import crashed, ill, planned, refused
from .test_plan import made

FREEZE = RunbookStep(name="freeze", freeze_rollout={})
MARKED = {"prunella.dev/irreversible": "true"}
TEMPLATE = {"spec": {"containers": [{"name": "app", "image": "shop/app:3"}]}}


def raw(kind="Deployment", **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"uid": "x"}, "spec": {"replicas": 3, "template": TEMPLATE, **spec}}


def live(facts=None, stored=None, **changes: Any) -> LiveFacts:
    return LiveFacts(now=NOON, raw=stored or raw(), target=facts or crashed(), accused_hash="h3", intent_time=NOON, **changes)


def stateful(**changes: Any):
    return crashed(kind="StatefulSet", **({"pod_management": "OrderedReady"} | changes))


STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
STATEFUL = raw("StatefulSet", updateStrategy=STRATEGY)
HELD = {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}


def record(effect, name="freeze") -> StepStatus:
    """What is stored of an effect."""
    action = "Patch" if isinstance(effect, Patch) else "Delete"
    intent = Intent(id="5b1e", action=action, target_ref=effect.target, written_time=NOON, deadline_time=later(60), before=effect.record)
    return StepStatus(name=name, action="freezeRollout", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON))


def plan(given: LiveFacts, *done: StepStatus):
    return freeze_rollout.plan(FreezeRollout(), given, done)


def held() -> StepStatus:
    patch = plan(live())
    assert isinstance(patch, Patch)
    return record(patch)


def test_a_deployment_is_paused_first_and_only_while_its_template_is_the_one_that_was_judged():
    patch = plan(live())
    assert isinstance(patch, Patch)
    uid = crashed().workload.uid
    assert patch.operations == (
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/spec/template", "value": TEMPLATE},
        {"op": "test", "path": "/spec/paused", "value": None},
        {"op": "add", "path": "/spec/paused", "value": True},
    )
    assert patch.does == "the rollout of revision 3 of deploy/checkout is held; 2 serves"
    assert patch.record["guardedPath"] == "/spec/paused"


def test_then_the_accused_replica_set_gets_no_pods_and_nothing_is_scaled_by_guess():
    patch = plan(live(stored=raw(paused=True)), held())
    assert isinstance(patch, Patch)
    newest = crashed().newest
    assert (patch.target.kind, patch.target.uid, patch.subresource, patch.stamped) == ("ReplicaSet", newest.uid, "scale", False)
    assert patch.operations[1:] == (
        {"op": "test", "path": "/spec/replicas", "value": newest.replicas},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
    )
    assert (patch.record["guardedSha256"], patch.record["wroteSha256"]) == (guarded_sha256(newest.replicas), guarded_sha256(0))


def test_then_the_owner_is_paged_once_and_it_is_done():
    emptied = plan(live(stored=raw(paused=True)), held())
    records = (held(), record(emptied, "freeze/1"))
    pages = plan(live(stored=raw(paused=True)), *records)
    assert isinstance(pages, PageNow)
    assert pages.message == (
        "deploy/checkout is frozen at revision 3, and the one before serves; once it is mended: "
        "`kubectl rollout resume deploy/checkout -n shop`, or roll a mended revision out"
    )
    paged = StepStatus(name="freeze/2", state=StepState.APPLIED, outcome=StepOutcome(observed_time=NOON))
    assert isinstance(plan(live(stored=raw(paused=True)), *records, paged), Done)


@pytest.mark.parametrize(
    ("given", "done", "answer"),
    [
        (live(crashed(kind="DaemonSet")), False, Failed(message="a rollout of a DaemonSet can't be frozen")),
        (
            live(crashed(observed_generation=0, generation=1)),
            False,
            Wait(until_time=later(2), message="the controller has not seen the newest change yet"),
        ),
        (live(crashed(paused=True)), False, Refusal(reason="TargetPaused", message="deploy/checkout is paused: somebody is at work on it")),
        (
            live(rolling_facts(new_pod(crashing()), serving=0)),
            False,
            Refusal(reason="NoKnownGood", message="no other revision of deploy/checkout serves now: a freeze would keep nothing"),
        ),
        (live(stored=raw()), True, Refusal(reason="HumanOverride", message="deploy/checkout was resumed by somebody else")),
    ],
    ids=["a DaemonSet", "not seen yet", "paused by a person", "nothing serves", "resumed by a person"],
)
def test_it_does_nothing_where_nothing_would_be_kept_or_somebody_is_at_work(given, done, answer):
    assert plan(given, *([held()] if done else [])) == answer


def test_after_a_rollback_there_is_nothing_to_freeze_and_a_rollout_in_between_is_a_persons():
    other = live(replace(crashed(), revisions=(revision(4, created=1, replicas=1), *crashed().revisions)))
    assert plan(other) == Done(message="deploy/checkout runs revision 4, not the accused one: there is nothing to freeze")
    answer = plan(replace(other, raw=raw(paused=True)), held())
    assert refused(answer).reason == "HumanOverride"


def test_two_older_revisions_that_serve_are_no_choice_of_a_machine():
    facts = replace(crashed(), pods=(*crashed().pods, *pods(1, "h1")))
    assert refused(plan(live(facts))).message == "revisions 2 and 1 of deploy/checkout serve at once: which one stays is a person's choice"


def test_a_stateful_set_gets_a_partition_above_its_pods_and_its_broken_pods_go_one_by_one():
    facts = stateful()
    facts = replace(facts, pods=tuple(replace(one, owner_uid=facts.workload.uid, resource_version="7") for one in facts.pods))
    patch = plan(live(facts, STATEFUL))
    assert isinstance(patch, Patch)
    assert patch.operations[2:] == (
        {"op": "test", "path": "/spec/updateStrategy", "value": STRATEGY},
        {"op": "replace", "path": "/spec/updateStrategy", "value": HELD},
    )
    now = raw("StatefulSet", updateStrategy=HELD)
    delete = plan(live(facts, now), record(patch))
    assert isinstance(delete, DeletePod)
    [broken] = [one for one in facts.pods if one.revision == "h3"]
    assert (delete.target.uid, delete.resource_version) == (broken.uid, "7")
    going = replace(facts, pods=tuple(replace(one, deleting=one.uid == broken.uid) for one in facts.pods))
    assert isinstance(plan(live(going, now), record(patch), record(delete, "freeze/1")), Wait)
    gone = replace(facts, pods=tuple(one for one in facts.pods if one.uid != broken.uid))
    assert isinstance(plan(live(gone, now), record(patch), record(delete, "freeze/1")), PageNow)
    back = freeze_rollout.undo(FreezeRollout(), now, record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1] == {"op": "replace", "path": "/spec/updateStrategy", "value": STRATEGY}
    assert isinstance(freeze_rollout.undo(FreezeRollout(), now, record(delete)), Skip)


def test_r39_it_is_resumed_only_where_it_still_is_paused():
    back = freeze_rollout.undo(FreezeRollout(), raw(paused=True), held())
    assert isinstance(back, Patch)
    assert back.operations[1:] == (
        {"op": "test", "path": "/spec/paused", "value": True},
        {"op": "remove", "path": "/spec/paused"},
    )
    assert isinstance(freeze_rollout.undo(FreezeRollout(), raw(), held()), Skip)
    emptied = record(plan(live(stored=raw(paused=True)), held()))
    assert isinstance(freeze_rollout.undo(FreezeRollout(), raw(), emptied), Skip)


def test_it_needs_the_rights_of_its_kind_and_no_more():
    patch = Right(verb="patch", group="apps", resource="deployments")
    assert freeze_rollout.needs(FreezeRollout(), "Deployment") == (patch, Right(verb="patch", group="apps", resource="replicasets/scale"))
    assert freeze_rollout.needs(FreezeRollout(), "StatefulSet")[1:] == (Right(verb="delete", group="", resource="pods"),)
    assert freeze_rollout.needs(FreezeRollout(), "DaemonSet") == ()


# in the plan


def test_r09_what_is_marked_irreversible_is_frozen_where_the_runbook_can_and_refused_where_it_can_not():
    facts = crashed(annotations=MARKED)
    one = made(ill(runbook("both", ROLL_BACK, FREEZE), facts=facts))
    assert isinstance(one, Plan)
    assert (one.to, one.summary) == (None, "freeze the rollout of deploy/checkout at revision 3 (h3): what serves now goes on")
    back = planned(ill(runbook("both", ROLL_BACK, FREEZE)))
    assert (back.to.hash, back.hash != one.hash) == ("h2", True), "what may be rolled back is, by another plan"
    assert refused(made(ill(facts=facts))).reason == "Irreversible"
    assert planned(ill(runbook("freeze", FREEZE))).to is None


def test_where_it_can_not_be_frozen_either_that_is_said():
    answer = refused(made(ill(runbook("both", ROLL_BACK, FREEZE), facts=crashed(kind="DaemonSet", annotations=MARKED))))
    assert (answer.reason, answer.message) == (
        "StrategyUnsupported",
        "a rollout of a DaemonSet can't be frozen, and nothing goes back over this one",
    )


def test_r09_a_rollback_step_skips_itself_over_what_became_irreversible():
    answer = roll_back.plan(RollBack(), live(crashed(annotations=MARKED)), ())
    assert answer == Skip(message="deploy/checkout is marked prunella.dev/irreversible: nothing goes back over it")


# its proof


@pytest.mark.parametrize(
    ("facts", "result", "value"),
    [
        (rolling_facts(available=3), CheckResult.SUCCESS, "3/3 available, none of the frozen revision"),
        (rolling_facts(available=2), CheckResult.FAILURE, "2/3 available"),
        (crashed(available=3), CheckResult.FAILURE, "3/3 available; 1 pods of the frozen revision are left"),
        (rolling_facts(available=3, generation=9, observed_generation=8), CheckResult.INCONCLUSIVE, "the controller has not seen the change yet"),
        (None, CheckResult.INCONCLUSIVE, "the workload could not be read"),
    ],
    ids=["kept", "not all there", "the frozen one still runs", "not seen yet", "unreadable"],
)
def test_its_proof_is_that_the_revision_that_was_kept_is_all_available(facts, result, value):
    look = kept_serving(facts, "h3", ago(5), "healthy")
    assert (look.result, look.value) == (result, value)


def test_the_value_from_before_stands_in_the_record():
    assert json.loads(held().intent.before["was"]) is None
    assert json.loads(held().intent.before["wrote"]) is True
