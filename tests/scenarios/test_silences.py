"""A silence in the box's real Alertmanager: made, found again by its intent, in force, and ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.harness import prometheus
from tests.harness.installation import ALERTMANAGER
from tests.harness.waiting import wait_for

from prunella.adapters.alertmanager.silences import Silences
from prunella.api.common import ObjectRef
from prunella.core.healing.effects.effect import Applied, Settled
from prunella.core.healing.effects.outside import EndSilence, Silence

TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="checkout", uid="w-1")


def state_of(name: str) -> list[str]:
    return [one["status"]["state"] for one in prometheus.active_alerts(name)]


def test_a_silence_quietens_its_alert_is_known_by_its_intent_and_ends():
    intent, name = uuid4().hex[:16], f"Quiet{uuid4().hex[:8]}"
    labels = {"alertname": name, "namespace": "shop", "pod": "checkout-1"}
    prometheus.alertmanager_fire(labels)
    prometheus.alertmanager_fire(labels | {"pod": "checkout-2"})
    wait_for(lambda: len(state_of(name)) == 2, 20, "both alerts are there")
    now = datetime.now(UTC)
    quiet = Silence(target=TARGET, labels=labels, start_time=now, end_time=now + timedelta(minutes=5), comment="a test", does="quiet")
    silences = Silences([ALERTMANAGER])
    assert asyncio.run(silences.settle(intent, "")) is Settled.NOT_APPLIED
    made = asyncio.run(silences.make(quiet, intent))
    assert isinstance(made, Applied)
    assert made.after["silenceId"]
    assert asyncio.run(silences.settle(intent, "")) is Settled.APPLIED
    wait_for(lambda: sorted(state_of(name)) == ["active", "suppressed"], 20, "the one is quiet and the other is not")
    assert asyncio.run(silences.end(EndSilence(target=TARGET, silenced_by=intent, does="loud"))) == Applied(after={"ended": "1"})
    assert asyncio.run(silences.settle("own", intent)) is Settled.APPLIED
    wait_for(lambda: state_of(name) == ["active", "active"], 20, "it is loud again")
    assert asyncio.run(silences.end(EndSilence(target=TARGET, silenced_by=intent, does="loud"))) == Applied(after={"ended": "0"})
    for pod in ("checkout-1", "checkout-2"):
        prometheus.alertmanager_fire(labels | {"pod": pod}, ends=now)
