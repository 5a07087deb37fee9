"""What moves together: correlations and principal components, and their detectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from driftline.contract import Contract
from driftline.contract.types import FeaturePlan
from driftline.detect import ParameterError, Slot, build
from driftline.detect.correlation import Correlation
from driftline.detect.joint import Joint
from driftline.stats import Pane, Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from driftline.detect import Finding
    from driftline.detect.shares import ShareDetector

    Floats = np.ndarray[tuple[int, int], np.dtype[np.float64]]
    Law = Callable[[np.random.Generator, int], Floats]

SLOT = 10_000_000
COLUMNS = 12
CONTRACT = Contract(model="m")
MONTH = 259_200.0
"""Slots of 10 s in 30 days."""


def iid(rng: np.random.Generator, rows: int) -> Floats:
    return rng.standard_normal((rows, COLUMNS))


def factor(rng: np.random.Generator, rows: int, loading: float = 0.8) -> Floats:
    return loading * rng.standard_normal((rows, 1)) + (1 - loading**2) ** 0.5 * iid(rng, rows)


def ties(rng: np.random.Generator, rows: int) -> Floats:
    """Half zeros, and yes or no: with a common factor."""
    x = factor(rng, rows, 0.5)
    x[:, ::3] = np.floor(2 * np.maximum(x[:, ::3], 0))
    x[:, 1::3] = x[:, 1::3] > 1
    return x


def rare(rng: np.random.Generator, rows: int) -> Floats:
    x = iid(rng, rows)
    x[:, ::2] = x[:, ::2] > 1.2
    return x


def holes(rng: np.random.Generator, rows: int) -> Floats:
    """Single values missing, and sometimes half of the columns together."""
    x = factor(rng, rows)
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(rows) < 0.1, : COLUMNS // 2] = np.nan
    return x


def names() -> list[str]:
    return [f"f{i:02d}" for i in range(COLUMNS)]


def reference_of(law: Law, rows: int = 4000, seed: int = 1, *, timed: bool = True) -> Reference:
    return reference_from(law(np.random.default_rng(seed), rows), timed=timed)


def reference_from(x: Floats, *, timed: bool = True) -> Reference:
    given = [[None if np.isnan(v) else v for v in column] for column in x.T.tolist()]
    ts = np.arange(len(x), dtype=np.int64) * (SLOT // 100) if timed else None
    return Reference.build("m", dict(zip(names(), given, strict=True)), ts=ts, slot=SLOT)


def slots(reference: Reference, x: Floats, rows: int = 100) -> Iterator[Slot]:
    """Panes of rows that are there as a matrix, one column for each of the reference."""
    scoring = reference.scoring
    assert scoring is not None
    codes = np.stack([c.bin_numbers(v) for c, v in zip(reference.columns, x.T, strict=True)])
    flat = codes + reference.starts[:-1, None]
    for number, at in enumerate(range(0, len(x), rows)):
        own = flat[:, at : at + rows]
        pane = Pane.empty(reference, 0)
        assert pane.comoments is not None
        pane.counts = np.bincount(own.ravel(), minlength=int(reference.starts[-1]))
        pane.comoments.add(scoring.scores[own[scoring.columns]], scoring)
        pane.events["prediction"] = rows
        start = number * SLOT
        yield Slot(start, start + SLOT, number, pane, reference, CONTRACT)


def raised(
    detector: ShareDetector, reference: Reference, x: Floats, rows: int = 100
) -> list[Finding]:
    found = [f for slot in slots(reference, x, rows) for f in detector.step(slot)]
    return [f for f in found if f.state == "raised"]


def test_a_new_correlation_is_seen_named_and_dated() -> None:
    reference = reference_of(iid)
    x = iid(np.random.default_rng(2), 6000)
    x[3000:, 5] = 0.5 * x[3000:, 2] + 0.75**0.5 * x[3000:, 5]
    (finding,) = raised(Correlation(reference, CONTRACT, MONTH), reference, x)
    assert finding.detected_at <= 35 * SLOT
    assert abs(finding.change_point - 30 * SLOT) <= SLOT
    assert finding.feature in {"f02", "f05"}
    (pair,) = finding.evidence["pairs"]
    assert sorted(pair["pair"]) == ["f02", "f05"]
    assert abs(pair["reference"]) < 0.05
    assert pair["current"] == pytest.approx(0.5, abs=0.15)
    assert finding.text.startswith("correlation of f0")


def test_a_column_that_goes_its_own_way_is_what_the_finding_is_about() -> None:
    reference = reference_of(factor)
    rng = np.random.default_rng(2)
    x = factor(rng, 4000)
    x[2000:, 7] = rng.standard_normal(2000)
    (finding,) = raised(Correlation(reference, CONTRACT, MONTH), reference, x)
    assert finding.feature == "f07"
    assert finding.evidence["direction"] == "down"
    assert all(pair["pair"][0] == "f07" for pair in finding.evidence["pairs"])


def test_no_pair_is_told_twice_while_it_is_open() -> None:
    reference = reference_of(factor)
    rng = np.random.default_rng(2)
    x = np.concatenate([factor(rng, 2000), factor(rng, 4000)])
    x[2000:, 6:] = factor(rng, 4000)[:, 6:]
    found = raised(Correlation(reference, CONTRACT, MONTH), reference, x)
    told = [tuple(sorted(p["pair"])) for finding in found for p in finding.evidence["pairs"]]
    assert len(told) == len(set(told))
    assert len({finding.feature for finding in found}) == len(found)
    assert {finding.change_point for finding in found} <= {19 * SLOT, 20 * SLOT, 21 * SLOT}


def test_components_see_what_is_spread_thin() -> None:
    """Each correlation falls by .08, less than any pair's tolerance."""
    reference = reference_of(factor)
    rng = np.random.default_rng(2)
    x = np.concatenate([factor(rng, 2000), factor(rng, 6000, 0.748)])
    (finding,) = raised(Joint(reference, MONTH), reference, x)
    assert finding.detected_at <= 60 * SLOT
    assert finding.feature is None
    assert finding.evidence["direction"] == "up"
    assert finding.evidence["current"] > finding.evidence["reference"] + 0.03
    assert len(finding.evidence["contributors"]) == 5


