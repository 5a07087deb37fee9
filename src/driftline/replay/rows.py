"""Tables of events (Parquet, CSV) in the order of event time, a block of rows at a time."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from driftline.events.mapping import InputSpec, type_named
from driftline.events.record import Record, Source
from driftline.events.time import parse_ts_column
from driftline.replay.encode import RowEncoder
from driftline.replay.errors import SourceError, UnreadableError
from driftline.replay.feed import UNKNOWN, sorted_order
from driftline.replay.naming import type_of_stem
from driftline.stats.arrow import TextColumn, scalars
from driftline.stats.table import csv_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from driftline.replay.naming import NamedFile

__all__ = ["RowsFeed"]

BLOCK_ROWS = 16_384
TEXT = frozenset(
    ["model", "type", "prediction_id", "entity_id", "version", "action", "recommended", "actor"]
    + ["reason", "arm", "kind", "why", "by", "source", "incident", "verdict"]
)
"""Columns of a CSV that are text whatever they look like: "0012" is no number."""


class _Reader(Protocol):
    """How a column's cells become JSON scalars."""

    def __call__(self, name: str, cells: pa.ChunkedArray) -> list[Any]: ...


class RowsFeed:
    """Feed of a .parquet or .csv file.

    The rows are copied once into an Arrow file in `spool`, which is mapped into memory: rows can
    then be taken in any order, while no more than a few blocks are held.

    Parameters
    ----------
    model
        Model of rows that name none.

    Raises
    ------
    SourceError
        No rows, no column ``ts``, or nothing says of what type the rows are.
    UnreadableError
        It is not what its suffix says.
    """

    def __init__(self, named: NamedFile, model: str | None, spool: Path) -> None:
        self.source = Source(named.name, 0)
        with NamedTemporaryFile(dir=spool, suffix=".arrow", delete=False) as made:
            copy = Path(made.name)
        if named.path.name.lower().endswith(".csv"):
            self._read_cells, self._broken = _copy_csv(named.path, copy)
        else:
            self._read_cells, self._broken = _copy_parquet(named.path, copy), []
        self._map = pa.memory_map(str(copy))
        self._file = pa.ipc.open_file(self._map)
        names = self._file.schema.names
        if "ts" not in names:
            found = ", ".join(map(repr, names[:12]))
            msg = f"{named.path}: expected a column ts, got {found}"
            raise SourceError(msg)
        self._starts = np.cumsum(
            [0, *(self._file.get_batch(i).num_rows for i in range(self._file.num_record_batches))]
        )
        rows = int(self._starts[-1])
        self.total = rows + len(self._broken)
        if not self.total:
            msg = f"{named.path}: expected events, got no rows"
            raise SourceError(msg)
        types = self._types() if "type" in names else set()
        kind = None if types else named.type or type_of_stem(named.name)
        if kind is None and not types:
            msg = (
                f"{named.path}: expected a column type, or the type before its name: "
                f"predictions={named.path}"
            )
            raise SourceError(msg)
        self._mixed = bool(types)
        self.spec = InputSpec(named.name, kind)
        self._names = [name for name in names if name != "type" or self._mixed]
        self._encoder = RowEncoder(self._names, model=model, sparse="features" in types)
        self._order = sorted_order(self._times())
        self._next = 0

    def read(self, most: int) -> Sequence[Record]:
        """Return the next `most` rows as JSON events."""
        first = self._next
        last = min(first + most, int(self._starts[-1]))
        if first >= last:
            return self._read_broken(most)
        self._next = last
        table = self._take(first, last)
        columns = [self._read_cells(name, table[name]) for name in self._names]
        types = columns[self._names.index("type")] if self._mixed else None
        values = self._encoder.encode(columns, types)
        return [Record(offset, None, value) for offset, value in enumerate(values, first)]

    def seek(self, at: int) -> None:
        """Go on with the row of an offset."""
        self._next = at

    def _read_broken(self, most: int) -> list[Record]:
        """Return lines that do not have the header's number of cells: each is a dead letter."""
        rows = int(self._starts[-1])
        first, last = self._next, min(self._next + most, self.total)
        self._next = last
        return [Record(at, None, self._broken[at - rows][1]) for at in range(first, last)]

    def origin(self, offset: int) -> int:
        """Return the number of a row, from 0 (of a broken line: its line number less one)."""
        rows = int(self._starts[-1])
        if offset >= rows:
            return self._broken[offset - rows][0]
        return offset if self._order is None else int(self._order[offset])

    def close(self) -> None:
        """Unmap the copy."""
        self._map.close()

    def _blocks(self, name: str) -> Iterator[pa.Array]:
        for number in range(self._file.num_record_batches):
            yield self._file.get_batch(number)[name]

    def _types(self) -> set[str]:
        found: set[str] = set()
        for block in self._blocks("type"):
            for value in scalars(pc.unique(block)):
                if isinstance(value, str) and value:
                    found.add(type_named(value) or value)
        return found

    def _times(self) -> npt.NDArray[np.int64]:
        parts = []
        for block in self._blocks("ts"):
            us, faulty = parse_ts_column(self._read_cells("ts", pa.chunked_array([block])))
            us[faulty] = UNKNOWN
            parts.append(us)
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def _take(self, first: int, last: int) -> pa.Table:
        """Return rows of the sorted order; a block of the copy at a time, so nothing is joined."""
        rows = np.arange(first, last) if self._order is None else self._order[first:last]
        block = np.searchsorted(self._starts, rows, side="right") - 1
        parts, places = [], []
        for number in np.unique(block).tolist():
            here = np.flatnonzero(block == number)
            batch = self._file.get_batch(number)
            wanted = rows[here] - self._starts[number]
            if wanted.size and wanted[-1] - wanted[0] + 1 == wanted.size and self._order is None:
                parts.append(batch.slice(int(wanted[0]), wanted.size))
            else:
                parts.append(batch.take(pa.array(wanted)))
            places.append(here)
        table = pa.Table.from_batches(parts)
        if len(parts) == 1 or self._order is None:
            return table
        back = np.empty(rows.size, dtype=np.int64)
        back[np.concatenate(places)] = np.arange(rows.size)
        return table.combine_chunks().take(pa.array(back))


