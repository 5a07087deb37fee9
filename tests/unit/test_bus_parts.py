"""What a worker's pure objects are made with: above all, the store of its own topic."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from driftline.bus.config import Config
from driftline.bus.parts import PipelineParts
from driftline.contract import DAY, Book
from driftline.events.record import Source
from driftline.ledger.store import Store
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.references import References

if TYPE_CHECKING:
    import pytest

LEDGER = Source("driftline.ledger", 0)


def stored(config: Config, end: int) -> int:
    """Return where the store of a partition stands that ends there, once a worker has opened it."""
    join = PipelineParts(config, Book(()), References()).join(LEDGER, [], Checkpoint(0), end)
    position = join.stored
    join.close()
    return position


def fill(config: Config, position: int) -> None:
    folder = Path(config.datadir) / "ledger" / f"{config.prefix}{config.group}" / "0"
    store = Store(folder, 2 * DAY)
    store.put({b"m\0p1": b"what was predicted"}, position)
    store.close()


def test_a_store_that_has_come_further_than_its_topic_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(datadir=str(tmp_path))
    fill(config, 1_000)
    with caplog.at_level(logging.WARNING):
        assert stored(config, 1_000) == stored(config, 5_000) == 1_000
        assert not caplog.messages
        # The broker is another one by now; the topic has its name, and nothing in it.
        assert stored(config, 0) == 0
    (said,) = caplog.messages
    assert said.startswith("driftline.ledger/0 ends at offset 0, its store stands at 1000: of an ")
    assert stored(config, 1_000) == 0


def test_prefixes_have_stores_of_their_own(tmp_path: Path) -> None:
    config = Config(datadir=str(tmp_path))
    fill(config, 1_000)
    assert stored(msgspec.structs.replace(config, prefix="trial."), 5_000) == 0
    assert stored(config, 5_000) == 1_000
