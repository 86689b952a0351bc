"""Who belongs to whom: from a pod to its workload and back, by uid, without a search.

The rule this module protects: kinship is by the controller's uid, never by names or labels, which anybody can write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from prunella.core.facts import Pod, Revision, Workload

from .shelf import Change


class _Owned(Protocol):
    @property
    def uid(self) -> str: ...
    @property
    def owner_uid(self) -> str: ...


O = TypeVar("O", bound=_Owned)  # noqa: E741  (an owned object)


class Children(Generic[O]):
    """Objects by the uid of their controller."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, O]] = {}

    def change(self, change: Change[O]) -> None:
        """One of them came, changed or went."""
        before, after = change.before, change.after
        if before is not None and (after is None or after.owner_uid != before.owner_uid):
            siblings = self._of.get(before.owner_uid)
            if siblings is not None:
                siblings.pop(before.uid, None)
                if not siblings:
                    del self._of[before.owner_uid]
        if after is not None and after.owner_uid:
            self._of.setdefault(after.owner_uid, {})[after.uid] = after

    def of(self, owner_uid: str) -> Iterator[O]:
        """Those of one controller."""
        return iter(self._of.get(owner_uid, {}).values())


class Kinship:
    """Indices over pods, revisions and workloads, kept by the changes of their shelves."""

    def __init__(self) -> None:
        self._pods: Children[Pod] = Children()
        self._revisions: Children[Revision] = Children()
        self._parents: dict[str, str] = {}
        """Uid of a ReplicaSet to that of its Deployment."""
        self._workloads: dict[str, Workload] = {}

    def pod_changed(self, change: Change[Pod]) -> None:
        """A pod came, changed or went."""
        self._pods.change(change)

    def revision_changed(self, change: Change[Revision]) -> None:
        """A ReplicaSet or ControllerRevision came, changed or went."""
        self._revisions.change(change)
        if change.before is not None:
            self._parents.pop(change.before.uid, None)
        if change.after is not None and change.after.owner_uid:
            self._parents[change.after.uid] = change.after.owner_uid

    def workload_changed(self, change: Change[Workload]) -> None:
        """A workload came, changed or went."""
        if change.before is not None:
            self._workloads.pop(change.before.uid, None)
        if change.after is not None:
            self._workloads[change.after.uid] = change.after

    def workloads_of(self, namespace: str) -> list[Workload]:
        """The workloads of a namespace: a search, for what happens seldom."""
        return [one for one in self._workloads.values() if one.namespace == namespace]

    def workload_of_pod(self, pod: Pod) -> Workload | None:
        """The workload whose controller, or whose ReplicaSet's controller, it is."""
        return self.workload_of_owner(pod.owner_uid)

    def workload_of_owner(self, uid: str) -> Workload | None:
        """The workload with that uid, or whose ReplicaSet has it."""
        return self._workloads.get(self._parents.get(uid, uid))

    def workload_of_revision(self, revision: Revision) -> Workload | None:
        """The workload that a revision is one of."""
        return self._workloads.get(revision.owner_uid)

    def revisions_of(self, workload: Workload) -> list[Revision]:
        """All revisions that are still stored, in no order."""
        return list(self._revisions.of(workload.uid))

    def pods_owned_by(self, uid: str) -> tuple[Pod, ...]:
        """The pods whose controller has that uid, in the order of their names."""
        return tuple(sorted(self._pods.of(uid), key=lambda pod: pod.name))

    def pods_of(self, workload: Workload) -> tuple[Pod, ...]:
        """All its pods, those on their way out included, in the order of their names."""
        owners = [revision.uid for revision in self._revisions.of(workload.uid)] if workload.kind == "Deployment" else [workload.uid]
        return tuple(sorted((pod for owner in owners for pod in self._pods.of(owner)), key=lambda pod: pod.name))
