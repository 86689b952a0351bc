"""What is read beside something else and not after it: how many requests that saves, and that no order of the answers makes anything wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook, shipped
from tests.fakes.tenure import Sole
from tests.fakes.virtual import in_virtual_time

from prunella.api.incident import Incident
from prunella.api.names import Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.runbook import RunbookStep
from prunella.app.errors import Permanent
from prunella.app.keys import IncidentKey
from prunella.app.listing import Listing
from prunella.core.facts import UNKNOWN
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps.escalate import Escalate

LIVE = ("look", "namespace", "may", "template", "raw", "healthy", "apply", "settle")
STORE = (
    "incident",
    "remediation",
    "remediations_in",
    "create_remediation",
    "put_remediation_status",
    "put_incident_status",
    "healing_policy",
    "record",
)


async def due(kind: str = "Deployment", *, bare: bool = False):
    """An attempt is due with the next pass, and everything that it needs was prepared. `bare`: a target without annotations."""
    place = shop(shipped())
    workload = place.cluster.create(kind=kind)
    if bare:
        del workload.raw["metadata"]["annotations"]
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(12.5)
    assert operator.remediations == []
    place.clock.advance(1)
    place.cluster.changed(workload)
    key = IncidentKey("shop", operator.incident.metadata.name)
    return place, workload, operator, key


class Wire:
    """Lets every request take a second of the loop's time, and keeps which went when."""

    def __init__(self, place: Place) -> None:
        self.sent: list[tuple[str, float]] = []
        for port, names in ((place.cluster, LIVE), (place.api, STORE)):
            for name in names:
                setattr(port, name, self._slow(name, getattr(port, name)))

    def _slow(self, name: str, real: Any) -> Any:
        async def slow(*args: Any, **kwargs: Any) -> Any:
            self.sent.append((name, asyncio.get_running_loop().time()))
            await asyncio.sleep(2 if name == "look" else 1)  # a look at a workload is its own read, then those of its pods and revisions
            return await real(*args, **kwargs)

        return slow

    def times(self) -> dict[float, set[str]]:
        start = self.sent[0][1]
        return {time - start: {name for name, at in self.sent if at == time} for _, time in self.sent}


async def pass_of(operator: Operator, key: IncidentKey) -> None:
    await operator.reconciler.reconcile(key)


def test_from_a_fault_that_is_due_to_its_effect_six_requests_come_one_after_the_other():
    """As docs/design/performance.md counts them."""

    async def main() -> None:
        place, _, operator, key = await due()
        wire = Wire(place)
        effects: list[float] = []
        place.cluster.gate = lambda when, intent: (
            effects.append(asyncio.get_running_loop().time()) if (when, bool(intent)) == ("after", True) else None
        )
        await pass_of(operator, key)
        assert len(place.cluster.effects) == 1
        times = {time: names for time, names in wire.times().items() if time <= 6}
        start = wire.sent[0][1]
        effect = times.pop(5)
        assert [effect, effects[0] - start] == [{"apply"}, 6]
        assert times.pop(0) == {"incident", "remediations_in"}
        assert times.pop(1) == {"create_remediation"}
        assert times.pop(2) >= {"look", "may", "template", "remediations_in", "healing_policy", "namespace", "healthy", "record"}
        assert times.pop(4) == {"put_remediation_status"}
        assert set(times) <= {6}, times
        sent = Counter(name for name, at in wire.sent if at - start < 6)
        assert sent["remediations_in"] == 2, "with the Incident, and anew with the target"
        assert (sent["look"], sent["raw"], sent["template"], sent["settle"]) == (1, 0, 1, 0)
        await operator.close()

    in_virtual_time(main())


async def test_a_pass_without_an_attempt_lists_the_attempts_once():
    place, _, operator, key = await due()
    await operator.run(120)
    place.api.annotate("Incident", "shop", key.name, **{"prunella.dev/retry": "ana-1"})
    lists: list[str] = []
    real = place.api.remediations_in

    async def counted(namespace: str) -> Listing:
        lists.append(namespace)
        return await real(namespace)

    place.api.remediations_in = counted  # type: ignore[method-assign] # the fake's own
    await operator.reconciler.reconcile(key)
    assert lists == ["shop"]
    await operator.close()


