"""From gathered columns to a frame: one pass a column, no loop over values where C can do it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import UNSET

from driftline.events.careful import SHOWN_CLASSES
from driftline.events.checks import INTEGERS, classes, segment, typed_value
from driftline.events.errors import Fault
from driftline.events.fields import FIELDS, required
from driftline.events.frame import Frame
from driftline.events.gather import Gathered
from driftline.events.numbers import Numbers
from driftline.events.plan import Branch, Leaf, Plan
from driftline.events.time import parse_ts_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.events.frame import Kind
    from driftline.events.limits import Limits

__all__ = ["Places", "Spread", "build_frame", "row_keys", "spread"]

_FLOAT_MAX = int(np.finfo(np.float64).max)
_STAMPS = (100_000_000_000, 7_258_118_400_000)
_NO_KINDS: dict[str, Kind] = {}


@dataclass(slots=True)
class Places:
    """Where rows came from: offset, position in the envelope, record timestamp (ms), all (n,)."""

    offset: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]
    stamp: npt.NDArray[np.int64]


@dataclass(slots=True)
class Spread:
    """Columns in terms of fields and features, not judged yet.

    Attributes
    ----------
    keys
        How many keys the rows have in all, as far as they were read: if the bytes hold as many,
        none came twice.
    bad
        Rows that only the careful path can judge.
    idle
        Columns that no row had.
    """

    rows: int
    needed: frozenset[str]
    mended: Sequence[int]
    keys: int = 0
    idle: int = 0
    fields: dict[str, Sequence[Any]] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    features: list[tuple[Leaf, Sequence[Any]]] = field(default_factory=list)
    featured: npt.NDArray[np.bool_] | None = None
    unknown: dict[str, list[int]] = field(default_factory=dict)
    bad: set[int] = field(default_factory=set)


def spread(plan: Plan, gathered: Gathered, mended: Sequence[int]) -> Spread:
    """Sort the columns of the tree into fields and features.

    Parameters
    ----------
    mended
        Rows in which null was read for NaN or an infinity; where that is not the same, they are
        bad.
    """
    out = Spread(gathered.rows, required(plan.type), mended)
    if "features" in FIELDS[plan.type]:
        # Until the branch of the features is met; at the root every row is one.
        out.featured = np.full(out.rows, plan.root.shape.rest == "feature", dtype=np.bool_)
    _spread(gathered, out, partial=False)
    if out.featured is not None:
        if "features" in out.needed:
            out.bad.update(np.flatnonzero(~out.featured).tolist())
        if out.featured.all():
            out.featured = None
    return out


def _spread(gathered: Gathered, out: Spread, *, partial: bool) -> None:
    rows = out.rows
    for kid, held in zip(gathered.layout, gathered.kids, strict=True):
        if isinstance(held, Gathered):
            out.keys += rows - sum(held.absent.values())
            if held.branch.shape.rest == "feature":
                out.featured = np.ones(rows, dtype=np.bool_)
                out.featured[list(held.absent)] = False
            out.bad.update(row for row in out.mended if held.absent.get(row) is False)
            _spread(held, out, partial=partial or bool(held.absent))
            continue
        assert not isinstance(kid, Branch)
        column: Sequence[Any] = held
        present = rows
        if isinstance(held, Numbers):
            present = rows - len(held.absent)
            out.keys += present
            if present == 0:
                out.idle += 1
                continue
        elif partial or not kid.always:
            present = len([1 for value in column if value is not UNSET])
            out.keys += present
            if present == 0:
                out.idle += 1
                continue
            if present < rows:
                column = [None if value is UNSET else value for value in column]
        else:
            out.keys += rows
        if kid.role == "feature":
            out.features.append((kid, column))
        elif kid.role == "field":
            out.fields[kid.name] = column
            if kid.name not in {"score", "weight", "propensity"}:
                out.bad.update(row for row in out.mended if held[row] is None)
            if kid.loose:
                out.loose.add(kid.name)
            if present < rows and kid.name in out.needed:
                out.bad.update(row for row, value in enumerate(column) if value is None)
        else:
            _pass_over(kid, column, out)


def _pass_over(leaf: Leaf, column: Sequence[Any], out: Spread) -> None:
    """Count the keys inside values that nobody reads; what msgspec skipped it has not checked."""
    there = []
    for row, raw in enumerate(column):
        if raw is None:
            continue
        there.append(row)
        keys = _raw_keys(bytes(raw))
        if keys < 0:
            out.bad.add(row)
        else:
            out.keys += keys
    if leaf.counted:
        out.unknown[leaf.name] = there


def _raw_keys(raw: bytes) -> int:
    if raw[0] not in b'"[{' or (raw[0] == 0x22 and raw.isascii() and b"\\" not in raw):
        return 0  # a number, a literal, or a string that msgspec cannot have misjudged
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return -1
    if raw[0] not in b"[{":
        return raw.count(b'":')
    # Deep ones are left to the careful path, which knows the depth they stand at.
    return -1 if raw.count(b"[") + raw.count(b"{") > 16 else raw.count(b'":')


def row_keys(gathered: Gathered, row: int) -> int:
    """Count one row's keys, as `spread` and `build_frame` do for all."""
    total = 0
    for kid, held in zip(gathered.layout, gathered.kids, strict=True):
        if isinstance(held, Gathered):
            total += not held.absent.get(row, False)
            total += 0 if row in held.absent else row_keys(held, row)
            continue
        if isinstance(held, Numbers):
            total += row not in held.absent
            continue
        value = held[row]
        if value is UNSET:
            continue
        total += 1
        if isinstance(value, dict):
            total += len(value)
        elif isinstance(kid, Leaf) and kid.role == "passed":
            total += _raw_keys(bytes(value))
    return total


