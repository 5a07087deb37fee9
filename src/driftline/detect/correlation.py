"""Correlations that change while every column by itself stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.plain import plain
from driftline.detect.shares import ShareDetector, Told
from driftline.detect.state import pack, unpack
from driftline.stats.dependence import pair_shares

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.contract import Contract
    from driftline.detect.betting import Floats
    from driftline.detect.share_blocks import Block
    from driftline.detect.share_watch import Opened
    from driftline.detect.shares import Contrasts
    from driftline.stats import Reference

TOLERANCE = 0.1
MOVED = 0.15
"""By how much further (in sd) one of two columns must have moved to be the one that is named: some
three times what chance alone makes of the running means."""
RUNNING = 0.2
"""Weight of a new block in the running means of the columns' own shifts."""
MAX_TOLD = 10
"""Pairs that a finding's evidence lists, the strongest first."""


class Correlation(ShareDetector):
    """Watches the correlation of every pair of numeric or boolean features.

    A finding names the pairs that changed; it is about the feature in which most of the evidence
    meets, and of two alike about the one that has itself moved further. The pairs named and all
    others of that feature rest until it is cleared. See `ShareDetector` for what is a change and
    for the parameters; pairs are weighted by the product of importances.
    """

    name = "correlation"
    unit = "correlation"

    def __init__(
        self,
        reference: Reference,
        contract: Contract,
        arl: float,
        tolerance: float = TOLERANCE,
    ) -> None:
        scoring, weight = reference.scoring, np.zeros(0)
        if scoring is not None:
            stake = np.array(
                [contract.feature(reference.columns[i].name).importance for i in scoring.columns]
            )
            weight = np.maximum(stake[scoring.first], 0.0) * np.maximum(stake[scoring.second], 0.0)
            weight /= max(float(weight.sum()), 1e-300)
        super().__init__(reference, arl, slice(weight.size), 2.0, tolerance, weight)
        self._shift = np.zeros(len(scoring.columns) if scoring else 0, dtype=np.float32)

    def _shares(self, r: Floats) -> Floats:
        return pair_shares(r)

    def _take(self, block: Block) -> Floats:
        self._shift += (RUNNING * (block.shift - self._shift)).astype(np.float32)
        return block.rows

    def _covered(self, opened: Opened) -> npt.NDArray[np.bool_]:
        found = (self._scoring.first == opened.lead) | (self._scoring.second == opened.lead)
        found[opened.contrasts] = True
        return np.asarray(found)

    def _lead(self, named: Contrasts, parts: Floats) -> int:
        ends = self._scoring.first[named], self._scoring.second[named]
        total = np.zeros(len(self._names))
        for end in ends:
            np.add.at(total, end, parts[named])
        a, b = int(ends[0][0]), int(ends[1][0])
        if total[a] == total[b]:
            return b if abs(self._shift[b]) > abs(self._shift[a]) + MOVED else a
        return b if total[b] > total[a] else a

    def _tell(self, lead: int, named: Contrasts, now: Floats) -> Told:
        r, was = 2 * now - 1, self._r[named]
        pairs: list[dict[str, Any]] = []
        for k in range(min(named.size, MAX_TOLD)):
            ends = [int(self._scoring.first[named[k]]), int(self._scoring.second[named[k]])]
            ends.sort(key=lambda end: end != lead)
            names = [self._names[end] for end in ends]
            pairs.append({"pair": names, "reference": plain(was[k]), "current": plain(r[k])})
        one, other = pairs[0]["pair"]
        text = f"correlation of {one} and {other} {was[0]:.2f} → {r[0]:.2f}"
        if named.size > 1:
            text += f"; of {named.size - 1} more pair{'s' if named.size > 2 else ''}"
        evidence = {
            "aspect": "correlation",
            "direction": "up" if r[0] > was[0] else "down",
            "pairs": pairs,
            "pairs_total": int(named.size),
        }
        return Told(self._names[lead], abs(float(r[0] - was[0])), text, evidence)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {**super().snapshot(), "shift": pack(self._shift)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        super().restore(state)
        self._shift = unpack(state.get("shift", {}), self._shift)