# the list of attempts beside the Incident


async def crossed(version: str | None):
    """The attempts are listed, then another process does it all, then the Incident is read. `version` is the list's, if not its own."""
    place, _, first, key = await due()
    second = Operator(place, Sole(epoch=2))
    read_list, read_incident = place.api.remediations_in, place.api.incident
    listed, lists = asyncio.Event(), [0]

    async def early(namespace: str) -> Listing:
        if crossing[0] or listed.is_set():
            lists[0] += not crossing[0]
            return await read_list(namespace)
        lists[0] += 1
        old = await read_list(namespace)
        crossing[0] = True
        await second.reconciler.reconcile(key)
        crossing[0] = False
        listed.set()
        return old if version is None else Listing(old.attempts, version)

    async def late(namespace: str, name: str) -> Incident | None:
        if not crossing[0]:
            await listed.wait()
        return await read_incident(namespace, name)

    crossing = [False]
    place.api.remediations_in, place.api.incident = early, late  # type: ignore[method-assign] # the fake's own
    return place, first, second, key, lists


async def test_attempts_that_are_older_than_the_incident_are_listed_again():
    place, first, second, key, lists = await crossed(None)
    await first.reconciler.reconcile(key)
    assert lists[0] > 1
    assert first.condition("RemediationAllowed") == ("True", "Allowed"), "what the other process did is known"
    assert len(first.remediations) == len(place.cluster.effects) == 1
    await first.run(120)
    assert [one.status.outcome for one in first.remediations] == [Outcome.REMEDIATED]
    await first.close()
    await second.close()


async def test_without_that_the_incident_would_say_what_is_not_true():
    """The twin: a list that says that it is new is believed, and the write passes its compare-and-swap."""
    place, first, second, key, lists = await crossed("999999999")
    await first.reconciler.reconcile(key)
    assert lists == [1]
    assert first.condition("RemediationAllowed") == ("False", "TargetHealthy"), "as if nothing had been done"
    assert len(first.remediations) == len(place.cluster.effects) == 1, "even so nothing is done twice"
    await first.close()
    await second.close()


