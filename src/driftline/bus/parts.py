"""The pure objects that a worker drives, and who makes them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from driftline.contract import DAY

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from driftline.bus.config import Config
    from driftline.contract import Book
    from driftline.events.mapping import InputSpec
    from driftline.events.record import RawRecord, Source
    from driftline.pipeline.checkpoint import Checkpoint
    from driftline.pipeline.emission import Emission
    from driftline.pipeline.join import Joining
    from driftline.pipeline.output import Output
    from driftline.pipeline.references import References
    from driftline.pipeline.standing import Standing

__all__ = ["DetectPart", "JoinPart", "ObservePart", "Parts", "PipelineParts"]

log = logging.getLogger(__name__)


class ObservePart(Protocol):
    """What a worker needs of `driftline.pipeline.observe.Observe`."""

    source: Source
    events: Counter[str]
    late: int
    duplicates: int

    @property
    def settled(self) -> bool: ...  # noqa: D102
    @property
    def mark(self) -> int: ...  # noqa: D102
    def on_batch(self, records: Sequence[RawRecord]) -> Emission: ...  # noqa: D102
    def on_idle(self, wall: int, quiet_for: int) -> Emission: ...  # noqa: D102
    def checkpoint(self) -> Checkpoint: ...  # noqa: D102


class JoinPart(Protocol):
    """What a worker needs of `driftline.pipeline.join.Join`."""

    source: Source

    @property
    def stored(self) -> int: ...  # noqa: D102
    @property
    def low(self) -> int: ...  # noqa: D102
    def rebuild(self, records: Sequence[RawRecord]) -> None: ...  # noqa: D102
    def on_batch(self, records: Sequence[RawRecord]) -> Joining: ...  # noqa: D102
    def checkpoint(self) -> Checkpoint: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class DetectPart(Protocol):
    """What a worker needs of `driftline.pipeline.detect.Detect`."""

    @property
    def low(self) -> int: ...  # noqa: D102
    def standings(self) -> list[Standing]: ...  # noqa: D102
    def on_message(self, offset: int, value: bytes) -> Output: ...  # noqa: D102
    def snapshot(self) -> list[list[tuple[bytes, bytes]]]: ...  # noqa: D102
    def position(self) -> int: ...  # noqa: D102
    def restore(self, key: bytes, value: bytes) -> None: ...  # noqa: D102


class Parts(Protocol):
    """Makes them; a test can put others in their place."""

    def observe(self, source: Source, spec: InputSpec, start: Checkpoint | None) -> ObservePart:
        """Make the object for an input partition."""
        ...

    def join(
        self, source: Source, inputs: Sequence[Source], start: Checkpoint, end: int
    ) -> JoinPart:
        """Make the object for a partition of `ledger`, fed by all of `inputs`; opens its store.

        Parameters
        ----------
        end
            Where the partition ends. A store that has come further is of another topic, which had
            that name before: it is made anew.
        """
        ...

    def detect(self, sources: Sequence[Source]) -> DetectPart:
        """Make the object for a partition of `panes`, fed by all of `sources`."""
        ...


class PipelineParts:
    """Makes the real ones."""

    def __init__(self, config: Config, book: Book, references: References) -> None:
        from driftline.pipeline.detect import Detect
        from driftline.pipeline.observe import Observe

        self._new_observe, self._new_detect = Observe, Detect
        self._reject_unknown = config.unknown_models == "reject"
        self._ledger_partitions = config.outputs.partitions
        self._stores = Path(config.datadir) / "ledger" / f"{config.prefix}{config.group}"
        self._book = book
        self._references = references

    def observe(self, source: Source, spec: InputSpec, start: Checkpoint | None) -> ObservePart:
        """Make an `Observe`."""
        return self._new_observe(
            source,
            spec,
            self._book,
            self._references,
            start,
            reject_unknown=self._reject_unknown,
            ledger_partitions=self._ledger_partitions,
        )

    def join(
        self, source: Source, inputs: Sequence[Source], start: Checkpoint, end: int
    ) -> JoinPart:
        """Make a `Join` with a store in the worker's folder."""
        # Here and not above: a worker that joins nothing needs no RocksDB.
        from driftline.ledger.store import Store
        from driftline.pipeline.join import Join

        horizons = [contract.horizon for contract in self._book if contract.joins]
        folder, keep = self._stores / str(source.partition), 2 * max(horizons, default=DAY)
        store = Store(folder, keep)
        if store.position > end:
            log.warning(
                "%s ends at offset %d, its store stands at %d: of an earlier topic; beginning anew",
                source,
                end,
                store.position,
            )
            store.close()
            shutil.rmtree(folder)
            store = Store(folder, keep)
        return Join(source, inputs, self._book, store, start)

    def detect(self, sources: Sequence[Source]) -> DetectPart:
        """Make a `Detect`."""
        return self._new_detect(self._book, sources, self._references)
