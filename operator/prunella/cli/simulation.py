"""What Prunella would decide about the objects of some files: the world as it would have gathered it, and the operator's own functions.

The rule it protects: there is one judgement. Detection, correlation, decision, plan and guards are those of the operator; what the files do not tell
is supposed in one place, and every supposition is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.kubernetes.reads import family
from prunella.adapters.zones import zone_of
from prunella.api.common import Metadata
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec
from prunella.api.incident import Incident
from prunella.api.marks import MODE_LABEL, OPERATOR_NAMESPACE
from prunella.api.names import Cause, Mode
from prunella.api.runbook import Runbook
from prunella.api.workload_record import WorkloadRecord
from prunella.app.around import targets
from prunella.app.around.needs import needs
from prunella.core.configs import ConfigChange
from prunella.core.decide import decide
from prunella.core.detect.detect import Detection, Settings, Surroundings, detect
from prunella.core.facts import UNKNOWN, NamespaceFacts, Seen, WorkloadFacts, subject_of
from prunella.core.healing.guards import guards
from prunella.core.healing.guards.storm import StormState, brake
from prunella.core.healing.known import known_config, record
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import match, plan
from prunella.core.healing.steps.step import LiveFacts
from prunella.core.incident import alert_target, correlate, recovered
from prunella.core.subject import Thing
from prunella.core.things import detect as things
from prunella.core.things.detect import is_thing
from prunella.core.things.sighting import At
from prunella.core.world import NOT_A_WORKLOAD, OpenIncident, World

from .recorded import Recorded
from .simulated_answers import asked_of
from .simulated_case import Case, Supposed
from .simulated_needs import Files
from .simulated_run import Deed, deeds, prepared, stored_template
from .simulated_signals import Signalled, incident_for, signals_of
from .simulated_things import granted, refs, things_of

PULL_CAUSES = frozenset({Cause.ROLLOUT_IMAGE_PULL, Cause.REGISTRY_UNREACHABLE})


class Simulation:
    """The cluster that the files are about. `mode` stands for that of Runbook, namespace and HealingPolicy alike, where it is given."""

    def __init__(self, held: Recorded, runbooks: Sequence[Runbook], *, newest: datetime, at: datetime | None, mode: Mode | None) -> None:
        self._held = held
        self._newest = newest
        self._at = at
        self._mode = mode
        self.supposed: list[Supposed] = []
        self._runbooks = tuple(_with_mode(one, mode) for one in sorted(runbooks, key=lambda one: one.metadata.name))
        self._policy = self._policy_of()
        self._workloads = {facts.workload.uid: facts for facts in self._families()}
        self._targets: dict[str, Seen] = {**self._workloads, **{one.uid: one for one in things_of(held)}}
        homes = dict.fromkeys(subject_of(one).namespace or OPERATOR_NAMESPACE for one in self._targets.values())
        self._namespaces = {name: self._namespace(name) for name in homes}
        if self._targets:
            self._suppose(f"Prunella began to watch at {newest:%H:%M:%S}", "what it would have seen before is not in the files")
            self._suppose(
                f"the rights of manifests/{' and manifests/'.join(granted([*self._targets.values()]))}, and an API server that is well and takes the"
                " request",
                "no cluster was asked",
            )
        self._first = {uid: self._detect(seen, newest, pulling=False) for uid, seen in self._targets.items()}

    def cases(self) -> list[Case]:
        """Every workload of the files, what else could be acted on, and every alert that stands for itself, in the order of their names."""
        things = refs(self._held, [*self._targets.values()])
        found = signals_of(self._held, self._newest, list(self._workloads.values()), things, self._known_namespace)
        opened = [self._opened(seen, found.get(uid, Signalled())) for uid, seen in self._targets.items()]
        alone = (one for uid, one in found.items() if uid not in self._targets)
        opened += [self._opened(None, one) for one in alone if any(alert.state == "firing" for alert in one.alerts)]
        storm = self._storm([case for case in opened if case.draft is not None])
        return [self._decided(replace(case, world=replace(case.world, storm_since=storm))) if case.draft else case for case in opened]

    def _policy_of(self) -> HealingPolicy:
        found = next((one for one in self._held.of.get("HealingPolicy", ()) if one.metadata.name == "default"), None)
        if found is None:
            found = HealingPolicy(metadata=Metadata(name="default"), spec=HealingPolicySpec(mode=Mode.AUTO))
            self._suppose("HealingPolicy 'default': mode Auto", "it is not in the files")
        if self._mode is None:
            return found
        self._suppose(f"mode {self._mode} of every Runbook, namespace and HealingPolicy", "--mode")
        return found.model_copy(update={"spec": found.spec.model_copy(update={"mode": self._mode})})

    def _suppose(self, what: str, why: str) -> None:
        self.supposed.append(Supposed(what=what, why=why))

    def _families(self) -> list[WorkloadFacts]:
        of = self._held.of
        history = {
            "Deployment": of.get("ReplicaSet", []),
            "StatefulSet": of.get("ControllerRevision", []),
            "DaemonSet": of.get("ControllerRevision", []),
        }
        found = [family(one, revisions, of.get("Pod", [])) for kind, revisions in history.items() for one in of.get(kind, [])]
        return sorted(found, key=lambda one: (one.workload.namespace, one.workload.name, one.workload.kind))

    def _known_namespace(self, name: str) -> bool:
        """Whether something of the namespace is in the files."""
        return name in self._namespaces or any(one.name == name for one in self._held.of.get("Namespace", ()))

    def _namespace(self, name: str) -> NamespaceFacts:
        found = next((one for one in self._held.of.get("Namespace", ()) if one.name == name), None)
        if found is None:
            found = NamespaceFacts(name=name, labels={MODE_LABEL: Mode.AUTO.value})
            self._suppose(f"namespace {name}: label {MODE_LABEL}=Auto", "it is not in the files")
        return replace(found, labels={**found.labels, MODE_LABEL: self._mode.value}) if self._mode is not None else found

    def _record(self, facts: WorkloadFacts) -> WorkloadRecord | None:
        name, uid = record.record_name(facts.workload.kind, facts.workload.name), facts.workload.uid
        stored = (
            one for one in self._held.of.get("WorkloadRecord", ()) if (one.metadata.namespace, one.metadata.name) == (facts.workload.namespace, name)
        )
        return next((one for one in stored if one.spec.target_ref.uid == uid), None)

    def _detect(self, facts: Seen, now: datetime, *, pulling: bool) -> Detection:
        patience = {str(one.cause): one.open_after_seconds for one in self._policy.spec.detectors}
        if isinstance(facts, Thing):
            sight = things.detect(facts, At(now=now, open_after_seconds=patience))
            return Detection(finding=sight.finding, look_again=sight.look_again, settled=sight.settled)
        surroundings = Surroundings(record=self._record(facts), pull_failures_elsewhere=pulling, config_changes=self._changes(facts))
        return detect(facts, now, Settings(open_after_seconds=patience), surroundings)

    def _changes(self, facts: WorkloadFacts) -> tuple[ConfigChange, ...]:
        """ConfigMaps of the files that differ from what the WorkloadRecord of the files says the workload was healthy with."""
        there = {one.name: one for one in self._held.of.get("ConfigMap", ()) if one.namespace == facts.workload.namespace}
        known = known_config.remembered(self._record(facts), facts)
        pairs = ((one, there[one.copy_name], there[one.name]) for one in known if one.copy_name in there and one.name in there)
        found = (known_config.change_of(one, kept, present, self._newest) for one, kept, present in pairs)
        return tuple(sorted((one for one in found if one is not None), key=lambda one: one.changed_time, reverse=True))

    def _look(self, facts: Seen, now: datetime) -> Detection:
        """What is wrong with it, beside the others: two workloads that can't pull accuse the registry."""
        others = (one.finding for uid, one in self._first.items() if uid != subject_of(facts).uid)
        return self._detect(facts, now, pulling=any(one is not None and one.cause in PULL_CAUSES for one in others))

    def _seen(self, facts: Seen) -> tuple[datetime, Detection]:
        """When the fault would first be seen: in the newest state that the files show, or when it has held long enough since."""
        now, detection = self._newest, self._look(facts, self._newest)
        while True:
            finding = detection.finding
            if finding is not None and finding.open_time <= now:
                return now, detection
            later = finding.open_time if finding is not None else (detection.look_again if self._at is not None else None)
            if later is None or later <= now or (self._at is not None and later > self._at):
                return now, detection
            now, detection = later, self._look(facts, later)

    def _opened(self, facts: Seen | None, said: Signalled) -> Case:
        """The first look at a target: where something is wrong, the Incident opens, and is decided for the first time."""
        seen, detection = self._seen(facts) if facts is not None else (self._newest, Detection())
        finding = detection.finding if detection.finding is not None and detection.finding.open_time <= seen else None
        now = max(seen, self._at or seen)
        ref = subject_of(facts).ref if facts is not None else said.target
        known = targets.about(self._held.of.get("Incident", ()), ref) if ref is not None else []
        incident, why = incident_for(ref, facts, known, finding, said, seen)
        world = self._beside(self._world(incident, facts, seen, detection, said))
        if not why:
            return Case(world=replace(world, now=now), opens="", detection=detection)
        draft, joins = decide(world), any(one.metadata.name == incident.metadata.name for one in known)
        incident = incident.model_copy(update={"status": draft.status})
        return Case(world=replace(world, incident=incident, alerts=()), opens=why, joins=joins, detection=detection, draft=draft)

    def _world(self, incident: Incident, facts: Seen | None, now: datetime, detection: Detection, said: Signalled) -> World:
        of, namespace = self._held.of, incident.target_namespace
        mine = [one for one in of.get("Remediation", ()) if one.story_uid == incident.metadata.uid]
        raw = self._held.raw.get(subject_of(facts).uid) if facts is not None else None
        finding = detection.finding if detection.settled else UNKNOWN
        return World(
            now=now,
            incident=incident,
            target=facts if facts is not None else NOT_A_WORKLOAD,
            raw=raw,
            finding=finding if facts is not None else None,
            alerts=said.alerts,
            record=self._record(facts) if isinstance(facts, WorkloadFacts) else None,
            policy=self._policy,
            namespace=self._namespaces[namespace] if facts is not None else UNKNOWN,
            entries=Files(self._held, ()).entries(namespace),
            escalation_policies=tuple(of.get("EscalationPolicy", ())),
            runbooks=self._runbooks,
            remediations=tuple(sorted(mine, key=lambda one: (one.spec.attempt, one.metadata.name))),
            all_remediations=tuple(one for one in of.get("Remediation", ()) if one.accepted),
            duplicates=self._duplicates(incident, facts, now),
            alert_rules=self._held.rules.known(),
            config_changes=self._changes(facts) if isinstance(facts, WorkloadFacts) else (),
            restart_sights={detection.finding.restarts: now} if detection.finding is not None else {},
            autoscaled=any(_scales(one, facts) for one in of.get("HorizontalPodAutoscaler", ())),
            evaluate=CelEvaluate(),
            zone_of=zone_of,
        )

    def _beside(self, world: World) -> World:
        """With what the target's dependencies tell of its fault."""
        return recovered.refined(world, needs(Files(self._held, [*self._workloads.values()]), world))

    def _duplicates(self, incident: Incident, facts: Seen | None, now: datetime) -> tuple[Incident, ...]:
        if facts is None:
            return ()
        others = targets.about(self._held.of.get("Incident", ()), subject_of(facts).ref)
        return tuple(one for one in others if one.metadata.uid != incident.metadata.uid and correlate.is_open(one, now))

    def _storm(self, cases: Sequence[Case]) -> datetime | None:
        """Since when the storm brake would be on, by the Incidents that are open then."""
        status = self._policy.status
        before = StormState(since=status.storm_since_time, message=status.storm_message or "")
        here = [case.world.incident for case in cases if not alert_target.stands_for_itself(case.world.incident.spec.target_ref)]
        now = max((case.world.now for case in cases), default=self._newest)
        others = [one for one in self._held.of.get("Incident", ()) if correlate.is_open(one, now) and _hurts(one)]
        known = {one.metadata.uid: one for one in (*others, *here)}
        opened_in = sum(MODE_LABEL in self._namespaces[one.workload.namespace].labels for one in self._workloads.values())
        return brake(before, tuple(_open(one) for one in known.values()), opened_in, self._policy.spec.storm, now).since

    def _decided(self, case: Case) -> Case:
        """The decision once the dwell is over, or at the instant that was asked for."""
        seen, draft = case.world.now, case.draft
        due = draft.status.plan.due_time if draft is not None and draft.status.plan is not None else None
        now = self._at or max(seen, due or seen)
        facts = case.world.seen
        detection = self._look(facts, now) if facts is not None else case.detection
        finding = (detection.finding if detection.settled else UNKNOWN) if facts is not None else None
        world = self._beside(replace(case.world, now=now, finding=finding))
        made = _plan(world)
        for _ in range(2):  # the plan before the decision may be another than the one after it
            done = self._deeds(world, made) if made is not None else ()
            asked = replace(world, preparation=prepared(made, done, now) if made is not None else None)
            draft = decide(asked)
            decided = replace(asked, incident=world.incident.model_copy(update={"status": draft.status}))
            after = _plan(decided) if draft.status.plan is not None else None
            if after is None or (made is not None and after.hash == made.hash):
                break
            made = after
        verdicts = guards.ask(decided, after) if after is not None else ()
        return replace(case, world=decided, detection=detection, draft=draft, made=after, verdicts=verdicts, deeds=done if after is not None else ())

    def _deeds(self, world: World, made: plan.Plan) -> tuple[Deed, ...]:
        facts, to = world.seen, made.to
        if facts is None or world.raw is None:
            return ()
        stored = self._held.raw.get(to.uid) if to is not None else None
        live = LiveFacts(
            now=world.now,
            raw=world.raw,
            target=facts,
            accused_hash=made.accused.hash if made.accused is not None else "",
            to=to,
            to_template=stored_template(subject_of(facts).kind, stored),
            intent_time=world.now,
            answers=asked_of(self._held, subject_of(facts)),
            incident=world.incident,
            evaluate=world.evaluate,
        )
        return deeds(world, made, live)


