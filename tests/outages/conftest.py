"""Outages of the control plane itself, in a box of their own, one at a time: the stories and grounds of tests/faults, without their proxy's rules."""

from __future__ import annotations

from tests.faults.conftest import campaign, installation, proxies, stage

__all__ = ["campaign", "installation", "proxies", "stage"]
