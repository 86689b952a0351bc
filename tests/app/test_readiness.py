"""Readiness: what crosses objects is a sentence that names the nearest thing there is, worst first."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.incident_builders import entry, ladder, receivers, step
from tests.core.thing_builders import tls_secret
from tests.fakes.operator import Place, cel, shop
from tests.fakes.runbooks import ROLL_BACK, runbook, shipped
from tests.fakes.tenure import Sole

from prunella.adapters.zones import zone_of
from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import LocalRef, Metadata, NamespacedRef
from prunella.api.healing_policy import CertificateSecret, HealingPolicy, HealingPolicySpec
from prunella.api.names import Cause
from prunella.api.runbook import Blocker, Check, Match, PromQL, Runbook, Verify
from prunella.api.windows import Window, Windows
from prunella.app.certificates import Certificates
from prunella.app.keys import WorkloadKey
from prunella.app.readiness import THE_POLICY, PolicyKey, Readiness, problems
from prunella.core.things.tls_secret import Unread

CRASH = (Cause.ROLLOUT_CRASH_LOOP,)


@pytest.fixture
def place() -> Place:
    return shop()


def found(one: Any, place: Place) -> list[tuple[str, str]]:
    return [tuple(problem) for problem in problems(one, place.view, cel(), zone_of, "prunella-system")]


def verified(**promql: str) -> Runbook:
    given = {"query": "up", "success": "value > 0.5", "failure": "value < 0.1"} | promql
    return runbook("r", ROLL_BACK, verify=Verify(checks=(Check(name="errors", promql=PromQL(**given)),)))


def window(schedule: str = "0 22 * * *", zone: str = "Europe/Berlin") -> Window:
    return Window(name="night", schedule=schedule, duration_seconds=3600, time_zone=zone, reason="few customers")


def blocked(**entry: str) -> Runbook:
    return runbook("r", ROLL_BACK, block_if=(Blocker(name="backup", reason="a backup must not be torn", **entry),))


@pytest.mark.parametrize(
    "one",
    [
        shipped(),
        shipped("restart-crash-looping-pods"),
        runbook(),
        verified(query='up{job="${target.name}"}'),
        runbook(match=Match(causes=CRASH, when='target.labels["app"] == "x" && alert.labels.tier != \'y\'')),
        runbook(match=Match(causes=CRASH, when="int(target.labels['app.kubernetes.io/weight']) > 3")),
        runbook(match=Match(alerts=('{alertname="X", pod=~"a.*"}',))),
        runbook(windows=Windows(allow=(window(),), deny=(window("*/5 0-6 * JAN MON-FRI", "UTC"),))),
        blocked(promql='backup{job="${target.name}"}', when="value > 0"),
        blocked(alert='{alertname="Backup"}'),
        runbook(namespace="shop", service_account_name="healer"),
    ],
    ids=[
        "shipped rollback",
        "shipped restart",
        "small",
        "a query that can be filled",
        "a condition",
        "a label as a number",
        "matchers",
        "windows",
        "a query that blocks",
        "an alert that blocks",
        "of a team",
    ],
)
def test_a_runbook_that_can_be_used_has_no_problem(one, place):
    assert found(one, place) == []


@pytest.mark.parametrize(
    ("one", "reason", "begins"),
    [
        (runbook(namespace="shop"), "ServiceAccountRequired", "a Runbook outside prunella-system must name a serviceAccountName"),
        (runbook(namespace="shop", service_account_name="x:y"), "ServiceAccountRequired", "'shop/x:y' is no ServiceAccount"),
        (runbook(service_account_name="x"), "ServiceAccountUnsupported", "a Runbook of the operator's namespace acts as the operator"),
        (runbook(match=Match(causes=CRASH, when="target.")), "InvalidExpression", "`spec.match.when`: "),
        (runbook(match=Match(causes=CRASH, when="target.nmae == 'x'")), "InvalidExpression", "`spec.match.when`: "),
        (runbook(match=Match(causes=CRASH, when="target.name")), "InvalidExpression", "`spec.match.when`: the expression must give true or false"),
        (
            runbook(match=Match(alerts=('{alertname="A"}', "{}"))),
            "InvalidExpression",
            "`spec.match.alerts[1]`: an empty list would match every alert",
        ),
        (
            runbook(match=Match(alerts=('{alertname="A", pod=~"("}',))),
            "InvalidExpression",
            "`spec.match.alerts[0]`: pod=~'(': INVALID_ARGUMENT: invalid regular expression: missing )",
        ),
        (verified(success="value >"), "InvalidExpression", "`spec.verify.checks[errors].promql.success`: "),
        (verified(failure="vlaue < 1"), "InvalidExpression", "`spec.verify.checks[errors].promql.failure`: "),
        (
            verified(query="up ${target.name}"),
            "InvalidExpression",
            "`spec.verify.checks[errors].promql.query`: ${…} at character 4 must stand in the quoted value",
        ),
        (verified(query='up{job="${target.nmae}"}'), "InvalidExpression", "`spec.verify.checks[errors].promql.query`: '${target.nmae}' is not known"),
        (
            runbook(windows=Windows(allow=(window(zone="Europe/Berln"),))),
            "UnknownTimeZone",
            "`spec.windows.allow[night].timeZone`: there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?; until that is mended",
        ),
        (
            runbook(windows=Windows(deny=(window("0 24 * * *"),))),
            "InvalidExpression",
            "`spec.windows.deny[night].schedule`: the hour 24 is not from 0 to 23; until that is mended nothing is begun",
        ),
        (blocked(promql="up ${target.name}", when="value > 0"), "InvalidExpression", "`spec.blockIf[backup].promql`: ${…} at character 4"),
        (blocked(promql="up", when="vlaue > 0"), "InvalidExpression", "`spec.blockIf[backup].when`: "),
        (blocked(promql="up", when="value"), "InvalidExpression", "`spec.blockIf[backup].when`: the expression must give true or false"),
        (blocked(alert="{}"), "InvalidExpression", "`spec.blockIf[backup].alert`: an empty list would match every alert"),
        (blocked(alert='{alertname="A", pod=~"("}'), "InvalidExpression", "`spec.blockIf[backup].alert`: pod=~'(': INVALID_ARGUMENT"),
    ],
    ids=[
        "no account",
        "an account",
        "an account of ours",
        "no expression",
        "a misspelt name",
        "no yes or no",
        "an empty matcher",
        "a broken regular expression behind what does not match",
        "a broken success",
        "a misspelt failure",
        "a placeholder outside",
        "a misspelt placeholder",
        "an unknown time zone",
        "a schedule that can't be read",
        "a blocking query's placeholder outside",
        "a misspelt value that blocks",
        "a value that is no yes or no",
        "an empty matcher that blocks",
        "a broken regular expression that blocks",
    ],
)
def test_what_is_wrong_with_a_runbook_is_said_with_its_place(one, reason, begins, place):
    [(said, message)] = found(one, place)
    assert said == reason
    assert message.startswith(begins)


def test_everything_that_is_wrong_is_said_worst_first(place):
    one = runbook(namespace="shop", match=Match(alerts=("{}",), when="target."))
    assert [reason for reason, _ in found(one, place)] == ["ServiceAccountRequired", "InvalidExpression", "InvalidExpression"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("primary", None),
        ("primry", "receiver 'primry' is not in HealingPolicy `spec.receivers`; did you mean 'primary'?"),
        ("zzz", "receiver 'zzz' is not in HealingPolicy `spec.receivers`"),
    ],
    ids=["known", "misspelt", "nothing like it"],
)
def test_an_escalation_policy_names_receivers_that_are_there(name, message, place):
    one = ladder(step("first", name, after=60), notices=())
    assert found(one, place) == ([] if message is None else [("UnknownReference", message)])


def test_receivers_are_looked_for_in_steps_catch_all_and_notices_and_said_once(place):
    one = ladder(step("first", "aaa", after=60), step("second", "aaa", after=60))
    place.policy(receivers=receivers("releases"))
    assert [message.split("'")[1] for _, message in found(one, place)] == ["aaa", "ops"]


def test_without_a_healing_policy_no_receiver_is_known(place):
    place.api.delete("HealingPolicy", "", "default")
    assert [reason for reason, _ in found(ladder(), place)] == ["UnknownReference"] * 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, None),
        ("shop", None),
        ("shp", "EscalationPolicy 'shop/shp' does not exist; did you mean 'shop'?"),
        ("zzz", "EscalationPolicy 'shop/zzz' does not exist"),
    ],
    ids=["none", "there", "misspelt", "nothing like it"],
)
def test_a_catalog_entry_names_an_escalation_policy_that_is_there(name, message, place):
    place.api.apply(ladder(name="shop", namespace="shop"))
    assert found(entry(policy=name), place) == ([] if message is None else [("UnknownReference", message)])


@pytest.mark.parametrize(
    ("name", "ref", "expected"),
    [
        ("default", None, []),
        ("default", NamespacedRef(namespace="prunella-system", name="ops"), []),
        ("default", NamespacedRef(name="ops"), []),
        (
            "default",
            NamespacedRef(namespace="shop", name="ops"),
            [("UnknownReference", "EscalationPolicy 'shop/ops' does not exist")],
        ),
        ("other", None, [("NotDefault", "only the HealingPolicy named 'default' is in force: rename this one, or delete it")]),
    ],
    ids=["nothing named", "there", "in the operator's namespace", "elsewhere", "not the default"],
)
def test_the_healing_policy_is_the_one_named_default_and_names_what_is_there(name, ref, expected, place):
    one = HealingPolicy(metadata=Metadata(name=name), spec=HealingPolicySpec(default_escalation_policy_ref=ref))
    assert found(one, place) == expected


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        (Windows(deny=(window(),)), []),
        (
            Windows(deny=(window(zone="Berlin"),), allow=(window("nightly"),)),
            [
                (
                    "UnknownTimeZone",
                    (
                        "`spec.windows.deny[night].timeZone`: there is no time zone 'Berlin'; did you mean 'Europe/Berlin'?; "
                        "until that is mended nothing is begun"
                    ),
                ),
                (
                    "InvalidExpression",
                    (
                        "`spec.windows.allow[night].schedule`: 'nightly' has 1 fields; a schedule has five: minute, hour, day of the month, month, "
                        "day of the week; until that is mended nothing is begun"
                    ),
                ),
            ],
        ),
    ],
    ids=["they can be understood", "they can't"],
)
def test_the_windows_of_the_healing_policy_are_judged_too(windows, expected, place):
    assert found(HealingPolicy(metadata=Metadata(name="default"), spec=HealingPolicySpec(windows=windows)), place) == expected


# writing


def readiness(place: Place, certificates: Certificates | None = None) -> Readiness:
    reads = certificates or Certificates(place.view, place.cluster, place.clock, Sole())
    return Readiness(place.view, place.api, place.clock, cel(), zone_of, "prunella-system", reads)


def conditions(one: Any) -> dict[str, tuple[str, str, str]]:
    return {condition.type: (condition.status.value, condition.reason, condition.message) for condition in one.status.conditions}


async def test_what_is_ready_says_so_once_and_is_written_only_where_it_differs(place):
    place.api.apply(runbook())
    place.api.writes.clear()
    one = readiness(place)
    await one.settle(PolicyKey("Runbook", "prunella-system", "roll-back"))
    stored = place.api.one(Runbook)
    assert conditions(stored) == {"Ready": ("True", "Accepted", "it is in use")}
    assert stored.status.observed_generation == stored.metadata.generation
    await one.settle(PolicyKey("Runbook", "prunella-system", "roll-back"))
    assert len(place.api.writes) == 1


async def test_what_cannot_be_used_is_stalled_until_it_is_mended(place):
    place.api.apply(ladder(step("first", "primry", after=60), notices=()))
    one, key = readiness(place), PolicyKey("EscalationPolicy", "shop", "shop")
    await one.settle(key)
    message = "receiver 'primry' is not in HealingPolicy `spec.receivers`; did you mean 'primary'?"
    stored = place.api.objects["EscalationPolicy", "shop", "shop"]
    assert conditions(stored) == {"Ready": ("False", "UnknownReference", message), "Stalled": ("True", "UnknownReference", message)}
    place.policy(receivers=receivers("primry", "ops"))
    await one.settle(key)
    assert conditions(place.api.objects["EscalationPolicy", "shop", "shop"]) == {"Ready": ("True", "Accepted", "it is in use")}


@pytest.mark.parametrize(
    ("key", "ready"),
    [
        (PolicyKey("CatalogEntry", "shop", "checkout"), "False"),
        (PolicyKey("HealingPolicy", "", "default"), "True"),
        (PolicyKey("EscalationPolicy", "prunella-system", "ops"), "True"),
    ],
    ids=["CatalogEntry", "HealingPolicy", "EscalationPolicy"],
)
async def test_each_kind_that_people_apply_is_judged(key, ready, place):
    place.api.apply(entry())
    await readiness(place).settle(key)
    assert conditions(place.api.objects[tuple(key)])["Ready"][0] == ready


@pytest.mark.parametrize("key", [PolicyKey("Runbook", "shop", "gone"), PolicyKey("HealingPolicy", "", "gone")])
async def test_what_is_gone_is_left_alone(key, place):
    place.api.writes.clear()
    await readiness(place).settle(key)
    place.api.delete("HealingPolicy", "", "default")
    await readiness(place).settle(PolicyKey("HealingPolicy", "", "default"))
    assert place.api.writes == []


async def test_another_generation_is_judged_anew(place):
    place.api.apply(runbook())
    one, key = readiness(place), PolicyKey("Runbook", "prunella-system", "roll-back")
    await one.settle(key)
    place.api.apply(runbook(title="Another title"))
    await one.settle(key)
    assert place.api.one(Runbook).status.observed_generation == 2


async def test_a_whole_message_fits_into_the_condition(place):
    many = tuple(f"{{bad{index}" for index in range(32))
    place.api.apply(runbook(match=Match(alerts=many)))
    await readiness(place).settle(PolicyKey("Runbook", "prunella-system", "roll-back"))
    assert len(conditions(place.api.one(Runbook))["Ready"][2]) <= 1024


def depends(name: str, *others: str) -> CatalogEntry:
    made = entry(name, policy=None)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"depends_on": tuple(NamespacedRef(name=one) for one in others)})})


def test_a_dependency_that_is_not_there_is_named_with_the_nearest(place):
    place.api.apply(depends("ledger"))
    missing = "CatalogEntry 'shop/ledgr' of `spec.dependsOn` does not exist; did you mean 'ledger'?"
    assert found(depends("checkout", "ledger", "ledgr"), place) == [("UnknownReference", missing)]
    assert found(depends("checkout", "ledger"), place) == []


def test_what_depends_on_itself_is_told_the_way(place):
    place.api.apply(depends("ledger", "checkout"))
    one = depends("checkout", "ledger")
    place.api.apply(one)
    way = "shop/checkout -> shop/ledger -> shop/checkout"
    said = f"it depends on itself ({way}): what lies on that way counts as no dependency; remove one of them from `spec.dependsOn`"
    assert found(one, place) == [("Cycle", said)]


async def test_a_runbook_is_ready_once_the_one_that_it_names_as_its_next_is_there(place):
    first = place.api.apply(runbook("first", next_ref=LocalRef(name="then")))
    assert [reason for reason, _ in found(first, place)] == ["UnknownRunbook"]
    place.api.apply(runbook("then"))
    assert found(first, place) == []


async def test_a_secret_that_cannot_be_read_is_told_with_the_commands_that_grant_it(place):
    names = ("api-tls", "web-tls", "old", "bare")
    place.policy(certificates=tuple(CertificateSecret(namespace="shop", secret_name=one) for one in names))
    place.cluster.tls_secrets = {("shop", "api-tls"): tls_secret(name="api-tls"), ("shop", "web-tls"): Unread.FORBIDDEN}
    place.cluster.tls_secrets["shop", "bare"] = tls_secret(name="bare", holds=None, unreadable="it has no tls.crt")
    reads = Certificates(place.view, place.cluster, place.clock, Sole())
    one = readiness(place, reads)
    await one.settle(THE_POLICY)
    assert conditions(place.api.one(HealingPolicy)) == {}, "not before each was tried"
    for name in names:
        await reads.look(WorkloadKey("Secret", "shop", name))
    await one.settle(THE_POLICY)
    status, reason, message = conditions(place.api.one(HealingPolicy))["Ready"]
    assert (status, reason) == ("False", "MissingPermission")
    assert message == (
        "Prunella may not `get` Secret 'shop/web-tls' of `spec.certificates`: "
        "`kubectl -n shop create role prunella-tls-web-tls --verb=get --resource=secrets --resource-name=web-tls` and "
        "`kubectl -n shop create rolebinding prunella-tls-web-tls --role=prunella-tls-web-tls --serviceaccount=prunella-system:prunella`; "
        "Secret 'shop/old' of `spec.certificates` does not exist; and 1 more of `spec.certificates` can't be read"
    )
    assert [(each.reason, each.message) for each in reads.problems("prunella-system") or ()][1:] == [
        ("UnknownReference", "Secret 'shop/old' of `spec.certificates` does not exist"),
        ("CertificateUnreadable", "and 1 more of `spec.certificates` can't be read"),
    ]
    place.policy(certificates=tuple(CertificateSecret(namespace="shop", secret_name=one) for one in ("api-tls", "bare")))
    await one.settle(THE_POLICY)
    assert conditions(place.api.one(HealingPolicy))["Ready"] == (
        "False",
        "CertificateUnreadable",
        "Secret 'shop/bare' of `spec.certificates` can't be judged: it has no tls.crt",
    )
    place.cluster.unreadable = True
    place.clock.advance(61)
    await reads.look(WorkloadKey("Secret", "shop", "bare"))
    [kept] = reads.problems("prunella-system") or ()
    assert kept.message.endswith("it has no tls.crt"), "a read without an answer changes nothing of what was known"
