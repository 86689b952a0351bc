"""`prunella lint` finds what the cluster would refuse or ignore, with its place and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from prunella.cli.lint import command

ROOT = Path(__file__).resolve().parents[2]
HEAD = "apiVersion: prunella.dev/v1alpha1\n"
RUNBOOK = """\
apiVersion: prunella.dev/v1alpha1
kind: Runbook
metadata: {name: mine, namespace: prunella-system}
spec:
  title: Roll it back
  match:
    causes: [RolloutCrashLoop]
  mode: Auto
  steps:
  - name: back
    rollBack: {to: KnownGood}
  verify:
    checks:
    - {name: healthy, workloadHealthy: {}}
"""
POLICY = """\
apiVersion: prunella.dev/v1alpha1
kind: HealingPolicy
metadata: {name: default}
spec:
  receivers:
  - {name: ops, methods: [{name: hook, webhook: {key: ops}}]}
"""
ESCALATION = """\
apiVersion: prunella.dev/v1alpha1
kind: EscalationPolicy
metadata: {name: shop, namespace: shop}
spec:
  steps:
  - {name: first, afterSeconds: 60, notify: [{channelRef: {name: ops}}]}
  catchAll: [{channelRef: {name: ops}}]
"""


ENTRY = """\
apiVersion: prunella.dev/v1alpha1
kind: CatalogEntry
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  team: shop
  escalationPolicyRef: {name: nn}
"""


ASKS_TOO_EARLY = """\
  - name: sure
    approve: {}
  - name: tell
    notify: {message: soon}
  - name: calm
    waitFor: {until: target.ready > 0, timeoutSeconds: 60}
  - name: back
