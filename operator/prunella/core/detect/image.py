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
    r"|unreachable|unavailable|too many requests|rate limit|dial tcp|\b429\b|\b5\d\d\b",
    re.IGNORECASE,
)
_MISSING: Final = re.compile(r"not found|notfound|manifest[ _]unknown|name[ _]unknown", re.IGNORECASE)
_BACK_OFF: Final = re.compile(r"back-off pulling image\s*\S*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    pod: Pod
    container: Container
    answer: Answer


def rollout_image(look: Look) -> Symptom | None:
    """RolloutImagePull: the newest revision brought an image that can't be had."""
    found = tuple(failure for failure in _failures(look.newest_pods) if _is_new(look, failure.container.image))
    if not look.rolling or look.newest is None or not found:
        return None
    answers = {failure.answer for failure in found} - {Answer.SILENT}
    missing = answers == {Answer.MISSING}
    if not missing and not (answers == {Answer.REFUSED} and _only_this_repository(look, look.newest, found)):
        return None
    return _symptom(look, Cause.ROLLOUT_IMAGE_PULL, found, look.newest)


def registry(look: Look) -> Symptom | None:
    """RegistryUnreachable: any pull that fails for another reason, at any count of pods."""
    found = _failures(look.pods)
    return _symptom(look, Cause.REGISTRY_UNREACHABLE, found, None) if found else None


def classify(container: Container) -> Answer:
    """What the container's status says about the registry. The image's own name is not read: it may be called anything."""
    if container.waiting_reason in PLAIN:
        return Answer.MISSING
    text = _without_image(container.waiting_message, container.image).strip()
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
    """Whether the revision before does not use the image as well: then it is not the change that is at fault."""
    previous = _previous(look)
    return previous is None or image not in previous.images


def _previous(look: Look) -> Revision | None:
    """The revision before the newest."""
    return next((one for one in look.facts.revisions if look.newest is not None and one.number < look.newest.number), None)


def _only_this_repository(look: Look, newest: Revision, found: tuple[_Failure, ...]) -> bool:
    """Whether a refusal follows from the change: it names another repository, and no other workload is refused."""
    previous = _previous(look)
    if look.surroundings.pull_failures_elsewhere or previous is None or not previous.images or not newest.images:
        return False
    before = {repository(image) for image in previous.images}
    return all(repository(failure.container.image) not in before for failure in found)


def _without_image(message: str, image: str) -> str:
    """The message without the image's reference, whole and by parts, and without anything in quotes that looks like a URL or a reference."""
    text = message
    for part in sorted({image, repository(image)} - {""}, key=len, reverse=True):
        text = text.replace(part, "")
    return re.sub(r'"[^"\s]{1,512}"', "", text)


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
