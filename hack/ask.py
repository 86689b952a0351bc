"""Names the context of KUBECONFIG and asks whether it may be touched; exits with 1 unless a person says yes."""

from __future__ import annotations

import sys

from kubernetes import config


def ask(purpose: str) -> bool:
    """Whether the person at the terminal agrees. Without a terminal nobody can."""
    try:
        _, active = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        print(f"error: there is no cluster to use: {error}", file=sys.stderr)
        return False
    cluster = active["context"]["cluster"]
    print(f"The context of your kubeconfig is '{active['name']}' (cluster '{cluster}'). {purpose}")
    if not sys.stdin.isatty():
        print("error: nobody can be asked here: a cluster of yours is touched only from a terminal", file=sys.stderr)
        return False
    return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}


if __name__ == "__main__":
    sys.exit(0 if ask("Prunella is installed into it: its kinds, its namespace prunella-system and its rights to read.") else 1)
