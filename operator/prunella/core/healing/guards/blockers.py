"""What a Runbook waits for outside of its target (`blockIf`): a backup, a migration, a drill.

The rule this module protects: only an answer that says no lets it begin. An error, no data, a warning, a poll that failed, an entry that can't be
understood: each blocks. Silenced or inhibited is not over, so such an alert blocks too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.api.runbook import Blocker, Runbook
from prunella.core.draft import AskBlockers
from prunella.core.facts import AlertFacts, UnknownT
from prunella.core.healing.notation import matchers, queries
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import soundness
from prunella.core.world import Answers, Unevaluable, World

HOLDS: Final = timedelta(seconds=15)
"""How long an answer is believed while nothing is begun; right before an effect it is asked anew."""
AGAIN: Final = timedelta(seconds=30)
"""When it is asked again what blocked."""


def wish(incident: Incident, runbook: Runbook) -> AskBlockers | None:
    """What has to be asked about this Incident; None where the Runbook waits for nothing."""
    if not runbook.spec.block_if:
        return None
    filled = (queries.about(incident, one.promql) for one in runbook.spec.block_if if one.promql is not None)
    alerts = any(one.promql is None for one in runbook.spec.block_if)
    return AskBlockers(queries=tuple(dict.fromkeys(query for query in filled if isinstance(query, str))), alerts=alerts)


def unasked(world: World, runbook: Runbook) -> AskBlockers | None:
    """What has to be asked before it can be told; None where the answers are there and still hold."""
    wanted, answers = wish(world.incident, runbook), world.answers
    if wanted is None or answers is None:
        return wanted
    complete = set(wanted.queries) <= answers.values.keys() and (answers.alerts is not None or not wanted.alerts)
    return None if complete and world.now - answers.asked_time < HOLDS else wanted


def refused(world: World, runbook: Runbook) -> Refusal | None:
    """The first entry that blocks, or that can't be told."""
    if unasked(world, runbook) is not None or world.answers is None:
        if not runbook.spec.block_if:
            return None
        names = ", ".join(one.name for one in runbook.spec.block_if)
        message = f"what Runbook {runbook.metadata.name} waits for in `blockIf` ({names}) was not asked yet"
        return Refusal(reason="BlockIfTrue", message=message, look_again_time=world.now + AGAIN, being_asked=True)
    for one in runbook.spec.block_if:
        why = _blocks(world, one, world.answers)
        if why is not None:
            message = f"`blockIf` '{one.name}' of Runbook {runbook.metadata.name} ({one.reason}): {why}"
            return Refusal(reason="BlockIfTrue", message=message, look_again_time=world.now + AGAIN)
    return None


def _blocks(world: World, one: Blocker, answers: Answers) -> str | None:
    """Why the entry blocks; None where it surely does not."""
    if one.promql is not None:
        return _by_query(world, one.promql, one.when, answers)
    if one.alert is not None:
        return _by_alert(world, one.alert, answers.alerts)
    return "it names neither a query nor an alert that is known here"


def _by_query(world: World, promql: str, when: str | None, answers: Answers) -> str | None:
    query = queries.about(world.incident, promql)
    if isinstance(query, queries.Unfillable):
        return f"its query can't be asked: {query.why}"
    answer = answers.values.get(query)
    if when is None or answer is None:
        return "it does not say which value blocks" if when is None else "it was not asked"
    if answer.error or answer.value is None:
        return f"it can't be told: {answer.error or answer.missing or 'no data'}"
    verdict = world.evaluate(when, {"value": answer.value})
    if isinstance(verdict, Unevaluable):
        return f"'{when}' can't be told: {verdict.why}"
    return f"the value is {answer.value:g}, and '{when}' holds" if verdict else None


def _by_alert(world: World, text: str, alerts: Mapping[str, AlertFacts] | UnknownT | None) -> str | None:
    parsed, compiled, wrong = matchers.parse(text), matchers.compile_matcher(text), soundness.wrong_matcher(text, world.evaluate)
    if wrong is not None or isinstance(parsed, matchers.BadMatcher) or isinstance(compiled, matchers.BadMatcher):
        return f"its matchers can't be read: {wrong}"
    if not isinstance(alerts, Mapping):
        return "it can't be told: no Alertmanager could be asked"
    for alert in alerts.values():
        if not all(matcher.may_hold(alert.labels) for matcher in parsed):
            continue
        verdict = world.evaluate(compiled, {"labels": dict(alert.labels)})
        if isinstance(verdict, Unevaluable):
            return f"its matchers can't be told: {verdict.why}"
        if verdict:
            silent = " (suppressed)" if alert.state == "suppressed" else ""
            return f"alert {alert.labels.get('alertname', alert.fingerprint)} is active{silent}"
    return None
