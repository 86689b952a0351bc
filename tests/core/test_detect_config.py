"""Containers that can't be created for what they refer to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import (
    NOON,
    ago,
    container,
    crashing,
    deadline_exceeded,
    healthy_facts,
    new_pod,
    pod,
    pods,
    progressing,
    revision,
    rolling_facts,
    waiting,
    workload,
)
from .records import healthy_revision, record_of

MISSING = waiting("CreateContainerConfigError", 'configmap "missing" not found')


def found(facts):
    return detect(facts, NOON, Settings(), Surroundings()).finding


@pytest.mark.parametrize(
    ("containers", "what"),
    [
        pytest.param((MISSING,), 'configmap "missing" not found', id="a ConfigMap is missing"),
        pytest.param((MISSING, container("proxy")), 'container app, configmap "missing" not found', id="one of two containers"),
        pytest.param((waiting("CreateContainerError"),), "CreateContainerError", id="no message"),
        pytest.param(
            (waiting("CreateContainerConfigError", "bad env DB_PASSWORD=hunter2\nmore"),),
            "bad env DB_PASSWORD=[redacted]",
            id="a message with a secret in it",
        ),
        pytest.param((waiting("CreateContainerError", "x" * 500),), "x" * 159 + "…", id="a message without end"),
    ],
)
def test_a_container_that_cannot_be_created_accuses_the_newest_revision(containers, what):
    finding = found(rolling_facts(new_pod(*containers)))
    assert finding.cause is Cause.ROLLOUT_CONFIG_ERROR
    assert finding.summary == f"checkout: revision 3 can't create its container ({what}); revision 2 still serves 3 of 3"
    assert (finding.accused_revision, finding.started_time, finding.open_time, finding.failing_container) == ("h3", ago(30), ago(30), "app")


LATE = waiting("CreateContainerConfigError", "failed to sync configmap cache: timed out waiting for the condition")


def test_a_kubelet_that_asks_again_accuses_nothing_and_a_pod_that_never_gets_ready_for_it_is_found_as_that():
    """As on a node that has much to do: it has nothing to do with what the container refers to."""
    assert found(rolling_facts(new_pod(LATE))) is None
    lasting = replace(new_pod(LATE), created_time=ago(600), ready_since=ago(600))
    assert found(rolling_facts(lasting)).cause is Cause.ROLLOUT_NOT_READY


def test_the_deleted_object_of_an_old_revision_is_no_rollouts_fault():
    finding = found(replace(healthy_facts(), pods=(pod("checkout-h2-0", "h2", MISSING), *pods(3)[1:])))
    assert finding.cause is Cause.CONFIG_MISSING
    assert finding.summary == 'checkout: pod checkout-h2-0 can\'t create its container (configmap "missing" not found); 2 of 3 are ready'
    assert (finding.accused_revision, finding.started_time, finding.open_time, finding.failing_container) == ("", ago(30), ago(30), "app")


def rolling_with(*, newest=(), serving=(), message='configmap "missing" not found', reason="CreateContainerConfigError", **changes):
    """Revision 3 can't create its container; what it and the serving revision 2 refer to."""
    facts = rolling_facts(new_pod(waiting(reason, message)), **changes)
    third, second, first = facts.revisions
    return replace(facts, revisions=(replace(third, references=frozenset(newest)), replace(second, references=frozenset(serving)), first))


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ('configmap "missing" not found', "configmap/missing"),
        ('secret "db" not found', "secret/db"),
        ("couldn't find key mode in ConfigMap shop/missing", "configmap/missing/mode"),
        ("couldn't find key password in Secret shop/db", "secret/db/password"),
    ],
)
def test_what_the_serving_revision_refers_to_as_well_was_taken_away(message, what):
    facts = rolling_with(newest=(what,), serving=(what,), message=message)
    finding = found(facts)
    assert (finding.cause, finding.accused_revision, finding.failing_pods) == (Cause.CONFIG_MISSING, "", ("checkout-h3-a",))
    assert found(replace(facts, pods=facts.pods[:3])) is None, "it ends with the pod"
    brought = found(rolling_with(newest=(what,), serving=("configmap/other",), message=message))
    assert (brought.cause, brought.accused_revision) == (Cause.ROLLOUT_CONFIG_ERROR, "h3")


