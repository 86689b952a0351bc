"""Which Incident a signal belongs to."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.api.common import Metadata, ObjectRef
from prunella.api.incident import Incident, IncidentStatus, Source, Times
from prunella.api.names import Phase, Priority, SourceKind
from prunella.core.incident.correlate import (
    Attach,
    Open,
    correlate,
    incident_name,
    is_open,
    label_value,
    new_incident,
    next_step,
    reopen_window_seconds,
)

from .builders import NOON, later
from .incident_builders import TARGET, opening, reported, watched

DNS = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def chained(previous: str = "", *, created: float = 0, **times: datetime) -> Incident:
    name = incident_name(TARGET, previous)
    status = IncidentStatus(times=Times(triggered_time=NOON, **times))
    return watched(name, status=status, creation_timestamp=later(created))


def test_the_first_signal_of_a_target_opens_its_incident():
    step = correlate(TARGET, (), NOON)
    assert step == Open(name=incident_name(TARGET, ""), previous_uid="", why="the target has no Incident")
    assert step.name.startswith("checkout-")


def test_c02_two_who_see_the_same_fault_choose_the_same_name():
    assert correlate(TARGET, (), NOON) == correlate(TARGET.model_copy(), (), later(0.005))


def test_r03_a_second_signal_of_the_target_attaches_to_its_open_incident():
    existing = chained()
    step = correlate(TARGET, (existing,), later(5))
    assert step == Attach(incident=existing, why="not opened twice: Deployment checkout has an open Incident")


@pytest.mark.parametrize(
    ("priority", "after", "open_"),
    [
        (Priority.P2, 1799, True),
        (Priority.P2, 1800, False),
        (Priority.P1, 7199, True),
        (Priority.P1, 7200, False),
        (None, 1799, True),
        (None, 1801, False),
    ],
    ids=["P2 inside", "P2 at its end", "P1 inside", "P1 at its end", "no priority inside", "no priority after"],
)
def test_a_resolved_incident_is_open_as_long_as_its_reopen_window(priority, after, open_):
    status = IncidentStatus(priority=priority, times=Times(triggered_time=NOON, resolved_time=NOON))
    assert is_open(watched(status=status), later(after)) is open_
    assert reopen_window_seconds(priority) in {1800, 7200}


def test_a_cancelled_incident_is_not_open_and_its_phase_is_not_asked():
    assert not is_open(chained(cancelled_time=later(1)), later(2))
    assert is_open(watched(status=IncidentStatus(phase=Phase.RESOLVED)), later(2))


def test_after_the_window_the_next_of_the_chain_is_opened_on_the_uid_of_the_last():
    first = chained(resolved_time=later(10))
    second = chained(first.metadata.uid, created=5000, resolved_time=later(5010))
    step = correlate(TARGET, (second, first), later(20_000))
    assert step == Open(
        name=incident_name(TARGET, second.metadata.uid),
        previous_uid=second.metadata.uid,
        why="it follows an Incident of the same target that is over",
    )
    assert step.name not in {first.metadata.name, second.metadata.name}


@pytest.mark.parametrize(
    "other",
    [
        TARGET.model_copy(update={"uid": "another"}),
        TARGET.model_copy(update={"kind": "StatefulSet"}),
        TARGET.model_copy(update={"namespace": "pay"}),
        TARGET.model_copy(update={"api_version": "batch/v1"}),
    ],
    ids=["recreated", "another kind", "another namespace", "another group"],
)
def test_another_object_has_its_own_chain(other):
    assert isinstance(correlate(other, (chained(),), later(5)), Open)
    assert incident_name(other, "") != incident_name(TARGET, "")


def test_the_version_of_the_api_makes_no_other_target():
    assert isinstance(correlate(TARGET.model_copy(update={"api_version": "apps/v1beta1"}), (chained(),), later(5)), Attach)


def test_a_signal_attaches_to_a_persons_incident_where_that_is_the_only_open_one():
    persons = reported()
    assert correlate(TARGET, (persons,), later(5)) == Attach(incident=persons, why="not opened twice: Deployment checkout has an open Incident")
    own = chained(created=60)
    assert correlate(TARGET, (persons, own), later(61)) == Attach(incident=own, why="not opened twice: Deployment checkout has an open Incident")


def test_a_persons_incident_is_outside_the_chain():
    over = reported().model_copy(update={"status": IncidentStatus(times=Times(cancelled_time=later(1)))})
    assert correlate(TARGET, (over,), later(5)) == correlate(TARGET, (), later(5))


def test_a_name_that_is_taken_is_attached_to_where_it_is_open():
    existing = chained()
    assert next_step(existing, TARGET, later(1)) == Attach(incident=existing, why=f"somebody was faster: {existing.metadata.name} exists")


@pytest.mark.parametrize("over", [True, False], ids=["not open", "of another target"])
def test_a_name_that_is_taken_otherwise_is_chained_on(over):
    target = TARGET if over else TARGET.model_copy(update={"uid": "another"})
    existing = chained(resolved_time=NOON) if over else chained()
    step = next_step(existing, target, later(86_400 if over else 1))
    assert isinstance(step, Open)
    assert step.name == incident_name(target, existing.metadata.uid)


@given(st.text(min_size=1, max_size=253), st.text(max_size=40))
def test_any_target_gives_a_name_that_is_a_dns_label(name, previous):
    made = incident_name(ObjectRef(api_version="v1", kind="Pod", name=name, namespace="shop"), previous)
    assert len(made) <= 63
    assert DNS.fullmatch(made)


@given(st.text(min_size=1, max_size=300))
def test_any_text_gives_a_label_value_that_kubernetes_takes(text):
    value = label_value(text)
    assert len(value) <= 63
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value)


def test_long_names_keep_their_difference_in_the_label():
    assert label_value("a" * 63) == "a" * 63
    values = [label_value(f"{'checkout-' * 8}{number}") for number in range(2000)]
    assert len(set(values)) == 2000, "not even where only what is cut off differs"
    assert values[0].startswith("checkout-checkout-checkout-checkout-checko")


def test_what_was_shortened_never_looks_like_the_name_of_another_object():
    short = label_value("a" * 64)
    assert not re.fullmatch(r"[a-z0-9.-]+", short), "no name of an object has an underscore"
    assert label_value(short) == short


def test_a_new_incident_lives_beside_its_target_and_bears_what_opened_it():
    made = new_incident(name="checkout-abcde", target=TARGET, source=SourceKind.WATCH, signal=opening(), title="t" * 300)
    assert made.metadata == Metadata(
        name="checkout-abcde", namespace="shop", labels={"prunella.dev/target": "checkout", "prunella.dev/source": "Watch"}
    )
    assert made.spec.source == Source(kind=SourceKind.WATCH, signal=opening())
    assert len(made.spec.title) == 256


def test_the_incident_of_a_cluster_scoped_target_lives_in_the_operators_namespace():
    node = ObjectRef(api_version="v1", kind="Node", name="node-1")
    made = new_incident(name="node-1-abcde", target=node, source=SourceKind.WATCH, signal=opening(), title=" ")
    assert (made.metadata.namespace, made.spec.title) == ("prunella-system", "node-1-abcde")


def test_the_window_counts_from_the_recovery_not_from_its_discovery():
    status = IncidentStatus(times=Times(resolved_time=NOON, resolution_confirmed_time=later(600)))
    assert not is_open(watched(status=status), NOON + timedelta(seconds=1801))


def test_an_incident_of_the_operator_with_a_foreign_name_is_not_of_the_chain():
    stray = watched("checkout", status=IncidentStatus(times=Times(cancelled_time=NOON)))
    assert correlate(TARGET, (stray,), later(1)) == correlate(TARGET, (), later(1))
