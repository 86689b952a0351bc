"""What is asked of the cluster before a decision: evidence, rights, the dry run. Nothing of it changes anything."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.core.builders import container, crashing, new_pod, rolling_facts, termination, waiting
from tests.core.healing_builders import crashed, ill, seen
from tests.core.incident_builders import TARGET
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.outside import FakeAlertmanager, FakeQueries
from tests.fakes.runbooks import runbook

from prunella.api.runbook import RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.core.draft import AskBlockers, Prepare
from prunella.core.facts import UNKNOWN
from prunella.core.healing.steps.capture_evidence import CaptureEvidence
from prunella.core.healing.steps.escalate import Escalate
from prunella.core.healing.steps.restart import Restart
from prunella.core.healing.steps.roll_back import RollBack
from prunella.core.world import GONE, Answers, Capture, QueryValue

ROLL_BACK = RunbookStep(name="rollback", roll_back=RollBack())


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(ManualClock())


def preparer(cluster: FakeCluster, queries: FakeQueries | None = None, alertmanager: FakeAlertmanager | None = None) -> Preparer:
    return Preparer(cluster, cluster, cluster.clock, queries or FakeQueries(), (alertmanager or FakeAlertmanager()).active)


# evidence


def failing(*containers, **changes):
    facts = rolling_facts(new_pod(*(containers or (crashing(),))), **changes)
    return ill(facts=facts, finding=seen(crashed(), failing_pods=("checkout-h3-a",), failing_container="app"))


async def test_evidence_is_the_log_tail_of_the_failing_container_and_its_events(cluster):
    capture = await preparer(cluster).capture(failing())
    assert capture == Capture(
        logs="FATAL: unknown flag --cache-size",
        pod="checkout-h3-a",
        container="app",
        events="Warning BackOff: Back-off restarting failed container",
        captured_time=cluster.clock.now(),
    )


async def test_where_no_pod_could_be_created_the_events_of_the_workload_and_its_newest_revision_tell(cluster, monkeypatch):
    asked, real = [], cluster.events_of

    async def heard(namespace, uids):
        asked.append((namespace, tuple(uids)))
        return await real(namespace, uids)

    monkeypatch.setattr(cluster, "events_of", heard)
    facts = rolling_facts()
    capture = await preparer(cluster).capture(ill(facts=facts, finding=seen(crashed(), failing_pods=())))
    assert asked == [("shop", (facts.workload.uid, facts.newest.uid))]
    assert capture == Capture(events="Warning BackOff: Back-off restarting failed container", captured_time=cluster.clock.now())


@pytest.mark.parametrize(
    ("answer", "missing"),
    [(UNKNOWN, "Events of deploy/checkout could not be had"), (TimeoutError(), "Events of deploy/checkout could not be had within a second")],
)
async def test_events_that_can_not_be_had_where_no_pod_could_be_created_are_said_to_be_missing(cluster, monkeypatch, answer, missing):
    async def events_of(_namespace, _uids):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(cluster, "events_of", events_of)
    capture = await preparer(cluster).capture(ill(facts=rolling_facts(), finding=seen(crashed(), failing_pods=())))
    assert (capture.missing, capture.events) == (missing, "")


@pytest.mark.parametrize(
    "world",
    [ill(target=GONE), ill(finding=None), ill(finding=seen(crashed(), failing_pods=("gone",)))],
    ids=["no workload", "no finding", "the pod is gone"],
)
async def test_without_a_failing_pod_there_is_nothing_to_take(world, cluster):
    assert (await preparer(cluster).capture(world)).missing == "no failing pod is there to take logs from"


@pytest.mark.parametrize(
    ("logs", "events", "missing"),
    [
        (UNKNOWN, [], "the log of pod checkout-h3-a could not be had"),
        ("x", UNKNOWN, "Events of pod checkout-h3-a could not be had"),
        (UNKNOWN, UNKNOWN, "the log and Events of pod checkout-h3-a could not be had"),
        ("x", [], ""),
    ],
)
async def test_what_cannot_be_had_is_said(logs, events, missing, cluster):
    cluster.logs = logs

    async def told(namespace, uids):
        return events

    cluster.events_of = told  # type: ignore[method-assign] # the fake's own
    assert (await preparer(cluster).capture(failing())).missing == missing


async def test_evidence_takes_a_second_at_most(cluster):
    async def never(*_args, **_kwargs):
        await asyncio.Event().wait()

    cluster.log_tail = never  # type: ignore[method-assign] # the fake's own
    capture = await preparer(cluster).capture(failing())
    assert capture.missing == "logs and Events could not be had within a second"


@pytest.mark.parametrize(
    ("shown", "previous", "asked"),
    [
        (crashing(restarts=2), "before", ["previous"]),
        (crashing(restarts=2), "", ["previous", "current"]),
        (container(ready=False, restarts=2, terminated=termination()), "before", ["current"]),
        (container(ready=False, restarts=0), "before", ["current"]),
        (waiting("CrashLoopBackOff", restarts=0, last_terminated=termination()), "before", ["current"]),
        (waiting("ErrImagePull"), "before", []),
        (container("other"), "before", []),
    ],
    ids=["back-off", "the one before said nothing", "just ended", "it runs", "back-off after the first end", "it never ran", "another container"],
)
async def test_the_log_that_tells_is_the_previous_one_else_the_current(shown, previous, asked, cluster):
    calls = []

    async def tail(namespace, pod, name, *, previous: bool, lines):
        calls.append("previous" if previous else "current")
        return said if previous else "now"

    said = previous
    cluster.log_tail = tail  # type: ignore[method-assign] # the fake's own
    capture = await preparer(cluster).capture(failing(shown))
    assert calls == asked
    assert capture.logs == ("" if not asked else "before" if asked == ["previous"] else "now")


async def test_a_full_tail_was_cut(cluster):
    cluster.logs = "\n".join("x" * 20)
    assert (await preparer(cluster).capture(failing())).logs_truncated
    assert not (await preparer(cluster).capture(failing(), lines=50)).logs_truncated


async def test_the_first_container_stands_for_a_pod_whose_failing_one_is_not_known(cluster):
    world = failing()
    world = replace(world, finding=replace(world.finding, failing_container=""))
    assert (await preparer(cluster).capture(world)).container == "app"


# rights and the dry run


def wish(*steps, to=None):
    return Prepare(plan_hash="a41c9e", runbook=runbook("r", *(steps or (ROLL_BACK,))), accused_hash="h2", to=to)


async def live(cluster: FakeCluster, kind: str = "Deployment"):
    """A workload whose second revision crashes, and the world as it is."""
    workload = cluster.create(kind=kind)
    cluster.bad.add("shop/app:2")
    cluster.set_image(workload, "shop/app:2")
    facts = cluster.facts(workload)
    return workload, ill(target=facts, finding=None), facts


async def test_the_exact_request_is_tried_dry(cluster):
    _, world, facts = await live(cluster)
    found = await preparer(cluster).prepare(world, wish(to=facts.revisions[1]))
    assert (found.plan_hash, found.missing_rights, found.rights_known, found.dry_run_error) == ("a41c9e", (), True, "")
    assert found.diff == "-image: new\n+image: old"
    assert (cluster.asked, cluster.dry_runs, cluster.effects) == ([("patch", "deployments")], 1, [])


async def test_missing_rights_are_named_in_kubectls_words_and_nothing_is_tried(cluster):
    _, world, facts = await live(cluster, "StatefulSet")
    cluster.forbidden |= {("patch", "statefulsets"), ("delete", "pods")}
    found = await preparer(cluster).prepare(world, wish(to=facts.revisions[1]))
    assert found.missing_rights == ("patch statefulsets.apps in shop", "delete pods in shop")
    assert cluster.dry_runs == 0


async def test_rights_that_are_not_known_are_none(cluster):
    _, world, facts = await live(cluster)
    cluster.unreadable = True
    found = await preparer(cluster).prepare(world, wish(to=facts.revisions[1]))
    assert (found.rights_known, found.missing_rights, cluster.dry_runs) == (False, (), 0)


async def test_without_a_workload_nothing_can_be_prepared(cluster):
    assert not (await preparer(cluster).prepare(ill(target=GONE), wish())).rights_known


async def test_what_the_api_server_would_refuse_is_said(cluster):
    _, world, facts = await live(cluster)
    cluster.dry_run_error = "exceeded quota: pods"
    assert (await preparer(cluster).prepare(world, wish(to=facts.revisions[1]))).dry_run_error == "exceeded quota: pods"


async def test_a_dry_run_without_an_answer_is_no_yes(cluster):
    _, world, facts = await live(cluster)

    async def silent(effect, acting):
        return UNKNOWN

    cluster.dry_run = silent  # type: ignore[method-assign] # the fake's own
    error = (await preparer(cluster).prepare(world, wish(to=facts.revisions[1]))).dry_run_error
    assert error == "the API server did not answer the dry run"


async def test_a_target_that_cannot_be_read_is_said(cluster):
    workload, world, facts = await live(cluster)

    async def unreadable(ref):
        return UNKNOWN

    cluster.raw = unreadable  # type: ignore[method-assign] # the fake's own
    assert (await preparer(cluster).prepare(world, wish(to=facts.revisions[1]))).dry_run_error == "the target could not be read"
    assert workload.name == "checkout"


async def test_a_step_that_refuses_says_why(cluster):
    _, world, _ = await live(cluster)
    found = await preparer(cluster).prepare(world, wish())
    assert (found.step_refuses, found.dry_run_error) == ("NoKnownGood", "the revision to go back to is not stored any more")


async def test_steps_that_change_nothing_are_passed_over_to_the_one_that_does(cluster):
    _, world, _ = await live(cluster)
    steps = (
        RunbookStep(name="look", capture_evidence=CaptureEvidence()),
        RunbookStep(name="page", escalate=Escalate()),
        RunbookStep(name="restart", restart=Restart()),
    )
    assert (await preparer(cluster).prepare(world, wish(*steps))).diff != ""
    assert (await preparer(cluster).prepare(world, wish(*steps[:2]))).diff == ""
    assert cluster.dry_runs == 1


async def test_a_template_that_cannot_be_read_makes_no_live_facts(cluster):
    _, _, facts = await live(cluster)

    async def unreadable(kind, revision):
        return UNKNOWN

    cluster.template = unreadable  # type: ignore[method-assign] # the fake's own
    now = cluster.clock.now()
    assert await preparer(cluster).live_facts(facts, "h2", facts.revisions[1], now=now, intent_time=now) is None
    assert (await preparer(cluster).live_facts(facts, "h2", None, now=now, intent_time=now)) is not None


async def test_the_target_is_confirmed_by_a_live_read(cluster):
    assert await preparer(cluster).confirm(TARGET) is None
    workload = cluster.create()
    assert (await preparer(cluster).confirm(workload.ref)).workload.uid == workload.uid


# what a Runbook waits for


async def test_blockers_are_asked_by_query_and_alertmanager_only_where_an_entry_names_an_alert(cluster):
    queries, alertmanager = FakeQueries(values=[QueryValue(value=1.0), QueryValue(error="refused")]), FakeAlertmanager(listed={})
    asked = preparer(cluster, queries, alertmanager)
    now = cluster.clock.now()
    assert await asked.ask_blockers(AskBlockers(queries=("a", "b"), alerts=False)) == Answers(
        values={"a": QueryValue(value=1.0), "b": QueryValue(error="refused")}, alerts=None, asked_time=now
    )
    assert (queries.asked, alertmanager.polls) == (["a", "b"], 0)
    assert await asked.ask_blockers(AskBlockers(queries=(), alerts=True)) == Answers(values={}, alerts={}, asked_time=now)
    assert alertmanager.polls == 1


async def test_an_alertmanager_that_does_not_answer_leaves_the_alerts_unknown(cluster):
    answers = await preparer(cluster).ask_blockers(AskBlockers(queries=(), alerts=True))
    assert answers.alerts is UNKNOWN
