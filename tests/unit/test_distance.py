from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from driftline.stats import distance
from driftline.stats.spans import spans_of, stack_spans


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = edges.size - 1
    codes = np.searchsorted(edges, values, side="right") - 1
    codes = np.where((codes < 0) | (codes >= bins), bins, codes)
    return np.bincount(codes, minlength=bins + 2).astype(np.int64)


def expected_counts(edges: np.ndarray, mean: float, sd: float) -> np.ndarray:
    inside = np.diff(stats.norm.cdf(edges, mean, sd))
    return np.rint(np.append(inside, [1 - inside.sum(), 0]) * 1e7).astype(np.int64)


@pytest.fixture(scope="module")
def normal() -> tuple[np.ndarray, np.ndarray]:
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    edges[0], edges[-1] = -4.8, 4.8
    return edges, expected_counts(edges, 0, 1)


TABLE = [  # change, PSI, Jensen-Shannon, Kolmogorov-Smirnov: ten bins of a normal law
    (0.1, 1.0, 0.010, 0.042, 0.040),
    (0.2, 1.0, 0.038, 0.083, 0.080),
    (0.3, 1.0, 0.086, 0.124, 0.119),
    (0.5, 1.0, 0.238, 0.205, 0.197),
    (1.0, 1.0, 0.926, 0.391, 0.383),
    (0.0, 2.0, 0.145, 0.161, 0.083),
    (0.0, 1.2, 0.011, 0.045, 0.022),
]


@pytest.mark.parametrize("row", TABLE)
def test_known_changes_have_known_sizes(
    normal: tuple[np.ndarray, np.ndarray], row: tuple[float, ...]
) -> None:
    mean, variance, psi, jensen_shannon, ks = row
    edges, reference = normal
    window = expected_counts(edges, mean, variance**0.5)
    low, high = np.array(mean - 5 * variance**0.5), np.array(mean + 5 * variance**0.5)
    spans = spans_of(edges, reference)
    below, _ = distance.split_unseen(window[-2], spans, low, high)
    assert distance.psi(reference, window) == pytest.approx(psi, rel=0.03, abs=0.001)
    found = distance.jensen_shannon(reference, window)
    assert found == pytest.approx(jensen_shannon, rel=0.03, abs=0.001)
    found = distance.kolmogorov_smirnov(reference, window, below)
    assert found == pytest.approx(ks, rel=0.03, abs=0.001)
    if mean:  # a wider law leaves the reference's range, where bins are blunt
        moved = distance.wasserstein(reference, window, spans, low, high)
        assert moved == pytest.approx(mean, rel=0.08)


def test_psi_without_a_change_has_the_mean_that_theory_says() -> None:
    rng = np.random.default_rng(3)
    shares = np.full(10, 0.1)
    nothing = np.zeros((2_000, 2), dtype=np.int64)
    reference = np.hstack([rng.multinomial(10_000, shares, 2_000), nothing])
    window = np.hstack([rng.multinomial(1_000, shares, 2_000), nothing])
    found = distance.psi(reference, window)
    assert found.mean() == pytest.approx(9 * (1 / 10_000 + 1 / 1_000), rel=0.05)
    assert np.quantile(found, 0.95) == pytest.approx(0.0186, rel=0.05)


def test_distances_agree_with_scipy() -> None:
    reference = np.array([400, 300, 200, 100, 0, 20])
    window = np.array([30, 30, 50, 80, 10, 5])
    p = (reference + 0.5) / (reference + 0.5).sum()
    q = (window + 0.5) / (window + 0.5).sum()
    assert distance.jensen_shannon(reference, window) == pytest.approx(jensenshannon(p, q, base=2))
    assert distance.psi(reference, window) == pytest.approx(
        stats.entropy(p, q) + stats.entropy(q, p)
    )
    assert distance.hellinger(reference, window) == pytest.approx(
        np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / 2**0.5
    )
    exact = np.abs(reference / reference.sum() - window / window.sum()).sum() / 2
    assert distance.total_variation(reference, window) == pytest.approx(exact)
    expected = stats.chi2_contingency(np.array([reference, window]), correction=False)
    found = distance.chi_squared(reference, window)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.df == expected.dof
    assert found.p_value == pytest.approx(expected.pvalue)


def test_ks_and_wasserstein_agree_with_scipy_on_levels() -> None:
    rng = np.random.default_rng(4)
    before, after = rng.integers(0, 6, 5_000), rng.binomial(5, 0.7, 3_000)
    edges = np.array([0, 0.5, 1.5, 2.5, 3.5, 4.5, np.nextafter(5.0, 9)])
    reference, window = binned(before, edges), binned(after, edges)
    spans = spans_of(edges, reference)
    moved = distance.wasserstein(reference, window, spans, np.array(0.0), np.array(5.0))
    assert moved == pytest.approx(stats.wasserstein_distance(before, after))
    expected = stats.ks_2samp(before, after).statistic
    assert distance.kolmogorov_smirnov(reference, window) == pytest.approx(expected)


