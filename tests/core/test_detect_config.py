"""Containers of the newest revision that can't be created."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, healthy_facts, new_pod, pods, rolling_facts, waiting

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


def test_the_deleted_object_of_an_old_revision_is_no_rollouts_fault():
    assert found(replace(healthy_facts(), pods=pods(3, "h2", MISSING))) is None


def test_an_old_revision_that_misses_it_as_well_is_told():
    facts = rolling_facts(new_pod(MISSING))
    finding = found(replace(facts, pods=(*pods(1, "h2", MISSING), new_pod(MISSING))))
    assert (finding.cause, finding.only_newest_fails) == (Cause.ROLLOUT_CONFIG_ERROR, False)
