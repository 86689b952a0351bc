"""Why is nothing done here? The answer is the operator's own judgement, asked again, with what could not be read said aloud."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core import builders, stories

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.zones import zone_of
from prunella.api.common import Metadata
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec
from prunella.api.incident import Incident
from prunella.api.names import Cause
from prunella.api.runbook import Runbook, RunbookSpec
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import UNKNOWN, AlertFacts, Finding, NamespaceFacts, WorkloadFacts
from prunella.core.incident.alert_facts import fingerprint
from prunella.core.recomputed import Asks, opened, recompute, suppose, unopened
from prunella.core.world import World

NOW = builders.NOON
RIGHTS = Asks(missing_rights=())


def runbook(name: str = "roll-back-bad-rollout", *, causes: tuple[Cause, ...] = (Cause.ROLLOUT_CRASH_LOOP,), **spec: Any) -> Runbook:
    steps = [{"name": "back", "rollBack": {}}]
    whole = {"title": "Roll it back", "mode": "Auto", "match": {"causes": list(causes), "dwellSeconds": 10, "minRestarts": 2}, "steps": steps}
    verify = {"checks": [{"name": "healthy", "workloadHealthy": {}}]}
    return Runbook(
        metadata=Metadata(name=name, namespace="prunella-system", uid=name), spec=RunbookSpec.model_validate(whole | {"verify": verify} | spec)
    )


def world(facts: WorkloadFacts, finding: Finding | None, **changes: Any) -> World:
    """An opted-in shop, a ceiling of Auto, and one Runbook."""
    defaults: dict[str, Any] = {
        "policy": HealingPolicy(metadata=Metadata(name="default"), spec=HealingPolicySpec.model_validate({"mode": "Auto"})),
        "namespace": NamespaceFacts(name="shop", labels={"prunella.dev/mode": "Auto"}),
        "runbooks": (runbook(),),
        "began_before_our_eyes": True,
    }
    incident = opened(finding, NOW) if finding else unopened(facts)
    return World(now=NOW, incident=incident, target=facts, finding=finding, **(defaults | changes))


def told(facts: WorkloadFacts, finding: Finding | None = None, asks: Asks = RIGHTS, before: Incident | None = None, **changes: Any) -> list[str]:
    return recompute(world(facts, finding, **changes), before, asks).lines()


def crash() -> tuple[WorkloadFacts, Finding]:
    facts = builders.rolling_facts(builders.new_pod(builders.crashing(restarts=3, finished=20)))
    finding = detect(facts, NOW, Settings(), Surroundings()).finding
    assert finding is not None
    return facts, finding


def has(lines: list[str], *words: str) -> bool:
    text = "\n".join(lines)
    return all(word in text for word in words)


def test_a_healthy_workload_is_said_to_be_well_and_what_would_happen_if_it_failed():
    lines = told(builders.healthy_facts())
    assert lines[0] == "deploy/checkout   shop   as of now, recomputed: it has no open Incident   (times in UTC, 2026-11-24)"
    assert has(lines, "3 of 3 ready, revision 2", "nothing is wrong with it", "roll-back-bad-rollout: Auto")
    assert not has(lines, "not done")


def test_a_namespace_that_has_not_opted_in_is_named_as_the_reason():
    lines = told(builders.healthy_facts(), namespace=NamespaceFacts(name="shop"))
    assert has(lines, "namespace shop: Observe", "no label prunella.dev/mode: nobody has opted in", "ModeObserve")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"storm_since": NOW - timedelta(seconds=5)}, "StormActive"),
        ({"control_plane_ok": False}, "ControlPlaneUnhealthy"),
        ({"policy": UNKNOWN}, "Paused"),
    ],
    ids=["a storm", "a sick control plane", "no policy to read"],
)
def test_guards_that_would_refuse_are_named_even_while_nothing_is_wrong(changes, reason):
    assert has(told(builders.healthy_facts(), **changes), f"if it failed now: {reason}")


def test_missing_rights_are_named_with_the_command_that_grants_them():
    lines = told(builders.healthy_facts(), asks=Asks(missing_rights=("patch deployments.apps in shop",)))
    assert has(lines, "MissingPermission", "kubectl apply -n shop -k manifests/opt-in")


def test_rights_that_may_not_be_asked_are_left_out_and_said():
    asks = Asks(guards=True, unread=("you may not ask what Prunella's account may do",))
    lines = told(builders.healthy_facts(), asks=asks)
    assert not has(lines, "Rights:")
    assert has(lines, "not read", "you may not ask what Prunella's account may do", "it counts as unknown")


def test_a_fault_without_an_incident_shows_the_plan_and_asks_whether_the_operator_runs():
    facts, finding = crash()
    lines = told(facts, finding)
    assert has(lines, finding.summary.split(";", maxsplit=1)[0], "an Incident was due, and there is none")
    assert has(lines, "roll-back-bad-rollout: roll back deploy/checkout 3 (h3) -> 2 (h2)", "effective mode Auto")


def test_a_fault_that_no_runbook_is_for_says_so_and_which_were_considered():
    facts, finding = crash()
    lines = told(facts, finding, runbooks=(runbook(causes=(Cause.ROLLOUT_IMAGE_PULL,)),))
    assert has(lines, "no Runbook: NoRunbookMatches", "considered", "it is for RolloutImagePull; the cause is RolloutCrashLoop")


def test_a_plan_that_refuses_says_why():
    facts, finding = crash()
    paused = replace(facts, workload=replace(facts.workload, paused=True))
    assert has(told(paused, replace(finding, subject=paused.workload)), "roll-back-bad-rollout: TargetPaused")


def test_each_guard_is_shown_on_demand():
    facts, finding = crash()
    lines = told(facts, finding, asks=Asks(guards=True, missing_rights=()))
    assert has(lines, "Protected: would pass", "Storm: would pass", "Rights: would pass")


def test_what_only_the_operator_asks_is_said_to_be_not_read_and_is_no_refusal():
    facts, finding = crash()
    entry = {"name": "backup", "promql": "up", "when": "value > 0", "reason": "r"}
    lines = told(facts, finding, asks=Asks(guards=True, missing_rights=()), runbooks=(runbook(blockIf=[entry]),))
    assert has(lines, "not read", "`blockIf` of roll-back-bad-rollout (backup)", "only the operator asks Prometheus and Alertmanager")
    assert not has(lines, "BlockIfTrue")


def test_a_window_that_is_open_is_the_reason():
    facts, finding = crash()
    deny = {"name": "freeze", "schedule": "0 12 * * *", "durationSeconds": 7200, "timeZone": "Europe/Berlin", "reason": "year end"}
    lines = told(facts, finding, runbooks=(runbook(windows={"deny": [deny]}),), zone_of=zone_of)
    assert has(lines, "InWindow", "year end", "2026-11-24 14:00 Europe/Berlin")


def test_a_short_trouble_is_no_incident_yet():
    facts, finding = crash()
    lines = told(facts, replace(finding, open_time=NOW + timedelta(seconds=20)))
    assert has(lines, "12:00:20.0", "an Incident is opened, if it holds until then")


def test_the_last_incident_is_mentioned():
    before, _ = stories.healed()
    assert has(told(builders.healthy_facts(), before=before), "before", "checkout-7f3kq: Resolved")


def test_a_workload_that_can_not_be_read_is_not_called_well():
    lines = recompute(replace(world(builders.healthy_facts(), None), target=UNKNOWN), None, RIGHTS).lines()
    assert has(lines, "not there, or it can't be read", "whether something is wrong can't be told")


def test_of_a_runbook_of_a_team_it_is_said_as_whom_it_acts_and_the_operators_rights_are_none_of_its():
    facts, finding = crash()
    one = runbook(service_account_name="healer")
    one = one.model_copy(update={"metadata": one.metadata.model_copy(update={"namespace": "shop"})})
    lines = told(facts, finding, asks=Asks(guards=True, missing_rights=("patch deployments.apps in shop",)), runbooks=(one,))
    assert has(lines, "roll-back-bad-rollout acts as system:serviceaccount:shop:healer, in shop alone")
    assert not has(lines, "MissingPermission")
    assert not has(told(facts, finding), "acts as")


def alert(**labels: str) -> AlertFacts:
    named = {"alertname": "HighErrors", "namespace": "shop", "deployment": "checkout"} | labels
    return AlertFacts(fingerprint=fingerprint(named), state="firing", labels=named, starts_time=NOW, received_time=NOW)


def for_alerts(name: str = "restart-on-errors", matcher: str = '{alertname="HighErrors", severity="page"}', **spec: Any) -> Runbook:
    """One that restarts, so that no revision has to be accused."""
    match = {"alerts": [matcher], "dwellSeconds": 60}
    return runbook(name, match=match, steps=[{"name": "again", "restart": {}}], **spec)


def supposed(
    facts: WorkloadFacts, finding: Finding | None = None, *, labels: dict[str, str] | None = None, asks: Asks = RIGHTS, **changes: Any
) -> list[str]:
    given = world(facts, finding, **({"runbooks": (for_alerts(), runbook()), "evaluate": CelEvaluate()} | changes))
    return suppose(given, alert(**({"severity": "page"} if labels is None else labels)), asks).lines()


def test_an_alert_that_is_supposed_shows_the_runbook_that_would_fit_and_when_it_would_act():
    lines = supposed(builders.healthy_facts())
    assert lines[0] == "deploy/checkout   shop   as of now, supposing that an alert fires   (times in UTC, 2026-11-24)"
    assert has(lines, 'an alert fires: {alertname="HighErrors", deployment="checkout", namespace="shop", severity="page"}', "nothing is written")
    assert has(lines, "its rule has `for` 120 s at least", "14 of 14 would pass")
    assert has(lines, "it opens an Incident about deploy/checkout, cause Alert", "restart-on-errors: restart the pods of deploy/checkout")
    assert has(lines, "restart-on-errors: due 12:01:00.0", "waits for 60 s", "roll-back-bad-rollout: no, OtherCause")
    assert not has(lines, "TargetHealthy"), "an alert that fires is a fault, whatever the pods show"


def test_of_an_alert_that_nothing_is_for_the_runbooks_are_counted_and_each_says_why_not_on_demand():
    lines = supposed(builders.healthy_facts(), labels={"severity": "info"})
    assert has(lines, "no Runbook: NoRunbookMatches", "2 Runbooks: no, OtherCause", "they are for other causes; --guards shows each")
    lines = supposed(builders.healthy_facts(), labels={"severity": "info"}, asks=Asks(guards=True, missing_rights=()))
    assert has(lines, "restart-on-errors: no, OtherCause", "roll-back-bad-rollout: no, OtherCause")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"storm_since": NOW - timedelta(seconds=5)}, "StormActive"),
        ({"runbooks": (for_alerts(mode="Observe"),)}, "ModeObserve"),
        ({"namespace": NamespaceFacts(name="shop")}, "ModeObserve"),
        ({"runbooks": (for_alerts(), for_alerts("other"))}, "RunbooksTied"),
    ],
)
def test_the_guard_that_would_refuse_an_alerts_plan_is_named(changes, reason):
    assert has(supposed(builders.healthy_facts(), **changes), reason)


def test_an_alert_beside_what_is_seen_is_judged_with_it():
    facts, finding = crash()
    lines = supposed(facts, finding)
    assert has(lines, "RolloutCrashLoop", "fit with the same priority")
    lines = supposed(facts, finding, runbooks=(for_alerts(priority=60), runbook()))
    assert has(lines, "restart-on-errors: restart", "considered", "roll-back-bad-rollout: no")


def test_an_alert_joins_the_open_incident_of_the_target():
    facts, finding = crash()
    given = world(facts, finding, runbooks=(for_alerts(),), evaluate=CelEvaluate())
    known = opened(finding, NOW)
    open_one = known.model_copy(update={"metadata": known.metadata.model_copy(update={"uid": "i", "name": "checkout-7f3kq"})})
    lines = suppose(replace(given, incident=open_one), alert(severity="page"), RIGHTS).lines()
    assert has(lines, "it joins Incident checkout-7f3kq", "restart-on-errors: restart")
