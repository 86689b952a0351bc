"""`prunella simulate` decides about files as the operator would about a cluster, and says what it can't read."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from prunella.adapters.kubernetes.reads import template_of
from prunella.api.incident import Incident
from prunella.cli.simulate import command
from prunella.cli.simulated_run import patched

REPLAYS = Path(__file__).resolve().parents[1] / "runbooks" / "replays"
ROLLOUT = REPLAYS / "roll-back-bad-rollout.yaml"
RESTART = REPLAYS / "restart-crash-looping-pods.yaml"
LEDGER = REPLAYS / "roll-back-bad-rollout.statefulset.yaml"
ACTS, UNREADABLE, NOTHING = 0, 2, 3
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: u-1}
"""
OURS = "apiVersion: prunella.dev/v1alpha1\n"


def simulate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments])


def told(*arguments: str | Path) -> dict[str, Any]:
    """The one case, as programs read it."""
    done = simulate(*arguments, "-o", "yaml")
    assert done.exit_code in {ACTS, NOTHING}, done.output
    found = list(yaml.safe_load_all(done.output))
    assert len(found) == 1, done.output
    return dict(found[0])


def written(folder: Path, name: str, *objects: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump_all(objects))
    return path


def changed(source: Path, folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """The same objects with something changed, as several documents instead of a List."""
    items = yaml.safe_load(source.read_text())["items"]
    change(items)
    return written(folder, "changed.yaml", *items)


def ours(kind: str, name: str, spec: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": kind, "metadata": {"name": name, **meta}, "spec": spec}


def alerts(*labels: dict[str, str], status: str = "firing", starts: str = "2026-11-24T10:02:10Z") -> dict[str, Any]:
    return {
        "version": "4",
        "alerts": [{"status": status, "labels": one, "annotations": {"summary": "it hurts"}, "startsAt": starts} for one in labels],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n", "0.yaml:2:1: error: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\na: 2\n", "0.yaml:2:1: error: 'a' stands twice; only one of them would count"),
        ("- 1\n", "0.yaml:1:1: error: it is no object: give what `kubectl get -o yaml` prints"),
        ("name: x\n", "0.yaml:1:1: error: it has no apiVersion and kind, and no `alerts`"),
        ("apiVersion: v1\nkind: Pod\nspec: {}\n", "0.yaml:1:1: error: metadata.name is missing"),
        (POD.replace(", uid: u-1", ""), "0.yaml:3:1: error: metadata.uid is missing: give the object as `kubectl get -o yaml` prints it, not the"),
        (POD.replace(" namespace: shop,", ""), "0.yaml:3:1: error: metadata.namespace is missing: `kubectl get -o yaml` prints it"),
        (POD + "---\n" + POD, "0.yaml:7:12: error: Pod shop/web-1 stands twice: which of them is meant?"),
        (
            POD + "status: {startTime: '2026-11-24T09:41:07'}\n",
            "0.yaml:4:10: error: status.startTime must be an instant with a time zone, for example '2026-11-24T09:41:07Z', not '2026-11-24T09:41:07'",
        ),
        (
            "kind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: w, namespace: s, uid: u}\n  spec: {replicas: three}\n",
            "0.yaml:6:10: error: spec.replicas: Expected `int | null`, got `str`; give it as `kubectl get -o yaml` prints it",
        ),
        (
            POD + "status:\n  containerStatuses:\n  - {name: app, restartCount: often}\n",
            "0.yaml:6:17: error: status.containerStatuses[0].restartCount: Expected `int`, got `str`",
        ),
        (POD.replace("u-1", "u-1, generation: new"), "0.yaml:3:52: error: metadata.generation: Expected `int`, got `str`; give it as"),
        (
            OURS + "kind: HealingPolicy\nmetadata: {name: default}\nspec: {mode: auto}\n",
            "0.yaml:4:8: error: spec.mode can't be 'auto'; did you mean 'Auto'?",
        ),
        (OURS + "kind: Incidents\nmetadata: {name: x}\n", "0.yaml:2:1: error: there is no kind 'Incidents'; did you mean 'Incident'?"),
        (
            "alerts:\n- {status: firing, labels: {a: b}}\n- {status: burning}\n",
            "0.yaml:3:3: error: alerts[1]: status must be 'firing' or 'resolved', not 'burning'",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n",
            "Error: there is no Deployment, StatefulSet, DaemonSet, Node, Job, CronJob, PersistentVolumeClaim, HorizontalPodAutoscaler, Certificate",
        ),
        (
            "alerts: [{status: resolved, labels: {alertname: Over}, startsAt: '2026-11-24T10:00:00Z'}]\n",
            "Error: there is no workload in the files, and no alert that fires",
        ),
        ("alerts: [{status: firing, labels: {alertname: When}}]\n", "Error: nothing in the files says when it was: give --at"),
    ],
    ids=[
        "no YAML",
        "a key twice",
        "no object",
        "no kind",
        "no name",
        "a manifest",
        "no namespace",
        "an object twice",
        "no time zone",
        "a wrong type in a List",
        "a wrong type in a list",
        "a wrong type in the metadata",
        "a wrong word of ours",
        "a wrong kind of ours",
        "a bad alert",
        "nothing of use",
        "nothing fires",
        "no instant",
    ],
)
def test_what_can_not_be_read_is_named_with_its_place_and_a_remedy(tmp_path, text, said):
    (tmp_path / "0.yaml").write_text(text)
    done = simulate(tmp_path / "0.yaml")
    assert (done.exit_code, said in done.output.replace(f"{tmp_path}/", "")) == (UNREADABLE, True), done.output


def test_everything_that_is_wrong_is_said_at_once(tmp_path):
    (tmp_path / "0.yaml").write_text(POD.replace("uid: u-1", "") + "---\n" + POD.replace("namespace: shop,", ""))
    assert simulate(tmp_path).output.count("error:") == 2


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("yesterday", "'yesterday' is no instant with a time zone; give it as 2026-11-24T10:02:24Z"),
        ("2026-11-24T10:02:24", "is no instant with a time zone"),
        ("2200-11-24T10:02:24Z", "is no instant with a time zone"),
        ("2026-11-24T10:02:12Z", "--at 2026-11-24T10:02:12Z is before the newest instant in the files, 2026-11-24T10:02:13Z: nobody knew them then"),
    ],
)
def test_an_instant_that_can_not_be_is_refused(at, said):
    done = simulate(ROLLOUT, "--at", at)
    assert (done.exit_code, said in " ".join(done.output.split())) == (UNREADABLE, True), done.output


