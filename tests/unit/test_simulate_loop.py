from __future__ import annotations

import numpy as np
import pytest

from driftline.simulate.errors import ScenarioError
from driftline.simulate.loop import HiddenLoop, LoopRows, friedman


def r2(label: np.ndarray, prediction: np.ndarray) -> float:
    return float(1 - ((label - prediction) ** 2).mean() / label.var())


def last(loop: HiddenLoop, trainings: int = 8) -> LoopRows:
    parts = list(loop.draw())[-trainings:]
    columns = [np.concatenate(each) for each in list(zip(*parts, strict=True))[1:]]
    return LoopRows(parts[-1].version, *columns)


def test_a_linear_model_explains_57_percent_of_honest_labels() -> None:
    rows = [last(HiddenLoop(usage=0, seed=seed), 28) for seed in range(5)]
    assert 0.53 < np.mean([r2(each.label, each.prediction) for each in rows]) < 0.61
    assert all((each.label == each.truth).all() and not each.used.any() for each in rows)


@pytest.mark.parametrize(("usage", "noise", "low", "high"), [
    (0.5, 0.2, 0.64, 0.80), (0.9, 0.2, 0.87, 0.97), (0.9, 0.9, 0.72, 0.90), (1.0, 0.0, 1.0, 1.0),
])  # fmt: skip
def test_a_loop_looks_better_and_is_not(
    usage: float, noise: float, low: float, high: float
) -> None:
    rows = [last(HiddenLoop(usage=usage, noise=noise, seed=seed)) for seed in range(5)]
    assert low <= np.mean([r2(each.label, each.prediction) for each in rows]) <= high
    assert 0.44 < np.mean([r2(each.truth, each.prediction) for each in rows]) < 0.62
    assert abs(np.mean([each.used.mean() for each in rows]) - usage) < 0.05


def test_usage_changes_labels_alone() -> None:
    honest, loop = (list(HiddenLoop(usage=u, rows=200, seed=4).draw()) for u in (0.0, 1.0))
    for a, b in zip(honest, loop, strict=True):
        assert (a.features == b.features).all()
        assert (a.truth == b.truth).all()
    again = list(HiddenLoop(usage=1.0, rows=200, seed=4).draw())
    assert all((a.label == b.label).all() for a, b in zip(loop, again, strict=True))


def test_nobody_looks_before_the_loop() -> None:
    rows = list(HiddenLoop(usage=1.0, rows=230, before=70).draw())
    used = np.concatenate([each.used for each in rows])
    assert [each.version for each in rows] == [0, 1, 2, 3, 4]
    assert used.tolist() == [False] * 70 + [True] * 160


def test_friedman_has_its_variance() -> None:
    x, y = friedman(np.random.default_rng(0), 20_000)
    assert x.shape == (20_000, 10)
    assert 0 <= x.min() < x.max() <= 1
    assert abs(y.var() - 32.8) < 1.0


@pytest.mark.parametrize("wrong", [
    {"usage": 1.1}, {"usage": 0.5, "noise": -1}, {"usage": 0.5, "before": 2000},
    {"usage": 0.5, "window": 10}, {"usage": 0.5, "every": 0},
])  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match="loop: expected"):
        HiddenLoop(**wrong)  # type: ignore[arg-type]
