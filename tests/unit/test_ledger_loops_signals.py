"""Each signal of a loop by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftline.contract.types import DAY
from driftline.ledger.loops.collapse import Collapse
from driftline.ledger.loops.contrast import RUN, Contrast
from driftline.ledger.loops.fallen import fallen, inertia
from driftline.ledger.loops.foretell import Foretell
from driftline.ledger.loops.holdout import Holdout
from driftline.ledger.loops.laws import BINS, copied_laws, scale_of, sizes
from driftline.ledger.loops.lineage import Lineage
from driftline.ledger.loops.narrowing import Narrowing, exposed
from driftline.ledger.loops.spread import Spread
from driftline.ledger.loops.suspected import advise, holdout_share
from driftline.ledger.loops.window import LoopWindow
from driftline.ledger.pairs import Pairs
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard

ALPHA = 0.01


def card(error: Any, label: Any = None) -> Residuals:
    label = np.zeros(error.size) if label is None else label
    ones = np.ones(error.size)
    return Residuals.of(
        Pairs(label + error, np.nan * ones, {}, label, ones, ones.astype(np.int8)),
    )


def classes(wrong: Any) -> Scorecard:
    n = wrong.size
    said, label = ["1"] * n, np.where(wrong, "0", "1").tolist()
    ones = np.ones(n)
    return Scorecard.of(Pairs(said, np.nan * ones, {}, label, ones, ones.astype(np.int8)))


def window(day: int, whole: Any, **more: Any) -> LoopWindow:
    return LoopWindow(day * DAY, (day + 1) * DAY, whole, **more)


def both(first: Residuals, second: Residuals) -> Residuals:
    first.merge(second)
    return first


@pytest.mark.parametrize("law", ["normal", "cauchy", "classes"])
def test_equal_groups_are_not_told_apart(law: str) -> None:
    rng, loud = np.random.default_rng(1), 0
    for _ in range(40):
        contrast = Contrast(0.05)
        for _ in range(RUN):
            if law == "classes":
                contrast.add(classes(rng.random(30) < 0.2), classes(rng.random(20) < 0.2))
                continue
            draw = rng.standard_normal if law == "normal" else rng.standard_cauchy
            contrast.add(card(draw(30)), card(draw(20)))
        loud += contrast.holds
    assert loud <= 3


def test_a_few_rows_show_copied_labels() -> None:
    rng, contrast = np.random.default_rng(2), Contrast(ALPHA)
    for _ in range(8):
        contrast.add(card(0.2 * rng.standard_normal(45)), card(rng.standard_normal(5)))
    assert contrast.certain
    assert contrast.adherence == pytest.approx(0.8, abs=0.1)
    assert contrast.gap_at_least is None  # too few rows for means


def test_means_are_told_apart_once_there_are_rows() -> None:
    rng, contrast = np.random.default_rng(3), Contrast(ALPHA)
    for _ in range(RUN):
        contrast.add(card(rng.standard_normal(200)), card(1.3 * rng.standard_normal(200)))
    assert contrast.gap_at_least is not None
    assert 0 < contrast.gap_at_least < contrast.gap < 0.3
    assert contrast.certain


def test_what_is_certain_ends_with_a_run_that_does_not_say_so() -> None:
    rng, contrast = np.random.default_rng(4), Contrast(ALPHA)
    said = []
    for day in range(3 * RUN):
        near = 0.1 if day < RUN else 1.0
        contrast.add(card(near * rng.standard_normal(50)), card(rng.standard_normal(50)))
        said.append(contrast.certain)
    assert all(said[5 : 2 * RUN])
    assert not any(said[2 * RUN :])


def following(day: int, rng: Any, usage: float, near: float) -> LoopWindow:
    """A window of 100 rows; errors are `near` where the decision followed, 1 elsewhere."""
    used = rng.random(100) < usage
    error = np.where(used, near, 1.0) * rng.standard_normal(100)
    return window(
        day,
        card(error),
        followed=card(error[used]),
        followed_rows=int(used.sum()),
        overrode_rows=int((~used).sum()),
    )


@pytest.mark.parametrize(
    ("usage", "near", "suspects"),
    [(0.5, 0.2, True), (0.95, 0.2, True), (0.9, 1.0, False), (0.5, 0.6, False), (0.04, 0.1, False)],
)
def test_lineage_takes_usage_and_adherence(usage: float, near: float, suspects: bool) -> None:
    rng, lineage = np.random.default_rng(5), Lineage(ALPHA)
    for day in range(20):
        lineage.add(following(day, rng, usage, near))
    assert lineage.suspects(collapsed=False, drawn=False) is suspects
    assert lineage.tell()["usage"] == pytest.approx(usage, abs=0.03)
    # Where errors drew together any adherence will do, but none will not.
    assert lineage.suspects(collapsed=True, drawn=True) is (usage > 0.1 and near < 1)


def test_lineage_may_be_counts_alone_or_unknown() -> None:
    rng, lineage = np.random.default_rng(6), Lineage(ALPHA)
    lineage.add(window(0, card(rng.standard_normal(100))))
    assert lineage.tell()["state"] == "unknown"
    assert not lineage.suspects(collapsed=True, drawn=True)
    lineage.add(window(1, card(rng.standard_normal(400)), followed_rows=300, overrode_rows=50))
    told = lineage.tell()
    assert (told["usage"], told["labels"], told["decisions_known"]) == (0.6, 500, 350)
    assert told["adherence"] is None
    assert lineage.suspects(collapsed=True, drawn=True)
    assert not lineage.suspects(collapsed=True, drawn=False)


@pytest.mark.parametrize("kind", ["numbers", "classes"])
@pytest.mark.parametrize("loop", [True, False])
def test_a_holdout_shows_what_shown_predictions_do(kind: str, loop: bool) -> None:
    rng, holdout = np.random.default_rng(7), Holdout(ALPHA)
    for day in range(RUN):
        if kind == "numbers":
            shown = card((0.6 if loop else 1.0) * rng.standard_normal(190))
            hidden: Any = card(rng.standard_normal(10))
            holdout.add(window(day, both(shown, hidden), hidden=hidden))
            continue
        hidden = classes(rng.random(20) < 0.3)
        whole = classes(rng.random(180) < (0.1 if loop else 0.3))
        whole.merge(hidden)
        holdout.add(window(day, whole, hidden=hidden))
    assert holdout.suspects is loop
    assert (holdout.tell()["gap"] > 0.1) is loop


def test_without_a_holdout_it_is_unknown() -> None:
    holdout = Holdout(ALPHA)
    holdout.add(window(0, card(np.ones(10))))
    assert holdout.tell()["state"] == "unknown"
    assert not holdout.suspects


def test_a_figure_that_stays_has_fallen_at_no_time() -> None:
    rng, loud = np.random.default_rng(8), 0
    for _ in range(300):
        figures = rng.standard_normal(42)
        loud += any(fallen(figures[:12], figures[12:to]) > np.log(20) for to in range(13, 43))
    assert loud <= 15  # of 300 at the level .05


def test_a_fall_is_seen_whatever_the_scale() -> None:
    rng = np.random.default_rng(9)
    before, after = rng.standard_normal(12), rng.standard_normal(10) - 3
    found = fallen(before, after)
    assert found > np.log(20)
    assert fallen(1e6 * before + 1e9, 1e6 * after + 1e9) == pytest.approx(found, rel=1e-6)
    assert fallen(after, before) < 0
    assert fallen(before[:0], after) == fallen(before, after[:0]) == -np.inf
    assert fallen(np.ones(5), np.ones(5)) == -np.inf


def test_a_random_walk_proves_nothing() -> None:
    rng, loud = np.random.default_rng(10), 0
    for _ in range(100):
        walk = np.cumsum(rng.standard_normal(60))
        loud += fallen(walk[:30], walk[30:], stiff=inertia(walk[:30])) > np.log(20)
    assert loud <= 10
    assert inertia(rng.standard_normal(200)) < 0.2
    assert inertia(np.cumsum(rng.standard_normal(200))) > 0.8


def test_laws_are_laws_and_a_scale_is_a_shift() -> None:
    rng = np.random.default_rng(11)
    calm = card(3.0 * rng.standard_normal(5000))
    scale = scale_of(calm)
    assert scale == pytest.approx(3 * 0.6745, rel=0.05)
    laws = copied_laws(sizes(calm, scale))
    for each in laws:
        assert np.exp(each).sum(axis=1) == pytest.approx(np.ones(each.shape[0]))
    assert laws.kept.shape[1] == BINS
    for factor in (0.55, 1.0, 4.0):
        counted = sizes(card(factor * 3.0 * rng.standard_normal(5000)), scale)
        assert (laws.kept @ counted).max() > (laws.copied @ counted).max()
        # And it fits nearly as well as its own frequencies do.
        own = counted[counted > 0]
        assert (laws.kept @ counted).max() > own @ np.log(own / own.sum()) - 150
    assert scale_of(card(np.zeros(5))) is None


def test_errors_that_shrink_all_alike_are_no_collapse() -> None:
    rng, collapse = np.random.default_rng(12), Collapse(200.0)
    calm = card(rng.standard_normal(500))
    scale = scale_of(calm)
    assert scale is not None
    collapse.learn(sizes(calm, scale))
    for day in range(150):
        error = rng.uniform(0.55, 4.0) * rng.standard_normal(rng.integers(20, 3000))
        collapse.step(sizes(card(error), scale), day * DAY)
        assert not collapse.rung


@pytest.mark.parametrize(
    ("usage", "near", "days"), [(0.5, 0.2, 6), (0.9, 0.2, 3), (1.0, 0.0, 3), (0.35, 0.0, 8)]
)
def test_copied_labels_are_a_collapse(usage: float, near: float, days: int) -> None:
    rng, collapse = np.random.default_rng(13), Collapse(2400.0)
    calm = card(rng.standard_t(4, 500))
    scale = scale_of(calm)
    assert scale is not None
    collapse.learn(sizes(calm, scale))
    for day in range(20):
        copied = (rng.random(50) < usage) & (day >= 5)
        error = np.where(copied, near * rng.standard_normal(50), rng.standard_t(4, 50))
        collapse.step(sizes(card(error), scale), day * DAY)
        if collapse.rung:
            break
    assert 5 <= day < 5 + days
    assert collapse.began in {4 * DAY, 5 * DAY, 6 * DAY}


def test_coarse_labels_are_not_judged_by_shape() -> None:
    rng, spread = np.random.default_rng(14), Spread(100.0)
    for day in range(30):
        label = rng.poisson(2.0, 200).astype(float)
        said = np.full(200, 2.0)
        spread.add(window(day, card(said - label, label), prediction_variance=0.0))
    assert "coarse" in spread.tell()["why"]


def test_predictions_that_bring_about_inputs_are_a_hint() -> None:
    rng = np.random.default_rng(15)

    def watched(effect: float) -> Foretell:
        foretell, said, walk = Foretell(), 0.0, 0.0
        for day in range(120):
            walk += rng.standard_normal()
            inputs = {"a": 0.6 * said * effect + rng.standard_normal(), "walk": walk}
            said = rng.standard_normal()
            foretell.add(window(day, card(np.ones(2)), mean_prediction=said, inputs=inputs))
        return foretell

    found = watched(1.0)
    assert found.hints
    assert (found.tell()["feature"], found.tell()["lag_windows"]) == ("a", 1)
    assert sum(watched(0.0).hints for _ in range(10)) <= 1


def test_walks_and_seasons_foretell_nothing() -> None:
    rng, hints = np.random.default_rng(16), 0
    for _ in range(10):
        foretell, said, walk = Foretell(), 0.0, 0.0
        for day in range(120):
            said += rng.standard_normal()
            walk += rng.standard_normal()
            week = 3 * np.sin(2 * np.pi * day / 7)
            inputs = {"walk": walk, "week": week + rng.standard_normal()}
            came = window(day, card(np.ones(2)), mean_prediction=said + week, inputs=inputs)
            foretell.add(came)
        hints += foretell.hints
    assert hints <= 2


def test_few_windows_foretell_nothing() -> None:
    foretell = Foretell()
    for day in range(20):
        foretell.add(window(day, card(np.ones(2)), mean_prediction=1.0 * day, inputs={"a": 1.0}))
    assert foretell.tell()["state"] == "unknown"


def recommended(rng: Any, spread: float, items: int = 200, rows: int = 2000) -> dict[str, int]:
    chance = np.arange(1, items + 1) ** -spread
    counts = rng.multinomial(rows, chance / chance.sum())
    return {f"item {at}": int(count) for at, count in enumerate(counts)}


def test_exposure_is_measured_as_it_is() -> None:
    even = exposed({str(at): 10 for at in range(50)})
    assert even is not None
    assert even.effective == pytest.approx(50, rel=0.06)
    assert even.gini == pytest.approx(0.0)
    assert even.items == 50
    one = exposed({"a": 500})
    assert one is not None
    assert one.effective == 1.0
    assert exposed({"a": 99}) is None


def test_a_narrowing_is_found_and_a_steady_catalogue_is_not() -> None:
    rng = np.random.default_rng(17)
    for narrows in (False, True):
        narrowing = Narrowing(2400.0)
        for day in range(60):
            spread = 0.7 + 0.01 * max(0, day - 25) * narrows
            came = window(day, card(np.ones(2)), exposed=recommended(rng, spread))
            narrowing.add(came)
        assert narrowing.hints is narrows
    told = narrowing.tell()
    assert told["effective_items_lost"] > 0.1
    assert told["gini"][1] > told["gini"][0]


def test_the_holdout_asked_for_is_no_larger_than_needed() -> None:
    assert holdout_share(1e6, None) == 0.01
    assert holdout_share(10.0, None) == 0.2
    assert holdout_share(3000, 1.6) > holdout_share(3000, 0.8)
    assert "10%" in advise(("spread",), 0.1, held_out=False)[0]
    assert "explore" in advise(("exposure",), 0.1, held_out=True)[-1]