def _plan(world: World) -> plan.Plan | None:
    """The plan of a decision, made again as it makes it."""
    chosen, _ = match.choose(world, world.incident.status)
    made = plan.make(world, world.incident.status, chosen) if not isinstance(chosen, Refusal) else chosen
    return made if isinstance(made, plan.Plan) else None


def _with_mode(runbook: Runbook, mode: Mode | None) -> Runbook:
    return runbook if mode is None else runbook.model_copy(update={"spec": runbook.spec.model_copy(update={"mode": mode})})


def _scales(one: Any, facts: Seen | None) -> bool:
    target = subject_of(facts) if facts is not None else None
    return target is not None and (one.namespace, one.target_kind, one.target_name) == (target.namespace, target.kind, target.name)


def _hurts(one: Incident) -> bool:
    """Whether it is neither over nor mitigated, and about a workload."""
    over = any(condition.type in {"Mitigated", "Resolved"} and condition.status == "True" for condition in one.status.conditions)
    return not over and not alert_target.stands_for_itself(one.spec.target_ref) and not is_thing(one.spec.target_ref)


def _open(one: Incident) -> OpenIncident:
    ref = one.spec.target_ref
    cause = one.status.cause or Cause.REPORTED
    target = f"{ref.kind}/{one.target_namespace}/{ref.name}"
    return OpenIncident(uid=one.metadata.uid, namespace=one.target_namespace, target=target, cause=cause)