"""


def lint(folder: Path, *texts: str) -> tuple[int, str]:
    names = []
    for number, text in enumerate(texts):
        file = folder / f"{number}.yaml"
        file.write_text(text)
        names.append(str(file))
    done = CliRunner().invoke(command, names)
    return done.exit_code, done.output.replace(f"{folder}/", "")


@pytest.mark.parametrize(("place", "said"), [("", "nn"), ("namespace: shop, ", "shop/nn")], ids=["no namespace", "a namespace"])
def test_a_policy_that_is_not_there_is_named_as_the_file_places_it(tmp_path, place, said):
    _, output = lint(tmp_path, swapped("{name: web}", f"{{{place}name: web}}", ENTRY))
    assert f"EscalationPolicy '{said}' does not exist; it may be in the cluster" in output


def swapped(old: str, new: str, text: str = RUNBOOK) -> str:
    assert old in text
    return text.replace(old, new)


def test_good_files_pass(tmp_path):
    code, said = lint(tmp_path, RUNBOOK, POLICY, ESCALATION)
    assert (code, said.splitlines()[1:]) == (0, ["3 files, 3 objects: 0 errors, 0 warnings"])
    assert said.startswith("0.yaml: note: Runbook mine needs the rights ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (swapped("title:", "titel:"), "0.yaml:5:3: error: spec.titel is unknown; did you mean 'title'?"),
        (swapped("title: Roll it back\n  ", ""), "0.yaml:4:1: error: spec.title is missing"),
        (swapped("rollBack:", "rolBack:"), "0.yaml:11:5: error: spec.steps[0].rolBack is unknown; did you mean 'rollBack'?"),
        (
            swapped("RolloutCrashLoop", "RolloutCrashLop"),
            "0.yaml:7:14: error: spec.match.causes[0] can't be 'RolloutCrashLop'; did you mean 'RolloutCrashLoop'?",
        ),
        (swapped("mode: Auto", "mode: auto"), "0.yaml:8:3: error: spec.mode can't be 'auto'; did you mean 'Auto'?"),
        (swapped("mode: Auto", "mode: Sometimes"), "0.yaml:8:3: error: spec.mode can't be 'Sometimes'; it may be Observe, Suggest, Approve, Auto"),
        (swapped("mode: Auto", "mode: on"), "0.yaml:8:3: error: spec.mode is true to YAML: put the word in quotes"),
        (swapped("title: Roll it back", "title: 1.8"), "0.yaml:5:3: error: spec.title is the number 1.8 to YAML: put it in quotes"),
        (
            swapped("mode: Auto", "mode: Auto\n  limits: {cooldownSeconds: 5m}"),
            "0.yaml:9:12: error: spec.limits.cooldownSeconds must be a whole number, not '5m'; units are not known, the name says seconds",
        ),
        (swapped("  steps:\n  - name: back\n    rollBack: {to: KnownGood}\n", "  steps: []\n"), "0.yaml:9:3: error: spec.steps must have at least 1"),
        (
            swapped("    rollBack: {to: KnownGood}", "    rollBack: {to: KnownGood}\n    restart: {}"),
            "0.yaml:10:5: error: spec.steps[0] must have exactly one action: `kubectl explain runbook.spec.steps` lists them",
        ),
        (
            swapped("  verify:", "  - {name: back, restart: {}}\n  verify:"),
            "0.yaml:12:6: error: spec.steps[1].name stands twice: names are unique here",
        ),
        (
            swapped("    causes: [RolloutCrashLoop]", "    causes: [RolloutCrashLoop]\n    targets: {selector: {}}"),
            "0.yaml:8:15: error: spec.match.targets.selector must name at least one label in matchLabels: an empty selector would mean everything",
        ),
        (
            swapped(
                "mode: Auto",
                "mode: Auto\n  windows: {deny: [{name: n, schedule: 0 22 * * *, durationSeconds: 60, timeZone: Europe/Berln, reason: r}]}",
            ),
            "0.yaml:9:13: error: `spec.windows.deny[n].timeZone`: there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?",
        ),
        (
            swapped("mode: Auto", "mode: Auto\n  blockIf:\n  - {name: b, promql: up, alert: '{a=\"b\"}', when: value > 0, reason: r}"),
            "0.yaml:10:5: error: spec.blockIf[0] must have exactly one of promql and alert: two things that block are two entries",
        ),
        (
            swapped("mode: Auto", "mode: Auto\n  blockIf:\n  - {name: b, promql: up, reason: r}"),
            "0.yaml:10:5: error: spec.blockIf[0] must have when with promql, and only there: it says which value blocks",
        ),
        (
            swapped("mode: Auto", "mode: Auto\n  limits: {errorBudget: {failures: 6}}"),
            "0.yaml:9:12: error: spec.limits.errorBudget must not ask for more failures than attempts: lower failures or raise of",
        ),
        (
            swapped("mode: Auto", "mode: Approve\n  approval: {required: 11}"),
            "0.yaml:9:14: error: spec.approval.required: Input should be less than or equal to 10",
        ),
        (swapped("  match:", "  match:\n    when: target.newest =="), "0.yaml:7:5: error: `spec.match.when`: column 17: Syntax error"),
        (
            swapped("  match:", "  match:\n    when: target.nowhere == 'x'"),
            '0.yaml:7:5: error: `spec.match.when`: NOT_FOUND: Key not found in map : "nowhere"',
        ),
        (
            swapped("mode: Auto", "mode: Auto\n  preconditions: [{name: serving, that: target.redy > 0, reason: nothing serves}]"),
            "0.yaml:9:3: error: `spec.preconditions[serving].that`: NOT_FOUND: Key not found in map : \"redy\" (column 8); did you mean 'ready'?",
        ),
        (
            swapped("  match:", "  match:\n    alerts: ['{alertname=x']"),
            "0.yaml:7:5: error: `spec.match.alerts[0]`: expected ',' or '}' after a matcher",
        ),
        (
            swapped("  match:", '  match:\n    alerts: [\'{a="x", b=~"["}\']'),
            "0.yaml:7:5: error: `spec.match.alerts[0]`: b=~'[': INVALID_ARGUMENT: invalid regular expression: missing ]",
        ),
        (swapped("kind: Runbook", "kind: Runbok"), "0.yaml:2:1: error: there is no kind 'Runbok'; did you mean 'Runbook'?"),
        (swapped("v1alpha1", "v1"), "0.yaml:1:1: error: apiVersion 'prunella.dev/v1' is not served; it is prunella.dev/v1alpha1"),
        (swapped("{name: mine, namespace", "{nmae: mine, namespace"), "0.yaml:3:1: error: metadata.name is missing"),
        (
            swapped("name: mine", "name: " + "y" * 254),
            "0.yaml:3:12: error: metadata.name must be at most 253 small letters, digits and '-' or a dot, with",
        ),
        (swapped("name: mine", "name: Mine_1"), "0.yaml:3:12: error: metadata.name must be at most 253 small letters, digits and '-' or a dot, with"),
        (swapped("prunella-system", "a.b"), "0.yaml:3:24: error: metadata.namespace must be at most 63 small letters, digits and '-', with a letter"),
        (swapped("spec:", "sepc:"), "0.yaml:4:1: error: 'sepc' is unknown; did you mean 'spec'?"),
        (
            swapped("name: default", "name: mine", POLICY),
            "0.yaml:1:1: error: the object must be named 'default': there is one HealingPolicy; edit that one",
        ),
        (swapped("{key: ops}", "{kay: ops}", POLICY), "0.yaml:6:50: error: spec.receivers[0].methods[0].webhook.kay is unknown; did you mean 'key'?"),
        (HEAD + "kind: Runbook\nkind: Runbook\n", "0.yaml:3:1: error: 'kind' stands twice; only one of them would count"),
        ("a:\n\tb: 1\n", "0.yaml:2:1: error: a tab stands where YAML wants spaces"),
        ("a: [1, 2\nb: 3\n", "0.yaml:2:2: error: expected ',' or ']', but got ':'"),
        ("on: 1\n", "0.yaml:1:1: error: 'on' is a bool to YAML, and a key must be text: put it in quotes"),
        ("a: &x [*x]\n", "0.yaml:1:4: error: it is nested more than 40 levels deep, or an anchor refers to itself"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "0.yaml:3:3: error: kubectl does not know the merge key '<<': write the fields out"),
        ("a: '\x01'\n", "0.yaml:1:1: error: it is no YAML"),
    ],
    ids=[
        "a misspelt field",
        "a missing field",
        "a misspelt action",
        "a misspelt cause",
        "a mode in lower case",
        "a mode that does not exist",
        "on for a word",
        "a number for a text",
        "a duration with a unit",
        "no steps",
        "two actions in a step",
        "a name twice",
        "an empty selector",
        "an unknown time zone",
        "two things that block in one entry",
        "a query without a condition",
        "more failures than attempts",
        "more people than can be asked",
        "a broken condition",
        "a condition over nothing",
        "a precondition over nothing",
        "a broken matcher",
        "a broken regular expression",
        "a misspelt kind",
        "another version",
        "no name",
        "a name that is too long",
        "a name in capitals",
        "a namespace with a dot",
        "a misspelt spec",
        "a second HealingPolicy",
        "deep inside",
        "a key twice",
        "a tab",
        "a missing bracket",
        "a key that is no text",
        "an anchor in itself",
        "a merge key",
        "a control character",
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_the_remedy(text, line, tmp_path):
    code, output = lint(tmp_path, text)
    assert code == 1
    assert [shown for shown in output.splitlines() if shown.startswith(line)] != [], output


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (
            (POLICY, swapped("ops", "opps", ESCALATION)),
            "1.yaml:4:1: warning: receiver 'opps' is not in HealingPolicy `spec.receivers`; did you mean 'ops'?",
        ),
        ((ESCALATION,), "0.yaml:4:1: warning: whether its receivers exist can't be told: no HealingPolicy is among the files"),
        ((RUNBOOK, RUNBOOK), "1.yaml:3:12: warning: Runbook mine is also in "),
        ((RUNBOOK + "status: {}\n",), "0.yaml:15:1: warning: status is the operator's: leave it out"),
        (
            (swapped("mode: Auto", "mode: Suggest\n  approval: {required: 2}"),),
            "0.yaml:9:3: warning: spec.approval is never asked for: mode Suggest only shows; raise spec.mode to Approve or Auto, or leave",
        ),
        (
            (swapped("  - name: back\n", ASKS_TOO_EARLY),),
            "0.yaml:10:5: warning: step 'sure' asks before 'calm' (waitFor): nobody is shown the change behind it; ask after it",
        ),
    ],
    ids=[
        "a receiver that is nowhere",
        "no policy to ask",
        "the same object twice",
        "a status",
        "an approval that is never asked for",
        "an approval of what can't be shown",
    ],
)
def test_what_may_be_right_in_the_cluster_is_a_warning_and_no_failure(texts, line, tmp_path):
    code, output = lint(tmp_path, *texts)
    assert code == 0
    assert [shown for shown in output.splitlines() if shown.startswith(line)] != [], output


PARAMETERS = """\
  parameters:
  - {name: replicas, description: how many, type: Integer, default: "3", minimum: 1, maximum: 9}
  steps:
  - name: more
    scale: {to: $(parameters.replicas), most: 9}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        ("parameters.replicas", "parameters.replcas", "step 'more', scale.to: there is no parameter 'replcas'; did you mean 'replicas'?"),
        ('type: Integer, default: "3", minimum: 1, maximum: 9', 'default: "3"', "it is a whole number, and parameter 'replicas' is a String"),
        ("maximum: 9", "maximum: 99999", "`spec.parameters.replicas`: step 'more', scale.to: Input should be less than or equal to 10000"),
        ("$(parameters.replicas)", "three", "must be a whole number, not 'three'"),
    ],
    ids=["good", "misspelt", "another type", "beyond the step's bounds", "no reference"],
)
def test_a_field_that_takes_a_parameter_is_checked_with_it(tmp_path, old, new, said):
    text = swapped("  steps:\n  - name: back\n    rollBack: {to: KnownGood}\n", PARAMETERS)
    code, output = lint(tmp_path, text.replace(old, new) if old else text)
    assert (code == 0) is (said is None), output
    assert said is None or said in output


