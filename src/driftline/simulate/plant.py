"""Planting: what each fault does to drawn columns and to the values that are sent."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.simulate.encode import ABSENT, NULL, number_tokens
from driftline.simulate.features import NEW_LEVEL
from driftline.simulate.place import Place

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.simulate.encode import Tokens
    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Columns, Feature
    from driftline.simulate.traffic import Moments, Traffic

__all__ = ["Planter"]

HUMP = 0.95
"""Half the distance of a `shape` fault's two humps, in sd; the rest of the variance is noise."""


class Planter:
    """Applies one fault to the traffic of its model, chunk by chunk in order of time.

    Parameters
    ----------
    start
        The scenario's start, microseconds since the epoch.
    """

    def __init__(self, fault: Fault, model: Traffic, start: int) -> None:
        self.fault = fault
        self.place = Place(fault, model, start)
        self._feature = None if fault.feature is None else model.feature(fault.feature)
        self._moments: Moments | None = None
        if self._feature is not None and self._feature.counted:
            self._moments = model.moments[self._feature.name]
        self._stuck: Any = None

    def change(self, columns: Columns, ts: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        """Change the columns in place; faults of the wire leave them alone.

        Parameters
        ----------
        rng
            The fault's own generator for this chunk: healthy rows stay what they are without it.
        """
        feature = self._feature
        if feature is None or self.fault.kind in {"schema", "silence"}:
            return
        column = columns[feature.name]
        rows = self.place.rows(ts, columns)
        if self.fault.kind == "stuck":
            columns[feature.name] = self._hold(column, rows)
        elif rows.any():
            column = column.copy()
            column[rows] = self._changed(feature, column[rows], ts[rows], rng)
            columns[feature.name] = column

    def _changed(
        self,
        feature: Feature,
        values: npt.NDArray[Any],
        ts: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> npt.NDArray[Any]:
        size = self.fault.resolved_size
        match self.fault.kind:
            case "missing":
                gone = rng.random(values.size) < size
                return np.where(gone, np.nan if feature.counted else -1, values)
            case "correlation":
                return rng.permutation(values)
            case "mix":
                assert feature.shares is not None
                top, rare = int(feature.shares.argmax()), int(feature.shares.argmin())
                share = size / float(feature.shares[top])
                return np.where((values == top) & (rng.random(values.size) < share), rare, values)
            case "new_category":
                fresh = rng.random(values.size) < size
                # One past the last level; `Feature.to_values` knows its name.
                return np.where(fresh & (values >= 0), len(feature.levels), values)
            case _:
                return _to_kind(feature, self._moved(values, ts, rng), rng)

    def _moved(
        self, values: npt.NDArray[np.float64], ts: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        assert self._moments is not None
        mean, sd = self._moments
        size = self.fault.resolved_size
        step = size * sd if self.fault.resolved_unit == "sd" else size
        match self.fault.kind:
            case "mean":
                return values + step
            case "ramp":
                return np.asarray(values + step * self.place.part(ts))
            case "spread":
                return np.asarray(mean + (values - mean) * size)
            case "unit":
                return values * size
            case kind:
                assert kind == "shape"
                # The side of the median is drawn anew, so that a skewed feature gets even humps.
                side = np.where(rng.random(values.size) < 0.5, -1.0, 1.0)
                rest = np.sqrt(1 - HUMP * HUMP) * rng.standard_normal(values.size)
                humps = mean + sd * (HUMP * side + rest)
                return np.where(np.isnan(values), np.nan, humps)

    def _hold(self, column: npt.NDArray[Any], rows: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        present = column >= 0 if column.dtype.kind == "i" else ~np.isnan(column)
        first = int(rows.argmax()) if rows.any() else column.size
        before = np.flatnonzero(present[:first])
        if before.size:
            self._stuck = column[before[-1]]
        elif self._stuck is None and rows.any():
            after = np.flatnonzero(present)
            self._stuck = column[after[0]] if after.size else None
        if self._stuck is None:
            return column
        return np.where(rows, self._stuck, column)

    def send(
        self, fields: dict[str, Tokens], ts: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        """Change the values that are sent, in place; only a schema fault does."""
        fault, name = self.fault, self.fault.feature
        if name is None or fault.kind != "schema":
            return
        rows = self.place.active(ts).tolist()
        if fault.form == "appear":
            fresh = number_tokens(np.round(rng.standard_normal(ts.size), 4))
            fields[name] = [v if on else ABSENT for v, on in zip(fresh, rows, strict=True)]
            return
        sent = zip(fields[name], rows, strict=True)
        fields[name] = [self._sent(token) if on else token for token, on in sent]

    def _sent(self, token: bytes) -> bytes:
        if self.fault.form == "vanish":
            return ABSENT
        if token == NULL:
            return token
        if self.fault.form == "string":
            return b'"%b"' % token
        return self._numbers[token]

    @cached_property
    def _numbers(self) -> dict[bytes, bytes]:
        assert self._feature is not None
        levels = (*self._feature.levels, NEW_LEVEL)
        return {orjson.dumps(level): b"%d" % code for code, level in enumerate(levels)}


def _to_kind(
    feature: Feature, values: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    if feature.kind != "integer":
        return values
    # Rounded at random, so that a shift by a fraction moves the mean by just that fraction.
    return np.floor(values + rng.random(values.size))
