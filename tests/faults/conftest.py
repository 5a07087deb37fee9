"""The long variants run on request only: scripts/soak."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from driftline.broker import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

SOAK = "DRIFTLINE_SOAK"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what takes many minutes."""
    if item.get_closest_marker("slow") and not os.environ.get(SOAK):
        pytest.skip("takes minutes: scripts/soak runs it")


@pytest.fixture
def own_broker() -> Iterator[EmbeddedBroker]:
    """A broker for one test alone, to be stopped and killed."""
    with EmbeddedBroker() as started:
        yield started
