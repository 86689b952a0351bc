"""Two stories of a run with several steps that people approve: its measure ends by itself, or is taken back because the step after it fails.

A measure lasts a minute at least, so these stories take two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.harness.api import Object
from tests.harness.arena import condition
from tests.harness.installation import kubectl
from tests.harness.waiting import wait_for

from .flows import APP, END_SECONDS, Flow, break_it, delivered, healed, healthy_workload, unknown
from .ground import RUNBOOK, Ground

LENT: Object = {"name": "lend", "scale": {"by": 1, "most": 5}, "ttlSeconds": 60}
REPLICAS = 2
RUN_SECONDS = END_SECONDS + 60 + 30
"""With the minute that a measure lasts, and how often it is looked for."""


@dataclass(frozen=True, slots=True)
class Book:
    """What is put in the place of the Runbook that everybody has: people approve it, and Ana may, unless it acts by itself."""

    steps: tuple[Object, ...]
    mode: str = "Approve"

    def put(self, ground: Ground) -> None:
        """As the platform team does it."""
        _let_ana_approve(ground)
        spec = RUNBOOK | {"title": "Lend a hand", "mode": self.mode, "steps": list(self.steps), "limits": {"maxAttempts": 1}}
        made = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Runbook", "metadata": {"name": "lend-a-hand", "namespace": ground.system}}
        ground.api.delete("Runbook", "roll-back", ground.system)
        ground.put(made | {"spec": spec})
        healthy_workload("Deployment")(ground)


ENDS_ITSELF = Book((LENT, {"name": "rollback", "rollBack": {"to": "KnownGood"}}))
TAKEN_BACK = Book((LENT, {"name": "sure", "assert": {"that": "target.ready > 90", "message": "ninety are enough"}, "onFailure": {"action": "Undo"}}))


def _let_ana_approve(ground: Ground) -> None:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "prunella-approve"}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "approvers", "namespace": ground.namespace}}
    ground.put(binding | {"roleRef": role, "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ana"}]})


def asked(ground: Ground) -> Object | None:
    """The attempt that waits for people."""
    waits = (one for one in ground.remediations() if condition(one, "Approved").get("reason") == "AwaitingApproval")
    return next(waits, None)


def break_and_approve(ground: Ground) -> None:
    """Roll a version out that crashes; Ana is asked, and approves."""
    break_it("Deployment")(ground)
    attempt = wait_for(lambda: asked(ground), END_SECONDS, "people are asked", seen=ground.story)
    plan = attempt["spec"]["planHash"]
    said = {"by": "ana", "planHash": plan, "verdict": "Approved"}
    words = [{"op": "test", "path": "/spec/planHash", "value": plan}, {"op": "add", "path": "/spec/approvals/-", "value": said}]
    name = attempt["metadata"]["name"]
    kubectl("patch", "remediation", name, "-n", ground.namespace, "--type=json", "-p", json.dumps(words), kubeconfig=ground.installation.user("ana"))


def as_before(ground: Ground) -> bool:
    """Whether the measure is over: as many replicas as there were, and no mark."""
    live = ground.api.get("Deployment", APP, ground.namespace)
    return live["spec"]["replicas"] == REPLICAS and "prunella.dev/temporary" not in live["metadata"].get("annotations", {})


def given_up(ground: Ground) -> bool:
    """What was done is taken back, the attempt is over, somebody was called, and its owner was told that nothing follows."""
    ended = [one.get("status", {}).get("outcome") for one in ground.remediations()]
    return ended == ["Aborted"] and as_before(ground) and delivered(ground, "primary", "secondary") and _told_that_it_is_over(ground)


def _told_that_it_is_over(ground: Ground) -> bool:
    """Whether the Incident itself has heard how the attempt ended: it may be called over a moment before."""
    timelines = [one.get("status", {}).get("timeline", []) for one in ground.incidents(APP)]
    return any(entry["what"] == "RemediationBlocked" and "ConsecutiveFailures" in entry["message"] for entries in timelines for entry in entries)


RUNS = {
    flow.name: flow
    for flow in (
        Flow(
            name="approved",
            kind="Deployment",
            prepare=ENDS_ITSELF.put,
            deed=break_and_approve,
            over=lambda ground: (healed(ground) and as_before(ground)) or unknown(ground),
            effects=2,
            endings=1,
            others=frozenset({"primary", "secondary"}),
            seconds=RUN_SECONDS,
        ),
        Flow(
            name="taken-back",
            kind="Deployment",
            prepare=TAKEN_BACK.put,
            deed=break_and_approve,
            over=lambda ground: given_up(ground) or unknown(ground),
            effects=2,
            paged=frozenset({"primary", "secondary"}),
            others=frozenset({"ops-all"}),  # nobody takes it, so that the ladder goes on where the next leader takes its time
            seconds=RUN_SECONDS,
        ),
    )
}
