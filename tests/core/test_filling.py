"""Filling in: a step's field that is a reference takes what was chosen, typed and bounded; what can't be is said with field and remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.zones import zone_of
from prunella.api.runbook import Parameter, Runbook, RunbookStep, SelfService
from prunella.api.self_service import ParameterType
from prunella.core.healing.runbooks import filling, match, plan, soundness
from prunella.core.healing.runbooks.match import Fit
from prunella.core.healing.steps import registry

from .healing_builders import ill

REPLICAS = Parameter(name="replicas", description="how many", type=ParameterType.INTEGER, default="3", minimum=1, maximum=20)
WHY = Parameter(name="why", description="what for")
SURE = Parameter(name="sure", description="whether", type=ParameterType.BOOLEAN, default="true")
MORE = RunbookStep(name="more", scale={"to": "$(parameters.replicas)", "most": 20})
TELL = RunbookStep(name="tell", notify={"message": "$(parameters.why)"})
CALL = RunbookStep(name="call", call={"receiver": "ops", "parameters": {"count": "$(parameters.replicas)", "sure": "$(parameters.sure)"}})


def book(*steps: RunbookStep, parameters=(REPLICAS, WHY, SURE), **spec) -> Runbook:
    return runbook("book", *steps, **({"parameters": parameters, "self_service": SelfService()} | spec))


def carried_out(made: Runbook, **given: str) -> Runbook:
    done = filling.filled(made, given)
    assert isinstance(done, Runbook), done
    return done


def wrong(made: Runbook) -> list[str]:
    return [one.message for one in soundness.problems(made, CelEvaluate(), zone_of, "prunella-system")]


def test_a_number_a_text_and_a_value_of_a_map_take_what_was_chosen_else_the_default():
    more, tell, call = carried_out(book(MORE, TELL, CALL), why="a sale").spec.steps
    assert registry.params_of(more).to == 3
    assert registry.params_of(tell).message == "a sale"
    assert registry.params_of(call).parameters == {"count": "3", "sure": "true"}
    assert registry.params_of(carried_out(book(MORE), replicas="7").spec.steps[0]).to == 7


def test_it_stays_the_runbook_that_was_written():
    """The hash that an approval and an attempt are bound to is of what the author wrote; what was chosen is hashed beside it."""
    made = book(MORE)
    done = carried_out(made, replicas="7")
    assert plan.runbook_sha256(done) == plan.runbook_sha256(made)
    assert done.spec.wire() == made.spec.wire()


def test_where_nothing_refers_to_a_parameter_it_is_the_very_same():
    made = book(RunbookStep(name="again", restart={}))
    assert filling.filled(made, {"replicas": "7"}) is made


def test_what_a_step_carries_out_is_never_read_from_a_file():
    assert RunbookStep.model_validate({"name": "s", "restart": {}, "filled": {"restart": {}}}).filled is None


@pytest.mark.parametrize(
    ("step", "given", "says"),
    [
        (MORE, {"replicas": "21"}, "`spec.parameters.replicas`: it must be at most 20"),
        (MORE, {"replicas": "many"}, "`spec.parameters.replicas`: it must be a whole number"),
        (TELL, {}, "step 'tell', notify.message: parameter 'why' has no default, and nobody chose it"),
        (
            TELL,
            {"why": "x" * 600},
            "`spec.parameters.why`: step 'tell', notify.message: String should have at most 512 characters; choose another value",
        ),
        (TELL, {"why": "${target.name}"}, "`spec.parameters.why`: it must not have '${', which step 'tell', notify.message would read"),
        (
            RunbookStep(name="s", scale={"to": "$(parameters.replcas)", "most": 9}),
            {},
            "step 's', scale.to: there is no parameter 'replcas'; did you mean",
        ),
        (
            RunbookStep(name="s", scale={"to": "$(parameters.why)", "most": 9}),
            {"why": "9"},
            "step 's', scale.to: it is a whole number, and parameter 'why'",
        ),
        (
            RunbookStep(name="s", notify={"message": "for $(parameters.why)"}),
            {"why": "x"},
            "step 's', notify.message: a parameter is the whole value",
        ),
        (RunbookStep(name="s", query={"promql": "$(parameters.why)"}), {"why": "up"}, "step 's', query.promql: it takes no parameter"),
        (RunbookStep(name="s", wait_for={"until": "$(parameters.why)"}), {"why": "true"}, "step 's', waitFor.until: it takes no parameter"),
        (RunbookStep(name="s", call={"receiver": "$(parameters.why)"}), {"why": "ops"}, "step 's', call.receiver: it takes no parameter"),
        (
            RunbookStep(name="s", taint={"key": "$(parameters.why)", "effect": "NoSchedule"}, ttl_seconds=60),
            {"why": "prunella.dev/x"},
            "step 's', taint.key: it takes no parameter",
        ),
        (
            RunbookStep(name="s", untaint={"key": "$(parameters.why)", "effect": "NoSchedule"}),
            {"why": "prunella.dev/x"},
            "step 's', untaint.key: it takes no parameter",
        ),
        (RunbookStep(name="s", delete_pods={"which": "$(parameters.why)"}), {"why": "Any"}, "step 's', deletePods.which: it takes no parameter"),
    ],
    ids=lambda value: "" if isinstance(value, dict | RunbookStep) else value[:30],
)
def test_what_can_t_be_filled_in_is_said_with_its_field_and_the_remedy(step, given, says):
    done = filling.filled(book(step), given)
    assert isinstance(done, str)
    assert done.startswith(says)


def test_a_command_and_an_image_are_nobody_s_choice():
    job = {"image": "x@sha256:" + "0" * 64, "command": ["sh", "-c", "echo"], "serviceAccountName": "runner"}
    for changed in ({"image": "$(parameters.why)"}, {"command": ["sh", "-c", "$(parameters.why)"]}, {"serviceAccountName": "$(parameters.why)"}):
        assert isinstance(filling.filled(book(RunbookStep(name="s", job={**job, **changed})), {"why": "rm"}), str)
    done = carried_out(book(RunbookStep(name="s", job={**job, "env": {"WHY": "$(parameters.why)"}})), why="$HOME; rm")
    assert registry.params_of(done.spec.steps[0]).env == {"WHY": "$HOME; rm"}, "a variable is data"
    assert isinstance(filling.filled(book(RunbookStep(name="s", job={**job, "env": {"WHY": "$(parameters.why)"}})), {"why": "$(KEY)"}), str)


def test_every_field_that_is_code_is_fixed():
    """A step whose author forgets it would let a person choose a query or a condition."""
    free = lambda _params: ()  # noqa: E731
    defaults = {"conditions": free.__code__.co_code, "queries": free.__code__.co_code}
    for kind in registry.KINDS.values():
        for part, code in defaults.items():
            if getattr(kind, part).__code__.co_code != code:
                assert kind.fixed, f"{kind.name} has {part}"
        assert "receiver" not in kind.params.model_fields or "receiver" in kind.fixed, kind.name


def test_the_plan_shows_what_holds_and_is_another_one_for_another_choice():
    world = ill(book(MORE))
    made = [
        plan.make(world, world.incident.status, Fit(runbook=carried_out(book(MORE), replicas=one), asked={"replicas": one})) for one in ("7", "8")
    ]
    assert made[0].summary.endswith(": deploy/checkout, with replicas=7, sure=true")
    assert made[0].hash != made[1].hash


def test_a_runbook_that_nobody_chose_for_has_the_defaults_or_does_not_fit():
    world = ill(book(MORE))
    fit = match.fit(world, world.incident.status, world.runbooks[0])
    assert isinstance(fit, Fit)
    assert registry.params_of(fit.runbook.spec.steps[0]).to == 3
    refusal = match.fit(replace(world, runbooks=(book(TELL),)), world.incident.status, book(TELL))
    assert refusal.reason == "NoRunbookMatches"
    assert "parameter 'why' has no default, and nobody chose it" in refusal.message


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (book(MORE, TELL, CALL), None),
        (
            book(MORE, parameters=(REPLICAS.model_copy(update={"maximum": 20_000}),)),
            "`spec.parameters.replicas`: step 'more', scale.to: Input should be",
        ),
        (book(MORE, parameters=()), "`spec.steps`: step 'more', scale.to: there is no parameter 'replicas'; declare it in `spec.parameters`"),
        (book(TELL, self_service=None), "`spec.steps`: step 'tell', notify.message: nobody can choose 'why': give it a default, or set"),
        (book(RunbookStep(name="s", scale={"to": "$(parameters.sure)", "most": 9})), "`spec.steps`: step 's', scale.to: it is a whole number, and"),
    ],
    ids=["good", "a bound that the step refuses", "no such parameter", "nobody can choose", "another type"],
)
def test_a_runbook_says_so_when_it_is_applied(made, says):
    found = wrong(made)
    assert found == [] if says is None else [one for one in found if one.startswith(says)] != [], found
