"""Requests as whoever a run acts as: our own account, or a ServiceAccount that is impersonated.

The rule this module protects: a request of an account never goes out as ours. Before each of them the API server is asked who it takes us for, with
the same header; another answer than that very account, or none, and nothing is sent. Only the user is named: the API server adds the groups of a
ServiceAccount by itself, and the right to name groups would reach those of administrators.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prunella.app.errors import OutcomeUnknown, Permanent, Retryable
from prunella.core.healing import identity
from prunella.core.healing.identity import Account, Actor

from . import resources
from .answers import FORBIDDEN, Answer, refuse
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
        if isinstance(acting, Account) and call.namespace != acting.namespace:
            raise NotThatUser(f"{acting.user} acts in {acting.namespace} alone: it is not asked to {call.words}")
        return await self._api.send(await self._as(call, acting))

    async def review(self, call: Call, acting: Actor) -> Answer | None:
        """The good answer to a question about whoever acts. Raises NotThatUser, Permanent, Retryable and OutcomeUnknown."""
        return await self._api.ask(await self._as(call, acting))

    async def _as(self, call: Call, acting: Actor) -> Call:
        if not isinstance(acting, Account):
            return call
        await self._confirm(acting)
        return replace(call, as_user=acting.user)

    async def _confirm(self, account: Account) -> None:
        """Have the API server say who it takes us for. Raises NotThatUser where that is anybody else, Retryable where it does not say."""
        who = resources.WHO_AM_I
        question = replace(who.call("create", body={"apiVersion": who.api_version, "kind": who.kind}), as_user=account.user)
        try:
            answer = await self._api.send(question)
        except OutcomeUnknown as error:
            raise Retryable(str(error)) from error
        if answer.status == FORBIDDEN:
            raise NotThatUser(f"{identity.lacks(account, (account.right,), account.namespace)} ({answer.message})")
        if not answer.good:
            try:
                refuse(answer, question)
            except OutcomeUnknown as error:
                raise Retryable(str(error), delay=answer.delay) from error
        name, groups = _told(answer.object())
        if name != account.user or not groups <= account.groups:
            raise NotThatUser(f"The API server takes us for '{name}' and not for {account.user}: nothing is done in a name that is not sure")


def _told(review: dict[str, Any]) -> tuple[str, set[str]]:
    user = (review.get("status") or {}).get("userInfo") or {}
    return str(user.get("username") or ""), {str(group) for group in user.get("groups") or ()}
