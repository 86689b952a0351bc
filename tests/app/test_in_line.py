"""Who stands in line asks the API server nothing until something follows, and a proof nothing but how its target is.

What a person says meanwhile, or the cluster shows, is heard all the same.
"""

from __future__ import annotations

from tests.core.healing_builders import attempt
from tests.core.incident_builders import entry
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import HEALTHY, ROLL_BACK, runbook

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import Concurrency, Storm
from prunella.api.incident import Incident, Message
from prunella.api.incident_spec import Acknowledgement, Hold
from prunella.api.names import MessageKind, MessageState, Outcome, RemediationPhase
from prunella.api.remediation import IncidentRef
from prunella.api.runbook import Verify
from prunella.app.in_line import BELIEVED
from prunella.app.keys import IncidentKey
from prunella.core.draft import Draft
from prunella.core.facts import Look, UnknownT

WORKLOADS = 3
PROOF_SECONDS = 60
ALL_SECONDS = (PROOF_SECONDS + 30) * WORKLOADS
"""How long it takes until each had its turn, at most."""


async def lined_up(*, seconds: float = 60, proof: int = PROOF_SECONDS) -> tuple[Place, Operator, list[FakeWorkload]]:
    """Some that fail alike, of which one is proved for minutes and the others stand in line; which of them is known by the effect."""
    slow = Verify(stabilize_seconds=proof, interval_seconds=5, successes=2, timeout_seconds=proof + 60, checks=(HEALTHY,))
    place = shop(runbook("back", ROLL_BACK, verify=slow), storm=Storm(min_workloads=1000), concurrency=Concurrency(per_namespace=1, per_cluster=1))
    made = [place.cluster.create(f"w{number}") for number in range(WORKLOADS)]
    for number in range(WORKLOADS):
        place.api.apply(entry(f"w{number}", tier=4, labels={"app": f"w{number}"}, policy=None))
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for one in made:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(seconds)
    assert len(place.cluster.effects) == 1, "one is at work"
    return place, operator, made


def waiting(place: Place) -> dict[str, Incident]:
    """Those that stand in line, by the name of their workload."""
    return {one.spec.target_ref.name: one for one in place.api.all(Incident) if reason(one) == "ConcurrencyReached"}


def reason(one: Incident) -> str:
    return next((found.reason for found in one.status.conditions if found.type == "RemediationAllowed"), "")


async def just_read(place: Place, operator: Operator) -> Incident:
    """The one that is next, which looks again each second, as soon as it was read live once more."""
    uid = min(operator.gatherer.turns.waiting(), key=lambda one: (one.priority, one.since, one.uid)).uid
    one = next(one for one in place.api.all(Incident) if one.metadata.uid == uid)
    place.api.reads.clear()
    for _ in range(60):
        await operator.run(1)
        if place.api.reads[one.metadata.name]:
            break
    assert one.metadata.name in {waits.metadata.name for waits in waiting(place).values()}
    place.api.reads.clear()
    return one


def say(place: Place, incident: Incident, **words: object) -> None:
    """A person says so."""
    stored = place.api.objects["Incident", "shop", incident.metadata.name]
    assert isinstance(stored, Incident)
    place.api.apply(stored.model_copy(update={"spec": stored.spec.model_copy(update=words)}))


async def test_who_stands_in_line_is_looked_at_often_read_twice_a_minute_at_most_and_written_never():
    """All have been paged for before: a page that is due is something that follows."""
    place, operator, _ = await lined_up(seconds=150, proof=400)
    line = waiting(place)
    assert len(line) == WORKLOADS - 1
    place.api.reads.clear()
    place.telemetry.seen.clear()
    writes = len(place.api.writes)
    await operator.run(60)
    looks = sum(name == "reconcile_duration_seconds" for name, *_ in place.telemetry.seen)
    reads = {one.metadata.name: place.api.reads[one.metadata.name] for one in line.values()}
    assert all(1 <= count <= 60 / BELIEVED.total_seconds() for count in reads.values()), "each is read when what is kept is half a minute old"
    assert looks >= 5 * sum(reads.values())
    assert len(place.api.writes) == writes
    await operator.close()


