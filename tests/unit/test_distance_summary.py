from __future__ import annotations

import json

import numpy as np
import pytest

from driftline.stats.fixedpoint import fixed_point_sums
from driftline.stats.pane import Pane
from driftline.stats.reference import Reference
from driftline.stats.summary import PROBABILITIES, Summariser


def folded(reference: Reference, columns: dict[str, list[object]]) -> Pane:
    pane = Pane.empty(reference, 0)
    flat, numbers = [], []
    for column in reference.columns:
        codes, values = column.bin(columns[column.name])
        flat.append(np.bincount(codes, minlength=column.bins + 2))
        if column.numeric:
            numbers.append(values)
    pane.counts = np.concatenate(flat).astype(np.int64)
    matrix = np.array(numbers).T
    if matrix.size:
        pane.sums = fixed_point_sums(matrix, reference.centers, reference.units, np.array([0]))[0]
        pane.minimum = np.fmin.reduce(matrix, axis=0)
        pane.maximum = np.fmax.reduce(matrix, axis=0)
    return pane


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(1)
    return Reference.build(
        "m",
        {
            "age": rng.normal(40, 10, 5_000).tolist(),
            "children": rng.integers(0, 4, 5_000).tolist(),
            "country": rng.choice(["at", "be", "ch"], 5_000).tolist(),
            "owner": rng.choice([True, False], 5_000).tolist(),
            "still": [7.5] * 5_000,
        },
    )


def test_columns_are_described_in_their_own_units(reference: Reference) -> None:
    rng = np.random.default_rng(2)
    age = rng.normal(45, 10, 2_000)
    rows: dict[str, list[object]] = {
        "age": [*age[:1_900].tolist(), *[None] * 100],
        "children": rng.integers(0, 4, 2_000).tolist(),
        "country": [*rng.choice(["at", "be", "ch"], 1_990).tolist(), *["xx"] * 10],
        "owner": [True] * 2_000,
        "still": [7.5] * 2_000,
    }
    found = Summariser(reference).of(folded(reference, rows))
    json.dumps(found, allow_nan=False)
    kept = age[:1_900]
    assert found["age"]["count"] == 1_900
    assert found["age"]["missing"] == 100
    assert found["age"]["mean"] == pytest.approx(kept.mean(), rel=1e-4)
    assert found["age"]["sd"] == pytest.approx(kept.std(), rel=1e-4)
    assert (found["age"]["min"], found["age"]["max"]) == (kept.min(), kept.max())
    assert list(found["age"]["quantiles"]) == list(PROBABILITIES)
    assert found["age"]["quantiles"]["0.5"] == pytest.approx(np.median(kept), abs=0.5)
    assert found["age"]["wasserstein"] == pytest.approx(0.5, abs=0.06)
    assert len(found["age"]["bins"]) == len(found["age"]["histogram"]) + 1
    assert found["children"]["quantiles"]["0.5"] in (1.0, 2.0)
    assert found["country"]["unseen"] == 10
    assert found["country"]["bins"] == sorted(
        found["country"]["bins"],
        key=lambda level: (
            -dict(
                zip(
                    reference.columns[2].categories,
                    reference.columns[2].counts.tolist(),
                    strict=False,
                )
            )[level]
        ),
    )
    assert found["country"]["mean"] is None
    assert found["country"]["ks"] is None
    assert found["owner"]["histogram"] == [0, 2_000]
    assert found["owner"]["psi"] > 1
    assert found["still"]["wasserstein"] is None
    assert found["still"]["quantiles"]["0.99"] == 7.5
    assert found["still"]["psi"] == 0.0


def test_a_column_without_values_says_so(reference: Reference) -> None:
    rows: dict[str, list[object]] = {c.name: [None] * 50 for c in reference.columns}
    found = Summariser(reference).of(folded(reference, rows))
    json.dumps(found, allow_nan=False)
    for name in ("age", "children", "still"):
        own = found[name]
        assert own["count"] == 0
        assert own["missing"] == 50
        for key in ("mean", "sd", "min", "max", "quantiles", "ks", "wasserstein"):
            assert own[key] is None, key
        assert own["psi"] > 1


def test_an_empty_pane_has_no_distances(reference: Reference) -> None:
    found = Summariser(reference).of(Pane.empty(reference, 0))
    json.dumps(found, allow_nan=False)
    for own in found.values():
        assert own["psi"] is None
        assert own["chi_squared"] is None
        assert own["count"] == 0


def test_a_wrong_unit_is_as_far_as_it_is(reference: Reference) -> None:
    rows: dict[str, list[object]] = {c.name: [None] * 100 for c in reference.columns}
    rows["age"] = np.random.default_rng(3).normal(40_000, 10_000, 100).tolist()
    found = Summariser(reference).of(folded(reference, rows))["age"]
    assert found["unseen"] == 100
    assert found["wasserstein"] == pytest.approx(4_000, rel=0.1)
    assert 20_000 < found["quantiles"]["0.5"] < 60_000


def test_a_model_without_numbers() -> None:
    reference = Reference.build("m", {"c": ["a", "b", "a", None]})
    found = Summariser(reference).of(folded(reference, {"c": ["a", "a", "b", "b"]}))
    assert found["c"]["histogram"] == [2, 2]