@pytest.mark.parametrize(
    ("at", "code", "outcome", "reason"),
    [
        ("2026-11-24T10:02:13Z", NOTHING, "Nothing", "DwellRunning"),
        ("2026-11-24T10:02:22Z", NOTHING, "Nothing", "DwellRunning"),
        ("2026-11-24T12:02:23+02:00", ACTS, "Act", "Allowed"),
        ("2026-11-24T10:31:56Z", ACTS, "Act", "Allowed"),
        ("2026-11-24T10:31:57Z", NOTHING, "Nothing", "ChangeTooOld"),
    ],
    ids=["at once", "a second early", "after the dwell", "the change is young", "the change is old"],
)
def test_the_instant_decides(at, code, outcome, reason):
    assert simulate(ROLLOUT, "--at", at).exit_code == code
    case = told(ROLLOUT, "--at", at)
    assert (case["outcome"], case["reason"]) == (outcome, reason)


@pytest.mark.parametrize(
    ("source", "mode", "code", "outcome", "reason", "attempt"),
    [
        (ROLLOUT, None, ACTS, "Act", "Allowed", "Auto"),
        (ROLLOUT, "Auto", ACTS, "Act", "Allowed", "Auto"),
        (ROLLOUT, "Approve", ACTS, "Ask", "AwaitingApproval", "Approve"),
        (ROLLOUT, "Suggest", ACTS, "Suggest", "ModeSuggest", "Suggest"),
        (ROLLOUT, "Observe", NOTHING, "Nothing", "ModeObserve", None),
        (RESTART, None, ACTS, "Suggest", "ModeSuggest", "Suggest"),
        (RESTART, "Auto", ACTS, "Act", "Allowed", "Auto"),
        (RESTART, "Observe", NOTHING, "Nothing", "ModeObserve", None),
    ],
)
def test_the_mode_decides_what_becomes_of_a_plan(source, mode, code, outcome, reason, attempt):
    more = ("--mode", mode) if mode else ()
    assert simulate(source, *more).exit_code == code
    case = told(source, *more)
    assert (case["outcome"], case["reason"], case.get("remediation", {}).get("spec", {}).get("mode")) == (outcome, reason, attempt)
    assert [one["request"]["method"] for one in case["steps"] if "request" in one] == ["PATCH"], "what it would be is shown in every mode"


