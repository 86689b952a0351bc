"""Adding a step is adding one file: this test adds one that is not there, and everything that is made of the steps knows it."""

from __future__ import annotations

import importlib
import sys

import pytest

from prunella.api import crd
from prunella.api.references import WRITTEN
from prunella.api.runbook import Runbook, RunbookStep
from prunella.api.schema import Style, structural
from prunella.core.healing.steps import registry

FILE = '''
"""polish: shines the target's shoes."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.core.healing.steps.step import Done, Right, StepKind


class Polish(WireModel):
    """Shine the shoes of the target."""

    times: Annotated[int, Field(ge=1, le=9)] = 1
    """How often."""


def plan(params, live, done):
    return Done(message=f"shone {params.times} times")


BRUSH: Final = Right(verb="patch", group="shoes.example", resource="shoes")
KIND: Final = StepKind(
    name="polish", params=Polish, impact=StepImpact.LOW, rights=(BRUSH,), needs=lambda params, kind: (BRUSH,), plan=plan, outputs={"shine": "Much?"}
)
'''


@pytest.fixture
def found(tmp_path, monkeypatch):
    """The steps of a folder that holds the file and, beside it, one that is no step."""
    package = tmp_path / "more_steps"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "polish.py").write_text(FILE)
    (package / "brushes.py").write_text("SOFT = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield registry.discover("more_steps", importlib.import_module("more_steps").__path__)
    for name in [one for one in sys.modules if one.partition(".")[0] == "more_steps"]:
        del sys.modules[name]


def test_a_file_in_the_folder_is_a_step_and_another_file_is_none(found):
    assert list(found) == ["polish"]
    assert found["polish"].plan(found["polish"].params(times=3), None, ()).message == "shone 3 times"


def test_its_fields_stand_in_the_schema_beside_the_others(found):
    actions = {**registry.ACTIONS, "polish": found["polish"].params}
    schema = structural(RunbookStep, ".step", Style(actions={".step": actions}))
    number = {"x-kubernetes-int-or-string": True, "pattern": WRITTEN, "minimum": 1, "maximum": 9, "description": "How often. Default: 1."}
    assert schema["properties"]["polish"] == {
        "type": "object",
        "description": "Shine the shoes of the target.",
        "properties": {"times": number},
    }
    assert {"name", "when", "onFailure", "rollBack"} < set(schema["properties"])
    assert "has(self.polish)" in schema["x-kubernetes-validations"][0]["rule"]


def test_the_steps_that_ship_are_all_in_the_definition_of_a_runbook():
    from prunella.cli.kinds import KINDS

    (runbook,) = (kind for kind in KINDS if kind.model is Runbook)
    step = crd.schema_of(runbook)["properties"]["spec"]["properties"]["steps"]["items"]
    assert set(registry.ACTIONS) < set(step["properties"])


@pytest.mark.parametrize("name", ["a/b", "undo", "/", "undo/x"])
def test_a_name_that_its_records_would_be_mistaken_for_is_refused(name):
    assert registry.wrong_with(RunbookStep(name=name, restart={})) == f"step '{name}' needs another name: without '/', and not 'undo'"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"restart": {}}, None),
        ({}, f"step 's' has no action: give it one of {', '.join(registry.KINDS)}"),
        ({"restrat": {}}, "step 's' has the unknown action 'restrat'; did you mean 'restart'?"),
        ({"restart": {}, "escalate": {}}, "step 's' has 2 actions: two actions are two steps"),
        ({"captureEvidence": {"tailLines": 0}}, "step 's', captureEvidence.tailLines: Input should be greater than or equal to 1"),
        ({"captureEvidence": {"lines": 5}}, "step 's', captureEvidence.lines: Extra inputs are not permitted"),
        ({"captureEvidence": None}, "step 's', captureEvidence: Input should be a valid dictionary"),
    ],
    ids=["a good one", "none", "misspelt", "two", "out of bounds", "an unknown field", "nothing at all"],
)
def test_what_is_wrong_with_a_step_is_said_with_its_place(given, wrong):
    said = registry.wrong_with(RunbookStep(name="s", **given))
    assert said is None if wrong is None else said is not None and said.startswith(wrong)


def test_a_step_is_written_as_people_write_it():
    written = {"name": "look", "captureEvidence": {"tailLines": 5}, "onFailure": {"action": "Continue"}}
    step = RunbookStep.model_validate(written)
    assert step.wire() == written | {"timeoutSeconds": 60}
    assert RunbookStep.read(written | {"later": 1}).actions == {"captureEvidence": {"tailLines": 5}, "later": 1}, "a newer version's field is kept"
    assert registry.params_of(step).tail_lines == 5
