"""Identity: as whom a run acts, by where its Runbook stands.

The rule this module protects: a Runbook of a team never acts with the operator's own rights, and never outside of the team's namespace. Where no
account can be told, nothing is done: there is no other identity to fall back to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from prunella.api.marks import OPERATOR_NAMESPACE
from prunella.api.remediation import RemediationSpec
from prunella.api.runbook import ACCOUNT_NAME, Runbook
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry

_NAME: Final = re.compile(ACCOUNT_NAME)
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Ourselves(Enum):
    """The operator's own account."""

    OURSELVES = "ourselves"


OURSELVES: Final = Ourselves.OURSELVES
VERBS: Final = ("get", "impersonate")
"""What the operator must be permitted to do with an account that it acts as. Bindings outlive their account, so its name alone proves nothing."""


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount that is impersonated. Raises ValueError where it can't be one: an empty or malformed name is nobody."""

    namespace: str
    name: str

    def __post_init__(self) -> None:
        if not _NAMESPACE.fullmatch(self.namespace) or not _NAME.fullmatch(self.name):
            raise ValueError(f"'{self.namespace[:80]}/{self.name[:80]}' is no ServiceAccount")

    @property
    def user(self) -> str:
        """Its user name, as the API server knows it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def groups(self) -> frozenset[str]:
        """The groups that the API server gives to every such account by itself, and no other."""
        return frozenset({"system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"})

    @property
    def needed(self) -> tuple[str, ...]:
        """What the operator needs to act as it, in kubectl's words: to see that it is there, and to take its name."""
        return tuple(f"{verb} serviceaccounts/{self.name} in {self.namespace}" for verb in VERBS)


Actor: TypeAlias = Account | Ourselves
"""As whom something is sent to the API server."""


def of_runbook(runbook: Runbook, operator_namespace: str) -> Actor | Refusal:
    """As whom a Runbook acts, or why it can't be used."""
    return _actor(runbook.metadata.namespace or "", runbook.spec.service_account_name, operator_namespace)


def of_attempt(spec: RemediationSpec, operator_namespace: str) -> Actor | Refusal:
    """As whom an attempt acts: as was written when it was made, whatever became of its Runbook. Refused where its target is not the team's."""
    runbook = spec.runbook_ref
    acting = _actor(runbook.namespace, runbook.service_account_name, operator_namespace)
    if isinstance(acting, Account) and spec.target_ref.namespace != acting.namespace:
        target = f"{spec.target_ref.kind} {spec.target_ref.namespace or ''}/{spec.target_ref.name}"
        return Refusal(reason="ServiceAccountUnsupported", message=f"{acting.user} acts in {acting.namespace} alone, and {target} is not of it")
    return acting


def of_mark(account: str | None, namespace: str | None) -> Actor | Refusal:
    """As whom a temporary measure on an object of a namespace is taken back: as whoever took it."""
    return OURSELVES if account is None else _account(namespace or "", account)


def _actor(namespace: str, account: str | None, operator_namespace: str) -> Actor | Refusal:
    if namespace == operator_namespace:
        if account is None:
            return OURSELVES
        message = "a Runbook of the operator's namespace acts as the operator: remove serviceAccountName"
        return Refusal(reason="ServiceAccountUnsupported", message=message)
    if not account:
        message = f"a Runbook outside {operator_namespace} must name a serviceAccountName of its namespace"
        return Refusal(reason="ServiceAccountRequired", message=message)
    return _account(namespace, account)


def _account(namespace: str, name: str) -> Account | Refusal:
    try:
        return Account(namespace, name)
    except ValueError as error:
        return Refusal(reason="ServiceAccountRequired", message=f"{error}: serviceAccountName is the name of one of the Runbook's own namespace")


def told(runbook: Runbook, operator_namespace: str) -> str | None:
    """As whom it acts, in a sentence; None where it is the operator, as nobody needs to be told, or nobody."""
    acting = of_runbook(runbook, operator_namespace)
    return f"acts as {acting.user}, in {acting.namespace} alone" if isinstance(acting, Account) else None


def reaches(runbook: Runbook, namespace: str, operator_namespace: str) -> bool:
    """Whether a Runbook is for targets of a namespace: one of the operator's namespace for all, any other for its own alone."""
    return runbook.metadata.namespace in {operator_namespace, namespace}


def called(acting: Actor) -> str:
    """Its name for people."""
    return acting.user if isinstance(acting, Account) else "Prunella"


def lacks(acting: Actor, missing: Iterable[str], namespace: str) -> str:
    """Who may not do what, in kubectl's words, and the command that grants it. Without a namespace it is of the cluster, where none but us acts."""
    rights = tuple(missing)
    what = ", ".join(rights)
    ours = ", ".join(right for right in rights if isinstance(acting, Account) and right in acting.needed)
    if isinstance(acting, Account) and ours:
        return f"Prunella may not {ours}; `{_lend(acting)}` grants it"
    grants = f"`{granted_by(acting, rights, namespace)}` grants it"
    if isinstance(acting, Account):
        return f"{acting.user} may not {what}; {grants}"
    where = "" if all(registry.clusterwide(folder) for folder in _folders(rights)) else f" in {namespace}"
    return f"Prunella may not {what}; {grants}{where}"


def granted_by(acting: Actor, rights: Iterable[str], namespace: str) -> str:
    """The commands by which rights are granted to whom acts; they are given in kubectl's words, those of the cluster without a namespace."""
    folders = _folders(rights)
    return " && ".join(_bind(acting, one) if isinstance(acting, Account) else granting(one, namespace) for one in folders)


def _folders(rights: Iterable[str]) -> list[str]:
    """The fewest folders of manifests that grant them: what several of them grant makes none of these needed beside another."""
    options = [registry.folders_of(right.split(" ")[1], clusterwide=" in " not in right) for right in rights]
    chosen = {one[0] for one in options if len(one) == 1}
    chosen |= {one[0] for one in options if chosen.isdisjoint(one)}
    return sorted(chosen or {registry.OPT_IN})


def granting(folder: str, namespace: str) -> str:
    """The command by which what a folder of manifests grants is granted to the operator."""
    return f"kubectl apply {'' if registry.clusterwide(folder) else f'-n {namespace} '}-k {folder}"


def _bind(account: Account, folder: str) -> str:
    """Gives an account what a folder of manifests grants: a role that every cluster with Prunella has, or one that the folder brings."""
    brought = f"prunella-{folder.rpartition('/')[2]}"
    role = "--clusterrole=prunella-remediate" if folder == registry.OPT_IN else f"--role={brought}"
    bind = f"kubectl create rolebinding {account.name}-{role.partition('=')[2]} -n {account.namespace}"
    first = "" if folder == registry.OPT_IN else f"{granting(folder, account.namespace)} && "
    return f"{first}{bind} {role} --serviceaccount={account.namespace}:{account.name}"


def _lend(account: Account) -> str:
    """Lets the operator act as that one account, and as no other of its namespace."""
    name = f"prunella-as-{account.name} -n {account.namespace}"
    role = f"kubectl create role {name} --verb=get,impersonate --resource=serviceaccounts --resource-name={account.name}"
    subject = f"--serviceaccount={OPERATOR_NAMESPACE}:prunella"
    return f"{role} && kubectl create rolebinding {name} --role=prunella-as-{account.name} {subject}"
