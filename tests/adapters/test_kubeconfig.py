"""Which cluster a context means, and the kubeconfig that is written for the operator's account."""

from __future__ import annotations

import os

import pytest
import yaml

from prunella.adapters.kubernetes import kubeconfig
from prunella.app.errors import Permanent


def entry(name: str, **cluster: str) -> dict[str, object]:
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example.com", **cluster}}],
        "contexts": [{"name": f"me@{name}", "context": {"cluster": name, "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "mine"}}],
        "current-context": f"me@{name}",
    }


@pytest.fixture
def write(tmp_path):
    def written(name: str, content: object) -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(path)

    return written


@pytest.mark.parametrize(
    ("context", "server"),
    [(None, "https://one.example.com"), ("me@two", "https://two.example.com")],
    ids=["the first file's current context", "a named one of the second file"],
)
def test_several_files_are_read_as_kubectl_reads_them(write, context, server):
    both = os.pathsep.join([write("a", entry("one")), "/nowhere", write("b", entry("two"))])
    assert kubeconfig.place(both, context).server == server


def test_the_written_kubeconfig_has_the_account_and_nothing_of_the_person(write, tmp_path):
    (tmp_path / "ca.crt").write_bytes(b"CA")
    where = kubeconfig.place(write("a", entry("one", **{"certificate-authority": "ca.crt", "tls-server-name": "api"})), None)
    written = yaml.safe_load(kubeconfig.render(where, "token"))
    assert written["clusters"] == [
        {
            "name": "me@one",
            "cluster": {"server": "https://one.example.com", "tls-server-name": "api", "certificate-authority-data": "Q0E="},
        }
    ]
    assert written["users"] == [{"name": "prunella", "user": {"token": "token"}}]
    assert written["current-context"] == "prunella@me@one"
    assert "mine" not in kubeconfig.render(where, "token")


def test_a_token_is_only_for_its_owner_even_where_the_file_was_open_before(tmp_path):
    path = tmp_path / "prunella.kubeconfig"
    path.write_text("old")
    path.chmod(0o644)
    kubeconfig.save("new", path)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "context", "sentence"),
    [
        (None, None, "does not exist; name another with --kubeconfig, or set KUBECONFIG"),
        ({"contexts": []}, None, "has no current context; name one with --context"),
        (entry("one"), "me@two", "has no context 'me@two'; `kubectl config get-contexts` lists what there is"),
        ({"contexts": [{"name": "x", "context": {"cluster": "gone"}}]}, "x", "has no cluster 'gone'"),
        ("- a list", None, "is no kubeconfig: it holds no mapping"),
        ("{", None, "is no kubeconfig"),
        (entry("one", **{"certificate-authority": "gone.crt"}), None, "names the CA gone.crt, which can't be read: No such file or directory"),
    ],
    ids=["no file", "no current context", "unknown context", "unknown cluster", "a list", "no YAML", "no CA"],
)
def test_a_kubeconfig_that_leads_nowhere_is_said_in_a_sentence(write, content, context, sentence):
    path = write("config", content) if content is not None else "/nowhere/config"
    with pytest.raises(Permanent) as raised:
        kubeconfig.place(path, context)
    assert sentence in str(raised.value)
    assert path in str(raised.value)


def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Permanent, match=r"can't be written to .*: No such file or directory; name another file with --output"):
        kubeconfig.save("text", tmp_path / "gone" / "file")
