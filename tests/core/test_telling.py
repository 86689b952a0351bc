"""notify and requestRevert: what is said, to whom, and that nothing in the cluster stands in the way of saying it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.zones import zone_of
from prunella.api.names import Cause, StepImpact
from prunella.api.runbook import Match, RunbookStep
from prunella.core.healing.effects import changes
from prunella.core.healing.guards import guards
from prunella.core.healing.notation import sentences
from prunella.core.healing.owners import ownership
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import soundness
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Done, Tell, Wait

from .builders import later
from .healing_builders import crashed, permitted, planned
from .test_steps import NEW, OLD, asked, live, record

ARGO = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}
REQUEST = RunbookStep(name="ask", request_revert={})
TELL = RunbookStep(name="tell", notify={"message": "hello"})
LOOK = RunbookStep(name="look", capture_evidence={})
RESTART = RunbookStep(name="again", restart={})


# sentences


def variables(**target):
    return {
        "target": {"name": "checkout", "namespace": "shop", "labels": {"a": "b"}, "ready": 2, **target},
        "incident": {"name": "checkout-1"},
        "steps": {"ask": {"state": "Applied", "outputs": {"value": "0.5"}}},
        "alert": {"labels": {"pod": "x"}, "summary": "free text"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no placeholder, 3 $ and {}", "no placeholder, 3 $ and {}"),
        ("${target.name} of ${incident.name}: ${target.ready}", "checkout of checkout-1: 2"),
        ("errors ${steps.ask.outputs.value}", "errors 0.5"),
        ("${alert.summary} ${target.labels} ${nope} ${steps.ask.state}", "(unknown) (unknown) (unknown) (unknown)"),
        ("${steps.other.outputs.value}", "(unknown)"),
        ("${target.cause} ${target}", "(unknown) (unknown)"),
    ],
    ids=["none", "names", "an output", "nothing but the list", "no such step", "no such key"],
)
def test_only_known_names_are_filled_in(text, said):
    assert sentences.filled(text, variables()) == said


def test_a_value_that_looks_like_a_placeholder_stays_text_and_none_is_long():
    assert sentences.filled("${target.name}", variables(name="${incident.name}")) == "${incident.name}"
    assert len(sentences.filled("${target.name}", variables(name="x" * 5000))) == sentences.LONGEST


@pytest.mark.parametrize("text", ["${alert.summary}", "${target.nme}", "${steps.later.outputs.value}", "${steps.ask.outputs.nope}"])
def test_a_placeholder_that_is_not_known_is_found_when_the_runbook_is_applied(text):
    steps = (RunbookStep(name="ask", query={"promql": "up"}), RunbookStep(name="tell", notify={"message": text}))
    [problem] = soundness.problems(runbook("r", *steps), CelEvaluate(), zone_of, "prunella-system")
    assert problem.message.startswith(f"`spec.steps[tell].notify.message`: '{text}' is not known; there are incident.name, ")


def test_known_placeholders_are_no_mistake():
    text = "${target.name} ${steps.ask.outputs.value}"
    steps = (RunbookStep(name="ask", query={"promql": "up"}), RunbookStep(name="tell", notify={"message": text}))
    assert list(soundness.problems(runbook("r", *steps), CelEvaluate(), zone_of, "prunella-system")) == []


# notify


@pytest.mark.parametrize(("receiver", "whom"), [("ops", "ops"), (None, "")])
def test_a_message_goes_to_its_receiver_or_to_the_owner_once(receiver, whom):
    step = RunbookStep(name="tell", notify={"receiver": receiver, "message": "${target.name} is ill"})
    assert asked(step, live(variables=variables())) == Tell(receiver=whom, message="checkout is ill")
    assert asked(step, live(), [record("tell")]) == Done(message="it was told")


def test_a_runbook_says_whom_its_steps_name():
    named = RunbookStep(name="tell", notify={"receiver": "ops", "message": "m"})
    bot = RunbookStep(name="ask", request_revert={"receiver": "bot"})
    assert registry.receivers_of(runbook("r", named, TELL, bot, replaced(named, "more"), RESTART)) == ("ops", "bot")


def replaced(step, name):
    return step.model_copy(update={"name": name})


# requestRevert


def test_a_revert_is_asked_for_with_both_revisions_their_images_and_what_differs():
    wants = asked(REQUEST, live(crashed(annotations=ARGO)))
    assert wants == Tell(
        receiver="",
        message="Please revert shop/deploy/checkout in Git (Argo CD's application shop): revision 3 (h3) fails, revision 2 (h2) was healthy. "
        "Images: app shop/app:3 -> shop/app:2. What differs:\n"
        "metadata.annotations.a: b -> (nothing)\nspec.containers[app].image: shop/app:3 -> shop/app:2",
        diff="metadata.annotations.a: b -> (nothing)\nspec.containers[app].image: shop/app:3 -> shop/app:2",
    )
    assert asked(REQUEST, live(), [record("ask")]) == Done(message="the revert was requested")


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (live(to=None), Refusal(reason="NoKnownGood", message="the revision to go back to is not stored any more")),
        (live(to_template=None), Refusal(reason="NoKnownGood", message="the revision to go back to is not stored any more")),
        (live(crashed(observed_generation=2)), Wait(until_time=later(2), message="the controller has not seen the newest change yet")),
        (live(accused_hash="h9"), Refusal(reason="HumanOverride", message="deploy/checkout runs revision 3 now, not the accused one")),
    ],
    ids=["no revision", "its template is gone", "not observed", "another is accused"],
)
def test_nobody_is_asked_for_a_revert_that_was_not_judged(given, answer):
    assert asked(REQUEST, given) == answer


def test_a_long_difference_leaves_room_for_the_rest_and_stands_whole_on_the_remediation():
    env = [{"name": f"SETTING_{number}", "value": "x" * 40} for number in range(60)]
    wanted = {**OLD, "spec": {"containers": [{**OLD["spec"]["containers"][0], "env": env}]}}
    wants = asked(REQUEST, live(to_template=wanted))
    assert isinstance(wants, Tell)
    assert len(wants.message) <= 1024
    assert wants.message.splitlines()[-1].endswith("places more")
    assert len(wants.message) < len(wants.diff) <= changes.LONGEST


@pytest.mark.parametrize(
    ("now", "wanted", "said"),
    [
        ({"a": 1}, {"a": 1}, ()),
        ({"a": [], "b": {}}, {"a": [1], "b": {}}, ("a: [] -> (nothing)", "a[0]: (nothing) -> 1")),
        ({"l": [{"name": "x", "v": 1}]}, {"l": [{"name": "y", "v": 1}, {"name": "x", "v": 2}]}, 3),
        (
            {"env": [{"name": "DB_PASSWORD", "value": "hunter22"}]},
            {"env": [{"name": "DB_PASSWORD", "value": "hunter23"}]},
            ("env[DB_PASSWORD].value: (hidden) -> (hidden)",),
        ),
        ({"args": ["--token=abcdef123456"]}, {"args": ["x"]}, ("args[0]: --token=[redacted] -> x",)),
        ({"t": "a\nb"}, {"t": "y" * 300}, (f"t: a b -> {'y' * 256}…",)),
    ],
    ids=["nothing", "an empty list", "by name", "a secret", "a secret in an argument", "long"],
)
def test_what_differs_is_told_by_its_place_and_without_secrets(now, wanted, said):
    found = changes.lines(now, wanted)
    assert (len(found) if isinstance(said, int) else found) == said


def test_the_images_of_every_container_are_told():
    template = {"spec": {"initContainers": [{"name": "wait", "image": "w:1"}], "containers": [{"name": "app", "image": "a:2"}, {"name": "odd"}]}}
    assert changes.images(template) == {"wait": "w:1", "app": "a:2"}
    assert changes.images({}) == {}
    assert NEW["spec"]["containers"][0]["image"] == changes.images(NEW)["app"]


# who only tells


@pytest.mark.parametrize(
    ("steps", "only"),
    [
        ((TELL,), True),
        ((LOOK, REQUEST, TELL), True),
        ((TELL, RESTART), False),
        ((TELL, RunbookStep(name="x", nope={})), False),
    ],
    ids=["a message", "evidence and a request", "a change", "a step that is not known"],
)
def test_a_runbook_only_tells_where_each_step_reads_or_notifies(steps, only):
    assert registry.tells_only(runbook("r", *steps)) is only


def test_the_rule_goes_by_the_class_of_impact_of_every_step():
    for kind in registry.KINDS.values():
        step = RunbookStep(name="s", actions={kind.name: {}})
        assert registry.tells_only(runbook("r", step)) is (kind.impact in {StepImpact.READ, StepImpact.NOTIFY}), kind.name


MATCH = Match(causes=(Cause.ROLLOUT_CRASH_LOOP,))


def world(*steps, **changes):
    return permitted(runbook("r", *steps, match=MATCH), facts=crashed(annotations=ARGO), **changes)


def refused(*steps, **changes):
    given = world(*steps, **changes)
    return {one.guard: one.refusal.reason for one in guards.ask(given, planned(given)) if one.refusal is not None}


def test_who_owns_the_target_stands_in_nobodys_way_who_only_tells():
    assert refused(REQUEST) == {}
    assert refused(RESTART) == {"Owner": "OwnedByGitOps"}
    assert refused(TELL, RESTART) == {"Owner": "OwnedByGitOps"}


def test_a_storm_holds_up_no_message_and_a_pause_does():
    assert refused(REQUEST, storm_since=later(-60)) == {}
    assert refused(RESTART, storm_since=later(-60)) == {"Storm": "StormActive", "Owner": "OwnedByGitOps"}
    assert refused(REQUEST, control_plane_ok=False) == {"ControlPlane": "ControlPlaneUnhealthy"}


def test_the_plan_says_what_is_asked_for():
    assert planned(world(REQUEST)).summary == "ask for a revert in Git of deploy/checkout 3 (h3) -> 2 (h2)"


@pytest.mark.parametrize(
    ("changes_", "by"),
    [
        ({"annotations": ARGO}, "Argo CD's application shop"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux (kustomize apps)"),
        ({"labels": {"app": "checkout"}}, ""),
    ],
    ids=["Argo CD", "Flux", "nobody"],
)
def test_what_applies_a_workload_from_git_is_told(changes_, by):
    assert ownership.gitops(replace(crashed().workload, **changes_)) == by
