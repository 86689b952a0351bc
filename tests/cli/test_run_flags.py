"""The flags of `prunella run`: what can't be right is refused before anything starts, on the command line and by environment variables alike."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from prunella.cli import run

LABEL = "a namespace has at most 63 small letters, digits and '-', with a letter or digit at both ends"
PROMETHEUS = "this is no address; give one like http://prometheus.monitoring:9090, with a host and without a query"
ALERTMANAGER = "one of these is no address; give each like http://alertmanager.monitoring:9093, with a host and without a query"
REFUSED = [
    ("--prometheus-url", "nonsense", PROMETHEUS),
    ("--prometheus-url", "prometheus:9090", PROMETHEUS),
    ("--prometheus-url", "ftp://prometheus", PROMETHEUS),
    ("--prometheus-url", "http://", PROMETHEUS),
    ("--prometheus-url", "http://:9090", PROMETHEUS),
    ("--prometheus-url", "http://prometheus:port", PROMETHEUS),
    ("--prometheus-url", "http://prometheus:99999", PROMETHEUS),
    ("--prometheus-url", "http://[::1", PROMETHEUS),
    ("--prometheus-url", "http://prometheus/graph?x=1", PROMETHEUS),
    ("--alertmanager-url", "nonsense", ALERTMANAGER),
    ("--token-dir", "/nope", "there is no folder '/nope'; make it, or mount the Secret with the tokens there, before the start"),
    ("--namespace", "No_Label", f"'No_Label' can't be the name of a namespace: {LABEL}"),
    ("--namespace", "a" * 64, f"'{'a' * 64}' can't be the name of a namespace: {LABEL}"),
    ("--namespace", "a.b", f"'a.b' can't be the name of a namespace: {LABEL}"),
    ("--watch-namespaces", "a b", f"'a b' can't be the name of a namespace: {LABEL}; put a comma between two of them"),
    ("--watch-namespaces", "a,*", f"'*' can't be the name of a namespace: {LABEL}; put a comma between two of them"),
    ("--watch-namespaces", ",", "',' names no namespace; leave the flag out to watch all of them"),
    ("--crds-timeout-seconds", "-5", "-5 is not in the range x>=0"),
]


def variable(flag: str) -> str:
    return "PRUNELLA_" + flag.removeprefix("--").replace("-", "_").upper()


@pytest.mark.parametrize("by_variable", [False, True], ids=["flag", "variable"])
@pytest.mark.parametrize(("flag", "value", "sentence"), REFUSED, ids=[f"{flag[2:]} {value[:24]}" for flag, value, _ in REFUSED])
def test_what_can_t_be_right_is_refused_with_the_flag_and_the_remedy(flag, value, sentence, by_variable):
    arguments, variables = ([], {variable(flag): value}) if by_variable else ([f"{flag}={value}"], {})
    result = CliRunner().invoke(run.command, arguments, env=variables)
    said = " ".join(result.output.split())
    assert result.exit_code == 2
    assert f"Error: Invalid value for '{flag}': {sentence}" in said
    assert (f"(given by {variable(flag)})" in said) == (by_variable and flag != "--crds-timeout-seconds")


def test_a_password_in_an_address_is_not_shown():
    result = CliRunner().invoke(run.command, ["--prometheus-url", "http://ana:hunter2@prometheus:port"])
    assert result.exit_code == 2
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("flag", "value", "parsed"),
    [
        ("--prometheus-url", "http://prometheus.monitoring:9090", "http://prometheus.monitoring:9090"),
        ("--prometheus-url", "https://ana:word@[::1]:9090/prefix/", "https://ana:word@[::1]:9090/prefix/"),
        ("--alertmanager-url", "http://10.0.0.1", ("http://10.0.0.1",)),
        ("--namespace", "0-ops", "0-ops"),
        ("--watch-namespaces", "a, b-2 ,", ("a", "b-2")),
        ("--watch-namespaces", "", ()),
        ("--crds-timeout-seconds", "0", 0),
        ("--token-dir", ".", "."),
    ],
)
def test_what_can_be_right_is_taken_as_it_is(flag, value, parsed):
    context = run.command.make_context("run", [f"{flag}={value}"])
    assert isinstance(context, click.Context)
    assert context.params[flag.removeprefix("--").replace("-", "_")] == parsed
