"""Arrow columns as JSON scalars: the one reading of tables that references and replays share."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

__all__ = ["Reading", "TextColumn", "infer_reading", "integral", "number", "scalars"]

Reading = Literal["number", "boolean", "text"]

_NUMBER = r"^[ ]*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[ ]*$"
_NUMBER_PATTERN = re.compile(_NUMBER)
_ABSENT = frozenset(
    ["", "NaN", "nan", "NAN", "NA", "N/A", "#N/A", "<NA>", "null", "NULL", "None"]
    + ["inf", "-inf", "Infinity", "-Infinity"]
)
"""What stands for "missing" in a column of numbers or booleans; elsewhere only "" does, as NA may
be a country."""
_BOOLEANS = {"true": True, "false": False}
_INT64 = 2**63
_EXACT = 2**53
"""Integral floats up to here are written as integers."""


def scalars(array: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return a column's values as JSON knows them (None where missing).

    NaN and null become None, instants RFC 3339 strings in UTC (without an offset they are taken as
    UTC), dates their ISO form, decimals floats; bytes that are no UTF-8 become None.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return scalars(pc.cast(array, kind.value_type))
    if pa.types.is_floating(kind):
        numbers = _numpy(array)
        values = numbers.tolist()
        for row in np.flatnonzero(np.isnan(numbers)).tolist():
            values[row] = None
        return list(values)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return list(_numpy(array).tolist())
    if pa.types.is_integer(kind) and not array.null_count:
        return list(_numpy(array).tolist())
    if pa.types.is_timestamp(kind):
        return _instants(array)
    if pa.types.is_decimal(kind):
        return [None if value is None else float(value) for value in array.to_pylist()]
    if pa.types.is_date(kind) or pa.types.is_time(kind):
        return [None if value is None else value.isoformat() for value in array.to_pylist()]
    if pa.types.is_duration(kind):
        return [None if value is None else value.total_seconds() for value in array.to_pylist()]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [_text(value) for value in array.to_pylist()]
    if pa.types.is_nested(kind):
        return [_plain(value) for value in array.to_pylist()]
    return list(array.to_pylist())


def _numpy(array: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """Convert in C: `to_pylist` makes an Arrow scalar of every value, ten times the time."""
    if isinstance(array, pa.ChunkedArray):
        return np.asarray(array.to_numpy())
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _instants(array: pa.Array | pa.ChunkedArray) -> list[str | None]:
    micros = pc.cast(array, pa.timestamp("us", "UTC"), safe=False)
    known = pc.is_valid(micros).to_numpy(zero_copy_only=False)
    raw = pc.fill_null(pc.cast(micros, pa.int64()), 0)
    text = np.datetime_as_string(raw.to_numpy(zero_copy_only=False).astype("datetime64[us]"))
    return [f"{t}Z" if ok else None for t, ok in zip(text.tolist(), known.tolist(), strict=True)]


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _plain(value: Any) -> Any:
    """Return a nested value without what JSON does not know."""
    match value:
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value else None  # noqa: PLR0124 - NaN
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)


class TextColumn:
    """How a column of a text file (CSV) is read, learnt from all of its values.

    A column is numbers, or true/false, when most of its values are; a value that then is not stays
    the text it is, so that a change of type in mid-file is seen as one.
    """

    def __init__(self) -> None:
        self._tally: Counter[Reading] = Counter()

    def learn(self, array: pa.ChunkedArray) -> None:
        """Count what the values of one block look like; strings, any number of blocks."""
        if not len(array):
            return
        numbers = pc.sum(pc.match_substring_regex(array, _NUMBER)).as_py() or 0
        low = pc.utf8_lower(array)
        booleans = pc.sum(pc.is_in(low, pa.array(list(_BOOLEANS)))).as_py() or 0
        absent = pc.sum(pc.is_in(array, pa.array(sorted(_ABSENT)))).as_py() or 0
        absent += array.null_count
        self._tally["number"] += numbers
        self._tally["boolean"] += booleans
        self._tally["text"] += len(array) - numbers - booleans - absent

    @property
    def known(self) -> bool:
        """Whether any value has been learnt from that was not missing."""
        return self._tally.total() > 0

    @property
    def reading(self) -> Reading:
        """What the column holds, as far as was learnt."""
        return infer_reading(self._tally)

    def read(self, array: pa.ChunkedArray) -> list[Any]:
        """Return one block's values as JSON scalars, None where missing."""
        return _READERS[self.reading](array)


def infer_reading(tally: Counter[Reading]) -> Reading:
    """Return the most frequent reading; text where nothing is known."""
    kinds: tuple[Reading, ...] = ("number", "boolean")
    for kind in kinds:
        if tally[kind] and tally[kind] * 2 >= tally.total():
            return kind
    return "text"


def number(text: str | None) -> Any:
    """Read one cell of a column of numbers: a number, None, or the text it is."""
    if text is None or text in _ABSENT:
        return None
    if _NUMBER_PATTERN.match(text) is None:
        return text
    try:
        value = int(text)
    except ValueError:
        return float(text)
    return value if -_INT64 <= value < _INT64 else float(value)


def _numbers(array: pa.ChunkedArray) -> list[Any]:
    known = pc.if_else(pc.is_in(array, pa.array(sorted(_ABSENT))), None, array)
    for kind in (pa.int64(), pa.float64()):
        try:  # a whole block at once is ten times faster, but only where no cell is odd
            return scalars(pc.cast(known, kind))
        except pa.ArrowInvalid:
            continue
    return [number(cell) for cell in scalars(array)]


def _booleans(array: pa.ChunkedArray) -> list[Any]:
    return [
        None if cell is None or cell in _ABSENT else _BOOLEANS.get(cell.lower(), cell)
        for cell in scalars(array)
    ]


def _texts(array: pa.ChunkedArray) -> list[Any]:
    return [cell or None for cell in scalars(array)]


_READERS: dict[Reading, Callable[[pa.ChunkedArray], list[Any]]] = {
    "number": _numbers,
    "boolean": _booleans,
    "text": _texts,
}


def integral(values: Iterable[Any]) -> list[Any]:
    """Turn whole floats into integers: ids that a table with gaps kept as floats."""
    return [
        int(value) if type(value) is float and value.is_integer() and abs(value) < _EXACT else value
        for value in values
    ]
