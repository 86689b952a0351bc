"""Where a message may go: the public internet by https on 443, and what the Secret's annotation names."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.adapters.notify.destinations import allowed_hosts, judge, resolve_name
from prunella.app.errors import Permanent, PrunellaError, Retryable

PUBLIC = "8.8.8.8"


def resolving(*addresses):
    asked = []

    async def resolve(host, port):
        asked.append((host, port))
        return addresses

    resolve.asked = asked
    return resolve


async def refusal(url, annotation="", *addresses):
    with pytest.raises(Permanent) as raised:
        await judge(url, allowed_hosts(annotation), resolving(*(addresses or (PUBLIC,))))
    assert "secret-path" not in str(raised.value)
    return str(raised.value)


HINT = "name 'hooks.example.com:{}' in the Secret's annotation prunella.dev/allowed-hosts if that is meant"


@pytest.mark.parametrize(
    ("url", "host", "port", "addresses"),
    [
        ("https://hooks.example.com/secret-path", "hooks.example.com", 443, (PUBLIC,)),
        ("https://hooks.example.com:443/x?y=z", "hooks.example.com", 443, (PUBLIC,)),
        ("https://HOOKS.example.com./", "hooks.example.com", 443, (PUBLIC,)),
        ("https://1.1.1.1/", "1.1.1.1", 443, ("1.1.1.1",)),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443, ("2606:4700::1111",)),
    ],
    ids=["name", "port said", "upper case and root dot", "IPv4", "IPv6"],
)
async def test_a_public_address_by_https_is_allowed_and_pinned(url, host, port, addresses):
    destination = await judge(url, frozenset(), resolving(PUBLIC))
    assert (destination.url, destination.host, destination.port, destination.addresses) == (url, host, port, addresses)


async def test_a_name_is_resolved_once_and_every_address_kept():
    resolve = resolving(PUBLIC, "2606:4700::1111", PUBLIC)
    destination = await judge("https://hooks.example.com/", frozenset(), resolve)
    assert destination.addresses == (PUBLIC, "2606:4700::1111")
    assert resolve.asked == [("hooks.example.com", 443)]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "the address must begin with https://"),
        ("gopher://hooks.example.com/secret-path", "the address must begin with https://"),
        ("hooks.example.com/secret-path", "the address must begin with https://"),
        ("", "the address must begin with https://"),
        ("https://", "the address is no URL with a host name"),
        ("https:///secret-path", "the address is no URL with a host name"),
        ("https://hooks.example.com/secret path", "the address is no URL with a host name"),
        ("https://hööks.example.com/", "the address is no URL with a host name"),
        ("https://[::1/secret-path", "the address is no URL"),
        ("https://hooks.example.com:99999/", "the address is no URL"),
        ("https://user:pass@hooks.example.com/secret-path", "the address must not hold a user name or password"),
        ("https://hooks.example.com@evil.example.com/", "the address must not hold a user name or password"),
        ("http://hooks.example.com/secret-path", "the address must begin with https://; " + HINT.format(80)),
        ("https://hooks.example.com:8443/secret-path", "the port must be 443; " + HINT.format(8443)),
        ("https://hooks.example.com:0/", "the port must be 443; " + HINT.format(0)),
    ],
    ids=[
        "file",
        "gopher",
        "no scheme",
        "nothing",
        "no host",
        "only a path",
        "space",
        "not ASCII",
        "open bracket",
        "no port",
        "password",
        "user",
        "http",
        "other port",
        "port 0",
    ],
)
async def test_87_what_is_no_public_https_address_is_refused(url, why):
    assert await refusal(url) == why


PRIVATE = (
    "'{}' leads to a private, loopback or reserved address; name '{}:443' in the Secret's annotation prunella.dev/allowed-hosts if that is meant"
)
DRESSED = "'{}' leads to an IPv4 address dressed as IPv6, which is refused"
NEVER = "'{}' leads to a link-local, metadata or multicast address, which is refused"


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("127.0.0.1", PRIVATE),
        ("10.0.0.1", PRIVATE),
        ("172.16.0.1", PRIVATE),
        ("192.168.1.1", PRIVATE),
        ("100.64.0.1", PRIVATE),
        ("240.0.0.1", PRIVATE),
        ("192.0.2.1", PRIVATE),
        ("0.0.0.0", NEVER),
        ("169.254.169.254", NEVER),
        ("169.254.1.1", NEVER),
        ("100.100.100.200", NEVER),
        ("224.0.0.1", NEVER),
        ("[::1]", PRIVATE),
        ("[fd12::1]", PRIVATE),
        ("[::]", NEVER),
        ("[fe80::1]", NEVER),
        ("[fd00:ec2::254]", NEVER),
        ("[ff02::1]", NEVER),
        ("[::ffff:169.254.169.254]", DRESSED),
        ("[::ffff:8.8.8.8]", DRESSED),
        ("[64:ff9b::a00:1]", DRESSED),
        ("[2002:a00:1::]", DRESSED),
        ("[2001:0:a00:1::]", DRESSED),
    ],
)
async def test_87_an_inner_address_is_refused_whether_named_or_written(host, sentence):
    bare = host.strip("[]")
    assert await refusal(f"https://{host}/secret-path") == sentence.format(bare, bare)
    assert await refusal("https://hooks.example.com/secret-path", "", bare) == sentence.format("hooks.example.com", "hooks.example.com")
    assert await refusal("https://hooks.example.com/secret-path", "", PUBLIC, bare) == sentence.format("hooks.example.com", "hooks.example.com")


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"])
async def test_87_other_spellings_of_the_loopback_address_are_seen_through(host):
    with pytest.raises(Permanent, match="leads to a private, loopback or reserved address"):
        await judge(f"https://{host}/", frozenset(), resolve_name)


@pytest.mark.parametrize(
    ("url", "annotation", "address"),
    [
        ("http://127.0.0.1:9999/", "127.0.0.1:9999", "127.0.0.1"),
        ("http://alerts.internal:8080/", "alerts.internal:8080", "10.0.0.1"),
        ("https://alerts.internal/", "alerts.internal", "10.0.0.1"),
        ("http://alerts.internal/", "alerts.internal", "10.0.0.1"),
        ("http://ALERTS.internal:8080/", "other.internal:1, Alerts.Internal:8080", "10.0.0.1"),
        ("http://alerts.internal:8080/", "a:1 alerts.internal:8080\nb:2", "::1"),
        ("http://[::1]:8080/", "[::1]:8080", "::1"),
        ("https://[::1]/", "[::1]", "::1"),
        ("https://[::1]/", "::1", "::1"),
    ],
)
async def test_a_host_that_the_annotation_names_may_be_private_and_plain(url, annotation, address):
    destination = await judge(url, allowed_hosts(annotation), resolving(address))
    assert destination.addresses == (address,)


@pytest.mark.parametrize(
    ("url", "annotation", "addresses", "why"),
    [
        ("http://a.internal:8081/", "a.internal:8080", ["10.0.0.1"], "the address must begin with https://"),
        ("https://a.internal:8443/", "a.internal", ["10.0.0.1"], "the port must be 443"),
        ("http://b.internal:8080/", "a.internal:8080", ["10.0.0.1"], "the address must begin with https://"),
        ("http://x.a.internal:8080/", "a.internal:8080", ["10.0.0.1"], "the address must begin with https://"),
        ("http://a.internal:8080/", "a.internal:8080", ["169.254.169.254"], "'a.internal' leads to a link-local, metadata or multicast address"),
        ("http://169.254.169.254/", "169.254.169.254", [], "'169.254.169.254' leads to a link-local, metadata or multicast address"),
        ("http://a.internal:8080/", "a.internal:8080", ["::ffff:10.0.0.1"], "'a.internal' leads to an IPv4 address dressed as IPv6"),
        ("http://u:p@a.internal:8080/", "a.internal:8080", ["10.0.0.1"], "the address must not hold a user name or password"),
    ],
    ids=["other port", "no port named", "other host", "subdomain", "rebound to metadata", "metadata named", "mapped", "password"],
)
async def test_the_annotation_opens_exactly_what_it_names(url, annotation, addresses, why):
    assert (await refusal(url, annotation, *addresses)).startswith(why)


async def test_a_name_that_cant_be_resolved_now_is_tried_again():
    async def fails(_host, _port):
        raise OSError("no such host")

    with pytest.raises(Retryable, match=r"the host name 'hooks.example.com' could not be resolved"):
        await judge("https://hooks.example.com/", frozenset(), fails)
    with pytest.raises(Retryable, match=r"the host name 'hooks.example.com' has no address"):
        await judge("https://hooks.example.com/", frozenset(), resolving())


async def test_a_name_server_that_hangs_is_given_up():
    async def hangs(_host, _port):
        await asyncio.Event().wait()

    with pytest.raises(Retryable, match=r"the host name 'hooks.example.com' could not be resolved within 0.05 s"):
        await judge("https://hooks.example.com/", frozenset(), hangs, patience=0.05)


@given(st.sampled_from(["", "https://", "http://", "https://user@", "https://["]), st.text(max_size=40), st.text(max_size=40))
async def test_no_url_and_no_annotation_raises_anything_else(begin, rest, annotation):
    try:
        destination = await judge(begin + rest, allowed_hosts(annotation), resolving(PUBLIC))
    except PrunellaError:
        return
    assert destination.url.lower().startswith("https://") or allowed_hosts(annotation)
