"""Many columns in one detector, each judged as though it were the only one that changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from driftline.detect.bets import LEARN, place_bets
from driftline.detect.betting import learnt_ratio
from driftline.detect.evidence import ALL_ASPECTS, UNIT_BETS, Evidence
from driftline.detect.watch import MISSING, VALUES
from driftline.stats.season import Season

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.contract import Contract
    from driftline.detect.betting import Floats
    from driftline.detect.effect import Effects
    from driftline.detect.law import Tolerances
    from driftline.detect.protocol import Finding, Severity, Slot
    from driftline.stats import Reference


class Freed(Season):
    """A season that the counts are free of already: its price is paid, its laws are not used."""

    def __bool__(self) -> bool:
        """Return False: there is nothing to free the counts of."""
        return False


def repeat(reference: Reference, positions: npt.NDArray[np.int64]) -> Reference:
    """Return a reference of some columns, in any order and as often as wished."""
    columns = tuple(reference.columns[i] for i in positions)
    held = reference.season.counts
    seasons = {k: held[i] for k, i in enumerate(positions.tolist()) if i in held}
    return replace(
        reference,
        columns=columns,
        rho=reference.rho[positions],
        tau=reference.tau[positions],
        season=Freed(columns, seasons),
        dependence=None,
    )


class Crowd(Evidence):
    """Copies of some columns of a model, as `evidence` would watch each in the whole model.

    The evidence of a column does not depend on other columns; these only add their own to the sum
    that rings. So a column that alone has changed rings when its own part reaches the threshold
    and its effect is worth it, or a little earlier. With the stakes and the mean run of the whole
    model, k copies of its columns are k models at once, for little more than the price of one.

    Parameters
    ----------
    positions
        Columns of the reference that the crowd is made of, int64 of shape (k,), any repeated.
    arl
        Mean run length of the whole model, in slots.

    Attributes
    ----------
    rang
        Columns of the crowd that have rung, bool of shape (k,). They are not judged again.
    """

    def __init__(
        self,
        reference: Reference,
        contract: Contract,
        arl: float,
        positions: npt.NDArray[np.int64],
        tolerances: Tolerances,
    ) -> None:
        stakes = np.array([contract.feature(c.name).importance for c in reference.columns])
        stakes = np.maximum(stakes, 0.0)
        part = float(stakes[positions].sum() / max(stakes.sum(), 1e-300))
        self.watched = repeat(reference, positions)
        super().__init__(self.watched, contract, arl / max(part, 1e-300), tolerances=tolerances)
        self.rang = np.zeros(positions.size, dtype=np.bool_)
        self._bets = place_bets(self._laws, ALL_ASPECTS)

    def worth(self, laws: Floats) -> npt.NDArray[np.bool_]:
        """Return in which columns these laws are further from the reference than is tolerated.

        Parameters
        ----------
        laws
            In the layout of `Reference.pad`, shape (k, width).
        """
        effects = self._lasting(laws)
        return self._any_worth(replace(effects, net=np.abs(effects.size)))

    def _lasting(self, laws: Floats) -> Effects:
        """Return the effects of laws that last: only the reference is left to chance."""
        counts = np.rint(laws * 1e9).astype(np.int64)
        return self._scale.measure(np.arange(self.rang.size), counts, np.zeros(self.rang.size))

    def _any_worth(self, effects: Effects) -> npt.NDArray[np.bool_]:
        columns = np.arange(self.rang.size)
        worth = [self._worth(effects, columns, np.full_like(columns, u)) for u in (VALUES, MISSING)]
        return np.any(worth, axis=0)

    def grows(self, laws: Floats) -> npt.NDArray[np.bool_]:
        """Return the columns that page in the end, if these laws last for ever and are worth it.

        Of the others no bet wins in the mean, or the effect is never certain: they lie within what
        the reference grants for its own error, and ring as seldom as if nothing had changed.
        """
        fixed = np.matmul(self._bets.pays, laws[:, :, None])[:, :, 0] > 0
        inside = laws[:, :-2] / np.maximum(laws[:, :-2].sum(axis=1, keepdims=True), 1e-300)
        # What is learnt in the end is the law itself.
        mass = np.ones((laws.shape[0], 1))
        gain, _ = learnt_ratio(
            inside[:, None], mass, self._laws.interior, 0 * mass, self._laws.margin_learnt, inside
        )
        learnt = (gain[:, 0] > 0) & np.any(self._bets.active[:, LEARN], axis=1)
        return (np.any(fixed, axis=1) | learnt) & self._any_worth(self._lasting(laws))

    def _raise(
        self,
        slot: Slot,  # noqa: ARG002 - Evidence's
        share: npt.NDArray[np.float64],
        severity: Severity,
    ) -> list[Finding]:
        if severity == "notice":
            return []
        by_unit = share @ UNIT_BETS.T
        columns, units = np.nonzero((by_unit >= 1) & ~self.rang[:, None])
        if columns.size:
            own = np.where(UNIT_BETS[units], share[columns], -1.0)
            moments = self._wealth.since[columns, own.argmax(axis=1)]
            counts = self._recent.since(columns, moments)
            effects = self._scale.measure(columns, counts, self._wealth.inflation(columns))
            self.rang[columns[self._worth(effects, columns, units)]] = True
        return []
