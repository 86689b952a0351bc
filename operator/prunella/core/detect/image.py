"""Images that can't be pulled: because the newest revision names one that isn't there, or because the registry does not serve.

The rule this module protects: only a registry's own plain answer accuses a revision. No answer, a refusal for want of rights, an answer that is not
understood, or two that contradict each other accuse the registry, for then going back would pull again and fail again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.facts import Container, Pod, Revision

from .look import Look, Symptom, quote


class Answer(Enum):
    """What the failed pull says about the registry."""

    MISSING = "missing"
    """The registry answers that there is no such image, or the reference itself is invalid."""
    REFUSED = "refused"
    """The registry wants other credentials."""
    BROKEN = "broken"
    """It can't be reached, is overloaded, failed, or says something that is not known."""
    SILENT = "silent"
    """The status does not repeat what the registry said."""


PLAIN: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Reasons that need no registry to be true."""
_REFUSED: Final = re.compile(r"unauthori[sz]ed|forbidden|denied|no basic auth|authentication required|\b40[13]\b", re.IGNORECASE)
_BROKEN: Final = re.compile(
    r"refused|time-?out|timed out|deadline exceeded|no such host|server misbehaving|tls|x509|certificate|\beof\b|connection reset|no route"
    r"|unreachable|unavailable|too many requests|rate limit|dial tcp|\blookup\b|name resolution|host not found|resolve host|\b429\b|\b5\d\d\b",
    re.IGNORECASE,
)
_MISSING: Final = re.compile(r"not found|notfound|manifest[ _]unknown|name[ _]unknown", re.IGNORECASE)
_BACK_OFF: Final = re.compile(r"back-off pulling image", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    pod: Pod
    container: Container
    answer: Answer


def rollout_image(look: Look) -> Symptom | None:
    """RolloutImagePull: the newest revision brought an image that can't be had."""
    found = tuple(failure for failure in _failures(look.troubled_newest) if _is_new(look, failure.container.image))
    if not look.rolling or look.newest is None or not found:
        return None
    answers = {failure.answer for failure in found} - {Answer.SILENT}
    missing = answers == {Answer.MISSING}
    if not missing and not (answers == {Answer.REFUSED} and _only_this_repository(look, found)):
        return None
    return _symptom(look, Cause.ROLLOUT_IMAGE_PULL, found, look.newest)


def registry(look: Look) -> Symptom | None:
    """RegistryUnreachable: any pull that fails for another reason, at any count of pods."""
    found = _failures(look.troubled)
    return _symptom(look, Cause.REGISTRY_UNREACHABLE, found, None) if found else None


def classify(container: Container) -> Answer:
    """What the container's status says about the registry. The image's own name is not read: it may be called anything."""
    if container.waiting_reason in PLAIN:
        return Answer.MISSING
    text = _without_image(container.waiting_message, container.image)
    if not text or _BACK_OFF.fullmatch(text):
        return Answer.SILENT
    if _REFUSED.search(text):
        return Answer.REFUSED
    if _BROKEN.search(text):
        return Answer.BROKEN
    return Answer.MISSING if _MISSING.search(text) else Answer.BROKEN


def repository(image: str) -> str:
    """The image's name without tag and digest."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


def _failures(pods: tuple[Pod, ...]) -> tuple[_Failure, ...]:
    return tuple(
        _Failure(pod=pod, container=container, answer=classify(container))
        for pod in pods
        for container in failing.waiting_for(pod, failing.IMAGE_REASONS)
    )


def _is_new(look: Look, image: str) -> bool:
    """Whether no revision that works uses the image as well: else it is not the change that is at fault."""
    return all(image not in revision.images for revision in _working(look))


def _only_this_repository(look: Look, found: tuple[_Failure, ...]) -> bool:
    """Whether a refusal follows from the change: it names another repository, and no other workload is refused."""
    before = {repository(image) for revision in _working(look) for image in revision.images}
    if look.surroundings.pull_failures_elsewhere or not before:
        return False
    return all(repository(failure.container.image) not in before for failure in found)


def _working(look: Look) -> tuple[Revision, ...]:
    """The other stored revisions that serve, or were seen healthy."""
    known = {pod.revision for pod in look.other_pods if pod.ready} | {revision.hash for revision in look.remembered}
    newest = look.newest.hash if look.newest is not None else ""
    return tuple(revision for revision in look.facts.revisions if revision.hash in known and revision.hash != newest)


def _without_image(message: str, image: str) -> str:
    """The message without the words that are a reference or a URL."""
    names = {image, repository(image)}
    return " ".join(word for word in message.split() if "/" not in word and word.strip('":,;()') not in names)


def _symptom(look: Look, cause: Cause, found: tuple[_Failure, ...], accused: Revision | None) -> Symptom:
    started = min(failing.unready_since(failure.pod, look.now) for failure in found)
    told = next((failure for failure in found if failure.answer is not Answer.SILENT), found[0])
    return Symptom(
        cause=cause,
        pods=tuple({failure.pod.name: failure.pod for failure in found}.values()),
        what=f"can't pull image {quote(told.container.image)} ({_reason(told)})",
        started_time=started,
        open_time=look.open_after(cause, started),
        container=told.container.name,
        accused=accused,
    )


def _reason(failure: _Failure) -> str:
    if failure.container.waiting_reason in PLAIN:
        return failure.container.waiting_reason
    words = {
        Answer.MISSING: "the registry has no such image",
        Answer.REFUSED: "the registry refuses the credentials",
        Answer.BROKEN: "the registry fails or can't be reached",
        Answer.SILENT: "the registry's answer is not told",
    }
    tail = failure.container.waiting_message.rstrip().rsplit(": ", 1)[-1]
    return f"{words[failure.answer]}: {quote(tail)}" if failure.answer is not Answer.SILENT and tail else words[failure.answer]