def test_objects_of_others_are_not_looked_at(tmp_path):
    assert lint(tmp_path, "apiVersion: v1\nkind: Secret\nwhatever: 1\n") == (0, "1 file, 0 objects: 0 errors, 0 warnings\n")


def test_one_mistake_hides_no_other(tmp_path):
    code, output = lint(tmp_path, swapped("title:", "titel:") + "---\n" + swapped("mode: Auto", "mode: auto"))
    assert code == 1
    assert output.splitlines()[-1] == "1 file, 2 objects: 3 errors, 0 warnings"


def test_a_folder_is_searched_for_yaml_files():
    files = list((ROOT / "runbooks").glob("*.yaml"))
    done = CliRunner().invoke(command, [str(ROOT / "runbooks")])
    assert done.output.splitlines()[-1] == f"{len(files)} files, {len(files) - 1} objects: 0 errors, 0 warnings", "the kustomization is none of ours"


def test_what_is_shipped_is_clean():
    done = CliRunner().invoke(
        command, [str(ROOT / name) for name in ("runbooks", "manifests/default", "manifests/samples", "manifests/demo", "manifests/opt-in")]
    )
    assert done.exit_code == 0, done.output


def test_of_a_runbook_of_a_team_it_is_said_as_whom_it_would_act(tmp_path):
    of_team = RUNBOOK.replace("prunella-system", "shop").replace("  mode: Auto\n", "  mode: Auto\n  serviceAccountName: healer\n")
    code, said = lint(tmp_path, of_team)
    assert code == 0, said
    assert "note: Runbook mine acts as system:serviceaccount:shop:healer, in shop alone" in said
    assert "acts as" not in lint(tmp_path, RUNBOOK)[1]