def test_what_stands_in_the_files_is_not_supposed(tmp_path):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    more = written(tmp_path, "more.yaml", namespace, ours("HealingPolicy", "default", {"mode": "Auto"}))
    case = told(ROLLOUT, more)
    assert case["reason"] == "ModeObserve", "the namespace has not opted in"
    assert [one["what"] for one in case["supposed"]] == [
        "Prunella began to watch at 10:02:13",
        "the rights of manifests/opt-in, and an API server that is well and takes the request",
    ]
    assert [one["what"] for one in told(ROLLOUT)["supposed"]][:2] == [
        "HealingPolicy 'default': mode Auto",
        "namespace shop: label prunella.dev/mode=Auto",
    ]


def test_the_yaml_is_what_would_be_stored_and_sent(tmp_path):
    case = told(ROLLOUT)
    incident = Incident.model_validate({key: value for key, value in case["incident"].items() if key not in {"apiVersion", "kind"}})
    assert (incident.status.cause, incident.status.accused_revision, incident.status.priority) == ("RolloutCrashLoop", "6d4cf56db6", "P3")
    assert incident.metadata.name == case["remediation"]["spec"]["incidentRef"]["name"]
    assert case["plan"]["hash"] == case["remediation"]["spec"]["planHash"] == incident.status.plan.hash
    assert yaml.safe_dump(case) == yaml.safe_dump(told(ROLLOUT))


def test_the_request_brings_back_the_template_of_the_revision_before(tmp_path):
    def unhidden(items):
        for one in items:
            for template in (one["spec"].get("template"),):
                if template is not None:
                    template["spec"]["containers"][0]["env"].pop()

    source = changed(ROLLOUT, tmp_path, unhidden)
    deployment, before, *_ = yaml.safe_load_all(source.read_text())
    request = told(source)["steps"][0]["request"]
    assert request["path"] == "/apis/apps/v1/namespaces/shop/deployments/checkout"
    assert (request["contentType"], request["query"]) == ("application/json-patch+json", {"fieldManager": "prunella"})
    tests = {one["path"]: one["value"] for one in request["body"] if one["op"] == "test"}
    assert tests == {"/metadata/uid": deployment["metadata"]["uid"], "/spec/template": deployment["spec"]["template"]}
    after = patched(deployment, request["body"])
    assert after["spec"] == {**deployment["spec"], "template": template_of("Deployment", before)}
    assert set(after["metadata"]["annotations"]) == {"deployment.kubernetes.io/revision", "prunella.dev/intent-id"}


def test_of_a_stateful_set_the_broken_pod_is_deleted_after_the_template_is_back():
    steps = told(LEDGER)["steps"]
    assert [one["says"] for one in steps] == ["patch spec.template of StatefulSet pay/ledger", "delete Pod pay/ledger-2"]
    assert steps[1]["request"]["method"] == "DELETE"
    assert set(steps[1]["request"]["body"]["preconditions"]) == {"uid", "resourceVersion"}


@pytest.mark.parametrize("output", ["text", "yaml"])
def test_a_secret_of_a_template_is_hidden(output):
    done = simulate(ROLLOUT, "-o", output)
    assert "DB_PASSWORD" in done.output
    assert "correct-horse" not in done.output


def test_an_incident_that_is_fed_back_is_joined_and_not_opened_twice(tmp_path):
    first = told(ROLLOUT)
    case = told(ROLLOUT, written(tmp_path, "incident.yaml", first["incident"]))
    assert case["incident"]["metadata"]["name"] == first["incident"]["metadata"]["name"]
    assert [one["what"] for one in case["incident"]["status"]["timeline"]].count("Opened") == 1
    assert "  joins       " in simulate(ROLLOUT, tmp_path / "incident.yaml").output


def test_a_persons_hold_on_the_incident_is_heeded(tmp_path):
    incident = copy.deepcopy(told(ROLLOUT)["incident"])
    incident["spec"]["hold"] = {"by": "ana", "reason": "I look at it"}
    assert told(ROLLOUT, written(tmp_path, "incident.yaml", incident))["reason"] == "HumanOverride"


