"""The alarm on promised quality: worse than the contract says, with certainty."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from driftline.detect.state import check
from driftline.errors import UsageError
from driftline.ledger.bets import Bets, ladder
from driftline.ledger.blocks import Areas, Averages
from driftline.ledger.classes import positive_of
from driftline.ledger.gains import Calibration, Errors, Gains, Losses, Shares
from driftline.ledger.reading import Reading
from driftline.ledger.residuals import Residuals
from driftline.ledger.scatter import LONGEST
from driftline.ledger.scorecard import Scorecard

if TYPE_CHECKING:
    from driftline.ledger.gains import Stake

REFUSED: Final = {
    "average_precision": "its value over few rows is not in the mean its value over many; "
    "auc can be promised",
    "r2": "neither errors nor labels have a bound that would tell chance from loss; "
    "rmse can be promised",
    "bias": "errors have no bound on either side; mae can be promised",
}
"""Metrics that are measured but cannot be betted on, and why."""

QUIET_STEPS = 5
"""Steps that a quiet stretch spans at least."""


@dataclass(frozen=True, slots=True)
class Change:
    """Since when quality is worse than promised, and how bad it is.

    Attributes
    ----------
    since
        When the first pairs of the present run came, microseconds: time of arrival of labels.
    value
        The metric since then. For the calibration error, what is sure of it.
    rows
        Pairs since then.
    """

    since: int
    value: float
    rows: int


class Promised:
    """Tells, at each slot of label arrival, whether a metric is worse than its contract promises.

    A step is a slot in which labels came; slots whose pairs do not suffice to tell anything (no row
    that recall is about; not yet a block of AUC; more taken back than came) are kept and told with
    the next. So there is at most one step a slot, and the mean time to a false alarm is at least
    `arl` slots, at a metric that is exactly as bad as promised; at a better one it is far longer.
    With an `arl` of a month of 10 s slots and 100 labels a slot, a loss was found after a median of

    =====================  =============================================
    accuracy, at least 93  91.5 %: 78 slots, 90 %: 28 slots, 85 %: 5 slots
    AUC, at least .72      .70: 171 slots, .68: 49 slots, .65: 27 slots
    MAE, at most 1         1.1: 32 slots, 1.2: 9 slots (normal errors)
    =====================  =============================================

    What is assumed of the rows is that in the mean, given all before, they keep the promise. It is
    not so for labels that come early because of what they say (`maturity.early_bias`), nor in hours
    that are bad every day: there, take whole windows as they mature for slots. A corrected label
    takes back its row as it would be betted on now. Rows of unequal weight are betted on as
    fractions of the mean weight, which is exact only for equal ones.

    Once raised it is watched, by the rule of `detect.watch`: cleared by one whole quiet stretch, of
    `QUIET_STEPS` steps and a window at least and as many rows as the loss took to be seen, over
    which the metric is as good as promised. The bets then begin afresh.

    Parameters
    ----------
    metric
        Name, as in `driftline.ledger.metrics`.
    at_least, at_most
        The promise: one of the two, as the metric has it.
    arl
        Mean number of steps to a false alarm.
    window
        Over what time the metric is promised, microseconds: it is not as promised again before it
        was for so long, and what comes and goes within it is weather (see `scatter`).
    step
        Length of a step, microseconds.
    positive
        The positive class of a binary task. None: "1" of "0" and "1", else the last in order of
        those that came; before a second came nothing is told.

    Raises
    ------
    UsageError
        The metric cannot be betted on (`refusal` says why), or the bound makes no sense.
    """

    def __init__(
        self,
        metric: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        arl: float,
        window: int = 0,
        step: int = 1,
        positive: str | None = None,
    ) -> None:
        self._window = window
        self._larger = metric in _LARGER
        self._bound = _bound(metric, at_least, at_most)
        self._metric, self._positive = metric, positive
        self._known: set[str] = set()
        self._many = False
        self._gains = self._statistic()
        longest = window // step if window else LONGEST
        self._bets = Bets(ladder(self._gains.slow, self._gains.least), arl, longest=longest)
        regression = metric in _REGRESSION
        self._kind: type[Residuals | Scorecard] = Residuals if regression else Scorecard
        self._held: Residuals | Scorecard = self._kind.empty()
        self._held_since: int | None = None
        self._rows = self._weight = 0
        self.open = False
        self._goal = 0
        self._quiet = _Stretch()

    def step(self, came: Scorecard | Residuals, start: int) -> Literal["raised", "cleared"] | None:
        """Take the pairs that were joined in a slot, some of them perhaps taken back.

        Parameters
        ----------
        start
            Start of the slot of arrival, microseconds.
        """
        if type(came) is not self._kind:
            msg = f"{self._metric}: expected {self._kind.__name__}, got {type(came).__name__}"
            raise TypeError(msg)
        since = start if self._held_since is None else self._held_since
        self._held_since = since
        self._held.merge(came)  # type: ignore[arg-type]  # of one kind, see above
        rows, weight = self._held.rows, self._held.weight
        if rows <= 0 or weight <= 0:
            return None
        stake = self._stake((self._rows + rows) / (self._weight + weight))
        if stake is not None or self.refused is not None:
            self._held, self._held_since = self._kind.empty(), None
        if stake is None:
            return None
        self._rows += rows
        self._weight += weight
        self._bets.step(stake, since, rows)
        return self._watch(stake, rows, start) if self.open else self._judge()

    def _stake(self, scale: float) -> Stake | None:
        if isinstance(self._held, Residuals):
            return self._gains.read(self._held, scale)
        if not self._many:
            self._know(self._held.classes)
        if self.refused is not None:
            return None
        positive = self._positive
        if positive is None and self._metric != "accuracy" and not self._many:
            if len(self._known) < 2:
                return None
            positive = positive_of(self._known)
        return self._gains.read(Reading(self._held, positive, not self._many), scale)

    def _know(self, classes: list[str]) -> None:
        self._known.update(classes)
        if len(self._known) > 2:
            # A third class makes it another metric: an average over classes.
            self._many = True
            self._gains = self._statistic()
            self._bets.forget()

    def _statistic(self) -> Gains:
        metric, bound = self._metric, self._bound
        if metric == "auc":
            return Areas(bound)
        if metric == "calibration_error":
            return Calibration(bound)
        if metric in _REGRESSION:
            return Errors(metric, bound)
        if metric in {"log_loss", "brier"}:
            return Losses(metric, bound)
        if self._many and metric != "accuracy":
            return Averages(metric, bound)
        return Shares(metric, bound)

    def _judge(self) -> Literal["raised"] | None:
        if self.evidence < 0:
            return None
        self.open = True
        self._goal = int(self._bets.rows[self._bets.best])
        self._quiet = _Stretch()
        return "raised"

    def _watch(self, stake: Stake, rows: int, start: int) -> Literal["cleared"] | None:
        quiet = self._quiet
        quiet.add(stake, rows, start)
        if quiet.steps < QUIET_STEPS or quiet.rows < self._goal:
            return None
        if start - quiet.began < self._window:
            return None
        value = self._value(quiet.total, quiet.weight)
        self._quiet = _Stretch()
        if value is None or self.worse(value):
            return None
        self.open = False
        self._bets.forget()
        return "cleared"

    def worse(self, value: float) -> bool:
        """Return whether a value of the metric is worse than promised."""
        return value < self._bound if self._larger else value > self._bound

    def _value(self, total: float, weight: float) -> float | None:
        if weight <= 0:
            return None
        mean = total / weight
        return float(max(mean, 0.0) ** 0.5 if self._metric == "rmse" else mean)

    @property
    def evidence(self) -> float:
        """Logarithm of the evidence over that of an alarm: raised where it reaches 0."""
        return self._bets.evidence

    @property
    def waiting(self) -> int:
        """Pairs that do not suffice to tell anything yet."""
        return self._held.rows

    @property
    def change(self) -> Change | None:
        """What the bet that has won most says; None where none has won anything."""
        best = self._bets.best
        value = self._value(float(self._bets.total[best]), float(self._bets.weight[best]))
        if value is None or self._bets.run[best] <= 0:
            return None
        return Change(int(self._bets.since[best]), value, int(self._bets.rows[best]))

    @property
    def refused(self) -> str | None:
        """Why nothing can be told of this metric of this task; None where it can."""
        return refusal(self._metric, many=self._many)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "metric": self._metric,
            "bound": self._bound,
            "known": sorted(self._known),
            "many": self._many,
            "gains": self._gains.snapshot(),
            "bets": self._bets.snapshot(),
            "held": self._held.to_values(),
            "held_since": self._held_since,
            "rows": self._rows,
            "weight": self._weight,
            "open": self.open,
            "goal": self._goal,
            "quiet": asdict(self._quiet),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave.

        Raises
        ------
        StateError
            It was given by the alarm on another metric or bound.
        """
        check(state, metric=self._metric, bound=self._bound)
        self._known, self._many = set(state["known"]), bool(state["many"])
        self._gains = self._statistic()
        self._gains.restore(state["gains"])
        self._bets.restore(state["bets"])
        self._held = self._kind.from_values(state["held"])
        self._held_since = state["held_since"]
        self._rows, self._weight = int(state["rows"]), int(state["weight"])
        self.open, self._goal = bool(state["open"]), int(state["goal"])
        self._quiet = _Stretch(**state["quiet"])


