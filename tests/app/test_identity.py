"""A Runbook of a team acts as its account: in every request, after a crash as well, and in its own namespace alone."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator
from tests.fakes.runbooks import runbook, shipped

from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.api.names import Outcome
from prunella.api.remediation import Remediation
from prunella.core.healing.runbooks.identity import OURSELVES, Account
from prunella.core.healing.runs.measures import read

from .test_heals import rolled_out
from .test_measures import MORE, TTL
from .test_once_only import Killed
from .test_runs import book

HEALER = Account("shop", "healer")


def of_team(*steps, **spec):
    """A Runbook of the team that owns `shop`."""
    return runbook("heal", *steps, namespace="shop", **({"service_account_name": "healer"} | spec))


def said(one):
    """Why an attempt does nothing."""
    return next((condition.reason for condition in one.status.conditions if condition.type == "RemediationAllowed"), None) or one.status.message


async def test_everything_that_is_sent_is_sent_as_the_account():
    place, _, operator = await rolled_out(of_team(), seconds=120)
    [one] = operator.remediations
    assert one.status.outcome is Outcome.REMEDIATED
    assert one.spec.runbook_ref.service_account_name == "healer"
    assert len(place.cluster.effects) == 1
    assert place.cluster.hand_backs == 1
    assert place.cluster.dry_runs > 0
    assert set(place.cluster.acted) == {HEALER}, "dry run, effect and hand-back"
    await operator.close()


async def test_a_runbook_of_the_operators_namespace_goes_on_acting_as_the_operator():
    place, _, operator = await rolled_out(shipped(), seconds=120)
    assert set(place.cluster.acted) == {OURSELVES}
    assert operator.remediations[0].spec.runbook_ref.service_account_name is None
    await operator.close()


async def test_what_the_account_may_not_do_is_not_done_by_the_operator_instead():
    place, _, operator = await rolled_out(of_team(), seconds=0)
    place.cluster.poor = {(HEALER.user, "patch", "deployments")}
    await operator.run(120)
    assert operator.condition("RemediationAllowed") == ("False", "MissingPermission")
    said = next(one.message for one in operator.incident.status.conditions if one.type == "RemediationAllowed")
    assert "system:serviceaccount:shop:healer may not patch deployments.apps in shop" in said
    assert "`kubectl create rolebinding healer-prunella-remediate -n shop" in said
    assert place.cluster.effects == []
    place.cluster.poor = set()
    await operator.run(60)
    assert len(place.cluster.effects) == 1, "once it is granted, it goes on"
    await operator.close()


async def test_without_the_right_to_impersonate_nothing_is_asked_and_nothing_is_done():
    place, _, operator = await rolled_out(of_team(), seconds=0)
    place.cluster.lent = set()
    await operator.run(120)
    assert operator.condition("RemediationAllowed") == ("False", "MissingPermission")
    said = next(one.message for one in operator.incident.status.conditions if one.type == "RemediationAllowed")
    assert f"Prunella may not {', '.join(HEALER.needed)}; `kubectl create role prunella-as-healer -n shop" in said
    assert (place.cluster.acted, place.cluster.asked) == ([], [])
    await operator.close()


async def test_a_right_that_goes_between_the_review_and_the_effect_ends_the_run_and_nobody_else_does_it():
    place, _, operator = await rolled_out(of_team(), seconds=0)

    def taken_away(when: str, intent: str) -> None:
        if when == "before" and intent:
            place.cluster.poor = {(HEALER.user, "patch", "deployments")}

    place.cluster.gate = taken_away
    await operator.run(120)
    assert operator.remediations[0].status.outcome is Outcome.ABORTED
    assert place.cluster.effects == []
    assert set(place.cluster.acted) == {HEALER}
    await operator.close()


async def test_its_runbook_is_for_no_other_namespace():
    theirs = of_team()
    theirs = theirs.model_copy(update={"metadata": theirs.metadata.model_copy(update={"namespace": "pay"})})
    place, _, operator = await rolled_out(theirs)
    await operator.run(120)
    assert operator.condition("RemediationAllowed") == ("False", "NoRunbookMatches")
    assert [one.about for one in operator.incident.status.decisions] == [], "nor is it told there"
    assert (operator.remediations, place.cluster.acted) == ([], [])
    await operator.close()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_after_a_crash_it_goes_on_as_the_same_account(moment):
    place, _, operator = await rolled_out(of_team(), seconds=0)

    def dies(when: str, intent: str) -> None:
        if when == moment and intent:
            raise Killed

    place.cluster.gate = dies
    with pytest.raises(Killed):
        await operator.run(120)
    await operator.close()
    place.cluster.gate = lambda _when, _intent: None
    second = Operator(place)
    await second.run(120)
    assert second.remediations[0].status.outcome is Outcome.REMEDIATED
    assert len(place.cluster.effects) == 1
    assert set(place.cluster.acted) == {HEALER}
    await second.close()


async def test_with_its_runbook_gone_what_is_left_to_do_is_done_as_the_account_that_did_it():
    place, _, operator = await rolled_out(of_team(), seconds=14)
    assert place.cluster.effects, "it is verified now"
    place.api.delete("Runbook", "shop", "heal")
    await operator.run(60)
    assert operator.remediations[0].status.outcome is Outcome.ABORTED
    assert place.cluster.hand_backs == 1
    assert set(place.cluster.acted) == {HEALER}
    await operator.close()


@pytest.mark.parametrize(
    ("account", "target", "reason"),
    [
        (None, "shop", "Runbook heal is gone or was changed during the run"),
        ("healer", "pay", "ServiceAccountUnsupported"),
    ],
    ids=["blanked", "another namespace"],
)
async def test_an_attempt_that_does_not_say_as_whom_it_acts_or_reaches_elsewhere_does_nothing(account, target, reason):
    """Nobody can store such a one but the operator itself: what if something had gone wrong there?"""
    place, _, operator = await rolled_out(of_team(), seconds=0)
    real = place.api.create_remediation

    async def spoilt(made: Remediation) -> Remediation:
        ref = made.spec.runbook_ref.model_copy(update={"service_account_name": account})
        spec = made.spec.model_copy(update={"runbook_ref": ref, "target_ref": made.spec.target_ref.model_copy(update={"namespace": target})})
        return await real(made.model_copy(update={"spec": spec}))

    place.api.create_remediation = spoilt  # type: ignore[method-assign] # the fake's own
    await operator.run(60)
    assert place.cluster.effects == []
    assert OURSELVES not in place.cluster.acted
    assert {said(one) for one in operator.remediations} == {reason}
    await operator.close()


async def test_a_measure_is_taken_back_by_the_account_though_every_record_is_gone():
    one = book(MORE)
    one = one.model_copy(
        update={
            "metadata": one.metadata.model_copy(update={"namespace": "shop"}),
            "spec": one.spec.model_copy(update={"service_account_name": "healer"}),
        }
    )
    place, workload, operator = await rolled_out(one, seconds=100)
    mark = read(workload.annotations[TEMPORARY_ANNOTATION])
    assert mark is not None
    assert mark.account == "healer"
    place.api.delete("Runbook", "shop", one.metadata.name)
    for made in list(place.api.all(Remediation)):
        place.api.delete("Remediation", made.metadata.namespace or "", made.metadata.name)
    await operator.run(TTL)
    assert TEMPORARY_ANNOTATION not in workload.annotations
    assert set(place.cluster.acted) == {HEALER}
    await operator.close()
