"""Puts the files that are applied to a cluster into the wheel.

They stand at the top of the repository, where people look for them; `prunella install` finds them in `prunella/data` after `pip install`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
APPLIED = ("crds", "manifests", "runbooks")


class BuildWithData(build_py):
    """Copies the applied files beside the code that applies them."""

    def run(self) -> None:
        """Build the package, then its data."""
        package = Path(self.build_lib) / "prunella"
        if self.editable_mode:  # a checkout reads them where they stand
            super().run()
            return
        # What an earlier build left here would get into this one.
        shutil.rmtree(package, ignore_errors=True)
        super().run()
        for name in APPLIED:
            shutil.copytree(ROOT / name, package / "data" / name)


setup(cmdclass={"build_py": BuildWithData})
