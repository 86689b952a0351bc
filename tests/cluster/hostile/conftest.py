"""One running operator for all that is done to it here: its receivers, those that work and those that don't, with planted secrets in their Secret."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.hostile import ways
from tests.harness.fixtures import installed
from tests.harness.installation import SYSTEM, Installation


@pytest.fixture(scope="package")
def installation() -> Iterator[Installation]:
    for made in installed():
        made.api.patch("Secret", "prunella-receivers", {"stringData": ways.SECRETS}, SYSTEM)
        made.set_policy(receivers=ways.RECEIVERS)
        yield made
        made.forget_policy()