@pytest.mark.parametrize("seed", range(4))
def test_neither_the_order_nor_the_names_of_pods_decide(tmp_path, seed):
    dice = random.Random(seed)

    def shuffle(items):
        for one in items:
            if one["kind"] == "Pod":
                one["metadata"]["name"] = one["metadata"]["generateName"] + "".join(dice.sample("bcdfghjklmnpqrstvwxz2456789", 5))
        dice.shuffle(items)

    before, after = told(ROLLOUT), told(changed(ROLLOUT, tmp_path, shuffle))
    kept = ("target", "at", "outcome", "reason", "message", "plan", "guards", "steps", "remediation")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}


def test_the_same_files_say_the_same_whatever_their_order(tmp_path):
    items = yaml.safe_load(LEDGER.read_text())["items"]
    files = [written(tmp_path, f"{number}.yaml", one) for number, one in enumerate(items)]
    assert simulate(*files).output == simulate(*reversed(files)).output == simulate(tmp_path).output
    assert "8 objects of 8 files" in simulate(*files).output


def test_unquoted_instants_are_read_as_kubectls(tmp_path):
    """YAML makes a time of what kubectl quotes."""
    text = ROLLOUT.read_text()
    assert text.count("'2026") == text.count("Z'") > 10
    (tmp_path / "unquoted.yaml").write_text(text.replace("'2026", "2026").replace("Z'", "Z"))
    assert told(tmp_path / "unquoted.yaml") == told(ROLLOUT)


def test_nothing_is_concluded_of_a_pod_that_does_not_tell(tmp_path):
    def clean_up(items):
        for one in items:
            for status in one.get("status", {}).get("containerStatuses", ()):
                if status["restartCount"]:
                    status |= {"lastState": {}, "state": {"running": {"startedAt": "2026-11-24T14:31:53Z"}}}

    case = told(changed(RESTART, tmp_path, clean_up), "--at", "2026-11-24T14:31:55Z")
    assert (case["outcome"], case["reason"]) == ("Nothing", "EvidenceMissing")
    assert "does not tell whether it crashes" in case["message"]


def test_nothing_is_done_about_a_workload_that_is_well(tmp_path):
    def heal(items):
        items[:] = [one for one in items if not one["metadata"]["name"].endswith("v9z4t")]
        items[0]["status"] |= {"availableReplicas": 3, "readyReplicas": 3}

    case = told(changed(RESTART, tmp_path, heal))
    assert (case["outcome"], case["reason"], "incident" in case) == ("Nothing", "TargetHealthy", False)


@pytest.mark.parametrize(("least", "reason"), [(2, "StormActive"), (3, "ModeSuggest")])
def test_the_storm_brake_counts_what_fails_in_the_files(tmp_path, least, reason):
    storm = {"minWorkloads": least, "percent": 1}
    policy = written(tmp_path, "policy.yaml", ours("HealingPolicy", "default", {"mode": "Auto", "storm": storm}))
    _, mailer = yaml.safe_load_all(simulate(ROLLOUT, RESTART, policy, "-o", "yaml").output)
    assert mailer["reason"] == reason


def test_an_alert_joins_the_incident_of_its_workload(tmp_path):
    body = written(tmp_path, "alerts.yaml", alerts({"alertname": "HighErrors", "namespace": "shop", "deployment": "checkout"}))
    case = told(ROLLOUT, body)
    assert [one["key"].partition("/")[0] for one in case["incident"]["status"]["signals"]] == ["watch", "alert"]
    assert case["outcome"] == "Act"


def test_an_alert_that_names_no_workload_is_a_case_of_its_own(tmp_path):
    body = written(tmp_path, "alerts.yaml", alerts({"alertname": "DiskFull", "namespace": "shop"}))
    done = simulate(ROLLOUT, body, "-o", "yaml")
    cases = list(yaml.safe_load_all(done.output))
    assert [(one["target"]["kind"], one["outcome"]) for one in cases] == [("Deployment", "Act"), ("Alert", "Nothing")]
    assert done.exit_code == ACTS


def test_what_nothing_is_decided_by_is_counted(tmp_path):
    more = written(tmp_path, "more.yaml", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "checkout"}})
    assert "7 objects of 2 files, 1 more not looked at (Service); no cluster was asked" in simulate(ROLLOUT, more).output


RUNBOOK = ours(
    "Runbook",
    "mine",
    {
        "title": "Look, page and restart",
        "match": {"causes": ["CrashLoop"], "dwellSeconds": 5},
        "mode": "Auto",
        "steps": [
            {"name": "look", "captureEvidence": {"tailLines": 7}},
            {"name": "never", "escalate": {}, "when": "'look' in steps && steps.look.state == 'Failed'"},
            {"name": "page", "escalate": {}, "when": "steps.look.state == 'Applied'"},
            {"name": "again", "restart": {}},
        ],
        "verify": {"checks": [{"name": "healthy", "workloadHealthy": {}}]},
    },
)  # fmt: skip