async def test_everything_is_read_anew_before_whoever_is_next_acts_and_all_are_healed():
    place, operator, _ = await lined_up()
    line = waiting(place)
    place.api.reads.clear()
    await operator.run(ALL_SECONDS)
    assert sorted(effect.target.name for _, effect in place.cluster.effects) == sorted({*line, place.cluster.effects[0][1].target.name})
    assert all(one.status.outcome is Outcome.REMEDIATED for one in operator.remediations)
    assert all(place.api.reads[one.metadata.name] for one in line.values())
    await operator.close()


async def test_a_hold_is_heard_in_line():
    place, operator, _ = await lined_up()
    name, one = next(iter(waiting(place).items()))
    say(place, one, hold=Hold(by="ana", reason="I am at it"))
    await operator.run(1)
    assert name not in waiting(place)
    await operator.run(ALL_SECONDS)
    assert name not in {effect.target.name for _, effect in place.cluster.effects}
    assert len(place.cluster.effects) == WORKLOADS - 1, "the others had their turns"
    await operator.close()


async def test_a_hold_that_no_watch_told_of_is_seen_when_the_turn_has_come():
    place, operator, _ = await lined_up()
    name, one = next(iter(waiting(place).items()))
    place.view.miss("Incident", "shop", one.metadata.name)
    say(place, one, hold=Hold(by="ana", reason="I am at it"))
    await operator.run(ALL_SECONDS)
    assert name not in {effect.target.name for _, effect in place.cluster.effects}
    assert len(place.cluster.effects) == WORKLOADS - 1
    await operator.close()


async def test_a_hold_that_no_watch_told_of_is_heard_as_soon_as_the_last_in_line_would_have_been():
    place, operator, _ = await lined_up(proof=400)
    name, one = list(waiting(place).items())[-1]
    place.view.miss("Incident", "shop", one.metadata.name)
    say(place, one, hold=Hold(by="ana", reason="I am at it"))
    await operator.run(BELIEVED.total_seconds() + 10)
    assert name not in waiting(place)
    await operator.close()


async def test_while_a_watch_is_silent_nothing_that_is_kept_is_believed():
    """That of Incidents is: a person's word would not come through."""
    place, operator, _ = await lined_up(proof=400)
    one = await just_read(place, operator)
    place.view.silent = ["Incident"]
    await operator.run(5)
    assert place.api.reads[one.metadata.name] >= 2
    await operator.close()


async def test_an_attempt_that_the_watch_shows_no_more_is_believed_no_more():
    place, operator, _ = await lined_up(proof=400)
    one = await just_read(place, operator)
    key, name = IncidentKey("shop", one.metadata.name), f"{one.metadata.name}-1"
    over = attempt(
        outcome=Outcome.STALE,
        phase=RemediationPhase.CANCELLED,
        name=name,
        incident_ref=IncidentRef(name=key.name, uid=one.metadata.uid),
        target_ref=one.spec.target_ref,
    )
    place.api.objects["Remediation", "shop", name] = over
    await operator.run(3)
    assert place.api.reads[key.name], "it is read again with its attempt"
    place.api.reads.clear()
    await operator.run(5)
    assert place.api.reads[key.name] == 0, "and kept with it"
    del place.api.objects["Remediation", "shop", name]
    await operator.run(3)
    assert place.api.reads[key.name]
    await operator.close()


async def test_a_message_that_nobody_is_sending_is_not_forgotten_in_line():
    """It was stored while the receivers were not known: each pass hands over what is Pending."""
    place, operator, _ = await lined_up(proof=400)
    one = await just_read(place, operator)
    stored = place.api.objects["Incident", "shop", one.metadata.name]
    assert isinstance(stored, Incident)
    message = Message(key="kept/1", kind=MessageKind.NOTICE, receiver="ops", state=MessageState.PENDING, created_time=place.clock.now())
    told = stored.status.escalation.model_copy(update={"messages": (*stored.status.escalation.messages, message)})
    pending = stored.model_copy(update={"status": stored.status.model_copy(update={"escalation": told})})
    place.api.objects["Incident", "shop", one.metadata.name] = pending
    operator.reconciler._line.decided(IncidentKey("shop", one.metadata.name), pending, Draft(status=pending.status, now=place.clock.now()), ())
    await operator.run(5)
    assert any(sent.key.endswith("kept/1") for sent in place.deliver.sent)
    await operator.close()


