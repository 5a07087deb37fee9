"""Numbers that differ by a rule: a factor, a shift, or both."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.skew.cases import LOOSE, Explanation, near
from driftline.ledger.skew.units import AFFINE, FACTORS, SHIFTS, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.ledger.pairs import Floats
    from driftline.ledger.skew.cases import Cases, Marks
    from driftline.ledger.skew.tolerance import Tolerance

__all__ = ["affine", "factor", "shift"]

SLACK = 4.0
"""A learnt parameter has the error of the row it was learnt from, which adds to each row's own."""
SLACK_OF_LINE = 16.0
NEAR = 1e-3
"""How near to a known factor the rows must lead before it is tried."""


def factor(cases: Cases) -> Iterator[Explanation]:
    """Explain by a constant factor, such as a unit of measure."""
    served, trained = cases.numbers
    use = np.isfinite(served) & np.isfinite(trained) & (trained != 0) & (served != 0)
    if np.unique(trained[use]).size < 2:
        return
    learnt = _middle(served[use] / trained[use])
    if abs(learnt - 1) <= SLACK * cases.tolerance.rtol:
        return
    best = use & near(served, learnt * trained, cases.tolerance, SLACK)
    known = min(FACTORS, key=lambda each: abs(learnt / each - 1))
    value, parameters, cost = learnt, 1, 0.0
    if abs(learnt / known - 1) <= max(NEAR, cases.tolerance.rtol):
        told = use & near(served, known * trained, cases.tolerance, SLACK)
        if told.sum() >= best.sum():
            value, best, parameters, cost = known, told, 0, log2(len(FACTORS))
    if np.unique(trained[best]).size < 2:
        return
    units = FACTORS.get(value)
    hint = "" if units is None else f" (as {units[0]} against {units[1]})"
    details = {"factor": float(f"{value:.9g}"), "units": None if units is None else list(units)}
    text = f"served {_times(_meant(value, cases))} the training value{hint}"
    yield Explanation("factor", text, best, parameters, cost, details=details)


def shift(cases: Cases) -> Iterator[Explanation]:
    """Explain by a constant that was added."""
    served, trained = cases.numbers
    use = np.isfinite(served) & np.isfinite(trained)
    if np.unique(trained[use]).size < 2:
        return
    learnt = _middle(served[use] - trained[use])
    best = use & near(served, trained + learnt, cases.tolerance, SLACK, trained)
    known = min(SHIFTS, key=lambda each: abs(learnt / each - 1))
    value, parameters, cost = learnt, 1, 0.0
    if abs(learnt / known - 1) <= NEAR:
        told = use & near(served, trained + known, cases.tolerance, SLACK, trained)
        if told.sum() >= best.sum():
            value, best, parameters, cost = known, told, 0, log2(len(SHIFTS))
    if np.unique(trained[best]).size < 2:
        return
    hint = f" ({SHIFTS[value]})" if value in SHIFTS else ""
    side = "more" if value > 0 else "less"
    text = f"served {abs(_meant(value, cases)):.7g} {side} than the training value{hint}"
    details = {"shift": float(f"{value:.9g}")}
    yield Explanation("shift", text, best, parameters, cost, details=details)


def affine(cases: Cases) -> Iterator[Explanation]:
    """Explain by a factor and a shift together, as between scales of temperature."""
    served, trained = cases.numbers
    use = np.flatnonzero(np.isfinite(served) & np.isfinite(trained))
    if np.unique(trained[use]).size < 3:
        return
    order = use[np.argsort(trained[use], kind="stable")]
    half = order.size // 2
    low, high = order[:half], order[order.size - half :]
    apart = trained[high] > trained[low]
    if not apart.any():
        return
    low, high = low[apart], high[apart]
    slope = _middle((served[high] - served[low]) / (trained[high] - trained[low]))
    learnt = Line(slope, _middle(served[use] - slope * trained[use]))
    for line, parameters in ((each, 0) for each in AFFINE):
        if abs(learnt.factor / line.factor - 1) <= NEAR:
            best = _on(line, served, trained, cases.tolerance, SLACK)
            cost = log2(len(AFFINE)) + log2(len(FACTORS))
            yield _line(line, best, parameters, cost, AFFINE[line])
    best = _on(learnt, served, trained, cases.tolerance, SLACK_OF_LINE)
    flat = abs(learnt.factor) <= SLACK_OF_LINE * cases.tolerance.rtol
    if not flat and np.unique(trained[best]).size >= 3:
        yield _line(learnt, best, 2, 0.0, "")


def _line(line: Line, explained: Marks, learnt: int, cost: float, hint: str) -> Explanation:
    sign = "plus" if line.shift > 0 else "minus"
    text = f"served {_times(line.factor)} the training value {sign} {abs(line.shift):.7g}"
    details = {"factor": float(f"{line.factor:.9g}"), "shift": float(f"{line.shift:.9g}")}
    text += f" ({hint})" if hint else ""
    return Explanation("affine", text, explained, learnt, cost, details=details)


def _on(line: Line, served: Floats, trained: Floats, tolerance: Tolerance, slack: float) -> Marks:
    return near(served, line.factor * trained + line.shift, tolerance, slack, trained)


def _middle(values: Floats) -> float:
    """Return the median, or the upper of both: one of the values, and no mean of two."""
    return float(np.sort(values)[values.size // 2])


def _meant(value: float, cases: Cases) -> float:
    """Return as many digits of a parameter as mean anything."""
    known = value in FACTORS or value in SHIFTS
    return value if known or cases.tolerance.rtol < LOOSE else float(f"{value:.3g}")


def _times(value: float) -> str:
    inverse = 1 / value
    if abs(value) < 1 and abs(inverse - round(inverse)) < 1e-6 * abs(inverse):
        return f"1/{inverse:.7g} of" if value > 0 else f"-1/{-inverse:.7g} of"
    return f"{value:.7g} times"
