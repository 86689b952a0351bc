"""Attacks as subtests: many run at once, and each is told by its name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .campaign import Attack, Campaign


def attacked(campaign: Campaign, attacks: Sequence[Attack], config: pytest.Config, subtests: pytest.Subtests) -> None:
    """Carry the attacks out and report on each."""
    word = config.getoption("--attack", "")
    chosen = [one for one in attacks if word in str(one)]
    if not chosen:
        pytest.skip(f"none of {len(attacks)} attacks is called {word}")
    results = campaign.carried_out(chosen)
    for result in results:
        with subtests.test(str(result.attack)):
            if result.missed:
                pytest.skip(result.missed)
            assert not result.wrong, result.wrong
    slowest = max(results, key=lambda one: one.seconds)
    made = sum(not one.missed for one in results)
    print(f"{made} of {len(attacks)} attacks made, the slowest took {slowest.seconds:.0f} s: {slowest.attack}")
