"""Predictions that come twice: producers retry, and a retry must not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

MAX_IDS = 2_000_000
"""Ids remembered in all open slots of a source (some 150 MB); beyond it repeats go unnoticed."""


class Repeats:
    """Ids of the predictions in open slots, as hashes."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], set[int]] = {}
        self._held = 0

    def find(
        self,
        model: str,
        slot: npt.NDArray[np.int64],
        ids: Sequence[str],
        rows: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.int64]:
        """Return those of `rows` whose id stood in the same slot before, and remember the rest."""
        own = slot[rows]
        repeated: list[int] = []
        for start in np.unique(own).tolist():
            here = rows[own == start]
            picked = ids if here.size == len(ids) else [ids[row] for row in here.tolist()]
            hashes = list(map(hash, picked))
            seen = self._seen.setdefault((model, start), set())
            fresh = set(hashes)
            if len(fresh) < len(hashes) or not seen.isdisjoint(fresh):
                met = set(seen)
                for row, value in zip(here.tolist(), hashes, strict=True):
                    if value in met:
                        repeated.append(row)
                    met.add(value)
            if self._held < MAX_IDS:
                before = len(seen)
                seen |= fresh
                self._held += len(seen) - before
        return np.array(repeated, dtype=np.int64)

    def forget(self, model: str, start: int) -> None:
        """Let go of a slot that has closed."""
        self._held -= len(self._seen.pop((model, start), ()))
