"""What happens in the demo, act by act. Every step is a line that a person could have typed."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

from screen import GaveUpError, command, say, title, until
from stage import ROOT, Stage

HEAL_SECONDS = 120.0
TOLD_SECONDS = 60.0
RECEIVERS = [{"name": name, "methods": [{"name": "inbox", "webhook": {"key": "inbox"}}]} for name in ("on-call", "team-chat")]
POLICY = {"mode": "Auto", "defaultEscalationPolicyRef": {"namespace": "prunella-system", "name": "everybody"}, "receivers": RECEIVERS}


def install(stage: Stage) -> None:
    """Install Prunella and start it; say how far it may go and who is told."""
    title("Prunella is installed")
    command("prunella install")
    done = stage.prunella("install", f"--output={stage.folder / 'prunella.kubeconfig'}")
    if done.returncode:
        raise GaveUpError(f"prunella install: {done.stderr.strip()}")
    created = sum(line.endswith((" created", " configured", " unchanged")) for line in done.stdout.splitlines())
    say("\n".join(f"  {line}" for line in done.stdout.splitlines() if line.startswith("$ ")))
    say(f"  {created} objects, an account that may change nothing yet, and its kubeconfig")
    stage.start_operator()
    title("How far it may go in this cluster, and who is told (here an inbox that we can look into)")
    stage.kubectl(
        "create", "secret", "generic", "prunella-receivers", "-n", "prunella-system", f"--from-literal=inbox=http://{stage.host}:{stage.inbox_port}/"
    )
    stage.kubectl("annotate", "secret", "prunella-receivers", "-n", "prunella-system", f"prunella.dev/allowed-hosts={stage.host}:{stage.inbox_port}")
    patch = json.dumps({"spec": POLICY}, separators=(",", ":"))
    stage.kubectl(
        "patch", "healingpolicy", "default", "--type=merge", "-p", patch, shown=f"kubectl patch healingpolicy default --type=merge -p '{patch}'"
    )
    stage.start_inbox()


def shop(stage: Stage) -> None:
    """A healthy shop whose owners opted in."""
    title("A healthy shop, and a ledger; their owners have opted in")
    stage.apply("manifests/demo")
    for namespace in ("shop", "pay"):
        stage.kubectl("apply", "-n", namespace, "-k", str(ROOT / "manifests/opt-in"), shown=f"kubectl apply -n {namespace} -k manifests/opt-in")
    replicas = {("pay", "vault"): 1, ("pay", "ledger"): 2, ("shop", "checkout"): 3}

    def ready() -> bool:
        return all(_ready(stage, name, namespace) == wanted for (namespace, name), wanted in replicas.items())

    until("all of them are ready", ready, 90.0)
    stage.await_operator()
    stage.kubectl("get", "deployments", "-A")


def heals(stage: Stage) -> None:
    """A bad rollout, seen and undone."""
    title("A bad rollout: 12zb is no number of Mi, and the new pods crash")
    stage.kubectl("set", "env", "deploy/checkout", "CACHE_SIZE=12zb", "-n", "shop")
    began = time.monotonic()
    incident = _follow(stage, "shop", "Resolved", began)
    title(f"Healed after {incident['status'].get('ttr', '?')}; the rest of the time was proof")
    stage.kubectl("get", "incidents", "-n", "shop")
    name = incident["metadata"]["name"]
    say()
    columns = "custom-columns=REASON:.reason,MESSAGE:.message"
    stage.kubectl("get", "events", "-n", "shop", f"--field-selector=involvedObject.name={name}", "--sort-by=.metadata.name", "-o", columns)
    _explain(stage, name, "shop")


def leaves_alone(stage: Stage) -> None:
    """A fault that going back would not mend: people are told."""
    title("A fault that automation must not touch: ledger 2.1 goes out while the vault is down, and ledger 2.0 dies as well")
    told = len(stage.messages())
    stage.kubectl("scale", "deploy/vault", "--replicas=0", "-n", "pay")
    stage.kubectl("set", "env", "deploy/ledger", "VERSION=2.1", "-n", "pay")
    began = time.monotonic()
    incident = _follow(stage, "pay", "Blocked", began)
    until("somebody is paged (8 s after it opened)", lambda: any(one["kind"] == "Page" for one in stage.messages()[told:]), TOLD_SECONDS)
    title("Nothing was done, and it says why")
    stage.kubectl("get", "incidents", "-n", "pay")
    _explain(stage, incident["metadata"]["name"], "pay")
    title("Who was told")
    for one in stage.messages():
        first, *rest = one["text"].splitlines() or [""]
        say(f"  {one['kind']:<10} to {one['receiver']:<10} {one['title']}")
        repeated = first.split(" ", 1)[-1] in one["title"]
        say("\n".join(f"{'':<26}{line}" for line in (rest if repeated else [first, *rest])))


def yours(stage: Stage, *, left: bool) -> None:
    """What to type next, which limits the next try meets, and how to end it. `left` says whether the cluster stays up."""
    title("Now you" if left else "Run at a terminal, the demo leaves the cluster up, and you can type")
    name = stage.get("incidents", "-n", "pay")["items"][0]["metadata"]["name"]
    patch = '{"spec":{"acknowledgement":{"by":"' + _me(stage) + '"}}}'
    if stage.kind == "box":
        say(f"  export KUBECONFIG={stage.kubeconfig}")
        if not shutil.which("kubectl"):
            say(f"  alias kubectl={stage.kubectl_program}")
    say(f"  kubectl describe incident {name} -n pay")
    say(f"  kubectl patch incident {name} -n pay --type=merge -p '{patch}'      # you have it: nobody else is paged")
    say("  kubectl scale deploy/vault --replicas=1 -n pay                      # mend it: the Incident resolves by itself")
    say("  hack/prunella explain deploy/checkout -n shop --guards              # also for a workload that is well")
    say("  kubectl set env deploy/checkout CACHE_SIZE=13zb -n shop             # break it your own way")
    _limits(stage)
    if stage.kind == "box":
        say(
            "\nThe cluster stays up for you, and the operator in it. `make demo-down` ends both."
            if left
            else "\nNobody is at a terminal: it ends now."
        )
        return
    say(f"\nThe operator of the demo ends now; `hack/prunella run --kubeconfig {stage.folder / 'prunella.kubeconfig'}` starts it again.")
    if stage.kind == "kind":
        say("`make demo-down CLUSTER=kind` ends the cluster.")
    else:
        say("`kubectl delete ns shop pay prunella-system`, `kubectl delete -k manifests/default` and `kubectl delete -k crds` remove everything.")


def _limits(stage: Stage) -> None:
    """From the policy as it stands, less what the demo has used."""
    spec = stage.get("healingpolicy", "default")["spec"]
    budgets = spec.get("budgets", {})
    used = len([one for one in stage.get("remediations", "-n", "shop")["items"] if one.get("status", {}).get("startedTime")])

    def left(scope: str, default: int) -> str:
        budget = budgets.get(scope, {})
        return f"{budget.get('count', default) - used} of {budget.get('count', default)} in {budget.get('windowSeconds', 3600) // 60} min"

    say("\nWhich limits your next try meets:")
    say("  the same value again (CACHE_SIZE=12zb)    QuarantinedReapplied: a revision that was rolled back is yours to decide on")
    here = f"{left('perTarget', 3)} for this Deployment, {left('perNamespace', 6)} for shop"
    say(f"  another bad value                         is healed; attempts left: {here}")
    pause = spec.get("cooldownSeconds", 1800) // 60
    say(f"  a bad value that no rollback mends        RecentlyRemediated: {pause} min until the next attempt at that revision")
    say("  more than 20 % of the workloads at once   StormActive: nothing is done by itself, people are told")


def _follow(stage: Stage, namespace: str, wanted: str, began: float) -> dict[str, Any]:
    """Show each change of the namespace's Incident until its phase or its remediation begins with the word."""
    seen: list[str] = []
    found: dict[str, Any] = {}

    def there() -> bool:
        items = stage.get("incidents", "-n", namespace)["items"]
        if not items:
            return False
        found.update(items[0])
        status = items[0].get("status", {})
        shown = "  ".join(str(status.get(key) or "-") for key in ("phase", "priority", "target", "cause", "remediation"))
        if shown not in seen:
            seen.append(shown)
            say(f"  {time.monotonic() - began:5.1f} s  {shown}")
        return str(status.get("phase", "")) == wanted or str(status.get("remediation", "")).startswith(wanted)

    until(f"it is {wanted}:", there, HEAL_SECONDS, state=lambda: _pods(stage, namespace))
    return found


def _pods(stage: Stage, namespace: str) -> str:
    pods = stage.get("pods", "-n", namespace)["items"]
    ready = sum(any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", [])) for pod in pods)
    restarts = sum(one["restartCount"] for pod in pods for one in pod["status"].get("containerStatuses", []))
    return f"{ready} of {len(pods)} pods are ready, {restarts} crashes"


def _ready(stage: Stage, name: str, namespace: str) -> int:
    status = stage.get("deploy", name, "-n", namespace).get("status", {})
    return int(status.get("readyReplicas", 0)) if status.get("observedGeneration") else 0


def _explain(stage: Stage, name: str, namespace: str) -> None:
    say()
    command(f"kubectl prunella explain {name} -n {namespace}")
    done = stage.prunella("explain", name, "-n", namespace)
    say((done.stdout + done.stderr).rstrip())


def _me(stage: Stage) -> str:
    """The user name that the API server knows this kubeconfig by."""
    user: str = json.loads(stage.kubectl("auth", "whoami", "-o", "json", quiet=True))["status"]["userInfo"]["username"]
    return user