def _copy_parquet(path: Path, copy: Path) -> _Reader:
    try:
        file = pq.ParquetFile(path)
        schema = _without_dictionaries(file.schema_arrow)
        with pa.OSFile(str(copy), "wb") as out, pa.ipc.new_file(out, schema) as writer:
            for batch in file.iter_batches(BLOCK_ROWS):
                writer.write_batch(batch.cast(schema))
    except (pa.ArrowException, OSError) as error:
        msg = f"{path}: expected a Parquet file ({_first_line(error)})"
        raise UnreadableError(msg) from error
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        msg = f"{path}: expected each column once, got twice: {', '.join(map(repr, twice))}"
        raise UnreadableError(msg)
    return lambda _, cells: scalars(cells)


def _without_dictionaries(schema: pa.Schema) -> pa.Schema:
    """Return the schema with plain columns for encoded ones: blocks may differ in their levels."""
    return pa.schema(
        [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema]
    )


def _copy_csv(path: Path, copy: Path) -> tuple[_Reader, list[tuple[int, bytes]]]:
    """Copy the text as it is, learning meanwhile what each column holds."""
    names = csv_header(path)
    columns = {name: TextColumn() for name in names if name not in TEXT}
    broken: list[tuple[int, bytes]] = []

    def note(row: pa_csv.InvalidRow) -> str:
        broken.append(((row.number or 1) - 1, row.text.encode()))
        return "skip"

    schema = pa.schema([(name, pa.string()) for name in names])
    try:
        reader = pa_csv.open_csv(
            path,
            # In one thread, so that a broken row can say its number.
            read_options=pa_csv.ReadOptions(use_threads=False),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
            ),
        )
        with pa.OSFile(str(copy), "wb") as out, pa.ipc.new_file(out, schema) as writer:
            for batch in reader:
                for name, column in columns.items():
                    column.learn(pa.chunked_array([batch[name]]))
                writer.write_batch(batch)
    except pa.ArrowInvalid as error:
        msg = f"{path}: expected CSV in UTF-8 ({_first_line(error)})"
        raise UnreadableError(msg) from error

    def read(name: str, cells: pa.ChunkedArray) -> list[Any]:
        column = columns.get(name)
        if column is None:
            return [cell or None for cell in scalars(cells)]
        return column.read(cells)

    return read, broken


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
