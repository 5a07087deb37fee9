"""Errors that draw together as copied labels make them do: an e-detector on their shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.state import pack, unpack
from driftline.ledger.loops.laws import COPIED, KEPT, SIZES, copied_laws

if TYPE_CHECKING:
    from driftline.ledger.loops.laws import Laws
    from driftline.ledger.pairs import Floats

__all__ = ["Collapse"]

MOST_ROWS = 2_000.0
"""Rows of one window that count in full. Larger windows are raised to a power below 1, as their
rows share the weather, and as the calm law is known no better than its rows allow."""
MOST_EVIDENCE = 5.0
"""Most that one window adds to a bet's logarithm: an alarm takes two that agree."""
CEILING = 12.0
"""Logarithm of the evidence above an alarm's that is not counted further."""
QUIET = 3
"""Windows in a row that look as they did before, after which it is over."""
_BETS = len(COPIED) * len(SIZES) * len(KEPT)


class Collapse:
    """Tells when a part of the errors falls to (almost) nothing while the rest stays as it was.

    Each window is bet on: it has errors of the calm law on some scale of its own, whichever fits it
    best (a model that got better, noise in its season), or a share of copied labels among others
    that err as before. As the best of all scales stands in the denominator, the ratio is 1 in the
    mean or less on any of them (universal inference), and Shiryaev-Roberts sums over starts ring
    falsely once in `arl` windows or less often, where the calm law is right. It is known from
    `calm` rows only; what that leaves open is covered by `laws.MOST_COPIED`.

    Parameters
    ----------
    arl
        Mean number of windows to a false alarm, at least.

    Notes
    -----
    A model that errs less than `laws.LEAST_SCALE` of what it did, all over, does ring; so does one
    that no longer errs in a part of its rows. Errors alone cannot tell these from a loop: see
    `spread`. A window costs about 0.1 ms; the state is 60 bets of three numbers each.

    References
    ----------
    Wasserman, Ramdas, Balakrishnan (2020), Universal inference. Shin, Ramdas, Rinaldo (2022),
    E-detectors.
    """

    def __init__(self, arl: float) -> None:
        self._goal = float(np.log(arl))
        self._ceiling = float(np.exp(min(self._goal + CEILING, 600.0)))
        self._laws: Laws | None = None
        self.forget()

    def forget(self) -> None:
        """Begin afresh."""
        self._held = np.zeros(_BETS)
        self._run = np.zeros(_BETS)
        self._since = np.zeros(_BETS, dtype=np.int64)
        self._quiet = 0
        self._rang: int | None = None

    def learn(self, calm: Floats) -> None:
        """Take the sizes of calm errors, all that are known; shape (BINS,)."""
        self._laws = copied_laws(calm)

    def step(self, sizes: Floats, start: int) -> None:
        """Take a window's sizes, shape (BINS,); nothing is told before `learn` was called."""
        rows = float(sizes.sum())
        if self._laws is None or rows <= 0:
            return
        ratio = self._laws.copied @ sizes - float((self._laws.kept @ sizes).max())
        ratio = np.minimum(ratio * min(1.0, MOST_ROWS / rows), MOST_EVIDENCE)
        self._held = np.minimum((self._held + 1) * np.exp(ratio), self._ceiling)
        fresh = self._run <= 0
        self._run = np.maximum(self._run + ratio, 0.0)
        self._since[fresh] = start
        if self._rang is None:
            if self.evidence >= 0:
                best = int(self._run.argmax())
                self._rang = int(self._since[best]) if self._run[best] > 0 else start
                self._quiet = 0
            return
        # All bets are looked at: usage may have changed, and that is no end of it.
        self._quiet = self._quiet + 1 if ratio.max() < 0 else 0
        if self._quiet >= QUIET:
            self.forget()

    @property
    def evidence(self) -> float:
        """Logarithm of the evidence over that of an alarm: it rings at 0; -inf before any."""
        with np.errstate(divide="ignore"):
            return float(np.log(self._held.mean()) - self._goal)

    @property
    def rung(self) -> bool:
        """Whether errors have drawn together and not opened out since."""
        return self._rang is not None

    @property
    def began(self) -> int | None:
        """Start of the window in which the present run of the best bet began; None in no run.

        Once it has rung it stays: what came since is compared with what was before.
        """
        if self._rang is not None:
            return self._rang
        best = int(self._run.argmax())
        return int(self._since[best]) if self._run[best] > 0 else None

    @property
    def copied(self) -> float:
        """Share of copied labels that the best bet is on."""
        return COPIED[int(self._run.argmax()) // (len(SIZES) * len(KEPT))]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes; the laws are learnt anew from the calm."""
        return {
            "held": pack(self._held),
            "run": pack(self._run),
            "since": pack(self._since),
            "quiet": self._quiet,
            "rang": self._rang,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._held = unpack(state["held"], self._held)
        self._run = unpack(state["run"], self._run)
        self._since = unpack(state["since"], self._since)
        self._quiet, self._rang = state["quiet"], state["rang"]
