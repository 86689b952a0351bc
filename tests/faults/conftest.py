"""Faults are attacks on the running operator: a box, Prunella installed in it, and no operator but those that the tests bring.

`flows.py` has the stories that are attacked. `campaign.py` plays one undisturbed, counts its writes, and plays it again with a fault at each of
them, many side by side, each on a ground of its own (`ground.py`): a namespace, pods of a pretending kubelet (`kubelet.py`), an operator that
sees nothing else, forked in a nursery (`nursery.py`) and started anew when it ends (`supervisor.py`), and in front of it the fault proxy
(`proxy.py`) with rules that break requests (`rules.py`) and watches (`stream_rules.py`). What is left behind is gathered (`evidence.py`) and
held against the invariants (`invariants.py`). Twins (`test_twins.py`, `unprotected.py`) show that all of this can fail. `catalogue.py` has every
fault with its tests, here and elsewhere, and its twin; `docs/design/faults.md` says how to attack by hand.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.campaign import Campaign
from tests.faults.ground import KNOWN_GOOD_SECONDS, Stage
from tests.faults.kubelet import Node
from tests.faults.nursery import Nursery
from tests.faults.proxy import Loop
from tests.faults.reporting import Tally
from tests.harness.fixtures import installed
from tests.harness.installation import Installation


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--attack", default="", help="only the attacks whose name contains this, e.g. 'deployment: killed after patch deployments 1'")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "faults: needs a control plane, and breaks the way to it")
    if not hasattr(config, "workerinput"):  # the one that hears of every worker's tests
        config.pluginmanager.register(Tally())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that it ends with the rest."""
    items.sort(key=lambda item: "at_every_write" not in item.name)


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    for made in installed(operates=False):
        made.set_policy(mode="Auto", knownGoodAfterSeconds=KNOWN_GOOD_SECONDS, defaultEscalationPolicyRef=None)
        yield made


@pytest.fixture(scope="session")
def proxies() -> Iterator[Loop]:
    """The thread in which all proxies live."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def stage(installation: Installation, proxies: Loop) -> Iterator[Stage]:
    node, nursery = Node(installation.api), Nursery()
    yield Stage(installation, proxies, nursery)
    nursery.close()
    node.close()


@pytest.fixture(scope="session")
def campaign(stage: Stage) -> Campaign:
    return Campaign(stage)


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """What chooses where not every point is tried; pytest prints it at the start (`-p randomly_seed=…` gives it again)."""
    return int(request.config.getoption("randomly_seed"))
