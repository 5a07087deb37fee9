"""How long people took to decide: whole numbers by bin of latency, and who decides by machine.

Bins are a fifth wide, four to a doubling, from a thousandth of a second to two years. What took
less than `FLOOR` was not read by anybody: it takes a person seconds to see which case it is and to
press a button. That is far below what any study of people who check a model's advice reports, on
purpose, as crossing it is news. People who approve a day's list with one click are not quick by
this measure; that they never object any more shows in the overrides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.contract import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.ledger.pairs import Integers

__all__ = ["AT_ONCE", "BINS", "FLOOR", "Automatic", "pace_codes", "pace_median"]

FLOOR = 5 * SECOND
"""A decision in less is one that nobody can have thought about, microseconds."""
PER_DOUBLING = 4
_BELOW, _ABOVE = 12 * PER_DOUBLING, 24 * PER_DOUBLING
EDGES = np.rint(FLOOR * 2.0 ** (np.arange(-_BELOW, _ABOVE + 1) / PER_DOUBLING)).astype(np.int64)
"""Bin k holds latencies from ``EDGES[k - 1]`` to below ``EDGES[k]``, microseconds; bin 0 all that
are shorter, decisions before their prediction among them, and the last all that are longer."""
BINS = EDGES.size + 1
AT_ONCE = _BELOW + 1
"""Bins below this hold latencies below `FLOOR`."""

LEAST_DECISIONS = 10
"""First decisions of an actor that tell whether it is a machine."""
NEARLY_ALL = 0.9
"""Share of them that a machine takes at once."""
MOST_KNOWN = 256
"""Actors of whom that is remembered; those who come later are taken for people."""


def pace_codes(latency: Integers) -> Integers:
    """Return the bin of each latency (microseconds, below 0 where decided before), its shape."""
    return np.searchsorted(EDGES, np.asarray(latency, dtype=np.int64), side="right")


def pace_median(counts: Integers) -> float | None:
    """Return the median of latencies counted by bin, in seconds; None where there are none.

    The geometric middle of its bin: within a tenth of the median itself.

    Parameters
    ----------
    counts
        int64 of shape (BINS,); what was taken back before it came stands below 0 and counts as 0.
    """
    below = np.cumsum(np.maximum(counts, 0))
    if below[-1] <= 0:
        return None
    at = int(np.searchsorted(below, below[-1] / 2))
    if at == 0:
        return 0.0
    low = float(EDGES[at - 1])
    high = float(EDGES[at]) if at < EDGES.size else low
    return (low * high) ** 0.5 / SECOND


class Automatic:
    """Actors that decide by machine: of their first decisions nearly all came at once.

    They are left out where it is asked how people decide. Who was seen to take time at first stays
    a person, however quick later.
    """

    def __init__(self) -> None:
        self._first: dict[str, list[int]] = {}
        self._settled: dict[str, bool] = {}

    def meet(self, actors: Mapping[str, Integers]) -> None:
        """Take the decisions of a window, counted by bin of latency, by actor."""
        for name, counts in sorted(actors.items()):
            if name in self._settled:
                continue
            if len(self._settled) + len(self._first) >= MOST_KNOWN and name not in self._first:
                continue
            first = self._first.setdefault(name, [0, 0])
            there = np.maximum(counts, 0)
            first[0] += int(there.sum())
            first[1] += int(there[:AT_ONCE].sum())
            if first[0] >= LEAST_DECISIONS:
                self._settled[name] = first[1] >= NEARLY_ALL * first[0]
                del self._first[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._settled.get(name, False)

    @property
    def names(self) -> list[str]:
        """Those that are known to decide by machine, in order."""
        return sorted(name for name, found in self._settled.items() if found)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "first": {name: list(first) for name, first in self._first.items()},
            "settled": dict(self._settled),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._first = {name: list(first) for name, first in state["first"].items()}
        self._settled = dict(state["settled"])