def test_components_name_the_features_that_turned() -> None:
    reference = reference_of(factor)
    rng = np.random.default_rng(2)
    x = factor(rng, 6000)
    x[3000:, 8:] = rng.standard_normal((3000, 4))
    (finding,) = raised(Joint(reference, MONTH), reference, x)
    first = [one["feature"] for one in finding.evidence["contributors"][:4]]
    assert sorted(first) == ["f08", "f09", "f10", "f11"]


@pytest.mark.parametrize(
    "make", [lambda r: Correlation(r, CONTRACT, MONTH), lambda r: Joint(r, MONTH)]
)
@pytest.mark.parametrize("law", [iid, factor])
def test_columns_that_move_each_by_itself_change_no_correlation(law: Law, make) -> None:
    reference = reference_of(law)
    x = law(np.random.default_rng(2), 8000)
    x[2000:, :4] += 0.4
    x[4000:, 4:6] *= 1.3
    x[5000:, 6:8] += 3.0
    x[6000:, 8:10] *= 100.0
    assert raised(make(reference), reference, x) == []


def test_a_season_that_columns_share_is_no_correlation() -> None:
    """Within slots the columns are independent; over the day they rise and fall together."""

    def daily(rng: np.random.Generator, rows: int) -> Floats:
        return iid(rng, rows) + np.sin(np.arange(rows) / 2000 * 2 * np.pi)[:, None]

    reference = reference_of(daily, 10_000)
    assert reference.dependence is not None
    assert reference.scoring is not None
    r = np.tanh(reference.dependence.level[: reference.scoring.pairs])
    assert np.abs(r).max() < 0.1
    assert (
        raised(
            Correlation(reference, CONTRACT, 200.0),
            reference,
            daily(np.random.default_rng(2), 20_000),
        )
        == []
    )


