"""Requests as whoever a run acts as: our own account, or a ServiceAccount that is impersonated.

The rule this module protects: a change by an account never goes out as ours. Before each of them the API server is asked who it takes us for, with
the same header; another answer than that very account, or none, and nothing is sent. The account must be there as well, because the API server lets
one be impersonated that was deleted. Only the user is named: the groups of a ServiceAccount are added by the API server, and the right to name groups
would reach those of administrators.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown, Permanent, Retryable
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import Account, Actor

from . import resources
from .answers import FORBIDDEN, NOT_FOUND, SERVER_ERROR, Answer, refuse
from .client import Api
from .resources import Call


class NotThatUser(Permanent):
    """It can't be sent as that account, or not to that place: nothing was sent."""


class Acting:
    """Sends requests in somebody's name. What is sent without saying in whose is not sent here."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def send(self, call: Call, acting: Actor) -> Answer:
        """One change of an object, good or bad. Raises NotThatUser and Retryable where nothing was sent, OutcomeUnknown where no answer came."""
        if not isinstance(acting, Account):
            return await self._api.send(call)
        if call.namespace != acting.namespace:
            raise NotThatUser(f"{acting.user} acts in {acting.namespace} alone: it is not asked to {call.words}")
        await self._confirm(acting)
        return await self._api.send(_by(call, acting))

    async def review(self, call: Call, acting: Actor) -> Answer | None:
        """The good answer to a question about whoever acts, which changes nothing. Raises Permanent, Retryable and OutcomeUnknown."""
        return await self._api.ask(_by(call, acting))

    async def _confirm(self, account: Account) -> None:
        """See that the account is there, and that the API server takes us for it. Raises NotThatUser; Retryable where it does not say."""
        there = await self._asked(resources.SERVICE_ACCOUNT.call("get", account.namespace, account.name), account, account.needed[0])
        if there.status == NOT_FOUND:
            raise NotThatUser(f"There is no ServiceAccount {account.namespace}/{account.name}: nobody acts as one that is gone")
        who = resources.WHO_AM_I
        question = _by(who.call("create", body={"apiVersion": who.api_version, "kind": who.kind}), account)
        name, groups = _told((await self._asked(question, account, account.needed[1])).object())
        if name != account.user or not groups <= account.groups:
            raise NotThatUser(f"The API server takes us for '{name}' and not for {account.user}: nothing is done in a name that is not sure")

    async def _asked(self, question: Call, account: Account, right: str) -> Answer:
        """The answer to a question that changes nothing, so that a lost one is as good as none, and a server's error is no doubt."""
        try:
            answer = await self._api.send(question)
        except OutcomeUnknown as error:
            raise Retryable(str(error), transient=Transient.TIMEOUT) from error
        if answer.status == FORBIDDEN:
            raise NotThatUser(f"{identity.lacks(account, (right,), account.namespace)} ({answer.message})")
        if answer.status >= SERVER_ERROR:
            message = f"The API server answered {answer.status} to {question.words}: {answer.message}"
            raise Retryable(message, delay=answer.delay, transient=answer.transient)
        if not answer.good and answer.status != NOT_FOUND:
            refuse(answer, question)
        return answer


def _by(call: Call, acting: Actor) -> Call:
    return replace(call, as_user=acting.user) if isinstance(acting, Account) else call


def _told(review: dict[str, Any]) -> tuple[str, set[str]]:
    user = (review.get("status") or {}).get("userInfo") or {}
    return str(user.get("username") or ""), {str(group) for group in user.get("groups") or ()}