def test_padding_changes_nothing() -> None:
    reference, window = np.array([5, 9, 4, 0, 3]), np.array([9, 2, 4, 1, 0])
    padded_reference = np.array([5, 9, 4, 0, 0, 0, 0, 3])
    padded_window = np.array([9, 2, 4, 0, 0, 0, 1, 0])
    for measure in (
        distance.psi,
        distance.jensen_shannon,
        distance.hellinger,
        distance.total_variation,
        distance.kolmogorov_smirnov,
    ):
        assert measure(padded_reference, padded_window) == pytest.approx(measure(reference, window))
    padded = distance.chi_squared(padded_reference, padded_window)
    plain = distance.chi_squared(reference, window)
    assert [float(x) for x in padded] == pytest.approx([float(x) for x in plain])


def test_an_empty_side_is_not_a_distribution() -> None:
    full, empty = np.array([3, 4, 0, 0]), np.zeros(4, dtype=np.int64)
    for measure in (distance.psi, distance.jensen_shannon, distance.hellinger):
        assert np.isnan(measure(full, empty))
        assert np.isnan(measure(empty, full))
    found = distance.chi_squared(full, empty)
    assert np.isnan(found.statistic)
    assert found.df == 0
    assert np.isnan(found.p_value)


def test_all_missing_is_a_change_of_shares_but_has_no_location() -> None:
    full, vanished = np.array([3, 4, 0, 0]), np.array([0, 0, 0, 7])
    assert distance.psi(full, vanished) > 1
    assert np.isnan(distance.kolmogorov_smirnov(full, vanished))


def test_values_outside_the_range_count_on_the_side_where_they_lie() -> None:
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    reference, window = np.array([10, 10, 10, 0, 0]), np.array([0, 0, 15, 15, 0])
    spans = spans_of(edges, reference)
    low, high = np.array(2.0), np.array(13.0)
    below, above = distance.split_unseen(window[-2], spans, low, high)
    assert (below, above) == (0, 15)
    assert distance.kolmogorov_smirnov(reference, window, below) == pytest.approx(2 / 3)
    found = distance.quantiles(window, spans, low, high, np.array([0.0, 0.5, 1.0]))
    assert found.tolist() == [2.0, 3.0, 13.0]


def test_quantiles_of_levels_are_levels() -> None:
    edges = np.array([0, 0.5, 1.5, np.nextafter(2.0, 9)])
    counts = np.array([50, 30, 20, 0, 7])
    spans = spans_of(edges, counts)
    found = distance.quantiles(
        counts, spans, np.array(0.0), np.array(2.0), np.array([0.25, 0.5, 0.6, 0.8, 0.99])
    )
    assert found.tolist() == [0.0, 0.0, 1.0, 1.0, 2.0]


def test_quantiles_of_a_skewed_law_are_close() -> None:
    rng = np.random.default_rng(5)
    values = rng.lognormal(0, 1, 50_000)
    edges = np.quantile(values, np.linspace(0, 1, 17))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    counts = binned(values, edges)
    probabilities = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95])
    found = distance.quantiles(
        counts[None, :],
        stack_spans([spans_of(edges, counts)]),
        np.array([values.min()]),
        np.array([values.max()]),
        probabilities,
    )
    assert found.shape == (1, 6)
    ranks = [(values <= x).mean() for x in found[0]]
    assert np.abs(np.array(ranks) - probabilities).max() < 0.011


def test_quantiles_of_nothing_are_nan() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    counts = np.array([0, 0, 0, 5])
    nan = np.array(np.nan)
    spans = spans_of(edges, np.array([1, 1, 0, 0]))
    assert np.isnan(distance.quantiles(counts, spans, nan, nan, np.array([0.5]))).all()


def test_an_atom_among_numbers_is_one_value() -> None:
    zero, top = np.nextafter(0.0, 1), np.nextafter(9.0, 10)
    edges = np.array([0.0, zero, 1.0, 4.0, np.nextafter(4.0, 5), top])
    counts = np.array([40, 20, 10, 20, 10, 0, 0])
    found = distance.quantiles(
        counts,
        spans_of(edges, counts),
        np.array(0.0),
        np.array(9.0),
        np.array([0.05, 0.3, 0.75, 0.89]),
    )
    assert found.tolist() == [0.0, 0.0, 4.0, 4.0]
