"""Runs that tell: a message is queued once whatever dies in between, wakes nobody, and a Runbook that only tells changes nothing and ends."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator
from tests.fakes.runbooks import shipped

from prunella.api.names import MessageKind, Outcome, StepState
from prunella.api.runbook import RunbookStep

from .test_heals import rolled_out
from .test_runs import RESTART, book, stands

ARGO = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}
REQUEST = "request-revert-of-gitops-rollout"


def tell(receiver=None, message="${target.name}: ${incident.cause}"):
    return RunbookStep(name="tell", notify={"receiver": receiver, "message": message})


def notices(place):
    return [(one.receiver, one.text.splitlines()[0]) for one in place.deliver.sent if one.kind is MessageKind.NOTICE]


@pytest.mark.parametrize(("receiver", "whom"), [("ops", "ops"), (None, "releases")], ids=["a receiver", "the owner's notices"])
async def test_a_message_is_sent_on_the_way_and_the_run_goes_on(receiver, whom):
    place, _, operator = await rolled_out(book(tell(receiver), RESTART), seconds=20)
    assert stands(operator) == [("tell", StepState.APPLIED), ("restart", StepState.APPLIED)]
    assert notices(place)[0] == (whom, "checkout: RolloutCrashLoop")
    assert [one for one in notices(place) if "RolloutCrashLoop" in one[1]] == notices(place)[:1]
    assert place.deliver.to(MessageKind.PAGE) == []
    await operator.close()


async def test_a_receiver_that_is_not_there_is_seen_on_the_incident():
    _, _, operator = await rolled_out(book(tell("opps"), RESTART), seconds=20)
    [message] = [one for one in operator.incident.status.escalation.messages if one.receiver == "opps"]
    assert message.state == "Failed"
    assert message.error == "HealingPolicy `default` names no receiver 'opps'; add it to spec.receivers"
    assert stands(operator)[-1] == ("restart", StepState.APPLIED)
    await operator.close()


async def owned(*books, seconds=60.0, **policy):
    place, workload, operator = await rolled_out(*books, seconds=0, **policy)
    workload.raw["metadata"]["annotations"] = ARGO
    workload.changes["annotations"] = ARGO
    await operator.run(seconds)
    return place, operator


@pytest.fixture
def both():
    return shipped(REQUEST), shipped()


async def test_where_git_owns_the_workload_a_revert_is_asked_for_once_and_nothing_is_changed(both):
    place, operator = await owned(*both, seconds=300)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, attempt.spec.runbook_ref.name) == (Outcome.SIMULATED, REQUEST)
    assert attempt.status.started_time is None, "it spends no attempt"
    assert attempt.status.diff.splitlines() == ["spec.containers[app].image: shop/app:2 -> shop/app:1"]
    assert place.cluster.effects == []
    [asked] = [text for receiver, text in notices(place) if text.startswith("Please revert")]
    assert asked.startswith("Please revert shop/deploy/checkout in Git (Argo CD's application shop): revision 2 (")
    assert operator.condition("RemediationAllowed") == ("False", "OwnedByGitOps")
    assert operator.condition("Mitigated")[0] == "False"
    assert "RemediationSuggested" in operator.told()
    assert "primary" in place.deliver.to(MessageKind.PAGE), "asking heals nothing, so people are called as ever"
    await operator.close()


async def test_a_restart_of_the_operator_asks_for_no_second_revert(both):
    place, operator = await owned(*both)
    await operator.close()
    again = Operator(place)
    await again.run(120)
    assert len(again.remediations) == 1
    assert len([text for _, text in notices(place) if text.startswith("Please revert")]) == 1
    await again.close()


async def test_where_nothing_owns_it_the_rollback_is_made_and_nobody_is_asked(both):
    place, _, operator = await rolled_out(*both)
    assert operator.condition("Resolved") == ("True", "Verified")
    assert [text for _, text in notices(place) if text.startswith("Please revert")] == []
    await operator.close()


async def test_in_a_mode_of_suggest_the_request_is_shown_and_not_sent(both):
    place, operator = await owned(*both, mode="Suggest")
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.SIMULATED
    assert attempt.status.diff.splitlines() == ["spec.containers[app].image: shop/app:2 -> shop/app:1"]
    assert operator.condition("RemediationAllowed") == ("False", "ModeSuggest")
    assert [text for _, text in notices(place) if text.startswith("Please revert")] == []
    await operator.close()


async def test_once_the_mode_is_raised_what_was_only_shown_is_sent(both):
    place, operator = await owned(*both, mode="Suggest", seconds=90)
    place.policy()
    await operator.run(90)
    assert len(operator.remediations) == 2
    assert len([text for _, text in notices(place) if text.startswith("Please revert")]) == 1
    assert operator.condition("RemediationAllowed") == ("False", "OwnedByGitOps")
    await operator.close()


async def test_a_message_that_a_crash_kept_from_being_queued_is_queued_by_the_next_process(both):
    place, operator = await owned(*both, seconds=0)
    put = place.api.put_incident_status

    async def dies(incident):
        if any("told" in one.key for one in incident.status.escalation.messages):
            raise KeyboardInterrupt
        return await put(incident)

    place.api.put_incident_status = dies
    with pytest.raises(KeyboardInterrupt):
        await operator.run(60)
    place.api.put_incident_status = put
    assert notices(place) == []
    again = Operator(place)
    await again.run(60)
    assert len([text for _, text in notices(place) if text.startswith("Please revert")]) == 1
    await again.close()
