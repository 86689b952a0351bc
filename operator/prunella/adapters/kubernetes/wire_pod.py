"""What is read of a Pod: its conditions and how its containers fare."""

from __future__ import annotations

from datetime import datetime

from .wire import Object, Wire


class TerminatedState(Wire, frozen=True):
    """state.terminated and lastState.terminated."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class WaitingState(Wire, frozen=True):
    """state.waiting."""

    reason: str = ""
    message: str = ""


class RunningState(Wire, frozen=True):
    """state.running."""

    started_at: datetime | None = None


class State(Wire, frozen=True):
    """One of three."""

    waiting: WaitingState | None = None
    running: RunningState | None = None
    terminated: TerminatedState | None = None


class ContainerStatus(Wire, frozen=True):
    """An entry of containerStatuses or initContainerStatuses."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    state: State = State()
    last_state: State = State()


class PodCondition(Wire, frozen=True):
    """An entry of a pod's conditions."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class PodStatus(Wire, frozen=True):
    """status of a Pod."""

    phase: str = ""
    reason: str = ""
    conditions: list[PodCondition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class PodContainer(Wire, frozen=True):
    """An entry of a pod's initContainers: only what makes a sidecar."""

    name: str = ""
    restart_policy: str = ""


class PodSpec(Wire, frozen=True):
    """spec of a Pod."""

    node_name: str = ""
    init_containers: list[PodContainer] | None = None


class Pod(Object, frozen=True):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()
