"""Secrets never leave, whatever dress they wear; and an innocent line is left as it is."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunella.core.redact import CUT, LIMIT, MARK, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEiLCJuYW1lIjoiQW5hIn0.dGhpcy1pcy1hLXNpZ25hdHVyZQ"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Authorization: Bearer abc.def-123", f"Authorization: {MARK}", id="an authorization header"),
        pytest.param("curl -H 'authorization: Basic dXNlcjpwYXNz' http://x", f"curl -H 'authorization: {MARK}' http://x", id="in a command line"),
        pytest.param("sent bearer 0123456789abcdef to it", f"sent bearer {MARK} to it", id="a bearer token in prose"),
        pytest.param("Set-Cookie: sid=1234; Path=/", f"Set-Cookie: {MARK}", id="a cookie to its line's end"),
        pytest.param(f"token is {JWT}, expired", f"token is {MARK}, expired", id="a JWT"),
        pytest.param("postgres://app:hunter2@db:5432/shop", f"postgres://{MARK}@db:5432/shop", id="userinfo of a URL"),
        pytest.param("redis://:p/w@cache:6379", f"redis://{MARK}@cache:6379", id="a password with a slash in a URL"),
        pytest.param("https://abc123@github.com/x", f"https://{MARK}@github.com/x", id="a token as user of a URL"),
        pytest.param("DB_PASSWORD=hunter2 started", f"DB_PASSWORD={MARK} started", id="an environment variable"),
        pytest.param('{"password": "a \\"b\\" c", "user": "ana"}', f'{{"password": {MARK}, "user": "ana"}}', id="JSON with an escaped quote"),
        pytest.param('msg="{\\"api_key\\":\\"k-1\\"}"', f'msg="{{\\"api_key\\":{MARK}}}"', id="JSON inside JSON"),
        pytest.param("client-secret: 's p a c e'", f"client-secret: {MARK}", id="YAML in single quotes"),
        pytest.param("apiKey=abc&page=2", f"apiKey={MARK}&page=2", id="a query parameter"),
        pytest.param("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", f"aws_secret_access_key = {MARK}", id="a cloud key by its name"),
        pytest.param("exec: serve --db-password hunter2 --port 80", f"exec: serve --db-password {MARK} --port 80", id="a flag with its value"),
        pytest.param("key AKIAIOSFODNN7EXAMPLE is disabled", f"key {MARK} is disabled", id="an access key by its shape"),
        pytest.param("push with ghp_0123456789abcdefghij0123456789abcdef", f"push with {MARK}", id="a code host's token by its shape"),
        pytest.param(f"key:\n-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----\nup", f"key:\n{MARK}\nup", id="a PEM block"),
        pytest.param(
            f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A\n\n{BODY}\n-----END RSA PRIVATE KEY-----",
            MARK,
            id="an encrypted PEM block",
        ),
        pytest.param(f"-----BEGIN PRIVATE KEY-----\n{BODY}", MARK, id="a PEM block without its end"),
        pytest.param(f"found:\n{BODY}\n-----END PRIVATE KEY-----\nup", f"found:\n{MARK}\nup", id="a PEM block without its beginning"),
        pytest.param("-----END PRIVATE KEY-----", MARK, id="nothing but a PEM block's last line"),
        pytest.param('KEY="-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----"', f'KEY="{MARK}"', id="a PEM block in one line"),
    ],
)
def test_what_looks_like_a_secret_is_redacted(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "FATAL: unknown flag --cache-size",
        'MountVolume.SetUp failed for volume "keys" : secret "missing" not found',
        "couldn't find key password in ConfigMap shop/checkout",
        "GET http://192.0.2.1:5000/v2/box@sha256:0a1b2c 404 Not Found",
        "mail ops@example.com about https://example.com/path?x=1",
        "bearer token expired",
        "exit code 137 (OOMKilled) after 32 Mi\n\tat line 7",
        "flag needs an argument: --token",
        "the secret of a good cake",
        "-----BEGIN the day-----",
        "",
    ],
)
def test_an_innocent_line_stays_as_it_is(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\x1b[31;1mred\x1b[0m \x9b1mbold", "red bold", id="colours"),
        pytest.param("\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link", "text link", id="a window title and a link"),
        pytest.param("\x1b(Bplain\x1b7", "plain", id="other escapes"),
        pytest.param("a\x00b\x08c\x7fd\x85e", "abcd\ne", id="control characters"),
        pytest.param("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour", id="every kind of line end"),
        pytest.param("safe\u202etxt.exe\u2066\u200b\u200d\ufeff", "safetxt.exe", id="bidirectional overrides and zero width"),
        pytest.param("half \ud800 pair", "half \ufffd pair", id="a lone surrogate, which no JSON can carry"),
        pytest.param("pass\u200bword=hunter2", f"password={MARK}", id="a secret that was made invisible to patterns"),
        pytest.param("Prüfung übersprungen: 3 ≤ 4 ✓", "Prüfung übersprungen: 3 ≤ 4 ✓", id="letters of every language stay"),
    ],
)
def test_nothing_invisible_stays(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("s3cr3t/väl ue", id="as it is"),
        pytest.param(base64.b64encode("s3cr3t/väl ue".encode()).decode(), id="in base64"),
        pytest.param(base64.urlsafe_b64encode("s3cr3t/väl ue".encode()).decode(), id="in base64 for URLs"),
        pytest.param(quote("s3cr3t/väl ue", safe=""), id="URL-encoded"),
        pytest.param(quote("s3cr3t/väl ue"), id="URL-encoded as a path"),
        pytest.param("s3cr3t/\u200bväl\x1b[0m ue", id="with invisible characters inside"),
    ],
)
def test_a_known_value_is_redacted_in_every_spelling(spelling):
    assert redact(f"it is >{spelling}<", ["s3cr3t/väl ue"]) == f"it is >{MARK}<"


def test_of_two_known_values_the_longer_goes_first():
    assert redact("abcdef abcd", ["abcd", "abcdef"]) == f"{MARK} {MARK}"


def test_a_line_of_a_known_value_of_several_lines_is_known_by_itself():
    assert redact("only second-line here", ["first-line\nsecond-line\nx\n"]) == f"only {MARK} here"


def test_a_known_value_that_is_too_short_tears_no_holes():
    assert redact("a cat sat", ["a", "", "sat"]) == "a cat sat"


def test_of_a_text_too_long_the_end_is_kept_from_a_white_space_on():
    text = "password=hunter2 " + "x" * LIMIT + " last words"
    assert redact(text[:-11]) == CUT
    assert redact(text) == f"{CUT} last words"


@settings(deadline=None)
@given(st.text(max_size=400))
def test_redacting_a_redacted_text_changes_nothing(text):
    once = redact(text)
    assert redact(once) == once


PIECES = [
    "password=",
    "token: ",
    '"',
    "'",
    "\\",
    " ",
    "\n",
    "--secret ",
    "://",
    "@",
    "/",
    ":",
    "a",
    "Bearer ",
    JWT,
    "-----BEGIN A-----",
    MARK,
    "Cookie: ",
]
SURROUNDINGS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(deadline=None)
@given(SURROUNDINGS, st.sampled_from(["password=", "api_key: ", 'secret": "', "--token "]), SURROUNDINGS)
def test_no_assigned_value_survives_whatever_stands_around(before, key, after):
    assert "hunter2hunter2" not in redact(f"{before} {key}hunter2hunter2 {after}")


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40), st.text(max_size=80), st.text(max_size=80))
def test_no_known_value_survives(secret, before, after):
    assert secret not in redact(f"{before}{secret}{after}", [secret]) or secret in MARK


@pytest.mark.parametrize(
    "hostile",
    [
        "eyJ-" * 20_000,
        "-----BEGIN A-----" * 4_000,
        "-----END A-----" * 4_000,
        "A" * 65_000 + "-----END",
        "password" * 8_000,
        "password=\\" * 6_000,
        "--" * 30_000,
        "-a" * 30_000,
        "://a:" * 13_000,
        "\x1b[" * 30_000,
        "\x1b]" * 30_000,
        "bearer " * 9_000,
        'token="' + "\\" * 60_000,
        "authorization=" * 4_500,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_hostile_text_costs_no_more_than_its_length(hostile):
    began = time.process_time()
    redact(hostile)
    assert time.process_time() - began < 1.0
