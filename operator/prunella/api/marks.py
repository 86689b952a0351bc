"""What stands on objects by name: labels, annotations, and the names of fixed objects."""

from __future__ import annotations

from typing import Final

MODE_LABEL: Final = "prunella.dev/mode"
TARGET_LABEL: Final = "prunella.dev/target"
SOURCE_LABEL: Final = "prunella.dev/source"
INCIDENT_LABEL: Final = "prunella.dev/incident"
TEAM_LABEL: Final = "prunella.dev/team"
ENTRY_ANNOTATION: Final = "prunella.dev/entry"
INTENT_ANNOTATION: Final = "prunella.dev/intent-id"
TEMPORARY_ANNOTATION: Final = "prunella.dev/temporary"
MAX_MEMORY_ANNOTATION: Final = "prunella.dev/max-memory"
IRREVERSIBLE_ANNOTATION: Final = "prunella.dev/irreversible"
MAY_BE_ZERO_ANNOTATION: Final = "prunella.dev/may-be-zero"
"""On a workload, by people: `true` says that it may want no pods although a Service routes to it."""
MARKED_LABEL: Final = "prunella.dev/temporary"
"""On what is not watched the mark of a temporary measure has a label beside it, so that it is found by a list: its value is `true`."""
HOLD: Final = "holdGitOps"
"""The step after which a workload that Git manages may be changed."""
FREEZE: Final = "freezeRollout"
"""The step whose success mitigates and never resolves."""
RETRY_ANNOTATION: Final = "prunella.dev/retry"
ALLOWED_HOSTS_ANNOTATION: Final = "prunella.dev/allowed-hosts"
PART_OF_LABEL: Final = "app.kubernetes.io/part-of"
FIELD_MANAGER: Final = "prunella"
OPERATOR_NAMESPACE: Final = "prunella-system"