@dataclass(slots=True)
class _Stretch:
    """Sums over the steps since the last verdict."""

    began: int = 0
    steps: int = 0
    rows: int = 0
    total: float = 0.0
    weight: float = 0.0

    def add(self, stake: Stake, rows: int, start: int) -> None:
        if not self.steps:
            self.began = start
        self.steps += 1
        self.rows += rows
        self.total += stake.total
        self.weight += stake.weight


def refusal(metric: str, *, many: bool = False) -> str | None:
    """Return why a metric cannot be betted on; None where it can.

    Parameters
    ----------
    many
        Whether there are more than two classes.
    """
    if many and metric in _BINARY_ONLY:
        return f"{_BINARY_ONLY[metric]} of more than two classes; accuracy can be promised"
    return REFUSED.get(metric)


_BINARY_ONLY: Final = {
    "f1": "an average of F1 scores is no mean over rows, nor over blocks of them,",
    "calibration_error": "probabilities of one row stand in different tables",
}
_REGRESSION: Final = frozenset({"mae", "rmse", "mape"})
_LARGER: Final = frozenset({"accuracy", "precision", "recall", "f1", "auc"})
_SMALLER: Final = frozenset({"log_loss", "brier", "calibration_error", *_REGRESSION})


def _bound(metric: str, at_least: float | None, at_most: float | None) -> float:
    if (why := refusal(metric)) is not None:
        msg = f"quality.metric: no alarm on {metric}: {why}"
        raise UsageError(msg)
    if metric not in _LARGER | _SMALLER:
        known = ", ".join(sorted(_LARGER | _SMALLER))
        msg = f"quality.metric: expected one of {known}, got {metric!r}"
        raise UsageError(msg)
    name, bound = ("at_least", at_least) if metric in _LARGER else ("at_most", at_most)
    share = metric in _LARGER or metric == "calibration_error"
    if bound is None or not 0 < bound < (1 if share else float("inf")):
        wanted = "a number between 0 and 1" if share else "a number above 0"
        msg = f"quality.{name}: expected {wanted}, got {bound}"
        raise UsageError(msg)
    return float(bound)
