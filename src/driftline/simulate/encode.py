"""Rows to JSON by columns: each column is encoded once, then rows are filled into a template.

Measured for 20 numeric features (554 bytes) on one core, drawing included: a dict and an
`orjson.dumps` a row 93-98 thousand events a second, columns and a template 143-195 thousand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["ABSENT", "NULL", "Tokens", "encode", "number_tokens", "object_tokens", "time_tokens",
           "tokens"]  # fmt: skip

Tokens = list[bytes]
"""One JSON value for each row."""

NULL = b"null"
ABSENT = b""
"""Stands for a key that is not sent at all; allowed in `object_tokens` only."""


def number_tokens(values: npt.NDArray[Any]) -> Tokens:
    """Encode numbers; NaN becomes null.

    Parameters
    ----------
    values
        float64 or int64, shape (n,).
    """
    if not values.size:
        return []
    # A number holds no comma, so one array can be cut into its elements.
    packed = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return packed[1:-1].split(b",")


def tokens(values: Sequence[Any]) -> Tokens:
    """Encode any JSON values one by one."""
    return list(map(orjson.dumps, values))


def time_tokens(ts: npt.NDArray[np.int64]) -> Tokens:
    """Encode instants (microseconds since the epoch) as RFC 3339 in UTC with microseconds."""
    written = np.datetime_as_string(ts.view("M8[us]")).astype("S")
    return [b'"%bZ"' % text for text in written.tolist()]


def encode(fixed: dict[str, Any], fields: dict[str, Tokens]) -> list[bytes]:
    """Encode rows as objects: fixed fields first, then one token of each field."""
    head = [(name, orjson.dumps(value).replace(b"%", b"%%")) for name, value in fixed.items()]
    return _fill([*head, *((name, b"%b") for name in fields)], list(fields.values()))


def object_tokens(fields: dict[str, Tokens]) -> Tokens:
    """Encode rows as objects, leaving out keys whose token is `ABSENT`."""
    if not any(ABSENT in column for column in fields.values()):
        return _fill([(name, b"%b") for name in fields], list(fields.values()))
    columns = [
        [b"%b:%b" % (orjson.dumps(name), token) if token else ABSENT for token in column]
        for name, column in fields.items()
    ]
    rows = zip(*columns, strict=True)
    return [b"{%b}" % b",".join(token for token in row if token) for row in rows]


def _fill(parts: list[tuple[str, bytes]], columns: list[Tokens]) -> list[bytes]:
    keys = (orjson.dumps(name).replace(b"%", b"%%") + b":" + value for name, value in parts)
    template = b"{" + b",".join(keys) + b"}"
    return [template % row for row in zip(*columns, strict=True)]
