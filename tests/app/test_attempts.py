"""What was begun counts from then on, whatever the cache still shows of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.core.builders import NOON, ago
from tests.core.healing_builders import attempt
from tests.fakes.clock import ManualClock

from prunella.api.asking import Asking
from prunella.app.around.attempts import Attempts


def test_an_effect_right_after_people_agreed_does_not_void_what_was_reserved_while_the_cache_still_shows_what_it_asked():
    asking = Asking(step="sure", plan_hash="5b1e", asked_time=ago(60), deadline_time=NOON)
    plain = attempt()
    shown = plain.model_copy(update={"status": plain.status.model_copy(update={"asking": asking, "started_time": ago(90)})})
    agreed = shown.model_copy(update={"status": shown.status.model_copy(update={"asking": None})})
    cache = [shown]
    view: Any = SimpleNamespace(remediations=lambda: tuple(cache))
    attempts = Attempts(view, ManualClock())
    attempts.reserve(shown)
    attempts.reserve(agreed)
    assert [one.status.asking for one in attempts.all()] == [None], "it acts: it does not wait for people"
    cache[0] = agreed
    assert attempts.all() == (agreed,)