def build_frame(
    plan: Plan, columns: Spread, places: Places, max_ahead: int, limits: Limits
) -> Frame | None:
    """Judge the columns by the careful path's rules.

    Returns
    -------
    Frame or None
        None if some rows are for the careful path after all; they are in ``columns.bad`` then.
    """
    judge = _Judge(plan, columns, limits)
    fields = columns.fields
    ts = judge.times(fields.pop("ts", None), places, max_ahead)
    fields.pop("model", None)
    fields.pop("type", None)
    frame = Frame(
        model=plan.model,
        type=plan.type,
        ts=ts,
        offset=places.offset,
        index=places.index,
        kinds=plan.kinds or _NO_KINDS,
        featured=columns.featured,
        unknown_fields={n: np.array(r, dtype=np.int64) for n, r in columns.unknown.items()},
    )
    for name, check in FIELDS[plan.type].items():
        column = fields.get(name)
        if column is None:
            if name in plan.fixed and name != "model":
                frame.values[name] = [plan.fixed[name]] * frame.rows
            elif check == "source":
                frame.values[name] = ["serving"] * frame.rows
            continue
        match check:
            case "id":
                frame.ids = judge.identifiers(column)
            case "mark":
                frame.values[name] = judge.identifiers(column)
            case "segment":
                frame.segments = judge.segments(column)
            case "prediction":
                judge.prediction(frame, column)
            case "score":
                judge.column(frame, "score", column, "numeric", loose=name in columns.loose)
            case "scalar":
                judge.in_range(column)
                frame.values[name] = column
            case "source":
                frame.values[name] = [value or "serving" for value in column]
            case _:
                frame.values[name] = column
    frame.values = {name: c for name, c in frame.values.items() if _any(c)}
    if frame.ids is not None and not _any(frame.ids):
        frame.ids = None
    for leaf, column in columns.features:
        kind = frame.kinds.get(leaf.name)
        judge.column(frame, leaf.name, column, kind, loose=leaf.loose)
    return None if columns.bad else frame


def _any(column: Sequence[Any]) -> bool:
    if isinstance(column, Numbers):
        return column.any()
    return column[0] is not None or any(value is not None for value in column)


