"""Whatever happens in whatever order: no intent's effect happens twice, none without its intent, never two attempts at a target (V1, V3, V7)."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import shipped

from prunella.api.incident import Incident
from prunella.api.names import RemediationPhase
from prunella.api.remediation import Remediation
from prunella.app.errors import Retryable
from prunella.app.keys import IncidentKey
from prunella.core.healing.effects.effect import Patch


class Killed(Exception):
    """The process died here."""


class Life(RuleBasedStateMachine):
    """A shop, people who roll out, a process that dies, an API server that fails, answers that get lost."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.stored: set[str] = set()
        self.images: list[str] = []
        self.countdown = 0

    @initialize(kind=st.sampled_from(["Deployment", "StatefulSet"]))
    def begin(self, kind: str) -> None:
        self.place = shop(shipped(), cooldown_seconds=0, budgets={"per_target": {"count": 100}})
        self.workload = self.place.cluster.create(kind=kind)
        self.place.cluster.bad |= {"shop/app:bad-1", "shop/app:bad-2"}
        self.place.api.gate = self._written
        self.place.cluster.gate = self._effect
        self.operator = Operator(self.place)
        self._live(30)

    def _written(self, when: str, verb: str, what: str) -> None:
        if what.startswith("Remediation/"):
            self.stored |= {step.intent.id for one in self.place.api.all(Remediation) for step in one.status.steps if step.intent}
        self._count_down()

    def _effect(self, when: str, intent: str) -> None:
        assert not intent or intent in self.stored, "an effect without a stored intent"
        self._count_down()

    def _count_down(self) -> None:
        if self.countdown:
            self.countdown -= 1
            if not self.countdown:
                raise Killed

    def _live(self, seconds: float) -> None:
        end = self.place.clock.now().timestamp() + seconds
        while self.place.clock.now().timestamp() < end:
            try:
                self.loop.run(self.operator.run(end - self.place.clock.now().timestamp()))
            except Killed:
                self._restart()

    def _restart(self) -> None:
        self.loop.run(self.operator.close())
        self.place.clock.advance(1)
        self.operator = Operator(self.place)

    @rule(seconds=st.sampled_from([1, 5, 13, 30, 120]))
    def time_passes(self, seconds: int) -> None:
        self._live(seconds)
        if not self.countdown and not self.operator.pending:  # a process that has just started again has looked at nothing yet
            self._what_was_decided_stands()

    def _what_was_decided_stands(self) -> None:
        """The event of an own write wakes nobody: so, where nothing else waits, another look at the same instant must find nothing to tell or do."""
        before = list(self.place.api.writes)
        for incident in self.place.api.all(Incident):
            self.loop.run(self.operator.reconciler.reconcile(IncidentKey("shop", incident.metadata.name)))
        assert self.place.api.writes[len(before) :] == []

    @rule(image=st.sampled_from(["shop/app:1", "shop/app:2", "shop/app:bad-1", "shop/app:bad-2"]))
    def a_person_rolls_out(self, image: str) -> None:
        self.place.cluster.set_image(self.workload, image)

    @rule(writes=st.integers(1, 12))
    def the_process_will_die(self, writes: int) -> None:
        self.countdown = writes

    @rule()
    def the_process_is_restarted(self) -> None:
        self._restart()

    @rule(before=st.booleans())
    def an_answer_will_be_lost(self, before: bool) -> None:
        if before:
            self.place.cluster.lost_before = 1
        else:
            self.place.cluster.lost_after = 1

    @rule()
    def nothing_can_be_read_for_a_while(self) -> None:
        self.place.cluster.unreadable = True
        self._live(20)
        self.place.cluster.unreadable = False

    @rule()
    def nothing_can_be_written_for_a_while(self) -> None:
        def down(when: str, verb: str, what: str) -> None:
            raise Retryable("503")

        self.place.api.gate = down
        self._live(20)
        self.place.api.gate = self._written

    @rule(paused=st.booleans())
    def somebody_pauses_or_goes_on(self, paused: bool) -> None:
        changes = {"pauses": ({"name": "freeze", "reason": "year end"},)} if paused else {}
        self.place.policy(cooldown_seconds=0, budgets={"per_target": {"count": 100}}, **changes)

    @rule()
    def a_person_says_retry(self) -> None:
        for index, incident in enumerate([key for key in self.place.api.objects if key[0] == "Incident"]):
            token = f"{self.place.clock.now().timestamp()}-{index}"
            self.place.api.annotate(*incident, **{"prunella.dev/retry": token})

    @rule()
    def the_target_is_made_anew(self) -> None:
        self.place.cluster.remove(self.workload)
        self._live(1)
        self.workload = self.place.cluster.create(kind=self.workload.kind, age=0)

    @invariant()
    def no_intent_has_two_effects(self) -> None:
        if hasattr(self, "place"):
            intents = [intent for intent, _ in self.place.cluster.effects]
            assert len(intents) == len(set(intents))

    @invariant()
    def each_effect_is_on_record(self) -> None:
        if hasattr(self, "place"):
            assert {intent for intent, _ in self.place.cluster.effects} <= self.stored

    @invariant()
    def there_is_one_attempt_at_a_target_at_a_time(self) -> None:
        if hasattr(self, "place"):
            open_ones = [
                one.spec.target_ref.uid
                for one in self.place.api.all(Remediation)
                if one.status.started_time and not (one.status.phase and one.status.phase.final)
            ]
            assert len(open_ones) == len(set(open_ones))

    @invariant()
    def a_rollback_never_puts_a_bad_version_in(self) -> None:
        if hasattr(self, "place"):
            for _, effect in self.place.cluster.effects:
                if isinstance(effect, Patch):
                    template = effect.operations[-1]["value"]
                    assert "bad" not in template["spec"]["containers"][0]["image"]  # type: ignore[index] # a pod template

    def teardown(self) -> None:
        if hasattr(self, "place"):
            self._end()
        self.loop.close()

    def _end(self) -> None:
        """Left alone, every attempt ends, or is Unknown and a person was paged (V8)."""
        self.countdown = 0
        self.place.cluster.lost_before = self.place.cluster.lost_after = 0
        self.place.policy(cooldown_seconds=0, budgets={"per_target": {"count": 100}})
        self._live(1500)
        for one in self.place.api.all(Remediation):
            phase = one.status.phase
            assert phase is not None
            assert phase.final or phase is RemediationPhase.UNKNOWN, (one.metadata.name, phase, one.status.message)
        self.loop.run(self.operator.close())


Life.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))
TestWhateverHappens = Life.TestCase
