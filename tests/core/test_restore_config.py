"""restoreConfig: the content from before comes back over the very version that was judged, what stood there is kept, and no value is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.runbooks import shipped

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.workload_record import KnownConfigMap, WorkloadRecordSpec
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.effects.effect import Patch, guarded_sha256
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.plan import summary
from prunella.core.healing.steps import registry, restore_config
from prunella.core.healing.steps.restore_config import RestoreConfig
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, LiveFacts, Note, Skip

from .builders import NOON, ago, crashing, healthy_facts, later, pod, pods
from .stories import incident

RECORD = Listed("prunella.dev/v1alpha1", "WorkloadRecord", "shop", "deployment-checkout")
BESIDE = tuple(Listed("apps/v1", kind, "shop") for kind in ("DaemonSet", "Deployment", "StatefulSet"))
JOBS, CRON_JOBS, PODS = Listed("batch/v1", "Job", "shop"), Listed("batch/v1", "CronJob", "shop"), Listed("v1", "Pod", "shop")
SECRET = "hunter2"


def named(name: str) -> Listed:
    return Listed("v1", "ConfigMap", "shop", name)


def config_map(name: str = "settings", version: str = "20", **changes: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop", "uid": f"u-{name}", "resourceVersion": version, **changes.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mode": SECRET, "same": "x"}, **changes}


def kept(name: str = "settings", **changes: Any) -> dict[str, Any]:
    return config_map(f"kept-{name}", "11", **{"data": {"mode": "fast", "same": "x"}, **changes})


def known(name: str = "settings") -> KnownConfigMap:
    return KnownConfigMap(name=name, uid=f"u-{name}", resource_version="10", copy_name=f"kept-{name}", copy_version="11", known_good_time=ago(3600))


def template(reads: str = "settings") -> dict[str, Any]:
    return {"spec": {"containers": [], "volumes": [{"name": "v", "configMap": {"name": reads}}]}}


def other(name: str = "cart", reads: str = "settings") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"template": template(reads)}}


def owned(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": "v", "kind": kind, "name": name, "uid": "u", "controller": True}]}


def job(name: str = "migrate", ended: str = "", **meta: Any) -> dict[str, Any]:
    conditions = [{"type": ended, "status": "True"}] if ended else []
    return {**other(name), "metadata": {"name": name, **meta}, "status": {"conditions": conditions}}


def cron(name: str = "report") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"suspend": True, "jobTemplate": {"spec": {"template": template()}}}}


def running(name: str, phase: str = "Running", uid: str = "u-pod", **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, **meta}, **template(), "status": {"phase": phase}}


def facts(*references: str):
    shop = healthy_facts()
    newest = replace(shop.revisions[0], references=frozenset(references or ("configmap/settings",)))
    return replace(shop, revisions=(newest, *shop.revisions[1:]), pods=(pod("checkout-h2-0", "h2", crashing()), *pods(3)[1:]))


def answers(*remembered: KnownConfigMap, **changes: Any) -> dict[Listed, Any]:
    record = {
        "metadata": {"name": RECORD.name},
        "spec": WorkloadRecordSpec(target_ref=facts().workload.ref, config_maps=remembered or (known(),)).wire(),
    }
    found: dict[Listed, Any] = {RECORD: (record,), **dict.fromkeys((*BESIDE, JOBS, CRON_JOBS, PODS), ())}
    found |= {named("settings"): (config_map(),), named("kept-settings"): (kept(),)}
    return found | changes.pop("also", {})


def live(found: dict[Listed, Any] | None = None, **changes: Any) -> LiveFacts:
    given = {"target": facts(), "intent_id": "0123abcd"} | changes
    return LiveFacts(now=NOON, raw={}, intent_time=NOON, answers=answers() if found is None else found, **given)


def plan(found: dict[Listed, Any] | None = None, *done: StepStatus, params: RestoreConfig | None = None, **changes: Any):
    return restore_config.plan(params or RestoreConfig(), live(found, **changes), done)


def applied(effect: Create | Patch, name: str = "restore", **after: str) -> StepStatus:
    intent = Intent(
        id="i", action=effect.action, target_ref=effect.target, written_time=NOON, deadline_time=later(60), before=effect.record, does=effect.does
    )
    return StepStatus(name=name, state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON, after=after))


def test_first_what_stands_there_is_kept_then_the_content_from_before_comes_back_then_it_is_told():
    keep = plan()
    assert isinstance(keep, Create)
    assert (keep.target.kind, keep.target.name) == ("ConfigMap", "settings-replaced-0123abcd")
    assert (keep.manifest["data"], keep.manifest["immutable"]) == ({"mode": SECRET, "same": "x"}, True)
    patch = plan(None, applied(keep))
    assert isinstance(patch, Patch)
    assert (patch.target.name, patch.target.uid, patch.guarded_path) == ("settings", "u-settings", "/metadata/resourceVersion")
    assert patch.operations == (
        {"op": "test", "path": "/metadata/uid", "value": "u-settings"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "20"},
        {"op": "replace", "path": "/data", "value": {"mode": "fast", "same": "x"}},
    )
    assert patch.before["guardedSha256"] == guarded_sha256("20"), "a hash of the content would tell of a short secret"
    assert patch.does == "ConfigMap settings is as it was when the workload was healthy (2026-11-24 11:00:00): key mode"
    done = (applied(keep), applied(patch, "restore/1"))
    note = plan(None, *done)
    assert isinstance(note, Note)
    assert note.outputs == {"configMap": "settings", "copy": "settings-replaced-0123abcd", "restart": "true"}
    assert isinstance(plan(None, *done, StepStatus(name="restore/2", state=StepState.APPLIED)), Done)
    assert SECRET not in f"{done} {note}"
    assert (keep.sha256, patch.sha256) == ("", ""), "nor does a hash of it stand anywhere"


@pytest.mark.parametrize(
    ("reference", "crashes", "restart"),
    [("configmap/settings", False, "true"), ("volume/settings", False, "false"), ("volume/settings", True, "true")],
)
def test_later_steps_are_told_whether_pods_must_be_made_anew(reference, crashes, restart):
    keep = plan()
    shop = facts(reference)
    shop = shop if crashes else replace(shop, pods=pods(3))
    note = plan(None, applied(keep), applied(plan(None, applied(keep)), "restore/1"), target=shop)
    assert note.outputs["restart"] == restart


def test_it_asks_for_the_record_then_for_the_config_maps_and_their_copies():
    assert plan({}) == Ask(reads=(RECORD, *BESIDE, JOBS, CRON_JOBS, PODS))
    first = {one: answers()[one] for one in (RECORD, *BESIDE, JOBS, CRON_JOBS, PODS)}
    assert plan(first) == Ask(reads=(named("settings"), named("kept-settings")))


GIT = {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/settings"}
OWNED = [{"apiVersion": "example.com/v1", "kind": "Config", "name": "main", "uid": "u"}]
SETTINGS, COPY = named("settings"), named("kept-settings")


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        pytest.param({RECORD: UNKNOWN}, "EvidenceMissing", id="the record can't be read"),
        pytest.param({BESIDE[0]: UNKNOWN}, "EvidenceMissing", id="who else reads it can't be told"),
        pytest.param({SETTINGS: UNKNOWN}, "EvidenceMissing", id="it can't be read"),
        pytest.param({RECORD: ()}, "NoKnownGood", id="nothing is remembered"),
        pytest.param({SETTINGS: (config_map(immutable=True),)}, Failed, id="it is immutable"),
        pytest.param({SETTINGS: (config_map(metadata={"annotations": GIT}),)}, "OwnedByGitOps", id="Git owns it"),
        pytest.param({SETTINGS: (config_map(metadata={"labels": {"kustomize.toolkit.fluxcd.io/name": "a"}}),)}, "OwnedByGitOps", id="Flux owns it"),
        pytest.param({SETTINGS: (config_map(metadata={"ownerReferences": OWNED}),)}, "OwnedByOperator", id="a controller makes it"),
        pytest.param({BESIDE[2]: (other(),)}, Failed, id="another workload reads it"),
        pytest.param({BESIDE[2]: (other(reads="else"),), BESIDE[1]: (other("checkout"),)}, Create, id="another reads another, and it itself"),
        pytest.param({SETTINGS: (config_map(data={"mode": "fast", "same": "x"}),)}, Done, id="nothing differs"),
        pytest.param({SETTINGS: ()}, Done, id="it is gone"),
        pytest.param({SETTINGS: (config_map(metadata={"uid": "u-new"}),)}, Done, id="it was made anew"),
        pytest.param({COPY: ()}, Done, id="the copy is gone"),
        pytest.param({COPY: (kept(metadata={"resourceVersion": "12"}),)}, Done, id="somebody wrote to the copy"),
    ],
)
def test_what_is_not_ours_or_not_known_is_left_alone(found, answer):
    wants = plan(answers(also=found))
    if isinstance(answer, str):
        assert isinstance(wants, Refusal)
        assert wants.reason == answer
    else:
        assert isinstance(wants, answer)
    assert SECRET not in str(getattr(wants, "message", ""))


def test_more_workloads_may_be_permitted_and_are_named_where_they_are_not():
    found = answers(also={BESIDE[2]: (other(),), BESIDE[0]: (other("agent"),)})
    refused = plan(found)
    assert refused == Failed(message="ConfigMap settings is read by daemonset/agent, statefulset/cart as well: maxOtherWorkloads permits 0, not 2")
    assert isinstance(plan(found, params=RestoreConfig(max_other_workloads=2)), Create)


HASH = {"labels": {"pod-template-hash": "7c9"}}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param({JOBS: (job(),)}, "job/migrate", id="a Job that has not ended"),
        pytest.param({CRON_JOBS: (cron(),), JOBS: (job("report-1", **owned("CronJob", "report")),)}, "cronjob/report", id="a CronJob, once"),
        pytest.param({PODS: (running("debug"),)}, "pod/debug", id="a pod that nothing made"),
        pytest.param({PODS: (running("web-0", **owned("CloneSet", "web")),)}, "cloneset/web", id="what another controller made"),
        pytest.param({PODS: (running("cart-7c9-x", **owned("ReplicaSet", "cart-7c9"), **HASH),)}, "deployment/cart", id="of an older revision"),
        pytest.param(
            {JOBS: (job("report-1", **owned("CronJob", "report")),), PODS: (running("report-1-x", **owned("Job", "report-1")),)},
            "cronjob/report",
            id="a pod of a CronJob's Job, with it",
        ),
    ],
)
def test_jobs_and_single_pods_that_read_it_count_as_workloads_do(found, told):
    assert plan(answers(also=found)) == Failed(message=f"ConfigMap settings is read by {told} as well: maxOtherWorkloads permits 0, not 1")
    assert isinstance(plan(answers(also=found), params=RestoreConfig(max_other_workloads=1)), Create)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({JOBS: (job(ended="Complete"), job("other", ended="Failed"))}, id="Jobs that have ended"),
        pytest.param({PODS: (running("done", phase="Succeeded"), running("evicted", phase="Failed"))}, id="pods that have ended"),
        pytest.param({PODS: (running("checkout-h2-0", uid=pod("checkout-h2-0", "h2").uid),)}, id="the target's own pod"),
        pytest.param({PODS: (running("checkout-7c9-x", **owned("ReplicaSet", "checkout-7c9"), **HASH),)}, id="one that came a moment ago"),
    ],
)
def test_what_has_ended_and_the_target_itself_do_not_count(found):
    assert isinstance(plan(answers(also=found)), Create)


@pytest.mark.parametrize("unread", [JOBS, CRON_JOBS, PODS])
def test_what_can_not_be_listed_may_read_it(unread):
    assert plan(answers(also={unread: UNKNOWN})).reason == "EvidenceMissing"


def test_of_several_that_differ_none_is_guessed():
    more = {named("flags"): (config_map("flags"),), named("kept-flags"): (kept("flags"),)}
    found, both = answers(known(), known("flags"), also=more), facts("configmap/settings", "volume/flags")
    assert isinstance(plan(found, target=both), Failed)
    chosen = plan(found, target=both, params=RestoreConfig(config_map="flags"))
    assert isinstance(chosen, Create)
    assert chosen.before["configMap"] == "flags"
    assert isinstance(plan(found), Create), "what the newest revision does not read does not count"


def accusing(seconds: float):
    change = {"time": ago(seconds).isoformat(), "target": "configmap/settings", "message": "key mode changed", "suspected": "it is"}
    return incident({"changes": [change]})


@pytest.mark.parametrize(("accused", "answer"), [(60, Create), (61, Refusal)])
def test_what_was_written_after_the_change_that_is_accused_is_somebodys_answer_to_it(accused, answer):
    stamp = {"manager": "kubectl", "time": ago(60).isoformat(), "fieldsV1": {"f:data": {}}}
    found = answers(also={SETTINGS: (config_map(metadata={"managedFields": [stamp]}),)})
    wants = plan(found, incident=accusing(accused))
    assert isinstance(wants, answer)
    assert answer is Create or wants.reason == "HumanOverride"


def test_it_is_not_written_over_once_it_is_another_than_what_was_kept():
    keep = plan()
    wants = plan(answers(also={SETTINGS: (config_map(version="21"),)}), applied(keep))
    assert isinstance(wants, Refusal)
    assert wants.reason == "HumanOverride"


def test_it_is_taken_back_where_nobody_wrote_since():
    keep = plan()
    patch = plan(None, applied(keep))
    record = applied(patch, "restore/1", resourceVersion="21")
    asked = restore_config.undo(
        RestoreConfig(), kept("settings", metadata={"name": "settings", "uid": "u-settings", "resourceVersion": "21"}), record
    )
    copy = named("settings-replaced-0123abcd")
    assert asked == Ask(reads=(copy,))
    now = config_map(version="21", data={"mode": "fast", "same": "x"})
    back = restore_config.undo_knowing(RestoreConfig(), now, record, {copy: (config_map("settings-replaced-0123abcd"),)})
    assert isinstance(back, Patch)
    assert back.operations[1:] == (
        {"op": "test", "path": "/metadata/resourceVersion", "value": "21"},
        {"op": "replace", "path": "/data", "value": {"mode": SECRET, "same": "x"}},
    )
    assert isinstance(restore_config.undo_knowing(RestoreConfig(), now, record, {copy: ()}), Skip), "the copy is gone"
    assert isinstance(restore_config.undo(RestoreConfig(), config_map(version="22"), record), Skip), "r39 somebody wrote since"
    assert isinstance(restore_config.undo(RestoreConfig(), config_map(), applied(keep)), Skip), "the copy stays"


def unanswered() -> StepStatus:
    """The record of a write whose answer was lost: by its stamp it is known that it was done, and not as which version."""
    record = applied(plan(None, applied(plan())), "restore/1")
    assert record.outcome is not None
    assert record.outcome.after == {}
    return record


def written(**changes: Any) -> dict[str, Any]:
    meta = {"annotations": {"prunella.dev/intent-id": changes.pop("stamp", "i")}}
    return config_map(version="21", metadata=meta, **{"data": {"mode": "fast", "same": "x"}, **changes})


def taken_back(raw: dict[str, Any], record: StepStatus, known_good: dict[str, Any] | None = None):
    """What both halves of the undo come to."""
    asked = restore_config.undo(RestoreConfig(), raw, record)
    if not isinstance(asked, Ask):
        return asked
    there = {"settings-replaced-0123abcd": config_map("settings-replaced-0123abcd"), "kept-settings": known_good or kept()}
    return restore_config.undo_knowing(RestoreConfig(), raw, record, {one: (there[one.name],) for one in asked.reads if isinstance(one, Listed)})


def test_its_own_write_is_taken_back_though_the_answer_to_it_was_lost():
    back = taken_back(written(), unanswered())
    assert isinstance(back, Patch)
    assert back.operations[1:] == (
        {"op": "test", "path": "/metadata/resourceVersion", "value": "21"},
        {"op": "replace", "path": "/data", "value": {"mode": SECRET, "same": "x"}},
    )


@pytest.mark.parametrize(
    ("raw", "known_good"),
    [
        pytest.param(written(data={"mode": "mended", "same": "x"}), None, id="somebody has written something else since"),
        pytest.param(written(stamp="another"), None, id="it bears another's stamp"),
        pytest.param(config_map(version="21", data={"mode": "fast", "same": "x"}), None, id="it bears no stamp"),
        pytest.param(written(), kept(metadata={"resourceVersion": "12"}), id="what it was written from is another one now"),
    ],
)
def test_what_may_be_somebody_elses_stays_where_the_answer_was_lost(raw, known_good):
    assert isinstance(taken_back(raw, unanswered(), known_good), Skip)


def test_of_an_older_record_without_an_answer_nothing_is_guessed():
    record = unanswered()
    assert record.intent is not None
    older = {key: value for key, value in record.intent.before.items() if not key.startswith("wroteCopy")}
    record = record.model_copy(update={"intent": record.intent.model_copy(update={"before": older})})
    assert isinstance(taken_back(written(), record), Skip)


def test_data_that_was_not_there_comes_and_goes():
    now = config_map(data=None, binaryData={"blob": "AAAA"})
    keep = plan(answers(also={SETTINGS: (now,)}))
    patch = plan(answers(also={SETTINGS: (now,)}), applied(keep))
    assert patch.operations[2:] == (
        {"op": "add", "path": "/data", "value": {"mode": "fast", "same": "x"}},
        {"op": "replace", "path": "/binaryData", "value": {}},
    )


def test_the_plan_that_people_approve_says_what_is_restored_and_not_only_the_restart():
    told = summary(facts().workload, shipped("restore-changed-config"), None, None)
    assert told == "restore a ConfigMap that was changed right before its workload began to fail: deploy/checkout"


def test_its_rights_are_granted_apart():
    assert restore_config.KIND.granted_by == "manifests/restore-config"
    assert {right.verb for right in restore_config.needs(RestoreConfig(), "Deployment")} == {"create", "patch"}
    assert restore_config.needs(RestoreConfig(), "Job") == ()
    assert registry.KINDS["restoreConfig"] is restore_config.KIND
    assert "manifests/restore-config`" in identity.lacks(identity.OURSELVES, ("create configmaps in shop", "patch configmaps in shop"), "shop")
    assert "--role=prunella-restore-config" in identity.lacks(identity.Account("shop", "bot"), ("patch configmaps in shop",), "shop")
    both = identity.lacks(identity.OURSELVES, ("patch configmaps in shop", "patch deployments.apps in shop"), "shop")
    assert "-k manifests/opt-in && " in both
    assert "-k manifests/restore-config`" in both
