"""Rows of a table as events: columns named by prefix become the objects they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.mapping import type_named
from driftline.stats.arrow import integral

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["RowEncoder"]

PREFIXES = ("features", "segment", "prediction")
"""Columns ``features.<name>``, ``segment.<name>`` and ``prediction.<class>`` make objects."""

IDS = frozenset({"prediction_id", "entity_id", "version"})
"""Where a table with gaps has floats for what were integers."""


class RowEncoder:
    """Write the rows of one table as JSON events.

    A null leaves its field out, except in ``features``, where it is a missing value. Rows of a
    table that mixes types carry ``features`` only where they hold something; see `sparse`.

    Parameters
    ----------
    names
        Column names.
    model
        Model of rows that name none; None leaves them without.
    sparse
        Rows of type prediction whose features are all null carry none: their features come in rows
        of their own.
    """

    def __init__(self, names: Sequence[str], *, model: str | None, sparse: bool) -> None:
        self._groups: dict[str, list[tuple[int, str]]] = {}
        self._plain: list[tuple[int, str]] = []
        for place, name in enumerate(names):
            prefix, dot, rest = name.partition(".")
            # "prediction.yes" is a class unless the table has a plain column "prediction" as well.
            grouped = prefix in PREFIXES and dot and rest and prefix not in names
            if grouped:
                self._groups.setdefault(prefix, []).append((place, rest))
            else:
                self._plain.append((place, name))
        self._names = tuple(names)
        self._model = model
        self._sparse = sparse

    def encode(self, columns: Sequence[list[Any]], types: Sequence[Any] | None) -> list[bytes]:
        """Return one JSON object a row.

        Parameters
        ----------
        columns
            Values by column, in the order of the names, each of n JSON scalars.
        types
            Type of each row, None where the table has one type only.
        """
        rows = len(columns[0])
        events: list[dict[str, Any]] = [{} for _ in range(rows)]
        for place, name in self._plain:
            values = columns[place]
            if name in IDS:
                values = integral(values)
            elif name == "type":
                values = [_type(value) for value in values]
            for event, value in zip(events, values, strict=True):
                if value is not None:
                    event[name] = value
        if self._model is not None:
            for event in events:
                event.setdefault("model", self._model)
        for prefix, members in self._groups.items():
            keys = [name for _, name in members]
            stacked = zip(*(columns[place] for place, _ in members), strict=True)
            if prefix == "features":
                _put_features(events, keys, stacked, _wanted(types, sparse=self._sparse))
            else:
                for event, row in zip(events, stacked, strict=True):
                    held = {k: v for k, v in zip(keys, row, strict=True) if v is not None}
                    if held:
                        event[prefix] = held
        return [orjson.dumps(event) for event in events]


def _put_features(
    events: list[dict[str, Any]],
    keys: list[str],
    stacked: Any,
    wanted: Callable[[int, tuple[Any, ...]], bool] | None,
) -> None:
    for row, (event, values) in enumerate(zip(events, stacked, strict=True)):
        if wanted is None or wanted(row, values):
            event["features"] = dict(zip(keys, values, strict=True))


def _wanted(
    types: Sequence[Any] | None, *, sparse: bool
) -> Callable[[int, tuple[Any, ...]], bool] | None:
    """Return which rows of a mixed table carry features at all; None for every row."""
    if types is None:
        return None
    always = {"features"} if sparse else {"features", "prediction"}

    def wanted(row: int, values: tuple[Any, ...]) -> bool:
        return _type(types[row]) in always or any(value is not None for value in values)

    return wanted


def _type(value: Any) -> Any:
    return (type_named(value) or value) if isinstance(value, str) else value
