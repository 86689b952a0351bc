"""The guards are asked again on what is true now: what can change back waits and goes on, what can't ends the attempt (R06, R10, R28, V13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.cluster import owned_by
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import ROLL_BACK, runbook, shipped

from prunella.api.healing_policy import Concurrency
from prunella.api.incident import Hold, Incident
from prunella.api.names import Cause, MessageKind, Mode, Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.runbook import Match
from prunella.core.facts import UNKNOWN


async def about_to(**policy: Any):
    """A shop whose new version crashes, a moment before the effect is due. The cache sees workloads, and no change of policy any more."""
    place = shop(shipped(), **policy)
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(12)
    return place, workload, operator


def attempt_of(operator: Operator) -> Remediation:
    [one] = operator.remediations
    return one


def allowed(one: Remediation):
    found = next(condition for condition in one.status.conditions if condition.type == "RemediationAllowed")
    return found.status.value, found.reason


def stale(place: Place) -> None:
    place.view.go_stale(workloads=False)


def pause(place, workload):
    stale(place)
    place.policy(pauses=({"name": "freeze", "reason": "year end"},))


def unpause(place, workload):
    place.view.catch_up()
    place.policy()


def lower(place, workload):
    stale(place)
    place.policy(mode=Mode.SUGGEST)


def unlabel(place, workload):
    real = place.view.namespace
    place.seen = real("shop")
    place.view.namespace = lambda name: place.seen
    place.cluster.namespaces["shop"] = {}


def label(place, workload):
    place.cluster.namespaces["shop"] = {"prunella.dev/mode": "Auto"}


def hide_policy(place, workload):
    place.api.policy_readable = False


def show_policy(place, workload):
    place.api.policy_readable = True


def sicken(place, workload):
    place.cluster.well = False


def cure(place, workload):
    place.cluster.well = True


def forbid(place, workload):
    place.cluster.forbidden.add(("patch", "deployments"))
    place.clock.advance(60)  # what was prepared is too old to be believed


def permit(place, workload):
    place.cluster.forbidden.clear()


CHANGES: dict[str, tuple[Callable[..., None], Callable[..., None], str]] = {
    "paused": (pause, unpause, "Paused"),
    "the ceiling was lowered": (lower, unpause, "ModeSuggest"),
    "the namespace opted out": (unlabel, label, "ModeObserve"),
    "the kill switch cannot be read": (hide_policy, show_policy, "Paused"),
    "the control plane is ill": (sicken, cure, "ControlPlaneUnhealthy"),
}


@pytest.mark.parametrize(("change", "back", "reason"), CHANGES.values(), ids=CHANGES.keys())
async def test_what_can_change_back_leaves_the_attempt_pending_until_it_does(change, back, reason):
    place, workload, operator = await about_to()
    change(place, workload)
    await operator.run(20)
    one = attempt_of(operator)
    assert (one.status.phase, allowed(one)) == (RemediationPhase.PENDING, ("False", reason))
    assert one.status.next_eligible_time is not None
    assert one.status.started_time is None, "no attempt is spent"
    assert place.cluster.effects == []
    assert operator.condition("RemediationAllowed") == ("False", reason)

    back(place, workload)
    await operator.run(60)
    one = attempt_of(operator)
    assert (one.status.outcome, allowed(one)) == (Outcome.REMEDIATED, ("True", "Allowed"))
    assert len(place.cluster.effects) == 1
    await operator.close()


def paused(place: Place, why: str) -> None:
    place.policy(pauses=({"name": "freeze", "reason": why},))


def writes(place: Place) -> int:
    return sum(one.kind == "Remediation" for one in place.api.writes)


async def test_an_attempt_that_waits_tells_what_stands_in_its_way_now_though_the_reason_is_the_same():
    place, workload, operator = await about_to()
    pause(place, workload)
    await operator.run(20)
    assert "year end" in attempt_of(operator).status.message
    before = writes(place)
    paused(place, "the database moves")
    await operator.run(6)
    one = attempt_of(operator)
    assert one.status.message.startswith("paused by 'freeze': the database moves")
    [said] = [condition for condition in one.status.conditions if condition.type == "RemediationAllowed"]
    assert said.message == one.status.message
    await operator.run(120)
    assert writes(place) == before + 1, "it is said once"
    await operator.close()


async def test_a_number_that_changes_each_second_is_told_and_is_no_stream_of_writes():
    place, workload, operator = await about_to()
    pause(place, workload)
    await operator.run(20)
    before = writes(place)
    for left in range(300, 180, -1):
        paused(place, f"{left} s are left")
        await operator.run(1)
        assert attempt_of(operator).status.phase is RemediationPhase.PENDING
    assert 120 // 30 <= writes(place) - before <= 120 // 15
    await operator.run(25)
    assert "181 s are left" in attempt_of(operator).status.message, "the last one is told"
    assert place.cluster.effects == []
    await operator.close()


@pytest.mark.parametrize(("change", "back", "reason"), CHANGES.values(), ids=CHANGES.keys())
async def test_what_goes_wrong_before_the_second_effect_of_a_statefulset_stops_it(change, back, reason):
    place = shop(shipped())
    workload = place.cluster.create(kind="StatefulSet")
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(12)

    def between(when: str, intent: str) -> None:
        if when == "after":
            place.cluster.gate = lambda _when, _intent: None
            change(place, workload)

    place.cluster.gate = between
    await operator.run(20)
    one = attempt_of(operator)
    assert (one.status.phase, allowed(one)) == (RemediationPhase.DISPATCHED, ("False", reason))
    assert len(place.cluster.effects) == 1
    back(place, workload)
    await operator.run(60)
    assert len(place.cluster.effects) == 2
    assert attempt_of(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_r28_a_right_that_was_lost_is_said_and_once_granted_it_goes_on():
    place, workload, operator = await about_to()
    forbid(place, workload)
    await operator.run(5)
    assert operator.condition("RemediationAllowed") == ("False", "MissingPermission")
    assert operator.remediations == []
    assert "RemediationBlocked" in operator.told()
    assert place.cluster.effects == []
    permit(place, workload)
    await operator.run(60)
    assert attempt_of(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


@pytest.mark.parametrize("seconds", [0, 60], ids=["a moment ago it was there", "what was prepared is too old to be believed"])
async def test_r28_a_right_that_is_lost_between_decision_and_effect_leaves_the_attempt_pending(seconds: int):
    place, workload, operator = await about_to()

    def lose(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("after", "create") and what.startswith("Remediation/"):
            place.cluster.forbidden.add(("patch", "deployments"))
            place.clock.advance(seconds)

    place.api.gate = lose
    await operator.run(70)
    one = attempt_of(operator)
    assert (one.status.phase, allowed(one)) == (RemediationPhase.PENDING, ("False", "MissingPermission"))
    assert one.status.started_time is None, "no attempt is spent"
    permit(place, workload)
    await operator.run(60)
    assert attempt_of(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


def heal_itself(place, workload):
    place.view.go_stale()
    workload.pods[-1].bad = False


def roll_back(place, workload):
    place.view.go_stale()
    place.cluster.set_image(workload, "shop/app:1")


def roll_out(place, workload):
    place.view.go_stale()
    place.cluster.bad.add("shop/app:3")
    place.cluster.set_image(workload, "shop/app:3")


def remove(place, workload):
    place.view.go_stale()
    place.cluster.remove(workload)


def recreate(place, workload):
    remove(place, workload)
    place.cluster.create()


def annotate(place, workload):
    place.view.go_stale()
    workload.raw["metadata"]["annotations"]["prunella.dev/mode"] = "Observe"


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        (heal_itself, Outcome.RECOVERED_ITSELF, "TargetHealthy"),
        (roll_out, Outcome.SUPERSEDED, "HumanOverride"),
        (roll_back, Outcome.SUPERSEDED, "HumanOverride"),
        (annotate, Outcome.SUPERSEDED, "HumanOverride"),
        (remove, Outcome.STALE, "TargetChanged"),
        (recreate, Outcome.STALE, "TargetChanged"),
    ],
    ids=["healthy", "a person rolls out", "a person rolls back", "a person opts out", "gone", "made anew"],
)
async def test_what_cannot_change_back_ends_the_attempt_and_an_old_cache_makes_no_flood(change, outcome, reason):
    """The watch lags: it still shows the fault. Only the live read knows."""
    place, workload, operator = await about_to()
    place.clock.advance(1)
    for _ in range(2):  # let the cache see the second restart, so that the effect is due, and nothing after it
        place.cluster.changed(workload)
    change(place, workload)
    await operator.run(25)
    ended = [(one.status.outcome, allowed(one)[1]) for one in operator.remediations]
    assert ended[0] == (outcome, reason)
    assert len(ended) <= 4, "one try each ten seconds, not one each millisecond"
    assert place.cluster.effects == []
    assert all(one.status.started_time is None for one in operator.remediations)
    await operator.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"paused": True}, "TargetPaused"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}}, "OwnedByGitOps"),
        ({"labels": {"app": "checkout", "kustomize.toolkit.fluxcd.io/name": "apps"}}, "OwnedByGitOps"),
        ({"owner": owned_by()}, "OwnedByOperator"),
        ({"annotations": {"prunella.dev/irreversible": "true"}}, "Irreversible"),
    ],
    ids=["r06 paused", "r10 Argo CD", "r10 Flux", "owned by an operator", "irreversible"],
)
async def test_what_is_refused_is_left_alone_with_the_reason_and_a_page(change, reason):
    place = shop(shipped())
    workload = place.cluster.create()
    workload.changes |= change
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    place.api.writes.clear()
    await operator.run(600)
    assert operator.condition("RemediationAllowed") == ("False", reason)
    assert (place.cluster.effects, operator.remediations) == ([], [])
    assert operator.told().count("RemediationBlocked") == 1
    assert place.deliver.to(MessageKind.PAGE)[:2] == ["primary", "secondary"]
    assert len(place.api.writes) <= 10, "it is blocked, not an error loop"
    await operator.close()


async def test_a_hold_of_a_person_stops_what_is_due_and_its_end_lets_it_go_on():
    place, _, operator = await about_to()
    incident = operator.incident
    until = place.clock.now().replace(microsecond=0)
    hold = Hold(by="ana", reason="I look", until_time=until.replace(minute=until.minute + 2))
    place.api.apply(incident.model_copy(update={"spec": incident.spec.model_copy(update={"hold": hold})}))
    await operator.run(60)
    assert operator.condition("RemediationAllowed") == ("False", "HumanOverride")
    assert operator.incident.status.retry_after_time == hold.until_time
    assert place.cluster.effects == []
    await operator.run(120)
    assert attempt_of(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_while_the_controller_has_not_seen_the_newest_change_the_attempt_says_so_and_waits():
    place, _, operator = await about_to()
    real = place.cluster.workload

    async def behind(ref):
        facts = await real(ref)
        return replace(facts, workload=replace(facts.workload, observed_generation=0))

    def lag(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("after", "create") and what.startswith("Remediation/"):
            place.cluster.workload = behind

    place.api.gate = lag
    await operator.run(10)
    one = attempt_of(operator)
    assert one.status.phase is RemediationPhase.PENDING
    assert allowed(one)[1] in {"EvidenceMissing", "RolloutInProgress"}
    place.cluster.workload = real
    await operator.run(60)
    assert attempt_of(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_target_that_cannot_be_read_is_no_permission_and_no_end():
    place, _, operator = await about_to()
    real = place.cluster.workload

    async def unknown(ref):
        return UNKNOWN

    place.cluster.workload = unknown
    await operator.run(20)
    one = attempt_of(operator)
    assert (one.status.phase, allowed(one)) == (RemediationPhase.PENDING, ("False", "EvidenceMissing"))
    assert one.status.message == "the target could not be read"
    place.cluster.workload = real
    await operator.run(60)
    assert attempt_of(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()


@pytest.mark.parametrize("what", ["heartbeat", "watch"])
async def test_while_what_is_seen_may_be_old_nothing_is_done(what):
    place, _, operator = await about_to()
    place.lagging = what == "heartbeat"
    place.view.silent = ["Pod"] if what == "watch" else []
    place.api.writes.clear()
    await operator.run(9)
    assert operator.condition("RemediationAllowed") == ("False", "DwellRunning"), "what was decided stands: it may be a blink"
    assert place.api.writes == []
    await operator.run(2)
    assert operator.condition("RemediationAllowed") == ("False", "EvidenceMissing")
    assert [one.kind for one in place.api.writes] == ["Incident"]
    await operator.run(19)
    assert operator.told().count("RemediationBlocked") == 1, "once"
    assert (place.cluster.effects, operator.remediations) == ([], [])
    place.lagging, place.view.silent = False, []
    await operator.run(60)
    assert attempt_of(operator).status.outcome is Outcome.REMEDIATED, "it is found again without an event (V6)"
    await operator.close()


async def several(names, *, kinds="Deployment", **policy):
    """Workloads that get a bad version at the same instant."""
    place = shop(shipped(), storm={"min_workloads": 100}, **policy)
    workloads = [place.cluster.create(name, kinds) for name in names]
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for workload in workloads:
        place.cluster.set_image(workload, "shop/app:2")
    return place, workloads, operator


@pytest.mark.parametrize("lagging", [False, True], ids=["fresh cache", "the cache lags"])
async def test_of_several_at_once_one_acts_at_a_time_and_all_heal_one_after_the_other(lagging):
    place, workloads, operator = await several(["a", "b", "c", "d"])
    at_once = most = 0

    def look(when: str, verb: str, what: str) -> None:
        nonlocal at_once, most
        running = [one for one in place.api.all(Remediation) if one.status.started_time and not (one.status.phase and one.status.phase.final)]
        most = max(most, len(running))
        if lagging and when == "after" and what.startswith("Remediation/"):
            place.view.go_stale(workloads=False)

    place.api.gate = look
    for _ in range(40):
        await operator.run(5)
        place.view.catch_up()
        operator.wake_all()
    assert most == 1
    assert [one.template["spec"]["containers"][0]["image"] for one in workloads] == ["shop/app:1"] * 4
    assert len(place.cluster.effects) == 4
    assert at_once == 0
    await operator.close()


async def test_the_last_place_of_a_budget_is_taken_once_even_if_the_cache_lags():
    place, _, operator = await several(
        ["a", "b", "c"],
        concurrency=Concurrency(per_namespace=10, per_cluster=10),
        budgets={"per_namespace": {"count": 1}},
    )
    await operator.run(12)

    def lag(when: str, verb: str, what: str) -> None:
        if when == "after" and verb == "create" and what.startswith("Remediation/"):
            place.view.go_stale(workloads=False)

    place.api.gate = lag
    await operator.run(30)
    assert len(place.cluster.effects) == 1
    await operator.close()


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "changed"])
async def test_the_attempt_is_pinned_to_its_runbook(gone):
    place, _, operator = await about_to()
    place.cluster.well = False
    await operator.run(10)
    book = shipped()
    if gone:
        place.api.delete("Runbook", "prunella-system", book.metadata.name)
    else:
        place.api.apply(book.model_copy(update={"spec": book.spec.model_copy(update={"title": "Another"})}))
    place.cluster.well = True
    await operator.run(60)
    first = operator.remediations[0]
    assert (first.status.outcome, first.status.message) == (
        Outcome.SUPERSEDED,
        "Runbook roll-back-bad-rollout is gone or was changed during the run",
    )
    assert len(place.cluster.effects) == (0 if gone else 1), "the changed Runbook makes a plan of its own"
    await operator.close()


async def test_another_runbook_that_wins_meanwhile_makes_it_another_plan():
    place, _, operator = await about_to()
    place.cluster.well = False
    await operator.run(10)
    better = runbook("better", ROLL_BACK, priority=90, match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=0, min_restarts=0))
    place.api.apply(better)
    place.cluster.well = True
    await operator.run(60)
    first, second = operator.remediations
    assert first.status.outcome is Outcome.SUPERSEDED
    assert first.status.message.startswith("the plan would be another one now (roll back deploy/checkout 2 (h2) -> 1 (h1))")
    assert (second.spec.runbook_ref.name, second.status.outcome) == ("better", Outcome.REMEDIATED)
    assert len(place.api.all(Incident)) == 1
    await operator.close()
