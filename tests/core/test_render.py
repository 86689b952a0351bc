"""The columns that a person reads; nothing reads them back."""

from __future__ import annotations

import pytest

from prunella.api.common import ObjectRef
from prunella.api.incident import Times
from prunella.api.names import ConditionStatus, Phase, RemediationState
from prunella.core.render import phase, render

from .builders import ago
from .healing_builders import condition, ill, incident
from .incident_builders import draft_of, watched

TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE


@pytest.mark.parametrize(
    ("conditions", "times", "word"),
    [
        ((), {}, Phase.TRIGGERED),
        ((("Acknowledged", FALSE), ("Mitigated", FALSE), ("Resolved", FALSE)), {}, Phase.TRIGGERED),
        ((("Acknowledged", TRUE),), {}, Phase.ACKNOWLEDGED),
        ((("Acknowledged", TRUE), ("Mitigated", TRUE)), {}, Phase.MITIGATED),
        ((("Acknowledged", TRUE), ("Mitigated", TRUE), ("Resolved", TRUE)), {}, Phase.RESOLVED),
        ((("Resolved", ConditionStatus.UNKNOWN), ("Acknowledged", TRUE)), {}, Phase.ACKNOWLEDGED),
        ((("Resolved", TRUE),), {"cancelled_time": ago(1)}, Phase.CANCELLED),
    ],
    ids=["nothing", "all false", "acknowledged", "mitigated", "resolved", "nobody can tell", "cancelled"],
)
def test_the_phase_is_what_the_conditions_imply(conditions, times, word):
    told = incident(conditions=tuple(condition(type_, value, "So") for type_, value in conditions), times=Times(**times))
    draft = draft_of(ill(incident=told))
    assert phase(draft) is word
    assert render(ill(incident=told), draft).status.phase is word


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [("Deployment", "checkout", "deploy/checkout"), ("StatefulSet", "ledger", "sts/ledger"), ("Node", "n-1", "node/n-1"), ("Alert", "a", "alert/a")],
)
def test_the_target_is_shown_as_kubectl_abbreviates_it(kind, name, shown):
    one = watched(target=ObjectRef(api_version="apps/v1", kind=kind, name=name))
    world = ill(incident=one)
    assert render(world, draft_of(world)).status.target == shown


@pytest.mark.parametrize(("state", "word"), [(None, RemediationState.NONE), (RemediationState.BLOCKED, RemediationState.BLOCKED)])
def test_automations_part_is_one_word_and_none_is_one(state, word):
    world = ill(incident=incident(remediation_state=state))
    assert render(world, draft_of(world)).status.remediation_state is word


def test_the_generation_that_was_seen_is_kept():
    one = incident()
    world = ill(incident=one.model_copy(update={"metadata": one.metadata.model_copy(update={"generation": 7})}))
    assert render(world, draft_of(world)).status.observed_generation == 7
