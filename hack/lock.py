"""Locks the dependencies of pyproject.toml with their hashes: requirements.lock is what Prunella needs, requirements-dev.lock the tools as well.

No address of a package index gets into the files: whoever installs from them uses their own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "requirements.lock": ("Every package that Prunella needs, with hashes.", []),
    "requirements-dev.lock": ("Every package that the tools and tests need, with hashes.", ["--extra", "dev"]),
}
SILENT = ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options", "--no-header"]
STYLE = ["--generate-hashes", "--strip-extras", "--allow-unsafe", "--annotation-style", "line", "--quiet"]


def main() -> int:
    """Write both files."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = f"{folder}/bin/python"
        print("installing pip-tools for this once …", flush=True)
        subprocess.run([python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "pip-tools>=7.5"], check=True)
        for name, (meaning, extra) in FILES.items():
            print(f"resolving {name} …", flush=True)
            made = Path(folder) / name
            subprocess.run([python, "-m", "piptools", "compile", *SILENT, *STYLE, *extra, "-o", str(made), "pyproject.toml"], cwd=ROOT, check=True)
            (ROOT / name).write_text(f"# {meaning} Made by `make lock` from pyproject.toml; don't edit.\n{made.read_text()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
