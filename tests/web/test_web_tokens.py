"""Bearer tokens out of a folder: all valid, read again when changed, none means closed."""

import os

import pytest

from prunella.web.tokens import Entry, Tokens


def judge(tokens, token):
    return tokens.judge([f"Bearer {token}"])


def test_every_file_holds_a_valid_token(tmp_path):
    (tmp_path / "old").write_text("first\n")
    (tmp_path / "new").write_text("  second  ")
    tokens = Tokens(tmp_path)
    assert [judge(tokens, one) for one in ("first", "second", "third")] == [Entry.ALLOWED, Entry.ALLOWED, Entry.REFUSED]


def test_a_rotation_is_seen_at_once(tmp_path):
    (tmp_path / "a").write_text("first")
    tokens = Tokens(tmp_path)
    assert judge(tokens, "first") is Entry.ALLOWED
    (tmp_path / "b").write_text("second")
    assert judge(tokens, "second") is Entry.ALLOWED
    (tmp_path / "a").unlink()
    assert (judge(tokens, "first"), judge(tokens, "second")) == (Entry.REFUSED, Entry.ALLOWED)
    os.replace(_written(tmp_path.parent / "staged", "third!"), tmp_path / "b")
    assert (judge(tokens, "second"), judge(tokens, "third!")) == (Entry.REFUSED, Entry.ALLOWED)
    (tmp_path / "b").unlink()
    assert judge(tokens, "third!") is Entry.CLOSED


def test_a_mounted_secret_is_read_through_its_links(tmp_path):
    data = tmp_path / "..2026_11_24"
    data.mkdir()
    (data / "token").write_text("mounted")
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "token").symlink_to("..data/token")
    tokens = Tokens(tmp_path)
    assert judge(tokens, "mounted") is Entry.ALLOWED
    (tmp_path / "..2026_11_25").mkdir()
    (tmp_path / "..2026_11_25" / "token").write_text("rotated")
    (tmp_path / "..next").symlink_to("..2026_11_25")
    os.replace(tmp_path / "..next", tmp_path / "..data")
    assert (judge(tokens, "mounted"), judge(tokens, "rotated")) == (Entry.REFUSED, Entry.ALLOWED)


@pytest.mark.parametrize("content", ["", "\n", "   "], ids=["empty", "newline", "blank"])
def test_an_empty_file_is_no_token(tmp_path, content):
    (tmp_path / "token").write_text(content)
    assert Tokens(tmp_path).judge(["Bearer "]) is Entry.CLOSED


def test_a_folder_that_is_gone_lets_nobody_in_and_one_that_comes_back_does(tmp_path, caplog):
    folder = tmp_path / "tokens"
    tokens = Tokens(folder)
    assert judge(tokens, "first") is Entry.CLOSED
    assert "The folder of webhook tokens could not be read" in caplog.text
    folder.mkdir()
    _written(folder / "a", "first")
    assert judge(tokens, "first") is Entry.ALLOWED


def test_without_a_folder_nobody_is_let_in():
    assert Tokens(None).judge(["Bearer x"]) is Entry.CLOSED


@pytest.mark.parametrize(
    "headers",
    [[], ["Bearer token", "Bearer token"], ["Basic token"], ["token"], [""], ["Bearer"], ["Bearer \udcff"], ["Bearertoken"], ["bear token"]],
)
def test_anything_but_one_bearer_token_is_refused(tmp_path, headers):
    _written(tmp_path / "a", "token")
    assert Tokens(tmp_path).judge(headers) is Entry.REFUSED


def _written(path, text):
    path.write_text(text)
    return path
