"""Where entries wait for what comes later: one RocksDB a ledger partition.

The ledger topic is its changelog. It writes no log of its own: after a crash the last entries are
missing, `position` says from which offset on, and they are read again from the topic, as everything
is when the whole folder is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from driftline.contract.types import DAY, SECOND
from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Store", "StoreError"]

POSITION = b"\x00position"
"""No model has an empty name, so that no entry has this key."""
CACHE_BYTES = 64 * 2**20
BUFFER_BYTES = 32 * 2**20
"""Written to disk when so much has come; two of them at a time are held."""
BLOOM_BITS = 10
LONGEST = 5 * 365 * DAY
"""RocksDB counts times to live, and the times at which they end, in 32 bits of seconds."""


class StoreError(DriftlineError):
    """A store cannot be opened.

    Operator action: see which other worker of this group uses the same `datadir`; or delete the
    folder, as everything in it is read again from the ledger topic.
    """


class Store:
    """Bytes by key, many at a time.

    Parameters
    ----------
    folder
        Made if it is not there.
    keep
        How long an entry is kept after it was last written, wall time, microseconds; RocksDB drops
        it at some compaction after that. None, and more than five years: as long as the store.

    Raises
    ------
    StoreError
        It cannot be opened: another process has it open, or what is there is no store.

    Notes
    -----
    Measured: 4 µs to look for and write a new entry, 7 µs to change one of many. Memory is bounded:
    two write buffers, a cache and ten bits an entry for filters.
    """

    def __init__(self, folder: Path, keep: int | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        access = AccessType.read_write()
        if keep is not None and keep <= LONGEST:
            access = access.with_ttl(max(1, keep // SECOND))
        # Named: without it, rocksdict 0.3.29 gives a database that is there its time to live twice.
        # The second takes the last bytes of an entry for the time at which it was written, and the
        # next compaction drops nearly all there is.
        families = {"default": _options()}
        try:
            self._db: Any = Rdict(str(folder), _options(), families, access)
        except Exception as error:
            msg = f"{folder}: expected a store that can be opened, got: {error}"
            raise StoreError(msg) from error
        fast: Any = WriteOptions()  # its stubs take this property for a method
        fast.disable_wal = True
        self._db.set_write_options(fast)

    @property
    def position(self) -> int:
        """Offset after the last ledger message whose entries are all here; 0 in a new store."""
        held = self._db.get(POSITION)
        return 0 if held is None else int.from_bytes(held, "big")

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        found: list[bytes | None] = self._db.get(list(keys)) if keys else []
        return found

    def put(self, entries: Mapping[bytes, bytes], position: int) -> None:
        """Write entries and how far they go, both or neither."""
        batch = WriteBatch(raw_mode=True)
        for key, value in entries.items():
            batch.put(key, value)
        batch.put(POSITION, position.to_bytes(8, "big"))
        self._db.write(batch)

    def close(self) -> None:
        """Write what is in memory, and let go of the folder."""
        self._db.flush()
        self._db.close()


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(BUFFER_BYTES)
    options.set_max_background_jobs(1)
    options.set_compression_type(DBCompressionType.lz4())
    table = BlockBasedOptions()
    table.set_bloom_filter(BLOOM_BITS, False)
    table.set_block_cache(Cache(CACHE_BYTES))
    options.set_block_based_table_factory(table)
    return options
