"""An API server that refuses, stumbles, is slow or away (faults 5, 6, 7, 15, 24, 36): nothing is done twice or lost, and nobody asks in a frenzy."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from tests.faults import rules
from tests.faults.campaign import Attack, Point, Spoil, at, play
from tests.faults.flows import APP, FLOWS, healed
from tests.faults.ground import Ground
from tests.faults.kubelet import restarts
from tests.faults.reporting import attacked
from tests.faults.rules import ANY_WRITE, EVERY_VERB, Answer, Match, Rule
from tests.harness import prometheus
from tests.harness.api import Refused
from tests.harness.instants import now
from tests.harness.waiting import holds_for, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900, func_only=True)]
WRITES = ("create incidents", "update incidents/status", "create remediations", "update remediations/status", "patch deployments")


def answer(status: int, words: str, *, nth: int | None = 1, times: int = 1, done: bool = False, retry_after: int | None = None) -> Spoil:
    verb, resource = words.split(" ", 1)

    def spoil(ground: Ground) -> list[Rule]:
        match = Match(verbs={verb}, resource=resource, namespace=ground.namespace)
        return [Answer(status, match, nth=nth, times=times, done=done, retry_after=retry_after)]

    return spoil


def unreadable(resource: str, times: int) -> Spoil:
    """From the attempt's first live look on: what may forbid the effect can't be read."""

    def spoil(ground: Ground) -> list[Rule]:
        match = Match(verbs={"get"}, resource=resource, name=ground.namespace if resource == "namespaces" else "")
        return [Answer(500, match, nth=None, times=times)]

    return spoil


REFUSALS: dict[str, Spoil] = {
    **{f"500 to {words}, which was not done": answer(500, words) for words in WRITES},
    **{f"500 to {words}, which was done": answer(500, words, done=True) for words in WRITES},
    **{f"503 to {words}, three times": answer(503, words, nth=None, times=3, retry_after=1) for words in WRITES},
    **{f"429 to {words}": answer(429, words, retry_after=2) for words in WRITES},
    **{f"409 to {words}, five times": answer(409, words, nth=None, times=5) for words in WRITES if words.startswith("update")},
    "500 to the hand-back, which was done": answer(500, "patch deployments", nth=2, done=True),
    "500 to the hand-back, which was not done": answer(500, "patch deployments", nth=2),
    "500 to a read of the target after its effect": answer(500, "get deployments", nth=5),
    "422 to the Incident's second status": answer(422, "update incidents/status", nth=2),
}


def test_while_nothing_can_be_stored_nothing_is_done(campaign):
    """What the operator sees of an etcd without space (fault 24): reads are answered, and no write is."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-full") as ground:
        flow.prepare(ground)
        before = len(ground.writes())
        with ground.proxy.rule(Answer(500, ANY_WRITE, nth=None)):
            flow.deed(ground)
            wait_for(lambda: any(restarts(pod) >= 4 for pod in ground.pods(APP)), 60, "it crashes and crashes", seen=ground.story)
            assert len(ground.writes()) == before, ground.story()
        wait_for(lambda: healed(ground), 120, "it heals once there is room", seen=ground.story)
        assert ground.supervisor.starts == 1


SWITCHES: dict[str, Spoil] = {
    "500 to the switch, five times": unreadable("healingpolicies", 5),
    "500 to the namespace with its mode, five times": unreadable("namespaces", 5),
}


REPEATS = 5


@pytest.mark.parametrize(("protection", "counted"), [("", REPEATS + 1), ("recognising", 3 * REPEATS + 1)], ids=["protected", "twin"])
def test_repeats_of_an_alert_are_counted_once_though_no_answer_says_that_they_are_stored(campaign, protection, counted):
    """The answer to the write that counts them gets lost, and the next one's too, where there is a next one."""
    with campaign.ground("a-counts", without=protection) as ground:
        ground.put(ground.workload("Deployment", APP, replicas=0))
        ground.supervisor.start()
        labels = {"alertname": "Errors", "severity": "critical", "namespace": ground.namespace, "deployment": APP}
        body = prometheus.body(prometheus.alert(labels, starts=now()))
        answered: list[object] = []

        def told() -> bool:
            try:
                answered.append(prometheus.webhook(body, ground.installation.token, host="127.0.0.1", port=ground.port))
            except OSError as error:  # it does not listen yet
                answered.append(error)
            return answered[-1] == 200

        def times() -> list[int]:
            return [one["count"] for incident in ground.incidents(APP) for one in incident.get("status", {}).get("signals", [])]

        wait_for(told, 30, "an alert is taken", seen=lambda: answered[-1])
        wait_for(lambda: times() == [1], 30, "it stands on its Incident", seen=ground.story)
        holds_for(lambda: times() == [1], 12, "and all that follows is stored")
        match = Match(verbs={"update"}, resource="incidents/status", namespace=ground.namespace)
        with ground.proxy.rule(rules.LoseReply(match, nth=None, times=2)):
            assert all(told() for _ in range(REPEATS)), "what only counts is taken at once"
            wait_for(lambda: times() == [counted], 60, f"it is counted {counted} times", seen=times)
            holds_for(lambda: times() == [counted], 15, "and no more")


def test_what_may_forbid_it_and_cannot_be_read_is_waited_for(campaign, request, subtests):
    """Somebody may be paged meanwhile: nobody works on it."""
    flow = dataclasses.replace(FLOWS["deployment"], others=frozenset({"primary", "secondary"}))
    attacked(campaign, [Attack(flow, name, spoil) for name, spoil in SWITCHES.items()], request, subtests)


