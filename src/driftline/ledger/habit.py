"""A rate that was learnt in calm windows, and whether it has risen since."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from driftline.ledger.bets import Bets, ladder
from driftline.ledger.gains import Stake
from driftline.ledger.sequences import rates

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEAST_CALM_ROWS", "Bar", "Change", "Habit", "risen", "vanished"]

LEAST_CALM_WINDOWS = 3
LEAST_CALM_ROWS = 200
"""Rows of the calm windows together."""
SETTLED = 15
SETTLED_ROWS = 2_000
"""Quiet windows, and rows, that the calm rate is learnt from in all."""
MOST_CALM_WINDOWS = 128
"""Calm windows told apart: of a rate that takes longer to learn the later ones are one."""
MARGIN = 0.25
"""Part of the way from the calm rate to one worth telling that counts as no change: what chance
adds to a rate that was learnt from few rows, and weeks that are not quite alike."""
MARGIN_OF_VANISHED = 0.1
"""The same where a rate vanishes: of few rows, each counts."""
QUIET = 2.0
"""Logarithm of the evidence up to which a window is learnt from."""
QUIET_WINDOWS = 2
"""Windows that a quiet stretch spans at least."""
VANISHED = 0.25
"""What is left of a rate that has vanished, at most, as part of the calm one."""
NEARLY_ALL = 0.995
CLEARLY = 0.02
"""A rate that may be lower than this, for all that is certain, cannot be seen to vanish."""


class Bar(NamedTuple):
    """Up to where a rate has not changed, and from where on it is worth telling."""

    margin: float
    bar: float

    @classmethod
    def at(cls, calm: float, bar: float, margin: float = MARGIN) -> Bar:
        """Return a bar, with a margin so far on the way to it."""
        return cls(calm + margin * (bar - calm), bar)


def risen(worth: float) -> Callable[[int, int], Bar | None]:
    """Return the bar for a rate that rises: twice the calm one, and `worth` above it.

    But no more than half way from the calm one to 1: where four of five were ignored anyway, it is
    news when nine of ten are. Where nearly all were (`NEARLY_ALL`) there is no bar.
    """

    def bar(ones: int, rows: int) -> Bar | None:
        calm = ones / rows
        if calm > NEARLY_ALL:
            return None
        return Bar.at(calm, min(max(2 * calm, calm + worth), (1 + calm) / 2))

    return bar


def vanished(ones: int, rows: int) -> Bar | None:
    """Return the bar for a rate that vanishes, as that of its complement, which rises.

    None where the complement of `ones` is not clearly above zero: it can hardly fall then.
    """
    if float(rates(rows - ones, rows)[0]) < CLEARLY:
        return None
    calm = ones / rows
    return Bar.at(calm, 1 - VANISHED * (1 - calm), MARGIN_OF_VANISHED)


class Change(NamedTuple):
    """Since which window a rate is another one (its start, microseconds), and what it is now."""

    since: int
    value: float
    rows: int


class Habit:
    """Learns a rate from the first windows, and tells whether it has risen to a bar since.

    Call order: `step` for each window; then `learn` it, if nobody who looks at it finds it unusual.

    A row is 1 or 0. The rate of the first windows, `LEAST_CALM_ROWS` rows at least, is the calm
    one; until it is `settled` every further window adds to it. As far as this rate can tell, a
    window is `usual` while there is hardly any evidence of a change (`QUIET`) or the window itself
    is below the margin. A window is betted on against a rate part of the way from the calm one to
    the bar (`MARGIN`): as long as theirs are not above that, it takes `arl` windows to a false
    alarm in the mean (`bets`). Raised when that evidence is there, and the rate since the change,
    or of a window that is clearly beyond the margin by itself, is at the bar or above it.

    So chance alone is kept out by the evidence, and what is no chance, but not worth telling, by
    the bar: days differ, and of many rows that is soon certain. What windows differ by is not
    learnt (`scatter`), as one true change would teach that any may come. What is known to make a
    window differ, as who is on duty, is told with it, and moves its bar and margin.

    The bar also makes up for what chance did to the calm windows, which no evidence does: of 200
    rows at a rate of 8 % one run in a thousand shows 2.5 % or less, whose bar is below the truth.

    Cleared by a quiet stretch, of `QUIET_WINDOWS` windows and as many rows as the change took to be
    seen: at a rate below the middle between calm and bar from its first window on. The bets then
    begin afresh.

    Parameters
    ----------
    bar
        Makes the bar out of the calm ones and rows; None where the rate cannot be watched.
    arl
        Mean number of windows to a false alarm.
    """

    def __init__(self, bar: Callable[[int, int], Bar | None], arl: float) -> None:
        self._bar_of, self._arl = bar, arl
        self._calm: list[list[int]] = []
        self._bar: Bar | None = None
        self._sized = Bar(0.0, 0.0)
        self._bets: Bets | None = None
        self.open = False
        self.change: Change | None = None
        """Of what is raised; None while nothing is."""
        self.usual = True
        """Whether the window that was taken last may be learnt from."""
        self._quiet = _Stretch()

    @property
    def learnt(self) -> bool:
        """Whether the calm rate is known well enough to tell changes."""
        return len(self._calm) >= LEAST_CALM_WINDOWS and self._rows >= LEAST_CALM_ROWS

    @property
    def settled(self) -> bool:
        """Whether nothing is learnt any more."""
        return len(self._calm) >= SETTLED and self._rows >= SETTLED_ROWS

    @property
    def _rows(self) -> int:
        return sum(rows for _, rows in self._calm)

    @property
    def calm(self) -> float | None:
        """The calm rate, as far as it is known."""
        return sum(ones for ones, _ in self._calm) / self._rows if self._calm else None

    @property
    def middle(self) -> float | None:
        """The rate below which a window is calm again; None where the rate is not watched."""
        calm = self.calm
        return None if self._bar is None or calm is None else (calm + self._bar.bar) / 2

    @property
    def evidence(self) -> tuple[float, float]:
        """Logarithms of the evidence, and of that of an alarm."""
        goal = float(np.log(self._arl))
        return (goal + self._bets.evidence if self._bets is not None else 0.0), goal

    def step(
        self, ones: int, rows: int, start: int, shift: float = 1.0
    ) -> Literal["raised", "cleared"] | None:
        """Take a window; nothing is learnt from it yet.

        Parameters
        ----------
        ones, rows
            Counts; what was taken back before it came is no window.
        start
            Of the window, microseconds.
        shift
            What the odds of a one would be in this window, as part of the calm odds, if nothing had
            changed.
        """
        self.usual = True
        if rows <= 0 or not self.learnt or self._bets is None or self._bar is None:
            return None
        ones = min(max(ones, 0), rows)
        margin, bar = (_shifted(rate, shift) for rate in self._bar)
        # Scaled so that no row can lose more than with the margin that bets were sized for.
        gains = np.array([1 - margin, -margin]) * (self._sized.margin / margin)
        counts = np.array([ones, rows - ones], dtype=np.float64)
        self._bets.step(Stake(gains, counts, ones, bar * rows), start, rows)
        middle = (_shifted(self.calm or 0.0, shift) + bar) / 2
        if self.open:
            self.usual = False
            return self._watch(ones, rows, middle)
        change = self._changed(ones, rows, start, margin, bar)
        if change is not None:
            self.open, self.change, self._quiet = True, change, _Stretch()
            self.usual = False
            return "raised"
        self.usual = self.evidence[0] < QUIET or ones < margin * rows
        return None

    def learn(self, ones: int, rows: int) -> None:
        """Add a window to the calm ones, until they are settled; arguments as of `step`."""
        if rows <= 0 or self.settled:
            return
        ones = min(max(ones, 0), rows)
        if len(self._calm) < MOST_CALM_WINDOWS:
            self._calm.append([ones, rows])
        else:
            self._calm[-1][0] += ones
            self._calm[-1][1] += rows
        if self.learnt:
            self._begin()

    def _begin(self) -> None:
        """Draw the bar anew, and begin to bet where that has not begun."""
        self._bar = self._bar_of(sum(ones for ones, _ in self._calm), self._rows)
        if self._bar is not None and self._bets is None:
            self._size(self._bar)

    def _size(self, sized: Bar) -> None:
        margin, bar = self._sized = sized
        slow = (bar - margin) / (margin * (1 - margin))
        self._bets = Bets(ladder(slow, -margin), self._arl, scattered=False)

    def _changed(
        self, ones: int, rows: int, start: int, margin: float, bar: float
    ) -> Change | None:
        bets = self._bets
        assert bets is not None
        if bets.evidence < 0:
            return None
        best = bets.best
        # The weight is how many ones the bars of these windows ask for.
        if bets.run[best] > 0 and bets.total[best] >= bets.weight[best]:
            value = float(bets.total[best] / bets.rows[best])
            return Change(int(bets.since[best]), value, int(bets.rows[best]))
        # Evidence for less than the bar may be there for long: what comes on top of that shows in
        # its own window first.
        if ones >= bar * rows and float(rates(ones, rows)[0]) > margin:
            return Change(start, ones / rows, rows)
        return None

    def _watch(self, ones: int, rows: int, middle: float) -> Literal["cleared"] | None:
        assert self.change is not None
        assert self._bets is not None
        quiet = self._quiet
        quiet.windows += 1
        quiet.ones += ones
        quiet.rows += rows
        quiet.most += middle * rows
        if quiet.ones >= quiet.most:
            self._quiet = _Stretch()
            return None
        if quiet.windows < QUIET_WINDOWS or quiet.rows < self.change.rows:
            return None
        self.open, self.change, self._quiet = False, None, _Stretch()
        self._bets.forget()
        return "cleared"

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "calm": [list(each) for each in self._calm],
            "sized": list(self._sized),
            "bets": None if self._bets is None else self._bets.snapshot(),
            "open": self.open,
            "change": None if self.change is None else list(self.change),
            "quiet": asdict(self._quiet),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        self._calm = [list(each) for each in state["calm"]]
        if state["bets"] is not None:
            self._size(Bar(*state["sized"]))
            assert self._bets is not None
            self._bets.restore(state["bets"])
        if self.learnt:
            self._begin()
        self.open = bool(state["open"])
        self.change = None if state["change"] is None else Change(*state["change"])
        self._quiet = _Stretch(**state["quiet"])


def _shifted(rate: float, shift: float) -> float:
    """Return a rate whose odds are `shift` times as large."""
    return rate * shift / (1 - rate + rate * shift)


@dataclass(slots=True)
class _Stretch:
    """Sums over the windows since the last verdict."""

    windows: int = 0
    ones: int = 0
    rows: int = 0
    most: float = 0.0
    """Ones up to which it is quiet."""
