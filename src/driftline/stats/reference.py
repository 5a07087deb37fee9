"""The reference: the profile that "normal" is measured against."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.errors import DriftlineError
from driftline.events.typing import typed
from driftline.stats.column import Column, build_column
from driftline.stats.comoments import Scoring
from driftline.stats.dependence import Dependence, measure_dependence
from driftline.stats.season import Season, learn_season
from driftline.stats.segments import pack_segments, unpack_segments
from driftline.stats.transport import whole
from driftline.stats.variability import Variability, measure_variability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from driftline.events.frame import Kind, Segment
    from driftline.stats.pane import Pane
    from driftline.stats.season import Seasonal

FORMAT = 2
ABSENT = ...
"""Stands in a column for a row that says nothing of it, neither a value nor that it is missing."""


class BadReferenceError(DriftlineError):
    """A reference cannot be built or read. Operator action: see the message; build it anew."""


@dataclass(frozen=True)
class Reference:
    """Bins, probabilities and natural variability of every column of one model.

    Attributes
    ----------
    model
        The model it belongs to.
    events
        Rows it was built from.
    slots
        Slots of event time that the variability was learnt from; 0 where the rows had no time.
    rho
        Overdispersion: intra-slot correlation in [0, 1), float64 of shape (columns,). The variance
        of a slot's counts is that of independent draws times ``1 + (n - 1) * rho``.
    tau
        Integrated autocorrelation time in slots, at least 1, float64 of shape (columns,).
    gap
        Longest time between two rows, microseconds; 0 where the rows had no time.
    season
        What is usual at which hour; `rho` and `tau` are of what is left without it.
    dependence
        How the columns hang together; None where no two of them compare (see `scoring`).
    segments
        References of the segments that are watched each by itself, the one with the most rows
        first: the same bins, with the counts and the variability of the segment's own rows. See
        `driftline.stats.segments`.
    left_out
        Rows of the largest segments that are not.
    """

    model: str
    columns: tuple[Column, ...]
    events: int
    slots: int
    rho: npt.NDArray[np.float64]
    tau: npt.NDArray[np.float64]
    gap: int
    season: Season
    dependence: Dependence | None = None
    segments: Mapping[Segment, Reference] = field(default_factory=dict)
    left_out: Mapping[Segment, int] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        model: str,
        columns: Mapping[str, Sequence[Any]],
        *,
        ts: npt.NDArray[np.int64] | None = None,
        slot: int = 0,
        seasonal: Seasonal | None = None,
        known: Mapping[str, Column] | None = None,
        dependent: bool = True,
    ) -> Reference:
        """Freeze a reference from rows.

        Parameters
        ----------
        columns
            For each column n values, JSON scalars, ``None`` where missing, `ABSENT` where the row
            does not count for the column.
        ts
            Event time of the rows in microseconds, int64 of shape (n,), any order; None where the
            rows have no time: variability from slot to slot is then unknown and taken as nil.
        slot
            Length of a slot in microseconds; needed with `ts`.
        seasonal
            A season that all columns are known to have. None finds out, see `learn_season`.
        known
            Columns that are frozen already, by name: they are taken as they are, and the rows tell
            only how they vary.
        dependent
            False leaves out how the columns hang together: nobody will ask.

        Raises
        ------
        BadReferenceError
            No rows, or no column that holds a value.
        """
        built: list[Column] = []
        codes: list[npt.NDArray[np.int64]] = []
        times: list[npt.NDArray[np.int64]] = []
        places: list[list[int] | slice] = []
        rows = max((len(values) for values in columns.values()), default=0)
        for name in sorted(columns):
            frozen = (known or {}).get(name)
            kind = infer_kind(columns[name]) if frozen is None else frozen.kind
            if kind is None:
                continue  # never held a value: there is nothing to compare with
            values, own = columns[name], ts
            places.append(slice(len(values)))
            if type(ABSENT) in set(map(type, values)):
                told = [row for row, value in enumerate(values) if value is not ABSENT]
                values, places[-1] = [values[row] for row in told], told
                own = None if own is None else own[told]
            values, _ = typed(values, kind)
            built.append(frozen or build_column(name, kind, values))
            codes.append(built[-1].bin(values)[0])
            if own is not None:
                times.append(own)
        if not built:
            msg = f"reference of {model}: expected rows that hold values, got {rows} rows"
            raise BadReferenceError(msg)
        variability, season = Variability.none(len(built)), Season(tuple(built), {})
        if ts is not None and slot > 0:
            season = learn_season(built, codes, times, seasonal)
            own_slots = [own // slot for own in times]
            variability = measure_variability(built, codes, own_slots, season, slot)
        rho, tau = variability.rho, variability.tau
        gap = 0 if ts is None or ts.size < 2 else int(np.diff(np.unique(ts)).max(initial=0))
        found = cls(model, tuple(built), rows, variability.slots, rho, tau, gap, season)
        if not dependent or found.scoring is None:
            return found
        scored = found.scoring.score(codes, places, rows)
        numbers = ts // slot if ts is not None and slot > 0 else None
        return replace(found, dependence=measure_dependence(found.scoring, scored, numbers))

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each column by name."""
        return {column.name: i for i, column in enumerate(self.columns)}

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Kind of each column by name, in order: what the codec decodes into."""
        return {column.name: column.kind for column in self.columns}

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each column's counts start in a pane's counts, int64 of shape (columns + 1,)."""
        return np.concatenate([[0], np.cumsum([c.counts.size for c in self.columns])]).astype(
            np.int64
        )

    @cached_property
    def scoring(self) -> Scoring | None:
        """How values become the scores of co-moments; None where no two columns compare."""
        return Scoring.of(self.columns, self.starts)

    @cached_property
    def numeric(self) -> npt.NDArray[np.int64]:
        """Positions of the numeric columns."""
        return np.array([i for i, c in enumerate(self.columns) if c.numeric], dtype=np.int64)

    @cached_property
    def centers(self) -> npt.NDArray[np.float64]:
        """Fixed-point centers of the numeric columns."""
        return np.array([self.columns[i].center for i in self.numeric], dtype=np.float64)

    @cached_property
    def units(self) -> npt.NDArray[np.float64]:
        """Fixed-point units of the numeric columns."""
        return np.array([self.columns[i].unit for i in self.numeric], dtype=np.float64)

    @cached_property
    def _padding(self) -> tuple[npt.NDArray[np.int64], int]:
        width = max(c.bins for c in self.columns) + 2
        where = np.empty(int(self.starts[-1]), dtype=np.int64)
        for i, column in enumerate(self.columns):
            at = int(self.starts[i])
            where[at : at + column.bins] = i * width + np.arange(column.bins)
            where[at + column.bins : at + column.bins + 2] = i * width + width - 2 + np.arange(2)
        return where, width

    def pad(self, flat: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Lay flat counts out as a matrix.

        Returns
        -------
        int64 of shape (columns, widest bins + 2): interior bins, zeros, then unseen and missing in
        the last two columns.
        """
        where, width = self._padding
        out = np.zeros(len(self.columns) * width, dtype=np.int64)
        out[where] = flat
        return out.reshape(len(self.columns), width)

    def padded(self, pane: Pane) -> npt.NDArray[np.int64]:
        """`pad` of a pane's counts."""
        return self.pad(pane.counts)

    def freed(
        self, counts: npt.NDArray[np.int64], middle: int
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Free `padded` counts of a slot of the season; `middle` of the slot in microseconds.

        Returns
        -------
        As they are, and in whole numbers; the same array twice where no column has a season.
        """
        if not self.season:
            return counts, counts
        freed = self.season.adjust(counts, middle)
        return freed, whole(freed)

    @cached_property
    def padded_counts(self) -> npt.NDArray[np.int64]:
        """`pad` of the reference's own counts."""
        return self.pad(np.concatenate([c.counts for c in self.columns]))

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Smoothed probabilities in the layout of `pad`: every real bin above 0, padding 0.

        Half a count is added to each bin (Jeffreys), as nobody has seen enough rows to call
        anything impossible.
        """
        where, width = self._padding
        flat = np.zeros(len(self.columns) * width)
        flat[where] = np.concatenate([c.counts for c in self.columns]) + 0.5
        matrix = flat.reshape(len(self.columns), width)
        return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))

    @cached_property
    def id(self) -> str:
        """Hash of the content: the same rows give the same id."""
        return hashlib.sha256(self.to_json()).hexdigest()[:16]

    def to_json(self) -> bytes:
        """Return the reference as canonical JSON."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "model": self.model,
                "events": self.events,
                "slots": self.slots,
                "rho": self.rho.tolist(),
                "tau": self.tau.tolist(),
                "gap": self.gap,
                "season": self.season.to_json(),
                "dependence": self.dependence.to_json() if self.dependence else None,
                "columns": [
                    {
                        "name": c.name,
                        "kind": c.kind,
                        "edges": c.edges.tolist(),
                        "categories": list(c.categories),
                        "open": c.open,
                        "counts": c.counts.tolist(),
                        "mean": c.mean,
                        "sd": c.sd,
                        "median": c.median,
                        "minimum": c.minimum,
                        "maximum": c.maximum,
                        "center": c.center,
                        "unit": c.unit,
                    }
                    for c in self.columns
                ],
                **pack_segments(self),
            },
            option=orjson.OPT_SORT_KEYS,
        )

    @classmethod
    def from_json(cls, data: bytes) -> Reference:
        """Read what `to_json` wrote.

        Raises
        ------
        BadReferenceError
            Not a reference, or one of another format.
        """
        try:
            raw = orjson.loads(data)
            if raw["format"] != FORMAT:
                msg = f"reference: expected format {FORMAT}, got {raw['format']!r}"
                raise BadReferenceError(msg)
            columns = tuple(_column(c) for c in raw["columns"])
            found = cls(
                raw["model"],
                columns,
                raw["events"],
                raw["slots"],
                np.array(raw["rho"], dtype=np.float64),
                np.array(raw["tau"], dtype=np.float64),
                int(raw["gap"]),
                Season.from_json(columns, raw["season"]),
            )
            dependence, scoring = raw.get("dependence"), found.scoring
            if dependence is not None and scoring is not None:
                # Otherwise no two columns compare, or it is older than that.
                found = replace(found, dependence=Dependence.from_json(dependence, scoring))
            return unpack_segments(found, raw)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            msg = (
                f"reference: expected the JSON of a reference, got {type(error).__name__}: {error}"
            )
            raise BadReferenceError(msg) from error


def _column(raw: dict[str, Any]) -> Column:
    statistics = {
        key: float("nan") if raw[key] is None else float(raw[key])
        for key in ("mean", "sd", "median", "minimum", "maximum", "center", "unit")
    }
    return Column(
        name=raw["name"],
        kind=raw["kind"],
        edges=np.array(raw["edges"], dtype=np.float64),
        categories=tuple(raw["categories"]),
        open=raw["open"],
        counts=np.array(raw["counts"], dtype=np.int64),
        **statistics,
    )


def infer_kind(values: Sequence[Any]) -> Kind | None:
    """Return the kind most values have, or None where there is no value at all."""
    tally = Counter(map(type, values))
    found: dict[Kind, int] = {
        "boolean": tally[bool],
        "categorical": tally[str],
        "numeric": tally[int] + tally[float],
    }
    kind = max(found, key=lambda k: found[k])
    return kind if found[kind] else None