class _Judge:
    """The rules that a struct's types cannot say; rows that break one go into ``bad``."""

    def __init__(self, plan: Plan, columns: Spread, limits: Limits) -> None:
        self._kinds = plan.kinds or _NO_KINDS
        self._columns = columns
        self._bad = columns.bad
        self._limits = limits

    def times(
        self, column: Sequence[Any] | None, places: Places, max_ahead: int
    ) -> npt.NDArray[np.int64]:
        stamp = places.stamp
        produced = (stamp >= _STAMPS[0]) & (stamp < _STAMPS[1])
        record_us = np.where(produced, stamp, 0) * 1000
        stated = None if column is None else next((v for v in column if v is not None), None)
        if column is None or stated is None:
            self._bad.update(np.flatnonzero(~produced).tolist())
            return record_us
        absent = [row for row, value in enumerate(column) if value is None]
        if absent:
            column = [stated if value is None else value for value in column]
        ts, faulty = parse_ts_column(column)
        if absent:
            ts[absent] = record_us[absent]
            faulty = [row for row in faulty if row not in set(absent)]
            self._bad.update(row for row in absent if not produced[row])
        self._bad.update(faulty)
        ahead = produced & (ts > record_us + max_ahead)
        if ahead.any():
            self._bad.update(np.flatnonzero(ahead).tolist())
        return ts

    def identifiers(self, column: Sequence[Any]) -> Sequence[Any]:
        if int not in set(map(type, column)):
            return column
        out: list[Any] = []
        for row, value in enumerate(column):
            if type(value) is int:
                if value not in INTEGERS:
                    self._bad.add(row)
                    continue
                out.append(str(value))
            else:
                out.append(value)
        return out

    def segments(self, column: Sequence[Any]) -> Sequence[Any] | None:
        cache: dict[Any, Any] = {}
        out: list[Any] = []
        for row, value in enumerate(column):
            if not value:
                out.append(())
                continue
            self._columns.keys += len(value)
            key = tuple(value.items())
            known = cache.get(key)
            if known is None:
                try:
                    known = cache[key] = segment(value, "$", self._limits)
                except Fault:
                    self._bad.add(row)
            out.append(known)
        return out if any(out) else None

    def in_range(self, column: Sequence[Any]) -> None:
        """Leave integers beyond float64 to the careful path: only it knows what they mean."""
        if int in set(map(type, column)):
            self._bad.update(
                row
                for row, value in enumerate(column)
                if type(value) is int and not -_FLOAT_MAX <= value <= _FLOAT_MAX
            )

    def column(
        self, frame: Frame, name: str, column: Sequence[Any], kind: Kind | None, *, loose: bool
    ) -> None:
        if kind is None:
            self.in_range(column)
        elif loose:
            judged = [typed_value(value, kind) for value in column]
            column = [value for value, _ in judged]
            wrong = [row for row, (_, bad) in enumerate(judged) if bad]
            if wrong:
                frame.invalid[name] = np.array(wrong, dtype=np.int64)
        if _any(column):
            frame.columns[name] = column

    def prediction(self, frame: Frame, column: Sequence[Any]) -> None:
        kind = self._kinds.get("prediction")
        self.in_range(column)
        if dict not in set(map(type, column)):
            loose = "prediction" in self._columns.loose
            self.column(frame, "prediction", column, kind, loose=loose)
            return
        orders: dict[tuple[str, ...], tuple[str, ...]] = {}
        shares: dict[str, list[Any]] = {}
        likeliest: list[Any] = []
        for row, value in enumerate(column):
            if type(value) is not dict:
                likeliest.append(value)
                continue
            self._columns.keys += len(value)
            given = tuple(value)
            order = orders.get(given)
            if order is None:
                try:
                    order = orders[given] = tuple(classes(value, "$", self._limits))
                except Fault:
                    self._bad.add(row)
                    continue
            values = [value[name] for name in order]
            top = max(values)
            if not (top <= 1 and min(values) >= 0):
                self._bad.add(row)
                continue
            likeliest.append(order[values.index(top)])
            if len(order) <= SHOWN_CLASSES:
                for name, share in zip(order, values, strict=True):
                    held = shares.get(name)
                    if held is None:
                        held = shares[name] = []
                    held.extend([None] * (row - len(held)))
                    held.append(share)
        if self._bad:
            return
        self.column(frame, "prediction", likeliest, kind, loose=True)
        for name, held in shares.items():
            held.extend([None] * (len(column) - len(held)))
            frame.columns[f"prediction.{name}"] = held