async def test_what_mends_itself_in_line_is_seen():
    place, operator, made = await lined_up()
    name, one = next(iter(waiting(place).items()))
    place.cluster.set_image(next(workload for workload in made if workload.name == name), "shop/app:3")
    await operator.run(60)
    stored = place.api.objects["Incident", "shop", one.metadata.name]
    assert isinstance(stored, Incident)
    assert reason(stored) == "TargetHealthy"
    await operator.run(ALL_SECONDS)
    assert len(place.cluster.effects) == WORKLOADS - 1
    await operator.close()


async def test_a_restart_finds_the_line_again():
    place, operator, _ = await lined_up()
    await operator.close()
    after = Operator(place)
    await after.run(ALL_SECONDS)
    assert len(place.cluster.effects) == WORKLOADS
    await after.close()


async def proved() -> tuple[Place, Operator, FakeWorkload]:
    """One whose heal is looked at every five seconds for a long time. Its owner was told that it was begun, and that it was rides on the end."""
    long = Verify(stabilize_seconds=0, interval_seconds=5, successes=60, timeout_seconds=600, checks=(HEALTHY,))
    place = shop(runbook("back", ROLL_BACK, verify=long))
    made = place.cluster.create("web")
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(made, "shop/app:2")
    await operator.run(120)
    [one] = operator.remediations
    assert one.status.phase is RemediationPhase.VERIFYING
    return place, operator, made


async def test_a_proof_looks_at_its_target_every_time_and_reads_its_incident_twice_a_minute_at_most(monkeypatch):
    place, operator, _ = await proved()
    looks, real = [], place.cluster.look

    async def counted(ref: ObjectRef) -> Look | UnknownT | None:
        looks.append(ref)
        return await real(ref)

    monkeypatch.setattr(place.cluster, "look", counted)
    name, writes = place.api.one(Incident).metadata.name, len(place.api.writes)
    place.api.reads.clear()
    await operator.run(60)
    assert 1 <= place.api.reads[name] <= 60 / BELIEVED.total_seconds() + 1
    assert place.api.reads["WorkloadRecord"] == 0, "that the revision is in quarantine is known"
    assert len(looks) >= 60 / 5 - 1
    assert len(place.api.writes) == writes
    await operator.run(200)
    [healed] = operator.remediations
    assert healed.status.outcome is Outcome.REMEDIATED
    await operator.close()


async def test_a_persons_word_is_heard_while_a_heal_is_proved():
    place, operator, _ = await proved()
    say(place, place.api.one(Incident), acknowledgement=Acknowledgement(by="ana"))
    await operator.run(1)
    assert place.api.one(Incident).status.times.acknowledged_time is not None
    await operator.close()


async def test_a_word_that_no_watch_told_of_is_heard_while_a_heal_is_proved_once_what_is_kept_is_too_old():
    place, operator, _ = await proved()
    one = place.api.one(Incident)
    place.view.miss("Incident", "shop", one.metadata.name)
    say(place, one, acknowledgement=Acknowledgement(by="ana"))
    await operator.run(BELIEVED.total_seconds() + 10)
    assert place.api.one(Incident).status.times.acknowledged_time is not None
    await operator.close()


async def test_a_target_that_fails_again_while_a_heal_is_proved_is_seen_by_the_next_look():
    place, operator, made = await proved()
    for pod in made.pods:
        pod.bad, pod.created = True, place.clock.now()
    await operator.run(30)
    [failed] = operator.remediations
    assert failed.status.outcome is Outcome.WORSENED
    assert place.api.one(Incident).status.times.resolved_time is None
    await operator.close()
