"""Entries of one ledger partition: those changed last in memory, all of them in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.ledger.store import Store

__all__ = ["Entries"]

MOST_HELD = 4_000
"""Changed entries that are held before they are written, twice; some 1 MB each time."""


class Entries:
    """Writes changed entries late, so that a pair which meets soon is written once and never read.

    Changes are gathered until there are `MOST_HELD`, and written when there are as many again. What
    a process that is killed had not written is read again from the ledger, as what RocksDB had not:
    the store's position stands where the oldest change that is not written came in.

    Parameters
    ----------
    store
        Belongs to this object from now on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self.position = store.position
        """Offset after the last ledger message whose entries are all here."""
        self._since = self.position

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return those entries that there are, as they were put."""
        found: dict[bytes, bytes] = {}
        wanted = []
        for key in keys:
            value = self._young.get(key) or self._old.get(key)
            if value is None:
                wanted.append(key)
            else:
                found[key] = value
        wanted.sort()
        stored = zip(wanted, self._store.get(wanted), strict=True)
        return found | {key: value for key, value in stored if value is not None}

    def put(self, changed: dict[bytes, bytes], position: int) -> None:
        """Take changed entries, with which all are here up to a position."""
        for key, value in changed.items():
            # What is written with the old ones a little early does no harm: parts say what they
            # were read with.
            (self._old if key in self._old else self._young)[key] = value
        self.position = max(self.position, position)
        if len(self._young) >= MOST_HELD:
            self._write(self._old, self._since)
            self._old, self._young, self._since = self._young, {}, self.position

    def close(self) -> None:
        """Write what is held, and let go of the store."""
        self._write(self._old | self._young, self.position)
        self._store.close()

    def _write(self, entries: dict[bytes, bytes], position: int) -> None:
        self._store.put(dict(sorted(entries.items())), position)
