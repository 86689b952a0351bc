"""A target that Git manages is changed only while what manages it is held, and that ends by itself (R10, R25)."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import ROLL_BACK, runbook, shipped

from prunella.api.incident import Incident
from prunella.api.marks import MARKED_LABEL
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import Outcome
from prunella.api.remediation import Remediation
from prunella.api.runbook import RunbookStep, StepFailure

TTL = 900
HOLD = RunbookStep(name="hold", hold_git_ops={}, ttl_seconds=TTL)
AUTOMATED = {"prune": True, "selfHeal": True}
TRACKED = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}}
KEY = ("Application", "argocd", "shop")


async def broken(*steps, seconds=120.0, prepare=lambda _place: None):
    place = shop(runbook("book", *(steps or (HOLD, ROLL_BACK))))
    workload = place.cluster.create()
    workload.changes |= TRACKED
    meta = {"name": "shop", "namespace": "argocd", "uid": "u-app"}
    place.cluster.others[KEY] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": meta,
        "spec": {"syncPolicy": {"automated": AUTOMATED}},
    }
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    prepare(place)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(seconds)
    return place, workload, operator


def automated(place):
    return place.cluster.others[KEY]["spec"]["syncPolicy"].get("automated")


def changed(place):
    return [f"{effect.target.kind} {effect.target.name}" for _, effect in place.cluster.effects]


async def test_it_is_held_first_then_rolled_back_and_resumes_when_its_time_is_over():
    place, workload, operator = await broken()
    assert [effect.target.kind for _, effect in place.cluster.effects] == ["Application", "Deployment"]
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    assert operator.remediations[0].status.outcome is Outcome.REMEDIATED
    assert automated(place) is None
    await operator.run(TTL + 120)
    assert automated(place) == AUTOMATED
    meta = place.cluster.others[KEY]["metadata"]
    assert (MARK in meta["annotations"], MARKED_LABEL in meta["labels"]) == (False, False)
    await operator.close()


async def test_r25_it_ends_after_a_restart_and_though_every_record_of_it_is_gone():
    place, _, operator = await broken()
    await operator.close()
    for one in list(place.api.all(Remediation)):
        place.api.delete("Remediation", one.metadata.namespace or "", one.metadata.name)
    second = Operator(place)
    await second.run(TTL + 120)
    assert automated(place) == AUTOMATED
    await second.close()


async def test_r10_where_the_hold_was_skipped_or_failed_nothing_is_changed():
    skipped = RunbookStep(name="hold", hold_git_ops={}, ttl_seconds=TTL, when="target.ready > 100", on_failure=StepFailure(action="Continue"))
    place, _, operator = await broken(skipped, ROLL_BACK, seconds=300)
    assert place.cluster.effects == []
    assert operator.condition("RemediationAllowed") == ("False", "OwnedByGitOps")
    await operator.close()


async def test_r10_where_somebody_resumes_it_in_between_nothing_more_is_changed():
    def prepare(place):
        def resumed(when, _intent):
            if when == "after":
                place.cluster.others[KEY]["spec"]["syncPolicy"]["automated"] = AUTOMATED

        place.cluster.gate = resumed

    place, _, operator = await broken(prepare=prepare, seconds=300)
    assert [effect.target.kind for _, effect in place.cluster.effects] == ["Application"]
    await operator.close()


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
async def test_r11_a_lost_answer_holds_it_once(lost):
    def prepare(place):
        setattr(place.cluster, lost, 1)

    place, _, operator = await broken(prepare=prepare)
    assert [effect.target.kind for _, effect in place.cluster.effects] == ["Application", "Deployment"]
    await operator.close()


async def test_r25_people_are_not_asked_for_what_another_run_s_hold_forbids_and_are_once_it_is_released():
    """The shipped Runbook first asks whoever owns the repository, and people: neither while another workload's run holds the application."""
    place, _, operator = await broken()
    place.api.apply(shipped("hold-gitops-and-roll-back"))
    cart = place.cluster.create("cart")
    cart.changes |= {
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/cart"},
        "labels": {"prunella.dev/hold-gitops": "true"},
    }
    await operator.run(30)
    place.cluster.set_image(cart, "shop/app:2")
    await operator.run(300)

    def of_cart():
        return [one for one in place.api.all(Remediation) if one.spec.target_ref.name == "cart"]

    assert of_cart() == [], "nobody is asked"
    [waits] = [one for one in place.api.all(Incident) if one.spec.target_ref.name == "cart"]
    [told] = [one for one in waits.status.conditions if one.type == "RemediationAllowed"]
    assert (told.status, told.reason) == ("False", "OwnedByGitOps")
    assert "is held by another run (" in told.message
    await operator.run(TTL)
    [asks] = of_cart()
    assert (asks.spec.runbook_ref.name, asks.status.approval_deadline_time is not None) == ("hold-gitops-and-roll-back", True)
    assert asks.status.diff, "and are shown what it would change"
    await operator.close()


async def test_r25_another_run_for_the_same_application_waits_until_the_first_has_released_it_and_then_holds_it_itself():
    place, _, operator = await broken()
    cart = place.cluster.create("cart")
    cart.changes |= {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/cart"}}
    await operator.run(30)
    place.cluster.set_image(cart, "shop/app:2")
    await operator.run(300)
    assert changed(place) == ["Application shop", "Deployment checkout"]
    [waits] = [one for one in place.api.all(Incident) if one.spec.target_ref.name == "cart"]
    [told] = [one for one in waits.status.conditions if one.type == "RemediationAllowed"]
    assert (told.status, told.reason) == ("False", "OwnedByGitOps")
    assert "is held by another run (" in told.message
    await operator.run(TTL)
    assert changed(place)[2:] == ["Application shop", "Application shop", "Deployment cart"], "the first's end, and a hold of its own"
    assert automated(place) is None
    await operator.run(TTL + 120)
    assert automated(place) == AUTOMATED
    await operator.close()
