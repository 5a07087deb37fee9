"""Tables of events (Parquet, CSV) in the order of event time, a block of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
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
from driftline.replay.feed import UNKNOWN, filled, sorted_order
from driftline.replay.naming import type_of_stem
from driftline.replay.packed import suffix_of, unpacked
from driftline.stats.arrow import TextColumn, scalars
from driftline.stats.table import csv_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from driftline.replay.naming import NamedFile

__all__ = ["RowsFeed", "open_rows"]

BLOCK_ROWS = 16_384
TEXT = frozenset(
    ["model", "type", "prediction_id", "entity_id", "version", "action", "recommended", "actor"]
    + ["reason", "arm", "kind", "why", "by", "source", "incident", "verdict"]
)
"""Columns of a CSV that are text whatever they look like: "0012" is no number."""


class _Reader(Protocol):
    """How a column's cells become JSON scalars."""

    def __call__(self, name: str, cells: pa.ChunkedArray, /) -> list[Any]: ...


class RowsFeed:
    """Feed of a table, or of a stretch of its rows; a process can send it to another.

    Made by `open_rows`, which has copied the rows into an Arrow file. That is mapped into memory:
    rows can be taken in any order, while no more than a few blocks are held.

    Attributes
    ----------
    times
        Event time of each row, microseconds, ascending (a row without one has that of the row
        before it), int64 of shape (n,); None in a stretch.
    """

    whole_rows = True

    def __init__(
        self,
        copy: Path,
        source: Source,
        spec: InputSpec,
        shape: _Shape,
        order: npt.NDArray[np.int64] | None,
        *,
        times: npt.NDArray[np.int64] | None = None,
        first: int = 0,
        broken: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        self.source = source
        self.spec = spec
        self.times = times
        self._copy = copy
        self._shape = shape
        self._order = order
        self._first = first
        self._broken = broken
        self._rows = int(shape.starts[-1]) if order is None else int(order.size)
        self.total = self._rows + len(broken)
        self._next = 0
        self._map: Any = None
        self._file: Any = None

    @property
    def readings(self) -> dict[str, str]:
        """What each column holds, where that is known: "number", "boolean" or "text"."""
        return self._shape.readings

    def part(self, first: int, last: int) -> RowsFeed:
        """Return the feed of a stretch, with the offsets that its rows have here.

        Broken lines stand behind all rows.
        """
        known = min(last, self._rows)
        order = np.arange(first, known) if self._order is None else self._order[first:known]
        broken = self._broken if last > self._rows or last == self.total else ()
        return RowsFeed(
            self._copy,
            self.source,
            self.spec,
            self._shape,
            order,
            first=self._first + first,
            broken=broken,
        )

    def at(self, offset: int) -> Record:
        """Return one row."""
        return self._rows_of(offset - self._first, offset - self._first + 1)[0]

    def read(self, most: int) -> Sequence[Record]:
        """Return the next `most` rows as JSON events."""
        first = self._next
        last = min(first + most, self._rows)
        if first >= last:
            return self._read_broken(most)
        self._next = last
        return self._rows_of(first, last)

    def _rows_of(self, first: int, last: int) -> list[Record]:
        shape = self._shape
        table = self._take(first, last)
        columns = [shape.reader(name, table[name]) for name in shape.names]
        types = columns[shape.names.index("type")] if shape.mixed else None
        values = shape.encoder.encode(columns, types)
        return [
            Record(offset, None, value) for offset, value in enumerate(values, self._first + first)
        ]

    def _read_broken(self, most: int) -> list[Record]:
        """Return lines that do not have the header's number of cells: each is a dead letter."""
        first, last = self._next, min(self._next + most, self.total)
        self._next = last
        return [
            Record(self._first + at, None, self._broken[at - self._rows][1])
            for at in range(first, last)
        ]

    def seek(self, at: int) -> None:
        """Go on with the row of an offset."""
        self._next = at - self._first

    def origin(self, offset: int) -> int:
        """Return the number of a row, from 0 (of a broken line: its line number less one)."""
        at = offset - self._first
        if at >= self._rows:
            return self._broken[at - self._rows][0]
        return at if self._order is None else int(self._order[at])

    def close(self) -> None:
        """Unmap the copy; reading goes on from the beginning."""
        if self._map is not None:
            self._map.close()
        self._map, self._file, self._next = None, None, 0

    def _opened(self) -> Any:
        if self._file is None:
            self._map = pa.memory_map(str(self._copy))
            self._file = pa.ipc.open_file(self._map)
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None, "_file": None, "_next": 0}

    def _take(self, first: int, last: int) -> pa.Table:
        """Return rows of the sorted order; a block of the copy at a time, so nothing is joined."""
        rows = np.arange(first, last) if self._order is None else self._order[first:last]
        file, starts = self._opened(), self._shape.starts
        in_order = bool(np.all(rows[1:] > rows[:-1]))
        block = np.searchsorted(starts, rows, side="right") - 1
        parts, places = [], []
        for number in np.unique(block).tolist():
            here = np.flatnonzero(block == number)
            batch = file.get_batch(number)
            wanted = rows[here] - starts[number]
            if in_order and wanted[-1] - wanted[0] + 1 == wanted.size:
                parts.append(batch.slice(int(wanted[0]), wanted.size))
            else:
                parts.append(batch.take(pa.array(wanted)))
            places.append(here)
        table = pa.Table.from_batches(parts)
        if len(parts) == 1 or in_order:
            return table
        back = np.empty(rows.size, dtype=np.int64)
        back[np.concatenate(places)] = np.arange(rows.size)
        return table.combine_chunks().take(pa.array(back))