def test_a_request_that_arrives_after_it_was_given_up_is_the_same_one(campaign, request, subtests):
    """Fault 15: the API server needs longer than the operator waits, and does it all the same."""
    flow = dataclasses.replace(FLOWS["deployment"], others=frozenset({"primary", "secondary"}))
    attacked(campaign, [at(flow, "late", Point(words, 1)) for words in WRITES], request, subtests)


def test_where_every_answer_takes_its_time_it_heals_all_the_same(campaign):
    """Fault 15: two seconds for each read and each write; what is watched goes on."""
    flow = dataclasses.replace(FLOWS["deployment"], others=frozenset({"primary", "secondary"}))
    with campaign.ground("a-slow") as ground:
        match = Match(verbs=EVERY_VERB - {"watch"}, namespace=ground.namespace)
        played = play(flow, ground, [rules.Delay(2, match, nth=None)])
        assert not played.wrong, "\n".join([*played.wrong, played.story])
        assert ground.supervisor.starts == 1, ground.story()


def test_an_answer_that_is_an_error_ends_no_story(campaign, request, subtests):
    attacked(campaign, [Attack(FLOWS["deployment"], name, spoil) for name, spoil in REFUSALS.items()], request, subtests)


@pytest.mark.parametrize("seconds", [10, pytest.param(120, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("how", ["nobody answers", "everything is 503"])
def test_an_api_server_that_is_away_is_outlived_in_the_process(campaign, how, seconds):
    """From the operator's side of the wire; the fault occurs meanwhile, and is found without a new event."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-outage") as ground:
        outage: Rule = rules.Outage() if how == "nobody answers" else Answer(503, Match(verbs=EVERY_VERB), nth=None)

        def deed(_: Ground) -> None:
            ground.proxy.add(outage)
            flow.deed(ground)
            gone = threading.Event()
            gone.wait(seconds)
            assert not ground.incidents()
            ground.proxy.remove(outage)

        away = dataclasses.replace(flow.after(flow.prepare, deed), others=frozenset({"primary", "secondary"}))
        played = play(away, ground, [])
        outage.close()
        assert not played.wrong, "\n".join([*played.wrong, played.story])
        assert ground.supervisor.starts == 1, "the process was not started anew"
        during = [one for one in played.seen.requests if "Outage" in one.fate or "Answer" in one.fate]
        assert len(during) < 40 * seconds, f"{len(during)} requests in {seconds} s"


def test_who_does_not_open_its_watches_again_outlives_an_outage_and_sees_nothing_more(campaign):
    """The twin: its process goes on, and the fault is never found. In time its own probe says so."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-zombie", without="again") as ground:
        flow.prepare(ground)
        with ground.proxy.rule(rules.Outage()) as outage:
            flow.deed(ground)
            wait_for(outage.done.is_set, 20, "it is cut off", seen=ground.story)
            wait_for(lambda: any(restarts(pod) >= 2 for pod in ground.pods(APP)), 30, "it crashes and crashes", seen=ground.story)
        holds_for(lambda: not ground.incidents(), 30, "nobody finds it", interval=1)
        assert ground.supervisor.starts == 1, ground.story()


def test_a_second_writer_that_never_rests_neither_stops_it_nor_is_overwritten(campaign):
    """Fault 7: somebody annotates the Incident twenty times a second, so that each compare-and-swap may be lost."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-storm") as ground:
        ended, written = threading.Event(), [0]

        def annotate() -> None:
            while not ended.wait(0.05):
                for one in ground.incidents(APP):
                    try:
                        change = {"metadata": {"annotations": {"example.com/number": str(written[0] + 1)}}}
                        ground.api.patch("Incident", one["metadata"]["name"], change, ground.namespace)
                        written[0] += 1
                    except (Refused, OSError):
                        continue

        other = threading.Thread(target=annotate, daemon=True)
        other.start()
        try:
            flow.prepare(ground)
            flow.deed(ground)
            wait_for(lambda: healed(ground), 120, "it heals", seen=ground.story)
        finally:
            ended.set()
            other.join(10)
        stored = ground.api.get("Incident", ground.incidents(APP)[0]["metadata"]["name"], ground.namespace)
        assert written[0] > 40, written
        assert stored["metadata"]["annotations"]["example.com/number"] == str(written[0]), "theirs was never overwritten"
        assert len([one for one in ground.foreign_writes() if not one.hand_back]) == flow.effects, ground.story()


@pytest.mark.parametrize("without", ["", "patience"], ids=["protected", "twin"])
def test_after_a_429_it_waits_as_long_as_it_was_told(campaign, without):
    """Whatever changes meanwhile: a pod that crashes again is no reason to ask at once."""
    flow = FLOWS["deployment"]
    with campaign.ground("a-429", without=without) as ground:
        match = Match(verbs={"create"}, resource="incidents", namespace=ground.namespace)
        played = play(flow, ground, [Answer(429, match, nth=1, times=1, retry_after=5)])
        assert not played.wrong, "\n".join([*played.wrong, played.story])
        refused, *again = [one for one in played.seen.requests if one.words == "create incidents"]
        assert [one.status for one in again].count(201) == 1, played.story
        waited = min((one.time - refused.time).total_seconds() for one in again)  # whoever lost the race to open it waited as well
        assert (waited >= 5) == (not without), f"asked again after {waited:.2f} s"