def test_other_runbooks_are_used_in_place_of_those_that_ship(tmp_path):
    mine = written(tmp_path, "mine.yaml", RUNBOOK)
    case = told(RESTART, "--runbooks", mine)
    assert (case["plan"]["runbook"], case["outcome"], case["at"]) == ("mine", "Act", "2026-11-24T14:31:57.000000Z")
    assert [(one["step"], one["says"].partition(":")[0]) for one in case["steps"]] == [
        ("look", "keeps the last 7 lines of the log, and the Events"),
        ("never", "skipped"),
        ("page", "pages the owner now"),
        ("again", "patch spec.template of Deployment shop/mailer"),
    ]
    assert told(RESTART, mine)["plan"]["runbook"] == "mine", "also where it is among the files"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({**RUNBOOK["spec"], "mode": "auto"}, "spec.mode can't be 'auto'; did you mean 'Auto'?"),
        ({**RUNBOOK["spec"], "match": {"causes": ["CrashLoop"], "when": "target.nam =="}}, "`spec.match.when`: column"),
    ],
    ids=["a field", "a condition"],
)
def test_a_runbook_that_lint_refuses_is_refused(tmp_path, spec, said):
    done = simulate(RESTART, "--runbooks", written(tmp_path, "mine.yaml", {**RUNBOOK, "spec": spec}))
    assert (done.exit_code, said in done.output) == (UNREADABLE, True), done.output


FAILS = {"name": "grace", "patch": {"field": "livenessProbe.periodSeconds", "container": "nobody", "value": "20"}}
AGAIN = {"name": "again", "restart": {}}


@pytest.mark.parametrize(
    ("steps", "deeds"),
    [
        ([FAILS], [("grace", True)]),
        ([FAILS, AGAIN], [("grace", True)]),
        ([{**FAILS, "onFailure": {"action": "Continue"}}, AGAIN], [("grace", False), ("again", False)]),
        ([{**FAILS, "onFailure": {"goTo": "again"}}, {"name": "look", "captureEvidence": {}}, AGAIN], [("grace", False), ("again", False)]),
        ([{"name": "look", "captureEvidence": {}}, FAILS], [("look", False), ("grace", True)]),
    ],
    ids=["alone", "before another", "that goes on", "that goes elsewhere", "after another"],
)
@pytest.mark.parametrize(("mode", "outcome"), [("Approve", "Ask"), ("Auto", "Act")])
def test_a_step_that_fails_is_no_refusal_the_run_begins_and_fails_there(tmp_path, steps, deeds, mode, outcome):
    """So it is in a cluster: people are asked, or it begins, and then the step fails."""
    spec = {**RUNBOOK["spec"], "mode": mode, "steps": steps}
    case = told(RESTART, "--runbooks", written(tmp_path, "mine.yaml", {**RUNBOOK, "spec": spec}))
    assert case["outcome"] == outcome, case
    assert [(one["step"], one.get("stops", False)) for one in case["steps"]] == deeds
    assert "fails: " in next(one for one in case["steps"] if one["step"] == "grace")["says"]


UNTOLD = {**AGAIN, "name": "untold", "when": "target.labels['tier'] == 'web'"}
NONE_FAILED = {"name": "tidy", "deletePods": {"which": "Failed", "most": 1}, "onFailure": {"goTo": "last"}}
"""Has nothing to do here, and leaves no record."""
LOOK, LAST = {"name": "look", "captureEvidence": {}}, {"name": "last", "captureEvidence": {}}


