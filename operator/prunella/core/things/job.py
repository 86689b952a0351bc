"""A Job, as far as its state decides something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from prunella.api.marks import INTENT_ANNOTATION
from prunella.core.facts import Pod
from prunella.core.subject import Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Thing):
    """A Job. `failed_time` and `completed_time` are those of its terminal conditions."""

    api_version: ClassVar[str] = "batch/v1"
    kind: ClassVar[str] = "Job"

    owner_uid: str = ""
    owner_kind: str = ""
    owner_name: str = ""
    """Its controller's."""
    failed_time: datetime | None = None
    failed_reason: str = ""
    failed_message: str = ""
    completed_time: datetime | None = None
    scheduled_time: datetime | None = None
    """When its CronJob was to run it."""
    pods: tuple[Pod, ...] = ()
    """Those that are still there."""

    @property
    def finished_time(self) -> datetime | None:
        """When it ended, in whatever way."""
        return self.failed_time or self.completed_time

    @property
    def of_cron_job(self) -> bool:
        """Whether a CronJob runs it again by itself."""
        return self.owner_kind == "CronJob"

    @property
    def intent(self) -> str:
        """The intent of the attempt that made it; empty where none did. Its name says it too, so that no copy of one of ours is taken for it."""
        stamp = self.annotations.get(INTENT_ANNOTATION, "")
        return stamp if stamp and self.name == name_of(stamp) else ""


def name_of(intent_id: str) -> str:
    """What the Job is called that an attempt makes for this intent."""
    return f"prunella-{intent_id}"
