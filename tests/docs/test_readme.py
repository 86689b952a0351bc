"""What the README and the other pages say can be typed, and links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from prunella.cli import main
from prunella.cli.lint import command as lint

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "manifests").rglob("*.md"), *(ROOT / "runbooks").rglob("*.md")])
SCREEN_LINES = 60


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(page: Path) -> list[str]:
    """The lines behind a prompt, without their comment and with continued lines joined."""
    text = page.read_text().replace("\\\n", " ")
    return [
        line[2:].split("  #")[0].strip()
        for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def test_the_readme_is_one_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= SCREEN_LINES


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile():
    found = [line for line in commands(ROOT / "README.md") if line.startswith("make ")]
    assert found == ["make demo", "make test"]
    for line in found:
        subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_leads_somewhere(page):
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        there = (page.parent / path) if path else page
        if not there.exists() or (
            anchor
            and anchor
            not in {
                re.sub(r"[^a-z0-9 -]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
                for line in there.read_text().splitlines()
                if line.startswith("#")
            }
        ):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_command_of_ours_exists_with_its_options(page):
    unknown = []
    for line in commands(page):
        words = re.split(r"\s+", line)
        if words[:2] == ["kubectl", "prunella"]:
            words = words[1:]
        if words[0] not in {"prunella", "hack/prunella"}:
            continue
        command = main.prunella.get_command(None, words[1])
        flags = {flag for option in (command.params if command else ()) for flag in option.opts}
        unknown += (
            [line] if command is None else [f"{line}: {word}" for word in words[2:] if word.startswith("-") and word.partition("=")[0] not in flags]
        )
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_folder_that_is_applied_exists(page):
    folders = re.findall(r"-k ([\w./-]+)", "\n".join(commands(page)))
    assert [folder for folder in folders if not (ROOT / folder / "kustomization.yaml").exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_patch_is_json(page):
    for patch in re.findall(r"-p '([^']*)'", page.read_text()):
        json.loads(patch)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_the_yaml_of_the_pages_is_what_lint_calls_clean(page, tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.yaml").write_text(block)
    done = CliRunner().invoke(lint, [str(tmp_path)])
    assert done.exit_code == 0, done.output


def test_the_install_commands_are_those_of_the_readme_in_the_tutorial_too():
    readme, tutorial = commands(ROOT / "README.md"), commands(ROOT / "docs" / "tutorial" / "first-healed-incident.md")
    assert [line for line in ("pip install .", "prunella install") if line not in readme or line not in tutorial] == []
    assert "kubectl apply -n shop -k manifests/opt-in" in readme
    assert "kubectl apply -n heal-me -k manifests/opt-in" in tutorial