def open_rows(named: NamedFile, model: str | None, spool: Path) -> RowsFeed:
    """Return the feed of a .parquet or .csv file (.gz, .zst), copied once into `spool`.

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
    path = unpacked(named.path, spool)
    with NamedTemporaryFile(dir=spool, suffix=".arrow", delete=False) as made:
        copy = Path(made.name)
    broken: list[tuple[int, bytes]] = []
    reader: _Reader = _plain_cells
    if suffix_of(named.path.name) == ".csv":
        reader, broken = _copy_csv(path, copy, named.path)
    else:
        _copy_parquet(path, copy, named.path)
    with pa.memory_map(str(copy)) as mapped:
        file = pa.ipc.open_file(mapped)
        names = file.schema.names
        if "ts" not in names:
            found = ", ".join(map(repr, names[:12]))
            msg = f"{named.path}: expected a column ts, got {found}"
            raise SourceError(msg)
        batches = range(file.num_record_batches)
        starts = np.cumsum([0, *(file.get_batch(number).num_rows for number in batches)])
        if not int(starts[-1]) + len(broken):
            msg = f"{named.path}: expected events, got no rows"
            raise SourceError(msg)
        types = _types(file) if "type" in names else set()
        times = filled(_times(file, reader))
        readings = _readings(file.schema, reader)
    kind = None if types else named.type or type_of_stem(named.name)
    if kind is None and not types:
        msg = (
            f"{named.path}: expected a column type, or the type before its name: "
            f"predictions={named.path}"
        )
        raise SourceError(msg)
    told = [name for name in names if name != "type" or types]
    encoder = RowEncoder(told, model=model, sparse="features" in types)
    order = sorted_order(times)
    return RowsFeed(
        copy,
        Source(named.name, 0),
        InputSpec(named.name, kind),
        _Shape(reader, encoder, told, starts, readings, mixed=bool(types)),
        order,
        times=times if order is None else times[order],
        broken=broken,
    )


def _blocks(file: Any, name: str) -> Iterator[pa.Array]:
    for number in range(file.num_record_batches):
        yield file.get_batch(number)[name]


def _types(file: Any) -> set[str]:
    found: set[str] = set()
    for block in _blocks(file, "type"):
        for value in scalars(pc.unique(block)):
            if isinstance(value, str) and value:
                found.add(type_named(value) or value)
    return found


def _times(file: Any, reader: _Reader) -> npt.NDArray[np.int64]:
    parts = []
    for block in _blocks(file, "ts"):
        us, faulty = parse_ts_column(reader("ts", pa.chunked_array([block])))
        us[faulty] = UNKNOWN
        parts.append(us)
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _plain_cells(_: str, cells: pa.ChunkedArray) -> list[Any]:
    return scalars(cells)


def _readings(schema: Any, reader: _Reader) -> dict[str, str]:
    """Return what each column holds; of one that holds nothing it is not known."""
    if isinstance(reader, _Cells):
        return {name: column.reading for name, column in reader.columns.items() if column.known}
    kinds = {
        "number": (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal),
        "boolean": (pa.types.is_boolean,),
        "text": (pa.types.is_string, pa.types.is_large_string),
    }
    return {
        field.name: kind
        for field in schema
        for kind, tests in kinds.items()
        if any(test(field.type) for test in tests)
    }


@dataclass(frozen=True)
class _Cells:
    """How the cells of a CSV file are read, by what all of each column holds."""

    columns: dict[str, TextColumn]

    def __call__(self, name: str, cells: pa.ChunkedArray) -> list[Any]:
        column = self.columns.get(name)
        if column is None:
            return [cell or None for cell in scalars(cells)]
        return column.read(cells)


@dataclass(frozen=True)
class _Shape:
    """What all stretches of a table have in common; `starts` are the first rows of its blocks."""

    reader: _Reader
    encoder: RowEncoder
    names: list[str]
    starts: npt.NDArray[np.int64]
    readings: dict[str, str]
    mixed: bool


def _copy_parquet(path: Path, copy: Path, named: Path) -> None:
    try:
        file = pq.ParquetFile(path)
        schema = _without_dictionaries(file.schema_arrow)
        with pa.OSFile(str(copy), "wb") as out, pa.ipc.new_file(out, schema) as writer:
            for batch in file.iter_batches(BLOCK_ROWS):
                writer.write_batch(batch.cast(schema))
    except (pa.ArrowException, OSError) as error:
        msg = f"{named}: expected a Parquet file ({_first_line(error)})"
        raise UnreadableError(msg) from error
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        msg = f"{named}: expected each column once, got twice: {', '.join(map(repr, twice))}"
        raise UnreadableError(msg)


def _without_dictionaries(schema: pa.Schema) -> pa.Schema:
    """Return the schema with plain columns for encoded ones: blocks may differ in their levels."""
    return pa.schema(
        [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema]
    )


def _copy_csv(path: Path, copy: Path, named: Path) -> tuple[_Cells, list[tuple[int, bytes]]]:
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
        msg = f"{named}: expected CSV in UTF-8 ({_first_line(error)})"
        raise UnreadableError(msg) from error

    return _Cells(columns), broken


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
