"""Outages of the control plane itself, in a box of their own, one at a time: the stories and grounds of tests/faults, without their proxy's rules."""

from __future__ import annotations

import pytest
from tests.faults.conftest import campaign, installation, proxies, stage

__all__ = ["campaign", "installation", "proxies", "stage"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "outages: needs a control plane of its own, which it breaks")
