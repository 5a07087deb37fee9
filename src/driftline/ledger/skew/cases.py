"""Mismatched rows of one feature, and what explains them.

An explanation is weighed by the bits that it saves. A value that turns up in place of the right one
by mere mistake has a probability, as common as it is among other rows; its bits are the logarithm.
What an explanation foretells needs none. But what it had to learn from the rows (a factor, a code
for each level) it has not foretold: each such parameter costs a row. Choosing it out of a list
costs the logarithm of the list's length, and so does saying which rows it does not explain. This is
a minimum description length (Rissanen 1978): ties and small whole numbers, which anything explains
now and then, count for little, and a dozen rows of a continuous feature for a hundred bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import comb, log2
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from driftline.ledger.skew.tolerance import Tolerance

if TYPE_CHECKING:
    from driftline.ledger.pairs import Floats
    from driftline.ledger.skew.rows import Scalar

__all__ = [
    "LEAST_BITS",
    "LEAST_ROWS",
    "LEAST_SHARE",
    "Cases",
    "Explanation",
    "Kind",
    "Marks",
    "near",
]

Kind = Literal[
    "case", "rounding", "factor", "shift", "affine", "encoding", "default", "permuted", "stale",
    "filled", "lost", "other",
]  # fmt: skip
Marks = npt.NDArray[np.bool_]

LEAST_ROWS = 4
"""Rows that an explanation must explain."""
LEAST_SHARE = 2 / 3
"""Of the rows that it is about."""
LEAST_BITS = 8.0
"""Less may be chance: among a dozen explanations one in twenty times."""
LOOSE = 5e-3
LOOSE_BITS = 5.0
"""What explains a value only roughly saves no more than this: so many values are as near."""


@dataclass(frozen=True, slots=True)
class Cases:
    """n mismatched rows of one feature.

    Attributes
    ----------
    served, trained
        The values, None for none.
    bits
        What it takes to say which value was served, had it been by mistake, float64 of shape (n,).
    trained_bits
        What it takes to say which value training has, were that the mistake; of that shape.
    alike
        Features whose training value in the row is what was served.
    back
        Which earlier version of the entity's value was served: see `Memory.version`.
    features
        How many there are to be mistaken for one another.
    """

    served: list[Scalar]
    trained: list[Scalar]
    bits: Floats
    trained_bits: Floats
    alike: list[tuple[str, ...]]
    back: list[int | None]
    tolerance: Tolerance
    features: int

    def __len__(self) -> int:
        return len(self.served)

    @property
    def numbers(self) -> tuple[Floats, Floats]:
        """Served and training values, NaN where they are no numbers; each of shape (n,)."""
        served, trained = (
            np.array([v if type(v) is float else np.nan for v in side], dtype=np.float64)
            for side in (self.served, self.trained)
        )
        return served, trained

    @property
    def size(self) -> float | None:
        """Median difference, in widths of the middle half of training's values.

        None where most rows are no two numbers, or training's are all the same.
        """
        served, trained = self.numbers
        both = np.isfinite(served) & np.isfinite(trained)
        if 2 * both.sum() < max(len(self), 1):
            return None
        low, high = np.quantile(trained[both], [0.25, 0.75])
        if not 0 < high - low < np.inf:
            return None
        return float(np.median(np.abs(served - trained)[both]) / (high - low))

    def loosely(self) -> Cases:
        """Return the same rows, where half a per cent counts as nothing."""
        tolerance = Tolerance(max(LOOSE, self.tolerance.rtol), self.tolerance.atol)
        return replace(self, tolerance=tolerance, bits=np.minimum(self.bits, LOOSE_BITS))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What may have happened.

    Attributes
    ----------
    text
        In words, to go on with "in 2 % of the pairs".
    explained
        Which rows it foretells, bool of shape (n,).
    learnt
        Parameters that were learnt from the rows.
    cost
        Bits to choose it out of others of its kind.
    asked
        Rows that could have shown it, bool of shape (n,); None: all.
    backward
        Whether it foretells training's value from what was served, and not the other way round.
    details
        Its figures, JSON values.
    """

    kind: Kind
    text: str
    explained: Marks
    learnt: int = 0
    cost: float = 0.0
    asked: Marks | None = None
    backward: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def saved(self, cases: Cases) -> float:
        """Return the bits it saves; -inf where it explains too few rows."""
        rows = len(cases) if self.asked is None else int(self.asked.sum())
        told = int(self.explained.sum())
        if told < max(LEAST_ROWS, LEAST_SHARE * rows):
            return -float("inf")
        every = cases.trained_bits if self.backward else cases.bits
        bits = np.sort(every[self.explained])[: told - self.learnt]
        return float(bits.sum()) - self.cost - log2(comb(rows, told)) - log2(rows + 1)


def near(
    served: Floats,
    told: Floats,
    tolerance: Tolerance,
    slack: float = 1.0,
    beside: Floats | None = None,
) -> Marks:
    """Return where what was served is what was foretold, bool of shape (n,).

    Parameters
    ----------
    slack
        Tolerances that count as nothing.
    beside
        A term of the sum that was foretold: it is no better than its terms.
    """
    size = np.abs(told) if beside is None else np.maximum(np.abs(told), np.abs(beside))
    far = np.abs(served - told)
    return np.asarray((far <= slack * (tolerance.atol + tolerance.rtol * size)) & np.isfinite(told))
