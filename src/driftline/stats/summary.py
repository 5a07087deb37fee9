"""What a window says of each column: moments, quantiles, histogram, distances to the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.stats import distance
from driftline.stats.fixedpoint import mean_and_sd
from driftline.stats.spans import spans_of, stack_spans

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.stats.column import Column
    from driftline.stats.pane import Pane
    from driftline.stats.reference import Reference

PROBABILITIES = ("0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99")
"""Quantiles that a window reports, as they are written in its JSON."""

DIGITS = 6
"""Decimals of a distance: more would be noise, and make windows a third longer."""

_P = np.array([float(p) for p in PROBABILITIES])


class Summariser:
    """Describes merged panes of one reference, all columns at once.

    Complexity: measured 1 ms for 20 columns, 18 ms for 1,000.
    """

    def __init__(self, reference: Reference) -> None:
        """Lay out what does not change from window to window."""
        self._reference = reference
        numeric = [reference.columns[i] for i in reference.numeric]
        self._spans = stack_spans([spans_of(c.edges, c.counts) for c in numeric])
        self._means = np.array([c.mean for c in numeric])
        self._sds = np.array([c.sd for c in numeric])
        self._bins: list[list[Any]] = [
            c.edges.tolist() if c.numeric else list(c.categories) for c in reference.columns
        ]

    def of(self, pane: Pane) -> dict[str, dict[str, Any]]:
        """Describe each column of a merged pane.

        Parameters
        ----------
        pane
            Binned on this object's reference (never raw).

        Returns
        -------
        dict
            By column name: ``kind``, ``count`` (values that are not missing), ``missing``,
            ``invalid`` (of the wrong type; counted as missing too), ``unseen``, ``mean``, ``sd``,
            ``min``, ``max``, ``quantiles``, ``bins`` (edges or levels), ``histogram`` (interior
            bins), ``psi``, ``jensen_shannon``, ``hellinger``, ``ks``, ``wasserstein`` (in reference
            standard deviations), ``chi_squared`` and ``chi_squared_df``. What cannot be told is
            None: nothing in it is NaN or infinite.
        """
        reference = self._reference
        counts = reference.padded(pane)
        chi = distance.chi_squared(reference.padded_counts, counts)
        psi = _plain(distance.psi(reference.padded_counts, counts))
        jensen_shannon = _plain(distance.jensen_shannon(reference.padded_counts, counts))
        hellinger = _plain(distance.hellinger(reference.padded_counts, counts))
        statistic = _plain(chi.statistic)
        unseen, missing = counts[:, -2].tolist(), counts[:, -1].tolist()
        filled = counts[:, :-1].sum(axis=1).tolist()
        invalid = pane.invalid.tolist()
        df = chi.df.tolist()
        numbers = self._numbers(pane, counts)
        out: dict[str, dict[str, Any]] = {}
        for i, column in enumerate(reference.columns):
            own = numbers.get(i, _NO_NUMBERS)
            out[column.name] = {
                "kind": column.kind,
                "count": filled[i],
                "missing": missing[i],
                "invalid": invalid[i],
                "unseen": unseen[i],
                "mean": own["mean"],
                "sd": own["sd"],
                "min": own["min"],
                "max": own["max"],
                "quantiles": own["quantiles"],
                "bins": self._bins[i],
                "histogram": counts[i, : column.bins].tolist(),
                "psi": psi[i],
                "jensen_shannon": jensen_shannon[i],
                "hellinger": hellinger[i],
                "ks": own["ks"],
                "wasserstein": own["wasserstein"],
                "chi_squared": statistic[i],
                "chi_squared_df": df[i],
            }
        return out

    def _numbers(self, pane: Pane, counts: npt.NDArray[np.int64]) -> dict[int, dict[str, Any]]:
        """Return what only numeric columns have, by column position."""
        reference = self._reference
        at = reference.numeric
        if not at.size:
            return {}
        own, base = counts[at], reference.padded_counts[at]
        filled = own[:, :-1].sum(axis=1)
        low = np.where(filled > 0, pane.minimum, np.nan)
        high = np.where(filled > 0, pane.maximum, np.nan)
        scale = zip(reference.centers.tolist(), reference.units.tolist(), strict=True)
        found = [
            mean_and_sd(pane.sums[:, j], int(filled[j]), center, unit)
            for j, (center, unit) in enumerate(scale)
        ]
        means = np.array([np.nan if mean is None else mean for mean, _ in found])
        below, _ = distance.split_unseen(own[:, -2], self._spans, low, high)
        ks = distance.kolmogorov_smirnov(base, own, below)
        moved = distance.wasserstein(base, own, self._spans, low, high)
        # No transport is cheaper than the difference of the means, which is known exactly: it sees
        # what moved inside a bin, and how far away "outside the range" is.
        moved = np.maximum(moved, np.abs(means - self._means))
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.where(self._sds > 0, moved / self._sds, np.nan)
        levels = distance.quantiles(own, self._spans, low, high, _P)
        columns: dict[str, list[Any]] = {
            "ks": _plain(ks),
            "wasserstein": _plain(moved),
            "min": _exact(low),
            "max": _exact(high),
            "mean": [_finite(mean) for mean, _ in found],
            "sd": [_finite(sd) for _, sd in found],
            "quantiles": [
                dict(zip(PROBABILITIES, row, strict=True)) if filled[j] else None
                for j, row in enumerate(levels.tolist())
            ],
        }
        return {
            int(position): {name: values[j] for name, values in columns.items()}
            for j, position in enumerate(at)
        }


_NO_NUMBERS: dict[str, Any] = dict.fromkeys(
    ("mean", "sd", "min", "max", "quantiles", "ks", "wasserstein")
)


def _plain(values: npt.NDArray[np.float64]) -> list[float | None]:
    return _exact(np.round(values, DIGITS) + 0.0)  # + 0.0: no "-0.0" in the output


def _exact(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [
        value if fine else None
        for value, fine in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def column_quantiles(column: Column) -> dict[str, float]:
    """Return the quantiles of a numeric column's own reference rows, by probability."""
    found = distance.quantiles(
        column.counts,
        spans_of(column.edges, column.counts),
        np.array(column.minimum),
        np.array(column.maximum),
        _P,
    )
    return dict(zip(PROBABILITIES, found.tolist(), strict=True))
