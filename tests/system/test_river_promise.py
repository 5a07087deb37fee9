"""No detector of river, whatever alarms it gives, breaks the promise on stationary data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from driftline.contract import Contract
from driftline.detect.effect import EffectScale
from driftline.detect.law import Tolerances, read_laws
from driftline.detect.recency import Recency
from driftline.detect.river_confirm import Confirm
from driftline.detect.river_table import RIVER
from driftline.stats import Reference

COLUMNS, ROWS, SLOTS, ARL = 60, 25, 800, 100.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_an_adversary_that_points_at_every_remembered_moment_is_not_believed(phi: float) -> None:
    """Stricter than any detector: eight pages were allowed to one that alarms of its own accord."""
    rng = np.random.default_rng(8)
    noise = rng.standard_normal((20_000 + SLOTS * ROWS, COLUMNS)) * (1 - phi**2) ** 0.5
    values = lfilter([1.0], [1.0, -phi], noise, axis=0)
    ts = np.arange(20_000, dtype=np.int64) * (60_000_000 // ROWS)
    names = [f"f{i:02}" for i in range(COLUMNS)]
    rows = {name: values[:20_000, i].tolist() for i, name in enumerate(names)}
    reference = Reference.build("m", rows, ts=ts, slot=60_000_000)
    tolerances = Tolerances()
    scale = EffectScale(read_laws(reference, Contract(model="m"), tolerances), tolerances)
    confirm = Confirm(scale, ARL)
    width = scale.laws.interior.shape[1] + 2
    recent, every = Recency(COLUMNS, width, 6), np.arange(COLUMNS)
    inflation = (1 + (ROWS - 1) * reference.rho) * reference.tau
    fooled = np.zeros(COLUMNS, dtype=np.bool_)
    for number in range(SLOTS):
        block = values[20_000 + number * ROWS :][:ROWS]
        told = [
            np.bincount(c.bin_numbers(block[:, i]), minlength=c.bins + 2)
            for i, c in enumerate(reference.columns)
        ]
        recent.add(reference.pad(np.concatenate(told)), number, ROWS)
        for start in recent.buckets(0)[0][:: 3 if number % 5 else 1]:
            counts = recent.since(every, np.full(COLUMNS, start))
            fooled |= confirm._judge(every, counts, inflation)
    assert fooled.sum() <= SLOTS / ARL


def test_page_hinkley_on_means_keeps_its_own_share_on_long_streams() -> None:
    values = 200_000.0
    parameters = RIVER["page_hinkley"].settle({}, "mean", values)
    detector, alarms = RIVER["page_hinkley"].build("x", parameters), 0
    for value in np.random.default_rng(9).standard_normal(400_000).tolist():
        detector.update(value)
        alarms += detector.drift_detected
    # Two are meant; with river's fading there are dozens.
    assert alarms <= 5