async def test_a_name_that_is_taken_by_an_attempt_that_the_list_did_not_show_yet_is_gone_on_with_at_once():
    place, _, first, key = await due()
    second = Operator(place, Sole(epoch=2))
    real, seen = place.api.remediations_in, []

    def dies(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("after", "create") and what.startswith("Remediation/"):
            raise Permanent("the process died here")

    place.api.gate = dies
    with pytest.raises(Permanent):
        await second.reconciler.reconcile(key)
    place.api.gate = lambda *_: None

    async def before_it(namespace: str) -> Listing:
        seen.append(namespace)
        return Listing((), "999999999") if len(seen) == 1 else await real(namespace)

    place.api.remediations_in = before_it  # type: ignore[method-assign] # the fake's own
    place.view.remediations = list  # type: ignore[method-assign] # the cache does not show it either
    await first.reconciler.reconcile(key)
    assert len(first.remediations) == len(place.cluster.effects) == 1
    await first.close()
    await second.close()


async def test_where_the_incident_is_gone_nobody_needs_the_list_that_failed():
    place, _, operator, key = await due()
    place.api.delete("Incident", *key)

    async def unreadable(_: str) -> Listing:
        raise Permanent("Remediation shop/other-1 can't be read")

    place.api.remediations_in = unreadable  # type: ignore[method-assign] # the fake's own
    await operator.reconciler.reconcile(key)
    assert key not in operator.reconciler._mail
    await operator.close()


async def test_a_list_that_failed_is_no_empty_list():
    place, _, operator, key = await due()

    async def unreadable(_: str) -> Listing:
        raise Permanent("Remediation shop/other-1 can't be read")

    place.api.remediations_in = unreadable  # type: ignore[method-assign] # the fake's own
    place.api.writes.clear()
    with pytest.raises(Permanent, match="other-1 can't be read"):
        await operator.reconciler.reconcile(key)
    assert (place.api.writes, place.cluster.effects) == ([], [])
    await operator.close()


@pytest.mark.parametrize("hangs", [("incident", "remediations_in"), ("look", "may", "template")], ids=["with the Incident", "with the target"])
async def test_a_pass_that_is_cancelled_leaves_nothing_behind(hangs):
    place, _, operator, key = await due()
    begun, ended = [], []

    def hang(name: str) -> Any:
        async def never(*_: Any, **__: Any) -> None:
            begun.append(name)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        return never

    for name in hangs:
        setattr(place.api if hasattr(place.api, name) else place.cluster, name, hang(name))
    others = asyncio.all_tasks()
    task = asyncio.create_task(operator.reconciler.reconcile(key))
    for _ in range(50):
        await asyncio.sleep(0)
    assert sorted(begun) == sorted(hangs)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert sorted(ended) == sorted(hangs)
    assert asyncio.all_tasks() == others
    await operator.close()


# rights and the template beside the target


def answering(place: Place, answer: Any) -> None:
    """Once the attempt is there, a review of rights is answered so."""
    real = place.cluster.may

    async def may(*asked: Any, **more: Any) -> Any:
        if not place.api.all(Remediation):
            return await real(*asked, **more)
        if isinstance(answer, Exception):
            raise answer
        return answer

    place.cluster.may = may  # type: ignore[method-assign] # the fake's own


def after_the_create(place: Place, change: Any) -> None:
    def gate(when: str, verb: str, what: str) -> None:
        if (when, verb) == ("after", "create") and what.startswith("Remediation/"):
            change()

    place.api.gate = gate


@pytest.mark.parametrize(
    ("answer", "reason"), [(False, "MissingPermission"), (UNKNOWN, "EvidenceMissing")], ids=["a right is missing", "nobody says whether it is there"]
)
async def test_a_review_beside_the_target_refuses_as_one_after_it(answer, reason):
    place, _, operator, key = await due()
    answering(place, answer)
    await operator.reconciler.reconcile(key)
    [attempt] = operator.remediations
    allowed = next(one for one in attempt.status.conditions if one.type == "RemediationAllowed")
    assert (attempt.status.phase, allowed.reason) == (RemediationPhase.PENDING, reason)
    assert attempt.status.started_time is None, "no attempt is spent"
    assert place.cluster.effects == []
    await operator.close()


@pytest.mark.parametrize("answer", [False, UNKNOWN, LookupError("a bug")], ids=["missing", "not known", "an error of ours"])
async def test_where_the_target_is_gone_that_is_the_reason_whatever_the_review_says(answer):
    place, workload, operator, key = await due()
    answering(place, answer)
    after_the_create(place, lambda: place.cluster.remove(workload))
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    await operator.reconciler.reconcile(key)
    [attempt] = operator.remediations
    assert (attempt.status.outcome, told) == (Outcome.STALE, [])
    await operator.close()


async def test_an_error_of_a_review_that_is_wanted_is_raised_and_nothing_is_done():
    place, _, operator, key = await due()
    answering(place, LookupError("a bug"))
    with pytest.raises(LookupError):
        await operator.reconciler.reconcile(key)
    assert place.cluster.effects == []
    await operator.close()


async def test_a_review_for_another_runbook_than_the_plans_is_not_believed():
    place, _, operator, key = await due()
    after_the_create(place, lambda: place.cluster.forbidden.add(("patch", "deployments")))
    await operator.reconciler.reconcile(key)
    [attempt] = operator.remediations
    mail = operator.reconciler._mail[key]
    assert mail.preparation is not None
    mail.preparation = replace(mail.preparation, missing_rights=())
    harmless = runbook("page", RunbookStep(name="page", escalate=Escalate()))
    permit = operator.reconciler._runner._permit
    refused = await permit.ask(operator.incident, attempt, harmless, mail)
    assert isinstance(refused, Refusal)
    assert refused.reason == "MissingPermission"
    await operator.close()


async def test_what_was_prepared_for_another_plan_is_asked_anew():
    """Rights and the dry run: the attempt's plan is not the one that was prepared."""
    place, _, operator, key = await due()

    def other() -> None:
        mail = operator.reconciler._mail[key]
        assert mail.preparation is not None
        mail.preparation = replace(mail.preparation, plan_hash="another", to=None)

    after_the_create(place, other)
    dry_runs, reviews = place.cluster.dry_runs, len(place.cluster.asked)
    await operator.reconciler.reconcile(key)
    assert (place.cluster.dry_runs, len(place.cluster.asked), len(place.cluster.effects)) == (dry_runs + 1, reviews + 1, 1), "once each"
    await operator.close()


@pytest.mark.parametrize("how", ["of another revision", "not readable at first"])
async def test_a_template_that_was_read_beside_the_target_and_is_not_the_one_is_read_again(how):
    place, workload, operator, key = await due()
    real, reads = place.cluster.template, []

    async def template(kind: str, revision: Any) -> Any:
        reads.append(revision.number)
        return UNKNOWN if how == "not readable at first" and len(reads) == 1 else await real(kind, revision)

    def other() -> None:
        mail = operator.reconciler._mail[key]
        assert mail.preparation is not None
        if how == "of another revision":
            mail.preparation = replace(mail.preparation, to=workload.revisions[0][0])
        place.cluster.template = template  # type: ignore[method-assign] # the fake's own

    after_the_create(place, other)
    await operator.reconciler.reconcile(key)
    assert reads == ([2, 1] if how == "of another revision" else [1, 1])
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:1"
    await operator.close()


# one look at the target


async def test_what_a_person_rolls_out_after_the_look_is_never_overwritten():
    """The request insists on the template that was judged, and not on one that was read after it."""
    place, workload, operator, key = await due()
    real = place.cluster.look

    async def edited(ref: Any) -> Any:
        seen = await real(ref)
        if place.api.all(Remediation):
            place.cluster.look = real  # type: ignore[method-assign] # the fake's own
            place.cluster.set_image(workload, "shop/app:3")
        return seen

    place.cluster.look = edited  # type: ignore[method-assign] # the fake's own
    await operator.reconciler.reconcile(key)
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:3"
    assert place.cluster.effects == []
    assert operator.remediations[0].status.outcome is Outcome.SUPERSEDED
    await operator.close()


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("bare", [False, True], ids=["with annotations", "without annotations"])
@pytest.mark.parametrize("meanwhile", ["nothing", "they appear or vanish"])
async def test_annotations_that_come_or_go_between_the_look_and_the_patch_neither_stop_it_nor_do_it_twice(kind, bare, meanwhile):
    place, workload, operator, _ = await due(kind, bare=bare)
    tries: list[str] = []

    def change(when: str, intent: str) -> None:
        if when != "before" or not intent:
            return
        tries.append(intent)
        if meanwhile != "nothing" and len(tries) == 1:
            if bare:
                workload.raw["metadata"]["annotations"] = {"team": "shop"}
            else:
                del workload.raw["metadata"]["annotations"]

    place.cluster.gate = change
    await operator.run(150)
    [attempt] = operator.remediations
    intents = [intent for intent, _ in place.cluster.effects]
    assert attempt.status.outcome is Outcome.REMEDIATED
    assert len(intents) == len(set(intents)) == (2 if kind == "StatefulSet" else 1)
    assert tries == (intents if meanwhile == "nothing" else [intents[0], *intents]), "refused once, then done under the same intent"
    assert workload.annotations["prunella.dev/intent-id"] == intents[0]
    assert ("team" in workload.annotations) == (bare and meanwhile != "nothing"), "theirs stays"
    await operator.close()


async def test_a_person_who_rolls_out_with_the_annotations_wins():
    place, workload, operator, _ = await due(bare=True)

    def both(when: str, intent: str) -> None:
        place.cluster.gate = lambda _when, _intent: None
        workload.raw["metadata"]["annotations"] = {"team": "shop"}
        place.cluster.set_image(workload, "shop/app:3")

    place.cluster.gate = both
    await operator.run(60)
    assert workload.template["spec"]["containers"][0]["image"] == "shop/app:3"
    assert (place.cluster.effects, operator.remediations[0].status.outcome) == ([], Outcome.SUPERSEDED)
    await operator.close()
