"""Natural variability where moments do not tell it: rare slots, bursts, short references."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.signal import lfilter

from driftline.contract import Contract, DetectorPlan
from driftline.detect import Slot, Tolerances
from driftline.detect.evidence import Evidence
from driftline.detect.footing import caveats, footings
from driftline.stats import Pane, Reference, variability
from driftline.stats.resample import make_fair

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

SLOT = 10_000_000
ROWS = 100


def reference_of(values: Floats) -> Reference:
    """Build one from values of shape (slots, rows, columns), NaN where missing."""
    slots, rows, columns = values.shape
    flat = values.reshape(-1, columns)
    named = {
        f"f{i:02}": [None if np.isnan(v) else v for v in flat[:, i].tolist()]
        for i in range(columns)
    }
    ts = np.arange(slots * rows, dtype=np.int64) * (SLOT // rows)
    return Reference.build("m", named, ts=ts, slot=SLOT)


def inflation(reference: Reference) -> Floats:
    return np.asarray((1 + (ROWS - 1) * reference.rho) * reference.tau)


def rare(rng: np.random.Generator, slots: int, columns: int) -> Floats:
    """One slot in a hundred of each column has its values one sd higher."""
    high = rng.random((slots, columns)) < 0.01
    return np.asarray(rng.standard_normal((slots, ROWS, columns)) + high[:, None])


def bursts(rng: np.random.Generator, slots: int, columns: int) -> Floats:
    """One value in a hundred is missing; in one slot in a hundred of a column 30 in a hundred."""
    rate = 0.01 + 0.3 * (rng.random((slots, columns)) < 0.01)
    values = rng.standard_normal((slots, ROWS, columns))
    values[rng.random(values.shape) < rate[:, None]] = np.nan
    return values


def wandering(rng: np.random.Generator, slots: int, columns: int) -> Floats:
    """Means wander by 0.3 sd, with a correlation time of 39 slots."""
    steps = rng.standard_normal((slots, columns)) * (1 - 0.95**2) ** 0.5
    start = rng.standard_normal((1, columns)) * 0.95
    level, _ = lfilter([1.0], [1.0, -0.95], steps, axis=0, zi=start)
    return np.asarray(rng.standard_normal((slots, ROWS, columns)) + 0.3 * level[:, None])


def test_slots_that_differ_rarely_and_much_are_paid_for() -> None:
    values = np.random.default_rng(1).standard_normal((400, ROWS, 1))
    values[[30, 130, 200, 350]] += 1.0
    found = float(inflation(reference_of(values))[0])
    # A bet on 1 sd is paid 50 in each, give or take 10: exp(50 / inflation) / 100 is to be 1 at 11.
    assert 9 < found < 13


def test_bursts_of_missing_values_are_paid_for() -> None:
    rng = np.random.default_rng(2)
    values = rng.standard_normal((400, ROWS, 1))
    values[rng.random(values.shape) < 0.01] = np.nan
    calm = inflation(reference_of(values))[0]
    values[[77, 300], :50] = np.nan
    found = inflation(reference_of(values))[0]
    assert calm < 1.5
    # Up by 20 %, a burst of half the rows pays 50 log(.21 / .02) + 50 log(.79 / .98) = 107.
    assert found > 15


def test_independent_slots_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    touched = []

    def told(*given: object) -> tuple[float, float]:
        found = make_fair(*given)  # type: ignore[arg-type]
        touched.append(found != given[2:])
        return found

    monkeypatch.setattr(variability, "make_fair", told)
    rng = np.random.default_rng(3)
    reference_of(rng.standard_normal((200, 50, 60)))
    reference_of(rng.poisson(1.0, (200, 50, 60)).astype(np.float64))
    assert len(touched) == 120
    assert sum(touched) <= 2


def test_a_run_of_slots_is_paid_for_as_a_run() -> None:
    noise = np.random.default_rng(4).standard_normal((400, 20, 1))
    apart, together = noise.copy(), noise.copy()
    apart[::25] += 0.7
    together[100:116] += 0.7
    column = reference_of(noise).columns[0]
    cut = [
        np.stack([np.bincount(column.bin(own)[0], minlength=column.counts.size) for own in each])
        for each in (apart[:, :, 0].tolist(), together[:, :, 0].tolist())
    ]
    scattered, run = (make_fair(column, table.astype(np.float64), 0.03, 1.0)[0] for table in cut)
    assert run > 2 * scattered


def test_where_slots_hold_one_row_it_is_the_correlation_time() -> None:
    values = np.random.default_rng(5).standard_normal(2_000)
    values[400:416] = 3.0
    column = Reference.build("m", {"x": values.tolist()}).columns[0]
    table = np.eye(column.counts.size)[column.bin(values.tolist())[0]]
    rho, tau = make_fair(column, table, 0.0, 1.0)
    assert rho == 0
    assert tau > 2


def test_a_reference_that_is_short_against_its_memory_looks_at_all_columns() -> None:
    # Over m = 100 rows: overdispersion .09 / 1.09 and 39 slots of memory.
    true = (1 + (ROWS - 1) * 0.09 / 1.09) * 39
    found = inflation(reference_of(wandering(np.random.default_rng(6), 50, 20)))
    assert found.min() > true / 4
    assert np.median(found) > true


def test_a_long_reference_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    values = wandering(np.random.default_rng(7), 1_000, 8)
    found = reference_of(values)
    monkeypatch.setattr(variability, "MEMORIES", 0.0)
    alone = reference_of(values)
    assert found.tau.tolist() == alone.tau.tolist()
    assert found.rho.tolist() == alone.rho.tolist()


@pytest.mark.parametrize(("law", "slots"), [(rare, 200), (bursts, 300), (wandering, 50)])
def test_the_promise_holds_there(law: object, slots: int) -> None:
    assert callable(law)
    rng, columns, live = np.random.default_rng(8), 20, 1_000
    values = law(rng, slots + live, columns)
    reference = reference_of(values[:slots])
    contract = Contract(model="m", slot=SLOT, detectors=(DetectorPlan(name="evidence"),))
    detector = Evidence(reference, contract, 4_000.0)
    pages = 0
    for number, own in enumerate(values[slots:], slots):
        codes = [
            column.bin([None if np.isnan(v) else v for v in own[:, i].tolist()])[0]
            + reference.starts[i]
            for i, column in enumerate(reference.columns)
        ]
        pane = Pane.empty(reference, 0)
        pane.counts = np.bincount(np.concatenate(codes), minlength=int(reference.starts[-1]))
        pane.events["prediction"] = ROWS
        start = number * SLOT
        slot = Slot(start, start + SLOT, number - slots, pane, reference, contract)
        pages += any(f.state == "raised" and f.severity == "page" for f in detector.step(slot))
    assert pages <= 1


def test_what_it_costs_is_said() -> None:
    contract = Contract(model="m", slot=SLOT)
    reference = reference_of(wandering(np.random.default_rng(9), 50, 10))
    told = footings(reference, contract, Tolerances())
    assert [f.inflation for f in told] == pytest.approx(inflation(reference).tolist())
    found = {c.code: c for c in caveats(reference, contract, told)}
    worst = max(told, key=lambda f: reference.tau[reference.index[f.feature]])
    assert found["memory"].features[0] == worst.feature
    assert f"divided by {worst.inflation:,.2g}" in found["memory"].text
    assert "there are 50" in found["memory"].text
    calm = reference_of(np.random.default_rng(10).standard_normal((50, ROWS, 3)))
    assert "memory" not in {
        c.code for c in caveats(calm, contract, footings(calm, contract, Tolerances()))
    }