def test_an_account_that_can_be_none_is_refused(tmp_path):
    of_team = RUNBOOK.replace("prunella-system", "shop").replace("  mode: Auto\n", "  mode: Auto\n  serviceAccountName: system:masters\n")
    code, said = lint(tmp_path, of_team)
    assert code == 1
    assert "must name a ServiceAccount of the Runbook's own namespace in serviceAccountName" in said


THEN = "  nextRef: {name: then}\n"


@pytest.mark.parametrize(
    ("texts", "code", "said"),
    [
        ((RUNBOOK + THEN,), 0, "0.yaml:15:13: warning: `spec.nextRef.name`: there is no Runbook 'then' in its namespace; it may be in the cluster"),
        ((RUNBOOK + THEN, swapped("name: mine", "name: then")), 0, None),
        (
            (RUNBOOK + THEN, swapped("name: mine", "name: then") + "  nextRef: {name: mine}\n"),
            1,
            "0.yaml:15:13: error: `spec.nextRef.name`: it leads back (mine -> then -> mine): each has one turn, so take the last arrow away",
        ),
        (
            (RUNBOOK + THEN, swapped("name: mine", "name: then").replace("RolloutCrashLoop", "CrashLoop")),
            1,
            "0.yaml:15:13: error: `spec.nextRef.name`: then never fits where this one does: they have no cause in common",
        ),
    ],
    ids=["not among the files", "fine", "a loop", "it never fits"],
)
def test_what_is_tried_next_must_be_there_and_must_be_able_to_have_its_turn(tmp_path, texts, code, said):
    found, output = lint(tmp_path, *texts)
    assert found == code
    assert said is None or said in output.splitlines()
    assert said is not None or "nextRef" not in output