def test_what_is_too_small_to_page_wakes_nobody_however_long() -> None:
    reference = reference_of(iid, 20_000)
    x = iid(np.random.default_rng(2), 100_000)
    x[:, 5] += 0.14 * x[:, 2]
    assert raised(Correlation(reference, CONTRACT, MONTH, tolerance=0.2), reference, x, 1000) == []
    assert raised(Correlation(reference, CONTRACT, MONTH, tolerance=0.1), reference, x, 1000)


def test_the_luckiest_of_many_small_changes_wakes_nobody() -> None:
    """Every correlation rises to .08: one of them always looks like twice that for a while."""
    reference = reference_of(iid, 20_000)
    x = factor(np.random.default_rng(2), 40_000, 0.08**0.5)
    assert raised(Correlation(reference, CONTRACT, MONTH), reference, x) == []


@pytest.mark.parametrize("law", [iid, factor, ties, rare, holes])
def test_false_alarms_keep_inside_the_promise(law: Law) -> None:
    """One in 50 slots is promised, and a tolerance that hides nothing; 800 slots, so 16 allowed."""
    reference = reference_of(law)
    x = law(np.random.default_rng(3), 80_000)
    for detector in (
        Correlation(reference, CONTRACT, 50.0, tolerance=0.01),
        Joint(reference, 50.0, tolerance=0.005),
    ):
        assert len(raised(detector, reference, x)) <= 16


def test_a_small_reference_is_used_with_care() -> None:
    x = iid(np.random.default_rng(3), 80_000)
    for timed in (True, False):
        reference = reference_of(iid, 500, timed=timed)
        detector = Correlation(reference, CONTRACT, 50.0, tolerance=0.01)
        assert len(raised(detector, reference, x)) <= 16


def test_rows_that_depend_on_one_another_are_believed_less() -> None:
    """A random walk of correlation from slot to slot: the reference has seen it, and allows it."""

    def wavering(rng: np.random.Generator, rows: int) -> Floats:
        x = iid(rng, rows)
        lean = np.repeat(np.clip(rng.normal(0, 0.3, rows // 100), -0.8, 0.8), 100)
        x[:, 5] = lean * x[:, 2] + (1 - lean**2) ** 0.5 * x[:, 5]
        return x

    reference = reference_of(wavering, 10_000)
    assert reference.dependence is not None
    assert reference.scoring is not None
    at = np.flatnonzero((reference.scoring.first == 2) & (reference.scoring.second == 5))
    assert reference.dependence.rho[at] > 0.02
    x = wavering(np.random.default_rng(3), 80_000)
    assert len(raised(Correlation(reference, CONTRACT, 50.0), reference, x)) <= 16


def test_importance_decides_where_the_evidence_is_sought() -> None:
    reference = reference_of(iid)
    contract = Contract(model="m", features={"f05": FeaturePlan(importance=0.0)})
    x = iid(np.random.default_rng(2), 4000)
    x[:, 5] = 0.9 * x[:, 2] + 0.19**0.5 * x[:, 5]
    assert raised(Correlation(reference, contract, MONTH), reference, x) == []
    assert raised(Correlation(reference, CONTRACT, MONTH), reference, x)


@pytest.mark.parametrize("name", ["correlation", "joint"])
@pytest.mark.parametrize(
    "given", [{"tolerance": 0}, {"tolerance": 1}, {"tolerance": "x"}, {"size": 1}]
)
def test_parameters_that_make_no_sense_are_named(name: str, given: dict[str, object]) -> None:
    from driftline.contract import DetectorPlan

    contract = Contract(model="m", detectors=(DetectorPlan(name=name, parameters=given),))
    with pytest.raises(ParameterError, match=rf"{name}\.{next(iter(given))}"):
        build(contract, reference_of(iid, 200))
