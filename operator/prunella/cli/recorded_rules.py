"""The `for` of alerting rules, from PrometheusRule objects: what a cluster's Prometheus would tell of them.

The rule it protects: rules of one name that differ, and not by the severity that they give, tell nothing, as they do in a cluster.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from prunella.core.world import rule_key

KIND: Final = ("monitoring.coreos.com/v1", "PrometheusRule")
_DURATION: Final = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:\d+ms)?", re.ASCII)
_SECONDS: Final = (604_800, 86_400, 3600, 60, 1)
_MOST_DIGITS: Final = 20


class Rules:
    """Name of an alert, and its name and severity → every `for` that such a rule has, in seconds."""

    def __init__(self) -> None:
        self._known: dict[str, set[int]] = defaultdict(set)

    def take(self, stored: Mapping[str, Any]) -> str | None:
        """Remember the rules of one object; why they can't be read, or None."""
        for where, rule in _rules(stored):
            name, lasts = rule.get("alert"), rule.get("for", "0s")
            if not isinstance(name, str):
                continue  # a recording rule
            seconds = in_seconds(lasts)
            if seconds is None:
                return f"{where}.for of {name[:80]} must be a duration as Prometheus writes it, for example 5m, not '{str(lasts)[:40]}'"
            labels = rule.get("labels")
            severity = labels.get("severity") if isinstance(labels, dict) else None
            for key in {name, rule_key({"alertname": name, "severity": severity if isinstance(severity, str) else ""})}:
                self._known[key].add(seconds)
        return None

    def known(self) -> dict[str, int]:
        """The names, and those with a severity, of which all rules agree."""
        return {name: next(iter(found)) for name, found in self._known.items() if len(found) == 1}


def in_seconds(duration: object) -> int | None:
    """A duration of Prometheus; None where it is none."""
    if not isinstance(duration, str | int):
        return None
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) and 0 < len(duration) <= _MOST_DIGITS else None
    if found is None:
        return 0 if duration in {"0", 0} and not isinstance(duration, bool) else None
    return sum(int(part) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True) if part is not None)


def _rules(stored: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    spec = stored.get("spec")
    groups = spec.get("groups") if isinstance(spec, dict) else None
    for number, group in enumerate(groups if isinstance(groups, list) else ()):
        rules = group.get("rules") if isinstance(group, dict) else None
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict):
                yield f"spec.groups[{number}].rules[{index}]", rule
