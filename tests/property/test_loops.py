"""Cards less a part of their rows are those of the others, whatever rows these are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.ledger.loops.lineage import without
from driftline.ledger.pairs import Pairs
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard

NUMBERS = st.floats(-1e12, 1e12)
SIGNS = st.sampled_from([1, 1, 1, -1])
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, st.floats(0.1, 10), SIGNS, st.booleans()), max_size=20)


def of(rows: list[tuple[float, float, float, int, bool]], *, numbers: bool) -> Pairs:
    said, label, weight, sign = (np.array([row[at] for row in rows], float) for at in range(4))
    score = np.full(len(rows), np.nan)
    if numbers:
        return Pairs(said, score, {}, label, weight, sign.astype(np.int8))
    names = [["a" if value > 0 else "b" for value in side.tolist()] for side in (said, label)]
    return Pairs(names[0], score, {}, names[1], weight, sign.astype(np.int8))


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_taking_rows_away_leaves_the_others(
    rows: list[tuple[float, float, float, int, bool]],
) -> None:
    part, rest = ([row for row in rows if row[4] is kept] for kept in (True, False))
    numbers = [Residuals.of(of(each, numbers=True)) for each in (rows, part, rest)]
    left = without(numbers[0], numbers[1])
    assert left.to_values() == numbers[2].to_values()
    cards = [Scorecard.of(of(each, numbers=False)) for each in (rows, part, rest)]
    less = without(cards[0], cards[1])
    assert isinstance(less, Scorecard)
    assert less.rows == cards[2].rows
    assert {k: w for k, w in less.confusion.items() if w} == cards[2].confusion
