"""Label selectors as Kubernetes reads them.

The rule this module protects: nothing that a selector may mean is overlooked. One that can't be read selects, so that whoever asks is careful.
"""

from __future__ import annotations

from collections.abc import Mapping


def selects(selector: object, labels: Mapping[str, str]) -> bool:
    """Whether a selector fits these labels. An empty one fits all; what none at all means is for whoever has it to say."""
    if not isinstance(selector, Mapping):
        return True
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_fits(one, labels) for one in expressions)


def _fits(expression: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    present = labels.get(str(expression.get("key")))
    values = expression.get("values")
    named = isinstance(values, list | tuple) and present in values
    match expression.get("operator"):
        case "In":
            return present is not None and named
        case "NotIn":
            return present is None or not named
        case "Exists":
            return present is not None
        case "DoesNotExist":
            return present is None
        case _:
            return True
