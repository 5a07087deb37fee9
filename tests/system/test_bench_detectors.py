"""Panes have the law they are said to have, and pages are counted as people count them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from driftline.bench.detectors import marginals as m
from driftline.bench.detectors.law import EVENTS, Law, Season, Traffic, draw_reference
from driftline.bench.detectors.laws import FEATURES, LAWS, MONTHS
from driftline.bench.detectors.panes import (
    Needs,
    draw_panes,
    fold_events,
    way_of,
)
from driftline.bench.detectors.pool import run_all
from driftline.bench.detectors.promise import Kept, Outcome, Stream, contract_of, find, gather, plan
from driftline.bench.detectors.promise import watch as watch_stream
from driftline.bench.detectors.run import Asked, run
from driftline.bench.detectors.watched import Watched, contract_for, is_page, needs_of
from driftline.cli import main
from driftline.contract import HOUR, MINUTE, SECOND, Rate
from driftline.detect import budget_slots
from driftline.stats import Pane, Reference

KINDS = {
    "normal": m.normal(),
    "lognormal": m.lognormal(),
    "t": m.student(2.5),
    "outliers": m.contaminated(0.01, 100.0),
    "laplace": m.laplace(),
    "humps": m.two_humps(0.8),
    "poisson": m.poisson(1.0),
    "zeros": m.zero_inflated(0.6),
    "missing": m.normal().with_missing(0.2),
    "levels": m.Levels.of((0.5, 0.3, 0.15, 0.05)),
    "many": m.Levels.of([1 / (k + 1) for k in range(80)]),
}


def small(*marginals: m.Marginal, **changes: Any) -> Law:
    return Law("small", "", marginals, 10 * SECOND, **{"rows": 2_000, **changes})


def reference_of(law: Law, seed: int = 1) -> Reference:
    return draw_reference(law, contract_for(law.slot, None, None), np.random.default_rng(seed))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_masses_are_those_of_drawn_values(name: str) -> None:
    law = small(KINDS[name])
    (column,) = reference_of(law).columns
    masses = KINDS[name].masses(column)
    assert masses.sum() == pytest.approx(1, abs=1e-9)
    drawn = KINDS[name].values(np.random.default_rng(2), 200_000)
    codes, _ = column.bin(KINDS[name].cells(drawn))
    found = np.bincount(codes, minlength=masses.size)
    assert not found[masses == 0].any()
    sure = masses > 1e-6
    z = (found - 200_000 * masses) / np.sqrt(200_000 * np.maximum(masses * (1 - masses), 1e-12))
    assert np.abs(z[sure]).max() < 5


def test_two_humps_and_laplace_keep_mean_and_variance() -> None:
    for law in (m.two_humps(0.8), m.laplace()):
        drawn = law.draw(np.random.default_rng(3), 400_000)
        assert drawn.mean() == pytest.approx(0, abs=0.01)
        assert drawn.std() == pytest.approx(1, abs=0.01)


def panes(law: Law, reference: Reference, seed: int, slots: int, needs: Needs) -> list[Pane]:
    return list(draw_panes(law, reference, np.random.default_rng(seed), 0, slots, needs))


def test_exact_and_folded_panes_agree_in_mean_and_spread() -> None:
    season = Season(np.array([[0.0] * 4, [0.5] * 4]))
    law = small(m.normal(), m.lognormal(), m.poisson(1.0), m.zero_inflated(0.5), season=season)
    reference = reference_of(law)
    drawn = [
        np.array([pane.counts for pane in panes(law, reference, 4, 2_000, needs)])
        for needs in ("counts", "values")
    ]
    for parity in (0, 1):
        exact, folded = (counts[parity::2] for counts in drawn)
        noise = np.sqrt((exact.var(axis=0) + folded.var(axis=0)) / 1_000) + 1e-9
        assert (np.abs(exact.mean(axis=0) - folded.mean(axis=0)) / noise).max() < 5
        often = exact.mean(axis=0) > 1
        ratio = exact.var(axis=0)[often] / folded.var(axis=0)[often]
        assert ratio.min() > 0.7
        assert ratio.max() < 1.4


def test_exact_and_folded_comoments_agree_in_mean_and_spread() -> None:
    law = small(m.normal(), m.lognormal().with_missing(0.2), m.poisson(1.0), m.student(2.5))
    reference = reference_of(law)
    exact, folded = (
        np.array([np.concatenate([c.rows, c.products]) for c in comoments])
        for needs in ("pairs", "values")
        for comoments in [[p.comoments for p in panes(law, reference, 5, 1_500, needs)]]
    )
    assert exact.shape == (1_500, 12)
    noise = np.sqrt((exact.var(axis=0) + folded.var(axis=0)) / 1_500) + 1e-9
    assert (np.abs(exact.mean(axis=0) - folded.mean(axis=0)) / noise).max() < 5
    moving = exact.var(axis=0) > 1  # what counts a few unseen values is no measure of spread
    assert moving.sum() >= 9
    ratio = exact.var(axis=0)[moving] / folded.var(axis=0)[moving]
    assert ratio.min() > 0.8
    assert ratio.max() < 1.25


def test_counted_panes_are_those_of_fold() -> None:
    law = LAWS["correlated"]
    reference = reference_of(law)
    counted = draw_panes(law, reference, np.random.default_rng(5), 7, 30, "pairs")
    values = Traffic(law, np.random.default_rng(5)).block(7, 30 * EVENTS)
    for one, other in zip(counted, fold_events(law, reference, values, 7, 0), strict=True):
        assert np.array_equal(one.counts, other.counts)
        assert one.comoments is not None
        assert other.comoments is not None
        assert np.array_equal(one.comoments.products, other.comoments.products)
        assert np.array_equal(one.comoments.rows, other.comoments.rows)


def test_exact_counts_fill_every_column() -> None:
    law = small(*(KINDS[name] for name in sorted(KINDS)))
    reference = reference_of(law)
    for needs in ("counts", "pairs"):
        counts = np.array([pane.counts for pane in panes(law, reference, 6, 20, needs)])
        sums = np.add.reduceat(counts, reference.starts[:-1], axis=1)
        assert (sums == EVENTS).all()


def test_dependence_is_what_it_says() -> None:
    rng = np.random.default_rng(7)
    for rho in (0.5, 0.9):
        path = Traffic(LAWS[f"ar{rho}".replace("0.", ".")], rng)
        x = np.concatenate([path.block(0, 5_000) for _ in range(4)])
        assert x.std() == pytest.approx(1, abs=0.02)
        assert (x[1:] * x[:-1]).mean() == pytest.approx(rho, abs=0.02)
    x = Traffic(LAWS["correlated"], rng).block(0, 20_000)
    found = np.corrcoef(x.T)
    assert found[0, 79] == pytest.approx(0.8, abs=0.02)
    assert abs(found[0, 80]) < 0.04
    assert (x[1:] * x[:-1]).mean() == pytest.approx(0, abs=0.02)


def test_panes_are_as_cheap_as_the_detectors_allow() -> None:
    normal, dependent = LAWS["normal"], LAWS["ar.5"]
    assert way_of(normal, "counts") == way_of(normal, "pairs") == "exact"
    assert way_of(dependent, "counts") == "counted"
    assert way_of(normal, "values") == way_of(dependent, "values") == "folded"
    for names, needs in (
        (("evidence", "adwin", "schema"), "counts"),
        (("correlation", "evidence"), "pairs"),
        (("evidence", "joint", "kswin"), "values"),
    ):
        assert needs_of(contract_for(MINUTE, None, names)) == needs


def test_every_law_has_a_hundred_features_but_the_hourly_one() -> None:
    laws = {**LAWS, **MONTHS}
    hourly = laws.pop("hourly@30d")
    assert (len(hourly.marginals), hourly.slot) == (10, HOUR)
    assert {len(law.marginals) for law in laws.values()} == {FEATURES}
    assert {law.slot for name, law in laws.items() if name in MONTHS} == {MINUTE}
    assert all(find(name).name == name for name in [*LAWS, *MONTHS])


def test_the_promise_is_the_contracts() -> None:
    assert budget_slots(contract_of(Stream("normal", 0, 1, 0, None))) == 4_000
    assert budget_slots(contract_of(Stream("normal@30d", 0, 1, 0, None))) == 43_200


def test_streams_cover_what_was_asked_for() -> None:
    for name, references in {"weekly": 2, "normal": 5, "rows500": 10}.items():
        streams = plan(name, 40_000, 10, 3, None)
        assert [s.number for s in streams] == list(range(references))
        assert sum(s.slots for s in streams) == 40_000


def test_a_law_is_watched_for_months_of_its_own_slots() -> None:
    full = Asked()
    assert full.slots_of("normal@30d") == 20 * 43_200
    assert full.slots_of("hourly@30d") == 20 * 720
    assert full.slots_of("normal") == 400_000
    assert Asked(slots=7_000).slots_of("hourly@30d") == 7_000


def outcome(pages: int, slots: int = 4_000) -> Outcome:
    return Outcome(
        "normal", slots, slots / 4_000, pages, {"evidence": pages}, "exact", 0.0, 0.0, 0.0
    )


@pytest.mark.parametrize(
    ("pages", "slots", "verdict"),
    [(100, 400_000, "kept"), (111, 400_000, "too few to tell"), (150, 400_000, "broken")],
)
def test_verdicts(pages: int, slots: int, verdict: str) -> None:
    kept = Kept("normal", "", (outcome(pages, slots),))
    assert kept.verdict == verdict


def test_bounds_are_exact() -> None:
    kept = Kept("normal", "", tuple(outcome(1) for _ in range(10)))
    assert stats.poisson.cdf(10, kept.upper * kept.promised) == pytest.approx(0.05)
    assert stats.poisson.sf(9, kept.lower * kept.promised) == pytest.approx(0.05)
    assert kept.worst == 1
    assert Kept("normal", "", (outcome(0),)).lower == 0


def test_a_planted_change_is_one_page_for_the_model() -> None:
    law = small(m.normal(), m.normal(), m.normal())
    moved = small(m.normal(2.0), m.normal(2.0), m.normal())
    contract = contract_for(law.slot, Rate(count=1, per=4_000 * law.slot), ("evidence",))
    reference = reference_of(law)
    watched = Watched(contract, reference)
    pages = []
    for number, traffic in ((20, law), (80, moved)):
        rng = np.random.default_rng(number)
        drawn = draw_panes(traffic, reference, rng, number, 60, "counts")
        for at, pane in enumerate(drawn, number):
            pages += [(at, c.incident.feature) for c in watched.step(at, pane)[1] if is_page(c)]
    assert len(pages) == 1
    assert 80 <= pages[0][0] < 90
    assert pages[0][1] in {"f000", "f001"}


def test_pages_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # A "season" whose other half lies beyond the reference: whoever pages there is right to.
    halves = Season(np.repeat([[0.0] * 4, [1.0] * 4], 100, axis=0))
    law = replace(small(*[m.normal()] * 4, season=halves), name="halves")
    monkeypatch.setitem(LAWS, "halves", law)  # type: ignore[arg-type]
    stream = Stream("halves", 0, 150, 1, ("evidence",))
    assert watch_stream(stream._replace(slots=70)).pages == 0
    found = watch_stream(stream)
    assert found.pages == 1
    assert (found.way, found.promised) == ("exact", 150 / 4_000)


def test_results_do_not_depend_on_processes() -> None:
    streams = [Stream("rows500", number, 60, 9, ("evidence",)) for number in range(2)]
    told: list[Outcome] = []
    alone = run_all(watch_stream, streams, 1, told.append)
    both = run_all(watch_stream, streams, 2, told.append)
    assert [o[:5] for o in alone] == [o[:5] for o in both]
    assert len(told) == 4


def test_progress_is_told_law_by_law() -> None:
    told: list[str] = []
    asked = Asked(laws=["rows500"], quick=True, detectors=("evidence",), slots=100)
    (law,) = run(asked, told.append).as_json()["promise"]
    assert (law["law"], law["slots"], law["streams"]) == ("rows500", 100, 2)
    assert law["detect_us_a_slot"] > 0
    assert "100 stationary slots in 2 streams" in told[0]
    assert told[-1] == "rows500: 0 pages in 100 slots, 0.025 promised: too few to tell"


def test_an_unknown_law_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "detectors", "--laws", "cauchy"]) == 2
    assert "--laws: expected some of normal, lognormal" in capsys.readouterr().err
    assert main(["bench", "detectors", "--changes", "mean9"]) == 2
    assert "--changes: expected some of mean0.25, mean0.5" in capsys.readouterr().err


def test_gather_keeps_the_order_of_laws() -> None:
    found = gather([outcome(1)._replace(law="t2.5"), outcome(2), outcome(0)._replace(law="t2.5")])
    assert [(law.law, law.achieved) for law in found] == [("t2.5", 1), ("normal", 2)]


def test_counts_of_a_pane_are_all_that_is_drawn() -> None:
    law = small(m.normal())
    reference = reference_of(law)
    (pane,) = panes(law, reference, 1, 1, "counts")
    assert isinstance(pane, Pane)
    assert (pane.featured, pane.events) == (EVENTS, {"prediction": EVENTS})
    assert not pane.sums.any()
    assert pane.comoments is None
