from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from driftline.ledger.concept import ConceptDrift
from driftline.ledger.estimate import Calibrations, Estimate
from driftline.ledger.exposure import Exposure
from driftline.ledger.metrics import evaluate
from driftline.ledger.pairs import Pairs
from driftline.ledger.reading import Reading
from driftline.ledger.scorecard import Scorecard


def traffic(rng: np.random.Generator, rows: int, mean: float = 0.0, turn: float = 1.0) -> Pairs:
    """A calibrated model; of another `mean` inputs move, of another `turn` the world does."""
    odds = rng.normal(mean, 1.5, rows)
    came, told = rng.random(rows) < expit(turn * odds), odds > 0
    ones = np.ones(rows)
    sides = ([str(int(one)) for one in side] for side in (told, came))
    predicted, label = sides
    return Pairs(predicted, expit(odds), {}, label, ones, ones.astype(np.int8))


def told(known: Calibrations, pairs: Pairs, calm: float, name: str = "accuracy") -> ConceptDrift:
    exposure = Exposure.of_pairs(pairs)
    expected = known.estimate(exposure, [name])[name]
    came = evaluate(Scorecard.of(pairs), [name])[name]
    assert expected is not None
    assert came is not None
    return ConceptDrift(name, came, expected, len(pairs), calm, known.beyond(exposure))


def calm(rng: np.random.Generator) -> tuple[Calibrations, float]:
    card = Scorecard.of(traffic(rng, 10_000))
    return Calibrations.learn(Reading(card)), evaluate(card, ["accuracy"])["accuracy"]


def test_moved_inputs_are_no_concept_drift() -> None:
    rng = np.random.default_rng(1)
    known, before = calm(rng)
    shift = told(known, traffic(rng, 8000, mean=2.0), before)
    assert shift.verdict() == "as expected"
    assert shift.inputs > 0.05
    assert abs(shift.difference) < 0.02
    assert "no concept drift to be seen" in shift.words()


@pytest.mark.parametrize(("turn", "verdict"), [(0.6, "worse"), (1.8, "better")])
def test_a_world_that_answers_otherwise_is(turn: float, verdict: str) -> None:
    rng = np.random.default_rng(2)
    known, before = calm(rng)
    for name in ("accuracy", "auc", "brier"):
        shift = told(known, traffic(rng, 4000, turn=turn), before, name)
        assert shift.verdict() == verdict, name
        assert f"{verdict} than the inputs explain" in shift.words()
    assert abs(told(known, traffic(rng, 4000, turn=turn), before).inputs) < 0.02


def test_chance_is_called_drift_as_rarely_as_is_said() -> None:
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(8):
        known, before = calm(rng)
        windows = [traffic(rng, 300, mean=rng.normal()) for _ in range(25)]
        p_values += [told(known, each, before).p_value for each in windows]
    # 200 windows: 10 expected, and 20 are more than three standard deviations away.
    assert np.sum(np.array(p_values) < 0.05) < 20


def test_nothing_is_said_where_nothing_is_known() -> None:
    shift = ConceptDrift("accuracy", 0.5, Estimate(0.9, 0.01, 0.01), 5000, 0.9)
    assert shift.verdict() == "worse"
    few = replace(shift, rows=99)
    assert few.verdict() == "too few rows"
    assert "99 labelled rows" in few.words()
    far = replace(shift, beyond=0.2)
    assert far.verdict() == "out of range"
    assert "20 % of the rows lie outside" in far.words()
    assert replace(shift, name="bias").verdict() == "different"
    sure = replace(shift, expected=Estimate(0.5, 0.0, 0.0))
    assert sure.verdict() == "as expected"
