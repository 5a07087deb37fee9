"""The season: learnt where it foretells, and taken out of counts without touching the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from driftline.stats import Reference
from driftline.stats.transport import couple, monotone, whole

if TYPE_CHECKING:
    import numpy.typing as npt

HOUR = 3_600_000_000
DAY = 24 * HOUR
MONDAY = 1_772_409_600_000_000
SLOT = 10 * 60 * 1_000_000
ROWS = 40


def times(days: int) -> npt.NDArray[np.int64]:
    slots = MONDAY + np.arange(days * DAY // SLOT, dtype=np.int64) * SLOT
    return (slots[:, None] + np.arange(ROWS) * (SLOT // ROWS)).ravel()


def draw(ts: npt.NDArray[np.int64], seed: int = 1) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    hour = ts / HOUR % 24
    weekend = (ts - MONDAY) // DAY % 7 >= 5
    wave = np.sin(2 * np.pi * hour / 24)
    free = rng.random(ts.size) < np.where(weekend, 0.7, 0.3)
    gone = rng.random(ts.size) < 0.1 + 0.08 * wave
    amount = rng.standard_normal(ts.size) + 0.5 * wave
    return {
        "plain": rng.standard_normal(ts.size).tolist(),
        "daily": [None if g else float(a) for g, a in zip(gone, amount, strict=True)],
        "weekly": np.where(free, "free", "busy").tolist(),
    }


@pytest.fixture(scope="module")
def reference() -> Reference:
    ts = times(28)
    return Reference.build("m", draw(ts), ts=ts, slot=SLOT)


def test_each_column_gets_the_season_it_has(reference: Reference) -> None:
    found = {c.name: reference.season.of(i) for i, c in enumerate(reference.columns)}
    assert found == {"daily": "hour_of_day", "plain": None, "weekly": "hour_of_week"}


def test_what_is_left_without_the_season_is_hardly_more_than_chance(reference: Reference) -> None:
    without = Reference.build("m", draw(times(2)), ts=times(2), slot=SLOT)
    at = reference.index["daily"]
    assert not without.season
    assert without.rho[at] > 0.05
    assert reference.rho[at] < 0.01
    assert reference.tau[at] < 1.5


def test_adjusted_counts_follow_the_overall_law_at_every_hour(reference: Reference) -> None:
    ts = times(28)
    rows = draw(ts, seed=2)
    for name in ("daily", "weekly"):
        at = reference.index[name]
        column = reference.columns[at]
        code = column.bin(rows[name])[0]
        slot = (ts - MONDAY) // SLOT
        width = column.counts.size
        size = int(slot.max() + 1) * width
        table = np.bincount(slot * width + code, minlength=size).reshape(-1, width)
        middles = MONDAY + np.arange(table.shape[0]) * SLOT + SLOT // 2
        adjusted = reference.season.adjust_table(at, table, middles)
        np.testing.assert_allclose(adjusted.sum(axis=1), table.sum(axis=1))
        law = column.counts / column.counts.sum()
        for hour in range(0, 24, 5):
            here = adjusted[middles // HOUR % 24 == hour].sum(axis=0)
            raw = table[middles // HOUR % 24 == hour].sum(axis=0)
            assert 0.5 * np.abs(here / here.sum() - law).sum() < 0.035, (name, hour)
            if name == "daily" and hour == 5:
                assert 0.5 * np.abs(raw / raw.sum() - law).sum() > 0.15


def test_one_slot_is_adjusted_as_the_table_is(reference: Reference) -> None:
    rng = np.random.default_rng(3)
    padded = reference.padded_counts * 0
    for i, column in enumerate(reference.columns):
        counts = rng.multinomial(100, column.counts / column.counts.sum())
        padded[i, : column.bins], padded[i, -2:] = counts[: column.bins], counts[-2:]
    middle = MONDAY + 5 * DAY + 7 * HOUR + SLOT // 2
    found = reference.season.adjust(padded, middle)
    for i, column in enumerate(reference.columns):
        own = np.concatenate([padded[i, : column.bins], padded[i, -2:]])
        alone = reference.season.adjust_table(i, own[None], np.array([middle]))[0]
        np.testing.assert_allclose(found[i, : column.bins], alone[: column.bins], atol=1e-9)
        np.testing.assert_allclose(found[i, -2:], alone[-2:], atol=1e-9)


def test_a_trend_and_a_short_reference_are_no_season() -> None:
    ts = times(14)
    rng = np.random.default_rng(4)
    trend = rng.standard_normal(ts.size) + (ts - MONDAY) / DAY
    assert not Reference.build("m", {"x": trend.tolist()}, ts=ts, slot=SLOT).season
    short = times(2)
    assert not Reference.build("m", draw(short), ts=short, slot=SLOT).season


def test_a_declared_season_is_taken_for_all_columns() -> None:
    ts = times(4)
    found = Reference.build("m", draw(ts), ts=ts, slot=SLOT, seasonal="hour_of_day").season
    assert {found.of(i) for i in range(3)} == {"hour_of_day"}


def test_it_is_saved_with_the_reference(reference: Reference) -> None:
    again = Reference.from_json(reference.to_json())
    assert again.id == reference.id
    counts = reference.padded_counts
    at = MONDAY + 30 * HOUR
    np.testing.assert_array_equal(
        again.season.adjust(counts, at), reference.season.adjust(counts, at)
    )


@pytest.mark.parametrize("transport", [monotone, couple])
def test_transport_carries_one_law_to_the_other(transport: Any) -> None:
    rng = np.random.default_rng(5)
    source, target = rng.dirichlet(np.ones(9), 50), rng.dirichlet(np.ones(9), 50)
    found = transport(source, target)
    np.testing.assert_allclose(found.sum(axis=2), 1)
    np.testing.assert_allclose(np.einsum("kb,kbj->kj", source, found), target)
    assert (found >= 0).all()


def test_the_coupling_moves_no_more_than_it_must() -> None:
    source, target = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    found = couple(source, target)
    np.testing.assert_allclose(found[1], [0, 1, 0])
    np.testing.assert_allclose(found[0], [0.4, 0, 0.6])


def test_whole_keeps_sums() -> None:
    counts = np.random.default_rng(6).random((20, 12)) * 3
    counts[:, -1] += np.ceil(counts.sum(axis=1)) - counts.sum(axis=1)
    np.testing.assert_array_equal(whole(counts).sum(axis=1), np.rint(counts.sum(axis=1)))
    assert (whole(counts) >= 0).all()
    assert np.abs(np.cumsum(whole(counts) - counts, axis=1)).max() <= 0.5 + 1e-9


def test_years_are_learnt_from_rows_a_day() -> None:
    """A winter like the others is no drift, and what happens within a season is seen."""
    rng = np.random.default_rng(7)
    days = np.arange(12 * 365)
    ts = days * DAY + DAY // 2
    cold = 20 * np.cos(2 * np.pi * days / 365.2425) + rng.normal(0, 5, days.size)
    columns = {"cold": cold.tolist(), "plain": rng.normal(0, 1, days.size).tolist()}
    ten = 10 * 365
    reference = Reference.build(
        "m", {name: values[:ten] for name, values in columns.items()}, ts=ts[:ten], slot=DAY
    )
    found = [reference.season.of(reference.index[name]) for name in ("cold", "plain")]
    assert found == ["month_of_year", None]
    assert reference.tau[reference.index["cold"]] < 3
    again = Reference.from_json(reference.to_json())
    assert again.id == reference.id
    winter, summer = ts[10 * 365 + 5], ts[10 * 365 + 180]
    freed = []
    for at in (winter, summer):
        own = np.zeros_like(reference.padded_counts)
        step = int((at // DAY) % 365.2425)
        typical = 20 * np.cos(2 * np.pi * step / 365.2425)
        column = reference.columns[reference.index["cold"]]
        own[reference.index["cold"], int(np.searchsorted(column.edges, typical)) - 1] = 100
        share = reference.season.adjust(own, int(at))[reference.index["cold"]] / 100
        freed.append(float(share @ np.arange(share.size)))
    middle = (reference.columns[reference.index["cold"]].bins - 1) / 2
    assert freed == pytest.approx([middle, middle], abs=2)


def test_hours_are_not_given_up_for_a_weaker_year() -> None:
    hours = np.arange(4 * 365 * 24, dtype=np.int64) * HOUR
    rng = np.random.default_rng(3)
    day, year = np.sin(2 * np.pi * hours / DAY), np.cos(2 * np.pi * hours / DAY / 365.2425)
    columns = {
        "both": (day + 0.3 * year + rng.normal(0, 0.5, hours.size)).tolist(),
        "year": (year + rng.normal(0, 0.5, hours.size)).tolist(),
    }
    season = Reference.build("m", columns, ts=hours, slot=HOUR).season
    assert [season.of(0), season.of(1)] == ["hour_of_day", "month_of_year"]


def test_a_constant_has_no_season() -> None:
    ts = times(14)
    columns = {"constant": [1.0] * ts.size, **draw(ts)}
    season = Reference.build("m", columns, ts=ts, slot=SLOT).season
    assert season.of(0) is None
    assert season
