"""Joint changes that are spread thin over many pairs of columns: the reconstruction error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.plain import plain
from driftline.detect.share_watch import MODEL
from driftline.detect.shares import ShareDetector, Told
from driftline.detect.state import pack, unpack
from driftline.stats.dependence import ComponentShares
from driftline.stats.wording import percent

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.detect.betting import Floats
    from driftline.detect.share_blocks import Block
    from driftline.detect.share_watch import Opened
    from driftline.detect.shares import Contrasts
    from driftline.stats import Reference

TOLERANCE = 0.05
MAX_TOLD = 5


class Joint(ShareDetector):
    """Watches how well the reference's principal components explain the features.

    The reconstruction error on the first k components, as a share of the variance of all
    standardised features, for k = 1, 2, … at once. It sees structure that is lost or turned; a
    common factor that is new and stands across all those components it cannot see. A finding is
    about the whole model. See `ShareDetector` for what is a change and for the parameters.
    """

    name = "joint"
    unit = "share of variance"

    def __init__(self, reference: Reference, arl: float, tolerance: float = TOLERANCE) -> None:
        pairs = k = 0
        if reference.scoring is not None and reference.dependence is not None:
            pairs, k = reference.scoring.pairs, reference.dependence.components.shape[1]
            self._inside = ComponentShares(reference.dependence.components, reference.scoring)
        weight = np.full(k, 1 / max(k, 1))
        super().__init__(reference, arl, slice(pairs, None), 1.0, tolerance, weight)
        self._moved = np.zeros(pairs, dtype=np.float32)

    def _shares(self, r: Floats) -> Floats:
        return self._inside(r)

    def _take(self, block: Block) -> Floats:
        # How each pair has changed since what the bets believe to be the start.
        part = block.rows / np.maximum(block.rows + self._bets.rows.max(), 1.0)
        self._moved += (part * (block.r - self._r - self._moved)).astype(np.float32)
        return np.full(self._share.size, block.rows.mean())

    def _covered(self, opened: Opened) -> npt.NDArray[np.bool_]:  # noqa: ARG002
        return np.ones(self._share.size, dtype=np.bool_)

    def _lead(self, named: Contrasts, parts: Floats) -> int:  # noqa: ARG002
        return MODEL

    def _tell(self, lead: int, named: Contrasts, now: Floats) -> Told:  # noqa: ARG002
        k, was, share = int(named[0]) + 1, 1 - float(self._share[named[0]]), 1 - float(now[0])
        text = (
            f"{k} principal component{'s' if k > 1 else ''} of {len(self._names)} features: "
            f"reconstruction error {percent(was)} → {percent(share)} of the variance"
        )
        evidence: dict[str, Any] = {
            "aspect": "joint",
            "direction": "up" if share > was else "down",
            "components": k,
            "reference": plain(was),
            "current": plain(share),
            "contributors": self._contributors(),
        }
        return Told(None, abs(share - was), text, evidence)

    def _contributors(self) -> list[dict[str, Any]]:
        """Features by the root mean square of the changes of their correlations."""
        squares = np.zeros(len(self._names))
        for end in (self._scoring.first, self._scoring.second):
            np.add.at(squares, end, self._moved.astype(np.float64) ** 2)
        size = np.sqrt(squares / (len(self._names) - 1))
        order = np.argsort(-size, kind="stable")[:MAX_TOLD].tolist()
        return [{"feature": self._names[i], "correlations_by": plain(size[i])} for i in order]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {**super().snapshot(), "moved": pack(self._moved)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        super().restore(state)
        self._moved = unpack(state.get("moved", {}), self._moved)