def test_the_rights_that_a_runbook_needs_are_told_with_what_grants_them(tmp_path):
    of_one = swapped("causes: [RolloutCrashLoop]", "causes: [RolloutCrashLoop]\n    targets: {kinds: [Deployment]}")
    code, said = lint(tmp_path, of_one)
    assert code == 0
    [note] = [line for line in said.splitlines() if "needs the rights" in line]
    assert note.startswith("0.yaml: note: Runbook mine needs the rights patch deployments.apps in <namespace>")
    assert note.endswith("`kubectl apply -n <namespace> -k manifests/opt-in` grants them")


def test_of_a_team_the_rights_are_its_accounts(tmp_path):
    team = swapped("prunella-system}", "shop}", swapped("  title: Roll it back\n", "  title: Roll it back\n  serviceAccountName: healer\n"))
    [note] = [line for line in lint(tmp_path, team)[1].splitlines() if "needs the rights" in line]
    assert "patch deployments.apps in shop" in note
    assert "healer" in note.split("`")[1]


def test_what_tells_only_needs_no_right(tmp_path):
    assert "note:" not in lint(tmp_path, swapped("rollBack: {to: KnownGood}", "notify: {message: look}"))[1]


def test_a_runbook_that_can_never_match_is_an_error(tmp_path):
    code, said = lint(tmp_path, swapped("causes: [RolloutCrashLoop]", "causes: [NodePressure]\n    targets: {kinds: [Deployment]}"))
    assert code == 1
    assert "0.yaml:7:5: error: `spec.match.causes`: it never fits: NodePressure is a cause of Node, and it is for Deployment" in said


def test_a_cause_and_a_step_that_are_never_used_are_warnings(tmp_path):
    text = swapped("causes: [RolloutCrashLoop]", "causes: [RolloutCrashLoop, NodePressure]")
    more = "rollBack: {to: KnownGood}\n  - {name: more, when: 'false', restart: {}}\n"
    code, said = lint(tmp_path, swapped("rollBack: {to: KnownGood}\n", more, text))
    assert code == 0
    assert "0.yaml:7:32: warning: spec.match.causes: NodePressure never makes it fit: NodePressure is a cause of Node" in said
    assert "0.yaml:12:5: warning: spec.steps[more] is never done: its condition 'false' is always false" in said
