"""The soak: one operator for an hour under alerts, faults and a bad way to the API server; nothing may be lost, done twice, or grow.

`plan.py` says how long and how much. `load.py` sends alerts, `faults.py` breaks requests and watches, `heals.py` breaks a Deployment a minute and
takes away what is over, `memory.py` measures, `housekeeping.py` keeps what the verdict needs and drops the rest, `verdict.py` judges. The ground is
that of tests/faults, in a box of its own: nobody else may use the machine's memory while it is measured. `make soak` runs it, `SOAK_SECONDS=300` only
for so long.
"""

from __future__ import annotations

import pytest
from tests.faults.conftest import campaign, installation, proxies, seed, stage
from tests.faults.test_proxy import loop, proxy, server

__all__ = ["campaign", "installation", "loop", "proxies", "proxy", "seed", "server", "stage"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: needs a control plane for an hour, alone")
