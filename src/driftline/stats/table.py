"""Tables of training or reference rows: Parquet, CSV or JSON lines, as columns of JSON scalars."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from driftline.errors import DriftlineError, UsageError
from driftline.events.checks import segment
from driftline.events.errors import Fault
from driftline.events.limits import Limits
from driftline.events.time import parse_ts_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import numpy.typing as npt

    from driftline.events.frame import Segment

__all__ = ["RESERVED", "Table", "TableError", "csv_header", "read_table", "table_from_events"]

FEATURES = "features."
SEGMENT = "segment."
TIMES = ("ts", "timestamp")
KEPT = frozenset({"prediction", "score"})
RESERVED = frozenset(
    ["type", "model", "version", "segment", "prediction_id", "entity_id", "label", "weight"]
    + ["arm", "propensity", "source", "action", "id", *TIMES]
)
"""Columns of a plain table that are no features."""
_LIMITS = Limits()
SUFFIXES = (".parquet", ".csv", ".jsonl", ".jsonl.gz")


class TableError(DriftlineError):
    """A file of rows cannot be read. Operator action: see the message."""


@dataclass(frozen=True)
class Table:
    """Rows as columns.

    Attributes
    ----------
    ts
        Event time of each row, microseconds since the epoch, int64 of shape (n,); None where the
        table has no time.
    columns
        For each feature, and for ``prediction`` and ``score`` where they are present, n JSON
        scalars, ``None`` where missing.
    segments
        Segment of each row; None where the table tells of none.
    """

    ts: npt.NDArray[np.int64] | None
    columns: dict[str, list[Any]]
    segments: list[Segment] | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return max((len(values) for values in self.columns.values()), default=0)


def read_table(path: str | Path) -> Table:
    """Read a file of reference rows.

    A plain table has one column for each feature. ``ts`` or ``timestamp`` is the time of the row;
    the other names of event fields (``model``, ``prediction_id``, ``label``, …) and ``id`` are no
    features. Columns named ``segment.<name>``, or objects under ``segment``, are a row's segment.
    A file of events, with columns named ``features.<name>`` or with JSON objects under
    ``features``, gives those features; its events other than predictions and features are skipped.

    Raises
    ------
    UsageError
        No such file, or a suffix other than .parquet, .csv, .jsonl and .jsonl.gz.
    TableError
        It is not what its suffix says, or a time in it is none.
    """
    path = Path(path)
    if not path.exists():
        msg = f"{path}: no such file"
        raise UsageError(msg)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return table_from_events(_json_rows(path), path)
    if path.suffix == ".parquet":
        columns = _parquet_columns(path)
    elif path.suffix == ".csv":
        columns = _csv_columns(path)
    else:
        msg = f"{path}: expected a file ending in {', '.join(SUFFIXES)}"
        raise UsageError(msg)
    return _from_columns(path, columns)


def csv_header(path: Path) -> list[str]:
    """Return the column names of a CSV file.

    Raises
    ------
    TableError
        It is empty, not UTF-8, or has a name twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except UnicodeDecodeError as error:
        msg = f"{path}: expected UTF-8 text ({error.reason} at byte {error.start})"
        raise TableError(msg) from error
    if not any(names):
        msg = f"{path}: expected a header line with column names, got nothing"
        raise TableError(msg)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"{path}: expected each column once, got twice: {', '.join(map(repr, twice))}"
        raise TableError(msg)
    return names


def _parquet_columns(path: Path) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from driftline.stats.arrow import scalars

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path}: expected a Parquet file ({_first_line(error)})"
        raise TableError(msg) from error
    return {name: scalars(table[name]) for name in table.column_names}


