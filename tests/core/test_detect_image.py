"""Images that can't be pulled: the revision's fault, or the registry's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect import image
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, crashing, healthy_facts, new_pod, pods, revision, rolling_facts, waiting
from .records import healthy_record

PULL = 'rpc error: code = Unknown desc = failed to pull and unpack image "reg.local/box:v9": '
MISSING = 'rpc error: code = NotFound desc = failed to pull and unpack image "reg.local/box:v9": reg.local/box:v9: not found'
REFUSED = PULL + "pulling from host 192.0.2.1:5000 failed with status code [manifests 1]: 401 Unauthorized"
DOWN = PULL + 'failed to do request: Head "https://reg.local/v2/box/manifests/v9": dial tcp 192.0.2.1:5000: connect: connection refused'


def pulling(message, reason="ErrImagePull", name="reg.local/box:v9"):
    return waiting(reason, message, image=name)


def found(facts, **surroundings):
    return detect(facts, NOON, Settings(), Surroundings(**surroundings)).finding


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        pytest.param(MISSING, "missing", id="containerd: not found"),
        pytest.param(f'Back-off pulling image "reg.local/box:v9": ErrImagePull: {MISSING}', "missing", id="the same while backing off"),
        pytest.param("reading manifest v9 in reg.local/box: manifest unknown", "missing", id="another runtime: manifest unknown"),
        pytest.param("name unknown: repository name not known", "missing", id="name unknown"),
        pytest.param("failed: code = NotFound", "missing", id="only the code"),
        pytest.param(REFUSED, "refused", id="401"),
        pytest.param(PULL + "403 Forbidden", "refused", id="403"),
        pytest.param("pull access denied, repository does not exist or may require authorization", "refused", id="access denied is not missing"),
        pytest.param("authentication required; not found", "refused", id="a refusal that mentions not found"),
        pytest.param("no basic auth credentials", "refused", id="no credentials"),
        pytest.param(DOWN, "broken", id="connection refused"),
        pytest.param(PULL + "429 Too Many Requests", "broken", id="429"),
        pytest.param(PULL + "unexpected status: 503 Service Unavailable", "broken", id="503"),
        pytest.param(PULL + "dial tcp: lookup reg.local on 10.96.0.10:53: no such host", "broken", id="no such host"),
        pytest.param("lookup reg.local: not found", "broken", id="a name that is not found is no image"),
        pytest.param(PULL + "net/http: TLS handshake timeout", "broken", id="TLS"),
        pytest.param(PULL + "x509: certificate signed by unknown authority", "broken", id="an unknown authority"),
        pytest.param(PULL + "unexpected EOF", "broken", id="EOF"),
        pytest.param(PULL + "no space left on device", "broken", id="anything that is not known"),
        pytest.param('Back-off pulling image "reg.local/box:v9"', "silent", id="backing off without a word"),
        pytest.param("", "silent", id="nothing"),
        pytest.param("reg.local/401-refused-timeout:v503: not found", "missing", id="the reference's own words are not read"),
    ],
)
def test_the_kubelets_text_tells_what_the_registry_said(message, answer):
    assert image.classify(pulling(message)).value == answer


def test_the_images_own_name_is_not_read_where_it_has_no_registry():
    assert image.classify(pulling("denied:v1: not found", name="denied:v1")).value == "missing"


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
def test_some_reasons_need_no_registry(reason):
    assert image.classify(pulling("connection refused", reason)).value == "missing"
    finding = found(rolling_facts(new_pod(pulling("bad reference", reason))))
    assert finding.cause is Cause.ROLLOUT_IMAGE_PULL
    assert finding.summary == f"checkout: revision 3 can't pull image reg.local/box:v9 ({reason}); revision 2 still serves 3 of 3"


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("reg.local:5000/shop/box:v9", "reg.local:5000/shop/box"),
        ("box", "box"),
        ("shop/box@sha256:0a", "shop/box"),
        ("shop/box:v1@sha256:0a", "shop/box"),
    ],
)
def test_a_repository_is_an_image_without_tag_and_digest(name, repository):
    assert image.repository(name) == repository


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_is_not_there_accuses_the_revision_under_both_words(reason):
    finding = found(rolling_facts(new_pod(pulling(MISSING, reason))))
    assert finding.cause is Cause.ROLLOUT_IMAGE_PULL
    assert (finding.accused_revision, finding.started_time, finding.open_time) == ("h3", ago(30), ago(30))
    assert finding.summary == (
        "checkout: revision 3 can't pull image reg.local/box:v9 (the registry has no such image: not found); revision 2 still serves 3 of 3"
    )


@pytest.mark.parametrize(
    ("message", "why"),
    [
        pytest.param(REFUSED, "the registry refuses the credentials: 401 Unauthorized", id="credentials"),
        pytest.param(DOWN, "the registry fails or can't be reached: connection refused", id="outage"),
        pytest.param("", "the registry's answer is not told", id="silence"),
    ],
)
def test_any_other_failure_accuses_the_registry(message, why):
    same = replace(rolling_facts(), revisions=(revision(3, created=40), revision(2, images=("reg.local/box:v8",))))
    finding = found(replace(same, pods=(*pods(3), new_pod(pulling(message)))))
    assert finding.cause is Cause.REGISTRY_UNREACHABLE
    assert finding.accused_revision == ""
    assert finding.summary == f"checkout: pod checkout-h3-a can't pull image reg.local/box:v9 ({why}); revision 2 still serves 3 of 3"


def test_two_answers_that_contradict_each_other_accuse_the_registry():
    facts = rolling_facts(new_pod(pulling(MISSING), name="a"), new_pod(pulling(DOWN), name="b"))
    assert found(facts).cause is Cause.REGISTRY_UNREACHABLE


def test_silence_contradicts_nothing():
    facts = rolling_facts(new_pod(pulling(""), name="a"), new_pod(pulling(MISSING), name="b"))
    finding = found(facts)
    assert (finding.cause, finding.failing_pods) == (Cause.ROLLOUT_IMAGE_PULL, ("a", "b"))


@pytest.mark.parametrize(
    ("facts", "elsewhere", "cause"),
    [
        pytest.param(rolling_facts(new_pod(pulling(REFUSED))), False, Cause.ROLLOUT_IMAGE_PULL, id="another repository, and only here"),
        pytest.param(rolling_facts(new_pod(pulling(REFUSED))), True, Cause.REGISTRY_UNREACHABLE, id="others are refused as well"),
        pytest.param(rolling_facts(new_pod(pulling(REFUSED, name="shop/app:3"))), False, Cause.REGISTRY_UNREACHABLE, id="the same repository"),
        pytest.param(rolling_facts(new_pod(pulling(REFUSED)), serving=0), False, Cause.REGISTRY_UNREACHABLE, id="nothing is known to have worked"),
    ],
)
def test_a_refusal_accuses_the_revision_only_where_its_repository_is_new(facts, elsewhere, cause):
    assert found(facts, pull_failures_elsewhere=elsewhere).cause is cause


def test_a_revision_that_was_seen_healthy_tells_which_repository_works():
    facts = rolling_facts(new_pod(pulling(REFUSED)), serving=0)
    assert found(facts, record=healthy_record("h2")).cause is Cause.ROLLOUT_IMAGE_PULL


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(
            rolling_facts(new_pod(pulling("shop/app:2: not found", name="shop/app:2"))),
            Cause.REGISTRY_UNREACHABLE,
            id="the image that works vanished",
        ),
        pytest.param(
            replace(healthy_facts(), pods=pods(3, "h2", pulling(MISSING))), Cause.REGISTRY_UNREACHABLE, id="no rollout, and the image vanished"
        ),
        pytest.param(
            replace(healthy_facts(), revisions=(), pods=pods(3, "h2", pulling(MISSING))), Cause.REGISTRY_UNREACHABLE, id="no revision is known"
        ),
        pytest.param(
            rolling_facts(new_pod(crashing(), name="a"), new_pod(pulling(DOWN), name="b")),
            Cause.ROLLOUT_CRASH_LOOP,
            id="where it could be pulled it crashes",
        ),
    ],
)
def test_the_cause_is_what_the_plain_evidence_says(facts, cause):
    assert found(facts).cause is cause


def test_the_same_missing_image_in_a_second_bad_revision_is_still_the_rollouts():
    facts = rolling_facts(new_pod(pulling(MISSING)))
    stored = (revision(4, created=20, images=("reg.local/box:v9",)), replace(facts.revisions[0], images=("reg.local/box:v9",)), facts.revisions[1])
    bad = (new_pod(pulling(MISSING)), replace(new_pod(pulling(MISSING), name="checkout-h4-a"), revision="h4"))
    finding = found(replace(facts, revisions=stored, pods=(*pods(3), *bad)))
    assert (finding.cause, finding.accused_revision) == (Cause.ROLLOUT_IMAGE_PULL, "h4")