@pytest.mark.parametrize(
    ("steps", "deeds"),
    [
        ([UNTOLD, LAST], [("untold", True)]),
        ([{**UNTOLD, "onFailure": {"action": "Continue"}}, LAST], [("untold", False), ("last", False)]),
        ([{**UNTOLD, "onFailure": {"goTo": "last"}}, LOOK, LAST], [("untold", False), ("last", False)]),
        ([{**FAILS, "onFailure": {"action": "Continue"}}, NONE_FAILED, LOOK, LAST], [("grace", False), ("look", False), ("last", False)]),
        ([{**AGAIN, "when": "parameters.most > 2"}, LAST], [("again", False), ("last", False)]),
    ],
    ids=["that ends", "that goes on", "that goes elsewhere", "another failed before", "that reads a parameter"],
)
def test_the_run_goes_on_after_a_step_as_in_a_cluster(tmp_path, steps, deeds):
    most = {"name": "most", "type": "Integer", "description": "how many", "default": "3"}
    spec = {**RUNBOOK["spec"], "mode": "Auto", "steps": steps, "parameters": [most]}
    case = told(RESTART, "--runbooks", written(tmp_path, "mine.yaml", {**RUNBOOK, "spec": spec}))
    assert [(one["step"], one.get("stops", False)) for one in case["steps"]] == deeds, case


def rule(*lasts: str) -> dict[str, Any]:
    rules = [{"record": "x", "expr": "1"}, *({"alert": "HighErrors", "expr": "1", "for": one} for one in lasts)]
    meta = {"name": "rules", "namespace": "shop"}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": meta, "spec": {"groups": [{"name": "g", "rules": rules}]}}


@pytest.mark.parametrize(
    ("lasts", "reason"),
    [
        ((), "EvidenceMissing"),
        (("5m",), "Allowed"),
        (("1h30m", "1h30m"), "Allowed"),
        (("1m",), "EvidenceMissing"),
        (("5m", "10m"), "EvidenceMissing"),
    ],
    ids=["no rule", "long enough", "the same twice", "too short", "rules that differ"],
)
def test_by_an_alert_it_acts_where_its_rule_waits_long_enough(tmp_path, lasts, reason):
    spec = {**RUNBOOK["spec"], "match": {"alerts": ['{alertname="HighErrors"}'], "dwellSeconds": 5}}
    body = alerts({"alertname": "HighErrors", "namespace": "shop", "pod": "mailer-5d9c7f8b6c-v9z4t"}, starts="2026-11-24T14:31:30Z")
    more = written(tmp_path, "more.yaml", {**RUNBOOK, "spec": spec}, body, rule(*lasts))
    assert told(RESTART, more)["reason"] == reason


@pytest.mark.parametrize("lasts", ["soon", "", "5 m", [], True, -1])
def test_a_rule_that_can_not_be_read_is_named(tmp_path, lasts):
    done = simulate(RESTART, written(tmp_path, "rules.yaml", rule(lasts)))
    assert (done.exit_code, "spec.groups[0].rules[1].for of HighErrors must be a duration" in done.output) == (UNREADABLE, True), done.output


def test_without_the_template_of_the_revision_before_nothing_is_done(tmp_path):
    def trim(items):
        del items[1]["spec"]["template"]["spec"], items[1]["spec"]["template"]

    case = told(changed(ROLLOUT, tmp_path, trim))
    assert (case["outcome"], case["reason"]) == ("Nothing", "NoKnownGood")
    assert "the revision to go back to is not stored any more" in case["message"]


@pytest.mark.parametrize("year", ["0001", "1999", "2068", "9999"])
def test_an_instant_that_nobody_can_count_from_is_refused(tmp_path, year):
    (tmp_path / "0.yaml").write_text(POD + f"status: {{startTime: '{year}-01-01T00:00:00+14:00'}}\n")
    assert "0.yaml:4:10: error: status.startTime must be an instant" in simulate(tmp_path).output


def test_a_folder_without_runbooks_is_refused(tmp_path):
    done = simulate(RESTART, "--runbooks", tmp_path)
    assert (done.exit_code, "there is no Runbook in" in done.output) == (UNREADABLE, True)


def test_it_is_said_as_whom_a_runbook_of_a_team_acts_and_in_another_namespace_it_is_not_used(tmp_path):
    spec = {**RUNBOOK["spec"], "serviceAccountName": "healer"}
    mine = written(tmp_path, "mine.yaml", {**RUNBOOK, "metadata": {"name": "mine", "namespace": "shop"}, "spec": spec})
    assert "mine acts as system:serviceaccount:shop:healer, in shop alone" in simulate(RESTART, "--runbooks", mine).output
    assert told(RESTART, "--runbooks", mine)["plan"]["serviceAccountName"] == "healer"
    theirs = written(tmp_path, "theirs.yaml", {**RUNBOOK, "metadata": {"name": "theirs", "namespace": "pay"}, "spec": spec})
    case = told(RESTART, "--runbooks", theirs)
    assert (case["outcome"], case["reason"]) == ("Nothing", "NoRunbookMatches")
