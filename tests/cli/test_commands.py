"""The command line itself: what it offers, and what it reads from the files that ship."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from prunella.api import crd
from prunella.app.errors import Permanent
from prunella.cli import kinds, main, shipped

ROOT = Path(__file__).resolve().parents[2]


def test_help_shows_every_command_in_a_line_and_loads_none():
    program = "import sys; from prunella.cli.main import main; sys.argv[1:] = ['--help']\ntry: main()\nexcept SystemExit: print(sorted(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": "operator", "LC_ALL": "C.UTF-8"}
    ).stdout
    for name in main.COMMANDS:
        assert f"\n  {name} " in shown
    assert "prunella.cli.main" in shown
    assert "kubernetes" not in shown.partition("[")[2].replace("Kubernetes", "")
    assert "'pydantic'" not in shown


@pytest.mark.parametrize(
    ("group", "arguments", "said"),
    [
        (main.prunella, ["mend"], "No such command 'mend'"),
        (main.kubectl_prunella, ["install"], "No such command 'install'"),
        (main.prunella, ["--version"], "prunella, version 0.1.0"),
        (main.prunella, ["crds", "--help"], "Write the CustomResourceDefinitions"),
        (main.prunella, ["install", "--help"], "a token for 24 hours, mode 0600"),
    ],
    ids=["an unknown command", "a command that is not the plugin's", "version", "crds", "install"],
)
def test_commands_are_found_or_refused_by_name(group, arguments, said):
    assert said in " ".join(CliRunner().invoke(group, arguments).output.split())


def test_crds_writes_what_is_rendered_and_removes_only_what_it_once_wrote(tmp_path):
    (tmp_path / "gone.yaml").write_text(crd.HEADER + "kind: Gone\n")
    (tmp_path / "mine.yaml").write_text("kind: Mine\n")
    result = CliRunner().invoke(main.prunella, ["crds", "--output", str(tmp_path)])
    assert result.exit_code == 0
    assert f"removed {tmp_path / 'gone.yaml'}" in result.output
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == crd.render(kinds.KINDS) | {"mine.yaml": "kind: Mine\n"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kubeconfig", "/nowhere"], "Error: The kubeconfig /nowhere does not exist; name another with --kubeconfig, or set KUBECONFIG"),
        (["--kubeconfig", "{here}", "--output", "{here}"], "is the kubeconfig that you install with; name another file"),
        (["--kubeconfig", "{here}", "--context", "other"], "has no context 'other'"),
        (["--kubeconfig", "{here}"], "Error: http://127.0.0.1:1 can't be reached: "),
    ],
    ids=["no kubeconfig", "output over the input", "unknown context", "nobody listens"],
)
def test_install_says_what_is_wrong_without_a_traceback(tmp_path, arguments, said):
    here = tmp_path / "config"
    cluster = {"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}]}
    here.write_text(yaml.safe_dump({**cluster, "contexts": [{"name": "x", "context": {"cluster": "c", "user": ""}}], "current-context": "x"}))
    result = CliRunner().invoke(main.prunella, ["install", *(argument.format(here=here) for argument in arguments)], env={"KUBECONFIG": ""})
    assert result.exit_code == 1
    assert said in result.output
    assert not (tmp_path / "prunella.kubeconfig").exists()


def test_a_kustomization_is_read_in_its_order_with_those_below_it(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "kustomization.yaml").write_text("resources: [b.yaml, below, a.yaml]")
    (tmp_path / "below" / "kustomization.yaml").write_text("resources: [c.yaml]")
    for name, text in {"a.yaml": "{name: a}", "b.yaml": "{name: b}\n---\n# nothing\n---\n{name: bb}", "below/c.yaml": "{name: c}"}.items():
        (tmp_path / name).write_text(text)
    assert [document["name"] for document in shipped.documents(tmp_path)] == ["b", "bb", "c", "a"]


@pytest.mark.parametrize(
    ("kustomization", "sentence"),
    [
        ("{resources: [], namePrefix: x-, images: []}", "uses images, namePrefix; only `resources` is understood, apply it with kubectl"),
        ("{resources: [gone.yaml]}", "gone.yaml can't be read"),
        ("{resources: [", "kustomization.yaml can't be read"),
    ],
    ids=["more than resources", "a missing file", "no YAML"],
)
def test_a_kustomization_that_would_be_read_wrongly_is_refused(tmp_path, kustomization, sentence):
    (tmp_path / "kustomization.yaml").write_text(kustomization)
    with pytest.raises(Permanent) as raised:
        shipped.documents(tmp_path)
    assert sentence in str(raised.value)


def test_a_folder_that_does_not_ship_is_said_to_be_missing():
    with pytest.raises(Permanent, match="'manifests/none' is missing in this installation of Prunella; install it again"):
        shipped.folder("manifests/none")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The tracked part of the checkout, so that a build leaves nothing in it."""
    there = tmp_path_factory.mktemp("source") / "prunella"
    there.mkdir()
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            (there / name).write_bytes((ROOT / name).read_bytes())
    return there


def test_a_wheel_holds_every_file_that_is_applied(copy, tmp_path):
    build = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(copy),
    ]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name.removeprefix("prunella/data/") for name in zipfile.ZipFile(wheel).namelist() if name.startswith("prunella/data/")}
    assert held == {str(path.relative_to(copy)) for name in ("crds", "manifests", "runbooks") for path in (copy / name).rglob("*") if path.is_file()}


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_pip_install_into_a_fresh_venv_gives_prunella_with_its_files(copy, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    binaries = tmp_path / "venv" / "bin"
    subprocess.run([binaries / "pip", "install", "--quiet", "--disable-pip-version-check", str(copy)], check=True, capture_output=True)
    subprocess.run([binaries / "prunella", "crds"], check=True, capture_output=True, cwd=tmp_path)
    assert {path.name: path.read_text() for path in (tmp_path / "crds").iterdir()} == crd.render(kinds.KINDS)
    ask = "from prunella.cli import shipped; print(len(shipped.documents(shipped.folder('manifests/default'))), shipped.folder('manifests/opt-in'))"
    count, opt_in = subprocess.run([binaries / "python", "-c", ask], check=True, capture_output=True, text=True, cwd=tmp_path).stdout.split()
    assert int(count) == len(shipped.documents(ROOT / "manifests" / "default"))
    assert Path(opt_in).is_relative_to(tmp_path / "venv")
    assert "Usage: kubectl prunella" in subprocess.run([binaries / "kubectl-prunella", "--help"], check=True, capture_output=True, text=True).stdout