def _csv_columns(path: Path) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.csv as pc

    from driftline.stats.arrow import TextColumn

    names = csv_header(path)
    try:
        table = pc.read_csv(
            path,
            parse_options=pc.ParseOptions(newlines_in_values=True),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        msg = f"{path}: expected CSV ({_first_line(error)})"
        raise TableError(msg) from error
    columns = {}
    for name in names:
        column = TextColumn()
        column.learn(table[name])
        columns[name] = column.read(table[name])
    return columns


def _json_rows(path: Path) -> Iterable[dict[str, Any]]:
    open_ = gzip.open if path.suffix == ".gz" else open
    with open_(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                msg = f"{path}, line {number}: expected a JSON object ({error})"
                raise TableError(msg) from error
            for event in row if isinstance(row, list) else [row]:
                if not isinstance(event, dict):
                    msg = f"{path}, line {number}: expected a JSON object"
                    raise TableError(msg)
                yield event


def table_from_events(rows: Iterable[dict[str, Any]], name: str | Path) -> Table:
    """Turn events into columns; predictions and features count, the other types are skipped.

    Parameters
    ----------
    rows
        Decoded JSON objects; without a field ``type`` they are predictions. A field that a row does
        not have is missing there.
    name
        What to call them in an error.

    Raises
    ------
    TableError
        A time in them is none.
    """
    columns: dict[str, list[Any]] = {}
    count = 0
    for row in rows:
        if row.get("type", "prediction") not in {"prediction", "features"}:
            continue
        flat = dict(row)
        features = flat.pop("features", None)
        if isinstance(features, dict):
            flat |= {FEATURES + feature: value for feature, value in features.items()}
        classes = flat.get("prediction")
        if isinstance(classes, dict):
            flat["prediction"] = max(sorted(classes), key=lambda label: classes[label] or 0.0)
        for field, value in flat.items():
            column = columns.setdefault(field, [])
            column.extend([None] * (count - len(column)))
            column.append(value)
        count += 1
    for column in columns.values():
        column.extend([None] * (count - len(column)))
    return _from_columns(name, columns)


def _from_columns(path: str | Path, columns: dict[str, list[Any]]) -> Table:
    time = next((name for name in TIMES if name in columns), None)
    ts = _times(path, columns[time]) if time else None
    if any(name.startswith(FEATURES) for name in columns):
        picked = {
            _feature(name): values
            for name, values in columns.items()
            if name.startswith(FEATURES) or name in KEPT
        }
    else:
        apart = RESERVED | set(_segment_columns(columns))
        picked = {name: values for name, values in columns.items() if name not in apart}
    return Table(ts, picked, _segments(path, columns))


def _segment_columns(columns: Mapping[str, list[Any]]) -> dict[str, str]:
    """Columns that together are the segment, and what they tell of it; see `RowEncoder`."""
    if "segment" in columns:
        return {}
    return {name: name.removeprefix(SEGMENT) for name in columns if name.startswith(SEGMENT)}


def _segments(path: str | Path, columns: dict[str, list[Any]]) -> list[Segment] | None:
    """Return the segment of each row by the rules of events; None where no row has one."""
    named = _segment_columns(columns)
    told: Iterable[Any] = columns.get("segment", ())
    if named:
        names, values = list(named.values()), zip(*(columns[n] for n in named), strict=True)
        told = (dict(zip(names, row, strict=True)) for row in values)
    known: dict[tuple[Any, ...], Segment] = {}
    found: list[Segment] = []
    for row, value in enumerate(told):
        if not isinstance(value, dict):
            found.append(())  # a column of that name which is no segment
            continue
        pairs = tuple((name, text) for name, text in value.items() if text is not None)
        if pairs not in known:
            try:
                known[pairs] = segment(dict(pairs), "segment", _LIMITS)
            except Fault as fault:
                msg = f"{path}, row {row + 1}: {fault}"
                raise TableError(msg) from fault
        found.append(known[pairs])
    return found if any(found) else None


def _feature(name: str) -> str:
    """Name a column as the pipeline does: a feature that is called as a field keeps its prefix."""
    bare = name.removeprefix(FEATURES)
    own = bare in KEPT or bare.startswith("prediction.")
    return name if own else bare


def _times(path: str | Path, values: list[Any]) -> npt.NDArray[np.int64]:
    us, faulty = parse_ts_column(values)
    if faulty:
        row = faulty[0]
        msg = f"{path}, row {row + 1}: expected a time in column ts, got {values[row]!r}"
        raise TableError(msg)
    return us


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
