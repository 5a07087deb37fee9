"""The store keeps what it is given, over any number of restarts, for as long as it is to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from driftline.contract.types import DAY, SECOND
from driftline.ledger.store import Store, StoreError

if TYPE_CHECKING:
    from pathlib import Path

RESTARTS = 9
"""Each leaves a file; at four of them RocksDB compacts."""
COMPACTED_S = 20.0


def restarted(folder: Path, keep: int | None, first: int = 0) -> int:
    """Open, write and close a store many times; return how many entries it was given."""
    for number in range(first, first + RESTARTS):
        store = Store(folder, keep)
        store.put({b"m\0%d-%d" % (number, each): bytes(50) for each in range(200)}, number + 1)
        store.close()
    return RESTARTS * 200


def left(store: Store) -> int:
    """Return how many of those entries are there."""
    keys = [b"m\0%d-%d" % (number, each) for number in range(RESTARTS) for each in range(200)]
    return sum(value is not None for value in store.get(keys))


@pytest.mark.parametrize("keep", [None, 360 * SECOND, 90 * DAY, 2**62])
def test_restarts_and_compactions_lose_nothing(tmp_path: Path, keep: int | None) -> None:
    given = restarted(tmp_path, keep)
    store = Store(tmp_path, keep)
    # Once more, as the last compaction may still be running.
    for _ in range(10):
        assert left(store) == given
        time.sleep(0.05)
    assert store.position == RESTARTS
    store.close()


def test_what_is_older_than_it_is_to_be_kept_is_dropped(tmp_path: Path) -> None:
    restarted(tmp_path, SECOND)
    deadline = time.monotonic() + COMPACTED_S
    while True:
        # What is written meanwhile is what makes RocksDB compact.
        restarted(tmp_path, SECOND, first=RESTARTS)
        store = Store(tmp_path, SECOND)
        gone = left(store) == 0
        store.close()
        if gone:
            break
        assert time.monotonic() < deadline


def test_a_store_that_somebody_has_open_is_a_clear_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", 10**12)
    with pytest.raises(StoreError, match=r"a store that can be opened, got: .*lock"):
        Store(tmp_path / "s", 10**12)
    store.close()


def test_a_store_keeps_entries_with_how_far_they_go(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", 10**12)
    assert store.position == 0
    store.put({b"m\0a": b"1", b"m\0b": b"2"}, 7)
    store.put({b"m\0a": b"3"}, 9)
    assert store.get([b"m\0a", b"m\0b", b"m\0c"]) == [b"3", b"2", None]
    store.close()
    again = Store(tmp_path / "s", 10**12)
    assert (again.position, again.get([b"m\0a"])) == (9, [b"3"])
    again.close()