def test_it_stays_that_cause_when_the_deadline_passes():
    known = {"newest": ("configmap/missing",), "serving": ("configmap/missing",)}
    assert found(rolling_with(**known, conditions=(deadline_exceeded(),))).cause is Cause.CONFIG_MISSING


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(rolling_with(newest=("configmap/missing",)), Cause.ROLLOUT_CONFIG_ERROR, id="the reference is new"),
        pytest.param(
            rolling_with(serving=("configmap/missing",), message="couldn't find key new in ConfigMap shop/missing"),
            Cause.ROLLOUT_CONFIG_ERROR,
            id="the object is known, and the key is new",
        ),
        pytest.param(
            rolling_with(serving=("configmap/missing",), message="container has runAsNonRoot and image will run as root"),
            Cause.ROLLOUT_CONFIG_ERROR,
            id="something else is wrong with it",
        ),
        pytest.param(
            rolling_with(serving=("configmap/missing",), reason="CreateContainerError"),
            Cause.ROLLOUT_CONFIG_ERROR,
            id="the runtime says it, not the kubelet",
        ),
        pytest.param(
            rolling_with(serving=("configmap/missing",)).__class__(
                workload=workload(
                    generation=3, observed_generation=3, updated=1, ready=0, available=0, conditions=(progressing("ReplicaSetUpdated"),)
                ),
                revisions=(revision(3, created=40), revision(2, references=frozenset({"configmap/missing"}))),
                pods=(new_pod(MISSING),),
            ),
            Cause.ROLLOUT_CONFIG_ERROR,
            id="no other revision serves or is remembered: nobody can tell",
        ),
        pytest.param(
            replace(healthy_facts(), pods=pods(3, "h2", waiting("CreateContainerError", "name is reserved"))),
            None,
            id="an old revision's, and nothing is missing",
        ),
        pytest.param(
            replace(healthy_facts(), pods=pods(3, "h2", waiting("CreateContainerConfigError", "timed out"))),
            None,
            id="the kubelet did not hear of it",
        ),
        pytest.param(replace(healthy_facts(), pods=(*pods(3), pod("gone", "h2", MISSING, deleting=True))), None, id="the pod is on its way out"),
        pytest.param(replace(healthy_facts(desired=0), pods=pods(1, "h2", MISSING)), None, id="it is scaled to nothing"),
        pytest.param(
            replace(rolling_with(serving=("configmap/missing",)), pods=(*pods(3), new_pod(MISSING), new_pod(crashing(), name="b"))),
            Cause.ROLLOUT_CRASH_LOOP,
            id="the newest revision crashes as well",
        ),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, cause):
    finding = found(facts)
    assert (finding.cause if finding else None) is cause


def test_the_revision_last_seen_healthy_counts_where_none_serves():
    known = frozenset({"configmap/missing"})
    facts = rolling_facts(new_pod(MISSING), serving=0)
    third, second, first = facts.revisions
    facts = replace(facts, revisions=(replace(third, references=known), replace(second, references=known), first))
    remembered = record_of(healthy_revision("h1", last_healthy=7000), healthy_revision("h2", last_healthy=100))
    assert detect(facts, NOON, Settings(), Surroundings(record=remembered)).finding.cause is Cause.CONFIG_MISSING
    other = record_of(healthy_revision("h1", last_healthy=100), healthy_revision("h2", last_healthy=7000))
    assert detect(facts, NOON, Settings(), Surroundings(record=other)).finding.cause is Cause.ROLLOUT_CONFIG_ERROR


def test_an_old_revision_that_misses_it_as_well_is_told():
    facts = rolling_facts(new_pod(MISSING))
    finding = found(replace(facts, pods=(*pods(1, "h2", MISSING), new_pod(MISSING))))
    assert (finding.cause, finding.only_newest_fails) == (Cause.ROLLOUT_CONFIG_ERROR, False)
